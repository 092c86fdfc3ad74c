//! The search as a table: a world that answers, and the steps that follow from it.
//!
//! A world is text, one line a place: what is asked (a beginning of the URL, `scp`, `scp HOST`, `srv`,
//! `local`, `consent HOST`), an arrow, and the answer. What no line answers does not exist, has no
//! records, or has nobody to ask.

use super::*;

/// What the steps came to, one a line.
fn run(address: &str, plan: Plan, world: &str) -> (Vec<String>, Conclusion) {
    let address = SmtpAddress::parse(address).unwrap();
    let mut search = Discovery::new(&address, plan).unwrap();
    for _ in 0..10_000 {
        let Some(step) = search.next_step() else {
            let lines = search.tried().iter().map(told).collect();
            return (lines, search.conclusion());
        };
        assert_eq!(
            search.next_step(),
            Some(step.clone()),
            "a step stays until it is answered"
        );
        search.feed(answer(&step.act, world));
    }
    panic!("it does not end");
}

fn key(act: &Act) -> String {
    match act {
        Act::SearchDirectory { at: None } => "scp".to_owned(),
        Act::SearchDirectory { at: Some(host) } => format!("scp {host}"),
        Act::ReadLocalXml => "local".to_owned(),
        Act::Ask(ask) => ask.url().to_string(),
        Act::Probe(url) | Act::AskJson(url) => url.to_string(),
        Act::LookUp(_) => "srv".to_owned(),
        Act::Consent(question) => format!("consent {}", question.host),
    }
}

fn answer(act: &Act, world: &str) -> Answer {
    let key = key(act);
    let line = world.lines().find_map(|line| {
        let (place, answer) = line.trim().split_once(" -> ")?;
        let beginning = place.contains("://") && key.starts_with(place);
        (beginning || key == place).then_some(answer)
    });
    let Some(line) = line else {
        return match act {
            Act::SearchDirectory { .. } => Answer::Scp(Vec::new()),
            Act::LookUp(_) => Answer::Srv(Vec::new()),
            Act::Consent(_) => Answer::Consent(None),
            Act::Ask(_) | Act::Probe(_) | Act::AskJson(_) | Act::ReadLocalXml => {
                Answer::Failed(Cause::NoSuchHost)
            }
        };
    };
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb {
        "settings" => Answer::Settings,
        "url" => Answer::RedirectUrl(rest.to_owned()),
        "address" => Answer::RedirectAddress(rest.to_owned()),
        "secret" => match act {
            Act::Ask(ask) if ask.login() == Login::Sealed => Answer::WantsSecret,
            _ => Answer::Settings,
        },
        "yes" => Answer::Consent(Some(true)),
        "no" => Answer::Consent(Some(false)),
        "points" => Answer::Scp(rest.split(", ").map(scp).collect()),
        "records" => Answer::Srv(rest.split(", ").map(record).collect()),
        code => Answer::Failed(Cause::parse(code).unwrap_or_else(|| panic!("{code}?"))),
    }
}

fn scp(text: &str) -> Scp {
    let mut words = text.split(' ').map(str::to_owned);
    let binding = words.next().unwrap();
    let marker = if binding.starts_with("LDAP") {
        SCP_POINTER
    } else {
        SCP_URL
    };
    Scp {
        keywords: words.chain([marker.to_owned()]).collect(),
        bindings: vec![binding],
    }
}

fn record(text: &str) -> SrvRecord {
    let words: Vec<&str> = text.split(' ').collect();
    let [priority, weight, port, target] = words.as_slice() else {
        panic!("{text}?")
    };
    SrvRecord {
        priority: priority.parse().unwrap(),
        weight: weight.parse().unwrap(),
        port: port.parse().unwrap(),
        target: (*target).to_owned(),
    }
}

fn told(tried: &Tried) -> String {
    let what = tried.act.as_ref().map_or("-".to_owned(), key);
    let login = match &tried.act {
        Some(Act::Ask(ask)) => match ask.login() {
            Login::Full => "",
            Login::Sealed => " sealed",
            Login::Withheld => " withheld",
        },
        _ => "",
    };
    let aside = if tried.outlook { "" } else { " (aside)" };
    let cause = tried.cause.map_or("settings", Cause::code);
    let what = what.replace("/autodiscover/autodiscover.xml", "/…");
    format!("{} {what}{login}{aside}: {cause}", tried.way)
}

fn plan() -> Plan {
    Plan {
        most_rejections: 1,
        ..Plan::default()
    }
}

#[track_caller]
fn check(plan: Plan, world: &str, steps: &[&str], verdict: &str) {
    let (lines, end) = run("alice@contoso.com", plan, world);
    assert_eq!(lines, steps);
    let cause = end.cause.map_or("settings", Cause::code);
    assert_eq!(format!("{} {cause}", end.verdict.as_str()), verdict);
}

const ROOT: &str = "root-domain https://contoso.com/…";
const HOST: &str = "autodiscover-host https://autodiscover.contoso.com/…";
const PROBE: &str = "http-redirect http://autodiscover.contoso.com/…";

#[test]
fn where_nothing_is_every_step_is_tried_in_outlooks_order() {
    check(
        plan(),
        "",
        &[
            &format!("{ROOT}: no-such-host"),
            &format!("{HOST}: no-such-host"),
            &format!("{PROBE}: no-such-host"),
            "srv srv: no-srv-record",
        ],
        "failed nothing-found",
    );
}

