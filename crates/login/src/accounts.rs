//! Where accounts are: the embedded directory or live servers.
//!
//! A login is checked in two steps, because the throttle stands between them: a name leads to a [`Candidate`]
//! whether there is such an account or not, and a candidate's password is checked.
//!
//! Invariant: that a directory could not be asked is reported as that and as nothing else, and so is whether
//! it may have counted a failure.

use std::sync::Arc;

use anyhow::{Result, bail};
use automend_negotiate::ntlm::Names;
use automend_source::pool::Pool;
use zeroize::Zeroizing;

use super::account::{Authenticated, Validity};
use super::embedded::{self, EmbeddedAccounts};
use super::live::{self, LiveAccounts};
use super::name::Login;
use super::outcome::{Outcome, Unavailable};
use super::throttle::{CountedAccount, Limits};

/// Where accounts are.
pub enum Accounts {
    /// The embedded directory.
    Embedded(EmbeddedAccounts),
    /// Servers of one live directory.
    Live(Box<LiveAccounts>),
}

/// What a login name means; a name without an account is checked all the same.
pub(super) enum Candidate {
    Embedded(embedded::Candidate),
    Live(live::Candidate),
}

impl Candidate {
    /// Where the failures of the account are counted.
    pub(super) fn counted(&self) -> Option<CountedAccount> {
        match self {
            Self::Embedded(candidate) => candidate.counted,
            Self::Live(candidate) => candidate.counted,
        }
    }
}

impl Accounts {
    /// Accounts of an embedded directory, checked against its salted hashes.
    pub fn embedded(directory: automend_directory::Directory) -> Self {
        Self::Embedded(EmbeddedAccounts::new(directory))
    }

    /// Accounts of a live directory, checked by binding to the first of its servers that answers.
    ///
    /// # Errors
    ///
    /// A password would go in clear to another machine.
    pub fn live(pool: Arc<Pool>) -> Result<Self> {
        Ok(Self::Live(Box::new(LiveAccounts::new(pool)?)))
    }

    /// How many failures are let through.
    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::Embedded(_) => Limits::EMBEDDED,
            Self::Live(live) => live.limits(),
        }
    }

    /// Finds what a name means.
    pub(super) async fn find(&self, login: &Login) -> Result<Candidate, Unavailable> {
        Ok(match self {
            Self::Embedded(embedded) => Candidate::Embedded(embedded.find(login)?),
            Self::Live(live) => Candidate::Live(live.find(login).await?),
        })
    }

    /// Checks a password.
    pub(super) async fn check(
        &self,
        candidate: &Candidate,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        match (self, candidate) {
            (Self::Embedded(embedded), Candidate::Embedded(candidate)) => {
                embedded.check(candidate, password).await
            }
            (Self::Live(live), Candidate::Live(candidate)) => live.check(candidate, password).await,
            _ => Ok(Outcome::Wrong),
        }
    }

    /// Does what checking a password costs, and comes to [`Outcome::Closed`] or [`Outcome::Unknown`]: a live
    /// directory does not learn whose password it is.
    pub(super) async fn decoy_check(
        &self,
        candidate: &Candidate,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        match (self, candidate) {
            (Self::Embedded(embedded), Candidate::Embedded(candidate)) => {
                embedded.decoy_check(candidate, password).await
            }
            (Self::Live(live), _) => live.decoy_check(password).await,
            _ => Ok(Outcome::Closed),
        }
    }

    /// The account, where a ticket or an NTLM response has proved who it is: `None` where there is none, or it
    /// is closed.
    pub(super) fn authorize(&self, candidate: &Candidate) -> Option<Authenticated> {
        match (self, candidate) {
            (Self::Embedded(embedded), Candidate::Embedded(candidate)) => {
                embedded.authorize(candidate)
            }
            (Self::Live(_), Candidate::Live(candidate)) => candidate.authorize(),
            _ => None,
        }
    }

    /// The NT hash of a candidate's password, or one that no password has; `None` where there are none at all.
    pub(super) fn nt_hash(&self, candidate: &Candidate) -> Option<Zeroizing<[u8; 16]>> {
        match (self, candidate) {
            (Self::Embedded(_), Candidate::Embedded(candidate)) => {
                Some(EmbeddedAccounts::nt_hash(candidate))
            }
            _ => None,
        }
    }

    /// Whether a login still holds, as far as can be seen without waiting.
    pub(super) fn still_holds(&self, validity: &Validity) -> bool {
        match (self, validity) {
            (Self::Embedded(embedded), Validity::Embedded(state)) => embedded.still_holds(state),
            (Self::Live(_), Validity::Live) => true,
            _ => false,
        }
    }

    /// Whether there is anything to check NTLM with.
    pub(super) fn can_do_ntlm(&self) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.can_do_ntlm(),
            Self::Live(_) => bail!(
                "NTLM works with the embedded directory only, as a live one gives no hashes away; \
                 offer Negotiate"
            ),
        }
    }

    /// What the service calls itself and its domain.
    pub(super) fn names(&self) -> Names {
        match self {
            Self::Embedded(embedded) => embedded.names(),
            Self::Live(_) => Names::default(),
        }
    }
}
