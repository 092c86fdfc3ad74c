//! Error numbers of Windows, as its programs write them into their logs: `WinINet`, `WinHTTP`, sockets,
//! TLS (`SEC_E_…`) and certificates (`CERT_E_…`, `CRYPT_E_…`).
//!
//! Meanings: "WinINet error messages", "WinHTTP error messages", "Windows Sockets error codes" and "COM error
//! codes (security)" of Microsoft's documentation. `WinINet` and `WinHTTP` share their numbers; the one that
//! means something else in each, 12175, has both meanings here.
//!
//! Invariant: a number that tells nothing of the server or the way to it has a name and no cause.

use automend_core::verdict::Cause;

/// A number of Windows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Meaning {
    /// Microsoft's constant.
    pub name: &'static str,
    /// What it means.
    pub what: &'static str,
    /// What the exchange comes to; `None` where the number does not tell.
    pub cause: Option<Cause>,
}

/// The meaning of a number of `GetLastError`.
pub(super) fn error(number: u32) -> Option<Meaning> {
    find(ERRORS, number)
}

/// The meaning of an HRESULT: an error number in a wrapping (`HRESULT_FROM_WIN32`), or one of security.
pub(super) fn hresult(code: u32) -> Option<Meaning> {
    if code >> 16 == 0x8007 {
        error(code & 0xffff)
    } else {
        find(SECURITY, code)
    }
}

type Row = (u32, &'static str, &'static str, Option<Cause>);

fn find(table: &[Row], number: u32) -> Option<Meaning> {
    let at = table
        .binary_search_by_key(&number, |(number, ..)| *number)
        .ok()?;
    let (_, name, what, cause) = table.get(at)?;
    Some(Meaning {
        name,
        what,
        cause: *cause,
    })
}

