//! What is left out of a recording: logins, cookies, tokens, passwords.
//!
//! Of a login its scheme stays, and of NTLM the kind of message, because they tell what went wrong. What is
//! secret in XML, JSON and forms is told by the names of elements, members and fields.
//!
//! Invariant: a value whose name says that it is secret does not come out, in whatever encoding the body
//! is; where a body cannot be looked into, it does not come out at all.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::trace::recording::{Message, Order, Turn, Utf8};

/// Stands where a secret was.
const REMOVED: &str = "(removed)";
/// Headers whose whole value is secret.
const HEADERS: [&str; 4] = ["cookie", "set-cookie", "x-owa-canary", "x-csrf-token"];
/// Headers of which the scheme may be told.
const LOGINS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
];
/// Schemes, as they stand in a list without anything behind them.
const SCHEMES: [&str; 7] = [
    "negotiate",
    "ntlm",
    "basic",
    "bearer",
    "digest",
    "kerberos",
    "nego2",
];
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

/// Removes what is secret from a turn. What logged in goes wherever it comes back, too: in a page for
/// debugging, in a redirect.
pub(crate) fn remove(turn: &mut Turn) {
    let known = brought(&turn.request);
    turn.url = without(&url(&turn.url), &known);
    for message in [&mut turn.request, &mut turn.response] {
        for (name, value) in &mut message.headers {
            *value = without(&header(name, value), &known);
        }
        body(message, &known);
    }
}

/// What a request brought to log in, in the forms in which it may come back.
fn brought(request: &Message) -> Vec<String> {
    let mut known = Vec::new();
    let logins = request
        .all("authorization")
        .chain(request.all("proxy-authorization"));
    for token in logins
        .filter_map(|login| login.trim().split_once(' '))
        .map(|(_, token)| token.trim())
    {
        known.push(token.to_owned());
        let plain = STANDARD
            .decode(token)
            .ok()
            .and_then(|plain| String::from_utf8(plain).ok());
        known.extend(plain.and_then(|plain| Some(plain.split_once(':')?.1.to_owned())));
    }
    let cookies = request.all("cookie").flat_map(|cookies| cookies.split(';'));
    known.extend(cookies.filter_map(|cookie| Some(cookie.split_once('=')?.1.trim().to_owned())));
    // Shorter ones would hide half of every text.
    known.retain(|secret| secret.len() >= 4);
    // The longest first, so that no part of one is left.
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    known
}

fn without(text: &str, known: &[String]) -> String {
    known.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), REMOVED)
    })
}

fn header(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    if LOGINS.contains(&name.as_str()) {
        return login(value);
    }
    if name == "location" || name == "referer" {
        return url(value);
    }
    if HEADERS.contains(&name.as_str())
        || (name.starts_with("x-") && is_secret(&name) && !value.starts_with("urn:"))
    {
        return REMOVED.to_owned();
    }
    value.to_owned()
}

/// `NTLM TlRMTVNTUAADAAAA…` becomes `NTLM (removed, message 3)`. A challenge without a token stays.
fn login(value: &str) -> String {
    let Some((scheme, rest)) = value.trim().split_once(' ') else {
        // One word alone: a scheme, or a token that lacks one.
        return if SCHEMES
            .iter()
            .any(|scheme| value.trim().eq_ignore_ascii_case(scheme))
        {
            value.trim().to_owned()
        } else {
            REMOVED.to_owned()
        };
    };
    let rest = rest.trim();
    // `Basic realm="x"`, `Bearer client_id="x", trusted_issuers="y"`, and several schemes in one line.
    let names = rest
        .split(',')
        .all(|part| match part.trim().split_once('=') {
            Some((name, value)) => is_parameter(name.trim()) && value.trim().starts_with('"'),
            None => SCHEMES
                .iter()
                .any(|scheme| part.trim().eq_ignore_ascii_case(scheme)),
        });
    if names && !rest.contains("response=") && !scheme.eq_ignore_ascii_case("digest") {
        return value.trim().to_owned();
    }
    let bytes = STANDARD.decode(rest).unwrap_or_default();
    match bytes.strip_prefix(b"NTLMSSP\0") {
        Some([kind @ 1..=3, ..]) => format!("{scheme} (removed, message {kind})"),
        _ => format!("{scheme} {REMOVED}"),
    }
}

