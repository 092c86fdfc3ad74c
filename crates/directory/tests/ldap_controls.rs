//! Controls, matching rules and computed attributes of Active Directory, seen by our own client.

mod asking;
mod served;

use asking::{all, client, code, filter, names, user};
use automend_core::names::Sid;
use automend_directory::guid_text;
use automend_directory::ldap_server::{Access, Limits};
use automend_ldap::{Client, Control, Scope, Search};
use served::{DOMAIN, NAME, PASSWORD, Served, forest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
const TREE_DELETE: &str = "1.2.840.113556.1.4.805";
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
