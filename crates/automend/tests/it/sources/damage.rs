//! Files that are damaged: what cannot be decoded is undecided, never absent, and nothing is removed for it.

use crate::tool::{Bench, CONTOSO, defects, findings};

const GUID: &str = "msExchMailboxGuid:: ecJSXKgzpOAe2aNVwQtzQw==";
const LEGACY: &str = "legacyExchangeDN: /o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=5556aee62c47-bob";

/// What an audit finds in a file, with these options.
#[track_caller]
fn found(text: &[u8], options: &[&str]) -> (Vec<String>, Vec<String>) {
    let bench = Bench::new();
    bench.file("a.ldif", text);
    let audit = ["audit", "-d", "a.ldif", "--format", "json"];
    let report = bench.automend(&[&audit, options].concat()).json();
    (findings(&report), defects(&report))
}

/// The example with one line of Bob, a healthy owner, in place of another.
fn with_bob(line: &str, bad: &[u8]) -> Vec<u8> {
    let text = CONTOSO.to_owned();
    let (before, behind) = text.split_once(line).unwrap();
    [before.as_bytes(), bad, behind.as_bytes()].concat()
}

#[test]
fn a_deciding_value_that_cannot_be_read_is_undecided_and_in_no_plan() {
    for (line, bad) in [
        (GUID, b"msExchMailboxGuid:: invalid-base-64".as_slice()),
        (GUID, b"msExchMailboxGuid:< file://.bin"),
        (GUID, b"msExchMailboxGuid"),
        (GUID, b"msExchMailboxGuid ecJSXKgzpOAe2aNVwQtzQw=="),
        (GUID, b"MSEXCHMAILBOXGUID:: ecJSXKgzpOAe2"),
        (GUID, b"msExchMailbox\n Guid:: @"),
        (GUID, b": ecJSXKgzpOAe2aNVwQtzQw=="),
        (GUID, b"ms\xffExchMailboxGuid:: ecJSXKgzpOAe2aNVwQtzQw=="),
        (LEGACY, b"legacyExchangeDN:: @@@"),
        (LEGACY, b"legacyExchangeDN"),
        (LEGACY, b"legacyExchangeDN=/o=Contoso"),
        (LEGACY, b"legacyExchangeDN: /o=\xff\xfe"),
        (LEGACY, b"legacyExchangeDN:< http://x.test/"),
    ] {
        let shown = String::from_utf8_lossy(bad).into_owned();
        let text = with_bob(line, bad);
        let (found, defects) = found(&text, &[]);
        let bob: Vec<&String> = found
            .iter()
            .filter(|f| f.contains(" Bob Carter: "))
            .collect();
        assert_eq!(bob, ["AM106 Bob Carter: Emma Frost"], "{shown}");
        assert!(
            // What is wrong with a decoded value is reported with the line of its object.
            defects
                .iter()
                .any(|d| d.starts_with("line 17") || d.starts_with("line 160: CN=Bob Carter,")),
            "{shown}: {defects:?}"
        );

        let bench = Bench::new();
        bench.file("a.ldif", &text);
        let run = bench.automend(&[
            "show",
            "emma@contoso.com",
            "-d",
            "a.ldif",
            "--format",
            "json",
        ]);
        let report = run.exits(1).json();
        let opens = report["opens"].as_array().unwrap();
        let opened = opens.iter().find(|o| o["name"] == "Bob Carter").unwrap();
        assert_eq!(opened["state"], "unreadable", "{shown}");
        assert!(report["command"].is_null(), "{shown}: {report}");
        let plan = bench.automend(&["fix", "-d", "a.ldif", "--export", "ldif"]);
        assert!(!plan.out.contains("dn: CN=Bob Carter,"), "{shown}: {plan}");
        assert!(plan.out.contains("changetype: modify"), "{plan}");
    }
}

#[test]
fn a_user_with_values_that_cannot_be_read_is_undecided() {
    let text = CONTOSO.to_owned();
    let of_emma = text.find("dn: CN=Emma Frost,").unwrap();
    for name in ["legacyExchangeDN", "msExchMailboxGuid", "proxyAddresses"] {
        let at = of_emma + text[of_emma..].find(&format!("\n{name}:")).unwrap() + 1;
        let end = at + text[at..].find('\n').unwrap();
        let bad = format!("{}{name}:: @@@{}", &text[..at], &text[end..]);
        for options in [["--deep"].as_slice(), &["--delegate", "emma@contoso.com"]] {
            let (found, defects) = found(bad.as_bytes(), options);
            let emma: Vec<&String> = found
                .iter()
                .filter(|f| f.starts_with("US") && f.contains(" Emma Frost"))
                .collect();
            assert!(
                matches!(emma.as_slice(), [one] if one.starts_with("US213")),
                "{name} {options:?}: {emma:?}"
            );
            assert!(
                defects.iter().any(|d| d.contains("no base64")),
                "{name}: {defects:?}"
            );
        }
    }
}

