//! What becomes of the attributes of a mailbox that is enabled, disabled or connected again.
//!
//! Exchange documents that `Disable-Mailbox` removes "the mailbox's Exchange attributes", and no list of
//! them; docs/mailbox.md says of each attribute how sure we are. The database would keep the mailbox and its
//! permissions; an embedded directory has no database, so the permissions stay where they are.
//!
//! Invariant: `msExchDelegateListLink` is in no list here: as in Exchange, the links stay.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dn::Dn;
use crate::entry::Entry;
use crate::names::{Guid, SmtpAddress, attribute};

/// Every attribute that is written here.
pub const WRITTEN: &[&str] = &[
    attribute::HOME_MDB,
    attribute::HOME_MTA,
    attribute::HOME_SERVER,
    attribute::MAILBOX_GUID,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAIL,
    attribute::MAIL_NICKNAME,
    attribute::PROXY_ADDRESSES,
    attribute::RECIPIENT_TYPE,
    attribute::DISPLAY_TYPE,
    attribute::EXCHANGE_VERSION,
    attribute::WHEN_CREATED,
    attribute::EXCHANGE_ACCOUNT_CONTROL,
    attribute::ADDRESS_LIST_VERSION,
    attribute::POLICIES_INCLUDED,
    attribute::SHOW_IN_ADDRESS_BOOK,
    attribute::DEFAULT_QUOTAS,
    attribute::ARCHIVE_GUID,
    attribute::ARCHIVE_NAME,
    attribute::ARCHIVE_DATABASE,
    attribute::ARCHIVE_STATUS,
    attribute::PREVIOUS_MAILBOX_GUID,
    attribute::PREVIOUS_HOME_MDB,
    attribute::PREVIOUS_RECIPIENT_TYPE,
    attribute::DISABLED_ARCHIVE_GUID,
    attribute::DISABLED_ARCHIVE_DATABASE,
];

/// What `disable` keeps for `connect`: where it stood, and where it is kept.
const KEPT: [(&str, &str); 5] = [
    (attribute::MAILBOX_GUID, attribute::PREVIOUS_MAILBOX_GUID),
    (attribute::HOME_MDB, attribute::PREVIOUS_HOME_MDB),
    (
        attribute::RECIPIENT_TYPE,
        attribute::PREVIOUS_RECIPIENT_TYPE,
    ),
    (attribute::ARCHIVE_GUID, attribute::DISABLED_ARCHIVE_GUID),
    (
        attribute::ARCHIVE_DATABASE,
        attribute::DISABLED_ARCHIVE_DATABASE,
    ),
];

/// What `connect` takes away of what was kept.
const USED: [&str; 3] = [
    attribute::PREVIOUS_MAILBOX_GUID,
    attribute::PREVIOUS_HOME_MDB,
    attribute::PREVIOUS_RECIPIENT_TYPE,
];

/// The version of Exchange that wrote the object: 2013 and later.
const VERSION: &str = "88218628259840";
/// A user mailbox that can be named in permissions: the bit 0x40000000.
const USER_DISPLAY_TYPE: &str = "1073741824";
/// `UserMailbox`.
pub const USER_MAILBOX: i64 = 1;

/// Values by attribute; an attribute without one is not there.
type Values = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// The name of an attribute among [`WRITTEN`]; serde takes what looks borrowed for borrowed.
type Written = &'static str;

/// All values of an attribute among [`WRITTEN`], in the place of others; files have them in base64.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rewritten {
    /// The attribute.
    #[serde(deserialize_with = "writable")]
    pub attribute: Written,
    /// What was read.
    #[serde(serialize_with = "all_to_base64", deserialize_with = "all_from_base64")]
    pub before: Vec<Vec<u8>>,
    /// What takes its place.
    #[serde(serialize_with = "all_to_base64", deserialize_with = "all_from_base64")]
    pub after: Vec<Vec<u8>>,
}

fn writable<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(from)?;
    let known = WRITTEN.iter().find(|known| **known == text);
    known
        .copied()
        .ok_or_else(|| D::Error::custom(format!("{text:?} is no attribute that is ever written")))
}

#[expect(clippy::ptr_arg, reason = "serde calls it with the field")]
fn all_to_base64<S: Serializer>(values: &Vec<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(|value| STANDARD.encode(value)))
}

fn all_from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let values = texts.iter().map(|text| STANDARD.decode(text));
    values.collect::<Result<_, _>>().map_err(D::Error::custom)
}

impl Rewritten {
    /// What brings back the values before.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            attribute: self.attribute,
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }
}

/// A mailbox database, and the server that has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Home {
    /// The database.
    pub database: Dn,
    /// The server, as a legacy name.
    server: String,
    /// What the legacy names of recipients begin with.
    recipients: String,
}

