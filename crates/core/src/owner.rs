//! Whether an owner is a mailbox, which is all that AutoMapping hangs on.
//!
//! An owner's `msExchDelegateListLink` names each delegate, and the directory derives the delegate's
//! `msExchDelegateListBL` from it ([MS-ADTS] 3.1.1.1.6). Disabling the owner's mailbox removes its
//! `legacyExchangeDN` and its server but leaves the link, so a delegate may keep back links to objects
//! that are no longer mailboxes. Exchange then answers the *delegate* with error 603 and names no owner;
//! this module names the owner.
//!
//! Invariant: a link is called stale only on attributes that are surely absent, see [`Entry::undecided`].

use crate::claim;
use crate::dn::{hash_text, may_be_deleted};
use crate::entry::{Class, Entry, legacy_name};
use crate::names::{Guid, SmtpAddress, attribute};
use crate::recipient::Residence;

/// What an owner is to Autodiscover.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// A mailbox here: it has all of `legacyExchangeDN`, `msExchMailboxGuid` and a database or server.
    Mailbox,
    /// A mailbox elsewhere, as in the other half of a hybrid; it needs no database here.
    Remote,
    /// No mailbox: every link of this owner is stale.
    Stale(Stale),
    /// These attributes decide, and could not be read.
    Undecided(Vec<&'static str>),
}

/// Why an owner's links are stale.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Stale {
    /// Nothing of a mailbox is left, as after `Disable-Mailbox`, or its GUID alone is gone.
    #[error("its mailbox was disabled or disconnected: it has no msExchMailboxGuid")]
    Disabled,
    /// The object that Outlook would be told to open has no name inside Exchange.
    #[error("it has no legacyExchangeDN")]
    NoLegacyDn,
    /// The object is a mail user, a contact or a group.
    #[error("it is a recipient without a mailbox")]
    NotAMailbox,
    /// Neither `homeMDB` nor `msExchHomeServerName`.
    #[error("it has no mailbox database and no server")]
    NoServer,
    /// No object has this name.
    #[error("no object has this name")]
    Gone,
    /// The name is that of a deleted object, kept by the recycle bin.
    #[error("it is a deleted object")]
    Deleted,
}

impl Owner {
    /// Looks at an owner that was found.
    pub fn of(entry: &Entry) -> Self {
        if entry.dn.is_deleted_object() {
            return Self::Stale(Stale::Deleted);
        }
        if is_remote(entry) || is_kept_elsewhere(entry) {
            return Self::Remote;
        }
        let missing = entry.missing();
        if missing.is_empty() {
            return Self::Mailbox;
        }
        let sure = surely_missing(entry);
        if sure.is_empty() {
            let mut undecided: Vec<_> = missing
                .iter()
                .chain(kind_deciders(entry))
                .copied()
                .filter(|name| entry.undecided.contains(name))
                .collect();
            if may_be_kept_elsewhere(entry) {
                let others = open_of_kept(entry).filter(|name| !missing.contains(name));
                undecided.extend(others);
            }
            Self::Undecided(undecided)
        } else {
            Self::Stale(Stale::of(entry, &sure))
        }
    }

