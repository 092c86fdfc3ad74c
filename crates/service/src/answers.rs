//! What the directory says of those who are asked for: the resolver's answers, kept for as long as they
//! hold.
//!
//! An answer from the embedded directory holds until that directory changes; one from live servers for a
//! stated time, and beyond it while no server answers. A request for the same user at the same time
//! waits for one look-up. What is stale is the resolver's to say; here it is logged once and counted.
//!
//! Invariant: that a directory could not be asked is [`Outage`], never an answer.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::Code;
use automend_core::owner::server_name;
use automend_core::policy::Policy;
use automend_core::resolve::{LinkState, Request, Resolved, Who};
use automend_core::settings::{AlternativeMailbox, Outcome};
use automend_source::pool::Outage;
use hyper::body::Bytes;
use prometheus_client::metrics::counter::Counter;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::backend::Backend;
use super::log::Log;
use super::metrics::{CodeLabels, Label, Metrics, SourceLabels};
use super::settings::DirectorySettings;
use super::urls::Home;

/// The answers.
pub(crate) struct Answers {
    supply: Arc<Backend>,
    policy: Policy,
    directory: DirectorySettings,
    /// Asked for by clients, so their keys are hashed with a secret of this process.
    cache: Cache<Who, Arc<Cached>, Weight, RandomState>,
    /// Look-ups under way, by the state of the directory when they began.
    flights: Mutex<HashMap<(Who, Option<u64>), Flight>>,
    told: Told,
}

/// What the directory says of one user.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The resolver's word.
    pub outcome: Outcome,
    /// The user's object, if there is exactly one.
    pub user: Option<Dn>,
    /// Where the mailbox lives.
    pub home: Home,
    /// Owners that were left out, by the code of what is wrong with them.
    pub skipped: Vec<Code>,
    /// Why the outcome is a fault, for the log.
    pub cause: Option<String>,
    /// The directory did not return all of it, or said that no object exists.
    unsure: bool,
    /// Documents that were made of it.
    documents: RwLock<Vec<(Document, Bytes)>>,
}

/// What a document depends on in addition to the answer and the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Document {
    /// Which dialect and which abilities of the client.
    pub kind: usize,
    /// With alternative mailboxes.
    pub whole: bool,
    /// Which configuration.
    pub generation: u32,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum From {
    /// It was asked for before.
    Memory,
    /// The directory was asked.
    Directory,
    /// The directory cannot be asked; this is what it said last.
    LastKnown,
}

/// An answer and how long it holds.
#[derive(Debug)]
struct Cached {
    answer: Arc<Answer>,
    holds: Validity,
}

#[derive(Debug)]
enum Validity {
    /// While the embedded directory has seen so many commits.
    Commits(u64),
    Until(Instant),
}

/// What an answer weighs in the cache.
#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Who, Arc<Cached>> for Weight {
    fn weight(&self, _: &Who, kept: &Arc<Cached>) -> u64 {
        kept.answer.weight() as u64
    }
}

/// A cache for answers that weigh so many bytes together; those that were not asked for lately go first.
fn cache(bytes: usize) -> Cache<Who, Arc<Cached>, Weight, RandomState> {
    Cache::with(
        bytes / LEAST_WEIGHT,
        bytes as u64,
        Weight,
        RandomState::new(),
        DefaultLifecycle::default(),
    )
}

type Flight = Arc<OnceCell<Result<Arc<Answer>, Outage>>>;

/// Takes a look-up from the list when the last who waits for it is served, or has left.
struct Landing<'a> {
    flights: &'a Mutex<HashMap<(Who, Option<u64>), Flight>>,
    key: &'a (Who, Option<u64>),
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // The list holds one, and this is another.
        let last = Arc::strong_count(self.flight) <= 2 || self.flight.initialized();
        if last
            && flights
                .get(self.key)
                .is_some_and(|known| Arc::ptr_eq(known, self.flight))
        {
            flights.remove(self.key);
        }
    }
}

/// Owners that were told of.
struct Told {
    hasher: RandomState,
    seen: Mutex<HashSet<u64>>,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
}

/// Beyond this many, owners are logged again.
const MOST_TOLD: usize = 100_000;
/// About how many bytes an answer takes at least.
const LEAST_WEIGHT: usize = 1024;
/// Documents of one answer.
const MOST_DOCUMENTS: usize = 6;

