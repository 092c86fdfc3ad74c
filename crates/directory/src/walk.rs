//! Walks of a snapshot in bounded memory: below a name, and from owner to owner.
//!
//! Invariant: parents come before their children, children in the order of their normal forms, so
//! two walks of equal directories give equal lists. Memory grows with the depth of the tree alone.

use automend_core::dn::Dn;
use automend_ldap::Scope;

use crate::error::{Error, Refusal};
use crate::object::Object;
use crate::reading::{Links, Reading};
use crate::schema::{self, Link};
use crate::tables::span;
use crate::unread::unread_place;

/// The objects of a walk, parents first, with all their links on both sides. Made by [`Reading::subtree`].
pub struct Subtree<'a> {
    reading: &'a Reading,
    links: Links,
    ids: Ids,
}

/// The ids of a walk, without the lock on anything: it can be put aside between two pages.
pub(crate) struct Ids {
    /// The base, as long as it hasn't been given.
    base: Option<u64>,
    scope: Scope,
    levels: Vec<redb::Range<'static, (u64, &'static [u8]), u64>>,
    /// Whether tombstones and their containers are among them.
    unseen: bool,
    /// Heads of other naming contexts: the walk passes them over with all that is below.
    stops: Vec<u64>,
}

/// The owners of a forward link, in the order they were made. Made by [`Reading::owners`].
pub struct Owners<'a> {
    reading: &'a Reading,
    pair: u16,
    range: redb::Range<'static, (u16, u64), ()>,
}

impl Reading {
    /// Walks the objects at and below a name; tombstones and bare places are passed over.
    /// The empty name stands above all.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoObject`] if there is no such name, else [`Error::Damaged`] or [`Error::Store`].
    pub fn subtree(&self, base: &Dn, scope: Scope) -> Result<Subtree<'_>, Error> {
        let id = self.id(base)?.ok_or_else(|| Refusal::NoObject {
            name: base.to_string(),
            matched: String::new(),
        })?;
        Ok(Subtree {
            reading: self,
            links: Links::All,
            ids: Ids::new(self, id, scope, false)?,
        })
    }

    /// Every tombstone and every container of them, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Store`].
    pub fn tombstones(&self) -> Result<impl Iterator<Item = Result<Object, Error>> + '_, Error> {
        let mut ids = Ids::new(self, 0, Scope::Subtree, true)?;
        Ok(
            std::iter::from_fn(move || ids.next(self).transpose()).filter_map(|id| {
                let object = id.and_then(|id| match self.flags(id)? {
                    Some(flags) if flags.unseen() => self.seen(id, &Links::All),
                    _ => Ok(None),
                });
                object.transpose()
            }),
        )
    }

    /// The objects that have `msExchDelegateListLink`, each with all its forward links of that kind
    /// and without other links; the others are not even looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn owners(&self) -> Result<Owners<'_>, Error> {
        self.owners_of(schema::DELEGATES)
    }

    /// [`Reading::owners`] for the forward link of any pair.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn owners_of(&self, pair: u16) -> Result<Owners<'_>, Error> {
        Ok(Owners {
            reading: self,
            pair,
            range: self.owners.range((pair, 0)..=(pair, u64::MAX))?,
        })
    }

    /// The owners of links to delegates that could not be read, see [`crate::UNREAD`].
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Store`].
    pub fn unread_owners(&self) -> Result<Vec<Dn>, Error> {
        let mut owners = Vec::new();
        for context in self.naming_contexts()? {
            let Some(place) = unread_place(&context) else {
                continue;
            };
            let Some(id) = self.id(&place)? else { continue };
            for link in self.back_links.range(span(id, schema::DELEGATES))? {
                let owner = self.dn_text_once(link?.0.value().2)?;
                owners.push(Dn::parse(&owner).map_err(|error| Error::Damaged {
                    what: error.to_string(),
                })?);
            }
        }
        Ok(owners)
    }

    /// The heads of the naming contexts, in the order a root DSE lists them: domains, then their
    /// configuration and schema, then whatever else stands at the top.
    ///
    /// A domain whose head isn't in the directory counts all the same, because a partial export
    /// often starts below it.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Store`].
    pub fn naming_contexts(&self) -> Result<Vec<Dn>, Error> {
        const MAX_CONTEXTS: usize = 1024;
        let mut found: Vec<(u8, String)> = Vec::new();
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            if found.len() + open.len() > MAX_CONTEXTS {
                break;
            }
            let mut last = None;
            while let Some((rdn, id)) = self.first_child(at, last.as_deref(), b"dc=", b"dc>")? {
                let real = self.flags(id)?.is_some_and(|flags| !flags.bare());
                let other = self.first_child(id, None, b"", b"dc=")?.is_some()
                    || self.first_child(id, None, b"dc>", b"\xff")?.is_some();
                let own = matches!(rdn.as_slice(), b"dc=domaindnszones" | b"dc=forestdnszones");
                if real || other {
                    found.push((if own { 3 } else { 0 }, self.dn_text_once(id)?));
                }
                if let Some(configuration) =
                    self.children.get((id, b"cn=configuration".as_slice()))?
                {
                    let configuration = configuration.value();
                    found.push((1, self.dn_text_once(configuration)?));
                    if let Some(schema) = self
                        .children
                        .get((configuration, b"cn=schema".as_slice()))?
                    {
                        found.push((2, self.dn_text_once(schema.value())?));
                    }
                }
                open.push(id);
                last = Some(rdn);
                if found.len() > MAX_CONTEXTS {
                    break;
                }
            }
        }
        for (from, to) in [(b"".as_slice(), b"dc=".as_slice()), (b"dc>", b"\xff")] {
            let mut last: Option<Vec<u8>> = None;
            while let Some((rdn, id)) = self.first_child(0, last.as_deref(), from, to)? {
                if found.len() > MAX_CONTEXTS {
                    break;
                }
                found.push((4, self.dn_text_once(id)?));
                last = Some(rdn);
            }
        }
        found.sort();
        found
            .into_iter()
            .map(|(_, text)| {
                Dn::parse(&text).map_err(|error| Error::Damaged {
                    what: error.to_string(),
                })
            })
            .collect()
    }

    /// The first child whose normal form is in `from..to` and behind `last`.
    fn first_child(
        &self,
        parent: u64,
        last: Option<&[u8]>,
        from: &[u8],
        to: &[u8],
    ) -> Result<Option<(Vec<u8>, u64)>, Error> {
        let mut start = last.unwrap_or(from).to_vec();
        if last.is_some() {
            // No normal form holds a zero, so this is the least key behind `last`.
            start.push(0);
        }
        let mut range = self
            .children
            .range((parent, start.as_slice())..(parent, to))?;
        match range.next() {
            Some(child) => {
                let (key, id) = child?;
                Ok(Some((key.value().1.to_vec(), id.value())))
            }
            None => Ok(None),
        }
    }
}

