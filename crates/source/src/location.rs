//! Names of directories: URLs of LDAP servers (RFC 4516, without anything behind the host), files, folders.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::host_port;

/// A directory, as it was named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Location {
    /// A live server.
    Server(LdapUrl),
    /// An LDIF file.
    Ldif(PathBuf),
    /// LDIF on standard input.
    StandardInput,
    /// The folder of an embedded directory.
    Embedded(PathBuf),
}

/// The address of an LDAP server (RFC 4516, without anything behind the host).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LdapUrl {
    /// How to talk.
    pub scheme: Scheme,
    /// Host name or address, without brackets; the path of the socket for `ldapi`.
    pub host: String,
    /// Port; 0 for `ldapi`.
    pub port: u16,
}

/// How to talk to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// TCP; TLS only with StartTLS.
    Ldap,
    /// TLS from the first byte.
    Ldaps,
    /// A local socket.
    Ldapi,
}

impl Location {
    /// Reads several servers of one directory, by commas or one by one; or one file or folder.
    ///
    /// # Errors
    ///
    /// One of them is no name of a directory, or several are not all servers.
    pub fn parse_all(named: &[String]) -> Result<Option<(Self, Vec<LdapUrl>)>> {
        let parts = named.iter().flat_map(|text| {
            // A comma may stand in the name of a file.
            let several = text.contains("://");
            text.split(move |c| several && c == ',')
                .map(move |part| if several { part.trim() } else { part })
                .filter(|part| !part.is_empty())
        });
        let mut all = parts
            .map(Self::parse)
            .collect::<Result<Vec<_>>>()?
            .into_iter();
        let Some(first) = all.next() else {
            return Ok(None);
        };
        let mut others = Vec::new();
        for other in all {
            match (&first, other) {
                (Self::Server(_), Self::Server(url)) => others.push(url),
                (_, other) => bail!(
                    "{} and {} cannot be one directory; several can only be servers",
                    first.shown(),
                    other.shown()
                ),
            }
        }
        Ok(Some((first, others)))
    }

    /// Reads what `--directory` was given.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::StandardInput);
        }
        if text.contains("://") {
            return Ok(Self::Server(LdapUrl::parse(text)?));
        }
        let path = PathBuf::from(text);
        let name = text.to_ascii_lowercase();
        if [".ldif", ".ldif.gz", ".ldf"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            return Ok(Self::Ldif(path));
        }
        if path.is_dir() {
            return Ok(Self::Embedded(path));
        }
        if path.is_file() {
            bail!(
                "{text}: not a directory this program reads; an LDIF file ends with .ldif, .ldf or .ldif.gz"
            );
        }
        bail!("{text}: no such folder; a server is named by a URL such as ldaps://{text}");
    }

    /// What to call it in a report.
    pub fn shown(&self) -> String {
        match self {
            Self::Server(url) => url.to_string(),
            Self::Ldif(path) | Self::Embedded(path) => path.display().to_string(),
            Self::StandardInput => "standard input".to_owned(),
        }
    }

    /// What `--directory` is given for it.
    pub fn argument(&self) -> String {
        match self {
            Self::StandardInput => "-".to_owned(),
            named => named.shown(),
        }
    }
}

impl LdapUrl {
    /// Reads `ldap://host[:port]`, `ldaps://host[:port]` or `ldapi://%2Fpath`.
    pub fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| anyhow!("{text}: no URL"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => Scheme::Ldap,
            "ldaps" => Scheme::Ldaps,
            "ldapi" => Scheme::Ldapi,
            other => bail!("{text}: {other}:// is not spoken here, only ldap, ldaps and ldapi"),
        };
        if scheme == Scheme::Ldapi {
            let encoded = rest.trim_end_matches('/');
            let path = percent_decoded(encoded).with_context(|| format!("reading {text}"))?;
            if path.is_empty() {
                bail!("{text}: no path; write ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi");
            }
            return Ok(Self {
                scheme,
                host: path,
                port: 0,
            });
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if rest.len() > authority.len() + 1 {
            bail!("{text}: only host and port are read; use --base for a name");
        }
        Self::at(scheme, authority).with_context(|| format!("reading {text}"))
    }

