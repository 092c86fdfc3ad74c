//! The attributes this directory knows: name, OID, syntax, how many values, and link pair.
//!
//! Sources, marked per row: `ada` [MS-ADA1], [MS-ADA2], [MS-ADA3] (base attributes); `exch` public
//! dumps of Exchange-extended schemas (OIDs, syntaxes, cardinality, and the linkIDs 12 to 15, 32
//! and 33); `auto` the same, but every forest chooses the linkID itself ([MS-ADTS] 3.1.1.2.3.1), so
//! the pair number here is ours alone. Syntaxes: [MS-ADTS] 3.1.1.2.2.2.
//!
//! An attribute that isn't here is held all the same: case-insensitive text, any number of values.
//!
//! Invariant: rows are only ever appended, because an attribute's row number is what the file holds.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use automend_core::dn::Dn;
use automend_core::names;

use crate::time;

/// How the values of an attribute are compared.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Syntax {
    /// Text without case (2.5.5.12, .4, .5), and OIDs (2.5.5.2).
    Text,
    /// A distinguished name (2.5.5.1).
    Dn,
    /// Bytes (2.5.5.10).
    Octets,
    /// A whole number (2.5.5.9, .16).
    Integer,
    /// `TRUE` or `FALSE` (2.5.5.8).
    Boolean,
    /// GeneralizedTime (2.5.5.11).
    Time,
    /// A security identifier, in bytes (2.5.5.17).
    Sid,
    /// A security descriptor, in bytes (2.5.5.15).
    SecurityDescriptor,
}

/// Which side of a link pair an attribute is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Link {
    /// Not linked.
    None,
    /// Written on the owner; the number is the pair's.
    Forward(u16),
    /// Computed on the object that the forward link names.
    Back(u16),
}

/// One attribute of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// lDAPDisplayName.
    pub name: &'static str,
    /// attributeID.
    pub oid: &'static str,
    /// attributeSyntax.
    pub syntax: Syntax,
    /// isSingleValued.
    pub single: bool,
    /// linkID.
    pub link: Link,
    /// Number of its value index, 0 for none. On disk, so it never changes.
    pub index: u8,
    /// Whether the directory computes it, so that it cannot be written.
    pub computed: bool,
    /// Whether a tombstone keeps it ([MS-ADTS] 3.1.1.5.5.1.1, and searchFlags bit 8).
    pub survives: bool,
}

impl Attribute {
    const fn new(name: &'static str, oid: &'static str, syntax: Syntax, single: bool) -> Self {
        Self {
            name,
            oid,
            syntax,
            single,
            link: Link::None,
            index: 0,
            computed: false,
            survives: false,
        }
    }

    const fn link(mut self, link: Link) -> Self {
        self.link = link;
        self.computed = matches!(link, Link::Back(_));
        self
    }

    const fn index(mut self, index: u8) -> Self {
        self.index = index;
        self
    }

    const fn computed(mut self) -> Self {
        self.computed = true;
        self
    }

    const fn survives(mut self) -> Self {
        self.survives = true;
        self
    }
}

/// The pair of msExchDelegateListLink and msExchDelegateListBL in this directory.
pub const DELEGATES: u16 = 0x4002;

use Link::{Back, Forward};
use Syntax::{Boolean, Integer, Octets, SecurityDescriptor, Sid, Text, Time};

const M: bool = false;
const S: bool = true;

