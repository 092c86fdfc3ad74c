//! The tables of a write, and what every kind of write does with them.
//!
//! Invariant: a link, its back link and its place among the owners change together.

use std::collections::HashMap;

use automend_core::dn::Dn;
use redb::{ReadableTable, Table, WriteTransaction};

use crate::codec::Record;
use crate::error::{Error, Refusal};
use crate::name::{canonical_rdn, check_length, naming_value};
use crate::password::{self, Passwords};
use crate::schema::{self, Attribute, Link, same_attribute};
use crate::tables::{
    BACK_LINKS, CHILDREN, Counts, Dictionary, GUIDS, LINKS, NAMES, OBJECTS, OWNERS, PASSWORDS,
    VALUES, value_key,
};

/// What a transaction knows in addition to its tables.
pub(crate) struct State {
    pub now: u64,
    pub next_id: u64,
    pub counts: Counts,
    pub dictionary: Dictionary,
    /// Ids by the normal form of a whole name; only ever names of parents.
    pub parents: HashMap<Box<[u8]>, u64>,
    /// Changes of the value index that are put off; see [`Work::flush_values`].
    pub put_off: Option<Vec<([u8; 17], bool)>>,
    /// Whether an NT hash was kept.
    pub nt_hashes: bool,
}

/// The tables of a transaction, open.
pub(crate) struct Work<'t> {
    pub state: &'t mut State,
    pub names: Table<'t, u32, &'static str>,
    pub objects: Table<'t, u64, &'static [u8]>,
    pub children: Table<'t, (u64, &'static [u8]), u64>,
    pub guids: Table<'t, &'static [u8; 16], u64>,
    values: Table<'t, &'static [u8; 17], ()>,
    pub links: Table<'t, (u64, u16, u64), ()>,
    pub back_links: Table<'t, (u64, u16, u64), ()>,
    owners: Table<'t, (u16, u64), ()>,
    pub passwords: Table<'t, u64, &'static [u8]>,
}

/// Where a name is, or would be.
pub(crate) struct Place {
    pub parent: u64,
    /// Normal form of the RDN.
    pub key: Vec<u8>,
    /// What is there now; it may be bare.
    pub id: Option<u64>,
}

/// An object that is about to be: checked, its links resolved.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub guid: Option<[u8; 16]>,
    pub usn: Option<(u64, u64)>,
    pub when: Option<(u64, u64)>,
    pub deleted: bool,
    pub hidden: bool,
    pub attributes: Vec<(u32, Vec<Vec<u8>>)>,
    pub links: Vec<(u16, u64)>,
    pub passwords: Passwords,
}

