//! Accounts of a live directory: names are looked up by the service's own account, passwords are checked
//! by a bind (RFC 4513 5.1.3).
//!
//! Invariant: no password goes in clear to another machine; one that a server may have judged is sent nowhere
//! again, as it may have been counted; only the directory's own word is a wrong password, and every other
//! failure is an outage.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_ldap::{Entry, Error, Filter, ResultCode, Scope, Search};
use automend_source::Scheme;
use automend_source::connect;
use automend_source::live::{Live, RootDse};
use automend_source::pool::{BindConnection, Pool};
use automend_system::clock;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::lockout::{self, readable};
use super::name::{Claims, Domains, Login, UID};
use super::status::{EXPIRES, Guard, Proof, Proved, Rights, Trouble, account, number};
use super::throttle::{Counted, Limits};

/// The servers.
pub struct Servers {
    pool: Arc<Pool>,
    /// Logins under way.
    seats: Semaphore,
    /// Checks that only take as long as real ones, and must not keep these waiting.
    feigned: Semaphore,
    policy: RwLock<Policy>,
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

/// How long the domain's policy is believed.
const POLICY: Duration = Duration::from_secs(600);
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

/// What a server says to a name and a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Right,
    Wrong,
    /// The account may not log in, whatever the password is.
    Closed,
}

impl Servers {
    pub(super) fn new(pool: Arc<Pool>) -> Result<Self> {
        if pool.urls().next().is_none() {
            bail!("no server to check passwords with");
        }
        for url in pool.urls() {
            if url.scheme == Scheme::Ldap && !pool.settings().start_tls && !url.is_loopback() {
                bail!(
                    "{url}: refusing to check passwords in clear text on another machine; use ldaps:// or \
                     start-tls"
                );
            }
        }
        Ok(Self {
            pool,
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
        let found = self.search(login).await?;
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
        let dn = match candidate {
            Candidate::Account { dn, .. } => Some(dn.as_str()),
            Candidate::Nobody => None,
        };
        match self.bind(dn, password).await {
            // The server let somebody in whom his attributes keep out: that is not for a password to mend.
            Ok(Told::Right) => candidate.vouched().map_or(Proof::Closed, Proof::Right),
            Ok(Told::Wrong) if !candidate.is_locked() => Proof::Wrong,
            Ok(Told::Wrong | Told::Closed) => Proof::Closed,
            Err(proof) => proof,
        }
    }

    /// All that may be meant by a login's name.
    async fn search(&self, login: &Login) -> Result<Vec<Entry>, Trouble> {
        let values = login.values().into_iter();
        let filter = Filter::or(values.map(|(name, value)| Filter::equal(name, value)));
        let mut attempts = self.pool.search();
        while let Some(lease) = attempts.next().await {
            let asked = self.search_at(&lease.connection, &filter);
            let answer = timeout_at(lease.until, asked).await;
            if let Some(found) = attempts.settle(lease, answer) {
                return Ok(found);
            }
        }
        Err(Trouble::Unavailable(attempts.outage().reason))
    }

    /// All that a filter selects, in every naming context.
    async fn search_at(&self, live: &Live, filter: &Filter) -> Result<Vec<Entry>> {
        self.read_policy(live).await?;
        let own = &self.pool.settings().base;
        let bases: Vec<&str> = if own.is_empty() {
            contexts(&live.root).collect()
        } else {
            own.iter().map(Dn::as_str).collect()
        };
        let mut found = Vec::new();
        for base in bases {
            let search = Search::new(base, Scope::Subtree, filter.clone(), WANTED);
            match live.client.entries(&search, MOST_ALIKE).await {
                Ok(entries) => found.extend(entries),
                // A context that this account can't see, or one that is elsewhere.
                Err(Error::Refused {
                    code: ResultCode::NO_SUCH_OBJECT,
                    ..
                }) if own.is_empty() => {}
                Err(Error::Referral { .. }) => {}
                // So many that none is meant.
                Err(Error::Limit { .. }) => return Ok(Vec::new()),
                Err(error) => return Err(live.at(error)),
            }
        }
        Ok(found)
    }

    /// Whether a name and a password belong together. Without a name it is asked for one that nobody has, with
    /// a password that nobody sent: that takes as long as a refusal, and tells the server nothing.
    async fn bind(&self, dn: Option<&str>, password: &str) -> Result<Told, Proof> {
        let mut attempts = self.pool.bind();
        while let Some(lease) = attempts.next().await {
            let connection = &lease.connection;
            let asked = async {
                match dn {
                    Some(dn) => connection.client.simple_bind(dn, password).await,
                    None => bind_as_nobody(connection).await,
                }
            };
            let url = connection.url.to_string();
            let at = |error| anyhow::Error::new(error).context(url);
            let answer = timeout_at(lease.until, asked).await;
            let told = match &answer {
                Ok(Ok(())) => Some(Told::Right),
                Ok(Err(Error::Refused { code, message, .. })) => no(*code, message),
                _ => None,
            };
            match (told, answer) {
                (Some(told), _) => {
                    attempts.answered(lease);
                    // Some servers let in whoever it is.
                    return Ok(if dn.is_some() { told } else { Told::Wrong });
                }
                // An answer, but not about this name and this password.
                (None, Ok(Err(error @ Error::Refused { .. }))) => {
                    let _: Option<()> = attempts.settle(lease, Ok(Err(at(error))));
                }
                (None, answer) => {
                    let error = answer.ok().and_then(Result::err).map(at);
                    return Err(Proof::Unknown(attempts.unanswered(lease, error).reason));
                }
            }
        }
        let reason = attempts.outage().reason;
        Err(Proof::Unsent(Trouble::Unavailable(reason)))
    }

    /// What the domain says, where it says something and it was not read lately.
    async fn read_policy(&self, live: &Live) -> Result<()> {
        let now = clock::monotonic();
        let fresh = |read: Instant| now.saturating_duration_since(read) < POLICY;
        if self.policy().read.is_some_and(fresh) {
            return Ok(());
        }
        let limits = lockout::limits(&live.client, &live.root).await;
        let mut policy = Policy {
            limits: limits.map_err(|error| live.at(error))?,
            domains: Domains::default(),
            read: Some(now),
        };
        if let Some(configuration) = &live.root.configuration {
            let base = format!("CN=Partitions,{configuration}");
            let filter = Filter::present("nETBIOSName");
            let search = Search::new(&base, Scope::One, filter, &["nETBIOSName", "nCName"]);
            let entries = readable(live.client.entries(&search, 1000).await);
            let entries = entries.map_err(|error| live.at(error))?;
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
}

/// A bind that cannot succeed.
async fn bind_as_nobody(connection: &BindConnection) -> Result<(), Error> {
    let below = contexts(&connection.root).next().unwrap_or_default();
    let dn = format!("CN={},{below}", Uuid::new_v4());
    let password = Uuid::new_v4().to_string();
    connection.client.simple_bind(&dn, &password).await
}

/// The naming contexts in which accounts may be.
fn contexts(root: &RootDse) -> impl Iterator<Item = &str> {
    let contexts = root.contexts.iter().map(String::as_str);
    contexts.filter(|context| !root.active_directory || has_accounts(context))
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
