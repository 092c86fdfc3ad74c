//! Who asks, where a proxy stands before the service.
//!
//! Specification: the PROXY protocol 2.2 (its binary form, version 2), RFC 7239 (`Forwarded`), and
//! `X-Forwarded-For` as proxies write it.
//!
//! Invariant: only a configured proxy is believed, and of what it sends only what it has written itself: the
//! right end of a list. What cannot be read, or contradicts itself, leaves the proxy's own address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use automend_core::host_port;
use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, VIA};

/// Addresses with the same first bits: `10.0.0.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

/// The proxies that are believed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Proxies(pub Vec<Network>);

/// What stands in front of the header of the PROXY protocol, version 2.
pub(crate) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses.
pub(crate) const HEAD: usize = 16;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What requests have that came through a proxy.
const MARKS: [HeaderName; 7] = [
    VIA,
    FORWARDED,
    X_FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
];

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`; `None` for what is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = width(address);
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        let (own, other) = (self.address.to_canonical(), other.to_canonical());
        if width(own) != width(other) {
            return false;
        }
        // An IPv4 address that was written as IPv6 has 96 bits less.
        let left = width(self.address)
            .saturating_sub(self.bits)
            .min(width(own));
        let (own, other) = (number(own), number(other));
        let shift = u32::from(left);
        own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Proxies {
    /// Whether this is one of them.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who sent a request that came from `peer`: the last address of the list that is no proxy itself.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contain(peer) {
            return peer;
        }
        let named = |name: &HeaderName| {
            let mut lines = Vec::new();
            for line in headers.get_all(name) {
                // A line that is no text hides what stands before it.
                lines.push(line.to_str().unwrap_or("?"));
            }
            lines.join(",")
        };
        let plain = named(&X_FORWARDED_FOR);
        let forwarded = named(&FORWARDED);
        let by_plain = (!plain.is_empty()).then(|| self.walk(peer, plain.rsplit(',').map(address)));
        let by_forwarded = (!forwarded.is_empty()).then(|| {
            self.walk(
                peer,
                elements(&forwarded).into_iter().rev().map(forwarded_for),
            )
        });
        match (by_plain, by_forwarded) {
            // Most proxies write one of them and let a client's own through in the other.
            (Some(one), Some(other)) if one != other => peer,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => peer,
        }
    }

    fn walk(&self, peer: IpAddr, from_the_right: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for address in from_the_right {
            let Some(address) = address else {
                return client;
            };
            client = address;
            if !self.contain(client) {
                return client;
            }
        }
        client
    }
}

/// Whether a request says that it came through a proxy, which may send others' requests, too.
pub(crate) fn came_through(headers: &HeaderMap) -> bool {
    MARKS.iter().any(|name| headers.contains_key(name))
}

/// An address as it stands in a list: bare, in brackets, with a port.
fn address(text: &str) -> Option<IpAddr> {
    let (address, _) = host_port::split(text.trim())?;
    Some(address.parse::<IpAddr>().ok()?.to_canonical())
}

/// The elements of a `Forwarded` list; a comma within quotes parts nothing.
fn elements(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        c == ',' && !quoted
    })
    .collect()
}

/// The address of `for=` in one element (RFC 7239 4); none for `unknown`, a made-up name, or no `for`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    let (value, None) = (found.next()?.trim(), found.next()) else {
        return None;
    };
    let value = value
        .strip_prefix('"')
        .map_or(Some(value), |rest| rest.strip_suffix('"'))?;
    address(value)
}

/// How long the rest of a header of the PROXY protocol is.
pub(crate) fn rest_of(head: &[u8; HEAD]) -> Option<usize> {
    let [start @ .., version, _, high, low] = head;
    let known = *start == SIGNATURE && matches!(version, 0x20 | 0x21);
    known.then(|| usize::from(u16::from_be_bytes([*high, *low])))
}

/// Whom such a header names: no one for `LOCAL`, and for families other than TCP over IP.
pub(crate) fn announced(head: &[u8; HEAD], rest: &[u8]) -> Option<IpAddr> {
    let [_, _, _, _, _, _, _, _, _, _, _, _, version, family, _, _] = head;
    if *version != 0x21 {
        return None;
    }
    match family {
        0x11 if rest.len() >= 12 => {
            let (source, _) = rest.split_first_chunk::<4>()?;
            Some(IpAddr::V4(Ipv4Addr::from(*source)))
        }
        0x21 if rest.len() >= 36 => {
            let (source, _) = rest.split_first_chunk::<16>()?;
            Some(IpAddr::V6(Ipv6Addr::from(*source)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies() -> Proxies {
        let all = [
            "10.0.0.0/24",
            "192.0.2.1",
            "2001:db8::/32",
            "::ffff:10.1.0.0/112",
        ];
        Proxies(all.map(|text| Network::parse(text).unwrap()).to_vec())
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0/8",
            "proxy",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(Network::parse(text), None, "{text:?}");
        }
        let all = proxies();
        for (text, expected) in [
            ("10.0.0.255", true),
            ("10.0.1.0", false),
            ("::ffff:10.0.0.7", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("10.1.200.1", true),
            ("10.2.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(all.contain(ip(text)), expected, "{text}");
        }
        let everybody = Proxies(vec![Network::parse("0.0.0.0/0").unwrap()]);
        assert!(everybody.contain(ip("203.0.113.9")) && !everybody.contain(ip("::1")));
    }

    fn asked(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        proxies().client(ip(peer), &headers).to_string()
    }

    #[test]
    fn the_right_end_of_what_a_proxy_sends_is_the_client() {
        const X: &str = "x-forwarded-for";
        const F: &str = "forwarded";
        for (peer, lines, expected) in [
            ("10.0.0.1", [].as_slice(), "10.0.0.1"),
            ("10.0.0.1", &[(X, "203.0.113.9")], "203.0.113.9"),
            // A client that is no proxy may claim anything.
            ("203.0.113.9", &[(X, "198.51.100.1")], "203.0.113.9"),
            (
                "10.0.0.1",
                &[(X, "198.51.100.1, 203.0.113.9")],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &[(X, "198.51.100.1"), (X, "203.0.113.9")],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &[(X, "203.0.113.9, 10.0.0.7,192.0.2.1")],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &[(X, "198.51.100.1, unknown, 10.0.0.7")],
                "10.0.0.7",
            ),
            ("10.0.0.1", &[(X, "198.51.100.1, \u{e9}")], "10.0.0.1"),
            ("10.0.0.1", &[(X, "203.0.113.9:5000")], "203.0.113.9"),
            ("10.0.0.1", &[(X, "[2001:db9::5]:443")], "2001:db9::5"),
            ("10.0.0.1", &[(X, "2001:db9::5")], "2001:db9::5"),
            ("10.0.0.1", &[(X, "::ffff:203.0.113.9")], "203.0.113.9"),
            ("10.0.0.1", &[(X, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", &[(X, "203.0.113.9,")], "10.0.0.1"),
            (
                "10.0.0.1",
                &[(F, "for=198.51.100.1, for=203.0.113.9;proto=https")],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &[(F, "For=\"[2001:db9::5]:47011\";by=10.0.0.1")],
                "2001:db9::5",
            ),
            ("10.0.0.1", &[(F, "for=\"a,for=198.51.100.1\"")], "10.0.0.1"),
            ("10.0.0.1", &[(F, "for=_hidden")], "10.0.0.1"),
            (
                "10.0.0.1",
                &[(F, "for=203.0.113.9;for=198.51.100.1")],
                "10.0.0.1",
            ),
            ("10.0.0.1", &[(F, "proto=https")], "10.0.0.1"),
            (
                "10.0.0.1",
                &[(F, "for=203.0.113.9"), (X, "203.0.113.9")],
                "203.0.113.9",
            ),
            // One of the two is the client's own word.
            (
                "10.0.0.1",
                &[(F, "for=198.51.100.1"), (X, "203.0.113.9")],
                "10.0.0.1",
            ),
        ] {
            assert_eq!(asked(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_header_of_the_proxy_protocol_names_its_client() {
        let head = |version: u8, family: u8, length: u16| {
            let mut head = [0; HEAD];
            head[..12].copy_from_slice(&SIGNATURE);
            head[12] = version;
            head[13] = family;
            head[14..].copy_from_slice(&length.to_be_bytes());
            head
        };
        let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 1, 2, 1, 187, 9, 9];
        let tcp4 = head(0x21, 0x11, 12);
        assert_eq!(rest_of(&tcp4), Some(12));
        assert_eq!(announced(&tcp4, &v4), Some(ip("203.0.113.9")));
        assert_eq!(announced(&tcp4, &v4[..11]), None);
        assert_eq!(announced(&head(0x20, 0x11, 12), &v4), None, "LOCAL");
        assert_eq!(announced(&head(0x21, 0x12, 12), &v4), None, "UDP");
        assert_eq!(announced(&head(0x21, 0x21, 12), &v4), None, "too short");
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db9::5".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(
            announced(&head(0x21, 0x21, 36), &v6),
            Some(ip("2001:db9::5"))
        );
        assert_eq!(rest_of(&head(0x11, 0x11, 12)), None, "version 1");
        assert_eq!(rest_of(&head(0x22, 0x11, 12)), None, "no command");
        assert_eq!(rest_of(&[0x16; HEAD]), None);
    }

    proptest! {
        #[test]
        fn whatever_a_proxy_sends_is_read(x in any::<Vec<u8>>(), f in "[ -~]{0,40}", rest in any::<Vec<u8>>()) {
            let mut headers = HeaderMap::new();
            for (name, value) in [(X_FORWARDED_FOR, x), (FORWARDED, f.into_bytes())] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(name, value);
                }
            }
            let stranger = ip("203.0.113.9");
            prop_assert_eq!(proxies().client(stranger, &headers), stranger);
            proxies().client(ip("10.0.0.1"), &headers);
            let mut head = [0x21; HEAD];
            head[13] = 0x11;
            announced(&head, &rest);
        }
    }
}
