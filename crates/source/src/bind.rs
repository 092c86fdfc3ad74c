//! Logging in to a directory server (RFC 4513): which method, and what protects the messages after it.
//!
//! Kerberos by SASL (RFC 4752, [MS-ADTS] 5.1.1.1) on a connection in clear text encrypts every message; on TLS
//! the login is bound to the server's certificate instead (RFC 5929), as domain controllers with
//! `LdapEnforceChannelBinding` want it. A simple bind sends the password, so it goes over TLS or a local
//! socket only.
//!
//! Invariant: no method is followed by a weaker one once a server or a key distribution centre has refused
//! it; what was asked for by name is done or fails.

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result, anyhow, bail};
use automend_ldap::{Client, Error, Limits, Protected, ResultCode, SecurityLayer, sasl_bind};
use automend_negotiate::Binding;
use automend_negotiate::kerberos::{KdcError, Moment, Protection, Ticket};
use automend_negotiate::sasl::{self, Layer, MOST_RECEIVED, Mechanism};
use automend_system::clock;
use automend_system::kerberos::{self, Configuration};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use crate::location::{LdapUrl, Scheme};
use crate::settings::{Auth, Password, Settings};

/// The service class of LDAP in names of Kerberos (RFC 4513 5.2.1.1).
const SERVICE: &str = "ldap";

/// A connected stream before the login.
pub(crate) struct Transport {
    pub(crate) stream: Box<dyn Stream>,
    /// Whether what is sent can be read by others.
    pub(crate) is_encrypted: bool,
    /// The certificate that the server showed, in DER.
    pub(crate) certificate: Option<Vec<u8>>,
}

/// How one connection logs in.
pub(crate) enum Method {
    /// Not at all.
    Anonymous,
    /// By name and password.
    Simple,
    /// By the identity that the transport proves (RFC 4422 appendix A); `required` where it was asked for.
    External { required: bool },
    /// By a ticket. Where none can be had and no centre has refused, by name and password, if that is
    /// allowed on this connection.
    Kerberos {
        have: Box<kerberos::Credentials>,
        or_simple: bool,
    },
}

impl Method {
    /// What the settings mean for a server.
    pub(crate) fn of(settings: &Settings, url: &LdapUrl) -> Result<Self> {
        let plain = url.scheme == Scheme::Ldap && !settings.start_tls;
        match settings.auth {
            Auth::Simple if settings.user.is_none() => {
                bail!("{url}: a simple bind needs a user: give --user")
            }
            Auth::Simple => Ok(Self::Simple),
            Auth::External if plain => bail!(
                "{url}: EXTERNAL takes the identity of a local socket or of TLS; use ldapi:// or ldaps://"
            ),
            Auth::External => Ok(Self::External { required: true }),
            Auth::Kerberos => Ok(Self::kerberos(settings, false)?),
            Auth::Auto => Self::automatic(settings, url, plain),
        }
    }

    fn automatic(settings: &Settings, url: &LdapUrl, plain: bool) -> Result<Self> {
        let Some(user) = &settings.user else {
            return Ok(if url.scheme == Scheme::Ldapi {
                Self::External { required: false }
            } else if is_host(url) && settings.has_ticket() {
                Self::kerberos(settings, false)?
            } else {
                Self::Anonymous
            });
        };
        let may_send_password = !plain || settings.allow_plaintext && url.is_loopback();
        let is_principal = user.contains(['@', '\\']) && !user.contains('=');
        if !is_principal || !is_host(url) || url.scheme == Scheme::Ldapi {
            return Ok(Self::Simple);
        }
        if settings.kerberos.keytab.is_some() || settings.has_ticket() {
            return Self::kerberos(settings, false);
        }
        if !may_send_password || knows_realm(settings, user) {
            return Self::kerberos(settings, may_send_password);
        }
        Ok(Self::Simple)
    }

