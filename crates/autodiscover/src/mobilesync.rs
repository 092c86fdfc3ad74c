//! MobileSync: what mobile devices are answered ([MS-ASCMD] 2.2.1.3).
//!
//! Errors come in two kinds. Where the request is to blame, the service answers as it answers Outlook
//! ([`crate::pox::fault`]); where the mailbox is, the provider does, with a `Status` inside `Action`.

use automend_core::names::SmtpAddress;
use automend_core::settings::Outcome;

use crate::schema::pox;
use crate::services::Services;
use crate::xml::Writer;

/// A `Server` of a mobile device's settings, as a client reads it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Server {
    /// `Type`: `MobileSync` or `CertEnroll`.
    pub kind: String,
    /// `Url`.
    pub url: String,
    /// `Name`.
    pub name: String,
    /// `ServerData`.
    pub server_data: Option<String>,
}

/// Writes the answer to a mobile device that asked for `address` to the end of `out`.
///
/// A mailbox without an ActiveSync URL is answered as one that is not here.
pub fn answer(outcome: &Outcome, address: &SmtpAddress, services: &Services, out: &mut Vec<u8>) {
    let url = services
        .external
        .eas
        .as_deref()
        .or(services.internal.eas.as_deref());
    match (outcome, url) {
        (Outcome::Settings(settings), Some(url)) => {
            document(&settings.display_name, &settings.address, out, |xml| {
                xml.open("Settings");
                xml.open("Server");
                xml.leaf("Type", "MobileSync");
                xml.leaf("Url", url);
                xml.leaf("Name", url);
                xml.close("Server");
                xml.close("Settings");
            });
        }
        (Outcome::Redirect(target), _) => {
            document("", address, out, |xml| {
                xml.leaf("Redirect", target.as_str());
            });
        }
        (Outcome::Settings(_), None) => {
            failure("ActiveSync is not offered for this mailbox.", address, out);
        }
        (Outcome::Fault(fault), _) => failure(fault.code.message(), address, out),
    }
}

/// Writes an error of the provider: the request is good, the mailbox cannot be told of.
pub fn failure(message: &str, address: &SmtpAddress, out: &mut Vec<u8>) {
    document("", address, out, |xml| {
        xml.open("Error");
        xml.leaf("Status", PROTOCOL_ERROR);
        xml.leaf("Message", message);
        xml.empty("DebugData", &[]);
        xml.close("Error");
    });
}

/// `Status` of every error; 1 would be success and is never sent ([MS-ASCMD] 2.2.3.177.1).
const PROTOCOL_ERROR: &str = "2";

fn document(
    name: &str,
    address: &SmtpAddress,
    out: &mut Vec<u8>,
    action: impl FnOnce(&mut Writer<'_>),
) {
    let mut xml = Writer::indented(out);
    xml.open_with("Autodiscover", &[("xmlns", pox::RESPONSE)]);
    xml.open_with("Response", &[("xmlns", pox::MOBILESYNC_RESPONSE)]);
    xml.leaf("Culture", "en:us");
    xml.open("User");
    if !name.is_empty() {
        xml.leaf("DisplayName", name);
    }
    xml.leaf("EMailAddress", address.as_str());
    xml.close("User");
    xml.open("Action");
    action(&mut xml);
    xml.close("Action");
    xml.close("Response");
    xml.close("Autodiscover");
}
