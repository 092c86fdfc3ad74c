//! A connection: look-up, TCP, TLS, and requests one after the other.
//!
//! Addresses are tried as RFC 8305 has it: IPv6 and IPv4 in turn, the next one as soon as one fails or
//! takes long, so that a dead address is found without waiting for it.
//!
//! Invariant: a connection is either good, or marked as one that only looks. Everything waits at most
//! until its limit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use automend_core::discovery::{Scheme, Url};
use automend_core::verdict::{Cause, most_telling};
use automend_system::clock::{monotonic, now};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONTENT_ENCODING, HOST, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Failure;
use super::body::{Raw, unpacked};
use super::exchange::{Connected, HttpExchange, Request, Response, Times};
use super::names::Resolver;
use super::tls::{self, Tls};

/// How long an address may take before the next is tried beside it (RFC 8305 5).
const STAGGER: Duration = Duration::from_millis(250);
/// How long a TLS handshake may take. With [`LOOK`] it stays below five seconds, so that a port which speaks
/// something else, or nothing, holds up a test no longer.
const HANDSHAKE: Duration = Duration::from_millis(3500);
/// How long to look whether it is plain HTTP instead.
const LOOK: Duration = Duration::from_secs(1);
/// The head of a response may have so many bytes.
const MOST_HEAD: usize = 64 << 10;

/// Everything that is needed to ask servers.
#[derive(Clone)]
pub struct HttpClient {
    /// How names of hosts become addresses.
    pub names: Resolver,
    /// How to speak TLS.
    pub tls: Tls,
    /// Go on for looking where a certificate is not good.
    pub insecure: bool,
    /// What a connection, and then each exchange, may take.
    pub limit: Duration,
    made: Arc<AtomicUsize>,
}

impl HttpClient {
    /// `limit` is for a connection, and then for each request.
    pub fn new(names: Resolver, tls: Tls, insecure: bool, limit: Duration) -> Self {
        Self {
            names,
            tls,
            insecure,
            limit,
            made: Arc::default(),
        }
    }

    /// Connects to where a URL is served.
    pub async fn connect(&self, url: &Url) -> Result<Connection, (Failure, Times)> {
        let mut times = Times::default();
        match timeout(self.limit, self.open(url, &mut times)).await {
            Ok(Ok(connection)) => Ok(connection.with(times)),
            Ok(Err(failure)) => Err((failure, times)),
            Err(_) => {
                let cause = match (times.dns, times.connect) {
                    (None, _) => Cause::DnsTimeout,
                    (_, None) => Cause::ConnectTimeout,
                    _ => Cause::TimeLimit,
                };
                Err((Failure::new(cause, over(self.limit)), times))
            }
        }
    }

    async fn open(&self, url: &Url, times: &mut Times) -> Result<Connection, Failure> {
        let watch = monotonic();
        let found = self.names.addresses(url.host(), url.port()).await;
        times.dns = Some(watch.elapsed());
        let addresses = found?;
        let (tcp, mut connected) = self.dial(&addresses, times).await?;
        if url.scheme() == Scheme::Http {
            return Connection::over(tcp, connected, self.limit).await;
        }
        let Some(name) = tls::server_name(url.host()) else {
            return Err(Failure::new(
                Cause::CertificateWrongName,
                "no certificate can have this name",
            ));
        };
        let watch = monotonic();
        let handshake =
            TlsConnector::from(Arc::clone(&self.tls.checking)).connect(name.clone(), tcp);
        let shaken = match timeout(HANDSHAKE.min(self.limit), handshake).await {
            Ok(shaken) => shaken.map_err(|error| tls::failure(&error)),
            Err(_) => Err(Failure::new(
                Cause::TlsSilent,
                over(HANDSHAKE.min(self.limit)),
            )),
        };
        times.tls = Some(watch.elapsed());
        let stream = match shaken {
            Ok(stream) => stream,
            Err(failure) if matches!(failure.cause, Cause::TlsSilent | Cause::TlsNotSpoken) => {
                let plain = timeout(LOOK, speaks_http(connected.address, url)).await;
                return Err(if plain == Ok(true) {
                    let detail = format!("port {} speaks plain HTTP", url.port());
                    Failure::new(Cause::TlsNotSpoken, detail)
                } else {
                    failure
                });
            }
            Err(failure) if self.insecure && tls::is_certificate(failure.cause) => {
                let (tcp, again) = self.dial(&[connected.address], times).await?;
                connected = Connected {
                    dead: connected.dead,
                    untrusted: Some(failure),
                    ..again
                };
                TlsConnector::from(Arc::clone(&self.tls.looking))
                    .connect(name.clone(), tcp)
                    .await
                    .map_err(|error| tls::failure(&error))?
            }
            Err(failure) => return Err(failure),
        };
        let (_, session) = stream.get_ref();
        if let (Some(version), Some(suite)) = (
            session.protocol_version(),
            session.negotiated_cipher_suite(),
        ) {
            let version = format!("{version:?}").replace("TLSv1_", "TLS 1.");
            connected.tls = Some((version, format!("{:?}", suite.suite())));
        }
        let chain = session.peer_certificates().unwrap_or_default();
        connected.certificate = chain.first().map(|own| own.to_vec()).unwrap_or_default();
        if connected.untrusted.is_none() {
            connected.expires = self.tls.expires_soon(chain, &name, now());
        }
        Connection::over(stream, connected, self.limit).await
    }

