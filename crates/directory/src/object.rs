//! An object as readers see it: stored attributes, links by name, and what the directory computes.
//!
//! Specification: [MS-ADTS] 3.1.1.4.5 (constructed attributes), 3.1.1.1.6 (links).
//!
//! Invariant: nothing here can be written back as it is; `distinguishedName`, `name`, back links and
//! the `uSN` and `when` attributes belong to the directory.

use automend_core::dn::Dn;

use crate::codec::Record;
use crate::error::Error;
use crate::name::naming_value;
use crate::schema::{self, same_attribute};
use crate::tables::Dictionary;
use crate::time;

/// One object of a snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Object {
    /// Its number in this file; never used again for another object.
    pub id: u64,
    /// Its name at the time of the snapshot.
    pub dn: Dn,
    /// objectGUID, as the directory stores it.
    pub guid: [u8; 16],
    /// Whether it is a tombstone, or the container of tombstones.
    pub deleted: bool,
    /// Names as first written, each once, with their values.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Object {
    /// All values of an attribute, in any case of its name; empty if it has none.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map_or(&[], |(_, values)| values)
    }

    /// The first value of an attribute, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.values(name).first()?).ok()
    }

    /// Whether the attribute has a value that the directory takes as the same as `value`.
    pub fn holds(&self, name: &str, value: &[u8]) -> bool {
        let syntax = schema::syntax(name);
        let normal = schema::normal(syntax, value);
        self.values(name)
            .iter()
            .any(|other| schema::normal(syntax, other) == normal)
    }

    /// The object without its links.
    pub(crate) fn new(
        id: u64,
        dn: Dn,
        record: Record,
        dictionary: &Dictionary,
    ) -> Result<Self, Error> {
        let mut attributes = Vec::with_capacity(record.attributes.len() + 9);
        let mut naming = naming_value(&record.rdn);
        for (number, mut values) in record.attributes {
            let name = dictionary.name(number).ok_or_else(|| Error::Damaged {
                what: format!("object {id} has attribute {number}, which has no name"),
            })?;
            // The value in the name comes first, whatever else was added to its attribute.
            if let Some((_, value)) = naming.take_if(|(kind, _)| same_attribute(kind, name)) {
                values.insert(0, value.into_bytes());
            }
            attributes.push((name.to_owned(), values));
        }
        if let Some((kind, value)) = naming {
            let name = schema::find(&kind).map_or(kind.as_str(), |a| a.name);
            attributes.push((name.to_owned(), vec![value.into_bytes()]));
        }
        let mut put = |name: &str, value: Vec<u8>| attributes.push((name.to_owned(), vec![value]));
        put("distinguishedName", dn.as_str().as_bytes().to_vec());
        put("name", dn.name().into_bytes());
        put("objectGUID", record.guid.to_vec());
        put("uSNCreated", record.usn_created.to_string().into_bytes());
        put("uSNChanged", record.usn_changed.to_string().into_bytes());
        put("whenCreated", time::text(record.when_created).into_bytes());
        put("whenChanged", time::text(record.when_changed).into_bytes());
        if record.deleted || record.hidden {
            put("isDeleted", b"TRUE".to_vec());
        }
        if record.deleted {
            put("isRecycled", b"TRUE".to_vec());
        }
        Ok(Self {
            id,
            dn,
            guid: record.guid,
            deleted: record.deleted || record.hidden,
            attributes,
        })
    }
}
