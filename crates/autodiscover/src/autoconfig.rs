//! Autoconfig: what Thunderbird and its kin ask for, `config-v1.1.xml`, without a login.
//!
//! Format: Mozilla's autoconfig, and its draft at the IETF (draft-ietf-mailmaint-autoconfig). Clients ask
//! with an address, with one that was made anonymous, with one that is encoded too much, or with none.
//! So the answer depends on the domain alone, and the user's name is left to the client to fill in.
//!
//! Invariant: nothing of the address stands in an answer.

use automend_core::host_port;

use crate::query;
use crate::services::{Encryption, Login, MailServer, Services, Site};
use crate::xml::Writer;

/// The domain of the address in a query, in lower case; `None` where there is none that could be one.
pub fn domain(query: Option<&str>) -> Option<String> {
    let address = query::address(query::parameter(query?, "emailaddress")?)?;
    let (_, domain) = address.trim().rsplit_once('@')?;
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!domain.is_empty() && domain.len() <= 253 && domain.chars().all(plain)).then_some(domain)
}

/// Whether a query names any domain, even one that could be none: text behind the `@` of an address.
pub fn names_domain(query: Option<&str>) -> bool {
    let address = query
        .and_then(|query| query::parameter(query, "emailaddress"))
        .and_then(query::address);
    address.is_some_and(|address| {
        let domain = address.trim().rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| !domain.is_empty())
    })
}

/// Whether an answer would be of use: every client wants a server for each way, and refuses a
/// configuration without `outgoingServer`.
pub fn is_offered(services: &Services) -> bool {
    let incoming =
        services.imap.is_some() || services.pop3.is_some() || web_services(services).is_some();
    incoming && services.smtp.is_some()
}

/// Writes the configuration of a domain to the end of `out`.
pub fn answer(domain: &str, services: &Services, out: &mut Vec<u8>) {
    let mut xml = Writer::indented(out);
    xml.open_with("clientConfig", &[("version", "1.1")]);
    xml.open_with("emailProvider", &[("id", domain)]);
    xml.leaf("domain", domain);
    let name = services.display_name.as_deref().unwrap_or(domain);
    xml.leaf("displayName", name);
    xml.leaf("displayShortName", name);
    for (kind, server) in [("imap", &services.imap), ("pop3", &services.pop3)] {
        mail(&mut xml, "incomingServer", kind, server.as_ref());
    }
    exchange(&mut xml, services);
    mail(&mut xml, "outgoingServer", "smtp", services.smtp.as_ref());
    xml.close("emailProvider");
    xml.close("clientConfig");
}

fn mail(xml: &mut Writer<'_>, element: &'static str, kind: &str, server: Option<&MailServer>) {
    let Some(server) = server else { return };
    xml.open_with(element, &[("type", kind)]);
    xml.leaf("hostname", &server.host);
    xml.leaf("port", &server.port.to_string());
    xml.leaf(
        "socketType",
        match server.encryption {
            Encryption::Tls => "SSL",
            Encryption::StartTls => "STARTTLS",
            Encryption::None => "plain",
        },
    );
    xml.leaf("authentication", "password-cleartext");
    xml.leaf(
        "username",
        match server.login {
            Login::Address => "%EMAILADDRESS%",
            Login::LocalPart => "%EMAILLOCALPART%",
        },
    );
    xml.close(element);
}

/// An Exchange server, which clients reach by its web services.
fn exchange(xml: &mut Writer<'_>, services: &Services) {
    let Some((site, ews)) = web_services(services) else {
        return;
    };
    xml.open_with("incomingServer", &[("type", "exchange")]);
    xml.leaf("hostname", host(ews));
    xml.leaf("port", "443");
    xml.leaf("socketType", "SSL");
    xml.leaf("authentication", "password-cleartext");
    xml.leaf("username", "%EMAILADDRESS%");
    xml.leaf_if("owaURL", site.owa.as_deref());
    // Thunderbird read `ewsURL` first and reads `exchangeURL` today.
    xml.leaf("ewsURL", ews);
    xml.leaf("exchangeURL", ews);
    xml.leaf_if("easURL", site.eas.as_deref());
    xml.close("incomingServer");
}

/// The side that is reached from everywhere, if it is known, and its web services.
fn web_services(services: &Services) -> Option<(&Site, &str)> {
    let mut sites = [&services.external, &services.internal].into_iter();
    sites.find_map(|site| Some((site, site.ews.as_deref()?)))
}

/// The host of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host_port::host(authority)
}
