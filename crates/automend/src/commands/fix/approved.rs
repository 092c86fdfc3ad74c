//! An approved plan, held against the directory as it is now.
//!
//! A plan may have been carried out in part: by a run that was interrupted, by another administrator, or
//! by replication. Removing is idempotent, so links that are gone already are done. Everything else that
//! differs from what was approved is a change of the directory, and nothing is written to its owner.

use std::path::Path;

use anyhow::{Result, bail};
use automend_core::entry::Entry;
use automend_core::plan::{Change, ObjectRef};
use automend_source::Directory;

use super::plan_file::{Plan, State};
use crate::changes::writer;

/// What is left of a plan.
#[derive(Debug, Default)]
pub(super) struct Approved {
    /// What is to be done, with the values that are there.
    pub planned: Vec<Change>,
    /// Owners whose planned links are gone already.
    pub done: Vec<Change>,
    /// Planned links that are gone already, of all owners.
    pub links_done: usize,
    /// Owners that have changed since, and how; only where these are to be skipped.
    pub changed: Vec<(Change, String)>,
}

/// Reads what is left of a plan.
///
/// # Errors
///
/// The plan was made for another directory, or an owner has changed since and is not to be skipped.
pub(super) async fn approved(
    directory: &mut Directory,
    plan: &Plan,
    path: &Path,
    identity: &str,
    skip_changed: bool,
) -> Result<Approved> {
    if plan.origin.identity != identity {
        bail!(
            "{}: made for another directory ({}, {}); this one is {identity}",
            path.display(),
            plan.origin.directory,
            plan.origin.identity
        );
    }
    let mut approved = Approved::default();
    for (change, made_from) in plan.changes() {
        let now = writer::named_owner(directory, &change.owner).await?;
        match held_against(&change, made_from, now.as_ref()) {
            Now::Changed(why) => approved.changed.push((change, why)),
            Now::Left(there) => {
                approved.links_done += change.delegates.len() - there.delegates.len();
                if there.delegates.is_empty() {
                    approved.done.push(change);
                } else {
                    approved.planned.push(there);
                }
            }
        }
    }
    if !approved.changed.is_empty() && !skip_changed {
        let changed: Vec<String> = approved
            .changed
            .iter()
            .map(|(change, why)| format!("{}: {why}", change.owner.dn))
            .collect();
        bail!(
            "the directory has changed since the plan was made ({}); nothing was written; make a new plan, or leave these owners alone with --skip-changed:\n  {}",
            plan.origin.made,
            changed.join("\n  ")
        );
    }
    Ok(approved)
}

/// What an owner is now.
enum Now {
    /// These values of the change are still there.
    Left(Change),
    /// It is not what the plan was made from.
    Changed(String),
}

fn held_against(change: &Change, made_from: Option<&State>, now: Option<&Entry>) -> Now {
    let Some(entry) = now else {
        return Now::Changed("the owner is gone".to_owned());
    };
    if entry.dn.is_deleted_object() && !change.owner.dn.is_deleted_object() {
        return Now::Changed(
            "the owner was deleted, so its links and attributes have changed".to_owned(),
        );
    }
    let there = Change {
        // What is shown before the question is what is written to.
        owner: ObjectRef {
            dn: entry.dn.clone(),
            guid: change.owner.guid,
        },
        shown: entry.shown(),
        delegates: change.present(entry),
        ..change.clone()
    };
    if there.delegates.is_empty() {
        return Now::Left(there);
    }
    if let Some(why) = change.objection(entry) {
        return Now::Changed(why);
    }
    let gone = change.delegates.len().saturating_sub(there.delegates.len());
    let Some(state) = made_from else {
        return Now::Changed("the plan does not say what it was made from".to_owned());
    };
    if !state.fits(&State::of(entry), gone) {
        return Now::Changed("its links or attributes have changed".to_owned());
    }
    Now::Left(there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::dn::Dn;
    use automend_core::finding::Code;

    fn dn(name: &str) -> Dn {
        Dn::parse(&format!("CN={name},DC=c")).unwrap()
    }

    fn owner(links: &[&str]) -> Entry {
        let mut entry = Entry::bare(dn("Jim"));
        entry.forward_links = links.iter().map(|name| dn(name)).collect();
        entry
    }

    fn change(delegates: &[&str]) -> Change {
        Change {
            owner: ObjectRef::from(&owner(&[])),
            shown: "Jim".to_owned(),
            code: Code::OwnerDisabled,
            delegates: delegates.iter().map(|name| dn(name)).collect(),
        }
    }

    #[test]
    fn what_is_gone_is_done_and_what_came_is_a_change() {
        let made_from = State::of(&owner(&["a", "b", "c"]));
        let mut mailbox = owner(&["a", "b", "c"]);
        mailbox.legacy_dn = Some("/o=Contoso/cn=jim".to_owned());
        for (now, expected) in [
            (Some(owner(&["a", "b", "c"])), Ok(2)),
            (Some(owner(&["b", "c"])), Ok(1)),
            (Some(owner(&["c"])), Ok(0)),
            (Some(owner(&[])), Ok(0)),
            // One that was not planned is gone, or one came.
            (Some(owner(&["a", "b"])), Err(())),
            (Some(owner(&["a", "b", "c", "d"])), Err(())),
            (Some(owner(&["b", "c", "d"])), Err(())),
            (Some(mailbox), Err(())),
            (None, Err(())),
        ] {
            let found = match held_against(&change(&["a", "b"]), Some(&made_from), now.as_ref()) {
                Now::Left(left) => Ok(left.delegates.len()),
                Now::Changed(_) => Err(()),
            };
            assert_eq!(found, expected, "{now:?}");
        }
    }
}