impl Home {
    /// The home that a database gives, by its `legacyExchangeDN`,
    /// `/o=…/ou=…/cn=Configuration/cn=Servers/cn=EX01/cn=Microsoft Private MDB`.
    pub fn of(database: Dn, legacy: &str) -> Option<Self> {
        let (server, _) = legacy.rsplit_once('/')?;
        let (group, _) = server.split_once("/cn=Configuration/")?;
        let recipients = format!("{group}/cn=Recipients/cn=");
        Some(Self {
            database,
            server: server.to_owned(),
            recipients,
        })
    }
}

/// A mailbox that is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mailbox {
    /// Its name in the database.
    pub guid: Guid,
    /// Where it is.
    pub home: Home,
    /// Its primary address.
    pub address: SmtpAddress,
    /// `msExchRecipientTypeDetails`.
    pub kind: i64,
    /// When it was made, as a generalized time; `None` where it was there before.
    pub made: Option<String>,
}

/// The mailbox that `disable` left behind, as far as that is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// Its name in the database.
    pub guid: Option<Guid>,
    /// Its database.
    pub database: Option<Dn>,
    /// Its type.
    pub kind: Option<i64>,
}

impl Left {
    /// What an object that was read with [`WRITTEN`] says.
    pub fn of(user: &Entry) -> Self {
        let value = |name| user.written(name).next();
        let text = |name| value(name).and_then(|value| std::str::from_utf8(value).ok());
        Self {
            guid: value(attribute::PREVIOUS_MAILBOX_GUID)
                .and_then(Guid::from_bytes)
                .filter(|guid| *guid != Guid::NIL),
            database: text(attribute::PREVIOUS_HOME_MDB).and_then(|dn| Dn::parse(dn).ok()),
            kind: text(attribute::PREVIOUS_RECIPIENT_TYPE).and_then(|kind| kind.parse().ok()),
        }
    }
}

impl Entry {
    /// The values of an attribute of [`WRITTEN`].
    pub fn written<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.written.iter().filter(move |(known, _)| *known == name);
        named.map(|(_, value)| value.as_slice())
    }
}

/// What `disable` writes to a mailbox.
pub fn disabled(user: &Entry) -> Vec<Rewritten> {
    let before = values(user);
    let mut after = Values::new();
    for (from, to) in KEPT {
        if let Some(kept) = before.get(from).or_else(|| before.get(to)) {
            after.insert(to, kept.clone());
        }
    }
    difference(&before, &after)
}

/// What `enable` or `connect` writes to a user without a mailbox.
pub fn enabled(user: &Entry, mailbox: &Mailbox) -> Vec<Rewritten> {
    let before = values(user);
    let mut after = before.clone();
    let alias = mailbox
        .address
        .as_str()
        .split('@')
        .next()
        .unwrap_or_default();
    let id = user.guid.unwrap_or(mailbox.guid);
    let id: String = id.to_string().chars().filter(|c| *c != '-').collect();
    let primary = format!("SMTP:{}", mailbox.address);
    let mut addresses: Vec<Vec<u8>> = before
        .get(attribute::PROXY_ADDRESSES)
        .into_iter()
        .flatten()
        .filter(|old| !old.eq_ignore_ascii_case(primary.as_bytes()))
        .map(|old| match old.strip_prefix(b"SMTP:") {
            Some(old) => [b"smtp:".as_slice(), old].concat(),
            None => old.clone(),
        })
        .collect();
    addresses.push(primary.into_bytes());
    after.insert(attribute::PROXY_ADDRESSES, addresses);
    let mut set = |name, value: &[u8]| {
        after.insert(name, vec![value.to_vec()]);
    };
    set(attribute::MAILBOX_GUID, &mailbox.guid.0);
    set(
        attribute::HOME_MDB,
        mailbox.home.database.as_str().as_bytes(),
    );
    set(attribute::HOME_SERVER, mailbox.home.server.as_bytes());
    let legacy = format!("{}{id}-{alias}", mailbox.home.recipients);
    set(attribute::LEGACY_EXCHANGE_DN, legacy.as_bytes());
    set(attribute::MAIL, mailbox.address.as_str().as_bytes());
    set(attribute::MAIL_NICKNAME, alias.as_bytes());
    set(
        attribute::RECIPIENT_TYPE,
        mailbox.kind.to_string().as_bytes(),
    );
    let display: &str = match mailbox.kind {
        16 => "7",
        32 => "8",
        USER_MAILBOX => USER_DISPLAY_TYPE,
        _ => "0",
    };
    set(attribute::DISPLAY_TYPE, display.as_bytes());
    set(attribute::EXCHANGE_VERSION, VERSION.as_bytes());
    match &mailbox.made {
        Some(made) => set(attribute::WHEN_CREATED, made.as_bytes()),
        None => after.retain(|name, _| !USED.contains(name)),
    }
    difference(&before, &after)
}

