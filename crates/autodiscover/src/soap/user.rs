//! What each setting is for a user.
//!
//! The directory's part comes from core, the rest from the configuration; a setting that neither has is
//! told as not available.

use automend_core::settings::Settings;

use super::Wanted;
use super::setting::{Setting, setting_error};
use crate::mailbox::{DATABASE, Mailbox, PAGES, REALM, write_alternative};
use crate::services::{Abilities, Encryption, MailServer, Services, Site, Version};
use crate::xml::Writer;

/// A user whose settings are written.
pub(super) struct User<'a> {
    settings: &'a Settings,
    services: &'a Services,
    mailbox: Mailbox<'a>,
}

/// What a setting is for a user.
enum Value<'a> {
    Text(&'a str),
    Made(String),
    WebClient(&'a Site),
    Connection(&'a MailServer),
    Alternatives,
}

impl<'a> User<'a> {
    pub(super) fn of(settings: &'a Settings, services: &'a Services) -> Self {
        Self {
            settings,
            services,
            mailbox: Mailbox::of(settings),
        }
    }

    /// Writes the errors of the settings that there are not, and the settings that there are.
    pub(super) fn write(&self, wanted: &[Wanted], xml: &mut Writer<'_>) {
        // No client waits for one of the two before the other, but the contract has errors first.
        let values: Vec<Option<Value<'_>>> = wanted
            .iter()
            .map(|wanted| match wanted {
                Wanted::Known(setting) => self.value(*setting),
                Wanted::Unknown(_) => None,
            })
            .collect();
        xml.open("UserSettingErrors");
        for (wanted, _) in wanted
            .iter()
            .zip(&values)
            .filter(|(_, value)| value.is_none())
        {
            setting_error(xml, "UserSettingError", "User setting", wanted.name());
        }
        xml.close("UserSettingErrors");
        xml.open("UserSettings");
        for (wanted, value) in wanted.iter().zip(values) {
            if let Some(value) = value {
                self.setting(xml, wanted.name(), &value);
            }
        }
        xml.close("UserSettings");
    }

    fn setting(&self, xml: &mut Writer<'_>, name: &str, value: &Value<'_>) {
        let kind = match value {
            Value::Text(_) | Value::Made(_) => "StringSetting",
            Value::WebClient(_) => "WebClientUrlCollectionSetting",
            Value::Connection(_) => "ProtocolConnectionCollectionSetting",
            Value::Alternatives => "AlternateMailboxCollectionSetting",
        };
        xml.open_with("UserSetting", &[("i:type", kind)]);
        xml.leaf("Name", name);
        match value {
            Value::Text(text) => xml.leaf("Value", text),
            Value::Made(text) => xml.leaf("Value", text),
            Value::WebClient(site) => {
                xml.open("WebClientUrls");
                xml.open("WebClientUrl");
                xml.leaf("AuthenticationMethods", site.owa_authentication.as_str());
                xml.leaf_if("Url", site.owa.as_deref());
                xml.close("WebClientUrl");
                xml.close("WebClientUrls");
            }
            Value::Connection(server) => {
                xml.open("ProtocolConnections");
                xml.open("ProtocolConnection");
                xml.leaf("EncryptionMethod", encryption(server.encryption));
                xml.leaf("Hostname", &server.host);
                xml.leaf("Port", &server.port.to_string());
                xml.close("ProtocolConnection");
                xml.close("ProtocolConnections");
            }
            Value::Alternatives => self.alternatives(xml),
        }
        xml.close("UserSetting");
    }

    fn alternatives(&self, xml: &mut Writer<'_>) {
        xml.open("AlternateMailboxes");
        for mailbox in &self.settings.alternatives {
            write_alternative(xml, "AlternateMailbox", mailbox, self.services.shape);
        }
        xml.close("AlternateMailboxes");
    }

    fn value(&self, setting: Setting) -> Option<Value<'a>> {
        self.of_mailbox(setting)
            .or_else(|| self.of_servers(setting))
            .or_else(|| self.panel(setting))
    }

    /// What the directory says of the user, and what follows from it.
    fn of_mailbox(&self, setting: Setting) -> Option<Value<'a>> {
        let (settings, mailbox) = (self.settings, &self.mailbox);
        Some(match setting {
            Setting::UserDisplayName => Value::Text(&settings.display_name),
            Setting::UserDN => Value::Text(&settings.legacy_dn),
            Setting::AutoDiscoverSMTPAddress => Value::Text(settings.address.as_str()),
            // ews-javascript-api breaks on a collection with nothing in it.
            Setting::AlternateMailboxes if !settings.alternatives.is_empty() => Value::Alternatives,
            Setting::InternalMailboxServer | Setting::InternalRpcClientServer => {
                Value::Made(mailbox.server().concat())
            }
            Setting::InternalMailboxServerDN => Value::Made(mailbox.server_dn()?.concat()),
            Setting::MailboxDN => Value::Made(mailbox.server_dn()?.concat() + DATABASE),
            _ => return None,
        })
    }

    /// What the configuration says.
    fn of_servers(&self, setting: Setting) -> Option<Value<'a>> {
        use Setting as S;
        let services = self.services;
        let (internal, external) = (&services.internal, &services.external);
        let text = |text: &'a Option<String>| text.as_deref().map(Value::Text);
        let version = || Value::Made(dotted(services.server_version));
        let ssl = |site: &Site| yes_or_no(!site.no_ssl);
        let package = |site: &Site| Value::Text(site.authentication.as_str(Abilities::default()));
        let rpc = |site: &'a Site| site.host.as_ref().map(|_| site);
        match setting {
            S::UserMSOnline | S::CrossOrganizationSharingEnabled => Some(yes_or_no(false)),
            S::UserDeploymentId => services
                .deployment_id
                .map(|guid| Value::Made(guid.to_string())),
            S::ActiveDirectoryServer => text(&services.directory_server),
            S::PublicFolderServer => text(&services.public_folder_server),
            S::PublicFolderInformation => services
                .public_folder_mailbox
                .as_ref()
                .map(|address| Value::Text(address.as_str())),
            S::CasVersion | S::MailboxVersion => Some(version()),
            S::EwsSupportedSchemas => Some(Value::Text(schemas(services.server_version))),
            S::MapiHttpEnabled => Some(yes_or_no(
                internal.mapi.is_some() || external.mapi.is_some(),
            )),
            S::InternalRpcHttpServer => text(&internal.host),
            S::InternalRpcHttpConnectivityRequiresSsl => rpc(internal).map(ssl),
            S::InternalRpcHttpAuthenticationMethod
            | S::InternalMailboxServerAuthenticationMethods => rpc(internal).map(package),
            S::InternalServerExclusiveConnect => Some(Value::Text("Off")),
            S::ExternalMailboxServer => text(&external.host),
            S::ExternalMailboxServerRequiresSSL => rpc(external).map(ssl),
            S::ExternalMailboxServerAuthenticationMethods => rpc(external).map(package),
            S::ExternalServerExclusiveConnect => rpc(external).map(|_| Value::Text("On")),
            S::CertPrincipalName => text(&external.certificate_principal),
            S::InternalEwsUrl | S::InternalEmwsUrl => text(&internal.ews),
            S::ExternalEwsUrl | S::ExternalEmwsUrl | S::EwsPartnerUrl => text(&external.ews),
            S::ExternalEwsVersion => external.ews.as_ref().map(|_| version()),
            S::InternalOABUrl => text(&internal.oab),
            S::ExternalOABUrl => text(&external.oab),
            S::InternalUMUrl => text(&internal.um),
            S::ExternalUMUrl => text(&external.um),
            S::InternalEcpUrl => text(&internal.ecp),
            S::ExternalEcpUrl => text(&external.ecp),
            S::InternalWebClientUrls => internal.owa.as_ref().map(|_| Value::WebClient(internal)),
            S::ExternalWebClientUrls => external.owa.as_ref().map(|_| Value::WebClient(external)),
            S::InternalImap4Connections | S::ExternalImap4Connections => {
                services.imap.as_ref().map(Value::Connection)
            }
            S::InternalPop3Connections | S::ExternalPop3Connections => {
                services.pop3.as_ref().map(Value::Connection)
            }
            S::InternalSmtpConnections | S::ExternalSmtpConnections => {
                services.smtp.as_ref().map(Value::Connection)
            }
            _ => None,
        }
    }

    /// A page of the control panel: what is added to its URL, or the whole URL of one side.
    fn panel(&self, setting: Setting) -> Option<Value<'a>> {
        let services = self.services;
        let name = setting.as_str();
        let (site, page) = if let Some(rest) = name.strip_prefix("InternalEcp") {
            (Some(&services.internal), rest.strip_suffix("Url")?)
        } else if let Some(rest) = name.strip_prefix("ExternalEcp") {
            (Some(&services.external), rest.strip_suffix("Url")?)
        } else {
            (None, name.strip_prefix("Ecp")?.strip_suffix("UrlFragment")?)
        };
        let page = PAGES.iter().find(|known| known.word == page)?;
        let domain = self.mailbox.domain();
        let panel = match site {
            Some(site) => site.ecp.as_deref()?,
            // Where there is no panel, there is nothing that a fragment could be added to.
            None if services.external.ecp.is_some() || services.internal.ecp.is_some() => "",
            None => return None,
        };
        let slash = if panel.is_empty() || panel.ends_with('/') {
            ""
        } else {
            "/"
        };
        Some(Value::Made(
            [panel, slash, page.fragment, REALM, domain].concat(),
        ))
    }
}

fn yes_or_no(yes: bool) -> Value<'static> {
    Value::Text(if yes { "True" } else { "False" })
}

fn encryption(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::Tls => "SSL",
        Encryption::StartTls => "TLS",
        Encryption::None => "None",
    }
}

/// The schemas of EWS that a server of this version speaks, the newest last.
fn schemas(version: Version) -> &'static str {
    const ALL: &str = "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, \
        Exchange2010_SP2, Exchange2013, Exchange2013_SP1, Exchange2016";
    let newest = version.schema();
    let end = ALL
        .find(&format!("{newest},"))
        .map(|at| at.saturating_add(newest.len()));
    end.and_then(|end| ALL.get(..end)).unwrap_or(ALL)
}

/// `15.01.2507.006`.
pub(super) fn dotted(version: Version) -> String {
    let Version {
        major,
        minor,
        build,
        revision,
    } = version;
    format!("{major:02}.{minor:02}.{build:04}.{revision:03}")
}
