//! LDIF in and out: one small file a case, and what the directory makes of it.

use automend_core::dn::Dn;
use automend_directory::{
    Directory, Error, Export, Import, Object, Report, Scope, Trouble, UNREAD, export, import,
};
use std::fmt::Write as _;

const DOMAIN: &str = "dn: DC=contoso,DC=test\nobjectClass: domainDNS\n\n";

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap()
}

fn filled(ldif: &str) -> (tempfile::TempDir, Directory, Report) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::create(folder.path()).unwrap();
    let how = Import {
        now: 1_795_334_929,
        keep_going: true,
        ..Import::default()
    };
    let report = import(&directory, ldif.as_bytes(), how, |_| {}).unwrap();
    assert_eq!(directory.read().unwrap().check().unwrap(), []);
    (folder, directory, report)
}

fn troubles(report: &Report) -> Vec<String> {
    report
        .notes
        .iter()
        .map(|note| format!("{}: {}", note.line, note.trouble))
        .collect()
}

fn object(directory: &Directory, name: &str) -> Object {
    directory
        .read()
        .unwrap()
        .object(&dn(name))
        .unwrap()
        .unwrap_or_else(|| panic!("no {name}"))
}

#[track_caller]
fn check(body: &str, expected: &[&str]) -> Directory {
    let (_folder, directory, report) = filled(&format!("{DOMAIN}{body}"));
    assert_eq!(troubles(&report), expected);
    assert_eq!(report.noted, expected.len() as u64);
    directory
}

#[test]
fn links_may_name_objects_that_come_later() {
    let directory = check(
        "dn: CN=Jim,DC=contoso,DC=test\nmsExchDelegateListLink: cn=amy,dc=contoso,dc=test\n\
         msExchDelegateListLink: CN=Jim,DC=contoso,DC=test\nmsExchDelegateListBL: CN=Jim,DC=contoso,DC=test\n\n\
         dn: CN=Amy,DC=contoso,DC=test\nmsExchDelegateListBL: CN=Jim,DC=contoso,DC=test\n",
        &[],
    );
    let amy = object(&directory, "CN=Amy,DC=contoso,DC=test");
    assert_eq!(
        amy.text("msExchDelegateListBL"),
        Some("CN=Jim,DC=contoso,DC=test")
    );
}

#[test]
fn what_leads_nowhere_is_noted_and_nothing_else_is_lost() {
    let directory = check(
        "dn: CN=Jim,DC=contoso,DC=test\nmsExchDelegateListLink: CN=Gone,DC=contoso,DC=test\n\
         mail: jim@contoso.test\nmsExchDelegateListBL: CN=Zoe,DC=contoso,DC=test\n\
         msExchDelegateListBL: CN=Amy,DC=contoso,DC=test\n\ndn: CN=Amy,DC=contoso,DC=test\ncn: Amy\n",
        &[
            "5: msExchDelegateListLink names 'CN=Gone,DC=contoso,DC=test', which does not exist",
            "7: msExchDelegateListBL: back link to 'CN=Zoe,DC=contoso,DC=test' has no forward link",
            "8: msExchDelegateListBL: back link to 'CN=Amy,DC=contoso,DC=test' has no forward link",
        ],
    );
    let jim = object(&directory, "CN=Jim,DC=contoso,DC=test");
    assert_eq!(jim.text("mail"), Some("jim@contoso.test"));
    assert!(jim.values("msExchDelegateListBL").is_empty());
    // The name is kept: it may be in a part of the directory that the file does not hold.
    assert_eq!(
        jim.text("msExchDelegateListLink"),
        Some("CN=Gone,DC=contoso,DC=test")
    );
    let gone = Dn::parse("CN=Gone,DC=contoso,DC=test").unwrap();
    assert!(directory.read().unwrap().object(&gone).unwrap().is_none());
}

#[test]
fn odd_values_are_noted() {
    let directory = check(
        "dn: CN=Jim,DC=contoso,DC=test\ncn: Jim\nmail: a@x\nmail: b@x\nproxyAddresses: SMTP:a@x\n\
         proxyAddresses: smtp:A@X\nmember;range=0-1499: CN=Jim,DC=contoso,DC=test\nobjectGUID: nonsense\n",
        &[
            "4: mail has more than one value",
            "4: proxyAddresses has a value twice",
            "10: the values of member were cut off by the server that wrote them",
            "11: objectGUID has a value that is none",
        ],
    );
    let jim = object(&directory, "CN=Jim,DC=contoso,DC=test");
    assert_eq!(jim.values("mail").len(), 2);
    assert_eq!(jim.values("proxyAddresses").len(), 1);
    assert_eq!(jim.values("memberOf").len(), 1);
}

