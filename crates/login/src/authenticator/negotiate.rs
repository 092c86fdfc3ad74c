//! A login with Negotiate: SPNEGO, and Kerberos in it (RFC 4559, RFC 4178).
//!
//! Invariant: a ticket admits one request and never a connection.

use std::net::IpAddr;
use std::time::Instant;

use automend_negotiate::Scheme;
use automend_negotiate::kerberos::{Accepted, Moment, accept};
use automend_negotiate::ntlm::is_ntlm;
use automend_negotiate::spnego::{self, Mechanism, Message};
use automend_system::clock;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::Verdict;
use super::super::account::Authenticated;
use super::super::header::Wrapping;
use super::super::name::Login;
use super::super::replay_cache::Added;
use super::{Authenticator, BUSY_RETRY_AFTER, Connection, State, accept as verdict};

impl Authenticator {
    /// A message of SPNEGO, or a bare one of a mechanism.
    pub(super) async fn negotiate(
        &self,
        connection: &mut Connection,
        token: &[u8],
        from: IpAddr,
        now: Instant,
    ) -> Verdict {
        let message = match spnego::read(token) {
            Ok(message) => message,
            Err(malformed) => return self.refuse(connection, malformed.to_string()),
        };
        let ntlm = self.offers(Scheme::Ntlm) && !connection.shared;
        match message {
            Message::Bare(mechanism, token) if mechanism.is_kerberos() => {
                self.kerberos(connection, None, token).await
            }
            Message::Init {
                mechanisms,
                favourite: true,
                token: Some(token),
            } if !is_ntlm(token) => {
                let first = mechanisms.first().copied();
                self.kerberos(connection, first, token).await
            }
            Message::Bare(_, token) if ntlm => {
                self.ntlm(connection, Wrapping::Bare, token, from, now)
                    .await
            }
            Message::Init {
                token: Some(token), ..
            }
            | Message::Response { token: Some(token) }
                if ntlm && is_ntlm(token) =>
            {
                self.ntlm(connection, Wrapping::Spnego, token, from, now)
                    .await
            }
            _ => {
                connection.state = State::New;
                let why = "the client has no ticket for this service, and offers NTLM instead";
                self.refuse(connection, why)
            }
        }
    }

    /// Kerberos: one message, and the server's proof goes back with the answer (RFC 4559 5).
    async fn kerberos(
        &self,
        connection: &mut Connection,
        negotiated: Option<Mechanism>,
        token: &[u8],
    ) -> Verdict {
        connection.state = State::New;
        let (account, accepted) = match self.ticket(connection, "HTTP", token).await {
            Ok(accepted) => accepted,
            Err(verdict) => return verdict,
        };
        let reply = accepted.reply.as_deref();
        let token = match negotiated {
            Some(mechanism) => Some(spnego::respond(
                spnego::State::Completed,
                Some(mechanism),
                reply,
            )),
            None => accepted.reply,
        };
        let token = token.map(|token| format!("Negotiate {}", STANDARD.encode(token)));
        // For this request: the next one on the connection may be another user's, through a proxy, and
        // clients send a ticket with each.
        verdict(&account, token)
    }

    /// Opens a ticket for `service`, and finds the account of its user.
    pub(crate) async fn ticket(
        &self,
        connection: &mut Connection,
        service: &str,
        token: &[u8],
    ) -> Result<(Authenticated, Accepted), Verdict> {
        let moment = Moment::from(clock::now());
        let accepted = match accept(token, &self.keytab, service, moment) {
            Ok(accepted) => accepted,
            Err(refused) => return Err(self.refuse(connection, refused.to_string())),
        };
        match self
            .replay_cache
            .add(accepted.seal, accepted.seal_ends, moment)
        {
            Added::New => {}
            Added::Replay => {
                let why = format!("{}: a copy of an earlier login", accepted.client);
                return Err(self.refuse(connection, why));
            }
            Added::NoRoom => return Err(Verdict::Throttled(BUSY_RETRY_AFTER)),
        }
        if accepted.is_weaker_than_its_keys {
            let why = format!(
                "{}: the ticket is encrypted with RC4 though the keytab has AES keys",
                accepted.client
            );
            if !self.offer.rc4_tickets {
                let remedy = "let msDS-SupportedEncryptionTypes of the service's account be 24, or allow it with rc4-tickets";
                return Err(self.refuse(connection, format!("{why}; {remedy}")));
            }
            connection.refusal = Some(why);
        }
        if let Some(purpose) = &connection.purpose
            && let Err(why) = purpose.is_channel(&accepted.client.to_string(), accepted.binding)
        {
            return Err(self.refuse(connection, why));
        }
        let login = match accepted.client.name.as_slice() {
            [user] if !accepted.client.is_enterprise() => Some(Login::Ticket {
                user: user.clone(),
                realm: accepted.client.realm.clone(),
            }),
            _ => None,
        };
        let Some(login) = login else {
            let why = format!("{}: not a user", accepted.client);
            return Err(self.refuse(connection, why));
        };
        let candidate = self.find(&login).await.map_err(Verdict::from)?;
        let Some(account) = self.accounts.authorize(&candidate) else {
            let why = format!(
                "{}: no account of the directory, or one that is closed",
                accepted.client
            );
            return Err(self.refuse(connection, why));
        };
        Ok((account, accepted))
    }
}
