//! The tables of the file, and how their keys are made.
//!
//! | table | key | value |
//! |---|---|---|
//! | head | name | number: format, next id, USN, counts |
//! | names | attribute number | name as first written, for attributes that no schema row has |
//! | objects | id | the record, see `codec` |
//! | children | parent id, normal form of the RDN | id |
//! | guids | objectGUID | id |
//! | values | index number, 64 bits of the value's hash, id | nothing |
//! | links | owner, pair, delegate | nothing |
//! | back_links | delegate, pair, owner | nothing |
//! | owners | pair, owner | nothing |
//! | passwords | id | salted hashes, see `password` |
//!
//! Invariant: `back_links` is the inverse of `links`, `owners` its projection; all three change in
//! one transaction. An object's name is its parent and its RDN, so moving a tree is one write.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadableTable, TableDefinition};

use crate::error::Error;
use crate::schema;

/// How many attributes that the schema doesn't know a directory holds.
pub const MAX_NAMES: u64 = 20_000;

/// Attribute numbers from here on are given in the order names are first written.
const FIRST_NAMED: u32 = 0x1_0000;

pub(crate) const HEAD: TableDefinition<&str, u64> = TableDefinition::new("head");
/// In the head once an NT hash is kept.
pub(crate) const NT_HASHES: &str = "nt_hashes";
pub(crate) const NAMES: TableDefinition<u32, &str> = TableDefinition::new("names");
pub(crate) const OBJECTS: TableDefinition<u64, &[u8]> = TableDefinition::new("objects");
pub(crate) const CHILDREN: TableDefinition<(u64, &[u8]), u64> = TableDefinition::new("children");
pub(crate) const GUIDS: TableDefinition<&[u8; 16], u64> = TableDefinition::new("guids");
pub(crate) const VALUES: TableDefinition<&[u8; 17], ()> = TableDefinition::new("values");
pub(crate) const LINKS: TableDefinition<(u64, u16, u64), ()> = TableDefinition::new("links");
pub(crate) const BACK_LINKS: TableDefinition<(u64, u16, u64), ()> =
    TableDefinition::new("back_links");
pub(crate) const OWNERS: TableDefinition<(u16, u64), ()> = TableDefinition::new("owners");
pub(crate) const PASSWORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("passwords");

/// How much a directory holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Objects that a search can find, tombstones not among them.
    pub objects: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Places in the tree that only exist because something stands below them.
    pub bare: u64,
    /// Links of every pair.
    pub links: u64,
    /// highestCommittedUSN.
    pub usn: u64,
}

/// Attribute numbers and names: the schema's rows, then whatever names were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    pub(crate) names: Vec<Arc<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Dictionary {
    pub(crate) fn load(table: &impl ReadableTable<u32, &'static str>) -> Result<Self, Error> {
        let mut dictionary = Self::default();
        for row in table.iter()? {
            let (number, name) = row?;
            if dictionary.next() != Some(number.value()) {
                return Err(Error::Damaged {
                    what: "attribute numbers have a gap".to_owned(),
                });
            }
            dictionary.push(number.value(), name.value());
        }
        Ok(dictionary)
    }

    /// The name of a number; `None` for a number that was never given.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        if let Some(attribute) = schema::by_row(number) {
            return Some(attribute.name);
        }
        let at = usize::try_from(number.checked_sub(FIRST_NAMED)?).ok()?;
        self.names.get(at).map(AsRef::as_ref)
    }

    /// The number of a name in any case; `None` if it was never written.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        schema::row(name).or_else(|| {
            self.numbers
                .get(name.to_ascii_lowercase().as_str())
                .copied()
        })
    }

    /// The number that the next new name is given.
    pub(crate) fn next(&self) -> Option<u32> {
        FIRST_NAMED.checked_add(u32::try_from(self.names.len()).ok()?)
    }

    pub(crate) fn push(&mut self, number: u32, name: &str) {
        self.names.push(name.into());
        self.numbers
            .insert(name.to_ascii_lowercase().into(), number);
    }
}

/// Follows a normal form from the root; gives the id, or the depth and id of the lowest ancestor.
pub(crate) fn descend(
    children: &impl ReadableTable<(u64, &'static [u8]), u64>,
    path: &[&[u8]],
) -> Result<Result<u64, (usize, u64)>, Error> {
    let mut at = 0;
    for (depth, part) in path.iter().enumerate() {
        match children.get((at, *part))? {
            Some(id) => at = id.value(),
            None => return Ok(Err((depth, at))),
        }
    }
    Ok(Ok(at))
}

/// All links of one pair on one object.
pub(crate) fn span(id: u64, pair: u16) -> std::ops::RangeInclusive<(u64, u16, u64)> {
    (id, pair, 0)..=(id, pair, u64::MAX)
}

/// The key of a value in the value index.
///
/// FNV-1a: it never changes, and a collision only costs a second look at the object.
pub(crate) fn value_key(index: u8, normal: &[u8], id: u64) -> [u8; 17] {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in normal {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut key = [0; 17];
    let parts = std::iter::once(index)
        .chain(hash.to_be_bytes())
        .chain(id.to_be_bytes());
    for (slot, byte) in key.iter_mut().zip(parts) {
        *slot = byte;
    }
    key
}

/// The object id at the end of a key of the value index.
pub(crate) fn value_key_id(key: &[u8; 17]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |id| u64::from_be_bytes(*id))
}
