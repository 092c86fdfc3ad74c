//! The fuzz corpus of recordings, replayed: the property holds for each input that is kept.

#![allow(
    unreachable_pub,
    reason = "the property is shared with the fuzz target"
)]

use std::path::Path;

#[path = "../../../fuzz/properties/recording.rs"]
mod recording;

/// Each of the recordings kept for the other tests, cut at many places, and each input of the corpus.
#[test]
fn recording_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in [
        "../../fuzz/corpus/recording",
        "../automend/tests/recordings",
    ] {
        for file in std::fs::read_dir(root.join(folder)).expect("a corpus") {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let inputs: Vec<Vec<u8>> = if folder.ends_with("recordings") {
                (0..=255)
                    .step_by(5)
                    .map(|cut| [&[cut], bytes.as_slice()].concat())
                    .collect()
            } else {
                vec![bytes]
            };
            for input in inputs {
                assert!(
                    std::panic::catch_unwind(|| recording::holds(&input)).is_ok(),
                    "the property does not hold for {}",
                    path.display()
                );
                count += 1;
            }
        }
    }
    assert!(count > 500, "{count} inputs");
}
