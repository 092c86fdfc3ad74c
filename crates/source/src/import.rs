//! An LDIF file, read into an embedded directory.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result};
use automend_directory::{Directory, FILE, Import, Report, import};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ldif::Ldif;
use automend_system::clock;

/// Reads a file into the directory in `folder`, which is made when it is not there; the moment of the
/// import is now.
pub fn import_file(file: &str, folder: &Path, how: Import) -> Result<Report> {
    let ldif = if file == "-" {
        Ldif::standard_input()?
    } else {
        Ldif::open(Path::new(file))?
    };
    let (reader, size) = ldif.reader()?;
    let store = if folder.join(FILE).exists() {
        Directory::open(folder)
    } else {
        Directory::create(folder)
    };
    let store = store.with_context(|| format!("opening {}", folder.display()))?;
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(size)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(
        ProgressStyle::with_template("importing {bar:30} {bytes}/{total_bytes} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
    let how = Import { now, ..how };
    let report = import(&store, reader, how, |progress| {
        bar.set_position(progress.bytes);
    })
    .with_context(|| format!("importing {}; the directory is as it was", ldif.shown))?;
    bar.finish_and_clear();
    Ok(report)
}
