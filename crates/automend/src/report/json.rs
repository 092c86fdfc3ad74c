//! The report as JSON. The shape is promised: `docs/audit.schema.json` describes it, and `version`
//! rises when it changes so that an old reader would go wrong.

use std::io::{self, Write};

use automend_core::command::Command;
use automend_core::display;
use automend_core::dn::Dn;
use automend_core::finding::{Finding, Subject};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::found::{Report, for_programs};
use super::people::People;

#[derive(Serialize)]
struct ReportJson<'a> {
    version: u32,
    directory: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_in: Option<&'a str>,
    at: String,
    counts: CountsJson,
    findings: Vec<FindingJson<'a>>,
    complete: bool,
    unread: &'a [String],
    defects: Vec<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
}

#[derive(Serialize)]
struct CountsJson {
    owners: u64,
    links: u64,
    delegates: u64,
}

/// A finding as it stands in reports.
#[derive(Serialize)]
pub(crate) struct FindingJson<'a> {
    code: &'static str,
    severity: &'static str,
    kind: &'static str,
    title: &'static str,
    owner: ObjectJson<'a>,
    delegates: Vec<ObjectJson<'a>>,
    evidence: Value,
    remedy: &'static str,
}

#[derive(Serialize)]
struct ObjectJson<'a> {
    dn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
}

impl<'a> ObjectJson<'a> {
    fn named(dn: &'a Dn, people: &'a People) -> Self {
        let person = people.get(dn);
        Self {
            dn: dn.as_str(),
            guid: None,
            name: dn.shown(),
            address: person.and_then(|person| person.address.as_deref()),
            account: person.and_then(|person| person.account.as_deref()),
        }
    }

    fn of(subject: &'a Subject, people: &'a People) -> Self {
        Self {
            guid: subject.guid.map(|guid| guid.to_string()),
            name: subject.shown.clone(),
            ..Self::named(&subject.dn, people)
        }
    }
}

impl<'a> FindingJson<'a> {
    /// A finding, with how its people are reached.
    pub(crate) fn new(finding: &'a Finding, people: &'a People) -> Self {
        Self {
            code: finding.code.as_str(),
            severity: finding.code.severity().as_str(),
            kind: finding.code.kind(),
            title: finding.code.title(),
            owner: ObjectJson::of(&finding.subject, people),
            delegates: finding
                .delegates
                .iter()
                .map(|dn| ObjectJson::named(dn, people))
                .collect(),
            evidence: evidence_json(finding),
            remedy: finding.code.remedy(),
        }
    }
}

/// Evidence as an object: `missing`, `since`, and every fact under its own name.
fn evidence_json(finding: &Finding) -> Value {
    let mut map = Map::new();
    if !finding.evidence.missing.is_empty() {
        map.insert("missing".to_owned(), json!(finding.evidence.missing));
    }
    if let Some(at) = finding
        .evidence
        .since
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
    {
        map.insert("since".to_owned(), json!(at.to_string()));
    }
    for (name, value) in &finding.evidence.facts {
        map.insert((*name).to_owned(), json!(for_programs(name, value)));
    }
    Value::Object(map)
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let counts = report.counts;
    let shape = ReportJson {
        version: 1,
        directory: &report.directory,
        signed_in: report.signed_in.as_deref(),
        at: report.at.to_string(),
        counts: CountsJson {
            owners: counts.owners,
            links: counts.links,
            delegates: counts.delegates,
        },
        findings: report
            .findings
            .iter()
            .map(|finding| FindingJson::new(finding, &report.people))
            .collect(),
        complete: report.gaps.are_none(),
        unread: &report.gaps.unread,
        defects: report
            .gaps
            .defects
            .iter()
            .chain(&report.gaps.notes)
            .collect(),
        command: report.fix_command.as_ref().map(Command::arguments),
    };
    writeln!(out, "{}", display::json_lines(&shape)?)
}

pub(super) fn write_lines(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let line = display::json(&FindingJson::new(finding, &report.people))?;
        writeln!(out, "{line}")?;
    }
    Ok(())
}
