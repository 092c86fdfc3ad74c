//! Approved plans: what is gone already is done, what has changed is reported, and what a plan says is all
//! that is carried out.

use serde_json::Value;

use crate::tool::schema::invalid;
use crate::tool::{Bench, Run, findings};

const JIM: &str = "CN=Jim Stone,OU=People,DC=contoso,DC=com";

fn planned() -> Bench {
    let bench = Bench::contoso();
    bench
        .automend(&["fix", "-d", "directory", "--plan-only", "-o", "plan.json"])
        .exits(1)
        .says("Sum: remove 3 links from 3 owners, for 3 users");
    bench
}

fn change(bench: &Bench, ldif: &str) {
    bench
        .automend_reading(&["directory", "import", "-", "-d", "directory"], ldif)
        .exits(0);
}

/// Applies the plan on the directory that it names.
fn applied(bench: &Bench, receipt: &str, more: &[&str]) -> Run {
    let apply = ["fix", "--plan", "plan.json", "--yes", "--receipt", receipt];
    bench.automend(&[&apply[..], more].concat())
}

/// Links that `fix` would still remove.
fn left(bench: &Bench) -> usize {
    let run = bench.automend(&["fix", "-d", "directory", "--dry-run", "-o", "left.json"]);
    let plan: Value = serde_json::from_str(&bench.read("left.json")).unwrap();
    let changes = plan["changes"].as_array().unwrap();
    let links = changes
        .iter()
        .map(|change| change["remove"].as_array().unwrap().len())
        .sum();
    assert_eq!(run.code, Some(i32::from(links > 0)), "{run}");
    links
}

fn edited(bench: &Bench, edit: impl FnOnce(&mut Value)) {
    let mut plan: Value = serde_json::from_str(&bench.read("plan.json")).unwrap();
    edit(&mut plan);
    bench.file("plan.json", plan.to_string());
}

#[test]
fn a_plan_that_was_half_done_is_finished_and_then_has_nothing_to_do() {
    let bench = planned();
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--owner",
            JIM,
            "--yes",
            "--receipt",
            "jim.ldif",
        ])
        .exits(0);
    applied(&bench, "rest.ldif", &[])
        .exits(0)
        .says("Done already: 1 link of this plan, with nothing left to do for 1 owner")
        .says("Sum: remove 2 links from 2 owners, for 2 users")
        .says("verified: Autodiscover answers 2 users");
    assert_eq!(left(&bench), 0);
    applied(&bench, "again.ldif", &[])
        .exits(0)
        .says("Done already: 3 links");
    assert!(!bench.path("again.ldif").exists());
    // The receipts of both runs are the whole way back.
    for receipt in ["rest.ldif", "jim.ldif"] {
        bench
            .automend(&["undo", receipt, "-d", "directory", "--yes"])
            .exits(0);
    }
    assert_eq!(left(&bench), 3);
    applied(&bench, "third.ldif", &[])
        .exits(0)
        .says("Sum: remove 3 links");
}

#[test]
fn some_links_of_one_owner_that_are_gone_are_done() {
    let bench = Bench::contoso();
    let more = ["Bob Carter", "David Ek"]
        .map(|name| format!("msExchDelegateListLink: CN={name},OU=People,DC=contoso,DC=com\n"))
        .concat();
    let add = format!("dn: {JIM}\nchangetype: modify\nadd: msExchDelegateListLink\n{more}-\n");
    change(&bench, &add);
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--owner",
            JIM,
            "--plan-only",
            "-o",
            "plan.json",
        ])
        .exits(1)
        .says("Sum: remove 3 links from 1 owner");
    change(&bench, &add.replace("add: ", "delete: "));
    let run = applied(&bench, "r.ldif", &[]);
    assert!(
        run.out
            .contains("Done already: 2 links of this plan, with nothing left to do for 0 owners"),
        "{run}"
    );
    assert!(run.out.contains("fixed Jim Stone (1 link)"), "{run}");
    // A link that is none of the plan's went in between: that is not what was approved.
    let bench = Bench::contoso();
    change(&bench, &add);
    bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--owner",
            JIM,
            "--plan-only",
            "-o",
            "plan.json",
        ])
        .exits(1);
    edited(&bench, |plan| {
        let remove = plan["changes"][0]["remove"].as_array_mut().unwrap();
        remove.retain(|name| name.as_str().unwrap().contains("Alice"));
    });
    change(&bench, &add.replace("add: ", "delete: "));
    applied(&bench, "r.ldif", &[])
        .exits(2)
        .warns("its links or attributes have changed");
}

#[test]
fn owners_that_have_changed_are_refused_together_or_left_alone() {
    for changed in [
        format!("dn: {JIM}\nchangetype: delete\n"),
        format!(
            "dn: {JIM}\nchangetype: modify\nadd: legacyExchangeDN\nlegacyExchangeDN: /o=Contoso/cn=jim\n-\n"
        ),
        format!(
            "dn: {JIM}\nchangetype: modify\nadd: msExchDelegateListLink\nmsExchDelegateListLink: CN=Bob Carter,OU=People,DC=contoso,DC=com\n-\n"
        ),
    ] {
        let bench = planned();
        change(&bench, &changed);
        applied(&bench, "r.ldif", &[])
            .exits(2)
            .warns("--skip-changed")
            .warns("Jim Stone");
        let run = applied(&bench, "r.ldif", &["--skip-changed"]).exits(1);
        assert!(run.out.contains("left   CN=Jim Stone"), "{run}");
        assert!(
            run.out.contains("Sum: remove 2 links from 2 owners"),
            "{run}"
        );
        assert!(!run.out.contains("fixed Jim Stone"), "{run}");
    }
    Bench::new()
        .automend(&["fix", "--skip-changed", "-d", "x.ldif"])
        .exits(2)
        .warns("--plan");
}

