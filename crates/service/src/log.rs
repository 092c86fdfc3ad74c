//! The log: one JSON object a line, and the last exchanges kept in memory.
//!
//! No answer waits for the log: lines are gathered, and one task writes them. Where they
//! cannot be written in time they are dropped, counted, and the next line that can be written says how
//! many were.
//!
//! Invariant: no header, no body and no query of a request is in it, so no secret; what a client wrote is
//! cut off at a bound.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::sync::Notify;

use automend_core::display;
use automend_system::clock;
use automend_system::private_file;

/// The log.
pub(crate) struct Log {
    pending: Mutex<Pending>,
    /// There is a line that shall not wait.
    hurry: Notify,
    /// The file, or standard error.
    path: Option<PathBuf>,
    sink: Mutex<Sink>,
    recent: Mutex<VecDeque<String>>,
    dropped: Counter,
}

#[derive(Default)]
struct Sink {
    file: Option<File>,
    /// Takes the place of the lines that are being written.
    spare: Vec<u8>,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    dropped: u64,
}

/// An exchange, as the log tells it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestEvent<'a> {
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// `request`.
    pub event: &'static str,
    /// Who asked, by address.
    pub peer: &'a str,
    /// `HTTP/1.1`, and so on.
    pub http: &'static str,
    /// The face: `pox`, `soap`, and so on.
    pub route: &'static str,
    /// The method, if it is one that is answered.
    pub method: &'static str,
    /// Status of the answer.
    pub status: u16,
    /// What became of it, in a word.
    pub outcome: &'static str,
    /// Who logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// About whom it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Cow<'a, str>>,
    /// The POX error code, where the outcome is a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<u32>,
    /// Why, where there is more to say than the client gets.
    #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'a, str>>,
    /// Owners that were left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: usize,
    /// Where the answer came from.
    #[serde(rename = "source", skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    /// Bytes of the answer's body.
    pub bytes: usize,
    /// How long it took.
    #[serde(rename = "duration_us")]
    pub micros: u64,
    /// `User-Agent`.
    #[serde(rename = "user_agent", skip_serializing_if = "Option::is_none")]
    pub agent: Option<Cow<'a, str>>,
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Lines beyond this are dropped, in bytes.
const MOST_PENDING: usize = 4 << 20;
/// How many exchanges are kept.
const RECENT: usize = 200;
/// Between two writes.
const PAUSE: Duration = Duration::from_millis(100);
/// Characters of a text that a client chose.
const MOST_TEXT: usize = 320;
/// What is kept of the memory for lines once they are written.
const SPARE: usize = 1 << 20;

impl Log {
    /// Opens the log.
    pub(crate) fn open(path: Option<PathBuf>, dropped: Counter) -> Result<Self> {
        let log = Self {
            pending: Mutex::default(),
            hurry: Notify::new(),
            path,
            sink: Mutex::default(),
            recent: Mutex::default(),
            dropped,
        };
        log.reopen()?;
        Ok(log)
    }

    /// Opens the file again, as after its rotation.
    pub(crate) fn reopen(&self) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        // It names people; who collects logs belongs to the group.
        let file = private_file::options(0o640)
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("opening the log {}", path.display()))?;
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.file = Some(file);
        Ok(())
    }

    /// Writes a line about a request.
    pub(crate) fn exchange(&self, exchange: &RequestEvent<'_>) {
        let Ok(line) = display::json(exchange) else {
            return;
        };
        self.push(&line);
        let _oldest = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.push_back(line);
            // Freed outside of the lock.
            (recent.len() > RECENT).then(|| recent.pop_front())
        };
    }

    /// Tells of something that happened.
    pub(crate) fn event(&self, event: &str, what: Value) {
        let mut line = json!({ "time": clock::now().to_string(), "event": event });
        if let (Some(line), Value::Object(what)) = (line.as_object_mut(), what) {
            line.extend(what);
        }
        self.push(&display::json(&line).unwrap_or_default());
        self.hurry.notify_one();
    }

    /// The last requests as a JSON array, the newest last.
    pub(crate) fn recent(&self) -> String {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = recent.iter().map(String::as_str).collect();
        format!("[{}]", lines.join(",\n"))
    }

    fn push(&self, line: &str) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.bytes.len() + line.len() > MOST_PENDING {
            pending.dropped += 1;
            self.dropped.inc();
            return;
        }
        pending.bytes.extend_from_slice(line.as_bytes());
        pending.bytes.push(b'\n');
    }

    /// Writes what was gathered, for ever.
    pub(crate) async fn write_on(self: Arc<Self>) {
        loop {
            let _ = tokio::time::timeout(PAUSE, self.hurry.notified()).await;
            let log = Arc::clone(&self);
            // A pipe that is not read stops this task and nothing else.
            let _ = tokio::task::spawn_blocking(move || log.flush()).await;
        }
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&self) {
        // Held while writing, so that two writers keep the order of lines.
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = {
            let mut empty = Pending {
                bytes: std::mem::take(&mut sink.spare),
                dropped: 0,
            };
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *pending, &mut empty);
            empty
        };
        if taken.dropped > 0 {
            let line = json!({ "time": clock::now().to_string(), "event": "log-dropped", "lines": taken.dropped });
            taken.bytes.extend_from_slice(line.to_string().as_bytes());
            taken.bytes.push(b'\n');
        }
        if !taken.bytes.is_empty() {
            // There is nowhere to report that the log cannot be written.
            let _ = match &mut sink.file {
                Some(file) => file.write_all(&taken.bytes),
                None => std::io::stderr().lock().write_all(&taken.bytes),
            };
        }
        taken.bytes.clear();
        taken.bytes.shrink_to(SPARE);
        sink.spare = taken.bytes;
    }
}

/// A text that a client chose, for the log.
pub(crate) fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST_TEXT {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_takes_are_dropped_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::open(Some(path.clone()), Counter::default()).unwrap();
        let text = "x".repeat(1 << 20);
        for _ in 0..10 {
            log.event("note", json!({ "text": text }));
        }
        log.flush();
        let written = std::fs::read_to_string(&path).unwrap();
        let last: Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
        assert_eq!(last["event"], "log-dropped");
        assert_eq!(last["lines"].as_u64(), Some(log.dropped.get()));
        assert_eq!(written.lines().count() as u64 - 1 + log.dropped.get(), 10);
    }

    #[test]
    fn a_line_is_one_line_whatever_a_client_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::open(Some(path.clone()), Counter::default()).unwrap();
        log.exchange(&RequestEvent {
            event: "request",
            agent: Some(bounded("a\r\nb\u{1b}[2J\"")),
            ..RequestEvent::default()
        });
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.contains(r#""user_agent":"a\r\nb\u001b[2J\"""#),
            "{text}"
        );
        assert_eq!(log.recent(), format!("[{}]", text.trim_end()));
    }

    #[test]
    fn the_last_exchanges_are_kept_and_no_more() {
        let log = Log::open(None, Counter::default()).unwrap();
        for micros in 0..1000 {
            log.exchange(&RequestEvent {
                micros,
                ..RequestEvent::default()
            });
        }
        let kept: Vec<Value> = serde_json::from_str(&log.recent()).unwrap();
        assert_eq!(kept.len(), RECENT);
        assert_eq!(kept.last().unwrap()["duration_us"], 999);
    }
}
