//! Servers that do what no server should: an audit of them is complete, or it says what happened and
//! where, and exits with 2. It never waits for ever and never tells half of the truth as the whole.

mod asked;
mod connections;
mod fixing;
mod values;

use serde_json::Value;

use crate::ldap_server::ber::{ber, octets};
use crate::ldap_server::{
    Act, BASE, Held, LINK, Object, Op, Request, Server, message_of, notice, outcome,
};
use crate::tool::{Bench, Run, defects, findings};

/// Jim's mailbox was disabled, his link to Alice was not; Rosa's mailbox is well.
fn company() -> Vec<Object> {
    vec![
        Object::mailbox("Alice"),
        Object::mailbox("Rosa").opened_for(["Alice"]),
        Object::disabled("Jim").opened_for(["Alice"]),
    ]
}

/// So many owners, each with a link to Alice and one to a user of its own; every tenth is stale.
fn large_company(owners: usize) -> Vec<Object> {
    let mut objects = vec![Object::mailbox("Alice")];
    for i in 0..owners {
        let name = format!("Owner{i:04}");
        let owner = if i % 10 == 0 {
            Object::disabled(&name)
        } else {
            Object::mailbox(&name)
        };
        objects.push(owner.opened_for(["Alice".to_owned(), format!("User{i:04}")]));
    }
    objects
}

fn audit(server: &Server, more: &[&str]) -> Run {
    audit_as("json", server, more)
}

fn audit_as(form: &str, server: &Server, more: &[&str]) -> Run {
    let url = server.url();
    let mut arguments = vec![
        "audit",
        "-d",
        &url,
        "--allow-plaintext",
        "--timeout",
        "2",
        "--format",
        form,
    ];
    arguments.extend(more);
    Bench::new().automend(&arguments)
}

/// The audit could not be done: it says so, where and why, and reports nothing.
#[track_caller]
fn fails(server: &Server, why: &[&str]) {
    let run = audit(server, &[]).exits(2).warns(&server.url());
    for text in why {
        assert!(run.err.contains(text), "no {text:?} in: {run}");
    }
    assert_eq!(run.out, "");
}

/// The audit of [`company`] was done, and nothing is missing.
#[track_caller]
fn is_complete(server: &Server) -> Value {
    let report = audit(server, &[]).exits(1).json();
    assert_eq!(findings(&report), ["AM101 Jim: Alice"]);
    assert_eq!(report["counts"]["links"], 2);
    report
}

/// The audit of [`large_company`] was done, and nothing is missing or told twice.
#[track_caller]
fn is_complete_for(owners: usize, server: &Server, more: &[&str]) {
    let report = audit(server, more).exits(1).json();
    let found = findings(&report);
    let stale: Vec<&String> = found
        .iter()
        .filter(|line| line.starts_with("AM101"))
        .collect();
    let expected: Vec<String> = (0..owners)
        .step_by(10)
        .map(|i| format!("AM101 Owner{i:04}: Alice, User{i:04}"))
        .collect();
    assert_eq!(stale, expected.iter().collect::<Vec<_>>());
    assert_eq!(report["counts"]["owners"], owners);
    assert_eq!(report["counts"]["links"], 2 * owners);
    assert_eq!(report["counts"]["delegates"], owners + 1);
}

/// A server that does something to the search for owners, and is honest otherwise.
fn on_owners(
    objects: Vec<Object>,
    act: impl Fn(&Request, &mut Held) -> Act + Send + Sync + 'static,
) -> Server {
    Server::scripted(objects, move |request, held| {
        if request.is_for_owners() {
            act(request, held)
        } else {
            Act::Answer
        }
    })
}

/// How often this very page was asked for, this time included.
fn times(request: &Request, held: &Held) -> usize {
    let same = |other: &&Request| other.is_for_owners() && other.cookie() == request.cookie();
    held.asked.iter().filter(same).count()
}

