//! Answers to programs, as a client reads them ([MS-OXWSADISC] 3.1.4).
//!
//! Invariant: an error of any level comes out as it came, and no level hides another; so does every
//! setting, of a kind that is known or not.

use crate::pox;
use crate::reading::{Alternative, Defect, Field, Reading};
use crate::schema::{same_namespace, soap};
use crate::xml::{Element, Limits, Text};

/// An answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// `ServerVersionInfo` of the header.
    pub server: Option<ServerVersion>,
    /// `wsa:RelatesTo`.
    pub relates_to: Option<String>,
    /// What it says.
    pub body: Body,
}

/// The server's version.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerVersion {
    /// `MajorVersion`, `MinorVersion`, `MajorBuildNumber`, `MinorBuildNumber`; zero where there is none.
    pub numbers: [u32; 4],
    /// `Version`: `Exchange2016`.
    pub schema: String,
}

/// What an answer says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Body {
    /// None of the others.
    #[default]
    Nothing,
    /// A SOAP fault.
    Fault {
        /// `faultcode`, without its prefix.
        code: String,
        /// `faultstring`.
        message: String,
    },
    /// The answer to `GetUserSettings`.
    Users(Level, Vec<User>),
    /// The answer to `GetDomainSettings`.
    Domains(Level, Vec<Domain>),
    /// The answer to `GetFederationInformation`.
    Federation(Level, Federation),
}

/// An error code with its message; the code may be one that is not known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Level {
    /// `ErrorCode`.
    pub code: String,
    /// `ErrorMessage`.
    pub message: String,
}

impl Level {
    /// Whether all is well on this level.
    pub fn is_ok(&self) -> bool {
        self.code == super::ErrorCode::NoError.as_str()
    }
}

/// The answer for one user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct User {
    /// This level's error.
    pub level: Level,
    /// `RedirectTarget`: an address or a URL.
    pub redirect_target: Option<String>,
    /// The settings that there are.
    pub settings: Vec<UserSetting>,
    /// The settings that there are not.
    pub errors: Vec<SettingError>,
}

impl User {
    /// The text of a setting.
    pub fn text(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.name == name)?;
        match &setting.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The alternative mailboxes, in order.
    pub fn alternatives(&self) -> impl Iterator<Item = &Alternative> {
        self.settings
            .iter()
            .flat_map(|setting| match &setting.value {
                Value::Alternatives(mailboxes) => mailboxes.as_slice(),
                _ => &[],
            })
    }
}

/// A setting that a user, or a domain, does not have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SettingError {
    /// `SettingName`.
    pub name: String,
    /// This level's error.
    pub level: Level,
}

/// A setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserSetting {
    /// `Name`.
    pub name: String,
    /// What it is.
    pub value: Value,
}

/// The value of a setting, by its `i:type`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// `StringSetting`.
    Text(String),
    /// `WebClientUrlCollectionSetting`.
    WebClientUrls(Vec<WebClientUrl>),
    /// `ProtocolConnectionCollectionSetting`.
    Connections(Vec<Connection>),
    /// `AlternateMailboxCollectionSetting`.
    Alternatives(Vec<Alternative>),
    /// Another kind.
    Unknown {
        /// The `i:type`.
        kind: String,
        /// All that stands in it but the name.
        fields: Vec<Field>,
    },
}

/// Where Outlook on the web is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebClientUrl {
    /// `AuthenticationMethods`.
    pub authentication: String,
    /// `Url`.
    pub url: String,
}

/// Where a mail server is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Connection {
    /// `Hostname`.
    pub host: String,
    /// `Port`, as it came.
    pub port: String,
    /// `EncryptionMethod`.
    pub encryption: String,
}

/// The answer for one domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Domain {
    /// This level's error.
    pub level: Level,
    /// `RedirectTarget`.
    pub redirect_target: Option<String>,
    /// The settings that there are: name and text.
    pub settings: Vec<(String, String)>,
    /// The settings that there are not.
    pub errors: Vec<SettingError>,
}

/// How an organisation trusts others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Federation {
    /// `ApplicationUri`.
    pub application: Option<String>,
    /// `Domains`.
    pub domains: Vec<String>,
    /// `TokenIssuers`.
    pub issuers: Vec<TokenIssuer>,
}

/// Who issues tokens.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenIssuer {
    /// `Uri`.
    pub uri: String,
    /// `Endpoint`.
    pub endpoint: String,
}

