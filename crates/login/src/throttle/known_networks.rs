//! The networks from which passwords were right lately, of each account or each name.
//!
//! Guessing from elsewhere must not keep an account's owner out: its last failure is kept for these networks.
//!
//! Invariant: only a right password adds a network, so guessing changes nothing here; the networks of one
//! account are bounded, so that no account pushes out those of another.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::network::neighbourhood;
use super::records::{SHARDS, Shards, make_room};

/// How long a network is known after a right password.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Networks of one account; the one that was used longest ago goes first.
pub(super) const MAX_NETWORKS: usize = 8;
/// Accounts, or names, whose networks are remembered; with one network each takes about 100 bytes.
const MAX_KEYS: usize = 131_072;

/// The networks of accounts, or of names.
#[derive(Debug)]
pub(super) struct KnownNetworks(Shards<u64, Vec<Network>>);

#[derive(Debug)]
struct Network {
    address: IpAddr,
    last: Instant,
}

impl Network {
    fn is_recent(&self, now: Instant) -> bool {
        now < self.last + REMEMBERED_FOR
    }
}

impl KnownNetworks {
    pub(super) fn new() -> Self {
        Self(Shards::new())
    }

    /// Notes that a password was right.
    pub(super) fn add(&self, key: u64, from: IpAddr, now: Instant) {
        let Some(mut shard) = self.0.shard(&key) else {
            return;
        };
        if !shard.contains_key(&key) {
            let latest = |networks: &Vec<Network>| networks.iter().map(|known| known.last).max();
            make_room(&mut shard, MAX_KEYS / SHARDS, |networks| {
                Some(latest(networks))
            });
        }
        let networks = shard.entry(key).or_default();
        let address = neighbourhood(from);
        networks.retain(|known| known.is_recent(now) && known.address != address);
        if networks.len() >= MAX_NETWORKS {
            // They stand in the order in which they were used.
            networks.remove(0);
        }
        networks.push(Network { address, last: now });
    }

    /// Whether a password was right from this network.
    pub(super) fn contains(&self, key: u64, from: IpAddr, now: Instant) -> bool {
        let address = neighbourhood(from);
        self.any(key, |known| {
            known.address == address && known.is_recent(now)
        })
    }

    /// Whether a password was right from other networks, and from this one none was.
    pub(super) fn is_stranger(&self, key: u64, from: IpAddr, now: Instant) -> bool {
        self.any(key, |known| known.is_recent(now)) && !self.contains(key, from, now)
    }

    fn any(&self, key: u64, is_meant: impl Fn(&Network) -> bool) -> bool {
        let shard = self.0.shard(&key);
        shard.is_some_and(|shard| {
            let networks = shard.get(&key);
            networks.is_some_and(|networks| networks.iter().any(is_meant))
        })
    }
}
