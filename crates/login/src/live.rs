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
use automend_source::pool::Pool;
use automend_system::clock;
use tokio::time::timeout_at;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::account::{AccountStatus, Authenticated, EXPIRES, Validity, account, keyed_hash};
use super::lockout::{self, readable};
use super::name::{Claims, Domains, Login, UID};
use super::outcome::{Outcome, Unavailable};
use super::slots::Slots;

use super::throttle::{CountedAccount, Limits};

/// The accounts.
pub struct LiveAccounts {
    pool: Arc<Pool>,
    /// Searches and checks that are pending.
    slots: Slots,
    policy: RwLock<Policy>,
}

/// What the domain says of lock-outs and of short names.
#[derive(Clone)]
struct Policy {
    limits: Limits,
    domains: Domains,
    read: Option<Instant>,
}

/// The account that a name means, if there is one.
pub(super) struct Candidate {
    /// Where the failures of the account are counted.
    pub counted: Option<CountedAccount>,
    found: Option<Found>,
}

/// An account of the directory.
struct Found {
    dn: Dn,
    entry: Entry,
}

/// How long the domain's policy is believed.
const POLICY_TTL: Duration = Duration::from_secs(600);
/// Searches and checks that are pending at once.
const MAX_PENDING: usize = 256;
/// Decoys that are pending at once.
const MAX_DECOYS: usize = 16;
/// Objects that may share a name.
const MAX_NAMESAKES: usize = 32;

/// What changes when the password does, or the account is opened or closed.
const VERSION: [&str; 6] = [
    PWD_LAST_SET,
    PWD_CHANGED_TIME,
    LOCKOUT_TIME,
    PWD_ACCOUNT_LOCKED_TIME,
    attribute::USER_ACCOUNT_CONTROL,
    EXPIRES,
];
/// What is read of an account.
const ATTRIBUTES: &[&str] = &[
    attribute::OBJECT_CLASS,
    attribute::SAM_ACCOUNT_NAME,
    UID,
    attribute::USER_PRINCIPAL_NAME,
    attribute::MAIL,
    attribute::MAIL_NICKNAME,
    attribute::PROXY_ADDRESSES,
    attribute::USER_ACCOUNT_CONTROL,
    EXPIRES,
    PWD_LAST_SET,
    PWD_CHANGED_TIME,
    LOCKOUT_TIME,
    PWD_ACCOUNT_LOCKED_TIME,
];
/// `pwdLastSet` ([MS-ADA3] 2.177).
const PWD_LAST_SET: &str = "pwdLastSet";
/// `pwdChangedTime`, where there is a password policy of slapd (draft-behera-ldap-password-policy 5.3.2).
const PWD_CHANGED_TIME: &str = "pwdChangedTime";

/// `lockoutTime`, not zero from when the account was locked until it is unlocked or its user logs in
/// ([MS-ADA1]).
const LOCKOUT_TIME: &str = "lockoutTime";
/// `pwdAccountLockedTime`, there as long as slapd holds an account for locked
/// (draft-behera-ldap-password-policy-10 5.3).
const PWD_ACCOUNT_LOCKED_TIME: &str = "pwdAccountLockedTime";

impl LiveAccounts {
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
            slots: Slots::new(MAX_PENDING, MAX_DECOYS),
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

    /// What a name means.
    pub(super) async fn find(&self, login: &Login) -> Result<Candidate, Unavailable> {
        let _slot = self.slots.real().await?;
        let accounts = self.search(login).await?.into_iter().filter(is_account);
        let accounts = accounts.filter_map(|entry| {
            let dn = Dn::parse(&entry.dn).ok()?;
            Some(Found { dn, entry })
        });
        let found = login.choose(accounts.collect(), &self.policy().domains);
        let counted = found.as_ref().map(|Found { dn, entry }| CountedAccount {
            key: keyed_hash(dn.hash64()),
            version: keyed_hash(VERSION.map(|name| entry.first_text(name))),
        });
        Ok(Candidate { counted, found })
    }

    pub(super) async fn check(
        &self,
        candidate: &Candidate,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        let _slot = self.slots.real().await?;
        if password.is_empty() {
            return Ok(Outcome::Wrong);
        }
        let Some(found) = &candidate.found else {
            return Ok(match self.bind(None).await? {
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
                _ => Outcome::Wrong,
            });
        };
        Ok(match self.bind(Some((&found.dn, password))).await? {
            // The server has let in a user whose attributes keep him out.
            Outcome::Accepted(()) => candidate
                .authorize()
                .map_or(Outcome::Closed, Outcome::Accepted),
            // slapd refuses a right password like a wrong one while the account is locked.
            Outcome::Wrong if found.entry.first_text(PWD_ACCOUNT_LOCKED_TIME).is_some() => {
                Outcome::Closed
            }
            Outcome::Wrong => Outcome::Wrong,
            Outcome::Closed => Outcome::Closed,
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        })
    }

