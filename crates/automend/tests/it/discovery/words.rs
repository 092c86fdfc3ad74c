//! What a report says: each thing once, in the words of the client for which it was asked.

use automend_core::verdict::Cause;

use super::*;
use crate::ldap_server::{self, Act, Op, Tls};
use crate::web::certificate::Certificate;

#[test]
fn what_repeats_is_one_sentence_in_every_form() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        behind_basic(heard, || {
            let mailbox = |n: u32| {
                format!(
                    "<AlternativeMailbox><Type>Delegate</Type><DisplayName>room {n}</DisplayName></AlternativeMailbox>"
                )
            };
            xml(settings_with(&(0..200).map(mailbox).collect::<String>()))
        })
    });
    let bench = bench(&world);
    let what = "200 alternative mailboxes are described in a form that the specification forbids";
    let said = format!("{what}: the alternative mailbox \"room 0\"");
    let followed = "200 alternative mailboxes have no Autodiscover answer of their own: room 0";
    test(
        &bench,
        &world,
        &[USER, "--har", "exchanges.har", "--follow"],
    )
    .exits(3)
    .says(&said)
    .says("and 197 more")
    .says(followed);
    let arguments = [USER, "--follow", "--format", "json"];
    let report = test(&bench, &world, &arguments).exits(3).json();
    let counts: Vec<(&str, u64)> = report["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| {
            let cause = warning["cause"].as_str().unwrap();
            (cause, warning["count"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        counts,
        [("alternative-malformed", 200), ("alternative-fails", 200)]
    );
    assert!(
        report["explanation"]
            .as_str()
            .unwrap()
            .contains(&said[20..])
    );
    conforms(&report);
    let table = bench.automend(&["trace", "exchanges.har"]).says(&said);
    assert_eq!(table.out.matches("forbids").count(), 1, "{table}");
    let read = bench
        .automend(&["trace", "exchanges.har", "--format", "json"])
        .json();
    let warnings = read["users"][0]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{read:#}");
    assert_eq!(warnings[0]["count"], 200);
    assert_eq!(warnings[0]["what"], what);
}

#[test]
fn the_client_is_called_by_its_name() {
    const SOAP: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
        <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\"><Response>\
        <ErrorCode>NoError</ErrorCode><UserResponses><UserResponse><ErrorCode>NoError</ErrorCode><UserSettings>\
        <UserSetting xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:type=\"StringSetting\"><Name>NAME</Name>\
        <Value>https://mail.contoso.test/ews</Value></UserSetting>\
        </UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>";
    const MOBILE: &str = "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
        <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006\">\
        <User><EMailAddress>alice@contoso.test</EMailAddress></User><Action><Settings><Server><Type>MobileSync</Type>\
        <Url>https://mail.contoso.test/Microsoft-Server-ActiveSync</Url></Server></Settings></Action></Response></Autodiscover>";
    let ews = SOAP.replace("NAME", "ExternalEwsUrl");
    let name = SOAP
        .replace("NAME", "UserDisplayName")
        .replace("https://mail.contoso.test/ews", "Alice");
    for (protocol, body, client) in [
        ("pox", settings(), "Outlook"),
        ("soap", ews, "a client of Exchange Web Services"),
        ("mobilesync", MOBILE.to_owned(), "a mobile client"),
    ] {
        let mut world = World::new(&[]);
        world.https(ROOT, move |heard| behind_basic(heard, || xml(&body)));
        let bench = bench(&world);
        let arguments = [USER, "--protocol", protocol];
        test(&bench, &world, &arguments)
            .exits(0)
            .says(&format!("ok: {client} gets its settings from"));
        let json = [&arguments[..], &["--format", "json"]].concat();
        let report = test(&bench, &world, &json).exits(0).json();
        let told = report["explanation"].as_str().unwrap();
        assert!(
            told.to_lowercase()
                .starts_with(&format!("{} gets its settings", client.to_lowercase())),
            "{told}"
        );
        // What Outlook shows is reported where Outlook asks.
        let mut world = World::new(&[]);
        world.https(ROOT, |_| status(404));
        let report = test(&bench, &world, &json).exits(1).json();
        assert_eq!(report["outlook"].is_null(), protocol != "pox", "{report:#}");
        conforms(&report);
    }
    // An answer that names no server is none in SOAP either.
    let mut world = World::new(&[]);
    world.https(ROOT, move |heard| behind_basic(heard, || xml(&name)));
    let arguments = [USER, "--protocol", "soap", "--format", "json"];
    let report = test(&bench(&world), &world, &arguments).exits(1).json();
    assert_eq!(report["cause"], "no-protocols");
}

#[test]
fn a_rejected_login_of_the_directory_has_a_cause_of_its_own() {
    let mut world = World::new(&[]);
    world.https(HOST, |heard| behind_basic(heard, || xml(settings())));
    let Certificate::Tls(config) = world.authority.good("localhost") else {
        panic!("no certificate");
    };
    let directory =
        ldap_server::Server::with_tls(
            Vec::new(),
            Tls::AtOnce(config),
            |request, _| match request.op {
                Op::Bind { .. } => Act::Refuse(49, "data 52e, v4563"),
                _ => Act::Answer,
            },
        );
    let bench = bench(&world);
    bench.file("other", "wrong\n");
    let url = format!("ldaps://localhost:{}", directory.port);
    let beside = [
        USER,
        "--directory",
        &url,
        "--directory-user",
        "audit@contoso.test",
        "--directory-password-file",
        "other",
    ];
    test(&bench, &world, &beside)
        .exits(3)
        .says("the login to your directory failed")
        .says("--directory-password-file");
    let json = [&beside[..], &["--format", "json"]].concat();
    let report = test(&bench, &world, &json).exits(3).json();
    let step = &report["steps"][0];
    assert_eq!(
        (&step["step"], &step["cause"]),
        (&Value::from("scp"), &Value::from("directory-login-failed")),
        "{report:#}"
    );
    assert_eq!(report["cause"], "directory-login-failed");
    assert!(!report.to_string().contains("wrong\\n"));
    assert_eq!(world.server(HOST, 443).logins(), [BASIC, BASIC]);
    conforms(&report);
}

/// What scripts may meet is listed where they look for it.
#[test]
fn the_schemas_list_every_cause() {
    let codes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    for name in ["test", "trace"] {
        let page = format!(
            "{}/../../docs/{name}.schema.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(page).unwrap()).unwrap();
        let listed = schema["$defs"]["cause"]["enum"].as_array().unwrap();
        let listed: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
        assert_eq!(listed, codes, "{name}");
    }
}
