//! A plan on disk: for review today and `fix --plan` tomorrow, bound to what it was made from.

use std::path::Path;

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::Code;
use automend_core::names::Guid;
use automend_core::plan::Change;
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
    code: String,
    why: String,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    name: String,
    remove: Vec<String>,
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
                code: change.code.as_str().to_owned(),
                why: change.code.title().to_owned(),
                owner: change.owner.to_string(),
                guid: change.guid.map(|guid| guid.to_string()),
                name: change.shown.clone(),
                remove: change.delegates.iter().map(ToString::to_string).collect(),
                made_from,
            })
            .collect();
        Self { origin, changes }
    }

    /// Reads a plan.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let reading = || format!("reading the plan {}", path.display());
        let text = std::fs::read_to_string(path).with_context(reading)?;
        origin::document(&text, "plan", VERSION..=VERSION, path, reading)
    }

    /// The plan as JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(automend_core::display::json_lines(self)? + "\n")
    }

    /// The changes, with what each was made from.
    pub(crate) fn changes(&self) -> Result<Vec<(Change, Option<State>)>> {
        self.changes
            .iter()
            .map(|planned| {
                let at = || format!("the plan's change of {}", planned.owner);
                let dn = |text: &str| Dn::parse(text).with_context(at);
                let Some(code) = Code::parse(&planned.code)
                    .filter(|code| code.is_stale_link() || *code == Code::OwnerElsewhere)
                else {
                    bail!("{}: {} is no code of a stale link", at(), planned.code);
                };
                let change = Change {
                    owner: dn(&planned.owner)?,
                    guid: match planned.guid.as_deref() {
                        Some(text) => Some(
                            Guid::parse(text)
                                .with_context(|| format!("{}: {text:?} is no GUID", at()))?,
                        ),
                        None => None,
                    },
                    shown: planned.name.clone(),
                    code,
                    delegates: planned
                        .remove
                        .iter()
                        .map(|text| dn(text))
                        .collect::<Result<_>>()?,
                };
                Ok((change, planned.made_from.clone()))
            })
            .collect()
    }
}
