//! Where redirects lead, and what is refused on the way.

use super::*;

#[test]
fn a_redirect_to_a_host_of_the_domain_is_followed_and_one_to_another_asks() {
    for (world, steps, verdict) in [
        (
            "http://autodiscover.contoso.com -> url https://contoso.com/x/autodiscover/autodiscover.xml
            https://contoso.com/x -> settings",
            vec!["http-redirect https://contoso.com/x/…: settings"],
            "ok settings",
        ),
        (
            "http://autodiscover.contoso.com -> url https://mail.hoster.test/autodiscover/autodiscover.xml
            https://mail.hoster.test -> settings",
            vec!["http-redirect consent mail.hoster.test: consent-needed", "srv srv: no-srv-record"],
            "needs-consent consent-needed",
        ),
        (
            "http://autodiscover.contoso.com -> url https://mail.hoster.test/autodiscover/autodiscover.xml
            consent mail.hoster.test -> yes
            https://mail.hoster.test -> settings",
            vec![
                "http-redirect consent mail.hoster.test: consented",
                "http-redirect https://mail.hoster.test/…: settings",
            ],
            "ok settings",
        ),
        (
            "http://autodiscover.contoso.com -> url https://mail.contoso.com/autodiscover/autodiscover.xml
            https://mail.contoso.com -> settings",
            vec!["http-redirect https://mail.contoso.com/…: settings"],
            "ok settings",
        ),
        (
            "http://autodiscover.contoso.com -> url https://mail.evilcontoso.com/autodiscover/autodiscover.xml
            consent mail.evilcontoso.com -> no",
            vec!["http-redirect consent mail.evilcontoso.com: consent-refused", "srv srv: no-srv-record"],
            "failed consent-refused",
        ),
    ] {
        let mut expected = vec![
            format!("{ROOT}: no-such-host"),
            format!("{HOST}: no-such-host"),
            format!("{PROBE}: redirect-url"),
        ];
        expected.extend(steps.into_iter().map(str::to_owned));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(plan(), world, &expected, verdict);
    }
}

#[test]
fn an_allowed_host_is_not_asked_about() {
    let plan = Plan {
        allowed: vec![Host::parse("hoster.test").unwrap()],
        ..plan()
    };
    check(
        plan,
        "https://contoso.com -> url https://mail.hoster.test/autodiscover/autodiscover.xml
        https://mail.hoster.test -> settings",
        &[
            &format!("{ROOT}: redirect-url"),
            "root-domain https://mail.hoster.test/…: settings",
        ],
        "ok settings",
    );
}

#[test]
fn a_redirect_that_cannot_be_followed_says_why_and_the_search_goes_on() {
    for (answer, cause) in [
        (
            "url http://contoso.com/autodiscover/autodiscover.xml",
            "redirect-to-http",
        ),
        ("url //autodiscover.contoso.com/", "redirect-elsewhere"),
        ("url https://www.contoso.com/", "redirect-elsewhere"),
        (
            "url https://contoso.com/autodiscover/autodiscover.json",
            "redirect-elsewhere",
        ),
        ("url ", "redirect-broken"),
        (
            "url https://user@contoso.com/autodiscover/autodiscover.xml",
            "redirect-broken",
        ),
        (
            "url file:///autodiscover/autodiscover.xml",
            "redirect-broken",
        ),
        ("url /autodiscover/autodiscover.xml", "redirect-loop"),
        ("address alice@contoso.com", "redirect-same-address"),
        ("address Alice@CONTOSO.com", "redirect-same-address"),
        ("address alice", "redirect-no-address"),
        ("address alice@com", "redirect-no-address"),
        ("address alice@co.uk", "redirect-no-address"),
        ("address alice@10.0.0.1", "redirect-no-address"),
    ] {
        let world = format!(
            "https://contoso.com -> {answer}\nhttps://autodiscover.contoso.com -> settings"
        );
        check(
            plan(),
            &world,
            &[&format!("{ROOT}: {cause}"), &format!("{HOST}: settings")],
            "ok settings",
        );
    }
}

