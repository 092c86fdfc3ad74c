//! A bar on standard error while changes are written, where that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar, or a spinner where the length is 0.
pub(crate) fn bar(length: usize, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let form = if length == 0 {
        "{spinner} {msg} {elapsed}"
    } else {
        "{msg} {bar:30} {pos}/{len}"
    };
    ProgressBar::new(length as u64)
        .with_style(
            ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
        .with_message(what)
}