/// Reads an answer.
///
/// # Errors
///
/// Why these bytes are no answer of Autodiscover.
pub fn read(bytes: &[u8]) -> Reading<Answer> {
    let document = Text::read(bytes, Limits::ANSWER)?;
    let envelope = document.root()?;
    let body = envelope.any("Body").filter(|_| envelope.name == "Envelope");
    let Some(body) = body else {
        return Err(envelope.foreign());
    };
    let mut defects = Vec::new();
    near(&envelope, soap::ENVELOPE, &mut defects);
    let Some(message) = body.children.first() else {
        return Err(body.foreign());
    };
    let header = |name: &str| envelope.any("Header").and_then(|header| header.any(name));
    let server = header("ServerVersionInfo").map(server_version);
    if message.name == "Fault" {
        return Ok((
            Answer {
                server,
                relates_to: header("RelatesTo").map(|id| id.value().to_owned()),
                body: fault(message),
            },
            defects,
        ));
    }
    if !same_namespace(&message.namespace, soap::AUTODISCOVER) {
        return Err(message.foreign());
    }
    near(message, soap::AUTODISCOVER, &mut defects);
    let Some(response) = message.any("Response") else {
        return Err(message.foreign());
    };
    let level = level(response, "Response", has_responses(response), &mut defects);
    let body = match message.name {
        "GetUserSettingsResponseMessage" => {
            let users = items(response, "UserResponses", "UserResponse");
            Body::Users(
                level,
                users.map(|user| read_user(user, &mut defects)).collect(),
            )
        }
        "GetDomainSettingsResponseMessage" => {
            let domains = items(response, "DomainResponses", "DomainResponse");
            Body::Domains(
                level,
                domains
                    .map(|domain| read_domain(domain, &mut defects))
                    .collect(),
            )
        }
        "GetFederationInformationResponseMessage" => {
            Body::Federation(level, read_federation(response))
        }
        _ => return Err(message.foreign()),
    };
    if server.is_none() {
        defects.push(Defect::Missing {
            inside: "Header",
            element: "ServerVersionInfo",
        });
    }
    Ok((
        Answer {
            server,
            relates_to: header("RelatesTo").map(|id| id.value().to_owned()),
            body,
        },
        defects,
    ))
}

/// The items of a list that may be there.
fn items<'a>(
    response: &'a Element<'a>,
    list: &str,
    item: &'static str,
) -> impl Iterator<Item = &'a Element<'a>> {
    let list = response.any(list).into_iter();
    list.flat_map(|list| &list.children)
        .filter(move |child| child.name == item)
}

fn read_federation(response: &Element<'_>) -> Federation {
    Federation {
        application: optional(response, "ApplicationUri"),
        domains: items(response, "Domains", "Domain")
            .map(|domain| domain.value().to_owned())
            .collect(),
        issuers: items(response, "TokenIssuers", "TokenIssuer")
            .map(|issuer| TokenIssuer {
                uri: text(issuer, "Uri"),
                endpoint: text(issuer, "Endpoint"),
            })
            .collect(),
    }
}

fn near(element: &Element<'_>, canonical: &'static str, defects: &mut Vec<Defect>) {
    if *element.namespace != *canonical {
        defects.push(Defect::Namespace {
            element: element.name.to_owned(),
            found: element.namespace.to_string(),
            canonical,
        });
    }
}

/// The text of a child; empty where there is none.
fn text(element: &Element<'_>, name: &str) -> String {
    element.any(name).map_or("", Element::value).to_owned()
}

/// The text of a child that may be there and `nil`.
fn optional(element: &Element<'_>, name: &str) -> Option<String> {
    element
        .any(name)
        .filter(|child| !child.is_nil())
        .map(|child| child.value().to_owned())
        .filter(|value| !value.is_empty())
}

/// The error of a level. `ErrorCode` may be absent on every level, which means `NoError` where what was
/// asked for is there; where it is not, nothing says how the request ended, and that is a defect.
fn level(
    element: &Element<'_>,
    inside: &'static str,
    answered: bool,
    defects: &mut Vec<Defect>,
) -> Level {
    let code = optional(element, "ErrorCode");
    if code.is_none() && !answered {
        defects.push(Defect::Missing {
            inside,
            element: "ErrorCode",
        });
    }
    let absent = || answered.then(|| super::ErrorCode::NoError.as_str().to_owned());
    Level {
        code: code.or_else(absent).unwrap_or_default(),
        message: text(element, "ErrorMessage"),
    }
}

/// Whether a response has answers of any kind beside its error.
fn has_responses(response: &Element<'_>) -> bool {
    response.children.iter().any(|child| match child.name {
        "UserResponses" | "DomainResponses" => !child.children.is_empty(),
        name => !matches!(name, "ErrorCode" | "ErrorMessage"),
    })
}

