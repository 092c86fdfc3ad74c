//! Live servers of one directory: what the resolver and the list of mail domains need of them.
//!
//! Which server is asked, and how long, is the business of [`automend_source::pool`]; what happens to servers
//! is logged and counted here.
//!
//! Invariant: a look-up ends in bounded time; what is kept of one server for the next look-up is no older
//! than an answer may be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use automend_core::resolve::{LinkState, Request, Resolved};
use automend_ldap::{Filter, Item, Scope, Search};
use automend_login::Accounts;
use automend_source::live::{LATE, Live};
use automend_source::pool::{Change, Event, Limits, Outage, Pool};
use automend_source::replicas::replicas;
use automend_source::topology::Topology;
use automend_source::typed::typed;
use automend_source::{LdapUrl, Location, Settings};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::domains::{ACCEPTED_DOMAIN, ACCEPTED_DOMAIN_NAME, OF_ENTRY, accepted, of_entry};
use super::log::Log;
use super::metrics::{Metrics, ServerLabels};
use super::settings::DirectorySettings;

/// Live servers.
pub(crate) struct Servers {
    pool: Arc<Pool>,
    /// The task that checks them; it ends with this.
    watch: tokio::task::JoinHandle<()>,
    directory: DirectorySettings,
    /// Databases and mail servers, and when they were read.
    places: Mutex<Option<(Instant, Arc<Topology>)>>,
    /// The naming context of the accounts.
    default: Mutex<Option<String>>,
}

/// Mailboxes that are looked at to find out which mail domains there are.
const SAMPLE: usize = 200;
/// Mail domains that are taken from the configuration.
const MOST_DOMAINS: usize = 1_000;

impl Servers {
    /// Connects to every server; one that answers is enough.
    pub(crate) async fn open(
        settings: &Settings,
        directory: DirectorySettings,
        log: Arc<Log>,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let Location::Server(first) = &settings.directory else {
            return Err(anyhow!("{}: no server", settings.directory.shown()));
        };
        // Asked for once.
        let mut settings = settings.with_known_password()?;
        settings.timeout = settings.timeout.min(directory.timeout);
        let mut urls = vec![first.clone()];
        urls.extend(settings.others.iter().cloned());
        if directory.discover_servers {
            urls.extend(found(&settings, &urls).await?);
        }
        let mut seen = BTreeSet::new();
        urls.retain(|url| seen.insert(url.to_string().to_lowercase()));
        let limits = Limits {
            connections: directory.connections,
            timeout: directory.timeout,
            owner_timeout: directory.owner_timeout,
            max_age: directory.cache_ttl.max(Limits::MIN_AGE),
            check_interval: directory.health_check_interval,
        };
        let observe = move |change: &Change<'_>| tell(&log, &metrics, change);
        let pool = Arc::new(Pool::new(&settings, urls, limits, Box::new(observe))?);
        pool.start().await?;
        let watched = Arc::clone(&pool);
        Ok(Self {
            pool,
            watch: tokio::spawn(async move { watched.watch().await }),
            directory,
            places: Mutex::default(),
            default: Mutex::default(),
        })
    }

    /// Asks the resolver, with one server after the other until one answers.
    pub(crate) async fn resolve(&self, request: &Request) -> Result<Resolved, Outage> {
        let mut best: Option<(usize, Resolved)> = None;
        let mut attempts = self.pool.search();
        while let Some(mut lease) = attempts.next().await {
            let live = &mut lease.connection;
            live.places = self.fresh_places();
            let answer = timeout_at(lease.until, live.resolve(request)).await;
            live.defects.clear();
            let places = live.places.clone();
            let Some(resolved) = attempts.settle(lease, answer) else {
                continue;
            };
            self.keep_places(places);
            let late = late(&resolved);
            if late == 0 {
                return Ok(resolved);
            }
            // Another server may be quicker; if none is, the most that one told is taken.
            if best.as_ref().is_none_or(|(least, _)| late < *least) {
                best = Some((late, resolved));
            }
        }
        best.map(|(_, resolved)| resolved)
            .ok_or_else(|| attempts.outage())
    }

    /// Those who may log in.
    pub(crate) fn accounts(&self) -> Result<Accounts> {
        Accounts::live(Arc::clone(&self.pool))
    }

    /// Whether any server answers.
    pub(crate) fn is_there(&self) -> bool {
        self.pool.any_up()
    }

