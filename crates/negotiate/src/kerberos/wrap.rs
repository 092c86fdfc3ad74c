//! What is said after a login: messages that are signed, or signed and encrypted (RFC 4121 4.2).
//!
//! Both sides hold a [`Context`]: the key that they share and the numbers of the messages. A token is
//! a header of 16 bytes and the text, encrypted together with a copy of the header, or followed by a
//! checksum over both.
//!
//! Invariant: a token is believed only if its integrity is right, it comes from the other side, and its
//! number is the next one: a token that was replayed, left out or put elsewhere ends the context.

use aws_lc_rs::constant_time;
use zeroize::Zeroizing;

use super::cipher::Usage;
use super::{Encryption, Key};

/// What a client wants for the messages after a login (RFC 4121 4.1.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protection {
    /// Nothing: TLS protects them, or they are not protected.
    None,
    /// Integrity: a message cannot be changed.
    #[default]
    Sign,
    /// Integrity and encryption.
    Seal,
}

/// `GSS_C_CONF_FLAG` and `GSS_C_INTEG_FLAG`.
const CONFIDENTIALITY: u32 = 0x10;
const INTEGRITY: u32 = 0x20;

impl Protection {
    /// With `GSS_C_MUTUAL_FLAG`, `_REPLAY_` and `_SEQUENCE_`, which a login always has.
    pub(super) fn flags(self) -> u32 {
        let wanted = match self {
            Self::None => 0,
            Self::Sign => INTEGRITY,
            Self::Seal => INTEGRITY | CONFIDENTIALITY,
        };
        0x2 | 0x4 | 0x8 | wanted
    }

    pub(super) fn wanted(flags: u32) -> Self {
        match (flags & CONFIDENTIALITY != 0, flags & INTEGRITY != 0) {
            (true, _) => Self::Seal,
            (false, true) => Self::Sign,
            (false, false) => Self::None,
        }
    }
}

/// The number of a side's first message. Some peers take the 32 bits for a signed number.
pub(super) fn number(sequence: Option<i64>) -> u64 {
    let [low @ .., _, _, _, _] = sequence.unwrap_or(0).to_le_bytes();
    u64::from(u32::from_le_bytes(low))
}

/// Which of the two sides a context belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The client.
    Initiator,
    /// The server.
    Acceptor,
}

/// A login that goes on: what protects the messages after it.
#[derive(Debug)]
pub struct Context {
    key: Key,
    side: Side,
    /// Whether the key is one that the acceptor chose, which each token says.
    acceptor_subkey: bool,
    sent: u64,
    received: u64,
}

/// Why a token is not believed, or cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The token is not what RFC 4121 says.
    #[error("a protected message that is damaged: {0}")]
    Malformed(&'static str),
    /// The text or the header was changed, or another key was used.
    #[error("a protected message whose integrity check fails")]
    Integrity,
    /// The number is not the next one.
    #[error(
        "protected message number {found} where {expected} is due: lost, repeated or out of order"
    )]
    Sequence {
        /// The number that is due.
        expected: u64,
        /// The number in the token.
        found: u64,
    },
    /// The text is in clear where encryption was agreed.
    #[error("a message in clear where encryption was agreed")]
    NotEncrypted,
    /// RFC 4121 has no form for the key.
    #[error("the session key is for {0}; messages are protected with AES only")]
    Encryption(Encryption),
    /// No random numbers, or a text of a size that cannot be encrypted.
    #[error("a message cannot be protected")]
    Failed,
}

/// `TOK_ID` of a wrap token, then flags, then a filler.
const TOKEN: [u8; 2] = [5, 4];
const FILLER: u8 = 0xff;
/// Flags of a token (RFC 4121 4.2.2).
const BY_ACCEPTOR: u8 = 1;
const ENCRYPTED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;
/// Bytes of a header.
const HEADER: usize = 16;

impl Context {
    /// A context with the key that both sides have. `acceptor_subkey` says whether the acceptor chose it;
    /// `sent` and `received` are the numbers of the first message of this side and of the other. The key has
    /// to be one of AES.
    ///
    /// # Errors
    ///
    /// [`WrapError::Encryption`] for any other.
    pub fn new(
        key: Key,
        side: Side,
        acceptor_subkey: bool,
        sent: u64,
        received: u64,
    ) -> Result<Self, WrapError> {
        if key.encryption == Encryption::Rc4 {
            return Err(WrapError::Encryption(key.encryption));
        }
        Ok(Self {
            key,
            side,
            acceptor_subkey,
            sent,
            received,
        })
    }

