//! Logins over LDAP: passwords and tickets by `automend_login`, local users by the kernel's word.
//!
//! Invariant: codes and texts are Active Directory's, and tell no more than those: a wrong name and a wrong
//! password look the same.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use automend_core::dn::Dn;
use automend_core::names::attribute;
use automend_core::resolve::Who;
use automend_directory::Directory;
use automend_directory::ldap_server::{
    Identity, Later, Logins, Outcome, Peer, ResultCode, SaslLogin, SaslStep, SecurityLayer,
};
use automend_login::{
    Account, Authenticator, Channel, ChannelBinding, Connection, Expected, Verdict,
};
use automend_negotiate::sasl::{Mechanism, SaslError, Server, ServerStep};
use automend_source::KerberosLayer;
use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::access::{Rights, Rules, find};
use crate::log::{Log, bounded};

/// The keeper of accounts.
pub(super) struct Keeper {
    pub authenticator: Arc<Authenticator>,
    pub directory: Directory,
    pub rules: Arc<Rules>,
    /// Whether there are keys for Kerberos.
    pub kerberos: bool,
    pub log: Arc<Log>,
}

/// The identity of a local socket (RFC 4513 5.2.3).
const EXTERNAL: &str = "EXTERNAL";
/// Wrong name or password ([MS-ADTS] 5.1.1.1.1).
const WRONG: &str =
    "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563";
const NEEDS_TLS: &str = "00002028: LdapErr: DSID-0C09023C, comment: The server requires binds to turn on \
                         integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563";

impl Keeper {
    fn identity(&self, account: &Account) -> Result<Identity, Outcome> {
        let rights = || -> Result<Rights, automend_directory::Error> {
            match &account.who {
                Who::Dn(dn) => self.rules.of(&self.directory.read()?, dn),
                _ => Ok(Rights::default()),
            }
        };
        match rights() {
            Ok(rights) => Ok(Identity {
                name: format!("u:{}", account.name),
                may_read: rights.may_read,
                may_write: rights.may_write,
            }),
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }

    /// The name that a login is checked by, for one that is a distinguished name.
    fn login_name(&self, name: &str) -> Option<String> {
        if !name.contains('=') || Dn::parse(name).is_err() {
            return Some(name.to_owned());
        }
        let reading = self.directory.read().ok()?;
        let object = find(&reading, name).ok()?;
        [
            attribute::USER_PRINCIPAL_NAME,
            attribute::SAM_ACCOUNT_NAME,
            attribute::MAIL,
        ]
        .into_iter()
        .find_map(|name| object.text(name))
        .map(str::to_owned)
    }

    fn refused(&self, peer: &Peer, name: &str, why: &str) {
        self.log.event(
            "ldap-login-refused",
            json!({ "peer": shown(peer), "user": bounded(name), "reason": bounded(why) }),
        );
    }

    async fn password(
        &self,
        peer: &Peer,
        name: &str,
        password: &[u8],
    ) -> Result<Identity, Outcome> {
        let is_local = peer.address.is_none_or(|address| address.is_loopback());
        if !peer.is_encrypted && !is_local {
            return Err(Outcome::new(ResultCode::STRONGER_AUTH_REQUIRED, NEEDS_TLS));
        }
        let wrong = || Outcome::new(ResultCode::INVALID_CREDENTIALS, WRONG);
        let Ok(password) = std::str::from_utf8(password) else {
            return Err(wrong());
        };
        // A name that means no one is checked all the same, so that the time tells nothing.
        let login = self
            .login_name(name)
            .unwrap_or_else(|| format!("{}@invalid.invalid", name.len()));
        let verdict = self
            .authenticator
            .simple_bind(&login, password, address(peer))
            .await;
        match verdict {
            Verdict::Accepted { account, .. } => self.identity(&account),
            Verdict::Challenge(_) => {
                self.refused(peer, name, "wrong name or password");
                Err(wrong())
            }
            Verdict::Throttled(wait) => {
                self.refused(peer, name, "too many failed logins");
                let text = format!("too many failed logins; try again in {} s", wait.as_secs());
                Err(Outcome::new(ResultCode::BUSY, text))
            }
            Verdict::Unavailable(why) => Err(unavailable(&why)),
        }
    }
}

impl Logins for Keeper {
    fn mechanisms(&self, peer: &Peer) -> Vec<&'static str> {
        let mut all = Vec::new();
        if self.kerberos {
            all.extend([Mechanism::Gssapi.name(), Mechanism::GssSpnego.name()]);
        }
        if peer.local_user.is_some() {
            all.push(EXTERNAL);
        }
        all
    }

