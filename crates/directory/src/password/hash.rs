//! Salted hashes of passwords: SHA-1 and SHA-2 as slappasswd(8) makes them, Argon2 (RFC 9106).
//!
//! Invariant: a hash that would take this machine's memory or time is not kept, and one that is kept can
//! be computed.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::error::Unusable;

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
pub(super) const LONGEST_SALT: usize = 256;

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
    pub(super) algorithm: u8,
    pub(super) version: u32,
    pub(super) memory: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
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

    pub(super) fn compute(self, password: &[u8], salt: &[u8], length: usize) -> Option<Vec<u8>> {
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

impl Sha {
    pub(super) fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::One => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Two256 => &digest::SHA256,
            Self::Two384 => &digest::SHA384,
            Self::Two512 => &digest::SHA512,
        }
    }

    pub(super) fn compute(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        let mut hashing = digest::Context::new(self.algorithm());
        hashing.update(password);
        hashing.update(salt);
        hashing.finish().as_ref().to_vec()
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two256 => 2,
            Self::Two384 => 3,
            Self::Two512 => 4,
        }
    }

    pub(super) fn numbered(number: u8) -> Option<Self> {
        [Self::One, Self::Two256, Self::Two384, Self::Two512]
            .into_iter()
            .find(|sha| sha.number() == number)
    }
}

impl Hash {
    /// A new hash of a password.
    pub(super) fn of(password: &[u8], clear: ClearAs) -> Result<Self, Unusable> {
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

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let kept = match self {
            Self::Sha { digest, .. } | Self::Argon2 { digest, .. } => digest,
        };
        self.compute(password)
            .is_some_and(|offered| equal(&offered, kept))
    }

    pub(super) fn compute(&self, password: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Sha {
                algorithm, salt, ..
            } => Some(algorithm.compute(password, salt)),
            Self::Argon2 { cost, digest, salt } => cost.compute(password, salt, digest.len()),
        }
    }

    /// `$argon2id$v=19$m=65536,t=2,p=1$salt$hash`, as the PHC string format has it.
    pub(super) fn argon2(text: &str) -> Result<Self, Unusable> {
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

/// What a password in clear is kept as.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClearAs {
    /// Argon2id, which takes 7 MiB and about 30 ms to compute, here and for a thief of the file.
    #[default]
    Argon2id,
    /// Salted SHA-512, which takes a microsecond: for generated directories of a million users.
    SaltedSha512,
}

pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}
