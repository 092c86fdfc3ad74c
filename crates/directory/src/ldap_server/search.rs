//! A search, from its request to its last entry (RFC 4511 4.5, RFC 2696, [MS-ADTS] 3.1.1.3.4.1.18).
//!
//! Invariant: a search holds one snapshot and one entry at a time; what it sends is bounded by the
//! page, and when the client takes no more the search ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use automend_core::dn::Dn;
use automend_ldap::server::{self as codec, Outcome};
use automend_ldap::{ResultCode, Scope, Search};

use super::computed::{self, Extended, TOKEN_GROUPS};
use super::matching;
use super::plan::{Part, Plan};
use super::root;
use super::select::Selection;
use super::served::Limits;
use super::sorting::{Sort, Sorting, Unsorted};
use crate::error::Error;
use crate::object::Object;
use crate::reading::{Links, Reading};
use crate::schema::{self, Link};

/// What a search carries in addition to its request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Options {
    pub(super) show_deleted: bool,
    pub(super) domain_scope: bool,
    /// The attribute of an attribute-scoped query.
    pub(super) scoped_by: Option<String>,
    /// How names are written with the identifiers of their objects.
    pub(super) extended_dn: Option<Extended>,
    pub(super) sort: Option<Sort>,
}

/// A search that is going on, perhaps between two of its pages.
pub(super) struct Running {
    pub(super) request: Search,
    pub(super) options: Options,
    reading: Arc<Reading>,
    part: Part,
    plan: Plan,
    selection: Selection,
    links: Links,
    references: Vec<String>,
    /// An object that matched, but was one too many for the page before.
    ahead: Option<Object>,
    most_sorted: usize,
    /// Whether it was sorted, once that was tried.
    pub(super) sorted: Option<Result<(), Unsorted>>,
}

/// What one page of a search came to.
pub(super) enum Page {
    /// Nothing is left.
    Done,
    /// The page is full, and there is more.
    More,
    /// The client has gone.
    Gone,
    /// It took too long.
    Late,
    /// It can't be sorted, and is not wanted otherwise.
    Unsorted,
}

impl Running {
    pub(super) fn new(
        reading: Arc<Reading>,
        request: Search,
        options: Options,
        limits: &Limits,
    ) -> Result<Self, Outcome> {
        let selection = Selection::new(&request.attributes, request.types_only, limits.value_range);
        let computed = selection.names(TOKEN_GROUPS);
        if computed && (request.scope != Scope::Base || options.scoped_by.is_some()) {
            return Err(Outcome::new(
                ResultCode::OPERATIONS_ERROR,
                "00002120: SvcErr: problem 5012 (DIR_ERROR), tokenGroups is for base searches",
            ));
        }
        let Some(base) = matching::base(&reading, &request.base)? else {
            return Err(Outcome::new(
                ResultCode::NO_SUCH_OBJECT,
                "0000208D: NameErr: problem 2001 (NO_OBJECT), data 0, empty base DN",
            ));
        };
        let seen = reading.flags(base).map_err(Outcome::from)?;
        if seen.is_some_and(crate::codec::Flags::unseen) && !options.show_deleted {
            return Err(Outcome::new(
                ResultCode::NO_SUCH_OBJECT,
                "0000208D: NameErr: problem 2001 (NO_OBJECT), data 0",
            ));
        }
        let base_dn = reading.dn_text_once(base)?;
        let mut stops = Vec::new();
        let mut references = Vec::new();
        if request.scope != Scope::Base
            && let Ok(base_dn) = Dn::parse(&base_dn)
        {
            for context in reading.naming_contexts()? {
                if context == base_dn || !context.is_within(&base_dn) {
                    continue;
                }
                let near =
                    request.scope == Scope::Subtree || context.parent().as_ref() == Some(&base_dn);
                if let (true, Some(id)) = (near, reading.id(&context)?) {
                    // A context below another one is that one's to name.
                    let nested = stops
                        .iter()
                        .any(|(_, other): &(u64, Dn)| context.is_within(other));
                    if !nested && !options.domain_scope {
                        references.push(root::url(&context));
                    }
                    stops.push((id, context));
                }
            }
        }
        let part = Part {
            base,
            scope: request.scope,
            unseen: options.show_deleted,
            stops: stops.into_iter().map(|(id, _)| id).collect(),
        };
        let plan = match &options.scoped_by {
            None => Plan::new(&reading, &part, &request.filter)?,
            Some(attribute) => {
                Plan::Fixed(scoped(&reading, base, attribute, request.scope)?.into())
            }
        };
        let key = options.sort.as_ref().and_then(|sort| sort.keys.first());
        let links = selection.links(&request.filter, key.map(|key| key.attribute.as_str()));
        Ok(Self {
            request,
            options,
            reading,
            part,
            plan,
            selection,
            links,
            references,
            ahead: None,
            most_sorted: limits.sorted_objects,
            sorted: None,
        })
    }

