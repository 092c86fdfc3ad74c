//! What others do while automend fixes, each at the worst moment.

use automend_core::dn::Dn;

use super::SLAPD;
use crate::lab::program::{Desk, Ran, Receipt};
use crate::lab::proxy::{Fate, MODIFY, Proxy};
use crate::lab::{Added, Bind, Lab};

const LINK: &str = "msExchDelegateListLink";

#[test]
fn an_owner_that_gets_its_mailbox_back_before_the_write_keeps_its_links() {
    let lab = Lab::named(SLAPD);
    let race = Race::new(&lab, 2);
    let (ran, receipt) = race.fix(|race| {
        race.tool().reconnect_mailbox(&race.owner);
        Fate::Forward
    });
    assert!(ran.ended(1).contains("has a mailbox again"));
    assert!(receipt.guard.contains("asserted"), "{}", receipt.guard);
    assert_eq!(receipt.changes[0].2.as_deref(), Some("skipped"));
    assert_eq!(race.links().len(), 2);
}

#[test]
fn a_value_that_others_remove_before_the_write_takes_no_other_with_it() {
    let lab = Lab::named(SLAPD);
    let race = Race::new(&lab, 3);
    let (ran, receipt) = race.fix(|race| {
        assert_eq!(
            race.tool()
                .change("delete", &race.owner, LINK, &race.delegates[1]),
            0
        );
        Fate::Forward
    });
    assert!(
        ran.ended(1)
            .contains("the link was changed in the meantime")
    );
    assert_eq!(receipt.changes[0].2.as_deref(), Some("skipped"));
    assert_eq!(race.links().len(), 2);
}

#[test]
fn a_write_whose_answer_or_request_is_lost_happens_once() {
    let lab = Lab::named(SLAPD);
    for fate in [Fate::LoseRequest, Fate::LoseAnswer(0), Fate::LoseAnswer(3)] {
        let race = Race::new(&lab, 2);
        let (ran, receipt) = race.fix(|_| fate);
        ran.ended(0);
        assert_eq!(receipt.removed(), 2, "{fate:?}");
        assert_eq!(race.links().len(), 0, "{fate:?}");
        race.undo();
        assert_eq!(race.links().len(), 2, "{fate:?}");
    }
}

#[test]
fn a_mailbox_that_comes_back_while_the_connection_is_lost_keeps_its_links() {
    let lab = Lab::named(SLAPD);
    let race = Race::new(&lab, 2);
    let (ran, receipt) = race.fix(|race| {
        race.tool().reconnect_mailbox(&race.owner);
        Fate::LoseRequest
    });
    ran.ended(1);
    assert_eq!(receipt.removed(), 0);
    assert_eq!(race.links().len(), 2);
}

#[test]
fn an_owner_with_more_links_than_one_request_takes_is_told_of_portion_by_portion() {
    let lab = Lab::named(SLAPD);
    let race = Race::new(&lab, 1200);
    // The first portion is written; one value of the second is taken away by others.
    let mut number = 0;
    let (ran, receipt) = race.fix(move |race| {
        number += 1;
        if number == 2 {
            let there = race.links();
            let value = there.last().expect("others are left");
            assert_eq!(
                race.tool()
                    .change("delete", &race.owner, LINK, value.as_str()),
                0
            );
        }
        Fate::Forward
    });
    ran.ended(1);
    let left = race.links().len();
    assert!(receipt.removed() > 0, "nothing was removed");
    // What the receipt calls removed is gone, and but for the one that others took, nothing else is.
    assert_eq!(receipt.removed() + left + 1, 1200);
    race.undo();
    assert_eq!(race.links().len(), 1199);
}

#[test]
fn an_assertion_that_does_not_hold_stops_a_change() {
    let lab = Lab::named(SLAPD);
    let race = Race::new(&lab, 1);
    let ldif = format!(
        "dn: {}\nchangetype: modify\ndelete: {LINK}\n-\n",
        race.owner
    );
    let asserted = race.tool().tool(
        "ldapmodify",
        &["-e", "!assert=(msExchMailboxGuid=*)"],
        &ldif,
    );
    assert_eq!(asserted.status.code(), Some(122), "{asserted:?}");
    assert_eq!(race.links().len(), 1);
}

