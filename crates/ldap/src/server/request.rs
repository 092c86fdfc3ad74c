//! Requests, read from bytes (RFC 4511 4.2 to 4.12).
//!
//! Invariant: a filter is never deeper or longer than the bounds, so nothing that walks one can
//! exhaust the stack; what is not grammatical is [`Malformed`].

use std::fmt;

use zeroize::Zeroizing;

use super::Bounds;
use crate::client::{Modification, Scope, Search};
use crate::control::Control;
use crate::filter::Filter;
use crate::wire::{Malformed, Reader, op, tag};

/// One message of a client (RFC 4511 4.1.1).
#[derive(Debug)]
pub struct Message {
    /// The number that its answers bear.
    pub id: i64,
    /// What is asked for.
    pub request: Request,
    /// What else is asked.
    pub controls: Vec<Control>,
}

/// What a client asks for (RFC 4511 4.2 to 4.12).
#[derive(Debug)]
pub enum Request {
    /// Who asks.
    Bind {
        /// The version of the protocol.
        version: i64,
        /// The name.
        name: String,
        /// The proof of it.
        credentials: Credentials,
    },
    /// The end of the connection.
    Unbind,
    /// A search, without its controls.
    Search(Search),
    /// Changes to one object.
    Modify {
        /// The object.
        name: String,
        /// The steps; none is an increment.
        modifications: Vec<Modification>,
    },
    /// A new object.
    Add {
        /// Its name.
        dn: String,
        /// Its attributes with their values.
        attributes: Vec<(String, Vec<Vec<u8>>)>,
    },
    /// The end of an object.
    Delete {
        /// The object.
        name: String,
    },
    /// A new name, a new parent or both.
    Rename {
        /// The object.
        name: String,
        /// The new leading part of its name.
        new_rdn: String,
        /// Whether the old one goes.
        delete_old: bool,
        /// The new parent.
        new_parent: Option<String>,
    },
    /// Whether an object has a value.
    Compare {
        /// The object.
        name: String,
        /// The attribute.
        attribute: String,
        /// The value.
        value: Vec<u8>,
    },
    /// The end of an operation; nothing answers it.
    Abandon,
    /// An extended operation, without its value.
    Extended {
        /// Which one.
        oid: String,
    },
}

/// How a client proves who it is.
pub enum Credentials {
    /// A simple bind; possibly empty.
    Password(Zeroizing<Vec<u8>>),
    /// A SASL bind.
    Sasl {
        /// The mechanism.
        mechanism: String,
        /// The client's message; `None` where it sent none.
        message: Option<Zeroizing<Vec<u8>>>,
    },
    /// What RFC 4511 does not know.
    Other,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Sasl { .. } => "Sasl(..)",
            Self::Other => "Other",
        })
    }
}

/// Reads one whole message.
///
/// # Errors
///
/// [`Malformed`] for everything that RFC 4511 does not allow, and a filter beyond `bounds`.
pub fn read(bytes: &[u8], bounds: Bounds) -> Result<Message, Malformed> {
    let mut message = Reader::new(bytes).inside(tag::SEQUENCE, "no message")?;
    let id = message.integer(tag::INTEGER, "a message without a number")?;
    let (operation, content) = message.element()?;
    let mut rest = Reader::new(message.optional(0xa0)?.unwrap_or_default());
    let mut controls = Vec::new();
    while !rest.is_empty() {
        controls.push(Control::read(&mut rest)?);
    }
    Ok(Message {
        id,
        request: read_request(operation, content, bounds)?,
        controls,
    })
}

