//! Autodiscover V2: one URL for one protocol, in JSON, without a login.
//!
//! There is no normative specification; the forms are those of Exchange Online and of the servers that
//! imitate it. The answer depends on the protocol and the domain, never on whether the user exists.
//!
//! Invariant: nothing of the request stands in an answer but the protocol, and that as it is spelled here.

use std::borrow::Cow;

use crate::query::{self, Plus};
use crate::reading::{Defect, Reading, Unreadable};
use crate::schema::path;
use crate::services::Services;
use crate::xml::{Limits, Text};

/// A request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// For whom, as it was written; it may be no address.
    pub address: String,
    /// For what.
    pub protocol: Protocol,
    /// How often the client was redirected.
    pub redirect_count: u32,
}

/// A protocol that has a URL here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// Exchange ActiveSync.
    ActiveSync,
    /// Exchange Web Services.
    Ews,
    /// POX.
    AutodiscoverV1,
}

impl Protocol {
    /// Every protocol that can be asked for.
    pub const ALL: [Self; 3] = [Self::ActiveSync, Self::Ews, Self::AutodiscoverV1];

    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActiveSync => "ActiveSync",
            Self::Ews => "Ews",
            Self::AutodiscoverV1 => "AutodiscoverV1",
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no address.
    #[error("the request names no address")]
    MandatoryParameterMissing,
    /// There is no protocol.
    #[error("the request names no protocol")]
    MissingProtocol,
    /// The protocol has no URL here.
    #[error("the request names a protocol that has no URL here")]
    ProtocolNotSupported,
    /// What stands for the address is none.
    #[error("the request names no valid address")]
    InvalidUserId,
    /// No user is served in the domain of the address.
    #[error("the domain of the address is not served here")]
    UserNotFound,
}

impl Refusal {
    /// The HTTP status of the answer: 404 for a domain that is not served, 400 for the rest.
    pub fn status(self) -> u16 {
        match self {
            Self::UserNotFound => 404,
            Self::MandatoryParameterMissing
            | Self::MissingProtocol
            | Self::ProtocolNotSupported
            | Self::InvalidUserId => 400,
        }
    }

    /// `ErrorCode` of the answer.
    pub fn code(self) -> &'static str {
        match self {
            Self::MandatoryParameterMissing => "MandatoryParameterMissing",
            Self::MissingProtocol => "MissingProtocol",
            Self::ProtocolNotSupported => "ProtocolNotSupported",
            Self::InvalidUserId => "InvalidUserId",
            Self::UserNotFound => "UserNotFound",
        }
    }

    /// `ErrorMessage` of the answer, given the protocols that have a URL.
    fn message(self, offered: &[&str]) -> Cow<'static, str> {
        match self {
            Self::MandatoryParameterMissing => {
                "The get request sent does not match the valid format.".into()
            }
            Self::MissingProtocol => {
                "A valid value must be provided for the query parameter 'Protocol'.".into()
            }
            // The request's own word would stand here; nothing of a request is given back.
            Self::ProtocolNotSupported => format!(
                "Protocol: The protocol is not supported. Supported protocols are: '{}'.",
                offered.join(",")
            )
            .into(),
            Self::InvalidUserId => "The given user is invalid".into(),
            Self::UserNotFound => "The given user is not found".into(),
        }
    }
}

impl Request {
    /// Reads the path and the query of a request; `None` if the path is not V2's.
    pub fn parse(path: &str, query: Option<&str>) -> Option<Result<Self, Refusal>> {
        let rest = path.get(path::V2.len()..).filter(|_| {
            path.get(..path::V2.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(path::V2))
        })?;
        let in_path = match rest.trim_end_matches('/') {
            "" => None,
            rest => {
                let mut parts = rest.strip_prefix('/')?.splitn(2, '/');
                parts
                    .next()
                    .filter(|version| version.eq_ignore_ascii_case("v1.0"))?;
                parts.next()
            }
        };
        Some(Self::read(in_path, query.unwrap_or_default()))
    }

    fn read(in_path: Option<&str>, query: &str) -> Result<Self, Refusal> {
        let address = in_path
            .or_else(|| query::parameter(query, "Email"))
            .and_then(query::address)
            .filter(|address| !address.trim().is_empty())
            .ok_or(Refusal::MandatoryParameterMissing)?;
        let text = |name| query::decode(query::parameter(query, name)?, Plus::Blank);
        let wanted = text("Protocol").ok_or(Refusal::MissingProtocol)?;
        if wanted.trim().is_empty() {
            return Err(Refusal::MissingProtocol);
        }
        let protocol = Protocol::ALL
            .into_iter()
            .find(|protocol| wanted.trim().eq_ignore_ascii_case(protocol.as_str()))
            .ok_or(Refusal::ProtocolNotSupported)?;
        let redirects = text("RedirectCount").and_then(|count| count.trim().parse().ok());
        Ok(Self {
            address,
            protocol,
            redirect_count: redirects.unwrap_or(0),
        })
    }

