//! `automend serve`: Autodiscover for real clients, out of the directory, and one stale link hurts nobody.
//!
//! What a request needs of the configuration is one value of one moment, [`Current`]: a reload makes
//! another and puts it in its place, and requests under way keep theirs. What is stale is decided by
//! core's resolver, as for every other command.

mod addresses;
mod admin;
mod answers;
mod check;
mod faces;
mod listen;
mod log;
mod memory;
mod metrics;
mod page;
mod plain;
mod pool;
mod proxies;
mod route;
pub(crate) mod settings;
mod socket;
mod supply;
mod tls;
mod turn;
mod urls;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use automend_autodiscover::services::Services;
use automend_core::command::Command;
use automend_core::policy::Policy;
use rustls::ServerConfig;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::args;
use crate::auth::{Expected, Gate, Offer};
use crate::config::{self, serve_section};
use crate::console::{plain, say};
use crate::private_file;
use addresses::Addresses;
use answers::Answers;
use listen::{Face, Stop, bind, listen};
use log::Log;
use metrics::{Metrics, ResultLabels, Word};
use page::Pages;
use settings::Settings;
use supply::{Stamp, Supply};
use tls::Certificates;

/// Everything that outlives a reload.
pub(crate) struct Service {
    /// The directory, as it was named at start.
    from: config::Settings,
    started: Instant,
    addresses: Arc<Addresses>,
    /// Who looks at the service itself, counted apart: a look at its health must not fail because clients
    /// have taken all connections.
    lookers: Arc<Addresses>,
    metrics: Arc<Metrics>,
    log: Arc<Log>,
    current: RwLock<Arc<Current>>,
    certificates: Arc<Certificates>,
    /// With HTTP/2, and without.
    tls: [Arc<ServerConfig>; 2],
    stopping: AtomicBool,
}

/// The configuration of a moment, and what follows from it.
pub(crate) struct Current {
    settings: Settings,
    /// Every mail domain: the configured ones, then those of the directory.
    domains: Vec<String>,
    /// Domains of which those below are ours, as `*.contoso.com` is accepted; they themselves need not be.
    above: Vec<String>,
    /// What holds for no domain in particular.
    everybody: Services,
    gate: Arc<Gate>,
    /// What logins must have been made for.
    expected: Arc<Expected>,
    /// The keytab before the gate was made.
    keytab: Option<Stamp>,
    answers: Arc<Answers>,
    /// What a person sees who comes with a browser.
    pages: Pages,
    metrics: Arc<Metrics>,
    /// Counts reloads.
    generation: u32,
}

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

/// Runs the command.
pub(crate) fn run(args: &args::Serve, config: Option<&Path>) -> Result<ExitCode> {
    private_file::gather();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(serve(args, config));
    // What came too late or too early for a log.
    for warning in private_file::gathered() {
        anstream::eprintln!("automend: warning: {}", plain(warning));
    }
    done
}

async fn serve(args: &args::Serve, config: Option<&Path>) -> Result<ExitCode> {
    let from = config::Settings::read(&args.source, config)?;
    let settings = read(args, config)?;
    if args.check {
        return check::check(&from, &settings).await;
    }
    let mut listeners = Vec::new();
    for (face, addresses) in [
        (Face::Tls, &settings.listen),
        (Face::Plain, &settings.http),
        (Face::Admin, &settings.admin.into_iter().collect()),
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
    let supply = Supply::open(&from, &settings, shared.0, shared.1).await?;
    let current = Current::first(settings, Arc::new(supply), &log, &metrics).await?;
    let certificates = Certificates::open(&current.certificates())?;
    let certificates = Arc::new(certificates);
    let service = Arc::new(Service {
        from,
        started: Instant::now(),
        addresses: Arc::default(),
        lookers: Arc::default(),
        metrics,
        log: Arc::clone(&log),
        certificates: Arc::clone(&certificates),
        tls: [
            Arc::new(certificates.server(true)?),
            Arc::new(certificates.server(false)?),
        ],
        current: RwLock::new(Arc::new(current)),
        stopping: AtomicBool::new(false),
    });
    // Before anybody is told that the service is there, as they may send one at once.
    let signals = Signals::listen()?;
    let made = told(&service, &certificates, &listeners)?;
    tokio::spawn(Arc::clone(&log).write_on());
    log.event(
        "started",
        json!({ "directory": service.from.directory.shown() }),
    );
    service.tell_warnings();
    service
        .until_stopped(listeners, signals, &certificates, args, config)
        .await?;
    drop(made);
    log.flush();
    Ok(ExitCode::SUCCESS)
}

/// Reads what is meant, and fits it to this machine.
fn read(args: &args::Serve, config: Option<&Path>) -> Result<Settings> {
    let (section, source) = serve_section(config)?;
    let mut settings = Settings::read(args, &section, &source)?;
    let most =
        usize::try_from(descriptors().saturating_sub(RESERVED).max(64)).unwrap_or(usize::MAX);
    let allowance = &mut settings.limits.allowance;
    allowance.connections = allowance.connections.min(most);
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

fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Healthy => "healthy: a stale link is left out",
        Policy::Faithful => "faithful: a stale link fails the user, as with Exchange",
    }
}

