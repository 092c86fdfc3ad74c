//! What `automend test` does besides finding fault: forms, follow-ups, many users, the directory beside it.

mod mailboxes;
#[cfg(target_os = "linux")]
mod on_a_terminal;
mod urls;
mod ways;
mod words;

use std::net::Ipv6Addr;

use serde_json::Value;

use crate::tool::schema::invalid;
use crate::tool::{Bench, Run};
use crate::web::dns::Is;
use crate::web::pages::{
    self, BASIC, PASSWORD, USER, behind_basic, challenge, fault, redirect, settings, settings_with,
    status, xml,
};
use crate::web::{Does, Heard, Server, World};

const ROOT: &str = "contoso.test";
const HOST: &str = "autodiscover.contoso.test";

fn bench(world: &World) -> Bench {
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    bench.file("password", format!("{PASSWORD}\n"));
    bench
}

#[track_caller]
fn test(bench: &Bench, world: &World, arguments: &[&str]) -> Run {
    let flags = world.flags();
    let mut all = vec!["test", "--password-file", "password", "--timeout", "10"];
    all.extend(flags.iter().map(String::as_str));
    all.extend(arguments);
    bench.automend(&all)
}

fn steps(report: &Value) -> Vec<String> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let cause = step["cause"].as_str().unwrap_or("settings");
            let aside = if step["outlook"] == true {
                ""
            } else {
                " (aside)"
            };
            format!("{}{aside}: {cause}", step["step"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn every_step_is_reported_in_the_promised_shape() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| status(404))
        .https(HOST, |heard| behind_basic(heard, || xml(settings())))
        .http(HOST, |_| {
            redirect(
                302,
                "https://mail.hoster.test/autodiscover/autodiscover.xml",
            )
        });
    let report = test(
        &bench(&world),
        &world,
        &[USER, "--all-steps", "--format", "json", "--check-urls"],
    );
    let report = report.exits(3).json();
    assert_eq!(
        steps(&report),
        [
            "scp: no-directory",
            "root-domain: not-found",
            "autodiscover-host: settings",
            "local-xml (aside): no-local-xml",
            "http-redirect (aside): redirect-url",
            "http-redirect (aside): consent-needed",
            "srv (aside): no-srv-record",
        ]
    );
    let exchanges = report["steps"][2]["requests"].as_array().unwrap();
    assert_eq!(
        (&exchanges[0]["status"], &exchanges[0]["offered"][0]),
        (&Value::from(401), &Value::from("Basic"))
    );
    assert_eq!(
        (&exchanges[1]["status"], &exchanges[1]["login"]),
        (&Value::from(200), &Value::from("Basic"))
    );
    assert_eq!(exchanges[1]["tls"], "TLS 1.3");
    assert_eq!(report["settings"]["displayName"], "Alice");
    assert_eq!(report["settings"]["protocols"][0]["type"], "EXCH");
    conforms(&report);
}

/// Members of `value` that `schema` does not name, where it names any.
fn unlisted(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        return unlisted(value, target, root, at);
    }
    let mut found = Vec::new();
    let items = value.as_array().into_iter().flatten();
    found.extend(items.flat_map(|item| unlisted(item, &schema["items"], root, at)));
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            match properties.get(name) {
                Some(schema) => found.extend(unlisted(inner, schema, root, &at)),
                None => found.push(at),
            }
        }
    }
    found
}

/// The report is what `docs/test.schema.json` promises.
#[track_caller]
fn conforms(report: &Value) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/test.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(page).unwrap()).unwrap();
    assert_eq!(
        invalid(report, &schema, &schema, "report"),
        Vec::<String>::new()
    );
    // The check itself sees what is wrong.
    let mut broken = report.clone();
    broken["verdict"] = Value::from("fine");
    broken.as_object_mut().unwrap().remove("steps");
    assert_eq!(invalid(&broken, &schema, &schema, "report").len(), 2);
    let more = unlisted(report, &schema, &schema, "report");
    assert!(more.is_empty(), "not in the schema: {more:?}");
}

