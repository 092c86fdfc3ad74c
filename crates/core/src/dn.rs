//! Distinguished names, compared as a directory compares them.
//!
//! String form: RFC 4514, and what older writers leave behind (RFC 1779 quotes, spaces around
//! separators, `oid.` prefixes). Comparison: types without case, values unescaped, without case and
//! with runs of spaces as one (RFC 4518 2.6.1), the parts of a multi-valued RDN in any order.
//! Servers write the same name differently: Samba `\,`, slapd `\2C`; so names are never compared as text.
//!
//! Invariant: a [`Dn`] keeps the text it was read from, because only this text is sure to be
//! understood by the server that wrote it; equality, order and hash look at the normal form alone.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;

/// The longest name that is read, in bytes. Active Directory stops far below.
pub const MAX_BYTES: usize = 64 * 1024;

/// A distinguished name. The empty name is the root DSE.
#[derive(Clone)]
pub struct Dn(Box<str>);

/// Why a text is no distinguished name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DnError {
    /// An RDN without `=`, or with nothing before it.
    #[error("no attribute type before \"=\" at byte {at} of {text:?}")]
    NoType {
        /// Where the RDN begins, in bytes.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// A backslash that escapes nothing, a quote that is not closed, or `#` without hexadecimal digits.
    #[error("broken escape at byte {at} of {text:?}")]
    BrokenEscape {
        /// Where the escape begins, in bytes.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// More than [`MAX_BYTES`].
    #[error("a name of {found} bytes is longer than {MAX_BYTES}")]
    TooLong {
        /// Length of the text in bytes.
        found: usize,
    },
}

/// The normal form of a [`Dn`]: equal for two names exactly when the directory takes them as one.
///
/// Leaf first. Fit to be an index key: it keeps for ever, whatever spelling a name came in.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DnKey(Box<[u8]>);

impl DnKey {
    /// The bytes of the normal form. Not text: separators are control bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Dn {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`DnError`] names the byte where the text stops being a name.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        if text.len() > MAX_BYTES {
            return Err(DnError::TooLong { found: text.len() });
        }
        if plain_key(text, &mut [0; PLAIN]).is_some() {
            return Ok(Self(text.into()));
        }
        let mut end = 0;
        for ava in Avas::new(text) {
            end = ava?.value_end;
        }
        // Not `trim`: the name may end with an escaped space.
        Ok(Self(text.get(..end).unwrap_or("").trim_start().into()))
    }

    /// The empty name, which is the root DSE's.
    pub fn root() -> Self {
        Self("".into())
    }

    /// The text as it was read.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the object above, or `None` for the empty name.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let mut rest = "";
        for ava in Avas::new(&self.0).flatten() {
            if ava.ends_rdn {
                rest = self.0.get(ava.end..).unwrap_or("");
                break;
            }
        }
        Some(Self(rest.trim_start().into()))
    }

    /// The text of the leading RDN, as it was read: `CN=Stone\, Jim`.
    pub fn rdn(&self) -> &str {
        let end = Avas::new(&self.0)
            .flatten()
            .find(|ava| ava.ends_rdn)
            .map_or(0, |ava| ava.value_end);
        self.0.get(..end).unwrap_or("").trim_start()
    }

    /// The unescaped value of the leading RDN, what people call the object: `Stone, Jim`.
    pub fn name(&self) -> String {
        Avas::new(&self.0)
            .flatten()
            .next()
            .map(|ava| String::from_utf8_lossy(&ava.value()).into_owned())
            .unwrap_or_default()
    }

    /// What to call the object in front of a person: its name, of a deleted object what it was called.
    pub fn shown(&self) -> String {
        let mut name = self.name();
        if let Some(end) = name.find("\nDEL:") {
            name.truncate(end);
        }
        name
    }

    /// Attribute types and unescaped values of the leading RDN, in the order they were read.
    pub fn rdn_parts(&self) -> Vec<(String, String)> {
        let mut parts = Vec::new();
        for ava in Avas::new(&self.0).flatten() {
            parts.push((
                ava.kind.to_owned(),
                String::from_utf8_lossy(&ava.value()).into_owned(),
            ));
            if ava.ends_rdn {
                break;
            }
        }
        parts
    }

    /// Whether this is a deleted object: its RDN holds a line feed and `DEL:` ([MS-ADTS] 3.1.1.5.5).
    pub fn is_deleted_object(&self) -> bool {
        Avas::new(&self.0)
            .flatten()
            .next()
            .is_some_and(|ava| contains(&ava.value(), b"\nDEL:"))
    }

    /// Whether this object is `above` or stands somewhere below it.
    pub fn is_within(&self, above: &Self) -> bool {
        let (mine, theirs) = (self.key(), above.key());
        let Some(head) = mine.0.len().checked_sub(theirs.0.len()) else {
            return false;
        };
        mine.0.ends_with(&theirs.0)
            && (head == 0 || theirs.0.is_empty() || mine.0.get(head - 1) == Some(&RDN_END))
    }

    /// How many RDNs the name has.
    pub fn depth(&self) -> usize {
        Avas::new(&self.0)
            .flatten()
            .filter(|ava| ava.ends_rdn)
            .count()
    }

    /// The normal form.
    pub fn key(&self) -> DnKey {
        self.with_key(|key| DnKey(key.into()))
    }

    /// A hash of the normal form, the same for every spelling of a name within one process.
    pub fn hash64(&self) -> u64 {
        self.with_key(hash_key)
    }

    /// Hands out the normal form, which of most names needs no memory.
    fn with_key<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(key) = plain_key(&self.0, &mut [0; PLAIN]) {
            return take(key);
        }
        let mut key = Vec::with_capacity(self.0.len() + 1);
        self.key_into(&mut key);
        take(&key)
    }

    fn key_into(&self, out: &mut Vec<u8>) {
        let mut rdn: Vec<Vec<u8>> = Vec::new();
        for ava in Avas::new(&self.0).flatten() {
            if rdn.is_empty() && ava.ends_rdn {
                // The common case, a single-valued RDN, needs no sorting and no copy.
                ava.normal_into(out);
                out.push(RDN_END);
                continue;
            }
            let mut one = Vec::new();
            ava.normal_into(&mut one);
            rdn.push(one);
            if ava.ends_rdn {
                rdn.sort_unstable();
                out.extend(rdn.join(&AVA_END));
                out.push(RDN_END);
                rdn.clear();
            }
        }
    }
}

