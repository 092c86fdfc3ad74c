//! Why a request failed, sorted by who is at fault; result codes are those of RFC 4511 A.1.
//!
//! Invariant: no text of a password or of a value that was sent appears in an error.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why the work could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server understood the request and declined it.
    #[error("{operation} refused: {code}{}", Detail(message))]
    Refused {
        /// What was asked for.
        operation: Operation,
        /// The server's reason.
        code: ResultCode,
        /// The server's diagnostic message, possibly empty.
        message: String,
        /// The nearest ancestor that exists, when the object does not (RFC 4511 4.1.9).
        matched_dn: String,
    },
    /// The server ended a search early: what was delivered is right, but it is not all.
    ///
    /// The code is `timeLimitExceeded`, `sizeLimitExceeded` or `adminLimitExceeded`.
    #[error("search cut short by the server: {code}{}", Detail(message))]
    Incomplete {
        /// Which limit of the server was reached.
        code: ResultCode,
        /// The server's diagnostic message, possibly empty.
        message: String,
    },
    /// Another server holds what was asked for (RFC 4511 4.1.10).
    #[error("{operation} referred to {}", Printable(&urls.join(", ")))]
    Referral {
        /// What was asked for.
        operation: Operation,
        /// LDAP URLs, each of which may answer.
        urls: Vec<String>,
    },
    /// The server no longer knows the cookie of a page; the search has to start again.
    #[error("paged search can't be resumed: {code}{}", Detail(message))]
    CookieRefused {
        /// The server's reason.
        code: ResultCode,
        /// The server's diagnostic message, possibly empty.
        message: String,
    },
    /// The peer broke the protocol; the connection is of no further use.
    #[error("the server misbehaved: {what}")]
    PeerMisbehaved {
        /// What it did.
        what: &'static str,
    },
    /// Something is bigger than we agreed to take.
    #[error("{what} over the limit: {found}, at most {max}")]
    Limit {
        /// What is too big, with its unit.
        what: &'static str,
        /// How much is allowed.
        max: usize,
        /// How much there was, as far as it was counted.
        found: usize,
    },
    /// The connection ended before the answer came.
    #[error("connection closed by the server{}", Detail(notice.as_deref().unwrap_or_default()))]
    Closed {
        /// The text of the server's notice of disconnection (RFC 4511 4.4.1), or what the end cut off.
        notice: Option<String>,
    },
    /// The stream failed on our side; what the peer ended is [`Error::Closed`].
    #[error("connection failed")]
    Io {
        /// What the stream reported.
        source: io::Error,
    },
    /// No whole message came in time.
    #[error("{operation} timed out: nothing came for {} s", after.as_secs_f32())]
    TimedOut {
        /// What was asked for.
        operation: Operation,
        /// How long we waited: [`Limits::idle`](crate::Limits::idle).
        after: Duration,
    },
    /// The request was not sent, because it can't mean what the caller wants.
    #[error("{operation} not sent: {why}")]
    Unsendable {
        /// What was asked for.
        operation: Operation,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A peer that closes while we still write makes some systems report a reset or a broken pipe, and TLS
/// an end in the middle: whichever comes first, it is the peer who ended the connection.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match source.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
                Self::Closed { notice: None }
            }
            _ => Self::Io { source },
        }
    }
}

/// A text after a colon, or nothing when it is empty.
struct Detail<T>(T);

impl<T: AsRef<str>> fmt::Display for Detail<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref().trim_end_matches(['\0', '\n', '\r', ' ']);
        if text.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", Printable(text))
    }
}

/// A text of the server without control characters: it goes to terminals and logs.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() {
                write!(f, "{}", c.escape_default())
            } else {
                write!(f, "{c}")
            }
        })
    }
}

/// The operations of RFC 4511 section 4 that a client may ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// 4.2.
    Bind,
    /// 4.5.
    Search,
    /// 4.6.
    Modify,
    /// 4.7.
    Add,
    /// 4.8.
    Delete,
    /// 4.9.
    ModifyDn,
    /// 4.10.
    Compare,
    /// 4.14.
    StartTls,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bind => "bind",
            Self::Search => "search",
            Self::Modify => "modify",
            Self::Add => "add",
            Self::Delete => "delete",
            Self::ModifyDn => "modify DN",
            Self::Compare => "compare",
            Self::StartTls => "StartTLS",
        })
    }
}

/// A result code (RFC 4511 4.1.9); any number is one, those with a name have a constant.
///
/// Displays as `noSuchAttribute (16)`, a number without a name as `result code 4711`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ResultCode(pub u32);

