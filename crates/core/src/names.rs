//! Names that Exchange writes into a directory, each spelled once, and the addresses it knows people by.
//!
//! Attribute identifiers: [MS-ADA1] to [MS-ADA3] for the base schema; the `msExch` ones
//! (arc 1.2.840.113556.1.4.7000.102) as the Exchange schema extension adds them.
//!
//! Invariant: no attribute name appears as a string anywhere else in this crate.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `lDAPDisplayName`s of the attributes that decide what Autodiscover answers.
pub mod attribute {
    /// Forward link on the owner, …102.51530: the delegates for whom this mailbox is opened.
    pub const DELEGATE_LIST_LINK: &str = "msExchDelegateListLink";
    /// Back link on the delegate, …102.51538: the owners. Derived by the directory, never written.
    pub const DELEGATE_LIST_BL: &str = "msExchDelegateListBL";
    /// 1.2.840.113556.1.4.655: what one mailbox is called inside Exchange.
    pub const LEGACY_EXCHANGE_DN: &str = "legacyExchangeDN";
    /// …102.11058: sixteen bytes that name the mailbox in its database.
    pub const MAILBOX_GUID: &str = "msExchMailboxGuid";
    /// 1.2.840.113556.1.2.244: the database, a link that vanishes with it.
    pub const HOME_MDB: &str = "homeMDB";
    /// …102.47: the server as a legacy name, a text that stays when the server goes.
    pub const HOME_SERVER: &str = "msExchHomeServerName";
    /// …102.50855: what kind of recipient this is, see [`crate::recipient`].
    pub const RECIPIENT_TYPE: &str = "msExchRecipientTypeDetails";
    /// …102.51611: flags of a mailbox that lives in the other half of a hybrid.
    pub const REMOTE_RECIPIENT_TYPE: &str = "msExchRemoteRecipientType";
    /// 1.2.840.113556.1.2.352: where mail for this recipient is sent on, `SMTP:user@host`.
    pub const TARGET_ADDRESS: &str = "targetAddress";
    /// 1.2.840.113556.1.2.210: every address, the primary one with `SMTP:` in capitals.
    pub const PROXY_ADDRESSES: &str = "proxyAddresses";
    /// 0.9.2342.19200300.100.1.3.
    pub const MAIL: &str = "mail";
    /// 1.2.840.113556.1.2.447: the alias; Exchange gives one to whatever it enables for mail.
    pub const MAIL_NICKNAME: &str = "mailNickname";
    /// 1.2.840.113556.1.4.656.
    pub const USER_PRINCIPAL_NAME: &str = "userPrincipalName";
    /// 1.2.840.113556.1.4.221.
    pub const SAM_ACCOUNT_NAME: &str = "sAMAccountName";
    /// 1.2.840.113556.1.2.13.
    pub const DISPLAY_NAME: &str = "displayName";
    /// 2.5.4.0.
    pub const OBJECT_CLASS: &str = "objectClass";
    /// 1.2.840.113556.1.4.2.
    pub const OBJECT_GUID: &str = "objectGUID";
    /// 1.2.840.113556.1.4.146: the account's security identifier ([MS-DTYP] 2.4.2).
    pub const OBJECT_SID: &str = "objectSid";
    /// 1.2.840.113556.1.4.8: bit 2 is a disabled account.
    pub const USER_ACCOUNT_CONTROL: &str = "userAccountControl";
    /// 2.5.4.31: who is in a group.
    pub const MEMBER: &str = "member";
    /// 1.2.840.113556.1.2.102: the groups that an object is in, but for its primary group. Derived by the directory.
    pub const MEMBER_OF: &str = "memberOf";
    /// 1.2.840.113556.1.4.98: the relative identifier of the one group that a user is in without a link.
    pub const PRIMARY_GROUP_ID: &str = "primaryGroupID";
    /// …102.73.
    pub const HIDDEN: &str = "msExchHideFromAddressLists";
    /// …102.81: whose account this mailbox belongs to, for linked and shared mailboxes.
    pub const MASTER_ACCOUNT_SID: &str = "msExchMasterAccountSid";
    /// …102.80: who may open the mailbox, see [`crate::descriptor`]. The mailbox store has a copy of its own.
    pub const MAILBOX_SECURITY_DESCRIPTOR: &str = "msExchMailboxSecurityDescriptor";
    /// 1.2.840.113556.1.2.171: the transport agent of Exchange 2000 to 2007.
    pub const HOME_MTA: &str = "homeMTA";
    /// …102.50730: how address books show the recipient.
    pub const DISPLAY_TYPE: &str = "msExchRecipientDisplayType";
    /// …102.51580.
    pub const WHEN_CREATED: &str = "msExchWhenMailboxCreated";
    /// …102.101.
    pub const EXCHANGE_ACCOUNT_CONTROL: &str = "msExchUserAccountControl";
    /// …102.59.
    pub const ADDRESS_LIST_VERSION: &str = "msExchALObjectVersion";
    /// The address policies that apply.
    pub const POLICIES_INCLUDED: &str = "msExchPoliciesIncluded";
    /// 1.2.840.113556.1.4.644: the address lists that have it.
    pub const SHOW_IN_ADDRESS_BOOK: &str = "showInAddressBook";
    /// 1.2.840.113556.1.2.309: whether the quotas are those of the database.
    pub const DEFAULT_QUOTAS: &str = "mDBUseDefaults";
    /// …102.51740: the mailbox that was disabled.
    pub const PREVIOUS_MAILBOX_GUID: &str = "msExchPreviousMailboxGuid";
    /// …102.51450: the database of the mailbox that was disabled.
    pub const PREVIOUS_HOME_MDB: &str = "msExchPreviousHomeMDB";
    /// …102.52107: what kind of mailbox was disabled.
    pub const PREVIOUS_RECIPIENT_TYPE: &str = "msExchPreviousRecipientTypeDetails";
    /// …102.51765: the archive that was disabled.
    pub const DISABLED_ARCHIVE_GUID: &str = "msExchDisabledArchiveGUID";
    /// …102.51766: the database of the archive that was disabled.
    pub const DISABLED_ARCHIVE_DATABASE: &str = "msExchDisabledArchiveDatabaseLink";
    /// …102.50853: the Exchange that wrote the object last.
    pub const EXCHANGE_VERSION: &str = "msExchVersion";
    /// …102.51443: sixteen bytes that name the archive.
    pub const ARCHIVE_GUID: &str = "msExchArchiveGUID";
    /// …102.51441.
    pub const ARCHIVE_NAME: &str = "msExchArchiveName";
    /// …102.51444: the archive's database.
    pub const ARCHIVE_DATABASE: &str = "msExchArchiveDatabaseLink";
    /// …102.51602: 1 when the archive is hosted elsewhere.
    pub const ARCHIVE_STATUS: &str = "msExchArchiveStatus";
    /// …102.51584: the domain that hosts the archive.
    pub const ARCHIVE_ADDRESS: &str = "msExchArchiveAddress";
    /// …102.51873: site mailboxes this user wants to see.
    pub const TEAM_MAILBOXES: &str = "msExchTeamMailboxShowInClientList";
    /// …102.50791: the server that holds a database.
    pub const OWNING_SERVER: &str = "msExchOwningServer";
    /// 1.2.840.113556.1.4.657: the host of a service connection point.
    pub const SERVICE_DNS_NAME: &str = "serviceDNSName";
    /// 1.2.840.113556.1.4.48: what a service connection point is for.
    pub const KEYWORDS: &str = "keywords";
    /// 1.2.840.113556.1.4.510: where a service connection point leads.
    pub const SERVICE_BINDING: &str = "serviceBindingInformation";
    /// 1.2.840.113556.1.2.3: when the controller that was asked last saw a change.
    pub const WHEN_CHANGED: &str = "whenChanged";
    /// 1.2.840.113556.1.4.3: when and where each attribute was written, see [`crate::metadata`].
    pub const REPLICATION_METADATA: &str = "replPropertyMetaData";
}