    /// Opens a TCP connection to the first address that answers.
    async fn dial(
        &self,
        addresses: &[SocketAddr],
        times: &mut Times,
    ) -> Result<(TcpStream, Connected), Failure> {
        let watch = monotonic();
        let mut waiting = in_exchange(addresses).into_iter();
        let mut under_way = FuturesUnordered::new();
        let mut dead = Vec::new();
        under_way.extend(waiting.next().map(attempt));
        while !under_way.is_empty() {
            let more = waiting.len() > 0;
            tokio::select! {
                Some((address, outcome)) = under_way.next() => match outcome {
                    Ok(stream) => {
                        times.connect = Some(watch.elapsed());
                        // A small request must not wait for an acknowledgement.
                        let _ = stream.set_nodelay(true);
                        let connected = Connected {
                            number: self.made.fetch_add(1, Ordering::Relaxed) + 1,
                            address,
                            tls: None,
                            certificate: Vec::new(),
                            untrusted: None,
                            expires: None,
                            dead,
                        };
                        return Ok((stream, connected));
                    }
                    Err(failure) => {
                        dead.push((address, failure));
                        under_way.extend(waiting.next().map(attempt));
                    }
                },
                () = tokio::time::sleep(STAGGER), if more => {
                    under_way.extend(waiting.next().map(attempt));
                }
            }
        }
        let told = most_telling(dead.iter().map(|(_, failure)| (failure.cause, 0)));
        let told = told.and_then(|(at, _)| dead.into_iter().nth(at));
        Err(match told {
            Some((address, failure)) => {
                Failure::new(failure.cause, format!("{address}: {}", failure.detail))
            }
            None => Failure::new(Cause::NoAddress, ""),
        })
    }
}

/// Whether plain HTTP is spoken there; what is asked holds nothing but the host.
async fn speaks_http(address: SocketAddr, url: &Url) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return false;
    };
    let request = format!(
        "HEAD / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        url.authority()
    );
    let mut start = [0; 5];
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_exact(&mut start).await.is_ok()
        && start == *b"HTTP/"
}

async fn attempt(address: SocketAddr) -> (SocketAddr, Result<TcpStream, Failure>) {
    let connected = TcpStream::connect(address).await.map_err(|error| {
        use std::io::ErrorKind as Kind;
        let cause = match error.kind() {
            Kind::ConnectionRefused => Cause::Refused,
            Kind::TimedOut => Cause::ConnectTimeout,
            Kind::ConnectionReset | Kind::ConnectionAborted => Cause::Reset,
            _ => Cause::Unreachable,
        };
        Failure::new(cause, error)
    });
    (address, connected)
}

