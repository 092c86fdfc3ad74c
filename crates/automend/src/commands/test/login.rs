//! Logins at servers: one at a time until one works, and none any more once they are rejected.
//!
//! RFC 9110 11 (challenges), RFC 4559 (NTLM and Negotiate belong to a connection).
//!
//! Invariants: a wrong password costs one login at most, however many hosts, mailboxes and users are
//! tested at once, unless more are allowed; never two at one host. Nothing is sent over a connection
//! whose certificate is not trusted, or that is not TLS. A scheme that is chosen is never left for a
//! weaker one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use automend_core::discovery::{Answer, Dialect, Host, Login, Scheme as UrlScheme, Url};
use automend_core::verdict::Cause;
use automend_negotiate::EndPoint;
use automend_recording::secrets::Secrets;
use tokio::sync::{Mutex as Waiting, MutexGuard, OnceCell};

use automend_negotiate::Scheme;
use automend_probe::answer::{Assessment, HttpAnswer, judge};
use automend_probe::http::{Connection, Failure, HttpClient, HttpExchange, Request};
use automend_probe::login::{Challenge, ClientLogin, Credentials, challenges, choose, is_refused};

/// Requests of one login; Kerberos and NTLM need three.
const MOST_LEGS: usize = 8;

/// The logins of one account.
pub(super) struct Logins {
    /// Where the credentials come from, asked for when a server first wants them.
    source: Box<dyn Fn() -> Result<Option<Credentials>> + Send + Sync>,
    credentials: OnceCell<Option<Credentials>>,
    /// Schemes that may be used.
    schemes: Vec<Scheme>,
    /// Rejections after which no login is made any more.
    most_rejections: u8,
    rejections: AtomicU8,
    /// Hosts at which a login worked.
    good: Mutex<HashSet<Host>>,
    /// Hosts at which one was rejected.
    bad: Mutex<HashSet<Host>>,
    /// Held during a login whose result is open.
    one: Waiting<()>,
    /// What must not be shown.
    pub secrets: Secrets,
}

/// What came of asking a server.
pub(super) struct Asked {
    /// Every request.
    pub exchanges: Vec<HttpExchange>,
    /// What it came to.
    pub judged: Assessment,
}

/// Leave to log in, for as long as it is held.
enum Leave<'a> {
    /// A login worked here before.
    Good,
    /// Everybody else waits.
    First(#[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>),
}

impl Logins {
    pub(super) fn new(
        source: impl Fn() -> Result<Option<Credentials>> + Send + Sync + 'static,
        schemes: Vec<Scheme>,
        most_rejections: u8,
    ) -> Self {
        Self {
            source: Box::new(source),
            credentials: OnceCell::new(),
            schemes,
            most_rejections,
            rejections: AtomicU8::new(0),
            good: Mutex::default(),
            bad: Mutex::default(),
            one: Waiting::new(()),
            secrets: Secrets::default(),
        }
    }

    /// How many rejections are still risked.
    pub(super) fn left(&self) -> u8 {
        self.most_rejections
            .saturating_sub(self.rejections.load(Ordering::SeqCst))
    }

    /// Whether no login is made any more.
    pub(super) fn are_over(&self) -> bool {
        self.left() == 0
    }

    /// Whether a login was rejected.
    pub(super) fn were_rejected(&self) -> bool {
        self.rejections.load(Ordering::SeqCst) > 0
    }

    /// Asks a server, and logs in where it wants that and `login` allows it.
    pub(super) async fn ask(
        &self,
        web: &HttpClient,
        request: Request,
        dialect: Dialect,
        login: Login,
    ) -> Result<Asked> {
        let mut exchanges = Vec::new();
        let judged = match self
            .talk(web, request, dialect, login, &mut exchanges)
            .await?
        {
            Ok(judged) => judged,
            Err(failure) => Assessment::failed(failure.cause, failure.detail),
        };
        let judged = self.without_echo(judged, &exchanges, dialect);
        Ok(Asked { exchanges, judged })
    }

