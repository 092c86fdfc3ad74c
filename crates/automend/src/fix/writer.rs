//! Writing forward links, guarded.
//!
//! Exactly the values that were read go: a value that is gone in between is reported by the server
//! (noSuchAttribute) and nothing is done. The owner is read again at once before the write, and where
//! the server can assert it in the same request (RFC 4528), that it still is no mailbox is asserted.
//! A lost connection leaves a question, which is answered by reading again, never by guessing.
//!
//! Invariant: nothing but `msExchDelegateListLink` of an owner is ever written.

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::entry::{ATTRIBUTES, Entry};
use automend_core::names::{Guid, attribute};
use automend_core::owner::{self, Owner};
use automend_directory::{Modification as EmbeddedChange, Name, Operation as EmbeddedOperation};
use automend_ldap::control::ASSERTION;
use automend_ldap::{Control, Error, Filter, Modification, ResultCode};

use crate::clock;
use crate::directory::live::{Live, is_lost};
use crate::directory::{Directory, embedded, typed};

/// Values in one request; a few hundred names stay far below every server's message limit.
const VALUES_AT_ONCE: usize = 500;
/// How often a lost connection is made anew for one owner.
const MOST_RETRIES: u32 = 3;

/// Which way a value goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// Take values away.
    Remove,
    /// Put values back.
    Restore,
}

/// What became of one owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Written {
    /// The values are gone, or are there again.
    Done,
    /// These are, then something kept the others as they were.
    Partly(Vec<Dn>, String),
    /// Nothing was written, because it no longer applies.
    Skipped(String),
    /// The directory refused.
    Refused(String),
}

/// Reads an owner anew, by GUID where it has one, so that a rename does not matter.
pub(crate) async fn read_owner(directory: &mut Directory, dn: &Dn, guid: Option<Guid>) -> Result<Option<Entry>> {
    match directory {
        Directory::Ldif(ldif) => bail!("{}: a file is only read; --export writes the mend for other tools", ldif.shown),
        Directory::Embedded(embedded) => {
            let reading = embedded.reading()?;
            let object = match guid {
                Some(guid) => reading.by_guid(&guid.0)?,
                None => reading.object(dn)?,
            };
            Ok(object.map(|object| embedded::entry(&object, &mut embedded.defects)))
        }
        Directory::Live(live) => {
            let name = live_name(live, dn, guid);
            let mut tries = 0;
            loop {
                match live.client.base(&name, ATTRIBUTES).await {
                    Ok(entry) => return Ok(entry.and_then(|entry| typed(&entry, &mut live.defects))),
                    Err(error) if is_lost(&error) && tries < MOST_RETRIES => {
                        tries += 1;
                        live.reconnect(tries).await?;
                    }
                    Err(error) => return Err(error).with_context(|| format!("{}: reading {dn}", live.url)),
                }
            }
        }
    }
}

/// What an owner is called in a request: by GUID where the directory knows that form.
fn live_name(live: &Live, dn: &Dn, guid: Option<Guid>) -> String {
    match guid {
        Some(guid) if live.root.active_directory => format!("<GUID={guid}>"),
        _ => dn.to_string(),
    }
}

/// The values of `delegates` that the owner has now, in the directory's own spelling.
pub(crate) fn present(entry: &Entry, delegates: &[Dn]) -> Vec<Dn> {
    let wanted: std::collections::HashSet<&Dn> = delegates.iter().collect();
    entry.forward_links.iter().filter(|link| wanted.contains(link)).cloned().collect()
}

/// Why an owner that was to be mended is left alone, if it is.
pub(crate) fn no_longer_stale(entry: &Entry) -> Option<String> {
    match Owner::of(entry) {
        Owner::Stale(_) => None,
        Owner::Mailbox | Owner::Remote => Some("the owner has a mailbox again".to_owned()),
        Owner::Undecided(attributes) => Some(format!("{} cannot be read", attributes.join(", "))),
    }
}

