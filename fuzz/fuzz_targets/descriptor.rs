//! Fuzzes the property in `properties/descriptor.rs`.

#![no_main]

#[path = "../properties/descriptor.rs"]
mod descriptor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| descriptor::holds(bytes));
