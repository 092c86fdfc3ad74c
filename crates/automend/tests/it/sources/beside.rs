//! What stands beside the links: redirects that end nowhere, delegates that never ask, homes that are
//! gone, and what Exchange left over; out of a file and out of an embedded directory alike.

use crate::tool::{Bench, findings};

const HOME: &str = "homeMDB: CN=DB1,CN=Configuration,DC=c,DC=test\n";

/// A user with these lines, a mailbox with `HOME` among them.
fn user(name: &str, lines: &str) -> String {
    let lower = name.to_lowercase();
    let letters: Vec<u8> = lower.bytes().cycle().take(16).collect();
    let guid = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, letters);
    let mailbox = if lines.contains("homeMDB") || lines.contains("msExchHomeServerName") {
        format!("msExchMailboxGuid:: {guid}\nmsExchRecipientTypeDetails: 1\n")
    } else {
        String::new()
    };
    format!(
        "dn: CN={name},DC=c,DC=test\nobjectClass: user\ndisplayName: {name}\nsAMAccountName: {lower}\n\
         mail: {lower}@c.test\nuserPrincipalName: {lower}@c.test\nproxyAddresses: SMTP:{lower}@c.test\n\
         legacyExchangeDN: /o=c/cn={lower}\n{mailbox}{lines}\n"
    )
}

/// A domain with one server and one database, a healthy link, and these objects.
fn company(objects: &str) -> String {
    let link = format!("{HOME}msExchDelegateListLink: CN=Amy,DC=c,DC=test\n");
    format!(
        "dn: DC=c,DC=test\nobjectClass: domainDNS\ndc: c\n\n\
         dn: CN=Configuration,DC=c,DC=test\nobjectClass: container\ncn: Configuration\n\n\
         dn: CN=EX1,CN=Configuration,DC=c,DC=test\nobjectClass: msExchExchangeServer\ncn: EX1\n\n\
         dn: CN=DB1,CN=Configuration,DC=c,DC=test\nobjectClass: msExchPrivateMDB\ncn: DB1\n\n{}{}{objects}",
        user("Amy", HOME),
        user("Bob", &link),
    )
}

/// Each finding in a word: its code, its subject, and the delegates if there are any.
fn told(report: &serde_json::Value) -> Vec<String> {
    let told = findings(report).into_iter();
    told.map(|text| text.trim_end_matches([':', ' ']).to_owned())
        .collect()
}

/// The findings of an audit with `options` of both sources, which are the same.
#[track_caller]
fn found(objects: &str, options: &[&str]) -> Vec<String> {
    let bench = Bench::new();
    bench.file("a.ldif", company(objects));
    bench
        .automend(&["directory", "import", "a.ldif", "-d", "a"])
        .exits(0);
    let of = |source: &str| {
        let audit = ["audit", "-d", source, "--format", "json"];
        told(&bench.automend(&[&audit, options].concat()).json())
    };
    let found = of("a.ldif");
    assert_eq!(found, of("a"), "the sources differ");
    found
}

#[test]
fn a_company_that_is_well_has_nothing_beside_its_links() {
    assert_eq!(found("", &["--deep"]), Vec::<String>::new());
}

#[test]
fn redirects_that_end_nowhere_are_found() {
    let to = |address: &str| format!("targetAddress: SMTP:{address}\n");
    let objects = [
        user("Self", &to("self@c.test")),
        user("Ping", &to("pong@c.test")),
        user("Pong", &to("PING@c.test")),
        user("Lost", &to("nobody@c.test")),
        user(
            "Shop",
            &(to("shop@c.test")
                + "msExchRecipientTypeDetails: 34359738368\nmsExchDelegateListLink: CN=Amy,DC=c,DC=test\n"),
        ),
        // These lead to a mailbox, or out.
        user("Moved", &to("amy@c.test")),
        user("Guest", &to("guest@partner.example")),
        user(
            "Cloud",
            &(to("cloud@c.mail.onmicrosoft.com")
                + "proxyAddresses: smtp:cloud@c.mail.onmicrosoft.com\n"),
        ),
    ];
    assert_eq!(
        found(&objects.concat(), &["--deep"]),
        [
            "AM117 Shop: Amy",
            "US210 Lost",
            "US210 Ping",
            "US210 Pong",
            "US210 Self",
            "US210 Shop"
        ]
    );
    assert_eq!(found(&objects.concat(), &[]), ["AM117 Shop: Amy"]);
    let amy = ["--delegate", "amy@c.test"];
    assert_eq!(found(&objects.concat(), &amy), ["AM117 Shop: Amy"]);
}

