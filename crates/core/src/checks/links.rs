//! AutoMapping links, seen from the owner: AM-1 to AM-6, AM-9 to AM-11 and self links.
//!
//! The forward link stands on the owner beside everything that decides whether the owner is a mailbox,
//! so one object is enough to judge all its links, and its values are the affected users.

use crate::dn::Dn;
use crate::entry::{Class, Entry};
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::metadata;
use crate::names::{Sid, attribute};
use crate::owner::{self, Owner, Stale};
use crate::target;
use crate::view::{Answer, Need, View};

/// Attributes that [`of_owner`] looks at: what an audit asks for, and no more.
pub const ATTRIBUTES: &[&str] = &[
    attribute::DELEGATE_LIST_LINK,
    attribute::OBJECT_CLASS,
    attribute::OBJECT_GUID,
    attribute::DISPLAY_NAME,
    attribute::MAIL,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAILBOX_GUID,
    attribute::HOME_MDB,
    attribute::HOME_SERVER,
    attribute::RECIPIENT_TYPE,
    attribute::REMOTE_RECIPIENT_TYPE,
    attribute::TARGET_ADDRESS,
    attribute::WHEN_CHANGED,
];

/// Back links beyond this number make Outlook slow (AM-11).
pub const MANY_BACK_LINKS: u16 = 50;

/// Judges every link of one owner; hands out at most one finding for stale or undecided links.
///
/// `places` answers [`Need::Exists`] for mailbox databases and [`Need::Server`]; without an answer AM-4
/// stays undecided.
pub fn of_owner(entry: &Entry, places: &impl View) -> Vec<Finding> {
    let mut findings = Vec::new();
    let unread = entry.unreadable.contains(&attribute::DELEGATE_LIST_LINK);
    if entry.forward_links.is_empty() {
        // There is a delegate, and its name is unknown.
        if unread && !matches!(Owner::of(entry), Owner::Mailbox | Owner::Remote) {
            findings.push(Finding {
                code: Code::OwnerUnreadable,
                subject: Subject::of(entry),
                delegates: Vec::new(),
                evidence: Evidence::fact("unreadable", attribute::DELEGATE_LIST_LINK),
            });
        }
        return findings;
    }
    let report = |code, delegates: &[Dn], evidence| Finding {
        code,
        subject: Subject::of(entry),
        delegates: delegates.to_vec(),
        evidence,
    };
    match Owner::of(entry) {
        Owner::Mailbox => {
            if let Some(evidence) = dangling(entry, places) {
                findings.push(report(
                    Code::OwnerDatabaseGone,
                    &entry.forward_links,
                    evidence,
                ));
            }
        }
        Owner::Remote => {
            let remote = remote(entry, places);
            findings.extend(
                remote
                    .into_iter()
                    .map(|(code, evidence)| report(code, &entry.forward_links, evidence)),
            );
        }
        Owner::Stale(why) => {
            findings.push(report(
                Code::of_stale(why),
                &entry.forward_links,
                stale_evidence(entry, why),
            ));
        }
        Owner::Undecided(attributes) => {
            let evidence = Evidence::fact("unreadable", attributes.join(", "));
            findings.push(report(
                Code::OwnerUnreadable,
                &entry.forward_links,
                evidence,
            ));
        }
    }
    if let Some(own) = entry
        .forward_links
        .iter()
        .find(|delegate| **delegate == entry.dn)
    {
        findings.push(report(
            Code::SelfLink,
            std::slice::from_ref(own),
            Evidence::default(),
        ));
    }
    findings
}

/// What is odd about an owner whose mailbox is elsewhere: that nothing says where, that it is only a mail
/// user, and that its `targetAddress` leads astray ([`Need::Address`]).
pub(crate) fn remote(entry: &Entry, view: &impl View) -> Vec<(Code, Evidence)> {
    let mut odd = Vec::new();
    if entry.target_address.is_none() && entry.mail.is_none() {
        let evidence = Evidence {
            missing: vec![attribute::TARGET_ADDRESS, attribute::MAIL],
            ..recipient_type(entry)
        };
        odd.push((Code::RemoteWithoutAddress, evidence));
    }
    let target = entry.target_address.as_deref().unwrap_or_default();
    if owner::is_kept_elsewhere(entry) && !owner::is_remote(entry) {
        let evidence = recipient_type(entry).and(attribute::TARGET_ADDRESS, target);
        odd.push((Code::OwnerElsewhere, evidence));
    }
    odd.extend(astray(entry, view).map(|evidence| (Code::OwnerAstray, evidence)));
    odd
}

