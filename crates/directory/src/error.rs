//! What the directory answers when it doesn't do what was asked, sorted by blame.
//!
//! Codes: RFC 4511 4.1.9 and appendix A. Texts: those of an Active Directory controller as far as
//! they were observed, because people search for them and scripts match them.
//!
//! Invariant: a [`Refusal`] changed nothing; every other [`Error`] is about the file, not the request.

use std::path::PathBuf;

use automend_core::dn::Dn;

use crate::guid::guid_text;

/// Why the directory could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request breaks a rule of the directory; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A look-up by value of an attribute that has no index; walk the tree instead.
    #[error("attribute '{attribute}' has no index")]
    NotIndexed {
        /// The attribute.
        attribute: String,
    },
    /// A bound that protects the machine was met.
    #[error("{what}: {found} is more than {max}")]
    Limit {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        max: u64,
        /// What was asked or found.
        found: u64,
    },
    /// No directory file in this folder.
    #[error("no directory in {}", folder.display())]
    Absent {
        /// The folder that was looked in.
        folder: PathBuf,
    },
    /// [`crate::Directory::create`] found a directory file already there.
    #[error("there is already a directory in {}", folder.display())]
    Present {
        /// The folder that was looked in.
        folder: PathBuf,
    },
    /// Another process has the file open.
    #[error("the directory in {} is open in another process", folder.display())]
    Locked {
        /// The folder of the file.
        folder: PathBuf,
    },
    /// A newer version of this program wrote the file.
    #[error("the directory has format {found}; this program reads format {known}")]
    Newer {
        /// Format number in the file.
        found: u64,
        /// The format number this program reads.
        known: u64,
    },
    /// An older version of this program wrote the file.
    #[error(
        "the directory has format {found}, made by an older version; this program reads format {known}: import the LDIF again"
    )]
    Older {
        /// Format number in the file.
        found: u64,
        /// The format number this program reads.
        known: u64,
    },
    /// The file holds what this program never writes.
    #[error("the directory file is damaged: {what}")]
    Damaged {
        /// Which part, and the object it belongs to.
        what: String,
    },
    /// The storage engine failed.
    #[error("the directory file cannot be read or written")]
    Store(#[source] Box<redb::Error>),
    /// A record of an import, when the import is all or nothing.
    #[error("line {line}")]
    Record {
        /// The number of the line with the record's name, counted from 1.
        line: u64,
        /// Why it was refused.
        #[source]
        source: Box<Error>,
    },
    /// A line of an import that can't be read, when the import is all or nothing.
    #[error(transparent)]
    Unreadable(#[from] automend_ldap::ldif::Defect),
    /// A file beside the directory, or the stream being imported, failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A rule of Active Directory that a request breaks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No object has this name.
    #[error(
        "0000208D: NameErr: problem 2001 (NO_OBJECT), data 0, '{name}', best match of: '{matched}'"
    )]
    NoObject {
        /// The name as it was asked for.
        name: String,
        /// The lowest object above it that exists; empty if none does.
        matched: String,
    },
    /// The object above the new name doesn't exist.
    #[error("0000208D: UpdErr: cannot add '{dn}', its parent does not exist")]
    NoParent {
        /// The name that was to be.
        dn: Dn,
    },
    /// The name is taken.
    #[error("00002071: UpdErr: problem 6005 (ENTRY_EXISTS), '{dn}' already exists")]
    ObjectExists {
        /// The name that was to be.
        dn: Dn,
    },
    /// Another object has this objectGUID.
    #[error(
        "00002071: UpdErr: problem 6005 (ENTRY_EXISTS), an object with GUID {} already exists",
        guid_text(guid)
    )]
    GuidExists {
        /// The objectGUID as the directory stores it.
        guid: [u8; 16],
    },
    /// A password in a form that can't be kept.
    #[error("0000052D: '{attribute}' on entry '{dn}': {why}")]
    Password {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
        /// What is wrong with the value.
        why: Unusable,
    },
    /// Back links are computed; they cannot be written.
    #[error(
        "00002035: objectclass_attrs: attribute '{attribute}' on entry '{dn}' must not be modified directly, it is a linked attribute"
    )]
    BackLink {
        /// The back link.
        attribute: String,
        /// The object it was to be written on.
        dn: Dn,
    },
    /// The directory itself keeps this attribute.
    #[error(
        "0000209A: attribute '{attribute}' on entry '{dn}' is kept by the directory and cannot be written"
    )]
    SystemOnly {
        /// The attribute.
        attribute: String,
        /// The object it was to be written on.
        dn: Dn,
    },
    /// A link value that is there already.
    #[error(
        "Attribute {attribute} already exists for target GUID {}",
        guid_text(delegate)
    )]
    LinkExists {
        /// The forward link.
        attribute: String,
        /// objectGUID of the object it points to.
        delegate: [u8; 16],
    },
    /// A link value that isn't there.
    #[error(
        "Attribute {attribute} doesn't exist for target GUID {}",
        guid_text(delegate)
    )]
    LinkAbsent {
        /// The forward link.
        attribute: String,
        /// objectGUID of the object it does not point to.
        delegate: [u8; 16],
    },
    /// A link to an object that isn't there.
    #[error("000020B5: Referenced object not found: attribute '{attribute}', value '{value}'")]
    ReferenceNotFound {
        /// The forward link.
        attribute: String,
        /// The value as it was given.
        value: String,
    },
    /// A delete of an attribute that the object doesn't have.
    #[error("attribute '{attribute}': no such attribute for delete on '{dn}'")]
    AttributeAbsent {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
    /// A delete of a value that the attribute doesn't have.
    #[error(
        "attribute '{attribute}': no matching attribute value while deleting attribute on '{dn}'"
    )]
    ValueAbsent {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
    /// An add of a value that is there already, or the same value twice.
    #[error("attribute '{attribute}': value already exists on '{dn}'")]
    ValueExists {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
    /// More than one value for an attribute that has one.
    #[error("00002081: SINGLE-VALUE attribute '{attribute}' on '{dn}' specified more than once")]
    SingleValued {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
    /// A value that doesn't fit the attribute's syntax.
    #[error("attribute '{attribute}' on '{dn}' contains at least one invalid value")]
    BadValue {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
    /// A change that asks for what is not understood, and not to be done without.
    #[error("the change wants the control {oid} to be honoured, which an import cannot do")]
    CriticalControl {
        /// The control.
        oid: String,
    },
    /// A new object without objectClass.
    #[error("00002014: cannot add '{dn}', it has no objectClass")]
    NoClass {
        /// The name that was to be.
        dn: Dn,
    },
    /// A write to the attribute that names the object; only a rename changes it.
    #[error("00002016: attribute '{attribute}' names '{dn}', rename it instead")]
    NamingAttribute {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
    /// A rename that keeps the old RDN as a value.
    #[error("Old RDN must be deleted")]
    OldRdnKept,
    /// A move of an object below itself.
    #[error("00002085: cannot move '{dn}' below itself")]
    BelowItself {
        /// The object.
        dn: Dn,
    },
    /// A delete of an object that has others below it.
    #[error(
        "00002015: subtree_delete: Unable to delete a non-leaf node (it has {children} children)!"
    )]
    HasChildren {
        /// How many stand right below it.
        children: u64,
    },
    /// A write to a tombstone.
    #[error("0000200A: '{dn}' is a deleted object")]
    Deleted {
        /// The tombstone.
        dn: Dn,
    },
    /// A name that is longer than any real one, and too long to put others below it.
    #[error("a name of {found} bytes is longer than {max}")]
    NameTooLong {
        /// The bound, in bytes.
        max: usize,
        /// The length of the whole name, in bytes.
        found: usize,
    },
    /// A text that is no distinguished name where one is needed.
    #[error("'{text}' is no distinguished name")]
    BadName {
        /// The text.
        text: String,
    },
    /// A write with nothing in it, or an add of an attribute without a value.
    #[error("attribute '{attribute}' on '{dn}' specified with 0 values")]
    NoValues {
        /// The attribute.
        attribute: String,
        /// The object.
        dn: Dn,
    },
}

impl Refusal {
    /// The result code (RFC 4511 appendix A).
    pub fn code(&self) -> u8 {
        match self {
            Self::LinkAbsent { .. } | Self::AttributeAbsent { .. } | Self::ValueAbsent { .. } => 16,
            Self::ReferenceNotFound { .. }
            | Self::SingleValued { .. }
            | Self::SystemOnly { .. }
            | Self::Password { .. }
            | Self::NoValues { .. } => 19,
            Self::LinkExists { .. } | Self::ValueExists { .. } => 20,
            Self::BadValue { .. } => 21,
            Self::CriticalControl { .. } => 12,
            Self::NoObject { .. } | Self::NoParent { .. } => 32,
            Self::BadName { .. } => 34,
            Self::BackLink { .. }
            | Self::OldRdnKept
            | Self::BelowItself { .. }
            | Self::Deleted { .. } => 53,
            Self::NameTooLong { .. } => 64,
            Self::NoClass { .. } => 65,
            Self::HasChildren { .. } => 66,
            Self::NamingAttribute { .. } => 67,
            Self::ObjectExists { .. } | Self::GuidExists { .. } => 68,
        }
    }
}

impl Error {
    /// The LDAP result code for an answer: the refusal's own, 11 `adminLimitExceeded` at a limit,
    /// and 80 `other` where the file is to blame.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Limit { .. } => 11,
            Self::NotIndexed { .. } => 53,
            _ => 80,
        }
    }
}

