//! From findings to changes: which values leave which forward links; and what is written to one owner.
//!
//! Only `msExchDelegateListLink` and `msExchMailboxSecurityDescriptor` of an owner are ever written, and only
//! values that were read are taken away or replaced, so an edit can always be undone by its inverse.

use std::collections::HashSet;

use crate::dn::Dn;
use crate::entry::Entry;
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

/// What is written to one owner, all of it or nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edit {
    /// Values of the forward link that are taken away.
    pub remove: Vec<Dn>,
    /// Values of the forward link that are added.
    pub add: Vec<Dn>,
    /// Who may open the mailbox.
    pub descriptor: Option<Replaced>,
}

/// A value of `msExchMailboxSecurityDescriptor` in the place of another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replaced {
    /// What was read; there may have been none.
    pub before: Option<Vec<u8>>,
    /// What takes its place, if anything does.
    pub after: Option<Vec<u8>>,
}

impl Edit {
    /// Takes values of the forward link away.
    pub fn removing(values: &[Dn]) -> Self {
        Self {
            remove: values.to_vec(),
            ..Self::default()
        }
    }

    /// Adds values to the forward link.
    pub fn adding(values: &[Dn]) -> Self {
        Self {
            add: values.to_vec(),
            ..Self::default()
        }
    }

    /// Whether it writes nothing.
    pub fn is_empty(&self) -> bool {
        self.links() == 0 && self.descriptor.is_none()
    }

    /// How many links it takes away or adds.
    pub fn links(&self) -> usize {
        self.remove.len() + self.add.len()
    }

    /// What brings back the state before.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            remove: self.add.clone(),
            add: self.remove.clone(),
            descriptor: self.descriptor.as_ref().map(|replaced| Replaced {
                before: replaced.after.clone(),
                after: replaced.before.clone(),
            }),
        }
    }

    /// What is left to do on an owner as it is now; `None` where its descriptor is neither what was read nor
    /// what takes its place.
    pub fn left(&self, owner: &Entry) -> Option<Self> {
        let there: HashSet<&Dn> = owner.forward_links.iter().collect();
        let now = owner.mailbox_descriptor.as_deref();
        let descriptor = match &self.descriptor {
            Some(replaced) if replaced.after.as_deref() == now => None,
            Some(replaced) if replaced.before.as_deref() != now => return None,
            replaced => replaced.clone(),
        };
        let wanted: HashSet<&Dn> = self.remove.iter().collect();
        // In the directory's own spelling, which it is sure to understand.
        let remove = owner
            .forward_links
            .iter()
            .filter(|link| wanted.contains(link));
        let add = self.add.iter().filter(|value| !there.contains(value));
        Some(Self {
            remove: remove.cloned().collect(),
            add: add.cloned().collect(),
            descriptor,
        })
    }

    /// Whether an owner is as it is afterwards; one that is not there has no link and no descriptor.
    pub fn is_done(&self, owner: Option<&Entry>) -> bool {
        if let Some(owner) = owner {
            return self.left(owner).is_some_and(|left| left.is_empty());
        }
        let without = |replaced: &Replaced| replaced.after.is_none();
        self.add.is_empty() && self.descriptor.as_ref().is_none_or(without)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(name: &str) -> Dn {
        Dn::parse(&format!("CN={name},DC=c")).unwrap()
    }

    fn owner(links: &[&str], descriptor: Option<&[u8]>) -> Entry {
        let mut entry = Entry::bare(dn("Jim"));
        entry.forward_links = links.iter().map(|name| dn(name)).collect();
        entry.mailbox_descriptor = descriptor.map(Into::into);
        entry
    }

    #[test]
    fn what_is_left_of_an_edit_is_what_was_not_done_and_nothing_where_another_was_faster() {
        let edit = Edit {
            remove: vec![dn("a")],
            add: vec![dn("b")],
            descriptor: Some(Replaced {
                before: None,
                after: Some(b"new".to_vec()),
            }),
        };
        assert_eq!(edit.left(&owner(&["a", "c"], None)), Some(edit.clone()));
        let half = edit.left(&owner(&["a", "b"], Some(b"new"))).unwrap();
        assert_eq!(half, Edit::removing(&[dn("a")]));
        assert_eq!(edit.left(&owner(&["a"], Some(b"other"))), None);
        let (before, after) = (owner(&["a", "c"], None), owner(&["b", "c"], Some(b"new")));
        assert!(edit.is_done(Some(&after)) && !edit.is_done(Some(&before)));
        assert!(edit.inverse().is_done(Some(&before)) && !edit.inverse().is_done(Some(&after)));
        assert!(!edit.is_done(None) && Edit::removing(&[dn("a")]).is_done(None));
        assert_eq!(edit.inverse().inverse(), edit);
    }
}
