//! Other ways to ask: protocols, a local file, both families of addresses, certificates.

use super::*;

#[test]
fn soap_and_mobile_clients_ask_in_their_own_way() {
    const SOAP: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
        <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\" \
        xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><Response><ErrorCode>NoError</ErrorCode><ErrorMessage/>\
        <UserResponses><UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage/><UserSettingErrors/><UserSettings>\
        <UserSetting i:type=\"StringSetting\"><Name>UserDisplayName</Name><Value>Alice</Value></UserSetting>\
        <UserSetting i:type=\"StringSetting\"><Name>ExternalEwsUrl</Name><Value>https://mail.contoso.test/ews</Value></UserSetting>\
        <UserSetting i:type=\"AlternateMailboxCollectionSetting\"><Name>AlternateMailboxes</Name><AlternateMailboxes>\
        <AlternateMailbox><Type>Delegate</Type><DisplayName>Bob</DisplayName><SmtpAddress>bob@contoso.test</SmtpAddress>\
        </AlternateMailbox></AlternateMailboxes></UserSetting></UserSettings></UserResponse></UserResponses></Response>\
        </GetUserSettingsResponseMessage></s:Body></s:Envelope>";
    const MOBILE: &str = "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
        <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006\"><Action><Settings>\
        <Server><Type>MobileSync</Type><Url>https://mail.contoso.test/Microsoft-Server-ActiveSync</Url></Server>\
        </Settings></Action></Response></Autodiscover>";
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        behind_basic(heard, || match heard.target() {
            "/autodiscover/autodiscover.svc" => xml(SOAP),
            _ if heard.body.contains("mobilesync/requestschema") => xml(MOBILE),
            _ => xml(settings()),
        })
    });
    let bench = bench(&world);
    let ask = |protocol: &str| {
        let run = test(
            &bench,
            &world,
            &[USER, "--protocol", protocol, "--format", "json"],
        );
        let report = run.exits(0).json();
        conforms(&report);
        report
    };
    let soap = ask("soap");
    assert_eq!(soap["settings"]["displayName"], "Alice");
    assert_eq!(
        soap["settings"]["alternativeMailboxes"][0]["smtpAddress"],
        "bob@contoso.test"
    );
    let mobile = ask("mobilesync");
    assert_eq!(
        mobile["settings"]["servers"][0]["url"],
        "https://mail.contoso.test/Microsoft-Server-ActiveSync"
    );
    let both = ask("pox,soap");
    assert_eq!(
        (
            &both["protocols"][0]["protocol"],
            &both["protocols"][0]["cause"]
        ),
        (&Value::from("soap"), &Value::Null)
    );
    let soap_request = &world.server(ROOT, 443).heard()[1];
    assert!(
        soap_request
            .header("soapaction")
            .unwrap()
            .ends_with("/GetUserSettings\"")
    );
}

#[test]
fn a_local_file_may_lead_to_the_server() {
    let mut world = World::new(&[]);
    world
        .https(HOST, |_| status(404))
        .https(ROOT, |heard| match heard.target() {
            "/local/autodiscover/autodiscover.xml" => behind_basic(heard, || xml(settings())),
            _ => status(404),
        });
    let bench = bench(&world);
    bench.file(
        "local.xml",
        pages::redirect_url("https://contoso.test/local/autodiscover/autodiscover.xml"),
    );
    let report = test(
        &bench,
        &world,
        &[USER, "--local-xml", "local.xml", "--format", "json"],
    )
    .exits(0)
    .json();
    assert_eq!(
        steps(&report)[2..],
        [
            "local-xml: redirect-url".to_owned(),
            "local-xml: settings".to_owned()
        ]
    );
    bench.file("local.xml", "<html>");
    let report = test(
        &bench,
        &world,
        &[USER, "--local-xml", "local.xml", "--format", "json"],
    )
    .exits(1)
    .json();
    assert_eq!(report["cause"], "local-xml-broken");
}

