//! What one thread sees of an LDIF file: its share of the objects, each looked at once.
//!
//! Nearly every owner is a mailbox that shows at a glance, and nothing of it is kept.

use std::collections::HashSet;

use anyhow::Result;
use automend_core::checks::configuration::{self, Installed};
use automend_core::checks::links;
use automend_core::checks::permissions::Principals;
use automend_core::dn::{Dn, hash_text};
use automend_core::entry::{Defect, Entry};
use automend_core::finding::Finding;
use automend_core::names::{Sid, attribute};
use automend_core::owner::Owner;
use automend_core::view::Need;
use automend_ldap::ldif::{Block, Line, Record, Selector};
use automend_source::Seen;
use automend_source::ldif::{check, installed, linked, named, unlinked};
use automend_source::parallel::Worker;
use automend_source::sum::Sum;
use automend_source::topology::Topology;
use automend_source::typed::cut_off;

use super::super::tally::Tally;
use crate::report::Counts;

/// What one thread has seen, and later the whole.
pub(super) struct Part {
    pub counts: Counts,
    pub forward: Sum,
    pub back: Sum,
    pub tally: Tally,
    pub findings: Vec<Finding>,
    pub suspects: Vec<Entry>,
    /// Hashes of the names of groups.
    pub groups: HashSet<u64>,
    /// What Exchange installed, and the databases and servers that owners name.
    pub installed: Vec<Installed>,
    pub referenced: HashSet<Need>,
    /// The databases in `referenced` as they were written.
    homes: HashSet<Vec<u8>>,
    /// How many objects there are.
    pub records: u64,
    /// Which attributes any record has, as bits.
    pub seen: Seen,
    /// Whether a record could not be read at all.
    pub lost: bool,
    pub defects: Vec<String>,
    /// The identifiers of accounts, where they are wanted.
    pub principals: Option<Principals>,
    selector: Selector,
}

impl Worker for Part {
    fn block(&mut self, block: &Block) -> Result<()> {
        let mut lines = Vec::new();
        for record in block.records_to_select_from() {
            match record {
                Ok(record) => {
                    lines.clear();
                    let mut spoilt = false;
                    for line in record.select(&self.selector) {
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
        Ok(())
    }
}

impl Part {
    /// With `access`, the identifiers of accounts are gathered, too.
    pub(super) fn new(tally: Tally, access: bool) -> Self {
        let names = AUDITED
            .iter()
            .filter(|(_, role)| access || *role != Role::Sid);
        let names: Vec<&str> = names.map(|(name, _)| *name).collect();
        Self {
            selector: Selector::new(&names),
            principals: access.then(Principals::default),
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

    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
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
        if let (Some(mine), Some(its)) = (&mut self.principals, other.principals) {
            mine.merge(its);
        }
        Ok(())
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
                Some(Role::Sid | Role::Other) | None => {}
            }
        }
        self.account(record, lines);
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
        if !own && self.is_obviously_a_mailbox(record, lines) {
            return Ok(());
        }
        let Some(entry) = self.entry(record, lines) else {
            return Ok(());
        };
        if let Some(home) = links::home(&entry) {
            self.referenced.insert(home);
        }
        if matches!(Owner::of(&entry), Owner::Stale(_)) {
            self.suspects.push(entry);
        } else {
            self.findings
                .extend(links::of_owner(&entry, &Topology::default()));
        }
        Ok(())
    }

    /// Notes the identifiers of an account; what is wrong with its name is reported where it matters.
    fn account(&mut self, record: &Record<'_>, lines: &[(usize, Line<'_>)]) {
        let Some(principals) = &mut self.principals else {
            return;
        };
        let role = |index: usize| AUDITED.get(index).map(|(_, role)| *role);
        let values = |wanted: Role| {
            let lines = lines
                .iter()
                .filter(move |(index, _)| role(*index) == Some(wanted));
            lines.filter_map(|(_, line)| line.value().ok())
        };
        let mut sids = values(Role::Sid)
            .filter_map(|value| Sid::of_value(&value))
            .peekable();
        let is_contact = || values(Role::Class).any(|class| class.eq_ignore_ascii_case(b"contact"));
        let has_sid = sids.peek().is_some();
        if !has_sid && !is_contact() {
            return;
        }
        let Ok(dn) = hash(&record.dn, record.line) else {
            return;
        };
        if !has_sid {
            principals.push_without(dn);
        }
        sids.for_each(|sid| principals.push(dn, &sid));
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

    /// Notes where the mailbox of an owner is that need not be looked at any closer; `false` for any other.
    fn is_obviously_a_mailbox(&mut self, record: &Record<'_>, lines: &[(usize, Line<'_>)]) -> bool {
        let values = lines.iter().map(|(index, line)| {
            let name = AUDITED.get(*index).map_or("", |(name, _)| name);
            (name, line.value().ok())
        });
        if record.cut || !Owner::is_obviously_a_mailbox(&record.dn, values) {
            return false;
        }
        let home = lines.iter().rev().find_map(|(index, line)| {
            let (name, _) = AUDITED.get(*index)?;
            (*name == attribute::HOME_MDB).then(|| line.value().ok())?
        });
        if let Some(home) = home
            && !self.homes.contains(&*home)
        {
            let name = std::str::from_utf8(&home).map(Dn::parse);
            self.referenced
                .extend(name.into_iter().flatten().map(Need::Exists));
            self.homes.insert(home.into_owned());
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
    /// Identifies an account; looked at only for permissions, so these come last.
    Sid,
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
    (attribute::OBJECT_SID, Role::Sid),
    (attribute::MASTER_ACCOUNT_SID, Role::Sid),
];

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
