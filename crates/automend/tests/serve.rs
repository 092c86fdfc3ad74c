//! The service as clients meet it: faces, logins, what is told of whom, and that no stale link hurts.
//!
//! The probe table and the expectations of clients are those that real clients and other servers were
//! measured by; the matrix of stale owners is every way in which a link can lead nowhere.

mod served;

use served::{Ask, DOMAIN, PASSWORD, POX, SOAP, Served, mailbox, outlook};

const CONTOSO: &str = include_str!("../../../examples/contoso.ldif");
const OUTLOOK_RESPONSE: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// A company of one user and one owner in every state that there is.
fn matrix() -> String {
    let link = "msExchDelegateListLink: CN=Amy,DC=contoso,DC=com";
    let mut ldif = DOMAIN.to_owned();
    ldif += "dn: CN=DB1,DC=contoso,DC=com\nobjectClass: msExchPrivateMDB\n\n";
    ldif += &mailbox("Amy", &[link]);
    ldif += &mailbox("Bob", &[link]);
    ldif += &mailbox("Hidden", &["msExchHideFromAddressLists: TRUE", link]);
    ldif += &mailbox("Locked", &["userAccountControl: 514", link]);
    ldif += &mailbox(
        "Circle",
        &["msExchDelegateListLink: CN=Ring,DC=contoso,DC=com", link],
    );
    ldif += &mailbox(
        "Ring",
        &["msExchDelegateListLink: CN=Circle,DC=contoso,DC=com", link],
    );
    // Remote: the mailbox is in the other half of a hybrid.
    ldif += &format!(
        "dn: CN=Cloud,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Cloud\nproxyAddresses: SMTP:cloud@contoso.com\n\
         targetAddress: SMTP:cloud@contoso.mail.onmicrosoft.com\nlegacyExchangeDN: /o=Contoso/cn=cloud\n\
         msExchRecipientTypeDetails: 34359738368\n{link}\n\n"
    );
    // Stale, each in its own way.
    ldif += &format!(
        "dn: CN=Disabled,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Disabled\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=MailUser,DC=contoso,DC=com\nobjectClass: user\ndisplayName: MailUser\nproxyAddresses: SMTP:mu@contoso.com\n\
         targetAddress: SMTP:mu@fabrikam.com\nmsExchRecipientTypeDetails: 128\nlegacyExchangeDN: /o=Contoso/cn=mu\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=Nameless,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Nameless\nproxyAddresses: SMTP:n@contoso.com\n\
         msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==\nhomeMDB: CN=DB1,DC=contoso,DC=com\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=Homeless,DC=contoso,DC=com\nobjectClass: user\ndisplayName: Homeless\nproxyAddresses: SMTP:h@contoso.com\n\
         msExchMailboxGuid:: EAECAwQFBgcICQoLDA0ODw==\nlegacyExchangeDN: /o=Contoso/cn=h\n{link}\n\n"
    );
    ldif += &format!(
        "dn: CN=Group,DC=contoso,DC=com\nobjectClass: group\ndisplayName: Group\nproxyAddresses: SMTP:g@contoso.com\n\
         legacyExchangeDN: /o=Contoso/cn=g\n{link}\n\n"
    );
    // Of another domain: the file knows the name and nothing behind it.
    ldif += "dn: CN=Ghost,DC=fabrikam,DC=com\nobjectClass: contact\ndisplayName: Ghost\nmsExchDelegateListLink: CN=Amy,DC=contoso,DC=com\n\n";
    // Deleted, but kept by the recycle bin.
    ldif += &format!(
        "dn: CN=Gone\\0ADEL:9013e75e-f255-ceb4-591f-39ccf75987c7,CN=Deleted Objects,DC=contoso,DC=com\nobjectClass: user\n\
         isDeleted: TRUE\n{link}\n\n"
    );
    ldif
}

