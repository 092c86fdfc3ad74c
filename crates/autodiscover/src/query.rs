//! Queries of URLs ([RFC 3986] 2.1, 3.4), as clients really write them.
//!
//! Invariant: whatever the query is, reading it ends in text; bytes that are not UTF-8 are no value.

/// The first value of a parameter, whose name is compared without case, as it is encoded.
pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key, Plus::Blank)?;
        key.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// An address in a query or a path, which some clients encode twice.
pub(crate) fn address(text: &str) -> Option<String> {
    let once = decode(text, Plus::Kept)?;
    if once.contains('@') {
        return Some(once);
    }
    let twice = decode(&once, Plus::Kept)?;
    Some(if twice.contains('@') { twice } else { once })
}

/// What a `+` means.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Plus {
    /// A blank, as in forms.
    Blank,
    /// Itself, because an address may have one and clients do not encode it.
    Kept,
}

/// Undoes percent-encoding; a percent sign that encodes nothing stays.
pub(crate) fn decode(text: &str, plus: Plus) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let encoded = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        rest = if let Some((high, low)) = encoded {
            bytes.push(high << 4 | low);
            after.get(2..).unwrap_or_default()
        } else {
            bytes.push(if *first == b'+' && plus == Plus::Blank {
                b' '
            } else {
                *first
            });
            after
        };
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A value for a query: everything but RFC 3986's unreserved characters is encoded.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(
                    char::from_digit(u32::from(digit), 16)
                        .unwrap_or('0')
                        .to_ascii_uppercase(),
                );
            }
        }
    }
}
