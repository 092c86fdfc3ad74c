//! Which service a request is for, and whose mailbox it asks for.

use automend_autodiscover::schema;
use automend_autodiscover::xml::{Limits, Text};
use automend_core::names::SmtpAddress;

/// Whose mailbox a request asks for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Asked {
    /// By this address, in lower case.
    Address(String),
    /// By this `legacyExchangeDN`.
    LegacyDn(String),
}

impl Asked {
    /// Reads what a client asked for; `None` for nothing, and for more than a name can have.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.is_empty() || name.len() > MOST_NAME {
            None
        } else if name.starts_with('/') {
            Some(Self::LegacyDn(name.to_owned()))
        } else {
            let address = SmtpAddress::parse(name);
            Some(Self::Address(address.map_or_else(
                |_| name.to_lowercase(),
                |address| address.to_string(),
            )))
        }
    }

    /// The address in lower case, or the legacy name as it was.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Address(name) | Self::LegacyDn(name) => name,
        }
    }
}

/// Longest name that is read, in bytes.
pub(super) const MOST_NAME: usize = 2048;

/// A service of Autodiscover.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    /// Plain XML, of Outlook and of mobile devices.
    Pox,
    /// SOAP.
    Soap,
    /// V2.
    Json,
}

/// The service at a URL; a request is known by its body, too, wherever it is sent.
pub(super) fn service(url: &str, request: &[u8]) -> Option<Service> {
    of_path(path(url)).or_else(|| {
        let text = Text::read(request, Limits::REQUEST).ok()?;
        let root = text.root().ok()?;
        if root.name == "Autodiscover" && root.any("Request").is_some() {
            return Some(Service::Pox);
        }
        let message = root
            .any("Body")
            .filter(|_| root.name == "Envelope")?
            .children
            .first()?;
        (*message.namespace == *schema::soap::AUTODISCOVER).then_some(Service::Soap)
    })
}

/// Whether an exchange may be Autodiscover's, by what is cheap to look at.
pub fn may_be(url: &str, request: &[u8]) -> bool {
    of_path(path(url)).is_some()
        || memchr::memmem::find(request, b"/exchange/autodiscover/").is_some()
        || memchr::memmem::find(request, b"/exchange/2010/Autodiscover").is_some()
        // The same in UTF-16.
        || memchr::memmem::find(request, b"a\0u\0t\0o\0d\0i\0s\0c\0o\0v\0e\0r\0").is_some()
}

pub(super) fn of_path(path: &str) -> Option<Service> {
    let path = path.to_ascii_lowercase();
    let begins = |prefix: &str| {
        // `/owa/auth/autodiscover/autodiscover.xml` is one, `/autodiscover/autodiscover.xml.html` is none.
        let at = path.find(prefix)?;
        let rest = path.get(at + prefix.len()..)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(())
    };
    [
        (schema::path::POX, Service::Pox),
        (schema::path::SOAP, Service::Soap),
        (schema::path::V2, Service::Json),
    ]
    .into_iter()
    .find_map(|(prefix, service)| begins(prefix).map(|()| service))
}

/// The path of a URL.
pub(super) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest
        .find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or_default();
    path.split(['?', '#']).next().unwrap_or_default()
}
