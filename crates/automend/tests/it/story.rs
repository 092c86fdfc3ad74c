//! The story, told by the binary alone: a broken answer, the culprit, the fix, the healthy answer, the
//! way back; and what each command does when it is told to do something else.

use std::path::Path;

use serde_json::Value;

use crate::tool::{Bench, CONTOSO, findings};

const STALE: [&str; 3] = [
    "AM101 Jim Stone: Alice Ames",
    "AM102 Rosa Quist: Bob Carter",
    "AM103 Sam Porter: Carol Danes",
];

/// The stale links that an audit of `directory` names.
#[track_caller]
fn stale(bench: &Bench, directory: &str) -> Vec<String> {
    let report = bench
        .automend(&["audit", "-d", directory, "--format", "json"])
        .json();
    let is_stale =
        |code: &str| ["AM101", "AM102", "AM103", "AM112", "AM113", "AM114"].contains(&code);
    findings(&report)
        .into_iter()
        .filter(|line| is_stale(&line[..5]))
        .collect()
}

/// The links of an export, without what a directory notes beside them, such as when it was changed.
fn links(export: &str) -> Vec<String> {
    let unfolded = export.replace("\r\n", "\n").replace("\n ", "");
    let mut dn = "";
    let mut links = Vec::new();
    for line in unfolded.lines() {
        if let Some(name) = line.strip_prefix("dn: ") {
            dn = name;
        } else if line.starts_with("msExchDelegateListLink:") {
            links.push(format!("{dn} {line}"));
        }
    }
    links.sort();
    links
}

/// Everything an export says but for the attributes in which a directory notes that it was written.
fn content(export: &str) -> Vec<String> {
    let noted = ["whenChanged:", "uSNChanged:", "modifyTimestamp:", "#"];
    let lines = export
        .lines()
        .filter(|line| !noted.iter().any(|name| line.starts_with(name)));
    let mut records: Vec<String> = lines
        .collect::<Vec<_>>()
        .join("\n")
        .split("\n\n")
        .map(str::to_owned)
        .collect();
    for record in &mut records {
        let mut lines: Vec<&str> = record.lines().collect();
        lines.sort_unstable();
        *record = lines.join("\n");
    }
    records.sort();
    records
}

#[test]
fn alice_gets_603_until_jims_link_is_gone_and_again_when_it_is_back() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    let show = [
        "show",
        "alice@contoso.com",
        "-d",
        "directory",
        "--format",
        "xml",
    ];
    bench
        .automend(&show)
        .exits(1)
        .says("<ErrorCode>603</ErrorCode>")
        .says_not("Jim");

    let report = bench
        .automend(&["audit", "-d", "directory", "--format", "json"])
        .exits(1)
        .json();
    assert!(
        findings(&report).contains(&STALE[0].to_owned()),
        "{report:#}"
    );
    assert_eq!(stale(&bench, "directory"), STALE);

    bench
        .automend(&["fix", "-d", "directory", "--plan-only", "-o", "plan.json"])
        .exits(1)
        .says("Jim Stone")
        .says("automend fix --plan plan.json");
    assert_eq!(bench.exported("directory"), before);

    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--plan",
            "plan.json",
            "--yes",
            "--receipt",
            "receipt.ldif",
        ])
        .exits(0)
        .says("fixed Jim Stone (1 link)")
        .says("verified: Autodiscover answers 3 users");
    bench
        .automend(&show)
        .exits(0)
        .says("<Action>settings</Action>")
        .says("<DisplayName>Info</DisplayName>")
        .says("<DisplayName>Room Aspen</DisplayName>")
        .says_not("<ErrorCode>");
    assert_eq!(stale(&bench, "directory"), Vec::<String>::new());
    let fixed = bench.exported("directory");
    assert_eq!(links(&fixed).len(), links(&before).len() - 3);

    bench
        .automend(&["undo", "receipt.ldif", "-d", "directory", "--yes"])
        .exits(0)
        .says("restored CN=Jim Stone");
    bench
        .automend(&show)
        .exits(1)
        .says("<ErrorCode>603</ErrorCode>");
    let after = bench.exported("directory");
    assert_eq!(links(&after), links(&before));
    assert_eq!(content(&after), content(&before));
    // What is there needs no undo, and a second one does no harm.
    bench
        .automend(&["undo", "receipt.ldif", "-d", "directory", "--yes"])
        .exits(0)
        .says("was there");
    assert_eq!(bench.exported("directory"), after);
}