#[test]
fn changes_are_done_in_the_order_of_the_file() {
    let directory = check(
        "dn: OU=A,DC=contoso,DC=test\nchangetype: add\nobjectClass: organizationalUnit\n\n\
         dn: CN=Jim,OU=A,DC=contoso,DC=test\nchangetype: add\nobjectClass: user\n\n\
         dn: CN=Amy,OU=A,DC=contoso,DC=test\nchangetype: add\nobjectClass: user\n\n\
         dn: CN=Jim,OU=A,DC=contoso,DC=test\nchangetype: modify\nadd: msExchDelegateListLink\n\
         msExchDelegateListLink: CN=Amy,OU=A,DC=contoso,DC=test\n-\nreplace: mail\nmail: jim@x\n-\n\n\
         dn: CN=Jim,OU=A,DC=contoso,DC=test\nchangetype: modrdn\nnewrdn: CN=James\ndeleteoldrdn: 1\n\
         newsuperior: DC=contoso,DC=test\n\n\
         dn: CN=Nobody,DC=contoso,DC=test\nchangetype: delete\n",
        &[
            "31: passed over: 0000208D: NameErr: problem 2001 (NO_OBJECT), data 0, 'CN=Nobody,DC=contoso,DC=test', best match of: 'DC=contoso,DC=test'",
        ],
    );
    let amy = object(&directory, "CN=Amy,OU=A,DC=contoso,DC=test");
    assert_eq!(
        amy.text("msExchDelegateListBL"),
        Some("CN=James,DC=contoso,DC=test")
    );
}

#[test]
fn a_refused_record_undoes_the_whole_import() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::create(folder.path()).unwrap();
    for (ldif, line) in [
        ("dn: CN=A,DC=x\ncn: A\n\ndn: CN=a,DC=x\ncn: A\n", 4),
        ("dn: CN=A,DC=x\ncn: A\n\ndn: nonsense\ncn: A\n", 4),
    ] {
        let error = import(&directory, ldif.as_bytes(), Import::default(), |_| {}).unwrap_err();
        assert!(
            matches!(error, Error::Record { line: found, .. } if found == line),
            "{error:?}"
        );
        assert_eq!(directory.read().unwrap().counts().unwrap().objects, 0);
    }
    let error = import(
        &directory,
        &b"dn: CN=A,DC=x\ncn:: !!\n"[..],
        Import::default(),
        |_| {},
    );
    assert!(matches!(error, Err(Error::Unreadable(_))));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "the spool is gone"
    );
}

#[test]
fn objects_without_their_parents_are_held_by_bare_places() {
    let (_folder, directory, report) =
        filled("dn: CN=Jim,OU=People,DC=contoso,DC=test\nmail: jim@x\n");
    assert_eq!((report.added, report.bare), (1, 3));
    let reading = directory.read().unwrap();
    assert_eq!(
        reading.naming_contexts().unwrap(),
        [dn("DC=contoso,DC=test")]
    );
    assert!(
        reading
            .object(&dn("OU=People,DC=contoso,DC=test"))
            .unwrap()
            .is_none()
    );
    assert_eq!(
        reading
            .subtree(&dn("DC=contoso,DC=test"), Scope::Subtree)
            .unwrap()
            .count(),
        1
    );
    let parent = "dn: OU=People,DC=contoso,DC=test\nobjectClass: organizationalUnit\n";
    import(&directory, parent.as_bytes(), Import::default(), |_| {}).unwrap();
    let reading = directory.read().unwrap();
    assert_eq!(reading.counts().unwrap().bare, 2);
    assert_eq!(
        reading
            .subtree(&dn("OU=People,DC=contoso,DC=test"), Scope::One)
            .unwrap()
            .count(),
        1
    );
    assert_eq!(reading.check().unwrap(), []);
}

