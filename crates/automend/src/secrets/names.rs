//! Secrets that their names tell: parameters of URLs and forms, elements and attributes of XML, members
//! of JSON.
//!
//! Invariant: a value whose name says that it is secret does not come out, however the text is broken.

use super::REMOVED;

/// Words in a name that make its value secret.
const WORDS: [&str; 10] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "canary",
    "credential",
    "assertion",
    "ciphervalue",
    "apikey",
];

/// A URL without a password before its host, and without secrets in its query.
pub(crate) fn url(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(at) = text.find("://").map(|at| at + 3) {
        let end = text
            .get(at..)
            .and_then(|rest| rest.find(['/', '?', '#']))
            .map_or(text.len(), |end| at + end);
        if let Some(user) = text.get(at..end).and_then(|authority| authority.rfind('@')) {
            text.replace_range(at..at + user, REMOVED);
        }
    }
    let Some((before, query)) = text.split_once('?') else {
        return text;
    };
    format!("{before}?{}", form(query))
}

/// A body, by what it looks like; `is_form` is what its head says.
pub(super) fn text(text: &str, is_form: bool) -> String {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if start.starts_with('<') {
        xml(text)
    } else if start.starts_with(['{', '[']) {
        json(text)
    } else if is_form {
        form(text)
    } else {
        json(&form(text))
    }
}

/// `name=value&name=value` without secret values.
fn form(text: &str) -> String {
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value))
            if !value.is_empty() && (is_secret(name) || name.eq_ignore_ascii_case("code")) =>
        {
            format!("{name}={REMOVED}")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Whether a name says that its value is secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .collect::<String>()
        .to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// XML without what stands in secret elements and attributes, whatever else they hold.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag_end(tag) else {
            // A tag that was cut off: nothing of it is sure.
            return out;
        };
        let (tag, after) = tag.split_at(end);
        let name = element(tag);
        out.push_str(&attributes(tag));
        rest = after;
        let opens = !tag.starts_with("</") && !tag.ends_with("/>") && !name.is_empty();
        if opens && is_secret(local(name)) {
            out.push_str(REMOVED);
            // Up to the end of the element of that name that is not closed within.
            rest = beyond(after, name);
        }
    }
    out.push_str(rest);
    out
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
        let quoted = rest.trim_start();
        let blanks = rest.len() - quoted.len();
        let Some(quote) = quoted.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            continue;
        };
        let inside = quoted.get(1..).unwrap_or_default();
        let end = inside.find(quote).unwrap_or(inside.len());
        out.push_str(rest.get(..blanks).unwrap_or_default());
        out.push(quote);
        let namespace = name == "xmlns" || name.starts_with("xmlns:");
        out.push_str(if is_secret(local(name)) && !namespace {
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

/// JSON without the strings of secret members, and of all that stands in them.
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (before, string) = rest.split_at(at);
        out.push_str(before);
        let (string, after) = quoted(string);
        out.push_str(string);
        rest = after;
        let value = after.trim_start();
        if let Some(value) = value.strip_prefix(':')
            && is_secret(string)
        {
            let value = value.trim_start();
            out.push_str(": \"");
            out.push_str(REMOVED);
            out.push('"');
            rest = past(value);
        }
    }
    out.push_str(rest);
    out
}

/// A string with its quotation marks, and what stands behind it.
fn quoted(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.split_at(at + 1),
            _ => {}
        }
    }
    (text, "")
}

/// What stands behind a value of JSON.
fn past(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        let Some(c) = rest.chars().next() else {
            return "";
        };
        match c {
            '"' => {
                rest = quoted(rest).1;
                if depth == 0 {
                    return rest;
                }
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' | ',' if depth == 0 => return rest,
            '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return rest.get(1..).unwrap_or_default();
                }
            }
            _ => {}
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_in_urls_and_forms_go() {
        for (value, expected) in [
            (
                "https://alice:secret@contoso.com/a?b=c",
                "https://(removed)@contoso.com/a?b=c",
            ),
            (
                "https://contoso.com/a?Email=a@b.c&access_token=x&code=y",
                "https://contoso.com/a?Email=a@b.c&access_token=(removed)&code=(removed)",
            ),
            ("/a", "/a"),
        ] {
            assert_eq!(url(value), expected);
        }
        assert_eq!(
            form("user=alice&password=a=b&x"),
            "user=alice&password=(removed)&x"
        );
    }

    #[test]
    fn secrets_in_xml_and_json_go() {
        for (text, expected) in [
            (
                "<a><wsse:Password Type=\"x\">se<![CDATA[</x>]]>cret</wsse:Password><b>c</b></a>",
                "<a><wsse:Password Type=\"x\">(removed)</wsse:Password><b>c</b></a>",
            ),
            (
                "<Password>a<Password>b</Password>c</Password>d",
                "<Password>(removed)</Password>d",
            ),
            ("<Password>a", "<Password>(removed)"),
            ("<Password/><b>c</b>", "<Password/><b>c</b>"),
            (
                "<login password='se>cret' name=\"x\"/>",
                "<login password='(removed)' name=\"x\"/>",
            ),
            (
                "<LoginName>alice</LoginName>",
                "<LoginName>alice</LoginName>",
            ),
        ] {
            assert_eq!(xml(text), expected);
        }
        for (text, expected) in [
            (
                r#"{"user":"a","Password":"se\"cret","x":1}"#,
                r#"{"user":"a","Password": "(removed)","x":1}"#,
            ),
            (
                r#"{"refresh_token":{"a":["b"]},"x":1}"#,
                r#"{"refresh_token": "(removed)","x":1}"#,
            ),
            (
                r#"{"token": 12, "x":1}"#,
                r#"{"token": "(removed)", "x":1}"#,
            ),
            (r#"{"token":"cut"#, r#"{"token": "(removed)""#),
        ] {
            assert_eq!(json(text), expected);
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_comes_out(prefix in "[a-z]{0,3}", word in prop::sample::select(WORDS.to_vec()),
                                    before in "[a-z<>/\"' ]{0,10}", after in "\\PC{0,20}") {
            let secret = "0123456789";
            let name = format!("{prefix}{word}");
            let element = format!("<a>{before}</a><{name}>{secret}</{name}>{after}");
            prop_assert!(!xml(&element).contains(secret));
            let member = serde_json::json!({ "a": before, &name: secret, "z": after }).to_string();
            prop_assert!(!json(&member).contains(secret));
        }
    }
}
