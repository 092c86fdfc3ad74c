//! SPNEGO (RFC 4178, [MS-SPNG]): which mechanism, and the mechanism's messages inside.
//!
//! Only Kerberos and NTLM are negotiated. A client's first message carries the token of the mechanism it
//! likes best; where that is taken, no integrity code over the list of mechanisms is needed (RFC 4178 5).
//!
//! Invariant: reading gives one mechanism's token or nothing; nothing nests.

use crate::Malformed;
use crate::der::{
    ENUMERATED, OCTETS, OID, Reader, SEQUENCE, application, context, element, field, sequence,
};
use crate::ntlm::is_ntlm;

/// A way to log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// Kerberos (RFC 4121).
    Kerberos,
    /// Kerberos under the number that Windows 2000 gave it, which Windows still likes best.
    KerberosOfWindows,
    /// NTLM ([MS-NLMP]).
    Ntlm,
}

/// 1.3.6.1.5.5.2.
const SPNEGO: &[u8] = &[0x2b, 6, 1, 5, 5, 2];
/// Most mechanisms that a client may list.
const MOST: usize = 32;

impl Mechanism {
    const ALL: [Self; 3] = [Self::Kerberos, Self::KerberosOfWindows, Self::Ntlm];

    /// 1.2.840.113554.1.2.2, 1.2.840.48018.1.2.2, 1.3.6.1.4.1.311.2.2.10.
    fn oid(self) -> &'static [u8] {
        match self {
            Self::Kerberos => &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2],
            Self::KerberosOfWindows => &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2],
            Self::Ntlm => &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a],
        }
    }

    fn of(oid: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.oid() == oid)
    }

    /// Whether this is Kerberos, by either number.
    pub fn is_kerberos(self) -> bool {
        matches!(self, Self::Kerberos | Self::KerberosOfWindows)
    }
}

/// A client's message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message<'a> {
    /// A mechanism's token without SPNEGO around it.
    Bare(Mechanism, &'a [u8]),
    /// The first message: mechanisms in the order in which the client likes them, and a token of the
    /// first, if it sent one.
    Init {
        /// Those that are known here.
        mechanisms: Vec<Mechanism>,
        /// Whether the client's favourite is the first of them.
        favourite: bool,
        /// The token.
        token: Option<&'a [u8]>,
    },
    /// A later message.
    Response {
        /// The token.
        token: Option<&'a [u8]>,
    },
}

/// How far a negotiation is (RFC 4178 4.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// The login is done.
    Completed,
    /// More is to be said.
    Incomplete,
    /// No.
    Rejected,
}

/// Reads a client's message.
pub fn read(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    if is_ntlm(bytes) {
        return Ok(Message::Bare(Mechanism::Ntlm, bytes));
    }
    let mut reader = Reader::new(bytes);
    if bytes.first() != Some(&application(0)) {
        return response(reader.enter(context(1))?).map(|(_, token)| Message::Response { token });
    }
    let mut outer = reader.enter(application(0))?;
    let oid = outer.take(OID)?;
    if oid != SPNEGO {
        let mechanism = Mechanism::of(oid).ok_or(Malformed("a mechanism that is not known"))?;
        // The token is whole only with its outer tag and its number.
        return Ok(Message::Bare(mechanism, bytes));
    }
    let mut init = outer.enter(context(0))?.enter(SEQUENCE)?;
    let mut listed = Reader::new(init.field(0, SEQUENCE)?);
    let mut mechanisms = Vec::new();
    let mut favourite = false;
    let mut count = 0usize;
    while !listed.is_empty() {
        count = count.saturating_add(1);
        if count > MOST {
            return Err(Malformed("too many mechanisms"));
        }
        if let Some(mechanism) = Mechanism::of(listed.take(OID)?) {
            favourite |= count == 1;
            mechanisms.push(mechanism);
        }
    }
    init.optional(context(1))?;
    let token = init.optional_field(2, OCTETS)?;
    Ok(Message::Init {
        mechanisms,
        favourite,
        token,
    })
}

/// Reads a server's message: how far it is, and the mechanism's token.
pub fn read_response(bytes: &[u8]) -> Result<(State, Option<&[u8]>), Malformed> {
    response(Reader::new(bytes).enter(context(1))?)
}