    /// The first of a keytab, the tickets of the user, and a password.
    fn kerberos(settings: &Settings, or_simple: bool) -> Result<Self> {
        let mut have = settings.kerberos.clone();
        have.user.clone_from(&settings.user);
        let ticket = have.keytab.is_none() && settings.has_ticket();
        if !ticket {
            have.ticket_cache = None;
            if have.user.is_none() {
                bail!(
                    "no ticket that is still good: run kinit, or give --user with --keytab or a password{}",
                    settings
                        .no_tickets
                        .as_deref()
                        .map(|why| format!(" ({why})"))
                        .unwrap_or_default()
                );
            }
            if have.keytab.is_none() {
                have.password = Some(settings.password()?);
            }
        }
        Ok(Self::Kerberos {
            have: Box::new(have),
            or_simple,
        })
    }

    /// Whether a password or nothing at all would be sent as it is.
    pub(crate) fn protects_itself(&self) -> bool {
        matches!(
            self,
            Self::Kerberos {
                or_simple: false,
                ..
            }
        )
    }
}

/// Kerberos knows servers by their names.
fn is_host(url: &LdapUrl) -> bool {
    url.scheme != Scheme::Ldapi && url.host.parse::<IpAddr>().is_err() && url.host != "localhost"
}

/// Whether the realm that a user's name suggests has centres in `krb5.conf`, or one was given.
fn knows_realm(settings: &Settings, user: &str) -> bool {
    if settings.kerberos.kdc.is_some() {
        return true;
    }
    let realm = user.rsplit_once('@').map(|(_, realm)| realm);
    let configuration = Configuration::read(&settings.kerberos.configuration);
    realm.is_some_and(|realm| !configuration.centres(realm).is_empty())
        && !matches!(settings.password, Password::Prompt)
}

/// Logs in on a stream, and gives the client with a word on how, where it was by Kerberos.
pub(crate) async fn bind(
    settings: &Settings,
    url: &LdapUrl,
    transport: Transport,
    method: Method,
    limits: Limits,
) -> Result<(Client, Option<String>)> {
    let (have, or_simple) = match method {
        Method::Anonymous => return Ok((Client::new(transport.stream, limits), None)),
        Method::Simple => {
            let client = Client::new(transport.stream, limits);
            simple(settings, url, &client).await?;
            return Ok((client, None));
        }
        Method::External { required } => {
            let client = Client::new(transport.stream, limits);
            match client.external_bind().await {
                Ok(()) => {}
                // The server knows who is at the other end; one that does not want to stays anonymous.
                Err(Error::Refused { .. }) if !required => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("{url}: login by EXTERNAL"));
                }
            }
            return Ok((client, None));
        }
        Method::Kerberos { have, or_simple } => (have, or_simple),
    };
    match have.ticket(SERVICE, &url.host).await {
        Ok(ticket) => kerberos_bind(url, transport, &ticket, limits).await,
        Err(error) if or_simple && !kerberos::is_refused(&error) => {
            let client = Client::new(transport.stream, limits);
            simple(settings, url, &client).await?;
            Ok((client, None))
        }
        Err(error) => {
            let advice = advice(&error, url);
            let error = error.context(format!("{url}: no ticket for {SERVICE}/{}", url.host));
            Err(match advice {
                Some(advice) => error.context(advice),
                None => error,
            })
        }
    }
}

async fn simple(settings: &Settings, url: &LdapUrl, client: &Client) -> Result<()> {
    let user = settings.user.as_deref().unwrap_or_default();
    let password = settings.password()?;
    client
        .simple_bind(user, password.expose_secret())
        .await
        .map_err(|error| refused(url, user, error))
}

