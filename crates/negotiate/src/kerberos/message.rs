//! The messages of Kerberos in DER (RFC 4120 5), those parts that are looked at.
//!
//! Invariant: a message is read whole or not at all; fields that mean nothing here are passed over.

use super::{Encryption, Key, Moment, Principal};
use crate::Malformed;
use crate::der::{
    BIT_STRING, GENERAL_STRING, GENERALIZED_TIME, OCTETS, Reader, SEQUENCE, application, context,
    element, field, integer, sequence,
};

/// Numbers of messages (RFC 4120 7.5.7), which are their tags, too.
pub(super) mod kind {
    pub(crate) const AS_REQUEST: u8 = 10;
    pub(crate) const AS_REPLY: u8 = 11;
    pub(crate) const TGS_REQUEST: u8 = 12;
    pub(crate) const TGS_REPLY: u8 = 13;
    pub(crate) const AP_REQUEST: u8 = 14;
    pub(crate) const AP_REPLY: u8 = 15;
    pub(crate) const ERROR: u8 = 30;
}

/// Tags of what is inside.
const TICKET: u8 = 1;
const AUTHENTICATOR: u8 = 2;
const TICKET_PART: u8 = 3;
const AP_REPLY_PART: u8 = 27;

/// `ap-options` bit 2: the server has to prove itself.
const MUTUAL: u8 = 0x20;

/// `TicketFlags` bit 7 (RFC 4120 5.3).
const INVALID: u8 = 0x01;
/// `TicketFlags` bit 12, in the second byte.
const WAY_CHECKED: u8 = 0x08;

/// Text as it is; Kerberos says IA5, and Windows sends UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<String, Malformed> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a name that is not UTF-8"))
}

pub(super) fn string(text: &str) -> Vec<u8> {
    element(GENERAL_STRING, text.as_bytes())
}

/// `PrincipalName`.
pub(super) fn name(bytes: &[u8], realm: &[u8]) -> Result<Principal, Malformed> {
    /// Parts that a name may have.
    const MOST: usize = 16;
    let mut reader = Reader::new(bytes);
    let kind = reader.number(0)?;
    let mut parts = Reader::new(reader.field(1, SEQUENCE)?);
    let mut found = Vec::new();
    while !parts.is_empty() {
        found.push(text(parts.take(GENERAL_STRING)?)?);
        if found.len() > MOST {
            return Err(Malformed("a name of too many parts"));
        }
    }
    Ok(Principal {
        kind,
        name: found,
        realm: text(realm)?,
    })
}

pub(super) fn write_name(principal: &Principal) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = principal.name.iter().map(|part| string(part)).collect();
    sequence(&[
        field(0, &integer(principal.kind)),
        field(1, &sequence(&parts)),
    ])
}

/// `EncryptedData`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sealed {
    pub number: i64,
    pub version: Option<i64>,
    pub bytes: Vec<u8>,
}

impl Sealed {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        Ok(Self {
            number: reader.number(0)?,
            version: reader.optional_number(1)?,
            bytes: reader.field(2, OCTETS)?.to_vec(),
        })
    }

    pub(super) fn new(key: &Key, bytes: Vec<u8>) -> Self {
        Self {
            number: key.encryption.number(),
            version: None,
            bytes,
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut parts = vec![field(0, &integer(self.number))];
        parts.extend(self.version.map(|version| field(1, &integer(version))));
        parts.push(field(2, &element(OCTETS, &self.bytes)));
        sequence(&parts)
    }
}

/// `EncryptionKey`; `None` inside for a type that is not known here.
pub(super) fn key(bytes: &[u8]) -> Result<Option<Key>, Malformed> {
    let mut reader = Reader::new(bytes);
    let encryption = Encryption::numbered(reader.number(0)?);
    let bytes = reader.field(1, OCTETS)?;
    Ok(encryption.and_then(|encryption| Key::new(encryption, bytes)))
}

/// A key for the messages after a login; without it they could not be read.
fn subkey(bytes: &[u8]) -> Result<Key, Malformed> {
    key(bytes)?.ok_or(Malformed("a subkey of a type that is not spoken here"))
}

pub(super) fn write_key(key: &Key) -> Vec<u8> {
    sequence(&[
        field(0, &integer(key.encryption.number())),
        field(1, &element(OCTETS, &key.bytes)),
    ])
}

/// `Ticket`, with the bytes it was read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TicketMessage {
    pub service: Principal,
    pub sealed: Sealed,
    pub bytes: Vec<u8>,
}

