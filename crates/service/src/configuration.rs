//! The configuration of a moment, and what follows from it.
//!
//! Invariant: nothing in it changes; a reload makes another.

use std::sync::Arc;

use anyhow::Result;
use automend_autodiscover::services::Services;
use automend_core::host_port;
use automend_login::{Authenticator, Expected, Offer};

use super::answers::Answers;
use super::backend::Backend;
use super::file_version::FileVersion;
use super::log::Log;
use super::metrics::Metrics;
use super::page::Pages;
use super::settings::Settings;
use super::{tls, urls};

/// The configuration of a moment, and what follows from it.
pub(crate) struct Configuration {
    pub(super) settings: Settings,
    /// Every mail domain: the configured ones, then those of the directory.
    pub(super) domains: Vec<String>,
    /// Domains of which those below are ours, as `*.contoso.com` is accepted; they themselves need not be.
    pub(super) above: Vec<String>,
    /// What holds for no domain in particular.
    pub(super) default: Services,
    pub(super) authenticator: Arc<Authenticator>,
    /// What logins must have been made for.
    pub(super) expected: Arc<Expected>,
    /// The keytab before the authenticator was made.
    pub(super) keytab: Option<FileVersion>,
    pub(super) answers: Arc<Answers>,
    /// What a person sees who comes with a browser.
    pub(super) pages: Pages,
    pub(super) metrics: Arc<Metrics>,
    /// Counts reloads.
    pub(super) generation: u32,
}

/// An authenticator, and its keytab before it was made.
pub(super) struct Logins {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) keytab: Option<FileVersion>,
}

impl Configuration {
    pub(super) async fn first(
        settings: Settings,
        supply: Arc<Backend>,
        log: &Arc<Log>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self> {
        let logins = Logins::new(&settings, &supply, None)?;
        let answers = Arc::new(Answers::new(
            supply,
            settings.policy,
            settings.directory,
            settings.limits.cache_size,
            Arc::clone(log),
            Arc::clone(metrics),
        ));
        Ok(Self::of(settings, logins, answers, metrics, 0).await)
    }

    pub(super) async fn of(
        settings: Settings,
        logins: Logins,
        answers: Arc<Answers>,
        metrics: &Arc<Metrics>,
        generation: u32,
    ) -> Self {
        let mut domains = settings.domains.clone();
        let mut above = Vec::new();
        for found in answers.supply().domains().await {
            if let Some(found) = found.strip_prefix("*.") {
                above.push(found.to_owned());
            } else if !domains.contains(&found) {
                domains.push(found);
            }
        }
        let first = domains.first().map_or("localhost", String::as_str);
        Self {
            expected: Arc::new(settings.expected(&domains)),
            default: settings.urls.services(first, &urls::Home::default()),
            pages: Pages::new(&domains),
            keytab: logins.keytab,
            settings,
            domains,
            above,
            authenticator: logins.authenticator,
            answers,
            metrics: Arc::clone(metrics),
            generation,
        }
    }

    pub(super) fn certificates(&self) -> tls::Source {
        if !self.settings.certificates.is_empty() {
            return tls::Source::Files(self.settings.certificates.clone());
        }
        let hosts = |domain: &String| {
            let told = self.settings.urls.autodiscover(domain);
            [
                host_port::host(&told).to_owned(),
                domain.clone(),
                format!("autoconfig.{domain}"),
            ]
        };
        tls::Source::SelfSigned(self.domains.iter().flat_map(hosts).collect())
    }
}

impl Logins {
    pub(super) fn new(
        settings: &Settings,
        supply: &Backend,
        before: Option<&Authenticator>,
    ) -> Result<Self> {
        let keytab = settings.keytab.as_deref().map(FileVersion::of);
        let realm = settings.realm.as_deref().unwrap_or("Autodiscover");
        let offer = Offer {
            realm: realm.to_owned(),
            schemes: settings.schemes.clone(),
            keytab: settings.keytab.clone(),
            rc4_tickets: settings.rc4_tickets,
        };
        let authenticator = Authenticator::new(supply.accounts()?, offer, before)?;
        let authenticator =
            Arc::new(authenticator.with_failures_per_address(settings.limits.failures_per_address));
        Ok(Self {
            authenticator,
            keytab,
        })
    }
}
