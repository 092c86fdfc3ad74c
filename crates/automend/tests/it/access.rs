//! Who can open what: by links, entries, nested groups and what denies it, in a file and in an embedded directory.

pub(crate) mod town;

use automend_core::names::Sid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::tool::schema::invalid;
use crate::tool::{Bench, Run, findings};
use town::{DOMAIN, Town};

/// The rows of a list in JSON as `mailbox user: state`, sorted.
#[track_caller]
fn rows(run: &Run) -> Vec<String> {
    let list = run.json();
    let rows = list["access"].as_array().unwrap().iter();
    let mut rows: Vec<String> = rows
        .map(|row| {
            let user = &row["user"];
            let name = user.get("name").unwrap_or_else(|| &user["sid"]);
            format!(
                "{} {}: {}",
                row["mailbox"]["name"].as_str().unwrap(),
                name.as_str().unwrap(),
                row["state"].as_str().unwrap()
            )
        })
        .collect();
    rows.sort();
    rows
}

/// The same question to the file and to the embedded directory, which answer alike.
#[track_caller]
fn asked(bench: &Bench, whose: &str, code: i32) -> Vec<String> {
    let ask = |directory: &str| {
        let run = bench.automend(&["access", whose, "-d", directory, "--format", "json"]);
        run.exits(code)
    };
    let (file, embedded) = (ask("town.ldif"), ask("directory"));
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/access.schema.json")).unwrap();
    for run in [&file, &embedded] {
        assert_eq!(
            invalid(&run.json(), &schema, &schema, "access"),
            Vec::<String>::new()
        );
    }
    assert_eq!(rows(&file), rows(&embedded));
    rows(&file)
}

#[test]
fn everyone_who_can_open_a_mailbox_is_listed_with_the_state_of_the_link() {
    let bench = Town::usual().bench();
    assert_eq!(
        asked(&bench, "info@town.test", 0),
        [
            "Info Alice: mapped",
            "Info Bob: never",
            "Info Carol: never",
            "Info Dave: ghost",
            "Info S-1-5-21-1-2-3-1999: orphan",
            "Info Sales: never",
            "Open Info: inherited",
        ]
    );
    // A deny goes before what another entry allows, in the order of the list; an inherited one does not reach
    // over an explicit entry.
    assert_eq!(
        asked(&bench, "pay@town.test", 0),
        [
            "Open Pay: inherited",
            "Pay Alice: missing",
            "Pay Bob: ghost",
            "Pay Carol: denied",
            "Pay Eve: inherited",
            "Pay Sales: denied",
            "Pay Town: inherited",
        ]
    );
}

#[test]
fn every_mailbox_that_a_user_can_open_is_listed_with_the_reason() {
    let bench = Town::usual().bench();
    assert_eq!(
        asked(&bench, "bob@town.test", 0),
        [
            "Info Bob: never",
            "Odd Bob: mapped",
            "Open Bob: inherited",
            "Pay Bob: ghost"
        ]
    );
    // Through a group in a group, in a circle.
    assert_eq!(
        asked(&bench, "carol@town.test", 0),
        [
            "Info Carol: never",
            "Odd Carol: denied",
            "Open Carol: inherited",
            "Pay Carol: denied"
        ]
    );
    // By the primary group, of which no member value tells.
    assert_eq!(
        asked(&bench, "eve@town.test", 0),
        ["Open Eve: inherited", "Pay Eve: inherited"]
    );
    // A group is asked for as a user is.
    assert_eq!(
        asked(&bench, "CN=Inner,DC=town,DC=test", 0),
        [
            "Info Inner: never",
            "Odd Inner: denied",
            "Open Inner: inherited",
            "Pay Inner: denied"
        ]
    );
    let said = bench.automend(&["access", "carol@town.test", "-d", "directory"]);
    let said = said
        .exits(0)
        .says("allowed as a member of Sales; AutoMapping does not look into groups");
    said.says("allowed as Everyone")
        .says("denied as a member of Sales");
}

#[test]
fn an_owner_who_is_a_user_too_is_shown_in_both_directions() {
    let mut town = Town::usual();
    town.mailbox("Pam", 1110, &[("+", "S-1-5-21-1-2-3-1101")], &["Alice"]);
    town.mailbox("Box", 1111, &[("+", "S-1-5-21-1-2-3-1110")], &["Pam"]);
    let bench = town.bench();
    assert_eq!(
        asked(&bench, "pam@town.test", 0),
        [
            "Box Pam: mapped",
            "Open Pam: inherited",
            "Pam Alice: mapped"
        ]
    );
}

