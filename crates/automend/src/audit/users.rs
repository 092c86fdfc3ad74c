//! `audit --deep`: every user's own objects (U-2, U-4 to U-7), and owners who fail themselves (AM-5).
//!
//! Addresses and legacy names are tallied by hash, so that two million of them need no memory; only
//! those that came twice are looked up again.

use std::collections::HashSet;

use anyhow::Result;
use automend_core::checks::users;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::{Code, Evidence, Finding, Subject};
use automend_core::names::{SmtpAddress, attribute};
use automend_core::owner::Owner;
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::Filter;
use indicatif::ProgressBar;

use super::tally::Tally;
use crate::directory::Directory;
use crate::directory::live::Owners;

/// 2^24 counters, 32 MiB: a few million addresses with hardly a name kept for nothing.
const SKETCH_BITS: u32 = 24;

/// Adds what is wrong with users to `findings`.
pub(super) async fn audit(
    directory: &mut Directory,
    progress: &ProgressBar,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let mut audit = UserAudit::new(progress);
    match directory {
        Directory::Live(live) => {
            let filter = Filter::or([
                Filter::present(attribute::MAILBOX_GUID),
                Filter::present(attribute::HOME_MDB),
                Filter::present(attribute::PROXY_ADDRESSES),
            ]);
            live.stream(&filter, users::ATTRIBUTES, &mut audit).await?;
        }
        Directory::Embedded(embedded) => embedded.everybody(&mut audit)?,
        Directory::Ldif(ldif) => ldif.everybody(&mut audit)?,
    }
    findings.append(&mut audit.findings);
    let mut known = Known::default();
    let repeated = audit
        .addresses
        .finish()?
        .often
        .into_iter()
        .filter_map(|(text, _)| {
            SmtpAddress::parse(&text)
                .ok()
                .map(|address| (text, Need::Address(address), Code::DuplicateAddress))
        });
    let legacy = audit.legacy.finish()?.often.into_iter();
    let legacy =
        legacy.map(|(text, _)| (text.clone(), Need::LegacyDn(text), Code::LegacyDnTrouble));
    for (text, need, code) in repeated.chain(legacy) {
        directory.answer(vec![need.clone()], &mut known).await?;
        if let Some(Answer::Found(sharers)) = known.answer(&need)
            && sharers.len() > 1
        {
            let fact = if code == Code::DuplicateAddress {
                "address"
            } else {
                attribute::LEGACY_EXCHANGE_DN
            };
            findings.extend(
                sharers
                    .iter()
                    .map(|entry| shared(entry, sharers, code, fact, &text)),
            );
        }
    }
    own_failures(directory, &mut known, findings).await
}

fn shared(entry: &Entry, sharers: &[Entry], code: Code, fact: &'static str, text: &str) -> Finding {
    let others: Vec<&str> = sharers
        .iter()
        .filter(|other| other.dn != entry.dn)
        .map(|other| other.dn.as_str())
        .collect();
    Finding {
        code,
        subject: Subject::of(entry),
        delegates: Vec::new(),
        evidence: Evidence::fact(fact, text).and("also", others.join(" | ")),
    }
}

/// Owners who are delegates of a stale link themselves: their own answer is error 603.
async fn own_failures(
    directory: &mut Directory,
    known: &mut Known,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let mut hurt: Vec<(Dn, Dn)> = Vec::new();
    let mut seen = HashSet::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.code.is_stale_link())
    {
        for delegate in &finding.delegates {
            if seen.insert(delegate.hash64()) {
                hurt.push((delegate.clone(), finding.subject.dn.clone()));
            }
        }
    }
    for portion in hurt.chunks(1000) {
        directory
            .answer(
                portion
                    .iter()
                    .map(|(dn, _)| Need::Entry(dn.clone()))
                    .collect(),
                known,
            )
            .await?;
        for (dn, because) in portion {
            let Some(Answer::Found(found)) = known.answer(&Need::Entry(dn.clone())) else {
                continue;
            };
            for entry in found.iter().filter(|entry| !entry.forward_links.is_empty()) {
                if Owner::of(entry) == Owner::Mailbox {
                    findings.push(Finding {
                        code: Code::OwnerFailsItself,
                        subject: Subject::of(entry),
                        delegates: entry.forward_links.clone(),
                        evidence: Evidence::fact("because", because),
                    });
                }
            }
        }
        *known = Known::default();
    }
    Ok(())
}

struct UserAudit<'a> {
    progress: &'a ProgressBar,
    users: u64,
    findings: Vec<Finding>,
    addresses: Tally,
    legacy: Tally,
}

impl<'a> UserAudit<'a> {
    fn new(progress: &'a ProgressBar) -> Self {
        Self {
            progress,
            users: 0,
            findings: Vec::new(),
            addresses: Tally::new(1, SKETCH_BITS),
            legacy: Tally::new(1, SKETCH_BITS),
        }
    }
}

impl Owners for UserAudit<'_> {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        self.users += 1;
        if self.users.is_multiple_of(256) {
            self.progress.set_position(self.users);
        }
        self.findings.extend(users::alone(&entry));
        let mut own: Vec<SmtpAddress> = entry.addresses().collect();
        own.sort();
        own.dedup();
        for address in own {
            self.addresses
                .add(hash(address.as_str()), || address.to_string())?;
        }
        if let Some(legacy) = &entry.legacy_dn {
            self.legacy
                .add(hash(&legacy.to_lowercase()), || legacy.clone())?;
        }
        Ok(())
    }

    fn restart(&mut self) {
        *self = Self::new(self.progress);
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
