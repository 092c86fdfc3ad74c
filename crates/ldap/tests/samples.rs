//! LDIF as tools write it (RFC 2849 and what they make of it): the samples in `tests/ldif/`.

use std::fmt::Write;

use automend_ldap::ldif::{Blocks, Change, Record, Selector};

/// What is read of a sample, in a form to compare: records with their lines, and defects.
fn outline(sample: &[u8], target: usize) -> String {
    let mut text = String::new();
    for block in Blocks::with_sizes(sample, target, 10_000) {
        let block = block.unwrap();
        for record in block.records() {
            match record {
                Ok(record) => outline_record(&mut text, &record),
                Err(defect) => writeln!(text, "! {defect}").unwrap(),
            }
        }
    }
    text
}

fn outline_record(text: &mut String, record: &Record<'_>) {
    writeln!(text, "{} {:?} {}", record.line, record.change, record.dn).unwrap();
    for control in record.controls().unwrap() {
        writeln!(
            text,
            "  {} {} {:?}",
            control.oid, control.critical, control.value
        )
        .unwrap();
    }
    for line in record.lines() {
        let decoded = line.and_then(|line| {
            let value = line.value()?.escape_ascii().to_string();
            Ok(format!(
                "{} {}={value}",
                line.number(),
                line.description().escape_ascii()
            ))
        });
        match decoded {
            Ok(line) => writeln!(text, "  {line}").unwrap(),
            Err(defect) => writeln!(text, "  ! {defect}").unwrap(),
        }
    }
    if record.change == Change::Modify {
        for step in record.modifications().unwrap() {
            writeln!(text, "  {step:?}").unwrap();
        }
    }
    if let Some(rename) = record.rename().unwrap() {
        writeln!(text, "  {rename:?}").unwrap();
    }
}

#[track_caller]
fn check(sample: &[u8], expected: &str) {
    let expected: Vec<&str> = expected
        .trim()
        .lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .collect();
    for target in [16, 100, 1 << 20] {
        let found = outline(sample, target);
        assert_eq!(
            found.lines().collect::<Vec<_>>(),
            expected,
            "in blocks of {target} bytes"
        );
    }
}

#[test]
fn ldapsearch_folds_at_79_and_adds_a_trailer() {
    check(
        include_bytes!("ldif/ldapsearch.ldif"),
        r"
        11 Content CN=amy,OU=Lab,DC=contoso,DC=test
          12 cn=amy
          13 mail=amy@contoso.test
          14 msExchDelegateListLink=CN=a delegate whose name is long enough to be folded by ldapsearch,OU=Lab,DC=contoso,DC=test
        18 Content CN=Müller\, Jörg Ægir,OU=Lab,DC=contoso,DC=test
          19 cn=M\xc3\xbcller, J\xc3\xb6rg \xc3\x86gir
          20 member;range=0-1=CN=a
          21 member;range=0-1=CN=b
          22 description=
        ",
    );
}

#[test]
fn slapcat_folds_names_and_values() {
    let sample = include_bytes!("ldif/slapcat.ldif");
    let mut blocks = Blocks::new(&sample[..]);
    let block = blocks.next().unwrap().unwrap();
    let records: Vec<_> = block.records().map(Result::unwrap).collect();
    let names: Vec<&str> = records.iter().map(|record| &*record.dn).collect();
    assert_eq!(
        names,
        [
            "dc=contoso,dc=test",
            "cn=a user whose distinguished name does not fit into one line,ou=Lab,dc=contoso,dc=test"
        ]
    );
    let photo: Vec<u8> = (0..200).collect();
    assert_eq!(
        records[1].values("jpegphoto").next().unwrap().unwrap(),
        photo
    );
    let (entry, defects) = records[0].entry();
    assert_eq!(defects, []);
    assert_eq!(entry.values("objectClass").count(), 2);
    assert!(blocks.next().is_none());
}

#[test]
fn ldbsearch_numbers_its_records() {
    check(
        include_bytes!("ldif/ldbsearch.ldif"),
        r"
        2 Content CN=amy,OU=Lab,DC=contoso,DC=test
          3 cn=amy
          4 displayName=\xc3\x84my
          5 msExchDelegateListBL=CN=bob,OU=Lab,DC=contoso,DC=test
          6 objectGUID=5b7f0d55-21a5-4b3c-9e7a-6f1f7c0a3a11
        9 Content CN=bob\0ADEL:11111111-2222-3333-4444-555555555555,CN=Deleted Objects,DC=contoso,DC=test
          10 cn=bob\nDEL:11111111
          11 isDeleted=TRUE
        ",
    );
}

