//! What is wrong in a directory: findings of every kind of source, for the commands that report or fix them.
//!
//! Verdicts are those of `core`; here is what asks the sources, streams their objects and counts.

mod ldif;
mod links;
mod progress;
mod tally;
mod users;

use anyhow::{Result, bail};
use automend_core::checks;
use automend_core::command::Command;
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::finding::Finding;
use automend_core::owner::server_name;
use automend_core::policy::{FOLLOW, Policy};
use automend_core::resolve::Request;
use automend_core::view::{Answer, Known, Need, View};
use automend_source::live::{AUDITED, Live};
use automend_source::{Directory, Settings, suspects};
use automend_system::clock;
use indicatif::ProgressBar;

use crate::hints;
use crate::report::people::People;
use crate::report::{Counts, Gaps, Report};
use links::{LinkAudit, group_findings};

const NO_PLACES: &str =
    "no mailbox database can be seen: whether they exist (AM104) was not checked";

/// What is looked at in addition to the links and their owners.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Also {
    /// Every user's own objects.
    pub deep: bool,
    /// The permissions of mailboxes.
    pub access: bool,
}

/// Audits the whole directory, or what concerns one user or one owner.
pub(crate) async fn audit(
    directory: &mut Directory,
    settings: &Settings,
    delegate: Option<&str>,
    owner: Option<&str>,
    also: Also,
) -> Result<Report> {
    let progress = progress::bar(&settings.directory);
    let mut gaps = Gaps::default();
    let audited = match (delegate, owner) {
        (Some(user), _) => one_user(directory, user, &mut gaps).await,
        (None, Some(owner)) => one_owner(directory, owner, &mut gaps, also).await,
        (None, None) => everything(directory, &progress, &mut gaps, also).await,
    };
    progress.finish_and_clear();
    let (counts, mut findings) = audited?;
    findings.sort_by(|a, b| {
        b.code
            .severity()
            .cmp(&a.code.severity())
            .then(a.code.cmp(&b.code))
            .then_with(|| a.subject.dn.cmp(&b.subject.dn))
    });
    gaps.defects.append(&mut directory.take_defects());
    gaps.notes.append(&mut directory.take_notes());
    let signed_in = match &*directory {
        Directory::Live(live) => live.signed_in.clone(),
        Directory::Embedded(_) | Directory::Ldif(_) => None,
    };
    Ok(Report {
        directory: settings.directory.shown(),
        signed_in,
        fix_command: fix_command(directory, settings, &findings, delegate, owner),
        at: clock::now(),
        counts,
        findings,
        people: People::default(),
        gaps,
    })
}

async fn everything(
    directory: &mut Directory,
    progress: &ProgressBar,
    gaps: &mut Gaps,
    also: Also,
) -> Result<(Counts, Vec<Finding>)> {
    let mut gathered = None;
    let (counts, mut findings) = match directory {
        Directory::Ldif(ldif) => {
            let mut found = ldif::audit(ldif, progress, also.access)?;
            gathered = found.2.take();
            let found = (found.0, found.1);
            gaps.unread.extend(ldif.unread()?);
            found
        }
        Directory::Embedded(embedded) => {
            let places = embedded.places()?;
            let left_over = places.left_over();
            let (places, known) = places.or_nothing();
            if !known {
                gaps.notes.push(NO_PLACES.to_owned());
            }
            let mut audit = LinkAudit::new(&places, progress);
            embedded.owners(&mut audit)?;
            let (counts, mut findings) = audit.finish()?;
            findings.extend(group_findings(&embedded.delegates(is_group)?));
            findings.extend(left_over);
            if counts.owners == 0 {
                gaps.unread.extend(directory.unread().await?);
            }
            (counts, findings)
        }
        Directory::Live(live) => live_audit(live, progress, gaps).await?,
    };
    if let Some(gathered) = gathered {
        suspects::judge(directory, gathered, gaps, &mut findings).await?;
    } else if also.access {
        suspects::everything(directory, gaps, &mut findings).await?;
    }
    if also.deep {
        users::audit(directory, progress, &mut findings).await?;
    }
    Ok((counts, findings))
}

fn is_group(entry: &Entry) -> bool {
    entry.class == Class::Group
}

