//! What the service tells of itself, on a listener of its own: health, readiness, numbers, last exchanges.
//!
//! Invariant: nothing here changes anything, and a page of another site that a browser on this machine has
//! open reads nothing of it: the host that is asked for must be an address or `localhost`.

use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::reply::{Body, Reply, host};
use super::service::Service;

/// Type of a JSON document.
const JSON: &str = "application/json; charset=utf-8";
/// OpenMetrics 1.0.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers a request.
#[allow(clippy::unused_async, reason = "as the other faces are called")]
pub(crate) async fn exchange(service: &Service, request: Request<Incoming>) -> Response<Body> {
    answer(service, request).response
}

fn answer(service: &Service, request: Request<Incoming>) -> Reply {
    let (head, _) = request.into_parts();
    if !host(&head).is_none_or(is_this_machine) {
        let text = "Ask for this by address.\n";
        return Reply::text(StatusCode::MISDIRECTED_REQUEST, text, "refused");
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "Only GET.\n", "refused");
    }
    match head.uri.path() {
        "/healthz" => Reply::text(StatusCode::OK, "alive\n", "health"),
        "/readyz" => ready(service),
        "/metrics" => {
            let connections = service.addresses.connections();
            let connections = i64::try_from(connections).unwrap_or(i64::MAX);
            service.metrics.connections.set(connections);
            Reply::new(StatusCode::OK, METRICS, service.metrics.text(), "metrics")
        }
        "/requests" => Reply::new(StatusCode::OK, JSON, service.log.recent(), "requests"),
        _ => Reply::text(
            StatusCode::NOT_FOUND,
            "/healthz /readyz /metrics /requests\n",
            "not-found",
        ),
    }
}

/// Ready is who can ask the directory; who answers from memory says so.
fn ready(service: &Service) -> Reply {
    let current = service.current();
    let supply = current.answers.supply();
    let (there, stopping) = (supply.is_there(), service.is_stopping());
    let (status, word) = match (there, stopping) {
        (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        (true, false) => (StatusCode::OK, "directory"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "last-known"),
    };
    let state = json!({
        "ready": status == StatusCode::OK,
        "answersFrom": word,
        "directory": supply.state(),
    });
    Reply::new(status, JSON, format!("{state:#}\n"), "ready")
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}
