//! `automend test` against servers, certificates and names that misbehave, each with what it must come to
//! written beside it.
//!
//! Invariant: whatever the world does, the password goes to no server but those that a case names, at
//! most once to each, never over plain HTTP, and into nothing that is written.

mod tool;
mod web;

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use tool::{Bench, Run};
use web::certificate::{Certificate, TLS_1_0_ALERT, TLS_1_0_HELLO, self_signed};
use web::dns::Is;
use web::pages::{
    self, BASIC, PASSWORD, USER, behind_basic, challenge, fault, redirect, redirect_address,
    redirect_url, settings, status, xml,
};
use web::{Does, Heard, Server, World};

/// What serves at a host.
enum At {
    /// With a good certificate, behind Basic.
    Mail(fn(&Heard) -> Does),
    /// With a good certificate, and no login but that of the script.
    Https(fn(&Heard) -> Does),
    /// Without TLS, at port 80.
    Http(fn(&Heard) -> Does),
    /// Settings behind Basic and behind this certificate.
    Behind(fn(&World, &str) -> Certificate),
}

/// A world, and what it must come to.
struct Case {
    /// What is wrong.
    what: &'static str,
    servers: &'static [(&'static str, At)],
    dns: &'static [(&'static str, Is)],
    more: &'static [&'static str],
    verdict: &'static str,
    cause: Option<&'static str>,
    /// Hosts that may get the password, each once.
    logins: &'static [&'static str],
    /// How long the client waits, in seconds.
    patience: &'static str,
}

const CASE: Case = Case {
    what: "",
    servers: &[],
    dns: &[],
    more: &[],
    verdict: "failed",
    cause: None,
    logins: &[],
    patience: "60",
};

const ROOT: &str = "contoso.test";
const HOST: &str = "autodiscover.contoso.test";
const NOWHERE: &[&str] = &[];

/// Runs a case and checks everything that must hold.
#[track_caller]
fn check(case: &Case) -> (Value, Run) {
    let mut world = World::new(case.dns);
    for (host, at) in case.servers {
        let good = world.authority.good(host);
        let (port, server) = match *at {
            At::Mail(script) => (
                443,
                Server::start(Some(good), move |heard| {
                    behind_basic(heard, || script(heard))
                }),
            ),
            At::Https(script) => (443, Server::start(Some(good), script)),
            At::Http(script) => (80, Server::start(None, script)),
            At::Behind(certificate) => {
                let certificate = certificate(&world, host);
                let script = |heard: &Heard| behind_basic(heard, || xml(settings()));
                (443, Server::start(Some(certificate), script))
            }
        };
        world.put(host, port, server);
    }
    let (report, run) = ask(&world, case.patience, case.more);
    let Case {
        what,
        verdict,
        cause,
        ..
    } = *case;
    assert_eq!(report["verdict"], verdict, "{what}: {run}");
    assert_eq!(report["cause"], Value::from(cause), "{what}: {run}");
    let code = match verdict {
        "ok" => 0,
        "warning" => 3,
        _ => 1,
    };
    assert_eq!(run.code, Some(code), "{what}: {run}");
    for (host, port, server) in world.servers() {
        let logins = server.logins();
        let allowed = port == 443 && case.logins.contains(&host);
        assert_eq!(
            logins.len(),
            usize::from(allowed),
            "{what}: logins at {host}:{port}: {logins:?}"
        );
        for heard in server.heard() {
            assert!(
                heard.protected || heard.header("authorization").is_none(),
                "{what}"
            );
            let said = format!("{}{}", heard.head, heard.body);
            assert!(
                !said.contains(PASSWORD),
                "{what}: the password itself went to {host}:{port}"
            );
        }
    }
    // Nothing is made by cutting labels off.
    for name in world.dns.asked() {
        let known = ["contoso.test", "fabrikam.test", "hoster.test"];
        let own = |domain: &&str| name == **domain || name.ends_with(&format!(".{domain}"));
        assert!(known.iter().any(own), "{what}: DNS was asked for {name}");
    }
    (report, run)
}

