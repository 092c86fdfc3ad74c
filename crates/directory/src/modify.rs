//! Modifying an object: its values and its forward links.
//!
//! Specification: RFC 4511 4.6, [MS-ADTS] 3.1.1.5.3; codes and texts as a controller gives them.
//!
//! Invariant: all modifications of one request are made on a draft first; the object is written
//! once, or not at all. The owner's uSNChanged and whenChanged move, the delegate's never.

use std::collections::{BTreeSet, HashSet};

use automend_core::dn::Dn;
use redb::ReadableTable;

use crate::codec::Record;
use crate::error::{Error, Refusal};
use crate::name::{Name, naming_value};
use crate::password::{self, Given, Passwords, Secret};
use crate::schema::same_attribute;
use crate::schema::{self, Attribute, Link};
use crate::tables::span;
use crate::work::{Work, has_twins};

/// What is done with the values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// The values are added to those that are there.
    Add,
    /// The values are removed; with no values, all are.
    Delete,
    /// The values take the place of those that are there; with no values, the attribute goes.
    Replace,
    /// Each value, a number, is raised by the one value that is given (RFC 4525).
    Increment,
}

/// One modification of one attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Modification {
    /// What is done.
    pub operation: Operation,
    /// The attribute's name, in any case, without options.
    pub attribute: String,
    /// The values; those of links are names, or `<GUID=...>`.
    pub values: Vec<Vec<u8>>,
}

impl Modification {
    /// Adds values.
    pub fn add<V: AsRef<[u8]>>(attribute: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::new(Operation::Add, attribute, values)
    }

    /// Deletes values; all of them if none is given.
    pub fn delete<V: AsRef<[u8]>>(attribute: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::new(Operation::Delete, attribute, values)
    }

    /// Deletes an attribute with all its values.
    pub fn clear(attribute: &str) -> Self {
        Self::new(Operation::Delete, attribute, [[0; 0]; 0])
    }

    /// Replaces all values.
    pub fn replace<V: AsRef<[u8]>>(attribute: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::new(Operation::Replace, attribute, values)
    }

    /// Raises a number.
    pub fn increment(attribute: &str, by: impl AsRef<[u8]>) -> Self {
        Self::new(Operation::Increment, attribute, [by])
    }

    fn new<V: AsRef<[u8]>>(
        operation: Operation,
        attribute: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            operation,
            attribute: attribute.to_owned(),
            values: values
                .into_iter()
                .map(|value| value.as_ref().to_vec())
                .collect(),
        }
    }
}

/// An object under modification.
struct Draft {
    id: u64,
    dn: Dn,
    permissive: bool,
    attributes: Vec<(u32, Vec<Vec<u8>>)>,
    /// What is kept of the passwords, once one is modified.
    passwords: Option<Passwords>,
    added: BTreeSet<(u16, u64)>,
    removed: BTreeSet<(u16, u64)>,
    /// Attributes that an add touched, for the code of a second value where only one may be.
    extended: HashSet<&'static str>,
}

