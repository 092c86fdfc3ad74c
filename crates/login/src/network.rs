//! Which addresses count as one client, and which as one place.
//!
//! Invariant: an IPv4 address that was written as IPv6 is that IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What counts as one client: an IPv4 address, or the /64 that a household has at least.
pub fn client_network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What a provider gives to one place: an IPv4 /24, as the last number changes with each dialling in, or an
/// IPv6 /64.
pub(super) fn neighbourhood(from: IpAddr) -> IpAddr {
    match client_network(from) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        v6 @ IpAddr::V6(_) => v6,
    }
}