#[test]
fn every_form_says_the_same_and_a_state_can_be_asked_for() {
    let bench = Town::usual().bench();
    let run = |rest: &[&str]| {
        bench.automend(&[&["access", "info@town.test", "-d", "directory"], rest].concat())
    };
    run(&[])
        .exits(0)
        .says("directory: 2 mailboxes and 7 users\n")
        .says(" Info <info@town.test>  Alice <alice@town.test>   mapped  ")
        .says("no permission")
        .says("no object has this identifier");
    let csv = run(&["--format", "csv"]).exits(0);
    assert_eq!(csv.out.lines().count(), 8, "{csv}");
    csv.says("owner,user,state,opens,linked,why,").says(
        "\"CN=Info,DC=town,DC=test\",\"CN=Dave,DC=town,DC=test\",ghost,no,yes,no permission,",
    );
    let lines = run(&["--format", "jsonl", "--state", "ghost,orphan"]).exits(0);
    assert_eq!(lines.out.lines().count(), 2, "{lines}");
    run(&["--format", "html", "--output", "page.html"]).exits(0);
    let page = bench.read("page.html");
    assert!(page.contains("<td class=\"ghost\">ghost</td>"), "{page}");
    run(&["--state", "lost"])
        .exits(2)
        .warns("possible values: mapped, missing, ghost");

    // The list of missing links maps them.
    run(&[
        "--format",
        "csv",
        "--state",
        "never",
        "--output",
        "never.csv",
    ])
    .exits(0);
    bench
        .automend(&[
            "automap",
            "on",
            "--from-file",
            "never.csv",
            "-d",
            "directory",
            "--plan-only",
        ])
        .exits(2)
        .warns("is a group");
}

#[test]
fn what_cannot_be_read_is_said_and_is_no_ghost() {
    let mut town = Town::usual();
    town.mailbox("Bare", 1120, &[], &["Alice"]);
    town.without_permissions("Bare");
    town.mailbox("Torn", 1121, &[], &["Alice"]);
    town.permissions("Torn", b"\x01\x00\x04");
    let bench = town.bench();
    for directory in ["town.ldif", "directory"] {
        let run = bench.automend(&["access", "alice", "-d", directory, "--format", "json"]);
        let run = run.exits(2);
        assert_eq!(run.json()["complete"], false);
        let cut_off =
            "CN=Torn,DC=town,DC=test: msExchMailboxSecurityDescriptor: security descriptor, byte 3";
        assert!(run.json()["defects"].to_string().contains(cut_off), "{run}");
        assert!(
            run.err.contains("without msExchMailboxSecurityDescriptor"),
            "{run}"
        );
        let rows = rows(&run);
        for expected in ["Bare Alice: unclear", "Torn Alice: unclear"] {
            assert!(rows.iter().any(|row| row == expected), "{rows:?}");
        }
    }
    // In an embedded directory nothing is hidden; a file may leave permissions out.
    let mut town = Town::usual();
    town.mailbox("Bare", 1120, &[], &["Alice"]);
    town.without_permissions("Bare");
    let bench = town.bench();
    let only = |directory| bench.automend(&["access", "bare@town.test", "-d", directory]);
    only("directory").exits(0).says("unclear");
    only("town.ldif").exits(2).says("unclear");
    bench
        .automend(&["access", "nobody@town.test", "-d", "directory"])
        .exits(2)
        .warns("no object has this address or name");

    // A file without members cannot tell who is in a group.
    let text = bench.read("town.ldif");
    let lines = text.lines().filter(|line| !line.starts_with("member"));
    let without: String = lines.map(|line| line.to_owned() + "\n").collect();
    bench.file("without.ldif", without);
    bench
        .automend(&[
            "access",
            "info@town.test",
            "-d",
            "without.ldif",
            "--format",
            "json",
        ])
        .exits(2)
        .says("\"state\": \"unclear\"")
        .warns("not all members of the groups with access to it could be read");
    bench
        .automend(&["access", "bob@town.test", "-d", "without.ldif"])
        .exits(2)
        .warns("its groups cannot be read");
}

