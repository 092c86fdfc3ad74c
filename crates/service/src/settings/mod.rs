//! What `[serve]` of the configuration and the flags of `automend serve` mean together.
//!
//! A flag beats the file. Every value is checked here, and a mistake is reported with the line that holds it;
//! the rest of the service sees only values that are good.

mod checked;
mod layers;
mod limits;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::policy::Policy;
use automend_login::{ChannelBinding, Expected};
use automend_negotiate::Scheme;
use rustls::pki_types::CertificateDer;
use toml::Spanned;

use super::proxies::Proxies;
use super::tls;
use super::urls::{Layer, Urls};
use crate::section::{BindingWord, LayerSection, SchemeWord, Section, Source};

use checked::Checked;
pub(crate) use checked::domain;
pub(crate) use limits::{DirectorySettings, Limits};

/// What the service does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens for HTTPS.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where it listens for plain HTTP, to send everybody to HTTPS.
    pub(crate) http: Vec<SocketAddr>,
    /// Where it tells of itself.
    pub(crate) admin: Option<SocketAddr>,
    /// Certificates; none means one that is made at start.
    pub(crate) certificates: Vec<tls::Files>,
    /// How a stale link is treated.
    pub(crate) policy: Policy,
    /// How people may log in, in the order in which it is offered.
    pub(crate) schemes: Vec<Scheme>,
    /// The service's Kerberos keys.
    pub(crate) keytab: Option<PathBuf>,
    /// Whether tickets that are encrypted with RC4 are taken though the keytab has AES keys.
    pub(crate) rc4_tickets: bool,
    /// What a password dialogue calls the service.
    pub(crate) realm: Option<String>,
    /// Mail domains in addition to those that the directory names.
    pub(crate) domains: Vec<String>,
    /// What is handed out.
    pub(crate) urls: Urls,
    /// Whether a user who asks about another one gets that one's alternative mailboxes.
    pub(crate) alternatives_of_others: bool,
    /// Whether autoconfig is answered over plain HTTP, too.
    pub(crate) plain_autoconfig: bool,
    /// The file of the log; none means standard error.
    pub(crate) log: Option<PathBuf>,
    /// The proxies that are believed when they say for whom they ask.
    pub(crate) proxies: Proxies,
    /// When a login must be bound to the TLS connection that it comes on.
    pub(crate) binding: ChannelBinding,
    /// Hosts under which clients know this service, in addition to those of its domains and certificates.
    pub(crate) service_names: Vec<String>,
    /// Certificates of proxies at which TLS ends.
    pub(crate) proxy_certificates: Vec<CertificateDer<'static>>,
    /// How much of everything.
    pub(crate) limits: Limits,
    /// How live servers are asked.
    pub(crate) directory: DirectorySettings,
}

/// What was typed, which goes before the file.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Addresses for HTTPS.
    pub listen: Vec<String>,
    /// Addresses for plain HTTP.
    pub http: Vec<String>,
    /// The address for health, readiness, metrics and requests.
    pub admin: Option<String>,
    /// The certificate, with its chain.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// What becomes of stale links.
    pub policy: Option<Policy>,
    /// Ways to log in.
    pub auth: Vec<Scheme>,
    /// The keytab of the service.
    pub keytab: Option<PathBuf>,
    /// Domains in addition to those of the directory.
    pub domain: Vec<String>,
    /// The file of the log.
    pub log: Option<PathBuf>,
}

/// Where the service listens by default.
const LISTEN: &str = "127.0.0.1:8443";

