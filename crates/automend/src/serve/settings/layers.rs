//! `[serve.default]`, `[serve.domain]`, `[serve.server]` and `[serve.database]`: URLs, mail servers and
//! what else is told of a user, layer by layer.

use std::collections::HashMap;

use anyhow::Result;
use automend_autodiscover::services::{
    AuthPackage, Encryption, Login, MailServer, OwaAuthentication, Shape, Version,
};
use automend_core::names::{Guid, SmtpAddress};
use serde::Deserialize;
use toml::Spanned;

use super::super::urls::{Layer, Side, Url, mail_server};
use super::checked::Checked;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LayerSection {
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

impl LayerSection {
    pub(super) fn read(&self, from: &Checked<'_>) -> Result<Layer> {
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
