//! Why there was no response, in the words of those who record: Chromium's network errors, the numbers of
//! Windows, Outlook's HRESULTs, sentences of programs, and the codes of this program.
//!
//! Invariant: a word that is not known decides nothing.

use automend_core::verdict::Cause;

use super::windows::{self, Meaning};

/// What a log says of an attempt that gave settings.
pub(super) const SUCCEEDED: &str = "0x00000000";
/// How this program writes a [`Cause`] into a recording.
pub const OURS: &str = "automend:";

/// The cause that a recorder's word stands for.
pub(super) fn cause(text: &str) -> Option<Cause> {
    if let Some(code) = text.strip_prefix(OURS) {
        return Cause::parse(code.split([' ', ':']).next()?);
    }
    if let Some(meaning) = meaning(text) {
        return meaning.cause;
    }
    match (text.strip_prefix("0x"), text.strip_prefix("net::")) {
        // The answer was an error, or nothing that Outlook could use.
        (Some("800C8203"), _) => Some(Cause::OtherFault),
        (Some(_), _) => None,
        (None, Some(name)) => chromium(name),
        (None, None) => sentence(text),
    }
}

/// A recorder's word with its meaning, where it is a number of Windows.
pub(super) fn words(text: &str) -> String {
    match meaning(text) {
        Some(Meaning { name, what, .. }) => format!("{text} ({name}: {what})"),
        None => text.to_owned(),
    }
}

fn meaning(text: &str) -> Option<Meaning> {
    if let Some(number) = text.strip_prefix("GetLastError=") {
        return windows::error(number.trim().parse().ok()?);
    }
    windows::hresult(u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()?)
}

/// A sentence in which a program says why it got no answer: those of .NET, Java and Python, and of
/// Microsoft's analyzer. A status in parentheses, such as `(503)`, says most.
fn sentence(text: &str) -> Option<Cause> {
    let text = text.to_ascii_lowercase().replace('\u{2019}', "'");
    let status = text.split_once('(').and_then(|(_, rest)| {
        let digits = rest.get(..3)?;
        let closed = rest.get(3..4) == Some(")");
        digits.parse::<u16>().ok().filter(|_| closed)
    });
    if let Some(cause) = status.and_then(Cause::of_status) {
        return Some(cause);
    }
    SENTENCES
        .iter()
        .find(|(words, _)| words.iter().all(|word| text.contains(word)))
        .map(|(_, cause)| *cause)
}

/// Words that stand together in a sentence, the more telling first.
const SENTENCES: &[(&[&str], Cause)] = &[
    (&["proxyerror"], Cause::ProxyUnreachable),
    (&["cannot connect to proxy"], Cause::ProxyUnreachable),
    (&["temporary failure in name resolution"], Cause::DnsFailed),
    (&["name", "not be resolved"], Cause::NoSuchHost),
    (&["name", "couldn't be resolved"], Cause::NoSuchHost),
    (&["name or service not known"], Cause::NoSuchHost),
    (&["nodename nor servname"], Cause::NoSuchHost),
    (&["getaddrinfo failed"], Cause::NoSuchHost),
    (&["unknownhostexception"], Cause::NoSuchHost),
    (&["no such host is known"], Cause::NoSuchHost),
    (&["failed to resolve"], Cause::NoSuchHost),
    (&["certificate", "expired"], Cause::CertificateExpired),
    (&["date validation failed"], Cause::CertificateExpired),
    (
        &["certificate", "not yet valid"],
        Cause::CertificateNotYetValid,
    ),
    (&["certificate", "revoked"], Cause::CertificateRevoked),
    (&["hostname mismatch"], Cause::CertificateWrongName),
    (
        &["certificate", "name", "mismatch"],
        Cause::CertificateWrongName,
    ),
    (
        &["certificate name validation failed"],
        Cause::CertificateWrongName,
    ),
    (
        &["certificate", "doesn't match"],
        Cause::CertificateWrongName,
    ),
    (
        &["certificate", "does not match"],
        Cause::CertificateWrongName,
    ),
    (
        &["certificate", "not valid for"],
        Cause::CertificateWrongName,
    ),
    (&["self-signed"], Cause::CertificateUntrusted),
    (&["self signed"], Cause::CertificateUntrusted),
    (&["unable to get local issuer"], Cause::CertificateUntrusted),
    (&["certification path"], Cause::CertificateUntrusted),
    (&["trust relationship"], Cause::CertificateUntrusted),
    (&["trust validation failed"], Cause::CertificateUntrusted),
    (
        &["certificate", "chain", "couldn't"],
        Cause::CertificateUntrusted,
    ),
    (
        &["certificate", "chain", "could not"],
        Cause::CertificateUntrusted,
    ),
    (&["ssl certificate", "failed"], Cause::CertificateBroken),
    (&["certificate verify failed"], Cause::CertificateBroken),
    (&["actively refused"], Cause::Refused),
    (&["connection refused"], Cause::Refused),
    (&["connect timeout"], Cause::ConnectTimeout),
    (&["connection", "timed out"], Cause::ConnectTimeout),
    (&["blocked, not listening"], Cause::CannotConnect),
    (&["unable to connect"], Cause::CannotConnect),
    (&["no route to host"], Cause::Unreachable),
    (&["network is unreachable"], Cause::Unreachable),
    (&["timed out"], Cause::TimeLimit),
    (&["timeout"], Cause::TimeLimit),
    (&["connection", "reset"], Cause::Reset),
    (&["forcibly closed"], Cause::Reset),
    (&["connection was closed"], Cause::Reset),
    (&["remote end closed"], Cause::Reset),
    (&["connection aborted"], Cause::Reset),
    (&["too many redirects"], Cause::RedirectLimit),
    (&["exceeded", "redirects"], Cause::RedirectLimit),
    (&["sslerror"], Cause::TlsFailed),
    (&["sslhandshakeexception"], Cause::TlsFailed),
    (&["ssl/tls secure channel"], Cause::TlsFailed),
    (&["secure channel"], Cause::TlsFailed),
    // Microsoft's analyzer, of an attempt as a whole.
    (&["autodiscover", "failed"], Cause::NothingFound),
];

