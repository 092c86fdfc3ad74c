//! Reports: what an audit found, in every form, and the parts that other commands print, too.
//!
//! All forms say the same; JSON is the one whose shape is promised (`docs/audit.schema.json`).

pub(crate) mod export;
mod html;
mod json;
pub(crate) mod list;
pub(crate) mod people;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::finding::Finding;
use automend_core::plan::{Selection, changes};
use automend_system::clock;
use jiff::Timestamp;

use crate::args::Format;

pub(crate) use automend_core::display::plural;
pub(crate) use automend_source::gaps::Gaps;
pub(crate) use json::FindingJson;
use list::{BYTE_ORDER_MARK, of_stream};
use people::People;
pub(crate) use table::print_findings;

/// How many of everything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Objects with a forward link.
    pub owners: u64,
    /// Values of forward links.
    pub links: u64,
    /// Different objects that these values name.
    pub delegates: u64,
}

/// What an audit found.
pub(crate) struct Report {
    /// The directory, as it was named.
    pub directory: String,
    /// How the account signed in, where it was by Kerberos: a sentence.
    pub signed_in: Option<String>,
    /// The command that removes the stale links that were found.
    pub mend: Option<Command>,
    /// When.
    pub at: Timestamp,
    /// How many of everything.
    pub counts: Counts,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// How the people in them are reached.
    pub people: People,
    /// What was not looked at.
    pub gaps: Gaps,
}

/// Says on standard error what was not looked at.
pub(crate) fn warn(gaps: &Gaps) {
    for gap in &gaps.unread {
        eprintln!(
            "automend: not everything could be looked at: {}",
            plain(gap)
        );
    }
    for gap in gaps.defects.iter().chain(&gaps.notes) {
        eprintln!("note: {}", plain(gap));
    }
}

impl Report {
    /// 0 where everything was looked at and nothing is wrong, 1 for findings, 2 where what could not be
    /// read may hide some.
    pub(crate) fn status(&self) -> ExitCode {
        if !self.gaps.unread.is_empty() {
            ExitCode::from(2)
        } else if !self.findings.is_empty() {
            ExitCode::from(1)
        } else if self.gaps.are_none() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        }
    }

    /// Says on standard error what was not looked at.
    pub(crate) fn warn(&self) {
        warn(&self.gaps);
    }
}

/// Writes a report to a file, or to standard output.
pub(crate) fn write(report: &Report, format: Format, output: Option<&Path>) -> Result<()> {
    if let Some(path) = output {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        let mut out = BufWriter::new(file);
        if format == Format::Csv {
            // Excel takes a file without it for one in the code page of its machine.
            out.write_all(BYTE_ORDER_MARK)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        render(report, format, &mut out, false)?;
        out.flush()
            .with_context(|| format!("writing {}", path.display()))?;
        return Ok(());
    }
    if format == Format::Table {
        let stdout = anstream::stdout();
        let colours = !matches!(stdout.current_choice(), anstream::ColorChoice::Never);
        let mut out = BufWriter::new(stdout);
        render(report, format, &mut out, colours)?;
        return out.flush().context("writing to standard output");
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    render(report, format, &mut out, false)?;
    out.flush().context("writing to standard output")
}

fn render(report: &Report, format: Format, out: &mut impl Write, colours: bool) -> Result<()> {
    match format {
        Format::Table => table::write(report, out, colours)?,
        Format::Json => json::write(report, out)?,
        Format::Jsonl => json::write_lines(report, out)?,
        Format::Csv => csv(report, out)?,
        Format::Html => html::write(report, out)?,
        Format::Ldif => export::ldif(
            &changes(&report.findings, &Selection::default()),
            &report.directory,
            report.at,
            out,
        )?,
        Format::Powershell => {
            export::powershell(
                &changes(&report.findings, &Selection::default()),
                &report.directory,
                report.at,
                out,
            )?;
        }
    }
    Ok(())
}

/// Since when something is so, for people: the time of the change itself, or else that it was not later
/// than the object's last change.
pub(crate) fn since(finding: &Finding) -> Option<String> {
    if let Some(at) = finding
        .evidence
        .since
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
    {
        return Some(clock::for_people(at));
    }
    let changed = finding
        .evidence
        .facts
        .iter()
        .find(|(name, _)| *name == "whenChanged")
        .map(|(_, text)| text)?;
    clock::generalized(changed).map(|at| format!("by {}", clock::for_people(at)))
}

/// The value of a fact for programs: times as RFC 3339 has them.
fn for_programs(name: &str, value: &str) -> String {
    let time = (name == "whenChanged")
        .then(|| clock::generalized(value))
        .flatten();
    time.map_or_else(|| value.to_owned(), clock::for_programs)
}

/// The same for programs: when it began, or else empty; and the object's last change.
fn times(finding: &Finding) -> (String, String) {
    let since = finding
        .evidence
        .since
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let facts = &finding.evidence.facts;
    let changed = facts
        .iter()
        .find(|(name, _)| *name == "whenChanged")
        .and_then(|(_, text)| clock::generalized(text));
    let told = |at: Option<Timestamp>| at.map(clock::for_programs).unwrap_or_default();
    (told(since), told(changed))
}

/// The columns of a report as CSV; new ones come last.
const CSV_COLUMNS: [&str; 15] = [
    "code",
    "severity",
    "kind",
    "owner",
    "ownerGuid",
    "delegate",
    "since",
    "title",
    "evidence",
    "remedy",
    "whenChanged",
    "ownerAddress",
    "ownerAccount",
    "delegateAddress",
    "delegateAccount",
];

fn csv(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(CSV_COLUMNS).map_err(of_stream)?;
    for finding in &report.findings {
        let mut evidence: Vec<String> = finding
            .evidence
            .missing
            .iter()
            .map(|name| format!("no {name}"))
            .collect();
        evidence.extend(
            finding
                .evidence
                .facts
                .iter()
                .map(|(name, value)| format!("{name}: {}", for_programs(name, value))),
        );
        let guid = finding
            .subject
            .guid
            .map(|guid| guid.to_string())
            .unwrap_or_default();
        let (since, changed) = times(finding);
        let nobody = [None];
        let reached = |dn: Option<&Dn>| {
            let person = dn.and_then(|dn| report.people.get(dn)).cloned();
            let person = person.unwrap_or_default();
            (
                person.address.unwrap_or_default(),
                person.account.unwrap_or_default(),
            )
        };
        let owner = reached(Some(&finding.subject.dn));
        let delegates: Vec<Option<&Dn>> = finding.delegates.iter().map(Some).collect();
        for dn in if delegates.is_empty() {
            nobody.as_slice()
        } else {
            &delegates
        } {
            let delegate = dn.map(Dn::to_string).unwrap_or_default();
            let affected = reached(*dn);
            rows.write_record([
                finding.code.as_str(),
                finding.code.severity().as_str(),
                finding.code.kind(),
                &plain(&finding.subject.dn),
                &guid,
                &plain(&delegate),
                &since,
                finding.code.title(),
                &plain(evidence.join("; ")),
                finding.code.remedy(),
                &changed,
                &plain(&owner.0),
                &plain(&owner.1),
                &plain(&affected.0),
                &plain(&affected.1),
            ])
            .map_err(of_stream)?;
        }
    }
    rows.flush()
}
