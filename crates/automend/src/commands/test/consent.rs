//! Consent: Outlook's question whether another host may configure the account.
//!
//! Invariant: without a terminal the answer is never yes.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context, Result};
use automend_core::discovery::{Question, Reason};
use indicatif::ProgressBar;
use tokio::sync::Mutex;

use automend_core::display::plain;

/// Who may be asked.
pub(super) enum Consent {
    /// The user at a terminal, one question at a time.
    Terminal(Mutex<ProgressBar>),
    /// Without a terminal.
    Nobody,
}

impl Consent {
    /// The user at this terminal, if it is one.
    pub(super) fn here(progress: &ProgressBar) -> Self {
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            Self::Terminal(Mutex::new(progress.clone()))
        } else {
            Self::Nobody
        }
    }

    /// Asks; `None` without a terminal.
    pub(super) async fn ask(&self, question: &Question) -> Result<Option<bool>> {
        let Self::Terminal(one) = self else {
            return Ok(None);
        };
        let progress = one.lock().await;
        progress.suspend(|| asked(question)).map(Some)
    }
}

fn asked(question: &Question) -> Result<bool> {
    let mut out = anstream::stderr();
    write!(out, "{} [y/N] ", plain(words(question)))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("reading the answer")?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

fn words(question: &Question) -> String {
    let host = &question.host;
    match question.reason {
        Reason::Redirect => {
            format!("A redirect leads to {host}. Allow this host to configure the account?")
        }
        Reason::Srv => {
            format!(
                "DNS names {host}, which is outside the mail domain. Allow this host to configure the account?"
            )
        }
        Reason::Secret => {
            format!(
                "{host} belongs to another domain and wants the password itself. Send it there?"
            )
        }
        Reason::Pointer => {
            format!(
                "The directory names {host} as the directory of this domain. Log in there, too?"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::discovery::Host;

    #[test]
    fn nobody_consents_to_nothing() {
        let question = Question {
            host: Host::parse("mail.hoster.test").unwrap(),
            url: None,
            reason: Reason::Redirect,
        };
        let said = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(Consent::Nobody.ask(&question))
            .unwrap();
        assert_eq!(said, None);
        for reason in [
            Reason::Redirect,
            Reason::Srv,
            Reason::Secret,
            Reason::Pointer,
        ] {
            let question = Question {
                reason,
                ..question.clone()
            };
            assert!(words(&question).contains("mail.hoster.test"));
        }
    }
}
