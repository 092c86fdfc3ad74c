//! The audit of an LDIF file: one pass at the speed of reading, by as many threads as there are cores.
//!
//! One thread reads blocks of whole records, the others judge the owners in them. Forward and back
//! links are summed up as hashes: when both sums agree, the file says the same from both sides; only
//! when they differ is it read again, to find the back links whose forward link is not there.
//!
//! Memory holds what was found, the databases, and a few blocks.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, Result, anyhow};
use automend_core::checks::configuration::{self, Installed};
use automend_core::checks::links;
use automend_core::dn::{Dn, hash_text};
use automend_core::entry::{Defect, Entry};
use automend_core::finding::{Code, Evidence, Finding, Subject};
use automend_core::names::{Guid, attribute};
use automend_core::owner::{Owner, Stale, server_name};
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::ldif::{Block, Blocks, Line, Record, Selector};
use indicatif::ProgressBar;

use super::links::{busy_findings, group_finding, tally};
use super::tally::Tally;
use crate::directory::ldif::{Ldif, Seen, check, installed, linked, named, unlinked};
use crate::directory::sum::Sum;
use crate::directory::topology::Places;
use crate::directory::typed::{cut_off, recorded};
use crate::report::Counts;

/// Audits a whole file.
pub(crate) fn audit(ldif: &mut Ldif, progress: &ProgressBar) -> Result<(Counts, Vec<Finding>)> {
    let mut total = read(ldif, progress)?;
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
            .extend(links::of_owner(&entry, &Places::default()));
    }
    ldif.saw(total.seen, total.records);
    if let Some(unseen) = total.seen.lacking().filter(|_| total.counts.owners > 0) {
        ldif.tell(format!("no record has {unseen}: was it exported?"));
    }
    dangling_databases(ldif, &mut total)?;
    let totals = total.tally.finish_asking(&total.groups)?;
    if !totals.met.is_empty() {
        let found = group_delegates(ldif, &totals.met)?;
        total.findings.extend(found);
    }
    total.counts.delegates = totals.distinct;
    total.findings.extend(busy_findings(totals.often));
    Ok((total.counts, total.findings))
}

/// What one thread has seen, and later the whole.
struct Part {
    counts: Counts,
    forward: Sum,
    back: Sum,
    tally: Tally,
    findings: Vec<Finding>,
    suspects: Vec<Entry>,
    /// Hashes of the names of groups.
    groups: HashSet<u64>,
    /// What Exchange installed, and the databases and servers that owners name.
    installed: Vec<Installed>,
    referenced: HashSet<Need>,
    /// Hashes of the databases in `referenced`.
    homes: HashSet<u64>,
    /// How many objects there are.
    records: u64,
    /// Which attributes any record has, as bits.
    seen: Seen,
    /// Whether a record could not be read at all.
    lost: bool,
    defects: Vec<String>,
}

fn read(ldif: &Ldif, progress: &ProgressBar) -> Result<Part> {
    let (reader, size) = ldif.reader()?;
    progress.set_length(size);
    let workers = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(8);
    let tally = tally();
    let (send_block, blocks) = sync_channel::<Block>(workers);
    let (send_empty, empties) = sync_channel::<Block>(2 * workers + 2);
    let blocks = Mutex::new(blocks);
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                let (part, blocks, empties) =
                    (Part::new(tally.fork()), &blocks, send_empty.clone());
                scope.spawn(move || part.judge_all(blocks, &empties))
            })
            .collect();
        let mut reading = Blocks::new(reader);
        let mut failed = None;
        while let Some(block) = reading.next() {
            match block {
                Ok(block) => {
                    progress.set_position(block.offset());
                    if send_block.send(block).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(anyhow!(error).context(format!("reading {}", ldif.shown)));
                    break;
                }
            }
            if let Ok(empty) = empties.try_recv() {
                reading.recycle(empty);
            }
        }
        drop(send_block);
        let mut parts = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(part) => parts.push(part?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        failed.map_or(Ok(parts), Err)
    })?;
    let mut total = Part::new(tally);
    for part in parts {
        total.merge(part)?;
    }
    Ok(total)
}

