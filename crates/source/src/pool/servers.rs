//! The servers of a pool: the state of each, and the observer.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use automend_ldap::Error;
use automend_system::clock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::connections::{Connections, Limits, Server, locked};
use super::health::{Health, State};
use crate::live::{Live, is_lost_code};
use crate::location::LdapUrl;
use crate::one_directory::OtherDirectory;
use crate::settings::Settings;

/// Servers of one directory, with connections to each.
pub struct Pool {
    settings: Settings,
    pub(super) limits: Limits,
    pub(super) servers: Vec<Server>,
    /// A server has gone down.
    alarm: Notify,
    observe: Observer,
}

/// Is told of what happens to servers.
pub type Observer = Box<dyn Fn(&Change<'_>) + Send + Sync>;

/// Something happened to a server.
#[derive(Debug)]
pub struct Change<'a> {
    /// The server.
    pub server: &'a LdapUrl,
    /// What happened.
    pub event: Event<'a>,
    /// Whether any server is up now.
    pub any_up: bool,
}

/// What happened to a server.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request failed.
    RequestFailed,
    /// The server answers again, or for the first time.
    Up,
    /// The server does not answer, for this reason.
    Down(&'a str),
}

/// The state of a server, to be shown.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where it is.
    pub url: LdapUrl,
    /// Whether it answers.
    pub up: bool,
    /// Since when.
    pub since: String,
    /// Why it does not answer.
    pub reason: Option<String>,
}

/// Connections for password checks to each server.
const BIND_CONNECTIONS: usize = 256;
/// How often servers are checked while none is up.
const OUTAGE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Pool {
    /// A pool of these servers. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The password of the service's account cannot be read.
    pub fn new(
        settings: &Settings,
        urls: Vec<LdapUrl>,
        limits: Limits,
        observe: Observer,
    ) -> Result<Self> {
        let mut settings = settings.with_known_password()?;
        settings.timeout = settings.timeout.min(limits.timeout);
        if urls.len() > 1 {
            settings.one.get_or_insert_default();
        }
        let servers = urls.into_iter().map(|url| Server {
            settings: settings.at(url.clone()),
            url,
            searches: Connections::new(limits.connections),
            binds: Connections::new(BIND_CONNECTIONS),
            health: Mutex::new(Health::new(clock::now().to_string())),
            root: Mutex::default(),
        });
        Ok(Self {
            servers: servers.collect(),
            settings,
            limits,
            alarm: Notify::new(),
            observe,
        })
    }

    /// How the servers are reached.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the servers are.
    pub fn urls(&self) -> impl Iterator<Item = &LdapUrl> {
        self.servers.iter().map(|server| &server.url)
    }

    /// Whether any server is up.
    pub fn any_up(&self) -> bool {
        let mut servers = self.servers.iter();
        servers.any(|server| locked(&server.health).state == State::Up)
    }

    /// The state of each server.
    pub fn status(&self) -> Vec<Status> {
        let status = |server: &Server| {
            let health = locked(&server.health);
            Status {
                url: server.url.clone(),
                up: health.state == State::Up,
                since: health.since.clone(),
                reason: health.reason.clone(),
            }
        };
        self.servers.iter().map(status).collect()
    }

    /// Checks every server, in their order; one that is up is enough.
    ///
    /// # Errors
    ///
    /// None is up, or one holds another directory than the first.
    pub async fn start(&self) -> Result<()> {
        let mut first = None;
        for server in &self.servers {
            if let Err(error) = self.check(server).await {
                if error.is::<OtherDirectory>() {
                    return Err(error);
                }
                first = first.or(Some(error));
            }
        }
        first.filter(|_| !self.any_up()).map_or(Ok(()), Err)
    }

    /// Checks every server again and again: after a pause, and as soon as a request has failed.
    pub async fn watch(&self) {
        loop {
            let interval = self.limits.check_interval;
            let pause = if self.any_up() {
                interval
            } else {
                interval.min(OUTAGE_CHECK_INTERVAL)
            };
            let _ = timeout(pause, self.alarm.notified()).await;
            let checks = self.servers.iter().map(|server| self.check(server));
            futures_util::future::join_all(checks).await;
        }
    }

    /// Checks one server by the smallest question there is.
    pub(super) async fn check(&self, server: &Server) -> Result<()> {
        let checked = self.ping(server).await;
        let is_busy = checked.is_err() && server.searches.permits.available_permits() == 0;
        if is_busy && locked(&server.health).state == State::Up {
            // Every connection is in use, and those requests will show how it is.
            return Ok(());
        }
        match &checked {
            Ok(()) => {
                self.change(server, Health::succeeded, None);
            }
            Err(error) => {
                // That it is another directory is news though it was down before.
                let is_other = error.is::<OtherDirectory>();
                let reason = format!("{error:#}");
                let failed = |health: &mut Health| {
                    let is_new = is_other && health.reason.as_ref() != Some(&reason);
                    health.check_failed() || is_new
                };
                self.change(server, failed, Some(&reason));
            }
        }
        checked
    }

    async fn ping(&self, server: &Server) -> Result<()> {
        let until = Instant::now() + self.limits.timeout;
        loop {
            let lease = server.lease::<Live>(&self.limits, until).await?;
            let asked = lease.connection.client.base("", &["currentTime"]);
            match timeout_at(until, asked).await {
                Ok(Ok(_)) => {
                    lease.give_back();
                    return Ok(());
                }
                Ok(Err(error)) if lease.reused && !is_answer(&error) => server.searches.forget(),
                Ok(Err(error)) => return Err(error).with_context(|| server.url.to_string()),
                Err(_) => return Err(server.late(&self.limits)),
            }
        }
    }

    /// Changes what is known of a server. Where `change` says that this is news, the observer is called.
    pub(super) fn change(
        &self,
        server: &Server,
        change: impl FnOnce(&mut Health) -> bool,
        reason: Option<&str>,
    ) -> bool {
        {
            let mut health = locked(&server.health);
            if !change(&mut health) {
                return false;
            }
            health.since = clock::now().to_string();
            health.reason = reason.map(str::to_owned);
        }
        if reason.is_some() {
            server.forget();
        }
        self.tell(server, reason.map_or(Event::Up, Event::Down));
        true
    }

    fn tell(&self, server: &Server, event: Event<'_>) {
        (self.observe)(&Change {
            server: &server.url,
            event,
            any_up: self.any_up(),
        });
    }

    /// A request failed at a server.
    pub(super) fn failed(&self, server: &Server, error: &anyhow::Error) {
        self.tell(server, Event::RequestFailed);
        // A server that declines is there.
        if !error.downcast_ref().is_some_and(is_answer) {
            let reason = format!("{error:#}");
            if self.change(server, Health::request_failed, Some(&reason)) {
                self.alarm.notify_one();
            }
        }
    }
}

/// Whether a server has answered, though not as it was asked to.
fn is_answer(error: &Error) -> bool {
    match error {
        Error::Refused { code, .. } => !is_lost_code(*code),
        Error::Incomplete { .. }
        | Error::Referral { .. }
        | Error::CookieRefused { .. }
        | Error::Limit { .. }
        | Error::Unsendable { .. } => true,
        _ => false,
    }
}
