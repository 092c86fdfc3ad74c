//! The part of DER (X.690) that Kerberos and SPNEGO are written in: definite lengths, tags of one byte.
//!
//! BER's longer forms of a length are read too, as some peers write them.
//!
//! Invariant: reading borrows from the message, goes no deeper than its caller, and never panics.

use crate::Malformed;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const GENERAL_STRING: u8 = 0x1b;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// `[n]`, explicit.
pub(crate) const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// `[APPLICATION n]`.
pub(crate) const fn application(n: u8) -> u8 {
    0x60 | n
}

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let cut = || Malformed("an element is cut off");
        let (tag, rest) = self.0.split_first().ok_or_else(cut)?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed("a tag of more than one byte"));
        }
        let (first, rest) = rest.split_first().ok_or_else(cut)?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return Err(Malformed("a length that is not spoken here"));
            }
            let (digits, rest) = rest.split_at_checked(count).ok_or_else(cut)?;
            let length = digits
                .iter()
                .fold(0u32, |length, digit| (length << 8) | u32::from(*digit));
            let length = usize::try_from(length).map_err(|_| cut())?;
            (length, rest)
        };
        let (value, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok((*tag, value))
    }

    /// The next element, which has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let (found, value) = self.any()?;
        if found == tag {
            Ok(value)
        } else {
            Err(Malformed("another element than there has to be"))
        }
    }

    /// The next element, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() == Some(&tag) {
            self.take(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The elements inside the next one.
    pub(crate) fn enter(&mut self, tag: u8) -> Result<Self, Malformed> {
        self.take(tag).map(Self)
    }

    /// What stands inside `[n]`: one element with this tag.
    pub(crate) fn field(&mut self, n: u8, tag: u8) -> Result<&'a [u8], Malformed> {
        let mut inside = self.enter(context(n))?;
        let value = inside.take(tag)?;
        if inside.is_empty() {
            Ok(value)
        } else {
            Err(Malformed("more in a field than belongs there"))
        }
    }

    /// The same, where it may be missing.
    pub(crate) fn optional_field(&mut self, n: u8, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() == Some(&context(n)) {
            self.field(n, tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A whole number in `[n]`.
    pub(crate) fn number(&mut self, n: u8) -> Result<i64, Malformed> {
        number(self.field(n, INTEGER)?)
    }

    pub(crate) fn optional_number(&mut self, n: u8) -> Result<Option<i64>, Malformed> {
        self.optional_field(n, INTEGER)?.map(number).transpose()
    }
}

/// A whole number of at most eight bytes.
pub(crate) fn number(bytes: &[u8]) -> Result<i64, Malformed> {
    let first = bytes.first().ok_or(Malformed("a number without digits"))?;
    if bytes.len() > 8 {
        return Err(Malformed("a number that is too large"));
    }
    let start = if first & 0x80 == 0 { 0 } else { -1i64 };
    Ok(bytes
        .iter()
        .fold(start, |number, byte| (number << 8) | i64::from(*byte)))
}

/// An element.
pub(crate) fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len().saturating_add(6));
    out.push(tag);
    if let Ok(short @ 0..0x80) = u8::try_from(value.len()) {
        out.push(short);
    } else {
        let digits = value.len().to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        let digits = digits.get(zeros..).unwrap_or_default();
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(value);
    out
}

/// A sequence of elements.
pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// `[n]` around an element.
pub(crate) fn field(n: u8, inside: &[u8]) -> Vec<u8> {
    element(context(n), inside)
}

/// A whole number.
pub(crate) fn integer(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let sign = if number < 0 { 0xff } else { 0 };
    // A leading byte that only repeats the sign is left out.
    let mut from = 0usize;
    while let (Some(first), Some(next)) = (bytes.get(from), bytes.get(from.saturating_add(1))) {
        if *first == sign && (next & 0x80 == 0) == (sign == 0) {
            from = from.saturating_add(1);
        } else {
            break;
        }
    }
    element(INTEGER, bytes.get(from..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_and_short_lengths_come_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 100_000] {
            let value = vec![7; length];
            let bytes = element(OCTETS, &value);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.take(OCTETS), Ok(value.as_slice()));
            assert!(reader.is_empty());
        }
        assert_eq!(element(OCTETS, &[0; 200])[..3], [4, 0x81, 200]);
        assert!(
            Reader::new(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0])
                .any()
                .is_err()
        );
        assert!(Reader::new(&[0x30, 0x80, 0, 0]).any().is_err());
    }

    proptest! {
        #[test]
        fn numbers_come_back(n in any::<i64>()) {
            let bytes = integer(n);
            prop_assert_eq!(number(Reader::new(&bytes).take(INTEGER).unwrap()), Ok(n));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.any().is_ok() {}
        }
    }
}
