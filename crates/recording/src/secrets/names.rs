//! Secrets that their names tell: parameters of URLs and forms, elements and attributes of XML, members
//! of JSON.
//!
//! Invariant: a value whose name says that it is secret does not come out, however the text is broken.

use super::known::REMOVED;

/// Words in a name that make its value secret.
const WORDS: [&str; 25] = [
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
fn urls(text: &str, ends: impl Fn(char) -> bool) -> String {
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
fn one(pair: &str) -> String {
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

/// Parts of `multipart/form-data` (RFC 7578) without those whose names are secret.
fn multipart(text: &str) -> Option<String> {
    let delimiter = text.trim_start().lines().next()?.trim_end();
    if !delimiter.starts_with("--") || delimiter.len() < 3 {
        return None;
    }
    let parts = text.split(delimiter).map(|part| {
        let Some(at) = ["\r\n\r\n", "\n\n"]
            .into_iter()
            .filter_map(|blank| part.find(blank).map(|at| at + blank.len()))
            .min()
        else {
            return part.to_owned();
        };
        let (head, _) = part.split_at(at);
        let name = head
            .split(';')
            .filter_map(|field| field.trim().strip_prefix("name="))
            .map(|name| {
                name.lines()
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .trim_matches('"')
            })
            .next();
        match name {
            Some(name) if is_secret_in_form(name) => format!("{head}{REMOVED}\r\n"),
            _ => part.to_owned(),
        }
    });
    Some(parts.collect::<Vec<_>>().join(delimiter))
}

/// A body, by what it looks like; `is_form` is what its head says.
pub(super) fn text(text: &str, is_form: bool) -> String {
    // A broken URL may have a blank in it.
    urls(&by_names(text, is_form), char::is_control)
}

fn by_names(text: &str, is_form: bool) -> String {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if start.starts_with("--")
        && let Some(clean) = multipart(text)
    {
        return clean;
    }
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
    text.split('&').map(one).collect::<Vec<_>>().join("&")
}

/// Whether a name says so in a URL or a form, where more names do than elsewhere.
fn is_secret_in_form(name: &str) -> bool {
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

/// XML without what stands in secret elements and attributes, whatever else they hold.
fn xml(text: &str) -> String {
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
    // A field of a form is told by the value of its `name`: SAML POST, WS-Federation, `form_post`.
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

/// JSON without the strings of secret members, and of all that stands in them.
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (before, string) = rest.split_at(at);
        out.push_str(before);
        let (string, after) = quoted(string);
        match without_url_secrets(string) {
            Some(clean) => out.push_str(&clean),
            None => out.push_str(string),
        }
        rest = after;
        let value = after.trim_start();
        if let Some(value) = value.strip_prefix(':')
            && is_secret(string.trim_matches('"'))
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

/// A JSON string whose URLs hold secrets and are written with escapes (`\/`, `\u0026`), without these secrets;
/// `None` for any other.
fn without_url_secrets(string: &str) -> Option<String> {
    if !string.contains('\\') {
        return None;
    }
    let plain: String = serde_json::from_str(string).ok()?;
    let clean = urls(&plain, char::is_control);
    if clean == plain {
        return None;
    }
    serde_json::to_string(&clean).ok()
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
    fn secrets_in_urls_go_however_json_writes_them() {
        for (given, expected) in [
            (
                r#"{"Url":"https:\/\/a.test\/x?token=S3CRET","n":1}"#,
                r#"{"Url":"https://a.test/x?token=(removed)","n":1}"#,
            ),
            (
                r#"{"Url":"https://a.test/?a=1\u0026token=S3CRET\u0026b=2"}"#,
                r#"{"Url":"https://a.test/?a=1&token=(removed)&b=2"}"#,
            ),
            (
                r#"["https:\u002f\u002fu:S3CRET@a.test"]"#,
                r#"["https://(removed)@a.test"]"#,
            ),
            (
                r#"{"Path":"C:\\x\/y","Url":"https:\/\/a.test\/?a=1"}"#,
                r#"{"Path":"C:\\x\/y","Url":"https:\/\/a.test\/?a=1"}"#,
            ),
        ] {
            assert_eq!(text(given, false), expected);
        }
    }

    #[test]
    fn secrets_in_urls_go_wherever_the_urls_stand() {
        for (given, expected) in [
            (
                "Max retries (url: https://a.test/x?token=S3CRET) and\nhttps://u:S3CRET@b.test/;jsessionid=S3CRET",
                "Max retries (url: https://a.test/x?token=(removed) and\nhttps://(removed)@b.test/;jsessionid=(removed)",
            ),
            (
                "<RedirectUrl>https://a.test/?a=1&amp;SAMLRequest=S3CRET</RedirectUrl>",
                "<RedirectUrl>https://a.test/?a=1&amp;SAMLRequest=(removed)</RedirectUrl>",
            ),
            (
                r#"{"Url":"https://a.test/#id_token=S3CRET&x=1"}"#,
                r#"{"Url":"https://a.test/#id_token=(removed)&x=1"}"#,
            ),
            ("no :// and no URL", "no :// and no URL"),
            ("://", "://"),
        ] {
            assert_eq!(urls_in(given), expected);
            if given.starts_with(['<', '{']) {
                assert_eq!(text(given, false), expected);
            }
        }
    }

    /// What AD FS, Entra and the Web Application Proxy send and are sent.
    #[test]
    fn secrets_of_single_sign_on_go() {
        for (given, kept) in [
            (
                "https://sts.contoso.com/adfs/ls/?wa=wsignin1.0&wresult=S3CRET&wtrealm=urn:x",
                "wa=wsignin1.0",
            ),
            (
                "https://app.contoso.com/?authToken=S3CRET&client-request-id=1",
                "client-request-id=1",
            ),
            (
                "https://app.contoso.com/cb#id_token=S3CRET&state=1",
                "state=1",
            ),
            ("https://app.contoso.com/cb#/x?access_token=S3CRET", "/cb"),
            ("https://app.contoso.com/cb;jsessionid=S3CRET", "/cb"),
            ("https://app.contoso.com/cb;sid=S3CRET?x=1", "x=1"),
            ("https://app.contoso.com/cb?code=S3CRET;S3CRET&x=1", "x=1"),
            ("https://app.contoso.com/cb?x=1;ticket=S3CRET;y=2", "y=2"),
            ("https://blob.contoso.com/x?sv=1&sig=S3CRET", "sv=1"),
            (
                "https://login.contoso.com/?ReturnUrl=https%3A%2F%2Fa%2F%3Ftoken%3DS3CRET&y=1",
                "y=1",
            ),
            (
                "https://login.contoso.com/?r=https%253A%252F%252Fa%253Fpass%253DS3CRET&y=1",
                "y=1",
            ),
            (
                "https://login.contoso.com/?SAMLResponse=S3CRET&RelayState=x",
                "RelayState=x",
            ),
            ("/relative?access%5Ftoken=S3CRET&y=1", "y=1"),
            ("https://u:S3CRET@contoso.com/;x", "contoso.com"),
        ] {
            let clean = url(given);
            assert!(!clean.contains("S3CRET") && clean.contains(kept), "{clean}");
            assert_eq!(url(&clean), clean);
        }
        for (given, kept) in [
            (
                "<html><body onload=\"x()\"><form method=\"POST\" action=\"https://app/\"><input type=\"hidden\" name=\"SAMLResponse\" value=\"S3CRET\"/><input name=\"RelayState\" value=\"x\"></form>",
                "RelayState",
            ),
            ("<INPUT VALUE='S3CRET' NAME='wresult'><p>after</p>", "after"),
            (
                "<input type=hidden name=id_token value=S3CRET><p>after</p>",
                "after",
            ),
            (
                "<input value=\"S3CRET\" type=\"hidden\" name=\"code\"><p>after</p>",
                "after",
            ),
            (
                "{\"sFT\":\"S3CRET\",\"sCtx\":\"S3CRET\",\"error\":{\"code\":\"AADSTS50126\"}}",
                "AADSTS50126",
            ),
            (
                "--b1\r\nContent-Disposition: form-data; name=\"SAMLResponse\"\r\n\r\nS3CRET\r\n--b1\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nalice\r\n--b1--\r\n",
                "alice",
            ),
            (
                "--b1\nContent-Disposition: form-data; name=pass\n\nS3CRET\nS3CRET\n--b1--",
                "--b1--",
            ),
        ] {
            let clean = super::text(given, false);
            assert!(!clean.contains("S3CRET") && clean.contains(kept), "{clean}");
        }
        for given in [
            "SAMLResponse=S3CRET&RelayState=x",
            "id_token=S3CRET&code=S3CRET&state=1",
            "UserName=a&Password=S3CRET&AuthMethod=FormsAuthentication",
        ] {
            assert!(!super::text(given, true).contains("S3CRET"), "{given}");
        }
        for plain in [
            "https://contoso.com/a;b/c?x=1;y=2#z",
            "https://contoso.com/autodiscover/autodiscover.json?Email=a%40b.c&Protocol=Ews",
        ] {
            assert_eq!(url(plain), plain);
        }
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
