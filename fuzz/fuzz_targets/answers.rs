//! Fuzzes the property in `properties/answers.rs`.

#![no_main]

#[path = "../properties/answers.rs"]
mod answers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| answers::holds(bytes));