#[test]
fn the_demo_tells_the_story_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let temporary = bench.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let run = bench
        .automend_with(&[("TMPDIR", temporary.to_str().unwrap())], &["demo"])
        .exits(0);
    let told = [
        "+ msExchDelegateListLink: CN=Alice Ames",
        "Autodiscover offers the mailbox to 1 user",
        "<SmtpAddress>jim@contoso.com</SmtpAddress>",
        "+ msExchPreviousMailboxGuid: ",
        "<ErrorCode>603</ErrorCode>",
        "Jim Stone",
        "fixed Jim Stone",
        "<AlternativeMailbox>",
        "restored CN=Jim Stone",
        "Alice gets error 603 again",
        "- msExchPreviousMailboxGuid: ",
        "<SmtpAddress>jim@contoso.com</SmtpAddress>",
    ];
    let mut rest = run.out.as_str();
    for text in told {
        let at = rest
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?}, or not in its place: {run}"));
        rest = &rest[at..];
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn the_demo_keeps_what_it_made_where_it_is_told_to() {
    let bench = Bench::new();
    bench.automend(&["demo", "--keep", "kept"]).exits(0);
    assert_eq!(stale(&bench, "kept/directory"), STALE[1..]);
    assert!(bench.read("kept/receipt.ldif").contains("# undone "));
    // A second demo in the same folder would write over a receipt.
    bench.automend(&["demo", "--keep", "kept"]).exits(2);
}

#[test]
fn each_command_exits_with_0_1_or_2_as_promised() {
    let bench = Bench::contoso();
    bench.file(
        "healthy.ldif",
        "dn: CN=Zoe,DC=c\nobjectClass: user\nmail: zoe@c.test\n",
    );
    let healthy = "dn: CN=Zoe,DC=c\nobjectClass: user\nmail: zoe@c.test\nlegacyExchangeDN: /o=c/cn=zoe\n\
        msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==\nhomeMDB: CN=DB1,DC=c\n\n\
        dn: CN=Yan,DC=c\nobjectClass: user\nlegacyExchangeDN: /o=c/cn=yan\nmsExchMailboxGuid:: EAECAwQFBgcICQoLDA0ODw==\n\
        homeMDB: CN=DB1,DC=c\nmsExchDelegateListLink: CN=Zoe,DC=c\n";
    bench.file("zoe.ldif", healthy);
    for (code, line) in [
        (0, "audit -d zoe.ldif"),
        (1, "audit -d contoso.ldif"),
        (2, "audit -d missing.ldif"),
        (2, "audit"),
        (2, "audit -d zoe.ldif --no-such-flag"),
        (2, "audit -d zoe.ldif --deep --delegate zoe@c.test"),
        (2, "audit -d zoe.ldif --print-search"),
        (2, "audit -d zoe.ldif --start-tls"),
        (0, "show zoe@c.test -d zoe.ldif"),
        (0, "show victor@contoso.com -d directory"),
        (1, "show alice@contoso.com -d directory"),
        (1, "show nobody@contoso.com -d directory"),
        (2, "show no-address -d directory"),
        (0, "fix -d zoe.ldif --plan-only"),
        (0, "fix -d zoe.ldif --yes"),
        (1, "fix -d directory --plan-only"),
        (1, "fix -d contoso.ldif --export ldif"),
        (2, "fix -d contoso.ldif --yes"),
        (2, "fix -d directory"),
        (2, "fix -d directory --plan missing.json --yes"),
        (2, "fix -d directory --owner nobody@contoso.com --yes"),
        (2, "undo missing.ldif -d directory --yes"),
        (2, "undo contoso.ldif -d directory --yes"),
        (0, "explain"),
        (0, "explain am101"),
        (2, "explain AM999"),
        (0, "directory export -d directory -o out.ldif"),
        (2, "directory export -d missing"),
        (2, "directory import missing.ldif -d other"),
        (0, "completions bash"),
        (2, "completions tcsh"),
        (0, "man man"),
        (2, "man contoso.ldif/man"),
        (0, "--version"),
        (0, "--help"),
        (2, "no-such-command"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let run = bench.automend(&arguments);
        assert_eq!(run.code, Some(code), "{run}");
        assert_eq!(
            code == 2,
            !run.err.is_empty() && run.code == Some(2),
            "{run}"
        );
    }
    assert_eq!(stale(&bench, "directory"), STALE);
    assert!(
        !bench
            .names()
            .iter()
            .any(|name| name.starts_with("automend-receipt"))
    );
}

#[test]
fn a_fix_that_nobody_confirms_writes_nothing() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    bench
        .automend(&["fix", "-d", "directory"])
        .exits(2)
        .says("Jim Stone")
        .warns("no terminal to ask on")
        .warns("--yes");
    // A "y" in a pipe is no person.
    bench
        .automend_reading(&["fix", "-d", "directory"], "y\n")
        .exits(2);
    assert_eq!(bench.exported("directory"), before);
    assert_eq!(bench.names(), ["contoso.ldif", "directory"]);
}

