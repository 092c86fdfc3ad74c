//! Who holds an address or a name that several objects name as theirs.
//!
//! Exchange finds a recipient by its proxy addresses. `mail` is what other programs show, and anybody who
//! keeps the phone list may write it; `userPrincipalName` is a login name that often looks like an
//! address. So one object may carry the address of another and take nothing from it: the object with the
//! best claim holds it, and an object that is not enabled for mail holds none.
//! That the look-up prefers `proxyAddresses` follows from how Exchange resolves recipients ([MS-OXOAB],
//! and its own `Get-Recipient`); which object answers where only the weaker claims are there is general
//! knowledge.
//!
//! Invariant: whether an object holds a name depends on nothing but the objects that name it.

use crate::entry::{Class, Entry};
use crate::names::{SmtpAddress, attribute};
use crate::recipient::RecipientType;

/// How an object names an address; less is better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Claim {
    /// In `proxyAddresses`.
    Proxy,
    /// As `mail`, of an object that is enabled for mail.
    Mail,
    /// As `userPrincipalName`, of an object that is enabled for mail.
    Principal,
    /// As `mail` or `userPrincipalName` of an object that is not enabled for mail.
    Unmailed,
}

impl Claim {
    /// The claim of `entry` to `address`, if it names it at all.
    pub fn of(entry: &Entry, address: &SmtpAddress) -> Option<Self> {
        let is = |text: &str| SmtpAddress::parse(text).is_ok_and(|known| known == *address);
        let mut proxies = entry.proxy_addresses.iter();
        if proxies.any(|proxy| crate::entry::smtp(proxy).is_some_and(is)) {
            return Some(Self::Proxy);
        }
        let mailed = is_mail_enabled(entry);
        if entry.mail.as_deref().is_some_and(is) {
            return Some(if mailed { Self::Mail } else { Self::Unmailed });
        }
        let principal = entry.principal.as_deref().is_some_and(is);
        principal.then_some(if mailed {
            Self::Principal
        } else {
            Self::Unmailed
        })
    }
}

/// Whether Exchange knows the object as a recipient.
///
/// An account or a contact that only has `mail` is none.
pub fn is_mail_enabled(entry: &Entry) -> bool {
    !entry.proxy_addresses.is_empty()
        || entry.nickname.is_some()
        || entry.recipient_type.is_some_and(RecipientType::takes_mail)
        || entry.legacy_dn.is_some()
        || entry.mailbox_guid.is_some()
        || entry.home_mdb.is_some()
        || entry.target_address.is_some()
        || entry.remote_recipient_type.is_some()
        // It cannot be said that it has none.
        || entry.undecided.contains(&attribute::PROXY_ADDRESSES)
}

/// Those of `found` that hold the address: usually one, several where it is not unique.
///
/// Objects that are not enabled for mail hold nothing, but one of them that alone names the address is
/// whom a person means by it. Deleted objects are left out.
pub fn holders<'a>(found: &'a [Entry], address: &SmtpAddress) -> Vec<&'a Entry> {
    let mut claims: Vec<(Claim, &Entry)> = found
        .iter()
        .filter(|entry| !entry.dn.is_deleted_object())
        .filter_map(|entry| Some((Claim::of(entry, address)?, entry)))
        .collect();
    let best = claims.iter().map(|(claim, _)| *claim).min();
    claims.retain(|(claim, _)| Some(*claim) == best);
    claims.dedup_by(|(_, a), (_, b)| a.dn == b.dn);
    if best == Some(Claim::Unmailed) && claims.len() > 1 {
        return Vec::new();
    }
    claims.into_iter().map(|(_, entry)| entry).collect()
}

/// Those of `found` that have the name inside Exchange, each once: as `legacyExchangeDN` or as an X500
/// address, which are one to Exchange.
pub fn named<'a>(found: &'a [Entry], name: &str) -> Vec<&'a Entry> {
    let mut named: Vec<&Entry> = Vec::new();
    for entry in found {
        let has = entry
            .legacy_names()
            .any(|known| known.to_lowercase() == name.trim().to_lowercase());
        if has && !entry.dn.is_deleted_object() && named.iter().all(|other| other.dn != entry.dn) {
            named.push(entry);
        }
    }
    named
}

