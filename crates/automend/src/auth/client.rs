//! The other side: how this program logs in to a server over HTTP.
//!
//! Specification: RFC 9110 11.6.1 (challenges), RFC 7617 (Basic), RFC 6750 (Bearer), RFC 4559 (NTLM and
//! Negotiate).
//!
//! Invariant: the strongest scheme that both sides have is taken, and once one was taken no weaker one
//! is ever answered: whoever offers only Basic after that gets no password. Nothing here knows whether a
//! connection is safe; the caller logs in over TLS only.

use std::path::PathBuf;

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::Scheme;

/// What this program can prove itself with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    /// `user@domain` or `DOMAIN\user`.
    pub user: Option<String>,
    /// The password of that user.
    pub password: Option<SecretString>,
    /// A token for Bearer.
    pub bearer: Option<SecretString>,
    /// A keytab with a key of that user, instead of a password.
    pub keytab: Option<PathBuf>,
    /// A file of tickets, as `kinit` writes it.
    pub tickets: Option<PathBuf>,
    /// The key distribution centre, `host` or `host:port`; looked up by the realm's name where it isn't
    /// given.
    pub kdc: Option<String>,
}

/// One challenge of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Challenge {
    /// The scheme; `None` for one that isn't spoken here.
    pub scheme: Option<Scheme>,
    /// Its name as the server wrote it.
    pub name: String,
    /// What the server says in a login that is under way.
    pub token: Option<String>,
}

/// One login on one connection.
pub(crate) struct ClientLogin {
    scheme: Scheme,
    state: State,
}

enum State {
    /// One value says it all.
    Single(SecretString),
    /// Nothing more to say.
    Done,
}

impl ClientLogin {
    /// Begins a login at the server `host`.
    pub(crate) fn begin(scheme: Scheme, have: &Credentials, host: &str) -> Result<Self> {
        let state = match scheme {
            Scheme::Basic => {
                let (Some(user), Some(password)) = (&have.user, &have.password) else {
                    bail!("{host}: Basic needs a user and a password");
                };
                let plain = SecretString::from(format!("{user}:{}", password.expose_secret()));
                let token = STANDARD.encode(plain.expose_secret());
                State::Single(SecretString::from(format!("Basic {token}")))
            }
            Scheme::Bearer => {
                let Some(token) = &have.bearer else {
                    bail!("{host}: Bearer needs a token");
                };
                State::Single(SecretString::from(format!(
                    "Bearer {}",
                    token.expose_secret()
                )))
            }
            Scheme::Ntlm | Scheme::Negotiate => {
                bail!("{host}: {} is not spoken yet", scheme.name())
            }
        };
        Ok(Self { scheme, state })
    }

    /// The scheme of this login.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The next `Authorization` value. `challenge` is what the server answered to the last one; `None`
    /// at the beginning. `None` comes back when there is nothing more to say: the server refuses.
    #[expect(
        clippy::unused_async,
        reason = "Kerberos asks a key distribution centre"
    )]
    pub(crate) async fn next(
        &mut self,
        challenge: Option<&Challenge>,
    ) -> Result<Option<SecretString>> {
        let _ = challenge;
        match std::mem::replace(&mut self.state, State::Done) {
            State::Single(value) => Ok(Some(value)),
            State::Done => Ok(None),
        }
    }

    /// Looks at the `WWW-Authenticate` values of the answer that came in the end: whether the server has
    /// proved itself, too, where the scheme has such a proof.
    pub(crate) fn finish(&mut self, challenges: &[Challenge]) -> Result<()> {
        let _ = challenges;
        Ok(())
    }
}

/// Reads the `WWW-Authenticate` values of an answer, one line each; several schemes in one line, too.
pub(crate) fn challenges<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in values {
        for part in split(value) {
            let (first, rest) = part.split_once(' ').unwrap_or((part, ""));
            // A parameter of the scheme before it.
            if first.is_empty() || first.contains('=') {
                continue;
            }
            let token = rest.trim();
            let is_token = !token.is_empty()
                && token.trim_end_matches('=').chars().all(|c| {
                    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/')
                });
            found.push(Challenge {
                scheme: Scheme::read(first),
                name: first.to_owned(),
                token: is_token.then(|| token.to_owned()),
            });
        }
    }
    found
}

/// Cuts at commas that are not in quotes.
fn split(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(move |c| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ',' if !quoted => return true,
                _ => {}
            }
            false
        })
        .map(str::trim)
}

/// The scheme to log in with: the strongest that is offered and that there are credentials for.
/// `chosen` is what was taken before with this server; nothing weaker is taken then.
pub(crate) fn choose(
    offered: &[Challenge],
    have: &Credentials,
    chosen: Option<Scheme>,
) -> Option<Scheme> {
    [
        Scheme::Bearer,
        Scheme::Negotiate,
        Scheme::Ntlm,
        Scheme::Basic,
    ]
    .into_iter()
    .filter(|scheme| have.suffice(*scheme))
    .filter(|scheme| chosen.is_none_or(|chosen| scheme.strength() >= chosen.strength()))
    .find(|scheme| offered.iter().any(|offer| offer.scheme == Some(*scheme)))
}

impl Credentials {
    fn suffice(&self, scheme: Scheme) -> bool {
        let password = self.user.is_some() && self.password.is_some();
        match scheme {
            Scheme::Basic | Scheme::Ntlm => password,
            Scheme::Bearer => self.bearer.is_some(),
            Scheme::Negotiate => {
                password || self.tickets.is_some() || self.user.is_some() && self.keytab.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Credentials {
        Credentials {
            user: Some("jim@contoso.test".into()),
            password: Some("Wint3r-Regen".into()),
            ..Credentials::default()
        }
    }

    #[test]
    fn challenges_are_read_in_one_line_or_in_many() {
        let read = |values: &[&str]| -> Vec<(String, Option<String>)> {
            challenges(values.iter().copied())
                .into_iter()
                .map(|challenge| (challenge.name, challenge.token))
                .collect()
        };
        let plain = |name: &str| (name.to_owned(), None);
        assert_eq!(
            read(&["Negotiate", "NTLM", "Basic realm=\"a, b\""]),
            [plain("Negotiate"), plain("NTLM"), plain("Basic")]
        );
        assert_eq!(
            read(&[
                "Basic realm=\"x\\\", NTLM\", charset=\"UTF-8\", Negotiate, Digest qop=\"auth\""
            ]),
            [plain("Basic"), plain("Negotiate"), plain("Digest")]
        );
        assert_eq!(
            read(&["NTLM TlRMTVNTUAAC=="]),
            [("NTLM".to_owned(), Some("TlRMTVNTUAAC==".to_owned()))]
        );
        assert_eq!(read(&["", ",,", "="]), []);
    }

    #[test]
    fn the_strongest_scheme_is_taken_and_never_a_weaker_one_after_it() {
        let all = challenges(["Basic realm=\"x\"", "NTLM", "Negotiate", "Bearer"]);
        let basic = challenges(["Basic realm=\"x\""]);
        assert_eq!(choose(&all, &password(), None), Some(Scheme::Negotiate));
        assert_eq!(choose(&basic, &password(), None), Some(Scheme::Basic));
        for chosen in [Scheme::Bearer, Scheme::Negotiate, Scheme::Ntlm] {
            assert_eq!(choose(&basic, &password(), Some(chosen)), None);
        }
        assert_eq!(choose(&all, &Credentials::default(), None), None);
    }
}
