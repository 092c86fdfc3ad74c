//! The resolver's questions, many at once on one connection.
//!
//! Invariant: what does not come in time, or may not be read, is unreadable and never absent.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use automend_core::entry::{ATTRIBUTES, Defect, Entry};
use automend_core::names::{SmtpAddress, attribute};
use automend_core::owner::Owner;
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::control::ATTRIBUTE_SCOPED_QUERY;
use automend_ldap::{Control, Error, Filter, Item, ResultCode, Scope, Search};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::super::proof;
use super::super::typed::typed;
use super::Live;

/// Requests under way at once on the one connection.
pub(super) const PARALLEL: usize = 16;

/// More objects than this under one address are reported as this many.
pub(super) const MOST_NAMESAKES: usize = 100;

/// Why an object that took too long is unreadable.
pub const LATE: &str = "the directory took too long to tell";

impl Live {
    /// Answers the resolver's questions, many at once.
    pub async fn answer(&mut self, needs: Vec<Need>, known: &mut Known) -> Result<()> {
        let of_places = |need: &Need| matches!(need, Need::Exists(_) | Need::Server(_));
        if self.places.is_none() && needs.iter().any(of_places) {
            self.places = Some(Arc::new(self.places().await?.or_nothing().0));
        }
        let until = self.policy.owners.map(|most| Instant::now() + most);
        let mut answered: Vec<(Need, Answer, Vec<Defect>)> = Vec::new();
        let mut patience = self.patience();
        loop {
            let before = answered.len();
            let open = needs.get(before..).unwrap_or_default();
            let Err(error) = self.ask(open, until, &mut answered).await else {
                break;
            };
            if answered.len() > before {
                patience = self.patience();
            }
            self.again(&mut patience, error).await?;
        }
        for (need, answer, defects) in answered {
            self.defects.extend(defects);
            let mut answer = answer;
            if let Answer::Found(found) = &mut answer
                && !matches!(need, Need::Exists(_) | Need::Server(_))
            {
                let mut suspects: Vec<Entry> = Vec::new();
                found.retain(|entry| {
                    let suspect = !entry.missing().is_empty() && Owner::of(entry) != Owner::Remote;
                    if suspect {
                        suspects.push(entry.clone());
                    }
                    !suspect
                });
                match until.filter(|_| matches!(need, Need::Entry(_))) {
                    Some(until) => {
                        // Whatever has not been proved by then is open.
                        if let Ok(proved) = timeout_at(until, self.prove(&mut suspects)).await {
                            proved?;
                        } else {
                            proof::leave_open(&mut suspects);
                        }
                    }
                    None => self.prove(&mut suspects).await?,
                }
                found.extend(suspects);
            }
            if let Answer::Found(found) = &answer {
                for entry in found.iter().filter(|entry| entry.back_links.len() > 1) {
                    if !matches!(need, Need::Entry(_)) {
                        let owners = self.prefetch_owners(entry, known);
                        match until {
                            // It is only a short cut.
                            Some(until) => timeout_at(until, owners).await.unwrap_or(Ok(()))?,
                            None => owners.await?,
                        }
                    }
                }
            }
            known.insert(need, answer);
        }
        Ok(())
    }

    /// Adds answers in the order of the questions, as far as the connection holds.
    ///
    /// An object that is asked for by name and has not come by `until` counts as unreadable.
    async fn ask(
        &self,
        needs: &[Need],
        until: Option<Instant>,
        answered: &mut Vec<(Need, Answer, Vec<Defect>)>,
    ) -> Result<()> {
        let mut together = match until {
            // A client waits for one user; none waits for many.
            Some(_) => HashMap::new(),
            None => self.together(needs).await?,
        };
        let alone = needs.iter().filter(|need| !together.contains_key(need));
        let questions: Vec<_> = alone
            .map(|need| self.in_time(need, until).boxed())
            .collect();
        let mut answers = stream::iter(questions).buffered(PARALLEL);
        for need in needs {
            let (answer, defects) = match together.remove(need) {
                Some(answer) => answer,
                None => match answers.next().await {
                    Some(answer) => answer?,
                    None => break,
                },
            };
            answered.push((need.clone(), answer, defects));
        }
        Ok(())
    }

    async fn in_time(&self, need: &Need, until: Option<Instant>) -> Result<(Answer, Vec<Defect>)> {
        match until.filter(|_| matches!(need, Need::Entry(_))) {
            Some(until) => timeout_at(until, self.one(need))
                .await
                .unwrap_or_else(|_| Ok((Answer::Unreadable(LATE.to_owned()), Vec::new()))),
            None => self.one(need).await,
        }
    }

