//! The faces: POX, MobileSync, SOAP, V2 and autoconfig, between the wire formats and the answers.
//!
//! Invariant: what a face tells of a user depends on the directory and the configuration alone; V2 and
//! autoconfig, which need no login, answer by domain and look at no user.

use std::borrow::Cow;

use automend_autodiscover::schema::content;
use automend_autodiscover::services::{Abilities, Services};
use automend_autodiscover::soap::{
    DomainAnswer, ErrorCode, Head, Operation, UserAnswer, domain_settings, federation_information,
    user_settings,
};
use automend_autodiscover::{autoconfig as ac, mobilesync, pox as px, soap as sp, v2 as json};
use automend_core::fault::FaultCode;
use automend_core::host_port;
use automend_core::names::{SmtpAddress, ascii_domain};
use automend_core::resolve::Who;
use automend_core::settings::{Outcome, Settings};
use automend_login::Account;
use automend_source::pool::Outage;
use automend_system::clock;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;

use super::answers::{Answer, Document, From};
use super::configuration::Configuration;
use super::reply::{Asked, Reply, host};
use super::settings::domain;
use super::urls::Home;

/// Document kinds below this are POX for one set of abilities.
const MOBILESYNC: usize = Abilities::MIXTURES;

/// POX: Outlook and mobile devices.
pub(crate) async fn pox(current: &Configuration, account: &Account, asked: &Asked) -> Reply {
    let request = match px::Request::parse(&asked.body) {
        Ok(request) => request,
        Err(refusal) => return fault(refusal.code()).because(refusal.to_string()),
    };
    let (who, phone) = match request {
        px::Request::Outlook(who) => (who, None),
        px::Request::MobileSync(address) => (Who::Address(address.clone()), Some(address)),
    };
    let (answer, from) = match current.answers.ask(&who).await {
        Ok(found) => found,
        Err(outage) => return unavailable(&who, outage),
    };
    let mut reply = match &answer.outcome {
        Outcome::Fault(found) if phone.is_none() => fault(found.code),
        outcome => {
            let whole = is_told_all(current, account, &who, &answer).await;
            let abilities = abilities(&asked.head);
            let document = Document {
                kind: phone
                    .as_ref()
                    .map_or_else(|| abilities.mixture(), |_| MOBILESYNC),
                whole: whole || phone.is_some(),
                generation: current.generation,
            };
            let body = answer.document(document, || {
                let services = services(current, &answer);
                let outcome = limited(outcome, whole);
                let mut out = Vec::with_capacity(4096);
                match &phone {
                    None => px::answer(
                        &outcome,
                        &services,
                        abilities,
                        &px::Stamp::at(clock::for_faults(clock::now())),
                        &mut out,
                    ),
                    Some(address) => mobilesync::answer(&outcome, address, &services, &mut out),
                }
                out.into()
            });
            Reply::new(StatusCode::OK, content::XML, body, word(outcome))
        }
    };
    if let Outcome::Fault(found) = &answer.outcome {
        reply.fault = Some(found.code.number());
    }
    of(reply, &who, &answer, from)
}

/// The answer to an unreadable request, and to a GET.
pub(crate) fn invalid(_current: &Configuration) -> Reply {
    fault(FaultCode::InvalidRequest)
}

