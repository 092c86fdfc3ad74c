//! What an answer says of an object that the object does not hold: the groups it is in, and longer
//! forms of names.
//!
//! Specification: [MS-ADTS] 3.1.1.4.5.19 (tokenGroups), 3.1.1.3.4.1.5 (extended names).
//!
//! Invariant: a circle of groups ends, and no more than [`MAX_GROUPS`] groups are looked at.

use std::collections::HashSet;
use std::fmt::Write as _;

use automend_core::names::Sid;

use crate::codec::Record;
use crate::error::Error;
use crate::guid::guid_text;
use crate::object::Object;
use crate::reading::Reading;
use crate::schema::{self, Link, Syntax};
use crate::tables::span;

/// The security identifiers of all groups of an object, asked for by name at a base search.
pub(super) const TOKEN_GROUPS: &str = "tokenGroups";

/// How many groups are looked at for one object.
const MAX_GROUPS: usize = 100_000;

/// GROUP_TYPE_SECURITY_ENABLED ([MS-ADTS] 2.2.12).
const SECURITY_ENABLED: i64 = 0x8000_0000;

/// How an extended name writes its identifiers ([MS-ADTS] 3.1.1.3.4.1.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extended {
    /// Hexadecimal digits.
    Hex,
    /// The usual texts.
    Text,
}

/// The security identifiers of the security groups that hold the object, directly or not, and of
/// its primary group and the groups of that.
pub(super) fn token_groups(reading: &Reading, object: &Object) -> Result<Vec<Vec<u8>>, Error> {
    let Some(Link::Forward(member)) = schema::find("member").map(|known| known.link) else {
        return Ok(Vec::new());
    };
    let mut seen = HashSet::from([object.id]);
    let mut waiting = vec![object.id];
    if let Some(primary) = primary_group(object) {
        for id in reading.ids_by_value("objectSid", &primary)? {
            let id = id?;
            if seen.insert(id) {
                waiting.push(id);
            }
        }
    }
    let mut sids = Vec::new();
    while let Some(at) = waiting.pop() {
        if at != object.id {
            let Some(record) = reading.record(at)? else {
                continue;
            };
            let kind = value(&record, "groupType").and_then(schema::integer);
            // A distribution group gives no rights, and no group that holds it does so through it.
            if kind.is_some_and(|kind| kind & SECURITY_ENABLED == 0) {
                continue;
            }
            sids.extend(value(&record, "objectSid").map(<[u8]>::to_vec));
        }
        for row in reading.back_links.range(span(at, member))? {
            let group = row?.0.value().2;
            if seen.insert(group) {
                waiting.push(group);
            }
        }
        if seen.len() > MAX_GROUPS {
            return Err(Error::Limit {
                what: "groups of one object",
                max: MAX_GROUPS as u64,
                found: seen.len() as u64,
            });
        }
    }
    sids.sort();
    sids.dedup();
    Ok(sids)
}

/// The identifier of the primary group: that of the domain, and `primaryGroupID`.
fn primary_group(object: &Object) -> Option<Vec<u8>> {
    let relative: u32 = object.text("primaryGroupID")?.parse().ok()?;
    let mut sid = object.values("objectSid").first()?.clone();
    Sid::from_bytes(&sid)?;
    let at = sid.len().checked_sub(4).filter(|at| *at >= 8)?;
    sid.truncate(at);
    sid.extend(relative.to_le_bytes());
    Some(sid)
}

/// The first value of a known attribute.
fn value<'a>(record: &'a Record, attribute: &str) -> Option<&'a [u8]> {
    let row = schema::row(attribute)?;
    let (_, values) = record.attributes.iter().find(|(other, _)| *other == row)?;
    values.first().map(Vec::as_slice)
}

/// The name of an object with its GUID and security identifier before it.
pub(super) fn extended_name(
    reading: &Reading,
    id: u64,
    dn: &str,
    form: Extended,
) -> Result<String, Error> {
    let Some(record) = reading.record(id)?.filter(|record| !record.bare) else {
        return Ok(dn.to_owned());
    };
    let guid = match form {
        Extended::Hex => hex(&record.guid),
        Extended::Text => guid_text(&record.guid),
    };
    let sid = value(&record, "objectSid").map(|sid| match (form, Sid::of_value(sid)) {
        (Extended::Text, Some(sid)) => sid.to_string(),
        _ => hex(sid),
    });
    let sid = sid.map_or(String::new(), |sid| format!("<SID={sid}>;"));
    Ok(format!("<GUID={guid}>;{sid}{dn}"))
}

/// Makes the values of attributes of names extended names; a name of no object stays.
pub(super) fn extend_values(
    reading: &Reading,
    picked: &mut [(String, Vec<Vec<u8>>)],
    form: Extended,
) -> Result<(), Error> {
    for (name, values) in picked {
        let name = name.split(';').next().unwrap_or_default();
        if schema::syntax(name) != Syntax::Dn {
            continue;
        }
        for value in values {
            if let Some(id) = reading.referenced(value)?
                && let Ok(dn) = std::str::from_utf8(value)
            {
                *value = extended_name(reading, id, dn, form)?.into_bytes();
            }
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
