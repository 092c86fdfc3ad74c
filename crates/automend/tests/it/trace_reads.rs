//! `automend trace FILE`: every kind of recording, and what is reported of it.
//!
//! The recordings and where they come from: `tests/recordings/README.md`.

mod others;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::tool::{self, Bench, Run};

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(name)
}

#[track_caller]
fn trace(name: &str) -> Run {
    Bench::new().automend(&[
        "trace",
        recording(name).to_str().unwrap(),
        "--format",
        "json",
    ])
}

/// Exchanges in all, exchanges of Autodiscover, and the findings as `TURN CODE WHO`.
fn story(report: &Value) -> (u64, u64, Vec<String>) {
    let findings = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let who = finding["address"]
                .as_str()
                .or(finding["legacy_dn"].as_str())
                .unwrap_or("nobody");
            let code = finding["code"].as_u64().map_or_else(
                || finding["cause"].as_str().unwrap().to_owned(),
                |code| code.to_string(),
            );
            format!("{} {code} {who}", finding["request"])
        });
    (
        report["requests"].as_u64().unwrap(),
        report["autodiscover"].as_u64().unwrap(),
        findings.collect(),
    )
}

#[track_caller]
fn check(name: &str, exchanges: u64, autodiscover: u64, findings: &[&str]) -> Value {
    let run = trace(name).exits(i32::from(!findings.is_empty()));
    let report = run.json();
    assert_eq!(
        story(&report),
        (
            exchanges,
            autodiscover,
            findings.iter().map(ToString::to_string).collect()
        ),
        "{run}"
    );
    assert_eq!(report["defects"], json!([]), "{name}");
    report
}

#[test]
fn the_recordings_of_every_program_tell_the_same_story() {
    check("mitmproxy.har", 4, 3, &["3 603 alice@contoso.com"]);
    check("chromium.har", 4, 3, &["3 603 alice@contoso.com"]);
    check("charles.har", 3, 2, &["3 603 alice@contoso.com"]);
    check("proxyman.har", 3, 2, &["2 603 alice@contoso.com"]);
    check("fiddler.har", 2, 1, &["2 603 alice@contoso.com"]);
}

#[test]
fn an_archive_of_fiddler_is_read_with_its_chunks_packing_and_encodings() {
    let report = check(
        "fiddler.saz",
        6,
        4,
        &[
            "5 603 alice@contoso.com",
            "6 500 /o=Contoso/ou=Exchange/cn=Recipients/cn=jim",
        ],
    );
    assert_eq!(report["kind"], "saz");
    assert_eq!(
        report["findings"][0]["started"],
        "2012-04-04T08:25:56.5250000-05:00"
    );
    assert_eq!(report["users"][0]["requests"], json!([3, 4, 5]));
}

