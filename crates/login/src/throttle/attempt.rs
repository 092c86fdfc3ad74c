//! What the throttle is asked, and what it is warned: an attempt, its end, and how many failures are too many.

use std::net::IpAddr;
use std::time::Duration;

use crate::FAILURES_PER_ADDRESS;

/// How many failures are too many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// Failures of one account or under one name, after which it is left alone until `account_window` has
    /// passed since the last.
    pub account: u32,
    /// How long failures of an account are remembered.
    pub account_window: Duration,
    /// Failures from one address (of IPv6, from one /64) within `address_window`; 0 counts none.
    pub address: u32,
    /// How long failures of an address are remembered, from the first on.
    pub address_window: Duration,
    /// How long a password that was refused under a name is refused again without a search.
    pub recheck: Duration,
}

impl Limits {
    /// Before a live directory. Its own policy may make them stricter; see [`Limits::under`].
    pub(crate) const LIVE: Self = Self {
        account: 4,
        account_window: Duration::from_secs(30 * 60),
        address: FAILURES_PER_ADDRESS,
        address_window: Duration::from_secs(5 * 60),
        recheck: Duration::from_secs(10),
    };

    /// Before the embedded directory, which locks no account.
    pub(crate) const EMBEDDED: Self = Self {
        account: 10,
        account_window: Duration::from_secs(10 * 60),
        // A search is cheap, and what changes is to hold at once.
        recheck: Duration::ZERO,
        ..Self::LIVE
    };

    /// Longest wait that a policy can ask for: one that never forgets would close the account for good.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

    /// The limits under a domain's policy: two failures fewer than lock an account, as its owner makes
    /// mistakes elsewhere, too; where three lock it, two, so that one device with an old password keeps no
    /// other out; at least one. A threshold of 0 locks no account.
    pub(crate) fn under(self, threshold: u32, window: Duration) -> Self {
        if threshold == 0 {
            return self;
        }
        let usual = threshold.saturating_sub(2);
        let few = threshold.saturating_sub(1).clamp(1, 2);
        Self {
            account: self.account.min(usual.max(few)),
            account_window: self.account_window.max(window.min(Self::LONGEST)),
            ..self
        }
    }
}

/// Why an attempt does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    /// The same password was wrong before.
    KnownWrong,
    /// Its account has too many failures, which its client must not see: it is refused as a wrong password is,
    /// and that takes as long.
    Withheld,
    /// Its name or its address has too many failures; for so long.
    Wait(Duration),
    /// That depends on attempts that are pending.
    Pending,
}

/// An attempt to log in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The name, as it was sent.
    pub name: u64,
    /// The account that it means, if it means one.
    pub account: Option<CountedAccount>,
    /// A digest of the password, where one was sent.
    pub password: Option<u64>,
    /// Of an address that went through the throttle, only its network.
    pub from: IpAddr,
}

/// An account whose failures are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CountedAccount {
    pub key: u64,
    /// Changes when the password does, or the account is opened or closed, as far as the directory shows it;
    /// failures of another version do not count.
    pub version: u64,
}
