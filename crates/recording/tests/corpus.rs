//! The fuzz corpus of recordings, replayed: the property holds for each input that is kept.

#![allow(
    unreachable_pub,
    reason = "the property is shared with the fuzz target"
)]

#[path = "../../../fuzz/properties/recording.rs"]
mod recording;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn recording_corpus() {
    replay::corpus("recording", recording::holds);
}

/// Each of the recordings kept for the other tests, cut at many places.
#[test]
fn recordings_that_are_cut() {
    let mut count = 0;
    replay::each("../automend/tests/recordings", |path, bytes| {
        for cut in (0..=255).step_by(5) {
            replay::input_holds(path, &[&[cut], bytes].concat(), recording::holds);
            count += 1;
        }
    });
    assert!(count > 500, "{count} inputs");
}