#[test]
fn every_kind_of_stale_owner_is_skipped_told_once_and_counted() {
    let served = Served::ldif(&matrix(), &[]);
    let whole = "settings: Amy, Bob, Circle, Cloud, Hidden, Locked, Ring";
    assert_eq!(served.pox("amy@contoso.com").pox(), whole);
    for (owner, code) in [
        ("CN=Disabled,DC=contoso,DC=com", "AM101"),
        ("CN=Nameless,DC=contoso,DC=com", "AM102"),
        ("CN=MailUser,DC=contoso,DC=com", "AM103"),
        ("CN=Group,DC=contoso,DC=com", "AM103"),
        ("CN=Homeless,DC=contoso,DC=com", "AM112"),
        ("CN=Ghost,DC=fabrikam,DC=com", "AM103"),
    ] {
        let line = served.logged(|line| line["event"] == "owner-skipped" && line["owner"] == owner);
        assert_eq!(line["code"], code, "{owner}");
        assert_eq!(line["delegate"], "CN=Amy,DC=contoso,DC=com");
    }
    assert_eq!(served.pox("amy@contoso.com").pox(), whole);
    assert_eq!(served.pox("amy@contoso.com").pox(), whole);
    assert!(served.metric("automend_skipped_owners_total{code=\"AM101\"}") >= 3.0);
    let turn = served.logged(|line| line["event"] == "turn" && line["from"] == "memory");
    assert_eq!(
        (turn["asked"].as_str(), turn["user"].as_str()),
        (Some("amy@contoso.com"), Some("amy@contoso.com"))
    );
    assert!(turn["skipped"].as_u64() >= Some(6), "{turn}");
    served.signal("TERM");
    let mut served = served;
    assert!(served.wait().success());
    let told: Vec<_> = served
        .whole_log()
        .into_iter()
        .filter(|line| line["event"] == "owner-skipped")
        .map(|line| line["owner"].to_string())
        .collect();
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(
        told.len(),
        once.len(),
        "each owner is told of once: {told:?}"
    );
}

#[test]
fn every_kind_of_stale_owner_alone_fails_the_user_when_faithful_and_no_one_else_does() {
    let link = "msExchDelegateListLink: CN=Amy,DC=contoso,DC=com";
    let all = matrix();
    // The same company with one owner at a time, in one service a kind.
    let owner = |name: &str| {
        let record = all
            .split("\n\n")
            .find(|record| record.contains(&format!("dn: CN={name},")))
            .unwrap();
        assert!(record.contains(link), "{record}");
        format!("{DOMAIN}{}{record}\n\n", mailbox("Amy", &[]))
    };
    for (name, expected) in [
        ("Disabled", "603"),
        ("MailUser", "603"),
        ("Nameless", "603"),
        ("Homeless", "603"),
        ("Group", "603"),
        ("Ghost", "603"),
        ("Bob", "settings: Bob"),
        ("Hidden", "settings: Hidden"),
        ("Locked", "settings: Locked"),
        ("Cloud", "settings: Cloud"),
    ] {
        let served = Served::ldif(&owner(name), &["--policy", "faithful"]);
        assert_eq!(served.pox("amy@contoso.com").pox(), expected, "{name}");
    }
}

#[test]
fn the_story_of_contoso_has_a_happy_end() {
    let served = Served::ldif(CONTOSO, &[]);
    let answer = served.pox("alice@contoso.com");
    assert_eq!(answer.pox(), "settings: Info, Room Aspen");
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    let faithful = Served::ldif(CONTOSO, &["--policy", "faithful"]);
    faithful
        .pox("alice@contoso.com")
        .is(200)
        .says("<ErrorCode>603</ErrorCode>")
        .says("The Active Directory user wasn't found.");
}

#[test]
fn what_is_told_of_a_user_depends_on_who_asks() {
    let served = Served::ldif(&matrix(), &[]);
    assert_eq!(
        served.pox_as("bob@contoso.com", "amy@contoso.com").pox(),
        "settings: "
    );
    // By every name that the user has.
    for user in ["amy@contoso.com", "AMY@Contoso.COM", "amy"] {
        let answer = served.pox_as(user, "amy@contoso.com");
        assert!(answer.pox().contains("Bob"), "{user}: {answer}");
    }
    let by_legacy = outlook("").replace(
        "<EMailAddress></EMailAddress>",
        "<EMailAddress/><LegacyDN>/O=CONTOSO/ou=Exchange/cn=Recipients/cn=AMY</LegacyDN>",
    );
    let answer = served.ask(&Ask::post(POX, by_legacy).basic("amy@contoso.com", PASSWORD));
    assert!(answer.pox().contains("Bob"), "{answer}");
    let open = "[serve]\nalternative-mailboxes-of-others = true\n";
    let served = Served::with(&matrix(), open, &[]);
    assert!(
        served
            .pox_as("bob@contoso.com", "amy@contoso.com")
            .pox()
            .contains("Circle")
    );
}

