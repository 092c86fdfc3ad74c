//! The wire formats of Autodiscover: core types in, bytes out.
//!
//! It exists to keep one invariant: whatever stands in a value, the document is well-formed. Every value
//! goes through the XML writer, so an address with markup in it comes out as text.
//!
//! ```
//! use automend_autodiscover::pox;
//! use automend_core::fault::FaultCode;
//!
//! let stamp = pox::Stamp { time: "12:03:32.8803744".to_owned(), id: 2_422_600_485 };
//! let xml = pox::fault(FaultCode::UserNotFound, &stamp)?;
//! assert!(xml.contains("<ErrorCode>603</ErrorCode>"));
//! # Ok::<(), std::io::Error>(())
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

pub mod pox;
