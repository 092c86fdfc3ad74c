//! `audit --deep`: every user's own objects (U-2, U-4 to U-7), and owners who fail themselves (AM-5).
//!
//! Addresses and legacy names are tallied by hash, so that two million of them need no memory; only
//! those that came twice are looked up again.

use std::collections::HashSet;

use anyhow::Result;
use automend_core::checks::{links, sharing, users};
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::{Code, Finding};
use automend_core::names::{SmtpAddress, attribute};
use automend_core::view::{Answer, Known, Need, View};
use automend_core::{claim, target};
use automend_ldap::Filter;
use automend_source::Directory;
use automend_source::sink::Owners;
use automend_source::topology::Topology;
use indicatif::ProgressBar;

use super::tally::Tally;

/// 2^24 counters, 32 MiB: a few million addresses with hardly a name kept for nothing.
const SKETCH_BITS: u32 = 24;

/// Adds what is wrong with users to `findings`.
pub(super) async fn audit(
    directory: &mut Directory,
    progress: &ProgressBar,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (places, _) = directory.places().await?.or_nothing();
    let mut audit = UserAudit::new(progress, &places);
    match directory {
        Directory::Live(live) => {
            let filter = Filter::or([
                Filter::present(attribute::MAILBOX_GUID),
                Filter::present(attribute::HOME_MDB),
                Filter::present(attribute::PROXY_ADDRESSES),
                // The login name of one user may be the address of another.
                Filter::present(attribute::USER_PRINCIPAL_NAME),
            ]);
            live.stream(&filter, users::ATTRIBUTES, &mut audit).await?;
            live.prove(&mut audit.suspects).await?;
        }
        Directory::Embedded(embedded) => embedded.everybody(&mut audit)?,
        Directory::Ldif(ldif) => ldif.everybody(&mut audit)?,
    }
    for entry in std::mem::take(&mut audit.suspects) {
        audit.judge(&entry);
    }
    // Who has links to a mailbox in a database that is gone has a finding for them.
    let told: HashSet<Dn> = findings
        .iter()
        .filter(|finding| finding.code == Code::OwnerDatabaseGone)
        .map(|finding| finding.subject.dn.clone())
        .collect();
    audit
        .findings
        .retain(|finding| finding.code != Code::HomeGone || !told.contains(&finding.subject.dn));
    findings.append(&mut audit.findings);
    let mut known = Known::default();
    for (text, _) in audit.addresses.finish()?.often {
        let Ok(address) = SmtpAddress::parse(&text) else {
            continue;
        };
        let found = found(directory, Need::Address(address.clone()), &mut known).await?;
        findings.extend(sharing::shared_address(&found, &address));
    }
    for (name, _) in audit.legacy.finish()?.often {
        let found = found(directory, Need::LegacyDn(name.clone()), &mut known).await?;
        findings.extend(sharing::shared_name(&found, &name));
    }
    let teams = audit.teams.iter().flat_map(|entry| &entry.team_mailboxes);
    let teams: HashSet<Need> = teams.cloned().map(Need::Entry).collect();
    directory
        .answer(teams.into_iter().collect(), &mut known)
        .await?;
    for entry in &audit.teams {
        findings.extend(
            users::references(entry, &known)
                .into_iter()
                .filter(|finding| finding.code == Code::TeamMailboxDead),
        );
    }
    redirects(directory, &audit.domains, &audit.redirected, findings).await?;
    delegates(directory, findings).await?;
    own_failures(directory, &mut Known::default(), findings).await
}

/// The objects that answer one question.
async fn found(directory: &mut Directory, need: Need, known: &mut Known) -> Result<Vec<Entry>> {
    directory.answer(vec![need.clone()], known).await?;
    Ok(match known.answer(&need) {
        Some(Answer::Found(found)) => found.clone(),
        _ => Vec::new(),
    })
}

/// Users and owners whose `targetAddress` leads to no mailbox, among those that it keeps inside.
async fn redirects(
    directory: &mut Directory,
    domains: &HashSet<String>,
    redirected: &[(Dn, String)],
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let told: HashSet<(Code, Dn)> = findings
        .iter()
        .map(|finding| (finding.code, finding.subject.dn.clone()))
        .collect();
    let inside: Vec<&Dn> = redirected
        .iter()
        .filter(|(_, domain)| domains.contains(domain))
        .map(|(dn, _)| dn)
        .collect();
    for portion in inside.chunks(PORTION) {
        let mut known = Known::default();
        let mut open: HashSet<Need> = portion
            .iter()
            .map(|dn| Need::Entry((*dn).clone()))
            .collect();
        while !open.is_empty() {
            directory.answer(open.drain().collect(), &mut known).await?;
            let mut judged = Vec::new();
            for dn in portion {
                let Some(Answer::Found(found)) = known.answer(&Need::Entry((*dn).clone())) else {
                    continue;
                };
                for entry in found {
                    match users::redirect(entry, &known) {
                        Ok(findings) => judged.extend(findings),
                        Err(needs) => open.extend(needs),
                    }
                }
            }
            if open.is_empty() {
                judged.retain(|new| !told.contains(&(new.code, new.subject.dn.clone())));
                findings.append(&mut judged);
            }
        }
    }
    Ok(())
}

