//! As much of BER as an LDAP server of a test needs (RFC 4511 5.1).

/// A value with its tag and length.
pub(crate) fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = vec![tag];
    match u8::try_from(body.len()) {
        Ok(length) if length < 0x80 => bytes.push(length),
        _ => {
            bytes.push(0x84);
            bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(body);
    bytes
}

/// An octet string.
pub(crate) fn octets(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    ber(0x04, &[bytes.as_ref()])
}

/// The content of an integer that isn't negative.
pub(crate) fn integer(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let mut shortest = bytes[leading..].to_vec();
    if shortest[0] >= 0x80 {
        shortest.insert(0, 0);
    }
    shortest
}

/// Reads values one after the other.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value's tag and content.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            let (more, behind) = rest.split_at_checked(length - 0x80)?;
            length = more
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = behind;
        }
        let (body, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((*tag, body))
    }

    /// The next value as a number.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        let (_, body) = self.next()?;
        Some(body.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)))
    }

    /// The next value as text.
    pub(crate) fn text(&mut self) -> Option<String> {
        let (_, body) = self.next()?;
        std::str::from_utf8(body).ok().map(str::to_owned)
    }
}
