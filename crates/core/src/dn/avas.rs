//! A name cut into its attribute types and values, and each value without its escapes.
//!
//! String form: RFC 4514; quotes and spaces as RFC 1779 allowed them.
//!
//! Invariant: every byte of the text belongs to a type, a value or a separator, or the walk ends with an
//! error that names the byte.

use std::borrow::Cow;

use super::error::DnError;

/// One attribute type and value of a name, still as written.
pub(super) struct Ava<'a> {
    pub(super) kind: &'a str,
    raw: &'a str,
    form: Form,
    pub(super) ends_rdn: bool,
    /// Where the value ends, and where the next RDN begins.
    pub(super) value_end: usize,
    pub(super) end: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Form {
    /// No escape: the bytes are the value.
    Plain,
    /// Backslashes, RFC 4514.
    Escaped,
    /// Between quotes, RFC 1779.
    Quoted,
    /// `#` and the hexadecimal BER of the value.
    Hexadecimal,
}

impl Ava<'_> {
    /// The value without its escapes.
    pub(super) fn value(&self) -> Cow<'_, [u8]> {
        match self.form {
            Form::Plain => Cow::Borrowed(self.raw.as_bytes()),
            Form::Escaped | Form::Quoted => Cow::Owned(unescape(self.raw)),
            Form::Hexadecimal => Cow::Owned(ber_text(self.raw)),
        }
    }

    pub(super) fn normal_into(&self, out: &mut Vec<u8>) {
        let kind = self
            .kind
            .strip_prefix("oid.")
            .or(self.kind.strip_prefix("OID."))
            .unwrap_or(self.kind);
        let kind = SHORT_NAMES
            .iter()
            .find(|(oid, _)| *oid == kind)
            .map_or(kind, |(_, name)| name);
        out.extend(kind.bytes().map(|b| b.to_ascii_lowercase()));
        out.push(b'=');
        let value = self.value();
        let mut pending_space = false;
        let start = out.len();
        let mut put = |out: &mut Vec<u8>, byte: u8| match byte {
            b' ' => pending_space = true,
            byte => {
                if std::mem::take(&mut pending_space) && out.len() > start {
                    out.push(b' ');
                }
                if byte <= 2 {
                    out.extend([2, byte + 0x10]);
                } else {
                    out.push(byte);
                }
            }
        };
        if value.is_ascii() {
            for byte in value.iter() {
                put(out, byte.to_ascii_lowercase());
            }
        } else {
            for c in String::from_utf8_lossy(&value)
                .chars()
                .flat_map(char::to_lowercase)
            {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    put(out, byte);
                }
            }
        }
    }
}

/// Types that some writers spell as OIDs (RFC 4514 section 3, table 1).
const SHORT_NAMES: [(&str, &str); 8] = [
    ("2.5.4.3", "cn"),
    ("2.5.4.6", "c"),
    ("2.5.4.7", "l"),
    ("2.5.4.8", "st"),
    ("2.5.4.10", "o"),
    ("2.5.4.11", "ou"),
    ("0.9.2342.19200300.100.1.25", "dc"),
    ("0.9.2342.19200300.100.1.1", "uid"),
];

/// Walks a name from its leaf; ends after the first error.
pub(super) struct Avas<'a> {
    text: &'a str,
    at: usize,
    done: bool,
}

impl<'a> Avas<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            done: text.trim().is_empty(),
        }
    }

    fn ava(&mut self) -> Result<Ava<'a>, DnError> {
        let (kind, start) = kind(self.text, self.at)?;
        let (form, value_end, at) = value(self.text, start)?;
        let (form, raw) = raw(self.text, form, start, value_end, at)?;
        let ends_rdn = self.text.as_bytes().get(at) != Some(&b'+');
        let more = at < self.text.len();
        self.at = at + usize::from(more);
        self.done = !more;
        Ok(Ava {
            kind,
            raw,
            form,
            ends_rdn,
            value_end,
            end: self.at,
        })
    }
}

impl<'a> Iterator for Avas<'a> {
    type Item = Result<Ava<'a>, DnError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let ava = self.ava();
        self.done |= ava.is_err();
        Some(ava)
    }
}

