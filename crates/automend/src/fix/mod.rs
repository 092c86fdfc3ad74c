//! `automend fix`: from stale links to a mended directory.
//!
//! plan, review, apply, wait for replication, verify, receipt; `undo` is the way back.

mod approved;
pub(crate) mod plan_file;
pub(crate) mod undo;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::names::attribute;
use automend_core::plan::{Change, Edit, Selection, changes};
use automend_core::resolve::Who;
use automend_core::view::Known;
use automend_source::{Directory, Settings};
use automend_system::clock;
use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::args;
use crate::changes::after::{replicated, verify};
use crate::changes::before::{confirmed, guard, receipt_path, writable};
use crate::changes::origin::Origin;
use crate::changes::permission;
use crate::changes::progress::bar;
use crate::changes::receipt::{Begin, End, Header, Outcome, REMOVALS, Receipt};
use crate::changes::replication::Expected;
use crate::changes::writer::{self, Written};
use crate::console::say;
use crate::findings::audit;
use crate::hints;
use crate::report::{export, plural};
use approved::Approved;
use plan_file::{Plan, State};

/// Runs the command.
pub(crate) async fn run(args: &args::Fix, config: Option<&Path>) -> Result<ExitCode> {
    let plan_file = match &args.plan {
        Some(path) => Some((path, Plan::read(path)?)),
        None => None,
    };
    let mut source = args.source.clone();
    if let Some((_, plan)) = plan_file.as_ref().filter(|_| source.directory.is_empty()) {
        source.directory.push(plan.origin.directory.clone());
    }
    let mut settings = crate::config::directory_settings(&source, config)?;
    let mut directory = Directory::open(&settings).await?;
    directory.name_server(&mut settings);
    let identity = directory.identity().await?;
    let mut approved = Approved::default();
    // What an audit could not see is not known to be mended.
    let mut whole = true;
    if let Some((path, plan)) = &plan_file {
        approved =
            approved::approved(&mut directory, plan, path, &identity, args.skip_changed).await?;
    } else {
        (approved.planned, whole) = from_audit(&mut directory, &settings, args).await?;
    }
    let done = |status: ExitCode| if whole { status } else { ExitCode::from(2) };
    let planned = &approved.planned;
    let links: usize = planned.iter().map(|change| change.delegates.len()).sum();
    if let Some(form) = args.export {
        export_to(planned, &settings, form, args.output.as_deref())?;
        return Ok(done(found(links)));
    }
    // A reader who leaves must not decide whether the plan is carried out.
    let mut shown = Vec::new();
    if whole || links > 0 {
        review(planned, &mut shown)?;
    } else {
        writeln!(
            shown,
            "No stale link was found, but not everything could be looked at."
        )?;
    }
    tell_approved(&approved, &mut shown)?;
    say!("{}", String::from_utf8_lossy(&shown).trim_end());
    if args.plan_only || links == 0 {
        if let Some(path) = &args.output {
            let plan = plan(&mut directory, &settings, planned, identity).await?;
            std::fs::write(path, plan.to_json()?)
                .with_context(|| format!("writing {}", path.display()))?;
            let apply = Command::automend("fix").option("--plan", path.display());
            say!(
                "Plan written to {}; apply it with: {}",
                plain(path.display()),
                hints::with_options(apply, &settings)
            );
        }
        return Ok(done(found(links + approved.changed.len())));
    }
    if links > args.max_changes {
        bail!(
            "the plan removes {links} links, more than --max-changes {}; nothing was written",
            args.max_changes
        );
    }
    if let Directory::Ldif(ldif) = &directory {
        bail!(
            "{}: a file is only read; --export ldif or powershell writes the mend for other tools",
            ldif.shown
        );
    }
    writable(&directory)?;
    let owners: Vec<&Dn> = planned.iter().map(|change| &change.owner).collect();
    permission::check(&mut directory, &owners, &[attribute::DELEGATE_LIST_LINK]).await?;
    if !args.writing.yes
        && !confirmed(&format!(
            "Remove {} from {}?",
            plural(links as u64, "link"),
            plural(planned.len() as u64, "owner")
        ))?
    {
        say!("Nothing was written.");
        return Ok(ExitCode::from(1));
    }
    let path = receipt_path(args.receipt.as_deref());
    let header = Header {
        origin: Origin::new(
            REMOVALS,
            clock::now().to_string(),
            settings.directory.shown(),
            identity,
        ),
        guard: guard(&directory).to_owned(),
    };
    let mut receipt = Receipt::create(&path, &header)?;
    let applied = apply(&mut directory, planned, &mut receipt, args.writing.rate).await;
    say!("Receipt: {}", plain(receipt.path().display()));
    say!(
        "To undo: {}",
        hints::same_directory("undo", &settings, &directory).operand(receipt.path().display())
    );
    let applied = applied?;
    let converged = replicated(&mut directory, &applied.removed, &args.writing).await?;
    let healthy = verify(&mut directory, &applied.removed).await?;
    Ok(done(
        if applied.left == 0 && converged && healthy && approved.changed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        },
    ))
}

