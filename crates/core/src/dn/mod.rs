//! Distinguished names, compared as a directory compares them.
//!
//! String form: RFC 4514, and what older writers leave behind (RFC 1779 quotes, spaces around
//! separators, `oid.` prefixes). Comparison: types without case, values unescaped, without case and
//! with runs of spaces as one (RFC 4518 2.6.1), the parts of a multi-valued RDN in any order.
//! Servers write the same name differently: Samba `\,`, slapd `\2C`; so names are never compared as text.
//!
//! Invariant: a [`Dn`] keeps the text it was read from, because only this text is sure to be
//! understood by the server that wrote it; equality, order and hash look at the normal form alone.

mod avas;
mod error;
mod plain;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use avas::Avas;
use plain::{AVA_END, PLAIN, RDN_END, plain_key};

pub use error::{DnError, MAX_BYTES};

/// A distinguished name. The empty name is the root DSE.
#[derive(Clone)]
pub struct Dn(Box<str>);

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

    /// The DNS name of the domain that the name ends with, `contoso.com` of `CN=Jim,DC=contoso,DC=com`
    /// ([RFC 2247]); empty where it ends with none.
    pub fn domain(&self) -> String {
        let mut labels = Vec::new();
        let mut at = Some(self.clone());
        while let Some(name) = at {
            match name.rdn_parts().as_slice() {
                [] => break,
                [(kind, label)] if kind.eq_ignore_ascii_case("dc") => {
                    labels.push(label.to_lowercase());
                }
                _ => labels.clear(),
            }
            at = name.parent();
        }
        labels.join(".")
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

impl Serialize for Dn {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Dn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(|error| D::Error::custom(format_args!("{text:?}: {error}")))
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

/// Whether the name that `text` is may be that of a [deleted object](Dn::is_deleted_object), told at a glance:
/// a line feed can stand in it only as itself, as `\0A`, or in hexadecimal digits after `#`.
pub(crate) fn may_be_deleted(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Without a way out in between, which the processor does for many bytes at once.
    let odd = |any, byte: &u8| any | matches!(byte, b'\n' | b'#' | b'\\');
    bytes.iter().fold(false, odd)
        && (bytes.iter().any(|byte| matches!(byte, b'\n' | b'#'))
            || bytes.windows(2).any(|pair| pair == b"\\0"))
}

pub(crate) fn hash_key(key: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(key);
    hasher.finish()
}

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
