//! A connection of a client: what it asks for is passed on to a connection of its own (RFC 9110 7.6, 9.3.6).
//!
//! NTLM and Negotiate log in a connection and not a request, so a client's connection and the one to the
//! server belong together: there is never another client's request on it, and when one ends, so does the
//! other. What is not looked into is passed on byte by byte.
//!
//! Invariant: the certificate of the server is checked as any client would. Where it cannot be trusted, not
//! a byte of the client's request goes there, and the client is told why.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use automend_core::verdict::Cause;
use automend_probe::http::tls;
use automend_probe::story::may_be;
use automend_system::tls::authority::CERTIFICATE;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, UPGRADE};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, client, server};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

use super::reach::may_reach;
use super::shared::Proxy;
use super::tap::{Direction, Tap, Tapped};

/// How long a connection to a server may take to come about, and a handshake.
const CONNECT: Duration = Duration::from_secs(30);
/// Headers that are about one connection only.
const HOP_BY_HOP: [HeaderName; 4] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authorization"),
    UPGRADE,
];

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Why there is no connection to a server.
#[derive(Clone, Debug)]
struct NoServer {
    cause: Cause,
    why: String,
}

/// Serves a client at this address until its connection ends.
pub(crate) async fn serve(proxy: Arc<Proxy>, stream: TcpStream, from: IpAddr) {
    let _ = stream.set_nodelay(true);
    let upstream = Arc::new(Upstream::new(from));
    let connection = Arc::clone(&upstream);
    let service = service_fn(move |request| {
        let (proxy, upstream) = (Arc::clone(&proxy), Arc::clone(&connection));
        async move { Ok::<_, hyper::Error>(plain(proxy, upstream, request).await) }
    });
    speak(stream, &upstream, service).await;
}