    fn simple_bind<'a>(
        &'a self,
        peer: &'a Peer,
        name: &'a str,
        password: &'a [u8],
    ) -> Later<'a, Result<Identity, Outcome>> {
        Box::pin(self.password(peer, name, password))
    }

    fn sasl_bind(&self, peer: &Peer, mechanism: &str) -> Option<Box<dyn SaslLogin>> {
        if mechanism == EXTERNAL {
            let user = peer.local_user?;
            return Some(Box::new(Local { user }));
        }
        let mechanism = [Mechanism::Gssapi, Mechanism::GssSpnego]
            .into_iter()
            .find(|known| self.kerberos && known.name() == mechanism)?;
        let mut connection = Connection::default();
        if let Some(certificate) = &peer.certificate {
            let certificate = CertificateDer::from(certificate.clone());
            let expected = Expected::new(ChannelBinding::IfSent, [], &[]);
            connection.expect(
                &Arc::new(expected),
                &Arc::new(Channel::of(certificate, &[])),
            );
        }
        Some(Box::new(Kerberos {
            keeper: Self {
                authenticator: Arc::clone(&self.authenticator),
                directory: self.directory.clone(),
                rules: Arc::clone(&self.rules),
                kerberos: self.kerberos,
                log: Arc::clone(&self.log),
            },
            peer: peer.clone(),
            connection,
            server: Server::new(mechanism, peer.is_encrypted),
            identity: None,
        }))
    }

    fn wrote(&self, peer: &Peer, by: Option<&str>, operation: &str, dn: &str, outcome: &Outcome) {
        self.log.event(
            "ldap-write",
            json!({
                "peer": shown(peer),
                "user": by,
                "operation": operation,
                "dn": bounded(dn),
                "result": outcome.code.0,
            }),
        );
    }
}

/// The user at the other end of a local socket: root and the user of this process may do everything.
struct Local {
    user: u32,
}

impl SaslLogin for Local {
    fn step<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, SaslStep> {
        let own = rustix::process::geteuid().as_raw();
        let trusted = self.user == 0 || self.user == own;
        let step = if trusted {
            SaslStep::Done {
                identity: Identity {
                    name: format!("u:uid={}", self.user),
                    may_read: true,
                    may_write: true,
                },
                last: None,
                layer: None,
            }
        } else {
            let text = format!("the local user {} is not the one of this server", self.user);
            SaslStep::Refused(Outcome::new(ResultCode::INVALID_CREDENTIALS, text))
        };
        Box::pin(std::future::ready(step))
    }
}

/// A login by Kerberos.
struct Kerberos {
    keeper: Keeper,
    peer: Peer,
    connection: Connection,
    server: Server,
    identity: Option<Identity>,
}

impl Kerberos {
    async fn take(&mut self, message: &[u8]) -> Result<SaslStep, Outcome> {
        let step = if self.server.wants_ticket() {
            let token = self.server.token(message).map_err(broken)?;
            let accepted = self
                .keeper
                .authenticator
                .ticket_bind(&mut self.connection, token)
                .await;
            let (account, accepted) = accepted.map_err(|why| {
                self.keeper.refused(&self.peer, "", &why);
                Outcome::new(ResultCode::INVALID_CREDENTIALS, WRONG)
            })?;
            self.identity = Some(self.keeper.identity(&account)?);
            self.server.accepted(&accepted).map_err(broken)?
        } else {
            self.server.next(message).map_err(broken)?
        };
        let (last, layer, authorization) = match step {
            ServerStep::Challenge(challenge) => return Ok(SaslStep::Challenge(challenge)),
            ServerStep::Done {
                last,
                layer,
                authorization,
            } => (last, layer, authorization),
        };
        let Some(identity) = self.identity.take() else {
            return Err(Outcome::new(ResultCode::OTHER, "the login is over"));
        };
        // Who is someone may be no one else (RFC 4513 5.2.1.8).
        if !authorization.is_empty() && authorization != identity.name.as_bytes() {
            let text = "the ticket's user may not act as another";
            return Err(Outcome::new(ResultCode::INVALID_CREDENTIALS, text));
        }
        let layer = layer.map(|layer| Box::new(KerberosLayer(layer)) as Box<dyn SecurityLayer>);
        Ok(SaslStep::Done {
            identity,
            last,
            layer,
        })
    }
}

impl SaslLogin for Kerberos {
    fn step<'a>(&'a mut self, message: &'a [u8]) -> Later<'a, SaslStep> {
        Box::pin(async move { self.take(message).await.unwrap_or_else(SaslStep::Refused) })
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn broken(error: SaslError) -> Outcome {
    let code = match error {
        SaslError::LayerInTls => ResultCode::UNWILLING_TO_PERFORM,
        SaslError::NoLayer(_) => ResultCode::STRONGER_AUTH_REQUIRED,
        _ => ResultCode::INVALID_CREDENTIALS,
    };
    Outcome::new(code, error.to_string())
}

fn unavailable(why: &str) -> Outcome {
    Outcome::new(ResultCode::UNAVAILABLE, why)
}

/// Failures on a local socket count for the loopback.
fn address(peer: &Peer) -> IpAddr {
    peer.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn shown(peer: &Peer) -> String {
    peer.address
        .map_or_else(|| "local".to_owned(), |address| address.to_string())
}
