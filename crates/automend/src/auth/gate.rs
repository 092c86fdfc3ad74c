//! The gate: every request of a face passes here before anything else of it is looked at.
//!
//! Specification: RFC 9110 11 (challenges), RFC 7617 (Basic).
//!
//! Invariant: only what works is offered; a challenge has one scheme a line, and no Digest ever. What was
//! remembered is asked first, so that a throttle hurts nobody who is logged in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::accounts::{Accounts, Proved, Trouble};
use super::login::Login;
use super::remembered::Remembered;
use super::throttle::{Entry, Throttle};
use super::{Scheme, Verdict, basic};
use crate::clock;

/// What is offered.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// What a password dialogue calls the service.
    pub realm: String,
    /// The schemes, in the order in which they are offered.
    pub schemes: Vec<Scheme>,
}

/// The gate.
pub(crate) struct Gate {
    accounts: Accounts,
    offer: Offer,
    remembered: Remembered,
    throttle: Arc<Throttle>,
}

/// The login of one TCP or TLS connection, which NTLM and Negotiate are bound to.
#[derive(Debug, Default)]
pub(crate) struct Connection {}

/// Longest `Authorization` value that is looked at: Windows allows tickets of 48 kB, in base64.
const LONGEST: usize = 96 * 1024;
/// How long to wait when too many logins are under way.
const BUSY: Duration = Duration::from_secs(1);

impl Gate {
    /// A gate to these accounts.
    pub(crate) fn new(accounts: Accounts, offer: Offer) -> Result<Self> {
        let throttle = Arc::new(Throttle::new(accounts.limits()));
        Ok(Self {
            accounts,
            offer,
            remembered: Remembered::new()?,
            throttle,
        })
    }

    /// Decides about a request by its `Authorization` header, if it has one.
    pub(crate) async fn admit(
        &self,
        connection: &mut Connection,
        authorization: Option<&[u8]>,
        from: IpAddr,
    ) -> Verdict {
        let _ = &connection;
        let Some(value) = authorization.filter(|value| value.len() <= LONGEST) else {
            return self.challenge();
        };
        let (scheme, token) = split(value);
        if scheme.eq_ignore_ascii_case(b"Basic") && self.offers(Scheme::Basic) {
            return self.basic(token, from, clock::monotonic()).await;
        }
        self.challenge()
    }

    /// The `WWW-Authenticate` values of a first 401.
    pub(crate) fn challenges(&self) -> Vec<String> {
        let line = |scheme: &Scheme| match scheme {
            Scheme::Basic => basic::challenge(&self.offer.realm),
            scheme => scheme.name().to_owned(),
        };
        self.offer.schemes.iter().map(line).collect()
    }

    /// Whether a login belongs to a connection, so that requests on it must not be mixed (no HTTP/2).
    pub(crate) fn is_connection_bound(&self) -> bool {
        self.offers(Scheme::Ntlm) || self.offers(Scheme::Negotiate)
    }

    fn offers(&self, scheme: Scheme) -> bool {
        self.offer.schemes.contains(&scheme)
    }

    fn challenge(&self) -> Verdict {
        Verdict::Challenge(self.challenges())
    }

    async fn basic(&self, token: &[u8], from: IpAddr, now: Instant) -> Verdict {
        let digest = self.remembered.digest(&[b"Basic", token]);
        if let Some(proved) = self.remembered.find(&digest, now) {
            if self.accounts.holds(&proved.guard) {
                return admitted(&proved);
            }
            self.remembered.forget(&digest);
        }
        if let Some(wait) = self.throttle.address(from, now) {
            return Verdict::Throttled(wait);
        }
        let Some(credentials) = basic::read(token) else {
            return self.challenge();
        };
        let Some(login) = Login::parse(&credentials.user) else {
            return self.challenge();
        };
        let candidate = match self.accounts.find(&login).await {
            Ok(candidate) => candidate,
            Err(trouble) => return trouble.into(),
        };
        self.throttle.set(self.accounts.limits());
        let password = self
            .remembered
            .digest(&[b"password", credentials.password.as_bytes()])
            .key();
        let (key, stamp) = (candidate.key, candidate.stamp);
        let ticket = match self.throttle.enter(key, stamp, Some(password), from, now) {
            Entry::Go(ticket) => ticket,
            Entry::KnownWrong => return self.challenge(),
            Entry::Wait(wait) => return Verdict::Throttled(wait),
        };
        match self.accounts.prove(&candidate, &credentials.password).await {
            Ok(Some(proved)) => {
                ticket.settle(true, clock::monotonic());
                let verdict = admitted(&proved);
                self.remembered.keep(digest, proved, now);
                verdict
            }
            Ok(None) => {
                ticket.settle(false, clock::monotonic());
                self.challenge()
            }
            Err(trouble) => trouble.into(),
        }
    }
}

fn admitted(proved: &Proved) -> Verdict {
    Verdict::Admitted {
        account: Arc::clone(&proved.account),
        proof: None,
    }
}

impl From<Trouble> for Verdict {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unavailable(why) => Self::Unavailable(why),
            Trouble::Busy => Self::Throttled(BUSY),
        }
    }
}

/// Scheme and what stands behind it.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii();
    match value.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(at) => {
            let (scheme, rest) = value.split_at(at);
            (scheme, rest.trim_ascii())
        }
        None => (value, b""),
    }
}
