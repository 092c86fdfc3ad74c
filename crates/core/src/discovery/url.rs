//! URLs and hosts as discovery needs them: RFC 3986 as far as `http` and `https` go.
//!
//! Invariant: a [`Url`] names a host that can be asked, carries no user name, no password and no
//! fragment, and holds nothing but visible ASCII, so it may stand in a request line as it is. A
//! [`Domain`] can be asked for Autodiscover: it is no public suffix and has two labels at least.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::host_port;
use crate::names::SmtpAddress;
use crate::verdict::Cause;

/// More is no URL of Autodiscover.
const MOST_BYTES: usize = 2048;

/// A host: a name in lower-case ASCII, or an address.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// A name; internationalised ones in their ASCII form (RFC 5890).
    Name(Box<str>),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as it stands in a URL, or as a person types it.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let ascii = if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(name).ok()?
        };
        let last = ascii.rsplit('.').next()?;
        // A last label of digits alone would be an address written oddly (RFC 1123 2.1).
        let odd = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        (ascii.len() <= 253 && !odd && ascii.split('.').all(is_label))
            .then(|| Self::Name(ascii.into()))
    }

    /// Whether it is `domain` itself or a name below it.
    pub fn is_within(&self, domain: &Domain) -> bool {
        let Self::Name(name) = self else {
            return false;
        };
        name.strip_suffix(domain.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// A label of a host name: letters, digits, hyphens, and the underscore that Windows allows.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(allowed)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl From<&Domain> for Host {
    fn from(domain: &Domain) -> Self {
        Self::Name(domain.0.clone())
    }
}

/// A mail domain that can be asked for Autodiscover.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Domain(Box<str>);

impl Domain {
    /// The domain of an address.
    ///
    /// # Errors
    ///
    /// Why no host may be made of it.
    pub fn of(address: &SmtpAddress) -> Result<Self, Cause> {
        let Some(Host::Name(name)) = Host::parse(address.domain()) else {
            return Err(Cause::BadDomain);
        };
        if name.contains('_') {
            return Err(Cause::BadDomain);
        }
        if !name.contains('.') {
            return Err(Cause::SingleLabel);
        }
        // `None` for a public suffix; a suffix that is not registered is its last label.
        if psl::domain_str(&name).is_none() {
            return Err(Cause::PublicSuffix);
        }
        // autodiscover.DOMAIN must be a name, too.
        if name.len() + AUTODISCOVER.len() + 1 > 253 {
            return Err(Cause::BadDomain);
        }
        Ok(Self(name))
    }

    /// The domain in lower-case ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host that Outlook asks in addition to the domain itself.
    pub fn autodiscover_host(&self) -> Host {
        Host::Name(format!("{AUTODISCOVER}.{}", self.0).into())
    }

    /// The name of the SRV records ([MS-OXDISCO] 3.1.5.3).
    pub fn srv_name(&self) -> String {
        format!("_autodiscover._tcp.{}", self.0)
    }

    /// Whether it is `other` or lies below it.
    pub fn is_within(&self, other: &Domain) -> bool {
        Host::from(self).is_within(other)
    }
}

const AUTODISCOVER: &str = "autodiscover";

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a URL is spoken.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// In clear.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// The word before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that needs no saying.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An absolute URL.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Url {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Path and query; begins with a slash.
    target: Box<str>,
}

impl Url {
    /// Makes a URL of parts; `target` is written by us and begins with a slash.
    pub(crate) fn of(scheme: Scheme, host: Host, port: u16, target: &str) -> Self {
        Self {
            scheme,
            host,
            port,
            target: target.into(),
        }
    }