/// A town in which links stand on permissions of groups, too.
fn with_links_by_groups() -> Town {
    let mut town = Town::usual();
    let sales = format!("{DOMAIN}-1201");
    town.mailbox("Map", 1305, &[("+", &sales)], &["Bob", "Carol", "Eve"]);
    // Under the account of another forest that a linked mailbox belongs to.
    town.mailbox("Link", 1306, &[("+", "S-1-5-21-7-7-7-7")], &["Lin"]);
    town.mailbox("Lin", 1307, &[], &[]);
    let master = STANDARD.encode(Sid::parse("S-1-5-21-7-7-7-7").unwrap().as_bytes());
    town.line("Lin", &format!("msExchMasterAccountSid:: {master}"));
    town
}

#[test]
fn an_audit_holds_every_link_against_the_permissions_where_it_is_asked_to() {
    let bench = with_links_by_groups().bench();
    for directory in ["town.ldif", "directory"] {
        let audit = |rest: &[&str]| {
            bench.automend(&[&["audit", "-d", directory, "--format", "json"], rest].concat())
        };
        assert_eq!(findings(&audit(&[]).exits(0).json()), Vec::<String>::new());
        let report = audit(&["--access"]).exits(1).json();
        assert_eq!(report["complete"], true, "{report}");
        assert_eq!(
            findings(&report),
            [
                "AM107 Info: Dave",
                "AM107 Map: Eve",
                "AM107 Pay: Bob",
                "AM108 Info: Sales",
                "AM108 Map: Sales",
                "AM108 Pay: Alice",
            ]
        );
        let one = audit(&["--access", "--owner", "info@town.test"])
            .exits(1)
            .json();
        assert_eq!(findings(&one), ["AM107 Info: Dave", "AM108 Info: Sales"]);
        let reasons = report["findings"].to_string();
        assert!(
            reasons.contains("\"denied\":\"CN=Bob,DC=town,DC=test\""),
            "{reasons}"
        );
    }
    bench
        .automend(&[
            "audit",
            "-d",
            "directory",
            "--access",
            "--user",
            "bob@town.test",
        ])
        .exits(2)
        .warns("automend access");
}

#[test]
fn an_audit_and_the_list_of_a_mailbox_say_the_same() {
    let bench = with_links_by_groups().bench();
    let report = bench.automend(&["audit", "-d", "directory", "--access", "--format", "json"]);
    let told = findings(&report.exits(1).json());
    let mut listed = Vec::new();
    for mailbox in ["Info", "Pay", "Odd", "Open", "Map", "Link", "Alice", "Bob"] {
        let dn = format!("CN={mailbox},DC=town,DC=test");
        for row in asked(&bench, &dn, 0) {
            let (names, state) = row.split_once(": ").unwrap();
            let (owner, user) = names.split_once(' ').unwrap();
            match state {
                _ if owner != mailbox => {}
                "ghost" => listed.push(format!("AM107 {owner}: {user}")),
                "missing" => listed.push(format!("AM108 {owner}: {user}")),
                "never" if user == "Sales" => listed.push(format!("AM108 {owner}: {user}")),
                _ => {}
            }
        }
    }
    listed.sort();
    assert_eq!(listed, told);
}

#[test]
fn an_audit_says_which_permissions_it_could_not_read_and_calls_nothing_a_ghost_for_it() {
    let mut town = Town::usual();
    town.mailbox("Bare", 1120, &[], &["Alice"]);
    town.without_permissions("Bare");
    town.mailbox("Torn", 1121, &[], &["Alice"]);
    town.permissions("Torn", b"\x01\x00\x04");
    let bench = town.bench();
    for (directory, code) in [("town.ldif", 2), ("directory", 1)] {
        let run = bench.automend(&["audit", "-d", directory, "--access", "--format", "json"]);
        let run = run.exits(code);
        let report = run.json();
        assert_eq!(report["complete"], false, "{report}");
        assert_eq!(
            findings(&report),
            [
                "AM107 Info: Dave",
                "AM107 Pay: Bob",
                "AM108 Info: Sales",
                "AM108 Pay: Alice"
            ]
        );
        for gap in [
            "1 mailbox without msExch",
            "CN=Torn,DC=town,DC=test: msExchMailboxSec",
        ] {
            assert!(report.to_string().contains(gap), "{report}");
        }
    }

    // Without members no one can tell who is in Sales, so Bob may have what it has.
    let text = bench.read("town.ldif");
    let lines = text.lines().filter(|line| !line.starts_with("member"));
    bench.file(
        "without.ldif",
        lines.map(|line| line.to_owned() + "\n").collect::<String>(),
    );
    let run = bench.automend(&[
        "audit",
        "-d",
        "without.ldif",
        "--access",
        "--format",
        "json",
    ]);
    let report = run.exits(2).json();
    assert_eq!(findings(&report), ["AM108 Info: Sales"], "{report}");
}

