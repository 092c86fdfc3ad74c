//! Debug logs of the Python library exchangelib: for each request its URL, status, heads and bodies, each
//! behind a key at the beginning of a line, and what `urllib3` says of the connection.
//!
//! Bodies stand as they came, as Python writes bytes (`b'…'`), or made pretty over many lines; a logger may
//! write anything before a message. There is no specification; the keys are those of the library's own
//! messages in its versions 1 to 5.
//!
//! Invariant: one exchange is held at a time, and each part of it is bounded.

use std::io::{self, BufRead};

use super::exchange::{HttpExchange, MOST_BODY, MOST_HEAD, MOST_URL, Message, Sink};
use super::lines::Lines;

/// Names and values of headers.
const MOST_STRINGS: usize = 2000;
/// Of why there was no response.
const MOST_WORDS: usize = 1024;

/// Whether a text is such a log.
pub(super) fn is_log(text: &str) -> bool {
    let names = text.contains("exchangelib");
    let keys = [
        "Request data: ",
        "Request XML: ",
        "Response data: ",
        "Response XML: ",
    ];
    let parts = keys.iter().filter(|key| text.contains(**key)).count();
    names && (parts > 0 || text.contains("urllib3") || text.contains("autodiscover"))
        || parts > 1 && text.contains("Status code: ")
}

/// Reads a log; everything in it goes to `sink`.
pub(super) fn read(input: impl BufRead, sink: &mut impl Sink) -> io::Result<()> {
    let mut reader = Reader {
        sink,
        count: 0,
        block: None,
        pending: None,
        part: None,
        named: None,
        failed: None,
    };
    let mut lines = Lines { input };
    while let Some(line) = lines.next(MOST_BODY)? {
        reader.line(&plain(&line));
    }
    reader.finish();
    Ok(())
}

/// The keys that are read, and what they tell.
const KEYS: [(&str, Key); 9] = [
    ("Retry: ", Key::Begin),
    ("URL: ", Key::Url),
    ("Status code: ", Key::Status),
    ("Request headers: ", Key::Asked),
    ("Response headers: ", Key::Answered),
    ("Request data: ", Key::Request),
    ("Request XML: ", Key::Request),
    ("Response data: ", Key::Response),
    ("Response XML: ", Key::Response),
];

/// Keys that only end what stands before them.
const OTHERS: [&str; 8] = [
    "Waited: ",
    "Timeout: ",
    "Session: ",
    "Thread: ",
    "Auth type: ",
    "HTTP adapter: ",
    "Streaming: ",
    "Response time: ",
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Begin,
    Url,
    Status,
    Asked,
    Answered,
    Request,
    Response,
}

/// An exchange that is being put together.
#[derive(Default)]
struct Block {
    exchange: HttpExchange,
    answered: bool,
}

struct Reader<'s, S> {
    sink: &'s mut S,
    count: u64,
    block: Option<Block>,
    /// What `urllib3` told of a request, until the library's own message follows.
    pending: Option<(HttpExchange, bool)>,
    /// The part that goes on in the next line.
    part: Option<(Key, String)>,
    /// For whom the library says that it looks.
    named: Option<String>,
    /// The last failure, which the library tells more than once.
    failed: Option<(String, String)>,
}

