//! `automend test` against `automend serve`: the one company, in both policies, by every protocol and login;
//! and what is offered is found by the address under which it is offered.

use automend_negotiate::Binding;
use automend_negotiate::ntlm::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::served::{Ask, DOMAIN, PASSWORD, POX, Served, mailbox, outlook};
use crate::tool::{Bench, CONTOSO, Run};

/// Everybody of the company with [`PASSWORD`], and NTLM for those who want it.
fn serve(policy: &str) -> Served {
    let own = CONTOSO
        .lines()
        .filter(|line| !line.starts_with("userPassword:"));
    let company: String = own.flat_map(|line| [line, "\n"]).collect();
    Served::ldif(&company, &["--auth", "basic,ntlm", "--policy", policy])
}

/// Tests the service as `user`, with the company's directory beside it.
#[track_caller]
fn test(served: &Served, user: &str, protocol: &str, login: &str) -> (Run, Value) {
    test_on(&Bench::new(), served, user, protocol, login)
}

/// The same in a folder where more of it is wanted: what was said to the service, as a HAR and as a log.
#[track_caller]
fn test_on(
    bench: &Bench,
    served: &Served,
    user: &str,
    protocol: &str,
    login: &str,
) -> (Run, Value) {
    bench
        .file("password", format!("{PASSWORD}\n"))
        .file("contoso.ldif", CONTOSO);
    let page = if protocol == "soap" { "svc" } else { "xml" };
    let url = format!("https://{}/autodiscover/autodiscover.{page}", served.https);
    let authority = served.certificate.as_ref().unwrap().to_str().unwrap();
    let run = bench.automend(&[
        "test",
        user,
        "--password-file",
        "password",
        "--ca",
        authority,
        "--url",
        &url,
        "--protocol",
        protocol,
        "--auth",
        login,
        "--directory",
        "contoso.ldif",
        "--follow",
        "--har",
        "exchanges.har",
        "--log",
        "exchanges.log",
        "--format",
        "json",
    ]);
    let report = run.json();
    (run, report)
}

/// The alternative mailboxes, and what their own tests came to.
fn followed(report: &Value) -> Vec<String> {
    let alternatives = report["alternatives"].as_array().unwrap().iter();
    alternatives
        .map(|one| {
            ["type", "displayName", "verdict"]
                .map(|key| one[key].as_str().unwrap())
                .join(" ")
        })
        .collect()
}

#[test]
fn a_login_that_must_be_bound_to_its_connection_is_made_so() {
    let options = ["--auth", "basic,ntlm"];
    let own = CONTOSO
        .lines()
        .filter(|line| !line.starts_with("userPassword:"));
    let company: String = own.flat_map(|line| [line, "\n"]).collect();
    let served = Served::with(
        &company,
        "[serve]\nchannel-binding = \"required\"\n",
        &options,
    );
    for protocol in ["pox", "soap"] {
        let (run, report) = test(&served, "alice@contoso.com", protocol, "ntlm");
        assert_eq!(report["verdict"], "ok", "{run}");
    }
    // The same login without the binding: the password is right, and it is refused.
    let mut client = Client::new("alice@contoso.com", "", PASSWORD, "HTTP/localhost");
    for bound in [false, true] {
        let mut wire = served.connect();
        let certificate = wire.certificate().unwrap();
        client.binding = bound.then(|| Binding::to_server(&certificate)).flatten();
        let hello = client.hello();
        let mut ask = |message: &[u8]| {
            let value = format!("NTLM {}", STANDARD.encode(message));
            wire.ask(&Ask::post(POX, outlook("alice@contoso.com")).with("Authorization", &value))
        };
        let challenge = ask(hello.message());
        assert_eq!(challenge.status, 401);
        let mut values = challenge.headers.iter();
        let token = values
            .find_map(|(_, value)| value.strip_prefix("NTLM "))
            .unwrap();
        let answer = client
            .answer(&hello, &STANDARD.decode(token).unwrap(), 7)
            .unwrap();
        assert_eq!(ask(&answer).status, if bound { 200 } else { 401 });
        if !bound {
            served.logged(|line| {
                let why = line["reason"].as_str().unwrap_or_default();
                why.contains("bound to no TLS connection")
            });
        }
    }
}

