//! Verdicts in words: what a request to Autodiscover came to, why, what Outlook would show, what to do.
//!
//! One vocabulary for all: `test` uses it for its own requests, and the reader of a recording
//! for those of others. [`Cause`] is the table; [`Explanation`] is a row of it, made to read.
//!
//! Error codes: [MS-OXDSCLI] 2.2.4.1.1.3.2, which leaves the list open.
//!
//! Invariant: nothing here knows how an answer was got, so both faces say the same about the same bytes.

#[macro_use]
mod table;
mod causes;
mod hints;
mod recorded;
mod several;

pub use causes::Cause;

use crate::command::Command;

/// What a run, or a recording, comes to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// Outlook gets its settings.
    Ok,
    /// Outlook gets its settings, and something should be better.
    Warning,
    /// Outlook would ask the user, and here no user could be asked.
    NeedsConsent,
    /// Outlook gets nothing.
    Failed,
}

impl Verdict {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::NeedsConsent => "needs-consent",
            Self::Failed => "failed",
        }
    }
}

/// What a cause does to the step at which it is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The step was not tried, or leads on.
    Aside,
    /// The step works, and something should be better.
    Warning,
    /// The step waits for the user's consent.
    Consent,
    /// The step gave nothing. The number says how near it came: of several failures, the one with the
    /// largest number tells most about what should have worked.
    Failure(u8),
}

/// What Outlook shows: an HRESULT, and how sure that is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hint {
    /// The HRESULT.
    pub code: u32,
    /// How sure it is.
    pub certainty: Certainty,
}

impl Hint {
    const fn new(code: u32, certainty: Certainty) -> Self {
        Self { code, certainty }
    }
}

/// How sure it is that Outlook shows a code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certainty {
    /// Seen in logs of Outlook with this cause.
    Seen,
    /// The code's meaning is documented; that Outlook shows it here is general knowledge.
    Likely,
    /// Told in the field, without a source.
    Weak,
}

impl Certainty {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Likely => "likely",
            Self::Weak => "weak",
        }
    }
}

/// Everything there is to say about a cause.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// One line on what happened, in lower case and without a full stop.
    pub what: &'static str,
    /// One sentence on why it happens.
    pub why: &'static str,
    /// What to do, with the address filled in; `None` where there is nothing to do.
    pub advice: Option<String>,
    /// The command that stands in the advice, if one does.
    pub command: Option<Command>,
    /// What Outlook shows.
    pub hint: Option<Hint>,
}

impl Cause {
    /// The cause that an `ErrorCode` of POX stands for; the list is open.
    pub fn of_fault(code: u32) -> Self {
        match code {
            500 => Self::UnknownAddress,
            501 => Self::BadAddress,
            600 => Self::InvalidRequest,
            601 => Self::NoProvider,
            602 => Self::Fault602,
            603 => Self::DirectoryObjectGone,
            _ => Self::OtherFault,
        }
    }

    /// The cause that an HTTP status stands for, when nothing in the answer says more. `None` for 200,
    /// of which the body decides. A 401 is a login that is wanted; the sender of one knows more.
    pub fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            200 => return None,
            300..=399 => Self::RedirectBroken,
            401 => Self::LoginWanted,
            403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            405 => Self::WrongMethod,
            407 => Self::ProxyLogin,
            429 | 503 => Self::Busy,
            500..=599 => Self::ServerFailed,
            _ => Self::OddStatus,
        })
    }

    /// The cause with this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
    }

    /// Everything there is to say, for a request about `address`.
    pub fn explain(self, address: &str) -> Explanation {
        let unknown = Command::automend("audit").option("--directory", "ldaps://DC");
        self.explain_with(address, &unknown)
    }

    /// The same where a directory is at hand: `directory` is a command whose options reach it.
    pub fn explain_with(self, address: &str, directory: &Command) -> Explanation {
        let advice = self.advice_template();
        let audit = || {
            let audit = Command::automend("audit").with_options_of(directory);
            audit.option("--delegate", address)
        };
        let show = || {
            let show = Command::automend("show").with_options_of(directory);
            show.operand(address)
        };
        let (mark, command) = if advice.contains("{audit}") {
            ("{audit}", Some(audit()))
        } else {
            ("{show}", advice.contains("{show}").then(show))
        };
        Explanation {
            what: self.what(),
            why: self.why(),
            advice: (!advice.is_empty()).then(|| {
                let (_, domain) = address.rsplit_once('@').unwrap_or(("", "DOMAIN"));
                let line = command.as_ref().map(Command::to_string);
                advice
                    .replace("{domain}", domain)
                    .replace(mark, &line.unwrap_or_default())
            }),
            command,
            hint: self.hint(),
        }
    }

    /// How near to an answer it came; 0 for what is no failure.
    pub fn weight(self) -> u8 {
        match self.effect() {
            Effect::Failure(weight) => weight,
            // Nothing but a question stands between the user and an answer.
            Effect::Consent => 88,
            Effect::Aside | Effect::Warning => 0,
        }
    }

    /// Whether it means that the step gave nothing.
    pub fn fails(self) -> bool {
        matches!(self.effect(), Effect::Failure(_) | Effect::Consent)
    }

    /// Whether it is an answer of Autodiscover itself that is an error.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Self::UnknownAddress
                | Self::BadAddress
                | Self::InvalidRequest
                | Self::NoProvider
                | Self::Fault602
                | Self::DirectoryObjectGone
                | Self::OtherFault
                | Self::SoapInvalidUser
                | Self::SoapFault
                | Self::SoapServerError
                | Self::MobileSyncError
        )
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.code())
    }
}