#[test]
fn every_mailbox_that_is_offered_can_be_asked_for() {
    let served = Served::ldif(&matrix(), &[]);
    for name in ["bob", "hidden", "locked", "circle", "ring"] {
        let answer = served.pox_as("amy@contoso.com", &format!("{name}@contoso.com"));
        assert_eq!(answer.pox(), "settings: ", "{name}");
    }
    let answer = served.pox_as("amy@contoso.com", "cloud@contoso.com");
    assert_eq!(
        answer.pox(),
        "redirect to cloud@contoso.mail.onmicrosoft.com"
    );
}

#[test]
fn whoever_has_not_logged_in_is_asked_to_before_anything_else() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    for target in [
        POX,
        SOAP,
        "/Autodiscover/Autodiscover.xml",
        "/AUTODISCOVER/AUTODISCOVER.SVC",
    ] {
        for ask in [
            Ask::get(target),
            Ask::post(target, outlook("amy@contoso.com")),
            Ask::post(target, "garbage"),
            Ask::post(target, ""),
            Ask::new("HEAD", target),
        ] {
            // One connection for all: none of them closes it.
            let answer = wire.ask(&ask).is(401);
            let challenges: Vec<&str> = answer.all("www-authenticate").collect();
            assert_eq!(
                challenges,
                ["Basic realm=\"Autodiscover\", charset=\"UTF-8\""],
                "{target}"
            );
            assert_eq!(answer.header("x-soap-enabled"), Some("True"));
            assert_eq!(answer.header("x-wssecurity-for"), Some("None"));
            assert_eq!(answer.header("connection"), None);
            assert!(answer.header("content-length").is_some());
        }
    }
    let page = wire
        .ask(&Ask::get(POX))
        .is(401)
        .says("Autodiscover for contoso.com");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let served = Served::ldif(&matrix(), &[]);
    let wrong =
        served.ask(&Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", "wrong"));
    let nobody =
        served.ask(&Ask::post(POX, outlook("amy@contoso.com")).basic("zoe@contoso.com", "wrong"));
    let same = |answer: &served::Answer| {
        let headers = answer.headers.iter().filter(|(name, _)| name != "date");
        (
            answer.status,
            headers.cloned().collect::<Vec<_>>(),
            answer.body.clone(),
        )
    };
    assert_eq!(same(&wrong), same(&nobody));
    assert_eq!(wrong.status, 401);
}

#[test]
fn odd_authorization_headers_are_refused_and_nothing_breaks() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    for value in [
        "Basic",
        "Basic !!!",
        "Basic YWxpY2U=",
        "basic",
        "Bearer x",
        "Negotiate YII=",
        "NTLM",
        "Digest username=\"amy\"",
        "",
        "Basic /w==",
        "Basic \u{e9}",
    ] {
        wire.ask(&Ask::post(POX, outlook("amy@contoso.com")).with("Authorization", value))
            .is(401);
    }
    wire.ask(
        &Ask::post(POX, outlook("amy@contoso.com")).with("Authorization", &"x".repeat(20_000)),
    )
    .is(401);
    let lower = Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD);
    let mut lower = lower;
    for (name, value) in &mut lower.headers {
        *name = name.to_lowercase();
        *value = value.replace("Basic ", "bAsIc ");
    }
    lower
        .headers
        .push(("content-length".to_owned(), lower.body.len().to_string()));
    let mut bytes = lower.bytes();
    let doubled = b"Content-Length: ".as_slice();
    if let Some(at) = bytes
        .windows(doubled.len())
        .position(|window| window == doubled)
    {
        let end = at + bytes[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes.drain(at..end);
    }
    wire.send(&bytes);
    wire.answer().is(200);
}

