//! What this account may read of an object, told from the object's own permissions ([MS-DTYP] 2.4.6,
//! [MS-ADTS] 5.1.3.3).
//!
//! Active Directory leaves `(!(attribute=*))` undecided where the attribute may not be read, so its word
//! is enough. Samba takes what may not be read for absent, and would make a mailbox look stale.
//!
//! Invariant: what cannot be told, because the permissions or the schema are not shown, may not be read.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use automend_core::descriptor::{Descriptor, Rule};
use automend_core::names::attribute;
use automend_core::owner;
use automend_ldap::{Client, Filter, Scope, Search};

/// Who this account is, and how permissions name the attributes that decide on an owner.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// The account's own identifier and those of its groups.
    token: HashSet<Vec<u8>>,
    /// `schemaIDGUID`, and `attributeSecurityGUID` of the property set if there is one.
    names: HashMap<String, Vec<Vec<u8>>>,
}

/// `RIGHT_DS_READ_PROPERTY`.
const READ_PROPERTY: u32 = 0x10;
/// `GENERIC_READ` and `GENERIC_ALL`, as stored permissions should not, but may have them.
const GENERIC: u32 = 0x9000_0000;
/// `fCONFIDENTIAL` of `searchFlags` ([MS-ADTS] 2.2.9).
const CONFIDENTIAL: i64 = 0x80;

/// The attributes whose absence is proved: those that decide on an owner, and the links.
fn judged() -> impl Iterator<Item = &'static str> {
    let links = [attribute::DELEGATE_LIST_LINK, attribute::DELEGATE_LIST_BL];
    owner::DECIDING.iter().copied().chain(links)
}

impl Rights {
    /// Asks the server who is logged in, and reads the schema.
    pub(super) async fn read(client: &Client, schema: Option<&str>) -> Result<Self> {
        let root = client
            .base("", &["tokenGroups"])
            .await
            .context("reading who is logged in")?
            .unwrap_or_default();
        let token = root.values("tokenGroups").map(<[u8]>::to_vec).collect();
        let Some(schema) = schema else {
            return Ok(Self {
                token,
                names: HashMap::new(),
            });
        };
        let filter = Filter::or(judged().map(|name| Filter::equal("lDAPDisplayName", name)));
        let wanted = [
            "lDAPDisplayName",
            "schemaIDGUID",
            "attributeSecurityGUID",
            "searchFlags",
        ];
        let search = Search::new(schema, Scope::One, filter, &wanted);
        let found = client
            .entries(&search, judged().count())
            .await
            .context("reading the schema")?;
        let names = found
            .iter()
            .filter_map(|entry| {
                let flags: i64 = entry
                    .first_text("searchFlags")
                    .map_or(Some(0), |text| text.parse().ok())?;
                if flags & CONFIDENTIAL != 0 {
                    // It takes more than the right to read: an account that has it looks the same here.
                    return None;
                }
                let name = entry.first_text("lDAPDisplayName")?.to_ascii_lowercase();
                let guids = entry
                    .values("schemaIDGUID")
                    .chain(entry.values("attributeSecurityGUID"));
                Some((name, guids.map(<[u8]>::to_vec).collect()))
            })
            .collect();
        Ok(Self { token, names })
    }

    /// Whether an object with these permissions shows `attribute` to this account.
    pub(super) fn may_read(&self, descriptor: Option<&[u8]>, attribute: &str) -> bool {
        let names = self.names.get(&attribute.to_ascii_lowercase());
        let (Some(names), Some(descriptor)) = (names, descriptor) else {
            return false;
        };
        self.decide(descriptor, names).unwrap_or(false)
    }

    /// The first rule that is about this account and this attribute decides.
    fn decide(&self, descriptor: &[u8], names: &[Vec<u8>]) -> Option<bool> {
        let descriptor = Descriptor::parse(descriptor).ok()?;
        if !descriptor.is_restricted() {
            // No list at all: every account may do everything.
            return Some(true);
        }
        let mut rules = descriptor.entries().filter_map(|entry| entry.rule());
        let first = rules.find(|rule| self.is_about(rule, names));
        Some(first.is_some_and(|rule| rule.allows))
    }

