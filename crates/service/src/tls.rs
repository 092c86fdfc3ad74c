//! Certificates: read from files, read again when the files change, or made for first steps.
//!
//! TLS 1.2 and 1.3 by rustls. The certificate of a handshake is the first that covers the name the client
//! asks for, else the first of all. A changed file that cannot be used is reported, and what was there stays.
//!
//! Invariant: private keys are in no message.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, anyhow, bail};
use automend_login::Channel;
use automend_system::private_file::{self, Readable};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};
use serde::Deserialize;

use super::file_version::FileVersion;

/// The files of one certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    /// The certificate and those of the authorities above it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// Where certificates come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// Files.
    Files(Vec<Files>),
    /// One made at start, for these names and for this machine.
    SelfSigned(Vec<String>),
}

/// The certificates in use.
#[derive(Debug)]
pub(crate) struct Certificates {
    keys: RwLock<Vec<Arc<CertifiedKey>>>,
    /// Certificates that were in use before. A client on an earlier connection has seen one of them.
    earlier: Mutex<Vec<CertificateDer<'static>>>,
    /// The files before they were read, so that a change in the middle is seen.
    stamps: Mutex<Vec<FileVersion>>,
    /// The self-signed certificate, PEM, for clients that shall trust it.
    pub made: Option<String>,
}

impl Certificates {
    /// Reads or makes them.
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let stamps = Mutex::new(source.stamps());
        let (keys, made) = match source {
            Source::Files(files) => (read_all(files)?, None),
            Source::SelfSigned(names) => {
                let (key, pem) = self_signed(names)?;
                (vec![Arc::new(key)], Some(pem))
            }
        };
        Ok(Self {
            keys: RwLock::new(keys),
            earlier: Mutex::default(),
            stamps,
            made,
        })
    }

    /// Whether the files have changed since they were last read, or others are meant.
    pub(crate) fn are_outdated(&self, source: &Source) -> bool {
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) != source.stamps()
    }

    /// Reads the files again; on failure the certificates stay as they are.
    pub(crate) fn read_again(&self, source: &Source) -> Result<()> {
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) = source.stamps();
        if let Source::Files(files) = source {
            let keys = read_all(files)?;
            let mut now = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *now, keys);
            let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
            earlier.splice(
                0..0,
                before.iter().filter_map(|key| key.cert.first().cloned()),
            );
            earlier.truncate(MOST_EARLIER);
        }
        Ok(())
    }

    /// The connection of a handshake with this key; `resumed` where it goes on with an earlier connection.
    pub(crate) fn channel(&self, shown: Option<Arc<CertifiedKey>>, resumed: bool) -> Channel {
        let Some(certificate) = shown.and_then(|key| key.cert.first().cloned()) else {
            return Channel::default();
        };
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        Channel::of(certificate, if resumed { &earlier } else { &[] })
    }

    /// What a handshake is done with; `protocols` are offered (ALPN, RFC 7301).
    pub(crate) fn server(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("setting up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let usable: Vec<&Arc<CertifiedKey>> = keys
            .iter()
            .filter(|key| {
                let offered: &[SignatureScheme] = hello.signature_schemes();
                key.key.choose_scheme(offered).is_some()
            })
            .collect();
        let wanted = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let named = wanted.and_then(|wanted| usable.iter().find(|key| covers(key, &wanted)));
        let chosen = named.or(usable.first()).map(|key| Arc::clone(key));
        // Without an observer there is nothing to report.
        let _ = SHOWN.try_with(|shown| shown.borrow_mut().clone_from(&chosen));
        chosen
    }
}

tokio::task_local! {
    /// What was chosen for the handshake of this task: a connection does not tell by itself which of its own
    /// certificates it showed.
    static SHOWN: RefCell<Option<Arc<CertifiedKey>>>;
}

/// Does a handshake, and tells which key was used for it.
pub(crate) async fn watched<F: Future>(handshake: F) -> (F::Output, Option<Arc<CertifiedKey>>) {
    SHOWN
        .scope(RefCell::default(), async {
            let done = handshake.await;
            (done, SHOWN.with(RefCell::take))
        })
        .await
}

