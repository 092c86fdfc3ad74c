//! Who may read and who may write.
//!
//! Invariant: a rule that names no object of the directory is refused at the start; membership is looked up
//! at each login, so that a group that changes counts at once.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_directory::{Directory, Error, Object, Reading};

/// Users and groups by their objectGUID.
#[derive(Debug)]
pub(super) struct Rules {
    /// `None` means every account.
    readers: Option<HashSet<[u8; 16]>>,
    writers: HashSet<[u8; 16]>,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Rights {
    pub may_read: bool,
    pub may_write: bool,
}

/// Groups that are looked at for one login.
const MOST_GROUPS: usize = 10_000;
/// Where groups stand on their members.
const MEMBER_OF: &str = "memberOf";

impl Rules {
    pub(super) fn read(
        directory: &Directory,
        readers: &[String],
        writers: &[String],
    ) -> Result<Self> {
        let reading = directory.read()?;
        let all = |names: &[String], option: &str| -> Result<HashSet<[u8; 16]>> {
            names
                .iter()
                .map(|name| {
                    let found = find(&reading, name).with_context(|| format!("{option} {name}"))?;
                    Ok(found.guid)
                })
                .collect()
        };
        let writers = all(writers, "--writer")?;
        Ok(Self {
            readers: match readers {
                [] => None,
                readers => Some(all(readers, "--reader")?),
            },
            writers,
        })
    }

    /// What the account with this name may do; who may write may read.
    pub(super) fn of(&self, reading: &Reading, account: &Dn) -> Result<Rights, Error> {
        let Some(object) = reading.object(account)? else {
            return Ok(Rights::default());
        };
        let is_in = |named: &HashSet<[u8; 16]>, of: &HashSet<[u8; 16]>| !named.is_disjoint(of);
        let own = if self.readers.is_none() && self.writers.is_empty() {
            HashSet::new()
        } else {
            with_groups(reading, &object)?
        };
        let may_write = is_in(&self.writers, &own);
        Ok(Rights {
            may_write,
            may_read: may_write || self.readers.as_ref().is_none_or(|named| is_in(named, &own)),
        })
    }
}

/// The object and every group that it is in, directly or through others.
fn with_groups(reading: &Reading, object: &Object) -> Result<HashSet<[u8; 16]>, Error> {
    let mut seen = HashSet::from([object.guid]);
    let mut waiting = groups(object);
    while let Some(group) = waiting.pop() {
        let Some(group) = reading.object(&group)? else {
            continue;
        };
        if seen.len() < MOST_GROUPS && seen.insert(group.guid) {
            waiting.extend(groups(&group));
        }
    }
    Ok(seen)
}

fn groups(object: &Object) -> Vec<Dn> {
    let names = object.values(MEMBER_OF).iter();
    let texts = names.filter_map(|value| std::str::from_utf8(value).ok());
    texts.filter_map(|text| Dn::parse(text).ok()).collect()
}

/// The one object that a distinguished name, a principal name, an address or an account name means.
pub(super) fn find(reading: &Reading, name: &str) -> Result<Object> {
    if let Ok(dn) = Dn::parse(name)
        && name.contains('=')
    {
        return reading.object(&dn)?.context("no such object");
    }
    let account = name.rsplit_once('\\').map_or(name, |(_, account)| account);
    let mut found: Vec<Object> = Vec::new();
    for (attribute, value) in [
        (attribute::USER_PRINCIPAL_NAME, name),
        (attribute::MAIL, name),
        (attribute::SAM_ACCOUNT_NAME, account),
    ] {
        let objects = match reading.by_value(attribute, value.as_bytes()) {
            Ok(objects) => objects,
            Err(Error::NotIndexed { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for object in objects.take(3) {
            let object = object?;
            if !object.deleted && found.iter().all(|other| other.guid != object.guid) {
                found.push(object);
            }
        }
    }
    match <[Object; 1]>::try_from(found) {
        Ok([object]) => Ok(object),
        Err(found) if found.is_empty() => bail!("no such account or group"),
        Err(_) => bail!("several accounts or groups; name one by its distinguished name"),
    }
}
