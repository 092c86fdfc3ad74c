//! What is asked of the resolver, and what it says.
//!
//! Invariant: every back link of the user is one [`Link`].

use std::fmt;

use crate::dn::Dn;
use crate::entry::Entry;
use crate::finding::{Finding, Subject};
use crate::names::SmtpAddress;
use crate::owner::Stale;
use crate::policy::Policy;
use crate::settings::Outcome;
use crate::view::Need;

/// Whose answer is wanted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Who {
    /// The user with this address, as Outlook asks.
    Address(SmtpAddress),
    /// The object of this name.
    Dn(Dn),
    /// The user with this `legacyExchangeDN`.
    LegacyDn(String),
}

impl Who {
    /// The question that finds the object.
    pub fn need(&self) -> Need {
        match self {
            Self::Address(address) => match address.mailbox() {
                Some(guid) => Need::Mailbox(guid),
                None => Need::Address(address.clone()),
            },
            Self::Dn(dn) => Need::Entry(dn.clone()),
            Self::LegacyDn(legacy) => Need::LegacyDn(legacy.clone()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(address.as_str()),
            Self::Dn(dn) => f.write_str(dn.as_str()),
            Self::LegacyDn(legacy) => f.write_str(legacy),
        }
    }
}

/// A question to the resolver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Whose answer.
    pub who: Who,
    /// How a stale link is treated.
    pub policy: Policy,
    /// How many steps owners are followed to *their* owners (AM-5); 0 asks about the user alone.
    pub follow: u8,
}

/// What Autodiscover answers, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolved {
    /// The user, if there is exactly one.
    pub user: Option<Entry>,
    /// The answer.
    pub outcome: Outcome,
    /// Every back link of the user, in directory order.
    pub links: Vec<Link>,
    /// Everything wrong with the user and the user's links.
    pub findings: Vec<Finding>,
}

/// One value of a delegate's `msExchDelegateListBL`, followed to its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The owner.
    pub owner: Subject,
    /// What became of it.
    pub state: LinkState,
}

/// What a link is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkState {
    /// The owner is a mailbox here; Outlook opens it.
    Live,
    /// The owner is a mailbox in the other half of a hybrid.
    Remote,
    /// The owner is no mailbox; only a write to the owner's forward link removes this value.
    Stale(Stale),
    /// The owner is a mailbox, but its own answer is an error: the names lead to what breaks it.
    FailsItself(Vec<Dn>),
    /// The directory would not tell.
    Unreadable(String),
}
