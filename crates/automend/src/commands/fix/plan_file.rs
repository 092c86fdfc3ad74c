//! A plan on disk: for review today and `fix --plan` tomorrow, bound to what it was made from.

use std::path::Path;

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::Code;
use automend_core::plan::{Change, ObjectRef};
use serde::{Deserialize, Serialize};

use crate::changes::origin::{self, Origin};

/// The one version of plans that there is.
pub(super) const VERSION: u32 = 1;

/// A plan.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// One an owner.
    pub changes: Vec<PlannedChange>,
}

/// What is done to one owner.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedChange {
    code: Code,
    why: String,
    #[serde(flatten)]
    owner: ObjectRef,
    name: String,
    remove: Vec<Dn>,
    /// What the owner was when the plan was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_from: Option<State>,
}

/// What a plan is bound to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// How many forward links.
    forward_links: usize,
    /// Which attributes of a mailbox lacked.
    missing: Vec<String>,
}

impl State {
    /// Of an owner, now.
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            forward_links: entry.forward_links.len(),
            missing: entry.missing().into_iter().map(str::to_owned).collect(),
        }
    }

    /// Whether `now` is this owner after `gone` of its links have gone.
    pub(crate) fn fits(&self, now: &Self, gone: usize) -> bool {
        self.missing == now.missing && self.forward_links == now.forward_links + gone
    }
}

impl Plan {
    /// Makes a plan of changes and the owners they were made from.
    pub(crate) fn new(origin: Origin, changes: &[Change], states: Vec<Option<State>>) -> Self {
        let changes = changes
            .iter()
            .zip(states)
            .map(|(change, made_from)| PlannedChange {
                code: change.code,
                why: change.code.title().to_owned(),
                owner: change.owner.clone(),
                name: change.shown.clone(),
                remove: change.delegates.clone(),
                made_from,
            })
            .collect();
        Self { origin, changes }
    }

    /// Reads a plan.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let reading = || format!("reading the plan {}", path.display());
        let text = std::fs::read_to_string(path).with_context(reading)?;
        let at = || match refused(&text) {
            Some(owner) => format!("{}: the change of {owner}", reading()),
            None => reading(),
        };
        let plan: Self = origin::document(&text, "plan", VERSION..=VERSION, path, at)?;
        for planned in &plan.changes {
            let others = [Code::OwnerElsewhere, Code::LinkWithoutPermission];
            if !planned.code.is_stale_link() && !others.contains(&planned.code) {
                bail!(
                    "{}: the change of {}: {} is no code of a stale link",
                    reading(),
                    planned.owner.dn,
                    planned.code
                );
            }
        }
        Ok(plan)
    }

    /// The plan as JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(automend_core::display::json_lines(self)? + "\n")
    }

    /// The changes, with what each was made from.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (Change, Option<&State>)> {
        self.changes.iter().map(|planned| {
            let change = Change {
                owner: planned.owner.clone(),
                shown: planned.name.clone(),
                code: planned.code,
                delegates: planned.remove.clone(),
            };
            (change, planned.made_from.as_ref())
        })
    }
}

/// The owner of the first change that cannot be read; its place in the file does not identify it.
fn refused(text: &str) -> Option<String> {
    let plan: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut changes = plan.get("changes")?.as_array()?.iter();
    let refused = changes.find(|change| PlannedChange::deserialize(*change).is_err())?;
    Some(refused.get("owner")?.to_string())
}
