//! Plans of `grant`, `revoke` and `automap` on disk: for review today and `fix --plan` tomorrow.
//!
//! An edit says itself what it was made from: the links that it adds or removes, and the descriptor that was
//! read. A review shows what the descriptors say, and nothing that the file says of them.
//!
//! Invariant: what is carried out is what was reviewed, on owners that are as they were, or nothing.

use std::path::Path;

use anyhow::{Context, Result, bail};
use automend_core::descriptor::Descriptor;
use automend_core::entry::Entry;
use automend_core::owner::Owner;
use automend_core::plan::{Edit, ObjectRef};
use automend_source::Directory;
use serde::{Deserialize, Serialize};

use super::origin::{self, Origin};
use super::rights::differences;
use super::step::Step;
use super::writer;

/// The version of these plans; those of a fix are of version 1.
pub(crate) const VERSION: u32 = 2;

/// A plan.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Planned {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The command.
    pub code: String,
    /// One an owner.
    pub changes: Vec<PlannedEdit>,
}

/// What is written to one owner.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedEdit {
    #[serde(flatten)]
    owner: ObjectRef,
    name: String,
    #[serde(flatten)]
    edit: Edit,
}

/// What is left of a plan.
#[derive(Default)]
pub(crate) struct Left {
    /// What is to be done.
    pub steps: Vec<Step>,
    /// Owners for which nothing is left to do.
    pub done: usize,
    /// Owners that have changed since, and how; only where these are to be skipped.
    pub changed: Vec<String>,
}

impl Planned {
    /// Makes a plan of steps.
    pub(crate) fn new(origin: Origin, code: &str, steps: &[Step]) -> Self {
        let changes = steps.iter().map(|step| PlannedEdit {
            owner: ObjectRef::from(&step.owner),
            name: step.owner.shown(),
            edit: step.edit.clone(),
        });
        Self {
            origin,
            code: code.to_owned(),
            changes: changes.collect(),
        }
    }

    /// Reads a plan; `None` for one of another version, which another reader knows.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let reading = || format!("reading the plan {}", path.display());
        let text = std::fs::read_to_string(path).with_context(reading)?;
        match serde_json::from_str(&text) {
            Ok(Versioned { version: VERSION }) => {
                origin::document(&text, "plan", VERSION..=VERSION, path, reading).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The plan as JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(automend_core::display::json_lines(self)? + "\n")
    }

    /// Reads every owner again and tells what is left.
    ///
    /// # Errors
    ///
    /// The plan was made for another directory, or an owner has changed since and is not to be skipped.
    pub(crate) async fn left(
        &self,
        directory: &mut Directory,
        path: &Path,
        skip_changed: bool,
    ) -> Result<Left> {
        let identity = directory.identity().await?;
        if self.origin.identity != identity {
            bail!(
                "{}: made for another directory ({}, {}); this one is {identity}",
                path.display(),
                self.origin.directory,
                self.origin.identity
            );
        }
        let mut left = Left::default();
        for planned in &self.changes {
            let now = writer::named_owner(directory, &planned.owner).await?;
            match planned.step(now) {
                Ok(step) if step.edit.is_empty() => left.done += 1,
                Ok(step) => left.steps.push(step),
                Err(why) => left.changed.push(format!("{}: {why:#}", planned.owner.dn)),
            }
        }
        if !left.changed.is_empty() && !skip_changed {
            bail!(
                "the directory has changed since the plan was made ({}); nothing was written; make a new plan, or leave these owners alone with --skip-changed:\n  {}",
                self.origin.made,
                left.changed.join("\n  ")
            );
        }
        Ok(left)
    }
}

impl PlannedEdit {
    /// What is left to do on the owner as it is now.
    fn step(&self, now: Option<Entry>) -> Result<Step> {
        let owner = now.context("the owner is gone")?;
        let edit = self
            .edit
            .left(&owner)
            .context("the permissions of its mailbox have changed")?;
        if !edit.add.is_empty() && Owner::of(&owner) != Owner::Mailbox {
            bail!("it has no mailbox any more");
        }
        let mut lines = Vec::new();
        if let Some(replaced) = &edit.descriptor {
            let read =
                |bytes: &Option<Vec<u8>>| bytes.as_deref().map(Descriptor::parse).transpose();
            let before = read(&replaced.before)?;
            let after = read(&replaced.after)?.context("the plan takes the descriptor away")?;
            lines = differences(before.as_ref(), &after, None);
        }
        Ok(Step { owner, edit, lines })
    }
}