/// Ends an RDN in the normal form, and parts its values. [`escape`] keeps both out of values.
const RDN_END: u8 = 0;
const AVA_END: u8 = 1;

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dn({:?})", &self.0)
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.key() == other.key()
    }
}

impl Eq for Dn {}

impl PartialOrd for Dn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Dn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.with_key(|key| key.hash(state));
    }
}

impl std::str::FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        Self::parse(text)
    }
}

/// What [`Dn::hash64`] gives for the name that `text` is, without making the name.
///
/// # Errors
///
/// As [`Dn::parse`].
pub fn hash_text(text: &str) -> Result<u64, DnError> {
    match plain_key(text, &mut [0; PLAIN]) {
        Some(key) => Ok(hash_key(key)),
        None => Dn::parse(text).map(|dn| dn.hash64()),
    }
}

fn hash_key(key: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// Longest plain name, in bytes.
const PLAIN: usize = 320;

/// The normal form of a plain name: ASCII, no escape, no OID, no odd space. Nearly every name is plain,
/// and its normal form is its own lower-case text with the separators replaced.
fn plain_key<'b>(text: &str, buffer: &'b mut [u8; PLAIN]) -> Option<&'b [u8]> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Some(&[]);
    }
    let key = buffer.get_mut(..=bytes.len())?;
    let (copy, end) = key.split_at_mut(bytes.len());
    copy.copy_from_slice(bytes);
    copy.make_ascii_lowercase();
    let (mut rdn, mut value) = (0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        match CLASSES
            .get(usize::from(byte))
            .copied()
            .unwrap_or(Class::Odd)
        {
            Class::Value => {}
            Class::Equals => {
                let kind = bytes.get(rdn..at)?;
                if value > rdn || kind.is_empty() || !kind.iter().all(u8::is_ascii_alphabetic) {
                    return None;
                }
                value = at + 1;
            }
            Class::Comma => {
                if value <= rdn || value == at {
                    return None;
                }
                rdn = at + 1;
                *copy.get_mut(at)? = RDN_END;
            }
            Class::Space => {
                // None that would be dropped: beside a separator, beside another, at an end.
                let drops = |other: Option<&u8>| matches!(other, None | Some(b' ' | b',' | b'='));
                if drops(bytes.get(at.checked_sub(1)?)) || drops(bytes.get(at + 1)) {
                    return None;
                }
            }
            Class::Odd => return None,
        }
    }
    if value <= rdn || value == bytes.len() {
        return None;
    }
    end.fill(RDN_END);
    Some(key)
}