#[test]
fn other_methods_are_refused_politely() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "TRACE"] {
        for target in [
            POX,
            SOAP,
            "/autodiscover/autodiscover.json",
            "/mail/config-v1.1.xml",
        ] {
            let answer = wire.ask(&Ask::new(method, target)).is(405);
            assert!(answer.header("allow").is_some(), "{method} {target}");
        }
    }
    wire.ask(&Ask::get("/")).is(404);
    wire.ask(&Ask::new("OPTIONS", "*")).is(404);
}

#[test]
fn a_get_with_a_login_is_an_invalid_request_and_a_head_has_no_body() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    let get = wire.ask(&Ask::get(POX).basic("amy@contoso.com", PASSWORD));
    assert_eq!(get.pox(), "600");
    assert_eq!(get.header("x-soap-enabled"), Some("True"));
    let head = wire
        .ask(&Ask::new("HEAD", POX).basic("amy@contoso.com", PASSWORD))
        .is(200);
    assert!(head.body.is_empty());
    let svc = wire
        .ask(&Ask::get(SOAP).basic("amy@contoso.com", PASSWORD))
        .is(200);
    assert_eq!(svc.header("x-soap-enabled"), Some("True"));
    assert_eq!(
        wire.ask(&Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD))
            .status,
        200
    );
}

