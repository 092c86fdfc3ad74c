//! Carrying out edits: review, question, receipt, guarded writes, wait, verification.
//!
//! Invariant: an owner is read again at once before its write, and what is no longer as it was reviewed is
//! left alone; each edit is in the receipt, on disk, before it is written.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::names::{Guid, attribute};
use automend_core::owner::Owner;
use automend_core::plan::{Edit, LinkChange, ObjectRef};
use automend_source::{Directory, Settings};
use automend_system::{clock, say};
use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval};

use super::after::{offered, replicated, verify};
use super::before::{confirmed, guard, receipt_path, writable};
use super::origin::Origin;
use super::permission;
use super::planned::{self, Planned};
use super::receipt::{Begin, EDITS, End, Header, Outcome, Receipt};
use super::step::Step;
use super::writer::{self, Written};
use crate::args;
use crate::hints;
use crate::report::plural;

/// What an approved run is called, and how it asks.
pub(crate) struct Words<'a> {
    /// The command, for the receipt.
    pub code: &'a str,
    /// The first line of the review.
    pub title: String,
    /// The question.
    pub question: String,
}

/// Carries out steps that write something.
///
/// # Errors
///
/// The work could not be done; the receipt has what was.
pub(crate) async fn carry_out(
    directory: &mut Directory,
    settings: &Settings,
    steps: &[Step],
    words: Words<'_>,
    args: &args::CarryingOut,
) -> Result<ExitCode> {
    review(steps, &words.title);
    if args.plan_only {
        if let Some(path) = &args.output {
            write_plan(directory, settings, steps, words.code, path).await?;
        }
        say!("Nothing was written.");
        return Ok(ExitCode::from(1));
    }
    writable(directory)?;
    allowed(directory, steps).await?;
    if !args.writing.yes && !confirmed(&words.question)? {
        say!("Nothing was written.");
        return Ok(ExitCode::from(1));
    }
    let header = Header {
        origin: origin(EDITS, directory, settings).await?,
        guard: guard(directory).to_owned(),
    };
    let mut receipt = Receipt::create(&receipt_path(args.receipt.as_deref()), &header)?;
    let written = write_all(
        directory,
        steps,
        words.code,
        &mut receipt,
        args.writing.rate,
    )
    .await;
    say!("Receipt: {}", plain(receipt.path().display()));
    say!(
        "To undo: {}",
        hints::same_directory("undo", settings, directory).operand(receipt.path().display())
    );
    let (written, left) = written?;
    let converged = replicated(directory, &written, &args.writing).await?;
    let healthy = offered(directory, &written).await?;
    let fixed = verify(directory, &written).await?;
    Ok(if left == 0 && converged && healthy && fixed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// What a plan or a receipt of now says of itself.
async fn origin(version: u32, directory: &mut Directory, settings: &Settings) -> Result<Origin> {
    let identity = directory.identity().await?;
    Ok(Origin::new(
        version,
        clock::now().to_string(),
        settings.directory.shown(),
        identity,
    ))
}

/// Writes the plan for others to review, and says how it is carried out.
async fn write_plan(
    directory: &mut Directory,
    settings: &Settings,
    steps: &[Step],
    code: &str,
    path: &Path,
) -> Result<()> {
    let origin = origin(planned::VERSION, directory, settings).await?;
    let plan = Planned::new(origin, code, steps);
    std::fs::write(path, plan.to_json()?).with_context(|| format!("writing {}", path.display()))?;
    let apply = Command::automend("fix").option("--plan", path.display());
    say!(
        "Plan written to {}; apply it with: {}",
        plain(path.display()),
        hints::with_options(apply, settings)
    );
    Ok(())
}

/// Prints what is to be written.
fn review(steps: &[Step], title: &str) {
    const MOST: usize = 20;
    say!("{}", plain(title));
    for step in steps {
        say!("  {}  {}", plain(step.owner.shown()), plain(&step.owner.dn));
        let removed = step.edit.remove.iter().map(|dn| ('-', dn));
        let links: Vec<_> = removed
            .chain(step.edit.add.iter().map(|dn| ('+', dn)))
            .collect();
        for (sign, delegate) in links.iter().take(MOST) {
            say!(
                "    {sign} {}: {}",
                attribute::DELEGATE_LIST_LINK,
                plain(delegate)
            );
        }
        if links.len() > MOST {
            say!(
                "    … and {} more",
                plural((links.len() - MOST) as u64, "link")
            );
        }
        for one in &step.edit.attributes {
            for (sign, values) in [('-', &one.before), ('+', &one.after)] {
                for value in values {
                    say!("    {sign} {}: {}", one.attribute, plain(shown(value)));
                }
            }
        }
        for line in &step.lines {
            say!("    {}", plain(line));
        }
    }
}

/// A value as people read it, or its bytes.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => {
            Guid::from_bytes(value).map_or_else(|| format!("{value:02x?}"), |guid| guid.to_string())
        }
    }
}

