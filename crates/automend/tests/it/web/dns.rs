//! A DNS server that answers as told (RFC 1035, RFC 2782), over UDP.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// What a name is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Is {
    /// Addresses.
    At(&'static [Ipv4Addr], &'static [Ipv6Addr]),
    /// Another name.
    Alias(&'static str),
    /// SRV records: priority, weight, port, target.
    Served(&'static [(u16, u16, u16, &'static str)]),
    /// A name that exists and has nothing.
    Empty,
    /// A response code: 2 is SERVFAIL, 5 REFUSED.
    Fails(u8),
    /// No answer at all.
    Silent,
}

/// A DNS server; names that it was not told of do not exist.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(names: &[(&'static str, Is)]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let names: HashMap<&'static str, Is> = names.iter().copied().collect();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let Some((name, kind)) = question(&buffer[..length]) else {
                    continue;
                };
                let mut asked = kept.lock().unwrap_or_else(PoisonError::into_inner);
                asked.push(name.clone());
                drop(asked);
                if let Some(answer) = answer(&buffer[..length], &name, kind, &names) {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Self { port, asked }
    }

    /// The names that were asked for, each once.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = asked.clone();
        names.sort();
        names.dedup();
        names
    }
}

/// Name and type of the question.
fn question(message: &[u8]) -> Option<(String, u16)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind))
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NXDOMAIN: u8 = 3;

fn answer(
    message: &[u8],
    name: &str,
    kind: u16,
    names: &HashMap<&'static str, Is>,
) -> Option<Vec<u8>> {
    let (code, records): (u8, Vec<(u16, Vec<u8>)>) = match names.get(name) {
        None => (NXDOMAIN, Vec::new()),
        Some(Is::Silent) => return None,
        Some(Is::Fails(code)) => (*code, Vec::new()),
        Some(Is::Alias(other)) => (0, vec![(CNAME, encoded(other))]),
        Some(Is::At(four, _)) if kind == A => {
            let records = four.iter().map(|ip| (A, ip.octets().to_vec()));
            (0, records.collect())
        }
        Some(Is::At(_, six)) if kind == AAAA => {
            let records = six.iter().map(|ip| (AAAA, ip.octets().to_vec()));
            (0, records.collect())
        }
        Some(Is::Served(records)) if kind == SRV => {
            let records = records.iter().map(|(priority, weight, port, target)| {
                let mut bytes = Vec::new();
                for number in [priority, weight, port] {
                    bytes.extend(number.to_be_bytes());
                }
                bytes.extend(encoded(target));
                (SRV, bytes)
            });
            (0, records.collect())
        }
        Some(_) => (0, Vec::new()),
    };
    let mut bytes = message.get(..2)?.to_vec();
    // An answer, recursion desired and available.
    bytes.extend([0x81, 0x80 | code]);
    let count = u16::try_from(records.len()).ok()?;
    bytes.extend([0, 1]);
    bytes.extend(count.to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(encoded(name));
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    for (kind, value) in records {
        bytes.extend(encoded(name));
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        bytes.extend(value);
    }
    Some(bytes)
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
