//! NTLM version 2 ([MS-NLMP]), both sides. Version 1 and anonymous logins are never accepted and never
//! offered: version 1 can be broken in a day.
//!
//! A login is three messages: the client says hello (type 1), the server challenges it (type 2), and the
//! client proves that it knows the NT hash of the password (type 3). Nothing is signed or sealed
//! afterwards, as HTTP has no use for it.
//!
//! Invariant: a proof is checked by the NT response itself, and a message integrity code besides where the
//! client says that there is one.

mod client;
mod message;
mod server;

use md4::{Digest as _, Md4};
use zeroize::Zeroizing;

use crate::md5::hmac_md5;

pub use client::{Client, Hello};
pub use message::is_ntlm;
pub use server::{Authenticate, Challenge, Names};

/// Flags ([MS-NLMP] 2.2.2.5).
mod flag {
    pub(super) const UNICODE: u32 = 0x1;
    pub(super) const OEM: u32 = 0x2;
    pub(super) const REQUEST_TARGET: u32 = 0x4;
    pub(super) const SIGN: u32 = 0x10;
    pub(super) const NTLM: u32 = 0x200;
    pub(super) const ANONYMOUS: u32 = 0x800;
    pub(super) const ALWAYS_SIGN: u32 = 0x8000;
    pub(super) const TARGET_TYPE_DOMAIN: u32 = 0x1_0000;
    pub(super) const EXTENDED_SECURITY: u32 = 0x8_0000;
    pub(super) const TARGET_INFO: u32 = 0x80_0000;
    pub(super) const VERSION: u32 = 0x200_0000;
    pub(super) const BITS_128: u32 = 0x2000_0000;
    pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
    pub(super) const BITS_56: u32 = 0x8000_0000;
}

/// `NTOWFv1`: MD4 of the password in UTF-16LE ([MS-NLMP] 3.3.1).
pub fn nt_hash(password: &str) -> Zeroizing<[u8; 16]> {
    let mut hashing = Md4::new();
    for unit in password.encode_utf16() {
        hashing.update(unit.to_le_bytes());
    }
    Zeroizing::new(hashing.finalize().into())
}

/// `NTOWFv2`: the key that a user's responses are made with ([MS-NLMP] 3.3.2).
fn response_key(nt_hash: &[u8; 16], upper_user: &str, domain: &str) -> Zeroizing<[u8; 16]> {
    let text = format!("{upper_user}{domain}");
    hmac_md5(nt_hash, &[&utf16(&text)])
}

/// A name in capitals as Windows makes them: one character for one character.
fn upper(name: &str) -> String {
    name.chars()
        .map(|c| {
            let mut capitals = c.to_uppercase();
            match (capitals.next(), capitals.next()) {
                (Some(capital), None) => capital,
                _ => c,
            }
        })
        .collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [MS-NLMP] 4.2.
    #[test]
    fn the_keys_are_those_of_the_specification() {
        assert_eq!(
            *nt_hash("Password"),
            [
                0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca, 0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f,
                0xd8, 0x52
            ]
        );
        assert_eq!(
            *response_key(&nt_hash("Password"), &upper("User"), "Domain"),
            [
                0x0c, 0x86, 0x8a, 0x40, 0x3b, 0xfd, 0x7a, 0x93, 0xa3, 0x00, 0x1e, 0xf2, 0x2e, 0xf0,
                0x2e, 0x3f
            ]
        );
    }

    #[test]
    fn capitals_are_made_one_by_one() {
        assert_eq!(upper("jürgen.groß@c.test"), "JÜRGEN.GROß@C.TEST");
    }
}