/// Links to delegates that can never ask Autodiscover.
async fn delegates(directory: &mut Directory, findings: &mut Vec<Finding>) -> Result<()> {
    let silent = match directory {
        Directory::Live(live) => live.silent_delegates(None).await?,
        Directory::Embedded(embedded) => {
            embedded.delegates(|entry| links::never_asks(entry).is_some())?
        }
        Directory::Ldif(ldif) => ldif.silent_delegates()?,
    };
    let mut known = Known::default();
    let accounts: HashSet<Need> = silent.iter().filter_map(links::linked_mailbox).collect();
    directory
        .answer(accounts.into_iter().collect(), &mut known)
        .await?;
    for delegate in &silent {
        findings.extend(links::of_delegate(delegate, &delegate.back_links, &known));
    }
    Ok(())
}

/// Objects that are asked for at once.
const PORTION: usize = 1000;

/// Owners who are delegates of a stale link themselves: their own answer is error 603.
async fn own_failures(
    directory: &mut Directory,
    known: &mut Known,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let mut affected: Vec<(Dn, Dn)> = Vec::new();
    let mut seen = HashSet::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.code.is_stale_link())
    {
        for delegate in &finding.delegates {
            if seen.insert(delegate.hash64()) {
                affected.push((delegate.clone(), finding.subject.dn.clone()));
            }
        }
    }
    for portion in affected.chunks(PORTION) {
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
            let failing = found.iter();
            findings.extend(failing.filter_map(|entry| links::of_failing_owner(entry, because)));
        }
        *known = Known::default();
    }
    Ok(())
}

struct UserAudit<'a> {
    progress: &'a ProgressBar,
    places: &'a Topology,
    /// Users who want to see site mailboxes, which are few.
    teams: Vec<Entry>,
    /// Those that lack something, which a server must affirm before they are judged.
    suspects: Vec<Entry>,
    /// The mail domains of mailboxes here.
    domains: HashSet<String>,
    /// Whose mail goes on, and the domain that it goes to.
    redirected: Vec<(Dn, String)>,
    users: u64,
    findings: Vec<Finding>,
    addresses: Tally,
    legacy: Tally,
}

/// More mail domains than this are not told apart from those of others.
const MOST_DOMAINS: usize = 100_000;

impl<'a> UserAudit<'a> {
    fn new(progress: &'a ProgressBar, places: &'a Topology) -> Self {
        Self {
            progress,
            places,
            teams: Vec::new(),
            suspects: Vec::new(),
            domains: HashSet::new(),
            redirected: Vec::new(),
            users: 0,
            findings: Vec::new(),
            addresses: Tally::new(1, SKETCH_BITS),
            legacy: Tally::new(1, SKETCH_BITS),
        }
    }

    /// Looks at one user, of whom is known what is surely absent.
    fn judge(&mut self, entry: &Entry) {
        self.findings.extend(users::alone(entry));
        self.findings.extend(users::references(entry, self.places));
    }
}

impl Owners for UserAudit<'_> {
    fn owner(&mut self, entry: Entry) -> Result<()> {
        self.users += 1;
        if self.users.is_multiple_of(256) {
            self.progress.set_position(self.users);
        }
        let mut own: Vec<SmtpAddress> = entry.addresses().collect();
        own.sort();
        own.dedup();
        for address in own {
            self.addresses
                .add(hash(address.as_str()), || address.to_string())?;
        }
        for name in entry.legacy_names() {
            self.legacy
                .add(hash(&name.to_lowercase()), || name.to_owned())?;
        }
        if target::matters(&entry) {
            let target = entry
                .target()
                .filter(|address| !claim::is_tenant(address.domain()));
            let domain = target.map(|address| address.domain().to_owned());
            // Its own domain counts as one of ours, though no mailbox here may be in it.
            if let Some(target) = entry
                .target()
                .filter(|target| claim::is_inside(&entry, target))
                && self.domains.len() < MOST_DOMAINS
            {
                self.domains.insert(target.domain().to_owned());
            }
            self.redirected
                .extend(domain.map(|domain| (entry.dn.clone(), domain)));
        } else if entry.mailbox_guid.is_some()
            && self.domains.len() < MOST_DOMAINS
            && let Some(address) = entry.primary_address()
        {
            self.domains.insert(address.domain().to_owned());
        }
        if !entry.team_mailboxes.is_empty() {
            self.teams.push(entry.clone());
        }
        if users::has_a_part_only(&entry) {
            self.suspects.push(entry);
        } else {
            self.judge(&entry);
        }
        Ok(())
    }

    fn restart(&mut self) {
        *self = Self::new(self.progress, self.places);
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