fn chromium(name: &str) -> Option<Cause> {
    Some(match name {
        "ERR_NAME_NOT_RESOLVED" => Cause::NoSuchHost,
        "ERR_CONNECTION_REFUSED" => Cause::Refused,
        "ERR_CONNECTION_TIMED_OUT" => Cause::ConnectTimeout,
        "ERR_TIMED_OUT" => Cause::TimeLimit,
        "ERR_CONNECTION_RESET"
        | "ERR_CONNECTION_CLOSED"
        | "ERR_CONNECTION_ABORTED"
        | "ERR_EMPTY_RESPONSE" => Cause::Reset,
        "ERR_ADDRESS_UNREACHABLE" | "ERR_INTERNET_DISCONNECTED" => Cause::Unreachable,
        "ERR_CERT_DATE_INVALID" => Cause::CertificateExpired,
        "ERR_CERT_COMMON_NAME_INVALID" => Cause::CertificateWrongName,
        "ERR_CERT_AUTHORITY_INVALID" => Cause::CertificateUntrusted,
        "ERR_SSL_CLIENT_AUTH_CERT_NEEDED" | "ERR_BAD_SSL_CLIENT_AUTH_CERT" => {
            Cause::ClientCertificate
        }
        "ERR_SSL_OBSOLETE_VERSION" => Cause::TlsTooOld,
        "ERR_INVALID_HTTP_RESPONSE" => Cause::NotHttp,
        "ERR_CONTENT_LENGTH_MISMATCH" | "ERR_INCOMPLETE_CHUNKED_ENCODING" => Cause::AnswerCut,
        "ERR_TOO_MANY_REDIRECTS" => Cause::RedirectLimit,
        "ERR_CONTENT_DECODING_FAILED" => Cause::AnswerEncoding,
        name if name.starts_with("ERR_CERT_") => Cause::CertificateBroken,
        name if name.starts_with("ERR_SSL_") => Cause::TlsFailed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_windows_is_told_with_its_meaning() {
        assert_eq!(
            words("GetLastError=12029"),
            "GetLastError=12029 (ERROR_INTERNET_CANNOT_CONNECT: the attempt to connect to the server failed)"
        );
        assert!(words("0x80072F19").contains("SEC_CERT_REV_FAILED"));
        assert_eq!(words("net::ERR_FAILED"), "net::ERR_FAILED");
    }

    #[test]
    fn recorders_words_are_understood_and_others_decide_nothing() {
        for (text, expected) in [
            (
                "net::ERR_CERT_DATE_INVALID",
                Some(Cause::CertificateExpired),
            ),
            ("net::ERR_CERT_WEAK_KEY", Some(Cause::CertificateBroken)),
            ("net::ERR_ABORTED", None),
            ("GetLastError=12175", Some(Cause::TlsFailed)),
            ("GetLastError=0", None),
            ("0x80072EE7", Some(Cause::NoSuchHost)),
            ("0x800C8203", Some(Cause::OtherFault)),
            ("0x8004010F", None),
            ("GetLastError=12029", Some(Cause::CannotConnect)),
            ("0x800B0109", Some(Cause::CertificateUntrusted)),
            ("0x80072F19", Some(Cause::RevocationUnknown)),
            (
                "The remote server returned an error: (503) Server Unavailable.",
                Some(Cause::Busy),
            ),
            (
                "The remote name could not be resolved: 'autodiscover.contoso.com'",
                Some(Cause::NoSuchHost),
            ),
            (
                "The host name couldn\u{2019}t be resolved.",
                Some(Cause::NoSuchHost),
            ),
            (
                "java.net.UnknownHostException: autodiscover.contoso.com",
                Some(Cause::NoSuchHost),
            ),
            (
                "The specified port is either blocked, not listening, or not producing the expected response.",
                Some(Cause::CannotConnect),
            ),
            (
                "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired'))",
                Some(Cause::CertificateExpired),
            ),
            (
                "No connection could be made because the target machine actively refused it",
                Some(Cause::Refused),
            ),
            ("something else (see above)", None),
            ("0xZZ", None),
            (
                "automend:certificate-expired: in 2024",
                Some(Cause::CertificateExpired),
            ),
            ("automend:", None),
            ("the dog ate it", None),
        ] {
            assert_eq!(cause(text), expected, "{text}");
        }
    }
}