#[test]
fn a_url_that_was_asked_is_not_asked_again() {
    check(
        plan(),
        "https://contoso.com -> url https://autodiscover.contoso.com/Autodiscover/Autodiscover.xml
        https://autodiscover.contoso.com -> busy",
        &[
            &format!("{ROOT}: redirect-url"),
            "root-domain https://autodiscover.contoso.com/Autodiscover/Autodiscover.xml: busy",
            &format!("{HOST}: busy"),
            &format!("{PROBE}: no-such-host"),
            "srv srv: no-srv-record",
        ],
        "failed busy",
    );
    let a = "https://contoso.com/a/autodiscover/autodiscover.xml";
    let b = "https://contoso.com/b/autodiscover/autodiscover.xml";
    check(
        Plan {
            given: vec![Url::parse(a).unwrap()],
            ..plan()
        },
        &format!("{a} -> url {b}\n{b} -> url {a}"),
        &[
            "given-url https://contoso.com/a/…: redirect-url",
            "given-url https://contoso.com/b/…: redirect-loop",
        ],
        "failed redirect-loop",
    );
}

#[test]
fn another_address_begins_the_search_anew() {
    check(
        plan(),
        "https://contoso.com -> address alice@mail.contoso.com
        https://autodiscover.contoso.com -> settings
        https://autodiscover.mail.contoso.com -> settings",
        &[
            &format!("{ROOT}: redirect-address"),
            "root-domain https://mail.contoso.com/…: no-such-host",
            "autodiscover-host https://autodiscover.mail.contoso.com/…: settings",
        ],
        "ok settings",
    );
}

#[test]
fn addresses_that_lead_to_each_other_are_a_loop() {
    let given = |domain: &str| format!("https://{domain}/autodiscover/autodiscover.xml");
    check(
        Plan {
            excluded: vec![
                DiscoveryMethod::AutodiscoverHost,
                DiscoveryMethod::HttpRedirect,
                DiscoveryMethod::Srv,
            ],
            ..plan()
        },
        &format!(
            "{} -> address bob@fabrikam.com\n{} -> address alice@contoso.com",
            given("contoso.com"),
            given("fabrikam.com")
        ),
        &[
            &format!("{ROOT}: redirect-address"),
            "root-domain https://fabrikam.com/… sealed: redirect-loop",
        ],
        "failed redirect-loop",
    );
}

#[test]
fn a_server_of_another_domain_gets_the_password_itself_only_by_consent() {
    let world = "https://contoso.com -> address alice@fabrikam.com
        https://fabrikam.com -> secret";
    check(
        plan(),
        world,
        &[
            &format!("{ROOT}: redirect-address"),
            "root-domain https://fabrikam.com/… sealed: password-wanted",
            "root-domain consent fabrikam.com: consent-needed",
            "autodiscover-host https://autodiscover.fabrikam.com/… sealed: no-such-host",
            "http-redirect http://autodiscover.fabrikam.com/…: no-such-host",
            "srv srv: no-srv-record",
        ],
        "needs-consent consent-needed",
    );
    check(
        plan(),
        &format!("{world}\nconsent fabrikam.com -> yes"),
        &[
            &format!("{ROOT}: redirect-address"),
            "root-domain https://fabrikam.com/… sealed: password-wanted",
            "root-domain consent fabrikam.com: consented",
            "root-domain https://fabrikam.com/…: settings",
        ],
        "ok settings",
    );
    check(
        Plan {
            allowed: vec![Host::parse("fabrikam.com").unwrap()],
            ..plan()
        },
        world,
        &[
            &format!("{ROOT}: redirect-address"),
            "root-domain https://fabrikam.com/…: settings",
        ],
        "ok settings",
    );
}

#[test]
fn an_alternative_mailbox_of_another_domain_is_asked_for_with_a_sealed_login() {
    let home = Domain::of(&SmtpAddress::parse("user@fabrikam.com").unwrap()).unwrap();
    check(
        Plan {
            home: Some(home),
            ..plan()
        },
        "https://contoso.com -> settings",
        &["root-domain https://contoso.com/… sealed: settings"],
        "ok settings",
    );
}

#[test]
fn ten_redirects_are_followed_and_addresses_count_with_urls() {
    // Each address leads to a URL, which leads to the next address.
    let lines = (0..10).map(|i| {
        let next = i + 1;
        format!(
            "https://d{i}.contoso.com/autodiscover/autodiscover.xml -> url /x/autodiscover/autodiscover.xml
            https://d{i}.contoso.com/x/ -> address a@d{next}.contoso.com"
        )
    });
    let world = lines.collect::<Vec<_>>().join("\n");
    let plan = Plan {
        excluded: vec![
            DiscoveryMethod::AutodiscoverHost,
            DiscoveryMethod::HttpRedirect,
            DiscoveryMethod::Srv,
        ],
        ..plan()
    };
    let (lines, end) = run("a@d0.contoso.com", plan, &world);
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert_eq!(end.cause, Some(Cause::RedirectLimit));
    assert_eq!(end.verdict, Verdict::Failed);
}
