//! Live servers of one directory: connections to each, who is well, and whom to ask next.
//!
//! The servers are asked in the order in which they were named, and the first that is well answers; one
//! that fails or takes too long is left alone until a look at it succeeds. A connection is used by one
//! look-up at a time and made anew after a while, so that what it learned of the server does not grow old.
//!
//! Invariant: a look-up ends in bounded time, and no more connections are open than were allowed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use automend_core::resolve::{LinkState, Request, Resolved};
use automend_core::view::Known;
use automend_ldap::{Filter, Item, Scope, Search};
use automend_login::Accounts;
use automend_source::live::{LATE, Live, RetryPolicy, is_lost};
use automend_source::replicas::replicas;
use automend_source::topology::Places;
use automend_source::typed::typed;
use automend_source::{Directory, LdapUrl, Location, OtherDirectory, Settings};
use automend_system::clock;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::domains::{ACCEPTED_DOMAIN, ACCEPTED_DOMAIN_NAME, OF_ENTRY, accepted, of_entry};
use super::log::Log;
use super::metrics::{Metrics, ServerLabels};
use super::outage::Outage;
use super::settings::DirectorySettings;

/// The servers.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// The task that looks at them; it ends with the pool.
    watch: tokio::task::JoinHandle<()>,
}

struct Shared {
    servers: Vec<Server>,
    /// How the first was reached, with the password.
    settings: Settings,
    directory: DirectorySettings,
    /// Databases and mail servers, and when they were read.
    places: Mutex<Option<(Instant, Arc<Places>)>>,
    /// The naming context of the accounts.
    default: Mutex<Option<String>>,
    /// Somebody has met a server that is not well.
    alarm: Notify,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
}

struct Server {
    url: LdapUrl,
    settings: Settings,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
    up: AtomicBool,
    /// Since when it is as it is, and why it is down.
    state: Mutex<(String, Option<String>)>,
}

/// A connection that nobody uses at the moment.
struct Connection {
    directory: Directory,
    made: Instant,
}

/// One that somebody uses.
struct Lease<'a> {
    connection: Connection,
    server: &'a Server,
    _permit: SemaphorePermit<'a>,
}

/// Mailboxes that are looked at to find out which mail domains there are.
const SAMPLE: usize = 200;
/// Mail domains that are taken from the configuration.
const MOST_DOMAINS: usize = 1_000;

