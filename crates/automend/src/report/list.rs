//! Lists of what there is between mailboxes and users, a row each: what they have in common in every form.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use automend_core::display::{self, plain};
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::names::Guid;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::args::ListFormat;

/// U+FEFF in UTF-8: tells a program of Windows that the rest is UTF-8, too.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The most rows of a table; the other forms have all rows.
const MOST_ROWS: usize = 1000;

/// The owner or the delegate of a row.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub dn: Dn,
    pub guid: Option<Guid>,
    pub name: String,
    pub address: Option<String>,
    /// `whenChanged`.
    pub changed: Option<String>,
}

impl Party {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            dn: entry.dn.clone(),
            guid: entry.guid,
            name: entry.shown(),
            address: entry.primary_address().map(|address| address.to_string()),
            changed: entry.changed.clone(),
        }
    }

    /// One of whom nothing but the name is known.
    pub(crate) fn named(dn: &Dn) -> Self {
        Self {
            dn: dn.clone(),
            guid: None,
            name: dn.shown(),
            address: None,
            changed: None,
        }
    }

    /// The name with the address, or else the distinguished name.
    pub(crate) fn called(&self) -> String {
        match &self.address {
            Some(address) => format!("{} <{address}>", self.name),
            None => self.dn.to_string(),
        }
    }
}

/// A party as it stands in JSON.
#[derive(Serialize)]
pub(crate) struct PartyJson<'a> {
    dn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

impl<'a> PartyJson<'a> {
    pub(crate) fn of(party: &'a Party) -> Self {
        Self {
            dn: party.dn.as_str(),
            guid: party.guid.map(|guid| guid.to_string()),
            name: &party.name,
            address: party.address.as_deref(),
        }
    }
}

/// A list in every form.
pub(crate) trait List {
    /// How many of everything, in words.
    fn headline(&self) -> String;
    /// The columns for people.
    fn columns(&self) -> Vec<&'static str>;
    /// The rows for people, made safe to show.
    fn rows(&self) -> impl ExactSizeIterator<Item = Vec<String>>;
    /// The columns for spreadsheets.
    fn fields(&self) -> Vec<&'static str>;
    /// The rows for spreadsheets, made safe to show.
    fn records(&self) -> impl Iterator<Item = Vec<String>>;
    /// The whole document.
    fn document(&self) -> impl Serialize;
    /// A document for each row.
    fn documents(&self) -> impl Iterator<Item = impl Serialize>;
    /// The page.
    fn page(&self) -> askama::Result<String>;
}

/// Writes a list to a file, or to standard output.
pub(crate) fn write(list: &impl List, format: ListFormat, output: Option<&Path>) -> Result<()> {
    let Some(path) = output else {
        let mut out = BufWriter::new(anstream::stdout().lock());
        render(list, format, &mut out)?;
        return out.flush().context("writing to standard output");
    };
    let writing = || format!("writing {}", path.display());
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut out = BufWriter::new(file);
    if format == ListFormat::Csv {
        out.write_all(BYTE_ORDER_MARK).with_context(writing)?;
    }
    render(list, format, &mut out).with_context(writing)?;
    out.flush().with_context(writing)
}

fn render(list: &impl List, format: ListFormat, out: &mut impl Write) -> Result<()> {
    match format {
        ListFormat::Table => table(list, out)?,
        ListFormat::Json => writeln!(out, "{}", display::json_lines(&list.document())?)?,
        ListFormat::Jsonl => {
            for row in list.documents() {
                writeln!(out, "{}", display::json(&row)?)?;
            }
        }
        ListFormat::Csv => csv(list, out)?,
        ListFormat::Html => out.write_all(list.page()?.as_bytes())?,
    }
    Ok(())
}

fn table(list: &impl List, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", plain(list.headline()))?;
    let rows = list.rows();
    let left = rows.len().saturating_sub(MOST_ROWS);
    if rows.len() == 0 {
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        // A name that is broken cannot be copied.
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(list.columns());
    for row in rows.take(MOST_ROWS) {
        table.add_row(row);
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    if left > 0 {
        writeln!(out, "… and {left} more; --format csv or json has them all")?;
    }
    Ok(())
}

fn csv(list: &impl List, out: &mut impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(list.fields()).map_err(of_stream)?;
    for row in list.records() {
        rows.write_record(row).map_err(of_stream)?;
    }
    rows.flush()
}

/// The error of the stream itself, so that a closed pipe is known for one.
pub(super) fn of_stream(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
