//! The LDAP server: the directory as any LDAP client sees a Windows domain controller.
//!
//! Specification: RFC 4511, [MS-ADTS] 3.1.1.3. What a Windows controller enforces and test servers
//! often don't, is enforced here: at most [`Limits::page_size`] entries an answer, and at most
//! [`Limits::value_range`] values of an attribute.
//!
//! Left out: virtual lists, DirSync, notification, SD flags, rights on single objects. A critical control that
//! isn't done is refused with 12, another one is passed over. Who logs in, and may write, [`Logins`] decides.
//!
//! Invariant: the answers on a connection come in the order of the requests, so there is never
//! anything to abandon; memory for a connection is bounded by the limits.

mod bind;
mod computed;
mod connection;
mod controls;
mod login;
mod matching;
mod operations;
mod plan;
mod root;
mod search;
mod select;
mod served;
mod sorting;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use automend_ldap::server as codec;

use crate::error::{Error, Refusal};
use connection::Connection;

pub use automend_ldap::SecurityLayer;
pub use automend_ldap::{ResultCode, server::Outcome};
pub use login::{Identity, Later, Logins, Peer, Protected, SaslLogin, SaslStep, StartTls, Stream};
pub use served::{Access, LdapServer, Limits};

impl LdapServer {
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
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let server = self.clone();
                connections.spawn(async move { server.refuse(Box::new(stream)).await });
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (server, ending) = (self.clone(), ending.subscribe());
            connections.spawn(async move {
                let peer = Peer {
                    address: Some(from.ip()),
                    ..Peer::default()
                };
                server.client(Box::new(stream), peer, ending).await;
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
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (ending, seen) = watch::channel(false);
        let connection = self.client(Box::new(stream), Peer::default(), seen);
        tokio::pin!(connection, shutdown);
        tokio::select! {
            () = &mut connection => return,
            () = &mut shutdown => {}
        }
        ending.send_replace(true);
        connection.await;
    }

    /// Serves a client until it goes or `ending` turns true.
    pub async fn client(&self, stream: Box<dyn Stream>, peer: Peer, ending: watch::Receiver<bool>) {
        Connection::new(self.clone(), stream, peer)
            .run(ending)
            .await;
    }

    /// Tells a client that there are too many connections.
    pub async fn refuse(&self, mut stream: Box<dyn Stream>) {
        let notice = codec::notice(&Outcome::new(ResultCode::BUSY, "too many connections"));
        // The client may have gone already.
        let tell = stream.write_all(&notice);
        let _ = tokio::time::timeout(Duration::from_secs(1), tell).await;
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let mut outcome = Self::new(ResultCode(u32::from(error.code())), error.to_string());
        if let Error::Refused(Refusal::NoObject { matched, .. }) = error {
            outcome.matched_dn = matched;
        }
        outcome
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
