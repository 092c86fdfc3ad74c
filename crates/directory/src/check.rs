//! The proof that a file is what it should be: every table against every other.
//!
//! Invariant: it only reads, takes memory for what is wrong and for nothing else, and stops at
//! [`MAX_FOUND`].

use redb::{ReadableTable, ReadableTableMetadata};

use crate::codec::Record;
use crate::error::Error;
use crate::name::path;
use crate::reading::Reading;
use crate::schema;
use crate::tables::{Counts, value_key, value_key_id};

/// How many discrepancies are listed; a file with more is beyond listing.
const MAX_FOUND: usize = 1000;

/// Something in the file that can't be right.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Discrepancy {
    /// A link on one side only.
    #[error("link of pair {pair} from object {owner} to object {delegate} is on one side only")]
    OneSided {
        /// The pair.
        pair: u16,
        /// The owner's id.
        owner: u64,
        /// The delegate's id.
        delegate: u64,
    },
    /// A link from an object that isn't there, is bare or is deleted, or to one that isn't there or is
    /// deleted. A link to a bare place is right: the file it came from was a part of a directory.
    #[error(
        "link of pair {pair} from object {owner} to object {delegate} has an end that is no object"
    )]
    NoEnd {
        /// The pair.
        pair: u16,
        /// The owner's id.
        owner: u64,
        /// The delegate's id.
        delegate: u64,
    },
    /// The list of owners doesn't fit the links.
    #[error("object {owner} is wrongly listed as an owner of pair {pair}, or wrongly not")]
    Owner {
        /// The pair.
        pair: u16,
        /// The owner's id.
        owner: u64,
    },
    /// An object can't be reached by its own name, or has no parent.
    #[error("object {id} is not where its name says")]
    Misplaced {
        /// Its id.
        id: u64,
    },
    /// An object can't be found by its GUID, or a GUID leads to another one.
    #[error("object {id} is not found by its objectGUID")]
    Guid {
        /// Its id.
        id: u64,
    },
    /// A value and the index of values don't fit.
    #[error("object {id} and the index of values differ")]
    Index {
        /// Its id.
        id: u64,
    },
    /// A record that can't be decoded.
    #[error("{what}")]
    Damaged {
        /// What [`Error::Damaged`] says.
        what: String,
    },
    /// The counts at the head of the file are wrong.
    #[error("the head says {head:?}, the tables {tables:?}")]
    Counts {
        /// What the file says.
        head: Counts,
        /// What it holds.
        tables: Counts,
    },
}

impl Reading {
    /// Walks the whole file and says what is wrong, the first thousand of it; nothing, if all is well.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the file can't be read; what it holds is never an error here.
    pub fn check(&self) -> Result<Vec<Discrepancy>, Error> {
        let mut found = Vec::new();
        let head = self.counts()?;
        let mut tables = Counts {
            usn: head.usn,
            ..Counts::default()
        };
        let mut indexed = 0;
        for row in self.objects.iter()? {
            let (id, bytes) = row?;
            let id = id.value();
            match Record::decode(id, bytes.value()) {
                Ok(record) => {
                    tables.bare += u64::from(record.bare);
                    tables.tombstones += u64::from(record.deleted);
                    let plain = !record.bare && !record.deleted && !record.hidden;
                    tables.objects += u64::from(plain);
                    indexed += self.check_record(id, &record, &mut found)?;
                    if record.usn_changed > head.usn {
                        found.push(Discrepancy::Counts { head, tables });
                    }
                }
                Err(error) => found.push(Discrepancy::Damaged {
                    what: error.to_string(),
                }),
            }
            if found.len() >= MAX_FOUND {
                return Ok(found);
            }
        }
        if indexed != self.values.len()? {
            for row in self.values.iter()? {
                let id = value_key_id(row?.0.value());
                if self.objects.get(id)?.is_none() {
                    found.push(Discrepancy::Index { id });
                }
            }
            found.push(Discrepancy::Index { id: 0 });
        }
        self.check_links(&mut found)?;
        tables.links = self.links.len()?;
        if head != tables {
            found.push(Discrepancy::Counts { head, tables });
        }
        found.truncate(MAX_FOUND);
        Ok(found)
    }

    /// Checks one object; gives the number of its values that the index holds.
    fn check_record(
        &self,
        id: u64,
        record: &Record,
        found: &mut Vec<Discrepancy>,
    ) -> Result<u64, Error> {
        let key = automend_core::dn::Dn::parse(&record.rdn).map(|rdn| rdn.key());
        let here = match &key {
            Ok(key) => match path(key).as_slice() {
                [part] => self
                    .children
                    .get((record.parent, *part))?
                    .map(|id| id.value()),
                _ => None,
            },
            Err(_) => None,
        };
        let above = record.parent == 0 || self.objects.get(record.parent)?.is_some();
        if here != Some(id) || !above || self.dn_text(record.parent).is_err() {
            found.push(Discrepancy::Misplaced { id });
        }
        if !record.bare && self.guids.get(&record.guid)?.map(|id| id.value()) != Some(id) {
            found.push(Discrepancy::Guid { id });
        }
        if record.deleted {
            return Ok(0);
        }
        let mut keys = Vec::new();
        for (number, values) in &record.attributes {
            let Some(known) = schema::by_row(*number).filter(|a| a.index != 0) else {
                continue;
            };
            keys.extend(
                values
                    .iter()
                    .map(|value| value_key(known.index, &schema::normal(known.syntax, value), id)),
            );
        }
        keys.sort_unstable();
        keys.dedup();
        for key in &keys {
            if self.values.get(key)?.is_none() {
                found.push(Discrepancy::Index { id });
            }
        }
        Ok(keys.len() as u64)
    }

    fn check_links(&self, found: &mut Vec<Discrepancy>) -> Result<(), Error> {
        let live = |id: u64| -> Result<bool, Error> {
            Ok(self
                .flags(id)?
                .is_some_and(|flags| !flags.bare() && !flags.deleted()))
        };
        for link in self.links.iter()? {
            let (owner, pair, delegate) = link?.0.value();
            if self.back_links.get((delegate, pair, owner))?.is_none() {
                found.push(Discrepancy::OneSided {
                    pair,
                    owner,
                    delegate,
                });
            }
            if self.owners.get((pair, owner))?.is_none() {
                found.push(Discrepancy::Owner { pair, owner });
            }
            let named = self.flags(delegate)?.is_some_and(|flags| !flags.deleted());
            if !live(owner)? || !named {
                found.push(Discrepancy::NoEnd {
                    pair,
                    owner,
                    delegate,
                });
            }
            if found.len() >= MAX_FOUND {
                return Ok(());
            }
        }
        for link in self.back_links.iter()? {
            let (delegate, pair, owner) = link?.0.value();
            if self.links.get((owner, pair, delegate))?.is_none() {
                found.push(Discrepancy::OneSided {
                    pair,
                    owner,
                    delegate,
                });
            }
        }
        for owner in self.owners.iter()? {
            let (pair, owner) = owner?.0.value();
            if !self.linked(owner, schema::Link::Forward(pair))? {
                found.push(Discrepancy::Owner { pair, owner });
            }
        }
        Ok(())
    }
}
