//! What servers say: answers good and bad, and logins in front of them.

use super::{Does, Heard};

pub(crate) const USER: &str = "alice@contoso.test";
pub(crate) const PASSWORD: &str = "Wint3r-Regen";
/// Basic with user and password of these tests.
pub(crate) const BASIC: &str = "Basic YWxpY2VAY29udG9zby50ZXN0OldpbnQzci1SZWdlbg==";

const ENVELOPE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// A status and nothing else.
pub(crate) fn status(status: u16) -> Does {
    Does::Answers(status, Vec::new(), Vec::new())
}

/// An answer with a body of XML.
pub(crate) fn xml(body: impl AsRef<[u8]>) -> Does {
    let kind = vec![("Content-Type", "text/xml; charset=utf-8".to_owned())];
    Does::Answers(200, kind, body.as_ref().to_vec())
}

/// A 3xx.
pub(crate) fn redirect(status: u16, location: &str) -> Does {
    Does::Answers(status, vec![("Location", location.to_owned())], Vec::new())
}

/// A POX answer with this account.
pub(crate) fn account(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{ENVELOPE}\">\
         <Response xmlns=\"{OUTLOOK}\"><User><DisplayName>Alice</DisplayName>\
         <LegacyDN>/o=Contoso/cn=alice</LegacyDN><AutoDiscoverSMTPAddress>{USER}</AutoDiscoverSMTPAddress>\
         </User><Account><AccountType>email</AccountType>{inside}</Account></Response></Autodiscover>"
    )
}

/// Settings with one protocol, and whatever else is in the account.
pub(crate) fn settings_with(more: &str) -> String {
    account(&format!(
        "<Action>settings</Action><Protocol><Type>EXCH</Type><Server>mbx@contoso.test</Server>\
         <EwsUrl>https://mail.contoso.test/EWS/Exchange.asmx</EwsUrl></Protocol>{more}"
    ))
}

pub(crate) fn settings() -> String {
    settings_with("")
}

pub(crate) fn redirect_address(address: &str) -> String {
    account(&format!(
        "<Action>redirectAddr</Action><RedirectAddr>{address}</RedirectAddr>"
    ))
}

pub(crate) fn redirect_url(url: &str) -> String {
    account(&format!(
        "<Action>redirectUrl</Action><RedirectUrl>{url}</RedirectUrl>"
    ))
}

/// An error as Exchange writes it.
pub(crate) fn fault(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{ENVELOPE}\"><Response>\
         <Error Time=\"12:03:32.8803744\" Id=\"2422600485\"><ErrorCode>{code}</ErrorCode>\
         <Message>{message}</Message><DebugData /></Error></Response></Autodiscover>"
    )
}

/// 401 with these challenges.
pub(crate) fn challenge(schemes: &[&str]) -> Does {
    let headers = schemes
        .iter()
        .map(|scheme| ("WWW-Authenticate", (*scheme).to_owned()));
    Does::Answers(401, headers.collect(), b"log in".to_vec())
}

/// Basic in front of something: the password of these tests opens.
pub(crate) fn behind_basic(heard: &Heard, inside: impl FnOnce() -> Does) -> Does {
    if heard.header("authorization") == Some(BASIC) {
        inside()
    } else {
        challenge(&["Basic realm=\"mail\""])
    }
}
