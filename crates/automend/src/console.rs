//! What is said to a person: text of a directory made safe to show, and lines that nobody has to read.
//!
//! Whoever may set a display name must not move the cursor of an administrator, nor turn around what
//! stands behind it. Forms for programs (JSON, CSV, LDIF, XML) have rules of their own and are not
//! changed here.

use std::fmt::{self, Display, Write as _};
use std::io::Write as _;

/// Text of a directory, a server or a file as it may be shown on a terminal: on one line, with control
/// characters and those that change the direction of writing told instead of done.
pub(crate) fn plain(text: impl Display) -> String {
    let mut out = String::new();
    for c in text.to_string().chars() {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same for what has lines of its own, such as the error of a configuration file.
pub(crate) fn plain_lines(text: impl Display) -> String {
    text.to_string()
        .split('\n')
        .map(plain)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether a terminal does something with it other than showing it.
fn acts(c: char) -> bool {
    c.is_control()
        // Line and paragraph separators; marks, embeddings, overrides and isolates of direction (UAX 9).
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_told() {
        assert_eq!(
            plain("J\u{1b}[2Jim\r\n\u{9b}1m\u{202e}evil"),
            r"J\u{1b}[2Jim\r\n\u{9b}1m\u{202e}evil"
        );
        assert_eq!(
            plain("Zoë 👩\u{200d}🚒 'q' \"p\" שלום"),
            "Zoë 👩\u{200d}🚒 'q' \"p\" שלום"
        );
        assert_eq!(plain_lines("a\n\u{7}b"), "a\n\\u{7}b");
    }
}