    /// Protects a text; with `encrypt` no one else can read it.
    ///
    /// # Errors
    ///
    /// [`WrapError::Failed`] where the system gives no random numbers.
    pub fn wrap(&mut self, text: &[u8], encrypt: bool) -> Result<Vec<u8>, WrapError> {
        let mut flags = match self.side {
            Side::Initiator => 0,
            Side::Acceptor => BY_ACCEPTOR,
        };
        if self.acceptor_subkey {
            flags |= ACCEPTOR_SUBKEY;
        }
        if encrypt {
            flags |= ENCRYPTED;
        }
        let usage = usage(self.side);
        let mut token = header(flags, self.sent, 0).to_vec();
        let covered = Zeroizing::new([text, &token].concat());
        if encrypt {
            let sealed = self.key.encrypt(usage, &covered);
            token.extend(sealed.map_err(|_| WrapError::Failed)?);
        } else {
            let sum = self.key.sum(usage, &covered).ok_or(WrapError::Failed)?;
            // The checksum's length stands in the header, and counts as zero in what it covers.
            let length = u16::try_from(sum.len()).map_err(|_| WrapError::Failed)?;
            token = header(flags, self.sent, length).to_vec();
            token.extend_from_slice(text);
            token.extend_from_slice(&sum);
        }
        self.sent = self.sent.wrapping_add(1);
        Ok(token)
    }

    /// The text of the other side's next token; `encrypted` says what was agreed.
    ///
    /// # Errors
    ///
    /// Every [`WrapError`]; none leaves a context that could go on.
    pub fn unwrap(
        &mut self,
        token: &[u8],
        encrypted: bool,
    ) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let (head, body) = token
            .split_first_chunk::<HEADER>()
            .ok_or(WrapError::Malformed("shorter than its header"))?;
        let [a, b, flags, FILLER, ec, ec_low, rrc, rrc_low, number @ ..] = *head else {
            return Err(WrapError::Malformed("no wrap token"));
        };
        if [a, b] != TOKEN {
            return Err(WrapError::Malformed("no wrap token"));
        }
        let other = match self.side {
            Side::Initiator => Side::Acceptor,
            Side::Acceptor => Side::Initiator,
        };
        if (flags & BY_ACCEPTOR != 0) != (other == Side::Acceptor) {
            return Err(WrapError::Malformed("sent by the side that receives it"));
        }
        if (flags & ACCEPTOR_SUBKEY != 0) != self.acceptor_subkey {
            return Err(WrapError::Malformed(
                "protected with another key than was agreed",
            ));
        }
        let extra = usize::from(u16::from_be_bytes([ec, ec_low]));
        let mut body = body.to_vec();
        let turn = usize::from(u16::from_be_bytes([rrc, rrc_low]));
        if let Some(turn) = turn.checked_rem(body.len()) {
            body.rotate_left(turn);
        }
        let text = if flags & ENCRYPTED != 0 {
            self.decrypt(other, head, &body, extra)?
        } else if encrypted {
            return Err(WrapError::NotEncrypted);
        } else {
            self.verify(other, head, body, extra)?
        };
        let found = u64::from_be_bytes(number);
        if found != self.received {
            return Err(WrapError::Sequence {
                expected: self.received,
                found,
            });
        }
        self.received = self.received.wrapping_add(1);
        Ok(text)
    }

    fn decrypt(
        &self,
        from: Side,
        head: &[u8; HEADER],
        body: &[u8],
        extra: usize,
    ) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let opened = self.key.decrypt(usage(from), body);
        let mut text = opened.ok_or(WrapError::Integrity)?;
        let end = text
            .len()
            .checked_sub(HEADER)
            .ok_or(WrapError::Malformed("no header inside"))?;
        // All of it but the rotation, which is made afterwards; the count of the filling, too, or a text
        // could be cut short on the way.
        let inside = text.get(end..).unwrap_or_default();
        let same = |range: std::ops::Range<usize>| inside.get(range.clone()) == head.get(range);
        if !same(0..6) || !same(8..HEADER) {
            return Err(WrapError::Integrity);
        }
        let end = end
            .checked_sub(extra)
            .ok_or(WrapError::Malformed("more filling than text"))?;
        text.truncate(end);
        Ok(text)
    }

    fn verify(
        &self,
        from: Side,
        head: &[u8; HEADER],
        body: Vec<u8>,
        extra: usize,
    ) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let end = body
            .len()
            .checked_sub(extra)
            .ok_or(WrapError::Malformed("shorter than its checksum"))?;
        let mut covered = Zeroizing::new(body);
        let sum = covered.split_off(end);
        let mut plain = *head;
        plain[4..8].fill(0);
        covered.extend_from_slice(&plain);
        let right = self
            .key
            .sum(usage(from), &covered)
            .ok_or(WrapError::Failed)?;
        constant_time::verify_slices_are_equal(&right, &sum).map_err(|_| WrapError::Integrity)?;
        covered.truncate(end);
        Ok(covered)
    }
}

