//! The search as a table: a world that answers, and the steps that follow from it.
//!
//! A world is text, one line a place: what is asked (a beginning of the URL, `scp`, `scp HOST`, `srv`,
//! `local`, `consent HOST`), an arrow, and the answer. What no line answers does not exist, has no
//! records, or has no user to ask.

mod redirects;
mod ways;

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
        excluded: vec![DiscoveryMethod::Srv],
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
        with: vec![DiscoveryMethod::Scp],
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
        with: vec![DiscoveryMethod::Scp],
        directory_host: Host::parse("dc1.contoso.com"),
        excluded: vec![
            DiscoveryMethod::RootDomain,
            DiscoveryMethod::AutodiscoverHost,
            DiscoveryMethod::HttpRedirect,
            DiscoveryMethod::Srv,
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
