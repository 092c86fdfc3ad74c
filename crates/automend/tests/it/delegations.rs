//! The life of a delegation: granted, mapped, lost, given back, taken; and what each command refuses.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::tool::schema::invalid;
use crate::tool::{Bench, CONTOSO, object, state};

const INFO: &str = "CN=Info,OU=Shared,DC=contoso,DC=com";
const CAROL: &str = "CN=Carol Danes,OU=People,DC=contoso,DC=com";
const ALICE: &str = "CN=Alice Ames,OU=People,DC=contoso,DC=com";

fn descriptor(state: &[String]) -> String {
    let line = state
        .iter()
        .find(|line| line.starts_with("msExchMailboxSecurityDescriptor"));
    line.cloned().unwrap_or_default()
}

fn has_link(state: &[String], delegate: &str) -> bool {
    state.contains(&format!("msExchDelegateListLink: {delegate}"))
}

#[test]
fn a_grant_writes_permission_and_link_and_its_undo_brings_the_same_bytes_back() {
    let bench = Bench::healthy_contoso();
    let before = state(&bench, INFO);
    let grant = ["grant", "info@contoso.com", "--to", "carol@contoso.com"];
    bench
        .without_question(&[&grant[..], &["--plan-only"]].concat())
        .exits(1)
        .says("+ msExchDelegateListLink: CN=Carol Danes")
        .says("+ allow full access: Carol Danes <carol@contoso.com> (S-1-5-21-")
        .says("3 other entries stay as before")
        .says("Nothing was written.");
    assert_eq!(state(&bench, INFO), before);
    bench
        .without_question(&[&grant[..], &["--receipt", "r.ldif"]].concat())
        .exits(0)
        .says("Plan: give Carol Danes <carol@contoso.com> full access to Info")
        .says("verified: Autodiscover offers the mailbox to 1 user")
        .says("To undo: automend undo");
    let after = state(&bench, INFO);
    assert!(has_link(&after, CAROL) && has_link(&after, ALICE));
    assert_ne!(descriptor(&after), descriptor(&before));
    bench
        .automend(&[
            "show",
            "carol@contoso.com",
            "-d",
            "directory",
            "--format",
            "xml",
        ])
        .exits(0)
        .says("<SmtpAddress>info@contoso.com</SmtpAddress>");

    // Granted already: nothing is written, and no receipt.
    bench
        .without_question(&[&grant[..], &["--receipt", "again.ldif"]].concat())
        .exits(0)
        .says(
            "has full access to Info <info@contoso.com> already, and is mapped: nothing to write.",
        );
    assert!(!bench.path("again.ldif").exists());

    let receipt = bench.read("r.ldif");
    let of_receipt: Value =
        serde_json::from_str(include_str!("../../../../docs/receipt.schema.json")).unwrap();
    for (comment, part) in [
        ("# automend receipt ", "header"),
        ("# begin ", "begin"),
        ("# end ", "end"),
    ] {
        let line = receipt.lines().find_map(|line| line.strip_prefix(comment));
        let one: Value = serde_json::from_str(line.unwrap()).unwrap();
        let part = &of_receipt["$defs"][part];
        assert_eq!(
            invalid(&one, part, &of_receipt, comment),
            Vec::<String>::new()
        );
    }
    bench
        .without_question(&["undo", "r.ldif"])
        .exits(0)
        .says("- CN=Carol Danes")
        .says("the permissions of the mailbox, as they were")
        .says("restored");
    assert_eq!(state(&bench, INFO), before);
    bench
        .without_question(&["undo", "r.ldif"])
        .exits(0)
        .says("was there");
    assert_eq!(state(&bench, INFO), before);
}