/// Whether an address of `entry` is one that this organisation answers for.
pub fn is_inside(entry: &Entry, address: &SmtpAddress) -> bool {
    let domain = address.domain();
    if is_tenant(domain) || entry.class == Class::Contact {
        return false;
    }
    let principal = entry
        .principal
        .as_deref()
        .and_then(|name| name.rsplit_once('@'));
    let login = principal.is_some_and(|(_, login)| login.eq_ignore_ascii_case(domain));
    let primary = entry.primary_address().filter(|primary| primary != address);
    login
        || entry.dn.domain().eq_ignore_ascii_case(domain)
        || primary.is_some_and(|primary| primary.domain() == domain)
}

/// Whether it is a domain that Microsoft's cloud gives to each tenant.
pub fn is_tenant(domain: &str) -> bool {
    domain.ends_with(".onmicrosoft.com") || domain.ends_with(".onmicrosoft.us")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::Fixture;

    const ALICE: &str = "dn: CN=Alice,DC=c\nproxyAddresses: SMTP:alice@c.example\nproxyAddresses: smtp:ames@c.example";

    #[test]
    fn the_best_claim_holds_an_address() {
        for (other, holder) in [
            ("mail: ames@c.example", "Alice"),
            ("objectClass: contact\nmail: ames@c.example", "Alice"),
            ("mailNickname: b\nmail: ames@c.example", "Alice"),
            (
                "mailNickname: b\nuserPrincipalName: ames@c.example",
                "Alice",
            ),
            ("userPrincipalName: AMES@C.example", "Alice"),
            ("proxyAddresses: SMTP:ames@c.example", "Alice Bert"),
            ("proxyAddresses: X500:ames@c.example", "Alice"),
        ] {
            let holders = held(
                &format!("{ALICE}\n\ndn: CN=Bert,DC=c\n{other}"),
                "ames@c.example",
            );
            assert_eq!(holders, holder, "{other}");
        }
    }

    #[test]
    fn mail_goes_before_a_login_name_and_both_need_an_object_that_takes_mail() {
        let two = |amy: &str, bert: &str| {
            held(
                &format!("dn: CN=Amy,DC=c\n{amy}\n\ndn: CN=Bert,DC=c\n{bert}"),
                "x@c.example",
            )
        };
        let (mail, principal) = ("mail: x@c.example", "userPrincipalName: x@c.example");
        let nickname = "mailNickname: n\n";
        assert_eq!(
            two(
                &format!("{nickname}{mail}"),
                &format!("{nickname}{principal}")
            ),
            "Amy"
        );
        assert_eq!(two(&format!("{nickname}{principal}"), mail), "Amy");
        assert_eq!(
            two(&format!("{nickname}{mail}"), &format!("{nickname}{mail}")),
            "Amy Bert"
        );
        // No object holds it, and neither is meant more than the other.
        assert_eq!(two(mail, principal), "");
        assert_eq!(two(mail, "description: no"), "Amy");
        // What could not be read may be an address.
        assert_eq!(
            two("mail: x@c.example\nundecided: proxyAddresses", mail),
            "Amy"
        );
    }

    #[test]
    fn plain_types_take_no_mail_and_others_do() {
        for (kind, mailed) in [
            (1, true),
            (128, true),
            (65536, false),
            (131_072, false),
            (2_097_152, false),
        ] {
            let fixture = Fixture::parse(&format!(
                "dn: CN=A,DC=c\nmsExchRecipientTypeDetails: {kind}"
            ));
            assert_eq!(is_mail_enabled(&fixture.entries()[0]), mailed, "{kind}");
        }
    }

    #[track_caller]
    fn held(text: &str, address: &str) -> String {
        let fixture = Fixture::parse(text);
        let address = SmtpAddress::parse(address).unwrap();
        let names: Vec<String> = holders(fixture.entries(), &address)
            .iter()
            .map(|entry| entry.dn.name())
            .collect();
        names.join(" ")
    }
}
