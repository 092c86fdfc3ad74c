//! Failures are counted, and further ones kept away from the directory, so that guessing through this
//! program locks nobody out and leads nowhere. What it does not cover yet is in `docs/logins.md`.
//!
//! Active Directory locks an account when `lockoutThreshold` wrong passwords came with less than
//! `lockOutObservationWindow` between them ([MS-ADTS] 3.1.1.5.1.3 badPwdCount). So the count here is kept the
//! same way, and stops earlier. A wrong password that comes again is refused without asking: a telephone
//! that goes on with yesterday's password costs one failure a window.
//!
//! Invariant: failures that are under way count as if they had happened; memory is bounded, and a flood
//! of names that don't exist pushes out no record of one that does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many failures are too many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// Failures of one account, after which it is left alone until `account_window` has passed since the
    /// last.
    pub account: u32,
    /// How long failures of an account are remembered.
    pub account_window: Duration,
    /// Failures from one address (of IPv6, from one /64) within `address_window`.
    pub address: u32,
    /// How long failures of an address are remembered, from the first on.
    pub address_window: Duration,
}

impl Limits {
    /// Before a live directory. Its own policy may make them stricter; see [`Limits::under`].
    pub(crate) const LIVE: Self = Self {
        account: 4,
        account_window: Duration::from_secs(30 * 60),
        address: 100,
        address_window: Duration::from_secs(5 * 60),
    };

    /// Before the embedded directory, which locks nobody out.
    pub(crate) const EMBEDDED: Self = Self {
        account: 10,
        account_window: Duration::from_secs(10 * 60),
        ..Self::LIVE
    };

    /// The limits under a domain's policy: two failures fewer than lock an account, as its owner makes
    /// mistakes elsewhere, too; at least one. A threshold of 0 locks nobody.
    pub(crate) fn under(self, threshold: u32, window: Duration) -> Self {
        if threshold == 0 {
            return self;
        }
        Self {
            account: self.account.min(threshold.saturating_sub(2)).max(1),
            account_window: self.account_window.max(window),
            ..self
        }
    }
}

/// The counts.
#[derive(Debug)]
pub(super) struct Throttle {
    limits: Mutex<Limits>,
    known: Shards<Key, Failures>,
    unknown: Shards<Key, Failures>,
    addresses: Shards<IpAddr, Burst>,
}

/// Whom an attempt is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Key {
    /// An account of the directory.
    Known(u64),
    /// A name that no account has.
    Unknown(u64),
}

/// What becomes of an attempt.
#[derive(Debug)]
pub(super) enum Entry {
    /// It may reach the directory; settle the ticket afterwards.
    Go(Ticket),
    /// This password was wrong before; there is no need to ask.
    KnownWrong,
    /// Too many failures; for so long.
    Wait(Duration),
}

/// An attempt under way. Dropped without [`Ticket::settle`], it never was.
#[derive(Debug)]
pub(super) struct Ticket {
    throttle: Arc<Throttle>,
    key: Key,
    from: IpAddr,
    password: Option<u64>,
    settled: bool,
}

/// Failures of one account.
#[derive(Debug)]
struct Failures {
    count: u32,
    under_way: u32,
    last: Instant,
    /// What the directory said of the account at the time.
    stamp: u64,
    /// Digests of passwords that were wrong.
    wrong: Vec<u64>,
}

/// Failures of one address.
#[derive(Debug)]
struct Burst {
    count: u32,
    since: Instant,
}

const SHARDS: usize = 16;
/// Records in each of the three tables; the largest have about 200 bytes.
const MOST: usize = 65_536;

