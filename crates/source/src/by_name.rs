//! Objects of an LDIF file by their names, in one pass by as many threads as there are cores.
//!
//! Invariant: what is kept is what was asked for; back links are those that stand in the file.

use std::collections::HashSet;

use anyhow::Result;
use automend_core::dn::{Dn, hash_text};
use automend_core::entry::Entry;
use automend_ldap::ldif::Block;
use indicatif::ProgressBar;

use super::ldif::{Ldif, named};
use super::parallel::{Worker, in_parallel};
use super::typed::recorded;

/// What one thread found.
struct Found<'a> {
    wanted: &'a HashSet<u64>,
    entries: Vec<Entry>,
}

impl Worker for Found<'_> {
    fn block(&mut self, block: &Block) -> Result<()> {
        for record in block.records_to_select_from().flatten() {
            let hash = hash_text(&record.dn);
            if hash.is_ok_and(|hash| self.wanted.contains(&hash)) && named(&record).is_ok() {
                // What is wrong with it was told where it matters.
                self.entries.extend(recorded(&record, &mut Vec::new()));
            }
        }
        Ok(())
    }
}

impl Ldif {
    /// The objects with these names, as far as the file has them; in no order.
    ///
    /// # Errors
    ///
    /// What the file reports.
    pub fn by_name(&self, names: &[Dn]) -> Result<Vec<Entry>> {
        let wanted: HashSet<u64> = names.iter().map(Dn::hash64).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let found = in_parallel(self, &ProgressBar::hidden(), || Found {
            wanted: &wanted,
            entries: Vec::new(),
        })?;
        Ok(found.into_iter().flat_map(|part| part.entries).collect())
    }
}
