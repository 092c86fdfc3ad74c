//! A filter that can be read is displayed as text that reads as the same filter (RFC 4515).

use automend_ldap::{Control, Filter};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    // As a value, any bytes: nothing in them may change the filter.
    let filter = Filter::equal("mail", bytes);
    assert_eq!(filter.to_string().parse(), Ok(filter));
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(filter) = text.parse::<Filter>() {
        assert_eq!(filter.to_string().parse().as_ref(), Ok(&filter), "{filter}");
        assert!(Control::assertion(&filter).value.is_some());
    }
}
