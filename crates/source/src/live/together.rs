//! Questions for addresses and for names inside Exchange, many in one search.
//!
//! After a fix each of thousands of users is asked for by address and by name, and each such question is
//! a search of the whole directory. Here a filter names fifty of them, and the answers are sorted out by
//! the values that a question of its own would have selected.
//!
//! Invariant: only a short cut. Where it is not plain which question an object answers, or the server
//! does not take the search, nothing is answered here, and each question is asked by itself.

use std::collections::HashMap;

use anyhow::Result;
use automend_core::entry::{ATTRIBUTES, Defect};
use automend_core::names::attribute;
use automend_core::view::{Answer, Need};
use automend_ldap::{Entry, Error, Filter, Item, ResultCode, Scope, Search};
use futures_util::{StreamExt, stream};

use super::super::typed::typed;
use super::Live;
use super::lookup::MOST_NAMESAKES;
use super::reconnect::is_lost_code;

/// Fewer questions than this are asked one by one.
const FEW: usize = 8;
/// Questions in one filter: at most three comparisons each.
const AT_ONCE: usize = 50;

/// Searches under way at once: each is the work of many, and has to begin to answer in time.
const AT_A_TIME: usize = 2;

/// Answers, and what is wrong with values in them.
type Answers = HashMap<Need, (Answer, Vec<Defect>)>;

impl Live {
    /// Answers as many of the questions as can be asked together.
    pub(super) async fn together(&self, needs: &[Need]) -> Result<Answers> {
        let kinds: [fn(&&Need) -> bool; 2] = [
            |need| matches!(need, Need::Address(_)),
            |need| matches!(need, Need::LegacyDn(_)),
        ];
        let mut searches = Vec::new();
        for is_kind in kinds {
            let alike: Vec<&Need> = needs.iter().filter(is_kind).collect();
            if alike.len() >= FEW {
                searches.extend(alike.chunks(AT_ONCE).map(<[&Need]>::to_vec));
            }
        }
        let searches = searches.iter().map(|needs| self.portion(needs));
        let searches: Vec<_> = searches.collect();
        let mut done = stream::iter(searches).buffered(AT_A_TIME);
        let mut answers = Answers::new();
        while let Some(found) = done.next().await {
            answers.extend(found?.unwrap_or_default());
        }
        Ok(answers)
    }

    /// The answers to these questions; `None` where each has to be asked by itself.
    async fn portion(&self, needs: &[&Need]) -> Result<Option<Answers>> {
        let mut wanted: HashMap<(&'static str, String), &Need> = HashMap::new();
        for need in needs {
            wanted.extend(selecting(need).into_iter().map(|pair| (pair, *need)));
        }
        let pairs = wanted.keys();
        let filter = Filter::or(pairs.map(|(name, value)| Filter::equal(name, value.as_str())));
        let mut answers: Answers = needs
            .iter()
            .map(|need| ((*need).clone(), (Answer::Found(Vec::new()), Vec::new())))
            .collect();
        let Some(found) = self.selected(&filter, needs.len() + MOST_NAMESAKES).await? else {
            return Ok(None);
        };
        for entry in found {
            let Some(answered) = answered(&entry, &wanted) else {
                return Ok(None);
            };
            let mut defects = Vec::new();
            let Some(typed) = typed(&entry, &mut defects) else {
                return Ok(None);
            };
            for need in answered {
                if let Some((Answer::Found(found), told)) = answers.get_mut(need)
                    && !found.iter().any(|other| other.dn == typed.dn)
                {
                    found.push(typed.clone());
                    told.append(&mut defects);
                }
            }
        }
        Ok(Some(answers))
    }

    /// The objects that a filter selects; `None` for more than `most`, or for a server that refuses.
    async fn selected(&self, filter: &Filter, most: usize) -> Result<Option<Vec<Entry>>> {
        let mut found = Vec::new();
        for base in self.bases()? {
            let search = Search::new(&base, Scope::Subtree, filter.clone(), ATTRIBUTES);
            let mut pages = self.client.paged(search, self.settings.page_size.min(100));
            loop {
                match pages.next().await {
                    Ok(Some(Item::Entry(entry))) => found.push(entry),
                    Ok(Some(Item::Reference(_))) => {}
                    Ok(None) => break,
                    Err(Error::Refused {
                        code: ResultCode::NO_SUCH_OBJECT,
                        ..
                    }) if self.settings.base.is_empty() => break,
                    Err(Error::Refused { code, .. }) if !is_lost_code(code) => return Ok(None),
                    Err(Error::Limit { .. } | Error::Incomplete { .. }) => return Ok(None),
                    Err(error) => return Err(self.explain(error, &base)),
                }
                if found.len() > most {
                    return Ok(None);
                }
            }
        }
        Ok(Some(found))
    }
}

/// The values that select what a question asks for.
fn selecting(need: &Need) -> Vec<(&'static str, String)> {
    match need {
        Need::Address(address) => vec![
            (attribute::PROXY_ADDRESSES, format!("smtp:{address}")),
            (attribute::MAIL, address.to_string()),
            (attribute::USER_PRINCIPAL_NAME, address.to_string()),
        ],
        Need::LegacyDn(legacy) => vec![
            (attribute::LEGACY_EXCHANGE_DN, legacy.clone()),
            (attribute::PROXY_ADDRESSES, format!("x500:{legacy}")),
        ],
        _ => Vec::new(),
    }
    .into_iter()
    .map(|(name, value)| (name, value.to_lowercase()))
    .collect()
}

/// The questions that an object answers; `None` where that is not plain, as the server may compare what
/// is not ASCII, or not normal, in another way.
fn answered<'a>(
    entry: &Entry,
    wanted: &HashMap<(&'static str, String), &'a Need>,
) -> Option<Vec<&'a Need>> {
    let mut answered = Vec::new();
    for name in [
        attribute::PROXY_ADDRESSES,
        attribute::MAIL,
        attribute::USER_PRINCIPAL_NAME,
        attribute::LEGACY_EXCHANGE_DN,
    ] {
        for value in entry.values(name) {
            let text = std::str::from_utf8(value)
                .ok()
                .filter(|text| text.is_ascii())?;
            let need = wanted.get(&(name, text.to_ascii_lowercase()));
            answered.extend(need.copied());
        }
    }
    (!answered.is_empty()).then_some(answered)
}
