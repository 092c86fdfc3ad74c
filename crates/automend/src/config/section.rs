//! `[serve]` of the configuration, as it is written: the shape alone, which is checked whatever command reads
//! the file. What the values mean is the service's to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// `[serve]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Section {
    pub listen: Vec<Spanned<String>>,
    pub http: Vec<Spanned<String>>,
    pub admin: Option<Spanned<String>>,
    pub certificates: Vec<CertificateSection>,
    pub policy: Option<PolicyWord>,
    pub auth: Option<Spanned<Vec<SchemeWord>>>,
    pub keytab: Option<PathBuf>,
    pub rc4_tickets: bool,
    pub realm: Option<String>,
    pub domains: Vec<Spanned<String>>,
    pub alternative_mailboxes_of_others: bool,
    pub plain_autoconfig: bool,
    pub log: Option<PathBuf>,
    pub proxies: Vec<Spanned<String>>,
    pub channel_binding: Option<BindingWord>,
    pub service_names: Vec<Spanned<String>>,
    pub proxy_certificates: Vec<PathBuf>,
    pub limits: LimitsSection,
    pub directory: DirectorySection,
    pub default: LayerSection,
    pub domain: BTreeMap<Spanned<String>, LayerSection>,
    pub server: BTreeMap<String, LayerSection>,
    pub database: BTreeMap<String, LayerSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CertificateSection {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyWord {
    Healthy,
    Faithful,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SchemeWord {
    Basic,
    Ntlm,
    Negotiate,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BindingWord {
    Off,
    IfSent,
    Required,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct LimitsSection {
    pub max_body_bytes: Option<Spanned<usize>>,
    pub max_header_bytes: Option<Spanned<usize>>,
    pub max_headers: Option<Spanned<usize>>,
    pub tls_handshake_timeout: Option<u64>,
    pub header_timeout: Option<u64>,
    pub body_timeout: Option<u64>,
    pub response_timeout: Option<u64>,
    pub write_timeout: Option<u64>,
    pub shutdown_grace: Option<u64>,
    pub connections: Option<usize>,
    pub connections_per_address: Option<usize>,
    pub requests_per_address: Option<u32>,
    pub burst: Option<u32>,
    pub failures_per_address: Option<u32>,
    pub cache_size: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct DirectorySection {
    pub connections: Option<Spanned<usize>>,
    pub timeout: Option<u64>,
    pub owner_timeout: Option<u64>,
    pub health_check_interval: Option<u64>,
    pub cache_ttl: Option<u64>,
    pub negative_cache_ttl: Option<u64>,
    pub discover_servers: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct LayerSection {
    pub autodiscover: Option<Spanned<String>>,
    pub external: SideSection,
    pub internal: SideSection,
    pub imap: Option<MailSection>,
    pub pop3: Option<MailSection>,
    pub smtp: Option<MailSection>,
    pub mail_in_pox: Option<bool>,
    pub public_folder_mailbox: Option<Spanned<String>>,
    pub public_folder_server: Option<Spanned<String>>,
    pub directory_server: Option<Spanned<String>>,
    pub deployment_id: Option<Spanned<String>>,
    pub version: Option<Spanned<String>>,
    pub alternative_mailboxes: Option<ShapeWord>,
    pub display_name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShapeWord {
    ByAddress,
    ByLegacyDn,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct SideSection {
    pub host: Option<Spanned<String>>,
    pub ews: Option<Spanned<String>>,
    pub oab: Option<Spanned<String>>,
    pub ecp: Option<Spanned<String>>,
    pub owa: Option<Spanned<String>>,
    pub mapi: Option<Spanned<String>>,
    pub eas: Option<Spanned<String>>,
    pub um: Option<Spanned<String>>,
    pub auth: Option<PackageWord>,
    pub owa_auth: Option<OwaWord>,
    pub ssl: Option<bool>,
    pub certificate_principal: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PackageWord {
    Basic,
    Ntlm,
    Kerberos,
    KerberosOrNtlm,
    Negotiate,
    Certificate,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OwaWord {
    Forms,
    Basic,
    Windows,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MailSection {
    pub host: Spanned<String>,
    pub port: Option<u16>,
    #[serde(default)]
    pub encryption: EncryptionWord,
    #[serde(default)]
    pub login: LoginWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EncryptionWord {
    #[default]
    Tls,
    StartTls,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoginWord {
    #[default]
    Address,
    LocalPart,
}
