//! Bytes to text: which encoding a document is in.
//!
//! XML 1.0 (fifth edition) 4.3.3 and appendix F. The bytes decide: a declaration that they contradict is
//! passed over, as it is by browsers, because many a program writes `utf-16` above UTF-8.
//! The standard library decodes; `encoding_rs` is not taken, because it reads `iso-8859-1` as windows-1252
//! and so would change characters of a value.
//!
//! Invariant: no byte is replaced or left out; what does not fit is an error with its place.

use std::borrow::Cow;

use crate::reading::Unreadable;

/// Reads a document as text, without its byte order mark.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    match bytes {
        [] => Err(Unreadable::Empty),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(Unreadable::UnknownEncoding {
            encoding: "utf-32".to_owned(),
        }),
        [0xff, 0xfe, rest @ ..] => utf_16(rest, "utf-16le", u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, "utf-16be", u16::from_be_bytes),
        // The first character of XML is `<`, or a blank before it.
        [b'<' | b' ' | b'\t' | b'\r' | b'\n', 0, ..] => {
            utf_16(bytes, "utf-16le", u16::from_le_bytes)
        }
        [0, b'<' | b' ' | b'\t' | b'\r' | b'\n', ..] => {
            utf_16(bytes, "utf-16be", u16::from_be_bytes)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => utf_8(rest),
        _ => utf_8(bytes),
    }
}

fn utf_8(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    match declared(bytes) {
        // Each byte is the character of that number.
        Some(name)
            if ["iso-8859-1", "latin1"]
                .iter()
                .any(|latin| name.eq_ignore_ascii_case(latin)) =>
        {
            Ok(bytes.iter().copied().map(char::from).collect())
        }
        Some(name)
            if !["utf-8", "utf8"]
                .iter()
                .any(|utf| name.eq_ignore_ascii_case(utf)) =>
        {
            Err(Unreadable::UnknownEncoding {
                encoding: name.to_owned(),
            })
        }
        // A character that has begun and is not finished.
        _ if error.error_len().is_none() => Err(Unreadable::Truncated {
            inside: String::new(),
        }),
        _ => Err(Unreadable::Encoding {
            encoding: "utf-8".to_owned(),
            at: error.valid_up_to(),
        }),
    }
}

/// The encoding in an XML declaration of ASCII characters.
fn declared(bytes: &[u8]) -> Option<&str> {
    let head = bytes.trim_ascii_start().strip_prefix(b"<?xml")?;
    let end = head.iter().position(|byte| *byte == b'>')?;
    let head = std::str::from_utf8(head.get(..end)?).ok()?;
    let (_, value) = head.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.split(quote).nth(1)
}

fn utf_16(
    bytes: &[u8],
    encoding: &str,
    unit: fn([u8; 2]) -> u16,
) -> Result<Cow<'static, str>, Unreadable> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let (pairs, half) = bytes.as_chunks::<2>();
    let mut at = 0_usize;
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => {
                text.push(character);
                at = at.saturating_add(character.len_utf16() * 2);
            }
            // The first half of a pair at the very end.
            Err(error)
                if error.unpaired_surrogate() < 0xdc00
                    && at.saturating_add(2) >= bytes.len() - half.len() =>
            {
                return Err(Unreadable::Truncated {
                    inside: String::new(),
                });
            }
            Err(_) => {
                return Err(Unreadable::Encoding {
                    encoding: encoding.to_owned(),
                    at,
                });
            }
        }
    }
    if half.is_empty() {
        Ok(Cow::Owned(text))
    } else {
        Err(Unreadable::Truncated {
            inside: String::new(),
        })
    }
}
