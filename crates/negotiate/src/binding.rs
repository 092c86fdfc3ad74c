//! Channel bindings: a login that is bound to the TLS connection it was made for (RFC 5929 4,
//! `tls-server-end-point`), in the form that NTLM and Kerberos carry (RFC 4121 4.1.1.2, [MS-NLMP] 2.2.2.1).
//!
//! Invariant: a login is bound to the bytes of a certificate and the name of its signature's algorithm; whose it
//! is, is read for people only.

use aws_lc_rs::digest;

use crate::der::{INTEGER, OID, Reader, SEQUENCE, SET, context};
use crate::md5::md5;

/// What a login is bound to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Binding(pub(crate) [u8; 16]);

impl Binding {
    /// The binding to a server that showed this certificate (DER); `None` for what is no certificate.
    pub fn to_server(certificate: &[u8]) -> Option<Self> {
        Some(match signature(certificate)? {
            Signature::Hash(algorithm) => Self::by(algorithm, certificate),
            Signature::Unknown => Self::by(&digest::SHA256, certificate),
        })
    }

    /// Every binding that clients may have to a server with this certificate (DER): one, but for signatures
    /// whose hash RFC 5929 does not say, where clients differ. Empty for what is no certificate.
    pub fn all_to_server(certificate: &[u8]) -> Vec<Self> {
        match signature(certificate) {
            Some(Signature::Hash(algorithm)) => vec![Self::by(algorithm, certificate)],
            Some(Signature::Unknown) => [&digest::SHA256, &digest::SHA384, &digest::SHA512]
                .map(|algorithm| Self::by(algorithm, certificate))
                .to_vec(),
            None => Vec::new(),
        }
    }

    /// What stands in a message; sixteen zeros are no binding (RFC 4121 4.1.1.2, [MS-NLMP] 2.2.2.1).
    pub(crate) fn sent(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    fn by(algorithm: &'static digest::Algorithm, certificate: &[u8]) -> Self {
        let hash = digest::digest(algorithm, certificate);
        let mut application = b"tls-server-end-point:".to_vec();
        application.extend_from_slice(hash.as_ref());
        let length = u32::try_from(application.len()).unwrap_or(u32::MAX);
        // No addresses on either side.
        Self(md5(&[&[0; 16], &length.to_le_bytes(), &application]))
    }

    /// The sixteen bytes as they stand in messages.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The certificate that a login is bound to, as people compare it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndPoint {
    /// The hash that is taken of it.
    pub algorithm: Hash,
    /// That hash: two digits a byte, colons between.
    pub fingerprint: String,
    /// Whose it is, such as `CN=mail.contoso.com, O=Contoso`; empty where it does not say.
    pub subject: String,
}

/// A hash of certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Its name as `openssl` takes it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

impl EndPoint {
    /// What [`Binding::to_server`] binds to; `None` for what is no certificate.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let digest = match signature(certificate)? {
            Signature::Hash(algorithm) => algorithm,
            Signature::Unknown => &digest::SHA256,
        };
        let algorithm = if *digest == digest::SHA384 {
            Hash::Sha384
        } else if *digest == digest::SHA512 {
            Hash::Sha512
        } else {
            Hash::Sha256
        };
        let hash = digest::digest(digest, certificate);
        let bytes = hash.as_ref().iter().map(|byte| format!("{byte:02X}"));
        Some(Self {
            algorithm,
            fingerprint: bytes.collect::<Vec<_>>().join(":"),
            subject: subject(certificate).unwrap_or_default(),
        })
    }
}

/// The subject of a certificate (RFC 5280 4.1.2.6), as far as its types have names here.
fn subject(certificate: &[u8]) -> Option<String> {
    let mut inside = Reader::new(certificate)
        .enter(SEQUENCE)
        .ok()?
        .enter(SEQUENCE)
        .ok()?;
    // Version, number, algorithm, issuer, validity.
    inside.optional(context(0)).ok()?;
    inside.take(INTEGER).ok()?;
    for _ in 0..3 {
        inside.take(SEQUENCE).ok()?;
    }
    let mut names = inside.enter(SEQUENCE).ok()?;
    let mut told = Vec::new();
    while !names.is_empty() {
        let mut set = names.enter(SET).ok()?;
        while !set.is_empty() {
            let mut pair = set.enter(SEQUENCE).ok()?;
            let oid = pair.take(OID).ok()?;
            let (tag, value) = pair.any().ok()?;
            if let Some(name) = attribute(oid) {
                told.push(format!("{name}={}", string(tag, value)));
            }
        }
    }
    Some(told.join(", "))
}

/// The usual short name of a type (RFC 4519).
fn attribute(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        _ => return None,
    })
}

fn string(tag: u8, value: &[u8]) -> String {
    /// `BMPString`: UTF-16, the high byte first.
    const BMP: u8 = 0x1e;
    if tag != BMP {
        return String::from_utf8_lossy(value).into_owned();
    }
    let units = value.chunks_exact(2).map(|pair| {
        let (high, low) = (pair.first(), pair.last());
        u16::from_be_bytes([*high.unwrap_or(&0), *low.unwrap_or(&0)])
    });
    String::from_utf16_lossy(&units.collect::<Vec<_>>())
}

/// How a certificate is signed.
enum Signature {
    /// With this hash, or with one that is too weak and counts as SHA-256 (RFC 5929 4.1).
    Hash(&'static digest::Algorithm),
    /// With none, with several, or with one that its parameters say.
    Unknown,
}

fn signature(certificate: &[u8]) -> Option<Signature> {
    /// `1.2.840.113549.1.1`: RSA's signatures (RFC 8017 A.2.4).
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    /// `1.2.840.10045.4`: those of elliptic curves (RFC 5758 3.2).
    const CURVES: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4];
    let mut outer = Reader::new(certificate).enter(SEQUENCE).ok()?;
    outer.take(SEQUENCE).ok()?;
    let oid = outer.enter(SEQUENCE).ok()?.take(OID).ok()?;
    Some(match (oid.strip_prefix(RSA), oid.strip_prefix(CURVES)) {
        // With MD5, SHA-1, SHA-256; SHA-1, SHA-256.
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Signature::Hash(&digest::SHA256),
        (Some([12]), _) | (_, Some([3, 3])) => Signature::Hash(&digest::SHA384),
        (Some([13]), _) | (_, Some([3, 4])) => Signature::Hash(&digest::SHA512),
        _ => Signature::Unknown,
    })
}