impl TicketMessage {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(TICKET))?
            .enter(SEQUENCE)?;
        reader.number(0)?;
        let realm = reader.field(1, GENERAL_STRING)?;
        Ok(Self {
            service: name(reader.field(2, SEQUENCE)?, realm)?,
            sealed: Sealed::read(reader.field(3, SEQUENCE)?)?,
            bytes: bytes.to_vec(),
        })
    }

    #[cfg(any(test, feature = "mint"))]
    pub(super) fn write(service: &Principal, sealed: &Sealed) -> Vec<u8> {
        let inside = sequence(&[
            field(0, &integer(5)),
            field(1, &string(&service.realm)),
            field(2, &write_name(service)),
            field(3, &sealed.write()),
        ]);
        element(application(TICKET), &inside)
    }
}

/// `AP-REQ`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ApRequest {
    pub mutual: bool,
    pub ticket: TicketMessage,
    pub authenticator: Sealed,
}

impl ApRequest {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(kind::AP_REQUEST))?
            .enter(SEQUENCE)?;
        reader.number(0)?;
        reader.number(1)?;
        let options = reader.field(2, BIT_STRING)?;
        let ticket = reader.take(context(3))?;
        Ok(Self {
            mutual: options.get(1).is_some_and(|first| first & MUTUAL != 0),
            ticket: TicketMessage::read(ticket)?,
            authenticator: Sealed::read(reader.field(4, SEQUENCE)?)?,
        })
    }

    pub(super) fn write(mutual: bool, ticket: &[u8], authenticator: &Sealed) -> Vec<u8> {
        let options = [0, if mutual { MUTUAL } else { 0 }, 0, 0, 0];
        let inside = sequence(&[
            field(0, &integer(5)),
            field(1, &integer(i64::from(kind::AP_REQUEST))),
            field(2, &element(BIT_STRING, &options)),
            field(3, ticket),
            field(4, &authenticator.write()),
        ]);
        element(application(kind::AP_REQUEST), &inside)
    }
}

/// `EncTicketPart`.
#[derive(Debug)]
pub(super) struct TicketPart {
    /// A postdated ticket that no centre has made valid yet (RFC 4120 2.2).
    pub invalid: bool,
    /// Whether a centre has checked the realms that the client came through (`TRANSITED-POLICY-CHECKED`).
    pub way_is_checked: bool,
    /// Whether the client came through no realm but its own and the service's.
    pub came_straight: bool,
    pub key: Option<Key>,
    pub client: Principal,
    pub starts: Moment,
    pub ends: Moment,
}

impl TicketPart {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(TICKET_PART))?
            .enter(SEQUENCE)?;
        let flags = reader.field(0, BIT_STRING)?;
        let key = key(reader.field(1, SEQUENCE)?)?;
        let realm = reader.field(2, GENERAL_STRING)?;
        let client = name(reader.field(3, SEQUENCE)?, realm)?;
        let mut way = Reader::new(reader.field(4, SEQUENCE)?);
        way.number(0)?;
        let came_straight = way.field(1, OCTETS)?.is_empty();
        let proved = Moment::read(reader.field(5, GENERALIZED_TIME)?)?;
        let starts = reader.optional_field(6, GENERALIZED_TIME)?;
        Ok(Self {
            invalid: flags.get(1).is_some_and(|first| first & INVALID != 0),
            way_is_checked: flags.get(2).is_some_and(|second| second & WAY_CHECKED != 0),
            came_straight,
            key,
            client,
            starts: starts.map(Moment::read).transpose()?.unwrap_or(proved),
            ends: Moment::read(reader.field(7, GENERALIZED_TIME)?)?,
        })
    }

    #[cfg(any(test, feature = "mint"))]
    pub(super) fn write(
        flags: [u8; 2],
        way: &[u8],
        key: &Key,
        client: &Principal,
        starts: Moment,
        ends: Moment,
    ) -> Vec<u8> {
        let inside = sequence(&[
            field(0, &element(BIT_STRING, &[0, flags[0], flags[1], 0, 0])),
            field(1, &write_key(key)),
            field(2, &string(&client.realm)),
            field(3, &write_name(client)),
            field(
                4,
                &sequence(&[field(0, &integer(1)), field(1, &element(OCTETS, way))]),
            ),
            field(5, &starts.write()),
            field(7, &ends.write()),
        ]);
        element(application(TICKET_PART), &inside)
    }
}

/// `Authenticator`.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Eq, PartialEq))]
pub(super) struct Authenticator {
    pub client: Principal,
    /// Type and value.
    pub checksum: Option<(i64, Vec<u8>)>,
    pub when: Moment,
    /// A key that the client chose for the messages after the login.
    pub subkey: Option<Key>,
    pub sequence: Option<i64>,
}

