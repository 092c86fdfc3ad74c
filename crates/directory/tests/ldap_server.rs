//! The LDAP server, seen by our own client and by bytes that are none.

mod asking;
mod served;

use asking::{all, client, code, filter, names, user};
use automend_core::dn::Dn;
use automend_directory::ldap_server::{Access, Limits};
use automend_ldap::{
    Client, Control, Error, Filter, Item, Modification, ResultCode, Scope, Search,
};
use served::{DOMAIN, NAME, PASSWORD, Served, forest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LINK: &str = "msExchDelegateListLink";
const BACK: &str = "msExchDelegateListBL";

async fn bound(served: &Served) -> Client {
    let client = client(served).await;
    client.simple_bind(NAME, PASSWORD).await.unwrap();
    client
}

/// Nothing here takes long; what does is hanging.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(10), work)
        .await
        .expect("hangs")
}

#[tokio::test]
async fn the_root_dse_is_for_everybody_and_nothing_else_is() {
    let served = Served::new(&forest(3), Served::account(), Limits::default());
    let client = client(&served).await;
    let root = client.base("", &["*", "+"]).await.unwrap().unwrap();
    for (attribute, value) in [
        ("defaultNamingContext", DOMAIN),
        (
            "configurationNamingContext",
            "CN=Configuration,DC=contoso,DC=test",
        ),
        (
            "schemaNamingContext",
            "CN=Schema,CN=Configuration,DC=contoso,DC=test",
        ),
        ("supportedCapabilities", "1.2.840.113556.1.4.800"),
        ("supportedLDAPVersion", "3"),
        ("dnsHostName", "dc1.contoso.test"),
        ("highestCommittedUSN", "8"),
        ("currentTime", "20261122080849.0Z"),
    ] {
        assert_eq!(root.first_text(attribute), Some(value), "{attribute}");
    }
    assert_eq!(root.values("namingContexts").count(), 3);
    let search = Search::new(DOMAIN, Scope::Subtree, filter("(cn=*)"), &["cn"]);
    assert_eq!(code(all(&client, &search).await.2), 1);
    assert_eq!(code(client.delete(&user(1)).await), 1);
    assert_eq!(code(client.simple_bind(NAME, "wrong").await), 49);
    assert_eq!(code(client.simple_bind(NAME, PASSWORD).await), 0);
    assert_eq!(code(all(&client, &search).await.2), 0);
    assert_eq!(code(client.simple_bind(NAME, "wrong").await), 49);
    assert_eq!(
        code(all(&client, &search).await.2),
        1,
        "a failed bind leaves nobody bound"
    );
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "tables of cases")]
async fn filters_scopes_and_selections() {
    let served = Served::new(&forest(5), Access::Open, Limits::default());
    let client = client(&served).await;
    let guid = |number: usize| {
        let reading = served.directory.read().unwrap();
        reading
            .object(&Dn::parse(&user(number)).unwrap())
            .unwrap()
            .unwrap()
            .guid
    };
    let all_users = ["u0", "u1", "u2", "u3", "u4"];
    for (base, scope, filter_text, expected) in [
        (DOMAIN, Scope::Subtree, "(objectClass=user)", &all_users[..]),
        (DOMAIN, Scope::One, "(objectClass=*)", &["P"]),
        (DOMAIN, Scope::Base, "(objectClass=*)", &["contoso"]),
        (&user(1), Scope::Subtree, "(objectClass=*)", &["u1"]),
        (DOMAIN, Scope::Subtree, "(mail=U2@CONTOSO.test)", &["u2"]),
        (&user(1), Scope::Subtree, "(mail=u2@contoso.test)", &[]),
        (
            DOMAIN,
            Scope::Subtree,
            "(|(mail=u2@contoso.test)(sAMAccountName=u3))",
            &["u2", "u3"],
        ),
        (
            DOMAIN,
            Scope::Subtree,
            "(msExchDelegateListLink=*)",
            &["u0"],
        ),
        (
            DOMAIN,
            Scope::Subtree,
            "(&(msExchDelegateListLink=*)(!(msExchMailboxGuid=*)))",
            &["u0"],
        ),
        (
            DOMAIN,
            Scope::Subtree,
            "(msExchDelegateListBL=*)",
            &["u1", "u2", "u3"],
        ),
        (
            DOMAIN,
            Scope::Subtree,
            "(msExchDelegateListBL=CN=u0,OU=P,DC=contoso,DC=test)",
            &["u1", "u2", "u3"],
        ),
        (
            DOMAIN,
            Scope::Subtree,
            "(msExchDelegateListLink=cn=u2,ou=p,dc=contoso,dc=test)",
            &["u0"],
        ),
        (DOMAIN, Scope::Subtree, "(mail=*2@*)", &["u2"]),
        (
            DOMAIN,
            Scope::Subtree,
            "(objectClass=serviceConnectionPoint)",
            &[],
        ),
        (
            "CN=Configuration,DC=contoso,DC=test",
            Scope::Subtree,
            "(keywords=77378f46-2c66-4aa9-a6a6-3e7a48b19596)",
            &["SCP"],
        ),
    ] {
        let search = Search::new(base, scope, filter(filter_text), &["cn"]);
        let (entries, _, end, _) = all(&client, &search).await;
        assert_eq!(names(&entries), expected, "{filter_text}");
        assert_eq!(code(end), 0);
    }
    let by_guid = Search::new(
        DOMAIN,
        Scope::Subtree,
        Filter::equal("objectGUID", guid(3)),
        &["cn"],
    );
    assert_eq!(names(&all(&client, &by_guid).await.0), ["u3"]);
    let base = format!("<GUID={}>", automend_directory::guid_text(&guid(2)));
    let entry = client.base(&base, &["1.1"]).await.unwrap().unwrap();
    assert_eq!(
        (entry.dn.as_str(), entry.attributes.len()),
        (user(2).as_str(), 0)
    );
    let whole = client.base(&user(1), &[]).await.unwrap().unwrap();
    for name in [
        "cn",
        "objectGUID",
        "uSNChanged",
        "whenCreated",
        "distinguishedName",
        BACK,
    ] {
        assert_eq!(whole.values(name).count(), 1, "{name}");
    }
    let mut types = Search::new(&user(1), Scope::Base, filter("(cn=*)"), &["mail", BACK]);
    types.types_only = true;
    let entry = all(&client, &types).await.0.remove(0);
    assert_eq!(entry.attributes.len(), 2);
    assert!(
        entry
            .attributes
            .iter()
            .all(|attribute| attribute.values.is_empty())
    );
    let gone = Search::new(
        "OU=Gone,DC=contoso,DC=test",
        Scope::Base,
        filter("(cn=*)"),
        &[],
    );
    let Err(Error::Refused {
        code, matched_dn, ..
    }) = all(&client, &gone).await.2
    else {
        panic!()
    };
    assert_eq!(
        (code, matched_dn.as_str()),
        (ResultCode::NO_SUCH_OBJECT, DOMAIN)
    );
    let (_, references, _, _) = all(
        &client,
        &Search::new(DOMAIN, Scope::Subtree, filter("(cn=x)"), &[]),
    )
    .await;
    assert_eq!(
        references,
        ["ldap://contoso.test/CN=Configuration,DC=contoso,DC=test"]
    );
    let mut quiet = Search::new(DOMAIN, Scope::Subtree, filter("(cn=x)"), &[]);
    quiet.controls.push(Control::domain_scope());
    assert_eq!(all(&client, &quiet).await.1, [] as [&str; 0]);
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a story in order")]
async fn pages_and_limits_are_those_of_windows() {
    let limits = Limits {
        page_size: 10,
        value_range: 7,
        open_pages: 2,
        ..Limits::default()
    };
    let served = Served::new(&forest(25), Access::Open, limits);
    let client = client(&served).await;
    let search = Search::new(
        DOMAIN,
        Scope::Subtree,
        filter("(objectClass=user)"),
        &["cn"],
    );
    let (entries, _, end, _) = all(&client, &search).await;
    assert_eq!(
        (entries.len(), code(end)),
        (10, 4),
        "unpaged: MaxPageSize, then sizeLimitExceeded"
    );
    for size in [1, 9, 10, 1000] {
        let mut pages = client.paged(search.clone(), size);
        let mut found = Vec::new();
        while let Some(item) = pages.next().await.unwrap() {
            if let Item::Entry(entry) = item {
                found.push(entry);
            }
        }
        assert_eq!(found.len(), 25, "page size {size}");
        let distinct: std::collections::BTreeSet<_> = found.iter().map(|e| &e.dn).collect();
        assert_eq!(distinct.len(), 25);
    }
    let paged = |cookie: &[u8]| {
        let mut page = search.clone();
        page.controls = vec![Control::paged_results(3, cookie)];
        page
    };
    let cookie = |controls: &[Control]| {
        // SEQUENCE, INTEGER 0, OCTET STRING.
        controls[0].value.as_ref().unwrap()[7..].to_vec()
    };
    let first = cookie(&all(&client, &paged(b"")).await.3);
    assert_eq!(first.len(), 8);
    let mut other = paged(&first);
    other.filter = filter("(objectClass=*)");
    assert_eq!(
        code(all(&client, &other).await.2),
        12,
        "a cookie of another search"
    );
    assert_eq!(code(all(&client, &paged(b"bogus")).await.2), 53);
    let stranger = asking::client(&served).await;
    assert_eq!(
        code(all(&stranger, &paged(&first)).await.2),
        53,
        "a cookie of another connection"
    );
    for _ in 0..2 {
        drop(all(&client, &paged(b"")).await);
    }
    assert_eq!(
        code(all(&client, &paged(&first)).await.2),
        53,
        "the oldest of too many"
    );
    let mut few = search.clone();
    few.size_limit = 4;
    let (entries, _, end, _) = all(&client, &few).await;
    assert_eq!((entries.len(), code(end)), (4, 4));

    let owner = client.base(&user(0), &["cn"]).await.unwrap().unwrap();
    assert_eq!(owner.values(LINK).count(), 0);
    for (asked, named, count) in [
        (LINK, "msExchDelegateListLink;range=0-6", 7),
        (
            "msExchDelegateListLink;range=0-*",
            "msExchDelegateListLink;range=0-6",
            7,
        ),
        (
            "msExchDelegateListLink;range=21-*",
            "msExchDelegateListLink;range=21-*",
            2,
        ),
        (
            "msExchDelegateListLink;range=2-4",
            "msExchDelegateListLink;range=2-4",
            3,
        ),
    ] {
        let search = Search::new(&user(0), Scope::Base, filter("(cn=*)"), &[asked]);
        let entry = all(&client, &search).await.0.remove(0);
        let attribute = entry.attributes.last().unwrap();
        assert_eq!(
            (attribute.description().as_str(), attribute.values.len()),
            (named, count),
            "{asked}"
        );
    }
    let mut whole = client.paged(
        Search::new(&user(0), Scope::Base, filter("(cn=*)"), &[LINK]),
        10,
    );
    let Some(Item::Entry(entry)) = whole.next().await.unwrap() else {
        panic!()
    };
    assert_eq!(
        entry.values(LINK).count(),
        23,
        "the client completes the list"
    );
}

#[tokio::test]
async fn a_scoped_query_gives_all_owners_at_once() {
    let served = Served::new(&forest(5), Access::Open, Limits::default());
    let client = client(&served).await;
    for (base, attribute, text, expected) in [
        (user(2), BACK, "(objectClass=*)", &["u0"][..]),
        (user(0), LINK, "(!(mail=u2@contoso.test))", &["u1", "u3"]),
        (user(4), BACK, "(objectClass=*)", &[]),
    ] {
        let mut search = Search::new(&base, Scope::Base, filter(text), &["mail"]);
        search
            .controls
            .push(Control::attribute_scoped_query(attribute));
        let (entries, _, end, _) = all(&client, &search).await;
        assert_eq!(code(end), 0);
        assert_eq!(names(&entries), expected);
    }
    let mut search = Search::new(&user(2), Scope::Base, filter("(cn=*)"), &["mail"]);
    search
        .controls
        .push(Control::attribute_scoped_query("mail"));
    assert_eq!(code(all(&client, &search).await.2), 21);
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a story in order")]
async fn writes_answer_as_a_controller_does() {
    let served = Served::new(&forest(5), Served::account(), Limits::default());
    let client = bound(&served).await;
    let add = |attribute: &str, value: &str| {
        vec![Modification::Add {
            attribute: attribute.to_owned(),
            values: vec![value.into()],
        }]
    };
    let delete = |attribute: &str, value: &str| {
        vec![Modification::Delete {
            attribute: attribute.to_owned(),
            values: vec![value.into()],
        }]
    };
    let guid = client
        .base(&user(4), &["objectGUID"])
        .await
        .unwrap()
        .unwrap();
    let guid: [u8; 16] = guid
        .values("objectGUID")
        .next()
        .unwrap()
        .try_into()
        .unwrap();
    let by_guid = format!("<GUID={}>", automend_directory::guid_text(&guid));
    let assertion = |text: &str| Control::assertion(&filter(text));
    let permissive = Control {
        critical: true,
        ..Control::permissive_modify()
    };
    let relax = Control {
        oid: "1.3.6.1.4.1.4203.666.5.12".to_owned(),
        critical: true,
        value: None,
    };
    let lax = Control {
        critical: false,
        ..relax.clone()
    };
    for (case, name, changes, controls, expected) in [
        ("a back link", user(1), add(BACK, &user(2)), vec![], 53),
        ("twice", user(0), add(LINK, &user(1)), vec![], 20),
        (
            "twice, permissive",
            user(0),
            add(LINK, &user(1)),
            vec![permissive],
            0,
        ),
        ("absent", user(0), delete(LINK, &user(4)), vec![], 16),
        (
            "nobody",
            user(0),
            add(LINK, "CN=x,DC=contoso,DC=test"),
            vec![],
            19,
        ),
        (
            "unknown control",
            user(0),
            add(LINK, &user(4)),
            vec![relax],
            12,
        ),
        (
            "unknown control, not critical",
            user(0),
            add(LINK, &by_guid),
            vec![lax],
            0,
        ),
        (
            "by GUID",
            by_guid.clone(),
            add("displayName", "U 4"),
            vec![],
            0,
        ),
        (
            "false assertion",
            user(0),
            delete(LINK, &by_guid),
            vec![assertion("(mail=x)")],
            122,
        ),
        (
            "true assertion",
            user(0),
            delete(LINK, &by_guid),
            vec![assertion("(mail=u0@*)")],
            0,
        ),
    ] {
        let answer = client.modify(&name, &changes, &controls).await;
        assert_eq!(code(answer), expected, "{case}");
    }
    assert!(
        client
            .compare(&user(0), LINK, user(1).as_bytes())
            .await
            .unwrap()
    );
    assert!(
        !client
            .compare(&user(0), LINK, user(4).as_bytes())
            .await
            .unwrap()
    );
    assert_eq!(code(client.compare(&user(1), LINK, b"x").await), 16);
    let class = [("objectClass".to_owned(), vec![b"user".to_vec()])];
    assert_eq!(code(client.add(&user(9), &class).await), 0);
    assert_eq!(code(client.add(&user(9), &class).await), 68);
    assert_eq!(
        code(client.modify_dn(&user(0), "CN=Zero", false, None).await),
        53
    );
    assert_eq!(
        code(
            client
                .modify_dn(&user(0), "CN=Zero", true, Some(DOMAIN))
                .await
        ),
        0
    );
    let delegate = client.base(&user(1), &[BACK]).await.unwrap().unwrap();
    assert_eq!(
        delegate.first_text(BACK),
        Some("CN=Zero,DC=contoso,DC=test")
    );
    assert_eq!(code(client.delete(&format!("OU=P,{DOMAIN}")).await), 66);
    assert_eq!(code(client.delete("CN=Zero,DC=contoso,DC=test").await), 0);
    let delegate = client.base(&user(1), &[BACK]).await.unwrap().unwrap();
    assert_eq!(delegate.first_text(BACK), None);
    let mut deleted = Search::new(DOMAIN, Scope::Subtree, filter("(isDeleted=TRUE)"), &["cn"]);
    assert_eq!(all(&client, &deleted).await.0.len(), 0);
    deleted.controls.push(Control::show_deleted());
    let found = all(&client, &deleted).await.0;
    assert_eq!(found.len(), 2, "the container and the tombstone");
    assert!(found[1].dn.starts_with("CN=Zero\\0ADEL:"));
    assert_eq!(served.directory.read().unwrap().check().unwrap(), []);
}

#[tokio::test]
async fn what_is_no_ldap_is_told_so_and_closed() {
    let limits = Limits {
        message_bytes: 1000,
        filter_depth: 3,
        ..Limits::default()
    };
    let served = Served::new(&forest(2), Access::Open, limits);
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x80",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x02\x01\x01\x7e\x00",
        // A search whose filter is five levels deep.
        b"\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\xa2\x0b\xa2\x09\xa2\x07\xa2\x05\x87\x03\x61\x62\x63\x30\x00",
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Bytes of ours that were not read make the system reset the connection behind the notice.
        let _ = within(stream.read_to_end(&mut answer)).await;
        let notice = b"1.3.6.1.4.1.1466.20036";
        assert!(answer.windows(notice.len()).any(|part| part == notice), "{bytes:02x?} {answer:02x?}");
    }
    let mut sasl = TcpStream::connect(served.address).await.unwrap();
    sasl.write_all(b"\x30\x14\x02\x01\x01\x60\x0f\x02\x01\x03\x04\x00\xa3\x08\x04\x06GSSAPI")
        .await
        .unwrap();
    let mut answer = [0; 64];
    let count = within(sasl.read(&mut answer)).await.unwrap();
    assert_eq!(
        answer[..count][5..10],
        [0x61, answer[6], 0x0a, 1, 7],
        "authMethodNotSupported"
    );
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_end_is_announced() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let mut served = Served::new(&forest(2), Access::Open, limits);
    let mut first = TcpStream::connect(served.address).await.unwrap();
    first
        .write_all(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")
        .await
        .unwrap();
    let mut answer = [0; 64];
    assert!(within(first.read(&mut answer)).await.unwrap() > 0);
    let mut second = TcpStream::connect(served.address).await.unwrap();
    let mut told = Vec::new();
    within(second.read_to_end(&mut told)).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains("too many connections"));
    tokio::task::spawn_blocking(move || served.stop())
        .await
        .unwrap();
    let mut told = Vec::new();
    within(first.read_to_end(&mut told)).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains("going down"));
}
