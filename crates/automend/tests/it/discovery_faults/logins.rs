//! Logins that are rejected, and those that are not made.

use super::*;

/// Logins.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
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
