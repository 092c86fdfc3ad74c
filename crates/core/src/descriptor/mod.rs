//! Security descriptors in self-relative form ([MS-DTYP] 2.4.6), as `msExchMailboxSecurityDescriptor` and
//! `nTSecurityDescriptor` hold them.
//!
//! The bytes are kept as they came. A change cuts its entry in or out where it stands, and moves nothing
//! but the offsets of what lies behind: entries of unknown types, audit rules, what lies between the parts
//! and behind the last entry of a list stay byte for byte.
//!
//! Invariant: what was read and not changed is written as it was read, and what cannot be read whole is
//! refused with the place, never replaced.

mod bytes;
mod list;

use std::ops::Range;

use crate::names::Sid;

use bytes::{double_word, of_size, put, word};
use list::Entries;

pub use list::{AccessEntry, Rule, Unreadable};

/// The most bytes of a descriptor, as many as the size field of a list can say.
pub const LIMIT: usize = 0xffff;
/// Full access to a mailbox, `fsdrightMailboxOwner`: what Exchange shows as `FullAccess`.
pub const FULL_ACCESS: u32 = 0x1;
/// Everything, `GENERIC_ALL` ([MS-DTYP] 2.4.3).
const GENERIC_ALL: u32 = 0x1000_0000;
/// `READ_CONTROL` ([MS-DTYP] 2.4.3): to read the permissions.
const READ_CONTROL: u32 = 0x0002_0000;

/// The bytes in front of every part.
const HEADER: usize = 20;
/// Where the four offsets stand.
const OWNER: usize = 4;
const GROUP: usize = 8;
const AUDIT: usize = 12;
const ACCESS: usize = 16;

/// `DP`: there is an access list.
const ACCESS_PRESENT: u16 = 0x0004;
/// `SP`: there is an audit list.
const AUDIT_PRESENT: u16 = 0x0010;
/// `SR`: the parts are named by offsets.
const SELF_RELATIVE: u16 = 0x8000;

/// A descriptor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    bytes: Vec<u8>,
    /// Where the access list is; there may be none.
    access: Option<Range<usize>>,
}

/// Why full access cannot be granted in a descriptor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotGranted {
    /// An entry denies it, and would still deny it.
    #[error("a deny entry refuses full access; an entry that allows it would change nothing")]
    Denied,
    /// There is no access list: with a list of one entry, all others would lose their access.
    #[error(
        "the descriptor has no access list, so every account has access; one entry would shut out all others"
    )]
    Unrestricted,
    /// The list or the descriptor would be too long.
    #[error("the access list is full: a descriptor has at most {LIMIT} bytes")]
    Full,
}

/// What the entries about one account say of full access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nothing.
    None,
    /// An entry of this descriptor allows it.
    Allowed,
    /// An inherited entry allows it.
    InheritedAllowed,
    /// An entry denies it before another allows it.
    Denied,
    /// It depends on a condition, or on a kind of object.
    Unclear,
    /// There is no access list at all: every account has access.
    Unrestricted,
}

