//! Commands that are printed for people to paste.
//!
//! What stands in them comes from directories, recordings and servers, so a command is a program and its
//! arguments, and becomes text only here, quoted for a shell: POSIX (XCU 2.2, single
//! quotes), or `PowerShell` (`about_Quoting_Rules`). Programs get the arguments as they are.
//!
//! Invariant: whatever an argument holds, the shell hands exactly it to the program, and the text is free
//! of characters that a terminal acts upon (but for line feeds at the end of an argument).

use std::fmt::{self, Display, Write};

use crate::dn::Dn;

/// A command: a program, options, and operands behind them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    words: Vec<String>,
    operands: Vec<String>,
}

/// A call of a `PowerShell` cmdlet: a name and parameters with their values.
///
/// A value stands in quotes always, as a bare `-x` would be a parameter and a bare `1e3` a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cmdlet(String);

impl Cmdlet {
    /// A cmdlet, with nothing behind it.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Adds a parameter and its value.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.0, " -{name} {}", power_shell(value));
        self
    }

    /// Adds a switch and its state.
    #[must_use]
    pub fn switch(mut self, name: &str, on: bool) -> Self {
        let state = if on { "true" } else { "false" };
        let _ = write!(self.0, " -{name}:${state}");
        self
    }
}

impl Display for Cmdlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shell into which a command is pasted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shell {
    /// `sh` and its descendants.
    Posix,
    /// Windows `PowerShell` and `PowerShell`.
    PowerShell,
}

impl Shell {
    /// The usual shell of the system for which this program was built.
    pub const HERE: Self = if cfg!(windows) {
        Self::PowerShell
    } else {
        Self::Posix
    };
}

impl Command {
    /// A program, with nothing behind it.
    pub fn new(program: &str) -> Self {
        Self {
            words: vec![program.to_owned()],
            operands: Vec::new(),
        }
    }

    /// A command of this program, such as `audit`.
    pub fn automend(verb: &str) -> Self {
        Self::new("automend").word(verb)
    }

    /// Adds a word as it is: a subcommand, an option without a value, or whatever another program takes
    /// in its own way.
    #[must_use]
    pub fn word(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Adds an option and its value. A value that looks like an option itself is bound to its name.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        if value.starts_with('-') && value != "-" {
            self.words.push(format!("{name}={value}"));
        } else {
            self.words.extend([name.to_owned(), value]);
        }
        self
    }

    /// Adds an option whose value is a name of the directory, see [`portable`].
    #[must_use]
    pub fn name(self, option: &str, dn: &Dn) -> Self {
        self.option(option, portable(dn))
    }

    /// Adds all options of another command, but not its program, its verb or its operands.
    #[must_use]
    pub fn with_options_of(mut self, other: &Self) -> Self {
        self.words.extend(other.words.iter().skip(2).cloned());
        self
    }

    /// Adds an operand, such as the name of a file.
    #[must_use]
    pub fn operand(mut self, value: impl Display) -> Self {
        self.operands.push(value.to_string());
        self
    }

    /// The program and its arguments, as they arrive there.
    pub fn arguments(&self) -> Vec<String> {
        let mut all = self.words.clone();
        if self
            .operands
            .iter()
            .any(|operand| looks_like_option(operand))
        {
            all.push("--".to_owned());
        }
        all.extend(self.operands.iter().cloned());
        all
    }

    /// The line to paste into a shell.
    pub fn for_shell(&self, shell: Shell) -> String {
        let words: Vec<String> = self
            .arguments()
            .iter()
            .map(|word| quoted(word, shell))
            .collect();
        words.join(" ")
    }
}

/// The line for [`Shell::HERE`].
impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.for_shell(Shell::HERE))
    }
}

fn looks_like_option(operand: &str) -> bool {
    operand.starts_with('-') && operand != "-"
}

/// One word for a shell.
pub fn quoted(text: &str, shell: Shell) -> String {
    if is_bare(text, shell) {
        return text.to_owned();
    }
    match shell {
        Shell::Posix => posix(text),
        Shell::PowerShell => power_shell(text),
    }
}

/// Whether no shell does anything with it. An `=` in front is a path to zsh, and a comma or an `@` makes
/// lists in `PowerShell`.
fn is_bare(text: &str, shell: Shell) -> bool {
    let safe = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '.' | '/' | ':' | '-')
            || shell == Shell::Posix && matches!(c, '@' | '%' | '+' | '=' | ',')
    };
    !text.is_empty() && !text.starts_with('=') && text.chars().all(safe)
}

fn posix(text: &str) -> String {
    if !text.chars().any(acts) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // printf writes the characters (XCU printf), so that the line itself has none of them. Of what a
    // command puts out the line feeds at the end are lost, so these stand in quotes as they are.
    let kept = text.trim_end_matches('\n');
    let mut format = String::new();
    for c in kept.chars() {
        match c {
            '%' => format.push_str("%%"),
            '\\' => format.push_str(r"\\"),
            // Within double quotes an interactive bash looks for `!` even here.
            '\'' | '!' => octal(c, &mut format),
            c if acts(c) => octal(c, &mut format),
            c => format.push(c),
        }
    }
    let feeds = text.get(kept.len()..).unwrap_or_default();
    let end = if feeds.is_empty() {
        String::new()
    } else {
        format!("'{feeds}'")
    };
    format!("\"$(printf -- '{format}')\"{end}")
}

fn octal(c: char, out: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(out, "\\{byte:03o}");
    }
}

/// Typographic quotes count as quotes; what acts on a terminal is made of its number.
fn power_shell(text: &str) -> String {
    let literal = |c: char, out: &mut String| {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(c);
        }
        out.push(c);
    };
    let mut out = String::from("'");
    let mut made = false;
    for c in text.chars() {
        if acts(c) {
            made = true;
            let _ = write!(out, "' + [char]0x{:x} + '", u32::from(c));
        } else {
            literal(c, &mut out);
        }
    }
    out.push('\'');
    if made { format!("({out})") } else { out }
}

/// The same name in a spelling that survives terminals, shells and the handing over of arguments in
/// Windows: control characters, those that turn the direction of writing, and `\"` as pairs of digits
/// (RFC 4514 2.4), which every directory reads back.
pub fn portable(dn: &Dn) -> String {
    let mut out = String::new();
    let pair = |c: char, out: &mut String| {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            let _ = write!(out, "\\{byte:02X}");
        }
    };
    let mut chars = dn.as_str().chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if escaped == '"' || acts(escaped) => pair(escaped, &mut out),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            c if acts(c) => pair(c, &mut out),
            c => out.push(c),
        }
    }
    out
}

/// Whether a terminal does something with a character other than showing it: controls, line and paragraph
/// separators, what has no width, and marks, embeddings, overrides and isolates of direction (UAX 9).
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