    /// Reads an absolute URL. `None` for anything that could be read in two ways.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MOST_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // A browser takes a backslash for a slash; that must not be relied on.
        if text.contains('\\') {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(scheme))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let (host, port) = host_and_port(authority)?;
        let target = target.split('#').next().unwrap_or_default();
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Self {
            scheme,
            host,
            port: port.unwrap_or(scheme.port()),
            target: format!("{slash}{target}").into(),
        })
    }

    /// Reads what a redirect names, which may be relative to this URL (RFC 9110 10.2.2).
    pub fn join(&self, text: &str) -> Option<Self> {
        let text = text.trim();
        let scheme = self.scheme.as_str();
        let origin = format!("{scheme}://{}", self.authority());
        if let Some(rest) = text.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        if text.starts_with('/') {
            return Self::parse(&format!("{origin}{text}"));
        }
        let before = text.split(['/', '?', '#']).next().unwrap_or_default();
        if before.contains(':') {
            return Self::parse(text);
        }
        if text.is_empty() || text.starts_with(['?', '#', '.']) {
            return None;
        }
        let (folder, _) = self.path().rsplit_once('/')?;
        Self::parse(&format!("{origin}{folder}/{text}"))
    }

    /// How it is spoken.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as they stand in a request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Host, and port where it needs saying, as they stand in the `Host` header.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The same place with another path.
    pub fn with_target(&self, target: &str) -> Self {
        Self {
            target: target.into(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, target, .. } = self;
        write!(f, "{}://{}{target}", scheme.as_str(), self.authority())
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; a user name is refused.
fn host_and_port(authority: &str) -> Option<(Host, Option<u16>)> {
    // An empty port is the usual one (RFC 3986 3.2.3).
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    let (host, port) = host_port::split(authority)?;
    // An IPv6 address has brackets, and nothing else has.
    if authority.starts_with('[') != host.contains(':') || port == Some(0) {
        return None;
    }
    Some((Host::parse(host)?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn url(text: &str) -> String {
        Url::parse(text).map_or_else(|| "none".to_owned(), |url| url.to_string())
    }

    #[test]
    fn urls_are_read_and_shown() {
        for (text, shown) in [
            ("https://contoso.com", "https://contoso.com/"),
            (
                "HTTPS://Mail.Contoso.COM:443/A/b.xml?q=1#f",
                "https://mail.contoso.com/A/b.xml?q=1",
            ),
            ("https://contoso.com:8443/x", "https://contoso.com:8443/x"),
            ("http://contoso.com:80?x", "http://contoso.com/?x"),
            ("https://contoso.com./x", "https://contoso.com/x"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
            ("https://[::1]/x", "https://[::1]/x"),
            (" https://10.0.0.1/x ", "https://10.0.0.1/x"),
            ("https://contoso.com:/x", "https://contoso.com/x"),
        ] {
            assert_eq!(url(text), shown, "{text}");
            assert_eq!(url(shown), shown);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_url() {
        for text in [
            "",
            "contoso.com",
            "https:/contoso.com/",
            "https://",
            "https:///x",
            "ftp://contoso.com/",
            "https://user@contoso.com/",
            "https://user:password@contoso.com/",
            "https://contoso.com:0/",
            "https://contoso.com:65536/",
            "https://contoso.com:-1/",
            "https://contoso.com:+1/",
            "https://contoso.com\\@evil.test/",
            "https://contoso.com/\r\nX: y",
            "https://conto so.com/",
            "https://contoso.com/ x",
            "https://[::1/",
            "https://::1/",
            "https://1.2.3/",
            "https://127.1/",
            "https://0x7f.0.0.1/",
            "https://a..b/",
            "https://-a.b/",
            "https://münchen.test/",
            "https://contoso.com%00.evil.test/",
        ] {
            assert_eq!(url(text), "none", "{text:?}");
        }
        assert_eq!(
            url(&format!("https://contoso.com/{}", "x".repeat(3000))),
            "none"
        );
    }

    #[test]
    fn a_redirect_may_be_relative() {
        let base = Url::parse("https://mail.contoso.com:8443/a/b.xml?q").unwrap();
        for (text, expected) in [
            ("https://other.test/x", "https://other.test/x"),
            ("http://other.test/x", "http://other.test/x"),
            ("//other.test/x", "https://other.test/x"),
            (
                "/autodiscover/autodiscover.xml",
                "https://mail.contoso.com:8443/autodiscover/autodiscover.xml",
            ),
            ("c.xml", "https://mail.contoso.com:8443/a/c.xml"),
        ] {
            assert_eq!(base.join(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "?x",
            "#x",
            "../x",
            "mailto:a@b.c",
            "javascript:alert(1)",
            "https:",
            "//",
        ] {
            assert_eq!(base.join(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_domain_that_is_not_its_owners_alone_is_refused() {
        for (address, expected) in [
            ("alice@contoso.com", Ok("contoso.com")),
            ("alice@Mail.Contoso.TEST", Ok("mail.contoso.test")),
            ("alice@contoso.co.uk", Ok("contoso.co.uk")),
            ("alice@contoso.com.", Ok("contoso.com")),
            ("alice@bücher.example", Ok("xn--bcher-kva.example")),
            ("alice@co.uk", Err(Cause::PublicSuffix)),
            ("alice@github.io", Err(Cause::PublicSuffix)),
            ("alice@公司.cn", Err(Cause::PublicSuffix)),
            ("alice@xn--55qx5d.cn", Err(Cause::PublicSuffix)),
            ("alice@contoso.公司.cn", Ok("contoso.xn--55qx5d.cn")),
            ("alice@com", Err(Cause::SingleLabel)),
            ("alice@localhost", Err(Cause::SingleLabel)),
            ("alice@[10.0.0.1]", Err(Cause::BadDomain)),
            ("alice@10.0.0.1", Err(Cause::BadDomain)),
            ("alice@::1", Err(Cause::BadDomain)),
            ("alice@contoso..com", Err(Cause::BadDomain)),
            ("alice@.contoso.com", Err(Cause::BadDomain)),
            ("alice@contoso.com:8443", Err(Cause::BadDomain)),
            ("alice@contoso.com/x", Err(Cause::BadDomain)),
            ("alice@_tcp.contoso.com", Err(Cause::BadDomain)),
        ] {
            let address = SmtpAddress::parse(address).unwrap();
            let domain = Domain::of(&address);
            assert_eq!(
                domain.as_ref().map(Domain::as_str).map_err(|cause| *cause),
                expected,
                "{address}"
            );
        }
        let long = format!("a@{}com", "a.".repeat(124));
        assert_eq!(
            Domain::of(&SmtpAddress::parse(&long).unwrap()),
            Err(Cause::BadDomain)
        );
    }

    #[test]
    fn a_name_below_a_domain_is_within_it_and_one_that_ends_like_it_is_not() {
        let domain = Domain::of(&SmtpAddress::parse("a@contoso.com").unwrap()).unwrap();
        for (host, within) in [
            ("contoso.com", true),
            ("mail.contoso.com", true),
            ("a.b.contoso.com", true),
            ("evilcontoso.com", false),
            ("com", false),
            ("contoso.com.evil.test", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(
                Host::parse(host).unwrap().is_within(&domain),
                within,
                "{host}"
            );
        }
        assert_eq!(
            domain.autodiscover_host().to_string(),
            "autodiscover.contoso.com"
        );
        assert_eq!(domain.srv_name(), "_autodiscover._tcp.contoso.com");
    }
}
