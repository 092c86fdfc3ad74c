//! The networks from which somebody has proved a password lately.
//!
//! Guessing from anywhere must not keep an account's owner out: its last failure is kept for these networks.
//!
//! Invariant: only a right password adds a network, so guessing changes nothing here; an account has so many
//! networks at most, so no account's owner pushes out the networks of another one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::network::neighbourhood;
use super::records::{SHARDS, Shards, make_room};

/// How long a network stays familiar after a right password.
pub(super) const FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Networks of one account; the one that was used longest ago goes first.
pub(super) const MOST_PLACES: usize = 8;
/// Accounts, or names, whose networks are remembered; with one network each takes about 100 bytes.
const MOST: usize = 131_072;

/// The networks of accounts, or of names.
#[derive(Debug)]
pub(super) struct Familiar(Shards<u64, Vec<Place>>);

#[derive(Debug)]
struct Place {
    network: IpAddr,
    last: Instant,
}

impl Place {
    fn counts(&self, now: Instant) -> bool {
        now < self.last + FOR
    }
}

impl Familiar {
    pub(super) fn new() -> Self {
        Self(Shards::new())
    }

    /// Takes in that a password was right.
    pub(super) fn add(&self, key: u64, from: IpAddr, now: Instant) {
        let Some(mut shard) = self.0.shard(&key) else {
            return;
        };
        if !shard.contains_key(&key) {
            let latest = |places: &Vec<Place>| places.iter().map(|place| place.last).max();
            make_room(&mut shard, MOST / SHARDS, |places| Some(latest(places)));
        }
        let places = shard.entry(key).or_default();
        let network = neighbourhood(from);
        places.retain(|place| place.counts(now) && place.network != network);
        if places.len() >= MOST_PLACES {
            // They stand in the order in which they were used.
            places.remove(0);
        }
        places.push(Place { network, last: now });
    }

    /// Whether a password was right from this network.
    pub(super) fn knows(&self, key: u64, from: IpAddr, now: Instant) -> bool {
        let network = neighbourhood(from);
        self.any(key, |place| place.network == network && place.counts(now))
    }

    /// Whether a password was right from other networks, and from this one none was.
    pub(super) fn is_stranger(&self, key: u64, from: IpAddr, now: Instant) -> bool {
        self.any(key, |place| place.counts(now)) && !self.knows(key, from, now)
    }

    fn any(&self, key: u64, is_meant: impl Fn(&Place) -> bool) -> bool {
        let shard = self.0.shard(&key);
        shard.is_some_and(|shard| {
            let places = shard.get(&key);
            places.is_some_and(|places| places.iter().any(is_meant))
        })
    }
}
