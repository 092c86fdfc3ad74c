//! Ranged retrieval: the values of an attribute that come in portions ([MS-ADTS] 3.1.1.3.1.3.3).
//!
//! A server with a limit on values answers `member` with `member;range=0-1499`, perhaps beside a
//! `member` without values, and wants to be asked for `member;range=1500-*` until it answers with
//! `range=N-*`. Another's write between two portions may shift the values, against which the server
//! offers nothing; when it makes a portion vanish, the attribute is read again from its start.
//! Invariant: an entry is complete or there is an error; no value that was sent is left out.

use super::{Client, Scope, Search};
use crate::control::{ATTRIBUTE_SCOPED_QUERY, Control, PAGED_RESULTS};
use crate::entry::{Attribute, Entry};
use crate::error::{Error, ResultCode};
use crate::filter::Filter;

impl Client {
    /// The object `dn` with these attributes (none means all), ranged values completed; `None`
    /// when there is no such object.
    pub async fn base(&self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>, Error> {
        self.base_with(dn, attributes, &[]).await
    }

    /// The same with controls, such as the one that shows deleted objects.
    pub async fn base_with(
        &self,
        dn: &str,
        attributes: &[&str],
        controls: &[Control],
    ) -> Result<Option<Entry>, Error> {
        let mut request = Search::new(dn, Scope::Base, Filter::present("objectClass"), attributes);
        request.controls.extend_from_slice(controls);
        match self.single(&request).await? {
            Some(mut entry) => Ok(complete(self, &mut entry, controls).await?.then_some(entry)),
            None => Ok(None),
        }
    }
}

/// Whether some attribute of the entry came as a range.
pub(super) fn is_ranged(entry: &Entry) -> bool {
    // Options are rare, so this costs a look at the length of an empty list for each attribute.
    entry
        .attributes
        .iter()
        .any(|attribute| position(attribute).is_some())
}

/// Fetches what is missing of each ranged attribute; `false` when the object is gone meanwhile.
///
/// `controls` are those of the search that found the entry; what changes the meaning of a base
/// search is left out.
pub(super) async fn complete(
    client: &Client,
    entry: &mut Entry,
    controls: &[Control],
) -> Result<bool, Error> {
    let controls: Vec<Control> = controls
        .iter()
        .filter(|control| control.oid != PAGED_RESULTS && control.oid != ATTRIBUTE_SCOPED_QUERY)
        .cloned()
        .collect();
    while let Some(index) = entry.attributes.iter().position(|a| position(a).is_some()) {
        let mut attribute = entry.attributes.remove(index);
        let first = take_range(&mut attribute)?;
        let others = entry_size(entry);
        if !gather(client, &entry.dn, &mut attribute, first, others, &controls).await? {
            return Ok(false);
        }
        merge(entry, index, attribute);
    }
    Ok(true)
}

/// Fetches the values behind the first portion of an attribute; `false` when the object is gone.
///
/// `others` is what the entry's other attributes take of its limit, in bytes.
async fn gather(
    client: &Client,
    dn: &str,
    attribute: &mut Attribute,
    first: Range,
    others: usize,
    controls: &[Control],
) -> Result<bool, Error> {
    let max = client.limits().entry_bytes;
    let mut next = first.next;
    let mut restarts = 0usize;
    let mut bytes = others.saturating_add(size(&attribute.values));
    while let Some(start) = next {
        let asked = format!("{};range={start}-*", attribute.description());
        let mut request = Search::new(dn, Scope::Base, Filter::present("objectClass"), &[&asked]);
        request.controls = controls.to_vec();
        let more = match client.single(&request).await {
            Ok(None) => return Ok(false),
            Ok(Some(answer)) => take_attribute(answer, attribute),
            // How a server may say that there are not so many values.
            Err(Error::Refused {
                code: ResultCode::OPERATIONS_ERROR,
                ..
            }) if start > 0 => None,
            Err(error) => return Err(error),
        };
        let Some(mut more) = more else {
            attribute.values.clear();
            if start == 0 {
                // All values went away.
                break;
            }
            restarts = restarts.saturating_add(1);
            if restarts > RESTARTS {
                return Err(Error::PeerMisbehaved {
                    what: "a range without its end",
                });
            }
            (next, bytes) = (Some(0), others);
            continue;
        };
        let range = take_range(&mut more)?;
        if range.start != start && !more.values.is_empty() {
            return Err(Error::PeerMisbehaved {
                what: "a range that was not asked for",
            });
        }
        bytes = bytes.saturating_add(size(&more.values));
        if bytes > max {
            return Err(Error::Limit {
                what: "bytes of values in one entry",
                max,
                found: bytes,
            });
        }
        attribute.values.append(&mut more.values);
        next = range.next;
    }
    Ok(true)
}

/// How often an attribute is read again because a portion of it vanished.
const RESTARTS: usize = 3;

/// The bytes that values take in memory, about.
fn size(values: &[Vec<u8>]) -> usize {
    values.iter().fold(0, |sum, value| {
        sum.saturating_add(value.len()).saturating_add(24)
    })
}

/// The bytes that an entry takes in memory, about.
pub(super) fn entry_size(entry: &Entry) -> usize {
    entry
        .attributes
        .iter()
        .fold(entry.dn.len().saturating_add(64), |sum, attribute| {
            let name = attribute.name.len().saturating_add(96);
            sum.saturating_add(name)
                .saturating_add(size(&attribute.values))
        })
}

/// One portion: where it starts, and where the next one does.
struct Range {
    start: u64,
    next: Option<u64>,
}

/// Which option says that this attribute is a portion.
fn position(attribute: &Attribute) -> Option<usize> {
    attribute.options.iter().position(|option| {
        option
            .get(..6)
            .is_some_and(|word| word.eq_ignore_ascii_case("range="))
    })
}

/// Takes the range option off an attribute, and checks it against the number of values.
fn take_range(attribute: &mut Attribute) -> Result<Range, Error> {
    const WRONG: Error = Error::PeerMisbehaved {
        what: "a range that is none",
    };
    let Some(position) = position(attribute) else {
        // Asked for a range and answered without one: that is all there is.
        return Ok(Range {
            start: 0,
            next: None,
        });
    };
    let option = attribute.options.remove(position);
    let bounds = option
        .get(6..)
        .and_then(|bounds| bounds.split_once('-'))
        .ok_or(WRONG)?;
    let start = bounds.0.parse::<u64>().map_err(|_| WRONG)?;
    if bounds.1 == "*" {
        return Ok(Range { start, next: None });
    }
    let end = bounds.1.parse::<u64>().map_err(|_| WRONG)?;
    let next = end.checked_add(1).ok_or(WRONG)?;
    if next.checked_sub(start) != u64::try_from(attribute.values.len()).ok() || next == start {
        let what = "a range that does not count its values";
        return Err(Error::PeerMisbehaved { what });
    }
    Ok(Range {
        start,
        next: Some(next),
    })
}

/// The attribute of an answer that continues `wanted`.
fn take_attribute(answer: Entry, wanted: &Attribute) -> Option<Attribute> {
    let mut candidates: Vec<Attribute> = answer
        .attributes
        .into_iter()
        .filter(|attribute| attribute.name.eq_ignore_ascii_case(&wanted.name))
        .collect();
    // A server may put the plain name without values beside the range.
    let ranged = candidates
        .iter()
        .position(|attribute| position(attribute).is_some());
    let index = ranged.or_else(|| candidates.iter().position(|a| !a.values.is_empty()))?;
    Some(candidates.swap_remove(index))
}

/// Puts a completed attribute back, in the place of its plain name without values if there is one.
fn merge(entry: &mut Entry, index: usize, attribute: Attribute) {
    let twin = entry.attributes.iter_mut().find(|other| {
        other.name.eq_ignore_ascii_case(&attribute.name) && other.options == attribute.options
    });
    match twin {
        Some(twin) => twin.values.extend(attribute.values),
        None => entry
            .attributes
            .insert(index.min(entry.attributes.len()), attribute),
    }
}
