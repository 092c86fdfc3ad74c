//! Kerberos logins that came a moment ago (RFC 4120 3.2.3): the same message twice is a replay.
//!
//! Invariant: a seal is kept until its login would be too old anyway; the number is bounded, and while there is
//! no room, no new login is accepted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use automend_negotiate::kerberos::Moment;

/// Seals that are kept, each for ten minutes at most; at about 60 bytes each.
const MAX_SEALS: usize = 524_288;

/// The seals.
#[derive(Debug)]
pub(super) struct ReplayCache {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    seals: HashMap<[u8; 32], Moment>,
    /// When those that have ended were last removed.
    swept: Moment,
}

/// What became of a seal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Added {
    New,
    /// It was there.
    Replay,
    /// It was not added, as too many are kept.
    NoRoom,
}

impl Default for ReplayCache {
    fn default() -> Self {
        Self::with_room_for(MAX_SEALS)
    }
}

impl ReplayCache {
    fn with_room_for(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::new(Kept {
                seals: HashMap::new(),
                swept: Moment::at(0),
            }),
        }
    }

    /// Keeps a seal until `ends`.
    pub(super) fn add(&self, seal: [u8; 32], ends: Moment, now: Moment) -> Added {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { seals, swept } = &mut *kept;
        if seals.get(&seal).is_some_and(|ends| now <= *ends) {
            return Added::Replay;
        }
        // Once a second at most: looking at all of them takes a while.
        if seals.len() >= self.most && swept.seconds != now.seconds {
            seals.retain(|_, ends| now <= *ends);
            *swept = now;
        }
        if seals.len() >= self.most {
            return Added::NoRoom;
        }
        seals.insert(seal, ends);
        Added::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_until_it_would_be_too_old() {
        let (seals, at) = (ReplayCache::default(), Moment::at);
        assert_eq!(seals.add([1; 32], at(300), at(0)), Added::New);
        assert_eq!(seals.add([2; 32], at(300), at(0)), Added::New);
        assert_eq!(seals.add([1; 32], at(300), at(300)), Added::Replay);
        assert_eq!(seals.add([1; 32], at(301), at(301)), Added::New);
    }

    #[test]
    fn a_flood_of_tickets_makes_no_copy_good_again() {
        let (seals, at) = (ReplayCache::with_room_for(3), Moment::at);
        for n in 1..=3 {
            assert_eq!(seals.add([n; 32], at(300), at(0)), Added::New);
        }
        for n in 4..=9 {
            assert_eq!(seals.add([n; 32], at(300), at(100)), Added::NoRoom);
        }
        for n in 1..=3 {
            assert_eq!(seals.add([n; 32], at(300), at(300)), Added::Replay);
        }
        assert_eq!(seals.add([4; 32], at(700), at(301)), Added::New);
    }
}
