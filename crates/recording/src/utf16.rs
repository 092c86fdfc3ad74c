//! UTF-16 as a stream of UTF-8: Windows writes logs, and PowerShell any text, in UTF-16.
//!
//! Invariant: one buffer, whatever the stream is; half a character becomes U+FFFD.

use std::io::{self, Read};

/// The order of the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// What the beginning of a text says: a byte order mark, or a zero beside an ASCII character.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, 0, 0, ..] => None,
            [0xff, 0xfe, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(Self::Little),
            [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(Self::Big),
            _ => None,
        }
    }
}

/// A stream of UTF-16 that is read as UTF-8, without its byte order mark.
pub(crate) struct Utf8<R> {
    input: R,
    order: Order,
    /// What has come out and was not taken.
    out: Vec<u8>,
    at: usize,
    /// Half a unit, and the first half of a pair.
    byte: Option<u8>,
    high: Option<u16>,
    begun: bool,
    ended: bool,
}

impl<R: Read> Utf8<R> {
    pub(crate) fn new(input: R, order: Order) -> Self {
        Self {
            input,
            order,
            out: Vec::new(),
            at: 0,
            byte: None,
            high: None,
            begun: false,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        let mut buffer = [0; 8192];
        let count = self.input.read(&mut buffer)?;
        if count == 0 {
            self.ended = true;
            if self.high.take().is_some() | self.byte.take().is_some() {
                self.push(char::REPLACEMENT_CHARACTER);
            }
        }
        for byte in buffer.get(..count).unwrap_or_default() {
            let Some(first) = self.byte.take() else {
                self.byte = Some(*byte);
                continue;
            };
            self.unit(match self.order {
                Order::Little => u16::from_le_bytes([first, *byte]),
                Order::Big => u16::from_be_bytes([first, *byte]),
            });
        }
        Ok(())
    }

    fn unit(&mut self, unit: u16) {
        let mark = !self.begun && unit == 0xfeff;
        self.begun = true;
        if mark {
            return;
        }
        let units = match self.high.take() {
            Some(high) => vec![high, unit],
            None if (0xd800..0xdc00).contains(&unit) => {
                self.high = Some(unit);
                return;
            }
            None => vec![unit],
        };
        for character in char::decode_utf16(units) {
            match character {
                Ok(character) => self.push(character),
                // The first half of a pair after another.
                Err(error)
                    if (0xd800..0xdc00).contains(&error.unpaired_surrogate())
                        && self.high.is_none()
                        && error.unpaired_surrogate() == unit =>
                {
                    self.high = Some(unit);
                }
                Err(_) => self.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    fn push(&mut self, character: char) {
        self.out
            .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.out.len() && !self.ended {
            self.fill()?;
        }
        let mut rest = self.out.get(self.at..).unwrap_or_default();
        let count = rest.read(out)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_comes_out_as_it_was(text in "\\PC{0,40}", big in any::<bool>(), mark in any::<bool>()) {
            let bytes: Vec<u8> = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16())
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
            let order = if big { Order::Big } else { Order::Little };
            let mut read = String::new();
            Utf8::new(bytes.as_slice(), order).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn any_units_are_read_as_the_library_reads_them(units in prop::collection::vec(prop_oneof![any::<u16>(), 0xd800_u16..0xe000], 0..20)) {
            prop_assume!(units.first() != Some(&0xfeff));
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let mut read = String::new();
            Utf8::new(bytes.as_slice(), Order::Little).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