/// SOAP: programs.
pub(crate) async fn soap(current: &Configuration, account: &Account, asked: &Asked) -> Reply {
    let version = current.default.server_version;
    let request = match sp::Request::parse(&asked.body) {
        Ok(request) => request,
        Err(refusal) => {
            let mut out = Vec::new();
            sp::refusal(&refusal, version, &mut out);
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::OK);
            return Reply::new(status, content::XML, out, "refused").because(refusal.to_string());
        }
    };
    let head = Head {
        version,
        relates_to: request.message_id.as_deref(),
    };
    let mut out = Vec::with_capacity(8192);
    match &request.operation {
        Operation::UserSettings { users, settings } => {
            let mut found = Vec::new();
            for user in users {
                match one(current, account, user).await {
                    Ok(one) => found.push(one),
                    Err(outage) => return unavailable_to(users, outage),
                }
            }
            let answers: Vec<UserAnswer<'_>> = users
                .iter()
                .zip(&found)
                .map(|(user, one)| match one {
                    Some(one) => UserAnswer::of(user, &one.outcome, &one.services),
                    None => UserAnswer::invalid_user(user),
                })
                .collect();
            user_settings(&answers, settings, head, &mut out);
            // The log has one line an exchange: of several users, the first who is not simply answered.
            let told = found
                .iter()
                .flatten()
                .min_by_key(|one| matches!(one.outcome, Outcome::Settings(_)));
            let outcome = told.map_or("fault", |one| word(&one.outcome));
            let mut reply = Reply::new(StatusCode::OK, content::XML, out, outcome);
            if let Some(one) = told {
                reply.fault = match &one.outcome {
                    Outcome::Fault(fault) => Some(fault.code.number()),
                    Outcome::Settings(_) | Outcome::Redirect(_) => None,
                };
                reply.why.clone_from(&one.cause);
            }
            reply.asked = Some(users.join(" "));
            reply.skipped = found.iter().flatten().map(|one| one.skipped).sum();
            reply.from = found.iter().flatten().last().map(|one| one.from.word());
            reply
        }
        Operation::DomainSettings { domains, settings } => {
            of_domains(current, domains, settings, head)
        }
        Operation::FederationInformation { domain } => {
            federation_information(head, &mut out);
            let mut reply = Reply::new(StatusCode::OK, content::XML, out, "federation");
            reply.asked = Some(domain.clone());
            reply
        }
    }
}

/// GetDomainSettings.
fn of_domains(
    current: &Configuration,
    domains: &[String],
    settings: &[String],
    head: Head<'_>,
) -> Reply {
    let known: Vec<Option<Services>> = domains
        .iter()
        .map(|name| domain(name).filter(|name| current.knows(name)))
        .map(|name| Some(current.settings.urls.services(&name?, &Home::default())))
        .collect();
    let answers: Vec<DomainAnswer<'_>> = domains
        .iter()
        .zip(&known)
        .map(|(name, services)| match services {
            Some(services) => DomainAnswer::Settings(services),
            None => DomainAnswer::Error(
                ErrorCode::InvalidDomain,
                Cow::Owned(format!("Invalid domain: '{name}'")),
            ),
        })
        .collect();
    let mut out = Vec::with_capacity(8192);
    domain_settings(&answers, settings, head, &mut out);
    let mut reply = Reply::new(StatusCode::OK, content::XML, out, "domain");
    reply.asked = Some(domains.join(" "));
    reply
}

/// Logins of WS-Security: there are none, and a client that tries shall be told so as SOAP tells.
pub(crate) fn ws_security(current: &Configuration) -> Reply {
    let refusal = sp::Refusal::NoOperation {
        message: "Security".to_owned(),
        namespace: "WS-Security".to_owned(),
    };
    let mut out = Vec::new();
    sp::refusal(&refusal, current.default.server_version, &mut out);
    Reply::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        content::XML,
        out,
        "no-wssecurity",
    )
}

/// V2: a URL for a protocol, told to anybody, by domain alone.
pub(crate) fn v2(current: &Configuration, asked: &Asked) -> Reply {
    let mut out = Vec::new();
    let uri = &asked.head.uri;
    let request = json::Request::parse(uri.path(), uri.query())
        .unwrap_or(Err(json::Refusal::MandatoryParameterMissing));
    let request = request.and_then(|request| {
        let name = match request.address.trim().rsplit_once('@') {
            Some((local, name)) if !local.trim().is_empty() => domain(name),
            _ => None,
        };
        let name = name.ok_or(json::Refusal::InvalidUserId)?;
        if current.knows(&name) {
            Ok((request, name))
        } else {
            Err(json::Refusal::UserNotFound)
        }
    });
    let domain = current.domain(
        request.as_ref().ok().map(|(_, name)| name.as_str()),
        &asked.head,
    );
    let services = current.settings.urls.services(&domain, &Home::default());
    let pox = format!(
        "https://{}{}",
        current.settings.urls.autodiscover(&domain),
        automend_autodiscover::schema::path::POX
    );
    let found = request.and_then(|(request, _)| {
        let url = json::url(request.protocol, &services, Some(&pox))?;
        Ok((request.protocol, url))
    });
    match found {
        Ok((protocol, url)) => {
            json::answer(protocol, url, &mut out);
            Reply::new(StatusCode::OK, content::JSON, out, "url")
        }
        Err(refusal) => {
            json::refusal(refusal, &services, Some(&pox), &mut out);
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            Reply::new(status, content::JSON, out, "refused").because(refusal.to_string())
        }
    }
}

