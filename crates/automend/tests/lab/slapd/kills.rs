//! automend is stopped in the middle, and nothing is lost.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::SLAPD;
use crate::lab::program::{Desk, Receipt};
use crate::lab::proxy::{Fate, MODIFY, Proxy};
use crate::lab::{Bind, Lab, eventually, run};

#[test]
fn a_kill_at_a_write_loses_nothing_whether_the_write_arrived_or_not() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_URL", "LAB_TOOL");
    let before = tool.keep();
    for unlucky in [1, 2, 17] {
        for arrives in [false, true] {
            let desk = Desk::new();
            let victim: Arc<Mutex<Option<Child>>> = Arc::default();
            let (tell, told) = mpsc::channel();
            let mut seen = 0;
            let hand = Arc::clone(&victim);
            let proxy = Proxy::start(lab.var("LAB_URL"), move |tag| {
                seen += usize::from(tag == MODIFY);
                if tag != MODIFY || seen != unlucky {
                    return Fate::Forward;
                }
                let mut child = hand
                    .lock()
                    .expect("no panic")
                    .take()
                    .expect("it was started");
                kill(&child, "KILL");
                child.wait().expect("it was started here");
                tell.send(()).expect("the test waits");
                if arrives {
                    Fate::Forward
                } else {
                    Fate::LoseRequest
                }
            });
            {
                // The proxy waits for the child, not the other way round.
                let mut slot = victim.lock().expect("no panic");
                let mut program = tool.at(&proxy.url).program(&[
                    "fix",
                    "--allow-plaintext",
                    "--yes",
                    "--receipt",
                    &desk.arg("r.ldif"),
                ]);
                *slot = Some(quiet(&mut program).spawn().expect("automend starts"));
            }
            told.recv_timeout(Duration::from_secs(60))
                .expect("it was killed at a write");
            let receipt = Receipt::read(&desk.file("r.ldif"));
            let (owner, values, end) = receipt.changes.last().expect("the write was announced");
            assert_eq!((receipt.changes.len(), end), (unlucky, &None));
            if arrives {
                eventually("the write has arrived", || tool.links_of(owner).is_empty());
            } else {
                assert_eq!(tool.links_of(owner).len(), values.len());
            }
            undo(tool, &desk);
            assert_eq!(
                tool.links(),
                before.links,
                "killed at write {unlucky}, which arrives: {arrives}"
            );
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_URL", "LAB_TOOL");
    let before = tool.keep();
    for fixed in [1, 2, 5, 30] {
        let desk = Desk::new();
        let (mut child, lines) = start(tool, &desk, "200");
        assert_eq!(lines.take(fixed).count(), fixed, "it ended too early");
        kill(&child, "KILL");
        child.wait().expect("it was started here");
        assert!(tool.links().len() < before.links.len(), "nothing was fixed");
        undo(tool, &desk);
        assert_eq!(tool.links(), before.links, "killed after {fixed} owners");
    }
}

#[test]
fn an_interrupt_ends_with_a_receipt_that_is_complete() {
    let lab = Lab::named(SLAPD);
    let tool = lab.bind("LAB_URL", "LAB_TOOL");
    let before = tool.keep();
    let desk = Desk::new();
    let (child, mut lines) = start(tool, &desk, "5");
    assert_eq!(lines.by_ref().take(2).count(), 2, "it ended too early");
    kill(&child, "INT");
    let rest: Vec<String> = lines.collect();
    let output = child.wait_with_output().expect("it was started here");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("interrupted after"), "{said}");
    let receipt = Receipt::read(&desk.file("r.ldif"));
    assert!(receipt.changes.len() >= 2, "{rest:?}");
    assert!(
        receipt
            .changes
            .iter()
            .all(|(_, _, end)| end.as_deref() == Some("removed"))
    );
    assert_eq!(tool.links().len() + receipt.removed(), before.links.len());
    undo(tool, &desk);
    assert_eq!(tool.links(), before.links);
}

/// A fix under way, and its lines that say what was fixed.
fn start(tool: Bind<'_>, desk: &Desk, rate: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut program = tool.program(&[
        "fix",
        "--allow-plaintext",
        "--yes",
        "--rate",
        rate,
        "--receipt",
        &desk.arg("r.ldif"),
    ]);
    let mut child = quiet(&mut program)
        .stdout(Stdio::piped())
        .spawn()
        .expect("automend starts");
    let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    (
        child,
        lines
            .map_while(Result::ok)
            .filter(|line| line.starts_with("  fixed ")),
    )
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
}

/// slapd stands in no namespace, so the child is automend itself.
fn kill(child: &Child, signal: &str) {
    let killed = run(
        Command::new("kill").args(["-s", signal, &child.id().to_string()]),
        "",
    );
    assert!(killed.status.success(), "{killed:?}");
}

fn undo(tool: Bind<'_>, desk: &Desk) {
    tool.automend(&["undo", &desk.arg("r.ldif"), "--allow-plaintext", "--yes"])
        .ended(0);
}
