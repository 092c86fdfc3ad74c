//! Where entries come from: a live server, an LDIF file, an embedded directory.
//!
//! A source does two things: it streams every owner to an audit, and it answers the [`Need`]s of the resolver.
//!
//! Invariant: what is stale is never decided here; that something is absent is proved by its directory; every
//! loss of a connection is retried or reported; nothing here speaks HTTP.

pub mod access;
mod bind;
mod blind;
mod by_name;
pub mod connect;
pub mod embedded;
pub mod gaps;
pub mod groups;
pub mod import;
pub mod ldif;
pub mod live;
mod location;
mod one_directory;
pub mod parallel;
pub mod permissions;
pub mod pool;
mod proof;
pub mod replicas;
mod rights;
mod scp;
mod seen;
mod settings;
pub mod sink;
pub mod sum;
pub mod suspects;
pub mod topology;
pub mod typed;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::entry::{Defect, Entry};
use automend_core::names::SmtpAddress;
use automend_core::resolve::{Request, Resolved, Who, meant, resolve};
use automend_core::view::{Known, Need};
use tokio::time::timeout;

use automend_core::display::plain;
pub use bind::KerberosLayer;
pub use location::{LdapUrl, Location, Scheme};
pub use one_directory::{Identity, OneDirectory, OtherDirectory};
pub use seen::Seen;
pub use settings::{Auth, PAGE_SIZE, Password, Settings, TIMEOUT};
use topology::Topology;

/// An opened source.
pub enum Directory {
    /// A live server.
    Live(Box<live::Live>),
    /// An embedded directory.
    Embedded(embedded::Embedded),
    /// An LDIF file.
    Ldif(ldif::Ldif),
}

/// Rounds of questions before the resolver is believed to run in circles.
const MOST_ROUNDS: usize = 64;

/// Objects that are looked up together.
const AT_ONCE: usize = 500;

/// How long another server may take to tell which directory it holds.
const LOOK: Duration = Duration::from_secs(5);

