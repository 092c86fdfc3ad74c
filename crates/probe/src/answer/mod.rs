//! What an answer of Autodiscover comes to: a status, a target and bytes in, a cause out.
//!
//! POX and MobileSync: [MS-OXDSCLI] 3.1.5, [MS-ASCMD] 2.2.1.3. SOAP: [MS-OXWSADISC] 3.1.4. JSON has no
//! specification.
//!
//! Invariant: nothing here knows how the answer was got, so a test and a recording are judged alike; and
//! a part of an answer never counts as an answer.

mod concerns;
mod summary;

use automend_autodiscover::mobilesync::Server;
use automend_autodiscover::pox::{self, Reply, ToldFault};
use automend_autodiscover::reading::{Defect, Unreadable};
use automend_autodiscover::schema::same_namespace;
use automend_autodiscover::{soap, v2};
use automend_core::discovery::{Answer, Dialect, Url};
use automend_core::verdict::Cause;
use automend_recording::secrets;

pub use concerns::{Concern, concerns, gathered, is_plain_mail};
pub use summary::{Promise, SettingsSummary, alternative_json, mailbox};

/// An answer as it came over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct HttpAnswer<'a> {
    /// The status.
    pub status: u16,
    /// `Location`.
    pub location: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The body, unpacked.
    pub body: &'a [u8],
}

impl HttpAnswer<'_> {
    /// The status in words.
    fn words(&self) -> String {
        match self.retry_after {
            Some(after) => format!("status {}, come back after {after}", self.status),
            None => format!("status {}", self.status),
        }
    }
}

/// What an answer comes to.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// What it says.
    pub answer: Answer,
    /// Its settings.
    pub told: Option<Box<SettingsSummary>>,
    /// What it says in words, or what is wrong with it.
    pub detail: String,
    /// What works and should be better.
    pub warnings: Vec<(Cause, String)>,
    /// What the specification does not allow and does no harm.
    pub defects: Vec<String>,
}

impl Assessment {
    fn new(answer: Answer, detail: impl Into<String>) -> Self {
        Self {
            answer,
            told: None,
            detail: secrets::urls_in(&detail.into()),
            warnings: Vec::new(),
            defects: Vec::new(),
        }
    }

    /// An answer that is none, for a reason.
    pub fn failed(cause: Cause, detail: impl Into<String>) -> Self {
        Self::new(Answer::Failed(cause), detail)
    }

    /// A service that is there, whatever it says.
    pub fn there(detail: impl Into<String>) -> Self {
        Self::new(Answer::Settings, detail)
    }

