//! A live server: Active Directory, Samba, or any LDAP v3 directory with the Exchange attributes.
//!
//! Owners come from one paged search a naming context; lost connections are made again and the search
//! goes on where it was, or from the start where the server has forgotten it.
//!
//! Invariant: absence is proved. Servers leave out what may not be read, so before a link is called
//! stale the server itself must say `(!(attribute=*))`, which it answers only for what may be read
//! ([MS-ADTS] 3.1.1.3.1.3.1, RFC 4511 4.5.1.7); what it does not affirm is marked undecided. Samba
//! affirms it of what it hides, too, so there the object's own permissions are looked at (`rights`).

// First, for its macro.
#[macro_use]
mod reconnect;

mod identity;
mod lookup;
mod root_dse;
mod search;
mod together;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use automend_core::checks::configuration::{ATTRIBUTES, CLASSES, Installed};
use automend_core::checks::links;
use automend_core::dn::Dn;
use automend_core::entry::Defect;
use automend_core::names::{Guid, attribute};
use automend_ldap::control::SHOW_DELETED;
use automend_ldap::{Client, Control, Error, Filter, Item, ResultCode, Scope, Search};

use super::rights::Rights;
use super::topology::Topology;
use super::typed::texts;
use crate::connect::sign_in;
use crate::location::LdapUrl;
use crate::settings::Settings;

pub use identity::check_held;
pub use lookup::LATE;
pub use reconnect::{is_lost, is_lost_code};
pub use root_dse::RootDse;

/// A live server.
pub struct Live {
    /// Where it is.
    pub url: LdapUrl,
    /// How it was reached.
    pub settings: Settings,
    /// How this account signed in, where it was by Kerberos: a sentence for people.
    pub signed_in: Option<String>,
    /// The connection.
    pub client: Client,
    /// What it says of itself.
    pub root: RootDse,
    /// Values that could not be used.
    pub defects: Vec<Defect>,
    /// Databases and servers, once they were asked for.
    pub places: Option<Arc<Topology>>,
    /// How patient it is: for work that has no other server, or for a client that waits.
    pub policy: RetryPolicy,
    /// What this account may read, once they were asked for.
    pub(super) rights: Option<Rights>,
}

/// How patient one is with a server.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Connections made again while nothing comes, before the work is given up.
    pub reconnects: u32,
    /// How long all objects that are asked for by name may take together; those that take longer count
    /// as unreadable.
    pub owners: Option<Duration>,
}

impl RetryPolicy {
    /// For a client that waits, and other servers that may be asked.
    pub const fn fail_fast(owners: Duration) -> Self {
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

impl Live {
    /// Connects, logs in and asks the server what it is.
    pub async fn open(settings: &Settings, url: &LdapUrl) -> Result<Self> {
        let settings = settings.with_known_password()?;
        let (client, signed_in) = sign_in(&settings, url).await?;
        let root = RootDse::read(&client)
            .await
            .with_context(|| format!("{url}: reading its root DSE"))?;
        if let Some(one) = &settings.one {
            check_held(one, url, &client, &root).await?;
        }
        Ok(Self {
            url: url.clone(),
            settings,
            signed_in,
            client,
            root,
            defects: Vec::new(),
            places: None,
            policy: RetryPolicy::PATIENT,
            rights: None,
        })
    }

    /// The GUID of the domain, or its name where it has none.
    pub async fn identity(&mut self) -> Result<String> {
        let bases = self.bases()?;
        let head = self
            .root
            .default
            .clone()
            .or_else(|| bases.into_iter().next())
            .unwrap_or_default();
        let found = retry!(self, self.head(&head));
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
    pub fn bases(&self) -> Result<Vec<String>> {
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

    /// What else a request about `dn` needs: a deleted object is there only for those who ask.
    pub fn showing(&self, dn: &Dn) -> Vec<Control> {
        let asks = dn.is_deleted_object() && self.root.controls.contains(SHOW_DELETED);
        asks.then(Control::show_deleted).into_iter().collect()
    }

    /// The error with the server at which it happened.
    pub fn at(&self, error: Error) -> anyhow::Error {
        anyhow::Error::new(error).context(self.url.to_string())
    }

    pub(super) fn explain(&self, error: Error, base: &str) -> anyhow::Error {
        if let Error::Refused {
            code: ResultCode::NO_SUCH_OBJECT,
            ..
        } = &error
            && self.settings.base.iter().any(|dn| dn.to_string() == base)
        {
            // The rest of what the server says is about its own source.
            let contexts = match self.root.contexts.as_slice() {
                [] => "the server names no naming context".to_owned(),
                all => format!("the directory's naming contexts are {}", all.join(" and ")),
            };
            return anyhow::anyhow!(
                "{}: no object has this DN: --base {base:?}; {contexts}",
                self.url
            );
        }
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
            } if self.settings.user.is_none() => {
                Some("the server wants a login: run kinit, or give --user")
            }
            _ => None,
        };
        let error = anyhow::Error::new(error).context(format!("{}: searching {base:?}", self.url));
        match advice {
            Some(advice) => error.context(advice),
            None => error,
        }
    }

    /// Mailbox databases and servers, as far as the configuration shows them.
    pub async fn places(&mut self) -> Result<Topology> {
        Ok(retry!(self, self.places_once()))
    }

    async fn places_once(&self) -> Result<Topology> {
        let mut places = Topology::known();
        let Some(configuration) = &self.root.configuration else {
            return Ok(places);
        };
        let classes = CLASSES.map(|name| Filter::equal(attribute::OBJECT_CLASS, name));
        let filter = Filter::or(classes);
        let search = Search::new(configuration, Scope::Subtree, filter, ATTRIBUTES);
        let mut pages = self.client.paged(search, self.settings.page_size);
        loop {
            match pages.next().await {
                Ok(Some(Item::Entry(entry))) => {
                    if let Ok(dn) = Dn::parse(&entry.dn) {
                        let values = |name: &str| texts(entry.values(name));
                        let classes = entry.values(attribute::OBJECT_CLASS);
                        places
                            .extend(classes.filter_map(|class| Installed::of(class, &dn, values)));
                    }
                }
                Ok(Some(Item::Reference(_))) => {}
                Ok(None) => return Ok(places),
                Err(Error::Refused { code, .. }) if !is_lost_code(code) => {
                    return Ok(Topology::known());
                }
                Err(Error::Referral { .. }) => return Ok(Topology::known()),
                Err(error) => return Err(self.explain(error, configuration)),
            }
        }
    }

    /// Whether the schema has the forward link; `None` when the schema cannot be read.
    pub async fn has_exchange_schema(&mut self) -> Result<Option<bool>> {
        Ok(retry!(self, self.has_exchange_schema_once()))
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
}

/// The attributes an audit asks for; `Live::prove` reads more of the few that look stale.
pub const AUDITED: &[&str] = links::ATTRIBUTES;
