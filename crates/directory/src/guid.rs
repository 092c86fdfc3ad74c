//! objectGUID as text ([MS-DTYP] 2.3.4).

/// The usual text of an objectGUID: its first three fields are little endian ([MS-DTYP] 2.3.4).
pub fn guid_text(guid: &[u8; 16]) -> String {
    uuid::Uuid::from_bytes_le(*guid).to_string()
}