fn found(links: usize) -> ExitCode {
    if links == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// What of an approved plan is done already, and what is left alone.
fn tell_approved(approved: &Approved, out: &mut impl Write) -> Result<()> {
    if approved.links_done > 0 {
        writeln!(
            out,
            "Done already: {} of this plan, with nothing left to do for {}",
            plural(approved.links_done as u64, "link"),
            plural(approved.done.len() as u64, "owner")
        )?;
    }
    for (change, why) in &approved.changed {
        writeln!(out, "  left   {}: {}", plain(&change.owner), plain(why))?;
    }
    Ok(())
}

async fn from_audit(
    directory: &mut Directory,
    settings: &Settings,
    args: &args::Fix,
) -> Result<(Vec<Change>, bool)> {
    let mut known = Known::default();
    let mut selection = Selection {
        elsewhere: args.elsewhere,
        ..Selection::default()
    };
    for owner in &args.owner {
        selection
            .owners
            .push(named(directory, owner, &mut known).await?);
    }
    if let Some(user) = &args.delegate {
        selection
            .delegates
            .push(named(directory, user, &mut known).await?);
    }
    // One owner is asked for by itself; anything else is a matter of the whole directory.
    let report = match (selection.owners.as_slice(), selection.delegates.as_slice()) {
        ([owner], _) => audit(directory, settings, None, Some(owner.as_str()), false).await?,
        ([], [user]) => audit(directory, settings, Some(user.as_str()), None, false).await?,
        _ => audit(directory, settings, None, None, false).await?,
    };
    report.warn();
    let planned = changes(&report.findings, &selection);
    let nothing = planned.is_empty() && report.findings.is_empty();
    let whole = report.gaps.unread.is_empty() && (report.gaps.are_none() || !nothing);
    Ok((planned, whole))
}

/// A name is taken as it is, so that a deleted object can be named, too; an address is looked up.
async fn named(directory: &mut Directory, text: &str, known: &mut Known) -> Result<Dn> {
    match directory.meant(text).await? {
        Who::Dn(dn) => Ok(dn),
        other => Ok(directory.find(&other, known).await?.dn),
    }
}

async fn plan(
    directory: &mut Directory,
    settings: &Settings,
    planned: &[Change],
    identity: String,
) -> Result<Plan> {
    let mut states = Vec::new();
    for change in planned {
        let entry = match directory {
            // A file does not change while it is read, and cannot be applied to.
            Directory::Ldif(_) => None,
            _ => writer::read_owner(directory, &change.owner, change.guid).await?,
        };
        states.push(entry.as_ref().map(State::of));
    }
    let origin = Origin::new(
        plan_file::VERSION,
        clock::now().to_string(),
        settings.directory.shown(),
        identity,
    );
    Ok(Plan::new(origin, planned, states))
}

fn export_to(
    planned: &[Change],
    settings: &Settings,
    form: args::Export,
    output: Option<&Path>,
) -> Result<()> {
    let mut out: Box<dyn Write> = match output {
        Some(path) => Box::new(
            std::fs::File::create(path).with_context(|| format!("creating {}", path.display()))?,
        ),
        None => Box::new(std::io::stdout().lock()),
    };
    let (directory, at) = (settings.directory.shown(), clock::now());
    match form {
        args::Export::Ldif => export::ldif(planned, &directory, at, &mut out)?,
        args::Export::Powershell => export::powershell(planned, &directory, at, &mut out)?,
    }
    Ok(out.flush()?)
}

/// Prints the plan for a person.
pub(crate) fn review(planned: &[Change], out: &mut impl Write) -> Result<()> {
    const MOST: usize = 10;
    if planned.is_empty() {
        writeln!(out, "No stale link: nothing to mend.")?;
        return Ok(());
    }
    writeln!(
        out,
        "Plan: remove these values of msExchDelegateListLink, and nothing else"
    )?;
    for change in planned {
        writeln!(
            out,
            "  {}  {}  ({}: {})",
            change.code,
            plain(&change.shown),
            plain(&change.owner),
            change.code.title()
        )?;
        for delegate in change.delegates.iter().take(MOST) {
            writeln!(out, "         - {}", plain(delegate))?;
        }
        if change.delegates.len() > MOST {
            writeln!(
                out,
                "         - … and {} more",
                change.delegates.len() - MOST
            )?;
        }
    }
    let links: usize = planned.iter().map(|change| change.delegates.len()).sum();
    let users: HashSet<u64> = planned
        .iter()
        .flat_map(|change| change.delegates.iter().map(Dn::hash64))
        .collect();
    writeln!(
        out,
        "Sum: remove {} from {}, for {}",
        plural(links as u64, "link"),
        plural(planned.len() as u64, "owner"),
        plural(users.len() as u64, "user")
    )?;
    Ok(())
}

/// What an apply did.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// What was removed.
    pub removed: Vec<Expected>,
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
    let progress = bar(planned.len(), "mending");
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
        let mut removed = Vec::new();
        let mut left = None;
        // Each request is a change of its own in the receipt, as each may be refused by itself.
        for values in values.chunks(writer::VALUES_AT_ONCE) {
            n += 1;
            let edit = Edit::removing(values);
            let code = change.code.as_str();
            receipt.begin(&Begin::new(n, &entry.dn, entry.guid, code, &edit))?;
            let (outcome, why) = match writer::write(directory, &entry, &edit).await? {
                Written::Done => (Outcome::Removed, None),
                Written::Skipped(why) => (Outcome::Skipped, Some(why)),
                Written::Refused(why) => (Outcome::Refused, Some(why)),
            };
            receipt.end(&End {
                n,
                outcome,
                why: why.clone(),
            })?;
            match why {
                None => removed.extend_from_slice(values),
                Some(why) => left = Some(why),
            }
        }
        if !removed.is_empty() {
            let links = plural(removed.len() as u64, "link");
            progress.suspend(|| say!("  mended {} ({links})", plain(&change.shown)));
            applied.removed.push(Expected {
                owner: entry.dn.clone(),
                guid: entry.guid,
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
    let Some(entry) = writer::read_owner(directory, &change.owner, change.guid).await? else {
        return Ok(Err("the owner is gone, and its links with it".to_owned()));
    };
    if let Some(why) = writer::no_longer_stale(&entry, change.code) {
        return Ok(Err(why));
    }
    let values = writer::present(&entry, &change.delegates);
    if values.is_empty() {
        return Ok(Err("somebody else has removed the link".to_owned()));
    }
    Ok(Ok((entry, values)))
}
