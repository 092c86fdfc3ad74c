//! What an audit found, before it is written in any form.

use std::process::ExitCode;

use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::finding::Finding;
use automend_source::gaps::Gaps;
use automend_system::clock;
use jiff::Timestamp;

use super::people::People;

/// How many of everything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Objects with a forward link.
    pub owners: u64,
    /// Values of forward links.
    pub links: u64,
    /// Different objects that these values name.
    pub delegates: u64,
}

/// What an audit found.
pub(crate) struct Report {
    /// The directory, as it was named.
    pub directory: String,
    /// How the account signed in, where it was by Kerberos: a sentence.
    pub signed_in: Option<String>,
    /// The command that removes the stale links that were found.
    pub fix_command: Option<Command>,
    /// When.
    pub at: Timestamp,
    /// How many of everything.
    pub counts: Counts,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// How the people in them are reached.
    pub people: People,
    /// What was not looked at.
    pub gaps: Gaps,
}

/// Says on standard error what was not looked at.
pub(crate) fn warn(gaps: &Gaps) {
    for gap in &gaps.unread {
        eprintln!(
            "automend: not everything could be looked at: {}",
            plain(gap)
        );
    }
    for gap in gaps.defects.iter().chain(&gaps.notes) {
        eprintln!("note: {}", plain(gap));
    }
}

impl Report {
    /// 0 where everything was looked at and nothing is wrong, 1 for findings, 2 where what could not be
    /// read may hide some.
    pub(crate) fn status(&self) -> ExitCode {
        if !self.gaps.unread.is_empty() {
            ExitCode::from(2)
        } else if !self.findings.is_empty() {
            ExitCode::from(1)
        } else if self.gaps.are_none() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        }
    }

    /// Says on standard error what was not looked at.
    pub(crate) fn warn(&self) {
        warn(&self.gaps);
    }
}

/// Since when something is so, for people: the time of the change itself, or else that it was not later
/// than the object's last change.
pub(crate) fn since(finding: &Finding) -> Option<String> {
    if let Some(at) = finding
        .evidence
        .since
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
    {
        return Some(clock::for_people(at));
    }
    let changed = finding
        .evidence
        .facts
        .iter()
        .find(|(name, _)| *name == "whenChanged")
        .map(|(_, text)| text)?;
    clock::generalized(changed).map(|at| format!("by {}", clock::for_people(at)))
}

/// The value of a fact for programs: times as RFC 3339 has them.
pub(super) fn for_programs(name: &str, value: &str) -> String {
    let time = (name == "whenChanged")
        .then(|| clock::generalized(value))
        .flatten();
    time.map_or_else(|| value.to_owned(), clock::for_programs)
}

/// The same for programs: when it began, or else empty; and the object's last change.
pub(super) fn times(finding: &Finding) -> (String, String) {
    let since = finding
        .evidence
        .since
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let facts = &finding.evidence.facts;
    let changed = facts
        .iter()
        .find(|(name, _)| *name == "whenChanged")
        .and_then(|(_, text)| clock::generalized(text));
    let told = |at: Option<Timestamp>| at.map(clock::for_programs).unwrap_or_default();
    (told(since), told(changed))
}
