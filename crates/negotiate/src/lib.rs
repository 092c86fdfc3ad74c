//! The messages of integrated login: NTLM ([MS-NLMP]), SPNEGO (RFC 4178) and Kerberos (RFC 4120), both
//! sides, as far as a login over HTTP or LDAP needs them, and the protection of messages after it.
//!
//! Bytes go in and come out; socket, clock and directory are the caller's. Keys and
//! hashes come from AWS-LC; only what no library of its age has any more stands here itself.
//!
//! ```
//! use automend_negotiate::ntlm::{Authenticate, Challenge, Client, Names, nt_hash};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("jim@contoso.test", "", "Wint3r-Regen", "HTTP/mail.contoso.test");
//! let hello = client.hello();
//! let challenge = Challenge::to(hello.message(), &Names::default(), 0)?;
//! let answer = client.answer(&hello, challenge.message(), 0)?;
//! let answer = Authenticate::read(&answer)?;
//! assert_eq!(answer.user, "jim@contoso.test");
//! assert!(challenge.proves(&answer, &nt_hash("Wint3r-Regen")));
//! # Ok(()) }
//! ```
//!
//! Invariant: no socket, no clock; bytes from outside never panic, never hang and never grow memory beyond
//! their own size; what can't be proved is refused, and no secret is printed.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod binding;
mod der;
pub mod kerberos;
mod md5;
pub mod ntlm;
mod rc4;
pub mod sasl;
mod scheme;
pub mod spnego;

pub use binding::{Binding, EndPoint, Hash};
pub use scheme::Scheme;

/// Seconds from 1601, where the times of Windows begin ([MS-DTYP] 2.3.3), to 1970.
pub const FILETIME_EPOCH: u64 = 11_644_473_600;

/// A message is not what its specification says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

/// The system gave no random numbers, without which nothing here is worth anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no random numbers from the system")]
pub struct Failed;
