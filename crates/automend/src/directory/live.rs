//! A live server: Active Directory, Samba, or any LDAP v3 directory with the Exchange attributes.
//!
//! Owners come from one paged search a naming context; lost connections are made anew and the search
//! goes on where it was, or from the start where the server has forgotten it.
//!
//! Invariant: absence is proved. Servers leave out what may not be read, so before a link is called
//! stale the server itself must say `(!(attribute=*))`, which it answers only for what may be read
//! ([MS-ADTS] 3.1.1.3.1.3.1, RFC 4511 4.5.1.7); what it does not affirm is marked undecided. Samba
//! affirms it of what it hides, too, so there the object's own permissions are looked at (`rights`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::entry::{ATTRIBUTES, Defect, Entry};
use automend_core::names::{Guid, SmtpAddress, attribute};
use automend_core::owner;
use automend_core::view::{Answer, Known, Need, View};
use automend_ldap::control::{ATTRIBUTE_SCOPED_QUERY, SHOW_DELETED};
use automend_ldap::{Client, Control, Error, Filter, Item, ResultCode, Scope, Search};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::rights::Rights;
use super::{proof, typed};
use crate::audit::engine::{Place, Places};
use crate::config::{Settings, Url};
use crate::connect::connect;

/// A live server.
pub(crate) struct Live {
    /// Where it is.
    pub url: Url,
    /// How it was reached.
    pub settings: Settings,
    /// The connection.
    pub client: Client,
    /// What it says of itself.
    pub root: RootDse,
    /// Values that could not be used.
    pub defects: Vec<Defect>,
    /// Databases and servers, once somebody asked.
    pub places: Option<Arc<Places>>,
    /// How much is borne: for work that has nobody else to ask, or for a client that waits.
    pub bearing: Bearing,
    /// What this account may read, once somebody asked.
    pub(super) rights: Option<Rights>,
}

/// What is borne of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearing {
    /// Connections made anew while nothing comes, before the work is given up.
    pub reconnects: u32,
    /// How long all objects that are asked for by name may take together; those that take longer count
    /// as unreadable.
    pub owners: Option<Duration>,
}

/// What a server says of itself (RFC 4512 5.1, [MS-ADTS] 3.1.1.3.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct RootDse {
    /// Every naming context.
    pub contexts: Vec<String>,
    /// The domain.
    pub default: Option<String>,
    /// Where Exchange keeps servers and databases.
    pub configuration: Option<String>,
    /// Where attributes are defined.
    pub schema: Option<String>,
    /// Where attributes are defined on other servers (RFC 4512 4.2).
    pub subschema: Option<String>,
    /// OIDs of its controls.
    pub controls: HashSet<String>,
    /// Whether it behaves as Active Directory does.
    pub active_directory: bool,
    /// Whether it says `(!(attribute=*))` of what it hides, as Samba does.
    pub affirms_hidden: bool,
}

/// Whoever takes owners from a search.
pub(crate) trait Owners {
    /// The next owner.
    fn owner(&mut self, entry: Entry) -> Result<()>;
    /// The server forgot the search: everything comes again.
    fn restart(&mut self);
}

/// `LDAP_CAP_ACTIVE_DIRECTORY_OID` ([MS-ADTS] 3.1.1.3.4.3.1).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
impl Bearing {
    /// For a client that waits, and other servers that may be asked.
    pub(crate) const fn brisk(owners: Duration) -> Self {
        Self {
            reconnects: 0,
            owners: Some(owners),
        }
    }

    /// For work that takes its time and has to come to an end.
    const PATIENT: Self = Self {
        reconnects: 6,
        owners: None,
    };
}

/// Searches begun anew before they are given up.
const MOST_RESTARTS: u32 = 3;
/// Requests under way at once on the one connection.
const PARALLEL: usize = 16;
/// More objects than this under one address are told as this many.
const MOST_NAMESAKES: usize = 100;

/// Does some work, and does it again on a new connection when the one it had was lost.
///
/// A macro: a closure that borrows and waits could not go to another thread.
macro_rules! persist {
    ($live:expr, $work:expr) => {{
        let mut patience = $live.patience();
        loop {
            match $work.await {
                Ok(done) => break done,
                Err(error) => $live.again(&mut patience, error).await?,
            }
        }
    }};
}
pub(super) use persist;

