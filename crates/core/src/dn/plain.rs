//! The short way to the normal form of a name, which nearly every name can take.
//!
//! Invariant: where it gives a normal form, it is the one that the long way gives.

/// Ends an RDN in the normal form; escaping keeps it out of values.
pub(super) const RDN_END: u8 = 0;
/// Parts the values of an RDN in the normal form; escaping keeps it out of values.
pub(super) const AVA_END: u8 = 1;

/// Longest plain name, in bytes.
pub(super) const PLAIN: usize = 320;

/// The normal form of a plain name: ASCII, no escape, no OID, no odd space. Nearly every name is plain,
/// and its normal form is its own lower-case text with the separators replaced.
pub(super) fn plain_key<'b>(text: &str, buffer: &'b mut [u8; PLAIN]) -> Option<&'b [u8]> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Some(&[]);
    }
    let key = buffer.get_mut(..=bytes.len())?;
    let (copy, end) = key.split_at_mut(bytes.len());
    copy.copy_from_slice(bytes);
    copy.make_ascii_lowercase();
    let (mut rdn, mut value) = (0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        match CLASSES
            .get(usize::from(byte))
            .copied()
            .unwrap_or(Class::Odd)
        {
            Class::Value => {}
            Class::Equals => {
                let kind = bytes.get(rdn..at)?;
                if value > rdn || kind.is_empty() || !kind.iter().all(u8::is_ascii_alphabetic) {
                    return None;
                }
                value = at + 1;
            }
            Class::Comma => {
                if value <= rdn || value == at {
                    return None;
                }
                rdn = at + 1;
                *copy.get_mut(at)? = RDN_END;
            }
            Class::Space => {
                // None that would be dropped: beside a separator, beside another, at an end.
                let drops = |other: Option<&u8>| matches!(other, None | Some(b' ' | b',' | b'='));
                if drops(bytes.get(at.checked_sub(1)?)) || drops(bytes.get(at + 1)) {
                    return None;
                }
            }
            Class::Odd => return None,
        }
    }
    if value <= rdn || value == bytes.len() {
        return None;
    }
    end.fill(RDN_END);
    Some(key)
}

/// What a byte is to [`plain_key`].
#[derive(Clone, Copy)]
enum Class {
    Value,
    Space,
    Comma,
    Equals,
    Odd,
}

#[expect(
    clippy::indexing_slicing,
    reason = "a constant is computed by the compiler, which would see it panic"
)]
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Odd; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        classes[byte as usize] = match byte {
            b' ' => Class::Space,
            b',' => Class::Comma,
            b'=' => Class::Equals,
            b'\\' | b'"' | b'+' | b'#' => Class::Odd,
            _ => Class::Value,
        };
        byte += 1;
    }
    classes
};
