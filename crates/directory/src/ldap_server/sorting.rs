//! The order that a client asks for (RFC 2891, [MS-ADTS] 3.1.1.3.4.1.13).
//!
//! Invariant: what is held to sort by is bounded by
//! [`Limits::sorted_objects`](super::Limits) and [`MAX_BYTES`].

use automend_ldap::server::SortKey;

use crate::object::Object;
use crate::reading::Reading;
use crate::schema::{self, Syntax};

/// Most bytes of values to sort by.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The orders that text has here: caseIgnoreOrderingMatch, and the first of Active Directory's.
const RULES: [&str; 2] = ["2.5.13.3", "1.2.840.113556.1.4.1499"];

/// What a search is to be sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sort {
    pub(super) keys: Vec<SortKey>,
    /// Whether an answer in another order is worse than none.
    pub(super) critical: bool,
}

/// Why a search can't be sorted, as the control of the answer says it (RFC 2891 1.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsorted {
    TooMany = 11,
    NoAttribute = 16,
    Rule = 18,
    Keys = 53,
}

impl Sort {
    /// The one key, if it can be sorted by.
    pub(super) fn key(&self, reading: &Reading) -> Result<&SortKey, Unsorted> {
        // As Active Directory, which sorts by one key alone.
        let [key] = self.keys.as_slice() else {
            return Err(Unsorted::Keys);
        };
        if reading.dictionary.number(&key.attribute).is_none() {
            return Err(Unsorted::NoAttribute);
        }
        match &key.rule {
            Some(rule) if !RULES.contains(&rule.as_str()) => Err(Unsorted::Rule),
            _ => Ok(key),
        }
    }
}

/// The objects that are being sorted.
pub(super) struct Sorting<'a> {
    name: &'a str,
    syntax: Syntax,
    reverse: bool,
    /// Whether the object has no value, the least of its values, and its id.
    rows: Vec<(bool, Vec<u8>, u64)>,
    bytes: usize,
    most: usize,
}

impl<'a> Sorting<'a> {
    pub(super) fn new(key: &'a SortKey, most: usize) -> Self {
        Self {
            name: schema::find(&key.attribute).map_or(&key.attribute, |known| known.name),
            syntax: schema::syntax(&key.attribute),
            reverse: key.reverse,
            rows: Vec::new(),
            bytes: 0,
            most,
        }
    }

    pub(super) fn push(&mut self, object: &Object) -> Result<(), Unsorted> {
        let values = object.values(self.name).iter();
        let least = values.map(|value| ordered(self.syntax, value)).min();
        self.bytes += least.as_ref().map_or(0, Vec::len);
        if self.rows.len() >= self.most || self.bytes > MAX_BYTES {
            return Err(Unsorted::TooMany);
        }
        let row = (least.is_none(), least.unwrap_or_default(), object.id);
        self.rows.push(row);
        Ok(())
    }

    /// The ids in their order; an object without a value counts as the greatest.
    pub(super) fn finish(mut self) -> Vec<u64> {
        self.rows.sort_by(|one, other| {
            let order = (one.0, &one.1).cmp(&(other.0, &other.1));
            if self.reverse { order.reverse() } else { order }
        });
        self.rows.into_iter().map(|(_, _, id)| id).collect()
    }
}

/// A value as bytes that have the order of its syntax.
fn ordered(syntax: Syntax, value: &[u8]) -> Vec<u8> {
    match (syntax, schema::integer(value)) {
        (Syntax::Integer, Some(number)) => {
            // The sign turned over, negative numbers come first.
            (number ^ i64::MIN).to_be_bytes().to_vec()
        }
        _ => schema::normal(syntax, value).into_owned(),
    }
}
