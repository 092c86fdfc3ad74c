//! The three messages as bytes ([MS-NLMP] 2.2.1), and the list of names inside two of them (2.2.2.1).
//!
//! Invariant: whatever an offset says, nothing outside of the message is read.

use super::flag;
use crate::Malformed;

pub(super) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Longest answer that is looked at; of the other two, half as much, as an answer repeats what is in them.
const LONGEST: usize = 32 * 1024;
/// Most names in the list of a challenge; an answer has a few more.
pub(super) const MOST_TOLD: usize = 64;
/// Most names in any list.
const MOST_PAIRS: usize = 2 * MOST_TOLD;

/// Names in a list.
pub(super) mod pair {
    pub(crate) const END: u16 = 0;
    pub(crate) const NETBIOS_COMPUTER: u16 = 1;
    pub(crate) const NETBIOS_DOMAIN: u16 = 2;
    pub(crate) const DNS_COMPUTER: u16 = 3;
    pub(crate) const DNS_DOMAIN: u16 = 4;
    pub(crate) const FLAGS: u16 = 6;
    pub(crate) const TIMESTAMP: u16 = 7;
    pub(crate) const TARGET_NAME: u16 = 9;
    pub(crate) const CHANNEL_BINDINGS: u16 = 10;
}

/// A message integrity code is in the message.
pub(super) const HAS_CODE: u32 = 0x2;
/// The service's name came from an untrusted source.
pub(super) const UNVERIFIED: u32 = 0x4;
/// Where it is.
pub(super) const CODE: std::ops::Range<usize> = 72..88;

/// Whether bytes begin as an NTLM message does.
pub fn is_ntlm(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// A message of this type.
pub(super) fn message(bytes: &[u8], kind: u32) -> Result<Message<'_>, Malformed> {
    if bytes.len() > if kind == 3 { LONGEST } else { LONGEST / 2 } {
        return Err(Malformed("an NTLM message that is too long"));
    }
    if !is_ntlm(bytes) {
        return Err(Malformed("not an NTLM message"));
    }
    let message = Message(bytes);
    if message.u32(8)? == kind {
        Ok(message)
    } else {
        Err(Malformed("another NTLM message than there has to be"))
    }
}

/// A message.
#[derive(Clone, Copy)]
pub(super) struct Message<'a>(pub(super) &'a [u8]);

impl<'a> Message<'a> {
    pub(super) fn u32(self, at: usize) -> Result<u32, Malformed> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Malformed> {
        self.0
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .ok_or(Malformed("an NTLM message is cut off"))
    }

    /// What a field of length, room and offset at `at` means.
    pub(super) fn field(self, at: usize) -> Result<&'a [u8], Malformed> {
        let [low, high, _, _, o0, o1, o2, o3] = self.array(at)?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length == 0 {
            return Ok(&[]);
        }
        let offset = usize::try_from(u32::from_le_bytes([o0, o1, o2, o3])).unwrap_or(usize::MAX);
        self.0
            .get(offset..)
            .and_then(|rest| rest.get(..length))
            .ok_or(Malformed("a field points out of its NTLM message"))
    }
}

/// Text as the flags say: UTF-16LE, or one byte a character.
pub(super) fn text(bytes: &[u8], flags: u32) -> Result<String, Malformed> {
    if flags & flag::UNICODE == 0 {
        return Ok(bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    if !bytes.len().is_multiple_of(2) {
        return Err(Malformed("half a character in an NTLM message"));
    }
    let units = bytes.chunks_exact(2).filter_map(|unit| match unit {
        [low, high] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    });
    char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|_| Malformed("text of an NTLM message is not UTF-16"))
}

/// The names of a list, up to its end.
pub(super) fn pairs(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, Malformed> {
    let cut = || Malformed("a list in an NTLM message is cut off");
    let mut found = Vec::new();
    loop {
        let (head, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let [id0, id1, length0, length1] = *head;
        let id = u16::from_le_bytes([id0, id1]);
        if id == pair::END {
            return Ok(found);
        }
        let length = usize::from(u16::from_le_bytes([length0, length1]));
        let (value, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        found.push((id, value));
        if found.len() > MOST_PAIRS {
            return Err(Malformed("too many names in an NTLM message"));
        }
        bytes = rest;
    }
}

/// A list of names with its end.
pub(super) fn list<'a>(pairs: impl IntoIterator<Item = (u16, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, value) in pairs {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend(value.iter().take(usize::from(length)));
    }
    out.extend_from_slice(&[0; 4]);
    out
}

/// Builds a message: a head with fields in it, and behind it what they point to.
pub(super) struct Builder {
    head: Vec<u8>,
    payload: Vec<u8>,
    /// Length of the finished head.
    length: usize,
}

impl Builder {
    pub(super) fn new(kind: u32, length: usize) -> Self {
        let mut head = SIGNATURE.to_vec();
        head.extend_from_slice(&kind.to_le_bytes());
        Self {
            head,
            payload: Vec::new(),
            length,
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head.extend_from_slice(bytes);
        self
    }

    /// A field that points to a value.
    pub(super) fn field(&mut self, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes();
        let offset = self.length.saturating_add(self.payload.len());
        let offset = u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes();
        self.head
            .extend(length.iter().chain(&length).chain(&offset));
        self.payload.extend_from_slice(value);
        self
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        debug_assert_eq!(self.head.len(), self.length, "the head of a message");
        self.head.append(&mut self.payload);
        self.head
    }
}
