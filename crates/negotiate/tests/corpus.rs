//! The fuzz corpora, replayed: each property holds for each input that is kept.

#![allow(
    unreachable_pub,
    reason = "the properties are shared with the fuzz targets"
)]

use std::path::Path;

#[path = "../../../fuzz/properties/kerberos.rs"]
mod kerberos;
#[path = "../../../fuzz/properties/ntlm.rs"]
mod ntlm;
#[path = "../../../fuzz/properties/spnego.rs"]
mod spnego;

fn replay(target: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for file in std::fs::read_dir(&folder).expect("a corpus") {
        let path = file.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        assert!(
            std::panic::catch_unwind(|| holds(&input)).is_ok(),
            "the property does not hold for {}",
            path.display()
        );
        count += 1;
    }
    assert!(count > 0, "no input in {}", folder.display());
}

#[test]
fn ntlm_corpus() {
    replay("ntlm", ntlm::holds);
}

#[test]
fn spnego_corpus() {
    replay("spnego", spnego::holds);
}

#[test]
fn kerberos_corpus() {
    replay("kerberos", kerberos::holds);
}
