//! Requests, as clients are known to send them, and what they are read as: each file of
//! `tests/requests` is one, and its name is the sentence that it proves.
//!
//! At the doors `v2` and `autoconfig`, each line is a request.
//! `UPDATE=1 cargo test --test requests` writes what is expected again.

mod case;

use automend_autodiscover::{autoconfig, pox, soap, v2};
use case::Case;

#[test]
fn every_request_is_read_as_its_file_says() {
    case::check_all("tests/requests", 85, |case: &Case<'_>| match case.door {
        "pox" => in_pox(&case.bytes),
        "soap" => in_soap(&case.bytes),
        "v2" => each_line(case.text, in_v2),
        "autoconfig" => each_line(case.text, in_autoconfig),
        other => panic!("no door {other}"),
    });
}

fn in_pox(bytes: &[u8]) -> String {
    match pox::Request::parse(bytes) {
        Ok(request) => format!("{request:?}\n"),
        Err(refusal) => format!("{}: {refusal}\n", refusal.code().number()),
    }
}

fn in_soap(bytes: &[u8]) -> String {
    match soap::Request::parse(bytes) {
        Ok(request) => format!("{request:#?}\n"),
        Err(refusal) => format!("{}: {refusal}\n", refusal.status()),
    }
}

fn in_v2(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    match v2::Request::parse(path, query) {
        Some(Ok(request)) => format!("{request:?}"),
        Some(Err(refusal)) => format!("400 {}", refusal.code()),
        None => "not at this door".to_owned(),
    }
}

fn in_autoconfig(query: &str) -> String {
    autoconfig::domain(Some(query)).unwrap_or_else(|| "no domain".to_owned())
}

fn each_line(lines: &str, read: fn(&str) -> String) -> String {
    lines.split('\n').map(|line| read(line) + "\n").collect()
}
