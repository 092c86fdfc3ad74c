//! Changing what owners have: written with a receipt, waited for, verified, and undone from any moment.
//!
//! The room below `fix`, `grant`, `revoke`, `automap` and `mailbox`, which decide what is to be written.

pub(crate) mod after;
pub(crate) mod before;
pub(crate) mod carry;
pub(crate) mod named;
pub(crate) mod origin;
pub(crate) mod permission;
pub(crate) mod planned;
pub(crate) mod progress;
pub(crate) mod receipt;
pub(crate) mod replication;
pub(crate) mod rights;
pub(crate) mod step;
pub(crate) mod writer;
