//! Requests for settings ([MS-OXWSADISC] 3.1.4).
//!
//! Invariant: what a request asks for is bounded, so that an answer is.

use crate::reading::Unreadable;
use crate::schema::soap;
use crate::xml::{Element, Limits, Text, Writer};

use super::Setting;

/// A request that can be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `wsa:MessageID`, which the answer relates to.
    pub message_id: Option<String>,
    /// What is asked.
    pub operation: Operation,
}

/// What is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Settings of mailboxes.
    UserSettings {
        /// The addresses, as they came; some may be none.
        users: Vec<String>,
        /// Each setting once.
        settings: Vec<Wanted>,
    },
    /// Settings of domains.
    DomainSettings {
        /// The domains, as they came.
        domains: Vec<String>,
        /// The names of the settings, each once.
        settings: Vec<String>,
    },
    /// How a domain trusts others.
    FederationInformation {
        /// The domain, as it came.
        domain: String,
    },
}

/// A setting that is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// One that exists.
    Known(Setting),
    /// A name that no setting has.
    Unknown(String),
}

impl Wanted {
    /// The setting's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(setting) => setting.as_str(),
            Self::Unknown(name) => name,
        }
    }
}

impl Operation {
    /// The operation's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserSettings { .. } => USER_SETTINGS,
            Self::DomainSettings { .. } => DOMAIN_SETTINGS,
            Self::FederationInformation { .. } => FEDERATION_INFORMATION,
        }
    }
}

pub(super) const USER_SETTINGS: &str = "GetUserSettings";
pub(super) const DOMAIN_SETTINGS: &str = "GetDomainSettings";
pub(super) const FEDERATION_INFORMATION: &str = "GetFederationInformation";
/// Users or domains of one request.
const MOST_USERS: usize = 100;
/// Settings of one request; there are fewer names.
const MOST_SETTINGS: usize = 256;

/// Why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The body cannot be read: a fault.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Not SOAP 1.1, or without a body: a fault.
    #[error("the request is <{root}> of {namespace:?}, not a SOAP 1.1 envelope with a body")]
    NoEnvelope {
        /// The root's name.
        root: String,
        /// The root's namespace.
        namespace: String,
    },
    /// An operation that is not offered: a fault.
    #[error("the request is for <{message}> of {namespace:?}, which is not offered")]
    NoOperation {
        /// The message's name.
        message: String,
        /// The message's namespace.
        namespace: String,
    },
    /// An operation that is offered, asked wrongly: an answer with `InvalidRequest`.
    #[error("{operation} is refused: {message}")]
    Invalid {
        /// The operation.
        operation: &'static str,
        /// The answer's `ErrorMessage`.
        message: &'static str,
        /// `wsa:MessageID`.
        message_id: Option<String>,
    },
}

