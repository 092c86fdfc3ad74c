//! The records of the throttle, and the tables that hold them.
//!
//! Invariant: a table holds so many records at most; one of an attempt under way is never pushed out.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::attempt::{Attempt, End, Limits, Look};
use super::network::neighbourhood;

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
    /// The failure beyond the limit, which familiar networks have under a name.
    beyond: Beyond,
    /// Addresses that were told to wait.
    told: Vec<IpAddr>,
}

/// What has become of the failure beyond the limit of a name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Beyond {
    #[default]
    Unused,
    UnderWay,
    Spent,
}

#[derive(Debug)]
struct Failure {
    from: IpAddr,
    /// Of a password that is not to be asked again, or of one that costs nothing any more.
    password: Option<u64>,
    may_come_again: bool,
    /// It was not sent to the directory.
    held: bool,
    /// When somebody was searched for last, because of it.
    looked: Instant,
}

/// Failures from one address.
#[derive(Debug)]
pub(super) struct Burst {
    count: u32,
    under_way: u32,
    since: Instant,
}

pub(super) const SHARDS: usize = 16;
/// Records in each of the three tables; the largest have about 400 bytes.
pub(super) const MOST: usize = 65_536;
/// Addresses of which is remembered that they were told to wait under a name.
const MOST_TOLD: usize = 8;
/// How long to wait for attempts under way, which may turn out to be right.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

impl Failures {
    fn is_over(&self, limits: &Limits, now: Instant) -> bool {
        self.under_way == 0 && self.last + limits.account_window <= now
    }

    /// Begins anew.
    fn clear(&mut self) {
        self.all.clear();
        self.told.clear();
        if self.beyond == Beyond::Spent {
            self.beyond = Beyond::Unused;
        }
    }

    /// The failure with this password.
    fn same(&self, password: Option<u64>) -> Option<&Failure> {
        let mut all = self.all.iter();
        all.find(|failure| failure.password.is_some() && failure.password == password)
    }

    fn same_mut(&mut self, password: Option<u64>) -> Option<&mut Failure> {
        let mut all = self.all.iter_mut();
        all.find(|failure| failure.password.is_some() && failure.password == password)
    }

    /// How long to wait, where there are too many.
    fn wait(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        let end = self.last + limits.account_window;
        let wait = end.saturating_duration_since(now);
        (self.standing() >= limits.account).then(|| wait.max(MOMENT))
    }

    /// Whether the failure beyond the limit is there to be used by an address: others must have used up the
    /// limit, and not its own network alone.
    fn has_beyond(&self, from: IpAddr) -> bool {
        let own = neighbourhood(from);
        let mut all = self.all.iter();
        self.beyond == Beyond::Unused && all.any(|failure| neighbourhood(failure.from) != own)
    }