#[test]
fn the_search_stops_where_outlook_stops() {
    let world = "https://contoso.com -> not-found
        https://autodiscover.contoso.com -> settings";
    check(
        plan(),
        world,
        &[&format!("{ROOT}: not-found"), &format!("{HOST}: settings")],
        "ok settings",
    );
}

#[test]
fn every_step_can_be_tried_and_the_first_answer_decides() {
    let plan = Plan {
        all_steps: true,
        excluded: vec![Way::Srv],
        ..plan()
    };
    let world = "https://contoso.com -> settings
        https://autodiscover.contoso.com -> fault-603";
    check(
        plan,
        world,
        &[
            "scp -: no-directory",
            &format!("{ROOT}: settings"),
            &format!("{HOST} (aside): fault-603"),
            "local-xml - (aside): no-local-xml",
            &format!("{PROBE} (aside): no-such-host"),
            "srv - (aside): excluded",
        ],
        "ok settings",
    );
}

#[test]
fn an_error_of_a_server_ends_the_search() {
    check(
        plan(),
        "https://contoso.com -> fault-603",
        &[&format!("{ROOT}: fault-603")],
        "failed fault-603",
    );
}

#[test]
fn an_error_of_a_server_that_the_directory_names_decides_nothing() {
    let in_domain = || Plan {
        with: vec![Way::Scp],
        ..plan()
    };
    let world = "scp -> points https://cas1.test/autodiscover/autodiscover.xml, https://cas2.test/Autodiscover/Autodiscover.xml
        https://cas1.test -> fault-603
        https://cas2.test -> settings";
    check(
        in_domain(),
        world,
        &[
            "scp scp: servers-named",
            "scp https://cas1.test/…: fault-603",
            "scp https://cas2.test/Autodiscover/Autodiscover.xml: settings",
        ],
        "ok settings",
    );
    // Where nothing else answers, it is remembered.
    check(
        in_domain(),
        "scp -> points https://cas1.test/autodiscover/autodiscover.xml
        https://cas1.test -> fault-603",
        &[
            "scp scp: servers-named",
            "scp https://cas1.test/…: fault-603",
            &format!("{ROOT}: no-such-host"),
            &format!("{HOST}: no-such-host"),
            &format!("{PROBE}: no-such-host"),
            "srv srv: no-srv-record",
        ],
        "failed fault-603",
    );
}

#[test]
fn a_pointer_of_the_directory_is_followed_when_somebody_allows_it() {
    let in_domain = |allowed: &[&str]| Plan {
        with: vec![Way::Scp],
        directory_host: Host::parse("dc1.contoso.com"),
        excluded: vec![
            Way::RootDomain,
            Way::AutodiscoverHost,
            Way::HttpRedirect,
            Way::Srv,
        ],
        allowed: allowed
            .iter()
            .map(|host| Host::parse(host).unwrap())
            .collect(),
        ..plan()
    };
    let world = "scp -> points LDAP://dc.mail.test/x Domain=contoso.com
        scp dc.mail.test -> points https://cas.test/autodiscover/autodiscover.xml
        https://cas.test -> settings";
    check(
        in_domain(&["dc.mail.test"]),
        world,
        &[
            "scp scp: scp-pointer",
            "scp scp dc.mail.test: servers-named",
            "scp https://cas.test/…: settings",
        ],
        "ok settings",
    );
    check(
        in_domain(&[]),
        world,
        &[
            "scp scp: scp-pointer",
            "scp consent dc.mail.test: consent-needed",
        ],
        "needs-consent consent-needed",
    );
    check(
        in_domain(&[]),
        "scp -> points LDAP://dc1.contoso.com Domain=contoso.com",
        &["scp scp: redirect-loop"],
        "failed redirect-loop",
    );
    check(
        in_domain(&[]),
        "scp -> points http://cas.test/autodiscover/autodiscover.xml",
        &["scp scp: scp-broken"],
        "failed scp-broken",
    );
}

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
            consent mail.contoso.com -> no",
            vec!["http-redirect consent mail.contoso.com: consent-refused", "srv srv: no-srv-record"],
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
        ("url /Autodiscover/AUTODISCOVER.XML", "redirect-loop"),
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
            excluded: vec![Way::AutodiscoverHost, Way::HttpRedirect, Way::Srv],
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
        excluded: vec![Way::AutodiscoverHost, Way::HttpRedirect, Way::Srv],
        ..plan()
    };
    let (lines, end) = run("a@d0.contoso.com", plan, &world);
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert_eq!(end.cause, Some(Cause::RedirectLimit));
    assert_eq!(end.verdict, Verdict::Failed);
}

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
            excluded: vec![Way::HttpRedirect, Way::Srv, Way::LocalXml, Way::Scp],
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
        with: vec![Way::V2Json, Way::Microsoft365],
        excluded: vec![Way::RootDomain, Way::HttpRedirect, Way::Srv],
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
        with: vec![Way::LocalXml],
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
        with: vec![Way::Scp],
        excluded: vec![Way::RootDomain, Way::HttpRedirect, Way::Srv],
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