/// Autoconfig: mail clients that know no Exchange, by domain alone. A client that gets 404 goes on to
/// Autodiscover.
pub(crate) fn autoconfig(current: &Configuration, asked: &Asked) -> Reply {
    let query = asked.head.uri.query();
    let meant = if ac::names_domain(query) {
        ac::domain(query).filter(|name| current.knows(name))
    } else {
        current.domain_of_host(&asked.head)
    };
    let Some(domain) = meant else {
        let text = "This domain is not served here.\n";
        return Reply::text(StatusCode::NOT_FOUND, text, "not-served");
    };
    let services = current.settings.urls.services(&domain, &Home::default());
    if !ac::is_offered(&services) {
        let text = "No outgoing server is configured for this domain.\n";
        return Reply::text(StatusCode::NOT_FOUND, text, "not-configured");
    }
    let mut out = Vec::new();
    ac::answer(&domain, &services, &mut out);
    Reply::new(StatusCode::OK, content::XML, out, "configuration")
}

/// Hosts that a mail domain has of its own.
const OWN_HOSTS: [&str; 3] = ["autodiscover", "autoconfig", "mail"];

impl Configuration {
    /// Whether a domain is one of ours, in whichever spelling.
    pub(crate) fn knows(&self, domain: &str) -> bool {
        let Some(domain) = ascii_domain(domain) else {
            return false;
        };
        let below = |above: &String| {
            let host = domain.strip_suffix(above.as_str());
            host.is_some_and(|host| host.len() > 1 && host.ends_with('.'))
        };
        self.domains.contains(&domain) || self.above.iter().any(below)
    }

    /// The domain of ours that is meant: by the address, or by the host that was asked, or the first.
    pub(crate) fn domain(&self, of_address: Option<&str>, head: &Parts) -> String {
        if let Some(domain) = of_address.filter(|domain| self.knows(domain)) {
            return domain.to_owned();
        }
        let found = self.known_host(head).or(self.domains.first());
        found.cloned().unwrap_or_else(|| "localhost".to_owned())
    }

    /// The domain of ours that the host names; the first where the host names none, as an address, a
    /// name of one label or nothing does. `None` for the host of another organisation's domain.
    fn domain_of_host(&self, head: &Parts) -> Option<String> {
        let asked = host(head).unwrap_or_default();
        let asked = asked.trim_end_matches('.').to_lowercase();
        let bare = asked.trim_start_matches('[').trim_end_matches(']');
        let names_none = bare.parse::<std::net::IpAddr>().is_ok() || !asked.contains('.');
        let below = |known: &&String| {
            let host = asked.strip_suffix(known.as_str());
            host.is_some_and(|host| host.ends_with('.'))
        };
        let found = self.known_host(head).or_else(|| {
            let below = self.domains.iter().filter(below);
            below.max_by_key(|known| known.len())
        });
        // A host of a domain below one that is accepted as `*.contoso.com`.
        let accepted = || {
            let (first, rest) = asked.split_once('.')?;
            let is_host = OWN_HOSTS.contains(&first) && self.knows(rest);
            is_host.then(|| rest.to_owned())
        };
        let first = || self.domains.first().filter(|_| names_none).cloned();
        found.cloned().or_else(accepted).or_else(first)
    }

