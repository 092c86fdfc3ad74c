//! Passwords: what is kept of them, and whether one that is offered is right.
//!
//! Schemes of `userPassword` as OpenLDAP writes them (RFC 2307 5.3, slappasswd(8)): salted SHA-1 and
//! SHA-2, Argon2 (RFC 9106) as a PHC string. A password in clear becomes Argon2id on its way in.
//! `unicodePwd` as a client writes it ([MS-ADTS] 3.1.1.3.1.5): the password in quotes, UTF-16LE.
//!
//! Invariant: a password is never stored, printed or given out again, only compared. What can't be kept
//! as a salted hash is not kept. The one exception has to be asked for: the NT hash, which has no salt
//! and without which there is no NTLM ([MS-NLMP] 3.3.2). Every copy of a password or an NT hash is wiped.

mod hash;

use std::fmt;
use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md4::{Digest as _, Md4};
use zeroize::Zeroizing;

pub use hash::ClearAs;

use hash::{Cost, Hash, LONGEST_SALT, Sha, equal};

use crate::codec::{Cursor, put_bytes, put_number};
use crate::error::{Error, LONGEST, MOST, Unusable};

/// Layout of [`Passwords::encode`].
const VERSION: u8 = 1;

/// What is kept of one object's passwords.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Passwords {
    hashes: Vec<Hash>,
    nt: Option<Zeroizing<[u8; 16]>>,
}

/// Whether something kept makes NTLM possible.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NtHash {
    /// Nothing.
    #[default]
    Dropped,
    /// The NT hash is kept beside the salted one.
    Kept,
}

/// How passwords are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keeping {
    pub nt: NtHash,
    pub clear: ClearAs,
}

/// A value of a password attribute, read.
pub(crate) enum Given {
    /// The password itself.
    Clear(Zeroizing<Vec<u8>>),
    /// A salted hash.
    Hashed(Hash),
    /// The NT hash and nothing else.
    Nt(Zeroizing<[u8; 16]>),
}

/// An attribute whose values are never stored and never shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Secret {
    /// `userPassword`.
    User,
    /// `unicodePwd`.
    Unicode,
    /// What no login here needs.
    Other,
}

/// Attributes that hold passwords, keys or their hashes, in lower case; where [MS-ADTS] 3.1.1.4.4 hides
/// them, a dump of a database may still have them.
const SECRETS: &[(&str, Secret)] = &[
    ("userpassword", Secret::User),
    ("2.5.4.35", Secret::User),
    ("unicodepwd", Secret::Unicode),
    ("1.2.840.113556.1.4.90", Secret::Unicode),
    ("authpassword", Secret::Other),
    ("currentvalue", Secret::Other),
    ("priorvalue", Secret::Other),
    ("dbcspwd", Secret::Other),
    ("initialauthincoming", Secret::Other),
    ("initialauthoutgoing", Secret::Other),
    ("krbprincipalkey", Secret::Other),
    ("lmpwdhistory", Secret::Other),
    ("ms-mcs-admpwd", Secret::Other),
    ("msds-executescriptpassword", Secret::Other),
    ("msds-managedpassword", Secret::Other),
    ("mslaps-encrypteddsrmpassword", Secret::Other),
    ("mslaps-encrypteddsrmpasswordhistory", Secret::Other),
    ("mslaps-encryptedpassword", Secret::Other),
    ("mslaps-encryptedpasswordhistory", Secret::Other),
    ("mslaps-password", Secret::Other),
    ("ntpwdhistory", Secret::Other),
    ("olcrootpw", Secret::Other),
    ("pwdhistory", Secret::Other),
    ("sambalmpassword", Secret::Other),
    ("sambantpassword", Secret::Other),
    ("sambapasswordhistory", Secret::Other),
    ("supplementalcredentials", Secret::Other),
    ("trustauthincoming", Secret::Other),
    ("trustauthoutgoing", Secret::Other),
    ("unixuserpassword", Secret::Other),
    ("userpkcs12", Secret::Other),
];

/// Whether an attribute is one whose values are never stored as they are; options count for nothing.
pub(crate) fn secret(name: &str) -> Option<Secret> {
    let name = name.split(';').next().unwrap_or(name);
    SECRETS
        .iter()
        .find(|(secret, _)| secret.eq_ignore_ascii_case(name))
        .map(|(_, secret)| *secret)
}

impl Passwords {
    /// Whether `password` is one of them. Costs the same whether it is or not.
    pub fn matches(&self, password: &[u8]) -> bool {
        let mut found = false;
        if password.is_empty() || password.len() > LONGEST {
            return false;
        }
        for hash in &self.hashes {
            found |= hash.matches(password);
        }
        if self.hashes.is_empty()
            && let Some(nt) = &self.nt
        {
            let offered = std::str::from_utf8(password).map(nt_hash);
            found |= offered.is_ok_and(|offered| equal(&*offered, &**nt));
        }
        found
    }

