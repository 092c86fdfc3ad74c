//! Listening: connections are taken, counted, protected and served, each in a task of its own.
//!
//! The loop is our own because NTLM and Negotiate log in a connection, not a request. HTTP/2 is offered
//! only where no login is bound to a connection, as its requests are mixed.
//!
//! Invariant: no client holds a connection for longer than its limits allow, and none that is slow keeps
//! others from being taken.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::HandshakeKind;

use super::addresses::{Full, RateLimits};
use super::exchange::{ConnectionContext, exchange};
use super::metrics::{Label, ReasonLabels};
use super::proxies::{HEAD, SIGNATURE, announced, rest_of};
use super::reply::Body;
use super::service::Service;
use super::settings::Limits;
use super::socket::Socket;
use super::tls::watched;
use super::{admin, plain_http};

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ListenerKind {
    /// HTTPS: Autodiscover.
    Tls,
    /// Plain HTTP: the way to HTTPS.
    Plain,
    /// Plain HTTP: what the service tells of itself.
    Admin,
}

/// Says when to stop; every connection holds one, so that who waits for the end knows.
#[derive(Clone)]
pub(crate) struct Shutdown {
    asked: watch::Receiver<bool>,
    /// Dropped with the task that holds it.
    _present: tokio::sync::mpsc::Sender<()>,
}

/// The first byte of a TLS record with a handshake (RFC 8446 5.1).
const HANDSHAKE: u8 = 0x16;
/// Connections that wait to be taken.
const BACKLOG: u32 = 4096;
/// How many headers hyper reads unless it gets a number; with the same number, it takes longer.
const USUAL_HEADERS: usize = 100;
/// Limits of the admin listener, for people and programs of the operator.
const LOOKERS: RateLimits = RateLimits {
    connections: 64,
    connections_per_address: 64,
    requests_per_address: 0,
    burst: 0,
};
/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 64;
/// What is kept of a stream that the client does not read.
const SEND_BUFFER: usize = 64 << 10;

impl Shutdown {
    /// Says so when `asked` becomes true, and holds `present` until then.
    pub(crate) fn new(
        asked: watch::Receiver<bool>,
        present: tokio::sync::mpsc::Sender<()>,
    ) -> Self {
        Self {
            asked,
            _present: present,
        }
    }

    /// Returns when it is time.
    pub(crate) async fn asked(&mut self) {
        // There is no sender left, so it is time as well.
        let _ = self.asked.wait_for(|asked| *asked).await;
    }
}

/// Opens a listener.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener> {
    let open = || -> std::io::Result<TcpListener> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().with_context(|| format!("listening on {address}"))
}

/// Takes connections until it is time to stop.
pub(crate) async fn listen(
    listener: TcpListener,
    face: ListenerKind,
    service: Arc<Service>,
    mut stop: Shutdown,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.asked() => return,
        };
        match accepted {
            Ok((stream, peer)) => take(stream, peer, face, &service, &stop),
            // The peer has left already, or there are no descriptors; either is over soon.
            Err(error) => {
                service.refused("accept");
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::ConnectionReset
                ) {
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

fn take(
    stream: TcpStream,
    peer: SocketAddr,
    face: ListenerKind,
    service: &Arc<Service>,
    stop: &Shutdown,
) {
    let current = service.current();
    let limits = current.settings.limits;
    let is_proxy = face != ListenerKind::Admin && current.settings.proxies.contain(peer.ip());
    let (addresses, rates, uptime) = (&service.addresses, limits.rates, service.uptime());
    let guest = match (face, is_proxy) {
        (ListenerKind::Admin, _) => service.admin_addresses.enter(peer.ip(), &LOOKERS, uptime),
        (_, true) => addresses.enter_proxy(peer.ip(), &rates, uptime),
        (_, false) => addresses.enter(peer.ip(), &rates, uptime),
    };
    let guest = match guest {
        Ok(guest) => guest,
        Err(why) => {
            service.refused(full(why));
            return;
        }
    };
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream, limits.write_timeout);
    let bound = current.authenticator.is_connection_bound();
    let line = ConnectionContext {
        peer,
        name: peer.to_string(),
        guest,
        is_proxy,
        channel: Arc::default(),
        login: None,
    };
    let (service, stop) = (Arc::clone(service), stop.clone());
    tokio::spawn(async move {
        let (mut socket, mut line) = (socket, line);
        if is_proxy && !announce(&mut socket, &mut line, limits, &service).await {
            return;
        }
        match face {
            ListenerKind::Tls => secure(socket, line, bound, limits, service, stop).await,
            ListenerKind::Plain => {
                let line = Arc::new(line);
                let answer = move |request| {
                    let (service, line) = (Arc::clone(&service), Arc::clone(&line));
                    async move { plain_http::exchange(&service, &line, request).await }
                };
                first(TokioIo::new(socket), limits, stop, answer).await;
            }
            ListenerKind::Admin => {
                let answer = move |request| {
                    let service = Arc::clone(&service);
                    async move { admin::exchange(&service, request).await }
                };
                first(TokioIo::new(socket), limits, stop, answer).await;
            }
        }
    });
}

/// Takes the client's address from a header of the PROXY protocol, if a proxy sends one; false if nothing
/// can come any more.
async fn announce(
    socket: &mut Socket,
    line: &mut ConnectionContext,
    limits: Limits,
    service: &Service,
) -> bool {
    match timeout(limits.tls_handshake_timeout, socket.first_byte()).await {
        Ok(Ok(Some(first))) if Some(&first) == SIGNATURE.first() => {}
        Ok(Ok(_)) => return true,
        _ => {
            service.refused("silent");
            return false;
        }
    }
    let read = timeout(limits.tls_handshake_timeout, async {
        let mut head = [0; HEAD];
        socket.read_exact(&mut head).await.ok()?;
        let mut rest = vec![0; rest_of(&head)?];
        socket.read_exact(&mut rest).await.ok()?;
        Some(announced(&head, &rest))
    });
    match read.await {
        Ok(Some(Some(client))) => {
            let rates = &service.current().settings.limits.rates;
            match service.addresses.enter(client, rates, service.uptime()) {
                Ok(guest) => line.guest = guest,
                Err(why) => {
                    service.refused(full(why));
                    return false;
                }
            }
            line.peer = SocketAddr::new(client, 0);
            line.name = client.to_string();
            true
        }
        // The proxy's own health check.
        Ok(Some(None)) => true,
        _ => {
            service.refused("proxy-header");
            false
        }
    }
}

fn full(why: Full) -> &'static str {
    match why {
        Full::Connections => "connections",
        Full::Address => "connections-per-address",
    }
}

