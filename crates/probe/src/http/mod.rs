//! HTTP/1.1 as a client: RFC 9112 over connections of our own.
//!
//! A login by NTLM or Negotiate belongs to one connection, so there is no pool; nothing is followed and
//! nothing is repeated, because the caller has to judge every step.
//!
//! Invariants: what comes back is bounded in time and size, whatever the server does. A [`HttpExchange`] holds no
//! secret: what a request says to log in is recorded by the name of its scheme alone.

mod body;
mod connection;
mod exchange;
pub mod names;
pub mod tls;

pub use body::MOST_BYTES;
pub use connection::{Connection, HttpClient};
pub use exchange::{HttpExchange, Request, Response, Times};

use automend_core::verdict::Cause;

/// Why something did not work: what it comes to, and what was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What it comes to.
    pub cause: Cause,
    /// What was seen, in words; may be empty.
    pub detail: String,
}

impl Failure {
    /// What was seen is shown as text.
    pub fn new(cause: Cause, detail: impl std::fmt::Display) -> Self {
        Self {
            cause,
            detail: detail.to_string(),
        }
    }
}