impl Directory {
    /// Opens the source; a live server is connected and logged in to.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let needs_no_login = !matches!(settings.directory, Location::Server(_));
        if needs_no_login && settings.start_tls {
            bail!(
                "{}: --start-tls is for ldap:// servers",
                settings.directory.shown()
            );
        }
        Ok(match &settings.directory {
            Location::Server(url) => Self::Live(Box::new(Self::first(settings, url).await?)),
            Location::Embedded(folder) => Self::Embedded(embedded::Embedded::open(folder)?),
            Location::Ldif(path) => Self::Ldif(ldif::Ldif::open(path)?),
            Location::StandardInput => Self::Ldif(ldif::Ldif::standard_input()?),
        })
    }

    /// The first server that answers. Those after it are refused if they hold another directory, as an
    /// outage would make every user unknown otherwise; one that does not answer is not waited for.
    async fn first(settings: &Settings, url: &LdapUrl) -> Result<live::Live> {
        let settings = &settings.with_known_password()?;
        let mut others = settings.others.iter();
        let mut opened = live::Live::open(settings, url).await;
        let live = loop {
            let failed = match opened {
                Ok(live) => break live,
                Err(error) => error,
            };
            let Some(other) = others.next() else {
                return Err(failed);
            };
            eprintln!("note: {}", plain(format_args!("{failed:#}")));
            opened = live::Live::open(settings, other).await;
        };
        let looks = others.map(|other| timeout(LOOK, live::Live::open(settings, other)));
        for looked in futures_util::future::join_all(looks).await {
            if let Ok(Err(error)) = looked
                && error.is::<OtherDirectory>()
            {
                return Err(error);
            }
        }
        Ok(live)
    }

    /// Lets the settings name the server that answered.
    pub fn name_server(&self, settings: &mut Settings) {
        if let Self::Live(live) = self {
            settings.directory = Location::Server(live.url.clone());
        }
    }

    /// Answers the resolver's questions.
    pub async fn answer(&mut self, needs: Vec<Need>, known: &mut Known) -> Result<()> {
        match self {
            Self::Live(live) => live.answer(needs, known).await,
            Self::Embedded(embedded) => embedded.answer(needs, known),
            Self::Ldif(ldif) => ldif.answer(needs, known),
        }
    }

    /// What names this directory for ever, whatever it is called on the command line.
    pub async fn identity(&mut self) -> Result<String> {
        Ok(match self {
            Self::Live(live) => live.identity().await?,
            Self::Embedded(embedded) => embedded.identity()?,
            Self::Ldif(ldif) => ldif.shown.clone(),
        })
    }

    /// Mailbox databases and servers, as far as the configuration shows them.
    pub async fn places(&mut self) -> Result<Topology> {
        match self {
            Self::Live(live) => live.places().await,
            Self::Embedded(embedded) => embedded.places(),
            Self::Ldif(ldif) => ldif.places(),
        }
    }

    /// What was not checked so far, and why, told once.
    pub fn take_notes(&mut self) -> Vec<String> {
        match self {
            Self::Live(_) | Self::Embedded(_) => Vec::new(),
            Self::Ldif(ldif) => std::mem::take(&mut ldif.notes),
        }
    }

    /// What could not be read so far, told once.
    pub fn take_defects(&mut self) -> Vec<String> {
        let told = |defects: &mut Vec<Defect>| {
            let mut seen = HashSet::new();
            let told = defects.drain(..).map(|defect| defect.to_string());
            told.filter(|defect| seen.insert(defect.clone())).collect()
        };
        match self {
            Self::Live(live) => told(&mut live.defects),
            Self::Embedded(embedded) => told(&mut embedded.defects),
            Self::Ldif(ldif) => std::mem::take(&mut ldif.defects),
        }
    }

    /// Asks the resolver; `known` keeps what was read, for the next question.
    pub async fn resolve(&mut self, request: &Request, known: &mut Known) -> Result<Resolved> {
        let mut resolved = self
            .resolve_all(std::slice::from_ref(request), known)
            .await?;
        resolved.pop().context("the resolver gave no answer")
    }

    /// Asks the resolver for many users at once, so that what they need is fetched together.
    pub async fn resolve_all(
        &mut self,
        requests: &[Request],
        known: &mut Known,
    ) -> Result<Vec<Resolved>> {
        for _ in 0..MOST_ROUNDS {
            match resolve_each(requests, known) {
                Ok(resolved) => return Ok(resolved),
                Err(needs) => self.answer(needs, known).await?,
            }
        }
        bail!("the resolver asked for more after {MOST_ROUNDS} rounds");
    }

    /// Whom a person means who types an address, a name in the directory, `alice`, `CONTOSO\\alice` or
    /// `Alice Ames`; an account goes before a name that is only shown.
    pub async fn meant(&mut self, text: &str) -> Result<Who> {
        use automend_core::view::{Answer, View};
        if let Ok(who) = who(text) {
            return Ok(who);
        }
        let (domain, name) = text
            .split_once('\\')
            .map_or((None, text), |(domain, name)| (Some(domain), name));
        let (need, mut known) = (Need::Name(name.to_owned()), Known::default());
        self.answer(vec![need.clone()], &mut known).await?;
        let found = match known.answer(&need) {
            Some(Answer::Found(found)) => found.as_slice(),
            Some(Answer::Unreadable(why)) => bail!("{text:?}: {why}"),
            None => &[],
        };
        let mut meant: Vec<&Entry> = found
            .iter()
            .filter(|entry| !entry.dn.is_deleted_object())
            .collect();
        let accounts = |entry: &&Entry| {
            let account = entry.account.as_deref().unwrap_or_default();
            account.eq_ignore_ascii_case(name.trim())
        };
        if meant.iter().any(accounts) || domain.is_some() {
            meant.retain(accounts);
        }
        if let Some(domain) = domain {
            // A short name need not be the first label, so another one alone rules no object out.
            let ours = |entry: &&Entry| {
                let own = entry.dn.domain();
                own.eq_ignore_ascii_case(domain)
                    || own
                        .split('.')
                        .next()
                        .is_some_and(|label| label.eq_ignore_ascii_case(domain))
            };
            if meant.iter().any(ours) {
                meant.retain(ours);
            }
        }
        meant.dedup_by(|a, b| a.dn == b.dn);
        match meant.as_slice() {
            [one] => Ok(Who::Dn(one.dn.clone())),
            [] => bail!(
                "{text:?} is neither an address nor a distinguished name, and no object has that name"
            ),
            several => {
                let names: Vec<&str> = several.iter().map(|entry| entry.dn.as_str()).collect();
                bail!(
                    "{text:?} is not unique; give one of these: {}",
                    names.join(" | ")
                )
            }
        }
    }

    /// Objects by name, as far as they can be read.
    pub async fn entries(&mut self, names: &[Dn]) -> Result<Vec<Entry>> {
        use automend_core::view::{Answer, View};
        let mut found = Vec::new();
        for portion in names.chunks(AT_ONCE) {
            let mut known = Known::default();
            let needs: Vec<Need> = portion.iter().cloned().map(Need::Entry).collect();
            self.answer(needs.clone(), &mut known).await?;
            for need in &needs {
                if let Some(Answer::Found(entries)) = known.answer(need) {
                    found.extend(entries.iter().cloned());
                }
            }
        }
        Ok(found)
    }

    /// The one object that is meant by an address or a name.
    pub async fn find(&mut self, who: &Who, known: &mut Known) -> Result<Entry> {
        use automend_core::view::{Answer, View};
        let (need, shown) = (who.need(), who);
        self.answer(vec![need.clone()], known).await?;
        match known.answer(&need) {
            Some(Answer::Found(found)) => match meant(found, who).as_slice() {
                [one] => Ok((*one).clone()),
                [] => bail!("{shown}: no object has this address or name"),
                several => {
                    let names: Vec<&str> = several.iter().map(|entry| entry.dn.as_str()).collect();
                    bail!(
                        "{shown} is not unique: {}; give the distinguished name",
                        names.join(" and ")
                    )
                }
            },
            Some(Answer::Unreadable(why)) => bail!("{shown}: {why}"),
            None => bail!("{shown}: the directory gave no answer"),
        }
    }
}

