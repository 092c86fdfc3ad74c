//! What the faces answer: the probe table, protocols and their URLs, SOAP, V2 and autoconfig.

use super::*;

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
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
    let kinds = |answer: &crate::served::Answer| -> Vec<String> {
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
[serve.default]
external = { host = "owa.contoso.com", eas = "" }
internal = { host = "mail.corp.contoso.com" }
public-folder-mailbox = "pf@contoso.com"
alternative-mailboxes = "by-legacy-dn"
imap = { host = "imap.contoso.com" }
smtp = { host = "smtp.contoso.com" }

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
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn v2_and_autoconfig_tell_by_domain_and_nobody_who_exists() {
    let served = Served::with(&matrix(), WITH_SMTP, &[]);
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
    for (address, status, code) in [
        ("x@evil.test", 404, "UserNotFound"),
        ("x@notcontoso.com", 404, "UserNotFound"),
        ("x@contoso.com.evil.test", 404, "UserNotFound"),
        ("x@contoso.com@evil.test", 404, "UserNotFound"),
        ("notanaddress", 400, "InvalidUserId"),
        ("x@", 400, "InvalidUserId"),
        ("@contoso.com", 400, "InvalidUserId"),
        ("x@con%20toso.com", 400, "InvalidUserId"),
    ] {
        for target in [
            format!("/autodiscover/autodiscover.json?Email={address}&Protocol=Ews"),
            format!("/autodiscover/autodiscover.json/v1.0/{address}?Protocol=EWS"),
        ] {
            let (told, answer) = json(&target);
            assert_eq!(
                (told, answer["ErrorCode"].as_str()),
                (status, Some(code)),
                "{target}"
            );
            assert!(answer["Url"].is_null(), "{target}");
        }
    }
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

/// Without an outgoing server there is no autoconfig.
const WITH_SMTP: &str = "[serve.default]\nsmtp = { host = \"smtp.contoso.com\" }\n";

#[test]
fn autoconfig_answers_for_domains_that_are_served_and_no_others() {
    let served = Served::with(&matrix(), WITH_SMTP, &[]);
    let mut wire = served.connect();
    let mut ask = |host: &str, query: &str| {
        let target = format!("/mail/config-v1.1.xml{query}");
        let mut ask = Ask::get(&target);
        ask.headers = vec![("Host".to_owned(), host.to_owned())];
        let answer = wire.ask(&ask);
        if answer.status == 404 {
            answer.says_not("clientConfig").says_not("contoso.com");
            return 404;
        }
        answer
            .says("<domain>contoso.com</domain>")
            .says("<outgoingServer")
            .says("<exchangeURL>https://mail.contoso.com/EWS/Exchange.asmx</exchangeURL>")
            .says("<ewsURL>https://mail.contoso.com/EWS/Exchange.asmx</ewsURL>")
            .status
    };
    for (host, query, status) in [
        ("autoconfig.contoso.com", "", 200),
        ("AutoConfig.Contoso.com:8443", "", 200),
        ("contoso.com", "", 200),
        ("exchange.contoso.com", "", 200),
        ("127.0.0.1:8443", "", 200),
        ("[::1]:8443", "", 200),
        ("localhost", "", 200),
        ("mail01", "", 200),
        ("autoconfig.unknown.example", "", 404),
        ("unknown.example", "", 404),
        ("autoconfig.notcontoso.com", "", 404),
        ("contoso.com.evil.test", "", 404),
        // The address says more than the host.
        (
            "autoconfig.unknown.example",
            "?emailaddress=x@unknown.example",
            404,
        ),
        (
            "autoconfig.contoso.com",
            "?emailaddress=x@unknown.example",
            404,
        ),
        ("localhost", "?emailaddress=x%40unknown.example", 404),
        ("localhost", "?emailaddress=x%2540unknown.example", 404),
        ("localhost", "?emailaddress=x@%3Cscript%3E", 404),
        ("localhost", "?emailaddress=x@sub.contoso.com", 404),
        ("proxy.hoster.example", "?emailaddress=x@contoso.com", 200),
        ("proxy.hoster.example", "?emailaddress=x@CONTOSO.com.", 200),
        // This names no domain.
        (
            "autoconfig.contoso.com",
            "?emailaddress=%25EMAILADDRESS%25",
            200,
        ),
        ("autoconfig.unknown.example", "?emailaddress=nobody", 404),
    ] {
        assert_eq!(ask(host, query), status, "{host} {query}");
    }
}

#[test]
fn domains_below_an_accepted_one_and_both_spellings_of_a_name_are_served() {
    let accepted: String = [
        "*.wild.test",
        "b\u{fc}cher.example",
        "xn--mller-kva.example",
    ]
    .iter()
    .map(|name| {
        format!(
            "dn: CN={0},CN=Accepted Domains,CN=Configuration,DC=contoso,DC=com\n\
                 objectClass: msExchAcceptedDomain\nmsExchAcceptedDomainName: {0}\n\n",
            name.replace('*', "all")
        )
        .replace("Name: all", "Name: *")
    })
    .collect();
    let ldif = format!("{}\n\n{accepted}", matrix().trim_end());
    let configuration =
        format!("{WITH_SMTP}[serve.domain.\"m\u{fc}ller.example\"]\ndisplay-name = \"Mill\"\n");
    let served = Served::with(&ldif, &configuration, &[]);
    let mut wire = served.connect();
    let mut ask = |host: &str, target: &str| {
        let mut ask = Ask::get(target);
        ask.headers = vec![("Host".to_owned(), host.to_owned())];
        wire.ask(&ask)
    };
    for (name, known) in [
        ("wild.test", false),
        ("a.wild.test", true),
        ("a.b.wild.test", true),
        ("A.Wild.Test", true),
        ("notwild.test", false),
        (".wild.test", false),
        ("b%C3%BCcher.example", true),
        ("B%C3%9CCHER.example", true),
        ("xn--bcher-kva.example", true),
        ("XN--BCHER-KVA.EXAMPLE", true),
        ("m%C3%BCller.example", true),
        ("xn--mller-kva.example", true),
        ("xn--bcher-kvb.example", false),
    ] {
        let address = format!("emailaddress=x@{name}");
        let answer = ask("localhost", &format!("/mail/config-v1.1.xml?{address}"));
        assert_eq!(
            answer.status,
            if known { 200 } else { 404 },
            "{name}: {answer}"
        );
        if name.contains("ller") {
            answer.says("<displayName>Mill</displayName>");
        }
        let json = format!("/autodiscover/autodiscover.json?Email=x@{name}&Protocol=Ews");
        let answer = ask("localhost", &json);
        assert_eq!(answer.status == 200, known, "{name}: {answer}");
    }
    for (host, known) in [
        ("autoconfig.a.wild.test", true),
        ("autoconfig.wild.test", false),
        ("autoconfig.xn--bcher-kva.example", true),
        ("autoconfig.xn--mller-kva.example", true),
    ] {
        let status = ask(host, "/mail/config-v1.1.xml").status;
        assert_eq!(status, if known { 200 } else { 404 }, "{host}");
    }
}

#[test]
fn autoconfig_without_an_outgoing_server_is_not_found_and_warned_of() {
    let imap = "imap = { host = \"imap.contoso.com\" }\n";
    for configuration in [String::new(), format!("[serve.default]\n{imap}")] {
        let served = Served::with(&matrix(), &configuration, &[]);
        let answer = served.ask(&Ask::get(
            "/mail/config-v1.1.xml?emailaddress=a@contoso.com",
        ));
        answer.is(404).says_not("clientConfig");
        assert!(
            served
                .said
                .contains("warning: autoconfig answers 404 for contoso.com"),
            "{}",
            served.said
        );
    }
    let served = Served::with(&matrix(), WITH_SMTP, &[]);
    assert!(!served.said.contains("autoconfig answers 404"));
}
