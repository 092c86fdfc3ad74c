//! What a test came to, in words: one verdict for the search and for everything that was looked at behind.
//!
//! Invariant: every form says the same, and what a server said passes through `Secrets`, and no word of ours does.

pub(super) mod har;
pub(super) mod json;
pub(super) mod log;
pub(super) mod tree;

use automend_core::command::Command;
use automend_core::discovery::{Act, Dialect, DiscoveryMethod, Url};
use automend_core::verdict::{Cause, Certainty, Explanation, Hint, Verdict};
use automend_negotiate::EndPoint;
use automend_probe::answer::{Concern, gathered};
use automend_probe::http::HttpExchange;
use automend_recording::secrets::Secrets;

use super::directory_check::Blame;
use super::follow::Followed;
use super::run::{Run, Taken, with};
use super::urls::Checked;

/// A test of one address.
pub(super) struct Report {
    pub address: String,
    pub run: Run,
    /// Other protocols, asked at the server that answered.
    pub others: Vec<Other>,
    pub followed: Vec<Followed>,
    pub checked: Vec<Checked>,
    /// What the directory says; the text is why it says nothing.
    pub blame: Option<Result<Blame, String>>,
    /// A command that asks the directory at hand.
    pub directory: Option<Command>,
}

/// Another protocol of the server that answered.
pub(super) struct Other {
    pub dialect: Dialect,
    pub url: Url,
    pub exchanges: Vec<HttpExchange>,
    pub cause: Option<Cause>,
    pub detail: String,
}

impl Report {
    /// The verdict on everything.
    pub(super) fn verdict(&self) -> Verdict {
        match self.run.conclusion.verdict {
            Verdict::Ok if !self.warnings(&Secrets::default()).is_empty() => Verdict::Warning,
            verdict => verdict,
        }
    }

    /// Why the verdict is what it is.
    pub(super) fn cause(&self) -> Option<Cause> {
        let first = || {
            self.warnings(&Secrets::default())
                .first()
                .map(|concern| concern.cause)
        };
        self.run.conclusion.cause.or_else(first)
    }

    /// What works and should be better, without the secrets that servers gave back.
    pub(super) fn warnings(&self, secrets: &Secrets) -> Vec<Concern> {
        let mut found = self.run.warnings();
        if self.run.conclusion.verdict != Verdict::Ok {
            return gathered(found);
        }
        found.extend(self.others.iter().filter_map(|other| {
            let what = other.cause?.what();
            let protocol = protocol(other.dialect);
            Some((Cause::ProtocolFails, format!("{protocol}: {what}")))
        }));
        found.extend(self.followed.iter().filter_map(|followed| {
            let what = followed.cause()?.what();
            let shown = secrets.without(followed.shown());
            Some((Cause::AlternativeFails, format!("{shown}: {what}")))
        }));
        // That a URL is plain HTTP the settings themselves tell.
        let known = found.iter().any(|(cause, _)| *cause == Cause::UrlPlain);
        let others = self.checked.iter();
        let others = others.filter(|checked| !(known && checked.cause == Some(Cause::UrlPlain)));
        found.extend(others.filter_map(|checked| {
            let url = shown_url(&checked.promise.url, secrets);
            Some((checked.cause?, with(&url, &checked.detail)))
        }));
        gathered(found)
    }

    /// The step that decides, or tells most.
    pub(super) fn telling(&self) -> Option<&Taken> {
        self.run.steps.get(self.run.conclusion.at?)
    }

    /// Whether an answer led to the server that decides.
    pub(super) fn is_led(&self) -> bool {
        self.telling()
            .is_some_and(|step| step.tried.led_by.is_some())
    }

    /// Everything there is to say, in sentences.
    pub(super) fn explanation(&self, secrets: &Secrets) -> String {
        let mut sentences = Vec::new();
        if self.run.conclusion.verdict == Verdict::Ok {
            let from = match self
                .telling()
                .map(|step| (step.tried.way, step.shown_url(secrets)))
            {
                Some((_, Some(url))) => format!(" from {url}"),
                Some((DiscoveryMethod::LocalXml, None)) => " from the local file".to_owned(),
                _ => String::new(),
            };
            let client = self.client();
            sentences.push(sentence(&format!("{client} gets its settings{from}")));
            for concern in self.warnings(secrets) {
                sentences.push(sentence(&concern.sentence()));
                sentences.push(concern.cause.why().to_owned());
                sentences.extend(self.advice(concern.cause));
            }
            return sentences.join(" ");
        }
        let Some(cause) = self.run.conclusion.cause else {
            return String::new();
        };
        let what = match self.telling() {
            Some(step) => {
                let place = place(step, secrets);
                format!("{place}: {}", with(cause.what(), &step.detail))
            }
            None => cause.what().to_owned(),
        };
        sentences.push(sentence(&what));
        sentences.push(cause.why().to_owned());
        sentences.extend(self.blamed());
        if !self.names_somebody() {
            sentences.extend(self.advice(cause));
        }
        sentences.extend(self.hint(cause).map(shown_by_outlook));
        sentences.join(" ")
    }

