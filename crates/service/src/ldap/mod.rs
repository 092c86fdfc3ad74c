//! LDAP for an embedded directory: listeners, TLS, who logs in, and who may do what.
//!
//! The protocol is `automend_directory::ldap_server`; passwords and tickets are checked by `automend_login`.
//!
//! Invariant: without a login there is the root DSE and nothing else; a password is taken over TLS, a local
//! socket or the loopback only; every write is in the log, with who made it.

mod access;
mod logins;

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automend_directory::Directory;
use automend_directory::ldap_server::{
    Later, LdapServer, Limits, Peer, Protected, StartTls, Stream,
};
use automend_login::{Accounts, Authenticator, Offer};
use automend_negotiate::Scheme;
use automend_system::{clock, say};
use prometheus_client::metrics::counter::Counter;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::access::Rules;
use self::logins::Keeper;
use super::LOOK;
use super::listen::bind;
use super::log::Log;
use super::tls::{Certificates, Files, Source, watched};

/// How an embedded directory is served over LDAP.
#[derive(Clone, Debug, Default)]
pub struct LdapSettings {
    /// The folder of the directory.
    pub directory: PathBuf,
    /// Addresses for LDAP, with StartTLS.
    pub listen: Vec<SocketAddr>,
    /// Addresses for LDAP inside TLS.
    pub ldaps: Vec<SocketAddr>,
    /// A local socket.
    pub ldapi: Option<PathBuf>,
    /// Certificate and key; without them a certificate is made.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The keys of `ldap/HOST`, for Kerberos.
    pub keytab: Option<PathBuf>,
    /// The name of this server.
    pub host: String,
    /// Users and groups that may read; none means every account of the directory.
    pub readers: Vec<String>,
    /// Users and groups that may write.
    pub writers: Vec<String>,
    /// Most entries of one answer.
    pub page_size: Option<usize>,
    /// Most values of one attribute in an answer.
    pub value_range: Option<usize>,
    /// The log; standard error without one.
    pub log: Option<PathBuf>,
}

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long accepting rests after it has failed: mostly because there are no more descriptors.
const REST: Duration = Duration::from_millis(100);

/// What one listener needs.
#[derive(Clone)]
struct Shared {
    server: LdapServer,
    places: Arc<Semaphore>,
    ending: watch::Receiver<bool>,
}

/// TLS for StartTLS and for `ldaps://`.
#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
}

impl Tls {
    async fn protect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> std::io::Result<(TlsStream<S>, Option<Vec<u8>>)> {
        let (done, key) = watched(timeout(HANDSHAKE, self.acceptor.accept(stream))).await;
        let certificate = key.and_then(|key| key.cert.first().map(|der| der.to_vec()));
        Ok((done??, certificate))
    }
}

impl StartTls for Tls {
    fn handshake(&self, stream: Box<dyn Stream>) -> Later<'static, std::io::Result<Protected>> {
        let tls = self.clone();
        Box::pin(async move {
            let (stream, certificate) = tls.protect(stream).await?;
            Ok((Box::new(stream) as Box<dyn Stream>, certificate))
        })
    }
}

/// Serves until a signal says to stop.
///
/// # Errors
///
/// What keeps it from starting.
pub async fn serve_ldap(settings: &LdapSettings) -> Result<()> {
    let source = match &settings.tls {
        Some((certificate, key)) => Source::Files(vec![Files {
            certificate: certificate.clone(),
            key: key.clone(),
        }]),
        None => Source::SelfSigned(vec![settings.host.clone()]),
    };
    let certificates = Arc::new(Certificates::open(&source)?);
    let tls = Arc::new(Tls {
        acceptor: TlsAcceptor::from(Arc::new(certificates.server(&[])?)),
    });
    let log = Arc::new(Log::open(settings.log.clone(), Counter::default())?);
    let mut limits = Limits::default();
    limits.page_size = settings.page_size.unwrap_or(limits.page_size).max(1);
    limits.value_range = settings.value_range.unwrap_or(limits.value_range).max(1);
    let (stop, ending) = watch::channel(false);
    let shared = Shared {
        server: server(settings, limits, &tls, &log)?,
        places: Arc::new(Semaphore::new(limits.connections)),
        ending,
    };
    say!("LDAP for {}", settings.directory.display());
    let mut tasks = listeners(settings, &tls, &shared)?;
    let made = certificate_file(&certificates)?;
    if let Some(file) = &made {
        say!(
            "  a certificate made for this run, which no authority has signed: {}",
            file.path().display()
        );
    }
    if settings.writers.is_empty() {
        say!("  read-only: no --writer is named");
    }
    say!("  clients log in with an account of the directory; others read the root DSE");
    until_stopped(&certificates, &source, &log).await?;
    stop.send_replace(true);
    while tasks.join_next().await.is_some() {}
    if let Some(path) = &settings.ldapi {
        let _ = std::fs::remove_file(path);
    }
    log.flush();
    Ok(())
}

