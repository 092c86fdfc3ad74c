//! What `automend test` does besides finding fault: forms, follow-ups, many users, the directory beside it.

mod tool;
mod web;

use std::net::Ipv6Addr;

use serde_json::Value;
use tool::schema::invalid;
use tool::{Bench, Run};
use web::dns::Is;
use web::pages::{
    self, BASIC, PASSWORD, USER, behind_basic, challenge, fault, redirect, settings, settings_with,
    status, xml,
};
use web::{Does, Heard, Server, World};

const ROOT: &str = "contoso.test";
const HOST: &str = "autodiscover.contoso.test";

fn bench(world: &World) -> Bench {
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    bench.file("password", format!("{PASSWORD}\n"));
    bench
}

#[track_caller]
fn test(bench: &Bench, world: &World, arguments: &[&str]) -> Run {
    let flags = world.flags();
    let mut all = vec!["test", "--password-file", "password", "--timeout", "10"];
    all.extend(flags.iter().map(String::as_str));
    all.extend(arguments);
    bench.automend(&all)
}

fn steps(report: &Value) -> Vec<String> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let cause = step["cause"].as_str().unwrap_or("settings");
            let aside = if step["outlook"] == true {
                ""
            } else {
                " (aside)"
            };
            format!("{}{aside}: {cause}", step["step"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn every_step_is_reported_in_the_promised_shape() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| status(404))
        .https(HOST, |heard| behind_basic(heard, || xml(settings())))
        .http(HOST, |_| {
            redirect(
                302,
                "https://mail.hoster.test/autodiscover/autodiscover.xml",
            )
        });
    let report = test(
        &bench(&world),
        &world,
        &[USER, "--all-steps", "--format", "json", "--check-urls"],
    );
    let report = report.exits(3).json();
    assert_eq!(
        steps(&report),
        [
            "scp: no-directory",
            "root-domain: not-found",
            "autodiscover-host: settings",
            "local-xml (aside): no-local-xml",
            "http-redirect (aside): redirect-url",
            "http-redirect (aside): consent-needed",
            "srv (aside): no-srv-record",
        ]
    );
    let turns = report["steps"][2]["turns"].as_array().unwrap();
    assert_eq!(
        (&turns[0]["status"], &turns[0]["offered"][0]),
        (&Value::from(401), &Value::from("Basic"))
    );
    assert_eq!(
        (&turns[1]["status"], &turns[1]["login"]),
        (&Value::from(200), &Value::from("Basic"))
    );
    assert_eq!(turns[1]["tls"], "TLS 1.3");
    assert_eq!(report["settings"]["displayName"], "Alice");
    assert_eq!(report["settings"]["protocols"][0]["type"], "EXCH");
    conforms(&report);
}

/// The report is what `docs/test.schema.json` promises.
#[track_caller]
fn conforms(report: &Value) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/test.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(page).unwrap()).unwrap();
    assert_eq!(
        invalid(report, &schema, &schema, "report"),
        Vec::<String>::new()
    );
    // The check itself sees what is wrong.
    let mut broken = report.clone();
    broken["verdict"] = Value::from("fine");
    broken.as_object_mut().unwrap().remove("steps");
    assert_eq!(invalid(&broken, &schema, &schema, "report").len(), 2);
}

#[test]
fn the_tree_tells_steps_turns_and_the_verdict() {
    let mut world = World::new(&[]);
    world.https(HOST, |heard| {
        behind_basic(heard, || {
            xml(fault("603", "The Active Directory user wasn't found."))
        })
    });
    test(&bench(&world), &world, &[USER])
        .exits(1)
        .says("root-domain")
        .says("the name does not exist")
        .says("POST: 401, offers Basic")
        .says("POST with Basic: 200")
        .says("failed (fault-603)")
        .says("603 The Active Directory user wasn't found.")
        .says("automend audit --directory ldaps://DC --delegate alice@contoso.test")
        .says("shows 0x800C8203 (seen)");
}

