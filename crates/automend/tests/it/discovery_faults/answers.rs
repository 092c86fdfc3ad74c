//! Answers that are errors, that cannot be used, that are too large, or that have another status.

use super::*;

/// Errors that Autodiscover itself gives.
#[test]
fn every_error_of_autodiscover_is_told_by_its_code() {
    macro_rules! errors {
        ($($code:literal => $cause:literal,)*) => {
            [$(Case {
                what: concat!("error ", $code),
                servers: &[(ROOT, At::Mail(|_| xml(fault($code, "what it says")))), (HOST, At::Mail(|_| xml(settings())))],
                cause: Some($cause),
                logins: &[ROOT],
                ..CASE
            },)*]
        };
    }
    for case in errors! {
        "500" => "fault-500",
        "501" => "fault-501",
        "600" => "fault-600",
        "601" => "fault-601",
        "602" => "fault-602",
        "603" => "fault-603",
        "604" => "fault-other",
        "404" => "fault-other",
        "503" => "fault-other",
        "-2147467259" => "fault-other",
        "99999999999999999999" => "fault-other",
        "six hundred" => "fault-other",
        "" => "fault-other",
    } {
        let (report, run) = check(&case);
        let explanation = report["explanation"].as_str().unwrap();
        assert!(explanation.contains("what it says"), "{run}");
        assert!(explanation.contains("0x800C8203"), "{run}");
        assert_eq!(report["outlook"]["certainty"], "seen");
    }
}

/// Answers with status 200 that are none.
#[test]
fn an_answer_that_cannot_be_used_says_why() {
    /// A document that ends in the middle of its last mailbox.
    fn truncated() -> Vec<u8> {
        let whole =
            pages::settings_with("<AlternativeMailbox><Type>Delegate</Type></AlternativeMailbox>");
        whole.as_bytes()[..whole.len() - 60].to_vec()
    }
    fn bad_utf_8() -> Vec<u8> {
        let mut bytes = settings().into_bytes();
        let at = settings().find("Alice").unwrap();
        bytes[at] = 0xff;
        bytes
    }
    fn utf_16() -> Vec<u8> {
        let text = settings().replace("encoding=\"utf-8\"", "encoding=\"utf-16\"");
        let units = [0xfeff].into_iter().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    }
    fn laughs() -> String {
        let mut dtd = String::from("<!DOCTYPE a [<!ENTITY l0 \"lol\">");
        for i in 1..10 {
            let before = format!("&l{};", i - 1).repeat(10);
            dtd.extend(["<!ENTITY l", &i.to_string(), " \"", &before, "\">"]);
        }
        settings()
            .replace("?>\n", &format!("?>\n{dtd}]>"))
            .replace(">Alice<", ">&l9;<")
    }
    fn external() -> String {
        let dtd = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
        settings()
            .replace("?>\n", &format!("?>\n{dtd}"))
            .replace(">Alice<", ">&x;<")
    }
    macro_rules! answers {
        ($($what:literal: $answer:expr => $verdict:literal $cause:expr,)*) => {
            [$(Case {
                what: $what,
                servers: &[(HOST, At::Mail(|_| $answer))],
                verdict: $verdict,
                cause: $cause,
                logins: &[HOST],
                ..CASE
            },)*]
        };
    }
    for case in answers! {
        "HTML": xml("<html><head><title>Sign in</title></head></html>") => "failed" Some("answer-html"),
        "HTML with a document type": xml("<!DOCTYPE html>\n<html></html>") => "failed" Some("answer-html"),
        "nothing": xml("") => "failed" Some("answer-empty"),
        "blanks": xml(" \r\n\t") => "failed" Some("answer-empty"),
        "text": xml("Service unavailable") => "failed" Some("answer-malformed"),
        "JSON": xml("{\"ErrorCode\":\"x\"}") => "failed" Some("answer-malformed"),
        "half a document": xml(truncated()) => "failed" Some("answer-malformed"),
        "bad UTF-8": xml(bad_utf_8()) => "failed" Some("answer-encoding"),
        "UTF-16": xml(utf_16()) => "ok" None,
        "billion laughs": xml(laughs()) => "failed" Some("answer-dtd"),
        "an external entity": xml(external()) => "failed" Some("answer-dtd"),
        "another document": xml("<rss version=\"2.0\"></rss>") => "failed" Some("answer-foreign"),
        "no account": xml(pages::account("").replace("Account>", "Accounts>")) => "failed" Some("answer-foreign"),
        "no protocol": xml(pages::account("<Action>settings</Action>")) => "failed" Some("no-protocols"),
        "a mailbox in a forbidden form": xml(pages::settings_with(
            "<AlternativeMailbox><Type>Delegate</Type><DisplayName>Bob</DisplayName>\
             <SmtpAddress>bob@contoso.test</SmtpAddress><Server>x</Server></AlternativeMailbox>",
        )) => "warning" Some("alternative-malformed"),
    } {
        check(&case);
    }
}

