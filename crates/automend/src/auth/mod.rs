//! Who asks: logins of the service's clients, and this program's own logins as a client.
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
pub(crate) mod client;
mod embedded;
mod gate;
mod header;
mod kdc;
mod lockout;
mod login;
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

pub(crate) use accounts::Accounts;
pub(crate) use channel::{Channel, ChannelBinding, Expected};
pub(crate) use gate::{Connection, Gate, Offer};

/// Seconds from 1601, where the times of Windows begin, to 1970.
const EPOCH: u64 = 11_644_473_600;

/// Failed logins of one address in five minutes, unless somebody says otherwise.
pub(crate) const FAILURES_PER_ADDRESS: u32 = 100;

/// Somebody who has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Account {
    /// Whom to ask the resolver for.
    pub who: Who,
    /// What to call the account in a log: its principal name, else `DOMAIN\user`, else what was typed.
    pub name: String,
}

/// A way to log in over HTTP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Scheme {
    /// RFC 7617.
    Basic,
    /// [MS-NTHT].
    Ntlm,
    /// RFC 4559, with Kerberos.
    Negotiate,
    /// RFC 6750; only as a client.
    Bearer,
}

impl Scheme {
    /// The name as it stands in a header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
            Self::Bearer => "Bearer",
        }
    }

    /// Reads a name, in any case.
    pub(crate) fn read(name: &str) -> Option<Self> {
        [Self::Basic, Self::Ntlm, Self::Negotiate, Self::Bearer]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// How little a server, or whoever poses as one, gains from a login; more is better.
    fn strength(self) -> u8 {
        match self {
            Self::Basic => 0,
            Self::Ntlm => 1,
            Self::Negotiate => 2,
            Self::Bearer => 3,
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
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
