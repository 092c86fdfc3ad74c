//! The fuzz corpora, replayed: each property holds for each input that is kept.

#![allow(
    unreachable_pub,
    reason = "the properties are shared with the fuzz targets"
)]

#[path = "../../../fuzz/properties/kerberos.rs"]
mod kerberos;
#[path = "../../../fuzz/properties/ntlm.rs"]
mod ntlm;
#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/properties/spnego.rs"]
mod spnego;

#[test]
fn ntlm_corpus() {
    replay::corpus("ntlm", ntlm::holds);
}

#[test]
fn spnego_corpus() {
    replay::corpus("spnego", spnego::holds);
}

#[test]
fn kerberos_corpus() {
    replay::corpus("kerberos", kerberos::holds);
}
