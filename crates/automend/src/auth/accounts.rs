//! Where accounts are: the embedded directory or live servers, behind one door.
//!
//! A login is checked in two steps, because the throttle stands between them: a name leads to a
//! [`Candidate`] whether there is such an account or not, and a candidate is proved.
//!
//! Invariant: that a directory could not be asked is told as such, and as nothing else; whether it may
//! have counted a failure is told, too.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, OnceLock};

use anyhow::{Result, bail};
use automend_core::dn::Dn;
use automend_core::resolve::Who;
use automend_negotiate::ntlm::Names;
use zeroize::Zeroizing;

use super::embedded::Embedded;
use super::login::Login;
use super::servers::Servers;
use super::throttle::{Counted, End, Limits};
use super::{Account, EPOCH};
use crate::clock;
use crate::config::{Settings, Url};

/// Where accounts are.
pub(crate) enum Accounts {
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

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The directory could not be asked, for this reason.
    Unavailable(String),
    /// More logins are under way than can be checked at once.
    Busy,
}

/// What came of checking a password.
#[derive(Debug)]
pub(super) enum Proof {
    Right(Proved),
    /// The password is wrong, or there is nobody.
    Wrong,
    /// The account may not log in now, whatever the password is.
    Closed,
    /// The password was sent, and this came instead of an answer.
    Unknown(String),
    /// No password was sent.
    Unsent(Trouble),
}

/// An account that was proved, and how to see whether the proof still holds.
#[derive(Clone, Debug)]
pub(super) struct Proved {
    pub account: Arc<Account>,
    pub guard: Arc<Guard>,
}

/// What a proof depends on.
#[derive(Debug)]
pub(super) enum Guard {
    /// The state of an account of the embedded directory.
    Embedded(super::embedded::Guard),
    /// Nothing that could be seen without asking.
    Live,
}

impl Accounts {
    /// Accounts of an embedded directory, checked against its salted hashes.
    pub(crate) fn embedded(directory: automend_directory::Directory) -> Self {
        Self::Embedded(Embedded::new(directory))
    }

    /// Accounts of a live directory, checked by binding to the first of its servers that answers.
    /// `settings` say who looks names up. A password would go in clear to another machine: an error.
    pub(crate) fn live(settings: &Settings, servers: &[Url]) -> Result<Self> {
        Ok(Self::Live(Box::new(Servers::new(settings, servers)?)))
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
        match self {
            Self::Embedded(embedded) => embedded.find(login),
            Self::Live(servers) => servers.find(login).await,
        }
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

impl Proof {
    /// What the throttle has to know of it.
    pub(super) fn end(&self) -> End {
        match self {
            Self::Right(_) => End::Right,
            Self::Wrong => End::Wrong,
            Self::Closed => End::Closed,
            Self::Unknown(_) => End::Unknown,
            Self::Unsent(_) => End::Unsent,
        }
    }
}

/// A number for something that is the same as long as the process lasts, so that what was counted
/// outlives a reload.
pub(super) fn number(of: impl Hash) -> u64 {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::new).hash_one(of)
}

/// What is read of an account besides its names.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct Rights {
    /// `userAccountControl`.
    pub control: i64,
    /// `accountExpires`.
    pub expires: i64,
}

/// `ADS_UF_ACCOUNTDISABLE` and `ADS_UF_LOCKOUT` ([MS-ADTS] 2.2.16).
const CLOSED: i64 = 0x2 | 0x10;
/// `accountExpires` that says never ([MS-ADA1] 2.1).
const NEVER: [i64; 2] = [0, i64::MAX];

impl Rights {
    /// Takes them from text values.
    pub(super) fn read<'a>(one: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name: &str| one(name).and_then(|text| text.trim().parse().ok());
        Self {
            control: number(automend_core::names::attribute::USER_ACCOUNT_CONTROL).unwrap_or(0),
            expires: number(EXPIRES).unwrap_or(0),
        }
    }

    /// Whether the account may log in now.
    pub(super) fn are_open(self) -> bool {
        let now = clock::now().as_second().saturating_add_unsigned(EPOCH);
        self.control & CLOSED == 0
            && (NEVER.contains(&self.expires) || now < self.expires / 10_000_000)
    }
}

/// `accountExpires`: 100 ns since 1601 ([MS-ADA1] 2.1).
pub(super) const EXPIRES: &str = "accountExpires";

/// The account of an object, called by the first name it has.
pub(super) fn account<'a>(dn: &Dn, one: impl Fn(&str) -> Option<&'a str>) -> Account {
    use automend_core::names::attribute;
    let name = [
        attribute::USER_PRINCIPAL_NAME,
        attribute::MAIL,
        attribute::SAM_ACCOUNT_NAME,
    ]
    .into_iter()
    .find_map(one)
    .unwrap_or(dn.as_str());
    Account {
        who: Who::Dn(dn.clone()),
        name: name.to_owned(),
    }
}
