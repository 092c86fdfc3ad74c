//! A client of one LDAP connection (RFC 4511), over any stream of bytes.
//!
//! Two tasks own the stream: one writes requests, one cuts answers apart and gives each to the
//! operation that asked. Requests are multiplexed; an operation whose answers are not taken stops
//! the reading, so the server feels the back pressure. Therefore one who does not take the answers
//! of a search must not wait for another answer on the same connection: it would run into
//! [`Limits::idle`].
//!
//! Invariant: every request ends with an answer or an error in bounded time after the peer's last
//! byte, whatever the peer does.

mod connection;
mod handshake;
mod limits;
mod modify;
mod paged;
mod protected;
mod range;
mod search;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::control::Control;
use crate::entry::Entry;
use crate::error::{Error, Operation, ResultCode};
use crate::wire::{Request, Response, op};
use connection::Connection;

pub use handshake::{sasl_bind, start_tls};
pub use limits::Limits;
pub use modify::Modification;
pub use paged::PagedSearch;
pub use protected::{Protected, SecurityLayer};
pub use search::{Item, SearchStream};

pub use crate::wire::{Scope, Search};

/// How many references an answer of which only the entries count may have.
const REFERENCES: usize = 10_000;

/// A handle on one connection; clones share it.
///
/// The connection closes when the last handle and the last search on it are gone.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
}