impl Refusal {
    /// The HTTP status of the answer: a fault has 500, an answer 200.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 200,
            Self::Unreadable(_) | Self::NoEnvelope { .. } | Self::NoOperation { .. } => 500,
        }
    }
}

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], to be answered with [`super::refusal`].
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let text = Text::read(body, Limits::REQUEST)?;
        let envelope = text.root()?;
        let body = Some(&envelope)
            .filter(|envelope| envelope.is(soap::ENVELOPE, "Envelope"))
            .and_then(|envelope| envelope.child("Body"))
            .ok_or_else(|| Refusal::NoEnvelope {
                root: envelope.name.to_owned(),
                namespace: envelope.namespace.to_string(),
            })?;
        let unknown = |name: &str, namespace: &str| Refusal::NoOperation {
            message: name.to_owned(),
            namespace: namespace.to_owned(),
        };
        let Some(message) = body.children.first() else {
            return Err(unknown("", ""));
        };
        let operation = [USER_SETTINGS, DOMAIN_SETTINGS, FEDERATION_INFORMATION]
            .into_iter()
            .find(|operation| message.name.strip_suffix("RequestMessage") == Some(*operation))
            .filter(|_| *message.namespace == *soap::AUTODISCOVER)
            .ok_or_else(|| unknown(message.name, &message.namespace))?;
        let header = |namespace: &str, name: &str| {
            let header = envelope.child("Header")?;
            let mut children = header.children.iter();
            let found = children.find(|child| child.is(namespace, name))?;
            Some(found.value()).filter(|value| !value.is_empty())
        };
        let message_id = header(soap::ADDRESSING, "MessageID").map(str::to_owned);
        let refuse = |message| Refusal::Invalid {
            operation,
            message,
            message_id: message_id.clone(),
        };
        if !header(soap::AUTODISCOVER, "RequestedServerVersion").is_some_and(is_version) {
            // With two blanks, as Exchange has it.
            return Err(refuse(
                "The RequestedServerVersion  header is missing or invalid.",
            ));
        }
        let request = message
            .child("Request")
            .ok_or_else(|| refuse("The request has no Request element."))?;
        let operation = parse_operation(operation, request).map_err(refuse)?;
        Ok(Self {
            message_id,
            operation,
        })
    }

    /// Writes the body of a request to the end of `out`; `to` is the URL that it is sent to.
    pub fn write(&self, to: &str, out: &mut Vec<u8>) {
        let name = self.operation.name();
        let mut xml = Writer::compact(out);
        xml.open_with(
            "soap:Envelope",
            &[
                ("xmlns:soap", soap::ENVELOPE),
                ("xmlns:a", soap::AUTODISCOVER),
                ("xmlns:wsa", soap::ADDRESSING),
            ],
        );
        xml.open("soap:Header");
        xml.leaf("a:RequestedServerVersion", "Exchange2013");
        xml.leaf_of(
            "wsa:Action",
            &[],
            &[soap::AUTODISCOVER, "/Autodiscover/", name],
        );
        xml.leaf("wsa:To", to);
        xml.leaf_if("wsa:MessageID", self.message_id.as_deref());
        xml.close("soap:Header");
        xml.open("soap:Body");
        match &self.operation {
            Operation::UserSettings { users, settings } => {
                within(
                    &mut xml,
                    ["a:GetUserSettingsRequestMessage", "a:Request"],
                    |xml| {
                        xml.open("a:Users");
                        for user in users {
                            xml.open("a:User");
                            xml.leaf("a:Mailbox", user);
                            xml.close("a:User");
                        }
                        xml.close("a:Users");
                        write_settings(xml, settings.iter().map(Wanted::name));
                    },
                );
            }
            Operation::DomainSettings { domains, settings } => {
                within(
                    &mut xml,
                    ["a:GetDomainSettingsRequestMessage", "a:Request"],
                    |xml| {
                        xml.open("a:Domains");
                        for domain in domains {
                            xml.leaf("a:Domain", domain);
                        }
                        xml.close("a:Domains");
                        write_settings(xml, settings.iter().map(String::as_str));
                    },
                );
            }
            Operation::FederationInformation { domain } => {
                let path = ["a:GetFederationInformationRequestMessage", "a:Request"];
                within(&mut xml, path, |xml| xml.leaf("a:Domain", domain));
            }
        }
        xml.close("soap:Body");
        xml.close("soap:Envelope");
    }
}

fn within(xml: &mut Writer<'_>, path: [&'static str; 2], body: impl FnOnce(&mut Writer<'_>)) {
    let [message, request] = path;
    xml.open(message);
    xml.open(request);
    body(xml);
    xml.close(request);
    xml.close(message);
}

fn write_settings<'s>(xml: &mut Writer<'_>, names: impl Iterator<Item = &'s str>) {
    xml.open("a:RequestedSettings");
    for name in names {
        xml.leaf("a:Setting", name);
    }
    xml.close("a:RequestedSettings");
}

/// `Exchange2010`, `Exchange2013_SP1` and their like; `V2015_10_05` is refused, as Exchange does.
fn is_version(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    matches!(shape.as_str(), "Exchange0000" | "Exchange0000_SP0")
}

fn parse_operation(operation: &str, request: &Element<'_>) -> Result<Operation, &'static str> {
    let texts = |list: &str, item: &str| -> Vec<String> {
        let items = request
            .child(list)
            .into_iter()
            .flat_map(|list| list.all(item));
        let mut found = Vec::new();
        for value in items.map(Element::value).filter(|value| !value.is_empty()) {
            if !found.iter().any(|known| known == value) {
                found.push(value.to_owned());
            }
        }
        found
    };
    if operation == FEDERATION_INFORMATION {
        let domain = request
            .child("Domain")
            .map(Element::value)
            .filter(|domain| !domain.is_empty());
        let domain = domain.ok_or("The request names no domain.")?.to_owned();
        return Ok(Operation::FederationInformation { domain });
    }
    let settings = texts("RequestedSettings", "Setting");
    if settings.is_empty() {
        return Err("The request asks for no settings.");
    }
    if settings.len() > MOST_SETTINGS {
        return Err("The request asks for too many settings.");
    }
    if operation == DOMAIN_SETTINGS {
        let domains = texts("Domains", "Domain");
        return match domains.len() {
            0 => Err("The request names no domain."),
            1..=MOST_USERS => Ok(Operation::DomainSettings { domains, settings }),
            _ => Err("The request names too many domains."),
        };
    }
    let users = request
        .child("Users")
        .into_iter()
        .flat_map(|users| users.all("User"));
    // Each user has an answer of its own in order, so none is left out, not even an empty one.
    let users: Vec<String> = users
        .map(|user| user.child("Mailbox").map_or("", Element::value).to_owned())
        .collect();
    let settings = settings
        .into_iter()
        .map(|name| Setting::named(&name).map_or(Wanted::Unknown(name), Wanted::Known))
        .collect();
    match users.len() {
        0 => Err("The request names no user."),
        1..=MOST_USERS => Ok(Operation::UserSettings { users, settings }),
        _ => Err("The request names too many users."),
    }
}