    /// Whether the values of an object show at a glance that it is a mailbox here with a database that is no
    /// deleted object: then [`Owner::of`] says [`Owner::Mailbox`], and the object need not be read any closer.
    ///
    /// `false` says nothing. `values` are all that the object has of [`DECIDING`], named as there, in any
    /// order and beside any others; one that cannot be read is `None`.
    pub fn is_obviously_a_mailbox<V: AsRef<[u8]>>(
        dn: &str,
        values: impl IntoIterator<Item = (&'static str, Option<V>)>,
    ) -> bool {
        if may_be_deleted(dn) {
            return false;
        }
        let (mut legacy, mut guid, mut home) = (false, false, false);
        for (name, value) in values {
            let Some(value) = value.as_ref().map(AsRef::as_ref) else {
                return false;
            };
            let text = || std::str::from_utf8(value).ok();
            let plain = match name {
                attribute::LEGACY_EXCHANGE_DN => {
                    legacy = true;
                    text().and_then(legacy_name).is_some()
                }
                attribute::MAILBOX_GUID => {
                    guid = true;
                    Guid::from_bytes(value).is_some_and(|guid| guid != Guid::NIL)
                }
                attribute::HOME_MDB => {
                    home = true;
                    let name = |text: &str| {
                        !text.trim().is_empty() && !may_be_deleted(text) && hash_text(text).is_ok()
                    };
                    text().is_some_and(name)
                }
                attribute::HOME_SERVER => text().is_some(),
                attribute::RECIPIENT_TYPE => PLAIN_TYPES.contains(&value),
                attribute::REMOTE_RECIPIENT_TYPE => false,
                _ => true,
            };
            if !plain {
                return false;
            }
        }
        legacy && guid && home
    }
}

/// Values of `msExchRecipientTypeDetails` that are mailboxes here for sure: user, linked, shared, room,
/// equipment.
const PLAIN_TYPES: [&[u8]; 5] = [b"1", b"2", b"4", b"16", b"32"];

impl Stale {
    /// Takes only what surely lacks, so that the reason is as sure as the verdict.
    fn of(entry: &Entry, missing: &[&'static str]) -> Self {
        let no_mailbox = missing.contains(&attribute::MAILBOX_GUID);
        let other_recipient = matches!(entry.class, Class::Group | Class::Contact)
            || entry.target_address.is_some() && !is_mailbox_type(entry)
            || entry
                .recipient_type
                .is_some_and(|kind| kind.is_known() && kind.residence() == Residence::Nowhere);
        // A mail user that was moved, or is to be moved, keeps the GUID of its mailbox elsewhere.
        let nowhere = no_mailbox || missing.contains(&attribute::HOME_MDB);
        match () {
            () if nowhere && other_recipient => Self::NotAMailbox,
            () if no_mailbox => Self::Disabled,
            () if missing.contains(&attribute::LEGACY_EXCHANGE_DN) => Self::NoLegacyDn,
            () => Self::NoServer,
        }
    }
}

/// Whether the object is a mailbox in the other half of a hybrid.
///
/// A type that is known says so; without one the flags do, unless the mailbox has a database here: a
/// mailbox here may have its archive there.
pub fn is_remote(entry: &Entry) -> bool {
    if let Some(kind) = entry.recipient_type.filter(|kind| kind.is_known()) {
        return kind.residence() == Residence::Remote;
    }
    let mailbox_there = |flags: i64| flags & (PROVISION_MAILBOX | MIGRATED) != 0;
    entry.home_mdb.is_none() && entry.remote_recipient_type.is_some_and(mailbox_there)
}

/// Flag of `msExchRemoteRecipientType`: a mailbox is made, or was made, in the other half.
const PROVISION_MAILBOX: i64 = 1;
/// Flag of `msExchRemoteRecipientType`: the mailbox was moved to the other half.
const MIGRATED: i64 = 4;

/// Whether the object lost its mailbox here to another system: it keeps the GUID, has no database and no
/// server, and its mail goes to an outside address.
///
/// A staged migration leaves mail users like this ([MS-OXDSCLI] sends them on to `targetAddress`). The
/// mailbox of that GUID most likely exists there, so nothing is called stale.
pub fn is_kept_elsewhere(entry: &Entry) -> bool {
    may_be_kept_elsewhere(entry) && open_of_kept(entry).next().is_none()
}

/// The same, where what could not be read may be anything.
fn may_be_kept_elsewhere(entry: &Entry) -> bool {
    let open = |name| entry.undecided.contains(&name);
    let outside = |target: &SmtpAddress| !claim::is_inside(entry, target);
    let sent_on = match &entry.target_address {
        Some(_) => entry.target().as_ref().is_none_or(outside),
        None => open(attribute::TARGET_ADDRESS),
    };
    sent_on
        && (entry.mailbox_guid.is_some() || open(attribute::MAILBOX_GUID))
        && entry.home_mdb.is_none()
        && entry.home_server.is_none()
}

/// The undecided ones among the attributes that [`is_kept_elsewhere`] looks at.
fn open_of_kept(entry: &Entry) -> impl Iterator<Item = &'static str> {
    const LOOKED_AT: [&str; 4] = [
        attribute::MAILBOX_GUID,
        attribute::HOME_MDB,
        attribute::HOME_SERVER,
        attribute::TARGET_ADDRESS,
    ];
    LOOKED_AT
        .into_iter()
        .filter(|name| entry.undecided.contains(name))
}

/// Whether the object is a recipient whose mail goes elsewhere, and has no mailbox here.
pub fn is_mail_user(entry: &Entry) -> bool {
    entry.target_address.is_some() && entry.home_mdb.is_none() && !is_mailbox_type(entry)
}

fn is_mailbox_type(entry: &Entry) -> bool {
    entry
        .recipient_type
        .is_some_and(|kind| kind.residence() == Residence::Here)
}

/// The attributes that say whether the mailbox is in the other half, as far as they are open.
fn kind_deciders(entry: &Entry) -> &'static [&'static str] {
    let open = entry.undecided.contains(&attribute::RECIPIENT_TYPE);
    match entry.recipient_type.filter(|_| !open) {
        Some(kind) if kind.is_known() => &[],
        Some(_) => &[attribute::REMOTE_RECIPIENT_TYPE],
        None => &[attribute::RECIPIENT_TYPE, attribute::REMOTE_RECIPIENT_TYPE],
    }
}

