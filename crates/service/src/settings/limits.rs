//! `[serve.limits]` and `[serve.directory]`: what clients may take, and how the directory is asked.

use std::time::Duration;

use anyhow::Result;
use automend_login::FAILURES_PER_ADDRESS;
use toml::Spanned;

use super::super::addresses::RateLimits;
use super::checked::Checked;
use crate::section::{DirectorySection, LimitsSection};

/// How much of everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,
    /// Headers of a request.
    pub max_headers: usize,
    /// For a TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// For the head of a request, from the end of the one before.
    pub header_timeout: Duration,
    /// For its body.
    pub body_timeout: Duration,
    /// For the answer.
    pub response_timeout: Duration,
    /// For a write that the client does not take.
    pub write_timeout: Duration,
    /// For requests under way when the service stops.
    pub shutdown_grace: Duration,
    /// Connections and requests.
    pub rates: RateLimits,
    /// Failed logins of one address in five minutes; 0 counts none.
    pub failures_per_address: u32,
    /// Bytes of answers that are remembered.
    pub cache_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 10,
            // A Kerberos ticket has up to 48,000 bytes, and base64 makes 64,000 of them.
            max_header_bytes: 96 << 10,
            max_headers: 100,
            tls_handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(20),
            response_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(20),
            shutdown_grace: Duration::from_secs(30),
            rates: RateLimits {
                connections: 16_384,
                connections_per_address: 2_048,
                requests_per_address: 200,
                burst: 2_000,
            },
            failures_per_address: FAILURES_PER_ADDRESS,
            cache_size: 64 << 20,
        }
    }
}

/// How live servers are asked, and for how long an answer holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DirectorySettings {
    /// Connections to one server.
    pub connections: usize,
    /// For everything that one answer needs from one server.
    pub timeout: Duration,
    /// For one owner, beyond which it is left out.
    pub owner_timeout: Duration,
    /// Between two looks at each server.
    pub health_check_interval: Duration,
    /// How long an answer holds.
    pub cache_ttl: Duration,
    /// How long one holds that says that no user exists, or from which an owner was left out because the
    /// directory did not tell.
    pub negative_cache_ttl: Duration,
    /// Whether the directory is asked for its other servers.
    pub discover_servers: bool,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        Self {
            connections: 8,
            timeout: Duration::from_secs(4),
            owner_timeout: Duration::from_secs(1),
            health_check_interval: Duration::from_secs(5),
            cache_ttl: Duration::from_secs(300),
            negative_cache_ttl: Duration::from_secs(20),
            discover_servers: false,
        }
    }
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
        let cache_size = least(&self.cache_size, 1, usual.cache_size >> 20, "cache-size")?;
        Ok(Limits {
            max_body_bytes: least(
                &self.max_body_bytes,
                1024,
                usual.max_body_bytes,
                "max-body-bytes",
            )?,
            max_header_bytes: least(
                &self.max_header_bytes,
                8192,
                usual.max_header_bytes,
                "max-header-bytes",
            )?,
            max_headers: least(&self.max_headers, 16, usual.max_headers, "max-headers")?,
            tls_handshake_timeout: seconds(self.tls_handshake_timeout, usual.tls_handshake_timeout),
            header_timeout: seconds(self.header_timeout, usual.header_timeout),
            body_timeout: seconds(self.body_timeout, usual.body_timeout),
            response_timeout: seconds(self.response_timeout, usual.response_timeout),
            write_timeout: seconds(self.write_timeout, usual.write_timeout),
            shutdown_grace: seconds(self.shutdown_grace, usual.shutdown_grace),
            rates: RateLimits {
                connections: self.connections.unwrap_or(usual.rates.connections),
                connections_per_address: self
                    .connections_per_address
                    .unwrap_or(usual.rates.connections_per_address),
                requests_per_address: self
                    .requests_per_address
                    .unwrap_or(usual.rates.requests_per_address),
                burst: self.burst.unwrap_or(usual.rates.burst),
            },
            failures_per_address: self
                .failures_per_address
                .unwrap_or(usual.failures_per_address),
            cache_size: cache_size.saturating_mul(1 << 20),
        })
    }
}

impl DirectorySection {
    pub(super) fn read(&self, from: &Checked<'_>) -> Result<DirectorySettings> {
        let usual = DirectorySettings::default();
        let seconds =
            |told: Option<u64>, usual| told.map_or(usual, |s| Duration::from_secs(s.max(1)));
        let connections = match &self.connections {
            Some(told) if !(1..=256).contains(told.get_ref()) => {
                return Err(from.error(told.span(), "connections is 1 to 256"));
            }
            Some(told) => *told.get_ref(),
            None => usual.connections,
        };
        Ok(DirectorySettings {
            connections,
            timeout: seconds(self.timeout, usual.timeout),
            owner_timeout: seconds(self.owner_timeout, usual.owner_timeout),
            health_check_interval: seconds(self.health_check_interval, usual.health_check_interval),
            cache_ttl: self.cache_ttl.map_or(usual.cache_ttl, Duration::from_secs),
            negative_cache_ttl: self
                .negative_cache_ttl
                .map_or(usual.negative_cache_ttl, Duration::from_secs),
            discover_servers: self.discover_servers,
        })
    }
}
