//! Names: every way in which DNS fails, and what it may lead to.

use super::*;

/// Names.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
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
    // A port that was free a moment ago: no one answers for DNS.
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
