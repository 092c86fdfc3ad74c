//! Resolver: what DNS says, and how it fails (RFC 1035, RFC 2782, RFC 3596).
//!
//! A name that does not exist, one without an address, a server that fails and one that is silent are
//! four different things to an administrator; the system's own look-up tells them as one.
//!
//! Invariant: names are asked as they are. No search list is tried behind them, so that no server is asked
//! for a name that was not given.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use automend_core::discovery::{Host, SrvRecord};
use automend_core::host_port;
use automend_core::verdict::Cause;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::Failure;

/// More aliases than this lead nowhere.
const MOST_ALIASES: usize = 16;
/// More addresses of one host are not tried.
const MOST_ADDRESSES: usize = 16;
/// The port of DNS.
const DNS: u16 = 53;

/// Resolves names.
#[derive(Clone)]
pub struct Resolver {
    dns: TokioResolver,
    pins: Vec<Pin>,
    limit: Duration,
}

/// Where a host is, whatever DNS says: `--resolve HOST:PORT:ADDRESS`, as curl has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pin {
    /// `None` for every host.
    host: Option<Host>,
    port: u16,
    /// Addresses, each with a port where it is not the one that is asked for.
    to: Vec<(IpAddr, Option<u16>)>,
}

impl Pin {
    /// Reads `HOST:PORT:ADDRESS[,ADDRESS]`; HOST may be `*`. Beyond what curl reads, an ADDRESS may have
    /// a port of its own: `10.0.0.1:8443`, `[::1]:8443`.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [host, port, addresses] = parts.as_slice() else {
            bail!("{text:?}: write HOST:PORT:ADDRESS");
        };
        let host = match *host {
            "*" => None,
            host => Some(Host::parse(host).ok_or_else(|| anyhow!("{host:?} is no host name"))?),
        };
        let port = port
            .parse()
            .with_context(|| format!("{port:?} is no port"))?;
        let to = addresses
            .split(',')
            .map(|address| place(address).ok_or_else(|| anyhow!("{address:?} is no address")))
            .collect::<Result<_>>()?;
        Ok(Self { host, port, to })
    }

    fn is_for(&self, host: &Host, port: u16) -> bool {
        self.port == port && self.host.as_ref().is_none_or(|own| own == host)
    }
}

/// An address, which may have a port.
fn place(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let (address, port) = host_port::split(text)?;
    Some((address.parse().ok()?, port))
}

/// Reads the address of a DNS server, `IP` or `IP:PORT`.
pub fn server(text: &str) -> Result<SocketAddr> {
    let (ip, port) = place(text)
        .ok_or_else(|| anyhow!("{text:?} is no address of a DNS server; write IP or IP:PORT"))?;
    Ok(SocketAddr::new(ip, port.unwrap_or(DNS)))
}