#[test]
fn a_revocation_takes_both_and_its_undo_gives_both_back() {
    let bench = Bench::healthy_contoso();
    let before = state(&bench, INFO);
    bench
        .without_question(&["revoke", INFO, "--from", "alice", "--receipt", "r.ldif"])
        .exits(0)
        .says("- msExchDelegateListLink: CN=Alice Ames")
        .says("- allow full access: Alice Ames <alice@contoso.com> (S-1-5-21-")
        .says("2 other entries stay as before");
    let after = state(&bench, INFO);
    assert!(!has_link(&after, ALICE));
    assert_ne!(descriptor(&after), descriptor(&before));
    bench
        .without_question(&["revoke", INFO, "--from", "alice"])
        .exits(0)
        .says("nothing to write");
    bench.without_question(&["undo", "r.ldif"]).exits(0);
    assert_eq!(state(&bench, INFO), before);
}

#[test]
fn full_access_without_automapping_writes_no_link() {
    let bench = Bench::healthy_contoso();
    bench
        .without_question(&["grant", INFO, "--to", CAROL, "--no-automapping"])
        .exits(0);
    let granted = state(&bench, INFO);
    assert!(!has_link(&granted, CAROL));
    // The link alone, and it goes alone.
    bench
        .without_question(&["automap", "on", INFO, CAROL])
        .exits(0);
    let mapped = state(&bench, INFO);
    assert!(has_link(&mapped, CAROL) && descriptor(&mapped) == descriptor(&granted));
    bench
        .without_question(&["grant", INFO, "--to", CAROL, "--no-automapping"])
        .exits(0)
        .says("`automend automap off` ends that");
    bench
        .without_question(&["automap", "off", INFO, CAROL])
        .exits(0);
    assert_eq!(state(&bench, INFO), granted);
}

#[test]
fn an_undo_leaves_an_owner_alone_whose_permissions_have_changed_since() {
    let bench = Bench::healthy_contoso();
    let before = state(&bench, INFO);
    let grant = |user: &str, receipt: &str| {
        bench
            .without_question(&["grant", INFO, "--to", user, "--receipt", receipt])
            .exits(0);
    };
    grant("carol@contoso.com", "first.ldif");
    grant("greta@contoso.com", "second.ldif");
    let both = state(&bench, INFO);
    bench
        .without_question(&["undo", "first.ldif"])
        .exits(1)
        .says("the permissions of the mailbox have changed since");
    assert_eq!(state(&bench, INFO), both);
    bench.without_question(&["undo", "second.ldif"]).exits(0);
    bench.without_question(&["undo", "first.ldif"]).exits(0);
    assert_eq!(state(&bench, INFO), before);
}

#[test]
fn a_grant_that_was_killed_at_any_moment_is_undone_from_its_receipt() {
    let bench = Bench::healthy_contoso();
    let before = state(&bench, INFO);
    bench
        .without_question(&["grant", INFO, "--to", CAROL, "--receipt", "r.ldif"])
        .exits(0);
    let whole = bench.read("r.ldif");
    let begin = whole.find("# begin ").unwrap();
    let end = whole.find("# end ").unwrap();
    // Killed between the write and its end: the directory tells.
    bench.file("killed.ldif", &whole[..end]);
    bench
        .without_question(&["undo", "killed.ldif"])
        .exits(0)
        .says("restored");
    assert_eq!(state(&bench, INFO), before);
    // Killed before the write.
    for cut in [begin, begin + 40, usize::midpoint(begin, end), end - 3, end] {
        bench.file("killed.ldif", &whole[..cut]);
        bench.without_question(&["undo", "killed.ldif"]).exits(0);
        assert_eq!(state(&bench, INFO), before, "cut off at {cut}");
    }
}

