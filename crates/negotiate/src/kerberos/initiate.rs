//! The client's side: a login with a ticket, and the server's proof (RFC 4121 4.1).
//!
//! Invariant: a server is believed only if it could open the ticket.

use super::accept::{AP_REPLY, AP_REQUEST, GSS_CHECKSUM};
use super::ask::nonce;
use super::cipher::Usage;
use super::message::{ApReplyPart, ApRequest, Authenticator, Sealed, read_ap_reply};
use super::wrap::{Context, Protection, Side, WrapError, number};
use super::{Key, Moment, Ticket};
use crate::spnego::{framed, unframed};
use crate::{Binding, Failed};

/// A login with a ticket that waits for the server's proof.
#[derive(Debug)]
pub struct Proof {
    key: Key,
    /// The key for what comes after the login, unless the server chooses another.
    subkey: Key,
    when: Moment,
    sequence: u32,
}

impl Ticket {
    /// A login at this moment, framed, and what the server's proof has to fit. `protection` is what the
    /// client wants for the messages after it.
    pub fn login(
        &self,
        binding: Option<Binding>,
        protection: Protection,
        now: Moment,
    ) -> Result<(Vec<u8>, Proof), Failed> {
        let mut checksum = 16u32.to_le_bytes().to_vec();
        checksum.extend_from_slice(&binding.map_or([0; 16], |binding| binding.0));
        checksum.extend_from_slice(&protection.flags().to_le_bytes());
        let subkey = Key::random(self.key.encryption)?;
        let sequence = nonce()?;
        let login = Authenticator {
            client: self.client.clone(),
            checksum: Some((GSS_CHECKSUM, checksum)),
            when: now,
            subkey: Some(subkey.clone()),
            sequence: Some(i64::from(sequence)),
        };
        let sealed = self.key.encrypt(Usage::AUTHENTICATOR, &login.write())?;
        let sealed = Sealed::new(&self.key, sealed);
        let token = framed(AP_REQUEST, &ApRequest::write(true, &self.message, &sealed));
        let proof = Proof {
            key: self.key.clone(),
            subkey,
            when: now,
            sequence,
        };
        Ok((token, proof))
    }
}

impl Proof {
    /// Whether a framed token proves that the server could open the ticket.
    pub fn is(&self, token: &[u8]) -> bool {
        self.opened(token).is_some()
    }

    /// What protects the messages after the login, where a framed token proves that the server could open
    /// the ticket; `None` where it proves nothing.
    ///
    /// # Errors
    ///
    /// [`WrapError`] for a key that messages cannot be protected with.
    pub fn context(&self, token: &[u8]) -> Option<Result<Context, WrapError>> {
        let part = self.opened(token)?;
        let (key, by_acceptor) = match part.subkey {
            Some(key) => (key, true),
            None => (self.subkey.clone(), false),
        };
        let received = number(part.sequence);
        let sent = u64::from(self.sequence);
        let side = Side::Initiator;
        Some(Context::new(key, side, by_acceptor, sent, received))
    }

    fn opened(&self, token: &[u8]) -> Option<ApReplyPart> {
        let (kind, message) = unframed(token).ok()?;
        if kind != AP_REPLY {
            return None;
        }
        let sealed = read_ap_reply(message).ok()?;
        let opened = self.key.decrypt(Usage::AP_REPLY, &sealed.bytes)?;
        let part = ApReplyPart::read(&opened).ok()?;
        (part.when == self.when).then_some(part)
    }
}
