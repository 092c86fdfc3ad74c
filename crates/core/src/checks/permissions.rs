//! Links beside permissions: links without permission (AM-7) and permissions without link (AM-8).
//!
//! A directory is judged in two steps, so that next to nothing of it is kept. While its objects pass by, an owner
//! of which every link has an entry that allows it, and every such entry a link, is forgotten at once. The others
//! are [`Suspect`]s: their groups and accounts are looked up, and then they are judged.
//!
//! Invariant: a membership or a condition that is not known makes no finding.

use std::collections::{HashMap, HashSet};

use crate::access::{Rules, Verdict, is_every_user, well_known};
use crate::checks::links::never_asks;
use crate::dn::Dn;
use crate::entry::{Class, Entry};
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::names::Sid;
use crate::owner::Owner;

/// Stands for no identifier.
const NONE: u64 = 0;

/// The identifiers of every account, by name: two hashes each.
#[derive(Clone, Debug, Default)]
pub struct Principals(Vec<(u64, u64)>);

impl Principals {
    /// Notes an identifier of the object with this name ([`Dn::hash64`]).
    pub fn push(&mut self, dn: u64, sid: &Sid) {
        self.0.push((dn, sid.hash64()));
    }

    /// Notes an object that has no identifier and so no permission, such as a contact.
    pub fn push_without(&mut self, dn: u64) {
        self.0.push((dn, NONE));
    }

    /// Notes an object that was read.
    pub fn add(&mut self, entry: &Entry) {
        let mut sids = entry.sid.iter().chain(&entry.master_account).peekable();
        if sids.peek().is_none() && entry.class == Class::Contact {
            self.push_without(entry.dn.hash64());
        }
        for sid in sids {
            self.push(entry.dn.hash64(), sid);
        }
    }

    /// Takes those of another list.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Makes them ready to be asked.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
        self
    }

    /// The identifiers of an object.
    fn of(&self, dn: u64) -> &[(u64, u64)] {
        let from = self.0.partition_point(|(known, _)| *known < dn);
        let rest = self.0.get(from..).unwrap_or_default();
        let until = rest.partition_point(|(known, _)| *known == dn);
        rest.get(..until).unwrap_or_default()
    }
}

/// An owner that has to be looked at more closely.
#[derive(Clone, Debug)]
pub struct Suspect {
    owner: Subject,
    rules: Rules,
    /// Delegates that no entry of their own allows, with the hashes of their identifiers.
    linked: Vec<(Dn, Vec<u64>)>,
    /// Identifiers that an entry of this mailbox allows, and that no link names.
    holders: Vec<Sid>,
    /// The hashes of the names that its links have.
    links: Vec<u64>,
}

/// What a look at an owner came to.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What is left to find out.
    pub suspect: Option<Suspect>,
    /// Delegates of which no identifier is known, so that nothing can be said of their links.
    pub unknown: u64,
}

/// Looks at an owner with its permissions; of one that is no mailbox here nothing is said.
pub fn look(owner: &Entry, rules: Rules, principals: &Principals) -> Look {
    if !matches!(Owner::of(owner), Owner::Mailbox) {
        return Look::default();
    }
    let (mut linked, mut met, mut unknown) = (Vec::new(), HashSet::new(), 0);
    for delegate in &owner.forward_links {
        // A link to oneself, and one to a deleted object, have findings of their own.
        if *delegate == owner.dn || delegate.is_deleted_object() {
            continue;
        }
        let own = principals.of(delegate.hash64()).iter();
        let own: Vec<u64> = own.map(|(_, sid)| *sid).collect();
        if own.is_empty() {
            unknown += 1;
            continue;
        }
        if own == [NONE] {
            // That no Outlook asks for it is a finding of its own.
            continue;
        }
        met.extend(own.iter().copied());
        if rules.decide(|sid| holds(&own, sid)) != Verdict::Allowed {
            linked.push((delegate.clone(), own));
        }
    }
    let given = rules
        .iter()
        .filter(|rule| rule.allows && rule.plain && !rule.inherited);
    let given: HashSet<&Sid> = given.map(|rule| &rule.sid).collect();
    let mut holders: Vec<Sid> = rules.named(owner).into_iter().cloned().collect();
    holders.retain(|sid| given.contains(sid) && !met.contains(&sid.hash64()));
    let suspect = (!linked.is_empty() || !holders.is_empty()).then(|| Suspect {
        owner: Subject::of(owner),
        rules,
        linked,
        holders,
        links: owner.forward_links.iter().map(Dn::hash64).collect(),
    });
    Look { suspect, unknown }
}

/// Whether an identifier is one's own; `None` where it may be that of a group.
fn holds(own: &[u64], sid: &Sid) -> Option<bool> {
    if own.contains(&sid.hash64()) {
        return Some(true);
    }
    well_known(sid).map(|_| is_every_user(sid))
}

/// What was found out about the identifiers in the permissions of suspects.
#[derive(Clone, Debug, Default)]
pub struct Circle {
    /// Whose they are.
    pub accounts: HashMap<Sid, Vec<Entry>>,
    /// The members of the groups among them, by the hash of their names.
    pub members: HashMap<u64, Member>,
    /// Whether these are all members.
    pub whole: bool,
}