impl Throttle {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits: Mutex::new(limits),
            known: Shards::new(),
            unknown: Shards::new(),
            addresses: Shards::new(),
        }
    }

    /// Other limits from now on.
    pub(super) fn set(&self, limits: Limits) {
        *locked(&self.limits) = limits;
    }

    /// How long an address has to wait before anything of it is looked at.
    pub(super) fn address(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let limits = *locked(&self.limits);
        let from = network(from);
        let shard = self.addresses.shard(&from)?;
        let burst = shard.get(&from)?;
        let end = burst.since + limits.address_window;
        (burst.count >= limits.address && now < end).then(|| end.saturating_duration_since(now))
    }

    /// Asks whether an attempt may reach the directory. `stamp` changes whenever the account's password
    /// or its state does, which forgives everything; `password` is a digest of what was sent, where there is one.
    pub(super) fn enter(
        self: &Arc<Self>,
        key: Key,
        stamp: u64,
        password: Option<u64>,
        from: IpAddr,
        now: Instant,
    ) -> Entry {
        let limits = *locked(&self.limits);
        let ticket = || Ticket {
            throttle: Arc::clone(self),
            key,
            from: network(from),
            password,
            settled: false,
        };
        let Some(mut shard) = self.table(key).shard(&key) else {
            return Entry::Wait(limits.account_window);
        };
        let over = |failures: &Failures| {
            failures.under_way == 0 && failures.last + limits.account_window <= now
        };
        if let Some(failures) = shard.get_mut(&key) {
            if over(failures) || failures.stamp != stamp {
                failures.count = 0;
                failures.stamp = stamp;
                failures.wrong.clear();
            }
            if password.is_some_and(|password| failures.wrong.contains(&password)) {
                return Entry::KnownWrong;
            }
            if failures.count + failures.under_way >= limits.account {
                let end = failures.last + limits.account_window;
                // Those under way may turn out to be right.
                let wait = if failures.count >= limits.account {
                    end.saturating_duration_since(now)
                } else {
                    Duration::from_secs(1)
                };
                return Entry::Wait(wait.max(Duration::from_secs(1)));
            }
            failures.under_way += 1;
            return Entry::Go(ticket());
        }
        let room = make_room(&mut shard, MOST / SHARDS, |failures| {
            (failures.under_way == 0).then_some(failures.last)
        });
        if !room {
            return Entry::Wait(Duration::from_secs(1));
        }
        shard.insert(
            key,
            Failures {
                count: 0,
                under_way: 1,
                last: now,
                stamp,
                wrong: Vec::new(),
            },
        );
        Entry::Go(ticket())
    }

    fn table(&self, key: Key) -> &Shards<Key, Failures> {
        match key {
            Key::Known(_) => &self.known,
            Key::Unknown(_) => &self.unknown,
        }
    }

    fn blame(&self, from: IpAddr, now: Instant) {
        let window = locked(&self.limits).address_window;
        let Some(mut shard) = self.addresses.shard(&from) else {
            return;
        };
        if !shard.contains_key(&from) {
            make_room(&mut shard, MOST / SHARDS, |burst| Some(burst.count));
        }
        let burst = shard.entry(from).or_insert(Burst {
            count: 0,
            since: now,
        });
        if burst.since + window <= now {
            *burst = Burst {
                count: 0,
                since: now,
            };
        }
        burst.count = burst.count.saturating_add(1);
    }
}

