//! Who is in which group, through groups in groups and by the primary group.
//!
//! Active Directory tells itself: `tokenGroups` ([MS-ADTS] 3.1.1.4.5.19) of a user, and the in-chain rule
//! ([MS-ADTS] 3.1.1.3.4.4.3) of a group. In a file, an embedded directory and other servers `member` and
//! `memberOf` are followed. A user is in its primary group without a value that says so.
//!
//! Invariant: a circle ends, and where the walk is not whole, the answer says so.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use automend_core::access::Walk;
use automend_core::dn::{Dn, hash_text};
use automend_core::entry::{Class, Entry};
use automend_core::names::{Sid, attribute};
use automend_directory::{Object, Reading, Scope};
use automend_ldap::ldif::Record;
use automend_ldap::{Error, Filter};

use super::Directory;
use super::embedded::{self, Embedded};
use super::ldif::Ldif;
use super::live::{Live, is_lost_code};
use super::permissions::{ACCOUNT, Each};
use super::typed::{recorded, texts, typed};
use crate::retry;

/// `LDAP_MATCHING_RULE_TRANSITIVE_EVAL` ([MS-ADTS] 3.1.1.3.4.4.3).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// The groups of a user, with those that they are in.
const TOKEN_GROUPS: &str = "tokenGroups";
/// Numbers of primary groups in one filter.
const AT_ONCE: usize = 50;

/// The groups of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Groups {
    /// Their identifiers.
    pub sids: Vec<Sid>,
    /// Whether these are all.
    pub whole: bool,
}

/// Takes a member of the group that stands at a place in a list; one may come twice.
pub trait Members: FnMut(usize, Entry) -> Result<()> {}
impl<F: FnMut(usize, Entry) -> Result<()>> Members for F {}

impl Directory {
    /// The groups that an object is in, directly or through others.
    pub async fn groups_of(&mut self, of: &Entry) -> Result<Groups> {
        match self {
            Self::Live(live) => live.groups_of(of).await,
            Self::Embedded(embedded) => embedded.groups_of(of),
            Self::Ldif(ldif) => ldif.groups_of(of),
        }
    }

    /// Hands everything that is in one of these groups, directly or through others, and is no group itself to
    /// `take`; whether that is all.
    pub async fn members_of(&mut self, groups: &[Entry], take: &mut impl Members) -> Result<bool> {
        if groups.is_empty() {
            return Ok(true);
        }
        match self {
            Self::Live(live) => {
                let mut whole = true;
                for (at, group) in groups.iter().enumerate() {
                    whole &= live.members_of(group, &mut |entry| take(at, entry)).await?;
                }
                Ok(whole)
            }
            Self::Embedded(embedded) => embedded.members_of(groups, take),
            Self::Ldif(ldif) => ldif.members_of(groups, take),
        }
    }
}

/// The primary group of an object with this `primaryGroupID`.
fn primary(sid: Option<&Sid>, id: Option<&[u8]>) -> Option<Sid> {
    let id = std::str::from_utf8(id?).ok()?.trim().parse().ok()?;
    sid?.sibling(id)
}

/// The names among values.
fn names<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<Dn> {
    let texts = texts(values);
    texts
        .iter()
        .filter_map(|text| Dn::parse(text).ok())
        .collect()
}

impl Live {
    async fn groups_of(&mut self, of: &Entry) -> Result<Groups> {
        // Samba computes them for users alone.
        if self.root.active_directory && of.class == Class::User {
            let found = retry!(self, self.read(&of.dn, &[TOKEN_GROUPS]));
            let found = found.unwrap_or_default();
            let sids: Vec<Sid> = found
                .values(TOKEN_GROUPS)
                .filter_map(Sid::from_bytes)
                .collect();
            // Every user has a primary group.
            let whole = !sids.is_empty();
            return Ok(Groups { sids, whole });
        }
        let (mut walk, mut sids) = (Walk::from([of.dn.clone()]), Vec::new());
        while !walk.level().is_empty() {
            let mut found = Vec::new();
            for dn in walk.level().to_vec() {
                let filter = Filter::equal(attribute::MEMBER, dn.as_str());
                let mut sink = Each(|group: Entry| {
                    sids.extend(group.sid);
                    found.push(group.dn);
                    Ok(())
                });
                self.stream(&filter, &[attribute::OBJECT_SID], &mut sink)
                    .await?;
            }
            walk.step(found);
        }
        Ok(Groups {
            sids,
            whole: walk.is_whole(),
        })
    }