#[test]
fn a_har_and_a_log_tell_every_turn_and_no_secret() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| {
            redirect(302, "http://contoso.test/autodiscover/autodiscover.xml")
        })
        .https(HOST, |heard| {
            if heard.header("authorization") == Some(BASIC) {
                let cookie = ("Set-Cookie", "session=very-secret".to_owned());
                Does::Answers(
                    200,
                    vec![cookie],
                    settings().replace("Alice", PASSWORD).into_bytes(),
                )
            } else {
                challenge(&["Negotiate", "NTLM", "Basic realm=\"mail\""])
            }
        });
    let bench = bench(&world);
    let run = test(
        &bench,
        &world,
        &[
            USER,
            "--auth",
            "basic",
            "--har",
            "x.har",
            "--log",
            "olkdisc.log",
        ],
    )
    .exits(0);
    let har = bench.read("x.har");
    let log = bench.read("olkdisc.log");
    for text in [&har, &log, &run.out] {
        for secret in [PASSWORD, BASIC.trim_start_matches("Basic "), "very-secret"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let har: Value = serde_json::from_str(&har).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| {
            let url = entry["request"]["url"].as_str().unwrap();
            format!(
                "{} {url} {}",
                entry["request"]["method"].as_str().unwrap(),
                entry["response"]["status"]
            )
        })
        .collect();
    let url = |host| format!("https://{host}/autodiscover/autodiscover.xml");
    assert_eq!(
        shown,
        [
            format!("POST {} 302", url(ROOT)),
            format!("POST {} 401", url(HOST)),
            format!("POST {} 200", url(HOST)),
        ]
    );
    let headers = entries[2]["request"]["headers"].as_array().unwrap();
    let login = headers
        .iter()
        .find(|header| header["name"] == "authorization")
        .unwrap();
    assert_eq!(login["value"], "Basic (removed)");
    assert!(
        entries[1]["request"]["postData"]["text"]
            .as_str()
            .unwrap()
            .contains(USER)
    );
    assert_eq!(
        entries[0]["response"]["redirectURL"],
        "http://contoso.test/autodiscover/autodiscover.xml"
    );
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" 0x"))
        .map(|line| line.splitn(5, ' ').nth(4).unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "AUTODISCOVER GET SETTINGS BEGIN",
            "SMTP=alice@contoso.test",
            "Autodiscover to https://contoso.test/autodiscover/autodiscover.xml starting",
            "GetLastError=0; httpStatus=302.",
            "Autodiscover to https://contoso.test/autodiscover/autodiscover.xml FAILED (0x80040413)",
            "Autodiscover to https://autodiscover.contoso.test/autodiscover/autodiscover.xml starting",
            "GetLastError=0; httpStatus=401.",
            "AutoDiscover supported auth schemes:  / Negotiate / NTLM / Basic",
            "AutoDiscover USING pcreds->dwAuthScheme: / Basic",
            "GetLastError=0; httpStatus=200.",
            "Autodiscover XML Received",
            "---BEGIN XML---",
            "---END XML---",
            "Autodiscover to https://autodiscover.contoso.test/autodiscover/autodiscover.xml Succeeded (0x00000000)",
            "AUTODISCOVER GET SETTINGS END",
        ]
    );
}

#[test]
fn the_request_is_outlooks() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| behind_basic(heard, || xml(settings())));
    test(&bench(&world), &world, &[USER]).exits(0);
    let heard = world.server(ROOT, 443).heard();
    // First without a login, as the schemes are not known yet.
    assert_eq!(
        heard
            .iter()
            .map(|heard| heard.header("authorization").is_some())
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(heard[1].line(), "POST /autodiscover/autodiscover.xml");
    for (name, value) in [
        ("content-type", "text/xml; charset=utf-8"),
        ("x-mapihttpcapability", "1"),
        ("x-clientcanhandle", "Negotiate, ExHttpInfo"),
        ("x-anchormailbox", USER),
        ("host", ROOT),
    ] {
        assert_eq!(heard[1].header(name), Some(value), "{name}");
    }
    assert!(
        heard[1]
            .header("user-agent")
            .unwrap()
            .starts_with("Microsoft Office/16.")
    );
    assert!(
        heard[1]
            .body
            .contains("<EMailAddress>alice@contoso.test</EMailAddress>")
    );
    assert!(heard[1].body.contains("outlook/responseschema/2006a"));
}

