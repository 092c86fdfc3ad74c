//! Fuzzes the property in `properties/spnego.rs`.

#![no_main]

#[path = "../properties/spnego.rs"]
mod spnego;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spnego::holds(bytes));