    /// Sends up to `most` entries, each whole in one piece; `send` says whether there is still a client.
    pub(super) fn page(
        &mut self,
        id: i64,
        most: usize,
        within: Duration,
        send: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<Page, Error> {
        let start = Instant::now();
        let mut count = 0;
        let mut looked = 0u32;
        if let (None, Some(sort)) = (self.sorted, self.options.sort.clone()) {
            let critical = sort.critical;
            match self.sort(&sort, &mut looked, start, within)? {
                None => return Ok(Page::Late),
                Some(Err(_)) if critical => return Ok(Page::Unsorted),
                Some(_) => {}
            }
        }
        for url in self.references.drain(..) {
            if !send(codec::reference(id, &url)) {
                return Ok(Page::Gone);
            }
        }
        while let Some(object) = self.next(&mut looked, start, within)? {
            let Some(object) = object else {
                return Ok(Page::Late);
            };
            if count == most {
                self.ahead = Some(object);
                return Ok(Page::More);
            }
            if !send(self.entry(id, object)?) {
                return Ok(Page::Gone);
            }
            count += 1;
        }
        Ok(Page::Done)
    }

    /// Looks at every object once and puts them in order; `None` when the time is up.
    ///
    /// Where that fails, the search is as it was before.
    fn sort(
        &mut self,
        sort: &Sort,
        looked: &mut u32,
        start: Instant,
        within: Duration,
    ) -> Result<Option<Result<(), Unsorted>>, Error> {
        let reading = Arc::clone(&self.reading);
        let key = match sort.key(&reading) {
            Ok(key) => key,
            Err(why) => return Ok(Some(*self.sorted.insert(Err(why)))),
        };
        let mut sorting = Sorting::new(key, self.most_sorted);
        let mut seen = Ok(());
        while let Some(object) = self.next(looked, start, within)? {
            let Some(object) = object else {
                return Ok(None);
            };
            seen = sorting.push(&object);
            if seen.is_err() {
                break;
            }
        }
        self.plan = match (seen, &self.options.scoped_by) {
            (Ok(()), _) => Plan::Fixed(sorting.finish().into()),
            (Err(_), None) => Plan::new(&self.reading, &self.part, &self.request.filter)?,
            (Err(_), Some(attribute)) => {
                let ids = scoped_ids(&self.reading, self.part.base, attribute)?;
                Plan::Fixed(ids.into())
            }
        };
        Ok(Some(*self.sorted.insert(seen)))
    }

    /// The message that shows an object.
    fn entry(&self, id: i64, mut object: Object) -> Result<Vec<u8>, Error> {
        if self.selection.names(TOKEN_GROUPS) {
            let groups = computed::token_groups(&self.reading, &object)?;
            if !groups.is_empty() {
                object.attributes.push((TOKEN_GROUPS.to_owned(), groups));
            }
        }
        let mut picked = self.selection.pick(&object);
        let Some(form) = self.options.extended_dn else {
            return Ok(codec::entry(id, object.dn.as_str(), &picked));
        };
        computed::extend_values(&self.reading, &mut picked, form)?;
        let dn = computed::extended_name(&self.reading, object.id, object.dn.as_str(), form)?;
        Ok(codec::entry(id, &dn, &picked))
    }

    /// The next object that matches; `Some(None)` when the time is up.
    #[allow(
        clippy::option_option,
        reason = "the time being up is not the end of the objects"
    )]
    fn next(
        &mut self,
        looked: &mut u32,
        start: Instant,
        within: Duration,
    ) -> Result<Option<Option<Object>>, Error> {
        if let Some(object) = self.ahead.take() {
            return Ok(Some(Some(object)));
        }
        loop {
            // Reading the clock for every object would cost more than the objects.
            *looked = looked.wrapping_add(1);
            if looked.is_multiple_of(256) && start.elapsed() > within {
                return Ok(Some(None));
            }
            let Some(id) = self.plan.next(&self.reading, &self.part)? else {
                return Ok(None);
            };
            let Some(object) = self.reading.seen(id, &self.links)? else {
                continue;
            };
            if object.deleted && !self.options.show_deleted {
                continue;
            }
            if matching::matches(&self.reading, &self.request.filter, &object)? {
                return Ok(Some(Some(object)));
            }
        }
    }
}

/// The objects that an attribute of the base names.
fn scoped(
    reading: &Reading,
    base: u64,
    attribute: &str,
    scope: Scope,
) -> Result<Vec<u64>, Outcome> {
    if scope != Scope::Base {
        return Err(Outcome::new(
            ResultCode::PROTOCOL_ERROR,
            "an attribute scoped query has base scope",
        ));
    }
    let known = schema::find(attribute).filter(|known| known.syntax == schema::Syntax::Dn);
    let Some(known) = known else {
        let text = format!("'{attribute}' is no attribute of names");
        return Err(Outcome::new(ResultCode::INVALID_ATTRIBUTE_SYNTAX, text));
    };
    Ok(scoped_ids(reading, base, known.name)?)
}

fn scoped_ids(reading: &Reading, base: u64, attribute: &str) -> Result<Vec<u64>, Error> {
    let known = schema::find(attribute);
    let links = match known.map_or(Link::None, |known| known.link) {
        Link::None => Vec::new(),
        link => vec![link],
    };
    let mut ids = Vec::new();
    if let Some(object) = reading.seen(base, &Links::Only(links))? {
        for value in object.values(known.map_or(attribute, |known| known.name)) {
            ids.extend(reading.referenced(value)?);
        }
    }
    Ok(ids)
}
