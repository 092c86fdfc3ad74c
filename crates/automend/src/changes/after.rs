//! What comes after a write: every domain controller shows it, and every affected user gets an answer.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, bail};
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::plan::LinkChange;
use automend_core::policy::Policy;
use automend_core::resolve::{LinkState, Request, Who};
use automend_core::settings::Outcome;
use automend_core::view::Known;
use automend_source::{Directory, replicas::replicas};
use automend_system::say;

use super::progress::bar;
use super::replication::{self, Replica, ReplicaState};
use crate::args;
use crate::report::plural;

/// Waits for every domain controller and prints a line for each; `true` when all agree.
pub(crate) async fn replicated(
    directory: &mut Directory,
    written: &[LinkChange],
    args: &args::Writing,
) -> Result<bool> {
    let Directory::Live(live) = directory else {
        return Ok(true);
    };
    if written.is_empty() {
        return Ok(true);
    }
    let replicas = replicas(live, &args.dc).await?;
    let timeout = Duration::from_secs(args.replication_timeout);
    let spinner = bar(0, "waiting for replication");
    spinner.enable_steady_tick(Duration::from_millis(120));
    let wait = replication::wait(
        &live.settings,
        replicas,
        live.root.active_directory,
        written,
        timeout,
    );
    // A command that handled interrupts while it wrote has replaced the system's handler for good.
    let states = tokio::select! {
        states = wait => states,
        _ = tokio::signal::ctrl_c() => {
            spinner.finish_and_clear();
            bail!("interrupted while waiting for replication; everything was written, and the receipt is complete");
        }
    };
    spinner.finish_and_clear();
    for replica in &states {
        say!("{}", plain(line(replica, written.len())));
    }
    Ok(states
        .iter()
        .all(|replica| replica.state == ReplicaState::Agrees))
}

fn line(replica: &Replica, owners: usize) -> String {
    let after = replica.after.as_secs_f32();
    match &replica.state {
        ReplicaState::Agrees => format!("  agrees  {} after {after:.1} s", replica.url),
        ReplicaState::Differs(left) => {
            format!(
                "  DIFFERS {} on {left} of {} after {after:.1} s",
                replica.url,
                plural(owners as u64, "owner")
            )
        }
        ReplicaState::Silent(why) => format!("  SILENT  {} after {after:.1} s: {why}", replica.url),
    }
}

/// Users who are verified together; what they need is in memory at the same time.
const VERIFIED_AT_ONCE: usize = 200;

/// Asks the resolver for every user from whom a link was taken; `true` when each gets an answer.
pub(crate) async fn verify(directory: &mut Directory, written: &[LinkChange]) -> Result<bool> {
    let mut seen = HashSet::new();
    let affected: Vec<Dn> = written
        .iter()
        .flat_map(|one| &one.edit.remove)
        .filter(|dn| seen.insert(dn.hash64()))
        .cloned()
        .collect();
    if affected.is_empty() {
        return Ok(true);
    }
    let progress = bar(affected.len(), "verifying");
    let (mut healthy, mut others, mut still) = (0u64, Vec::new(), Vec::new());
    for portion in affected.chunks(VERIFIED_AT_ONCE) {
        let requests: Vec<Request> = portion
            .iter()
            .map(|dn| Request {
                who: Who::Dn(dn.clone()),
                policy: Policy::Faithful,
                follow: 0,
            })
            .collect();
        let resolved = directory
            .resolve_all(&requests, &mut Known::default())
            .await?;
        for (dn, resolved) in portion.iter().zip(resolved) {
            let stale = resolved
                .links
                .iter()
                .find(|link| matches!(link.state, LinkState::Stale(_)));
            match (&resolved.outcome, stale) {
                (_, Some(link)) => still.push(format!(
                    "{}: the link from {} is stale",
                    dn.shown(),
                    link.owner.dn
                )),
                (Outcome::Fault(fault), None) => {
                    others.push(format!("{}: {}", dn.shown(), fault.cause));
                }
                _ => healthy += 1,
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    say!(
        "  verified: Autodiscover answers {}",
        plural(healthy, "user")
    );
    for line in &others {
        say!("  STILL FAILS for another reason: {}", plain(line));
    }
    for line in &still {
        say!("  STILL FAILS {}", plain(line));
    }
    Ok(still.is_empty() && others.is_empty())
}

/// Asks the resolver for every user who was given a link; `true` when the answer of each has the mailbox.
pub(crate) async fn offered(directory: &mut Directory, written: &[LinkChange]) -> Result<bool> {
    let pairs: Vec<(&Dn, &Dn)> = written
        .iter()
        .flat_map(|one| one.edit.add.iter().map(|user| (user, &one.owner.dn)))
        .collect();
    let (mut there, mut problems) = (0u64, Vec::new());
    for portion in pairs.chunks(VERIFIED_AT_ONCE) {
        let requests: Vec<Request> = portion
            .iter()
            .map(|(user, _)| Request {
                who: Who::Dn((*user).clone()),
                policy: Policy::Faithful,
                follow: 0,
            })
            .collect();
        let resolved = directory
            .resolve_all(&requests, &mut Known::default())
            .await?;
        for ((user, owner), resolved) in portion.iter().zip(resolved) {
            let link = resolved.links.iter().find(|link| link.owner.dn == **owner);
            let is_live = link.is_some_and(|link| link.state == LinkState::Live);
            match &resolved.outcome {
                Outcome::Fault(fault) => {
                    problems.push(format!("{}: {}", user.shown(), fault.cause));
                }
                _ if !is_live => problems.push(format!(
                    "{}: the answer does not have {}",
                    user.shown(),
                    owner.shown()
                )),
                _ => there += 1,
            }
        }
    }
    if there > 0 {
        say!(
            "  verified: Autodiscover offers the mailbox to {}",
            plural(there, "user")
        );
    }
    for line in &problems {
        say!("  NOT OFFERED {}", plain(line));
    }
    Ok(problems.is_empty())
}
