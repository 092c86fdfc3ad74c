//! Connections that were lost: what is done again, how often, and after what pause.

use std::time::Duration;

use anyhow::{Context, Result};
use automend_ldap::{Error, ResultCode};

use super::Live;
use crate::connect::connect;

/// Does some work, and does it again on a new connection when the one it had was lost.
///
/// A macro: a closure that borrows and waits could not go to another thread.
#[macro_export]
macro_rules! retry {
    ($live:expr, $work:expr) => {{
        let mut patience = $live.patience();
        loop {
            match $work.await {
                Ok(done) => break done,
                Err(error) => $live.again(&mut patience, error).await?,
            }
        }
    }};
}
/// How many lost connections are made again while nothing comes.
pub struct Patience {
    most: u32,
    /// Connections lost since anything came.
    pub(super) lost: u32,
    silent: bool,
}

impl Patience {
    /// Whether work that failed so is to be taken up again. A server that says nothing for the whole
    /// timeout gets one more chance, as a firewall may have forgotten the connection, and no second one.
    pub(super) fn may_retry(&mut self, error: &Error) -> bool {
        let silent = matches!(error, Error::TimedOut { .. });
        if !is_lost(error) || self.lost >= self.most || silent && self.silent {
            return false;
        }
        self.lost += 1;
        self.silent |= silent;
        true
    }
}

impl Live {
    /// How often work on this connection is done again.
    pub fn patience(&self) -> Patience {
        Patience {
            most: self.policy.reconnects,
            lost: 0,
            silent: false,
        }
    }

    /// Whether work that failed is to be done again: then the connection is a new one.
    pub async fn again(&mut self, patience: &mut Patience, error: anyhow::Error) -> Result<()> {
        if !error
            .downcast_ref()
            .is_some_and(|error| patience.may_retry(error))
        {
            return Err(error);
        }
        self.reconnect(patience.lost)
            .await
            .with_context(|| format!("after: {error:#}"))
    }

    /// Makes the connection again, after a pause that grows with `attempt`.
    pub async fn reconnect(&mut self, attempt: u32) -> Result<()> {
        // 0.1, 0.2, 0.4 s and so on, at most 10 s.
        let wait = Duration::from_millis(100 << attempt.saturating_sub(1).min(7))
            .min(Duration::from_secs(10));
        tokio::time::sleep(wait).await;
        let mut tries = 0;
        loop {
            match connect(&self.settings, &self.url).await {
                Ok(client) => {
                    self.client = client;
                    return Ok(());
                }
                Err(error) if tries >= 3 => {
                    return Err(error.context(format!("{}: the connection was lost", self.url)));
                }
                Err(_) => {
                    tries += 1;
                    tokio::time::sleep(wait.max(Duration::from_secs(1))).await;
                }
            }
        }
    }
}

/// Whether another connection may go on where this one ended.
pub fn is_lost(error: &Error) -> bool {
    matches!(
        error,
        Error::Closed { .. } | Error::Io { .. } | Error::TimedOut { .. }
    ) || matches!(error, Error::Refused { code, .. } if is_lost_code(*code))
}

/// A refusal for now, not for good.
pub fn is_lost_code(code: ResultCode) -> bool {
    matches!(code, ResultCode::BUSY | ResultCode::UNAVAILABLE)
}
