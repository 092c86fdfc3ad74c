//! What one exchange says: which service it is for, whose mailbox it is about, and what it came to.
//!
//! What an answer comes to `answer` judges, as for `automend test`; here is what only a recording has: exchanges
//! that are no requests for settings, logins halfway, answers that were not recorded.
//!
//! Invariant: an error is reported only where a service of Autodiscover answered a request for settings. A
//! page, a mail or a file that quotes one is none, and neither is error 600 to a browser's GET, which is
//! how a healthy server answers it.

use std::borrow::Cow;

use automend_autodiscover::reading::Unreadable;
use automend_autodiscover::xml::{Element, Limits, Text};
use automend_autodiscover::{pox, schema, soap, v2};
use automend_core::discovery::{Answer, Dialect, Domain, Scheme, Url};
use automend_core::names::SmtpAddress;
use automend_core::verdict::Cause;
use automend_recording::HttpExchange;
use automend_recording::secrets;

use super::failure;
use super::service::{Asked, MOST_NAME, Service, of_path, path, service};
use crate::answer::{self, Assessment, Concern, HttpAnswer, SettingsSummary};

/// What an exchange came to, for one mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Settings: how many other mailboxes are opened, and what should be better. Which settings, only
    /// the judge sees; lists go without.
    Settings {
        /// What they say, until it is listed.
        told: Option<Box<SettingsSummary>>,
        /// How many other mailboxes are opened.
        alternatives: usize,
        /// What should be better.
        warnings: Vec<Concern>,
    },
    /// Leads on.
    Redirect(Target),
    /// The server wants a login: the schemes it offers, and whether this request had brought one.
    Login {
        /// The schemes of its challenges.
        schemes: Vec<String>,
        /// Whether the request had `Authorization`.
        brought: bool,
    },
    /// Failed.
    Failed(Failure),
    /// Says nothing of the settings, and why.
    Aside(Cow<'static, str>),
}

impl Outcome {
    /// The same without the settings.
    pub fn brief(&self) -> Self {
        match self {
            Self::Settings { alternatives, .. } => Self::Settings {
                told: None,
                alternatives: *alternatives,
                warnings: Vec::new(),
            },
            other => other.clone(),
        }
    }

    /// The same without what is secret in the URLs of it: whatever a story keeps comes from here.
    fn without_secrets(self) -> Self {
        match self {
            Self::Settings {
                told,
                alternatives,
                warnings,
            } => Self::Settings {
                told: told.map(|told| Box::new(told.without_secrets())),
                alternatives,
                warnings: warnings
                    .into_iter()
                    .map(|concern| concern.cleaned(|text| *text = secrets::urls_in(text)))
                    .collect(),
            },
            Self::Redirect(Target::Url(url)) => Self::Redirect(Target::Url(secrets::url(&url))),
            Self::Redirect(Target::Elsewhere(url)) => {
                Self::Redirect(Target::Elsewhere(secrets::url(&url)))
            }
            Self::Failed(failure) => Self::Failed(Failure {
                message: failure.message.as_deref().map(secrets::urls_in),
                ..failure
            }),
            Self::Aside(why) => Self::Aside(secrets::urls_in(&why).into()),
            other @ (Self::Redirect(Target::Address(_)) | Self::Login { .. }) => other,
        }
    }

    /// Settings of which only the recorder's word is known.
    fn settings() -> Self {
        Self::Settings {
            told: None,
            alternatives: 0,
            warnings: Vec::new(),
        }
    }
}

/// Where a redirect leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// To another URL of Autodiscover.
    Url(String),
    /// To another mailbox.
    Address(Asked),
    /// To something else, such as a web site's front page or another service.
    Elsewhere(String),
}

impl Target {
    /// The URL, address or name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Url(target) | Self::Elsewhere(target) => target,
            Self::Address(asked) => asked.as_str(),
        }
    }
}

/// Why, and what the server said of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What it comes to.
    pub cause: Cause,
    /// `ErrorCode` of POX.
    pub code: Option<i64>,
    /// The server's message, or the recorder's.
    pub message: Option<String>,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            code: None,
            message: None,
        }
    }
}

/// An exchange, judged: for each mailbox that it asks for what it came to, without secrets.
pub(super) fn judge(exchange: &HttpExchange) -> Option<Vec<(Option<Asked>, Outcome)>> {
    let told = judge_whole(exchange)?.into_iter();
    Some(
        told.map(|(asked, outcome)| (asked, outcome.without_secrets()))
            .collect(),
    )
}