macro_rules! result_codes {
    ($($constant:ident $number:literal $name:literal,)*) => {
        impl ResultCode {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: Self = Self($number);)*

            /// The name in the specification, when the number has one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

// RFC 4511 A.1; 76 VLV draft; 118 to 121 RFC 3909; 122 RFC 4528; 123 RFC 4370; 4096 RFC 4533.
result_codes! {
    SUCCESS 0 "success",
    OPERATIONS_ERROR 1 "operationsError",
    PROTOCOL_ERROR 2 "protocolError",
    TIME_LIMIT_EXCEEDED 3 "timeLimitExceeded",
    SIZE_LIMIT_EXCEEDED 4 "sizeLimitExceeded",
    COMPARE_FALSE 5 "compareFalse",
    COMPARE_TRUE 6 "compareTrue",
    AUTH_METHOD_NOT_SUPPORTED 7 "authMethodNotSupported",
    STRONGER_AUTH_REQUIRED 8 "strongerAuthRequired",
    REFERRAL 10 "referral",
    ADMIN_LIMIT_EXCEEDED 11 "adminLimitExceeded",
    UNAVAILABLE_CRITICAL_EXTENSION 12 "unavailableCriticalExtension",
    CONFIDENTIALITY_REQUIRED 13 "confidentialityRequired",
    SASL_BIND_IN_PROGRESS 14 "saslBindInProgress",
    NO_SUCH_ATTRIBUTE 16 "noSuchAttribute",
    UNDEFINED_ATTRIBUTE_TYPE 17 "undefinedAttributeType",
    INAPPROPRIATE_MATCHING 18 "inappropriateMatching",
    CONSTRAINT_VIOLATION 19 "constraintViolation",
    ATTRIBUTE_OR_VALUE_EXISTS 20 "attributeOrValueExists",
    INVALID_ATTRIBUTE_SYNTAX 21 "invalidAttributeSyntax",
    NO_SUCH_OBJECT 32 "noSuchObject",
    ALIAS_PROBLEM 33 "aliasProblem",
    INVALID_DN_SYNTAX 34 "invalidDNSyntax",
    ALIAS_DEREFERENCING_PROBLEM 36 "aliasDereferencingProblem",
    INAPPROPRIATE_AUTHENTICATION 48 "inappropriateAuthentication",
    INVALID_CREDENTIALS 49 "invalidCredentials",
    INSUFFICIENT_ACCESS_RIGHTS 50 "insufficientAccessRights",
    BUSY 51 "busy",
    UNAVAILABLE 52 "unavailable",
    UNWILLING_TO_PERFORM 53 "unwillingToPerform",
    LOOP_DETECT 54 "loopDetect",
    NAMING_VIOLATION 64 "namingViolation",
    OBJECT_CLASS_VIOLATION 65 "objectClassViolation",
    NOT_ALLOWED_ON_NON_LEAF 66 "notAllowedOnNonLeaf",
    NOT_ALLOWED_ON_RDN 67 "notAllowedOnRDN",
    ENTRY_ALREADY_EXISTS 68 "entryAlreadyExists",
    OBJECT_CLASS_MODS_PROHIBITED 69 "objectClassModsProhibited",
    AFFECTS_MULTIPLE_DSAS 71 "affectsMultipleDSAs",
    VIRTUAL_LIST_VIEW_ERROR 76 "virtualListViewError",
    OTHER 80 "other",
    CANCELED 118 "canceled",
    NO_SUCH_OPERATION 119 "noSuchOperation",
    TOO_LATE 120 "tooLate",
    CANNOT_CANCEL 121 "cannotCancel",
    ASSERTION_FAILED 122 "assertionFailed",
    AUTHORIZATION_DENIED 123 "authorizationDenied",
    SYNC_REFRESH_REQUIRED 4096 "e-syncRefreshRequired",
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "result code {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_by_name_and_number() {
        assert_eq!(
            ResultCode::NO_SUCH_ATTRIBUTE.to_string(),
            "noSuchAttribute (16)"
        );
        assert_eq!(ResultCode(4711).to_string(), "result code 4711");
    }

    #[test]
    fn a_reset_is_told_as_the_end_that_the_peer_made() {
        let reset = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(matches!(reset, Error::Closed { notice: None }), "{reset}");
        let other = Error::from(io::Error::from(io::ErrorKind::InvalidData));
        assert!(matches!(other, Error::Io { .. }), "{other}");
    }

    #[test]
    fn a_refusal_tells_what_the_server_said_without_its_control_characters() {
        let error = Error::Refused {
            operation: Operation::Modify,
            code: ResultCode::UNWILLING_TO_PERFORM,
            message: "\u{1b}[2J00002035\n\0".to_owned(),
            matched_dn: String::new(),
        };
        assert_eq!(
            error.to_string(),
            "modify refused: unwillingToPerform (53): \\u{1b}[2J00002035"
        );
        let error = Error::Closed { notice: None };
        assert_eq!(error.to_string(), "connection closed by the server");
    }
}