/// Asks the directory whether this account may write what the steps write.
async fn allowed(directory: &mut Directory, steps: &[Step]) -> Result<()> {
    let mut attributes = Vec::new();
    if steps.iter().any(|step| step.edit.links() > 0) {
        attributes.push(attribute::DELEGATE_LIST_LINK);
    }
    if steps.iter().any(|step| step.edit.descriptor.is_some()) {
        attributes.push(attribute::MAILBOX_SECURITY_DESCRIPTOR);
    }
    let owners: Vec<&Dn> = steps.iter().map(|step| &step.owner.dn).collect();
    permission::check(directory, &owners, &attributes).await
}

/// Writes step after step; gives what was written, and how many steps were left.
async fn write_all(
    directory: &mut Directory,
    steps: &[Step],
    code: &str,
    receipt: &mut Receipt,
    rate: Option<u32>,
) -> Result<(Vec<LinkChange>, usize)> {
    let mut pace = rate.map(|rate| {
        let mut pace = interval(Duration::from_secs(1) / rate.max(1));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    });
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    let (mut written, mut left, mut n) = (Vec::new(), 0, 0);
    for (done, step) in steps.iter().enumerate() {
        let stopped = match &mut pace {
            Some(pace) => tokio::select! { _ = pace.tick() => false, _ = &mut stop => true },
            None => (&mut stop).now_or_never().is_some(),
        };
        if stopped {
            bail!(
                "interrupted after {done} of {} owners; the receipt has what was done, run the command again for the rest",
                steps.len()
            );
        }
        let shown = plain(step.owner.shown());
        let (entry, pieces) = match still_applies(directory, step).await? {
            Ok(fresh) => fresh,
            Err(why) => {
                left += 1;
                say!("  left   {shown}: {}", plain(why));
                continue;
            }
        };
        for edit in pieces {
            n += 1;
            let begin = Begin {
                n,
                owner: ObjectRef::from(&entry),
                code: code.to_owned(),
                edit,
            };
            receipt.begin(&begin)?;
            let (outcome, why) = match writer::write(directory, &entry, &begin.edit).await? {
                Written::Done => (Outcome::Written, None),
                Written::Skipped(why) => (Outcome::Skipped, Some(why)),
                Written::Refused(why) => (Outcome::Refused, Some(why)),
            };
            receipt.end(&End {
                n,
                outcome,
                why: why.clone(),
            })?;
            if let Some(why) = why {
                left += 1;
                say!("  left   {shown}: {}", plain(why));
                continue;
            }
            let now = writer::read_owner(directory, &begin.owner).await?;
            if !begin.edit.is_done(now.as_ref()) {
                left += 1;
                say!("  DIFFERS {shown}: the directory took the change and does not show it");
            }
            say!("  written {shown}");
            written.push(LinkChange {
                owner: begin.owner,
                edit: begin.edit,
            });
        }
    }
    Ok((written, left))
}

/// Reads the owner again and cuts what is left of the edit into requests, or says why nothing applies.
async fn still_applies(
    directory: &mut Directory,
    step: &Step,
) -> Result<Result<(Entry, Vec<Edit>), String>> {
    let Some(entry) = writer::read_owner(directory, &ObjectRef::from(&step.owner)).await? else {
        return Ok(Err("the owner is gone".to_owned()));
    };
    if !step.edit.add.is_empty() && Owner::of(&entry) != Owner::Mailbox {
        return Ok(Err("the owner has no mailbox any more".to_owned()));
    }
    let Some(left) = step.edit.left(&entry) else {
        return Ok(Err(
            "the permissions or the mailbox were changed in the meantime; run the command again"
                .to_owned(),
        ));
    };
    if left.is_empty() {
        return Ok(Err("it is done already".to_owned()));
    }
    Ok(Ok((entry, pieces(left))))
}

/// An edit in requests of at most [`writer::VALUES_AT_ONCE`] links.
fn pieces(edit: Edit) -> Vec<Edit> {
    if edit.links() <= writer::VALUES_AT_ONCE {
        return vec![edit];
    }
    let removed = edit
        .remove
        .chunks(writer::VALUES_AT_ONCE)
        .map(Edit::removing);
    let added = edit.add.chunks(writer::VALUES_AT_ONCE).map(Edit::adding);
    let mut pieces: Vec<Edit> = removed.chain(added).collect();
    if let Some(first) = pieces.first_mut() {
        first.descriptor = edit.descriptor;
        first.attributes = edit.attributes;
    }
    pieces
}

/// Opens the directory that a command changes.
pub(crate) async fn opened(
    source: &args::Source,
    config: Option<&Path>,
) -> Result<(Directory, Settings)> {
    let mut settings = crate::config::directory_settings(source, config)?;
    let directory = Directory::open(&settings)
        .await
        .context("opening the directory")?;
    super::named::not_a_file(&directory)?;
    directory.name_server(&mut settings);
    Ok((directory, settings))
}
