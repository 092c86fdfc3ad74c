//! The records of the throttle, and the tables that hold them.
//!
//! Invariant: the number of records in a table is bounded; one of a pending attempt is never pushed out.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::network::neighbourhood;
use super::super::outcome::Outcome;
use super::attempt::{Attempt, Denied, Limits};

/// What a record is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Subject {
    /// A name, whose failures clients see.
    Name,
    /// An account, whose failures the directory counts, too.
    Account,
}

/// Failures under one name, or of one account.
#[derive(Debug)]
pub(super) struct Failures {
    all: Vec<Failure>,
    pending: u32,
    last: Instant,
    /// What the directory said of the account at the time.
    version: u64,
    /// The attempt beyond the limit that known networks have under a name.
    extra: Extra,
    /// Addresses that were made to wait.
    warned: Vec<IpAddr>,
}

/// What has become of the extra attempt under a name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Extra {
    #[default]
    Unused,
    Pending,
    Used,
}

#[derive(Debug)]
struct Failure {
    from: IpAddr,
    /// A digest of the password; none where it counts each time.
    password: Option<u64>,
    /// Whether the password may be sent to the directory again.
    may_repeat: bool,
    /// It was not sent to the directory.
    withheld: bool,
    /// When the account was last searched for because of it.
    searched: Instant,
}

/// Failures from one address.
#[derive(Debug)]
pub(super) struct AddressFailures {
    count: u32,
    pending: u32,
    since: Instant,
}

pub(super) const SHARDS: usize = 16;
/// Records in each of the three tables; the largest have about 400 bytes.
pub(super) const MAX_RECORDS: usize = 65_536;
/// Addresses that are remembered as made to wait under a name.
const MAX_WARNED: usize = 8;

impl Failures {
    fn is_over(&self, limits: &Limits, now: Instant) -> bool {
        self.pending == 0 && self.last + limits.account_window <= now
    }