    /// One object; `None` for one that is not shown.
    pub(super) async fn read(
        &self,
        dn: &Dn,
        attributes: &[&str],
    ) -> Result<Option<automend_ldap::Entry>> {
        match self.client.base(dn.as_str(), attributes).await {
            Err(Error::Refused { code, .. }) if !is_lost_code(code) => Ok(None),
            Err(Error::Referral { .. }) => Ok(None),
            found => found.with_context(|| format!("{}: reading {dn}", self.url)),
        }
    }

    async fn members_of(
        &mut self,
        group: &Entry,
        take: &mut impl FnMut(Entry) -> Result<()>,
    ) -> Result<bool> {
        if !self.root.active_directory {
            return self.walk_to_members(group, take).await;
        }
        let is_group = || Filter::equal(attribute::OBJECT_CLASS, "group");
        let inside = Filter::matching(attribute::MEMBER_OF, IN_CHAIN, group.dn.as_str());
        let mut sids: Vec<Sid> = group.sid.iter().cloned().collect();
        let mut nested = Each(|entry: Entry| {
            sids.extend(entry.sid);
            Ok(())
        });
        let groups = Filter::and([is_group(), inside.clone()]);
        self.stream(&groups, &[attribute::OBJECT_SID], &mut nested)
            .await?;
        let members = Filter::and([Filter::not(is_group()), inside]);
        self.stream(&members, ACCOUNT, &mut Each(&mut *take))
            .await?;
        for sids in sids.chunks(AT_ONCE) {
            let ids = sids.iter().filter_map(Sid::relative);
            let any = ids.map(|id| Filter::equal(attribute::PRIMARY_GROUP_ID, id.to_string()));
            let mut sink = Each(|entry: Entry| {
                // Another domain has the same numbers.
                let mut groups = sids.iter();
                let domain = |sid: &Sid| entry.sid.as_ref()?.sibling(sid.relative()?);
                let ours = groups.any(|sid| domain(sid).as_ref() == Some(sid));
                if ours { take(entry) } else { Ok(()) }
            });
            self.stream(&Filter::or(any), ACCOUNT, &mut sink).await?;
        }
        Ok(true)
    }

    async fn walk_to_members(
        &mut self,
        group: &Entry,
        take: &mut impl FnMut(Entry) -> Result<()>,
    ) -> Result<bool> {
        let wanted = [ACCOUNT, &[attribute::MEMBER]].concat();
        let (mut walk, mut whole) = (Walk::from([group.dn.clone()]), true);
        while !walk.level().is_empty() {
            let mut found = Vec::new();
            for dn in walk.level().to_vec() {
                let Some(object) = retry!(self, self.read(&dn, &wanted)) else {
                    whole = false;
                    continue;
                };
                found.extend(names(object.values(attribute::MEMBER)));
                if let Some(entry) = typed(&object, &mut self.defects)
                    && entry.class != Class::Group
                    && entry.dn != group.dn
                {
                    take(entry)?;
                }
            }
            walk.step(found);
        }
        Ok(whole && walk.is_whole())
    }
}