/// The verdict on something that failed for this cause.
pub fn verdict_of(cause: Option<Cause>) -> Verdict {
    match cause.map(Cause::effect) {
        None | Some(Effect::Aside) => Verdict::Ok,
        Some(Effect::Warning) => Verdict::Warning,
        Some(Effect::Consent) => Verdict::NeedsConsent,
        Some(Effect::Failure(_)) => Verdict::Failed,
    }
}

/// Of several failures the one that tells most, and where it stands; of two that tell the same, the one
/// with the larger `prefer`, then the first.
pub fn most_telling(failures: impl IntoIterator<Item = (Cause, u8)>) -> Option<(usize, Cause)> {
    let mut best: Option<(usize, Cause, u8)> = None;
    for (at, (cause, prefer)) in failures.into_iter().enumerate() {
        let better = best.is_none_or(|(_, other, preferred)| {
            (cause.weight(), prefer) > (other.weight(), preferred)
        });
        if cause.fails() && better {
            best = Some((at, cause, prefer));
        }
    }
    best.map(|(at, cause, _)| (at, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_code_of_its_own_and_can_be_read_back() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.code()), Some(*cause));
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(cause.code().chars().all(plain), "{cause}");
        }
        assert_eq!(Cause::parse("no-such-cause"), None);
    }

    #[test]
    fn every_text_is_in_the_style_of_messages() {
        for cause in Cause::ALL {
            let Explanation {
                what, why, advice, ..
            } = cause.explain("alice@contoso.com");
            // Names such as SRV and Autodiscover stay as they are.
            assert!(!what.ends_with('.') && !what.is_empty(), "{cause}: {what}");
            assert!(why.ends_with('.'), "{cause}: {why}");
            if let Some(advice) = advice {
                assert!(!advice.contains('{'), "{cause}: {advice}");
                assert!(advice.ends_with('.'), "{cause}: {advice}");
            }
        }
    }

    #[test]
    fn what_fails_says_what_to_do_unless_it_is_no_fault_of_anybody() {
        use Cause::{ConsentRefused, JsonRefused, NoRedirect, NoSrv};
        for cause in Cause::ALL.iter().filter(|cause| cause.fails()) {
            let silent = [ConsentRefused, NoRedirect, NoSrv, JsonRefused].contains(cause);
            assert_eq!(cause.explain("a@b.c").advice.is_none(), silent, "{cause}");
        }
    }

    #[test]
    fn codes_and_statuses_are_sorted_and_the_lists_stay_open() {
        for (code, expected) in [
            (500, "fault-500"),
            (501, "fault-501"),
            (600, "fault-600"),
            (601, "fault-601"),
            (602, "fault-602"),
            (603, "fault-603"),
            (604, "fault-other"),
            (404, "fault-other"),
            (u32::MAX, "fault-other"),
        ] {
            let cause = Cause::of_fault(code);
            assert_eq!(cause.code(), expected);
            assert!(cause.is_fault());
            assert_eq!(cause.hint().unwrap().code, 0x800C_8203);
        }
        assert_eq!(Cause::of_status(200), None);
        for (status, expected) in [
            (100, "unexpected-status"),
            (204, "unexpected-status"),
            (304, "redirect-broken"),
            (401, "login-wanted"),
            (403, "forbidden"),
            (404, "not-found"),
            (405, "wrong-method"),
            (413, "unexpected-status"),
            (429, "busy"),
            (500, "server-failed"),
            (503, "busy"),
            (999, "unexpected-status"),
        ] {
            assert_eq!(Cause::of_status(status).unwrap().code(), expected);
        }
    }

    #[test]
    fn the_failure_that_came_nearest_tells_most() {
        let of = |causes: &[(Cause, u8)]| most_telling(causes.iter().copied());
        assert_eq!(
            of(&[
                (Cause::NoSuchHost, 1),
                (Cause::CertificateExpired, 0),
                (Cause::NoSrv, 0)
            ]),
            Some((1, Cause::CertificateExpired))
        );
        assert_eq!(
            of(&[(Cause::NotFound, 0), (Cause::NotFound, 1)]),
            Some((1, Cause::NotFound))
        );
        assert_eq!(of(&[(Cause::Excluded, 0), (Cause::RedirectUrl, 9)]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_verdict_follows_from_its_cause() {
        assert_eq!(verdict_of(None), Verdict::Ok);
        assert_eq!(verdict_of(Some(Cause::SrvPort)), Verdict::Warning);
        assert_eq!(
            verdict_of(Some(Cause::ConsentNeeded)),
            Verdict::NeedsConsent
        );
        assert_eq!(verdict_of(Some(Cause::Refused)), Verdict::Failed);
    }
}