/// Every known attribute. Append only.
pub const ATTRIBUTES: &[Attribute] = &[
    // ada: names, classes and what the directory computes
    Attribute::new("objectClass", "2.5.4.0", Text, M).survives(),
    Attribute::new("cn", "2.5.4.3", Text, S),
    Attribute::new("ou", "2.5.4.11", Text, M),
    Attribute::new("dc", "0.9.2342.19200300.100.1.25", Text, S),
    Attribute::new("o", "2.5.4.10", Text, M),
    Attribute::new("c", "2.5.4.6", Text, S),
    Attribute::new("l", "2.5.4.7", Text, S),
    Attribute::new("distinguishedName", "2.5.4.49", Syntax::Dn, S).computed(),
    Attribute::new("name", "1.2.840.113556.1.4.1", Text, S).computed(),
    Attribute::new("objectGUID", "1.2.840.113556.1.4.2", Octets, S).computed(),
    Attribute::new("uSNCreated", "1.2.840.113556.1.2.19", Integer, S).computed(),
    Attribute::new("uSNChanged", "1.2.840.113556.1.2.120", Integer, S).computed(),
    Attribute::new("whenCreated", "1.2.840.113556.1.2.2", Time, S).computed(),
    Attribute::new("whenChanged", "1.2.840.113556.1.2.3", Time, S).computed(),
    Attribute::new("isDeleted", "1.2.840.113556.1.2.48", Boolean, S).computed(),
    Attribute::new("isRecycled", "1.2.840.113556.1.4.2058", Boolean, S).computed(),
    Attribute::new("lastKnownParent", "1.2.840.113556.1.4.781", Syntax::Dn, S).survives(),
    Attribute::new("objectCategory", "1.2.840.113556.1.4.782", Syntax::Dn, S),
    Attribute::new("instanceType", "1.2.840.113556.1.2.1", Integer, S).survives(),
    Attribute::new("systemFlags", "1.2.840.113556.1.4.375", Integer, S).survives(),
    Attribute::new("objectSid", "1.2.840.113556.1.4.146", Sid, S)
        .index(6)
        .survives(),
    Attribute::new("sIDHistory", "1.2.840.113556.1.4.609", Sid, M).survives(),
    Attribute::new(
        "nTSecurityDescriptor",
        "1.2.840.113556.1.2.281",
        SecurityDescriptor,
        S,
    )
    .survives(),
    // ada: people
    Attribute::new("sAMAccountName", "1.2.840.113556.1.4.221", Text, S)
        .index(4)
        .survives(),
    Attribute::new("userPrincipalName", "1.2.840.113556.1.4.656", Text, S).index(3),
    Attribute::new("displayName", "1.2.840.113556.1.2.13", Text, S),
    Attribute::new("givenName", "2.5.4.42", Text, S),
    Attribute::new("sn", "2.5.4.4", Text, S),
    Attribute::new("description", "2.5.4.13", Text, M),
    Attribute::new("mail", "0.9.2342.19200300.100.1.3", Text, S).index(2),
    Attribute::new("userAccountControl", "1.2.840.113556.1.4.8", Integer, S).survives(),
    Attribute::new("sAMAccountType", "1.2.840.113556.1.4.302", Integer, S),
    Attribute::new("groupType", "1.2.840.113556.1.4.750", Integer, S).survives(),
    Attribute::new("primaryGroupID", "1.2.840.113556.1.4.98", Integer, S),
    Attribute::new("accountExpires", "1.2.840.113556.1.4.159", Integer, S),
    Attribute::new("pwdLastSet", "1.2.840.113556.1.4.96", Integer, S),
    Attribute::new("member", "2.5.4.31", Syntax::Dn, M).link(Forward(2)),
    Attribute::new("memberOf", "1.2.840.113556.1.2.102", Syntax::Dn, M).link(Back(2)),
    Attribute::new("manager", "0.9.2342.19200300.100.1.10", Syntax::Dn, S).link(Forward(42)),
    Attribute::new("directReports", "1.2.840.113556.1.2.436", Syntax::Dn, M).link(Back(42)),
    Attribute::new("managedBy", "1.2.840.113556.1.4.653", Syntax::Dn, S).link(Forward(72)),
    Attribute::new("managedObjects", "1.2.840.113556.1.4.654", Syntax::Dn, M).link(Back(72)),
    // ada: where Outlook finds Autodiscover
    Attribute::new("keywords", "1.2.840.113556.1.4.48", Text, M),
    Attribute::new(
        "serviceBindingInformation",
        "1.2.840.113556.1.4.510",
        Text,
        M,
    ),
    Attribute::new("serviceClassName", "1.2.840.113556.1.4.509", Text, S),
    Attribute::new("serviceDNSName", "1.2.840.113556.1.4.657", Text, S),
    // ada: mail attributes that the base schema has
    Attribute::new("legacyExchangeDN", "1.2.840.113556.1.4.655", Text, S)
        .index(5)
        .survives(),
    Attribute::new("proxyAddresses", "1.2.840.113556.1.2.210", Text, M).index(1),
    Attribute::new("showInAddressBook", "1.2.840.113556.1.4.644", Syntax::Dn, M),
    Attribute::new("textEncodedORAddress", "0.9.2342.19200300.100.1.2", Text, S),
    // exch
    Attribute::new("mailNickname", "1.2.840.113556.1.2.447", Text, S),
    Attribute::new("targetAddress", "1.2.840.113556.1.2.352", Text, S).index(7),
    Attribute::new("homeMDB", "1.2.840.113556.1.2.244", Syntax::Dn, S).link(Forward(32)),
    Attribute::new("homeMDBBL", "1.2.840.113556.1.2.393", Syntax::Dn, M).link(Back(32)),
    Attribute::new("homeMTA", "1.2.840.113556.1.2.171", Syntax::Dn, S),
    Attribute::new("publicDelegates", "1.2.840.113556.1.2.238", Syntax::Dn, M).link(Forward(14)),
    Attribute::new("publicDelegatesBL", "1.2.840.113556.1.2.295", Syntax::Dn, M).link(Back(14)),
    Attribute::new("altRecipient", "1.2.840.113556.1.2.126", Syntax::Dn, S).link(Forward(12)),
    Attribute::new("altRecipientBL", "1.2.840.113556.1.2.294", Syntax::Dn, M).link(Back(12)),
    Attribute::new("mDBUseDefaults", "1.2.840.113556.1.2.309", Boolean, S),
    Attribute::new("extensionAttribute1", "1.2.840.113556.1.2.423", Text, S),
    // auto
    Attribute::new(
        "msExchDelegateListLink",
        "1.2.840.113556.1.4.7000.102.51530",
        Syntax::Dn,
        M,
    )
    .link(Forward(DELEGATES)),
    Attribute::new(
        "msExchDelegateListBL",
        "1.2.840.113556.1.4.7000.102.51538",
        Syntax::Dn,
        M,
    )
    .link(Back(DELEGATES)),
    Attribute::new(
        "msExchArchiveDatabaseLink",
        "1.2.840.113556.1.4.7000.102.51444",
        Syntax::Dn,
        S,
    )
    .link(Forward(0x4000)),
    // Its real OID was in no source; this one is from the laboratory's own arc.
    Attribute::new(
        "msExchArchiveDatabaseLinkBL",
        "1.2.840.113556.1.4.7000.102.59001",
        Syntax::Dn,
        M,
    )
    .link(Back(0x4000)),
    // exch, not linked
    Attribute::new(
        "msExchHomeServerName",
        "1.2.840.113556.1.4.7000.102.47",
        Text,
        S,
    ),
    Attribute::new(
        "msExchMailboxGuid",
        "1.2.840.113556.1.4.7000.102.11058",
        Octets,
        S,
    )
    .index(8)
    .survives(),
    Attribute::new(
        "msExchArchiveGUID",
        "1.2.840.113556.1.4.7000.102.51443",
        Octets,
        S,
    )
    .index(9),
    Attribute::new(
        "msExchArchiveName",
        "1.2.840.113556.1.4.7000.102.51441",
        Text,
        M,
    ),
    Attribute::new(
        "msExchArchiveStatus",
        "1.2.840.113556.1.4.7000.102.51602",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchArchiveAddress",
        "1.2.840.113556.1.4.7000.102.51584",
        Text,
        S,
    ),
    Attribute::new(
        "msExchDisabledArchiveGUID",
        "1.2.840.113556.1.4.7000.102.51765",
        Octets,
        S,
    ),
    Attribute::new(
        "msExchDisabledArchiveDatabaseLink",
        "1.2.840.113556.1.4.7000.102.51766",
        Syntax::Dn,
        S,
    ),
    Attribute::new(
        "msExchPreviousMailboxGuid",
        "1.2.840.113556.1.4.7000.102.51740",
        Octets,
        S,
    ),
    Attribute::new(
        "msExchPreviousHomeMDB",
        "1.2.840.113556.1.4.7000.102.51450",
        Syntax::Dn,
        S,
    ),
    Attribute::new(
        "msExchPreviousArchiveDatabase",
        "1.2.840.113556.1.4.7000.102.51773",
        Syntax::Dn,
        S,
    ),
    Attribute::new(
        "msExchPreviousRecipientTypeDetails",
        "1.2.840.113556.1.4.7000.102.52107",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchRecipientTypeDetails",
        "1.2.840.113556.1.4.7000.102.50855",
        Integer,
        S,
    )
    .survives(),
    Attribute::new(
        "msExchRecipientDisplayType",
        "1.2.840.113556.1.4.7000.102.50730",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchRemoteRecipientType",
        "1.2.840.113556.1.4.7000.102.51611",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchVersion",
        "1.2.840.113556.1.4.7000.102.50853",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchHideFromAddressLists",
        "1.2.840.113556.1.4.7000.102.73",
        Boolean,
        S,
    ),
    Attribute::new(
        "msExchMailboxSecurityDescriptor",
        "1.2.840.113556.1.4.7000.102.80",
        SecurityDescriptor,
        S,
    ),
    Attribute::new(
        "msExchMasterAccountSid",
        "1.2.840.113556.1.4.7000.102.81",
        Sid,
        S,
    ),
    Attribute::new(
        "msExchUserAccountControl",
        "1.2.840.113556.1.4.7000.102.101",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchALObjectVersion",
        "1.2.840.113556.1.4.7000.102.59",
        Integer,
        S,
    ),
    Attribute::new(
        "msExchPoliciesIncluded",
        "1.2.840.113556.1.4.7000.102.50050",
        Text,
        M,
    ),
    Attribute::new(
        "msExchWhenMailboxCreated",
        "1.2.840.113556.1.4.7000.102.51580",
        Time,
        S,
    ),
    Attribute::new(
        "msExchAlternateMailboxes",
        "1.2.840.113556.1.4.7000.102.51270",
        Text,
        M,
    ),
    Attribute::new(
        "msExchTeamMailboxOwners",
        "1.2.840.113556.1.4.7000.102.51872",
        Syntax::Dn,
        M,
    ),
    Attribute::new(
        "msExchTeamMailboxShowInClientList",
        "1.2.840.113556.1.4.7000.102.51873",
        Syntax::Dn,
        M,
    ),
    Attribute::new(
        "msExchPublicFolderMailbox",
        "1.2.840.113556.1.4.7000.102.52034",
        Syntax::Dn,
        S,
    ),
];