impl<S: Sink> Reader<'_, S> {
    fn line(&mut self, line: &str) {
        let begins = is_message(line);
        if let Some((key, rest)) = key(line, begins) {
            self.end_part();
            if let Some(key) = key {
                self.part = Some((key, rest.to_owned()));
            }
            return;
        }
        if !begins
            && let Some((_, text)) = &mut self.part
            && !is_whole(text)
            && connection(line).is_none()
        {
            if text.len() + line.len() < MOST_BODY {
                text.push('\n');
                text.push_str(line);
            }
            return;
        }
        self.end_part();
        if let Some(address) = line
            .split_once("autodiscover on email ")
            .map(|(_, rest)| rest.trim())
            .filter(|address| address.contains('@') && address.len() <= 320)
        {
            self.named = Some(address.to_owned());
        }
        if let Some((exchange, has_body)) = connection(line) {
            self.end_block();
            self.end_pending();
            self.pending = Some((exchange, has_body));
        } else {
            self.failure(line);
        }
    }

    fn end_part(&mut self) {
        let Some((key, text)) = self.part.take() else {
            return;
        };
        if matches!(key, Key::Begin | Key::Url) {
            if key == Key::Begin
                || self
                    .block
                    .as_ref()
                    .is_some_and(|block| !block.exchange.url.is_empty())
            {
                self.end_block();
            }
            if key == Key::Begin {
                return;
            }
        }
        let block = self.block.get_or_insert_with(Block::default);
        let exchange = &mut block.exchange;
        let text = text.trim();
        let line = text.lines().next().unwrap_or_default().trim();
        match key {
            Key::Begin => {}
            Key::Url => exchange.url = line.chars().take(MOST_URL).collect(),
            Key::Status => exchange.status = line.parse().unwrap_or(0),
            Key::Asked => exchange.request.headers = headers(text),
            Key::Answered => exchange.response.headers = headers(text),
            Key::Request => {
                exchange.request.body = value(text).unwrap_or_default();
            }
            Key::Response => {
                let body = value(text);
                block.answered |= body.is_some();
                exchange.response.body = body.unwrap_or_default();
            }
        }
    }

    fn end_block(&mut self) {
        let Some(Block {
            mut exchange,
            answered,
        }) = self.block.take()
        else {
            return;
        };
        if exchange.url.is_empty() {
            return;
        }
        let same = |pending: &HttpExchange| {
            pending.status == exchange.status && bare(&pending.url) == bare(&exchange.url)
        };
        let known = self.pending.take_if(|(pending, _)| same(pending));
        self.end_pending();
        exchange.method = match known {
            Some((known, _)) => known.method,
            None if exchange.request.body.is_empty() => "GET".to_owned(),
            None => "POST".to_owned(),
        };
        exchange.response.missing =
            exchange.status == 200 && exchange.response.body.is_empty() && !answered;
        exchange.named.clone_from(&self.named);
        self.give(exchange);
    }

    fn end_pending(&mut self) {
        let Some((mut exchange, has_body)) = self.pending.take() else {
            return;
        };
        // Where it leads, only the head says, which is not here.
        if (300..400).contains(&exchange.status) {
            self.count += 1;
            self.sink.passed(self.count);
            return;
        }
        exchange.response.missing = exchange.status == 200 && has_body;
        exchange.named.clone_from(&self.named);
        self.give(exchange);
    }

    /// `HTTPSConnectionPool(host='HOST', port=443): Max retries exceeded with url: PATH (Caused by …)`.
    fn failure(&mut self, line: &str) {
        let Some((_, rest)) = line.split_once("ConnectionPool(host=") else {
            return;
        };
        let scheme = if line.contains("HTTPSConnectionPool") {
            "https"
        } else {
            "http"
        };
        let host = rest.trim_start_matches(['\'', '"']);
        let host = host.split(['\'', '"']).next().unwrap_or_default();
        let path = rest
            .split_once("with url: ")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .unwrap_or("/");
        let url: String = format!("{scheme}://{host}{path}")
            .chars()
            .take(MOST_URL)
            .collect();
        let why = rest.split_once("(Caused by ").map_or(rest, |(_, why)| why);
        let why: String = why.chars().take(MOST_WORDS).collect();
        let failed = Some((url.clone(), why.clone()));
        if self.failed == failed || host.is_empty() {
            return;
        }
        self.end_block();
        self.end_pending();
        self.failed = failed;
        self.give(HttpExchange {
            method: "POST".to_owned(),
            url,
            failure: Some(why),
            named: self.named.clone(),
            ..HttpExchange::default()
        });
    }

    fn give(&mut self, mut exchange: HttpExchange) {
        self.count += 1;
        exchange.number = self.count;
        if self.sink.wants(&exchange.url, &exchange.request.body) {
            self.sink.exchange(exchange);
        } else {
            self.sink.passed(exchange.number);
        }
    }

    fn finish(&mut self) {
        self.end_part();
        self.end_block();
        self.end_pending();
    }
}

