//! Answers, written as bytes (RFC 4511 4.1.9, 4.5.2, 4.12).
//!
//! Invariant: a result carries one code and one text, and never a password or a path of this machine.

use automend_ldap::ResultCode;

use super::ber::{Writer, tag};
use crate::error::Error;

/// How an operation ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) code: u32,
    pub(super) matched: String,
    pub(super) text: String,
}

impl Outcome {
    pub(super) fn new(code: ResultCode, text: impl Into<String>) -> Self {
        Self {
            code: code.0,
            matched: String::new(),
            text: text.into(),
        }
    }

    pub(super) fn success() -> Self {
        Self::new(ResultCode(0), "")
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let code = u32::from(error.code());
        let mut outcome = Self {
            code,
            matched: String::new(),
            text: error.to_string(),
        };
        if let Error::Refused(crate::Refusal::NoObject { matched, .. }) = error {
            outcome.matched = matched;
        }
        outcome
    }
}

/// The answering operation of a request (RFC 4511 4.2 to 4.12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Bind = 0x61,
    SearchDone = 0x65,
    Modify = 0x67,
    Add = 0x69,
    Delete = 0x6b,
    Rename = 0x6d,
    Compare = 0x6f,
    Extended = 0x78,
}

/// The last message of an answer.
pub(super) fn result(id: i64, kind: Kind, outcome: &Outcome, paged: Option<&[u8]>) -> Vec<u8> {
    message(id, paged, |writer| {
        writer.constructed(kind as u8, |writer| put_outcome(writer, outcome));
    })
}

/// An extended answer with a value.
pub(super) fn extended(id: i64, outcome: &Outcome, value: &[u8]) -> Vec<u8> {
    message(id, None, |writer| {
        writer.constructed(Kind::Extended as u8, |writer| {
            put_outcome(writer, outcome);
            writer.primitive(0x8b, value);
        });
    })
}

/// Tells the client that the connection ends, and why (RFC 4511 4.4.1).
pub(super) fn notice(outcome: &Outcome) -> Vec<u8> {
    message(0, None, |writer| {
        writer.constructed(Kind::Extended as u8, |writer| {
            put_outcome(writer, outcome);
            writer.primitive(0x8a, b"1.3.6.1.4.1.1466.20036");
        });
    })
}

/// One entry of a search.
pub(super) fn entry(id: i64, dn: &str, attributes: &[(String, Vec<Vec<u8>>)]) -> Vec<u8> {
    message(id, None, |writer| {
        writer.constructed(0x64, |writer| {
            writer.octets(dn.as_bytes());
            writer.constructed(tag::SEQUENCE, |writer| {
                for (name, values) in attributes {
                    writer.constructed(tag::SEQUENCE, |writer| {
                        writer.octets(name.as_bytes());
                        writer.constructed(tag::SET, |writer| {
                            for value in values {
                                writer.octets(value);
                            }
                        });
                    });
                }
            });
        });
    })
}

/// A reference to another naming context.
pub(super) fn reference(id: i64, url: &str) -> Vec<u8> {
    message(id, None, |writer| {
        writer.constructed(0x73, |writer| writer.octets(url.as_bytes()));
    })
}

fn put_outcome(writer: &mut Writer, outcome: &Outcome) {
    writer.integer(tag::ENUMERATED, i64::from(outcome.code));
    writer.octets(outcome.matched.as_bytes());
    writer.octets(outcome.text.as_bytes());
}

fn message(id: i64, paged: Option<&[u8]>, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.constructed(tag::SEQUENCE, |writer| {
        writer.integer(tag::INTEGER, id);
        write(writer);
        if let Some(cookie) = paged {
            writer.constructed(0xa0, |writer| {
                writer.constructed(tag::SEQUENCE, |writer| {
                    writer.octets(automend_ldap::control::PAGED_RESULTS.as_bytes());
                    let mut value = Writer::default();
                    value.constructed(tag::SEQUENCE, |value| {
                        value.integer(tag::INTEGER, 0);
                        value.octets(cookie);
                    });
                    writer.octets(&value.0);
                });
            });
        }
    });
    writer.0
}
