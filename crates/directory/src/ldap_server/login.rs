//! Who a client is and what it may do: what this server asks of the keeper of accounts.
//!
//! Specification: RFC 4513 5 (simple bind, SASL), RFC 4511 4.14 (StartTLS).
//!
//! Invariant: nothing here knows a password or a key; a client without an [`Identity`] is anonymous.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use automend_ldap::SecurityLayer;
use automend_ldap::server::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};

/// What comes of an operation that may wait.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A client's connection, as far as a login depends on it.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Where it comes from; `None` for a local socket.
    pub address: Option<IpAddr>,
    /// Whether others can read what is sent: TLS and local sockets are encrypted in this sense.
    pub is_encrypted: bool,
    /// The user at the other end of a local socket.
    pub local_user: Option<u32>,
    /// The certificate that the client was shown, in DER.
    pub certificate: Option<Vec<u8>>,
}

/// A client that has logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Its authorization identity (RFC 4513 5.2.1.8): `u:jim@contoso.test`.
    pub name: String,
    /// Whether it may read and search.
    pub may_read: bool,
    /// Whether it may write.
    pub may_write: bool,
}

/// The keeper of accounts.
pub trait Logins: Send + Sync {
    /// The SASL mechanisms that this client may use.
    fn mechanisms(&self, peer: &Peer) -> Vec<&'static str>;

    /// Checks a name and a password, neither of them empty.
    fn simple_bind<'a>(
        &'a self,
        peer: &'a Peer,
        name: &'a str,
        password: &'a [u8],
    ) -> Later<'a, Result<Identity, Outcome>>;

    /// Begins a login by a mechanism, one of [`Logins::mechanisms`].
    fn sasl_bind(&self, peer: &Peer, mechanism: &str) -> Option<Box<dyn SaslLogin>>;

    /// A write was answered; `by` is the identity.
    fn wrote(&self, peer: &Peer, by: Option<&str>, operation: &str, dn: &str, outcome: &Outcome);
}

/// A login by SASL that is under way.
pub trait SaslLogin: Send {
    /// Takes the client's next message.
    fn step<'a>(&'a mut self, message: &'a [u8]) -> Later<'a, SaslStep>;
}

/// What comes of a message in a SASL bind.
pub enum SaslStep {
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// The client has logged in.
    Done {
        /// Who it is.
        identity: Identity,
        /// What is sent with the success.
        last: Option<Vec<u8>>,
        /// What protects every message after the answer.
        layer: Option<Box<dyn SecurityLayer>>,
    },
    /// It has not.
    Refused(Outcome),
}

/// A stream with TLS on it, and the certificate that was shown, in DER.
pub type Protected = (Box<dyn Stream>, Option<Vec<u8>>);

/// Puts TLS on a stream.
pub trait StartTls: Send + Sync {
    /// Does the handshake.
    fn handshake(&self, stream: Box<dyn Stream>) -> Later<'static, std::io::Result<Protected>>;
}
