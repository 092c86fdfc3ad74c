//! Small directories in, answers out: each file of `tests/resolve` is a directory, a question, and what
//! is answered to it. The file's name is the sentence that it proves.
//!
//! A file begins with objects as `view::fixture` reads them, and these lines of its own:
//!
//! ```text
//! ask: alice@contoso.com     whose answer: an address, a name or a legacyExchangeDN
//! owner: CN=Jim,DC=contoso   instead of `ask`: what an audit says of this owner
//! policy: faithful, healthy  which policies to ask under
//! follow: 2                  how far owners are followed to their owners, else 0
//! unreadable: CN=Jim,DC=c    the directory refuses to tell of this object
//! repeat 51 … end            the lines in between so many times, `{n}` counts from 1
//! ```
//!
//! Behind `---` stands what is expected; `UPDATE=1 cargo test --test resolve` writes it again.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::finding::Finding;
use automend_core::names::SmtpAddress;
use automend_core::policy::Policy;
use automend_core::resolve::{LinkState, Request, Resolved, Who, resolve};
use automend_core::settings::{Locator, Outcome, Place};
use automend_core::view::fixture::Fixture;
use automend_core::view::{Answer, Known, Need};

#[test]
fn every_file_is_answered_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resolve");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 45, "only {} files", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let (input, expected) = text.split_once("---\n").unwrap_or((&text, ""));
    let found = Case::parse(input).answer();
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, format!("{input}---\n{found}")).unwrap();
        return Ok(());
    }
    let name = file.file_name().unwrap().display();
    Err(format!("{name}\nexpected:\n{expected}found:\n{found}"))
}

enum Question {
    Ask(Who),
    Owner(Dn),
}

struct Case {
    directory: Fixture,
    question: Question,
    policies: Vec<Policy>,
    follow: u8,
    unreadable: HashSet<Dn>,
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut objects = String::new();
        let mut question = None;
        let mut policies = Vec::new();
        let mut follow = 0;
        let mut unreadable = HashSet::new();
        for line in repeated(text).lines() {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name {
                "ask" => question = Some(Question::Ask(who(value))),
                "owner" => question = Some(Question::Owner(Dn::parse(value).unwrap())),
                "policy" => policies.extend(value.split(", ").map(|word| match word {
                    "faithful" => Policy::Faithful,
                    "healthy" => Policy::Healthy,
                    other => panic!("no policy {other}"),
                })),
                "follow" => follow = value.parse().unwrap(),
                "unreadable" => drop(unreadable.insert(Dn::parse(value).unwrap())),
                _ => writeln!(objects, "{line}").unwrap(),
            }
        }
        Self {
            directory: Fixture::parse(&objects),
            question: question.expect("a line ask: or owner:"),
            policies,
            follow,
            unreadable,
        }
    }

    fn answer(&self) -> String {
        let mut out = String::new();
        match &self.question {
            Question::Owner(dn) => {
                let entries = self.directory.entries();
                let owner = entries.iter().find(|entry| entry.dn == *dn).unwrap();
                // The places that an audit would know beforehand.
                let mut places = Known::default();
                let server = owner.home_server.as_deref();
                let server = server.map(automend_core::owner::server_name);
                let needs = owner.home_mdb.iter().cloned().map(Need::Exists);
                for need in needs.chain(server.map(|name| Need::Server(name.to_owned()))) {
                    let answer = self.look_up(&need);
                    places.insert(need, answer);
                }
                print_findings(&links::of_owner(owner, &places), &mut out);
            }
            Question::Ask(who) => {
                assert!(!self.policies.is_empty(), "a line policy:");
                let mut before: Option<Resolved> = None;
                for policy in &self.policies {
                    let request = Request {
                        who: who.clone(),
                        policy: *policy,
                        follow: self.follow,
                    };
                    let resolved = self.drive(&request);
                    let word = format!("{policy:?}").to_lowercase();
                    print_outcome(&word, &resolved.outcome, &mut out);
                    // A policy changes the answer and never what is wrong.
                    if let Some(before) = &before {
                        assert_eq!(before.links, resolved.links);
                        assert_eq!(before.findings, resolved.findings);
                    }
                    before = Some(resolved);
                }
                let resolved = before.unwrap();
                print_links(&resolved, &mut out);
                print_findings(&resolved.findings, &mut out);
            }
        }
        out
    }

    fn look_up(&self, need: &Need) -> Answer {
        match need {
            Need::Entry(dn) | Need::Exists(dn) if self.unreadable.contains(dn) => {
                Answer::Unreadable("this account may not read it".to_owned())
            }
            need => self.directory.look_up(need),
        }
    }

    fn drive(&self, request: &Request) -> Resolved {
        let mut known = Known::default();
        for _ in 0..100 {
            match resolve(&known, request) {
                Ok(resolved) => return resolved,
                Err(needs) => needs.into_iter().for_each(|need| {
                    let answer = self.look_up(&need);
                    known.insert(need, answer);
                }),
            }
        }
        panic!("asks for ever");
    }
}

