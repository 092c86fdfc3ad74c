//! Fuzzes the property in `properties/ldap_client.rs`.

#![no_main]

#[path = "../properties/ldap_client.rs"]
mod ldap_client;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ldap_client::holds(bytes));
