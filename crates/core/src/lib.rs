//! The pure heart of automend.

pub mod dn;