/// Runs the binary in a world, with the report, the HAR and the log free of the password.
#[track_caller]
fn ask(world: &World, patience: &str, more: &[&str]) -> (Value, Run) {
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    bench.file("password", format!("{PASSWORD}\n"));
    let flags = world.flags();
    let mut arguments = vec![
        "test",
        USER,
        "--password-file",
        "password",
        "--format",
        "json",
        "--timeout",
        patience,
        "--har",
        "turns.har",
        "--log",
        "olkdisc.log",
    ];
    arguments.extend(flags.iter().map(String::as_str));
    arguments.extend(more);
    let run = bench.automend(&arguments);
    let report = run.json();
    let (har, log) = (bench.read("turns.har"), bench.read("olkdisc.log"));
    let secret = BASIC.trim_start_matches("Basic ");
    for text in [&run.out, &run.err, &har, &log] {
        assert!(
            !text.contains(PASSWORD) && !text.contains(secret),
            "a secret is in: {text}"
        );
    }
    let har: Value = serde_json::from_str(&har).unwrap();
    assert_eq!(har["log"]["version"], "1.2");
    (report, run)
}

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
        "no protocol": xml(pages::account("<Action>settings</Action>")) => "warning" Some("no-protocols"),
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
fn a_body_that_is_too_large_is_cut_and_no_answer() {
    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
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
            servers: &[(HOST, At::Mail(|_| packed(gzip(&vec![b' '; 100_000_000]))))],
            cause: Some("answer-too-large"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "a gzip bomb in pieces",
            servers: &[(
                HOST,
                At::Mail(|_| packed(gzip(&vec![b' '; 1_000_000]).repeat(100))),
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
    check(&Case {
        what: "503 with Retry-After",
        servers: &[(
            HOST,
            At::Https(|_| Does::Answers(503, vec![("Retry-After", "120".to_owned())], Vec::new())),
        )],
        cause: Some("busy"),
        ..CASE
    });
}

/// Connections.
#[test]
fn a_connection_that_breaks_or_hangs_says_where() {
    const HALF: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<?xml version=\"1.0\"?><Auto";
    for case in [
        Case {
            what: "it hangs before the answer",
            servers: &[(HOST, At::Https(|_| Does::Hangs))],
            cause: Some("time-limit"),
            patience: "1",
            ..CASE
        },
        Case {
            what: "it hangs after the login",
            servers: &[(HOST, At::Mail(|_| Does::Hangs))],
            cause: Some("time-limit"),
            patience: "1",
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it hangs inside the answer",
            servers: &[(HOST, At::Mail(|_| Does::SaysAndHangs(HALF.to_vec())))],
            cause: Some("time-limit"),
            patience: "1",
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it hangs in the handshake",
            servers: &[(HOST, At::Behind(|_, _| Certificate::Silent))],
            cause: Some("time-limit"),
            patience: "1",
            ..CASE
        },
        Case {
            what: "it closes before the answer",
            servers: &[(HOST, At::Https(|_| Does::Closes))],
            cause: Some("connection-lost"),
            ..CASE
        },
        Case {
            what: "it closes inside the answer",
            servers: &[(HOST, At::Mail(|_| Does::Says(HALF.to_vec())))],
            cause: Some("answer-cut"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it resets the connection",
            servers: &[(HOST, At::Behind(|_, _| Certificate::Reset))],
            cause: Some("connection-lost"),
            ..CASE
        },
        Case {
            what: "no HTTP",
            servers: &[(
                HOST,
                At::Https(|_| Does::Says(b"220 mail.contoso.test ESMTP\r\n".to_vec())),
            )],
            cause: Some("not-http"),
            ..CASE
        },
    ] {
        check(&case);
    }
}

/// Certificates and versions of TLS.
#[test]
fn no_password_goes_to_a_server_that_cannot_prove_its_name() {
    macro_rules! certificates {
        ($($what:literal: $certificate:expr => $cause:literal,)*) => {
            [$(Case {
                what: $what,
                servers: &[(HOST, At::Behind($certificate))],
                cause: Some($cause),
                ..CASE
            },)*]
        };
    }
    for case in certificates! {
        "expired": |world, host| world.authority.signed(host, 2019, 2020) => "certificate-expired",
        "not valid yet": |world, host| world.authority.signed(host, 3000, 4000) => "certificate-not-yet-valid",
        "for another name": |world, _| world.authority.good("www.contoso.test") => "certificate-wrong-name",
        "for the domain only": |world, _| world.authority.good(ROOT) => "certificate-wrong-name",
        "signs itself": |_, host| self_signed(host, false) => "certificate-untrusted",
        "signs itself as an authority": |_, host| self_signed(host, true) => "certificate-untrusted",
        "of an unknown authority": |_, host| web::certificate::Authority::new().good(host) => "certificate-untrusted",
        "TLS 1.0 only, with an alert": |_, _| Certificate::Old(TLS_1_0_ALERT) => "tls-too-old",
        "TLS 1.0 only, with a hello": |_, _| Certificate::Old(TLS_1_0_HELLO) => "tls-too-old",
        "an alert that says no": |_, _| Certificate::Old(&[21, 3, 3, 0, 2, 2, 40]) => "tls-failed",
        "plain HTTP": |_, _| Certificate::Speaks(b"HTTP/1.1 400 Bad Request\r\n\r\n") => "tls-not-spoken",
        "SMTP": |_, _| Certificate::Speaks(b"220 mail ESMTP\r\n") => "tls-not-spoken",
    } {
        let (report, run) = check(&case);
        let insecure = Case {
            what: case.what,
            servers: case.servers,
            more: &["--insecure"],
            cause: Some(match case.cause {
                Some(cause) if cause.starts_with("certificate-") => "login-untrusted",
                Some(cause) => cause,
                None => unreachable!("{run}"),
            }),
            ..CASE
        };
        // One goes on for looking, and the password stays here.
        check(&insecure);
        assert!(report["outlook"]["code"].as_str().is_some(), "{run}");
    }
}

/// Logins.
#[test]
fn a_wrong_password_costs_one_login() {
    for case in [
        Case {
            what: "401 for ever",
            servers: &[
                (ROOT, At::Https(|_| challenge(&["Basic realm=\"x\""]))),
                (HOST, At::Https(|_| challenge(&["Basic realm=\"x\""]))),
            ],
            cause: Some("login-rejected"),
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "401 for ever, every step",
            servers: &[
                (ROOT, At::Https(|_| challenge(&["Basic realm=\"x\""]))),
                (HOST, At::Https(|_| challenge(&["Basic realm=\"x\""]))),
                (
                    HOST,
                    At::Http(|_| {
                        redirect(302, "https://contoso.test/x/autodiscover/autodiscover.xml")
                    }),
                ),
            ],
            more: &["--all-steps"],
            cause: Some("login-rejected"),
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "two logins are allowed",
            servers: &[
                (ROOT, At::Https(|_| challenge(&["Basic realm=\"x\""]))),
                (HOST, At::Mail(|_| xml(settings()))),
            ],
            more: &["--max-auth", "2"],
            verdict: "ok",
            logins: &[ROOT, HOST],
            ..CASE
        },
        Case {
            what: "two logins are allowed, but never two at one host",
            servers: &[
                (
                    ROOT,
                    At::Https(|heard| match heard.target() {
                        "/autodiscover/autodiscover.xml" => challenge(&["Basic realm=\"x\""]),
                        _ => challenge(&["Basic realm=\"y\""]),
                    }),
                ),
                (
                    HOST,
                    At::Https(|_| {
                        redirect(302, "https://contoso.test/x/autodiscover/autodiscover.xml")
                    }),
                ),
            ],
            more: &["--max-auth", "2"],
            cause: Some("login-rejected"),
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "no login at all",
            servers: &[(HOST, At::Mail(|_| xml(settings())))],
            more: &["--max-auth", "0"],
            cause: Some("login-withheld"),
            ..CASE
        },
        Case {
            what: "only a scheme that nobody speaks",
            servers: &[(
                HOST,
                At::Https(|_| challenge(&["Digest realm=\"x\", nonce=\"y\""])),
            )],
            cause: Some("login-no-scheme"),
            ..CASE
        },
        Case {
            what: "401 without any scheme",
            servers: &[(HOST, At::Https(|_| status(401)))],
            cause: Some("login-no-scheme"),
            ..CASE
        },
        Case {
            what: "Basic, where only NTLM is allowed",
            servers: &[(HOST, At::Https(|_| challenge(&["Basic realm=\"x\""])))],
            more: &["--auth", "ntlm"],
            cause: Some("login-no-scheme"),
            ..CASE
        },
        Case {
            what: "403 after the login",
            servers: &[(HOST, At::Mail(|_| status(403)))],
            cause: Some("forbidden"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "the connection is closed after each 401",
            servers: &[(
                HOST,
                At::Https(|heard| {
                    if heard.header("authorization") == Some(BASIC) {
                        xml(settings())
                    } else {
                        Does::Answers(
                            401,
                            vec![
                                ("WWW-Authenticate", "Basic realm=\"x\"".to_owned()),
                                ("Connection", "close".to_owned()),
                            ],
                            Vec::new(),
                        )
                    }
                }),
            )],
            verdict: "ok",
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it gives back what it was sent",
            servers: &[(
                HOST,
                At::Mail(|heard| {
                    Does::Answers(
                        500,
                        vec![("X-Debug", heard.head.replace("\r\n", " "))],
                        heard.head.clone().into_bytes(),
                    )
                }),
            )],
            cause: Some("server-failed"),
            logins: &[HOST],
            ..CASE
        },
    ] {
        check(&case);
    }
}

/// Redirects.
#[test]
fn a_redirect_is_followed_only_where_it_may_lead() {
    const X: &str = "https://contoso.test/x/autodiscover/autodiscover.xml";
    const PLAIN: &str = "http://contoso.test/autodiscover/autodiscover.xml";
    const ELSEWHERE: &str = "https://mail.hoster.test/autodiscover/autodiscover.xml";
    for case in [
        Case {
            what: "to another path of the same host",
            servers: &[(
                ROOT,
                At::Https(|heard| match heard.target() {
                    "/x/autodiscover/autodiscover.xml" => behind_basic(heard, || xml(settings())),
                    _ => redirect(302, X),
                }),
            )],
            verdict: "ok",
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "to itself",
            servers: &[(
                ROOT,
                At::Https(|heard| {
                    redirect(302, &format!("https://contoso.test{}", heard.target()))
                }),
            )],
            cause: Some("redirect-loop"),
            ..CASE
        },
        Case {
            what: "to itself, relative",
            servers: &[(ROOT, At::Https(|_| redirect(307, "autodiscover.xml")))],
            cause: Some("redirect-loop"),
            ..CASE
        },
        Case {
            what: "two URLs to each other",
            servers: &[
                (
                    ROOT,
                    At::Https(|_| {
                        redirect(
                            301,
                            "https://autodiscover.contoso.test/autodiscover/autodiscover.xml",
                        )
                    }),
                ),
                (
                    HOST,
                    At::Https(|_| {
                        redirect(308, "https://contoso.test/autodiscover/autodiscover.xml")
                    }),
                ),
            ],
            cause: Some("redirect-loop"),
            ..CASE
        },
        Case {
            what: "always on to the next",
            servers: &[(
                ROOT,
                At::Https(|heard| {
                    let n = heard.target().matches('a').count();
                    redirect(
                        302,
                        &format!("/{}/autodiscover/autodiscover.xml", "a".repeat(n)),
                    )
                }),
            )],
            cause: Some("redirect-limit"),
            ..CASE
        },
        Case {
            what: "to plain HTTP",
            servers: &[
                (ROOT, At::Https(|_| redirect(302, PLAIN))),
                (ROOT, At::Http(|_| xml(settings()))),
            ],
            cause: Some("redirect-to-http"),
            ..CASE
        },
        Case {
            what: "in the answer, to plain HTTP",
            servers: &[
                (ROOT, At::Mail(|_| xml(redirect_url(PLAIN)))),
                (ROOT, At::Http(|_| xml(settings()))),
            ],
            cause: Some("redirect-to-http"),
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "to another domain",
            servers: &[
                (ROOT, At::Https(|_| redirect(302, ELSEWHERE))),
                ("mail.hoster.test", At::Mail(|_| xml(settings()))),
            ],
            verdict: "needs-consent",
            cause: Some("consent-needed"),
            ..CASE
        },
        Case {
            what: "in the answer, to another domain",
            servers: &[
                (ROOT, At::Mail(|_| xml(redirect_url(ELSEWHERE)))),
                ("mail.hoster.test", At::Mail(|_| xml(settings()))),
            ],
            verdict: "needs-consent",
            cause: Some("consent-needed"),
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "at port 80, to another domain",
            servers: &[
                (HOST, At::Http(|_| redirect(302, ELSEWHERE))),
                ("mail.hoster.test", At::Mail(|_| xml(settings()))),
            ],
            verdict: "needs-consent",
            cause: Some("consent-needed"),
            ..CASE
        },
        Case {
            what: "at port 80, to another domain that was allowed",
            servers: &[
                (HOST, At::Http(|_| redirect(302, ELSEWHERE))),
                ("mail.hoster.test", At::Mail(|_| xml(settings()))),
            ],
            more: &["--allow-redirect", "hoster.test"],
            verdict: "ok",
            logins: &["mail.hoster.test"],
            ..CASE
        },
        Case {
            what: "at port 80, to the domain itself",
            servers: &[
                (HOST, At::Http(|_| redirect(302, X))),
                (
                    ROOT,
                    At::Https(|heard| match heard.target() {
                        "/x/autodiscover/autodiscover.xml" => {
                            behind_basic(heard, || xml(settings()))
                        }
                        _ => status(404),
                    }),
                ),
            ],
            verdict: "ok",
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "at port 80, a login is wanted",
            servers: &[(HOST, At::Http(|_| challenge(&["Basic realm=\"x\""])))],
            cause: Some("nothing-found"),
            ..CASE
        },
        Case {
            what: "at port 80, settings in clear",
            servers: &[(HOST, At::Http(|_| xml(settings())))],
            cause: Some("nothing-found"),
            ..CASE
        },
        Case {
            what: "to the front page",
            servers: &[(
                HOST,
                At::Https(|_| redirect(301, "https://autodiscover.contoso.test/")),
            )],
            cause: Some("redirect-elsewhere"),
            ..CASE
        },
        Case {
            what: "without a target",
            servers: &[(HOST, At::Https(|_| status(302)))],
            cause: Some("redirect-broken"),
            ..CASE
        },
        Case {
            what: "to a user with a password",
            servers: &[(
                HOST,
                At::Https(|_| {
                    redirect(
                        302,
                        "https://contoso.test@hoster.test/autodiscover/autodiscover.xml",
                    )
                }),
            )],
            cause: Some("redirect-broken"),
            ..CASE
        },
        Case {
            what: "to the same address",
            servers: &[(HOST, At::Mail(|_| xml(redirect_address(USER))))],
            cause: Some("redirect-same-address"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "to no address",
            servers: &[(HOST, At::Mail(|_| xml(redirect_address("alice"))))],
            cause: Some("redirect-no-address"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "to an address of a public suffix",
            servers: &[(HOST, At::Mail(|_| xml(redirect_address("alice@co.uk"))))],
            cause: Some("redirect-no-address"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "two addresses to each other",
            servers: &[
                (
                    ROOT,
                    At::Mail(|_| xml(redirect_address("alice@sub.contoso.test"))),
                ),
                (
                    "sub.contoso.test",
                    At::Mail(|_| xml(redirect_address(USER))),
                ),
            ],
            cause: Some("redirect-loop"),
            logins: &[ROOT, "sub.contoso.test"],
            ..CASE
        },
        Case {
            what: "to an address below the domain",
            servers: &[
                (
                    ROOT,
                    At::Mail(|_| xml(redirect_address("alice@sub.contoso.test"))),
                ),
                (
                    "autodiscover.sub.contoso.test",
                    At::Mail(|_| xml(settings())),
                ),
            ],
            verdict: "ok",
            logins: &[ROOT, "autodiscover.sub.contoso.test"],
            ..CASE
        },
        Case {
            what: "to an address of another domain, which wants the password itself",
            servers: &[
                (
                    ROOT,
                    At::Mail(|_| xml(redirect_address("alice@fabrikam.test"))),
                ),
                ("fabrikam.test", At::Mail(|_| xml(settings()))),
            ],
            verdict: "needs-consent",
            cause: Some("consent-needed"),
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "to an address of another domain that was allowed",
            servers: &[
                (
                    ROOT,
                    At::Mail(|_| xml(redirect_address("alice@fabrikam.test"))),
                ),
                ("fabrikam.test", At::Mail(|_| xml(settings()))),
            ],
            more: &["--allow-redirect", "fabrikam.test"],
            verdict: "ok",
            logins: &[ROOT, "fabrikam.test"],
            ..CASE
        },
    ] {
        check(&case);
    }
}

/// Names.
#[test]
fn every_failure_of_dns_is_told_apart() {
    const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
    for case in [
        Case {
            what: "nothing exists",
            cause: Some("nothing-found"),
            ..CASE
        },
        Case {
            what: "a name without an address",
            dns: &[(HOST, Is::Empty)],
            cause: Some("nothing-found"),
            ..CASE
        },
        Case {
            what: "SERVFAIL",
            dns: &[(HOST, Is::Fails(2))],
            cause: Some("dns-failed"),
            ..CASE
        },
        Case {
            what: "REFUSED",
            dns: &[(HOST, Is::Fails(5))],
            cause: Some("dns-failed"),
            ..CASE
        },
        Case {
            what: "SERVFAIL for SRV",
            dns: &[("_autodiscover._tcp.contoso.test", Is::Fails(2))],
            cause: Some("dns-failed"),
            ..CASE
        },
        Case {
            what: "aliases in a circle",
            dns: &[
                (HOST, Is::Alias("a.contoso.test")),
                ("a.contoso.test", Is::Alias("b.contoso.test")),
                ("b.contoso.test", Is::Alias("a.contoso.test")),
            ],
            cause: Some("cname-loop"),
            ..CASE
        },
        Case {
            what: "an alias of itself",
            dns: &[(HOST, Is::Alias(HOST))],
            cause: Some("cname-loop"),
            ..CASE
        },
        Case {
            what: "an alias of nothing",
            dns: &[(HOST, Is::Alias("gone.contoso.test"))],
            cause: Some("nothing-found"),
            ..CASE
        },
        Case {
            what: "nobody listens there",
            dns: &[(HOST, Is::At(&[LOOPBACK], &[]))],
            cause: Some("connection-refused"),
            ..CASE
        },
        Case {
            what: "nobody listens there, in either family",
            dns: &[(HOST, Is::At(&[LOOPBACK], &[Ipv6Addr::LOCALHOST]))],
            cause: Some("connection-refused"),
            ..CASE
        },
        Case {
            what: "SRV to a server of the domain",
            servers: &[("mail.contoso.test", At::Mail(|_| xml(settings())))],
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[(0, 0, 443, "mail.contoso.test.")]),
            )],
            verdict: "ok",
            logins: &["mail.contoso.test"],
            ..CASE
        },
        Case {
            what: "SRV by priority, then by weight",
            servers: &[
                ("mail1.contoso.test", At::Https(|_| status(503))),
                ("mail2.contoso.test", At::Mail(|_| xml(settings()))),
                ("mail3.contoso.test", At::Mail(|_| xml(fault("500", "x")))),
            ],
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[
                    (20, 0, 443, "mail3.contoso.test"),
                    (10, 5, 443, "mail2.contoso.test"),
                    (10, 50, 443, "mail1.contoso.test"),
                ]),
            )],
            verdict: "ok",
            logins: &["mail2.contoso.test"],
            ..CASE
        },
        Case {
            what: "SRV to elsewhere",
            servers: &[("mail.hoster.test", At::Mail(|_| xml(settings())))],
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[(0, 0, 443, "mail.hoster.test")]),
            )],
            verdict: "needs-consent",
            cause: Some("consent-needed"),
            ..CASE
        },
        Case {
            what: "SRV to port 0",
            servers: &[("mail.contoso.test", At::Mail(|_| xml(settings())))],
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[(0, 0, 0, "mail.contoso.test")]),
            )],
            cause: Some("srv-unusable"),
            ..CASE
        },
        Case {
            what: "SRV to nothing",
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[(0, 0, 443, ".")]),
            )],
            cause: Some("srv-unusable"),
            ..CASE
        },
        Case {
            what: "SRV to a name that does not exist",
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[(0, 0, 443, "gone.contoso.test")]),
            )],
            cause: Some("nothing-found"),
            ..CASE
        },
    ] {
        check(&case);
    }
}

