//! Why a key distribution centre gives no ticket, and the numbers by which it says so.

use super::Encryption;
use crate::{Failed, Malformed};

/// A refusal, or an answer that can't be believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KdcError {
    /// The answer is not what its specification says.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// No such user.
    #[error("{client} is not known in realm {realm}")]
    UnknownClient {
        /// The user.
        client: String,
        /// Who was asked.
        realm: String,
    },
    /// The service is not registered.
    #[error("no account has the service principal name {service} in realm {realm}")]
    UnknownService {
        /// The service.
        service: String,
        /// Who was asked.
        realm: String,
    },
    /// The password or key is wrong.
    #[error("the password of {client} is wrong")]
    WrongPassword {
        /// The user.
        client: String,
    },
    /// The account is disabled, locked out or expired.
    #[error("the account of {client} is disabled, locked out or expired")]
    Revoked {
        /// The user.
        client: String,
    },
    /// The password has to be changed first.
    #[error("the password of {client} has expired")]
    PasswordExpired {
        /// The user.
        client: String,
    },
    /// The clocks differ too much.
    #[error("the clock of the key distribution centre differs from this one by {seconds} s")]
    Skew {
        /// By how much.
        seconds: u64,
    },
    /// None of the encryption types is known on both sides.
    #[error("no encryption type is known on both sides")]
    NoEncryption,
    /// A key so cheap to guess that an attacker may ask for it.
    #[error(
        "the key distribution centre asks for {rounds} rounds of {encryption}, and less than {usual} are not made"
    )]
    FewRounds {
        /// How many it asks for.
        rounds: u32,
        /// For what.
        encryption: Encryption,
        /// How many there are by default.
        usual: u32,
    },
    /// Realm after realm says to ask another one.
    #[error("the realms refer to each other without end")]
    Loop,
    /// The answer is sealed with another key, or answers something else.
    #[error("the answer of the key distribution centre is not sealed with the right key")]
    NotBelieved,
    /// Another refusal.
    #[error("the key distribution centre refuses with error {code}")]
    Refused {
        /// Its number (RFC 4120 7.5.9).
        code: i64,
    },
    /// No random numbers.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// Numbers of errors (RFC 4120 7.5.9).
pub(super) mod code {
    pub(crate) const CLIENT_EXPIRED: i64 = 1;
    pub(crate) const UNKNOWN_CLIENT: i64 = 6;
    pub(crate) const UNKNOWN_SERVICE: i64 = 7;
    pub(crate) const NO_ENCRYPTION: i64 = 14;
    pub(crate) const REVOKED: i64 = 18;
    pub(crate) const PASSWORD_EXPIRED: i64 = 23;
    pub(crate) const WRONG_PASSWORD: i64 = 24;
    pub(crate) const PROOF_NEEDED: i64 = 25;
    pub(crate) const SKEW: i64 = 37;
    pub(crate) const OTHER_REALM: i64 = 68;
}
