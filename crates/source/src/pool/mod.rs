//! Connections to the servers of one directory, and which server to ask next.
//!
//! A request goes to one server after the other, in the order in which they were named, until one answers:
//! servers that are up first, then suspects (see `health`). At each server it has one deadline, which
//! includes waiting for a connection and making one. Where a connection that was idle turns out to be lost,
//! the request goes on once on a new one to the same server.
//!
//! There are two kinds of connections: those of the service's own account, for searches, and those on which
//! passwords are checked by a bind (RFC 4513 5.1.3) and nothing else is done.
//!
//! Invariant: a request ends in bounded time; no more connections are open than were allowed, and none is
//! used that is older or was idle for longer than the limits say; a request that was given up with
//! [`Attempts::unanswered`], as its server may have acted on it, goes to no server again; no password goes to
//! a server that was not found to hold the directory of the others.

mod attempts;
mod connections;
mod health;
mod servers;
#[cfg(test)]
mod tests;

pub use attempts::{Attempts, Outage};
pub use connections::{BindConnection, Connect, Lease, Limits};
pub use servers::{Change, Event, Observer, Pool, Status};