    /// Whether a rule lets this account read one of these attributes, or keeps it from that.
    fn is_about(&self, rule: &Rule<'_>, names: &[Vec<u8>]) -> bool {
        !rule.conditional
            && !rule.inherit_only
            && rule.mask & (READ_PROPERTY | GENERIC) != 0
            && rule
                .object
                .is_none_or(|about| names.iter().any(|name| name == about))
            && self.token.contains(rule.sid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For children only.
    const INHERIT_ONLY: u8 = 0x08;
    const ME: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0];
    const OTHER: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 5, 12, 0, 0, 0];
    const NAME: [u8; 16] = [7; 16];
    const SET: [u8; 16] = [8; 16];

    fn ace(kind: u8, flags: u8, mask: u32, about: Option<[u8; 16]>, who: [u8; 12]) -> Vec<u8> {
        let mut body = mask.to_le_bytes().to_vec();
        if kind >= 5 {
            body.extend(u32::from(about.is_some()).to_le_bytes());
            body.extend(about.iter().flatten());
        }
        body.extend(who);
        let size = u16::try_from(body.len() + 4).unwrap();
        [&[kind, flags][..], &size.to_le_bytes(), &body].concat()
    }

    fn descriptor(aces: &[Vec<u8>]) -> Vec<u8> {
        let body = aces.concat();
        let mut bytes = vec![1, 0, 4, 0x80];
        bytes.extend([0; 12]);
        bytes.extend(20u32.to_le_bytes());
        bytes.extend([4, 0]);
        bytes.extend(u16::try_from(body.len() + 8).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(aces.len()).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(body);
        bytes
    }

    fn rights() -> Rights {
        let names = HashMap::from([("homemdb".to_owned(), vec![NAME.to_vec(), SET.to_vec()])]);
        Rights {
            token: HashSet::from([ME.to_vec()]),
            names,
        }
    }

    #[test]
    fn the_first_rule_about_me_and_the_attribute_decides() {
        for (aces, expected) in [
            (vec![], false),
            (vec![ace(0, 0, 0x10, None, ME)], true),
            (vec![ace(0, 0, 0x10, None, OTHER)], false),
            (vec![ace(0, 0, 0x20, None, ME)], false),
            (vec![ace(0, INHERIT_ONLY, 0x10, None, ME)], false),
            (vec![ace(5, 0, 0x10, Some(SET), ME)], true),
            (vec![ace(5, 0, 0x10, Some([9; 16]), ME)], false),
            (vec![ace(5, 0, 0x10, None, ME)], true),
            (
                vec![ace(6, 0, 0x10, Some(NAME), ME), ace(0, 0, 0x10, None, ME)],
                false,
            ),
            (
                vec![
                    ace(6, 0, 0x10, Some([9; 16]), ME),
                    ace(0, 0, 0x10, None, ME),
                ],
                true,
            ),
            (
                vec![
                    ace(6, 0, 0x10, Some(NAME), OTHER),
                    ace(0, 0, 0x10, None, ME),
                ],
                true,
            ),
            (
                vec![ace(1, 0, 0x10, None, ME), ace(0, 0, 0x10, None, ME)],
                false,
            ),
        ] {
            assert_eq!(
                rights().may_read(Some(&descriptor(&aces)), "homeMDB"),
                expected,
                "{aces:?}"
            );
        }
        let all = descriptor(&[ace(0, 0, 0x10, None, ME)]);
        assert!(
            !rights().may_read(None, "homeMDB"),
            "permissions that are not shown"
        );
        assert!(
            !rights().may_read(Some(&all), "legacyExchangeDN"),
            "an attribute the schema does not show"
        );
        for length in 0..all.len() {
            assert!(
                !rights().may_read(all.get(..length), "homeMDB"),
                "cut off at {length}"
            );
        }
    }
}