/// IPv6 and IPv4 in turn, IPv6 first (RFC 8305 4).
fn in_exchange(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let (six, four): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6());
    let mut order = Vec::new();
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    loop {
        let pair = [six.next(), four.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

fn over(limit: Duration) -> String {
    format!("nothing within {} s", limit.as_secs())
}

/// A connection, over which requests go one after the other.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with the connection.
    driver: JoinHandle<()>,
    connected: Arc<Connected>,
    /// What it took to connect, until an exchange takes it over.
    times: Times,
    limit: Duration,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    async fn over<S>(stream: S, connected: Connected, limit: Duration) -> Result<Self, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = Builder::new()
            .max_buf_size(MOST_HEAD)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| of_hyper(&error, false))?;
        Ok(Self {
            sender,
            // Its failures come back to the caller that waits for a response.
            driver: tokio::spawn(async { drop(connection.await) }),
            connected: Arc::new(connected),
            times: Times::default(),
            limit,
        })
    }

    fn with(self, times: Times) -> Self {
        let mut this = self;
        this.times = times;
        this
    }

    /// What is known of it.
    pub fn connected(&self) -> &Arc<Connected> {
        &self.connected
    }

    /// Whether another request can go over it.
    pub async fn is_usable(&mut self) -> bool {
        let ready = timeout(self.limit, self.sender.ready()).await;
        matches!(ready, Ok(Ok(())))
    }

    /// Sends a request and reads the response. `login` is the value of `Authorization` and the name of
    /// its scheme.
    pub async fn send(
        &mut self,
        request: Request,
        login: Option<(&SecretString, &'static str)>,
    ) -> HttpExchange {
        let mut exchange = HttpExchange {
            login: login.map(|(_, scheme)| scheme),
            response: None,
            failure: None,
            connection: Some(Arc::clone(&self.connected)),
            started: now(),
            times: std::mem::take(&mut self.times),
            request,
        };
        let limit = self.limit;
        if timeout(limit, self.exchange(&mut exchange, login))
            .await
            .is_err()
        {
            exchange.failure = Some(Failure::new(Cause::TimeLimit, over(limit)));
        }
        exchange
    }

    async fn exchange(
        &mut self,
        exchange: &mut HttpExchange,
        login: Option<(&SecretString, &'static str)>,
    ) {
        let message = match message(&exchange.request, login.map(|(value, _)| value)) {
            Ok(message) => message,
            Err(error) => {
                exchange.failure = Some(Failure::new(Cause::LoginFailed, error));
                return;
            }
        };
        let watch = monotonic();
        let answered = self.sender.send_request(message).await;
        exchange.times.wait = Some(watch.elapsed());
        let incoming = match answered {
            Ok(incoming) => incoming,
            Err(error) => {
                exchange.failure = Some(of_hyper(&error, false));
                return;
            }
        };
        let (head, mut incoming) = incoming.into_parts();
        let encoding = head.headers.get(CONTENT_ENCODING);
        let encoding = encoding.and_then(|value| value.to_str().ok().map(str::to_owned));
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter();
        let response = exchange.response.insert(Response {
            status: head.status.as_u16(),
            version: match head.version {
                hyper::Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: Vec::new(),
            received: 0,
        });
        let watch = monotonic();
        let mut raw = Raw::default();
        let failure = receive(&mut incoming, &mut raw, response).await;
        exchange.times.receive = Some(watch.elapsed());
        let (body, packing) = unpacked(raw.bytes, encoding.as_deref());
        response.body = body;
        exchange.failure = failure.or(packing);
    }
}

/// Reads a body; what has come counts at once, so that it is not lost when the time is up.
async fn receive(
    incoming: &mut Incoming,
    raw: &mut Raw,
    response: &mut Response,
) -> Option<Failure> {
    loop {
        let frame = match incoming.frame().await {
            None => return None,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Some(of_hyper(&error, true)),
        };
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        let enough = !raw.take(piece);
        response.received = raw.received;
        if enough {
            let most = super::MOST_BYTES;
            return Some(Failure::new(
                Cause::AnswerTooLarge,
                format!("it has more than {most} bytes"),
            ));
        }
    }
}

fn message(
    request: &Request,
    login: Option<&SecretString>,
) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
    let mut message = hyper::Request::builder()
        .method(request.method)
        .uri(request.url.target())
        .header(HOST, request.url.authority());
    for (name, value) in &request.headers {
        message = message.header(HeaderName::from_static(name), value);
    }
    if let Some(login) = login {
        let mut value = HeaderValue::from_str(login.expose_secret())?;
        value.set_sensitive(true);
        message = message.header(hyper::header::AUTHORIZATION, value);
    }
    message.body(Full::new(Bytes::from(request.body.clone())))
}

/// Why hyper gave up; `inside` once the head of the response was there.
fn of_hyper(error: &hyper::Error, inside: bool) -> Failure {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && io
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        {
            return tls::failure(io);
        }
        source = inner.source();
    }
    let cause = if error.is_parse() && error.to_string().contains("too large") {
        Cause::AnswerTooLarge
    } else if inside {
        Cause::AnswerCut
    } else if error.is_parse() {
        Cause::NotHttp
    } else {
        Cause::Reset
    };
    Failure::new(cause, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_get_their_exchange() {
        let addresses: Vec<SocketAddr> = [
            "10.0.0.1:1",
            "10.0.0.2:1",
            "10.0.0.3:1",
            "[::1]:1",
            "[::2]:1",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        let order: Vec<String> = in_exchange(&addresses)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            order,
            [
                "[::1]:1",
                "10.0.0.1:1",
                "[::2]:1",
                "10.0.0.2:1",
                "10.0.0.3:1"
            ]
        );
        assert!(in_exchange(&[]).is_empty());
    }
}