#[test]
fn two_administrators_at_once_remove_each_link_once() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_LDAPS_URL", "LAB_TOOL");
    let before = tool.keep();
    let (stale, all) = crate::lab::program::truth_counts(&lab);
    let desk = Desk::new();
    let names = ["one.ldif", "two.ldif"];
    let rans: Vec<Ran> = std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .iter()
            .map(|name| {
                let receipt = desk.arg(name);
                scope.spawn(move || tool.automend(&["fix", "--yes", "--receipt", &receipt]))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    for ran in &rans {
        assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
    }
    assert_eq!(tool.links().len(), all - stale);
    let mut removed = 0;
    for name in names {
        // Anyone who came second found nothing to do, and then wrote no receipt.
        if desk.file(name).exists() {
            removed += Receipt::read(&desk.file(name)).removed();
        }
    }
    assert_eq!(removed, stale);
    for name in names {
        if desk.file(name).exists() {
            tool.automend(&["undo", &desk.arg(name), "--yes"]).ended(0);
        }
    }
    assert_eq!(tool.links(), before.links);
}

/// An owner without a mailbox, whose links automend removes through a proxy.
pub(crate) struct Race<'lab> {
    lab: &'lab Lab,
    desk: Desk,
    owner: String,
    delegates: Vec<String>,
    _owner: Added<'lab>,
}

impl<'lab> Race<'lab> {
    fn new(lab: &'lab Lab, links: usize) -> Self {
        let tool = lab.bind("LAB_URL", "LAB_TOOL");
        let base = lab.var("LAB_BASE");
        let added = tool.add_user("lab-owner", base);
        let people = tool.search(base, "sub", "(msExchMailboxGuid=*)", &["1.1"]);
        let delegates: Vec<String> = people
            .lines()
            .filter_map(|line| line.strip_prefix("dn: "))
            .take(links)
            .map(str::to_owned)
            .collect();
        assert_eq!(delegates.len(), links, "too few people");
        let mut ldif = format!("dn: {}\nchangetype: modify\nadd: {LINK}\n", added.dn);
        for delegate in &delegates {
            ldif.extend([LINK, ": ", delegate, "\n"]);
        }
        assert_eq!(tool.modify(&ldif), 0, "linking");
        Self {
            lab,
            desk: Desk::new(),
            owner: added.dn.clone(),
            delegates,
            _owner: added,
        }
    }

    fn tool(&self) -> Bind<'_> {
        self.lab.bind("LAB_URL", "LAB_TOOL")
    }

    fn links(&self) -> Vec<Dn> {
        self.tool().links_of(&self.owner)
    }

    /// Fixes the owner; `before_a_write` decides what becomes of each write, until it has lost one.
    fn fix(&self, mut before_a_write: impl FnMut(&Self) -> Fate + Send) -> (Ran, Receipt) {
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (answer, answered) = std::sync::mpsc::channel::<Fate>();
        let proxy = Proxy::start(self.lab.var("LAB_URL"), move |tag| {
            if tag != MODIFY || ask.send(()).is_err() {
                return Fate::Forward;
            }
            answered.recv().unwrap_or(Fate::Forward)
        });
        let receipt = self.desk.arg("receipt.ldif");
        let ran = std::thread::scope(|scope| {
            let program = scope.spawn(|| {
                let bind = self.tool();
                bind.at(&proxy.url).automend(&[
                    "fix",
                    "--allow-plaintext",
                    "--yes",
                    "--owner",
                    &self.owner,
                    "--receipt",
                    &receipt,
                    "--max-changes",
                    "2000",
                ])
            });
            let mut lost = false;
            while !program.is_finished() {
                if asked
                    .recv_timeout(std::time::Duration::from_millis(20))
                    .is_ok()
                {
                    let fate = if lost {
                        Fate::Forward
                    } else {
                        before_a_write(self)
                    };
                    lost |= fate != Fate::Forward;
                    answer.send(fate).expect("the proxy waits");
                }
            }
            program.join().expect("no panic")
        });
        (ran, Receipt::read(&self.desk.file("receipt.ldif")))
    }

    fn undo(&self) {
        let receipt = self.desk.arg("receipt.ldif");
        self.tool()
            .automend(&["undo", &receipt, "--allow-plaintext", "--yes"])
            .ended(0);
    }
}
