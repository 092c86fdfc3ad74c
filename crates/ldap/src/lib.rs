//! LDAP v3 over any byte stream (RFC 4511), and LDIF (RFC 2849).
//!
//! The crate knows no product: names of objects are opaque text and attributes are bytes.
//! Everything that arrives is bounded: a message by [`Limits::message_bytes`], an answer by
//! [`Limits::idle`], what waits unread by [`Limits::queue`], what ranged retrieval may gather by
//! [`Limits::entry_bytes`]. No reader recurses over what a peer sent.
//!
//! ```
//! use automend_ldap::{Client, Filter, Item, Limits, Scope, Search};
//!
//! # async fn example(stream: tokio::net::TcpStream) -> Result<(), automend_ldap::Error> {
//! let client = Client::new(stream, Limits::default());
//! client.simple_bind("audit@contoso.test", "secret").await?;
//! let filter = Filter::equal("mail", "amy@contoso.test)(cn=*");
//! let search = Search::new("DC=contoso,DC=test", Scope::Subtree, filter, &["cn", "member"]);
//! let mut people = client.paged(search, 1000);
//! while let Some(item) = people.next().await? {
//!     if let Item::Entry(person) = item {
//!         println!("{}: {:?}", person.dn, person.first_text("cn"));
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Invariant: bytes from outside never panic, never hang, and never grow memory without bound.
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

pub mod client;
pub mod control;
pub mod entry;
pub mod error;
pub mod filter;
pub mod ldif;
pub mod server;
mod wire;

pub use client::{
    Client, Item, Limits, Modification, PagedSearch, Protected, Scope, Search, SearchStream,
    SecurityLayer, sasl_bind, start_tls,
};
pub use control::Control;
pub use entry::{Attribute, Entry};
pub use error::{Error, Operation, ResultCode};
pub use filter::Filter;
