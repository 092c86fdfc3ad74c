//! The authenticator: every request passes here before anything else of it is looked at.
//!
//! Specification: RFC 9110 11 (challenges), RFC 7617 (Basic), RFC 4559 (NTLM and Negotiate).
//!
//! Invariant: only what works is offered; a challenge has one scheme a line, and never Digest. The cache of
//! credentials is asked first, so that a throttle affects no user who is logged in. A challenge of NTLM is
//! answered once, on its own connection. A password that was sent to the directory is counted unless it is
//! right, whether its client waits for that or not. A refusal is sent at a multiple of [`REFUSAL_INTERVAL`].

mod connection;
mod negotiate;
mod ntlm;
mod password;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use automend_negotiate::Scheme;
use automend_negotiate::kerberos::Keytab;
use automend_negotiate::ntlm::{Names, is_ntlm};
use automend_system::clock;
use automend_system::private_file::{self, Readable};
use tokio::time::sleep;

use super::account::{Authenticated, keyed_hash};
use super::accounts::{Accounts, Candidate};
use super::credential_cache::CredentialCache;
use super::header::{Wrapping, decode, split};
use super::in_flight::InFlight;
use super::name::Login;
use super::outcome::Unavailable;
use super::replay_cache::ReplayCache;
use super::throttle::{Attempt, Denied, Limits, PENDING_RETRY_AFTER, Throttle};
use super::{FAILURES_PER_ADDRESS, Verdict, basic};
pub use connection::Connection;
use connection::State;

/// What is offered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What a password dialogue calls the service.
    pub realm: String,
    /// The schemes, in the order in which they are offered.
    pub schemes: Vec<Scheme>,
    /// The keys of the service, for Negotiate.
    pub keytab: Option<PathBuf>,
    /// Whether tickets that are encrypted with RC4 are taken though the keytab has AES keys.
    pub rc4_tickets: bool,
}

/// The authenticator.
pub struct Authenticator {
    accounts: Accounts,
    offer: Offer,
    keytab: Keytab,
    names: Names,
    credentials: CredentialCache,
    throttle: Arc<Throttle>,
    replay_cache: Arc<ReplayCache>,
    in_flight: InFlight,
    /// Failures of one address that are let through.
    failures_per_address: u32,
}

/// Longest `Authorization` value that is looked at: Windows allows tickets of 48 kB, in base64.
const MAX_HEADER_BYTES: usize = 96 * 1024;
/// Why NTLM is not offered.
const SHARED: &str =
    "NTLM is not offered through a proxy, which may send requests of others on the same connection";
/// When a client is to come again while too many logins are pending.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);
/// A refusal is sent after so long, or a multiple of it: a directory takes longer over a wrong password where
/// the account exists, and no client is to measure that.
const REFUSAL_INTERVAL: Duration = Duration::from_millis(500);
/// Why a password was refused that came before, and was not sent to the directory then either; for the log.
const WITHHELD_AGAIN: &str = "too many failures of the account, so it was not asked again";

impl Authenticator {
    /// An authenticator for these accounts. What the one before it has counted still counts, and tickets that it
    /// has seen are refused.
    ///
    /// # Errors
    ///
    /// A scheme could not work.
    pub fn new(accounts: Accounts, offer: Offer, before: Option<&Self>) -> Result<Self> {
        if offer.schemes.is_empty() {
            bail!("no way to log in is offered");
        }
        let mut keytab = Keytab::default();
        for scheme in &offer.schemes {
            match scheme {
                Scheme::Basic => {}
                Scheme::Ntlm => accounts.can_do_ntlm()?,
                Scheme::Negotiate => {
                    let Some(path) = &offer.keytab else {
                        bail!("Negotiate needs a keytab with the keys of HTTP/HOST");
                    };
                    let bytes = private_file::read(path, "the keytab", Readable::Refused)?;
                    keytab = Keytab::read(&bytes)
                        .with_context(|| format!("reading the keytab {}", path.display()))?;
                    if keytab.entries().is_empty() {
                        bail!("no key that can be used in the keytab {}", path.display());
                    }
                }
                Scheme::Bearer => bail!("Bearer is not offered by this service"),
            }
        }
        let (credentials, throttle, replay_cache) = match before {
            Some(before) => (
                before.credentials.emptied(),
                Arc::clone(&before.throttle),
                Arc::clone(&before.replay_cache),
            ),
            None => (
                CredentialCache::new()?,
                Arc::new(Throttle::new(accounts.limits())),
                Arc::default(),
            ),
        };
        throttle.set(accounts.limits());
        Ok(Self {
            names: accounts.names(),
            accounts,
            offer,
            keytab,
            credentials,
            throttle,
            replay_cache,
            in_flight: InFlight::default(),
            failures_per_address: FAILURES_PER_ADDRESS,
        })
    }

