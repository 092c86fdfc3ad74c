//! AutoMapping links, seen from the owner: AM-1 to AM-4, AM-6, AM-10 and self links.
//!
//! The forward link stands on the owner beside everything that decides whether the owner is a mailbox,
//! so one object is enough to judge all its links, and its values are the users who are hurt.

use crate::dn::Dn;
use crate::entry::Entry;
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::metadata;
use crate::names::attribute;
use crate::owner::{self, Owner, Stale};
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
    if entry.forward_links.is_empty() {
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
            if entry.target_address.is_none() && entry.mail.is_none() {
                let evidence = Evidence {
                    missing: vec![attribute::TARGET_ADDRESS, attribute::MAIL],
                    ..recipient_type(entry)
                };
                findings.push(report(
                    Code::RemoteWithoutAddress,
                    &entry.forward_links,
                    evidence,
                ));
            }
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
    let gone =
        |need: &Need| matches!(places.answer(need), Some(Answer::Found(found)) if found.is_empty());
    if let Some(database) = &entry.home_mdb {
        let dangles = database.is_deleted_object() || gone(&Need::Exists(database.clone()));
        return dangles.then(|| Evidence::fact(attribute::HOME_MDB, database));
    }
    let server = entry.home_server.as_deref()?;
    let dangles = gone(&Need::Server(owner::server_name(server).to_owned()));
    dangles.then(|| Evidence::fact(attribute::HOME_SERVER, server))
}
