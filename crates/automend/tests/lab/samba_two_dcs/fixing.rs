//! Fixes that have to reach another controller, which may be cut off, and may know better.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use super::{Cut, LINK, SAMBA2, controllers, knows, settled, sync};
use crate::lab::program::{Desk, Ran, Receipt};
use crate::lab::{Added, Bind, Lab, eventually, run, succeeded};

#[test]
fn an_audit_agrees_with_the_truth_on_both() {
    let lab = Lab::named(SAMBA2);
    settled(&lab);
    for url in ["LAB_DC1_LDAPS_URL", "LAB_DC2_LDAPS_URL"] {
        let audit = lab
            .bind(url, "LAB_AUDIT")
            .automend(&["audit", "--format", "json"]);
        lab.check_truth(&audit.ended(1));
    }
}

#[test]
fn a_fix_waits_for_both_controllers_and_so_does_its_undo() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let said = world.fix(&[]).ended(1);
    for dc in ["LAB_DC1_LDAPS_URL", "LAB_DC2_LDAPS_URL"] {
        assert!(
            said.contains(&format!("agrees  {} ", lab.var(dc))),
            "{said}"
        );
    }
    // Said is said: nothing has to be waited for any more.
    assert_eq!(
        (world.links(world.dc1).len(), world.links(world.dc2).len()),
        (0, 0)
    );
    let said = world.undo(&[]).ended(0);
    assert!(
        said.contains(&format!("agrees  {} ", lab.var("LAB_DC2_LDAPS_URL"))),
        "{said}"
    );
    assert_eq!(
        (world.links(world.dc1).len(), world.links(world.dc2).len()),
        (1, 1)
    );
}

#[test]
fn a_controller_that_is_cut_off_is_named_and_catches_up() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let at_home = world.dc2.inside(lab.var("LAB_DC2_NETNS"));

    let cut = Cut::now();
    let said = world.fix(&["--replication-timeout", "3"]).ended(1);
    assert!(
        said.contains(&format!("agrees  {} ", lab.var("LAB_DC1_LDAPS_URL"))),
        "{said}"
    );
    assert!(
        said.contains(&format!("SILENT  {} ", lab.var("LAB_DC2_LDAPS_URL"))),
        "{said}"
    );
    assert_eq!(world.receipt().removed(), 1);
    assert_eq!(
        (world.links(world.dc1).len(), world.links(at_home).len()),
        (0, 1)
    );
    drop(cut);
    eventually("dc2 has caught up", || world.links(world.dc2).is_empty());

    world.undo(&[]).ended(0);
    assert_eq!(
        (world.links(world.dc1).len(), world.links(world.dc2).len()),
        (1, 1)
    );
}

#[test]
fn the_controllers_named_by_hand_are_all_that_are_asked() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let at_home = world.dc2.inside(lab.var("LAB_DC2_NETNS"));
    // The plan is made from dc1, and dc2 is asked from its own side of the cut, where dc1 is silent.
    let cut = Cut::now();
    let dc2 = lab.var("LAB_DC2_LDAPS_URL");
    let dc1_there = world.dc1.inside(lab.var("LAB_DC1_NETNS"));
    let only = [
        "--dc",
        lab.var("LAB_DC1_LDAPS_URL"),
        "--replication-timeout",
        "3",
    ];
    let said = world.fix_by(dc1_there, &only).ended(1);
    assert!(!said.contains(dc2), "--dc names all that are asked: {said}");
    // From there dc2 shows the link still, so an undo finds nothing to do, and says so.
    let undone = world
        .undo_by(at_home, &["--dc", dc2, "--replication-timeout", "3"])
        .ended(0);
    assert!(undone.contains("was there"), "{undone}");
    assert_eq!(
        (world.links(dc1_there).len(), world.links(at_home).len()),
        (0, 1)
    );
    drop(cut);
    eventually("dc2 has caught up", || world.links(world.dc2).is_empty());
}

#[test]
fn a_controller_that_answers_and_does_not_catch_up_is_named_too() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let deaf = Deaf::now(&lab);
    let said = world.fix(&["--replication-timeout", "3"]).ended(1);
    assert!(
        said.contains(&format!("agrees  {} ", lab.var("LAB_DC1_LDAPS_URL"))),
        "{said}"
    );
    assert!(
        said.contains(&format!(
            "DIFFERS {} on 1 of 1 owner ",
            lab.var("LAB_DC2_LDAPS_URL")
        )),
        "{said}"
    );
    assert_eq!(
        (world.links(world.dc1).len(), world.links(world.dc2).len()),
        (0, 1)
    );
    drop(deaf);
    eventually("dc2 has caught up", || world.links(world.dc2).is_empty());
}

