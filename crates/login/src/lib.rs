//! Who asks: logins of the clients of a service.
//!
//! Schemes: Basic (RFC 7617), NTLM and Negotiate (RFC 4559). [`Authenticator`] is the only entrance: a service
//! hands it what a request brought and does what the [`Verdict`] says.
//!
//! Invariant: a password is compared and forgotten; nothing here prints one, and only keyed digests stay
//! in memory. A directory that does not answer is never reported as a wrong password. Answers, one or many, and
//! the time they take do not show whether a user exists.

mod account;
mod accounts;
mod authenticator;
mod basic;
mod channel;
mod credential_cache;
pub mod embedded;
mod header;
mod in_flight;
mod ldap;
mod live;
mod lockout;
mod name;
mod network;
mod outcome;
mod replay_cache;
mod slots;
#[cfg(test)]
mod tests;
mod throttle;

use std::sync::Arc;
use std::time::Duration;

use automend_core::resolve::Who;

pub use accounts::Accounts;
pub use authenticator::{Authenticator, Connection, Offer};
pub use channel::{Channel, ChannelBinding, Expected};
pub use network::client_network;

/// Failed logins of one address in five minutes, where nothing else is configured.
pub const FAILURES_PER_ADDRESS: u32 = 100;

/// A user who has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Whom to ask the resolver for.
    pub who: Who,
    /// What to call the account in a log: its principal name, else `DOMAIN\user`, else what was typed.
    pub name: String,
}

/// What becomes of a request, for its client.
#[derive(Debug)]
pub enum Verdict {
    /// Answer it.
    Accepted {
        /// Who asks.
        account: Arc<Account>,
        /// A `WWW-Authenticate` value for the answer: the last token of the exchange, by which the server
        /// proves itself (RFC 4559 5).
        token: Option<String>,
    },
    /// 401 with these `WWW-Authenticate` values, each in a header line of its own. The connection has to
    /// stay open.
    Challenge(Vec<String>),
    /// Too many failures; 429 or 503 with `Retry-After`.
    Throttled(Duration),
    /// The directory can't be asked: 503. The text is for the log, not for the client.
    Unavailable(String),
}
