//! Failures are counted, and further ones kept away from the directory, so that guessing passwords through
//! this program locks no account and finds none.
//!
//! Active Directory locks an account when `lockoutThreshold` wrong passwords came with less than
//! `lockOutObservationWindow` between them ([MS-ADTS] 3.1.1.5.1.3 badPwdCount). The count here is kept in the
//! same way, and stops earlier. A wrong password that is repeated is refused without asking: a phone that goes
//! on with yesterday's password costs one failure in each window.
//!
//! Failures are counted twice, for the name as it was sent and for the account that it means. Only the name's
//! count makes a client wait: it grows in the same way whether the account exists or not. The account's own
//! count, to which all its names add, is silent: an attempt beyond it is withheld from the directory, and
//! refused as a wrong password is.
//!
//! The last failure of an account is kept for networks from which its password was right lately, and so is
//! one extra attempt beyond the limit of a name: guessing from elsewhere does not keep an owner out.
//!
//! Invariant: whatever may have counted in the directory counts here, and pending attempts count as if they
//! had failed; what a client sees depends on what it sent, and not on whether an account exists; memory is
//! bounded, and a flood of names pushes out no record of an account.

mod attempt;
mod known_networks;
mod records;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use automend_system::clock;
use tokio::sync::Notify;
use tokio::time::timeout;

pub(crate) use attempt::Limits;
pub(super) use attempt::{Attempt, CountedAccount, Denied};
use known_networks::KnownNetworks;
use records::{AddressFailures, Failures, Shards, Subject, locked};

use super::network::client_network;
use super::outcome::Outcome;

/// The counts.
#[derive(Debug)]
pub(super) struct Throttle {
    limits: Mutex<Limits>,
    names: Shards<u64, Failures>,
    accounts: Shards<u64, Failures>,
    addresses: Shards<IpAddr, AddressFailures>,
    /// Networks from which passwords of accounts were right.
    account_networks: KnownNetworks,
    /// The same, by the names that were sent with them.
    name_networks: KnownNetworks,
    /// An attempt has ended, on which others may have waited.
    ended: Notify,
}

/// A pending attempt. Dropped without [`Permit::settle`], it counts as one that was sent and not answered.
#[derive(Debug)]
pub(super) struct Permit {
    throttle: Arc<Throttle>,
    attempt: Attempt,
    /// Whether its account counts it as pending.
    reached: bool,
    /// Whether the same password came under the same name before.
    repeated: bool,
    /// How long its name has to wait, where a known network has an extra attempt.
    extra: Option<Duration>,
    began: Instant,
    settled: bool,
}

/// How long an attempt waits for others that are pending, which may turn out to be right.
const PENDING_TIMEOUT: Duration = Duration::from_secs(10);
/// The same, where so many are pending under its name or from its address that its client would have to come
/// again.
const ENTRY_TIMEOUT: Duration = Duration::from_secs(1);
/// When such a client is to come again.
pub(super) const PENDING_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Throttle {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits: Mutex::new(limits),
            names: Shards::new(),
            accounts: Shards::new(),
            addresses: Shards::new(),
            account_networks: KnownNetworks::new(),
            name_networks: KnownNetworks::new(),
            ended: Notify::new(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        *locked(&self.limits)
    }

    /// Other limits from now on.
    pub(super) fn set(&self, limits: Limits) {
        *locked(&self.limits) = limits;
    }

    /// How long an address has to wait before any request of it is looked at.
    pub(super) fn address(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let limits = self.limits();
        let from = client_network(from);
        let shard = self.addresses.shard(&from)?;
        shard.get(&from)?.wait(&limits, now)
    }

    /// Looks at the record of a name before its account is searched for. A client that goes on after it was
    /// made to wait is charged with it.
    pub(super) fn look(
        &self,
        name: u64,
        password: Option<u64>,
        from: IpAddr,
        now: Instant,
    ) -> Result<(), Denied> {
        let limits = self.limits();
        let look = self.names.look(name, password, &limits, now);
        if let Err(Denied::Wait(wait)) = look {
            if self.name_networks.contains(name, from, now) && self.names.has_extra(name, from) {
                return Ok(());
            }
            let from = client_network(from);
            // A client that repeats a request because others are pending is not to blame.
            if wait > PENDING_RETRY_AFTER && self.names.was_warned(name, from) {
                self.addresses.charge(from, &limits, now);
            }
        }
        look
    }

    /// Counts an attempt as pending, if its name and its address let it through.
    pub(super) fn enter(
        self: &Arc<Self>,
        attempt: &Attempt,
        now: Instant,
    ) -> Result<Permit, Denied> {
        let limits = self.limits();
        let from = client_network(attempt.from);
        self.addresses.enter(from, &limits, now)?;
        let version = attempt.account.map_or(0, |account| account.version);
        let (names, password) = (&self.names, attempt.password);
        let entered = names.enter(Subject::Name, attempt.name, version, password, &limits, now);
        let (repeated, extra) = match entered {
            Ok(repeated) => (repeated, None),
            Err(Denied::Wait(wait))
                if self.name_networks.contains(attempt.name, from, now)
                    && names.enter_extra(attempt.name, from) =>
            {
                (false, Some(wait))
            }
            Err(denied) => {
                self.addresses.leave(from, false, &limits, now);
                return Err(denied);
            }
        };
        Ok(Permit {
            throttle: Arc::clone(self),
            attempt: Attempt { from, ..*attempt },
            reached: false,
            repeated,
            extra,
            began: now,
            settled: false,
        })
    }

    /// As [`Throttle::enter`]; where that depends on pending attempts, it waits for these for a while.
    pub(super) async fn enter_soon(self: &Arc<Self>, attempt: &Attempt) -> Result<Permit, Denied> {
        let enter = || self.enter(attempt, clock::monotonic());
        self.decided(ENTRY_TIMEOUT, enter).await
    }

    /// What `ask` says, as soon as that no longer depends on pending attempts.
    async fn decided<T>(
        &self,
        longest: Duration,
        mut ask: impl FnMut() -> Result<T, Denied>,
    ) -> Result<T, Denied> {
        let decided = timeout(longest, async {
            loop {
                let mut ended = pin!(self.ended.notified());
                // From here on, so that no end is missed between the question and the wait.
                ended.as_mut().enable();
                match ask() {
                    Err(Denied::Pending) => ended.await,
                    decided => return decided,
                }
            }
        });
        decided.await.unwrap_or(Err(Denied::Pending))
    }
}

