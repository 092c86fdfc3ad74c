//! BER elements (X.690 8.1, restricted by RFC 4511 5.1 to definite lengths and primitive strings).
//!
//! Invariant: a reader never looks outside the slice it was given and never recurses.

use super::tag;

/// Bytes that are not what the grammar wants; the text names the place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed(pub &'static str);

/// Reads one element after another from a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element, without consuming it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag.
    #[inline]
    pub(crate) fn element(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        const SHORT: Malformed = Malformed("an element longer than what holds it");
        let (&[tag, first], rest) = self.rest.split_first_chunk::<2>().ok_or(SHORT)?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed("a tag of more than one byte"));
        }
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (octets, rest) = rest
                .split_at_checked(usize::from(first & 0x7f))
                .ok_or(SHORT)?;
            (length(octets)?, rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok((tag, content))
    }

    /// The next element, which must have this tag.
    #[inline]
    pub(crate) fn expect(&mut self, tag: u8, what: &'static str) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed(what)),
        }
    }

    /// The elements inside the next one, which must have this tag.
    pub(crate) fn inside(&mut self, tag: u8, what: &'static str) -> Result<Self, Malformed> {
        self.expect(tag, what).map(Self::new)
    }

    /// The next element if it has this tag; otherwise nothing is consumed.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.peek() == Some(tag) {
            Ok(Some(self.element()?.1))
        } else {
            Ok(None)
        }
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.expect(tag::OCTET_STRING, what)?).map_err(|_| Malformed(what))
    }

    pub(crate) fn integer(&mut self, tag: u8, what: &'static str) -> Result<i64, Malformed> {
        signed(self.expect(tag, what)?).ok_or(Malformed(what))
    }
}

/// A length in the long form; the indefinite form has no octets.
fn length(octets: &[u8]) -> Result<usize, Malformed> {
    if octets.is_empty() {
        return Err(Malformed("an indefinite length"));
    }
    octets
        .iter()
        .try_fold(0usize, |value, &octet| {
            Some(value.checked_mul(256)? | usize::from(octet))
        })
        .ok_or(Malformed("a length beyond all measure"))
}

/// A two's complement integer of one to eight octets.
fn signed(octets: &[u8]) -> Option<i64> {
    let negative = octets.first()? & 0x80 != 0;
    if octets.len() > 8 {
        return None;
    }
    let start = if negative { -1i64 } else { 0 };
    Some(
        octets
            .iter()
            .fold(start, |value, &octet| (value << 8) | i64::from(octet)),
    )
}

/// Writes elements with the shortest lengths.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn primitive(&mut self, tag: u8, content: &[u8]) {
        self.bytes.push(tag);
        let (octets, used) = length_octets(content.len());
        self.bytes.extend(octets.into_iter().take(used));
        self.bytes.extend_from_slice(content);
    }

    pub(crate) fn octets(&mut self, content: &[u8]) {
        self.primitive(tag::OCTET_STRING, content);
    }

    pub(crate) fn boolean(&mut self, tag: u8, value: bool) {
        self.primitive(tag, &[if value { 0xff } else { 0 }]);
    }

    pub(crate) fn integer(&mut self, tag: u8, value: i64) {
        let octets = value.to_be_bytes();
        let mut content = octets.as_slice();
        // The first nine bits must not all be alike (X.690 8.3.2).
        while let [first, second, ..] = content {
            let repeats =
                (*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0);
            if !repeats {
                break;
            }
            content = content.get(1..).unwrap_or_default();
        }
        self.primitive(tag, content);
    }

    /// An element that holds what `write` writes.
    pub(crate) fn constructed(&mut self, tag: u8, write: impl FnOnce(&mut Self)) {
        self.bytes.push(tag);
        let start = self.bytes.len();
        write(self);
        let (octets, used) = length_octets(self.bytes.len().saturating_sub(start));
        self.bytes
            .splice(start..start, octets.into_iter().take(used));
    }
}

/// The octets of a length, and how many of them count.
fn length_octets(length: usize) -> ([u8; 9], usize) {
    let mut octets = [0; 9];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => {
            octets = [short, 0, 0, 0, 0, 0, 0, 0, 0];
            (octets, 1)
        }
        _ => {
            let bytes = length.to_be_bytes();
            let significant = bytes.iter().skip_while(|&&byte| byte == 0);
            let mut used = 1usize;
            for (slot, &byte) in octets.iter_mut().skip(1).zip(significant) {
                *slot = byte;
                used = used.saturating_add(1);
            }
            if let Some(first) = octets.first_mut() {
                *first = 0x80 | u8::try_from(used.saturating_sub(1)).unwrap_or(0);
            }
            (octets, used)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_shortest_form() {
        for (value, octets) in [
            (0i64, &[0u8][..]),
            (127, &[127]),
            (128, &[0, 128]),
            (-1, &[255]),
            (-129, &[255, 127]),
            (i64::MIN, &[128, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut writer = Writer::default();
            writer.integer(tag::INTEGER, value);
            let bytes = writer.into_bytes();
            assert_eq!(&bytes[2..], octets);
            assert_eq!(Reader::new(&bytes).integer(tag::INTEGER, "n"), Ok(value));
        }
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, header) in [
            (0usize, &[4u8, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (70_000, &[4, 0x83, 1, 0x11, 0x70]),
        ] {
            let mut writer = Writer::default();
            writer.octets(&vec![0; length]);
            let bytes = writer.into_bytes();
            assert!(bytes.starts_with(header));
            assert_eq!(Reader::new(&bytes).element().unwrap().1.len(), length);
            let mut nested = Writer::default();
            nested.constructed(4, |writer| {
                writer.bytes.resize(writer.bytes.len() + length, 0);
            });
            assert_eq!(nested.into_bytes(), bytes);
        }
    }

    #[test]
    fn what_overflows_its_holder_is_refused() {
        for bytes in [
            &[4u8][..],
            &[4, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x84, 255, 255, 255, 255],
            &[0x1f, 0],
        ] {
            assert!(Reader::new(bytes).element().is_err());
        }
        let all = [[4, 0x89].as_slice(), &[255; 9]].concat();
        assert!(Reader::new(&all).element().is_err());
    }
}
