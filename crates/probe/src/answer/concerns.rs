//! What works in an answer and should be better, as far as the settings themselves tell it.
//!
//! Names under which no public authority signs a certificate: those of one label, and the suffixes that are
//! reserved or were in use inside of organisations (RFC 6762 appendix G, RFC 8375, RFC 2606).
//!
//! Invariant: only what the settings say is looked at; no request is sent.

use automend_core::discovery::{Host, Scheme, Url};
use automend_core::names::SmtpAddress;
use automend_core::verdict::Cause;
use serde_json::{Value, json};

use super::SettingsSummary;

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

/// How many are named of what is met several times.
const NAMED: usize = 3;

/// What should be better, once however often it is met.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Concern {
    /// What it is.
    pub cause: Cause,
    /// How often it is met.
    pub count: usize,
    /// The first few, each once.
    named: Vec<String>,
}

/// What was found, each cause once, in the order in which they are first met.
pub fn gathered(found: impl IntoIterator<Item = (Cause, String)>) -> Vec<Concern> {
    let mut concerns: Vec<Concern> = Vec::new();
    for (cause, detail) in found {
        match concerns.iter_mut().find(|known| known.cause == cause) {
            Some(known) => {
                known.count += 1;
                known.name(detail);
            }
            None => concerns.push(Concern::new(cause, detail)),
        }
    }
    concerns
}

impl Concern {
    /// Something that is met once.
    pub fn new(cause: Cause, detail: String) -> Self {
        let mut concern = Self {
            cause,
            count: 1,
            named: Vec::new(),
        };
        concern.name(detail);
        concern
    }

    /// What it is, with the count.
    pub fn what(&self) -> String {
        self.cause.what_of(self.count)
    }

    /// The first few of it, and how many more there are; may be empty.
    pub fn detail(&self) -> String {
        let first = self.named.join("; ");
        match self.count.saturating_sub(self.named.len()) {
            0 => first,
            _ if self.named.is_empty() => first,
            more => format!("{first} and {more} more"),
        }
    }

    /// The same in one sentence without a full stop.
    pub fn sentence(&self) -> String {
        let (what, detail) = (self.what(), self.detail());
        if detail.is_empty() {
            what
        } else {
            format!("{what}: {detail}")
        }
    }

    /// As a member of a report: the shape `warning` of the schemas.
    pub fn to_json(&self) -> Value {
        let detail = Some(self.detail()).filter(|detail| !detail.is_empty());
        json!({
            "cause": self.cause.code(),
            "what": self.what(),
            "count": self.count,
            "detail": detail,
        })
    }

    /// The same, with every name passed through `clean`.
    pub fn cleaned(mut self, clean: impl Fn(&mut String)) -> Self {
        self.named.iter_mut().for_each(clean);
        self
    }

    /// Takes what another answer has of it. Clients ask again and again, so most of it is the same.
    pub fn again(&mut self, other: &Self) {
        for detail in &other.named {
            self.name(detail.clone());
        }
        self.count = self.count.max(other.count).max(self.named.len());
    }

    fn name(&mut self, detail: String) {
        if self.named.len() < NAMED && !detail.is_empty() && !self.named.contains(&detail) {
            self.named.push(detail);
        }
    }
}

/// What should be better in settings that were asked for by the first of `names`; the others are names of the
/// same mailbox, which led there.
pub fn concerns(told: &SettingsSummary, names: &[&SmtpAddress]) -> Vec<(Cause, String)> {
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
            let url = automend_recording::secrets::url(&promise.url.to_string());
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
pub fn is_plain_mail(told: &SettingsSummary) -> bool {
    let plain = |kind: &str| {
        PLAIN_MAIL
            .iter()
            .any(|known| kind.trim().eq_ignore_ascii_case(known))
    };
    !told.protocols.is_empty() && told.protocols.iter().all(|protocol| plain(&protocol.kind))
}

/// What a client outside is to use: a name, and a URL or a host.
fn external(told: &SettingsSummary) -> Vec<(String, String)> {
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

/// Whether a host cannot be resolved from outside.
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
    fn check(address: &str, protocols: &str, expected: &[(Cause, &str)]) -> SettingsSummary {
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
        let told = SettingsSummary {
            address: answer.user.address,
            protocols: account.protocols,
            ..SettingsSummary::default()
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
    fn what_repeats_is_one_sentence_with_a_count() {
        let many = (0..200).map(|i| (Cause::MixedShape, format!("m{i}")));
        let twice = std::iter::repeat_n((Cause::UrlFails, "a".to_owned()), 2);
        let all = many.chain(twice).chain([
            (Cause::SrvPort, "port 444".to_owned()),
            (Cause::NoExchange, String::new()),
        ]);
        let mut concerns = gathered(all);
        let told: Vec<String> = concerns.iter().map(Concern::sentence).collect();
        assert_eq!(
            told,
            [
                "200 alternative mailboxes are described in a form that the specification forbids: m0; m1; m2 and 197 more",
                "2 URLs of the answer do not work: a and 1 more",
                "the SRV record names another port than 443: port 444",
                "the answer has only IMAP, POP or SMTP, and no Exchange protocol",
            ]
        );
        // The same answer again is not counted again, and another one is named, too.
        let same = concerns[0].clone();
        concerns[0].again(&same);
        assert_eq!(concerns[0], same);
        let mut port = concerns.remove(2);
        port.again(&Concern::new(Cause::SrvPort, "port 445".to_owned()));
        assert_eq!(
            port.sentence(),
            "the SRV record names another port than 443 (2 times): port 444; port 445"
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
