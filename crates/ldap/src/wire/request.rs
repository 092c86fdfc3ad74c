//! Requests as bytes (RFC 4511 4.2 to 4.12).
//!
//! Invariant: text and values travel as counted octets, so nothing in them can change the request.

use zeroize::Zeroizing;

use super::search::Search;
use super::{Writer, op, tag};
use crate::control::Control;

/// What a change does to an attribute (RFC 4511 4.6).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Add = 0,
    Delete = 1,
    Replace = 2,
    /// RFC 4525.
    Increment = 3,
}

/// A request of the client, borrowed from its caller; not `Debug`, for one has a password.
pub(crate) enum Request<'a> {
    SimpleBind {
        name: &'a str,
        password: &'a str,
    },
    SaslBind {
        mechanism: &'a str,
        credentials: &'a [u8],
    },
    Unbind,
    Search(&'a Search),
    Modify {
        dn: &'a str,
        changes: Vec<(Change, &'a str, &'a [Vec<u8>])>,
    },
    Add {
        dn: &'a str,
        attributes: &'a [(String, Vec<Vec<u8>>)],
    },
    Delete {
        dn: &'a str,
    },
    ModifyDn {
        dn: &'a str,
        new_rdn: &'a str,
        delete_old: bool,
        new_superior: Option<&'a str>,
    },
    Compare {
        dn: &'a str,
        attribute: &'a str,
        value: &'a [u8],
    },
    Abandon {
        id: i32,
    },
    Extended {
        oid: &'a str,
    },
}

/// The bytes of one message; they are wiped after use, for they may hold a password.
pub(crate) fn encode(id: i32, request: &Request<'_>, controls: &[Control]) -> Zeroizing<Vec<u8>> {
    let mut writer = match request {
        // Room for all of it: a buffer that grows leaves copies behind.
        Request::SimpleBind { name, password } => {
            Writer::with_capacity(name.len().saturating_add(password.len()).saturating_add(64))
        }
        _ => Writer::default(),
    };
    writer.constructed(tag::SEQUENCE, |writer| {
        writer.integer(tag::INTEGER, i64::from(id));
        request.write(writer);
        if !controls.is_empty() {
            writer.constructed(0xa0, |writer| {
                for control in controls {
                    control.write(writer);
                }
            });
        }
    });
    Zeroizing::new(writer.into_bytes())
}

impl Request<'_> {
    #[allow(
        clippy::too_many_lines,
        reason = "one arm a request, each the grammar of RFC 4511 line by line"
    )]
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::SimpleBind { name, password } => writer.constructed(op::BIND_REQUEST, |writer| {
                writer.integer(tag::INTEGER, VERSION);
                writer.octets(name.as_bytes());
                writer.primitive(0x80, password.as_bytes());
            }),
            Self::SaslBind {
                mechanism,
                credentials,
            } => {
                writer.constructed(op::BIND_REQUEST, |writer| {
                    writer.integer(tag::INTEGER, VERSION);
                    writer.octets(b"");
                    writer.constructed(0xa3, |writer| {
                        writer.octets(mechanism.as_bytes());
                        writer.octets(credentials);
                    });
                });
            }
            Self::Unbind => writer.primitive(op::UNBIND_REQUEST, &[]),
            Self::Search(search) => writer.constructed(op::SEARCH_REQUEST, |writer| {
                writer.octets(search.base.as_bytes());
                writer.integer(tag::ENUMERATED, search.scope.number());
                writer.integer(tag::ENUMERATED, NEVER_DEREF_ALIASES);
                writer.integer(tag::INTEGER, limit(search.size_limit));
                writer.integer(tag::INTEGER, limit(search.time_limit_seconds));
                writer.boolean(tag::BOOLEAN, search.types_only);
                search.filter.write(writer);
                writer.constructed(tag::SEQUENCE, |writer| {
                    for attribute in &search.attributes {
                        writer.octets(attribute.as_bytes());
                    }
                });
            }),
            Self::Modify { dn, changes } => writer.constructed(op::MODIFY_REQUEST, |writer| {
                writer.octets(dn.as_bytes());
                writer.constructed(tag::SEQUENCE, |writer| {
                    for (change, attribute, values) in changes {
                        writer.constructed(tag::SEQUENCE, |writer| {
                            writer.integer(tag::ENUMERATED, *change as i64);
                            partial_attribute(writer, attribute, values);
                        });
                    }
                });
            }),
            Self::Add { dn, attributes } => writer.constructed(op::ADD_REQUEST, |writer| {
                writer.octets(dn.as_bytes());
                writer.constructed(tag::SEQUENCE, |writer| {
                    for (attribute, values) in *attributes {
                        partial_attribute(writer, attribute, values);
                    }
                });
            }),
            Self::Delete { dn } => writer.primitive(op::DELETE_REQUEST, dn.as_bytes()),
            Self::ModifyDn {
                dn,
                new_rdn,
                delete_old,
                new_superior,
            } => {
                writer.constructed(op::MODIFY_DN_REQUEST, |writer| {
                    writer.octets(dn.as_bytes());
                    writer.octets(new_rdn.as_bytes());
                    writer.boolean(tag::BOOLEAN, *delete_old);
                    if let Some(superior) = new_superior {
                        writer.primitive(0x80, superior.as_bytes());
                    }
                });
            }
            Self::Compare {
                dn,
                attribute,
                value,
            } => {
                writer.constructed(op::COMPARE_REQUEST, |writer| {
                    writer.octets(dn.as_bytes());
                    writer.constructed(tag::SEQUENCE, |writer| {
                        writer.octets(attribute.as_bytes());
                        writer.octets(value);
                    });
                });
            }
            Self::Abandon { id } => writer.integer(op::ABANDON_REQUEST, i64::from(*id)),
            Self::Extended { oid } => writer.constructed(op::EXTENDED_REQUEST, |writer| {
                writer.primitive(0x80, oid.as_bytes());
            }),
        }
    }
}

/// The protocol's only version (RFC 4511 4.2).
const VERSION: i64 = 3;
/// The alias setting of every search: directories of this kind have none (RFC 4511 4.5.1.3).
const NEVER_DEREF_ALIASES: i64 = 0;

/// A limit within the grammar's `INTEGER (0 .. maxInt)`.
fn limit(value: u32) -> i64 {
    i64::from(value.min(i32::MAX.unsigned_abs()))
}

pub(crate) fn partial_attribute(writer: &mut Writer, attribute: &str, values: &[Vec<u8>]) {
    writer.constructed(tag::SEQUENCE, |writer| {
        writer.octets(attribute.as_bytes());
        writer.constructed(tag::SET, |writer| {
            for value in values {
                writer.octets(value);
            }
        });
    });
}
