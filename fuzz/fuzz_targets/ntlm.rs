//! Fuzzes the property in `properties/ntlm.rs`.

#![no_main]

#[path = "../properties/ntlm.rs"]
mod ntlm;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ntlm::holds(bytes));
