//! Plain HTTP: the way to HTTPS, and nothing else ([MS-OXDISCO] 3.1.5.4).
//!
//! Clients look for a 302 and take no other redirect. The host in it is the configured one of the domain
//! that is meant, never what the client wrote; the file name is kept, as clients of SOAP and of POX each
//! wait for their own.
//!
//! Invariant: no password is asked for here, and none that comes is looked at.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::configuration::Configuration;
use super::endpoints;
use super::exchange::{ConnectionContext, RequestStart};
use super::reply::{Asked, Body, Reply};
use super::route::Route;
use super::service::Service;

/// Answers a request.
pub(crate) async fn exchange(
    service: &Service,
    line: &ConnectionContext,
    request: Request<Incoming>,
) -> Response<Body> {
    let opening = RequestStart::of(&request);
    let current = service.current();
    let route = Route::of(request.uri().path());
    let from = line.client(&current, request.headers());
    let reply = match line.ask(service, &current, from) {
        Err(wait) => super::exchange::throttled(wait, "too-often"),
        Ok(()) => answer(&current, request, route).await,
    };
    let word = if route.is_some() { "plain" } else { "none" };
    service.finish(line, from, &opening, word, reply)
}

async fn answer(
    current: &Configuration,
    request: Request<Incoming>,
    route: Option<Route>,
) -> Reply {
    let limits = &current.settings.limits;
    let (head, mut body) = request.into_parts();
    // Whatever comes with it is read and dropped, so that the connection can be used again.
    let mut left = limits.max_body_bytes;
    let _ = timeout(limits.body_timeout, async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            let Some(rest) = left.checked_sub(length) else {
                break;
            };
            left = rest;
        }
    })
    .await;
    let Some(route) = route else {
        return Reply::text(StatusCode::NOT_FOUND, "Nothing is here.\n", "not-found");
    };
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    let asked = Asked {
        head,
        body: hyper::body::Bytes::new(),
        route,
    };
    if route == Route::Autoconfig && reads && current.settings.plain_autoconfig {
        return endpoints::autoconfig(current, &asked);
    }
    redirect(current, &asked)
}

fn redirect(current: &Configuration, asked: &Asked) -> Reply {
    let uri = &asked.head.uri;
    let domain = current.domain(None, &asked.head);
    let mut target = format!(
        "https://{}{}",
        current.settings.urls.autodiscover(&domain),
        asked.route.target(uri.path())
    );
    if let Some(query) = uri
        .query()
        .filter(|_| matches!(asked.route, Route::V2 | Route::Autoconfig))
    {
        target.push('?');
        target.push_str(query);
    }
    let Ok(target) = HeaderValue::try_from(target) else {
        return Reply::text(StatusCode::BAD_REQUEST, "No such target.\n", "broken");
    };
    Reply::text(
        StatusCode::FOUND,
        "Autodiscover is answered over HTTPS.\n",
        "to-https",
    )
    .with(LOCATION, target)
}
