//! Requests of Outlook and of mobile devices ([MS-OXDSCLI] 2.2.3, [MS-ASCMD] 2.2.1.3).
//!
//! Invariant: a request names exactly one mailbox, or it is refused with the code that Exchange gives.

use automend_core::fault::FaultCode;
use automend_core::names::SmtpAddress;
use automend_core::resolve::Who;

use crate::reading::Unreadable;
use crate::schema::{pox, same_namespace};
use crate::xml::{Element, Limits, Text, Writer};

/// A request that can be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Outlook asks for the mailbox with this address or legacy name.
    Outlook(Who),
    /// A mobile device asks for the mailbox with this address.
    MobileSync(SmtpAddress),
}

/// Why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The body cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The root is something else.
    #[error("the request is <{root}> of {namespace:?}")]
    Foreign {
        /// The root's name.
        root: String,
        /// The root's namespace.
        namespace: String,
    },
    /// An element that must be there once is not there, or is there again.
    #[error("the request has {count} <{element}> elements")]
    Count {
        /// The element.
        element: &'static str,
        /// How many there are.
        count: usize,
    },
    /// No mailbox is named.
    #[error("the request has neither an address nor a legacy name")]
    Nobody,
    /// The address is no SMTP address, so no mailbox has it.
    #[error("the request asks for {address:?}, which is no address")]
    NoAddress {
        /// What was asked for.
        address: String,
    },
    /// No provider answers in that schema.
    #[error("the request accepts only answers in {schema:?}")]
    NoProvider {
        /// The `AcceptableResponseSchema`, or the namespace of the request.
        schema: String,
    },
}

impl Refusal {
    /// The code to answer with.
    pub fn code(&self) -> FaultCode {
        match self {
            Self::Unreadable(_) | Self::Foreign { .. } | Self::Count { .. } | Self::Nobody => {
                FaultCode::InvalidRequest
            }
            Self::NoAddress { .. } => FaultCode::UnknownAddress,
            Self::NoProvider { .. } => FaultCode::NoProvider,
        }
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Provider {
    Outlook,
    MobileSync,
}

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], to be answered with its code.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let text = Text::read(body, Limits::REQUEST)?;
        let root = text.root()?;
        let provider = provider(&root)?;
        let mut requests = root.all("Request");
        let (Some(request), None) = (requests.next(), requests.next()) else {
            return Err(Refusal::Count {
                element: "Request",
                count: root.all("Request").count(),
            });
        };
        let address = at_most_one(request, "EMailAddress")?;
        let legacy = at_most_one(request, "LegacyDN")?;
        let mut schemas = request
            .all("AcceptableResponseSchema")
            .map(Element::value)
            .peekable();
        let Some(first) = schemas.peek().copied().filter(|schema| !schema.is_empty()) else {
            return Err(Refusal::Count {
                element: "AcceptableResponseSchema",
                count: 0,
            });
        };
        let wanted = match provider {
            Provider::Outlook => pox::OUTLOOK_RESPONSE,
            Provider::MobileSync => pox::MOBILESYNC_RESPONSE,
        };
        if schemas.all(|schema| schema != wanted) {
            return Err(Refusal::NoProvider {
                schema: first.to_owned(),
            });
        }
        let parse = |address: &str| {
            SmtpAddress::parse(address).map_err(|error| Refusal::NoAddress {
                address: error.text,
            })
        };
        match (provider, legacy, address) {
            // Both: the legacy name counts ([MS-OXDSCLI] 3.2.5).
            (Provider::Outlook, Some(legacy), _) => {
                Ok(Self::Outlook(Who::LegacyDn(legacy.to_owned())))
            }
            (Provider::Outlook, None, Some(address)) => {
                Ok(Self::Outlook(Who::Address(parse(address)?)))
            }
            (Provider::MobileSync, _, Some(address)) => Ok(Self::MobileSync(parse(address)?)),
            (_, _, None) => Err(Refusal::Nobody),
        }
    }

    /// Writes the body of a request.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut xml = Writer::indented(out);
        let (request, response) = match self {
            Self::Outlook(_) => (pox::OUTLOOK_REQUEST, pox::OUTLOOK_RESPONSE),
            Self::MobileSync(_) => (pox::MOBILESYNC_REQUEST, pox::MOBILESYNC_RESPONSE),
        };
        xml.open_with("Autodiscover", &[("xmlns", request)]);
        xml.open("Request");
        match self {
            Self::Outlook(Who::Address(address)) | Self::MobileSync(address) => {
                xml.leaf("EMailAddress", address.as_str());
            }
            Self::Outlook(Who::LegacyDn(legacy)) => xml.leaf("LegacyDN", legacy),
            // A name in a directory is nothing that a request can hold; no object has an empty legacy name.
            Self::Outlook(Who::Dn(_)) => xml.leaf("LegacyDN", ""),
        }
        xml.leaf("AcceptableResponseSchema", response);
        xml.close("Request");
        xml.close("Autodiscover");
    }
}

fn provider(root: &Element<'_>) -> Result<Provider, Refusal> {
    let named = root.name == "Autodiscover";
    let near = |canonical| same_namespace(&root.namespace, canonical);
    match &*root.namespace {
        pox::OUTLOOK_REQUEST if named => Ok(Provider::Outlook),
        pox::MOBILESYNC_REQUEST if named => Ok(Provider::MobileSync),
        // With `https`, as Microsoft's pages show it: a schema without a provider.
        other if named && (near(pox::OUTLOOK_REQUEST) || near(pox::MOBILESYNC_REQUEST)) => {
            Err(Refusal::NoProvider {
                schema: other.to_owned(),
            })
        }
        other => Err(Refusal::Foreign {
            root: root.name.to_owned(),
            namespace: other.to_owned(),
        }),
    }
}

/// The value of an element that may not be repeated; an empty one counts as none.
fn at_most_one<'e>(
    request: &'e Element<'_>,
    element: &'static str,
) -> Result<Option<&'e str>, Refusal> {
    let mut values = request.all(element).map(Element::value);
    let first = values.next().filter(|value| !value.is_empty());
    match values.count() {
        0 => Ok(first),
        more => Err(Refusal::Count {
            element,
            count: more.saturating_add(1),
        }),
    }
}