fn judge_whole(exchange: &HttpExchange) -> Option<Vec<(Option<Asked>, Outcome)>> {
    if exchange.method == "CONNECT" {
        // The way of a proxy to a host that is looked into; what matters is that there was none.
        let text = exchange
            .failure
            .as_ref()
            .filter(|text| text.starts_with(failure::OURS))?;
        let cause = failure::cause(text)?;
        return Some(vec![(
            None,
            Outcome::Failed(Failure {
                message: Some(text.clone()),
                ..cause.into()
            }),
        )]);
    }
    // A saved answer has neither URL nor request.
    let answer_only = exchange.url.is_empty() && exchange.request.body.is_empty();
    let service = if answer_only {
        let service = bare_service(&exchange.response.body);
        if why_no_answer(exchange, service).is_some() {
            return None;
        }
        service
    } else {
        service(&exchange.url, &exchange.request.body)?
    };
    let mut asked = asked(service, exchange);
    if asked.is_empty() && exchange.status == 200 {
        asked.extend(told_of(service, &exchange.response.body));
    }
    let first = || asked.first().cloned();
    let one = |outcome| Some(vec![(first(), outcome)]);
    let method = exchange.method.to_ascii_uppercase();
    if matches!(method.as_str(), "OPTIONS" | "HEAD") {
        return one(Outcome::Aside(Cow::Borrowed("asks for no settings")));
    }
    let probe = method == "GET" && service != Service::Json;
    if let Some(outcome) = without_answer(exchange, probe) {
        return one(outcome);
    }
    if service == Service::Soap
        && let Ok((answer, _)) = soap::read(&exchange.response.body)
        && let soap::Body::Users(level, users) = answer.body
        && level.is_ok()
    {
        let told = users.into_iter().enumerate().map(|(at, user)| {
            let who = asked.get(at).cloned().or_else(|| named(&user));
            let judged = answer::judge_user(&user.level.clone(), user);
            let outcome = outcome(judged, exchange, who.as_ref());
            (who, outcome)
        });
        return Some(told.collect());
    }
    let heard = HttpAnswer {
        status: exchange.status,
        location: exchange.response.header("location"),
        retry_after: exchange.response.header("retry-after"),
        body: &exchange.response.body,
    };
    let judged = match service {
        Service::Pox => answer::judge(dialect(exchange), heard),
        Service::Soap => answer::judge(Dialect::Soap, heard),
        Service::Json => answer::judge_json(heard),
    };
    let outcome = if probe && judged.cause().is_some() && exchange.status == 200 {
        NO_SETTINGS
    } else {
        outcome(judged, exchange, asked.first())
    };
    match asked.as_slice() {
        // An error of the request as a whole is everybody's.
        [_, _, ..] => Some(
            asked
                .into_iter()
                .map(|who| (Some(who), outcome.clone()))
                .collect(),
        ),
        _ => one(outcome),
    }
}

/// What an exchange comes to that has no answer of Autodiscover: no response, a login, a search that leads nowhere.
fn without_answer(exchange: &HttpExchange, probe: bool) -> Option<Outcome> {
    if exchange.status == 0 {
        let Some(text) = &exchange.failure else {
            return Some(Outcome::Aside(Cow::Borrowed(NO_RESPONSE)));
        };
        return Some(match failure::cause(text) {
            Some(cause) => Outcome::Failed(Failure {
                message: Some(failure::words(text)),
                ..cause.into()
            }),
            None => Outcome::Aside(Cow::Owned(format!(
                "there was no response: {}",
                failure::words(text)
            ))),
        });
    }
    if exchange.status == 401 {
        return Some(login(exchange));
    }
    if (100..200).contains(&exchange.status) {
        return Some(Outcome::Aside(Cow::Borrowed("announces another answer")));
    }
    if probe && exchange.status != 200 && !(300..400).contains(&exchange.status) {
        return Some(if exchange.url.starts_with("http://") {
            Outcome::Failed(Cause::NoRedirect.into())
        } else {
            NO_SETTINGS
        });
    }
    if exchange.status == 200 && exchange.response.body.is_empty() {
        return Some(silent(exchange, probe));
    }
    None
}

/// What a request comes to of which the recording has no response, nor why.
pub(super) const NO_RESPONSE: &str = "there is no response in the recording";

/// What a request that is none for settings comes to; error 600 is how a healthy server answers a GET.
const NO_SETTINGS: Outcome = Outcome::Aside(Cow::Borrowed("asks for no settings"));

/// An answer without a body.
fn silent(exchange: &HttpExchange, probe: bool) -> Outcome {
    // A log may say more than what the answer was.
    match exchange.failure.as_deref() {
        Some(failure::SUCCEEDED) => Outcome::settings(),
        Some(said) if failure::cause(said).is_some() => {
            let cause = failure::cause(said).unwrap_or(Cause::AnswerEmpty);
            Outcome::Failed(Failure {
                message: Some(failure::words(said)),
                ..cause.into()
            })
        }
        _ if probe => NO_SETTINGS,
        _ if exchange.response.missing || exchange.response.cut => {
            Outcome::Failed(Cause::BodyNotRecorded.into())
        }
        _ => Outcome::Failed(Cause::AnswerEmpty.into()),
    }
}