    fn standing(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    /// Takes in how an attempt ended, and says whether that is one failure more.
    fn count(
        &mut self,
        whose: Whose,
        end: End,
        attempt: &Attempt,
        held: bool,
        now: Instant,
    ) -> bool {
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
            (End::Right | End::Unsent, _) => return false,
            (End::Closed, Some(before)) => {
                before.held = held;
                before.looked = now;
                return false;
            }
            // The failure that it was already.
            (End::Wrong, Some(before)) if before.may_come_again => {
                before.may_come_again = false;
                before.looked = now;
                return false;
            }
            (End::Wrong, _) | (End::Closed, None) => Failure {
                from,
                password,
                may_come_again: end == End::Closed,
                held,
                looked: now,
            },
            // What nobody knows to be wrong may come again, and counts again.
            (End::Unknown, _) => Failure {
                from,
                password: None,
                may_come_again: true,
                held,
                looked: now,
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

    /// Counts a failure of an address that has no attempt under way for it.
    pub(super) fn charge(&self, from: IpAddr, limits: &Limits, now: Instant) {
        if self.enter(from, limits, now).is_ok() {
            self.leave(from, true, limits, now);
        }
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
    /// What the record of a name tells before anybody is searched for. Nobody's account is looked at: who
    /// closes one elsewhere would see by a shorter wait that it is there.
    pub(super) fn look(
        &self,
        name: u64,
        password: Option<u64>,
        limits: &Limits,
        now: Instant,
    ) -> Look {
        let shard = self.shard(&name);
        let failures = shard.as_ref().and_then(|shard| shard.get(&name));
        let Some(failures) = failures.filter(|failures| !failures.is_over(limits, now)) else {
            return Look::Go;
        };
        match failures.same(password) {
            Some(same) if now >= same.looked + limits.recheck => Look::Go,
            Some(same) if !same.may_come_again => Look::KnownWrong,
            Some(same) if same.held => Look::Held,
            Some(_) => Look::Go,
            None => failures.wait(limits, now).map_or(Look::Go, Look::Wait),
        }
    }

    /// Whether an address may use the failure beyond a name's limit.
    pub(super) fn has_beyond(&self, name: u64, from: IpAddr) -> bool {
        let shard = self.shard(&name);
        let failures = shard.as_ref().and_then(|shard| shard.get(&name));
        failures.is_some_and(|failures| failures.has_beyond(from))
    }

    /// Counts an attempt beyond a name's limit as under way, if the address may have one.
    pub(super) fn enter_beyond(&self, name: u64, from: IpAddr) -> bool {
        let mut shard = self.shard(&name);
        let failures = shard.as_mut().and_then(|shard| shard.get_mut(&name));
        let Some(failures) = failures.filter(|failures| failures.has_beyond(from)) else {
            return false;
        };
        failures.beyond = Beyond::UnderWay;
        failures.under_way += 1;
        true
    }

    /// Counts an attempt beyond a name's limit as under way no more. Nothing that others see of the name
    /// changes by it.
    pub(super) fn leave_beyond(&self, end: End, attempt: &Attempt, now: Instant) {
        let mut shard = self.shard(&attempt.name);
        let failures = shard
            .as_mut()
            .and_then(|shard| shard.get_mut(&attempt.name));
        let Some(failures) = failures else {
            return;
        };
        failures.under_way = failures.under_way.saturating_sub(1);
        failures.beyond = match end {
            End::Right => {
                failures.count(Whose::Name, end, attempt, false, now);
                Beyond::Unused
            }
            End::Unsent => Beyond::Unused,
            End::Wrong | End::Closed | End::Unknown => Beyond::Spent,
        };
    }

    /// Notes that an address is told to wait under a name, and says whether it was told before.
    pub(super) fn is_told_again(&self, name: u64, from: IpAddr) -> bool {
        let mut shard = self.shard(&name);
        let failures = shard.as_mut().and_then(|shard| shard.get_mut(&name));
        let Some(failures) = failures else {
            return false;
        };
        let again = failures.told.contains(&from) || failures.told.len() >= MOST_TOLD;
        if !again {
            failures.told.push(from);
        }
        again
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
            beyond: Beyond::Unused,
            told: Vec::new(),
        });
        if failures.is_over(limits, now) {
            failures.clear();
        } else if failures.stamp != stamp {
            match whose {
                Whose::Account => failures.clear(),
                // Each password may be tried again, but who closes an account elsewhere must not see by what
                // its names bear that it is there.
                Whose::Name => {
                    for failure in &mut failures.all {
                        failure.may_come_again = true;
                    }
                }
            }
        }
        failures.stamp = stamp;
        match failures.same_mut(password) {
            Some(failure) if !failure.may_come_again => {
                failure.looked = now;
                return Err(Refusal::KnownWrong);
            }
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
        held: bool,
        now: Instant,
    ) -> bool {
        let Some(mut shard) = self.shard(&key) else {
            return false;
        };
        let Some(failures) = shard.get_mut(&key) else {
            return false;
        };
        failures.under_way = failures.under_way.saturating_sub(1);
        let counted = failures.count(whose, end, attempt, held, now);
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
