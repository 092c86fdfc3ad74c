//! Kerberos in a protocol with SASL (RFC 4422), as LDAP is: the mechanisms GSSAPI (RFC 4752) and GSS-SPNEGO
//! ([MS-ADTS] 5.1.1.1.2), and the security layer after them.
//!
//! GSSAPI sends the login, reads the server's proof, and then agrees on a layer in one more exchange.
//! GSS-SPNEGO wraps the login into SPNEGO, and the flags of the login are the layer.
//!
//! Invariant: the layer is the one that was asked for, never a weaker one; a server that has not proved that
//! it could open the ticket gets nothing but the login.

mod server;

use zeroize::Zeroizing;

use crate::kerberos::{Context, Moment, Proof, Protection, Ticket, WrapError};
use crate::spnego;
use crate::{Binding, Failed, Malformed};

pub use server::{Server, ServerStep};

/// A SASL mechanism that carries Kerberos.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// RFC 4752.
    Gssapi,
    /// [MS-ADTS] 5.1.1.1.2.
    GssSpnego,
}

impl Mechanism {
    /// Its name in a bind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gssapi => "GSSAPI",
            Self::GssSpnego => "GSS-SPNEGO",
        }
    }
}

/// Why a login by SASL fails.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SaslError {
    /// The server does not prove that it could open the ticket.
    #[error("the server could not open the ticket: it does not prove itself")]
    Unproved,
    /// The other side has no layer of the kind that is wanted.
    #[error("the two sides do not agree on a security layer: {0}")]
    NoLayer(&'static str),
    /// The client wants a layer inside TLS ([MS-ADTS] 5.1.1.1.2).
    #[error("Sign or Seal are not allowed if TLS is used")]
    LayerInTls,
    /// A message that is protected wrongly.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A message that is not what its specification says.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// No random numbers.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// A login by SASL that is under way.
#[derive(Debug)]
pub struct Client {
    mechanism: Mechanism,
    protection: Protection,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The ticket was shown.
    Shown(Proof),
    /// The server has proved itself; it may still have to offer its layers.
    Proved(Context),
    /// The layer was chosen, and this is how much the server takes at a time.
    Chosen(Context, usize),
    Over,
}

/// The messages after a login, protected.
#[derive(Debug)]
pub struct Layer {
    context: Context,
    encrypt: bool,
    /// Bytes of text that one message may carry.
    most: usize,
}

/// Layers of RFC 4752 3.3 as bits.
const NO_LAYER: u8 = 1;
const SIGNED: u8 = 2;
const SEALED: u8 = 4;

/// The largest protected message that is taken: 24 bits is what RFC 4752 can say.
pub const MOST_RECEIVED: usize = 0x00ff_ffff;
/// The largest text that is sent where the server says no limit: every server takes 64 KiB.
const MOST_SENT: usize = 60 * 1024;
/// More than a token adds to its text: header, confounder, copy of the header and checksum.
const OVERHEAD: usize = 128;

impl Client {
    /// A login with a ticket, and its first message. `protection` is the layer that has to be agreed on.
    ///
    /// # Errors
    ///
    /// [`Failed`] where the system gives no random numbers.
    pub fn new(
        mechanism: Mechanism,
        ticket: &Ticket,
        protection: Protection,
        binding: Option<Binding>,
        now: Moment,
    ) -> Result<(Self, Vec<u8>), Failed> {
        let (login, proof) = ticket.login(binding, protection, now)?;
        let first = match mechanism {
            Mechanism::Gssapi => login,
            Mechanism::GssSpnego => spnego::init(
                &[
                    spnego::Mechanism::KerberosOfWindows,
                    spnego::Mechanism::Kerberos,
                ],
                &login,
            ),
        };
        let client = Self {
            mechanism,
            protection,
            state: State::Shown(proof),
        };
        Ok((client, first))
    }

    /// The answer to a challenge of the server.
    ///
    /// # Errors
    ///
    /// Every [`SaslError`]; the login is over then.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Shown(proof) => {
                let token = self.inner(challenge)?;
                let context = proof.context(token).ok_or(SaslError::Unproved)??;
                self.state = State::Proved(context);
                Ok(Vec::new())
            }
            State::Proved(mut context) if self.mechanism == Mechanism::Gssapi => {
                let offer = context.unwrap(challenge, false)?;
                let [layers, a, b, c] = *offer.as_slice() else {
                    return Err(Malformed("an offer of layers that is none").into());
                };
                let most = u32::from_be_bytes([0, a, b, c]);
                let most = usize::try_from(most).unwrap_or(MOST_RECEIVED);
                let (chosen, name) = match self.protection {
                    Protection::None => (NO_LAYER, "a login without protection"),
                    Protection::Sign => (SIGNED, "signing"),
                    Protection::Seal => (SEALED, "encryption"),
                };
                if layers & chosen == 0 {
                    return Err(SaslError::NoLayer(name));
                }
                let own = if chosen == NO_LAYER { 0 } else { 0xff };
                // No name after it: the identity is the ticket's.
                let answer = context.wrap(&[chosen, own, own, own], false)?;
                self.state = State::Chosen(context, most);
                Ok(answer)
            }
            _ => Err(Malformed("a challenge where none is due").into()),
        }
    }

    /// The server has accepted the login, perhaps with a last message: gives the layer, if one was asked for.
    ///
    /// # Errors
    ///
    /// Every [`SaslError`].
    pub fn finish(mut self, last: Option<&[u8]>) -> Result<Option<Layer>, SaslError> {
        if let (State::Shown(_), Mechanism::GssSpnego, Some(last)) =
            (&self.state, self.mechanism, last)
        {
            self.answer(last)?;
        }
        let (context, most) = match (self.state, self.mechanism) {
            (State::Chosen(context, most), Mechanism::Gssapi) => {
                (context, most.saturating_sub(OVERHEAD).min(MOST_SENT))
            }
            (State::Proved(context), Mechanism::GssSpnego) => (context, MOST_SENT),
            _ => return Err(SaslError::Unproved),
        };
        if self.protection != Protection::None && most == 0 {
            return Err(Malformed("a server that takes no messages").into());
        }
        Ok((self.protection != Protection::None).then_some(Layer {
            context,
            encrypt: self.protection == Protection::Seal,
            most,
        }))
    }

    /// The token of Kerberos in a message of the server.
    fn inner<'a>(&self, message: &'a [u8]) -> Result<&'a [u8], SaslError> {
        match self.mechanism {
            Mechanism::Gssapi => Ok(message),
            Mechanism::GssSpnego => match spnego::read_response(message)? {
                (spnego::State::Rejected, _) | (_, None) => Err(SaslError::Unproved),
                (_, Some(token)) => Ok(token),
            },
        }
    }
}

impl Layer {
    /// Bytes of text that one message may carry.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Protects a text of at most [`Layer::most`] bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Context::wrap`].
    pub fn wrap(&mut self, text: &[u8]) -> Result<Vec<u8>, WrapError> {
        self.context.wrap(text, self.encrypt)
    }

    /// The text of the next message.
    ///
    /// # Errors
    ///
    /// Those of [`Context::unwrap`].
    pub fn unwrap(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        self.context.unwrap(message, self.encrypt)
    }
}
