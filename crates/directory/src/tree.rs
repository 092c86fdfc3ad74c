//! Names in a write transaction: where an object is or would be, and which object is meant.
//!
//! Specification: RFC 4512 2.3 (names), [MS-ADTS] 3.1.1.3.1.2.4 (`<GUID=...>`).
//!
//! Invariant: only ids of parents are remembered, never more than [`REMEMBERED`], and none of them
//! outlives a rename or a delete.

use automend_core::dn::Dn;
use redb::{ReadableTable, ReadableTableMetadata};

use crate::codec::{Head, Record};
use crate::error::{Error, Refusal};
use crate::name::{Name, canonical_rdn, path};
use crate::reading::below;
use crate::tables::{MAX_NAMES, descend};
use crate::work::{Place, Work};

/// How many ids of parents a transaction remembers.
const REMEMBERED: usize = 4096;

impl Work<'_> {
    /// Where a name is or would be; `None` if there is nothing above it to hang it on.
    pub(crate) fn place(&mut self, dn: &Dn) -> Result<Option<Place>, Error> {
        let key = dn.key();
        let Some(end) = key.as_bytes().iter().position(|b| *b == 0) else {
            return Err(Refusal::BadName {
                text: dn.to_string(),
            }
            .into());
        };
        let (rdn, above) = key.as_bytes().split_at(end);
        let above = above.get(1..).unwrap_or_default();
        let parent = if above.is_empty() {
            0
        } else if let Some(id) = self.state.parents.get(above) {
            *id
        } else {
            let path = path(&key);
            let (_, parents) = path.split_last().unwrap_or((&rdn, &[]));
            match descend(&self.children, parents)? {
                Ok(id) => {
                    self.remember(above, id);
                    id
                }
                Err(_) => return Ok(None),
            }
        };
        Ok(Some(Place {
            parent,
            key: rdn.to_vec(),
            id: self.children.get((parent, rdn))?.map(|id| id.value()),
        }))
    }

    /// [`Work::place`], with bare places for every parent that isn't there.
    pub(crate) fn make_place(&mut self, dn: &Dn) -> Result<Place, Error> {
        if let Some(place) = self.place(dn)? {
            return Ok(place);
        }
        let mut missing = Vec::new();
        let mut above = dn.parent();
        while let Some(parent) = above.filter(|dn| !dn.as_str().is_empty()) {
            above = parent.parent();
            missing.push(parent);
        }
        for parent in missing.iter().rev() {
            let place = self.place(parent)?.ok_or_else(|| Error::Damaged {
                what: format!("'{parent}' has no place"),
            })?;
            if place.id.is_none() {
                let record = Record {
                    bare: true,
                    parent: place.parent,
                    rdn: canonical_rdn(parent),
                    ..Record::default()
                };
                let id = self.claim(&place)?;
                self.objects.insert(id, record.encode().as_slice())?;
                self.state.counts.bare += 1;
            }
        }
        self.place(dn)?.ok_or_else(|| Error::Damaged {
            what: format!("'{dn}' has no place"),
        })
    }

    pub(crate) fn may_make_parents(&self, dn: &Dn) -> Result<bool, Error> {
        let key = dn.key();
        let path = path(&key);
        let domains = path
            .iter()
            .rev()
            .skip(1)
            .all(|part| part.starts_with(b"dc="));
        let lowest = descend(&self.children, &path)?.unwrap_or_else(|(_, id)| id);
        Ok(domains && (lowest == 0 || self.is_bare(lowest)?))
    }

    fn remember(&mut self, name: &[u8], id: u64) {
        if self.state.parents.len() >= REMEMBERED {
            self.state.parents.clear();
        }
        self.state.parents.insert(name.into(), id);
    }

    /// Forgets where parents are, because one of them may have moved.
    pub(crate) fn forget_parents(&mut self) {
        self.state.parents.clear();
    }

    /// The id of what a request calls an object; bare places are none.
    pub(crate) fn find(&mut self, name: &Name) -> Result<u64, Error> {
        let id = match name {
            Name::Guid(guid) => self.guids.get(guid)?.map(|id| id.value()),
            Name::Dn(dn) if dn.as_str().is_empty() => None,
            Name::Dn(dn) => self.place(dn)?.and_then(|place| place.id),
        };
        match id {
            Some(id) if !self.is_bare(id)? => Ok(id),
            _ => Err(Refusal::NoObject {
                name: name.to_string(),
                matched: match name {
                    Name::Dn(dn) => self.lowest(dn)?,
                    Name::Guid(_) => String::new(),
                },
            }
            .into()),
        }
    }

    fn lowest(&self, dn: &Dn) -> Result<String, Error> {
        let lowest = descend(&self.children, &path(&dn.key()))?.unwrap_or_else(|(_, id)| id);
        self.dn_text(lowest)
    }

    /// The id that a link value names; tombstones can't be linked to, places known by name only can.
    pub(crate) fn reference(&mut self, attribute: &str, value: &[u8]) -> Result<u64, Error> {
        let missing = || Refusal::ReferenceNotFound {
            attribute: attribute.to_owned(),
            value: String::from_utf8_lossy(value).into_owned(),
        };
        let text = std::str::from_utf8(value).map_err(|_| missing())?;
        let name = Name::parse(text).map_err(|_| missing())?;
        let id = match &name {
            Name::Guid(guid) => self.guids.get(guid)?.map(|id| id.value()),
            Name::Dn(dn) if dn.as_str().is_empty() => None,
            Name::Dn(dn) => self.place(dn)?.and_then(|place| place.id),
        };
        let id = id.ok_or_else(missing)?;
        let bytes = self.objects.get(id)?.ok_or_else(missing)?;
        let flags = Head::decode(id, bytes.value())?.flags;
        if flags.unseen() && !flags.bare() {
            return Err(missing().into());
        }
        Ok(id)
    }

    pub(crate) fn is_bare(&self, id: u64) -> Result<bool, Error> {
        match self.objects.get(id)? {
            Some(bytes) => Ok(Head::decode(id, bytes.value())?.flags.bare()),
            None => Err(Error::Damaged {
                what: format!("object {id} is missing"),
            }),
        }
    }

    /// Whether an object is a tombstone or their container; nothing is put below one by a request.
    pub(crate) fn is_unseen(&self, id: u64) -> Result<bool, Error> {
        match self.objects.get(id)? {
            Some(bytes) => Ok(Head::decode(id, bytes.value())?.flags.unseen()),
            None => Ok(false),
        }
    }

    pub(crate) fn record(&self, id: u64) -> Result<Record, Error> {
        match self.objects.get(id)? {
            Some(bytes) => Record::decode(id, bytes.value()),
            None => Err(Error::Damaged {
                what: format!("object {id} is missing"),
            }),
        }
    }

    /// The name of an object, as text.
    pub(crate) fn dn_text(&self, id: u64) -> Result<String, Error> {
        let mut text = String::new();
        let mut at = id;
        for _ in 0..=32 * 1024 {
            if at == 0 {
                return Ok(text);
            }
            let Some(bytes) = self.objects.get(at)? else {
                return Err(Error::Damaged {
                    what: format!("object {at} is missing"),
                });
            };
            let head = Head::decode(at, bytes.value())?;
            text = if text.is_empty() {
                head.rdn.to_owned()
            } else {
                below(&text, head.rdn)
            };
            at = head.parent;
        }
        Err(Error::Damaged {
            what: format!("object {id} is below itself"),
        })
    }

    /// The number of an attribute; a new name is given one.
    pub(crate) fn number(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(number) = self.state.dictionary.number(name) {
            return Ok(number);
        }
        let found = self.names.len()? + 1;
        let limit = Error::Limit {
            what: "unknown attribute names",
            max: MAX_NAMES,
            found,
        };
        if found > MAX_NAMES {
            return Err(limit);
        }
        let number = self.state.dictionary.next().ok_or(limit)?;
        self.names.insert(number, name)?;
        self.state.dictionary.push(number, name);
        Ok(number)
    }
}