impl Ticket {
    /// Tells how the attempt ended.
    pub(super) fn settle(mut self, right: bool, now: Instant) {
        self.settled = true;
        if let Some(mut shard) = self.throttle.table(self.key).shard(&self.key) {
            if let Some(failures) = shard.get_mut(&self.key) {
                failures.under_way = failures.under_way.saturating_sub(1);
                if right {
                    failures.count = 0;
                    failures.wrong.clear();
                } else {
                    failures.count = failures.count.saturating_add(1);
                    failures.last = now;
                    failures.wrong.extend(self.password);
                }
            }
            if right
                && shard
                    .get(&self.key)
                    .is_some_and(|failures| failures.under_way == 0)
            {
                shard.remove(&self.key);
            }
        }
        if !right {
            self.throttle.blame(self.from, now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if let Some(mut shard) = self.throttle.table(self.key).shard(&self.key)
            && let Some(failures) = shard.get_mut(&self.key)
        {
            failures.under_way = failures.under_way.saturating_sub(1);
        }
    }
}

/// Who shares an address: one IPv4 address, or the /64 that a household has.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A table in parts, so that requests seldom wait for each other.
#[derive(Debug)]
struct Shards<K, V> {
    hasher: std::hash::RandomState,
    parts: Vec<Mutex<HashMap<K, V>>>,
}

impl<K: std::hash::Hash, V> Shards<K, V> {
    fn new() -> Self {
        Self {
            hasher: std::hash::RandomState::new(),
            parts: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    fn shard(&self, key: &K) -> Option<MutexGuard<'_, HashMap<K, V>>> {
        let hash = std::hash::BuildHasher::hash_one(&self.hasher, key);
        let at = usize::try_from(hash % SHARDS as u64).ok()?;
        self.parts.get(at).map(locked)
    }
}

/// Removes an entry from a table that is full: of those looked at, the one that `rank` puts first.
/// Looking at all of them for every new one would be a way to keep this program busy.
pub(super) fn make_room<K: Copy + Eq + std::hash::Hash, V, R: Ord>(
    table: &mut HashMap<K, V>,
    most: usize,
    rank: impl Fn(&V) -> Option<R>,
) -> bool {
    const LOOKED_AT: usize = 64;
    if table.len() < most {
        return true;
    }
    let first = table
        .iter()
        .filter_map(|(key, value)| Some((rank(value)?, *key)))
        .take(LOOKED_AT)
        .min_by(|(a, _), (b, _)| a.cmp(b));
    first.is_some_and(|(_, key)| table.remove(&key).is_some())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const JIM: Key = Key::Known(1);

    fn throttle() -> Arc<Throttle> {
        Arc::new(Throttle::new(Limits::LIVE))
    }

    /// How many of `passwords` reach the directory, all of them wrong.
    fn reach(throttle: &Arc<Throttle>, passwords: std::ops::Range<u64>, now: Instant) -> u32 {
        let mut reached = 0;
        for password in passwords {
            if let Entry::Go(ticket) = throttle.enter(JIM, 0, Some(password), HOME, now) {
                reached += 1;
                ticket.settle(false, now);
            }
        }
        reached
    }

    #[test]
    fn an_account_is_left_alone_before_it_would_be_locked() {
        let (throttle, now) = (throttle(), Instant::now());
        assert_eq!(reach(&throttle, 0..100, now), 4);
        let wait = match throttle.enter(JIM, 0, Some(1000), HOME, now) {
            Entry::Wait(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait, Limits::LIVE.account_window);
        let almost = now + wait.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(reach(&throttle, 200..300, almost), 0);
        assert_eq!(reach(&throttle, 200..300, now + wait), 4);
    }

    #[test]
    fn the_same_wrong_password_costs_one_failure() {
        let (throttle, now) = (throttle(), Instant::now());
        for minute in 0..29 {
            let now = now + Duration::from_secs(60 * minute);
            assert_eq!(reach(&throttle, 7..8, now), u32::from(minute == 0));
        }
        assert!(matches!(
            throttle.enter(JIM, 0, Some(7), HOME, now),
            Entry::KnownWrong
        ));
        // The right one still gets through.
        assert!(matches!(
            throttle.enter(JIM, 0, Some(8), HOME, now),
            Entry::Go(_)
        ));
    }

    #[test]
    fn a_new_password_forgives_everything() {
        let (throttle, now) = (throttle(), Instant::now());
        reach(&throttle, 0..100, now);
        assert!(matches!(
            throttle.enter(JIM, 1, Some(0), HOME, now),
            Entry::Go(_)
        ));
    }

    #[test]
    fn attempts_under_way_count_and_those_that_broke_off_do_not() {
        let (throttle, now) = (throttle(), Instant::now());
        let tickets: Vec<_> = (0..20)
            .filter_map(|n| match throttle.enter(JIM, 0, Some(n), HOME, now) {
                Entry::Go(ticket) => Some(ticket),
                _ => None,
            })
            .collect();
        assert_eq!(tickets.len(), 4);
        drop(tickets);
        assert_eq!(reach(&throttle, 0..100, now), 4);
    }

    #[test]
    fn a_right_password_begins_the_count_anew() {
        let (throttle, now) = (throttle(), Instant::now());
        for round in 0..10 {
            assert_eq!(reach(&throttle, round * 3..round * 3 + 3, now), 3);
            match throttle.enter(JIM, 0, Some(1000), HOME, now) {
                Entry::Go(ticket) => ticket.settle(true, now),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_address_that_tries_many_accounts_is_stopped() {
        let (throttle, now) = (throttle(), Instant::now());
        for n in 0..100 {
            assert_eq!(throttle.address(HOME, now), None, "after {n}");
            match throttle.enter(Key::Unknown(n), 0, None, HOME, now) {
                Entry::Go(ticket) => ticket.settle(false, now),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            throttle.address(HOME, now),
            Some(Limits::LIVE.address_window)
        );
        assert_eq!(
            throttle.address(HOME, now + Limits::LIVE.address_window),
            None
        );
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(throttle.address(other, now), None);
    }

    #[test]
    fn neighbours_in_one_v6_network_are_one() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::2"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.1"), HOME);
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_pushes_out_no_account() {
        let (throttle, now) = (throttle(), Instant::now());
        assert_eq!(reach(&throttle, 0..3, now), 3);
        for n in 0..80_000 {
            let entry = throttle.enter(Key::Unknown(n), 0, None, HOME, now);
            if let Entry::Go(ticket) = entry {
                ticket.settle(false, now);
            }
        }
        let held: usize = throttle
            .unknown
            .parts
            .iter()
            .map(|part| locked(part).len())
            .sum();
        assert!(held <= MOST, "{held}");
        assert_eq!(reach(&throttle, 10..20, now), 1);
    }

    #[test]
    fn a_strict_domain_makes_the_limits_stricter() {
        let hour = Duration::from_secs(3600);
        for (threshold, expected) in [(0, 4), (1, 1), (2, 1), (3, 1), (5, 3), (6, 4), (50, 4)] {
            assert_eq!(Limits::LIVE.under(threshold, hour).account, expected);
        }
        assert_eq!(Limits::LIVE.under(5, hour).account_window, hour);
        assert_eq!(Limits::LIVE.under(0, hour), Limits::LIVE);
    }
}