impl Part {
    fn new(tally: Tally) -> Self {
        Self {
            counts: Counts::default(),
            forward: Sum::default(),
            back: Sum::default(),
            tally,
            findings: Vec::new(),
            suspects: Vec::new(),
            groups: HashSet::new(),
            installed: Vec::new(),
            referenced: HashSet::new(),
            homes: HashSet::new(),
            records: 0,
            seen: Seen::default(),
            lost: false,
            defects: Vec::new(),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.counts.owners += other.counts.owners;
        self.counts.links += other.counts.links;
        for (mine, its) in [
            (&mut self.forward, other.forward),
            (&mut self.back, other.back),
        ] {
            mine.merge(its);
        }
        self.tally.merge(other.tally)?;
        self.findings.extend(other.findings);
        self.suspects.extend(other.suspects);
        self.groups.extend(other.groups);
        self.installed.extend(other.installed);
        self.referenced.extend(other.referenced);
        self.records += other.records;
        self.seen.add(other.seen);
        self.lost |= other.lost;
        self.defects.extend(other.defects);
        Ok(())
    }

    fn judge_all(
        mut self,
        blocks: &Mutex<Receiver<Block>>,
        empties: &SyncSender<Block>,
    ) -> Result<Self> {
        let audited: Vec<&str> = AUDITED.iter().map(|(name, _)| *name).collect();
        let selector = Selector::new(&audited);
        loop {
            let next = blocks
                .lock()
                .map_err(|_| anyhow!("another thread failed"))?
                .recv();
            let Ok(block) = next else { return Ok(self) };
            let mut lines = Vec::new();
            for record in block.records_to_select_from() {
                match record {
                    Ok(record) => {
                        lines.clear();
                        let mut spoilt = false;
                        for line in record.select(&selector) {
                            match line {
                                Ok(line) => lines.push(line),
                                Err(defect) => {
                                    spoilt |= defect.spoils_the_record();
                                    self.defects.push(defect.to_string());
                                }
                            }
                            if spoilt {
                                break;
                            }
                        }
                        if record.cut {
                            self.defects.push(cut_off(&record));
                        }
                        if spoilt {
                            self.lost = true;
                        } else {
                            self.judge(&record, &lines)?;
                        }
                    }
                    Err(defect) => {
                        self.lost = true;
                        self.defects.push(defect.to_string());
                    }
                }
            }
            drop(lines);
            // Only memory to use again: when nobody wants it, it is freed.
            let _ = empties.try_send(block);
        }
    }

    /// Looks at one object: at its links, and at what decides whether it is a mailbox.
    fn judge(&mut self, record: &Record<'_>, lines: &[(usize, Line<'_>)]) -> Result<()> {
        self.records += 1;
        let (mut forward, mut back, mut group) = (false, false, false);
        for (index, line) in lines {
            match AUDITED.get(*index).map(|(_, role)| role) {
                Some(Role::Forward) => {
                    forward = true;
                    self.seen.add(Seen::LINK);
                }
                Some(Role::Back) => {
                    back = true;
                    self.seen.add(Seen::BACK_LINK);
                }
                Some(Role::Seen(seen)) => self.seen.add(*seen),
                Some(Role::Class) => group |= self.class(record, line),
                Some(Role::Other) | None => {}
            }
        }
        if !forward && !back && !group {
            if let Err(defect) = check_change(record) {
                self.lost |= record.change.is_object();
                self.defects.push(defect);
            }
            return Ok(());
        }
        let hash = match check_change(record).and_then(|()| hash(&record.dn, record.line)) {
            Ok(hash) => hash,
            Err(defect) => {
                self.lost |= record.change.is_object();
                self.defects.push(defect);
                return Ok(());
            }
        };
        if back {
            self.each(record, lines, Role::Back, |part, owner, _| {
                part.back.add(owner, hash);
                Ok(())
            })?;
        }
        if group {
            self.groups.insert(hash);
        }
        if !forward {
            return Ok(());
        }
        self.counts.owners += 1;
        let mut own = false;
        self.each(record, lines, Role::Forward, |part, delegate, text| {
            own |= delegate == hash;
            part.counts.links += 1;
            part.forward.add(hash, delegate);
            part.tally.add(delegate, || text.to_owned())
        })?;
        if !own && !record.cut && self.is_plainly_a_mailbox(lines) {
            return Ok(());
        }
        let Some(entry) = self.entry(record, lines) else {
            return Ok(());
        };
        if let Some(home) = home(&entry) {
            self.referenced.insert(home);
        }
        if matches!(Owner::of(&entry), Owner::Stale(_)) {
            self.suspects.push(entry);
        } else {
            self.findings
                .extend(links::of_owner(&entry, &Places::default()));
        }
        Ok(())
    }

    /// Hands the hash and the text of every name in a link attribute to `take`.
    fn each(
        &mut self,
        record: &Record<'_>,
        lines: &[(usize, Line<'_>)],
        role: Role,
        mut take: impl FnMut(&mut Self, u64, &str) -> Result<()>,
    ) -> Result<()> {
        for (index, line) in lines {
            if AUDITED.get(*index).is_none_or(|(_, other)| *other != role) {
                continue;
            }
            let named = linked(record, line).and_then(|text| {
                let hash = hash_text(&text).map_err(|error| unlinked(record, line, &error))?;
                Ok((hash, text))
            });
            match named {
                Ok((hash, text)) => take(self, hash, &text)?,
                Err(defect) => self.defects.push(defect),
            }
        }
        Ok(())
    }

    /// Notes what Exchange installed; `true` for a group.
    fn class(&mut self, record: &Record<'_>, line: &Line<'_>) -> bool {
        match line.value() {
            Ok(value) if value.len() >= configuration::DATABASE.len() => {
                self.installed.extend(installed(&value, record));
                false
            }
            Ok(value) => {
                if Seen::is_user(&value) {
                    self.seen.add(Seen::USER);
                }
                value.eq_ignore_ascii_case(b"group")
            }
            Err(_) => {
                self.lost = true;
                false
            }
        }
    }

    /// Whether an owner has all of a mailbox and nothing that could make it anything else; then it need
    /// not be looked at any closer. Notes where the mailbox is.
    fn is_plainly_a_mailbox(&mut self, lines: &[(usize, Line<'_>)]) -> bool {
        let (mut have, mut home) = (Seen::default(), None);
        for (index, line) in lines {
            let Some((name, role)) = AUDITED.get(*index) else {
                return false;
            };
            let Ok(value) = line.value() else {
                return false;
            };
            match (role, *name) {
                (_, attribute::MAILBOX_GUID)
                    if Guid::from_bytes(&value).is_none_or(|guid| guid == Guid::NIL) =>
                {
                    return false;
                }
                (_, attribute::LEGACY_EXCHANGE_DN) if !value.starts_with(b"/") => return false,
                (_, attribute::LEGACY_EXCHANGE_DN | attribute::HOME_SERVER)
                    if std::str::from_utf8(&value).is_err() =>
                {
                    return false;
                }
                (_, attribute::RECIPIENT_TYPE) if !PLAIN_TYPES.contains(&&*value) => return false,
                (_, attribute::REMOTE_RECIPIENT_TYPE) => return false,
                (Role::Seen(_), _) if value.trim_ascii().is_empty() => return false,
                (Role::Seen(seen), attribute::HOME_MDB) => {
                    have.add(*seen);
                    home = Some(value);
                }
                (Role::Seen(seen), _) => have.add(*seen),
                _ => {}
            }
        }
        let Some(home) = home.filter(|_| have.is_mailbox()) else {
            return false;
        };
        let Ok(text) = std::str::from_utf8(&home) else {
            return false;
        };
        let Ok(hash) = hash_text(text) else {
            return false;
        };
        if self.homes.insert(hash) {
            self.referenced.extend(Dn::parse(text).map(Need::Exists));
        }
        true
    }

    /// The object as the checks see it.
    fn entry(&mut self, record: &Record<'_>, lines: &[(usize, Line<'_>)]) -> Option<Entry> {
        let mut entry = match named(record) {
            Ok(dn) => Entry::bare(dn),
            Err(defect) => {
                self.defects.push(defect);
                return None;
            }
        };
        let mut bad: Vec<Defect> = Vec::new();
        for (index, line) in lines {
            let Some((name, role)) = AUDITED.get(*index) else {
                continue;
            };
            // Bad names were told when they were counted.
            let counted = matches!(role, Role::Forward | Role::Back);
            match line.value() {
                Ok(value) if counted => entry.take(name, &value, &mut Vec::new()),
                Ok(value) => entry.take(name, &value, &mut bad),
                Err(defect) => {
                    entry.cannot_read(name);
                    if !counted {
                        self.defects.push(defect.to_string());
                    }
                }
            }
        }
        if record.cut {
            entry.cut_off(record.unreadable().last().map(String::as_str));
        } else if record.has_nameless_line() {
            entry.cut_off(None);
        }
        self.defects.extend(
            bad.into_iter()
                .map(|defect| format!("line {}: {defect}", record.line)),
        );
        Some(entry)
    }
}

/// What an audited attribute is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Forward,
    Back,
    Class,
    /// Decides whether an owner is a mailbox; the bit tells that any record has it.
    Seen(Seen),
    Other,
}

