//! A file as it was at some moment, to see whether it has changed since.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file as it was: it is read again when that has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FileVersion {
    path: PathBuf,
    state: Option<(SystemTime, u64)>,
}

impl FileVersion {
    /// The file as it is now.
    pub(crate) fn of(path: &Path) -> Self {
        let state = || {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        Self {
            path: path.to_owned(),
            state: state(),
        }
    }

    /// Whether it is still so.
    pub(crate) fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}
