//! Why there was no response, in the words of those who record: Chromium's network errors, WinINet's
//! numbers, Outlook's HRESULTs, and the codes of this program.
//!
//! Invariant: a word that is not known decides nothing.

use automend_core::verdict::Cause;

/// What a log says of an attempt that gave settings.
pub(crate) const SUCCEEDED: &str = "0x00000000";
/// How this program writes a [`Cause`] into a recording.
pub(crate) const OURS: &str = "automend:";

/// The cause that a recorder's word stands for.
pub(crate) fn cause(text: &str) -> Option<Cause> {
    if let Some(code) = text.strip_prefix(OURS) {
        return Cause::parse(code.split([' ', ':']).next()?);
    }
    if let Some(number) = text.strip_prefix("GetLastError=") {
        return wininet(number.trim().parse().ok()?);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return hresult(u32::from_str_radix(digits, 16).ok()?);
    }
    chromium(text.strip_prefix("net::")?)
}

/// `ERROR_INTERNET_…`, 12000 and up.
fn wininet(number: u32) -> Option<Cause> {
    Some(match number {
        12002 => Cause::TimeLimit,
        12007 => Cause::NoSuchHost,
        12029 => Cause::Unreachable,
        12030 | 12031 => Cause::Reset,
        12037 => Cause::CertificateExpired,
        12038 => Cause::CertificateWrongName,
        12044 => Cause::ClientCertificate,
        12045 => Cause::CertificateUntrusted,
        12152 => Cause::NotHttp,
        12157 | 12175 => Cause::TlsFailed,
        12169 | 12170 => Cause::CertificateBroken,
        _ => return None,
    })
}

fn hresult(code: u32) -> Option<Cause> {
    match code {
        // The answer was an error, or nothing that Outlook could use.
        0x800C_8203 => Some(Cause::OtherFault),
        // HRESULT_FROM_WIN32.
        _ if code >> 16 == 0x8007 => wininet(code & 0xffff),
        _ => None,
    }
}

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
