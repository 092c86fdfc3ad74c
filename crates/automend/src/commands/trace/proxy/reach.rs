//! What the recorder reaches on behalf of others: nothing that only this machine can reach.
//!
//! What listens on the loopback often asks for no login, and link-local addresses are those of
//! neighbours and of the metadata of clouds (169.254.169.254; RFC 3927, RFC 4291 2.5).
//!
//! Invariant: an address is judged after the name was looked up, as the one that is connected to, and by the
//! IPv4 address that is inside it, if there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a client at `from` may have the recorder connect to `to`.
pub(super) fn may_reach(from: IpAddr, to: IpAddr) -> bool {
    from.to_canonical().is_loopback() || !is_local(to)
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_local_v4(address),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || inside(address).is_some_and(is_local_v4)
        }
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    // All of 0.0.0.0/8 means this machine (RFC 1122 3.2.1.3).
    address.is_loopback() || address.is_link_local() || address.octets().starts_with(&[0])
}

/// The IPv4 address that packets to an IPv6 address end at: mapped and compatible (RFC 4291 2.5.5),
/// translated (RFC 6052 2.1, RFC 2765 2.1), 6to4 (RFC 3056 2).
fn inside(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_reach_nothing_that_only_this_machine_does() {
        let reached = |from: &str, to: &str| may_reach(from.parse().unwrap(), to.parse().unwrap());
        for to in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.1.1",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
        ] {
            for from in [
                "192.0.2.7",
                "10.0.0.1",
                "2001:db8::1",
                "::ffff:192.0.2.7",
                "fe80::2",
            ] {
                assert!(!reached(from, to), "{from} to {to}");
            }
            for from in ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"] {
                assert!(reached(from, to), "{from} to {to}");
            }
        }
        for to in [
            "192.0.2.1",
            "10.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "2001:db8::1",
            "fec0::1",
            "fd00::1",
            "::ffff:192.0.2.1",
            "64:ff9b::c000:201",
            "2002:c000:201::1",
        ] {
            assert!(reached("192.0.2.7", to), "{to}");
        }
    }
}
