//! Responses from bytes (RFC 4511 4.1.9, 4.2.2, 4.5.2, 4.12).
//!
//! Invariant: unknown trailing elements are skipped as RFC 4511 section 4 demands; anything else
//! that the grammar does not allow is [`Malformed`].

use super::{Malformed, Reader, Writer, op, tag};
use crate::control::Control;
use crate::entry::{Attribute, Entry};
use crate::error::{Error, Operation, ResultCode};

/// A message whose operation has not been read yet (RFC 4511 4.1.1).
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) id: i32,
    pub(crate) op: u8,
    content: &'a [u8],
    controls: Option<&'a [u8]>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Reader::new(
            Reader::new(message).expect(tag::SEQUENCE, "a message that is no sequence")?,
        );
        let id = message.integer(tag::INTEGER, "a message without an id")?;
        let id = i32::try_from(id).ok().filter(|id| *id >= 0);
        let id = id.ok_or(Malformed("a message id out of range"))?;
        let (op, content) = message.element()?;
        let controls = message.optional(0xa0)?;
        Ok(Self {
            id,
            op,
            content,
            controls,
        })
    }

    /// Whether this message ends its operation.
    pub(crate) fn is_last(&self) -> bool {
        !matches!(
            self.op,
            op::SEARCH_ENTRY | op::SEARCH_REFERENCE | op::INTERMEDIATE_RESPONSE
        )
    }

    /// Whether a server may send this kind of message at all.
    pub(crate) fn is_response(&self) -> bool {
        matches!(
            self.op,
            op::BIND_RESPONSE
                | op::SEARCH_ENTRY
                | op::SEARCH_DONE
                | op::SEARCH_REFERENCE
                | op::MODIFY_RESPONSE
                | op::ADD_RESPONSE
                | op::DELETE_RESPONSE
                | op::MODIFY_DN_RESPONSE
                | op::COMPARE_RESPONSE
                | op::EXTENDED_RESPONSE
                | op::INTERMEDIATE_RESPONSE
        )
    }

    /// Whether `outcome`, read from this message, may answer a request that is answered by `answer`.
    ///
    /// Samba refuses a request that it does not even look into, such as one with a critical
    /// control it does not know, by an extended response.
    pub(crate) fn answers(&self, answer: u8, outcome: &Outcome) -> bool {
        let verdict = [
            ResultCode::SUCCESS,
            ResultCode::COMPARE_FALSE,
            ResultCode::COMPARE_TRUE,
        ];
        self.op == answer || (self.op == op::EXTENDED_RESPONSE && !verdict.contains(&outcome.code))
    }

    /// The controls of the message.
    pub(crate) fn controls(&self) -> Result<Vec<Control>, Malformed> {
        let mut reader = Reader::new(self.controls.unwrap_or_default());
        let mut controls = Vec::new();
        while !reader.is_empty() {
            controls.push(Control::read(&mut reader)?);
        }
        Ok(controls)
    }

    /// Reads the operation.
    pub(crate) fn response(&self) -> Result<Response, Malformed> {
        Ok(match self.op {
            op::SEARCH_ENTRY => Response::Entry(entry(self.content)?),
            op::SEARCH_REFERENCE => Response::Reference(urls(self.content)?),
            op::INTERMEDIATE_RESPONSE => Response::Intermediate,
            _ if self.is_response() => Response::Outcome(Outcome::read(self.content)?),
            _ => return Err(Malformed("an unknown operation")),
        })
    }
}

/// What a server may answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Response {
    Entry(Entry),
    Reference(Vec<String>),
    Intermediate,
    Outcome(Outcome),
}

/// How an operation ended: an `LDAPResult` (RFC 4511 4.1.9), with the name of an extended response.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The result.
    pub code: ResultCode,
    /// The nearest ancestor that exists, when the object does not.
    pub matched_dn: String,
    /// For people; possibly empty.
    pub message: String,
    /// What the server says in a SASL bind (RFC 4511 4.2.2).
    pub sasl_credentials: Option<Box<[u8]>>,
    pub(crate) referral: Vec<String>,
    pub(crate) name: Option<String>,
}

