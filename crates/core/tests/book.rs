//! The book says what the code says: a page for each finding code, and a line for each page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use automend_core::finding::Code;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn pages(folder: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(docs().join(folder)).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .map(|path| path.file_name().unwrap().display().to_string())
        .filter(|name| name != "SUMMARY.md")
        .map(|name| format!("{folder}{name}"))
        .collect()
}

#[test]
fn every_code_has_a_page_and_no_page_is_left_over() {
    let expected: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| format!("findings/{code}.md"))
        .collect();
    assert_eq!(pages("findings/"), expected);
}

#[test]
fn every_page_tells_symptom_cause_evidence_and_fix_in_this_order() {
    for code in Code::ALL {
        let text = std::fs::read_to_string(docs().join(format!("findings/{code}.md"))).unwrap();
        assert_eq!(
            text.lines().next(),
            Some(format!("# {code}: {}", code.title()).as_str())
        );
        let headings: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("## "))
            .collect();
        let four = ["## Symptom", "## Cause", "## Evidence", "## Fix"];
        assert_eq!(headings, four, "{code}");
        for word in ["ldapsearch -x ", "Get-AD", "How sure this is"] {
            assert!(text.contains(word), "{code} lacks {word}");
        }
    }
}

#[test]
fn the_table_of_contents_names_every_page_once_by_its_title() {
    let summary = std::fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let mut named = BTreeSet::new();
    for line in summary.lines().filter(|line| line.contains("](")) {
        let (title, link) = line.split_once("](").unwrap();
        let title = title.trim_start_matches("- ").trim_start_matches('[');
        let link = link.trim_end_matches(')');
        let page = std::fs::read_to_string(docs().join(link)).unwrap();
        assert_eq!(page.lines().next(), Some(format!("# {title}").as_str()));
        assert!(named.insert(link.to_owned()), "{link} is named twice");
    }
    let mut there = pages("");
    there.extend(pages("findings/"));
    assert_eq!(named, there);
}

#[test]
fn the_audit_page_names_every_code() {
    let page = std::fs::read_to_string(docs().join("audit.md")).unwrap();
    for code in Code::ALL {
        // A row may name a range, such as "US204 to US212".
        let named = |line: &str| {
            line.split_once(" to ").is_some_and(|(before, after)| {
                let first = before.rsplit([' ', '|']).next().unwrap_or_default();
                let last = after.split([' ', '|']).next().unwrap_or_default();
                (first..=last).contains(&code.as_str())
            })
        };
        assert!(
            page.contains(code.as_str()) || page.lines().any(named),
            "{code}"
        );
    }
}
