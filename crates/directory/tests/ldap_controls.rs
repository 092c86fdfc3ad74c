//! Controls, matching rules and computed attributes of Active Directory, seen by our own client.

mod asking;
mod served;

use asking::{all, client, code, filter, names, user};
use automend_core::names::Sid;
use automend_directory::guid_text;
use automend_directory::ldap_server::{Access, Limits};
use automend_ldap::{Client, Control, Item, Scope, Search};
use served::{DOMAIN, NAME, PASSWORD, Served, forest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
const TREE_DELETE: &str = "1.2.840.113556.1.4.805";
const SORT: &str = "1.2.840.113556.1.4.473";
const SORT_RESULT: &str = "1.2.840.113556.1.4.474";
const LAZY_COMMIT: &str = "1.2.840.113556.1.4.619";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

fn control(oid: &str, value: Option<&[u8]>) -> Control {
    Control {
        oid: oid.to_owned(),
        critical: true,
        value: value.map(<[u8]>::to_vec),
    }
}

/// Groups: `a` holds `b` and `b` holds `c`, `c` holds `a` again and `u0`; `mail` is a distribution
/// group with `u0`, and `far` holds `mail`. `u1` has its primary group only, which is in `a`.
fn groups() -> String {
    let base64 = |sid: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(Sid::parse(sid).unwrap().as_bytes())
    };
    let mut ldif = forest(2).replace(
        "sAMAccountName: u1\n",
        &format!(
            "sAMAccountName: u1\nprimaryGroupID: 513\nobjectSid:: {}\nmanager: {}\n",
            base64("S-1-5-21-1-2-3-1101"),
            user(0)
        ),
    );
    for (name, relative, kind, members) in [
        ("a", 2001, "-2147483646", &["CN=b", "CN=primary"][..]),
        ("b", 2002, "-2147483646", &["CN=c"]),
        ("c", 2003, "-2147483646", &["CN=a", "CN=u0"]),
        ("mail", 2004, "2", &["CN=u0"]),
        ("far", 2005, "-2147483646", &["CN=mail"]),
        ("primary", 513, "-2147483646", &[]),
    ] {
        let sid = base64(&format!("S-1-5-21-1-2-3-{relative}"));
        ldif += &format!(
            "dn: CN={name},OU=P,{DOMAIN}\nobjectClass: group\ngroupType: {kind}\nobjectSid:: {sid}\n"
        );
        for member in members {
            ldif += &format!("member: {member},OU=P,{DOMAIN}\n");
        }
        ldif.push('\n');
    }
    ldif
}

async fn found(client: &Client, text: &str) -> Vec<String> {
    let search = Search::new(DOMAIN, Scope::Subtree, filter(text), &["cn"]);
    let (entries, _, end, _) = all(client, &search).await;
    assert_eq!(code(end), 0, "{text}");
    let mut names = names(&entries);
    names.sort();
    names
}

#[tokio::test]
async fn chains_of_links_are_followed_to_their_end_and_circles_end() {
    let served = Served::new(&groups(), Served::account(), Limits::default());
    let client = client(&served).await;
    client.simple_bind(NAME, PASSWORD).await.unwrap();
    for (attribute, value, expected) in [
        ("member", "CN=u0", &["a", "b", "c", "far", "mail"][..]),
        ("memberOf", "CN=a", &["a", "b", "c", "primary", "u0"]),
        ("memberOf", "CN=far", &["mail", "u0"]),
        ("member", "CN=a", &["a", "b", "c"]),
        ("manager", "CN=u0", &["u1"]),
        ("member", "CN=gone", &[]),
    ] {
        let text = format!("({attribute}:{IN_CHAIN}:={value},OU=P,{DOMAIN})");
        assert_eq!(found(&client, &text).await, expected, "{text}");
        let both = format!("(&(objectClass=user){text})");
        let users = found(&client, &both).await;
        let expected: Vec<_> = expected
            .iter()
            .filter(|name| name.starts_with('u'))
            .collect();
        assert_eq!(users.iter().collect::<Vec<_>>(), expected, "{both}");
    }
    let not = format!("(&(objectClass=group)(!(member:{IN_CHAIN}:=CN=u0,OU=P,{DOMAIN})))");
    assert_eq!(found(&client, &not).await, ["primary"]);
    // The rule is for names alone, and undefined for others.
    let text = format!("(mail:{IN_CHAIN}:=u0@contoso.test)");
    assert_eq!(found(&client, &text).await, [] as [&str; 0]);
}