#[test]
fn a_mailbox_whose_mail_goes_elsewhere_and_one_without_a_home_are_found() {
    let objects = [
        user(
            "Twice",
            &format!("{HOME}targetAddress: SMTP:twice@new.example\n"),
        ),
        user("Own", &format!("{HOME}targetAddress: SMTP:own@c.test\n")),
        user("Gone", &HOME.replace("DB1", "DB9")),
        user(
            "Old",
            "msExchHomeServerName: /o=c/ou=x/cn=Servers/cn=OLDEX\n",
        ),
        user("New", "msExchHomeServerName: /o=c/ou=x/cn=Servers/cn=ex1\n"),
        // An owner in a database that is gone is reported once.
        user(
            "Lender",
            &(HOME.replace("DB1", "DB9") + "msExchDelegateListLink: CN=Amy,DC=c,DC=test\n"),
        ),
    ];
    assert_eq!(
        found(&objects.concat(), &["--deep"]),
        [
            "AM104 Lender: Amy",
            "US211 Twice",
            "US212 Gone",
            "US212 Old"
        ]
    );
    assert_eq!(
        found(&objects.concat(), &["--delegate", "gone@c.test"]),
        ["US212 Gone"]
    );
}

#[test]
fn delegates_that_never_ask_are_noted_with_the_mailbox_that_is_meant() {
    let sid = "S-1-5-21-1111111111-2222222222-3333333333-1104";
    let principal = format!("CN={sid},CN=FSP,DC=c,DC=test");
    let objects = [
        format!("dn: CN=FSP,DC=c,DC=test\nobjectClass: container\ncn: FSP\n\ndn: {principal}\nobjectClass: foreignSecurityPrincipal\n\n"),
        "dn: CN=Card,DC=c,DC=test\nobjectClass: contact\nmail: card@partner.example\n\n".to_owned(),
        "dn: CN=Plain,DC=c,DC=test\nobjectClass: user\nsAMAccountName: plain\n\n".to_owned(),
        user("Linked", &format!("{HOME}msExchMasterAccountSid:: AQUAAAAAAAUVAAAAxzU6Qo5rdIRVoa7GUAQAAA==\n"))
            .replace("msExchRecipientTypeDetails: 1", "msExchRecipientTypeDetails: 2"),
        user("Sales", &format!(
            "{HOME}msExchDelegateListLink: {principal}\nmsExchDelegateListLink: CN=Card,DC=c,DC=test\n\
             msExchDelegateListLink: CN=Plain,DC=c,DC=test\nmsExchDelegateListLink: CN=Linked,DC=c,DC=test\n"
        )),
    ]
    .concat();
    for options in [&["--deep"][..], &["--owner", "sales@c.test"]] {
        let mut found = found(&objects, options);
        found.sort();
        let told = [
            "AM118 Sales: Card".to_owned(),
            "AM118 Sales: Plain".to_owned(),
            format!("AM118 Sales: {sid}"),
        ];
        assert_eq!(found, told, "{options:?}");
    }
    let bench = Bench::new();
    bench.file("a.ldif", company(&objects));
    let report = bench
        .automend(&["audit", "-d", "a.ldif", "--deep", "--format", "json"])
        .exits(1)
        .json();
    let linked: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["evidence"]["linkedMailbox"].as_str())
        .collect();
    assert_eq!(linked, ["CN=Linked,DC=c,DC=test"]);
}