/// Does the handshake, and serves what was agreed upon.
async fn secure(
    mut socket: Socket,
    mut line: ConnectionContext,
    bound: bool,
    limits: Limits,
    service: Arc<Service>,
    stop: Shutdown,
) {
    let tls = TlsAcceptor::from(service.tls(bound));
    match timeout(limits.tls_handshake_timeout, socket.first_byte()).await {
        Ok(Ok(Some(HANDSHAKE))) => {}
        Ok(Ok(Some(_))) => {
            service.refused("no-tls");
            let _ = timeout(limits.tls_handshake_timeout, async {
                let _ = socket.write_all(NO_TLS).await;
                let _ = socket.shutdown().await;
            })
            .await;
            return;
        }
        _ => return service.refused("silent"),
    }
    let handshake = timeout(limits.tls_handshake_timeout, tls.accept(socket));
    let (Ok(Ok(stream)), shown) = watched(handshake).await else {
        return service.refused("handshake");
    };
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    line.channel = Arc::new(service.certificates.channel(shown, resumed));
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    line.login = (!h2).then(Mutex::default);
    let line = Arc::new(line);
    let answer = move |request| {
        let (service, line) = (Arc::clone(&service), Arc::clone(&line));
        async move { exchange(&service, &line, request).await }
    };
    let io = TokioIo::new(stream);
    if h2 {
        second(io, limits, stop, answer).await;
    } else {
        first(io, limits, stop, answer).await;
    }
}

/// The answer to a client that speaks plain HTTP to a TLS port.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 36\r\nConnection: close\r\n\r\nThis port speaks HTTPS: use https://";

/// HTTP/1.1.
async fn first<I, F>(
    io: TokioIo<I>,
    limits: Limits,
    mut stop: Shutdown,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response<Body>>,
{
    let answer = service_fn(|request| {
        let response = answer(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_header_bytes.max(8192))
        // Who has said everything may close that side, and still wait for the answer.
        .half_close(true);
    if limits.max_headers != USUAL_HEADERS {
        builder.max_headers(limits.max_headers);
    }
    let mut connection = pin!(builder.serve_connection(io, answer));
    tokio::select! {
        // How a connection ended is the client's matter.
        _ = connection.as_mut() => return,
        () = stop.asked() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// HTTP/2.
async fn second<I, F>(
    io: TokioIo<I>,
    limits: Limits,
    mut stop: Shutdown,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let exchanges = Arc::new(Turns::default());
    let counted = Arc::clone(&exchanges);
    let answer = service_fn(move |request| {
        let (exchange, response) = (Arc::clone(&counted).begin(), answer(request));
        async move {
            let response = response.await;
            drop(exchange);
            Ok::<_, Infallible>(response)
        }
    });
    let head = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    let window = u32::try_from(limits.max_body_bytes.max(65_535)).unwrap_or(65_535);
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(head)
            .initial_stream_window_size(window)
            .initial_connection_window_size(window.saturating_mul(4))
            .max_send_buf_size(SEND_BUFFER)
            .serve_connection(io, answer)
    );
    let mut seen = 0;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.asked() => break,
            // Idle all that while: nothing is under way, and nothing has been.
            () = sleep(limits.header_timeout) => match exchanges.at_rest() {
                Some(same) if same == seen => break,
                Some(more) => seen = more,
                None => {}
            },
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(limits.response_timeout + limits.write_timeout, connection).await;
}

/// Exchanges of an HTTP/2 connection: to know when it is idle.
#[derive(Debug, Default)]
struct Turns {
    begun: AtomicU64,
    ended: AtomicU64,
}

struct UnderWay(Arc<Turns>);

impl Turns {
    fn begin(self: Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// How many there were, if none is under way.
    fn at_rest(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::Relaxed);
        (self.ended.load(Ordering::Relaxed) == begun).then_some(begun)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Service {
    fn refused(&self, why: &'static str) {
        let labels = ReasonLabels { reason: Label(why) };
        self.metrics.refused.get_or_create(&labels).inc();
    }
}
