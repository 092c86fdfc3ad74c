//! The fuzz corpora, replayed: each property holds for each input that is kept.

#![allow(
    unreachable_pub,
    reason = "the properties are shared with the fuzz targets"
)]

#[path = "../../../fuzz/properties/filter.rs"]
mod filter;
#[path = "../../../fuzz/properties/ldap_client.rs"]
mod ldap_client;
#[path = "../../../fuzz/properties/ldap_server.rs"]
mod ldap_server;
#[path = "../../../fuzz/properties/ldif.rs"]
mod ldif;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn ldif_corpus() {
    replay::corpus("ldif", ldif::holds);
}

#[test]
fn filter_corpus() {
    replay::corpus("filter", filter::holds);
}

#[test]
fn ldap_client_corpus() {
    replay::corpus("ldap_client", ldap_client::holds);
}

#[test]
fn ldap_server_corpus() {
    replay::corpus("ldap_server", ldap_server::holds);
}