impl From {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Memory => "cache",
            Self::Directory => "directory",
            Self::LastKnown => "last-known",
        }
    }
}

impl Answers {
    /// Answers out of a directory.
    pub(crate) fn new(
        supply: Arc<Backend>,
        policy: Policy,
        directory: DirectorySettings,
        cache_size: usize,
        log: Arc<Log>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            supply,
            policy,
            directory,
            cache: cache(cache_size),
            flights: Mutex::default(),
            told: Told {
                hasher: RandomState::new(),
                seen: Mutex::default(),
                log,
                metrics,
            },
        }
    }

    /// Where answers come from.
    pub(crate) fn supply(&self) -> &Arc<Backend> {
        &self.supply
    }

    /// What the directory says of a user.
    pub(crate) async fn ask(&self, who: &Who) -> Result<(Arc<Answer>, From), Outage> {
        let kept = self.cache.get(who);
        let found = match kept.as_ref().filter(|kept| self.holds(kept)) {
            Some(kept) => Ok((Arc::clone(&kept.answer), From::Memory)),
            // Apart, so that who is answered from memory does not carry the room for it about.
            None => match (Box::pin(self.look_up(who)).await, kept) {
                (Ok(answer), _) => Ok((answer, From::Directory)),
                (Err(_), Some(kept)) => Ok((Arc::clone(&kept.answer), From::LastKnown)),
                (Err(outage), None) => Err(outage),
            },
        };
        if let Ok((answer, from)) = &found {
            let (metrics, from) = (&self.told.metrics, Label(from.word()));
            metrics
                .answers
                .of(&SourceLabels { source: from }, Counter::inc);
            for code in &answer.skipped {
                let code = Label(code.as_str());
                metrics.skipped.of(&CodeLabels { code }, Counter::inc);
            }
        }
        found
    }

    fn holds(&self, kept: &Cached) -> bool {
        match kept.holds {
            Validity::Commits(then) => self.supply.commits() == Some(then),
            Validity::Until(until) => Instant::now() < until,
        }
    }

    /// Asks the directory, once for all who want to know at the same time.
    async fn look_up(&self, who: &Who) -> Result<Arc<Answer>, Outage> {
        // Before the look-up, so that what changes meanwhile makes the answer old, not wrong.
        let commits = self.supply.commits();
        let key = (who.clone(), commits);
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flights.entry(key.clone()).or_default())
        };
        let _landing = Landing {
            flights: &self.flights,
            key: &key,
            flight: &flight,
        };
        flight
            .get_or_init(|| self.fetch(who, commits))
            .await
            .clone()
    }

    async fn fetch(&self, who: &Who, commits: Option<u64>) -> Result<Arc<Answer>, Outage> {
        let request = Request {
            who: who.clone(),
            policy: self.policy,
            follow: 0,
        };
        let resolved = self.supply.resolve(&request).await?;
        let answer = Arc::new(self.told.answer(resolved));
        let holds = match commits {
            Some(commits) => Validity::Commits(commits),
            None => Validity::Until(Instant::now() + self.lifetime(&answer)),
        };
        let kept = Cached {
            answer: Arc::clone(&answer),
            holds,
        };
        self.cache.insert(who.clone(), Arc::new(kept));
        Ok(answer)
    }

    fn lifetime(&self, answer: &Answer) -> Duration {
        if answer.unsure {
            self.directory
                .negative_cache_ttl
                .min(self.directory.cache_ttl)
        } else {
            self.directory.cache_ttl
        }
    }
}

impl Answer {
    /// The document, made now if it was not made before.
    pub(crate) fn document(&self, document: Document, make: impl FnOnce() -> Bytes) -> Bytes {
        let find = |all: &[(Document, Bytes)]| {
            let found = all.iter().find(|(known, _)| *known == document);
            found.map(|(_, bytes)| bytes.clone())
        };
        let known = find(
            &self
                .documents
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some(bytes) = known {
            return bytes;
        }
        let bytes = make();
        let mut all = self
            .documents
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known.generation == document.generation);
        if all.len() < MOST_DOCUMENTS && find(&all).is_none() {
            all.push((document, bytes.clone()));
        }
        bytes
    }

