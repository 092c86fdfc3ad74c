//! Logins over LDAP (RFC 4513): a simple bind by the rules of Basic, and Kerberos by SASL.
//!
//! Invariant: the throttle, the delay and the credential cache are those of logins over HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use automend_negotiate::kerberos::Accepted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Account, Authenticator, Connection, Verdict};

/// The service class of LDAP in names of Kerberos (RFC 4513 5.2.1.1).
const SERVICE: &str = "ldap";

impl Authenticator {
    /// Checks a name and a password.
    pub async fn simple_bind(
        self: &Arc<Self>,
        name: &str,
        password: &str,
        from: IpAddr,
    ) -> Verdict {
        let mut connection = Connection::default();
        let plain = Zeroizing::new(format!("{name}:{password}"));
        let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*plain)));
        self.authenticate(&mut connection, Some(header.as_bytes()), from)
            .await
    }

    /// Checks a ticket; gives its user, and what goes on with it.
    ///
    /// # Errors
    ///
    /// Why it is refused, in words for the log.
    pub async fn ticket_bind(
        &self,
        connection: &mut Connection,
        token: &[u8],
    ) -> Result<(Arc<Account>, Accepted), String> {
        match self.ticket(connection, SERVICE, token).await {
            Ok((login, accepted)) => Ok((login.account, accepted)),
            Err(Verdict::Unavailable(why)) => Err(why),
            Err(_) => Err(connection
                .refusal()
                .unwrap_or_else(|| "too many logins are under way".to_owned())),
        }
    }
}
