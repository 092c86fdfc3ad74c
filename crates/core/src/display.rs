//! Text of a directory, a server or a file, made safe to show.
//!
//! Who may set a display name must not move the cursor of an administrator, nor reverse the text behind it.
//! [`plain`] is for everything that is read as text, CSV and HTML included; [`json`] writes escapes that a
//! reader turns back. LDIF writes such values in base64.

use std::fmt::{Display, Write as _};

use serde::Serialize;

/// Text of a directory, a server or a file as it may be shown on a terminal: on one line, with control
/// characters and those that change the direction of writing told instead of done.
pub fn plain(text: impl Display) -> String {
    let text = text.to_string();
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if acts(c) || joins(c) && !is_joined(before, chars.peek().copied()) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        before = Some(c);
    }
    out
}

/// The same for what has lines of its own, such as the error of a configuration file.
pub fn plain_lines(text: impl Display) -> String {
    text.to_string()
        .split('\n')
        .map(plain)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A value as JSON on one line, in which every character that acts or cannot be seen is an escape
/// (RFC 8259 section 7): a reader gets the same value back, and a terminal shows what is there.
///
/// # Errors
///
/// Only where the value has no form in JSON.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(escaped)
}

/// As [`json`], on several lines.
///
/// # Errors
///
/// As [`json`].
pub fn json_lines(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(escaped)
}

/// Outside its strings JSON has none of these characters, so every one of them may be an escape.
fn escaped(json: String) -> String {
    if !json.contains(is_unseen) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character acts or cannot be seen, and so is shown as an escape; a line feed is neither.
fn is_unseen(c: char) -> bool {
    c != '\n' && (acts(c) || joins(c))
}

/// Whether it does something other than being shown, or is not to be seen at all (UAX 9, UTS 39).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, combining joiner, marks of direction, and the filler letters of Hangul.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            // Line and paragraph separators, embeddings, overrides, isolates, invisible operators.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            // Controls of shorthand and music, tags.
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Joiners: needed within some scripts and pictures, and a disguise within Latin letters.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn is_joined(before: Option<char>, after: Option<char>) -> bool {
    let one = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !acts(c) && !joins(c));
    one(before) && one(after)
}

/// `1 link`, `2 links`, `2 mailboxes`.
pub fn plural(count: u64, noun: &str) -> String {
    let end = match count {
        1 => "",
        _ if noun.ends_with('x') => "es",
        _ => "s",
    };
    format!("{count} {noun}{end}")
}

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

    #[test]
    fn what_cannot_be_seen_is_told_in_every_form() {
        for c in [
            '\u{80}',
            '\u{9b}',
            '\u{9f}',
            '\u{7f}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fffb}',
            '\u{e0041}',
            '\u{200d}',
            '\u{180e}',
            '\u{2028}',
        ] {
            let text = format!("a{c}b");
            assert!(!plain(&text).contains(c), "{c:?}");
            for json in [json(&[&text]).unwrap(), json_lines(&[&text]).unwrap()] {
                assert!(!json.contains(c), "{c:?}: {json}");
                let back: Vec<String> = serde_json::from_str(&json).unwrap();
                assert_eq!(back, [text.as_str()]);
            }
        }
        assert_eq!(json(&"Zoë 👩 שלום").unwrap(), "\"Zoë 👩 שלום\"");
    }
}
