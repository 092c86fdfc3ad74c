//! `--follow`: each alternative mailbox is asked for, as Outlook does before it opens one.
//!
//! One with an SMTP address begins a search of its own; one with a legacy name is asked for at the server
//! that named it ([MS-OXDSCLI] 2.2.4.1.1.2.5).

use std::collections::HashSet;

use anyhow::Result;
use automend_autodiscover::reading::Alternative;
use automend_core::discovery::{Dialect, Domain};
use automend_core::names::SmtpAddress;
use automend_core::resolve::Who;
use automend_core::verdict::{Cause, verdict_of};
use automend_probe::http::HttpExchange;

use super::login::Asked;
use super::run::{Run, Tester};

/// More alternative mailboxes are not asked for.
const MOST: usize = 500;

/// An alternative mailbox, and what its own Autodiscover came to.
pub(super) struct Followed {
    /// The mailbox, as the answer named it.
    pub mailbox: Alternative,
    /// How it was asked for.
    pub how: How,
}

/// How an alternative mailbox was asked for.
pub(super) enum How {
    /// By its address, in a search of its own.
    Search(Box<Run>),
    /// By its legacy name, at the server that named it.
    Asked {
        exchanges: Vec<HttpExchange>,
        cause: Option<Cause>,
        detail: String,
    },
    /// Not at all, because nothing in it can be asked for.
    Not,
}

impl Followed {
    /// What keeps Outlook from opening it.
    pub(super) fn cause(&self) -> Option<Cause> {
        match &self.how {
            How::Search(run) => run.conclusion.cause.filter(|cause| cause.fails()),
            How::Asked { cause, .. } => *cause,
            How::Not => Some(Cause::MixedShape),
        }
    }

    /// The word of the verdict.
    pub(super) fn verdict(&self) -> &'static str {
        verdict_of(self.cause()).as_str()
    }

    /// What to call it.
    pub(super) fn shown(&self) -> &str {
        let mailbox = &self.mailbox;
        [
            &mailbox.display_name,
            &mailbox.smtp_address,
            &mailbox.legacy_dn,
        ]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .map_or("(without a name)", String::as_str)
    }

    /// Every request that was made for it.
    pub(super) fn exchanges(&self) -> impl Iterator<Item = &HttpExchange> {
        let (steps, exchanges) = match &self.how {
            How::Search(run) => (run.steps.as_slice(), [].as_slice()),
            How::Asked { exchanges, .. } => ([].as_slice(), exchanges.as_slice()),
            How::Not => ([].as_slice(), [].as_slice()),
        };
        steps
            .iter()
            .flat_map(|step| &step.exchanges)
            .chain(exchanges)
    }
}

/// Asks for each alternative mailbox once.
pub(super) async fn follow(
    tester: &Tester,
    user: &SmtpAddress,
    run: &Run,
) -> Result<Vec<Followed>> {
    let Some(told) = &run.told else {
        return Ok(Vec::new());
    };
    let home = Domain::of(user).ok();
    let mut seen = HashSet::new();
    let mut followed = Vec::new();
    for mailbox in told.alternatives.iter().take(MOST) {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let address = text(&mailbox.smtp_address);
        let legacy = text(&mailbox.legacy_dn);
        let key = address
            .as_ref()
            .or(legacy.as_ref())
            .map(|text| text.to_lowercase());
        if key.is_some() && !seen.insert(key) {
            continue;
        }
        let address = address.and_then(|text| SmtpAddress::parse(&text).ok());
        let how = match (address, legacy, &run.endpoint) {
            (Some(address), _, _) => {
                let run = tester.search(&address, Dialect::Pox, home.clone()).await?;
                How::Search(Box::new(run))
            }
            (None, Some(legacy), Some((url, login))) if run.dialect == Dialect::Pox => {
                let who = Who::LegacyDn(legacy);
                let Asked { exchanges, judged } =
                    tester.ask_about(&who, url, Dialect::Pox, *login).await?;
                How::Asked {
                    exchanges,
                    cause: judged.cause(),
                    detail: judged.detail,
                }
            }
            _ => How::Not,
        };
        followed.push(Followed {
            mailbox: mailbox.clone(),
            how,
        });
    }
    Ok(followed)
}
