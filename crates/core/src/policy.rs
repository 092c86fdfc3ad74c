//! How an answer treats a stale link, and how far links are followed.

use serde::Deserialize;

/// How an answer treats a stale link.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// As Exchange 2010 SP1 and later: one stale link, and the whole answer is error 603.
    Faithful,
    /// The stale link is left out and reported; the user is answered.
    #[default]
    Healthy,
}

/// How far owners are followed for one user (AM-5).
pub const FOLLOW: u8 = 3;
