//! One request, and the servers that it may go to.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use anyhow::Result;
use automend_ldap::Error;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use super::connections::{BindConnection, Connect, Lease, NoneFree, Server, locked};
use super::health::{Health, State};
use super::servers::Pool;
use crate::live::Live;

/// One request, and the servers that it may still go to.
pub struct Attempts<'a, C> {
    pool: &'a Pool,
    open: VecDeque<Attempt<'a>>,
    failures: Vec<String>,
    kind: PhantomData<fn() -> C>,
}

#[derive(Clone, Copy)]
struct Attempt<'a> {
    server: &'a Server,
    /// The deadline, where the request has begun there before.
    until: Option<Instant>,
}

/// No server answered.
#[derive(Clone, Debug)]
pub struct Outage {
    /// What happened at each server.
    pub reason: String,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A server that leaves a request without an answer is asked for so long after the others what it did not
/// answer, though it passes checks.
const AVOID: Duration = Duration::from_secs(60);

impl Pool {
    /// Begins a search, or several that belong together.
    pub fn search(&self) -> Attempts<'_, Live> {
        Attempts::new(self)
    }

    /// Begins the check of a password.
    pub fn bind(&self) -> Attempts<'_, BindConnection> {
        Attempts::new(self)
    }
}

impl<'a, C: Connect> Attempts<'a, C> {
    /// Those that are up first, then those that lately left such a request unanswered, then suspects.
    pub(super) fn new(pool: &'a Pool) -> Self {
        let now = Instant::now();
        let mut ranked: Vec<(u8, &Server)> = Vec::new();
        for server in &pool.servers {
            let rank = match locked(&server.health).state {
                State::Down => continue,
                State::Suspect => 2,
                State::Up | State::Unknown if C::of(server).is_avoided(now) => 1,
                State::Up | State::Unknown => 0,
            };
            ranked.push((rank, server));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let ranked = ranked.into_iter();
        Self {
            pool,
            open: ranked
                .map(|(_, server)| Attempt {
                    server,
                    until: None,
                })
                .collect(),
            failures: Vec::new(),
            kind: PhantomData,
        }
    }

    /// The servers that it may still go to.
    #[cfg(test)]
    pub(super) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.open.iter().map(|attempt| attempt.server)
    }

    /// A connection to the next server; none when every server has failed.
    pub async fn next(&mut self) -> Option<Lease<'a, C>> {
        while let Some(Attempt { server, until }) = self.open.pop_front() {
            let until = until.unwrap_or_else(|| Instant::now() + self.pool.limits.timeout);
            match server.lease(&self.pool.limits, until).await {
                Ok(lease) => return Some(lease),
                Err(error) => {
                    // That every connection is in use says nothing about the server.
                    if !error.is::<NoneFree>() {
                        self.pool.failed(server, &error);
                    }
                    self.failures.push(format!("{error:#}"));
                }
            }
        }
        None
    }

    /// Takes what came of the request on a connection until its deadline. Where that is no answer, the request
    /// may go on at the next server.
    pub fn settle<T>(
        &mut self,
        lease: Lease<'a, C>,
        answer: Result<Result<T>, Elapsed>,
    ) -> Option<T> {
        let error = match answer {
            Ok(Ok(answer)) => {
                self.answered(lease);
                return Some(answer);
            }
            Ok(Err(error)) => error,
            Err(_) => lease.server.late(&self.pool.limits),
        };
        let is_lost = |error: &Error| matches!(error, Error::Closed { .. } | Error::Io { .. });
        if lease.reused && error.downcast_ref().is_some_and(is_lost) {
            let (server, until) = (lease.server, Some(lease.until));
            C::of(server).forget();
            self.open.push_front(Attempt { server, until });
        } else {
            self.pool.failed(lease.server, &error);
            self.failures.push(format!("{error:#}"));
        }
        None
    }

    /// The server answered, whatever it said: its connection may be used again.
    pub fn answered(&self, lease: Lease<'a, C>) {
        self.pool.change(lease.server, Health::succeeded, None);
        lease.give_back();
    }

    /// Gives the request up: it was sent, no answer came, and the server may have acted on it.
    pub fn unanswered(mut self, lease: Lease<'a, C>, error: Option<anyhow::Error>) -> Outage {
        let error = error.unwrap_or_else(|| lease.server.late(&self.pool.limits));
        let server = lease.server;
        // A late answer must not be taken for the next one's.
        drop(lease);
        *locked(&C::of(server).avoided_until) = Some(Instant::now() + AVOID);
        self.pool.failed(server, &error);
        self.failures.push(format!("{error:#}"));
        self.outage()
    }

    /// Why no server answered.
    pub fn outage(self) -> Outage {
        let mut reason = self.failures.join("; ");
        if reason.is_empty() {
            "no server of the directory answers".clone_into(&mut reason);
        }
        Outage { reason }
    }
}