/// What kind of client asked; where the request does not tell, the answer does.
fn dialect(exchange: &HttpExchange) -> Dialect {
    let text = Text::read(&exchange.request.body, Limits::REQUEST);
    let mobile = match text.as_ref().map(Text::root) {
        Ok(Ok(root)) => *root.namespace == *schema::pox::MOBILESYNC_REQUEST,
        _ => pox::read(&exchange.response.body)
            .is_ok_and(|(answer, _)| answer.dialect == pox::Dialect::MobileSync),
    };
    if mobile {
        Dialect::MobileSync
    } else {
        Dialect::Pox
    }
}

/// An answer that was judged, as a recording shows it, for the user that `asked` names.
fn outcome(judged: Assessment, exchange: &HttpExchange, asked: Option<&Asked>) -> Outcome {
    let response = &exchange.response;
    let led = |cause: Cause, target: &str| {
        Outcome::Failed(Failure {
            message: Some(secrets::url(target)).filter(|target| !target.is_empty()),
            ..cause.into()
        })
    };
    match judged.answer {
        Answer::RedirectUrl(target) => match resolve(&target, exchange) {
            Err(cause) => led(cause, &target),
            // An answer of Autodiscover leads on whatever the path is; a web site's redirect may not.
            Ok(url) if is_answer(exchange) || of_path(path(&url)).is_some() => {
                Outcome::Redirect(Target::Url(url))
            }
            Ok(url) => Outcome::Redirect(Target::Elsewhere(url)),
        },
        Answer::RedirectAddress(target) => match address(&target) {
            None => led(Cause::RedirectNoAddress, &target),
            Some(to) if Some(&to) == asked => led(Cause::RedirectSame, &target),
            Some(to) => Outcome::Redirect(Target::Address(to)),
        },
        Answer::Failed(cause) if response.cut && is_unreadable(cause) => {
            // What the recorder left out is not the server's fault.
            Outcome::Aside(Cow::Borrowed("the answer is not whole in the recording"))
        }
        Answer::Failed(cause) => {
            let fault = match pox::read(&response.body) {
                Ok((answer, _)) => match answer.reply {
                    pox::Reply::Fault(fault) if cause.is_fault() => Some(fault),
                    _ => None,
                },
                Err(_) => None,
            };
            let code = fault.as_ref().and_then(|fault| fault.code);
            let message = fault.map_or(judged.detail, |fault| fault.message);
            Outcome::Failed(Failure {
                cause,
                code,
                message: Some(message).filter(|message| !message.trim().is_empty()),
            })
        }
        _ => Outcome::Settings {
            alternatives: judged
                .told
                .as_ref()
                .map_or(0, |told| told.alternatives.len()),
            told: judged.told,
            warnings: answer::gathered(judged.warnings),
        },
    }
}

/// Whether a redirect is one of XML, which names another place that answers.
fn is_answer(exchange: &HttpExchange) -> bool {
    exchange.status == 200 && of_path(path(&exchange.url)) != Some(Service::Json)
}

/// Where a redirect to a URL leads, which in `Location` may be relative (RFC 9110 10.2.2).
fn resolve(target: &str, exchange: &HttpExchange) -> Result<String, Cause> {
    let base = Url::parse(&exchange.url).filter(|_| (300..400).contains(&exchange.status));
    let url = match base {
        Some(base) => base.join(target),
        None => Url::parse(target),
    };
    match url {
        None => Err(Cause::RedirectBroken),
        Some(url) if url.scheme() == Scheme::Http => Err(Cause::RedirectPlain),
        // As it was written, so that it is found again in the recording.
        Some(_) if target.contains("://") => Ok(target.trim().to_owned()),
        Some(url) => Ok(url.to_string()),
    }
}

/// An address that can be asked for.
fn address(text: &str) -> Option<Asked> {
    let address = SmtpAddress::parse(text.trim()).ok()?;
    Domain::of(&address).ok()?;
    Some(Asked::Address(address.to_string()))
}

fn is_unreadable(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::AnswerEmpty
            | Cause::AnswerEncoding
            | Cause::AnswerForeign
            | Cause::AnswerHtml
            | Cause::AnswerMalformed
            | Cause::AnswerTooLarge
    )
}

/// Why a saved document is no answer of Autodiscover.
pub(super) fn why_no_answer(exchange: &HttpExchange, service: Service) -> Option<Unreadable> {
    if exchange.response.body.is_empty() {
        return None;
    }
    match service {
        Service::Soap => soap::read(&exchange.response.body).err(),
        Service::Pox | Service::Json => pox::read(&exchange.response.body).err(),
    }
}

