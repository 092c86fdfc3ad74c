//! The Basic scheme (RFC 7617): name and password in one header.
//!
//! Bytes that are not UTF-8 are taken for Latin-1, as browsers sent before RFC 7617 said otherwise.
//!
//! Invariant: whatever the bytes are, reading them gives credentials or nothing. A password has no NUL, behind
//! which some directory might not look.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Name and password as they were sent.
pub(super) struct Credentials {
    pub user: String,
    pub password: Zeroizing<String>,
}

/// Some clients leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads what stands behind `Basic`.
pub(super) fn read(token: &[u8]) -> Option<Credentials> {
    let bytes = Zeroizing::new(LENIENT.decode(token.trim_ascii()).ok()?);
    let text = Zeroizing::new(match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    });
    let (user, password) = text.split_once(':')?;
    if password.contains('\0') {
        return None;
    }
    Some(Credentials {
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    })
}

/// The challenge. `charset` tells clients to send UTF-8 (RFC 7617 2.1).
pub(super) fn challenge(realm: &str) -> String {
    let mut value = String::from("Basic realm=\"");
    for c in realm.chars() {
        match c {
            '"' | '\\' => value.extend(['\\', c]),
            ' '..='~' => value.push(c),
            _ => value.push('?'),
        }
    }
    value.push_str("\", charset=\"UTF-8\"");
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8]) -> Option<(String, String)> {
        let token = base64::engine::general_purpose::STANDARD.encode(bytes);
        let read = read(token.as_bytes())?;
        Some((read.user, read.password.to_string()))
    }

    #[test]
    fn name_ends_at_the_first_colon() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(check(b"jim@c.test:a:b"), pair("jim@c.test", "a:b"));
        assert_eq!(check(b":"), pair("", ""));
        assert_eq!(check("jim:grün".as_bytes()), pair("jim", "grün"));
        assert_eq!(check(b"jim:gr\xfcn"), pair("jim", "grün"));
        assert_eq!(check(b"jim"), None);
        assert_eq!(check(b"jim:right\0wrong"), None);
        assert!(read(b"amlt").is_none());
        assert!(read(b"amltOmE").is_some(), "padding left out");
        assert!(read(b"%%%%").is_none());
    }

    #[test]
    fn a_realm_can_not_leave_its_quotes() {
        assert_eq!(
            challenge("a\"b\\c\r\nd"),
            "Basic realm=\"a\\\"b\\\\c??d\", charset=\"UTF-8\""
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = check(&bytes);
        }
    }
}
