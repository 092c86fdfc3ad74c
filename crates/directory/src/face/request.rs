//! Requests, read from bytes (RFC 4511 4.2 to 4.12).
//!
//! Invariant: a filter is never deeper or longer than the limits, so nothing that walks one can
//! exhaust the stack; what is not grammatical is [`Malformed`].

use automend_ldap::{Control, Filter};

use super::ber::{Malformed, Reader, tag, text, truth};
use crate::modify::{Modification, Operation};
use crate::walk::Scope;

/// One message of a client.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: i64,
    pub(super) request: Request,
    pub(super) controls: Vec<Control>,
}

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Request {
    Bind {
        version: i64,
        name: String,
        proof: Proof,
    },
    Unbind,
    Search(Search),
    Modify {
        name: String,
        modifications: Vec<Modification>,
    },
    Add {
        dn: String,
        attributes: Vec<(String, Vec<Vec<u8>>)>,
    },
    Delete {
        name: String,
    },
    Rename {
        name: String,
        new_rdn: String,
        delete_old: bool,
        new_parent: Option<String>,
    },
    Compare {
        name: String,
        attribute: String,
        value: Vec<u8>,
    },
    Abandon,
    Extended {
        oid: String,
    },
}

/// How a client proves who it is.
#[derive(Debug)]
pub(super) enum Proof {
    Password(Vec<u8>),
    Other,
}

/// A search (RFC 4511 4.5.1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Search {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) size_limit: u64,
    /// In seconds; 0 leaves it to the server.
    pub(super) time_limit: u64,
    pub(super) types_only: bool,
    pub(super) filter: Filter,
    pub(super) attributes: Vec<String>,
}

/// Bounds of what is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) filter_depth: usize,
    pub(super) filter_parts: usize,
}

/// Reads one whole message.
pub(super) fn read(bytes: &[u8], bounds: Bounds) -> Result<Message, Malformed> {
    let mut message = Reader(bytes).inside(tag::SEQUENCE, "no message")?;
    let id = message.integer(tag::INTEGER, "a message without a number")?;
    let (operation, content) = message.element()?;
    let controls = match message.optional(0xa0)? {
        Some(controls) => read_controls(Reader(controls))?,
        None => Vec::new(),
    };
    let mut at = Reader(content);
    let request = match operation {
        0x60 => Request::Bind {
            version: at.integer(tag::INTEGER, "a bind without a version")?,
            name: at.text("a bind without a name")?,
            proof: match at.element()? {
                (0x80, password) => Proof::Password(password.to_vec()),
                _ => Proof::Other,
            },
        },
        0x42 => Request::Unbind,
        0x63 => Request::Search(read_search(at, bounds)?),
        0x66 => Request::Modify {
            name: at.text("a modify without a name")?,
            modifications: read_modifications(
                at.inside(tag::SEQUENCE, "a modify without changes")?,
            )?,
        },
        0x68 => Request::Add {
            dn: at.text("an add without a name")?,
            attributes: read_attributes(at.inside(tag::SEQUENCE, "an add without attributes")?)?,
        },
        0x4a => Request::Delete {
            name: text(content, "a delete without a name")?,
        },
        0x6c => Request::Rename {
            name: at.text("a rename without a name")?,
            new_rdn: at.text("a rename without a new name")?,
            delete_old: at.boolean("a rename that doesn't say what becomes of the old name")?,
            new_parent: at
                .optional(0x80)?
                .map(|name| text(name, "a parent that is no text"))
                .transpose()?,
        },
        0x6e => {
            let name = at.text("a compare without a name")?;
            let mut assertion = at.inside(tag::SEQUENCE, "a compare without a value")?;
            Request::Compare {
                name,
                attribute: assertion.text("a compare without an attribute")?,
                value: assertion
                    .expect(tag::OCTETS, "a compare without a value")?
                    .to_vec(),
            }
        }
        0x50 => Request::Abandon,
        0x77 => Request::Extended {
            oid: text(
                at.expect(0x80, "an extended request without a name")?,
                "no name",
            )?,
        },
        _ => return Err(Malformed("an operation that is none")),
    };
    Ok(Message {
        id,
        request,
        controls,
    })
}

