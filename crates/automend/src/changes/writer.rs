//! Writing an edit of one owner, guarded.
//!
//! Exactly the values that were read go: a value that is gone in between is reported by the server
//! (noSuchAttribute) and nothing is done. The owner is read again at once before the write, and where
//! the server can assert it in the same request (RFC 4528), that it still is no mailbox is asserted.
//! A lost connection leaves a question, which is answered by reading again, never by guessing.
//!
//! A descriptor is written by deleting the very value that was read and adding the new one, in the same
//! request as the links; where the server cannot compare descriptors, it is read again and replaced.
//!
//! Invariant: nothing but `msExchDelegateListLink` and `msExchMailboxSecurityDescriptor` of an owner is ever
//! written; on an embedded directory also what makes an object a mailbox.

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::entry::{ATTRIBUTES, Entry};
use automend_core::mailbox;
use automend_core::names::attribute;
use automend_core::owner::Owner;
use automend_core::plan::{Edit, ObjectRef};
use automend_directory::{Modification as EmbeddedChange, Name, Operation as EmbeddedOperation};
use automend_ldap::control::ASSERTION;
use automend_ldap::{Control, Error, Filter, Modification, ResultCode};
use automend_source::live::{Live, is_lost};
use automend_source::typed::typed;
use automend_source::{Directory, embedded};
use automend_system::clock;

/// Values in one request; a few hundred names stay far below every server's message limit.
pub(crate) const VALUES_AT_ONCE: usize = 500;
/// Why an owner is left alone whose descriptor was to be written.
const IN_BETWEEN: &str = "the link or the permissions were changed in the meantime";
/// How often a lost connection is made again for one owner.
const MOST_RETRIES: u32 = 3;

/// What became of one owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Written {
    /// The owner is as it was to be.
    Done,
    /// Nothing was written, because it no longer applies.
    Skipped(String),
    /// The directory refused.
    Refused(String),
}

/// Reads an owner again, by GUID where it has one, so that a rename does not matter.
pub(crate) async fn read_owner(
    directory: &mut Directory,
    owner: &ObjectRef,
) -> Result<Option<Entry>> {
    match directory {
        Directory::Ldif(ldif) => bail!(
            "{}: a file is only read; --export writes the fix for other tools",
            ldif.shown
        ),
        Directory::Embedded(embedded) => {
            let reading = embedded.reading()?;
            let object = match owner.guid {
                Some(guid) => reading.by_guid(&guid.0)?,
                None => reading.object(&owner.dn)?,
            };
            Ok(object.map(|object| {
                let mut entry = embedded::entry(&object, &mut embedded.defects);
                for name in mailbox::WRITTEN {
                    let values = object.values(name).iter();
                    entry
                        .written
                        .extend(values.map(|value| (*name, value.clone())));
                }
                entry
            }))
        }
        Directory::Live(live) => {
            let mut tries = 0;
            loop {
                match live_owner(live, owner).await {
                    Ok(mut entry) => {
                        let suspect =
                            |entry: &&mut Entry| matches!(Owner::of(entry), Owner::Stale(_));
                        if let Some(entry) = entry.as_mut().filter(suspect) {
                            // What this account may not read is not gone.
                            live.prove(std::slice::from_mut(entry)).await?;
                        }
                        return Ok(entry);
                    }
                    Err(error) if is_lost(&error) && tries < MOST_RETRIES => {
                        tries += 1;
                        live.reconnect(tries).await?;
                    }
                    Err(error) => {
                        return Err(error)
                            .with_context(|| format!("{}: reading {}", live.url, owner.dn));
                    }
                }
            }
        }
    }
}

/// Reads an owner that a file names, by its GUID and by its name, which must not mean two objects: who reads
/// the file sees the name, and the GUID is what is written to.
///
/// # Errors
///
/// Both exist and are different objects, or the directory cannot be read.
pub(crate) async fn named_owner(
    directory: &mut Directory,
    owner: &ObjectRef,
) -> Result<Option<Entry>> {
    let entry = read_owner(directory, owner).await?;
    let Some((entry, guid)) = entry.as_ref().zip(owner.guid) else {
        return Ok(entry);
    };
    let dn = &owner.dn;
    if entry.dn == *dn {
        return Ok(Some(entry.clone()));
    }
    let name_alone = ObjectRef {
        dn: dn.clone(),
        guid: None,
    };
    let by_name = read_owner(directory, &name_alone).await?;
    if let Some(other) = by_name.filter(|other| other.guid != Some(guid)) {
        bail!(
            "{dn}: the GUID beside this name, {guid}, is that of {}, and the name is another object's ({}); nothing was written",
            entry.dn,
            other
                .guid
                .map_or_else(|| "without a GUID".to_owned(), |guid| guid.to_string())
        );
    }
    Ok(Some(entry.clone()))
}

