//! Accounts of the embedded directory.
//!
//! Invariant: a login is refused at once when the account's password, its `userAccountControl`, its
//! expiry or its name change, or when it is gone; the time that a refusal takes does not show whether an
//! account exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use automend_core::dn::Dn;
use automend_directory::{Directory, Error, Object, Passwords, Reading};
use automend_negotiate::ntlm::Names;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::account::{AccountStatus, Authenticated, EmbeddedState, Validity, account, keyed_hash};
use super::name::{Claims, Domains, Login, dns_name};
use super::outcome::{Outcome, Unavailable};
use super::slots::Slots;
use super::throttle::CountedAccount;

/// The accounts.
pub struct EmbeddedAccounts {
    directory: Directory,
    /// Argon2 takes a core and memory for a while; so many run at once.
    checking: Arc<Semaphore>,
    /// Checks that run or wait.
    slots: Slots,
    /// Which directory it is: another file counts its commits again.
    instance: u64,
}

/// How many directories there were.
static INSTANCES: AtomicU64 = AtomicU64::new(0);

/// Checks that may wait for their turn.
const MAX_WAITING: usize = 512;
/// Objects that may share a name.
const MAX_NAMESAKES: usize = 32;

/// The account that a name means; where there is none, the password of another one stands for it.
pub(super) struct Candidate {
    /// Where the failures of the account are counted.
    pub counted: Option<CountedAccount>,
    object: Option<Object>,
    /// Shared with the checks under way, so that there is one copy to wipe.
    passwords: Arc<Passwords>,
    /// [`Directory::commits`] before they were read.
    commits: u64,
}

impl EmbeddedAccounts {
    pub(super) fn new(directory: Directory) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            directory,
            checking: Arc::new(Semaphore::new(cores)),
            slots: Slots::new(cores + MAX_WAITING, cores.div_ceil(2)),
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// What a name means.
    pub(super) fn find(&self, login: &Login) -> Result<Candidate, Unavailable> {
        let failed = |error: Error| Unavailable::Directory(error.to_string());
        let commits = self.directory.commits();
        let reading = self.directory.read().map_err(failed)?;
        let (object, passwords) = Self::read(&reading, login).map_err(failed)?;
        let counted = object.as_ref().map(|object| CountedAccount {
            key: keyed_hash(object.dn.as_str()),
            version: state(object, &passwords),
        });
        Ok(Candidate {
            counted,
            object,
            passwords: Arc::new(passwords),
            commits,
        })
    }

    /// The account that a login means and what is kept of its passwords, or of those of another one.
    fn read(reading: &Reading, login: &Login) -> Result<(Option<Object>, Passwords), Error> {
        let mut found = Vec::new();
        for (name, value) in login.values() {
            let objects = match reading.by_value(name, value.as_bytes()) {
                Ok(objects) => objects,
                // What has no index here names no account.
                Err(Error::NotIndexed { .. }) => continue,
                Err(error) => return Err(error),
            };
            for object in objects.take(MAX_NAMESAKES) {
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
        let decoy = reading.decoy(keyed_hash(login.key()))?;
        Ok((None, decoy))
    }

    pub(super) async fn check(
        &self,
        candidate: &Candidate,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        let _slot = self.slots.real().await?;
        self.compare(candidate, password).await
    }

    /// Does what checking a password costs, where there is a slot for it.
    pub(super) async fn decoy_check(
        &self,
        candidate: &Candidate,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        Ok(match self.slots.decoy().await? {
            Some(_slot) => self.compare(candidate, password).await?.of_decoy(),
            None => Outcome::Closed,
        })
    }

    async fn compare(
        &self,
        candidate: &Candidate,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let permit = Arc::clone(&self.checking).acquire_owned().await;
        let permit = permit.map_err(|_| Unavailable::Busy)?;
        let kept = Arc::clone(&candidate.passwords);
        let checked = tokio::task::spawn_blocking(move || {
            let right = kept.matches(&password);
            drop(permit);
            right
        });
        Ok(match checked.await {
            Ok(true) => self
                .authorize(candidate)
                .map_or(Outcome::Wrong, Outcome::Accepted),
            Ok(false) => Outcome::Wrong,
            Err(_) => Outcome::Unknown("checking a password broke off".to_owned()),
        })
    }

    pub(super) fn authorize(&self, candidate: &Candidate) -> Option<Authenticated> {
        let object = candidate.object.as_ref()?;
        if !status(object).is_open() {
            return None;
        }
        Some(Authenticated {
            account: Arc::new(account(&object.dn, |name| object.text(name))),
            validity: Arc::new(Validity::Embedded(EmbeddedState {
                instance: self.instance,
                id: object.id,
                state: state(object, &candidate.passwords),
                seen: AtomicU64::new(candidate.commits),
            })),
        })
    }

    /// The NT hash of a candidate's password, or one that no password has.
    pub(super) fn nt_hash(candidate: &Candidate) -> Zeroizing<[u8; 16]> {
        if let (Some(_), Some(hash)) = (&candidate.object, candidate.passwords.nt_hash()) {
            // A blank password opens nothing, as with Basic.
            if *hash != *automend_negotiate::ntlm::nt_hash("") {
                return Zeroizing::new(*hash);
            }
        }
        let half = |salt: u8| keyed_hash((salt, candidate.commits)).to_ne_bytes();
        let mut hash = Zeroizing::new([0; 16]);
        for (slot, byte) in hash.iter_mut().zip(half(0).into_iter().chain(half(1))) {
            *slot = byte;
        }
        hash
    }

    pub(super) fn still_holds(&self, validity: &EmbeddedState) -> bool {
        if validity.instance != self.instance {
            return false;
        }
        let commits = self.directory.commits();
        if validity.seen.load(Ordering::Acquire) == commits {
            return true;
        }
        let now = || -> Result<Option<(Object, Passwords)>, Error> {
            let reading = self.directory.read()?;
            let Some(object) = reading.by_id(validity.id)? else {
                return Ok(None);
            };
            Ok(Some((object, reading.passwords(validity.id)?)))
        };
        match now() {
            Ok(Some((object, passwords)))
                if !object.deleted && state(&object, &passwords) == validity.state =>
            {
                validity.seen.store(commits, Ordering::Release);
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
    keyed_hash((object.dn.as_str(), passwords, status(object)))
}

fn status(object: &Object) -> AccountStatus {
    AccountStatus::read(|name| object.text(name))
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
