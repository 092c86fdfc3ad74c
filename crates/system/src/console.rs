//! Lines that are printed, and that need no reader.

use std::fmt::{self, Write as _};
use std::io::Write as _;

/// Prints a line on standard output. A reader that has gone must not stop a change halfway.
pub fn say_line(line: fmt::Arguments<'_>) {
    let mut text = String::new();
    let _ = writeln!(text, "{line}");
    let _ = anstream::stdout().write_all(text.as_bytes());
}

/// As [`println`], but a pipe that is closed is no error.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::console::say_line(format_args!($($line)*)) };
}
