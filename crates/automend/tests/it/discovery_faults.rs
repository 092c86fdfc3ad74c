//! `automend test` against servers, certificates and names that misbehave, each with what it must come to
//! written beside it.
//!
//! Invariant: whatever the world does, the password goes to no server but those that a case names, at
//! most once to each, never over plain HTTP, and into nothing that is written.

mod answers;
mod connections;
mod logins;
mod names;
mod redirects;
mod shapes;

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::tool::{Bench, Run};
use crate::web::certificate::{Certificate, TLS_1_0_ALERT, TLS_1_0_HELLO, self_signed};
use crate::web::dns::Is;
use crate::web::pages::{
    self, BASIC, PASSWORD, USER, behind_basic, challenge, fault, redirect, redirect_address,
    redirect_url, settings, status, xml,
};
use crate::web::{Does, Heard, Server, World};

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
        "exchanges.har",
        "--log",
        "olkdisc.log",
    ];
    arguments.extend(flags.iter().map(String::as_str));
    arguments.extend(more);
    let run = bench.automend(&arguments);
    let report = run.json();
    let (har, log) = (bench.read("exchanges.har"), bench.read("olkdisc.log"));
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
