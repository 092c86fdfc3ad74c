//! The messages between a client and a key distribution centre (RFC 4120 5.4 and 5.9).
//!
//! Invariant: a message is read whole or not at all; fields that mean nothing here are passed over.

use super::message::{Sealed, TicketMessage, key, kind, name, string, text, write_name};
use super::{Encryption, Key, Moment, Principal};
use crate::Malformed;
use crate::der::{
    BIT_STRING, GENERAL_STRING, GENERALIZED_TIME, OCTETS, Reader, SEQUENCE, application, context,
    element, field, integer, sequence,
};

const AS_REPLY_PART: u8 = 25;
const TGS_REPLY_PART: u8 = 26;

/// `KRB-ERROR`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ErrorMessage {
    pub code: i64,
    pub server_time: Moment,
    /// The realm to ask instead.
    pub client_realm: Option<String>,
    /// `e-data`.
    pub more: Vec<u8>,
}

impl ErrorMessage {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(kind::ERROR))?
            .enter(SEQUENCE)?;
        reader.number(0)?;
        reader.number(1)?;
        reader.optional(context(2))?;
        reader.optional(context(3))?;
        let server_time = Moment::read(reader.field(4, GENERALIZED_TIME)?)?;
        reader.take(context(5))?;
        let code = reader.number(6)?;
        let client_realm = reader.optional_field(7, GENERAL_STRING)?;
        for n in [8, 9, 10, 11] {
            reader.optional(context(n))?;
        }
        Ok(Self {
            code,
            server_time,
            client_realm: client_realm.map(text).transpose()?,
            more: reader
                .optional_field(12, OCTETS)?
                .unwrap_or_default()
                .to_vec(),
        })
    }
}

/// `ETYPE-INFO2-ENTRY`: how a password becomes a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Hint {
    pub encryption: Encryption,
    pub salt: Option<String>,
    pub rounds: Option<u32>,
}

/// `METHOD-DATA`: the hints of `PA-ETYPE-INFO2` (RFC 4120 5.2.7.5), those of known types.
pub(super) fn read_hints(methods: &[u8]) -> Result<Vec<Hint>, Malformed> {
    const ETYPE_INFO2: i64 = 19;
    const MOST: usize = 32;
    let mut hints = Vec::new();
    let mut methods = Reader::new(methods).enter(SEQUENCE)?;
    while !methods.is_empty() {
        let mut method = methods.enter(SEQUENCE)?;
        let kind = method.number(1)?;
        let value = method.field(2, OCTETS)?;
        if kind != ETYPE_INFO2 {
            continue;
        }
        let mut entries = Reader::new(value).enter(SEQUENCE)?;
        while !entries.is_empty() {
            let mut entry = entries.enter(SEQUENCE)?;
            let encryption = Encryption::numbered(entry.number(0)?);
            let salt = entry.optional_field(1, GENERAL_STRING)?.map(text);
            let rounds = match entry.optional_field(2, OCTETS)? {
                Some(bytes) => Some(
                    bytes
                        .try_into()
                        .map(u32::from_be_bytes)
                        .map_err(|_| Malformed("parameters of a key that are none"))?,
                ),
                None => None,
            };
            if let Some(encryption) = encryption {
                hints.push(Hint {
                    encryption,
                    salt: salt.transpose()?,
                    rounds,
                });
            }
            if hints.len() > MOST {
                return Err(Malformed("too many hints about keys"));
            }
        }
    }
    Ok(hints)
}

/// `AS-REP` or `TGS-REP`.
#[derive(Debug)]
pub(super) struct KdcReply {
    /// `padata`, as `METHOD-DATA`.
    pub methods: Option<Vec<u8>>,
    pub client: Principal,
    pub ticket: TicketMessage,
    pub sealed: Sealed,
}

impl KdcReply {
    pub(super) fn read(bytes: &[u8], kind: u8) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(kind))?
            .enter(SEQUENCE)?;
        reader.number(0)?;
        reader.number(1)?;
        let methods = reader.optional(context(2))?;
        let realm = reader.field(3, GENERAL_STRING)?;
        let client = name(reader.field(4, SEQUENCE)?, realm)?;
        Ok(Self {
            methods: methods.map(<[u8]>::to_vec),
            client,
            ticket: TicketMessage::read(reader.take(context(5))?)?,
            sealed: Sealed::read(reader.field(6, SEQUENCE)?)?,
        })
    }
}

/// `EncKDCRepPart`.
#[derive(Debug)]
pub(super) struct KdcReplyPart {
    pub key: Option<Key>,
    pub nonce: i64,
    pub ends: Moment,
    pub service: Principal,
}

impl KdcReplyPart {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(bytes);
        let (tag, _) = outer.any()?;
        // Some servers use the one tag for both.
        if tag != application(AS_REPLY_PART) && tag != application(TGS_REPLY_PART) {
            return Err(Malformed("the sealed part of an answer is another"));
        }
        let mut reader = Reader::new(bytes).enter(tag)?.enter(SEQUENCE)?;
        let key = key(reader.field(0, SEQUENCE)?)?;
        reader.take(context(1))?;
        let nonce = reader.number(2)?;
        for n in [3, 4, 5, 6] {
            reader.optional(context(n))?;
        }
        let ends = Moment::read(reader.field(7, GENERALIZED_TIME)?)?;
        reader.optional(context(8))?;
        let realm = reader.field(9, GENERAL_STRING)?;
        Ok(Self {
            key,
            nonce,
            ends,
            service: name(reader.field(10, SEQUENCE)?, realm)?,
        })
    }
}

/// What is asked of a key distribution centre.
pub(super) struct KdcRequest<'a> {
    /// The client, in an AS-REQ.
    pub client: Option<&'a Principal>,
    pub service: &'a Principal,
    pub until: Moment,
    pub nonce: u32,
    pub encryptions: &'a [Encryption],
}

impl KdcRequest<'_> {
    /// `KDC-REQ-BODY`.
    pub(super) fn body(&self) -> Vec<u8> {
        /// `canonicalize` (RFC 6806 3): the directory may know the client by another name.
        const OPTIONS: [u8; 5] = [0, 0, 1, 0, 0];
        let numbers: Vec<Vec<u8>> = self
            .encryptions
            .iter()
            .map(|encryption| integer(encryption.number()))
            .collect();
        let mut parts = vec![field(0, &element(BIT_STRING, &OPTIONS))];
        parts.extend(self.client.map(|client| field(1, &write_name(client))));
        parts.extend([
            field(2, &string(&self.service.realm)),
            field(3, &write_name(self.service)),
            field(5, &self.until.write()),
            field(7, &integer(i64::from(self.nonce))),
            field(8, &sequence(&numbers)),
        ]);
        sequence(&parts)
    }
}

/// `KDC-REQ`: a body, and what proves it; each method is a number and a value.
pub(super) fn write_request(kind: u8, methods: &[(i64, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let mut parts = vec![field(1, &integer(5)), field(2, &integer(i64::from(kind)))];
    if !methods.is_empty() {
        let methods: Vec<Vec<u8>> = methods
            .iter()
            .map(|(kind, value)| {
                sequence(&[field(1, &integer(*kind)), field(2, &element(OCTETS, value))])
            })
            .collect();
        parts.push(field(3, &sequence(&methods)));
    }
    parts.push(field(4, body));
    element(application(kind), &sequence(&parts))
}

/// `PA-ENC-TS-ENC`: the present moment, which proves that the client has the key now.
pub(super) fn write_timestamp(now: Moment) -> Vec<u8> {
    sequence(&[
        field(0, &now.write()),
        field(1, &integer(i64::from(now.micros))),
    ])
}
