//! What is served, to whom, and within which bounds.

use std::sync::Arc;
use std::time::Duration;

use automend_ldap::server::Bounds;
use zeroize::Zeroizing;

use super::login::{Logins, StartTls};
use crate::store::Directory;

/// Bounds of the server. The defaults are those of a Windows controller where it has one
/// ([MS-ADTS] 3.1.1.3.4.6).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest message that is read, in bytes (MaxReceiveBuffer).
    pub message_bytes: usize,
    /// How deep a filter may be.
    pub filter_depth: usize,
    /// How many parts a filter may have in all.
    pub filter_parts: usize,
    /// Most entries of one answer (MaxPageSize).
    pub page_size: usize,
    /// Most values of one attribute in an answer (MaxValRange).
    pub value_range: usize,
    /// Searches that wait for their next page, for each connection; the oldest goes first.
    pub open_pages: usize,
    /// Most objects that a search sorts (MaxTempTableSize).
    pub sorted_objects: usize,
    /// Most objects that one tree delete takes away ([MS-ADTS] 3.1.1.5.5.7.3).
    pub tree_objects: usize,
    /// Connections at one time; one more gets an error and is closed (MaxConnections).
    pub connections: usize,
    /// How long a connection may be silent (MaxConnIdleTime).
    pub idle: Duration,
    /// How long a client may leave what is sent to it unread.
    pub stall: Duration,
    /// How long one page of a search may take (MaxQueryDuration).
    pub query: Duration,
}

impl Limits {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            message_bytes: self.message_bytes,
            filter_depth: self.filter_depth,
            filter_parts: self.filter_parts,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 10 * 1024 * 1024,
            filter_depth: 64,
            filter_parts: 100_000,
            page_size: 1000,
            value_range: 1500,
            open_pages: 10,
            sorted_objects: 100_000,
            tree_objects: 16_384,
            connections: 5000,
            idle: Duration::from_secs(900),
            stall: Duration::from_secs(60),
            query: Duration::from_secs(120),
        }
    }
}

/// Who may do what.
#[derive(Clone)]
pub enum Access {
    /// Everybody may read and write; for a listener on loopback.
    Open,
    /// One name and password may read and write; everybody may read the root DSE.
    Account {
        /// The name of the simple bind, compared without case.
        name: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// Those whom a keeper of accounts lets in; everybody may read the root DSE.
    Logins(Arc<dyn Logins>),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Account { name, .. } => f
                .debug_struct("Account")
                .field("name", name)
                .finish_non_exhaustive(),
            Self::Logins(_) => f.write_str("Logins"),
        }
    }
}

/// A directory that is served.
#[derive(Clone)]
pub struct LdapServer {
    pub(super) directory: Directory,
    pub(super) access: Access,
    pub(super) limits: Limits,
    pub(super) start_tls: Option<Arc<dyn StartTls>>,
    pub(super) dns_host_name: Arc<str>,
    pub(super) clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl LdapServer {
    /// Shows `directory` as the server `dns_host_name`; `clock` gives seconds since 1970.
    pub fn new(
        directory: Directory,
        access: Access,
        limits: Limits,
        dns_host_name: &str,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            directory,
            access,
            limits,
            start_tls: None,
            dns_host_name: dns_host_name.into(),
            clock: Arc::new(clock),
        }
    }

    /// The same for those whom `logins` lets in, with StartTLS.
    pub fn with_logins(
        directory: Directory,
        logins: Arc<dyn Logins>,
        start_tls: Arc<dyn StartTls>,
        limits: Limits,
        dns_host_name: &str,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let access = Access::Logins(logins);
        Self {
            start_tls: Some(start_tls),
            ..Self::new(directory, access, limits, dns_host_name, clock)
        }
    }
}