impl Work<'_> {
    pub(crate) fn modify(
        &mut self,
        name: &Name,
        modifications: &[Modification],
        permissive: bool,
    ) -> Result<(), Error> {
        let id = self.find(name)?;
        let record = self.record(id)?;
        let dn = self.dn(id)?;
        if record.deleted {
            return Err(Refusal::Deleted { dn }.into());
        }
        let naming = naming_value(&record.rdn);
        let mut draft = Draft {
            id,
            dn,
            permissive,
            attributes: record.attributes.clone(),
            passwords: None,
            added: BTreeSet::new(),
            removed: BTreeSet::new(),
            extended: HashSet::new(),
        };
        for modification in modifications {
            let name = modification.attribute.as_str();
            let known = schema::find(name);
            let attribute = || known.map_or(name, |a| a.name).to_owned();
            let dn = || draft.dn.clone();
            check_modification(&draft.dn, naming.as_ref(), known, modification)?;
            if let Some(secret) = password::secret(name) {
                self.modify_passwords(&mut draft, secret, modification)?;
                continue;
            }
            match known {
                Some(Attribute {
                    link: Link::Back(_),
                    ..
                }) => {
                    return Err(Refusal::BackLink {
                        attribute: attribute(),
                        dn: dn(),
                    }
                    .into());
                }
                Some(Attribute { computed: true, .. }) => {
                    return Err(Refusal::SystemOnly {
                        attribute: attribute(),
                        dn: dn(),
                    }
                    .into());
                }
                Some(&Attribute {
                    link: Link::Forward(pair),
                    ..
                }) => {
                    self.modify_links(&mut draft, pair, modification)?;
                }
                _ => {
                    let number = self.number(name)?;
                    draft.modify_values(number, known, modification)?;
                }
            }
            if let (Some(known), Operation::Add) = (known, modification.operation) {
                draft.extended.insert(known.name);
            }
        }
        self.check_single(&draft)?;
        self.write_draft(draft, record)
    }

    /// The name of an object that exists.
    pub(crate) fn dn(&self, id: u64) -> Result<Dn, Error> {
        let text = self.dn_text(id)?;
        Dn::parse(&text).map_err(|error| Error::Damaged {
            what: format!("the name of object {id}: {error}"),
        })
    }

    fn modify_links(
        &mut self,
        draft: &mut Draft,
        pair: u16,
        modification: &Modification,
    ) -> Result<(), Error> {
        let attribute = schema::forward(pair).map_or("", |a| a.name);
        let mut delegates = Vec::with_capacity(modification.values.len());
        for value in &modification.values {
            match self.reference(attribute, value) {
                Ok(delegate) => delegates.push(delegate),
                // A value that names no object can't be there: Windows answers as for any absent value.
                Err(Error::Refused(_)) if modification.operation == Operation::Delete => {
                    if !draft.permissive {
                        return Err(Refusal::ValueAbsent {
                            attribute: attribute.to_owned(),
                            dn: draft.dn.clone(),
                        }
                        .into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        match modification.operation {
            Operation::Add | Operation::Increment => {}
            Operation::Delete if modification.values.is_empty() => {
                let present = self.present(draft, pair)?;
                if present.is_empty() && !draft.permissive {
                    return Err(Refusal::AttributeAbsent {
                        attribute: attribute.to_owned(),
                        dn: draft.dn.clone(),
                    }
                    .into());
                }
                for delegate in present {
                    draft.unlink(pair, delegate);
                }
            }
            Operation::Delete => {
                for delegate in delegates.drain(..) {
                    if self.has_link(draft, pair, delegate)? {
                        draft.unlink(pair, delegate);
                    } else if !draft.permissive {
                        if self.present(draft, pair)?.is_empty() {
                            return Err(Refusal::AttributeAbsent {
                                attribute: attribute.to_owned(),
                                dn: draft.dn.clone(),
                            }
                            .into());
                        }
                        return Err(Refusal::LinkAbsent {
                            attribute: attribute.to_owned(),
                            delegate: self.record(delegate)?.guid,
                        }
                        .into());
                    }
                }
            }
            Operation::Replace => {
                for delegate in self.present(draft, pair)? {
                    draft.unlink(pair, delegate);
                }
            }
        }
        for delegate in delegates {
            if !self.has_link(draft, pair, delegate)? {
                draft.link(pair, delegate);
            } else if !draft.permissive {
                return Err(Refusal::LinkExists {
                    attribute: attribute.to_owned(),
                    delegate: self.record(delegate)?.guid,
                }
                .into());
            }
        }
        Ok(())
    }

    /// Passwords are compared, never read: one that is deleted by value has to be right.
    fn modify_passwords(
        &mut self,
        draft: &mut Draft,
        secret: Secret,
        modification: &Modification,
    ) -> Result<(), Error> {
        let dn = draft.dn.clone();
        let attribute = || modification.attribute.clone();
        let refuse = |why| Refusal::Password {
            attribute: attribute(),
            dn: dn.clone(),
            why,
        };
        let mut passwords = match draft.passwords.take() {
            Some(passwords) => passwords,
            None => match self.passwords.get(draft.id)? {
                Some(bytes) => Passwords::decode(draft.id, bytes.value())?,
                None => Passwords::default(),
            },
        };
        match modification.operation {
            Operation::Add | Operation::Increment => {}
            Operation::Replace => passwords = Passwords::default(),
            Operation::Delete if modification.values.is_empty() => {
                if passwords.is_empty() && !draft.permissive {
                    return Err(Refusal::AttributeAbsent {
                        attribute: attribute(),
                        dn,
                    }
                    .into());
                }
                passwords = Passwords::default();
            }
            Operation::Delete => {
                for value in &modification.values {
                    let given = Given::read(secret, value).map_err(refuse)?;
                    if !given.is_some_and(|given| passwords.drop_same(&given)) && !draft.permissive
                    {
                        return Err(Refusal::ValueAbsent {
                            attribute: attribute(),
                            dn,
                        }
                        .into());
                    }
                }
            }
        }
        if modification.operation != Operation::Delete {
            passwords
                .add(secret, &modification.values)
                .map_err(refuse)?;
        }
        draft.passwords = Some(passwords);
        Ok(())
    }

    fn has_link(&self, draft: &Draft, pair: u16, delegate: u64) -> Result<bool, Error> {
        Ok(draft.added.contains(&(pair, delegate))
            || (!draft.removed.contains(&(pair, delegate))
                && self.links.get((draft.id, pair, delegate))?.is_some()))
    }

    /// The delegates of a draft, of one pair.
    fn present(&self, draft: &Draft, pair: u16) -> Result<BTreeSet<u64>, Error> {
        let mut present = BTreeSet::new();
        for link in self.links.range(span(draft.id, pair))? {
            let delegate = link?.0.value().2;
            if !draft.removed.contains(&(pair, delegate)) {
                present.insert(delegate);
            }
        }
        present.extend(
            draft
                .added
                .range((pair, 0)..=(pair, u64::MAX))
                .map(|(_, d)| *d),
        );
        Ok(present)
    }

    fn check_single(&self, draft: &Draft) -> Result<(), Error> {
        let mut crowded = None;
        let pairs: BTreeSet<u16> = draft.added.iter().map(|(pair, _)| *pair).collect();
        for attribute in pairs.into_iter().filter_map(schema::forward) {
            if let (true, Link::Forward(pair)) = (attribute.single, attribute.link)
                && self.present(draft, pair)?.len() > 1
            {
                crowded = Some(attribute);
            }
        }
        for (number, values) in &draft.attributes {
            if let Some(known) = schema::by_row(*number)
                && known.single
                && values.len() > 1
                && draft.extended.contains(known.name)
            {
                crowded = Some(known);
            }
        }
        let Some(known) = crowded else {
            return Ok(());
        };
        let (attribute, dn) = (known.name.to_owned(), draft.dn.clone());
        Err(if draft.extended.contains(known.name) {
            Refusal::ValueExists { attribute, dn }.into()
        } else {
            Refusal::SingleValued { attribute, dn }.into()
        })
    }

    fn write_draft(&mut self, draft: Draft, mut record: Record) -> Result<(), Error> {
        let same_values = draft.attributes == record.attributes;
        let same_links = draft.added.is_empty() && draft.removed.is_empty();
        if same_values && same_links && draft.passwords.is_none() {
            return Ok(());
        }
        if !same_values {
            self.index(draft.id, &record.attributes, false)?;
            self.index(draft.id, &draft.attributes, true)?;
            record.attributes = draft.attributes;
        }
        if let Some(passwords) = &draft.passwords {
            self.put_passwords(draft.id, passwords)?;
        }
        for (pair, delegate) in draft.removed {
            self.unlink(draft.id, pair, delegate)?;
        }
        for (pair, delegate) in draft.added {
            self.link(draft.id, pair, delegate)?;
        }
        self.touch(draft.id, record)
    }

    /// Writes a record with the next USN and the transaction's moment.
    pub(crate) fn touch(&mut self, id: u64, mut record: Record) -> Result<(), Error> {
        self.state.counts.usn += 1;
        record.usn_changed = self.state.counts.usn;
        record.when_changed = self.state.now;
        self.objects.insert(id, record.encode().as_slice())?;
        Ok(())
    }
}

impl Draft {
    fn link(&mut self, pair: u16, delegate: u64) {
        if !self.removed.remove(&(pair, delegate)) {
            self.added.insert((pair, delegate));
        }
    }

    fn unlink(&mut self, pair: u16, delegate: u64) {
        if !self.added.remove(&(pair, delegate)) {
            self.removed.insert((pair, delegate));
        }
    }

    fn modify_values(
        &mut self,
        number: u32,
        known: Option<&Attribute>,
        modification: &Modification,
    ) -> Result<(), Error> {
        let at = self
            .attributes
            .iter()
            .position(|(other, _)| *other == number);
        let mut values = at
            .and_then(|at| self.attributes.get(at))
            .map_or_else(Vec::new, |(_, values)| values.clone());
        changed(&mut values, known, modification, self.permissive).map_err(|why| {
            let attribute = known.map_or(modification.attribute.as_str(), |a| a.name);
            why(attribute.to_owned(), self.dn.clone())
        })?;
        match at {
            Some(at) if values.is_empty() => drop(self.attributes.remove(at)),
            Some(at) => {
                if let Some((_, slot)) = self.attributes.get_mut(at) {
                    *slot = values;
                }
            }
            None if values.is_empty() => {}
            None => self.attributes.push((number, values)),
        }
        Ok(())
    }
}

/// Refuses what is wrong whatever values the object has.
fn check_modification(
    dn: &Dn,
    naming: Option<&(String, String)>,
    known: Option<&Attribute>,
    modification: &Modification,
) -> Result<(), Refusal> {
    let name = modification.attribute.as_str();
    let attribute = || known.map_or(name, |a| a.name).to_owned();
    let dn = || dn.clone();
    if naming.is_some_and(|(kind, _)| same_attribute(kind, name)) {
        return Err(Refusal::NamingAttribute {
            attribute: attribute(),
            dn: dn(),
        });
    }
    if modification.operation == Operation::Add && modification.values.is_empty() {
        return Err(Refusal::NoValues {
            attribute: attribute(),
            dn: dn(),
        });
    }
    if modification.operation == Operation::Increment
        && (password::secret(name).is_some()
            || known.is_some_and(|a| a.link != Link::None || a.computed))
    {
        return Err(Refusal::BadValue {
            attribute: attribute(),
            dn: dn(),
        });
    }
    Ok(())
}

/// A refusal but for the attribute and the object.
type Why = fn(String, Dn) -> Refusal;

const BAD_VALUE: Why = |attribute, dn| Refusal::BadValue { attribute, dn };
const SINGLE_VALUED: Why = |attribute, dn| Refusal::SingleValued { attribute, dn };
const VALUE_EXISTS: Why = |attribute, dn| Refusal::ValueExists { attribute, dn };
const VALUE_ABSENT: Why = |attribute, dn| Refusal::ValueAbsent { attribute, dn };
const ATTRIBUTE_ABSENT: Why = |attribute, dn| Refusal::AttributeAbsent { attribute, dn };

/// Does to the values of an attribute what the modification says.
fn changed(
    values: &mut Vec<Vec<u8>>,
    known: Option<&Attribute>,
    modification: &Modification,
    permissive: bool,
) -> Result<(), Why> {
    let syntax = known.map_or(schema::Syntax::Text, |a| a.syntax);
    let given = &modification.values;
    if modification.operation != Operation::Delete {
        if !given.iter().all(|value| schema::fits(syntax, value)) {
            return Err(BAD_VALUE);
        }
        if known.is_some_and(|a| a.single) && given.len() > 1 {
            return Err(SINGLE_VALUED);
        }
        if has_twins(syntax, given) && !permissive {
            return Err(VALUE_EXISTS);
        }
    }
    match modification.operation {
        Operation::Replace => values.clone_from(given),
        Operation::Increment => {
            if values.is_empty() {
                return Err(ATTRIBUTE_ABSENT);
            }
            for value in values {
                *value = raised(value, given).ok_or(BAD_VALUE)?;
            }
        }
        Operation::Add => {
            for value in given {
                let normal = schema::normal(syntax, value);
                if values
                    .iter()
                    .all(|other| schema::normal(syntax, other) != normal)
                {
                    values.push(value.clone());
                } else if !permissive {
                    return Err(VALUE_EXISTS);
                }
            }
        }
        Operation::Delete => {
            if values.is_empty() && !permissive {
                return Err(ATTRIBUTE_ABSENT);
            }
            if given.is_empty() {
                values.clear();
            }
            for value in given {
                let normal = schema::normal(syntax, value);
                let before = values.len();
                values.retain(|other| schema::normal(syntax, other) != normal);
                if values.len() == before && !permissive {
                    return Err(VALUE_ABSENT);
                }
            }
        }
    }
    Ok(())
}

/// A number with another added to it; `None` where one is no number, or the sum is too large.
fn raised(value: &[u8], by: &[Vec<u8>]) -> Option<Vec<u8>> {
    let [by] = by else { return None };
    let sum = schema::integer(value)?.checked_add(schema::integer(by)?)?;
    Some(sum.to_string().into_bytes())
}

impl From<automend_ldap::Modification> for Modification {
    fn from(step: automend_ldap::Modification) -> Self {
        use automend_ldap::Modification as Step;
        match step {
            Step::Add { attribute, values } => Self::add(&attribute, values),
            Step::Delete { attribute, values } => Self::delete(&attribute, values),
            Step::Replace { attribute, values } => Self::replace(&attribute, values),
            Step::Increment { attribute, by } => Self::increment(&attribute, by),
        }
    }
}