/// A line without the colours of a terminal.
fn plain(line: &str) -> String {
    if !line.contains('\u{1b}') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a line begins a message of a logger: it has a level, or begins with a date.
fn is_message(line: &str) -> bool {
    let head: String = line.chars().take(80).collect();
    let level = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
        .iter()
        .any(|level| head.contains(level));
    let dated = head.get(..5).is_some_and(|year| {
        year.ends_with('-') && year.bytes().take(4).all(|byte| byte.is_ascii_digit())
    });
    (level || dated) && !head.trim_start().starts_with('<')
}

/// Whether a part is at its end, so that what follows is another message: a logger may write nothing
/// before one.
fn is_whole(text: &str) -> bool {
    let text = text.trim();
    let literal = ["b'", "b\""].iter().any(|begin| {
        text.len() > 2
            && text.starts_with(begin)
            && begin
                .chars()
                .next_back()
                .is_some_and(|quote| text.ends_with(quote))
    });
    literal || text.ends_with("</Autodiscover>") || text.ends_with("Envelope>")
}

/// The key of a line, and what stands behind it; `Some(None)` for a key of no interest.
fn key(line: &str, begins: bool) -> Option<(Option<Key>, &str)> {
    let at = |key: &str| {
        if let Some(rest) = line.strip_prefix(key) {
            return Some(rest);
        }
        // The first key of a message stands behind what the logger writes.
        let (before, rest) = line.split_once(key).filter(|_| begins)?;
        (before.len() <= 200 && before.ends_with([':', ' ', '\t'])).then_some(rest)
    };
    for (name, key) in KEYS {
        // An empty value leaves no blank behind the colon.
        if let Some(rest) = at(name).or_else(|| (line == name.trim_end()).then_some("")) {
            return Some((Some(key), rest));
        }
    }
    OTHERS
        .iter()
        .find(|key| line.starts_with(**key))
        .map(|_| (None, ""))
}

/// `https://HOST:443 "POST /PATH HTTP/1.1" 200 363`, and whether there was a body.
fn connection(line: &str) -> Option<(HttpExchange, bool)> {
    let (before, rest) = line.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    request.ends_with("HTTP/1.1").then_some(())?;
    let at = before.rfind("http")?;
    let base = before.get(at..)?.trim();
    base.contains("://").then_some(())?;
    let base = match base.strip_prefix("https://") {
        Some(_) => base.trim_end_matches(":443"),
        None => base.trim_end_matches(":80"),
    };
    let mut words = request.split_whitespace();
    let (method, path) = (words.next()?, words.next()?);
    let mut numbers = rest.split_whitespace();
    let status = numbers.next()?.parse().ok()?;
    let has_body = numbers.next() != Some("0");
    let url = format!("{base}{path}").chars().take(MOST_URL).collect();
    let exchange = HttpExchange {
        method: method.chars().take(16).collect(),
        url,
        status,
        ..HttpExchange::default()
    };
    Some((exchange, has_body))
}

fn bare(url: &str) -> String {
    url.replacen(":443/", "/", 1).to_ascii_lowercase()
}

/// A value as Python writes it, or as it is; `None` where there was none.
fn value(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text == "None" {
        return None;
    }
    let mut bytes = match literal(text) {
        Some((bytes, _)) => bytes,
        None => text.as_bytes().to_vec(),
    };
    bytes.truncate(MOST_BODY);
    Some(bytes)
}

/// A literal of Python, of bytes or of text, and what stands behind it. One that breaks off ends there.
fn literal(text: &str) -> Option<(Vec<u8>, &str)> {
    let inside = text.strip_prefix(['b', 'u']).unwrap_or(text);
    let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let is_text = !text.starts_with('b');
    let mut bytes = Vec::new();
    let mut rest = inside.get(1..)?;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c == quote {
            return Some((bytes, rest));
        }
        let Some(escaped) = rest.chars().next().filter(|_| c == '\\') else {
            push(&mut bytes, c);
            continue;
        };
        rest = rest.get(escaped.len_utf8()..)?;
        let digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let code = rest
            .get(..digits)
            .filter(|_| digits > 0)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match (escaped, code) {
            (_, Some(code)) => {
                rest = rest.get(digits..)?;
                match u8::try_from(code) {
                    Ok(byte) if !is_text => bytes.push(byte),
                    _ => push(&mut bytes, char::from_u32(code).unwrap_or('\u{fffd}')),
                }
            }
            ('n', _) => bytes.push(b'\n'),
            ('r', _) => bytes.push(b'\r'),
            ('t', _) => bytes.push(b'\t'),
            (other, _) => push(&mut bytes, other),
        }
    }
    Some((bytes, ""))
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The strings of a dictionary of Python, two by two.
fn headers(text: &str) -> Vec<(String, String)> {
    let mut message = Message::default();
    let mut rest = text.get(..MOST_HEAD).unwrap_or(text);
    let mut strings = Vec::new();
    while let Some(at) = rest
        .find(['\'', '"'])
        .filter(|_| strings.len() < MOST_STRINGS)
    {
        let Some((bytes, after)) = literal(rest.get(at..).unwrap_or_default()) else {
            break;
        };
        strings.push(String::from_utf8_lossy(&bytes).into_owned());
        rest = after;
    }
    let mut strings = strings.into_iter();
    while let (Some(name), Some(value)) = (strings.next(), strings.next()) {
        message.push(name, value);
    }
    message.headers
}