    /// Begins again.
    fn clear(&mut self) {
        self.all.clear();
        self.warned.clear();
        if self.extra == Extra::Used {
            self.extra = Extra::Unused;
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
        (self.count_now() >= limits.account).then(|| wait.max(Duration::from_secs(1)))
    }

    /// Whether an address may use the extra attempt: others must have used up the limit, and not its own network
    /// alone.
    fn has_extra(&self, from: IpAddr) -> bool {
        let own = neighbourhood(from);
        let mut all = self.all.iter();
        self.extra == Extra::Unused && all.any(|failure| neighbourhood(failure.from) != own)
    }

    fn count_now(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    /// Takes in how an attempt ended; `None` where no password was sent. Returns whether that is one failure
    /// more.
    fn count(
        &mut self,
        subject: Subject,
        outcome: Option<&Outcome>,
        attempt: &Attempt,
        withheld: bool,
        now: Instant,
    ) -> bool {
        match (subject, outcome) {
            // A client that failed elsewhere must not learn from a shorter wait that the owner has logged in.
            (Subject::Name, Some(Outcome::Accepted(()))) => {
                self.all.retain(|failure| failure.from != attempt.from);
            }
            (Subject::Account, Some(Outcome::Accepted(()))) => self.all.clear(),
            // CountedAccount in the directory just now, whenever it was counted here.
            (Subject::Account, Some(Outcome::Wrong)) => self.last = now,
            _ => {}
        }
        let Attempt { from, password, .. } = *attempt;
        let mut same = self.all.iter_mut();
        let same = same.find(|failure| failure.password.is_some() && failure.password == password);
        let new = Failure {
            from,
            password,
            may_repeat: false,
            withheld,
            searched: now,
        };
        let failure = match (outcome, same) {
            (None | Some(Outcome::Accepted(())), _) => return false,
            (Some(Outcome::Closed), Some(before)) => {
                before.withheld = withheld;
                before.searched = now;
                return false;
            }
            // The failure that it was already.
            (Some(Outcome::Wrong), Some(before)) if before.may_repeat => {
                before.may_repeat = false;
                before.searched = now;
                return false;
            }
            (Some(Outcome::Wrong), _) => new,
            (Some(Outcome::Closed), None) => Failure {
                may_repeat: true,
                ..new
            },
            // It is not known to be wrong, so it may be repeated, and counts again.
            (Some(Outcome::Unknown(_)), _) => Failure {
                password: None,
                may_repeat: true,
                ..new
            },
        };
        self.all.push(failure);
        self.last = now;
        true
    }
}

impl AddressFailures {
    /// Failures that still count.
    pub(super) fn count_now(&self, limits: &Limits, now: Instant) -> u32 {
        if now < self.since + limits.address_window {
            self.count
        } else {
            0
        }
    }

    /// How long the address has to wait.
    pub(super) fn wait(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        let end = self.since + limits.address_window;
        let is_over = limits.address > 0 && self.count_now(limits, now) >= limits.address;
        is_over.then(|| end.saturating_duration_since(now))
    }
}

impl Shards<IpAddr, AddressFailures> {
    /// Counts an attempt of an address as pending, or says how long the address has to wait.
    pub(super) fn enter(&self, from: IpAddr, limits: &Limits, now: Instant) -> Result<(), Denied> {
        let mut shard = self.shard(&from).ok_or(Denied::Pending)?;
        if !shard.contains_key(&from) {
            let room = make_room(&mut shard, MAX_RECORDS / SHARDS, |failures| {
                (failures.pending == 0).then_some(failures.count)
            });
            if !room {
                return Err(Denied::Pending);
            }
        }
        let failures = shard.entry(from).or_insert(AddressFailures {
            count: 0,
            pending: 0,
            since: now,
        });
        if let Some(wait) = failures.wait(limits, now) {
            return Err(Denied::Wait(wait));
        }
        if limits.address > 0
            && failures.count_now(limits, now) + failures.pending >= limits.address
        {
            return Err(Denied::Pending);
        }
        failures.pending += 1;
        Ok(())
    }

    /// Counts a failure of an address without a pending attempt.
    pub(super) fn charge(&self, from: IpAddr, limits: &Limits, now: Instant) {
        if self.enter(from, limits, now).is_ok() {
            self.leave(from, true, limits, now);
        }
    }

    /// Counts an attempt of an address as pending no more.
    pub(super) fn leave(&self, from: IpAddr, failed: bool, limits: &Limits, now: Instant) {
        let Some(mut shard) = self.shard(&from) else {
            return;
        };
        let Some(failures) = shard.get_mut(&from) else {
            return;
        };
        failures.pending = failures.pending.saturating_sub(1);
        if failed {
            let standing = failures.count_now(limits, now);
            if standing == 0 {
                failures.since = now;
            }
            failures.count = standing.saturating_add(1);
        }
        if failures.count == 0 && failures.pending == 0 {
            shard.remove(&from);
        }
    }
}

impl Shards<u64, Failures> {
    /// What the record of a name says before its account is searched for. The account itself is not looked at:
    /// a client that gets one closed elsewhere would see by a shorter wait that it exists.
    pub(super) fn look(
        &self,
        name: u64,
        password: Option<u64>,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), Denied> {
        let shard = self.shard(&name);
        let failures = shard.as_ref().and_then(|shard| shard.get(&name));
        let Some(failures) = failures.filter(|failures| !failures.is_over(limits, now)) else {
            return Ok(());
        };
        match failures.same(password) {
            Some(same) if now >= same.searched + limits.recheck => Ok(()),
            Some(same) if !same.may_repeat => Err(Denied::KnownWrong),
            Some(same) if same.withheld => Err(Denied::Withheld),
            Some(_) => Ok(()),
            None => failures
                .wait(limits, now)
                .map_or(Ok(()), |wait| Err(Denied::Wait(wait))),
        }
    }

    /// Whether an address may use the extra attempt under a name.
    pub(super) fn has_extra(&self, name: u64, from: IpAddr) -> bool {
        let shard = self.shard(&name);
        let failures = shard.as_ref().and_then(|shard| shard.get(&name));
        failures.is_some_and(|failures| failures.has_extra(from))
    }

    /// Counts the extra attempt under a name as pending, if the address may have it.
    pub(super) fn enter_extra(&self, name: u64, from: IpAddr) -> bool {
        let mut shard = self.shard(&name);
        let failures = shard.as_mut().and_then(|shard| shard.get_mut(&name));
        let Some(failures) = failures.filter(|failures| failures.has_extra(from)) else {
            return false;
        };
        failures.extra = Extra::Pending;
        failures.pending += 1;
        true
    }

    /// Counts the extra attempt under a name as pending no more. Nothing that others see of the name changes by
    /// it.
    pub(super) fn leave_extra(&self, outcome: Option<&Outcome>, attempt: &Attempt, now: Instant) {
        let mut shard = self.shard(&attempt.name);
        let failures = shard
            .as_mut()
            .and_then(|shard| shard.get_mut(&attempt.name));
        let Some(failures) = failures else {
            return;
        };
        failures.pending = failures.pending.saturating_sub(1);
        failures.extra = match outcome {
            Some(Outcome::Accepted(())) => {
                failures.count(Subject::Name, outcome, attempt, false, now);
                Extra::Unused
            }
            None => Extra::Unused,
            Some(_) => Extra::Used,
        };
    }

    /// Notes that an address is made to wait under a name, and says whether it was before.
    pub(super) fn was_warned(&self, name: u64, from: IpAddr) -> bool {
        let mut shard = self.shard(&name);
        let failures = shard.as_mut().and_then(|shard| shard.get_mut(&name));
        let Some(failures) = failures else {
            return false;
        };
        let again = failures.warned.contains(&from) || failures.warned.len() >= MAX_WARNED;
        if !again {
            failures.warned.push(from);
        }
        again
    }

    /// Counts an attempt as pending, if its record lets it through; true for a password that was counted before,
    /// and costs no second failure.
    pub(super) fn enter(
        &self,
        subject: Subject,
        key: u64,
        version: u64,
        password: Option<u64>,
        limits: &Limits,
        now: Instant,
    ) -> Result<bool, Denied> {
        let mut shard = self.shard(&key).ok_or(Denied::Pending)?;
        if !shard.contains_key(&key) {
            let room = make_room(&mut shard, MAX_RECORDS / SHARDS, |failures| {
                (failures.pending == 0).then_some((failures.all.len(), failures.last))
            });
            if !room {
                return Err(Denied::Pending);
            }
        }
        let failures = shard.entry(key).or_insert_with(|| Failures {
            all: Vec::new(),
            pending: 0,
            last: now,
            version,
            extra: Extra::Unused,
            warned: Vec::new(),
        });
        if failures.is_over(limits, now) {
            failures.clear();
        } else if failures.version != version {
            match subject {
                Subject::Account => failures.clear(),
                // Each password may be tried again, but a client that gets an account closed elsewhere must
                // not see by the limits of its names that it exists.
                Subject::Name => {
                    for failure in &mut failures.all {
                        failure.may_repeat = true;
                    }
                }
            }
        }
        failures.version = version;
        match failures.same_mut(password) {
            Some(failure) if !failure.may_repeat => {
                failure.searched = now;
                return Err(Denied::KnownWrong);
            }
            // It has cost its failure, and no client is to see that it may be repeated.
            Some(_) if subject == Subject::Name => {
                failures.pending += 1;
                return Ok(true);
            }
            _ => {}
        }
        if let Some(wait) = failures.wait(limits, now) {
            return Err(Denied::Wait(wait));
        }
        if failures.count_now() + failures.pending >= limits.account {
            return Err(Denied::Pending);
        }
        failures.pending += 1;
        Ok(false)
    }

    /// Counts an attempt as pending no more, and says whether it was one failure more.
    pub(super) fn leave(
        &self,
        subject: Subject,
        key: u64,
        outcome: Option<&Outcome>,
        attempt: &Attempt,
        withheld: bool,
        now: Instant,
    ) -> bool {
        let Some(mut shard) = self.shard(&key) else {
            return false;
        };
        let Some(failures) = shard.get_mut(&key) else {
            return false;
        };
        failures.pending = failures.pending.saturating_sub(1);
        let counted = failures.count(subject, outcome, attempt, withheld, now);
        if failures.all.is_empty() && failures.pending == 0 {
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
pub(super) fn make_room<K: Copy + Eq + Hash, V, R: Ord>(
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
