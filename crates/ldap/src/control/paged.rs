//! Simple paged results: a search answered in portions (RFC 2696).
//!
//! Invariant: the cookie is the server's and opaque; an empty one means that nothing is left.

use super::Control;
use crate::wire::{Malformed, Reader, Writer, tag};

/// RFC 2696 section 2.
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

impl Control {
    /// Asks for at most `size` entries, continuing at `cookie` (empty at the start).
    ///
    /// Critical: a server that ignored it would send everything at once, or cut it off.
    pub fn paged_results(size: u32, cookie: &[u8]) -> Self {
        let mut writer = Writer::default();
        writer.constructed(tag::SEQUENCE, |writer| {
            writer.integer(tag::INTEGER, i64::from(size.min(i32::MAX.unsigned_abs())));
            writer.octets(cookie);
        });
        Self::new(PAGED_RESULTS, true, Some(writer.into_bytes()))
    }
}

/// The cookie in the controls of an answer; `None` when the server did not page.
pub(crate) fn cookie(controls: &[Control]) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(control) = controls.iter().find(|control| control.oid == PAGED_RESULTS) else {
        return Ok(None);
    };
    let mut value = Reader::new(control.value.as_deref().unwrap_or_default());
    let mut parts = value.inside(tag::SEQUENCE, "a paged result without a value")?;
    parts.integer(tag::INTEGER, "a paged result without a size")?;
    let cookie = parts.expect(tag::OCTET_STRING, "a paged result without a cookie")?;
    Ok(Some(cookie.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_comes_back() {
        let control = Control::paged_results(500, b"\x00\xff");
        assert_eq!(
            cookie(&[Control::show_deleted(), control]),
            Ok(Some(vec![0, 255]))
        );
        assert_eq!(cookie(&[]), Ok(None));
        let broken = Control {
            value: Some(vec![0x30]),
            ..Control::paged_results(1, b"")
        };
        assert!(cookie(&[broken]).is_err());
    }
}
