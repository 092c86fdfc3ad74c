//! What the command line, the environment and `automend.toml` mean together.
//!
//! A flag beats the environment, which beats the file. Everything else in the program sees only
//! [`Settings`]. This is the only module that reads the environment.

mod one_directory;
pub(crate) mod section;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::dn::Dn;
use secrecy::SecretString;
use serde::Deserialize;

use crate::args;
use crate::private_file::first_line;
pub(crate) use one_directory::{Identity, OneDirectory, OtherDirectory};
use section::Section;

/// Where the directory is and how to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The directory.
    pub directory: Where,
    /// Other servers of the same directory, for when that one does not answer.
    pub others: Vec<Url>,
    /// The directory that all servers must hold, where there are several.
    pub one: Option<OneDirectory>,
    /// Who logs in.
    pub user: Option<String>,
    /// Where the password comes from.
    password: Password,
    /// Files with more certificate authorities.
    pub ca: Vec<PathBuf>,
    /// Switch to TLS before logging in.
    pub start_tls: bool,
    /// Allow clear text.
    pub allow_plaintext: bool,
    /// Names to look below; none means every naming context.
    pub base: Vec<Dn>,
    /// Entries a page.
    pub page_size: u32,
    /// How long a request may go without an answer.
    pub timeout: Duration,
}

/// A directory, as it was named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Where {
    /// A live server.
    Server(Url),
    /// An LDIF file.
    Ldif(PathBuf),
    /// LDIF on standard input.
    StandardInput,
    /// The folder of an embedded directory.
    Embedded(PathBuf),
}

/// The address of an LDAP server (RFC 4516, without anything behind the host).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Url {
    /// How to talk.
    pub scheme: Scheme,
    /// Host name or address, without brackets; the path of the socket for `ldapi`.
    pub host: String,
    /// Port; 0 for `ldapi`.
    pub port: u16,
}

/// How to talk to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    /// TCP; TLS only with StartTLS.
    Ldap,
    /// TLS from the first byte.
    Ldaps,
    /// A local socket.
    Ldapi,
}

#[derive(Clone, Debug)]
enum Password {
    File(PathBuf),
    Environment(SecretString),
    Prompt,
}

/// Where a configuration was read, to name the line of a mistake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// `automend.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    directory: Option<String>,
    user: Option<String>,
    #[serde(rename = "password-file")]
    password: Option<PathBuf>,
    ca: Option<Files>,
    start_tls: Option<bool>,
    allow_plaintext: Option<bool>,
    #[serde(default)]
    base: Vec<String>,
    page_size: Option<u32>,
    timeout: Option<u64>,
    serve: Option<Section>,
}

/// One file or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Files {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl From<Files> for Vec<PathBuf> {
    fn from(files: Files) -> Self {
        match files {
            Files::One(path) => vec![path],
            Files::Several(paths) => paths,
        }
    }
}

const FILE_NAME: &str = "automend.toml";
/// Entries a page, where nothing else is said.
pub(crate) const PAGE_SIZE: u32 = 1000;
/// How long a request may go without an answer, where nothing else is said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

impl Settings {
    /// Reads what was typed together with the environment and the file.
    pub(crate) fn read(source: &args::Source, config: Option<&Path>) -> Result<Self> {
        let file = File::read(config)?;
        let named: Vec<String> = if source.directory.is_empty() {
            file.directory.into_iter().collect()
        } else {
            source.directory.clone()
        };
        let Some((directory, others)) = Where::parse_all(&named)? else {
            bail!(
                "no directory: give --directory (ldaps://HOST, FILE.ldif or DIR), AUTOMEND_DIRECTORY, \
                 or directory in {FILE_NAME}"
            );
        };
        let base = if source.base.is_empty() {
            &file.base
        } else {
            &source.base
        };
        let password = match source.password_file.clone().or(file.password) {
            Some(path) => Password::File(path),
            None => environment("AUTOMEND_DIRECTORY_PASSWORD").map_or(Password::Prompt, |text| {
                Password::Environment(SecretString::from(text))
            }),
        };
        Ok(Self {
            directory,
            one: (!others.is_empty()).then(OneDirectory::default),
            others,
            // Not read by the command line itself: what is typed may mean more there (see `audit`).
            user: source
                .user
                .clone()
                .or_else(|| environment("AUTOMEND_DIRECTORY_USER"))
                .or(file.user),
            password,
            ca: if source.ca.is_empty() {
                file.ca.map(Into::into).unwrap_or_default()
            } else {
                source.ca.clone()
            },
            start_tls: source.start_tls || file.start_tls.unwrap_or(false),
            allow_plaintext: source.allow_plaintext || file.allow_plaintext.unwrap_or(false),
            base: base
                .iter()
                .map(|text| Dn::parse(text).with_context(|| format!("reading --base {text}")))
                .collect::<Result<_>>()?,
            page_size: source
                .page_size
                .or(file.page_size)
                .unwrap_or(PAGE_SIZE)
                .max(1),
            timeout: source
                .timeout
                .or(file.timeout)
                .map_or(TIMEOUT, Duration::from_secs),
        })
    }

