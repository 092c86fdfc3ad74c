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
        let hash = digest::digest(algorithm(certificate)?, certificate);
        let mut application = b"tls-server-end-point:".to_vec();
        application.extend_from_slice(hash.as_ref());
        let length = u32::try_from(application.len()).ok()?.to_le_bytes();
        // No addresses on either side.
        Some(Self(md5(&[&[0; 16], &length, &application])))
    }

    /// The sixteen bytes as they stand in messages.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The hash of the certificate's signature, or SHA-256 for those that are too weak (RFC 5929 4.1).
fn algorithm(certificate: &[u8]) -> Option<&'static digest::Algorithm> {
    /// sha384WithRSAEncryption and ecdsa-with-SHA384 (RFC 4055 5, RFC 5758 3.2).
    const SHA384: [&[u8]; 2] = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
    ];
    /// The same with SHA-512.
    const SHA512: [&[u8]; 2] = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
    ];
    let mut outer = Reader::new(certificate).enter(SEQUENCE).ok()?;
    outer.take(SEQUENCE).ok()?;
    let oid = outer.enter(SEQUENCE).ok()?.take(OID).ok()?;
    Some(if SHA384.contains(&oid) {
        &digest::SHA384
    } else if SHA512.contains(&oid) {
        &digest::SHA512
    } else {
        &digest::SHA256
    })
}