impl<'t> Work<'t> {
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        state: &'t mut State,
    ) -> Result<Self, Error> {
        Ok(Self {
            state,
            names: transaction.open_table(NAMES)?,
            objects: transaction.open_table(OBJECTS)?,
            children: transaction.open_table(CHILDREN)?,
            guids: transaction.open_table(GUIDS)?,
            values: transaction.open_table(VALUES)?,
            links: transaction.open_table(LINKS)?,
            back_links: transaction.open_table(BACK_LINKS)?,
            owners: transaction.open_table(OWNERS)?,
            passwords: transaction.open_table(PASSWORDS)?,
        })
    }

    pub(crate) fn add(
        &mut self,
        dn: &Dn,
        attributes: &[(String, Vec<Vec<u8>>)],
    ) -> Result<u64, Error> {
        check_length(dn.as_str().len())?;
        let place = match self.place(dn)? {
            Some(place) => place,
            None if self.may_make_parents(dn)? => self.make_place(dn)?,
            None => return Err(Refusal::NoParent { dn: dn.clone() }.into()),
        };
        self.vacant(&place, dn)?;
        if self.is_unseen(place.parent)? {
            return Err(Refusal::NoParent { dn: dn.clone() }.into());
        }
        let mut draft = Draft::default();
        let naming = naming_value(dn.rdn());
        for (name, values) in attributes {
            self.draft(&mut draft, dn, naming.as_ref(), name, values)?;
        }
        if !attributes
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("objectClass"))
        {
            return Err(Refusal::NoClass { dn: dn.clone() }.into());
        }
        self.insert(&place, &canonical_rdn(dn), draft)
    }

    /// Takes one attribute of a new object into its draft.
    fn draft(
        &mut self,
        draft: &mut Draft,
        dn: &Dn,
        naming: Option<&(String, String)>,
        name: &str,
        values: &[Vec<u8>],
    ) -> Result<(), Error> {
        let refuse = |why: fn(String, Dn) -> Refusal| Err(why(name.to_owned(), dn.clone()).into());
        let known = schema::find(name);
        if values.is_empty() {
            return refuse(|attribute, dn| Refusal::NoValues { attribute, dn });
        }
        if let Some(secret) = password::secret(name) {
            draft
                .passwords
                .add(secret, values)
                .map_err(|why| Refusal::Password {
                    attribute: name.to_owned(),
                    dn: dn.clone(),
                    why,
                })?;
            return Ok(());
        }
        match known {
            Some(Attribute {
                link: Link::Back(_),
                ..
            }) => {
                return refuse(|attribute, dn| Refusal::BackLink { attribute, dn });
            }
            Some(Attribute {
                name: "objectGUID", ..
            }) => match values {
                [guid] if guid.len() == 16 => draft.guid = guid.as_slice().try_into().ok(),
                _ => {
                    return refuse(|attribute, dn| Refusal::BadValue { attribute, dn });
                }
            },
            Some(Attribute { computed: true, .. }) => {
                return refuse(|attribute, dn| Refusal::SystemOnly { attribute, dn });
            }
            Some(Attribute {
                link: Link::Forward(pair),
                single,
                ..
            }) => {
                if *single && values.len() > 1 {
                    return refuse(|attribute, dn| Refusal::SingleValued { attribute, dn });
                }
                for value in values {
                    let delegate = self.reference(name, value)?;
                    if draft.links.contains(&(*pair, delegate)) {
                        return refuse(|attribute, dn| Refusal::ValueExists { attribute, dn });
                    }
                    draft.links.push((*pair, delegate));
                }
            }
            _ => {
                let kept = match naming {
                    Some((kind, value)) if same_attribute(kind, name) => {
                        without(name, values, value.as_bytes())
                    }
                    _ => values.to_vec(),
                };
                if kept.len() == values.len() && kept.is_empty() {
                    return Ok(());
                }
                check_values(dn, name, known, values)?;
                if !kept.is_empty() {
                    draft.put(self.number(name)?, kept);
                }
            }
        }
        Ok(())
    }

    /// Refuses a name that is taken by a real object.
    pub(crate) fn vacant(&self, place: &Place, dn: &Dn) -> Result<(), Error> {
        match place.id {
            Some(id) if !self.is_bare(id)? => Err(Refusal::ObjectExists { dn: dn.clone() }.into()),
            _ => Ok(()),
        }
    }

    /// Writes a new object whose place is vacant; a bare place becomes it and keeps its children.
    pub(crate) fn insert(&mut self, place: &Place, rdn: &str, draft: Draft) -> Result<u64, Error> {
        let guid = draft.guid.unwrap_or_else(crate::guid::random);
        if self.guids.get(&guid)?.is_some() {
            return Err(Refusal::GuidExists { guid }.into());
        }
        self.state.counts.usn += 1;
        let usn = self.state.counts.usn;
        let (usn_created, usn_changed) = draft.usn.unwrap_or((usn, usn));
        self.state.counts.usn = usn.max(usn_created).max(usn_changed);
        let (when_created, when_changed) = draft.when.unwrap_or((self.state.now, self.state.now));
        let record = Record {
            bare: false,
            deleted: draft.deleted,
            hidden: draft.hidden,
            parent: place.parent,
            rdn: rdn.to_owned(),
            guid,
            usn_created,
            usn_changed,
            when_created,
            when_changed,
            attributes: draft.attributes,
        };
        let id = self.claim(place)?;
        self.guids.insert(&guid, id)?;
        if !record.deleted {
            self.index(id, &record.attributes, true)?;
        }
        self.objects.insert(id, record.encode().as_slice())?;
        for (pair, delegate) in draft.links {
            self.link(id, pair, delegate)?;
        }
        if !draft.deleted {
            self.put_passwords(id, &draft.passwords)?;
        }
        self.state.counts.tombstones += u64::from(draft.deleted);
        self.state.counts.objects += u64::from(!draft.deleted && !draft.hidden);
        Ok(id)
    }

    /// The id for a place: the bare one's that is there, or a new one.
    pub(crate) fn claim(&mut self, place: &Place) -> Result<u64, Error> {
        if let Some(id) = place.id {
            self.state.counts.bare = self.state.counts.bare.saturating_sub(1);
            return Ok(id);
        }
        let id = self.state.next_id;
        self.state.next_id += 1;
        self.children
            .insert((place.parent, place.key.as_slice()), id)?;
        Ok(id)
    }

    /// Sets a link that isn't there; the owner's record is the caller's.
    pub(crate) fn link(&mut self, owner: u64, pair: u16, delegate: u64) -> Result<(), Error> {
        if self.links.insert((owner, pair, delegate), ())?.is_none() {
            self.back_links.insert((delegate, pair, owner), ())?;
            self.owners.insert((pair, owner), ())?;
            self.state.counts.links += 1;
        }
        Ok(())
    }

    /// Removes a link; the owner's record is the caller's.
    pub(crate) fn unlink(&mut self, owner: u64, pair: u16, delegate: u64) -> Result<(), Error> {
        if self.links.remove((owner, pair, delegate))?.is_some() {
            self.back_links.remove((delegate, pair, owner))?;
            if self
                .links
                .range((owner, pair, 0)..=(owner, pair, u64::MAX))?
                .next()
                .is_none()
            {
                self.owners.remove((pair, owner))?;
            }
            self.state.counts.links = self.state.counts.links.saturating_sub(1);
        }
        Ok(())
    }

    /// Writes what is kept of an object's passwords.
    pub(crate) fn put_passwords(&mut self, id: u64, passwords: &Passwords) -> Result<(), Error> {
        if passwords.is_empty() {
            self.passwords.remove(id)?;
        } else {
            self.state.nt_hashes |= passwords.nt_hash().is_some();
            self.passwords.insert(id, passwords.encode().as_slice())?;
        }
        Ok(())
    }

    /// Adds or removes the indexed ones among an object's values.
    pub(crate) fn index(
        &mut self,
        id: u64,
        attributes: &[(u32, Vec<Vec<u8>>)],
        add: bool,
    ) -> Result<(), Error> {
        for (number, values) in attributes {
            let Some(known) = schema::by_row(*number).filter(|a| a.index != 0) else {
                continue;
            };
            for value in values {
                let normal = schema::normal(known.syntax, value);
                let key = value_key(known.index, &normal, id);
                match &mut self.state.put_off {
                    Some(put_off) => put_off.push((key, add)),
                    None if add => drop(self.values.insert(&key, ())?),
                    None => drop(self.values.remove(&key)?),
                }
            }
        }
        // Beyond this many, 18 MiB, sorting gains nothing any more.
        if self
            .state
            .put_off
            .as_ref()
            .is_some_and(|keys| keys.len() > 1 << 20)
        {
            self.flush_values()?;
        }
        Ok(())
    }

    /// Writes what [`put_off_values`](crate::writing::Writing::put_off_values) held back. In the order of keys,
    /// neighbours share a page.
    pub(crate) fn flush_values(&mut self) -> Result<(), Error> {
        let Some(put_off) = &mut self.state.put_off else {
            return Ok(());
        };
        // A stable sort: of two changes of one key, the later one is made later.
        put_off.sort_by_key(|(key, _)| *key);
        for (key, add) in put_off.drain(..) {
            if add {
                self.values.insert(&key, ())?;
            } else {
                self.values.remove(&key)?;
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Adds values to an attribute.
    pub(crate) fn put(&mut self, number: u32, values: Vec<Vec<u8>>) {
        match self
            .attributes
            .iter_mut()
            .find(|(other, _)| *other == number)
        {
            Some((_, before)) => before.extend(values),
            None => self.attributes.push((number, values)),
        }
    }
}

/// Refuses values that can't be together, or can't be in this attribute.
fn check_values(
    dn: &Dn,
    name: &str,
    known: Option<&Attribute>,
    values: &[Vec<u8>],
) -> Result<(), Refusal> {
    let syntax = known.map_or(schema::Syntax::Text, |a| a.syntax);
    let (attribute, dn) = (|| name.to_owned(), || dn.clone());
    if known.is_some_and(|a| a.single) && values.len() > 1 {
        return Err(Refusal::SingleValued {
            attribute: attribute(),
            dn: dn(),
        });
    }
    if !values.iter().all(|value| schema::fits(syntax, value)) {
        return Err(Refusal::BadValue {
            attribute: attribute(),
            dn: dn(),
        });
    }
    if has_twins(syntax, values) {
        return Err(Refusal::ValueExists {
            attribute: attribute(),
            dn: dn(),
        });
    }
    Ok(())
}

/// The values that aren't the same as one.
pub(crate) fn without(name: &str, values: &[Vec<u8>], one: &[u8]) -> Vec<Vec<u8>> {
    let syntax = schema::syntax(name);
    let normal = schema::normal(syntax, one);
    values
        .iter()
        .filter(|value| schema::normal(syntax, value) != normal)
        .cloned()
        .collect()
}

/// Whether two of the values are the same.
pub(crate) fn has_twins(syntax: schema::Syntax, values: &[Vec<u8>]) -> bool {
    if values.len() < 2 {
        return false;
    }
    let mut normal: Vec<_> = values
        .iter()
        .map(|value| schema::normal(syntax, value))
        .collect();
    normal.sort_unstable();
    normal
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b))
}
