//! One write transaction, as callers see it.
//!
//! Specification: [MS-ADTS] 3.1.1.5.2 (add), 3.1.1.1.6 (links).
//!
//! Invariant: a change to one object is checked whole before its first write, so a refused one
//! leaves the transaction as it was, and the caller may go on and commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use automend_core::dn::Dn;
use redb::{ReadableTable, WriteTransaction};

use crate::error::{Error, Refusal};
use crate::modify::Modification;
use crate::name::Name;
use crate::tables::{Counts, Dictionary, HEAD, NAMES, NT_HASHES};
use crate::work::{State, Work};

/// One write transaction on a directory; made by [`crate::Directory::write`].
pub struct Writing {
    transaction: WriteTransaction,
    state: State,
    commits: Arc<AtomicU64>,
}

impl Writing {
    pub(crate) fn begin(
        transaction: WriteTransaction,
        now: u64,
        commits: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let state = {
            let head = transaction.open_table(HEAD)?;
            let one = |name: &str| -> Result<u64, Error> {
                Ok(head.get(name)?.map_or(0, |count| count.value()))
            };
            State {
                now,
                next_id: one("next_id")?.max(1),
                counts: Counts {
                    objects: one("objects")?,
                    tombstones: one("tombstones")?,
                    bare: one("bare")?,
                    links: one("links")?,
                    usn: one("usn")?,
                },
                dictionary: Dictionary::load(&transaction.open_table(NAMES)?)?,
                parents: HashMap::new(),
                put_off: None,
                nt_hashes: false,
            }
        };
        Ok(Self {
            transaction,
            state,
            commits,
        })
    }

    /// Adds an object. objectGUID is taken from the attributes if it is there, else made.
    ///
    /// Its parent must exist; only parents that are all `DC=` are made up, as bare places, so that
    /// a first domain can be added.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]; then nothing was changed.
    pub fn add(&mut self, dn: &Dn, attributes: &[(String, Vec<Vec<u8>>)]) -> Result<u64, Error> {
        self.work()?.add(dn, attributes)
    }

    /// Makes all modifications of one object, or none.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]; then nothing was changed.
    pub fn modify(&mut self, name: &Name, modifications: &[Modification]) -> Result<(), Error> {
        self.work()?.modify(name, modifications, false)
    }

    /// [`Writing::modify`] with permissive modify ([MS-ADTS] 3.1.1.3.4.1.8): an add of what is
    /// there and a delete of what isn't are no errors.
    ///
    /// # Errors
    ///
    /// As [`Writing::modify`].
    pub fn modify_permissive(
        &mut self,
        name: &Name,
        modifications: &[Modification],
    ) -> Result<(), Error> {
        self.work()?.modify(name, modifications, true)
    }

    /// Renames an object, and moves it below `new_parent` if one is given. Links on both sides
    /// follow, whatever stands below comes along.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], also if `delete_old` is false: Active Directory never keeps an old name.
    pub fn rename(
        &mut self,
        name: &Name,
        new_rdn: &str,
        delete_old: bool,
        new_parent: Option<&Name>,
    ) -> Result<(), Error> {
        if !delete_old {
            return Err(Refusal::OldRdnKept.into());
        }
        self.work()?.rename(name, new_rdn, new_parent)
    }

    /// Deletes an object that has nothing below it. Its links go on both sides; a tombstone stays.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]; then nothing was changed.
    pub fn delete(&mut self, name: &Name) -> Result<(), Error> {
        self.work()?.delete(name)
    }

    /// Deletes an object and everything below it, lowest first, at most `most` objects;
    /// gives how many are left.
    ///
    /// # Errors
    ///
    /// As [`Writing::delete`]; then a part of the tree may have gone, so don't commit.
    pub fn delete_tree(&mut self, name: &Name, most: usize) -> Result<u64, Error> {
        self.work()?.delete_tree(name, most)
    }

    /// Makes everything since [`crate::Directory::write`] lasting, at once. It is on the disk when
    /// this returns.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; then nothing was changed.
    pub fn commit(mut self) -> Result<(), Error> {
        self.work()?.flush_values()?;
        {
            let mut head = self.transaction.open_table(HEAD)?;
            let State {
                counts, next_id, ..
            } = &self.state;
            for (name, number) in [
                ("next_id", *next_id),
                ("objects", counts.objects),
                ("tombstones", counts.tombstones),
                ("bare", counts.bare),
                ("links", counts.links),
                ("usn", counts.usn),
            ] {
                head.insert(name, number)?;
            }
            if self.state.nt_hashes {
                head.insert(NT_HASHES, 1)?;
            }
        }
        self.transaction.commit()?;
        self.commits.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Puts changes of the value index off until there are many, so that they go in sorted.
    pub(crate) fn put_off_values(&mut self) {
        self.state.put_off.get_or_insert_default();
    }

    pub(crate) fn work(&mut self) -> Result<Work<'_>, Error> {
        Work::open(&self.transaction, &mut self.state)
    }
}
