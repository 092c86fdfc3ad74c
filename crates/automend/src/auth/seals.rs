//! Kerberos logins that came a moment ago (RFC 4120 3.2.3): the same message twice is a copy.
//!
//! Invariant: a seal is remembered until its login would be too old anyway; the number is bounded, and
//! when there is no room, the login that ends first is forgotten.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use automend_negotiate::kerberos::Moment;

use super::throttle::make_room;

/// Seals remembered, each for ten minutes at most.
const MOST: usize = 131_072;

/// The seals.
#[derive(Debug, Default)]
pub(super) struct Seals(Mutex<HashMap<[u8; 32], Moment>>);

impl Seals {
    /// Remembers a seal, and says whether it is new.
    pub(super) fn is_new(&self, seal: [u8; 32], ends: Moment, now: Moment) -> bool {
        let mut seals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seals.get(&seal).is_some_and(|ends| now <= *ends) {
            return false;
        }
        make_room(&mut seals, MOST, |ends| Some(*ends));
        seals.insert(seal, ends);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_until_it_would_be_too_old() {
        let (seals, at) = (Seals::default(), Moment::at);
        assert!(seals.is_new([1; 32], at(300), at(0)));
        assert!(seals.is_new([2; 32], at(300), at(0)));
        assert!(!seals.is_new([1; 32], at(300), at(300)));
        assert!(seals.is_new([1; 32], at(301), at(301)));
    }
}
