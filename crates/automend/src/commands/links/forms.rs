//! The list of links in every form; all say the same, and the shape of JSON is promised
//! (`docs/links.schema.json`).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use askama::Template;
use automend_core::display::{self, plain};
use automend_core::finding::Code;
use automend_system::clock;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;
use serde::Serialize;

use super::row::{List, Party, Row, word};
use crate::args::LinksFormat;
use crate::report::{BYTE_ORDER_MARK, plural};

/// Rows that somebody may want to read; the other forms have them all.
const MOST_ROWS: usize = 1000;

/// Writes the list to a file, or to standard output.
pub(super) fn write(list: &List, format: LinksFormat, output: Option<&Path>) -> Result<()> {
    let Some(path) = output else {
        let mut out = BufWriter::new(anstream::stdout().lock());
        render(list, format, &mut out)?;
        return out.flush().context("writing to standard output");
    };
    let writing = || format!("writing {}", path.display());
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut out = BufWriter::new(file);
    if format == LinksFormat::Csv {
        out.write_all(BYTE_ORDER_MARK).with_context(writing)?;
    }
    render(list, format, &mut out).with_context(writing)?;
    out.flush().with_context(writing)
}

fn render(list: &List, format: LinksFormat, out: &mut impl Write) -> Result<()> {
    match format {
        LinksFormat::Table => table(list, out)?,
        LinksFormat::Json => writeln!(out, "{}", display::json_lines(&ListJson::of(list))?)?,
        LinksFormat::Jsonl => {
            for row in &list.rows {
                writeln!(out, "{}", display::json(&RowJson::of(row))?)?;
            }
        }
        LinksFormat::Csv => csv(list, out)?,
        LinksFormat::Html => out.write_all(page(list).render()?.as_bytes())?,
    }
    Ok(())
}

/// How many links, owners and delegates.
fn counts(list: &List) -> (usize, usize, usize) {
    let different = |party: fn(&Row) -> &Party| {
        let names: HashSet<u64> = list.rows.iter().map(|row| party(row).dn.hash64()).collect();
        names.len()
    };
    (
        list.rows.len(),
        different(|row| &row.owner),
        different(|row| &row.delegate),
    )
}

fn headline(list: &List) -> String {
    let (links, owners, delegates) = counts(list);
    format!(
        "{} of {} for {}",
        plural(links as u64, "link"),
        plural(owners as u64, "owner"),
        plural(delegates as u64, "delegate")
    )
}

/// Since when, for people: the time itself, or that it was not later than the owner's last change.
fn since(row: &Row) -> String {
    let by = || {
        row.changed
            .map(|at| format!("by {}", clock::for_people(at)))
    };
    let at = row.since.map(clock::for_people);
    at.or_else(by).unwrap_or_default()
}

fn state(row: &Row) -> String {
    match row.code {
        Some(code) => format!("{} ({code})", word(row.state)),
        None => word(row.state).to_owned(),
    }
}

fn called(party: &Party) -> String {
    match &party.address {
        Some(address) => format!("{} <{address}>", party.name),
        None => party.dn.to_string(),
    }
}

fn table(list: &List, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}", plain(&list.directory), headline(list))?;
    if list.rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        // A name that is broken cannot be copied.
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(vec!["Owner", "Delegate", "State", "Since"]);
    for row in list.rows.iter().take(MOST_ROWS) {
        table.add_row(vec![
            plain(called(&row.owner)),
            plain(called(&row.delegate)),
            state(row),
            since(row),
        ]);
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    if list.rows.len() > MOST_ROWS {
        let left = list.rows.len() - MOST_ROWS;
        writeln!(out, "… and {left} more; --format csv or json has them all")?;
    }
    Ok(())
}