const AUDITED: &[(&str, Role)] = &[
    (attribute::DELEGATE_LIST_LINK, Role::Forward),
    (attribute::DELEGATE_LIST_BL, Role::Back),
    (attribute::OBJECT_CLASS, Role::Class),
    (attribute::LEGACY_EXCHANGE_DN, Role::Seen(Seen::LEGACY)),
    (attribute::MAILBOX_GUID, Role::Seen(Seen::GUID)),
    (attribute::HOME_MDB, Role::Seen(Seen::HOME)),
    (attribute::HOME_SERVER, Role::Seen(Seen::HOME)),
    (attribute::RECIPIENT_TYPE, Role::Seen(Seen::TYPE)),
    (attribute::REMOTE_RECIPIENT_TYPE, Role::Seen(Seen::TYPE)),
    (attribute::TARGET_ADDRESS, Role::Other),
    (attribute::MAIL, Role::Other),
    (attribute::DISPLAY_NAME, Role::Other),
    (attribute::OBJECT_GUID, Role::Other),
    (attribute::WHEN_CHANGED, Role::Other),
];

/// Values of `msExchRecipientTypeDetails` that are surely mailboxes here: user, linked, shared, room,
/// equipment. Any other is looked at in full.
const PLAIN_TYPES: [&[u8]; 5] = [b"1", b"2", b"4", b"16", b"32"];

