//! The list of links in every form; all say the same, and the shape of JSON is promised
//! (`docs/links.schema.json`).

use std::collections::HashSet;

use askama::Template;
use automend_core::display::plain;
use automend_core::finding::Code;
use automend_system::clock;
use jiff::Timestamp;
use serde::Serialize;

use super::row::{Links, Row, word};
use crate::report::list::{List, Party, PartyJson};
use crate::report::plural;

/// How many links, owners and delegates.
fn counts(list: &Links) -> (usize, usize, usize) {
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

fn totals(list: &Links) -> String {
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

impl List for Links {
    fn headline(&self) -> String {
        format!("{}: {}", self.directory, totals(self))
    }

    fn columns(&self) -> Vec<&'static str> {
        vec!["Owner", "Delegate", "State", "Since"]
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = Vec<String>> {
        self.rows.iter().map(|row| {
            vec![
                plain(row.owner.called()),
                plain(row.delegate.called()),
                state(row),
                since(row),
            ]
        })
    }

    fn fields(&self) -> Vec<&'static str> {
        vec![
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
        ]
    }

    fn records(&self) -> impl Iterator<Item = Vec<String>> {
        let address = |party: &Party| plain(party.address.as_deref().unwrap_or_default());
        self.rows.iter().map(move |row| {
            let guid = row.owner.guid.map(|guid| guid.to_string());
            let code = row.code.map(|code| code.as_str().to_owned());
            vec![
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
            ]
        })
    }

    fn document(&self) -> impl Serialize {
        ListJson::of(self)
    }

    fn documents(&self) -> impl Iterator<Item = impl Serialize> {
        self.rows.iter().map(RowJson::of)
    }

    fn page(&self) -> askama::Result<String> {
        page(self).render()
    }
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

impl<'a> ListJson<'a> {
    fn of(list: &'a Links) -> Self {
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

fn page(list: &Links) -> Page {
    let all = |texts: &[String]| texts.iter().map(plain).collect();
    let rows = list.rows.iter().map(|row| PageRow {
        owner: plain(row.owner.called()),
        owner_dn: plain(&row.owner.dn),
        delegate: plain(row.delegate.called()),
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
        headline: totals(list),
        unread: all(&list.gaps.unread),
        defects: all(&list.gaps.defects),
        rows: rows.collect(),
    }
}