fn read_controls(mut controls: Reader<'_>) -> Result<Vec<Control>, Malformed> {
    let mut all = Vec::new();
    while !controls.is_empty() {
        let mut control = controls.inside(tag::SEQUENCE, "a control that is none")?;
        all.push(Control {
            oid: control.text("a control without a name")?,
            critical: control.optional(tag::BOOLEAN)?.is_some_and(truth),
            value: control.optional(tag::OCTETS)?.map(<[u8]>::to_vec),
        });
    }
    Ok(all)
}

fn read_search(mut at: Reader<'_>, bounds: Bounds) -> Result<Search, Malformed> {
    let natural = |value: i64| u64::try_from(value).unwrap_or(0);
    let base = at.text("a search without a base")?;
    let scope = match at.integer(tag::ENUMERATED, "a search without a scope")? {
        0 => Scope::Base,
        1 => Scope::One,
        2 => Scope::Subtree,
        _ => return Err(Malformed("a scope that is none")),
    };
    at.integer(tag::ENUMERATED, "a search without derefAliases")?;
    Ok(Search {
        base,
        scope,
        size_limit: natural(at.integer(tag::INTEGER, "a search without a size limit")?),
        time_limit: natural(at.integer(tag::INTEGER, "a search without a time limit")?),
        types_only: at.boolean("a search without typesOnly")?,
        filter: {
            let mut parts = 0;
            read_filter(
                at.element()?,
                bounds.filter_depth,
                bounds.filter_parts,
                &mut parts,
            )?
        },
        attributes: {
            let mut names = at.inside(tag::SEQUENCE, "a search without attributes")?;
            let mut all = Vec::new();
            while !names.is_empty() {
                all.push(names.text("an attribute that is no text")?);
            }
            all
        },
    })
}

/// Reads a filter as a control holds it.
pub(super) fn read_assertion(bytes: &[u8], bounds: Bounds) -> Result<Filter, Malformed> {
    read_filter(
        Reader(bytes).element()?,
        bounds.filter_depth,
        bounds.filter_parts,
        &mut 0,
    )
}

fn read_filter(
    (kind, content): (u8, &[u8]),
    depth: usize,
    most: usize,
    parts: &mut usize,
) -> Result<Filter, Malformed> {
    *parts += 1;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Malformed("a filter that is too deep"));
    };
    if *parts > most {
        return Err(Malformed("a filter with too many parts"));
    }
    let mut at = Reader(content);
    let mut several = || -> Result<Vec<Filter>, Malformed> {
        let mut all = Vec::new();
        while !at.is_empty() {
            all.push(read_filter(at.element()?, depth, most, parts)?);
        }
        Ok(all)
    };
    Ok(match kind {
        0xa0 => Filter::And(several()?),
        0xa1 => Filter::Or(several()?),
        0xa2 => Filter::Not(Box::new(read_filter(at.element()?, depth, most, parts)?)),
        0x87 => Filter::Present(text(content, "an attribute that is no text")?),
        0xa4 => {
            let attribute = at.text("an attribute that is no text")?;
            let mut pieces = at.inside(tag::SEQUENCE, "a substring without pieces")?;
            let (mut initial, mut any, mut last) = (None, Vec::new(), None);
            while !pieces.is_empty() {
                match pieces.element()? {
                    (0x80, piece) => initial = Some(piece.to_vec()),
                    (0x81, piece) => any.push(piece.to_vec()),
                    (0x82, piece) => last = Some(piece.to_vec()),
                    _ => return Err(Malformed("a piece that is none")),
                }
            }
            Filter::Substring {
                attribute,
                initial,
                any,
                last,
            }
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            let attribute = at.text("an attribute that is no text")?;
            let value = at
                .expect(tag::OCTETS, "an assertion without a value")?
                .to_vec();
            match kind {
                0xa3 => Filter::Equal { attribute, value },
                0xa5 => Filter::GreaterOrEqual { attribute, value },
                0xa6 => Filter::LessOrEqual { attribute, value },
                _ => Filter::Approximate { attribute, value },
            }
        }
        0xa9 => Filter::Extensible {
            rule: at
                .optional(0x81)?
                .map(|rule| text(rule, "a rule that is no text"))
                .transpose()?,
            attribute: at
                .optional(0x82)?
                .map(|name| text(name, "an attribute that is no text"))
                .transpose()?,
            value: at.expect(0x83, "an assertion without a value")?.to_vec(),
            dn_attributes: at.optional(0x84)?.is_some_and(truth),
        },
        _ => return Err(Malformed("a filter that is none")),
    })
}