/// Rows by lower-case name and by OID.
static ROWS: LazyLock<HashMap<String, u32>> = LazyLock::new(|| {
    let mut rows = HashMap::new();
    for (row, attribute) in (0..).zip(ATTRIBUTES) {
        rows.insert(attribute.name.to_ascii_lowercase(), row);
        rows.insert(attribute.oid.to_owned(), row);
    }
    rows
});

/// The attribute with this name or OID, in any case, without options.
pub fn find(name: &str) -> Option<&'static Attribute> {
    row(name).and_then(by_row)
}

/// The forward link of a pair.
pub fn forward(pair: u16) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|a| a.link == Forward(pair))
}

/// The back link of a pair.
pub fn back(pair: u16) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|a| a.link == Back(pair))
}

/// Compares values as `name`'s syntax says; an unknown name is text.
pub fn syntax(name: &str) -> Syntax {
    find(name).map_or(Syntax::Text, |a| a.syntax)
}

pub(crate) fn row(name: &str) -> Option<u32> {
    if let Some(row) = ROWS.get(name) {
        return Some(*row);
    }
    if !name.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    ROWS.get(&name.to_ascii_lowercase()).copied()
}

pub(crate) fn by_row(row: u32) -> Option<&'static Attribute> {
    ATTRIBUTES.get(usize::try_from(row).ok()?)
}