#[test]
fn the_probe_table_holds() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    let plain = outlook("amy@contoso.com");
    let utf16 = |text: &str, little: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    };
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend(plain.bytes());
    let undeclared = plain.split_once("?>").unwrap().1.to_owned();
    let prefixed = undeclared
        .replace("<Autodiscover xmlns=", "<a:Autodiscover xmlns:a=")
        .replace("</Autodiscover>", "</a:Autodiscover>")
        .replace("<Request>", "<a:Request>")
        .replace("</Request>", "</a:Request>")
        .replace("EMailAddress>", "a:EMailAddress>")
        .replace("AcceptableResponseSchema>", "a:AcceptableResponseSchema>");
    let address_last = {
        let (head, tail) = undeclared.split_once("<EMailAddress>").unwrap();
        let (address, schema) = tail.split_once("</EMailAddress>").unwrap();
        let (schema, end) = schema.split_once("</Request>").unwrap();
        format!("{head}{schema}<EMailAddress>{address}</EMailAddress></Request>{end}")
    };
    for (what, body) in [
        ("ordinary", plain.clone().into_bytes()),
        ("BOM", bom),
        ("UTF-16 LE", utf16(&plain.replace("utf-8", "utf-16"), true)),
        ("UTF-16 BE", utf16(&plain.replace("utf-8", "utf-16"), false)),
        ("no declaration", undeclared.clone().into_bytes()),
        ("a newline first", format!("\n{undeclared}").into_bytes()),
        ("single quotes", plain.replace('"', "'").into_bytes()),
        ("prefixes", prefixed.into_bytes()),
        (
            "comment before the root",
            plain.replace("?>", "?><!-- x -->").into_bytes(),
        ),
        ("address last", address_last.into_bytes()),
        (
            "character reference",
            plain.replace("amy@", "&#97;my@").into_bytes(),
        ),
        (
            "CDATA",
            plain
                .replace("amy@contoso.com", "<![CDATA[amy@contoso.com]]>")
                .into_bytes(),
        ),
        (
            "upper case",
            plain
                .replace("amy@contoso.com", "Amy@CONTOSO.com")
                .into_bytes(),
        ),
        (
            "blanks",
            plain
                .replace("amy@contoso.com", " amy@contoso.com\r\n")
                .into_bytes(),
        ),
    ] {
        let answer = wire.ask(&Ask::post(POX, &body).basic("amy@contoso.com", PASSWORD));
        assert!(
            answer.pox().starts_with("settings: Amy, Bob"),
            "{what}: {answer}"
        );
        assert!(
            answer
                .body
                .starts_with(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>"),
            "{what}"
        );
    }
    let mobile = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/";
    let phone = undeclared
        .replace(
            "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema",
            &format!("{mobile}requestschema"),
        )
        .replace(OUTLOOK_RESPONSE, &format!("{mobile}responseschema/2006"));
    wire.ask(&Ask::post(POX, phone).basic("amy@contoso.com", PASSWORD))
        .is(200)
        .says(&format!("{mobile}responseschema/2006"))
        .says("<Type>MobileSync</Type>")
        .says("https://mail.contoso.com/Microsoft-Server-ActiveSync");
    let two = undeclared.replace(
        "</Request>",
        "</Request><Request><EMailAddress>x@y.z</EMailAddress></Request>",
    );
    let lol = format!(
        "<!DOCTYPE lol [<!ENTITY a \"amy@contoso.com\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]>{}",
        undeclared.replace("amy@contoso.com", "&a;")
    );
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let ldap = |address: &str| plain.replace("amy@contoso.com", address).into_bytes();
    for (what, code, body) in [
        (
            "unknown schema",
            "601",
            plain.replace("2006a", "2010").into_bytes(),
        ),
        (
            "https namespace",
            "601",
            plain
                .replace("http://schemas", "https://schemas")
                .into_bytes(),
        ),
        (
            "no schema",
            "600",
            plain
                .replace("AcceptableResponseSchema", "Acceptable")
                .into_bytes(),
        ),
        (
            "no address",
            "600",
            plain.replace("EMailAddress", "Address").into_bytes(),
        ),
        ("malformed", "600", b"<Autodiscover".to_vec()),
        ("empty", "600", Vec::new()),
        ("binary", "600", vec![0, 1, 2, 0xff]),
        ("two requests", "600", two.into_bytes()),
        ("DTD with entities", "600", lol.into_bytes()),
        ("100,000 elements deep", "600", deep.into_bytes()),
        ("nobody", "500", ldap("zoe@contoso.com")),
        ("no address at all", "500", ldap("amy")),
        (
            "entity in the address",
            "500",
            ldap("o&apos;brien@contoso.com"),
        ),
        ("filter: star", "500", ldap("*@contoso.com")),
        ("filter: all", "500", ldap("*")),
        (
            "filter: parentheses",
            "500",
            ldap("amy@contoso.com)(mail=*"),
        ),
        ("filter: backslash", "500", ldap("\\61my@contoso.com")),
        ("filter: NUL", "500", ldap("\\00@contoso.com")),
        ("control character", "600", ldap("amy\u{1}@contoso.com")),
        ("markup", "500", ldap("&lt;b&gt;@contoso.com")),
    ] {
        let answer = wire.ask(&Ask::post(POX, &body).basic("amy@contoso.com", PASSWORD));
        if body.len() > 65_536 {
            assert_eq!(answer.status, 413, "{what}");
            wire = served.connect();
            continue;
        }
        assert_eq!(answer.pox(), code, "{what}: {answer}");
        assert!(!answer.text().contains("Bob"), "{what}");
        assert!(!answer.text().contains("<b>"), "{what}");
        assert!(answer.text().contains("<DebugData"), "{what}: {answer}");
    }
    for content in [
        Some("text/xml; charset=utf-8"),
        Some("application/xml"),
        Some("application/x-www-form-urlencoded"),
        None,
    ] {
        let mut ask = Ask::post(POX, &plain)
            .basic("amy@contoso.com", PASSWORD)
            .without("Content-Type");
        if let Some(content) = content {
            ask = ask.with("Content-Type", content);
        }
        assert!(wire.ask(&ask).pox().starts_with("settings"), "{content:?}");
    }
}

