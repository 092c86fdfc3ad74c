//! Passwords: what is kept of them, and whether one that is offered is right.
//!
//! Schemes of `userPassword` as OpenLDAP writes them (RFC 2307 5.3, slappasswd(8)): salted SHA-1 and
//! SHA-2, Argon2 (RFC 9106) as a PHC string. A password in clear becomes Argon2id on its way in.
//! `unicodePwd` as a client writes it ([MS-ADTS] 3.1.1.3.1.5): the password in quotes, UTF-16LE.
//!
//! Invariant: a password is never stored, printed or given out again, only compared. What can't be kept
//! as a salted hash is not kept. The one exception has to be asked for: the NT hash, which has no salt
//! and without which there is no NTLM ([MS-NLMP] 3.3.2). Every copy of a password or an NT hash is wiped.

use std::fmt;
use std::hash::Hasher;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use md4::{Digest as _, Md4};
use zeroize::Zeroizing;

use crate::codec::{Cursor, put_bytes, put_number};
use crate::error::{Error, LONGEST, MOST, Unusable};

/// Memory of one Argon2id computation here, in KiB; with [`PASSES`] the least that OWASP advises.
pub(crate) const MEMORY_KIB: u32 = 7 * 1024;
/// Passes over that memory.
pub(crate) const PASSES: u32 = 5;
/// A foreign Argon2 hash that wants more memory than this, in KiB, is not kept: it would be a way to
/// fill this machine's.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
/// The same for passes, times memory in KiB.
const MOST_WORK: u64 = 8 * MOST_MEMORY_KIB as u64;
/// The same for lanes.
const MOST_LANES: u32 = 16;

/// Longest salt, in bytes.
const LONGEST_SALT: usize = 256;

/// Layout of [`Passwords::encode`].
const VERSION: u8 = 1;

/// What is kept of one object's passwords.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Passwords {
    hashes: Vec<Hash>,
    nt: Option<Zeroizing<[u8; 16]>>,
}

/// A salted hash.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) enum Hash {
    /// Hash of password and salt.
    Sha {
        algorithm: Sha,
        digest: Vec<u8>,
        salt: Vec<u8>,
    },
    /// RFC 9106.
    Argon2 {
        cost: Cost,
        digest: Vec<u8>,
        salt: Vec<u8>,
    },
}

/// How an Argon2 hash is computed.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Cost {
    /// 0 for Argon2d, 1 for Argon2i, 2 for Argon2id.
    algorithm: u8,
    version: u32,
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// What this program's own hashes cost.
    const OWN: Self = Self {
        algorithm: 2,
        version: 0x13,
        memory: MEMORY_KIB,
        passes: PASSES,
        lanes: 1,
    };

    fn compute(self, password: &[u8], salt: &[u8], length: usize) -> Option<Vec<u8>> {
        let algorithm = match self.algorithm {
            0 => Algorithm::Argon2d,
            1 => Algorithm::Argon2i,
            _ => Algorithm::Argon2id,
        };
        let version = Version::try_from(self.version).ok()?;
        let params = Params::new(self.memory, self.passes, self.lanes, Some(length)).ok()?;
        let mut out = vec![0; length];
        Argon2::new(algorithm, version, params)
            .hash_password_into(password, salt, &mut out)
            .ok()?;
        Some(out)
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Sha {
    One,
    Two256,
    Two384,
    Two512,
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

/// What a password in clear is kept as.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClearAs {
    /// Argon2id, which takes 7 MiB and about 30 ms to compute, here and for whoever steals the file.
    #[default]
    Argon2id,
    /// Salted SHA-512, which takes a microsecond: for generated directories of a million users.
    SaltedSha512,
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

impl Sha {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::One => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Two256 => &digest::SHA256,
            Self::Two384 => &digest::SHA384,
            Self::Two512 => &digest::SHA512,
        }
    }

    fn compute(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        let mut hashing = digest::Context::new(self.algorithm());
        hashing.update(password);
        hashing.update(salt);
        hashing.finish().as_ref().to_vec()
    }

    fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two256 => 2,
            Self::Two384 => 3,
            Self::Two512 => 4,
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        [Self::One, Self::Two256, Self::Two384, Self::Two512]
            .into_iter()
            .find(|sha| sha.number() == number)
    }
}

