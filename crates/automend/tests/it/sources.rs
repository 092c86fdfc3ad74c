//! Where a directory may come from, and what says so: files in the style of each tool, an embedded
//! directory, flags, the environment and `automend.toml`.
//!
//! Whatever the style, the same data gives the same findings, and what cannot be read is reported by line.

mod beside;
mod damage;
mod glance;
mod unread;

use std::fmt::Write as _;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::tool::{Bench, CONTOSO, defects, findings};

/// Jim's mailbox was disabled, Rosa's is well; both have a link to Alice, Jim one to Zoë, too.
const SMALL: &str = "\
dn: CN=Alice,DC=c,DC=test
objectClass: user
displayName: Alice
mail: alice@c.test
legacyExchangeDN: /o=c/cn=alice
msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==
homeMDB: CN=DB1,DC=c,DC=test

dn: CN=DB1,DC=c,DC=test
objectClass: msExchPrivateMDB

dn:: Q049Wm/DqyxEQz1jLERDPXRlc3Q=
objectClass: user
displayName:: Wm/Dqw==

dn: CN=Jim,DC=c,DC=test
objectClass: user
displayName: Jim
msExchDelegateListLink: CN=Alice,DC=c,DC=test
msExchDelegateListLink:: Q049Wm/DqyxEQz1jLERDPXRlc3Q=

dn: CN=Rosa,DC=c,DC=test
objectClass: user
displayName: Rosa
legacyExchangeDN: /o=c/cn=rosa
msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==
homeMDB: CN=DB1,DC=c,DC=test
msExchDelegateListLink: CN=Alice,DC=c,DC=test
";

const FOUND: [&str; 1] = ["AM101 Jim: Alice, Zoë"];

#[track_caller]
fn audit(bench: &Bench, directory: &str) -> Value {
    let run = bench.automend(&["audit", "-d", directory, "--format", "json"]);
    assert!(run.code == Some(0) || run.code == Some(1), "{run}");
    run.json()
}

/// The file says what [`SMALL`] says, and nothing in it is a defect.
#[track_caller]
fn is_small(name: &str, bytes: impl AsRef<[u8]>) {
    let bench = Bench::new();
    bench.file(name, bytes);
    let report = audit(&bench, name);
    assert_eq!(findings(&report), FOUND);
    assert_eq!(defects(&report), Vec::<String>::new());
    assert_eq!(report["counts"]["links"], 3);
    bench
        .automend(&["show", "alice@c.test", "-d", name])
        .exits(1)
        .says("error 603")
        .says("Jim");
}

