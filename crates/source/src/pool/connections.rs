//! Connections to one server: those that are idle, and how many there may be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use automend_ldap::Client;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::health::Health;
use crate::connect::connect;
use crate::live::{Live, RetryPolicy, RootDse};
use crate::location::LdapUrl;
use crate::settings::Settings;

/// How many connections there may be, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections for searches to each server.
    pub connections: usize,
    /// For one request at one server.
    pub timeout: Duration,
    /// For all owners of one user together; see [`RetryPolicy::owners`].
    pub owner_timeout: Duration,
    /// A connection is used for so long, so that what it learned of its server does not grow old.
    pub max_age: Duration,
    /// Between two checks of each server.
    pub check_interval: Duration,
}

impl Limits {
    /// The least [`Limits::max_age`] that is worth a connection.
    pub const MIN_AGE: Duration = Duration::from_secs(60);
    /// Those that `automend serve` has where nothing else is said.
    pub const DEFAULT: Self = Self {
        connections: 8,
        timeout: Duration::from_secs(4),
        owner_timeout: Duration::from_secs(1),
        max_age: Duration::from_secs(300),
        check_interval: Duration::from_secs(5),
    };
}

/// One server.
pub struct Server {
    pub(super) url: LdapUrl,
    pub(super) settings: Settings,
    pub(super) searches: Connections<Live>,
    pub(super) binds: Connections<BindConnection>,
    pub(super) health: Mutex<Health>,
    /// What it said of itself, once it was found to hold the directory; forgotten when it goes down.
    pub(super) root: Mutex<Option<Arc<RootDse>>>,
}

/// Connections of one kind to one server.
pub struct Connections<C> {
    pub(super) permits: Semaphore,
    idle: Mutex<Vec<Idle<C>>>,
    /// Until then its server comes after the others.
    pub(super) avoided_until: Mutex<Option<Instant>>,
}

struct Idle<C> {
    connection: C,
    made: Instant,
    used: Instant,
}

/// A connection on which passwords are checked; the last user to bind is.
pub struct BindConnection {
    /// The server.
    pub url: LdapUrl,
    /// The connection.
    pub client: Client,
    /// What the server says of itself.
    pub root: Arc<RootDse>,
}

/// A kind of connection.
pub trait Connect: Sized + Send + 'static {
    /// So many are kept for each server while they are idle.
    const MAX_IDLE: usize;
    /// Where they are kept.
    fn of(server: &Server) -> &Connections<Self>;
    /// Makes one.
    fn open(limits: &Limits, server: &Server) -> impl Future<Output = Result<Self>> + Send;
    /// Whether the server has closed it.
    fn is_closed(&self) -> bool;
}

/// A connection in use.
pub struct Lease<'a, C: Connect> {
    /// The connection.
    pub connection: C,
    /// When the request has to be done.
    pub until: Instant,
    made: Instant,
    /// It was idle before.
    pub(super) reused: bool,
    pub(super) server: &'a Server,
    _permit: SemaphorePermit<'a>,
}

/// What stands between may have forgotten a connection that was idle for longer.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);
impl Server {
    /// A connection, made now if none is idle.
    pub(super) async fn lease<C: Connect>(
        &self,
        limits: &Limits,
        until: Instant,
    ) -> Result<Lease<'_, C>> {
        let own = C::of(self);
        let permit = timeout_at(until, own.permits.acquire()).await;
        let permit = permit.map_err(|_| NoneFree(self.url.clone()))??;
        let now = Instant::now();
        let idle = {
            let mut idle = locked(&own.idle);
            idle.retain(|idle| {
                !idle.connection.is_closed()
                    && now < idle.made + limits.max_age
                    && now < idle.used + MAX_IDLE_TIME
            });
            idle.pop()
        };
        let (connection, made, reused) = if let Some(idle) = idle {
            (idle.connection, idle.made, true)
        } else {
            let opened = timeout_at(until, C::open(limits, self)).await;
            (opened.map_err(|_| self.late(limits))??, now, false)
        };
        Ok(Lease {
            connection,
            until,
            made,
            reused,
            server: self,
            _permit: permit,
        })
    }

    /// That the server did not answer in time.
    pub(super) fn late(&self, limits: &Limits) -> anyhow::Error {
        anyhow!(
            "{}: no answer within {} s",
            self.url,
            limits.timeout.as_secs()
        )
    }

    /// Forgets what the server said of itself, and closes the connections that are idle.
    pub(super) fn forget(&self) {
        *locked(&self.root) = None;
        self.searches.forget();
        self.binds.forget();
    }
}

/// Every connection that a server may have is in use.
#[derive(Debug, thiserror::Error)]
#[error("{0}: no connection has become free")]
pub(super) struct NoneFree(LdapUrl);

impl<C> Connections<C> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            permits: Semaphore::new(most),
            idle: Mutex::default(),
            avoided_until: Mutex::default(),
        }
    }

    pub(super) fn forget(&self) {
        locked(&self.idle).clear();
    }

    pub(super) fn is_avoided(&self, now: Instant) -> bool {
        locked(&self.avoided_until).is_some_and(|until| now < until)
    }
}

impl<C: Connect> Lease<'_, C> {
    /// Lets others use the connection.
    pub(super) fn give_back(self) {
        let mut idle = locked(&C::of(self.server).idle);
        if idle.len() < C::MAX_IDLE {
            idle.push(Idle {
                connection: self.connection,
                made: self.made,
                used: Instant::now(),
            });
        }
    }
}

impl Connect for Live {
    const MAX_IDLE: usize = usize::MAX;

    fn of(server: &Server) -> &Connections<Self> {
        &server.searches
    }

    async fn open(limits: &Limits, server: &Server) -> Result<Self> {
        let mut live = Self::open(&server.settings, &server.url).await?;
        live.policy = RetryPolicy::fail_fast(limits.owner_timeout);
        *locked(&server.root) = Some(Arc::new(live.root.clone()));
        Ok(live)
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Connect for BindConnection {
    const MAX_IDLE: usize = 16;

    fn of(server: &Server) -> &Connections<Self> {
        &server.binds
    }

    async fn open(limits: &Limits, server: &Server) -> Result<Self> {
        let known = locked(&server.root).clone();
        let root = if let Some(root) = known {
            root
        } else {
            // Another directory would call every password wrong.
            let until = Instant::now() + limits.timeout;
            let lease = server.lease::<Live>(limits, until).await?;
            let root = Arc::new(lease.connection.root.clone());
            lease.give_back();
            root
        };
        let client = connect(&server.settings.without_login(), &server.url).await?;
        Ok(Self {
            url: server.url.clone(),
            client,
            root,
        })
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