/// Sizes and packing.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn a_body_that_is_too_large_is_cut_and_no_answer() {
    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }
    fn packed(bytes: Vec<u8>) -> Does {
        Does::Answers(200, vec![("Content-Encoding", "gzip".to_owned())], bytes)
    }
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n";
    for case in [
        Case {
            what: "a packed answer",
            servers: &[(HOST, At::Mail(|_| packed(gzip(settings().as_bytes()))))],
            verdict: "ok",
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "10 MB",
            servers: &[(HOST, At::Mail(|_| xml(vec![b' '; 10_000_000])))],
            cause: Some("answer-too-large"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "a body without end",
            servers: &[(
                HOST,
                At::Mail(|_| Does::Floods(HEAD.to_vec(), vec![b' '; 65_536])),
            )],
            cause: Some("answer-too-large"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "a body without end before the login",
            servers: &[(
                HOST,
                At::Https(|_| Does::Floods(HEAD.to_vec(), vec![b' '; 65_536])),
            )],
            cause: Some("answer-too-large"),
            ..CASE
        },
        Case {
            what: "a gzip bomb",
            servers: &[(HOST, At::Mail(|_| packed(gzip(&vec![b' '; 20_000_000]))))],
            cause: Some("answer-too-large"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "a gzip bomb in pieces",
            servers: &[(
                HOST,
                At::Mail(|_| packed(gzip(&vec![b' '; 1_000_000]).repeat(20))),
            )],
            cause: Some("answer-too-large"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "broken gzip",
            servers: &[(HOST, At::Mail(|_| packed(b"\x1f\x8bno".to_vec())))],
            cause: Some("answer-encoding"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "headers without end",
            servers: &[(
                HOST,
                At::Https(|_| {
                    Does::Floods(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Y: z\r\n".repeat(1000))
                }),
            )],
            cause: Some("answer-too-large"),
            ..CASE
        },
    ] {
        check(&case);
    }
}

/// Statuses.
#[test]
fn every_status_has_its_meaning() {
    macro_rules! statuses {
        ($($status:literal => $cause:literal,)*) => {
            [$(Case {
                what: concat!("status ", $status),
                servers: &[(HOST, At::Https(|_| status($status)))],
                cause: Some($cause),
                ..CASE
            },)*]
        };
    }
    for case in statuses! {
        204 => "unexpected-status",
        304 => "redirect-broken",
        400 => "unexpected-status",
        403 => "forbidden",
        405 => "wrong-method",
        407 => "proxy-login",
        413 => "unexpected-status",
        429 => "busy",
        500 => "server-failed",
        502 => "server-failed",
    } {
        check(&case);
    }
    check(&Case {
        what: "404 everywhere",
        servers: &[
            (ROOT, At::Https(|_| status(404))),
            (HOST, At::Https(|_| status(404))),
        ],
        cause: Some("not-found"),
        ..CASE
    });
    let (report, _) = check(&Case {
        what: "503 with Retry-After",
        servers: &[(
            HOST,
            At::Https(|_| Does::Answers(503, vec![("Retry-After", "120".to_owned())], Vec::new())),
        )],
        cause: Some("busy"),
        ..CASE
    });
    assert!(
        report["explanation"]
            .as_str()
            .unwrap()
            .contains("come back after 120")
    );
}
