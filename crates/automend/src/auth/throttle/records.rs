//! The records of the throttle, and the tables that hold them.
//!
//! Invariant: a table holds so many records at most; one of an attempt under way is never pushed out.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Attempt, End, Limits};

/// Whose failures a record has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// Those of a name, which clients see.
    Name,
    /// Those of an account, which the directory counts, too.
    Account,
}

/// Failures under one name, or of one account.
#[derive(Debug)]
pub(super) struct Failures {
    all: Vec<Failure>,
    under_way: u32,
    last: Instant,
    /// What the directory said of the account at the time.
    stamp: u64,
}

#[derive(Debug)]
struct Failure {
    from: IpAddr,
    /// Of a password that is not to be asked again, or of one that costs nothing any more.
    password: Option<u64>,
    may_come_again: bool,
}

/// Failures from one address.
#[derive(Debug)]
pub(super) struct Burst {
    count: u32,
    under_way: u32,
    since: Instant,
}

const SHARDS: usize = 16;
/// Records in each of the three tables; the largest have about 400 bytes.
pub(super) const MOST: usize = 65_536;
/// How long to wait for attempts under way, which may turn out to be right.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

impl Failures {
    fn is_over(&self, limits: &Limits, now: Instant) -> bool {
        self.under_way == 0 && self.last + limits.account_window <= now
    }

    /// The failure with this password.
    fn same(&self, password: Option<u64>) -> Option<&Failure> {
        let mut all = self.all.iter();
        all.find(|failure| failure.password.is_some() && failure.password == password)
    }

    /// How long to wait, where there are too many.
    fn wait(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        let end = self.last + limits.account_window;
        let wait = end.saturating_duration_since(now);
        (self.standing() >= limits.account).then(|| wait.max(MOMENT))
    }

    fn standing(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    /// Takes in how an attempt ended, and says whether that is one failure more.
    fn count(&mut self, whose: Whose, end: End, attempt: &Attempt, now: Instant) -> bool {
        match (whose, end) {
            // Who failed elsewhere must not learn from a shorter wait that the owner has logged in.
            (Whose::Name, End::Right) => self.all.retain(|failure| failure.from != attempt.from),
            (Whose::Account, End::Right) => self.all.clear(),
            // Counted in the directory just now, whenever it was counted here.
            (Whose::Account, End::Wrong) => self.last = now,
            _ => {}
        }
        let Attempt { from, password, .. } = *attempt;
        let mut same = self.all.iter_mut();
        let same = same.find(|failure| failure.password.is_some() && failure.password == password);
        let failure = match (end, same) {
            (End::Right | End::Unsent, _) | (End::Closed, Some(_)) => return false,
            // The failure that it was already.
            (End::Wrong, Some(before)) if before.may_come_again => {
                before.may_come_again = false;
                return false;
            }
            (End::Wrong, _) | (End::Closed, None) => Failure {
                from,
                password,
                may_come_again: end == End::Closed,
            },
            // What nobody knows to be wrong may come again, and counts again.
            (End::Unknown, _) => Failure {
                from,
                password: None,
                may_come_again: true,
            },
        };
        self.all.push(failure);
        self.last = now;
        true
    }
}

impl Burst {
    /// Failures that still count.
    pub(super) fn standing(&self, limits: &Limits, now: Instant) -> u32 {
        if now < self.since + limits.address_window {
            self.count
        } else {
            0
        }
    }

    /// How long the address has to wait.
    pub(super) fn wait(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        let end = self.since + limits.address_window;
        let is_over = limits.address > 0 && self.standing(limits, now) >= limits.address;
        is_over.then(|| end.saturating_duration_since(now))
    }
}

/// Why an attempt is not let through.
pub(super) enum Refusal {
    KnownWrong,
    Wait(Duration),
    /// Until those under way are decided.
    Moment,
}

impl Shards<IpAddr, Burst> {
    /// Counts an attempt of an address as under way, or says how long the address has to wait.
    pub(super) fn enter(
        &self,
        from: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut shard = self.shard(&from).ok_or(MOMENT)?;
        if !shard.contains_key(&from) {
            let room = make_room(&mut shard, MOST / SHARDS, |burst| {
                (burst.under_way == 0).then_some(burst.count)
            });
            if !room {
                return Err(MOMENT);
            }
        }
        let burst = shard.entry(from).or_insert(Burst {
            count: 0,
            under_way: 0,
            since: now,
        });
        if let Some(wait) = burst.wait(limits, now) {
            return Err(wait);
        }
        if limits.address > 0 && burst.standing(limits, now) + burst.under_way >= limits.address {
            return Err(MOMENT);
        }
        burst.under_way += 1;
        Ok(())
    }