#[test]
fn an_undo_that_nobody_confirms_writes_nothing() {
    let bench = Bench::contoso();
    bench
        .automend(&["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    let (fixed, receipt) = (bench.exported("directory"), bench.read("r.ldif"));
    bench
        .automend(&["undo", "r.ldif", "-d", "directory"])
        .exits(2)
        .warns("no terminal to ask on");
    assert_eq!(bench.exported("directory"), fixed);
    assert_eq!(bench.read("r.ldif"), receipt);
}

#[test]
fn a_plan_larger_than_allowed_is_refused() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--yes",
            "--max-changes",
            "2",
            "--receipt",
            "r.ldif",
        ])
        .exits(2)
        .warns("3 links, more than --max-changes 2; nothing was written");
    assert_eq!(bench.exported("directory"), before);
    assert!(!bench.path("r.ldif").exists());
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--yes",
            "--max-changes",
            "3",
            "--receipt",
            "r.ldif",
        ])
        .exits(0);
}

#[test]
fn only_the_links_that_were_chosen_are_removed() {
    let (rosa, sam) = (STALE[1].to_owned(), STALE[2].to_owned());
    for (choice, left) in [
        (
            ["--owner", "CN=Jim Stone,OU=People,DC=contoso,DC=com"],
            vec![rosa.clone(), sam.clone()],
        ),
        (
            ["--delegate", "alice@contoso.com"],
            vec![rosa.clone(), sam.clone()],
        ),
        (
            ["--delegate", "CN=Carol Danes,OU=People,DC=contoso,DC=com"],
            vec![STALE[0].to_owned(), rosa.clone()],
        ),
        // Alice is no owner, and David's links are well.
        (
            ["--owner", "alice@contoso.com"],
            STALE.map(str::to_owned).to_vec(),
        ),
        (
            ["--delegate", "david@contoso.com"],
            STALE.map(str::to_owned).to_vec(),
        ),
    ] {
        let bench = Bench::contoso();
        let before = links(&bench.exported("directory")).len();
        bench
            .automend(&[&["fix", "-d", "directory", "--yes"], choice.as_slice()].concat())
            .exits(0);
        assert_eq!(stale(&bench, "directory"), left, "{choice:?}");
        assert_eq!(
            links(&bench.exported("directory")).len(),
            before - (3 - left.len())
        );
    }
}

#[test]
fn several_owners_and_one_delegate_may_be_chosen_together() {
    let bench = Bench::contoso();
    let jim = "CN=Jim Stone,OU=People,DC=contoso,DC=com";
    let rosa = "cn=rosa quist, ou=people, dc=contoso, dc=com";
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--yes",
            "--owner",
            jim,
            "--owner",
            rosa,
            "--delegate",
            "bob@contoso.com",
        ])
        .exits(0)
        .says("fixed Rosa Quist");
    assert_eq!(stale(&bench, "directory"), [STALE[0], STALE[2]]);
}

#[test]
fn an_export_replayed_by_an_import_fixes() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--export",
            "ldif",
            "-o",
            "fix.ldif",
        ])
        .exits(1);
    assert_eq!(bench.exported("directory"), before);
    bench
        .automend(&["directory", "import", "fix.ldif", "-d", "directory"])
        .exits(0)
        .says("3 changed");
    assert_eq!(stale(&bench, "directory"), Vec::<String>::new());
    assert_eq!(
        links(&bench.exported("directory")).len(),
        links(&before).len() - 3
    );
    // The same from the file alone, by the form of a report.
    let again = Bench::contoso();
    let report = again
        .automend(&["audit", "-d", "directory", "--format", "ldif"])
        .exits(1);
    again
        .automend_reading(
            &["directory", "import", "-", "-d", "directory"],
            report.bytes,
        )
        .exits(0);
    assert_eq!(stale(&again, "directory"), Vec::<String>::new());
}