#[test]
fn what_exchange_left_over_is_found() {
    let point = |name: &str, host: &str| {
        format!(
            "dn: CN={name},CN=Configuration,DC=c,DC=test\nobjectClass: serviceConnectionPoint\n\
         keywords: 77378F46-2C66-4aa9-A6A6-3E7A48B19596\nserviceDNSName: {host}\n\
         serviceBindingInformation: https://{host}/Autodiscover/Autodiscover.xml\n\n"
        )
    };
    let group = |name: &str| {
        format!(
            "dn: CN={name},CN=Configuration,DC=c,DC=test\nobjectClass: msExchAdminGroup\n\n\
         dn: CN=Servers,CN={name},CN=Configuration,DC=c,DC=test\nobjectClass: msExchServersContainer\n\n"
        )
    };
    let server = "dn: CN=EX2,CN=Servers,CN=Second,CN=Configuration,DC=c,DC=test\nobjectClass: msExchExchangeServer\n\n";
    let database = |name: &str, owner: &str| {
        format!(
            "dn: CN={name},CN=Configuration,DC=c,DC=test\nobjectClass: msExchPrivateMDB\n\
         msExchOwningServer: CN={owner},CN=Configuration,DC=c,DC=test\n\n"
        )
    };
    let objects = [
        point("SCP1", "ex1.c.test"),
        point("SCP2", "oldex.c.test"),
        group("First"),
        group("Second"),
        server.to_owned(),
        database("DB2", "EX1"),
    ]
    .concat();
    let expected = ["DS301 SCP2", "DS302 DB1", "DS303 Servers"];
    let bench = Bench::new();
    bench.file("a.ldif", company(&objects));
    let audit = ["audit", "-d", "a.ldif", "--format", "json"];
    assert_eq!(told(&bench.automend(&audit).exits(1).json()), expected);
    // A database whose server is gone names one that is not known.
    bench.file("b.ldif", company(&(objects + &database("DB3", "OLDEX"))));
    let audit = ["audit", "-d", "b.ldif", "--format", "json"];
    let found = told(&bench.automend(&audit).exits(1).json());
    assert!(found.contains(&"DS302 DB3".to_owned()), "{found:?}");
}

#[test]
fn a_mailbox_elsewhere_is_in_no_plan_unless_it_is_asked_for() {
    let objects = user(
        "Sales",
        "targetAddress: SMTP:sales@partner.example\nmsExchMailboxGuid:: N8tZMKv7oV0ZFZdUg4BUzw==\nmsExchDelegateListLink: CN=Amy,DC=c,DC=test\n",
    );
    assert_eq!(found(&objects, &[]), ["AM116 Sales: Amy"]);
    assert_eq!(
        found(&objects, &["--delegate", "amy@c.test"]),
        ["AM116 Sales: Amy"]
    );
    let bench = Bench::new();
    bench.file("a.ldif", company(&objects));
    bench
        .automend(&["directory", "import", "a.ldif", "-d", "a"])
        .exits(0);
    bench
        .automend(&["fix", "-d", "a", "--yes"])
        .exits(0)
        .says("nothing to fix");
    for form in ["ldif", "powershell"] {
        let run = bench
            .automend(&["fix", "-d", "a.ldif", "--export", form])
            .exits(0);
        assert!(!run.out.contains("CN=Sales"), "{run}");
    }
    bench
        .automend(&[
            "fix",
            "-d",
            "a",
            "--elsewhere",
            "--yes",
            "--receipt",
            "r.ldif",
        ])
        .exits(0);
    bench.automend(&["audit", "-d", "a"]).exits(0);
    bench
        .automend(&["undo", "r.ldif", "-d", "a", "--yes"])
        .exits(0);
    bench.automend(&["audit", "-d", "a"]).exits(1).says("AM116");
}

#[test]
fn people_are_meant_by_the_names_that_people_use() {
    let twin = "dn: CN=Twin,OU=x,DC=c,DC=test\nobjectClass: user\nsAMAccountName: twin2\ndisplayName: Twin\n\n";
    let unit = "dn: OU=x,DC=c,DC=test\nobjectClass: organizationalUnit\nou: x\n\n";
    let bench = Bench::new();
    bench.file(
        "a.ldif",
        company(&(user("Twin", HOME) + unit + twin))
            .replace("displayName: Amy", "displayName: Amy Ames"),
    );
    bench
        .automend(&["directory", "import", "a.ldif", "-d", "a"])
        .exits(0);
    for source in ["a.ldif", "a"] {
        let show = |name| bench.automend(&["show", "-d", source, name]);
        for name in [
            "amy",
            "AMY",
            "C\\amy",
            "c.test\\Amy",
            "Amy Ames",
            "amy ames",
        ] {
            show(name).exits(0).says("CN=Amy,DC=c,DC=test");
        }
        // An account goes before a name that is shown; without one, both are named.
        show("twin").exits(0).says("CN=Twin,DC=c,DC=test");
        show("twin2").exits(1).says("CN=Twin,OU=x,DC=c,DC=test");
        show("nobody at all")
            .exits(2)
            .warns("no object has that name");
        let audit = bench.automend(&["audit", "-d", source, "--delegate", "amy"]);
        audit.exits(0);
    }
    let shown = bench.automend(&["show", "-d", "a.ldif", "Twin"]);
    shown.exits(0);
    let both = company(&(user("Twin", HOME) + unit + twin)).replace("sAMAccountName: twin\n", "");
    bench.file("b.ldif", both);
    bench
        .automend(&["show", "-d", "b.ldif", "Twin"])
        .exits(2)
        .warns("is not unique");
}
