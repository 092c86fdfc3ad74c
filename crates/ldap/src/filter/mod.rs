//! Search filters (RFC 4511 4.5.1.7), their text form (RFC 4515) and their wire form.
//!
//! Invariant: a value is bytes from the constructor to the wire and escaped in the text form, so
//! no value can change what a filter asks; `text.parse::<Filter>()` of a displayed filter is that
//! filter, for attribute names that RFC 4512 allows.

mod parse;

use std::fmt;

use crate::wire::Writer;

pub use parse::FilterError;

/// What an entry must be like to be found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Filter {
    /// Every part matches; with no part, always true (RFC 4526).
    And(Vec<Filter>),
    /// Some part matches; with no part, always false (RFC 4526).
    Or(Vec<Filter>),
    /// The part does not match.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(String),
    /// A value equals this one.
    Equal {
        /// The attribute.
        attribute: String,
        /// The value, unescaped.
        value: Vec<u8>,
    },
    /// A value has these pieces in this order; without pieces it means [`Filter::Present`].
    Substring {
        /// The attribute.
        attribute: String,
        /// How the value starts.
        initial: Option<Vec<u8>>,
        /// What follows in between, each not empty.
        any: Vec<Vec<u8>>,
        /// How the value ends.
        last: Option<Vec<u8>>,
    },
    /// A value is this one or behind it.
    GreaterOrEqual {
        /// The attribute.
        attribute: String,
        /// The value, unescaped.
        value: Vec<u8>,
    },
    /// A value is this one or before it.
    LessOrEqual {
        /// The attribute.
        attribute: String,
        /// The value, unescaped.
        value: Vec<u8>,
    },
    /// A value is like this one, as the server understands it.
    Approximate {
        /// The attribute.
        attribute: String,
        /// The value, unescaped.
        value: Vec<u8>,
    },
    /// A value matches by a rule (`1.2.840.113556.1.4.803` is the bitwise and).
    Extensible {
        /// The attribute; none asks for every attribute that the rule fits.
        attribute: Option<String>,
        /// The rule's name or identifier; none takes the attribute's equality.
        rule: Option<String>,
        /// The value, unescaped.
        value: Vec<u8>,
        /// Whether the parts of the entry's name count as its attributes.
        dn_attributes: bool,
    },
}

impl Filter {
    /// `(attribute=*)`.
    pub fn present(attribute: &str) -> Self {
        Self::Present(attribute.to_owned())
    }

    /// `(attribute=value)`; every byte of `value` stands for itself.
    pub fn equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Equal {
            attribute: attribute.to_owned(),
            value: value.as_ref().to_vec(),
        }
    }

    /// `(attribute=initial*)`.
    pub fn starts_with(attribute: &str, initial: impl AsRef<[u8]>) -> Self {
        Self::Substring {
            attribute: attribute.to_owned(),
            initial: Some(initial.as_ref().to_vec()).filter(|initial| !initial.is_empty()),
            any: Vec::new(),
            last: None,
        }
    }

    /// `(attribute>=value)`.
    pub fn greater_or_equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::GreaterOrEqual {
            attribute: attribute.to_owned(),
            value: value.as_ref().to_vec(),
        }
    }

    /// `(attribute<=value)`.
    pub fn less_or_equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::LessOrEqual {
            attribute: attribute.to_owned(),
            value: value.as_ref().to_vec(),
        }
    }

    /// `(attribute:rule:=value)`.
    pub fn matching(attribute: &str, rule: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Extensible {
            attribute: Some(attribute.to_owned()),
            rule: Some(rule.to_owned()),
            value: value.as_ref().to_vec(),
            dn_attributes: false,
        }
    }

    /// `(&...)`.
    pub fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::And(parts.into_iter().collect())
    }

    /// `(|...)`.
    pub fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::Or(parts.into_iter().collect())
    }

    /// `(!...)`.
    #[expect(
        clippy::should_implement_trait,
        reason = "a filter is built by name: and, or, not"
    )]
    pub fn not(part: Self) -> Self {
        Self::Not(Box::new(part))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let mut comparison = |tag, attribute: &str, value: &[u8]| {
            writer.constructed(tag, |writer| {
                writer.octets(attribute.as_bytes());
                writer.octets(value);
            });
        };
        match self {
            Self::Equal { attribute, value } => comparison(0xa3, attribute, value),
            Self::GreaterOrEqual { attribute, value } => comparison(0xa5, attribute, value),
            Self::LessOrEqual { attribute, value } => comparison(0xa6, attribute, value),
            Self::Approximate { attribute, value } => comparison(0xa8, attribute, value),
            Self::And(parts) => set(writer, 0xa0, parts),
            Self::Or(parts) => set(writer, 0xa1, parts),
            Self::Not(part) => writer.constructed(0xa2, |writer| part.write(writer)),
            Self::Present(attribute) => writer.primitive(0x87, attribute.as_bytes()),
            Self::Substring {
                attribute,
                initial: None,
                any,
                last: None,
            } if any.is_empty() => {
                writer.primitive(0x87, attribute.as_bytes());
            }
            Self::Substring {
                attribute,
                initial,
                any,
                last,
            } => {
                writer.constructed(0xa4, |writer| {
                    writer.octets(attribute.as_bytes());
                    writer.constructed(0x30, |writer| {
                        if let Some(initial) = initial {
                            writer.primitive(0x80, initial);
                        }
                        for piece in any {
                            writer.primitive(0x81, piece);
                        }
                        if let Some(last) = last {
                            writer.primitive(0x82, last);
                        }
                    });
                });
            }
            Self::Extensible {
                attribute,
                rule,
                value,
                dn_attributes,
            } => {
                writer.constructed(0xa9, |writer| {
                    if let Some(rule) = rule {
                        writer.primitive(0x81, rule.as_bytes());
                    }
                    if let Some(attribute) = attribute {
                        writer.primitive(0x82, attribute.as_bytes());
                    }
                    writer.primitive(0x83, value);
                    if *dn_attributes {
                        writer.boolean(0x84, true);
                    }
                });
            }
        }
    }
}