fn csv(list: &List, out: &mut impl Write) -> io::Result<()> {
    // The error of the stream itself, so that a closed pipe is known for one.
    let of_stream = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    };
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record([
        "owner",
        "delegate",
        "state",
        "code",
        "since",
        "whenChanged",
        "ownerName",
        "ownerAddress",
        "ownerGuid",
        "delegateName",
        "delegateAddress",
    ])
    .map_err(of_stream)?;
    for row in &list.rows {
        let address = |party: &Party| plain(party.address.as_deref().unwrap_or_default());
        let guid = row.owner.guid.map(|guid| guid.to_string());
        let code = row.code.map(|code| code.as_str().to_owned());
        rows.write_record([
            plain(&row.owner.dn),
            plain(&row.delegate.dn),
            word(row.state).to_owned(),
            code.unwrap_or_default(),
            row.since.map(clock::for_programs).unwrap_or_default(),
            row.changed.map(clock::for_programs).unwrap_or_default(),
            plain(&row.owner.name),
            address(&row.owner),
            guid.unwrap_or_default(),
            plain(&row.delegate.name),
            address(&row.delegate),
        ])
        .map_err(of_stream)?;
    }
    rows.flush()
}

#[derive(Serialize)]
struct ListJson<'a> {
    version: u32,
    directory: &'a str,
    at: String,
    counts: CountsJson,
    links: Vec<RowJson<'a>>,
    complete: bool,
    unread: &'a [String],
    defects: &'a [String],
}

#[derive(Serialize)]
struct CountsJson {
    links: usize,
    owners: usize,
    delegates: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowJson<'a> {
    owner: PartyJson<'a>,
    delegate: PartyJson<'a>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_changed: Option<String>,
}

#[derive(Serialize)]
struct PartyJson<'a> {
    dn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

impl<'a> ListJson<'a> {
    fn of(list: &'a List) -> Self {
        let (links, owners, delegates) = counts(list);
        Self {
            version: 1,
            directory: &list.directory,
            at: clock::for_programs(list.at),
            counts: CountsJson {
                links,
                owners,
                delegates,
            },
            links: list.rows.iter().map(RowJson::of).collect(),
            complete: list.gaps.are_none(),
            unread: &list.gaps.unread,
            defects: &list.gaps.defects,
        }
    }
}

impl<'a> RowJson<'a> {
    fn of(row: &'a Row) -> Self {
        let time = |at: Option<Timestamp>| at.map(clock::for_programs);
        Self {
            owner: PartyJson::of(&row.owner),
            delegate: PartyJson::of(&row.delegate),
            state: word(row.state),
            code: row.code.map(Code::as_str),
            since: time(row.since),
            when_changed: time(row.changed),
        }
    }
}

impl<'a> PartyJson<'a> {
    fn of(party: &'a Party) -> Self {
        Self {
            dn: party.dn.as_str(),
            guid: party.guid.map(|guid| guid.to_string()),
            name: &party.name,
            address: party.address.as_deref(),
        }
    }
}

#[derive(Template)]
#[template(path = "links.html")]
struct Page {
    directory: String,
    at: String,
    headline: String,
    unread: Vec<String>,
    defects: Vec<String>,
    rows: Vec<PageRow>,
}

struct PageRow {
    owner: String,
    owner_dn: String,
    delegate: String,
    delegate_dn: String,
    state: &'static str,
    what: String,
    since: String,
}

fn page(list: &List) -> Page {
    let all = |texts: &[String]| texts.iter().map(plain).collect();
    let rows = list.rows.iter().map(|row| PageRow {
        owner: plain(called(&row.owner)),
        owner_dn: plain(&row.owner.dn),
        delegate: plain(called(&row.delegate)),
        delegate_dn: plain(&row.delegate.dn),
        state: word(row.state),
        what: row
            .code
            .map(|code| format!("{code}: {}", code.title()))
            .unwrap_or_default(),
        since: since(row),
    });
    Page {
        directory: plain(&list.directory),
        at: clock::for_people(list.at),
        headline: headline(list),
        unread: all(&list.gaps.unread),
        defects: all(&list.gaps.defects),
        rows: rows.collect(),
    }
}