#[test]
fn a_silent_dns_server_is_no_name_that_does_not_exist() {
    check(&Case {
        what: "silence",
        dns: &[
            (ROOT, Is::Silent),
            (HOST, Is::Silent),
            ("_autodiscover._tcp.contoso.test", Is::Silent),
        ],
        cause: Some("dns-timeout"),
        patience: "2",
        ..CASE
    });
}

#[test]
fn an_srv_record_with_another_port_works_and_warns() {
    let mut world = World::new(&[(
        "_autodiscover._tcp.contoso.test",
        Is::Served(&[(0, 0, 8443, "mail.contoso.test")]),
    )]);
    let good = world.authority.good("mail.contoso.test");
    let server = Server::start(Some(good), |heard| behind_basic(heard, || xml(settings())));
    world.put("mail.contoso.test", 8443, server);
    let (report, run) = ask(&world, "60", NOWHERE);
    run.exits(3);
    assert_eq!(
        (&report["verdict"], &report["cause"]),
        (&Value::from("warning"), &Value::from("srv-port"))
    );
}

#[test]
fn without_any_network_the_verdict_is_that_nobody_answers() {
    // A port that was free a moment ago: nobody answers for DNS.
    let port = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let bench = Bench::new();
    let resolver = format!("127.0.0.1:{port}");
    let run = bench.automend(&[
        "test",
        USER,
        "--resolver",
        &resolver,
        "--timeout",
        "1",
        "--format",
        "json",
    ]);
    let report = run.json();
    assert_eq!(
        (run.code, &report["cause"]),
        (Some(1), &Value::from("dns-timeout")),
        "{run}"
    );
}

#[test]
fn without_a_password_the_server_is_looked_at_and_nobody_logs_in() {
    let mut world = World::new(&[]);
    world.https(HOST, |heard| behind_basic(heard, || xml(settings())));
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    let flags = world.flags();
    let mut arguments = vec!["test", USER, "--format", "json"];
    arguments.extend(flags.iter().map(String::as_str));
    let report = bench.automend(&arguments).exits(1).json();
    assert_eq!(report["cause"], "login-wanted");
    assert!(world.server(HOST, 443).logins().is_empty());
}

#[test]
fn a_domain_that_is_not_its_owners_alone_is_asked_for_nothing() {
    for (address, cause) in [
        ("alice@co.uk", "public-suffix"),
        ("alice@test", "single-label-domain"),
        ("alice@127.0.0.1", "bad-domain"),
    ] {
        let world = World::new(&[]);
        let bench = Bench::new();
        bench.file("ca.pem", &world.authority.pem);
        let flags = world.flags();
        let mut arguments = vec!["test", address, "--format", "json"];
        arguments.extend(flags.iter().map(String::as_str));
        let report = bench.automend(&arguments).exits(1).json();
        assert_eq!(report["cause"], cause);
        assert_eq!(world.dns.asked(), NOWHERE);
    }
}