fn mailbox(inside: &str) -> String {
    format!("<AlternativeMailbox><Type>Delegate</Type>{inside}</AlternativeMailbox>")
}

#[test]
fn each_alternative_mailbox_is_asked_for_as_outlook_asks() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        behind_basic(heard, || {
            if heard.body.contains("<LegacyDN>/o=Contoso/cn=old</LegacyDN>") {
                return xml(settings());
            }
            if heard.body.contains("bob@contoso.test") {
                return xml(settings());
            }
            if heard.body.contains("jim@contoso.test") {
                return xml(fault("500", "The email address can't be found."));
            }
            let old = "<DisplayName>Old</DisplayName><LegacyDN>/o=Contoso/cn=old</LegacyDN><Server>EX01</Server>";
            let named = |name: &str| {
                let address = format!("<SmtpAddress>{name}@contoso.test</SmtpAddress>");
                mailbox(&format!("<DisplayName>{name}</DisplayName>{address}"))
            };
            xml(settings_with(&format!("{}{}{}{}", named("bob"), named("jim"), named("BOB"), mailbox(old))))
        })
    });
    let bench = bench(&world);
    let run = test(&bench, &world, &[USER, "--follow", "--format", "json"]).exits(3);
    let report = run.json();
    assert_eq!(
        (&report["verdict"], &report["cause"]),
        (&Value::from("warning"), &Value::from("alternative-fails"))
    );
    let followed: Vec<String> = report["alternatives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mailbox| {
            let cause = mailbox["cause"].as_str().unwrap_or("-");
            format!(
                "{} {} {cause}",
                mailbox["displayName"].as_str().unwrap(),
                mailbox["verdict"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(followed, ["bob ok -", "jim failed fault-500", "Old ok -"]);
    conforms(&report);
    // Nothing of a mailbox is lost, and the one that came twice is asked for once.
    assert_eq!(
        report["settings"]["alternativeMailboxes"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let asked = world.server(ROOT, 443).heard();
    let for_bob = asked
        .iter()
        .filter(|heard| heard.body.to_lowercase().contains("bob@contoso.test"));
    assert_eq!(for_bob.count(), 2, "once without a login and once with it");
    test(&bench, &world, &[USER, "--follow"])
        .exits(3)
        .says("an alternative mailbox has no Autodiscover answer of its own: jim");
}

#[test]
fn an_alternative_mailbox_of_another_domain_gets_no_password_unasked() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |heard| {
            behind_basic(heard, || {
                let shared =
                    "<DisplayName>Shared</DisplayName><SmtpAddress>shared@evil.test</SmtpAddress>";
                xml(settings_with(&mailbox(shared)))
            })
        })
        .https("evil.test", |heard| behind_basic(heard, || xml(settings())));
    let bench = bench(&world);
    let report = test(&bench, &world, &[USER, "--follow", "--format", "json"])
        .exits(3)
        .json();
    assert_eq!(report["alternatives"][0]["verdict"], "needs-consent");
    assert!(world.server("evil.test", 443).logins().is_empty());
    let arguments = [
        USER,
        "--follow",
        "--format",
        "json",
        "--allow-redirect",
        "evil.test",
    ];
    test(&bench, &world, &arguments).exits(0);
    assert_eq!(world.server("evil.test", 443).logins(), [BASIC]);
}

#[test]
fn the_urls_of_the_answer_are_looked_at_without_a_login() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |heard| {
            behind_basic(heard, || {
                xml(pages::account(
                    "<Action>settings</Action><Protocol><Type>EXPR</Type><AuthPackage>Ntlm</AuthPackage>\
                     <EwsUrl>https://mail.contoso.test/EWS/Exchange.asmx</EwsUrl>\
                     <OOFUrl>https://mail.contoso.test/EWS/Exchange.asmx</OOFUrl>\
                     <OABUrl>https://mail.contoso.test/OAB/</OABUrl>\
                     <UMUrl>https://mail.contoso.test/basic</UMUrl>\
                     <EcpUrl>http://mail.contoso.test/ecp/</EcpUrl>\
                     <EcpUrl-um>?p=customize</EcpUrl-um>\
                     <SharingUrl>https://gone.contoso.test/x</SharingUrl></Protocol>",
                ))
            })
        })
        .https("mail.contoso.test", |heard| match heard.target() {
            "/EWS/Exchange.asmx" => challenge(&["Negotiate", "NTLM"]),
            "/basic" => challenge(&["Basic realm=\"x\""]),
            _ => status(404),
        })
        .http("mail.contoso.test", |_| status(200));
    let run = test(
        &bench(&world),
        &world,
        &[USER, "--check-urls", "--format", "json"],
    )
    .exits(3);
    let report = run.json();
    let checked: Vec<String> = report["urls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|url| {
            let cause = url["cause"].as_str().unwrap_or("-");
            format!("{} {cause}", url["url"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        checked,
        [
            "https://mail.contoso.test/EWS/Exchange.asmx -",
            "https://mail.contoso.test/OAB/ url-fails",
            "https://mail.contoso.test/basic url-login-differs",
            "http://mail.contoso.test/ecp/ url-plain",
            "https://gone.contoso.test/x url-fails",
        ]
    );
    assert_eq!(
        report["urls"][0]["names"],
        serde_json::json!(["EXPR EwsUrl", "EXPR OOFUrl"])
    );
    assert!(world.server("mail.contoso.test", 443).logins().is_empty());
    conforms(&report);
}

/// So many addresses, one a line.
fn users(count: usize) -> String {
    let users: Vec<String> = (0..count)
        .map(|i| format!("user{i}@contoso.test"))
        .collect();
    users.join("\n") + "\n"
}

#[test]
fn many_users_are_tested_with_one_login_and_a_line_each() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        if heard.header("authorization").is_none() {
            return challenge(&["Basic realm=\"x\""]);
        }
        if heard.body.contains("user7@") {
            return xml(fault("603", "The Active Directory user wasn't found."));
        }
        xml(settings())
    });
    let bench = bench(&world);
    let users = users(40);
    bench.file("users", format!("# everybody\n\n{users}nobody\n"));
    let run = test(
        &bench,
        &world,
        &[
            "--users",
            "users",
            "--user",
            "admin@contoso.test",
            "--parallel",
            "4",
        ],
    );
    let run = run
        .exits(1)
        .warns("line 43: \"nobody\" is not an SMTP address");
    assert_eq!(
        run.out
            .lines()
            .filter(|line| line.starts_with("ok "))
            .count(),
        39,
        "{run}"
    );
    run.says("failed        user7@contoso.test")
        .says("40 tested")
        .says("     39  ok")
        .says("      1  fault-603: ");
    let lines = test(
        &bench,
        &world,
        &[
            "--users",
            "users",
            "--user",
            "admin@contoso.test",
            "--format",
            "json",
        ],
    )
    .exits(1);
    let reports: Vec<Value> = lines
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reports.len(), 40);
    conforms(&reports[0]);
}

