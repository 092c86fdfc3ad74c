//! One test: the search is driven step by step, and everything that was asked is kept.
//!
//! Invariant: credentials go only where [`automend_core::discovery`] says; this file does what a step
//! says and adds no step of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use automend_autodiscover::pox;
use automend_autodiscover::schema::{content, header};
use automend_autodiscover::soap::{self, Operation, Setting, Wanted};
use automend_core::discovery::{
    Act, Answer, Ask, Conclusion, Dialect, Discovery, DiscoveryMethod, Domain, Host, Login, Plan,
    Tried, Url,
};
use automend_core::names::SmtpAddress;
use automend_core::resolve::Who;
use automend_core::verdict::{Cause, Verdict};
use automend_ldap::ResultCode;
use automend_probe::answer::{
    Assessment, HttpAnswer, SettingsSummary, concerns, is_plain_mail, judge, judge_json,
    judge_probe,
};
use automend_probe::http::{Failure, HttpClient, HttpExchange, MOST_BYTES, Request};
use automend_recording::secrets;
use automend_system::clock::monotonic;

use super::consent::Consent;
use super::directory_check::DirectoryCheck;
use super::login::{Asked, Logins, connect, heard};

/// Everything that tests share.
pub(super) struct Tester {
    pub web: HttpClient,
    pub logins: Logins,
    pub plan: Plan,
    pub local_xml: Option<PathBuf>,
    pub directory: Option<DirectoryCheck>,
    pub consent: Consent,
    pub agent: String,
}

/// What one search came to.
pub(super) struct Run {
    pub dialect: Dialect,
    pub steps: Vec<Taken>,
    pub conclusion: Conclusion,
    /// The settings, if there are any.
    pub told: Option<Box<SettingsSummary>>,
    /// How settings were got: where, and how far one could log in.
    pub endpoint: Option<(Url, Login)>,
    pub took: Duration,
}

/// A step, and what was done for it.
pub(super) struct Taken {
    pub tried: Tried,
    pub exchanges: Vec<HttpExchange>,
    pub took: Duration,
    /// What was seen.
    pub detail: String,
    /// What works and should be better.
    pub warnings: Vec<(Cause, String)>,
    /// What the specification does not allow and does no harm.
    pub defects: Vec<String>,
}

/// What was done for a step.
#[derive(Default)]
struct Done {
    exchanges: Vec<HttpExchange>,
    took: Duration,
    detail: String,
    warnings: Vec<(Cause, String)>,
    defects: Vec<String>,
    told: Option<Box<SettingsSummary>>,
}

impl Tester {
    /// Searches for one address. `home` is the domain of the user for whom another mailbox is asked for;
    /// there the search stops where Outlook stops.
    pub(super) async fn search(
        &self,
        address: &SmtpAddress,
        dialect: Dialect,
        home: Option<Domain>,
    ) -> Result<Run> {
        let watch = monotonic();
        let plan = Plan {
            dialect,
            all_steps: self.plan.all_steps && home.is_none(),
            home,
            most_rejections: self.logins.left(),
            ..self.plan.clone()
        };
        let mut search = match Discovery::new(address, plan) {
            Ok(search) => search,
            Err(cause) => return Ok(refused(dialect, cause)),
        };
        let mut done = HashMap::new();
        while let Some(step) = search.next_step() {
            let watch = monotonic();
            let mut work = Done::default();
            let answer = self.act(&step.act, dialect, &mut work).await?;
            work.took = watch.elapsed();
            done.insert(search.tried().len(), work);
            search.feed(answer);
        }
        let conclusion = search.conclusion();
        let decided = conclusion.at.filter(|_| conclusion.verdict == Verdict::Ok);
        self.look_for_exchange(decided, &mut done).await;
        let aliases = self.aliases(address, &done).await;
        let mut told = None;
        let mut endpoint = None;
        let steps = search
            .tried()
            .iter()
            .cloned()
            .enumerate()
            .map(|(at, tried)| {
                let mut work = done.remove(&at).unwrap_or_default();
                if let (Some(told), Some(Act::Ask(_))) = (&work.told, &tried.act) {
                    let mut names = vec![&tried.address, address];
                    names.extend(&aliases);
                    let found = concerns(told, &names);
                    work.warnings.extend(found);
                }
                if decided == Some(at) {
                    told = work.told;
                    endpoint = match &tried.act {
                        Some(Act::Ask(ask)) => Some((ask.url().clone(), ask.login())),
                        _ => None,
                    };
                }
                let mut taken = Taken {
                    tried,
                    exchanges: work.exchanges,
                    took: work.took,
                    detail: work.detail,
                    warnings: work.warnings,
                    defects: work.defects,
                };
                taken.look();
                taken
            });
        let mut steps: Vec<Taken> = steps.collect();
        note_unasked(&mut steps);
        Ok(Run {
            dialect,
            steps,
            conclusion,
            told,
            endpoint,
            took: watch.elapsed(),
        })
    }

