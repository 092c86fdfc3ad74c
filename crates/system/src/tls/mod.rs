//! Whom TLS trusts: the system's certificate authorities, and the files of `--ca`; and what is wrong with a
//! certificate.

pub mod authority;
mod fault;
mod verifier;

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use fault::CertificateFault;
pub use verifier::Verifier;

/// The certificate authorities of the system, and those in PEM files.
pub fn authorities(ca: &[PathBuf]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    for path in ca {
        let mut added = 0;
        for certificate in CertificateDer::pem_file_iter(path)
            .map_err(|error| anyhow!("reading --ca {}: {error}", path.display()))?
        {
            let certificate =
                certificate.map_err(|error| anyhow!("reading --ca {}: {error}", path.display()))?;
            roots
                .add(certificate)
                .with_context(|| format!("reading --ca {}", path.display()))?;
            added += 1;
        }
        if added == 0 {
            bail!("--ca {}: no certificate in it", path.display());
        }
    }
    if roots.is_empty() {
        bail!("no certificate authority to trust: the system has none; give --ca FILE");
    }
    Ok(roots)
}
