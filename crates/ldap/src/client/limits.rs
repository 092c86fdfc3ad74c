//! What a connection takes from its peer.

use std::time::Duration;

/// What a connection takes from its peer.
///
/// There is no limit on nesting, because nothing here recurses over what a peer sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes in one message; 64 MiB unless told otherwise.
    pub message_bytes: usize,
    /// A request fails with [`Error::TimedOut`](crate::error::Error::TimedOut) when no whole message comes for so long; 120 s
    /// unless told otherwise.
    pub idle: Duration,
    /// How many portions of answers wait unread for each operation before reading stops; 4 unless
    /// told otherwise, at least 1. A portion is what one read brought: up to 64 KiB of messages,
    /// or one message that is longer.
    pub queue: usize,
    /// Bytes of values that ranged retrieval may gather for one entry, and that entries waiting
    /// for it may hold together; 256 MiB unless told otherwise.
    pub entry_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            idle: Duration::from_secs(120),
            queue: 4,
            entry_bytes: 256 << 20,
        }
    }
}
