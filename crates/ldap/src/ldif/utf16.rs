//! UTF-16 to UTF-8, as `ldifde -u` writes files (RFC 2781).
//!
//! Invariant: a surrogate without its partner, or half a unit at the end, becomes [`UNPAIRED`], a
//! byte that no UTF-8 has, so that it is found where its line is read.

use std::io::{self, Read};

/// What stands for a unit that is no character.
pub(super) const UNPAIRED: u8 = 0xff;

/// The state between two portions of a stream.
#[derive(Debug)]
pub(super) struct Utf16 {
    unit: fn([u8; 2]) -> u16,
    raw: Vec<u8>,
    /// A high surrogate at the end of the last portion.
    high: Option<u16>,
}

impl Utf16 {
    /// `start` is what has been read behind the mark.
    pub(super) fn little_endian(start: &[u8]) -> Self {
        Self {
            unit: u16::from_le_bytes,
            raw: start.to_vec(),
            high: None,
        }
    }

    pub(super) fn big_endian(start: &[u8]) -> Self {
        Self {
            unit: u16::from_be_bytes,
            raw: start.to_vec(),
            high: None,
        }
    }

    /// Reads `portion` to its end and appends it to `bytes`; returns how many bytes it had.
    pub(super) fn read(
        &mut self,
        portion: &mut impl Read,
        bytes: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let read = portion.read_to_end(&mut self.raw)?;
        let (pairs, half) = self.raw.as_chunks::<2>();
        let mut units = pairs.iter().map(|pair| (self.unit)(*pair));
        let last = units.next_back();
        // A high surrogate at the very end may find its partner in the next portion.
        if let Some(last) = last {
            let units = self.high.take().into_iter().chain(units);
            if (0xd800..=0xdbff).contains(&last) {
                append(units, bytes);
                self.high = Some(last);
            } else {
                append(units.chain([last]), bytes);
            }
        }
        self.raw = half.to_vec();
        Ok(read)
    }

    /// Ends the stream: what still waits for a partner has none.
    pub(super) fn finish(&mut self, bytes: &mut Vec<u8>) {
        if self.high.take().is_some() {
            bytes.push(UNPAIRED);
        }
        if !self.raw.is_empty() {
            bytes.push(UNPAIRED);
            self.raw.clear();
        }
    }
}

fn append(units: impl Iterator<Item = u16>, bytes: &mut Vec<u8>) {
    let mut utf8 = [0; 4];
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
            }
            Err(_) => bytes.push(UNPAIRED),
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
    fn what_is_unpaired_is_marked() {
        assert_eq!(check(&[0x61, 0xd83d, 0x62], &[]), b"a\xffb");
        assert_eq!(check(&[0x61, 0xdc00, 0x62], &[]), b"a\xffb");
        assert_eq!(check(&[0x61, 0xd83d], &[]), b"a\xff");
        assert_eq!(check(&[0x61, 0xd83d, 0xd83d], &[]), b"a\xff\xff");
        assert_eq!(check(&[0x61], &[0x62]), b"a\xff");
    }
}