    /// Counts an attempt of an address as under way no more.
    pub(super) fn leave(&self, from: IpAddr, failed: bool, limits: &Limits, now: Instant) {
        let Some(mut shard) = self.shard(&from) else {
            return;
        };
        let Some(burst) = shard.get_mut(&from) else {
            return;
        };
        burst.under_way = burst.under_way.saturating_sub(1);
        if failed {
            let standing = burst.standing(limits, now);
            if standing == 0 {
                burst.since = now;
            }
            burst.count = standing.saturating_add(1);
        }
        if burst.count == 0 && burst.under_way == 0 {
            shard.remove(&from);
        }
    }
}

impl Shards<u64, Failures> {
    /// How long an attempt under a name has to wait, as far as its record tells. Nobody's account is looked
    /// at: who closes one elsewhere would see by a shorter wait that it is there.
    pub(super) fn look(
        &self,
        name: u64,
        password: Option<u64>,
        limits: &Limits,
        now: Instant,
    ) -> Option<Duration> {
        let shard = self.shard(&name)?;
        let failures = shard.get(&name)?;
        if failures.is_over(limits, now) {
            return None;
        }
        match failures.same(password) {
            Some(_) => None,
            None => failures.wait(limits, now),
        }
    }

    /// Counts an attempt as under way, if its record lets it through; true for one of a password that was
    /// counted before, and costs nothing any more.
    pub(super) fn enter(
        &self,
        whose: Whose,
        key: u64,
        stamp: u64,
        password: Option<u64>,
        limits: &Limits,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let mut shard = self.shard(&key).ok_or(Refusal::Moment)?;
        if !shard.contains_key(&key) {
            let room = make_room(&mut shard, MOST / SHARDS, |failures| {
                (failures.under_way == 0).then_some((failures.all.len(), failures.last))
            });
            if !room {
                return Err(Refusal::Moment);
            }
        }
        let failures = shard.entry(key).or_insert_with(|| Failures {
            all: Vec::new(),
            under_way: 0,
            last: now,
            stamp,
        });
        if failures.is_over(limits, now) || failures.stamp != stamp {
            failures.all.clear();
            failures.stamp = stamp;
        }
        match failures.same(password) {
            Some(failure) if !failure.may_come_again => return Err(Refusal::KnownWrong),
            // It has cost what it costs, and nobody is to see that it may come again.
            Some(_) if whose == Whose::Name => {
                failures.under_way += 1;
                return Ok(true);
            }
            _ => {}
        }
        if let Some(wait) = failures.wait(limits, now) {
            return Err(Refusal::Wait(wait));
        }
        if failures.standing() + failures.under_way >= limits.account {
            return Err(Refusal::Moment);
        }
        failures.under_way += 1;
        Ok(false)
    }

    /// Counts an attempt as under way no more, and says whether it was one failure more.
    pub(super) fn leave(
        &self,
        whose: Whose,
        key: u64,
        end: End,
        attempt: &Attempt,
        now: Instant,
    ) -> bool {
        let Some(mut shard) = self.shard(&key) else {
            return false;
        };
        let Some(failures) = shard.get_mut(&key) else {
            return false;
        };
        failures.under_way = failures.under_way.saturating_sub(1);
        let counted = failures.count(whose, end, attempt, now);
        if failures.all.is_empty() && failures.under_way == 0 {
            shard.remove(&key);
        }
        counted
    }
}

/// A table in parts, so that requests seldom wait for each other.
#[derive(Debug)]
pub(super) struct Shards<K, V> {
    hasher: RandomState,
    parts: Vec<Mutex<HashMap<K, V>>>,
}

impl<K: Hash, V> Shards<K, V> {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Records that there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| locked(part).len()).sum()
    }

    pub(super) fn shard(&self, key: &K) -> Option<MutexGuard<'_, HashMap<K, V>>> {
        let hash = self.hasher.hash_one(key);
        let at = usize::try_from(hash % SHARDS as u64).ok()?;
        self.parts.get(at).map(locked)
    }
}

/// Removes an entry from a table that is full: of those looked at, the one that `rank` puts first.
/// Looking at all of them for every new one would be a way to keep this program busy.
pub(in super::super) fn make_room<K: Copy + Eq + Hash, V, R: Ord>(
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

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
