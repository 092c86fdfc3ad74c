//! Clients of Autodiscover that no one of this project wrote, against automend.
//!
//! `lab/clients-up.sh` installs them, and each test starts automend in a town of its own. What is
//! checked is what a client ends up with, and where it keeps the answer, that answer.
//!
//! Alice has two mailboxes mapped, and a third whose owner is none any more: Jim Stone's.

mod programs;
mod town;

use serde_json::{Value, json};

use crate::curl::{Answer, alternatives, between};
use crate::lab::eventually;
use programs::Client;
use town::{Town, Turn, password};

const ALICE: &str = "alice@contoso.com";
const EWS: &str = "https://mail.contoso.com/EWS/Exchange.asmx";
const ACTIVE_SYNC: &str = "https://mail.contoso.com/Microsoft-Server-ActiveSync";
/// What is mapped to Alice and can be opened.
const MAPPED: [&str; 2] = ["Delegate info@contoso.com", "Delegate aspen@contoso.com"];

const BASIC: [&str; 2] = ["--auth", "basic"];
const BASIC_AND_NTLM: [&str; 2] = ["--auth", "ntlm,basic"];

/// What curl gets about Alice in `town` with this scheme.
#[track_caller]
fn curl(town: &Town, scheme: &str, login: &str, password: &str) -> Answer {
    Answer::of(
        town.command("curl").arg(scheme),
        town.var("LAB_CA"),
        &format!("{login}:{password}"),
        ALICE,
    )
}

