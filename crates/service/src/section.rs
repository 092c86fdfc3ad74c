//! `[serve]` of the configuration, as it is written: the shape alone, which is checked whatever command reads
//! the file. What the values mean is the service's to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use automend_autodiscover::services::{AuthPackage, Encryption, Login, OwaAuthentication, Shape};
use automend_core::policy::Policy;
use serde::Deserialize;
use toml::Spanned;

use crate::tls::Files;

/// Where a configuration was read, to name the line of a mistake.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// `[serve]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Section {
    pub(crate) listen: Vec<Spanned<String>>,
    pub(crate) http: Vec<Spanned<String>>,
    pub(crate) admin: Option<Spanned<String>>,
    pub(crate) certificates: Vec<Files>,
    pub(crate) policy: Option<Policy>,
    pub(crate) auth: Option<Spanned<Vec<SchemeWord>>>,
    pub(crate) keytab: Option<PathBuf>,
    pub(crate) rc4_tickets: bool,
    pub(crate) realm: Option<String>,
    pub(crate) domains: Vec<Spanned<String>>,
    pub(crate) alternative_mailboxes_of_others: bool,
    pub(crate) plain_autoconfig: bool,
    pub(crate) log: Option<PathBuf>,
    pub(crate) proxies: Vec<Spanned<String>>,
    pub(crate) channel_binding: Option<BindingWord>,
    pub(crate) service_names: Vec<Spanned<String>>,
    pub(crate) proxy_certificates: Vec<PathBuf>,
    pub(crate) limits: LimitsSection,
    pub(crate) directory: DirectorySection,
    pub(crate) default: LayerSection,
    pub(crate) domain: BTreeMap<Spanned<String>, LayerSection>,
    pub(crate) server: BTreeMap<String, LayerSection>,
    pub(crate) database: BTreeMap<String, LayerSection>,
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
    pub(crate) max_body_bytes: Option<Spanned<usize>>,
    pub(crate) max_header_bytes: Option<Spanned<usize>>,
    pub(crate) max_headers: Option<Spanned<usize>>,
    pub(crate) tls_handshake_timeout: Option<u64>,
    pub(crate) header_timeout: Option<u64>,
    pub(crate) body_timeout: Option<u64>,
    pub(crate) response_timeout: Option<u64>,
    pub(crate) write_timeout: Option<u64>,
    pub(crate) shutdown_grace: Option<u64>,
    pub(crate) connections: Option<usize>,
    pub(crate) connections_per_address: Option<usize>,
    pub(crate) requests_per_address: Option<u32>,
    pub(crate) burst: Option<u32>,
    pub(crate) failures_per_address: Option<u32>,
    pub(crate) cache_size: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct DirectorySection {
    pub(crate) connections: Option<Spanned<usize>>,
    pub(crate) timeout: Option<u64>,
    pub(crate) owner_timeout: Option<u64>,
    pub(crate) health_check_interval: Option<u64>,
    pub(crate) cache_ttl: Option<u64>,
    pub(crate) negative_cache_ttl: Option<u64>,
    pub(crate) discover_servers: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct LayerSection {
    pub(crate) autodiscover: Option<Spanned<String>>,
    pub(crate) external: SideSection,
    pub(crate) internal: SideSection,
    pub(crate) imap: Option<MailSection>,
    pub(crate) pop3: Option<MailSection>,
    pub(crate) smtp: Option<MailSection>,
    pub(crate) mail_in_pox: Option<bool>,
    pub(crate) public_folder_mailbox: Option<Spanned<String>>,
    pub(crate) public_folder_server: Option<Spanned<String>>,
    pub(crate) directory_server: Option<Spanned<String>>,
    pub(crate) deployment_id: Option<Spanned<String>>,
    pub(crate) version: Option<Spanned<String>>,
    pub(crate) alternative_mailboxes: Option<Shape>,
    pub(crate) display_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct SideSection {
    pub(crate) host: Option<Spanned<String>>,
    pub(crate) ews: Option<Spanned<String>>,
    pub(crate) oab: Option<Spanned<String>>,
    pub(crate) ecp: Option<Spanned<String>>,
    pub(crate) owa: Option<Spanned<String>>,
    pub(crate) mapi: Option<Spanned<String>>,
    pub(crate) eas: Option<Spanned<String>>,
    pub(crate) um: Option<Spanned<String>>,
    pub(crate) auth: Option<AuthPackage>,
    pub(crate) owa_auth: Option<OwaAuthentication>,
    pub(crate) ssl: Option<bool>,
    pub(crate) certificate_principal: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MailSection {
    pub(crate) host: Spanned<String>,
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) encryption: Encryption,
    #[serde(default)]
    pub(crate) login: Login,
}
