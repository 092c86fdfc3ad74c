//! Who asks: logins of the clients of a service.
//!
//! Schemes: Basic (RFC 7617), NTLM and Negotiate (RFC 4559). [`Gate`] is the only door: a face hands it
//! what a request brought and obeys the [`Verdict`].
//!
//! Invariant: a password is compared and forgotten; nothing here prints one, and only keyed digests stay
//! in memory. A directory that does not answer is never told as a wrong password. Nobody learns from answers,
//! one or many, nor from the time they take, whether there is such a user.

mod accounts;
mod basic;
mod channel;
pub mod embedded;
mod gate;
mod header;
mod lockout;
mod name;
mod remembered;
mod seals;
mod servers;
mod status;
#[cfg(test)]
mod tests;
mod throttle;
mod under_way;

use std::sync::Arc;
use std::time::Duration;

use automend_core::resolve::Who;

pub use accounts::Accounts;
pub use channel::{Channel, ChannelBinding, Expected};
pub use gate::{Connection, Gate, Offer};

/// Failed logins of one address in five minutes, unless somebody says otherwise.
pub const FAILURES_PER_ADDRESS: u32 = 100;

/// Somebody who has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Whom to ask the resolver for.
    pub who: Who,
    /// What to call the account in a log: its principal name, else `DOMAIN\user`, else what was typed.
    pub name: String,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Answer it.
    Admitted {
        /// Who asks.
        account: Arc<Account>,
        /// A `WWW-Authenticate` value for the answer: the server's proof to the client (RFC 4559 5).
        proof: Option<String>,
    },
    /// 401 with these `WWW-Authenticate` values, each in a header line of its own. The connection has to
    /// stay open.
    Challenge(Vec<String>),
    /// Too many failures; 429 or 503 with `Retry-After`.
    Throttled(Duration),
    /// The directory can't be asked: 503. The text is for the log, not for the client.
    Unavailable(String),
}