/// An SMTP address: one `@`, something on both sides, no blanks and no control characters.
///
/// Compared without case, as Exchange compares it.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SmtpAddress(Box<str>);

/// A domain as DNS spells it: lower case, and punycode for what is not ASCII, so that both spellings of a
/// domain are one; `None` for what DNS has no spelling for.
pub fn ascii_domain(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_ascii_lowercase());
    }
    idna::domain_to_ascii(text).ok()
}

/// How the made-up address of a mailbox begins.
const EXCHANGE_GUID: &str = "ExchangeGuid+";

/// A text that is no SMTP address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not an SMTP address")]
pub struct NoAddress {
    /// The text.
    pub text: String,
}

impl SmtpAddress {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`NoAddress`] when the text is longer than 320 bytes (RFC 3696 3) or no address.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let trimmed = text.trim();
        let sides = trimmed.rsplit_once('@');
        let whole = sides.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !local.contains('@')
        });
        if !whole
            || trimmed.len() > 320
            || trimmed.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(NoAddress {
                text: text.to_owned(),
            });
        }
        Ok(Self(trimmed.to_lowercase().into()))
    }

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address that Autodiscover makes up for a mailbox or an archive, which clients ask for next:
    /// `ExchangeGuid+6f9619ff-8b86-d011-b42d-00c04fc964ff@contoso.com`.
    pub fn of_mailbox(guid: Guid, domain: &str) -> String {
        format!("{EXCHANGE_GUID}{guid}@{domain}")
    }

    /// The mailbox or archive that such an address names.
    pub fn mailbox(&self) -> Option<Guid> {
        let (local, _) = self.0.rsplit_once('@')?;
        let (start, guid) = local.split_at_checked(EXCHANGE_GUID.len())?;
        start
            .eq_ignore_ascii_case(EXCHANGE_GUID)
            .then(|| Guid::parse(guid))?
    }
}

