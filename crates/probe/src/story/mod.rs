//! The story of a recording: for each mailbox what its clients asked, what they were answered, and what
//! is wrong with that.
//!
//! A login takes several exchanges, redirects lead on, and a client tries one URL after another; none of
//! these is a failure while something better follows. A redirect is joined with what it led to, another
//! URL or another mailbox, and comes to what that comes to. An error that Autodiscover itself answers always
//! is. For a mailbox that got neither settings nor an error, the failure that came nearest to an answer
//! is reported, as `automend test` would.
//!
//! Invariant: exchanges are taken one by one, and what is kept of them is bounded.

mod failure;
mod join;
mod judge;
mod service;
mod user;
mod windows;

use std::collections::{HashMap, HashSet};

use automend_autodiscover::reading::Alternative;
use automend_core::verdict::Cause;
use automend_recording::secrets;
use automend_recording::{Defect, Defects, HttpExchange, Sink};

pub use failure::OURS;
pub use judge::{Failure, Outcome, Target};
pub use service::{Asked, may_be};
use user::RedirectTarget;
pub use user::{Finding, Listed, User};

use crate::answer::Concern;

/// More exchanges of Autodiscover are judged, and not listed.
const MOST_LISTED: usize = 10_000;
/// More findings are counted.
const MOST_FINDINGS: usize = 10_000;
/// More mailboxes are not told apart.
const MOST_USERS: usize = 10_000;
/// Alternative mailboxes whose owners are remembered.
const MOST_ALTERNATIVES: usize = 50_000;
/// More settings, counted in bytes of their texts, are not kept for the report.
const MOST_SETTINGS: usize = 16 << 20;
/// URLs at which a login is open, for one mailbox; exchanges of one mailbox that are named.
const MOST_OPEN: usize = 200;
const MOST_EXCHANGES: usize = 1000;

/// The report of a recording so far.
#[derive(Debug, Default)]
pub struct Story {
    /// Exchanges of the recording.
    pub exchanges: u64,
    /// Exchanges of Autodiscover.
    pub autodiscover: u64,
    /// The first of those, in the order of the recording.
    pub listed: Vec<Listed>,
    /// In the order in which they appear.
    pub users: Vec<User>,
    /// What is wrong, in the order of the recording.
    pub findings: Vec<Finding>,
    /// Why a saved document is no answer.
    pub no_answer: Option<String>,
    more_findings: u64,
    places: HashMap<Option<Asked>, usize>,
    /// Alternative mailboxes: by name, whose answer named them.
    opened: HashMap<String, Asked>,
    /// The last exchange at a URL that was no login.
    answered: HashMap<String, u64>,
    /// The last exchange at a URL, and the URLs to which redirects led; both without case and query.
    asked_at: HashMap<String, u64>,
    led_to: HashSet<String>,
    /// How much is kept of settings, and of how many mailboxes they are not.
    settings: usize,
    without_settings: u64,
    defects: Defects,
}