#[tokio::test]
async fn the_groups_of_an_object_are_its_security_groups_at_any_depth() {
    let served = Served::new(&groups(), Access::Open, Limits::default());
    let client = client(&served).await;
    for (name, expected) in [
        (user(0), &[2001, 2002, 2003][..]),
        (user(1), &[513, 2001, 2002, 2003]),
        (format!("CN=mail,OU=P,{DOMAIN}"), &[2005]),
        (DOMAIN.to_owned(), &[]),
    ] {
        let entry = client.base(&name, &["tokenGroups"]).await.unwrap().unwrap();
        let mut sids: Vec<String> = entry
            .values("tokenGroups")
            .map(|sid| Sid::from_bytes(sid).unwrap().to_string())
            .collect();
        sids.sort_by_key(String::len);
        let expected: Vec<String> = expected
            .iter()
            .map(|relative| format!("S-1-5-21-1-2-3-{relative}"))
            .collect();
        assert_eq!(sids, expected, "{name}");
    }
    let whole = client.base(&user(0), &[]).await.unwrap().unwrap();
    assert_eq!(whole.values("tokenGroups").count(), 0, "only by its name");
    let wide = Search::new(DOMAIN, Scope::Subtree, filter("(cn=*)"), &["tokenGroups"]);
    assert_eq!(code(all(&client, &wide).await.2), 1);
}

/// The result code of a delete with a control, which our client has no use for.
async fn delete_with(served: &Served, name: &str, oid: &str) -> u8 {
    let part =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let control = [part(0x04, oid.as_bytes()), part(0x01, &[0xff])].concat();
    let message = [
        part(0x02, &[1]),
        part(0x4a, name.as_bytes()),
        part(0xa0, &part(0x30, &control)),
    ];
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream
        .write_all(&part(0x30, &message.concat()))
        .await
        .unwrap();
    let mut answer = [0; 200];
    let count = stream.read(&mut answer).await.unwrap();
    // The code is the first of the answer's enumerations.
    let code = answer[..count]
        .windows(2)
        .position(|part| part == [0x0a, 1]);
    answer[code.unwrap() + 2]
}

#[tokio::test]
async fn a_tree_goes_when_asked_and_a_large_one_piece_by_piece() {
    let limits = Limits {
        tree_objects: 3,
        ..Limits::default()
    };
    let served = Served::new(&forest(4), Access::Open, limits);
    let client = client(&served).await;
    let tree = format!("OU=P,{DOMAIN}");
    assert_eq!(code(client.delete(&tree).await), 66);
    for (expected, left) in [(11, 1), (0, 0), (32, 0)] {
        assert_eq!(delete_with(&served, &tree, TREE_DELETE).await, expected);
        assert_eq!(found(&client, "(objectClass=user)").await.len(), left);
    }
    let other = "CN=SCP,CN=Configuration,DC=contoso,DC=test";
    assert_eq!(delete_with(&served, other, LAZY_COMMIT).await, 0);
    let reading = served.directory.read().unwrap();
    assert_eq!(reading.counts().unwrap().tombstones, 6);
    assert_eq!(reading.counts().unwrap().links, 0);
    assert_eq!(reading.check().unwrap(), []);
}