fn hash(text: &str, line: u64) -> Result<u64, String> {
    hash_text(text).map_err(|error| format!("line {line}: {error}"))
}

/// Tells a change record that an audit cannot use; objects without links are otherwise passed over.
fn check_change(record: &Record<'_>) -> Result<(), String> {
    if record.change.is_object() {
        check(record)
    } else {
        named(record).map(|_| ())
    }
}

/// AM-9, in a pass of its own that is needed only when a group is a delegate.
fn group_delegates(ldif: &mut Ldif, groups: &HashSet<u64>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (reader, _) = ldif.reader()?;
    let mut blocks = Blocks::new(reader);
    while let Some(block) = blocks.next() {
        let block = block.with_context(|| format!("reading {}", ldif.shown))?;
        for record in block.records().flatten() {
            let Ok(owner) = named(&record) else { continue };
            for value in record.values(attribute::DELEGATE_LIST_LINK).flatten() {
                let name = std::str::from_utf8(&value).ok();
                let Some(delegate) = name.and_then(|text| Dn::parse(text).ok()) else {
                    continue;
                };
                if groups.contains(&delegate.hash64()) {
                    findings.push(group_finding(&owner, &delegate));
                }
            }
        }
        blocks.recycle(block);
    }
    Ok(findings)
}

/// Where an owner's mailbox is said to be.
fn home(entry: &Entry) -> Option<Need> {
    let server = || {
        entry
            .home_server
            .as_deref()
            .map(|server| Need::Server(server_name(server).to_owned()))
    };
    entry.home_mdb.clone().map(Need::Exists).or_else(server)
}