    /// Takes as long as a wrong password, where there is a slot for it; the directory does not learn whose
    /// account is meant.
    pub(super) async fn decoy_check(
        &self,
        password: &str,
    ) -> Result<Outcome<Authenticated>, Unavailable> {
        if let Some(_slot) = self.slots.decoy().await?
            && !password.is_empty()
            && let Outcome::Unknown(reason) = self.bind(None).await?
        {
            return Ok(Outcome::Unknown(reason));
        }
        Ok(Outcome::Closed)
    }

    /// All that may be meant by a login's name.
    async fn search(&self, login: &Login) -> Result<Vec<Entry>, Unavailable> {
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
        Err(Unavailable::Directory(attempts.outage().reason))
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
            let search = Search::new(base, Scope::Subtree, filter.clone(), ATTRIBUTES);
            match live.client.entries(&search, MAX_NAMESAKES).await {
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

    /// Asks whether a name and a password belong together; or, as a decoy, whether names and passwords that do
    /// not exist do: that takes as long as a refusal, and tells the server nothing.
    async fn bind(&self, login: Option<(&Dn, &str)>) -> Result<Outcome, Unavailable> {
        let mut attempts = self.pool.bind();
        while let Some(lease) = attempts.next().await {
            let connection = &lease.connection;
            let (dn, password) = match login {
                Some((dn, password)) => (dn.to_string(), Zeroizing::new(password.to_owned())),
                None => decoy(&connection.root),
            };
            let asked = connection.client.simple_bind(&dn, &password);
            let answer = timeout_at(lease.until, asked).await;
            let outcome = match &answer {
                Ok(Ok(())) => Some(Outcome::Accepted(())),
                Ok(Err(Error::Refused { code, message, .. })) => refusal(*code, message),
                _ => None,
            };
            if let Some(outcome) = outcome {
                attempts.answered(lease);
                return Ok(outcome);
            }
            let url = connection.url.to_string();
            let at = |error| anyhow::Error::new(error).context(url);
            match answer {
                // An answer, but not about this name and this password.
                Ok(Err(error @ Error::Refused { .. })) => {
                    let _: Option<()> = attempts.settle(lease, Ok(Err(at(error))));
                }
                answer => {
                    let error = answer.ok().and_then(Result::err).map(at);
                    return Ok(Outcome::Unknown(attempts.unanswered(lease, error).reason));
                }
            }
        }
        Err(Unavailable::Directory(attempts.outage().reason))
    }

    /// What the domain says, where it says something and it was not read lately.
    async fn read_policy(&self, live: &Live) -> Result<()> {
        let now = clock::monotonic();
        let fresh = |read: Instant| now.saturating_duration_since(read) < POLICY_TTL;
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

/// A name and a password that do not exist.
fn decoy(root: &RootDse) -> (String, Zeroizing<String>) {
    let below = contexts(root).next().unwrap_or_default();
    let dn = format!("CN={},{below}", Uuid::new_v4());
    (dn, Zeroizing::new(Uuid::new_v4().to_string()))
}

/// The naming contexts in which accounts may be.
fn contexts(root: &RootDse) -> impl Iterator<Item = &str> {
    let contexts = root.contexts.iter().map(String::as_str);
    contexts.filter(|context| !root.active_directory || has_accounts(context))
}

impl Candidate {
    /// The account, if it may log in.
    pub(super) fn authorize(&self) -> Option<Authenticated> {
        let Found { dn, entry } = self.found.as_ref()?;
        let one = |name: &str| entry.first_text(name);
        let is_open = AccountStatus::read(one).is_open();
        is_open.then(|| Authenticated {
            account: Arc::new(account(dn, one)),
            validity: Arc::new(Validity::Live),
        })
    }
}

/// What a refused bind says of the name and the password; `None` if it says that the server can't tell
/// (RFC 4511 A.2).
fn refusal(code: ResultCode, message: &str) -> Option<Outcome> {
    match code {
        // Active Directory says more: what keeps the account out, where it is not the password.
        ResultCode::INVALID_CREDENTIALS => Some(match connect::reason(message) {
            Some("530" | "531" | "533" | "701" | "775") => Outcome::Closed,
            _ => Outcome::Wrong,
        }),
        ResultCode::NO_SUCH_OBJECT | ResultCode::INVALID_DN_SYNTAX => Some(Outcome::Wrong),
        ResultCode::INAPPROPRIATE_AUTHENTICATION
        | ResultCode::INSUFFICIENT_ACCESS_RIGHTS
        | ResultCode::CONSTRAINT_VIOLATION
        | ResultCode::UNWILLING_TO_PERFORM => Some(Outcome::Closed),
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

impl Claims for Found {
    fn dn(&self) -> &Dn {
        &self.dn
    }

    fn has(&self, name: &str, lower: &str) -> bool {
        self.entry
            .values(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .any(|value| value.to_lowercase() == lower)
    }

    fn is_there(&self, name: &str) -> bool {
        self.entry.values(name).next().is_some()
    }
}