fn set(writer: &mut Writer, tag: u8, parts: &[Filter]) {
    writer.constructed(tag, |writer| {
        for part in parts {
            part.write(writer);
        }
    });
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |f: &mut fmt::Formatter<'_>, sign, parts: &[Self]| {
            write!(f, "({sign}")?;
            parts.iter().try_for_each(|part| part.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::And(parts) => all(f, '&', parts),
            Self::Or(parts) => all(f, '|', parts),
            Self::Not(part) => write!(f, "(!{part})"),
            Self::Present(attribute) => write!(f, "({}=*)", Name(attribute)),
            Self::Equal { attribute, value } => {
                write!(f, "({}={})", Name(attribute), Escaped(value))
            }
            Self::GreaterOrEqual { attribute, value } => {
                write!(f, "({}>={})", Name(attribute), Escaped(value))
            }
            Self::LessOrEqual { attribute, value } => {
                write!(f, "({}<={})", Name(attribute), Escaped(value))
            }
            Self::Approximate { attribute, value } => {
                write!(f, "({}~={})", Name(attribute), Escaped(value))
            }
            Self::Substring {
                attribute,
                initial,
                any,
                last,
            } => {
                write!(
                    f,
                    "({}={}*",
                    Name(attribute),
                    Escaped(initial.as_deref().unwrap_or(b""))
                )?;
                any.iter()
                    .try_for_each(|piece| write!(f, "{}*", Escaped(piece)))?;
                write!(f, "{})", Escaped(last.as_deref().unwrap_or(b"")))
            }
            Self::Extensible {
                attribute,
                rule,
                value,
                dn_attributes,
            } => {
                write!(f, "({}", Name(attribute.as_deref().unwrap_or("")))?;
                if *dn_attributes {
                    f.write_str(":dn")?;
                }
                if let Some(rule) = rule {
                    write!(f, ":{}", Name(rule))?;
                }
                write!(f, ":={})", Escaped(value))
            }
        }
    }
}

/// A value in the text form: what has a meaning, and what is no printable UTF-8, as `\xx`.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || matches!(c, '*' | '(' | ')' | '\\') {
                    let mut octets = [0; 4];
                    c.encode_utf8(&mut octets)
                        .bytes()
                        .try_for_each(|b| write!(f, "\\{b:02x}"))?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            chunk
                .invalid()
                .iter()
                .try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
        }
        Ok(())
    }
}

/// An attribute or rule in the text form; a byte that no name may have can't end it.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| {
            if is_name_byte(byte) {
                write!(f, "{}", char::from(byte))
            } else {
                write!(f, "\\{byte:02x}")
            }
        })
    }
}

/// Whether a description may have this byte (RFC 4512 2.5); `_` is not in the RFC but is in use.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';' | b'_')
}

#[cfg(test)]
mod tests;