/// The last answer that exchangelib got, and that it got just one.
#[track_caller]
fn only_answer(told: &Value) -> &str {
    let answers = told["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), 1, "{told:#}");
    answers[0].as_str().expect("a text")
}

#[track_caller]
fn check_exchangelib(client: Client, element: &str, login: &str, auth: [&str; 2]) {
    let town = Town::with(&auth);
    let told = client.search(&town, ALICE, login, &password("alice"));
    assert_eq!(
        (&told["ews"], &told["smtp"], &told["server"]),
        (&json!(EWS), &json!(ALICE), &json!("Exchange2016")),
        "{told:#}"
    );
    let answer = only_answer(&told);
    assert_eq!(alternatives(answer, element), MAPPED, "{answer}");
    assert!(!answer.contains("Jim"), "{answer}");
}

#[test]
fn exchangelib_5_opens_alice_over_soap_with_all_that_is_mapped_to_her() {
    check_exchangelib(Client::ExchangelibSoap, "AlternateMailbox", ALICE, BASIC);
}

#[test]
fn exchangelib_4_opens_alice_over_pox_with_all_that_is_mapped_to_her() {
    check_exchangelib(Client::ExchangelibPox, "AlternativeMailbox", ALICE, BASIC);
}

#[test]
fn exchangelib_5_logs_in_by_ntlm_where_it_is_offered() {
    check_exchangelib(
        Client::ExchangelibSoap,
        "AlternateMailbox",
        "CONTOSO\\alice",
        BASIC_AND_NTLM,
    );
}

#[test]
fn exchangelib_4_logs_in_by_ntlm_where_it_is_offered() {
    check_exchangelib(
        Client::ExchangelibPox,
        "AlternativeMailbox",
        ALICE,
        BASIC_AND_NTLM,
    );
}

#[test]
fn the_managed_api_finds_soap_by_the_header_and_the_mapped_mailboxes_by_soap() {
    let town = Town::with(&BASIC_AND_NTLM);
    for client in [Client::Managed, Client::ManagedNtlm] {
        assert_eq!(
            client.search(&town, ALICE, ALICE, &password("alice")),
            json!({
                "ews": EWS,
                "internal": EWS,
                "smtp": ALICE,
                "name": "Alice Ames",
                "mailboxes": ["Delegate Info", "Delegate Room Aspen"],
            }),
            "{client:?}"
        );
    }
}

#[test]
fn the_managed_api_is_told_of_an_archive_and_of_no_list_with_nothing_in_it() {
    let town = Town::with(&BASIC);
    let mailboxes = |user: &str| {
        let address = format!("{user}@contoso.com");
        let told = Client::Managed.search(&town, &address, &address, &password(user));
        assert_eq!(told["smtp"], address, "{told:#}");
        told["mailboxes"].clone()
    };
    assert_eq!(
        mailboxes("uma"),
        json!(["Delegate Legal", "Archive In-Place Archive - Uma Voss"])
    );
    assert_eq!(mailboxes("greta"), json!([]));
}

#[test]
fn the_small_clients_of_npm_find_what_each_of_them_looks_for() {
    let town = Town::with(&BASIC);
    let search = |client: Client| client.search(&town, ALICE, ALICE, &password("alice"));
    assert_eq!(search(Client::NodePox), json!({ "ews": EWS }));
    assert_eq!(
        search(Client::NodeActiveSync),
        json!({ "activesync": ACTIVE_SYNC })
    );
    let told = search(Client::NodeSoap);
    assert_eq!(
        (&told["ews"], &told["smtp"]),
        (&json!(EWS), &json!(ALICE)),
        "{told:#}"
    );
}

#[test]
fn evolution_finds_the_services_and_the_address_book() {
    let town = Town::with(&BASIC_AND_NTLM);
    for client in [Client::Evolution, Client::EvolutionNtlm] {
        assert_eq!(
            client.search(&town, ALICE, ALICE, &password("alice")),
            json!({ "ews": EWS, "oab": "https://mail.contoso.com/OAB/oab.xml" }),
            "{client:?}"
        );
    }
}

/// The servers of a configuration that Thunderbird found, as `TYPE WHERE`.
fn servers(found: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let servers = found["servers"]
        .as_array()
        .unwrap_or_else(|| panic!("nothing found: {found}"));
    let mut told: Vec<String> = servers
        .iter()
        .map(|server| {
            let at = text(&server["ews"])
                .unwrap_or_else(|| format!("{}:{}", server["hostname"], server["port"]));
            format!("{} {}", server["type"], at).replace('"', "")
        })
        .collect();
    // One entry for each way to log in.
    told.dedup();
    told
}

#[test]
fn thunderbird_offers_exchange_and_what_autoconfig_adds() {
    let town = Town::with(&BASIC);
    let told = Client::Thunderbird.search(&town, ALICE, ALICE, &password("alice"));
    let imap = "imap mail.contoso.com:993".to_owned();
    let exchange = format!("exchange {EWS}");
    assert_eq!(
        servers(&told["autodiscover"]),
        std::slice::from_ref(&exchange),
        "{told:#}"
    );
    assert_eq!(
        servers(&told["autoconfig"]),
        [imap.clone(), exchange.clone()],
        "{told:#}"
    );
    assert_eq!(told["autoconfig"]["smtp"], "mail.contoso.com");
    // Its own access to Exchange, in addition to that of add-ons.
    let ews = format!("ews {EWS}");
    assert_eq!(
        servers(&told["assistant"]),
        [imap, exchange, ews],
        "{told:#}"
    );
}

#[test]
fn curl_logs_in_by_whatever_it_is_told_to() {
    let town = Town::with(&BASIC_AND_NTLM);
    for scheme in ["--basic", "--ntlm", "--anyauth"] {
        for login in [ALICE, "CONTOSO\\alice"] {
            let answer = curl(&town, scheme, login, &password("alice"));
            assert_eq!(
                answer.alternatives(),
                MAPPED,
                "{scheme} {login}: {answer:?}"
            );
        }
        let answer = curl(&town, scheme, ALICE, "not Alice's password");
        assert_eq!(answer.status, "401", "{scheme}: {answer:?}");
    }
}

#[test]
fn somebody_else_is_not_told_what_is_mapped_to_alice() {
    let town = Town::with(&BASIC);
    let answer = curl(&town, "--basic", "greta@contoso.com", &password("greta"));
    assert_eq!(answer.alternatives(), [""; 0]);
    assert_eq!(between(&answer.body, "AutoDiscoverSMTPAddress"), [ALICE]);
}

/// Every client and its way to log in, but for those that need NTLM.
const ALL: [Client; 8] = [
    Client::ExchangelibSoap,
    Client::ExchangelibPox,
    Client::Managed,
    Client::NodePox,
    Client::NodeSoap,
    Client::NodeActiveSync,
    Client::Evolution,
    Client::Thunderbird,
];

/// What a client found, if it found anything.
fn found(told: &Value) -> Option<&str> {
    let first = &told["autodiscover"]["servers"][0]["ews"];
    [&told["ews"], &told["activesync"], first]
        .into_iter()
        .find_map(Value::as_str)
}

#[test]
fn as_exchange_does_it_one_stale_link_leaves_every_client_with_nothing() {
    let town = Town::with(&[BASIC[0], BASIC[1], "--policy", "faithful"]);
    for client in ALL {
        let told = client.search(&town, ALICE, ALICE, &password("alice"));
        assert_eq!(found(&told), None, "{client:?}: {told:#}");
        let fault = "The Active Directory user wasn't found.";
        match client {
            // These have a place for the message.
            Client::ExchangelibPox | Client::NodePox => {
                let said = told["message"].as_str().expect("a message");
                assert!(
                    said.contains("603") && said.contains(fault),
                    "{client:?}: {said}"
                );
            }
            Client::Managed => assert_eq!(told["message"], format!("InternalServerError: {fault}")),
            Client::ExchangelibSoap => {
                // One from each host that it tried.
                for answer in told["answers"].as_array().expect("answers") {
                    let answer = answer.as_str().expect("a text");
                    assert_eq!(
                        between(answer, "ErrorCode"),
                        ["NoError", "InternalServerError"],
                        "{answer}"
                    );
                    assert!(answer.contains(fault), "{answer}");
                }
            }
            _ => {}
        }
        // Those without a stale link are not touched.
        let told = client.search(
            &town,
            "greta@contoso.com",
            "greta@contoso.com",
            &password("greta"),
        );
        assert!(found(&told).is_some(), "{client:?}: {told:#}");
    }
    for route in ["pox", "soap"] {
        town.has_turn("the fault and its owner stand in the log", |turn| {
            turn.text("route") == route
                && turn.fault() == Some(603)
                && turn.text("reason").contains("Jim Stone")
        });
    }
}

/// Whether `client` finds a domain that can only be found in the way that its name tells.
fn walks(client: Client, domain: &str) -> bool {
    match (client, domain) {
        (Client::Evolution, "redirect.example")
        | (Client::NodePox | Client::NodeActiveSync, "srv.example") => false,
        (_, "host.example" | "redirect.example" | "srv.example") => true,
        _ => unreachable!("a domain of the laboratory"),
    }
}

#[test]
fn every_client_finds_automend_by_each_way_that_it_knows() {
    let town = Town::with(&BASIC);
    for client in ALL {
        for domain in ["host.example", "redirect.example", "srv.example"] {
            let told = client.search(&town, &format!("alice@{domain}"), ALICE, &password("alice"));
            let found = found(&told).is_some();
            assert_eq!(
                found,
                walks(client, domain),
                "{client:?} {domain}: {told:#}"
            );
        }
    }
}

#[test]
fn clients_that_follow_another_address_end_up_at_its_mailbox() {
    let town = Town::with(&BASIC);
    let liam = "liam@contoso.com";
    for client in [
        Client::ExchangelibSoap,
        Client::ExchangelibPox,
        Client::Managed,
        Client::Evolution,
        Client::Thunderbird,
    ] {
        let told = client.search(&town, liam, liam, &password("liam"));
        assert!(found(&told).is_some(), "{client:?}: {told:#}");
        if !told["smtp"].is_null() {
            assert_eq!(told["smtp"], "greta@contoso.com", "{client:?}: {told:#}");
        }
    }
}

/// How many wrong logins a client may make of one wrong password: with Basic one, however many hosts it
/// asks. NTLM proves a password in another way each time, so each request counts, two to each host.
fn mistakes(client: Client) -> usize {
    match client {
        Client::ExchangelibSoap
        | Client::ExchangelibPox
        | Client::ManagedNtlm
        | Client::EvolutionNtlm => 6,
        _ => 1,
    }
}

#[test]
fn a_wrong_password_is_told_by_every_client_and_locks_nobody_out() {
    let town = Town::with(&BASIC_AND_NTLM);
    let count =
        |wanted: &dyn Fn(&Turn) -> bool| town.turns().iter().filter(|turn| wanted(turn)).count();
    let clients = [
        ALL.as_slice(),
        &[Client::ManagedNtlm, Client::EvolutionNtlm],
    ]
    .concat();
    let mut before = 0;
    for (done, client) in clients.into_iter().enumerate() {
        let wrong = format!("what {client:?} takes for it");
        let told = client.search(&town, ALICE, ALICE, &wrong);
        assert_eq!(found(&told), None, "{client:?}: {told:#}");
        let why = [&told["error"], &told["autodiscover"]["error"]];
        assert!(
            why.into_iter().any(Value::is_string),
            "{client:?}: {told:#}"
        );
        // Anyone who corrects the password is let in at once, and not because a login is remembered: each
        // is spelled in another way.
        let spell = |(at, letter): (usize, char)| match done >> at & 1 {
            0 => letter,
            _ => letter.to_ascii_uppercase(),
        };
        let login: String = ALICE.chars().enumerate().map(spell).collect();
        let answer = curl(&town, "--basic", &login, &password("alice"));
        assert_eq!(answer.alternatives(), MAPPED, "after {client:?}");
        eventually("curl stands in the log", || {
            count(&|turn| turn.text("outcome") == "settings") > done
        });
        let now = count(&|turn| turn.text("reason").ends_with(": wrong login"));
        let made = now - before;
        before = now;
        assert!(
            (1..=mistakes(client)).contains(&made),
            "{client:?} made {made}"
        );
    }
}

#[test]
fn an_address_that_nobody_has_is_told_as_such() {
    let town = Town::with(&BASIC);
    let nobody = "nobody@contoso.com";
    let search = |client: Client| client.search(&town, nobody, ALICE, &password("alice"));
    let told = search(Client::ExchangelibSoap);
    assert_eq!(told["error"], "ErrorNonExistentMailbox", "{told:#}");
    let told = search(Client::Managed);
    assert!(
        told["message"]
            .as_str()
            .is_some_and(|said| said.starts_with("InvalidUser: ")),
        "{told:#}"
    );
    let told = search(Client::ExchangelibPox);
    assert_eq!(told["error"], "ErrorNonExistentMailbox", "{told:#}");
    assert_eq!(
        between(only_answer(&told), "ErrorCode"),
        ["500"],
        "{told:#}"
    );
    let told = search(Client::NodePox);
    assert_eq!(
        told["message"], "errorCode: 500, message: \"The email address can't be found.\"",
        "{told:#}"
    );
}