    /// Other addresses in answers that are of the same mailbox, as far as the directory says so.
    async fn aliases(
        &self,
        address: &SmtpAddress,
        done: &HashMap<usize, Done>,
    ) -> Vec<SmtpAddress> {
        let mut aliases = Vec::new();
        let Some(beside) = &self.directory else {
            return aliases;
        };
        let named = done.values().filter_map(|work| work.told.as_deref());
        for other in named.filter_map(|told| told.address.as_deref()) {
            if let Ok(other) = SmtpAddress::parse(other.trim())
                && other != *address
                && !aliases.contains(&other)
                && beside.is_same(address, &other).await
            {
                aliases.push(other);
            }
        }
        aliases
    }

    /// Warns of settings without Exchange where another step, or the directory, has Exchange.
    async fn look_for_exchange(&self, decided: Option<usize>, done: &mut HashMap<usize, Done>) {
        let plain = |work: &Done| work.told.as_deref().is_some_and(is_plain_mail);
        let Some(at) = decided.filter(|at| done.get(at).is_some_and(plain)) else {
            return;
        };
        let later = done.iter().any(|(other, work)| {
            let told = work.told.as_deref();
            *other != at
                && told.is_some_and(|told| !told.protocols.is_empty() && !is_plain_mail(told))
        });
        let points = match &self.directory {
            Some(beside) if !later => beside
                .points(None)
                .await
                .is_ok_and(|found| !found.is_empty()),
            _ => false,
        };
        let detail = match (later, points) {
            (true, _) => "a later step has Exchange",
            (_, true) => "the directory names servers of Exchange",
            _ => return,
        };
        if let Some(work) = done.get_mut(&at) {
            work.warnings.push((Cause::NoExchange, detail.to_owned()));
        }
    }

    async fn act(&self, act: &Act, dialect: Dialect, work: &mut Done) -> Result<Answer> {
        Ok(match act {
            Act::Ask(ask) => self.ask(ask, dialect, work).await?,
            Act::Probe(url) => {
                let judged = self.get(url, judge_probe, work).await;
                work.take(judged)
            }
            Act::AskJson(url) => {
                let judged = self.get(url, judge_json, work).await;
                work.take(judged)
            }
            Act::LookUp(name) => match self.web.names.services(name).await {
                Ok(records) => {
                    let shown = records.iter().map(|record| {
                        let (priority, weight) = (record.priority, record.weight);
                        format!("{priority} {weight} {} {}", record.port, record.target)
                    });
                    work.detail = shown.collect::<Vec<_>>().join(", ");
                    Answer::Srv(records)
                }
                Err(failure) => work.fail(failure),
            },
            Act::SearchDirectory { at } => match &self.directory {
                None => Answer::Failed(Cause::NoDirectory),
                Some(beside) => match beside.points(at.as_ref()).await {
                    Ok(points) => {
                        let bindings = points.iter().flat_map(|point| &point.bindings);
                        let shown = bindings.map(|binding| secrets::url(binding));
                        work.detail = shown.collect::<Vec<_>>().join(", ");
                        Answer::Scp(points)
                    }
                    Err(error) => {
                        work.fail(Failure::new(of_directory(&error), format!("{error:#}")))
                    }
                },
            },
            Act::ReadLocalXml => {
                let judged = self.local(dialect)?;
                work.take(judged)
            }
            Act::Consent(question) => Answer::Consent(self.consent.ask(question).await?),
        })
    }

    async fn ask(&self, ask: &Ask, dialect: Dialect, work: &mut Done) -> Result<Answer> {
        let subject = Who::Address(ask.address().clone());
        let Asked { exchanges, judged } = self
            .ask_about(&subject, ask.url(), dialect, ask.login())
            .await?;
        work.exchanges = exchanges;
        Ok(work.take(judged))
    }

    /// Asks one URL about a mailbox.
    pub(super) async fn ask_about(
        &self,
        subject: &Who,
        url: &Url,
        dialect: Dialect,
        login: Login,
    ) -> Result<Asked> {
        let request = self.request(subject, url, dialect);
        self.logins.ask(&self.web, request, dialect, login).await
    }

