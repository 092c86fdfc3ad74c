//! Fuzzes the property in `properties/dn.rs`.

#![no_main]

#[path = "../properties/dn.rs"]
mod dn;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dn::holds(bytes));
