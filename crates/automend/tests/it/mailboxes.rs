//! A mailbox is made, disabled with its links left behind, and connected again; each is undone.

use serde_json::Value;

use crate::tool::schema::invalid;
use crate::tool::{Bench, Run};

const INFO: &str = "CN=Info,OU=Shared,DC=contoso,DC=com";
const JIM: &str = "CN=Jim Stone,OU=People,DC=contoso,DC=com";

/// Contoso without stale links, so that every user gets an answer.
fn healthy() -> Bench {
    let bench = Bench::contoso();
    run(&bench, &["fix", "--receipt", "fix.ldif"]).exits(0);
    bench
}

#[track_caller]
fn run(bench: &Bench, arguments: &[&str]) -> Run {
    bench.automend(&[arguments, &["-d", "directory", "--yes"]].concat())
}

fn alice(bench: &Bench) -> Run {
    let show = ["show", "alice@contoso.com", "-d", "directory", "-f", "xml"];
    bench.automend(&show)
}

/// What an object has, without what notes when it was written.
fn state(bench: &Bench, dn: &str) -> Vec<String> {
    let unfolded = bench
        .exported("directory")
        .replace("\r\n", "\n")
        .replace("\n ", "");
    let record = unfolded
        .split("\n\n")
        .find(|record| record.lines().any(|line| line == format!("dn: {dn}")))
        .unwrap_or_else(|| panic!("no {dn}"));
    let noted = ["whenChanged:", "uSNChanged:", "modifyTimestamp:", "#"];
    let mut lines: Vec<String> = record
        .lines()
        .filter(|line| !noted.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn has(state: &[String], start: &str) -> bool {
    state.iter().any(|line| line.starts_with(start))
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
fn a_disabled_mailbox_leaves_its_links_breaks_autodiscover_and_is_cured_by_connect() {
    let bench = healthy();
    let before = state(&bench, INFO);
    alice(&bench)
        .exits(0)
        .says("<SmtpAddress>info@contoso.com</SmtpAddress>");
    let disable = ["mailbox", "disable", "info@contoso.com"];
    run(
        &bench,
        &[&disable[..], &["--plan-only", "-o", "plan.json"]].concat(),
    )
    .exits(1)
    .says("- legacyExchangeDN: /o=Contoso/ou=")
    .says("+ msExchPreviousMailboxGuid: ")
    .says("Nothing was written.");
    assert_eq!(state(&bench, INFO), before);
    valid(
        &bench.read("plan.json"),
        include_str!("../../../../docs/delegation-plan.schema.json"),
        None,
    );
    run(
        &bench,
        &[&disable[..], &["--receipt", "disable.ldif"]].concat(),
    )
    .exits(0)
    .says("note: 2 AutoMapping links of Info <info@contoso.com> stay")
    .says("- mail: info@contoso.com");
    let disabled = state(&bench, INFO);
    for gone in [
        "homeMDB:",
        "legacyExchangeDN:",
        "msExchMailboxGuid:",
        "proxyAddresses:",
        "mail:",
        "msExchHomeServerName:",
        "msExchRecipientTypeDetails:",
    ] {
        assert!(has(&before, gone) && !has(&disabled, gone), "{gone}");
    }
    for kept in [
        "msExchPreviousMailboxGuid:: ",
        "msExchPreviousHomeMDB: CN=DB01,",
        "msExchPreviousRecipientTypeDetails: 4",
        "msExchMailboxSecurityDescriptor",
        "msExchDelegateListLink: CN=Alice",
        "msExchDelegateListLink: CN=Bob",
    ] {
        assert!(has(&disabled, kept), "{kept}: {disabled:?}");
    }
    alice(&bench).says("<ErrorCode>603");
    bench
        .automend(&["audit", "-d", "directory"])
        .exits(1)
        .says("AM101");
    run(&bench, &["mailbox", "disable", INFO])
        .exits(0)
        .says("has no mailbox: nothing to write");

    run(
        &bench,
        &["mailbox", "connect", INFO, "--receipt", "connect.ldif"],
    )
    .exits(0)
    .says("verified: Autodiscover offers the mailbox to 2 users");
    let connected = state(&bench, INFO);
    for back in [
        "msExchMailboxGuid:",
        "homeMDB:",
        "msExchHomeServerName:",
        "mail:",
        "proxyAddresses:",
        "msExchRecipientTypeDetails:",
    ] {
        let of = |state: &[String]| -> Vec<String> {
            state
                .iter()
                .filter(|line| line.starts_with(back))
                .cloned()
                .collect()
        };
        assert_eq!(of(&connected), of(&before), "{back}");
    }
    assert!(!has(&connected, "msExchPrevious"), "{connected:?}");
    alice(&bench)
        .exits(0)
        .says("<SmtpAddress>info@contoso.com</SmtpAddress>");
    run(&bench, &["mailbox", "connect", INFO])
        .exits(0)
        .says("has a mailbox already");

    // Back from both, to the very values.
    run(&bench, &["undo", "connect.ldif"])
        .exits(0)
        .says("msExchMailboxGuid, as it was")
        .says("the attributes of 1 mailbox");
    assert_eq!(state(&bench, INFO), disabled);
    run(&bench, &["undo", "disable.ldif"]).exits(0);
    assert_eq!(state(&bench, INFO), before);
    run(&bench, &["undo", "disable.ldif"])
        .exits(0)
        .says("was there");
    let receipt = bench.read("disable.ldif");
    let of_receipt = include_str!("../../../../docs/receipt.schema.json");
    for (comment, part) in [("# begin ", "begin"), ("# undone ", "undone")] {
        let line = receipt.lines().find_map(|line| line.strip_prefix(comment));
        valid(line.unwrap(), of_receipt, Some(part));
    }

    // The plan of before is carried out later, on a mailbox that is as it was.
    bench
        .automend(&["fix", "--plan", "plan.json", "-d", "directory", "--yes"])
        .exits(0);
    assert_eq!(state(&bench, INFO), disabled);
}

#[track_caller]
fn valid(json: &str, schema: &str, part: Option<&str>) {
    let (one, schema): (Value, Value) = (
        serde_json::from_str(json).unwrap(),
        serde_json::from_str(schema).unwrap(),
    );
    let of = part.map_or(&schema, |part| &schema["$defs"][part]);
    assert_eq!(invalid(&one, of, &schema, ""), Vec::<String>::new());
}

#[test]
fn a_user_gets_a_mailbox_and_links_that_were_left_work_again() {
    let bench = Bench::contoso();
    let before = state(&bench, JIM);
    alice(&bench).says("<ErrorCode>603");
    run(&bench, &["mailbox", "connect", "jim"])
        .exits(2)
        .warns("without msExchPreviousMailboxGuid there is no mailbox to connect");
    run(&bench, &["mailbox", "enable", "jim"])
        .exits(2)
        .warns("name one with --database (here: DB01, DB02)");
    run(&bench, &["mailbox", "enable", "jim", "--database", "DB9"])
        .exits(2)
        .warns("no one mailbox database is");
    let alice_has = [
        "mailbox",
        "enable",
        "jim",
        "--database",
        "DB02",
        "--address",
        "alice@contoso.com",
    ];
    run(&bench, &alice_has)
        .exits(2)
        .warns("is an address of CN=Alice Ames");
    assert_eq!(state(&bench, JIM), before);
    run(
        &bench,
        &[
            "mailbox",
            "enable",
            "jim",
            "--database",
            "db02",
            "--receipt",
            "r.ldif",
        ],
    )
    .exits(0)
    .says("verified: Autodiscover offers the mailbox to 1 user");
    alice(&bench)
        .exits(0)
        .says("<SmtpAddress>jim@contoso.com</SmtpAddress>");
    run(&bench, &["undo", "r.ldif"]).exits(0);
    assert_eq!(state(&bench, JIM), before);
}

#[test]
fn what_can_have_no_mailbox_here_is_refused_and_an_undo_leaves_later_changes_alone() {
    let bench = Bench::contoso();
    for (arguments, why) in [
        (
            [
                "mailbox",
                "disable",
                "CN=Helpdesk,OU=Shared,DC=contoso,DC=com",
            ],
            "its mailbox is in another system",
        ),
        (
            ["mailbox", "enable", "OU=People,DC=contoso,DC=com"],
            "only users have mailboxes",
        ),
        (["mailbox", "enable", "sam"], "mail user"),
        (["mailbox", "connect", "no-such-user"], "no-such-user"),
    ] {
        run(&bench, &arguments).exits(2).warns(why);
    }
    run(&bench, &["mailbox", "disable", INFO, "--receipt", "r.ldif"]).exits(0);
    run(
        &bench,
        &[
            "mailbox",
            "enable",
            INFO,
            "--database",
            "DB02",
            "--type",
            "shared",
        ],
    )
    .says("which stays disconnected");
    let now = state(&bench, INFO);
    assert!(has(&now, "msExchRecipientTypeDetails: 4"));
    run(&bench, &["undo", "r.ldif"])
        .exits(1)
        .says("or its attributes");
    assert_eq!(state(&bench, INFO), now);
}
