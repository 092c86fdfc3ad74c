//! Bodies: read to the end or to a limit, and unpacked (RFC 9110 8.4, RFC 1950 to 1952).
//!
//! Invariant: neither what is received nor what it unpacks to grows beyond [`MOST_BYTES`].

use std::io::Read;

use automend_core::verdict::Cause;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::Failure;

/// More is no answer of Autodiscover.
pub const MOST_BYTES: usize = 4 << 20;

/// A body as it came.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub bytes: Vec<u8>,
    /// How much came, also where not all of it was kept.
    pub received: usize,
}

impl Raw {
    /// Takes a piece; false when there is enough.
    pub(super) fn take(&mut self, piece: &[u8]) -> bool {
        self.received = self.received.saturating_add(piece.len());
        let room = MOST_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend(piece.iter().take(room));
        piece.len() <= room
    }
}

/// Unpacks a body by its `Content-Encoding`; what could be unpacked stays when the rest cannot.
pub(super) fn unpacked(raw: Vec<u8>, encoding: Option<&str>) -> (Vec<u8>, Option<Failure>) {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => (raw, None),
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(raw.as_slice())),
        // RFC 9110 8.4.1.2 means zlib; some send the bare stream.
        "deflate" => match read(ZlibDecoder::new(raw.as_slice())) {
            (bytes, Some(_)) if bytes.is_empty() => read(DeflateDecoder::new(raw.as_slice())),
            read => read,
        },
        other => {
            let failure = Failure::new(
                Cause::AnswerEncoding,
                format!("it is packed as {other:?}, which was not offered"),
            );
            (raw, Some(failure))
        }
    }
}

fn read(packed: impl Read) -> (Vec<u8>, Option<Failure>) {
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a body that is too large.
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let outcome = packed.take(most.saturating_add(1)).read_to_end(&mut bytes);
    let failure = match outcome {
        Err(error) => Some(Failure::new(Cause::AnswerEncoding, error)),
        Ok(_) if bytes.len() > MOST_BYTES => {
            bytes.truncate(MOST_BYTES);
            Some(Failure::new(
                Cause::AnswerTooLarge,
                format!("it unpacks to more than {MOST_BYTES} bytes"),
            ))
        }
        Ok(_) => None,
    };
    (bytes, failure)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"answer").unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(b"answer").unwrap();
        for (encoding, bytes) in [
            (None, b"answer".to_vec()),
            (Some("identity"), b"answer".to_vec()),
            (Some(" GZIP"), gzip(b"answer")),
            (Some("deflate"), zlib.finish().unwrap()),
            (Some("deflate"), bare.finish().unwrap()),
        ] {
            assert_eq!(
                unpacked(bytes, encoding),
                (b"answer".to_vec(), None),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn what_unpacks_to_more_than_anybody_needs_is_stopped() {
        let bomb = gzip(&vec![0; MOST_BYTES * 8]);
        assert!(bomb.len() < MOST_BYTES / 8);
        let (bytes, failure) = unpacked(bomb, Some("gzip"));
        assert_eq!(bytes.len(), MOST_BYTES);
        assert_eq!(failure.unwrap().cause, Cause::AnswerTooLarge);
    }

    #[test]
    fn what_cannot_be_unpacked_says_so() {
        let half = gzip(b"answer").into_iter().take(12).collect();
        for (encoding, bytes) in [
            ("gzip", half),
            ("gzip", b"no".to_vec()),
            ("br", b"x".to_vec()),
        ] {
            let (_, failure) = unpacked(bytes, Some(encoding));
            assert_eq!(failure.unwrap().cause, Cause::AnswerEncoding, "{encoding}");
        }
    }

    #[test]
    fn a_body_without_end_is_kept_to_the_limit() {
        let mut raw = Raw::default();
        let piece = vec![b'x'; 64 << 10];
        while raw.take(&piece) {}
        assert_eq!(raw.bytes.len(), MOST_BYTES);
        assert!(raw.received > MOST_BYTES);
    }
}