async fn kerberos_bind(
    url: &LdapUrl,
    mut transport: Transport,
    ticket: &Ticket,
    limits: Limits,
) -> Result<(Client, Option<String>)> {
    // Servers refuse a layer of SASL inside TLS ([MS-ADTS] 5.1.1.1.2); the binding takes its place.
    let protection = if transport.is_encrypted {
        Protection::None
    } else {
        Protection::Seal
    };
    let binding = transport
        .certificate
        .as_deref()
        .and_then(Binding::to_server);
    let who = ticket.client.to_string();
    let mut last = None;
    for mechanism in [Mechanism::Gssapi, Mechanism::GssSpnego] {
        let now = Moment::from(clock::now());
        let (mut login, first) = sasl::Client::new(mechanism, ticket, protection, binding, now)?;
        let bound = sasl_bind(
            &mut transport.stream,
            limits,
            mechanism.name(),
            first,
            |challenge| login.answer(challenge).map_err(anyhow::Error::new),
        )
        .await;
        let proof = match bound {
            Ok(proof) => proof,
            Err(error) if is_unknown_method(&error) => {
                last = Some(error);
                continue;
            }
            Err(error) => return Err(failed(url, &who, error)),
        };
        let layer = login
            .finish(proof.as_deref())
            .map_err(|error| failed(url, &who, error.into()))?;
        let how = format!(
            "Signed in as {who} by Kerberos ({}), {}.",
            mechanism.name(),
            match (&layer, transport.is_encrypted) {
                (Some(_), _) => "every message encrypted with the key of the ticket",
                (None, true) => "over TLS",
                (None, false) => "without encryption",
            }
        );
        let client = match layer {
            Some(layer) => {
                let layer = Box::new(KerberosLayer(layer));
                Client::new(Protected::new(transport.stream, layer), limits)
            }
            None => Client::new(transport.stream, limits),
        };
        return Ok((client, Some(how)));
    }
    let error = last.unwrap_or_else(|| anyhow!("no mechanism"));
    Err(failed(url, &who, error).context("the server offers neither GSSAPI nor GSS-SPNEGO"))
}

fn is_unknown_method(error: &anyhow::Error) -> bool {
    let unknown = ResultCode::AUTH_METHOD_NOT_SUPPORTED;
    matches!(error.downcast_ref(), Some(Error::Refused { code, .. }) if *code == unknown)
}

fn failed(url: &LdapUrl, who: &str, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Error>() {
        Ok(error) => refused(url, who, error),
        Err(error) => error.context(format!("{url}: login as {who} failed")),
    }
}

fn refused(url: &LdapUrl, who: &str, error: Error) -> anyhow::Error {
    let why = refusal(&error);
    let error = anyhow::Error::new(error).context(format!("{url}: login as {who} failed"));
    match why {
        Some(why) => error.context(why),
        None => error,
    }
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

/// What to do where no ticket can be had.
fn advice(error: &anyhow::Error, url: &LdapUrl) -> Option<String> {
    Some(match error.downcast_ref()? {
        KdcError::UnknownService { realm, .. } => format!(
            "{realm} has no server named {}: connect by the full DNS name of the domain controller",
            url.host
        ),
        KdcError::Skew { .. } => "set the clock of this machine, or that of the centre; 300 s are allowed".to_owned(),
        KdcError::NoEncryption => {
            "let the account have keys of AES (msDS-SupportedEncryptionTypes 24), and set its password again".to_owned()
        }
        KdcError::WrongPassword { .. } => "wrong user or password".to_owned(),
        KdcError::UnknownClient { .. } => "give the user as user@REALM, with the realm that knows it".to_owned(),
        _ => return None,
    })
}

/// The layer of Kerberos on the stream of LDAP (RFC 4752 3.3), of a client or a server.
pub struct KerberosLayer(pub Layer);

impl SecurityLayer for KerberosLayer {
    fn longest_text(&self) -> usize {
        self.0.most()
    }

    fn longest_message(&self) -> usize {
        MOST_RECEIVED
    }

    fn wrap(&mut self, text: &[u8]) -> io::Result<Vec<u8>> {
        self.0.wrap(text).map_err(io::Error::other)
    }

    fn unwrap(&mut self, message: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        self.0.unwrap(message).map_err(invalid)
    }
}

/// A stream of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_ldap::Operation;

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
