//! Failures are counted, and further ones kept away from the directory, so that guessing through this
//! program locks nobody out and leads nowhere.
//!
//! Active Directory locks an account when `lockoutThreshold` wrong passwords came with less than
//! `lockOutObservationWindow` between them ([MS-ADTS] 3.1.1.5.1.3 badPwdCount). So the count here is kept the
//! same way, and stops earlier. A wrong password that comes again is refused without asking: a telephone
//! that goes on with yesterday's password costs one failure a window.
//!
//! It is counted twice, for the name as it was sent and for the account that it means. Only the name's
//! count tells a client to wait: it grows in the same way whether there is such an account or not. The
//! account's own, to which all its names add, is silent: an attempt beyond it is refused as a wrong
//! password is, and does not reach the account.
//!
//! The last failure of an account is kept for networks from which its password was right lately, and so is
//! one attempt beyond the limit of a name: who guesses from elsewhere keeps no owner out.
//!
//! Invariant: whatever may have counted in the directory counts here, and attempts under way count as if
//! they had failed; what a client sees depends on what it sent, and on nobody's being there; memory is
//! bounded, and a flood of names pushes out no record of an account.

mod attempt;
mod familiar;
mod network;
mod records;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) use attempt::Limits;
pub(super) use attempt::{Attempt, Counted, End, Look};
use familiar::Familiar;
use network::network;
pub(super) use records::make_room;
use records::{Burst, Failures, MOMENT, Refusal, Shards, Whose, locked};

/// The counts.
#[derive(Debug)]
pub(super) struct Throttle {
    limits: Mutex<Limits>,
    names: Shards<u64, Failures>,
    accounts: Shards<u64, Failures>,
    addresses: Shards<IpAddr, Burst>,
    /// Networks from which passwords of accounts were right.
    owners: Familiar,
    /// The same, by the names that were sent with them.
    callers: Familiar,
}

/// What becomes of an attempt.
#[derive(Debug)]
pub(super) enum Entry {
    /// It may go on: [`Ticket::reach`] tells how far. Settle the ticket afterwards.
    Go(Ticket),
    /// This password was wrong before; there is no need to ask.
    KnownWrong,
    /// Too many failures; for so long.
    Wait(Duration),
}

/// How far an attempt may go, which its client must not see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// It may be sent to the directory.
    Directory,
    /// Nowhere: it is to be refused as a wrong password is, and to take as long.
    Nowhere,
    /// That depends on others of the same account that are under way.
    NotYet,
}

/// An attempt under way. Dropped without [`Ticket::settle`], its end is [`End::Unknown`].
#[derive(Debug)]
pub(super) struct Ticket {
    throttle: Arc<Throttle>,
    attempt: Attempt,
    /// Whether its account counts it as under way.
    reached: bool,
    /// Whether the same password came under the same name before.
    repeated: bool,
    /// How long its name has to wait, where a familiar network may go on all the same.
    beyond: Option<Duration>,
    began: Instant,
    settled: bool,
}

impl Throttle {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits: Mutex::new(limits),
            names: Shards::new(),
            accounts: Shards::new(),
            addresses: Shards::new(),
            owners: Familiar::new(),
            callers: Familiar::new(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        *locked(&self.limits)
    }

    /// Other limits from now on.
    pub(super) fn set(&self, limits: Limits) {
        *locked(&self.limits) = limits;
    }

    /// How long an address has to wait before anything of it is looked at.
    pub(super) fn address(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let limits = self.limits();
        let from = network(from);
        let shard = self.addresses.shard(&from)?;
        shard.get(&from)?.wait(&limits, now)
    }

    /// Looks at the record of a name, whoever that means, before anybody is searched for. Who goes on after
    /// having been told to wait is charged with it.
    pub(super) fn look(
        &self,
        name: u64,
        password: Option<u64>,
        from: IpAddr,
        now: Instant,
    ) -> Look {
        let limits = self.limits();
        let look = self.names.look(name, password, &limits, now);
        if let Look::Wait(wait) = look {
            if self.callers.knows(name, from, now) && self.names.has_beyond(name, from) {
                return Look::Go;
            }
            let from = network(from);
            // A client that asks again for others under way is not to blame.
            if wait > MOMENT && self.names.is_told_again(name, from) {
                self.addresses.charge(from, &limits, now);
            }
        }
        look
    }

