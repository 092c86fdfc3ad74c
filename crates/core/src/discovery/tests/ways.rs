//! Ways beside the usual one: records, consent, given URLs, the JSON service, a local file, SOAP.

use super::*;

#[test]
fn records_are_asked_in_order_and_one_outside_the_domain_asks() {
    let until_srv = [
        format!("{ROOT}: no-such-host"),
        format!("{HOST}: no-such-host"),
        format!("{PROBE}: no-such-host"),
    ];
    for (world, steps, verdict) in [
        (
            "srv -> records 10 0 443 mail2.contoso.com., 5 0 8443 mail1.contoso.com.
            https://mail1.contoso.com:8443 -> connection-refused
            https://mail2.contoso.com -> settings",
            vec![
                "srv srv: servers-named",
                "srv https://mail1.contoso.com:8443/…: connection-refused",
                "srv https://mail2.contoso.com/…: settings",
            ],
            "ok settings",
        ),
        (
            "srv -> records 0 0 443 mail.hoster.test.
            https://mail.hoster.test -> settings",
            vec![
                "srv srv: servers-named",
                "srv consent mail.hoster.test: consent-needed",
            ],
            "needs-consent consent-needed",
        ),
        (
            "srv -> records 0 0 443 mail.hoster.test., 1 0 443 mail.hoster.test.
            consent mail.hoster.test -> yes
            https://mail.hoster.test -> settings",
            vec![
                "srv srv: servers-named",
                "srv consent mail.hoster.test: consented",
                "srv https://mail.hoster.test/…: settings",
            ],
            "ok settings",
        ),
        (
            "srv -> records 0 0 0 mail.contoso.com., 0 0 443 .",
            vec!["srv srv: srv-unusable"],
            "failed srv-unusable",
        ),
        (
            "srv -> dns-failed",
            vec!["srv srv: dns-failed"],
            "failed dns-failed",
        ),
        (
            "srv -> records 0 0 443 contoso.com.",
            vec!["srv srv: servers-named"],
            "failed nothing-found",
        ),
    ] {
        let steps: Vec<&str> = until_srv.iter().map(String::as_str).chain(steps).collect();
        check(plan(), world, &steps, verdict);
    }
}

#[test]
fn a_rejected_login_ends_the_search_unless_another_is_allowed() {
    let world = "https://contoso.com -> login-rejected
        https://autodiscover.contoso.com -> settings";
    check(
        plan(),
        world,
        &[&format!("{ROOT}: login-rejected")],
        "failed login-rejected",
    );
    check(
        Plan {
            most_rejections: 2,
            ..plan()
        },
        world,
        &[
            &format!("{ROOT}: login-rejected"),
            &format!("{HOST}: settings"),
        ],
        "ok settings",
    );
    // Every step is looked at, but without a login.
    check(
        Plan {
            all_steps: true,
            excluded: vec![
                DiscoveryMethod::HttpRedirect,
                DiscoveryMethod::Srv,
                DiscoveryMethod::LocalXml,
                DiscoveryMethod::Scp,
            ],
            ..plan()
        },
        "https://contoso.com -> login-rejected
        https://autodiscover.contoso.com -> login-withheld",
        &[
            "scp -: excluded",
            &format!("{ROOT}: login-rejected"),
            &format!("{HOST} withheld (aside): login-withheld"),
            "local-xml - (aside): excluded",
            "http-redirect - (aside): excluded",
            "srv - (aside): excluded",
        ],
        "failed login-rejected",
    );
}

#[test]
fn a_domain_of_which_no_host_may_be_made_is_refused_unless_a_url_is_named() {
    for (address, cause) in [
        ("alice@com", Cause::SingleLabel),
        ("alice@co.uk", Cause::PublicSuffix),
        ("alice@10.0.0.1", Cause::BadDomain),
    ] {
        let address = SmtpAddress::parse(address).unwrap();
        assert_eq!(Discovery::new(&address, plan()).err(), Some(cause));
    }
    let given = Plan {
        given: vec![Url::parse("https://mail.contoso.com/autodiscover/autodiscover.xml").unwrap()],
        all_steps: true,
        ..plan()
    };
    let (lines, end) = run("alice@corp", given, "https://mail.contoso.com -> settings");
    assert_eq!(lines, ["given-url https://mail.contoso.com/…: settings"]);
    assert_eq!(end.verdict, Verdict::Ok);
}

#[test]
fn a_given_url_is_all_that_is_asked() {
    let given = Plan {
        given: vec![Url::parse("https://10.0.0.1/autodiscover/autodiscover.xml").unwrap()],
        ..plan()
    };
    check(
        given,
        "https://10.0.0.1 -> certificate-expired",
        &["given-url https://10.0.0.1/…: certificate-expired"],
        "failed certificate-expired",
    );
}

#[test]
fn a_given_url_is_asked_by_the_protocol_that_is_wanted() {
    let given = |path: &str, dialect| Plan {
        given: vec![Url::parse(&format!("https://10.0.0.1/{path}")).unwrap()],
        dialect,
        ..plan()
    };
    for (path, dialect, asked) in [
        (
            "autodiscover/autodiscover.xml",
            Dialect::Soap,
            "autodiscover/autodiscover.svc",
        ),
        (
            "Autodiscover/Autodiscover.svc",
            Dialect::Pox,
            "Autodiscover/autodiscover.xml",
        ),
        // No name that anybody knows, so it is meant as it is.
        ("other/file.aspx", Dialect::Soap, "other/file.aspx"),
    ] {
        let plan = given(path, dialect);
        let (lines, _) = run(
            "alice@contoso.com",
            plan,
            &format!("https://10.0.0.1/{asked} -> settings"),
        );
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with(": settings"), "{lines:?}");
    }
}