impl Story {
    /// Takes an exchange; what it came to, if it is one of Autodiscover.
    pub fn take(&mut self, exchange: &HttpExchange) -> Option<Listed> {
        self.exchanges = self.exchanges.max(exchange.number);
        let Some(told) = judge::judge(exchange) else {
            if exchange.url.is_empty() {
                let why =
                    judge::why_no_answer(exchange, judge::bare_service(&exchange.response.body));
                self.no_answer = why.map(|why| why.to_string());
            }
            return None;
        };
        self.autodiscover += 1;
        if self.asked_at.len() < MOST_USERS {
            self.asked_at
                .insert(join::folded(&exchange.url), exchange.number);
        }
        if exchange.request.missing
            && exchange.status == 200
            && told.iter().all(|(asked, _)| asked.is_none())
        {
            self.defect(Defect {
                exchange: Some(exchange.number),
                what:
                    "the request's body is not in the recording, so the user that it asked for is unknown"
                        .to_owned(),
            });
        }
        let mut brief = Vec::new();
        for (asked, outcome) in told {
            brief.push((asked.clone(), outcome.brief()));
            self.tell(exchange, asked.as_ref(), outcome);
        }
        let listed = Listed {
            number: exchange.number,
            took: exchange.took,
            method: exchange.method.clone(),
            url: secrets::url(&exchange.url),
            status: exchange.status,
            told: brief,
        };
        if self.listed.len() < MOST_LISTED {
            self.listed.push(listed.clone());
        }
        Some(listed)
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each outcome")]
    fn tell(&mut self, exchange: &HttpExchange, asked: Option<&Asked>, outcome: Outcome) {
        let led = self.led_to.contains(&join::folded(&exchange.url));
        let room = self.settings < MOST_SETTINGS;
        let opened_for = asked
            .and_then(|asked| self.opened.get(&asked.as_str().to_lowercase()))
            .cloned();
        let Some(user) = self.user(asked) else {
            return;
        };
        if user.exchanges.len() < MOST_EXCHANGES && user.exchanges.last() != Some(&exchange.number)
        {
            user.exchanges.push(exchange.number);
        }
        user.opened_for = opened_for.clone().or_else(|| user.opened_for.take());
        let finding = |failure: Failure| Finding {
            exchange: exchange.number,
            started: exchange.started.clone(),
            url: secrets::url(&exchange.url),
            status: exchange.status,
            asked: asked.cloned(),
            opened_for: opened_for.clone(),
            redirected_from: None,
            failure,
        };
        let handshake = matches!(outcome, Outcome::Login { .. });
        if !handshake {
            user.open.remove(&exchange.url);
        }
        match outcome {
            Outcome::Settings { told, warnings, .. } => {
                user.settle(exchange.number, None);
                user.warn(&warnings);
                let Some(told) = told else {
                    return self.answer_at(exchange);
                };
                let alternatives = told.alternatives.clone();
                if room {
                    let size = told.size();
                    user.settings = Some(told);
                    self.settings += size;
                } else {
                    self.without_settings += 1;
                }
                if let Some(asked) = asked {
                    self.open_for(asked, &alternatives);
                }
            }
            Outcome::Login { brought, .. } => {
                let cause = if brought {
                    Cause::LoginRejected
                } else {
                    Cause::LoginWanted
                };
                if user.open.len() < MOST_OPEN || user.open.contains_key(&exchange.url) {
                    user.open
                        .insert(exchange.url.clone(), finding(cause.into()));
                }
            }
            Outcome::Failed(failure) if failure.cause.is_fault() => {
                user.settle(exchange.number, Some(failure.cause));
                let finding = finding(failure);
                self.found(finding);
            }
            Outcome::Failed(failure) if failure.cause == Cause::BodyNotRecorded => {
                user.unrecorded = Some(finding(failure));
            }
            Outcome::Failed(failure) => user.miss(finding(failure), led),
            Outcome::Aside(why) if why == judge::NO_RESPONSE => user.unanswered = true,
            Outcome::Redirect(Target::Elsewhere(_)) | Outcome::Aside(_) => {}
            Outcome::Redirect(target) => {
                let at = finding(Cause::RedirectNotRecorded.into());
                // The search begins again: what failed before it was not its end.
                user.nearest = None;
                user.unrecorded = None;
                user.unanswered = false;
                user.open.clear();
                user.led = Some(RedirectTarget {
                    at,
                    target: target.clone(),
                });
                if let Target::Url(url) = &target
                    && self.led_to.len() < MOST_USERS
                {
                    self.led_to.insert(join::folded(url));
                }
            }
        }
        if !handshake {
            self.answer_at(exchange);
        }
    }

    /// Takes note that something was answered at a URL.
    fn answer_at(&mut self, exchange: &HttpExchange) {
        if self.answered.len() < MOST_USERS {
            self.answered
                .insert(secrets::url(&exchange.url), exchange.number);
        }
    }

    fn user(&mut self, asked: Option<&Asked>) -> Option<&mut User> {
        let key = asked.cloned();
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.users.len() >= MOST_USERS => return None,
            None => {
                self.users.push(User {
                    asked: key.clone(),
                    ..User::default()
                });
                self.places.insert(key, self.users.len() - 1);
                self.users.len() - 1
            }
        };
        self.users.get_mut(place)
    }

