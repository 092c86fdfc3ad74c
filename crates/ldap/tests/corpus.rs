//! The fuzz corpora, replayed: each property holds for each input that is kept.

#![allow(
    unreachable_pub,
    reason = "the properties are shared with the fuzz targets"
)]

use std::path::Path;

#[path = "../../../fuzz/properties/filter.rs"]
mod filter;
#[path = "../../../fuzz/properties/ldap_client.rs"]
mod ldap_client;
#[path = "../../../fuzz/properties/ldif.rs"]
mod ldif;

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
fn ldif_corpus() {
    replay("ldif", ldif::holds);
}

#[test]
fn filter_corpus() {
    replay("filter", filter::holds);
}

#[test]
fn ldap_client_corpus() {
    replay("ldap_client", ldap_client::holds);
}
