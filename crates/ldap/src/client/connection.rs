//! The two tasks behind a [`Client`](super::Client), and what they share.
//!
//! The reading task looks only at a message's length, id and kind; decoding is done by who asked.
//! Invariant: the reading task ends at the first byte that can't be trusted, and then every
//! operation, present or future, learns why.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::limits::Limits;
use crate::control::Control;
use crate::error::{Error, Operation};
use crate::wire::{Envelope, Frame, Malformed, Request, Response, encode, next_frame};

/// How much one read asks for, in bytes.
const READ: usize = 64 << 10;
/// How much one read of a long message takes at most, in bytes.
const STEP: usize = 1 << 20;
/// How many abandoned operations are remembered, so that their late answers are no offence.
const ABANDONED: usize = 4096;
/// How many intermediate responses an operation may have.
const INTERMEDIATE: usize = 10_000;
/// RFC 4511 4.4.1.
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// One connection; dropping it closes the stream.
#[derive(Debug)]
pub(super) struct Connection {
    limits: Limits,
    requests: mpsc::UnboundedSender<Outgoing>,
    shared: Arc<Mutex<Shared>>,
}

/// What goes to the writing task.
#[derive(Debug)]
enum Outgoing {
    Message(Zeroizing<Vec<u8>>),
    /// The last one; the sender is dropped when it has been written.
    Farewell(Zeroizing<Vec<u8>>, oneshot::Sender<()>),
}

/// What the tasks and the handles share.
#[derive(Debug, Default)]
struct Shared {
    last_id: i32,
    pending: HashMap<i32, mpsc::Sender<Vec<Bytes>>>,
    abandoned: BTreeSet<i32>,
    end: Option<End>,
}

/// Why the reading ended.
#[derive(Clone, Debug)]
enum End {
    Closed {
        notice: Option<String>,
    },
    Misbehaved(&'static str),
    Limit {
        what: &'static str,
        max: usize,
        found: usize,
    },
    Io(io::ErrorKind, String),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::PeerMisbehaved { what } => Self::Misbehaved(what),
            Error::Limit { what, max, found } => Self::Limit { what, max, found },
            Error::Io { source } => Self::Io(source.kind(), source.to_string()),
            Error::Closed { notice } => Self::Closed { notice },
            _ => Self::Closed { notice: None },
        }
    }
}

impl From<End> for Error {
    fn from(end: End) -> Self {
        match end {
            End::Closed { notice } => Self::Closed { notice },
            End::Misbehaved(what) => Self::PeerMisbehaved { what },
            End::Limit { what, max, found } => Self::Limit { what, max, found },
            End::Io(kind, text) => Self::Io {
                source: io::Error::new(kind, text),
            },
        }
    }
}

/// A panic elsewhere can't leave the tables half changed: each lock does one thing.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    pub(super) fn start<S>(stream: S, limits: Limits) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (reading, writing) = tokio::io::split(stream);
        let (requests, outgoing) = mpsc::unbounded_channel();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let reader = tokio::spawn(read(reading, limits, Arc::clone(&shared)));
        let closing = Arc::clone(&shared);
        tokio::spawn(async move {
            write(writing, limits, outgoing).await;
            // There is no caller any more, so nothing is to be read.
            reader.abort();
            lock(&closing).close(End::Closed { notice: None });
        });
        Self {
            limits,
            requests,
            shared,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Sends a request that will be answered.
    ///
    /// What waits to be written is not bounded here but by its senders, who wait for answers.
    pub(super) fn send(
        self: &Arc<Self>,
        operation: Operation,
        request: &Request<'_>,
        controls: &[Control],
    ) -> Result<Pending, Error> {
        let (sender, answers) = mpsc::channel(self.limits.queue.max(1));
        let id = {
            let mut shared = lock(&self.shared);
            if let Some(end) = &shared.end {
                return Err(end.clone().into());
            }
            let id = shared.unused_id();
            shared.pending.insert(id, sender);
            id
        };
        let pending = Pending {
            connection: Arc::clone(self),
            operation,
            id,
            answers,
            portion: Vec::new().into_iter(),
            finished: false,
            intermediate: 0,
        };
        if self
            .requests
            .send(Outgoing::Message(encode(id, request, controls)))
            .is_err()
        {
            return Err(self.ending());
        }
        Ok(pending)
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.shared).end.is_some()
    }

    pub(super) async fn unbind(&self) {
        let id = lock(&self.shared).unused_id();
        let (written, done) = oneshot::channel();
        let farewell = encode(id, &Request::Unbind, &[]);
        if self
            .requests
            .send(Outgoing::Farewell(farewell, written))
            .is_ok()
        {
            // Whether it was written or not, the connection is over.
            let _ = timeout(self.limits.idle, done).await;
        }
    }

    /// Why there is no answer.
    fn ending(&self) -> Error {
        lock(&self.shared)
            .end
            .clone()
            .unwrap_or(End::Closed { notice: None })
            .into()
    }
}