/// Each of redb's error types says the same to us: the file could not be read or written.
macro_rules! from_redb {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Error {
            fn from(error: $kind) -> Self {
                match error.into() {
                    redb::Error::Corrupted(what) => Self::Damaged { what },
                    error => Self::Store(Box::new(error)),
                }
            }
        }
    )*};
}

from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);

/// Longest password that is looked at, in bytes.
pub(crate) const LONGEST: usize = 1024;

/// Most hashes one object has.
pub(crate) const MOST: usize = 16;

/// Why a value of a password attribute is not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// `{SHA}`, `{MD5}` and their like.
    #[error("a hash without salt")]
    Unsalted,
    /// `{SMD5}`, `{CRYPT}` and whatever else there is.
    #[error("a scheme that is not known here")]
    Scheme,
    /// The value is not what its scheme says.
    #[error("not what its scheme says it is")]
    Broken,
    /// Argon2 parameters beyond what this program computes.
    #[error("a hash that costs too much to check")]
    Costly,
    /// Longer than 1024 bytes, or empty.
    #[error("empty, or longer than {LONGEST} bytes")]
    Length,
    /// More than 16 hashes on one object.
    #[error("more than {MOST} hashes on one object")]
    TooMany,
    /// Keys and histories of passwords, which no login here needs.
    #[error("a secret that no login needs")]
    Other,
    /// An NT hash that was not asked for.
    #[error("an NT hash, which is kept only where NTLM is asked for")]
    NtHash,
}
