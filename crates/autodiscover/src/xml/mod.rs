//! XML, in and out, for untrusted bytes.
//!
//! XML 1.0 (fifth edition) and Namespaces in XML 1.0, without document types: a `DOCTYPE` is refused, so
//! there are no entities but the five of XML itself, nothing is expanded and nothing is fetched.
//!
//! Invariant: a document that ends early is an error, never a shorter document.

mod charset;
mod reader;
mod writer;

pub use reader::{Attribute, Element, Text};
pub use writer::Writer;

/// What a document may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the whole, as they came.
    pub bytes: usize,
    /// Elements within one another.
    pub depth: usize,
    /// Elements.
    pub elements: usize,
    /// Attributes of one element, declarations of namespaces among them.
    pub attributes: usize,
}

impl Limits {
    /// For requests: a few hundred bytes are usual, and SOAP may ask for many users at once.
    pub const REQUEST: Self = Self {
        bytes: 256 << 10,
        depth: 32,
        elements: 4096,
        attributes: 64,
    };
    /// For answers, where each of many alternative mailboxes has several elements.
    pub const ANSWER: Self = Self {
        bytes: 8 << 20,
        depth: 64,
        elements: 200_000,
        attributes: 64,
    };
}