impl Live {
    /// Connects, logs in and asks the server what it is.
    pub(crate) async fn open(settings: &Settings, url: &Url) -> Result<Self> {
        let settings = settings.with_known_password()?;
        let client = connect(&settings, url).await?;
        let root = RootDse::read(&client)
            .await
            .with_context(|| format!("{url}: reading its root DSE"))?;
        Ok(Self {
            url: url.clone(),
            settings,
            client,
            root,
            defects: Vec::new(),
            places: None,
            bearing: Bearing::PATIENT,
            rights: None,
        })
    }

    pub(super) fn patience(&self) -> Patience {
        Patience {
            most: self.bearing.reconnects,
            lost: 0,
            silent: false,
        }
    }

    /// The GUID of the domain, or its name where it has none.
    pub(crate) async fn identity(&mut self) -> Result<String> {
        let bases = self.bases()?;
        let head = self
            .root
            .default
            .clone()
            .or_else(|| bases.into_iter().next())
            .unwrap_or_default();
        let found = persist!(self, self.head(&head));
        let guid =
            found.and_then(|entry| Guid::from_bytes(entry.values(attribute::OBJECT_GUID).next()?));
        Ok(guid.map_or_else(|| head.to_lowercase(), |guid| guid.to_string()))
    }

    async fn head(&self, head: &str) -> Result<Option<automend_ldap::Entry>> {
        match self.client.base(head, &[attribute::OBJECT_GUID]).await {
            Err(Error::Refused { code, .. }) if !is_lost_code(code) => Ok(None),
            Err(Error::Referral { .. }) => Ok(None),
            found => found.with_context(|| format!("{}: reading {head}", self.url)),
        }
    }

    /// The names to search below: `--base`, or every naming context that is not inside another.
    pub(crate) fn bases(&self) -> Result<Vec<String>> {
        if !self.settings.base.is_empty() {
            return Ok(self.settings.base.iter().map(ToString::to_string).collect());
        }
        if self.root.contexts.is_empty() {
            bail!(
                "{}: the server names no naming context; give --base",
                self.url
            );
        }
        Ok(self.root.contexts.clone())
    }

    /// The search for owners below `base`.
    pub(crate) fn owner_search(base: &str) -> Search {
        let filter = Filter::present(attribute::DELEGATE_LIST_LINK);
        Search::new(base, Scope::Subtree, filter, AUDITED)
    }

