//! Recordings of HTTP in every form that common recorders write, as requests with their responses.
//!
//! It exists to keep one invariant: whatever the bytes of a recording are, reading them ends in requests
//! with their responses, or in a reason why not; memory is bounded by [`MOST_BODY`] for each body, whatever
//! the recording holds. Nothing here waits, opens a connection or reads a clock; the one program that is
//! run is tshark, and only for a network capture. What goes through [`secrets::remove`] comes out without
//! logins, cookies, tokens and passwords.
//!
//! The crate knows the forms of recordings and nothing of Autodiscover: which exchanges are wanted, a [`Sink`]
//! says. An exchange is one request with its response.
//!
//! ```
//! use automend_recording::secrets::{self, Logins, Secrets};
//! use automend_recording::{Defect, HttpExchange, Kind, Sink, Unreadable, read_from};
//!
//! #[derive(Default)]
//! struct Kept(Vec<HttpExchange>);
//!
//! impl Sink for Kept {
//!     fn wants(&self, url: &str, _request: &[u8]) -> bool {
//!         url.starts_with("https://autodiscover.")
//!     }
//!     fn exchange(&mut self, exchange: HttpExchange) {
//!         self.0.push(exchange);
//!     }
//!     fn passed(&mut self, _number: u64) {}
//!     fn defect(&mut self, _defect: Defect) {}
//! }
//!
//! let har = br#"{"log": {"entries": [{
//!     "request": {"method": "GET", "url": "https://autodiscover.contoso.com/?token=abcdef", "headers": []},
//!     "response": {"status": 401, "headers": [{"name": "Set-Cookie", "value": "session=1"}]}
//! }]}}"#;
//! let mut kept = Kept::default();
//! let no_capture = |_: &mut Kept| Err(Unreadable::NoTshark);
//! let kind = read_from(std::io::Cursor::new(har), no_capture, false, &mut kept)?;
//! assert_eq!((kind, kept.0.len()), (Kind::Har, 1));
//!
//! let mut exchange = kept.0.remove(0);
//! secrets::remove(&mut exchange, &Secrets::default(), Logins::Stage);
//! assert_eq!(exchange.url, "https://autodiscover.contoso.com/?token=(removed)");
//! assert_eq!(exchange.response.header("set-cookie"), Some("(removed)"));
//! # Ok::<(), Unreadable>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod analyzer;
mod body;
mod capture;
mod date;
mod ews_trace;
mod exchange;
mod exchangelib;
mod foreign;
mod har;
mod http;
mod json;
mod kind;
mod lines;
mod log;
mod no_recording;
mod read;
mod saz;
pub mod secrets;
mod tree;
mod utf16;
mod zip;

pub use body::{Decoded, decode};
pub use exchange::{Defect, Defects, HttpExchange, MOST_BODY, Message, Sink};
pub use kind::Kind;
pub use no_recording::NoRecording;
pub use read::{Unreadable, read, read_from};