#[test]
fn no_cut_makes_a_link_stale() {
    let text = CONTOSO.to_owned();
    let start = text.find("dn: CN=Bob Carter,").unwrap();
    // The link first, so that every cut behind it leaves an owner.
    let link = "msExchDelegateListLink: CN=Emma Frost,OU=People,DC=contoso,DC=com\n";
    let end = start + text[start..].find(link).unwrap();
    let head = start + text[start..].find('\n').unwrap() + 1;
    let whole = format!("{}{link}{}", &text[..head], &text[head..end]);
    let from = head + link.len();
    for cut in (from..whole.len()).filter(|cut| cut % 41 == 0 && whole.as_bytes()[cut - 1] != b'\n')
    {
        let (found, defects) = found(&whole.as_bytes()[..cut], &[]);
        let bob = found
            .iter()
            .find(|f| f.contains(" Bob ") || f.contains("CN=Bob"));
        assert!(
            bob.is_none_or(|bob| bob.starts_with("AM106")),
            "{cut}: {bob:?}"
        );
        assert!(
            defects.iter().any(|d| d.contains("cut off")),
            "{cut}: {defects:?}"
        );
    }
}

/// What an audit finds in an embedded directory that was filled from a file, and whether it is complete.
#[track_caller]
fn found_embedded(text: &[u8], options: &[&str]) -> Option<(Vec<String>, Vec<String>, Bench)> {
    let bench = Bench::new();
    bench.file("a.ldif", text);
    let run = bench.automend(&["directory", "import", "a.ldif", "-d", "a"]);
    if run.code == Some(2) {
        assert!(run.err.contains("line "), "{run}");
        return None;
    }
    let audit = ["audit", "-d", "a", "--format", "json"];
    let report = bench.automend(&[&audit, options].concat()).json();
    Some((findings(&report), defects(&report), bench))
}

/// The example with Bob at its end, and his links in front of all else that he has.
fn with_bob_last() -> (String, String) {
    let start = CONTOSO.find("dn: CN=Bob Carter,").unwrap();
    let end = start + CONTOSO[start..].find("\n\n").unwrap() + 1;
    let (bob, others) = (
        &CONTOSO[start..end],
        [&CONTOSO[..start], &CONTOSO[end..]].concat(),
    );
    let link = "msExchDelegateListLink: CN=Emma Frost,OU=People,DC=contoso,DC=com\n";
    let head = bob.find('\n').unwrap() + 1;
    let bob = format!("{}{link}{}", &bob[..head], bob[head..].replace(link, ""));
    (format!("{}\n\n", others.trim_end()), bob)
}

#[test]
fn a_cut_file_gives_the_same_verdict_when_it_was_imported() {
    let (others, bob) = with_bob_last();
    let from = bob.find("msExchDelegateListLink: ").unwrap();
    let bob_of = |found: &[String]| -> Vec<String> {
        let of = found
            .iter()
            .filter(|line| line.contains(" Bob ") || line.contains("CN=Bob"));
        of.cloned().collect()
    };
    let mut undecided = 0;
    for cut in (from..bob.len()).filter(|cut| cut % 67 == 0 && bob.as_bytes()[cut - 1] != b'\n') {
        let text = format!("{others}{}", &bob[..cut]);
        let (in_file, told) = found(text.as_bytes(), &[]);
        assert!(!told.is_empty(), "{cut}");
        let Some((embedded, told, bench)) = found_embedded(text.as_bytes(), &[]) else {
            continue;
        };
        assert_eq!(
            bob_of(&embedded),
            bob_of(&in_file),
            "{cut}: {}",
            &bob[..cut]
        );
        assert!(
            told.iter().any(|d| d.starts_with("CN=Bob Carter,")),
            "{cut}: {told:?}"
        );
        undecided += usize::from(bob_of(&embedded).iter().any(|f| f.starts_with("AM106")));
        for source in ["a", "a.ldif"] {
            let plan = bench.automend(&["fix", "-d", source, "--export", "ldif"]);
            assert!(
                !plan.out.contains("dn: CN=Bob Carter,"),
                "{cut} {source}: {plan}"
            );
        }
    }
    assert!(undecided > 2, "{undecided}");
}

