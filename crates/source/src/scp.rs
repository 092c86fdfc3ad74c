//! Service connection points: the servers that a directory names to members of its domain.
//!
//! [MS-OXDISCO] 3.1.5.1: below the configuration, objects of the class `serviceConnectionPoint` with one
//! of two GUIDs among their keywords.
//!
//! Invariant: what comes back is what is there; which of it counts, core decides.

use anyhow::Result;
use automend_core::checks::configuration::CONNECTION_POINT;
use automend_core::discovery::{SCP_POINTER, SCP_URL, Scp};
use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_ldap::{Filter, Item, Scope, Search};

use super::Directory;
use super::embedded::Embedded;
use super::ldif::Ldif;
use super::live::Live;
use super::typed::texts;
use crate::retry;

/// More of them are not read.
const MOST: usize = 10_000;

impl Directory {
    /// Every service connection point of Autodiscover.
    pub async fn service_connection_points(&mut self) -> Result<Vec<Scp>> {
        match self {
            Self::Live(live) => Ok(retry!(live, of_server(live))),
            Self::Embedded(embedded) => of_embedded(embedded),
            Self::Ldif(ldif) => of_file(ldif),
        }
    }
}

async fn of_server(live: &Live) -> Result<Vec<Scp>> {
    let Some(configuration) = &live.root.configuration else {
        return Ok(Vec::new());
    };
    let keyword = |marker| Filter::equal(attribute::KEYWORDS, marker);
    let filter = Filter::and([
        Filter::equal(attribute::OBJECT_CLASS, CONNECTION_POINT),
        Filter::or([keyword(SCP_POINTER), keyword(SCP_URL)]),
    ]);
    let wanted = [attribute::KEYWORDS, attribute::SERVICE_BINDING];
    let search = Search::new(configuration, Scope::Subtree, filter, &wanted);
    let mut pages = live.client.paged(search, live.settings.page_size);
    let mut found = Vec::new();
    while let Some(item) = pages
        .next()
        .await
        .map_err(|error| live.explain(error, configuration))?
    {
        if let Item::Entry(entry) = item
            && found.len() < MOST
        {
            found.push(Scp {
                keywords: texts(entry.values(attribute::KEYWORDS)),
                bindings: texts(entry.values(attribute::SERVICE_BINDING)),
            });
        }
    }
    Ok(found)
}

fn of_embedded(embedded: &Embedded) -> Result<Vec<Scp>> {
    let reading = embedded.reading()?;
    let mut found = Vec::new();
    let everything = reading.subtree(&Dn::root(), automend_directory::Scope::Subtree)?;
    for object in everything.with_links(&[]) {
        let object = object?;
        if object.holds(attribute::OBJECT_CLASS, CONNECTION_POINT.as_bytes()) && found.len() < MOST
        {
            let values = |name| texts(object.values(name).iter().map(Vec::as_slice));
            found.push(Scp {
                keywords: values(attribute::KEYWORDS),
                bindings: values(attribute::SERVICE_BINDING),
            });
        }
    }
    Ok(found)
}

fn of_file(ldif: &mut Ldif) -> Result<Vec<Scp>> {
    let mut found = Vec::new();
    ldif.scan(|record, _| {
        let values = |name| -> Vec<String> {
            let values = record.values(name).flatten();
            values
                .map(|value| String::from_utf8_lossy(&value).into_owned())
                .collect()
        };
        let is_point = |class: &String| class.eq_ignore_ascii_case(CONNECTION_POINT);
        if found.len() < MOST && values(attribute::OBJECT_CLASS).iter().any(is_point) {
            found.push(Scp {
                keywords: values(attribute::KEYWORDS),
                bindings: values(attribute::SERVICE_BINDING),
            });
        }
    })?;
    Ok(found)
}
