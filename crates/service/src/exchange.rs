//! One exchange: a request with its response.
//!
//! The order is that of clients' expectations: how often the address asks, the body up to its limit, the
//! login, and only then what was asked. The body is always read before anything is answered, so that a
//! connection on which a login is under way stays open.
//!
//! Invariant: whatever a client sends, the answer comes in bounded time, and nothing of the request stands
//! in it unescaped; no answer tells an anonymous client who exists.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use automend_autodiscover::schema::content;
use automend_login::{self, Account, Verdict};
use automend_system::clock;
use futures_util::poll;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::addresses::ConnectionPermit;
use super::configuration::Configuration;
use super::endpoints;
use super::log::{self, bounded};
use super::metrics::{Label, LoginLabels, RequestLabels, RouteLabels};
use super::proxies::came_through;
use super::reply::{Asked, Body, Reply};
use super::route::Route;
use super::service::Service;

/// The connection that an exchange is on.
pub(crate) struct ConnectionContext {
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// The same for the log.
    pub name: String,
    /// Whether a proxy that is believed is at the other end, no matter for whom it asks.
    pub is_proxy: bool,
    /// Counts the connection, and how often its address asks.
    pub guest: ConnectionPermit,
    /// The TLS connection, for logins that are bound to it.
    pub channel: Arc<automend_login::Channel>,
    /// The login that is bound to the connection; HTTP/2 has none, as its exchanges are mixed.
    pub login: Option<Mutex<automend_login::Connection>>,
}

/// What the log says of a request.
pub(crate) struct RequestStart {
    began: Instant,
    time: Timestamp,
    http: &'static str,
    method: &'static str,
    agent: Option<HeaderValue>,
}

/// Why a body could not be read.
enum BodyTrouble {
    TooLarge,
    TooSlow,
    Broken,
}

/// Headers that tell clients of the EWS Managed API's family that there is SOAP. Exchange also claims
/// WS-Security and OAuth here, which clients would then try.
const SOAP_FAMILY: [(HeaderName, HeaderValue); 2] = [
    (
        HeaderName::from_static("x-soap-enabled"),
        HeaderValue::from_static("True"),
    ),
    (
        HeaderName::from_static("x-wssecurity-for"),
        HeaderValue::from_static("None"),
    ),
];

/// Answers a request, and tells of it.
pub(crate) async fn exchange(
    service: &Service,
    line: &ConnectionContext,
    request: Request<Incoming>,
) -> Response<Body> {
    let opening = RequestStart::of(&request);
    let current = service.current();
    let (head, body) = request.into_parts();
    let route = Route::of(head.uri.path());
    let from = line.client(&current, &head.headers);
    let reply = match line.ask(service, &current, from) {
        Err(wait) => throttled(wait, "too-often").closing(),
        Ok(()) => answer(&current, line, from, head, body, route).await,
    };
    service.finish(line, from, &opening, Route::word(route), reply)
}

impl ConnectionContext {
    /// Who asks: the peer, or for whom it does so.
    pub(super) fn client(&self, current: &Configuration, headers: &HeaderMap) -> IpAddr {
        let peer = self.peer.ip();
        if self.is_proxy {
            current.settings.proxies.client(peer, headers)
        } else {
            peer
        }
    }

    /// Whether the client may make one more request; if not, when it may.
    pub(super) fn ask(
        &self,
        service: &Service,
        current: &Configuration,
        client: IpAddr,
    ) -> Result<(), Duration> {
        let (rates, now) = (&current.settings.limits.rates, service.uptime());
        if client == self.peer.ip() {
            self.guest.ask(rates, now)
        } else {
            service.addresses.ask(client, rates, now)
        }
    }
}

impl RequestStart {
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        Self {
            began: Instant::now(),
            time: clock::now(),
            http: http(request.version()),
            method: method(request.method()),
            agent: request.headers().get(USER_AGENT).cloned(),
        }
    }
}

