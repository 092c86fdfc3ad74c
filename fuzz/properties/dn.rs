//! A name that can be read is equal to its own text read again, and lies below its parents
//! (RFC 4514).

use automend_core::dn::Dn;

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(name) = Dn::parse(text) else { return };
    let again = Dn::parse(&name.to_string()).expect("what was displayed");
    assert_eq!((again.key(), again.depth()), (name.key(), name.depth()));
    let mut above = name.clone();
    for _ in 0..=name.depth() {
        assert!(name.is_within(&above), "{name} in {above}");
        let Some(parent) = above.parent() else { return };
        assert_eq!(parent.depth() + 1, above.depth());
        above = parent;
    }
    panic!("{name} has more parents than parts");
}
