//! The server's side of GSSAPI (RFC 4752 3.2) and GSS-SPNEGO.
//!
//! The caller opens the ticket and decides about its user in between: [`Server::token`] gives what
//! [`accept`](crate::kerberos::accept) takes, and [`Server::accepted`] goes on with the result.
//!
//! Invariant: the layer is one that was offered; the bind is done only after the client has shown, by a message
//! that its key protects, that the login is its own.

use super::{
    Layer, MOST_RECEIVED, MOST_SENT, Mechanism, NO_LAYER, OVERHEAD, SEALED, SIGNED, SaslError,
};
use crate::Malformed;
use crate::kerberos::{Accepted, Context, Protection};
use crate::spnego::{self, Message};

/// A login by SASL that a client has begun.
#[derive(Debug)]
pub struct Server {
    mechanism: Mechanism,
    /// Whether the connection is protected already, so that a layer is neither needed nor allowed.
    is_encrypted: bool,
    state: State,
    /// What SPNEGO has agreed on.
    negotiated: Option<spnego::Mechanism>,
}

#[derive(Debug)]
enum State {
    /// The client's ticket is due.
    New,
    /// The client takes the proof before the layers are offered.
    Proved(Context),
    /// The layers were offered.
    Offered(Context),
    Over,
}

/// What to do with a message of the client.
#[derive(Debug)]
pub enum ServerStep {
    /// Send this challenge.
    Challenge(Vec<u8>),
    /// The login is done.
    Done {
        /// What is sent with the success.
        last: Option<Vec<u8>>,
        /// The layer from the next message on; `None` for no layer.
        layer: Option<Layer>,
        /// Whom the client wants to be (RFC 4513 5.2.1.8); empty for the user of the ticket.
        authorization: Vec<u8>,
    },
}

impl Server {
    /// A login that begins. `is_encrypted` says whether TLS or a local socket protects the connection.
    pub fn new(mechanism: Mechanism, is_encrypted: bool) -> Self {
        Self {
            mechanism,
            is_encrypted,
            state: State::New,
            negotiated: None,
        }
    }

    /// Whether the next message of the client is its ticket.
    pub fn wants_ticket(&self) -> bool {
        matches!(self.state, State::New)
    }

