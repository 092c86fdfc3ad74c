//! Which attributes an LDIF file holds at all: what no record has was not exported.

use automend_core::entry::Entry;
use automend_core::names::attribute;
use automend_ldap::ldif::Record;

/// Which of the attributes that decide on owners any record of a file has, as bits.
///
/// One that no record has was surely not exported, so its absence says nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen(u8);

impl Seen {
    /// `legacyExchangeDN`.
    pub const LEGACY: Self = Self(1);
    /// `msExchMailboxGuid`.
    pub const GUID: Self = Self(2);
    /// `homeMDB` or `msExchHomeServerName`.
    pub const HOME: Self = Self(4);
    /// `msExchRecipientTypeDetails` or `msExchRemoteRecipientType`.
    pub const TYPE: Self = Self(8);

    /// `msExchDelegateListLink`.
    pub const LINK: Self = Self(16);
    /// `msExchDelegateListBL`.
    pub const BACK_LINK: Self = Self(32);
    /// A user, by its object class.
    pub const USER: Self = Self(64);

    const NAMES: [(Self, &[&str]); 4] = [
        (Self::LEGACY, &[attribute::LEGACY_EXCHANGE_DN]),
        (Self::GUID, &[attribute::MAILBOX_GUID]),
        (Self::HOME, &[attribute::HOME_MDB, attribute::HOME_SERVER]),
        (
            Self::TYPE,
            &[attribute::RECIPIENT_TYPE, attribute::REMOTE_RECIPIENT_TYPE],
        ),
    ];

    /// Whether any record has it.
    pub(crate) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    /// Whether there is a user: one says so, or has what only recipients have.
    pub(crate) fn has_user(self) -> bool {
        self.0 != 0
    }

    /// Whether an object of the class is a user.
    pub fn is_user(class: &[u8]) -> bool {
        [b"user".as_slice(), b"inetOrgPerson"]
            .iter()
            .any(|known| class.eq_ignore_ascii_case(known))
    }

    /// Adds what a record has.
    pub(crate) fn look(&mut self, record: &Record<'_>) {
        for (one, name) in [
            (Self::LINK, attribute::DELEGATE_LIST_LINK),
            (Self::BACK_LINK, attribute::DELEGATE_LIST_BL),
        ] {
            if !self.has(one) && record.values(name).next().is_some() {
                self.add(one);
            }
        }
        let mut classes = record.values(attribute::OBJECT_CLASS).flatten();
        if !self.has(Self::USER) && classes.any(|class| Self::is_user(&class)) {
            self.add(Self::USER);
        }
        for (one, names) in Self::NAMES {
            let mut has = names
                .iter()
                .map(|name| record.values(name).next().is_some());
            if self.0 & one.0 == 0 && has.any(|has| has) {
                self.add(one);
            }
        }
    }

    /// Adds what another has seen.
    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The names of what no record has and every mailbox needs.
    pub fn lacking(self) -> Option<String> {
        let lacking = Self::NAMES
            .iter()
            .filter(|(one, _)| *one != Self::TYPE && self.0 & one.0 == 0);
        let names: Vec<&str> = lacking
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Marks what this file cannot tell of an object.
    pub fn applied(self, mut entry: Entry) -> Entry {
        for (one, names) in Self::NAMES {
            // The type matters only for what may be a mailbox elsewhere: one that has a part of a
            // mailbox, or sends its mail on.
            let may_be_remote = entry.target_address.is_some() || entry.mailbox_guid.is_some();
            if self.0 & one.0 == 0 && (one != Self::TYPE || may_be_remote) {
                entry.undecided.extend(
                    names
                        .iter()
                        .filter(|name| !entry.undecided.contains(name))
                        .copied()
                        .collect::<Vec<_>>(),
                );
            }
        }
        entry
    }
}
