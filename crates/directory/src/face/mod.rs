//! The LDAP face: the directory as any LDAP client sees a Windows domain controller.
//!
//! Specification: RFC 4511, [MS-ADTS] 3.1.1.3. What a Windows controller enforces and test servers
//! often don't, is enforced here: at most [`Limits::page_size`] entries an answer, and at most
//! [`Limits::value_range`] values of an attribute.
//!
//! Left out: SASL, StartTLS, sorting, virtual lists, DirSync, notification, tree delete, access
//! control. A critical control that isn't done is refused with 12, another one is passed over.
//!
//! Invariant: the answers on a connection come in the order of the requests, so there is never
//! anything to abandon; memory for a connection is bounded by the limits.

mod answer;
mod ber;
mod connection;
mod matching;
mod plan;
mod request;
mod root;
mod search;
mod select;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::store::Directory;
use answer::Outcome;
use automend_ldap::ResultCode;
use connection::Connection;

/// Bounds of the face. The defaults are those of a Windows controller where it has one
/// ([MS-ADTS] 3.1.1.3.4.6).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest message that is read, in bytes (MaxReceiveBuffer).
    pub message_bytes: u64,
    /// How deep a filter may be.
    pub filter_depth: usize,
    /// How many parts a filter may have in all.
    pub filter_parts: usize,
    /// Most entries of one answer (MaxPageSize).
    pub page_size: usize,
    /// Most values of one attribute in an answer (MaxValRange).
    pub value_range: usize,
    /// Searches that wait for their next page, for each connection; the oldest goes first.
    pub open_pages: usize,
    /// Connections at one time; one more is told so and closed (MaxConnections).
    pub connections: usize,
    /// How long a connection may be silent (MaxConnIdleTime).
    pub idle: Duration,
    /// How long a client may leave what is sent to it unread.
    pub stall: Duration,
    /// How long one page of a search may take (MaxQueryDuration).
    pub query: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 10 * 1024 * 1024,
            filter_depth: 64,
            filter_parts: 100_000,
            page_size: 1000,
            value_range: 1500,
            open_pages: 10,
            connections: 5000,
            idle: Duration::from_secs(900),
            stall: Duration::from_secs(60),
            query: Duration::from_secs(120),
        }
    }
}

/// Who may do what.
#[derive(Clone)]
pub enum Access {
    /// Everybody may read and write; for a listener on loopback.
    Open,
    /// One name and password may read and write; everybody may read the root DSE.
    Account {
        /// The name of the simple bind, compared without case.
        name: String,
        /// The password.
        password: String,
    },
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Account { name, .. } => f
                .debug_struct("Account")
                .field("name", name)
                .finish_non_exhaustive(),
        }
    }
}

/// A directory that is served.
#[derive(Clone)]
pub struct Face {
    directory: Directory,
    access: Access,
    limits: Limits,
    dns_host_name: Arc<str>,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Face {
    /// Shows `directory` as the server `dns_host_name`; `clock` gives seconds since 1970.
    pub fn new(
        directory: Directory,
        access: Access,
        limits: Limits,
        dns_host_name: &str,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            directory,
            access,
            limits,
            dns_host_name: dns_host_name.into(),
            clock: Arc::new(clock),
        }
    }

    /// Serves every connection until `shutdown` is ready; then those that are open end after the
    /// request they are at.
    ///
    /// # Errors
    ///
    /// What the listener says, other than that one connection failed.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> std::io::Result<()> {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let (ending, _) = watch::channel(false);
        let mut connections = tokio::task::JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let mut stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let notice = answer::notice(&Outcome::new(ResultCode(51), "too many connections"));
                // The client may have gone already; then there is nobody to tell.
                connections.spawn(async move {
                    let tell = stream.write_all(&notice);
                    let _ = tokio::time::timeout(Duration::from_secs(1), tell).await;
                });
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (face, ending) = (self.clone(), ending.subscribe());
            connections.spawn(async move {
                face.connection(stream, ending).await;
                drop(place);
            });
        }
        ending.send_replace(true);
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    /// Serves one stream until the client or `shutdown` ends it.
    pub async fn serve_stream<S>(&self, stream: S, shutdown: impl Future<Output = ()>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (ending, seen) = watch::channel(false);
        let connection = self.connection(stream, seen);
        tokio::pin!(connection, shutdown);
        tokio::select! {
            () = &mut connection => return,
            () = &mut shutdown => {}
        }
        ending.send_replace(true);
        connection.await;
    }

    async fn connection<S>(&self, stream: S, ending: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        Connection::new(self.clone(), stream).run(ending).await;
    }
}

/// Whether accepting failed for one connection only (accept(2)).
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
