//! A view: a read-only answerer of directory questions.
//!
//! [`resolve`](crate::resolve::resolve) and the checks are plain functions: where a view has no answer
//! yet they return the [`Need`]s, the caller fetches them however it likes, and calls again.
//! So nothing asynchronous ever enters this crate, and a test is a map.

use std::collections::{HashMap, HashSet};

use crate::dn::Dn;
use crate::entry::Entry;
use crate::names::{Guid, Sid, SmtpAddress};

/// One question.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Need {
    /// The object of this name with [`crate::entry::ATTRIBUTES`].
    Entry(Dn),
    /// Every object that has this address in `proxyAddresses`, `mail` or `userPrincipalName`.
    Address(SmtpAddress),
    /// Every object that has this as `msExchMailboxGuid` or `msExchArchiveGUID`.
    Mailbox(Guid),
    /// Every object that has this as `legacyExchangeDN` or as an X500 address.
    LegacyDn(String),
    /// Every object that has this as `msExchMasterAccountSid`.
    MasterAccount(Sid),
    /// Every object that people call so: by `sAMAccountName`, `displayName` or the name of the object.
    Name(String),
    /// Whether an object of this name exists; a bare [`Entry`] answers it.
    Exists(Dn),
    /// Whether a mail server of this short name exists; a bare [`Entry`] answers it.
    Server(String),
}

/// What a directory says to a [`Need`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// These objects, none if there are none.
    Found(Vec<Entry>),
    /// The directory would not or could not tell; the text says why.
    Unreadable(String),
}

/// What answers questions.
pub trait View {
    /// The answer, or `None` when it has not been fetched yet.
    fn answer(&self, need: &Need) -> Option<&Answer>;

    /// Whether the answer is that there is none; without an answer, or with one that would not tell, it is not.
    fn lacks(&self, need: &Need) -> bool {
        matches!(self.answer(need), Some(Answer::Found(found)) if found.is_empty())
    }
}

/// Answers that were fetched.
#[derive(Clone, Debug, Default)]
pub struct Known(HashMap<Need, Answer>);

impl Known {
    /// Keeps an answer; a later one to the same question takes its place.
    pub fn insert(&mut self, need: Need, answer: Answer) {
        self.0.insert(need, answer);
    }
}

impl View for Known {
    fn answer(&self, need: &Need) -> Option<&Answer> {
        self.0.get(need)
    }
}

/// A view that remembers what it could not answer.
pub(crate) struct Asking<'a, V> {
    view: &'a V,
    open: std::cell::RefCell<Vec<Need>>,
}

impl<V: View> View for Asking<'_, V> {
    fn answer(&self, need: &Need) -> Option<&Answer> {
        self.ask(need.clone())
    }
}

impl<'a, V: View> Asking<'a, V> {
    pub(crate) fn new(view: &'a V) -> Self {
        Self {
            view,
            open: std::cell::RefCell::default(),
        }
    }

    /// The answer; without one the question is noted.
    pub(crate) fn ask(&self, need: Need) -> Option<&'a Answer> {
        let answer = self.view.answer(&need);
        if answer.is_none() {
            self.open.borrow_mut().push(need);
        }
        answer
    }

    /// The questions that were left open, each once, in the order they came up.
    pub(crate) fn into_open(self) -> Vec<Need> {
        let mut seen = HashSet::new();
        let mut open = self.open.into_inner();
        open.retain(|need| seen.insert(need.clone()));
        open
    }
}

pub mod fixture {
    //! Directories written as text, for tests here and in other crates.
    //!
    //! One object a block: a line `dn: …`, then `attribute: value` lines; a blank line ends it. Back links
    //! are derived from forward links, as a directory would. GUIDs are given as text, `guid:…`;
    //! `undecided: attribute` says that the attribute could not be read.

    use super::{Answer, Known, Need};
    use crate::dn::Dn;
    use crate::entry::Entry;
    use crate::names::Guid;
    use std::collections::HashMap;

    /// A directory that is wholly known, so that it can answer every question.
    #[derive(Clone, Debug, Default)]
    pub struct Fixture {
        entries: Vec<Entry>,
    }

    impl Fixture {
        /// Reads the text.
        ///
        /// # Panics
        ///
        /// When the text is no fixture: it is part of a test.
        pub fn parse(text: &str) -> Self {
            let mut entries: Vec<Entry> = Vec::new();
            for line in text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                let (name, value) = line.split_once(':').expect("attribute: value");
                let value = value.trim();
                if name == "dn" {
                    entries.push(Entry::bare(Dn::parse(value).expect("a name")));
                    continue;
                }
                let entry = entries.last_mut().expect("dn first");
                if name == "undecided" {
                    let known = crate::entry::ATTRIBUTES
                        .iter()
                        .find(|known| **known == value);
                    entry.undecided.push(known.expect("an attribute"));
                    continue;
                }
                let bytes = match value.strip_prefix("guid:") {
                    Some(guid) => Guid::parse(guid).expect("a GUID").0.to_vec(),
                    None => value.as_bytes().to_vec(),
                };
                let mut defects = Vec::new();
                entry.take(name, &bytes, &mut defects);
                assert!(defects.is_empty(), "{defects:?}");
            }
            Self::of(entries)
        }

        /// Takes objects and derives their back links.
        pub fn of(mut entries: Vec<Entry>) -> Self {
            let mut derived: HashMap<Dn, Vec<Dn>> = HashMap::new();
            for entry in &entries {
                for delegate in &entry.forward_links {
                    derived
                        .entry(delegate.clone())
                        .or_default()
                        .push(entry.dn.clone());
                }
            }
            for entry in &mut entries {
                for owner in derived.remove(&entry.dn).unwrap_or_default() {
                    if !entry.back_links.contains(&owner) {
                        entry.back_links.push(owner);
                    }
                }
            }
            Self { entries }
        }

        /// Every object.
        pub fn entries(&self) -> &[Entry] {
            &self.entries
        }

        /// What the directory would say.
        pub fn look_up(&self, need: &Need) -> Answer {
            let wanted = |entry: &&Entry| match need {
                Need::Entry(dn) | Need::Exists(dn) => entry.dn == *dn,
                Need::Address(address) => entry.addresses().any(|known| known == *address),
                Need::Mailbox(guid) => {
                    [entry.mailbox_guid, entry.archive.guid].contains(&Some(*guid))
                }
                Need::Server(name) => entry.dn.name().eq_ignore_ascii_case(name),
                Need::LegacyDn(legacy) => entry
                    .legacy_names()
                    .any(|known| known.eq_ignore_ascii_case(legacy)),
                Need::Name(name) => entry.is_called(name),
                Need::MasterAccount(sid) => entry.master_account.as_ref() == Some(sid),
            };
            Answer::Found(self.entries.iter().filter(wanted).cloned().collect())
        }

        /// Calls `decide` with more and more answers until it is satisfied.
        ///
        /// # Panics
        ///
        /// When it is not satisfied after a hundred rounds.
        pub fn drive<T>(&self, mut decide: impl FnMut(&Known) -> Result<T, Vec<Need>>) -> T {
            let mut known = Known::default();
            for _ in 0..100 {
                match decide(&known) {
                    Ok(decided) => return decided,
                    Err(needs) => {
                        assert!(!needs.is_empty(), "asks for nothing");
                        for need in needs {
                            let answer = self.look_up(&need);
                            known.insert(need, answer);
                        }
                    }
                }
            }
            unreachable!("asks for ever");
        }
    }
}
