//! Kerberos version 5 (RFC 4120), as far as a login over HTTP or LDAP needs it: a server that accepts tickets
//! with the keys of a keytab, and a client that gets one from a key distribution centre.
//!
//! Encryption types: AES with SHA-1 (RFC 3962) and with SHA-2 (RFC 8009), and RC4 (RFC 4757), with which
//! domain controllers without the updates of 2026 encrypt tickets for accounts that were never told better.
//!
//! Invariant: a ticket is believed only after its integrity was checked with a key of the keytab; times
//! are parameters.

mod accept;
mod ask;
mod cipher;
mod credentials;
mod fields;
mod initiate;
mod kdc_error;
mod kdc_message;
mod keytab;
mod message;
#[cfg(any(test, feature = "mint"))]
mod mint;
mod moment;
mod wrap;

use std::fmt;

use aws_lc_rs::constant_time;
use zeroize::Zeroizing;

#[cfg(test)]
pub(crate) use keytab::tests::write as write_keytab;

pub use accept::{Accepted, Refused, SKEW, accept};
pub use ask::{Ask, Secret, Step, Ticket};
pub use cipher::Encryption;
pub use credentials::{Tickets, read_tickets};
pub use initiate::Proof;
pub use kdc_error::KdcError;
pub use keytab::{Entry, Keytab};
pub use moment::Moment;
pub use wrap::{Context, Protection, Side, WrapError};

/// A principal, which has a key: `jim@CONTOSO.TEST`, `HTTP/mail.contoso.test@CONTOSO.TEST`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Principal {
    /// What kind of name it is (RFC 4120 6.2).
    pub kind: i64,
    /// The parts of its name.
    pub name: Vec<String>,
    /// The realm that knows it.
    pub realm: String,
}

/// A user (RFC 4120 6.2).
pub(crate) const NT_PRINCIPAL: i64 = 1;
/// A service and its instance.
pub(crate) const NT_SRV_INST: i64 = 2;
/// A user by a name that looks like an address (RFC 6806 5).
pub(crate) const NT_ENTERPRISE: i64 = 10;

impl Principal {
    /// Whether it is a name that still has to be looked up, rather than that of an account (RFC 6806 5).
    pub fn is_enterprise(&self) -> bool {
        self.kind == NT_ENTERPRISE
    }

    /// A user's principal. A name with `@` is an enterprise name, which the directory looks up.
    pub fn user(name: &str, realm: &str) -> Self {
        let kind = if name.contains('@') {
            NT_ENTERPRISE
        } else {
            NT_PRINCIPAL
        };
        Self {
            kind,
            name: vec![name.to_owned()],
            realm: realm.to_owned(),
        }
    }

    /// A service on a host.
    pub fn service(service: &str, host: &str, realm: &str) -> Self {
        Self {
            kind: NT_SRV_INST,
            name: vec![service.to_owned(), host.to_owned()],
            realm: realm.to_owned(),
        }
    }

    /// Whether the names are one but for the realm and the kind.
    pub fn is_named_like(&self, other: &Self) -> bool {
        self.name.len() == other.name.len()
            && self
                .name
                .iter()
                .zip(&other.name)
                .all(|(a, b)| a.eq_ignore_ascii_case(b))
    }

    /// Whether this is the ticket-granting service of a realm, and of which.
    pub(crate) fn grants_tickets_of(&self) -> Option<&str> {
        match self.name.as_slice() {
            [service, realm] if service == "krbtgt" => Some(realm),
            _ => None,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name.join("/"), self.realm)
    }
}

/// A key.
#[derive(Clone)]
#[cfg_attr(test, derive(Eq, PartialEq))]
pub struct Key {
    /// What it encrypts with.
    pub encryption: Encryption,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

impl Key {
    /// A key of this many bytes; `None` if it has another number.
    pub fn new(encryption: Encryption, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == encryption.key_bytes()).then(|| Self {
            encryption,
            bytes: Zeroizing::new(bytes.to_vec()),
        })
    }

    /// Whether it is the same key; in a time that tells nothing of where it differs.
    fn is(&self, other: &Self) -> bool {
        self.encryption == other.encryption
            && constant_time::verify_slices_are_equal(&self.bytes, &other.bytes).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.encryption)
    }
}
