//! UTF-16 to UTF-8, as `ldifde -u` writes files (RFC 2781).
//!
//! Invariant: a surrogate without its partner, or half a unit at the end, becomes [`UNPAIRED`], a
//! byte that no UTF-8 has, so that it is found where its line is read.

use std::fmt;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_16BE, UTF_16LE};

/// What stands for a unit that is no character.
pub(super) const UNPAIRED: u8 = 0xff;

/// The state between two portions of a stream.
pub(super) struct Utf16 {
    order: &'static Encoding,
    /// None once the stream has ended: a decoder may not be used again.
    decoder: Option<Decoder>,
    /// What was read and is not decoded.
    raw: Vec<u8>,
}

impl fmt::Debug for Utf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Utf16")
            .field("order", &self.order.name())
            .finish_non_exhaustive()
    }
}

impl Utf16 {
    /// `start` is what has been read behind the mark.
    pub(super) fn little_endian(start: &[u8]) -> Self {
        Self::new(UTF_16LE, start)
    }

    pub(super) fn big_endian(start: &[u8]) -> Self {
        Self::new(UTF_16BE, start)
    }

    fn new(order: &'static Encoding, start: &[u8]) -> Self {
        Self {
            order,
            decoder: Some(order.new_decoder_without_bom_handling()),
            raw: start.to_vec(),
        }
    }

    /// Reads `portion` to its end and appends it to `bytes`; returns how many bytes it had.
    pub(super) fn read(
        &mut self,
        portion: &mut impl Read,
        bytes: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let read = portion.read_to_end(&mut self.raw)?;
        self.decode(bytes, false);
        Ok(read)
    }

    /// Ends the stream: what still waits for a partner has none.
    pub(super) fn finish(&mut self, bytes: &mut Vec<u8>) {
        self.decode(bytes, true);
    }

    fn decode(&mut self, bytes: &mut Vec<u8>, last: bool) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        let mut rest = self.raw.as_slice();
        let mut utf8 = [0; 8192];
        loop {
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut utf8, last);
            bytes.extend_from_slice(utf8.get(..written).unwrap_or_default());
            rest = rest.get(read..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => bytes.push(UNPAIRED),
            }
        }
        self.raw.clear();
        if last {
            self.decoder = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(units: &[u16], extra: &[u8]) -> Vec<u8> {
        let raw: Vec<u8> = units
            .iter()
            .flat_map(|u| u.to_be_bytes())
            .chain(extra.iter().copied())
            .collect();
        let mut results = Vec::new();
        for step in 1..=raw.len() {
            let mut utf16 = Utf16::big_endian(&[]);
            let mut bytes = Vec::new();
            for mut portion in raw.chunks(step) {
                utf16.read(&mut portion, &mut bytes).unwrap();
            }
            utf16.finish(&mut bytes);
            results.push(bytes);
        }
        results.dedup();
        assert_eq!(results.len(), 1, "{results:?}");
        results.remove(0)
    }

    #[test]
    fn pairs_survive_every_cut() {
        let text = "a\u{20ac}\u{1f600}z";
        let units: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(check(&units, &[]), text.as_bytes());
    }

    #[test]
    fn a_stream_that_has_ended_ends_again() {
        let mut utf16 = Utf16::little_endian(b"a\0\x3d");
        let mut bytes = Vec::new();
        for _ in 0..2 {
            utf16.read(&mut [].as_slice(), &mut bytes).unwrap();
            utf16.finish(&mut bytes);
        }
        assert_eq!(bytes, b"a\xff");
    }

    #[test]
    fn what_is_unpaired_is_marked() {
        assert_eq!(check(&[0x61, 0xd83d, 0x62], &[]), b"a\xffb");
        assert_eq!(check(&[0x61, 0xdc00, 0x62], &[]), b"a\xffb");
        assert_eq!(check(&[0x61, 0xd83d], &[]), b"a\xff");
        assert_eq!(check(&[0x61, 0xd83d, 0xd83d], &[]), b"a\xff\xff");
        assert_eq!(check(&[0x61], &[0x62]), b"a\xff");
    }
}