#[test]
fn ldifde_writes_utf_16_with_crlf() {
    check(
        include_bytes!("ldif/ldifde-unicode.ldif"),
        r"
        1 Add CN=Zoë Quinn,OU=Users,DC=contoso,DC=test
          3 objectClass=top
          4 objectClass=person
          5 cn=Zo\xc3\xab Quinn
          6 distinguishedName=CN=Zoe Quinn,OU=Users,DC=contoso,DC=test
          8 mail=zoe@contoso.test
          9 objectGUID=U\r\x7f[\xa5!<K\x8c\x0c-\x830\x1b\xea\xdf
        11 Add CN=amy,OU=Users,DC=contoso,DC=test
          13 cn=amy
          14 displayName=\xe5\x90\x8d\xe5\x89\x8d \xf0\x9f\x98\x80
        ",
    );
    check(
        include_bytes!("ldif/ldifde.ldif"),
        r"
        1 Add CN=amy,OU=Users,DC=contoso,DC=test
          3 cn=amy
          4 distinguishedName=CN=amy,OU=Users,DC=contoso,DC=test
          6 msExchMailboxGuid=\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f
        8 Add CN=bob,OU=Users,DC=contoso,DC=test
          10 cn=bob
        ",
    );
}

#[test]
fn changes_of_every_kind_are_read() {
    check(
        include_bytes!("ldif/changes.ldif"),
        r#"
        3 Modify cn=amy,dc=contoso,dc=test
          1.2.840.113556.1.4.417 true None
          1.2.3.4 false Some([116, 101, 120, 116])
          1.2.3.5 false Some([0, 1])
          8 delete=msExchDelegateListLink
          9 msExchDelegateListLink=<GUID=5b7f0d55-21a5-4b3c-9e7a-6f1f7c0a3a11>
          11 replace=description
          13 add=member
          14 member=cn=a
          15 member=cn=b
          Delete { attribute: "msExchDelegateListLink", values: [[60, 71, 85, 73, 68, 61, 53, 98, 55, 102, 48, 100, 53, 53, 45, 50, 49, 97, 53, 45, 52, 98, 51, 99, 45, 57, 101, 55, 97, 45, 54, 102, 49, 102, 55, 99, 48, 97, 51, 97, 49, 49, 62]] }
          Replace { attribute: "description", values: [] }
          Add { attribute: "member", values: [[99, 110, 61, 97], [99, 110, 61, 98]] }
        18 Add cn=new,dc=contoso,dc=test
          20 cn=new
        22 Delete cn=old,dc=contoso,dc=test
        25 Rename cn=x,dc=contoso,dc=test
          27 newrdn=cn=y
          28 deleteoldrdn=1
          Rename { new_rdn: "cn=y", delete_old: true, new_superior: None }
        30 Rename cn=y,dc=contoso,dc=test
          32 newrdn=cn=y
          33 deleteoldrdn=0
          34 newsuperior=ou=Lab,dc=contoso,dc=test
          Rename { new_rdn: "cn=y", delete_old: false, new_superior: Some("ou=Lab,dc=contoso,dc=test") }
        "#,
    );
}

#[test]
fn what_is_broken_is_named_and_the_rest_is_read() {
    check(
        include_bytes!("ldif/defects.ldif"),
        r"
        1 Content cn=good,dc=test
          2 cn=good
          ! line 3: a line without a colon
          ! line 4: a value to be fetched from a URL
          ! line 5: a value that is no base64
          6 mail=still@read.test
        ! line 8: a record that does not start with a name
        ! line 10: a value that is not UTF-8
        ! line 14: an unknown type of change
        ! line 17: a line without a colon
        20 Content cn=last,dc=test
          21 cn=last
        ",
    );
}

#[test]
fn half_a_character_spoils_its_line_only() {
    let mut wide = vec![0xfe, 0xff];
    let units = "dn: cn=x\ncn: a"
        .encode_utf16()
        .chain([0xd83d])
        .chain("b\nmail: m\n".encode_utf16());
    wide.extend(units.flat_map(u16::to_be_bytes));
    check(
        &wide,
        r"
        1 Content cn=x
          ! line 2: half a character: a surrogate without its partner
          3 mail=m
        ",
    );
}

#[test]
fn selected_lines_are_those_of_all_lines() {
    let selector = Selector::new(&["mail", "CN", "member", "distinguishedname", "description"]);
    let narrow = b"dn: cn=x\nme\n mb\n er: cn=a\n b\nme\n mo: no\nCn;x-y: z\n".as_slice();
    for sample in [
        include_bytes!("ldif/ldapsearch.ldif").as_slice(),
        include_bytes!("ldif/slapcat.ldif"),
        include_bytes!("ldif/ldbsearch.ldif"),
        include_bytes!("ldif/ldifde.ldif"),
        include_bytes!("ldif/ldifde-unicode.ldif"),
        narrow,
    ] {
        for block in Blocks::new(sample) {
            for record in block.unwrap().records() {
                let record = record.unwrap();
                let names = ["mail", "cn", "member", "distinguishedName", "description"];
                let all: Vec<_> = record
                    .lines()
                    .map(Result::unwrap)
                    .filter_map(|line| {
                        let index = names.iter().position(|name| line.is(name))?;
                        Some((index, line.number(), line.value().unwrap().into_owned()))
                    })
                    .collect();
                let selected: Vec<_> = record
                    .select(&selector)
                    .map(Result::unwrap)
                    .map(|(index, line)| (index, line.number(), line.value().unwrap().into_owned()))
                    .collect();
                assert_eq!(selected, all);
            }
        }
    }
}
