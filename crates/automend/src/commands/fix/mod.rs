//! `automend fix`: from stale links to a fixed directory.
//!
//! plan, review, apply, wait for replication, verify, receipt; `undo` is the way back.

pub(crate) mod apply;
mod approved;
mod edits;
pub(crate) mod plan_file;
pub(crate) mod undo;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_core::plan::{Change, Selection, changes};
use automend_core::resolve::Who;
use automend_core::view::Known;
use automend_source::{Directory, Settings};
use automend_system::{clock, say};

use crate::args;
use crate::changes::after::{replicated, verify};
use crate::changes::before::{confirmed, guard, receipt_path, writable};
use crate::changes::origin::Origin;
use crate::changes::permission;
use crate::changes::planned::Planned;
use crate::changes::receipt::{Header, REMOVALS, Receipt};
use crate::changes::writer;
use crate::findings::{Also, audit};
use crate::hints;
use crate::report::{export, plural};
use approved::Approved;
use plan_file::{Plan, State};

/// Runs the command.
pub(crate) async fn run(args: &args::Fix, config: Option<&Path>) -> Result<ExitCode> {
    if let Some(path) = &args.plan
        && let Some(planned) = Planned::read(path)?
    {
        return edits::run(args, &planned, path, config).await;
    }
    let plan_file = match &args.plan {
        Some(path) => Some((path, Plan::read(path)?)),
        None => None,
    };
    let mut source = args.source.clone();
    if let Some((_, plan)) = plan_file
        .as_ref()
        .filter(|_| source.server.directory.is_empty())
    {
        source.server.directory.push(plan.origin.directory.clone());
    }
    let mut settings = crate::config::directory_settings(&source, config)?;
    let mut directory = Directory::open(&settings).await?;
    directory.name_server(&mut settings);
    let identity = directory.identity().await?;
    let mut approved = Approved::default();
    // What an audit could not see is not known to be fixed.
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
    show(&approved, whole || links > 0)?;
    if args.plan_only || links == 0 {
        if let Some(path) = &args.output {
            let origin = origin(plan_file::VERSION, &settings, identity);
            write_plan(&mut directory, &settings, planned, origin, path).await?;
        }
        return Ok(done(found(links + approved.changed.len())));
    }
    may_be_written(&mut directory, planned, links, args.max_changes).await?;
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
    let fixed = carry_out(&mut directory, &settings, planned, identity, args).await?;
    Ok(done(if fixed && approved.changed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }))
}

/// Prints the plan and what is left of it; `whole` unless nothing was found and not everything was seen.
fn show(approved: &Approved, whole: bool) -> Result<()> {
    // A reader who leaves must not decide whether the plan is carried out.
    let mut shown = Vec::new();
    if whole {
        review(&approved.planned, &mut shown)?;
    } else {
        writeln!(
            shown,
            "No stale link was found, but not everything could be looked at."
        )?;
    }
    tell_approved(approved, &mut shown)?;
    say!("{}", String::from_utf8_lossy(&shown).trim_end());
    Ok(())
}

/// That the plan can be carried out: it is as small as was agreed, the directory takes writes, and the account
/// may make them.
async fn may_be_written(
    directory: &mut Directory,
    planned: &[Change],
    links: usize,
    most: usize,
) -> Result<()> {
    if links > most {
        bail!(
            "the plan removes {links} links, more than --max-changes {most}; nothing was written"
        );
    }
    if let Directory::Ldif(ldif) = directory {
        bail!(
            "{}: a file is only read; --export ldif or powershell writes the fix for other tools",
            ldif.shown
        );
    }
    writable(directory)?;
    let owners: Vec<&Dn> = planned.iter().map(|change| &change.owner.dn).collect();
    permission::check(directory, &owners, &[attribute::DELEGATE_LIST_LINK]).await
}

/// Writes, waits for replication and verifies; `true` when everything is fixed everywhere.
async fn carry_out(
    directory: &mut Directory,
    settings: &Settings,
    planned: &[Change],
    identity: String,
    args: &args::Fix,
) -> Result<bool> {
    let header = Header {
        origin: origin(REMOVALS, settings, identity),
        guard: guard(directory).to_owned(),
    };
    let mut receipt = Receipt::create(&receipt_path(args.receipt.as_deref()), &header)?;
    let applied = apply::apply(directory, planned, &mut receipt, args.writing.rate).await;
    say!("Receipt: {}", plain(receipt.path().display()));
    say!(
        "To undo: {}",
        hints::same_directory("undo", settings, directory).operand(receipt.path().display())
    );
    let applied = applied?;
    let converged = replicated(directory, &applied.removed, &args.writing).await?;
    let healthy = verify(directory, &applied.removed).await?;
    Ok(applied.left == 0 && converged && healthy)
}

/// What a plan or a receipt of now says of itself.
fn origin(version: u32, settings: &Settings, identity: String) -> Origin {
    Origin::new(
        version,
        clock::now().to_string(),
        settings.directory.shown(),
        identity,
    )
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
        writeln!(out, "  left   {}: {}", plain(&change.owner.dn), plain(why))?;
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
        elsewhere: args.besides.elsewhere,
        ghosts: args.besides.ghosts,
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
    let also = Also {
        access: args.besides.ghosts,
        ..Also::default()
    };
    // One owner is asked for by itself; anything else is a matter of the whole directory.
    let report = match (selection.owners.as_slice(), selection.delegates.as_slice()) {
        ([owner], _) => audit(directory, settings, None, Some(owner.as_str()), also).await?,
        ([], [user]) if !args.besides.ghosts => {
            audit(directory, settings, Some(user.as_str()), None, also).await?
        }
        _ => audit(directory, settings, None, None, also).await?,
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

/// Writes the plan to a file, with what each owner is now, and prints the command that applies it.
async fn write_plan(
    directory: &mut Directory,
    settings: &Settings,
    planned: &[Change],
    origin: Origin,
    path: &Path,
) -> Result<()> {
    let mut states = Vec::new();
    for change in planned {
        let entry = match directory {
            // A file does not change while it is read, and cannot be applied to.
            Directory::Ldif(_) => None,
            _ => writer::read_owner(directory, &change.owner).await?,
        };
        states.push(entry.as_ref().map(State::of));
    }
    let plan = Plan::new(origin, planned, states);
    std::fs::write(path, plan.to_json()?).with_context(|| format!("writing {}", path.display()))?;
    let apply = Command::automend("fix").option("--plan", path.display());
    say!(
        "Plan written to {}; apply it with: {}",
        plain(path.display()),
        hints::with_options(apply, settings)
    );
    Ok(())
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
        writeln!(out, "No stale link: nothing to fix.")?;
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
            plain(&change.owner.dn),
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