/// The service that a saved answer is of.
pub(super) fn bare_service(body: &[u8]) -> Service {
    let text = Text::read(body, Limits::ANSWER);
    match text.as_ref().map(Text::root) {
        Ok(Ok(root)) if root.name == "Envelope" => Service::Soap,
        _ => Service::Pox,
    }
}

fn asked(service: Service, exchange: &HttpExchange) -> Vec<Asked> {
    let request = &exchange.request;
    let mut asked = match service {
        Service::Pox => pox_asked(&request.body).into_iter().collect(),
        Service::Soap => soap_asked(&request.body),
        Service::Json => json_asked(&exchange.url).into_iter().collect(),
    };
    if asked.is_empty() {
        let hint = request
            .header(schema::header::ANCHOR_MAILBOX)
            .filter(|hint| hint.contains('@'));
        asked.extend(exchange.named.as_deref().or(hint).and_then(Asked::of));
    }
    asked
}

/// Whom settings are about, where no request tells who asked.
fn told_of(service: Service, body: &[u8]) -> Option<Asked> {
    match service {
        Service::Pox => {
            let (answer, _) = pox::read(body).ok()?;
            let names = [answer.user.address, answer.user.legacy_dn];
            names
                .into_iter()
                .flatten()
                .find_map(|name| Asked::of(&name))
        }
        Service::Soap => match soap::read(body).ok()?.0.body {
            soap::Body::Users(_, users) => match users.as_slice() {
                [user] => named(user),
                // Each is named by its own settings.
                _ => None,
            },
            _ => None,
        },
        Service::Json => None,
    }
}

/// Whom the settings of a user of SOAP name.
fn named(user: &soap::User) -> Option<Asked> {
    ["AutoDiscoverSMTPAddress", "UserDN"]
        .into_iter()
        .find_map(|name| user.text(name).and_then(Asked::of))
}

fn pox_asked(body: &[u8]) -> Option<Asked> {
    let text = Text::read(body, Limits::REQUEST).ok()?;
    let root = text.root().ok()?;
    let request = root
        .any("Request")
        .filter(|_| root.name == "Autodiscover")?;
    let value = |name: &str| {
        request
            .any(name)
            .map(Element::value)
            .filter(|value| !value.is_empty())
    };
    // Both: the legacy name counts ([MS-OXDSCLI] 3.2.5).
    match value("LegacyDN") {
        Some(legacy) => Some(Asked::LegacyDn(legacy.chars().take(MOST_NAME).collect())),
        None => value("EMailAddress").and_then(Asked::of),
    }
}

fn soap_asked(body: &[u8]) -> Vec<Asked> {
    let text = Text::read(body, Limits::REQUEST);
    let Ok(Ok(root)) = text.as_ref().map(Text::root) else {
        return Vec::new();
    };
    let users = root.any("Body").and_then(|body| body.children.first());
    let users = users
        .and_then(|message| message.any("Request"))
        .and_then(|request| request.any("Users"));
    let users = users
        .map(|users| users.children.as_slice())
        .unwrap_or_default();
    users
        .iter()
        .filter_map(|user| Asked::of(user.any("Mailbox")?.value()))
        .collect()
}

fn json_asked(url: &str) -> Option<Asked> {
    let (before, query) = url
        .split_once('?')
        .map_or((url, None), |(path, query)| (path, Some(query)));
    match v2::Request::parse(path(before), query)? {
        Ok(request) => Asked::of(&request.address),
        Err(_) => None,
    }
}

fn login(exchange: &HttpExchange) -> Outcome {
    let mut schemes: Vec<String> = Vec::new();
    for challenge in exchange.response.all("www-authenticate") {
        // `Negotiate, NTLM` on one line; parameters have an equals sign.
        for scheme in challenge
            .split(',')
            .filter_map(|part| part.split_whitespace().next())
        {
            let known = schemes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme));
            if !scheme.contains('=') && !known && scheme.len() <= 32 && schemes.len() < 8 {
                schemes.push(scheme.to_owned());
            }
        }
    }
    Outcome::Login {
        schemes,
        brought: exchange.request.header("authorization").is_some() && !is_handshake(exchange),
    }
}

/// Whether the 401 goes on with a login instead of ending it: its challenge has a token.
fn is_handshake(exchange: &HttpExchange) -> bool {
    let mut challenges = exchange.response.all("www-authenticate");
    challenges.any(|challenge| {
        let mut words = challenge.split_whitespace();
        let scheme = words.next().unwrap_or_default();
        let token = words.next().is_some_and(|token| {
            !token.contains(',') && (token.len() > 8 || token.starts_with('('))
        });
        token
            && ["ntlm", "negotiate"]
                .iter()
                .any(|name| scheme.eq_ignore_ascii_case(name))
    })
}