impl fmt::Display for SmtpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SmtpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpAddress({})", self.0)
    }
}

/// A GUID as Active Directory stores it: the first three groups little-endian ([MS-DTYP] 2.3.4.2).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Sixteen zero bytes, which Exchange writes where it means that there is none.
    pub const NIL: Self = Self([0; 16]);

    /// Takes the sixteen bytes of an octet string; any other length is no GUID.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads the usual form, `6f9619ff-8b86-d011-b42d-00c04fc964ff`, with or without braces.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}');
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| *c != '-')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()?;
        if digits.len() != 32 {
            return None;
        }
        let mut shown = [0u8; 16];
        for (byte, pair) in shown.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, digit| {
                byte << 4 | u8::try_from(*digit).unwrap_or(0)
            });
        }
        Some(Self(swap(shown)))
    }
}

/// Turns between the order shown and the order stored; its own inverse.
fn swap(bytes: [u8; 16]) -> [u8; 16] {
    let mut swapped = bytes;
    let (groups, _) = swapped.split_at_mut(8);
    let (first, others) = groups.split_at_mut(4);
    let (second, third) = others.split_at_mut(2);
    first.reverse();
    second.reverse();
    third.reverse();
    swapped
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format_args!("{text:?} is no GUID")))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: a server writes several of these into each answer.
        let mut text = [b'-'; 36];
        let digits = text.iter_mut().enumerate();
        let mut digits = digits.filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
        for byte in swap(self.0) {
            for half in [byte >> 4, byte & 15] {
                if let Some((_, digit)) = digits.next() {
                    *digit = half + if half < 10 { b'0' } else { b'a' - 10 };
                }
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

/// A security identifier, as its bytes are stored ([MS-DTYP] 2.4.2.2).
///
/// Its text is `S-1-` with the sub-authorities in decimal, and the authority, too, unless it needs more than
/// 32 bits and is written as `0x` with twelve digits ([MS-DTYP] 2.4.2.1).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Sid(Box<[u8]>);

impl Sid {
    /// Takes the bytes of a value: revision 1, at most fifteen sub-authorities, and nothing behind them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[revision, count], _) = bytes.split_first_chunk()?;
        let whole = bytes.len() == 8 + 4 * usize::from(count);
        (revision == 1 && count <= 15 && whole).then(|| Self(bytes.into()))
    }

    /// Takes a value as sources have it: the bytes, or the text that ldbsearch and PowerShell write.
    pub fn of_value(value: &[u8]) -> Option<Self> {
        let text = || Self::parse(std::str::from_utf8(value).ok()?);
        Self::from_bytes(value).or_else(text)
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| part.bytes().all(|c| c.is_ascii_digit());
        let mut parts = text.trim().strip_prefix("S-1-")?.split('-');
        let authority = parts.next()?;
        let authority = match authority.strip_prefix("0x") {
            Some(digits) if digits.bytes().all(|c| c.is_ascii_hexdigit()) => {
                u64::from_str_radix(digits, 16).ok()?
            }
            None if number(authority) => authority.parse().ok()?,
            _ => return None,
        };
        let subs: Vec<u32> = parts
            .map(|part| part.parse().ok().filter(|_| number(part)))
            .collect::<Option<_>>()?;
        let [0, 0, authority @ ..] = authority.to_be_bytes() else {
            return None;
        };
        let count = u8::try_from(subs.len()).ok().filter(|count| *count <= 15)?;
        let mut bytes = vec![1, count];
        bytes.extend(authority);
        bytes.extend(subs.iter().flat_map(|sub| sub.to_le_bytes()));
        Some(Self(bytes.into()))
    }

    /// The bytes, as a directory stores and compares them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A hash, the same for one identifier within one process.
    pub fn hash64(&self) -> u64 {
        crate::dn::hash_key(&self.0)
    }

    /// Whether it is that of an account or a group of a domain: `S-1-5-21-` with the domain's three numbers and
    /// a relative identifier.
    pub fn is_of_a_domain(&self) -> bool {
        self.0.len() == 28 && self.0.get(2..12) == Some(&[0, 0, 0, 0, 0, 5, 21, 0, 0, 0])
    }

    /// The relative identifier of an account or a group of a domain.
    pub fn relative(&self) -> Option<u32> {
        let last = self.is_of_a_domain().then(|| self.0.last_chunk())??;
        Some(u32::from_le_bytes(*last))
    }

    /// The account or the group of the same domain with another relative identifier.
    pub fn sibling(&self, relative: u32) -> Option<Self> {
        let domain = self.0.get(..24).filter(|_| self.is_of_a_domain())?;
        Some(Self([domain, &relative.to_le_bytes()].concat().into()))
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, subs) = self.0.split_at_checked(8).unwrap_or_default();
        let authority = head
            .iter()
            .skip(2)
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        if authority > u64::from(u32::MAX) {
            write!(f, "S-1-0x{authority:012x}")?;
        } else {
            write!(f, "S-1-{authority}")?;
        }
        for sub in subs.chunks_exact(4) {
            let value = sub
                .iter()
                .rev()
                .fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
            write!(f, "-{value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_security_identifier_reads_back() {
        let text = "S-1-5-21-1111111111-2222222222-3333333333-1104";
        let sid = Sid::parse(text).unwrap();
        assert_eq!(sid.to_string(), text);
        assert_eq!(Sid::from_bytes(sid.as_bytes()), Some(sid.clone()));
        assert_eq!(sid.as_bytes().len(), 28);
        assert_eq!(
            Sid::parse("S-1-1-0").unwrap().as_bytes(),
            [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
        );
        assert_eq!(sid.sibling(513).unwrap().relative(), Some(513));
        assert_eq!(Sid::parse("S-1-5-32-544").unwrap().relative(), None);
        let wide = Sid::parse("S-1-0x0100000000ff-7").unwrap();
        assert_eq!(wide.as_bytes().get(2..8), Some(&[1, 0, 0, 0, 0, 0xff][..]));
        assert_eq!(wide.to_string(), "S-1-0x0100000000ff-7");
        assert_eq!(Sid::parse("S-1-1099511628031-7"), Some(wide));
        for bytes in [
            &[][..],
            &[1],
            &[1, 1, 0, 0, 0, 0, 0, 5],
            &[2, 0, 0, 0, 0, 0, 0, 5],
        ] {
            assert_eq!(Sid::from_bytes(bytes), None);
        }
        for text in [
            "",
            "S-1-",
            "S-2-5-21",
            "S-1-5-x",
            "S-1-5-4294967296",
            "S-1-281474976710656-1",
            "S-1-0x1000000000000-1",
            "S-1-0x-1",
            "S-1-+5-1",
            "S-1-5-+1",
        ] {
            assert_eq!(Sid::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_guid_is_shown_as_windows_shows_it() {
        let text = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
        let guid = Guid::parse(text).unwrap();
        assert_eq!(guid.0[..4], [0xff, 0x19, 0x96, 0x6f]);
        assert_eq!(guid.to_string(), text);
        assert_eq!(
            Guid::parse("{6F9619FF-8B86-D011-B42D-00C04FC964FF}"),
            Some(guid)
        );
        assert_eq!(Guid::parse("6f9619ff"), None);
    }

    #[test]
    fn a_mailbox_has_an_address_made_of_its_guid() {
        let guid = Guid::parse("6f9619ff-8b86-d011-b42d-00c04fc964ff").unwrap();
        let text = SmtpAddress::of_mailbox(guid, "contoso.com");
        assert_eq!(
            text,
            "ExchangeGuid+6f9619ff-8b86-d011-b42d-00c04fc964ff@contoso.com"
        );
        let named = |text: &str| SmtpAddress::parse(text).unwrap().mailbox();
        assert_eq!(named(&text), Some(guid));
        assert_eq!(named(&text.to_uppercase()), Some(guid));
        assert_eq!(named("ExchangeGuid+6f9619ff@contoso.com"), None);
        assert_eq!(named("exchange@contoso.com"), None);
        assert_eq!(named("Exchangeéuid+x@contoso.com"), None);
    }

    #[test]
    fn an_address_is_compared_without_case() {
        assert_eq!(
            SmtpAddress::parse("Alice@Contoso.COM").unwrap(),
            SmtpAddress::parse("alice@contoso.com").unwrap()
        );
        assert_eq!(
            SmtpAddress::parse("o'brien@contoso.com").unwrap().domain(),
            "contoso.com"
        );
        for text in [
            "alice",
            "@contoso.com",
            "alice@",
            "a@b@c",
            "a b@c.d",
            "a\0@b.c",
            "",
        ] {
            assert!(SmtpAddress::parse(text).is_err(), "{text:?}");
        }
    }
}
