//! What a modify does to one attribute (RFC 4511 4.6).
//!
//! Invariant: values are bytes, sent as they are.

use crate::wire::Change;

/// One step of a modify; all steps are done, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Modification {
    /// Adds values; one that is there already is an error.
    Add {
        /// The attribute.
        attribute: String,
        /// What to add, at least one.
        values: Vec<Vec<u8>>,
    },
    /// Removes values, or the attribute when none are named; one that is absent is an error.
    Delete {
        /// The attribute.
        attribute: String,
        /// What to remove.
        values: Vec<Vec<u8>>,
    },
    /// Puts these values in place of all there were; none removes the attribute if it is there.
    Replace {
        /// The attribute.
        attribute: String,
        /// What there shall be.
        values: Vec<Vec<u8>>,
    },
    /// Adds a number to each value, which must be numbers too (RFC 4525).
    Increment {
        /// The attribute.
        attribute: String,
        /// By how much, as text; it may be negative.
        by: Vec<u8>,
    },
}

impl Modification {
    pub(crate) fn parts(&self) -> (Change, &str, &[Vec<u8>]) {
        match self {
            Self::Add { attribute, values } => (Change::Add, attribute, values),
            Self::Delete { attribute, values } => (Change::Delete, attribute, values),
            Self::Replace { attribute, values } => (Change::Replace, attribute, values),
            Self::Increment { attribute, by } => {
                (Change::Increment, attribute, std::slice::from_ref(by))
            }
        }
    }
}