impl Service {
    /// Counts and logs an exchange.
    pub(super) fn finish(
        &self,
        line: &ConnectionContext,
        client: IpAddr,
        opening: &RequestStart,
        route: &'static str,
        reply: Reply,
    ) -> Response<Body> {
        let took = opening.began.elapsed();
        let outcome = Label(reply.outcome);
        let labels = RequestLabels {
            route: Label(route),
            outcome,
        };
        self.metrics.exchanges.of(&labels, Counter::inc);
        let labels = RouteLabels {
            route: Label(route),
        };
        let seconds = took.as_secs_f64();
        self.metrics
            .seconds
            .of(&labels, |histogram| histogram.observe(seconds));
        let agent = opening
            .agent
            .as_ref()
            .map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let forwarded = (client != line.peer.ip()).then(|| client.to_string());
        self.log.exchange(&log::RequestEvent {
            time: opening.time,
            event: "request",
            peer: forwarded.as_deref().unwrap_or(&line.name),
            http: opening.http,
            route,
            method: opening.method,
            status: reply.response.status().as_u16(),
            outcome: reply.outcome,
            user: reply.user.as_ref().map(|account| account.name.as_str()),
            asked: reply.asked.as_deref().map(bounded),
            fault: reply.fault,
            why: reply.why.as_deref().map(bounded),
            skipped: reply.skipped,
            from: reply.from,
            bytes: usize::try_from(reply.response.body().size_hint().lower()).unwrap_or(0),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            agent: agent.as_deref().map(bounded),
        });
        reply.response
    }
}

/// Waits for no longer than `limit`. What is ready at once needs no clock, and that is nearly everything.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    if let Poll::Ready(done) = poll!(future.as_mut()) {
        return Some(done);
    }
    timeout(limit, future).await.ok()
}

async fn answer(
    current: &Configuration,
    line: &ConnectionContext,
    from: IpAddr,
    head: Parts,
    body: Incoming,
    route: Option<Route>,
) -> Reply {
    let limits = &current.settings.limits;
    let body = match within(limits.body_timeout, read(body, limits.max_body_bytes)).await {
        Some(Ok(body)) => body,
        Some(Err(trouble)) => return unread(&trouble),
        None => return unread(&BodyTrouble::TooSlow),
    };
    let Some(route) = route else {
        return Reply::text(StatusCode::NOT_FOUND, NOTHING_HERE, "not-found");
    };
    let asked = Asked { head, body, route };
    let reply = within(limits.response_timeout, faced(current, line, from, &asked)).await;
    reply.unwrap_or_else(|| Reply::unavailable("the answer took too long".to_owned()))
}

/// Hands the request to its face.
async fn faced(
    current: &Configuration,
    line: &ConnectionContext,
    from: IpAddr,
    asked: &Asked,
) -> Reply {
    let method = &asked.head.method;
    match asked.route {
        Route::V2 | Route::Autoconfig if !matches!(*method, Method::GET | Method::HEAD) => {
            not_allowed("GET, HEAD")
        }
        Route::V2 => endpoints::v2(current, asked),
        Route::Autoconfig => endpoints::autoconfig(current, asked),
        Route::WsSecurity => endpoints::ws_security(current),
        Route::Pox | Route::Soap => {
            if !matches!(*method, Method::POST | Method::GET | Method::HEAD) {
                return not_allowed("POST, GET, HEAD").with_soap();
            }
            authenticated(current, line, from, asked).await.with_soap()
        }
    }
}

impl Reply {
    fn with_soap(mut self) -> Self {
        self.response
            .headers_mut()
            .extend(SOAP_FAMILY.map(|(name, value)| (Some(name), value)));
        self
    }
}

/// Answers a request whose client has logged in; another one is asked to log in.
async fn authenticated(
    current: &Configuration,
    line: &ConnectionContext,
    from: IpAddr,
    asked: &Asked,
) -> Reply {
    let headers = &asked.head.headers;
    let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let mut one;
    let mut bound;
    let login = if let Some(login) = &line.login {
        bound = login.lock().await;
        &mut *bound
    } else {
        one = automend_login::Connection::default();
        &mut one
    };
    if line.is_proxy || came_through(headers) {
        login.set_shared();
    }
    login.expect(&current.expected, &line.channel);
    let authenticator = &current.authenticator;
    let verdict = authenticator.authenticate(login, authorization, from).await;
    let (refusal, holds) = (login.refusal(), login.is_logged_in());
    let (account, token) = match verdict {
        Verdict::Accepted { account, token } => (account, token),
        Verdict::Challenge(values) => {
            let mut reply = challenge(current, &values, authorization.is_some());
            reply.why = refusal;
            return reply;
        }
        Verdict::Throttled(wait) => {
            current.login("throttled");
            let mut reply = throttled(wait, "throttled");
            reply.why = refusal;
            return reply;
        }
        Verdict::Unavailable(why) => {
            current.login("unavailable");
            return Reply::unavailable(why);
        }
    };
    current.login("good");
    let mut reply = admitted(current, &account, asked).await;
    reply.user = Some(account);
    // What is wrong with a login that is good enough.
    reply.why = reply.why.or(refusal);
    if let Some(token) = token.and_then(|token| HeaderValue::try_from(token).ok()) {
        reply = reply.with(WWW_AUTHENTICATE, token);
        if !holds {
            // Clients that take a login with Kerberos for one of the connection learn otherwise.
            reply = reply.with(PERSISTENT_AUTH, HeaderValue::from_static("false"));
        }
    }
    reply
}

