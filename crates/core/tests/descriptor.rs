//! Security descriptors: by example, and for every mixture of parts and entries.

#![allow(
    unreachable_pub,
    reason = "the property is shared with the fuzz target"
)]

use automend_core::descriptor::{Access, Descriptor, NotGranted};
use automend_core::names::Sid;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../../fuzz/properties/descriptor.rs"]
mod property;

const ALICE: &str = "S-1-5-21-1-2-3-1104";
const BOB: &str = "S-1-5-21-1-2-3-1105";
const ITSELF: &str = "S-1-5-10";
const INHERITED: u8 = 0x10;
const INHERIT_ONLY: u8 = 0x08;

fn sid(text: &str) -> Sid {
    Sid::parse(text).unwrap()
}

fn entry(kind: u8, flags: u8, mask: u32, who: &str) -> Vec<u8> {
    let mut body = mask.to_le_bytes().to_vec();
    if matches!(kind, 5..=8 | 11 | 12) {
        body.extend(1u32.to_le_bytes());
        body.extend([7; 16]);
    }
    body.extend(sid(who).as_bytes());
    let size = u16::try_from(body.len() + 4).unwrap();
    [&[kind, flags][..], &size.to_le_bytes(), &body].concat()
}

fn list(entries: &[Vec<u8>], behind: &[u8]) -> Vec<u8> {
    let body = [entries.concat(), behind.to_vec()].concat();
    let mut bytes = vec![4, 0];
    bytes.extend(u16::try_from(body.len() + 8).unwrap().to_le_bytes());
    bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(body);
    bytes
}

/// Owner, group, audit list and access list, laid out in an order, with bytes between them.
fn laid_out(control: u16, parts: &[Option<Vec<u8>>; 4], order: &[usize], gap: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0x5a];
    bytes.extend((control | 0x8000).to_le_bytes());
    bytes.extend([0; 16]);
    for &part in order {
        if let Some(content) = &parts[part] {
            bytes.extend(gap);
            let at = u32::try_from(bytes.len()).unwrap();
            bytes[4 + 4 * part..8 + 4 * part].copy_from_slice(&at.to_le_bytes());
            bytes.extend(content);
        }
    }
    bytes.extend(gap);
    bytes
}

fn with(entries: &[Vec<u8>]) -> Descriptor {
    let parts = [None, None, None, Some(list(entries, &[]))];
    Descriptor::parse(&laid_out(4, &parts, &[3], &[])).unwrap()
}

#[test]
fn the_first_entry_about_an_account_decides() {
    for (entries, expected) in [
        (vec![], Access::None),
        (vec![entry(0, 0, 1, ALICE)], Access::Allowed),
        (vec![entry(0, 0, 0x1000_0000, ALICE)], Access::Allowed),
        (vec![entry(0, 0, 0x2_0000, ALICE)], Access::None),
        (vec![entry(0, 0, 1, BOB)], Access::None),
        (vec![entry(0, INHERIT_ONLY, 1, ALICE)], Access::None),
        (
            vec![entry(0, INHERITED, 1, ALICE)],
            Access::InheritedAllowed,
        ),
        (
            vec![entry(1, 0, 1, ALICE), entry(0, 0, 1, ALICE)],
            Access::Denied,
        ),
        (
            vec![entry(0, 0, 1, ALICE), entry(1, INHERITED, 1, ALICE)],
            Access::Allowed,
        ),
        (
            vec![entry(5, 0, 1, ALICE), entry(0, 0, 1, ALICE)],
            Access::Unclear,
        ),
        (vec![entry(9, 0, 1, ALICE)], Access::Unclear),
        (vec![entry(2, 0, 1, ALICE)], Access::None),
    ] {
        assert_eq!(
            with(&entries).full_access_of(&sid(ALICE)),
            expected,
            "{entries:?}"
        );
    }
    let without = Descriptor::parse(&laid_out(0, &[None, None, None, None], &[], &[])).unwrap();
    assert_eq!(without.full_access_of(&sid(ALICE)), Access::Unrestricted);
    let mut changed = without.clone();
    assert_eq!(
        changed.grant_full_access(&sid(ALICE)),
        Err(NotGranted::Unrestricted)
    );
    assert_eq!(changed, without);
}