#[test]
fn an_honest_server_is_audited() {
    let report = is_complete(&Server::honest(company()));
    assert_eq!(report["counts"]["owners"], 2);
}

/// Loses the search for owners at its sixth page, and knows no cookie of another connection.
fn forgetful(server_forgets: usize) -> Server {
    on_owners(large_company(100), move |request, held| {
        let given = |other: &&Request| {
            other.is_for_owners()
                && other.connection == request.connection
                && other.cookie() < request.cookie()
        };
        let is_known = held.asked.iter().any(|other| given(&other));
        match request.cookie() {
            Some(_) if !is_known => Act::Refuse(53, "cookie unknown"),
            Some(b"50") if request.connection < server_forgets => Act::Cut(3),
            _ => Act::Answer,
        }
    })
}

#[test]
fn a_server_that_forgets_a_search_is_searched_again_and_nothing_is_told_twice() {
    is_complete_for(100, &forgetful(1), &["--page-size", "10"]);
}

#[test]
fn a_server_that_forgets_every_search_is_given_up() {
    let server = forgetful(usize::MAX);
    let run = audit(&server, &["--page-size", "10"])
        .exits(2)
        .warns(&server.url())
        .warns("the search was lost");
    assert_eq!(run.out, "");
}

#[test]
fn page_after_page_without_an_entry_is_given_up() {
    fails(
        &on_owners(company(), |_, _| Act::EmptyPage),
        &["page after page without an entry"],
    );
}

#[test]
fn a_few_empty_pages_are_patience() {
    let server = on_owners(company(), |request, held| {
        if held
            .asked
            .iter()
            .filter(|other| other.is_for_owners())
            .count()
            < 5
        {
            return Act::EmptyPage;
        }
        assert!(request.cookie().is_some());
        Act::Answer
    });
    is_complete(&server);
}

#[test]
fn a_reference_to_another_server_stands_in_the_report() {
    let url = "ldap://dc9.child.contoso.test/DC=child,DC=contoso,DC=test";
    let server = on_owners(company(), move |_, _| Act::AnswerWithReference(url));
    let report = is_complete(&server);
    assert!(
        defects(&report).iter().any(|note| note.contains(url)),
        "{report:#}"
    );
}

#[test]
fn a_referral_instead_of_an_answer_is_told_with_the_other_server() {
    let server = on_owners(company(), |_, _| {
        Act::Refer("ldap://dc9.contoso.test/DC=contoso,DC=test")
    });
    fails(&server, &["referred to ldap://dc9.contoso.test"]);
}

#[test]
fn a_server_that_was_busy_is_asked_again() {
    let server = on_owners(company(), |request, held| {
        if times(request, held) < 3 {
            Act::Refuse(51, "too much to do")
        } else {
            Act::Answer
        }
    });
    is_complete(&server);
}

#[test]
fn a_server_that_stays_busy_is_given_up() {
    fails(
        &on_owners(company(), |_, _| Act::Refuse(51, "too much to do")),
        &["busy (51): too much to do"],
    );
}

#[test]
fn a_size_limit_is_an_error_and_never_a_short_report() {
    let server = on_owners(large_company(100), |_, _| Act::RefuseAfter(20, 4, ""));
    fails(&server, &["size limit", "sizeLimitExceeded (4)"]);
}

#[test]
fn a_time_limit_and_an_administrative_limit_are_errors() {
    fails(
        &on_owners(company(), |_, _| Act::RefuseAfter(1, 3, "")),
        &["time limit"],
    );
    fails(
        &on_owners(company(), |_, _| Act::RefuseAfter(1, 11, "")),
        &["administrative limit"],
    );
}

#[test]
fn a_page_smaller_than_the_one_asked_for_is_no_end() {
    let server = Server::honest(large_company(2500));
    server.held().page_at_most = 1000;
    is_complete_for(2500, &server, &["--page-size", "5000"]);
}