/// What shows that `targetAddress` leads to no mailbox, where the object's answer depends on it.
pub(crate) fn astray(entry: &Entry, view: &impl View) -> Option<Evidence> {
    let target = entry
        .target_address
        .as_deref()
        .filter(|_| target::matters(entry))?;
    let astray = target::follow(entry, view)?;
    Some(Evidence::fact(attribute::TARGET_ADDRESS, target).and("because", astray))
}

/// Why a delegate can never ask Autodiscover, so that a link to it maps nothing; `None` for one that can,
/// that asks elsewhere, or of which too little is known.
///
/// Groups have a finding of their own (AM-9).
pub fn never_asks(delegate: &Entry) -> Option<&'static str> {
    match delegate.class {
        Class::ForeignSecurityPrincipal => Some("a foreign security principal"),
        Class::Contact => Some("a contact"),
        Class::User
            if !delegate.dn.is_deleted_object()
                && delegate.target_address.is_none()
                && matches!(
                    Owner::of(delegate),
                    Owner::Stale(Stale::Disabled | Stale::NotAMailbox)
                ) =>
        {
            Some("an account without a mailbox")
        }
        Class::User | Class::Group | Class::Other => None,
    }
}

/// The question for the mailboxes that belong to a delegate's account: an account of another forest may
/// have a linked mailbox here, which is the one that Outlook opens.
pub fn linked_mailbox(delegate: &Entry) -> Option<Need> {
    let named = || Sid::parse(&delegate.dn.name());
    delegate.sid.clone().or_else(named).map(Need::MasterAccount)
}

/// A note for each owner that links to a delegate which [never asks](never_asks), with the mailbox that is
/// meant, where `view` has the answer to [`linked_mailbox`].
pub fn of_delegate(delegate: &Entry, owners: &[Dn], view: &impl View) -> Vec<Finding> {
    let Some(why) = never_asks(delegate) else {
        return Vec::new();
    };
    let mut evidence = Evidence::fact("delegate", why);
    if let Some(Answer::Found(found)) = linked_mailbox(delegate).and_then(|need| view.answer(&need))
        && let Some(linked) = found.iter().find(|entry| entry.dn != delegate.dn)
    {
        evidence = evidence.and("linkedMailbox", &linked.dn);
    }
    let note = |owner: &Dn| Finding {
        code: Code::DelegateCannotAsk,
        subject: Subject::named(owner),
        delegates: vec![delegate.dn.clone()],
        evidence: evidence.clone(),
    };
    owners.iter().map(note).collect()
}

/// Judges back links whose forward link the source does not show: of an owner that it lacks, or holds without
/// its links.
///
/// Asks for [`Need::Entry`] of the owner; where there is none, `absence` is how one knows.
pub fn of_back_links(
    owner: &Dn,
    delegates: Vec<Dn>,
    absence: Evidence,
    view: &impl View,
) -> Vec<Finding> {
    let answer = view.answer(&Need::Entry(owner.clone()));
    if let Some(Answer::Found(found)) = answer
        && let Some(entry) = found.first()
    {
        let entry = Entry {
            forward_links: delegates,
            ..entry.clone()
        };
        return of_owner(&entry, view);
    }
    let (code, evidence) = match answer {
        None => return Vec::new(),
        Some(_) if owner.is_deleted_object() => {
            (Code::of_stale(Stale::Deleted), Evidence::default())
        }
        Some(Answer::Found(_)) => (Code::of_stale(Stale::Gone), absence),
        Some(Answer::Unreadable(why)) => (Code::OwnerUnreadable, Evidence::fact("unreadable", why)),
    };
    vec![Finding {
        code,
        subject: Subject::named(owner),
        delegates,
        evidence,
    }]
}

/// A group is a delegate (AM-9): no user logs in as one.
pub fn of_group(owner: Subject, group: &Dn) -> Finding {
    Finding {
        code: Code::GroupDelegate,
        subject: owner,
        delegates: vec![group.clone()],
        evidence: Evidence::fact("group", group),
    }
}

/// A delegate with so many back links that Outlook becomes slow (AM-11).
pub fn of_busy_delegate(delegate: Subject, back_links: u64) -> Option<Finding> {
    (back_links > u64::from(MANY_BACK_LINKS)).then(|| Finding {
        code: Code::TooManyBackLinks,
        subject: delegate,
        delegates: Vec::new(),
        evidence: Evidence::fact("backLinks", back_links),
    })
}

