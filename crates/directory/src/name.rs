//! Names as requests carry them: a distinguished name or `<GUID=...>`; and names as the tree keeps them.
//!
//! Specification: [MS-ADTS] 3.1.1.3.1.2.4 (alternative forms of DNs), RFC 4514.
//!
//! Invariant: the tree is keyed by the normal form of one RDN; the text is for readers only.

use automend_core::dn::{Dn, DnKey, escape};

use crate::error::Refusal;
use crate::guid::{self, guid_text};

/// The longest name that is given to an object, in bytes. Readers take eight times as much, because
/// moving a parent makes the names below it longer.
pub const MAX_NAME_BYTES: usize = 8 * 1024;

/// Refuses a name of more than [`MAX_NAME_BYTES`].
pub(crate) fn check_length(found: usize) -> Result<(), Refusal> {
    let max = MAX_NAME_BYTES;
    if found > max {
        return Err(Refusal::NameTooLong { max, found });
    }
    Ok(())
}

/// What a request may call an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    /// By its place in the tree.
    Dn(Dn),
    /// By its objectGUID, in the byte order of the attribute; survives every rename.
    Guid([u8; 16]),
}

impl Name {
    /// Reads a distinguished name, `<GUID=...>` with dashes or as 32 hexadecimal digits, or the
    /// extended form `<GUID=...>;<SID=...>;CN=...`, of which the GUID decides.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadName`] with the text.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bad = || Refusal::BadName {
            text: text.to_owned(),
        };
        let Some(rest) = text.trim_start().strip_prefix('<') else {
            return Dn::parse(text).map(Self::Dn).map_err(|_| bad());
        };
        let (inside, _) = rest.split_once('>').ok_or_else(bad)?;
        let (kind, value) = inside.split_once('=').ok_or_else(bad)?;
        if !kind.eq_ignore_ascii_case("GUID") {
            return Err(bad());
        }
        guid::parse(value).map(Self::Guid).ok_or_else(bad)
    }
}

impl From<Dn> for Name {
    fn from(dn: Dn) -> Self {
        Self::Dn(dn)
    }
}

impl From<&Dn> for Name {
    fn from(dn: &Dn) -> Self {
        Self::Dn(dn.clone())
    }
}

impl From<[u8; 16]> for Name {
    fn from(guid: [u8; 16]) -> Self {
        Self::Guid(guid)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dn(dn) => dn.fmt(f),
            Self::Guid(guid) => write!(f, "<GUID={}>", guid_text(guid)),
        }
    }
}

/// The normal forms of a name's RDNs, root first; each is one key of the tree.
pub(crate) fn path(key: &DnKey) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = key.as_bytes().split(|b| *b == 0).collect();
    // The normal form ends every RDN with a zero, so the last part is empty.
    parts.pop();
    parts.reverse();
    parts
}

/// The leading RDN as the directory will write it: types as Active Directory spells them, values
/// escaped as RFC 4514 2.4. What can't be rewritten without changing its meaning stays as it came.
pub(crate) fn canonical_rdn(dn: &Dn) -> String {
    let written = dn.rdn();
    let text = dn
        .rdn_parts()
        .iter()
        .map(|(kind, value)| format!("{}={}", naming_type(kind), escape(value)))
        .collect::<Vec<_>>()
        .join("+");
    if !written.contains(['\\', '"', '#']) {
        return text;
    }
    let same =
        Dn::parse(&text).is_ok_and(|other| path(&other.key()).first() == path(&dn.key()).last());
    if same { text } else { written.to_owned() }
}

/// The attribute and the value that an RDN gives to its object.
pub(crate) fn naming_value(rdn: &str) -> Option<(String, String)> {
    let dn = Dn::parse(rdn).ok()?;
    dn.rdn_parts().into_iter().next()
}

fn naming_type(kind: &str) -> &str {
    const SPELLED: [&str; 8] = ["CN", "OU", "DC", "O", "C", "L", "ST", "UID"];
    const OIDS: [(&str, &str); 4] = [
        ("2.5.4.3", "CN"),
        ("2.5.4.11", "OU"),
        ("0.9.2342.19200300.100.1.25", "DC"),
        ("2.5.4.10", "O"),
    ];
    let bare = kind
        .strip_prefix("oid.")
        .or_else(|| kind.strip_prefix("OID."))
        .unwrap_or(kind);
    OIDS.iter()
        .find(|(oid, _)| *oid == bare)
        .map(|(_, name)| *name)
        .or_else(|| {
            SPELLED
                .iter()
                .find(|s| s.eq_ignore_ascii_case(bare))
                .copied()
        })
        .unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_guid_are_one() {
        let dashed = Name::parse("<GUID=1c1f4ee2-72f3-41aa-b4c6-9d7633c24fc6>").unwrap();
        let plain = Name::parse("<GUID=e24e1f1cf372aa41b4c69d7633c24fc6>;<SID=01>;CN=x").unwrap();
        assert_eq!(dashed, plain);
        assert_eq!(
            dashed.to_string(),
            "<GUID=1c1f4ee2-72f3-41aa-b4c6-9d7633c24fc6>"
        );
        for bad in ["<GUID=zz>", "<GUID=1c1f", "<SID=1>", "jim"] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_rdn_is_spelled_one_way() {
        for (written, spelled) in [
            ("cn=Jim,dc=c", "CN=Jim"),
            (r#"cn="Stone, Jim",dc=c"#, r"CN=Stone\, Jim"),
            ("2.5.4.3=Jim", "CN=Jim"),
            ("ou=a + cn=b", "OU=a+CN=b"),
            ("x-y=1", "x-y=1"),
        ] {
            assert_eq!(canonical_rdn(&Dn::parse(written).unwrap()), spelled);
        }
    }
}
