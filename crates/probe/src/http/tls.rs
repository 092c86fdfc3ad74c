//! TLS 1.2 and 1.3 to servers that have to prove their name, and why a handshake failed.
//!
//! Invariant: a certificate is checked on every connection: nothing is resumed. A connection that goes on
//! in spite of its certificate is one of [`Tls::looking`], and its caller knows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use automend_core::discovery::Host;
use automend_core::verdict::Cause;
use automend_system::tls::{CertificateFault, Verifier, authorities};
use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, PeerIncompatible,
};

use super::Failure;

/// A certificate that ends within this time should have been renewed.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How to speak TLS.
#[derive(Clone)]
pub struct Tls {
    /// With every check.
    pub checking: Arc<ClientConfig>,
    /// Whatever the certificate says, for looking only.
    pub looking: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

impl Tls {
    /// Trusts the system's authorities and those in `ca`.
    pub fn new(ca: &[PathBuf]) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(authorities(ca)?, ca, Arc::clone(&provider))?);
        let config = |verifier: Arc<dyn ServerCertVerifier>| -> Result<Arc<ClientConfig>> {
            let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .context("setting up TLS")?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(config))
        };
        Ok(Self {
            checking: config(Arc::<Verifier>::clone(&verifier))?,
            looking: config(Arc::new(verifier.unchecked()))?,
            verifier,
        })
    }

    /// Until when a certificate that is good now will be good, where that is soon.
    pub(super) fn expires_soon(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (own, others) = chain.split_first()?;
        let seconds = u64::try_from(now.as_second()).ok()?;
        let then = UnixTime::since_unix_epoch(Duration::from_secs(seconds) + SOON);
        match self
            .verifier
            .verify_server_cert(own, others, name, &[], then)
        {
            Err(Error::InvalidCertificate(why)) => match CertificateFault::from(&why) {
                CertificateFault::Expired(at) => at,
                _ => None,
            },
            _ => None,
        }
    }
}

/// The name that a certificate has to have.
pub(super) fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.to_string()).ok(),
        Host::Address(address) => Some(ServerName::from(*address)),
    }
}

/// Why a handshake, or a read on a connection that has just been made, failed.
pub fn failure(error: &std::io::Error) -> Failure {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    {
        Some(error) => of_tls(error),
        None => match error.kind() {
            std::io::ErrorKind::TimedOut => Failure::new(Cause::TimeLimit, error),
            _ => Failure::new(Cause::Reset, error),
        },
    }
}

/// Whether it is the certificate alone that is wrong.
pub(super) fn is_certificate(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::CertificateExpired
            | Cause::CertificateNotYetValid
            | Cause::CertificateWrongName
            | Cause::CertificateUntrusted
            | Cause::CertificateBroken
    )
}

fn of_tls(error: &Error) -> Failure {
    use AlertDescription as Alert;
    let cause = match error {
        Error::InvalidCertificate(why) => return of_certificate(why),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | Error::AlertReceived(Alert::ProtocolVersion)
        | Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => Cause::TlsTooOld,
        Error::AlertReceived(Alert::CertificateRequired) => Cause::ClientCertificate,
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Cause::TlsNotSpoken,
        _ => Cause::TlsFailed,
    };
    Failure::new(cause, error)
}

fn of_certificate(why: &CertificateError) -> Failure {
    let fault = CertificateFault::from(why);
    let cause = match &fault {
        CertificateFault::Expired(_) => Cause::CertificateExpired,
        CertificateFault::NotYetValid(_) => Cause::CertificateNotYetValid,
        CertificateFault::WrongName(_) => Cause::CertificateWrongName,
        CertificateFault::Untrusted | CertificateFault::Authority => Cause::CertificateUntrusted,
        CertificateFault::Broken(_) => Cause::CertificateBroken,
    };
    Failure::new(cause, fault.detail())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_tls_has_a_cause_of_its_own() {
        let of = |error| of_tls(&error).cause;
        for (error, expected) in [
            (
                Error::AlertReceived(AlertDescription::ProtocolVersion),
                Cause::TlsTooOld,
            ),
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                Cause::TlsFailed,
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                Cause::ClientCertificate,
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                Cause::TlsNotSpoken,
            ),
            (
                Error::InvalidCertificate(CertificateError::Expired),
                Cause::CertificateExpired,
            ),
            (
                Error::InvalidCertificate(CertificateError::NotValidYet),
                Cause::CertificateNotYetValid,
            ),
            (
                Error::InvalidCertificate(CertificateError::NotValidForName),
                Cause::CertificateWrongName,
            ),
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                Cause::CertificateUntrusted,
            ),
            (
                Error::InvalidCertificate(CertificateError::BadEncoding),
                Cause::CertificateBroken,
            ),
            (
                Error::InvalidCertificate(CertificateError::BadSignature),
                Cause::CertificateBroken,
            ),
        ] {
            assert_eq!(of(error.clone()), expected, "{error:?}");
        }
        let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert_eq!(failure(&cut).cause, Cause::Reset);
    }
}