impl live::Live {
    /// Asks the resolver.
    ///
    /// # Errors
    ///
    /// The server did not answer.
    pub async fn resolve(&mut self, request: &Request) -> Result<Resolved> {
        let mut known = Known::default();
        for _ in 0..MOST_ROUNDS {
            match resolve(&known, request) {
                Ok(resolved) => return Ok(resolved),
                Err(needs) => self.answer(needs, &mut known).await?,
            }
        }
        bail!("the resolver asked for more after {MOST_ROUNDS} rounds");
    }
}

/// What the resolver says of each request, or what it needs to know first.
fn resolve_each(requests: &[Request], known: &Known) -> Result<Vec<Resolved>, Vec<Need>> {
    let mut open: HashSet<Need> = HashSet::new();
    let mut resolved = Vec::new();
    for request in requests {
        match resolve(known, request) {
            Ok(done) => resolved.push(done),
            Err(needs) => open.extend(needs),
        }
    }
    if open.is_empty() {
        Ok(resolved)
    } else {
        Err(open.into_iter().collect())
    }
}

/// Reads what a person typed for a user: an address, a legacy name or a distinguished name.
pub fn who(text: &str) -> Result<Who> {
    if text.starts_with('/') {
        return Ok(Who::LegacyDn(text.to_owned()));
    }
    if text.contains('=') && !text.contains('@') || text.contains(",DC=") || text.contains(",dc=") {
        return Ok(Who::Dn(Dn::parse(text)?));
    }
    match SmtpAddress::parse(text) {
        Ok(address) => Ok(Who::Address(address)),
        Err(_) => bail!("{text:?} is neither an address nor a distinguished name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_type_an_address_or_a_name() {
        assert!(matches!(who("alice@contoso.com").unwrap(), Who::Address(_)));
        assert!(matches!(
            who("CN=Alice,DC=contoso,DC=com").unwrap(),
            Who::Dn(_)
        ));
        assert!(matches!(
            who("CN=a@b,DC=contoso,DC=com").unwrap(),
            Who::Dn(_)
        ));
        assert!(matches!(
            who("/o=Contoso/cn=alice").unwrap(),
            Who::LegacyDn(_)
        ));
        assert!(who("alice").is_err());
    }
}