impl Shared {
    fn unused_id(&mut self) -> i32 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.pending.contains_key(&self.last_id) && !self.abandoned.contains(&self.last_id)
            {
                return self.last_id;
            }
        }
    }
}

/// An operation under way.
#[derive(Debug)]
pub(super) struct Pending {
    connection: Arc<Connection>,
    operation: Operation,
    id: i32,
    answers: mpsc::Receiver<Vec<Bytes>>,
    portion: std::vec::IntoIter<Bytes>,
    finished: bool,
    intermediate: usize,
}

impl Pending {
    /// The next message of the operation.
    pub(super) async fn message(&mut self) -> Result<Bytes, Error> {
        loop {
            if let Some(message) = self.portion.next() {
                return Ok(message);
            }
            let after = self.connection.limits.idle;
            match timeout(after, self.answers.recv()).await {
                Ok(Some(portion)) => self.portion = portion.into_iter(),
                Ok(None) => return Err(self.connection.ending()),
                Err(_) => {
                    return Err(Error::TimedOut {
                        operation: self.operation,
                        after,
                    });
                }
            }
        }
    }

    /// Opens a message; remembers when it is the operation's last.
    pub(super) fn read<'a>(&mut self, message: &'a [u8]) -> Result<Envelope<'a>, Error> {
        let envelope = Envelope::read(message).map_err(|Malformed(what)| self.misbehaved(what))?;
        self.finished |= envelope.is_last();
        Ok(envelope)
    }

    /// Passes over an intermediate response (RFC 4511 4.13): nothing here asks for one.
    pub(super) fn count_intermediate(&mut self) -> Result<(), Error> {
        self.intermediate = self.intermediate.saturating_add(1);
        if self.intermediate > INTERMEDIATE {
            return Err(self.misbehaved("intermediate responses without end"));
        }
        Ok(())
    }

    /// Ends the connection: a peer that sends this is not to be believed in anything else.
    pub(super) fn misbehaved(&self, what: &'static str) -> Error {
        lock(&self.connection.shared).close(End::Misbehaved(what));
        Error::PeerMisbehaved { what }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut shared = lock(&self.connection.shared);
        // The reading task has removed it when the last answer came, taken or not.
        if shared.pending.remove(&self.id).is_none() || self.finished {
            return;
        }
        if shared.abandoned.len() >= ABANDONED {
            shared.abandoned.pop_first();
        }
        shared.abandoned.insert(self.id);
        let id = shared.unused_id();
        drop(shared);
        let abandon = encode(id, &Request::Abandon { id: self.id }, &[]);
        // When the connection is gone, so is the operation.
        let _ = self.connection.requests.send(Outgoing::Message(abandon));
    }
}

impl Shared {
    /// The first reason counts.
    fn close(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.pending.clear();
    }
}

/// The writing task; it ends when the last handle is gone or has said goodbye.
async fn write<S: AsyncWrite>(
    mut stream: WriteHalf<S>,
    limits: Limits,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    while let Some(next) = outgoing.recv().await {
        let (bytes, farewell) = match next {
            Outgoing::Message(bytes) => (bytes, None),
            Outgoing::Farewell(bytes, written) => (bytes, Some(written)),
        };
        let written = timeout(limits.idle, async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            // The reading task tells why: perhaps the server's last words are still on their way.
            // What follows is not sent, so that a peer that takes nothing can't keep us here.
            while let Some(Outgoing::Message(_)) = outgoing.recv().await {}
            return;
        }
        if farewell.is_some() {
            break;
        }
    }
    // A peer that does not take the goodbye loses the connection without.
    let _ = timeout(limits.idle, stream.shutdown()).await;
}

