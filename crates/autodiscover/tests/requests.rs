//! Requests, as clients really send them, and what they are read as: each file of `tests/requests` is
//! one, and its name is the sentence that it proves.
//!
//! A file begins with these lines:
//!
//! ```text
//! door: pox                 which reader: pox, soap, v2 (a line is a target) or autoconfig (a query)
//! encoding: utf-16le bom    how the text becomes bytes, else utf-8
//! ```
//!
//! The request follows between two lines `---`, and then what is expected;
//! `UPDATE=1 cargo test --test requests` writes that anew.

use std::path::{Path, PathBuf};

use automend_autodiscover::{autoconfig, pox, soap, v2};

#[test]
fn every_request_is_read_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/requests");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 85, "only {} files", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let (head, rest) = text.split_once("---\n").expect("a request");
    let (request, expected) = rest.rsplit_once("\n---\n").expect("its end");
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    };
    let bytes = encode(request, field("encoding").unwrap_or("utf-8"));
    let found = match field("door") {
        Some("pox") => in_pox(&bytes),
        Some("soap") => in_soap(&bytes),
        Some("v2") => each_line(request, in_v2),
        Some("autoconfig") => each_line(request, in_autoconfig),
        other => panic!("{}: no door {other:?}", file.display()),
    };
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, format!("{head}---\n{request}\n---\n{found}")).unwrap();
        return Ok(());
    }
    let name = file.file_name().unwrap().display();
    Err(format!("{name}\nexpected:\n{expected}found:\n{found}"))
}

fn encode(text: &str, encoding: &str) -> Vec<u8> {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = format!("\u{feff}{text}");
    match encoding {
        "utf-8" => text.into(),
        "utf-8 bom" => marked.into(),
        "utf-16le" => little(text),
        "utf-16le bom" => little(&marked),
        "utf-16be bom" => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "latin-1" => text.chars().map(|c| u8::try_from(c).unwrap()).collect(),
        other => panic!("no encoding {other}"),
    }
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