/// The directory as it is shown, and to whom.
fn server(
    settings: &LdapSettings,
    limits: Limits,
    tls: &Arc<Tls>,
    log: &Arc<Log>,
) -> Result<LdapServer> {
    let directory = Directory::open(&settings.directory)
        .with_context(|| format!("opening {}", settings.directory.display()))?;
    let rules = Rules::read(&directory, &settings.readers, &settings.writers)?;
    let mut schemes = vec![Scheme::Basic];
    schemes.extend(settings.keytab.as_ref().map(|_| Scheme::Negotiate));
    let offer = Offer {
        realm: settings.host.clone(),
        schemes,
        keytab: settings.keytab.clone(),
        rc4_tickets: false,
    };
    let authenticator = Authenticator::new(Accounts::embedded(directory.clone()), offer, None)?;
    let keeper = Keeper {
        authenticator: Arc::new(authenticator),
        directory: directory.clone(),
        rules: Arc::new(rules),
        kerberos: settings.keytab.is_some(),
        log: Arc::clone(log),
    };
    let seconds = || u64::try_from(clock::now().as_second()).unwrap_or(0);
    Ok(LdapServer::with_logins(
        directory,
        Arc::new(keeper),
        Arc::clone(tls) as Arc<dyn StartTls>,
        limits,
        &settings.host,
        seconds,
    ))
}

fn listeners(settings: &LdapSettings, tls: &Arc<Tls>, shared: &Shared) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for address in &settings.listen {
        let listener = bind(*address)?;
        say!("  ldap://{}", listener.local_addr().context("listening")?);
        tasks.spawn(tcp(listener, None, shared.clone()));
    }
    for address in &settings.ldaps {
        let listener = bind(*address)?;
        say!("  ldaps://{}", listener.local_addr().context("listening")?);
        tasks.spawn(tcp(listener, Some(Arc::clone(tls)), shared.clone()));
    }
    if let Some(path) = &settings.ldapi {
        let listener = local(path)?;
        say!("  {}", path.display());
        tasks.spawn(unix(listener, shared.clone()));
    }
    Ok(tasks)
}

/// Waits for a signal, and reads certificates again where they have changed.
async fn until_stopped(certificates: &Certificates, source: &Source, log: &Arc<Log>) -> Result<()> {
    let open = |kind| signal(kind).context("watching for signals");
    let mut terminate = open(SignalKind::terminate())?;
    let mut interrupt = open(SignalKind::interrupt())?;
    let mut hang_up = open(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {
                if let Err(error) = log.reopen() {
                    log.event("log-failed", json!({ "reason": format!("{error:#}") }));
                }
            }
            () = sleep(LOOK) => {
                log.flush();
                if certificates.are_outdated(source)
                    && let Err(error) = certificates.read_again(source)
                {
                    let why = format!("{error:#}");
                    log.event("certificates-failed", json!({ "reason": why }));
                }
            }
        }
    }
}

fn certificate_file(certificates: &Certificates) -> Result<Option<tempfile::NamedTempFile>> {
    let Some(pem) = &certificates.made else {
        return Ok(None);
    };
    let file = tempfile::Builder::new()
        .prefix("automend-certificate-")
        .suffix(".pem")
        .tempfile()
        .context("making a file for the certificate")?;
    std::fs::write(file.path(), pem).context("writing the certificate")?;
    Ok(Some(file))
}

/// A local socket that every user of this machine may open; a socket that is left over goes.
fn local(path: &Path) -> Result<UnixListener> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            bail!("{}: is there, and is no socket", path.display());
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("{}: another server listens there", path.display());
        }
        std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("listening on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
        .with_context(|| format!("opening {} to everyone", path.display()))?;
    Ok(listener)
}

async fn tcp(listener: TcpListener, tls: Option<Arc<Tls>>, shared: Shared) {
    let mut connections = JoinSet::new();
    let mut ending = shared.ending.clone();
    let mut ended = pin!(ending.wait_for(|ending| *ending));
    loop {
        let accepted = tokio::select! {
            _ = &mut ended => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, from)) = accepted else {
            sleep(REST).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (tls, shared) = (tls.clone(), shared.clone());
        connections.spawn(async move {
            let Ok(_place) = Arc::clone(&shared.places).try_acquire_owned() else {
                shared.server.refuse(Box::new(stream)).await;
                return;
            };
            let mut peer = Peer {
                address: Some(from.ip()),
                is_encrypted: tls.is_some(),
                ..Peer::default()
            };
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(tls) => {
                    let Ok((stream, certificate)) = tls.protect(stream).await else {
                        return;
                    };
                    peer.certificate = certificate;
                    Box::new(stream)
                }
            };
            shared.server.client(stream, peer, shared.ending).await;
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn unix(listener: UnixListener, shared: Shared) {
    let mut connections = JoinSet::new();
    let mut ending = shared.ending.clone();
    let mut ended = pin!(ending.wait_for(|ending| *ending));
    loop {
        let accepted = tokio::select! {
            _ = &mut ended => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            sleep(REST).await;
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            let Ok(_place) = Arc::clone(&shared.places).try_acquire_owned() else {
                shared.server.refuse(Box::new(stream)).await;
                return;
            };
            let peer = Peer {
                is_encrypted: true,
                local_user: stream.peer_cred().ok().map(|other| other.uid()),
                ..Peer::default()
            };
            shared
                .server
                .client(Box::new(stream), peer, shared.ending)
                .await;
        });
    }
    while connections.join_next().await.is_some() {}
}