#[test]
fn what_cannot_be_granted_is_refused_with_the_reason_and_nothing_is_written() {
    let bench = Bench::healthy_contoso();
    let before = bench.exported("directory");
    for (arguments, expected) in [
        (
            ["grant", INFO, "--to", "nobody@contoso.com"],
            "no object has this address or name",
        ),
        (
            ["grant", "nobody@contoso.com", "--to", CAROL],
            "no object has this address or name",
        ),
        (
            ["grant", INFO, "--to", "No Such Person"],
            "no object has that name",
        ),
        (
            ["grant", INFO, "--to", INFO],
            "a mailbox is not granted to its own user",
        ),
        (
            [
                "grant",
                "CN=Jim Stone,OU=People,DC=contoso,DC=com",
                "--to",
                CAROL,
            ],
            "a link to it would break Autodiscover for the user (error 603)",
        ),
        (
            [
                "grant",
                "CN=Sam Porter,OU=People,DC=contoso,DC=com",
                "--to",
                CAROL,
            ],
            "it is a recipient without a mailbox",
        ),
        (
            ["grant", INFO, "--to", "OU=People,DC=contoso,DC=com"],
            "only users and groups can be given access",
        ),
        (
            ["revoke", INFO, "--from", INFO],
            "its own access is not taken",
        ),
    ] {
        bench.without_question(&arguments).exits(2).warns(expected);
    }
    // Several are called so.
    let twins = Bench::new();
    twins.file(
        "twins.ldif",
        CONTOSO.replace("displayName: Carol Danes", "displayName: Bob Carter"),
    );
    twins
        .automend(&["directory", "import", "twins.ldif", "-d", "directory"])
        .exits(0);
    twins
        .without_question(&["grant", INFO, "--to", "Bob Carter"])
        .exits(2)
        .warns("is not unique");
    // Without a terminal no one can be asked.
    bench
        .automend(&["grant", INFO, "--to", CAROL, "-d", "directory"])
        .exits(2)
        .warns("Answer with --yes");
    bench.file("c.ldif", CONTOSO);
    bench
        .automend(&["grant", INFO, "--to", CAROL, "-d", "c.ldif", "--yes"])
        .exits(2)
        .warns("a file is only read");
    assert_eq!(bench.exported("directory"), before);
}

#[test]
fn a_group_gets_the_permission_and_never_a_link() {
    let bench = Bench::healthy_contoso();
    bench
        .without_question(&[
            "grant",
            INFO,
            "--to",
            "project.team@contoso.com",
            "--receipt",
            "r.ldif",
        ])
        .exits(0)
        .says("Autodiscover does not look into groups")
        .says("automend automap on info@contoso.com USER");
    let after = state(&bench, INFO);
    assert!(
        after
            .iter()
            .filter(|line| line.contains("Project Team"))
            .count()
            == 0
    );
    bench
        .without_question(&["automap", "on", INFO, "project.team@contoso.com"])
        .exits(2)
        .warns("name its members instead");
    // Every user with an entry, and the group by name.
    bench
        .without_question(&["automap", "off", INFO, "--all"])
        .exits(0);
    bench
        .without_question(&["automap", "on", INFO, "--all"])
        .exits(0)
        .says("left out S-1-5-21-")
        .says("is a group, which cannot be mapped")
        .says("offers the mailbox to 2 users");
    let mapped = state(&bench, INFO);
    assert!(has_link(&mapped, ALICE) && !has_link(&mapped, CAROL));
}

/// Contoso with another descriptor on Info.
fn with_descriptor(base64: &str) -> Bench {
    let bench = Bench::new();
    let start = CONTOSO.find(&format!("dn: {INFO}")).unwrap();
    let line = start
        + CONTOSO[start..]
            .find("msExchMailboxSecurityDescriptor::")
            .unwrap();
    let end = line + CONTOSO[line..].find('\n').unwrap();
    let new = if base64.is_empty() {
        "description: no descriptor".to_owned()
    } else {
        format!("msExchMailboxSecurityDescriptor:: {base64}")
    };
    let text = [&CONTOSO[..line], &new, &CONTOSO[end..]].concat();
    bench.file("c.ldif", text);
    bench
        .automend(&["directory", "import", "c.ldif", "-d", "directory"])
        .exits(0);
    bench
        .without_question(&["fix", "--receipt", "fix.ldif"])
        .exits(0);
    bench
}