#[test]
fn protocols_follow_what_the_client_can_do() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    let mut ask = |header: Option<(&str, &str)>| {
        let mut ask = Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD);
        if let Some((name, value)) = header {
            ask = ask.with(name, value);
        }
        wire.ask(&ask)
    };
    let kinds = |answer: &served::Answer| -> Vec<String> {
        let (read, _) = automend_autodiscover::pox::read(&answer.body).unwrap();
        let automend_autodiscover::pox::Reply::Settings(account) = read.reply else {
            panic!("{answer}")
        };
        account
            .protocols
            .into_iter()
            .map(|protocol| protocol.kind)
            .collect()
    };
    // Twice: the second is an answer that was kept.
    for _ in 0..2 {
        let plain = ask(None);
        assert_eq!(kinds(&plain), ["EXCH", "EXPR", "WEB"]);
        let plain = plain.text();
        let mapi = ask(Some(("X-MapiHttpCapability", "1")));
        assert_eq!(kinds(&mapi), ["mapiHttp", "WEB"]);
        let exhttp = ask(Some(("X-ClientCanHandle", "Negotiate, ExHttpInfo")));
        assert!(kinds(&exhttp).contains(&"EXHTTP".to_owned()), "{exhttp}");
        for odd in ["0", "x", "-1", ""] {
            assert_eq!(
                ask(Some(("X-MapiHttpCapability", odd))).text(),
                plain,
                "{odd}"
            );
        }
        for (name, value) in [
            ("X-AnchorMailbox", "amy@contoso.com"),
            ("client-request-id", "{1}"),
            ("Cookie", "a=b; c"),
            ("Accept-Encoding", "gzip;q=1, *;q=0"),
            ("Depth", "0"),
        ] {
            assert_eq!(ask(Some((name, value))).text(), plain, "{name}");
        }
    }
}

#[test]
fn urls_follow_the_configuration() {
    let configuration = r#"
[serve.everybody]
external = { host = "owa.contoso.com", eas = "" }
internal = { host = "mail.corp.contoso.com" }
public-folder-mailbox = "pf@contoso.com"
alternative-mailboxes = "by-legacy-dn"
imap = { host = "imap.contoso.com" }

[serve.database."DB1"]
external = { ews = "https://db1.contoso.com/EWS/Exchange.asmx" }

[serve.domain."contoso.com"]
autodiscover = "autodiscover.contoso.com:8443"
"#;
    let served = Served::with(&matrix(), configuration, &[]);
    served
        .pox("amy@contoso.com")
        .is(200)
        .says("<EwsUrl>https://db1.contoso.com/EWS/Exchange.asmx</EwsUrl>")
        .says("<EwsUrl>https://mail.corp.contoso.com/EWS/Exchange.asmx</EwsUrl>")
        .says("<SmtpAddress>pf@contoso.com</SmtpAddress>")
        .says("owa.contoso.com/owa/")
        .says_not("ActiveSync")
        .says_not("IMAP");
    served
        .ask(&Ask::get("/mail/config-v1.1.xml"))
        .is(200)
        .says("<hostname>imap.contoso.com</hostname>");
    let json = served.ask(&Ask::get(
        "/autodiscover/autodiscover.json?Email=x@contoso.com&Protocol=AutodiscoverV1",
    ));
    assert_eq!(
        json.json()["Url"],
        "https://autodiscover.contoso.com:8443/autodiscover/autodiscover.xml"
    );
}