fn read_request(operation: u8, content: &[u8], bounds: Bounds) -> Result<Request, Malformed> {
    let mut at = Reader::new(content);
    Ok(match operation {
        op::BIND_REQUEST => Request::Bind {
            version: at.integer(tag::INTEGER, "a bind without a version")?,
            name: at.text("a bind without a name")?.to_owned(),
            credentials: match at.element()? {
                (0x80, password) => Credentials::Password(Zeroizing::new(password.to_vec())),
                (0xa3, sasl) => {
                    let mut sasl = Reader::new(sasl);
                    Credentials::Sasl {
                        mechanism: sasl.text("a mechanism without a name")?.to_owned(),
                        message: sasl
                            .optional(tag::OCTET_STRING)?
                            .map(|message| Zeroizing::new(message.to_vec())),
                    }
                }
                _ => Credentials::Other,
            },
        },
        op::UNBIND_REQUEST => Request::Unbind,
        op::SEARCH_REQUEST => Request::Search(read_search(at, bounds)?),
        op::MODIFY_REQUEST => Request::Modify {
            name: at.text("a modify without a name")?.to_owned(),
            modifications: read_modifications(
                at.inside(tag::SEQUENCE, "a modify without changes")?,
            )?,
        },
        op::ADD_REQUEST => Request::Add {
            dn: at.text("an add without a name")?.to_owned(),
            attributes: {
                let mut list = at.inside(tag::SEQUENCE, "an add without attributes")?;
                let mut all = Vec::new();
                while !list.is_empty() {
                    let attribute = list.inside(tag::SEQUENCE, "an attribute that is none")?;
                    all.push(read_attribute(attribute)?);
                }
                all
            },
        },
        op::DELETE_REQUEST => Request::Delete {
            name: text(content, "a delete without a name")?,
        },
        op::MODIFY_DN_REQUEST => Request::Rename {
            name: at.text("a rename without a name")?.to_owned(),
            new_rdn: at.text("a rename without a new name")?.to_owned(),
            delete_old: truth(at.expect(
                tag::BOOLEAN,
                "a rename that doesn't say what becomes of the old name",
            )?),
            new_parent: at
                .optional(0x80)?
                .map(|name| text(name, "a parent that is no text"))
                .transpose()?,
        },
        op::COMPARE_REQUEST => {
            let name = at.text("a compare without a name")?.to_owned();
            let mut assertion = at.inside(tag::SEQUENCE, "a compare without a value")?;
            Request::Compare {
                name,
                attribute: assertion.text("a compare without an attribute")?.to_owned(),
                value: assertion
                    .expect(tag::OCTET_STRING, "a compare without a value")?
                    .to_vec(),
            }
        }
        op::ABANDON_REQUEST => Request::Abandon,
        op::EXTENDED_REQUEST => Request::Extended {
            oid: text(
                at.expect(0x80, "an extended request without a name")?,
                "no name",
            )?,
        },
        _ => return Err(Malformed("an operation that is none")),
    })
}

fn text(content: &[u8], what: &'static str) -> Result<String, Malformed> {
    std::str::from_utf8(content)
        .map(str::to_owned)
        .map_err(|_| Malformed(what))
}

/// Whether the content of a boolean is true.
fn truth(content: &[u8]) -> bool {
    content.first().is_some_and(|octet| *octet != 0)
}

fn read_search(mut at: Reader<'_>, bounds: Bounds) -> Result<Search, Malformed> {
    // A negative limit is none, and one beyond the type can't be told from the largest.
    let limit = |value: i64| u32::try_from(value.max(0)).unwrap_or(u32::MAX);
    let base = at.text("a search without a base")?.to_owned();
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
        size_limit: limit(at.integer(tag::INTEGER, "a search without a size limit")?),
        time_limit_seconds: limit(at.integer(tag::INTEGER, "a search without a time limit")?),
        types_only: truth(at.expect(tag::BOOLEAN, "a search without typesOnly")?),
        filter: read_filter(
            at.element()?,
            bounds.filter_depth,
            bounds.filter_parts,
            &mut 0,
        )?,
        attributes: {
            let mut names = at.inside(tag::SEQUENCE, "a search without attributes")?;
            let mut all = Vec::new();
            while !names.is_empty() {
                all.push(names.text("an attribute that is no text")?.to_owned());
            }
            all
        },
        controls: Vec::new(),
    })
}

/// Reads the filter that is the value of an assertion control (RFC 4528).
///
/// # Errors
///
/// [`Malformed`] when it is no filter, or one beyond `bounds`.
pub fn read_assertion(value: &[u8], bounds: Bounds) -> Result<Filter, Malformed> {
    read_filter(
        Reader::new(value).element()?,
        bounds.filter_depth,
        bounds.filter_parts,
        &mut 0,
    )
}

/// Reads the size of a page and the cookie from the value of a paging control (RFC 2696).
///
/// # Errors
///
/// [`Malformed`] when it has not both. A negative size is 0.
pub fn read_paging(value: &[u8]) -> Result<(usize, Vec<u8>), Malformed> {
    let mut parts = Reader::new(value).inside(tag::SEQUENCE, "paging without a value")?;
    let size = parts.integer(tag::INTEGER, "paging without a size")?;
    let cookie = parts.expect(tag::OCTET_STRING, "paging without a cookie")?;
    Ok((usize::try_from(size).unwrap_or(0), cookie.to_vec()))
}

/// Reads the attribute from the value of an attribute scoped query ([MS-ADTS] 3.1.1.3.4.1.18).
///
/// # Errors
///
/// [`Malformed`] when it names none.
pub fn read_scoped_attribute(value: &[u8]) -> Result<String, Malformed> {
    let mut parts = Reader::new(value).inside(tag::SEQUENCE, "a scoped query without a value")?;
    let attribute = parts.text("a scoped query without an attribute")?;
    Ok(attribute.to_owned())
}

