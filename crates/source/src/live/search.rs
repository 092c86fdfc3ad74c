//! Searches whose answers stream: owners, and whatever else a filter selects.
//!
//! Invariant: every entry comes once, or the sink learns that everything comes again.

use anyhow::{Context, Result, bail};
use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::entry::{ATTRIBUTES, Entry};
use automend_core::names::attribute;
use automend_ldap::control::SHOW_DELETED;
use automend_ldap::{Control, Error, Filter, Item, ResultCode, Scope, Search};

use super::super::sink::Owners;
use super::super::typed::typed;
use super::{AUDITED, Live};

/// Searches begun again before they are given up.
const MOST_RESTARTS: u32 = 3;

impl Live {
    /// The search for owners below `base`.
    pub fn owner_search(base: &str) -> Search {
        let filter = Filter::present(attribute::DELEGATE_LIST_LINK);
        Search::new(base, Scope::Subtree, filter, AUDITED)
    }

    /// Hands every owner to `sink`, deleted ones too where the server keeps them.
    pub async fn owners(
        &mut self,
        attributes: &[&str],
        sink: &mut impl Owners,
    ) -> Result<Vec<String>> {
        let deleted = self
            .root
            .controls
            .contains(SHOW_DELETED)
            .then(Control::show_deleted);
        let filter = Filter::present(attribute::DELEGATE_LIST_LINK);
        self.stream_with(&filter, attributes, deleted.into_iter().collect(), sink)
            .await
    }

    /// Hands every entry that `filter` selects to `sink`; returns the references that lead out of what
    /// was searched.
    pub async fn stream(
        &mut self,
        filter: &Filter,
        attributes: &[&str],
        sink: &mut impl Owners,
    ) -> Result<Vec<String>> {
        self.stream_with(filter, attributes, Vec::new(), sink).await
    }

    async fn stream_with(
        &mut self,
        filter: &Filter,
        attributes: &[&str],
        controls: Vec<Control>,
        sink: &mut impl Owners,
    ) -> Result<Vec<String>> {
        let bases = self.bases()?;
        for _ in 0..=MOST_RESTARTS {
            match self
                .stream_once(&bases, filter, attributes, &controls, sink)
                .await?
            {
                Some(references) => return Ok(self.foreign(&bases, references)),
                None => sink.restart(),
            }
        }
        bail!(
            "{}: the search was lost {MOST_RESTARTS} times; try again when the server is at rest",
            self.url
        );
    }

    /// `None` when the server forgot where the search was.
    async fn stream_once(
        &mut self,
        bases: &[String],
        filter: &Filter,
        attributes: &[&str],
        controls: &[Control],
        sink: &mut impl Owners,
    ) -> Result<Option<Vec<String>>> {
        let mut references = Vec::new();
        let (mut patience, mut unseen) = (self.patience(), 0);
        for base in bases {
            let mut search = Search::new(base, Scope::Subtree, filter.clone(), attributes);
            search.controls.extend_from_slice(controls);
            let mut pages = self.client.paged(search, self.settings.page_size);
            loop {
                match pages.next().await {
                    Ok(Some(Item::Entry(entry))) => {
                        patience = self.patience();
                        if let Some(entry) = typed(&entry, &mut self.defects) {
                            sink.owner(entry)?;
                        }
                    }
                    Ok(Some(Item::Reference(urls))) => references.extend(urls),
                    Ok(None) => break,
                    Err(error) if patience.may_retry(&error) => {
                        self.reconnect(patience.lost)
                            .await
                            .with_context(|| format!("after: {error}"))?;
                        pages.resume_with(self.client.clone());
                    }
                    Err(Error::CookieRefused { .. }) => return Ok(None),
                    Err(Error::Refused {
                        code: ResultCode::NO_SUCH_OBJECT,
                        ..
                    }) if self.settings.base.is_empty() => {
                        // The server names a context that this account cannot see.
                        unseen += 1;
                        break;
                    }
                    Err(error) => return Err(self.explain(error, base)),
                }
            }
        }
        if unseen == bases.len() {
            bail!(
                "{}: this account may read nothing below {}",
                self.url,
                bases.join(" and ")
            );
        }
        Ok(Some(references))
    }

    /// References to what was not searched, each once.
    fn foreign(&self, bases: &[String], mut references: Vec<String>) -> Vec<String> {
        let searched: Vec<Dn> = bases
            .iter()
            .filter_map(|base| Dn::parse(base).ok())
            .collect();
        references.sort();
        references.dedup();
        references.retain(|url| {
            let name = url
                .split_once("://")
                .and_then(|(_, rest)| rest.split_once('/'))
                .map(|(_, name)| name);
            let name = name.map(|name| name.split('?').next().unwrap_or(name).replace("%20", " "));
            !name
                .and_then(|name| Dn::parse(&name).ok())
                .is_some_and(|name| {
                    searched.contains(&name)
                        || self.settings.base.is_empty()
                            && self.root.contexts.iter().any(|context| {
                                Dn::parse(context).is_ok_and(|context| context == name)
                            })
                })
        });
        references
    }

    /// Groups that are delegates.
    pub async fn group_delegates(&mut self) -> Result<Vec<Entry>> {
        let filter = Filter::equal(attribute::OBJECT_CLASS, "group");
        let attributes = [
            attribute::OBJECT_CLASS,
            attribute::OBJECT_GUID,
            attribute::DELEGATE_LIST_BL,
        ];
        self.delegates(filter, &attributes).await
    }

    /// Delegates that can never ask Autodiscover, of one owner or of all; what they seem to lack the server
    /// has affirmed.
    pub async fn silent_delegates(&mut self, owner: Option<&Dn>) -> Result<Vec<Entry>> {
        let class = |name| Filter::equal(attribute::OBJECT_CLASS, name);
        let silent = Filter::or([
            class("foreignSecurityPrincipal"),
            class("contact"),
            Filter::not(Filter::present(attribute::MAILBOX_GUID)),
        ]);
        let of = owner.map(|dn| Filter::equal(attribute::DELEGATE_LIST_BL, dn.as_str()));
        let filter = Filter::and(of.into_iter().chain([silent]));
        let mut found = self.delegates(filter, ATTRIBUTES).await?;
        self.prove(&mut found).await?;
        found.retain(|entry| links::never_asks(entry).is_some());
        Ok(found)
    }

    /// Delegates that `filter` selects.
    async fn delegates(&mut self, filter: Filter, attributes: &[&str]) -> Result<Vec<Entry>> {
        struct Found(Vec<Entry>);
        impl Owners for Found {
            fn owner(&mut self, entry: Entry) -> Result<()> {
                self.0.push(entry);
                Ok(())
            }
            fn restart(&mut self) {
                self.0.clear();
            }
        }
        let filter = Filter::and([filter, Filter::present(attribute::DELEGATE_LIST_BL)]);
        let mut found = Found(Vec::new());
        self.stream(&filter, attributes, &mut found).await?;
        Ok(found.0)
    }
}
