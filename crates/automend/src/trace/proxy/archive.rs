//! The HAR that a recording is written to (HAR 1.2), turn by turn.
//!
//! After each turn the file is a whole document: a turn is written over the end of the one before together
//! with a new end, in one write, so a recorder that is killed leaves what it had recorded.
//!
//! Invariant: the file is this user's alone, and is never begun over another.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::authority::private_file;
use crate::trace::recording::{Message, Turn};

const END: &str = "\n]}}\n";

/// A HAR that grows.
pub(crate) struct Archive {
    file: File,
    /// Where the end begins.
    end: u64,
    empty: bool,
}

impl Archive {
    /// Begins a file, which must not be there yet.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = private_file(path)?;
        let creator = json!({ "name": "automend", "version": env!("CARGO_PKG_VERSION") });
        let head = format!(
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[],\"entries\":["
        );
        file.write_all(format!("{head}{END}").as_bytes())?;
        Ok(Self {
            file,
            end: head.len() as u64,
            empty: true,
        })
    }

    /// Adds a turn.
    pub(crate) fn add(&mut self, turn: &Turn) -> io::Result<()> {
        let comma = if self.empty { "\n" } else { ",\n" };
        let text = format!("{comma}{}{END}", entry(turn));
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(text.as_bytes())?;
        self.end += (text.len() - END.len()) as u64;
        self.empty = false;
        Ok(())
    }

    /// Puts everything on disk.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn entry(turn: &Turn) -> Value {
    let took = turn.took.unwrap_or(0);
    let mut request = json!({
        "method": turn.method,
        "url": turn.url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(&turn.request),
        "queryString": query(&turn.url),
        "headersSize": -1,
        "bodySize": turn.request.body.len(),
    });
    if !turn.request.body.is_empty() {
        let (text, encoding) = text(&turn.request.body);
        let mut post = json!({ "mimeType": mime(&turn.request), "text": text });
        if let Some(encoding) = encoding {
            insert(&mut post, "encoding", json!(encoding));
        }
        insert(&mut request, "postData", post);
    }
    let mut content = json!({ "size": turn.response.body.len(), "mimeType": mime(&turn.response) });
    if !turn.response.body.is_empty() {
        let (text, encoding) = text(&turn.response.body);
        insert(&mut content, "text", json!(text));
        if let Some(encoding) = encoding {
            insert(&mut content, "encoding", json!(encoding));
        }
    }
    if turn.response.cut {
        insert(&mut content, "comment", json!("the body is not whole"));
    }
    let mut response = json!({
        "status": turn.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(&turn.response),
        "content": content,
        "redirectURL": turn.response.header("location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": turn.response.body.len(),
    });
    if let Some(failure) = &turn.failure {
        insert(&mut response, "_error", json!(failure));
    }
    json!({
        "startedDateTime": turn.started,
        "time": took,
        "request": request,
        "response": response,
        "cache": {},
        "timings": { "send": 0, "wait": took, "receive": 0 },
    })
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
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

/// Text as it is, and anything else in base64.
fn text(body: &[u8]) -> (String, Option<&'static str>) {
    use base64::Engine;
    match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            base64::engine::general_purpose::STANDARD.encode(body),
            Some("base64"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_whole_har_after_every_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.har");
        let mut archive = Archive::create(&path).unwrap();
        assert!(
            Archive::create(&path).is_err(),
            "a recording was begun over another"
        );
        for count in 0..5 {
            let text = std::fs::read_to_string(&path).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["log"]["entries"].as_array().unwrap().len(), count);
            let body = "x".repeat(count * 5000).into_bytes();
            archive
                .add(&Turn {
                    number: 1,
                    response: Message {
                        body,
                        ..Message::default()
                    },
                    ..Turn::default()
                })
                .unwrap();
        }
        archive.finish().unwrap();
    }
}