    /// The token of Kerberos in the client's first message.
    ///
    /// # Errors
    ///
    /// A message without one.
    pub fn token<'a>(&mut self, message: &'a [u8]) -> Result<&'a [u8], SaslError> {
        if self.mechanism == Mechanism::Gssapi {
            return Ok(message);
        }
        match spnego::read(message)? {
            Message::Init {
                mechanisms,
                favourite: true,
                token: Some(token),
            } => {
                self.negotiated = mechanisms.first().copied();
                match self.negotiated {
                    Some(first) if first.is_kerberos() => Ok(token),
                    _ => Err(Malformed("a login of another mechanism than Kerberos").into()),
                }
            }
            Message::Bare(mechanism, token) if mechanism.is_kerberos() => Ok(token),
            _ => Err(Malformed("a login of another mechanism than Kerberos").into()),
        }
    }

    /// Goes on with a ticket that was accepted, whose user may log in.
    ///
    /// # Errors
    ///
    /// A key that messages cannot be protected with, and a layer inside TLS or none outside.
    pub fn accepted(&mut self, accepted: &Accepted) -> Result<ServerStep, SaslError> {
        self.state = State::Over;
        let context = accepted.context()?;
        if self.mechanism == Mechanism::Gssapi {
            let proof = accepted.reply.clone().unwrap_or_default();
            self.state = State::Proved(context);
            return Ok(ServerStep::Challenge(proof));
        }
        let layer = match (accepted.protection, self.is_encrypted) {
            (Protection::None, true) => None,
            (Protection::None, false) => {
                return Err(SaslError::NoLayer("a login without protection"));
            }
            (_, true) => return Err(SaslError::LayerInTls),
            (protection, false) => Some(Layer {
                context,
                encrypt: protection == Protection::Seal,
                most: MOST_SENT,
            }),
        };
        let reply = accepted.reply.as_deref();
        let last = match self.negotiated {
            Some(mechanism) => spnego::respond(spnego::State::Completed, Some(mechanism), reply),
            None => reply.unwrap_or_default().to_vec(),
        };
        Ok(ServerStep::Done {
            last: Some(last),
            layer,
            authorization: Vec::new(),
        })
    }

    /// Takes a later message of the client.
    ///
    /// # Errors
    ///
    /// Every [`SaslError`]; the login is over then.
    pub fn next(&mut self, message: &[u8]) -> Result<ServerStep, SaslError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Proved(mut context) => {
                let (layers, most) = if self.is_encrypted {
                    (NO_LAYER, 0)
                } else {
                    (SIGNED | SEALED, 0xff)
                };
                let offer = context.wrap(&[layers, most, most, most], false)?;
                self.state = State::Offered(context);
                Ok(ServerStep::Challenge(offer))
            }
            State::Offered(mut context) => {
                let answer = context.unwrap(message, false)?;
                let Some((&[chosen, a, b, c], authorization)) = answer.split_first_chunk::<4>()
                else {
                    return Err(Malformed("a choice of a layer that is none").into());
                };
                let most = u32::from_be_bytes([0, a, b, c]);
                let most = usize::try_from(most).unwrap_or(MOST_RECEIVED);
                let most = most.saturating_sub(OVERHEAD).min(MOST_SENT);
                let layer = match (chosen, self.is_encrypted) {
                    (NO_LAYER, true) => None,
                    (SIGNED | SEALED, false) if most > 0 => Some(Layer {
                        context,
                        encrypt: chosen == SEALED,
                        most,
                    }),
                    _ => return Err(Malformed("a layer that was not offered").into()),
                };
                Ok(ServerStep::Done {
                    last: None,
                    layer,
                    authorization: authorization.to_vec(),
                })
            }
            State::New | State::Over => Err(Malformed("a message where none is due").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Client;
    use super::*;
    use crate::kerberos::{
        Encryption, Key, Keytab, Moment, Principal, Ticket, accept, write_keytab,
    };

    const NOW: Moment = Moment {
        seconds: 1_795_334_929,
        micros: 0,
    };

    /// A ticket, and the keytab of its service.
    fn ticket() -> (Ticket, Keytab) {
        let key = Key::random(Encryption::Aes256Sha1).unwrap();
        let service = Principal::service("ldap", "dc1.contoso.test", "CONTOSO.TEST");
        let ticket = Ticket::mint(
            Principal::user("jim", "CONTOSO.TEST"),
            service,
            &key,
            2,
            Key::random(Encryption::Aes256Sha1).unwrap(),
            NOW,
        )
        .unwrap();
        let keytab = Keytab::read(&write_keytab(&[(&ticket.service, 2, &key)])).unwrap();
        (ticket, keytab)
    }

    /// Logs in; gives the layers of both sides, or the error of the side that ends it.
    fn run(
        mechanism: Mechanism,
        protection: Protection,
        is_encrypted: bool,
    ) -> Result<(Option<Layer>, Option<Layer>), SaslError> {
        let (ticket, keytab) = ticket();
        let (mut client, first) = Client::new(mechanism, &ticket, protection, None, NOW)?;
        let mut server = Server::new(mechanism, is_encrypted);
        let token = server.token(&first)?;
        let mut step = server.accepted(&accept(token, &keytab, "ldap", NOW).unwrap())?;
        loop {
            match step {
                ServerStep::Challenge(challenge) => {
                    let answer = client.answer(&challenge)?;
                    assert!(!server.wants_ticket());
                    step = server.next(&answer)?;
                }
                ServerStep::Done {
                    last,
                    layer,
                    authorization,
                } => {
                    assert!(authorization.is_empty());
                    return Ok((client.finish(last.as_deref())?, layer));
                }
            }
        }
    }

    #[test]
    fn both_sides_agree_on_the_layer_that_was_asked_for() {
        for mechanism in [Mechanism::Gssapi, Mechanism::GssSpnego] {
            for protection in [Protection::Sign, Protection::Seal] {
                let (client, server) = run(mechanism, protection, false).unwrap();
                let (mut client, mut server) = (client.unwrap(), server.unwrap());
                let message = client.wrap(b"a secret request").unwrap();
                let is_clear = message.windows(6).any(|part| part == b"secret");
                assert_eq!(is_clear, protection == Protection::Sign);
                assert_eq!(*server.unwrap(&message).unwrap(), b"a secret request");
                let answer = server.wrap(b"an answer").unwrap();
                assert_eq!(*client.unwrap(&answer).unwrap(), b"an answer");
            }
            let (client, server) = run(mechanism, Protection::None, true).unwrap();
            assert!(client.is_none() && server.is_none());
        }
    }

    #[test]
    fn a_layer_inside_tls_and_none_outside_are_refused() {
        for mechanism in [Mechanism::Gssapi, Mechanism::GssSpnego] {
            assert!(run(mechanism, Protection::Seal, true).is_err());
            assert!(run(mechanism, Protection::None, false).is_err());
        }
    }

    #[test]
    fn a_client_chooses_only_what_was_offered() {
        let (ticket, keytab) = ticket();
        for choice in [
            &[1u8, 0, 0, 0][..],
            &[6, 0, 1, 0],
            &[4, 0, 0, 1],
            &[4, 0],
            &[0, 0, 1, 0],
        ] {
            let (token, proof) = ticket.login(None, Protection::Seal, NOW).unwrap();
            let mut server = Server::new(Mechanism::Gssapi, false);
            let accepted = accept(server.token(&token).unwrap(), &keytab, "ldap", NOW).unwrap();
            let ServerStep::Challenge(reply) = server.accepted(&accepted).unwrap() else {
                panic!("a proof comes first");
            };
            let mut context = proof.context(&reply).unwrap().unwrap();
            let ServerStep::Challenge(offer) = server.next(b"").unwrap() else {
                panic!("an offer comes second");
            };
            assert_eq!(
                *context.unwrap(&offer, false).unwrap(),
                [6, 0xff, 0xff, 0xff]
            );
            let answer = context.wrap(choice, false).unwrap();
            assert!(server.next(&answer).is_err(), "{choice:?}");
            assert!(server.next(&answer).is_err(), "it is over");
        }
    }

    #[test]
    fn a_server_that_cannot_open_the_ticket_gets_nothing_more() {
        let (ticket, _) = ticket();
        let (other, keytab) = self::ticket();
        for mechanism in [Mechanism::Gssapi, Mechanism::GssSpnego] {
            let (mut client, _) =
                Client::new(mechanism, &ticket, Protection::Seal, None, NOW).unwrap();
            // The proof of another login.
            let (login, _) = other.login(None, Protection::Seal, NOW).unwrap();
            let reply = accept(&login, &keytab, "ldap", NOW).unwrap().reply.unwrap();
            let challenge = match mechanism {
                Mechanism::Gssapi => reply,
                Mechanism::GssSpnego => {
                    spnego::respond(spnego::State::Completed, None, Some(&reply))
                }
            };
            assert_eq!(client.answer(&challenge), Err(SaslError::Unproved));
            assert!(client.finish(None).is_err());
        }
    }
}
