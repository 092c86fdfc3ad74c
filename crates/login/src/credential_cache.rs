//! Logins that were right a moment ago, so that a client that asks again costs nothing.
//!
//! What is kept of the credentials is a keyed digest (HMAC-SHA-256) under a key that this process made for
//! itself: memory without the key shows nothing, and a search of a dump does not find the password.
//!
//! Invariant: an entry is used for [`TTL`] at most, and only as long as the login's validity holds; the number
//! of entries is bounded. No lock is held across a wait.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use aws_lc_rs::{constant_time, hmac, rand};
use quick_cache::sync::Cache;

use super::account::Authenticated;

/// How long a login is believed without asking the directory again. For that time a password that was changed
/// in a live directory, or an account that was locked there, can still log in.
pub(crate) const TTL: Duration = Duration::from_secs(120);

/// Logins that are kept; at about 150 bytes each.
const MAX_ENTRIES: usize = 131_072;

/// The logins.
pub(super) struct CredentialCache {
    key: hmac::Key,
    entries: Cache<u64, Entry>,
}

/// Credentials as a keyed digest.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

#[derive(Clone)]
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
            entries: Cache::new(MAX_ENTRIES),
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
        let entry = self.entries.get(&digest.key())?;
        let same = constant_time::verify_slices_are_equal(&entry.digest.0, &digest.0).is_ok();
        (same && now < entry.until).then_some(entry.login)
    }

    /// Keeps that these credentials were right.
    pub(super) fn keep(&self, digest: Digest, login: Authenticated, now: Instant) {
        let until = now + TTL;
        let entry = Entry {
            digest,
            until,
            login,
        };
        self.entries.insert(digest.key(), entry);
    }

    /// Forgets one login.
    pub(super) fn forget(&self, digest: &Digest) {
        self.entries.remove(&digest.key());
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