    /// The NT hash, where it was asked for.
    pub fn nt_hash(&self) -> Option<&[u8; 16]> {
        self.nt.as_deref()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty() && self.nt.is_none()
    }

    /// Keeps the values of a password attribute.
    pub(crate) fn add(&mut self, secret: Secret, values: &[Vec<u8>]) -> Result<(), Unusable> {
        for value in values {
            match Given::read(secret, value)? {
                Some(Given::Clear(password)) => self.keep_clear(&password, Keeping::default())?,
                Some(given) => self.keep(given, Keeping::default())?,
                None => {}
            }
        }
        Ok(())
    }

    /// Keeps one more, which is no password in clear.
    pub(crate) fn keep(&mut self, given: Given, keeping: Keeping) -> Result<(), Unusable> {
        match given {
            Given::Clear(password) => return self.keep_clear(&password, keeping),
            Given::Hashed(hash) => self.push(hash)?,
            Given::Nt(hash) if hash == nt_hash("") => return Err(Unusable::Length),
            Given::Nt(hash) if keeping.nt == NtHash::Kept => self.nt = Some(hash),
            Given::Nt(_) => return Err(Unusable::NtHash),
        }
        Ok(())
    }

    /// Keeps a password in clear, as a hash.
    pub(crate) fn keep_clear(&mut self, password: &[u8], keeping: Keeping) -> Result<(), Unusable> {
        self.push(Hash::of(password, keeping.clear)?)?;
        if keeping.nt == NtHash::Kept
            && let Ok(text) = std::str::from_utf8(password)
        {
            self.nt = Some(nt_hash(text));
        }
        Ok(())
    }

    fn push(&mut self, hash: Hash) -> Result<(), Unusable> {
        if self.hashes.len() >= MOST {
            return Err(Unusable::TooMany);
        }
        self.hashes.push(hash);
        Ok(())
    }

    /// Drops what is the same as `given`; says whether there was such a one.
    pub(crate) fn drop_same(&mut self, given: &Given) -> bool {
        let before = self.hashes.len();
        match given {
            Given::Clear(password) => self.hashes.retain(|hash| !hash.matches(password)),
            Given::Hashed(hash) => self.hashes.retain(|other| other != hash),
            Given::Nt(_) => {}
        }
        let found = self.hashes.len() < before;
        if self.hashes.is_empty() && found {
            self.nt = None;
        }
        found
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // As large as it will be, so that no half of it is left behind where it was before it grew.
        let mut out = Zeroizing::new(Vec::with_capacity(self.longest()));
        out.extend([VERSION, u8::from(self.nt.is_some())]);
        out.extend_from_slice(self.nt.as_ref().map_or(&[], |nt| nt.as_slice()));
        put_number(&mut out, self.hashes.len() as u64);
        for hash in &self.hashes {
            match hash {
                Hash::Sha {
                    algorithm,
                    digest,
                    salt,
                } => {
                    out.push(algorithm.number());
                    put_bytes(&mut out, digest);
                    put_bytes(&mut out, salt);
                }
                Hash::Argon2 { cost, digest, salt } => {
                    out.push(ARGON2 | cost.algorithm);
                    for number in [cost.version, cost.memory, cost.passes, cost.lanes] {
                        put_number(&mut out, u64::from(number));
                    }
                    put_bytes(&mut out, digest);
                    put_bytes(&mut out, salt);
                }
            }
        }
        out
    }

    /// What [`Passwords::encode`] takes at most: every number of a hash is shorter than ten bytes.
    fn longest(&self) -> usize {
        let of_hash = |hash: &Hash| match hash {
            Hash::Sha { digest, salt, .. } | Hash::Argon2 { digest, salt, .. } => {
                digest.len() + salt.len() + 64
            }
        };
        32 + self.hashes.iter().map(of_hash).sum::<usize>()
    }