/// Takes away or puts back values of one owner; on a server in portions, each of them all or none.
pub(crate) async fn write(
    directory: &mut Directory,
    entry: &Entry,
    values: &[Dn],
    direction: Direction,
) -> Result<Written> {
    match directory {
        Directory::Ldif(ldif) => bail!("{}: a file is only read", ldif.shown),
        Directory::Embedded(embedded) => {
            let bytes = values.iter().map(|dn| dn.as_str().as_bytes().to_vec()).collect();
            let operation = match direction {
                Direction::Remove => EmbeddedOperation::Delete,
                Direction::Restore => EmbeddedOperation::Add,
            };
            let change =
                EmbeddedChange { operation, attribute: attribute::DELEGATE_LIST_LINK.to_owned(), values: bytes };
            let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
            let mut writing = embedded.directory.write(now)?;
            let name = entry.guid.map_or_else(|| Name::from(&entry.dn), |guid| Name::from(guid.0));
            match writing.modify(&name, &[change]) {
                Ok(()) => {
                    writing.commit()?;
                    Ok(Written::Done)
                }
                Err(automend_directory::Error::Refused(refusal)) => Ok(Written::Refused(refusal.to_string())),
                Err(error) => Err(error).with_context(|| format!("writing {}", entry.dn)),
            }
        }
        Directory::Live(live) => write_live(live, entry, values, direction).await,
    }
}

async fn write_live(live: &mut Live, entry: &Entry, values: &[Dn], direction: Direction) -> Result<Written> {
    let name = live_name(live, &entry.dn, entry.guid);
    let lacking = owner::missing(entry);
    let mut controls = Vec::new();
    if direction == Direction::Remove && asserts(live) && !lacking.is_empty() {
        let no_mailbox = Filter::and(lacking.iter().map(|name| Filter::not(Filter::present(name))));
        controls.push(Control::assertion(&no_mailbox));
    }
    for (before, portion) in values.chunks(VALUES_AT_ONCE).enumerate() {
        let stopped = |otherwise: fn(String) -> Written, why: String| match values.get(..before * VALUES_AT_ONCE) {
            Some(done) if before > 0 => Written::Partly(done.to_vec(), why),
            _ => otherwise(why),
        };
        let bytes = portion.iter().map(|dn| dn.as_str().as_bytes().to_vec()).collect();
        let link = attribute::DELEGATE_LIST_LINK.to_owned();
        let change = match direction {
            Direction::Remove => Modification::Delete { attribute: link, values: bytes },
            Direction::Restore => Modification::Add { attribute: link, values: bytes },
        };
        let mut tries = 0;
        loop {
            match live.client.modify(&name, std::slice::from_ref(&change), &controls).await {
                Ok(()) => break,
                Err(error) if is_lost(&error) && tries < MOST_RETRIES => {
                    tries += 1;
                    live.reconnect(tries).await?;
                    // Nobody knows whether the write arrived; the directory does.
                    if written_already(live, &name, portion, direction).await? {
                        break;
                    }
                }
                Err(Error::Refused { code: ResultCode::ASSERTION_FAILED, .. }) => {
                    return Ok(stopped(Written::Skipped, "the owner has a mailbox again".to_owned()));
                }
                Err(Error::Refused {
                    code: ResultCode::NO_SUCH_ATTRIBUTE | ResultCode::ATTRIBUTE_OR_VALUE_EXISTS, ..
                }) => {
                    return Ok(stopped(Written::Skipped, "somebody else changed the link in between".to_owned()));
                }
                Err(error @ Error::Refused { .. }) => return Ok(stopped(Written::Refused, error.to_string())),
                Err(error) => return Err(error).with_context(|| format!("{}: writing {}", live.url, entry.dn)),
            }
        }
    }
    Ok(Written::Done)
}

/// Whether the server can be made to assert that an owner still is no mailbox.
pub(crate) fn asserts(live: &Live) -> bool {
    live.root.controls.contains(ASSERTION)
}

async fn written_already(live: &mut Live, name: &str, values: &[Dn], direction: Direction) -> Result<bool> {
    let entry = live.client.base(name, &[attribute::DELEGATE_LIST_LINK]).await?;
    let entry = entry.and_then(|entry| typed(&entry, &mut live.defects));
    let there = entry.map_or(0, |entry| present(&entry, values).len());
    Ok(match direction {
        Direction::Remove => there == 0,
        Direction::Restore => there == values.len(),
    })
}