#[test]
fn a_receipt_replayed_by_an_import_undoes() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    bench
        .automend(&["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    bench
        .automend(&["directory", "import", "r.ldif", "-d", "directory"])
        .exits(0)
        .says("3 changed");
    assert_eq!(links(&bench.exported("directory")), links(&before));
    assert_eq!(content(&bench.exported("directory")), content(&before));
}

#[test]
fn a_receipt_is_never_written_over() {
    let bench = Bench::contoso();
    bench.file("r.ldif", "precious\n");
    let before = bench.exported("directory");
    bench
        .automend(&["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"])
        .exits(2)
        .warns("creating the receipt r.ldif; nothing was written");
    assert_eq!(bench.read("r.ldif"), "precious\n");
    assert_eq!(bench.exported("directory"), before);
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--yes",
            "--receipt",
            "no/such/folder/r.ldif",
        ])
        .exits(2);
    assert_eq!(bench.exported("directory"), before);
}

#[test]
fn a_fix_without_a_named_receipt_leaves_one_that_undoes_it() {
    let bench = Bench::contoso();
    let before = links(&bench.exported("directory"));
    bench
        .automend(&["fix", "-d", "directory", "--yes"])
        .exits(0);
    let names = bench.names();
    let receipt = names
        .iter()
        .find(|name| name.starts_with("automend-receipt-"))
        .unwrap();
    assert!(
        Path::new(receipt)
            .extension()
            .is_some_and(|extension| extension == "ldif")
    );
    bench
        .automend(&["undo", receipt, "-d", "directory", "--yes"])
        .exits(0);
    assert_eq!(links(&bench.exported("directory")), before);
}

/// A plan, changed by `edit`.
fn edited(bench: &Bench, edit: impl FnOnce(&mut Value)) {
    let mut plan: Value = serde_json::from_str(&bench.read("plan.json")).unwrap();
    edit(&mut plan);
    bench.file("plan.json", plan.to_string());
}

#[track_caller]
fn plan_is_refused(bench: &Bench, why: &str) {
    let before = bench.exported("directory");
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--plan",
            "plan.json",
            "--yes",
            "--receipt",
            "r.ldif",
        ])
        .exits(2)
        .warns(why);
    assert_eq!(bench.exported("directory"), before);
    assert!(!bench.path("r.ldif").exists());
}

#[test]
fn a_plan_for_another_directory_is_refused() {
    let bench = Bench::contoso();
    bench
        .automend(&["directory", "import", "contoso.ldif", "-d", "other"])
        .exits(0);
    bench
        .automend(&["fix", "-d", "other", "--plan-only", "-o", "plan.json"])
        .exits(1);
    plan_is_refused(&bench, "made for another directory");
}

#[test]
fn a_receipt_of_another_directory_is_refused() {
    let bench = Bench::contoso();
    bench
        .automend(&["directory", "import", "contoso.ldif", "-d", "other"])
        .exits(0);
    bench
        .automend(&["fix", "-d", "other", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    let before = bench.exported("directory");
    bench
        .automend(&["undo", "r.ldif", "-d", "directory", "--yes"])
        .exits(2)
        .warns("written for another directory");
    assert_eq!(bench.exported("directory"), before);
}

#[test]
fn a_plan_of_a_directory_that_has_changed_is_refused() {
    let jim = "dn: CN=Jim Stone,OU=People,DC=contoso,DC=com\nchangetype: modify\n";
    for (change, why) in [
        (
            format!(
                "{jim}add: msExchDelegateListLink\nmsExchDelegateListLink: CN=Bob Carter,OU=People,DC=contoso,DC=com\n-\n"
            ),
            "its links or attributes have changed",
        ),
        (
            format!("{jim}add: legacyExchangeDN\nlegacyExchangeDN: /o=Contoso/cn=jim\n-\n"),
            "have changed",
        ),
        (
            format!(
                "{jim}add: legacyExchangeDN\nlegacyExchangeDN: /o=Contoso/cn=jim\n-\nadd: msExchMailboxGuid\n\
                 msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==\n-\nadd: msExchHomeServerName\n\
                 msExchHomeServerName: /o=Contoso/cn=EX01\n-\n"
            ),
            "the owner has a mailbox again",
        ),
        (
            "dn: CN=Jim Stone,OU=People,DC=contoso,DC=com\nchangetype: delete\n".to_owned(),
            "have changed",
        ),
    ] {
        let bench = Bench::contoso();
        bench
            .automend(&["fix", "-d", "directory", "--plan-only", "-o", "plan.json"])
            .exits(1);
        bench
            .automend_reading(&["directory", "import", "-", "-d", "directory"], change)
            .exits(0);
        plan_is_refused(&bench, why);
    }
}

#[test]
fn an_owner_that_was_renamed_is_still_fixed() {
    let bench = Bench::contoso();
    bench
        .automend(&["fix", "-d", "directory", "--plan-only", "-o", "plan.json"])
        .exits(1);
    let rename = "dn: CN=Jim Stone,OU=People,DC=contoso,DC=com\nchangetype: modrdn\nnewrdn: CN=Jim Left\ndeleteoldrdn: 1\n";
    bench
        .automend_reading(&["directory", "import", "-", "-d", "directory"], rename)
        .exits(0);
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--plan",
            "plan.json",
            "--yes",
            "--receipt",
            "r.ldif",
        ])
        .exits(0);
    assert_eq!(stale(&bench, "directory"), Vec::<String>::new());
}

