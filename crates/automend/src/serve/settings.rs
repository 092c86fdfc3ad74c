//! What `[serve]` of the configuration and the flags of `automend serve` mean together.
//!
//! A flag beats the file. Every value is checked here, and a mistake is told with the line that holds it;
//! the rest of the service sees only values that are good.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_autodiscover::services::{
    AuthPackage, Encryption, Login, MailServer, OwaAuthentication, Shape, Version,
};
use automend_core::names::{Guid, SmtpAddress};
use automend_core::policy::Policy;
use serde::Deserialize;
use toml::Spanned;

use super::addresses::Allowance;
use super::tls;
use super::urls::{Layer, Side, Url, Urls, mail_server};
use crate::args;
use crate::auth::Scheme;

/// What the service does.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where it listens for HTTPS.
    pub listen: Vec<SocketAddr>,
    /// Where it listens for plain HTTP, to send everybody to HTTPS.
    pub http: Vec<SocketAddr>,
    /// Where it tells of itself.
    pub admin: Option<SocketAddr>,
    /// Certificates; none means one that is made at start.
    pub certificates: Vec<tls::Files>,
    /// How a stale link is treated.
    pub policy: Policy,
    /// How people may log in, in the order in which it is offered.
    pub schemes: Vec<Scheme>,
    /// The service's Kerberos keys.
    pub keytab: Option<PathBuf>,
    /// What a password dialogue calls the service.
    pub realm: Option<String>,
    /// Mail domains besides those that the directory names.
    pub domains: Vec<String>,
    /// What is handed out.
    pub urls: Urls,
    /// Whether who asks for somebody else is told that one's alternative mailboxes.
    pub alternatives_of_others: bool,
    /// Whether autoconfig is answered over plain HTTP, too.
    pub plain_autoconfig: bool,
    /// The file of the log; none means standard error.
    pub log: Option<PathBuf>,
    /// How much of everything.
    pub limits: Limits,
    /// How live servers are asked.
    pub asking: Asking,
}

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

