//! The audit of an LDIF file: one pass at the speed of reading, by as many threads as there are cores.
//!
//! One thread reads blocks of whole records, the others judge the owners in them. Forward and back
//! links are summed up as hashes: when both sums agree, the file says the same from both sides; only
//! when they differ is it read again, to find the back links whose forward link is not there.
//!
//! Memory holds what was found, the databases, and a few blocks.

mod part;
mod permissions;

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::finding::{Code, Evidence, Finding, Subject};
use automend_core::names::attribute;
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::ldif::{Blocks, Record};
use automend_source::ldif::{Ldif, named};
use automend_source::parallel::in_parallel;
use automend_source::sum::Sum;
use automend_source::topology::Topology;
use automend_source::typed::recorded;
use indicatif::ProgressBar;

use super::links::{busy_findings, tally};
use crate::report::Counts;
use automend_source::suspects::Gathered;
use part::Part;

/// What an audit of a file comes to: how many of everything, what is wrong, and, where it was asked for, what its
/// links and permissions leave to find out.
type Audited = (Counts, Vec<Finding>, Option<Gathered>);

/// Audits a whole file.
pub(crate) fn audit(ldif: &mut Ldif, progress: &ProgressBar, access: bool) -> Result<Audited> {
    let mut total = read(ldif, progress, access)?;
    for defect in std::mem::take(&mut total.defects) {
        ldif.tell(defect);
    }
    ldif.lost |= total.lost;
    if total.forward != total.back && total.back.links > 0 {
        back_links_only(ldif, &mut total)?;
    }
    for entry in std::mem::take(&mut total.suspects) {
        let entry = total.seen.applied(entry);
        total
            .findings
            .extend(links::of_owner(&entry, &Topology::default()));
    }
    ldif.saw(total.seen, total.records);
    if let Some(unseen) = total.seen.lacking().filter(|_| total.counts.owners > 0) {
        ldif.tell(format!("no record has {unseen}: was it exported?"));
    }
    dangling_databases(ldif, &mut total)?;
    let mut gathered = None;
    if let Some(principals) = total.principals.take() {
        let principals = &principals.sorted();
        let seen = total.seen;
        let parts = in_parallel(ldif, progress, || permissions::Part::new(seen, principals))?;
        let mut all = Gathered::default();
        for part in parts {
            all.merge(part.gathered);
        }
        gathered = Some(all);
    }
    let totals = total.tally.finish_asking(&total.groups)?;
    if !totals.met.is_empty() {
        let found = group_delegates(ldif, &totals.met)?;
        total.findings.extend(found);
    }
    total.counts.delegates = totals.distinct;
    total.findings.extend(busy_findings(totals.often));
    Ok((total.counts, total.findings, gathered))
}

fn read(ldif: &Ldif, progress: &ProgressBar, access: bool) -> Result<Part> {
    let tally = tally();
    let parts = in_parallel(ldif, progress, || Part::new(tally.fork(), access))?;
    let mut total = Part::new(tally, access);
    for part in parts {
        total.merge(part)?;
    }
    Ok(total)
}

/// AM-9, in a pass of its own that is needed only when a group is a delegate.
fn group_delegates(ldif: &Ldif, groups: &HashSet<u64>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    again(ldif, |record| {
        let Ok(owner) = named(record) else { return };
        for delegate in names(record, attribute::DELEGATE_LIST_LINK) {
            if groups.contains(&delegate.hash64()) {
                findings.push(links::of_group(Subject::named(&owner), &delegate));
            }
        }
    })?;
    Ok(findings)
}