    /// A request for settings, as Outlook, an EWS client or a mobile client sends it.
    fn request(&self, subject: &Who, url: &Url, dialect: Dialect) -> Request {
        let mut headers = vec![
            (header::USER_AGENT, self.agent.clone()),
            ("accept", "*/*".to_owned()),
            ("accept-encoding", "gzip, deflate".to_owned()),
            ("content-type", content::XML.to_owned()),
        ];
        let mut body = Vec::new();
        let shown = subject.to_string();
        if let Who::Address(address) = subject {
            headers.push((header::ANCHOR_MAILBOX, ascii(address.as_str())));
        }
        match (dialect, subject) {
            (Dialect::Soap, _) => {
                headers.push(("soapaction", format!("\"{SOAP_ACTION}\"")));
                let wanted = Setting::ALL.iter().copied().map(Wanted::Known);
                let operation = Operation::UserSettings {
                    users: vec![shown],
                    settings: wanted.collect(),
                };
                let request = soap::Request {
                    message_id: None,
                    operation,
                };
                request.write(&url.to_string(), &mut body);
            }
            (Dialect::MobileSync, Who::Address(address)) => {
                pox::Request::MobileSync(address.clone()).write(&mut body);
            }
            _ => {
                headers.push((header::MAPI_HTTP_CAPABILITY, "1".to_owned()));
                headers.push((
                    header::CLIENT_CAN_HANDLE,
                    "Negotiate, ExHttpInfo".to_owned(),
                ));
                pox::Request::Outlook(subject.clone()).write(&mut body);
            }
        }
        Request {
            method: "POST",
            url: url.clone(),
            headers,
            body,
        }
    }

    /// Gets a URL without credentials.
    pub(super) async fn get(
        &self,
        url: &Url,
        judge: impl Fn(HttpAnswer<'_>) -> Assessment,
        work: &mut impl Extend<HttpExchange>,
    ) -> Assessment {
        let mut exchanges = Vec::new();
        let request = Request {
            method: "GET",
            url: url.clone(),
            headers: vec![
                (header::USER_AGENT, self.agent.clone()),
                ("accept", "*/*".to_owned()),
            ],
            body: Vec::new(),
        };
        let judged = match connect(&self.web, &request, &mut exchanges).await {
            Err(failure) => Assessment::failed(failure.cause, failure.detail),
            Ok(mut connection) => {
                let exchange = connection.send(request, None).await;
                let judged = match heard(&exchange) {
                    Ok(heard) => judge(heard),
                    Err(failure) => Assessment::failed(failure.cause, failure.detail),
                };
                exchanges.push(exchange);
                judged
            }
        };
        work.extend(exchanges);
        judged
    }

    fn local(&self, dialect: Dialect) -> Result<Assessment> {
        use std::io::Read as _;
        let Some(path) = &self.local_xml else {
            return Ok(Assessment::failed(Cause::NoLocalXml, ""));
        };
        let reading = || format!("reading --local-xml {}", path.display());
        let file = std::fs::File::open(path).with_context(reading)?;
        let mut body = Vec::new();
        let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
        file.take(most)
            .read_to_end(&mut body)
            .with_context(reading)?;
        let judged = judge(
            dialect,
            HttpAnswer {
                status: 200,
                location: None,
                retry_after: None,
                body: &body,
            },
        );
        // An error in a file is no error of a server.
        Ok(match judged.cause() {
            Some(cause) => Assessment::failed(
                Cause::LocalXmlBroken,
                format!("{}: {}", cause.what(), judged.detail),
            ),
            None => judged,
        })
    }
}

/// Why our own directory could not be asked.
fn of_directory(error: &anyhow::Error) -> Cause {
    let untrusted = error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref())
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
    });
    let refused = error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<automend_ldap::Error>(),
            Some(automend_ldap::Error::Refused { code, .. })
                if *code == ResultCode::INVALID_CREDENTIALS
        )
    });
    match (untrusted, refused) {
        (true, _) => Cause::DirectoryTrust,
        (_, true) => Cause::DirectoryLogin,
        _ => Cause::ScpFailed,
    }
}

/// Notes where a redirect is followed without the question that Outlook may ask its user.
fn note_unasked(steps: &mut [Taken]) {
    let hosts: Vec<Option<Host>> = steps
        .iter()
        .map(|step| step.tried.url().map(|url| url.host().clone()))
        .collect();
    let redirects: Vec<bool> = steps
        .iter()
        .map(|step| step.tried.cause == Some(Cause::RedirectUrl))
        .collect();
    for step in steps {
        let (Some(Act::Ask(ask)), Some(from)) = (&step.tried.act, step.tried.led_by) else {
            continue;
        };
        let Ok(domain) = Domain::of(&step.tried.address) else {
            continue;
        };
        let host = ask.url().host();
        let elsewhere = hosts
            .get(from)
            .is_some_and(|before| before.as_ref() != Some(host));
        let redirected = redirects.get(from) == Some(&true);
        let own = *host == Host::from(&domain) || *host == domain.autodiscover_host();
        if redirected && elsewhere && !own && host.is_within(&domain) {
            step.defects.push(format!(
                "the redirect to {host} was followed because it lies below {domain}; Outlook may ask its user first"
            ));
        }
    }
}

