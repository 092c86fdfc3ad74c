//! `audit --access`: links without permission (AM-7) and permissions without link (AM-8).
//!
//! Memory holds two hashes for each account, and the owners that are not in order; nothing of the others.

use std::collections::HashSet;

use anyhow::Result;
use automend_core::checks::permissions::{Circle, Member, Principals, Suspect, look};
use automend_core::display::plural;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::{Code, Finding};
use automend_core::names::{Sid, attribute};
use automend_ldap::Filter;

use super::Directory;
use super::access::{MOST_NAMED, rules, unseen};
use super::gaps::Gaps;
use super::sink::Owners;

/// Members of groups that are kept.
const MOST_MEMBERS: usize = 1_000_000;

/// Owners that are looked at while they pass by.
#[derive(Default)]
pub struct Gathered {
    suspects: Vec<Suspect>,
    /// Links to delegates of which no identifier is known.
    unknown: u64,
    /// How many mailboxes show no permissions, and the first of them.
    unseen: usize,
    named: Vec<Dn>,
    gaps: Gaps,
}

impl Gathered {
    /// Looks at one owner, or mailbox.
    pub fn look(&mut self, entry: &Entry, principals: &Principals) {
        let Ok(rules) = rules(entry, &mut self.gaps) else {
            return self.not_shown(&entry.dn);
        };
        let Some(rules) = rules else { return };
        let found = look(entry, rules, principals);
        self.suspects.extend(found.suspect);
        self.unknown += found.unknown;
    }

    fn not_shown(&mut self, dn: &Dn) {
        self.unseen += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(dn.clone());
        }
    }

    /// Takes what another has gathered.
    pub fn merge(&mut self, other: Self) {
        self.suspects.extend(other.suspects);
        self.unknown += other.unknown;
        self.unseen += other.unseen;
        self.named.extend(other.named);
        self.named.truncate(MOST_NAMED);
        self.gaps.defects.extend(other.gaps.defects);
    }
}

/// Adds what is wrong with links and permissions of the whole directory; a large file is better
/// gathered from by several threads.
pub async fn everything(
    directory: &mut Directory,
    gaps: &mut Gaps,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let gathered = gather(directory).await?;
    judge(directory, gathered, gaps, findings).await
}

/// Looks at every owner and mailbox of the directory.
pub async fn gather(directory: &mut Directory) -> Result<Gathered> {
    let mut accounts = Accounts(Principals::default());
    match directory {
        Directory::Live(live) => {
            let filter = Filter::present(attribute::DELEGATE_LIST_BL);
            let wanted = [
                attribute::OBJECT_CLASS,
                attribute::OBJECT_SID,
                attribute::MASTER_ACCOUNT_SID,
            ];
            live.stream(&filter, &wanted, &mut accounts).await?;
        }
        Directory::Embedded(embedded) => embedded.everybody(&mut accounts)?,
        Directory::Ldif(ldif) => ldif.everybody(&mut accounts)?,
    }
    let mut looking = Looking {
        principals: accounts.0.sorted(),
        gathered: Gathered::default(),
    };
    directory.with_permissions(&mut looking).await?;
    Ok(looking.gathered)
}

/// Looks at one owner, which is read with its permissions, and adds it to `gathered`.
pub async fn gather_one(
    directory: &mut Directory,
    owner: &Entry,
    gathered: &mut Gathered,
) -> Result<()> {
    let mut principals = Principals::default();
    for delegate in directory.entries(&owner.forward_links).await? {
        principals.add(&delegate);
    }
    gathered.look(owner, &principals.sorted());
    Ok(())
}

/// The delegates of one owner that have a link and no permission, for sure.
pub async fn ghosts(directory: &mut Directory, owner: &Entry) -> Result<Vec<Dn>> {
    let mut findings = Vec::new();
    one(directory, owner, &mut Gaps::default(), &mut findings).await?;
    findings.retain(|finding| finding.code == Code::LinkWithoutPermission);
    Ok(findings
        .into_iter()
        .flat_map(|finding| finding.delegates)
        .collect())
}

/// The same of one owner, which is read with its permissions.
pub async fn one(
    directory: &mut Directory,
    owner: &Entry,
    gaps: &mut Gaps,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let mut gathered = Gathered::default();
    gather_one(directory, owner, &mut gathered).await?;
    judge(directory, gathered, gaps, findings).await
}

/// Looks up the groups and accounts of the suspects, and judges them.
pub async fn judge(
    directory: &mut Directory,
    gathered: Gathered,
    gaps: &mut Gaps,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (suspects, circle) = circle(directory, gathered, false, gaps).await?;
    findings.extend(suspects.iter().flat_map(|one| one.findings(&circle)));
    Ok(())
}

/// Looks up the groups and accounts of the suspects: with all members of the groups, or those alone that something
/// is asked of.
pub async fn circle(
    directory: &mut Directory,
    gathered: Gathered,
    all: bool,
    gaps: &mut Gaps,
) -> Result<(Vec<Suspect>, Circle)> {
    if gathered.unseen > 0 {
        unseen(directory, gathered.unseen, &gathered.named, gaps);
    }
    gaps.defects.extend(gathered.gaps.defects);
    if gathered.unknown > 0 {
        let links = plural(gathered.unknown, "link");
        let what = format!(
            "{links} to objects of which no {} is known: whether there is a permission was not checked",
            attribute::OBJECT_SID
        );
        match directory {
            Directory::Embedded(_) => gaps.notes.push(what),
            Directory::Live(_) | Directory::Ldif(_) => gaps.unread.push(what),
        }
    }
    let suspects = gathered.suspects;
    let sids: HashSet<&Sid> = suspects.iter().flat_map(Suspect::sids).collect();
    let sids: Vec<Sid> = sids.into_iter().cloned().collect();
    let mut circle = Circle {
        accounts: directory.accounts(&sids).await?,
        ..Circle::default()
    };
    let groups = circle.groups();
    let mut asked: HashSet<u64> = suspects.iter().flat_map(Suspect::linked).collect();
    let accounts = circle.accounts.values().flatten();
    asked.extend(accounts.map(|entry| entry.dn.hash64()));
    let mut cut_off = false;
    let mut take = |at: usize, entry: Entry| {
        let key = entry.dn.hash64();
        if all && circle.members.len() >= MOST_MEMBERS && !circle.members.contains_key(&key) {
            cut_off = true;
        } else if all || asked.contains(&key) {
            let member = circle.members.entry(key);
            let member = member.or_insert_with(|| Member::of(&entry));
            let group = groups.get(at).and_then(|group: &Entry| group.sid.clone());
            member.groups.extend(group);
        }
        Ok(())
    };
    circle.whole = directory.members_of(&groups, &mut take).await? && !cut_off;
    if !circle.whole {
        let what = "not all members of groups with access to mailboxes could be read";
        gaps.unread.push(what.to_owned());
    }
    Ok((suspects, circle))
}

/// The identifiers of the objects that pass by.
struct Accounts(Principals);

impl Owners for Accounts {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        self.0.add(&entry);
        Ok(())
    }

    fn restart(&mut self) {
        self.0 = Principals::default();
    }
}

struct Looking {
    principals: Principals,
    gathered: Gathered,
}

impl Owners for Looking {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        self.gathered.look(&entry, &self.principals);
        Ok(())
    }

    fn restart(&mut self) {
        self.gathered = Gathered::default();
    }
}
