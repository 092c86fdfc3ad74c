//! Properties of LDIF: what was written is read, however it is cut.

use proptest::prelude::*;

use super::{Blocks, Change, Rename, Writer};
use crate::client::Modification;
use crate::control::Control;
use crate::entry::{Attribute, Entry};

fn name() -> impl Strategy<Value = String> {
    // These two mean something else at the start of a record's lines.
    "[a-zA-Z][a-zA-Z0-9-]{0,90}(;[a-z]{1,8})?".prop_filter("a word of LDIF", |name| {
        !["control", "changetype"].contains(&&*name.to_lowercase())
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "[ -~]{0,200}".prop_map(String::into_bytes),
        "[ :<\n\r\\x00\u{e9}a]{0,5}".prop_map(String::into_bytes),
    ]
}

fn values(least: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(value(), least..4)
}

fn entry() -> impl Strategy<Value = Entry> {
    (
        "\\PC{0,120}",
        proptest::collection::vec((name(), values(1)), 0..5),
    )
        .prop_map(|(dn, attributes)| {
            let mut entry = Entry {
                dn,
                attributes: Vec::new(),
            };
            for (name, values) in attributes {
                // Neighbours of one name are one attribute when read.
                let known = entry
                    .attributes
                    .last()
                    .is_some_and(|last: &Attribute| last.description().eq_ignore_ascii_case(&name));
                if !known {
                    entry.attributes.push(Attribute::new(&name, values));
                }
            }
            entry
        })
}

fn modification() -> impl Strategy<Value = Modification> {
    prop_oneof![
        (name(), values(1)).prop_map(|(attribute, values)| Modification::Add { attribute, values }),
        (name(), values(0))
            .prop_map(|(attribute, values)| Modification::Delete { attribute, values }),
        (name(), values(0))
            .prop_map(|(attribute, values)| Modification::Replace { attribute, values }),
    ]
}

/// All that can be read of a record.
struct Found {
    entry: Entry,
    change: Change,
    steps: Vec<Modification>,
    rename: Option<Rename>,
    controls: Vec<Control>,
}

/// Every record of a text, in blocks of about `target` bytes.
fn read(text: &[u8], target: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for block in Blocks::with_sizes(text, target, 1 << 20) {
        let block = block.unwrap();
        for record in block.records() {
            let record = record.unwrap();
            let (entry, defects) = record.entry();
            assert_eq!(defects, []);
            found.push(Found {
                entry,
                change: record.change,
                steps: record.modifications().unwrap(),
                rename: record.rename().unwrap(),
                controls: record.controls().unwrap(),
            });
        }
    }
    found
}

proptest! {
    #[test]
    fn entries_come_back(entries in proptest::collection::vec(entry(), 0..5), target in 16usize..3000) {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for entry in &entries {
            writer.comment("two\nlines").unwrap();
            writer.entry(entry).unwrap();
        }
        let text = writer.into_inner();
        prop_assert!(text.split(|&b| b == b'\n').all(|line| line.len() <= 76));
        let dos = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n");
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(dos.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for form in [text.as_slice(), dos.as_bytes(), &wide, text.trim_ascii_end()] {
            let found: Vec<Entry> = read(form, target).into_iter().map(|found| found.entry).collect();
            prop_assert_eq!(&found, &entries);
        }
    }

    #[test]
    fn changes_come_back(
        dn in "\\PC{1,60}",
        steps in proptest::collection::vec(modification(), 0..5),
        critical in any::<bool>(),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..100)),
    ) {
        let controls = vec![Control { oid: "1.2.840.113556.1.4.417".into(), critical, value }];
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.modify(&dn, &steps, &controls).unwrap();
        let found = read(&writer.into_inner(), 1000).remove(0);
        prop_assert_eq!(found.entry.dn, dn);
        prop_assert_eq!((found.change, found.steps, found.controls), (Change::Modify, steps, controls));
    }

    #[test]
    fn renamings_come_back(new_rdn in "\\PC{0,60}", delete_old in any::<bool>(), new_superior in proptest::option::of("\\PC{0,60}")) {
        let rename = Rename { new_rdn, delete_old, new_superior };
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.rename("cn=x", &rename).unwrap();
        writer.delete("cn=y").unwrap();
        let text = writer.into_inner();
        let found = read(&text, 1000);
        prop_assert_eq!((found[0].change, found[0].rename.as_ref()), (Change::Rename, Some(&rename)));
        prop_assert_eq!(found[1].change, Change::Delete);
    }
}

#[test]
fn a_name_that_would_end_its_line_is_refused() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let entry = |name: &str| Entry {
        dn: "cn=x".into(),
        attributes: vec![Attribute::new(name, vec![b"v".to_vec()])],
    };
    for name in ["", "a\nb", "a:", "a b", "-", "#a"] {
        assert!(writer.entry(&entry(name)).is_err(), "{name}");
    }
    assert!(writer.entry(&entry("member;range=0-1499")).is_ok());
    let step = Modification::Delete {
        attribute: "a\n-".into(),
        values: Vec::new(),
    };
    assert!(writer.modify("cn=x", &[step], &[]).is_err());
}
