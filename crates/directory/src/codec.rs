//! One object as the file holds it: an explicit encoding, so that the file outlives this program's types.
//!
//! Layout of version 1: the version byte, a flag byte, the parent's id, the RDN, 16 bytes objectGUID,
//! uSNCreated, uSNChanged, whenCreated, whenChanged, the number of attributes; then for each attribute
//! its number, its number of values, and the values. Numbers are LEB128, texts and values are
//! preceded by their length.
//!
//! Invariant: decoding never panics and never takes more memory than the bytes it is given;
//! `decode(encode(r)) == r`.

use crate::error::Error;

/// The layout that [`Record::encode`] writes.
const VERSION: u8 = 1;

const BARE: u8 = 1;
const DELETED: u8 = 2;
const HIDDEN: u8 = 4;

/// An object without its links, its name above the RDN, and what is computed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Record {
    /// Only a place in the tree: the parent of an object whose parents were never added.
    pub bare: bool,
    /// A tombstone.
    pub deleted: bool,
    /// No tombstone, but shown only with them: the container of deleted objects.
    pub hidden: bool,
    pub parent: u64,
    pub rdn: String,
    pub guid: [u8; 16],
    pub usn_created: u64,
    pub usn_changed: u64,
    pub when_created: u64,
    pub when_changed: u64,
    /// Attribute number and values, in the order of first writing.
    pub attributes: Vec<(u32, Vec<Vec<u8>>)>,
}

/// The part of a record that names are built from.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub flags: Flags,
    pub parent: u64,
    pub rdn: &'a str,
}

/// What kind of object a record is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Whether this object was never added.
    pub(crate) fn bare(self) -> bool {
        self.0 & BARE != 0
    }

    /// Whether only a search that asks for deleted objects shows it.
    pub(crate) fn unseen(self) -> bool {
        self.0 & (DELETED | HIDDEN) != 0
    }

    /// Whether it is a tombstone.
    pub(crate) fn deleted(self) -> bool {
        self.0 & DELETED != 0
    }
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.push(VERSION);
        out.push(flag(self.bare, BARE) | flag(self.deleted, DELETED) | flag(self.hidden, HIDDEN));
        put_number(&mut out, self.parent);
        put_bytes(&mut out, self.rdn.as_bytes());
        out.extend_from_slice(&self.guid);
        for number in [
            self.usn_created,
            self.usn_changed,
            self.when_created,
            self.when_changed,
        ] {
            put_number(&mut out, number);
        }
        put_number(&mut out, self.attributes.len() as u64);
        for (number, values) in &self.attributes {
            put_number(&mut out, u64::from(*number));
            put_number(&mut out, values.len() as u64);
            for value in values {
                put_bytes(&mut out, value);
            }
        }
        out
    }

    pub(crate) fn decode(id: u64, bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).ok_or_else(|| damaged(id))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = Cursor(bytes);
        let (flags, parent, rdn, guid) = head(&mut at)?;
        let mut record = Self {
            bare: flags.bare(),
            deleted: flags.deleted(),
            hidden: flags.0 & HIDDEN != 0,
            parent,
            rdn: rdn.to_owned(),
            guid,
            usn_created: at.number()?,
            usn_changed: at.number()?,
            when_created: at.number()?,
            when_changed: at.number()?,
            attributes: Vec::new(),
        };
        let count = at.number()?;
        for _ in 0..count {
            let number = u32::try_from(at.number()?).ok()?;
            let count = at.number()?;
            let mut values = Vec::with_capacity(usize::try_from(count).ok()?.min(256));
            for _ in 0..count {
                values.push(at.bytes()?.to_vec());
            }
            record.attributes.push((number, values));
        }
        at.0.is_empty().then_some(record)
    }
}

impl<'a> Head<'a> {
    pub(crate) fn decode(id: u64, bytes: &'a [u8]) -> Result<Self, Error> {
        let (flags, parent, rdn, _) = head(&mut Cursor(bytes)).ok_or_else(|| damaged(id))?;
        Ok(Self { flags, parent, rdn })
    }
}

fn damaged(id: u64) -> Error {
    Error::Damaged {
        what: format!("object {id} cannot be decoded"),
    }
}

fn head<'a>(at: &mut Cursor<'a>) -> Option<(Flags, u64, &'a str, [u8; 16])> {
    if at.byte()? != VERSION {
        return None;
    }
    let flags = Flags(at.byte()?);
    let parent = at.number()?;
    let rdn = std::str::from_utf8(at.bytes()?).ok()?;
    let guid = at.take(16)?.try_into().ok()?;
    Some((flags, parent, rdn, guid))
}

/// Appends a LEB128 number.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Appends bytes after their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The bytes that are still to be read.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn record()(
            (bare, deleted, hidden) in any::<(bool, bool, bool)>(),
            (parent, usn_created, usn_changed) in any::<(u64, u64, u64)>(),
            (when_created, when_changed) in any::<(u64, u64)>(),
            rdn in ".{0,20}",
            guid in any::<[u8; 16]>(),
            attributes in prop::collection::vec(
                (any::<u32>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)),
                0..6,
            ),
        ) -> Record {
            Record {
                bare, deleted, hidden, parent, rdn, guid, usn_created, usn_changed, when_created,
                when_changed, attributes,
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back(record in record()) {
            let bytes = record.encode();
            let head = Head::decode(1, &bytes).unwrap();
            prop_assert_eq!(head.rdn, &record.rdn);
            prop_assert_eq!(Record::decode(1, &bytes).unwrap(), record);
        }

        #[test]
        fn a_damaged_record_is_an_error_that_names_the_object(
            record in record(), cut in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = record.encode();
            let at = cut.index(bytes.len());
            prop_assert!(Record::decode(7, &bytes[..at]).unwrap_err().to_string().contains("object 7"));
            bytes[at] = byte;
            let _ = Record::decode(7, &bytes);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Record::decode(1, &bytes);
        }
    }
}