#[test]
fn soap_answers_every_setting_or_says_why_not() {
    let served = Served::ldif(&matrix(), &[]);
    let request = |users: &[&str], settings: &[&str]| {
        let user = |user: &&str| format!("<a:User><a:Mailbox>{user}</a:Mailbox></a:User>");
        let setting = |name: &&str| format!("<a:Setting>{name}</a:Setting>");
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:a=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\" xmlns:w=\"http://www.w3.org/2005/08/addressing\">\
             <s:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion>\
             <w:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings</w:Action></s:Header>\
             <s:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users>{}</a:Users>\
             <a:RequestedSettings>{}</a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage></s:Body></s:Envelope>",
            users.iter().map(user).collect::<String>(),
            settings.iter().map(setting).collect::<String>()
        )
    };
    let mut wire = served.connect();
    let mut ask =
        |body: String| wire.ask(&Ask::post(SOAP, body).basic("amy@contoso.com", PASSWORD));
    let settings = [
        "UserDisplayName",
        "AutoDiscoverSMTPAddress",
        "ExternalEwsUrl",
        "EwsSupportedSchemas",
        "AlternateMailboxes",
        "NoSuchSetting",
        "ExternalUMUrl",
    ];
    let answer = ask(request(
        &["amy@contoso.com", "zoe@contoso.com", "bob@contoso.com"],
        &settings,
    ))
    .is(200);
    let answer = answer
        .says("ServerVersionInfo")
        .says("AlternateMailboxCollectionSetting")
        .says("https://mail.contoso.com/EWS/Exchange.asmx")
        .says("InvalidUser")
        .says("InvalidSetting")
        .says("SettingIsNotAvailable");
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    // Bob's own mailboxes are not Amy's to see, and hers are.
    assert_eq!(
        answer.text().matches("<AlternateMailbox>").count(),
        7,
        "{answer}"
    );
    ask("<x/>".to_owned()).is(500).says("Fault");
    let domains = request(&[], &["ExternalEwsUrl"])
        .replace("GetUserSettings", "GetDomainSettings")
        .replace(
            "<a:Users></a:Users>",
            "<a:Domains><a:Domain>contoso.com</a:Domain><a:Domain>evil.test</a:Domain></a:Domains>",
        );
    ask(domains)
        .is(200)
        .says("https://mail.contoso.com/EWS/Exchange.asmx")
        .says("InvalidDomain")
        .says_not("mail.evil.test");
    let federation = request(&[], &[])
        .replace("GetUserSettings", "GetFederationInformation")
        .replace(
            "<a:Users></a:Users><a:RequestedSettings></a:RequestedSettings>",
            "<a:Domain>contoso.com</a:Domain>",
        );
    ask(federation).is(200).says("NotFederated");
    served
        .ask(&Ask::post(
            "/autodiscover/autodiscover.svc/wssecurity",
            "<x/>",
        ))
        .is(500)
        .says("Fault");
}

#[test]
fn v2_and_autoconfig_tell_by_domain_and_nobody_who_exists() {
    let served = Served::ldif(&matrix(), &[]);
    let mut wire = served.connect();
    let mut json = |target: &str| {
        let answer = wire.ask(&Ask::get(target));
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8"),
            "{answer}"
        );
        (answer.status, answer.json())
    };
    for target in [
        "/autodiscover/autodiscover.json?Email=amy@contoso.com&Protocol=Ews",
        "/Autodiscover/Autodiscover.JSON?email=amy%40contoso.com&protocol=EWS",
        "/autodiscover/autodiscover.json/v1.0/amy@contoso.com?Protocol=ews",
        "/autodiscover/autodiscover.json/v1.0/nobody%40CONTOSO.com?Protocol=ews&RedirectCount=1",
    ] {
        let (status, answer) = json(target);
        assert_eq!(
            (status, answer["Url"].as_str()),
            (200, Some("https://mail.contoso.com/EWS/Exchange.asmx")),
            "{target}"
        );
    }
    assert_eq!(
        json("/autodiscover/autodiscover.json?Email=amy@contoso.com&Protocol=Ews"),
        json("/autodiscover/autodiscover.json?Email=nobody@contoso.com&Protocol=Ews")
    );
    for (target, code) in [
        (
            "/autodiscover/autodiscover.json",
            "MandatoryParameterMissing",
        ),
        (
            "/autodiscover/autodiscover.json?Email=amy@contoso.com",
            "MissingProtocol",
        ),
        (
            "/autodiscover/autodiscover.json?Email=a@b.c&Protocol=Rest",
            "ProtocolNotSupported",
        ),
    ] {
        let (status, answer) = json(target);
        assert_eq!(
            (status, answer["ErrorCode"].as_str()),
            (400, Some(code)),
            "{target}"
        );
        assert!(answer["ErrorMessage"].is_string());
    }
    let foreign = json("/autodiscover/autodiscover.json?Email=x@evil.test&Protocol=Ews").1;
    assert_eq!(foreign["Url"], "https://mail.contoso.com/EWS/Exchange.asmx");
    let whole = wire
        .ask(&Ask::get(
            "/mail/config-v1.1.xml?emailaddress=amy@contoso.com",
        ))
        .is(200);
    assert_eq!(
        whole.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    for target in [
        "/mail/config-v1.1.xml",
        "/config-v1.1.xml?emailaddress=nobody%40contoso%2Ecom",
        "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=EVOLUTIONUSER%40contoso.com&emailmd5=00",
        "/Mail/Config-v1.1.xml?emailaddress=%3Cscript%3E",
    ] {
        assert_eq!(wire.ask(&Ask::get(target)).text(), whole.text(), "{target}");
    }
}

