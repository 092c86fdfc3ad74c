//! Encryption, checksums and keys out of passwords (RFC 3961; RFC 3962, RFC 8009, RFC 4757).
//!
//! AES, SHA and PBKDF2 are AWS-LC's; here is how Kerberos puts them together.
//!
//! Invariant: decryption gives a text only when its integrity code is right, compared in constant time.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptingKey, DecryptionContext, EncryptingKey,
    EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac, pbkdf2, rand};
use zeroize::Zeroizing;

use super::Key;
use crate::md5::{hmac_md5, md5};
use crate::{Failed, rc4};

/// An encryption type (IANA, Kerberos encryption type numbers).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Encryption {
    /// 20: aes256-cts-hmac-sha384-192.
    Aes256Sha2,
    /// 19: aes128-cts-hmac-sha256-128.
    Aes128Sha2,
    /// 18: aes256-cts-hmac-sha1-96.
    Aes256Sha1,
    /// 17: aes128-cts-hmac-sha1-96.
    Aes128Sha1,
    /// 23: rc4-hmac.
    Rc4,
}

/// What a key is used for (RFC 4120 7.5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Usage(pub(crate) u32);

impl Usage {
    pub(crate) const PREAUTH: Self = Self(1);
    pub(crate) const TICKET: Self = Self(2);
    pub(crate) const AS_REPLY: Self = Self(3);
    pub(crate) const TGS_CHECKSUM: Self = Self(6);
    pub(crate) const TGS_AUTHENTICATOR: Self = Self(7);
    pub(crate) const TGS_REPLY: Self = Self(8);
    pub(crate) const AUTHENTICATOR: Self = Self(11);
    pub(crate) const AP_REPLY: Self = Self(12);
}

const BLOCK: usize = 16;
/// More rounds than this are a server's way to keep a client busy; Active Directory asks for 4,096.
const MOST_ROUNDS: u32 = 1_000_000;

impl Encryption {
    /// Every type, the best first.
    pub const ALL: [Self; 5] = [
        Self::Aes256Sha2,
        Self::Aes128Sha2,
        Self::Aes256Sha1,
        Self::Aes128Sha1,
        Self::Rc4,
    ];

    /// Its number.
    pub fn number(self) -> i64 {
        match self {
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha2 => 19,
            Self::Aes256Sha2 => 20,
            Self::Rc4 => 23,
        }
    }