/// In the order of the numbers.
#[rustfmt::skip] // A row a line.
const ERRORS: &[Row] = &[
    (53, "ERROR_BAD_NETPATH", "the network path was not found", Some(Cause::NoSuchHost)),
    (64, "ERROR_NETNAME_DELETED", "the network name is no longer available", Some(Cause::Reset)),
    (121, "ERROR_SEM_TIMEOUT", "the time limit of the system has passed", Some(Cause::TimeLimit)),
    (1225, "ERROR_CONNECTION_REFUSED", "the remote computer refused the connection", Some(Cause::Refused)),
    (1231, "ERROR_NETWORK_UNREACHABLE", "the network cannot be reached", Some(Cause::Unreachable)),
    (1232, "ERROR_HOST_UNREACHABLE", "the host cannot be reached", Some(Cause::Unreachable)),
    (1236, "ERROR_CONNECTION_ABORTED", "the connection was ended by the local system", Some(Cause::Reset)),
    (1326, "ERROR_LOGON_FAILURE", "user name or password are wrong", Some(Cause::LoginRejected)),
    (1460, "ERROR_TIMEOUT", "the operation did not end in time", Some(Cause::TimeLimit)),
    (1907, "ERROR_PASSWORD_MUST_CHANGE", "the password has to be changed before the first login", Some(Cause::LoginRejected)),
    (1909, "ERROR_ACCOUNT_LOCKED_OUT", "the account is locked", Some(Cause::LoginRejected)),
    (9003, "DNS_ERROR_RCODE_NAME_ERROR", "the DNS name does not exist", Some(Cause::NoSuchHost)),
    (9501, "DNS_INFO_NO_RECORDS", "DNS has no such record", Some(Cause::NoAddress)),
    (10051, "WSAENETUNREACH", "the network cannot be reached", Some(Cause::Unreachable)),
    (10053, "WSAECONNABORTED", "the connection was ended by the local computer", Some(Cause::Reset)),
    (10054, "WSAECONNRESET", "the connection was ended by the server", Some(Cause::Reset)),
    (10060, "WSAETIMEDOUT", "the connection did not come about in time", Some(Cause::ConnectTimeout)),
    (10061, "WSAECONNREFUSED", "the connection was refused", Some(Cause::Refused)),
    (10064, "WSAEHOSTDOWN", "the host is down", Some(Cause::Unreachable)),
    (10065, "WSAEHOSTUNREACH", "there is no way to the host", Some(Cause::Unreachable)),
    (11001, "WSAHOST_NOT_FOUND", "there is no such host", Some(Cause::NoSuchHost)),
    (11002, "WSATRY_AGAIN", "the DNS server failed", Some(Cause::DnsFailed)),
    (11003, "WSANO_RECOVERY", "the DNS server failed", Some(Cause::DnsFailed)),
    (11004, "WSANO_DATA", "the name has no address", Some(Cause::NoAddress)),
    (12001, "ERROR_INTERNET_OUT_OF_HANDLES", "there are no more handles", None),
    (12002, "ERROR_INTERNET_TIMEOUT", "the request was not answered in time", Some(Cause::TimeLimit)),
    (12003, "ERROR_INTERNET_EXTENDED_ERROR", "the server gave an error of its own", None),
    (12004, "ERROR_INTERNET_INTERNAL_ERROR", "the client failed inside", None),
    (12005, "ERROR_INTERNET_INVALID_URL", "the URL is not valid", Some(Cause::RedirectBroken)),
    (12006, "ERROR_INTERNET_UNRECOGNIZED_SCHEME", "the scheme of the URL is not known", Some(Cause::RedirectBroken)),
    (12007, "ERROR_INTERNET_NAME_NOT_RESOLVED", "the name of the server could not be resolved", Some(Cause::NoSuchHost)),
    (12008, "ERROR_INTERNET_PROTOCOL_NOT_FOUND", "the protocol is not known", None),
    (12009, "ERROR_INTERNET_INVALID_OPTION", "an option of the client is not valid", None),
    (12010, "ERROR_INTERNET_BAD_OPTION_LENGTH", "an option of the client has the wrong length", None),
    (12011, "ERROR_INTERNET_OPTION_NOT_SETTABLE", "an option of the client cannot be set", None),
    (12012, "ERROR_INTERNET_SHUTDOWN", "the client is shutting down", None),
    (12013, "ERROR_INTERNET_INCORRECT_USER_NAME", "the user name is wrong", Some(Cause::LoginRejected)),
    (12014, "ERROR_INTERNET_INCORRECT_PASSWORD", "the password is wrong", Some(Cause::LoginRejected)),
    (12015, "ERROR_INTERNET_LOGIN_FAILURE", "the login failed", Some(Cause::LoginRejected)),
    (12016, "ERROR_INTERNET_INVALID_OPERATION", "the operation is not valid", None),
    (12017, "ERROR_INTERNET_OPERATION_CANCELLED", "the client gave the operation up", None),
    (12018, "ERROR_INTERNET_INCORRECT_HANDLE_TYPE", "a handle has the wrong type", None),
    (12019, "ERROR_INTERNET_INCORRECT_HANDLE_STATE", "a handle is in the wrong state", None),
    (12020, "ERROR_INTERNET_NOT_PROXY_REQUEST", "the request cannot go through a proxy", None),
    (12021, "ERROR_INTERNET_REGISTRY_VALUE_NOT_FOUND", "a value is missing in the client's registry", None),
    (12022, "ERROR_INTERNET_BAD_REGISTRY_PARAMETER", "a value in the client's registry is wrong", None),
    (12023, "ERROR_INTERNET_NO_DIRECT_ACCESS", "there is no network without a proxy", Some(Cause::Unreachable)),
    (12024, "ERROR_INTERNET_NO_CONTEXT", "the client failed inside", None),
    (12025, "ERROR_INTERNET_NO_CALLBACK", "the client failed inside", None),
    (12026, "ERROR_INTERNET_REQUEST_PENDING", "another request has to end first", None),
    (12027, "ERROR_INTERNET_INCORRECT_FORMAT", "the request has the wrong form", None),
    (12028, "ERROR_INTERNET_ITEM_NOT_FOUND", "the item was not found", None),
    (12029, "ERROR_INTERNET_CANNOT_CONNECT", "the attempt to connect to the server failed", Some(Cause::CannotConnect)),
    (12030, "ERROR_INTERNET_CONNECTION_ABORTED", "the connection with the server was ended", Some(Cause::Reset)),
    (12031, "ERROR_INTERNET_CONNECTION_RESET", "the connection with the server was reset", Some(Cause::Reset)),
    (12032, "ERROR_INTERNET_FORCE_RETRY", "the request has to be made again", None),
    (12033, "ERROR_INTERNET_INVALID_PROXY_REQUEST", "the request to the proxy is not valid", None),
    (12034, "ERROR_INTERNET_NEED_UI", "the user has to be asked", None),
    (12036, "ERROR_INTERNET_HANDLE_EXISTS", "the handle exists already", None),
    (12037, "ERROR_INTERNET_SEC_CERT_DATE_INVALID", "the certificate is not valid at this date; as a rule it has expired", Some(Cause::CertificateExpired)),
    (12038, "ERROR_INTERNET_SEC_CERT_CN_INVALID", "the certificate is for another host name", Some(Cause::CertificateWrongName)),
    (12039, "ERROR_INTERNET_HTTP_TO_HTTPS_ON_REDIR", "a redirect leads from HTTP to HTTPS", None),
    (12040, "ERROR_INTERNET_HTTPS_TO_HTTP_ON_REDIR", "a redirect leads from HTTPS to HTTP", Some(Cause::RedirectPlain)),
    (12041, "ERROR_INTERNET_MIXED_SECURITY", "a part of the content is not secure", None),
    (12042, "ERROR_INTERNET_CHG_POST_IS_NON_SECURE", "the request would be sent without encryption", Some(Cause::RedirectPlain)),
    (12043, "ERROR_INTERNET_POST_IS_NON_SECURE", "the request would be sent without encryption", Some(Cause::RedirectPlain)),
    (12044, "ERROR_INTERNET_CLIENT_AUTH_CERT_NEEDED", "the server wants a certificate of the client", Some(Cause::ClientCertificate)),
    (12045, "ERROR_INTERNET_INVALID_CA", "the authority that signed the certificate is not trusted", Some(Cause::CertificateUntrusted)),
    (12046, "ERROR_INTERNET_CLIENT_AUTH_NOT_SETUP", "certificates of the client are not set up", Some(Cause::ClientCertificate)),
    (12047, "ERROR_INTERNET_ASYNC_THREAD_FAILED", "the client failed inside", None),
    (12048, "ERROR_INTERNET_REDIRECT_SCHEME_CHANGE", "a redirect leads to another protocol", Some(Cause::RedirectPlain)),
    (12049, "ERROR_INTERNET_DIALOG_PENDING", "the user is being asked for a password", None),
    (12050, "ERROR_INTERNET_RETRY_DIALOG", "the user has to be asked again", None),
    (12052, "ERROR_INTERNET_HTTPS_HTTP_SUBMIT_REDIR", "a redirect would send the request without encryption", Some(Cause::RedirectPlain)),
    (12053, "ERROR_INTERNET_INSERT_CDROM", "the content is on another medium", None),
    (12054, "ERROR_INTERNET_FORTEZZA_LOGIN_NEEDED", "the resource wants a login with Fortezza", Some(Cause::LoginNoScheme)),
    (12055, "ERROR_INTERNET_SEC_CERT_ERRORS", "the certificate has errors", Some(Cause::CertificateBroken)),
    (12056, "ERROR_INTERNET_SEC_CERT_NO_REV", "the certificate was not checked for revocation", Some(Cause::RevocationUnknown)),
    (12057, "ERROR_INTERNET_SEC_CERT_REV_FAILED", "the certificate could not be checked for revocation, because the revocation server was offline", Some(Cause::RevocationUnknown)),
    (12100, "ERROR_WINHTTP_CANNOT_CALL_BEFORE_OPEN", "the client failed inside", None),
    (12101, "ERROR_WINHTTP_CANNOT_CALL_BEFORE_SEND", "the client failed inside", None),
    (12102, "ERROR_WINHTTP_CANNOT_CALL_AFTER_SEND", "the client failed inside", None),
    (12103, "ERROR_WINHTTP_CANNOT_CALL_AFTER_OPEN", "the client failed inside", None),
    (12150, "ERROR_HTTP_HEADER_NOT_FOUND", "a header that was asked for is not there", None),
    (12151, "ERROR_HTTP_DOWNLEVEL_SERVER", "the server sent no headers", Some(Cause::NotHttp)),
    (12152, "ERROR_HTTP_INVALID_SERVER_RESPONSE", "the response of the server could not be read", Some(Cause::NotHttp)),
    (12153, "ERROR_HTTP_INVALID_HEADER", "a header is not valid", Some(Cause::NotHttp)),
    (12154, "ERROR_HTTP_INVALID_QUERY_REQUEST", "the request is not valid", None),
    (12155, "ERROR_HTTP_HEADER_ALREADY_EXISTS", "the header is there already", None),
    (12156, "ERROR_HTTP_REDIRECT_FAILED", "the redirect failed: it leads to another protocol, or there were too many", Some(Cause::RedirectBroken)),
    (12157, "ERROR_INTERNET_SECURITY_CHANNEL_ERROR", "no secure channel came about", Some(Cause::TlsFailed)),
    (12158, "ERROR_INTERNET_UNABLE_TO_CACHE_FILE", "the file could not be kept", None),
    (12159, "ERROR_INTERNET_TCPIP_NOT_INSTALLED", "the client has no TCP/IP", Some(Cause::Unreachable)),
    (12160, "ERROR_HTTP_NOT_REDIRECTED", "the request was not redirected", Some(Cause::NoRedirect)),
    (12161, "ERROR_HTTP_COOKIE_NEEDS_CONFIRMATION", "a cookie has to be confirmed", None),
    (12162, "ERROR_HTTP_COOKIE_DECLINED", "a cookie was declined", None),
    (12163, "ERROR_INTERNET_DISCONNECTED", "the client has lost its network", Some(Cause::Unreachable)),
    (12164, "ERROR_INTERNET_SERVER_UNREACHABLE", "the server cannot be reached", Some(Cause::Unreachable)),
    (12165, "ERROR_INTERNET_PROXY_SERVER_UNREACHABLE", "the proxy cannot be reached", Some(Cause::ProxyUnreachable)),
    (12166, "ERROR_INTERNET_BAD_AUTO_PROXY_SCRIPT", "the script that chooses the proxy has an error", Some(Cause::ProxyUnreachable)),
    (12167, "ERROR_INTERNET_UNABLE_TO_DOWNLOAD_SCRIPT", "the script that chooses the proxy could not be got", Some(Cause::ProxyUnreachable)),
    (12168, "ERROR_HTTP_REDIRECT_NEEDS_CONFIRMATION", "the user has to confirm the redirect", Some(Cause::ConsentNeeded)),
    (12169, "ERROR_INTERNET_SEC_INVALID_CERT", "the certificate is not valid", Some(Cause::CertificateBroken)),
    (12170, "ERROR_INTERNET_SEC_CERT_REVOKED", "the certificate was revoked", Some(Cause::CertificateRevoked)),
    (12171, "ERROR_INTERNET_FAILED_DUETOSECURITYCHECK", "a security check of the client failed", None),
    (12172, "ERROR_INTERNET_NOT_INITIALIZED", "the client failed inside", None),
    (12173, "ERROR_INTERNET_NEED_MSN_SSPI_PKG", "the client has no package for logins", Some(Cause::LoginNoScheme)),
    (12174, "ERROR_INTERNET_LOGIN_FAILURE_DISPLAY_ENTITY_BODY", "the login failed", Some(Cause::LoginRejected)),
    (12175, "ERROR_WINHTTP_SECURE_FAILURE", "the certificate of the server has errors, or no TLS came about (in WinINet: the body could not be decoded)", Some(Cause::TlsFailed)),
    (12176, "ERROR_WINHTTP_UNHANDLED_SCRIPT_TYPE", "the script that chooses the proxy is of an unknown type", Some(Cause::ProxyUnreachable)),
    (12177, "ERROR_WINHTTP_SCRIPT_EXECUTION_ERROR", "the script that chooses the proxy failed", Some(Cause::ProxyUnreachable)),
    (12178, "ERROR_WINHTTP_AUTO_PROXY_SERVICE_ERROR", "the proxy could not be chosen", Some(Cause::ProxyUnreachable)),
    (12179, "ERROR_WINHTTP_SECURE_CERT_WRONG_USAGE", "the certificate was not made for servers", Some(Cause::CertificateBroken)),
    (12180, "ERROR_WINHTTP_AUTODETECTION_FAILED", "no script that chooses a proxy was found", None),
    (12181, "ERROR_WINHTTP_HEADER_COUNT_EXCEEDED", "the response has too many headers", Some(Cause::NotHttp)),
    (12182, "ERROR_WINHTTP_HEADER_SIZE_OVERFLOW", "the headers of the response are too large", Some(Cause::NotHttp)),
    (12183, "ERROR_WINHTTP_CHUNKED_ENCODING_HEADER_SIZE_OVERFLOW", "a chunk of the response has an overflow", Some(Cause::NotHttp)),
    (12184, "ERROR_WINHTTP_RESPONSE_DRAIN_OVERFLOW", "the response is larger than the client reads", Some(Cause::AnswerTooLarge)),
    (12185, "ERROR_WINHTTP_CLIENT_CERT_NO_PRIVATE_KEY", "the certificate of the client has no private key", Some(Cause::ClientCertificate)),
    (12186, "ERROR_WINHTTP_CLIENT_CERT_NO_ACCESS_PRIVATE_KEY", "the client may not use the private key of its certificate", Some(Cause::ClientCertificate)),
    (12187, "ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED_PROXY", "the proxy wants a certificate of the client", Some(Cause::ProxyLogin)),
    (12188, "ERROR_WINHTTP_SECURE_FAILURE_PROXY", "no TLS with the proxy came about", Some(Cause::ProxyUnreachable)),
];

