//! A descriptor that can be read is written as it was read; a grant adds one entry in its place, and a
//! revocation of the grant brings the same bytes back.

use automend_core::descriptor::{Access, Descriptor, NotGranted};
use automend_core::names::Sid;

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let read = match Descriptor::parse(bytes) {
        Ok(read) => read,
        Err(why) => {
            assert!(!why.what.is_empty());
            return;
        }
    };
    assert_eq!(read.as_bytes(), bytes);
    let stranger = Sid::parse("S-1-5-21-1-2-3-4242").expect("a SID");
    let mut accounts = read.holders();
    accounts.retain(|account| *account != stranger);
    accounts.push(stranger);
    for account in accounts.iter().rev().take(4) {
        let before = read.full_access_of(account);
        let mut changed = read.clone();
        match changed.grant_full_access(account) {
            Ok(true) => {
                let again = Descriptor::parse(changed.as_bytes()).expect("what was written");
                assert_eq!(again, changed);
                assert!(!is_canonical(&read) || is_canonical(&changed));
                let after = changed.full_access_of(account);
                let certain = is_canonical(&read) && before != Access::Unclear;
                assert!(!certain || after == Access::Allowed, "{after:?}");
                assert_eq!(changed.grant_full_access(account), Ok(false));
                assert!(others(&read, account).eq(others(&changed, account)));
                assert!(changed.revoke_full_access(account));
                assert_eq!(changed.as_bytes(), bytes);
            }
            Ok(false) | Err(NotGranted::Denied | NotGranted::Unrestricted | NotGranted::Full) => {
                assert_eq!(changed.as_bytes(), bytes);
            }
        }
        let mut taken = read.clone();
        let changed = taken.revoke_full_access(account);
        assert_eq!(changed, taken != read);
        let again = Descriptor::parse(taken.as_bytes()).expect("what was written");
        assert_eq!(again, taken);
        assert!(others(&read, account).eq(others(&taken, account)));
        assert!(!taken.revoke_full_access(account));
    }
}

/// The entries that are not about an account, and must stay as they are.
fn others<'a>(read: &'a Descriptor, account: &'a Sid) -> impl Iterator<Item = &'a [u8]> {
    let about = move |sid: &[u8]| sid == account.as_bytes();
    read.entries()
        .filter(move |entry| entry.rule().is_none_or(|rule| !about(rule.sid)))
        .map(|entry| entry.as_bytes())
}

/// Whether deny entries come first, then those that allow, then the inherited ones.
pub fn is_canonical(read: &Descriptor) -> bool {
    let rank = |entry: automend_core::descriptor::AccessEntry<'_>| match entry.rule() {
        _ if entry.is_inherited() => Some(2),
        Some(rule) if rule.allows => Some(1),
        Some(_) => Some(0),
        None => None,
    };
    read.entries().filter_map(rank).is_sorted()
}