    /// The cause, if it is a failure.
    pub fn cause(&self) -> Option<Cause> {
        match self.answer {
            Answer::Failed(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Judges the answer to a request for settings.
pub fn judge(dialect: Dialect, heard: HttpAnswer<'_>) -> Assessment {
    if let Some(redirect) = redirect(heard) {
        return redirect;
    }
    let judged = match dialect {
        Dialect::Pox | Dialect::MobileSync => judge_pox(dialect, heard.body),
        Dialect::Soap => judge_soap(heard.body),
    };
    match Cause::of_status(heard.status) {
        None => judged,
        // Some servers put an error into an answer with another status, and SOAP demands it of faults.
        Some(_) if judged.cause().is_some_and(Cause::is_fault) => judged,
        Some(cause) => Assessment::failed(cause, heard.words()),
    }
}

/// Judges the answer of the JSON service.
pub fn judge_json(heard: HttpAnswer<'_>) -> Assessment {
    if let Some(redirect) = redirect(heard) {
        return redirect;
    }
    // Whatever the status, the body says more.
    match v2::read(heard.body) {
        Ok((v2::Answer::Url { url, .. }, defects)) => Assessment {
            defects: texts(&defects),
            ..Assessment::new(Answer::RedirectUrl(url.clone()), secrets::url(&url))
        },
        Ok((v2::Answer::Fault { code, message }, _)) => {
            Assessment::failed(Cause::JsonRefused, said([&code, &message], NO_REASON))
        }
        Err(why) => match Cause::of_status(heard.status) {
            Some(cause) => Assessment::failed(cause, heard.words()),
            None => Assessment::failed(unreadable(&why), why.to_string()),
        },
    }
}

/// Judges the answer to the probe over plain HTTP, which is a redirect or nothing.
pub fn judge_probe(heard: HttpAnswer<'_>) -> Assessment {
    redirect(heard).unwrap_or_else(|| {
        Assessment::failed(Cause::NoRedirect, format!("status {}", heard.status))
    })
}

fn redirect(heard: HttpAnswer<'_>) -> Option<Assessment> {
    // 304 and 300 lead nowhere by themselves.
    if !matches!(heard.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    Some(match heard.location {
        Some(target) => {
            Assessment::new(Answer::RedirectUrl(target.to_owned()), secrets::url(target))
        }
        None => Assessment::failed(
            Cause::RedirectBroken,
            format!("status {} without Location", heard.status),
        ),
    })
}

fn judge_pox(dialect: Dialect, body: &[u8]) -> Assessment {
    let (answer, defects) = match pox::read(body) {
        Ok(read) => read,
        Err(why) => return Assessment::failed(unreadable(&why), why.to_string()),
    };
    let meant_for = answer.dialect;
    let user = answer.user;
    let mut judged = match answer.reply {
        Reply::Nothing => Assessment::failed(Cause::AnswerForeign, "it says nothing"),
        Reply::RedirectAddress(address) => {
            Assessment::new(Answer::RedirectAddress(address.clone()), address)
        }
        Reply::RedirectUrl(url) => {
            let shown = secrets::url(&url);
            Assessment::new(Answer::RedirectUrl(url), shown)
        }
        Reply::RedirectNowhere(to) => nowhere(to),
        Reply::Fault(fault) => {
            let cause = match (fault.code, fault.status) {
                (Some(code), _) => u32::try_from(code).map_or(Cause::OtherFault, Cause::of_fault),
                (None, Some(_)) => Cause::MobileSyncError,
                (None, None) => Cause::OtherFault,
            };
            Assessment::failed(cause, words(&fault))
        }
        Reply::Settings(account) => {
            if dialect == Dialect::MobileSync || meant_for == pox::Dialect::MobileSync {
                return Assessment::failed(
                    Cause::AnswerForeign,
                    "it is meant for another kind of client",
                );
            }
            if let Some(strange) = strange(&defects) {
                return Assessment::failed(Cause::WrongNamespace, strange);
            }
            let mut settings = Assessment::new(Answer::Settings, "");
            if account.protocols.is_empty() {
                settings.answer = Answer::Failed(Cause::NoProtocols);
            }
            settings.told = Some(Box::new(SettingsSummary {
                display_name: user.display_name,
                legacy_dn: user.legacy_dn,
                address: user.address,
                protocols: account.protocols,
                alternatives: account.alternatives,
                public_folders: account.public_folder_mailbox,
                ..SettingsSummary::default()
            }));
            settings
        }
        Reply::MobileSync(servers) => {
            if dialect != Dialect::MobileSync {
                return Assessment::failed(Cause::AnswerForeign, "it is meant for a mobile client");
            }
            if let Some(strange) = strange(&defects) {
                return Assessment::failed(Cause::WrongNamespace, strange);
            }
            let mut settings = Assessment::new(Answer::Settings, "");
            if servers.is_empty() {
                settings.answer = Answer::Failed(Cause::NoProtocols);
            } else if !servers.iter().any(is_usable) {
                settings
                    .warnings
                    .push((Cause::NoMobileUrl, unusable(&servers)));
            }
            settings.told = Some(Box::new(SettingsSummary {
                display_name: user.display_name,
                address: user.address,
                servers,
                ..SettingsSummary::default()
            }));
            settings
        }
    };
    sort(&defects, &mut judged);
    judged
}

fn judge_soap(body: &[u8]) -> Assessment {
    let (answer, defects) = match soap::read(body) {
        Ok(read) => read,
        Err(why) => return Assessment::failed(unreadable(&why), why.to_string()),
    };
    let mut judged = match answer.body {
        soap::Body::Fault { code, message } => {
            Assessment::failed(Cause::SoapFault, said([&code, &message], NO_REASON))
        }
        soap::Body::Users(level, mut users) => {
            let user = users.drain(..).next().unwrap_or_default();
            // An error of the user hides under one of the request that is none.
            let level = if level.is_ok() {
                user.level.clone()
            } else {
                level
            };
            whole(judge_user(&level, user))
        }
        _ => Assessment::failed(Cause::AnswerForeign, "it is the answer to another question"),
    };
    sort(&defects, &mut judged);
    judged
}

/// An answer to a request for every setting, of which some must name a server, as in POX.
fn whole(mut judged: Assessment) -> Assessment {
    let names_server = |told: &SettingsSummary| {
        told.values.iter().any(|(name, value)| {
            !value.trim().is_empty() && (value.contains("://") || name.ends_with("Server"))
        })
    };
    if matches!(judged.answer, Answer::Settings)
        && !judged.told.as_deref().is_some_and(names_server)
    {
        judged.answer = Answer::Failed(Cause::NoProtocols);
        judged.warnings.clear();
    }
    judged
}

/// Judges what SOAP says of one user of several.
pub fn judge_user(level: &soap::Level, user: soap::User) -> Assessment {
    let is = |code: soap::ErrorCode| level.code == code.as_str();
    let said = said(
        [&level.code, &level.message],
        "it has neither settings nor an error code",
    );
    // Without a code, what is meant is plain enough from what it leads to.
    let target = user.redirect_target.clone().unwrap_or_default();
    let untold = level.code.is_empty() && !target.is_empty();
    let url = target.contains("://");
    if is(soap::ErrorCode::RedirectAddress) || untold && !url {
        return if target.is_empty() {
            nowhere(pox::Redirect::Address)
        } else {
            Assessment::new(Answer::RedirectAddress(target.clone()), target)
        };
    }
    if is(soap::ErrorCode::RedirectUrl) || untold {
        return if target.is_empty() {
            nowhere(pox::Redirect::Url)
        } else {
            let shown = secrets::url(&target);
            Assessment::new(Answer::RedirectUrl(target), shown)
        };
    }
    if is(soap::ErrorCode::InvalidUser) || is(soap::ErrorCode::InvalidDomain) {
        return Assessment::failed(Cause::SoapInvalidUser, said);
    }
    if is(soap::ErrorCode::ServerBusy) {
        return Assessment::failed(Cause::Busy, said);
    }
    if is(soap::ErrorCode::InternalServerError) {
        return Assessment::failed(Cause::SoapServerError, said);
    }
    if !level.is_ok() {
        return Assessment::failed(Cause::SoapFault, said);
    }
    // Clients ask for what they need, so it does not matter here which settings there are.
    let has_settings = !user.settings.is_empty();
    let text = |name| user.text(name).map(str::to_owned);
    let mut told = SettingsSummary {
        display_name: text("UserDisplayName"),
        legacy_dn: text("UserDN"),
        address: text("AutoDiscoverSMTPAddress"),
        public_folders: text("PublicFolderInformation"),
        alternatives: user.alternatives().cloned().collect(),
        ..SettingsSummary::default()
    };
    for setting in user.settings {
        match setting.value {
            soap::Value::Text(text) => told.values.push((setting.name, text)),
            soap::Value::WebClientUrls(urls) => told
                .values
                .extend(urls.into_iter().map(|url| (setting.name.clone(), url.url))),
            _ => {}
        }
    }
    let mut judged = Assessment::new(Answer::Settings, "");
    if !has_settings {
        judged.warnings.push((Cause::NoProtocols, String::new()));
    }
    judged.told = Some(Box::new(told));
    judged
}

/// The text for an error that gives no reason.
const NO_REASON: &str = "without a reason";

/// A code and a message, as far as they are there; `otherwise` where there is neither.
fn said(parts: [&str; 2], otherwise: &str) -> String {
    let parts: Vec<&str> = parts.into_iter().map(str::trim).collect();
    match parts.as_slice() {
        ["", ""] => otherwise.to_owned(),
        ["", only] | [only, ""] => (*only).to_owned(),
        parts => parts.join(": "),
    }
}

/// What a fault says in words; empty where it says nothing.
fn words(fault: &ToldFault) -> String {
    let code = fault.code.map(|code| code.to_string());
    let debug = Some(fault.debug.trim()).filter(|debug| !debug.is_empty());
    let parts = [
        code,
        Some(fault.message.trim().to_owned()),
        debug.map(|debug| format!("({debug})")),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}

/// A redirect that does not say where to.
fn nowhere(to: pox::Redirect) -> Assessment {
    match to {
        pox::Redirect::Address => {
            Assessment::failed(Cause::RedirectNoAddress, "it names no address")
        }
        pox::Redirect::Url => Assessment::failed(Cause::RedirectBroken, "it names no URL"),
    }
}

/// Whether a mobile device can use a server: it is one of `ActiveSync`, and has a URL.
fn is_usable(server: &Server) -> bool {
    let kind = server.kind.trim();
    (kind.is_empty() || kind.eq_ignore_ascii_case("MobileSync"))
        && Url::parse(&server.url).is_some()
}

/// Why a mobile device can use none of these servers.
fn unusable(servers: &[Server]) -> String {
    let mut told: Vec<String> = servers
        .iter()
        .take(MOST_NAMED)
        .map(|server| {
            let kind = match server.kind.trim() {
                "" => "a server without a type",
                kind => kind,
            };
            match server.url.trim() {
                "" => format!("{kind} has no URL"),
                url => format!("{kind} has the URL {:?}", secrets::url(url)),
            }
        })
        .collect();
    if servers.len() > MOST_NAMED {
        told.push(format!("{} more", servers.len() - MOST_NAMED));
    }
    told.join(", ")
}

/// Servers that are named one by one.
const MOST_NAMED: usize = 3;

/// The element of settings that is in a namespace which is not even nearly the right one.
fn strange(defects: &[Defect]) -> Option<String> {
    defects
        .iter()
        .find(|defect| match defect {
            Defect::Namespace {
                found, canonical, ..
            } => !same_namespace(found, canonical),
            _ => false,
        })
        .map(ToString::to_string)
}

/// Tells defects that affected from those that do not.
fn sort(defects: &[Defect], judged: &mut Assessment) {
    for defect in defects {
        match defect {
            Defect::Shape { .. } => judged
                .warnings
                .push((Cause::MixedShape, defect.to_string())),
            Defect::Namespace { .. } => judged
                .warnings
                .push((Cause::NamespaceDiffers, defect.to_string())),
            harmless => judged.defects.push(harmless.to_string()),
        }
    }
}

fn texts(defects: &[Defect]) -> Vec<String> {
    defects.iter().map(ToString::to_string).collect()
}

/// The cause behind bytes that are no document.
pub fn unreadable(why: &Unreadable) -> Cause {
    match why {
        Unreadable::Empty => Cause::AnswerEmpty,
        Unreadable::Encoding { .. } | Unreadable::UnknownEncoding { .. } => Cause::AnswerEncoding,
        Unreadable::WebPage { .. } => Cause::AnswerHtml,
        Unreadable::DocumentType => Cause::AnswerDtd,
        Unreadable::Limit { .. } => Cause::AnswerTooLarge,
        Unreadable::Foreign { .. } => Cause::AnswerForeign,
        // Cut off, or against the rules of XML.
        _ => Cause::AnswerMalformed,
    }
}

#[cfg(test)]
mod tests;