/// A member of groups.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub dn: Dn,
    /// The hashes of its identifiers.
    own: Vec<u64>,
    /// Whether its Outlook asks Autodiscover.
    asks: bool,
    /// The groups that it is in.
    pub groups: HashSet<Sid>,
}

impl Member {
    /// One that was read, in no group yet.
    pub fn of(entry: &Entry) -> Self {
        let own = entry.sid.iter().chain(&entry.master_account);
        Self {
            dn: entry.dn.clone(),
            own: own.map(Sid::hash64).collect(),
            asks: entry.class == Class::User
                && !entry.dn.is_deleted_object()
                && never_asks(entry).is_none(),
            groups: HashSet::new(),
        }
    }
}

impl Circle {
    /// The groups, each once.
    pub fn groups(&self) -> Vec<Entry> {
        let mut seen = HashSet::new();
        let entries = self.accounts.values().flatten();
        let groups =
            entries.filter(|entry| entry.class == Class::Group && seen.insert(entry.dn.hash64()));
        groups.cloned().collect()
    }

    /// Whether an object with these identifiers comes under an entry with this one.
    fn holds(&self, dn: u64, own: &[u64], sid: &Sid) -> Option<bool> {
        if let Some(told) = holds(own, sid) {
            return Some(told);
        }
        let inside = self
            .members
            .get(&dn)
            .is_some_and(|member| member.groups.contains(sid));
        let is_group =
            |entries: &Vec<Entry>| entries.iter().any(|entry| entry.class == Class::Group);
        let settled = self.whole || !self.accounts.get(sid).is_some_and(is_group);
        (inside || settled).then_some(inside)
    }
}

impl Suspect {
    /// The identifiers that have to be looked up.
    pub fn sids(&self) -> impl Iterator<Item = &Sid> {
        let named = self.rules.iter().map(|rule| &rule.sid);
        named.filter(|sid| well_known(sid).is_none())
    }

    /// The hashes of the names of the delegates that are looked at.
    pub fn linked(&self) -> impl Iterator<Item = u64> {
        self.linked.iter().map(|(dn, _)| dn.hash64())
    }

    /// The owner.
    pub fn owner(&self) -> &Subject {
        &self.owner
    }

    /// Users who can open the mailbox by an entry of its own, as members of groups too, and have no link; for a
    /// circle with every member of its groups.
    pub fn without_link(&self, circle: &Circle) -> Vec<Dn> {
        let given = self.rules.iter();
        let given: HashSet<&Sid> = given
            .filter(|rule| rule.allows && rule.plain && !rule.inherited)
            .map(|rule| &rule.sid)
            .collect();
        let direct = self
            .holders
            .iter()
            .filter_map(|sid| circle.accounts.get(sid));
        let direct = direct.flatten().map(Member::of);
        let members = circle.members.values();
        let inside = members.filter(|member| member.groups.iter().any(|sid| given.contains(sid)));
        let mut seen: HashSet<u64> = self.links.iter().copied().collect();
        let mut found: Vec<Dn> = direct
            .chain(inside.cloned())
            .filter(|user| user.asks && seen.insert(user.dn.hash64()))
            .filter(|user| {
                let holds = |sid: &Sid| circle.holds(user.dn.hash64(), &user.own, sid);
                user.dn != self.owner.dn && self.rules.decide(holds) == Verdict::Allowed
            })
            .map(|user| user.dn)
            .collect();
        found.sort();
        found
    }

    /// What is wrong with it, in the end.
    pub fn findings(&self, circle: &Circle) -> Vec<Finding> {
        let report = |code, delegates: Vec<Dn>, evidence| {
            (!delegates.is_empty()).then(|| Finding {
                code,
                subject: self.owner.clone(),
                delegates,
                evidence,
            })
        };
        let verdict = |dn: u64, own: &[u64]| self.rules.decide(|sid| circle.holds(dn, own, sid));
        let (mut ghosts, mut denied) = (Vec::new(), Vec::new());
        for (dn, own) in &self.linked {
            match verdict(dn.hash64(), own) {
                Verdict::Nothing => ghosts.push(dn.clone()),
                Verdict::Denied => {
                    ghosts.push(dn.clone());
                    denied.push(dn.as_str());
                }
                Verdict::Allowed | Verdict::Unclear => {}
            }
        }
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for sid in &self.holders {
            let own = [sid.hash64()];
            for entry in circle.accounts.get(sid).into_iter().flatten() {
                let sure = verdict(entry.dn.hash64(), &own) == Verdict::Allowed;
                match entry.class {
                    Class::User
                        if sure && never_asks(entry).is_none() && !users.contains(&entry.dn) =>
                    {
                        users.push(entry.dn.clone());
                    }
                    Class::Group if sure => groups.push(entry.dn.clone()),
                    _ => {}
                }
            }
        }
        let because = |why| Evidence::fact("because", why);
        let mut no_permission = because("no entry of the mailbox's permissions allows full access");
        if !denied.is_empty() {
            no_permission = no_permission.and("denied", denied.join(" | "));
        }
        let findings = [
            report(Code::LinkWithoutPermission, ghosts, no_permission),
            report(
                Code::PermissionWithoutLink,
                users,
                because("an entry of the mailbox's permissions allows full access"),
            ),
            report(
                Code::PermissionWithoutLink,
                groups,
                because("full access is a group's, and AutoMapping does not look into groups"),
            ),
        ];
        findings.into_iter().flatten().collect()
    }
}