#[test]
fn a_descriptor_that_cannot_be_read_is_refused_and_one_that_is_missing_is_made() {
    // Cut off within its list.
    let broken = with_descriptor(
        "AQAEgBQAAAAgAAAAAAAAACwAAAABAQAAAAAABQoAAAABAQAAAAAABQoAAAACAGQAAwAAAAACFAABAAIA",
    );
    let before = broken.exported("directory");
    for arguments in [
        ["grant", INFO, "--to", CAROL],
        ["revoke", INFO, "--from", ALICE],
    ] {
        broken
            .without_question(&arguments)
            .exits(2)
            .warns("cannot be read (security descriptor, byte 46: a list of a wrong size)")
            .warns("it is left as it is, and nothing was written");
    }
    broken
        .without_question(&["automap", "on", INFO, "--all"])
        .exits(2)
        .warns("a list of a wrong size");
    assert_eq!(broken.exported("directory"), before);

    let missing = with_descriptor("");
    let before = state(&missing, INFO);
    missing
        .without_question(&["grant", INFO, "--to", CAROL, "--receipt", "r.ldif"])
        .exits(0);
    assert!(!descriptor(&state(&missing, INFO)).is_empty());
    missing.without_question(&["undo", "r.ldif"]).exits(0);
    assert_eq!(state(&missing, INFO), before);

    // O:PSG:PSD:(D;CI;CC;;;Carol)(A;CI;CCRC;;;PS)
    let denied = with_descriptor(
        "AQAEgBQAAAAgAAAAAAAAACwAAAABAQAAAAAABQoAAAABAQAAAAAABQoAAAACAEAAAgAAAAECJAABAAAAAQUAAAAAAAUVAAAA3PTcO4M9K0aCi6YoTwQAAAACFAABAAIAAQEAAAAAAAUKAAAA",
    );
    denied.without_question(&["grant", INFO, "--to", CAROL])
        .exits(2)
        .warns("a deny entry refuses full access")
        .warns("Remove-MailboxPermission -Identity 'info@contoso.com' -User 'carol@contoso.com' -AccessRights 'FullAccess' -Deny:$true");
}

#[test]
fn many_links_are_switched_from_a_table_all_of_it_or_nothing() {
    let bench = Bench::healthy_contoso();
    let before = bench.exported("directory");
    bench.file(
        "bad.csv",
        "owner,delegate\ninfo@contoso.com,carol@contoso.com\ninfo@contoso.com,nobody@contoso.com\n",
    );
    bench
        .without_question(&["automap", "on", "--from-file", "bad.csv"])
        .exits(2)
        .warns("no object has this address or name");
    assert_eq!(bench.exported("directory"), before);
    bench.file(
        "good.csv",
        "owner,delegate\ninfo@contoso.com,carol\naspen@contoso.com,carol\ninfo@contoso.com,alice\n",
    );
    bench
        .without_question(&[
            "automap",
            "on",
            "--from-file",
            "good.csv",
            "--max-changes",
            "1",
        ])
        .exits(2)
        .warns("more than --max-changes 1");
    bench
        .without_question(&[
            "automap",
            "on",
            "--from-file",
            "good.csv",
            "--receipt",
            "r.ldif",
        ])
        .exits(0)
        .says("AutoMapping is on already for 1 user.")
        .says("has no full access to Info <info@contoso.com> by an entry of its own")
        .says("written Info")
        .says("written Room Aspen");
    assert!(has_link(&state(&bench, INFO), CAROL));
    bench.without_question(&["undo", "r.ldif"]).exits(0);
    assert!(!has_link(&state(&bench, INFO), CAROL));
    bench
        .without_question(&["automap", "off", "--from-file", "good.csv"])
        .exits(0);
    assert!(!has_link(&state(&bench, INFO), ALICE));
}