    /// The domain of ours whose own host was asked.
    fn known_host(&self, head: &Parts) -> Option<&String> {
        let asked = host(head).map(str::to_lowercase).unwrap_or_default();
        let asked = asked.trim_end_matches('.');
        let meant = |known: &&String| {
            host_port::host(&self.settings.urls.autodiscover(known)) == asked
                || asked == known.as_str()
                || asked
                    .strip_suffix(known.as_str())
                    .and_then(|host| host.strip_suffix('.'))
                    .is_some_and(|host| OWN_HOSTS.contains(&host))
        };
        self.domains.iter().find(meant)
    }

    /// Domains for which autoconfig answers 404, as no client could send mail with what would be told.
    pub(crate) fn without_autoconfig(&self) -> Vec<&str> {
        let unusable = |name: &&String| {
            let services = self.settings.urls.services(name, &Home::default());
            !ac::is_offered(&services)
        };
        let names = self.domains.iter().filter(unusable);
        names.map(String::as_str).collect()
    }
}

/// One user of a SOAP request.
struct One {
    outcome: Outcome,
    services: Services,
    skipped: usize,
    cause: Option<String>,
    from: From,
}

async fn one(
    current: &Configuration,
    account: &Account,
    user: &str,
) -> Result<Option<One>, Outage> {
    let Ok(address) = SmtpAddress::parse(user) else {
        return Ok(None);
    };
    let who = Who::Address(address);
    let (answer, from) = current.answers.ask(&who).await?;
    let whole = is_told_all(current, account, &who, &answer).await;
    Ok(Some(One {
        outcome: limited(&answer.outcome, whole).into_owned(),
        services: services(current, &answer),
        skipped: answer.skipped.len(),
        cause: answer.cause.clone(),
        from,
    }))
}

/// Whether this account gets alternative mailboxes: of its own, unless configured otherwise.
async fn is_told_all(
    current: &Configuration,
    account: &Account,
    who: &Who,
    answer: &Answer,
) -> bool {
    if current.settings.alternatives_of_others {
        return true;
    }
    let Some(user) = &answer.user else {
        return false;
    };
    match &account.who {
        Who::Dn(dn) => dn == user,
        mine if mine == who => true,
        mine => match current.answers.ask(mine).await {
            Ok((own, _)) => own.user.as_ref() == Some(user),
            Err(_) => false,
        },
    }
}

/// The outcome as it is logged.
fn limited(outcome: &Outcome, whole: bool) -> Cow<'_, Outcome> {
    match outcome {
        Outcome::Settings(settings) if !whole && !settings.alternatives.is_empty() => {
            Cow::Owned(Outcome::Settings(Box::new(Settings {
                alternatives: Vec::new(),
                ..(**settings).clone()
            })))
        }
        outcome => Cow::Borrowed(outcome),
    }
}

fn services(current: &Configuration, answer: &Answer) -> Services {
    match &answer.outcome {
        Outcome::Settings(settings) => current
            .settings
            .urls
            .services(settings.address.domain(), &answer.home),
        Outcome::Redirect(_) | Outcome::Fault(_) => Services::default(),
    }
}

fn abilities(head: &Parts) -> Abilities {
    Abilities::of(|name| {
        head.headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    })
}

fn fault(code: FaultCode) -> Reply {
    let mut out = Vec::new();
    px::fault(
        code,
        &px::Stamp::at(clock::for_faults(clock::now())),
        &mut out,
    );
    let mut reply = Reply::new(StatusCode::OK, content::XML, Bytes::from(out), "fault");
    reply.fault = Some(code.number());
    reply
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Settings(_) => "settings",
        Outcome::Redirect(_) => "redirect",
        Outcome::Fault(_) => "fault",
    }
}

fn of(mut reply: Reply, who: &Who, answer: &Answer, from: From) -> Reply {
    reply.asked = Some(who.to_string());
    reply.skipped = answer.skipped.len();
    reply.from = Some(from.word());
    reply.why.clone_from(&answer.cause);
    reply
}

fn unavailable(who: &Who, outage: Outage) -> Reply {
    let mut reply = Reply::unavailable(outage.reason);
    reply.asked = Some(who.to_string());
    reply
}

fn unavailable_to(users: &[String], outage: Outage) -> Reply {
    let mut reply = Reply::unavailable(outage.reason);
    reply.asked = Some(users.join(" "));
    reply
}