#[test]
fn a_wrong_password_is_tried_once_however_many_users_are_tested() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| challenge(&["Basic realm=\"x\""]))
        .https(HOST, |_| challenge(&["Basic realm=\"x\""]));
    let bench = bench(&world);
    let users = users(200);
    bench.file("users", users);
    let arguments = [
        "--users",
        "users",
        "--user",
        "admin@contoso.test",
        "--parallel",
        "64",
    ];
    test(&bench, &world, &arguments)
        .exits(1)
        .warns("of 200 were not asked");
    let logins: usize = world
        .servers()
        .map(|(_, _, server)| server.logins().len())
        .sum();
    assert_eq!(logins, 1);
}

#[test]
fn an_error_603_is_traced_to_its_owner_by_the_directory() {
    let mut world = World::new(&[]);
    world.https("cas.contoso.com", |heard| {
        if heard.header("authorization").is_none() {
            return challenge(&["Basic realm=\"x\""]);
        }
        xml(fault("603", "The Active Directory user wasn't found."))
    });
    let bench = bench(&world);
    let point = "dn: CN=CAS1,CN=Configuration,DC=contoso,DC=com\n\
        objectClass: top\nobjectClass: serviceConnectionPoint\n\
        keywords: 77378F46-2C66-4aa9-A6A6-3E7A48B19596\nkeywords: Site=Oslo\n\
        serviceBindingInformation: https://cas.contoso.com/Autodiscover/Autodiscover.xml\n";
    bench.file(
        "contoso.ldif",
        format!("{}\n{point}", tool::CONTOSO.trim_end().to_owned() + "\n"),
    );
    let arguments = ["alice@contoso.com", "--directory", "contoso.ldif"];
    let run = test(
        &bench,
        &world,
        &[&arguments[..], &["--format", "json"]].concat(),
    )
    .exits(1);
    let report = run.json();
    assert_eq!(report["cause"], "fault-603", "{run}");
    assert_eq!(
        steps(&report)[..2],
        ["scp: servers-named".to_owned(), "scp: fault-603".to_owned()]
    );
    let findings = report["directory"]["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding["code"] == "AM101" && finding["owner"]["name"] == "Jim Stone")
    );
    let mend = report["directory"]["mend"].as_str().unwrap();
    assert!(
        mend.contains("--only \"CN=Jim Stone,OU=People,DC=contoso,DC=com\""),
        "{mend}"
    );
    assert!(
        report["explanation"]
            .as_str()
            .unwrap()
            .contains("Jim Stone")
    );
    conforms(&report);
    test(&bench, &world, &arguments)
        .exits(1)
        .says("Jim Stone")
        .says("To mend: automend fix --directory");
}

