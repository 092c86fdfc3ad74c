//! The RC4 stream (draft-kaukonen-cipher-arcfour-03), which NTLM's session keys and Kerberos' oldest
//! encryption are made of. Nothing else here is encrypted with it.

use zeroize::Zeroizing;

/// Encrypts or decrypts in place, from the beginning of the stream.
pub(crate) fn apply(key: &[u8], bytes: &mut [u8]) {
    // As good as the key to its reader.
    let mut state: Zeroizing<[u8; 256]> =
        Zeroizing::new(std::array::from_fn(|n| n.to_le_bytes()[0]));
    let mut j = 0u8;
    for (i, byte) in (0..=255u8).zip(key.iter().cycle()) {
        j = j.wrapping_add(at(&state, i)).wrapping_add(*byte);
        state.swap(usize::from(i), usize::from(j));
    }
    let (mut i, mut j) = (0u8, 0u8);
    for byte in bytes {
        i = i.wrapping_add(1);
        j = j.wrapping_add(at(&state, i));
        state.swap(usize::from(i), usize::from(j));
        *byte ^= at(&state, at(&state, i).wrapping_add(at(&state, j)));
    }
}

/// A byte is always inside.
fn at(state: &[u8; 256], i: u8) -> u8 {
    state.get(usize::from(i)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6229 2, and the well-known pair of "Key" and "Plaintext".
    #[test]
    fn the_stream_is_the_known_one() {
        let mut bytes = *b"Plaintext";
        apply(b"Key", &mut bytes);
        assert_eq!(
            bytes,
            [0xbb, 0xf3, 0x16, 0xe8, 0xd9, 0x40, 0xaf, 0x0a, 0xd3]
        );
        let mut stream = [0; 8];
        apply(
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            &mut stream,
        );
        assert_eq!(stream, [0x9a, 0xc7, 0xcc, 0x9a, 0x60, 0x9d, 0x1e, 0xf7]);
    }
}
