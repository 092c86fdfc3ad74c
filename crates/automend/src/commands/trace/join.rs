//! A recording joined with the directory: from an error to the owner whose link makes it.
//!
//! Invariant: only the resolver decides what is wrong in the directory; here it is asked.

use std::collections::HashMap;

use anyhow::Result;
use automend_core::command::Command;
use automend_core::dn::Dn;
use automend_core::finding::Finding;
use automend_core::names::SmtpAddress;
use automend_core::policy::{FOLLOW, Policy};
use automend_core::resolve::{LinkState, Request, Who};
use automend_core::settings::Outcome;
use automend_core::verdict::Cause;
use automend_core::view::Known;
use automend_probe::story::{self, Asked};
use automend_source::Directory;

use crate::report::people::People;

/// Questions to the directory; a recording of more mailboxes is joined with the first of them.
const MOST_USERS: usize = 1000;

/// What the directory says of one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    /// What Autodiscover would answer now, in words.
    pub outcome: String,
    pub findings: Vec<Finding>,
    /// How the people in them are reached.
    pub people: People,
    /// The command that fixes it.
    pub fix_command: Option<Command>,
}

/// Asks the directory about the mailbox of each finding that an object of the directory can explain.
pub(crate) async fn join(
    findings: &[story::Finding],
    directory: &mut Directory,
    base_command: &Command,
) -> Result<Vec<Option<Joined>>> {
    let mut known = Known::default();
    let mut answers: HashMap<Asked, Joined> = HashMap::new();
    let mut joined = Vec::new();
    for finding in findings {
        let asked = finding
            .asked
            .as_ref()
            .filter(|_| is_of_the_directory(finding.failure.cause));
        let Some((asked, who)) = asked.and_then(|asked| Some((asked, who(asked)?))) else {
            joined.push(None);
            continue;
        };
        if !answers.contains_key(asked) && answers.len() < MOST_USERS {
            answers.insert(
                asked.clone(),
                one(who, directory, &mut known, base_command).await?,
            );
        }
        joined.push(answers.get(asked).cloned());
    }
    Ok(joined)
}

async fn one(
    who: Who,
    directory: &mut Directory,
    known: &mut Known,
    base_command: &Command,
) -> Result<Joined> {
    let request = Request {
        who,
        policy: Policy::Faithful,
        follow: FOLLOW,
    };
    let resolved = directory.resolve(&request, known).await?;
    let stale: Vec<&Dn> = resolved
        .links
        .iter()
        .filter(|link| matches!(link.state, LinkState::Stale(_)))
        .map(|link| &link.owner.dn)
        .collect();
    let fix_command = (!stale.is_empty()).then(|| {
        stale.iter().fold(base_command.clone(), |command, dn| {
            command.name("--owner", dn)
        })
    });
    let outcome = match &resolved.outcome {
        Outcome::Settings(_) => {
            "settings: the directory as it is now does not explain the error".to_owned()
        }
        Outcome::Redirect(address) => format!("redirect to {address}"),
        Outcome::Fault(fault) => format!(
            "error {} {} because {}",
            fault.code.number(),
            fault.code.message(),
            fault.cause
        ),
    };
    Ok(Joined {
        outcome,
        people: People::of(directory, &resolved.findings).await,
        findings: resolved.findings,
        fix_command,
    })
}

/// Whether the directory may be at fault.
fn is_of_the_directory(cause: Cause) -> bool {
    cause.is_fault() && !matches!(cause, Cause::InvalidRequest | Cause::NoProvider)
}

fn who(asked: &Asked) -> Option<Who> {
    match asked {
        Asked::Address(address) => SmtpAddress::parse(address).ok().map(Who::Address),
        Asked::LegacyDn(name) => Some(Who::LegacyDn(name.clone())),
    }
}
