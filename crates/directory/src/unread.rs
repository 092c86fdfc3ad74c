//! Values that were in a file and could not be read: kept as something that no reader takes for a value.
//!
//! An attribute with such a value is there, and what it says is open. In a linked attribute the value is a
//! link to a bare place of its own, so that every table holds it as it holds any link; a reader of the
//! link gets [`UNREAD`] in place of the name.
//!
//! Invariant: what could not be read never becomes absent, and never becomes another value.

use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::names::attribute;
use automend_ldap::ldif::Record;

use crate::error::Error;
use crate::schema::{self, Link, Syntax};
use crate::work::{Draft, Work};

/// What stands for a value that could not be read: no UTF-8, no number, no GUID and no name.
pub const UNREAD: &[u8] = b"\xff";

/// The first part of the name of the place that such links lead to; no tool makes a name with a line end.
const PLACE: &str = r"CN=unread\0Avalue";

/// Whether this is the name of a place that stands for values that could not be read.
pub(crate) fn is_unread(name: &str) -> bool {
    name.strip_prefix(PLACE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
}

/// The place in this domain that such links lead to.
pub(crate) fn unread_place(domain: &Dn) -> Option<Dn> {
    Dn::parse(&format!("{PLACE},{domain}")).ok()
}

impl Work<'_> {
    /// The place that links of the object `dn` lead to where their value could not be read; it is in the
    /// domain of the object.
    pub(crate) fn unread_place(&mut self, dn: &Dn) -> Result<u64, Error> {
        let is_domain = |dn: &Dn| {
            dn.rdn_parts()
                .iter()
                .all(|(kind, _)| kind.eq_ignore_ascii_case("DC"))
        };
        let mut domain = dn.clone();
        while !is_domain(&domain) {
            match domain.parent().filter(|above| !above.as_str().is_empty()) {
                Some(above) => domain = above,
                None => break,
            }
        }
        let place = unread_place(&domain).ok_or_else(|| Error::Damaged {
            what: format!("'{domain}' takes no name below it"),
        })?;
        // Making the place of a child makes the place itself.
        let below = Dn::parse(&format!("CN=x,{place}")).map_err(|error| Error::Damaged {
            what: error.to_string(),
        })?;
        self.make_place(&below)?;
        let id = self.place(&place)?.and_then(|place| place.id);
        id.ok_or_else(|| Error::Damaged {
            what: format!("'{place}' has no place"),
        })
    }

    /// Keeps that a record has, or may have, values that could not be read: of a line that cannot be
    /// decoded, of a line that has no name, or behind the end of a file that was cut off.
    ///
    /// What is open is what an audit of the file would leave open, [`Entry::undecided`].
    pub(crate) fn keep_unread(
        &mut self,
        draft: &mut Draft,
        dn: &Dn,
        record: &Record<'_>,
    ) -> Result<(), Error> {
        let mut entry = Entry::bare(dn.clone());
        let (mut nameless, mut classes, mut last) = (false, 0, None);
        for line in record.lines() {
            let Ok(line) = line else {
                nameless = true;
                continue;
            };
            let name = String::from_utf8_lossy(line.name()).into_owned();
            match line.value() {
                Ok(value) => {
                    classes += usize::from(line.is(attribute::OBJECT_CLASS));
                    let before = entry.undecided.len();
                    entry.take(&name, &value, &mut Vec::new());
                    // The value is kept as it is, and every reader sees that it is none.
                    entry.undecided.truncate(before);
                }
                Err(_) => entry.cannot_read(&name),
            }
            last = Some(name);
        }
        let last = last.filter(|_| record.cut);
        let is_last = |name: &str| {
            last.as_deref()
                .is_some_and(|last| last.eq_ignore_ascii_case(name))
        };
        // What is surely no recipient has no nothing that decides anything.
        let is_other = entry.class == Class::Other
            && classes > 0
            && entry.forward_links.is_empty()
            && !is_last(attribute::OBJECT_CLASS);
        if nameless || record.cut && !is_other {
            entry.cut_off(last.as_deref());
        }
        for name in entry.undecided {
            let Some(known) = schema::find(name) else {
                continue;
            };
            match known.link {
                Link::Back(_) => {}
                Link::Forward(pair) => draft.links.push((pair, self.unread_place(dn)?)),
                Link::None if known.computed || !is_told(dn, name) => {}
                Link::None => {
                    let number = self.number(known.name)?;
                    // A part of a number is another number.
                    if is_last(name) && known.syntax == Syntax::Integer {
                        draft.attributes.retain(|(other, _)| *other != number);
                    }
                    draft.put(number, Vec::new());
                    let values = draft
                        .attributes
                        .iter_mut()
                        .find(|(other, _)| *other == number);
                    if let Some((_, values)) = values {
                        // In front, as the last value is the one that decides.
                        values.insert(0, UNREAD.to_vec());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a reader learns that the attribute cannot be read, and does not take the mark for a value.
fn is_told(dn: &Dn, name: &str) -> bool {
    let (mut entry, mut defects) = (Entry::bare(dn.clone()), Vec::new());
    entry.take(name, UNREAD, &mut defects);
    !defects.is_empty() || name == attribute::MASTER_ACCOUNT_SID
}
