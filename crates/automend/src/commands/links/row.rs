//! One link with what is known of it, and the list of all.

use automend_core::dn::Dn;
use automend_core::finding::{Code, Finding};
use automend_system::clock;
use jiff::Timestamp;

use crate::args::LinkState;
use crate::report::Gaps;
use crate::report::list::Party;

/// A link.
pub(super) struct Row {
    pub owner: Party,
    pub delegate: Party,
    pub state: LinkState,
    /// What an audit says of it.
    pub code: Option<Code>,
    /// When it came to be so, where the directory tells.
    pub since: Option<Timestamp>,
    /// When the owner was changed last: the link is not newer.
    pub changed: Option<Timestamp>,
}

/// Every link that was asked for.
pub(super) struct Links {
    pub directory: String,
    pub at: Timestamp,
    pub rows: Vec<Row>,
    pub gaps: Gaps,
}

impl Row {
    pub(super) fn new(owner: Party, delegate: &Dn, finding: Option<&Finding>) -> Self {
        let code = finding.map(|finding| finding.code);
        let since = finding.and_then(|finding| finding.evidence.since);
        Self {
            changed: owner.changed.as_deref().and_then(clock::generalized),
            owner,
            delegate: Party::named(delegate),
            state: state(code, delegate),
            code,
            since: since.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        }
    }
}

fn state(code: Option<Code>, delegate: &Dn) -> LinkState {
    match code {
        // A deleted object asks for nothing.
        None if delegate.is_deleted_object() => LinkState::Doubtful,
        None => LinkState::Healthy,
        Some(code) if code.is_stale_link() => LinkState::Stale,
        Some(Code::OwnerUnreadable) => LinkState::Undecided,
        Some(_) => LinkState::Doubtful,
    }
}

/// The word for a state, as `--state` takes it.
pub(super) fn word(state: LinkState) -> &'static str {
    match state {
        LinkState::Healthy => "healthy",
        LinkState::Stale => "stale",
        LinkState::Undecided => "undecided",
        LinkState::Doubtful => "doubtful",
    }
}
