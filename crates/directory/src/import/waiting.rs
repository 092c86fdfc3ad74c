//! The second pass of an import: links that named an object which came later in the file, and back links.
//!
//! Invariant: back links are compared and never written; what leads to nothing is kept as a bare place,
//! and noted.

use automend_core::dn::Dn;
use redb::ReadableTable;

use crate::codec::Head;
use crate::error::Error;
use crate::name::check_length;
use crate::report::{MAX_NOTES, Note, Trouble};
use crate::schema;
use crate::spool::{Spool, Waiting};
use crate::work::Work;

/// Sets the links that had to wait, then compares the back links; gives how much is to be noted, and the
/// first of it.
pub(super) fn second_pass(
    spool: &mut Spool,
    work: &mut Work<'_>,
) -> Result<(u64, Vec<Note>), Error> {
    let mut notes: Vec<Note> = Vec::new();
    let mut count = 0;
    let mut note = |line: u64, trouble: Trouble| {
        count += 1;
        if notes.len() < MAX_NOTES {
            notes.push(Note { line, trouble });
        }
    };
    spool.each(|waiting| {
        let Waiting {
            forward,
            pair,
            id,
            line,
            value,
        } = waiting;
        if !forward || !is_live(work, id)? {
            return Ok(());
        }
        let attribute = schema::forward(pair).map_or("", |a| a.name);
        match work.reference(attribute, &value) {
            Ok(delegate) => work.link(id, pair, delegate),
            Err(Error::Refused(_)) => {
                // The file may be a part of a directory: the name is kept as a bare place, as a
                // controller keeps a phantom of an object in another domain.
                match named(pair, &value) {
                    Named::Place(dn) => {
                        let place = bare_place(work, &dn)?;
                        work.link(id, pair, place)?;
                    }
                    Named::Nothing => {}
                    Named::Unread => {
                        let owner = work.dn(id)?;
                        let place = work.unread_place(&owner)?;
                        work.link(id, pair, place)?;
                        let attribute = attribute.to_owned();
                        note(line, Trouble::BadValue { attribute });
                        return Ok(());
                    }
                }
                let value = String::from_utf8_lossy(&value).into_owned();
                note(line, Trouble::Dangling { attribute, value });
                Ok(())
            }
            Err(error) => Err(error),
        }
    })?;
    spool.each(|waiting| {
        let Waiting {
            forward,
            pair,
            id,
            line,
            value,
        } = waiting;
        if forward || !is_live(work, id)? {
            return Ok(());
        }
        let attribute = schema::back(pair).map_or("", |a| a.name);
        let there = match work.reference(attribute, &value) {
            Ok(owner) => work.links.get((owner, pair, id))?.is_some(),
            Err(Error::Refused(_)) => false,
            Err(error) => return Err(error),
        };
        if !there {
            let value = String::from_utf8_lossy(&value).into_owned();
            note(line, Trouble::NoForwardLink { attribute, value });
        }
        Ok(())
    })?;
    Ok((count, notes))
}

/// Whether an object that was added earlier in the file is still one.
fn is_live(work: &Work<'_>, id: u64) -> Result<bool, Error> {
    match work.objects.get(id)? {
        Some(bytes) => Ok(!Head::decode(id, bytes.value())?.flags.deleted()),
        None => Ok(false),
    }
}

/// What the value of a forward link names that leads to no object.
enum Named {
    /// An object that the file does not hold.
    Place(Dn),
    /// Nothing, or a delegate that was deleted, to which no link is kept.
    Nothing,
    /// An object that cannot be told from the value, or that was deleted and leaves open what is there.
    Unread,
}

fn named(pair: u16, value: &[u8]) -> Named {
    let text = std::str::from_utf8(value).ok();
    let Some(dn) = text.and_then(|text| Dn::parse(text).ok()) else {
        return Named::Unread;
    };
    match () {
        () if dn.as_str().is_empty() => Named::Nothing,
        () if dn.is_deleted_object() && pair == schema::DELEGATES => Named::Nothing,
        () if dn.is_deleted_object() || check_length(value.len()).is_err() => Named::Unread,
        () => Named::Place(dn),
    }
}

/// The bare place with this name, made if need be.
fn bare_place(work: &mut Work<'_>, dn: &Dn) -> Result<u64, Error> {
    let damaged = |what: String| Error::Damaged { what };
    let below = Dn::parse(&format!("CN=x,{dn}")).map_err(|error| damaged(error.to_string()))?;
    // Making the place of a child makes the place itself.
    work.make_place(&below)?;
    let id = work.place(dn)?.and_then(|place| place.id);
    id.ok_or_else(|| damaged(format!("'{dn}' has no place")))
}
