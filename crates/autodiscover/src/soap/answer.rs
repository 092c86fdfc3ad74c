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
use super::setting::{Setting, setting_error};
use super::user::{User, dotted};
use super::{ErrorCode, Refusal, Wanted};
use crate::schema::soap;
use crate::services::{Services, Version};
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

    /// No object has that address.
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
                    xml.leaf("RedirectTarget", address.as_str());
                }
                UserAnswer::RedirectUrl(url) => xml.leaf("RedirectTarget", url),
                UserAnswer::Settings(..) | UserAnswer::Error(..) => nil(xml, "RedirectTarget"),
            }
            if let UserAnswer::Settings(settings, services) = answer {
                User::of(settings, services).write(wanted, xml);
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
