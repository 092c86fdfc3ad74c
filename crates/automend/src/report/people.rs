//! How the people of a report are reached: mail address and account name beside the name in the directory.
//!
//! Invariant: a report is whole without them; an object that cannot be read has neither, and nothing fails.

use std::collections::{HashMap, HashSet};

use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::finding::Finding;
use automend_core::view::{Answer, Known, Need, View};

use automend_source::Directory;

/// Objects that are looked up for one report; at a server, each is a request.
const MOST: usize = 10_000;
const MOST_AT_A_SERVER: usize = 500;
/// Objects that are in memory at the same time.
const AT_ONCE: usize = 500;

/// How a user is called outside of the directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Person {
    /// The primary mail address.
    pub address: Option<String>,
    /// `sAMAccountName`.
    pub account: Option<String>,
}

/// The people of a report.
#[derive(Clone, Debug, Default)]
pub(crate) struct People(HashMap<u64, Person>);

impl People {
    /// Looks up the owners and the delegates of findings, the first of them.
    pub(crate) async fn of(directory: &mut Directory, findings: &[Finding]) -> Self {
        let mut seen = HashSet::new();
        let names: Vec<Dn> = findings
            .iter()
            .flat_map(|finding| std::iter::once(&finding.subject.dn).chain(&finding.delegates))
            .filter(|dn| seen.insert(dn.hash64()))
            .take(match directory {
                Directory::Live(_) => MOST_AT_A_SERVER,
                Directory::Embedded(_) | Directory::Ldif(_) => MOST,
            })
            .cloned()
            .collect();
        let mut people = Self::default();
        if let Directory::Ldif(ldif) = directory {
            // A file is read once for all of them.
            for entry in ldif.by_name(&names).unwrap_or_default() {
                let person = Person::of(&entry);
                people.0.entry(entry.dn.hash64()).or_insert(person);
            }
            return people;
        }
        for portion in names.chunks(AT_ONCE) {
            let mut known = Known::default();
            let needs = portion.iter().cloned().map(Need::Entry).collect();
            if directory.answer(needs, &mut known).await.is_err() {
                break;
            }
            for dn in portion {
                if let Some(Answer::Found(found)) = known.answer(&Need::Entry(dn.clone()))
                    && let Some(entry) = found.first()
                {
                    people.0.insert(dn.hash64(), Person::of(entry));
                }
            }
        }
        // What could not be read here was reported where it matters.
        drop(directory.take_defects());
        people
    }

    /// A user, as far as known.
    pub(crate) fn get(&self, dn: &Dn) -> Option<&Person> {
        self.0.get(&dn.hash64())
    }

    /// `<address>`, or else the account, behind a blank; empty where neither is known.
    pub(crate) fn behind_name(&self, dn: &Dn) -> String {
        match self.get(dn) {
            Some(Person {
                address: Some(address),
                ..
            }) => format!(" <{address}>"),
            Some(Person {
                account: Some(account),
                ..
            }) => format!(" ({account})"),
            _ => String::new(),
        }
    }
}

impl Person {
    fn of(entry: &Entry) -> Self {
        Self {
            address: entry.primary_address().map(|address| address.to_string()),
            account: entry.account.clone(),
        }
    }
}
