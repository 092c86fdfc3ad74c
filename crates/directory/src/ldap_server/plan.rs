//! Where a search looks: at the few objects that an index names, or at all below its base.
//!
//! Invariant: a plan names every object that could match, and may name others; the filter decides.

use std::collections::{BTreeSet, VecDeque};

use automend_ldap::{Filter, Scope};

use super::matching;
use crate::codec::Head;
use crate::error::Error;
use crate::reading::Reading;
use crate::schema::{self, Link};
use crate::walk::Ids;

/// Most objects that an index may name before walking the base is preferred.
const MAX_NAMED: usize = 100_000;

/// The objects that a search still has to look at.
pub(super) enum Plan {
    Walk(Ids),
    Named(VecDeque<u64>),
    /// Objects that need no second look at where they are, in their order.
    Fixed(VecDeque<u64>),
    Owners(Box<redb::Range<'static, (u16, u64), ()>>),
}

/// The part of the tree that a search is about.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) base: u64,
    pub(super) scope: Scope,
    /// Whether tombstones are wanted; they are in no index.
    pub(super) unseen: bool,
    /// Heads of other naming contexts below the base.
    pub(super) stops: Vec<u64>,
}

impl Plan {
    pub(super) fn new(reading: &Reading, part: &Part, filter: &Filter) -> Result<Self, Error> {
        let walk = |part: &Part| -> Result<Self, Error> {
            let ids = Ids::new(reading, part.base, part.scope, part.unseen)?;
            Ok(Self::Walk(ids.without(part.stops.clone())))
        };
        if part.scope == Scope::Base || part.unseen {
            return walk(part);
        }
        if let Some(ids) = named(reading, filter)? {
            return Ok(Self::Named(ids.into_iter().collect()));
        }
        match owners(filter) {
            Some(pair) => {
                let range = reading.owners.range((pair, 0)..=(pair, u64::MAX))?;
                Ok(Self::Owners(Box::new(range)))
            }
            None => walk(part),
        }
    }

    /// The next object of the part; whether it matches is not known yet.
    pub(super) fn next(&mut self, reading: &Reading, part: &Part) -> Result<Option<u64>, Error> {
        loop {
            let id = match self {
                Self::Walk(ids) => return ids.next(reading),
                Self::Fixed(ids) => return Ok(ids.pop_front()),
                Self::Named(ids) => ids.pop_front(),
                Self::Owners(range) => match range.next() {
                    Some(owner) => Some(owner?.0.value().1),
                    None => None,
                },
            };
            let Some(id) = id else {
                return Ok(None);
            };
            if holds(reading, part, id)? {
                return Ok(Some(id));
            }
        }
    }
}

/// Whether an object is in the part.
fn holds(reading: &Reading, part: &Part, id: u64) -> Result<bool, Error> {
    let mut at = id;
    for steps in 0..=32 * 1024 {
        let Some(bytes) = reading.objects.get(at)? else {
            return Ok(false);
        };
        let head = Head::decode(at, bytes.value())?;
        if steps == 0 && (head.flags.bare() || head.flags.unseen()) {
            return Ok(false);
        }
        match part.scope {
            Scope::Base => return Ok(at == part.base),
            Scope::One => return Ok(head.parent == part.base && !part.stops.contains(&id)),
            Scope::Subtree if at == part.base => return Ok(true),
            Scope::Subtree if part.stops.contains(&at) || head.parent == 0 => return Ok(false),
            Scope::Subtree => at = head.parent,
        }
    }
    Ok(false)
}

/// The objects that could match, if an index knows them and they are not too many.
fn named(reading: &Reading, filter: &Filter) -> Result<Option<BTreeSet<u64>>, Error> {
    match filter {
        Filter::Equal { attribute, value } => equal(reading, attribute, value),
        Filter::Extensible {
            attribute: Some(attribute),
            rule: Some(rule),
            value,
            ..
        } if rule == matching::IN_CHAIN => chained(reading, attribute, value),
        Filter::And(parts) => {
            for part in parts {
                if let Some(ids) = named(reading, part)? {
                    return Ok(Some(ids));
                }
            }
            Ok(None)
        }
        Filter::Or(parts) => {
            let mut all = BTreeSet::new();
            for part in parts {
                let Some(ids) = named(reading, part)? else {
                    return Ok(None);
                };
                all.extend(ids);
                if all.len() > MAX_NAMED {
                    return Ok(None);
                }
            }
            Ok(Some(all))
        }
        _ => Ok(None),
    }
}

/// The objects from which links lead to `value`.
fn chained(
    reading: &Reading,
    attribute: &str,
    value: &[u8],
) -> Result<Option<BTreeSet<u64>>, Error> {
    let link = schema::find(attribute).map_or(Link::None, |known| known.link);
    if link == Link::None {
        return Ok(None);
    }
    let Some(target) = reading.referenced(value)? else {
        return Ok(Some(BTreeSet::new()));
    };
    let chain = reading.chain(link, target)?;
    Ok((chain.len() <= MAX_NAMED).then(|| chain.iter().copied().collect()))
}

fn equal(reading: &Reading, attribute: &str, value: &[u8]) -> Result<Option<BTreeSet<u64>>, Error> {
    let mut ids = BTreeSet::new();
    match schema::find(attribute).map(|known| known.name) {
        Some("objectGUID") => {
            if let Ok(guid) = <&[u8; 16]>::try_from(value) {
                ids.extend(reading.guids.get(guid)?.map(|id| id.value()));
            }
            return Ok(Some(ids));
        }
        Some("distinguishedName") => {
            ids.extend(reading.referenced(value)?);
            return Ok(Some(ids));
        }
        _ => {}
    }
    match reading.ids_by_value(attribute, value) {
        Err(Error::NotIndexed { .. }) => Ok(None),
        Err(error) => Err(error),
        Ok(found) => {
            for id in found {
                ids.insert(id?);
                if ids.len() > MAX_NAMED {
                    return Ok(None);
                }
            }
            Ok(Some(ids))
        }
    }
}

/// The pair whose owners alone can match.
fn owners(filter: &Filter) -> Option<u16> {
    match filter {
        Filter::Present(attribute) => match schema::find(attribute)?.link {
            Link::Forward(pair) => Some(pair),
            _ => None,
        },
        Filter::And(parts) => parts.iter().find_map(owners),
        _ => None,
    }
}