/// How many certificates that were in use before are remembered: more than are renewed in the hours for
/// which an earlier connection can be gone on with.
const MOST_EARLIER: usize = 64;

impl Source {
    /// The state of the files.
    fn stamps(&self) -> Vec<FileVersion> {
        match self {
            Self::Files(files) => files
                .iter()
                .flat_map(|files| [&files.certificate, &files.key])
                .map(|path| FileVersion::of(path))
                .collect(),
            Self::SelfSigned(_) => Vec::new(),
        }
    }
}

fn covers(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read_all(files: &[Files]) -> Result<Vec<Arc<CertifiedKey>>> {
    files
        .iter()
        .map(|files| Ok(Arc::new(read(files)?)))
        .collect()
}

/// The first certificate of a PEM file.
pub(crate) fn certificate(path: &Path) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(path)
        .map_err(|error| anyhow!("reading the certificate {}: {error}", path.display()))
}

fn read(files: &Files) -> Result<CertifiedKey> {
    let shown = files.certificate.display();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| anyhow!("reading the certificate {shown}: {error}"))?;
    if chain.is_empty() {
        bail!("reading the certificate {shown}: no certificate in it");
    }
    let pem = private_file::read(&files.key, "the key", Readable::Told)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| anyhow!("reading the key {}: {error}", files.key.display()))?;
    CertifiedKey::from_der(chain, key, &provider())
        .with_context(|| format!("{} with {shown}", files.key.display()))
}

/// A certificate for first steps, and its PEM form.
fn self_signed(names: &[String]) -> Result<(CertifiedKey, String)> {
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut all: Vec<String> = own.into_iter().chain(names.iter().cloned()).collect();
    // What cannot stand in a certificate cannot be asked for over TLS either.
    all.retain(|name| name.is_ascii() && (name.parse::<IpAddr>().is_ok() || name.len() < 254));
    let made = rcgen::generate_simple_self_signed(all).context("making a certificate")?;
    let pem = made.cert.pem();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| anyhow!("making a certificate: {error}"))?;
    let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider())
        .context("making a certificate")?;
    Ok((key, pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str) -> Files {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let files = Files {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    fn serial(certificates: &Certificates) -> Vec<u8> {
        certificates.keys.read().unwrap()[0].cert[0].to_vec()
    }

    #[test]
    fn a_changed_file_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), "a.test");
        let source = Source::Files(vec![files.clone()]);
        let certificates = Certificates::open(&source).unwrap();
        let first = serial(&certificates);
        assert!(!certificates.are_outdated(&source));
        std::fs::write(&files.certificate, "no certificate").unwrap();
        assert!(certificates.are_outdated(&source));
        let error = certificates.read_again(&source).unwrap_err().to_string();
        assert!(error.contains("no certificate in it"), "{error}");
        assert_eq!(serial(&certificates), first);
        // It is reported once.
        assert!(!certificates.are_outdated(&source));
        write(folder.path(), "a.test");
        assert!(certificates.are_outdated(&source));
        certificates.read_again(&source).unwrap();
        assert_ne!(serial(&certificates), first);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (
            write(folder.path(), "a.test"),
            write(folder.path(), "b.test"),
        );
        let mixed = Source::Files(vec![Files {
            certificate: a.certificate,
            key: b.key,
        }]);
        assert!(Certificates::open(&mixed).is_err());
    }

    #[test]
    fn the_certificate_that_covers_the_name_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![
            write(folder.path(), "a.test"),
            write(folder.path(), "b.test"),
        ];
        let certificates = Certificates::open(&Source::Files(files)).unwrap();
        let keys = certificates.keys.read().unwrap();
        let name = |text: &str| ServerName::try_from(text.to_owned()).unwrap();
        assert!(covers(&keys[0], &name("A.test")) && !covers(&keys[0], &name("b.test")));
        assert!(covers(&keys[1], &name("b.test")));
    }
}
