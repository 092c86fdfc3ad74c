//! SOAP, the dialect of programs: requests and answers, both ways ([MS-OXWSADISC]).
//!
//! Errors come on three levels, of the request, of a user, of a setting, and one level hides under
//! `NoError` of the other; none of them fails what stands beside it. Bytes that are no request at all are
//! answered with a SOAP 1.1 fault.

mod answer;
mod read;
mod request;
mod setting;
mod user;

pub use answer::{
    DomainAnswer, Head, UserAnswer, domain_settings, federation_information, refusal, user_settings,
};
pub use read::{
    Answer, Body, Connection, Domain, Federation, Level, ServerVersion, SettingError, TokenIssuer,
    User, UserSetting, Value, WebClientUrl, read,
};
pub use request::{Operation, Refusal, Request, Wanted};
pub use setting::Setting;

/// The `ErrorCode`s that the specification knows (2.2.5.4); a client must be ready for others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorCode {
    /// All is well on this level.
    NoError,
    /// Ask again for another address.
    RedirectAddress,
    /// Ask again at another URL.
    RedirectUrl,
    /// No object has that address.
    InvalidUser,
    /// The request is not as it must be.
    InvalidRequest,
    /// No setting has that name.
    InvalidSetting,
    /// The setting has no value for this user.
    SettingIsNotAvailable,
    /// Ask again later.
    ServerBusy,
    /// Not a domain of this organisation.
    InvalidDomain,
    /// The organisation is in no federation.
    NotFederated,
    /// The service failed.
    InternalServerError,
}

impl ErrorCode {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoError => "NoError",
            Self::RedirectAddress => "RedirectAddress",
            Self::RedirectUrl => "RedirectUrl",
            Self::InvalidUser => "InvalidUser",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidSetting => "InvalidSetting",
            Self::SettingIsNotAvailable => "SettingIsNotAvailable",
            Self::ServerBusy => "ServerBusy",
            Self::InvalidDomain => "InvalidDomain",
            Self::NotFederated => "NotFederated",
            Self::InternalServerError => "InternalServerError",
        }
    }
}
