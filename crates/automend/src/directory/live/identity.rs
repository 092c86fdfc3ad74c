//! Which directory a server holds, so that several servers are never taken for one that they are not.
//!
//! Invariant: a server that holds another directory than the first one that answered is refused, and the
//! refusal names both.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use automend_core::dn::Dn;
use automend_core::names::{Guid, attribute};
use automend_ldap::{Client, Error};

use super::{RootDse, is_lost_code};
use crate::config::Url;

/// `entryUUID` (RFC 4530), which copies of an entry share; Active Directory has `objectGUID`.
const ENTRY_UUID: &str = "entryUUID";

/// Which directory a server holds.
#[derive(Clone, Debug)]
struct Identity {
    /// The domain, or else every naming context, in lower case.
    contexts: BTreeSet<String>,
    /// The GUID of the domain or of the only naming context, where the account may read it.
    guid: Option<String>,
}

/// The one directory that several servers hold: that of the first server that answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct OneDirectory(Arc<Mutex<Option<(Url, Identity)>>>);

/// A server holds another directory than the one that answered first.
#[derive(Debug, thiserror::Error)]
#[error(
    "{other} holds {other_holds}, and {first} holds {first_holds}: several servers in --directory must \
     be copies of one directory"
)]
pub(crate) struct OtherDirectory {
    first: String,
    first_holds: String,
    other: String,
    other_holds: String,
}

impl Identity {
    async fn read(client: &Client, root: &RootDse) -> Result<Self> {
        let names = match &root.default {
            Some(domain) => std::slice::from_ref(domain),
            None => root.contexts.as_slice(),
        };
        let contexts = names
            .iter()
            .map(|name| Dn::parse(name).map_or_else(|_| name.clone(), |dn| dn.to_string()))
            .map(|name| name.to_lowercase())
            .collect();
        let guid = match names {
            [head] => guid(client, head).await?,
            _ => None,
        };
        Ok(Self { contexts, guid })
    }

    /// By the GUIDs where both are known, or else by the names.
    fn is(&self, other: &Self) -> bool {
        match (&self.guid, &other.guid) {
            (Some(one), Some(other)) => one == other,
            _ => self.contexts == other.contexts,
        }
    }

    fn shown(&self) -> String {
        let names: Vec<&str> = self.contexts.iter().map(String::as_str).collect();
        let names = if names.is_empty() {
            "no naming context".to_owned()
        } else {
            names.join(" and ")
        };
        match &self.guid {
            Some(guid) => format!("{names} ({guid})"),
            None => names,
        }
    }
}

async fn guid(client: &Client, head: &str) -> Result<Option<String>> {
    let found = match client
        .base(head, &[attribute::OBJECT_GUID, ENTRY_UUID])
        .await
    {
        Err(Error::Refused { code, .. }) if !is_lost_code(code) => return Ok(None),
        Err(Error::Referral { .. }) => return Ok(None),
        found => found.with_context(|| format!("reading {head}"))?,
    };
    let Some(entry) = found else { return Ok(None) };
    let own = entry.values(attribute::OBJECT_GUID).next();
    let own = own.and_then(Guid::from_bytes).map(|guid| guid.to_string());
    let copied = || entry.first_text(ENTRY_UUID).map(str::to_lowercase);
    Ok(own.or_else(copied))
}

impl OneDirectory {
    /// Checks that the server at `url` holds the directory of the first server that was checked.
    ///
    /// # Errors
    ///
    /// [`OtherDirectory`], or that the server did not tell what it holds.
    pub(crate) async fn check(&self, url: &Url, client: &Client, root: &RootDse) -> Result<()> {
        let identity = Identity::read(client, root)
            .await
            .with_context(|| url.to_string())?;
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, known)) = &*first else {
            *first = Some((url.clone(), identity));
            return Ok(());
        };
        if known.is(&identity) {
            return Ok(());
        }
        Err(OtherDirectory {
            first: at.to_string(),
            first_holds: known.shown(),
            other: url.to_string(),
            other_holds: identity.shown(),
        }
        .into())
    }
}
