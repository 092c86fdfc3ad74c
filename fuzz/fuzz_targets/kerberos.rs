//! Fuzzes the property in `properties/kerberos.rs`.

#![no_main]

#[path = "../properties/kerberos.rs"]
mod kerberos;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kerberos::holds(bytes));
