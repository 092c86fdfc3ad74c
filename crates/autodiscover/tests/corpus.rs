//! The fuzz corpora of documents, requests and answers, replayed: each property holds for each input
//! that is kept.

#![allow(
    unreachable_pub,
    reason = "the properties are shared with the fuzz targets"
)]

use std::path::Path;

#[path = "../../../fuzz/properties/answers.rs"]
mod answers;
#[path = "../../../fuzz/properties/requests.rs"]
mod requests;
#[path = "../../../fuzz/properties/xml.rs"]
mod xml;

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
fn xml_corpus() {
    replay("xml", xml::holds);
}

#[test]
fn requests_corpus() {
    replay("requests", requests::holds);
}

#[test]
fn answers_corpus() {
    replay("answers", answers::holds);
}
