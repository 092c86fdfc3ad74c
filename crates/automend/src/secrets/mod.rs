//! What is never written: logins, cookies, tokens, passwords, and what was made of them.
//!
//! A secret is told by its name (of a header, a parameter, an element, a member), or by its value where that
//! was sent: a server may give it back, in a page for debugging or in a redirect.
//!
//! Invariant: a value whose name says that it is secret does not come out, in whatever encoding a body is;
//! where a body cannot be looked into, it does not come out at all. What was sent to log in, and the
//! password itself, come out in none of the forms that an answer usually has.

mod head;
mod names;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::io::Read;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::recording::{Message, Order, Turn, Utf8};

pub(crate) use names::{url, urls_in};

/// What stands in the place of a secret.
pub(crate) const REMOVED: &str = "(removed)";

/// Shorter ones would hide half of every text, and are no secret to anybody who tries.
const SHORTEST: usize = 4;

/// What is told of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Logins {
    /// The scheme of a challenge.
    Scheme,
    /// Every scheme, of NTLM which message it is, and what a challenge asks for.
    Stage,
}

/// Removes what is secret from a turn.
pub(crate) fn remove(turn: &mut Turn, known: &Secrets, logins: Logins) {
    turn.url = known.clean(&turn.url, url);
    for message in [&mut turn.request, &mut turn.response] {
        for (name, value) in &mut message.headers {
            *value = head::value(name, value, known, logins);
        }
        body(message, known);
    }
    if let Some(failure) = &mut turn.failure {
        *failure = known.without(failure).into_owned();
    }
}

/// Secrets that are known because they were sent.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<Vec<SecretString>>);

impl Secrets {
    /// What a request brought to log in.
    pub(crate) fn brought(request: &Message) -> Self {
        let secrets = Self::default();
        let logins = request
            .all("authorization")
            .chain(request.all("proxy-authorization"))
            .filter(|login| !head::is_scheme(login));
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
    pub(crate) fn password(&self, user: Option<&str>, password: &SecretString) {
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
    pub(crate) fn authorization(&self, value: &SecretString) {
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
    fn clean(&self, text: &str, by_name: impl Fn(&str) -> String) -> String {
        let clean = self.without(&by_name(text)).into_owned();
        match self.without(text) {
            // A secret that begins within a name or within another: of such a text nothing is sure.
            Cow::Owned(known_first) if by_name(&known_first) != clean => REMOVED.to_owned(),
            _ => clean,
        }
    }

    /// The text without what is known.
    pub(crate) fn without<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.lock().iter() {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), REMOVED));
            }
        }
        clean
    }

    /// Whether the text holds one that is known.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let kept = self.lock();
        kept.iter()
            .any(|secret| text.contains(secret.expose_secret()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SecretString>> {
        // Whoever panicked with the list in hand left it whole.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A document without what its names say, nor what is known.
pub(crate) fn document(text: &str, known: &Secrets) -> String {
    known.clean(text, |text| names::text(text, false))
}

fn body(message: &mut Message, known: &Secrets) {
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
    let is_form = message
        .header("content-type")
        .is_some_and(|kind| kind.contains("form-urlencoded"));
    let clean = known.clean(&text, |text| names::text(text, is_form));
    if clean.as_bytes() != message.body {
        message.body = clean.into_bytes();
    }
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
