//! A snapshot of the directory: objects by name, GUID, indexed value or link.
//!
//! Invariant: a snapshot never moves and never holds more than a page of anything; lists come as
//! iterators, names of parents are remembered up to a bound.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use automend_core::dn::Dn;
use redb::{ReadOnlyTable, ReadTransaction};

use crate::chain::Chains;
use crate::codec::{Head, Record};
use crate::error::{Error, Refusal};
use crate::name::{Name, path};
use crate::object::Object;
use crate::password::Passwords;
use crate::schema::{self, Link};
use crate::tables::{
    BACK_LINKS, CHILDREN, Counts, Dictionary, GUIDS, HEAD, LINKS, NAMES, NT_HASHES, OBJECTS,
    OWNERS, PASSWORDS, VALUES, descend, span, value_key, value_key_id,
};
use crate::unread::{UNREAD, is_unread};

/// How many names of parents a snapshot remembers.
const REMEMBERED: usize = 8192;

/// A name longer than this many RDNs is a loop in the file.
const MAX_DEPTH: usize = 32 * 1024;

/// A consistent snapshot of a directory.
pub struct Reading {
    pub(crate) head: ReadOnlyTable<&'static str, u64>,
    pub(crate) objects: ReadOnlyTable<u64, &'static [u8]>,
    pub(crate) children: ReadOnlyTable<(u64, &'static [u8]), u64>,
    pub(crate) guids: ReadOnlyTable<&'static [u8; 16], u64>,
    pub(crate) values: ReadOnlyTable<&'static [u8; 17], ()>,
    pub(crate) links: ReadOnlyTable<(u64, u16, u64), ()>,
    pub(crate) back_links: ReadOnlyTable<(u64, u16, u64), ()>,
    pub(crate) owners: ReadOnlyTable<(u16, u64), ()>,
    pub(crate) passwords: ReadOnlyTable<u64, &'static [u8]>,
    pub(crate) dictionary: Arc<Dictionary>,
    chains: Mutex<Chains>,
    names: Mutex<HashMap<u64, Arc<str>>>,
}

/// Which links an object is read with.
#[derive(Clone, Debug)]
pub(crate) enum Links {
    All,
    /// Forward links, but for the delegates.
    OfOwner,
    Only(Vec<Link>),
}

impl Reading {
    pub(crate) fn begin(
        transaction: &ReadTransaction,
        dictionary: impl FnOnce(&ReadOnlyTable<u32, &'static str>) -> Result<Arc<Dictionary>, Error>,
    ) -> Result<Self, Error> {
        Ok(Self {
            head: transaction.open_table(HEAD)?,
            objects: transaction.open_table(OBJECTS)?,
            children: transaction.open_table(CHILDREN)?,
            guids: transaction.open_table(GUIDS)?,
            values: transaction.open_table(VALUES)?,
            links: transaction.open_table(LINKS)?,
            back_links: transaction.open_table(BACK_LINKS)?,
            owners: transaction.open_table(OWNERS)?,
            passwords: transaction.open_table(PASSWORDS)?,
            dictionary: dictionary(&transaction.open_table(NAMES)?)?,
            chains: Mutex::default(),
            names: Mutex::default(),
        })
    }

    /// The object with this name. Tombstones are found by their own names.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Store`]; that there is no such object is no error.
    pub fn object(&self, dn: &Dn) -> Result<Option<Object>, Error> {
        match self.id(dn)? {
            Some(id) => self.seen(id, &Links::All),
            None => Ok(None),
        }
    }

    /// The same object as an owner of a mailbox: without its delegates, of which there may be thousands,
    /// and without back links.
    ///
    /// # Errors
    ///
    /// As [`Reading::object`].
    pub fn owner(&self, dn: &Dn) -> Result<Option<Object>, Error> {
        match self.id(dn)? {
            Some(id) => self.seen(id, &Links::OfOwner),
            None => Ok(None),
        }
    }

    /// The object with this objectGUID, tombstones too.
    ///
    /// # Errors
    ///
    /// As [`Reading::object`].
    pub fn by_guid(&self, guid: &[u8; 16]) -> Result<Option<Object>, Error> {
        match self.guids.get(guid)? {
            Some(id) => self.seen(id.value(), &Links::All),
            None => Ok(None),
        }
    }

    /// The object with this number, tombstones too.
    ///
    /// # Errors
    ///
    /// As [`Reading::object`].
    pub fn by_id(&self, id: u64) -> Result<Option<Object>, Error> {
        self.seen(id, &Links::All)
    }

    /// The objects with a value, compared as the attribute's syntax says, tombstones left out.
    ///
    /// Indexed are proxyAddresses, mail, userPrincipalName, sAMAccountName, legacyExchangeDN,
    /// objectSid, targetAddress, msExchMailboxGuid and msExchArchiveGUID, and every link in both
    /// directions.
    ///
    /// # Errors
    ///
    /// [`Error::NotIndexed`], else as [`Reading::object`].
    pub fn by_value(
        &self,
        attribute: &str,
        value: &[u8],
    ) -> Result<Box<dyn Iterator<Item = Result<Object, Error>> + '_>, Error> {
        let ids = self.ids_by_value(attribute, value)?;
        Ok(Box::new(ids.filter_map(|id| {
            id.and_then(|id| self.seen(id, &Links::All)).transpose()
        })))
    }

