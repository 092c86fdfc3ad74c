//! `fix --plan` with a plan of `grant`, `revoke` or `automap`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use automend_core::display::plain;
use automend_system::say;

use crate::args;
use crate::changes::carry::{Words, carry_out, opened};
use crate::changes::planned::Planned;
use crate::report::plural;

/// Carries out what is left of a plan.
pub(super) async fn run(
    args: &args::Fix,
    planned: &Planned,
    path: &Path,
    config: Option<&Path>,
) -> Result<ExitCode> {
    if args.export.is_some() {
        bail!("--export is for plans that remove stale links");
    }
    let mut source = args.source.clone();
    if source.server.directory.is_empty() {
        source
            .server
            .directory
            .push(planned.origin.directory.clone());
    }
    let (mut directory, settings) = opened(&source, config).await?;
    let left = planned
        .left(&mut directory, path, args.skip_changed)
        .await?;
    if left.done > 0 {
        say!(
            "Done already: {} of this plan.",
            plural(left.done as u64, "owner")
        );
    }
    for line in &left.changed {
        say!("  left   {}", plain(line));
    }
    let links: usize = left.steps.iter().map(|step| step.edit.links()).sum();
    if links > args.max_changes {
        bail!(
            "the plan writes {links} links, more than --max-changes {}; nothing was written",
            args.max_changes
        );
    }
    let skipped = !left.changed.is_empty();
    if left.steps.is_empty() {
        say!("Nothing to write.");
        return Ok(ExitCode::from(u8::from(skipped)));
    }
    let words = Words {
        code: &planned.code,
        title: format!("Plan of {}, made on {}", planned.code, planned.origin.made),
        question: format!(
            "Carry it out on {}?",
            plural(left.steps.len() as u64, "owner")
        ),
    };
    let carrying_out = args::CarryingOut {
        writing: args.writing.clone(),
        plan_only: false,
        output: None,
        receipt: args.receipt.clone(),
    };
    let status = carry_out(&mut directory, &settings, &left.steps, words, &carrying_out).await?;
    Ok(if skipped { ExitCode::from(1) } else { status })
}