async fn live_audit(
    live: &mut Live,
    progress: &ProgressBar,
    gaps: &mut Gaps,
) -> Result<(Counts, Vec<Finding>)> {
    let places = live.places().await?;
    let left_over = places.left_over();
    let (places, known) = places.or_nothing();
    if !known {
        gaps.notes.push(NO_PLACES.to_owned());
    }
    let mut audit = LinkAudit::new(&places, progress);
    let references = live.owners(AUDITED, &mut audit).await?;
    gaps.notes.extend(
        references
            .into_iter()
            .map(|url| format!("not followed: {url}; audit that server, too")),
    );
    live.prove(&mut audit.suspects).await?;
    if audit.counts.owners == 0 && live.has_exchange_schema().await? == Some(false) {
        bail!(
            "{}: the directory has no Exchange schema: msExchDelegateListLink is not defined",
            live.url
        );
    }
    gaps.unread.extend(live.unseen_links(audit.seen).await?);
    let (counts, mut findings) = audit.finish()?;
    if counts.owners > 0 {
        findings.extend(group_findings(&live.group_delegates().await?));
    }
    findings.extend(left_over);
    Ok((counts, findings))
}

async fn one_user(
    directory: &mut Directory,
    user: &str,
    gaps: &mut Gaps,
) -> Result<(Counts, Vec<Finding>)> {
    let request = Request {
        who: directory.meant(user).await?,
        policy: Policy::Faithful,
        follow: FOLLOW,
    };
    let mut known = Known::default();
    let resolved = directory.resolve(&request, &mut known).await?;
    match &resolved.user {
        None => gaps.unread.extend(directory.unread_at_all().await?),
        Some(user) if user.back_links.is_empty() => {
            gaps.unread.extend(directory.unread_links(user).await?);
        }
        Some(_) => {}
    }
    directory.tell_unread_owners()?;
    let links = resolved.links.len() as u64;
    let counts = Counts {
        owners: links,
        links,
        delegates: u64::from(links > 0),
    };
    Ok((counts, resolved.findings))
}

async fn one_owner(
    directory: &mut Directory,
    owner: &str,
    gaps: &mut Gaps,
    also: Also,
) -> Result<(Counts, Vec<Finding>)> {
    let mut known = Known::default();
    let who = directory.meant(owner).await?;
    let entry = directory.find(&who, &mut known).await?;
    if entry.forward_links.is_empty() {
        gaps.unread.extend(directory.unread_links(&entry).await?);
    }
    let mut needs: Vec<Need> = entry.home_mdb.iter().cloned().map(Need::Exists).collect();
    needs.extend(
        entry
            .home_server
            .iter()
            .map(|server| Need::Server(server_name(server).to_owned())),
    );
    directory.answer(needs, &mut known).await?;
    let delegates: Vec<Entry> = match directory {
        // There may be thousands, and one search finds those that matter.
        Directory::Live(_) if entry.forward_links.is_empty() => Vec::new(),
        Directory::Live(live) => live.silent_delegates(Some(&entry.dn)).await?,
        Directory::Embedded(_) | Directory::Ldif(_) => {
            let needs = entry.forward_links.iter().cloned().map(Need::Entry);
            directory.answer(needs.collect(), &mut known).await?;
            let delegate = |dn: &Dn| match known.answer(&Need::Entry(dn.clone())) {
                Some(Answer::Found(found)) => found.first().cloned(),
                _ => None,
            };
            entry.forward_links.iter().filter_map(delegate).collect()
        }
    };
    let accounts = delegates
        .iter()
        .filter(|entry| checks::links::never_asks(entry).is_some());
    let accounts = accounts.filter_map(checks::links::linked_mailbox).collect();
    directory.answer(accounts, &mut known).await?;
    let links = entry.forward_links.len() as u64;
    let distinct = entry
        .forward_links
        .iter()
        .map(Dn::hash64)
        .collect::<std::collections::HashSet<_>>()
        .len();
    let counts = Counts {
        owners: u64::from(links > 0),
        links,
        delegates: distinct as u64,
    };
    let mut findings = checks::links::of_owner(&entry, &known);
    for delegate in &delegates {
        let owner = std::slice::from_ref(&entry.dn);
        findings.extend(checks::links::of_delegate(delegate, owner, &known));
    }
    if also.access {
        let entry = directory.with_its_permissions(entry).await?;
        suspects::one(directory, &entry, gaps, &mut findings).await?;
    }
    Ok((counts, findings))
}

/// The command that fixes the stale links among the findings, and nothing beside.
fn fix_command(
    directory: &Directory,
    settings: &Settings,
    findings: &[Finding],
    delegate: Option<&str>,
    owner: Option<&str>,
) -> Option<Command> {
    if !findings.iter().any(|finding| finding.code.is_stale_link()) {
        return None;
    }
    let command = hints::fix_command(settings, directory);
    Some(match (delegate, owner) {
        (Some(user), _) => command.option("--delegate", user),
        (None, Some(owner)) => command.option("--owner", owner),
        (None, None) => command,
    })
}
