//! What an Active Directory controller answers to each operation, as observed, one case a line.

use automend_core::dn::Dn;
use automend_directory::{Directory, Error, Modification, Name, Object, Scope, Writing};

const NOW: u64 = 1_795_334_929;
const LINK: &str = "msExchDelegateListLink";
const BACK: &str = "msExchDelegateListBL";

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap()
}

fn person(name: &str) -> Dn {
    dn(&format!("CN={name},OU=People,DC=contoso,DC=test"))
}

fn class(class: &str) -> (String, Vec<Vec<u8>>) {
    ("objectClass".to_owned(), vec![class.as_bytes().to_vec()])
}

/// owner1 -> del1, del2; owner2 -> del1.
fn forest() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::create(folder.path()).unwrap();
    let mut writing = directory.write(NOW).unwrap();
    writing
        .add(&dn("DC=contoso,DC=test"), &[class("domainDNS")])
        .unwrap();
    for unit in ["People", "Moved"] {
        let unit = dn(&format!("OU={unit},DC=contoso,DC=test"));
        writing.add(&unit, &[class("organizationalUnit")]).unwrap();
    }
    for name in ["owner1", "owner2", "owner3", "del1", "del2", "del3"] {
        let mail = (
            "mail".to_owned(),
            vec![format!("{name}@Contoso.test").into_bytes()],
        );
        let legacy = (
            "legacyExchangeDN".to_owned(),
            vec![format!("/o=Org/cn={name}").into_bytes()],
        );
        writing
            .add(&person(name), &[class("user"), mail, legacy])
            .unwrap();
    }
    for (owner, delegates) in [("owner1", &["del1", "del2"][..]), ("owner2", &["del1"])] {
        let values = delegates.iter().map(|name| person(name).to_string());
        writing
            .modify(&person(owner).into(), &[Modification::add(LINK, values)])
            .unwrap();
    }
    writing.commit().unwrap();
    (folder, directory)
}

fn object(directory: &Directory, dn: &Dn) -> Object {
    directory
        .read()
        .unwrap()
        .object(dn)
        .unwrap()
        .unwrap_or_else(|| panic!("no {dn}"))
}

fn names(object: &Object, attribute: &str) -> Vec<String> {
    let mut names: Vec<String> = object
        .values(attribute)
        .iter()
        .map(|value| dn(std::str::from_utf8(value).unwrap()).name())
        .collect();
    names.sort();
    names
}

