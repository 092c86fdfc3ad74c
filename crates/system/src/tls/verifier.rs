//! The check of certificates, on every connection as a client.
//!
//! Certificates that the administrator named himself may also be marked as an authority and stand for their
//! server (RFC 5280 4.2.1.9), as `openssl req -x509` makes them.
//!
//! Invariant: name and dates are checked of each certificate, and nothing is trusted here that is not, byte
//! for byte, in a file that was named. Only a verifier from [`Verifier::unchecked`] takes any certificate; who
//! goes on with one sends no secret.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::fault::is_authority;

/// Checks certificates as usual, and takes a pinned one for its own server.
#[derive(Debug)]
pub struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    pins: Vec<CertificateDer<'static>>,
    is_checking: bool,
}

impl Verifier {
    /// Trusts `roots`; the certificates in the files `ca` may stand for themselves, too.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, or holds something else.
    pub fn new(
        roots: RootCertStore,
        ca: &[PathBuf],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        let mut pins = Vec::new();
        for path in ca {
            let reading = |error| anyhow!("reading --ca {}: {error}", path.display());
            for pin in CertificateDer::pem_file_iter(path).map_err(reading)? {
                pins.push(pin.map_err(reading)?);
            }
        }
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .context("setting up the check of certificates")?;
        Ok(Self {
            usual,
            pins,
            is_checking: true,
        })
    }

    /// One that takes any certificate, for looking only; the peer still has to prove that it holds its key.
    pub fn unchecked(&self) -> Self {
        Self {
            usual: Arc::clone(&self.usual),
            pins: Vec::new(),
            is_checking: false,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.is_checking {
            return Ok(ServerCertVerified::assertion());
        }
        match self.usual.verify_server_cert(own, others, name, ocsp, now) {
            // The dates were checked before this is found.
            Err(Error::InvalidCertificate(why))
                if is_authority(&why) && self.pins.iter().any(|pin| pin == own) =>
            {
                verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            usual => usual,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    fn certificate(until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["mail.contoso.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn only_a_pinned_certificate_of_this_name_and_day_stands_for_itself() {
        let (good, old, other) = (certificate(2090), certificate(2021), certificate(2090));
        let mut roots = RootCertStore::empty();
        roots.add(good.clone()).unwrap();
        roots.add(old.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut pinned = Verifier::new(roots, &[], provider).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        let check = |pinned: &Verifier, own: &CertificateDer<'_>, name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            pinned.verify_server_cert(own, &[], &name, &[], now).is_ok()
        };
        assert!(!check(&pinned, &good, "mail.contoso.test"));
        pinned.pins = vec![good.clone(), old.clone()];
        assert!(check(&pinned, &good, "mail.contoso.test"));
        assert!(!check(&pinned, &good, "mail.fabrikam.test"));
        assert!(!check(&pinned, &old, "mail.contoso.test"));
        assert!(!check(&pinned, &other, "mail.contoso.test"));
        assert!(check(&pinned.unchecked(), &other, "mail.fabrikam.test"));
    }
}
