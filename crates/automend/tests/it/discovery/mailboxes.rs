//! The mailboxes that an answer offers, many users, and the owner behind an error 603.

use super::*;

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

/// Settings for the user in a request.
fn settings_of(request: &str) -> String {
    let asked = request
        .split_once("<EMailAddress>")
        .and_then(|(_, rest)| rest.split_once('<'));
    settings().replace(USER, asked.unwrap().0)
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
        xml(settings_of(&heard.body))
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
    // A line that is no address weighs more than a user who failed.
    let run = run
        .exits(2)
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
    bench.file("users", &users);
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
fn lines_that_are_no_address_end_with_2_and_a_password_needs_its_user() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        behind_basic(heard, || xml(settings_of(&heard.body)))
    });
    let bench = bench(&world);
    let arguments = ["--users", "users"];
    for lines in ["nobody\n", "user1@contoso.test\n@contoso.test\n"] {
        bench.file("users", lines);
        let own = [&arguments[..], &["--user", USER]].concat();
        test(&bench, &world, &own)
            .exits(2)
            .warns("is not an SMTP address")
            .says("1  lines that are no address");
    }
    let before = world.server(ROOT, 443).connections();
    test(&bench, &world, &arguments)
        .exits(2)
        .warns("name the user with --user or AUTOMEND_MAIL_USER");
    assert_eq!(world.server(ROOT, 443).connections(), before);
}

#[test]
fn the_login_of_the_directory_goes_to_no_mail_server() {
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        behind_basic(heard, || xml(settings_of(&heard.body)))
    });
    let bench = bench(&world);
    let flags = world.flags();
    let mut arguments = vec!["test", USER, "--format", "json"];
    arguments.extend(flags.iter().map(String::as_str));
    let directory = [
        ("AUTOMEND_DIRECTORY_USER", USER),
        ("AUTOMEND_DIRECTORY_PASSWORD", PASSWORD),
    ];
    let run = bench.automend_with(&directory, &arguments).exits(1);
    assert_eq!(run.json()["cause"], "login-wanted", "{run}");
    assert_eq!(world.server(ROOT, 443).logins(), [""; 0]);
    let mail = [
        ("AUTOMEND_DIRECTORY_USER", "audit@contoso.test"),
        ("AUTOMEND_DIRECTORY_PASSWORD", "another"),
        ("AUTOMEND_MAIL_USER", USER),
        ("AUTOMEND_MAIL_PASSWORD", PASSWORD),
    ];
    bench.automend_with(&mail, &arguments).exits(0);
    assert_eq!(world.server(ROOT, 443).logins(), [BASIC]);
}

#[test]
fn a_report_is_whole_whatever_the_password_is() {
    let mut world = World::new(&[]);
    world
        .https(ROOT, |_| challenge(&["Basic realm=\"x\""]))
        .https(HOST, |_| status(404));
    let bench = bench(&world);
    let without_times = |text: &str| -> String {
        let words = text.split_whitespace();
        let words = words.filter(|word| !word.chars().any(|c| c.is_ascii_digit()));
        words.collect::<Vec<_>>().join(" ")
    };
    for form in ["tree", "json"] {
        let mut expected = None;
        for password in [
            "Wint3r-Regen",
            "failed",
            "account",
            "wrong",
            "contoso",
            "step",
            "e",
        ] {
            bench.file("password", format!("{password}\n"));
            let run = test(&bench, &world, &[USER, "--format", form]).exits(1);
            let text = without_times(&run.out);
            assert_eq!(*expected.get_or_insert(text.clone()), text, "{password}");
        }
    }
}

#[test]
fn no_mark_that_hides_or_exchanges_text_comes_out_of_an_answer() {
    const MARKS: &str = "\u{9b}31m\u{85}\u{202e}\u{200f}\u{2066}\u{61c}\u{200b}\u{feff}";
    let mut world = World::new(&[]);
    world.https(ROOT, |heard| {
        behind_basic(heard, || {
            let marked = format!(
                "<DisplayName>A{}</DisplayName>",
                MARKS
                    .replace('\u{9b}', "&#x9b;")
                    .replace('\u{85}', "&#x85;")
            );
            xml(settings().replace("<DisplayName>Alice</DisplayName>", &marked))
        })
    });
    let bench = bench(&world);
    let arguments = [USER, "--har", "exchanges.har", "--log", "olkdisc.log"];
    let tree = test(&bench, &world, &arguments).exits(0).out;
    let run = test(&bench, &world, &[USER, "--format", "json"]).exits(0);
    let name = run.json()["settings"]["displayName"].clone();
    assert_eq!(name, format!("A{MARKS}"), "{run}");
    for format in ["table", "json"] {
        let read = bench
            .automend(&["trace", "exchanges.har", "--format", format])
            .exits(0)
            .says("contoso.test");
        assert_no_marks(MARKS, &read.out);
    }
    for text in [
        tree,
        run.out,
        bench.read("exchanges.har"),
        bench.read("olkdisc.log"),
    ] {
        assert_no_marks(MARKS, &text);
    }
}

#[track_caller]
fn assert_no_marks(marks: &str, text: &str) {
    for mark in marks.chars().filter(|mark| !mark.is_ascii()) {
        assert!(!text.contains(mark), "{mark:?} in {text:?}");
    }
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
        format!(
            "{}\n{point}",
            crate::tool::CONTOSO.trim_end().to_owned() + "\n"
        ),
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
    let command = report["directory"]["command"].as_array().unwrap();
    assert_eq!(
        command[command.len() - 2..],
        ["--owner", "CN=Jim Stone,OU=People,DC=contoso,DC=com"]
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
        .says("To fix: automend fix --directory");
}

#[test]
fn the_directory_tells_an_alias_from_somebody_else() {
    let mut world = World::new(&[]);
    world.https("contoso.com", |heard| {
        behind_basic(heard, || xml(settings().replace(USER, "alice@contoso.com")))
    });
    let bench = bench(&world);
    let people = ["alice", "bob"].map(|name| {
        format!(
            "dn: CN={name},DC=contoso,DC=com\nobjectClass: top\nobjectClass: person\n\
             objectClass: organizationalPerson\nobjectClass: user\nmailNickname: {name}\n\
             mail: {name}@contoso.com\nproxyAddresses: SMTP:{name}@contoso.com\n\
             proxyAddresses: smtp:{name}.alias@contoso.com\n"
        )
    });
    bench.file("people.ldif", people.join("\n"));
    let check = |address: &str, more: &[&str], expected: bool| {
        let own = [&[address, "--user", USER, "--format", "json"], more].concat();
        let report = test(&bench, &world, &own).json();
        let warnings = report["warnings"].as_array().unwrap().iter();
        let mut causes = warnings.map(|warning| warning["cause"].clone());
        assert_eq!(
            causes.any(|cause| cause == "address-differs"),
            expected,
            "{report:#}"
        );
    };
    let beside = ["--directory", "people.ldif"];
    check("alice.alias@contoso.com", &beside, false);
    check("bob@contoso.com", &beside, true);
    check("alice@contoso.com", &[], false);
    // Without a directory nothing tells an alias from another person's address.
    check("alice.alias@contoso.com", &[], true);
    check("alice.alias@contoso.com", &[], true);
}
