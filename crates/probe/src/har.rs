//! HAR 1.2, as it is written: in one piece, or exchange by turn into a file that grows.
//!
//! After each exchange such a file is a whole document: an exchange is written over the end of the one before together
//! with a new end, in one write, so a recorder that is killed leaves what it had recorded.
//!
//! Nothing is removed here. Invariant: the caller has passed each request through
//! [`automend_recording::secrets`], unless told to keep what is secret.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::time::Duration;

use automend_core::display;
use automend_recording::{HttpExchange, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::Times;

const END: &str = "\n]}}\n";

/// What only a client knows that made the exchange itself.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// What it took.
    pub times: Times,
    /// The address at the other end, and which connection of the run it was.
    pub connection: Option<(IpAddr, usize)>,
    /// The size of the request's body as it was sent.
    pub sent: usize,
    /// What came, if anything did.
    pub answer: Option<Answer>,
    /// What the exchange was for, and why it failed.
    pub comment: String,
}

/// A response as it came.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// `HTTP/1.1`.
    pub version: &'static str,
    /// Bytes of the body as they came.
    pub received: usize,
    /// Bytes of the body, unpacked.
    pub size: usize,
}

/// Exchanges of a client of ours as one document.
pub fn document(exchanges: impl IntoIterator<Item = (HttpExchange, Own)>) -> Value {
    let entries = exchanges.into_iter();
    json!({
        "log": {
            "version": "1.2",
            "creator": creator(),
            "pages": [],
            "entries": entries.map(|(exchange, own)| entry(&exchange, Some(&own))).collect::<Vec<_>>(),
        }
    })
}

/// A HAR that grows.
pub struct Archive {
    file: File,
    /// Where the end begins.
    end: u64,
    empty: bool,
}

impl Archive {
    /// Begins in a file that is empty.
    pub fn begin(file: File) -> io::Result<Self> {
        let mut file = file;
        let head = format!(
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{},\"pages\":[],\"entries\":[",
            creator()
        );
        file.write_all(format!("{head}{END}").as_bytes())?;
        Ok(Self {
            file,
            end: head.len() as u64,
            empty: true,
        })
    }

    /// Adds an exchange.
    pub fn add(&mut self, exchange: &HttpExchange) -> io::Result<()> {
        let comma = if self.empty { "\n" } else { ",\n" };
        let text = format!("{comma}{}{END}", display::json(&entry(exchange, None))?);
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(text.as_bytes())?;
        self.end += (text.len() - END.len()) as u64;
        self.empty = false;
        Ok(())
    }

    /// Puts everything on disk.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn creator() -> Value {
    json!({ "name": "automend", "version": env!("CARGO_PKG_VERSION") })
}

fn entry(exchange: &HttpExchange, own: Option<&Own>) -> Value {
    let took = exchange.took.unwrap_or(0);
    let mut entry = json!({
        "startedDateTime": exchange.started,
        "time": took,
        "request": request(exchange, own),
        "response": response(exchange, own),
        "cache": {},
        "timings": { "send": 0, "wait": took, "receive": 0 },
    });
    if let Some(own) = own {
        let connection = own.connection;
        insert(&mut entry, "time", json!(ms(Some(own.times.total()))));
        insert(&mut entry, "timings", timings(own.times));
        insert(
            &mut entry,
            "serverIPAddress",
            json!(connection.map_or_else(String::new, |(address, _)| address.to_string())),
        );
        insert(
            &mut entry,
            "connection",
            json!(connection.map_or_else(String::new, |(_, number)| number.to_string())),
        );
        insert(&mut entry, "comment", json!(own.comment));
    }
    entry
}

fn request(exchange: &HttpExchange, own: Option<&Own>) -> Value {
    let body = &exchange.request.body;
    let mut request = json!({
        "method": exchange.method,
        "url": exchange.url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(&exchange.request),
        "queryString": query(&exchange.url),
        "headersSize": -1,
        "bodySize": own.map_or(body.len(), |own| own.sent),
    });
    if !body.is_empty() {
        let mut post = json!({ "mimeType": mime(&exchange.request) });
        insert_body(&mut post, body);
        insert(&mut request, "postData", post);
    }
    request
}

/// An exchange without an answer has the status 0, as browsers write it.
fn response(exchange: &HttpExchange, own: Option<&Own>) -> Value {
    let body = &exchange.response.body;
    let (version, received, size) = match own.map(|own| own.answer) {
        None => ("HTTP/1.1", json!(body.len()), body.len()),
        Some(None) => ("", json!(-1), 0),
        Some(Some(answer)) => (answer.version, json!(answer.received), answer.size),
    };
    let mut content = json!({ "size": size, "mimeType": mime(&exchange.response) });
    if !body.is_empty() || own.is_some_and(|own| own.answer.is_some()) {
        insert_body(&mut content, body);
    }
    if exchange.response.cut {
        insert(&mut content, "comment", json!("the body is not whole"));
    }
    let mut response = json!({
        "status": exchange.status,
        "statusText": "",
        "httpVersion": version,
        "cookies": [],
        "headers": headers(&exchange.response),
        "content": content,
        "redirectURL": exchange.response.header("location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": received,
    });
    if let Some(failure) = &exchange.failure {
        insert(&mut response, "_error", json!(failure));
    }
    response
}

fn timings(times: Times) -> Value {
    // HAR counts the handshake of TLS as a part of connecting.
    let connect = times
        .connect
        .map(|connect| connect + times.tls.unwrap_or_default());
    json!({
        "blocked": -1,
        "dns": ms(times.dns),
        "connect": ms(connect),
        "ssl": ms(times.tls),
        "send": 0,
        "wait": times.wait.map_or(0.0, |wait| ms(Some(wait))),
        "receive": times.receive.map_or(0.0, |receive| ms(Some(receive))),
    })
}

/// Milliseconds; -1 where there was no such part.
fn ms(duration: Option<Duration>) -> f64 {
    duration.map_or(-1.0, |duration| {
        (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
    })
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

/// Text as it is, and anything else in base64.
fn insert_body(object: &mut Value, body: &[u8]) {
    if let Ok(text) = std::str::from_utf8(body) {
        insert(object, "text", json!(text));
    } else {
        insert(object, "text", json!(STANDARD.encode(body)));
        insert(object, "encoding", json!("base64"));
    }
}

fn headers(message: &Message) -> Vec<Value> {
    message
        .headers
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

fn query(url: &str) -> Vec<Value> {
    let query = url
        .split_once('?')
        .map(|(_, query)| query.split('#').next().unwrap_or_default());
    let pairs = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({ "name": name, "value": value })
        })
        .collect()
}

fn mime(message: &Message) -> &str {
    message.header("content-type").unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_whole_har_after_every_exchange() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.har");
        let mut archive = Archive::begin(File::create_new(&path).unwrap()).unwrap();
        for count in 0..5 {
            let text = std::fs::read_to_string(&path).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["log"]["entries"].as_array().unwrap().len(), count);
            let body = "x".repeat(count * 5000).into_bytes();
            archive
                .add(&HttpExchange {
                    number: 1,
                    response: Message {
                        body,
                        ..Message::default()
                    },
                    ..HttpExchange::default()
                })
                .unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn both_ways_of_writing_begin_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.har");
        Archive::begin(File::create_new(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let grown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(grown, document([]));
    }
}