    /// The path and query of this request, for a client.
    pub fn target(&self) -> String {
        let mut target = format!("{}?Email=", path::V2);
        query::encode(&self.address, &mut target);
        target.push_str("&Protocol=");
        target.push_str(self.protocol.as_str());
        if self.redirect_count > 0 {
            target.push_str("&RedirectCount=");
            target.push_str(&self.redirect_count.to_string());
        }
        target
    }
}

/// The URL for a protocol, or that there is none.
///
/// `pox` is the URL of POX for the address's domain.
///
/// # Errors
///
/// [`Refusal::ProtocolNotSupported`] where no URL is configured.
pub fn url<'s>(
    protocol: Protocol,
    services: &'s Services,
    pox: Option<&'s str>,
) -> Result<&'s str, Refusal> {
    let (external, internal) = (&services.external, &services.internal);
    match protocol {
        Protocol::ActiveSync => external.eas.as_deref().or(internal.eas.as_deref()),
        Protocol::Ews => external.ews.as_deref().or(internal.ews.as_deref()),
        Protocol::AutodiscoverV1 => pox,
    }
    .ok_or(Refusal::ProtocolNotSupported)
}

/// Writes an answer to the end of `out`.
pub fn answer(protocol: Protocol, url: &str, out: &mut Vec<u8>) {
    object([("Protocol", protocol.as_str()), ("Url", url)], out);
}

/// Writes the answer to a request that is refused to the end of `out`; `pox` is as for [`url`].
pub fn refusal(refusal: Refusal, services: &Services, pox: Option<&str>, out: &mut Vec<u8>) {
    let offered: Vec<&str> = Protocol::ALL
        .into_iter()
        .filter(|protocol| url(*protocol, services, pox).is_ok())
        .map(Protocol::as_str)
        .collect();
    let message = refusal.message(&offered);
    object(
        [("ErrorCode", refusal.code()), ("ErrorMessage", &message)],
        out,
    );
}

fn object(fields: [(&str, &str); 2], out: &mut Vec<u8>) {
    let [(first, one), (second, two)] =
        fields.map(|(key, value)| (key, serde_json::Value::from(value)));
    let text = format!(r#"{{"{first}":{one},"{second}":{two}}}"#);
    out.extend_from_slice(text.as_bytes());
}

/// An answer, as a client reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Where the protocol is found.
    Url {
        /// `Protocol`, in whatever case.
        protocol: String,
        /// `Url`.
        url: String,
    },
    /// An error, whatever the HTTP status was.
    Fault {
        /// `ErrorCode`.
        code: String,
        /// `ErrorMessage`.
        message: String,
    },
}

/// More bytes are no answer of V2.
const MOST_BYTES: usize = 64 << 10;

/// Reads an answer.
///
/// # Errors
///
/// Why these bytes are no answer of V2.
pub fn read(bytes: &[u8]) -> Reading<Answer> {
    if bytes.len() > MOST_BYTES {
        return Err(Unreadable::Limit {
            what: "bytes",
            max: MOST_BYTES,
        });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(Unreadable::Empty);
    }
    if bytes.trim_ascii_start().starts_with(b"<") {
        // Mostly a page that says where the object moved to.
        return Err(
            match Text::read(bytes, Limits::REQUEST).and_then(|text| Ok(text.root()?.foreign())) {
                Err(page @ Unreadable::WebPage { .. }) => page,
                Ok(foreign) => foreign,
                Err(_) => Unreadable::Malformed {
                    at: 0,
                    what: "markup instead of JSON",
                },
            },
        );
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(Unreadable::Encoding {
            encoding: "utf-8".to_owned(),
            at: error.valid_up_to(),
        });
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes)
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => Unreadable::Truncated {
                inside: String::new(),
            },
            _ => Unreadable::Malformed {
                at: 0,
                what: "no JSON object",
            },
        })?;
    let text = |name: &str| {
        let mut fields = object.iter();
        let (_, value) = fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.as_str().map(str::to_owned)
    };
    let mut defects = Vec::new();
    let mut wanted = |element: &'static str| {
        text(element).unwrap_or_else(|| {
            defects.push(Defect::Missing {
                inside: "the object",
                element,
            });
            String::new()
        })
    };
    let answer = if text("ErrorCode").is_some() || text("ErrorMessage").is_some() {
        Answer::Fault {
            code: wanted("ErrorCode"),
            message: wanted("ErrorMessage"),
        }
    } else if text("Url").is_some() || text("Protocol").is_some() {
        Answer::Url {
            protocol: wanted("Protocol"),
            url: wanted("Url"),
        }
    } else {
        return Err(Unreadable::Foreign {
            root: String::new(),
            namespace: String::new(),
        });
    };
    Ok((answer, defects))
}