/// The links of an embedded directory, as `owner delegate`.
fn links(bench: &Bench) -> Vec<String> {
    let run = bench
        .automend(&["links", "-d", "directory", "--format", "jsonl"])
        .exits(0);
    let link = |line: &str| -> String {
        let link: Value = serde_json::from_str(line).unwrap();
        let name = |party: &str| link[party]["name"].as_str().unwrap().to_owned();
        format!("{} {}", name("owner"), name("delegate"))
    };
    let mut links: Vec<String> = run.out.lines().map(link).collect();
    links.sort();
    links
}

/// Runs a command on the directory without a question.
#[track_caller]
fn run(bench: &Bench, arguments: &[&str]) -> Run {
    bench.automend(&[arguments, &["-d", "directory", "--yes"]].concat())
}

const BEFORE: [&str; 8] = [
    "Info Alice",
    "Info Dave",
    "Link Lin",
    "Map Bob",
    "Map Carol",
    "Map Eve",
    "Odd Bob",
    "Pay Bob",
];

#[test]
fn ghosts_are_removed_where_that_is_asked_for_and_their_undo_brings_them_back() {
    let bench = with_links_by_groups().bench();
    assert_eq!(links(&bench), BEFORE);
    run(&bench, &["fix"]).exits(0).says("No stale link");
    assert_eq!(links(&bench), BEFORE);

    let shown = run(
        &bench,
        &["fix", "--ghosts", "--plan-only", "--output", "plan.json"],
    );
    shown
        .exits(1)
        .says("AM107  Info")
        .says("- CN=Eve,DC=town,DC=test")
        .says("Sum: remove 3 links from 3 owners, for 3 users");
    run(
        &bench,
        &[
            "fix",
            "--ghosts",
            "--owner",
            "info@town.test",
            "--plan-only",
        ],
    )
    .exits(1)
    .says("remove 1 link from 1 owner");
    run(
        &bench,
        &[
            "fix",
            "--ghosts",
            "--delegate",
            "bob@town.test",
            "--plan-only",
        ],
    )
    .exits(1)
    .says("remove 1 link from 1 owner");
    run(&bench, &["fix", "--ghosts", "--max-changes", "2"])
        .exits(2)
        .warns("more than --max-changes 2");

    // Who has got the permission since the plan was made is no ghost any more.
    run(
        &bench,
        &[
            "grant",
            "info@town.test",
            "--to",
            "dave@town.test",
            "--receipt",
            "g.ldif",
        ],
    )
    .exits(0);
    run(
        &bench,
        &["fix", "--plan", "plan.json", "--receipt", "p.ldif"],
    )
    .exits(1)
    .says("left   Info: the users can open the mailbox now")
    .says("fixed Map")
    .says("fixed Pay");
    assert!(links(&bench).contains(&"Info Dave".to_owned()));
    run(&bench, &["undo", "p.ldif"]).exits(0);
    run(&bench, &["undo", "g.ldif"]).exits(0);
    assert_eq!(links(&bench), BEFORE);

    run(&bench, &["fix", "--ghosts", "--receipt", "r.ldif"])
        .exits(0)
        .says("fixed Info (1 link)");
    assert_eq!(
        links(&bench),
        ["Info Alice", "Link Lin", "Map Bob", "Map Carol", "Odd Bob"]
    );
    assert!(bench.read("r.ldif").contains("\"code\":\"AM107\""));
    run(&bench, &["fix", "--ghosts"])
        .exits(0)
        .says("nothing to fix");
    run(&bench, &["undo", "r.ldif"]).exits(0);
    assert_eq!(links(&bench), BEFORE);
}

#[test]
fn what_cannot_be_told_is_not_removed() {
    let mut town = Town::usual();
    town.mailbox("Bare", 1120, &[], &["Alice"]);
    town.without_permissions("Bare");
    town.mailbox("Torn", 1121, &[], &["Alice"]);
    town.permissions("Torn", b"\x01\x00\x04");
    let bench = town.bench();
    run(&bench, &["fix", "--ghosts", "--receipt", "r.ldif"])
        .exits(0)
        .says("remove 2 links from 2 owners")
        .warns("CN=Torn,DC=town,DC=test: msExchMailboxSecurityDescriptor");
    let left = links(&bench);
    for kept in ["Bare Alice", "Torn Alice"] {
        assert!(left.iter().any(|link| link == kept), "{left:?}");
    }
}