/// Those of [`Entry::missing`] whose absence is sure; none while it is open whether the mailbox is elsewhere.
pub fn surely_missing(entry: &Entry) -> Vec<&'static str> {
    let open = |names: &[&str]| names.iter().any(|name| entry.undecided.contains(name));
    let kept = may_be_kept_elsewhere(entry) && open_of_kept(entry).next().is_some();
    if open(kind_deciders(entry)) || kept {
        return Vec::new();
    }
    let homes = [attribute::HOME_MDB, attribute::HOME_SERVER];
    let mut sure = entry.missing();
    // Either of the two would do, so both must be known.
    sure.retain(|name| {
        !open(if homes.contains(name) {
            &homes
        } else {
            std::slice::from_ref(name)
        })
    });
    sure
}

/// The short name in a `msExchHomeServerName`: `EX01` of `/o=Org/…/cn=Servers/cn=EX01`.
pub fn server_name(legacy: &str) -> &str {
    legacy.rsplit_once('=').map_or(legacy, |(_, name)| name)
}

/// The attributes that [`Owner::of`] decides on, in addition to the object's name.
pub const DECIDING: &[&str] = &[
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAILBOX_GUID,
    attribute::HOME_MDB,
    attribute::HOME_SERVER,
    attribute::RECIPIENT_TYPE,
    attribute::REMOTE_RECIPIENT_TYPE,
    attribute::TARGET_ADDRESS,
    attribute::OBJECT_CLASS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::Fixture;

    const GUID: &str = "msExchMailboxGuid: guid:6f9619ff-8b86-d011-b42d-00c04fc964ff";
    const NIL: &str = "msExchMailboxGuid: guid:00000000-0000-0000-0000-000000000000";
    const LEGACY: &str = "legacyExchangeDN: /o=C/cn=jim";
    const HOME: &str = "homeMDB: CN=DB1,DC=c";

    #[test]
    fn what_an_owner_lacks_decides() {
        check(&[GUID, LEGACY, HOME], Owner::Mailbox);
        check(
            &[GUID, LEGACY, "msExchHomeServerName: /o=C/cn=EX1"],
            Owner::Mailbox,
        );
        check(
            &[GUID, LEGACY, HOME, "userAccountControl: 514"],
            Owner::Mailbox,
        );
        check(
            &[GUID, LEGACY, HOME, "msExchHideFromAddressLists: TRUE"],
            Owner::Mailbox,
        );
        check(&[], Owner::Stale(Stale::Disabled));
        check(&[LEGACY, HOME], Owner::Stale(Stale::Disabled));
        check(&[GUID, HOME], Owner::Stale(Stale::NoLegacyDn));
        check(
            &[GUID, "legacyExchangeDN: ", HOME],
            Owner::Stale(Stale::NoLegacyDn),
        );
        check(&[GUID, LEGACY], Owner::Stale(Stale::NoServer));
        check(
            &[LEGACY, "targetAddress: SMTP:j@p.example"],
            Owner::Stale(Stale::NotAMailbox),
        );
        check(
            &["msExchRecipientTypeDetails: 128"],
            Owner::Stale(Stale::NotAMailbox),
        );
        check(&["objectClass: group"], Owner::Stale(Stale::NotAMailbox));
        check(&["msExchRecipientTypeDetails: 2147483648"], Owner::Remote);
        check(&["msExchRemoteRecipientType: 4"], Owner::Remote);
    }

    #[test]
    fn a_type_that_nobody_knows_decides_nothing() {
        let unknown = "msExchRecipientTypeDetails: 4611686018427387904";
        check(&[unknown, GUID, LEGACY, HOME], Owner::Mailbox);
        check(&[unknown, "msExchRemoteRecipientType: 4"], Owner::Remote);
        check(&[unknown], Owner::Stale(Stale::Disabled));
    }

    #[test]
    fn flags_of_an_archive_or_of_a_removal_make_no_remote_mailbox() {
        let archive = "msExchRemoteRecipientType: 2";
        check(&[archive, GUID, LEGACY, HOME], Owner::Mailbox);
        check(&[archive], Owner::Stale(Stale::Disabled));
        check(
            &["msExchRemoteRecipientType: 8"],
            Owner::Stale(Stale::Disabled),
        );
        check(
            &["msExchRemoteRecipientType: 3", GUID, LEGACY, HOME],
            Owner::Mailbox,
        );
    }

    #[test]
    fn a_mail_user_is_no_mailbox_even_with_the_guid_of_one() {
        check(
            &["msExchRecipientTypeDetails: 128", GUID, LEGACY],
            Owner::Stale(Stale::NotAMailbox),
        );
        // Mail that is sent on inside the organisation does not make a mailbox a mail user.
        let inside = [
            "msExchRecipientTypeDetails: 1",
            "targetAddress: SMTP:j@c",
            GUID,
            LEGACY,
        ];
        check(&inside, Owner::Stale(Stale::NoServer));
    }

    #[test]
    fn who_keeps_the_guid_and_gets_mail_elsewhere_has_a_mailbox_there() {
        const OUTSIDE: &str = "targetAddress: SMTP:j@p.example";
        for kind in [
            "description: none",
            "msExchRecipientTypeDetails: 128",
            "msExchRecipientTypeDetails: 1",
        ] {
            check(&[kind, OUTSIDE, GUID, LEGACY], Owner::Remote);
            check(&[kind, OUTSIDE, GUID], Owner::Remote);
            check(&[kind, OUTSIDE, GUID, LEGACY, HOME], Owner::Mailbox);
        }
        // An address that is none of SMTP leads out, too.
        check(
            &["targetAddress: X400:c=us;a= ;p=C;s=J;", GUID, LEGACY],
            Owner::Remote,
        );
        // What could not be read may be just that.
        let hidden = |name: &'static str| Owner::Undecided(vec![name]);
        check(
            &[GUID, LEGACY, "undecided: targetAddress"],
            hidden(attribute::TARGET_ADDRESS),
        );
        check(
            &[GUID, OUTSIDE, "undecided: homeMDB"],
            hidden(attribute::HOME_MDB),
        );
        check(
            &[LEGACY, OUTSIDE, "undecided: msExchMailboxGuid"],
            hidden(attribute::MAILBOX_GUID),
        );
        // Without the GUID there is no mailbox to look for.
        check(&[OUTSIDE, LEGACY], Owner::Stale(Stale::NotAMailbox));
        check(&[OUTSIDE, LEGACY, NIL], Owner::Stale(Stale::NotAMailbox));
    }

    #[test]
    fn values_that_mean_nothing_are_absent() {
        check(&[NIL, LEGACY, HOME], Owner::Stale(Stale::Disabled));
        check(&[NIL], Owner::Stale(Stale::Disabled));
        for name in ["ADCDisabledMail", "", " ", "/", "o=C/cn=jim"] {
            let legacy = format!("legacyExchangeDN: {name}");
            check(&[GUID, HOME, &legacy], Owner::Stale(Stale::NoLegacyDn));
        }
        check(
            &[GUID, LEGACY, "homeMDB: ", "msExchHomeServerName: "],
            Owner::Stale(Stale::NoServer),
        );
        check(
            &[LEGACY, HOME, NIL, "targetAddress: "],
            Owner::Stale(Stale::Disabled),
        );
    }

    #[test]
    fn what_could_not_be_read_is_never_called_stale() {
        let guid = attribute::MAILBOX_GUID;
        check(
            &[LEGACY, HOME, "undecided: msExchMailboxGuid"],
            Owner::Undecided(vec![guid]),
        );
        // One sure lack is enough, and it alone is the reason.
        check(
            &[HOME, "undecided: msExchMailboxGuid"],
            Owner::Stale(Stale::NoLegacyDn),
        );
        check(
            &[GUID, LEGACY, "undecided: homeMDB"],
            Owner::Undecided(vec![attribute::HOME_MDB]),
        );
        check(
            &[GUID, HOME, "undecided: msExchRecipientTypeDetails"],
            Owner::Undecided(vec![attribute::RECIPIENT_TYPE]),
        );
    }

    #[test]
    fn a_deleted_object_is_no_mailbox_whatever_it_still_has() {
        let dn = crate::dn::Dn::parse(r"CN=Jim\0ADEL:1,CN=Deleted Objects,DC=c").unwrap();
        let entry = Entry {
            legacy_dn: Some("/o=C".into()),
            ..Entry::bare(dn)
        };
        assert_eq!(Owner::of(&entry), Owner::Stale(Stale::Deleted));
    }

    #[test]
    fn a_whole_mailbox_shows_at_a_glance_and_nothing_less_does() {
        const DN: &str = "CN=Jim,DC=c";
        let guid = [7; 16];
        let whole: [(&'static str, &[u8]); 4] = [
            (attribute::LEGACY_EXCHANGE_DN, b"/o=C/cn=jim"),
            (attribute::MAILBOX_GUID, &guid),
            (attribute::HOME_MDB, b"CN=DB1,DC=c"),
            (attribute::RECIPIENT_TYPE, b"4"),
        ];
        assert!(is_obvious(DN, &whole));
        assert!(is_obvious(r"CN=Stone\, Jim,DC=c", &whole));
        assert!(is_obvious(DN, &whole[..3]), "the type may lack");
        for lacks in 0..3 {
            let mut part = whole.to_vec();
            part.remove(lacks);
            assert!(!is_obvious(DN, &part), "without {}", whole[lacks].0);
        }
        assert!(!is_obvious(
            r"CN=Jim\0ADEL:1,CN=Deleted Objects,DC=c",
            &whole
        ));
        for (name, value) in [
            (attribute::LEGACY_EXCHANGE_DN, b"/".as_slice()),
            (attribute::HOME_MDB, br"CN=DB1\0ADEL:1,DC=c"),
            (attribute::REMOTE_RECIPIENT_TYPE, b"4"),
            (attribute::RECIPIENT_TYPE, b"128"),
        ] {
            let values = [whole.as_slice(), &[(name, value)]].concat();
            assert!(!is_obvious(DN, &values), "{name}");
        }
        let unread = whole.iter().map(|(name, _)| (*name, None::<&[u8]>));
        assert!(!Owner::is_obviously_a_mailbox(DN, unread));
    }

    fn is_obvious(dn: &str, values: &[(&'static str, &[u8])]) -> bool {
        let values = values.iter().map(|(name, value)| (*name, Some(*value)));
        Owner::is_obviously_a_mailbox(dn, values)
    }

    #[track_caller]
    fn check(lines: &[&str], expected: impl Into<Owner>) {
        let fixture = Fixture::parse(&format!("dn: CN=Jim,DC=c\n{}", lines.join("\n")));
        assert_eq!(
            Owner::of(&fixture.entries()[0]),
            expected.into(),
            "{lines:?}"
        );
    }
}
