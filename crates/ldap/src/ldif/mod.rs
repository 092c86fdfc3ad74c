//! LDIF: directory content and changes as text (RFC 2849), in bulk.
//!
//! Reading goes in two stages, so that two threads can share it: [`Blocks`] cuts a stream into
//! blocks that hold whole records and does little else; [`Block::records`] finds the records of a
//! block without copying, and decodes only what is asked for. What `ldapsearch`, `slapcat`,
//! `ldbsearch` and `ldifde` write is read, with or without folding, CRLF or LF, UTF-8 or UTF-16.
//!
//! ```
//! use automend_ldap::ldif::Blocks;
//!
//! let text = "version: 1\n\ndn: CN=Amy\nmail: amy@contoso.test\ncn:: QW15\n";
//! for block in Blocks::new(text.as_bytes()) {
//!     for record in block?.records() {
//!         let record = record.expect("no defect");
//!         assert_eq!((record.line, &*record.dn), (3, "CN=Amy"));
//!         for line in record.lines() {
//!             let line = line.expect("no defect");
//!             if line.is("cn") {
//!                 assert_eq!(&*line.value().expect("base64"), b"Amy");
//!             }
//!         }
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Invariant: nothing in a file ends the reading of it; what can't be read is a [`Defect`] with its
//! line, and the rest is read.

mod blocks;
mod change;
mod line;
mod record;
mod select;
mod utf16;
mod writer;

pub use blocks::{Block, Blocks};
pub use change::Rename;
pub use line::{Line, Lines};
pub use record::{Change, Record, Records};
pub use select::{Selected, Selector};
pub use writer::Writer;

/// Something in a file that could not be read; the rest could.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {what}")]
#[non_exhaustive]
pub struct Defect {
    /// Where, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: &'static str,
}

#[cfg(test)]
mod tests;
