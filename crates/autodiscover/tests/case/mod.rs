//! Cases that are data: a file is what goes over the wire, and what it is read as.
//!
//! A file begins with these lines:
//!
//! ```text
//! door: pox                 which reader
//! encoding: utf-16le bom    how the text becomes bytes, else utf-8
//! ```
//!
//! The text follows between two lines `---`, and then what is expected; with `UPDATE` in the environment
//! that is written again.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};

/// A file, as far as it is put to a reader.
pub struct Case<'a> {
    /// Which reader.
    pub door: &'a str,
    /// What goes over the wire.
    pub text: &'a str,
    /// The same in its encoding.
    pub bytes: Vec<u8>,
}

/// Reads every file of a folder, of which there are at least so many.
pub fn check_all(folder: &str, at_least: usize, read: impl Fn(&Case<'_>) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= at_least, "only {} files", files.len());
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| check(file, &read).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(file: &Path, read: impl Fn(&Case<'_>) -> String) -> Result<(), String> {
    let content = std::fs::read_to_string(file).unwrap();
    let (head, rest) = content.split_once("---\n").expect("a text");
    let (text, expected) = rest.rsplit_once("\n---\n").expect("its end");
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    };
    let found = read(&Case {
        door: field("door").expect("a door"),
        text,
        bytes: encode(text, field("encoding").unwrap_or("utf-8")),
    });
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, format!("{head}---\n{text}\n---\n{found}")).unwrap();
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