/// Speaks HTTP/1.1 with a client, and ends when the server's connection does.
async fn speak<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    upstream: &Upstream,
    service: S,
) where
    S: hyper::service::Service<Request<Incoming>, Response = Answer, Error = hyper::Error>
        + Send
        + 'static,
    S::Future: Send,
{
    let mut http = server::conn::http1::Builder::new();
    http.preserve_header_case(true).half_close(true);
    let connection = http
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // What goes wrong with the client's connection is the client's to tell.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = upstream.gone.notified() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A request that comes to the proxy itself: a tunnel, a whole URL, or something for us.
async fn plain(proxy: Arc<Proxy>, upstream: Arc<Upstream>, request: Request<Incoming>) -> Answer {
    if request.method() == Method::CONNECT {
        return tunnel(proxy, request, upstream.from).await;
    }
    let Some(authority) = request.uri().authority().cloned() else {
        return for_us(&proxy, request.uri().path());
    };
    if request.uri().scheme_str() != Some("http") {
        return refusal(
            StatusCode::BAD_REQUEST,
            "only http:// URLs are asked of a proxy in the open; https:// ones by CONNECT",
        );
    }
    let url = request.uri().to_string();
    let recorded = proxy.hosts.has(authority.host()) || may_be(&url, &[]);
    let target = Target {
        authority,
        tls: false,
    };
    forward(&proxy, &upstream, &target, url, recorded, request).await
}

/// What someone asks the proxy for with a browser.
fn for_us(proxy: &Proxy, path: &str) -> Answer {
    if path == format!("/{CERTIFICATE}") {
        let mut answer = answer(StatusCode::OK, proxy.authority.pem.clone());
        let kind = HeaderValue::from_static("application/x-pem-file");
        answer
            .headers_mut()
            .insert(hyper::header::CONTENT_TYPE, kind);
        return answer;
    }
    let text = format!(
        "This is automend, recording. Name it as the proxy of the program that is to be recorded.\n\
         The certificate of its authority is at /{CERTIFICATE}\n"
    );
    answer(StatusCode::BAD_REQUEST, text)
}

/// CONNECT: what is not looked into goes on byte by byte.
async fn tunnel(proxy: Arc<Proxy>, request: Request<Incoming>, from: IpAddr) -> Answer {
    let Some(authority) = request.uri().authority().cloned() else {
        return refusal(StatusCode::BAD_REQUEST, "CONNECT without a host");
    };
    let looked_into = proxy.hosts.has(authority.host());
    let mut server = match proxy.connect(&authority, 443, from).await {
        Ok(server) => server,
        Err(no) => {
            if looked_into {
                let tap = proxy
                    .tap(
                        "CONNECT",
                        format!("https://{authority}/"),
                        request.headers(),
                    )
                    .await;
                tap.failed(no.cause, &no.why);
            }
            return refusal(StatusCode::BAD_GATEWAY, &no.why);
        }
    };
    let shared = Arc::clone(&proxy);
    shared.spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let mut client = TokioIo::new(upgraded);
        if looked_into {
            look_into(proxy, authority, client, (server, from)).await;
        } else {
            // The end of either side is the end of the tunnel, however it comes.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    });
    answer(StatusCode::OK, "")
}

/// Is the server for the client, and the client for the server.
async fn look_into(
    proxy: Arc<Proxy>,
    authority: Authority,
    client: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (server, from): (TcpStream, IpAddr),
) {
    let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), client);
    let Ok(Ok(hello)) = timeout(CONNECT, acceptor).await else {
        return proxy.note(format!(
            "{authority}: the client began no TLS that can be looked into"
        ));
    };
    let name = hello
        .client_hello()
        .server_name()
        .map_or_else(|| authority.host().to_owned(), str::to_owned);
    let config = match proxy.authority.server(&name.to_ascii_lowercase()) {
        Ok(config) => config,
        Err(error) => return proxy.note(format!("{name}: {error:#}")),
    };
    let client = match timeout(CONNECT, hello.into_stream(config)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            return proxy.note(format!(
                "{name}: the client broke off the handshake ({error}); does it trust the authority {:?}?",
                proxy.authority.name
            ));
        }
        Err(_) => return,
    };
    let upstream = Arc::new(Upstream::new(from));
    upstream.begin(&proxy, &authority, &name, server).await;
    let target = Arc::new(Target {
        authority,
        tls: true,
    });
    let connection = Arc::clone(&upstream);
    let service = service_fn(move |request: Request<Incoming>| {
        let (proxy, upstream, target) = (
            Arc::clone(&proxy),
            Arc::clone(&connection),
            Arc::clone(&target),
        );
        async move {
            let path = request
                .uri()
                .path_and_query()
                .map_or("/", PathAndQuery::as_str);
            let url = format!("https://{}{path}", shown(&target.authority));
            Ok::<_, hyper::Error>(forward(&proxy, &upstream, &target, url, true, request).await)
        }
    });
    speak(client, &upstream, service).await;
}

/// The authority as it stands in a URL: the usual port is left out.
fn shown(authority: &Authority) -> String {
    match authority.port_u16() {
        Some(443) => authority.host().to_owned(),
        _ => authority.to_string(),
    }
}

/// Where requests go.
struct Target {
    authority: Authority,
    tls: bool,
}

/// The connection to the server that belongs to a client's.
struct Upstream {
    /// Where the client is.
    from: IpAddr,
    state: Mutex<State>,
    /// Recorded when the server's connection has ended.
    gone: Arc<Notify>,
}

#[derive(Default)]
enum State {
    #[default]
    None,
    Open(Authority, SendRequest<Tapped>),
    Failed(NoServer),
}

impl Upstream {
    /// None yet, for a client at this address.
    fn new(from: IpAddr) -> Self {
        Self {
            from,
            state: Mutex::default(),
            gone: Arc::default(),
        }
    }

    /// TLS with the server, over a connection that there is.
    async fn begin(&self, proxy: &Proxy, authority: &Authority, name: &str, server: TcpStream) {
        let opened = async {
            let name = ServerName::try_from(name.to_owned()).map_err(|_| NoServer {
                cause: Cause::CertificateWrongName,
                why: format!("{name} cannot be the name in a certificate"),
            })?;
            let connector = TlsConnector::from(Arc::clone(&proxy.client));
            let stream = timeout(CONNECT, connector.connect(name, server))
                .await
                .map_err(|_| NoServer {
                    cause: Cause::TimeLimit,
                    why: format!("{authority}: the handshake did not end in time"),
                })?;
            let stream = stream.map_err(|error| no_tls(authority, &error))?;
            self.open(proxy, stream, authority).await
        };
        let state = match opened.await {
            Ok(sender) => State::Open(authority.clone(), sender),
            Err(no) => State::Failed(no),
        };
        *self.state.lock().await = state;
    }