fn read_modifications(mut at: Reader<'_>) -> Result<Vec<Modification>, Malformed> {
    let mut all = Vec::new();
    while !at.is_empty() {
        let mut change = at.inside(tag::SEQUENCE, "a change that is none")?;
        let operation = match change.integer(tag::ENUMERATED, "a change without an operation")? {
            0 => Operation::Add,
            1 => Operation::Delete,
            2 => Operation::Replace,
            _ => return Err(Malformed("an operation that is none")),
        };
        let (attribute, values) =
            read_attribute(change.inside(tag::SEQUENCE, "a change without an attribute")?)?;
        all.push(Modification {
            operation,
            attribute,
            values,
        });
    }
    Ok(all)
}

// The shape that `Writing::add` takes.
#[allow(clippy::type_complexity)]
fn read_attributes(mut at: Reader<'_>) -> Result<Vec<(String, Vec<Vec<u8>>)>, Malformed> {
    let mut all = Vec::new();
    while !at.is_empty() {
        all.push(read_attribute(
            at.inside(tag::SEQUENCE, "an attribute that is none")?,
        )?);
    }
    Ok(all)
}

fn read_attribute(mut at: Reader<'_>) -> Result<(String, Vec<Vec<u8>>), Malformed> {
    let name = at.text("an attribute without a name")?;
    let mut set = at.inside(tag::SET, "an attribute without values")?;
    let mut values = Vec::new();
    while !set.is_empty() {
        values.push(set.expect(tag::OCTETS, "a value that is none")?.to_vec());
    }
    Ok((name, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::ber::Writer;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        filter_depth: 8,
        filter_parts: 100,
    };

    #[test]
    fn a_filter_holds_any_bytes_and_only_so_many_levels() {
        let nested = |levels: usize| {
            let mut bytes = b"\xa3\x06\x04\x01a\x04\x01\xff".to_vec();
            for _ in 0..levels {
                let mut writer = Writer::default();
                writer.primitive(0xa2, &bytes);
                bytes = writer.0;
            }
            read_assertion(&bytes, BOUNDS)
        };
        assert_eq!(nested(0), Ok(Filter::equal("a", [0xff])));
        assert!(nested(7).is_ok());
        assert_eq!(nested(8), Err(Malformed("a filter that is too deep")));
        let mut writer = Writer::default();
        writer.constructed(0xa1, |writer| {
            (0..200).for_each(|_| writer.primitive(0x87, b"a"));
        });
        assert_eq!(
            read_assertion(&writer.0, BOUNDS),
            Err(Malformed("a filter with too many parts"))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            operation in prop::sample::select(vec![0x60u8, 0x63, 0x66, 0x68, 0x4a, 0x6c, 0x6e, 0x77]),
            body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut writer = Writer::default();
            writer.constructed(tag::SEQUENCE, |writer| {
                writer.integer(tag::INTEGER, 1);
                writer.primitive(operation, &body);
            });
            let _ = read(&writer.0, BOUNDS);
            let _ = read(&body, BOUNDS);
        }
    }
}
