//! Secrets in XML and HTML: elements and attributes whose names tell that they are secret.
//!
//! Invariant: a value whose name says that it is secret does not come out, however the markup is broken.

use super::known::REMOVED;
use super::names::{is_secret, is_secret_in_form, url};

/// XML without what stands in secret elements and attributes, whatever else they hold.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_url = false;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        if is_url {
            out.push_str(&url(before));
        } else {
            out.push_str(before);
        }
        let Some(end) = tag_end(tag) else {
            // A tag that was cut off: nothing of it is sure.
            return out;
        };
        let (tag, after) = tag.split_at(end);
        let name = element(tag);
        out.push_str(&attributes(tag));
        rest = after;
        let opens = !tag.starts_with("</") && !tag.ends_with("/>") && !name.is_empty();
        // It may be relative, or broken.
        is_url = opens && holds_url(local(name));
        if opens && is_secret(local(name)) {
            out.push_str(REMOVED);
            // Up to the end of the element of that name that is not closed within.
            rest = beyond(after, name);
        }
    }
    out.push_str(&if is_url { url(rest) } else { rest.to_owned() });
    out
}

/// Whether an element of Autodiscover holds a URL: `RedirectUrl`, `RedirectTarget`, `EwsUrl`.
fn holds_url(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("url") || name == "redirecttarget"
}

/// Where a tag ends; a `>` in the value of an attribute is no end.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (c, quote) {
            ('>', None) => return Some(at + 1),
            ('"' | '\'', None)
                if tag
                    .as_bytes()
                    .get(..at)
                    .is_some_and(|before| before.trim_ascii_end().ends_with(b"=")) =>
            {
                quote = Some(c);
            }
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

/// What follows the content of an element: its closing tag, or nothing.
fn beyond<'t>(text: &'t str, name: &str) -> &'t str {
    let mut depth = 1_usize;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let tag = rest.get(at..).unwrap_or_default();
        let same = element(tag) == name;
        if same && tag.starts_with("</") {
            depth -= 1;
            if depth == 0 {
                return tag;
            }
        } else if same
            && !tag
                .get(..tag.find('>').unwrap_or(tag.len()))
                .unwrap_or_default()
                .ends_with('/')
        {
            depth += 1;
        }
        rest = tag.get(1..).unwrap_or_default();
    }
    ""
}

/// The name of a tag's element, with its prefix.
fn element(tag: &str) -> &str {
    let name = tag.trim_start_matches('<').trim_start_matches('/');
    let end = name
        .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
        .unwrap_or(name.len());
    name.get(..end).unwrap_or_default()
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// A tag without the values of secret attributes.
fn attributes(tag: &str) -> String {
    // A field of a form is recognised by the value of its `name`: SAML POST, WS-Federation, `form_post`.
    let field = element(tag).eq_ignore_ascii_case("input")
        && field_name(tag).is_some_and(is_secret_in_form);
    let mut out = String::with_capacity(tag.len());
    let mut rest = tag;
    while let Some(at) = rest.find('=') {
        let (before, value) = rest.split_at(at);
        out.push_str(before);
        out.push('=');
        let name = before
            .trim_end()
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        rest = value.get(1..).unwrap_or_default();
        let hidden = is_secret(local(name)) || field && name.eq_ignore_ascii_case("value");
        let quoted = rest.trim_start();
        let blanks = rest.len() - quoted.len();
        let Some(quote) = quoted.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            if field && hidden {
                // HTML lets a value stand without quotation marks.
                let end = quoted
                    .find(|c: char| c.is_whitespace() || c == '>')
                    .unwrap_or(quoted.len());
                out.push_str(REMOVED);
                rest = quoted.get(end..).unwrap_or_default();
            }
            continue;
        };
        let inside = quoted.get(1..).unwrap_or_default();
        let end = inside.find(quote).unwrap_or(inside.len());
        out.push_str(rest.get(..blanks).unwrap_or_default());
        out.push(quote);
        let namespace = name == "xmlns" || name.starts_with("xmlns:");
        out.push_str(if hidden && !namespace {
            REMOVED
        } else {
            inside.get(..end).unwrap_or_default()
        });
        rest = inside.get(end..).unwrap_or_default();
        if rest.starts_with(quote) {
            out.push(quote);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The value of the attribute `name`.
fn field_name(tag: &str) -> Option<&str> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower.get(from..)?.find("name").map(|at| from + at) {
        from = at + 4;
        let before = lower.get(..at)?.chars().next_back();
        let value = tag.get(from..)?.trim_start();
        let Some(value) = value.strip_prefix('=') else {
            continue;
        };
        if !before.is_some_and(char::is_whitespace) {
            continue;
        }
        let value = value.trim_start();
        return match value.chars().next()? {
            quote @ ('"' | '\'') => value.get(1..)?.split(quote).next(),
            _ => value.split([' ', '\t', '\r', '\n', '>', '/']).next(),
        };
    }
    None
}