#[test]
#[allow(clippy::too_many_lines, reason = "one list in every form")]
fn every_link_is_listed_with_its_state_in_every_form() {
    let bench = Bench::contoso();
    bench.file("contoso.ldif", CONTOSO);
    // An embedded directory has no links of deleted objects.
    for (directory, links, headline, stale) in [
        (
            "contoso.ldif",
            17,
            "17 links of 16 owners for 11 delegates",
            4,
        ),
        ("directory", 15, "15 links of 14 owners for 9 delegates", 3),
    ] {
        let list = |arguments: &[&str]| {
            bench
                .automend(&[&["links", "-d", directory][..], arguments].concat())
                .exits(0)
        };
        let json = list(&["--format", "json"]).json();
        let of_links: Value =
            serde_json::from_str(include_str!("../../../../docs/links.schema.json")).unwrap();
        assert_eq!(
            invalid(&json, &of_links, &of_links, "links"),
            Vec::<String>::new()
        );
        assert_eq!(json["counts"]["links"], links, "{directory}");
        assert_eq!(json["complete"], true);
        let states: Vec<String> = json["links"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!(
                    "{} {} {}{}",
                    text(&link["owner"]["name"]),
                    text(&link["delegate"]["address"]),
                    text(&link["state"]),
                    text(&link["code"])
                )
            })
            .collect();
        for expected in [
            "Info alice@contoso.com healthy",
            "Info bob@contoso.com healthy",
            "Jim Stone alice@contoso.com staleAM101",
            "Payroll david@contoso.com doubtfulAM104",
            "Projects project.team@contoso.com doubtfulAM109",
        ] {
            assert!(
                states.contains(&expected.to_owned()),
                "{directory}: {states:#?}"
            );
        }
        let lines = list(&["--format", "jsonl"]);
        assert_eq!(lines.out.lines().count(), links);
        list(&[]).says(headline);
        list(&["--format", "html"])
            .says(&format!("<h1>{headline}</h1>"))
            .says("Alice Ames &#60;alice@contoso.com&#62;");
        list(&["--delegate", "alice@contoso.com"]).says("3 links of 3 owners for 1 delegate");
        list(&["--owner", "info@contoso.com"])
            .says("2 links of 1 owner for 2 delegates")
            .says("Bob Carter <bob@contoso.com>");
        list(&["--owner", "info@contoso.com", "--delegate", "alice"]).says("1 link of 1 owner");
        let rows = list(&["--state", "stale", "--format", "csv"]);
        assert_eq!(rows.out.lines().count(), 1 + stale, "{rows}");
        list(&["--state", "undecided"]).says("0 links of 0 owners for 0 delegates");
    }
    // What is listed can be switched.
    bench
        .automend(&[
            "links",
            "-d",
            "directory",
            "--owner",
            INFO,
            "--format",
            "csv",
            "-o",
            "info.csv",
        ])
        .exits(0);
    bench
        .without_question(&["automap", "off", "--from-file", "info.csv"])
        .exits(1)
        .says("STILL FAILS Alice Ames");
    bench
        .automend(&["links", "-d", "directory", "--owner", INFO])
        .exits(0)
        .says("0 links");
}

