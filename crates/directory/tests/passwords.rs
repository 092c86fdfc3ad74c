//! Passwords: what is kept of them, and that they never come out again.

use automend_core::dn::Dn;
use automend_directory::{
    ClearAs, Directory, Error, Export, FILE, Import, Modification, Name, NtHash, Report, Scope,
    Unusable, export, import,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SECRET: &str = "Wint3r-Regen";

struct Fixture {
    directory: Directory,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            directory: Directory::create(folder.path()).unwrap(),
            folder,
        }
    }

    fn import(&self, lines: &str, how: Import) -> Report {
        let text = format!(
            "dn: DC=c,DC=test\nobjectClass: domainDNS\n\ndn: CN=Jim,DC=c,DC=test\nobjectClass: user\n{lines}\n"
        );
        import(&self.directory, text.as_bytes(), how, |_| {}).unwrap()
    }

    fn is_right(&self, password: &str) -> bool {
        let reading = self.directory.read().unwrap();
        let jim = reading.object(&jim()).unwrap().unwrap();
        let passwords = reading.passwords(jim.id).unwrap();
        passwords.matches(password.as_bytes())
    }

    fn modify(&self, modification: Modification) -> Result<(), Error> {
        let mut writing = self.directory.write(7).unwrap();
        writing.modify(&Name::from(&jim()), &[modification])?;
        writing.commit()
    }
}

fn jim() -> Dn {
    Dn::parse("CN=Jim,DC=c,DC=test").unwrap()
}

fn notes(report: &Report) -> Vec<String> {
    report
        .notes
        .iter()
        .map(|note| note.trouble.to_string())
        .collect()
}

/// Values as `slappasswd` and libargon2 make them of [`SECRET`].
#[test]
fn every_salted_scheme_is_kept_and_believed() {
    for value in [
        SECRET.to_owned(),
        format!("{{CLEARTEXT}}{SECRET}"),
        format!("{{SSHA}}{SSHA}"),
        format!("{{ssha}}{SSHA}"),
        format!("{{SSHA256}}{SSHA256}"),
        format!("{{SSHA512}}{SSHA512}"),
        format!("{{ARGON2}}{ARGON2}"),
    ] {
        let fixture = Fixture::new();
        let line = format!("userPassword:: {}\n", STANDARD.encode(&value));
        let report = fixture.import(&line, Import::default());
        assert_eq!(notes(&report), Vec::<String>::new(), "{value}");
        assert!(fixture.is_right(SECRET), "{value}");
        assert!(!fixture.is_right("wint3r-Regen"), "{value}");
        assert!(!fixture.is_right(""), "{value}");
        // The value itself is no password.
        assert!(!fixture.is_right(&value) || value == SECRET, "{value}");
    }
}

const SSHA: &str = "PyL0g52JOd3NW0S+Zwtrh7AKzEhhYmNkZWZnaA==";
const SSHA256: &str = "/+2l0vTTdnA3KH9AnmqBpFWiBvMWqEtkBLJFgvXM6pZhYmNkZWZnaA==";
const SSHA512: &str = "Kkb09JjawlHO6VoLDeS1TtAsxs/28YrTi8mOWD7z8SJxw18HOOYJmUZeOu4qmjq1Y/Rv1t296A5uoD09+DjDzmFiY2RlZmdo";
const ARGON2: &str =
    "$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$LuQa1DB18JImZuPDflEvIu5CM4dL1Ay3Cdr+h9aZm+I";

#[test]
fn what_is_weak_broken_or_unknown_is_not_kept_and_told() {
    for (value, why) in [
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", Unusable::Unsalted),
        ("{MD5}X03MO1qnZdYdgyfeuILPmQ==", Unusable::Unsalted),
        ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", Unusable::Unsalted),
        ("{CRYPT}$6$abc$def", Unusable::Scheme),
        ("{SASL}jim@c.test", Unusable::Scheme),
        ("{SSHA}not base64", Unusable::Broken),
        ("{SSHA512}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", Unusable::Broken),
        (
            "{ARGON2}$argon2id$v=19$m=1048576,t=3,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hhYmNkZWZnaA",
            Unusable::Costly,
        ),
        (
            "{ARGON2}$argon2id$v=19$m=4096,t=99999,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hhYmNkZWZnaA",
            Unusable::Costly,
        ),
        (
            "{ARGON2}$argon2id$v=19$m=4096,t=3,p=1$YQ$YWJjZGVmZ2hhYmNkZWZnaA",
            Unusable::Broken,
        ),
        ("{ARGON2}$scrypt$x", Unusable::Scheme),
    ] {
        let fixture = Fixture::new();
        let report = fixture.import(&format!("userPassword: {value}\n"), Import::default());
        assert_eq!(
            notes(&report),
            [format!("userPassword is not kept: {why}")],
            "{value}"
        );
        let reading = fixture.directory.read().unwrap();
        let jim = reading.object(&jim()).unwrap().unwrap();
        assert!(reading.passwords(jim.id).unwrap().is_empty(), "{value}");
    }
}