    /// The same for a test, whose `--user` and `--password-file` belong to the mail server.
    pub(crate) fn read_beside_a_test(
        beside: &args::TestDirectory,
        ca: &[PathBuf],
        config: Option<&Path>,
    ) -> Result<Option<Self>> {
        if beside.directory.is_none() {
            return Ok(None);
        }
        let source = args::Source {
            directory: beside.directory.iter().cloned().collect(),
            user: beside.directory_user.clone(),
            password_file: beside.directory_password_file.clone(),
            ca: ca.to_vec(),
            start_tls: beside.start_tls,
            allow_plaintext: beside.allow_plaintext,
            ..args::Source::default()
        };
        Self::read(&source, config).map(Some)
    }

    /// Settings for a directory that needs nothing else.
    pub(crate) fn of(directory: Where) -> Self {
        Self {
            directory,
            others: Vec::new(),
            one: None,
            user: None,
            password: Password::Prompt,
            ca: Vec::new(),
            start_tls: false,
            allow_plaintext: false,
            base: Vec::new(),
            page_size: PAGE_SIZE,
            timeout: TIMEOUT,
        }
    }

    /// The settings for another server of the same directory.
    pub(crate) fn at(&self, url: Url) -> Self {
        Self {
            directory: Where::Server(url),
            others: Vec::new(),
            ..self.clone()
        }
    }

    /// The first server without those that stand in for it.
    pub(crate) fn alone(&self) -> Self {
        Self {
            others: Vec::new(),
            ..self.clone()
        }
    }

    /// The settings for a connection that nobody has logged in on.
    pub(crate) fn without_login(&self) -> Self {
        Self {
            user: None,
            password: Password::Prompt,
            ..self.clone()
        }
    }

    /// The file with the password, where one was named.
    pub(crate) fn password_file(&self) -> Option<&Path> {
        match &self.password {
            Password::File(path) => Some(path),
            Password::Environment(_) | Password::Prompt => None,
        }
    }

    /// The password; asks for it on the terminal when nothing else tells it.
    pub(crate) fn password(&self) -> Result<SecretString> {
        match &self.password {
            Password::File(path) => first_line(path),
            Password::Environment(secret) => Ok(secret.clone()),
            Password::Prompt => {
                let user = self.user.as_deref().unwrap_or_default();
                let text = rpassword::prompt_password(format!("Password of {user}: ")).context(
                    "no terminal to ask for the password: give --password-file or AUTOMEND_DIRECTORY_PASSWORD",
                )?;
                Ok(SecretString::from(text))
            }
        }
    }

    /// Asks for the password once, so that further connections need not ask again.
    pub(crate) fn with_known_password(&self) -> Result<Self> {
        if self.user.is_none() {
            return Ok(self.clone());
        }
        Ok(Self {
            password: Password::Environment(self.password()?),
            ..self.clone()
        })
    }
}

/// `[serve]` of the configuration, and where it stands.
pub(crate) fn serve_section(named: Option<&Path>) -> Result<(Section, Source)> {
    let Some(source) = Source::find(named)? else {
        return Ok(Default::default());
    };
    let section = File::parse(&source)?.serve.unwrap_or_default();
    Ok((section, source))
}

/// How a test logs in at mail servers.
#[derive(Clone, Debug)]
pub(crate) struct TestLogin {
    /// The user, where it is not the address.
    pub user: Option<String>,
    password: Password,
    /// A token for Bearer.
    pub token: Option<SecretString>,
}

impl TestLogin {
    /// Reads what was typed together with the environment.
    pub(crate) fn read(login: &args::TestLogin) -> Result<Self> {
        let secret = |name| environment(name).map(SecretString::from);
        Ok(Self {
            user: login
                .user
                .clone()
                .or_else(|| environment("AUTOMEND_MAIL_USER")),
            password: match &login.password_file {
                Some(path) => Password::File(path.clone()),
                None => {
                    secret("AUTOMEND_MAIL_PASSWORD").map_or(Password::Prompt, Password::Environment)
                }
            },
            token: match &login.bearer_file {
                Some(path) => Some(first_line(path)?),
                None => secret("AUTOMEND_TOKEN"),
            },
        })
    }

    /// Whether a password was given, of which only its user is missing.
    pub(crate) fn has_password(&self) -> bool {
        !matches!(self.password, Password::Prompt)
    }

