//! The directory beside a test: the servers that it names, and whose link is to blame.
//!
//! Invariant: it only reads, and what is stale the resolver says, as in an audit.

use std::collections::HashMap;

use anyhow::{Context, Result};
use automend_core::command::Command;
use automend_core::discovery::{Host, Scp};
use automend_core::finding::Finding;
use automend_core::names::SmtpAddress;
use automend_core::policy::{FOLLOW, Policy};
use automend_core::resolve::{Request, Resolved, Who};
use automend_core::settings::Outcome;
use automend_core::view::Known;
use automend_source::{Directory, LdapUrl, Location, Scheme, Settings};
use tokio::sync::Mutex;

use crate::hints;
use crate::report::people::People;

/// The directory at hand, opened at the first question.
pub(super) struct DirectoryCheck {
    settings: Settings,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    directory: Option<Directory>,
    /// Service connection points, by the directory server that a pointer named.
    points: HashMap<Option<Host>, Vec<Scp>>,
}

/// What the directory says of a user whose Autodiscover fails.
#[derive(Debug)]
pub(super) struct Blame {
    /// The directory, as it was named.
    pub directory: String,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// How the people in them are reached.
    pub people: People,
    /// What Exchange would answer according to this directory.
    pub expected: Outcome,
    /// The command that fixes it.
    pub fix_command: Option<Command>,
    /// What could not be read.
    pub defects: Vec<String>,
}

impl DirectoryCheck {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            opened: Mutex::default(),
        }
    }

    /// A command that asks this directory.
    pub(super) fn command(&self) -> Command {
        hints::named_directory("audit", &self.settings)
    }

    /// The directory's server, if it is one.
    pub(super) fn host(&self) -> Option<Host> {
        match &self.settings.directory {
            Location::Server(url) => Host::parse(&url.host),
            Location::Ldif(_) | Location::StandardInput | Location::Embedded(_) => None,
        }
    }

    /// Service connection points, of the server that a pointer names where there is one.
    pub(super) async fn points(&self, at: Option<&Host>) -> Result<Vec<Scp>> {
        let mut opened = self.opened.lock().await;
        if let Some(known) = opened.points.get(&at.cloned()) {
            return Ok(known.clone());
        }
        let found = match at {
            None => {
                let directory = opened.directory(&self.settings).await?;
                directory.service_connection_points().await?
            }
            Some(host) => {
                let settings = self.elsewhere(host)?;
                let mut directory = Directory::open(&settings).await?;
                directory.service_connection_points().await?
            }
        };
        opened.points.insert(at.cloned(), found.clone());
        Ok(found)
    }

    /// The same login at another server.
    fn elsewhere(&self, host: &Host) -> Result<Settings> {
        let scheme = match &self.settings.directory {
            Location::Server(url) if url.scheme == Scheme::Ldap => Scheme::Ldap,
            _ => Scheme::Ldaps,
        };
        let url =
            LdapUrl::at(scheme, &host.to_string()).with_context(|| format!("reading {host}"))?;
        Ok(self.settings.at(url))
    }

    /// Whether two addresses are of one object; `false` where the directory does not say so.
    pub(super) async fn is_same(&self, one: &SmtpAddress, other: &SmtpAddress) -> bool {
        let mut opened = self.opened.lock().await;
        let Ok(directory) = opened.directory(&self.settings).await else {
            return false;
        };
        let mut known = Known::default();
        let one = directory.find(&Who::Address(one.clone()), &mut known).await;
        let other = Who::Address(other.clone());
        let other = directory.find(&other, &mut known).await;
        matches!((one, other), (Ok(one), Ok(other)) if one.dn == other.dn)
    }

    /// What is wrong with a user.
    pub(super) async fn blame(&self, address: &SmtpAddress) -> Result<Blame> {
        let mut opened = self.opened.lock().await;
        let directory = opened.directory(&self.settings).await?;
        let request = Request {
            who: Who::Address(address.clone()),
            policy: Policy::Faithful,
            follow: FOLLOW,
        };
        let resolved = directory.resolve(&request, &mut Known::default()).await?;
        let shown = self.settings.directory.shown();
        let defects = directory.take_defects();
        let people = People::of(directory, &resolved.findings).await;
        Ok(Blame {
            fix_command: fix_command(&resolved, hints::fix_command(&self.settings, directory)),
            directory: shown,
            people,
            findings: resolved.findings,
            expected: resolved.outcome,
            defects,
        })
    }
}

impl Blame {
    /// What Exchange would answer, in a word.
    pub(super) fn expected(&self) -> String {
        match &self.expected {
            Outcome::Settings(_) => "settings".to_owned(),
            Outcome::Redirect(address) => format!("redirect to {address}"),
            Outcome::Fault(fault) => format!("error {}", fault.code.number()),
        }
    }
}

impl Opened {
    async fn directory(&mut self, settings: &Settings) -> Result<&mut Directory> {
        if self.directory.is_none() {
            self.directory = Some(Directory::open(settings).await?);
        }
        self.directory.as_mut().context("opening the directory")
    }
}

/// The command that removes every stale link of a user.
fn fix_command(resolved: &Resolved, command: Command) -> Option<Command> {
    let mut owners = resolved
        .findings
        .iter()
        .filter(|finding| finding.code.is_stale_link())
        .map(|finding| &finding.subject.dn)
        .peekable();
    owners.peek()?;
    Some(owners.fold(command, |command, dn| command.name("--owner", dn)))
}
