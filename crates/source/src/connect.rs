//! A connection to a directory server: socket, TLS, login.
//!
//! Passwords go over TLS or a local socket only; clear text has to be allowed, and then never carries a
//! password beyond this machine. Certificates are always checked, against the system's authorities and
//! those of `--ca`. Failures name the host and what to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_ldap::{Client, Error, Limits, ResultCode, start_tls};
use automend_system::tls::{Pinned, authorities};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use secrecy::ExposeSecret;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::location::{LdapUrl, Scheme};
use crate::settings::Settings;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);

/// Connects and logs in.
pub async fn connect(settings: &Settings, url: &LdapUrl) -> Result<Client> {
    let plain = url.scheme == Scheme::Ldap && !settings.start_tls;
    if plain && !settings.allow_plaintext {
        bail!(
            "{url}: refusing clear text: unencrypted LDAP; use ldaps:// or --start-tls (or --allow-plaintext in a network that nobody else can read)"
        );
    }
    if plain && settings.user.is_some() && !url.is_loopback() {
        bail!(
            "{url}: refusing to send a password in clear text to another machine; use ldaps:// or --start-tls"
        );
    }
    let limits = Limits {
        idle: settings.timeout,
        ..Limits::default()
    };
    let client = tokio::time::timeout(CONNECT.min(settings.timeout), open(settings, url, limits))
        .await
        .map_err(|_| {
            anyhow!(
                "{url}: no connection within {} s",
                CONNECT.min(settings.timeout).as_secs()
            )
        })??;
    bind(settings, url, &client).await?;
    Ok(client)
}

async fn open(settings: &Settings, url: &LdapUrl, limits: Limits) -> Result<Client> {
    if url.scheme == Scheme::Ldapi {
        let stream = UnixStream::connect(&url.host).await;
        return Ok(Client::new(
            stream.with_context(|| format!("{url}: cannot open the socket"))?,
            limits,
        ));
    }
    let mut stream = TcpStream::connect((url.host.as_str(), url.port))
        .await
        .with_context(|| format!("{url}: cannot connect to {} port {}", url.host, url.port))?;
    stream.set_nodelay(true).with_context(|| url.to_string())?;
    if url.scheme == Scheme::Ldap {
        if !settings.start_tls {
            return Ok(Client::new(stream, limits));
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
    Ok(Client::new(stream, limits))
}

async fn bind(settings: &Settings, url: &LdapUrl, client: &Client) -> Result<()> {
    let Some(user) = &settings.user else {
        if url.scheme == Scheme::Ldapi {
            // The server knows who is at the other end; one that does not want to stays anonymous.
            match client.external_bind().await {
                Ok(()) | Err(Error::Refused { .. }) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("{url}: login by the local socket"));
                }
            }
        }
        return Ok(());
    };
    let password = settings.password()?;
    client
        .simple_bind(user, password.expose_secret())
        .await
        .map_err(|error| {
            let why = refusal(&error);
            let error = anyhow::Error::new(error).context(format!("{url}: login as {user} failed"));
            match why {
                Some(why) => error.context(why),
                None => error,
            }
        })
}

/// Why Active Directory refuses a login, in hexadecimal: it stands behind `data` ([MS-ADTS] 5.1.1.1.1).
pub fn reason(message: &str) -> Option<&str> {
    message.split("data ").nth(1)?.split([',', ' ']).next()
}

/// What a refused login means.
fn refusal(error: &Error) -> Option<&'static str> {
    let Error::Refused { code, message, .. } = error else {
        return None;
    };
    if *code == ResultCode::STRONGER_AUTH_REQUIRED || *code == ResultCode::CONFIDENTIALITY_REQUIRED
    {
        return Some("the server wants an encrypted connection: use ldaps:// or --start-tls");
    }
    match reason(message)? {
        "525" => Some("no such user"),
        "52e" => Some("wrong user or password"),
        "530" => Some("the account may not log in at this time"),
        "531" => Some("the account may not log in from this machine"),
        "532" => Some("the password has expired"),
        "533" => Some("the account is disabled"),
        "701" => Some("the account has expired"),
        "773" => Some("the password must be changed first"),
        "775" => Some("the account is locked out"),
        _ => None,
    }
}

fn tls(settings: &Settings) -> Result<ClientConfig> {
    let roots = authorities(&settings.ca)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Pinned::new(roots, &settings.ca, Arc::clone(&provider))?;
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
    let advice = match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Some("the server's certificate has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Some("the server's certificate is not valid yet; check the clock")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Some("the server's certificate is for another name; connect by a name that it has")
            }
            CertificateError::UnknownIssuer => Some(
                "the server's certificate is not issued by a trusted authority; add the authority with --ca FILE",
            ),
            _ => Some("the server's certificate cannot be trusted"),
        },
        _ => None,
    };
    let error = anyhow::Error::new(error).context(format!("{url}: TLS failed"));
    match advice {
        Some(advice) => error.context(advice),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_ldap::Operation;

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

    #[test]
    fn active_directory_says_why_a_login_failed() {
        for (message, expected) in [
            (
                "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563",
                "wrong user or password",
            ),
            (
                "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 775, v4563",
                "the account is locked out",
            ),
        ] {
            let error = Error::Refused {
                operation: Operation::Bind,
                code: ResultCode::INVALID_CREDENTIALS,
                message: message.to_owned(),
                matched_dn: String::new(),
            };
            assert_eq!(refusal(&error), Some(expected));
        }
    }
}
