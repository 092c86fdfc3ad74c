//! LDAP messages as bytes: BER (X.690 as restricted by RFC 4511 5.1), requests out, responses in;
//! the other way round it is [`crate::server`].
//!
//! The reader is our own and not a tree of elements: it descends only where the grammar says so,
//! so nesting can't exhaust the stack, and it copies each value once. A public codec serves as the
//! peer that it is compared with in the tests.
//!
//! Invariant: nothing here does I/O, and what is not grammatical is [`Malformed`], never a panic.

mod ber;
mod frame;
mod request;
mod response;
mod search;

pub use ber::Malformed;
pub(crate) use ber::{Reader, Writer};
pub(crate) use frame::{Frame, next_frame};
pub(crate) use request::{Change, Request, encode, partial_attribute};
pub use response::Outcome;
pub(crate) use response::{Envelope, Response};
pub use search::{Scope, Search};

/// The universal tags in use.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// The application tags of the operations (RFC 4511 4.2 to 4.13).
pub(crate) mod op {
    pub(crate) const BIND_REQUEST: u8 = 0x60;
    pub(crate) const BIND_RESPONSE: u8 = 0x61;
    pub(crate) const UNBIND_REQUEST: u8 = 0x42;
    pub(crate) const SEARCH_REQUEST: u8 = 0x63;
    pub(crate) const SEARCH_ENTRY: u8 = 0x64;
    pub(crate) const SEARCH_DONE: u8 = 0x65;
    pub(crate) const SEARCH_REFERENCE: u8 = 0x73;
    pub(crate) const MODIFY_REQUEST: u8 = 0x66;
    pub(crate) const MODIFY_RESPONSE: u8 = 0x67;
    pub(crate) const ADD_REQUEST: u8 = 0x68;
    pub(crate) const ADD_RESPONSE: u8 = 0x69;
    pub(crate) const DELETE_REQUEST: u8 = 0x4a;
    pub(crate) const DELETE_RESPONSE: u8 = 0x6b;
    pub(crate) const MODIFY_DN_REQUEST: u8 = 0x6c;
    pub(crate) const MODIFY_DN_RESPONSE: u8 = 0x6d;
    pub(crate) const COMPARE_REQUEST: u8 = 0x6e;
    pub(crate) const COMPARE_RESPONSE: u8 = 0x6f;
    pub(crate) const ABANDON_REQUEST: u8 = 0x50;
    pub(crate) const EXTENDED_REQUEST: u8 = 0x77;
    pub(crate) const EXTENDED_RESPONSE: u8 = 0x78;
    pub(crate) const INTERMEDIATE_RESPONSE: u8 = 0x79;
}

#[cfg(test)]
mod tests;