/// In the order of the codes.
#[rustfmt::skip] // A row a line.
const SECURITY: &[Row] = &[
    (0x8009_0308, "SEC_E_INVALID_TOKEN", "a message of TLS or of a login could not be read", Some(Cause::TlsFailed)),
    (0x8009_030C, "SEC_E_LOGON_DENIED", "the login was rejected", Some(Cause::LoginRejected)),
    (0x8009_030E, "SEC_E_NO_CREDENTIALS", "the client has no credentials for the login", Some(Cause::LoginFailed)),
    (0x8009_0322, "SEC_E_WRONG_PRINCIPAL", "the certificate is for another host name", Some(Cause::CertificateWrongName)),
    (0x8009_0325, "SEC_E_UNTRUSTED_ROOT", "the authority that signed the certificate is not trusted", Some(Cause::CertificateUntrusted)),
    (0x8009_0326, "SEC_E_ILLEGAL_MESSAGE", "a message of TLS is not valid", Some(Cause::TlsFailed)),
    (0x8009_0327, "SEC_E_CERT_UNKNOWN", "the certificate could not be checked", Some(Cause::CertificateBroken)),
    (0x8009_0328, "SEC_E_CERT_EXPIRED", "the certificate has expired", Some(Cause::CertificateExpired)),
    (0x8009_0331, "SEC_E_ALGORITHM_MISMATCH", "client and server have no encryption in common", Some(Cause::TlsFailed)),
    (0x8009_2010, "CRYPT_E_REVOKED", "the certificate was revoked", Some(Cause::CertificateRevoked)),
    (0x8009_2012, "CRYPT_E_NO_REVOCATION_CHECK", "the certificate could not be checked for revocation", Some(Cause::RevocationUnknown)),
    (0x8009_2013, "CRYPT_E_REVOCATION_OFFLINE", "the revocation server was offline", Some(Cause::RevocationUnknown)),
    (0x800B_0101, "CERT_E_EXPIRED", "the certificate is not valid at this date", Some(Cause::CertificateExpired)),
    (0x800B_0109, "CERT_E_UNTRUSTEDROOT", "the authority that signed the certificate is not trusted", Some(Cause::CertificateUntrusted)),
    (0x800B_010A, "CERT_E_CHAINING", "the chain of certificates has a gap", Some(Cause::CertificateUntrusted)),
    (0x800B_010C, "CERT_E_REVOKED", "the certificate was revoked", Some(Cause::CertificateRevoked)),
    (0x800B_010E, "CERT_E_REVOCATION_FAILURE", "the certificate could not be checked for revocation", Some(Cause::RevocationUnknown)),
    (0x800B_010F, "CERT_E_CN_NO_MATCH", "the certificate is for another host name", Some(Cause::CertificateWrongName)),
    (0x800B_0110, "CERT_E_WRONG_USAGE", "the certificate was not made for servers", Some(Cause::CertificateBroken)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order_and_name_each_number_once() {
        for table in [ERRORS, SECURITY] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (number, name, what, _) in table {
                assert!(!what.is_empty() && !what.ends_with('.'), "{number}");
                assert!(name.bytes().all(|byte| byte.is_ascii_uppercase()
                    || byte.is_ascii_digit()
                    || byte == b'_'));
            }
        }
    }

    #[test]
    fn numbers_mean_what_microsoft_says() {
        for (number, expected) in [
            (12002, Some("time-limit")),
            (12007, Some("no-such-host")),
            (12029, Some("cannot-connect")),
            (12030, Some("connection-lost")),
            (12037, Some("certificate-expired")),
            (12038, Some("certificate-wrong-name")),
            (12044, Some("client-certificate-wanted")),
            (12045, Some("certificate-untrusted")),
            (12057, Some("certificate-revocation-unknown")),
            (12152, Some("not-http")),
            (12170, Some("certificate-revoked")),
            (12175, Some("tls-failed")),
            (12017, None),
        ] {
            let meaning = error(number).unwrap();
            assert_eq!(meaning.cause.map(Cause::code), expected, "{number}");
            assert_eq!(hresult(0x8007_0000 | number), Some(meaning));
        }
        assert_eq!(error(0), None);
        assert_eq!(error(12035), None);
        assert_eq!(hresult(0x8004_010F), None);
        assert_eq!(hresult(0x800B_0109).unwrap().name, "CERT_E_UNTRUSTEDROOT");
    }
}
