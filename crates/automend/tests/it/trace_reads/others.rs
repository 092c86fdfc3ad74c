//! Recordings that programs and services of others write, answers without their bodies, and files that are
//! no recordings.

use serde_json::{Value, json};

use super::{check, recording, story};
use crate::tool::{self, Bench};

#[test]
fn traces_of_the_ews_managed_api_and_of_its_port_to_java_are_read() {
    let report = check("ews-managed-api.log", 2, 2, &["1 603 alice@contoso.com"]);
    assert_eq!(report["kind"], "ews-trace");
    assert_eq!(report["findings"][0]["started"], "2024-05-06 07:08:11Z");
    assert_eq!(
        report["findings"][0]["url"],
        "https://autodiscover.contoso.com/autodiscover/autodiscover.xml"
    );
    assert_eq!(report["users"][1]["address"], "bob@contoso.com");
    assert_eq!(
        report["users"][1]["settings"]["values"][0],
        json!({ "name": "ExternalEwsUrl", "value": "https://mail.contoso.com/EWS/Exchange.asmx" })
    );
    let report = check("ews-java.log", 2, 2, &["2 603 alice@contoso.com"]);
    assert_eq!(report["kind"], "ews-trace");
}

#[test]
fn a_trace_without_the_answer_says_that_it_was_not_recorded() {
    let bench = Bench::new();
    let trace = std::fs::read_to_string(recording("ews-managed-api.log")).unwrap();
    let (before, rest) = trace
        .split_once("<Trace Tag=\"AutodiscoverResponse\" Tid=\"9\"")
        .unwrap();
    let (_, after) = rest.split_once("</Trace>").unwrap();
    bench.file("heads.log", format!("{before}{after}"));
    let report = bench
        .automend(&["trace", "heads.log", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["1 body-not-recorded alice@contoso.com"]);
    // Cut off in the middle.
    let at = trace.find("<Message>").unwrap();
    bench.file("cut.log", &trace[..at]);
    let report = bench.automend(&["trace", "cut.log", "-f", "json"]).json();
    assert!(
        tool::defects(&report)[0].contains("ends inside a trace"),
        "{report}"
    );
}

#[test]
fn a_debug_log_of_exchangelib_is_read() {
    let report = check(
        "exchangelib.log",
        4,
        4,
        &[
            "3 603 alice@contoso.com",
            "4 body-not-recorded bob@contoso.com",
        ],
    );
    assert_eq!(report["kind"], "exchangelib-log");
    assert_eq!(report["users"][0]["requests"], json!([1, 2, 3]));

    // As older versions write it: bytes of Python, and nothing of the connection.
    let bench = Bench::new();
    bench.file(
        "old.log",
        "DEBUG:exchangelib.util:Retry: 0\nURL: https://mail.contoso.com/autodiscover/autodiscover.svc\nStatus code: 401\n\
         Request headers: {'Authorization': 'Basic YWxpY2U6c2VjcmV0'}\nResponse headers: {'WWW-Authenticate': 'Basic realm=\"x\"'}\n\
         Request data: b'<?xml version=\"1.0\"?>\\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GetUserSettingsRequestMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\"><Request><Users><User><Mailbox>m\\xc3\\xbcller@contoso.com</Mailbox></User></Users></Request></GetUserSettingsRequestMessage></s:Body></s:Envelope>'\n\
         Response data: b''\n",
    );
    let report = bench
        .automend(&["trace", "old.log", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(
        story(&report).2,
        ["1 login-rejected m\u{fc}ller@contoso.com"]
    );
    assert!(!report.to_string().contains("YWxpY2U6c2VjcmV0"));
}

#[test]
fn a_log_whose_logger_writes_nothing_before_a_message_is_read() {
    let bench = Bench::new();
    let log = std::fs::read_to_string(recording("exchangelib.log")).unwrap();
    let bare: Vec<String> = log
        .lines()
        .map(|line| {
            let message = line
                .strip_prefix("2024-05-06 ")
                .and_then(|line| line.get(13..));
            let message = message.and_then(|line| line.strip_prefix("DEBUG "));
            let message = message.and_then(|line| line.split_once(' '));
            message.map_or(line, |(_, message)| message).to_owned()
        })
        .collect();
    assert!(bare.iter().any(|line| line == "Retry: 0"), "{bare:?}");
    bench.file("bare.log", bare.join("\n"));
    let report = bench
        .automend(&["trace", "bare.log", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(report["kind"], "exchangelib-log");
    assert!(
        story(&report)
            .2
            .contains(&"3 603 alice@contoso.com".to_owned()),
        "{report}"
    );
}

#[test]
fn what_a_listener_escaped_is_read() {
    let bench = Bench::new();
    let escaped: String = std::fs::read_to_string(recording("ews-java.log"))
        .unwrap()
        .lines()
        .map(|line| {
            if line.starts_with("<?xml") {
                line.replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
                    + "&#xD;\n"
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    bench.file("escaped.log", escaped);
    let report = bench
        .automend(&["trace", "escaped.log", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["2 603 alice@contoso.com"]);
}

#[test]
fn results_of_the_connectivity_analyzer_are_read_as_html_xml_and_text() {
    let report = check(
        "analyzer.html",
        3,
        3,
        &["2 login-rejected alice@contoso.com"],
    );
    assert_eq!(report["kind"], "connectivity-analyzer");
    assert_eq!(report["findings"][0]["status"], 401);
    let report = check("analyzer.xml", 1, 1, &["1 603 alice@contoso.com"]);
    assert_eq!(report["kind"], "connectivity-analyzer");
    let bench = Bench::new();
    let html = recording("analyzer.html");
    bench
        .automend(&["trace", html.to_str().unwrap()])
        .exits(1)
        .says("POST https://contoso.com:443/Autodiscover/Autodiscover.xml")
        .says("either blocked, not listening")
        .says("GET  http://autodiscover.contoso.com/autodiscover/autodiscover.xml  404");
    let sentences = "The Microsoft Connectivity Analyzer is attempting to test Autodiscover for alice@contoso.com.\n\
        Attempting to test potential Autodiscover URL https://autodiscover.contoso.com:443/Autodiscover/Autodiscover.xml\n\
        Attempting to resolve the host name autodiscover.contoso.com in DNS.\nThe host name couldn\u{2019}t be resolved.\n";
    let utf16: Vec<u8> = format!("\u{feff}{sentences}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bench.file("copied.txt", sentences);
    bench.file("copied-utf16.txt", utf16);
    for name in ["copied.txt", "copied-utf16.txt"] {
        let report = bench
            .automend(&["trace", name, "-f", "json"])
            .exits(1)
            .json();
        assert_eq!(
            story(&report).2,
            ["1 no-such-host alice@contoso.com"],
            "{name}"
        );
    }
}

#[test]
fn an_answer_that_was_copied_out_of_a_browser_is_read() {
    let report = check("browser-tree.txt", 1, 1, &[]);
    assert_eq!(report["users"][0]["address"], "alice@contoso.com");
    assert_eq!(report["users"][0]["verdict"], "ok");
    let settings = &report["users"][0]["settings"];
    assert_eq!(settings["protocols"][0]["type"], "EXPR");
    assert_eq!(
        settings["alternativeMailboxes"][0]["smtpAddress"],
        "jim@contoso.com"
    );
    let bench = Bench::new();
    let file = recording("browser-tree.txt");
    bench
        .automend(&["trace", file.to_str().unwrap()])
        .exits(0)
        .says("Settings of Alice Ames <Alice@contoso.com>")
        .says("EXPR       mail.contoso.com")
        .says("Delegate   Jim Stone  jim@contoso.com");
    let tree = std::fs::read_to_string(file).unwrap();
    let (_, xml) = tree.split_once('\n').unwrap();
    // As other browsers show it.
    bench.file("signs.txt", xml.replace('\u{25bc}', "- "));
    bench.file(
        "none.txt",
        format!(
            "<?xml version=\"1.0\" ?>\n{}",
            xml.replace('\u{25bc}', "\u{2212} ")
        ),
    );
    bench.file(
        "folded.txt",
        xml.replace(
            "\u{25bc}<User>",
            "\u{25b6}<User>\u{2026}</User>\n\u{25bc}<User>",
        ),
    );
    for name in ["signs.txt", "none.txt"] {
        let report = bench.automend(&["trace", name, "-f", "json"]).json();
        assert_eq!(
            report["users"][0]["address"], "alice@contoso.com",
            "{name}: {report}"
        );
        assert_eq!(report["defects"], json!([]), "{name}");
    }
    let report = bench
        .automend(&["trace", "folded.txt", "-f", "json"])
        .json();
    assert!(tool::defects(&report)[0].contains("folded"), "{report}");
}

#[test]
fn a_redirect_in_a_log_is_joined_with_what_it_led_to() {
    let report = check("olkdisc-redirect.log", 5, 5, &[]);
    let user = &report["users"][0];
    assert_eq!(user["address"], "alice@contoso.com");
    assert_eq!(user["verdict"], "ok");
    assert_eq!(user["decided"], 5);
    assert_eq!(user["redirected_to"], json!(["alice@contoso.mail.example"]));

    let bench = Bench::new();
    let log = std::fs::read_to_string(recording("olkdisc-redirect.log")).unwrap();
    let (before, _) = log.split_once("4044 0x13713E75").unwrap();
    bench.file("cut.log", before);
    let report = bench
        .automend(&["trace", "cut.log", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(report["users"][0]["verdict"], "failed");
    assert_eq!(report["users"][0]["cause"], "cannot-connect");
    assert_eq!(
        story(&report).2,
        ["3 cannot-connect alice@contoso.mail.example"]
    );
    assert_eq!(
        report["findings"][0]["redirected_from"],
        "alice@contoso.com"
    );
    assert!(
        report["findings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("12029")
    );
    bench
        .automend(&["trace", "cut.log"])
        .exits(1)
        .says("by way of the redirect to alice@contoso.mail.example");
    let (before, _) = log.split_once("4044 0x13713E35").unwrap();
    bench.file("ends.log", before);
    let report = bench.automend(&["trace", "ends.log", "-f", "json"]).json();
    assert_eq!(report["users"][0]["cause"], "redirect-not-recorded");
}

#[test]
fn a_log_of_any_locale_is_read() {
    let bench = Bench::new();
    let log = std::fs::read_to_string(recording("olkdisc-redirect.log")).unwrap();
    for (date, told) in [
        ("03/11/2017 09:15:", Some("2017-03-11T09:15:01")),
        ("3/11/2017 9:15:", Some("2017-03-11T09:15:01")),
        ("2017-03-11 09:15:", Some("2017-03-11T09:15:01")),
        ("11. 3. 2017 9:15:", Some("2017-03-11T09:15:01")),
        ("Samstag, 11. Maerz 2017 09:15:", None),
    ] {
        bench.file("log.txt", log.replace("11.03.2017 09:15:", date));
        let report = bench
            .automend(&["trace", "log.txt", "-f", "json"])
            .exits(0)
            .json();
        assert_eq!(report["kind"], "olkdisc-log", "{date}");
        assert_eq!(report["users"][0]["verdict"], "ok", "{date}");
        assert_eq!(report["requests"], 5, "{date}");
        let (before, _) = log.split_once("4044 0x13713E75").unwrap();
        bench.file("cut.txt", before.replace("11.03.2017 09:15:", date));
        let report = bench
            .automend(&["trace", "cut.txt", "-f", "json"])
            .exits(1)
            .json();
        let started = report["findings"][0]["started"].as_str();
        assert_eq!(
            started,
            told.map(|time| time.replace(":01", ":23")).as_deref(),
            "{date}"
        );
    }
    // Twelve hours, and the half of the day behind them.
    let clock = log.replace("11.03.2017 09:15:", "3/11/2017 9:15:");
    let clock: Vec<String> = clock
        .lines()
        .map(|line| match line.find(" 9:15:") {
            Some(at) => format!("{} PM{}", &line[..at + 8], &line[at + 8..]),
            None => line.to_owned(),
        })
        .collect();
    assert!(clock[0].contains(" PM "), "{}", clock[0]);
    bench.file("log.txt", clock.join("\n"));
    let report = bench
        .automend(&["trace", "log.txt", "-f", "json"])
        .exits(0)
        .json();
    assert_eq!(report["users"][0]["verdict"], "ok");
}

#[test]
fn what_the_connectivity_analyzer_found_has_its_cause() {
    let bench = Bench::new();
    let tries = "<p>The Microsoft Connectivity Analyzer is attempting to test Autodiscover for alice@contoso.com.</p>\
        <p>Attempting to test potential Autodiscover URL https://autodiscover.contoso.com:443/Autodiscover/Autodiscover.xml</p>\
        <p>Testing of this potential Autodiscover URL failed.</p>";
    let certificate = "<p>Testing the SSL certificate to make sure it's valid.</p>\
        <p>The SSL certificate failed one or more certificate validation checks.</p>";
    for (sentences, finding) in [
        (
            format!("{certificate}<p>Validating the certificate name.</p><p>Certificate name validation failed.</p>"),
            "certificate-wrong-name",
        ),
        (
            format!("{certificate}<p>Certificate trust is being validated.</p><p>A certificate chain couldn&rsquo;t be constructed for the certificate.</p>"),
            "certificate-untrusted",
        ),
        (
            "<p>The Microsoft Connectivity Analyzer failed to obtain an Autodiscover XML response.</p>\
             <p>A Web exception occurred because an HTTP 503 - ServiceUnavailable response was received from Microsoft-IIS/10.0.</p>\
             <p>For more, see https://go.microsoft.com/fwlink/</p>"
                .to_owned(),
            "busy",
        ),
        (
            "<p>An HTTP 403 forbidden response was received.</p><p>Testing HTTP Authentication Methods for URL https://mail.contoso.com/ews/exchange.asmx.</p><p>An HTTP 401 was received.</p>".to_owned(),
            "forbidden",
        ),
    ] {
        bench.file("result.html", format!("<html><body>{tries}{sentences}</body></html>"));
        let report = bench.automend(&["trace", "result.html", "-f", "json"]).exits(1).json();
        assert_eq!(story(&report).2, [format!("1 {finding} alice@contoso.com")], "{sentences}");
    }
    bench.file("result.html", format!("<html><body>{tries}</body></html>"));
    let report = bench
        .automend(&["trace", "result.html", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["1 nothing-found alice@contoso.com"]);
    let good = "<p>The Microsoft Connectivity Analyzer successfully retrieved Autodiscover settings by sending an Autodiscover POST.</p>";
    bench.file("good.html", format!("<html>{tries}{good}</html>"));
    let report = bench
        .automend(&["trace", "good.html", "-f", "json"])
        .exits(0)
        .json();
    assert_eq!(report["users"][0]["verdict"], "ok");
    // Attributes of XML, in whatever names.
    bench.file(
        "result.xml",
        "<Result Product='Microsoft Remote Connectivity Analyzer' User='alice@contoso.com'>\
         <Request Url='https://autodiscover.contoso.com/Autodiscover/Autodiscover.xml' StatusCode='404'/></Result>",
    );
    let report = bench
        .automend(&["trace", "result.xml", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["1 not-found alice@contoso.com"]);
    bench.file(
        "none.html",
        "<html><p>The Connectivity Analyzer is testing Autodiscover.</p><p>It failed.</p></html>",
    );
    bench
        .automend(&["trace", "none.html"])
        .exits(2)
        .warns("names no URL of Autodiscover");
}

fn har(response: &Value) -> String {
    let asks = "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request><EMailAddress>alice@contoso.com</EMailAddress></Request></Autodiscover>";
    json!({ "log": { "entries": [{
        "request": {
            "method": "POST",
            "url": "https://autodiscover.contoso.com/autodiscover/autodiscover.xml",
            "headers": [],
            "postData": { "mimeType": "text/xml", "text": asks },
        },
        "response": response,
    }] } })
    .to_string()
}

#[test]
fn a_har_without_bodies_is_no_server_that_answers_nothing() {
    let bench = Bench::new();
    for (response, cause) in [
        (
            json!({ "status": 200, "content": { "size": 1164 }, "bodySize": 475 }),
            "body-not-recorded",
        ),
        (
            json!({ "status": 200, "content": { "size": 1164, "text": "" } }),
            "body-not-recorded",
        ),
        (
            json!({ "status": 200, "content": { "size": -1 }, "bodySize": -1 }),
            "body-not-recorded",
        ),
        (
            json!({ "status": 200, "content": { "size": 0, "text": "" }, "bodySize": 475 }),
            "body-not-recorded",
        ),
        (json!({ "status": 200, "content": {} }), "body-not-recorded"),
        (json!({ "status": 200 }), "body-not-recorded"),
        (
            json!({ "status": 200, "content": { "size": 0, "comment": "Response bodies are not included." } }),
            "body-not-recorded",
        ),
        (
            json!({ "status": 200, "headers": [{ "name": "Content-Length", "value": "1164" }], "content": { "size": 0 } }),
            "body-not-recorded",
        ),
        (
            json!({ "status": 200, "content": { "size": 0, "text": "" }, "bodySize": 0 }),
            "answer-empty",
        ),
        (
            json!({ "status": 200, "headers": [{ "name": "Content-Length", "value": "0" }], "content": { "size": 0 } }),
            "answer-empty",
        ),
    ] {
        bench.file("recording.har", har(&response));
        let report = bench
            .automend(&["trace", "recording.har", "-f", "json"])
            .exits(1)
            .json();
        assert_eq!(
            story(&report).2,
            [format!("1 {cause} alice@contoso.com")],
            "{response}"
        );
    }
    bench.file(
        "recording.har",
        har(&json!({ "status": 200, "content": { "size": 1164 } })),
    );
    bench
        .automend(&["trace", "recording.har"])
        .exits(1)
        .says("the recording does not hold the body of the answer")
        .says("Record again with content");
}

#[test]
fn a_request_without_its_body_is_told_too() {
    let bench = Bench::new();
    let mut recording: Value =
        serde_json::from_str(&har(&json!({ "status": 200, "content": { "size": 1164 } }))).unwrap();
    let request = &mut recording["log"]["entries"][0]["request"];
    request.as_object_mut().unwrap().remove("postData");
    request["bodySize"] = json!(312);
    bench.file("heads.har", recording.to_string());
    let report = bench
        .automend(&["trace", "heads.har", "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(story(&report).2, ["1 body-not-recorded nobody"]);
    assert!(tool::defects(&report)[0].contains("the request's body is not in the recording"));
}

#[test]
fn a_redirect_is_known_without_its_head() {
    let bench = Bench::new();
    let to = "https://mail.contoso.com/autodiscover/autodiscover.xml";
    bench.file(
        "heads.har",
        har(&json!({ "status": 302, "redirectURL": to, "content": { "size": 0 } })),
    );
    let run = bench.automend(&["trace", "heads.har"]).exits(0);
    run.says(&format!("leads to {to}"))
        .says("the recording does not hold what the redirect leads to");
}

#[test]
fn an_archive_without_bodies_is_no_server_that_answers_nothing() {
    let bench = Bench::new();
    let asks = "POST https://autodiscover.contoso.com/autodiscover/autodiscover.xml HTTP/1.1\r\nHost: autodiscover.contoso.com\r\nX-AnchorMailbox: alice@contoso.com\r\n\r\n";
    for (answers, finding) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1164\r\n\r\n",
            "body-not-recorded",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "body-not-recorded",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "answer-empty",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "answer-empty",
        ),
    ] {
        let mut zip = Vec::new();
        for (name, bytes) in [("raw/1_c.txt", asks), ("raw/1_s.txt", answers)] {
            // Stored, without a table of contents.
            let size = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            zip.extend_from_slice(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
            zip.extend_from_slice(&size);
            zip.extend_from_slice(&size);
            zip.extend_from_slice(&[11, 0, 0, 0]);
            zip.extend_from_slice(name.as_bytes());
            zip.extend_from_slice(bytes.as_bytes());
        }
        bench.file("recording.saz", zip);
        let report = bench
            .automend(&["trace", "recording.saz", "-f", "json"])
            .exits(1)
            .json();
        assert_eq!(
            story(&report).2,
            [format!("1 {finding} alice@contoso.com")],
            "{answers}"
        );
    }
}

#[test]
fn a_log_without_the_answer_is_no_server_that_answers_nothing() {
    let bench = Bench::new();
    let log = std::fs::read_to_string(recording("olkdisc-redirect.log")).unwrap();
    let (before, _) = log.split_once("4044 0x13713E15").unwrap();
    for end in [
        "",
        "4044 0x13713E25 11.03.2017 09:15:02 AUTODISCOVER GET SETTINGS END\n",
    ] {
        bench.file("log.txt", format!("{before}{end}"));
        let report = bench
            .automend(&["trace", "log.txt", "-f", "json"])
            .exits(1)
            .json();
        assert_eq!(story(&report).2, ["2 body-not-recorded alice@contoso.com"]);
    }
}

#[test]
fn advice_is_about_the_recording() {
    let bench = Bench::new();
    bench.file("ends.har", har(&json!({ "status": 401, "headers": [{ "name": "WWW-Authenticate", "value": "Negotiate" }] })));
    let run = bench
        .automend(&["trace", "ends.har"])
        .exits(1)
        .says("none follows in the recording")
        .says("Record again");
    let told = run.to_string();
    assert!(
        !told.contains("--password-file") && !told.contains("AUTOMEND_DIRECTORY_PASSWORD"),
        "{told}"
    );
}

#[test]
fn what_is_no_recording_says_what_it_is_and_what_to_record() {
    let bench = Bench::new();
    let zip = [
        &b"PK\x03\x04\x14\0\0\0"[..],
        b"[Content_Types].xml word/document.xml",
    ]
    .concat();
    for (name, bytes, word) in [
        ("a", b"%PDF-1.7\n".to_vec(), "a PDF document"),
        ("b", b"\x89PNG\r\n\x1a\n\0\0".to_vec(), "a picture (PNG)"),
        ("c", b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "a picture (JPEG)"),
        ("d", zip, "an Office document (Word)"),
        ("e", b"ElfFile\0\0\0".to_vec(), "an event log of Windows"),
        ("f", b"!BDN\0\0".to_vec(), "a data file of Outlook"),
        ("g", b"7z\xbc\xaf\x27\x1c\0".to_vec(), "an archive (7z)"),
        ("h", b"#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date time cs-uri-stem\r\n".to_vec(), "a log of IIS"),
        ("i", b"#Software: Microsoft Exchange Server\r\n#Log-type: Autodiscover\r\n".to_vec(), "a log of Exchange"),
        ("j", b"From: alice@contoso.com\r\nTo: help@contoso.com\r\nSubject: 603\r\n\r\nhello".to_vec(), "a mail (EML)"),
        ("k", b"{\\rtf1\\ansi hello}".to_vec(), "a document (RTF)"),
        ("l", b"{\"info\":{\"_postman_id\":\"1\"}}".to_vec(), "a collection of Postman"),
        ("m", b"[{\"a\":1}]".to_vec(), "JSON, but no HAR"),
        ("n", b"dn: CN=Jim Stone,DC=contoso,DC=com\nobjectClass: user\n".to_vec(), "LDIF"),
        ("o", b"<html><head><title>Sign in</title></head></html>".to_vec(), "XML, but no answer of Autodiscover"),
    ] {
        bench.file(name, bytes);
        let run = bench.automend(&["trace", name]).exits(2).warns(word).warns(name);
        let told = run.to_string();
        let advice = ["record", "save", "trace", "unpack", "name it"];
        assert!(advice.iter().any(|verb| told.contains(verb)), "{told}");
    }
}

#[test]
fn a_saved_answer_that_is_wrong_is_told_as_what_it_is() {
    let bench = Bench::new();
    let envelope = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
    let outlook = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
    let mobile =
        "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
    let answer = |namespace: &str, inside: &str| {
        format!(
            "<Autodiscover xmlns=\"{envelope}\"><Response xmlns=\"{namespace}\">\
             <User><AutoDiscoverSMTPAddress>alice@contoso.com</AutoDiscoverSMTPAddress></User>{inside}</Response></Autodiscover>"
        )
    };
    let exch = "<Account><Action>settings</Action><Protocol><Type>EXCH</Type></Protocol></Account>";
    for (document, finding) in [
        (answer("urn:other", exch), "wrong-namespace"),
        (answer(envelope, exch), "wrong-namespace"),
        (answer("", exch), "wrong-namespace"),
        (
            answer(
                outlook,
                "<Account><Action>redirectAddr</Action><RedirectAddr>nobody</RedirectAddr></Account>",
            ),
            "redirect-no-address",
        ),
        (
            answer(outlook, "<Account><Action>redirectUrl</Action></Account>"),
            "redirect-broken",
        ),
    ] {
        bench.file("answer.xml", &document);
        let report = bench
            .automend(&["trace", "answer.xml", "-f", "json"])
            .exits(1)
            .json();
        assert_eq!(
            story(&report).2,
            [format!("1 {finding} alice@contoso.com")],
            "{document}"
        );
    }
    for (document, warning) in [
        (answer(&outlook.replace("http:", "https:"), exch), "namespace-differs"),
        (
            answer(
                mobile,
                "<Action><Settings><Server><Type>CertEnroll</Type><Url>https://x.test/</Url></Server></Settings></Action>",
            ),
            "no-mobilesync-url",
        ),
        (answer(outlook, &exch.replace("</Account>", "<AlternativeMailbox><Type>Delegate</Type><DisplayName>Jim</DisplayName></AlternativeMailbox></Account>")), "alternative-malformed"),
    ] {
        bench.file("answer.xml", &document);
        let run = bench.automend(&["trace", "answer.xml", "-f", "json"]);
        let report = run.json();
        let user = &report["users"][0];
        assert_eq!(user["verdict"], "warning", "{document}");
        assert_eq!(user["cause"], warning, "{document}");
        assert_eq!(user["warnings"][0]["cause"], warning, "{document}");
        bench
            .automend(&["trace", "answer.xml"])
            .says_not("Nothing is wrong")
            .says("  ! ");
    }
    bench.file(
        "answer.xml",
        format!("<Autodiscover xmlns=\"{envelope}\"><Response><Error><ErrorCode>500</ErrorCode></Error></Response></Autodiscover>"),
    );
    bench
        .automend(&["trace", "answer.xml"])
        .exits(1)
        .says("  200  error 500")
        .says_not("error 500 .");
}
