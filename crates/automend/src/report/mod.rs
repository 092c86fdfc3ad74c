//! Reports: what an audit found, in every form, and the parts that other commands print, too.
//!
//! All forms say the same; JSON is the one whose shape is promised (`docs/audit.schema.json`).

pub(crate) mod export;
mod found;
mod html;
mod json;
pub(crate) mod list;
pub(crate) mod people;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::plan::{Selection, changes};

use crate::args::Format;

pub(crate) use automend_core::display::plural;
pub(crate) use automend_source::gaps::Gaps;
pub(crate) use found::{Counts, Report, warn};
use found::{for_programs, times};
pub(crate) use json::FindingJson;
use list::{BYTE_ORDER_MARK, of_stream};
pub(crate) use table::print_findings;

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
