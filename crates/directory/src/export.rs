//! Writing a directory as LDIF that [`crate::import()`] reads back to an equal one.
//!
//! Invariant: parents before children, children in the order of their normal forms, link values in
//! the order of their names: equal directories give equal files. Ids don't appear.

use std::io::Write;

use automend_ldap::entry::Attribute;
use automend_ldap::ldif::Writer;
use automend_ldap::{Entry, Scope};

use crate::error::Error;
use crate::object::Object;
use crate::reading::{Links, Reading};
use crate::schema::{self, Link};
use crate::walk::Ids;

/// What an export holds in addition to the objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Export {
    /// Writes back links as comments above their objects, for readers; an import passes them over.
    pub back_links: bool,
    /// Leaves tombstones and their containers out.
    pub without_tombstones: bool,
}

/// Writes every object of a snapshot and gives their number. Bare places are not written; they come
/// back by themselves. The sink should be buffered.
///
/// # Errors
///
/// [`Error::Io`] if the sink fails; [`Error::Damaged`] or [`Error::Store`].
pub fn export(reading: &Reading, sink: impl Write, how: Export) -> Result<u64, Error> {
    let failed = |source| Error::Io {
        what: "cannot write the LDIF",
        source,
    };
    let mut writer = Writer::new(sink).map_err(failed)?;
    let mut ids = Ids::new(reading, 0, Scope::Subtree, !how.without_tombstones)?;
    let mut count = 0;
    while let Some(id) = ids.next(reading)? {
        let Some(object) = reading.seen(id, &Links::All)? else {
            continue;
        };
        let (entry, back_links) = entry(object);
        if how.back_links {
            for attribute in back_links {
                for value in attribute.values {
                    let value = String::from_utf8_lossy(&value);
                    writer
                        .comment(&format!("{}: {value}", attribute.name))
                        .map_err(failed)?;
                }
            }
        }
        writer.entry(&entry).map_err(failed)?;
        count += 1;
    }
    writer.into_inner().flush().map_err(failed)?;
    Ok(count)
}

/// The entry to write, and the back links apart.
fn entry(object: Object) -> (Entry, Vec<Attribute>) {
    let mut entry = Entry {
        dn: object.dn.as_str().to_owned(),
        attributes: Vec::new(),
    };
    let mut back_links = Vec::new();
    for (name, mut values) in object.attributes {
        let link = schema::find(&name).map_or(Link::None, |a| a.link);
        if link != Link::None {
            values.sort_unstable();
        }
        // Names hold their options, if they have any, so they are not split again here.
        let attribute = Attribute {
            name,
            options: Vec::new(),
            values,
        };
        match (link, attribute.name.as_str()) {
            (Link::Back(_), _) => back_links.push(attribute),
            (_, "distinguishedName" | "name" | "isRecycled") => {}
            _ => entry.attributes.push(attribute),
        }
    }
    (entry, back_links)
}