impl Ids {
    pub(crate) fn new(
        reading: &Reading,
        base: u64,
        scope: Scope,
        unseen: bool,
    ) -> Result<Self, Error> {
        let mut ids = Self {
            base: None,
            scope,
            levels: Vec::new(),
            unseen,
            stops: Vec::new(),
        };
        match scope {
            Scope::One => ids.enter(reading, base)?,
            Scope::Base | Scope::Subtree => ids.base = Some(base),
        }
        Ok(ids)
    }

    /// The walk without these objects and what is below them.
    pub(crate) fn without(mut self, stops: Vec<u64>) -> Self {
        self.stops = stops;
        self
    }

    fn enter(&mut self, reading: &Reading, parent: u64) -> Result<(), Error> {
        let none: &[u8] = &[];
        let end = parent.checked_add(1).ok_or_else(|| Error::Damaged {
            what: "an id is out of range".to_owned(),
        })?;
        self.levels
            .push(reading.children.range((parent, none)..(end, none))?);
        Ok(())
    }

    pub(crate) fn next(&mut self, reading: &Reading) -> Result<Option<u64>, Error> {
        loop {
            let id = if let Some(base) = self.base.take() {
                if self.scope == Scope::Subtree {
                    self.enter(reading, base)?;
                }
                base
            } else {
                let Some(level) = self.levels.last_mut() else {
                    return Ok(None);
                };
                let Some(child) = level.next() else {
                    self.levels.pop();
                    continue;
                };
                let id = child?.1.value();
                if self.stops.contains(&id) {
                    continue;
                }
                if self.scope == Scope::Subtree {
                    self.enter(reading, id)?;
                }
                id
            };
            let Some(flags) = reading.flags(id)? else {
                if id == 0 {
                    continue;
                }
                return Err(Error::Damaged {
                    what: format!("object {id} is missing"),
                });
            };
            if !flags.bare() && (self.unseen || !flags.unseen()) {
                return Ok(Some(id));
            }
        }
    }
}

impl Subtree<'_> {
    /// The same walk, but of linked attributes it reads only these: each value costs two look-ups, and a
    /// mailbox database alone has a `homeMDBBL` for every mailbox in it. Names of other attributes are
    /// passed over, as those are always read.
    pub fn with_links(mut self, attributes: &[&str]) -> Self {
        let linked = |name: &&str| Some(schema::find(name)?.link);
        self.links = Links::Only(attributes.iter().filter_map(linked).collect());
        self
    }
}

impl Iterator for Subtree<'_> {
    type Item = Result<Object, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let object = match self.ids.next(self.reading) {
                Ok(Some(id)) => self.reading.seen(id, &self.links),
                Ok(None) => return None,
                Err(error) => Err(error),
            };
            if let Some(object) = object.transpose() {
                return Some(object);
            }
        }
    }
}

impl Iterator for Owners<'_> {
    type Item = Result<Object, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let object = match self.range.next()? {
                Ok((key, _)) => self
                    .reading
                    .seen(key.value().1, &Links::Only(vec![Link::Forward(self.pair)])),
                Err(error) => Err(error.into()),
            };
            if let Some(object) = object.transpose() {
                return Some(object);
            }
        }
    }
}

impl Reading {
    /// Whether an object has any link of one side of a pair.
    pub(crate) fn linked(&self, id: u64, link: Link) -> Result<bool, Error> {
        Ok(match link {
            Link::None => false,
            Link::Forward(pair) => self.links.range(span(id, pair))?.next().is_some(),
            Link::Back(pair) => self.back_links.range(span(id, pair))?.next().is_some(),
        })
    }
}
