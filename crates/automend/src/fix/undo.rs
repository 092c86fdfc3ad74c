//! `automend undo`: puts back exactly what a receipt says was removed.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::names::Guid;
use automend_source::Directory;
use automend_system::clock;

use super::receipt::{Begin, Outcome, Receipt, Undone, read};
use super::replication::Expected;
use super::writer::{self, Direction, Written};
use super::{confirmed, replicated, writable};
use crate::args;
use crate::console::say;
use crate::report::plural;

/// Runs the command.
pub(crate) async fn run(args: &args::Undo, config: Option<&Path>) -> Result<ExitCode> {
    let settings = crate::config::directory_settings(&args.source, config)?;
    let read = read(&args.receipt)?;
    let mut directory = Directory::open(&settings).await?;
    let identity = directory.identity().await?;
    if read.header.origin.identity != identity {
        bail!(
            "{}: written for another directory ({}, {}); this one is {identity}",
            args.receipt.display(),
            read.header.origin.directory,
            read.header.origin.identity
        );
    }
    // What was refused or skipped was never removed; what has no end may have been.
    let begun: Vec<Begin> = read
        .changes
        .into_iter()
        .filter(|(_, end)| {
            end.as_ref()
                .is_none_or(|end| end.outcome == Outcome::Removed)
        })
        .map(|(begin, _)| begin)
        .rev()
        .collect();
    let links: usize = begun.iter().map(|begin| begin.delegates.len()).sum();
    if links == 0 {
        say!("The receipt removed nothing: nothing to put back.");
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "Put back what was removed on {}:",
        plain(&read.header.origin.made)
    );
    for begin in &begun {
        show(&mut directory, begin).await?;
    }
    let question = format!(
        "Restore {} on {}?",
        plural(links as u64, "link"),
        plural(begun.len() as u64, "owner")
    );
    if !args.writing.yes && !confirmed(&question)? {
        say!("Nothing was written.");
        return Ok(ExitCode::from(1));
    }
    writable(&directory)?;
    let mut receipt = Receipt::append(&args.receipt)?;
    let undone = undo(&mut directory, &begun, &mut receipt).await?;
    let converged = replicated(
        &mut directory,
        &undone.restored,
        &args.writing,
        Direction::Restore,
    )
    .await?;
    Ok(if undone.left == 0 && converged {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Shows what is about to be written: the object as it is called now, and every value.
async fn show(directory: &mut Directory, begin: &Begin) -> Result<()> {
    let (dn, guid) = (begin.dn()?, begin.object_guid()?);
    let found = match directory {
        // Refused before anything is written, in the same words as ever.
        Directory::Ldif(_) => None,
        _ => writer::named_owner(directory, &dn, guid).await?,
    };
    let links = plural(begin.delegates.len() as u64, "link");
    match found {
        Some(entry) if entry.dn == dn => say!("  {} ({links})", plain(&dn)),
        Some(entry) => say!(
            "  {} ({links}; recorded as {})",
            plain(&entry.dn),
            plain(&dn)
        ),
        None => say!("  {} ({links}; there is no such object now)", plain(&dn)),
    }
    for delegate in &begin.delegates {
        say!("    + {}", plain(delegate));
    }
    Ok(())
}

/// What an undo did.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// What is there again.
    pub restored: Vec<Expected>,
    /// Links that could not be put back.
    pub left: usize,
}

/// Puts values back, owner by owner; those that are there already are left alone.
pub(crate) async fn undo(
    directory: &mut Directory,
    begun: &[Begin],
    receipt: &mut Receipt,
) -> Result<Restored> {
    let mut restored = Restored::default();
    for begin in begun {
        let (dn, guid, values) = (begin.dn()?, begin.object_guid()?, begin.values()?);
        let done = restore(directory, &dn, guid, &values).await?;
        for why in &done.problems {
            say!("  left     {}: {}", plain(&begin.owner), plain(why));
        }
        restored.left += done.problems.len();
        if done.added.is_empty() {
            if done.problems.is_empty() {
                say!("  was there {}", plain(&begin.owner));
            }
            continue;
        }
        receipt.undone(&Undone {
            n: begin.n,
            at: clock::now().to_string(),
            restored: done.added.iter().map(ToString::to_string).collect(),
        })?;
        say!(
            "  restored {} ({})",
            plain(&begin.owner),
            plural(done.added.len() as u64, "link")
        );
        restored.restored.push(Expected {
            owner: dn,
            guid,
            values: done.added,
        });
    }
    Ok(restored)
}

#[derive(Default)]
struct Done {
    added: Vec<Dn>,
    problems: Vec<String>,
}

async fn restore(
    directory: &mut Directory,
    dn: &Dn,
    guid: Option<Guid>,
    values: &[Dn],
) -> Result<Done> {
    let mut done = Done::default();
    let Some(entry) = writer::read_owner(directory, dn, guid).await? else {
        done.problems.push("the owner no longer exists".to_owned());
        return Ok(done);
    };
    let there: HashSet<Dn> = writer::present(&entry, values).into_iter().collect();
    let absent: Vec<Dn> = values
        .iter()
        .filter(|value| !there.contains(value))
        .cloned()
        .collect();
    if absent.is_empty() {
        return Ok(done);
    }
    if writer::write(directory, &entry, &absent, Direction::Restore).await? == Written::Done {
        done.added = absent;
        return Ok(done);
    }
    // One that cannot be put back, say because the delegate is gone, must not keep the others away.
    for value in absent {
        match writer::write(
            directory,
            &entry,
            std::slice::from_ref(&value),
            Direction::Restore,
        )
        .await?
        {
            Written::Done => done.added.push(value),
            Written::Skipped(why) | Written::Refused(why) => {
                done.problems.push(format!("{value}: {why}"));
            }
        }
    }
    Ok(done)
}