    /// Takes `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub fn at(scheme: Scheme, authority: &str) -> Result<Self> {
        let default = if scheme == Scheme::Ldaps { 636 } else { 389 };
        let (host, port) = host_port::split(authority)
            .ok_or_else(|| anyhow!("{authority:?} is no host and port"))?;
        let port = port.unwrap_or(default);
        if host.contains(['@', ' ']) {
            bail!("{authority:?} is no host");
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
        })
    }

    /// Whether a global catalog listens there, which answers for the whole forest and takes no writes.
    pub fn is_global_catalog(&self) -> bool {
        self.scheme != Scheme::Ldapi && matches!(self.port, 3268 | 3269)
    }

    /// Whether the server is this machine.
    pub fn is_loopback(&self) -> bool {
        self.scheme == Scheme::Ldapi
            || self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for LdapUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v6 = self.host.contains(':');
        let (open, close) = if v6 { ("[", "]") } else { ("", "") };
        match self.scheme {
            Scheme::Ldapi => {
                f.write_str("ldapi://")?;
                // RFC 3986 2.3: what needs no encoding.
                self.host.bytes().try_for_each(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        write!(f, "{}", char::from(byte))
                    }
                    byte => write!(f, "%{byte:02X}"),
                })
            }
            Scheme::Ldap if self.port == 389 => write!(f, "ldap://{open}{}{close}", self.host),
            Scheme::Ldaps if self.port == 636 => write!(f, "ldaps://{open}{}{close}", self.host),
            Scheme::Ldap => write!(f, "ldap://{open}{}{close}:{}", self.host, self.port),
            Scheme::Ldaps => write!(f, "ldaps://{open}{}{close}:{}", self.host, self.port),
        }
    }
}

fn percent_decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let pair: Vec<u8> = rest.by_ref().take(2).collect();
        let digits = std::str::from_utf8(&pair)
            .ok()
            .filter(|pair| pair.len() == 2);
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or_else(|| anyhow!("a % without two hexadecimal digits"))?);
    }
    String::from_utf8(bytes).context("the path is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown() {
        for (text, host, port, shown) in [
            (
                "ldaps://dc1.contoso.com",
                "dc1.contoso.com",
                636,
                "ldaps://dc1.contoso.com",
            ),
            ("LDAP://dc1:3268/", "dc1", 3268, "ldap://dc1:3268"),
            ("ldap://[::1]:3890", "::1", 3890, "ldap://[::1]:3890"),
            ("ldaps://[::1]", "::1", 636, "ldaps://[::1]"),
            (
                "ldapi://%2Frun%2Fldapi",
                "/run/ldapi",
                0,
                "ldapi://%2Frun%2Fldapi",
            ),
        ] {
            let url = LdapUrl::parse(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.to_string().as_str()),
                (host, port, shown)
            );
        }
        for text in [
            "http://x",
            "ldap://",
            "ldap://a:b",
            "ldap://user@host",
            "ldap://h/DC=c",
            "ldapi://",
            "ldapi://%2",
        ] {
            assert!(LdapUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (text, expected) in [
            ("ldap://127.0.0.1", true),
            ("ldap://[::1]", true),
            ("ldap://localhost", true),
            ("ldapi://%2Fx", true),
            ("ldap://127.0.0.1.example.com", false),
            ("ldap://10.0.0.1", false),
        ] {
            assert_eq!(
                LdapUrl::parse(text).unwrap().is_loopback(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_file_is_told_from_a_server() {
        assert_eq!(Location::parse("-").unwrap(), Location::StandardInput);
        assert_eq!(
            Location::parse("a/Export.LDIF.gz").unwrap(),
            Location::Ldif("a/Export.LDIF.gz".into())
        );
        let error = Location::parse("dc1.contoso.com").unwrap_err().to_string();
        assert!(error.contains("ldaps://dc1.contoso.com"), "{error}");
    }
}