/// The form of a value that is equal for two values exactly when the directory takes them as one.
///
/// A value that doesn't fit its syntax stands for itself, byte for byte: it came from a file and
/// must not be lost.
pub fn normal(syntax: Syntax, value: &[u8]) -> Cow<'_, [u8]> {
    match syntax {
        Syntax::Octets | Syntax::Sid | Syntax::SecurityDescriptor => Cow::Borrowed(value),
        Syntax::Text => text(value),
        Syntax::Boolean => Cow::Owned(value.to_ascii_uppercase()),
        Syntax::Integer => match integer(value) {
            Some(number) => Cow::Owned(number.to_string().into_bytes()),
            None => Cow::Borrowed(value),
        },
        Syntax::Time => match time::parse(value) {
            Some(seconds) => Cow::Owned(time::text(seconds).into_bytes()),
            None => Cow::Borrowed(value),
        },
        Syntax::Dn => match std::str::from_utf8(value).ok().map(Dn::parse) {
            Some(Ok(dn)) => Cow::Owned(dn.key().as_bytes().to_vec()),
            _ => text(value),
        },
    }
}

/// A whole number, as [MS-ADTS] 3.1.1.3.4 wants it written.
pub fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Whether a value can be one of this syntax.
pub fn fits(syntax: Syntax, value: &[u8]) -> bool {
    match syntax {
        Syntax::Integer => integer(value).is_some(),
        Syntax::Boolean => matches!(value.to_ascii_uppercase().as_slice(), b"TRUE" | b"FALSE"),
        Syntax::Time => time::parse(value).is_some(),
        Syntax::Dn => std::str::from_utf8(value).is_ok_and(|t| Dn::parse(t).is_ok()),
        Syntax::Text | Syntax::Octets | Syntax::Sid | Syntax::SecurityDescriptor => true,
    }
}