/// Writes out `repeat N` … `end`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(times) = line.strip_prefix("repeat ") else {
            writeln!(out, "{line}").unwrap();
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "end").collect();
        for n in 1..=times.parse::<usize>().unwrap() {
            writeln!(out, "{}", body.join("\n").replace("{n}", &n.to_string())).unwrap();
        }
    }
    out
}

fn who(text: &str) -> Who {
    if text.starts_with('/') {
        return Who::LegacyDn(text.to_owned());
    }
    match SmtpAddress::parse(text) {
        Ok(address) => Who::Address(address),
        Err(_) => Who::Dn(Dn::parse(text).unwrap()),
    }
}

fn print_outcome(policy: &str, outcome: &Outcome, out: &mut String) {
    match outcome {
        Outcome::Redirect(address) => writeln!(out, "{policy}: redirect to {address}"),
        Outcome::Fault(fault) => writeln!(
            out,
            "{policy}: {} {} ({})",
            fault.code.number(),
            fault.code.message(),
            fault.cause
        ),
        Outcome::Settings(settings) => writeln!(out, "{policy}: settings of {}", settings.address),
    }
    .unwrap();
    let Outcome::Settings(settings) = outcome else {
        return;
    };
    for alternative in &settings.alternatives {
        let at = |place: &Place| format!("{} on {}", place.legacy_dn, place.server);
        let place = match (&alternative.locator, &alternative.place) {
            (Locator::Address(address), None) => format!("<{address}>"),
            (Locator::Address(address), Some(place)) => format!("<{address}> or {}", at(place)),
            (Locator::Place(place), _) => at(place),
        };
        let (kind, name) = (alternative.kind.as_str(), &alternative.display_name);
        writeln!(out, "  {kind} {name} {place}").unwrap();
    }
}

fn print_links(resolved: &Resolved, out: &mut String) {
    for link in &resolved.links {
        let state = match &link.state {
            LinkState::Live => "live".to_owned(),
            LinkState::Remote => "remote".to_owned(),
            LinkState::Stale(why) => format!("stale, {why}"),
            LinkState::FailsItself(way) => {
                let way: Vec<String> = way.iter().map(name).collect();
                format!("fails itself by way of {}", way.join(", "))
            }
            LinkState::Unreadable(why) => format!("unreadable, {why}"),
        };
        writeln!(out, "link from {}: {state}", name(&link.owner.dn)).unwrap();
    }
}

/// The name of a deleted object has a line feed in it.
fn name(dn: &Dn) -> String {
    dn.name().replace('\n', "\\n")
}

fn print_findings(findings: &[Finding], out: &mut String) {
    for finding in findings {
        let (code, subject) = (finding.code, finding.subject.shown.replace('\n', "\\n"));
        write!(out, "{} {code} {subject}", finding.code.severity().as_str()).unwrap();
        if !finding.delegates.is_empty() {
            let names: Vec<String> = finding.delegates.iter().map(name).collect();
            write!(out, ", affects {}", names.join(", ")).unwrap();
        }
        if !finding.evidence.missing.is_empty() {
            write!(out, "; no {}", finding.evidence.missing.join(", ")).unwrap();
        }
        for (name, value) in &finding.evidence.facts {
            write!(out, "; {name}: {value}").unwrap();
        }
        writeln!(out).unwrap();
    }
}
