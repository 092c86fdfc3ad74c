//! What a search is to look at: what Outlook takes from the registry and the computer's membership.
//!
//! Invariant: a plan adds only hosts that the administrator named.

use std::fmt::Write as _;

use super::step::{Dialect, DiscoveryMethod};
use super::url::{Domain, Host, Scheme, Url};
use crate::names::SmtpAddress;

/// What a search is to look at.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What kind of client asks.
    pub dialect: Dialect,
    /// URLs that the administrator named; then nothing else is asked, unless every step is.
    pub given: Vec<Url>,
    /// Ways that are there only on request, or where there is something to look at: [`DiscoveryMethod::Scp`] with a
    /// directory, [`DiscoveryMethod::LocalXml`] with a file, [`DiscoveryMethod::V2Json`], [`DiscoveryMethod::Microsoft365`].
    pub with: Vec<DiscoveryMethod>,
    /// The server of the directory, if it is one.
    pub directory_host: Option<Host>,
    /// The site of Active Directory in which the client is to be.
    pub site: Option<String>,
    /// Ways to leave out.
    pub excluded: Vec<DiscoveryMethod>,
    /// Hosts that are trusted with what lies below them, without a question.
    pub allowed: Vec<Host>,
    /// Whether to go on where Outlook stops.
    pub all_steps: bool,
    /// The domain whose servers may have the password itself, where it is not that of the address: that
    /// of the user for whom an alternative mailbox is asked about.
    pub home: Option<Domain>,
    /// After so many rejected logins no other is made.
    pub most_rejections: u8,
}

impl Plan {
    /// Whether `host`, or what it lies below, is trusted without a question.
    pub(super) fn allows(&self, host: &Host) -> bool {
        let is_below = |allowed: &Host| match (host, allowed) {
            (Host::Name(name), Host::Name(allowed)) => name
                .strip_suffix(&**allowed)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            _ => host == allowed,
        };
        self.allowed.iter().any(is_below)
            || self.given.iter().any(|url| url.host() == host)
            || (self.with.contains(&DiscoveryMethod::Microsoft365) && *host == microsoft_365())
    }

    /// The same place, asked for the file of the dialect.
    pub(super) fn in_dialect(&self, url: &Url) -> Url {
        let file = self.dialect.file();
        match url.path().rsplit_once('/') {
            // What has another name was named on purpose.
            Some((folder, name)) if is_endpoint(url) && !name.eq_ignore_ascii_case(file) => {
                url.with_target(&format!("{folder}/{file}"))
            }
            _ => url.clone(),
        }
    }
}

/// Where Exchange Online answers.
pub(super) fn microsoft_365() -> Host {
    Host::Name("outlook.office365.com".into())
}

/// Whether a path is one of Autodiscover: what the EWS Managed API lets pass,
/// `/autodiscover/([^/]+/)*autodiscover.xml`, in either dialect.
pub(super) fn is_endpoint(url: &Url) -> bool {
    has_file(url, &["autodiscover.xml", "autodiscover.svc"])
}

/// Whether a URL is one of the JSON service.
pub(super) fn is_json_endpoint(url: &Url) -> bool {
    has_file(url, &["autodiscover.json"])
}

/// Whether a redirect to this path may be followed: any but that of a front page, to which web sites send
/// a client that asks for what they do not have, and one that could be read in two ways.
pub(super) fn leads_somewhere(url: &Url) -> bool {
    let path = url.path();
    let odd = |folder: &str| {
        let folder = folder.to_ascii_lowercase().replace("%2e", ".");
        folder.is_empty() || folder == "." || folder == ".."
    };
    !is_json_endpoint(url) && !path.ends_with('/') && !path.split('/').skip(1).any(odd)
}

fn has_file(url: &Url, files: &[&str]) -> bool {
    let path = url.path().to_ascii_lowercase();
    let Some((folders, file)) = path.rsplit_once('/') else {
        return false;
    };
    let mut folders = folders
        .split('/')
        .skip_while(|folder| *folder != "autodiscover");
    let plain = |folder: &str| !folder.is_empty() && folder != "." && folder != "..";
    files.contains(&file) && folders.next().is_some() && folders.all(plain)
}

/// Path and query of the JSON service for an address.
pub(super) fn json_target(address: &SmtpAddress) -> String {
    let mut target = String::from("/autodiscover/autodiscover.json?Email=");
    for byte in address.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target + "&Protocol=AutodiscoverV1"
}

/// The probe of the redirect step: the only request that goes over plain HTTP, and never with a login.
pub(super) fn probe(domain: &Domain, target: &str) -> Url {
    Url::of(Scheme::Http, domain.autodiscover_host(), 80, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_autodiscover_pass() {
        for (path, expected) in [
            ("/autodiscover/autodiscover.xml", true),
            ("/Autodiscover/Autodiscover.XML?x=1", true),
            ("/autodiscover/autodiscover.svc", true),
            ("/tenant/autodiscover/1/2/autodiscover.xml", true),
            ("/autodiscover.xml", false),
            ("/autodiscover/other.xml", false),
            ("/autodiscover/autodiscover.json", false),
            ("/autodiscover/autodiscover.xml/x", false),
            ("/autodiscover//autodiscover.xml", false),
            ("/autodiscover/../autodiscover.xml", false),
            ("/?/autodiscover/autodiscover.xml", false),
            ("/", false),
        ] {
            let url = Url::parse(&format!("https://contoso.com{path}")).unwrap();
            assert_eq!(is_endpoint(&url), expected, "{path}");
        }
    }

    #[test]
    fn a_redirect_leads_to_any_file_and_to_no_front_page() {
        for (path, expected) in [
            ("/OtherPath/Autodiscover.xml", true),
            ("/ad/pox", true),
            ("/ad/pox?x=/", true),
            ("/x", true),
            ("/", false),
            ("", false),
            ("/?x=1", false),
            ("/en/", false),
            ("/a/../autodiscover.xml", false),
            ("/a/%2E%2e/autodiscover.xml", false),
            ("/a//autodiscover.xml", false),
        ] {
            let url = Url::parse(&format!("https://contoso.com{path}")).unwrap();
            assert_eq!(leads_somewhere(&url), expected, "{path}");
        }
        let plan = Plan {
            dialect: Dialect::Soap,
            ..Plan::default()
        };
        for (from, to) in [
            ("/ad/pox", "/ad/pox"),
            (
                "/autodiscover/autodiscover.xml",
                "/autodiscover/autodiscover.svc",
            ),
        ] {
            let url = Url::parse(&format!("https://contoso.com{from}")).unwrap();
            assert_eq!(plan.in_dialect(&url), url.with_target(to));
        }
    }

    #[test]
    fn an_address_is_escaped_in_a_url() {
        let address = SmtpAddress::parse("o'brien+x&y=é@contoso.com").unwrap();
        assert_eq!(
            json_target(&address),
            "/autodiscover/autodiscover.json?Email=o%27brien%2Bx%26y%3D%C3%A9%40contoso.com&Protocol=AutodiscoverV1"
        );
    }

    #[test]
    fn an_allowed_name_allows_what_lies_below_it_and_nothing_else() {
        let plan = Plan {
            allowed: vec![
                Host::parse("hoster.test").unwrap(),
                Host::parse("10.0.0.1").unwrap(),
            ],
            ..Plan::default()
        };
        for (host, expected) in [
            ("hoster.test", true),
            ("mail.hoster.test", true),
            ("evilhoster.test", false),
            ("test", false),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("outlook.office365.com", false),
        ] {
            assert_eq!(plan.allows(&Host::parse(host).unwrap()), expected, "{host}");
        }
    }
}
