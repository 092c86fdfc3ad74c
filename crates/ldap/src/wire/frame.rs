//! Cuts whole LDAP messages out of a stream of bytes (RFC 4511 5.1).
//!
//! Invariant: a message that is too long or is no message is refused at its header, before any
//! of it is waited for or stored.

use bytes::{Bytes, BytesMut};

use super::tag;
use crate::error::Error;

/// Takes the next whole message out of `buffer`; `None` means that more has to be read.
///
/// When more is needed, `buffer` has room reserved for the rest of the message.
pub(crate) fn next_frame(buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, Error> {
    let Some(whole) = frame_length(buffer, max)? else {
        return Ok(None);
    };
    let missing = whole.saturating_sub(buffer.len());
    if missing > 0 {
        // Grows in steps, so a header alone can't make us allocate what never comes.
        buffer.reserve(missing.min(STEP));
        return Ok(None);
    }
    Ok(Some(buffer.split_to(whole).freeze()))
}

/// How far the buffer grows before more of a long message has come, in bytes.
const STEP: usize = 1 << 20;

/// The length of the message that starts `bytes`, with its header, once the header is there.
fn frame_length(bytes: &[u8], max: usize) -> Result<Option<usize>, Error> {
    match bytes.first() {
        None => return Ok(None),
        Some(&tag::SEQUENCE) => {}
        Some(_) => {
            return Err(Error::PeerMisbehaved {
                what: "bytes that start no LDAP message",
            });
        }
    }
    let Some(&first) = bytes.get(1) else {
        return Ok(None);
    };
    let (header, content) = match first {
        0..=0x7f => (2usize, usize::from(first)),
        0x80 => {
            return Err(Error::PeerMisbehaved {
                what: "a message of indefinite length",
            });
        }
        0x81..=0x88 => {
            let header = usize::from(first & 0x7f).saturating_add(2);
            let Some(octets) = bytes.get(2..header) else {
                return Ok(None);
            };
            let length = octets
                .iter()
                .fold(0u64, |value, &octet| (value << 8) | u64::from(octet));
            (header, usize::try_from(length).unwrap_or(usize::MAX))
        }
        _ => {
            return Err(Error::PeerMisbehaved {
                what: "a message of absurd length",
            });
        }
    };
    let whole = header.saturating_add(content);
    if whole > max {
        return Err(Error::Limit {
            what: "bytes in one LDAP message",
            max,
            found: whole,
        });
    }
    Ok(Some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<Option<usize>, Error> {
        let mut buffer = BytesMut::from(bytes);
        next_frame(&mut buffer, 300).map(|frame| frame.map(|frame| frame.len()))
    }

    #[test]
    fn waits_for_the_whole_message() {
        let message = [0x30, 0x81, 3, 1, 2, 3];
        for end in 0..message.len() {
            assert!(matches!(check(&message[..end]), Ok(None)), "{end}");
        }
        assert!(matches!(check(&message), Ok(Some(6))));
    }

    #[test]
    fn refuses_at_the_header() {
        for bytes in [&[0x31u8][..], &[0x30, 0x80], &[0x30, 0x89], &[0x16, 3, 1]] {
            assert!(matches!(check(bytes), Err(Error::PeerMisbehaved { .. })));
        }
        for bytes in [
            &[0x30u8, 0x82, 1, 0x29][..],
            &[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert!(matches!(check(bytes), Err(Error::Limit { .. })));
        }
        assert!(matches!(check(&[0x30, 0x82, 1, 0x28]), Ok(None)));
    }
}