fn broken(text: &str, at: usize) -> DnError {
    let text = text.to_owned();
    DnError::BrokenEscape { at, text }
}

/// The type that begins at `at`, and where its value begins.
fn kind(text: &str, at: usize) -> Result<(&str, usize), DnError> {
    let bytes = text.as_bytes();
    let no_type = || DnError::NoType {
        at,
        text: text.to_owned(),
    };
    let equals = bytes.iter().skip(at).position(|b| *b == b'=');
    let equals = equals.ok_or_else(no_type)? + at;
    let kind = text.get(at..equals).unwrap_or("").trim();
    if kind.is_empty()
        || !kind
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    {
        return Err(no_type());
    }
    let mut start = equals + 1;
    while bytes.get(start) == Some(&b' ') {
        start += 1;
    }
    Ok((kind, start))
}

/// How a value is written, where it ends without trailing spaces, and where its separator is.
fn value(text: &str, start: usize) -> Result<(Form, usize, usize), DnError> {
    let bytes = text.as_bytes();
    let quoted = bytes.get(start) == Some(&b'"');
    let (mut form, mut at) = if quoted {
        (Form::Quoted, start + 1)
    } else {
        (Form::Plain, start)
    };
    // An escaped space is no trailing space.
    let mut kept = at;
    let mut closed = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                if form == Form::Plain {
                    form = Form::Escaped;
                }
                at += escape_length(text, at)?;
                kept = at;
            }
            b'"' if quoted && !closed => {
                closed = true;
                at += 1;
            }
            b',' | b'+' if !quoted || closed => break,
            b' ' => at += 1,
            _ if closed => return Err(broken(text, at)),
            _ => {
                at += 1;
                kept = at;
            }
        }
    }
    if quoted && !closed {
        return Err(broken(text, start));
    }
    let end = if quoted { at } else { kept.max(start) };
    Ok((form, end, at))
}

/// The length of the escape that begins at `at`.
fn escape_length(text: &str, at: usize) -> Result<usize, DnError> {
    let bytes = text.as_bytes();
    match (bytes.get(at + 1), bytes.get(at + 2)) {
        (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => Ok(3),
        // Beyond ASCII the first byte tells how long the escaped character is.
        (Some(_), _) => Ok(1 + text
            .get(at + 1..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8)),
        (None, _) => Err(broken(text, at)),
    }
}

/// The value without its quotes, and its form where a hash says it.
fn raw(
    text: &str,
    form: Form,
    start: usize,
    value_end: usize,
    at: usize,
) -> Result<(Form, &str), DnError> {
    if form == Form::Quoted {
        let inside = text.get(start + 1..at).unwrap_or("").trim_end();
        return Ok((form, inside.strip_suffix('"').unwrap_or(inside)));
    }
    let raw = text.get(start..value_end).unwrap_or("");
    let Some(digits) = raw.strip_prefix('#').filter(|_| form == Form::Plain) else {
        return Ok((form, raw));
    };
    // Samba writes a leading hash in the middle of a value unescaped, but not at its start.
    if digits.is_empty() || digits.len() % 2 == 1 || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Err(broken(text, start));
    }
    Ok((Form::Hexadecimal, raw))
}

fn unescape(raw: &str) -> Vec<u8> {
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        if let Some(value) = hex_pair(bytes, at + 1) {
            out.push(value);
            at += 3;
        } else {
            out.extend(bytes.get(at + 1));
            at += 2;
        }
    }
    out
}

/// The text inside `#`-hexadecimal BER: a string of fewer than 128 bytes loses its tag and length,
/// anything else is kept as it is, which still compares right with itself.
fn ber_text(raw: &str) -> Vec<u8> {
    let digits = raw.as_bytes();
    let ber: Vec<u8> = (1..digits.len())
        .step_by(2)
        .filter_map(|at| hex_pair(digits, at))
        .collect();
    match ber.as_slice() {
        [_, length, text @ ..] if usize::from(*length) == text.len() && *length < 128 => {
            text.to_vec()
        }
        _ => ber,
    }
}

fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |b: &u8| {
        char::from(*b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let high = bytes.get(at).and_then(digit)?;
    let low = bytes.get(at + 1).and_then(digit)?;
    Some(high * 16 + low)
}
