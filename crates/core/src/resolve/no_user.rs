//! Answers where there is not exactly one user: none, several, or one that may not be read.
//!
//! Invariant: each comes with a fault and with the findings that say why.

use super::resolved::{Resolved, Who};
use crate::dn::Dn;
use crate::entry::Entry;
use crate::fault::{Cause, Fault, FaultCode};
use crate::finding::{Code, Evidence, Finding, Subject};
use crate::names::attribute;
use crate::settings::Outcome;

pub(super) fn nobody(shown: &str) -> Resolved {
    Resolved {
        user: None,
        outcome: Outcome::Fault(Fault {
            code: FaultCode::UnknownAddress,
            cause: Cause::UnknownAddress,
        }),
        links: Vec::new(),
        findings: vec![Finding {
            code: Code::UnknownAddress,
            subject: Subject {
                shown: shown.to_owned(),
                ..Subject::named(&Dn::root())
            },
            delegates: Vec::new(),
            evidence: Evidence::fact("asked", shown),
        }],
    }
}

pub(super) fn unreadable(who: &Who, shown: &str, why: &str) -> Resolved {
    let dn = match who {
        Who::Dn(dn) => dn.clone(),
        Who::Address(_) | Who::LegacyDn(_) => Dn::root(),
    };
    Resolved {
        user: None,
        outcome: Outcome::Fault(Fault {
            code: FaultCode::UserNotFound,
            cause: Cause::Unreadable {
                user: shown.to_owned(),
                why: why.to_owned(),
            },
        }),
        links: Vec::new(),
        findings: vec![Finding {
            code: Code::OwnerUnreadable,
            subject: Subject {
                shown: shown.to_owned(),
                ..Subject::named(&dn)
            },
            delegates: Vec::new(),
            evidence: Evidence::fact("unreadable", why),
        }],
    }
}

pub(super) fn ambiguous(who: &Who, shown: &str, several: &[&Entry]) -> Resolved {
    let (code, fact) = match who {
        Who::LegacyDn(_) => (Code::LegacyDnTrouble, attribute::LEGACY_EXCHANGE_DN),
        Who::Address(_) | Who::Dn(_) => (Code::DuplicateAddress, "address"),
    };
    let names: Vec<Dn> = several.iter().map(|entry| entry.dn.clone()).collect();
    let findings = several
        .iter()
        .map(|entry| {
            let others: Vec<&str> = names
                .iter()
                .filter(|dn| **dn != entry.dn)
                .map(Dn::as_str)
                .collect();
            about(
                entry,
                code,
                Evidence::fact(fact, shown).and("also", others.join(" | ")),
            )
        })
        .collect();
    let cause = match who {
        Who::LegacyDn(_) => Cause::DuplicateLegacyDn(names),
        Who::Address(_) | Who::Dn(_) => Cause::DuplicateAddress(names),
    };
    Resolved {
        user: None,
        outcome: Outcome::Fault(Fault {
            code: FaultCode::UnknownAddress,
            cause,
        }),
        links: Vec::new(),
        findings,
    }
}

pub(super) fn about(user: &Entry, code: Code, evidence: Evidence) -> Finding {
    Finding {
        code,
        subject: Subject::of(user),
        delegates: Vec::new(),
        evidence,
    }
}