    /// The owners of the mailboxes that a delegate's Outlook opens: its `msExchDelegateListBL`,
    /// each read without its own links.
    ///
    /// # Errors
    ///
    /// As [`Reading::object`]; a failure ends the list.
    pub fn back_links(
        &self,
        id: u64,
    ) -> Result<impl Iterator<Item = Result<Object, Error>> + '_, Error> {
        let links = self.back_links.range(span(id, schema::DELEGATES))?;
        Ok(links.filter_map(|link| {
            link.map_err(Error::from)
                .and_then(|(key, _)| self.seen(key.value().2, &Links::Only(Vec::new())))
                .transpose()
        }))
    }

    /// What is kept of an object's passwords; nothing for an account that cannot log in.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Store`].
    pub fn passwords(&self, id: u64) -> Result<Passwords, Error> {
        match self.passwords.get(id)? {
            Some(bytes) => Passwords::decode(id, bytes.value()),
            None => Ok(Passwords::default()),
        }
    }

    /// Whether an NT hash was ever kept.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn has_nt_hashes(&self) -> Result<bool, Error> {
        Ok(self.head.get(NT_HASHES)?.is_some())
    }

    /// Passwords of some account, always the same for one `seed`: a login with an account that isn't
    /// there is checked against these, so that its time does not show that.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Store`].
    pub fn decoy(&self, seed: u64) -> Result<Passwords, Error> {
        let next = self.head.get("next_id")?.map_or(1, |id| id.value()).max(1);
        let from = seed % next;
        let mut around = self
            .passwords
            .range(from..)?
            .chain(self.passwords.range(..from)?);
        match around.next() {
            Some(row) => {
                let (id, bytes) = row?;
                Passwords::decode(id.value(), bytes.value())
            }
            None => Ok(Passwords::default()),
        }
    }

    /// How much the directory holds; takes no longer for a big one.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub fn counts(&self) -> Result<Counts, Error> {
        let one = |name: &str| -> Result<u64, Error> {
            Ok(self.head.get(name)?.map_or(0, |count| count.value()))
        };
        Ok(Counts {
            objects: one("objects")?,
            tombstones: one("tombstones")?,
            bare: one("bare")?,
            links: one("links")?,
            usn: one("usn")?,
        })
    }

    /// The id of what a request calls an object; bare places are none.
    pub(crate) fn find(&self, name: &Name) -> Result<u64, Error> {
        let (id, matched) = match name {
            Name::Guid(guid) => (self.guids.get(guid)?.map(|id| id.value()), 0),
            Name::Dn(dn) => match descend(&self.children, &path(&dn.key()))? {
                Ok(id) => (Some(id), 0),
                Err((_, lowest)) => (None, lowest),
            },
        };
        match id {
            Some(id) if self.flags(id)?.is_some_and(|flags| !flags.bare()) => Ok(id),
            _ => Err(Refusal::NoObject {
                name: name.to_string(),
                matched: self.dn_text(matched)?.to_string(),
            }
            .into()),
        }
    }

    pub(crate) fn id(&self, dn: &Dn) -> Result<Option<u64>, Error> {
        Ok(descend(&self.children, &path(&dn.key()))?.ok())
    }

    pub(crate) fn flags(&self, id: u64) -> Result<Option<crate::codec::Flags>, Error> {
        let Some(bytes) = self.objects.get(id)? else {
            return Ok(None);
        };
        Ok(Some(Head::decode(id, bytes.value())?.flags))
    }

    /// Ids of the objects with a value; tombstones are not indexed.
    pub(crate) fn ids_by_value(
        &self,
        attribute: &str,
        value: &[u8],
    ) -> Result<Box<dyn Iterator<Item = Result<u64, Error>> + '_>, Error> {
        let Some(row) = schema::row(attribute) else {
            return Err(Error::NotIndexed {
                attribute: attribute.to_owned(),
            });
        };
        let Some(known) = schema::by_row(row) else {
            return Err(Error::NotIndexed {
                attribute: attribute.to_owned(),
            });
        };
        let other_side = match known.link {
            Link::None => None,
            Link::Forward(pair) => Some((&self.back_links, pair)),
            Link::Back(pair) => Some((&self.links, pair)),
        };
        if let Some((table, pair)) = other_side {
            let Some(target) = self.referenced(value)? else {
                return Ok(Box::new(std::iter::empty()));
            };
            let ids = table.range(span(target, pair))?;
            return Ok(Box::new(ids.map(|link| Ok(link?.0.value().2))));
        }
        if known.index == 0 {
            return Err(Error::NotIndexed {
                attribute: attribute.to_owned(),
            });
        }
        let normal = schema::normal(known.syntax, value).into_owned();
        let first = value_key(known.index, &normal, 0);
        let last = value_key(known.index, &normal, u64::MAX);
        let keys = self.values.range::<&[u8; 17]>(&first..=&last)?;
        Ok(Box::new(keys.filter_map(move |key| {
            let found = || -> Result<Option<u64>, Error> {
                let id = value_key_id(key?.0.value());
                let Some(record) = self.record(id)? else {
                    return Ok(None);
                };
                let held = record
                    .attributes
                    .iter()
                    .filter(|(number, _)| *number == row)
                    .flat_map(|(_, values)| values)
                    .any(|other| schema::normal(known.syntax, other) == normal);
                Ok(held.then_some(id))
            };
            found().transpose()
        })))
    }

    /// The objects from which the links of `link` lead to `target` in one step or more.
    pub(crate) fn chain(&self, link: Link, target: u64) -> Result<Arc<HashSet<u64>>, Error> {
        let (back, pair) = match link {
            Link::None => return Ok(Arc::default()),
            Link::Forward(pair) => (&self.back_links, pair),
            Link::Back(pair) => (&self.links, pair),
        };
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        chains.find(back, link, pair, target)
    }

    /// The id that a link value in a request names, if there is such an object.
    pub(crate) fn referenced(&self, value: &[u8]) -> Result<Option<u64>, Error> {
        let Some(name) = std::str::from_utf8(value)
            .ok()
            .and_then(|text| Name::parse(text).ok())
        else {
            return Ok(None);
        };
        match self.find(&name) {
            Ok(id) => Ok(Some(id)),
            Err(Error::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn record(&self, id: u64) -> Result<Option<Record>, Error> {
        match self.objects.get(id)? {
            Some(bytes) => Record::decode(id, bytes.value()).map(Some),
            None => Ok(None),
        }
    }

    /// The object, unless it is a bare place.
    pub(crate) fn seen(&self, id: u64, links: &Links) -> Result<Option<Object>, Error> {
        match self.record(id)? {
            Some(record) if !record.bare => self.build(id, record, links).map(Some),
            _ => Ok(None),
        }
    }

    fn build(&self, id: u64, record: Record, links: &Links) -> Result<Object, Error> {
        let above = self.dn_text(record.parent)?;
        let dn = Dn::parse(&below(&record.rdn, &above)).map_err(|error| Error::Damaged {
            what: format!("the name of object {id}: {error}"),
        })?;
        let mut object = Object::new(id, dn, record, &self.dictionary)?;
        match links {
            Links::All => {
                let all = (id, 0, 0)..=(id, u16::MAX, u64::MAX);
                self.put_links(&mut object, self.links.range(all.clone())?, schema::forward)?;
                self.put_links(&mut object, self.back_links.range(all)?, schema::back)?;
            }
            Links::OfOwner => {
                let pairs = [
                    (id, 0, 0)..=(id, schema::DELEGATES - 1, u64::MAX),
                    (id, schema::DELEGATES + 1, 0)..=(id, u16::MAX, u64::MAX),
                ];
                for pairs in pairs {
                    self.put_links(&mut object, self.links.range(pairs)?, schema::forward)?;
                }
            }
            Links::Only(kinds) => {
                for kind in kinds {
                    match *kind {
                        Link::None => {}
                        Link::Forward(pair) => {
                            let range = self.links.range(span(id, pair))?;
                            self.put_links(&mut object, range, schema::forward)?;
                        }
                        Link::Back(pair) => {
                            let range = self.back_links.range(span(id, pair))?;
                            self.put_links(&mut object, range, schema::back)?;
                        }
                    }
                }
            }
        }
        Ok(object)
    }

    fn put_links(
        &self,
        object: &mut Object,
        range: redb::Range<'_, (u64, u16, u64), ()>,
        side: fn(u16) -> Option<&'static schema::Attribute>,
    ) -> Result<(), Error> {
        let mut last = None;
        for link in range {
            let (_, pair, other) = link?.0.value();
            if last != Some(pair) {
                let attribute = side(pair).ok_or_else(|| Error::Damaged {
                    what: format!(
                        "object {} has links of pair {pair}, which is unknown",
                        object.id
                    ),
                })?;
                object
                    .attributes
                    .push((attribute.name.to_owned(), Vec::new()));
                last = Some(pair);
            }
            let value = self.dn_text_once(other)?;
            let value = if is_unread(&value) {
                UNREAD.to_vec()
            } else {
                value.into_bytes()
            };
            if let Some((_, values)) = object.attributes.last_mut() {
                values.push(value);
            }
        }
        Ok(())
    }

    /// The name of an object that is asked for once, of which only the parents are remembered.
    pub(crate) fn dn_text_once(&self, id: u64) -> Result<String, Error> {
        let Some(bytes) = self.objects.get(id)? else {
            return Err(Error::Damaged {
                what: format!("object {id} is missing"),
            });
        };
        let head = Head::decode(id, bytes.value())?;
        Ok(below(head.rdn, &self.dn_text(head.parent)?))
    }

    /// The name of a parent, remembered.
    pub(crate) fn dn_text(&self, id: u64) -> Result<Arc<str>, Error> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        let mut at = id;
        let mut text = loop {
            if at == 0 {
                break Arc::from("");
            }
            if let Some(text) = names.get(&at) {
                break Arc::clone(text);
            }
            let Some(bytes) = self.objects.get(at)? else {
                return Err(Error::Damaged {
                    what: format!("object {at} is missing"),
                });
            };
            let head = Head::decode(at, bytes.value())?;
            missing.push((at, head.rdn.to_owned()));
            at = head.parent;
            if missing.len() > MAX_DEPTH {
                return Err(Error::Damaged {
                    what: format!("object {id} is below itself"),
                });
            }
        };
        if names.len() + missing.len() > REMEMBERED {
            names.clear();
        }
        for (id, rdn) in missing.into_iter().rev() {
            text = Arc::from(below(&rdn, &text));
            names.insert(id, Arc::clone(&text));
        }
        Ok(text)
    }
}

/// The name of an object from its RDN and the name above it.
pub(crate) fn below(rdn: &str, above: &str) -> String {
    if above.is_empty() {
        return rdn.to_owned();
    }
    let mut text = String::with_capacity(rdn.len() + 1 + above.len());
    text.push_str(rdn);
    text.push(',');
    text.push_str(above);
    text
}
