//! What is wrong where several objects name one address, or one name inside Exchange.
//!
//! Invariant: who holds the address is decided by [`claim`](crate::claim) alone.

use crate::claim::{Claim, holders, named};
use crate::entry::{Class, Entry};
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::names::{SmtpAddress, attribute};

/// What is wrong where several objects name one address: US202 for each that holds it with others, US209
/// for each that names what another one holds.
pub fn shared_address(found: &[Entry], address: &SmtpAddress) -> Vec<Finding> {
    let holders = holders(found, address);
    match holders.as_slice() {
        [] => Vec::new(),
        [holder] => {
            let named = |entry: &Entry| {
                let claim = Claim::of(entry, address)?;
                let principal = || {
                    let name = entry.principal.as_deref()?;
                    SmtpAddress::parse(name).ok().filter(|name| name == address)
                };
                match claim {
                    _ if entry.dn == holder.dn || entry.dn.is_deleted_object() => None,
                    Claim::Proxy | Claim::Mail => Some(attribute::MAIL),
                    // Login name and mail address belong to two users.
                    Claim::Principal | Claim::Unmailed if entry.class != Class::Contact => {
                        principal().map(|_| attribute::USER_PRINCIPAL_NAME)
                    }
                    Claim::Principal | Claim::Unmailed => None,
                }
            };
            let other = |entry: &Entry| {
                let evidence = Evidence::fact("address", address)
                    .and("as", named(entry)?)
                    .and("holder", &holder.dn);
                Some(about(entry, Code::AddressOfAnother, evidence))
            };
            found.iter().filter_map(other).collect()
        }
        several => clash(several, Code::DuplicateAddress, "address", address.as_str()),
    }
}

/// US205 for each object whose name inside Exchange another one has, too.
pub fn shared_name(found: &[Entry], name: &str) -> Vec<Finding> {
    let named = named(found, name);
    if named.len() < 2 {
        return Vec::new();
    }
    clash(
        &named,
        Code::LegacyDnTrouble,
        attribute::LEGACY_EXCHANGE_DN,
        name,
    )
}

fn clash(sharers: &[&Entry], code: Code, fact: &'static str, text: &str) -> Vec<Finding> {
    let of = |entry: &&Entry| {
        let others: Vec<&str> = sharers
            .iter()
            .filter(|other| other.dn != entry.dn)
            .map(|other| other.dn.as_str())
            .collect();
        about(
            entry,
            code,
            Evidence::fact(fact, text).and("also", others.join(" | ")),
        )
    };
    sharers.iter().map(of).collect()
}

fn about(entry: &Entry, code: Code, evidence: Evidence) -> Finding {
    Finding {
        code,
        subject: Subject::of(entry),
        delegates: Vec::new(),
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::Fixture;

    #[test]
    fn a_former_name_clashes_with_the_name_of_another() {
        let fixture = Fixture::parse(
            "dn: CN=Amy,DC=c\nlegacyExchangeDN: /o=C/cn=amy\nproxyAddresses: x500:/O=c/cn=bert\n\n\
             dn: CN=Bert,DC=c\nlegacyExchangeDN: /o=C/cn=Bert\nproxyAddresses: X500:/o=C/cn=bert",
        );
        let codes: Vec<String> = shared_name(fixture.entries(), "/o=c/CN=BERT")
            .iter()
            .map(|finding| format!("{} {}", finding.code, finding.subject.shown))
            .collect();
        assert_eq!(codes, ["US205 Amy", "US205 Bert"]);
        assert!(shared_name(fixture.entries(), "/o=c/cn=amy").is_empty());
    }
}