impl Hash {
    /// A new hash of a password.
    fn of(password: &[u8], clear: ClearAs) -> Result<Self, Unusable> {
        let mut salt = vec![0; 16];
        rand::fill(&mut salt).map_err(|_| Unusable::Broken)?;
        Ok(match clear {
            ClearAs::Argon2id => {
                let digest = Cost::OWN.compute(password, &salt, 32);
                Self::Argon2 {
                    cost: Cost::OWN,
                    digest: digest.ok_or(Unusable::Broken)?,
                    salt,
                }
            }
            ClearAs::SaltedSha512 => Self::Sha {
                algorithm: Sha::Two512,
                digest: Sha::Two512.compute(password, &salt),
                salt,
            },
        })
    }

    fn matches(&self, password: &[u8]) -> bool {
        let kept = match self {
            Self::Sha { digest, .. } | Self::Argon2 { digest, .. } => digest,
        };
        self.compute(password)
            .is_some_and(|offered| equal(&offered, kept))
    }

    fn compute(&self, password: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Sha {
                algorithm, salt, ..
            } => Some(algorithm.compute(password, salt)),
            Self::Argon2 { cost, digest, salt } => cost.compute(password, salt, digest.len()),
        }
    }

    /// `$argon2id$v=19$m=65536,t=2,p=1$salt$hash`, as the PHC string format has it.
    fn argon2(text: &str) -> Result<Self, Unusable> {
        let mut parts = text.strip_prefix('$').ok_or(Unusable::Broken)?.split('$');
        let mut next = || parts.next().ok_or(Unusable::Broken);
        let algorithm = match next()? {
            "argon2d" => 0,
            "argon2i" => 1,
            "argon2id" => 2,
            _ => return Err(Unusable::Scheme),
        };
        let mut settings = next()?;
        let mut version = 0x10;
        if let Some(number) = settings.strip_prefix("v=") {
            version = number.parse().map_err(|_| Unusable::Broken)?;
            settings = next()?;
        }
        let (mut memory, mut passes, mut lanes) = (None, None, None);
        for setting in settings.split(',') {
            let (name, number) = setting.split_once('=').ok_or(Unusable::Broken)?;
            let slot = match name {
                "m" => &mut memory,
                "t" => &mut passes,
                "p" => &mut lanes,
                // A key or associated bytes that aren't here.
                _ => return Err(Unusable::Scheme),
            };
            *slot = Some(number.parse::<u32>().map_err(|_| Unusable::Broken)?);
        }
        let (Some(memory), Some(passes), Some(lanes)) = (memory, passes, lanes) else {
            return Err(Unusable::Broken);
        };
        if memory > MOST_MEMORY_KIB
            || u64::from(memory).saturating_mul(u64::from(passes)) > MOST_WORK
            || lanes > MOST_LANES
        {
            return Err(Unusable::Costly);
        }
        let bytes = |text: &str| {
            STANDARD_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| Unusable::Broken)
        };
        let cost = Cost {
            algorithm,
            version,
            memory,
            passes,
            lanes,
        };
        let (salt, digest) = (bytes(next()?)?, bytes(next()?)?);
        // What can't be computed is known now, and not at a login.
        if !(16..=64).contains(&digest.len())
            || !(argon2::MIN_SALT_LEN..=LONGEST_SALT).contains(&salt.len())
            || Version::try_from(version).is_err()
            || Params::new(memory, passes, lanes, Some(digest.len())).is_err()
            || parts.next().is_some()
        {
            return Err(Unusable::Broken);
        }
        Ok(Self::Argon2 { cost, digest, salt })
    }
}

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

fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}
