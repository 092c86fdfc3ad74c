//! Secrets that their names tell in a body: parameters of forms, elements and attributes of XML, members
//! of JSON.
//!
//! Invariant: a value whose name says that it is secret does not come out, however the text is broken.

use super::known::REMOVED;
use super::markup::xml;
use super::names::{is_secret, is_secret_in_form, one, urls};

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

/// `name=value&name=value` without secret values.
fn form(text: &str) -> String {
    text.split('&').map(one).collect::<Vec<_>>().join("&")
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
    use super::super::names::{WORDS, url, urls_in};
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
    fn secrets_of_single_sign_on_go_from_urls() {
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
        for plain in [
            "https://contoso.com/a;b/c?x=1;y=2#z",
            "https://contoso.com/autodiscover/autodiscover.json?Email=a%40b.c&Protocol=Ews",
        ] {
            assert_eq!(url(plain), plain);
        }
    }

    #[test]
    fn secrets_of_single_sign_on_go_from_bodies() {
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
