//! The wire formats of Autodiscover, both ways: core's types to bytes, and bytes to core's types.
//!
//! It exists to keep one invariant: whatever stands in a value, a document that is written is
//! well-formed, and whatever bytes arrive, reading them ends in what they say or in a reason why not.
//! Nothing here does I/O or reads a clock; what [`reading`] says of readers holds for each of them.
//!
//! ```
//! use automend_autodiscover::pox;
//! use automend_core::fault::FaultCode;
//!
//! let stamp = pox::Stamp { time: "12:03:32.8803744".to_owned(), id: 2_422_600_485 };
//! let mut xml = Vec::new();
//! pox::fault(FaultCode::UserNotFound, &stamp, &mut xml);
//! let (answer, defects) = pox::read(&xml)?;
//! let pox::Reply::Fault(fault) = answer.reply else { panic!("a fault was written") };
//! assert_eq!((fault.code, defects.len()), (Some(603), 0));
//! # Ok::<(), automend_autodiscover::reading::Unreadable>(())
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod autoconfig;
mod mailbox;
pub mod mobilesync;
pub mod pox;
mod query;
pub mod reading;
pub mod schema;
pub mod services;
pub mod soap;
pub mod v2;
pub mod xml;
