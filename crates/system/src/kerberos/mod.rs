//! Kerberos on this machine: its configuration, the tickets and keys of its users, and a ticket for a service.
//!
//! What `kinit` left is used first; else a password or a key gets a ticket from a key distribution centre.
//! Nothing is written: a ticket that was got here ends with the program.
//!
//! Invariant: a password is proved to a centre once for each ticket, and sent nowhere.

mod cache;
mod configuration;
mod kdc;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use automend_negotiate::kerberos::{
    Ask, KdcError, Keytab, Moment, Principal, Secret, Step, Ticket, Tickets, read_tickets,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::clock;
use crate::private_file::{self, Readable};

pub use cache::ticket_cache;
pub use configuration::Configuration;

/// What a ticket is got with. The first of ticket cache, keytab and password that is there is used.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// A file of tickets, as `kinit` writes it.
    pub ticket_cache: Option<PathBuf>,
    /// A keytab with a key of the user.
    pub keytab: Option<PathBuf>,
    /// The password of the user.
    pub password: Option<SecretString>,
    /// `user@domain` or `DOMAIN\user`; the tickets name their user themselves.
    pub user: Option<String>,
    /// The key distribution centre, `host` or `host:port`; else `krb5.conf` names it, or the realm's own name.
    pub kdc: Option<String>,
    /// `krb5.conf`.
    pub configuration: PathBuf,
    /// Whether a proof may be made with RC4, from which a password is cheap to guess.
    pub rc4: bool,
}

impl Credentials {
    /// A ticket for `service` on `host`, such as `HTTP` or `ldap`.
    ///
    /// # Errors
    ///
    /// Why there is none: a [`KdcError`] where a key distribution centre says so.
    pub async fn ticket(&self, service: &str, host: &str) -> Result<Ticket> {
        let configuration = Configuration::read(&self.configuration);
        if self.ticket_cache.is_some() {
            return self.by_tickets(service, host, &configuration).await;
        }
        let user = self.user.as_deref().unwrap_or_default();
        let (name, realm) = match (user.split_once('\\'), user.rsplit_once('@')) {
            (Some((domain, user)), _) => (user, domain),
            (None, Some((_, domain))) => (user, domain),
            (None, None) => bail!("{user}: Kerberos needs user@domain or DOMAIN\\user"),
        };
        let realm = realm.to_uppercase();
        let secret = match (&self.keytab, &self.password) {
            (Some(path), _) => {
                let bytes = private_file::read(path, "the keytab", Readable::Refused)?;
                Secret::Keys(
                    Keytab::read(&bytes)
                        .with_context(|| format!("reading the keytab {}", path.display()))?,
                )
            }
            (None, Some(password)) => {
                Secret::Password(Zeroizing::new(password.expose_secret().to_owned()))
            }
            (None, None) => bail!("{user}: Kerberos needs a password, a keytab or tickets"),
        };
        let begun = Ask::with_secret(
            Principal::user(name, &realm),
            secret,
            Principal::service(service, host, &realm),
            self.rc4,
            Moment::from(clock::now()),
        );
        self.drive(begun, &configuration).await
    }

    /// The tickets in the cache; `None` where no cache is named.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no tickets.
    pub fn tickets(&self) -> Result<Option<Tickets>> {
        let Some(path) = &self.ticket_cache else {
            return Ok(None);
        };
        let bytes = private_file::read(path, "the tickets in", Readable::Refused)?;
        let tickets = read_tickets(&bytes)
            .with_context(|| format!("reading the tickets in {}", path.display()))?;
        Ok(Some(tickets))
    }

    async fn by_tickets(
        &self,
        service: &str,
        host: &str,
        configuration: &Configuration,
    ) -> Result<Ticket> {
        let (Some(path), Some(tickets)) = (&self.ticket_cache, self.tickets()?) else {
            bail!("no file of tickets");
        };
        let realm = tickets.client.realm.clone();
        let now = Moment::from(clock::now());
        if let Some(ticket) = tickets.find(&Principal::service(service, host, ""), now) {
            return Ok(ticket.clone());
        }
        let granting = Principal::service("krbtgt", &realm, &realm);
        let granting = tickets.find(&granting, now).with_context(|| {
            format!(
                "no ticket in {} that is still good; run kinit",
                path.display()
            )
        })?;
        let service = Principal::service(service, host, &realm);
        let begun = Ask::with_ticket(granting.clone(), service, now);
        self.drive(begun, configuration).await
    }

    /// Sends what is to be sent until there is a ticket.
    async fn drive(
        &self,
        begun: Result<(Ask, Step), KdcError>,
        configuration: &Configuration,
    ) -> Result<Ticket> {
        let (mut ask, mut step) = begun?;
        loop {
            match step {
                Step::Done(ticket) => return Ok(*ticket),
                Step::Send { realm, message } => {
                    let answer =
                        kdc::exchange(&realm, self.kdc.as_deref(), configuration, &message).await?;
                    step = ask.feed(&answer, Moment::from(clock::now()))?;
                }
            }
        }
    }
}

/// Whether a key distribution centre says that the password or the account is no good, so that trying it
/// another way would only count against the account.
pub fn is_refused(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            KdcError::WrongPassword { .. }
                | KdcError::Revoked { .. }
                | KdcError::PasswordExpired { .. }
        )
    )
}