#[test]
fn plain_http_leads_to_https_and_asks_nobody_for_a_password() {
    let served = Served::ldif(&matrix(), &[]);
    for (method, target, location) in [
        (
            "GET",
            "/autodiscover/autodiscover.xml",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.xml",
        ),
        (
            "POST",
            "/Autodiscover/Autodiscover.xml",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.xml",
        ),
        (
            "GET",
            "/autodiscover/autodiscover.svc",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.svc",
        ),
        (
            "HEAD",
            "/autodiscover/autodiscover.svc",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.svc",
        ),
        (
            "GET",
            "/autodiscover/autodiscover.json?Email=a@contoso.com&Protocol=Ews",
            "https://autodiscover.contoso.com/autodiscover/autodiscover.json?Email=a@contoso.com&Protocol=Ews",
        ),
        (
            "GET",
            "/mail/config-v1.1.xml?emailaddress=a@contoso.com",
            "https://autodiscover.contoso.com/mail/config-v1.1.xml?emailaddress=a@contoso.com",
        ),
    ] {
        for host in [
            "autodiscover.contoso.com",
            "evil.test",
            "contoso.com:8080",
            "[::1]",
            "",
        ] {
            let ask = Ask::new(method, target)
                .without("Host")
                .with("Host", host)
                .basic("amy@contoso.com", PASSWORD);
            let answer = served.ask_plain(&ask).is(302);
            assert_eq!(
                answer.header("location"),
                Some(location),
                "{method} {target} {host}"
            );
            assert_eq!(answer.header("www-authenticate"), None);
        }
    }
    served.ask_plain(&Ask::get("/")).is(404);
    // As a client of crate ms-autodiscover asks: a GET with a body, announced.
    let mut ask = Ask::new("GET", POX)
        .with("Expect", "100-continue")
        .with("Content-Length", "5");
    ask.body = b"hello".to_vec();
    let answer = served.ask_plain(&ask);
    assert!(matches!(answer.status, 100 | 302), "{answer}");
    let mut served = served;
    served.signal("TERM");
    assert!(served.wait().success());
    assert!(
        served
            .whole_log()
            .iter()
            .all(|line| !line.to_string().contains(PASSWORD) && !line.to_string().contains("YW15")),
        "no password and no header is in the log"
    );
}

#[test]
fn autoconfig_is_answered_over_plain_http_where_that_is_wanted() {
    let served = Served::with(&matrix(), "[serve]\nplain-autoconfig = true\n", &[]);
    served
        .ask_plain(&Ask::get(
            "/mail/config-v1.1.xml?emailaddress=amy@contoso.com",
        ))
        .is(200)
        .says("clientConfig");
    served.ask_plain(&Ask::get(POX)).is(302);
}

#[test]
fn it_says_what_it_serves_and_the_line_that_it_prints_tests_it() {
    let served = Served::ldif(&matrix(), &[]);
    assert!(
        served.said.starts_with("Autodiscover for contoso.com"),
        "{}",
        served.said
    );
    assert!(
        served.said.contains("out of directory.ldif"),
        "{}",
        served.said
    );
    let line = served
        .said
        .lines()
        .find(|line| line.starts_with("  curl "))
        .unwrap();
    let line = line.replace("user@contoso.com", "amy@contoso.com").replace(
        "--user amy@contoso.com",
        &format!("--user 'amy@contoso.com:{PASSWORD}'"),
    );
    let done = std::process::Command::new("sh")
        .args(["-c", line.trim()])
        .output();
    let Ok(done) = done.map(|done| String::from_utf8(done.stdout).unwrap()) else {
        panic!("curl is not installed")
    };
    assert!(done.contains("<Action>settings</Action>"), "{line}\n{done}");
    assert!(served.admin("/healthz").is(200).text().contains("alive"));
    let ready = served.admin("/readyz").is(200).json();
    assert_eq!(ready["ready"], true);
    let turns = served.admin("/turns").is(200).json();
    assert_eq!(
        turns.as_array().unwrap().last().unwrap()["outcome"],
        "settings"
    );
}