    /// The password; `None` where nothing tells it and nobody can be asked.
    pub(crate) fn password(&self, user: &str) -> Result<Option<SecretString>> {
        match &self.password {
            Password::File(path) => first_line(path).map(Some),
            Password::Environment(secret) => Ok(Some(secret.clone())),
            Password::Prompt if !std::io::stdin().is_terminal() => Ok(None),
            Password::Prompt => {
                let text = rpassword::prompt_password(format!("Password of {user}: "))
                    .context("asking for the password")?;
                Ok(Some(SecretString::from(text)))
            }
        }
    }
}

impl File {
    fn read(named: Option<&Path>) -> Result<Self> {
        match Source::find(named)? {
            Some(source) => Self::parse(&source),
            None => Ok(Self::default()),
        }
    }

    fn parse(source: &Source) -> Result<Self> {
        toml::from_str(&source.text).map_err(|error| anyhow!("{}: {error}", source.path.display()))
    }
}

impl Source {
    /// Reads the file that is named, or else the first that is there.
    fn find(named: Option<&Path>) -> Result<Option<Self>> {
        let found = || {
            let home = environment("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".config")));
            [
                Some(PathBuf::from(FILE_NAME)),
                home.map(|home| home.join("automend").join(FILE_NAME)),
            ]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
        };
        let Some(path) = named.map(Path::to_path_buf).or_else(found) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        Ok(Some(Self { path, text }))
    }
}

/// Where this user's programs keep what is theirs.
pub(crate) fn data_folder() -> Option<PathBuf> {
    let home = || environment("HOME").map(|home| Path::new(&home).join(".local/share"));
    let folder = environment("XDG_DATA_HOME")
        .or_else(|| environment("LOCALAPPDATA"))
        .map(PathBuf::from);
    Some(folder.or_else(home)?.join("automend"))
}

#[allow(clippy::disallowed_methods, reason = "this is the place")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The width that whoever runs this program asks for, in characters.
pub(crate) fn columns() -> Option<u16> {
    let columns = environment("COLUMNS")?.trim().parse().ok()?;
    (columns > 0).then_some(columns)
}

/// Where Kerberos' own configuration is.
pub(crate) fn kerberos_file() -> PathBuf {
    environment("KRB5_CONFIG").map_or_else(|| PathBuf::from("/etc/krb5.conf"), PathBuf::from)
}

impl Where {
    /// Reads several servers of one directory, by commas or one by one; or one file or folder.
    fn parse_all(named: &[String]) -> Result<Option<(Self, Vec<Url>)>> {
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
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::StandardInput);
        }
        if text.contains("://") {
            return Ok(Self::Server(Url::parse(text)?));
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
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Server(url) => url.to_string(),
            Self::Ldif(path) | Self::Embedded(path) => path.display().to_string(),
            Self::StandardInput => "standard input".to_owned(),
        }
    }

    /// What `--directory` is given for it.
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::StandardInput => "-".to_owned(),
            named => named.shown(),
        }
    }
}

impl Url {
    /// Reads `ldap://host[:port]`, `ldaps://host[:port]` or `ldapi://%2Fpath`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
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
    pub(crate) fn at(scheme: Scheme, authority: &str) -> Result<Self> {
        let default = if scheme == Scheme::Ldaps { 636 } else { 389 };
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (host, port) = rest
                .split_once(']')
                .ok_or_else(|| anyhow!("no ] behind the address"))?;
            (host, port.strip_prefix(':'))
        } else if authority.matches(':').count() == 1 {
            authority
                .split_once(':')
                .map_or((authority, None), |(host, port)| (host, Some(port)))
        } else {
            (authority, None)
        };
        let port = match port {
            None => default,
            Some(port) => port
                .parse()
                .with_context(|| format!("{port:?} is no port"))?,
        };
        if host.is_empty() || host.contains(['@', ' ']) {
            bail!("{authority:?} is no host");
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
        })
    }

    /// Whether a global catalog listens there, which answers for the whole forest and takes no writes.
    pub(crate) fn is_global_catalog(&self) -> bool {
        self.scheme != Scheme::Ldapi && matches!(self.port, 3268 | 3269)
    }

    /// Whether the server is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.scheme == Scheme::Ldapi
            || self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Url {
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
            let url = Url::parse(text).unwrap();
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
            assert!(Url::parse(text).is_err(), "{text}");
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
            assert_eq!(Url::parse(text).unwrap().is_loopback(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_told_from_a_server() {
        assert_eq!(Where::parse("-").unwrap(), Where::StandardInput);
        assert_eq!(
            Where::parse("a/Export.LDIF.gz").unwrap(),
            Where::Ldif("a/Export.LDIF.gz".into())
        );
        let error = Where::parse("dc1.contoso.com").unwrap_err().to_string();
        assert!(error.contains("ldaps://dc1.contoso.com"), "{error}");
    }
}