    async fn talk(
        &self,
        web: &HttpClient,
        request: Request,
        dialect: Dialect,
        login: Login,
        exchanges: &mut Vec<HttpExchange>,
    ) -> Result<Result<Assessment, Failure>> {
        let mut connection = match connect(web, &request, exchanges).await {
            Ok(connection) => connection,
            Err(failure) => return Ok(Err(failure)),
        };
        let exchange = connection.send(request.clone(), None).await;
        let heard = hear(&exchange, dialect);
        let offered = offers(&exchange);
        exchanges.push(exchange);
        if let Some(untrusted) = &connection.connected().untrusted {
            return Ok(looked(untrusted, heard, &offered));
        }
        let Ok(None) = heard else {
            return Ok(heard.map(|judged| judged.unwrap_or_else(nothing)));
        };
        let host = request.url.host().clone();
        if let Some(refusal) = self.refusal(&request.url, login) {
            return Ok(Err(refusal));
        }
        let Some(have) = self.credentials().await? else {
            return Ok(Err(Failure::new(Cause::LoginWanted, shown(&offered))));
        };
        let scheme = match self.scheme(&offered, have, login) {
            Ok(scheme) => scheme,
            Err(judged) => return Ok(Ok(judged)),
        };
        let Some(leave) = self.leave(&host).await else {
            return Ok(Err(Failure::new(Cause::LoginWithheld, shown(&offered))));
        };
        let mut attempt = Attempt {
            web,
            request: &request,
            dialect,
            have,
            host: &host,
            schemes: &self.schemes,
            secrets: &self.secrets,
        };
        let end = attempt
            .log_in(scheme, &offered, connection, exchanges)
            .await;
        self.settle(&end, exchanges, host);
        drop(leave);
        Ok(end)
    }

    /// The same in words from which secrets are taken out that the server gave back. Where it gave back
    /// none, every word is left as it is: most are ours, and one of them may be someone's password.
    fn without_echo(
        &self,
        judged: Assessment,
        exchanges: &[HttpExchange],
        dialect: Dialect,
    ) -> Assessment {
        let echoes = exchanges.iter().any(|exchange| {
            exchange.response.as_ref().is_some_and(|response| {
                let headers = response.headers.iter();
                std::str::from_utf8(&response.body).map_or(true, |body| self.secrets.are_in(body))
                    || headers
                        .into_iter()
                        .any(|(_, value)| self.secrets.are_in(value))
            })
        });
        if !echoes {
            return judged;
        }
        // What the answer comes to without them: these words hold none of the server's.
        let body = exchanges
            .last()
            .and_then(|exchange| exchange.response.as_ref())
            .and_then(|response| std::str::from_utf8(&response.body).ok());
        let again = exchanges.last().zip(body).and_then(|(exchange, body)| {
            let body = self.secrets.without(body);
            let location = exchange.response.as_ref()?.header("location");
            let location = location.map(|location| self.secrets.without(location));
            let mut heard = heard(exchange).ok()?;
            heard.location = location.as_deref();
            heard.body = body.as_bytes();
            Some(judge(dialect, heard))
        });
        let words = match again {
            Some(again)
                if again.cause() == judged.cause()
                    && std::mem::discriminant(&again.answer)
                        == std::mem::discriminant(&judged.answer) =>
            {
                again
            }
            _ => {
                let clean = |text: &String| self.secrets.without(text).into_owned();
                Assessment {
                    detail: clean(&judged.detail),
                    warnings: judged
                        .warnings
                        .iter()
                        .map(|(cause, detail)| (*cause, clean(detail)))
                        .collect(),
                    defects: judged.defects.iter().map(clean).collect(),
                    ..judged.clone()
                }
            }
        };
        Assessment {
            detail: words.detail,
            warnings: words.warnings,
            defects: words.defects,
            ..judged
        }
    }