#[test]
fn the_tree_tells_steps_exchanges_and_the_verdict() {
    let mut world = World::new(&[]);
    world.https(HOST, |heard| {
        behind_basic(heard, || {
            xml(fault("603", "The Active Directory user wasn't found."))
        })
    });
    test(&bench(&world), &world, &[USER])
        .exits(1)
        .says("root-domain")
        .says("the name does not exist")
        .says("POST: 401, offers Basic")
        .says("POST with Basic: 200")
        .says("failed (fault-603)")
        .says("603 The Active Directory user wasn't found.")
        .says("automend audit --directory ldaps://DC --delegate alice@contoso.test")
        .says("shows 0x800C8203 (seen)");
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
fn a_har_and_a_log_tell_every_exchange_and_no_secret() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| {
            redirect(302, "http://contoso.test/autodiscover/autodiscover.xml")
        })
        .https(HOST, |heard| {
            if heard.header("authorization") == Some(BASIC) {
                let cookie = ("Set-Cookie", "session=very-secret".to_owned());
                Does::Answers(
                    200,
                    vec![cookie],
                    settings().replace("Alice", PASSWORD).into_bytes(),
                )
            } else {
                challenge(&["Negotiate", "NTLM", "Basic realm=\"mail\""])
            }
        });
    let bench = bench(&world);
    let run = test(
        &bench,
        &world,
        &[
            USER,
            "--auth",
            "basic",
            "--har",
            "x.har",
            "--log",
            "olkdisc.log",
        ],
    )
    .exits(0);
    let har = bench.read("x.har");
    let log = bench.read("olkdisc.log");
    for text in [&har, &log, &run.out] {
        for secret in [PASSWORD, BASIC.trim_start_matches("Basic "), "very-secret"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let har: Value = serde_json::from_str(&har).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| {
            let url = entry["request"]["url"].as_str().unwrap();
            format!(
                "{} {url} {}",
                entry["request"]["method"].as_str().unwrap(),
                entry["response"]["status"]
            )
        })
        .collect();
    let url = |host| format!("https://{host}/autodiscover/autodiscover.xml");
    assert_eq!(
        shown,
        [
            format!("POST {} 302", url(ROOT)),
            format!("POST {} 401", url(HOST)),
            format!("POST {} 200", url(HOST)),
        ]
    );
    let headers = entries[2]["request"]["headers"].as_array().unwrap();
    let login = headers
        .iter()
        .find(|header| header["name"] == "authorization")
        .unwrap();
    assert_eq!(login["value"], "Basic (removed)");
    assert!(
        entries[1]["request"]["postData"]["text"]
            .as_str()
            .unwrap()
            .contains(USER)
    );
    assert_eq!(
        entries[0]["response"]["redirectURL"],
        "http://contoso.test/autodiscover/autodiscover.xml"
    );
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" 0x"))
        .map(|line| line.splitn(5, ' ').nth(4).unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "AUTODISCOVER GET SETTINGS BEGIN",
            "SMTP=alice@contoso.test",
            "Autodiscover to https://contoso.test/autodiscover/autodiscover.xml starting",
            "GetLastError=0; httpStatus=302.",
            "Autodiscover to https://contoso.test/autodiscover/autodiscover.xml FAILED (0x80040413)",
            "Autodiscover to https://autodiscover.contoso.test/autodiscover/autodiscover.xml starting",
            "GetLastError=0; httpStatus=401.",
            "AutoDiscover supported auth schemes:  / Negotiate / NTLM / Basic",
            "AutoDiscover USING pcreds->dwAuthScheme: / Basic",
            "GetLastError=0; httpStatus=200.",
            "Autodiscover XML Received",
            "---BEGIN XML---",
            "---END XML---",
            "Autodiscover to https://autodiscover.contoso.test/autodiscover/autodiscover.xml Succeeded (0x00000000)",
            "AUTODISCOVER GET SETTINGS END",
        ]
    );
}

#[test]
fn the_request_is_outlooks() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| behind_basic(heard, || xml(settings())));
    test(&bench(&world), &world, &[USER]).exits(0);
    let heard = world.server(ROOT, 443).heard();
    // First without a login, as the schemes are not known yet.
    assert_eq!(
        heard
            .iter()
            .map(|heard| heard.header("authorization").is_some())
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(heard[1].line(), "POST /autodiscover/autodiscover.xml");
    for (name, value) in [
        ("content-type", "text/xml; charset=utf-8"),
        ("x-mapihttpcapability", "1"),
        ("x-clientcanhandle", "Negotiate, ExHttpInfo"),
        ("x-anchormailbox", USER),
        ("host", ROOT),
    ] {
        assert_eq!(heard[1].header(name), Some(value), "{name}");
    }
    assert!(
        heard[1]
            .header("user-agent")
            .unwrap()
            .starts_with("Microsoft Office/16.")
    );
    assert!(
        heard[1]
            .body
            .contains("<EMailAddress>alice@contoso.test</EMailAddress>")
    );
    assert!(heard[1].body.contains("outlook/responseschema/2006a"));
}
