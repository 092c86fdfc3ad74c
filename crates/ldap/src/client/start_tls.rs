//! StartTLS: turns a plain stream into one that TLS may be laid upon (RFC 4511 4.14).
//!
//! Invariant: nothing that came in the clear is left over for the time after the handshake.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Limits;
use crate::error::{Error, Operation};
use crate::wire::{Envelope, Frame, Malformed, Request, Response, encode, next_frame, op};

/// RFC 4511 4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// Asks the server to start TLS on a stream that nothing else was sent on.
///
/// On success the handshake comes next, then [`Client::new`](super::Client::new) on the TLS
/// stream. A byte behind the server's answer is [`Error::PeerMisbehaved`]: someone injects plain
/// text into what will be taken for protected.
pub async fn start_tls<S>(stream: &mut S, limits: Limits) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let after = limits.idle;
    timeout(after, exchange(stream, limits))
        .await
        .unwrap_or(Err(Error::TimedOut {
            operation: Operation::StartTls,
            after,
        }))
}

async fn exchange<S>(stream: &mut S, limits: Limits) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    const ID: i32 = 1;
    stream
        .write_all(&encode(ID, &Request::Extended { oid: START_TLS }, &[]))
        .await?;
    stream.flush().await?;
    let mut buffer = BytesMut::with_capacity(1024);
    let message = loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(Error::Closed { notice: None });
        }
        if let Frame::Whole(message) = next_frame(&mut buffer, limits.message_bytes)? {
            break message;
        }
    };
    if !buffer.is_empty() {
        return Err(Error::PeerMisbehaved {
            what: "bytes in the clear behind the StartTLS answer",
        });
    }
    let misbehaved = |Malformed(what)| Error::PeerMisbehaved { what };
    let envelope = Envelope::read(&message).map_err(misbehaved)?;
    match envelope.response().map_err(misbehaved)? {
        Response::Outcome(outcome) if envelope.op == op::EXTENDED_RESPONSE => {
            if envelope.id == 0 {
                return Err(Error::Closed {
                    notice: Some(outcome.message),
                });
            }
            if envelope.id != ID {
                return Err(Error::PeerMisbehaved {
                    what: "an answer to a question not asked",
                });
            }
            outcome.check(Operation::StartTls)
        }
        _ => Err(Error::PeerMisbehaved {
            what: "an answer of the wrong kind",
        }),
    }
}
