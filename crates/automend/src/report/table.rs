//! The report for reading on a terminal.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use automend_core::display::{plain, plural};
use automend_core::dn::Dn;
use automend_core::finding::{Finding, Severity};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};

use super::found::{Report, since};
use super::people::People;
use crate::config::columns;

/// The most rows of a table; the other forms have all rows.
const MOST_ROWS: usize = 200;
/// The width of what is read by no terminal.
const WIDTH: u16 = 120;
/// What a table needs beside a column of owners, and beside times.
const BESIDE_OWNER: usize = 54;
const SINCE: usize = 16;
/// Names of the affected in one row.
const MOST_NAMES: usize = 6;

pub(super) fn write(report: &Report, out: &mut impl Write, colours: bool) -> io::Result<()> {
    let counts = report.counts;
    writeln!(
        out,
        "{}: {} of {} for {}",
        plain(&report.directory),
        plural(counts.links, "link"),
        plural(counts.owners, "owner"),
        plural(counts.delegates, "delegate")
    )?;
    if report.findings.is_empty() && !report.gaps.are_none() {
        writeln!(
            out,
            "Nothing was found, but not everything could be looked at."
        )?;
    } else {
        print_findings(&report.findings, &report.people, out, colours)?;
    }
    for gap in &report.gaps.unread {
        writeln!(out, "not looked at: {}", plain(gap))?;
    }
    let told = report.gaps.defects.len() + report.gaps.notes.len();
    for defect in report
        .gaps
        .defects
        .iter()
        .chain(&report.gaps.notes)
        .take(MOST_ROWS)
    {
        writeln!(out, "note: {}", plain(defect))?;
    }
    if told > MOST_ROWS {
        writeln!(out, "note: … and {} more", told - MOST_ROWS)?;
    }
    if let Some(how) = &report.signed_in {
        writeln!(out, "{}", plain(how))?;
    }
    if let Some(fix_command) = &report.fix_command {
        writeln!(out, "\nTo fix: {fix_command}")?;
    }
    if let Some(finding) = report.findings.first() {
        writeln!(out, "To understand: automend explain {}", finding.code)?;
    }
    Ok(())
}

/// Prints findings as a table, with a sentence on who is affected above it.
pub(crate) fn print_findings(
    findings: &[Finding],
    people: &People,
    out: &mut impl Write,
    colours: bool,
) -> io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "Nothing is wrong.");
    }
    headline(findings, out)?;
    writeln!(out)?;
    let dated = findings.iter().any(|finding| since(finding).is_some());
    let shown = findings.iter().take(MOST_ROWS);
    let owner_width = shown
        .clone()
        .map(|finding| plain(&finding.subject.dn).chars().count())
        .max()
        .unwrap_or(0);
    let mut table = Table::new();
    // A terminal of width 0 does not know its width.
    let known = table.width().filter(|width| *width > 0).or_else(columns);
    let needed = owner_width
        + if dated {
            BESIDE_OWNER + SINCE
        } else {
            BESIDE_OWNER
        };
    // A name that is broken cannot be copied: where a table has no room for whole names, there is none.
    if known.is_some_and(|width| usize::from(width) < needed) {
        for finding in shown {
            list(finding, people, out)?;
        }
        return more(findings, out);
    }
    let width = known.unwrap_or(WIDTH);
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(if dated {
            vec!["Code", "Owner", "What is wrong", "Since", "Affected users"]
        } else {
            vec!["Code", "Owner", "What is wrong", "Affected users"]
        });
    table.set_width(width.max(u16::try_from(needed).unwrap_or(u16::MAX)));
    if let (Some(column), Ok(least)) = (table.column_mut(1), u16::try_from(owner_width + 2)) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    if colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for finding in findings.iter().take(MOST_ROWS) {
        let colour = match finding.code.severity() {
            Severity::Error => Color::Red,
            Severity::Warning => Color::Yellow,
            Severity::Note => Color::Cyan,
        };
        let wrong = wrong(finding);
        let code = Cell::new(finding.code)
            .fg(colour)
            .add_attribute(Attribute::Bold);
        let owner = format!(
            "{}{}\n{}",
            plain(&finding.subject.shown),
            plain(people.behind_name(&finding.subject.dn)),
            plain(&finding.subject.dn)
        );
        let mut row = vec![code, Cell::new(owner.trim()), Cell::new(wrong)];
        if dated {
            row.push(Cell::new(since(finding).unwrap_or_default()));
        }
        row.push(Cell::new(names(&finding.delegates, people)));
        table.add_row(row);
    }
    writeln!(out, "{table}")?;
    more(findings, out)
}

/// How many stale links break Autodiscover, and for how many users.
fn headline(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    let stale: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.code.is_stale_link())
        .collect();
    if !stale.is_empty() {
        let links: u64 = stale
            .iter()
            .map(|finding| finding.delegates.len() as u64)
            .sum();
        let affected: HashSet<u64> = stale
            .iter()
            .flat_map(|finding| finding.delegates.iter().map(Dn::hash64))
            .collect();
        writeln!(
            out,
            "{} of {} make{} Autodiscover fail for {}.",
            plural(links, "stale link"),
            plural(stale.len() as u64, "owner"),
            if links == 1 { "s" } else { "" },
            plural(affected.len() as u64, "user")
        )?;
    }
    Ok(())
}

/// A finding on lines of its own.
fn list(finding: &Finding, people: &People, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{}  {}{}\n  {}",
        finding.code,
        plain(&finding.subject.shown),
        plain(people.behind_name(&finding.subject.dn)),
        plain(&finding.subject.dn)
    )?;
    for line in wrong(finding).lines() {
        writeln!(out, "  {line}")?;
    }
    if let Some(since) = since(finding) {
        writeln!(out, "  since {since}")?;
    }
    for name in names(&finding.delegates, people).lines() {
        writeln!(out, "  affects {name}")?;
    }
    writeln!(out)
}

/// What is wrong, and how one knows.
fn wrong(finding: &Finding) -> String {
    let mut wrong = finding.code.title().to_owned();
    for (name, value) in &finding.evidence.facts {
        if matches!(
            *name,
            "contradiction"
                | "because"
                | "unreadable"
                | "address"
                | "also"
                | "backLinks"
                | "homeMDB"
        ) {
            // Of a long name its first part is enough to read.
            let value = Dn::parse(value).map_or(value.clone(), |dn| dn.shown());
            let _ = write!(wrong, "\n{name}: {}", plain(value));
        }
    }
    if !finding.evidence.missing.is_empty() {
        let _ = write!(wrong, "\nmissing: {}", finding.evidence.missing.join(", "));
    }
    wrong
}

fn more(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    if findings.len() > MOST_ROWS {
        let more = findings.len() - MOST_ROWS;
        writeln!(
            out,
            "… and {more} more; --format html, csv or json has them all"
        )?;
    }
    Ok(())
}

fn names(delegates: &[Dn], people: &People) -> String {
    let mut text = delegates
        .iter()
        .take(MOST_NAMES)
        .map(|dn| plain(dn.shown() + &people.behind_name(dn)))
        .collect::<Vec<_>>()
        .join("\n");
    if delegates.len() > MOST_NAMES {
        let _ = write!(text, "\nand {} more", delegates.len() - MOST_NAMES);
    }
    text
}