fn schemes(settings: &Settings) -> String {
    let names: Vec<&str> = settings
        .schemes
        .iter()
        .map(|scheme| scheme.name())
        .collect();
    names.join(", ")
}

impl Current {
    async fn first(
        settings: Settings,
        supply: Arc<Supply>,
        log: &Arc<Log>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self> {
        let door = Door::new(&settings, &supply, None)?;
        let answers = Arc::new(Answers::new(
            supply,
            settings.policy,
            settings.asking,
            settings.limits.memory,
            Arc::clone(log),
            Arc::clone(metrics),
        ));
        Ok(Self::of(settings, door, answers, metrics, 0).await)
    }

    async fn of(
        settings: Settings,
        door: Door,
        answers: Arc<Answers>,
        metrics: &Arc<Metrics>,
        generation: u32,
    ) -> Self {
        let mut domains = settings.domains.clone();
        let mut above = Vec::new();
        for found in answers.supply().domains().await {
            if let Some(found) = found.strip_prefix("*.") {
                above.push(found.to_owned());
            } else if !domains.contains(&found) {
                domains.push(found);
            }
        }
        let first = domains.first().map_or("localhost", String::as_str);
        Self {
            expected: Arc::new(settings.expected(&domains)),
            everybody: settings.urls.services(first, &urls::Home::default()),
            pages: Pages::new(&domains),
            keytab: door.keytab,
            settings,
            domains,
            above,
            gate: door.gate,
            answers,
            metrics: Arc::clone(metrics),
            generation,
        }
    }

    fn certificates(&self) -> tls::Source {
        if !self.settings.certificates.is_empty() {
            return tls::Source::Files(self.settings.certificates.clone());
        }
        let hosts = |domain: &String| {
            let told = self.settings.urls.autodiscover(domain);
            let host = told
                .rsplit_once(':')
                .map_or(told.as_str(), |(host, _)| host);
            [
                host.to_owned(),
                domain.clone(),
                format!("autoconfig.{domain}"),
            ]
        };
        tls::Source::SelfSigned(self.domains.iter().flat_map(hosts).collect())
    }
}

/// A gate, and its keytab before it was made.
struct Door {
    gate: Arc<Gate>,
    keytab: Option<Stamp>,
}

impl Door {
    fn new(settings: &Settings, supply: &Supply, before: Option<&Gate>) -> Result<Self> {
        let keytab = settings.keytab.as_deref().map(Stamp::of);
        let realm = settings.realm.as_deref().unwrap_or("Autodiscover");
        let offer = Offer {
            realm: realm.to_owned(),
            schemes: settings.schemes.clone(),
            keytab: settings.keytab.clone(),
            rc4_tickets: settings.rc4_tickets,
        };
        let gate = Gate::new(supply.accounts()?, offer, before)?;
        let gate = Arc::new(gate.with_failures_per_address(settings.limits.failures_per_address));
        Ok(Self { gate, keytab })
    }
}

impl Service {
    /// The configuration of this moment.
    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long the service has been there.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether it is about to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What a handshake is done with; a login that is bound to a connection allows no HTTP/2.
    pub(crate) fn tls(&self, bound: bool) -> Arc<ServerConfig> {
        let [with_h2, without] = &self.tls;
        Arc::clone(if bound { without } else { with_h2 })
    }

