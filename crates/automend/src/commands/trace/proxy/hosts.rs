//! Which connections are looked into: those to Autodiscover, those to the hosts that Autodiscover named,
//! and those that were asked for.
//!
//! Invariant: no host is looked into for its likeness to another; names are compared whole.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use automend_autodiscover::{pox, soap, v2};
use automend_recording::HttpExchange;

/// Where Exchange Online answers Autodiscover.
const CLOUD: &str = "autodiscover-s.outlook.com";
/// More hosts are not learnt: a strange answer must not exchange this into a tap.
const MOST_LEARNT: usize = 64;
/// Fields of POX whose URL leads to Exchange Web Services.
const POX_URLS: [&str; 5] = ["EwsUrl", "ASUrl", "EmwsUrl", "EwsPartnerUrl", "OOFUrl"];
/// The same of SOAP.
const SOAP_URLS: [&str; 4] = [
    "ExternalEwsUrl",
    "InternalEwsUrl",
    "ExternalEmwsUrl",
    "InternalEmwsUrl",
];

/// The hosts that are looked into.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    everything: bool,
    names: HashSet<String>,
    /// Endings with their dot: `.contoso.com`.
    below: Vec<String>,
    learnt: Mutex<HashSet<String>>,
}

impl Hosts {
    /// `*`, `*.contoso.com` or a name, for each that was asked for.
    pub(crate) fn new(asked: &[String]) -> Self {
        let mut hosts = Self::default();
        for name in asked {
            let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
            if name == "*" {
                hosts.everything = true;
            } else if let Some(below) = name.strip_prefix('*') {
                hosts.below.push(below.to_owned());
            } else {
                hosts.names.insert(name);
            }
        }
        hosts
    }

    /// Whether connections to this host are looked into.
    pub(crate) fn has(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.everything
            || host.starts_with("autodiscover.")
            || host == CLOUD
            || self.names.contains(&host)
            || self
                .below
                .iter()
                .any(|below| host.len() > below.len() && host.ends_with(below.as_str()))
            || self
                .learnt
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&host)
    }

    /// Learns the hosts that an answer names; those that are new come back.
    pub(crate) fn learn(&self, exchange: &HttpExchange) -> Vec<String> {
        let mut found = Vec::new();
        for host in named(exchange) {
            let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            if learnt.len() < MOST_LEARNT
                && !self.names.contains(&host)
                && learnt.insert(host.clone())
            {
                found.push(host);
            }
        }
        found
    }
}

/// The hosts that an answer of Autodiscover leads to.
fn named(exchange: &HttpExchange) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    if (300..400).contains(&exchange.status) {
        urls.extend(exchange.response.header("location").map(str::to_owned));
    } else if let Ok((answer, _)) = pox::read(&exchange.response.body) {
        match answer.reply {
            pox::Reply::Settings(account) => {
                let fields = account
                    .protocols
                    .iter()
                    .flat_map(|protocol| POX_URLS.map(|field| protocol.value(field)));
                urls.extend(fields.flatten().map(str::to_owned));
            }
            pox::Reply::RedirectUrl(url) => urls.push(url),
            _ => {}
        }
    } else if let Ok((answer, _)) = soap::read(&exchange.response.body) {
        if let soap::Body::Users(_, users) = answer.body {
            let texts = users
                .iter()
                .flat_map(|user| SOAP_URLS.map(|name| user.text(name)));
            urls.extend(texts.flatten().map(str::to_owned));
        }
    } else if let Ok((v2::Answer::Url { url, .. }, _)) = v2::read(&exchange.response.body) {
        urls.push(url);
    }
    urls.iter().filter_map(|url| host(url)).collect()
}

/// The host of a URL, in lower case.
fn host(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.trim().parse().ok()?;
    matches!(uri.scheme_str(), Some("https" | "http"))
        .then(|| uri.host().map(str::to_ascii_lowercase))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_recording::Message;

    #[test]
    fn hosts_of_autodiscover_and_those_asked_for_are_looked_into() {
        let asked = ["Contoso.com".to_owned(), "*.fabrikam.com".to_owned()];
        let hosts = Hosts::new(&asked);
        for (host, expected) in [
            ("autodiscover.anything.test", true),
            ("AUTODISCOVER.contoso.com.", true),
            ("autodiscover-s.outlook.com", true),
            ("contoso.com", true),
            ("www.contoso.com", false),
            ("mail.fabrikam.com", true),
            ("fabrikam.com", false),
            ("notfabrikam.com", false),
            ("xautodiscover.contoso.com", false),
            ("bank.test", false),
        ] {
            assert_eq!(hosts.has(host), expected, "{host}");
        }
        assert!(Hosts::new(&["*".to_owned()]).has("bank.test"));
    }

    #[test]
    fn hosts_that_answers_name_are_learnt() {
        let hosts = Hosts::new(&[]);
        let answer = "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
             <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\"><Account>\
             <AccountType>email</AccountType><Action>settings</Action><Protocol><Type>EXPR</Type>\
             <EwsUrl>https://Mail.contoso.com/EWS/Exchange.asmx</EwsUrl><OABUrl>https://oab.contoso.com/</OABUrl></Protocol>\
             </Account></Response></Autodiscover>";
        let exchange = HttpExchange {
            status: 200,
            response: Message {
                body: answer.as_bytes().to_vec(),
                ..Message::default()
            },
            ..HttpExchange::default()
        };
        assert_eq!(hosts.learn(&exchange), ["mail.contoso.com"]);
        assert_eq!(hosts.learn(&exchange), Vec::<String>::new());
        assert!(hosts.has("mail.contoso.com") && !hosts.has("oab.contoso.com"));
        let mut redirect = HttpExchange {
            status: 302,
            ..HttpExchange::default()
        };
        redirect.response.push(
            "Location".to_owned(),
            "https://cas.contoso.com/autodiscover/autodiscover.xml".to_owned(),
        );
        assert_eq!(hosts.learn(&redirect), ["cas.contoso.com"]);
    }
}
