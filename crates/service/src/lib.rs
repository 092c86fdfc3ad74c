//! The service: Autodiscover for real clients from the directory.
//!
//! Invariant: one stale link breaks no answer; nothing is answered before a login; every request ends in an answer
//! or a closed connection within its limits, and memory is bounded whatever clients send.
//!
//! What a request needs of the configuration is one value of one moment, `Configuration`: a reload makes
//! another and puts it in its place, and requests under way keep theirs. What is stale is decided by
//! core's resolver, as for every other command.

mod addresses;
mod admin;
mod answers;
mod backend;
mod check;
mod configuration;
mod domains;
mod endpoints;
mod exchange;
mod file_version;
mod ldap;
mod listen;
mod live;
mod log;
mod metrics;
mod page;
mod plain_http;
mod proxies;
mod reply;
mod route;
pub mod section;
mod service;
mod settings;
mod socket;
mod tls;
mod urls;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use automend_core::command::Command;
use automend_core::display::plain;
use automend_system::private_file;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use answers::Answers;
use automend_system::say;
use backend::Backend;
pub use check::check;
use check::{policy_word, schemes};
use configuration::{Configuration, Logins};
use file_version::FileVersion;
pub use ldap::{LdapSettings, serve_ldap};
use listen::{ListenerKind, Shutdown, bind, listen};
use log::Log;
use metrics::{Label, Metrics, ResultLabels};
use section::{Section, Source};
use service::Service;
pub use settings::{Flags, Settings};
use tls::Certificates;

/// Reads the settings of the service.
pub type Load<'a> = &'a (dyn Fn() -> Result<Settings> + Send + Sync);

/// What the operator sends.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

/// Between two looks at the certificates' files.
const LOOK: Duration = Duration::from_secs(5);
/// File descriptors that are not for clients.
const RESERVED: u64 = 256;

/// Serves until a signal says to stop. `load` reads the settings, at the start and at each reload.
///
/// # Errors
///
/// The service could not start.
pub async fn serve(from: automend_source::Settings, load: Load<'_>) -> Result<()> {
    let settings = load()?;
    let mut listeners = Vec::new();
    for (face, addresses) in [
        (ListenerKind::Tls, &settings.listen),
        (ListenerKind::Plain, &settings.http),
        (ListenerKind::Admin, &settings.admin.into_iter().collect()),
    ] {
        for address in addresses {
            listeners.push((face, bind(*address)?));
        }
    }
    let metrics = Arc::new(Metrics::default());
    let log = Arc::new(Log::open(
        settings.log.clone(),
        metrics.log_dropped.clone(),
    )?);
    let shared = (Arc::clone(&log), Arc::clone(&metrics));
    let supply = Backend::open(&from, &settings, shared.0, shared.1).await?;
    let current = Configuration::first(settings, Arc::new(supply), &log, &metrics).await?;
    let certificates = Certificates::open(&current.certificates())?;
    let certificates = Arc::new(certificates);
    let service = Arc::new(Service {
        from,
        started: Instant::now(),
        addresses: Arc::default(),
        admin_addresses: Arc::default(),
        metrics,
        log: Arc::clone(&log),
        certificates: Arc::clone(&certificates),
        tls: [
            Arc::new(certificates.server(&[b"h2", b"http/1.1"])?),
            Arc::new(certificates.server(&[b"http/1.1"])?),
        ],
        current: RwLock::new(Arc::new(current)),
        stopping: AtomicBool::new(false),
    });
    // Before the service is announced, as a signal may come right after.
    let signals = Signals::listen()?;
    let made = told(&service, &certificates, &listeners)?;
    tokio::spawn(Arc::clone(&log).write_on());
    log.event(
        "started",
        json!({ "directory": service.from.directory.shown() }),
    );
    service.tell_warnings();
    service
        .until_stopped(listeners, signals, &certificates, load)
        .await?;
    drop(made);
    log.flush();
    Ok(())
}

/// Puts flags and file together, and fits them to this machine.
///
/// # Errors
///
/// One of them is wrong; the message names the flag, or the line of the file.
pub fn settings(flags: &Flags, section: &Section, source: &Source) -> Result<Settings> {
    let mut settings = Settings::read(flags, section, source)?;
    let most =
        usize::try_from(descriptors().saturating_sub(RESERVED).max(64)).unwrap_or(usize::MAX);
    let rates = &mut settings.limits.rates;
    rates.connections = rates.connections.min(most);
    Ok(settings)
}

