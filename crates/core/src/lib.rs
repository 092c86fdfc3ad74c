//! The pure heart of automend: what Autodiscover answers a user, and what is wrong in the directory.
//!
//! It exists to keep one invariant: nothing here does I/O, waits, reads a clock, draws a random number
//! or logs. Objects come in as [`entry::Entry`], questions go out as [`view::Need`], and the same
//! functions judge a live directory, a file, and a test of six lines.
//!
//! ```
//! use automend_core::{names::SmtpAddress, policy::Policy, settings::Outcome};
//! use automend_core::resolve::{Request, Who, resolve};
//! use automend_core::view::fixture::Fixture;
//!
//! // Jim's mailbox was disabled, his forward link to Alice stayed.
//! let directory = Fixture::parse("
//!     dn: CN=Alice,DC=contoso,DC=com
//!     mail: alice@contoso.com
//!     legacyExchangeDN: /o=Contoso/cn=alice
//!     msExchMailboxGuid: guid:6f9619ff-8b86-d011-b42d-00c04fc964ff
//!     homeMDB: CN=DB1,DC=contoso,DC=com
//!     dn: CN=DB1,DC=contoso,DC=com
//!     dn: CN=Jim,DC=contoso,DC=com
//!     msExchDelegateListLink: CN=Alice,DC=contoso,DC=com
//! ");
//! let who = Who::Address(SmtpAddress::parse("alice@contoso.com")?);
//! let request = Request { who, policy: Policy::Faithful, follow: 0 };
//! let resolved = directory.drive(|view| resolve(view, &request));
//! let Outcome::Fault(fault) = resolved.outcome else { panic!("Exchange would answer") };
//! assert_eq!(fault.code.number(), 603);
//! assert_eq!(resolved.findings[0].subject.shown, "Jim");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod access;
pub mod checks;
pub mod claim;
pub mod command;
pub mod descriptor;
pub mod discovery;
pub mod display;
pub mod dn;
pub mod entry;
pub mod fault;
pub mod finding;
pub mod host_port;
pub mod mailbox;
pub mod metadata;
pub mod names;
pub mod owner;
pub mod plan;
pub mod policy;
pub mod recipient;
pub mod resolve;
pub mod settings;
pub mod target;
pub mod verdict;
pub mod view;