#[test]
fn a_list_that_could_not_be_read_whole_says_so() {
    let bench = Bench::new();
    bench.file(
        "cut.ldif",
        &CONTOSO[..CONTOSO.find("dn: CN=Legal").unwrap() + 700],
    );
    let list = bench
        .automend(&["links", "-d", "cut.ldif", "--format", "json"])
        .exits(2);
    assert_eq!(list.json()["complete"], false, "{list}");
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
fn a_plan_is_carried_out_later_on_owners_that_are_as_they_were() {
    let bench = Bench::healthy_contoso();
    let before = state(&bench, INFO);
    let plan = [
        "grant",
        INFO,
        "--to",
        CAROL,
        "--plan-only",
        "-o",
        "plan.json",
    ];
    bench
        .without_question(&plan)
        .exits(1)
        .says("Plan written to plan.json; apply it with: automend fix --plan plan.json");
    let json: Value = serde_json::from_str(&bench.read("plan.json")).unwrap();
    let of_plan: Value =
        serde_json::from_str(include_str!("../../../../docs/delegation-plan.schema.json")).unwrap();
    assert_eq!(
        invalid(&json, &of_plan, &of_plan, "plan"),
        Vec::<String>::new()
    );
    assert_eq!(state(&bench, INFO), before);

    // It knows its directory.
    let apply = ["fix", "--plan", "plan.json", "--yes"];
    bench
        .automend(&[&apply[..], &["--receipt", "r.ldif"]].concat())
        .exits(0)
        .says("Plan of grant, made on ")
        .says("+ allow full access: S-1-5-21-");
    let granted = state(&bench, INFO);
    assert!(has_link(&granted, CAROL));
    bench
        .automend(&apply)
        .exits(0)
        .says("Done already: 1 owner of this plan.");
    // Half of it is done.
    bench
        .without_question(&["automap", "off", INFO, CAROL, "--receipt", "off.ldif"])
        .exits(0);
    bench
        .automend(&[&apply[..], &["--receipt", "rest.ldif"]].concat())
        .exits(0)
        .says("+ msExchDelegateListLink: CN=Carol Danes");
    assert_eq!(state(&bench, INFO), granted);

    // Someone else was faster.
    bench.without_question(&["undo", "rest.ldif"]).exits(0);
    bench.without_question(&["undo", "r.ldif"]).exits(0);
    assert_eq!(state(&bench, INFO), before);
    bench
        .without_question(&["grant", INFO, "--to", "greta", "--receipt", "greta.ldif"])
        .exits(0);
    let changed = state(&bench, INFO);
    bench
        .automend(&apply)
        .exits(2)
        .warns("the permissions of its mailbox have changed")
        .warns("nothing was written");
    bench
        .automend(&[&apply[..], &["--skip-changed"]].concat())
        .exits(1)
        .says("Nothing to write.");
    assert_eq!(state(&bench, INFO), changed);

    // What is not known is refused, and so is a descriptor that is none, or goes.
    bench.without_question(&["undo", "greta.ldif"]).exits(0);
    let text = bench.read("plan.json");
    let after = json["changes"][0]["descriptor"]["after"].to_string();
    for (from, to, expected) in [
        (r#""name""#, r#""sid": "x", "name""#, "unknown field"),
        (
            after.as_str(),
            r#""AQAEgA==""#,
            "security descriptor, byte 4: the header is cut off",
        ),
        (after.as_str(), "null", "the plan takes the descriptor away"),
        (
            r#""identity": ""#,
            r#""identity": "0"#,
            "made for another directory",
        ),
        (r#""version": 2"#, r#""version": 3"#, "a plan of version 3"),
    ] {
        bench.file("crafted.json", text.replacen(from, to, 1));
        bench
            .automend(&["fix", "--plan", "crafted.json", "--yes"])
            .exits(2)
            .warns(expected);
        assert_eq!(state(&bench, INFO), before);
    }
}

#[test]
fn a_run_that_is_killed_between_two_owners_is_undone_and_can_be_run_again() {
    let bench = Bench::healthy_contoso();
    let before = bench.exported("directory");
    let owners = ["info@contoso.com", "aspen@contoso.com", "legal@contoso.com"];
    let rows = owners.map(|owner| format!("{owner},greta@contoso.com\n"));
    bench.file("many.csv", rows.concat());
    let mut child = Command::new(env!("CARGO_BIN_EXE_automend"))
        .args([
            "automap",
            "on",
            "--from-file",
            "many.csv",
            "-d",
            "directory",
        ])
        .args(["--yes", "--rate", "1", "--receipt", "r.ldif"])
        .current_dir(bench.folder())
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("written Info")));
    // The second owner's exchange comes a second later.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_link(
        &state(&bench, INFO),
        "CN=Greta Hill,OU=People,DC=contoso,DC=com"
    ));
    bench
        .without_question(&["undo", "r.ldif"])
        .exits(0)
        .says("restored");
    assert_eq!(
        object(&bench.exported("directory"), INFO),
        object(&before, INFO)
    );
    bench
        .without_question(&[
            "automap",
            "on",
            "--from-file",
            "many.csv",
            "--receipt",
            "again.ldif",
        ])
        .exits(0)
        .says("offers the mailbox to 3 users");
}