/// What a sorted search is sorted by (RFC 2891 1.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SortKey {
    /// The attribute.
    pub attribute: String,
    /// The rule of the order; that of the attribute where there is none.
    pub rule: Option<String>,
    /// Whether the greatest comes first.
    pub reverse: bool,
}

/// Reads the value of a sort control (RFC 2891 1.1).
///
/// # Errors
///
/// [`Malformed`] when it is no list of keys, or an empty one.
pub fn read_sort_keys(value: &[u8]) -> Result<Vec<SortKey>, Malformed> {
    let mut list = Reader::new(value).inside(tag::SEQUENCE, "a sort without keys")?;
    let mut keys = Vec::new();
    while keys.is_empty() || !list.is_empty() {
        let mut key = list.inside(tag::SEQUENCE, "a sort key that is none")?;
        keys.push(SortKey {
            attribute: key.text("a sort key without an attribute")?.to_owned(),
            rule: key
                .optional(0x80)?
                .map(|rule| text(rule, "a rule that is no text"))
                .transpose()?,
            reverse: key.optional(0x81)?.is_some_and(truth),
        });
    }
    Ok(keys)
}

/// Reads the number that is the whole value of a control, as of extended names
/// ([MS-ADTS] 3.1.1.3.4.1.5) and parts of descriptors (3.1.1.3.4.1.11).
///
/// # Errors
///
/// [`Malformed`] when there is none.
pub fn read_flags(value: &[u8]) -> Result<i64, Malformed> {
    let mut parts = Reader::new(value).inside(tag::SEQUENCE, "flags without a value")?;
    parts.integer(tag::INTEGER, "flags that are no number")
}

fn read_filter(
    (kind, content): (u8, &[u8]),
    depth: usize,
    most: usize,
    parts: &mut usize,
) -> Result<Filter, Malformed> {
    *parts = parts.saturating_add(1);
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Malformed("a filter that is too deep"));
    };
    if *parts > most {
        return Err(Malformed("a filter with too many parts"));
    }
    let mut at = Reader::new(content);
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
            let attribute = at.text("an attribute that is no text")?.to_owned();
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
            let attribute = at.text("an attribute that is no text")?.to_owned();
            let value = at
                .expect(tag::OCTET_STRING, "an assertion without a value")?
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
        let operation = change.integer(tag::ENUMERATED, "a change without an operation")?;
        if !(0..=2).contains(&operation) {
            return Err(Malformed("an operation that is none"));
        }
        let (attribute, values) =
            read_attribute(change.inside(tag::SEQUENCE, "a change without an attribute")?)?;
        all.push(match operation {
            0 => Modification::Add { attribute, values },
            1 => Modification::Delete { attribute, values },
            _ => Modification::Replace { attribute, values },
        });
    }
    Ok(all)
}

fn read_attribute(mut at: Reader<'_>) -> Result<(String, Vec<Vec<u8>>), Malformed> {
    let name = at.text("an attribute without a name")?.to_owned();
    let mut set = at.inside(tag::SET, "an attribute without values")?;
    let mut values = Vec::new();
    while !set.is_empty() {
        let value = set.expect(tag::OCTET_STRING, "a value that is none")?;
        values.push(value.to_vec());
    }
    Ok((name, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Writer;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        message_bytes: 1 << 20,
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
                bytes = writer.into_bytes();
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
            read_assertion(&writer.into_bytes(), BOUNDS),
            Err(Malformed("a filter with too many parts"))
        );
    }

    #[test]
    fn sort_keys_are_read_with_their_rule_and_direction() {
        let key = |attribute: &str, rule: Option<&str>, reverse| SortKey {
            attribute: attribute.to_owned(),
            rule: rule.map(str::to_owned),
            reverse,
        };
        let value = b"\x30\x12\x30\x04\x04\x02cn\x30\x0a\x04\x01b\x80\x02.1\x81\x01\xff";
        assert_eq!(
            read_sort_keys(value),
            Ok(vec![key("cn", None, false), key("b", Some(".1"), true)])
        );
        for value in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x02\x30\x00",
            b"\x30\x04\x04\x02cn",
        ] {
            assert!(read_sort_keys(value).is_err(), "{value:02x?}");
        }
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
            let _ = read(&writer.into_bytes(), BOUNDS);
            let _ = read(&body, BOUNDS);
            let _ = (read_paging(&body), read_scoped_attribute(&body));
        }
    }
}
