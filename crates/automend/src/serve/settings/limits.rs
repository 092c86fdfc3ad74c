//! `[serve.limits]` and `[serve.asking]`: what clients may take, and how the directory is asked.

use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use toml::Spanned;

use super::super::addresses::Allowance;
use super::checked::Checked;
use crate::auth::FAILURES_PER_ADDRESS;

/// How much of everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Headers of a request.
    pub headers: usize,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the head of a request, from the end of the one before.
    pub head_time: Duration,
    /// For its body.
    pub body_time: Duration,
    /// For the answer.
    pub answer_time: Duration,
    /// For a write that the client does not take.
    pub write_time: Duration,
    /// For requests under way when the service stops.
    pub stop_time: Duration,
    /// Connections and requests.
    pub allowance: Allowance,
    /// Failed logins of one address in five minutes; 0 counts none.
    pub failures_per_address: u32,
    /// Bytes of answers that are remembered.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 << 10,
            // A Kerberos ticket has up to 48,000 bytes, and base64 makes 64,000 of them.
            head: 96 << 10,
            headers: 100,
            handshake: Duration::from_secs(10),
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(20),
            answer_time: Duration::from_secs(20),
            write_time: Duration::from_secs(20),
            stop_time: Duration::from_secs(30),
            allowance: Allowance {
                connections: 16_384,
                connections_per_address: 2_048,
                requests_per_address: 200,
                burst: 2_000,
            },
            failures_per_address: FAILURES_PER_ADDRESS,
            memory: 64 << 20,
        }
    }
}

/// How live servers are asked, and for how long an answer holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Asking {
    /// Connections to one server.
    pub connections: usize,
    /// For everything that one answer needs from one server.
    pub time: Duration,
    /// For one owner, beyond which it is left out.
    pub owner_time: Duration,
    /// Between two looks at each server.
    pub check: Duration,
    /// How long an answer holds.
    pub keep: Duration,
    /// How long one holds that says that there is nobody, or from which an owner was left out because the
    /// directory did not tell.
    pub keep_unsure: Duration,
    /// Whether the directory is asked for its other servers.
    pub find_servers: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            connections: 8,
            time: Duration::from_secs(4),
            owner_time: Duration::from_secs(1),
            check: Duration::from_secs(5),
            keep: Duration::from_secs(300),
            keep_unsure: Duration::from_secs(20),
            find_servers: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LimitsSection {
    body: Option<Spanned<usize>>,
    head: Option<Spanned<usize>>,
    headers: Option<Spanned<usize>>,
    handshake_time: Option<u64>,
    head_time: Option<u64>,
    body_time: Option<u64>,
    answer_time: Option<u64>,
    write_time: Option<u64>,
    stop_time: Option<u64>,
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    requests_per_address: Option<u32>,
    burst: Option<u32>,
    failures_per_address: Option<u32>,
    memory: Option<Spanned<usize>>,
}

impl LimitsSection {
    pub(super) fn read(&self, from: &Checked<'_>) -> Result<Limits> {
        let usual = Limits::default();
        let seconds =
            |told: Option<u64>, usual| told.map_or(usual, |s| Duration::from_secs(s.max(1)));
        let least = |told: &Option<Spanned<usize>>, least: usize, usual, key: &str| match told {
            Some(told) if *told.get_ref() < least => {
                Err(from.error(told.span(), format!("{key} is at least {least}")))
            }
            Some(told) => Ok(*told.get_ref()),
            None => Ok(usual),
        };
        let memory = least(&self.memory, 1, usual.memory >> 20, "memory")?;
        Ok(Limits {
            body: least(&self.body, 1024, usual.body, "body")?,
            head: least(&self.head, 8192, usual.head, "head")?,
            headers: least(&self.headers, 16, usual.headers, "headers")?,
            handshake: seconds(self.handshake_time, usual.handshake),
            head_time: seconds(self.head_time, usual.head_time),
            body_time: seconds(self.body_time, usual.body_time),
            answer_time: seconds(self.answer_time, usual.answer_time),
            write_time: seconds(self.write_time, usual.write_time),
            stop_time: seconds(self.stop_time, usual.stop_time),
            allowance: Allowance {
                connections: self.connections.unwrap_or(usual.allowance.connections),
                connections_per_address: self
                    .connections_per_address
                    .unwrap_or(usual.allowance.connections_per_address),
                requests_per_address: self
                    .requests_per_address
                    .unwrap_or(usual.allowance.requests_per_address),
                burst: self.burst.unwrap_or(usual.allowance.burst),
            },
            failures_per_address: self
                .failures_per_address
                .unwrap_or(usual.failures_per_address),
            memory: memory.saturating_mul(1 << 20),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct AskingSection {
    connections: Option<Spanned<usize>>,
    time: Option<u64>,
    owner_time: Option<u64>,
    check: Option<u64>,
    keep: Option<u64>,
    keep_unsure: Option<u64>,
    find_servers: bool,
}

impl AskingSection {
    pub(super) fn read(&self, from: &Checked<'_>) -> Result<Asking> {
        let usual = Asking::default();
        let seconds =
            |told: Option<u64>, usual| told.map_or(usual, |s| Duration::from_secs(s.max(1)));
        let connections = match &self.connections {
            Some(told) if !(1..=256).contains(told.get_ref()) => {
                return Err(from.error(told.span(), "connections is 1 to 256"));
            }
            Some(told) => *told.get_ref(),
            None => usual.connections,
        };
        Ok(Asking {
            connections,
            time: seconds(self.time, usual.time),
            owner_time: seconds(self.owner_time, usual.owner_time),
            check: seconds(self.check, usual.check),
            keep: self.keep.map_or(usual.keep, Duration::from_secs),
            keep_unsure: self
                .keep_unsure
                .map_or(usual.keep_unsure, Duration::from_secs),
            find_servers: self.find_servers,
        })
    }
}
