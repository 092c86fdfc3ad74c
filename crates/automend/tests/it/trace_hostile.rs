//! `automend trace` on recordings that are huge, broken or made to do harm.
//!
//! Memory is asserted, time is not. A run that reports more than a pipe holds stops at its first byte until
//! someone reads on; what it took up to then is read from the kernel at that moment.

use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::tool::{self, Bench};

const URL: &str = "https://autodiscover.contoso.com/autodiscover/autodiscover.xml";

fn request(who: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request>\
         <EMailAddress>{who}</EMailAddress></Request></Autodiscover>"
    )
}

const FAULT: &str = "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\"><Response>\
    <Error Time=\"12:03:32.8803744\" Id=\"1\"><ErrorCode>603</ErrorCode><Message>gone</Message><DebugData/></Error></Response></Autodiscover>";

fn entry(url: &str, who: &str, answer: &str) -> Value {
    let asks = if who.is_empty() {
        String::new()
    } else {
        request(who)
    };
    json!({
        "startedDateTime": "2026-03-04T08:25:56Z",
        "time": 1,
        "request": { "method": "POST", "url": url, "headers": [], "postData": { "mimeType": "text/xml", "text": asks } },
        "response": { "status": 200, "headers": [], "content": { "size": answer.len(), "mimeType": "text/xml", "text": answer } },
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Runs a trace whose report is larger than a pipe; the peak of its memory in MiB, and its report.
fn peak(bench: &Bench, file: &str) -> (u64, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_automend"))
        .current_dir(bench.folder())
        .args(["trace", file, "--format", "json"])
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut text = vec![0];
    out.read_exact(&mut text).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    out.read_to_end(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    (kilobytes / 1024, serde_json::from_slice(&text).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_recording_of_a_gigabyte_is_read_with_flat_memory() {
    const MEMBERS: usize = 1024;
    let bench = Bench::new();
    // One MiB of exchanges, of which one in a hundred is Autodiscover's, packed once and repeated.
    let mut block = String::new();
    let mut exchanges = 0_usize;
    while block.len() < 1 << 20 {
        exchanges += 1;
        let entry = if exchanges.is_multiple_of(100) {
            entry(URL, "alice@contoso.com", FAULT)
        } else {
            entry("https://www.contoso.com/picture", "", &"x".repeat(4000))
        };
        block.push_str(&entry.to_string());
        block.push(',');
    }
    let block_exchanges = exchanges;
    let mut file = std::fs::File::create(bench.path("huge.har.gz")).unwrap();
    file.write_all(&gzip(b"{\"log\":{\"version\":\"1.2\",\"entries\":["))
        .unwrap();
    let packed = gzip(block.as_bytes());
    for _ in 0..MEMBERS {
        file.write_all(&packed).unwrap();
    }
    file.write_all(&gzip(
        format!("{}]}}}}", entry(URL, "bob@contoso.com", FAULT)).as_bytes(),
    ))
    .unwrap();
    drop(file);

    let (megabytes, report) = peak(&bench, "huge.har.gz");
    let exchanges = block_exchanges * MEMBERS + 1;
    assert_eq!(report["requests"].as_u64(), Some(exchanges as u64));
    let found = block_exchanges / 100 * MEMBERS + 1;
    assert_eq!(report["autodiscover"].as_u64(), Some(found as u64));
    assert_eq!(report["findings"].as_array().unwrap().len(), found);
    assert!(megabytes < 96, "{megabytes} MiB");
}

#[cfg(target_os = "linux")]
#[test]
fn one_body_of_a_gigabyte_costs_no_more_than_any_other() {
    let bench = Bench::new();
    let mut file = std::fs::File::create(bench.path("hole.har")).unwrap();
    // Many findings, so that the report is larger than a pipe.
    let entries: Vec<String> = (0..300)
        .map(|_| entry(URL, "alice@contoso.com", FAULT).to_string())
        .collect();
    write!(file, "{{\"log\":{{\"entries\":[{},", entries.join(",")).unwrap();
    let hole = entry(URL, "bob@contoso.com", "HOLE").to_string();
    let (before, after) = hole.split_once("HOLE").unwrap();
    file.write_all(before.as_bytes()).unwrap();
    // Zeros that no disk has to hold.
    file.seek(SeekFrom::Current(1 << 30)).unwrap();
    write!(file, "{after}]}}}}").unwrap();
    drop(file);
    let (megabytes, report) = peak(&bench, "hole.har");
    assert_eq!(report["requests"], 301);
    assert!(
        tool::defects(&report)[0].contains("longer than"),
        "{report}"
    );
    assert!(megabytes < 96, "{megabytes} MiB");
}

#[test]
fn bombs_of_every_packing_are_cut() {
    let bench = Bench::new();
    let bomb = gzip(&vec![b' '; 200 << 20]);
    let text = base64(&bomb);
    let har = json!({ "log": { "entries": [
        {
            "request": { "method": "POST", "url": URL, "headers": [], "postData": { "text": request("alice@contoso.com") } },
            "response": {
                "status": 200,
                "headers": [{ "name": "Content-Encoding", "value": "gzip, gzip, gzip" }],
                "content": { "text": text, "encoding": "base64" },
            },
        },
        entry(URL, "bob@contoso.com", FAULT),
    ] } });
    bench.file("bomb.har", har.to_string());
    let report = bench
        .automend(&["trace", "bomb.har", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["findings"][0]["address"], "bob@contoso.com");
    assert!(
        tool::defects(&report)[0].contains("unpacks to more than"),
        "{report}"
    );

    // A file that is all bomb.
    bench.file("bomb.gz", &bomb);
    bench
        .automend(&["trace", "bomb.gz"])
        .exits(2)
        .warns("empty");
    bench.file("twice.gz", gzip(&bomb));
    bench
        .automend(&["trace", "twice.gz"])
        .exits(2)
        .warns("packed twice");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A ZIP, as lenient or as wrong as a test wants it.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    table: Vec<u8>,
    count: u32,
}

impl Zip {
    fn add(&mut self, name: &str, bytes: &[u8], flags: u16) -> &mut Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let at = self.bytes.len();
        let (packed_size, size) = (
            u32::try_from(packed.len()).unwrap(),
            u32::try_from(bytes.len()).unwrap(),
        );
        let name_size = u16::try_from(name.len()).unwrap();
        self.bytes.extend_from_slice(b"PK\x03\x04\x14\x00");
        self.bytes.extend_from_slice(&flags.to_le_bytes());
        self.bytes
            .extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.bytes.extend_from_slice(&packed_size.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&name_size.to_le_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(&packed);
        self.entry(name, flags, packed_size, size, u32::try_from(at).unwrap())
    }

    /// A line of the table of contents, which may lead anywhere.
    fn entry(&mut self, name: &str, flags: u16, packed: u32, size: u32, at: u32) -> &mut Self {
        self.count += 1;
        self.table.extend_from_slice(b"PK\x01\x02\x14\x00\x14\x00");
        self.table.extend_from_slice(&flags.to_le_bytes());
        self.table
            .extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.table.extend_from_slice(&packed.to_le_bytes());
        self.table.extend_from_slice(&size.to_le_bytes());
        self.table
            .extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        self.table.extend_from_slice(&[0; 12]);
        self.table.extend_from_slice(&at.to_le_bytes());
        self.table.extend_from_slice(name.as_bytes());
        self
    }

    fn end(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let at = u32::try_from(bytes.len()).unwrap();
        bytes.extend_from_slice(&self.table);
        bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        let count = u16::try_from(self.count.min(0xffff)).unwrap();
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(self.table.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }
}

fn asks(who: &str) -> Vec<u8> {
    format!(
        "POST {URL} HTTP/1.1\r\nContent-Type: text/xml\r\n\r\n{}",
        request(who)
    )
    .into_bytes()
}

fn answers(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n{body}").into_bytes()
}

#[test]
fn an_archive_of_a_hundred_thousand_files_is_read() {
    let bench = Bench::new();
    let mut zip = Zip::default();
    zip.add("raw/1_c.txt", &asks("alice@contoso.com"), 0)
        .add("raw/1_s.txt", &answers(FAULT), 0);
    zip.add(
        "raw/2_c.txt",
        b"GET https://www.contoso.com/ HTTP/1.1\r\n\r\n",
        0,
    );
    for number in 3..100_000 {
        // All of them lie at the same place.
        zip.entry(&format!("raw/{number}_c.txt"), 0, 60, 60, 0);
    }
    bench.file("many.saz", zip.end());
    let report = bench
        .automend(&["trace", "many.saz", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(report["requests"], 99_999);
    assert_eq!(report["findings"][0]["request"], 1);
}

#[test]
fn names_that_lead_elsewhere_lead_nowhere() {
    let bench = Bench::new();
    let mut zip = Zip::default();
    for name in [
        "../raw/1_c.txt",
        "/raw/1_c.txt",
        "raw/../../1_c.txt",
        "raw/1_c.txt/../2_c.txt",
        "C:\\raw\\1_c.txt",
        "raw/-1_c.txt",
        "raw/99999999999999999999_c.txt",
        "raw/1_c.txt\0",
    ] {
        zip.add(name, &asks("mallory@contoso.com"), 0);
    }
    zip.add("raw\\0001_C.TXT", &asks("alice@contoso.com"), 0)
        .add("raw/1_s.txt", &answers(FAULT), 0);
    zip.add("raw/1_c.txt", &asks("mallory@contoso.com"), 0);
    bench.file("names.saz", zip.end());
    let report = bench
        .automend(&["trace", "names.saz", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(report["requests"], 1);
    assert_eq!(report["findings"][0]["address"], "alice@contoso.com");
    assert!(tool::defects(&report)[0].contains("have a name that another file has"));
    assert_eq!(bench.names(), ["names.saz"], "something was unpacked");
}

#[test]
fn an_archive_with_a_password_is_told_and_one_of_other_files_too() {
    let bench = Bench::new();
    let mut locked = Zip::default();
    locked
        .add("raw/1_c.txt", &asks("alice@contoso.com"), 1)
        .add("raw/1_s.txt", &answers(FAULT), 1);
    bench.file("locked.saz", locked.end());
    bench
        .automend(&["trace", "locked.saz"])
        .exits(2)
        .warns("encrypted")
        .warns("save it without one");
    bench.file("cut.saz", &locked.end()[..200]);
    bench
        .automend(&["trace", "cut.saz"])
        .exits(2)
        .warns("encrypted");
    let mut other = Zip::default();
    other.add("word/document.xml", b"<w:document/>", 0);
    bench.file("letter.docx", other.end());
    bench
        .automend(&["trace", "letter.docx"])
        .exits(2)
        .warns("none of Fiddler");
}

#[test]
fn a_recording_does_nothing_to_the_terminal_and_tells_no_secret() {
    let bench = Bench::new();
    let har = json!({ "log": { "entries": [{
        "request": {
            "method": "POST",
            "url": format!("https://alice:hunter2@autodiscover.contoso.com/autodiscover/autodiscover.xml?access_token=hunter2&\u{1b}[2J"),
            "headers": [{ "name": "Authorization", "value": "Basic aHVudGVyMg==" }],
            "postData": { "text": request("a\u{202e}lice@contoso.com") },
        },
        "response": { "status": 200, "headers": [], "content": { "text": FAULT.replace("gone", "\u{9b}2J gone") } },
    }] } });
    bench.file("evil.har", har.to_string());
    for format in ["table", "json"] {
        let run = bench
            .automend(&["trace", "evil.har", "--format", format])
            .exits(1)
            .says_not("hunter2")
            .says_not("aHVudGVyMg");
        assert!(!run.out.contains('\u{1b}') || format == "json", "{run}");
    }
    let run = bench.automend(&["trace", "evil.har"]);
    assert!(!run.out.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{run}");
}

#[test]
fn a_recording_that_is_cut_anywhere_is_read_up_to_there() {
    let bench = Bench::new();
    let entries: Vec<Value> = (0..3)
        .map(|_| entry(URL, "alice@contoso.com", FAULT))
        .collect();
    let har = json!({ "log": { "entries": entries } }).to_string();
    let mut last = 0;
    for at in (20..har.len()).step_by(41) {
        bench.file("cut.har", &har[..at]);
        let run = bench.automend(&["trace", "cut.har", "--format", "json"]);
        let report = run.json();
        let found = report["findings"].as_array().unwrap().len();
        assert!(found >= last, "{run}");
        assert!(!tool::defects(&report).is_empty(), "{run}");
        last = found;
    }
    assert_eq!(last, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_damaged_recording_is_read_or_refused(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
                                              which in 0..4_usize) {
        let names = ["fiddler.saz", "charles.har", "olkdisc.log", "saved-settings.xml"];
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(names[which]);
        let mut bytes = std::fs::read(path).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let bench = Bench::new();
        bench.file("damaged", bytes);
        let run = bench.automend(&["trace", "damaged", "--format", "json"]);
        prop_assert!(matches!(run.code, Some(0..=2)), "{}", run);
        prop_assert!(!run.err.contains("panicked"), "{}", run);
        if run.code != Some(2) {
            run.json();
        }
    }
}

#[test]
fn texts_that_are_made_to_be_read_over_and_over_end() {
    let bench = Bench::new();
    let result = "<html>connectivity analyzer autodiscover";
    for (text, count) in [
        (
            "<Trace Tag=\"AutodiscoverRequest\" Tid=\"1\">".to_owned(),
            20_000,
        ),
        (format!("<Trace Tag=\"A\">{}", "</Trace>".repeat(1000)), 50),
        (format!("{result}{}", "&".repeat(1000)), 1000),
        (format!("{result}{}", "<a ".repeat(1000)), 300),
        (format!("{result}{}", "<![CDATA[".repeat(1000)), 30),
        (format!("{result}{}", "http ".repeat(1000)), 50),
        (
            format!(
                "exchangelib autodiscover\nResponse headers: {{{}",
                "'a".repeat(1000)
            ),
            100,
        ),
        ("1 autodiscover to 9 smtp=\n".to_owned(), 5000),
        ("- <Autodiscover>".to_owned(), 20_000),
    ] {
        bench.file("hostile", text.repeat(count));
        let run = bench.automend(&["trace", "hostile"]).to_string();
        assert!(!run.contains("panicked"), "{run}");
    }
}