    /// Remembers how a login ended.
    fn settle(&self, end: &Result<Assessment, Failure>, exchanges: &[HttpExchange], host: Host) {
        let last = exchanges.last().filter(|exchange| exchange.login.is_some());
        let status = last
            .and_then(|exchange| exchange.response.as_ref())
            .map(|heard| heard.status);
        if matches!(
            end,
            Err(failure) if matches!(failure.cause, Cause::LoginRejected | Cause::LoginDowngrade)
        ) {
            self.rejections.fetch_add(1, Ordering::SeqCst);
            lock(&self.bad).insert(host);
        } else if status.is_some_and(|status| status != 401) {
            lock(&self.good).insert(host);
        } else if last.is_some() && !lock(&self.good).contains(&host) {
            // Whether the directory counted it is unknown.
            lock(&self.bad).insert(host);
        }
    }

    /// Why no login may be made here, whatever the server offers.
    fn refusal(&self, url: &Url, login: Login) -> Option<Failure> {
        if url.scheme() != UrlScheme::Https {
            return Some(Failure::new(Cause::LoginWithheld, "the URL is not https"));
        }
        (login == Login::Withheld || self.are_over())
            .then(|| Failure::new(Cause::LoginWithheld, ""))
    }

    async fn credentials(&self) -> Result<Option<&Credentials>> {
        let have = self.credentials.get_or_try_init(async || {
            let have = (self.source)()?;
            if let Some(have) = &have {
                if let Some(password) = &have.password {
                    self.secrets.password(have.user.as_deref(), password);
                }
                if let Some(token) = &have.bearer {
                    self.secrets.authorization(token);
                }
            }
            anyhow::Ok(have)
        });
        Ok(have.await?.as_ref())
    }

    /// The scheme to log in with, or what it comes to that there is none.
    fn scheme(
        &self,
        offered: &[Challenge],
        have: &Credentials,
        login: Login,
    ) -> Result<Scheme, Assessment> {
        let among = |sealed: bool| {
            let may = |challenge: &&Challenge| {
                challenge.scheme.is_some_and(|scheme| {
                    self.schemes.contains(&scheme) && !(sealed && hands_over(scheme))
                })
            };
            let offers: Vec<Challenge> = offered.iter().filter(may).cloned().collect();
            choose(&offers, have, None)
        };
        let none = || {
            let detail = format!("it offers {}", shown(offered));
            Assessment::failed(Cause::LoginNoScheme, detail)
        };
        if login != Login::Sealed {
            return among(false).ok_or_else(none);
        }
        among(true).ok_or_else(|| match among(false) {
            Some(scheme) => Assessment {
                answer: Answer::WantsSecret,
                ..Assessment::failed(Cause::SecretWanted, scheme.name())
            },
            None => none(),
        })
    }

    /// Leave for a login at `host`; waits until others know how theirs ends.
    async fn leave(&self, host: &Host) -> Option<Leave<'_>> {
        let is_good = || lock(&self.good).contains(host);
        if is_good() && !self.are_over() {
            return Some(Leave::Good);
        }
        let guard = self.one.lock().await;
        if self.are_over() || lock(&self.bad).contains(host) {
            return None;
        }
        if is_good() {
            return Some(Leave::Good);
        }
        Some(Leave::First(guard))
    }
}

/// One login at one server.
struct Attempt<'a> {
    web: &'a HttpClient,
    request: &'a Request,
    dialect: Dialect,
    have: &'a Credentials,
    host: &'a Host,
    schemes: &'a [Scheme],
    secrets: &'a Secrets,
}

