//! HMAC-MD5 (RFC 2104), which AWS-LC has no more: NTLM's proofs and Kerberos' oldest encryption use it.
//!
//! MD5 is broken where an attacker chooses both messages, which is impossible here without the key.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// MD5 of all parts in a row.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hashing = Md5::new();
    for part in parts {
        hashing.update(part);
    }
    hashing.finalize().into()
}

/// HMAC-MD5 of all parts in a row. Often a key itself, so it is wiped.
pub(crate) fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    // A key is filled up to a block of the hash (RFC 2104 2).
    let mut block = Zeroizing::new([0; 64]);
    if let Some(start) = block.first_chunk_mut() {
        *start = *key;
    }
    let mut mac = Hmac::<Md5>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 2, the cases whose keys have sixteen bytes.
    #[test]
    fn the_code_is_the_known_one() {
        assert_eq!(
            *hmac_md5(&[0x0b; 16], &[b"Hi ", b"There"]),
            [
                0x92, 0x94, 0x72, 0x7a, 0x36, 0x38, 0xbb, 0x1c, 0x13, 0xf4, 0x8e, 0xf8, 0x15, 0x8b,
                0xfc, 0x9d
            ]
        );
        assert_eq!(
            *hmac_md5(&[0xaa; 16], &[&[0xdd; 50]]),
            [
                0x56, 0xbe, 0x34, 0x52, 0x1d, 0x14, 0x4c, 0x88, 0xdb, 0xb8, 0xc7, 0x33, 0xf0, 0xe8,
                0xb3, 0xf6
            ]
        );
    }
}
