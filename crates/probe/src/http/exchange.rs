//! An exchange: one request with its response, and what it took.
//!
//! Invariant: nothing in an exchange is a secret. The sender of a login puts its scheme here, not its value.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use automend_core::discovery::Url;
use jiff::Timestamp;

use super::Failure;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where to.
    pub url: Url,
    /// Headers in addition to those that the connection adds.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// One request with its response.
#[derive(Clone, Debug)]
pub struct HttpExchange {
    /// What was asked.
    pub request: Request,
    /// The scheme of the login that it carried.
    pub login: Option<&'static str>,
    /// What was answered, if anything was.
    pub response: Option<Response>,
    /// Why there is no answer, or none that is whole.
    pub failure: Option<Failure>,
    /// Over which connection, if one came about.
    pub connection: Option<Arc<Connected>>,
    /// When it began.
    pub started: Timestamp,
    /// What it took.
    pub times: Times,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// `HTTP/1.1`.
    pub version: &'static str,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, unpacked, as far as it was read.
    pub body: Vec<u8>,
    /// Bytes of the body as they came.
    pub received: usize,
}

impl Response {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All values of a header; `name` in lower case.
    pub fn headers(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let own = self.headers.iter().filter(move |(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    }
}

/// A connection that came about.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Which connection of the run, from 1.
    pub number: usize,
    /// The address at the other end.
    pub address: SocketAddr,
    /// Version and cipher suite, with TLS.
    pub tls: Option<(String, String)>,
    /// The server's certificate; empty without TLS.
    pub certificate: Vec<u8>,
    /// Why the certificate is not trusted, where one goes on for looking only.
    pub untrusted: Option<Failure>,
    /// Until when the certificate is valid, where that is soon.
    pub expires: Option<Timestamp>,
    /// Addresses that failed before.
    pub dead: Vec<(SocketAddr, Failure)>,
}

/// What an exchange took; `None` where there was no such part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Looking up the name.
    pub dns: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// The handshake of TLS.
    pub tls: Option<Duration>,
    /// From the request to the head of the response.
    pub wait: Option<Duration>,
    /// Reading the body.
    pub receive: Option<Duration>,
}

impl Times {
    /// All of it.
    pub fn total(&self) -> Duration {
        [self.dns, self.connect, self.tls, self.wait, self.receive]
            .into_iter()
            .flatten()
            .sum()
    }
}
