//! Tests of what is never written.

use secrecy::SecretString;

use super::samples::{SECRET, telling};
use super::*;

#[test]
fn whatever_is_secret_by_its_name_goes() {
    for logins in [Logins::Scheme, Logins::Stage] {
        for mut exchange in telling() {
            remove(&mut exchange, &Secrets::default(), logins);
            let bodies =
                [&exchange.request.body, &exchange.response.body].map(|body| body.escape_ascii());
            let told = format!("{exchange:?} {} {}", bodies[0], bodies[1]);
            assert!(!told.contains(SECRET), "{told}");
            for kept in ["alice", "x=1", "https://(removed)@contoso.com/"] {
                assert!(told.contains(kept), "{kept} is not in {told}");
            }
        }
    }
}

#[test]
fn a_text_in_which_a_secret_hides_another_goes_whole() {
    let known = |secret: &str| {
        let known = Secrets::default();
        known.password(None, &SecretString::from(secret));
        known
    };
    for (secret, text, expected) in [
        (
            "hunter2",
            "x=hunter2&password=hunter2",
            "x=(removed)&password=(removed)",
        ),
        ("hunter2", "x=1&password=a", "x=1&password=(removed)"),
        // What is known stands in the name of what is not.
        ("pass", "password=abc", "(removed)"),
        // What is known is cut where a value ends.
        ("begin&token=end", "x=begin&token=end", "(removed)"),
    ] {
        let clean = known(secret).clean(text, |text| text::text(text, true));
        assert_eq!(clean, expected, "{secret} in {text}");
    }
}

#[test]
fn utf_16_is_shown_as_text() {
    for bytes in [&b"\xff\xfe<\0a\0>\0"[..], b"\xfe\xff\0<\0a\0>"] {
        let mut message = Message {
            body: bytes.to_vec(),
            ..Message::default()
        };
        body(&mut message, &Secrets::default());
        assert_eq!(message.body, b"<a>");
    }
}

#[test]
fn a_secret_comes_out_in_no_form() {
    let secrets = Secrets::default();
    secrets.password(
        Some("alice@contoso.com"),
        &SecretString::from("Wint3r \"R&gen\""),
    );
    secrets.authorization(&SecretString::from("NTLM TlRMTVNTUAADAAAA"));
    for form in [
        "Wint3r \"R&gen\"",
        "V2ludDNyICJSJmdlbiI=",
        "YWxpY2VAY29udG9zby5jb206V2ludDNyICJSJmdlbiI=",
        "Wint3r%20%22R%26gen%22",
        "Wint3r &quot;R&amp;gen&quot;",
        "Wint3r \\\"R&gen\\\"",
        "TlRMTVNTUAADAAAA",
    ] {
        assert_eq!(
            secrets.without(&format!("<{form}>")),
            "<(removed)>",
            "{form}"
        );
    }
    assert_eq!(secrets.without("alice@contoso.com"), "alice@contoso.com");
}

#[test]
fn a_short_password_does_not_hide_every_text() {
    let secrets = Secrets::default();
    secrets.password(None, &SecretString::from("a"));
    assert_eq!(secrets.without("banana"), "banana");
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
        body(&mut message, &Secrets::default());
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
    let mut exchange = HttpExchange {
        url: "https://contoso.com/?x=hunter2".to_owned(),
        ..HttpExchange::default()
    };
    exchange.request.push(
        "Authorization".to_owned(),
        "Basic YWxpY2U6aHVudGVyMg==".to_owned(),
    );
    exchange
        .request
        .push("Cookie".to_owned(), "session=cadata; a=b".to_owned());
    exchange.response.push(
        "Location".to_owned(),
        "https://contoso.com/cadata".to_owned(),
    );
    exchange.response.body =
        b"you sent Basic YWxpY2U6aHVudGVyMg== (alice, hunter2) and cadata".to_vec();
    let known = Secrets::brought(&exchange.request);
    remove(&mut exchange, &known, Logins::Stage);
    let told = format!(
        "{exchange:?} {}",
        String::from_utf8_lossy(&exchange.response.body)
    );
    for secret in ["hunter2", "YWxpY2U6aHVudGVyMg", "cadata"] {
        assert!(!told.contains(secret), "{told}");
    }
}