    /// The type with this number, if it is one of these.
    pub fn numbered(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|encryption| encryption.number() == number)
    }

    pub(crate) fn key_bytes(self) -> usize {
        match self {
            Self::Aes256Sha1 | Self::Aes256Sha2 => 32,
            Self::Aes128Sha1 | Self::Aes128Sha2 | Self::Rc4 => 16,
        }
    }

    /// The number of the checksum that goes with it (RFC 3961 8, RFC 8009 8.1, RFC 4757 7.2).
    pub(crate) fn checksum(self) -> i64 {
        match self {
            Self::Aes128Sha1 => 15,
            Self::Aes256Sha1 => 16,
            Self::Aes128Sha2 => 19,
            Self::Aes256Sha2 => 20,
            Self::Rc4 => -138,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Aes256Sha2 => hmac::HMAC_SHA384,
            Self::Aes128Sha2 => hmac::HMAC_SHA256,
            Self::Aes256Sha1 | Self::Aes128Sha1 | Self::Rc4 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        }
    }

    /// Length of the integrity code, and of its key where that is made by RFC 8009.
    fn code_bytes(self) -> usize {
        match self {
            Self::Aes256Sha1 | Self::Aes128Sha1 => 12,
            Self::Aes128Sha2 | Self::Rc4 => 16,
            Self::Aes256Sha2 => 24,
        }
    }

    /// In how many rounds a password makes a key, unless the key distribution centre says otherwise; 0 for RC4,
    /// which has none (RFC 3962 4, RFC 8009 4).
    pub(crate) fn usual_rounds(self) -> u32 {
        match self {
            Self::Aes256Sha2 | Self::Aes128Sha2 => 32_768,
            Self::Aes256Sha1 | Self::Aes128Sha1 => 4096,
            Self::Rc4 => 0,
        }
    }

    /// The key that a password makes (RFC 3962 4, RFC 8009 4, RFC 4757 4). `rounds` is what the key
    /// distribution centre says, if it does.
    pub(crate) fn key(self, password: &str, salt: &str, rounds: Option<u32>) -> Option<Key> {
        if self == Self::Rc4 {
            return Key::new(self, &*crate::ntlm::nt_hash(password));
        }
        let (algorithm, salt) = match self {
            Self::Aes256Sha2 => (
                pbkdf2::PBKDF2_HMAC_SHA384,
                [b"aes256-cts-hmac-sha384-192\0", salt.as_bytes()].concat(),
            ),
            Self::Aes128Sha2 => (
                pbkdf2::PBKDF2_HMAC_SHA256,
                [b"aes128-cts-hmac-sha256-128\0", salt.as_bytes()].concat(),
            ),
            _ => (pbkdf2::PBKDF2_HMAC_SHA1, salt.as_bytes().to_vec()),
        };
        let rounds = rounds.unwrap_or(self.usual_rounds());
        let rounds = NonZeroU32::new(rounds).filter(|rounds| rounds.get() <= MOST_ROUNDS)?;
        let mut seed = Zeroizing::new(vec![0; self.key_bytes()]);
        pbkdf2::derive(algorithm, rounds, &salt, password.as_bytes(), &mut seed);
        Key::new(self, &self.derived(&seed, b"kerberos", self.key_bytes())?)
    }

    /// A key for one purpose (RFC 3961 5.1 `DK`, RFC 8009 3 `KDF-HMAC-SHA2`).
    fn derived(self, key: &[u8], purpose: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(Vec::with_capacity(64));
        match self {
            Self::Aes256Sha2 | Self::Aes128Sha2 => {
                let bits = u32::try_from(length.checked_mul(8)?).ok()?.to_be_bytes();
                let mut mac = hmac::Context::with_key(&hmac::Key::new(self.hmac(), key));
                for part in [&[0, 0, 0, 1], purpose, &[0], &bits] {
                    mac.update(part);
                }
                out.extend_from_slice(mac.sign().as_ref());
            }
            _ => {
                let mut block = Zeroizing::new(folded(purpose).to_vec());
                while out.len() < length {
                    block = Zeroizing::new(encrypt_blocks(key, block.to_vec())?);
                    out.extend_from_slice(&block);
                }
            }
        }
        out.truncate(length);
        (out.len() == length).then_some(out)
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes256Sha2 => "aes256-cts-hmac-sha384-192",
            Self::Aes128Sha2 => "aes128-cts-hmac-sha256-128",
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Rc4 => "rc4-hmac",
        })
    }
}

impl Key {
    /// A new one, of random bytes.
    pub(crate) fn random(encryption: Encryption) -> Result<Self, Failed> {
        let mut bytes = Zeroizing::new(vec![0; encryption.key_bytes()]);
        rand::fill(&mut bytes).map_err(|_| Failed)?;
        Self::new(encryption, &bytes).ok_or(Failed)
    }

    /// Encrypts a text behind random bytes.
    pub(crate) fn encrypt(&self, usage: Usage, text: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut confounder = vec![
            0;
            if self.encryption == Encryption::Rc4 {
                8
            } else {
                BLOCK
            }
        ];
        rand::fill(&mut confounder).map_err(|_| Failed)?;
        confounder.extend_from_slice(text);
        self.encrypt_all(usage, confounder).ok_or(Failed)
    }

    fn encrypt_all(&self, usage: Usage, mut text: Vec<u8>) -> Option<Vec<u8>> {
        match self.encryption {
            Encryption::Rc4 => {
                let key = self.rc4_key(usage)?;
                let mut code = hmac_md5(&key, &[&text]).to_vec();
                rc4::apply(&*hmac_md5(&key, &[&code]), &mut text);
                code.append(&mut text);
                Some(code)
            }
            Encryption::Aes256Sha1 | Encryption::Aes128Sha1 => {
                let code = self.code(usage, 0x55, &[&text])?;
                let mut sealed = stolen(&self.part(usage, 0xaa)?, text)?;
                sealed.extend_from_slice(&code);
                Some(sealed)
            }
            Encryption::Aes256Sha2 | Encryption::Aes128Sha2 => {
                let mut sealed = stolen(&self.part(usage, 0xaa)?, text)?;
                let code = self.code(usage, 0x55, &[&[0; BLOCK], &sealed])?;
                sealed.extend_from_slice(&code);
                Some(sealed)
            }
        }
    }

