//! Where a plan or a receipt comes from: what both begin with, and what is looked at before the rest.
//!
//! Invariant: nothing of a document of another version is believed, and nothing that cannot be read is
//! passed over.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a document says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Origin {
    /// Of the document's form.
    pub version: u32,
    /// The program that made it.
    pub tool: String,
    /// The time in UTC.
    pub made: String,
    /// The directory, as it was named.
    pub directory: String,
    /// What stays when the directory is named otherwise.
    pub identity: String,
}

impl Origin {
    /// The origin of a document that this program makes.
    pub(crate) fn new(version: u32, made: String, directory: String, identity: String) -> Self {
        Self {
            version,
            tool: format!("automend {}", env!("CARGO_PKG_VERSION")),
            made,
            directory,
            identity,
        }
    }
}

/// Reads a document that begins with an [`Origin`] of one of these versions; `what` is the word for it.
///
/// # Errors
///
/// It is of another version, or it cannot be read: `at` is the file, with the line if it is but one of many.
pub(crate) fn document<T: DeserializeOwned>(
    json: &str,
    what: &str,
    versions: RangeInclusive<u32>,
    path: &Path,
    at: impl FnOnce() -> String,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_str(json) {
        Ok(Versioned { version }) if !versions.contains(&version) => {
            let known: Vec<String> = versions.map(|version| version.to_string()).collect();
            bail!(
                "{}: a {what} of version {version}, this program reads {}",
                path.display(),
                known.join(" and ")
            )
        }
        // The whole document reports whatever else is wrong.
        _ => serde_json::from_str(json).map_err(|error| anyhow!(error).context(at())),
    }
}
