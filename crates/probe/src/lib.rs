//! The client side of Autodiscover: an HTTP client that follows nothing by itself, its logins, and what an
//! answer or a recording comes to.
//!
//! Invariant: nothing is followed or repeated unless the caller asks for it; no credentials go to a server
//! whose certificate is not trusted; what comes back is bounded in time and size.

pub mod answer;
pub mod har;
pub mod http;
pub mod login;
pub mod story;