/// `[serve]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Section {
    listen: Vec<Spanned<String>>,
    http: Vec<Spanned<String>>,
    admin: Option<Spanned<String>>,
    certificates: Vec<CertificateSection>,
    policy: Option<PolicyWord>,
    auth: Option<Spanned<Vec<SchemeWord>>>,
    keytab: Option<PathBuf>,
    realm: Option<String>,
    domains: Vec<Spanned<String>>,
    alternative_mailboxes_of_others: bool,
    plain_autoconfig: bool,
    log: Option<PathBuf>,
    limits: LimitsSection,
    asking: AskingSection,
    everybody: LayerSection,
    domain: BTreeMap<Spanned<String>, LayerSection>,
    server: BTreeMap<String, LayerSection>,
    database: BTreeMap<String, LayerSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CertificateSection {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PolicyWord {
    Healthy,
    Faithful,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SchemeWord {
    Basic,
    Ntlm,
    Negotiate,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct LimitsSection {
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
    memory: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AskingSection {
    connections: Option<Spanned<usize>>,
    time: Option<u64>,
    owner_time: Option<u64>,
    check: Option<u64>,
    keep: Option<u64>,
    keep_unsure: Option<u64>,
    find_servers: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct LayerSection {
    autodiscover: Option<Spanned<String>>,
    external: SideSection,
    internal: SideSection,
    imap: Option<MailSection>,
    pop3: Option<MailSection>,
    smtp: Option<MailSection>,
    mail_in_pox: Option<bool>,
    public_folder_mailbox: Option<Spanned<String>>,
    public_folder_server: Option<Spanned<String>>,
    directory_server: Option<Spanned<String>>,
    deployment_id: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
    alternative_mailboxes: Option<ShapeWord>,
    display_name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ShapeWord {
    ByAddress,
    ByLegacyDn,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct SideSection {
    host: Option<Spanned<String>>,
    ews: Option<Spanned<String>>,
    oab: Option<Spanned<String>>,
    ecp: Option<Spanned<String>>,
    owa: Option<Spanned<String>>,
    mapi: Option<Spanned<String>>,
    eas: Option<Spanned<String>>,
    um: Option<Spanned<String>>,
    auth: Option<PackageWord>,
    owa_auth: Option<OwaWord>,
    ssl: Option<bool>,
    certificate_principal: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PackageWord {
    Basic,
    Ntlm,
    Kerberos,
    KerberosOrNtlm,
    Negotiate,
    Certificate,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OwaWord {
    Forms,
    Basic,
    Windows,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MailSection {
    host: Spanned<String>,
    port: Option<u16>,
    #[serde(default)]
    encryption: EncryptionWord,
    #[serde(default)]
    login: LoginWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EncryptionWord {
    #[default]
    Tls,
    StartTls,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LoginWord {
    #[default]
    Address,
    LocalPart,
}

/// Where a configuration was read, to name the line of a mistake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Where the service listens when nobody says.
const LISTEN: &str = "127.0.0.1:8443";

impl Settings {
    /// Puts flags and file together.
    pub(crate) fn read(flags: &args::Serve, section: &Section, source: &Source) -> Result<Self> {
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
            (typed, _) => typed.iter().map(|word| (*word).into()).collect(),
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
            policy: match (flags.policy, section.policy) {
                (Some(typed), _) => typed.into(),
                (None, Some(PolicyWord::Faithful)) => Policy::Faithful,
                (None, Some(PolicyWord::Healthy) | None) => Policy::Healthy,
            },
            schemes: unique(schemes),
            keytab: flags.keytab.clone().or_else(|| section.keytab.clone()),
            realm: section.realm.clone(),
            domains,
            urls: urls(section, &from)?,
            alternatives_of_others: section.alternative_mailboxes_of_others,
            plain_autoconfig: section.plain_autoconfig,
            log: flags.log.clone().or_else(|| section.log.clone()),
            limits: section.limits.read(&from)?,
            asking: section.asking.read(&from)?,
        })
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

fn certificates(flags: &args::Serve, section: &Section) -> Result<Vec<tls::Files>> {
    match (&flags.tls_cert, &flags.tls_key) {
        (Some(certificate), Some(key)) => Ok(vec![tls::Files {
            certificate: certificate.clone(),
            key: key.clone(),
        }]),
        (None, None) => Ok(section
            .certificates
            .iter()
            .map(|files| tls::Files {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            })
            .collect()),
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
        everybody: section.everybody.read(from)?,
        domains: section
            .domain
            .iter()
            .map(|(name, layer)| Ok((from.domain(name)?, layer.read(from)?)))
            .collect::<Result<_>>()?,
        servers: layers(&section.server)?,
        databases: layers(&section.database)?,
    })
}

impl LimitsSection {
    fn read(&self, from: &Checked<'_>) -> Result<Limits> {
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
            memory: memory.saturating_mul(1 << 20),
        })
    }
}

impl AskingSection {
    fn read(&self, from: &Checked<'_>) -> Result<Asking> {
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

impl LayerSection {
    fn read(&self, from: &Checked<'_>) -> Result<Layer> {
        let mail = |mail: &Option<MailSection>, ports| {
            mail.as_ref().map(|mail| mail.read(from, ports)).transpose()
        };
        let host =
            |told: &Option<Spanned<String>>| told.as_ref().map(|told| from.host(told)).transpose();
        let guid = |told: &Spanned<String>| {
            Guid::parse(told.get_ref()).ok_or_else(|| from.error(told.span(), "this is no GUID"))
        };
        let address = |told: &Spanned<String>| {
            SmtpAddress::parse(told.get_ref())
                .map_err(|error| from.error(told.span(), error.to_string()))
        };
        Ok(Layer {
            autodiscover: host(&self.autodiscover)?,
            external: self.external.read(from)?,
            internal: self.internal.read(from)?,
            imap: mail(&self.imap, (993, 143))?,
            pop3: mail(&self.pop3, (995, 110))?,
            smtp: mail(&self.smtp, (465, 587))?,
            mail_in_pox: self.mail_in_pox,
            public_folder_mailbox: self
                .public_folder_mailbox
                .as_ref()
                .map(address)
                .transpose()?,
            public_folder_server: host(&self.public_folder_server)?,
            directory_server: host(&self.directory_server)?,
            deployment_id: self.deployment_id.as_ref().map(guid).transpose()?,
            version: self
                .version
                .as_ref()
                .map(|told| {
                    version(told.get_ref()).ok_or_else(|| {
                        from.error(told.span(), "a version is four numbers: 15.1.2507.6")
                    })
                })
                .transpose()?,
            shape: self.alternative_mailboxes.map(|word| match word {
                ShapeWord::ByAddress => Shape::Address,
                ShapeWord::ByLegacyDn => Shape::LegacyDn,
            }),
            display_name: self.display_name.clone(),
        })
    }
}

fn version(text: &str) -> Option<Version> {
    let mut parts = text.split('.');
    let version = Version {
        major: parts.next()?.parse().ok()?,
        minor: parts.next()?.parse().ok()?,
        build: parts.next()?.parse().ok()?,
        revision: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(version)
}

impl SideSection {
    fn read(&self, from: &Checked<'_>) -> Result<Side> {
        let mut urls = HashMap::new();
        for (url, told) in [
            (Url::Ews, &self.ews),
            (Url::Oab, &self.oab),
            (Url::Ecp, &self.ecp),
            (Url::Owa, &self.owa),
            (Url::Mapi, &self.mapi),
            (Url::Eas, &self.eas),
            (Url::Um, &self.um),
        ] {
            if let Some(told) = told {
                urls.insert(url, from.url(told)?);
            }
        }
        Ok(Side {
            host: self.host.as_ref().map(|told| from.host(told)).transpose()?,
            urls,
            authentication: self.auth.map(|word| match word {
                PackageWord::Basic => AuthPackage::Basic,
                PackageWord::Ntlm => AuthPackage::Ntlm,
                PackageWord::Kerberos => AuthPackage::Kerberos,
                PackageWord::KerberosOrNtlm => AuthPackage::KerberosOrNtlm,
                PackageWord::Negotiate => AuthPackage::Negotiate,
                PackageWord::Certificate => AuthPackage::Certificate,
            }),
            owa_authentication: self.owa_auth.map(|word| match word {
                OwaWord::Forms => OwaAuthentication::Forms,
                OwaWord::Basic => OwaAuthentication::Basic,
                OwaWord::Windows => OwaAuthentication::Windows,
            }),
            ssl: self.ssl,
            certificate_principal: self.certificate_principal.clone(),
        })
    }
}

impl MailSection {
    fn read(&self, from: &Checked<'_>, ports: (u16, u16)) -> Result<MailServer> {
        let encryption = match self.encryption {
            EncryptionWord::Tls => Encryption::Tls,
            EncryptionWord::StartTls => Encryption::StartTls,
            EncryptionWord::None => Encryption::None,
        };
        let login = match self.login {
            LoginWord::Address => Login::Address,
            LoginWord::LocalPart => Login::LocalPart,
        };
        Ok(mail_server(
            from.host(&self.host)?,
            self.port,
            encryption,
            login,
            ports,
        ))
    }
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

impl From<args::SchemeWord> for Scheme {
    fn from(word: args::SchemeWord) -> Self {
        match word {
            args::SchemeWord::Basic => Self::Basic,
            args::SchemeWord::Ntlm => Self::Ntlm,
            args::SchemeWord::Negotiate => Self::Negotiate,
        }
    }
}

impl From<args::PolicyWord> for Policy {
    fn from(word: args::PolicyWord) -> Self {
        match word {
            args::PolicyWord::Healthy => Self::Healthy,
            args::PolicyWord::Faithful => Self::Faithful,
        }
    }
}

/// Values of a file, and the lines they stand on.
struct Checked<'a> {
    source: &'a Source,
}

impl Checked<'_> {
    fn error(&self, span: Range<usize>, what: impl std::fmt::Display) -> anyhow::Error {
        let before = self.source.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow!("{}:{line}: {what}", self.source.path.display())
    }

    fn socket(&self, told: &Spanned<String>, key: &str) -> Result<SocketAddr> {
        let text = told.get_ref();
        text.parse().map_err(|_| {
            let what = format!("{key}: {text:?} is not ADDRESS:PORT, such as \"0.0.0.0:443\"");
            self.error(told.span(), what)
        })
    }

    fn domain(&self, told: &Spanned<String>) -> Result<String> {
        let text = told.get_ref();
        domain(text).ok_or_else(|| self.error(told.span(), format!("{text:?} is no mail domain")))
    }

    /// A host, with a port where it has one.
    fn host(&self, told: &Spanned<String>) -> Result<String> {
        let text = told.get_ref();
        if is_authority(text) {
            return Ok(text.clone());
        }
        Err(self.error(
            told.span(),
            format!("{text:?} is no host name; give the name alone, without https://"),
        ))
    }

    fn url(&self, told: &Spanned<String>) -> Result<String> {
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
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, Some(port)),
        _ => (text, None),
    };
    let host_is_good = domain(host).is_some()
        || host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host)
            .parse::<IpAddr>()
            .is_ok();
    host_is_good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A domain in lower case; `None` for what is none.
pub(crate) fn domain(text: &str) -> Option<String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let text = text.trim_end_matches('.').to_lowercase();
    (text.len() <= 253 && text.split('.').all(label)).then_some(text)
}
