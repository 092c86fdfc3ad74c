//! Logging in, and TLS on a connection that began without (RFC 4511 4.2 and 4.14, RFC 4513).
//!
//! Invariant: a bind that fails leaves an anonymous connection; a request that came before protection began is
//! never answered under it.

use automend_ldap::server::{Credentials, Kind, Outcome};
use automend_ldap::{Protected, ResultCode};
use aws_lc_rs::constant_time;

use super::connection::Connection;
use super::login::{Identity, Peer, SaslLogin, SaslStep, Stream};
use super::served::Access;

impl Connection {
    pub(super) async fn bind(
        &mut self,
        id: i64,
        version: i64,
        name: &str,
        credentials: Credentials,
    ) -> std::io::Result<bool> {
        self.bound = None;
        self.pages.clear();
        let under_way = self.sasl.take();
        let (access, peer) = (self.server.access.clone(), self.peer.clone());
        let outcome = match credentials {
            _ if version != 3 => Outcome::new(
                ResultCode::PROTOCOL_ERROR,
                "only LDAP version 3 is spoken here",
            ),
            Credentials::Password(password) => {
                match simple_bind(access, peer, name, &password).await {
                    Ok(identity) => {
                        self.bound = identity;
                        Outcome::success()
                    }
                    Err(outcome) => outcome,
                }
            }
            Credentials::Sasl { mechanism, message } => {
                let message = message.unwrap_or_default();
                return self.sasl(id, mechanism, &message, under_way).await;
            }
            Credentials::Other => Outcome::new(
                ResultCode::AUTH_METHOD_NOT_SUPPORTED,
                "only simple and SASL binds are done here",
            ),
        };
        self.send_result(id, Kind::Bind, &outcome, None).await
    }

    /// One message of a SASL bind (RFC 4511 4.2.1).
    async fn sasl(
        &mut self,
        id: i64,
        mechanism: String,
        message: &[u8],
        under_way: Option<(String, Box<dyn SaslLogin>)>,
    ) -> std::io::Result<bool> {
        let mut login = match under_way {
            Some((known, login)) if known == mechanism => Some(login),
            // Another mechanism begins again (RFC 4513 5.2.1.2).
            _ => match &self.server.access {
                Access::Logins(logins) => logins.sasl_bind(&self.peer, &mechanism),
                Access::Open | Access::Account { .. } => None,
            },
        };
        let step = match &mut login {
            Some(login) => login.step(message).await,
            None => SaslStep::Refused(Outcome::new(
                ResultCode::AUTH_METHOD_NOT_SUPPORTED,
                "00002027: LdapErr: DSID-0C0905FC, comment: Invalid Authentication method, data 0, v4563",
            )),
        };
        match (step, login) {
            (SaslStep::Challenge(challenge), Some(login)) => {
                self.sasl = Some((mechanism, login));
                let mut outcome = Outcome::new(ResultCode::SASL_BIND_IN_PROGRESS, "");
                outcome.sasl_credentials = Some(challenge.into());
                self.send_result(id, Kind::Bind, &outcome, None).await
            }
            (
                SaslStep::Done {
                    identity,
                    last,
                    layer,
                },
                _,
            ) => {
                if layer.is_some() && !self.inbox.is_empty() {
                    let early = "a request before the answer to the bind";
                    self.farewell(&Outcome::new(ResultCode::PROTOCOL_ERROR, early))
                        .await;
                    return Ok(false);
                }
                self.bound = Some(identity);
                let mut outcome = Outcome::success();
                outcome.sasl_credentials = last.map(Into::into);
                self.send_result(id, Kind::Bind, &outcome, None).await?;
                if let Some(layer) = layer {
                    self.stream = Box::new(Protected::new(self.take_stream(), layer));
                }
                Ok(true)
            }
            (SaslStep::Refused(outcome), _) => {
                self.send_result(id, Kind::Bind, &outcome, None).await
            }
            (SaslStep::Challenge(_), None) => Ok(false),
        }
    }

    fn take_stream(&mut self) -> Box<dyn Stream> {
        std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()))
    }

    /// RFC 4511 4.14.
    pub(super) async fn start_tls(&mut self, id: i64) -> std::io::Result<bool> {
        let refused = match &self.server.start_tls {
            None => Some((ResultCode::PROTOCOL_ERROR, "StartTLS is not done here")),
            Some(_) if self.peer.is_encrypted || self.sasl.is_some() => Some((
                ResultCode::OPERATIONS_ERROR,
                "the connection is protected already, or a bind is under way",
            )),
            Some(_) if !self.inbox.is_empty() => Some((
                ResultCode::OPERATIONS_ERROR,
                "a request before the answer to StartTLS",
            )),
            Some(_) => None,
        };
        let tls = match (refused, self.server.start_tls.clone()) {
            (None, Some(tls)) => tls,
            (refused, _) => {
                let (code, text) = refused.unwrap_or((ResultCode::OTHER, ""));
                let outcome = Outcome::new(code, text);
                return self.send_result(id, Kind::Extended, &outcome, None).await;
            }
        };
        let outcome = Outcome::success();
        self.send_result(id, Kind::Extended, &outcome, None).await?;
        let stream = self.take_stream();
        let (stream, certificate) = tls.handshake(stream).await?;
        self.stream = stream;
        self.peer.is_encrypted = true;
        self.peer.certificate = certificate;
        self.bound = None;
        Ok(true)
    }

    pub(super) fn allowed(&self, write: bool) -> Result<(), Outcome> {
        match (&self.server.access, &self.bound) {
            (Access::Open, _) => Ok(()),
            (_, Some(identity)) if identity.may_read && (!write || identity.may_write) => Ok(()),
            (_, Some(_)) => Err(Outcome::new(
                ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
                "00000005: SecErr: DSID-031A11EF, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0",
            )),
            (_, None) => Err(Outcome::new(
                ResultCode::OPERATIONS_ERROR,
                "00002020: Operation unavailable without authentication",
            )),
        }
    }
}

/// Who a name and a password are; no one where both are empty.
async fn simple_bind(
    access: Access,
    peer: Peer,
    name: &str,
    password: &[u8],
) -> Result<Option<Identity>, Outcome> {
    if password.is_empty() {
        // A name without a password proves nothing (RFC 4513 5.1.2).
        return match name {
            "" => Ok(None),
            _ => Err(Outcome::new(
                ResultCode::UNWILLING_TO_PERFORM,
                "a name without a password",
            )),
        };
    }
    let all = || Identity {
        name: format!("u:{name}"),
        may_read: true,
        may_write: true,
    };
    match &access {
        Access::Open => Ok(Some(all())),
        Access::Account {
            name: right,
            password: secret,
        } => {
            let same = constant_time::verify_slices_are_equal(secret.as_bytes(), password);
            if same.is_ok() & right.eq_ignore_ascii_case(name) {
                return Ok(Some(all()));
            }
            let text = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563";
            Err(Outcome::new(ResultCode::INVALID_CREDENTIALS, text))
        }
        Access::Logins(logins) => {
            let identity = logins.simple_bind(&peer, name, password).await?;
            Ok(Some(identity))
        }
    }
}
