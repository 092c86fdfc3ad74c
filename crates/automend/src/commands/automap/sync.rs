//! `automend automap sync`: links follow the permissions, through groups in groups.
//!
//! Invariant: a link is added only for a user who can open the mailbox for sure, and removed, where that was asked
//! for, only for one who cannot.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::finding::Code;
use automend_core::plan::{Edit, ObjectRef};
use automend_source::Directory;
use automend_system::say;

use super::limits::{few_enough, is_mailbox};
use crate::args;
use crate::changes::carry::{Words, carry_out, opened};
use crate::changes::named::object;
use crate::changes::step::Step;
use crate::changes::writer;
use crate::report::{Gaps, plural, warn};
use automend_source::suspects::{Gathered, circle, gather, gather_one};

/// Runs the command.
pub(super) async fn run(args: &args::AutomapSync, config: Option<&Path>) -> Result<ExitCode> {
    let (mut directory, settings) = opened(&args.source, config).await?;
    let denied = denied(&mut directory, args).await?;
    let mut gathered = Gathered::default();
    if args.all {
        gathered = gather(&mut directory).await?;
    }
    for owner in &args.owners {
        let owner = object(&mut directory, owner).await?;
        is_mailbox(&owner)?;
        gather_one(&mut directory, &owner, &mut gathered).await?;
    }
    let mut gaps = Gaps::default();
    let (suspects, circle) = circle(&mut directory, gathered, true, &mut gaps).await?;
    let (mut steps, mut left_out) = (Vec::<Step>::new(), 0);
    for suspect in &suspects {
        let mut add = suspect.without_link(&circle);
        let wanted = add.len();
        add.retain(|dn| !denied.contains(&dn.hash64()));
        left_out += wanted - add.len();
        let mut findings = suspect.findings(&circle);
        findings.retain(|one| args.remove && one.code == Code::LinkWithoutPermission);
        let remove: Vec<Dn> = findings.into_iter().flat_map(|one| one.delegates).collect();
        let edit = Edit {
            add,
            remove,
            ..Edit::default()
        };
        let owner = suspect.owner();
        if edit.is_empty() || steps.iter().any(|step| step.owner.dn == owner.dn) {
            continue;
        }
        let Some(owner) = writer::read_owner(&mut directory, &ObjectRef::from(owner)).await? else {
            continue;
        };
        if let Some(edit) = edit.left(&owner).filter(|left| !left.is_empty()) {
            steps.push(Step {
                owner,
                edit,
                lines: Vec::new(),
            });
        }
    }
    if left_out > 0 {
        let links = plural(left_out as u64, "link");
        say!("left out {links} for users who are denied");
    }
    gaps.defects.extend(directory.take_defects());
    warn(&gaps);
    let status = if steps.is_empty() {
        say!("Every link that can be told is there: nothing to write.");
        ExitCode::SUCCESS
    } else {
        steps.sort_by(|a, b| a.owner.dn.cmp(&b.owner.dn));
        let links = few_enough(&steps, args.max_changes)?;
        let words = Words {
            code: "automap-sync",
            title: "Plan: let the AutoMapping links follow the permissions, which stay as they are"
                .to_owned(),
            question: format!(
                "Write {} of {}?",
                plural(links as u64, "link"),
                plural(steps.len() as u64, "owner")
            ),
        };
        carry_out(&mut directory, &settings, &steps, words, &args.carrying_out).await?
    };
    Ok(if gaps.are_none() {
        status
    } else {
        ExitCode::from(2)
    })
}

/// The hashes of the names for which no link is added: those that were named, and the members of groups among them.
async fn denied(directory: &mut Directory, args: &args::AutomapSync) -> Result<HashSet<u64>> {
    let mut named = args.deny.clone();
    if let Some(path) = &args.deny_file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let lines = text.trim_start_matches('\u{feff}').lines();
        let read = lines
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        named.extend(read.map(str::to_owned));
    }
    let (mut denied, mut groups) = (HashSet::new(), Vec::new());
    for text in &named {
        let one = object(directory, text).await?;
        denied.insert(one.dn.hash64());
        if one.class == Class::Group {
            groups.push(one);
        }
    }
    let mut take = |_, member: Entry| {
        denied.insert(member.dn.hash64());
        Ok(())
    };
    if !directory.members_of(&groups, &mut take).await? {
        anyhow::bail!(
            "not all members of the groups that are denied can be read; nothing was written"
        );
    }
    Ok(denied)
}