impl Pool {
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
        // Asked for once, and a client does not wait longer than it is allowed to.
        let mut settings = settings.with_known_password()?;
        settings.timeout = settings.timeout.min(directory.timeout);
        let mut urls = vec![first.clone()];
        urls.extend(settings.others.iter().cloned());
        if directory.discover_servers {
            urls.extend(found(&settings, &urls).await?);
        }
        let mut seen = BTreeSet::new();
        urls.retain(|url| seen.insert(url.to_string().to_lowercase()));
        if urls.len() > 1 {
            settings.one.get_or_insert_default();
        }
        let servers = urls
            .into_iter()
            .map(|url| Server {
                settings: settings.at(url.clone()),
                url,
                permits: Semaphore::new(directory.connections),
                idle: Mutex::default(),
                up: AtomicBool::new(false),
                state: Mutex::new((clock::now().to_string(), None)),
            })
            .collect();
        let shared = Arc::new(Shared {
            servers,
            settings,
            directory,
            places: Mutex::default(),
            default: Mutex::default(),
            alarm: Notify::new(),
            log,
            metrics,
        });
        let mut failed = None;
        for server in &shared.servers {
            let looked = shared.look_at(server).await;
            if looked
                .as_ref()
                .is_err_and(anyhow::Error::is::<OtherDirectory>)
            {
                looked?;
                continue;
            }
            shared.mark(server, looked.as_ref().err());
            failed = failed.or(looked.err());
        }
        if let Some(error) = failed.filter(|_| !shared.is_there()) {
            return Err(error);
        }
        let watch = tokio::spawn(Arc::clone(&shared).watch());
        Ok(Self { shared, watch })
    }

    /// Asks the resolver, with one server after the other until one answers.
    pub(crate) async fn resolve(&self, request: &Request) -> Result<Resolved, Outage> {
        let shared = &self.shared;
        let mut why = Vec::new();
        let mut best: Option<(usize, Resolved)> = None;
        for server in shared.servers.iter().filter(|server| server.is_up()) {
            match shared.resolve_at(server, request).await {
                Ok(resolved) => {
                    let late = late(&resolved);
                    if late == 0 {
                        return Ok(resolved);
                    }
                    // Another server may be quicker; if none is, the most that one told is taken.
                    if best.as_ref().is_none_or(|(least, _)| late < *least) {
                        best = Some((late, resolved));
                    }
                }
                Err(error) => why.push(format!("{error:#}")),
            }
        }
        if let Some((_, resolved)) = best {
            return Ok(resolved);
        }
        if why.is_empty() {
            why.push("no server of the directory answers".to_owned());
        }
        Err(Outage {
            why: why.join("; "),
        })
    }

    /// Those who may log in.
    pub(crate) fn accounts(&self) -> Result<Accounts> {
        let urls: Vec<LdapUrl> = self
            .shared
            .servers
            .iter()
            .map(|server| server.url.clone())
            .collect();
        Accounts::live(&self.shared.settings, &urls)
    }

    /// Whether any server answers.
    pub(crate) fn is_there(&self) -> bool {
        self.shared.is_there()
    }

    /// The state of each server.
    pub(crate) fn state(&self) -> Value {
        let servers = self.shared.servers.iter().map(|server| {
            let state = server.state.lock().unwrap_or_else(PoisonError::into_inner);
            json!({
                "server": server.url.to_string(),
                "up": server.is_up(),
                "since": state.0,
                "reason": state.1,
            })
        });
        servers.collect()
    }

    /// The naming context of the accounts, once somebody has looked.
    pub(crate) fn default_context(&self) -> Option<String> {
        let default = self.shared.default.lock();
        default.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mail domains that the configuration and a few mailboxes name.
    pub(crate) async fn domains(&self, domains: &mut BTreeSet<String>) -> Result<()> {
        let shared = &self.shared;
        let Some(server) = shared.servers.iter().find(|server| server.is_up()) else {
            return Ok(());
        };
        let lease = timeout(shared.directory.timeout, server.lease(shared)).await??;
        let Directory::Live(live) = &lease.connection.directory else {
            return Ok(());
        };
        live.root.default.clone_into(
            &mut shared
                .default
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        // Whatever comes in time is taken, and what does not is no failure.
        let _ = timeout(shared.directory.timeout, configured(live, domains)).await;
        let _ = timeout(shared.directory.timeout, sampled(live, domains)).await;
        lease.give_back();
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.watch.abort();
    }
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

impl Shared {
    fn is_there(&self) -> bool {
        self.servers.iter().any(Server::is_up)
    }

    async fn resolve_at(&self, server: &Server, request: &Request) -> Result<Resolved> {
        let until = Instant::now() + self.directory.timeout;
        let late = || {
            anyhow!(
                "{}: no answer within {} s",
                server.url,
                self.directory.timeout.as_secs()
            )
        };
        // That every connection is in use says nothing about the server.
        let mut lease = match timeout_at(until, server.lease(self)).await {
            Ok(Ok(lease)) => lease,
            Ok(Err(error)) => return Err(self.fails(server, error)),
            Err(_) => return Err(late()),
        };
        self.lend_places(&mut lease.connection.directory);
        let mut known = Known::default();
        let asked = lease.connection.directory.resolve(request, &mut known);
        match timeout_at(until, asked).await {
            Ok(Ok(resolved)) => {
                self.take_places(&lease.connection.directory);
                drop(lease.connection.directory.take_defects());
                lease.give_back();
                Ok(resolved)
            }
            Ok(Err(error)) => Err(self.fails(server, error)),
            Err(_) => Err(self.fails(server, late())),
        }
    }

    /// A server failed: it is looked at now, and until then left alone.
    fn fails(&self, server: &Server, error: anyhow::Error) -> anyhow::Error {
        let labels = ServerLabels {
            server: server.url.to_string(),
        };
        self.metrics.directory_failures.get_or_create(&labels).inc();
        // A refusal is about the question; a server that refuses is there.
        let is_there = error
            .downcast_ref::<automend_ldap::Error>()
            .is_some_and(|error| !is_lost(error));
        if !is_there {
            self.mark(server, Some(&error));
            self.alarm.notify_one();
        }
        error
    }

    fn lend_places(&self, directory: &mut Directory) {
        let Directory::Live(live) = directory else {
            return;
        };
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = places
            .as_ref()
            .filter(|(read, _)| read.elapsed() < self.directory.cache_ttl);
        live.places = fresh.map(|(_, places)| Arc::clone(places));
    }

    fn take_places(&self, directory: &Directory) {
        let Directory::Live(live) = directory else {
            return;
        };
        let Some(read) = &live.places else { return };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places
            .as_ref()
            .is_some_and(|(_, known)| Arc::ptr_eq(known, read));
        if !known {
            *places = Some((Instant::now(), Arc::clone(read)));
        }
    }

    /// Looks at every server, now and then and when somebody raises the alarm.
    async fn watch(self: Arc<Self>) {
        loop {
            let pause = if self.is_there() {
                self.directory.health_check_interval
            } else {
                self.directory
                    .health_check_interval
                    .min(Duration::from_secs(1))
            };
            let _ = timeout(pause, self.alarm.notified()).await;
            let looks = self.servers.iter().map(|server| async {
                let looked = self.look_at(server).await;
                self.mark(server, looked.as_ref().err());
            });
            futures_util::future::join_all(looks).await;
        }
    }

    /// Whether a server answers: the smallest question there is, on a connection of the pool.
    async fn look_at(&self, server: &Server) -> Result<()> {
        let looked = timeout(self.directory.timeout, async {
            let lease = server.lease(self).await?;
            if let Directory::Live(live) = &lease.connection.directory {
                live.client
                    .base("", &["currentTime"])
                    .await
                    .with_context(|| server.url.to_string())?;
            }
            lease.give_back();
            anyhow::Ok(())
        });
        looked.await.unwrap_or_else(|_| {
            // Busy is not ill: where all connections are in use, their users will tell.
            if server.permits.available_permits() == 0 && server.is_up() {
                return Ok(());
            }
            Err(anyhow!(
                "{}: no answer within {} s",
                server.url,
                self.directory.timeout.as_secs()
            ))
        })
    }

    /// Takes note of how a server is, and tells when that has changed.
    fn mark(&self, server: &Server, error: Option<&anyhow::Error>) {
        let up = error.is_none();
        let why = error.map(|error| format!("{error:#}"));
        let labels = ServerLabels {
            server: server.url.to_string(),
        };
        self.metrics
            .directory_up
            .get_or_create(&labels)
            .set(i64::from(up));
        let changed = {
            let mut state = server.state.lock().unwrap_or_else(PoisonError::into_inner);
            let is_other = error.is_some_and(anyhow::Error::is::<OtherDirectory>);
            let changed = server.up.swap(up, Ordering::AcqRel) != up
                || (!up && state.1.is_none())
                || (is_other && state.1 != why);
            if changed {
                *state = (clock::now().to_string(), why.clone());
            }
            changed
        };
        self.metrics.degraded.set(i64::from(!self.is_there()));
        if changed {
            if !up {
                // What is open leads to nobody.
                server
                    .idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clear();
            }
            let event = if up { "directory-up" } else { "directory-down" };
            self.log.event(
                event,
                json!({ "server": server.url.to_string(), "reason": why }),
            );
        }
    }
}

impl Server {
    fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// A connection, made now if none is idle.
    async fn lease(&self, shared: &Shared) -> Result<Lease<'_>> {
        let permit = self.permits.acquire().await?;
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|connection| {
                connection.made.elapsed() < shared.directory.cache_ttl.max(MINUTE)
            });
            idle.pop()
        };
        let connection = if let Some(idle) = idle {
            idle
        } else {
            let mut live = Live::open(&self.settings, &self.url).await?;
            live.policy = RetryPolicy::fail_fast(shared.directory.owner_timeout);
            Connection {
                directory: Directory::Live(Box::new(live)),
                made: Instant::now(),
            }
        };
        Ok(Lease {
            connection,
            server: self,
            _permit: permit,
        })
    }
}

/// A connection lasts for at least this long.
const MINUTE: Duration = Duration::from_secs(60);

impl Lease<'_> {
    /// The connection is well, and somebody else may use it.
    fn give_back(self) {
        let mut idle = self
            .server
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.push(self.connection);
    }
}
