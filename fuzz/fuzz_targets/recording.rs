//! Fuzzes the property in `properties/recording.rs`.

#![no_main]

#[path = "../properties/recording.rs"]
mod recording;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recording::holds(bytes));
