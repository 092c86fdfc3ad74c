//! XML out, fast: elements go straight into a buffer that its owner keeps.
//!
//! XML 1.0 (fifth edition) 2.2, 2.4. The answer of a server with many users is made here for each of
//! them, so nothing is allocated for an element, and text without markup is copied in one piece.
//!
//! Invariant: whatever the values are, what comes out is well-formed; names are the program's own.

/// Writes elements to the end of a buffer.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Depth of indentation; none where the document is one line.
    depth: Option<usize>,
    /// Whether an element's start is the last thing written, so that its end may need no line.
    just_opened: bool,
}

impl<'a> Writer<'a> {
    /// A document with one element a line, as Exchange writes POX.
    pub fn indented(out: &'a mut Vec<u8>) -> Self {
        Self::declared(out, Some(0))
    }

    /// A document in one line, as Exchange writes SOAP.
    pub fn compact(out: &'a mut Vec<u8>) -> Self {
        Self::declared(out, None)
    }

    /// Elements within so many others, with one element a line.
    pub(crate) fn within(out: &'a mut Vec<u8>, depth: usize) -> Self {
        Self {
            out,
            depth: Some(depth),
            just_opened: false,
        }
    }

    fn declared(out: &'a mut Vec<u8>, depth: Option<usize>) -> Self {
        out.extend_from_slice(br#"<?xml version="1.0" encoding="utf-8"?>"#);
        Self {
            out,
            depth,
            just_opened: false,
        }
    }

    /// The start of an element.
    pub fn open(&mut self, name: &'static str) {
        self.open_with(name, &[]);
    }

    /// The start of an element with attributes.
    pub fn open_with(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.start(name, attributes);
        self.out.push(b'>');
        if let Some(depth) = &mut self.depth {
            *depth = depth.saturating_add(1);
        }
        self.just_opened = true;
    }

    /// The end of the element.
    pub fn close(&mut self, name: &'static str) {
        if let Some(depth) = &mut self.depth {
            *depth = depth.saturating_sub(1);
        }
        if !self.just_opened {
            self.line();
        }
        self.end(name);
    }

    /// An element without content.
    pub fn empty(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.start(name, attributes);
        self.out.extend_from_slice(b" />");
        self.just_opened = false;
    }

    /// An element with text.
    pub fn leaf(&mut self, name: &'static str, value: &str) {
        self.leaf_of(name, &[], &[value]);
    }

    /// An element with text, if there is any to write.
    pub fn leaf_if(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    /// An element with attributes, and text that is made of several pieces.
    pub fn leaf_of(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        pieces: &[&str],
    ) {
        self.start(name, attributes);
        self.out.push(b'>');
        for piece in pieces {
            self.text(piece);
        }
        self.end(name);
    }

    /// Text in the element that is open.
    pub(crate) fn text(&mut self, text: &str) {
        escape(self.out, text, Place::Text);
    }

    /// How long the document is by now.
    pub(crate) fn position(&self) -> usize {
        self.out.len()
    }

    /// The start of an element of which [`Writer::text`] and [`Writer::end`] follow.
    pub(crate) fn begin(&mut self, name: &'static str) {
        self.start(name, &[]);
        self.out.push(b'>');
    }

    fn start(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.line();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        for (name, value) in attributes {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            escape(self.out, value, Place::Attribute);
            self.out.push(b'"');
        }
    }

    /// The end of an element that has no others in it.
    pub(crate) fn end(&mut self, name: &'static str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        self.just_opened = false;
    }

    fn line(&mut self) {
        const INDENT: &[u8] = b"\n                                ";
        if let Some(depth) = self.depth {
            let width = depth.saturating_mul(2).saturating_add(1);
            self.out
                .extend_from_slice(INDENT.get(..width).unwrap_or(INDENT));
        }
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Text,
    Attribute,
}

/// Copies a value; what XML cannot hold becomes U+FFFD.
fn escape(out: &mut Vec<u8>, value: &str, place: Place) {
    let mut rest = value.as_bytes();
    while let Some(at) = special(rest) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (instead, width) = instead(special, place);
        out.extend_from_slice(instead);
        rest = special.get(width..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Where the first byte is that may not stay as it is; most values have none.
fn special(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks();
    let clean = words
        .iter()
        .take_while(|word| !has_special(u64::from_ne_bytes(**word)))
        .count();
    let from = clean.saturating_mul(8);
    let mut rest = bytes.get(from..)?.iter();
    rest.position(|byte| *byte < b' ' || matches!(*byte, b'&' | b'<' | b'>' | b'"' | NONCHARACTER))
        .map(|at| from + at)
}

/// Whether any of eight bytes may not stay as it is.
///
/// A byte is below another, or zero, when it borrows from its highest bit in a subtraction.
fn has_special(word: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let each = |byte: u8| EACH * u64::from(byte);
    let below = |word: u64, byte: u8| word.wrapping_sub(each(byte)) & !word & HIGHEST;
    let is = |word: u64, byte: u8| below(word ^ each(byte), 1);
    let control = below(word, b' ');
    // `<` and `>` differ in one bit, and so do `&` and `"`.
    let angle = is(word | each(b'<' ^ b'>'), b'<' | b'>');
    let quote = is(word | each(b'&' ^ b'"'), b'&' | b'"');
    (control | angle | quote | is(word, NONCHARACTER)) != 0
}

/// The first byte of U+FFFE and U+FFFF in UTF-8, and of many characters that are none of these.
const NONCHARACTER: u8 = 0xef;

/// What stands for the character at the start, and how long that character is.
fn instead(special: &[u8], place: Place) -> (&[u8], usize) {
    match special {
        [b'&', ..] => (b"&amp;", 1),
        [b'<', ..] => (b"&lt;", 1),
        [b'>', ..] => (b"&gt;", 1),
        // A reader makes a carriage return a line feed, and each of these a blank in an attribute.
        [b'\r', ..] => (b"&#13;", 1),
        [b'"', ..] if place == Place::Attribute => (b"&quot;", 1),
        [b'\t', ..] if place == Place::Attribute => (b"&#9;", 1),
        [b'\n', ..] if place == Place::Attribute => (b"&#10;", 1),
        [NONCHARACTER, 0xbf, 0xbe | 0xbf, ..] => (REPLACEMENT, 3),
        [b'"' | b'\t' | b'\n' | NONCHARACTER, ..] => (special.get(..1).unwrap_or_default(), 1),
        _ => (REPLACEMENT, 1),
    }
}

/// U+FFFD.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_special = byte < b' ' || matches!(byte, b'&' | b'<' | b'>' | b'"' | 0xef);
            for neighbour in [b' ', b'a', b'\'', b'=', 0x7f, 0x80, 0xff] {
                for at in 0..20 {
                    let mut bytes = [neighbour; 20];
                    bytes[at] = byte;
                    assert_eq!(
                        special(&bytes),
                        is_special.then_some(at),
                        "{byte:#x} at {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_value_is_text_wherever_it_stands() {
        let mut out = Vec::new();
        let mut xml = Writer::compact(&mut out);
        xml.leaf_of(
            "a",
            &[("b", "<\t\"\r\n&\u{0}>")],
            &["]]>", "\t\"\r\n\u{ffff}\u{fffd}\u{f000}"],
        );
        let text = String::from_utf8(out).unwrap();
        let (_, element) = text.split_once("?>").unwrap();
        assert_eq!(
            element,
            "<a b=\"&lt;&#9;&quot;&#13;&#10;&amp;\u{fffd}&gt;\">]]&gt;\t\"&#13;\n\u{fffd}\u{fffd}\u{f000}</a>"
        );
    }
}