fn is_parameter(name: &str) -> bool {
    let name = name.rsplit(' ').next().unwrap_or(name);
    let known = [
        "realm",
        "client_id",
        "trusted_issuers",
        "authorization_uri",
        "token_types",
        "charset",
        "error",
        "scope",
        "resource_metadata",
    ];
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

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

fn is_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .collect::<String>()
        .to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

fn body(message: &mut Message, known: &[String]) {
    if message.body.is_empty() {
        return;
    }
    let text = match (Order::of(&message.body), std::str::from_utf8(&message.body)) {
        (Some(order), _) => {
            let mut text = Vec::new();
            // Reading from memory does not fail.
            let _ = Utf8::new(message.body.as_slice(), order).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
        (None, Ok(text)) => text.to_owned(),
        // The last character may have been cut in two.
        (None, Err(error)) if message.cut && error.error_len().is_none() => {
            String::from_utf8_lossy(&message.body).into_owned()
        }
        (None, Err(_)) => {
            message.body =
                format!("({} bytes that are no text, left out)", message.body.len()).into_bytes();
            message.cut = true;
            return;
        }
    };
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let form_like = message
        .header("content-type")
        .is_some_and(|kind| kind.contains("form-urlencoded"));
    let cleaned = if start.starts_with('<') {
        xml(&text)
    } else if start.starts_with(['{', '[']) {
        json(&text)
    } else if form_like {
        form(&text)
    } else {
        json(&form(&text))
    };
    let cleaned = without(&cleaned, known);
    if cleaned.as_bytes() != message.body {
        message.body = cleaned.into_bytes();
    }
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
    fn of_a_login_its_scheme_stays() {
        for (value, expected) in [
            ("Basic YWxpY2U6c2VjcmV0", "Basic (removed)"),
            ("NTLM TlRMTVNTUAADAAAAGAAYAA==", "NTLM (removed, message 3)"),
            (
                "Negotiate YIIGhgYGKwYBBQUCoIIGejCCBnag",
                "Negotiate (removed)",
            ),
            ("Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Bearer (removed)"),
            (
                "Digest username=\"alice\", response=\"6629fae4\"",
                "Digest (removed)",
            ),
            ("NTLM", "NTLM"),
            ("Bearer abcdefgh", "Bearer (removed)"),
            (
                "Basic realm=\"mail.contoso.com\"",
                "Basic realm=\"mail.contoso.com\"",
            ),
            ("Negotiate, NTLM", "Negotiate, NTLM"),
            (
                "Bearer client_id=\"1\", trusted_issuers=\"2@*\", token_types=\"x\"",
                "Bearer client_id=\"1\", trusted_issuers=\"2@*\", token_types=\"x\"",
            ),
            ("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "(removed)"),
        ] {
            assert_eq!(login(value), expected);
        }
    }

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

    #[test]
    fn a_body_is_looked_into_whatever_its_encoding() {
        let utf16: Vec<u8> = "\u{feff}<Password>secret</Password>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for bytes in [
            utf16,
            b"\xef\xbb\xbf<Password>secret</Password>".to_vec(),
            b"\xff\x00secret\xfe".to_vec(),
        ] {
            let mut message = Message {
                body: bytes,
                ..Message::default()
            };
            body(&mut message, &[]);
            assert!(
                memchr::memmem::find(&message.body, b"secret").is_none(),
                "{:?}",
                message.body
            );
            assert!(
                memchr::memmem::find(&message.body, b"s\0e\0c\0").is_none(),
                "{:?}",
                message.body
            );
        }
    }

    #[test]
    fn what_logged_in_goes_wherever_it_comes_back() {
        let mut turn = Turn {
            url: "https://contoso.com/?x=hunter2".to_owned(),
            ..Turn::default()
        };
        turn.request.push(
            "Authorization".to_owned(),
            "Basic YWxpY2U6aHVudGVyMg==".to_owned(),
        );
        turn.request
            .push("Cookie".to_owned(), "session=cadata; a=b".to_owned());
        turn.response.push(
            "Location".to_owned(),
            "https://contoso.com/cadata".to_owned(),
        );
        turn.response.body =
            b"you sent Basic YWxpY2U6aHVudGVyMg== (alice, hunter2) and cadata".to_vec();
        remove(&mut turn);
        let told = format!("{turn:?} {}", String::from_utf8_lossy(&turn.response.body));
        for secret in ["hunter2", "YWxpY2U6aHVudGVyMg", "cadata"] {
            assert!(!told.contains(secret), "{told}");
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
