//! Names that tell of a secret, and the parameters of URLs that have them.
//!
//! Invariant: a value whose name says that it is secret does not come out, however the text is broken.

use super::known::REMOVED;

/// Words in a name that make its value secret.
pub(super) const WORDS: [&str; 25] = [
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
    "passphrase",
    "samlresponse",
    "samlrequest",
    "samlart",
    "wresult",
    "wctx",
    "sessionid",
    "signature",
    "onetimecode",
    "codeverifier",
    "devicecode",
    "usercode",
    "accesskey",
    "privatekey",
    "subscriptionkey",
];

/// Names, as they are, that make a value secret: too short to be looked for within others. CAS and WAP
/// (`ticket`), Azure (`sig`), AD FS and Entra (`sFT`, `sCtx`).
const NAMES: [&str; 11] = [
    "pass", "ticket", "sig", "jwt", "otp", "cadata", "sft", "sctx", "samlart", "hmac", "pin",
];

/// Names that are secret in a URL or a form, and mean something else in an answer.
const OF_FORMS: [&str; 6] = ["code", "key", "auth", "sid", "nonce", "ctx"];

/// A URL without a password before its host, and without secrets in its query.
pub fn url(text: &str) -> String {
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
    let start = text.find("://").map_or(0, |at| at + 3);
    let Some(at) = text
        .get(start..)
        .and_then(|rest| rest.find(['?', '#', ';']))
        .map(|at| start + at + 1)
    else {
        return text;
    };
    let (before, pairs) = text.split_at(at);
    format!("{before}{}", query(pairs))
}

/// A sentence without secrets in the URLs that stand in it.
pub fn urls_in(text: &str) -> String {
    urls(text, char::is_whitespace)
}

/// A text without secrets in the URLs that stand in it; a URL ends where a quotation mark or a tag does, or at
/// what `ends` it.
pub(super) fn urls(text: &str, ends: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let within = |c: char| !ends(c) && !matches!(c, '"' | '\'' | '<' | '>' | '\\');
        let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let (before, behind) = rest.split_at(at);
        let start = before.trim_end_matches(scheme).len();
        let end = behind.find(|c| !within(c)).unwrap_or(behind.len());
        let (one, after) = rest.split_at(at + end);
        let (before, one) = one.split_at(start);
        out.push_str(before);
        out.push_str(&url(one));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What stands behind a path: pairs between `&`, `?`, `#`, and `;` where another pair follows it.
fn query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let end = rest
            .char_indices()
            .find(|(at, c)| match c {
                '&' | '#' | '?' => true,
                ';' => rest.get(at + 1..).is_some_and(begins_pair),
                _ => false,
            })
            .map_or(rest.len(), |(at, _)| at);
        let (pair, after) = rest.split_at(end);
        out.push_str(&one(pair));
        let mut chars = after.chars();
        let Some(separator) = chars.next() else {
            return out;
        };
        out.push(separator);
        rest = chars.as_str();
    }
}

fn begins_pair(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    })
}

/// A pair without a secret value, and without one that holds a URL with a secret.
pub(super) fn one(pair: &str) -> String {
    let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.is_empty()) else {
        return pair.to_owned();
    };
    let within = decoded(value);
    if is_secret_in_form(&decoded(name)) || within.contains('=') && url(&within) != within {
        return format!("{name}={REMOVED}");
    }
    pair.to_owned()
}

/// Percent-encoding undone as long as there is any, for looking only.
fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..4 {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            let escaped = digits
                .filter(|_| *byte == b'%')
                .and_then(|two| u8::from_str_radix(two, 16).ok());
            bytes.push(escaped.unwrap_or(*byte));
            rest = after
                .get(if escaped.is_some() { 2 } else { 0 }..)
                .unwrap_or_default();
        }
        let next = String::from_utf8_lossy(&bytes).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Whether a name says so in a URL or a form, where more names do than elsewhere.
pub(super) fn is_secret_in_form(name: &str) -> bool {
    is_secret(name)
        || OF_FORMS
            .iter()
            .any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// Whether a name says that its value is secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .collect::<String>()
        .to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word)) || NAMES.contains(&name.as_str())
}