/// What a byte is to [`plain_key`].
#[derive(Clone, Copy)]
enum Class {
    Value,
    Space,
    Comma,
    Equals,
    Odd,
}

#[expect(
    clippy::indexing_slicing,
    reason = "a constant is computed by the compiler, which would see it panic"
)]
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Odd; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        classes[byte as usize] = match byte {
            b' ' => Class::Space,
            b',' => Class::Comma,
            b'=' => Class::Equals,
            b'\\' | b'"' | b'+' | b'#' => Class::Odd,
            _ => Class::Value,
        };
        byte += 1;
    }
    classes
};

/// Writes one attribute value as RFC 4514 2.4 wants it, so that it may stand in a name.
pub fn escape(value: &str) -> Cow<'_, str> {
    let special = |c: char| {
        matches!(
            c,
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '\0'..='\x1f'
        )
    };
    if !value.starts_with([' ', '#']) && !value.ends_with(' ') && !value.contains(special) {
        return Cow::Borrowed(value);
    }
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len() + 8);
    for (i, c) in value.chars().enumerate() {
        match c {
            '\0'..='\x1f' => drop(write!(out, "\\{:02X}", u32::from(c))),
            ' ' if i == 0 || i == last => out.push_str("\\ "),
            '#' if i == 0 => out.push_str("\\#"),
            c if special(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// One attribute type and value of a name, still as written.
struct Ava<'a> {
    kind: &'a str,
    raw: &'a str,
    form: Form,
    ends_rdn: bool,
    /// Where the value ends, and where the next RDN begins.
    value_end: usize,
    end: usize,
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
    fn value(&self) -> Cow<'_, [u8]> {
        match self.form {
            Form::Plain => Cow::Borrowed(self.raw.as_bytes()),
            Form::Escaped | Form::Quoted => Cow::Owned(unescape(self.raw)),
            Form::Hexadecimal => Cow::Owned(ber_text(self.raw)),
        }
    }

    fn normal_into(&self, out: &mut Vec<u8>) {
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
struct Avas<'a> {
    text: &'a str,
    at: usize,
    done: bool,
}

impl<'a> Avas<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            done: text.trim().is_empty(),
        }
    }

    fn fail(&mut self, error: impl FnOnce(String) -> DnError) -> DnError {
        self.done = true;
        error(self.text.to_owned())
    }
}