impl Client {
    /// Takes a connected stream; TLS, where wanted, is already on it.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn new<S>(stream: S, limits: Limits) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self {
            connection: Arc::new(Connection::start(stream, limits)),
        }
    }

    /// Proves an identity by name and password (RFC 4513 5.1); both empty means anonymous.
    ///
    /// A name with an empty password is not sent: servers take it for anonymous and report success
    /// (RFC 4513 5.1.2). No other request may be under way on the connection.
    pub async fn simple_bind(&self, name: &str, password: &str) -> Result<(), Error> {
        if password.is_empty() && !name.is_empty() {
            let why = "a name with an empty password would be taken for anonymous";
            return Err(Error::Unsendable {
                operation: Operation::Bind,
                why,
            });
        }
        let request = Request::SimpleBind { name, password };
        self.ask(Operation::Bind, &request, &[], op::BIND_RESPONSE)
            .await
    }

    /// Whether the connection is known to have ended, so that nothing would be sent on it any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// Takes the identity that the transport proved: a TLS client certificate, or the user at the
    /// other end of a local socket (SASL EXTERNAL, RFC 4422 appendix A).
    pub async fn external_bind(&self) -> Result<(), Error> {
        let request = Request::SaslBind {
            mechanism: "EXTERNAL",
            credentials: b"",
        };
        self.ask(Operation::Bind, &request, &[], op::BIND_RESPONSE)
            .await
    }

    /// Starts a search (RFC 4511 4.5); its answers come from the stream.
    #[expect(
        clippy::unused_async,
        reason = "a bounded queue of requests would have to wait"
    )]
    pub async fn search(&self, request: &Search) -> Result<SearchStream, Error> {
        self.search_with(request, &[])
    }

    /// All entries of a small search; references are left out.
    ///
    /// More than `max` entries, or 10,000 references, are [`Error::Limit`]. Ranged values are not completed.
    pub async fn entries(&self, request: &Search, max: usize) -> Result<Vec<Entry>, Error> {
        let mut stream = self.search(request).await?;
        let mut entries = Vec::new();
        let mut references = 0usize;
        while let Some(item) = stream.next().await? {
            let Item::Entry(entry) = item else {
                references = references.saturating_add(1);
                if references > REFERENCES {
                    let (what, max) = ("references in one answer", REFERENCES);
                    return Err(Error::Limit {
                        what,
                        max,
                        found: references,
                    });
                }
                continue;
            };
            if entries.len() >= max {
                let found = max.saturating_add(1);
                return Err(Error::Limit {
                    what: "entries in one answer",
                    max,
                    found,
                });
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// A search answered in pages of at most `page_size` entries (RFC 2696), with the values of
    /// large attributes completed ([MS-ADTS] 3.1.1.3.1.3.3).
    pub fn paged(&self, request: Search, page_size: u32) -> PagedSearch {
        PagedSearch::new(self.clone(), request, page_size)
    }

    /// Changes attributes of `dn`: all of `changes` in this order, or none (RFC 4511 4.6).
    pub async fn modify(
        &self,
        dn: &str,
        changes: &[Modification],
        controls: &[Control],
    ) -> Result<(), Error> {
        let changes = changes.iter().map(Modification::parts).collect();
        let request = Request::Modify { dn, changes };
        self.ask(Operation::Modify, &request, controls, op::MODIFY_RESPONSE)
            .await
    }

    /// Creates the object `dn` (RFC 4511 4.7).
    pub async fn add(&self, dn: &str, attributes: &[(String, Vec<Vec<u8>>)]) -> Result<(), Error> {
        let request = Request::Add { dn, attributes };
        self.ask(Operation::Add, &request, &[], op::ADD_RESPONSE)
            .await
    }

    /// Removes the object `dn` (RFC 4511 4.8).
    pub async fn delete(&self, dn: &str) -> Result<(), Error> {
        let request = Request::Delete { dn };
        self.ask(Operation::Delete, &request, &[], op::DELETE_RESPONSE)
            .await
    }

    /// Renames the object `dn`, and moves it when there is a new superior (RFC 4511 4.9).
    pub async fn modify_dn(
        &self,
        dn: &str,
        new_rdn: &str,
        delete_old: bool,
        new_superior: Option<&str>,
    ) -> Result<(), Error> {
        let request = Request::ModifyDn {
            dn,
            new_rdn,
            delete_old,
            new_superior,
        };
        self.ask(Operation::ModifyDn, &request, &[], op::MODIFY_DN_RESPONSE)
            .await
    }

    /// Whether `dn` has this value (RFC 4511 4.10).
    pub async fn compare(&self, dn: &str, attribute: &str, value: &[u8]) -> Result<bool, Error> {
        let request = Request::Compare {
            dn,
            attribute,
            value,
        };
        match self
            .ask(Operation::Compare, &request, &[], op::COMPARE_RESPONSE)
            .await
        {
            Err(Error::Refused {
                code: ResultCode::COMPARE_TRUE,
                ..
            }) => Ok(true),
            Err(Error::Refused {
                code: ResultCode::COMPARE_FALSE,
                ..
            }) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Err(Error::PeerMisbehaved {
                what: "a comparison that is neither",
            }),
        }
    }

    /// Says goodbye (RFC 4511 4.3): the server drops the connection, and other handles fail.
    pub async fn unbind(self) {
        self.connection.unbind().await;
    }

    pub(crate) fn limits(&self) -> Limits {
        self.connection.limits()
    }

    /// Starts a search with more controls than the request has.
    fn search_with(&self, request: &Search, more: &[Control]) -> Result<SearchStream, Error> {
        let controls = [request.controls.as_slice(), more].concat();
        let request = Request::Search(request);
        Ok(SearchStream::new(self.connection.send(
            Operation::Search,
            &request,
            &controls,
        )?))
    }

    /// The one entry of a base search.
    async fn single(&self, request: &Search) -> Result<Option<Entry>, Error> {
        match self.entries(request, 1).await {
            Ok(mut entries) => Ok(entries.pop()),
            Err(Error::Refused {
                code: ResultCode::NO_SUCH_OBJECT,
                ..
            }) => Ok(None),
            Err(Error::Limit {
                what: "entries in one answer",
                ..
            }) => Err(Error::PeerMisbehaved {
                what: "more than one entry from a base search",
            }),
            Err(error) => Err(error),
        }
    }

    /// One request with one answer.
    async fn ask(
        &self,
        operation: Operation,
        request: &Request<'_>,
        controls: &[Control],
        answer: u8,
    ) -> Result<(), Error> {
        let mut pending = self.connection.send(operation, request, controls)?;
        loop {
            let message = pending.message().await?;
            let envelope = pending.read(&message)?;
            match envelope.response() {
                Ok(Response::Outcome(outcome)) if envelope.answers(answer, &outcome) => {
                    return outcome.check(operation);
                }
                Ok(Response::Intermediate) => pending.count_intermediate()?,
                Ok(_) => return Err(pending.misbehaved("an answer of the wrong kind")),
                Err(malformed) => return Err(pending.misbehaved(malformed.0)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Handles and futures go to other threads.
    #[test]
    fn what_is_awaited_can_be_sent() {
        fn is_send<T: Send>(value: T) -> T {
            value
        }
        let _ = async |client: &Client, search: Search| {
            let mut paged = client.paged(search.clone(), 1);
            drop(is_send(paged.next()));
            drop(is_send(client.base("", &[])));
            drop(is_send(client.search(&search)));
            drop(is_send(client.modify("", &[], &[])));
        };
    }
}
