//! The gate: every request of a face passes here before anything else of it is looked at.
//!
//! Specification: RFC 9110 11 (challenges), RFC 7617 (Basic), RFC 4559 (NTLM and Negotiate).
//!
//! Invariant: only what works is offered; a challenge has one scheme a line, and no Digest ever. What was
//! remembered is asked first, so that a throttle affects no user who is logged in. A challenge of NTLM is
//! answered once, on its own connection. A password that was sent to the directory is counted unless it is
//! right, whether its client waits for that or not. A refusal comes at [`PACE`], whatever it took.

mod negotiate;

use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use automend_negotiate::kerberos::Keytab;
use automend_negotiate::ntlm::{Authenticate, Challenge, Names, is_ntlm};
use automend_negotiate::spnego;
use automend_negotiate::{FILETIME_EPOCH, Scheme};
use automend_system::clock;
use automend_system::private_file::{self, Readable};
use futures_util::future::{Either, select};
use tokio::time::sleep;

use super::accounts::{Accounts, Candidate};
use super::channel::{Channel, Expected, Purpose};
use super::header::{Wrapping, decode, split};
use super::name::Login;
use super::remembered::{Digest, Remembered};
use super::seals::Seals;
use super::status::{Proof, Proved, Trouble, number};
use super::throttle::Limits;
use super::throttle::{Attempt, End, Entry, Look, Reach, Throttle, Ticket};
use super::under_way::UnderWay;
use super::{Account, FAILURES_PER_ADDRESS, Verdict, basic};

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

/// The gate.
pub struct Gate {
    accounts: Accounts,
    offer: Offer,
    keytab: Keytab,
    names: Names,
    remembered: Remembered,
    throttle: Arc<Throttle>,
    seals: Arc<Seals>,
    under_way: UnderWay,
    /// Failures of one address that are borne.
    failures_per_address: u32,
}

/// The login of one TCP or TLS connection, which NTLM and Negotiate are bound to.
///
/// Invariant: a connection that others may use, too, carries no login.
#[derive(Debug, Default)]
pub struct Connection {
    state: State,
    /// Whether requests of several people may come on it, once and for all.
    shared: bool,
    /// Who logged in on it last.
    last: Option<Arc<Account>>,
    /// What a login on it must have been made for.
    purpose: Option<Purpose>,
    /// Why the last login was refused, or what is amiss with it though it was not.
    refusal: Option<String>,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody has logged in.
    #[default]
    New,
    /// A challenge of NTLM waits for its answer.
    Challenged(Wrapping, Box<Challenge>),
    /// Somebody has logged in.
    In { proved: Proved, until: Instant },
}

/// How long a connection stays logged in; after that its client is asked again.
pub(crate) const CONNECTION: Duration = Duration::from_secs(15 * 60);

/// Longest `Authorization` value that is looked at: Windows allows tickets of 48 kB, in base64.
const LONGEST: usize = 96 * 1024;
/// Why NTLM is not offered.
const SHARED: &str =
    "NTLM is not offered through a proxy, which may send requests of others on the same connection";
/// Why a password was refused without asking, in words for the log.
const WRONG_AGAIN: &str = "the same wrong password again";
const HELD: &str = "too many failures of the account, so it was not asked";
const HELD_AGAIN: &str = "too many failures of the account, so it was not asked again";
/// How long to wait when too many logins are under way.
const BUSY: Duration = Duration::from_secs(1);
/// A refused password is told after so long, or a multiple of it: a directory takes longer over the wrong
/// password of somebody who exists than over that of nobody, and nobody is to measure it.
const PACE: Duration = Duration::from_millis(500);
/// How long an attempt waits for others of its account, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(20);

impl Connection {
    /// Says that requests of several people may come on this connection, as a proxy's do: what is proved on
    /// it holds for one request from now on, and NTLM, which proves a connection, is not offered.
    pub fn share(&mut self) {
        self.shared = true;
        self.state = State::New;
    }

    /// Says what a login on it must have been made for; until then nothing is compared.
    pub fn expect(&mut self, expected: &Arc<Expected>, channel: &Arc<Channel>) {
        self.purpose = Some(Purpose {
            expected: Arc::clone(expected),
            channel: Arc::clone(channel),
        });
    }

    /// Whether the next request needs no login of its own.
    pub fn is_logged_in(&self) -> bool {
        matches!(self.state, State::In { .. })
    }

    /// Notes who has logged in; the second one shows that the connection has several users.
    fn note(&mut self, account: &Arc<Account>) {
        match &self.last {
            Some(last) if last.who != account.who => self.share(),
            Some(_) => {}
            None => self.last = Some(Arc::clone(account)),
        }
    }