    /// Decrypts a text; `None` when it was not encrypted with this key, for this usage.
    pub(crate) fn decrypt(&self, usage: Usage, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let length = self.encryption.code_bytes();
        if self.encryption == Encryption::Rc4 {
            let (code, sealed) = sealed.split_at_checked(length)?;
            let key = self.rc4_key(usage)?;
            let mut text = Zeroizing::new(sealed.to_vec());
            rc4::apply(&*hmac_md5(&key, &[code]), &mut text);
            constant_time::verify_slices_are_equal(&*hmac_md5(&key, &[&text]), code).ok()?;
            return text.get(8..).map(|text| Zeroizing::new(text.to_vec()));
        }
        let (sealed, code) = sealed.split_at_checked(sealed.len().checked_sub(length)?)?;
        let key = self.part(usage, 0xaa)?;
        let is_sha2 = matches!(
            self.encryption,
            Encryption::Aes256Sha2 | Encryption::Aes128Sha2
        );
        if is_sha2 {
            let right = self.code(usage, 0x55, &[&[0; BLOCK], sealed])?;
            constant_time::verify_slices_are_equal(&right, code).ok()?;
        }
        let text = Zeroizing::new(returned(&key, sealed)?);
        if !is_sha2 {
            let right = self.code(usage, 0x55, &[&text])?;
            constant_time::verify_slices_are_equal(&right, code).ok()?;
        }
        text.get(BLOCK..).map(|text| Zeroizing::new(text.to_vec()))
    }

    /// The checksum of a text.
    pub(crate) fn sum(&self, usage: Usage, text: &[u8]) -> Option<Vec<u8>> {
        if self.encryption == Encryption::Rc4 {
            let key = hmac_md5(self.bytes.first_chunk()?, &[b"signaturekey\0"]);
            let usage = usage.0.to_le_bytes();
            return Some(hmac_md5(&key, &[&md5(&[&usage, text])]).to_vec());
        }
        self.code(usage, 0x99, &[text])
    }

    /// The integrity code of some parts in a row.
    fn code(&self, usage: Usage, purpose: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let key = self.part(usage, purpose)?;
        let mut mac = hmac::Context::with_key(&hmac::Key::new(self.encryption.hmac(), &key));
        for part in parts {
            mac.update(part);
        }
        let tag = mac.sign();
        tag.as_ref()
            .get(..self.encryption.code_bytes())
            .map(<[u8]>::to_vec)
    }

    /// The key for one usage and purpose.
    fn part(&self, usage: Usage, purpose: u8) -> Option<Zeroizing<Vec<u8>>> {
        let [a, b, c, d] = usage.0.to_be_bytes();
        let length = match (self.encryption, purpose) {
            (Encryption::Aes256Sha2 | Encryption::Aes128Sha2, 0x55 | 0x99) => {
                self.encryption.code_bytes()
            }
            _ => self.encryption.key_bytes(),
        };
        self.encryption
            .derived(&self.bytes, &[a, b, c, d, purpose], length)
    }

    /// RFC 4757 3 numbers a few usages otherwise.
    fn rc4_key(&self, usage: Usage) -> Option<Zeroizing<[u8; 16]>> {
        let usage = match usage.0 {
            3 | 9 => 8,
            other => other,
        };
        Some(hmac_md5(
            self.bytes.first_chunk()?,
            &[&usage.to_le_bytes()[..]],
        ))
    }
}

/// `n-fold` to 128 bits (RFC 3961 5.1): copies, each turned 13 bits further than the one before, until
/// they fill whole blocks; the blocks are added, the carry going around.
fn folded(input: &[u8]) -> [u8; BLOCK] {
    let mut copy = input.to_vec();
    let mut line = Vec::new();
    while line.is_empty() || !line.len().is_multiple_of(BLOCK) {
        line.extend_from_slice(&copy);
        // Eight bits, then five.
        copy.rotate_right(1);
        let mut before = copy.last().copied().unwrap_or_default();
        for byte in &mut copy {
            let old = *byte;
            *byte = (old >> 5) | (before << 3);
            before = old;
        }
    }
    let mut out = [0u16; BLOCK];
    for block in line.chunks(BLOCK) {
        for (slot, byte) in out.iter_mut().zip(block) {
            *slot = slot.saturating_add(u16::from(*byte));
        }
    }
    let mut bytes = [0u8; BLOCK];
    // Twice, as the carry out of the first byte comes in at the last.
    let mut carry = 0u16;
    for _ in 0..2 {
        for (slot, byte) in out.iter_mut().zip(&mut bytes).rev() {
            let sum = slot.saturating_add(carry);
            *byte = sum.to_be_bytes()[1];
            carry = sum >> 8;
            *slot = u16::from(*byte);
        }
    }
    bytes
}

