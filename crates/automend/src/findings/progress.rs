//! How far an audit is, for a person who waits at a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use automend_source::Location;

/// A bar over the bytes of a file, or a count of the owners of a server; nothing without a terminal.
pub(super) fn bar(source: &Location) -> ProgressBar {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // A file of this size is read before anybody sees a bar.
    let small =
        |path: &std::path::Path| std::fs::metadata(path).is_ok_and(|file| file.len() < 16 << 20);
    if matches!(source, Location::Ldif(path) if small(path)) {
        return ProgressBar::hidden();
    }
    let (bar, form) = match source {
        Location::Ldif(_) | Location::StandardInput => (
            ProgressBar::new(0),
            "reading {bar:30} {bytes}/{total_bytes} {bytes_per_sec}",
        ),
        Location::Server(_) | Location::Embedded(_) => (
            ProgressBar::new_spinner(),
            "{spinner} {pos} owners, {per_sec}",
        ),
    };
    bar.set_style(
        ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}
