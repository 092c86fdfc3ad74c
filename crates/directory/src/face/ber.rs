//! BER elements (X.690 8.1, restricted by RFC 4511 5.1 to definite lengths and primitive strings).
//!
//! Public codecs turn filter values into text, and a search for an objectGUID has none; so requests
//! are read here.
//!
//! Invariant: a reader never looks outside the slice it was given, and copies nothing.

/// The universal tags in use.
pub(super) mod tag {
    pub(in crate::face) const BOOLEAN: u8 = 0x01;
    pub(in crate::face) const INTEGER: u8 = 0x02;
    pub(in crate::face) const OCTETS: u8 = 0x04;
    pub(in crate::face) const ENUMERATED: u8 = 0x0a;
    pub(in crate::face) const SEQUENCE: u8 = 0x30;
    pub(in crate::face) const SET: u8 = 0x31;
}

/// Bytes that are not what the grammar wants; the text names the place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Reads one element after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, whatever its tag.
    pub(super) fn element(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        const SHORT: Malformed = Malformed("an element longer than what holds it");
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>().ok_or(SHORT)?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed("a tag of more than one byte"));
        }
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (octets, rest) = rest
                .split_at_checked(usize::from(first & 0x7f))
                .ok_or(SHORT)?;
            if octets.is_empty() || octets.len() > 8 {
                return Err(Malformed("a length that is none"));
            }
            let length = octets
                .iter()
                .fold(0u64, |sum, octet| (sum << 8) | u64::from(*octet));
            (usize::try_from(length).map_err(|_| SHORT)?, rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8, what: &'static str) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed(what)),
        }
    }

    /// The elements inside the next one, which must have this tag.
    pub(super) fn inside(&mut self, tag: u8, what: &'static str) -> Result<Self, Malformed> {
        self.expect(tag, what).map(Reader)
    }

    /// The next element if it has this tag; otherwise nothing is consumed.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        match self.0.first() {
            Some(found) if *found == tag => Ok(Some(self.element()?.1)),
            _ => Ok(None),
        }
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, Malformed> {
        text(self.expect(tag::OCTETS, what)?, what)
    }

    pub(super) fn integer(&mut self, tag: u8, what: &'static str) -> Result<i64, Malformed> {
        let octets = self.expect(tag, what)?;
        let negative = octets.first().ok_or(Malformed(what))? & 0x80 != 0;
        if octets.len() > 8 {
            return Err(Malformed(what));
        }
        let start = if negative { -1i64 } else { 0 };
        Ok(octets
            .iter()
            .fold(start, |value, octet| (value << 8) | i64::from(*octet)))
    }

    pub(super) fn boolean(&mut self, what: &'static str) -> Result<bool, Malformed> {
        Ok(truth(self.expect(tag::BOOLEAN, what)?))
    }
}

/// Whether the content of a boolean is true.
pub(super) fn truth(content: &[u8]) -> bool {
    content.first().is_some_and(|octet| *octet != 0)
}

pub(super) fn text(content: &[u8], what: &'static str) -> Result<String, Malformed> {
    std::str::from_utf8(content)
        .map(str::to_owned)
        .map_err(|_| Malformed(what))
}

/// How long the message that begins `bytes` is, with its header, as soon as the header is there.
pub(super) fn message_length(bytes: &[u8]) -> Result<Option<u64>, Malformed> {
    let (Some(&tag), first) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    if tag != tag::SEQUENCE {
        return Err(Malformed("bytes that begin no LDAP message"));
    }
    let Some(&first) = first else {
        return Ok(None);
    };
    if first < 0x80 {
        return Ok(Some(2 + u64::from(first)));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 7 {
        return Err(Malformed("a length that is none"));
    }
    let Some(octets) = bytes.get(2..2 + count) else {
        return Ok(None);
    };
    let length = octets
        .iter()
        .fold(0u64, |sum, octet| (sum << 8) | u64::from(*octet));
    Ok(Some(length.saturating_add(2 + count as u64)))
}

/// Writes elements behind one another.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn primitive(&mut self, tag: u8, content: &[u8]) {
        self.0.push(tag);
        self.length(content.len());
        self.0.extend_from_slice(content);
    }

    pub(super) fn octets(&mut self, content: &[u8]) {
        self.primitive(tag::OCTETS, content);
    }

    pub(super) fn integer(&mut self, tag: u8, value: i64) {
        let octets = value.to_be_bytes();
        let mut content = octets.as_slice();
        // The first nine bits must not all be alike (X.690 8.3.2).
        while let [first, rest @ ..] = content {
            let alike = match rest.first() {
                Some(second) => {
                    (*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0)
                }
                None => false,
            };
            if !alike {
                break;
            }
            content = rest;
        }
        self.primitive(tag, content);
    }

    /// An element that holds what `write` writes.
    pub(super) fn constructed(&mut self, tag: u8, write: impl FnOnce(&mut Self)) {
        self.0.push(tag);
        let start = self.0.len();
        write(self);
        let mut length = Self::default();
        length.length(self.0.len().saturating_sub(start));
        self.0.splice(start..start, length.0);
    }

    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.0.push(short),
            _ => {
                let octets = length.to_be_bytes();
                let skipped = octets.iter().take_while(|octet| **octet == 0).count();
                let count = octets.len() - skipped;
                self.0.push(0x80 | u8::try_from(count).unwrap_or(8));
                self.0.extend(octets.iter().skip(skipped));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn elements_come_back(value in any::<i64>(), octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut writer = Writer::default();
            writer.constructed(tag::SEQUENCE, |writer| {
                writer.integer(tag::INTEGER, value);
                writer.octets(&octets);
            });
            prop_assert_eq!(message_length(&writer.0), Ok(Some(writer.0.len() as u64)));
            let mut inside = Reader(&writer.0).inside(tag::SEQUENCE, "").unwrap();
            prop_assert_eq!(inside.integer(tag::INTEGER, ""), Ok(value));
            prop_assert_eq!(inside.expect(tag::OCTETS, ""), Ok(octets.as_slice()));
            prop_assert!(inside.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = message_length(&bytes);
            let mut reader = Reader(&bytes);
            while !reader.is_empty() && reader.element().is_ok() {}
        }
    }
}
