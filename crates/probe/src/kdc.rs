//! Asking a key distribution centre over TCP (RFC 4120 7.2.2): where it is, and one message to it.
//!
//! Where it is says the caller, else krb5.conf, else the realm's own name, which in Active Directory has
//! the addresses of the domain controllers.
//!
//! Invariant: an exchange takes [`PATIENCE`] and [`LONGEST`] bytes at most; nothing secret is in it in clear.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer.
const LONGEST: usize = 1 << 20;
/// The port (RFC 4120 7.2.2).
const PORT: u16 = 88;

/// Sends a message to a centre of `realm` and gives its answer. `given` is `host` or `host:port`; `file` is
/// `krb5.conf`.
pub(super) async fn exchange(
    realm: &str,
    given: Option<&str>,
    file: &Path,
    message: &[u8],
) -> Result<Vec<u8>> {
    let places = match given {
        Some(given) => vec![given.to_owned()],
        None => configured(file, realm),
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
    let (host, port) = host_and_port(place)?;
    let mut stream = TcpStream::connect((host, port)).await?;
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

fn host_and_port(place: &str) -> Result<(&str, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .with_context(|| format!("{place:?} is no host"))?;
            (host, port.strip_prefix(':'))
        }
        None if place.matches(':').count() == 1 => place
            .split_once(':')
            .map_or((place, None), |(host, port)| (host, Some(port))),
        None => (place, None),
    };
    let port = match port {
        Some(port) => port
            .parse()
            .with_context(|| format!("{port:?} is no port"))?,
        None => PORT,
    };
    Ok((host, port))
}

/// The centres of a realm in a krb5.conf, as MIT's and Heimdal's libraries read it.
fn configured(file: &Path, realm: &str) -> Vec<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => centres(&text, realm),
        Err(_) => Vec::new(),
    }
}

fn centres(text: &str, realm: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut section, mut inside) = (String::new(), false);
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.trim().to_lowercase();
            inside = false;
        } else if line.starts_with('}') {
            inside = false;
        } else if let Some((name, value)) = line.split_once('=') {
            let (name, value) = (name.trim(), value.trim());
            if value.starts_with('{') {
                inside = section == "realms" && name.eq_ignore_ascii_case(realm);
            } else if inside && name == "kdc" {
                // UDP and TCP are told apart in newer files; here is TCP only.
                let place = value.strip_prefix("tcp/").unwrap_or(value);
                found.push(place.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centres_of_a_realm_stand_in_its_braces() {
        let text = "[libdefaults]\n kdc = no\n[realms]\n OTHER.TEST = {\n  kdc = other\n }\n # kdc = no\n \
            CONTOSO.TEST = {\n  kdc = dc1.contoso.test\n  admin_server = no\n  kdc = tcp/[::1]:8888\n }\n kdc = no\n";
        assert_eq!(
            centres(text, "contoso.test"),
            ["dc1.contoso.test", "[::1]:8888"]
        );
        assert!(centres(text, "NOBODY.TEST").is_empty());
    }

    #[test]
    fn a_place_has_a_port_or_the_usual_one() {
        for (place, expected) in [
            ("dc1", ("dc1", 88)),
            ("dc1:750", ("dc1", 750)),
            ("[::1]:750", ("::1", 750)),
            ("[::1]", ("::1", 88)),
            ("::1", ("::1", 88)),
        ] {
            assert_eq!(host_and_port(place).unwrap(), expected);
        }
        assert!(host_and_port("dc1:x").is_err());
    }
}