/// A delegate of the stale link of `because` who is an owner, too: its own answer is error 603 (AM-5).
pub fn of_failing_owner(delegate: &Entry, because: &Dn) -> Option<Finding> {
    let fails = !delegate.forward_links.is_empty() && Owner::of(delegate) == Owner::Mailbox;
    fails.then(|| Finding {
        code: Code::OwnerFailsItself,
        subject: Subject::of(delegate),
        delegates: delegate.forward_links.clone(),
        evidence: Evidence::fact("because", because),
    })
}

/// Where an owner's mailbox is said to be: what [`of_owner`] asks `places` for.
pub fn home(entry: &Entry) -> Option<Need> {
    let server = || {
        let server = entry.home_server.as_deref()?;
        Some(Need::Server(owner::server_name(server).to_owned()))
    };
    entry.home_mdb.clone().map(Need::Exists).or_else(server)
}

/// What shows that this owner is no mailbox.
pub fn stale_evidence(entry: &Entry, why: Stale) -> Evidence {
    let mut evidence = recipient_type(entry);
    if why != Stale::Deleted {
        evidence.missing = owner::surely_missing(entry);
    }
    if let Some(target) = &entry.target_address {
        evidence = evidence.and(attribute::TARGET_ADDRESS, target);
    }
    if let Some(changed) = &entry.changed {
        evidence = evidence.and(attribute::WHEN_CHANGED, changed);
    }
    evidence.since = entry
        .replication_metadata
        .as_deref()
        .and_then(|bytes| metadata::mailbox_removed(bytes, entry));
    evidence
}

fn recipient_type(entry: &Entry) -> Evidence {
    entry.recipient_type.map_or_else(Evidence::default, |kind| {
        Evidence::fact(attribute::RECIPIENT_TYPE, kind)
    })
}

/// A database that is named and does not exist (AM-4); where none is named, the server.
pub(crate) fn dangling(entry: &Entry, places: &impl View) -> Option<Evidence> {
    let homes = [attribute::HOME_MDB, attribute::HOME_SERVER];
    if homes.iter().any(|name| entry.undecided.contains(name)) && entry.home_mdb.is_none() {
        return None;
    }
    let need = home(entry)?;
    let Some(database) = &entry.home_mdb else {
        let server = entry.home_server.as_deref()?;
        return places
            .lacks(&need)
            .then(|| Evidence::fact(attribute::HOME_SERVER, server));
    };
    if entry.undecided.contains(&attribute::HOME_MDB) {
        return None;
    }
    let dangles = database.is_deleted_object() || places.lacks(&need);
    dangles.then(|| Evidence::fact(attribute::HOME_MDB, database))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Known;

    #[test]
    fn back_links_alone_are_judged_by_what_is_known_of_their_owner() {
        let jim = Dn::parse("CN=Jim,DC=c").unwrap();
        let deleted = Dn::parse(r"CN=Jim\0ADEL:1,CN=Deleted Objects,DC=c").unwrap();
        let unreadable = || Answer::Unreadable("not here".to_owned());
        let found = |dn: &Dn| Answer::Found(vec![Entry::bare(dn.clone())]);
        for (owner, answer, expected) in [
            (&jim, None, None),
            (&jim, Some(unreadable()), Some(Code::OwnerUnreadable)),
            (&jim, Some(Answer::Found(Vec::new())), Some(Code::OwnerGone)),
            (&jim, Some(found(&jim)), Some(Code::OwnerDisabled)),
            (&deleted, Some(unreadable()), Some(Code::OwnerDeleted)),
            (
                &deleted,
                Some(Answer::Found(Vec::new())),
                Some(Code::OwnerDeleted),
            ),
            (&deleted, Some(found(&deleted)), Some(Code::OwnerDeleted)),
        ] {
            let mut known = Known::default();
            for answer in answer.iter().cloned() {
                known.insert(Need::Entry(owner.clone()), answer);
            }
            let delegates = vec![Dn::parse("CN=Alice,DC=c").unwrap()];
            let absence = Evidence::fact("container", "is there");
            let findings = of_back_links(owner, delegates.clone(), absence, &known);
            let codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, Vec::from_iter(expected), "{owner}: {answer:?}");
            assert!(
                findings
                    .iter()
                    .all(|finding| finding.delegates == delegates)
            );
        }
    }
}
