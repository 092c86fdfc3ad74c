//! Answers to programs, as Exchange's web service writes them ([MS-OXWSADISC] 3.1.4).
//!
//! Elements stand in the order of WCF's data contracts, in which some clients expect them. Every answer
//! has `ServerVersionInfo` in its header; clients of the EWS Managed API's family read none without it.
//!
//! Invariant: an error of one user or one setting never fails the others.

use std::borrow::Cow;

use automend_core::fault::FaultCode;
use automend_core::names::SmtpAddress;
use automend_core::settings::{Outcome, Settings};

use super::request::{DOMAIN_SETTINGS, FEDERATION_INFORMATION, USER_SETTINGS};
use super::{ErrorCode, Refusal, Setting, Wanted};
use crate::pox::{Located, Mailbox, PANEL, located, organisation};
use crate::schema::soap;
use crate::services::{Abilities, Encryption, MailServer, Services, Site, Version};
use crate::xml::Writer;

/// What stands in the header of every answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head<'a> {
    /// `ServerVersionInfo`.
    pub version: Version,
    /// The request's `wsa:MessageID`.
    pub relates_to: Option<&'a str>,
}

/// The answer for one user.
#[derive(Clone, Debug)]
pub enum UserAnswer<'a> {
    /// The settings that were asked for.
    Settings(&'a Settings, &'a Services),
    /// Ask for another address.
    RedirectAddress(&'a SmtpAddress),
    /// Ask at another URL.
    RedirectUrl(&'a str),
    /// An error, and what it says.
    Error(ErrorCode, Cow<'a, str>),
}

impl<'a> UserAnswer<'a> {
    /// The answer of the resolver to a request for `asked`.
    pub fn of(asked: &str, outcome: &'a Outcome, services: &'a Services) -> Self {
        match outcome {
            Outcome::Settings(settings) => Self::Settings(settings, services),
            Outcome::Redirect(address) => Self::RedirectAddress(address),
            Outcome::Fault(fault) if fault.code == FaultCode::UnknownAddress => {
                Self::invalid_user(asked)
            }
            Outcome::Fault(fault) => {
                Self::Error(ErrorCode::InternalServerError, fault.code.message().into())
            }
        }
    }

    /// Nobody has that address.
    pub fn invalid_user(asked: &str) -> Self {
        Self::Error(
            ErrorCode::InvalidUser,
            format!("Invalid user: '{asked}'").into(),
        )
    }

    fn level(&self) -> (ErrorCode, &str) {
        match self {
            Self::Settings(..) => (ErrorCode::NoError, "No error."),
            Self::RedirectAddress(_) => (ErrorCode::RedirectAddress, "Redirection address."),
            Self::RedirectUrl(_) => (ErrorCode::RedirectUrl, "Redirection URL."),
            Self::Error(code, message) => (*code, message),
        }
    }
}

/// Writes the answer to `GetUserSettings` to the end of `out`: one for each user, in order.
pub fn user_settings(
    answers: &[UserAnswer<'_>],
    wanted: &[Wanted],
    head: Head<'_>,
    out: &mut Vec<u8>,
) {
    envelope(USER_SETTINGS, head, out, |xml| {
        xml.open("UserResponses");
        for answer in answers {
            xml.open("UserResponse");
            let (code, message) = answer.level();
            level(xml, code, message);
            match answer {
                UserAnswer::RedirectAddress(address) => {
                    xml.leaf("RedirectTarget", address.as_str())
                }
                UserAnswer::RedirectUrl(url) => xml.leaf("RedirectTarget", url),
                UserAnswer::Settings(..) | UserAnswer::Error(..) => nil(xml, "RedirectTarget"),
            }
            if let UserAnswer::Settings(settings, services) = answer {
                let user = User {
                    settings,
                    services,
                    mailbox: Mailbox::of(settings),
                };
                user.write(wanted, xml);
            } else {
                xml.empty("UserSettingErrors", &[]);
                xml.empty("UserSettings", &[]);
            }
            xml.close("UserResponse");
        }
        xml.close("UserResponses");
    });
}

/// The answer for one domain.
#[derive(Clone, Debug)]
pub enum DomainAnswer<'a> {
    /// The settings that were asked for.
    Settings(&'a Services),
    /// An error, and what it says.
    Error(ErrorCode, Cow<'a, str>),
}

/// Writes the answer to `GetDomainSettings` to the end of `out`: one for each domain, in order.
pub fn domain_settings(
    answers: &[DomainAnswer<'_>],
    wanted: &[String],
    head: Head<'_>,
    out: &mut Vec<u8>,
) {
    envelope(DOMAIN_SETTINGS, head, out, |xml| {
        xml.open("DomainResponses");
        for answer in answers {
            xml.open("DomainResponse");
            match answer {
                DomainAnswer::Settings(services) => {
                    level(xml, ErrorCode::NoError, "No error.");
                    let version = dotted(services.server_version);
                    let value = |name: &str| match Setting::named(name) {
                        Some(Setting::ExternalEwsUrl) => services.external.ews.as_deref(),
                        Some(Setting::ExternalEwsVersion) => {
                            services.external.ews.as_ref().map(|_| version.as_str())
                        }
                        _ => None,
                    };
                    xml.open("DomainSettingErrors");
                    for name in wanted.iter().filter(|name| value(name).is_none()) {
                        setting_error(xml, "DomainSettingError", "Domain setting", name);
                    }
                    xml.close("DomainSettingErrors");
                    xml.open("DomainSettings");
                    for (name, value) in wanted.iter().filter_map(|name| Some((name, value(name)?)))
                    {
                        xml.open_with("DomainSetting", &[("i:type", "DomainStringSetting")]);
                        xml.leaf("Name", name);
                        xml.leaf("Value", value);
                        xml.close("DomainSetting");
                    }
                    xml.close("DomainSettings");
                }
                DomainAnswer::Error(code, message) => {
                    level(xml, *code, message);
                    xml.empty("DomainSettingErrors", &[]);
                    xml.empty("DomainSettings", &[]);
                }
            }
            nil(xml, "RedirectTarget");
            xml.close("DomainResponse");
        }
        xml.close("DomainResponses");
    });
}

/// Writes the answer to `GetFederationInformation` to the end of `out`: there is no federation.
pub fn federation_information(head: Head<'_>, out: &mut Vec<u8>) {
    let code = ErrorCode::NotFederated;
    let message = "The organization is not configured for federation.";
    envelope_with(FEDERATION_INFORMATION, code, message, head, out, |xml| {
        nil(xml, "ApplicationUri");
        xml.empty("Domains", &[]);
        xml.empty("TokenIssuers", &[]);
    });
}

/// Writes the answer to a request that is refused to the end of `out`; its status is
/// [`Refusal::status`].
pub fn refusal(refusal: &Refusal, version: Version, out: &mut Vec<u8>) {
    match refusal {
        Refusal::Invalid {
            operation,
            message,
            message_id,
        } => {
            let head = Head {
                version,
                relates_to: message_id.as_deref(),
            };
            let code = ErrorCode::InvalidRequest;
            envelope_with(
                operation,
                code,
                message,
                head,
                out,
                |xml| match *operation {
                    USER_SETTINGS => xml.empty("UserResponses", &[]),
                    DOMAIN_SETTINGS => xml.empty("DomainResponses", &[]),
                    _ => {
                        nil(xml, "ApplicationUri");
                        xml.empty("Domains", &[]);
                        xml.empty("TokenIssuers", &[]);
                    }
                },
            );
        }
        Refusal::Unreadable(_) | Refusal::NoEnvelope { .. } => {
            fault(
                [
                    "s:Client",
                    "The message could not be read as a SOAP 1.1 envelope.",
                ],
                &[],
                out,
            );
        }
        Refusal::NoOperation { .. } => fault(
            [
                "a:ActionNotSupported",
                "The message is for no operation of this service.",
            ],
            &[("xmlns:a", soap::DISPATCHER_FAULT)],
            out,
        ),
    }
}

fn fault(texts: [&str; 2], attributes: &[(&'static str, &str)], out: &mut Vec<u8>) {
    let [code, message] = texts;
    let mut xml = Writer::compact(out);
    xml.open_with("s:Envelope", &[("xmlns:s", soap::ENVELOPE)]);
    xml.open("s:Body");
    xml.open("s:Fault");
    xml.leaf_of("faultcode", attributes, &[code]);
    xml.leaf_of("faultstring", &[("xml:lang", "en-US")], &[message]);
    xml.close("s:Fault");
    xml.close("s:Body");
    xml.close("s:Envelope");
}

fn envelope(
    operation: &str,
    head: Head<'_>,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Writer<'_>),
) {
    envelope_with(operation, ErrorCode::NoError, "", head, out, body);
}

fn envelope_with(
    operation: &str,
    code: ErrorCode,
    message: &str,
    head: Head<'_>,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Writer<'_>),
) {
    let mut xml = Writer::compact(out);
    xml.open_with(
        "s:Envelope",
        &[("xmlns:s", soap::ENVELOPE), ("xmlns:a", soap::ADDRESSING)],
    );
    xml.open("s:Header");
    let action = [soap::AUTODISCOVER, "/Autodiscover/", operation, "Response"];
    xml.leaf_of("a:Action", &[("s:mustUnderstand", "1")], &action);
    xml.open_with("h:ServerVersionInfo", &[("xmlns:h", soap::AUTODISCOVER)]);
    xml.leaf("h:MajorVersion", &head.version.major.to_string());
    xml.leaf("h:MinorVersion", &head.version.minor.to_string());
    xml.leaf("h:MajorBuildNumber", &head.version.build.to_string());
    xml.leaf("h:MinorBuildNumber", &head.version.revision.to_string());
    xml.leaf("h:Version", head.version.schema());
    xml.close("h:ServerVersionInfo");
    xml.leaf_if("a:RelatesTo", head.relates_to);
    xml.close("s:Header");
    xml.open("s:Body");
    let name = match operation {
        USER_SETTINGS => "GetUserSettingsResponseMessage",
        DOMAIN_SETTINGS => "GetDomainSettingsResponseMessage",
        _ => "GetFederationInformationResponseMessage",
    };
    xml.open_with(name, &[("xmlns", soap::AUTODISCOVER)]);
    xml.open_with("Response", &[("xmlns:i", soap::INSTANCE)]);
    level(&mut xml, code, message);
    body(&mut xml);
    xml.close("Response");
    xml.close(name);
    xml.close("s:Body");
    xml.close("s:Envelope");
}

fn level(xml: &mut Writer<'_>, code: ErrorCode, message: &str) {
    xml.leaf("ErrorCode", code.as_str());
    xml.leaf("ErrorMessage", message);
}

fn nil(xml: &mut Writer<'_>, name: &'static str) {
    xml.empty(name, &[("i:nil", "true")]);
}

/// A setting without a value, or without a meaning.
fn setting_error(xml: &mut Writer<'_>, element: &'static str, what: &str, name: &str) {
    let (code, is) = match Setting::named(name) {
        Some(_) => (ErrorCode::SettingIsNotAvailable, " is not available."),
        None => (ErrorCode::InvalidSetting, " is not valid."),
    };
    xml.open(element);
    xml.leaf("ErrorCode", code.as_str());
    xml.leaf_of("ErrorMessage", &[], &[what, " '", name, "'", is]);
    xml.leaf("SettingName", name);
    xml.close(element);
}

/// `15.01.2507.006`.
fn dotted(version: Version) -> String {
    let Version {
        major,
        minor,
        build,
        revision,
    } = version;
    format!("{major:02}.{minor:02}.{build:04}.{revision:03}")
}

/// A user whose settings are told.
struct User<'a> {
    settings: &'a Settings,
    services: &'a Services,
    mailbox: Mailbox,
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
    fn write(&self, wanted: &[Wanted], xml: &mut Writer<'_>) {
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
            xml.open("AlternateMailbox");
            xml.leaf("Type", mailbox.kind.as_str());
            xml.leaf("DisplayName", &mailbox.display_name);
            match located(mailbox, self.services.shape) {
                Located::Place(place) => {
                    xml.leaf("LegacyDN", &place.legacy_dn);
                    xml.leaf("Server", &place.server);
                }
                Located::Address(address, owner) => {
                    xml.leaf("SmtpAddress", address);
                    xml.leaf_if("OwnerSmtpAddress", owner.map(SmtpAddress::as_str));
                }
            }
            xml.close("AlternateMailbox");
        }
        xml.close("AlternateMailboxes");
    }

    fn value(&self, setting: Setting) -> Option<Value<'a>> {
        use Setting as S;
        let Services {
            internal, external, ..
        } = self.services;
        let text = |text: &'a Option<String>| text.as_deref().map(Value::Text);
        let yes_or_no = |yes: bool| Value::Text(if yes { "True" } else { "False" });
        let mapi = internal.mapi.is_some() || external.mapi.is_some();
        let no_ssl = |site: &Site| site.host.is_some().then(|| yes_or_no(!site.no_ssl));
        let package = |site: &'a Site| {
            let package = site.authentication.as_str(Abilities::default());
            site.host.is_some().then_some(Value::Text(package))
        };
        if let Some(value) = self.panel(setting) {
            return Some(value);
        }
        match setting {
            S::UserDisplayName => Some(Value::Text(&self.settings.display_name)),
            S::UserDN => Some(Value::Text(&self.settings.legacy_dn)),
            S::AutoDiscoverSMTPAddress => Some(Value::Text(self.settings.address.as_str())),
            S::UserDeploymentId => self
                .services
                .deployment_id
                .map(|guid| Value::Made(guid.to_string())),
            S::UserMSOnline | S::CrossOrganizationSharingEnabled => Some(yes_or_no(false)),
            S::MapiHttpEnabled => Some(yes_or_no(mapi)),
            S::InternalMailboxServer | S::InternalRpcClientServer => {
                Some(Value::Made(self.server()))
            }
            S::InternalMailboxServerDN => self.server_dn("").map(Value::Made),
            S::MailboxDN => self.server_dn("/cn=Microsoft Private MDB").map(Value::Made),
            S::InternalServerExclusiveConnect => Some(Value::Text("Off")),
            S::ExternalServerExclusiveConnect => {
                (!external.is_empty()).then_some(Value::Text("On"))
            }
            S::ActiveDirectoryServer => text(&self.services.directory_server),
            S::PublicFolderServer => text(&self.services.public_folder_server),
            S::PublicFolderInformation => {
                let mailbox = self.services.public_folder_mailbox.as_ref();
                mailbox.map(|address| Value::Text(address.as_str()))
            }
            S::CasVersion | S::MailboxVersion => {
                Some(Value::Made(dotted(self.services.server_version)))
            }
            S::EwsSupportedSchemas => Some(Value::Text(schemas(self.services.server_version))),
            S::InternalRpcHttpServer => text(&internal.host),
            S::InternalRpcHttpConnectivityRequiresSsl => no_ssl(internal),
            S::InternalRpcHttpAuthenticationMethod
            | S::InternalMailboxServerAuthenticationMethods => package(internal),
            S::ExternalMailboxServer => text(&external.host),
            S::ExternalMailboxServerRequiresSSL => no_ssl(external),
            S::ExternalMailboxServerAuthenticationMethods => package(external),
            S::CertPrincipalName => text(&external.certificate_principal),
            S::InternalEwsUrl | S::InternalEmwsUrl => text(&internal.ews),
            S::ExternalEwsUrl | S::ExternalEmwsUrl | S::EwsPartnerUrl => text(&external.ews),
            S::ExternalEwsVersion => {
                let version = || Value::Made(dotted(self.services.server_version));
                external.ews.as_ref().map(|_| version())
            }
            S::InternalOABUrl => text(&internal.oab),
            S::ExternalOABUrl => text(&external.oab),
            S::InternalUMUrl => text(&internal.um),
            S::ExternalUMUrl => text(&external.um),
            S::InternalEcpUrl => text(&internal.ecp),
            S::ExternalEcpUrl => text(&external.ecp),
            S::InternalWebClientUrls => internal.owa.as_ref().map(|_| Value::WebClient(internal)),
            S::ExternalWebClientUrls => external.owa.as_ref().map(|_| Value::WebClient(external)),
            S::InternalImap4Connections | S::ExternalImap4Connections => {
                self.services.imap.as_ref().map(Value::Connection)
            }
            S::InternalPop3Connections | S::ExternalPop3Connections => {
                self.services.pop3.as_ref().map(Value::Connection)
            }
            S::InternalSmtpConnections | S::ExternalSmtpConnections => {
                self.services.smtp.as_ref().map(Value::Connection)
            }
            S::AlternateMailboxes => Some(Value::Alternatives),
            _ => None,
        }
    }

    /// A page of the control panel: what is added to its URL, or the whole URL of one side.
    fn panel(&self, setting: Setting) -> Option<Value<'a>> {
        let name = setting.as_str();
        let (site, page) = if let Some(rest) = name.strip_prefix("InternalEcp") {
            (Some(&self.services.internal), rest.strip_suffix("Url")?)
        } else if let Some(rest) = name.strip_prefix("ExternalEcp") {
            (Some(&self.services.external), rest.strip_suffix("Url")?)
        } else {
            (None, name.strip_prefix("Ecp")?.strip_suffix("UrlFragment")?)
        };
        let (_, element) = PAGES.iter().find(|(known, _)| *known == page)?;
        let (_, page) = PANEL.iter().find(|(known, _)| known == element)?;
        let base = match site {
            Some(site) => site.ecp.as_deref()?,
            None => {
                // Without a panel there is nothing that a fragment could be added to.
                self.services
                    .external
                    .ecp
                    .as_ref()
                    .or(self.services.internal.ecp.as_ref())?;
                ""
            }
        };
        Some(Value::Made(format!(
            "{base}{page}&realm={}",
            self.settings.address.domain()
        )))
    }

    fn server(&self) -> String {
        format!(
            "{}@{}",
            self.mailbox.as_str(),
            self.settings.address.domain()
        )
    }

    fn server_dn(&self, end: &str) -> Option<String> {
        let organisation = organisation(&self.settings.legacy_dn)?;
        let server = self.server();
        Some(format!(
            "{organisation}/cn=Configuration/cn=Servers/cn={server}{end}"
        ))
    }
}

/// What SOAP calls the pages that POX names.
const PAGES: &[(&str, &str)] = &[
    ("Voicemail", "EcpUrl-um"),
    ("EmailSubscriptions", "EcpUrl-aggr"),
    ("DeliveryReport", "EcpUrl-mt"),
    ("RetentionPolicyTags", "EcpUrl-ret"),
    ("TextMessaging", "EcpUrl-sms"),
    ("Publishing", "EcpUrl-publish"),
    ("Photo", "EcpUrl-photo"),
    ("TeamMailbox", "EcpUrl-tm"),
    ("TeamMailboxCreating", "EcpUrl-tmCreating"),
    ("TeamMailboxEditing", "EcpUrl-tmEditing"),
    ("ExtensionInstallation", "EcpUrl-extinstall"),
];

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
