//! Who can open one mailbox, and which mailboxes one user can open: the permissions and the groups, fetched for
//! [`automend_core::access`] to judge.
//!
//! Invariant: what could not be read is in the gaps, and no user is called without access because of it.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use automend_core::access::{Relation, Rules, Token, relation};
use automend_core::display::plural;
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::names::{Sid, attribute};
use automend_core::owner::Owner;

use super::Directory;
use super::gaps::Gaps;
use super::sink::Owners;

/// Members of groups that are looked at for one mailbox.
const MOST_MEMBERS: usize = 100_000;
/// Mailboxes that are named in a message.
pub(crate) const MOST_NAMED: usize = 5;

/// A user or a group, and what there is between it and a mailbox.
pub struct Related {
    /// Who; an identifier that no object has where there is none.
    pub who: Result<Entry, Sid>,
    /// What there is.
    pub relation: Relation,
}

/// Everyone who has something to do with one mailbox; `owner` is read with its permissions.
pub async fn of_owner(
    directory: &mut Directory,
    owner: &Entry,
    gaps: &mut Gaps,
) -> Result<Vec<Related>> {
    let rules = rules(owner, gaps).unwrap_or_else(|NotShown| {
        unseen(directory, 1, std::slice::from_ref(&owner.dn), gaps);
        None
    });
    let named: Vec<Sid> = rules
        .iter()
        .flat_map(|rules| rules.named(owner))
        .cloned()
        .collect();
    let mut accounts = directory.accounts(&named).await?;
    let (people, whole) = people(directory, owner, &accounts, gaps).await?;
    let linked: HashSet<u64> = owner.forward_links.iter().map(Dn::hash64).collect();
    let mut related = Vec::new();
    for (key, (entry, inside)) in people {
        // Of one who cannot be read not even the identifier is known.
        let token = Token::new(&entry, inside, whole && entry.sid.is_some());
        if entry.dn != owner.dn
            && let Some(relation) = relation(owner, rules.as_ref(), &token, linked.contains(&key))
        {
            related.push(Related {
                who: Ok(entry),
                relation,
            });
        }
    }
    for sid in named {
        if accounts.remove(&sid).is_none()
            && let Some(relation) =
                relation(owner, rules.as_ref(), &Token::of_nobody(sid.clone()), false)
        {
            related.push(Related {
                who: Err(sid),
                relation,
            });
        }
    }
    Ok(related)
}

/// Those of whom an entry or a link of a mailbox may be: by the hash of the name, each with its groups among those
/// that the entries name; whether these are all stands beside them.
async fn people(
    directory: &mut Directory,
    owner: &Entry,
    accounts: &HashMap<Sid, Vec<Entry>>,
    gaps: &mut Gaps,
) -> Result<(HashMap<u64, (Entry, HashSet<Sid>)>, bool)> {
    let groups: Vec<Entry> = accounts
        .values()
        .flatten()
        .filter(|entry| entry.class == Class::Group)
        .cloned()
        .collect();
    let mut people: HashMap<u64, (Entry, HashSet<Sid>)> = HashMap::new();
    let mut whole = true;
    whole &= directory
        .members_of(&groups, &mut |at: usize, entry: Entry| {
            let key = entry.dn.hash64();
            if people.len() >= MOST_MEMBERS && !people.contains_key(&key) {
                whole = false;
                return Ok(());
            }
            let (_, inside) = people.entry(key).or_insert_with(|| (entry, HashSet::new()));
            inside.extend(groups.get(at).and_then(|group| group.sid.clone()));
            Ok(())
        })
        .await?;
    if !whole {
        gaps.unread.push(format!(
            "{}: not all members of the groups with access to it could be read",
            owner.dn
        ));
    }
    for entry in accounts.values().flatten() {
        people
            .entry(entry.dn.hash64())
            .or_insert_with(|| (entry.clone(), HashSet::new()));
    }
    let strangers: Vec<Dn> = owner
        .forward_links
        .iter()
        .filter(|dn| !people.contains_key(&dn.hash64()))
        .cloned()
        .collect();
    for entry in directory.entries(&strangers).await? {
        people.insert(entry.dn.hash64(), (entry, HashSet::new()));
    }
    for dn in strangers {
        people
            .entry(dn.hash64())
            .or_insert_with(|| (Entry::bare(dn), HashSet::new()));
    }
    Ok((people, whole))
}