/// `KG-USAGE-ACCEPTOR-SEAL` and `KG-USAGE-INITIATOR-SEAL`, with which wrap tokens are signed, too
/// (RFC 4121 2).
fn usage(from: Side) -> Usage {
    match from {
        Side::Acceptor => Usage(22),
        Side::Initiator => Usage(24),
    }
}

/// RFC 4121 4.2.6.2, without rotation.
fn header(flags: u8, number: u64, extra: u16) -> [u8; HEADER] {
    let mut header = [
        TOKEN[0], TOKEN[1], flags, FILLER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    header[4..6].copy_from_slice(&extra.to_be_bytes());
    header[8..].copy_from_slice(&number.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(encryption: Encryption, subkey: bool) -> (Context, Context) {
        let key = Key::random(encryption).unwrap();
        let new =
            |side, sent, received| Context::new(key.clone(), side, subkey, sent, received).unwrap();
        (
            new(Side::Initiator, 7, u64::MAX),
            new(Side::Acceptor, u64::MAX, 7),
        )
    }

    #[test]
    fn a_token_is_taken_once_and_in_its_place() {
        let (mut client, mut server) = pair(Encryption::Aes256Sha1, true);
        let tokens: Vec<_> = (0..3)
            .map(|n| client.wrap(&[n; 40], true).unwrap())
            .collect();
        assert_eq!(*server.unwrap(&tokens[0], true).unwrap(), [0; 40]);
        for (again, found) in [(0, 7), (2, 9)] {
            assert_eq!(
                server.unwrap(&tokens[again], true),
                Err(WrapError::Sequence { expected: 8, found })
            );
        }
        assert_eq!(*server.unwrap(&tokens[1], true).unwrap(), [1; 40]);
        // The acceptor's numbers wrap around.
        for n in 0..3 {
            let token = server.wrap(&[n], true).unwrap();
            assert_eq!(*client.unwrap(&token, true).unwrap(), [n]);
        }
    }

    #[test]
    fn a_token_is_not_reflected_weakened_or_of_another_key() {
        let (mut client, mut server) = pair(Encryption::Aes128Sha1, false);
        let token = client.wrap(b"text", true).unwrap();
        assert!(matches!(
            client.unwrap(&token, true),
            Err(WrapError::Malformed(_))
        ));
        let clear = client.wrap(b"text", false).unwrap();
        assert_eq!(server.unwrap(&clear, true), Err(WrapError::NotEncrypted));
        let (_, mut subkey) = pair(Encryption::Aes128Sha1, true);
        assert!(matches!(
            subkey.unwrap(&token, true),
            Err(WrapError::Malformed(_))
        ));
        let (_, mut other) = pair(Encryption::Aes128Sha1, false);
        assert_eq!(other.unwrap(&token, true), Err(WrapError::Integrity));
        assert!(matches!(
            Context::new(
                Key::random(Encryption::Rc4).unwrap(),
                Side::Initiator,
                false,
                0,
                0
            ),
            Err(WrapError::Encryption(Encryption::Rc4))
        ));
    }

    /// Windows turns what is behind the header by 28 bytes ([MS-KILE] 3.4.5.4.1).
    #[test]
    fn a_rotated_token_is_turned_back() {
        for encrypt in [true, false] {
            for turn in [1u16, 12, 28, 1000] {
                let (mut client, mut server) = pair(Encryption::Aes256Sha2, true);
                let mut token = client.wrap(b"a text of some length", encrypt).unwrap();
                token[6..8].copy_from_slice(&turn.to_be_bytes());
                let length = token.len() - HEADER;
                token[HEADER..].rotate_right(usize::from(turn) % length);
                let text = server.unwrap(&token, encrypt).unwrap();
                assert_eq!(*text, b"a text of some length");
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_comes_back_and_a_changed_token_does_not(
            text in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            encrypt in any::<bool>(),
        ) {
            for encryption in Encryption::ALL.into_iter().filter(|e| *e != Encryption::Rc4) {
                let (mut client, mut server) = pair(encryption, true);
                let token = client.wrap(&text, encrypt).unwrap();
                let mut changed = token.clone();
                let at = at.index(token.len());
                changed[at] ^= 0x40;
                // A rotation of a whole turn changes nothing.
                if !(6..8).contains(&at) {
                    prop_assert!(server.unwrap(&changed, encrypt).is_err(), "byte {at}");
                }
                prop_assert_eq!(&*server.unwrap(&token, encrypt).unwrap(), &text);
            }
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), flags in 0u8..8) {
            let (mut client, _) = pair(Encryption::Aes256Sha1, flags & 4 != 0);
            let mut token = vec![5, 4, flags, 0xff];
            token.extend_from_slice(&bytes);
            prop_assert!(client.unwrap(&token, false).is_err());
            prop_assert!(client.unwrap(&bytes, false).is_err());
        }
    }
}
