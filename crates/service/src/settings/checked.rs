//! Values of a configuration: each is good, or a mistake that names its line.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use anyhow::{Result, anyhow};
use automend_core::host_port;
use automend_core::names::ascii_domain;
use toml::Spanned;

use super::super::proxies::Network;
use crate::section::Source;

/// Values of a file, and the lines they stand on.
pub(super) struct Checked<'a> {
    pub(super) source: &'a Source,
}

impl Checked<'_> {
    pub(super) fn error(&self, span: Range<usize>, what: impl std::fmt::Display) -> anyhow::Error {
        let before = self.source.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow!("{}:{line}: {what}", self.source.path.display())
    }

    pub(super) fn socket(&self, told: &Spanned<String>, key: &str) -> Result<SocketAddr> {
        let text = told.get_ref();
        text.parse().map_err(|_| {
            let what = format!("{key}: {text:?} is not ADDRESS:PORT, such as \"0.0.0.0:443\"");
            self.error(told.span(), what)
        })
    }

    pub(super) fn network(&self, told: &Spanned<String>) -> Result<Network> {
        let text = told.get_ref();
        Network::parse(text).ok_or_else(|| {
            let what = format!(
                "proxies: {text:?} is neither an address nor a network, such as \"10.0.0.0/24\""
            );
            self.error(told.span(), what)
        })
    }

    pub(super) fn domain(&self, told: &Spanned<String>) -> Result<String> {
        let text = told.get_ref();
        domain(text).ok_or_else(|| self.error(told.span(), format!("{text:?} is no mail domain")))
    }

    /// A host, with a port where it has one.
    pub(super) fn host(&self, told: &Spanned<String>) -> Result<String> {
        let text = told.get_ref();
        if is_authority(text) {
            return Ok(text.clone());
        }
        Err(self.error(
            told.span(),
            format!("{text:?} is no host name; give the name alone, without https://"),
        ))
    }

    pub(super) fn url(&self, told: &Spanned<String>) -> Result<String> {
        let text = told.get_ref();
        if text.is_empty() {
            return Ok(String::new());
        }
        let rest = text.strip_prefix("https://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = |c: char| {
            c.is_ascii_graphic()
                && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
        };
        if is_authority(authority) && rest.chars().all(plain) {
            return Ok(text.clone());
        }
        Err(self.error(
            told.span(),
            format!("{text:?} is no https:// URL; clients take no other"),
        ))
    }
}

/// `host` or `host:port`.
fn is_authority(text: &str) -> bool {
    host_port::split(text).is_some_and(|(host, port)| {
        (domain(host).is_some() || host.parse::<IpAddr>().is_ok()) && port != Some(0)
    })
}

/// A domain in lower case, and in punycode where it is not ASCII; `None` for what is none.
pub(crate) fn domain(text: &str) -> Option<String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let text = ascii_domain(text.trim_end_matches('.'))?;
    (text.len() <= 253 && text.split('.').all(label)).then_some(text)
}
