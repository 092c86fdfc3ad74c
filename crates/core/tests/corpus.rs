//! The fuzz corpora of names and of security descriptors, replayed: the property holds for each input
//! that is kept.

#![allow(
    unreachable_pub,
    reason = "the property is shared with the fuzz target"
)]

#[path = "../../../fuzz/properties/descriptor.rs"]
mod descriptor;
#[path = "../../../fuzz/properties/dn.rs"]
mod dn;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn descriptor_corpus() {
    replay::corpus("descriptor", descriptor::holds);
}

#[test]
fn dn_corpus() {
    replay::corpus("dn", dn::holds);
}
