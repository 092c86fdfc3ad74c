//! Lines that are printed, and that need no reader.

use std::fmt::{self, Write as _};
use std::io::Write as _;

/// Says a line on standard output. That nobody listens any more must not stop a mend halfway.
pub(crate) fn say_line(line: fmt::Arguments<'_>) {
    let mut text = String::new();
    let _ = writeln!(text, "{line}");
    let _ = anstream::stdout().write_all(text.as_bytes());
}

/// As [`println`], but it bears a pipe that is closed.
macro_rules! say {
    ($($line:tt)*) => { $crate::console::say_line(format_args!($($line)*)) };
}
pub(crate) use say;
