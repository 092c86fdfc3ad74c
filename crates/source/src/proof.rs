//! Proof of absence: what an owner has no has to be affirmed by the server before anything is built on it.
//!
//! Servers leave out what may not be read. `(!(attribute=*))` is true only for what is absent and may be
//! read ([MS-ADTS] 3.1.1.3.1.3.1, RFC 4511 4.5.1.7); where a server affirms it of what it hides, the
//! object's own permissions decide ([`Rights`]).

use std::collections::HashMap;

use anyhow::Result;
use automend_core::entry::Entry;
use automend_core::names::attribute;
use automend_ldap::{Control, Error, Filter, Item, ResultCode, Scope, Search};

use super::live::{Live, is_lost_code};
use super::rights::Rights;
use crate::retry;

/// The attribute with an object's permissions.
const PERMISSIONS: &str = "nTSecurityDescriptor";
/// Objects named in one filter; Samba drops requests over 256,000 bytes without a word.
const NAMED_AT_ONCE: usize = 200;

impl Live {
    /// Proves what `entries` lack; what the server does not affirm becomes [`Entry::undecided`].
    ///
    /// Also reads when their mailboxes were removed, where the server tells.
    pub async fn prove(&mut self, entries: &mut [Entry]) -> Result<()> {
        // One filter covers the objects that lack the same attributes.
        let mut alike: HashMap<Vec<&'static str>, Vec<usize>> = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            let lacking = absent(entry);
            if !lacking.is_empty() {
                alike.entry(lacking).or_default().push(i);
            }
        }
        if alike.is_empty() {
            return Ok(());
        }
        self.read_rights().await?;
        for (lacking, members) in alike {
            for batch in members.chunks(NAMED_AT_ONCE) {
                self.prove_batch(entries, batch, &lacking).await?;
            }
        }
        Ok(())
    }

    /// Reads what this account may read, where the server's word alone proves nothing.
    async fn read_rights(&mut self) -> Result<()> {
        if self.root.affirms_hidden && self.rights.is_none() {
            let schema = self.root.schema.clone();
            self.rights = Some(retry!(self, Rights::read(&self.client, schema.as_deref())));
        }
        Ok(())
    }

    /// Which of `lacking` one object may have all the same, hidden from this account.
    pub(super) async fn hidden_of(
        &mut self,
        entry: &Entry,
        lacking: &[&'static str],
    ) -> Result<Vec<&'static str>> {
        self.read_rights().await?;
        self.undecided(entry, lacking).await
    }

    /// Proves objects that lack the same attributes: at once those with a GUID, the others one by one.
    async fn prove_batch(
        &mut self,
        entries: &mut [Entry],
        batch: &[usize],
        lacking: &[&'static str],
    ) -> Result<()> {
        let guid = |i: &usize| Some(entries.get(*i)?.guid?.0.to_vec());
        let mut named: HashMap<Vec<u8>, usize> =
            batch.iter().filter_map(|i| Some((guid(i)?, *i))).collect();
        let mut left: Vec<usize> = batch
            .iter()
            .copied()
            .filter(|i| guid(i).is_none())
            .collect();
        if !named.is_empty() {
            let any = named
                .keys()
                .map(|guid| Filter::equal(attribute::OBJECT_GUID, guid));
            let filter = Filter::and([Filter::or(any), all_absent(lacking)]);
            for base in self.bases()? {
                let affirmed = retry!(self, self.affirmed(&base, &filter));
                for found in affirmed {
                    let guid = found
                        .values(attribute::OBJECT_GUID)
                        .next()
                        .unwrap_or_default();
                    let metadata = found.values(attribute::REPLICATION_METADATA).next();
                    if let Some(entry) = named.remove(guid).and_then(|i| entries.get_mut(i)) {
                        entry.replication_metadata = metadata.map(<[u8]>::to_vec);
                        leave_only(entry, self.hidden(&found, lacking));
                    }
                }
                if named.is_empty() {
                    break;
                }
            }
        }
        // Tombstones and objects outside of the bases are asked for by name, too.
        left.extend(named.into_values());
        for i in left {
            if let Some(entry) = entries.get_mut(i) {
                let undecided = self.undecided(entry, lacking).await?;
                leave_only(entry, undecided);
            }
        }
        Ok(())
    }

    /// The objects below `base` of which the server affirms `filter`.
    async fn affirmed(&self, base: &str, filter: &Filter) -> Result<Vec<automend_ldap::Entry>> {
        let wanted = [
            attribute::OBJECT_GUID,
            attribute::REPLICATION_METADATA,
            PERMISSIONS,
        ];
        let mut search = Search::new(base, Scope::Subtree, filter.clone(), self.proof(&wanted));
        search
            .controls
            .extend(self.rights.is_some().then(Control::permissions_only));
        let mut pages = self.client.paged(search, self.settings.page_size);
        let mut found = Vec::new();
        loop {
            match pages.next().await {
                Ok(Some(Item::Entry(entry))) => found.push(entry),
                Ok(Some(Item::Reference(_))) => {}
                Ok(None)
                | Err(Error::Refused {
                    code: ResultCode::NO_SUCH_OBJECT,
                    ..
                }) => return Ok(found),
                Err(error) => return Err(self.explain(error, base)),
            }
        }
    }

    /// Which of `lacking` one object may have all the same.
    async fn undecided(
        &mut self,
        entry: &Entry,
        lacking: &[&'static str],
    ) -> Result<Vec<&'static str>> {
        let all = all_absent(lacking);
        if let Some(found) = retry!(self, self.affirms(entry, &all)) {
            return Ok(self.hidden(&found, lacking));
        }
        let mut undecided = Vec::new();
        for name in lacking {
            let absent = all_absent(&[name]);
            match retry!(self, self.affirms(entry, &absent)) {
                Some(found) => undecided.extend(self.hidden(&found, &[name])),
                None => undecided.push(*name),
            }
        }
        Ok(undecided)
    }

    /// The object itself, if the server affirms `filter` of it.
    async fn affirms(
        &self,
        entry: &Entry,
        filter: &Filter,
    ) -> Result<Option<automend_ldap::Entry>> {
        let wanted = ["1.1", PERMISSIONS];
        let mut search = Search::new(
            entry.dn.as_str(),
            Scope::Base,
            filter.clone(),
            self.proof(&wanted),
        );
        search
            .controls
            .extend(self.rights.is_some().then(Control::permissions_only));
        search.controls.extend(self.showing(&entry.dn));
        match self.client.entries(&search, 2).await {
            Ok(found) => Ok(found.into_iter().next()),
            Err(Error::Refused { code, .. }) if !is_lost_code(code) => Ok(None),
            Err(Error::Referral { .. }) => Ok(None),
            Err(error) => Err(self.explain(error, &search.base)),
        }
    }

    /// The attributes that a proof reads: permissions only where they are needed.
    fn proof<'a>(&self, all: &'a [&'a str]) -> &'a [&'a str] {
        match (&self.rights, all.split_last()) {
            (None, Some((_, others))) => others,
            _ => all,
        }
    }

    /// Which of `lacking` a server that affirms what it hides may be hiding.
    fn hidden(&self, found: &automend_ldap::Entry, lacking: &[&'static str]) -> Vec<&'static str> {
        let Some(rights) = &self.rights else {
            return Vec::new();
        };
        let permissions = found.values(PERMISSIONS).next();
        let hidden = |name: &&'static str| !rights.may_read(permissions, name);
        lacking.iter().copied().filter(hidden).collect()
    }
}

/// What could not be proved in time is not known to lack anything.
pub(super) fn leave_open(entries: &mut [Entry]) {
    for entry in entries {
        let absent = absent(entry);
        leave_only(entry, absent);
    }
}

/// Leaves these open, and what has a value that is none: no proof of absence makes that readable.
fn leave_only(entry: &mut Entry, mut open: Vec<&'static str>) {
    let unreadable = entry.unreadable.iter().copied();
    open.extend(
        unreadable
            .filter(|name| !open.contains(name))
            .collect::<Vec<_>>(),
    );
    entry.undecided = open;
}

fn all_absent(names: &[&'static str]) -> Filter {
    Filter::and(names.iter().map(|name| Filter::not(Filter::present(name))))
}

/// The attributes that decide on an owner and are not there.
fn absent(entry: &Entry) -> Vec<&'static str> {
    let mut absent = entry.missing();
    let homeless = absent.contains(&attribute::HOME_MDB);
    if homeless && entry.mailbox_guid.is_some() && entry.target_address.is_none() {
        // With it, the mailbox is elsewhere.
        absent.push(attribute::TARGET_ADDRESS);
    }
    if entry.recipient_type.is_none() && !absent.is_empty() {
        absent.push(attribute::RECIPIENT_TYPE);
        if entry.remote_recipient_type.is_none() {
            absent.push(attribute::REMOTE_RECIPIENT_TYPE);
        }
    }
    absent
}