impl Access {
    /// Whether the account surely has full access by an entry of its own.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed | Self::InheritedAllowed)
    }
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let refuse = |at, what| Unreadable { at, what };
        if bytes.len() > LIMIT {
            return Err(refuse(LIMIT, "more than 65,535 bytes"));
        }
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Err(refuse(bytes.len(), "the header is cut off"));
        };
        if header.first() != Some(&1) {
            return Err(refuse(0, "the revision is not 1"));
        }
        let control = word(header, 2);
        if control & SELF_RELATIVE == 0 {
            return Err(refuse(2, "not in self-relative form"));
        }
        let mut others = Vec::new();
        for (field, flag, is_list) in [
            (OWNER, None, false),
            (GROUP, None, false),
            (AUDIT, Some(AUDIT_PRESENT), true),
        ] {
            let there = flag.is_none_or(|flag| control & flag != 0);
            if let Some(at) = offset(bytes, field)?.filter(|_| there) {
                others.push(if is_list {
                    list::list(bytes, at)?
                } else {
                    sid_range(bytes, at)?
                });
            }
        }
        let access = match offset(bytes, ACCESS)? {
            Some(at) if control & ACCESS_PRESENT != 0 => Some(list::list(bytes, at)?),
            _ => None,
        };
        if let Some(access) = &access
            && let Some(other) = others
                .iter()
                .find(|other| other.start < access.end && access.start < other.end)
        {
            let at = other.start.max(access.start);
            return Err(refuse(at, "the access list shares bytes with another part"));
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            access,
        })
    }

    /// The descriptor that a new mailbox has: it is its own owner and has full access to itself.
    pub fn of_new_mailbox() -> Self {
        // S-1-5-10, the object itself.
        let itself = [1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0];
        let own = list::allow(FULL_ACCESS | READ_CONTROL, &itself);
        let (group, access) = (HEADER + itself.len(), HEADER + 2 * itself.len());
        let mut bytes = vec![1, 0];
        bytes.extend((SELF_RELATIVE | ACCESS_PRESENT).to_le_bytes());
        for at in [HEADER, group, 0, access] {
            bytes.extend(of_size(at));
            bytes.extend([0, 0]);
        }
        bytes.extend(itself);
        bytes.extend(itself);
        let length = list::HEADER + own.len();
        bytes.extend([2, 0]);
        bytes.extend(of_size(length));
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(own);
        Self {
            bytes,
            access: Some(access..access + length),
        }
    }

    /// The bytes, as a directory stores them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is an access list; without one, every account may do everything.
    pub fn is_restricted(&self) -> bool {
        self.access.is_some()
    }

    /// The entries of the access list, in their order, which decides.
    pub fn entries(&self) -> impl Iterator<Item = AccessEntry<'_>> {
        self.placed().map(|(_, entry)| entry)
    }

    /// The entries with their places.
    fn placed(&self) -> Entries<'_> {
        Entries::of(&self.bytes, self.access.as_ref())
    }

    /// What the entries about an account say of full access; groups of the account are not looked at.
    pub fn full_access_of(&self, sid: &Sid) -> Access {
        if !self.is_restricted() {
            return Access::Unrestricted;
        }
        for entry in self.entries() {
            let Some(rule) = entry.rule().filter(|rule| about(rule, sid)) else {
                continue;
            };
            return match (rule.allows, entry.is_inherited()) {
                _ if !rule.is_plain() => Access::Unclear,
                (false, _) => Access::Denied,
                (true, false) => Access::Allowed,
                (true, true) => Access::InheritedAllowed,
            };
        }
        Access::None
    }

    /// What the entries say of full access to the mailbox itself, in their order, and whether each is inherited.
    pub fn full_access(&self) -> impl Iterator<Item = (Rule<'_>, bool)> {
        self.entries().filter_map(|entry| {
            let rule = entry.rule().filter(has_full_access)?;
            Some((rule, entry.is_inherited()))
        })
    }

    /// Every account and group of which an entry says something about full access, once each, in order.
    pub fn holders(&self) -> Vec<Sid> {
        let mut holders = Vec::new();
        for (rule, _) in self.full_access() {
            if let Some(sid) = Sid::from_bytes(rule.sid)
                && !holders.contains(&sid)
            {
                holders.push(sid);
            }
        }
        holders
    }

    /// Allows an account full access by an entry of this descriptor; `false` where one does already.
    ///
    /// An entry that allows the account something else gets the right, too; a new one stands behind
    /// every deny entry and in front of the inherited ones ([MS-DTYP] 2.4.5, canonical order).
    ///
    /// # Errors
    ///
    /// [`NotGranted`]; nothing is changed.
    pub fn grant_full_access(&mut self, sid: &Sid) -> Result<bool, NotGranted> {
        let mut own = None;
        for (place, entry) in self.placed() {
            let Some(rule) = entry.rule().filter(|rule| rule.sid == sid.as_bytes()) else {
                continue;
            };
            if entry.is_inherited() || rule.inherit_only || !rule.is_plain() {
                continue;
            }
            match (rule.allows, has_full_access(&rule)) {
                (false, true) => return Err(NotGranted::Denied),
                (true, true) => return Ok(false),
                (true, false) if entry.is_simple_allow() && rule.mask != 0 => {
                    own = own.or(Some((place, rule.mask)));
                }
                _ => {}
            }
        }
        if let Some((place, mask)) = own {
            self.set_mask(place.start, mask | FULL_ACCESS);
            return Ok(true);
        }
        let at = self
            .place_of_a_new_entry()
            .ok_or(NotGranted::Unrestricted)?;
        self.cut(at..at, &list::allow(FULL_ACCESS, sid.as_bytes()), 1)
            .map(|()| true)
            .ok_or(NotGranted::Full)
    }

    /// Takes full access from what entries of this descriptor allow an account; `false` where none does.
    ///
    /// Inherited entries, deny entries and other rights stay; an entry that would allow nothing goes.
    pub fn revoke_full_access(&mut self, sid: &Sid) -> bool {
        let mut changed = false;
        loop {
            let found = self.placed().find_map(|(place, entry)| {
                let rule = entry.rule()?;
                (entry.is_simple_allow() && !entry.is_inherited() && !rule.inherit_only)
                    .then_some(rule)
                    .filter(|rule| rule.mask & FULL_ACCESS != 0 && rule.sid == sid.as_bytes())
                    .map(|rule| (place, rule.mask & !FULL_ACCESS))
            });
            match found {
                None => return changed,
                Some((place, 0)) => {
                    if self.cut(place, &[], -1).is_none() {
                        return changed;
                    }
                }
                Some((place, mask)) => self.set_mask(place.start, mask),
            }
            changed = true;
        }
    }

    /// Behind the last deny entry of this descriptor, in front of the first inherited one after that.
    fn place_of_a_new_entry(&self) -> Option<usize> {
        let mut at = self.access.as_ref()?.start + list::HEADER;
        let mut open = true;
        for (place, entry) in self.placed() {
            let denies = entry.rule().is_some_and(|rule| !rule.allows);
            if entry.is_inherited() {
                open = false;
            } else if open || denies {
                at = place.end;
                open = true;
            }
        }
        Some(at)
    }

    fn set_mask(&mut self, entry: usize, mask: u32) {
        put(&mut self.bytes, entry + 4, &mask.to_le_bytes());
    }

    /// Puts bytes in the place of others within the access list, which has `entries` more afterwards.
    fn cut(&mut self, place: Range<usize>, with: &[u8], entries: i16) -> Option<()> {
        let access = self.access.clone()?;
        let moved = |at: usize| (at + with.len()).checked_sub(place.len());
        let end = moved(access.end)?;
        let length = u16::try_from(end.checked_sub(access.start)?).ok()?;
        let count = word(self.bytes.get(access.clone())?, 4).checked_add_signed(entries)?;
        let total = moved(self.bytes.len())?;
        let (before, behind) = (self.bytes.get(..place.start)?, self.bytes.get(place.end..)?);
        if total > LIMIT {
            return None;
        }
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(before);
        bytes.extend_from_slice(with);
        bytes.extend_from_slice(behind);
        for field in [OWNER, GROUP, AUDIT] {
            let at = double_word(&bytes, field) as usize;
            if at >= access.end {
                put(
                    &mut bytes,
                    field,
                    &u32::try_from(moved(at)?).ok()?.to_le_bytes(),
                );
            }
        }
        put(&mut bytes, access.start + 2, &length.to_le_bytes());
        put(&mut bytes, access.start + 4, &count.to_le_bytes());
        self.bytes = bytes;
        self.access = Some(access.start..end);
        Some(())
    }
}

/// Whether a rule is about an account's full access to the object itself.
fn about(rule: &Rule<'_>, sid: &Sid) -> bool {
    has_full_access(rule) && rule.sid == sid.as_bytes()
}

fn has_full_access(rule: &Rule<'_>) -> bool {
    !rule.inherit_only && rule.mask & (FULL_ACCESS | GENERIC_ALL) != 0
}

/// Where a part is, unless there is none.
fn offset(bytes: &[u8], field: usize) -> Result<Option<usize>, Unreadable> {
    match double_word(bytes, field) as usize {
        0 => Ok(None),
        at if at < HEADER => Err(Unreadable {
            at: field,
            what: "the offset of a part lies in the header",
        }),
        at => Ok(Some(at)),
    }
}

/// The bytes of a security identifier.
fn sid_range(bytes: &[u8], at: usize) -> Result<Range<usize>, Unreadable> {
    let found = bytes.get(at..).and_then(list::sid_in_front);
    match found {
        Some(sid) => Ok(at..at + sid.len()),
        None => Err(Unreadable {
            at,
            what: "no whole security identifier",
        }),
    }
}
