//! Fuzzes the property in `properties/ldap_server.rs`.

#![no_main]

#[path = "../properties/ldap_server.rs"]
mod ldap_server;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ldap_server::holds(bytes));
