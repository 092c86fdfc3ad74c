//! Where `targetAddress` leads: out of the organisation, to a mailbox in it, or nowhere.
//!
//! Autodiscover sends a user without a mailbox here on to this address ([MS-OXDSCLI] `redirectAddr`). A
//! client that is sent to the address it asked for, or round a circle, gives up; one that is sent to an
//! address that no object has gets error 500.
//!
//! Which domains are the organisation's own the object tells by its login name and by its own name: an
//! address of a tenant, `…onmicrosoft.com`, is answered in the cloudeven where an object here has it, too.
//!
//! Invariant: the only input is a [`View`]; what it has no answer to is not judged.

use std::collections::HashSet;

use crate::claim::{self, is_inside, is_tenant};
use crate::dn::Dn;
use crate::entry::{Class, Entry};
use crate::names::SmtpAddress;
use crate::owner::{self, Owner};
use crate::view::{Answer, Need, View};

/// Why a redirect ends at no mailbox.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Astray {
    /// The address is the object's own.
    #[error("it leads back to the object itself")]
    ToItself,
    /// Others send it back, in this order.
    #[error("it goes round in a circle: {}", .0.iter().map(Dn::as_str).collect::<Vec<_>>().join(" -> "))]
    Circle(Vec<Dn>),
    /// The address is one of the organisation's own domains, and no object has it.
    #[error("no object has the address {0}")]
    Nobody(SmtpAddress),
    /// The object that has the address has no mailbox, and leads to no other address.
    #[error("{0} has no mailbox and no targetAddress")]
    DeadEnd(Dn),
}

/// More objects than this are not followed; Outlook gives up after ten redirects.
const MOST_STEPS: usize = 10;

/// Follows the `targetAddress` of an object without a mailbox here.
///
/// Asks for [`Need::Address`]; `None` where it leads to a mailbox, out of the organisation, or where that
/// is not known.
pub fn follow(entry: &Entry, view: &impl View) -> Option<Astray> {
    let mut way = vec![entry.dn.clone()];
    let mut seen = HashSet::from([entry.dn.clone()]);
    let mut at = entry.clone();
    for _ in 0..MOST_STEPS {
        let target = at.target()?;
        if is_own(&at, &target) {
            return Some(if at.dn == entry.dn {
                Astray::ToItself
            } else {
                Astray::Circle(way)
            });
        }
        // What is answered in the cloud is asked of no object here.
        if is_tenant(target.domain()) {
            return None;
        }
        let Some(Answer::Found(found)) = view.answer(&Need::Address(target.clone())) else {
            return None;
        };
        let holders = claim::holders(found, &target);
        let next = match holders.as_slice() {
            [] if is_inside(&at, &target) => return Some(Astray::Nobody(target)),
            [next] if next.dn != at.dn => *next,
            _ => return None,
        };
        if matches!(Owner::of(next), Owner::Mailbox | Owner::Undecided(_)) {
            return None;
        }
        way.push(next.dn.clone());
        if !seen.insert(next.dn.clone()) {
            return Some(Astray::Circle(way));
        }
        if next.target_address.is_none() {
            let ours = next.class == Class::User && is_inside(&at, &target);
            return ours.then(|| Astray::DeadEnd(next.dn.clone()));
        }
        at = next.clone();
    }
    None
}

/// Whether the address is one of the object's own that is answered here.
fn is_own(entry: &Entry, target: &SmtpAddress) -> bool {
    entry.addresses().any(|address| address == *target) && is_inside(entry, target)
}

/// Whether an object's answer depends on where its `targetAddress` leads.
pub fn matters(entry: &Entry) -> bool {
    entry.target_address.is_some()
        && entry.class != Class::Contact
        && entry.class != Class::Group
        && (owner::is_remote(entry)
            || owner::is_mail_user(entry)
            || owner::is_kept_elsewhere(entry))
}

