//! Channel bindings: a login that is bound to the TLS connection it was made for (RFC 5929 4,
//! `tls-server-end-point`), in the form that NTLM and Kerberos carry (RFC 4121 4.1.1.2, [MS-NLMP] 2.2.2.1).
//!
//! Invariant: of a certificate only the name of its signature's algorithm is looked at.

use aws_lc_rs::digest;

use crate::der::{OID, Reader, SEQUENCE};
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