impl Permit {
    /// Whether the same password came under the same name before.
    pub(super) fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// How long its name has to wait: as its client sees it, unless the password is right.
    pub(super) fn extra(&self) -> Option<Duration> {
        self.extra
    }

    /// Whether the attempt may be sent to the directory. What comes of that its client must not see.
    pub(super) fn enter_account(&mut self, now: Instant) -> Result<(), Denied> {
        let Some(CountedAccount { key, version }) = self.attempt.account else {
            return Ok(());
        };
        let mut limits = self.throttle.limits();
        let (from, password) = (self.attempt.from, self.attempt.password);
        if self.throttle.account_networks.is_stranger(key, from, now) {
            // The last one is kept for those who are none; one failure can not be shared.
            limits.account = limits.account.saturating_sub(1).max(1);
        }
        let accounts = &self.throttle.accounts;
        match accounts.enter(Subject::Account, key, version, password, &limits, now) {
            Ok(_) => {
                self.reached = true;
                Ok(())
            }
            Err(Denied::Pending) => Err(Denied::Pending),
            Err(_) => Err(Denied::Withheld),
        }
    }

    /// As [`Permit::enter_account`], once the pending attempts are decided on which it depends.
    pub(super) async fn enter_account_soon(&mut self) -> Result<(), Denied> {
        let throttle = Arc::clone(&self.throttle);
        let enter = || self.enter_account(clock::monotonic());
        throttle.decided(PENDING_TIMEOUT, enter).await
    }

    /// Takes in how the attempt ended; `None` where no password was sent.
    pub(super) fn settle(mut self, outcome: Option<&Outcome>, now: Instant) {
        self.leave(outcome, now);
    }

    fn leave(&mut self, outcome: Option<&Outcome>, now: Instant) {
        self.settled = true;
        let (throttle, attempt) = (&self.throttle, &self.attempt);
        let (names, limits) = (&throttle.names, throttle.limits());
        let withheld = attempt.account.is_some() && !self.reached;
        let failed = !matches!(outcome, None | Some(Outcome::Accepted(())));
        let counted = if self.extra.is_some() {
            names.leave_extra(outcome, attempt, now);
            // As if it had been told to wait at once.
            failed && names.was_warned(attempt.name, attempt.from)
        } else {
            let name = attempt.name;
            names.leave(Subject::Name, name, outcome, attempt, withheld, now)
        };
        if let Some(CountedAccount { key, .. }) = attempt.account {
            if self.reached {
                let accounts = &throttle.accounts;
                accounts.leave(Subject::Account, key, outcome, attempt, withheld, now);
            }
            if matches!(outcome, Some(Outcome::Accepted(()))) {
                throttle.account_networks.add(key, attempt.from, now);
                throttle.name_networks.add(attempt.name, attempt.from, now);
            }
        }
        // What made the directory work is charged, as a repeat, too.
        let worked = self.repeated && self.reached && failed;
        throttle
            .addresses
            .leave(attempt.from, counted || worked, &limits, now);
        throttle.ended.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.leave(Some(&Outcome::Unknown(String::new())), self.began);
        }
    }
}
