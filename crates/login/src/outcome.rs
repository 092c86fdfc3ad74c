//! What comes of a login on its way: what the directory says of a password, or why it was not asked.
//!
//! The third is [`Verdict`](super::Verdict), which is for the client.

use super::account::Authenticated;

/// What the directory says of a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome<A = ()> {
    /// It is right, and the account may log in.
    Accepted(A),
    /// It is wrong, or there is no such account.
    Wrong,
    /// The account may not log in now, whatever the password is.
    Closed,
    /// Nothing, for this reason; the directory may have counted it.
    Unknown(String),
}

/// Why no password was checked.
#[derive(Debug)]
pub(super) enum Unavailable {
    /// The directory could not be asked, for this reason.
    Directory(String),
    /// Too many logins are pending.
    Busy,
}

impl Outcome<Authenticated> {
    /// What a decoy comes to, whatever the directory said.
    pub(super) fn of_decoy(self) -> Self {
        match self {
            Self::Unknown(reason) => Self::Unknown(reason),
            Self::Accepted(_) | Self::Wrong | Self::Closed => Self::Closed,
        }
    }

    /// The same without the account.
    pub(super) fn erased(&self) -> Outcome {
        match self {
            Self::Accepted(_) => Outcome::Accepted(()),
            Self::Wrong => Outcome::Wrong,
            Self::Closed => Outcome::Closed,
            Self::Unknown(reason) => Outcome::Unknown(reason.clone()),
        }
    }
}
