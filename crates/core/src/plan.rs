//! From findings to changes: which values leave which forward links.
//!
//! Only `msExchDelegateListLink` on the owner is ever written, and only values that were read are taken
//! away, so a change can always be undone by putting the same values back.

use crate::dn::Dn;
use crate::finding::{Code, Finding};
use crate::names::Guid;

/// One owner's change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The owner whose forward link is written.
    pub owner: Dn,
    /// What names the owner even when it was renamed in between.
    pub guid: Option<Guid>,
    /// What the owner is called.
    pub shown: String,
    /// Why.
    pub code: Code,
    /// The values to take away.
    pub delegates: Vec<Dn>,
}

/// Which of the stale links a plan covers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// Only links of these owners; none means all.
    pub owners: Vec<Dn>,
    /// Only links to these delegates; none means all.
    pub delegates: Vec<Dn>,
    /// Also links of mail users whose mailbox is most likely elsewhere (AM116), which no plan has otherwise.
    pub elsewhere: bool,
}

/// Makes the changes that mend every stale link among `findings`, in their order.
///
/// An owner that does not exist has no forward link to write; its finding makes no change.
pub fn changes(findings: &[Finding], selection: &Selection) -> Vec<Change> {
    let chosen = |all: &[Dn], one: &Dn| all.is_empty() || all.contains(one);
    findings
        .iter()
        .filter(|finding| {
            finding.code.is_stale_link() && finding.code != Code::OwnerGone
                || selection.elsewhere && finding.code == Code::OwnerElsewhere
        })
        .filter(|finding| chosen(&selection.owners, &finding.subject.dn))
        .filter_map(|finding| {
            let delegates: Vec<Dn> = finding
                .delegates
                .iter()
                .filter(|dn| chosen(&selection.delegates, dn))
                .cloned()
                .collect();
            (!delegates.is_empty()).then(|| Change {
                owner: finding.subject.dn.clone(),
                guid: finding.subject.guid,
                shown: finding.subject.shown.clone(),
                code: finding.code,
                delegates,
            })
        })
        .collect()
}

impl Change {
    /// The links that stay when this change is applied to `links`.
    pub fn apply(&self, links: &[Dn]) -> Vec<Dn> {
        links
            .iter()
            .filter(|link| !self.delegates.contains(link))
            .cloned()
            .collect()
    }

    /// The links that are there again when this change, applied before, is undone on `links`.
    pub fn undo(&self, links: &[Dn]) -> Vec<Dn> {
        let absent = self
            .delegates
            .iter()
            .filter(|delegate| !links.contains(delegate));
        links.iter().chain(absent).cloned().collect()
    }
}
