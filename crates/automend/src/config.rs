//! What the command line, the environment and `automend.toml` mean together.
//!
//! A flag beats the environment, which beats the file. Everything else in the program sees only
//! [`Settings`]. This is the only module that reads the environment.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::dn::Dn;
use automend_service::section::{Section, Source};
use automend_source::{Auth, Location, OneDirectory, PAGE_SIZE, Password, Settings, TIMEOUT};
use automend_system::kerberos;
use automend_system::private_file::first_line;
use secrecy::SecretString;
use serde::Deserialize;

use crate::args;

/// `automend.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    directory: Option<String>,
    user: Option<String>,
    #[serde(rename = "password-file")]
    password: Option<PathBuf>,
    auth: Option<args::AuthMethod>,
    keytab: Option<PathBuf>,
    ticket_cache: Option<PathBuf>,
    kdc: Option<String>,
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

/// `[serve]` of the configuration, and where it stands.
pub(crate) fn serve_section(named: Option<&Path>) -> Result<(Section, Source)> {
    let Some(source) = find(named)? else {
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

    /// The password; `None` where no source has it and there is no terminal to ask at.
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
        match find(named)? {
            Some(source) => Self::parse(&source),
            None => Ok(Self::default()),
        }
    }

    fn parse(source: &Source) -> Result<Self> {
        toml::from_str(&source.text).map_err(|error| anyhow!("{}: {error}", source.path.display()))
    }
}

/// Reads the file that is named, or else the first that is there.
fn find(named: Option<&Path>) -> Result<Option<Source>> {
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
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Some(Source { path, text }))
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

/// The width that `COLUMNS` asks for, in characters.
pub(crate) fn columns() -> Option<u16> {
    let columns = environment("COLUMNS")?.trim().parse().ok()?;
    (columns > 0).then_some(columns)
}

/// Where Kerberos' own configuration is.
pub(crate) fn kerberos_file() -> PathBuf {
    environment("KRB5_CONFIG").map_or_else(|| PathBuf::from("/etc/krb5.conf"), PathBuf::from)
}

/// Reads what was typed together with the environment and the file.
pub(crate) fn directory_settings(source: &args::Source, config: Option<&Path>) -> Result<Settings> {
    let server = &source.server;
    let file = File::read(config)?;
    let named: Vec<String> = if server.directory.is_empty() {
        file.directory.into_iter().collect()
    } else {
        server.directory.clone()
    };
    let Some((directory, others)) = Location::parse_all(&named)? else {
        bail!(
            "no directory: give --directory (ldaps://HOST, FILE.ldif or DIR), AUTOMEND_DIRECTORY, \
             or directory in {FILE_NAME}"
        );
    };
    let base = if server.base.is_empty() {
        &file.base
    } else {
        &server.base
    };
    let password = match server.password_file.clone().or(file.password) {
        Some(path) => Password::File(path),
        None => environment("AUTOMEND_DIRECTORY_PASSWORD").map_or(Password::Prompt, |text| {
            Password::Environment(SecretString::from(text))
        }),
    };
    let auth = source.login.auth.or(file.auth).unwrap_or_default();
    let keytab = source.login.keytab.clone().or(file.keytab);
    let named = source.login.ticket_cache.clone().or(file.ticket_cache);
    let (kerberos, no_tickets) = kerberos(keytab, named, source.login.kdc.clone().or(file.kdc));
    Ok(Settings {
        directory,
        auth: match auth {
            args::AuthMethod::Auto => Auth::Auto,
            args::AuthMethod::Kerberos => Auth::Kerberos,
            args::AuthMethod::Simple => Auth::Simple,
            args::AuthMethod::External => Auth::External,
        },
        kerberos,
        no_tickets,
        one: (!others.is_empty()).then(OneDirectory::default),
        others,
        // Not read by the command line itself: what is typed may mean more there (see `audit`).
        user: server
            .user
            .clone()
            .or_else(|| environment("AUTOMEND_DIRECTORY_USER"))
            .or(file.user),
        password,
        ca: if server.ca.is_empty() {
            file.ca.map(Into::into).unwrap_or_default()
        } else {
            server.ca.clone()
        },
        start_tls: server.start_tls || file.start_tls.unwrap_or(false),
        allow_plaintext: server.allow_plaintext || file.allow_plaintext.unwrap_or(false),
        base: base
            .iter()
            .map(|text| Dn::parse(text).with_context(|| format!("reading --base {text}")))
            .collect::<Result<_>>()?,
        page_size: server
            .page_size
            .or(file.page_size)
            .unwrap_or(PAGE_SIZE)
            .max(1),
        timeout: server
            .timeout
            .or(file.timeout)
            .map_or(TIMEOUT, Duration::from_secs),
    })
}

/// What tickets are got with, and why there are none where they are kept in a way that cannot be read.
fn kerberos(
    keytab: Option<PathBuf>,
    named: Option<PathBuf>,
    kdc: Option<String>,
) -> (kerberos::Credentials, Option<String>) {
    let configuration = kerberos_file();
    let (ticket_cache, no_tickets) = if named.is_some() {
        (named, None)
    } else {
        let environment = environment("KRB5CCNAME");
        let read = kerberos::Configuration::read(&configuration);
        match kerberos::ticket_cache(environment.as_deref().or(read.ticket_cache())) {
            Ok(path) => (Some(path).filter(|path| path.is_file()), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        }
    };
    let credentials = kerberos::Credentials {
        ticket_cache,
        keytab,
        kdc,
        configuration,
        ..kerberos::Credentials::default()
    };
    (credentials, no_tickets)
}

/// The same for a test, whose `--user` and `--password-file` belong to the mail server.
pub(crate) fn directory_settings_beside_a_test(
    beside: &args::TestDirectory,
    login: &args::TestLogin,
    ca: &[PathBuf],
    config: Option<&Path>,
) -> Result<Option<Settings>> {
    if beside.directory.is_none() {
        return Ok(None);
    }
    let server = args::Server {
        directory: beside.directory.iter().cloned().collect(),
        user: beside.directory_user.clone(),
        password_file: beside.directory_password_file.clone(),
        ca: ca.to_vec(),
        start_tls: beside.start_tls,
        allow_plaintext: beside.allow_plaintext,
        ..args::Server::default()
    };
    // Tickets are the user's, wherever they are shown; a keytab is of the user of the mail server.
    let login = args::Login {
        ticket_cache: login.ticket_cache.clone(),
        kdc: login.kdc.clone(),
        ..args::Login::default()
    };
    let source = args::Source { server, login };
    directory_settings(&source, config).map(Some)
}
