//! Where answers come from: an embedded directory, an LDIF file that was read into one, or live servers.
//!
//! Invariant: a file or a folder that others may change is not written to; what is imported goes into a
//! folder of its own that ends with the service.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use automend_core::dn::Dn;
use automend_core::resolve::{Request, Resolved};
use automend_core::view::Known;
use automend_directory::{Import, NtHash, Scope};
use automend_login::Accounts;
use automend_source::embedded::{self, Embedded};
use automend_source::import::import_file;
use automend_source::pool::Outage;
use automend_source::{Directory, Location};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

use super::domains::{ACCEPTED_DOMAIN_NAME, accepted, of_entry, of_naming_context};
use super::file_version::FileVersion;
use super::live::Servers;
use super::log::Log;
use super::metrics::Metrics;
use super::settings;

/// Where answers come from.
pub(crate) enum Backend {
    /// A file on this machine.
    Embedded(Box<Store>),
    /// Live servers.
    Live(Servers),
}

/// An embedded directory, and who reads it at the moment.
pub(crate) struct Store {
    embedded: Embedded,
    /// Reading may wait for a disk, so only so many do it at once.
    readers: Semaphore,
    /// What was imported, and the folder that holds it.
    imported: Option<(TempDir, FileVersion)>,
}

/// Notes of an import that are logged; the others are counted.
const NOTES: usize = 20;
/// Readers of an embedded directory at once.
const READERS: usize = 16;
/// Objects that are looked at to find out which mail domains there are.
const SAMPLE: usize = 2_000;

impl Backend {
    /// Opens the directory.
    pub(crate) async fn open(
        from: &automend_source::Settings,
        serve: &settings::Settings,
        log: Arc<Log>,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let store = match &from.directory {
            Location::Server(_) => {
                return Ok(Self::Live(
                    Servers::open(from, serve.directory, log, metrics).await?,
                ));
            }
            Location::Embedded(folder) => Store::open(Embedded::open(folder)?, None),
            // Others are served meanwhile.
            Location::Ldif(path) => {
                block_in_place(|| import(&path.display().to_string(), serve, &log))?
            }
            Location::StandardInput => block_in_place(|| import("-", serve, &log))?,
        };
        Ok(Self::Embedded(Box::new(store)))
    }

    /// How many commits the embedded directory has seen; live servers do not tell.
    pub(crate) fn commits(&self) -> Option<u64> {
        match self {
            Self::Embedded(store) => Some(store.embedded.directory.commits()),
            Self::Live(_) => None,
        }
    }

    /// Asks the resolver.
    pub(crate) async fn resolve(&self, request: &Request) -> Result<Resolved, Outage> {
        match self {
            Self::Embedded(store) => store.resolve(request).await.map_err(|error| Outage {
                reason: format!("{error:#}"),
            }),
            Self::Live(servers) => servers.resolve(request).await,
        }
    }

    /// Those who may log in: the accounts of the same directory.
    pub(crate) fn accounts(&self) -> Result<Accounts> {
        match self {
            Self::Embedded(store) => Ok(Accounts::embedded(store.embedded.directory.clone())),
            Self::Live(servers) => servers.accounts(),
        }
    }

    /// The mail domains, as far as a short look shows them; `*.contoso.com` stands for those below.
    pub(crate) async fn domains(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        match self {
            // What cannot be read names none.
            Self::Embedded(store) => drop(block_in_place(|| store.domains(&mut found))),
            Self::Live(servers) => servers.domains(&mut found).await,
        }
        // The domain of accounts is often no mail domain: it is taken where there is no better one.
        if found.is_empty() {
            found.extend(self.of_accounts());
        }
        found.into_iter().collect()
    }

    fn of_accounts(&self) -> Option<String> {
        match self {
            Self::Embedded(store) => {
                let contexts = store.embedded.reading().ok()?.naming_contexts().ok()?;
                contexts.iter().find_map(of_naming_context)
            }
            Self::Live(servers) => of_naming_context(&Dn::parse(&servers.default_context()?).ok()?),
        }
    }

    /// Whether the file that was imported is another one by now.
    pub(crate) fn is_outdated(&self) -> bool {
        match self {
            Self::Embedded(store) => store
                .imported
                .as_ref()
                .is_some_and(|(_, stamp)| !stamp.holds()),
            Self::Live(_) => false,
        }
    }

    /// Whether there is anybody to ask at the moment.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Live(servers) => servers.is_there(),
        }
    }

    /// The state of each server.
    pub(crate) fn state(&self) -> Value {
        match self {
            Self::Embedded(store) => json!([{ "server": store.embedded.shown, "up": true }]),
            Self::Live(servers) => servers.state(),
        }
    }
}

impl Store {
    fn open(mut embedded: Embedded, imported: Option<(TempDir, FileVersion)>) -> Self {
        embedded.lean = true;
        Self {
            embedded,
            readers: Semaphore::new(READERS),
            imported,
        }
    }

    async fn resolve(&self, request: &Request) -> Result<Resolved> {
        let _exchange = self.readers.acquire().await?;
        let (embedded, request) = (self.embedded.clone(), request.clone());
        let resolved = tokio::task::spawn_blocking(move || {
            let mut directory = Directory::Embedded(embedded);
            // Nothing of an embedded directory waits, so this is done at the first poll.
            futures_util::FutureExt::now_or_never(async {
                directory.resolve(&request, &mut Known::default()).await
            })
            .context("the embedded directory did not answer immediately")?
        });
        resolved.await.context("reading the directory")?
    }

    fn domains(&self, found: &mut BTreeSet<String>) -> Result<()> {
        let reading = self.embedded.reading()?;
        for context in reading.naming_contexts()? {
            let whole = context.rdn().eq_ignore_ascii_case("CN=Configuration");
            let most = if whole { usize::MAX } else { SAMPLE };
            let everything = reading.subtree(&context, Scope::Subtree)?;
            for object in everything.with_links(&[]).take(most) {
                let object = object?;
                for name in object.values(ACCEPTED_DOMAIN_NAME) {
                    found.extend(accepted(&String::from_utf8_lossy(name)));
                }
                found.extend(of_entry(&embedded::entry(&object, &mut Vec::new())));
            }
        }
        Ok(())
    }
}

/// Reads LDIF into a directory that ends with the service.
fn import(file: &str, serve: &settings::Settings, log: &Log) -> Result<Store> {
    let stamp = FileVersion::of(Path::new(file));
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let how = Import {
        keep_going: true,
        nt_hashes: if serve.schemes.contains(&automend_negotiate::Scheme::Ntlm) {
            NtHash::Kept
        } else {
            NtHash::Dropped
        },
        ..Import::default()
    };
    let report = import_file(file, folder.path(), how)?;
    if report.added == 0 {
        bail!("{file}: no object in it");
    }
    let notes: Vec<String> = report
        .notes
        .iter()
        .take(NOTES)
        .map(|note| format!("line {}: {}", note.line, note.trouble))
        .collect();
    log.event(
        "imported",
        json!({
            "file": file,
            "objects": report.added,
            "links": report.links,
            "noted": report.noted,
            "notes": notes,
        }),
    );
    let mut embedded = Embedded::open(folder.path())?;
    file.clone_into(&mut embedded.shown);
    Ok(Store::open(embedded, Some((folder, stamp))))
}
