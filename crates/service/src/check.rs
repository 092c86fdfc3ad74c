//! `automend serve --check`: whether the service would start, and with which settings.
//!
//! Invariant: every setting that a login or a client meets is shown, with its default where none was given.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Result;
use automend_core::display::plain;
use automend_core::policy::Policy;
use automend_source::Directory;
use automend_system::{private_file, say};

use super::settings::Settings;
use super::tls::{self, Certificates};
use super::urls;

/// Checks that the service would start, and that the directory has anybody to answer for.
///
/// Every server that is configured is asked, so that a service does not learn at its stop of
/// it from the last one.
pub async fn check(from: &automend_source::Settings, settings: &Settings) -> Result<ExitCode> {
    let mut unread = Vec::new();
    let mut first = Directory::open(&from.alone()).await?;
    unread.append(&mut first.unread().await?);
    for other in &from.others {
        let mut directory = Directory::open(&from.at(other.clone())).await?;
        unread.append(&mut directory.unread().await?);
    }
    if !unread.is_empty() {
        for gap in &unread {
            eprintln!(
                "automend: not everything could be looked at: {}",
                plain(gap)
            );
        }
        return Ok(ExitCode::from(2));
    }
    if !settings.certificates.is_empty() {
        Certificates::open(&tls::Source::Files(settings.certificates.clone()))?;
    }
    for warning in private_file::gathered() {
        eprintln!("automend: warning: {}", plain(warning));
    }
    say!("The configuration is good.");
    say!("  directory  {}", plain(from.directory.shown()));
    for other in &from.others {
        say!("             {}", plain(other));
    }
    for address in &settings.listen {
        say!("  listen     https://{address}");
    }
    for address in &settings.http {
        say!("  http       http://{address}");
    }
    if let Some(address) = settings.admin {
        say!("  admin      http://{address}");
    }
    say!("  policy     {}", policy_word(settings.policy));
    say!("  auth       {}", schemes(settings));
    show_rest(settings);
    for domain in &settings.domains {
        let services = settings.urls.services(domain, &urls::Home::default());
        say!(
            "  domain     {}: Autodiscover at https://{}, EWS at {}",
            plain(domain),
            settings.urls.autodiscover(domain),
            services.external.ews.as_deref().unwrap_or("nowhere")
        );
        if !automend_autodiscover::autoconfig::is_offered(&services) {
            say!("             warning: no outgoing server (smtp), so autoconfig answers 404");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything but the listeners, the policy, the logins and the domains.
fn show_rest(settings: &Settings) {
    let list = |values: Vec<String>| {
        if values.is_empty() {
            "none".to_owned()
        } else {
            values.join(", ")
        }
    };
    let yes = |yes| if yes { "yes" } else { "no" };
    let path = |path: &Option<std::path::PathBuf>, none: &str| {
        path.as_ref()
            .map_or_else(|| none.to_owned(), |path| path.display().to_string())
    };
    let certificates = settings
        .certificates
        .iter()
        .map(|files| files.certificate.display().to_string());
    let certificates: Vec<String> = certificates.collect();
    if certificates.is_empty() {
        show("certificates", "one that is made at the start");
    } else {
        show("certificates", certificates.join(", "));
    }
    show("keytab", path(&settings.keytab, "none"));
    show("rc4-tickets", yes(settings.rc4_tickets));
    show("realm", settings.realm.as_deref().unwrap_or("Autodiscover"));
    show("log", path(&settings.log, "standard error"));
    let proxies = settings.proxies.0.iter().map(ToString::to_string);
    show("proxies", list(proxies.collect()));
    show("channel-binding", settings.binding.name());
    show("service-names", list(settings.service_names.clone()));
    show("proxy-certificates", settings.proxy_certificates.len());
    show(
        "alternative-mailboxes-of-others",
        yes(settings.alternatives_of_others),
    );
    show("plain-autoconfig", yes(settings.plain_autoconfig));
    let limits = &settings.limits;
    let rates = &limits.rates;
    for (name, seconds) in [
        ("tls-handshake-timeout", limits.tls_handshake_timeout),
        ("header-timeout", limits.header_timeout),
        ("body-timeout", limits.body_timeout),
        ("response-timeout", limits.response_timeout),
        ("write-timeout", limits.write_timeout),
        ("shutdown-grace", limits.shutdown_grace),
    ] {
        show(&format!("limits.{name}"), seconds.as_secs());
    }
    for (name, number) in [
        ("max-body-bytes", limits.max_body_bytes),
        ("max-header-bytes", limits.max_header_bytes),
        ("max-headers", limits.max_headers),
        ("connections", rates.connections),
        ("connections-per-address", rates.connections_per_address),
        ("cache-size", limits.cache_size >> 20),
    ] {
        show(&format!("limits.{name}"), number);
    }
    for (name, number) in [
        ("requests-per-address", rates.requests_per_address),
        ("burst", rates.burst),
        ("failures-per-address", limits.failures_per_address),
    ] {
        show(&format!("limits.{name}"), number);
    }
    let directory = &settings.directory;
    show("directory.connections", directory.connections);
    for (name, seconds) in [
        ("timeout", directory.timeout),
        ("owner-timeout", directory.owner_timeout),
        ("health-check-interval", directory.health_check_interval),
        ("cache-ttl", directory.cache_ttl),
        ("negative-cache-ttl", directory.negative_cache_ttl),
    ] {
        show(&format!("directory.{name}"), seconds.as_secs());
    }
    show(
        "directory.discover-servers",
        yes(directory.discover_servers),
    );
}

fn show(name: &str, value: impl Display) {
    say!("  {name:<31} {}", plain(value));
}

/// How a stale link is treated, in words.
pub(super) fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Healthy => "healthy: a stale link is left out",
        Policy::Faithful => "faithful: a stale link fails the user, as with Exchange",
    }
}

/// The ways to log in, in words.
pub(super) fn schemes(settings: &Settings) -> String {
    let names: Vec<&str> = settings
        .schemes
        .iter()
        .map(|scheme| scheme.name())
        .collect();
    names.join(", ")
}