impl<'a> Iterator for Avas<'a> {
    type Item = Result<Ava<'a>, DnError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let text: &'a str = self.text;
        let bytes = text.as_bytes();
        let rdn_at = self.at;
        let Some(equals) = bytes
            .iter()
            .skip(rdn_at)
            .position(|b| *b == b'=')
            .map(|i| i + rdn_at)
        else {
            return Some(Err(self.fail(|text| DnError::NoType { at: rdn_at, text })));
        };
        let kind = text.get(rdn_at..equals).unwrap_or("").trim();
        if kind.is_empty()
            || !kind
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        {
            return Some(Err(self.fail(|text| DnError::NoType { at: rdn_at, text })));
        }
        let mut at = equals + 1;
        while bytes.get(at) == Some(&b' ') {
            at += 1;
        }
        let start = at;
        let mut form = Form::Plain;
        let quoted = bytes.get(at) == Some(&b'"');
        if quoted {
            form = Form::Quoted;
            at += 1;
        }
        // The value's end without trailing spaces; an escaped space is no trailing space.
        let mut kept = at;
        let mut closed = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' => {
                    let length = match (bytes.get(at + 1), bytes.get(at + 2)) {
                        (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
                        // Beyond ASCII the first byte tells how long the escaped character is.
                        (Some(_), _) => {
                            1 + text
                                .get(at + 1..)
                                .and_then(|rest| rest.chars().next())
                                .map_or(1, char::len_utf8)
                        }
                        (None, _) => {
                            return Some(Err(self.fail(|text| DnError::BrokenEscape { at, text })));
                        }
                    };
                    if form == Form::Plain {
                        form = Form::Escaped;
                    }
                    at += length;
                    kept = at;
                }
                b'"' if quoted && !closed => {
                    closed = true;
                    at += 1;
                }
                b',' | b'+' if !quoted || closed => break,
                b' ' => at += 1,
                _ if closed => {
                    return Some(Err(self.fail(|text| DnError::BrokenEscape { at, text })));
                }
                _ => {
                    at += 1;
                    kept = at;
                }
            }
        }
        if quoted && !closed {
            return Some(Err(
                self.fail(|text| DnError::BrokenEscape { at: start, text })
            ));
        }
        let (from, value_end) = if quoted {
            (start + 1, at)
        } else {
            (start, kept.max(start))
        };
        let raw = if quoted {
            let inside = text.get(from..at).unwrap_or("").trim_end();
            inside.strip_suffix('"').unwrap_or(inside)
        } else {
            text.get(from..value_end).unwrap_or("")
        };
        if !quoted && form == Form::Plain && raw.starts_with('#') {
            let digits = raw.get(1..).unwrap_or("");
            if digits.is_empty()
                || digits.len() % 2 == 1
                || !digits.bytes().all(|b| b.is_ascii_hexdigit())
            {
                // Samba writes a leading hash in the middle of a value bare, nobody at its start.
                return Some(Err(
                    self.fail(|text| DnError::BrokenEscape { at: start, text })
                ));
            }
            form = Form::Hexadecimal;
        }
        let ends_rdn = bytes.get(at) != Some(&b'+');
        let more = at < bytes.len();
        self.at = at + usize::from(more);
        self.done = !more;
        Some(Ok(Ava {
            kind,
            raw,
            form,
            ends_rdn,
            value_end,
            end: self.at,
        }))
    }
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

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (a, b) in [
            (
                "CN=Jim Stone,DC=contoso,DC=com",
                "cn=jim stone, dc=Contoso ,dc=COM",
            ),
            (r"CN=Stone\, Jim,DC=c", r"cn=Stone\2C Jim,dc=c"),
            (r"CN=Stone\, Jim,DC=c", r#"cn="Stone, Jim",dc=c"#),
            (r#"CN=O'Brien \"Obi\",DC=c"#, r"CN=O'Brien \22Obi\22,DC=c"),
            ("CN=Jim  Stone,DC=c", "CN=Jim Stone,DC=c"),
            (r"CN=\20Lead,DC=c", r"CN=\ Lead,DC=c"),
            ("CN=A+OU=B,DC=c", "ou=b + cn=a,dc=c"),
            (
                "2.5.4.3=Jim,DC=c",
                "CN=jim,oid.0.9.2342.19200300.100.1.25=c",
            ),
            ("CN=#0C034A696D,DC=c", "CN=Jim,DC=c"),
            (r"CN=M\C3\BCller,DC=c", "CN=MÜLLER,DC=c"),
            (r"CN=x\0ADEL:1,DC=c", "CN=X\\0aDEL:1,DC=c"),
            (r"CN=x,DC=c\ ", r"CN=x,DC=c"),
        ] {
            let (a, b) = (Dn::parse(a).unwrap(), Dn::parse(b).unwrap());
            assert_eq!(a, b);
            assert_eq!(a.hash64(), b.hash64());
        }
    }

    #[test]
    fn different_names_are_different() {
        for (a, b) in [
            ("CN=Jim,DC=c", "CN=Jim,DC=d"),
            ("CN=Jim,DC=c", "OU=Jim,DC=c"),
            (r"CN=a\,OU=b,DC=c", "CN=a,OU=b,DC=c"),
            (r"CN=a\+OU=b,DC=c", "CN=a+OU=b,DC=c"),
            (r"CN=a\00,DC=c", r"CN=a,DC=c"),
            (r"CN=a\02\10,DC=c", r"CN=a\00,DC=c"),
            ("CN=ab,DC=c", "CN=a b,DC=c"),
        ] {
            assert_ne!(Dn::parse(a).unwrap(), Dn::parse(b).unwrap());
        }
    }

    #[test]
    fn a_name_knows_its_parts() {
        let dn = Dn::parse(r"CN=Stone\, Jim , OU=People,DC=contoso,DC=com").unwrap();
        assert_eq!(dn.name(), "Stone, Jim");
        assert_eq!(dn.rdn(), r"CN=Stone\, Jim");
        assert_eq!(dn.parent().unwrap().as_str(), "OU=People,DC=contoso,DC=com");
        assert_eq!(dn.depth(), 4);
        assert!(dn.is_within(&Dn::parse("dc=CONTOSO, dc=com").unwrap()));
        assert!(dn.is_within(&dn));
        assert!(dn.is_within(&Dn::parse("").unwrap()));
        assert!(!dn.is_within(&Dn::parse("DC=so,DC=com").unwrap()));
        assert!(
            Dn::parse(r"CN=x\0ADEL:5,CN=Deleted Objects,DC=c")
                .unwrap()
                .is_deleted_object()
        );
        assert!(!dn.is_deleted_object());
        assert_eq!(Dn::parse(r"CN=Jim\0ADEL:5,DC=c").unwrap().shown(), "Jim");
    }

    #[test]
    fn what_is_no_name_says_where() {
        for (text, at) in [
            ("Jim", 0),
            ("CN=Jim,Stone", 7),
            ("=x", 0),
            ("CN=a,,DC=b", 5),
        ] {
            assert!(
                matches!(Dn::parse(text), Err(DnError::NoType { at: found, .. }) if found == at),
                "{text}"
            );
        }
        for text in [r"CN=a\", r#"CN="a"#, r#"CN="a"b,DC=c"#, "CN=#0,DC=c"] {
            assert!(
                matches!(Dn::parse(text), Err(DnError::BrokenEscape { .. })),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_short_way_gives_the_same_normal_form(text in "(CN|ou|2\\.5|o)?=[a-zA-Z .,=+\\\\#;\"é-]{0,12}(,(DC|ou)=[ a-z]{0,4}){0,2}") {
            if let Ok(dn) = Dn::parse(&text) {
                let mut long = Vec::new();
                dn.key_into(&mut long);
                prop_assert_eq!(dn.key(), DnKey(long.into()));
                prop_assert_eq!(hash_text(&text), Ok(dn.hash64()));
            } else {
                prop_assert!(plain_key(&text, &mut [0; PLAIN]).is_none());
            }
        }

        #[test]
        fn an_escaped_value_comes_back(value in "[^\0]{1,20}") {
            prop_assume!(!value.trim_matches(' ').is_empty());
            let dn = Dn::parse(&format!("CN={},DC=c", escape(&value))).unwrap();
            prop_assert_eq!(dn.name(), value);
            prop_assert_eq!(dn.depth(), 2);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(dn) = Dn::parse(&text) {
                prop_assert_eq!(&Dn::parse(dn.as_str()).unwrap(), &dn);
                let mut at = Some(dn);
                while let Some(name) = at { at = name.parent(); }
            }
        }
    }
}