    async fn open(
        &self,
        proxy: &Proxy,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        authority: &Authority,
    ) -> Result<SendRequest<Tapped>, NoServer> {
        let mut http = client::conn::http1::Builder::new();
        let handshake = http
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(|error| no_answer(authority, &error))?;
        let gone = Arc::clone(&self.gone);
        proxy.spawn(async move {
            let _ = connection.await;
            gone.notify_one();
        });
        Ok(sender)
    }

    /// Sends a request; the answer's body still streams.
    async fn send(
        &self,
        proxy: &Proxy,
        target: &Target,
        request: Request<Tapped>,
    ) -> Result<Response<Incoming>, NoServer> {
        let mut state = self.state.lock().await;
        if !target.tls
            && !matches!(&*state, State::Open(authority, sender) if *authority == target.authority && !sender.is_closed())
        {
            // In the open a client's connection may ask for one host after another.
            let stream = proxy.connect(&target.authority, 80, self.from).await?;
            *state = State::Open(
                target.authority.clone(),
                self.open(proxy, stream, &target.authority).await?,
            );
        }
        match &mut *state {
            State::Open(authority, sender) => {
                sender
                    .ready()
                    .await
                    .map_err(|error| no_answer(authority, &error))?;
                sender
                    .send_request(request)
                    .await
                    .map_err(|error| no_answer(authority, &error))
            }
            State::Failed(no) => Err(no.clone()),
            State::None => Err(NoServer {
                cause: Cause::Reset,
                why: format!("{}: there is no connection", target.authority),
            }),
        }
    }
}

