//! Where a directory is and how to talk to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use automend_core::dn::Dn;
use automend_system::private_file::first_line;
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

    /// The settings for a connection that nobody has logged in on.
    pub fn without_login(&self) -> Self {
        Self {
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

    /// Asks for the password once, so that further connections need not ask again.
    pub fn with_known_password(&self) -> Result<Self> {
        if self.user.is_none() {
            return Ok(self.clone());
        }
        Ok(Self {
            password: Password::Environment(self.password()?),
            ..self.clone()
        })
    }
}
