//! What an answer of Autodiscover comes to: a status, a target and bytes in, a cause out.
//!
//! POX and MobileSync: [MS-OXDSCLI] 3.1.5, [MS-ASCMD] 2.2.1.3. SOAP: [MS-OXWSADISC] 3.1.4. JSON has no
//! specification.
//!
//! Invariant: nothing here knows how the answer was got, so a test and a recording are judged alike; and
//! a part of an answer never counts as an answer.

use automend_autodiscover::mobilesync::Server;
use automend_autodiscover::pox::{self, Protocol, Reply, ToldFault};
use automend_autodiscover::reading::{Alternative, Defect, Unreadable};
use automend_autodiscover::{soap, v2};
use automend_core::discovery::{Answer, Dialect, Url};
use automend_core::verdict::Cause;

/// An answer as it came over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    /// The status.
    pub status: u16,
    /// `Location`.
    pub location: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The body, unpacked.
    pub body: &'a [u8],
}

impl Heard<'_> {
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
pub(crate) struct Judged {
    /// What it says.
    pub answer: Answer,
    /// Its settings.
    pub told: Option<Box<Told>>,
    /// What it says in words, or what is wrong with it.
    pub detail: String,
    /// What works and should be better.
    pub warnings: Vec<(Cause, String)>,
    /// What the specification does not allow and does no harm.
    pub defects: Vec<String>,
}

/// Settings, in whatever dialect they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    /// What the user is called.
    pub display_name: Option<String>,
    /// The user's legacy name.
    pub legacy_dn: Option<String>,
    /// The user's address.
    pub address: Option<String>,
    /// POX: the protocols.
    pub protocols: Vec<Protocol>,
    /// SOAP: settings that are text.
    pub values: Vec<(String, String)>,
    /// MobileSync: the servers.
    pub servers: Vec<Server>,
    /// Alternative mailboxes, in order, as they came.
    pub alternatives: Vec<Alternative>,
    /// The mailbox of public folders.
    pub public_folders: Option<String>,
}

/// A URL that settings promise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Promise {
    /// Under which names it stands: `EXPR EwsUrl`.
    pub names: Vec<String>,
    /// The URL.
    pub url: Url,
    /// `AuthPackage` of the protocol.
    pub login: Option<String>,
}

impl Told {
    /// Every URL that is promised, each once.
    pub(crate) fn promises(&self) -> Vec<Promise> {
        let mut found: Vec<Promise> = Vec::new();
        let mut add = |name: String, text: &str, login: Option<&str>| {
            let Some(url) = Url::parse(text) else {
                return;
            };
            if let Some(known) = found.iter_mut().find(|known| known.url == url) {
                known.names.push(name);
                known.login = known.login.take().or(login.map(str::to_owned));
            } else {
                found.push(Promise {
                    names: vec![name],
                    url,
                    login: login.map(str::to_owned),
                });
            }
        };
        for protocol in &self.protocols {
            let login = protocol.value("AuthPackage");
            for field in &protocol.fields {
                add(
                    format!("{} {}", protocol.kind, field.path),
                    &field.value,
                    login,
                );
            }
        }
        for (name, value) in &self.values {
            add(name.clone(), value, None);
        }
        for server in &self.servers {
            add(server.kind.clone(), &server.url, None);
        }
        found
    }
}

impl Judged {
    fn new(answer: Answer, detail: impl Into<String>) -> Self {
        Self {
            answer,
            told: None,
            detail: detail.into(),
            warnings: Vec::new(),
            defects: Vec::new(),
        }
    }

    pub(crate) fn failed(cause: Cause, detail: impl Into<String>) -> Self {
        Self::new(Answer::Failed(cause), detail)
    }

    /// A service that is there, whatever it says.
    pub(crate) fn there(detail: impl Into<String>) -> Self {
        Self::new(Answer::Settings, detail)
    }