#[test]
fn naming_contexts_are_those_of_a_forest() {
    let (_folder, directory, _) = filled(
        "dn: CN=Services,CN=Configuration,DC=contoso,DC=test\ncn: Services\n\n\
         dn: CN=User,CN=Schema,CN=Configuration,DC=contoso,DC=test\ncn: User\n\n\
         dn: DC=contoso,DC=test\ndc: contoso\n\ndn: DC=sales,DC=contoso,DC=test\ndc: sales\n\n\
         dn: DC=DomainDnsZones,DC=contoso,DC=test\ndc: x\n\ndn: O=Other\no: Other\n",
    );
    let contexts: Vec<String> = directory
        .read()
        .unwrap()
        .naming_contexts()
        .unwrap()
        .iter()
        .map(Dn::to_string)
        .collect();
    assert_eq!(
        contexts,
        [
            "DC=contoso,DC=test",
            "DC=sales,DC=contoso,DC=test",
            "CN=Configuration,DC=contoso,DC=test",
            "CN=Schema,CN=Configuration,DC=contoso,DC=test",
            "DC=DomainDnsZones,DC=contoso,DC=test",
            "O=Other",
        ]
    );
}

#[test]
fn an_export_comes_back_as_it_was() {
    let ldif = format!(
        "{DOMAIN}dn: OU=Staff\\, all,DC=contoso,DC=test\nou: Staff, all\ndescription:: w7Y=\n\n\
         dn:: Q049TcO8bGxlcixPVT1TdGFmZlwsIGFsbCxEQz1jb250b3NvLERDPXRlc3Q=\nmail: m@x\n\
         objectGUID:: AAECAwQFBgcICQoLDA0ODw==\nobjectSid: S-1-5-21-1-2-3-1000\nuSNChanged: 4711\n\
         userCertificate;binary:: AAEC\nmsExchDelegateListLink: CN=Zoe,DC=contoso,DC=test\n\n\
         dn: CN=Zoe,DC=contoso,DC=test\nhomeMDB: CN=DB1,DC=contoso,DC=test\n\n\
         dn: CN=DB1,DC=contoso,DC=test\ncn: DB1\n\ndn: CN=Lost,OU=Nowhere,DC=fabrikam\ncn: Lost\n\n\
         dn: CN=Old,DC=contoso,DC=test\nlegacyExchangeDN: /o=x/cn=old\n\n\
         dn: CN=Old,DC=contoso,DC=test\nchangetype: delete\n"
    );
    let (_folder, directory, report) = filled(&ldif);
    assert_eq!(troubles(&report), [] as [&str; 0]);
    let (first, count) = exported(&directory, Export::default());
    assert_eq!(count, 8, "with the tombstone and its container");
    let (_folder, again, report) = filled(&first);
    assert_eq!(troubles(&report), [] as [&str; 0]);
    assert_eq!(exported(&again, Export::default()).0, first);
    let (one, other) = (
        directory.read().unwrap().counts().unwrap(),
        again.read().unwrap().counts().unwrap(),
    );
    assert_eq!(
        (one.objects, one.tombstones, one.bare, one.links),
        (other.objects, other.tombstones, other.bare, other.links)
    );
    assert!(other.usn >= 4711);
    let comments = exported(
        &directory,
        Export {
            back_links: true,
            without_tombstones: true,
        },
    );
    assert!(
        comments
            .0
            .contains("# homeMDBBL: CN=Zoe,DC=contoso,DC=test\n")
    );
    assert_eq!(comments.1, 6);
    let mueller = again.read().unwrap();
    let mueller = mueller.by_value(
        "objectSid",
        &[
            1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xe8, 3, 0, 0,
        ],
    );
    let mueller = mueller.unwrap().next().unwrap().unwrap();
    assert_eq!(mueller.dn.name(), "Müller");
    assert_eq!(mueller.values("userCertificate;binary"), [vec![0, 1, 2]]);
}

fn exported(directory: &Directory, how: Export) -> (String, u64) {
    let mut bytes = Vec::new();
    let count = export(&directory.read().unwrap(), &mut bytes, how).unwrap();
    (String::from_utf8(bytes).unwrap(), count)
}

