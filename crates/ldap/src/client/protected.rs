//! A stream under a SASL security layer (RFC 4422 3.7): each message is a length of four bytes and what the
//! layer made of a text.
//!
//! Invariant: no byte reaches the reader that the layer has not vouched for; no message longer than its
//! limit is taken; after an error nothing more is read or written.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use zeroize::Zeroizing;

/// What protects messages: the mechanism of the bind.
pub trait SecurityLayer: Send {
    /// The longest text that one message may carry, in bytes; at least 1.
    fn longest_text(&self) -> usize;

    /// The longest protected message that is taken, in bytes.
    fn longest_message(&self) -> usize;

    /// Protects a text.
    ///
    /// # Errors
    ///
    /// What keeps it from being protected.
    fn wrap(&mut self, text: &[u8]) -> io::Result<Vec<u8>>;

    /// The text of the next message.
    ///
    /// # Errors
    ///
    /// Why it is not believed.
    fn unwrap(&mut self, message: &[u8]) -> io::Result<Zeroizing<Vec<u8>>>;
}

/// A stream whose bytes a [`SecurityLayer`] protects.
pub struct Protected<S> {
    stream: S,
    layer: Box<dyn SecurityLayer>,
    /// What came and is no whole message yet.
    received: BytesMut,
    /// The text of a message, and how much of it was read.
    text: Zeroizing<Vec<u8>>,
    read: usize,
    /// What is on its way out.
    sending: BytesMut,
    failed: bool,
}

/// Bytes of a length.
const LENGTH: usize = 4;
/// How much is read at a time, in bytes.
const READ: usize = 64 * 1024;

impl<S> Protected<S> {
    /// Protects a stream, from the next byte on.
    pub fn new(stream: S, layer: Box<dyn SecurityLayer>) -> Self {
        Self {
            stream,
            layer,
            received: BytesMut::new(),
            text: Zeroizing::default(),
            read: 0,
            sending: BytesMut::new(),
            failed: false,
        }
    }

    /// The text of the next message, where all of it is there; else how many bytes are missing.
    fn open(&mut self) -> io::Result<Result<Zeroizing<Vec<u8>>, usize>> {
        let Some(length) = self.received.first_chunk::<LENGTH>() else {
            return Ok(Err(LENGTH.saturating_sub(self.received.len())));
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let most = self.layer.longest_message();
        if length > most {
            let why = format!("a protected message of {length} bytes, at most {most} are taken");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let Some(message) = self.received.get(LENGTH..length.saturating_add(LENGTH)) else {
            let whole = length.saturating_add(LENGTH);
            return Ok(Err(whole.saturating_sub(self.received.len())));
        };
        let text = self.layer.unwrap(message)?;
        self.received.advance(length.saturating_add(LENGTH));
        Ok(Ok(text))
    }

    fn fail<T>(&mut self, error: io::Error) -> Poll<io::Result<T>> {
        self.failed = true;
        Poll::Ready(Err(error))
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    let why = "the protection of the connection has failed";
    Poll::Ready(Err(io::Error::other(why)))
}

impl<S: AsyncRead + Unpin> AsyncRead for Protected<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.failed {
            return over();
        }
        loop {
            let left = this.text.get(this.read..).unwrap_or_default();
            if !left.is_empty() {
                let count = left.len().min(buf.remaining());
                buf.put_slice(left.get(..count).unwrap_or_default());
                this.read = this.read.saturating_add(count);
                return Poll::Ready(Ok(()));
            }
            let missing = match this.open() {
                Ok(Ok(text)) => {
                    (this.text, this.read) = (text, 0);
                    continue;
                }
                Ok(Err(missing)) => missing,
                Err(error) => return this.fail(error),
            };
            // In steps, so that a length alone can't make us take what never comes.
            this.received.reserve(missing.min(READ));
            let more = pin!(this.stream.read_buf(&mut this.received)).poll(cx);
            if ready!(more)? == 0 {
                if this.received.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                return this.fail(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Protected<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sending.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.sending))?;
            if count == 0 {
                return self.fail(io::ErrorKind::WriteZero.into());
            }
            self.sending.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Protected<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        text: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.failed {
            return over();
        }
        ready!(self.poll_send(cx))?;
        let count = text.len().min(self.layer.longest_text());
        let text = text.get(..count).unwrap_or_default();
        if text.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let message = match self.layer.wrap(text) {
            Ok(message) => message,
            Err(error) => return self.fail(error),
        };
        let Ok(length) = u32::try_from(message.len()) else {
            return self.fail(io::ErrorKind::InvalidData.into());
        };
        self.sending.extend_from_slice(&length.to_be_bytes());
        self.sending.extend_from_slice(&message);
        // What the stream does not take now goes with the next write or flush.
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => self.fail(error),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    /// Turns bits around and counts messages.
    #[derive(Default)]
    struct Counted {
        sent: u8,
        received: u8,
    }

    impl SecurityLayer for Counted {
        fn longest_text(&self) -> usize {
            7
        }

        fn longest_message(&self) -> usize {
            20
        }

        fn wrap(&mut self, text: &[u8]) -> io::Result<Vec<u8>> {
            self.sent = self.sent.wrapping_add(1);
            let turned = text.iter().map(|byte| !byte);
            Ok(std::iter::once(self.sent).chain(turned).collect())
        }

        fn unwrap(&mut self, message: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
            self.received = self.received.wrapping_add(1);
            match message.split_first() {
                Some((number, text)) if *number == self.received => {
                    Ok(Zeroizing::new(text.iter().map(|byte| !byte).collect()))
                }
                _ => Err(io::Error::other("not the next message")),
            }
        }
    }

    fn protected<S>(stream: S) -> Protected<S> {
        Protected::new(stream, Box::<Counted>::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_damaged_message_ends_the_stream_for_good() {
        for (bytes, why) in [
            (
                &b"\0\0\0\x15"[..],
                "a protected message of 21 bytes, at most 20",
            ),
            (
                b"\xff\xff\xff\xff",
                "a protected message of 4294967295 bytes",
            ),
            (b"\0\0\0\x02\x02\xff", "not the next message"),
            (b"\0\0\0\0", "not the next message"),
            (b"\0\0\0\x02\x01", "unexpected end of file"),
            (b"\0\0", "unexpected end of file"),
        ] {
            let mut stream = protected(tokio::io::join(bytes, tokio::io::sink()));
            let error = stream.read_u8().await.unwrap_err();
            assert!(error.to_string().contains(why), "{bytes:?}: {error}");
            let error = stream.read_u8().await.unwrap_err();
            assert!(error.to_string().contains("has failed"), "{error}");
            let error = stream.write_all(b"more").await.unwrap_err();
            assert!(error.to_string().contains("has failed"), "{error}");
        }
        let mut ended = protected(&b""[..]);
        assert_eq!(ended.read(&mut [0]).await.unwrap(), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8), room in 1usize..64) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (ours, theirs) = tokio::io::duplex(room);
                let (mut ours, mut theirs) = (protected(ours), protected(theirs));
                let sent = parts.concat();
                let send = async {
                    for part in &parts {
                        ours.write_all(part).await.unwrap();
                        ours.flush().await.unwrap();
                    }
                    ours.shutdown().await.unwrap();
                };
                let mut received = Vec::new();
                let ((), count) = tokio::join!(send, theirs.read_to_end(&mut received));
                count.unwrap();
                assert_eq!(received, sent);
            });
        }
    }
}
