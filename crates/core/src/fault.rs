//! Faults: answers that are an error *to Outlook*. A fault is a value, not a failure of ours.
//!
//! Codes: [MS-OXDSCLI] 2.2.4.1.1.3.2 leaves the list open; the messages are those that Exchange sends.

use crate::dn::Dn;
use crate::owner::Stale;

/// An `<Error>` of the POX answer and what made it so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The `ErrorCode`.
    pub code: FaultCode,
    /// What lies behind it; Exchange never says.
    pub cause: Cause,
}

/// An `ErrorCode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultCode {
    /// 500: no such mailbox.
    UnknownAddress,
    /// 600: the request cannot be read.
    InvalidRequest,
    /// 601: no provider answers in the schema that the client accepts.
    NoProvider,
    /// 603: an object that the answer needs cannot be found.
    UserNotFound,
}

impl FaultCode {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::UnknownAddress => 500,
            Self::InvalidRequest => 600,
            Self::NoProvider => 601,
            Self::UserNotFound => 603,
        }
    }

    /// The `Message` that Exchange sends with it; for 601 no capture is known, and the words are those
    /// of other servers.
    pub fn message(self) -> &'static str {
        match self {
            Self::UnknownAddress => "The email address can't be found.",
            Self::InvalidRequest => "Invalid Request",
            Self::NoProvider => "Provider is not available",
            Self::UserNotFound => "The Active Directory user wasn't found.",
        }
    }
}

/// Why the answer is a fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Cause {
    /// No object has the address.
    #[error("no object has this address")]
    UnknownAddress,
    /// Several objects have the address.
    #[error("{} objects have this address", .0.len())]
    DuplicateAddress(Vec<Dn>),
    /// Several objects have the legacy name.
    #[error("{} objects have this legacyExchangeDN", .0.len())]
    DuplicateLegacyDn(Vec<Dn>),
    /// The directory would not tell enough of the user.
    #[error("{user} cannot be judged: {why}")]
    Unreadable {
        /// The user, as far as it is known.
        user: String,
        /// What the directory would not tell.
        why: String,
    },
    /// The user is a mailbox without an address.
    #[error("{0} has no address")]
    NoAddress(Dn),
    /// The object is no mailbox and says of no other place.
    #[error("{0} has no mailbox and no targetAddress that leads to one")]
    NoMailbox(Dn),
    /// A mailbox that has no what Autodiscover needs.
    #[error("{user} is only half a mailbox: {}", .missing.join(", "))]
    HalfMailbox {
        /// The user.
        user: Dn,
        /// The attributes that lack.
        missing: Vec<&'static str>,
    },
    /// One of the user's back links is stale.
    #[error("the link from {owner} is stale: {why}")]
    StaleLink {
        /// The owner.
        owner: Dn,
        /// Why it is no mailbox.
        why: Stale,
    },
}