/// AM-4, in a pass of its own that is needed only when a database is gone.
fn dangling_databases(ldif: &mut Ldif, total: &mut Part) -> Result<()> {
    let mut places = Places::known();
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
    let gone =
        |need: &Need| matches!(places.answer(need), Some(Answer::Found(found)) if found.is_empty());
    if !total.referenced.iter().any(gone) {
        return Ok(());
    }
    let (reader, _) = ldif.reader()?;
    let mut blocks = Blocks::new(reader);
    while let Some(block) = blocks.next() {
        let block = block.with_context(|| format!("reading {}", ldif.shown))?;
        for record in block.records().flatten() {
            if record
                .values(attribute::DELEGATE_LIST_LINK)
                .next()
                .is_none()
            {
                continue;
            }
            // Whatever is wrong with its values was told in the first pass.
            if let Some(entry) = recorded(&record, &mut Vec::new())
                && home(&entry).is_some_and(|home| gone(&home))
            {
                let findings = links::of_owner(&entry, &places);
                total.findings.extend(
                    findings
                        .into_iter()
                        .filter(|f| f.code == Code::OwnerDatabaseGone),
                );
            }
        }
        blocks.recycle(block);
    }
    Ok(())
}

/// Back links without their forward link: of owners that the file lacks, or exports without links.
fn back_links_only(ldif: &mut Ldif, total: &mut Part) -> Result<()> {
    let mut forward: HashSet<u64> = HashSet::new();
    let mut back: Vec<(Dn, Dn)> = Vec::new();
    // Two passes, so that only what has no other side is kept by name.
    for second in [false, true] {
        let (reader, _) = ldif.reader()?;
        let mut blocks = Blocks::new(reader);
        while let Some(block) = blocks.next() {
            let block = block.with_context(|| format!("reading {}", ldif.shown))?;
            for record in block.records().flatten() {
                let Ok(dn) = named(&record) else { continue };
                let values = |name| {
                    record.values(name).flatten().filter_map(|value| {
                        std::str::from_utf8(&value)
                            .ok()
                            .and_then(|text| Dn::parse(text).ok())
                    })
                };
                if second {
                    for owner in values(attribute::DELEGATE_LIST_BL) {
                        if !forward.contains(&Sum::pair(owner.hash64(), dn.hash64())) {
                            back.push((owner, dn.clone()));
                        }
                    }
                } else {
                    for delegate in values(attribute::DELEGATE_LIST_LINK) {
                        forward.insert(Sum::pair(dn.hash64(), delegate.hash64()));
                    }
                }
            }
            blocks.recycle(block);
        }
    }
    judge_back_links(ldif, total, back)
}

fn judge_back_links(ldif: &mut Ldif, total: &mut Part, links: Vec<(Dn, Dn)>) -> Result<()> {
    let mut of: Vec<(Dn, Vec<Dn>)> = Vec::new();
    let mut index: HashMap<Dn, usize> = HashMap::new();
    for (owner, delegate) in links {
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
    let parents = of.iter().filter_map(|(owner, _)| owner.parent());
    let needs: HashSet<Need> = of
        .iter()
        .map(|(owner, _)| Need::Entry(owner.clone()))
        .chain(parents.map(Need::Entry))
        .collect();
    ldif.answer(needs.into_iter().collect(), &mut known)?;
    let found = |dn: &Dn| match known.answer(&Need::Entry(dn.clone())) {
        Some(Answer::Found(found)) => found.first(),
        _ => None,
    };
    for (owner, delegates) in of {
        let entry = found(&owner);
        if entry.is_none_or(|entry| entry.forward_links.is_empty()) {
            total.counts.owners += 1;
        }
        if let Some(entry) = entry {
            let entry = Entry {
                forward_links: delegates,
                ..total.seen.applied(entry.clone())
            };
            total
                .findings
                .extend(links::of_owner(&entry, &Places::default()));
            continue;
        }
        // A file that holds the container holds what is in it; any other may be a part of the directory.
        let complete = !ldif.lost
            && owner
                .parent()
                .is_some_and(|parent| found(&parent).is_some());
        let (code, evidence) = if owner.is_deleted_object() {
            (Code::of_stale(Stale::Deleted), Evidence::default())
        } else if complete {
            (
                Code::of_stale(Stale::Gone),
                Evidence::fact("container", "is in the file, the owner is not"),
            )
        } else {
            (
                Code::OwnerUnreadable,
                Evidence::fact(
                    "unreadable",
                    "the file does not hold this part of the directory",
                ),
            )
        };
        total.findings.push(Finding {
            code,
            subject: Subject::named(&owner),
            delegates,
            evidence,
        });
    }
    Ok(())
}
