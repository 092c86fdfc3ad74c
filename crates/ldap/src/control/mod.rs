//! Controls: extensions of a request or an answer (RFC 4511 4.1.11).
//!
//! Each has a constructor and one constant for its object identifier, beside its specification.
//! Invariant: nothing is marked critical but by the caller or where the meaning of the request
//! would be another one without it; each constructor says which.

mod active_directory;
mod assertion;
mod paged;

use crate::wire::{Malformed, Reader, Writer, tag};

pub use active_directory::{
    ATTRIBUTE_SCOPED_QUERY, DOMAIN_SCOPE, PERMISSIVE_MODIFY, SECURITY_DESCRIPTOR_FLAGS,
    SHOW_DELETED, SORT, SORT_RESULT,
};
pub use assertion::ASSERTION;
pub use paged::PAGED_RESULTS;
pub(crate) use paged::cookie;

/// A control of a request or an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// Which control: a dotted object identifier.
    pub oid: String,
    /// Whether a server that does not know it must refuse the request.
    pub critical: bool,
    /// The value, in the encoding that the control's specification states.
    pub value: Option<Vec<u8>>,
}

impl Control {
    fn new(oid: &str, critical: bool, value: Option<Vec<u8>>) -> Self {
        Self {
            oid: oid.to_owned(),
            critical,
            value,
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.constructed(tag::SEQUENCE, |writer| {
            writer.octets(self.oid.as_bytes());
            if self.critical {
                writer.boolean(tag::BOOLEAN, true);
            }
            if let Some(value) = &self.value {
                writer.octets(value);
            }
        });
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut parts = reader.inside(tag::SEQUENCE, "a control that is no sequence")?;
        let oid = parts
            .text("a control whose identifier is not UTF-8")?
            .to_owned();
        let critical = parts
            .optional(tag::BOOLEAN)?
            .is_some_and(|octets| octets != [0]);
        let value = parts.optional(tag::OCTET_STRING)?.map(<[u8]>::to_vec);
        Ok(Self {
            oid,
            critical,
            value,
        })
    }
}