/// Reads an owner; a deleted one shows itself only to who asks for deleted objects.
async fn live_owner(live: &mut Live, owner: &ObjectRef) -> Result<Option<Entry>, Error> {
    let name = owner.live_name(live.root.active_directory);
    let wanted = [ATTRIBUTES, &[attribute::MAILBOX_SECURITY_DESCRIPTOR]].concat();
    let found = live
        .client
        .base_with(&name, &wanted, &live.showing(&owner.dn))
        .await?;
    Ok(found.and_then(|entry| typed(&entry, &mut live.defects)))
}

/// Writes an edit of one owner, all of it or nothing; [`VALUES_AT_ONCE`] links are the most.
pub(crate) async fn write(
    directory: &mut Directory,
    entry: &Entry,
    edit: &Edit,
) -> Result<Written> {
    match directory {
        Directory::Ldif(ldif) => bail!("{}: a file is only read", ldif.shown),
        Directory::Embedded(embedded) => {
            let parts: Vec<EmbeddedChange> = parts(edit)
                .into_iter()
                .map(|(adds, attribute, values)| EmbeddedChange {
                    operation: if adds {
                        EmbeddedOperation::Add
                    } else {
                        EmbeddedOperation::Delete
                    },
                    attribute: attribute.to_owned(),
                    values,
                })
                .collect();
            let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
            let mut writing = embedded.directory.write(now)?;
            let name = entry
                .guid
                .map_or_else(|| Name::from(&entry.dn), |guid| Name::from(guid.0));
            match writing.modify(&name, &parts) {
                Ok(()) => {
                    writing.commit()?;
                    Ok(Written::Done)
                }
                Err(automend_directory::Error::Refused(refusal)) => {
                    Ok(Written::Refused(refusal.to_string()))
                }
                Err(error) => Err(error).with_context(|| format!("writing {}", entry.dn)),
            }
        }
        Directory::Live(live) if !edit.attributes.is_empty() => bail!(
            "{}: the attributes of a mailbox are Exchange's to write on a server",
            live.url
        ),
        Directory::Live(live) => write_live(live, entry, edit).await,
    }
}

/// The modifications of an edit: whether values are added or deleted, the attribute, and the values.
pub(crate) fn parts(edit: &Edit) -> Vec<(bool, &'static str, Vec<Vec<u8>>)> {
    let links = |values: &[Dn]| -> Vec<Vec<u8>> {
        let bytes = values.iter().map(|dn| dn.as_str().as_bytes().to_vec());
        bytes.collect()
    };
    let descriptor = |value: Option<&Vec<u8>>| value.cloned().into_iter().collect();
    let replaced = edit.descriptor.as_ref();
    let (link, rights) = (
        attribute::DELEGATE_LIST_LINK,
        attribute::MAILBOX_SECURITY_DESCRIPTOR,
    );
    let mut parts = vec![
        (false, link, links(&edit.remove)),
        (true, link, links(&edit.add)),
        (
            false,
            rights,
            descriptor(replaced.and_then(|value| value.before.as_ref())),
        ),
        (
            true,
            rights,
            descriptor(replaced.and_then(|value| value.after.as_ref())),
        ),
    ];
    for one in &edit.attributes {
        parts.push((false, one.attribute, one.before.clone()));
        parts.push((true, one.attribute, one.after.clone()));
    }
    parts.retain(|(_, _, values)| !values.is_empty());
    parts
}

/// The same for a server, or for LDIF.
pub(crate) fn modifications(edit: &Edit) -> Vec<Modification> {
    let modification = |(adds, attribute, values): (bool, &str, Vec<Vec<u8>>)| {
        let attribute = attribute.to_owned();
        if adds {
            Modification::Add { attribute, values }
        } else {
            Modification::Delete { attribute, values }
        }
    };
    parts(edit).into_iter().map(modification).collect()
}

