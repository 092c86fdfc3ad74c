//! What was asked, and what is answered: a request wholly read, and a response with what the log says of it.

use std::sync::Arc;

use automend_core::host_port;
use automend_login::Account;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    self, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::route::Route;

/// What is sent.
pub(crate) type Body = Full<Bytes>;

/// A response, and what the log says of it.
pub(crate) struct Reply {
    /// The response.
    pub response: Response<Body>,
    /// In a word.
    pub outcome: &'static str,
    /// About whom it was.
    pub asked: Option<String>,
    /// Who logged in.
    pub user: Option<Arc<Account>>,
    /// The POX error code.
    pub fault: Option<u32>,
    /// Why, where the client is not told.
    pub why: Option<String>,
    /// Owners that were left out.
    pub skipped: usize,
    /// Where it came from.
    pub from: Option<&'static str>,
}

/// What was asked, wholly read.
pub(crate) struct Asked {
    /// The head.
    pub head: Parts,
    /// The body.
    pub body: Bytes,
    /// The face.
    pub route: Route,
}

/// As many headers as nearly every answer has.
const HEADERS: usize = 8;

impl Reply {
    /// A response with a body.
    pub(crate) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
        outcome: &'static str,
    ) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        Self {
            response,
            outcome,
            asked: None,
            user: None,
            fault: None,
            why: None,
            skipped: 0,
            from: None,
        }
    }

    /// A line of text for people.
    pub(crate) fn text(status: StatusCode, text: &'static str, outcome: &'static str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text, outcome)
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().append(name, value);
        self
    }

    /// With more for the log.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// The directory cannot be asked: the client shall come again.
    pub(crate) fn unavailable(why: String) -> Self {
        let text = "The directory cannot be asked at the moment. Please try again.\n";
        Self::text(StatusCode::SERVICE_UNAVAILABLE, text, "unavailable")
            .with(RETRY_AFTER, HeaderValue::from_static("30"))
            .because(why)
    }

    /// The connection ends with it.
    pub(super) fn closing(self) -> Self {
        self.with(CONNECTION, HeaderValue::from_static("close"))
    }
}

/// The host that a client believes to speak to: only for choosing among hosts that are known.
pub(crate) fn host(head: &Parts) -> Option<&str> {
    let named = head
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    head.uri.host().or(named).map(host_port::host)
}
