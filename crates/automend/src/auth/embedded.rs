//! Accounts of the embedded directory.
//!
//! Invariant: a login is refused at once when the account's password, its `userAccountControl`, its
//! expiry or its name change, or when it is gone; nobody finds out by the time a refusal takes whether
//! an account exists.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_core::resolve::Who;
use automend_directory::{Directory, Error, Object, Passwords, Reading};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::Account;
use super::accounts::{Checked, Proved};
use super::login::Login;
use crate::clock;

/// The accounts.
pub(crate) struct Embedded {
    directory: Directory,
    /// Argon2 takes a core and memory for a while; so many run at once.
    checking: Arc<Semaphore>,
    /// Checks that run or wait; beyond [`MOST_WAITING`] they are refused.
    seats: Semaphore,
    hasher: RandomState,
}

/// Checks that may wait for their turn.
const MOST_WAITING: usize = 512;

/// The state of an account at the time it was proved.
#[derive(Debug)]
pub(super) struct Guard {
    id: u64,
    /// A hash over all that a login depends on.
    state: u64,
    /// [`Directory::commits`] when the state was last seen to be this.
    seen: AtomicU64,
}

/// `ADS_UF_ACCOUNTDISABLE` and `ADS_UF_LOCKOUT` ([MS-ADTS] 2.2.16).
const CLOSED: i64 = 0x2 | 0x10;
/// `accountExpires` that says never ([MS-ADA1] 2.1).
const NEVER: [i64; 2] = [0, i64::MAX];
/// Seconds from 1601, where Active Directory's time begins, to 1970.
const EPOCH: i64 = 11_644_473_600;

impl Embedded {
    pub(super) fn new(directory: Directory) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            directory,
            checking: Arc::new(Semaphore::new(cores)),
            seats: Semaphore::new(cores + MOST_WAITING),
            hasher: RandomState::new(),
        }
    }

    pub(super) async fn check(&self, login: &Login, password: &str) -> Checked {
        let Ok(_seat) = self.seats.try_acquire() else {
            return Checked::Busy;
        };
        let commits = self.directory.commits();
        let (found, passwords) = match self.find(login) {
            Ok(found) => found,
            Err(error) => return Checked::Unavailable(error.to_string()),
        };
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let Ok(turn) = Arc::clone(&self.checking).acquire_owned().await else {
            return Checked::Busy;
        };
        let kept = passwords.clone();
        let right = tokio::task::spawn_blocking(move || {
            let right = kept.matches(&password);
            drop(turn);
            right
        });
        let Ok(right) = right.await else {
            return Checked::Unavailable("checking a password broke off".to_owned());
        };
        match found {
            Some(object) if right && is_open(&object) => Checked::Right(Proved {
                account: Arc::new(account(&object)),
                guard: super::accounts::Guard::Embedded(Guard {
                    id: object.id,
                    state: self.state(&object, &passwords),
                    seen: AtomicU64::new(commits),
                }),
            }),
            _ => Checked::Wrong,
        }
    }

    pub(super) fn holds(&self, guard: &Guard) -> bool {
        let commits = self.directory.commits();
        if guard.seen.load(Ordering::Acquire) == commits {
            return true;
        }
        let now = || -> Result<Option<(Object, Passwords)>, Error> {
            let reading = self.directory.read()?;
            let Some(object) = reading.by_id(guard.id)? else {
                return Ok(None);
            };
            Ok(Some((object, reading.passwords(guard.id)?)))
        };
        match now() {
            Ok(Some((object, passwords)))
                if !object.deleted && self.state(&object, &passwords) == guard.state =>
            {
                guard.seen.store(commits, Ordering::Release);
                true
            }
            _ => false,
        }
    }

    /// The account that a login means and what is kept of its passwords, or somebody else's.
    fn find(&self, login: &Login) -> Result<(Option<Object>, Passwords), Error> {
        let reading = self.directory.read()?;
        if let Some(object) = look_up(&reading, login)? {
            let passwords = reading.passwords(object.id)?;
            if !passwords.is_empty() {
                return Ok((Some(object), passwords));
            }
        }
        let decoy = reading.decoy(self.hasher.hash_one(login.key()))?;
        Ok((None, decoy))
    }

    fn state(&self, object: &Object, passwords: &Passwords) -> u64 {
        let rights = [attribute::USER_ACCOUNT_CONTROL, "accountExpires"]
            .map(|name| object.values(name).to_vec());
        self.hasher
            .hash_one((object.dn.as_str(), passwords, rights))
    }
}

/// Whether the account may log in now.
fn is_open(object: &Object) -> bool {
    let number = |name: &str| object.text(name).and_then(|text| text.trim().parse().ok());
    let control: i64 = number(attribute::USER_ACCOUNT_CONTROL).unwrap_or(0);
    let expires: i64 = number("accountExpires").unwrap_or(0);
    let now = clock::now().as_second().saturating_add(EPOCH);
    control & CLOSED == 0 && (NEVER.contains(&expires) || now < expires / 10_000_000)
}

fn account(object: &Object) -> Account {
    let name = object
        .text(attribute::USER_PRINCIPAL_NAME)
        .or_else(|| object.text(attribute::MAIL))
        .or_else(|| object.text(attribute::SAM_ACCOUNT_NAME))
        .unwrap_or(object.dn.as_str());
    Account {
        who: Who::Dn(object.dn.clone()),
        name: name.to_owned(),
    }
}

/// The one account that a login means. A principal name goes before an address, and two accounts that a
/// login could mean equally are none.
fn look_up(reading: &Reading, login: &Login) -> Result<Option<Object>, Error> {
    let mut found = Vec::new();
    let mut take = |name: &str, value: &str| -> Result<(), Error> {
        for object in reading.by_value(name, value.as_bytes())?.take(MOST_ALIKE) {
            found.push(object?);
        }
        Ok(())
    };
    match login {
        Login::Principal { user, domain } => {
            let whole = format!("{user}@{domain}");
            take(attribute::USER_PRINCIPAL_NAME, &whole)?;
            if found.is_empty() {
                let mut take = |name: &str, value: &str| -> Result<(), Error> {
                    for object in reading.by_value(name, value.as_bytes())?.take(MOST_ALIKE) {
                        found.push(object?);
                    }
                    Ok(())
                };
                take(attribute::MAIL, &whole)?;
                take(attribute::PROXY_ADDRESSES, &format!("smtp:{whole}"))?;
            }
        }
        Login::DownLevel { user, domain } => {
            take(attribute::SAM_ACCOUNT_NAME, user)?;
            found.retain(|object| is_domain(&object.dn, domain));
        }
        Login::Bare { user } => take(attribute::SAM_ACCOUNT_NAME, user)?,
    }
    found.sort_by_key(|object| object.id);
    found.dedup_by_key(|object| object.id);
    Ok(match found.len() {
        1 => found.pop(),
        _ => None,
    })
}

/// Objects of one name that are looked at.
const MOST_ALIKE: usize = 16;

/// Whether `domain` is a name of the domain that an object is in: its DNS name, or the first part of it.
fn is_domain(dn: &Dn, domain: &str) -> bool {
    let mut labels = Vec::new();
    let mut at = Some(dn.clone());
    while let Some(name) = at {
        if let Some((_, label)) = name
            .rdn_parts()
            .into_iter()
            .find(|(kind, _)| kind.eq_ignore_ascii_case("dc"))
        {
            labels.push(label);
        }
        at = name.parent();
    }
    let first = labels.first().map_or("", String::as_str);
    first.eq_ignore_ascii_case(domain) || labels.join(".").eq_ignore_ascii_case(domain)
}
