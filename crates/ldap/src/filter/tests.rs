//! Properties of filters as text.

use proptest::prelude::*;

use super::Filter;

fn attribute() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9-]{0,12}(;[a-z]{1,6})?"
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12),
        "\\PC{0,8}".prop_map(String::into_bytes),
        "[()*\\\\&|!=<>~: \\x00\n]{0,8}".prop_map(String::into_bytes),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let piece = || value().prop_filter("a piece is not empty", |piece| !piece.is_empty());
    let leaf = prop_oneof![
        attribute().prop_map(Filter::Present),
        (attribute(), value()).prop_map(|(a, v)| Filter::equal(&a, v)),
        (attribute(), value()).prop_map(|(a, v)| Filter::greater_or_equal(&a, v)),
        (attribute(), value()).prop_map(|(a, v)| Filter::less_or_equal(&a, v)),
        (attribute(), value())
            .prop_map(|(attribute, value)| Filter::Approximate { attribute, value }),
        (
            attribute(),
            proptest::option::of(piece()),
            proptest::collection::vec(piece(), 1..3),
            proptest::option::of(piece())
        )
            .prop_map(|(attribute, initial, any, last)| Filter::Substring {
                attribute,
                initial,
                any,
                last
            }),
        (attribute(), piece()).prop_map(|(a, v)| Filter::starts_with(&a, v)),
        (
            proptest::option::of(attribute()),
            "[a-zA-Z0-9.]{3,12}",
            value(),
            any::<bool>()
        )
            .prop_map(
                |(attribute, rule, value, dn_attributes)| Filter::Extensible {
                    attribute,
                    rule: Some(rule),
                    value,
                    dn_attributes,
                }
            ),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(Filter::not),
        ]
    })
}

proptest! {
    #[test]
    fn a_displayed_filter_reads_as_itself(filter in filter()) {
        prop_assert_eq!(filter.to_string().parse(), Ok(filter));
    }

    #[test]
    fn no_text_breaks_the_parser(text in "[()&|!=*<>~:\\\\a-c0 ]{0,60}") {
        if let Ok(filter) = text.parse::<Filter>() {
            prop_assert_eq!(filter.to_string().parse(), Ok(filter));
        }
    }
}