const WAYS: [(&str, &str); 4] = [
    ("pox", "basic"),
    ("pox", "ntlm"),
    ("soap", "basic"),
    ("soap", "ntlm"),
];

#[test]
fn a_stale_link_fails_the_test_when_faithful_and_the_directory_names_its_owner() {
    let served = serve("faithful");
    for (protocol, login) in WAYS {
        let (run, report) = test(&served, "alice@contoso.com", protocol, login);
        let run = run.exits(1);
        assert_eq!(report["verdict"], "failed", "{run}");
        let finding = &report["directory"]["findings"][0];
        assert_eq!(finding["kind"], "stale-link", "{run}");
        assert_eq!(finding["owner"]["name"], "Jim Stone", "{run}");
        assert_eq!(
            report["directory"]["command"],
            json!([
                "automend",
                "fix",
                "--directory",
                "contoso.ldif",
                "--export",
                "ldif",
                "--owner",
                "CN=Jim Stone,OU=People,DC=contoso,DC=com"
            ]),
            "{run}"
        );
        if protocol == "pox" {
            assert_eq!(report["cause"], "fault-603", "{run}");
        }
    }
}

#[test]
fn a_stale_link_breaks_no_answer_when_healthy_and_what_is_offered_is_answered() {
    let served = serve("healthy");
    for (protocol, login) in WAYS {
        let (run, report) = test(&served, "alice@contoso.com", protocol, login);
        let run = run.exits(0);
        assert_eq!(report["verdict"], "ok", "{run}");
        assert_eq!(
            followed(&report),
            ["Delegate Info ok", "Delegate Room Aspen ok"],
            "{run}"
        );
    }
}

#[test]
fn what_a_test_writes_down_is_told_in_the_same_words_by_trace() {
    let served = serve("faithful");
    for (protocol, login) in WAYS {
        let bench = Bench::new();
        let (run, report) = test_on(&bench, &served, "alice@contoso.com", protocol, login);
        run.exits(1);
        for file in ["exchanges.har", "exchanges.log"] {
            let run = bench.automend(&["trace", file, "--format", "json"]);
            let run = run.exits(1);
            let told = run.json();
            let user = &told["users"][0];
            assert_eq!(user["address"], "alice@contoso.com", "{run}");
            assert_eq!(user["verdict"], report["verdict"], "{run}");
            assert_eq!(user["cause"], report["cause"], "{run}");
            assert_eq!(told["defects"], Value::Array(Vec::new()), "{run}");
        }
    }
}

#[test]
fn an_archive_is_followed_by_the_address_that_is_made_of_its_guid() {
    let served = serve("healthy");
    let (run, report) = test(&served, "uma@contoso.com", "pox", "basic");
    let run = run.exits(0);
    assert_eq!(
        followed(&report),
        [
            "Delegate Legal ok",
            "Archive In-Place Archive - Uma Voss ok"
        ],
        "{run}"
    );
}

#[test]
fn an_archive_is_offered_and_found_by_its_own_address() {
    let archive = [
        "msExchArchiveGUID:: AQIDBAUGBwgJCgsMDQ4PEA==",
        "msExchArchiveName: Archive of Amy",
        "msExchArchiveDatabaseLink: CN=DB1,DC=contoso,DC=com",
    ];
    let ldif = format!(
        "{DOMAIN}dn: CN=DB1,DC=contoso,DC=com\nobjectClass: msExchPrivateMDB\n\n{}",
        mailbox("Amy", &archive)
    );
    let served = Served::ldif(&ldif, &[]);
    let own = served.pox("amy@contoso.com");
    assert_eq!(own.pox(), "settings: Archive of Amy");
    let text = own.text();
    let (_, rest) = text.split_once("<SmtpAddress>ExchangeGuid+").unwrap();
    let (guid, _) = rest.split_once('@').unwrap();
    assert_eq!(guid, "04030201-0605-0807-090a-0b0c0d0e0f10");
    let address = format!("ExchangeGuid+{guid}@contoso.com");
    served
        .pox_as("amy@contoso.com", &address)
        .is(200)
        .says("<DisplayName>Archive of Amy</DisplayName>")
        .says(&format!("<Server>{guid}@contoso.com</Server>"))
        .says_not("AlternativeMailbox");
}