    /// Why the last login was refused, or what is amiss with it though it was not, in words for the log;
    /// never for the client.
    pub fn refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }
}

impl Gate {
    /// A gate to these accounts. What could not work is an error. What the gate before it has counted still
    /// counts, and the tickets that it has seen are no good any more.
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
        let (remembered, throttle, seals) = match before {
            Some(before) => (
                before.remembered.emptied(),
                Arc::clone(&before.throttle),
                Arc::clone(&before.seals),
            ),
            None => (
                Remembered::new()?,
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
            remembered,
            throttle,
            seals,
            under_way: UnderWay::default(),
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
    pub async fn admit(
        self: &Arc<Self>,
        connection: &mut Connection,
        authorization: Option<&[u8]>,
        from: IpAddr,
    ) -> Verdict {
        let verdict = self.decide(connection, authorization, from).await;
        if let Verdict::Admitted { account, .. } = &verdict {
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
            return self.known(connection, now);
        };
        if value.len() > LONGEST {
            return self.refuse(connection, "an Authorization header of more than 96 KiB");
        }
        let (scheme, token) = split(value);
        let scheme = std::str::from_utf8(scheme)
            .ok()
            .and_then(Scheme::read)
            .filter(|scheme| self.offers(*scheme));
        match scheme {
            Some(Scheme::Basic) => {
                // Who sends a password with a request does so with each, or is somebody else.
                connection.state = State::New;
                let digest = self.remembered.digest(&[b"Basic", token]);
                if let Some(verdict) = self.recalled(&digest, now) {
                    return verdict;
                }
                // What takes longer is kept apart, so that nobody else carries the room for it about.
                Box::pin(self.basic(connection, token, digest, from, now)).await
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

    /// What may be tried on this connection.
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

    /// What an address is told that has failed too often.
    fn address_throttled(connection: &mut Connection, from: IpAddr, wait: Duration) -> Verdict {
        connection.refusal = Some(format!("too many failed logins from {from}"));
        Verdict::Throttled(wait)
    }

    /// Refuses a password that was looked at since `began`.
    async fn refuse_at_pace(
        &self,
        connection: &mut Connection,
        began: Instant,
        why: String,
    ) -> Verdict {
        sleep(rest_of_pace(
            clock::monotonic().saturating_duration_since(began),
        ))
        .await;
        self.refuse(connection, why)
    }

    /// What a client is told that has failed too often under a name; at the pace of a refused password, as a
    /// familiar network may have had its password looked at.
    async fn throttle_at_pace(
        &self,
        connection: &mut Connection,
        login: &Login,
        wait: Duration,
        began: Instant,
    ) -> Verdict {
        let taken = clock::monotonic().saturating_duration_since(began);
        sleep(rest_of_pace(taken)).await;
        self.throttled(connection, login, wait)
    }

    fn throttled(&self, connection: &mut Connection, login: &Login, wait: Duration) -> Verdict {
        let most = self.throttle.limits().account;
        connection.refusal = Some(format!(
            "{}: {most} failed logins are let through at a time, and there were as many",
            login.key()
        ));
        Verdict::Throttled(wait)
    }

    /// A request without a login, on a connection that may have had one.
    fn known(&self, connection: &mut Connection, now: Instant) -> Verdict {
        match &connection.state {
            State::In { proved, until } if now < *until && self.accounts.holds(&proved.guard) => {
                admitted(proved, None)
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

    /// A login with Basic that is not remembered.
    async fn basic(
        self: &Arc<Self>,
        connection: &mut Connection,
        token: &[u8],
        digest: Digest,
        from: IpAddr,
        now: Instant,
    ) -> Verdict {
        if let Some(wait) = self.throttle.address(from, now) {
            return Self::address_throttled(connection, from, wait);
        }
        let turn = self.under_way.turn(&digest).lock_owned().await;
        let now = clock::monotonic();
        if let Some(verdict) = self.recalled(&digest, now) {
            return verdict;
        }
        let Some(credentials) = basic::read(token) else {
            return self.refuse(connection, "no user and password in a Basic login");
        };
        let Some(login) = Login::parse(&credentials.user) else {
            return self.refuse(connection, "a name that can name nobody");
        };
        let password = self
            .remembered
            .digest(&[b"password", credentials.password.as_bytes()])
            .key();
        // Before anybody is searched for: that costs the directory work, too.
        let name = number(login.key());
        match self.throttle.look(name, Some(password), from, now) {
            Look::Go => {}
            Look::Wait(wait) => {
                drop(turn);
                return self.throttle_at_pace(connection, &login, wait, now).await;
            }
            known @ (Look::KnownWrong | Look::Held) => {
                drop(turn);
                let why = if known == Look::Held {
                    HELD_AGAIN
                } else {
                    WRONG_AGAIN
                };
                let why = format!("{}: {why}", login.key());
                return self.refuse_at_pace(connection, now, why).await;
            }
        }
        let candidate = match self.find(&login).await {
            Ok(candidate) => candidate,
            Err(trouble) => return trouble.into(),
        };
        let attempt = attempt(&login, &candidate, Some(password), from);
        let mut ticket = match self.throttle.enter(&attempt, now) {
            Entry::Go(ticket) => ticket,
            Entry::KnownWrong => {
                // Others who send the same need not wait for each other.
                drop(turn);
                let why = format!("{}: {WRONG_AGAIN}", login.key());
                return self.refuse_at_pace(connection, now, why).await;
            }
            Entry::Wait(wait) => return self.throttled(connection, &login, wait),
        };
        let beyond = ticket.beyond();
        // In a task of its own: a client that leaves in the middle, whose request is dropped with all that
        // it waits for, must not take back what the directory counts all the same.
        let gate = Arc::clone(self);
        let proof = tokio::spawn(async move {
            let _turn = turn;
            let (proof, closed) = gate
                .check(&mut ticket, &candidate, &credentials.password, now)
                .await;
            ticket.settle(proof.end(), clock::monotonic());
            if let Proof::Right(proved) = &proof {
                gate.remembered.keep(digest, proved.clone(), now);
            }
            (proof, closed)
        });
        let Ok((proof, closed)) = proof.await else {
            return Verdict::Unavailable("checking a login broke off".to_owned());
        };
        let refusal = match proof {
            Proof::Right(proved) => return admitted(&proved, None),
            Proof::Unknown(why) => return Verdict::Unavailable(why),
            Proof::Unsent(trouble) => return trouble.into(),
            Proof::Wrong => "wrong login",
            Proof::Closed => closed,
        };
        if let Some(wait) = beyond {
            return self.throttle_at_pace(connection, &login, wait, now).await;
        }
        let why = format!("{}: {refusal}", login.key());
        self.refuse_at_pace(connection, now, why).await
    }

    /// Checks a password, where the account lets it through, and does as if where it does not; with the reason
    /// for the log, where that is not the password.
    ///
    /// It takes as long as under the name of nobody. Where others of the account are under way, they are waited
    /// for while the password is checked as nobody's; when all of them have failed, that was the check.
    async fn check(
        &self,
        ticket: &mut Ticket,
        candidate: &Candidate,
        password: &str,
        now: Instant,
    ) -> (Proof, &'static str) {
        let repeated = ticket.is_repeated();
        match ticket.reach(now) {
            Reach::Directory => {}
            // Under the name of nobody, it would be known for wrong by now, and cost nothing.
            Reach::Nowhere | Reach::NotYet if repeated => return (Proof::Closed, HELD_AGAIN),
            Reach::Nowhere => return (self.accounts.feign(candidate, password).await, HELD),
            Reach::NotYet => {
                let feigned = pin!(self.accounts.feign(candidate, password));
                let decided = pin!(may_reach(ticket, now));
                let (may_reach, feigned) = match select(decided, feigned).await {
                    Either::Left((true, _)) => (true, None),
                    Either::Left((false, feigned)) => (false, Some(feigned.await)),
                    Either::Right((feigned, decided)) => (decided.await, Some(feigned)),
                };
                if let Some(feigned) = feigned.filter(|_| !may_reach) {
                    return (feigned, HELD);
                }
            }
        }
        let proof = self.accounts.prove(candidate, password).await;
        (proof, "the account may not log in now")
    }

    /// Admits credentials that were right a moment ago, if they still are.
    fn recalled(&self, digest: &Digest, now: Instant) -> Option<Verdict> {
        let proved = self.remembered.find(digest, now)?;
        if self.accounts.holds(&proved.guard) {
            return Some(admitted(&proved, None));
        }
        self.remembered.forget(digest);
        None
    }

    /// NTLM ([MS-NTHT]): a hello, a challenge, an answer; all on one connection.
    async fn ntlm(
        &self,
        connection: &mut Connection,
        wrapping: Wrapping,
        token: &[u8],
        from: IpAddr,
        now: Instant,
    ) -> Verdict {
        let before = std::mem::take(&mut connection.state);
        if let Some(wait) = self.throttle.address(from, now) {
            return Self::address_throttled(connection, from, wait);
        }
        if Challenge::is_asked_for(token) {
            let seconds = u64::try_from(clock::now().as_second()).unwrap_or(0);
            let time = seconds
                .saturating_add(FILETIME_EPOCH)
                .saturating_mul(10_000_000);
            return match Challenge::to(token, &self.names, time) {
                Ok(challenge) => {
                    let value = wrapping.value(challenge.message(), spnego::State::Incomplete);
                    connection.state = State::Challenged(wrapping, Box::new(challenge));
                    Verdict::Challenge(vec![value])
                }
                Err(failed) => Verdict::Unavailable(failed.to_string()),
            };
        }
        let answer = match Authenticate::read(token) {
            Ok(answer) => answer,
            Err(malformed) => return self.refuse(connection, malformed.to_string()),
        };
        let State::Challenged(before, challenge) = before else {
            return self.refuse(connection, "an answer of NTLM without a challenge");
        };
        if before != wrapping {
            return self.refuse(
                connection,
                "an answer of NTLM to another scheme's challenge",
            );
        }
        let Some(login) = Login::of(&answer.user, &answer.domain) else {
            return self.refuse(connection, "a name that can name nobody");
        };
        // Before anybody is searched for: it is the same whoever it is, and no password is tried.
        if let Some(purpose) = &connection.purpose {
            let who = login.key();
            let meant = purpose
                .is_service(&who, answer.service.as_deref())
                .and_then(|()| purpose.is_channel(&who, answer.channel));
            if let Err(why) = meant {
                return self.refuse(connection, why);
            }
        }
        if let Look::Wait(wait) = self.throttle.look(number(login.key()), None, from, now) {
            return self.throttle_at_pace(connection, &login, wait, now).await;
        }
        let candidate = match self.find(&login).await {
            Ok(candidate) => candidate,
            Err(trouble) => return trouble.into(),
        };
        let Some(hash) = self.accounts.nt_hash(&candidate) else {
            return self.refuse(connection, "NTLM where nobody has an NT hash");
        };
        let attempt = attempt(&login, &candidate, None, from);
        let mut ticket = match self.throttle.enter(&attempt, now) {
            Entry::Go(ticket) => ticket,
            Entry::KnownWrong => return self.challenge(connection),
            Entry::Wait(wait) => return self.throttled(connection, &login, wait),
        };
        let beyond = ticket.beyond();
        // At once: a proof takes no time, and who is nobody has none to wait for.
        let may_reach = ticket.reach(now) == Reach::Directory;
        let right = challenge.proves(&answer, &hash) && may_reach;
        let proved = self.accounts.vouched(&candidate).filter(|_| right);
        let end = proved.as_ref().map_or(End::Wrong, |_| End::Right);
        ticket.settle(end, clock::monotonic());
        let Some(proved) = proved else {
            if let Some(wait) = beyond {
                return self.throttle_at_pace(connection, &login, wait, now).await;
            }
            let why = format!("{}: wrong login", login.key());
            return self.refuse_at_pace(connection, now, why).await;
        };
        let proof = match wrapping {
            Wrapping::Ntlm => None,
            wrapping => Some(wrapping.value(&[], spnego::State::Completed)),
        };
        log_in(connection, proved, proof, now)
    }

    async fn find(&self, login: &Login) -> Result<Candidate, Trouble> {
        let candidate = self.accounts.find(login).await;
        // A live directory may just have said what its policy is.
        self.throttle.set(self.limits());
        candidate
    }
}

fn attempt(login: &Login, candidate: &Candidate, password: Option<u64>, from: IpAddr) -> Attempt {
    Attempt {
        name: number(login.key()),
        account: candidate.counted,
        password,
        from,
    }
}

/// Whether an attempt may reach its account. Where that depends on others under way, it waits for them.
async fn may_reach(ticket: &mut Ticket, now: Instant) -> bool {
    let until = now + PATIENCE;
    loop {
        let now = clock::monotonic();
        match ticket.reach(now) {
            Reach::Directory => return true,
            Reach::NotYet if now < until => sleep(GLANCE).await,
            Reach::NotYet | Reach::Nowhere => return false,
        }
    }
}

/// How long to wait until a refusal that took so long is told.
fn rest_of_pace(taken: Duration) -> Duration {
    let over = taken.as_nanos() % PACE.as_nanos();
    PACE.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(0)))
}

fn log_in(
    connection: &mut Connection,
    proved: Proved,
    proof: Option<String>,
    now: Instant,
) -> Verdict {
    let verdict = admitted(&proved, proof);
    connection.state = State::In {
        proved,
        until: now + CONNECTION,
    };
    verdict
}

fn admitted(proved: &Proved, proof: Option<String>) -> Verdict {
    Verdict::Admitted {
        account: Arc::clone(&proved.account),
        proof,
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