impl Attempt<'_> {
    async fn log_in(
        &mut self,
        scheme: Scheme,
        offered: &[Challenge],
        mut connection: Connection,
        exchanges: &mut Vec<HttpExchange>,
    ) -> Result<Assessment, Failure> {
        if !connection.is_usable().await {
            connection = connect(self.web, self.request, exchanges).await?;
            if let Some(untrusted) = &connection.connected().untrusted {
                return Err(untrusted.clone());
            }
        }
        let certificate = connection.connected().certificate.clone();
        let mut login = self.begin(scheme, offered, &certificate)?;
        let mut challenge: Option<Challenge> = None;
        for leg in 0..MOST_LEGS {
            let value = match login.next(challenge.as_ref()).await {
                // Nothing has been sent yet, and NTLM hands over no more than Negotiate.
                Err(error) if leg == 0 && login.scheme() == Scheme::Negotiate => {
                    login = self.instead(offered, &error, &certificate)?;
                    login.next(None).await
                }
                value => value,
            };
            let value = match value {
                Ok(Some(value)) => value,
                Ok(None) => return Err(self.rejected(login.scheme(), &certificate)),
                Err(error) => return Err(failed(&error)),
            };
            self.secrets.authorization(&value);
            if leg > 0 && !connection.is_usable().await {
                let detail = "the server closed the connection in the middle of the login";
                return Err(Failure::new(Cause::LoginFailed, detail));
            }
            let scheme = login.scheme();
            let sent = Some((&value, scheme.name()));
            let exchange = connection.send(self.request.clone(), sent).await;
            let heard = hear(&exchange, self.dialect);
            let offers = offers(&exchange);
            exchanges.push(exchange);
            if let Some(judged) = heard? {
                login.finish(&offers).map_err(|error| failed(&error))?;
                return Ok(judged);
            }
            let own = offers.iter().find(|offer| offer.scheme == Some(scheme));
            challenge = own.filter(|own| own.token.is_some()).cloned();
            if challenge.is_none() {
                let only_weaker = own.is_none()
                    && scheme != Scheme::Basic
                    && offers
                        .iter()
                        .any(|offer| offer.scheme == Some(Scheme::Basic));
                return Err(if only_weaker {
                    let detail = format!("first {}, then {}", scheme.name(), shown(&offers));
                    Failure::new(Cause::LoginDowngrade, detail)
                } else {
                    self.rejected(scheme, &certificate)
                });
            }
        }
        Err(Failure::new(Cause::LoginFailed, "the login does not end"))
    }

    fn begin(
        &self,
        scheme: Scheme,
        offered: &[Challenge],
        certificate: &[u8],
    ) -> Result<ClientLogin, Failure> {
        match ClientLogin::begin(scheme, self.have, &self.host.to_string()) {
            Ok(mut login) => {
                login.bind_to(certificate);
                Ok(login)
            }
            Err(error) if scheme == Scheme::Negotiate => self.instead(offered, &error, certificate),
            Err(error) => Err(failed(&error)),
        }
    }

    /// NTLM where Negotiate cannot even begin, as Windows does without a domain controller.
    fn instead(
        &self,
        offered: &[Challenge],
        error: &anyhow::Error,
        certificate: &[u8],
    ) -> Result<ClientLogin, Failure> {
        let offers = |offer: &Challenge| offer.scheme == Some(Scheme::Ntlm);
        let ntlm = self.schemes.contains(&Scheme::Ntlm) && offered.iter().any(offers);
        if !ntlm || self.have.password.is_none() || is_refused(error) {
            return Err(failed(error));
        }
        self.begin(Scheme::Ntlm, offered, certificate)
    }

    fn rejected(&self, scheme: Scheme, certificate: &[u8]) -> Failure {
        let user = self.have.user.as_deref().unwrap_or("the token");
        let how = format!("{user}, with {}", scheme.name());
        Failure::new(
            Cause::LoginRejected,
            if hands_over(scheme) {
                how
            } else {
                format!("{how}; {}", bound(certificate))
            },
        )
    }
}

/// What a login by NTLM or Kerberos was bound to, over a connection on which the server showed this
/// certificate.
fn bound(certificate: &[u8]) -> String {
    match EndPoint::of(certificate) {
        Some(end) => {
            let whose = match end.subject.as_str() {
                "" => "without a subject",
                subject => subject,
            };
            format!(
                "bound by tls-server-end-point to the certificate {whose}, {} {}",
                end.algorithm.name(),
                end.fingerprint
            )
        }
        None if certificate.is_empty() => {
            "the connection was not TLS: the login was bound to nothing".to_owned()
        }
        None => {
            "the server's certificate cannot be read: the login was bound to nothing".to_owned()
        }
    }
}

/// What a login that could not be made comes to.
fn failed(error: &anyhow::Error) -> Failure {
    let cause = if is_refused(error) {
        Cause::LoginRejected
    } else {
        Cause::LoginFailed
    };
    Failure::new(cause, format!("{error:#}"))
}