impl Resolver {
    /// Asks `server`, or those of the system; `limit` is for one look-up.
    pub fn new(server: Option<SocketAddr>, pins: Vec<Pin>, limit: Duration) -> Result<Self> {
        let mut builder = match server {
            None => TokioResolver::builder_tokio().context(
                "reading which DNS servers this computer asks; name one with --resolver",
            )?,
            Some(server) => {
                let at_port = |mut config: ConnectionConfig| {
                    config.port = server.port();
                    config
                };
                let mut named = NameServerConfig::udp_and_tcp(server.ip());
                named.connections = vec![
                    at_port(ConnectionConfig::udp()),
                    at_port(ConnectionConfig::tcp()),
                ];
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![named]);
                let mut builder =
                    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                // Who names a server wants to know what that server says.
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.attempts = 2;
        options.timeout = (limit / 2).min(Duration::from_secs(5));
        Ok(Self {
            dns: builder.build().context("setting up DNS")?,
            pins,
            limit,
        })
    }

    /// The addresses of a host.
    pub async fn addresses(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(pin) = self.pins.iter().find(|pin| pin.is_for(host, port)) {
            let to = pin.to.iter();
            return Ok(to
                .map(|(ip, own)| SocketAddr::new(*ip, own.unwrap_or(port)))
                .collect());
        }
        let name = match host {
            Host::Address(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
            Host::Name(name) => fqdn(name)?,
        };
        let (six, four) = tokio::join!(
            self.dns.lookup(name.clone(), RecordType::AAAA),
            self.dns.lookup(name.clone(), RecordType::A),
        );
        let mut found: Vec<SocketAddr> = Vec::new();
        let mut failures = Vec::new();
        for looked_up in [six, four] {
            match looked_up {
                Ok(lookup) => {
                    let ips = lookup
                        .answers()
                        .iter()
                        .filter_map(|record| match &record.data {
                            RData::A(ip) => Some(IpAddr::V4(ip.0)),
                            RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
                            _ => None,
                        });
                    found.extend(ips.map(|ip| SocketAddr::new(ip, port)).take(MOST_ADDRESSES));
                }
                Err(error) => failures.push(failure(&error)),
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        // A server that fails says more than one that has nothing.
        let told = failures
            .into_iter()
            .max_by_key(|failure| failure.cause.weight());
        let told = told.unwrap_or_else(|| Failure::new(Cause::NoAddress, ""));
        if matches!(told.cause, Cause::NoAddress | Cause::DnsFailed)
            && let Some(circle) = self.aliases(name).await
        {
            return Err(circle);
        }
        Err(told)
    }

    /// The SRV records of a name; none is an answer, too.
    pub async fn services(&self, name: &str) -> Result<Vec<SrvRecord>, Failure> {
        let name = fqdn(name)?;
        let looked_up = self.dns.lookup(name, RecordType::SRV);
        let Ok(looked_up) = tokio::time::timeout(self.limit, looked_up).await else {
            return Err(Failure::new(Cause::DnsTimeout, ""));
        };
        match looked_up {
            Ok(lookup) => Ok(lookup
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::SRV(srv) => Some(SrvRecord {
                        priority: srv.priority,
                        weight: srv.weight,
                        port: srv.port,
                        target: srv.target.to_ascii(),
                    }),
                    _ => None,
                })
                .collect()),
            Err(error) => match failure(&error) {
                nothing if matches!(nothing.cause, Cause::NoSuchHost | Cause::NoAddress) => {
                    Ok(Vec::new())
                }
                failure => Err(failure),
            },
        }
    }

    /// Follows the aliases of a name, and tells when they do not end.
    async fn aliases(&self, name: Name) -> Option<Failure> {
        let mut seen = HashSet::from([name.to_lowercase()]);
        let mut way = vec![name.to_ascii()];
        let mut next = name;
        while way.len() <= MOST_ALIASES {
            let lookup = self.dns.lookup(next, RecordType::CNAME).await.ok()?;
            let alias = lookup
                .answers()
                .iter()
                .find_map(|record| match &record.data {
                    RData::CNAME(alias) => Some(alias.0.clone()),
                    _ => None,
                })?;
            way.push(alias.to_ascii());
            if !seen.insert(alias.to_lowercase()) {
                break;
            }
            next = alias;
        }
        Some(Failure::new(Cause::CnameLoop, way.join(" -> ")))
    }
}

fn fqdn(name: &str) -> Result<Name, Failure> {
    let mut name =
        Name::from_ascii(name).map_err(|error| Failure::new(Cause::NoSuchHost, error))?;
    name.set_fqdn(true);
    Ok(name)
}

fn failure(error: &NetError) -> Failure {
    let cause = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => return Failure::new(Cause::NoSuchHost, ""),
            _ => return Failure::new(Cause::NoAddress, ""),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            return Failure::new(Cause::DnsFailed, format!("the server answers {code}"));
        }
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) => Cause::DnsTimeout,
        _ => Cause::DnsFailed,
    };
    Failure::new(cause, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_pinned_as_curl_pins_it() {
        let pin = Pin::parse("contoso.com:443:127.0.0.1,[::1]:8443,127.0.0.2:80,::2").unwrap();
        let [one, two] = ["127.0.0.1", "127.0.0.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let [six, seven] = ["::1", "::2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(
            pin.to,
            [
                (one, None),
                (six, Some(8443)),
                (two, Some(80)),
                (seven, None)
            ]
        );
        let host = |name| Host::parse(name).unwrap();
        assert!(pin.is_for(&host("Contoso.com"), 443));
        assert!(!pin.is_for(&host("contoso.com"), 80));
        assert!(!pin.is_for(&host("mail.contoso.com"), 443));
        assert!(
            Pin::parse("*:443:10.0.0.1")
                .unwrap()
                .is_for(&host("any.test"), 443)
        );
        for text in [
            "",
            "contoso.com",
            "contoso.com:443",
            "a:b:127.0.0.1",
            "a:1:b",
            "a b:1:::1",
        ] {
            assert!(Pin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_dns_server_is_named_by_its_address() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1:53"),
            ("10.0.0.1:5353", "10.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(server(text).unwrap().to_string(), expected);
        }
        assert!(server("dns.contoso.com").is_err());
    }
}
