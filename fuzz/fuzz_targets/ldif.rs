//! Fuzzes the property in `properties/ldif.rs`.

#![no_main]

#[path = "../properties/ldif.rs"]
mod ldif;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ldif::holds(bytes));
