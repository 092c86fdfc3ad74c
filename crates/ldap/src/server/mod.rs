//! The server's half of the codec: requests in, responses out (RFC 4511 4.2 to 4.12).
//!
//! It does no I/O of its own but for reading into an [`Inbox`]; what a request does is its caller's.
//! Public codecs turn filter values into text, and a search for an objectGUID has none; so requests
//! are read here.
//!
//! Invariant: a message longer than [`Bounds::message_bytes`] is refused at its header, before any of
//! it is waited for.

mod request;
mod response;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

pub use crate::wire::{Malformed, Outcome};
pub use request::{
    Credentials, Message, Request, SortKey, read, read_assertion, read_flags, read_paging,
    read_scoped_attribute, read_sort_keys,
};
pub use response::{Kind, entry, extended, notice, reference, result, sort_result};

use crate::error::Error;
use crate::wire::{Frame, next_frame};

/// How much is read at once, in bytes.
const READ: usize = 16 * 1024;

/// Bounds of what is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longest message, in bytes.
    pub message_bytes: usize,
    /// How deep a filter may be.
    pub filter_depth: usize,
    /// How many parts a filter may have in all.
    pub filter_parts: usize,
}

/// What a client sent and was not read yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: BytesMut,
}

impl Inbox {
    /// Takes out the next whole message; `None` as long as a part of it is missing.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where the connection can't go on.
    pub fn message(&mut self, bounds: Bounds) -> Result<Option<Message>, Malformed> {
        match next_frame(&mut self.bytes, bounds.message_bytes) {
            Ok(Frame::Whole(bytes)) => read(&bytes, bounds).map(Some),
            Ok(Frame::Missing(_)) => Ok(None),
            Err(Error::PeerMisbehaved { what }) => Err(Malformed(what)),
            Err(_) => Err(Malformed("a message over the limit of size")),
        }
    }

    /// Whether nothing came that was not taken out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Waits for more bytes; 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// What the stream reports.
    pub async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<usize> {
        // In steps, so that a header alone can't make us take what never comes.
        self.bytes.reserve(READ);
        stream.read_buf(&mut self.bytes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Request as Sent, encode};

    const BOUNDS: Bounds = Bounds {
        message_bytes: 64,
        filter_depth: 8,
        filter_parts: 100,
    };

    #[test]
    fn messages_come_out_one_by_one_and_long_ones_at_their_header_not_at_all() {
        let mut inbox = Inbox::default();
        for id in 1..=2 {
            let bytes = encode(id, &Sent::Unbind, &[]);
            inbox.bytes.extend_from_slice(&bytes);
        }
        inbox.bytes.extend_from_slice(&[0x30, 0x82, 1]);
        for id in 1..=2 {
            assert_eq!(inbox.message(BOUNDS).unwrap().unwrap().id, id);
        }
        assert!(inbox.message(BOUNDS).unwrap().is_none());
        inbox.bytes.extend_from_slice(&[0]);
        let refused = inbox.message(BOUNDS).unwrap_err();
        assert_eq!(refused, Malformed("a message over the limit of size"));
    }
}
