//! What could not be looked at: links that this account may not read, a file without them, a base that
//! holds no user.
//!
//! A directory leaves out what may not be read, so no links and hidden links look alike. Back links tell
//! them apart: each has a forward link on the other side, which was seen, or is hidden. Where there is no
//! link at all, the server must affirm of some user that there is none.
//!
//! Invariant: an empty list means that every link was there to be seen.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use automend_core::dn::Dn;
use automend_core::entry::Entry;
use automend_core::names::attribute;
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::{Error, Filter, Item, ResultCode, Scope, Search};

use super::Directory;
use super::live::Live;
use super::sink::Owners;
use super::sum::Sum;
use super::typed::{texts, typed};
use crate::retry;

/// Back links without a forward link that are looked at one by one.
const MOST_MISSING: usize = 10_000;
/// Users of which the server is asked to affirm that they have no link.
const WITNESSES: u32 = 20;

impl Directory {
    /// What an audit, or a service, could not look at here; nothing is read but what tells that.
    pub async fn unread(&mut self) -> Result<Vec<String>> {
        Ok(match self {
            Self::Live(live) => live.unread().await?.into_iter().collect(),
            Self::Embedded(embedded) => {
                let empty = !embedded.has_user()?;
                let told = || format!("{}: the directory holds no user", embedded.shown);
                empty.then(told).into_iter().collect()
            }
            Self::Ldif(ldif) => ldif.unread()?,
        })
    }

    /// Why nothing at all can be told from here: a file that holds nothing, a base without users.
    pub async fn unread_at_all(&mut self) -> Result<Option<String>> {
        match self {
            // A look-up on a server that finds no object has searched it.
            Self::Live(_) => Ok(None),
            _ => Ok(self.unread().await?.into_iter().next()),
        }
    }

    /// Notes the owners of links that could not be read, and may be to anybody; those in a file are noted
    /// with every question, and those on a server with every owner that is read.
    pub fn tell_unread_owners(&mut self) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.tell_unread_owners(),
            Self::Live(_) | Self::Ldif(_) => Ok(()),
        }
    }

    /// Why the links of one object may be others than those that were read, if so.
    pub async fn unread_links(&mut self, entry: &Entry) -> Result<Option<String>> {
        let mut lacking = Vec::new();
        if entry.forward_links.is_empty() {
            lacking.push(attribute::DELEGATE_LIST_LINK);
        }
        if entry.back_links.is_empty() {
            lacking.push(attribute::DELEGATE_LIST_BL);
        }
        if lacking.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Live(live) => {
                let hidden = live.hidden_of(entry, &lacking).await?;
                let told = || {
                    format!(
                        "{}: this account may not read {} of {}",
                        live.url,
                        hidden.join(" and "),
                        entry.dn
                    )
                };
                Ok((!hidden.is_empty()).then(told))
            }
            Self::Embedded(_) => Ok(None),
            Self::Ldif(ldif) => Ok(ldif.unread()?.into_iter().next()),
        }
    }
}