/// File descriptors that this process may have, once it has asked for as many as it may.
fn descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let most = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    most.unwrap_or(u64::MAX)
}

/// The servers of the directory, as far as two of them; or the one thing that it is.
fn named(from: &automend_source::Settings) -> String {
    let first = from.directory.shown();
    match from.others.as_slice() {
        [] => first,
        [other] => format!("{first} and {other}"),
        others => format!("{first} and {} more", others.len()),
    }
}

/// A few names, and how many more there are.
fn unusable_names(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Says what is served, for whom, from where, and how to test it. Gives back the file with the
/// certificate that was made, which lasts as long as the service.
fn told(
    service: &Service,
    certificates: &Certificates,
    listeners: &[(ListenerKind, TcpListener)],
) -> Result<Option<NamedTempFile>> {
    let current = service.current();
    let below = current.above.iter().map(|above| format!("*.{above}"));
    let all: Vec<String> = current.domains.iter().cloned().chain(below).collect();
    let domains = match all.as_slice() {
        [] => "no domain that could be found".to_owned(),
        all => plain(all.join(", ")),
    };
    say!(
        "Autodiscover for {domains}, out of {}",
        plain(named(&service.from))
    );
    let unusable = current.without_autoconfig();
    if !unusable.is_empty() {
        say!(
            "  warning: autoconfig answers 404 for {}: no outgoing server is configured (smtp), and no \
             mail program takes a configuration without one",
            plain(unusable_names(&unusable))
        );
    }
    let mut first: Option<SocketAddr> = None;
    for (face, listener) in listeners {
        let at = listener.local_addr().context("listening")?;
        match face {
            ListenerKind::Tls => {
                first = first.or(Some(at));
                say!("  https://{at}");
            }
            ListenerKind::Plain => say!("  http://{at}  sends everybody to HTTPS"),
            ListenerKind::Admin => say!("  http://{at}/  healthz, readyz, metrics, requests"),
        }
        if *face == ListenerKind::Admin && !at.ip().is_loopback() {
            say!("  note: others can reach {at}, and it requires no login");
        }
    }
    say!("  {}", policy_word(current.settings.policy));
    say!("  logins by {}", schemes(&current.settings));
    let made = match &certificates.made {
        Some(pem) => {
            let file = tempfile::Builder::new()
                .prefix("automend-certificate-")
                .suffix(".pem")
                .tempfile()
                .context("making a file for the certificate")?;
            std::fs::write(file.path(), pem).context("writing the certificate")?;
            say!(
                "  a self-signed certificate made for this run: {}",
                file.path().display()
            );
            Some(file)
        }
        None => None,
    };
    if let Some(at) = first {
        let domain = current
            .domains
            .first()
            .map_or("contoso.com", String::as_str);
        let someone = format!("user@{domain}");
        let mut curl = Command::new("curl");
        if let Some(file) = &made {
            curl = curl.option("--cacert", file.path().display());
        }
        let curl = curl
            .option("--user", &someone)
            .option("--header", "Content-Type: text/xml")
            .option("--data", page::request(&someone))
            .operand(format!(
                "https://{}/autodiscover/autodiscover.xml",
                reachable(at)
            ));
        say!(
            "\nTest it, with a user of yours in place of {}:",
            plain(&someone)
        );
        say!("  {curl}");
    }
    Ok(made)
}

/// Where this machine reaches a listener.
fn reachable(at: SocketAddr) -> String {
    if at.ip().is_unspecified() {
        format!("localhost:{}", at.port())
    } else {
        at.to_string()
    }
}

impl Service {
    /// Serves until a signal says to stop, and then until every request is answered.
    async fn until_stopped(
        self: &Arc<Self>,
        listeners: Vec<(ListenerKind, TcpListener)>,
        mut signals: Signals,
        certificates: &Certificates,
        load: Load<'_>,
    ) -> Result<()> {
        let (stop, asked) = watch::channel(false);
        let (present, mut all_gone) = mpsc::channel(1);
        let stopped = Shutdown::new(asked, present);
        for (face, listener) in listeners {
            tokio::spawn(listen(listener, face, Arc::clone(self), stopped.clone()));
        }
        drop(stopped);
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hang_up.recv() => {
                    self.reload(load).await;
                    self.read_certificates(certificates);
                }
                () = sleep(LOOK) => {
                    self.tell_warnings();
                    if certificates.are_outdated(&self.current().certificates()) {
                        self.read_certificates(certificates);
                    }
                }
            }
        }
        self.stopping.store(true, Ordering::Relaxed);
        self.log.event("stopping", json!({}));
        // When the last task has ended, there is no receiver any more.
        let _ = stop.send(true);
        let patience = self.current().settings.limits.shutdown_grace;
        tokio::select! {
            left = timeout(patience, all_gone.recv()) => if left.is_err() {
                self.log.event("stopped-early", json!({ "connections": self.addresses.connections() }));
            },
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
        }
        Ok(())
    }

    /// Tells of files that others can read.
    fn tell_warnings(&self) {
        for warning in private_file::gathered() {
            self.log
                .event("readable-by-others", json!({ "reason": warning }));
        }
    }

    /// Reads the configuration again; a bad one is reported, and the one in use stays.
    async fn reload(&self, load: Load<'_>) {
        let done = self.reloaded(load).await;
        let result = if done.is_ok() { "good" } else { "failed" };
        self.metrics
            .reloads
            .get_or_create(&ResultLabels {
                result: Label(result),
            })
            .inc();
        match done {
            Ok(later) => self.log.event("reloaded", json!({ "afterRestart": later })),
            Err(error) => self
                .log
                .event("reload-failed", json!({ "reason": format!("{error:#}") })),
        }
    }

    /// Returns what has changed but takes effect only after a restart.
    async fn reloaded(&self, load: Load<'_>) -> Result<Vec<&'static str>> {
        self.log.reopen()?;
        let settings = load()?;
        let old = self.current();
        let was = &old.settings;
        let mut later = Vec::new();
        for (same, what) in [
            (settings.listen == was.listen, "listen"),
            (settings.http == was.http, "http"),
            (settings.admin == was.admin, "admin"),
            (settings.log == was.log, "log"),
            (settings.directory == was.directory, "directory"),
        ] {
            if !same {
                later.push(what);
            }
        }
        let known = old.answers.supply();
        let supply = if known.is_outdated() {
            let shared = (Arc::clone(&self.log), Arc::clone(&self.metrics));
            Arc::new(Backend::open(&self.from, &settings, shared.0, shared.1).await?)
        } else {
            Arc::clone(known)
        };
        let same_supply = Arc::ptr_eq(&supply, known);
        let same_answers =
            settings.policy == was.policy && settings.limits.cache_size == was.limits.cache_size;
        let answers = if same_supply && same_answers {
            Arc::clone(&old.answers)
        } else {
            Arc::new(Answers::new(
                Arc::clone(&supply),
                settings.policy,
                was.directory,
                settings.limits.cache_size,
                Arc::clone(&self.log),
                Arc::clone(&self.metrics),
            ))
        };
        let same_logins = settings.schemes == was.schemes
            && settings.keytab == was.keytab
            && settings.realm == was.realm
            && settings.rc4_tickets == was.rc4_tickets
            && old.keytab.as_ref().is_none_or(FileVersion::holds);
        let logins = if same_supply && same_logins {
            Logins {
                authenticator: Arc::clone(&old.authenticator),
                keytab: old.keytab.clone(),
            }
        } else {
            Logins::new(&settings, &supply, Some(&old.authenticator))?
        };
        let generation = old.generation.wrapping_add(1);
        let current = Configuration::of(settings, logins, answers, &self.metrics, generation).await;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        Ok(later)
    }

    fn read_certificates(&self, certificates: &Certificates) {
        match certificates.read_again(&self.current().certificates()) {
            Ok(()) => self.log.event("certificates-read", json!({})),
            Err(error) => self.log.event(
                "certificates-failed",
                json!({ "reason": format!("{error:#}") }),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_of_the_directory_is_named_or_counted() {
        let url = |host: &str| automend_source::LdapUrl::parse(&format!("ldaps://{host}")).unwrap();
        let mut from = automend_source::Settings::of(automend_source::Location::Server(url("dc1")));
        for (others, expected) in [
            (&[][..], "ldaps://dc1"),
            (&["dc2"], "ldaps://dc1 and ldaps://dc2"),
            (&["dc2", "dc3"], "ldaps://dc1 and 2 more"),
        ] {
            from.others = others.iter().map(|host| url(host)).collect();
            assert_eq!(named(&from), expected);
        }
    }
}