    /// The same with another limit of failures from one address; 0 counts none.
    pub fn with_failures_per_address(mut self, most: u32) -> Self {
        self.failures_per_address = most;
        self.throttle.set(self.limits());
        self
    }

    fn limits(&self) -> Limits {
        Limits {
            address: self.failures_per_address,
            ..self.accounts.limits()
        }
    }

    /// Decides about a request by its `Authorization` header, if it has one.
    pub async fn authenticate(
        self: &Arc<Self>,
        connection: &mut Connection,
        authorization: Option<&[u8]>,
        from: IpAddr,
    ) -> Verdict {
        let verdict = self.decide(connection, authorization, from).await;
        if let Verdict::Accepted { account, .. } = &verdict {
            connection.note(account);
        }
        verdict
    }

    async fn decide(
        self: &Arc<Self>,
        connection: &mut Connection,
        authorization: Option<&[u8]>,
        from: IpAddr,
    ) -> Verdict {
        connection.refusal = None;
        let now = clock::monotonic();
        let Some(value) = authorization else {
            return self.by_connection(connection, now);
        };
        if value.len() > MAX_HEADER_BYTES {
            return self.refuse(connection, "an Authorization header of more than 96 KiB");
        }
        let (scheme, token) = split(value);
        let scheme = std::str::from_utf8(scheme)
            .ok()
            .and_then(Scheme::read)
            .filter(|scheme| self.offers(*scheme));
        match scheme {
            Some(Scheme::Basic) => {
                // A client that sends a password with a request does so with each, or is another one.
                connection.state = State::New;
                let digest = self.credentials.digest(&[b"Basic", token]);
                if let Some(verdict) = self.cached(&digest, now) {
                    return verdict;
                }
                // What takes longer is kept apart, so that other requests do not carry the room for it.
                Box::pin(self.password(connection, token, digest, from, now)).await
            }
            Some(Scheme::Ntlm) if connection.shared => self.refuse(connection, SHARED),
            Some(Scheme::Ntlm) => match decode(token) {
                Some(token) if is_ntlm(&token) => {
                    let login = self.ntlm(connection, Wrapping::Ntlm, &token, from, now);
                    Box::pin(login).await
                }
                _ => self.refuse(connection, "not a message of NTLM"),
            },
            Some(Scheme::Negotiate) => match decode(token) {
                Some(token) => Box::pin(self.negotiate(connection, &token, from, now)).await,
                None => self.refuse(connection, "not base64"),
            },
            _ => self.refuse(connection, "a scheme that is not offered"),
        }
    }

    /// The `WWW-Authenticate` values of a first 401.
    pub fn challenges(&self) -> Vec<String> {
        let line = |scheme: &Scheme| match scheme {
            Scheme::Basic => basic::challenge(&self.offer.realm),
            scheme => scheme.name().to_owned(),
        };
        self.offer.schemes.iter().map(line).collect()
    }

    /// Whether a login belongs to a connection, so that requests on it must not be mixed (no HTTP/2).
    pub fn is_connection_bound(&self) -> bool {
        self.offers(Scheme::Ntlm) || self.offers(Scheme::Negotiate)
    }

    fn offers(&self, scheme: Scheme) -> bool {
        self.offer.schemes.contains(&scheme)
    }

