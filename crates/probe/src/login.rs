//! The other side: how this program logs in to a server over HTTP.
//!
//! Specification: RFC 9110 11.6.1 (challenges), RFC 7617 (Basic), RFC 6750 (Bearer), RFC 4559 (NTLM and
//! Negotiate).
//!
//! Invariant: the strongest scheme that both sides have is taken, and once one was taken no weaker one
//! is ever answered: a server that offers only Basic after that gets no password. Nothing here knows whether a
//! connection is safe; the caller logs in over TLS only.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use automend_negotiate::kerberos::{Moment, Proof, Protection};
use automend_negotiate::ntlm::{self, Hello};
use automend_negotiate::spnego::{self, Mechanism};
use automend_negotiate::{Binding, FILETIME_EPOCH, Scheme};
use automend_system::{clock, kerberos};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

pub use automend_system::kerberos::is_refused;

/// What this program can prove itself with.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
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
    /// `krb5.conf`, where centres of realms may stand.
    pub kerberos_file: PathBuf,
    /// Whether a proof may be made with RC4, from which a password is cheap to guess.
    pub rc4: bool,
}

/// One challenge of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// The scheme; `None` for one that isn't spoken here.
    pub scheme: Option<Scheme>,
    /// Its name as the server wrote it.
    pub name: String,
    /// What the server says in a login that is under way.
    pub token: Option<String>,
}

/// One login on one connection.
pub struct ClientLogin {
    scheme: Scheme,
    state: State,
    binding: Option<Binding>,
}

enum State {
    /// One value says it all.
    Single(SecretString),
    /// NTLM that has not begun.
    Ntlm(Box<ntlm::Client>),
    /// NTLM that waits for its challenge.
    Challenged(Box<ntlm::Client>, Hello),
    /// Kerberos that has not begun.
    Kerberos(Box<kerberos::Credentials>, String),
    /// Kerberos that waits for the server's proof.
    Proof(Proof),
    /// Nothing more to say.
    Done,
}

impl ClientLogin {
    /// Begins a login at the server `host`.
    pub fn begin(scheme: Scheme, have: &Credentials, host: &str) -> Result<Self> {
        if !have.suffice(scheme) {
            bail!("{host}: nothing to log in with by {}", scheme.name());
        }
        let user = have.user.as_deref().unwrap_or_default();
        let password = have
            .password
            .as_ref()
            .map_or("", ExposeSecret::expose_secret);
        let state = match scheme {
            Scheme::Basic => {
                if user.contains(':') {
                    bail!("{host}: Basic cannot say a user's name with a colon");
                }
                let plain = SecretString::from(format!("{user}:{password}"));
                let token = STANDARD.encode(plain.expose_secret());
                State::Single(SecretString::from(format!("Basic {token}")))
            }
            Scheme::Bearer => {
                let token = have.bearer.as_ref().map_or("", ExposeSecret::expose_secret);
                State::Single(SecretString::from(format!("Bearer {token}")))
            }
            Scheme::Ntlm => {
                let (domain, user) = user.split_once('\\').unwrap_or(("", user));
                let service = format!("HTTP/{host}");
                let client = ntlm::Client::new(user, domain, password, &service);
                State::Ntlm(Box::new(client))
            }
            Scheme::Negotiate => State::Kerberos(Box::new(have.kerberos()), host.to_owned()),
        };
        Ok(Self {
            scheme,
            state,
            binding: None,
        })
    }

    /// Binds a login that has not begun to the TLS connection on which the server showed this
    /// certificate, as servers with Extended Protection demand.
    pub fn bind_to(&mut self, certificate: &[u8]) {
        self.binding = Binding::to_server(certificate);
    }

    /// The scheme of this login.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The next `Authorization` value. `challenge` is what the server answered to the last one; `None`
    /// at the beginning. `None` comes back when there is nothing more to say: the server refuses.
    ///
    /// An error that [`is_refused`] is about the password, and no other scheme will do better with it.
    pub async fn next(&mut self, challenge: Option<&Challenge>) -> Result<Option<SecretString>> {
        let token = match std::mem::replace(&mut self.state, State::Done) {
            State::Single(value) => return Ok(Some(value)),
            State::Ntlm(mut client) => {
                client.binding = self.binding;
                let hello = client.hello();
                let token = hello.message().to_vec();
                self.state = State::Challenged(client, hello);
                token
            }
            State::Challenged(client, hello) => {
                let Some(token) = challenge.and_then(|challenge| challenge.token.as_ref()) else {
                    return Ok(None);
                };
                let token = STANDARD
                    .decode(token)
                    .context("the server's challenge is not base64")?;
                let seconds = u64::try_from(clock::now().as_second()).unwrap_or(0);
                let time = seconds
                    .saturating_add(FILETIME_EPOCH)
                    .saturating_mul(10_000_000);
                client
                    .answer(&hello, &token, time)
                    .context("reading the server's challenge")?
            }
            State::Kerberos(have, host) => {
                let ticket = have.ticket("HTTP", &host).await?;
                let (login, proof) = ticket.login(
                    self.binding,
                    Protection::default(),
                    Moment::from(clock::now()),
                )?;
                self.state = State::Proof(proof);
                spnego::init(&[Mechanism::Kerberos, Mechanism::KerberosOfWindows], &login)
            }
            State::Proof(_) | State::Done => return Ok(None),
        };
        let value = format!("{} {}", self.scheme.name(), STANDARD.encode(token));
        Ok(Some(SecretString::from(value)))
    }

    /// Looks at the `WWW-Authenticate` values of the answer that came in the end. A proof of the server
    /// that proves nothing is an error; that there is none is not, as TLS has named the server already.
    pub fn finish(&mut self, challenges: &[Challenge]) -> Result<()> {
        let State::Proof(proof) = std::mem::replace(&mut self.state, State::Done) else {
            return Ok(());
        };
        let said = challenges
            .iter()
            .filter(|challenge| challenge.scheme == Some(self.scheme))
            .find_map(|challenge| challenge.token.as_ref());
        let Some(said) = said else {
            return Ok(());
        };
        let token = STANDARD
            .decode(said)
            .context("the server's proof is not base64")?;
        let inside = match spnego::read_response(&token) {
            Ok((_, inside)) => inside,
            // A server that speaks Kerberos without SPNEGO around it.
            Err(_) => Some(token.as_slice()),
        };
        if inside.is_some_and(|inside| !proof.is(inside)) {
            bail!("the server could not open the ticket: it does not prove itself");
        }
        Ok(())
    }
}

/// Reads the `WWW-Authenticate` values of an answer, one line each; several schemes in one line, too.
pub fn challenges<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
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
pub fn choose(offered: &[Challenge], have: &Credentials, chosen: Option<Scheme>) -> Option<Scheme> {
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
    fn kerberos(&self) -> kerberos::Credentials {
        kerberos::Credentials {
            ticket_cache: self.tickets.clone(),
            keytab: self.keytab.clone(),
            password: self.password.clone(),
            user: self.user.clone(),
            kdc: self.kdc.clone(),
            configuration: self.kerberos_file.clone(),
            rc4: self.rc4,
        }
    }

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
