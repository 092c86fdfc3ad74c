//! Certificates, and what else may answer where TLS is expected.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What answers where TLS is expected.
#[derive(Clone)]
pub(crate) enum Certificate {
    /// TLS 1.2 and 1.3 with some certificate.
    Tls(Arc<ServerConfig>),
    /// These bytes after the client's hello.
    Old(&'static [u8]),
    /// These bytes at once.
    Speaks(&'static [u8]),
    /// The connection is reset.
    Reset,
    /// Nothing.
    Silent,
}

/// A ServerHello of TLS 1.0: record of the version 3.1, hello of the version 3.1, a random number, no
/// session, `TLS_RSA_WITH_AES_128_CBC_SHA`, no compression (RFC 2246 7.4.1.3).
pub(crate) const TLS_1_0_HELLO: &[u8] = &{
    let mut hello = [0u8; 47];
    let head = [22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    let mut i = 0;
    while i < head.len() {
        hello[i] = head[i];
        i += 1;
    }
    // 32 bytes of random, a session of length 0, the suite, the compression.
    hello[44] = 0;
    hello[45] = 0x2f;
    hello
};

/// What OpenSSL sends that has only TLS 1.0: a fatal alert `protocol_version` (RFC 5246 7.2.2).
pub(crate) const TLS_1_0_ALERT: &[u8] = &[21, 3, 1, 0, 2, 2, 70];

/// A certificate authority that a test makes for itself.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // Each has a name of its own, so that no one takes one for another.
        let name: String = key
            .public_key_raw()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .take(16)
            .collect();
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for `name`, valid from one year to another.
    pub(crate) fn signed(&self, name: &str, from: i32, to: i32) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        served(certificate.der().clone(), &key)
    }

    /// A certificate for `name` that ends at this second since 1970.
    pub(crate) fn until(&self, name: &str, end: i64) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        let epoch = date_time_ymd(1970, 1, 1);
        params.not_after = epoch + std::time::Duration::from_secs(end.try_into().unwrap());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        served(certificate.der().clone(), &key)
    }

    /// A certificate with which nothing is wrong.
    pub(crate) fn good(&self, name: &str) -> Certificate {
        self.signed(name, 2020, 4000)
    }
}

/// A certificate that signs itself; `authority` as what `openssl req -x509` makes.
pub(crate) fn self_signed(name: &str, authority: bool) -> Certificate {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    served(certificate.der().clone(), &key)
}

fn served(certificate: CertificateDer<'static>, key: &KeyPair) -> Certificate {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Certificate::Tls(Arc::new(config))
}