    /// The client for which it was asked.
    pub(super) fn client(&self) -> &'static str {
        client(self.run.dialect)
    }

    /// What Outlook shows, where it is Outlook that asks.
    pub(super) fn hint(&self, cause: Cause) -> Option<Hint> {
        cause.hint().filter(|_| self.run.dialect == Dialect::Pox)
    }

    /// What a cause means here.
    pub(super) fn explain(&self, cause: Cause) -> Explanation {
        match &self.directory {
            Some(directory) => cause.explain_with(&self.address, directory),
            None => cause.explain(&self.address),
        }
    }

    /// What to do about a cause, with the host that it is about.
    pub(super) fn advice(&self, cause: Cause) -> Option<String> {
        let advice = self.explain(cause).advice?;
        match self.telling().and_then(|step| step.tried.act.as_ref()) {
            Some(Act::Consent(question)) if cause == Cause::ConsentNeeded => {
                Some(advice.replace("HOST", &question.host.to_string()))
            }
            _ if cause == Cause::LoginRejected => Some(self.compared(&advice)),
            _ => Some(advice),
        }
    }

    /// The advice on how to compare certificates, for the host and the hash of the login that was rejected.
    fn compared(&self, advice: &str) -> String {
        let Some(exchange) = self.telling().and_then(|step| step.exchanges.last()) else {
            return advice.to_owned();
        };
        let certificate = exchange.connection.as_deref().map(|one| &one.certificate);
        let end = certificate.and_then(|certificate| EndPoint::of(certificate));
        let option = end.map_or("sha256", |end| end.algorithm.option());
        advice
            .replace("HOST", &exchange.request.url.host().to_string())
            .replace("-sha256", &format!("-{option}"))
    }

    /// Whether the directory tells what is wrong.
    fn names_somebody(&self) -> bool {
        matches!(&self.blame, Some(Ok(blame)) if !blame.findings.is_empty())
    }

    /// What the directory says.
    fn blamed(&self) -> Vec<String> {
        match &self.blame {
            None => Vec::new(),
            Some(Err(why)) => vec![sentence(&format!(
                "the directory could not be asked: {why}"
            ))],
            Some(Ok(blame)) if blame.findings.is_empty() => vec![nothing_wrong(blame)],
            Some(Ok(blame)) => {
                let mut sentences: Vec<String> = blame
                    .findings
                    .iter()
                    .map(|finding| {
                        let shown = &finding.subject.shown;
                        sentence(&format!(
                            "{} {shown}: {}",
                            finding.code,
                            finding.code.title()
                        ))
                    })
                    .collect();
                sentences.extend(
                    blame
                        .fix_command
                        .as_ref()
                        .map(|fix_command| format!("To fix: {fix_command}")),
                );
                sentences
            }
        }
    }

    /// Every request that was made, in order.
    pub(super) fn exchanges(&self) -> impl Iterator<Item = (&'static str, &HttpExchange)> {
        let steps = self.run.steps.iter().flat_map(|step| {
            let way = step.tried.way.as_str();
            step.exchanges.iter().map(move |exchange| (way, exchange))
        });
        let others = self.others.iter().flat_map(|other| {
            let protocol = protocol(other.dialect);
            other
                .exchanges
                .iter()
                .map(move |exchange| (protocol, exchange))
        });
        let followed = self.followed.iter().flat_map(Followed::exchanges);
        let checked = self.checked.iter().flat_map(|checked| &checked.exchanges);
        steps
            .chain(others)
            .chain(followed.map(|exchange| ("alternative", exchange)))
            .chain(checked.map(|exchange| ("url", exchange)))
    }
}

/// What it means that the directory shows nothing wrong.
pub(super) fn nothing_wrong(blame: &Blame) -> String {
    let (directory, expected) = (&blame.directory, blame.expected());
    format!(
        "In {directory} nothing is wrong with this user (Exchange would answer: {expected}), so the server asks another directory or another domain controller, or fails by itself."
    )
}

/// Where a step was.
fn place(step: &Taken, secrets: &Secrets) -> String {
    match step.shown_url(secrets) {
        Some(url) => format!("{} at {url}", step.tried.way),
        None => step.tried.way.to_string(),
    }
}

/// A URL without a secret that its text may hold, no matter who wrote it.
pub(super) fn shown_url(url: &Url, secrets: &Secrets) -> String {
    let target = secrets.without(&url.to_string()).into_owned();
    automend_recording::secrets::url(&target)
}

impl Taken {
    /// The URL of the step. One that an answer named may hold what was sent; one that the search made itself,
    /// or that was given, loses only what its names say.
    pub(super) fn shown_url(&self, secrets: &Secrets) -> Option<String> {
        let url = self.tried.url()?;
        Some(match self.tried.led_by {
            Some(_) => shown_url(url, secrets),
            None => automend_recording::secrets::url(&url.to_string()),
        })
    }
}

/// Makes a sentence of a message.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    let end = if message.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), chars.as_str())
}

/// What Outlook shows, with how sure that is.
fn shown_by_outlook(hint: Hint) -> String {
    let code = hresult(hint.code);
    match hint.certainty {
        Certainty::Seen => format!("Outlook's log shows {code}."),
        Certainty::Likely => format!("Outlook's log probably shows {code}."),
        Certainty::Weak => format!("Outlook's log may show {code}."),
    }
}

/// `0x800C8203`.
pub(super) fn hresult(code: u32) -> String {
    format!("0x{code:08X}")
}

/// The client that asks so.
pub(super) fn client(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Pox => "Outlook",
        Dialect::Soap => "a client of Exchange Web Services",
        Dialect::MobileSync => "a mobile client",
    }
}

/// The word for a kind of client.
pub(super) fn protocol(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Pox => "pox",
        Dialect::Soap => "soap",
        Dialect::MobileSync => "mobilesync",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_sentences() {
        assert_eq!(
            sentence("the name does not exist"),
            "The name does not exist."
        );
        assert_eq!(sentence("why?"), "Why?");
        assert_eq!(sentence("école fermée"), "École fermée.");
        assert_eq!(with("it failed", ""), "it failed");
        assert_eq!(with("it failed", "twice"), "it failed: twice");
        let hint = Cause::DirectoryObjectGone.hint().unwrap();
        assert_eq!(shown_by_outlook(hint), "Outlook's log shows 0x800C8203.");
    }
}
