//! Redirects of a recording, each joined with what it led to.
//!
//! A mailbox whose last answer is a redirect comes to what the URL or the mailbox comes to at which the
//! redirects end. What the recording does not hold is reported as missing; a loop is a failure.
//!
//! Invariant: every chain ends, at the first mailbox that it meets twice or after [`MOST_REDIRECTS`].

use std::collections::HashMap;

use automend_core::verdict::{Cause, Verdict};
use automend_recording::secrets;

use super::judge::Target;
use super::service::Asked;
use super::user::{End, User};
use crate::answer::Concern;

/// Redirects that are followed from one mailbox; Outlook gives up after as many.
const MOST_REDIRECTS: usize = 10;

/// What a URL is known by: its host and port, and its path unless that is one of Autodiscover, which clients
/// change for the service that they speak.
pub(super) fn folded(url: &str) -> String {
    // As a story keeps it.
    let url = secrets::url(url);
    let url = url.split(['?', '#']).next().unwrap_or_default().trim();
    let folded = url.replacen(":443/", "/", 1).to_ascii_lowercase();
    match folded.find("/autodiscover/autodiscover.") {
        Some(at) => folded.get(..at).unwrap_or_default().to_owned(),
        None => folded,
    }
}

/// Joins the redirects of all mailboxes; `asked_at` has the last exchange at each URL.
pub(super) fn redirects(
    users: &mut [User],
    places: &HashMap<Option<Asked>, usize>,
    asked_at: &HashMap<String, u64>,
) {
    for user in users.iter_mut() {
        let Some(led) = &user.led else {
            continue;
        };
        let joined = match &led.target {
            Target::Url(url) => {
                let exchange = asked_at.get(&folded(url));
                exchange.is_some_and(|exchange| *exchange > led.at.exchange)
            }
            Target::Address(asked) => places.contains_key(&Some(asked.clone())),
            Target::Elsewhere(_) => true,
        };
        if joined {
            continue;
        }
        let target = led.target.as_str().to_owned();
        let warning = Concern::new(Cause::RedirectNotRecorded, target);
        user.led = None;
        // What came behind the redirect may stand under the first name, as in a log that tells no other.
        if !user.is_decided() {
            user.warnings.push(warning);
        }
    }
    let ends: Vec<(usize, Vec<usize>)> = (0..users.len())
        .map(|at| (at, chain(users, places, at)))
        .collect();
    for (at, chain) in ends.iter().filter(|(_, chain)| !chain.is_empty()) {
        let Some(last) = chain.last().and_then(|last| users.get(*last)) else {
            continue;
        };
        // A chain ends early only in a circle, or where it is too long.
        let open = last
            .led
            .as_ref()
            .is_some_and(|led| matches!(led.target, Target::Address(_)));
        let end = if open {
            let looped = chain.len() < MOST_REDIRECTS;
            End {
                verdict: Verdict::Failed,
                cause: Some(if looped {
                    Cause::RedirectLoop
                } else {
                    Cause::RedirectLimit
                }),
                exchange: last.led.as_ref().map(|led| led.at.exchange),
            }
        } else {
            last.own_end()
        };
        let names: Vec<Asked> = chain
            .iter()
            .filter_map(|at| users.get(*at)?.asked.clone())
            .collect();
        let Some(user) = users.get_mut(*at) else {
            continue;
        };
        user.redirected_to = names;
        user.end = Some(end);
        if open && let (Some(led), Some(cause)) = (&user.led, end.cause) {
            let mut finding = led.at.clone();
            finding.failure.cause = cause;
            finding.failure.message = Some(led.target.as_str().to_owned());
            user.nearest = Some((true, finding));
        }
        let from = user.asked.clone();
        let next = chain.first().and_then(|next| users.get_mut(*next));
        if let Some(next) = next {
            let findings = next
                .nearest
                .as_mut()
                .map(|(_, finding)| finding)
                .into_iter()
                .chain(next.unrecorded.as_mut());
            for finding in findings {
                finding.redirected_from = finding.redirected_from.take().or_else(|| from.clone());
            }
        }
    }
}

/// The mailboxes to which redirects lead from one, up to the first that leads nowhere else.
fn chain(users: &[User], places: &HashMap<Option<Asked>, usize>, from: usize) -> Vec<usize> {
    let mut chain = Vec::new();
    let mut at = from;
    while chain.len() < MOST_REDIRECTS {
        let target = users.get(at).and_then(|user| user.led.as_ref());
        let Some(Target::Address(asked)) = target.map(|led| &led.target) else {
            break;
        };
        let Some(next) = places.get(&Some(asked.clone())) else {
            break;
        };
        if *next == from || chain.contains(next) {
            break;
        }
        chain.push(*next);
        at = *next;
    }
    chain
}
