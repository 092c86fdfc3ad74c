//! Against OpenLDAP's slapd: `make test` starts it.

mod kills;
mod races;
mod small;

use crate::lab::program::{Desk, Receipt, truth_counts};
use crate::lab::proxy::{Fate, Proxy, SEARCH};
use crate::lab::{self, Lab};

/// The variable that names the file of the server's variables.
const SLAPD: &str = "AUTOMEND_LAB_SLAPD";

const AUDIT: &[&str] = &["audit", "--format", "json"];

#[test]
fn the_server_holds_what_the_seed_meant() {
    let lab = Lab::named(SLAPD);
    for url in ["LAB_URL", "LAB_LDAPS_URL", "LAB_LDAPI_URL"] {
        lab::check_seed(&lab, lab.bind(url, "LAB_TOOL"));
    }
}

#[test]
fn a_mailbox_is_found_by_the_address_of_its_guid() {
    let lab = Lab::named(SLAPD);
    lab.bind("LAB_LDAPS_URL", "LAB_TOOL")
        .finds_a_mailbox_by_its_guid();
}

#[test]
fn the_server_derives_back_links_and_refuses_to_be_told_one() {
    let lab = Lab::named(SLAPD);
    let parent = lab.var("LAB_BASE").to_owned();
    lab::check_linked_attributes(lab.bind("LAB_URL", "LAB_TOOL"), &parent, 50);
}

#[test]
fn an_audit_finds_every_stale_link_and_nothing_else_on_every_way_in() {
    let lab = Lab::named(SLAPD);
    for (url, how) in [
        ("LAB_URL", "--allow-plaintext"),
        ("LAB_URL", "--start-tls"),
        ("LAB_LDAPS_URL", "--deep"),
        ("LAB_LDAPI_URL", "--deep"),
    ] {
        let audit = lab
            .bind(url, "LAB_TOOL")
            .automend(&[AUDIT, &[how]].concat());
        lab.check_truth(&audit.ended(1));
    }
    // No one logs in: the local socket tells who is there, and what anybody may read is enough.
    let socket = lab.automend(&[AUDIT, &["-d", lab.var("LAB_LDAPI_URL")]].concat());
    lab.check_truth(&socket.ended(1));
    let anonymous =
        lab.automend(&[AUDIT, &["-d", lab.var("LAB_URL"), "--allow-plaintext"]].concat());
    lab.check_truth(&anonymous.ended(1));
    // Small pages are the same directory.
    let paged = lab
        .bind("LAB_LDAPS_URL", "LAB_TOOL")
        .automend(&[AUDIT, &["--page-size", "7"]].concat());
    lab.check_truth(&paged.ended(1));
}

#[test]
fn clear_text_is_refused_unless_it_is_allowed() {
    let lab = Lab::named(SLAPD);
    let refused = lab.bind("LAB_URL", "LAB_TOOL").automend(AUDIT);
    refused.failed_with(&[lab.var("LAB_URL"), "refusing clear text"]);
    // The server would have answered.
    lab.bind("LAB_URL", "LAB_TOOL")
        .automend(&[AUDIT, &["--allow-plaintext"]].concat())
        .ended(1);
}

#[test]
fn an_audit_outlives_a_connection_that_is_lost_at_any_search() {
    let lab = Lab::named(SLAPD);
    // Pages of 100 of some 1,700 owners: the first searches ask what the server is, the last prove
    // what is absent. 0 bytes of an answer is a lost answer, 1 is half a header, 3,000 half a page.
    let searches = [2, 3, 4, 11, 20, 21, 22, 23];
    for (unlucky, bytes) in searches.into_iter().zip([0, 1, 3000].into_iter().cycle()) {
        let (mut seen, mut lost) = (0, false);
        let (tell, told) = std::sync::mpsc::channel();
        let proxy = Proxy::start(lab.var("LAB_URL"), move |tag| {
            seen += usize::from(tag == SEARCH);
            if lost || seen < unlucky {
                return Fate::Forward;
            }
            lost = true;
            tell.send(()).expect("the test waits");
            Fate::LoseAnswer(bytes)
        });
        let audit = lab
            .bind("LAB_URL", "LAB_TOOL")
            .at(&proxy.url)
            .automend(&[AUDIT, &["--allow-plaintext", "--page-size", "100"]].concat());
        told.try_recv()
            .unwrap_or_else(|_| panic!("no search number {unlucky}"));
        lab.check_truth(&audit.ended(1));
    }
}

#[test]
fn a_fix_removes_every_stale_link_and_an_undo_puts_each_back() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_LDAPS_URL", "LAB_TOOL");
    let desk = Desk::new();
    let before = tool.keep();
    let (stale, all) = truth_counts(&lab);
    assert_eq!(before.links.len(), all);

    let receipt = desk.arg("receipt.ldif");
    tool.automend(&["fix", "--yes", "--receipt", &receipt])
        .ended(1);
    let after = tool.links();
    assert!(after.is_subset(&before.links), "a link came from nowhere");
    assert_eq!(after.len(), all - stale);
    let read = Receipt::read(&desk.file("receipt.ldif"));
    assert_eq!(read.removed(), stale);
    assert!(read.guard.contains("RFC 4528"), "{}", read.guard);
    assert!(
        tool.automend(&["fix", "--yes"])
            .ended(0)
            .contains("nothing to fix")
    );

    tool.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(tool.links(), before.links);
    // A second undo finds everything there.
    tool.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(tool.links(), before.links);
}

#[test]
fn a_plan_for_other_tools_removes_the_same_and_a_receipt_is_undone_by_them() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_URL", "LAB_TOOL");
    let program = lab.bind("LAB_LDAPS_URL", "LAB_TOOL");
    let desk = Desk::new();
    let before = tool.keep();
    let (stale, all) = truth_counts(&lab);

    program
        .automend(&["fix", "--export", "ldif", "-o", &desk.arg("fix.ldif")])
        .ended(1);
    assert_eq!(tool.links(), before.links, "an export wrote");
    let fix = std::fs::read_to_string(desk.file("fix.ldif")).expect("the export was written");
    assert_eq!(tool.modify(&fix), 0);
    let after = tool.links();
    assert_eq!(after.len(), all - stale);
    before.restore();
    assert_eq!(tool.links(), before.links);

    program
        .automend(&["fix", "--yes", "--receipt", &desk.arg("receipt.ldif")])
        .ended(1);
    let receipt =
        std::fs::read_to_string(desk.file("receipt.ldif")).expect("the receipt was written");
    assert_eq!(tool.modify(&receipt), 0);
    assert_eq!(tool.links(), before.links);
}

#[test]
fn a_plan_that_is_too_large_is_refused_whole() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_LDAPS_URL", "LAB_TOOL");
    let before = tool.keep();
    let (stale, _) = truth_counts(&lab);
    let most = (stale - 1).to_string();
    tool.automend(&["fix", "--yes", "--max-changes", &most])
        .failed_with(&["--max-changes", "nothing was written"]);
    assert_eq!(tool.links(), before.links);
}
