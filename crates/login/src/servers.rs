//! Accounts of a live directory: names are looked up by the service's own account, passwords are checked
//! by a bind (RFC 4513 5.1.3) on connections that do nothing else.
//!
//! Invariant: no password goes in clear to another machine; one that a server
//! may have judged is sent nowhere again, as it may have been counted; only the directory's own word is a wrong password,
//! and every other failure is an outage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_ldap::{Client, Entry, Error, Filter, ResultCode, Scope, Search};
use automend_source::connect::{self, connect};
use automend_source::live::{RootDse, check_held, is_lost};
use automend_source::{LdapUrl, Scheme, Settings};
use automend_system::clock;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

use super::lockout::{self, readable};
use super::name::{Claims, Domains, Login, UID};
use super::status::{EXPIRES, Guard, Proof, Proved, Rights, Trouble, account, number};
use super::throttle::{Counted, Limits};

/// The servers.
pub struct Servers {
    settings: Settings,
    all: Vec<Server>,
    /// The one that answered last.
    first: AtomicUsize,
    /// Logins under way.
    seats: Semaphore,
    /// Checks that only take as long as real ones, and must not keep these waiting.
    feigned: Semaphore,
    policy: RwLock<Policy>,
}

/// One server.
struct Server {
    url: LdapUrl,
    /// The connection of the service's own account.
    service: tokio::sync::Mutex<Option<Arc<Service>>>,
    /// Connections for checking passwords, whoever was bound last, and when that was.
    idle: Mutex<Vec<(Client, Instant)>>,
    /// It failed, and is left alone until then while another one answers.
    rests: Mutex<Option<Instant>>,
}

struct Service {
    client: Client,
    root: RootDse,
}

/// What the domain says of lock-outs and of short names.
#[derive(Clone)]
struct Policy {
    limits: Limits,
    domains: Domains,
    read: Option<Instant>,
}

/// An account of the directory, or nobody.
pub(super) enum Candidate {
    Account { dn: Dn, entry: Entry },
    Nobody,
}

/// How long a server may take for one request of a login, connecting included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server that failed is left alone.
const REST: Duration = Duration::from_secs(10);
/// How long the domain's policy is believed.
const POLICY: Duration = Duration::from_secs(600);
/// Connections for checking passwords that are kept for each server, and for how long.
const MOST_IDLE: usize = 16;
/// What stands between may have forgotten a connection that is older, and a password sent there is lost.
const IDLE: Duration = Duration::from_secs(60);
/// Logins under way at once.
const MOST_SEATS: usize = 256;
/// Checks under way at once that lead to nobody on purpose.
const MOST_FEIGNED: usize = 16;
/// Objects that may share a name.
const MOST_ALIKE: usize = 32;

/// What is read of an account.
const WANTED: &[&str] = &[
    attribute::OBJECT_CLASS,
    attribute::SAM_ACCOUNT_NAME,
    UID,
    attribute::USER_PRINCIPAL_NAME,
    attribute::MAIL,
    attribute::MAIL_NICKNAME,
    attribute::PROXY_ADDRESSES,
    attribute::USER_ACCOUNT_CONTROL,
    EXPIRES,
    PASSWORD_SET,
    PASSWORD_CHANGED,
    LOCKED_SINCE,
    LOCKED_BY_POLICY,
];
/// `pwdLastSet` ([MS-ADA3] 2.177).
const PASSWORD_SET: &str = "pwdLastSet";
/// `pwdChangedTime`, where there is a password policy of slapd (draft-behera-ldap-password-policy 5.3.2).
const PASSWORD_CHANGED: &str = "pwdChangedTime";

/// `lockoutTime`, not zero from when the account was locked until it is unlocked or its user logs in
/// ([MS-ADA1]).
const LOCKED_SINCE: &str = "lockoutTime";
/// `pwdAccountLockedTime`, there as long as slapd holds an account for locked
/// (draft-behera-ldap-password-policy-10 5.3).
const LOCKED_BY_POLICY: &str = "pwdAccountLockedTime";

