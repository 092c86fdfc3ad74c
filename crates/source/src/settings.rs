//! Where a directory is and how to talk to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use automend_core::dn::Dn;
use automend_negotiate::kerberos::Moment;
use automend_system::private_file::first_line;
use automend_system::{clock, kerberos};
use secrecy::SecretString;

use crate::location::{LdapUrl, Location};
use crate::one_directory::OneDirectory;

/// Entries a page, where nothing else is said.
pub const PAGE_SIZE: u32 = 1000;
/// How long a request may go without an answer, where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// Where the directory is and how to talk to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory.
    pub directory: Location,
    /// Other servers of the same directory, for when that one does not answer.
    pub others: Vec<LdapUrl>,
    /// The directory that all servers must hold, where there are several.
    pub one: Option<OneDirectory>,
    /// By which method.
    pub auth: Auth,
    /// Tickets, keytab and centre of Kerberos; user and password stand beside.
    pub kerberos: kerberos::Credentials,
    /// Why there are no tickets, where they are kept in a way that cannot be read.
    pub no_tickets: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// Where the password comes from.
    pub password: Password,
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

/// How to log in to a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Auth {
    /// Kerberos where there is a ticket or a centre, else a simple bind over TLS; the local socket's
    /// identity; anonymous where no user is named.
    #[default]
    Auto,
    /// Kerberos (RFC 4752).
    Kerberos,
    /// Name and password (RFC 4513 5.1.3).
    Simple,
    /// The identity that the transport proves (RFC 4422 appendix A).
    External,
}

/// Where a password comes from.
#[derive(Clone, Debug)]
pub enum Password {
    /// The first line of a file.
    File(PathBuf),
    /// The environment, or what was typed before.
    Environment(SecretString),
    /// The terminal.
    Prompt,
}

impl Settings {
    /// Settings for a directory that needs nothing else.
    pub fn of(directory: Location) -> Self {
        Self {
            directory,
            others: Vec::new(),
            one: None,
            auth: Auth::default(),
            kerberos: kerberos::Credentials::default(),
            no_tickets: None,
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
    pub fn at(&self, url: LdapUrl) -> Self {
        Self {
            directory: Location::Server(url),
            others: Vec::new(),
            ..self.clone()
        }
    }

    /// The first server without those that stand in for it.
    pub fn alone(&self) -> Self {
        Self {
            others: Vec::new(),
            ..self.clone()
        }
    }

    /// The settings for a connection without a login.
    pub fn without_login(&self) -> Self {
        Self {
            auth: Auth::Auto,
            kerberos: kerberos::Credentials::default(),
            user: None,
            password: Password::Prompt,
            ..self.clone()
        }
    }

    /// The file with the password, where one was named.
    pub fn password_file(&self) -> Option<&Path> {
        match &self.password {
            Password::File(path) => Some(path),
            Password::Environment(_) | Password::Prompt => None,
        }
    }

    /// The password; asks for it on the terminal when nothing else tells it.
    pub fn password(&self) -> Result<SecretString> {
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

    /// Whether the ticket cache has a ticket that is still good, of the user where one is named.
    pub fn has_ticket(&self) -> bool {
        let Ok(Some(tickets)) = self.kerberos.tickets() else {
            return false;
        };
        let now = Moment::from(clock::now());
        let client = &tickets.client;
        let name = client.name.first().map(String::as_str).unwrap_or_default();
        let full = client.to_string();
        let is_user = self.user.as_ref().is_none_or(|user| {
            [name, full.as_str()]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(user))
        });
        is_user && tickets.tickets.iter().any(|ticket| ticket.ends > now)
    }

    /// Asks for the password once, so that further connections need not ask again.
    pub fn with_known_password(&self) -> Result<Self> {
        let without = match self.auth {
            Auth::External => true,
            Auth::Auto | Auth::Kerberos => self.kerberos.keytab.is_some() || self.has_ticket(),
            Auth::Simple => false,
        };
        if self.user.is_none() || without {
            return Ok(self.clone());
        }
        Ok(Self {
            password: Password::Environment(self.password()?),
            ..self.clone()
        })
    }
}
