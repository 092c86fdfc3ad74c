//! The embedded directory: objects and linked attributes with the semantics of Active Directory.
//!
//! One redb file holds objects, their names and their links. A forward link is written on its owner;
//! the back link on the other side is computed and can't be written ([MS-ADTS] 3.1.1.1.6). Names are
//! parent and RDN, links are object ids, so a rename changes neither.
//!
//! Invariant: whatever happens, at every commit the links equal their inverse; `Reading::check`
//! proves it. Nothing here reads the clock: every write gets the time.
//!
//! ```
//! use automend_core::dn::Dn;
//! use automend_directory::{Directory, Modification};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = std::env::temp_dir().join(format!("automend-doc-{}", std::process::id()));
//! let directory = Directory::create(&folder)?;
//! let (domain, jim, amy) = (
//!     Dn::parse("DC=contoso,DC=test")?,
//!     Dn::parse("CN=Jim,DC=contoso,DC=test")?,
//!     Dn::parse("CN=Amy,DC=contoso,DC=test")?,
//! );
//! let mut writing = directory.write(1_795_334_929)?;
//! let class = |name: &str| [("objectClass".to_owned(), vec![name.as_bytes().to_vec()])];
//! writing.add(&domain, &class("domainDNS"))?;
//! writing.add(&jim, &class("user"))?;
//! writing.add(&amy, &class("user"))?;
//! writing.modify(
//!     &(&jim).into(),
//!     &[Modification::add("msExchDelegateListLink", [amy.as_str()])],
//! )?;
//! writing.commit()?;
//!
//! let amy = directory.read()?.object(&amy)?.ok_or("Amy is gone")?;
//! assert_eq!(amy.text("msExchDelegateListBL"), Some("CN=Jim,DC=contoso,DC=test"));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
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

mod chain;
mod check;
mod codec;
mod delete;
mod error;
mod export;
mod guid;
mod hashing;
mod import;
pub mod ldap_server;
mod modify;
mod name;
mod object;
mod password;
mod reading;
mod report;
pub mod schema;
mod spool;
mod store;
mod tables;
mod time;
mod tree;
mod unread;
mod walk;
mod work;
mod writing;

pub use automend_ldap::Scope;
pub use check::Discrepancy;
pub use error::{Error, Refusal, Unusable};
pub use export::{Export, export};
pub use guid::{guid_text, random as random_guid};
pub use import::{Import, import};
pub use modify::{Modification, Operation};
pub use name::{MAX_NAME_BYTES, Name};
pub use object::Object;
pub use password::{ClearAs, NtHash, Passwords};
pub use reading::Reading;
pub use report::{MAX_NOTES, Note, Progress, Report, Trouble};
pub use store::{CACHE_BYTES, Directory, FILE, FORMAT};
pub use tables::{Counts, MAX_NAMES};
pub use unread::UNREAD;
pub use walk::{Owners, Subtree};
pub use writing::Writing;