    /// About how many bytes it takes, with the documents that will be made of it.
    fn weight(&self) -> usize {
        let alternatives = match &self.outcome {
            Outcome::Settings(settings) => settings.alternatives.iter().map(size_of_one).sum(),
            Outcome::Redirect(_) | Outcome::Fault(_) => 0,
        };
        let documents = match &self.outcome {
            Outcome::Settings(_) => 4096 + 2 * alternatives,
            Outcome::Redirect(_) | Outcome::Fault(_) => 0,
        };
        LEAST_WEIGHT + alternatives + documents
    }
}

/// Where the mailbox lives that the outcome is about, which may be the user's archive.
fn home(user: &Entry, outcome: &Outcome) -> Home {
    let archive = match outcome {
        Outcome::Settings(settings) if Some(settings.mailbox_guid) == user.archive.guid => {
            user.archive.database.clone()
        }
        _ => None,
    };
    if archive.is_some() {
        // Its server is not that of the mailbox.
        return Home {
            database: archive,
            server: None,
        };
    }
    let server = user.home_server.as_deref();
    Home {
        database: user.home_mdb.clone(),
        server: server.map(|server| server_name(server).to_owned()),
    }
}

fn size_of_one(mailbox: &AlternativeMailbox) -> usize {
    let address = mailbox
        .owner_address
        .as_ref()
        .map_or(0, |address| address.as_str().len());
    size_of::<AlternativeMailbox>() + mailbox.display_name.len() + 3 * address + 100
}

impl Told {
    /// Takes the resolver's answer apart, and tells of owners that were left out.
    fn answer(&self, resolved: Resolved) -> Answer {
        let mut skipped = Vec::new();
        let mut unsure = false;
        let user = resolved.user.as_ref();
        for link in &resolved.links {
            let (code, why) = match &link.state {
                LinkState::Live | LinkState::Remote | LinkState::FailsItself(_) => continue,
                LinkState::Stale(why) => (Code::of_stale(*why), why.to_string()),
                LinkState::Unreadable(why) => {
                    unsure = true;
                    (Code::OwnerUnreadable, why.clone())
                }
            };
            skipped.push(code);
            self.skip(&link.owner.dn, code, &why, user.map(|user| &user.dn));
        }
        let cause = match &resolved.outcome {
            Outcome::Fault(fault) => Some(fault.cause.to_string()),
            Outcome::Settings(_) | Outcome::Redirect(_) => None,
        };
        Answer {
            user: user.map(|user| user.dn.clone()),
            home: user.map_or_else(Home::default, |user| home(user, &resolved.outcome)),
            skipped,
            unsure: unsure || matches!(resolved.outcome, Outcome::Fault(_)),
            cause,
            outcome: resolved.outcome,
            documents: RwLock::default(),
        }
    }

    /// An owner is left out: that is logged once.
    fn skip(&self, owner: &Dn, code: Code, why: &str, delegate: Option<&Dn>) {
        let mark = self.hasher.hash_one((owner, code.as_str()));
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() >= MOST_TOLD {
                seen.clear();
            }
            if !seen.insert(mark) {
                return;
            }
        }
        self.log.event(
            "owner-skipped",
            json!({
                "owner": owner.as_str(),
                "code": code.as_str(),
                "reason": why,
                "delegate": delegate.map(Dn::as_str),
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::fault::{Cause, Fault, FaultCode};

    fn kept() -> Arc<Cached> {
        let fault = Fault {
            code: FaultCode::UnknownAddress,
            cause: Cause::UnknownAddress,
        };
        let answer = Answer {
            outcome: Outcome::Fault(fault),
            user: None,
            home: Home::default(),
            skipped: Vec::new(),
            cause: None,
            unsure: false,
            documents: RwLock::default(),
        };
        Arc::new(Cached {
            answer: Arc::new(answer),
            holds: Validity::Commits(0),
        })
    }

    fn who(number: usize) -> Who {
        Who::LegacyDn(format!("/o=Contoso/cn={number}"))
    }

    #[test]
    fn the_cache_keeps_to_its_size_and_what_is_asked_for_stays() {
        let bytes = 1 << 20;
        let cache = cache(bytes);
        cache.insert(who(0), kept());
        for number in 1..10_000 {
            cache.insert(who(number), kept());
            assert!(cache.get(&who(0)).is_some(), "after {number}");
            assert!(cache.weight() <= bytes as u64);
        }
        let most = bytes / LEAST_WEIGHT;
        assert!((most / 2..=most).contains(&cache.len()), "{}", cache.len());
    }
}