#[test]
fn a_plan_that_was_cut_is_carried_out_as_far_as_it_goes() {
    let bench = planned();
    edited(&bench, |plan| {
        plan["changes"].as_array_mut().unwrap().truncate(1);
    });
    applied(&bench, "r.ldif", &[])
        .exits(0)
        .says("Sum: remove 1 link from 1 owner, for 1 user");
    assert_eq!(left(&bench), 2);
}

#[test]
fn plans_and_receipts_fit_their_schemas() {
    let bench = planned();
    let schema = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let of_plan = schema(include_str!("../../../../docs/plan.schema.json"));
    let plan: Value = serde_json::from_str(&bench.read("plan.json")).unwrap();
    assert_eq!(
        invalid(&plan, &of_plan, &of_plan, "plan"),
        Vec::<String>::new()
    );

    applied(&bench, "r.ldif", &[]).exits(0);
    bench
        .automend(&["undo", "r.ldif", "-d", "directory", "--yes"])
        .exits(0);
    let of_receipt = schema(include_str!("../../../../docs/receipt.schema.json"));
    let receipt = bench.read("r.ldif");
    for (comment, part, expected) in [
        ("# automend receipt ", "header", 1),
        ("# begin ", "begin", 3),
        ("# end ", "end", 3),
        ("# undone ", "undone", 3),
    ] {
        let found: Vec<Value> = receipt
            .lines()
            .filter_map(|line| line.strip_prefix(comment))
            .map(|json| serde_json::from_str(json).unwrap())
            .collect();
        assert_eq!(found.len(), expected, "{receipt}");
        for one in found {
            let part = &of_receipt["$defs"][part];
            assert_eq!(
                invalid(&one, part, &of_receipt, comment),
                Vec::<String>::new()
            );
        }
    }
}

#[test]
fn a_receipt_that_says_what_nobody_knows_is_refused_before_anything_is_written() {
    let bench = Bench::contoso();
    bench
        .automend(&["fix", "-d", "directory", "--yes", "--receipt", "r.ldif"])
        .exits(0);
    let (fixed, receipt) = (bench.exported("directory"), bench.read("r.ldif"));
    let line = |of: &str| 1 + receipt.lines().position(|line| line.contains(of)).unwrap();
    let (removed, first) = (r#""outcome":"removed""#, r#""version":1"#);
    for (from, to, expected) in [
        (
            removed,
            r#""outcome":"moved""#,
            format!(
                "crafted.ldif line {}: unknown variant `moved`",
                line(removed)
            ),
        ),
        (
            removed,
            r#""outcome":null"#,
            format!("crafted.ldif line {}: ", line(removed)),
        ),
        (
            first,
            r#""version":3"#,
            "crafted.ldif: a receipt of version 3, this program reads 1 and 2".to_owned(),
        ),
        (
            first,
            r#""version":"one""#,
            format!("crafted.ldif line {}: ", line(first)),
        ),
    ] {
        bench.file("crafted.ldif", receipt.replacen(from, to, 1));
        bench
            .automend(&["undo", "crafted.ldif", "-d", "directory", "--yes"])
            .exits(2)
            .warns(&expected);
        assert_eq!(bench.exported("directory"), fixed, "{to}");
    }
}

#[test]
fn the_words_of_other_programs_for_a_plan_write_nothing() {
    for word in ["--plan-only", "--dry-run", "--what-if"] {
        let bench = Bench::contoso();
        let before = bench.exported("directory");
        bench
            .automend(&["fix", "-d", "directory", word])
            .exits(1)
            .says("Sum: remove 3 links");
        assert_eq!(bench.exported("directory"), before);
    }
}

#[test]
fn a_fix_after_which_a_user_still_gets_no_answer_ends_with_1() {
    let bench = Bench::contoso();
    let alice = "CN=Alice Ames,OU=People,DC=contoso,DC=com";
    change(
        &bench,
        &format!("dn: {alice}\nchangetype: modify\ndelete: legacyExchangeDN\n-\n"),
    );
    let run = bench
        .automend(&[
            "fix",
            "-d",
            "directory",
            "--owner",
            JIM,
            "--yes",
            "--receipt",
            "r.ldif",
        ])
        .exits(1);
    assert!(run.out.contains("fixed Jim Stone"), "{run}");
    assert!(
        run.out.contains("STILL FAILS") && run.out.contains("Alice Ames"),
        "{run}"
    );
    let report = bench
        .automend(&["audit", "-d", "directory", "--format", "json"])
        .json();
    assert!(
        !findings(&report)
            .iter()
            .any(|line| line.contains("Jim Stone"))
    );
}