/// Does `act` in a transaction, and gives the result code; 0 is success, which is committed.
#[track_caller]
fn code(
    directory: &Directory,
    act: impl FnOnce(&mut Writing) -> Result<(), Error>,
) -> (u8, String) {
    let mut writing = directory.write(NOW + 60).unwrap();
    let answer = match act(&mut writing) {
        Ok(()) => (0, String::new()),
        Err(error) => (error.code(), error.to_string()),
    };
    writing.commit().unwrap();
    assert_eq!(directory.read().unwrap().check().unwrap(), []);
    answer
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn modifications_answer_as_a_controller_does() {
    let (_folder, directory) = forest();
    let guid = |name: &str| object(&directory, &person(name)).guid;
    let del1 = person("del1").to_string();
    let del3 = person("del3").to_string();
    let ghost = person("ghost").to_string();
    let by_guid = Name::Guid(guid("del3")).to_string();
    let text = |name: &str| automend_directory::guid_text(&guid(name));
    let linked = format!(
        "00002035: objectclass_attrs: attribute '{BACK}' on entry 'CN=del1,OU=People,DC=contoso,DC=test' must not be modified directly, it is a linked attribute"
    );
    let step = |who: &str, step: Modification| (who.to_owned(), vec![step]);
    for (case, (who, steps), expected, words) in [
        (
            "add a back link",
            step("del1", Modification::add(BACK, [&del3])),
            53,
            linked.clone(),
        ),
        (
            "delete a back link",
            step("del1", Modification::delete(BACK, [&del1])),
            53,
            linked.clone(),
        ),
        (
            "clear a back link",
            step("del1", Modification::clear(BACK)),
            53,
            linked.clone(),
        ),
        (
            "replace a back link",
            step("del1", Modification::replace(BACK, [&del3])),
            53,
            linked,
        ),
        (
            "add a present value",
            step("owner1", Modification::add(LINK, [&del1])),
            20,
            format!(
                "Attribute {LINK} already exists for target GUID {}",
                text("del1")
            ),
        ),
        (
            "delete an absent value",
            step("owner1", Modification::delete(LINK, [&del3])),
            16,
            format!(
                "Attribute {LINK} doesn't exist for target GUID {}",
                text("del3")
            ),
        ),
        (
            "delete an absent attribute",
            step("owner3", Modification::clear(LINK)),
            16,
            format!(
                "attribute '{LINK}': no such attribute for delete on 'CN=owner3,OU=People,DC=contoso,DC=test'"
            ),
        ),
        (
            "replace nothing with nothing",
            step("owner3", Modification::replace::<&str>(LINK, [])),
            0,
            String::new(),
        ),
        (
            "link to nobody",
            step("owner1", Modification::add(LINK, [&ghost])),
            19,
            "000020B5: Referenced object not found".to_owned(),
        ),
        (
            "delete a link to nobody",
            step("owner1", Modification::delete(LINK, [&ghost])),
            16,
            String::new(),
        ),
        (
            "two deletes, one absent",
            (
                "owner1".to_owned(),
                vec![
                    Modification::delete(LINK, [&del1]),
                    Modification::delete(LINK, [&del3]),
                ],
            ),
            16,
            String::new(),
        ),
        (
            "rename by modify",
            step("owner1", Modification::replace("cn", ["x"])),
            67,
            String::new(),
        ),
        (
            "write what the directory keeps",
            step("owner1", Modification::replace("uSNChanged", ["1"])),
            19,
            String::new(),
        ),
        (
            "a number that is none",
            step("owner1", Modification::replace("msExchVersion", ["x"])),
            21,
            String::new(),
        ),
        (
            "two values for one",
            step("owner1", Modification::replace("mail", ["a", "b"])),
            19,
            String::new(),
        ),
        (
            "a second value for one",
            step("owner1", Modification::add("mail", ["b"])),
            20,
            String::new(),
        ),
        (
            "delete a wrong old value",
            step("owner1", Modification::delete("mail", ["x"])),
            16,
            "no matching attribute value".to_owned(),
        ),
        (
            "add nothing",
            step("owner1", Modification::add::<&str>("mail", [])),
            19,
            String::new(),
        ),
        (
            "modify nobody",
            step("ghost", Modification::clear(LINK)),
            32,
            "best match of: 'OU=People,DC=contoso,DC=test'".to_owned(),
        ),
        (
            "self link",
            step(
                "owner3",
                Modification::add(LINK, [person("owner3").as_str()]),
            ),
            0,
            String::new(),
        ),
        (
            "link by GUID",
            step("owner1", Modification::add(LINK, [&by_guid])),
            0,
            String::new(),
        ),
        (
            "unlink by GUID",
            step("owner1", Modification::delete(LINK, [&by_guid])),
            0,
            String::new(),
        ),
        (
            "another spelling of a value",
            step(
                "owner1",
                Modification::delete("mail", ["OWNER1@contoso.TEST"]),
            ),
            0,
            String::new(),
        ),
    ] {
        let before = directory.read().unwrap().counts().unwrap().links;
        let (found, said) = code(&directory, |w| w.modify(&person(&who).into(), &steps));
        assert_eq!(found, expected, "{case}: {said}");
        assert!(said.contains(&words), "{case}: {said}");
        if expected != 0 {
            let after = directory.read().unwrap().counts().unwrap().links;
            assert_eq!(before, after, "{case}");
        }
    }
    assert_eq!(
        names(&object(&directory, &person("owner1")), LINK),
        ["del1", "del2"]
    );
}

#[test]
fn permissive_modify_covers_link_values() {
    let (_folder, directory) = forest();
    let steps = [
        Modification::add(LINK, [person("del1").as_str()]),
        Modification::delete(LINK, [person("del3").as_str()]),
        Modification::delete("displayName", ["x"]),
    ];
    let before = object(&directory, &person("owner1"));
    let answer = code(&directory, |w| {
        w.modify_permissive(&person("owner1").into(), &steps)
    });
    assert_eq!(answer.0, 0, "{}", answer.1);
    assert_eq!(
        object(&directory, &person("owner1")),
        before,
        "nothing changed, so no USN was used"
    );
}

#[test]
fn a_link_write_moves_the_owner_and_not_the_delegate() {
    let (_folder, directory) = forest();
    let (owner, delegate) = (
        object(&directory, &person("owner3")),
        object(&directory, &person("del3")),
    );
    let add = Modification::add(LINK, [person("del3").as_str()]);
    assert_eq!(
        code(&directory, |w| w.modify(&person("owner3").into(), &[add])).0,
        0
    );
    let (owner_now, delegate_now) = (
        object(&directory, &person("owner3")),
        object(&directory, &person("del3")),
    );
    assert_eq!(names(&delegate_now, BACK), ["owner3"]);
    for attribute in ["uSNChanged", "whenChanged"] {
        assert_ne!(
            owner.values(attribute),
            owner_now.values(attribute),
            "{attribute}"
        );
        assert_eq!(
            delegate.values(attribute),
            delegate_now.values(attribute),
            "{attribute}"
        );
    }
    assert_eq!(owner_now.text("whenChanged"), Some("20261122080949.0Z"));
}

#[test]
#[allow(clippy::too_many_lines, reason = "a story in order")]
fn names_follow_a_rename_and_a_move_on_both_sides() {
    let (_folder, directory) = forest();
    let moved = Name::from(dn("OU=Moved,DC=contoso,DC=test"));
    let answer = code(&directory, |w| {
        w.rename(
            &person("del1").into(),
            "CN=del1 Renamed",
            true,
            Some(&moved),
        )
    });
    assert_eq!(answer, (0, String::new()));
    let answer = code(&directory, |w| {
        w.rename(
            &Name::from(dn("OU=People,DC=contoso,DC=test")),
            "ou=Staff",
            true,
            None,
        )
    });
    assert_eq!(answer, (0, String::new()));
    let owner = object(&directory, &dn("cn=owner1,ou=STAFF,dc=contoso,dc=test"));
    assert_eq!(owner.dn.as_str(), "CN=owner1,OU=Staff,DC=contoso,DC=test");
    assert!(owner.holds(LINK, b"CN=del1 Renamed,OU=Moved,DC=contoso,DC=test"));
    let delegate = object(
        &directory,
        &dn("CN=del1 Renamed,OU=Moved,DC=contoso,DC=test"),
    );
    assert_eq!(delegate.text("cn"), Some("del1 Renamed"));
    assert!(delegate.holds(BACK, b"CN=owner1,OU=Staff,DC=contoso,DC=test"));
    for (case, who, rdn, parent, expected) in [
        (
            "below itself",
            "OU=Staff,DC=contoso,DC=test",
            "OU=Staff",
            Some("CN=del2,OU=Staff,DC=contoso,DC=test"),
            53,
        ),
        (
            "onto another",
            "CN=del2,OU=Staff,DC=contoso,DC=test",
            "CN=del3",
            None,
            68,
        ),
        (
            "no name",
            "CN=del2,OU=Staff,DC=contoso,DC=test",
            "del3",
            None,
            34,
        ),
        (
            "two names",
            "CN=del2,OU=Staff,DC=contoso,DC=test",
            "CN=a,CN=b",
            None,
            34,
        ),
        (
            "below nobody",
            "CN=del2,OU=Staff,DC=contoso,DC=test",
            "CN=del2",
            Some("OU=Gone,DC=contoso,DC=test"),
            32,
        ),
        (
            "case only",
            "CN=del2,OU=Staff,DC=contoso,DC=test",
            "CN=DEL2",
            None,
            0,
        ),
    ] {
        let parent = parent.map(|text| Name::from(dn(text)));
        let answer = code(&directory, |w| {
            w.rename(&dn(who).into(), rdn, true, parent.as_ref())
        });
        assert_eq!(answer.0, expected, "{case}: {}", answer.1);
    }
    let kept = code(&directory, |w| {
        w.rename(
            &dn("CN=del3,OU=Staff,DC=contoso,DC=test").into(),
            "CN=x",
            false,
            None,
        )
    });
    assert_eq!(kept, (53, "Old RDN must be deleted".to_owned()));
}

#[test]
fn a_deleted_object_leaves_a_tombstone_and_no_links() {
    let (_folder, directory) = forest();
    let before = object(&directory, &person("owner1"));
    let (refused, _) = code(&directory, |w| {
        w.delete(&dn("OU=People,DC=contoso,DC=test").into())
    });
    assert_eq!(refused, 66);
    assert_eq!(
        code(&directory, |w| w.delete(&person("owner1").into())).0,
        0
    );
    assert_eq!(code(&directory, |w| w.delete(&person("del1").into())).0, 0);
    let reading = directory.read().unwrap();
    assert!(reading.object(&person("owner1")).unwrap().is_none());
    assert_eq!(
        reading
            .by_value("mail", b"owner1@contoso.test")
            .unwrap()
            .count(),
        0
    );
    let tombstone = reading.by_guid(&before.guid).unwrap().unwrap();
    let guid = automend_directory::guid_text(&before.guid);
    assert_eq!(
        tombstone.dn.as_str(),
        format!("CN=owner1\\0ADEL:{guid},CN=Deleted Objects,DC=contoso,DC=test")
    );
    assert!(tombstone.deleted && tombstone.dn.is_deleted_object());
    assert_eq!(tombstone.text("legacyExchangeDN"), Some("/o=Org/cn=owner1"));
    assert_eq!(
        tombstone.text("lastKnownParent"),
        Some("OU=People,DC=contoso,DC=test")
    );
    assert_eq!(tombstone.text("mail"), None);
    assert!(tombstone.values(LINK).is_empty());
    assert!(object(&directory, &person("del2")).values(BACK).is_empty());
    assert!(
        object(&directory, &person("owner2"))
            .values(LINK)
            .is_empty()
    );
    let all = reading.subtree(&dn(""), Scope::Subtree).unwrap();
    assert!(all.map(Result::unwrap).all(|object| !object.deleted));
    assert_eq!(
        reading.tombstones().unwrap().count(),
        3,
        "two, and their container"
    );
    let counts = reading.counts().unwrap();
    assert_eq!((counts.objects, counts.tombstones, counts.links), (7, 2, 0));
    let dead = Name::from(before.guid);
    let add = Modification::add("description", ["x"]);
    assert_eq!(code(&directory, |w| w.modify(&dead, &[add])).0, 53);
    let below = dn("CN=x,CN=Deleted Objects,DC=contoso,DC=test");
    assert_eq!(
        code(&directory, |w| w.add(&below, &[class("user")]).map(drop)).0,
        32
    );
    let bin = Name::from(below.parent().unwrap());
    let moved = code(&directory, |w| {
        w.rename(&person("del2").into(), "CN=x", true, Some(&bin))
    });
    assert_eq!(moved.0, 32);
    let link = Modification::add(LINK, [dead.to_string()]);
    assert_eq!(
        code(&directory, |w| w.modify(&person("owner3").into(), &[link])).0,
        19
    );
}

#[test]
fn a_walk_reads_the_links_it_is_told_to_and_every_other_attribute() {
    let (_folder, directory) = forest();
    let reading = directory.read().unwrap();
    for (told, links, backs) in [
        (None, 3, 3),
        (Some(vec![]), 0, 0),
        (Some(vec!["MSEXCHDELEGATELISTLINK", "mail"]), 3, 0),
        (Some(vec![BACK, "no such name"]), 0, 3),
        (Some(vec![LINK, BACK]), 3, 3),
    ] {
        let walk = reading.subtree(&dn(""), Scope::Subtree).unwrap();
        let walk = match &told {
            Some(names) => walk.with_links(names),
            None => walk,
        };
        let all: Vec<Object> = walk.map(Result::unwrap).collect();
        let count = |name: &str| -> usize {
            let values = all.iter().map(|object| object.values(name).len());
            values.sum()
        };
        assert_eq!((count(LINK), count(BACK)), (links, backs), "{told:?}");
        assert_eq!(count("mail"), 6, "{told:?}");
    }
}

#[test]
fn adds_answer_as_a_controller_does() {
    let (_folder, directory) = forest();
    let value = |name: &str, value: &str| (name.to_owned(), vec![value.as_bytes().to_vec()]);
    let taken = (
        "objectGUID".to_owned(),
        vec![object(&directory, &person("del1")).guid.to_vec()],
    );
    for (case, who, attributes, expected) in [
        (
            "a back link",
            person("new"),
            vec![class("user"), value(BACK, person("del1").as_str())],
            53,
        ),
        ("there already", person("DEL1"), vec![class("user")], 68),
        (
            "no parent",
            dn("CN=a,OU=Gone,DC=contoso,DC=test"),
            vec![class("user")],
            32,
        ),
        (
            "a name without end",
            person(&"x".repeat(9000)),
            vec![class("user")],
            64,
        ),
        ("no class", person("new"), vec![value("mail", "a")], 65),
        (
            "another's GUID",
            person("new"),
            vec![class("user"), taken],
            68,
        ),
        (
            "a link to nobody",
            person("new"),
            vec![class("user"), value(LINK, person("ghost").as_str())],
            19,
        ),
        (
            "its own USN",
            person("new"),
            vec![class("user"), value("uSNCreated", "1")],
            19,
        ),
        (
            "its own name again",
            person("new"),
            vec![class("user"), value("cn", "NEW")],
            0,
        ),
        (
            "a link",
            person("new2"),
            vec![class("user"), value(LINK, person("new").as_str())],
            0,
        ),
        (
            "another domain",
            dn("DC=fabrikam,DC=test"),
            vec![class("domainDNS")],
            0,
        ),
    ] {
        let answer = code(&directory, |w| w.add(&who, &attributes).map(drop));
        assert_eq!(answer.0, expected, "{case}: {}", answer.1);
    }
    assert_eq!(
        object(&directory, &person("new")).values("cn"),
        [b"new".to_vec()]
    );
    assert_eq!(names(&object(&directory, &person("new")), BACK), ["new2"]);
    let contexts = directory.read().unwrap().naming_contexts().unwrap();
    assert_eq!(
        contexts,
        [dn("DC=contoso,DC=test"), dn("DC=fabrikam,DC=test")]
    );
}

#[test]
fn what_is_not_committed_never_happened() {
    let (folder, directory) = forest();
    let before = directory.read().unwrap();
    let mut writing = directory.write(NOW).unwrap();
    writing.delete(&person("owner1").into()).unwrap();
    writing
        .modify(
            &person("del1").into(),
            &[Modification::add("neverSeenBefore", ["x"])],
        )
        .unwrap();
    drop(writing);
    let after = directory.read().unwrap();
    assert_eq!(before.counts().unwrap(), after.counts().unwrap());
    assert!(after.object(&person("owner1")).unwrap().is_some());
    let mut writing = directory.write(NOW).unwrap();
    writing
        .modify(
            &person("del1").into(),
            &[Modification::add("seenNow", ["x"])],
        )
        .unwrap();
    writing.commit().unwrap();
    assert!(
        before
            .object(&person("del1"))
            .unwrap()
            .unwrap()
            .values("seenNow")
            .is_empty()
    );
    drop((before, after, directory));
    let directory = Directory::open(folder.path()).unwrap();
    assert_eq!(
        object(&directory, &person("del1")).text("SEENNOW"),
        Some("x")
    );
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(automend_directory::FILE);
    assert!(matches!(
        Directory::open(folder.path()),
        Err(Error::Absent { .. })
    ));
    let directory = Directory::create(folder.path()).unwrap();
    assert!(matches!(
        Directory::create(folder.path()),
        Err(Error::Present { .. })
    ));
    assert!(matches!(
        Directory::open(folder.path()),
        Err(Error::Locked { .. })
    ));
    drop(directory);
    Directory::open(folder.path()).unwrap();
    std::fs::write(&path, b"this is no directory").unwrap();
    assert!(matches!(
        Directory::open(folder.path()),
        Err(Error::Damaged { .. })
    ));
}

#[test]
fn a_damaged_file_is_an_error() {
    let (folder, directory) = forest();
    drop(directory);
    let path = folder.path().join(automend_directory::FILE);
    let whole = std::fs::read(&path).unwrap();
    for keep in [0, 1, 64, 4096, whole.len() / 2] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        assert!(Directory::open(folder.path()).is_err(), "cut at {keep}");
    }
    for at in [0, 8, 64, 200, 320] {
        let mut bytes = whole.clone();
        bytes[at..at + 16].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        // Some bytes of the header are spare, so it may also open.
        if let Ok(directory) = Directory::open(folder.path()) {
            drop(directory.read().and_then(|reading| reading.check()));
        }
    }
}

