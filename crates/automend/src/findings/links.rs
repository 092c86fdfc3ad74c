//! The audit of every link, fed with owners by whichever source streams them.
//!
//! Verdicts are those of `core`; here is only the book-keeping around them. Memory holds what was
//! found, the tally's fixed buffers, and nothing of the owners that are well.

use anyhow::Result;
use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::{Finding, Subject};
use automend_core::owner::Owner;
use automend_source::sink::Owners;
use automend_source::sum::Sum;
use automend_source::topology::Topology;
use indicatif::ProgressBar;

use super::tally::Tally;
use crate::report::Counts;

/// An audit under way.
pub(crate) struct LinkAudit<'a> {
    places: &'a Topology,
    progress: &'a ProgressBar,
    /// How many so far; delegates are counted at the end.
    pub counts: Counts,
    /// The links, to be held against the back links.
    pub seen: Sum,
    /// What is wrong, but for owners in [`LinkAudit::suspects`].
    pub findings: Vec<Finding>,
    /// Owners that look as if they were no mailbox.
    pub suspects: Vec<Entry>,
    tally: Tally,
}

/// 2^21 counters, 4 MiB: enough that a few million links name hardly anybody for nothing.
const SKETCH_BITS: u32 = 21;

impl<'a> LinkAudit<'a> {
    /// Begins.
    pub(crate) fn new(places: &'a Topology, progress: &'a ProgressBar) -> Self {
        Self {
            places,
            progress,
            counts: Counts::default(),
            seen: Sum::default(),
            findings: Vec::new(),
            suspects: Vec::new(),
            tally: tally(),
        }
    }

    /// Judges the suspects, and counts; hands out counts and findings.
    pub(crate) fn finish(mut self) -> Result<(Counts, Vec<Finding>)> {
        for entry in &self.suspects {
            self.findings.extend(links::of_owner(entry, self.places));
        }
        let totals = self.tally.finish()?;
        self.counts.delegates = totals.distinct;
        self.findings.extend(busy_findings(totals.often));
        Ok((self.counts, self.findings))
    }
}

/// Those of the delegates that came often who have many back links (AM-11).
pub(super) fn busy_findings(often: Vec<(String, u64)>) -> impl Iterator<Item = Finding> {
    often.into_iter().filter_map(|(name, count)| {
        let delegate = Subject::named(&Dn::parse(&name).ok()?);
        links::of_busy_delegate(delegate, count)
    })
}

/// A tally of delegates.
pub(crate) fn tally() -> Tally {
    Tally::new(links::MANY_BACK_LINKS, SKETCH_BITS)
}

impl Owners for LinkAudit<'_> {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        self.counts.owners += 1;
        self.counts.links += entry.forward_links.len() as u64;
        let (owner, deleted) = (entry.dn.hash64(), entry.dn.is_deleted_object());
        for delegate in &entry.forward_links {
            let hash = delegate.hash64();
            // No object has a back link to what was deleted.
            if !deleted {
                self.seen.add(owner, hash);
            }
            self.tally.add(hash, || delegate.to_string())?;
        }
        if self.counts.owners.is_multiple_of(256) {
            self.progress.set_position(self.counts.owners);
        }
        if matches!(Owner::of(&entry), Owner::Stale(_)) {
            self.suspects.push(entry);
        } else {
            self.findings.extend(links::of_owner(&entry, self.places));
        }
        Ok(())
    }

    fn restart(&mut self) {
        *self = Self::new(self.places, self.progress);
    }
}

/// One finding an owner for each group that is a delegate (AM-9).
pub(super) fn group_findings(groups: &[Entry]) -> Vec<Finding> {
    let of = |group: &Entry| -> Vec<Finding> {
        let owners = group.back_links.iter();
        owners
            .map(|owner| links::of_group(Subject::named(owner), &group.dn))
            .collect()
    };
    groups.iter().flat_map(of).collect()
}
