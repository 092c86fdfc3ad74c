//! `automend links`: every AutoMapping link, healthy or not, one a row.
//!
//! What is wrong with a link is what an audit finds; here every link stands beside it.
//!
//! Invariant: what could not be looked at is named, and the list is not called whole then.

mod forms;
mod row;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::{Code, Finding};
use automend_core::names::attribute;
use automend_core::view::Known;
use automend_ldap::Filter;
use automend_source::live::AUDITED;
use automend_source::sink::Owners;
use automend_source::{Directory, Location};

use crate::args;
use crate::findings::{Also, audit};
use crate::report::list::{self, Party};
use crate::report::warn;
use row::{Links, Row};

/// Runs the command.
pub(crate) async fn run(args: &args::Links, config: Option<&Path>) -> Result<ExitCode> {
    let mut settings = crate::config::directory_settings(&args.source, config)?;
    if !matches!(settings.directory, Location::Server(_)) {
        settings.user = None;
    }
    let mut directory = Directory::open(&settings).await?;
    directory.name_server(&mut settings);
    let owner = found(&mut directory, args.owner.as_deref()).await?;
    let delegate = found(&mut directory, args.delegate.as_deref()).await?;
    let name = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.dn.to_string());
    let (of_owner, of_delegate) = (name(&owner), name(&delegate));
    let report = audit(
        &mut directory,
        &settings,
        of_delegate.as_deref(),
        of_owner.as_deref(),
        Also::default(),
    )
    .await?;
    let mut gathered = Gathered::default();
    match (&owner, &delegate) {
        (Some(owner), _) => gathered.owner(owner.clone())?,
        (None, Some(delegate)) => {
            for entry in directory.entries(&delegate.back_links).await? {
                gathered.owner(entry)?;
            }
        }
        (None, None) => owners(&mut directory, &mut gathered).await?,
    }
    let wanted = delegate.as_ref().map(|delegate| &delegate.dn);
    let mut rows = rows(gathered.owners, &report.findings, wanted, owner.as_ref());
    rows.retain(|row| args.state.is_empty() || args.state.contains(&row.state));
    let all = owner.is_none() && delegate.is_none() && args.state.is_empty();
    let known = people(&mut directory, &rows, gathered.people, all).await?;
    for row in &mut rows {
        if let Some(person) = known.get(&row.delegate.dn.hash64()) {
            row.delegate = person.clone();
        }
    }
    rows.sort_by(|a, b| (&a.owner.dn, &a.delegate.dn).cmp(&(&b.owner.dn, &b.delegate.dn)));
    let mut gaps = report.gaps;
    let new = directory.take_defects();
    gaps.defects.extend(new);
    gaps.defects.sort();
    gaps.defects.dedup();
    let list = Links {
        directory: report.directory,
        at: report.at,
        rows,
        gaps,
    };
    list::write(&list, args.listed.format, args.listed.output.as_deref())?;
    warn(&list.gaps);
    Ok(if list.gaps.are_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// The one object that is meant, if one is named.
async fn found(directory: &mut Directory, text: Option<&str>) -> Result<Option<Entry>> {
    let Some(text) = text else { return Ok(None) };
    let who = directory.meant(text).await?;
    directory.find(&who, &mut Known::default()).await.map(Some)
}

/// Owners with their links, and those who have back links, where they come in the same pass.
#[derive(Default)]
struct Gathered {
    owners: Vec<(Party, Vec<Dn>)>,
    people: HashMap<u64, Party>,
}

impl Owners for Gathered {
    fn owner(&mut self, mut entry: Entry) -> Result<()> {
        if !entry.forward_links.is_empty() {
            let links = std::mem::take(&mut entry.forward_links);
            self.owners.push((Party::of(&entry), links));
        }
        if !entry.back_links.is_empty() {
            self.people.insert(entry.dn.hash64(), Party::of(&entry));
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.owners.clear();
    }
}

/// What delegates are called.
struct People {
    /// Those who are wanted.
    wanted: HashSet<u64>,
    found: HashMap<u64, Party>,
}

impl Owners for People {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        let key = entry.dn.hash64();
        if self.wanted.contains(&key) {
            self.found.insert(key, Party::of(&entry));
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.found.clear();
    }
}

/// Every owner of a directory.
async fn owners(directory: &mut Directory, gathered: &mut Gathered) -> Result<()> {
    match directory {
        Directory::Ldif(ldif) => ldif.everybody(gathered)?,
        Directory::Embedded(embedded) => embedded.owners(gathered)?,
        Directory::Live(live) => {
            let wanted = [AUDITED, &[attribute::PROXY_ADDRESSES]].concat();
            live.owners(&wanted, gathered).await?;
        }
    }
    Ok(())
}

/// What the delegates of these rows are called; of all delegates of a server by one search.
async fn people(
    directory: &mut Directory,
    rows: &[Row],
    known: HashMap<u64, Party>,
    all: bool,
) -> Result<HashMap<u64, Party>> {
    let mut seen = HashSet::new();
    let names = rows.iter().map(|row| &row.delegate.dn);
    let names: Vec<Dn> = names
        .filter(|dn| !known.contains_key(&dn.hash64()) && seen.insert(dn.hash64()))
        .cloned()
        .collect();
    if names.is_empty() {
        return Ok(known);
    }
    let mut people = People {
        wanted: seen,
        found: HashMap::new(),
    };
    match directory {
        Directory::Ldif(ldif) => ldif.everybody(&mut people)?,
        Directory::Embedded(embedded) if all => embedded.everybody(&mut people)?,
        Directory::Live(live) if all => {
            let filter = Filter::present(attribute::DELEGATE_LIST_BL);
            let called = [
                attribute::DISPLAY_NAME,
                attribute::OBJECT_GUID,
                attribute::MAIL,
                attribute::PROXY_ADDRESSES,
            ];
            live.stream(&filter, &called, &mut people).await?;
        }
        _ => {
            for entry in directory.entries(&names).await? {
                people.owner(entry)?;
            }
        }
    }
    people.found.extend(known);
    Ok(people.found)
}

/// A row for each link, with what was found of it; links that stand in findings alone come, too.
fn rows(
    owners: Vec<(Party, Vec<Dn>)>,
    findings: &[Finding],
    wanted: Option<&Dn>,
    owner: Option<&Entry>,
) -> Vec<Row> {
    let mut told: HashMap<(u64, u64), &Finding> = HashMap::new();
    for finding in findings.iter().filter(|finding| is_of_a_link(finding.code)) {
        for delegate in &finding.delegates {
            let key = (finding.subject.dn.hash64(), delegate.hash64());
            let known = told.entry(key).or_insert(finding);
            if finding.code.severity() > known.code.severity() {
                *known = finding;
            }
        }
    }
    let mut rows = Vec::new();
    let is_wanted = |delegate: &Dn| wanted.is_none_or(|wanted| wanted == delegate);
    for (owner, links) in owners {
        let mut seen = HashSet::new();
        for delegate in links {
            if is_wanted(&delegate) && seen.insert(delegate.hash64()) {
                let finding = told.remove(&(owner.dn.hash64(), delegate.hash64()));
                rows.push(Row::new(owner.clone(), &delegate, finding));
            }
        }
    }
    for finding in findings.iter().filter(|finding| is_of_a_link(finding.code)) {
        let party = Party::named(&finding.subject.dn);
        for delegate in finding.delegates.iter().filter(|dn| is_wanted(dn)) {
            let key = (finding.subject.dn.hash64(), delegate.hash64());
            let is_here = owner.is_none_or(|owner| owner.dn == finding.subject.dn);
            if let Some(finding) = told.remove(&key).filter(|_| is_here) {
                rows.push(Row::new(party.clone(), delegate, Some(finding)));
            }
        }
    }
    rows
}

/// Whether a finding is about the links between its subject and its delegates.
fn is_of_a_link(code: Code) -> bool {
    code.as_str().starts_with("AM") && code != Code::TooManyBackLinks
}