/// Every mailbox that a user can open, or sees.
pub async fn of_user(
    directory: &mut Directory,
    user: &Entry,
    gaps: &mut Gaps,
) -> Result<Vec<(Entry, Relation)>> {
    let groups = directory.groups_of(user).await?;
    if !groups.whole {
        gaps.unread
            .push(format!("{}: its groups cannot be read", user.dn));
    }
    let mut found = Mailboxes {
        user,
        token: Token::new(user, groups.sids, groups.whole),
        back_links: user.back_links.iter().map(Dn::hash64).collect(),
        unseen: 0,
        named: Vec::new(),
        related: HashMap::new(),
        gaps: Gaps::default(),
    };
    directory.with_permissions(&mut found).await?;
    let Mailboxes {
        token,
        mut related,
        unseen: missing,
        named,
        gaps: new,
        ..
    } = found;
    gaps.defects.extend(new.defects);
    if missing > 0 {
        unseen(directory, missing, &named, gaps);
    }
    // What a server leaves out may be there.
    let suspect = |entry: &Entry| !entry.missing().is_empty();
    let (mut suspects, mut all): (Vec<Entry>, Vec<Entry>) =
        related.drain().map(|(_, entry)| entry).partition(suspect);
    if let Directory::Live(live) = directory {
        live.prove(&mut suspects).await?;
    }
    all.append(&mut suspects);
    let met: HashSet<u64> = all.iter().map(|entry| entry.dn.hash64()).collect();
    let hidden = user
        .back_links
        .iter()
        .filter(|dn| !met.contains(&dn.hash64()));
    let hidden: Vec<Dn> = hidden.cloned().collect();
    let read = directory.entries(&hidden).await?;
    for dn in hidden {
        let entry = read.iter().find(|entry| entry.dn == dn);
        if entry.is_none() && !dn.is_deleted_object() {
            gaps.unread
                .push(format!("{dn}: the mailbox cannot be read"));
        }
        all.push(entry.cloned().unwrap_or_else(|| Entry::bare(dn)));
    }
    let judged = all.into_iter().filter_map(|mut owner| {
        let linked = is_linked(&owner, user) || user.back_links.contains(&owner.dn);
        owner.forward_links = Vec::new();
        if !met.contains(&owner.dn.hash64()) && !owner.dn.is_deleted_object() {
            owner.undecided.extend(owner.missing());
        }
        let rules = Rules::of_owner(&owner).ok().flatten();
        let relation = relation(&owner, rules.as_ref(), &token, linked)?;
        Some((owner, relation))
    });
    Ok(judged.collect())
}

/// Mailboxes that have something to do with a user.
struct Mailboxes<'a> {
    user: &'a Entry,
    token: Token,
    back_links: HashSet<u64>,
    /// How many show no permissions, and the first of them.
    unseen: usize,
    named: Vec<Dn>,
    related: HashMap<u64, Entry>,
    gaps: Gaps,
}

impl Owners for Mailboxes<'_> {
    fn owner(&mut self, mut entry: Entry) -> Result<()> {
        if entry.dn == self.user.dn {
            return Ok(());
        }
        let rules = rules(&entry, &mut self.gaps).unwrap_or_else(|NotShown| {
            self.unseen += 1;
            if self.named.len() < MOST_NAMED {
                self.named.push(entry.dn.clone());
            }
            None
        });
        let linked = is_linked(&entry, self.user) || self.back_links.contains(&entry.dn.hash64());
        if linked || relation(&entry, rules.as_ref(), &self.token, false).is_some() {
            entry.forward_links.retain(|link| *link == self.user.dn);
            self.related.insert(entry.dn.hash64(), entry);
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.unseen = 0;
        self.named.clear();
        self.related.clear();
    }
}

fn is_linked(owner: &Entry, user: &Entry) -> bool {
    owner.forward_links.contains(&user.dn)
}

/// The permissions of a mailbox, as far as they can be read; `Err` where there are none of a mailbox here.
pub(crate) fn rules(owner: &Entry, gaps: &mut Gaps) -> Result<Option<Rules>, NotShown> {
    match Rules::of_owner(owner) {
        Ok(None) if Owner::of(owner) == Owner::Mailbox => Err(NotShown),
        Ok(rules) => Ok(rules),
        Err(why) => {
            let name = attribute::MAILBOX_SECURITY_DESCRIPTOR;
            gaps.defects.push(format!("{}: {name}: {why}", owner.dn));
            Ok(None)
        }
    }
}

/// That a mailbox shows no permissions.
pub(crate) struct NotShown;

/// Notes mailboxes of which no permissions were shown. An embedded directory hides none.
pub(crate) fn unseen(directory: &Directory, count: usize, named: &[Dn], gaps: &mut Gaps) {
    let shown: Vec<String> = named.iter().map(ToString::to_string).collect();
    let more = if count > named.len() {
        " and others"
    } else {
        ""
    };
    let name = attribute::MAILBOX_SECURITY_DESCRIPTOR;
    let what = format!(
        "{} without {name}, so access is not known: {}{more}",
        plural(count as u64, "mailbox"),
        shown.join(" | ")
    );
    match directory {
        Directory::Embedded(_) => gaps.notes.push(what),
        Directory::Live(_) | Directory::Ldif(_) => gaps.unread.push(what),
    }
}
