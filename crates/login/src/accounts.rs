//! Where accounts are: the embedded directory or live servers, behind one door.
//!
//! A login is checked in two steps, because the throttle stands between them: a name leads to a
//! [`Candidate`] whether there is such an account or not, and a candidate is proved.
//!
//! Invariant: that a directory could not be asked is told as such, and as nothing else; whether it may
//! have counted a failure is told, too.

use std::sync::Arc;

use anyhow::{Result, bail};
use automend_negotiate::ntlm::Names;
use automend_source::pool::Pool;
use zeroize::Zeroizing;

use super::embedded::Embedded;
use super::name::Login;
use super::servers::Servers;
use super::status::{Guard, Proof, Proved, Trouble};
use super::throttle::{Counted, Limits};

/// Where accounts are.
pub enum Accounts {
    /// The embedded directory.
    Embedded(Embedded),
    /// Servers of one live directory.
    Live(Box<Servers>),
}

/// Whom a login name may mean: an account, or nobody, which is checked all the same.
pub(super) struct Candidate {
    /// Where the failures of the account are counted.
    pub counted: Option<Counted>,
    pub kind: Kind,
}

pub(super) enum Kind {
    Embedded(super::embedded::Candidate),
    Live(super::servers::Candidate),
}

impl Accounts {
    /// Accounts of an embedded directory, checked against its salted hashes.
    pub fn embedded(directory: automend_directory::Directory) -> Self {
        Self::Embedded(Embedded::new(directory))
    }

    /// Accounts of a live directory, checked by binding to the first of its servers that answers.
    ///
    /// # Errors
    ///
    /// A password would go in clear to another machine.
    pub fn live(pool: Arc<Pool>) -> Result<Self> {
        Ok(Self::Live(Box::new(Servers::new(pool)?)))
    }

    /// How many failures are borne.
    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::Embedded(_) => Limits::EMBEDDED,
            Self::Live(servers) => servers.limits(),
        }
    }

    /// Finds whom a name means.
    pub(super) async fn find(&self, login: &Login) -> Result<Candidate, Trouble> {
        let (counted, kind) = match self {
            Self::Embedded(embedded) => {
                let (counted, candidate) = embedded.find(login)?;
                (counted, Kind::Embedded(candidate))
            }
            Self::Live(servers) => {
                let (counted, candidate) = servers.find(login).await?;
                (counted, Kind::Live(candidate))
            }
        };
        Ok(Candidate { counted, kind })
    }

    /// Checks a password.
    pub(super) async fn prove(&self, candidate: &Candidate, password: &str) -> Proof {
        match (self, &candidate.kind) {
            (Self::Embedded(embedded), Kind::Embedded(candidate)) => {
                embedded.prove(candidate, password).await
            }
            (Self::Live(servers), Kind::Live(candidate)) => {
                servers.prove(candidate, password).await
            }
            _ => Proof::Wrong,
        }
    }

    /// Does what checking a password costs, and lets nobody in: a live directory does not learn whose it is.
    /// Nothing is said of the password, which may come again.
    pub(super) async fn feign(&self, candidate: &Candidate, password: &str) -> Proof {
        let proof = match (self, &candidate.kind) {
            (Self::Embedded(embedded), Kind::Embedded(candidate)) => {
                embedded.feign(candidate, password).await
            }
            (Self::Live(servers), _) => servers.feign(password).await,
            _ => Proof::Closed,
        };
        match proof {
            Proof::Right(_) | Proof::Wrong | Proof::Closed => Proof::Closed,
            proof @ (Proof::Unknown(_) | Proof::Unsent(_)) => proof,
        }
    }

    /// The account, where somebody else has proved that it is the one: `None` for nobody and for a
    /// closed account.
    pub(super) fn vouched(&self, candidate: &Candidate) -> Option<Proved> {
        match (self, &candidate.kind) {
            (Self::Embedded(embedded), Kind::Embedded(candidate)) => embedded.vouched(candidate),
            (Self::Live(_), Kind::Live(candidate)) => candidate.vouched(),
            _ => None,
        }
    }

    /// The NT hash of a candidate's password, or one that nobody has; `None` where there are none at all.
    pub(super) fn nt_hash(&self, candidate: &Candidate) -> Option<Zeroizing<[u8; 16]>> {
        match (self, &candidate.kind) {
            (Self::Embedded(_), Kind::Embedded(candidate)) => Some(Embedded::nt_hash(candidate)),
            _ => None,
        }
    }

    /// Whether a proof still holds, as far as can be seen without waiting.
    pub(super) fn holds(&self, guard: &Guard) -> bool {
        match (self, guard) {
            (Self::Embedded(embedded), Guard::Embedded(guard)) => embedded.holds(guard),
            (Self::Live(_), Guard::Live) => true,
            _ => false,
        }
    }

    /// Whether there is anything to check NTLM with.
    pub(super) fn can_do_ntlm(&self) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.can_do_ntlm(),
            Self::Live(_) => bail!(
                "NTLM works with the embedded directory only, as a live one gives its hashes to nobody; \
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
