//! Secrets that are known because they were sent, and what stands in their place.
//!
//! Invariant: what is known comes out in none of the forms that an answer usually has.

use std::borrow::Cow;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::exchange::Message;

/// What stands in the place of a secret.
pub const REMOVED: &str = "(removed)";

/// Shorter ones would hide half of every text, and are found by trying.
const SHORTEST: usize = 4;

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

/// Secrets that are known because they were sent.
#[derive(Default)]
pub struct Secrets(Mutex<Vec<SecretString>>);

impl Secrets {
    /// What a request brought to log in.
    pub fn brought(request: &Message) -> Self {
        let secrets = Self::default();
        let logins = request
            .all("authorization")
            .chain(request.all("proxy-authorization"))
            .filter(|login| !is_scheme(login));
        for token in logins.map(token) {
            secrets.add(token);
            let plain = STANDARD
                .decode(token)
                .ok()
                .and_then(|plain| String::from_utf8(plain).ok());
            if let Some((user, password)) = plain.as_deref().and_then(|plain| plain.split_once(':'))
            {
                secrets.password(Some(user), &SecretString::from(password));
            }
        }
        let cookies = request.all("cookie").flat_map(|cookies| cookies.split(';'));
        for (_, value) in cookies.filter_map(|cookie| cookie.split_once('=')) {
            secrets.add(value.trim());
        }
        secrets
    }

    /// Keeps a password out of everything that is written.
    pub fn password(&self, user: Option<&str>, password: &SecretString) {
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
    pub fn authorization(&self, value: &SecretString) {
        self.add(token(value.expose_secret()));
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

    /// The text without what is known, nor what `by_name` removes.
    pub(super) fn clean(&self, text: &str, by_name: impl Fn(&str) -> String) -> String {
        let clean = self.without(&by_name(text)).into_owned();
        match self.without(text) {
            // A secret that begins within a name or within another: of such a text nothing is sure.
            Cow::Owned(known_first) if by_name(&known_first) != clean => REMOVED.to_owned(),
            _ => clean,
        }
    }

    /// The text without what is known.
    pub fn without<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.lock().iter() {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), REMOVED));
            }
        }
        clean
    }

    /// Whether the text holds one that is known.
    pub fn are_in(&self, text: &str) -> bool {
        let kept = self.lock();
        kept.iter()
            .any(|secret| text.contains(secret.expose_secret()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SecretString>> {
        // A panic with the list in hand leaves it whole.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether this is a scheme, without anything behind it.
pub(super) fn is_scheme(word: &str) -> bool {
    let word = word.trim();
    SCHEMES
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// What stands behind the scheme.
fn token(login: &str) -> &str {
    let login = login.trim();
    login
        .split_once(' ')
        .map_or(login, |(_, token)| token.trim())
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