    /// The cause, if it is a failure.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self.answer {
            Answer::Failed(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Judges the answer to a request for settings.
pub(crate) fn judge(dialect: Dialect, heard: Heard<'_>) -> Judged {
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
        Some(cause) => Judged::failed(cause, heard.words()),
    }
}

/// Judges the answer of the JSON service.
pub(crate) fn judge_json(heard: Heard<'_>) -> Judged {
    if let Some(redirect) = redirect(heard) {
        return redirect;
    }
    // Whatever the status, the body says more.
    match v2::read(heard.body) {
        Ok((v2::Answer::Url { url, .. }, defects)) => Judged {
            defects: texts(&defects),
            ..Judged::new(Answer::RedirectUrl(url.clone()), url)
        },
        Ok((v2::Answer::Fault { code, message }, _)) => {
            Judged::failed(Cause::JsonRefused, format!("{code}: {message}"))
        }
        Err(why) => match Cause::of_status(heard.status) {
            Some(cause) => Judged::failed(cause, heard.words()),
            None => Judged::failed(unreadable(&why), why.to_string()),
        },
    }
}

/// Judges the answer to the probe over plain HTTP, which is a redirect or nothing.
pub(crate) fn judge_probe(heard: Heard<'_>) -> Judged {
    redirect(heard)
        .unwrap_or_else(|| Judged::failed(Cause::NoRedirect, format!("status {}", heard.status)))
}

fn redirect(heard: Heard<'_>) -> Option<Judged> {
    // 304 and 300 lead nowhere by themselves.
    if !matches!(heard.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    Some(match heard.location {
        Some(target) => Judged::new(Answer::RedirectUrl(target.to_owned()), target),
        None => Judged::failed(
            Cause::RedirectBroken,
            format!("status {} without Location", heard.status),
        ),
    })
}

fn judge_pox(dialect: Dialect, body: &[u8]) -> Judged {
    let (answer, defects) = match pox::read(body) {
        Ok(read) => read,
        Err(why) => return Judged::failed(unreadable(&why), why.to_string()),
    };
    let meant_for = answer.dialect;
    let user = answer.user;
    let mut judged = match answer.reply {
        Reply::Nothing => Judged::failed(Cause::AnswerForeign, "it says nothing"),
        Reply::RedirectAddress(address) => {
            Judged::new(Answer::RedirectAddress(address.clone()), address)
        }
        Reply::RedirectUrl(url) => Judged::new(Answer::RedirectUrl(url.clone()), url),
        Reply::Fault(fault) => {
            let cause = match (fault.code, fault.status) {
                (Some(code), _) => u32::try_from(code).map_or(Cause::OtherFault, Cause::of_fault),
                (None, Some(_)) => Cause::MobileSyncError,
                (None, None) => Cause::OtherFault,
            };
            Judged::failed(cause, words(&fault))
        }
        Reply::Settings(account) => {
            if dialect == Dialect::MobileSync || meant_for == pox::Dialect::MobileSync {
                return Judged::failed(
                    Cause::AnswerForeign,
                    "it is meant for another kind of client",
                );
            }
            let mut settings = Judged::new(Answer::Settings, "");
            if account.protocols.is_empty() {
                settings.warnings.push((Cause::NoProtocols, String::new()));
            }
            settings.told = Some(Box::new(Told {
                display_name: user.display_name,
                legacy_dn: user.legacy_dn,
                address: user.address,
                protocols: account.protocols,
                alternatives: account.alternatives,
                public_folders: account.public_folder_mailbox,
                ..Told::default()
            }));
            settings
        }
        Reply::MobileSync(servers) => {
            if dialect != Dialect::MobileSync {
                return Judged::failed(Cause::AnswerForeign, "it is meant for a mobile client");
            }
            let mut settings = Judged::new(Answer::Settings, "");
            if servers.is_empty() {
                settings.warnings.push((Cause::NoProtocols, String::new()));
            }
            settings.told = Some(Box::new(Told {
                display_name: user.display_name,
                address: user.address,
                servers,
                ..Told::default()
            }));
            settings
        }
    };
    sort(&defects, &mut judged);
    judged
}

fn judge_soap(body: &[u8]) -> Judged {
    let (answer, defects) = match soap::read(body) {
        Ok(read) => read,
        Err(why) => return Judged::failed(unreadable(&why), why.to_string()),
    };
    let mut judged = match answer.body {
        soap::Body::Fault { code, message } => {
            Judged::failed(Cause::SoapFault, format!("{code}: {message}"))
        }
        soap::Body::Users(level, mut users) => {
            let user = users.drain(..).next().unwrap_or_default();
            // An error of the user hides under one of the request that is none.
            let level = if level.is_ok() {
                user.level.clone()
            } else {
                level
            };
            judge_user(&level, user)
        }
        _ => Judged::failed(Cause::AnswerForeign, "it is the answer to another question"),
    };
    sort(&defects, &mut judged);
    judged
}

/// Judges what SOAP says of one user of several.
pub(crate) fn judge_user(level: &soap::Level, user: soap::User) -> Judged {
    let said = format!("{}: {}", level.code, level.message);
    let target = || user.redirect_target.clone().unwrap_or_default();
    let is = |code: soap::ErrorCode| level.code == code.as_str();
    if is(soap::ErrorCode::RedirectAddress) {
        return Judged::new(Answer::RedirectAddress(target()), target());
    }
    if is(soap::ErrorCode::RedirectUrl) {
        return Judged::new(Answer::RedirectUrl(target()), target());
    }
    if is(soap::ErrorCode::InvalidUser) || is(soap::ErrorCode::InvalidDomain) {
        return Judged::failed(Cause::SoapInvalidUser, said);
    }
    if is(soap::ErrorCode::ServerBusy) {
        return Judged::failed(Cause::Busy, said);
    }
    if is(soap::ErrorCode::InternalServerError) {
        return Judged::failed(Cause::SoapServerError, said);
    }
    if !level.is_ok() {
        return Judged::failed(Cause::SoapFault, said);
    }
    let text = |name| user.text(name).map(str::to_owned);
    let mut told = Told {
        display_name: text("UserDisplayName"),
        legacy_dn: text("UserDN"),
        address: text("AutoDiscoverSMTPAddress"),
        public_folders: text("PublicFolderInformation"),
        alternatives: user.alternatives().cloned().collect(),
        ..Told::default()
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
    let mut judged = Judged::new(Answer::Settings, "");
    if told.values.is_empty() {
        judged.warnings.push((Cause::NoProtocols, String::new()));
    }
    judged.told = Some(Box::new(told));
    judged
}

/// What a fault says in words.
fn words(fault: &ToldFault) -> String {
    let mut words = fault.message.clone();
    if !fault.debug.is_empty() {
        words = format!("{words} ({})", fault.debug);
    }
    match fault.code {
        Some(code) => format!("{code} {words}"),
        None => words,
    }
}

/// Tells defects that hurt from those that do not.
fn sort(defects: &[Defect], judged: &mut Judged) {
    for defect in defects {
        match defect {
            Defect::Shape { .. } => judged
                .warnings
                .push((Cause::MixedShape, defect.to_string())),
            harmless => judged.defects.push(harmless.to_string()),
        }
    }
}

fn texts(defects: &[Defect]) -> Vec<String> {
    defects.iter().map(ToString::to_string).collect()
}

/// The cause behind bytes that are no document.
pub(crate) fn unreadable(why: &Unreadable) -> Cause {
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
mod tests {
    use super::*;

    const OUTLOOK: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
    const MOBILE: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
    const ENVELOPE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";

    fn pox(namespace: &str, inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Autodiscover xmlns=\"{ENVELOPE}\">\
             <Response xmlns=\"{namespace}\">{inside}</Response></Autodiscover>"
        )
    }

    #[track_caller]
    fn check(dialect: Dialect, status: u16, body: &str, expected: &str) -> Judged {
        let heard = Heard {
            status,
            location: None,
            retry_after: None,
            body: body.as_bytes(),
        };
        let judged = judge(dialect, heard);
        let told = match &judged.answer {
            Answer::Settings => "settings".to_owned(),
            Answer::RedirectUrl(url) => format!("url {url}"),
            Answer::RedirectAddress(address) => format!("address {address}"),
            Answer::Failed(cause) => cause.code().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(told, expected, "{body}: {}", judged.detail);
        judged
    }

    fn fault(code: &str) -> String {
        pox(
            ENVELOPE,
            &format!(
                "<Error><ErrorCode>{code}</ErrorCode><Message>m</Message><DebugData>d</DebugData></Error>"
            ),
        )
    }

    #[test]
    fn every_answer_to_outlook_has_its_cause() {
        let account = |inside: &str| pox(OUTLOOK, &format!("<Account>{inside}</Account>"));
        let exch = "<Action>settings</Action><Protocol><Type>EXCH</Type></Protocol>";
        for (status, body, expected) in [
            (200, account(exch), "settings"),
            (
                200,
                account("<Action>redirectAddr</Action><RedirectAddr>a@b.c</RedirectAddr>"),
                "address a@b.c",
            ),
            (
                200,
                account("<Action>redirectUrl</Action><RedirectUrl>https://x/</RedirectUrl>"),
                "url https://x/",
            ),
            (200, fault("500"), "fault-500"),
            (200, fault("603"), "fault-603"),
            (200, fault("604"), "fault-other"),
            (200, fault("-1"), "fault-other"),
            (200, fault("what"), "fault-other"),
            (200, fault("99999999999"), "fault-other"),
            (400, fault("601"), "fault-601"),
            (500, fault("603"), "fault-603"),
            (403, account(exch), "forbidden"),
            (500, account(exch), "server-failed"),
            (200, String::new(), "answer-empty"),
            (200, " \r\n".to_owned(), "answer-empty"),
            (
                200,
                "<!DOCTYPE html><html><body>Sign in</body></html>".to_owned(),
                "answer-html",
            ),
            (200, "<html>".to_owned(), "answer-html"),
            (
                200,
                "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>".to_owned(),
                "answer-dtd",
            ),
            (200, "hello".to_owned(), "answer-malformed"),
            (200, account(exch)[..200].to_owned(), "answer-malformed"),
            (200, "<a>&x;</a>".to_owned(), "answer-malformed"),
            (200, "<rss/>".to_owned(), "answer-foreign"),
            (200, pox(OUTLOOK, ""), "answer-foreign"),
            (
                200,
                pox(
                    MOBILE,
                    "<Action><Settings><Server><Type>MobileSync</Type><Url>https://x/</Url></Server></Settings></Action>",
                ),
                "answer-foreign",
            ),
            (301, account(exch), "redirect-broken"),
            (304, String::new(), "redirect-broken"),
            (404, "<html>".to_owned(), "not-found"),
        ] {
            check(Dialect::Pox, status, &body, expected);
        }
        let words = check(Dialect::Pox, 200, &fault("603"), "fault-603").detail;
        assert_eq!(words, "603 m (d)");
    }

    #[test]
    fn a_mobile_client_has_answers_of_its_own() {
        let servers = "<Action><Settings><Server><Type>MobileSync</Type><Url>https://x.test/a</Url></Server></Settings></Action>";
        let judged = check(Dialect::MobileSync, 200, &pox(MOBILE, servers), "settings");
        assert_eq!(
            judged.told.unwrap().promises()[0].url.to_string(),
            "https://x.test/a"
        );
        for (body, expected) in [
            (
                pox(
                    MOBILE,
                    "<Action><Error><Status>2</Status><Message>m</Message></Error></Action>",
                ),
                "mobilesync-error",
            ),
            (
                pox(MOBILE, "<Action><Redirect>a@b.c</Redirect></Action>"),
                "address a@b.c",
            ),
            (fault("600"), "fault-600"),
            (
                pox(OUTLOOK, "<Account><Action>settings</Action></Account>"),
                "answer-foreign",
            ),
        ] {
            check(Dialect::MobileSync, 200, &body, expected);
        }
    }

    #[test]
    fn soap_tells_its_errors_on_every_level() {
        let message = |code: &str, user: &str| {
            format!(
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
                 <GetUserSettingsResponseMessage xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\">\
                 <Response><ErrorCode>{code}</ErrorCode><ErrorMessage/><UserResponses><UserResponse>{user}\
                 </UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
            )
        };
        let user = |code: &str, rest: &str| {
            message(
                "NoError",
                &format!("<ErrorCode>{code}</ErrorCode><ErrorMessage>m</ErrorMessage>{rest}"),
            )
        };
        let settings = "<UserSettings><UserSetting xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:type=\"StringSetting\">\
            <Name>ExternalEwsUrl</Name><Value>https://mail.test/EWS/Exchange.asmx</Value></UserSetting></UserSettings>";
        for (body, expected) in [
            (user("NoError", settings), "settings"),
            (user("InvalidUser", ""), "soap-invalid-user"),
            (user("ServerBusy", ""), "busy"),
            (user("InternalServerError", ""), "soap-server-error"),
            (user("SomethingNew", ""), "soap-fault"),
            (message("InvalidRequest", ""), "soap-fault"),
            (message("ServerBusy", ""), "busy"),
            (
                user("RedirectAddress", "<RedirectTarget>a@b.c</RedirectTarget>"),
                "address a@b.c",
            ),
            (
                user("RedirectUrl", "<RedirectTarget>https://x/</RedirectTarget>"),
                "url https://x/",
            ),
            ("<html>".to_owned(), "answer-html"),
            ("<a/>".to_owned(), "answer-foreign"),
        ] {
            check(Dialect::Soap, 200, &body, expected);
        }
        let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:x</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>";
        check(Dialect::Soap, 500, fault, "soap-fault");
        check(Dialect::Soap, 500, "<html>", "server-failed");
    }

    #[test]
    fn nothing_of_an_alternative_mailbox_is_lost_and_a_forbidden_form_is_told() {
        let inside = "<Account><Action>settings</Action><Protocol><Type>EXCH</Type><EwsUrl>https://a.test/e</EwsUrl></Protocol>\
            <Protocol><Type>EXPR</Type><EwsUrl>https://a.test/e</EwsUrl><AuthPackage>Ntlm</AuthPackage></Protocol>\
            <AlternativeMailbox><Type>Delegate</Type><DisplayName></DisplayName><LegacyDN>/o=x</LegacyDN><Server>S</Server></AlternativeMailbox>\
            <AlternativeMailbox><Type>New</Type><DisplayName>N</DisplayName><SmtpAddress>n@x.test</SmtpAddress><Server>S</Server></AlternativeMailbox>\
            </Account>";
        let judged = check(Dialect::Pox, 200, &pox(OUTLOOK, inside), "settings");
        let told = judged.told.unwrap();
        assert_eq!(told.alternatives.len(), 2);
        assert_eq!(told.alternatives[1].kind.as_deref(), Some("New"));
        let causes: Vec<Cause> = judged.warnings.iter().map(|(cause, _)| *cause).collect();
        assert_eq!(causes, [Cause::MixedShape]);
        let promises = told.promises();
        assert_eq!(promises.len(), 1);
        assert_eq!(promises[0].names, ["EXCH EwsUrl", "EXPR EwsUrl"]);
        assert_eq!(promises[0].login.as_deref(), Some("Ntlm"));
    }

    #[test]
    fn settings_without_a_protocol_are_settings_with_a_warning() {
        let body = pox(OUTLOOK, "<Account><Action>settings</Action></Account>");
        let judged = check(Dialect::Pox, 200, &body, "settings");
        assert_eq!(judged.warnings, [(Cause::NoProtocols, String::new())]);
    }

    #[test]
    fn a_probe_is_a_redirect_or_nothing() {
        let heard = |status, location| Heard {
            status,
            location,
            retry_after: None,
            body: b"",
        };
        for status in [301, 302, 303, 307, 308] {
            let judged = judge_probe(heard(status, Some("https://x/")));
            assert_eq!(judged.answer, Answer::RedirectUrl("https://x/".to_owned()));
            assert_eq!(
                judge_probe(heard(status, None)).cause(),
                Some(Cause::RedirectBroken)
            );
        }
        for status in [200, 300, 304, 401, 404, 500] {
            assert_eq!(
                judge_probe(heard(status, Some("https://x/"))).cause(),
                Some(Cause::NoRedirect)
            );
        }
    }

    #[test]
    fn json_names_a_url_or_says_why_not() {
        for (status, body, expected) in [
            (
                200,
                r#"{"Protocol":"AutodiscoverV1","Url":"https://x/"}"#,
                Answer::RedirectUrl("https://x/".to_owned()),
            ),
            (
                400,
                r#"{"ErrorCode":"X","ErrorMessage":"m"}"#,
                Answer::Failed(Cause::JsonRefused),
            ),
            (
                200,
                r#"{"ErrorCode":"X","ErrorMessage":"m"}"#,
                Answer::Failed(Cause::JsonRefused),
            ),
            (404, "<html>", Answer::Failed(Cause::NotFound)),
            (200, "<html>", Answer::Failed(Cause::AnswerHtml)),
            (200, "", Answer::Failed(Cause::AnswerEmpty)),
            (200, "{", Answer::Failed(Cause::AnswerMalformed)),
        ] {
            let heard = Heard {
                status,
                location: None,
                retry_after: None,
                body: body.as_bytes(),
            };
            assert_eq!(judge_json(heard).answer, expected, "{status} {body}");
        }
    }
}
