//! What a story keeps of each mailbox, and what that comes to.

use std::collections::HashMap;

use automend_core::verdict::{Cause, Explanation, Verdict};

use super::judge::{Failure, Outcome, Target};
use super::service::Asked;
use crate::answer::{Concern, SettingsSummary};

/// An exchange of Autodiscover, judged.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its number in the recording, from 1.
    pub number: u64,
    /// Milliseconds.
    pub took: Option<u64>,
    /// The method of the request.
    pub method: String,
    /// Without secrets.
    pub url: String,
    /// The status of the response; 0 where there is none.
    pub status: u16,
    /// For each mailbox.
    pub told: Vec<(Option<Asked>, Outcome)>,
}

/// Something wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The number of its request in the recording, from 1.
    pub exchange: u64,
    /// When the request was sent, as the recording says it.
    pub started: Option<String>,
    /// Without secrets.
    pub url: String,
    /// The status of the response; 0 where there is none.
    pub status: u16,
    /// The mailbox that was asked for.
    pub asked: Option<Asked>,
    /// Whose Outlook also opens this mailbox, as an answer in the recording says.
    pub opened_for: Option<Asked>,
    /// From which mailbox a redirect led to this one.
    pub redirected_from: Option<Asked>,
    /// What it comes to.
    pub failure: Failure,
}

impl Finding {
    /// What it means.
    pub fn explain(&self) -> Explanation {
        self.failure
            .cause
            .explain_recorded(self.asked.as_ref().map_or("ADDRESS", Asked::as_str))
    }
}

/// A mailbox that clients asked for.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Its address or legacy name; `None` where the recording has none.
    pub asked: Option<Asked>,
    /// The exchanges that concern it; the first of them.
    pub exchanges: Vec<u64>,
    /// The last exchange that decided, and how: settings, or an error of Autodiscover.
    pub(super) decided: Option<(u64, Option<Cause>)>,
    /// What should be better in the settings that it got.
    pub warnings: Vec<Concern>,
    /// The settings of the last answer that has some.
    pub settings: Option<Box<SettingsSummary>>,
    /// The mailboxes to which redirects led from this one, one after the other.
    pub redirected_to: Vec<Asked>,
    pub(super) opened_for: Option<Asked>,
    /// Logins that nothing followed yet, by URL.
    pub(super) open: HashMap<String, Finding>,
    /// The failure that came nearest, and whether it is one of what a redirect led to.
    pub(super) nearest: Option<(bool, Finding)>,
    /// An answer whose body the recording does not hold.
    pub(super) unrecorded: Option<Finding>,
    /// Whether the recording does not have the response to a request.
    pub(super) unanswered: bool,
    /// The last redirect, if nothing decided after it.
    pub(super) led: Option<RedirectTarget>,
    /// What the mailbox came to at which the redirects ended.
    pub(super) end: Option<End>,
}

/// What a mailbox came to: the exchange that decided, and the cause, which settings without a flaw have not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    pub verdict: Verdict,
    pub cause: Option<Cause>,
    pub exchange: Option<u64>,
}

/// A redirect at which the story of a mailbox stands.
#[derive(Clone, Debug)]
pub(super) struct RedirectTarget {
    /// The exchange that has it.
    pub at: Finding,
    pub target: Target,
}

impl User {
    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        self.comes_to().verdict
    }

    /// The cause of the verdict; `None` for settings without a flaw, and where nothing was decided.
    pub fn cause(&self) -> Option<Cause> {
        self.comes_to().cause
    }

    /// The exchange that decided.
    pub fn decided_at(&self) -> Option<u64> {
        self.comes_to().exchange
    }

    fn comes_to(&self) -> End {
        self.end.unwrap_or_else(|| self.own_end())
    }

    /// What it comes to by itself, without what redirects to other mailboxes led to.
    pub(super) fn own_end(&self) -> End {
        let of = |verdict, finding: &Finding| End {
            verdict,
            cause: Some(finding.failure.cause),
            exchange: Some(finding.exchange),
        };
        let warning = self.warnings.first().map(|concern| concern.cause);
        match (self.decided, &self.nearest, &self.unrecorded) {
            (Some((exchange, Some(cause))), ..) => End {
                verdict: Verdict::Failed,
                cause: Some(cause),
                exchange: Some(exchange),
            },
            (Some((exchange, None)), ..) => End {
                verdict: if warning.is_some() {
                    Verdict::Warning
                } else {
                    Verdict::Ok
                },
                cause: warning,
                exchange: Some(exchange),
            },
            (None, _, Some(finding)) => of(Verdict::Warning, finding),
            (None, Some((_, finding)), None) => of(Verdict::Failed, finding),
            (None, None, None) => End {
                verdict: Verdict::Warning,
                cause: warning,
                exchange: None,
            },
        }
    }

    /// Whether an exchange decided at all.
    pub fn is_decided(&self) -> bool {
        self.decided.is_some() || self.nearest.is_some() || self.unrecorded.is_some()
    }

    /// Takes a failure; `led` where a redirect led there, so that the client had no better place to ask.
    pub(super) fn miss(&mut self, finding: Finding, led: bool) {
        let nearer = |(was_led, nearest): &(bool, Finding)| {
            (led, finding.failure.cause.weight()) > (*was_led, nearest.failure.cause.weight())
        };
        if self.nearest.as_ref().is_none_or(nearer) {
            self.nearest = Some((led, finding));
        }
    }

    /// Takes settings, in whose place earlier redirects and gaps of the recording do not count.
    pub(super) fn settle(&mut self, exchange: u64, cause: Option<Cause>) {
        self.decided = Some((exchange, cause));
        self.led = None;
        self.unrecorded = None;
    }

    pub(super) fn warn(&mut self, concerns: &[Concern]) {
        for concern in concerns {
            match self
                .warnings
                .iter_mut()
                .find(|known| known.cause == concern.cause)
            {
                Some(known) => known.again(concern),
                None => self.warnings.push(concern.clone()),
            }
        }
    }
}