/// Text without case; spaces count, as they do in Active Directory.
fn text(value: &[u8]) -> Cow<'_, [u8]> {
    if value.is_ascii() {
        if value.iter().any(u8::is_ascii_uppercase) {
            return Cow::Owned(value.to_ascii_lowercase());
        }
        return Cow::Borrowed(value);
    }
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Owned(text.to_lowercase().into_bytes()),
        Err(_) => Cow::Borrowed(value),
    }
}

/// A security identifier from the text that some tools print instead ([MS-DTYP] 2.4.2.1).
pub(crate) fn sid(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    names::Sid::parse(text).map(|sid| sid.as_bytes().to_vec())
}

/// Whether two names, or a name and an OID, are one attribute.
pub(crate) fn same_attribute(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || matches!((row(a), row(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_on_disk_never_move() {
        for (row, name) in [(0, "objectClass"), (23, "sAMAccountName"), (36, "member")] {
            assert_eq!(ATTRIBUTES[row].name, name);
        }
        assert_eq!(ATTRIBUTES.last().unwrap().name, "msExchPublicFolderMailbox");
    }

    #[test]
    fn names_and_oids_are_unique_and_links_come_in_pairs() {
        assert_eq!(ROWS.len(), ATTRIBUTES.len() * 2);
        for attribute in ATTRIBUTES {
            match attribute.link {
                Link::None => {}
                Forward(pair) => assert!(back(pair).is_some(), "{}", attribute.name),
                Back(pair) => assert!(forward(pair).is_some(), "{}", attribute.name),
            }
        }
        assert_eq!(find("MSEXCHDELEGATELISTBL").unwrap().link, Back(DELEGATES));
        assert_eq!(find("2.5.4.31").unwrap().name, "member");
        assert_eq!(
            find("msExchTeamMailboxShowInClientList").unwrap().link,
            Link::None
        );
    }

    #[test]
    fn values_compare_as_their_syntax_says() {
        for (name, a, b, equal) in [
            ("mail", "Jim@Contoso.test", "jim@contoso.TEST", true),
            ("displayName", "MÜLLER", "müller", true),
            ("objectGUID", "AB", "ab", false),
            ("uSNChanged", "007", "7", true),
            ("manager", "CN=Jim, DC=c", "cn=jim,dc=C", true),
            ("msExchHideFromAddressLists", "true", "TRUE", true),
            ("whenCreated", "20260101000000Z", "20260101000000.0Z", true),
            ("nobodyKnowsThis", "Abc", "aBC", true),
        ] {
            let syntax = syntax(name);
            assert_eq!(
                normal(syntax, a.as_bytes()) == normal(syntax, b.as_bytes()),
                equal,
                "{name}"
            );
        }
    }

    #[test]
    fn identifiers_are_read_as_tools_print_them() {
        assert_eq!(
            sid(b"S-1-5-21-1573668196-1105").unwrap(),
            [
                1, 3, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x64, 0x45, 0xcc, 0x5d, 0x51, 4, 0, 0
            ]
        );
        assert_eq!(sid(b"\x01\x05binary"), None);
        let guid = crate::guid::of_value(b"1c1f4ee2-72f3-41aa-b4c6-9d7633c24fc6").unwrap();
        assert_eq!(guid[..4], [0xe2, 0x4e, 0x1f, 0x1c]);
    }
}