    /// Hands every owner to `sink`, deleted ones too where the server keeps them.
    pub(crate) async fn owners(
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
    pub(crate) async fn stream(
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
                    Err(error) if patience.bears(&error) => {
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

    /// What a request about `dn` needs besides: a deleted object is there only for those who ask.
    pub(crate) fn showing(&self, dn: &Dn) -> Vec<Control> {
        let asks = dn.is_deleted_object() && self.root.controls.contains(SHOW_DELETED);
        asks.then(Control::show_deleted).into_iter().collect()
    }

    /// Whether work that failed is to be done again: then the connection is a new one.
    pub(super) async fn again(
        &mut self,
        patience: &mut Patience,
        error: anyhow::Error,
    ) -> Result<()> {
        if !error
            .downcast_ref()
            .is_some_and(|error| patience.bears(error))
        {
            return Err(error);
        }
        self.reconnect(patience.lost)
            .await
            .with_context(|| format!("after: {error:#}"))
    }

    /// Makes the connection anew, after a pause that grows with `attempt`.
    pub(crate) async fn reconnect(&mut self, attempt: u32) -> Result<()> {
        // 0.1, 0.2, 0.4 s and so on, at most 10 s.
        let wait = Duration::from_millis(100 << attempt.saturating_sub(1).min(7))
            .min(Duration::from_secs(10));
        tokio::time::sleep(wait).await;
        let mut tries = 0;
        loop {
            match connect(&self.settings, &self.url).await {
                Ok(client) => {
                    self.client = client;
                    return Ok(());
                }
                Err(error) if tries >= 3 => {
                    return Err(error.context(format!("{}: the connection was lost", self.url)));
                }
                Err(_) => {
                    tries += 1;
                    tokio::time::sleep(wait.max(Duration::from_secs(1))).await;
                }
            }
        }
    }

    pub(super) fn explain(&self, error: Error, base: &str) -> anyhow::Error {
        let advice = match &error {
            Error::Incomplete {
                code: ResultCode::SIZE_LIMIT_EXCEEDED,
                ..
            } => Some(
                "the server's size limit cut the search short; raise it for this account, or use a smaller --base",
            ),
            Error::Incomplete {
                code: ResultCode::TIME_LIMIT_EXCEEDED,
                ..
            } => Some(
                "the server's time limit cut the search short; raise it for this account, or use a smaller --base",
            ),
            Error::Incomplete { .. } => Some(
                "an administrative limit of the server cut the search short; index msExchDelegateListLink",
            ),
            Error::Refused {
                code: ResultCode::OPERATIONS_ERROR,
                ..
            } if self.settings.user.is_none() => Some("the server wants a login: give --user"),
            _ => None,
        };
        let error = anyhow::Error::new(error).context(format!("{}: searching {base:?}", self.url));
        match advice {
            Some(advice) => error.context(advice),
            None => error,
        }
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

    /// Mailbox databases and servers, as far as the configuration shows them.
    pub(crate) async fn places(&mut self) -> Result<Places> {
        Ok(persist!(self, self.places_once()))
    }

    async fn places_once(&self) -> Result<Places> {
        let mut places = Places::known();
        let Some(configuration) = &self.root.configuration else {
            return Ok(places);
        };
        let class = |name| Filter::equal(attribute::OBJECT_CLASS, name);
        let filter = Filter::or([class(Place::DATABASE), class(Place::SERVER)]);
        let search = Search::new(
            configuration,
            Scope::Subtree,
            filter,
            &[attribute::OBJECT_CLASS],
        );
        let mut pages = self.client.paged(search, self.settings.page_size);
        loop {
            match pages.next().await {
                Ok(Some(Item::Entry(entry))) => {
                    if let Ok(dn) = Dn::parse(&entry.dn) {
                        let classes = entry.values(attribute::OBJECT_CLASS);
                        classes
                            .filter_map(|class| Place::of(class, &dn))
                            .for_each(|place| places.add(place));
                    }
                }
                Ok(Some(Item::Reference(_))) => {}
                Ok(None) => return Ok(places),
                Err(Error::Refused { code, .. }) if !is_lost_code(code) => {
                    return Ok(Places::known());
                }
                Err(Error::Referral { .. }) => return Ok(Places::known()),
                Err(error) => return Err(self.explain(error, configuration)),
            }
        }
    }

    /// Groups that are delegates.
    pub(crate) async fn group_delegates(&mut self) -> Result<Vec<Entry>> {
        struct Groups(Vec<Entry>);
        impl Owners for Groups {
            fn owner(&mut self, entry: Entry) -> Result<()> {
                self.0.push(entry);
                Ok(())
            }
            fn restart(&mut self) {
                self.0.clear();
            }
        }
        let filter = Filter::and([
            Filter::equal(attribute::OBJECT_CLASS, "group"),
            Filter::present(attribute::DELEGATE_LIST_BL),
        ]);
        let attributes = [
            attribute::OBJECT_CLASS,
            attribute::OBJECT_GUID,
            attribute::DELEGATE_LIST_BL,
        ];
        let mut groups = Groups(Vec::new());
        self.stream(&filter, &attributes, &mut groups).await?;
        Ok(groups.0)
    }

    /// Whether the schema has the forward link; `None` when the schema cannot be read.
    pub(crate) async fn has_exchange_schema(&mut self) -> Result<Option<bool>> {
        Ok(persist!(self, self.has_exchange_schema_once()))
    }

    async fn has_exchange_schema_once(&self) -> Result<Option<bool>> {
        if let Some(schema) = &self.root.schema {
            let filter = Filter::equal("lDAPDisplayName", attribute::DELEGATE_LIST_LINK);
            let search = Search::new(schema, Scope::One, filter, &["lDAPDisplayName"]);
            match self.client.entries(&search, 10).await {
                Ok(found) if !found.is_empty() => return Ok(Some(true)),
                Ok(_) if self.root.active_directory => return Ok(Some(false)),
                Ok(_) | Err(Error::Refused { .. } | Error::Referral { .. }) => {}
                Err(error) => return Err(error).context("reading the schema"),
            }
        }
        let Some(subschema) = &self.root.subschema else {
            return Ok(None);
        };
        let filter = Filter::equal(attribute::OBJECT_CLASS, "subschema");
        let search = Search::new(subschema, Scope::Base, filter, &["attributeTypes"]);
        let found = match self.client.entries(&search, 1).await {
            Ok(found) => found,
            Err(Error::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error).context("reading the schema"),
        };
        let named = format!("'{}'", attribute::DELEGATE_LIST_LINK).to_ascii_lowercase();
        Ok(found.first().map(|entry| {
            entry.values("attributeTypes").any(|definition| {
                String::from_utf8_lossy(definition)
                    .to_ascii_lowercase()
                    .contains(&named)
            })
        }))
    }

    /// Answers the resolver's questions, many at once.
    pub(crate) async fn answer(&mut self, needs: Vec<Need>, known: &mut Known) -> Result<()> {
        let of_places = |need: &Need| matches!(need, Need::Exists(_) | Need::Server(_));
        if self.places.is_none() && needs.iter().any(of_places) {
            self.places = Some(Arc::new(self.places().await?.or_nothing().0));
        }
        let until = self.bearing.owners.map(|most| Instant::now() + most);
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
                    let suspect = !owner::missing(entry).is_empty() && !owner::is_remote(entry);
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
        let questions: Vec<_> = needs
            .iter()
            .map(|need| self.in_time(need, until).boxed())
            .collect();
        let mut answers = stream::iter(questions).buffered(PARALLEL);
        for need in needs {
            let Some(answer) = answers.next().await else {
                break;
            };
            let (answer, defects) = answer?;
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
                self.several(
                    &Filter::equal(attribute::LEGACY_EXCHANGE_DN, legacy),
                    &mut defects,
                )
                .await?
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
            if owner::missing(&entry).is_empty() || owner::is_remote(&entry) {
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

impl RootDse {
    pub(crate) async fn read(client: &Client) -> Result<Self, Error> {
        const WANTED: &[&str] = &[
            "namingContexts",
            "defaultNamingContext",
            "configurationNamingContext",
            "schemaNamingContext",
            "subschemaSubentry",
            "supportedControl",
            "supportedCapabilities",
            "vendorName",
        ];
        let entry = client.base("", WANTED).await?.unwrap_or_default();
        let texts = |name: &str| -> Vec<String> {
            entry
                .values(name)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        let one = |name: &str| texts(name).into_iter().next();
        let mut contexts = texts("namingContexts");
        // A subtree search covers what lies inside, unless the server keeps it apart, as AD does.
        let active_directory = texts("supportedCapabilities")
            .iter()
            .any(|oid| oid == ACTIVE_DIRECTORY);
        if !active_directory {
            let names: Vec<Dn> = contexts
                .iter()
                .filter_map(|text| Dn::parse(text).ok())
                .collect();
            contexts.retain(|text| {
                Dn::parse(text).is_ok_and(|dn| {
                    !names
                        .iter()
                        .any(|other| *other != dn && dn.is_within(other))
                })
            });
        }
        Ok(Self {
            contexts,
            default: one("defaultNamingContext"),
            configuration: one("configurationNamingContext"),
            schema: one("schemaNamingContext"),
            subschema: one("subschemaSubentry"),
            controls: texts("supportedControl").into_iter().collect(),
            active_directory,
            affirms_hidden: one("vendorName").is_some_and(|name| name.starts_with("Samba")),
        })
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

/// Why an object that took too long is unreadable.
pub(crate) const LATE: &str = "the directory took too long to tell";

/// How much loss is borne while nothing comes.
pub(super) struct Patience {
    most: u32,
    /// Connections lost since anything came.
    lost: u32,
    silent: bool,
}

impl Patience {
    /// Whether work that failed so is to be taken up again. A server that says nothing for the whole
    /// timeout gets one more chance, as a firewall may have forgotten the connection, and no second one.
    fn bears(&mut self, error: &Error) -> bool {
        let silent = matches!(error, Error::TimedOut { .. });
        if !is_lost(error) || self.lost >= self.most || silent && self.silent {
            return false;
        }
        self.lost += 1;
        self.silent |= silent;
        true
    }
}

/// Whether another connection may go on where this one ended.
pub(crate) fn is_lost(error: &Error) -> bool {
    matches!(
        error,
        Error::Closed { .. } | Error::Io { .. } | Error::TimedOut { .. }
    ) || matches!(error, Error::Refused { code, .. } if is_lost_code(*code))
}

/// A refusal for now, not for good.
pub(super) fn is_lost_code(code: ResultCode) -> bool {
    matches!(code, ResultCode::BUSY | ResultCode::UNAVAILABLE)
}

/// The attributes an audit asks for; `Live::prove` reads more of the few that look stale.
pub(crate) const AUDITED: &[&str] = links::ATTRIBUTES;