    /// The schemes that may be tried on this connection.
    fn challenge(&self, connection: &Connection) -> Verdict {
        let mut values = self.challenges();
        if connection.shared {
            values.retain(|value| value != Scheme::Ntlm.name());
        }
        Verdict::Challenge(values)
    }

    fn refuse(&self, connection: &mut Connection, why: impl Into<String>) -> Verdict {
        connection.refusal = Some(why.into());
        self.challenge(connection)
    }

    /// The verdict for an address that has failed too often.
    fn address_throttled(connection: &mut Connection, from: IpAddr, wait: Duration) -> Verdict {
        connection.refusal = Some(format!("too many failed logins from {from}"));
        Verdict::Throttled(wait)
    }

    /// Refuses a login that began then, when refusals are sent.
    async fn refuse_late(
        &self,
        connection: &mut Connection,
        began: Instant,
        why: String,
    ) -> Verdict {
        sleep(until_refusal(began)).await;
        self.refuse(connection, why)
    }

    /// The verdict for a name that has failed too often, when refusals are sent: the password may have been
    /// checked all the same, where it came from a known network.
    async fn throttle_late(
        &self,
        connection: &mut Connection,
        login: &Login,
        wait: Duration,
        began: Instant,
    ) -> Verdict {
        sleep(until_refusal(began)).await;
        self.throttle(connection, login, wait)
    }

    fn throttle(&self, connection: &mut Connection, login: &Login, wait: Duration) -> Verdict {
        let most = self.throttle.limits().account;
        connection.refusal = Some(format!(
            "{}: {most} failed logins are let through at a time, and there were as many",
            login.key()
        ));
        Verdict::Throttled(wait)
    }

    /// The verdict for an attempt that does not go on.
    async fn deny(
        &self,
        connection: &mut Connection,
        login: &Login,
        denied: Denied,
        began: Instant,
    ) -> Verdict {
        let why = match denied {
            Denied::Wait(wait) => return self.throttle_late(connection, login, wait, began).await,
            Denied::Pending => return self.throttle(connection, login, PENDING_RETRY_AFTER),
            Denied::KnownWrong => "the same wrong password again",
            Denied::Withheld => WITHHELD_AGAIN,
        };
        let why = format!("{}: {why}", login.key());
        self.refuse_late(connection, began, why).await
    }

    /// A request without a login, on a connection that may have had one.
    fn by_connection(&self, connection: &mut Connection, now: Instant) -> Verdict {
        match &connection.state {
            State::LoggedIn { login, until }
                if now < *until && self.accounts.still_holds(&login.validity) =>
            {
                accept(login, None)
            }
            _ => {
                connection.state = State::New;
                if connection.shared && self.offers(Scheme::Ntlm) {
                    return self.refuse(connection, SHARED);
                }
                self.challenge(connection)
            }
        }
    }

    async fn find(&self, login: &Login) -> Result<Candidate, Unavailable> {
        let candidate = self.accounts.find(login).await;
        // A live directory may just have said what its policy is.
        self.throttle.set(self.limits());
        candidate
    }
}

fn attempt(login: &Login, candidate: &Candidate, password: Option<u64>, from: IpAddr) -> Attempt {
    Attempt {
        name: keyed_hash(login.key()),
        account: candidate.counted(),
        password,
        from,
    }
}

/// How long it is until refusals of logins are sent that began then.
fn until_refusal(began: Instant) -> Duration {
    let taken = clock::monotonic().saturating_duration_since(began);
    let over = taken.as_nanos() % REFUSAL_INTERVAL.as_nanos();
    REFUSAL_INTERVAL.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(0)))
}

fn accept(login: &Authenticated, token: Option<String>) -> Verdict {
    Verdict::Accepted {
        account: Arc::clone(&login.account),
        token,
    }
}

impl From<Unavailable> for Verdict {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Directory(why) => Self::Unavailable(why),
            Unavailable::Busy => Self::Throttled(BUSY_RETRY_AFTER),
        }
    }
}
