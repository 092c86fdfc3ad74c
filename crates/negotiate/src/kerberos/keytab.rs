//! Keytabs: keys of services or users in a file (MIT krb5 `doc/formats/keytab_file_format.rst`, version 2).
//!
//! Invariant: what can't be read is passed over with its entry, and no key is printed.

use std::fmt;

use super::fields::Reader;
use super::{Encryption, Key, Principal};
use crate::Malformed;

/// The keys.
#[derive(Clone, Default)]
pub struct Keytab {
    entries: Vec<Entry>,
}

/// One key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose it is.
    pub principal: Principal,
    /// Which of its keys, counted up with each change of the password.
    pub version: u32,
    /// The key.
    pub key: Key,
}

/// Most entries of a file.
const MOST: usize = 4096;
/// Largest file.
const LONGEST: usize = 4 << 20;

impl Keytab {
    /// Reads a file. Keys of encryption types that aren't spoken here are left out.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > LONGEST {
            return Err(Malformed("a keytab of more than 4 MiB"));
        }
        let mut rest = bytes
            .strip_prefix(&[5, 2])
            .ok_or(Malformed("not a keytab of version 2"))?;
        let mut entries = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let size = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
            let (entry, behind) = behind
                .split_at_checked(size)
                .ok_or(Malformed("a keytab is cut off"))?;
            rest = behind;
            if length == 0 {
                break;
            }
            // A hole, where a key was.
            if length < 0 {
                continue;
            }
            entries.extend(Entry::read(entry));
            if entries.len() > MOST {
                return Err(Malformed("too many keys in a keytab"));
            }
        }
        Ok(Self { entries })
    }

    /// Every key.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The keys of one principal; the realm counts only where both say one.
    pub fn of(&self, principal: &Principal) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            entry.principal.is_named_like(principal)
                && (principal.realm.is_empty()
                    || entry.principal.realm.eq_ignore_ascii_case(&principal.realm))
        })
    }
}

impl Entry {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = Reader(bytes);
        let count = at.u16()?;
        let realm = at.short_text()?;
        let name = (0..count.min(16))
            .map(|_| at.short_text())
            .collect::<Option<Vec<_>>>()?;
        let kind = i64::from(at.u32()?);
        at.u32()?;
        let short = at.take(1)?;
        let encryption = Encryption::numbered(i64::from(at.u16()?))?;
        let length = usize::from(at.u16()?);
        let key = Key::new(encryption, at.take(length)?)?;
        // Newer files have a longer version behind, unless it is 0.
        let version = match at.u32() {
            Some(version) if version != 0 => version,
            _ => u32::from(*short.first()?),
        };
        Some(Self {
            principal: Principal { kind, name, realm },
            version,
            key,
        })
    }
}

impl Reader<'_> {
    fn short_text(&mut self) -> Option<String> {
        let length = usize::from(self.u16()?);
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

impl fmt::Debug for Keytab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries.iter().map(|entry| {
            format!(
                "{} {} {}",
                entry.principal, entry.version, entry.key.encryption
            )
        });
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file with these entries.
    pub(crate) fn write(entries: &[(&Principal, u32, &Key)]) -> Vec<u8> {
        let mut out = vec![5, 2];
        for (principal, version, key) in entries {
            let mut entry = Vec::new();
            let text = |entry: &mut Vec<u8>, text: &str| {
                entry.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
                entry.extend_from_slice(text.as_bytes());
            };
            let count = u16::try_from(principal.name.len()).unwrap();
            entry.extend_from_slice(&count.to_be_bytes());
            text(&mut entry, &principal.realm);
            for part in &principal.name {
                text(&mut entry, part);
            }
            entry.extend_from_slice(&u32::try_from(principal.kind).unwrap().to_be_bytes());
            entry.extend_from_slice(&[0, 0, 0, 0]);
            entry.push(version.to_be_bytes()[3]);
            let number = u16::try_from(key.encryption.number()).unwrap();
            entry.extend_from_slice(&number.to_be_bytes());
            let length = u16::try_from(key.bytes.len()).unwrap();
            entry.extend_from_slice(&length.to_be_bytes());
            entry.extend_from_slice(&key.bytes);
            entry.extend_from_slice(&version.to_be_bytes());
            out.extend_from_slice(&u32::try_from(entry.len()).unwrap().to_be_bytes());
            out.extend_from_slice(&entry);
        }
        out
    }

    #[test]
    fn keys_are_found_by_their_owners_name() {
        let service = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
        let key = Key::random(Encryption::Aes256Sha1).unwrap();
        let mut file = write(&[(&service, 300, &key)]);
        // A hole, and a key of a type that is no longer used.
        file.extend_from_slice(&(-3i32).to_be_bytes());
        file.extend_from_slice(&[9; 3]);
        let keytab = Keytab::read(&file).unwrap();
        let asked = Principal::service("http", "MAIL.contoso.test", "");
        let found: Vec<_> = keytab.of(&asked).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].version, 300);
        assert_eq!(found[0].key, key);
        assert!(keytab.of(&Principal::user("jim", "")).next().is_none());
        let shown = format!("{keytab:?}");
        assert_eq!(
            shown,
            "[\"HTTP/mail.contoso.test@CONTOSO.TEST 300 aes256-cts-hmac-sha1-96\"]"
        );
        assert!(Keytab::read(&file[..20]).is_err());
        assert!(Keytab::read(b"\x05\x01").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Keytab::read(&[&[5, 2], bytes.as_slice()].concat());
        }
    }
}
