//! The domain controllers that hold a copy of what is written.
//!
//! The configuration partition lists them: each writable controller is an `nTDSDSA` object that names
//! the partitions it is a master of, below the `server` object with its host name ([MS-ADTS] 6.1.1.2.2.1).

use anyhow::{Context, Result};
use automend_core::dn::Dn;
use automend_ldap::{Error, Filter, Scope, Search};

use super::live::Live;
use crate::location::{LdapUrl, Scheme};

/// More controllers than this are not looked for.
const MOST: usize = 10_000;

/// The controllers to verify on: those named by hand, or those that the configuration lists, or the
/// server itself where it lists none.
pub async fn replicas(live: &Live, named: &[String]) -> Result<Vec<LdapUrl>> {
    if !named.is_empty() {
        return named
            .iter()
            .map(|text| {
                if text.contains("://") {
                    LdapUrl::parse(text)
                } else {
                    at_host(live, text)
                }
            })
            .map(|url| url.context("reading --dc"))
            .collect();
    }
    let listed = if live.root.active_directory {
        listed(live).await?
    } else {
        Vec::new()
    };
    if listed.is_empty() {
        return Ok(vec![live.url.clone()]);
    }
    Ok(listed)
}

/// The same way to connect, at another host.
fn at_host(live: &Live, text: &str) -> Result<LdapUrl> {
    let scheme = if live.url.scheme == Scheme::Ldapi {
        Scheme::Ldaps
    } else {
        live.url.scheme
    };
    let mut url = LdapUrl::at(scheme, text)?;
    // A global catalog cannot be asked for everything, and is never what was written to.
    if !text.contains(':') && live.url.scheme == scheme && !live.url.is_global_catalog() {
        url.port = live.url.port;
    }
    Ok(url)
}

async fn listed(live: &Live) -> Result<Vec<LdapUrl>> {
    let (Some(configuration), Some(domain)) = (&live.root.configuration, &live.root.default) else {
        return Ok(Vec::new());
    };
    let domain = Dn::parse(domain)?;
    let search = Search::new(
        &format!("CN=Sites,{configuration}"),
        Scope::Subtree,
        Filter::equal("objectClass", "nTDSDSA"),
        &["msDS-HasMasterNCs", "hasMasterNCs"],
    );
    let found = match live.client.entries(&search, MOST).await {
        Ok(found) => found,
        Err(Error::Refused { .. } | Error::Referral { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error).context("looking for domain controllers"),
    };
    let mut replicas = Vec::new();
    for controller in found {
        let masters = controller
            .values("msDS-HasMasterNCs")
            .chain(controller.values("hasMasterNCs"));
        let holds = masters
            .filter_map(|name| Dn::parse(&String::from_utf8_lossy(name)).ok())
            .any(|name| name == domain);
        let server = Dn::parse(&controller.dn).ok().and_then(|dn| dn.parent());
        let Some(server) = server.filter(|_| holds) else {
            continue;
        };
        let entry = live.client.base(server.as_str(), &["dNSHostName"]).await?;
        if let Some(host) = entry
            .as_ref()
            .and_then(|entry| entry.first_text("dNSHostName"))
        {
            replicas.push(at_host(live, host)?);
        }
    }
    replicas.sort_by_key(ToString::to_string);
    replicas.dedup();
    Ok(replicas)
}