#[test]
fn soap_and_mobile_clients_ask_in_their_own_way() {
    const SOAP: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
        <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\" \
        xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><Response><ErrorCode>NoError</ErrorCode><ErrorMessage/>\
        <UserResponses><UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage/><UserSettingErrors/><UserSettings>\
        <UserSetting i:type=\"StringSetting\"><Name>UserDisplayName</Name><Value>Alice</Value></UserSetting>\
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
    let at = report["steps"][0]["turns"][0]["server"].as_str().unwrap();
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

#[cfg(target_os = "linux")]
mod on_a_terminal {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// Runs the binary with a terminal for questions, types something, and returns the report and what
    /// stands on the screen.
    fn run(bench: &Bench, arguments: &[&str], typed: &str) -> (Value, String) {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let name = name.into_string().unwrap();
        let open = || File::options().read(true).write(true).open(&name).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_automend"));
        command
            .args(arguments)
            .current_dir(bench.folder())
            .env_clear()
            .env("TERM", "dumb")
            .stdin(open())
            .stdout(Stdio::piped())
            .stderr(open());
        let child = command.spawn().unwrap();
        // The terminal closes with the child only when nobody else has it open.
        drop(command);
        let mut terminal = File::from(terminal);
        terminal.write_all(typed.as_bytes()).unwrap();
        let mut screen = Vec::new();
        let mut portion = [0; 4096];
        while let Ok(read @ 1..) = terminal.read(&mut portion) {
            screen.extend(&portion[..read]);
        }
        let output = child.wait_with_output().unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap();
        (report, String::from_utf8_lossy(&screen).into_owned())
    }

    #[test]
    fn a_redirect_to_another_host_asks_and_does_what_it_is_told() {
        for (typed, verdict, cause, logins) in [
            ("y\n", "ok", Value::Null, 1),
            ("n\n", "failed", Value::from("consent-refused"), 0),
            ("\n", "failed", Value::from("consent-refused"), 0),
        ] {
            let mut world = World::new(&[]);
            let leads = "https://mail.hoster.test/autodiscover/autodiscover.xml";
            world
                .http(HOST, move |_| redirect(302, leads))
                .https("mail.hoster.test", |heard| {
                    behind_basic(heard, || xml(settings()))
                });
            let bench = bench(&world);
            let flags = world.flags();
            let mut arguments = vec![
                "test",
                USER,
                "--password-file",
                "password",
                "--format",
                "json",
            ];
            arguments.extend(flags.iter().map(String::as_str));
            let (report, screen) = run(&bench, &arguments, typed);
            assert!(
                screen.contains("A redirect leads to mail.hoster.test. Allow this host to configure the account? [y/N]"),
                "{screen}"
            );
            assert_eq!(
                (&report["verdict"], &report["cause"]),
                (&Value::from(verdict), &cause),
                "{screen}"
            );
            assert_eq!(world.server("mail.hoster.test", 443).logins().len(), logins);
        }
    }
}
