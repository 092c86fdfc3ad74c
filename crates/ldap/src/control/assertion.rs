//! The assertion control: a request that is done only while a filter matches (RFC 4528).
//!
//! Invariant: always critical; a server that ignored it would write without asking.

use super::Control;
use crate::filter::Filter;
use crate::wire::Writer;

/// RFC 4528 section 3.
pub const ASSERTION: &str = "1.3.6.1.1.12";

impl Control {
    /// Does the request only if its object matches `filter`; otherwise the server answers
    /// `assertionFailed (122)`.
    pub fn assertion(filter: &Filter) -> Self {
        let mut writer = Writer::default();
        filter.write(&mut writer);
        Self::new(ASSERTION, true, Some(writer.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_a_bare_filter() {
        let control = Control::assertion(&Filter::present("cn"));
        assert_eq!(control.value.as_deref(), Some(&b"\x87\x02cn"[..]));
        assert!(control.critical);
    }
}