    fn open_for(&mut self, asked: &Asked, alternatives: &[Alternative]) {
        for mailbox in alternatives {
            let names = [
                &mailbox.smtp_address,
                &mailbox.legacy_dn,
                &mailbox.owner_smtp_address,
            ];
            for name in names.into_iter().flatten().filter(|name| !name.is_empty()) {
                let name = name.to_lowercase();
                if self.opened.len() < MOST_ALTERNATIVES && name != asked.as_str().to_lowercase() {
                    self.opened.entry(name).or_insert_with(|| asked.clone());
                }
            }
        }
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    /// Judges what only the end shows.
    pub fn finish(&mut self) {
        let named = self.users.iter().any(|user| user.asked.is_some());
        let mut late = Vec::new();
        for user in &mut self.users {
            let open = std::mem::take(&mut user.open);
            let mut open: Vec<Finding> = open.into_values().collect();
            open.sort_by_key(|finding| finding.exchange);
            for finding in open {
                // The first request of a login often has no body, and so names no user.
                let after = self
                    .answered
                    .get(&finding.url)
                    .is_some_and(|exchange| *exchange > finding.exchange);
                if !(user.asked.is_none() && after) {
                    let led = self.led_to.contains(&join::folded(&finding.url));
                    user.miss(finding, led);
                }
            }
            // Beside mailboxes that are named, requests without a name are attempts on their behalf.
            let silent = user.asked.is_none() && named;
            if user.decided.is_some() || silent {
                user.nearest = None;
            }
            if user.decided.is_some() {
                user.unrecorded = None;
            }
            let undecided = !user.is_decided() && user.led.is_none();
            if undecided && user.unanswered && !silent {
                let why = judge::NO_RESPONSE.to_owned();
                user.warnings
                    .push(Concern::new(Cause::BodyNotRecorded, why));
            }
        }
        join::redirects(&mut self.users, &self.places, &self.asked_at);
        for user in &self.users {
            let missed = user.nearest.as_ref().map(|(_, finding)| finding);
            late.extend(user.unrecorded.as_ref().or(missed).cloned());
        }
        for finding in late {
            self.found(finding);
        }
        self.findings.sort_by_key(|finding| finding.exchange);
        self.users
            .retain(|user| user.asked.is_some() || !named || user.is_decided());
        let more = self.more_findings;
        if more > 0 {
            self.defect(Defect {
                exchange: None,
                what: format!("{more} more findings are not listed"),
            });
        }
        if self.without_settings > 0 {
            let what = format!(
                "the settings of {} answers are too large to be listed",
                self.without_settings
            );
            self.defect(Defect {
                exchange: None,
                what,
            });
        }
        let unlisted = self.autodiscover - self.listed.len() as u64;
        if unlisted > 0 {
            self.defect(Defect {
                exchange: None,
                what: format!(
                    "{unlisted} more Autodiscover requests were judged and are not listed"
                ),
            });
        }
    }

    /// What was wrong with the recording itself.
    pub fn defects(&self) -> Vec<String> {
        self.defects.told()
    }
}

impl Sink for Story {
    fn wants(&self, url: &str, request: &[u8]) -> bool {
        may_be(url, request)
    }

    fn exchange(&mut self, exchange: HttpExchange) {
        self.take(&exchange);
    }

    fn passed(&mut self, number: u64) {
        self.exchanges = self.exchanges.max(number);
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }
}

#[cfg(test)]
mod tests;