    async fn one(&self, need: &Need) -> Result<(Answer, Vec<Defect>)> {
        let mut defects = Vec::new();
        let answer = match need {
            Need::Entry(dn) => match self
                .client
                .base_with(dn.as_str(), ATTRIBUTES, &self.showing(dn))
                .await
            {
                // Active Directory keeps no link to what does not exist: it is there, but not for us.
                Ok(None) if self.root.active_directory && !dn.is_deleted_object() => {
                    let why = "this account may not see it, or it has not replicated here yet";
                    Answer::Unreadable(why.to_owned())
                }
                Ok(found) => Answer::Found(
                    found
                        .iter()
                        .filter_map(|entry| typed(entry, &mut defects))
                        .collect(),
                ),
                Err(error) => self.unreadable(error, dn.as_str())?,
            },
            Need::Exists(_) | Need::Server(_) => {
                let unknown = Answer::Unreadable("the configuration cannot be read".to_owned());
                self.places
                    .as_ref()
                    .and_then(|places| places.answer(need))
                    .cloned()
                    .unwrap_or(unknown)
            }
            Need::Address(address) => self.several(&by_address(address), &mut defects).await?,
            Need::Mailbox(guid) => {
                let named = [attribute::MAILBOX_GUID, attribute::ARCHIVE_GUID]
                    .map(|name| Filter::equal(name, guid.0.as_slice()));
                self.several(&Filter::or(named), &mut defects).await?
            }
            Need::LegacyDn(legacy) => {
                let named = Filter::or([
                    Filter::equal(attribute::LEGACY_EXCHANGE_DN, legacy),
                    Filter::equal(attribute::PROXY_ADDRESSES, format!("x500:{legacy}")),
                ]);
                self.several(&named, &mut defects).await?
            }
            Need::Name(name) => {
                let called = [attribute::SAM_ACCOUNT_NAME, attribute::DISPLAY_NAME, "cn"]
                    .map(|attribute| Filter::equal(attribute, name));
                self.several(&Filter::or(called), &mut defects).await?
            }
            Need::MasterAccount(sid) => {
                let filter = Filter::equal(attribute::MASTER_ACCOUNT_SID, sid.as_bytes());
                self.several(&filter, &mut defects).await?
            }
        };
        Ok((answer, defects))
    }

    /// Every object that a filter selects; ranged values are completed.
    async fn several(&self, filter: &Filter, defects: &mut Vec<Defect>) -> Result<Answer> {
        let mut all = Vec::new();
        for base in self.bases()? {
            let mut pages = self.client.paged(
                Search::new(&base, Scope::Subtree, filter.clone(), ATTRIBUTES),
                self.settings.page_size.min(100),
            );
            loop {
                match pages.next().await {
                    Ok(Some(Item::Entry(entry))) => all.extend(typed(&entry, defects)),
                    Ok(Some(Item::Reference(_))) => {}
                    Ok(None) => break,
                    Err(Error::Refused {
                        code: ResultCode::NO_SUCH_OBJECT,
                        ..
                    }) if self.settings.base.is_empty() => {
                        break;
                    }
                    Err(error) => return Err(self.explain(error, &base)),
                }
                if all.len() >= MOST_NAMESAKES {
                    return Ok(Answer::Found(all));
                }
            }
        }
        all.dedup_by(|a, b| a.dn == b.dn);
        Ok(Answer::Found(all))
    }

    /// All owners of one delegate by a single search, where the server knows how (control 1504).
    ///
    /// It leaves out deleted objects and what may not be read; these are asked for one by one later.
    async fn prefetch_owners(&mut self, delegate: &Entry, known: &mut Known) -> Result<()> {
        if !self.root.controls.contains(ATTRIBUTE_SCOPED_QUERY) {
            return Ok(());
        }
        let mut search = Search::new(
            delegate.dn.as_str(),
            Scope::Base,
            Filter::present(attribute::OBJECT_CLASS),
            ATTRIBUTES,
        );
        search
            .controls
            .push(Control::attribute_scoped_query(attribute::DELEGATE_LIST_BL));
        let found = match self
            .client
            .entries(&search, delegate.back_links.len() + 1)
            .await
        {
            Ok(found) => found,
            // It is only a short cut.
            Err(Error::Refused { .. } | Error::Limit { .. } | Error::Incomplete { .. }) => {
                return Ok(());
            }
            Err(error) => return Err(self.explain(error, delegate.dn.as_str())),
        };
        for entry in found {
            let ranged = entry
                .attributes
                .iter()
                .any(|attribute| attribute.options.iter().any(|o| o.starts_with("range=")));
            let Some(entry) = typed(&entry, &mut self.defects).filter(|_| !ranged) else {
                continue;
            };
            if entry.missing().is_empty() || Owner::of(&entry) == Owner::Remote {
                known.insert(Need::Entry(entry.dn.clone()), Answer::Found(vec![entry]));
            }
        }
        Ok(())
    }

    /// What a refusal to read one object means; anything else is an error.
    fn unreadable(&self, error: Error, dn: &str) -> Result<Answer> {
        match error {
            Error::Refused {
                code: ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
                ..
            } => Ok(Answer::Unreadable(
                "this account may not read it".to_owned(),
            )),
            Error::Referral { urls, .. } => Ok(Answer::Unreadable(format!(
                "another server holds it: {}",
                urls.join(", ")
            ))),
            Error::Refused {
                code: ResultCode::INVALID_DN_SYNTAX,
                ..
            } => Ok(Answer::Found(Vec::new())),
            error => Err(self.explain(error, dn)),
        }
    }
}

/// The objects that Autodiscover finds under an address.
fn by_address(address: &SmtpAddress) -> Filter {
    Filter::or([
        Filter::equal(attribute::PROXY_ADDRESSES, format!("smtp:{address}")),
        Filter::equal(attribute::MAIL, address.as_str()),
        Filter::equal(attribute::USER_PRINCIPAL_NAME, address.as_str()),
    ])
}