fn gz(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// Lines of at most `width` bytes, as tools fold them.
fn folded(text: &str, width: usize) -> String {
    let fold = |line: &str| {
        let mut out = String::new();
        for (i, c) in line.chars().enumerate() {
            if i > 0 && i % width == 0 {
                out.push_str("\n ");
            }
            out.push(c);
        }
        out + "\n"
    };
    text.lines().map(fold).collect()
}

/// UTF-16 with a byte order mark, little endian, as `ldifde -u` writes it.
fn utf16(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

#[test]
fn a_file_as_it_is() {
    is_small("a.ldif", SMALL);
    is_small("a.ldf", SMALL);
    is_small("A.LDIF", SMALL);
}

#[test]
fn a_file_of_ldapsearch_is_folded_and_has_comments_and_a_trailer() {
    let head = "# extended LDIF\n#\n# LDAPv3\n# base <DC=c,DC=test> with scope subtree\n# a comment that is\n  folded, too\n\nversion: 1\n\n";
    let tail = "\n# search reference\nref: ldap://DomainDnsZones.c.test/DC=DomainDnsZones,DC=c,DC=test\n\n\
        # search result\nsearch: 2\nresult: 0 Success\ncontrol: 1.2.840.113556.1.4.319 false MAUCAQAEAA==\n\
        pagedresults: cookie=\n\n# numResponses: 7\n# numEntries: 5\n";
    is_small("a.ldif", format!("{head}{}{tail}", folded(SMALL, 20)));
    is_small("b.ldif", format!("{head}{}{tail}", folded(SMALL, 76)));
}

#[test]
fn a_file_of_slapcat_has_operational_attributes() {
    let operational = "objectClass: user\nstructuralObjectClass: user\nentryUUID: 6c5a1e3c-0d7a-103f-8a5e-2d0b6a1f0c11\n\
        entryCSN: 20260401081500.000000Z#000000#000#000000\nuserPassword:: e1NTSEF9eA==\n";
    is_small(
        "a.ldif",
        folded(&SMALL.replace("objectClass: user\n", operational), 78),
    );
}

#[test]
fn a_file_of_ldbsearch_has_numbers_and_referrals() {
    let mut text = String::new();
    for (i, record) in SMALL.split("\n\n").enumerate() {
        let _ = write!(text, "# record {}\n{}\n\n", i + 1, record.trim_end());
    }
    text.push_str("# Referral\nref: ldap://c.test/CN=Configuration,DC=c,DC=test\n\n# returned 6 records\n# 5 entries\n# 1 referrals\n");
    is_small("a.ldif", text);
}

#[test]
fn a_file_of_ldifde_has_other_line_ends_another_encoding_and_says_add() {
    let text = SMALL
        .replace("objectClass: user", "changetype: add\nobjectClass: user")
        .replace("objectClass: msEx", "changetype: add\nobjectClass: msEx")
        .replace('\n', "\r\n");
    is_small("a.ldf", &text);
    is_small("b.ldf", utf16(&text));
    // Without base64, as Unicode needs none.
    is_small(
        "c.ldf",
        utf16(&text.replace(":: Q049Wm/DqyxEQz1jLERDPXRlc3Q=", ": CN=Zoë,DC=c,DC=test")),
    );
}

#[test]
fn a_packed_file_and_standard_input_packed_or_not() {
    is_small("a.ldif.gz", gz(SMALL));
    let mut members = gz(&SMALL[..200]);
    members.extend(gz(&SMALL[200..]));
    is_small("b.ldif.gz", members);
    let bench = Bench::new();
    for input in [SMALL.as_bytes().to_vec(), gz(SMALL), utf16(SMALL)] {
        let report = bench
            .automend_reading(&["audit", "-d", "-", "--format", "json"], input.clone())
            .exits(1)
            .json();
        assert_eq!(findings(&report), FOUND);
        bench
            .automend_reading(&["show", "alice@c.test", "-d", "-"], input)
            .exits(1)
            .says("Jim");
    }
}

#[test]
fn a_file_an_archive_and_an_embedded_directory_say_the_same() {
    // What a directory cannot hold is left out: names of deleted objects, and links to what isn't there.
    let data: String = CONTOSO
        .split("\n\n")
        .filter(|record| !record.contains("0ADEL:"))
        .map(|record| record.to_owned() + "\n\n")
        .collect::<String>()
        .lines()
        .filter(|line| !line.starts_with("homeMDB: CN=DB03"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    // A file is read once, so a group has to say by itself whose delegate it is, as exports do (AM109).
    let group = "dn: CN=Project Team,OU=Groups,DC=contoso,DC=com\n";
    let told = format!("{group}msExchDelegateListBL: CN=Projects,OU=Shared,DC=contoso,DC=com\n");
    let data = data.replace(group, &told);
    let bench = Bench::new();
    bench.file("a.ldif", &data).file("a.ldif.gz", gz(&data));
    bench
        .automend(&["directory", "import", "a.ldif", "-d", "embedded"])
        .exits(0)
        .says_not("note:");
    bench
        .automend(&["directory", "import", "a.ldif.gz", "-d", "unpacked"])
        .exits(0);
    for more in [
        [].as_slice(),
        &["--deep"],
        &["--delegate", "alice@contoso.com"],
        &["--owner", "CN=Jim Stone,OU=People,DC=contoso,DC=com"],
    ] {
        let report = |directory: &str| {
            let run = bench
                .automend(&[&["audit", "-d", directory, "--format", "json"], more].concat())
                .exits(1);
            let mut report = run.json();
            for own in ["directory", "at", "command"] {
                report.as_object_mut().unwrap().remove(own);
            }
            // An embedded directory notes when it was written, which no file says.
            let found = report["findings"].as_array_mut().unwrap();
            for finding in found.iter_mut() {
                finding["evidence"]
                    .as_object_mut()
                    .unwrap()
                    .remove("whenChanged");
            }
            found.sort_by_key(|finding| format!("{} {}", finding["code"], finding["owner"]["dn"]));
            report
        };
        let file = report("a.ldif");
        assert!(!findings(&file).is_empty());
        assert_eq!(report("a.ldif.gz"), file, "{more:?}");
        assert_eq!(report("embedded"), file, "{more:?}");
        assert_eq!(report("unpacked"), file, "{more:?}");
    }
    for user in [
        "alice@contoso.com",
        "info@contoso.com",
        "kate@contoso.com",
        "ExchangeGuid+ad082022-8e1b-024b-e76d-ad3a4e9298cd@contoso.com",
        "nobody@contoso.com",
    ] {
        let show = |directory| {
            bench
                .automend(&["show", user, "-d", directory, "--format", "json"])
                .json()
        };
        let (mut file, mut embedded) = (show("a.ldif"), show("embedded"));
        for report in [&mut file, &mut embedded] {
            // Each names its own directory in the command that fixes.
            report.as_object_mut().unwrap().remove("command");
            for finding in report["findings"].as_array_mut().unwrap() {
                finding["evidence"]
                    .as_object_mut()
                    .unwrap()
                    .remove("whenChanged");
            }
        }
        assert_eq!(embedded, file, "{user}");
    }
}

#[test]
fn missing_back_links_are_derived_and_present_ones_are_not_told_twice() {
    let with = SMALL.replace(
        "mail: alice",
        "msExchDelegateListBL: CN=Jim,DC=c,DC=test\nmail: alice",
    );
    is_small("with.ldif", &with);
    let (bench, both) = (
        Bench::new(),
        with.replace(
            "mail: alice",
            "msExchDelegateListBL: CN=Rosa,DC=c,DC=test\nmail: alice",
        ),
    );
    bench.file("without.ldif", SMALL).file("both.ldif", both);
    let show = |name| {
        let show = ["show", "alice@c.test", "-d", name, "--format", "json"];
        let mut shown = bench.automend(&show).exits(1).json();
        // It names the file.
        shown.as_object_mut().unwrap().remove("command");
        shown
    };
    assert_eq!(show("without.ldif")["opens"].as_array().unwrap().len(), 2);
    assert_eq!(show("without.ldif"), show("both.ldif"));
}

#[test]
fn back_links_alone_are_enough() {
    let without: String = SMALL
        .lines()
        .filter(|line| !line.starts_with("msExchDelegateListLink"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let back = "msExchDelegateListBL: CN=Jim,DC=c,DC=test\nmsExchDelegateListBL: CN=Rosa,DC=c,DC=test\nmail: alice";
    let bench = Bench::new();
    bench.file("a.ldif", without.replace("mail: alice", back));
    // They show the links of those who are in the file, but not that there are no others.
    let partly = |name: &str| {
        let audit = ["audit", "-d", name, "--format", "json"];
        bench
            .automend(&audit)
            .exits(2)
            .warns("no forward link")
            .json()
    };
    assert_eq!(findings(&partly("a.ldif")), ["AM101 Jim: Alice"]);
    // Gone is reported from not in the file by whether the file holds the owner's container.
    let elsewhere = format!("dn: DC=c,DC=test\nobjectClass: domainDNS\n\n{}", without.replace(
        "mail: alice",
        "msExchDelegateListBL: CN=Ghost,DC=c,DC=test\nmsExchDelegateListBL: CN=Far,DC=other,DC=test\nmail: alice",
    ));
    bench.file("b.ldif", elsewhere);
    assert_eq!(
        findings(&partly("b.ldif")),
        ["AM106 Far: Alice", "AM113 Ghost: Alice"]
    );
}

#[test]
fn names_are_the_same_in_other_case_spacing_and_escapes() {
    let text = SMALL
        .replace(
            "Link: CN=Alice,DC=c,DC=test",
            "Link: cn=ALICE , dc=C,  Dc=Test",
        )
        .replace(
            "Link:: Q049Wm/DqyxEQz1jLERDPXRlc3Q=",
            "Link: CN=Zo\\C3\\AB,DC=c,DC=test",
        );
    let bench = Bench::new();
    bench.file("a.ldif", &text);
    let report = audit(&bench, "a.ldif");
    assert_eq!(report["counts"]["delegates"], 2);
    assert_eq!(findings(&report).len(), 1);
    bench
        .automend(&["show", "Alice@C.TEST", "-d", "a.ldif"])
        .exits(1)
        .says("Jim");
    bench
        .automend(&["show", "cn=alice, dc=c, dc=TEST", "-d", "a.ldif"])
        .exits(1)
        .says("Jim");
    bench
        .automend(&["show", r"CN=Zo\c3\ab,DC=c,DC=test", "-d", "a.ldif"])
        .exits(1)
        .says("Jim");
    bench
        .automend(&["directory", "import", "a.ldif", "-d", "embedded"])
        .exits(0)
        .says("5 links");
    assert_eq!(audit(&bench, "embedded")["counts"]["links"], 3);
    assert_eq!(audit(&bench, "embedded")["counts"]["delegates"], 2);
}

#[test]
fn what_cannot_be_read_is_told_by_line_and_the_rest_is_read() {
    let bench = Bench::new();
    for (broken, line) in [
        ("no colon here\n", 2),
        ("displayName:: !!!not base64!!!\n", 2),
        ("msExchDelegateListLink: not a name\n", 2),
        ("msExchDelegateListLink:: //79\n", 2),
    ] {
        let record = format!(
            "dn: CN=Broken,DC=c,DC=test\n{broken}objectClass: user\nmsExchDelegateListLink: CN=Alice,DC=c,DC=test\n\n"
        );
        bench.file("a.ldif", format!("{record}{SMALL}"));
        let report = audit(&bench, "a.ldif");
        assert!(
            findings(&report).contains(&FOUND[0].to_owned()),
            "{report:#}"
        );
        let told = defects(&report);
        assert!(
            told.iter()
                .any(|defect| defect.starts_with(&format!("line {line}: "))),
            "{broken:?}: {told:?}"
        );
    }
    for broken in [
        "dn: no name\nobjectClass: user\nmsExchDelegateListLink: CN=Alice,DC=c,DC=test\n\n",
        "dn:: ????\ncn: x\n\n",
        "cn: nobody\n\n",
        "\u{0}\u{1}\u{2}\n\n",
    ] {
        bench.file("a.ldif", format!("{broken}{SMALL}"));
        let report = audit(&bench, "a.ldif");
        assert_eq!(findings(&report), FOUND);
        assert!(
            defects(&report)
                .iter()
                .any(|defect| defect.starts_with("line 1: ")),
            "{broken:?}: {report:#}"
        );
    }
    // People are reported, too.
    bench
        .automend(&["audit", "-d", "a.ldif"])
        .exits(1)
        .says("note: line 1: ");
}

#[test]
fn a_change_in_a_file_of_objects_is_told_and_not_applied() {
    let bench = Bench::new();
    let change =
        "\ndn: CN=Jim,DC=c,DC=test\nchangetype: modify\ndelete: msExchDelegateListLink\n-\n";
    bench.file("a.ldif", format!("{SMALL}{change}"));
    let report = audit(&bench, "a.ldif");
    assert_eq!(findings(&report), FOUND);
    assert!(
        defects(&report)
            .iter()
            .any(|defect| defect.contains("a change to CN=Jim,DC=c,DC=test")),
        "{report:#}"
    );
}

#[test]
fn nobody_is_called_stale_for_lack_of_what_was_not_exported() {
    let without = |name: &str| -> String {
        SMALL
            .lines()
            .filter(|line| !line.starts_with(name))
            .map(|line| line.to_owned() + "\n")
            .collect()
    };
    let bench = Bench::new();
    // Without msExchMailboxGuid alone, Jim does not have the others provably; so all of them are left out.
    let mut text = without("msExchMailboxGuid");
    text = text
        .lines()
        .filter(|line| !line.starts_with("legacyExchangeDN") && !line.starts_with("homeMDB"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    bench.file("a.ldif", &text);
    let report = audit(&bench, "a.ldif");
    assert_eq!(
        findings(&report),
        ["AM106 Jim: Alice, Zoë", "AM106 Rosa: Alice"]
    );
    assert!(
        defects(&report)
            .iter()
            .any(|defect| defect.contains("no record has") && defect.contains("msExchMailboxGuid")),
        "{report:#}"
    );

    bench.file("b.ldif", without("msExchMailboxGuid"));
    let report = audit(&bench, "b.ldif");
    assert!(
        !findings(&report)
            .iter()
            .any(|line| line.starts_with("AM101 Rosa")),
        "{report:#}"
    );
    assert!(
        findings(&report).contains(&"AM106 Rosa: Alice".to_owned()),
        "{report:#}"
    );
    bench
        .automend(&["fix", "-d", "a.ldif", "--plan-only"])
        .exits(0)
        .says("nothing to fix");
}

#[test]
fn a_file_that_is_none_is_told() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    std::fs::create_dir(bench.path("folder.ldif")).unwrap();
    bench
        .file("notes.txt", "hello")
        .file("broken.ldif.gz", "no archive")
        .file("cut.ldif.gz", &gz(SMALL)[..60]);
    for (name, why) in [
        ("missing.ldif", "missing.ldif"),
        ("folder", "folder"),
        ("folder.ldif", "folder.ldif"),
        ("notes.txt", "an LDIF file ends with .ldif"),
        ("nowhere", "no such folder"),
        ("broken.ldif.gz", "broken.ldif.gz"),
        ("cut.ldif.gz", "cut.ldif.gz"),
        ("ftp://c.test", "ftp:// is not spoken here"),
        ("ldap://c.test/DC=c", "use --base"),
    ] {
        let run = bench.automend(&["audit", "-d", name]).exits(2).warns(why);
        assert_eq!(run.out, "", "{run}");
    }
    bench
        .automend(&["directory", "export", "-d", "folder"])
        .exits(2)
        .warns("folder");
}

#[test]
fn the_directory_is_named_by_a_flag_the_environment_or_a_file_in_this_order() {
    let bench = Bench::new();
    bench
        .file("flag.ldif", SMALL)
        .file("environment.ldif", SMALL)
        .file("file.ldif", SMALL);
    bench
        .automend(&["audit"])
        .exits(2)
        .warns("--directory")
        .warns("AUTOMEND_DIRECTORY")
        .warns("automend.toml");
    bench.file("automend.toml", "directory = \"file.ldif\"\n");
    let environment = [("AUTOMEND_DIRECTORY", "environment.ldif")];
    bench
        .automend(&["audit"])
        .exits(1)
        .says("file.ldif: 3 links");
    bench
        .automend_with(&environment, &["audit"])
        .exits(1)
        .says("environment.ldif: 3 links");
    bench
        .automend_with(&environment, &["audit", "-d", "flag.ldif"])
        .exits(1)
        .says("flag.ldif: 3 links");
    // Each command reads the same.
    bench.automend(&["show", "alice@c.test"]).exits(1);
    bench.automend(&["fix", "--plan-only"]).exits(1);
}

#[test]
fn a_configuration_is_looked_for_here_and_at_home_or_is_named() {
    let bench = Bench::new();
    bench.file("a.ldif", SMALL);
    std::fs::create_dir_all(bench.path(".config/automend")).unwrap();
    bench.file(".config/automend/automend.toml", "directory = \"a.ldif\"\n");
    bench.automend(&["audit"]).exits(1).says("a.ldif: 3 links");
    bench.file("automend.toml", "directory = \"missing.ldif\"\n");
    bench.automend(&["audit"]).exits(2).warns("missing.ldif");
    bench
        .automend(&["audit", "--config", ".config/automend/automend.toml"])
        .exits(1);
    bench
        .automend(&["audit", "--config", "none.toml"])
        .exits(2)
        .warns("none.toml");
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_file_and_line() {
    let bench = Bench::new();
    bench.file("a.ldif", SMALL);
    for (text, line) in [
        ("directory = \"a.ldif\"\npasword-file = \"x\"\n", 2),
        ("directory = \"a.ldif\"\n\npage-size = \"many\"\n", 3),
        ("directory = a.ldif\n", 1),
        ("directory = \"a.ldif\"\npassword = \"Wint3r-Regen\"\n", 2),
    ] {
        bench.file("automend.toml", text);
        let run = bench
            .automend(&["audit"])
            .exits(2)
            .warns("automend.toml")
            .warns(&format!("line {line}"));
        assert_eq!(run.out, "");
    }
}

#[test]
fn a_password_file_that_gives_none_is_told_before_anything_is_sent() {
    let bench = Bench::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    bench
        .file("empty", "")
        .file("blank", "\nWint3r-Regen\n")
        .file("binary", [0xff, 0xfe, 0x00]);
    for name in ["empty", "blank", "binary", "missing"] {
        let arguments = [
            "audit",
            "-d",
            &url,
            "--allow-plaintext",
            "-u",
            "a@b",
            "--password-file",
            name,
        ];
        let run = bench
            .automend(&arguments)
            .exits(2)
            .warns("the password file")
            .warns(name);
        assert!(!format!("{run}").contains("Wint3r"), "{run}");
    }
    // Without one, and without a terminal, no one can be asked.
    bench
        .automend(&["audit", "-d", &url, "--allow-plaintext", "-u", "a@b"])
        .exits(2)
        .warns("--password-file");
    assert!(listener.accept().is_err(), "it connected");
}

#[test]
fn no_secret_is_ever_said() {
    let bench = Bench::new();
    let secret = "Wint3r-Regen";
    bench.file("password", format!("{secret}\n")).file(
        "a.ldif",
        SMALL.replace(
            "mail: ",
            &format!(
                "userPassword: {secret}\nunicodePwd:: {}\nmail: ",
                STANDARD.encode(secret)
            ),
        ),
    );
    for line in [
        "audit -d ldap://127.0.0.1:1 --allow-plaintext -u a@b --password-file password --timeout 1",
        "audit -d ldap://127.0.0.1:1 --allow-plaintext -u a@b --timeout 1",
        "show alice@c.test -d a.ldif",
        "show alice@c.test -d a.ldif --format json",
        "audit -d a.ldif --format json --deep",
        "audit -d a.ldif --format csv",
        "audit -d a.ldif --format html",
        "directory import a.ldif -d store",
        "directory import a.ldif -d store-with-nt-hashes --ntlm",
        "directory export -d store",
        "directory export -d store-with-nt-hashes",
        "show alice@c.test -d store --format json",
        "--help",
        "audit --help",
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let run = bench.automend_with(&[("AUTOMEND_DIRECTORY_PASSWORD", secret)], &arguments);
        for text in [secret.to_owned(), STANDARD.encode(secret)] {
            assert!(
                !run.out.contains(&text) && !run.err.contains(&text),
                "{run}"
            );
        }
    }
    // Nor is it in the file of an embedded directory: only a salted hash is kept.
    for store in ["store", "store-with-nt-hashes"] {
        let file = std::fs::read(bench.path(&format!("{store}/directory.redb"))).unwrap();
        for text in [secret.to_owned(), STANDARD.encode(secret)] {
            let found = file.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!found, "{store}");
        }
    }
    // A password has no flag, so that none stands in a list of processes.
    bench
        .automend(&["audit", "-d", "a.ldif", "--password", secret])
        .exits(2);
}

#[test]
fn a_login_from_the_environment_does_not_narrow_the_audit_of_a_file() {
    let bench = Bench::new();
    bench.file("a.ldif", SMALL);
    let user = [("AUTOMEND_DIRECTORY_USER", "admin@c.test")];
    bench
        .automend_with(&user, &["audit", "-d", "a.ldif"])
        .exits(1)
        .says("3 links")
        .says("Jim");
    // What is typed says whom to look at, as the help tells.
    bench
        .automend_with(&user, &["audit", "-d", "a.ldif", "--user", "alice@c.test"])
        .exits(1)
        .says("2 links");
}
