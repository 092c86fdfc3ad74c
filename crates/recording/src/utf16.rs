//! UTF-16 as a stream of UTF-8: Windows writes logs, and PowerShell any text, in UTF-16.
//!
//! Invariant: one buffer, whatever the stream is; half a character becomes U+FFFD.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};

/// Which UTF-16 the beginning of a text says it is in: by a byte order mark, or by a zero beside an ASCII
/// character.
pub(crate) fn order(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        // UTF-32.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// A stream of UTF-16 that is read as UTF-8, without its byte order mark.
pub(crate) struct Utf8<R> {
    input: R,
    decoder: Decoder,
    /// What has come out and was not taken.
    out: String,
    at: usize,
    ended: bool,
}

impl<R: Read> Utf8<R> {
    pub(crate) fn new(input: R, order: &'static Encoding) -> Self {
        Self {
            input,
            decoder: order.new_decoder_with_bom_removal(),
            out: String::new(),
            at: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        let mut buffer = [0; 8192];
        let count = self.input.read(&mut buffer)?;
        let portion = buffer.get(..count).unwrap_or_default();
        self.ended = count == 0;
        // With this room the decoder takes the whole portion.
        let room = self.decoder.max_utf8_buffer_length(count);
        self.out.reserve(room.unwrap_or_default());
        let _ = self
            .decoder
            .decode_to_string(portion, &mut self.out, self.ended);
        Ok(())
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.out.len() && !self.ended {
            self.fill()?;
        }
        let mut rest = self.out.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.read(out)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hands out a few bytes at a time.
    struct Steps<'b>(&'b [u8], usize);

    impl Read for Steps<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let step = self.1.min(out.len());
            self.0.read(&mut out[..step])
        }
    }

    proptest! {
        #[test]
        fn text_comes_out_as_it_was(text in "\\PC{0,40}", big in any::<bool>(), mark in any::<bool>()) {
            let bytes: Vec<u8> = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16())
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
            let order = if big { UTF_16BE } else { UTF_16LE };
            let mut read = String::new();
            Utf8::new(bytes.as_slice(), order).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn any_cut_of_the_stream_comes_out_alike(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0xd8_u8..0xe0], 0..30), step in 1_usize..5) {
            let mut read = String::new();
            Utf8::new(Steps(&bytes, step), UTF_16BE).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, UTF_16BE.decode_with_bom_removal(&bytes).0);
        }

        #[test]
        fn any_units_are_read_as_the_library_reads_them(units in prop::collection::vec(prop_oneof![any::<u16>(), 0xd800_u16..0xe000], 0..20)) {
            prop_assume!(units.first() != Some(&0xfeff));
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let mut read = String::new();
            Utf8::new(bytes.as_slice(), UTF_16LE).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
