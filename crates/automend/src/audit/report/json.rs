//! The report as JSON. The shape is promised: `docs/audit.schema.json` describes it, and `version`
//! rises when it changes so that an old reader would go wrong.

use std::io::{self, Write};

use automend_core::dn::Dn;
use automend_core::finding::{Finding, Subject};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Report;

#[derive(Serialize)]
struct ReportJson<'a> {
    version: u32,
    directory: &'a str,
    at: String,
    counts: CountsJson,
    findings: Vec<FindingJson<'a>>,
    complete: bool,
    unread: &'a [String],
    defects: Vec<&'a String>,
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
    mend: &'static str,
}

#[derive(Serialize)]
struct ObjectJson<'a> {
    dn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    name: String,
}

impl<'a> From<&'a Dn> for ObjectJson<'a> {
    fn from(dn: &'a Dn) -> Self {
        Self {
            dn: dn.as_str(),
            guid: None,
            name: dn.shown(),
        }
    }
}

impl<'a> From<&'a Subject> for ObjectJson<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self {
            dn: subject.dn.as_str(),
            guid: subject.guid.map(|guid| guid.to_string()),
            name: subject.shown.clone(),
        }
    }
}

impl<'a> From<&'a Finding> for FindingJson<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            code: finding.code.as_str(),
            severity: finding.code.severity().as_str(),
            kind: finding.code.kind(),
            title: finding.code.title(),
            owner: (&finding.subject).into(),
            delegates: finding.delegates.iter().map(Into::into).collect(),
            evidence: evidence_json(finding),
            mend: finding.code.mend(),
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
        map.insert((*name).to_owned(), json!(value));
    }
    Value::Object(map)
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let counts = report.counts;
    let shape = ReportJson {
        version: 1,
        directory: &report.directory,
        at: report.at.to_string(),
        counts: CountsJson {
            owners: counts.owners,
            links: counts.links,
            delegates: counts.delegates,
        },
        findings: report.findings.iter().map(Into::into).collect(),
        complete: report.gaps.are_none(),
        unread: &report.gaps.unread,
        defects: report
            .gaps
            .defects
            .iter()
            .chain(&report.gaps.notes)
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &shape)?;
    writeln!(out)
}

pub(super) fn write_lines(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        serde_json::to_writer(&mut *out, &FindingJson::from(finding))?;
        writeln!(out)?;
    }
    Ok(())
}
