//! Waiting until every domain controller has what was written.
//!
//! Each controller is asked by itself, for the values themselves: update sequence numbers mean nothing
//! across controllers ([MS-ADTS] 3.1.1.1.9), and another controller may bring a value back.

use std::time::Duration;

use anyhow::{Context, Result};
use automend_core::names::attribute;
use automend_core::plan::LinkChange;
use automend_ldap::{Client, Control};
use automend_source::connect::connect;
use automend_source::typed::typed;
use automend_source::{LdapUrl, Settings};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

/// What one controller says.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    /// The controller.
    pub url: LdapUrl,
    /// Its state when the wait was over.
    pub state: ReplicaState,
    /// How long it took.
    pub after: Duration,
}

/// How far a controller is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ReplicaState {
    /// It shows what was written.
    Agrees,
    /// It still differs on this many owners.
    Differs(usize),
    /// It could not be asked.
    Silent(String),
}

/// Between two looks at a controller.
const PAUSE: Duration = Duration::from_millis(500);
/// Questions under way at once on one connection.
const PARALLEL: usize = 16;

/// Waits for every controller at once, at most `timeout`.
pub(crate) async fn wait(
    settings: &Settings,
    replicas: Vec<LdapUrl>,
    active_directory: bool,
    expected: &[LinkChange],
    timeout: Duration,
) -> Vec<Replica> {
    let most = replicas.len().max(1);
    stream::iter(replicas)
        .map(|url| async move {
            let begin = Instant::now();
            let state = wait_for(settings, &url, active_directory, expected, begin + timeout).await;
            Replica {
                url,
                state,
                after: begin.elapsed(),
            }
        })
        .buffered(most)
        .collect()
        .await
}

async fn wait_for(
    settings: &Settings,
    url: &LdapUrl,
    active_directory: bool,
    expected: &[LinkChange],
    deadline: Instant,
) -> ReplicaState {
    let mut open: Vec<&LinkChange> = expected.iter().collect();
    let mut client: Option<Client> = None;
    let mut silent = None;
    loop {
        let look = async {
            let connected = match client.take() {
                Some(client) => client,
                None => connect(&settings.at(url.clone()), url).await?,
            };
            let left = differing(&connected, active_directory, &open).await?;
            anyhow::Ok((connected, left))
        };
        match tokio::time::timeout_at(deadline, look).await {
            Ok(Ok((_, left))) if left.is_empty() => return ReplicaState::Agrees,
            Ok(Ok((connected, left))) => {
                client = Some(connected);
                silent = None;
                open = left;
            }
            Ok(Err(error)) => silent = Some(format!("{error:#}")),
            Err(_) => {
                // Keep what was heard last; a controller that never spoke says so.
                let never = || format!("{url}: no answer");
                return match silent {
                    Some(why) => ReplicaState::Silent(why),
                    None if open.len() < expected.len() || client.is_some() => {
                        ReplicaState::Differs(open.len())
                    }
                    None => ReplicaState::Silent(never()),
                };
            }
        }
        if Instant::now() + PAUSE >= deadline {
            return silent.map_or(ReplicaState::Differs(open.len()), ReplicaState::Silent);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The owners on which a controller does not show what was written.
async fn differing<'a>(
    client: &Client,
    active_directory: bool,
    expected: &[&'a LinkChange],
) -> Result<Vec<&'a LinkChange>> {
    let answers: Vec<Result<Option<&LinkChange>>> = stream::iter(expected.iter().copied())
        .map(|one| async move {
            let name = one.owner.live_name(active_directory);
            let showing: Vec<Control> = (active_directory && one.owner.dn.is_deleted_object())
                .then(Control::show_deleted)
                .into_iter()
                .collect();
            let mut wanted = vec![attribute::DELEGATE_LIST_LINK];
            if one.edit.descriptor.is_some() {
                wanted.push(attribute::MAILBOX_SECURITY_DESCRIPTOR);
            }
            let entry = client
                .base_with(&name, &wanted, &showing)
                .await
                .with_context(|| format!("reading {}", one.owner.dn))?;
            let entry = entry.and_then(|entry| typed(&entry, &mut Vec::new()));
            // An owner that a controller does not know yet, or no longer, has no link.
            Ok((!one.edit.is_done(entry.as_ref())).then_some(one))
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    answers.into_iter().filter_map(Result::transpose).collect()
}