    /// Asks whether an attempt may reach the directory.
    pub(super) fn enter(self: &Arc<Self>, attempt: &Attempt, now: Instant) -> Entry {
        let limits = self.limits();
        let from = network(attempt.from);
        if let Err(wait) = self.addresses.enter(from, &limits, now) {
            return Entry::Wait(wait);
        }
        let stamp = attempt.account.map_or(0, |account| account.stamp);
        let (names, password) = (&self.names, attempt.password);
        let entered = names.enter(Whose::Name, attempt.name, stamp, password, &limits, now);
        let (repeated, beyond) = match entered {
            Ok(repeated) => (repeated, None),
            Err(Refusal::Wait(wait))
                if self.callers.knows(attempt.name, from, now)
                    && names.enter_beyond(attempt.name, from) =>
            {
                (false, Some(wait))
            }
            Err(refusal) => {
                self.addresses.leave(from, false, &limits, now);
                return match refusal {
                    Refusal::KnownWrong => Entry::KnownWrong,
                    Refusal::Wait(wait) => Entry::Wait(wait),
                    Refusal::Moment => Entry::Wait(MOMENT),
                };
            }
        };
        Entry::Go(Ticket {
            throttle: Arc::clone(self),
            attempt: Attempt { from, ..*attempt },
            reached: false,
            repeated,
            beyond,
            began: now,
            settled: false,
        })
    }
}

impl Ticket {
    /// Whether the same password came under the same name before.
    pub(super) fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// How long its name has to wait: what its client is told, unless the password is right.
    pub(super) fn beyond(&self) -> Option<Duration> {
        self.beyond
    }

    /// Asks how far the attempt may go; again, where that was not known yet.
    pub(super) fn reach(&mut self, now: Instant) -> Reach {
        let Some(Counted { key, stamp }) = self.attempt.account else {
            return Reach::Directory;
        };
        let mut limits = self.throttle.limits();
        let from = self.attempt.from;
        if self.throttle.owners.is_stranger(key, from, now) {
            // The last one is kept for those who are none; one failure can not be shared.
            limits.account = limits.account.saturating_sub(1).max(1);
        }
        let accounts = &self.throttle.accounts;
        match accounts.enter(
            Whose::Account,
            key,
            stamp,
            self.attempt.password,
            &limits,
            now,
        ) {
            Ok(_) => {
                self.reached = true;
                Reach::Directory
            }
            Err(Refusal::Moment) => Reach::NotYet,
            Err(Refusal::KnownWrong | Refusal::Wait(_)) => Reach::Nowhere,
        }
    }

    /// Tells how the attempt ended.
    pub(super) fn settle(mut self, end: End, now: Instant) {
        self.leave(end, now);
    }

    fn leave(&mut self, end: End, now: Instant) {
        self.settled = true;
        let (throttle, attempt) = (&self.throttle, &self.attempt);
        let (names, limits) = (&throttle.names, throttle.limits());
        let held = attempt.account.is_some() && !self.reached;
        let counted = if self.beyond.is_some() {
            names.leave_beyond(end, attempt, now);
            // As if it had been told to wait at once.
            !matches!(end, End::Right | End::Unsent)
                && names.is_told_again(attempt.name, attempt.from)
        } else {
            names.leave(Whose::Name, attempt.name, end, attempt, held, now)
        };
        if let Some(account) = attempt.account {
            if self.reached {
                let accounts = &throttle.accounts;
                accounts.leave(Whose::Account, account.key, end, attempt, held, now);
            }
            if end == End::Right {
                throttle.owners.add(account.key, attempt.from, now);
                throttle.callers.add(attempt.name, attempt.from, now);
            }
        }
        // What made the directory work is charged, as a repeat, too.
        let worked = self.repeated && self.reached && !matches!(end, End::Right | End::Unsent);
        throttle
            .addresses
            .leave(attempt.from, counted || worked, &limits, now);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.leave(End::Unknown, self.began);
        }
    }
}
