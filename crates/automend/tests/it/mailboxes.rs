//! A mailbox is made, disabled with its links left behind, and connected again; each is undone.

use serde_json::Value;

use crate::tool::schema::invalid;
use crate::tool::{Bench, Run, state};

const INFO: &str = "CN=Info,OU=Shared,DC=contoso,DC=com";
const JIM: &str = "CN=Jim Stone,OU=People,DC=contoso,DC=com";

fn alice(bench: &Bench) -> Run {
    let show = ["show", "alice@contoso.com", "-d", "directory", "-f", "xml"];
    bench.automend(&show)
}

fn has(state: &[String], start: &str) -> bool {
    state.iter().any(|line| line.starts_with(start))
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
fn a_disabled_mailbox_leaves_its_links_breaks_autodiscover_and_is_cured_by_connect() {
    let bench = Bench::healthy_contoso();
    let before = state(&bench, INFO);
    alice(&bench)
        .exits(0)
        .says("<SmtpAddress>info@contoso.com</SmtpAddress>");
    let disable = ["mailbox", "disable", "info@contoso.com"];
    bench
        .without_question(&[&disable[..], &["--plan-only", "-o", "plan.json"]].concat())
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
    bench
        .without_question(&[&disable[..], &["--receipt", "disable.ldif"]].concat())
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
    bench
        .without_question(&["mailbox", "disable", INFO])
        .exits(0)
        .says("has no mailbox: nothing to write");

    bench
        .without_question(&["mailbox", "connect", INFO, "--receipt", "connect.ldif"])
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
    bench
        .without_question(&["mailbox", "connect", INFO])
        .exits(0)
        .says("has a mailbox already");

    // Back from both, to the very values.
    bench
        .without_question(&["undo", "connect.ldif"])
        .exits(0)
        .says("msExchMailboxGuid, as it was")
        .says("the attributes of 1 mailbox");
    assert_eq!(state(&bench, INFO), disabled);
    bench.without_question(&["undo", "disable.ldif"]).exits(0);
    assert_eq!(state(&bench, INFO), before);
    bench
        .without_question(&["undo", "disable.ldif"])
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
    bench
        .without_question(&["mailbox", "connect", "jim"])
        .exits(2)
        .warns("without msExchPreviousMailboxGuid there is no mailbox to connect");
    bench
        .without_question(&["mailbox", "enable", "jim"])
        .exits(2)
        .warns("name one with --database (here: DB01, DB02)");
    bench
        .without_question(&["mailbox", "enable", "jim", "--database", "DB9"])
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
    bench
        .without_question(&alice_has)
        .exits(2)
        .warns("is an address of CN=Alice Ames");
    assert_eq!(state(&bench, JIM), before);
    bench
        .without_question(&[
            "mailbox",
            "enable",
            "jim",
            "--database",
            "db02",
            "--receipt",
            "r.ldif",
        ])
        .exits(0)
        .says("verified: Autodiscover offers the mailbox to 1 user");
    alice(&bench)
        .exits(0)
        .says("<SmtpAddress>jim@contoso.com</SmtpAddress>");
    bench.without_question(&["undo", "r.ldif"]).exits(0);
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
        bench.without_question(&arguments).exits(2).warns(why);
    }
    bench
        .without_question(&["mailbox", "disable", INFO, "--receipt", "r.ldif"])
        .exits(0);
    bench
        .without_question(&[
            "mailbox",
            "enable",
            INFO,
            "--database",
            "DB02",
            "--type",
            "shared",
        ])
        .says("which stays disconnected");
    let now = state(&bench, INFO);
    assert!(has(&now, "msExchRecipientTypeDetails: 4"));
    bench
        .without_question(&["undo", "r.ldif"])
        .exits(1)
        .says("or its attributes");
    assert_eq!(state(&bench, INFO), now);
}
