//! What an import says: how far it is, what it did, and what was odd in the file.
//!
//! Invariant: a report is bounded; beyond [`MAX_NOTES`] what is odd is only counted.

use crate::error::Refusal;
use crate::error::Unusable;

/// How many notes a report lists; the others are only counted.
pub const MAX_NOTES: usize = 1000;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Bytes of the file that have been read.
    pub bytes: u64,
    /// Records of the file that have been dealt with.
    pub records: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Objects added.
    pub added: u64,
    /// Objects modified, renamed or deleted.
    pub changed: u64,
    /// Links set by content records.
    pub links: u64,
    /// Bare places made for parents that aren't in the file.
    pub bare: u64,
    /// Notes of every kind; [`Report::notes`] holds the first [`MAX_NOTES`].
    pub noted: u64,
    /// What was odd, by line.
    pub notes: Vec<Note>,
}

/// Something odd in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The number of the line, counted from 1.
    pub line: u64,
    /// What it is.
    pub trouble: Trouble,
}

/// What can be odd in a file without ending its import.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A forward link to an object that is nowhere; a controller would refuse it with code 19.
    #[error("{attribute} names '{value}', which does not exist")]
    Dangling {
        /// The forward link.
        attribute: &'static str,
        /// The value.
        value: String,
    },
    /// A back link whose owner isn't there, or has no such forward link.
    #[error("{attribute}: back link to '{value}' has no forward link")]
    NoForwardLink {
        /// The back link.
        attribute: &'static str,
        /// The owner it names.
        value: String,
    },
    /// A ranged value list whose end isn't in the file.
    #[error("the values of {attribute} were cut off by the server that wrote them")]
    CutOff {
        /// The attribute.
        attribute: String,
    },
    /// More than one value where the schema allows one; all are kept.
    #[error("{attribute} has more than one value")]
    SingleValued {
        /// The attribute.
        attribute: String,
    },
    /// A value that is there twice; one is kept.
    #[error("{attribute} has a value twice")]
    Twice {
        /// The attribute.
        attribute: String,
    },
    /// A value that could not be read: of what the directory keeps itself, or of a link, which is kept
    /// as one that cannot be read.
    #[error("{attribute} has a value that is none")]
    BadValue {
        /// The attribute.
        attribute: String,
    },
    /// A password that was not kept.
    #[error("{attribute} is not kept: {why}")]
    Password {
        /// The attribute.
        attribute: String,
        /// Why not.
        why: Unusable,
    },
    /// A line that could not be read.
    #[error("{what}")]
    Unreadable {
        /// What the reader says.
        what: &'static str,
    },
    /// A file without a line end behind its last line.
    #[error(
        "the file ends within this record: it may have been cut off, so attributes that the object does not have are undecided"
    )]
    CutFile,
    /// A record that was refused and passed over.
    #[error("passed over: {why}")]
    PassedOver {
        /// The refusal.
        why: Refusal,
    },
}