#[test]
fn unicode_passwords_are_read_as_clients_write_them() {
    let fixture = Fixture::new();
    let quoted: Vec<u8> = format!("\"{SECRET}\"")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let line = format!("unicodePwd:: {}\n", STANDARD.encode(quoted));
    fixture.import(&line, Import::default());
    assert!(fixture.is_right(SECRET));
}

#[test]
fn the_nt_hash_of_a_blank_password_is_not_kept() {
    let blank = "unicodePwd:: MdbP4NFq6TG3PFnX4MCJwA==\n";
    for (lines, is_right) in [
        (blank.to_owned(), false),
        // It takes nothing away from a password that there is as well.
        (format!("userPassword: {{SSHA}}{SSHA}\n{blank}"), true),
        (format!("{blank}userPassword: {{SSHA}}{SSHA}\n"), true),
    ] {
        for nt_hashes in [NtHash::Kept, NtHash::Dropped] {
            let fixture = Fixture::new();
            let how = Import {
                nt_hashes,
                ..Import::default()
            };
            let report = fixture.import(&lines, how);
            assert_eq!(notes(&report).len(), 1, "{report:?}");
            let reading = fixture.directory.read().unwrap();
            let id = reading.object(&jim()).unwrap().unwrap().id;
            assert_eq!(reading.passwords(id).unwrap().nt_hash(), None);
            assert!(!reading.has_nt_hashes().unwrap());
            assert!(!fixture.is_right(""));
            assert_eq!(fixture.is_right(SECRET), is_right);
        }
    }
}

#[test]
fn nt_hashes_are_kept_only_where_they_were_asked_for() {
    // Of "Password" ([MS-NLMP] 4.2.2.1.1).
    let hash = [
        0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca, 0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f, 0xd8,
        0x52,
    ];
    let dumped = format!("unicodePwd:: {}\n", STANDARD.encode(hash));
    for line in ["userPassword: Password\n", dumped.as_str()] {
        for nt_hashes in [NtHash::Kept, NtHash::Dropped] {
            let fixture = Fixture::new();
            let how = Import {
                nt_hashes,
                ..Import::default()
            };
            fixture.import(line, how);
            let reading = fixture.directory.read().unwrap();
            let jim = reading.object(&jim()).unwrap().unwrap();
            let kept = reading.passwords(jim.id).unwrap();
            let expected = (nt_hashes == NtHash::Kept).then_some(&hash);
            assert_eq!(kept.nt_hash(), expected, "{line}");
            assert_eq!(reading.has_nt_hashes().unwrap(), expected.is_some());
            if expected.is_some() {
                assert!(kept.matches(b"Password"), "{line}");
            }
        }
    }
}

#[test]
fn no_secret_is_in_the_file_or_comes_out_of_it() {
    let fixture = Fixture::new();
    let lines = format!(
        "userPassword: {SECRET}\nuserPassword;lang-en: {SECRET}x\nunixUserPassword: {SECRET}\n\
         ms-Mcs-AdmPwd: {SECRET}\nsupplementalCredentials:: {}\n",
        STANDARD.encode(SECRET)
    );
    let report = fixture.import(&lines, Import::default());
    assert_eq!(
        notes(&report),
        [
            "unixUserPassword is not kept: a secret that no login needs",
            "ms-Mcs-AdmPwd is not kept: a secret that no login needs",
            "supplementalCredentials is not kept: a secret that no login needs",
        ]
    );
    assert!(fixture.is_right(SECRET) && fixture.is_right(&format!("{SECRET}x")));
    fixture
        .modify(Modification::add("userPassword", [format!("{SECRET}y")]))
        .unwrap();
    let reading = fixture.directory.read().unwrap();
    for object in reading.subtree(&Dn::root(), Scope::Subtree).unwrap() {
        let object = object.unwrap();
        for (name, _) in &object.attributes {
            let name = name.to_lowercase();
            assert!(!name.contains("pass") && !name.contains("pwd"), "{name}");
            assert_ne!(name, "supplementalcredentials");
        }
    }
    let passwords = reading
        .passwords(reading.object(&jim()).unwrap().unwrap().id)
        .unwrap();
    assert_eq!(format!("{passwords:?}"), "Passwords { .. }");
    let mut out = Vec::new();
    export(&reading, &mut out, Export::default()).unwrap();
    drop(reading);
    let file = std::fs::read(fixture.folder.path().join(FILE)).unwrap();
    for bytes in [&out, &file] {
        for secret in [SECRET.to_owned(), STANDARD.encode(SECRET)] {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret}");
        }
    }
}