#[test]
fn a_grant_stands_behind_the_deny_entries_and_in_front_of_the_inherited_ones() {
    let denied = entry(1, 0, 1, BOB);
    let allowed = entry(0, 0, 1, BOB);
    let inherited = entry(0, INHERITED, 1, BOB);
    let late_deny = entry(1, INHERITED, 1, ALICE);
    let new = entry(0, 2, 1, ALICE);
    for (before, after) in [
        (vec![], vec![&new]),
        (vec![&denied], vec![&denied, &new]),
        (vec![&inherited], vec![&new, &inherited]),
        (vec![&late_deny], vec![&new, &late_deny]),
        (
            vec![&denied, &allowed, &inherited],
            vec![&denied, &allowed, &new, &inherited],
        ),
        // In no canonical order: still behind every deny entry that is not inherited.
        (
            vec![&inherited, &denied, &inherited],
            vec![&inherited, &denied, &new, &inherited],
        ),
        (
            vec![&allowed, &denied, &allowed],
            vec![&allowed, &denied, &allowed, &new],
        ),
    ] {
        let owned = |entries: &[&Vec<u8>]| entries.iter().map(|e| (*e).clone()).collect::<Vec<_>>();
        let mut descriptor = with(&owned(&before));
        assert_eq!(descriptor.grant_full_access(&sid(ALICE)), Ok(true));
        assert_eq!(descriptor, with(&owned(&after)));
        assert_eq!(descriptor.full_access_of(&sid(ALICE)), Access::Allowed);
    }
    let mut denied = with(&[entry(1, 0, 1, ALICE)]);
    assert_eq!(
        denied.grant_full_access(&sid(ALICE)),
        Err(NotGranted::Denied)
    );
}

#[test]
fn a_right_joins_an_entry_that_is_there_and_leaves_it_again() {
    let mut descriptor = with(&[entry(0, 0, 0x2_0000, ALICE)]);
    assert_eq!(descriptor.grant_full_access(&sid(ALICE)), Ok(true));
    assert_eq!(descriptor, with(&[entry(0, 0, 0x2_0001, ALICE)]));
    assert_eq!(descriptor.grant_full_access(&sid(ALICE)), Ok(false));
    assert!(descriptor.revoke_full_access(&sid(ALICE)));
    assert_eq!(descriptor, with(&[entry(0, 0, 0x2_0000, ALICE)]));
    // Deny entries and inherited ones stay, and so does what another account may do.
    let kept = [
        entry(1, 0, 1, ALICE),
        entry(0, 0, 1, BOB),
        entry(0, INHERITED, 1, ALICE),
        entry(5, 0, 1, ALICE),
    ];
    let mut with_two = kept.to_vec();
    with_two.insert(1, entry(0, 0, 1, ALICE));
    with_two.insert(3, entry(0, 2, 1, ALICE));
    let mut descriptor = with(&with_two);
    assert!(descriptor.revoke_full_access(&sid(ALICE)));
    assert_eq!(descriptor, with(&kept));
    assert!(!descriptor.revoke_full_access(&sid(ALICE)));
}

#[test]
fn a_new_mailbox_has_full_access_to_itself() {
    let new = Descriptor::of_new_mailbox();
    assert_eq!(Descriptor::parse(new.as_bytes()), Ok(new.clone()));
    assert_eq!(new.holders(), [sid(ITSELF)]);
    property::holds(new.as_bytes());
}