impl Authenticator {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(AUTHENTICATOR))?
            .enter(SEQUENCE)?;
        reader.number(0)?;
        let realm = reader.field(1, GENERAL_STRING)?;
        let client = name(reader.field(2, SEQUENCE)?, realm)?;
        let checksum = match reader.optional_field(3, SEQUENCE)? {
            Some(bytes) => {
                let mut reader = Reader::new(bytes);
                Some((reader.number(0)?, reader.field(1, OCTETS)?.to_vec()))
            }
            None => None,
        };
        let micros = reader.number(4)?;
        let mut when = Moment::read(reader.field(5, GENERALIZED_TIME)?)?;
        when.micros = u32::try_from(micros)
            .ok()
            .filter(|micros| *micros < 1_000_000)
            .ok_or(Malformed("more microseconds than a second has"))?;
        let subkey = reader
            .optional_field(6, SEQUENCE)?
            .map(subkey)
            .transpose()?;
        Ok(Self {
            client,
            checksum,
            when,
            subkey,
            sequence: reader.optional_number(7)?,
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut parts = vec![
            field(0, &integer(5)),
            field(1, &string(&self.client.realm)),
            field(2, &write_name(&self.client)),
        ];
        parts.extend(self.checksum.as_ref().map(|(kind, value)| {
            field(
                3,
                &sequence(&[field(0, &integer(*kind)), field(1, &element(OCTETS, value))]),
            )
        }));
        parts.push(field(4, &integer(i64::from(self.when.micros))));
        parts.push(field(5, &self.when.write()));
        let subkey = self.subkey.as_ref();
        parts.extend(subkey.map(|key| field(6, &write_key(key))));
        parts.extend(self.sequence.map(|number| field(7, &integer(number))));
        element(application(AUTHENTICATOR), &sequence(&parts))
    }
}

/// `AP-REP`: what is sealed in it.
pub(super) fn read_ap_reply(bytes: &[u8]) -> Result<Sealed, Malformed> {
    let mut reader = Reader::new(bytes)
        .enter(application(kind::AP_REPLY))?
        .enter(SEQUENCE)?;
    reader.number(0)?;
    reader.number(1)?;
    Sealed::read(reader.field(2, SEQUENCE)?)
}

pub(super) fn write_ap_reply(sealed: &Sealed) -> Vec<u8> {
    let inside = sequence(&[
        field(0, &integer(5)),
        field(1, &integer(i64::from(kind::AP_REPLY))),
        field(2, &sealed.write()),
    ]);
    element(application(kind::AP_REPLY), &inside)
}

/// `EncAPRepPart`.
#[derive(Debug)]
pub(super) struct ApReplyPart {
    /// The moment that the client sent.
    pub when: Moment,
    /// A key that the server chose for the messages after the login.
    pub subkey: Option<Key>,
    /// The number of the server's first message.
    pub sequence: Option<i64>,
}

impl ApReplyPart {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)
            .enter(application(AP_REPLY_PART))?
            .enter(SEQUENCE)?;
        let mut when = Moment::read(reader.field(0, GENERALIZED_TIME)?)?;
        when.micros = u32::try_from(reader.number(1)?)
            .map_err(|_| Malformed("more microseconds than a second has"))?;
        Ok(Self {
            when,
            subkey: reader
                .optional_field(2, SEQUENCE)?
                .map(subkey)
                .transpose()?,
            sequence: reader.optional_number(3)?,
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut parts = vec![
            field(0, &self.when.write()),
            field(1, &integer(i64::from(self.when.micros))),
        ];
        let subkey = self.subkey.as_ref();
        parts.extend(subkey.map(|key| field(2, &write_key(key))));
        parts.extend(self.sequence.map(|number| field(3, &integer(number))));
        element(application(AP_REPLY_PART), &sequence(&parts))
    }
}

/// Whether bytes begin as a message of this kind does.
pub(super) fn is_message(bytes: &[u8], kind: u8) -> bool {
    bytes.first() == Some(&application(kind))
}

#[cfg(test)]
mod tests {
    use super::super::kdc_message::{ErrorMessage, KdcReply, KdcReplyPart, read_hints};
    use super::*;
    use crate::der::{INTEGER, number};
    use proptest::prelude::*;

    #[test]
    fn an_authenticator_comes_back() {
        let authenticator = Authenticator {
            client: Principal::user("jim@contoso.test", "CONTOSO.TEST"),
            checksum: Some((0x8003, vec![1, 2, 3])),
            when: Moment {
                seconds: 1_795_334_929,
                micros: 999_999,
            },
            subkey: Some(Key::random(Encryption::Aes128Sha1).unwrap()),
            sequence: Some(4_000_000_000),
        };
        assert_eq!(
            Authenticator::read(&authenticator.write()),
            Ok(authenticator)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(tag in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let inside = element(SEQUENCE, &bytes);
            let message = element(tag, &inside);
            let _ = ApRequest::read(&message);
            let _ = TicketPart::read(&message);
            let _ = Authenticator::read(&message);
            let _ = ApReplyPart::read(&message);
            let _ = ErrorMessage::read(&message);
            let _ = KdcReply::read(&message, kind::AS_REPLY);
            let _ = KdcReplyPart::read(&message);
            let _ = read_hints(&inside);
            let _ = number(&bytes).map(integer);
            let _ = Reader::new(&message).field(0, INTEGER);
        }
    }
}