impl Settings {
    /// Puts flags and file together.
    pub(crate) fn read(flags: &Flags, section: &Section, source: &Source) -> Result<Self> {
        let from = Checked { source };
        let mut listen = sockets(&flags.listen, "--listen", &section.listen, &from)?;
        if listen.is_empty() {
            listen.push(LISTEN.parse().context("reading the default address")?);
        }
        let schemes = match (&flags.auth[..], &section.auth) {
            ([], Some(told)) => {
                let words = told.get_ref();
                if words.is_empty() {
                    return Err(from.error(told.span(), "auth names no way to log in"));
                }
                words.iter().map(|word| (*word).into()).collect()
            }
            ([], None) => vec![Scheme::Basic],
            (typed, _) => typed.to_vec(),
        };
        let typed: Vec<String> = flags.admin.iter().cloned().collect();
        let told: Vec<Spanned<String>> = section.admin.iter().cloned().collect();
        let admin = sockets(&typed, "--admin", &told, &from)?.pop();
        let mut domains = Vec::new();
        for typed in &flags.domain {
            let known = domain(typed).ok_or_else(|| anyhow!("--domain {typed}: no domain"))?;
            domains.push(known);
        }
        for told in &section.domains {
            domains.push(from.domain(told)?);
        }
        domains.extend(
            section
                .domain
                .keys()
                .map(|name| from.domain(name))
                .collect::<Result<Vec<_>>>()?,
        );
        let mut seen = std::collections::HashSet::new();
        domains.retain(|domain| seen.insert(domain.clone()));
        Ok(Self {
            listen,
            http: sockets(&flags.http, "--http", &section.http, &from)?,
            admin,
            certificates: certificates(flags, section)?,
            policy: flags.policy.or(section.policy).unwrap_or_default(),
            schemes: unique(schemes),
            keytab: flags.keytab.clone().or_else(|| section.keytab.clone()),
            rc4_tickets: section.rc4_tickets,
            realm: section.realm.clone(),
            domains,
            urls: urls(section, &from)?,
            alternatives_of_others: section.alternative_mailboxes_of_others,
            plain_autoconfig: section.plain_autoconfig,
            log: flags.log.clone().or_else(|| section.log.clone()),
            proxies: Proxies(
                section
                    .proxies
                    .iter()
                    .map(|told| from.network(told))
                    .collect::<Result<_>>()?,
            ),
            binding: match section.channel_binding {
                Some(told) => told.into(),
                // The TLS connections of clients may end there.
                None if !section.proxies.is_empty() => ChannelBinding::Off,
                None => ChannelBinding::IfSent,
            },
            service_names: section
                .service_names
                .iter()
                .map(|told| from.host(told))
                .collect::<Result<_>>()?,
            proxy_certificates: section
                .proxy_certificates
                .iter()
                .map(|path| tls::certificate(path))
                .collect::<Result<_>>()?,
            limits: section.limits.read(&from)?,
            directory: section.directory.read(&from)?,
        })
    }

    /// What logins must have been made for, with these mail domains.
    pub(crate) fn expected(&self, domains: &[String]) -> Expected {
        let told: Vec<String> = domains
            .iter()
            .map(|domain| self.urls.autodiscover(domain))
            .collect();
        let hosts = told.iter().chain(domains).chain(&self.service_names);
        Expected::new(
            self.binding,
            hosts.map(String::as_str),
            &self.proxy_certificates,
        )
    }
}

fn unique(mut schemes: Vec<Scheme>) -> Vec<Scheme> {
    let mut seen = std::collections::HashSet::new();
    schemes.retain(|scheme| seen.insert(*scheme));
    schemes
}

fn sockets(
    typed: &[String],
    flag: &str,
    told: &[Spanned<String>],
    from: &Checked<'_>,
) -> Result<Vec<SocketAddr>> {
    let key = flag.trim_start_matches('-');
    // Checked even where a flag stands over it: one day it will be needed.
    let told = told
        .iter()
        .map(|text| from.socket(text, key))
        .collect::<Result<Vec<_>>>()?;
    if typed.is_empty() {
        return Ok(told);
    }
    let parse = |text: &String| {
        text.parse()
            .with_context(|| format!("{flag} {text}: not ADDRESS:PORT, such as 127.0.0.1:8443"))
    };
    typed.iter().map(parse).collect()
}

fn certificates(flags: &Flags, section: &Section) -> Result<Vec<tls::Files>> {
    match (&flags.tls_cert, &flags.tls_key) {
        (Some(certificate), Some(key)) => Ok(vec![tls::Files {
            certificate: certificate.clone(),
            key: key.clone(),
        }]),
        (None, None) => Ok(section.certificates.clone()),
        _ => bail!("--tls-cert and --tls-key belong together"),
    }
}

fn urls(section: &Section, from: &Checked<'_>) -> Result<Urls> {
    let layers = |map: &BTreeMap<String, LayerSection>| -> Result<HashMap<String, Layer>> {
        map.iter()
            .map(|(name, layer)| Ok((name.to_lowercase(), layer.read(from)?)))
            .collect()
    };
    Ok(Urls {
        default: section.default.read(from)?,
        domains: section
            .domain
            .iter()
            .map(|(name, layer)| Ok((from.domain(name)?, layer.read(from)?)))
            .collect::<Result<_>>()?,
        servers: layers(&section.server)?,
        databases: layers(&section.database)?,
    })
}

impl From<SchemeWord> for Scheme {
    fn from(word: SchemeWord) -> Self {
        match word {
            SchemeWord::Basic => Self::Basic,
            SchemeWord::Ntlm => Self::Ntlm,
            SchemeWord::Negotiate => Self::Negotiate,
        }
    }
}

impl From<BindingWord> for ChannelBinding {
    fn from(word: BindingWord) -> Self {
        match word {
            BindingWord::Off => Self::Off,
            BindingWord::IfSent => Self::IfSent,
            BindingWord::Required => Self::Required,
        }
    }
}