#[test]
fn a_plan_that_is_broken_or_says_more_than_it_may_is_refused() {
    let bench = Bench::contoso();
    let make = || {
        drop(
            bench
                .automend(&["fix", "-d", "directory", "--plan-only", "-o", "plan.json"])
                .exits(1),
        );
    };
    make();
    edited(&bench, |plan| plan["version"] = 3.into());
    plan_is_refused(&bench, "a plan of version 3");
    make();
    edited(&bench, |plan| plan["force"] = true.into());
    plan_is_refused(&bench, "force");
    make();
    edited(&bench, |plan| plan["changes"][0]["force"] = true.into());
    plan_is_refused(&bench, "force");
    make();
    edited(&bench, |plan| plan["changes"][0]["code"] = "AM109".into());
    plan_is_refused(&bench, "AM109 is no code of a stale link");
    make();
    edited(&bench, |plan| {
        plan["changes"][0]["remove"] = vec!["no name"].into();
    });
    plan_is_refused(&bench, "Jim Stone");
    make();
    // A healthy owner smuggled into a plan keeps its links.
    edited(&bench, |plan| {
        plan["changes"][0]["owner"] = "CN=Info,OU=Shared,DC=contoso,DC=com".into();
        plan["changes"][0].as_object_mut().unwrap().remove("guid");
        plan["changes"][0]
            .as_object_mut()
            .unwrap()
            .remove("made_from");
    });
    plan_is_refused(&bench, "the owner has a mailbox again");
    bench.file("plan.json", "{");
    plan_is_refused(&bench, "plan.json");
}

#[test]
fn a_receipt_cut_off_by_a_kill_still_undoes_what_it_names() {
    let bench = Bench::contoso();
    let before = links(&bench.exported("directory"));
    bench
        .automend(&["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    let receipt = bench.read("r.ldif");
    // The last owner's end never reached the disk.
    let end = receipt.rfind("# end ").unwrap();
    bench.file("cut.ldif", &receipt[..end + 9]);
    bench
        .automend(&["undo", "cut.ldif", "-d", "directory", "--yes"])
        .exits(0);
    assert_eq!(links(&bench.exported("directory")), before);
}

#[test]
fn an_import_that_breaks_off_leaves_the_directory_as_it_was() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    bench.file("broken.ldif.gz", b"\x1f\x8b\x08\x00garbage");
    bench
        .automend(&["directory", "import", "broken.ldif.gz", "-d", "directory"])
        .exits(2)
        .warns("the directory is as it was");
    assert_eq!(bench.exported("directory"), before);
}

#[test]
fn an_export_read_again_is_the_same_directory() {
    let bench = Bench::contoso();
    let before = bench.exported("directory");
    bench.file("again.ldif", &before);
    bench
        .automend(&["directory", "import", "again.ldif", "-d", "again"])
        .exits(0);
    assert_eq!(links(&bench.exported("again")), links(&before));
    assert_eq!(stale(&bench, "again"), STALE);
    // The example names every owner whose link stays.
    assert!(links(CONTOSO).len() >= links(&before).len());
}