#[test]
fn a_link_that_comes_back_from_the_other_side_is_found_again() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let at_home = world.dc2.inside(lab.var("LAB_DC2_NETNS"));
    let cut = Cut::now();
    world.fix(&["--replication-timeout", "2"]).ended(1);
    // Someone there takes the link away and gives it again, twice: more changes of the same value
    // than the fix made, and so the version that wins.
    for what in ["delete", "add", "delete", "add"] {
        assert_eq!(
            at_home.change(what, &world.owner.dn, LINK, &world.delegate.dn),
            0
        );
    }
    assert_eq!(world.links(world.dc1).len(), 0);
    drop(cut);
    eventually("the link has come back", || {
        world.links(world.dc1).len() == 1
    });
    let found = world
        .dc1
        .automend(&["audit", "--owner", &world.owner.dn, "--format", "json"])
        .ended(1);
    assert!(found.contains("stale-link"), "{found}");
    let desk = Desk::new();
    let again = [
        "fix",
        "--yes",
        "--owner",
        &world.owner.dn,
        "--receipt",
        &desk.arg("again.ldif"),
    ];
    world.dc1.automend(&again).ended(1);
    assert_eq!(
        (world.links(world.dc1).len(), world.links(world.dc2).len()),
        (0, 0)
    );
}

#[test]
fn an_interrupt_ends_the_wait_for_a_controller_that_is_cut_off() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let cut = Cut::now();
    let receipt = world.desk.arg("receipt.ldif");
    let mut program = world.dc1.program(&[
        "fix",
        "--yes",
        "--owner",
        &world.owner.dn,
        "--receipt",
        &receipt,
        "--replication-timeout",
        "3600",
    ]);
    let program = program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = program.spawn().expect("automend starts");
    let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let written = lines
        .map_while(Result::ok)
        .any(|line| line.starts_with("Receipt: "));
    assert!(written, "it ended too early");
    // `ip netns exec` becomes what it runs, so the child is automend itself.
    let id = child.id().to_string();
    eventually("an interrupt ends it", || {
        succeeded(&run(Command::new("kill").args(["-s", "INT", &id]), ""));
        child.try_wait().expect("it was started here").is_some()
    });
    let output = child.wait_with_output().expect("it was started here");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("interrupted while waiting for replication"),
        "{said}"
    );
    assert_eq!(world.receipt().removed(), 1);
    drop(cut);
    eventually("dc2 has caught up", || world.links(world.dc2).is_empty());
}

#[test]
fn a_controller_named_by_hand_that_is_none_is_told_of() {
    let lab = Lab::named(SAMBA2);
    let world = World::new(&lab);
    let said = world
        .fix(&["--dc", "dc9.contoso.test", "--replication-timeout", "1"])
        .ended(1);
    assert!(said.contains("SILENT  ldaps://dc9.contoso.test"), "{said}");
    assert_eq!(world.links(world.dc1).len(), 0);
}

/// As long as this lives, dc2 answers and takes no changes from dc1.
struct Deaf<'lab>(&'lab Lab);

impl<'lab> Deaf<'lab> {
    fn now(lab: &'lab Lab) -> Self {
        succeeded(&Self::switch(lab, '+'));
        Self(lab)
    }

    fn switch(lab: &Lab, sign: char) -> Output {
        let login = format!("{}%{}", lab.var("LAB_ADMIN"), lab.var("LAB_ADMIN_PASSWORD"));
        let option = format!("--dsa-option={sign}DISABLE_INBOUND_REPL");
        run(
            lab.command("samba-tool").args([
                "drs",
                "options",
                "dc2.contoso.test",
                &option,
                "-U",
                &login,
            ]),
            "",
        )
    }
}

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        let output = Self::switch(self.0, '-');
        assert!(
            output.status.success() || std::thread::panicking(),
            "{output:?}"
        );
        sync();
    }
}

/// An owner without a mailbox and its delegate, whom both controllers know.
struct World<'lab> {
    desk: Desk,
    dc1: Bind<'lab>,
    dc2: Bind<'lab>,
    owner: Added<'lab>,
    delegate: Added<'lab>,
}

impl<'lab> World<'lab> {
    fn new(lab: &'lab Lab) -> Self {
        let (dc1, dc2) = controllers(lab);
        let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
        let (owner, delegate) = (
            dc1.add_user("lab-owner", &units),
            dc1.add_user("lab-delegate", &units),
        );
        dc1.link(&owner.dn, &delegate.dn);
        eventually("dc2 has the link", || {
            knows(dc2, &owner.dn) && dc2.links_of(&owner.dn).len() == 1
        });
        Self {
            desk: Desk::new(),
            dc1,
            dc2,
            owner,
            delegate,
        }
    }

    fn links(&self, dc: Bind<'_>) -> Vec<automend_core::dn::Dn> {
        dc.links_of(&self.owner.dn)
    }

    fn fix(&self, how: &[&str]) -> Ran {
        self.fix_by(self.dc1, how)
    }

    fn fix_by(&self, dc: Bind<'_>, how: &[&str]) -> Ran {
        let receipt = self.desk.arg("receipt.ldif");
        dc.automend(
            &[
                &[
                    "fix",
                    "--yes",
                    "--owner",
                    &self.owner.dn,
                    "--receipt",
                    &receipt,
                ],
                how,
            ]
            .concat(),
        )
    }

    fn undo(&self, how: &[&str]) -> Ran {
        self.undo_by(self.dc1, how)
    }

    fn undo_by(&self, dc: Bind<'_>, how: &[&str]) -> Ran {
        dc.automend(&[&["undo", &self.desk.arg("receipt.ldif"), "--yes"], how].concat())
    }

    fn receipt(&self) -> Receipt {
        Receipt::read(&self.desk.file("receipt.ldif"))
    }
}