async fn write_live(live: &mut Live, entry: &Entry, edit: &Edit) -> Result<Written> {
    let name = ObjectRef::from(entry).live_name(live.root.active_directory);
    let lacking = entry.missing();
    let mut controls = Vec::new();
    let only_removes = edit.add.is_empty() && edit.descriptor.is_none();
    if only_removes && asserts(live) && !lacking.is_empty() {
        controls.push(Control::assertion(&still_no_mailbox(
            entry,
            &edit.remove,
            &lacking,
        )));
    }
    controls.extend(live.showing(&entry.dn));
    let mut changes = modifications(edit);
    let mut compares = true;
    let mut tries = 0;
    loop {
        match live.client.modify(&name, &changes, &controls).await {
            Ok(()) => return Ok(Written::Done),
            Err(error) if is_lost(&error) && tries < MOST_RETRIES => {
                tries += 1;
                live.reconnect(tries).await?;
                // Only the directory knows whether the write arrived.
                let now = live_owner(live, &ObjectRef::from(entry)).await?;
                if edit.is_done(now.as_ref()) {
                    return Ok(Written::Done);
                }
            }
            Err(Error::Refused {
                code: ResultCode::ASSERTION_FAILED,
                ..
            }) => {
                return Ok(Written::Skipped("the owner has a mailbox again".to_owned()));
            }
            Err(Error::Refused {
                code: ResultCode::NO_SUCH_ATTRIBUTE | ResultCode::ATTRIBUTE_OR_VALUE_EXISTS,
                ..
            }) => {
                return Ok(Written::Skipped(
                    if edit.descriptor.is_some() {
                        IN_BETWEEN
                    } else {
                        "the link was changed in the meantime"
                    }
                    .to_owned(),
                ));
            }
            Err(Error::Refused {
                code: ResultCode::INAPPROPRIATE_MATCHING,
                ..
            }) if compares && edit.descriptor.is_some() => {
                compares = false;
                changes = replacing(edit);
                let now = live_owner(live, &ObjectRef::from(entry)).await?;
                let still = now.and_then(|now| edit.left(&now));
                if still.as_ref() != Some(edit) {
                    return Ok(Written::Skipped(IN_BETWEEN.to_owned()));
                }
            }
            Err(error @ Error::Refused { .. }) => return Ok(Written::Refused(error.to_string())),
            Err(error) => {
                return Err(error).with_context(|| format!("{}: writing {}", live.url, entry.dn));
            }
        }
    }
}

/// The same for a server that cannot compare descriptors, and so cannot delete one by its value.
fn replacing(edit: &Edit) -> Vec<Modification> {
    let links = Edit {
        descriptor: None,
        ..edit.clone()
    };
    let after = edit
        .descriptor
        .as_ref()
        .and_then(|value| value.after.clone());
    let mut changes = modifications(&links);
    changes.push(Modification::Replace {
        attribute: attribute::MAILBOX_SECURITY_DESCRIPTOR.to_owned(),
        values: after.into_iter().collect(),
    });
    changes
}

/// That the owner still has no what it lacked, said so that it holds for every other object.
///
/// OpenLDAP's memberof overlay asserts it again of each delegate whose back link it takes away, and would
/// leave the back link of a delegate who has a mailbox, which is what the fix is for.
fn still_no_mailbox(entry: &Entry, values: &[Dn], lacking: &[&str]) -> Filter {
    let no_mailbox = Filter::and(
        lacking
            .iter()
            .map(|name| Filter::not(Filter::present(name))),
    );
    let owner = match (entry.guid, values.first()) {
        (Some(guid), _) => Filter::equal(attribute::OBJECT_GUID, guid.0),
        (None, Some(value)) => Filter::equal(attribute::DELEGATE_LIST_LINK, value.as_str()),
        (None, None) => return no_mailbox,
    };
    Filter::or([Filter::not(owner), no_mailbox])
}

/// Whether the server can be made to assert that an owner still is no mailbox.
pub(crate) fn asserts(live: &Live) -> bool {
    live.root.controls.contains(ASSERTION)
}
