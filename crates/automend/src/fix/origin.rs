//! Where a plan or a receipt comes from: what both begin with, and what is looked at before the rest.
//!
//! Invariant: nothing of a document of another version is believed, and nothing that cannot be read is
//! passed over.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a document says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Origin {
    version: u32,
    /// The program that made it.
    pub tool: String,
    /// The time in UTC.
    pub made: String,
    /// The directory, as it was named.
    pub directory: String,
    /// What stays when the directory is named otherwise.
    pub identity: String,
}

/// The one version that there is, of plans and of receipts.
const VERSION: u32 = 1;

impl Origin {
    /// The origin of a document that this program makes.
    pub(crate) fn new(made: String, directory: String, identity: String) -> Self {
        Self {
            version: VERSION,
            tool: format!("automend {}", env!("CARGO_PKG_VERSION")),
            made,
            directory,
            identity,
        }
    }
}

/// Reads a document that begins with an [`Origin`]; `what` is the word for it.
///
/// # Errors
///
/// It is of another version, or it cannot be read: `at` is the file, with the line if it is but one of many.
pub(super) fn document<T: DeserializeOwned>(
    json: &str,
    what: &str,
    path: &Path,
    at: impl FnOnce() -> String,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_str(json) {
        Ok(Versioned { version }) if version != VERSION => bail!(
            "{}: a {what} of version {version}, this program reads {VERSION}",
            path.display()
        ),
        // Whatever else is wrong is told by the whole document.
        _ => serde_json::from_str(json).map_err(|error| anyhow!(error).context(at())),
    }
}
