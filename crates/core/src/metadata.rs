//! When a mailbox was taken from an object: the blob of `replPropertyMetaData`.
//!
//! [MS-DRSR] 5.162 `PROPERTY_META_DATA_VECTOR_V1`: a version, a reserved word, a count, a reserved
//! word, then 48 bytes an attribute: ATTRTYP, version, time, invocation id, two USNs; little-endian.
//! Removed attributes keep their row, so the row tells when the removal was written.

use crate::entry::Entry;

/// ATTRTYP of `legacyExchangeDN`: prefix 9 of the base table, 655 ([MS-DRSR] 5.16.4).
const LEGACY_EXCHANGE_DN: u32 = 0x0009_028f;
/// ATTRTYP of `homeMDB`: prefix 2, 244.
const HOME_MDB: u32 = 0x0002_00f4;
/// Seconds between 1601 and 1970.
const EPOCH: i64 = 11_644_473_600;

/// Seconds since 1970 at which the first of `legacyExchangeDN` and `homeMDB` was removed.
///
/// `None` when neither was removed, or the blob is of another version or cut off.
pub fn mailbox_removed(blob: &[u8], entry: &Entry) -> Option<i64> {
    let absent = |attribute| match attribute {
        LEGACY_EXCHANGE_DN => entry.legacy_dn.is_none(),
        HOME_MDB => entry.home_mdb.is_none(),
        _ => false,
    };
    let (head, rows) = blob.split_at_checked(16)?;
    if word(head, 0)? != 1 {
        return None;
    }
    let count = usize::try_from(word(head, 8)?).ok()?;
    rows.chunks_exact(48)
        .take(count)
        .filter(|row| word(row, 0).is_some_and(absent))
        .filter_map(|row| {
            let seconds = u64::from(word(row, 8)?) | u64::from(word(row, 12)?) << 32;
            i64::try_from(seconds).ok()?.checked_sub(EPOCH)
        })
        .min()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dn::Dn;

    fn row(attribute: u32, seconds_since_1970: i64) -> Vec<u8> {
        let mut row = attribute.to_le_bytes().to_vec();
        row.extend(2u32.to_le_bytes());
        row.extend((seconds_since_1970 + EPOCH).to_le_bytes());
        row.resize(48, 0);
        row
    }

    #[test]
    fn the_row_of_a_removed_attribute_tells_when() {
        let mut blob = [1u32, 0, 3, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<_>>();
        blob.extend(row(0x0003, 5));
        blob.extend(row(HOME_MDB, 1_000_000));
        blob.extend(row(LEGACY_EXCHANGE_DN, 1_000_007));
        let gone = Entry::bare(Dn::parse("CN=Jim").unwrap());
        assert_eq!(mailbox_removed(&blob, &gone), Some(1_000_000));
        let half = Entry {
            home_mdb: Some(Dn::parse("CN=DB").unwrap()),
            ..gone.clone()
        };
        assert_eq!(mailbox_removed(&blob, &half), Some(1_000_007));
        for length in 0..16 + 48 {
            assert_eq!(mailbox_removed(&blob[..length], &gone), None);
        }
    }
}