#[tokio::test]
async fn extended_names_hold_the_identifiers_in_both_forms() {
    let served = Served::new(&groups(), Access::Open, Limits::default());
    let client = client(&served).await;
    let object = |name: &str| {
        let reading = served.directory.read().unwrap();
        let name = automend_core::dn::Dn::parse(name).unwrap();
        reading.object(&name).unwrap().unwrap()
    };
    let hex = |bytes: &[u8]| -> String {
        bytes
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    let (first, second) = (object(&user(0)), object(&user(1)));
    let sid = second.values("objectSid")[0].clone();
    for (value, dn, manager) in [
        (
            None,
            format!(
                "<GUID={}>;<SID={}>;{}",
                hex(&second.guid),
                hex(&sid),
                user(1)
            ),
            format!("<GUID={}>;{}", hex(&first.guid), user(0)),
        ),
        (
            Some(&b"\x30\x03\x02\x01\x01"[..]),
            format!(
                "<GUID={}>;<SID=S-1-5-21-1-2-3-1101>;{}",
                guid_text(&second.guid),
                user(1)
            ),
            format!("<GUID={}>;{}", guid_text(&first.guid), user(0)),
        ),
    ] {
        let mut search = Search::new(
            &user(1),
            Scope::Base,
            filter("(cn=*)"),
            &["manager", "mail"],
        );
        search.controls.push(control(EXTENDED_DN, value));
        let (entries, _, end, _) = all(&client, &search).await;
        assert_eq!(code(end), 0);
        assert_eq!(entries[0].dn, dn);
        assert_eq!(entries[0].first_text("manager"), Some(manager.as_str()));
        assert_eq!(entries[0].first_text("mail"), Some("u1@contoso.test"));
    }
    for value in [
        &b""[..],
        b"\x30\x00",
        b"\x30\x03\x02\x01\x02",
        b"\x02\x01\x01",
    ] {
        let mut search = Search::new(&user(1), Scope::Base, filter("(cn=*)"), &[]);
        search.controls.push(control(EXTENDED_DN, Some(value)));
        assert_eq!(code(all(&client, &search).await.2), 2, "{value:02x?}");
    }
}

/// The value of a sort control with one key; tag 0x80 is a rule, 0x81 the direction.
fn sort_key(attribute: &str, rest: &[(u8, &[u8])]) -> Vec<u8> {
    let part =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let mut key = part(0x04, attribute.as_bytes());
    for (tag, content) in rest {
        key.extend(part(*tag, content));
    }
    part(0x30, &key)
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "tables of cases")]
async fn a_search_is_sorted_by_one_key_over_all_its_pages() {
    let mut ldif = forest(5);
    for (number, value) in [(0, "10"), (1, "-3"), (2, "9"), (4, "10")] {
        let name = format!("sAMAccountName: u{number}\n");
        ldif = ldif.replace(&name, &format!("{name}userAccountControl: {value}\n"));
    }
    let limits = Limits {
        sorted_objects: 5,
        ..Limits::default()
    };
    let served = Served::new(&ldif, Access::Open, limits);
    let client = client(&served).await;
    let reverse: (u8, &[u8]) = (0x81, &[0xff]);
    let sorted = |keys: &[Vec<u8>], critical| {
        let keys = keys.concat();
        let mut value = vec![0x30, u8::try_from(keys.len()).unwrap()];
        value.extend(keys);
        let mut search = Search::new(
            DOMAIN,
            Scope::Subtree,
            filter("(objectClass=user)"),
            &["cn"],
        );
        search.controls.push(Control {
            critical,
            ..control(SORT, Some(&value))
        });
        search
    };
    for (key, expected) in [
        (
            sort_key("userAccountControl", &[]),
            ["u1", "u2", "u0", "u4", "u3"],
        ),
        (
            sort_key("userAccountControl", &[reverse]),
            ["u3", "u0", "u4", "u2", "u1"],
        ),
        (sort_key("MAIL", &[reverse]), ["u4", "u3", "u2", "u1", "u0"]),
        (
            sort_key("cn", &[(0x80, b"2.5.13.3")]),
            ["u0", "u1", "u2", "u3", "u4"],
        ),
    ] {
        let search = sorted(&[key], true);
        let (entries, _, end, controls) = all(&client, &search).await;
        assert_eq!(
            (code(end), names(&entries)),
            (0, expected.map(str::to_owned).to_vec())
        );
        assert_eq!(controls[0].oid, SORT_RESULT);
        assert_eq!(
            controls[0].value.as_deref(),
            Some(&b"\x30\x03\x0a\x01\x00"[..])
        );
        let mut pages = client.paged(search, 2);
        let mut found = Vec::new();
        while let Some(item) = pages.next().await.unwrap() {
            if let Item::Entry(entry) = item {
                found.push(entry);
            }
        }
        assert_eq!(names(&found), expected);
    }
    for (keys, result) in [
        (vec![sort_key("cn", &[]), sort_key("mail", &[])], 53),
        (vec![sort_key("neverHeardOf", &[])], 16),
        (vec![sort_key("cn", &[(0x80, b"1.2.3")])], 18),
    ] {
        let (entries, _, end, controls) = all(&client, &sorted(&keys, true)).await;
        assert_eq!((entries.len(), code(end)), (0, 12), "{result}");
        assert_eq!(
            controls[0].value.as_deref(),
            Some(&[0x30, 3, 0x0a, 1, result][..])
        );
        let (entries, _, end, controls) = all(&client, &sorted(&keys, false)).await;
        assert_eq!((entries.len(), code(end)), (5, 0), "{result}");
        assert_eq!(
            controls[0].value.as_deref(),
            Some(&[0x30, 3, 0x0a, 1, result][..])
        );
    }
    let empty = sorted(&[], true);
    assert_eq!(code(all(&client, &empty).await.2), 2);
    // One object more than is sorted.
    for (critical, expected) in [(true, (0, 12)), (false, (6, 0))] {
        let mut many = sorted(&[sort_key("cn", &[])], critical);
        many.filter = filter("(|(objectClass=user)(ou=P))");
        let (entries, _, end, controls) = all(&client, &many).await;
        assert_eq!((entries.len(), code(end)), expected);
        assert_eq!(
            controls[0].value.as_deref(),
            Some(&b"\x30\x03\x0a\x01\x0b"[..])
        );
    }
}
