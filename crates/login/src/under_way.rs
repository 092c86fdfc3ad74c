//! Logins under way, so that one that comes several times at once is checked once.
//!
//! Thunderbird and Evolution ask all hosts of a domain at the same time with the same login. Three wrong
//! passwords that are one would count as three failures, and lock an account that bears four.
//!
//! Invariant: only logins that somebody waits for are held.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::remembered::Digest;

/// A login's turn: whoever has locked it checks the login, and others wait for what comes of it.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// The logins.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<u64, Weak<Turn>>>);

impl UnderWay {
    /// The turn of a login.
    pub(super) fn turn(&self, login: &Digest) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&login.key()).and_then(Weak::upgrade) {
            return turn;
        }
        // Before the table grows, so that this costs little for each login.
        if turns.len() == turns.capacity() {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(login.key(), Arc::downgrade(&turn));
        turn
    }
}
