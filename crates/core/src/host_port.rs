//! `host:port`, as people and configurations write it (RFC 3986 3.2.2 and 3.2.3, without a user).
//!
//! Invariant: text that could be read in two ways is refused; what the host may be, the caller says.

/// Splits `host`, `host:port`, `[address]` or `[address]:port`, without the brackets. An IPv6 address without
/// brackets has no port. `None` for anything else.
pub fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        match rest {
            "" => (host, None),
            rest => (host, Some(rest.strip_prefix(':')?)),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        }
    };
    let port = match port {
        // `parse` takes a sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    (!host.is_empty()).then_some((host, port))
}

/// The host of `host:port`, or the text itself where it is none.
pub fn host(text: &str) -> &str {
    split(text).map_or(text, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_split() {
        for (text, expected) in [
            ("dc1", Some(("dc1", None))),
            ("dc1:750", Some(("dc1", Some(750)))),
            ("10.0.0.1:53", Some(("10.0.0.1", Some(53)))),
            ("[::1]:750", Some(("::1", Some(750)))),
            ("[::1]", Some(("::1", None))),
            ("::1", Some(("::1", None))),
            ("2001:db8::1:53", Some(("2001:db8::1:53", None))),
            ("", None),
            (":80", None),
            ("[]:80", None),
            ("dc1:", None),
            ("dc1:x", None),
            ("dc1:+80", None),
            ("dc1:65536", None),
            ("[::1", None),
            ("[::1]80", None),
            ("[::1]:", None),
        ] {
            assert_eq!(split(text), expected, "{text:?}");
        }
        assert_eq!(host("dc1:750"), "dc1");
        assert_eq!(host("dc1:x"), "dc1:x");
    }
}
