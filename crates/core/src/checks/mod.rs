//! Checks: each looks at objects that were read and says what is wrong with them.
//!
//! Invariant: a check asks only a [`View`](crate::view::View); what it cannot decide it does not report.

pub mod configuration;
pub mod links;
pub mod permissions;
pub mod sharing;
pub mod users;