/// Whether a mailbox here has its mail sent somewhere else: the address is not its own primary one.
pub fn leads_away(entry: &Entry) -> bool {
    let Some(target) = entry.target_address.as_deref() else {
        return false;
    };
    match entry.target() {
        Some(target) => entry.primary_address() != Some(target),
        None => !target.trim().is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::Fixture;

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of cases")]
    fn a_target_is_followed_to_its_end() {
        let all = "
            dn: CN=Amy,DC=c,DC=example
            objectClass: user
            mail: amy@c.example
            targetAddress: SMTP:amy@c.example
            dn: CN=Ping,DC=c,DC=example
            objectClass: user
            mail: ping@c.example
            targetAddress: SMTP:pong@c.example
            dn: CN=Pong,DC=c,DC=example
            objectClass: user
            mail: pong@c.example
            targetAddress: smtp:PING@c.example
            dn: CN=To Ping,DC=c,DC=example
            objectClass: user
            mail: to@c.example
            targetAddress: SMTP:ping@c.example
            dn: CN=To Amy,DC=c,DC=example
            objectClass: user
            mail: toamy@c.example
            targetAddress: SMTP:amy@c.example
            dn: CN=Lost,DC=c,DC=example
            objectClass: user
            mail: lost@c.example
            targetAddress: SMTP:none@c.example
            dn: CN=Hybrid,DC=c,DC=example
            objectClass: user
            proxyAddresses: SMTP:hybrid@c.example
            proxyAddresses: smtp:hybrid@c.mail.onmicrosoft.com
            targetAddress: SMTP:hybrid@c.mail.onmicrosoft.com
            dn: CN=Guest,DC=c,DC=example
            objectClass: user
            userPrincipalName: guest@c.example
            proxyAddresses: SMTP:guest@partner.example
            targetAddress: SMTP:guest@partner.example
            dn: CN=Card,DC=c,DC=example
            objectClass: contact
            mail: card@c.example
            targetAddress: SMTP:card@c.example
            dn: CN=To Box,DC=c,DC=example
            objectClass: user
            targetAddress: SMTP:box@c.example
            dn: CN=Box,DC=c,DC=example
            objectClass: user
            mail: box@c.example
            legacyExchangeDN: /o=C/cn=box
            msExchMailboxGuid: guid:6f9619ff-8b86-d011-b42d-00c04fc964ff
            homeMDB: CN=DB1,DC=c,DC=example
            dn: CN=To Card,DC=c,DC=example
            objectClass: user
            targetAddress: SMTP:card@c.example
            dn: CN=To Plain,DC=c,DC=example
            objectClass: user
            targetAddress: SMTP:plain@c.example
            dn: CN=Plain,DC=c,DC=example
            objectClass: user
            mail: plain@c.example";
        let itself = "it leads back to the object itself";
        let (amy, first, second) = (
            "CN=Amy,DC=c,DC=example",
            "CN=Ping,DC=c,DC=example",
            "CN=Pong,DC=c,DC=example",
        );
        let circle = |way: &[&str]| format!("it goes round in a circle: {}", way.join(" -> "));
        for (name, expected) in [
            ("Amy", itself.to_owned()),
            ("Ping", circle(&[first, second, first])),
            ("Pong", circle(&[second, first, second])),
            (
                "To Ping",
                circle(&["CN=To Ping,DC=c,DC=example", first, second, first]),
            ),
            ("To Amy", circle(&["CN=To Amy,DC=c,DC=example", amy])),
            (
                "Lost",
                "no object has the address none@c.example".to_owned(),
            ),
            ("Hybrid", String::new()),
            ("Guest", String::new()),
            ("Card", String::new()),
            ("To Box", String::new()),
            ("To Card", String::new()),
            (
                "To Plain",
                "CN=Plain,DC=c,DC=example has no mailbox and no targetAddress".to_owned(),
            ),
        ] {
            check(all, name, &expected);
        }
    }

    #[track_caller]
    fn check(text: &str, name: &str, expected: &str) {
        let fixture = Fixture::parse(text);
        let entry = fixture
            .entries()
            .iter()
            .find(|entry| entry.dn.name() == name)
            .unwrap();
        let mut known = crate::view::Known::default();
        for _ in 0..2 * MOST_STEPS {
            let asking = crate::view::Asking::new(&known);
            let found = follow(entry, &asking);
            let open = asking.into_open();
            if open.is_empty() {
                assert_eq!(
                    found.map(|astray| astray.to_string()).unwrap_or_default(),
                    expected,
                    "{name}"
                );
                return;
            }
            for need in open {
                let answer = fixture.look_up(&need);
                known.insert(need, answer);
            }
        }
        panic!("asks for ever");
    }
}
