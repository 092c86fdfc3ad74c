//! Which directory a server holds, as it tells it.

use anyhow::{Context, Result};
use automend_core::dn::Dn;
use automend_core::names::{Guid, attribute};
use automend_ldap::{Client, Error};

use super::{RootDse, is_lost_code};
use crate::location::LdapUrl;
use crate::one_directory::{Identity, OneDirectory};

/// `entryUUID` (RFC 4530), which copies of an entry share; Active Directory has `objectGUID`.
const ENTRY_UUID: &str = "entryUUID";

/// Checks that the server at `url` holds the directory of the first server that was checked.
///
/// # Errors
///
/// [`OtherDirectory`](crate::one_directory::OtherDirectory), or that the server did not tell what it holds.
pub async fn check_held(
    one: &OneDirectory,
    url: &LdapUrl,
    client: &Client,
    root: &RootDse,
) -> Result<()> {
    let identity = read(client, root).await.with_context(|| url.to_string())?;
    Ok(one.check(url.to_string(), identity)?)
}

async fn read(client: &Client, root: &RootDse) -> Result<Identity> {
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
    Ok(Identity { contexts, guid })
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
