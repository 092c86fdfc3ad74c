//! `[serve.default]`, `[serve.domain]`, `[serve.server]` and `[serve.database]`: URLs, mail servers and
//! what else a user gets, layer by layer.

use std::collections::HashMap;

use anyhow::Result;
use automend_autodiscover::services::{MailServer, Version};
use automend_core::names::{Guid, SmtpAddress};
use toml::Spanned;

use super::super::urls::{Layer, Side, Url, mail_server};
use super::checked::Checked;
use crate::section::{LayerSection, MailSection, SideSection};

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
            shape: self.alternative_mailboxes,
            display_name: self.display_name.clone(),
        })
    }
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
            authentication: self.auth,
            owa_authentication: self.owa_auth,
            ssl: self.ssl,
            certificate_principal: self.certificate_principal.clone(),
        })
    }
}

impl MailSection {
    fn read(&self, from: &Checked<'_>, ports: (u16, u16)) -> Result<MailServer> {
        Ok(mail_server(
            from.host(&self.host)?,
            self.port,
            self.encryption,
            self.login,
            ports,
        ))
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