    /// Serves until a signal says to stop, and then until every request is answered.
    async fn until_stopped(
        self: &Arc<Self>,
        listeners: Vec<(Face, TcpListener)>,
        mut signals: Signals,
        certificates: &Certificates,
        args: &args::Serve,
        config: Option<&Path>,
    ) -> Result<()> {
        let (stop, asked) = watch::channel(false);
        let (present, mut all_gone) = mpsc::channel(1);
        let stopped = Stop::new(asked, present);
        for (face, listener) in listeners {
            tokio::spawn(listen(listener, face, Arc::clone(self), stopped.clone()));
        }
        drop(stopped);
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hang_up.recv() => {
                    self.reload(args, config).await;
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
        // Nobody listens any more when the last task has ended; then nobody is left to tell.
        let _ = stop.send(true);
        let patience = self.current().settings.limits.stop_time;
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
                .event("readable-by-others", json!({ "why": warning }));
        }
    }

    /// Reads the configuration again; a bad one is told, and the one in use stays.
    async fn reload(&self, args: &args::Serve, config: Option<&Path>) {
        let done = self.reloaded(args, config).await;
        let result = if done.is_ok() { "good" } else { "failed" };
        self.metrics
            .reloads
            .get_or_create(&ResultLabels {
                result: Word(result),
            })
            .inc();
        match done {
            Ok(later) => self.log.event("reloaded", json!({ "afterRestart": later })),
            Err(error) => self
                .log
                .event("reload-failed", json!({ "why": format!("{error:#}") })),
        }
    }

    /// Returns what has changed but takes effect only after a restart.
    async fn reloaded(
        &self,
        args: &args::Serve,
        config: Option<&Path>,
    ) -> Result<Vec<&'static str>> {
        self.log.reopen()?;
        let settings = read(args, config)?;
        let old = self.current();
        let was = &old.settings;
        let mut later = Vec::new();
        for (same, what) in [
            (settings.listen == was.listen, "listen"),
            (settings.http == was.http, "http"),
            (settings.admin == was.admin, "admin"),
            (settings.log == was.log, "log"),
            (settings.asking == was.asking, "asking"),
        ] {
            if !same {
                later.push(what);
            }
        }
        let known = old.answers.supply();
        let supply = if known.is_outdated() {
            let shared = (Arc::clone(&self.log), Arc::clone(&self.metrics));
            Arc::new(Supply::open(&self.from, &settings, shared.0, shared.1).await?)
        } else {
            Arc::clone(known)
        };
        let same_supply = Arc::ptr_eq(&supply, known);
        let same_answers =
            settings.policy == was.policy && settings.limits.memory == was.limits.memory;
        let answers = if same_supply && same_answers {
            Arc::clone(&old.answers)
        } else {
            Arc::new(Answers::new(
                Arc::clone(&supply),
                settings.policy,
                was.asking,
                settings.limits.memory,
                Arc::clone(&self.log),
                Arc::clone(&self.metrics),
            ))
        };
        let same_logins = settings.schemes == was.schemes
            && settings.keytab == was.keytab
            && settings.realm == was.realm
            && settings.rc4_tickets == was.rc4_tickets
            && old.keytab.as_ref().is_none_or(Stamp::holds);
        let door = if same_supply && same_logins {
            Door {
                gate: Arc::clone(&old.gate),
                keytab: old.keytab.clone(),
            }
        } else {
            Door::new(&settings, &supply, Some(&old.gate))?
        };
        let generation = old.generation.wrapping_add(1);
        let current = Current::of(settings, door, answers, &self.metrics, generation).await;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        Ok(later)
    }

    fn read_certificates(&self, certificates: &Certificates) {
        match certificates.read_again(&self.current().certificates()) {
            Ok(()) => self.log.event("certificates-read", json!({})),
            Err(error) => self.log.event(
                "certificates-failed",
                json!({ "why": format!("{error:#}") }),
            ),
        }
    }
}

/// The servers of the directory, as far as two of them; or the one thing that it is.
fn named(from: &config::Settings) -> String {
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
    listeners: &[(Face, TcpListener)],
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
            Face::Tls => {
                first = first.or(Some(at));
                say!("  https://{at}");
            }
            Face::Plain => say!("  http://{at}  sends everybody to HTTPS"),
            Face::Admin => say!("  http://{at}/  healthz, readyz, metrics, turns"),
        }
        if *face == Face::Admin && !at.ip().is_loopback() {
            say!("  note: others can reach {at}, and it asks nobody for a login");
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
                "  a certificate made for this run, which nobody has signed: {}",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_of_the_directory_is_named_or_counted() {
        let url = |host: &str| config::Url::parse(&format!("ldaps://{host}")).unwrap();
        let mut from = config::Settings::of(config::Where::Server(url("dc1")));
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
