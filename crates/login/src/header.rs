//! What stands in `Authorization` and `WWW-Authenticate` (RFC 9110 11.4, RFC 4559 4, [MS-NTHT]).
//!
//! Invariant: what is no base64 is nothing; nothing here decides who is let in.

use automend_negotiate::spnego::{self, Mechanism};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How messages of NTLM are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrapping {
    /// `NTLM`.
    Ntlm,
    /// `Negotiate`, but without SPNEGO.
    Bare,
    /// `Negotiate`, in SPNEGO.
    Spnego,
}

impl Wrapping {
    /// A `WWW-Authenticate` value with a message of NTLM.
    pub(super) fn value(self, message: &[u8], state: spnego::State) -> String {
        match self {
            Self::Ntlm => format!("NTLM {}", STANDARD.encode(message)),
            Self::Bare if message.is_empty() => "Negotiate".to_owned(),
            Self::Bare => format!("Negotiate {}", STANDARD.encode(message)),
            Self::Spnego => {
                let first = state == spnego::State::Incomplete;
                let token = spnego::respond(
                    state,
                    first.then_some(Mechanism::Ntlm),
                    (!message.is_empty()).then_some(message),
                );
                format!("Negotiate {}", STANDARD.encode(token))
            }
        }
    }
}

/// Scheme and what stands behind it.
pub(super) fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii();
    match value.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(at) => {
            let (scheme, rest) = value.split_at(at);
            (scheme, rest.trim_ascii())
        }
        None => (value, b""),
    }
}

/// The bytes of a token.
pub(super) fn decode(token: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(token).ok()
}