#[test]
fn the_json_service_and_exchange_online_are_asked_only_on_request() {
    let plan = Plan {
        with: vec![DiscoveryMethod::V2Json, DiscoveryMethod::Microsoft365],
        excluded: vec![
            DiscoveryMethod::RootDomain,
            DiscoveryMethod::HttpRedirect,
            DiscoveryMethod::Srv,
        ],
        ..plan()
    };
    let json = "autodiscover/autodiscover.json?Email=alice%40contoso.com&Protocol=AutodiscoverV1";
    check(
        plan,
        "https://outlook.office365.com/autodiscover/autodiscover.xml -> login-wanted
        https://outlook.office365.com/autodiscover/autodiscover.json -> url https://outlook.office365.com/autodiscover/autodiscover.json?Email=x&RedirectCount=1
        https://autodiscover.contoso.com/autodiscover/autodiscover.json -> url https://autodiscover.contoso.com/autodiscover/autodiscover.xml
        https://autodiscover.contoso.com -> settings",
        &[
            "microsoft-365 https://outlook.office365.com/…: login-wanted",
            &format!("v2-json https://outlook.office365.com/{json}: redirect-url"),
            "v2-json https://outlook.office365.com/autodiscover/autodiscover.json?Email=x&RedirectCount=1: redirect-loop",
            &format!("v2-json https://autodiscover.contoso.com/{json}: redirect-url"),
            "v2-json https://autodiscover.contoso.com/…: settings",
        ],
        "ok settings",
    );
}

#[test]
fn a_local_file_is_read_where_outlook_reads_it() {
    let plan = || Plan {
        with: vec![DiscoveryMethod::LocalXml],
        ..plan()
    };
    check(
        plan(),
        "local -> url https://contoso.com/x/autodiscover/autodiscover.xml
        https://contoso.com/x/ -> settings",
        &[
            &format!("{ROOT}: no-such-host"),
            &format!("{HOST}: no-such-host"),
            "local-xml local: redirect-url",
            "local-xml https://contoso.com/x/…: settings",
        ],
        "ok settings",
    );
    check(
        plan(),
        "local -> settings",
        &[
            &format!("{ROOT}: no-such-host"),
            &format!("{HOST}: no-such-host"),
            "local-xml local: settings",
        ],
        "ok settings",
    );
}

#[test]
fn soap_clients_ask_for_another_file_wherever_they_are_led() {
    let plan = Plan {
        dialect: Dialect::Soap,
        with: vec![DiscoveryMethod::Scp],
        excluded: vec![
            DiscoveryMethod::RootDomain,
            DiscoveryMethod::HttpRedirect,
            DiscoveryMethod::Srv,
        ],
        ..plan()
    };
    check(
        plan,
        "scp -> points https://cas.test/Autodiscover/Autodiscover.xml
        https://cas.test -> not-found
        https://autodiscover.contoso.com/autodiscover/autodiscover.svc -> url https://contoso.com/autodiscover/autodiscover.xml
        https://contoso.com/autodiscover/autodiscover.svc -> settings",
        &[
            "scp scp: servers-named",
            "scp https://cas.test/Autodiscover/autodiscover.svc: not-found",
            "autodiscover-host https://autodiscover.contoso.com/autodiscover/autodiscover.svc: redirect-url",
            "autodiscover-host https://contoso.com/autodiscover/autodiscover.svc: settings",
        ],
        "ok settings",
    );
}

#[test]
fn what_is_wrong_with_the_web_site_of_the_domain_is_told_only_where_nothing_else_is() {
    for (world, verdict) in [
        (
            "https://contoso.com -> certificate-wrong-name
            https://autodiscover.contoso.com -> connection-refused",
            "failed connection-refused",
        ),
        (
            "https://contoso.com -> certificate-wrong-name",
            "failed certificate-wrong-name",
        ),
        (
            "https://contoso.com -> answer-html
            https://autodiscover.contoso.com -> answer-html",
            "failed answer-html",
        ),
    ] {
        let (_, end) = run("alice@contoso.com", plan(), world);
        let cause = end.cause.map_or("settings", Cause::code);
        assert_eq!(format!("{} {cause}", end.verdict.as_str()), verdict);
    }
    let both =
        "https://contoso.com -> answer-html\nhttps://autodiscover.contoso.com -> answer-html";
    assert_eq!(run("alice@contoso.com", plan(), both).1.at, Some(1));
}

#[test]
fn the_answer_to_another_question_is_no_answer() {
    let mut search = Discovery::new(&SmtpAddress::parse("a@contoso.com").unwrap(), plan()).unwrap();
    search.feed(Answer::Settings);
    assert!(search.tried().is_empty(), "nothing was asked yet");
    search.next_step();
    search.feed(Answer::Consent(Some(true)));
    assert_eq!(search.tried()[0].cause, Some(Cause::AnswerForeign));
}