#[test]
fn a_log_of_outlook_is_read_thread_by_thread() {
    let report = check("olkdisc.log", 5, 5, &["4 603 alice@contoso.com"]);
    assert_eq!(report["findings"][0]["started"], "2012-04-04T08:25:56");
    let verdicts: Vec<&Value> = report["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["verdict"])
        .collect();
    assert_eq!(verdicts, ["failed", "ok"]);
    // The tab's text names no one and has no answer, but Outlook's code.
    check("log-tab.txt", 3, 3, &["2 fault-other nobody"]);
}

#[test]
fn a_saved_answer_is_a_exchange_of_its_own() {
    let report = check("saved-603.xml", 1, 1, &["1 603 nobody"]);
    assert_eq!(
        report["findings"][0]["message"],
        "The Active Directory user wasn't found."
    );
    assert_eq!(report["findings"][0]["url"], Value::Null);
    check("saved-603-utf16.xml", 1, 1, &["1 603 nobody"]);
    check("saved-settings.xml", 1, 1, &[]);
}

#[test]
fn a_finding_says_everything_that_a_ticket_needs() {
    let report = trace("fiddler.saz").json();
    let finding = &report["findings"][0];
    assert_eq!(finding["request"], 5);
    assert_eq!(finding["code"], 603);
    assert_eq!(finding["cause"], "fault-603");
    assert_eq!(
        finding["message"],
        "The Active Directory user wasn't found."
    );
    assert_eq!(
        finding["url"],
        "https://autodiscover.contoso.com/autodiscover/autodiscover.xml"
    );
    assert_eq!(finding["address"], "alice@contoso.com");
    assert_eq!(
        finding["outlook"],
        json!({ "hresult": "0x800C8203", "certainty": "seen" })
    );
    let explanation = finding["explanation"].as_str().unwrap();
    assert!(
        explanation.contains("AutoMapping link stayed"),
        "{explanation}"
    );
    assert!(
        explanation.contains("automend audit --directory ldaps://DC --delegate alice@contoso.com"),
        "{explanation}"
    );
}

#[test]
fn people_read_each_request_and_what_to_do() {
    let bench = Bench::new();
    bench
        .automend(&["trace", recording("fiddler.saz").to_str().unwrap()])
        .exits(1)
        .says("6 requests, 4 of them Autodiscover")
        .says("alice@contoso.com: failed (fault-603, request 5)")
        .says("wants a login (Negotiate, NTLM)")
        .says("error 603 The Active Directory user wasn't found.")
        .says("Request 5: Autodiscover answers error 603")
        .says("Outlook shows 0x800C8203.");
    bench
        .automend(&["trace", recording("saved-settings.xml").to_str().unwrap()])
        .exits(0)
        .says("settings, 1 alternative mailbox")
        .says("Nothing is wrong with what Autodiscover answered.");
}

#[test]
fn a_recording_and_a_directory_name_the_owner_and_the_fix() {
    let bench = Bench::contoso();
    let har = recording("charles.har");
    let arguments = ["trace", har.to_str().unwrap(), "--directory", "directory"];
    bench
        .automend(&arguments)
        .exits(1)
        .says("Jim Stone")
        .says("AM101")
        .says("To fix: automend fix --directory directory")
        .says("CN=Jim Stone,OU=People,DC=contoso,DC=com");
    let report = bench
        .automend(&[&arguments[..], &["--format", "json"]].concat())
        .exits(1)
        .json();
    let joined = &report["findings"][0]["directory"];
    assert!(
        joined["outcome"].as_str().unwrap().starts_with("error 603"),
        "{joined}"
    );
    let owners: Vec<&str> = joined["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["owner"]["name"].as_str().unwrap())
        .collect();
    assert!(owners.contains(&"Jim Stone"), "{joined}");
    let command = joined["command"].as_array().unwrap();
    assert_eq!(
        command[..5],
        ["automend", "fix", "--directory", "directory", "--owner"]
    );
}

#[test]
fn a_packed_recording_and_standard_input_are_read_like_the_file() {
    let bench = Bench::new();
    let har = std::fs::read(recording("charles.har")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&har).unwrap();
    bench.file("named-oddly.txt", packed.finish().unwrap());
    let report = bench
        .automend(&["trace", "named-oddly.txt", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["3 603 alice@contoso.com"]);
    assert_eq!(report["kind"], "har");
    let saz = std::fs::read(recording("fiddler.saz")).unwrap();
    let report = bench
        .automend_reading(&["trace", "-", "--format", "json"], saz)
        .exits(1)
        .json();
    assert_eq!(story(&report).1, 4);
}

#[test]
fn a_capture_without_tshark_says_what_is_missing() {
    let bench = Bench::new();
    let capture = recording("keys-inside.pcapng");
    bench
        .automend_with(
            &[("PATH", "/nowhere")],
            &["trace", capture.to_str().unwrap()],
        )
        .exits(2)
        .warns("tshark is not installed");
}

#[test]
fn what_is_no_recording_is_named() {
    let bench = Bench::new();
    for (name, bytes, word) in [
        ("empty", &b""[..], "the file is empty"),
        (
            "page.html",
            b"<!DOCTYPE html><html><title>603</title></html>",
            "XML, but no answer of Autodiscover",
        ),
        (
            "other.xml",
            b"<feed xmlns=\"http://www.w3.org/2005/Atom\"/>",
            "XML, but no answer of Autodiscover",
        ),
        ("data.json", b"{\"a\":1}", "the file is JSON, but no HAR"),
        ("half.json", b"{\"a\":", "ends early"),
        (
            "notes.txt",
            b"Alice called: error 603 again.\n",
            "neither a HAR",
        ),
        ("flows", b"1234:4:type;4:http;", "mitmdump"),
    ] {
        bench.file(name, bytes);
        bench
            .automend(&["trace", name])
            .exits(2)
            .warns(word)
            .warns(name);
    }
    bench
        .automend(&["trace", "nowhere.har"])
        .exits(2)
        .warns("nowhere.har");
    bench.automend(&["trace"]).exits(2).warns("--listen");
    let har = recording("charles.har");
    bench
        .automend(&["trace", har.to_str().unwrap(), "--keys", "x"])
        .exits(2)
        .warns("the keys are for a network capture");
}

#[test]
fn what_was_read_before_a_recording_breaks_off_is_told() {
    let bench = Bench::new();
    let har = std::fs::read_to_string(recording("proxyman.har")).unwrap();
    let at = har.rfind("bob@contoso.com").unwrap();
    bench.file("cut.har", &har[..at]);
    let report = bench
        .automend(&["trace", "cut.har", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["2 603 alice@contoso.com"]);
    let defects = tool::defects(&report);
    assert!(
        defects[0].starts_with("request 3: the file ends early"),
        "{defects:?}"
    );

    let saz = std::fs::read(recording("fiddler.saz")).unwrap();
    let names = memchr::memmem::rfind(&saz, b"raw/06_c.txt").unwrap();
    let body = memchr::memmem::find(&saz, b"raw/06_c.txt").unwrap();
    assert!(body < names, "a file and its name in the table of contents");
    bench.file("cut.saz", &saz[..body]);
    let report = bench
        .automend(&["trace", "cut.saz", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(
        story(&report),
        (5, 3, vec!["5 603 alice@contoso.com".to_owned()])
    );
    assert!(tool::defects(&report)[0].contains("no table of contents"));

    let log = std::fs::read_to_string(recording("olkdisc.log")).unwrap();
    let at = log.rfind("</Response>").unwrap();
    bench.file("cut.log", &log[..at]);
    let report = bench
        .automend(&["trace", "cut.log", "--format", "json"])
        .json();
    assert!(
        tool::defects(&report)
            .iter()
            .any(|defect| defect.contains("ends inside an answer"))
    );
}

#[test]
fn the_report_keeps_what_the_schema_promises() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/trace.schema.json")).unwrap();
    let bench = Bench::contoso();
    for name in [
        "fiddler.saz",
        "olkdisc.log",
        "saved-603.xml",
        "saved-settings.xml",
        "charles.har",
        "ews-managed-api.log",
        "exchangelib.log",
        "analyzer.html",
        "browser-tree.txt",
        "olkdisc-redirect.log",
    ] {
        let file = recording(name);
        let report = bench
            .automend(&[
                "trace",
                file.to_str().unwrap(),
                "-d",
                "directory",
                "-f",
                "json",
            ])
            .json();
        conforms(&report, &schema, &schema, name);
    }
}

/// Checks a document against the words of JSON Schema that the schema uses, and that it names every member.
#[track_caller]
fn conforms(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        return conforms(value, &root["$defs"][name], root, at);
    }
    if let Some(wanted) = schema.get("const") {
        assert_eq!(value, wanted, "{at}");
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(one) => assert_eq!(kind, one, "{at}"),
        Value::Array(several) => assert!(several.contains(&json!(kind)), "{at}: {kind}"),
        _ => {}
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(
                members.contains_key(name.as_str().unwrap()),
                "{at} lacks {name}"
            );
        }
        if let Some(properties) = schema["properties"].as_object() {
            for (name, member) in members {
                let inner = properties
                    .get(name)
                    .unwrap_or_else(|| panic!("{at}/{name} is not in the schema"));
                conforms(member, inner, root, &format!("{at}/{name}"));
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(item, &schema["items"], root, &format!("{at}/{index}"));
    }
}