#[test]
fn a_server_without_an_owner_is_called_well_only_when_it_affirms_that_there_is_none() {
    let report = audit(&Server::honest(vec![Object::mailbox("Alice")]), &[])
        .exits(0)
        .json();
    assert_eq!(report["complete"], true, "{report:#}");
    let hidden = |object: Object| object.hiding(LINK);
    for (objects, why) in [
        (vec![hidden(Object::mailbox("Alice"))], "there may be links"),
        (
            vec![
                hidden(Object::mailbox("Alice")),
                hidden(Object::disabled("Jim")),
            ],
            "there may be links",
        ),
        (
            vec![Object::new("CN=Printers,DC=contoso,DC=test", &[])],
            "no user can be seen",
        ),
        (
            vec![
                Object::mailbox("Alice").opens(["Jim"]),
                hidden(Object::disabled("Jim").opened_for(["Alice"])),
            ],
            "1 owner is known by back links and shows no msExchDelegateListLink",
        ),
    ] {
        let server = Server::honest(objects);
        let report = audit(&server, &[]).exits(2).json();
        assert_eq!(report["complete"], false, "{report:#}");
        let unread = report["unread"].to_string();
        assert!(
            unread.contains(why) && unread.contains(&server.url()),
            "{unread}"
        );
        for form in ["csv", "jsonl", "ldif", "powershell", "html"] {
            audit_as(form, &server, &[]).exits(2).warns(why);
        }
        let table = audit_as("table", &server, &[]).exits(2);
        assert!(table.out.contains(why), "{table}");
        assert!(!table.out.contains("Nothing is wrong"), "{table}");
    }
}

#[test]
fn an_owner_whose_links_are_hidden_is_missed_beside_others() {
    let company = |jim: Object| {
        vec![
            Object::mailbox("Alice").opens(["Rosa", "Jim"]),
            Object::mailbox("Rosa").opened_for(["Alice"]),
            jim.opened_for(["Alice"]),
        ]
    };
    let server = Server::honest(company(Object::disabled("Jim").hiding(LINK)));
    let report = audit(&server, &[]).exits(2).json();
    assert!(
        report["unread"]
            .to_string()
            .contains("CN=Jim,DC=contoso,DC=test"),
        "{report:#}"
    );
    // A fix of what can be seen is not all of it.
    let url = server.url();
    let fix = [
        "fix",
        "-d",
        &url,
        "--allow-plaintext",
        "--timeout",
        "2",
        "--plan-only",
    ];
    Bench::new()
        .automend(&fix)
        .exits(2)
        .warns("CN=Jim,DC=contoso,DC=test")
        .says("not everything could be looked at");
    // With both sides in sight, there is nothing more to say.
    let report = audit(&Server::honest(company(Object::disabled("Jim"))), &[])
        .exits(1)
        .json();
    assert_eq!(report["complete"], true, "{report:#}");
}

#[test]
fn nobody_is_shown_without_links_that_are_only_hidden() {
    for (object, options) in [
        (
            Object::mailbox("Alice").hiding("msExchDelegateListBL"),
            ["--delegate", "alice@contoso.test"],
        ),
        (
            Object::mailbox("Alice").hiding(LINK),
            ["--owner", "alice@contoso.test"],
        ),
    ] {
        let server = Server::honest(vec![object]);
        let report = audit(&server, &options).exits(2).json();
        assert!(
            report["unread"].to_string().contains("may not read"),
            "{report:#}"
        );
        let url = server.url();
        let show = [
            "show",
            "-d",
            &url,
            "--allow-plaintext",
            "--timeout",
            "2",
            "alice@contoso.test",
        ];
        Bench::new().automend(&show).exits(2).warns("may not read");
        // A service that cannot see them would leave them out.
        let check = ["serve", "--check", "-d", &url, "--allow-plaintext"];
        let run = Bench::new().automend(&check);
        assert_eq!(
            run.code,
            Some(if options[0] == "--owner" { 2 } else { 0 }),
            "{run}"
        );
    }
}