fn server_version(element: &Element<'_>) -> ServerVersion {
    let number = |name| text(element, name).parse().unwrap_or(0);
    ServerVersion {
        numbers: [
            number("MajorVersion"),
            number("MinorVersion"),
            number("MajorBuildNumber"),
            number("MinorBuildNumber"),
        ],
        schema: text(element, "Version"),
    }
}

fn fault(fault: &Element<'_>) -> Body {
    // SOAP 1.2 has other names, and puts both one level deeper.
    let deeper = |name: &str, inner: &str| {
        let found = fault.any(name).and_then(|outer| outer.any(inner));
        found.map_or("", Element::value).to_owned()
    };
    let or = |first: String, second: String| if first.is_empty() { second } else { first };
    let code = or(text(fault, "faultcode"), deeper("Code", "Value"));
    let code = code
        .rsplit_once(':')
        .map_or(code.as_str(), |(_, code)| code)
        .to_owned();
    Body::Fault {
        code,
        message: or(text(fault, "faultstring"), deeper("Reason", "Text")),
    }
}

fn read_user(user: &Element<'_>, defects: &mut Vec<Defect>) -> User {
    let answered = user.any("UserSettings").is_some() || user.any("UserSettingErrors").is_some();
    let level = level(user, "UserResponse", answered, defects);
    let mut settings = Vec::new();
    for setting in user
        .any("UserSettings")
        .into_iter()
        .flat_map(|list| &list.children)
    {
        settings.push(UserSetting {
            name: text(setting, "Name"),
            value: value(setting, defects),
        });
    }
    User {
        level,
        redirect_target: optional(user, "RedirectTarget"),
        settings,
        errors: errors(user, "UserSettingErrors", defects),
    }
}

fn read_domain(domain: &Element<'_>, defects: &mut Vec<Defect>) -> Domain {
    let answered =
        domain.any("DomainSettings").is_some() || domain.any("DomainSettingErrors").is_some();
    let settings = domain
        .any("DomainSettings")
        .into_iter()
        .flat_map(|list| &list.children);
    Domain {
        level: level(domain, "DomainResponse", answered, defects),
        redirect_target: optional(domain, "RedirectTarget"),
        settings: settings
            .map(|setting| (text(setting, "Name"), text(setting, "Value")))
            .collect(),
        errors: errors(domain, "DomainSettingErrors", defects),
    }
}

fn errors(element: &Element<'_>, list: &str, defects: &mut Vec<Defect>) -> Vec<SettingError> {
    let errors = element
        .any(list)
        .into_iter()
        .flat_map(|list| &list.children);
    errors
        .map(|error| SettingError {
            name: text(error, "SettingName"),
            level: level(error, "UserSettingError", false, defects),
        })
        .collect()
}

/// The value of a setting; where its kind is not told, what stands in it shows.
fn value(setting: &Element<'_>, defects: &mut Vec<Defect>) -> Value {
    let kind = setting
        .attribute(soap::INSTANCE, "type")
        .unwrap_or_default();
    let kind = kind.rsplit_once(':').map_or(kind, |(_, kind)| kind);
    let list = |list: &str, item: &'static str| {
        let items = &setting.any(list)?.children;
        Some(items.iter().filter(move |child| child.name == item))
    };
    if let Some(mailboxes) = list("AlternateMailboxes", "AlternateMailbox") {
        return Value::Alternatives(
            mailboxes
                .map(|mailbox| pox::alternative(mailbox, defects))
                .collect(),
        );
    }
    if let Some(urls) = list("WebClientUrls", "WebClientUrl") {
        return Value::WebClientUrls(
            urls.map(|url| WebClientUrl {
                authentication: text(url, "AuthenticationMethods"),
                url: text(url, "Url"),
            })
            .collect(),
        );
    }
    if let Some(connections) = list("ProtocolConnections", "ProtocolConnection") {
        return Value::Connections(
            connections
                .map(|connection| Connection {
                    host: text(connection, "Hostname"),
                    port: text(connection, "Port"),
                    encryption: text(connection, "EncryptionMethod"),
                })
                .collect(),
        );
    }
    match setting.any("Value") {
        Some(value) if value.children.is_empty() => Value::Text(value.value().to_owned()),
        _ => {
            let mut fields = pox::fields(setting);
            fields.retain(|field| field.path != "Name");
            Value::Unknown {
                kind: kind.to_owned(),
                fields,
            }
        }
    }
}
