//! A TCP stream as a server needs it: one that a client can neither hold open by not reading nor close
//! before it has read.
//!
//! A write that makes no progress for the time allowed fails, so a client that never reads costs a
//! connection for that long and no longer. Closing is done in two steps (RFC 9112 9.6): first our side,
//! then what the client still sends is read and dropped for a moment, so that the last answer is not
//! destroyed by a reset.
//!
//! Invariant: whatever the peer does, a write and a shutdown end in bounded time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How long a closed connection is still read from.
const LINGER: Duration = Duration::from_secs(2);
/// How much is then read and dropped.
const LINGER_BYTES: usize = 4 << 20;

/// The stream.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// How long a write may make no progress.
    patience: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
}

/// Our side is closed; theirs is read until it is, too.
#[derive(Debug)]
struct Closing {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl Socket {
    /// Takes an accepted connection; a write may wait for `patience`.
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stalled: None,
            closing: None,
        }
    }

    /// The first byte that the client sends, left where it is; `None` when it sends none.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let read = self.stream.peek(&mut first).await?;
        Ok(first.first().copied().filter(|_| read > 0))
    }

    /// Watches over a write that may wait for the client.
    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), cx) {
            self.stalled = None;
            return Poll::Ready(done);
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        )))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watched(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watched(cx, |stream, cx| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let closing = this.closing.get_or_insert_with(|| Closing {
            until: Box::pin(tokio::time::sleep_until(Instant::now() + LINGER)),
            left: LINGER_BYTES,
        });
        let mut dropped = [0; 4096];
        while closing.left > 0 {
            let mut buffer = ReadBuf::new(&mut dropped);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    closing.left = closing.left.saturating_sub(buffer.filled().len());
                }
                // The client is gone, one way or the other.
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(closing.until.as_mut().poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair(patience: Duration) -> (Socket, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Socket::new(stream, patience), client)
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_given_up() {
        let (mut socket, _client) = pair(Duration::from_millis(50)).await;
        let bytes = vec![0; 1 << 16];
        let error = loop {
            if let Err(error) = socket.write_all(&bytes).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_last_answer_arrives_though_the_client_still_sends() {
        let (mut socket, mut client) = pair(Duration::from_secs(5)).await;
        let more = vec![b'x'; 100_000];
        client.write_all(&more).await.unwrap();
        socket.write_all(b"no more").await.unwrap();
        let closed = tokio::spawn(async move { socket.shutdown().await });
        client.write_all(&more).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "no more");
        drop(client);
        closed.await.unwrap().unwrap();
    }
}