impl Live {
    /// Why it is unknown what links there are, where a search for them found none.
    async fn unread(&mut self) -> Result<Option<String>> {
        let users = Filter::or([
            Filter::equal(attribute::OBJECT_CLASS, "user"),
            Filter::equal(attribute::OBJECT_CLASS, "inetOrgPerson"),
            Filter::present(attribute::MAILBOX_GUID),
            Filter::present(attribute::MAIL),
        ]);
        let link = Filter::present(attribute::DELEGATE_LIST_LINK);
        if !retry!(self, self.some(&link)).is_empty() {
            return Ok(None);
        }
        if retry!(self, self.some(&users)).is_empty() {
            return Ok(Some(format!(
                "{}: no user can be seen below {}; is the base right, and may this account read it?",
                self.url,
                self.bases()?.join(" and ")
            )));
        }
        let back = Filter::present(attribute::DELEGATE_LIST_BL);
        let shows = |entry: &&automend_ldap::Entry| {
            // The links of what was deleted are shown to no account.
            let owners = texts(entry.values(attribute::DELEGATE_LIST_BL));
            owners
                .iter()
                .any(|owner| Dn::parse(owner).is_ok_and(|dn| !dn.is_deleted_object()))
        };
        let delegates = retry!(self, self.some(&back));
        if let Some(delegate) = delegates.iter().find(shows) {
            return Ok(Some(format!(
                "{}: {} has msExchDelegateListBL, and no owner shows msExchDelegateListLink: this account \
                 may not read it",
                self.url, delegate.dn
            )));
        }
        let none = Filter::and([users, Filter::not(link)]);
        let witnesses = retry!(self, self.some(&none));
        for witness in &witnesses {
            let mut defects = Vec::new();
            if let Some(entry) = typed(witness, &mut defects)
                && self
                    .hidden_of(&entry, &[attribute::DELEGATE_LIST_LINK])
                    .await?
                    .is_empty()
            {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "{}: there may be links: the server affirms of no user that msExchDelegateListLink is absent, so \
             this account may not read it",
            self.url
        )))
    }

    /// A few of the objects that a filter selects, with their names and back links.
    async fn some(&self, filter: &Filter) -> Result<Vec<automend_ldap::Entry>> {
        let mut found = Vec::new();
        for base in self.bases()? {
            let wanted = [attribute::DELEGATE_LIST_BL];
            let mut search = Search::new(&base, Scope::Subtree, filter.clone(), &wanted);
            search.size_limit = WITNESSES;
            let mut answers = self.client.search(&search).await?;
            loop {
                match answers.next().await {
                    Ok(Some(Item::Entry(entry))) => found.push(entry),
                    Ok(Some(Item::Reference(_))) => {}
                    Ok(None)
                    | Err(Error::Incomplete {
                        code: ResultCode::SIZE_LIMIT_EXCEEDED,
                        ..
                    }) => break,
                    Err(Error::Refused {
                        code: ResultCode::NO_SUCH_OBJECT,
                        ..
                    }) if self.settings.base.is_empty() => break,
                    Err(error) => return Err(self.explain(error, &base)),
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Holds the back links against the forward links that were seen; tells what was hidden.
    ///
    /// `seen` sums up the forward links; where the back links sum up to the same, that is all.
    pub async fn unseen_links(&mut self, seen: Sum) -> Result<Vec<String>> {
        let mut back = BackLinks::default();
        self.back_links(&mut back).await?;
        if seen.links == 0 && back.sum.links == 0 {
            return Ok(self.unread().await?.into_iter().collect());
        }
        // Where no object shows a back link, the directory does not keep them.
        if back.sum == seen || back.sum.links == 0 {
            return Ok(Vec::new());
        }
        let mut forward = ForwardLinks::default();
        let only = [attribute::DELEGATE_LIST_LINK];
        self.owners(&only, &mut forward).await?;
        let mut missing = BackLinks {
            forward: Some(forward.pairs),
            ..BackLinks::default()
        };
        self.back_links(&mut missing).await?;
        self.hidden_owners(missing.missing).await
    }

    /// The search for back links below `base`.
    pub fn back_link_search(base: &str) -> Search {
        let filter = Filter::present(attribute::DELEGATE_LIST_BL);
        Search::new(base, Scope::Subtree, filter, &[attribute::DELEGATE_LIST_BL])
    }

    async fn back_links(&mut self, sink: &mut BackLinks) -> Result<()> {
        let filter = Filter::present(attribute::DELEGATE_LIST_BL);
        self.stream(&filter, &[attribute::DELEGATE_LIST_BL], sink)
            .await?;
        Ok(())
    }

    /// Reads the owners of back links whose forward link was not seen.
    async fn hidden_owners(&mut self, missing: Vec<(Dn, Dn)>) -> Result<Vec<String>> {
        let mut delegates: HashMap<Dn, Vec<Dn>> = HashMap::new();
        for (owner, delegate) in missing {
            delegates.entry(owner).or_default().push(delegate);
        }
        // What lies outside of the bases was not to be looked at.
        let below = |dn: &Dn| {
            self.settings.base.is_empty()
                || self
                    .settings
                    .base
                    .iter()
                    .any(|base| dn == base || dn.is_within(base))
        };
        delegates.retain(|owner, _| !owner.is_deleted_object() && below(owner));
        let mut names: Vec<&Dn> = delegates.keys().collect();
        names.sort();
        let mut hidden: Vec<&Dn> = Vec::new();
        for portion in names.chunks(1000) {
            let mut known = Known::default();
            let needs = portion.iter().map(|dn| Need::Entry((*dn).clone()));
            self.answer(needs.collect(), &mut known).await?;
            for owner in portion {
                let shows = match known.answer(&Need::Entry((*owner).clone())) {
                    // A link that came or went while the audit ran.
                    Some(Answer::Found(found)) => found.first().is_none_or(|entry| {
                        let wanted = delegates.get(*owner).map_or(&[][..], Vec::as_slice);
                        wanted.iter().all(|dn| entry.forward_links.contains(dn))
                    }),
                    _ => false,
                };
                if !shows {
                    hidden.push(owner);
                }
            }
        }
        let Some(first) = hidden.first() else {
            return Ok(Vec::new());
        };
        Ok(vec![format!(
            "{}: {} by back links and {} no msExchDelegateListLink to this account, such as {first}",
            self.url,
            if hidden.len() == 1 {
                "1 owner is known".to_owned()
            } else {
                format!("{} owners are known", hidden.len())
            },
            if hidden.len() == 1 { "shows" } else { "show" },
        )])
    }
}

/// Back links as they come: summed up, and those without a forward link named.
#[derive(Default)]
struct BackLinks {
    sum: Sum,
    forward: Option<HashSet<u64>>,
    missing: Vec<(Dn, Dn)>,
}

impl Owners for BackLinks {
    fn owner(&mut self, delegate: Entry) -> Result<()> {
        let hash = delegate.dn.hash64();
        for owner in &delegate.back_links {
            // The links of what was deleted cannot be seen.
            if owner.is_deleted_object() {
                continue;
            }
            self.sum.add(owner.hash64(), hash);
            if let Some(forward) = &self.forward
                && !forward.contains(&Sum::pair(owner.hash64(), hash))
                && self.missing.len() < MOST_MISSING
            {
                self.missing.push((owner.clone(), delegate.dn.clone()));
            }
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.sum = Sum::default();
        self.missing.clear();
    }
}

/// A hash for each forward link.
#[derive(Default)]
struct ForwardLinks {
    pairs: HashSet<u64>,
}

impl Owners for ForwardLinks {
    fn owner(&mut self, owner: Entry) -> Result<()> {
        let hash = owner.dn.hash64();
        let links = owner.forward_links.iter();
        self.pairs
            .extend(links.map(|delegate| Sum::pair(hash, delegate.hash64())));
        Ok(())
    }

    fn restart(&mut self) {
        self.pairs.clear();
    }
}