#[test]
fn a_bad_deciding_value_is_undecided_when_it_was_imported() {
    let home = CONTOSO[CONTOSO.find("dn: CN=Bob Carter,").unwrap()..]
        .lines()
        .find(|line| line.starts_with("homeMDB:"))
        .unwrap();
    let start = CONTOSO.find("dn: CN=Bob Carter,").unwrap();
    for (line, bad, whether) in [
        (GUID, b"msExchMailboxGuid:: AAECAwQ=".as_slice(), true),
        (LEGACY, b"legacyExchangeDN:: L2892w==", true),
        (home, b"homeMDB: no name", true),
        (home, b"homeMDB:: /w==", true),
        (GUID, b"msExchMailboxGuid:: @@@", false),
        (GUID, b"msExchMailboxGuid", false),
        (LEGACY, b"legacyExchangeDN:< http://x.test/", false),
    ] {
        let shown = String::from_utf8_lossy(bad).into_owned();
        let at = start + CONTOSO[start..].find(line).unwrap();
        let end = at + line.len();
        let server = |text: &str| text.replace("msExchHomeServerName:", "description:");
        let text = [
            server(&CONTOSO[..at]).as_bytes(),
            bad,
            server(&CONTOSO[end..]).as_bytes(),
        ]
        .concat();
        let of_bob = |found: &[String]| -> Vec<String> {
            found
                .iter()
                .filter(|f| f.contains(" Bob Carter: "))
                .cloned()
                .collect()
        };
        let (in_file, _) = found(&text, &[]);
        assert_eq!(
            of_bob(&in_file),
            ["AM106 Bob Carter: Emma Frost"],
            "{shown}"
        );
        let embedded = found_embedded(&text, &[]);
        assert_eq!(embedded.is_some(), whether, "{shown}");
        let Some((embedded, told, bench)) = embedded else {
            continue;
        };
        assert_eq!(of_bob(&embedded), of_bob(&in_file), "{shown}");
        assert!(
            told.iter().any(|d| d.starts_with("CN=Bob Carter,")),
            "{told:?}"
        );
        let plan = bench.automend(&["fix", "-d", "a", "--export", "ldif"]);
        assert!(!plan.out.contains("dn: CN=Bob Carter,"), "{shown}: {plan}");
    }
}

#[test]
fn a_link_of_another_owner_that_cannot_be_read_is_told_to_every_delegate() {
    let start = CONTOSO.find("dn: CN=Bob Carter,").unwrap();
    let link = "msExchDelegateListLink: CN=Emma Frost,OU=People,DC=contoso,DC=com";
    let at = start + CONTOSO[start..].find(link).unwrap();
    let number = CONTOSO[..at].lines().count() + 1;
    // A user of whom nothing else is wrong.
    let bench = Bench::contoso();
    let healthy = "victor@contoso.com";
    let show = |source: &str| bench.automend(&["show", "-d", source, healthy]);
    let audit = |source: &str| {
        bench.automend(&[
            "audit",
            "-d",
            source,
            "--delegate",
            healthy,
            "--format",
            "json",
        ])
    };
    show("contoso.ldif").exits(0);
    for bad in [
        "msExchDelegateListLink: nobody",
        "msExchDelegateListLink:: /w==",
        "msExchDelegateListLink:: @@@",
    ] {
        let text = format!("{}{bad}{}", &CONTOSO[..at], &CONTOSO[at + link.len()..]);
        bench.file("b.ldif", &text);
        let of_file = format!("line {number}: CN=Bob Carter,");
        show("b.ldif").exits(2).warns(&of_file);
        let told = defects(&audit("b.ldif").exits(2).json());
        assert!(told.iter().any(|d| d.starts_with(&of_file)), "{told:?}");
        let folder = format!("b{}", bad.len());
        let import = ["directory", "import", "b.ldif", "-d", &folder];
        if bench.automend(&import).code == Some(2) {
            assert!(bad.contains('@'), "{bad}");
            continue;
        }
        show(&folder).exits(2).warns("CN=Bob Carter,");
        let told = defects(&audit(&folder).exits(2).json());
        assert!(
            told.iter()
                .any(|d| d.contains("CN=Bob Carter,") && d.contains("msExchDelegateListLink")),
            "{told:?}"
        );
    }
}