    pub(crate) fn decode(id: u64, bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).ok_or_else(|| Error::Damaged {
            what: format!("the passwords of object {id} cannot be decoded"),
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = Cursor(bytes);
        if at.byte()? != VERSION {
            return None;
        }
        let nt = match at.byte()? {
            0 => None,
            1 => Some(Zeroizing::new(at.take(16)?.try_into().ok()?)),
            _ => return None,
        };
        let count = usize::try_from(at.number()?).ok().filter(|n| *n <= MOST)?;
        let mut hashes = Vec::with_capacity(count);
        for _ in 0..count {
            let kind = at.byte()?;
            hashes.push(if kind & ARGON2 == 0 {
                Hash::Sha {
                    algorithm: Sha::numbered(kind)?,
                    digest: at.bytes()?.to_vec(),
                    salt: at.bytes()?.to_vec(),
                }
            } else {
                let mut number = || u32::try_from(at.number()?).ok();
                let cost = Cost {
                    algorithm: kind & !ARGON2,
                    version: number()?,
                    memory: number()?,
                    passes: number()?,
                    lanes: number()?,
                };
                Hash::Argon2 {
                    cost,
                    digest: at.bytes()?.to_vec(),
                    salt: at.bytes()?.to_vec(),
                }
            });
        }
        at.0.is_empty().then_some(Self { hashes, nt })
    }
}

impl std::hash::Hash for Passwords {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hashes.hash(state);
        self.nt_hash().hash(state);
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

const ARGON2: u8 = 0x40;

impl Given {
    /// Reads a value; `None` for what no login needs.
    pub(crate) fn read(secret: Secret, value: &[u8]) -> Result<Option<Self>, Unusable> {
        match secret {
            Secret::User => Self::user_password(value).map(Some),
            Secret::Unicode => Self::unicode(value).map(Some),
            Secret::Other => Ok(None),
        }
    }

    /// Reads a value of `userPassword` (RFC 4519 2.41, RFC 2307 5.3).
    pub(crate) fn user_password(value: &[u8]) -> Result<Self, Unusable> {
        let schemed = value.strip_prefix(b"{").and_then(|rest| {
            let end = rest.iter().position(|byte| *byte == b'}')?;
            let (name, rest) = rest.split_at_checked(end)?;
            let name = std::str::from_utf8(name).ok()?;
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
            (!name.is_empty() && name.chars().all(plain)).then_some((name, rest.get(1..)?))
        });
        let Some((scheme, rest)) = schemed else {
            return Self::clear(value);
        };
        let sha = match scheme.to_ascii_uppercase().as_str() {
            "CLEARTEXT" => return Self::clear(rest),
            "ARGON2" | "ARGON2I" | "ARGON2ID" => {
                let text = std::str::from_utf8(rest).map_err(|_| Unusable::Broken)?;
                return Hash::argon2(text.trim_end()).map(Self::Hashed);
            }
            "SSHA" => Sha::One,
            "SSHA256" => Sha::Two256,
            "SSHA384" => Sha::Two384,
            "SSHA512" => Sha::Two512,
            "SHA" | "SHA256" | "SHA384" | "SHA512" | "MD5" => return Err(Unusable::Unsalted),
            _ => return Err(Unusable::Scheme),
        };
        let bytes = STANDARD
            .decode(rest.trim_ascii_end())
            .map_err(|_| Unusable::Broken)?;
        let (digest, salt) = bytes
            .split_at_checked(sha.algorithm().output_len())
            .ok_or(Unusable::Broken)?;
        if salt.is_empty() {
            return Err(Unusable::Unsalted);
        }
        if salt.len() > LONGEST_SALT {
            return Err(Unusable::Broken);
        }
        Ok(Self::Hashed(Hash::Sha {
            algorithm: sha,
            digest: digest.to_vec(),
            salt: salt.to_vec(),
        }))
    }

    /// Reads a value of `unicodePwd`: a password in quotes as a client writes it, or 16 bytes of NT hash
    /// as a dump of a database has it.
    pub(crate) fn unicode(value: &[u8]) -> Result<Self, Unusable> {
        let quoted = value
            .strip_prefix(b"\"\0")
            .and_then(|rest| rest.strip_suffix(b"\"\0"))
            .filter(|inner| inner.len() % 2 == 0);
        if let Some(inner) = quoted {
            let units = inner.chunks_exact(2).filter_map(|pair| match pair {
                [low, high] => Some(u16::from_le_bytes([*low, *high])),
                _ => None,
            });
            let text: Result<String, _> = char::decode_utf16(units).collect();
            let text = Zeroizing::new(text.map_err(|_| Unusable::Broken)?);
            return Self::clear(text.as_bytes());
        }
        let hash = value.try_into().map_err(|_| Unusable::Broken)?;
        Ok(Self::Nt(Zeroizing::new(hash)))
    }

    fn clear(password: &[u8]) -> Result<Self, Unusable> {
        if password.is_empty() || password.len() > LONGEST {
            return Err(Unusable::Length);
        }
        Ok(Self::Clear(Zeroizing::new(password.to_vec())))
    }
}

/// `NTOWFv1`: MD4 of the password in UTF-16LE ([MS-NLMP] 3.3.1).
pub(crate) fn nt_hash(password: &str) -> Zeroizing<[u8; 16]> {
    let mut hashing = Md4::new();
    for unit in password.encode_utf16() {
        hashing.update(unit.to_le_bytes());
    }
    Zeroizing::new(hashing.finalize().into())
}