async fn admitted(current: &Configuration, account: &Arc<Account>, asked: &Asked) -> Reply {
    match (asked.route, &asked.head.method) {
        (_, &Method::HEAD) => Reply::new(StatusCode::OK, content::XML, Bytes::new(), "head"),
        (Route::Soap, &Method::GET) => {
            Reply::new(StatusCode::OK, HTML, current.pages.welcome.clone(), "page")
        }
        (Route::Soap, _) => Box::pin(endpoints::soap(current, account, asked)).await,
        // A GET has no body that could name anybody, so it is refused as Exchange does.
        (_, &Method::GET) => endpoints::invalid(current),
        _ => endpoints::pox(current, account, asked).await,
    }
}

/// Asks for a login. What is shown is for a person who came with a browser.
fn challenge(current: &Configuration, values: &[String], tried: bool) -> Reply {
    let page = if tried {
        &current.pages.refused
    } else {
        &current.pages.wanted
    };
    let mut reply = Reply::new(StatusCode::UNAUTHORIZED, HTML, page.clone(), "challenge");
    if tried {
        // The middle of NTLM looks the same from here.
        reply.outcome = "challenge-again";
        current.login("again");
    }
    for value in values {
        if let Ok(value) = HeaderValue::try_from(value) {
            reply = reply.with(WWW_AUTHENTICATE, value);
        }
    }
    reply
}

impl Configuration {
    fn login(&self, result: &'static str) {
        let labels = LoginLabels {
            result: Label(result),
        };
        self.metrics.logins.of(&labels, Counter::inc);
    }
}

/// Reads a body of at most `most` bytes.
async fn read(mut body: Incoming, most: usize) -> Result<Bytes, BodyTrouble> {
    if body.size_hint().lower() > most as u64 {
        return Err(BodyTrouble::TooLarge);
    }
    let mut whole = Bytes::new();
    let mut parts: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| BodyTrouble::Broken)?.into_data() else {
            continue;
        };
        if whole.len() + parts.len() + part.len() > most {
            return Err(BodyTrouble::TooLarge);
        }
        if whole.is_empty() && parts.is_empty() {
            // Nearly every body comes in one part, and is not copied.
            whole = part;
            continue;
        }
        parts.extend_from_slice(&std::mem::take(&mut whole));
        parts.extend_from_slice(&part);
    }
    Ok(if parts.is_empty() {
        whole
    } else {
        parts.into()
    })
}

fn unread(trouble: &BodyTrouble) -> Reply {
    let (status, text, outcome) = match trouble {
        BodyTrouble::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request is too large.\n",
            "too-large",
        ),
        BodyTrouble::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "The request took too long.\n",
            "too-slow",
        ),
        BodyTrouble::Broken => (
            StatusCode::BAD_REQUEST,
            "The request is broken off.\n",
            "broken",
        ),
    };
    Reply::text(status, text, outcome).closing()
}

pub(super) fn throttled(wait: Duration, outcome: &'static str) -> Reply {
    let seconds = wait.as_secs().saturating_add(1);
    Reply::text(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests. Please try again later.\n",
        outcome,
    )
    .with(RETRY_AFTER, HeaderValue::from(seconds))
}

fn not_allowed(allowed: &'static str) -> Reply {
    Reply::text(
        StatusCode::METHOD_NOT_ALLOWED,
        "This method is not answered here.\n",
        "not-allowed",
    )
    .with(ALLOW, HeaderValue::from_static(allowed))
}

/// Whether a login with Negotiate holds for the connection, as IIS says it.
const PERSISTENT_AUTH: HeaderName = HeaderName::from_static("persistent-auth");
/// Type of a page for people.
const HTML: &str = "text/html; charset=utf-8";
const NOTHING_HERE: &str = "Nothing is here. Autodiscover is at /autodiscover/autodiscover.xml and /autodiscover/autodiscover.svc.\n";

fn http(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP",
    }
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exchange is moved to where it is polled, so what it may need once in a while is kept apart from it.
    #[test]
    fn a_exchange_is_small() {
        fn size<F>(
            _: fn(&'static Service, &'static ConnectionContext, Request<Incoming>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        assert!(size(exchange) < 4096, "{} bytes", size(exchange));
    }
}
