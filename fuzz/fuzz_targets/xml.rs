//! Fuzzes the property in `properties/xml.rs`.

#![no_main]

#[path = "../properties/xml.rs"]
mod xml;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xml::holds(bytes));
