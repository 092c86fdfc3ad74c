//! HTTP/1.1 as a client: RFC 9112 over connections of our own.
//!
//! A login by NTLM or Negotiate belongs to one connection, so there is no pool; nothing is followed and
//! nothing is repeated, because whoever asks has to judge every step.
//!
//! Invariants: what comes back is bounded in time and size, whatever the server does. A [`Turn`] holds no
//! secret: what a request says to log in is recorded by the name of its scheme alone.

mod body;
mod connection;
pub(crate) mod names;
pub(crate) mod tls;
mod turn;

pub(crate) use body::MOST_BYTES;
pub(crate) use connection::{Connection, Web};
#[cfg(test)]
pub(crate) use turn::Response;
pub(crate) use turn::{Request, Times, Turn};

use automend_core::verdict::Cause;

/// Why something did not work: what it comes to, and what was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// What it comes to.
    pub cause: Cause,
    /// What was seen, in words of whoever saw it; may be empty.
    pub detail: String,
}

impl Failure {
    pub(crate) fn new(cause: Cause, detail: impl std::fmt::Display) -> Self {
        Self {
            cause,
            detail: detail.to_string(),
        }
    }
}
