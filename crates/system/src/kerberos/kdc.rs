//! Asking a key distribution centre over TCP (RFC 4120 7.2.2): where it is, and one message to it.
//!
//! Where it is says the caller, else krb5.conf, else the realm's own name, which in Active Directory has
//! the addresses of the domain controllers.
//!
//! Invariant: an exchange takes [`PATIENCE`] and [`LONGEST`] bytes at most; nothing secret is in it in clear.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::host_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Configuration;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer.
const LONGEST: usize = 1 << 20;
/// The port (RFC 4120 7.2.2).
const PORT: u16 = 88;

/// Sends a message to a centre of `realm` and gives its answer. `given` is `host` or `host:port`.
pub(super) async fn exchange(
    realm: &str,
    given: Option<&str>,
    configuration: &Configuration,
    message: &[u8],
) -> Result<Vec<u8>> {
    let places = match given {
        Some(given) => vec![given.to_owned()],
        None => configuration.centres(realm),
    };
    let places = if places.is_empty() {
        vec![realm.to_lowercase()]
    } else {
        places
    };
    let mut last = anyhow!("no key distribution centre of {realm} is known");
    for place in places {
        match tokio::time::timeout(PATIENCE, ask(&place, message)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = error.context(format!("asking {place} for a ticket")),
            Err(_) => last = anyhow!("{place}: no ticket within {} s", PATIENCE.as_secs()),
        }
    }
    Err(last)
}

async fn ask(place: &str, message: &[u8]) -> Result<Vec<u8>> {
    let (host, port) = host_port::split(place).with_context(|| format!("{place:?} is no host"))?;
    let mut stream = TcpStream::connect((host, port.unwrap_or(PORT))).await?;
    stream.set_nodelay(true)?;
    let length = u32::try_from(message.len()).context("a message that is too long")?;
    let framed = [&length.to_be_bytes()[..], message].concat();
    stream.write_all(&framed).await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > LONGEST {
        bail!("an answer of {length} bytes");
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
