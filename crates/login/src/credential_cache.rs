//! Logins that were right a moment ago, so that a client that asks again costs nothing.
//!
//! What is kept of the credentials is a keyed digest (HMAC-SHA-256) under a key that this process made for
//! itself: memory without the key shows nothing, and a search of a dump does not find the password.
//!
//! Invariant: an entry is used for [`TTL`] at most, and only as long as the login's validity holds; the number
//! of entries is bounded. No lock is held across a wait.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use aws_lc_rs::{constant_time, hmac, rand};

use super::account::Authenticated;
use super::throttle::make_room;

/// How long a login is believed without asking the directory again. For that time a password that was changed
/// in a live directory, or an account that was locked there, can still log in.
pub(crate) const TTL: Duration = Duration::from_secs(120);

/// Logins that are kept; at about 150 bytes each.
const MAX_ENTRIES: usize = 131_072;
const SHARDS: usize = 64;

/// The logins.
pub(super) struct CredentialCache {
    key: hmac::Key,
    shards: Vec<RwLock<HashMap<u64, Entry>>>,
}

/// Credentials as a keyed digest.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

struct Entry {
    digest: Digest,
    until: Instant,
    login: Authenticated,
}

impl CredentialCache {
    pub(super) fn new() -> Result<Self> {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        rand::fill(secret.as_mut()).map_err(|_| anyhow!("the system gives no random numbers"))?;
        Ok(Self::under(hmac::Key::new(
            hmac::HMAC_SHA256,
            secret.as_ref(),
        )))
    }

    /// An empty one, whose digests are the same.
    pub(super) fn emptied(&self) -> Self {
        Self::under(self.key.clone())
    }

    fn under(key: hmac::Key) -> Self {
        Self {
            key,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    /// The digest of what a client sent.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Digest(digest)
    }

    /// The account of these credentials.
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Authenticated> {
        let shard = self.shard(digest)?;
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.get(&digest.key())?;
        let same = constant_time::verify_slices_are_equal(&entry.digest.0, &digest.0).is_ok();
        (same && now < entry.until).then(|| entry.login.clone())
    }

    /// Keeps that these credentials were right.
    pub(super) fn keep(&self, digest: Digest, login: Authenticated, now: Instant) {
        let Some(shard) = self.shard(&digest) else {
            return;
        };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut shard, MAX_ENTRIES / SHARDS, |entry| Some(entry.until));
        let entry = Entry {
            digest,
            until: now + TTL,
            login,
        };
        shard.insert(digest.key(), entry);
    }

    /// Forgets one login.
    pub(super) fn forget(&self, digest: &Digest) {
        if let Some(shard) = self.shard(digest) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.remove(&digest.key());
        }
    }

    fn shard(&self, digest: &Digest) -> Option<&RwLock<HashMap<u64, Entry>>> {
        let [.., last] = digest.0;
        self.shards.get(usize::from(last) % SHARDS)
    }
}

impl Digest {
    /// Any eight bytes of a keyed digest are as good as random.
    pub(super) fn key(&self) -> u64 {
        self.0
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}