#[test]
fn two_objects_never_become_one() {
    let two = |between: &str| {
        format!(
            "dn: DC=c,DC=test\nobjectClass: domainDNS\ndc: c\n\n\
             dn: CN=A,DC=c,DC=test\nobjectClass: user\nmsExchDelegateListLink: CN=B,DC=c,DC=test\n{between}\
             dn: CN=B,DC=c,DC=test\nobjectClass: user\nmsExchDelegateListLink: CN=A,DC=c,DC=test\n"
        )
    };
    for between in ["", "   \n", "\t\n", "# nothing\n"] {
        let text = two(between);
        let (found, defects) = found(text.as_bytes(), &[]);
        assert!(
            !found
                .iter()
                .any(|f| f.contains("AM115") || f.contains("AM101")),
            "{found:?}"
        );
        assert!(
            defects
                .iter()
                .any(|d| d.contains("a second name in one record")),
            "{between:?}: {defects:?}"
        );
        refused(&text);
    }
}

/// That an import gives the file up and leaves nothing behind.
#[track_caller]
fn refused(text: &str) {
    let bench = Bench::new();
    bench.file("a.ldif", text);
    let run = bench.automend(&["directory", "import", "a.ldif", "-d", "a"]);
    assert_eq!(run.code, Some(2), "{text}\n{run}");
    assert!(run.err.contains("line "), "{text}\n{run}");
}

#[test]
fn what_contradicts_itself_is_refused_and_told() {
    const HEAD: &str = "dn: DC=c,DC=test\nobjectClass: domainDNS\ndc: c\n\ndn: CN=A,DC=c,DC=test\nobjectClass: contact\n\n";
    for record in [
        "dn: CN=N,DC=c,DC=test\nobjectClass: contact\nsn :y\n",
        "dn: CN=N,DC=c,DC=test\nobjectClass: contact\na b: x\n",
        "dn: CN=N,DC=c,DC=test\nobjectClass: contact\n\u{fc}mlaut: x\n",
        "dn: CN=N,DC=c,DC=test\nobjectClass: contact\n-x: y\n",
        "dn: CN=N,DC=c,DC=test\nobjectClass: contact\n: foo\n",
        "dn: CN=N,DC=c,DC=test\nobjectClass: contact\nchangetype: delete\n",
        "dn: CN=N,DC=c,DC=test\ncontrol: 1.1.1\nobjectClass: contact\n",
        "dn: CN=N,DC=c,DC=test\ncontrol: 1.2.3.4 true\nchangetype: add\nobjectClass: contact\n",
        "dn: CN=A,DC=c,DC=test\ncontrol: 1.2.3.4 invalid\nchangetype: delete\n",
        "dn: CN=A,DC=c,DC=test\ncontrol: true\nchangetype: delete\n",
        "dn: CN=A,DC=c,DC=test\ncontrol:\nchangetype: delete\n",
        "dn: CN=A,DC=c,DC=test\ncontrol: 1..2\nchangetype: delete\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: delete\n-\nadd: telephoneNumber\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: delete\nmail: a@c.test\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: modify\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: modify\nreplace:\n-\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: modify\nreplace: uid\n uid:Samantha\n-\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: modrdn\nnewrdn: CN=S\ndeleteoldrdn: 1\nnewsuperior:\n",
        "dn: CN=A,DC=c,DC=test\nchangetype: modrdn\nnewrdn:\ndeleteoldrdn: 1\n",
        "version: 2\n\ndn: CN=N,DC=c,DC=test\nobjectClass: contact\n",
        "version: x\ndn: CN=N,DC=c,DC=test\nobjectClass: contact\n",
    ] {
        let text = format!("{HEAD}{record}");
        refused(&text);
        let (_, defects) = found(text.as_bytes(), &[]);
        assert!(!defects.is_empty(), "{record}");
    }
}

#[test]
fn a_number_is_raised() {
    let bench = Bench::new();
    let text = "dn: DC=c,DC=test\nobjectClass: domainDNS\ndc: c\n\n\
                dn: CN=A,DC=c,DC=test\nobjectClass: contact\nmsExchVersion: 5\n\n\
                dn: CN=A,DC=c,DC=test\nchangetype: modify\nincrement: msExchVersion\nmsExchVersion: 3\n-\n";
    bench.file("a.ldif", text);
    bench
        .automend(&["directory", "import", "a.ldif", "-d", "a"])
        .exits(0);
    let export = bench.automend(&["directory", "export", "-d", "a"]);
    assert!(export.out.contains("\nmsExchVersion: 8\n"), "{export}");
    refused(&text.replace("msExchVersion: 3", "msExchVersion: x"));
    refused(&text.replace("msExchVersion: 5\n", ""));
}