#[test]
fn only_a_thousand_notes_are_kept() {
    let mut ldif = DOMAIN.to_owned();
    for number in 0..1200 {
        write!(
            ldif,
            "dn: CN={number},DC=contoso,DC=test\nmanager: CN=Gone {number},DC=c\n\n"
        )
        .unwrap();
    }
    let (_folder, directory, report) = filled(&ldif);
    assert_eq!(
        (report.added, report.noted, report.notes.len()),
        (1201, 1200, 1000)
    );
    assert!(matches!(
        report.notes[0].trouble,
        Trouble::Dangling {
            attribute: "manager",
            ..
        }
    ));
    assert_eq!(directory.read().unwrap().counts().unwrap().objects, 1201);
}
#[test]
fn what_cannot_be_read_does_not_become_absent() {
    let body = "dn: CN=Jim,DC=contoso,DC=test\nmsExchMailboxGuid:: @@@\nlegacyExchangeDN\nmail: a@x\n\
                proxyAddresses: SMTP:a@x\nproxyAddresses:< file:///x\nsn:: @@@\n";
    let (_folder, directory, report) = filled(&format!("{DOMAIN}{body}"));
    let lines: Vec<u64> = report.notes.iter().map(|note| note.line).collect();
    assert_eq!(lines, [5, 6, 9, 10]);
    let jim = object(&directory, "CN=Jim,DC=contoso,DC=test");
    for name in ["msExchMailboxGuid", "legacyExchangeDN"] {
        assert_eq!(jim.values(name), [b"\xff"], "{name}");
    }
    let addresses = jim.values("proxyAddresses");
    assert_eq!(addresses, [b"\xff".to_vec(), b"SMTP:a@x".to_vec()]);
    assert_eq!(jim.text("mail"), Some("a@x"));
    assert!(jim.values("sn").is_empty());
}

#[test]
fn a_link_that_names_nobody_is_kept_as_one_that_cannot_be_read() {
    let body = "dn: CN=Jim,DC=contoso,DC=test\nhomeMDB: no name\nmsExchDelegateListLink:: /w==\n\
                msExchDelegateListLink: CN=Amy,DC=contoso,DC=test\nmsExchDelegateListLink:: @@@\n\n\
                dn: CN=Amy,DC=contoso,DC=test\ncn: Amy\n";
    let (_folder, directory, _) = filled(&format!("{DOMAIN}{body}"));
    let check = |directory: &Directory| {
        let reading = directory.read().unwrap();
        assert_eq!(reading.check().unwrap(), []);
        let jim = object(directory, "CN=Jim,DC=contoso,DC=test");
        assert_eq!(jim.values("homeMDB"), [UNREAD]);
        let mut links = jim.values("msExchDelegateListLink").to_vec();
        links.sort();
        assert_eq!(links, [b"CN=Amy,DC=contoso,DC=test".as_slice(), UNREAD]);
        assert_eq!(reading.unread_owners().unwrap(), [jim.dn]);
        let contexts = reading.naming_contexts().unwrap();
        assert_eq!(contexts, [dn("DC=contoso,DC=test")]);
    };
    check(&directory);
    let mut text = Vec::new();
    export(&directory.read().unwrap(), &mut text, Export::default()).unwrap();
    let (_folder, again, _) = filled(&String::from_utf8(text).unwrap());
    check(&again);
}

#[test]
fn what_a_cut_file_lacks_of_its_last_object_is_open() {
    let owner = "dn: CN=Jim,DC=contoso,DC=test\nobjectClass: user\n\
                 msExchDelegateListLink: CN=Amy,DC=contoso,DC=test\nmail: jim@contoso";
    let printer = "dn: CN=P,DC=contoso,DC=test\nobjectClass: printQueue\ndescription: x";
    let lacks = |text: &str, name: &str| {
        let (_folder, directory, report) = filled(&format!("{DOMAIN}{text}"));
        assert_eq!(
            report
                .notes
                .iter()
                .filter(|n| n.trouble == Trouble::CutFile)
                .count(),
            usize::from(!text.ends_with('\n'))
        );
        let object = object(&directory, name);
        [
            "msExchMailboxGuid",
            "legacyExchangeDN",
            "homeMDB",
            "msExchHomeServerName",
            "msExchRecipientTypeDetails",
            "targetAddress",
        ]
        .map(|name| object.values(name) == [UNREAD])
    };
    assert_eq!(lacks(owner, "CN=Jim,DC=contoso,DC=test"), [true; 6]);
    assert_eq!(
        lacks(&format!("{owner}\n"), "CN=Jim,DC=contoso,DC=test"),
        [false; 6]
    );
    assert_eq!(lacks(printer, "CN=P,DC=contoso,DC=test"), [false; 6]);
    // A part of a number would be another number.
    let text = format!("{owner}\nmsExchRecipientTypeDetails: 21");
    assert_eq!(lacks(&text, "CN=Jim,DC=contoso,DC=test"), [true; 6]);
}