    /// The state of each server.
    pub(crate) fn state(&self) -> Value {
        let servers = self.pool.status().into_iter().map(|status| {
            json!({
                "server": status.url.to_string(),
                "up": status.up,
                "since": status.since,
                "reason": status.reason,
            })
        });
        servers.collect()
    }

    /// The naming context of the accounts, once it was looked up.
    pub(crate) fn default_context(&self) -> Option<String> {
        locked(&self.default).clone()
    }

    /// The mail domains that the configuration and a few mailboxes name.
    pub(crate) async fn domains(&self, domains: &mut BTreeSet<String>) {
        let mut attempts = self.pool.search();
        let Some(lease) = attempts.next().await else {
            return;
        };
        let live = &lease.connection;
        live.root.default.clone_into(&mut locked(&self.default));
        // Whatever comes in time is taken, and what does not is no failure.
        let _ = timeout(self.directory.timeout, configured(live, domains)).await;
        let _ = timeout(self.directory.timeout, sampled(live, domains)).await;
    }

    fn fresh_places(&self) -> Option<Arc<Topology>> {
        let places = locked(&self.places);
        let (read, places) = places.as_ref()?;
        (read.elapsed() < self.directory.cache_ttl).then(|| Arc::clone(places))
    }

    fn keep_places(&self, read: Option<Arc<Topology>>) {
        let Some(read) = read else { return };
        let mut places = locked(&self.places);
        let known = places.as_ref();
        if known.is_none_or(|(_, known)| !Arc::ptr_eq(known, &read)) {
            *places = Some((Instant::now(), read));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Logs and counts what happened to a server.
fn tell(log: &Log, metrics: &Metrics, change: &Change<'_>) {
    let labels = ServerLabels {
        server: change.server.to_string(),
    };
    let (event, up, reason) = match change.event {
        Event::RequestFailed => {
            metrics.directory_failures.get_or_create(&labels).inc();
            return;
        }
        Event::Up => ("directory-up", true, None),
        Event::Down(reason) => ("directory-down", false, Some(reason)),
    };
    metrics
        .directory_up
        .get_or_create(&labels)
        .set(i64::from(up));
    metrics.degraded.set(i64::from(!change.any_up));
    log.event(event, json!({ "server": labels.server, "reason": reason }));
}

/// The other controllers of the domain, as the first server that answers names them.
async fn found(settings: &Settings, urls: &[LdapUrl]) -> Result<Vec<LdapUrl>> {
    let mut failed = None;
    for url in urls {
        match Live::open(settings, url).await {
            Ok(live) => return replicas(&live, &[]).await,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or_else(|| Ok(Vec::new()), Err)
}

async fn configured(live: &Live, domains: &mut BTreeSet<String>) -> Result<()> {
    let Some(configuration) = &live.root.configuration else {
        return Ok(());
    };
    let filter = Filter::equal("objectClass", ACCEPTED_DOMAIN);
    let search = Search::new(
        configuration,
        Scope::Subtree,
        filter,
        &[ACCEPTED_DOMAIN_NAME],
    );
    let mut pages = live.client.paged(search, live.settings.page_size);
    let mut left = MOST_DOMAINS;
    while let Some(item) = pages.next().await? {
        let Item::Entry(entry) = item else { continue };
        for name in entry.values(ACCEPTED_DOMAIN_NAME) {
            domains.extend(accepted(&String::from_utf8_lossy(name)));
        }
        left = left.saturating_sub(1);
        if left == 0 {
            break;
        }
    }
    Ok(())
}

async fn sampled(live: &Live, domains: &mut BTreeSet<String>) -> Result<()> {
    let mut left = SAMPLE;
    for base in live.bases()? {
        let filter = Filter::present("msExchMailboxGuid");
        let search = Search::new(&base, Scope::Subtree, filter, &OF_ENTRY);
        let mut pages = live.client.paged(search, 100);
        while let Some(item) = pages.next().await? {
            let Item::Entry(entry) = item else { continue };
            if let Some(entry) = typed(&entry, &mut Vec::new()) {
                domains.extend(of_entry(&entry));
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Owners that did not come in time.
fn late(resolved: &Resolved) -> usize {
    let late = |state: &LinkState| matches!(state, LinkState::Unreadable(why) if why == LATE);
    resolved
        .links
        .iter()
        .filter(|link| late(&link.state))
        .count()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
