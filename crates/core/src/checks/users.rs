//! The user's own objects: U-2 and U-4 to U-8. (U-1 and U-3 are outcomes, see [`crate::resolve`].)
//!
//! A user may fail without any stale link: two objects with one address, half a mailbox, an archive
//! that is nowhere. Exchange answers 500 or 603 to all of these, too.

use super::{links, sharing};
use crate::dn::Dn;
use crate::entry::{Class, Entry};
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::names::attribute;
use crate::owner::{self, Owner};
use crate::recipient::{RecipientType, Residence};
use crate::target;
use crate::view::{Answer, Asking, Need, View};

/// Attributes that [`alone`] looks at, for an audit of every user.
pub const ATTRIBUTES: &[&str] = &[
    attribute::OBJECT_CLASS,
    attribute::OBJECT_GUID,
    attribute::DISPLAY_NAME,
    attribute::MAIL,
    attribute::MAIL_NICKNAME,
    attribute::USER_PRINCIPAL_NAME,
    attribute::PROXY_ADDRESSES,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAILBOX_GUID,
    attribute::HOME_MDB,
    attribute::HOME_SERVER,
    attribute::TARGET_ADDRESS,
    attribute::RECIPIENT_TYPE,
    attribute::REMOTE_RECIPIENT_TYPE,
    attribute::MASTER_ACCOUNT_SID,
    attribute::ARCHIVE_GUID,
    attribute::ARCHIVE_DATABASE,
    attribute::ARCHIVE_STATUS,
    attribute::ARCHIVE_ADDRESS,
    attribute::TEAM_MAILBOXES,
    attribute::WHEN_CHANGED,
];

/// What one object shows by itself, without a look at any other: U-4 to U-7.
pub fn alone(entry: &Entry) -> Vec<Finding> {
    let mut findings = Vec::new();
    if entry.dn.is_deleted_object() {
        return findings;
    }
    let mut report = |code, evidence| {
        findings.push(Finding {
            code,
            subject: Subject::of(entry),
            delegates: Vec::new(),
            evidence,
        });
    };
    if Owner::of(entry) == Owner::Mailbox && target::leads_away(entry) {
        let target = entry.target_address.as_deref().unwrap_or_default();
        report(
            Code::MailElsewhere,
            Evidence::fact(attribute::TARGET_ADDRESS, target),
        );
    }
    if Owner::of(entry) != Owner::Remote && !owner::is_mail_user(entry) {
        let missing = owner::surely_missing(entry);
        let (guid, home) = (entry.mailbox_guid.is_some(), entry.home_mdb.is_some());
        let half: Vec<_> = missing
            .iter()
            .copied()
            .filter(|name| *name != attribute::LEGACY_EXCHANGE_DN)
            .collect();
        if (guid || home) && !half.is_empty() {
            report(
                Code::HalfMailbox,
                Evidence {
                    missing: half,
                    ..Evidence::default()
                },
            );
        }
        if (guid || home) && missing.contains(&attribute::LEGACY_EXCHANGE_DN) {
            report(
                Code::LegacyDnTrouble,
                Evidence {
                    missing: vec![attribute::LEGACY_EXCHANGE_DN],
                    ..Evidence::default()
                },
            );
        }
    }
    let archive = &entry.archive;
    if let Some(guid) = archive.guid
        && archive.database.is_none()
        && !archive_is_elsewhere(entry)
        && ARCHIVE_PLACES
            .iter()
            .all(|name| !entry.undecided.contains(name))
    {
        let evidence = Evidence {
            missing: vec![attribute::ARCHIVE_DATABASE, attribute::ARCHIVE_ADDRESS],
            ..Evidence::fact(attribute::ARCHIVE_GUID, guid)
        };
        report(Code::ArchiveDangling, evidence);
    }
    if let Some(evidence) = inconsistent_type(entry) {
        report(Code::TypeInconsistent, evidence);
    }
    // Links have their own code, AM106, on the owner.
    let unreadable: Vec<_> = entry
        .unreadable
        .iter()
        .copied()
        .filter(|name| DECIDING.contains(name))
        .collect();
    if !unreadable.is_empty() {
        report(
            Code::UserUnreadable,
            Evidence::fact("unreadable", unreadable.join(", ")),
        );
    }
    findings
}

/// Whether the object has a part of a mailbox and has no another, so that [`alone`] may find that something is
/// missing: a server that hides attributes must affirm it first.
pub fn has_a_part_only(entry: &Entry) -> bool {
    (entry.mailbox_guid.is_some() || entry.home_mdb.is_some()) && !entry.missing().is_empty()
}

/// The attributes that decide what a user is answered.
const DECIDING: [&str; 15] = [
    attribute::OBJECT_CLASS,
    attribute::MAIL,
    attribute::USER_PRINCIPAL_NAME,
    attribute::PROXY_ADDRESSES,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAILBOX_GUID,
    attribute::HOME_MDB,
    attribute::HOME_SERVER,
    attribute::TARGET_ADDRESS,
    attribute::RECIPIENT_TYPE,
    attribute::REMOTE_RECIPIENT_TYPE,
    attribute::ARCHIVE_GUID,
    attribute::ARCHIVE_DATABASE,
    attribute::ARCHIVE_STATUS,
    attribute::ARCHIVE_ADDRESS,
];

/// The attributes that say where an archive is.
const ARCHIVE_PLACES: [&str; 4] = [
    attribute::ARCHIVE_DATABASE,
    attribute::ARCHIVE_ADDRESS,
    attribute::ARCHIVE_STATUS,
    attribute::HOME_MDB,
];

