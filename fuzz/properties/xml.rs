//! A document that can be read is within its limits, is the same in every encoding, and is not a
//! document any more when its end is missing (XML 1.0).

use automend_autodiscover::xml::{Limits, Text};

/// Small, so that the fuzzer finds documents that are too large.
const LIMITS: Limits = Limits {
    bytes: 4096,
    depth: 8,
    elements: 64,
    attributes: 6,
};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = Text::read(bytes, LIMITS) else {
        return;
    };
    let Ok(root) = text.root() else {
        return;
    };
    assert!(bytes.len() <= LIMITS.bytes);
    let mut count = 0;
    let mut taken = 0;
    let mut open = vec![(&root, 1)];
    while let Some((element, depth)) = open.pop() {
        count += 1;
        assert!(depth <= LIMITS.depth && element.attributes.len() <= LIMITS.attributes);
        assert!(!element.name.is_empty() && !element.name.contains(':'));
        taken += element.name.len() + element.text.len();
        open.extend(element.children.iter().map(|child| (child, depth + 1)));
    }
    assert!(count <= LIMITS.elements);
    // Latin 1 and UTF-16 may double, and a line feed may stand for two characters.
    assert!(taken <= 2 * bytes.len(), "{taken} of {}", bytes.len());

    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // What the fuzzer writes in UTF-8 may look like UTF-16.
    if text.contains('\0') {
        return;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let marked = format!("\u{feff}{text}");
    let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let roomy = Limits {
        bytes: usize::MAX,
        ..LIMITS
    };
    for same in [big.as_slice(), marked.as_bytes()] {
        let same = Text::read(same, roomy).expect("the same text");
        assert_eq!(same.root().as_ref(), Ok(&root));
    }

    // Behind the root only comments, instructions and blanks may stand; `>` ends all but blanks.
    let end = text.rfind("</").or_else(|| text.rfind("/>"));
    if let Some(end) =
        end.filter(|end| !text[*end..].contains("-->") && !text[*end..].contains("?>"))
    {
        let cut = Text::read(&text.as_bytes()[..end], roomy);
        assert!(cut.is_err() || cut.is_ok_and(|text| text.root().is_err()));
    }
}
