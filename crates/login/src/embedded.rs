//! Accounts of the embedded directory.
//!
//! Invariant: a login is refused at once when the account's password, its `userAccountControl`, its
//! expiry or its name change, or when it is gone; nobody finds out by the time a refusal takes whether
//! an account exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use automend_core::dn::Dn;
use automend_directory::{Directory, Error, Object, Passwords, Reading};
use automend_negotiate::ntlm::Names;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::name::{Claims, Domains, Login, dns_name};
use super::status::{EmbeddedGuard, Guard, Proof, Proved, Rights, Trouble, account, number};
use super::throttle::Counted;

/// The accounts.
pub struct Embedded {
    directory: Directory,
    /// Argon2 takes a core and memory for a while; so many run at once.
    checking: Arc<Semaphore>,
    /// Checks that run or wait; beyond [`MOST_WAITING`] they are refused.
    seats: Semaphore,
    /// Checks that only take as long as real ones, and must not keep these waiting.
    feigned: Semaphore,
    /// Which directory it is: another file counts its commits anew.
    instance: u64,
}

/// How many directories there were.
static INSTANCES: AtomicU64 = AtomicU64::new(0);

/// Checks that may wait for their turn.
const MOST_WAITING: usize = 512;
/// Objects that may share a name.
const MOST_ALIKE: usize = 32;

/// An account, or nobody with somebody else's password.
pub(super) struct Candidate {
    object: Option<Object>,
    /// Shared with the checks under way, so that there is one copy to wipe.
    passwords: Arc<Passwords>,
    /// [`Directory::commits`] before they were read.
    commits: u64,
}

impl Embedded {
    pub(super) fn new(directory: Directory) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            directory,
            checking: Arc::new(Semaphore::new(cores)),
            seats: Semaphore::new(cores + MOST_WAITING),
            feigned: Semaphore::new(cores.div_ceil(2)),
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Whom a name means, and where the failures of that account are counted.
    pub(super) fn find(&self, login: &Login) -> Result<(Option<Counted>, Candidate), Trouble> {
        let failed = |error: Error| Trouble::Unavailable(error.to_string());
        let commits = self.directory.commits();
        let reading = self.directory.read().map_err(failed)?;
        let (object, passwords) = Self::read(&reading, login).map_err(failed)?;
        let counted = object.as_ref().map(|object| Counted {
            key: number(object.dn.as_str()),
            stamp: state(object, &passwords),
        });
        let candidate = Candidate {
            object,
            passwords: Arc::new(passwords),
            commits,
        };
        Ok((counted, candidate))
    }

    /// The account that a login means and what is kept of its passwords, or somebody else's.
    fn read(reading: &Reading, login: &Login) -> Result<(Option<Object>, Passwords), Error> {
        let mut found = Vec::new();
        for (name, value) in login.values() {
            let objects = match reading.by_value(name, value.as_bytes()) {
                Ok(objects) => objects,
                // What has no index here names nobody.
                Err(Error::NotIndexed { .. }) => continue,
                Err(error) => return Err(error),
            };
            for object in objects.take(MOST_ALIKE) {
                found.push(object?);
            }
        }
        if let Some(object) = login.choose(found, &domains(reading)?) {
            let passwords = reading.passwords(object.id)?;
            // A ticket is proof enough; there is nothing to check a password against.
            if !passwords.is_empty() || matches!(login, Login::Ticket { .. }) {
                return Ok((Some(object), passwords));
            }
        }
        let decoy = reading.decoy(number(login.key()))?;
        Ok((None, decoy))
    }

    pub(super) async fn prove(&self, candidate: &Candidate, password: &str) -> Proof {
        let Ok(_seat) = self.seats.try_acquire() else {
            return Proof::Unsent(Trouble::Busy);
        };
        self.compare(candidate, password).await
    }

    /// Does what checking a password costs, with seats of its own. Where no real check would have a seat, it
    /// is refused as one; where only the own ones are taken, nothing is done, and a refusal comes at its pace.
    pub(super) async fn feign(&self, candidate: &Candidate, password: &str) -> Proof {
        if self.seats.available_permits() == 0 {
            return Proof::Unsent(Trouble::Busy);
        }
        let Ok(_seat) = self.feigned.try_acquire() else {
            return Proof::Closed;
        };
        self.compare(candidate, password).await
    }

