//! Renaming, moving and deleting.
//!
//! Specification: [MS-ADTS] 3.1.1.5.4 (rename and move), 3.1.1.5.5 (delete, tombstones).
//! Without a recycle bin: a deleted object loses its links on both sides at once.
//!
//! Invariant: a tombstone keeps its objectGUID and the attributes the schema marks, has no links,
//! and is in no value index.

use automend_core::dn::{Dn, escape};
use redb::ReadableTable;

use crate::codec::{Head, Record};
use crate::error::{Error, Refusal};
use crate::guid::guid_text;
use crate::name::{Name, canonical_rdn, check_length, naming_value, path};
use crate::schema;
use crate::work::{Draft, Work};

impl Work<'_> {
    pub(crate) fn rename(
        &mut self,
        name: &Name,
        new_rdn: &str,
        new_parent: Option<&Name>,
    ) -> Result<(), Error> {
        let id = self.find(name)?;
        let mut record = self.record(id)?;
        let old = self.dn(id)?;
        if record.deleted || record.hidden {
            return Err(Refusal::Deleted { dn: old }.into());
        }
        let rdn = Dn::parse(new_rdn)
            .ok()
            .filter(|dn| dn.depth() == 1)
            .ok_or_else(|| Refusal::BadName {
                text: new_rdn.to_owned(),
            })?;
        let parent = match new_parent {
            None => record.parent,
            Some(Name::Dn(dn)) if dn.as_str().is_empty() => 0,
            Some(parent) => self.find(parent)?,
        };
        if self.is_unseen(parent)? {
            return Err(Refusal::NoParent { dn: rdn }.into());
        }
        let mut above = parent;
        while above != 0 {
            if above == id {
                return Err(Refusal::BelowItself { dn: old }.into());
            }
            let Some(bytes) = self.objects.get(above)? else {
                return Err(Error::Damaged {
                    what: format!("object {above} is missing"),
                });
            };
            above = Head::decode(above, bytes.value())?.parent;
        }
        check_length(self.dn_text(parent)?.len() + rdn.as_str().len())?;
        let key = rdn_key(&rdn);
        let old_key = rdn_key(&Dn::parse(&record.rdn).map_err(|error| Error::Damaged {
            what: format!("the name of object {id}: {error}"),
        })?);
        let taken = self
            .children
            .get((parent, key.as_slice()))?
            .map(|other| other.value());
        if taken.is_some_and(|other| other != id) {
            return Err(Refusal::ObjectExists { dn: rdn }.into());
        }
        self.children.remove((record.parent, old_key.as_slice()))?;
        self.children.insert((parent, key.as_slice()), id)?;
        self.forget_parents();
        let left = record.parent;
        record.parent = parent;
        record.rdn = canonical_rdn(&rdn);
        self.drop_named_value(&mut record)?;
        self.touch(id, record)?;
        self.prune(left)
    }

    /// What the new name says needn't be stored beside it.
    fn drop_named_value(&mut self, record: &mut crate::codec::Record) -> Result<(), Error> {
        if let Some((kind, value)) = naming_value(&record.rdn) {
            let number = self.number(&kind)?;
            for (_, values) in record.attributes.iter_mut().filter(|(n, _)| *n == number) {
                *values = crate::work::without(&kind, values, value.as_bytes());
            }
            record
                .attributes
                .retain(|(n, values)| *n != number || !values.is_empty());
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, name: &Name) -> Result<(), Error> {
        let id = self.find(name)?;
        let mut record = self.record(id)?;
        let dn = self.dn(id)?;
        if record.deleted || record.hidden {
            return Err(Refusal::Deleted { dn }.into());
        }
        let none: &[u8] = &[];
        let children = self.children.range((id, none)..(id + 1, none))?.count() as u64;
        if children > 0 {
            return Err(Refusal::HasChildren { children }.into());
        }
        let (context, head) = self.context(id, &dn)?;
        // A context's own head leaves nothing to hang a tombstone on.
        let bin = if context == id {
            None
        } else {
            Some(self.deleted_objects(context, &head)?)
        };
        let forward = self.others(id, true)?;
        for (pair, delegate) in forward {
            self.unlink(id, pair, delegate)?;
        }
        for (pair, owner) in self.others(id, false)? {
            self.unlink(owner, pair, id)?;
        }
        self.index(id, &record.attributes, false)?;
        self.passwords.remove(id)?;
        let key = rdn_key(&dn);
        self.children.remove((record.parent, key.as_slice()))?;
        self.forget_parents();
        let left = record.parent;
        self.state.counts.objects = self.state.counts.objects.saturating_sub(1);
        match bin {
            None => {
                self.guids.remove(&record.guid)?;
                self.objects.remove(id)?;
            }
            Some(bin) => {
                let (kind, value) = naming_value(&record.rdn).unwrap_or_default();
                let kind = if kind.is_empty() { "CN" } else { kind.as_str() };
                let value = format!("{value}\nDEL:{}", guid_text(&record.guid));
                record.rdn = format!("{kind}={}", escape(&value));
                record.parent = bin;
                record.deleted = true;
                record.attributes.retain(|(number, _)| {
                    schema::by_row(*number).is_some_and(|attribute| attribute.survives)
                });
                let last_parent = self.dn_text(left)?.into_bytes();
                let number = self.number("lastKnownParent")?;
                record.attributes.retain(|(other, _)| *other != number);
                record.attributes.push((number, vec![last_parent]));
                let rdn = Dn::parse(&record.rdn).map_err(|_| Refusal::BadName {
                    text: record.rdn.clone(),
                })?;
                self.children.insert((bin, rdn_key(&rdn).as_slice()), id)?;
                self.state.counts.tombstones += 1;
                self.touch(id, record)?;
            }
        }
        self.prune(left)
    }

    /// Deletes a tree from below, up to `most` objects; gives how many are left.
    pub(crate) fn delete_tree(&mut self, name: &Name, most: usize) -> Result<u64, Error> {
        let mut waiting = vec![self.find(name)?];
        let mut ids = Vec::new();
        let none: &[u8] = &[];
        while let Some(id) = waiting.pop() {
            ids.push(id);
            for child in self.children.range((id, none)..(id + 1, none))? {
                waiting.push(child?.1.value());
            }
        }
        let left = ids.len().saturating_sub(most);
        for id in ids.into_iter().rev().take(most) {
            // A bare place goes by itself with the last object below it.
            let Some(bytes) = self.objects.get(id)?.map(|bytes| bytes.value().to_vec()) else {
                continue;
            };
            let record = Record::decode(id, &bytes)?;
            if !record.bare {
                self.delete(&Name::Guid(record.guid))?;
            }
        }
        Ok(left as u64)
    }

    /// The links on one object: pair and the object on the other side.
    fn others(&self, id: u64, forward: bool) -> Result<Vec<(u16, u64)>, Error> {
        let table = if forward {
            &self.links
        } else {
            &self.back_links
        };
        let mut others = Vec::new();
        for link in table.range((id, 0, 0)..=(id, u16::MAX, u64::MAX))? {
            let (_, pair, other) = link?.0.value();
            others.push((pair, other));
        }
        Ok(others)
    }

    /// The head of the naming context that an object is in, and its name: its domain's, or the
    /// configuration right below that; the topmost object if there is no domain.
    fn context(&self, id: u64, dn: &Dn) -> Result<(u64, Dn), Error> {
        let mut above = Vec::new();
        let (mut at, mut name) = (id, dn.clone());
        loop {
            above.push((at, name.clone()));
            let record = self.record(at)?;
            let Some(parent) = name.parent().filter(|_| record.parent != 0) else {
                break;
            };
            at = record.parent;
            name = parent;
        }
        let kind = |name: &Dn| path(&name.key()).last().map(|part| part.to_vec());
        let mut head = above.last().cloned().unwrap_or_else(|| (id, dn.clone()));
        for (id, name) in above.into_iter().rev() {
            let part = kind(&name).unwrap_or_default();
            if part.starts_with(b"dc=") || part == b"cn=configuration" {
                head = (id, name);
            } else {
                break;
            }
        }
        Ok(head)
    }

    /// The container of tombstones of a naming context, made when the first is needed.
    fn deleted_objects(&mut self, context: u64, head: &Dn) -> Result<u64, Error> {
        let key = b"cn=deleted objects".as_slice();
        if let Some(id) = self.children.get((context, key))? {
            return Ok(id.value());
        }
        let rdn = "CN=Deleted Objects";
        let dn = format!("{rdn},{head}");
        let place = Dn::parse(&dn)
            .map_err(|_| Refusal::BadName { text: dn.clone() })
            .map_err(Error::from)
            .and_then(|dn| self.place(&dn))?
            .ok_or_else(|| Error::Damaged {
                what: format!("'{dn}' has no place"),
            })?;
        let mut draft = Draft {
            hidden: true,
            ..Draft::default()
        };
        let class = vec![b"top".to_vec(), b"container".to_vec()];
        draft.put(self.number("objectClass")?, class);
        self.insert(&place, rdn, draft)
    }

    /// Removes bare places that have nothing below them any more and are the end of no link.
    fn prune(&mut self, from: u64) -> Result<(), Error> {
        let mut at = from;
        while at != 0 {
            let record = self.record(at)?;
            let none: &[u8] = &[];
            if !record.bare
                || self
                    .children
                    .range((at, none)..(at + 1, none))?
                    .next()
                    .is_some()
                || self
                    .back_links
                    .range((at, 0, 0)..(at + 1, 0, 0))?
                    .next()
                    .is_some()
            {
                return Ok(());
            }
            let rdn = Dn::parse(&record.rdn).map_err(|_| Error::Damaged {
                what: format!("the name of object {at}"),
            })?;
            self.children
                .remove((record.parent, rdn_key(&rdn).as_slice()))?;
            self.objects.remove(at)?;
            self.forget_parents();
            self.state.counts.bare = self.state.counts.bare.saturating_sub(1);
            at = record.parent;
        }
        Ok(())
    }
}

/// The normal form of a name's leading RDN.
fn rdn_key(dn: &Dn) -> Vec<u8> {
    path(&dn.key())
        .last()
        .map(|part| part.to_vec())
        .unwrap_or_default()
}
