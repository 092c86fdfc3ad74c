//! The login of one TCP or TLS connection.
//!
//! Invariant: a connection that others may use, too, carries no login.

use std::sync::Arc;
use std::time::{Duration, Instant};

use automend_negotiate::ntlm::Challenge;

use super::super::Account;
use super::super::account::Authenticated;
use super::super::channel::{Channel, Expected, Purpose};
use super::super::header::Wrapping;

/// The login of one TCP or TLS connection, which NTLM and Negotiate are bound to.
#[derive(Debug, Default)]
pub struct Connection {
    pub(super) state: State,
    /// Whether requests of several users may come on it.
    pub(super) shared: bool,
    /// Who logged in on it last.
    last: Option<Arc<Account>>,
    /// What a login on it must have been made for.
    pub(super) purpose: Option<Purpose>,
    /// Why the last login was refused, or what is wrong with it though it was not.
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Default)]
pub(super) enum State {
    /// No user has logged in.
    #[default]
    New,
    /// A challenge of NTLM waits for its answer.
    Challenged(Wrapping, Box<Challenge>),
    /// A user has logged in.
    LoggedIn {
        login: Authenticated,
        until: Instant,
    },
}

/// How long a connection stays logged in; after that its client is asked again.
const CONNECTION_TTL: Duration = Duration::from_secs(15 * 60);

impl Connection {
    /// Says that requests of several users may come on this connection, as a proxy's do: a login on it holds for
    /// one request from now on, and NTLM, which logs in a connection, is not offered.
    pub fn set_shared(&mut self) {
        self.shared = true;
        self.state = State::New;
    }

    /// Says what a login on it must have been made for; until then nothing is compared.
    pub fn expect(&mut self, expected: &Arc<Expected>, channel: &Arc<Channel>) {
        self.purpose = Some(Purpose {
            expected: Arc::clone(expected),
            channel: Arc::clone(channel),
        });
    }

    /// Whether the next request needs no login of its own.
    pub fn is_logged_in(&self) -> bool {
        matches!(self.state, State::LoggedIn { .. })
    }

    /// Notes who has logged in; a second account shows that the connection has several users.
    pub(super) fn note(&mut self, account: &Arc<Account>) {
        match &self.last {
            Some(last) if last.who != account.who => self.set_shared(),
            Some(_) => {}
            None => self.last = Some(Arc::clone(account)),
        }
    }

    /// Why the last login was refused, or what is wrong with it though it was not; for the log, and never for
    /// the client.
    pub fn refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// Logs the connection in.
    pub(super) fn log_in(&mut self, login: Authenticated, now: Instant) {
        self.state = State::LoggedIn {
            login,
            until: now + CONNECTION_TTL,
        };
    }
}
