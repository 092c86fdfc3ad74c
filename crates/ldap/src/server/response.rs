//! Answers, written as bytes (RFC 4511 4.1.9, 4.5.2, 4.12).
//!
//! Invariant: text and values travel as counted octets, so nothing in them can change the answer.

use crate::control::{Control, SORT_RESULT};
use crate::wire::{Outcome, Writer, op, partial_attribute, tag};

/// The answering operation of a request (RFC 4511 4.2 to 4.12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// 4.2.2.
    Bind = op::BIND_RESPONSE as isize,
    /// 4.5.2.
    SearchDone = op::SEARCH_DONE as isize,
    /// 4.6.
    Modify = op::MODIFY_RESPONSE as isize,
    /// 4.7.
    Add = op::ADD_RESPONSE as isize,
    /// 4.8.
    Delete = op::DELETE_RESPONSE as isize,
    /// 4.9.
    Rename = op::MODIFY_DN_RESPONSE as isize,
    /// 4.10.
    Compare = op::COMPARE_RESPONSE as isize,
    /// 4.12.
    Extended = op::EXTENDED_RESPONSE as isize,
}

/// The control that says how a search was sorted: 0, or a code of RFC 2891 1.2.
pub fn sort_result(code: u8) -> Control {
    let mut value = Writer::default();
    value.constructed(tag::SEQUENCE, |value| {
        value.primitive(tag::ENUMERATED, &[code]);
    });
    Control {
        oid: SORT_RESULT.to_owned(),
        critical: false,
        value: Some(value.into_bytes()),
    }
}

/// The last message of an answer.
pub fn result(id: i64, kind: Kind, outcome: &Outcome, controls: &[Control]) -> Vec<u8> {
    message(id, controls, |writer| {
        writer.constructed(kind as u8, |writer| outcome.write(writer));
    })
}

/// An extended answer with a value.
pub fn extended(id: i64, outcome: &Outcome, value: &[u8]) -> Vec<u8> {
    message(id, &[], |writer| {
        writer.constructed(op::EXTENDED_RESPONSE, |writer| {
            outcome.write(writer);
            writer.primitive(0x8b, value);
        });
    })
}

/// Tells the client that the connection ends, and why (RFC 4511 4.4.1).
pub fn notice(outcome: &Outcome) -> Vec<u8> {
    message(0, &[], |writer| {
        writer.constructed(op::EXTENDED_RESPONSE, |writer| {
            outcome.write(writer);
            writer.primitive(0x8a, b"1.3.6.1.4.1.1466.20036");
        });
    })
}

/// One entry of a search.
pub fn entry(id: i64, dn: &str, attributes: &[(String, Vec<Vec<u8>>)]) -> Vec<u8> {
    message(id, &[], |writer| {
        writer.constructed(op::SEARCH_ENTRY, |writer| {
            writer.octets(dn.as_bytes());
            writer.constructed(tag::SEQUENCE, |writer| {
                for (name, values) in attributes {
                    partial_attribute(writer, name, values);
                }
            });
        });
    })
}

/// A reference to another naming context.
pub fn reference(id: i64, url: &str) -> Vec<u8> {
    message(id, &[], |writer| {
        writer.constructed(op::SEARCH_REFERENCE, |writer| {
            writer.octets(url.as_bytes());
        });
    })
}

fn message(id: i64, controls: &[Control], write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.constructed(tag::SEQUENCE, |writer| {
        writer.integer(tag::INTEGER, id);
        write(writer);
        if !controls.is_empty() {
            writer.constructed(0xa0, |writer| {
                for control in controls {
                    control.write(writer);
                }
            });
        }
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Attribute, Entry};
    use crate::error::ResultCode;
    use crate::wire::{Envelope, Response};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_client_reads_what_the_server_writes(
            id in 1..i32::MAX,
            code in 0..200u32,
            text in "\\PC{0,100}",
            dn in "\\PC{0,100}",
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4),
            cookie in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        ) {
            let mut outcome = Outcome::new(ResultCode(code), text);
            outcome.matched_dn.clone_from(&dn);
            let sent: Vec<Control> = cookie
                .iter()
                .map(|cookie| Control::paged_results(0, cookie))
                .chain([sort_result(code.to_le_bytes()[0])])
                .collect();
            let bytes = result(i64::from(id), Kind::SearchDone, &outcome, &sent);
            let envelope = Envelope::read(&bytes).unwrap();
            prop_assert_eq!(envelope.id, id);
            prop_assert_eq!(envelope.response(), Ok(Response::Outcome(outcome)));
            let controls = envelope.controls().unwrap();
            prop_assert_eq!(&controls, &sent);
            prop_assert_eq!(crate::control::cookie(&controls), Ok(cookie));
            let attributes = [("member;range=0-1".to_owned(), values.clone())];
            let bytes = entry(i64::from(id), &dn, &attributes);
            let attributes = vec![Attribute::new("member;range=0-1", values)];
            prop_assert_eq!(
                Envelope::read(&bytes).unwrap().response(),
                Ok(Response::Entry(Entry { dn, attributes }))
            );
        }
    }
}
