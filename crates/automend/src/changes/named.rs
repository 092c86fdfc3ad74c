//! The objects that a person names for a change, read with their permissions.
//!
//! Invariant: a name that means no object, or several, is an error and never a guess.

use anyhow::{Context, Result, bail};
use automend_core::entry::{ATTRIBUTES, Class, Entry};
use automend_core::names::{Sid, attribute};
use automend_core::plan::ObjectRef;
use automend_core::view::Known;
use automend_ldap::{Filter, Scope, Search};
use automend_source::typed::typed;
use automend_source::{Directory, embedded};

use super::writer;

/// More objects than this with one security identifier are not read.
const MOST_NAMESAKES: usize = 2;

/// That the directory is not a file, which is only read.
///
/// # Errors
///
/// It is one; the way to change it is named.
pub(crate) fn not_a_file(directory: &Directory) -> Result<()> {
    match directory {
        Directory::Ldif(ldif) => bail!(
            "{}: a file is only read; `automend directory import` makes an embedded directory of it",
            ldif.shown
        ),
        _ => Ok(()),
    }
}

/// The one object that an address, an account or a distinguished name means.
pub(crate) async fn object(directory: &mut Directory, text: &str) -> Result<Entry> {
    let who = directory.meant(text).await?;
    let found = directory.find(&who, &mut Known::default()).await?;
    writer::read_owner(directory, &ObjectRef::from(&found))
        .await?
        .with_context(|| format!("{}: the object is gone", found.dn))
}

/// The object with a security identifier.
pub(crate) async fn by_sid(directory: &mut Directory, sid: &Sid) -> Result<Option<Entry>> {
    let found = match directory {
        Directory::Ldif(_) => Vec::new(),
        Directory::Embedded(embedded) => {
            let reading = embedded.reading()?;
            let mut found = Vec::new();
            for object in reading.by_value(attribute::OBJECT_SID, sid.as_bytes())? {
                found.push(embedded::entry(&object?, &mut embedded.defects));
            }
            found
        }
        Directory::Live(live) => {
            let mut found = Vec::new();
            for base in live.bases()? {
                let filter = Filter::equal(attribute::OBJECT_SID, sid.as_bytes());
                let search = Search::new(&base, Scope::Subtree, filter, ATTRIBUTES);
                let entries = live
                    .client
                    .entries(&search, MOST_NAMESAKES)
                    .await
                    .with_context(|| format!("{}: looking for {sid}", live.url))?;
                let entries = entries.iter();
                found.extend(entries.filter_map(|entry| typed(entry, &mut live.defects)));
            }
            found.dedup_by(|a, b| a.dn == b.dn);
            found
        }
    };
    match <[Entry; 1]>::try_from(found) {
        Ok([one]) => Ok(Some(one)),
        Err(none) if none.is_empty() => Ok(None),
        Err(_) => bail!("{sid}: several objects have this security identifier"),
    }
}

/// What to call an object in front of a person, with its address.
pub(crate) fn called(entry: &Entry) -> String {
    match entry.primary_address() {
        Some(address) => format!("{} <{address}>", entry.shown()),
        None => entry.shown(),
    }
}

/// What a cmdlet of Exchange knows an object by.
pub(crate) fn identity(entry: &Entry) -> String {
    entry
        .primary_address()
        .map_or_else(|| entry.dn.to_string(), |address| address.to_string())
}

/// What kind of object it is, in words.
pub(crate) fn kind(entry: &Entry) -> &'static str {
    match entry.class {
        Class::User => "a user",
        Class::Group => "a group",
        Class::Contact => "a contact",
        Class::ForeignSecurityPrincipal => "an account of another forest",
        Class::Other => "no user and no group",
    }
}
