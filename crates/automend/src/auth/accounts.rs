//! Where accounts are, and whether a password is right: the embedded directory or live servers.
//!
//! Invariant: that a directory could not be asked is told as such, and as nothing else.

use std::sync::Arc;

use super::Account;
use super::embedded::Embedded;
use super::login::Login;

/// Where accounts are.
pub(crate) enum Accounts {
    /// The embedded directory.
    Embedded(Embedded),
}

/// What became of a password.
pub(super) enum Checked {
    /// It is right.
    Right(Proved),
    /// No such user, wrong password, disabled account: to the client all the same.
    Wrong,
    /// The directory could not be asked, for this reason.
    Unavailable(String),
    /// More logins are under way than this machine can check at once.
    Busy,
}

/// An account that was proved, and how to see whether the proof still holds.
#[derive(Debug)]
pub(super) struct Proved {
    pub account: Arc<Account>,
    pub guard: Guard,
}

/// What a proof depends on.
#[derive(Debug)]
pub(super) enum Guard {
    /// The state of an account of the embedded directory.
    Embedded(super::embedded::Guard),
}

impl Accounts {
    /// Accounts of an embedded directory, checked against its salted hashes.
    pub(crate) fn embedded(directory: automend_directory::Directory) -> Self {
        Self::Embedded(Embedded::new(directory))
    }

    /// Checks a password.
    pub(super) async fn check(&self, login: &Login, password: &str) -> Checked {
        match self {
            Self::Embedded(embedded) => embedded.check(login, password).await,
        }
    }

    /// Whether a proof still holds, as far as can be seen without waiting.
    pub(super) fn holds(&self, guard: &Guard) -> bool {
        match (self, guard) {
            (Self::Embedded(embedded), Guard::Embedded(guard)) => embedded.holds(guard),
        }
    }
}
