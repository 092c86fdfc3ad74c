//! A connection to a directory server: socket, TLS, login.
//!
//! Passwords go over TLS or a local socket only; clear text has to be allowed, and then never carries a
//! password beyond this machine. Certificates are always checked, against the system's authorities and
//! those of `--ca`. Failures name the host and what to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_ldap::{Client, Limits, start_tls};
use automend_system::tls::{CertificateFault, Verifier, authorities};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::bind::{Method, Transport, bind};
use crate::location::{LdapUrl, Scheme};
use crate::settings::Settings;

pub use crate::bind::reason;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);

/// Connects and logs in.
pub async fn connect(settings: &Settings, url: &LdapUrl) -> Result<Client> {
    Ok(sign_in(settings, url).await?.0)
}

/// Connects and logs in; says how, where it was by Kerberos.
pub(crate) async fn sign_in(
    settings: &Settings,
    url: &LdapUrl,
) -> Result<(Client, Option<String>)> {
    let method = Method::of(settings, url)?;
    let plain = url.scheme == Scheme::Ldap && !settings.start_tls;
    if plain && !method.protects_itself() && !settings.allow_plaintext {
        bail!(
            "{url}: refusing clear text: unencrypted LDAP; use ldaps:// or --start-tls (or --allow-plaintext in a network that no one else can read)"
        );
    }
    if plain && matches!(method, Method::Simple) && !url.is_loopback() {
        bail!(
            "{url}: refusing to send a password in clear text to another machine; use ldaps:// or --start-tls"
        );
    }
    let limits = Limits {
        idle: settings.timeout,
        ..Limits::default()
    };
    let transport =
        tokio::time::timeout(CONNECT.min(settings.timeout), open(settings, url, limits))
            .await
            .map_err(|_| {
                anyhow!(
                    "{url}: no connection within {} s",
                    CONNECT.min(settings.timeout).as_secs()
                )
            })??;
    bind(settings, url, transport, method, limits).await
}

async fn open(settings: &Settings, url: &LdapUrl, limits: Limits) -> Result<Transport> {
    if url.scheme == Scheme::Ldapi {
        let stream = UnixStream::connect(&url.host).await;
        return Ok(Transport {
            stream: Box::new(stream.with_context(|| format!("{url}: cannot open the socket"))?),
            is_encrypted: true,
            certificate: None,
        });
    }
    let mut stream = TcpStream::connect((url.host.as_str(), url.port))
        .await
        .with_context(|| format!("{url}: cannot connect to {} port {}", url.host, url.port))?;
    stream.set_nodelay(true).with_context(|| url.to_string())?;
    if url.scheme == Scheme::Ldap {
        if !settings.start_tls {
            return Ok(Transport {
                stream: Box::new(stream),
                is_encrypted: false,
                certificate: None,
            });
        }
        start_tls(&mut stream, limits)
            .await
            .with_context(|| format!("{url}: StartTLS"))?;
    }
    let connector = TlsConnector::from(Arc::new(tls(settings)?));
    let name = ServerName::try_from(url.host.clone())
        .with_context(|| format!("{url}: {:?} cannot be the name in a certificate", url.host))?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| tls_error(url, error))?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(|all| all.first());
    Ok(Transport {
        certificate: certificate.map(|certificate| certificate.to_vec()),
        stream: Box::new(stream),
        is_encrypted: true,
    })
}

fn tls(settings: &Settings) -> Result<ClientConfig> {
    let roots = authorities(&settings.ca)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier::new(roots, &settings.ca, Arc::clone(&provider))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("setting up TLS")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn tls_error(url: &LdapUrl, error: std::io::Error) -> anyhow::Error {
    if url.scheme == Scheme::Ldaps && matches!(url.port, 389 | 3268) {
        let tls = if url.port == 389 { 636 } else { 3269 };
        return anyhow::Error::new(error).context(format!(
            "{url}: TLS failed: {} is the port for plain LDAP; use ldaps://HOST:{tls}, or ldap://HOST:{} with --start-tls",
            url.port, url.port
        ));
    }
    let fault = match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidCertificate(why)) => Some(CertificateFault::from(why)),
        _ => None,
    };
    let error = anyhow::Error::new(error).context(format!("{url}: TLS failed"));
    match fault {
        Some(fault) => error.context(fault.to_string()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_on_a_port_for_plain_ldap_is_told_as_that() {
        for (url, instead) in [
            ("ldaps://dc1:389", "ldaps://HOST:636"),
            ("ldaps://dc1:3268", "ldaps://HOST:3269"),
        ] {
            let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            let told = tls_error(&LdapUrl::parse(url).unwrap(), reset).to_string();
            assert!(
                told.contains("the port for plain LDAP") && told.contains(instead),
                "{told}"
            );
        }
    }
}