/// What an object has of [`WRITTEN`].
fn values(user: &Entry) -> Values {
    let with_values = WRITTEN.iter().map(|name| {
        let values: Vec<Vec<u8>> = user.written(name).map(<[u8]>::to_vec).collect();
        (*name, values)
    });
    with_values
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

/// What differs, in the order of [`WRITTEN`].
fn difference(before: &Values, after: &Values) -> Vec<Rewritten> {
    let of = |values: &Values, name| values.get(name).cloned().unwrap_or_default();
    let all = WRITTEN.iter().map(|name| Rewritten {
        attribute: name,
        before: of(before, name),
        after: of(after, name),
    });
    all.filter(|one| one.before != one.after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::{Owner, Stale};

    const LEGACY: &str = "/o=C/ou=G/cn=Configuration/cn=Servers/cn=EX01/cn=Microsoft Private MDB";

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    /// What an object is after it was written to.
    fn after(user: &Entry, all: &[Rewritten]) -> Entry {
        let mut values = values(user);
        for one in all {
            assert_eq!(values.remove(one.attribute).unwrap_or_default(), one.before);
            if !one.after.is_empty() {
                values.insert(one.attribute, one.after.clone());
            }
        }
        let mut entry = Entry::bare(user.dn.clone());
        entry.guid = user.guid;
        entry.forward_links.clone_from(&user.forward_links);
        for (name, values) in &values {
            for value in values {
                entry.take(name, value, &mut Vec::new());
                entry.written.push((name, value.clone()));
            }
        }
        entry
    }

    fn mailbox(guid: u8, address: &str, made: Option<&str>) -> Mailbox {
        Mailbox {
            guid: Guid([guid; 16]),
            home: Home::of(dn("CN=DB01,DC=c"), LEGACY).unwrap(),
            address: SmtpAddress::parse(address).unwrap(),
            kind: 4,
            made: made.map(str::to_owned),
        }
    }

    #[test]
    fn a_mailbox_is_enabled_disabled_with_its_links_left_and_connected_from_what_was_kept() {
        let mut bare = Entry::bare(dn("CN=Jim,DC=c"));
        bare.guid = Some(Guid([9; 16]));
        bare.forward_links = vec![dn("CN=Alice,DC=c")];
        let first = mailbox(7, "jim@c.d", Some("20260101000000.0Z"));
        let jim = after(&bare, &enabled(&bare, &first));
        assert_eq!(Owner::of(&jim), Owner::Mailbox);
        assert_eq!(
            jim.home_server.as_deref(),
            Some("/o=C/ou=G/cn=Configuration/cn=Servers/cn=EX01")
        );
        assert_eq!(
            jim.legacy_dn.as_deref(),
            Some("/o=C/ou=G/cn=Recipients/cn=09090909090909090909090909090909-jim")
        );
        assert_eq!(
            enabled(
                &jim,
                &Mailbox {
                    made: first.made.clone(),
                    ..first.clone()
                }
            ),
            []
        );

        let gone = after(&jim, &disabled(&jim));
        assert_eq!(Owner::of(&gone), Owner::Stale(Stale::Disabled));
        assert_eq!(gone.forward_links, jim.forward_links);
        assert!(gone.addresses().next().is_none());
        let left = Left::of(&gone);
        assert_eq!(
            left,
            Left {
                guid: Some(Guid([7; 16])),
                database: Some(dn("CN=DB01,DC=c")),
                kind: Some(4),
            }
        );
        // Once more changes nothing, and loses nothing of what is kept.
        assert_eq!(disabled(&gone), []);

        let again = after(&gone, &enabled(&gone, &mailbox(7, "jim@c.d", None)));
        assert_eq!(Owner::of(&again), Owner::Mailbox);
        assert_eq!(again.legacy_dn, jim.legacy_dn);
        assert_eq!(Left::of(&again), Left::default());
    }

    #[test]
    fn a_new_primary_address_leaves_the_old_ones_as_others() {
        let mut user = Entry::bare(dn("CN=Jim,DC=c"));
        for old in ["SMTP:old@c.d", "smtp:JIM@c.d", "X500:/o=C/cn=was"] {
            user.written.push((attribute::PROXY_ADDRESSES, old.into()));
        }
        let user = after(&user, &enabled(&user, &mailbox(7, "jim@c.d", None)));
        let expected = ["smtp:old@c.d", "X500:/o=C/cn=was", "SMTP:jim@c.d"];
        assert_eq!(user.proxy_addresses, expected);
    }

    #[test]
    fn a_database_without_a_legacy_name_of_its_server_is_no_home() {
        for legacy in ["", "/", "/o=C/cn=DB01", "DB01", "/o=C/cn=Configuration"] {
            assert_eq!(Home::of(dn("CN=DB01,DC=c"), legacy), None, "{legacy:?}");
        }
    }
}
