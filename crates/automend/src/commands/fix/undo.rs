//! `automend undo`: puts back exactly what a receipt says was removed, and takes away what it says was added.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use automend_core::display::plain;
use automend_core::plan::{Edit, LinkChange, ObjectRef};
use automend_source::Directory;
use automend_system::{clock, say};

use crate::args;
use crate::changes::after::replicated;
use crate::changes::before::{confirmed, writable};
use crate::changes::receipt::{Begin, End, Receipt, Undone, read};
use crate::changes::writer::{self, Written};
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
    // What was refused or skipped was never written; what has no end may have been.
    let begun: Vec<Begin> = read
        .changes
        .into_iter()
        .filter(|(_, end)| end.as_ref().is_none_or(End::is_done))
        .map(|(begin, _)| begin)
        .rev()
        .collect();
    let back: Vec<Edit> = begun.iter().map(|begin| begin.edit.inverse()).collect();
    if back.is_empty() {
        say!("The receipt removed nothing: nothing to put back.");
        return Ok(ExitCode::SUCCESS);
    }
    let made = plain(&read.header.origin.made);
    if back
        .iter()
        .all(|edit| edit.links() > 0 && *edit == Edit::adding(&edit.add))
    {
        say!("Put back what was removed on {made}:");
    } else {
        say!("Undo what was written on {made}:");
    }
    for begin in &begun {
        show(&mut directory, begin).await?;
    }
    let what = words(&back);
    let question = format!("Restore {what} on {}?", plural(begun.len() as u64, "owner"));
    if !args.writing.yes && !confirmed(&question)? {
        say!("Nothing was written.");
        return Ok(ExitCode::from(1));
    }
    writable(&directory)?;
    let mut receipt = Receipt::append(&args.receipt)?;
    let undone = undo(&mut directory, &begun, &mut receipt).await?;
    let converged = replicated(&mut directory, &undone.restored, &args.writing).await?;
    Ok(if undone.left == 0 && converged {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Shows what is about to be written: the object as it is called now, and every value.
async fn show(directory: &mut Directory, begin: &Begin) -> Result<()> {
    let dn = &begin.owner.dn;
    let found = match directory {
        // Refused before anything is written, in the same words as ever.
        Directory::Ldif(_) => None,
        _ => writer::named_owner(directory, &begin.owner).await?,
    };
    let edit = begin.edit.inverse();
    let links = words(std::slice::from_ref(&edit));
    match found {
        Some(entry) if entry.dn == *dn => say!("  {} ({links})", plain(dn)),
        Some(entry) => say!(
            "  {} ({links}; recorded as {})",
            plain(&entry.dn),
            plain(dn)
        ),
        None => say!("  {} ({links}; there is no such object now)", plain(dn)),
    }
    for delegate in &edit.remove {
        say!("    - {}", plain(delegate));
    }
    for delegate in &edit.add {
        say!("    + {}", plain(delegate));
    }
    if edit.descriptor.is_some() {
        say!("    the permissions of the mailbox, as they were");
    }
    for one in &edit.attributes {
        say!("    {}, as it was", one.attribute);
    }
    Ok(())
}

/// Links, permissions and mailboxes, counted.
fn words(edits: &[Edit]) -> String {
    let links: usize = edits.iter().map(Edit::links).sum();
    let of = |is: fn(&&Edit) -> bool| edits.iter().filter(is).count() as u64;
    let rights = of(|edit| edit.descriptor.is_some());
    let attributes = of(|edit| !edit.attributes.is_empty());
    let mut parts = Vec::new();
    if links > 0 || attributes == 0 {
        parts.push(plural(links as u64, "link"));
    }
    for (count, what) in [(rights, "permissions"), (attributes, "attributes")] {
        if count > 0 {
            parts.push(format!("the {what} of {}", plural(count, "mailbox")));
        }
    }
    parts.join(" and ")
}

/// What an undo did.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// What is there again.
    pub restored: Vec<LinkChange>,
    /// Links that could not be put back.
    pub left: usize,
}

/// Undoes changes, owner by owner; what is undone already is left alone.
pub(crate) async fn undo(
    directory: &mut Directory,
    begun: &[Begin],
    receipt: &mut Receipt,
) -> Result<Restored> {
    let mut restored = Restored::default();
    for begin in begun {
        let owner = &begin.owner;
        let done = restore(directory, owner, &begin.edit.inverse()).await?;
        for why in &done.problems {
            say!("  left     {}: {}", plain(&owner.dn), plain(why));
        }
        restored.left += done.problems.len();
        if done.edit.is_empty() {
            if done.problems.is_empty() {
                say!("  was there {}", plain(&owner.dn));
            }
            continue;
        }
        receipt.undone(&Undone {
            n: begin.n,
            at: clock::now().to_string(),
            restored: done.edit.add.clone(),
            removed: done.edit.remove.clone(),
            descriptor: done.edit.descriptor.is_some(),
            attributes: !done.edit.attributes.is_empty(),
        })?;
        say!(
            "  restored {} ({})",
            plain(&owner.dn),
            words(std::slice::from_ref(&done.edit))
        );
        restored.restored.push(LinkChange {
            owner: owner.clone(),
            edit: done.edit,
        });
    }
    Ok(restored)
}

#[derive(Default)]
struct Done {
    /// What was written.
    edit: Edit,
    problems: Vec<String>,
}

async fn restore(directory: &mut Directory, owner: &ObjectRef, back: &Edit) -> Result<Done> {
    let mut done = Done::default();
    let Some(entry) = writer::read_owner(directory, owner).await? else {
        done.problems.push("the owner no longer exists".to_owned());
        return Ok(done);
    };
    let Some(left) = back.left(&entry) else {
        done.problems.push(
            "the permissions of the mailbox have changed since, or its attributes, so nothing of this change is undone"
                .to_owned(),
        );
        return Ok(done);
    };
    if left.is_empty() {
        return Ok(done);
    }
    let why = match writer::write(directory, &entry, &left).await? {
        Written::Done => {
            done.edit = left;
            return Ok(done);
        }
        Written::Skipped(why) | Written::Refused(why) => why,
    };
    if left != Edit::adding(&left.add) {
        done.problems.push(why);
        return Ok(done);
    }
    // One that cannot be put back, say because the delegate is gone, must not keep the others away.
    for value in left.add {
        let one = Edit::adding(std::slice::from_ref(&value));
        match writer::write(directory, &entry, &one).await? {
            Written::Done => done.edit.add.push(value),
            Written::Skipped(why) | Written::Refused(why) => {
                done.problems.push(format!("{value}: {why}"));
            }
        }
    }
    Ok(done)
}
