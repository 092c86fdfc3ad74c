//! What stands before a write: the question, where the receipt goes, and whether the directory takes writes.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use automend_source::Directory;
use automend_system::clock;

use super::writer;

/// Where the receipt goes: to `path`, or to a name made of the time that no file has.
pub(crate) fn receipt_path(path: Option<&Path>) -> PathBuf {
    if let Some(path) = path {
        return path.to_path_buf();
    }
    let now = clock::for_file_name(clock::now());
    let first = PathBuf::from(format!("automend-receipt-{now}.ldif"));
    // Two runs within a second; a third program in between is refused when the file is made.
    let others = (2..100).map(|n| PathBuf::from(format!("automend-receipt-{now}-{n}.ldif")));
    let mut names = std::iter::once(first.clone()).chain(others);
    names.find(|name| !name.exists()).unwrap_or(first)
}

/// How a change is kept from falling on something else than was read, for the receipt.
pub(crate) fn guard(directory: &Directory) -> &'static str {
    match directory {
        Directory::Live(live) if writer::asserts(live) => "asserted in the same request (RFC 4528)",
        Directory::Live(_) => {
            "read again immediately before each write; the server cannot assert it in the same request"
        }
        _ => "single writer",
    }
}

/// That the directory can be written where it was opened.
pub(crate) fn writable(directory: &Directory) -> Result<()> {
    match directory {
        Directory::Live(live) if live.url.is_global_catalog() => bail!(
            "{}: a global catalog is only read; to write, name a domain controller without the port, or with 389 or 636",
            live.url
        ),
        _ => Ok(()),
    }
}

/// Asks on the terminal.
pub(crate) fn confirmed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("no terminal to ask on: {question} Answer with --yes; nothing was written");
    }
    let mut out = std::io::stdout();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
