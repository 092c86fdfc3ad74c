//! What works in an answer and should be better, as far as the settings themselves tell it.
//!
//! Names under which no public authority signs a certificate: those of one label, and the suffixes that are
//! reserved or were in use inside of organisations (RFC 6762 appendix G, RFC 8375, RFC 2606).
//!
//! Invariant: only what the settings say is looked at; nobody is asked.

use automend_core::discovery::{Host, Scheme, Url};
use automend_core::names::SmtpAddress;
use automend_core::verdict::Cause;

use super::Told;

/// Last labels of names that the Internet does not know.
const INTERNAL: [&str; 11] = [
    "local",
    "localdomain",
    "localhost",
    "lan",
    "internal",
    "intranet",
    "corp",
    "home",
    "private",
    "loc",
    "ad",
];
/// Protocols of any mail server ([MS-OXDSCLI] 2.2.4.1.1.2.6.49).
const PLAIN_MAIL: [&str; 4] = ["IMAP", "POP3", "POP", "SMTP"];

/// What should be better in settings that were asked for by the first of `names`; the others are names of the
/// same mailbox, which led there.
pub(crate) fn concerns(told: &Told, names: &[&SmtpAddress]) -> Vec<(Cause, String)> {
    let mut found = Vec::new();
    if let Some(other) = told.address.as_deref().map(str::trim)
        && !other.is_empty()
        && SmtpAddress::parse(other).map_or(true, |other| !names.contains(&&other))
        && let Some(address) = names.first()
    {
        found.push((Cause::OtherAddress, format!("{other} instead of {address}")));
    }
    for promise in told.promises() {
        let names = promise.names.join(", ");
        if promise.url.scheme() == Scheme::Http
            && promise.names.iter().any(|name| !name.contains("OABUrl"))
        {
            let url = crate::secrets::url(&promise.url.to_string());
            found.push((Cause::UrlPlain, format!("{names} is {url}")));
        }
    }
    let home = names.first().and_then(|name| Host::parse(name.domain()));
    for (name, value) in external(told) {
        let host = Url::parse(&value)
            .map(|url| url.host().clone())
            .or_else(|| Host::parse(value.trim()));
        if let Some(host) = host
            && is_internal(&host)
            && !home.as_ref().is_some_and(is_internal)
        {
            found.push((Cause::InternalName, format!("{name} names {host}")));
        }
    }
    found.dedup();
    found
}

/// Whether settings are there, and none of them is of Exchange.
pub(crate) fn is_plain_mail(told: &Told) -> bool {
    let plain = |kind: &str| {
        PLAIN_MAIL
            .iter()
            .any(|known| kind.trim().eq_ignore_ascii_case(known))
    };
    !told.protocols.is_empty() && told.protocols.iter().all(|protocol| plain(&protocol.kind))
}

/// What a client outside is told to use: a name, and a URL or a host.
fn external(told: &Told) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for protocol in &told.protocols {
        let outside = protocol.kind.trim().eq_ignore_ascii_case("EXPR");
        for field in &protocol.fields {
            let named = field.path.contains("External");
            // Types, flags and ways to log in stand beside them, and are no names of hosts.
            let leads = is_url(&field.value) || outside && field.path == "Server";
            if (named || outside) && leads && !field.path.contains("Internal") {
                found.push((
                    format!("{} {}", protocol.kind, field.path),
                    field.value.clone(),
                ));
            }
        }
    }
    let values = told.values.iter();
    found.extend(
        values
            .filter(|(name, value)| {
                name.starts_with("External") && (is_url(value) || name == "ExternalMailboxServer")
            })
            .cloned(),
    );
    let servers = told.servers.iter();
    let servers = servers.filter(|server| is_url(&server.url));
    found.extend(servers.map(|server| (server.kind.clone(), server.url.clone())));
    found
}

fn is_url(value: &str) -> bool {
    value.contains("://")
}

/// Whether nobody outside can find a host.
fn is_internal(host: &Host) -> bool {
    match host {
        Host::Name(name) => match name.rsplit_once('.') {
            None => true,
            Some((before, last)) => {
                INTERNAL.contains(&last) || last == "arpa" && before.ends_with("home")
            }
        },
        Host::Address(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use automend_autodiscover::pox;

    use super::*;

    #[track_caller]
    fn check(address: &str, protocols: &str, expected: &[(Cause, &str)]) -> Told {
        let body = format!(
            "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
             <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\
             <User><AutoDiscoverSMTPAddress>{address}</AutoDiscoverSMTPAddress></User>\
             <Account><Action>settings</Action>{protocols}</Account></Response></Autodiscover>"
        );
        let (answer, _) = pox::read(body.as_bytes()).unwrap();
        let pox::Reply::Settings(account) = answer.reply else {
            panic!("{body}");
        };
        let told = Told {
            address: answer.user.address,
            protocols: account.protocols,
            ..Told::default()
        };
        let asked = SmtpAddress::parse("alice@contoso.com").unwrap();
        let found = concerns(&told, &[&asked]);
        let found: Vec<(Cause, &str)> = found.iter().map(|(c, d)| (*c, d.as_str())).collect();
        assert_eq!(found, expected, "{protocols}");
        told
    }

    #[test]
    fn what_should_be_better_is_named() {
        let alice = "Alice@CONTOSO.com";
        check(
            "",
            "<Protocol><Type>EXCH</Type><Server>mbx</Server></Protocol>",
            &[],
        );
        check(
            "bob@contoso.com",
            "<Protocol><Type>EXCH</Type></Protocol>",
            &[(
                Cause::OtherAddress,
                "bob@contoso.com instead of alice@contoso.com",
            )],
        );
        check(
            alice,
            "<Protocol><Type>EXCH</Type><EwsUrl>http://mail.contoso.com/e</EwsUrl></Protocol>",
            &[(Cause::UrlPlain, "EXCH EwsUrl is http://mail.contoso.com/e")],
        );
        check(
            alice,
            "<Protocol><Type>EXPR</Type><Server>mail</Server><EwsUrl>https://mbx1.contoso.local/e</EwsUrl></Protocol>",
            &[
                (Cause::InternalName, "EXPR Server names mail"),
                (Cause::InternalName, "EXPR EwsUrl names mbx1.contoso.local"),
            ],
        );
        // A type beside an external URL is no host.
        check(
            alice,
            "<Protocol><Type>WEB</Type><External><OWAUrl AuthenticationMethod=\"Basic\">https://mail.contoso.com/owa</OWAUrl>\
             <Protocol><Type>EXPR</Type><ASUrl>https://mail.contoso.com/e</ASUrl></Protocol></External></Protocol>",
            &[],
        );
        check(
            alice,
            "<Protocol><Type>EXPR</Type><Server>mail.contoso.com</Server></Protocol>\
             <Protocol><Type>EXCH</Type><Server>mbx1.contoso.local</Server></Protocol>",
            &[],
        );
    }

    #[test]
    fn mail_without_exchange_is_known() {
        let alice = "alice@contoso.com";
        let of = |kinds: &[&str]| {
            let all: Vec<String> = kinds
                .iter()
                .map(|kind| format!("<Protocol><Type>{kind}</Type></Protocol>"))
                .collect();
            is_plain_mail(&check(alice, &all.concat(), &[]))
        };
        assert!(of(&["IMAP", "SMTP"]));
        assert!(of(&["pop3"]));
        assert!(!of(&["IMAP", "EXCH"]));
        assert!(!of(&[]));
    }
}