#[test]
fn links_follow_permissions_through_groups_and_a_second_run_changes_nothing() {
    let bench = with_links_by_groups().bench();
    let sync = ["automap", "sync", "--all"];
    run(
        &bench,
        &[&sync[..], &["--plan-only", "--output", "plan.json"]].concat(),
    )
    .exits(1)
    .says("+ msExchDelegateListLink: CN=Carol,DC=town,DC=test")
    .says("Nothing was written.");
    assert_eq!(links(&bench), BEFORE);
    run(&bench, &[&sync[..], &["--max-changes", "2"]].concat())
        .exits(2)
        .warns("the plan writes 3 links, more than --max-changes 2");
    run(&bench, &[&sync[..], &["--receipt", "r.ldif"]].concat())
        .exits(0)
        .says("verified: Autodiscover offers the mailbox to 3 users");
    // A user whom an entry denies access, a user of Everyone alone, and a ghost link lose nothing.
    let mut after: Vec<&str> = [&BEFORE[..], &["Info Bob", "Info Carol", "Pay Alice"]].concat();
    after.sort_unstable();
    assert_eq!(links(&bench), after);
    run(&bench, &[&sync[..], &["--receipt", "again.ldif"]].concat())
        .exits(0)
        .says("nothing to write");
    assert!(!bench.path("again.ldif").exists());

    run(&bench, &["undo", "r.ldif"]).exits(0);
    assert_eq!(links(&bench), BEFORE);
    run(
        &bench,
        &["fix", "--plan", "plan.json", "--receipt", "p.ldif"],
    )
    .exits(0);
    assert_eq!(links(&bench), after);
    run(&bench, &["undo", "p.ldif"]).exits(0);

    // A leaver of a group loses the link only where that is asked for.
    run(&bench, &["automap", "sync", "map@town.test"])
        .exits(0)
        .says("nothing to write");
    run(
        &bench,
        &[
            "automap",
            "sync",
            "map@town.test",
            "--remove",
            "--receipt",
            "l.ldif",
        ],
    )
    .exits(0)
    .says("- msExchDelegateListLink: CN=Eve,DC=town,DC=test");
    let left: Vec<String> = links(&bench)
        .into_iter()
        .filter(|link| link.starts_with("Map"))
        .collect();
    assert_eq!(left, ["Map Bob", "Map Carol"]);
}

#[test]
fn a_deny_list_of_users_and_groups_keeps_links_away() {
    let bench = with_links_by_groups().bench();
    let plan = |rest: &[&str]| {
        let all = [&["automap", "sync", "info@town.test", "--plan-only"], rest].concat();
        run(&bench, &all)
    };
    plan(&["--deny", "bob@town.test"])
        .exits(1)
        .says("+ msExchDelegateListLink: CN=Carol")
        .says_not("CN=Bob")
        .says("left out 1 link");
    // Carol is in Inner, which is in Sales.
    bench.file(
        "deny.txt",
        "# administrators\r\n\r\nCN=Sales,DC=town,DC=test\r\n",
    );
    plan(&["--deny-file", "deny.txt"])
        .exits(0)
        .says("left out 2 links")
        .says("nothing to write");
    plan(&["--deny", "nobody@town.test"])
        .exits(2)
        .warns("no object has this address");
    plan(&["--deny-file", "gone.txt"])
        .exits(2)
        .warns("reading gone.txt");
    run(&bench, &["automap", "sync"])
        .exits(2)
        .warns("<OWNER>...");
    run(&bench, &["automap", "sync", "CN=Sales,DC=town,DC=test"])
        .exits(2)
        .warns("a link to it would break Autodiscover");
    bench
        .automend(&["automap", "sync", "--all", "-d", "town.ldif"])
        .exits(2)
        .warns("a file is only read");
}

#[test]
fn a_deleted_account_that_an_entry_still_names_gets_no_link() {
    let bench = Bench::contoso();
    bench
        .automend(&["access", "press@contoso.com", "-d", "contoso.ldif"])
        .says("orphan");
    for directory in ["contoso.ldif", "directory"] {
        let run = bench.automend(&["audit", "--access", "-d", directory, "--format", "json"]);
        let told = findings(&run.json());
        assert!(
            told.contains(&"AM108 Board: Uma Voss".to_owned()),
            "{told:?}"
        );
        let deleted = |one: &&String| one.starts_with("AM108") && one.contains("Leo");
        assert_eq!(told.iter().find(deleted), None);
    }
    run(&bench, &["automap", "sync", "press@contoso.com"]).says("nothing to write");
}
