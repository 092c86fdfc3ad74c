//! Lists of access entries and what one entry says ([MS-DTYP] 2.4.4 and 2.4.5).
//!
//! Invariant: an entry of an unknown type is passed over as a whole, by its size.

use std::ops::Range;

use super::bytes::{double_word, of_size, word};

/// The bytes of a list in front of its entries.
pub(super) const HEADER: usize = 8;

/// For children only.
const INHERIT_ONLY: u8 = 0x08;
/// Came from above.
const INHERITED: u8 = 0x10;
/// Also for what is inside; Exchange's own entries have it.
const CONTAINER_INHERIT: u8 = 0x02;

/// Why a descriptor cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("security descriptor, byte {at}: {what}")]
pub struct Unreadable {
    /// The place.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// An entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccessEntry<'a> {
    bytes: &'a [u8],
}

/// What an entry allows or denies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule<'a> {
    /// Whether it allows; else it denies.
    pub allows: bool,
    /// Whether a condition must hold.
    pub conditional: bool,
    /// Whether it is for children only.
    pub inherit_only: bool,
    /// The rights.
    pub mask: u32,
    /// The one attribute, set of attributes or class it is about.
    pub object: Option<&'a [u8]>,
    /// The account or group, as [`crate::names::Sid::as_bytes`].
    pub sid: &'a [u8],
}

impl Rule<'_> {
    /// Whether it holds without a condition and for the whole object.
    pub fn is_plain(&self) -> bool {
        !self.conditional && self.object.is_none()
    }
}

impl<'a> AccessEntry<'a> {
    /// The whole entry.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entry's type.
    pub fn kind(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    fn flags(&self) -> u8 {
        self.bytes.get(1).copied().unwrap_or_default()
    }

    /// Whether it came from above.
    pub fn is_inherited(&self) -> bool {
        self.flags() & INHERITED != 0
    }

    /// Whether it is `ACCESS_ALLOWED_ACE`, without a condition or an object.
    pub(super) fn is_simple_allow(&self) -> bool {
        self.kind() == 0
    }

    /// What it allows or denies; other types do neither, as far as is known here.
    pub fn rule(&self) -> Option<Rule<'a>> {
        let (allows, object, conditional) = match self.kind() {
            0 => (true, false, false),
            1 => (false, false, false),
            5 => (true, true, false),
            6 => (false, true, false),
            9 => (true, false, true),
            10 => (false, false, true),
            11 => (true, true, true),
            12 => (false, true, true),
            _ => return None,
        };
        let mut rest = self.bytes.get(8..)?;
        let mut about = None;
        if object {
            let parts = double_word(rest, 0);
            rest = rest.get(4..)?;
            if parts & 1 != 0 {
                (about, rest) = rest.split_at_checked(16).map(|(a, b)| (Some(a), b))?;
            }
            if parts & 2 != 0 {
                rest = rest.get(16..)?;
            }
        }
        Some(Rule {
            allows,
            conditional,
            inherit_only: self.flags() & INHERIT_ONLY != 0,
            mask: double_word(self.bytes, 4),
            object: about,
            sid: sid_in_front(rest)?,
        })
    }

    /// Whether an entry of this type must have a rule.
    fn is_known(&self) -> bool {
        matches!(self.kind(), 0 | 1 | 5 | 6 | 9..=12)
    }
}

/// The entries of a list, with their places.
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    left: u16,
}

impl<'a> Entries<'a> {
    /// Of the list at a place, or none.
    pub(super) fn of(bytes: &'a [u8], list: Option<&Range<usize>>) -> Self {
        let list = list.cloned().unwrap_or(0..0);
        Self {
            left: bytes.get(list.clone()).map_or(0, |list| word(list, 4)),
            bytes,
            at: list.start + HEADER,
            end: list.end,
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Range<usize>, AccessEntry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let rest = self.bytes.get(self.at..self.end)?;
        let length = usize::from(word(rest, 2));
        let bytes = rest.get(..length).filter(|entry| entry.len() >= 4)?;
        let place = self.at..self.at + length;
        self.at = place.end;
        Some((place, AccessEntry { bytes }))
    }
}

/// Where a list is, after looking at every entry.
pub(super) fn list(bytes: &[u8], at: usize) -> Result<Range<usize>, Unreadable> {
    let refuse = |at, what| Unreadable { at, what };
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() < HEADER {
        return Err(refuse(at, "the header of a list is cut off"));
    }
    if !matches!(rest.first(), Some(2..=4)) {
        return Err(refuse(at, "the revision of a list is not 2, 3 or 4"));
    }
    let length = usize::from(word(rest, 2));
    if !(HEADER..=rest.len()).contains(&length) {
        return Err(refuse(at + 2, "a list of a wrong size"));
    }
    let place = at..at + length;
    let mut next = at + HEADER;
    let mut count = 0;
    for (place, entry) in Entries::of(bytes, Some(&place)) {
        if entry.is_known() && entry.rule().is_none() {
            return Err(refuse(place.start, "an entry without a whole identifier"));
        }
        count += 1;
        next = place.end;
    }
    if count != word(rest, 4) {
        return Err(refuse(next, "an entry is cut off or has a wrong size"));
    }
    Ok(place)
}

/// The identifier that bytes begin with ([MS-DTYP] 2.4.2.2).
pub(super) fn sid_in_front(bytes: &[u8]) -> Option<&[u8]> {
    let &[revision, count] = bytes.first_chunk()?;
    (revision == 1 && count <= 15)
        .then(|| bytes.get(..8 + 4 * usize::from(count)))
        .flatten()
}

/// An entry that allows an account something.
pub(super) fn allow(mask: u32, sid: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, CONTAINER_INHERIT];
    bytes.extend(of_size(8 + sid.len()));
    bytes.extend(mask.to_le_bytes());
    bytes.extend(sid);
    bytes
}
