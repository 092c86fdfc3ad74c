//! The fuzz corpora of names and of security descriptors, replayed: the property holds for each input
//! that is kept.

#![allow(
    unreachable_pub,
    reason = "the property is shared with the fuzz target"
)]

use std::path::Path;

#[path = "../../../fuzz/properties/descriptor.rs"]
mod descriptor;
#[path = "../../../fuzz/properties/dn.rs"]
mod dn;

#[test]
fn descriptor_corpus() {
    replay("descriptor", descriptor::holds);
}

#[test]
fn dn_corpus() {
    replay("dn", dn::holds);
}

fn replay(name: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
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