/// Whether the archive is in the other half of a hybrid.
pub(crate) fn archive_is_elsewhere(entry: &Entry) -> bool {
    entry.archive.address.is_some()
        || entry.archive.status.is_some_and(|status| status != 0)
        || owner::is_remote(entry)
}

fn inconsistent_type(entry: &Entry) -> Option<Evidence> {
    let kind = entry.recipient_type.filter(|kind| kind.is_known())?;
    let mailbox = Owner::of(entry) == Owner::Mailbox;
    let why = match kind.residence() {
        Residence::Here
            if entry.mailbox_guid.is_none()
                && !entry.undecided.contains(&attribute::MAILBOX_GUID) =>
        {
            "a mailbox type without msExchMailboxGuid"
        }
        Residence::Nowhere if mailbox && entry.class == Class::User => {
            "no mailbox type, but all of a mailbox"
        }
        Residence::Remote if entry.home_mdb.is_some() => "a remote type, but a database here",
        _ if kind == RecipientType::LINKED_MAILBOX
            && !entry.has_master_account
            && !entry.undecided.contains(&attribute::MASTER_ACCOUNT_SID) =>
        {
            "a linked mailbox without msExchMasterAccountSid"
        }
        _ => return None,
    };
    Some(Evidence::fact(attribute::RECIPIENT_TYPE, kind).and("contradiction", why))
}

/// What only other objects can tell: shared addresses and legacy names, archives and site mailboxes.
pub(crate) fn among_others<V: View>(entry: &Entry, view: &Asking<'_, V>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What others name of this object's, and what it names of theirs; not what they name of each other's.
    let holder = ("holder", entry.dn.to_string());
    let concerns = |finding: &Finding| {
        finding.subject.dn == entry.dn || finding.evidence.facts.contains(&holder)
    };
    let mut addresses: Vec<_> = entry.addresses().collect();
    addresses.sort();
    addresses.dedup();
    for address in addresses {
        if let Some(Answer::Found(found)) = view.ask(Need::Address(address.clone())) {
            findings.extend(
                sharing::shared_address(found, &address)
                    .into_iter()
                    .filter(concerns),
            );
        }
    }
    let mut names: Vec<&str> = entry.legacy_names().collect();
    names.sort_unstable_by_key(|name| name.to_lowercase());
    names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    for name in names {
        if let Some(Answer::Found(found)) = view.ask(Need::LegacyDn(name.to_owned())) {
            findings.extend(
                sharing::shared_name(found, name)
                    .into_iter()
                    .filter(concerns),
            );
        }
    }
    findings.extend(references(entry, view));
    findings
}

/// What the user's own references lead to: a vanished database or server, of the mailbox or of the archive
/// (U-6), a redirect that ends nowhere, dead site mailboxes (U-8).
///
/// Asks for [`Need::Exists`], [`Need::Server`], [`Need::Address`] and [`Need::Entry`]; what has no answer is
/// not judged.
pub fn references(entry: &Entry, view: &impl View) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |code, evidence| {
        findings.push(Finding {
            code,
            subject: Subject::of(entry),
            delegates: Vec::new(),
            evidence,
        });
    };
    if entry.dn.is_deleted_object() {
        return findings;
    }
    if Owner::of(entry) == Owner::Mailbox
        && let Some(evidence) = links::dangling(entry, view)
    {
        report(Code::HomeGone, evidence);
    }
    if let Some(evidence) = links::astray(entry, view) {
        report(Code::RedirectAstray, evidence);
    }
    if let Some(database) = entry
        .archive
        .database
        .as_ref()
        .filter(|_| entry.archive.guid.is_some() && !archive_is_elsewhere(entry))
    {
        let gone = database.is_deleted_object() || view.lacks(&Need::Exists(database.clone()));
        if gone {
            report(
                Code::ArchiveDangling,
                Evidence::fact(attribute::ARCHIVE_DATABASE, database),
            );
        }
    }
    for team in &entry.team_mailboxes {
        let why = match view.answer(&Need::Entry(team.clone())) {
            Some(Answer::Found(found)) => match found.first().map(Owner::of) {
                None => Some("no object has this name".to_owned()),
                Some(Owner::Stale(why)) => Some(why.to_string()),
                Some(_) => None,
            },
            _ => None,
        };
        if let Some(why) = why {
            report(
                Code::TeamMailboxDead,
                Evidence::fact(attribute::TEAM_MAILBOXES, team).and("because", why),
            );
        }
    }
    findings
}

/// Where `targetAddress` leads, for an audit that has looked at everybody: a finding for the user, and one
/// for those who are its delegates.
///
/// # Errors
///
/// The questions that `view` has no answer to yet; call again when it has.
pub fn redirect(entry: &Entry, view: &impl View) -> Result<Vec<Finding>, Vec<Need>> {
    let asking = Asking::new(view);
    let astray = links::astray(entry, &asking);
    let open = asking.into_open();
    if !open.is_empty() {
        return Err(open);
    }
    let finding = |(code, delegates): (Code, &[Dn]), evidence: &Evidence| Finding {
        code,
        subject: Subject::of(entry),
        delegates: delegates.to_vec(),
        evidence: evidence.clone(),
    };
    let kinds: [(Code, &[Dn]); 2] = [
        (Code::RedirectAstray, &[]),
        (Code::OwnerAstray, &entry.forward_links),
    ];
    Ok(astray.map_or_else(Vec::new, |evidence| {
        kinds
            .into_iter()
            .filter(|(code, delegates)| *code == Code::RedirectAstray || !delegates.is_empty())
            .map(|kind| finding(kind, &evidence))
            .collect()
    }))
}