/// Passes a request on and its answer back.
async fn forward(
    proxy: &Proxy,
    upstream: &Upstream,
    target: &Target,
    url: String,
    recorded: bool,
    request: Request<Incoming>,
) -> Answer {
    let (mut head, body) = request.into_parts();
    let tap = if recorded {
        Some(proxy.tap(head.method.as_str(), url, &head.headers).await)
    } else {
        None
    };
    let path = head
        .uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from(path);
    head.version = Version::HTTP_11;
    clean(&mut head.headers);
    if !head.headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(target.authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let with = |direction| tap.clone().map(|tap| (tap, direction));
    let request = Request::from_parts(head, Tapped::new(body, with(Direction::Request)));
    match upstream.send(proxy, target, request).await {
        Ok(response) => {
            let (mut head, body) = response.into_parts();
            if let Some(tap) = &tap {
                tap.answered(head.status.as_u16(), &head.headers);
            }
            head.version = Version::HTTP_11;
            clean(&mut head.headers);
            Response::from_parts(head, Tapped::new(body, with(Direction::Response)).boxed())
        }
        Err(no) => {
            if let Some(tap) = &tap {
                tap.failed(no.cause, &no.why);
            }
            let mut answer = refusal(StatusCode::BAD_GATEWAY, &no.why);
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
            answer
        }
    }
}

/// Takes out what is about one connection only; that a connection ends is about both.
fn clean(headers: &mut HeaderMap) {
    let lists = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let named: Vec<String> = lists
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers.remove(CONNECTION);
    for name in &named {
        // Framing is hyper's; `close` and `keep-alive` name no header.
        if !matches!(
            name.as_str(),
            "close" | "keep-alive" | "transfer-encoding" | "content-length" | "host"
        ) {
            headers.remove(name.as_str());
        }
    }
    if named.iter().any(|name| name == "close") {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(
        Full::new(text.into())
            .map_err(|never| match never {})
            .boxed(),
    );
    *answer.status_mut() = status;
    answer
}

fn refusal(status: StatusCode, why: &str) -> Answer {
    let mut answer = answer(status, format!("automend: {why}\n"));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

impl Proxy {
    /// A connection to a server, for a client at `from`.
    async fn connect(
        &self,
        authority: &Authority,
        usual: u16,
        from: IpAddr,
    ) -> Result<TcpStream, NoServer> {
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(usual);
        let no = |cause, why: String| NoServer {
            cause,
            why: format!("{authority}: {why}"),
        };
        let found = timeout(CONNECT, tokio::net::lookup_host((host, port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Err(_) => {
                return Err(no(
                    Cause::DnsTimeout,
                    "the name was not looked up in time".to_owned(),
                ));
            }
            Ok(Err(error)) => return Err(no(Cause::NoSuchHost, error.to_string())),
            Ok(Ok(addresses)) => addresses.collect(),
        };
        let mut last = no(Cause::NoAddress, "the name has no address".to_owned());
        for address in addresses {
            if !may_reach(from, address.ip()) {
                let why = format!(
                    "{}: only this machine may reach that address, and {from} is another",
                    address.ip()
                );
                last = no(Cause::Unreachable, why);
                continue;
            }
            if address.port() == self.own.port()
                && (address.ip() == self.own.ip()
                    || address.ip().is_loopback() && self.own.ip().is_unspecified())
            {
                return Err(no(
                    Cause::RedirectLoop,
                    "that is this proxy itself".to_owned(),
                ));
            }
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = no(of_io(&error), format!("{address}: {error}")),
                Err(_) => {
                    let why = format!("{address}: no connection in time");
                    last = no(Cause::ConnectTimeout, why);
                }
            }
        }
        Err(last)
    }

    /// Begins to record an exchange; waits while too many are kept that are not yet written.
    async fn tap(&self, method: &str, url: String, headers: &HeaderMap) -> Arc<Tap> {
        let leave = Arc::clone(&self.leaves).acquire_owned().await.ok();
        Tap::new(method, url, headers, self.scribe.clone(), leave)
    }
}

fn of_io(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::ConnectTimeout,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Cause::Reset,
        _ => Cause::Unreachable,
    }
}

fn no_tls(authority: &Authority, error: &io::Error) -> NoServer {
    let failure = tls::failure(error);
    let mut why = format!("{authority}: {}", failure.cause.what());
    if !failure.detail.is_empty() {
        why = format!("{why} ({})", failure.detail);
    }
    NoServer {
        cause: failure.cause,
        why,
    }
}

fn no_answer(authority: &Authority, error: &hyper::Error) -> NoServer {
    let cause = if error.is_parse() {
        Cause::NotHttp
    } else {
        Cause::Reset
    };
    NoServer {
        cause,
        why: format!("{authority}: {}: {error}", cause.what()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::trace::proxy::hosts::Hosts;
    use automend_system::tls::authority;
    use tokio::net::TcpListener;
    use tokio::sync::{Semaphore, mpsc, watch};

    #[tokio::test]
    async fn others_are_not_connected_to_what_only_this_machine_reaches() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (scribe, _told) = mpsc::unbounded_channel();
        let (notes, _said) = mpsc::channel(1);
        let authority =
            authority::Authority::open(&folder.path().join("ca"), automend_system::clock::now())
                .unwrap();
        let proxy = Proxy {
            hosts: Arc::new(Hosts::new(&[])),
            authority: Arc::new(authority),
            client: tls::Tls::new(&[]).unwrap().checking,
            scribe,
            leaves: Arc::new(Semaphore::new(1)),
            notes,
            stop: watch::Sender::new(false),
            own: "0.0.0.0:1".parse().unwrap(),
        };
        let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"];
        for host in hosts {
            let authority: super::Authority = format!("{host}:{port}").parse().unwrap();
            let from = |text: &str| text.parse::<IpAddr>().unwrap();
            let reached = proxy.connect(&authority, 80, from("127.0.0.1")).await;
            assert!(reached.is_ok(), "{host}");
            for other in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"] {
                let no = proxy
                    .connect(&authority, 80, from(other))
                    .await
                    .unwrap_err();
                assert_eq!(no.cause, Cause::Unreachable, "{host}");
                assert!(no.why.contains("only this machine"), "{}", no.why);
            }
        }
    }
}