/// The reading task.
async fn read<S: AsyncRead>(mut stream: ReadHalf<S>, limits: Limits, shared: Arc<Mutex<Shared>>) {
    let end = match read_all(&mut stream, limits, &shared).await {
        Ok(notice) => End::Closed { notice },
        Err(error) => error.into(),
    };
    lock(&shared).close(end);
}

/// Reads until the stream ends; the text of a notice of disconnection, when that ends it.
async fn read_all<S: AsyncRead>(
    stream: &mut ReadHalf<S>,
    limits: Limits,
    shared: &Mutex<Shared>,
) -> Result<Option<String>, Error> {
    let mut buffer = BytesMut::new();
    let mut portion = Portion::default();
    loop {
        let missing = loop {
            let message = match next_frame(&mut buffer, limits.message_bytes)? {
                Frame::Whole(message) => message,
                Frame::Missing(missing) => break missing,
            };
            let envelope = Envelope::read(&message).map_err(misbehaved)?;
            if !envelope.is_response() {
                return Err(Error::PeerMisbehaved {
                    what: "an unknown operation",
                });
            }
            if envelope.id == 0 {
                portion.deliver(shared).await?;
                if let Some(notice) = notice(&envelope)? {
                    return Ok(Some(notice));
                }
                continue;
            }
            if envelope.id != portion.id {
                portion.deliver(shared).await?;
                portion.id = envelope.id;
            }
            portion.ends = envelope.is_last();
            portion.messages.push(message);
            if portion.ends {
                portion.deliver(shared).await?;
            }
        };
        portion.deliver(shared).await?;
        if lock(shared).end.is_some() {
            return Ok(None);
        }
        // Room is made in steps, so that a header alone can't make us allocate what never comes.
        let room = missing.clamp(READ, STEP);
        buffer.reserve(room);
        let mut limited = bytes::BufMut::limit(&mut buffer, room);
        if stream.read_buf(&mut limited).await? == 0 {
            if buffer.is_empty() {
                return Ok(None);
            }
            // A lost connection, not a rude peer: the caller may ask again.
            return Err(Error::Closed {
                notice: Some("inside a message".to_owned()),
            });
        }
    }
}

fn misbehaved(Malformed(what): Malformed) -> Error {
    Error::PeerMisbehaved { what }
}

/// An unsolicited notification (RFC 4511 4.4); only the notice of disconnection has a meaning.
fn notice(envelope: &Envelope<'_>) -> Result<Option<String>, Error> {
    match envelope.response().map_err(misbehaved)? {
        Response::Outcome(outcome) if outcome.name.as_deref() == Some(NOTICE_OF_DISCONNECTION) => {
            let code = outcome.code;
            let text = outcome.message;
            Ok(Some(if text.is_empty() {
                code.to_string()
            } else {
                format!("{code}: {text}")
            }))
        }
        Response::Outcome(_) if envelope.op == crate::wire::op::EXTENDED_RESPONSE => Ok(None),
        _ => Err(Error::PeerMisbehaved {
            what: "an answer to nothing",
        }),
    }
}

/// Messages of one operation that came together.
#[derive(Default)]
struct Portion {
    id: i32,
    ends: bool,
    messages: Vec<Bytes>,
}

impl Portion {
    /// Gives the messages to their operation, waiting until it has room.
    async fn deliver(&mut self, shared: &Mutex<Shared>) -> Result<(), Error> {
        if self.messages.is_empty() {
            return Ok(());
        }
        let messages = std::mem::take(&mut self.messages);
        let sender = {
            let mut shared = lock(shared);
            let sender = if self.ends {
                shared.pending.remove(&self.id)
            } else {
                shared.pending.get(&self.id).cloned()
            };
            if sender.is_none() && shared.end.is_none() {
                let abandoned = if self.ends {
                    shared.abandoned.remove(&self.id)
                } else {
                    shared.abandoned.contains(&self.id)
                };
                if !abandoned {
                    return Err(Error::PeerMisbehaved {
                        what: "an answer to a question not asked",
                    });
                }
            }
            sender
        };
        if let Some(sender) = sender {
            // A receiver that is gone has just abandoned the operation.
            let _ = sender.send(messages).await;
        }
        Ok(())
    }
}