fn aes(key: &[u8]) -> &'static Algorithm {
    if key.len() == 32 { &AES_256 } else { &AES_128 }
}

/// AES in CBC mode with an IV of zeros; whole blocks.
fn encrypt_blocks(key: &[u8], mut text: Vec<u8>) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(aes(key), key).ok()?;
    let key = EncryptingKey::cbc(key).ok()?;
    let start = EncryptionContext::Iv128(FixedLength::from([0; BLOCK]));
    key.less_safe_encrypt(&mut text, start).ok()?;
    Some(text)
}

fn decrypt_blocks(key: &[u8], mut sealed: Vec<u8>, iv: [u8; BLOCK]) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(aes(key), key).ok()?;
    let key = DecryptingKey::cbc(key).ok()?;
    let start = DecryptionContext::Iv128(FixedLength::from(iv));
    key.decrypt(&mut sealed, start).ok()?;
    Some(sealed)
}

/// AES in CBC mode with ciphertext stealing (RFC 3962 5): the last two blocks change places, and the last
/// is cut to what is needed.
fn stolen(key: &[u8], mut text: Vec<u8>) -> Option<Vec<u8>> {
    let length = text.len();
    if length < BLOCK {
        return None;
    }
    text.resize(length.next_multiple_of(BLOCK), 0);
    let mut sealed = encrypt_blocks(key, text)?;
    if length == BLOCK {
        return Some(sealed);
    }
    let last = sealed.split_off(sealed.len().checked_sub(BLOCK)?);
    let before = sealed.split_off(sealed.len().checked_sub(BLOCK)?);
    sealed.extend_from_slice(&last);
    sealed.extend_from_slice(&before);
    sealed.truncate(length);
    Some(sealed)
}