/// AM-4, in a pass of its own that is needed only when a database is gone.
fn dangling_databases(ldif: &mut Ldif, total: &mut Part) -> Result<()> {
    let mut places = Topology::known();
    places.extend(total.installed.drain(..));
    if ldif.lost {
        ldif.notes.push(
            "the file has records that cannot be read: whether mailbox databases and servers exist \
             (AM104, DS301 to DS303) was not checked"
                .to_owned(),
        );
        return Ok(());
    }
    total.findings.extend(places.left_over());
    let (places, known) = places.or_nothing();
    if !known {
        if !total.referenced.is_empty() {
            ldif.notes.push(
                "the file holds no mailbox databases: whether they exist (AM104) was not checked"
                    .to_owned(),
            );
        }
        return Ok(());
    }
    if !total.referenced.iter().any(|home| places.lacks(home)) {
        return Ok(());
    }
    let gone = |finding: &Finding| finding.code == Code::OwnerDatabaseGone;
    // A database that is a deleted object needed no other object to tell.
    let told: HashSet<Dn> = total
        .findings
        .iter()
        .filter(|finding| gone(finding))
        .map(|finding| finding.subject.dn.clone())
        .collect();
    again(ldif, |record| {
        let mut links = record.values(attribute::DELEGATE_LIST_LINK);
        if links.next().is_none() {
            return;
        }
        // Whatever is wrong with its values was reported in the first pass.
        if let Some(entry) = recorded(record, &mut Vec::new())
            && links::home(&entry).is_some_and(|home| places.lacks(&home))
            && !told.contains(&entry.dn)
        {
            let findings = links::of_owner(&entry, &places).into_iter();
            total.findings.extend(findings.filter(gone));
        }
    })
}

/// Back links without their forward link: of owners that the file lacks, or exports without links.
fn back_links_only(ldif: &mut Ldif, total: &mut Part) -> Result<()> {
    let mut forward: HashSet<u64> = HashSet::new();
    again(ldif, |record| {
        let Ok(owner) = named(record) else { return };
        for delegate in names(record, attribute::DELEGATE_LIST_LINK) {
            forward.insert(Sum::pair(owner.hash64(), delegate.hash64()));
        }
    })?;
    // A pass of its own, so that only what has no other side is kept by name.
    let mut back: Vec<(Dn, Dn)> = Vec::new();
    again(ldif, |record| {
        let Ok(delegate) = named(record) else { return };
        for owner in names(record, attribute::DELEGATE_LIST_BL) {
            if !forward.contains(&Sum::pair(owner.hash64(), delegate.hash64())) {
                back.push((owner, delegate.clone()));
            }
        }
    })?;
    judge_back_links(ldif, total, back)
}

fn judge_back_links(ldif: &mut Ldif, total: &mut Part, back: Vec<(Dn, Dn)>) -> Result<()> {
    let mut of: Vec<(Dn, Vec<Dn>)> = Vec::new();
    let mut index: HashMap<Dn, usize> = HashMap::new();
    for (owner, delegate) in back {
        total.counts.links += 1;
        total
            .tally
            .add(delegate.hash64(), || delegate.to_string())?;
        let at = *index.entry(owner.clone()).or_insert_with(|| {
            of.push((owner, Vec::new()));
            of.len() - 1
        });
        if let Some((_, delegates)) = of.get_mut(at) {
            delegates.push(delegate);
        }
    }
    let mut known = Known::default();
    let needs = of.iter().map(|(owner, _)| Need::Entry(owner.clone()));
    ldif.answer(needs.collect(), &mut known)?;
    for (owner, delegates) in of {
        let counted = match known.answer(&Need::Entry(owner.clone())) {
            Some(Answer::Found(found)) => found
                .first()
                .is_some_and(|entry| !entry.forward_links.is_empty()),
            _ => false,
        };
        total.counts.owners += u64::from(!counted);
        // A file that holds the container holds what is in it; of any other part it cannot tell.
        let absence = Evidence::fact("container", "is in the file, the owner is not");
        total
            .findings
            .extend(links::of_back_links(&owner, delegates, absence, &known));
    }
    Ok(())
}

/// Hands every record to `look` once more; what cannot be read was reported in the first pass.
fn again(ldif: &Ldif, mut look: impl FnMut(&Record<'_>)) -> Result<()> {
    let (reader, _) = ldif.reader()?;
    let mut blocks = Blocks::new(reader);
    while let Some(block) = blocks.next() {
        let block = block.with_context(|| format!("reading {}", ldif.shown))?;
        for record in block.records().flatten() {
            look(&record);
        }
        blocks.recycle(block);
    }
    Ok(())
}

/// The names in a link attribute of a record, as far as they are names.
fn names<'a>(record: &'a Record<'_>, attribute: &'a str) -> impl Iterator<Item = Dn> + 'a {
    record.values(attribute).flatten().filter_map(|value| {
        let text = std::str::from_utf8(&value).ok()?;
        Dn::parse(text).ok()
    })
}
