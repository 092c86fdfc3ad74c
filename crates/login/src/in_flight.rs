//! Logins in flight, so that one that comes several times at once is checked once.
//!
//! Thunderbird and Evolution ask all hosts of a domain at the same time with the same login. Three wrong
//! passwords that are one would count as three failures, and lock an account whose limit is four.
//!
//! Invariant: only logins that a request waits for are held.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::credential_cache::Digest;

/// The lock of each login.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<u64, Weak<tokio::sync::Mutex<()>>>>);

impl InFlight {
    /// Waits until no other request checks the same login.
    pub(super) async fn lock(&self, login: &Digest) -> OwnedMutexGuard<()> {
        self.of(login).lock_owned().await
    }

    fn of(&self, login: &Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&login.key()).and_then(Weak::upgrade) {
            return lock;
        }
        // Before the table grows, so that this costs little for each login.
        if locks.len() == locks.capacity() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(login.key(), Arc::downgrade(&lock));
        lock
    }
}