/// The way back from [`stolen`].
fn returned(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let length = sealed.len();
    if length < BLOCK {
        return None;
    }
    if length == BLOCK {
        return decrypt_blocks(key, sealed.to_vec(), [0; BLOCK]);
    }
    // Whole blocks in the front, then the last one, then what is left of the one before it.
    let tail = match length % BLOCK {
        0 => BLOCK,
        tail => tail,
    };
    let front = length.checked_sub(tail)?.checked_sub(BLOCK)?;
    let (front, rest) = sealed.split_at_checked(front)?;
    let (last, left) = rest.split_at_checked(BLOCK)?;
    let iv: [u8; BLOCK] = match front.last_chunk::<BLOCK>() {
        Some(block) => *block,
        None => [0; BLOCK],
    };
    let mixed = decrypt_blocks(key, last.to_vec(), [0; BLOCK])?;
    let mut before = left.to_vec();
    before.extend_from_slice(mixed.get(left.len()..)?);
    let end: Vec<u8> = mixed.iter().zip(left).map(|(a, b)| a ^ b).collect();
    let mut text = if front.is_empty() {
        Vec::new()
    } else {
        decrypt_blocks(key, front.to_vec(), [0; BLOCK])?
    };
    text.extend(decrypt_blocks(key, before, iv)?);
    text.extend(end);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap())
            .collect()
    }

    /// RFC 3961 A.1, those to 128 bits.
    #[test]
    fn folding_is_that_of_the_specification() {
        assert_eq!(
            folded(b"kerberos").to_vec(),
            hex("6b657262 65726f73 7b9b5b2b 93132b93")
        );
    }

    /// RFC 3962 B.
    #[test]
    fn keys_of_passwords_are_those_of_rfc_3962() {
        for (encryption, rounds, password, salt, key) in [
            (
                Encryption::Aes128Sha1,
                1,
                "password",
                "ATHENA.MIT.EDUraeburn",
                "42263c6e89f4fc28b8df68ee09799f15",
            ),
            (
                Encryption::Aes256Sha1,
                1,
                "password",
                "ATHENA.MIT.EDUraeburn",
                "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
            ),
            (
                Encryption::Aes256Sha1,
                1200,
                "password",
                "ATHENA.MIT.EDUraeburn",
                "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a",
            ),
        ] {
            let made = encryption.key(password, salt, Some(rounds)).unwrap();
            assert_eq!(*made.bytes, hex(key), "{encryption} {rounds}");
        }
    }

    /// RFC 8009 A; the salt of its passwords begins with bytes that are no text, so those are left out.
    #[test]
    fn keys_and_texts_are_those_of_rfc_8009() {
        let key = Key::new(
            Encryption::Aes128Sha2,
            &hex("3705D96080C17728A0E800EAB6E0D23C"),
        )
        .unwrap();
        let usage = Usage(2);
        assert_eq!(
            *key.part(usage, 0x99).unwrap(),
            hex("B31A018A48F54776F403E9A396325DC3")
        );
        assert_eq!(
            *key.part(usage, 0xaa).unwrap(),
            hex("9B197DD1E8C5609D6E67C3E37C62C72E")
        );
        assert_eq!(
            *key.part(usage, 0x55).unwrap(),
            hex("9FDA0E56AB2D85E1569A688696C26A6C")
        );
        let sealed =
            hex("84D7F30754ED987BAB0BF3506BEB09CFB55402CEF7E6877CE99E247E52D16ED4421DFDF8976C");
        assert_eq!(*key.decrypt(usage, &sealed).unwrap(), hex("000102030405"));
        let key = Key::new(
            Encryption::Aes256Sha2,
            &hex("6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52"),
        )
        .unwrap();
        assert_eq!(
            *key.part(usage, 0x99).unwrap(),
            hex("EF5718BE86CC84963D8BBB5031E9F5C4BA41F28FAF69E73D")
        );
        assert_eq!(
            *key.part(usage, 0xaa).unwrap(),
            hex("56AB22BEE63D82D7BC5227F6773F8EA7A5EB1C825160C38312980C442E5C7E49")
        );
        assert_eq!(
            *key.part(usage, 0x55).unwrap(),
            hex("69B16514E3CD8E56B82010D5C73012B622C4D00FFC23ED1F")
        );
        assert_eq!(
            key.sum(usage, &hex("000102030405060708090A0B0C0D0E0F1011121314")),
            Some(hex("45EE791567EEFCA37F4AC1E0222DE80D43C3BFA06699672A"))
        );
    }

    /// RFC 3962 B: CBC with ciphertext stealing under "chicken teriyaki".
    #[test]
    fn stealing_is_that_of_rfc_3962() {
        let key = b"chicken teriyaki";
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        for (length, sealed) in [
            (17, "c6353568f2bf8cb4d8a580362da7ff7f97"),
            (
                31,
                "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
            ),
            (
                32,
                "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
            ),
            (
                47,
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
            ),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a84807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ] {
            let text = &text[..length];
            assert_eq!(stolen(key, text.to_vec()).unwrap(), hex(sealed), "{length}");
            assert_eq!(returned(key, &hex(sealed)).unwrap(), text, "{length}");
        }
    }

    proptest! {
        #[test]
        fn a_text_comes_back_and_a_changed_one_does_not(
            text in prop::collection::vec(any::<u8>(), 0..80),
            at in any::<prop::sample::Index>(),
            usage in 1u32..13,
        ) {
            for encryption in Encryption::ALL {
                let key = Key::random(encryption).unwrap();
                let mut sealed = key.encrypt(Usage(usage), &text).unwrap();
                prop_assert_eq!(&*key.decrypt(Usage(usage), &sealed).unwrap(), &text);
                prop_assert!(key.decrypt(Usage(usage + 20), &sealed).is_none());
                prop_assert!(Key::random(encryption).unwrap().decrypt(Usage(usage), &sealed).is_none());
                let at = at.index(sealed.len());
                sealed[at] ^= 0x40;
                prop_assert!(key.decrypt(Usage(usage), &sealed).is_none());
            }
        }

        #[test]
        fn any_bytes_are_decrypted_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for encryption in Encryption::ALL {
                prop_assert!(Key::random(encryption).unwrap().decrypt(Usage::TICKET, &bytes).is_none());
            }
        }
    }
}