#[test]
fn a_file_of_another_format_is_told_by_its_number() {
    for format in [1, automend_directory::FORMAT + 1] {
        let (folder, directory) = forest();
        drop(directory);
        let path = folder.path().join(automend_directory::FILE);
        let database = redb::Database::open(path).unwrap();
        let head: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("head");
        let writing = database.begin_write().unwrap();
        writing
            .open_table(head)
            .unwrap()
            .insert("format", format)
            .unwrap();
        writing.commit().unwrap();
        drop(database);
        let error = Directory::open(folder.path()).unwrap_err();
        assert_eq!(matches!(error, Error::Older { .. }), format == 1, "{error}");
        assert!(
            error.to_string().contains(&format!("format {format}")),
            "{error}"
        );
    }
}

#[test]
fn indexed_values_are_found_in_any_spelling() {
    let (_folder, directory) = forest();
    let reading = directory.read().unwrap();
    for (attribute, value, found) in [
        ("mail", "DEL1@contoso.test", Some("del1")),
        ("MAIL", "del1@contoso.test", Some("del1")),
        ("legacyExchangeDN", "/O=ORG/CN=DEL2", Some("del2")),
        ("mail", "nobody@contoso.test", None),
        (LINK, "CN=del2,OU=People,DC=contoso,DC=test", Some("owner1")),
        (BACK, "cn=OWNER2,ou=people,dc=contoso,dc=test", Some("del1")),
    ] {
        let objects = reading.by_value(attribute, value.as_bytes()).unwrap();
        let names: Vec<String> = objects.map(|object| object.unwrap().dn.name()).collect();
        assert_eq!(
            names,
            found.into_iter().collect::<Vec<_>>(),
            "{attribute}={value}"
        );
    }
    assert!(matches!(
        reading.by_value("displayName", b"x"),
        Err(Error::NotIndexed { .. })
    ));
    let owners: Vec<String> = reading
        .owners()
        .unwrap()
        .map(|o| o.unwrap().dn.name())
        .collect();
    assert_eq!(owners, ["owner1", "owner2"]);
}