#[test]
fn a_password_is_changed_as_over_ldap_and_a_wrong_old_one_is_refused() {
    let fixture = Fixture::new();
    fixture.import(&format!("userPassword: {SECRET}\n"), Import::default());
    let commits = fixture.directory.commits();
    let wrong = fixture.modify(Modification::delete("userPassword", ["wrong"]));
    assert!(matches!(wrong, Err(Error::Refused(_))), "{wrong:?}");
    assert_eq!(fixture.directory.commits(), commits);
    fixture
        .modify(Modification::delete("userPassword", [SECRET]))
        .unwrap();
    assert!(!fixture.is_right(SECRET));
    assert!(fixture.directory.commits() > commits);
    fixture
        .modify(Modification::replace("userPassword", ["S0mmer", "H3rbst"]))
        .unwrap();
    assert!(fixture.is_right("S0mmer") && fixture.is_right("H3rbst"));
    fixture.modify(Modification::clear("userPassword")).unwrap();
    assert!(!fixture.is_right("S0mmer"));
    let absent = fixture.modify(Modification::clear("userPassword"));
    assert!(matches!(absent, Err(Error::Refused(_))), "{absent:?}");
    let weak = fixture.modify(Modification::replace(
        "userPassword",
        ["{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
    ));
    assert!(matches!(weak, Err(Error::Refused(_))), "{weak:?}");
}

#[test]
fn passwords_go_with_their_object() {
    let fixture = Fixture::new();
    fixture.import(&format!("userPassword: {SECRET}\n"), Import::default());
    let reading = fixture.directory.read().unwrap();
    let id = reading.object(&jim()).unwrap().unwrap().id;
    drop(reading);
    let mut writing = fixture.directory.write(7).unwrap();
    writing.delete(&Name::from(&jim())).unwrap();
    writing.commit().unwrap();
    let reading = fixture.directory.read().unwrap();
    assert!(reading.passwords(id).unwrap().is_empty());
    assert!(reading.decoy(1).unwrap().is_empty());
    assert!(reading.check().unwrap().is_empty());
}

/// More than wait at once, on every core; a later record of the file changes one of them.
#[test]
fn many_passwords_are_hashed_and_none_is_lost() {
    for clear in [ClearAs::SaltedSha512, ClearAs::Argon2id] {
        let fixture = Fixture::new();
        let count = if clear == ClearAs::Argon2id { 20 } else { 2000 };
        let mut text = "dn: DC=c,DC=test\nobjectClass: domainDNS\n".to_owned();
        for n in 0..count {
            let line = format!("userPassword: {SECRET}{n}\n");
            text += &[
                "\ndn: CN=u",
                &n.to_string(),
                ",DC=c,DC=test\nobjectClass: user\n",
                &line,
            ]
            .concat();
        }
        text.push('\n');
        text += "dn: CN=u0,DC=c,DC=test\nchangetype: modify\nreplace: userPassword\nuserPassword: new\n-\n";
        let how = Import {
            clear,
            ..Import::default()
        };
        import(&fixture.directory, text.as_bytes(), how, |_| {}).unwrap();
        let reading = fixture.directory.read().unwrap();
        let right = |n: usize, password: &str| {
            let dn = Dn::parse(&format!("CN=u{n},DC=c,DC=test")).unwrap();
            let id = reading.object(&dn).unwrap().unwrap().id;
            reading.passwords(id).unwrap().matches(password.as_bytes())
        };
        assert!(right(0, "new") && !right(0, &format!("{SECRET}0")));
        for n in 1..count {
            assert!(right(n, &format!("{SECRET}{n}")), "{n}");
        }
        // Someone's, and always the same one's.
        let decoy = reading.decoy(12_345).unwrap();
        assert!(!decoy.is_empty() && decoy == reading.decoy(12_345).unwrap());
    }
}
