//! Redirects: where they may lead, and where no one follows.

use super::*;

/// Redirects.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn a_redirect_is_followed_only_where_it_may_lead() {
    const X: &str = "https://contoso.test/x/autodiscover/autodiscover.xml";
    const PLAIN: &str = "http://contoso.test/autodiscover/autodiscover.xml";
    const BELOW: &str = "https://mail.contoso.test/autodiscover/autodiscover.xml";
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
            what: "to a file of another name",
            servers: &[(
                ROOT,
                At::Https(|heard| match heard.target() {
                    "/OtherPath/Autodiscover.xml" => behind_basic(heard, || xml(settings())),
                    _ => redirect(308, "/OtherPath/Autodiscover.xml"),
                }),
            )],
            verdict: "ok",
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "in the answer, to a path without the usual name",
            servers: &[(
                ROOT,
                At::Https(|heard| match heard.target() {
                    "/ad/pox" => behind_basic(heard, || xml(settings())),
                    _ => xml(redirect_url("https://contoso.test/ad/pox")),
                }),
            )],
            verdict: "ok",
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "to the same path in another case",
            servers: &[(
                ROOT,
                At::Https(|heard| match heard.target() {
                    "/Autodiscover/Autodiscover.xml" => behind_basic(heard, || xml(settings())),
                    _ => redirect(302, "/Autodiscover/Autodiscover.xml"),
                }),
            )],
            verdict: "ok",
            logins: &[ROOT],
            ..CASE
        },
        Case {
            what: "to a host below the domain",
            servers: &[
                (ROOT, At::Https(|_| redirect(302, BELOW))),
                ("mail.contoso.test", At::Mail(|_| xml(settings()))),
            ],
            verdict: "ok",
            logins: &["mail.contoso.test"],
            ..CASE
        },
        Case {
            what: "at port 80, to a host below the domain",
            servers: &[
                (HOST, At::Http(|_| redirect(302, BELOW))),
                ("mail.contoso.test", At::Mail(|_| xml(settings()))),
            ],
            verdict: "ok",
            logins: &["mail.contoso.test"],
            ..CASE
        },
        Case {
            what: "two hosts below the domain to each other",
            servers: &[
                (ROOT, At::Https(|_| redirect(302, BELOW))),
                (
                    "mail.contoso.test",
                    At::Https(|_| {
                        redirect(302, "https://m2.contoso.test/autodiscover/autodiscover.xml")
                    }),
                ),
                ("m2.contoso.test", At::Https(|_| redirect(302, BELOW))),
            ],
            cause: Some("redirect-loop"),
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
