//! What must never be shown: passwords, tokens and what was made of them.
//!
//! A server may give back what it was sent, in a page for debugging or in a redirect, so everything that
//! is written passes through here in the end.
//!
//! Invariant: what was sent to log in, and the password itself, come out of [`Secrets::without`] in none
//! of the forms that an answer usually has.

use std::borrow::Cow;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// What stands in the place of a secret.
pub(super) const REMOVED: &str = "(removed)";

/// Shorter ones would hide half of every text, and are no secret to anybody who tries.
const SHORTEST: usize = 4;

/// Everything that must not be shown.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<Vec<SecretString>>);

impl Secrets {
    /// Keeps a password out of everything that is written.
    pub(super) fn password(&self, user: Option<&str>, password: &SecretString) {
        let plain = password.expose_secret();
        self.add(plain);
        self.add(&STANDARD.encode(plain));
        if let Some(user) = user {
            self.add(&STANDARD.encode(format!("{user}:{plain}")));
        }
        self.add(&percent(plain));
        self.add(&markup(plain));
        let json = serde_json::Value::from(plain).to_string();
        let inside = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'));
        self.add(inside.unwrap_or_default());
    }

    /// Keeps the value of an `Authorization` header out of everything that is written.
    pub(super) fn authorization(&self, value: &SecretString) {
        let value = value.expose_secret();
        self.add(value.split_once(' ').map_or(value, |(_, token)| token));
    }

    fn add(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut kept = self.lock();
        if !kept.iter().any(|known| known.expose_secret() == secret) {
            kept.push(SecretString::from(secret.to_owned()));
            // The longest first, so that no part of one is left.
            kept.sort_by_key(|known| std::cmp::Reverse(known.expose_secret().len()));
        }
    }

    /// The text without any secret.
    pub(crate) fn without<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.lock().iter() {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), REMOVED));
            }
        }
        clean
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SecretString>> {
        // Whoever panicked with the list in hand left it whole.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
