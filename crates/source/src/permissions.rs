//! The permissions of every mailbox, and whose the identifiers in them are.
//!
//! Invariant: an identifier that no object was found for is in no answer; the caller says what that means.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::names::{Sid, attribute};
use automend_directory::Scope;
use automend_ldap::Filter;

use super::Directory;
use super::embedded::{self, Embedded};
use super::ldif::Ldif;
use super::live::Live;
use super::sink::Owners;
use super::typed::recorded;
use crate::retry;

/// Identifiers in one filter.
const AT_ONCE: usize = 50;

/// What is read of an account: what it is called, what it is, and whether it is a mailbox.
pub const ACCOUNT: &[&str] = &[
    attribute::OBJECT_CLASS,
    attribute::OBJECT_GUID,
    attribute::OBJECT_SID,
    attribute::MASTER_ACCOUNT_SID,
    attribute::DISPLAY_NAME,
    attribute::SAM_ACCOUNT_NAME,
    attribute::MAIL,
    attribute::PROXY_ADDRESSES,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAILBOX_GUID,
    attribute::HOME_MDB,
    attribute::HOME_SERVER,
    attribute::RECIPIENT_TYPE,
    attribute::REMOTE_RECIPIENT_TYPE,
    attribute::TARGET_ADDRESS,
];

/// A sink that is a function; what comes twice is handed out twice.
pub(crate) struct Each<F>(pub F);

impl<F: FnMut(Entry) -> Result<()>> Owners for Each<F> {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        (self.0)(entry)
    }

    fn restart(&mut self) {}
}

/// Objects by identifier.
type Accounts = HashMap<Sid, Vec<Entry>>;

impl Directory {
    /// Hands every object that has a link, or permissions of a mailbox, to `sink`; without its back links.
    pub async fn with_permissions(&mut self, sink: &mut impl Owners) -> Result<()> {
        match self {
            Self::Live(live) => {
                let wanted = [
                    links::ATTRIBUTES,
                    ACCOUNT,
                    &[attribute::MAILBOX_SECURITY_DESCRIPTOR],
                ]
                .concat();
                let filter = Filter::or([
                    Filter::present(attribute::MAILBOX_SECURITY_DESCRIPTOR),
                    Filter::present(attribute::DELEGATE_LIST_LINK),
                    Filter::present(attribute::MAILBOX_GUID),
                ]);
                live.stream(&filter, &wanted, sink).await.map(drop)
            }
            Self::Embedded(embedded) => embedded.everybody(sink),
            Self::Ldif(ldif) => ldif.everybody(sink),
        }
    }

    /// The same object with the permissions of its mailbox.
    pub async fn with_its_permissions(&mut self, mut entry: Entry) -> Result<Entry> {
        if let Self::Live(live) = self {
            let name = attribute::MAILBOX_SECURITY_DESCRIPTOR;
            let found = retry!(live, live.read(&entry.dn, &[name]));
            let value = found.as_ref().and_then(|found| found.values(name).next());
            entry.mailbox_descriptor = value.map(Into::into);
        }
        Ok(entry)
    }

    /// The objects with these identifiers. An identifier that is the account of a linked mailbox
    /// (`msExchMasterAccountSid`) means that mailbox, which is the one that its Outlook opens.
    pub async fn accounts(&mut self, sids: &[Sid]) -> Result<Accounts> {
        let mut found = Accounts::new();
        if sids.is_empty() {
            return Ok(found);
        }
        match self {
            Self::Live(live) => live.accounts(sids, &mut found).await?,
            Self::Embedded(embedded) => embedded.accounts(sids, &mut found)?,
            Self::Ldif(ldif) => ldif.accounts(sids, &mut found)?,
        }
        for entries in found.values_mut() {
            entries.sort_by(|a, b| a.dn.cmp(&b.dn));
            entries.dedup_by(|a, b| a.dn == b.dn);
            if entries.iter().any(|entry| entry.class == Class::User) {
                entries.retain(|entry| entry.class != Class::ForeignSecurityPrincipal);
            }
        }
        Ok(found)
    }
}

/// Puts an object under each of its identifiers that are wanted; a deleted one can open nothing.
fn put(found: &mut Accounts, sids: &HashSet<&Sid>, entry: &Entry) {
    if entry.dn.is_deleted_object() {
        return;
    }
    let own = entry.sid.iter().chain(&entry.master_account);
    for sid in own.filter(|sid| sids.contains(sid)) {
        found.entry(sid.clone()).or_default().push(entry.clone());
    }
}

impl Live {
    async fn accounts(&mut self, sids: &[Sid], found: &mut Accounts) -> Result<()> {
        for sids in sids.chunks(AT_ONCE) {
            let names = [attribute::OBJECT_SID, attribute::MASTER_ACCOUNT_SID];
            let filter = Filter::or(
                sids.iter()
                    .flat_map(|sid| names.map(|name| Filter::equal(name, sid.as_bytes()))),
            );
            let wanted = sids.iter().collect();
            let mut sink = Each(|entry: Entry| {
                put(found, &wanted, &entry);
                Ok(())
            });
            self.stream(&filter, ACCOUNT, &mut sink).await?;
        }
        Ok(())
    }
}

impl Embedded {
    fn accounts(&mut self, sids: &[Sid], found: &mut Accounts) -> Result<()> {
        let reading = self.reading()?;
        let wanted = sids.iter().collect();
        for sid in sids {
            for object in reading.by_value(attribute::OBJECT_SID, sid.as_bytes())? {
                put(
                    found,
                    &wanted,
                    &embedded::entry(&object?, &mut self.defects),
                );
            }
        }
        let is_open = |sid: &&Sid| {
            let entries = found.get(*sid).map_or([].as_slice(), Vec::as_slice);
            entries
                .iter()
                .all(|entry| entry.class == Class::ForeignSecurityPrincipal)
        };
        let open: HashSet<&Sid> = sids.iter().filter(is_open).collect();
        if open.is_empty() {
            return Ok(());
        }
        // It has no index, and no other forest has an account in most directories.
        for object in reading
            .subtree(&Dn::root(), Scope::Subtree)?
            .with_links(&[])
        {
            let object = object?;
            if !object.values(attribute::MASTER_ACCOUNT_SID).is_empty() {
                put(found, &open, &embedded::entry(&object, &mut self.defects));
            }
        }
        Ok(())
    }
}

impl Ldif {
    fn accounts(&mut self, sids: &[Sid], found: &mut Accounts) -> Result<()> {
        let seen = self.seen()?;
        let (wanted, mut defects) = (sids.iter().collect::<HashSet<_>>(), Vec::new());
        self.scan(|record, _| {
            let names = [attribute::OBJECT_SID, attribute::MASTER_ACCOUNT_SID];
            let is_wanted = |name: &str| {
                let mut values = record.values(name).flatten();
                values.any(|value| Sid::of_value(&value).is_some_and(|sid| wanted.contains(&sid)))
            };
            if names.into_iter().any(is_wanted)
                && let Some(entry) = recorded(record, &mut defects)
            {
                put(found, &wanted, &seen.applied(entry));
            }
        })?;
        self.tell_all(defects);
        Ok(())
    }
}
