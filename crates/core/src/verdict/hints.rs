//! What Outlook shows, by its number, with how sure that is.
//!
//! 0x800C8203 and 12175 were seen in Outlook's own logs; the `WinINet` codes are Microsoft's constants,
//! and that Outlook shows them at this place is general knowledge; the rest of the 0x800C range has no
//! source worth the name.

use super::{Certainty, Hint};

/// The answer is an `<Error>`, or cannot be used otherwise.
pub(super) const ERROR_ANSWER: Option<Hint> = Some(Hint::new(0x800C_8203, Certainty::Seen));
/// No usable answer.
pub(super) const NO_ANSWER: Option<Hint> = Some(Hint::new(0x800C_8204, Certainty::Weak));
/// The redirect check found no redirect.
pub(super) const NO_REDIRECT: Option<Hint> = Some(Hint::new(0x800C_8205, Certainty::Weak));
/// The answer is not Autodiscover's.
pub(super) const FOREIGN_ANSWER: Option<Hint> = Some(Hint::new(0x800C_820A, Certainty::Weak));
/// `MAPI_E_NOT_FOUND`: the step produced nothing.
pub(super) const NOTHING: Option<Hint> = Some(Hint::new(0x8004_010F, Certainty::Likely));
/// The step gave no settings after HTTP or login had failed.
pub(super) const NO_SETTINGS: Option<Hint> = Some(Hint::new(0x8004_0413, Certainty::Weak));
/// `ERROR_INTERNET_TIMEOUT`, 12002.
pub(super) const TIMEOUT: Option<Hint> = Some(Hint::new(0x8007_2EE2, Certainty::Likely));
/// `ERROR_INTERNET_NAME_NOT_RESOLVED`, 12007.
pub(super) const NO_NAME: Option<Hint> = Some(Hint::new(0x8007_2EE7, Certainty::Likely));
/// `ERROR_INTERNET_CANNOT_CONNECT`, 12029.
pub(super) const NO_CONNECTION: Option<Hint> = Some(Hint::new(0x8007_2EFD, Certainty::Likely));
/// `ERROR_INTERNET_CONNECTION_ABORTED`, 12030.
pub(super) const ABORTED: Option<Hint> = Some(Hint::new(0x8007_2EFE, Certainty::Likely));
/// `ERROR_INTERNET_SEC_CERT_DATE_INVALID`, 12037.
pub(super) const CERTIFICATE_DATE: Option<Hint> = Some(Hint::new(0x8007_2F05, Certainty::Likely));
/// `ERROR_INTERNET_SEC_CERT_CN_INVALID`, 12038.
pub(super) const CERTIFICATE_NAME: Option<Hint> = Some(Hint::new(0x8007_2F06, Certainty::Likely));
/// `ERROR_INTERNET_CLIENT_AUTH_CERT_NEEDED`, 12044.
pub(super) const CLIENT_CERTIFICATE: Option<Hint> = Some(Hint::new(0x8007_2F0C, Certainty::Likely));
/// `ERROR_INTERNET_INVALID_CA`, 12045.
pub(super) const UNKNOWN_AUTHORITY: Option<Hint> = Some(Hint::new(0x8007_2F0D, Certainty::Likely));
/// `ERROR_INTERNET_SEC_CERT_REV_FAILED`, 12057.
pub(super) const NO_REVOCATION: Option<Hint> = Some(Hint::new(0x8007_2F19, Certainty::Likely));
/// `ERROR_INTERNET_PROXY_SERVER_UNREACHABLE`, 12165.
pub(super) const NO_PROXY: Option<Hint> = Some(Hint::new(0x8007_2F85, Certainty::Likely));
/// `ERROR_INTERNET_SEC_CERT_REVOKED`, 12170.
pub(super) const REVOKED: Option<Hint> = Some(Hint::new(0x8007_2F8A, Certainty::Likely));
/// `ERROR_WINHTTP_SECURE_FAILURE`, 12175.
pub(super) const SECURE_FAILURE: Option<Hint> = Some(Hint::new(0x8007_2F8F, Certainty::Seen));
