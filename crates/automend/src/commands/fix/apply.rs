//! Carrying out a plan, owner by owner: read again, noted in the receipt, written, noted again.
//!
//! Invariant: no change is written that the receipt does not hold.

use std::time::Duration;

use anyhow::{Result, bail};
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::Code;
use automend_core::plan::{Change, Edit, LinkChange, ObjectRef};
use automend_source::Directory;
use automend_system::say;
use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::changes::progress::bar;
use crate::changes::receipt::{Begin, End, Outcome, Receipt};
use crate::changes::writer::{self, Written};
use crate::report::plural;
use automend_source::suspects::ghosts;

/// What an apply did.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// What was removed.
    pub removed: Vec<LinkChange>,
    /// Owners that were left as they were.
    pub left: usize,
}

/// Applies the changes one owner after another; the receipt knows each before it happens.
pub(crate) async fn apply(
    directory: &mut Directory,
    planned: &[Change],
    receipt: &mut Receipt,
    rate: Option<u32>,
) -> Result<Applied> {
    let progress = bar(planned.len(), "fixing");
    let mut applied = Applied::default();
    let mut pace = rate.map(|rate| {
        let mut pace = interval(Duration::from_secs(1) / rate.max(1));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    });
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    let mut n = 0;
    for (i, change) in planned.iter().enumerate() {
        if let Some(pace) = &mut pace {
            tokio::select! { _ = pace.tick() => {}, _ = &mut stop => return interrupted(i, planned.len()) }
        } else if (&mut stop).now_or_never().is_some() {
            return interrupted(i, planned.len());
        }
        let (entry, values) = match still_applies(directory, change).await? {
            Ok(fresh) => fresh,
            Err(why) => {
                applied.left += 1;
                progress.suspend(|| say!("  left   {}: {}", plain(&change.shown), plain(why)));
                continue;
            }
        };
        let (removed, left) = write(directory, change, &entry, values, receipt, &mut n).await?;
        if !removed.is_empty() {
            let links = plural(removed.len() as u64, "link");
            progress.suspend(|| say!("  fixed {} ({links})", plain(&change.shown)));
            applied.removed.push(LinkChange {
                owner: ObjectRef::from(&entry),
                edit: Edit::removing(&removed),
            });
        }
        if let Some(why) = left {
            applied.left += 1;
            progress.suspend(|| say!("  left   {}: {}", plain(&change.shown), plain(why)));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(applied)
}

/// Takes values away from one owner; hands out those that are gone, and why others are not.
///
/// Each request is a change of its own in the receipt, as each may be refused by itself.
async fn write(
    directory: &mut Directory,
    change: &Change,
    entry: &Entry,
    values: Vec<Dn>,
    receipt: &mut Receipt,
    n: &mut usize,
) -> Result<(Vec<Dn>, Option<String>)> {
    let (mut removed, mut left) = (Vec::new(), None);
    for values in values.chunks(writer::VALUES_AT_ONCE) {
        *n += 1;
        let begin = Begin {
            n: *n,
            owner: ObjectRef::from(entry),
            code: change.code.as_str().to_owned(),
            edit: Edit::removing(values),
        };
        receipt.begin(&begin)?;
        let (outcome, why) = match writer::write(directory, entry, &begin.edit).await? {
            Written::Done => (Outcome::Removed, None),
            Written::Skipped(why) => (Outcome::Skipped, Some(why)),
            Written::Refused(why) => (Outcome::Refused, Some(why)),
        };
        receipt.end(&End {
            n: *n,
            outcome,
            why: why.clone(),
        })?;
        match why {
            None => removed.extend_from_slice(values),
            Some(why) => left = Some(why),
        }
    }
    Ok((removed, left))
}

fn interrupted<T>(done: usize, all: usize) -> Result<T> {
    bail!(
        "interrupted after {done} of {all} owners; the receipt has what was done, run the fix again for the rest"
    );
}

/// Reads the owner again and says what still applies of the change, or why nothing does.
async fn still_applies(
    directory: &mut Directory,
    change: &Change,
) -> Result<Result<(Entry, Vec<Dn>), String>> {
    let Some(entry) = writer::read_owner(directory, &change.owner).await? else {
        return Ok(Err("the owner is gone, and its links with it".to_owned()));
    };
    if let Some(why) = change.objection(&entry) {
        return Ok(Err(why));
    }
    let mut values = change.present(&entry);
    if change.code == Code::LinkWithoutPermission && !values.is_empty() {
        let ghosts = ghosts(directory, &entry).await?;
        values.retain(|value| ghosts.contains(value));
        if values.is_empty() {
            let why = "the users can open the mailbox now, or it cannot be told any more";
            return Ok(Err(why.to_owned()));
        }
    }
    if values.is_empty() {
        return Ok(Err("the link is removed already".to_owned()));
    }
    Ok(Ok((entry, values)))
}
