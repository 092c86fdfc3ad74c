//! A turn on its way through the proxy: bodies are passed on as they come, and kept up to a size.
//!
//! Invariant: what is recorded holds nothing back; a body streams whether it is kept or not. An exchange is reported
//! exactly once, however it ends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use automend_recording::{HttpExchange, MOST_BODY, Message, decode};
use automend_system::clock;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use automend_probe::story::OURS;

/// An exchange that was reported, and the leave to keep it in memory until it is written.
pub(crate) struct Recorded {
    pub exchange: HttpExchange,
    _leave: Option<OwnedSemaphorePermit>,
}

/// An exchange that goes on; the last to hold it tells it.
pub(crate) struct Tap {
    open: Mutex<Open>,
}

struct Open {
    exchange: HttpExchange,
    began: Timestamp,
    /// Whether the response came to its end.
    whole: bool,
    to: mpsc::UnboundedSender<Recorded>,
    leave: Option<OwnedSemaphorePermit>,
}

impl Tap {
    pub(crate) fn new(
        method: &str,
        url: String,
        headers: &HeaderMap,
        to: mpsc::UnboundedSender<Recorded>,
        leave: Option<OwnedSemaphorePermit>,
    ) -> Arc<Self> {
        let began = clock::now();
        let exchange = HttpExchange {
            started: Some(began.to_string()),
            method: method.to_owned(),
            url,
            request: message(headers),
            ..HttpExchange::default()
        };
        Arc::new(Self {
            open: Mutex::new(Open {
                exchange,
                began,
                whole: false,
                to,
                leave,
            }),
        })
    }

    /// Takes note of the head of the response.
    pub(crate) fn answered(&self, status: u16, headers: &HeaderMap) {
        let mut open = self.lock();
        open.exchange.status = status;
        open.exchange.response = message(headers);
    }

    /// Takes note of why there is no response.
    pub(crate) fn failed(&self, cause: automend_core::verdict::Cause, why: &str) {
        let mut open = self.lock();
        open.exchange.failure = Some(format!("{OURS}{cause}: {why}"));
        open.whole = true;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        let leave = open.leave.take();
        let mut exchange = std::mem::take(&mut open.exchange);
        exchange.took =
            u64::try_from((clock::now().as_millisecond() - open.began.as_millisecond()).max(0))
                .ok();
        if !open.whole {
            if exchange.status == 0 {
                exchange.failure = Some("the client did not wait for the answer".to_owned());
            } else {
                exchange.response.cut = true;
            }
        }
        for message in [&mut exchange.request, &mut exchange.response] {
            let codings = message
                .all("content-encoding")
                .collect::<Vec<_>>()
                .join(",");
            let decoded = decode(std::mem::take(&mut message.body), &codings);
            message.body = decoded.body;
            message.cut |= decoded.cut;
        }
        // The scribe has gone only when the program ends.
        let _ = open.to.send(Recorded {
            exchange,
            _leave: leave,
        });
    }
}

fn message(headers: &HeaderMap) -> Message {
    let mut message = Message::default();
    for (name, value) in headers {
        message.push(
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        );
    }
    message
}

/// The direction of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// A body that is passed on, and kept beside.
pub(crate) struct Tapped {
    inner: Incoming,
    /// `None` for what is not recorded.
    tap: Option<(Arc<Tap>, Direction)>,
}

impl Tapped {
    pub(crate) fn new(inner: Incoming, tap: Option<(Arc<Tap>, Direction)>) -> Self {
        let tapped = Self { inner, tap };
        if tapped.inner.is_end_stream() {
            tapped.end();
        }
        tapped
    }

    fn keep(&self, data: &Bytes) {
        let Some((tap, direction)) = &self.tap else {
            return;
        };
        let mut open = tap.lock();
        let message = match direction {
            Direction::Request => &mut open.exchange.request,
            Direction::Response => &mut open.exchange.response,
        };
        let room = MOST_BODY.saturating_sub(message.body.len());
        let kept = data.get(..room).unwrap_or(data);
        message.body.extend_from_slice(kept);
        message.cut |= kept.len() < data.len();
    }

    fn end(&self) {
        if let Some((tap, Direction::Response)) = &self.tap {
            tap.lock().whole = true;
        }
    }
}

impl Body for Tapped {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.keep(data);
                }
                // With a stated length no further frame is polled.
                if self.inner.is_end_stream() {
                    self.end();
                }
            }
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
