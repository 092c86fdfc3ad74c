//! Fuzzes the property in `properties/requests.rs`.

#![no_main]

#[path = "../properties/requests.rs"]
mod requests;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| requests::holds(bytes));