/// What a server is asked.
enum Question<'a> {
    /// Which objects does this select?
    Who(Filter),
    /// Do a name and a password belong together?
    Belong { dn: &'a str, password: &'a str },
    /// The same for a name that nobody has and a password that nobody sent: it takes as long as a
    /// refusal, and tells the server nothing.
    Nobody,
}

/// What it answers.
enum Reply {
    Found(Vec<Entry>),
    Told(Told),
}

/// What a server says to a name and a password.
enum Told {
    Right,
    Wrong,
    /// The account may not log in, whatever the password is.
    Closed,
}

/// A request failed.
struct Failed {
    why: String,
    /// A password was sent, and the server may have counted it. Otherwise another server may do better.
    sent: bool,
}

impl Servers {
    pub(super) fn new(settings: &Settings, servers: &[LdapUrl]) -> Result<Self> {
        if servers.is_empty() {
            bail!("no server to check passwords with");
        }
        for url in servers {
            if url.scheme == Scheme::Ldap && !settings.start_tls && !url.is_loopback() {
                bail!(
                    "{url}: refusing to check passwords in clear text on another machine; use ldaps:// or \
                     start-tls"
                );
            }
        }
        let mut settings = settings.with_known_password()?;
        settings.timeout = settings.timeout.min(PATIENCE);
        Ok(Self {
            settings,
            all: servers.iter().cloned().map(Server::new).collect(),
            first: AtomicUsize::new(0),
            seats: Semaphore::new(MOST_SEATS),
            feigned: Semaphore::new(MOST_FEIGNED),
            policy: RwLock::new(Policy {
                limits: Limits::LIVE,
                domains: Domains::default(),
                read: None,
            }),
        })
    }

    pub(super) fn limits(&self) -> Limits {
        self.policy().limits
    }

    /// Whom a name means, and where the failures of that account are counted.
    pub(super) async fn find(
        &self,
        login: &Login,
    ) -> Result<(Option<Counted>, Candidate), Trouble> {
        let _seat = self.seats.try_acquire().map_err(|_| Trouble::Busy)?;
        let filter = Filter::or(
            login
                .values()
                .into_iter()
                .map(|(name, value)| Filter::equal(name, value)),
        );
        let found = match self.ask(&Question::Who(filter)).await? {
            Reply::Found(found) => found,
            Reply::Told(_) => Vec::new(),
        };
        let accounts = found
            .into_iter()
            .filter(is_account)
            .filter_map(|entry| Some(Found(Dn::parse(&entry.dn).ok()?, entry)))
            .collect();
        Ok(match login.choose(accounts, &self.policy().domains) {
            Some(Found(dn, entry)) => {
                // Who is let in again is forgiven, too.
                let stamp = [
                    PASSWORD_SET,
                    PASSWORD_CHANGED,
                    LOCKED_SINCE,
                    LOCKED_BY_POLICY,
                    attribute::USER_ACCOUNT_CONTROL,
                    EXPIRES,
                ]
                .map(|name| entry.first_text(name));
                let counted = Counted {
                    key: number(dn.hash64()),
                    stamp: number(stamp),
                };
                (Some(counted), Candidate::Account { dn, entry })
            }
            None => (None, Candidate::Nobody),
        })
    }

    pub(super) async fn prove(&self, candidate: &Candidate, password: &str) -> Proof {
        let Ok(_seat) = self.seats.try_acquire() else {
            return Proof::Unsent(Trouble::Busy);
        };
        self.compare(candidate, password).await
    }

    /// Takes as long as a wrong password, with seats of its own; the directory does not learn whose it is.
    /// Where no real check would have a seat, it is refused as one; where only the own ones are taken, nothing
    /// is done, and a refusal comes at its pace.
    pub(super) async fn feign(&self, password: &str) -> Proof {
        if self.seats.available_permits() == 0 {
            return Proof::Unsent(Trouble::Busy);
        }
        let Ok(_seat) = self.feigned.try_acquire() else {
            return Proof::Closed;
        };
        self.compare(&Candidate::Nobody, password).await
    }

