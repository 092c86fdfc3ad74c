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
            escape(self.out, piece, Place::Text);
        }
        self.end(name);
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

    fn end(&mut self, name: &'static str) {
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
    let mut rest = value;
    while let Some((at, width, instead)) = first_special(rest, place) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        out.extend_from_slice(instead.as_bytes());
        rest = special.get(width..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Where the first character is that cannot stay as it is, how long it is, and what stands for it.
fn first_special(text: &str, place: Place) -> Option<(usize, usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from
            + bytes
                .get(from..)?
                .iter()
                .position(|byte| is_special(*byte))?;
        let found = match bytes.get(at)? {
            b'&' => Some((1, "&amp;")),
            b'<' => Some((1, "&lt;")),
            b'>' => Some((1, "&gt;")),
            b'"' if place == Place::Attribute => Some((1, "&quot;")),
            // A reader makes these a blank in an attribute, and a line feed in text.
            b'\t' if place == Place::Attribute => Some((1, "&#9;")),
            b'\n' if place == Place::Attribute => Some((1, "&#10;")),
            b'\r' => Some((1, "&#13;")),
            b'"' | b'\t' | b'\n' => None,
            // U+FFFE and U+FFFF.
            0xef => bytes
                .get(at..at + 3)
                .is_some_and(|c| matches!(c, [0xef, 0xbf, 0xbe | 0xbf]))
                .then_some((3, "\u{fffd}")),
            _ => Some((1, "\u{fffd}")),
        };
        match found {
            Some((width, instead)) => return Some((at, width, instead)),
            None => from = at + 1,
        }
    }
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'&' | b'<' | b'>' | b'"' | 0xef)
}
