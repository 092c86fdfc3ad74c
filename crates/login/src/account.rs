//! An account that a login leads to: whether it may log in, and whether a login that was right still holds.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use automend_core::dn::Dn;
use automend_core::resolve::Who;
use automend_system::clock;

use super::Account;

/// An account that has logged in, and how to see whether that still holds.
#[derive(Clone, Debug)]
pub(super) struct Authenticated {
    pub account: Arc<Account>,
    pub validity: Arc<Validity>,
}

/// What a login depends on.
#[derive(Debug)]
pub(super) enum Validity {
    /// The state of an account of the embedded directory.
    Embedded(EmbeddedState),
    /// Nothing that could be seen without asking.
    Live,
}

/// The state of an account when it logged in.
#[derive(Debug)]
pub(super) struct EmbeddedState {
    pub instance: u64,
    pub id: u64,
    /// A hash over all that a login depends on.
    pub state: u64,
    /// [`Directory::commits`](automend_directory::Directory::commits) when the state was last seen to be this.
    pub seen: AtomicU64,
}

/// What decides whether an account may log in.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct AccountStatus {
    /// `userAccountControl`.
    pub control: i64,
    /// `accountExpires`.
    pub expires: i64,
}

/// `ADS_UF_ACCOUNTDISABLE` and `ADS_UF_LOCKOUT` ([MS-ADTS] 2.2.16).
const CLOSED: i64 = 0x2 | 0x10;

/// `accountExpires` that says never ([MS-ADA1] 2.1).
const NEVER: [i64; 2] = [0, i64::MAX];

impl AccountStatus {
    /// Takes them from text values.
    pub(super) fn read<'a>(one: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name: &str| one(name).and_then(|text| text.trim().parse().ok());
        Self {
            control: number(automend_core::names::attribute::USER_ACCOUNT_CONTROL).unwrap_or(0),
            expires: number(EXPIRES).unwrap_or(0),
        }
    }

    /// Whether the account may log in now.
    pub(super) fn is_open(self) -> bool {
        let now = clock::now()
            .as_second()
            .saturating_add_unsigned(automend_negotiate::FILETIME_EPOCH);
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

/// A number for something that is the same as long as the process lasts, so that what was counted
/// outlives a reload.
pub(super) fn keyed_hash(of: impl Hash) -> u64 {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::new).hash_one(of)
}