    async fn compare(&self, candidate: &Candidate, password: &str) -> Proof {
        if password.is_empty() {
            return Proof::Wrong;
        }
        let question = match candidate {
            Candidate::Account { dn, .. } => Question::Belong {
                dn: dn.as_str(),
                password,
            },
            Candidate::Nobody => Question::Nobody,
        };
        match self.ask_each(&question).await {
            Ok(Reply::Told(Told::Right)) => {
                // The server let somebody in whom his attributes keep out: that is not for a password to mend.
                candidate.vouched().map_or(Proof::Closed, Proof::Right)
            }
            Ok(Reply::Told(Told::Wrong)) if !candidate.is_locked() => Proof::Wrong,
            Ok(Reply::Told(Told::Wrong | Told::Closed)) => Proof::Closed,
            Ok(Reply::Found(_)) => Proof::Wrong,
            Err(failed) if failed.sent => Proof::Unknown(failed.why),
            Err(failed) => Proof::Unsent(Trouble::Unavailable(failed.why)),
        }
    }

    /// All that a filter selects, in every naming context.
    async fn search(&self, service: &Service, filter: &Filter) -> Result<Vec<Entry>, Error> {
        self.read_policy(service).await?;
        let own: Vec<&str> = self.settings.base.iter().map(Dn::as_str).collect();
        let bases = if own.is_empty() {
            service.root.contexts.iter().map(String::as_str).collect()
        } else {
            own
        };
        let mut found = Vec::new();
        for base in bases {
            let search = Search::new(base, Scope::Subtree, filter.clone(), WANTED);
            match service.client.entries(&search, MOST_ALIKE).await {
                Ok(entries) => found.extend(entries),
                // A context that this account can't see, or one that is elsewhere.
                Err(Error::Refused {
                    code: ResultCode::NO_SUCH_OBJECT,
                    ..
                }) if self.settings.base.is_empty() => {}
                Err(Error::Referral { .. }) => {}
                // So many that none is meant.
                Err(Error::Limit { .. }) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// What the domain says, where it says something and it was not read lately.
    async fn read_policy(&self, service: &Service) -> Result<(), Error> {
        let now = clock::monotonic();
        let fresh = |read: Instant| now.saturating_duration_since(read) < POLICY;
        if self.policy().read.is_some_and(fresh) {
            return Ok(());
        }
        let mut policy = Policy {
            limits: lockout::limits(&service.client, &service.root).await?,
            domains: Domains::default(),
            read: Some(now),
        };
        if let Some(configuration) = &service.root.configuration {
            let base = format!("CN=Partitions,{configuration}");
            let filter = Filter::present("nETBIOSName");
            let search = Search::new(&base, Scope::One, filter, &["nETBIOSName", "nCName"]);
            let entries = readable(service.client.entries(&search, 1000).await)?;
            for entry in entries.unwrap_or_default() {
                if let (Some(short), Some(Ok(head))) = (
                    entry.first_text("nETBIOSName"),
                    entry.first_text("nCName").map(Dn::parse),
                ) {
                    policy.domains.add(short, head);
                }
            }
        }
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        Ok(())
    }

    fn policy(&self) -> Policy {
        self.policy
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Reply, Trouble> {
        let answer = self.ask_each(question).await;
        answer.map_err(|failed| Trouble::Unavailable(failed.why))
    }

    /// Asks one server after the other, beginning with the one that answered last, until one answers or
    /// has been sent a password.
    async fn ask_each(&self, question: &Question<'_>) -> Result<Reply, Failed> {
        let count = self.all.len();
        let first = self.first.load(Ordering::Relaxed);
        let order = (0..count).map(|n| (first + n) % count.max(1));
        let (rested, resting): (Vec<usize>, Vec<usize>) = order.partition(|at| {
            self.all
                .get(*at)
                .is_some_and(|server| !server.is_resting(clock::monotonic()))
        });
        let mut failures = Vec::new();
        for at in rested.into_iter().chain(resting) {
            let Some(server) = self.all.get(at) else {
                continue;
            };
            let failed = match self.ask_one(server, question).await {
                Ok(answer) => {
                    server.rest(None);
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            server.rest(Some(clock::monotonic() + REST));
            failures.push(failed.why);
            if failed.sent {
                return Err(Failed::sent(failures.join("; ")));
            }
        }
        Err(Failed::unsent(failures.join("; ")))
    }

    async fn ask_one(&self, server: &Server, question: &Question<'_>) -> Result<Reply, Failed> {
        match question {
            Question::Who(filter) => {
                let found = server.in_time(self.who(server, filter)).await;
                found.map(Reply::Found).map_err(Failed::unsent)
            }
            Question::Belong { dn, password } => {
                if self.settings.one.is_some() {
                    // Another directory would call every password wrong.
                    let service = server.in_time(server.service(&self.settings)).await;
                    service.map_err(Failed::unsent)?;
                }
                let told = server.bind(&self.settings, dn, password).await?;
                Ok(Reply::Told(told))
            }
            Question::Nobody => {
                let service = server.in_time(server.service(&self.settings)).await;
                let (service, _) = service.map_err(Failed::unsent)?;
                let below = service.root.contexts.first().map_or("", String::as_str);
                let dn = format!("CN={},{below}", Uuid::new_v4());
                let password = Uuid::new_v4().to_string();
                server.bind(&self.settings, &dn, &password).await?;
                Ok(Reply::Told(Told::Wrong))
            }
        }
    }

    async fn who(&self, server: &Server, filter: &Filter) -> Result<Vec<Entry>, String> {
        loop {
            let (service, is_new) = server.service(&self.settings).await?;
            match self.search(&service, filter).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    server.forget(&service).await;
                    // A connection that nobody used for a while was closed while nobody looked.
                    if is_new || !is_lost(&error) {
                        return Err(format!("{}: {error}", server.url));
                    }
                }
            }
        }
    }
}

impl Failed {
    fn sent(why: String) -> Self {
        Self { why, sent: true }
    }

    fn unsent(why: String) -> Self {
        Self { why, sent: false }
    }
}

impl Server {
    fn new(url: LdapUrl) -> Self {
        Self {
            url,
            service: tokio::sync::Mutex::new(None),
            idle: Mutex::default(),
            rests: Mutex::new(None),
        }
    }

    fn is_resting(&self, now: Instant) -> bool {
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        rests.is_some_and(|until| now < until)
    }

    fn rest(&self, until: Option<Instant>) {
        *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// What comes of something, if it comes within [`PATIENCE`].
    async fn in_time<T>(
        &self,
        something: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let late = |_| format!("{}: no answer within {} s", self.url, PATIENCE.as_secs());
        timeout(PATIENCE, something).await.map_err(late)?
    }

    /// The connection of the service's own account, and whether it was made just now.
    async fn service(&self, settings: &Settings) -> Result<(Arc<Service>, bool), String> {
        let mut service = self.service.lock().await;
        if let Some(service) = &*service {
            return Ok((Arc::clone(service), false));
        }
        let client = connect(settings, &self.url)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let mut root = RootDse::read(&client)
            .await
            .map_err(|error| format!("{}: {error}", self.url))?;
        if let Some(one) = &settings.one {
            let held = check_held(one, &self.url, &client, &root).await;
            held.map_err(|error| format!("{error:#}"))?;
        }
        if root.active_directory {
            root.contexts.retain(|context| has_accounts(context));
        }
        let made = Arc::new(Service { client, root });
        *service = Some(Arc::clone(&made));
        Ok((made, true))
    }

    /// Does not use a connection again.
    async fn forget(&self, used: &Arc<Service>) {
        let mut service = self.service.lock().await;
        if service
            .as_ref()
            .is_some_and(|service| Arc::ptr_eq(service, used))
        {
            *service = None;
        }
    }

    /// Whether a name and a password belong together.
    async fn bind(&self, settings: &Settings, dn: &str, password: &str) -> Result<Told, Failed> {
        let client = if let Some(client) = self.idle() {
            client
        } else {
            let settings = settings.without_login();
            let made = async {
                let made = connect(&settings, &self.url).await;
                made.map_err(|error| format!("{error:#}"))
            };
            self.in_time(made).await.map_err(Failed::unsent)?
        };
        let told = async {
            match client.simple_bind(dn, password).await {
                Ok(()) => Ok(Ok(Told::Right)),
                Err(Error::Refused { code, message, .. }) => {
                    Ok(no(code, &message).ok_or_else(|| {
                        // An answer, but not about this name and this password.
                        format!("{}: {code} {message}", self.url)
                    }))
                }
                Err(error) => Err(format!("{}: {error}", self.url)),
            }
        };
        let told = self.in_time(told).await.map_err(Failed::sent)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push((client, clock::monotonic()));
        }
        told.map_err(Failed::unsent)
    }

    /// A connection that was used a short while ago and is still there.
    fn idle(&self) -> Option<Client> {
        let now = clock::monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(client, used)| {
            !client.is_closed() && now.saturating_duration_since(*used) < IDLE
        });
        idle.pop().map(|(client, _)| client)
    }
}

impl Candidate {
    /// Whether a right password is refused like a wrong one: slapd does so while an account is locked.
    fn is_locked(&self) -> bool {
        match self {
            Self::Account { entry, .. } => entry.first_text(LOCKED_BY_POLICY).is_some(),
            Self::Nobody => false,
        }
    }

    pub(super) fn vouched(&self) -> Option<Proved> {
        let Self::Account { dn, entry } = self else {
            return None;
        };
        let one = |name: &str| entry.first_text(name);
        Rights::read(one).are_open().then(|| Proved {
            account: Arc::new(account(dn, one)),
            guard: Arc::new(Guard::Live),
        })
    }
}

/// What a refused bind says of the name and the password; `None` if it says that the server can't tell
/// (RFC 4511 A.2).
fn no(code: ResultCode, message: &str) -> Option<Told> {
    match code {
        // Active Directory says more: what keeps the account out, where it is not the password.
        ResultCode::INVALID_CREDENTIALS => Some(match connect::reason(message) {
            Some("530" | "531" | "533" | "701" | "775") => Told::Closed,
            _ => Told::Wrong,
        }),
        ResultCode::NO_SUCH_OBJECT | ResultCode::INVALID_DN_SYNTAX => Some(Told::Wrong),
        ResultCode::INAPPROPRIATE_AUTHENTICATION
        | ResultCode::INSUFFICIENT_ACCESS_RIGHTS
        | ResultCode::CONSTRAINT_VIOLATION
        | ResultCode::UNWILLING_TO_PERFORM => Some(Told::Closed),
        _ => None,
    }
}

/// Whether a naming context of Active Directory is a domain: the configuration, the schema and the zones of
/// DNS are contexts, too.
fn has_accounts(context: &str) -> bool {
    let starts = |with: &str| {
        context
            .get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    starts("DC=") && !starts("DC=DomainDnsZones,") && !starts("DC=ForestDnsZones,")
}

/// Contacts and groups have addresses, too, and log in nowhere.
fn is_account(entry: &Entry) -> bool {
    !entry.values(attribute::OBJECT_CLASS).any(|class| {
        class.eq_ignore_ascii_case(b"contact")
            || class.eq_ignore_ascii_case(b"group")
            || class.eq_ignore_ascii_case(b"groupOfNames")
    })
}

struct Found(Dn, Entry);

impl Claims for Found {
    fn dn(&self) -> &Dn {
        &self.0
    }

    fn has(&self, name: &str, lower: &str) -> bool {
        self.1
            .values(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .any(|value| value.to_lowercase() == lower)
    }

    fn is_there(&self, name: &str) -> bool {
        self.1.values(name).next().is_some()
    }
}