    async fn compare(&self, candidate: &Candidate, password: &str) -> Proof {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let Ok(turn) = Arc::clone(&self.checking).acquire_owned().await else {
            return Proof::Unsent(Trouble::Busy);
        };
        let kept = Arc::clone(&candidate.passwords);
        let checked = tokio::task::spawn_blocking(move || {
            let right = kept.matches(&password);
            drop(turn);
            right
        });
        match checked.await {
            Ok(true) => self.vouched(candidate).map_or(Proof::Wrong, Proof::Right),
            Ok(false) => Proof::Wrong,
            Err(_) => Proof::Unknown("checking a password broke off".to_owned()),
        }
    }

    pub(super) fn vouched(&self, candidate: &Candidate) -> Option<Proved> {
        let object = candidate.object.as_ref()?;
        if !rights(object).are_open() {
            return None;
        }
        Some(Proved {
            account: Arc::new(account(&object.dn, |name| object.text(name))),
            guard: Arc::new(Guard::Embedded(EmbeddedGuard {
                instance: self.instance,
                id: object.id,
                state: state(object, &candidate.passwords),
                seen: AtomicU64::new(candidate.commits),
            })),
        })
    }

    /// Somebody without an NT hash gets one that no password has.
    pub(super) fn nt_hash(candidate: &Candidate) -> Zeroizing<[u8; 16]> {
        if let (Some(_), Some(hash)) = (&candidate.object, candidate.passwords.nt_hash()) {
            // A blank password opens nothing, as with Basic.
            if *hash != *automend_negotiate::ntlm::nt_hash("") {
                return Zeroizing::new(*hash);
            }
        }
        let half = |salt: u8| number((salt, candidate.commits)).to_ne_bytes();
        let mut hash = Zeroizing::new([0; 16]);
        for (slot, byte) in hash.iter_mut().zip(half(0).into_iter().chain(half(1))) {
            *slot = byte;
        }
        hash
    }

    pub(super) fn holds(&self, guard: &EmbeddedGuard) -> bool {
        if guard.instance != self.instance {
            return false;
        }
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
                if !object.deleted && state(&object, &passwords) == guard.state =>
            {
                guard.seen.store(commits, Ordering::Release);
                true
            }
            _ => false,
        }
    }

    pub(super) fn can_do_ntlm(&self) -> Result<()> {
        if self.directory.read()?.has_nt_hashes()? {
            return Ok(());
        }
        bail!(
            "NTLM needs the NT hashes of passwords, and the directory in {} keeps none; import the LDIF \
             with --ntlm",
            self.directory.folder().display()
        )
    }

    /// Named after the first domain.
    pub(super) fn names(&self) -> Names {
        let read = || -> Result<Option<(Dn, Domains)>, Error> {
            let reading = self.directory.read()?;
            let head = reading.naming_contexts()?.into_iter().next();
            Ok(head.zip(Some(domains(&reading)?)))
        };
        let Some((head, domains)) = read().ok().flatten() else {
            return Names::default();
        };
        let dns_domain = dns_name(&head);
        Names {
            netbios_domain: domains.short_name(&head),
            netbios_computer: "AUTOMEND".to_owned(),
            dns_computer: format!("automend.{dns_domain}"),
            dns_domain,
        }
    }
}

fn state(object: &Object, passwords: &Passwords) -> u64 {
    number((object.dn.as_str(), passwords, rights(object)))
}

fn rights(object: &Object) -> Rights {
    Rights::read(|name| object.text(name))
}

/// What the directory says of short names.
fn domains(reading: &Reading) -> Result<Domains, Error> {
    let mut domains = Domains::default();
    for head in reading.naming_contexts()? {
        let Ok(partitions) = Dn::parse(&format!("CN=Partitions,{head}")) else {
            continue;
        };
        if !head.rdn().eq_ignore_ascii_case("CN=Configuration") {
            continue;
        }
        // A part of a directory need not have it.
        if reading.object(&partitions)?.is_none() {
            continue;
        }
        for object in reading.subtree(&partitions, automend_directory::Scope::One)? {
            let object = object?;
            if let (Some(short), Some(Ok(head))) = (
                object.text("nETBIOSName"),
                object.text("nCName").map(Dn::parse),
            ) {
                domains.add(short, head);
            }
        }
    }
    Ok(domains)
}

impl Claims for Object {
    fn dn(&self) -> &Dn {
        &self.dn
    }

    fn has(&self, name: &str, lower: &str) -> bool {
        self.holds(name, lower.as_bytes())
    }

    fn is_there(&self, name: &str) -> bool {
        self.text(name).is_some()
    }
}