#[test]
fn what_cannot_be_read_is_refused_with_the_place() {
    let whole = laid_out(
        0x14,
        &[
            Some(sid(ITSELF).as_bytes().to_vec()),
            Some(sid(ITSELF).as_bytes().to_vec()),
            Some(list(&[entry(2, 0, 1, BOB)], &[])),
            Some(list(&[entry(0, 0, 1, ALICE)], &[])),
        ],
        &[0, 1, 2, 3],
        &[],
    );
    assert!(Descriptor::parse(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(
            Descriptor::parse(&whole[..length]).is_err(),
            "cut off at {length}"
        );
    }
    let access = usize::try_from(u32::from_le_bytes(whole[16..20].try_into().unwrap())).unwrap();
    for (at, bytes, expected) in [
        (0, vec![2], "byte 0: the revision is not 1"),
        (3, vec![0], "byte 2: not in self-relative form"),
        (
            4,
            vec![3],
            "byte 4: the offset of a part lies in the header",
        ),
        (20, vec![9], "byte 20: no whole security identifier"),
        (access, vec![1], "the revision of a list is not 2, 3 or 4"),
        (access + 2, vec![4, 0], "a list of a wrong size"),
        (access + 2, vec![255, 255], "a list of a wrong size"),
        (
            access + 4,
            vec![2],
            "an entry is cut off or has a wrong size",
        ),
        (
            access + 10,
            vec![3, 0],
            "an entry is cut off or has a wrong size",
        ),
        (
            access + 10,
            vec![8, 0],
            "an entry without a whole identifier",
        ),
        (
            12,
            whole[16..20].to_vec(),
            "the access list shares bytes with another part",
        ),
    ] {
        let mut broken = whole.clone();
        broken[at..at + bytes.len()].copy_from_slice(&bytes);
        let why = Descriptor::parse(&broken).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
    let long = vec![0; 65_536];
    assert!(Descriptor::parse(&long).is_err());
}

#[test]
fn a_full_list_takes_no_entry_and_stays() {
    let one = entry(0, 0, 1, BOB);
    let most = (65_535 - 20 - 8) / one.len();
    let mut descriptor = with(&vec![one; most]);
    let before = descriptor.clone();
    assert_eq!(
        descriptor.grant_full_access(&sid(ALICE)),
        Err(NotGranted::Full)
    );
    assert_eq!(descriptor, before);
}

fn any_entry() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![4 => select(vec![0u8, 0, 0, 1]), 1 => 0u8..=0x14];
    let flags = select(vec![0u8, 2, INHERIT_ONLY, INHERITED, INHERITED | 2, 0xff]);
    let mask = select(vec![0u32, 1, 0x2_0000, 0x2_0001, 0x1000_0000, u32::MAX]);
    let who = select(vec![ALICE, BOB, ITSELF, "S-1-1-0", "S-1-5-21-1-2-3-4242"]);
    (kind, flags, mask, who, vec(any::<u8>(), 0..9)).prop_map(|(kind, flags, mask, who, behind)| {
        let mut bytes = entry(kind, flags, mask, who);
        bytes.extend(behind);
        let size = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&size.to_le_bytes());
        bytes
    })
}

fn any_list() -> impl Strategy<Value = Vec<u8>> {
    (vec(any_entry(), 0..7), vec(any::<u8>(), 0..9))
        .prop_map(|(entries, behind)| list(&entries, &behind))
}

fn any_descriptor() -> impl Strategy<Value = Vec<u8>> {
    let who = || {
        prop::option::of(
            select(vec![ALICE, BOB, ITSELF]).prop_map(|who| sid(who).as_bytes().to_vec()),
        )
    };
    (
        any::<u16>(),
        (
            who(),
            who(),
            prop::option::of(any_list()),
            prop::option::weighted(0.9, any_list()),
        ),
        Just(vec![0, 1, 2, 3]).prop_shuffle(),
        vec(any::<u8>(), 0..5),
    )
        .prop_map(|(control, (owner, group, audit, access), order, gap)| {
            let control = if access.is_some() {
                control | 4
            } else {
                control
            };
            laid_out(control, &[owner, group, audit, access], &order, &gap)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reading_and_writing_changes_nothing_and_a_revocation_takes_a_grant_back(bytes in any_descriptor()) {
        prop_assert!(Descriptor::parse(&bytes).is_ok());
        property::holds(&bytes);
    }

    #[test]
    fn odd_bytes_are_kept_or_refused(
        bytes in any_descriptor(),
        odd in vec((any::<Index>(), any::<u8>()), 1..4),
        length in any::<Index>(),
    ) {
        let mut bytes = bytes;
        for (at, with) in odd {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        property::holds(&bytes);
        bytes.truncate(length.index(bytes.len() + 1));
        property::holds(&bytes);
    }
}
