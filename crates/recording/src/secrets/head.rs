//! Headers: which are secret, and what of a login may be told.
//!
//! Invariant: of a login nothing comes out that would log in, nor what a challenge expects in return.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::known::{REMOVED, Secrets, is_scheme};
use super::names::{is_secret, url};

/// Headers whose whole value is secret.
const HEADERS: [&str; 4] = ["cookie", "set-cookie", "x-owa-canary", "x-csrf-token"];
/// Headers of which the scheme may be told.
const LOGINS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
];

/// How much of a login stays when secrets are removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Logins {
    /// The scheme of a challenge, as `NTLM (removed)`; of credentials nothing.
    Scheme,
    /// The scheme of challenges and credentials, the number of a message of NTLM (`NTLM (removed, message 3)`), and
    /// what a challenge without a token asks for.
    Stage,
}

/// The value of a header, as it may be written.
pub(super) fn value(name: &str, value: &str, known: &Secrets, logins: Logins) -> String {
    let name = name.to_ascii_lowercase();
    if LOGINS.contains(&name.as_str()) {
        let told = match logins {
            Logins::Scheme => scheme(&name, value),
            Logins::Stage => stage(value),
        };
        return known.without(&told).into_owned();
    }
    if HEADERS.contains(&name.as_str()) || (is_secret(&name) && !value.starts_with("urn:")) {
        return REMOVED.to_owned();
    }
    if matches!(
        name.as_str(),
        "location" | "content-location" | "referer" | "refresh"
    ) {
        return known.clean(value, url);
    }
    known.without(value).into_owned()
}

/// `NTLM TlRMTVNTUAACAAAA…` becomes `NTLM (removed)`; of what is no challenge nothing is kept.
fn scheme(name: &str, value: &str) -> String {
    let value = value.trim();
    match value.split_once(' ') {
        Some((scheme, _)) if name.ends_with("authenticate") => format!("{scheme} {REMOVED}"),
        None if name.ends_with("authenticate") && is_scheme(value) => value.to_owned(),
        _ => REMOVED.to_owned(),
    }
}

/// `NTLM TlRMTVNTUAADAAAA…` becomes `NTLM (removed, message 3)`. A challenge without a token stays.
fn stage(value: &str) -> String {
    let Some((scheme, rest)) = value.trim().split_once(' ') else {
        // One word alone: a scheme, or a token that does not have one.
        return if is_scheme(value) {
            value.trim().to_owned()
        } else {
            REMOVED.to_owned()
        };
    };
    let rest = rest.trim();
    // `Basic realm="x"`, `Bearer client_id="x", trusted_issuers="y"`, and several schemes in one line.
    let names = rest
        .split(',')
        .all(|part| match part.trim().split_once('=') {
            Some((name, value)) => is_parameter(name.trim()) && value.trim().starts_with('"'),
            None => is_scheme(part),
        });
    if names && !rest.contains("response=") && !scheme.eq_ignore_ascii_case("digest") {
        return value.trim().to_owned();
    }
    let bytes = STANDARD.decode(rest).unwrap_or_default();
    match bytes.strip_prefix(b"NTLMSSP\0") {
        Some([kind @ 1..=3, ..]) => format!("{scheme} (removed, message {kind})"),
        _ => format!("{scheme} {REMOVED}"),
    }
}

fn is_parameter(name: &str) -> bool {
    let name = name.rsplit(' ').next().unwrap_or(name);
    let known = [
        "realm",
        "client_id",
        "trusted_issuers",
        "authorization_uri",
        "token_types",
        "charset",
        "error",
        "scope",
        "resource_metadata",
    ];
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_login_its_scheme_and_stage_stay() {
        for (value, expected) in [
            ("Basic YWxpY2U6c2VjcmV0", "Basic (removed)"),
            ("NTLM TlRMTVNTUAADAAAAGAAYAA==", "NTLM (removed, message 3)"),
            (
                "Negotiate YIIGhgYGKwYBBQUCoIIGejCCBnag",
                "Negotiate (removed)",
            ),
            ("Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Bearer (removed)"),
            (
                "Digest username=\"alice\", response=\"6629fae4\"",
                "Digest (removed)",
            ),
            ("NTLM", "NTLM"),
            ("Bearer abcdefgh", "Bearer (removed)"),
            (
                "Basic realm=\"mail.contoso.com\"",
                "Basic realm=\"mail.contoso.com\"",
            ),
            ("Negotiate, NTLM", "Negotiate, NTLM"),
            (
                "Bearer client_id=\"1\", trusted_issuers=\"2@*\", token_types=\"x\"",
                "Bearer client_id=\"1\", trusted_issuers=\"2@*\", token_types=\"x\"",
            ),
            ("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "(removed)"),
        ] {
            assert_eq!(stage(value), expected);
        }
    }

    #[test]
    fn of_what_logs_in_only_the_scheme_is_shown() {
        let secrets = Secrets::default();
        for (name, given, shown) in [
            ("www-authenticate", "NTLM TlRMTVNTUAAC", "NTLM (removed)"),
            ("www-authenticate", "Negotiate", "Negotiate"),
            ("www-authenticate", "Basic realm=\"x\"", "Basic (removed)"),
            ("www-authenticate", "TlRMTVNTUAAC", "(removed)"),
            ("authorization", "NTLM TlRMTVNTUAAD", "(removed)"),
            ("set-cookie", "session=1; Path=/", "(removed)"),
            ("server", "IIS", "IIS"),
        ] {
            assert_eq!(value(name, given, &secrets, Logins::Scheme), shown);
        }
    }
}
