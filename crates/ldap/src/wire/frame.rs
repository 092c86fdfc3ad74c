//! Cuts whole LDAP messages out of a stream of bytes (RFC 4511 5.1).
//!
//! Invariant: a message that is too long or is no message is refused at its header, before any
//! of it is waited for or stored.

use bytes::{Bytes, BytesMut};

use super::tag;
use crate::error::Error;

/// What the start of a buffer is.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    /// A whole message, taken out of the buffer.
    Whole(Bytes),
    /// A part of a message that has no at least so many bytes.
    Missing(usize),
}

/// Takes the next whole message out of `buffer`, one of at most `max` bytes.
pub(crate) fn next_frame(buffer: &mut BytesMut, max: usize) -> Result<Frame, Error> {
    Ok(match frame_length(buffer, max)? {
        None => Frame::Missing(1),
        Some(whole) if whole > buffer.len() => Frame::Missing(whole.saturating_sub(buffer.len())),
        Some(whole) => Frame::Whole(buffer.split_to(whole).freeze()),
    })
}

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

    fn check(bytes: &[u8]) -> Result<Frame, Error> {
        next_frame(&mut BytesMut::from(bytes), 300)
    }

    #[test]
    fn waits_for_the_whole_message() {
        let message = [0x30, 0x81, 3, 1, 2, 3];
        for (end, missing) in [1, 1, 1, 3, 2, 1].into_iter().enumerate() {
            assert_eq!(
                check(&message[..end]).unwrap(),
                Frame::Missing(missing),
                "{end}"
            );
        }
        assert_eq!(
            check(&message).unwrap(),
            Frame::Whole(Bytes::copy_from_slice(&message))
        );
    }

    #[test]
    fn refuses_at_the_header() {
        for bytes in [&[0x31u8][..], &[0x30, 0x80], &[0x30, 0x89], &[0x16, 3, 1]] {
            assert!(matches!(check(bytes), Err(Error::PeerMisbehaved { .. })));
        }
        let huge = [0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255];
        for bytes in [&[0x30u8, 0x82, 1, 0x29][..], &huge] {
            assert!(matches!(check(bytes), Err(Error::Limit { .. })));
        }
        assert_eq!(check(&[0x30, 0x82, 1, 0x28]).unwrap(), Frame::Missing(296));
    }
}
