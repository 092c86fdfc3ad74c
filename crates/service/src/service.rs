//! What outlives a reload, and the configuration of this moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::configuration::Configuration;
use super::log::Log;
use super::metrics::Metrics;
use super::tls::Certificates;

/// Everything that outlives a reload.
pub(crate) struct Service {
    /// The directory, as it was named at start.
    pub(super) from: automend_source::Settings,
    pub(super) started: Instant,
    pub(super) addresses: Arc<Addresses>,
    /// Who looks at the service itself, counted apart: a look at its health must not fail because clients
    /// have taken all connections.
    pub(super) admin_addresses: Arc<Addresses>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) log: Arc<Log>,
    pub(super) current: RwLock<Arc<Configuration>>,
    pub(super) certificates: Arc<Certificates>,
    /// With HTTP/2, and without.
    pub(super) tls: [Arc<ServerConfig>; 2],
    pub(super) stopping: AtomicBool,
}

impl Service {
    /// The configuration of this moment.
    pub(crate) fn current(&self) -> Arc<Configuration> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long the service has been there.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether it is about to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What a handshake is done with; a login that is bound to a connection allows no HTTP/2.
    pub(crate) fn tls(&self, bound: bool) -> Arc<ServerConfig> {
        let [with_h2, without] = &self.tls;
        Arc::clone(if bound { without } else { with_h2 })
    }
}