/// One object with these links alone.
fn object(reading: &Reading, dn: &Dn, links: &[&str]) -> Result<Option<Object>> {
    match reading.subtree(dn, Scope::Base) {
        Ok(found) => Ok(found.with_links(links).next().transpose()?),
        Err(automend_directory::Error::Refused(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Embedded {
    fn groups_of(&mut self, of: &Entry) -> Result<Groups> {
        let reading = self.reading()?;
        let links = [attribute::MEMBER_OF];
        let (mut walk, mut sids) = (Walk::from([of.dn.clone()]), Vec::new());
        while !walk.level().is_empty() {
            let mut found = Vec::new();
            for dn in walk.level() {
                let Some(object) = object(&reading, dn, &links)? else {
                    continue;
                };
                let sid = object.values(attribute::OBJECT_SID).first();
                let sid = sid.and_then(|value| Sid::of_value(value));
                let id = object.values(attribute::PRIMARY_GROUP_ID).first();
                found.extend(names(
                    object
                        .values(attribute::MEMBER_OF)
                        .iter()
                        .map(Vec::as_slice),
                ));
                if let Some(group) = primary(sid.as_ref(), id.map(Vec::as_slice)) {
                    for object in reading.by_value(attribute::OBJECT_SID, group.as_bytes())? {
                        found.push(object?.dn);
                    }
                    sids.push(group);
                }
                sids.extend(sid.filter(|_| *dn != of.dn));
            }
            walk.step(found);
        }
        Ok(Groups {
            sids,
            whole: walk.is_whole(),
        })
    }

    fn members_of(&mut self, groups: &[Entry], take: &mut impl Members) -> Result<bool> {
        let reading = self.reading()?;
        let (mut whole, mut primaries) = (true, HashMap::<Sid, Vec<usize>>::new());
        for (at, group) in groups.iter().enumerate() {
            let mut walk = Walk::from([group.dn.clone()]);
            while !walk.level().is_empty() {
                let mut found = Vec::new();
                for dn in walk.level() {
                    let Some(object) = object(&reading, dn, &[attribute::MEMBER])? else {
                        continue;
                    };
                    let entry = embedded::entry(&object, &mut self.defects);
                    if entry.class == Class::Group || *dn == group.dn {
                        let members = object.values(attribute::MEMBER).iter();
                        found.extend(names(members.map(Vec::as_slice)));
                        if let Some(sid) = entry.sid {
                            primaries.entry(sid).or_default().push(at);
                        }
                    } else {
                        take(at, entry)?;
                    }
                }
                walk.step(found);
            }
            whole &= walk.is_whole();
        }
        for object in reading
            .subtree(&Dn::root(), Scope::Subtree)?
            .with_links(&[])
        {
            let object = object?;
            let id = object.values(attribute::PRIMARY_GROUP_ID).first();
            let sid = object.values(attribute::OBJECT_SID).first();
            let sid = sid.and_then(|value| Sid::of_value(value));
            let group = primary(sid.as_ref(), id.map(Vec::as_slice));
            for at in group
                .and_then(|group| primaries.get(&group))
                .into_iter()
                .flatten()
            {
                take(*at, embedded::entry(&object, &mut self.defects))?;
            }
        }
        Ok(whole)
    }
}

/// What a record says of groups.
struct Membership {
    dn: u64,
    is_group: bool,
    sid: Option<Sid>,
    primary: Option<Sid>,
    members: Vec<u64>,
    member_of: Vec<u64>,
}

impl Membership {
    fn of(record: &Record<'_>, dn: &Dn) -> Self {
        let hashes = |name: &str| -> Vec<u64> {
            let values = record.values(name).flatten();
            let hash = |value: &[u8]| hash_text(std::str::from_utf8(value).ok()?).ok();
            values.filter_map(|value| hash(&value)).collect()
        };
        let first = |name: &str| record.values(name).flatten().next();
        let sid = first(attribute::OBJECT_SID).and_then(|value| Sid::of_value(&value));
        let mut classes = record.values(attribute::OBJECT_CLASS).flatten();
        Self {
            dn: dn.hash64(),
            is_group: classes.any(|class| class.eq_ignore_ascii_case(b"group")),
            primary: primary(sid.as_ref(), first(attribute::PRIMARY_GROUP_ID).as_deref()),
            sid,
            members: hashes(attribute::MEMBER),
            member_of: hashes(attribute::MEMBER_OF),
        }
    }

    fn says_something(&self) -> bool {
        !self.members.is_empty() || !self.member_of.is_empty()
    }
}

/// The most times a file is read for the groups in it.
const MOST_PASSES: usize = 64;

impl Ldif {
    /// Reads the file again and again, each time a level further, until nothing new comes.
    fn groups_of(&mut self, of: &Entry) -> Result<Groups> {
        let (mut reached, mut sids) = (HashSet::from([of.dn.hash64()]), HashSet::new());
        let (mut says, mut passes, mut ended) = (false, 0, false);
        while !ended && passes < MOST_PASSES {
            let before = (reached.len(), sids.len());
            self.scan(|record, dn| {
                let one = Membership::of(record, dn);
                says |= one.says_something();
                let named = one.sid.as_ref().is_some_and(|sid| sids.contains(sid));
                if named || one.is_group && one.members.iter().any(|dn| reached.contains(dn)) {
                    reached.insert(one.dn);
                }
                if reached.contains(&one.dn) {
                    reached.extend(one.member_of);
                    sids.extend(one.primary);
                    sids.extend(one.sid.filter(|_| one.dn != of.dn.hash64()));
                }
            })?;
            ended = before == (reached.len(), sids.len());
            passes += 1;
        }
        Ok(Groups {
            sids: sids.into_iter().collect(),
            whole: says && ended && !self.lost,
        })
    }

    fn members_of(&mut self, groups: &[Entry], take: &mut impl Members) -> Result<bool> {
        // Of each name, in which of the groups it is.
        let mut inside: HashMap<u64, HashSet<usize>> = HashMap::new();
        let mut sids: HashMap<Sid, HashSet<usize>> = HashMap::new();
        for (at, group) in groups.iter().enumerate() {
            inside.entry(group.dn.hash64()).or_default().insert(at);
        }
        let (mut says, mut passes, mut ended) = (false, 0, false);
        while !ended && passes < MOST_PASSES {
            ended = true;
            let mut put =
                |inside: &mut HashMap<u64, HashSet<usize>>, dn: u64, ats: &HashSet<usize>| {
                    let known = inside.entry(dn).or_default();
                    let before = known.len();
                    known.extend(ats);
                    ended &= known.len() == before;
                };
            self.scan(|record, dn| {
                let one = Membership::of(record, dn);
                says |= one.says_something();
                for group in &one.member_of {
                    if let Some(ats) = inside.get(group).cloned() {
                        put(&mut inside, one.dn, &ats);
                    }
                }
                let Some(ats) = inside.get(&one.dn).filter(|_| one.is_group).cloned() else {
                    return;
                };
                for member in one.members {
                    put(&mut inside, member, &ats);
                }
                if let Some(sid) = one.sid {
                    sids.entry(sid).or_default().extend(&ats);
                }
            })?;
            passes += 1;
        }
        let seen = self.seen()?;
        let (mut defects, mut failed) = (Vec::new(), Ok(()));
        self.scan(|record, dn| {
            let one = Membership::of(record, dn);
            let by_primary = one.primary.as_ref().and_then(|group| sids.get(group));
            let ats: HashSet<usize> = inside
                .get(&one.dn)
                .into_iter()
                .chain(by_primary)
                .flatten()
                .copied()
                .collect();
            if ats.is_empty() || one.is_group || failed.is_err() {
                return;
            }
            if let Some(entry) = recorded(record, &mut defects) {
                let entry = seen.applied(entry);
                let mut each = ats.into_iter();
                failed = each.try_for_each(|at| take(at, entry.clone()));
            }
        })?;
        self.tell_all(defects);
        failed.map(|()| says && ended && !self.lost)
    }
}
