//! The commands, one a module.
//!
//! Invariant: none imports another; what two of them need is below them. The demo alone plays the story of all.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod automap;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod fix;
pub(crate) mod grant;
pub(crate) mod links;
pub(crate) mod mailbox;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod trace;
