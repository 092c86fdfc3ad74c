//! Whether this account may write what is to be written, asked before the first write.
//!
//! `allowedAttributesEffective` ([MS-ADTS] 3.1.1.4.5.19) is computed for each object and each account.
//! Servers other than Active Directory and Samba do not know it; there the first write tells.
//!
//! Invariant: nothing is written, and an answer that cannot be had forbids nothing.

use anyhow::{Result, bail};
use automend_core::command::{Command, Shell, portable};
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_ldap::Error;
use automend_source::Directory;
use automend_source::live::{Live, is_lost_code};
use automend_source::retry;

/// What this account may write of an object.
const EFFECTIVE: &str = "allowedAttributesEffective";
/// What anybody may write of an object of its class: there where the former is known.
const ALLOWED: &str = "allowedAttributes";
/// Owners and containers that are named in a message.
const MOST_NAMED: usize = 5;

/// Checks that the account may write these attributes of the owners of a plan.
///
/// # Errors
///
/// The directory says that it may not, with the owners and what to grant.
pub(crate) async fn check(
    directory: &mut Directory,
    owners: &[&Dn],
    attributes: &[&str],
) -> Result<()> {
    let Directory::Live(live) = directory else {
        return Ok(());
    };
    let mut refused = Vec::new();
    // What the recycle bin holds may be written by rules of its own.
    for &owner in owners.iter().filter(|owner| !owner.is_deleted_object()) {
        match retry!(live, may_write(live, owner, attributes)) {
            Told::Yes => {}
            Told::No => refused.push(owner),
            Told::Nothing => return Ok(()),
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let account = live.settings.user.as_deref().unwrap_or("this account");
    let named: Vec<String> = refused
        .iter()
        .take(MOST_NAMED)
        .map(|owner| format!("\n  {}", plain(owner)))
        .collect();
    let more = refused.len().saturating_sub(MOST_NAMED);
    let more = if more == 0 {
        String::new()
    } else {
        format!("\n  … and {more} more")
    };
    let mut grants: Vec<String> = Vec::new();
    for owner in &refused {
        let grant = grant(owner, account, attributes).for_shell(Shell::PowerShell);
        if !grants.contains(&grant) && grants.len() < MOST_NAMED {
            grants.push(grant);
        }
    }
    bail!(
        "{}: {account} may not write {} on {} of {} owners; nothing was written:{}{more}\nGrant it, for instance, as a domain administrator in PowerShell:\n  {}",
        live.url,
        attributes.join(" and "),
        refused.len(),
        owners.len(),
        named.concat(),
        grants.join("\n  ")
    );
}

/// The right to write these attributes, for what is below the owner's container.
fn grant(owner: &Dn, account: &str, attributes: &[&str]) -> Command {
    let container = owner.parent().unwrap_or_else(Dn::root);
    let command = Command::new("dsacls")
        .operand(portable(&container))
        .operand("/I:S")
        .operand("/G");
    attributes.iter().fold(command, |command, attribute| {
        command.operand(format!("{account}:WP;{attribute}"))
    })
}

/// What a server tells of an owner.
enum Told {
    Yes,
    No,
    /// It computes none of this.
    Nothing,
}

async fn may_write(live: &Live, owner: &Dn, attributes: &[&str]) -> Result<Told> {
    let name = owner.to_string();
    let found = match live.client.base(&name, &[EFFECTIVE]).await {
        Ok(found) => found,
        // Where the right cannot be asked for, the write reports it.
        Err(Error::Refused { code, .. }) if !is_lost_code(code) => return Ok(Told::Yes),
        Err(error) => return Err(error.into()),
    };
    let Some(entry) = found else {
        return Ok(Told::Yes);
    };
    let effective: Vec<&[u8]> = entry.values(EFFECTIVE).collect();
    if !effective.is_empty() {
        let may = attributes.iter().all(|wanted| {
            let mut names = effective.iter();
            names.any(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
        });
        return Ok(if may { Told::Yes } else { Told::No });
    }
    // Nothing at all, or a server that computes none of this.
    let found = live.client.base(&name, &[ALLOWED]).await?;
    let computes = found.is_some_and(|entry| entry.values(ALLOWED).next().is_some());
    Ok(if computes { Told::No } else { Told::Nothing })
}