impl Outcome {
    /// A result with a text for people.
    pub fn new(code: ResultCode, message: impl Into<String>) -> Self {
        Self {
            code,
            matched_dn: String::new(),
            message: message.into(),
            sasl_credentials: None,
            referral: Vec::new(),
            name: None,
        }
    }

    /// Success has no text.
    pub fn success() -> Self {
        Self::new(ResultCode::SUCCESS, "")
    }

    /// Writes what every answer begins with; a server here refers to no other.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.integer(tag::ENUMERATED, i64::from(self.code.0));
        writer.octets(self.matched_dn.as_bytes());
        writer.octets(self.message.as_bytes());
        if let Some(credentials) = &self.sasl_credentials {
            writer.primitive(0x87, credentials);
        }
    }

    fn read(content: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(content);
        let code = reader.integer(tag::ENUMERATED, "a result without a code")?;
        let code = u32::try_from(code).map_err(|_| Malformed("a negative result code"))?;
        // Diagnostics are for people; servers of this world send them in local code pages.
        let matched_dn = reader.expect(tag::OCTET_STRING, "a result without a matched DN")?;
        let message = reader.expect(tag::OCTET_STRING, "a result without a message")?;
        let referral = reader
            .optional(0xa3)?
            .map(urls)
            .transpose()?
            .unwrap_or_default();
        let (mut name, mut sasl_credentials) = (None, None);
        while !reader.is_empty() {
            match reader.element()? {
                (0x8a, content) => name = Some(String::from_utf8_lossy(content).into_owned()),
                (0x87, content) => sasl_credentials = Some(content.into()),
                _ => {}
            }
        }
        Ok(Self {
            code: ResultCode(code),
            matched_dn: String::from_utf8_lossy(matched_dn).into_owned(),
            message: String::from_utf8_lossy(message).into_owned(),
            sasl_credentials,
            referral,
            name,
        })
    }

    /// `Ok` for success, the fitting error otherwise.
    pub(crate) fn check(self, operation: Operation) -> Result<(), Error> {
        match self.code {
            ResultCode::SUCCESS => Ok(()),
            ResultCode::REFERRAL => Err(Error::Referral {
                operation,
                urls: self.referral,
            }),
            code @ (ResultCode::TIME_LIMIT_EXCEEDED
            | ResultCode::SIZE_LIMIT_EXCEEDED
            | ResultCode::ADMIN_LIMIT_EXCEEDED)
                if operation == Operation::Search =>
            {
                Err(Error::Incomplete {
                    code,
                    message: self.message,
                })
            }
            code => Err(Error::Refused {
                operation,
                code,
                message: self.message,
                matched_dn: self.matched_dn,
            }),
        }
    }
}

/// RFC 4511 4.5.2, `SearchResultEntry`: the hot path of every audit.
fn entry(content: &[u8]) -> Result<Entry, Malformed> {
    let mut reader = Reader::new(content);
    let dn = reader.text("an entry whose name is not UTF-8")?.to_owned();
    let mut list = reader.inside(tag::SEQUENCE, "an entry without attributes")?;
    let mut attributes = Vec::with_capacity(8);
    while !list.is_empty() {
        let mut attribute = list.inside(tag::SEQUENCE, "an attribute that is none")?;
        let description = attribute.text("an attribute whose name is not UTF-8")?;
        let mut set = attribute.inside(tag::SET, "an attribute without a value set")?;
        let mut values = Vec::new();
        // Most attributes have one value: that one is stored without room for more.
        if !set.is_empty() {
            let first = set.expect(tag::OCTET_STRING, VALUE)?.to_vec();
            if set.is_empty() {
                values = vec![first];
            } else {
                values.push(first);
                while !set.is_empty() {
                    values.push(set.expect(tag::OCTET_STRING, VALUE)?.to_vec());
                }
            }
        }
        attributes.push(Attribute::new(description, values));
    }
    Ok(Entry { dn, attributes })
}

const VALUE: &str = "a value that is no octet string";

fn urls(content: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut reader = Reader::new(content);
    let mut urls = Vec::new();
    while !reader.is_empty() {
        urls.push(reader.text("a referral that is not UTF-8")?.to_owned());
    }
    Ok(urls)
}
