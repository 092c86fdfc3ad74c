//! What every connection of the proxy shares.

use std::net::SocketAddr;
use std::sync::Arc;

use automend_system::tls::authority::Authority;
use tokio::sync::{Semaphore, mpsc, watch};

use super::hosts::Hosts;
use super::tap::Recorded;

/// What every connection shares.
pub(crate) struct Proxy {
    pub hosts: Arc<Hosts>,
    pub authority: Arc<Authority>,
    /// How servers are checked.
    pub client: Arc<rustls::ClientConfig>,
    pub scribe: mpsc::UnboundedSender<Recorded>,
    pub leaves: Arc<Semaphore>,
    pub notes: mpsc::Sender<String>,
    /// Exchanges true at the end; every task has a receiver, so that the last of them is known.
    pub stop: watch::Sender<bool>,
    pub own: SocketAddr,
}

impl Proxy {
    /// Sends a note to the user; it is dropped when the queue is full.
    pub(super) fn note(&self, text: String) {
        let _ = self.notes.try_send(text);
    }

    /// Does a task until it is done or the recording ends.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}