const SOAP_ACTION: &str =
    "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings";

/// What a header can hold.
fn ascii(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).collect()
}

/// A search that may not begin.
fn refused(dialect: Dialect, cause: Cause) -> Run {
    Run {
        dialect,
        steps: Vec::new(),
        conclusion: Conclusion {
            verdict: Verdict::Failed,
            cause: Some(cause),
            at: None,
        },
        told: None,
        endpoint: None,
        took: Duration::ZERO,
    }
}

impl Extend<HttpExchange> for Done {
    fn extend<T: IntoIterator<Item = HttpExchange>>(&mut self, exchanges: T) {
        self.exchanges.extend(exchanges);
    }
}

impl Done {
    /// Keeps what an answer came to.
    fn take(&mut self, judged: Assessment) -> Answer {
        self.detail = judged.detail;
        self.warnings = judged.warnings;
        self.defects = judged.defects;
        self.told = judged.told;
        judged.answer
    }

    fn fail(&mut self, failure: Failure) -> Answer {
        self.detail = failure.detail;
        Answer::Failed(failure.cause)
    }
}

impl Taken {
    /// Looks for what works and should be better.
    fn look(&mut self) {
        let connections = self
            .exchanges
            .iter()
            .filter_map(|exchange| exchange.connection.as_ref());
        for connection in connections.map(Arc::as_ref) {
            for (address, failure) in &connection.dead {
                // That this computer has no way to IPv6 is not the server's fault.
                if failure.cause != Cause::Unreachable {
                    let detail = format!("{address}: {}", failure.detail);
                    add(&mut self.warnings, Cause::AddressDead, detail);
                }
            }
            if let Some(until) = connection.expires {
                let detail = format!("it is valid until {}", until.strftime("%Y-%m-%d"));
                add(&mut self.warnings, Cause::CertificateExpiresSoon, detail);
            }
        }
        if let (DiscoveryMethod::Srv, Some(Act::Ask(ask))) = (self.tried.way, &self.tried.act)
            && ask.url().port() != 443
        {
            let detail = format!("port {}", ask.url().port());
            self.warnings.push((Cause::SrvPort, detail));
        }
    }
}

/// Adds what several connections have in common, once.
fn add(warnings: &mut Vec<(Cause, String)>, cause: Cause, detail: String) {
    let warning = (cause, detail);
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

impl Run {
    /// What works and should be better, on the way to the settings.
    pub(super) fn warnings(&self) -> Vec<(Cause, String)> {
        let Some(mut at) = self
            .conclusion
            .at
            .filter(|_| self.conclusion.verdict == Verdict::Ok)
        else {
            return Vec::new();
        };
        let mut found = Vec::new();
        // Back along the redirects.
        while let Some(step) = self.steps.get(at) {
            for (cause, detail) in &step.warnings {
                match cause {
                    Cause::AddressDead | Cause::CertificateExpiresSoon => {
                        add(&mut found, *cause, detail.clone());
                    }
                    _ => found.push((*cause, detail.clone())),
                }
            }
            match step.tried.led_by {
                Some(before) => at = before,
                None => break,
            }
        }
        let failing = self.steps.iter().filter(|step| {
            let cause = step.tried.cause;
            step.tried.outlook
                && step.tried.way == DiscoveryMethod::Scp
                && cause.is_some_and(Cause::fails)
                && cause != Some(Cause::NoScp)
        });
        found.extend(failing.map(|step| {
            let cause = step.tried.cause.map_or("", Cause::what);
            let url = step.tried.url().map(|url| secrets::url(&url.to_string()));
            match step.tried.cause {
                // That is between this computer and its directory.
                Some(own @ (Cause::ScpFailed | Cause::DirectoryLogin | Cause::DirectoryTrust)) => {
                    (own, step.detail.clone())
                }
                _ => (
                    Cause::ScpEndpointFails,
                    with(&url.unwrap_or_default(), cause),
                ),
            }
        }));
        found
    }
}

/// What happened, and what was seen of it.
pub(super) fn with(what: &str, detail: &str) -> String {
    if detail.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {detail}")
    }
}