fn response(mut inside: Reader<'_>) -> Result<(State, Option<&[u8]>), Malformed> {
    let mut response = inside.enter(SEQUENCE)?;
    let state = match response.optional_field(0, ENUMERATED)? {
        Some([0]) => State::Completed,
        Some([1 | 3]) | None => State::Incomplete,
        Some([2]) => State::Rejected,
        Some(_) => return Err(Malformed("a state that SPNEGO does not have")),
    };
    response.optional_field(1, OID)?;
    let token = response.optional_field(2, OCTETS)?;
    Ok((state, token))
}

/// A server's message. The mechanism stands only in the first.
pub fn respond(state: State, mechanism: Option<Mechanism>, token: Option<&[u8]>) -> Vec<u8> {
    let state = match state {
        State::Completed => 0,
        State::Incomplete => 1,
        State::Rejected => 2,
    };
    let mut parts = vec![field(0, &element(ENUMERATED, &[state]))];
    parts.extend(mechanism.map(|mechanism| field(1, &element(OID, mechanism.oid()))));
    parts.extend(token.map(|token| field(2, &element(OCTETS, token))));
    field(1, &sequence(&parts))
}

/// A client's first message.
pub fn init(mechanisms: &[Mechanism], token: &[u8]) -> Vec<u8> {
    let listed: Vec<Vec<u8>> = mechanisms
        .iter()
        .map(|mechanism| element(OID, mechanism.oid()))
        .collect();
    let init = sequence(&[
        field(0, &sequence(&listed)),
        field(2, &element(OCTETS, token)),
    ]);
    let mut inside = element(OID, SPNEGO);
    inside.extend_from_slice(&field(0, &init));
    element(application(0), &inside)
}

/// A token of Kerberos with its frame (RFC 2743 3.1, RFC 4121 4.1).
pub(crate) fn framed(kind: [u8; 2], message: &[u8]) -> Vec<u8> {
    let mut inside = element(OID, Mechanism::Kerberos.oid());
    inside.extend_from_slice(&kind);
    inside.extend_from_slice(message);
    element(application(0), &inside)
}

/// Kind and message of a framed token of Kerberos.
pub(crate) fn unframed(token: &[u8]) -> Result<([u8; 2], &[u8]), Malformed> {
    let mut inside = Reader::new(token).enter(application(0))?;
    if !Mechanism::of(inside.take(OID)?).is_some_and(Mechanism::is_kerberos) {
        return Err(Malformed("not a token of Kerberos"));
    }
    let (kind, message) = inside
        .rest()
        .split_first_chunk::<2>()
        .ok_or(Malformed("a token of Kerberos is cut off"))?;
    Ok((*kind, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_negotiation_comes_back() {
        let listed = [
            Mechanism::KerberosOfWindows,
            Mechanism::Kerberos,
            Mechanism::Ntlm,
        ];
        let bytes = init(&listed, b"ticket");
        let expected = Message::Init {
            mechanisms: listed.to_vec(),
            favourite: true,
            token: Some(b"ticket"),
        };
        assert_eq!(read(&bytes), Ok(expected));
        for state in [State::Completed, State::Incomplete, State::Rejected] {
            let bytes = respond(state, Some(Mechanism::Kerberos), Some(b"proof"));
            assert_eq!(read_response(&bytes), Ok((state, Some(&b"proof"[..]))));
        }
        let bytes = respond(State::Completed, None, None);
        assert_eq!(read_response(&bytes), Ok((State::Completed, None)));
        assert_eq!(read(&bytes), Ok(Message::Response { token: None }));
    }

    #[test]
    fn tokens_without_a_negotiation_are_told_apart() {
        let ntlm = b"NTLMSSP\0\x01\0\0\0";
        assert_eq!(read(ntlm), Ok(Message::Bare(Mechanism::Ntlm, ntlm)));
        let kerberos = framed([1, 0], b"ap-req");
        assert_eq!(
            read(&kerberos),
            Ok(Message::Bare(Mechanism::Kerberos, &kerberos))
        );
        assert_eq!(unframed(&kerberos), Ok(([1, 0], &b"ap-req"[..])));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            let _ = read(&bytes);
            let _ = read_response(&bytes);
            let _ = unframed(&bytes);
        }
    }
}