/// Connects; a connection that does not come about is an exchange, too.
pub(super) async fn connect(
    web: &HttpClient,
    request: &Request,
    exchanges: &mut Vec<HttpExchange>,
) -> Result<Connection, Failure> {
    let started = automend_system::clock::now();
    web.connect(&request.url).await.map_err(|(failure, times)| {
        exchanges.push(HttpExchange {
            request: request.clone(),
            login: None,
            response: None,
            failure: Some(failure.clone()),
            connection: None,
            started,
            times,
        });
        failure
    })
}

/// What an exchange comes to; `None` for a login that is wanted.
fn hear(exchange: &HttpExchange, dialect: Dialect) -> Result<Option<Assessment>, Failure> {
    let heard = heard(exchange)?;
    Ok((heard.status != 401).then(|| judge(dialect, heard)))
}

/// The answer of an exchange, if it is whole.
pub(super) fn heard(exchange: &HttpExchange) -> Result<HttpAnswer<'_>, Failure> {
    let unanswered = || Failure::new(Cause::Reset, "");
    match &exchange.response {
        // A status says what it says, also where the page behind it breaks off.
        Some(response) if exchange.failure.is_none() || response.status != 200 => Ok(HttpAnswer {
            status: response.status,
            location: response.header("location"),
            retry_after: response.header("retry-after"),
            body: &response.body,
        }),
        _ => Err(exchange.failure.clone().unwrap_or_else(unanswered)),
    }
}

fn offers(exchange: &HttpExchange) -> Vec<Challenge> {
    let response = exchange.response.as_ref();
    response.map_or_else(Vec::new, |response| {
        challenges(response.headers("www-authenticate"))
    })
}

fn shown(offered: &[Challenge]) -> String {
    let names: Vec<&str> = offered.iter().map(|offer| offer.name.as_str()).collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

/// Whether a login hands over what another could use again.
fn hands_over(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Basic | Scheme::Bearer)
}

/// What there is behind a certificate that is not trusted: a redirect may lead on, as nothing secret has
/// been sent; everything else counts for nothing.
fn looked(
    untrusted: &Failure,
    heard: Result<Option<Assessment>, Failure>,
    offered: &[Challenge],
) -> Result<Assessment, Failure> {
    let behind = match heard {
        Ok(Some(judged)) if matches!(judged.answer, Answer::RedirectUrl(_)) => return Ok(judged),
        Ok(Some(judged)) => judged.cause().map_or("settings", Cause::what).to_owned(),
        Ok(None) => format!("a login is wanted, by {}", shown(offered)),
        Err(failure) => failure.cause.what().to_owned(),
    };
    let seen = if untrusted.detail.is_empty() {
        String::new()
    } else {
        format!("{}; ", untrusted.detail)
    };
    Err(Failure::new(
        untrusted.cause,
        format!("{seen}behind it: {behind}"),
    ))
}

fn nothing() -> Assessment {
    Assessment::failed(Cause::Reset, "")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;

    use super::*;

    #[test]
    fn what_a_login_was_bound_to_is_told_whatever_the_connection_was() {
        let nothing = bound(&[]);
        assert!(nothing.contains("not TLS"), "{nothing}");
        let mut params = rcgen::CertificateParams::new(["mail.contoso.test".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let names = &mut params.distinguished_name;
        names.push(rcgen::DnType::CommonName, "mail.contoso.test");
        names.push(rcgen::DnType::OrganizationName, "Contoso");
        for (algorithm, hash, name) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, &digest::SHA256, "SHA-256"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, &digest::SHA384, "SHA-384"),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let made = params.self_signed(&key).unwrap();
            let bytes = digest::digest(hash, made.der());
            let bytes = bytes.as_ref().iter().map(|byte| format!("{byte:02X}"));
            let fingerprint = bytes.collect::<Vec<_>>().join(":");
            assert_eq!(
                bound(made.der()),
                format!(
                    "bound by tls-server-end-point to the certificate CN=mail.contoso.test, O=Contoso, {name} {fingerprint}"
                )
            );
        }
        let unread = bound(b"no certificate");
        assert!(unread.contains("cannot be read"), "{unread}");
    }
}
