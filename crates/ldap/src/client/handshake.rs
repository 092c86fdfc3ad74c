//! What comes before a connection: one request at a time on a stream that nothing else uses, StartTLS
//! (RFC 4511 4.14) and a bind by SASL (RFC 4511 4.2, RFC 4513 5.2).
//!
//! Invariant: nothing that came unprotected is left over for the time after the protection begins.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Limits;
use crate::error::{Error, Operation, ResultCode};
use crate::wire::{Envelope, Frame, Malformed, Outcome, Request, Response, encode, next_frame, op};

/// RFC 4511 4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Challenges that a server may have in one bind; GSSAPI has two.
const MOST_CHALLENGES: i32 = 16;

/// Asks the server to start TLS on a stream that nothing else was sent on.
///
/// On success the handshake comes next, then [`Client::new`](super::Client::new) on the TLS
/// stream.
///
/// # Errors
///
/// A refusal, and [`Error::PeerMisbehaved`] for a byte behind the server's answer: someone injects plain
/// text into what will be taken for protected.
pub async fn start_tls<S>(stream: &mut S, limits: Limits) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = Request::Extended { oid: START_TLS };
    let outcome = exchange(
        stream,
        limits,
        1,
        &request,
        Operation::StartTls,
        op::EXTENDED_RESPONSE,
    )
    .await?;
    outcome.check(Operation::StartTls)
}

/// Binds by a SASL mechanism on a stream that no connection has taken yet.
///
/// `first` is the first message; `answer` makes the answer to each challenge. The server's last message, if it
/// sent one with its success, is the result. A layer that was agreed on comes next, then
/// [`Client::new`](super::Client::new).
///
/// # Errors
///
/// What `answer` returns, a refusal, and [`Error::PeerMisbehaved`] for bytes that the server sent before
/// it was asked and for challenges without end.
pub async fn sasl_bind<S, E>(
    stream: &mut S,
    limits: Limits,
    mechanism: &str,
    first: Vec<u8>,
    mut answer: impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Option<Vec<u8>>, E>
where
    S: AsyncRead + AsyncWrite + Unpin,
    E: From<Error>,
{
    let mut credentials = first;
    for id in 1..=MOST_CHALLENGES {
        let request = Request::SaslBind {
            mechanism,
            credentials: &credentials,
        };
        let outcome = exchange(
            stream,
            limits,
            id,
            &request,
            Operation::Bind,
            op::BIND_RESPONSE,
        )
        .await?;
        if outcome.code != ResultCode::SASL_BIND_IN_PROGRESS {
            let last = outcome.sasl_credentials.clone().map(Vec::from);
            outcome.check(Operation::Bind)?;
            return Ok(last);
        }
        credentials = answer(&outcome.sasl_credentials.unwrap_or_default())?;
    }
    let what = "challenges without end";
    Err(Error::PeerMisbehaved { what }.into())
}

/// Sends one request and takes its answer, which has to be the last byte that came.
async fn exchange<S>(
    stream: &mut S,
    limits: Limits,
    id: i32,
    request: &Request<'_>,
    operation: Operation,
    answer: u8,
) -> Result<Outcome, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let after = limits.idle;
    let exchanged = timeout(after, async {
        stream.write_all(&encode(id, request, &[])).await?;
        stream.flush().await?;
        let mut buffer = BytesMut::with_capacity(1024);
        loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(Error::Closed { notice: None });
            }
            if let Frame::Whole(message) = next_frame(&mut buffer, limits.message_bytes)? {
                break if buffer.is_empty() {
                    Ok(message)
                } else {
                    Err(Error::PeerMisbehaved {
                        what: match operation {
                            Operation::StartTls => "bytes in the clear behind the StartTLS answer",
                            _ => "bytes in the clear behind the answer to the bind",
                        },
                    })
                };
            }
        }
    });
    let message = exchanged
        .await
        .unwrap_or(Err(Error::TimedOut { operation, after }))?;
    let misbehaved = |Malformed(what)| Error::PeerMisbehaved { what };
    let envelope = Envelope::read(&message).map_err(misbehaved)?;
    match envelope.response().map_err(misbehaved)? {
        Response::Outcome(outcome) if envelope.id == 0 => Err(Error::Closed {
            notice: Some(outcome.message),
        }),
        Response::Outcome(outcome) if envelope.answers(answer, &outcome) => {
            if envelope.id == id {
                return Ok(outcome);
            }
            Err(Error::PeerMisbehaved {
                what: "an answer to a question not asked",
            })
        }
        _ => Err(Error::PeerMisbehaved {
            what: "an answer of the wrong kind",
        }),
    }
}
