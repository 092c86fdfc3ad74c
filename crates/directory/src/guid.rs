//! objectGUID as text: its first three fields are little endian ([MS-DTYP] 2.3.4).
//!
//! Invariant: the order of the bytes is turned here and nowhere else.

use uuid::Uuid;

/// The usual text of an objectGUID.
pub fn guid_text(guid: &[u8; 16]) -> String {
    Uuid::from_bytes_le(*guid).to_string()
}

/// A GUID for a new object, or for a mailbox.
pub fn random() -> [u8; 16] {
    Uuid::new_v4().to_bytes_le()
}

/// Dashed text has little endian fields, 32 hexadecimal digits are the bytes in their order.
pub(crate) fn parse(text: &str) -> Option<[u8; 16]> {
    let guid = Uuid::try_parse(text).ok()?;
    match text.len() {
        36 => Some(guid.to_bytes_le()),
        32 => Some(guid.into_bytes()),
        _ => None,
    }
}

/// An objectGUID in bytes, or as the text that some tools print instead.
pub(crate) fn of_value(value: &[u8]) -> Option<[u8; 16]> {
    if let Ok(bytes) = value.try_into() {
        return Some(bytes);
    }
    let text = std::str::from_utf8(value).ok()?;
    Uuid::try_parse(text).ok().map(|guid| guid.to_bytes_le())
}
