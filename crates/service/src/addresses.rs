//! Whom we serve at the moment: how many connections each address holds, and how often it may ask.
//!
//! The pace is the generic cell rate algorithm (ITU-T I.371): one number an address, no timer. An IPv6
//! customer holds at least a /64, so that is what counts as one address there.
//!
//! Invariant: an address is remembered while it is connected or its pace has not run out, and no longer;
//! time is a parameter.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automend_login::client_network;

/// Everybody who is connected, or was a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    known: Mutex<HashMap<IpAddr, Arc<Address>>>,
    connections: AtomicUsize,
}

/// How much is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RateLimits {
    /// Connections at once, of everybody together.
    pub connections: usize,
    /// Connections at once of one address.
    pub connections_per_address: usize,
    /// Requests a second of one address, in the long run; 0 counts none.
    pub requests_per_address: u32,
    /// Requests of one address that may come at once.
    pub burst: u32,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Full {
    /// There are as many connections as may be.
    Connections,
    /// This address has as many as one may have.
    Address,
}

#[derive(Debug, Default)]
struct Address {
    connections: AtomicUsize,
    /// When the address would have used up what it was allowed, in nanoseconds.
    used_until: AtomicU64,
}

/// A connection that counts for as long as this is held.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    address: Arc<Address>,
    all: Arc<Addresses>,
}

/// With fewer addresses than this none is forgotten early.
const FEW: usize = 4096;

impl Addresses {
    /// Takes a connection from `peer`, if there may be one more.
    pub(crate) fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        rates: &RateLimits,
        now: Duration,
    ) -> Result<ConnectionPermit, Full> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.connections.load(Ordering::Relaxed) >= rates.connections {
            return Err(Full::Connections);
        }
        forget(&mut known, now);
        let address = known.entry(client_network(peer)).or_default();
        if address.connections.load(Ordering::Relaxed) >= rates.connections_per_address {
            return Err(Full::Address);
        }
        address.connections.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionPermit {
            address: Arc::clone(address),
            all: Arc::clone(self),
        })
    }

    /// As [`Addresses::enter`], for a proxy: its connections are those of many, so that they count for all
    /// together and not for its address.
    pub(crate) fn enter_proxy(
        self: &Arc<Self>,
        peer: IpAddr,
        rates: &RateLimits,
        now: Duration,
    ) -> Result<ConnectionPermit, Full> {
        let rates = RateLimits {
            connections_per_address: usize::MAX,
            ..*rates
        };
        self.enter(peer, &rates, now)
    }

    /// Whether an address that a proxy asks for may make one more request; if not, when it may.
    pub(crate) fn ask(
        &self,
        client: IpAddr,
        rates: &RateLimits,
        now: Duration,
    ) -> Result<(), Duration> {
        let address = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            forget(&mut known, now);
            Arc::clone(known.entry(client_network(client)).or_default())
        };
        address.ask(rates, now)
    }

    /// Connections at this moment.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Forgets who is gone, when the table would grow otherwise.
fn forget(known: &mut HashMap<IpAddr, Arc<Address>>, now: Duration) {
    if known.len() >= FEW && known.len() == known.capacity() {
        let now = nanoseconds(now);
        known.retain(|_, address| {
            address.connections.load(Ordering::Relaxed) > 0
                || address.used_until.load(Ordering::Relaxed) > now
        });
    }
}

impl ConnectionPermit {
    /// Whether this address may make one more request at `now`; if not, when it may.
    pub(crate) fn ask(&self, rates: &RateLimits, now: Duration) -> Result<(), Duration> {
        self.address.ask(rates, now)
    }
}

impl Address {
    fn ask(&self, rates: &RateLimits, now: Duration) -> Result<(), Duration> {
        if rates.requests_per_address == 0 {
            return Ok(());
        }
        let now = nanoseconds(now);
        let one = 1_000_000_000 / u64::from(rates.requests_per_address);
        let most = one.saturating_mul(u64::from(rates.burst.max(1)));
        let step = |used: u64| {
            let after = used.max(now).saturating_add(one);
            (after - now <= most).then_some(after)
        };
        self.used_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .map(drop)
            .map_err(|used| {
                Duration::from_nanos(used.saturating_add(one).saturating_sub(now + most))
            })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.address.connections.fetch_sub(1, Ordering::Relaxed);
        self.all.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: RateLimits = RateLimits {
        connections: 3,
        connections_per_address: 2,
        requests_per_address: 10,
        burst: 5,
    };

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_are_counted_for_each_address_and_for_all() {
        let all = Arc::new(Addresses::default());
        let enter = |text| all.enter(peer(text), &RATES, Duration::ZERO);
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("10.0.0.1").unwrap();
        assert_eq!(enter("10.0.0.1").unwrap_err(), Full::Address);
        assert_eq!(enter("::ffff:10.0.0.1").unwrap_err(), Full::Address);
        let _third = enter("2001:db8::1").unwrap();
        assert_eq!(enter("10.0.0.2").unwrap_err(), Full::Connections);
        drop(first);
        assert_eq!(all.connections(), 2);
        enter("2001:db8:0:0:ffff::1").unwrap();
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_pace() {
        let all = Arc::new(Addresses::default());
        let guest = all.enter(peer("10.0.0.1"), &RATES, Duration::ZERO).unwrap();
        let ask = |millis| guest.ask(&RATES, Duration::from_millis(millis));
        for _ in 0..5 {
            ask(1000).unwrap();
        }
        assert_eq!(ask(1000), Err(Duration::from_millis(100)));
        assert_eq!(ask(1099), Err(Duration::from_millis(1)));
        ask(1100).unwrap();
        assert!(ask(1100).is_err());
        // Leaving and coming back is no way around it.
        drop(guest);
        let guest = all.enter(peer("10.0.0.1"), &RATES, Duration::ZERO).unwrap();
        assert!(guest.ask(&RATES, Duration::from_millis(1100)).is_err());
        assert!(guest.ask(&RATES, Duration::from_secs(9)).is_ok());
    }

    #[test]
    fn addresses_that_are_gone_are_forgotten() {
        let all = Arc::new(Addresses::default());
        for number in 0..100_000_u32 {
            let guest = all
                .enter(IpAddr::V4(number.into()), &RATES, Duration::from_secs(1))
                .unwrap();
            drop(guest);
        }
        assert!(all.known.lock().unwrap().len() < 4 * FEW);
    }
}