#[test]
fn the_json_service_names_the_server_without_a_login() {
    let mut world = World::new(&[]);
    world.https(HOST, |heard| {
        if heard.target().starts_with("/autodiscover/autodiscover.json?Email=alice%40contoso.test") {
            let body = r#"{"Protocol":"AutodiscoverV1","Url":"https://autodiscover.contoso.test/autodiscover/autodiscover.xml"}"#;
            return Does::Answers(200, vec![("Content-Type", "application/json".to_owned())], body.into());
        }
        behind_basic(heard, || xml(settings()))
    });
    let report = test(&bench(&world), &world, &[USER, "--v2", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(
        steps(&report),
        ["v2-json: redirect-url", "v2-json: settings"]
    );
    let heard = world.server(HOST, 443).heard();
    assert_eq!(heard[0].header("authorization"), None);
}

#[test]
fn both_families_are_tried_and_a_dead_address_is_told() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| behind_basic(heard, || xml(settings())));
    let port = world.server(ROOT, 443).port;
    // A port that was free a moment ago.
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let bench = bench(&world);
    let resolve = format!("contoso.test:443:127.0.0.1:{dead},127.0.0.1:{port}");
    let report = bench
        .automend(&[
            "test",
            USER,
            "--password-file",
            "password",
            "--ca",
            "ca.pem",
            "--resolve",
            &resolve,
            "--resolver",
            &format!("127.0.0.1:{}", world.dns.port),
            "--format",
            "json",
        ])
        .exits(3)
        .json();
    assert_eq!(report["cause"], "address-dead");
}

#[test]
fn a_server_with_ipv6_alone_is_asked() {
    let mut world = World::new(&[]);
    let good = world.authority.good(ROOT);
    let script = |heard: &Heard| behind_basic(heard, || xml(settings()));
    let server = Server::start_at(Ipv6Addr::LOCALHOST.into(), Some(good), script);
    let resolve = format!("contoso.test:443:[::1]:{}", server.port);
    world.put("only.test", 443, server);
    let run = test(
        &bench(&world),
        &world,
        &[USER, "--format", "json", "--resolve", &resolve],
    );
    let report = run.exits(0).json();
    let at = report["steps"][0]["requests"][0]["server"]
        .as_str()
        .unwrap();
    assert!(at.starts_with("[::1]:"), "{at}");
}

#[test]
fn a_certificate_that_ends_soon_is_told() {
    let mut world = World::new(&[]);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 5);
    let until = world.authority.until(ROOT, soon.as_second());
    let server = Server::start(Some(until), |heard: &Heard| {
        behind_basic(heard, || xml(settings()))
    });
    world.put(ROOT, 443, server);
    let report = test(&bench(&world), &world, &[USER, "--format", "json"])
        .exits(3)
        .json();
    assert_eq!(report["cause"], "certificate-expires-soon");
    let day = soon.strftime("%Y-%m-%d").to_string();
    assert!(report["explanation"].as_str().unwrap().contains(&day));
}

#[test]
fn what_cannot_be_tested_is_not_called_broken() {
    let world = World::new(&[]);
    let bench = bench(&world);
    for (arguments, why) in [
        (vec!["test", "alice"], "is not an SMTP address"),
        (
            vec!["test", USER, "--url", "http://contoso.test/"],
            "credentials go over https only",
        ),
        (vec!["test", USER, "--url", "contoso.test"], "not a URL"),
        (
            vec!["test", USER, "--resolve", "contoso.test"],
            "write HOST:PORT:ADDRESS",
        ),
        (
            vec!["test", USER, "--resolver", "dns"],
            "no address of a DNS server",
        ),
        (vec!["test", USER, "--ca", "nothing.pem"], "nothing.pem"),
        (
            vec!["test", USER, "--allow-redirect", "a b"],
            "not a host name",
        ),
        (
            vec!["test", "--users", "nothing"],
            "reading --users nothing",
        ),
        (vec!["test"], "ADDRESS"),
    ] {
        let run = bench.automend(&arguments);
        assert_eq!(run.code, Some(2), "{run}");
        assert!(run.err.contains(why), "{why}: {run}");
    }
}

#[test]
fn a_cause_can_be_explained() {
    let bench = Bench::new();
    bench
        .automend(&["explain", "fault-603"])
        .exits(0)
        .says("an object that the answer needs was not found")
        .says("Outlook shows 0x800C8203 (seen).");
    bench
        .automend(&["explain"])
        .exits(0)
        .says("AM101")
        .says("certificate-expired");
    bench.automend(&["explain", "fault-999"]).exits(2);
}

#[test]
fn a_redirect_may_be_allowed_by_name_and_leads_nowhere_else() {
    let mut world = World::new(&[(
        "_autodiscover._tcp.contoso.test",
        Is::Served(&[(0, 0, 443, "mail.hoster.test")]),
    )]);
    world.https("mail.hoster.test", |heard| {
        behind_basic(heard, || xml(settings()))
    });
    let bench = bench(&world);
    let ask = |host: &str| {
        test(
            &bench,
            &world,
            &[USER, "--format", "json", "--allow-redirect", host],
        )
    };
    assert_eq!(
        ask("hoster.example").exits(1).json()["verdict"],
        "needs-consent"
    );
    assert!(world.server("mail.hoster.test", 443).logins().is_empty());
    ask("mail.hoster.test").exits(0);
}
