//! The fuzz corpora of documents, requests and answers, replayed: each property holds for each input
//! that is kept.

#![allow(
    unreachable_pub,
    reason = "the properties are shared with the fuzz targets"
)]

#[path = "../../../fuzz/properties/answers.rs"]
mod answers;
#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/properties/requests.rs"]
mod requests;
#[path = "../../../fuzz/properties/xml.rs"]
mod xml;

#[test]
fn xml_corpus() {
    replay::corpus("xml", xml::holds);
}

#[test]
fn requests_corpus() {
    replay::corpus("requests", requests::holds);
}

#[test]
fn answers_corpus() {
    replay::corpus("answers", answers::holds);
}
