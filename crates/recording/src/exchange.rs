//! An exchange: one request with its response, from whatever recorder.
//!
//! Invariant: what is kept of an exchange is bounded by [`MOST_BODY`] for each body and [`MOST_HEAD`] for
//! each head, whatever the recording holds.

/// The most bytes of a body that are kept (8 MiB); no answer of Autodiscover comes near it.
pub const MOST_BODY: usize = 8 << 20;
/// More of a head is not kept: all names and values together.
pub(crate) const MOST_HEAD: usize = 256 << 10;
/// More headers are not kept, however short they are.
const MOST_HEADERS: usize = 2000;
/// A longer URL is cut.
pub(crate) const MOST_URL: usize = 8 << 10;

/// One request with its response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpExchange {
    /// Counted from 1, in the order of the recording.
    pub number: u64,
    /// When it began, as the recording writes it; it is text and need not be a time.
    pub started: Option<String>,
    /// How long it took, in milliseconds.
    pub took: Option<u64>,
    /// `POST`; empty where the recording does not tell.
    pub method: String,
    /// The whole URL; empty where the recording does not tell.
    pub url: String,
    /// What was asked.
    pub request: Message,
    /// The status; 0 where there was no response.
    pub status: u16,
    /// What was answered.
    pub response: Message,
    /// Why there was no response, in the recorder's words.
    pub failure: Option<String>,
    /// The mailbox that a log names beside the exchange.
    pub named: Option<String>,
}

/// Head and body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// Names and values, in order: at most 2,000, and 256 KiB of names and values together.
    pub headers: Vec<(String, String)>,
    /// The body with its transfer and content codings undone, at most [`MOST_BODY`] bytes.
    pub body: Vec<u8>,
    /// Whether there was more of the body than is kept here.
    pub cut: bool,
    /// Whether there was a body, of which the recording holds nothing.
    pub missing: bool,
}

impl Message {
    /// The first header of a name, in whatever case it is written (RFC 9110 5.1).
    pub fn header<'m>(&'m self, name: &'m str) -> Option<&'m str> {
        self.all(name).next()
    }

    /// Every header of a name, in order.
    pub fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Adds a header; one that does not fit into the limits of [`Message::headers`] is left out.
    pub fn push(&mut self, name: String, value: String) {
        if self.headers.len() >= MOST_HEADERS {
            return;
        }
        let size: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size + name.len() + value.len() <= MOST_HEAD {
            self.headers.push((name, value));
        }
    }
}

/// Something wrong in a recording of which the rest could be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Defect {
    /// The exchange that it concerns.
    pub exchange: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Defect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(exchange) = self.exchange {
            write!(f, "request {exchange}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// More defects of one recording are counted only.
const MOST_DEFECTS: usize = 100;

/// Takes what a reader reads, while the recording is still being read.
pub trait Sink {
    /// Whether the exchange with this URL and this beginning of the request's body is wanted; the bodies of
    /// others are passed over where the recording allows it.
    fn wants(&self, url: &str, request: &[u8]) -> bool;
    /// Takes an exchange.
    fn exchange(&mut self, exchange: HttpExchange);
    /// Takes note of an exchange that was not wanted, by its number in the recording.
    fn passed(&mut self, number: u64);
    /// Takes a defect.
    fn defect(&mut self, defect: Defect);
}

/// Defects, of which the first 100 are kept and the rest counted.
#[derive(Clone, Debug, Default)]
pub struct Defects {
    kept: Vec<Defect>,
    more: u64,
}

impl Defects {
    /// Adds one.
    pub fn push(&mut self, defect: Defect) {
        if self.kept.len() < MOST_DEFECTS {
            self.kept.push(defect);
        } else {
            self.more += 1;
        }
    }

    /// Each in words, and how many more there are.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.kept.iter().map(Defect::to_string).collect();
        if self.more > 0 {
            told.push(format!("{} more defects", self.more));
        }
        told
    }
}
