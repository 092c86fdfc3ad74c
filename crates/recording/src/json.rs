//! JSON, read from a stream with flat memory (RFC 8259).
//!
//! One body in a recording may be as large as the whole file, and a general reader holds each string
//! whole; here a string is kept up to a size that the caller names, and what is not wanted is passed
//! over without being kept at all. It is read as leniently as it can be without guessing: raw control
//! characters, lone surrogates and a comma too many are accepted, because recorders write them.
//!
//! Invariant: no recursion, no panic, and no more memory than the buffer and the strings asked for.

use std::io::{self, Read};

use memchr::memchr2;

/// Objects and lists within one another.
const MOST_DEPTH: usize = 256;
/// No recorder writes a longer key.
const MOST_KEY: usize = 256;
/// A number, `true`, `false` or `null`.
const MOST_WORD: usize = 64;
const BUFFER: usize = 128 << 10;

/// Why reading ended before the document did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The document ends in the middle.
    #[error("the file ends early, at byte {at}")]
    Early { at: u64 },
    /// Against the rules of JSON.
    #[error("the file is not JSON at byte {at}: {what}")]
    Syntax { at: u64, what: &'static str },
    /// The stream failed.
    #[error("the file could not be read at byte {at}: {source}")]
    Io { at: u64, source: io::Error },
}

type Result<T> = std::result::Result<T, Broken>;

/// A string, as far as it was kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Text {
    pub text: String,
    /// Whether there was more of it.
    pub cut: bool,
}

/// A stream of JSON.
pub(crate) struct Json<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What is in the buffer and not yet read.
    at: usize,
    end: usize,
    /// Where in the stream the buffer begins.
    before: u64,
    depth: usize,
}

impl<R: Read> Json<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            at: 0,
            end: 0,
            before: 0,
            depth: 0,
        }
    }

    /// How far the stream was read.
    pub(crate) fn offset(&self) -> u64 {
        self.before.saturating_add(self.at as u64)
    }

    /// Passes over a byte order mark.
    pub(crate) fn pass_mark(&mut self) -> Result<()> {
        if self.peek()? == Some(0xef) {
            for expected in [0xef, 0xbb, 0xbf] {
                if self.next()? != expected {
                    return Err(self.syntax("a byte order mark that is none"));
                }
            }
        }
        Ok(())
    }

    /// Reads an object; `member` is called with each key and reads, or passes over, its value. A value
    /// that is no object is passed over, and `false` is given back.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<()>,
    ) -> Result<bool> {
        if self.start()? != b'{' {
            self.pass()?;
            return Ok(false);
        }
        self.descend()?;
        loop {
            match self.start()? {
                b'}' => break,
                b',' => self.at += 1,
                b'"' => {
                    let key = self.string(MOST_KEY)?;
                    self.colon()?;
                    // A key that was cut must not be taken for a short one.
                    member(self, if key.cut { "" } else { &key.text })?;
                }
                _ => return Err(self.syntax("a member without a key")),
            }
        }
        self.ascend();
        Ok(true)
    }

    /// Reads a list; `item` is called at each value and reads, or passes over, it. A value that is no
    /// list is passed over, and `false` is given back.
    pub(crate) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<bool> {
        if self.start()? != b'[' {
            self.pass()?;
            return Ok(false);
        }
        self.descend()?;
        loop {
            match self.start()? {
                b']' => break,
                b',' => self.at += 1,
                _ => item(self)?,
            }
        }
        self.ascend();
        Ok(true)
    }

    /// Reads a string up to `most` bytes of it; `None` for any other value.
    pub(crate) fn text(&mut self, most: usize) -> Result<Option<Text>> {
        if self.start()? == b'"' {
            return self.string(most).map(Some);
        }
        self.pass()?;
        Ok(None)
    }

    /// Reads a number, or a string that is one; `None` for any other value.
    pub(crate) fn number(&mut self) -> Result<Option<f64>> {
        let word = match self.start()? {
            b'"' => self.string(MOST_WORD)?.text,
            b'{' | b'[' => {
                self.pass()?;
                return Ok(None);
            }
            _ => self.word()?,
        };
        Ok(word
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()))
    }

    /// Passes over a value, whatever it is.
    pub(crate) fn pass(&mut self) -> Result<()> {
        // A bit for each level that is open: whether it is an object.
        let mut open: Vec<bool> = Vec::new();
        loop {
            match (self.start()?, open.last()) {
                (b'"', Some(true)) => {
                    self.string(0)?;
                    // In an object a string is a key or a value; a colon tells.
                    self.pass_colon()?;
                }
                (b'"', _) => {
                    self.string(0)?;
                }
                (byte @ (b'{' | b'['), _) => {
                    self.descend()?;
                    open.push(byte == b'{');
                    continue;
                }
                (b'}', Some(true)) | (b']', Some(false)) => {
                    open.pop();
                    self.ascend();
                }
                (b',', Some(_)) => self.at += 1,
                (b',' | b':' | b'}' | b']', _) => return Err(self.syntax("no value")),
                _ => {
                    self.word()?;
                }
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Passes over blanks at the end; what else stands there is a defect.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self.peek_token()? {
            None => Ok(()),
            Some(_) => Err(self.syntax("more after the end")),
        }
    }

    fn descend(&mut self) -> Result<()> {
        if self.depth >= MOST_DEPTH {
            return Err(self.syntax("nested too deep"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.at += 1;
    }

    /// The first byte of what comes next, which stays unread.
    fn start(&mut self) -> Result<u8> {
        self.peek_token()?.ok_or_else(|| self.early())
    }

    fn peek_token(&mut self) -> Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(Some(byte));
            }
            self.at += 1;
        }
        Ok(None)
    }

    fn colon(&mut self) -> Result<()> {
        if self.start()? != b':' {
            return Err(self.syntax("a key without a value"));
        }
        self.at += 1;
        Ok(())
    }

    fn pass_colon(&mut self) -> Result<()> {
        if self.start()? == b':' {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self) -> Result<String> {
        let mut word = String::new();
        while let Some(byte) = self.peek()? {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_') {
                word.push(char::from(byte));
                self.at += 1;
            } else {
                break;
            }
            if word.len() > MOST_WORD {
                return Err(self.syntax("a word that is no value"));
            }
        }
        if word.is_empty() {
            return Err(self.syntax("no value"));
        }
        Ok(word)
    }

    /// Reads a string whose quotation mark comes next.
    fn string(&mut self, most: usize) -> Result<Text> {
        self.at += 1;
        let mut kept = Vec::new();
        let mut cut = false;
        let mut keep = |bytes: &[u8]| {
            let room = most.saturating_sub(kept.len());
            let taken = bytes.get(..room).unwrap_or(bytes);
            kept.extend_from_slice(taken);
            cut |= taken.len() < bytes.len();
        };
        loop {
            if self.at >= self.end && !self.fill()? {
                return Err(self.early());
            }
            let rest = self.buffer.get(self.at..self.end).unwrap_or_default();
            let Some(length) = memchr2(b'"', b'\\', rest) else {
                keep(rest);
                self.at = self.end;
                continue;
            };
            let (plain, mark) = rest.split_at(length);
            keep(plain);
            let ends = mark.first() == Some(&b'"');
            self.at += length + 1;
            if ends {
                break;
            }
            let mut utf8 = [0; 4];
            let escaped = self.escaped()?;
            keep(escaped.encode_utf8(&mut utf8).as_bytes());
        }
        Ok(Text {
            text: lossy(kept),
            cut,
        })
    }

    /// What stands behind a backslash; half of a surrogate pair alone is U+FFFD.
    fn escaped(&mut self) -> Result<char> {
        Ok(match self.next()? {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let mut unit = self.hex()?;
                loop {
                    if !(0xd800..0xdc00).contains(&unit) {
                        break char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                    }
                    if !self.pass_if(*b"\\u")? {
                        break char::REPLACEMENT_CHARACTER;
                    }
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let pair = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        break char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER);
                    }
                    // The first half alone; the second begins again.
                    unit = low;
                }
            }
            other @ (b'"' | b'\\' | b'/') => char::from(other),
            _ => return Err(self.syntax("an escape that JSON does not have")),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16);
            unit = unit << 4 | digit.ok_or_else(|| self.syntax("an escape without its digits"))?;
        }
        Ok(unit)
    }

    /// Passes over these two bytes, if they are next.
    fn pass_if(&mut self, wanted: [u8; 2]) -> Result<bool> {
        while self.end - self.at < wanted.len() {
            if !self.fill()? {
                return Ok(false);
            }
        }
        let found = self.buffer.get(self.at..self.at + wanted.len()) == Some(wanted.as_slice());
        if found {
            self.at += wanted.len();
        }
        Ok(found)
    }

    fn next(&mut self) -> Result<u8> {
        let byte = self.peek()?.ok_or_else(|| self.early())?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        if self.at >= self.end && !self.fill()? {
            return Ok(None);
        }
        Ok(self.buffer.get(self.at).copied())
    }

    /// Reads more behind what is still unread; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.copy_within(self.at..self.end, 0);
        self.before = self.before.saturating_add(self.at as u64);
        self.end -= self.at;
        self.at = 0;
        loop {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.end = (self.end + count).min(self.buffer.len());
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A packed file that breaks off.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.early());
                }
                Err(source) => {
                    return Err(Broken::Io {
                        at: self.offset(),
                        source,
                    });
                }
            }
        }
    }

    fn early(&self) -> Broken {
        Broken::Early {
            at: self.before.saturating_add(self.end as u64),
        }
    }

    fn syntax(&self, what: &'static str) -> Broken {
        Broken::Syntax {
            at: self.offset(),
            what,
        }
    }
}

/// As text; a character that was cut in two, or is none, becomes U+FFFD.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// A stream that gives its bytes one after the other, so that every place is the end of a buffer.
    struct Drip<'b>(&'b [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let (Some((first, rest)), Some(out)) = (self.0.split_first(), out.first_mut()) else {
                return Ok(0);
            };
            *out = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    /// The whole document as serde_json would have it.
    fn value<R: Read>(json: &mut Json<R>) -> Result<Value> {
        Ok(match json.start()? {
            b'{' => {
                let mut map = serde_json::Map::new();
                json.object(|json, key| {
                    map.insert(key.to_owned(), value(json)?);
                    Ok(())
                })?;
                Value::Object(map)
            }
            b'[' => {
                let mut list = Vec::new();
                json.list(|json| {
                    list.push(value(json)?);
                    Ok(())
                })?;
                Value::Array(list)
            }
            b'"' => Value::String(json.text(usize::MAX)?.unwrap_or_default().text),
            _ => serde_json::from_str(&json.word()?).unwrap_or(Value::Null),
        })
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC*".prop_map(Value::from),
            "[\\x00-\\x7f😀\"\\\\]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-z\"\\\\é]{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_writes_is_read_the_same(document in any_value(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&document).unwrap()
            } else {
                serde_json::to_string(&document).unwrap()
            };
            let mut whole = Json::new(text.as_bytes());
            prop_assert_eq!(&value(&mut whole).unwrap(), &document);
            whole.finish().unwrap();
            let mut drops = Json::new(Drip(text.as_bytes()));
            prop_assert_eq!(&value(&mut drops).unwrap(), &document);
            let mut passed = Json::new(text.as_bytes());
            passed.pass().unwrap();
            passed.finish().unwrap();
        }

        #[test]
        fn bytes_that_are_no_json_end_in_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut json = Json::new(bytes.as_slice());
            if json.pass().is_ok() {
                prop_assert!(json.offset() <= bytes.len() as u64);
            }
        }

        #[test]
        fn a_document_that_is_cut_is_told_to_end_early(document in any_value(), at in any::<prop::sample::Index>()) {
            let text = serde_json::to_string(&Value::from(vec![document])).unwrap();
            let cut = &text.as_bytes()[..at.index(text.len())];
            let result = Json::new(cut).pass();
            prop_assert!(matches!(result, Err(Broken::Early { .. })), "{:?}", result);
        }
    }

    #[test]
    fn strings_are_kept_as_far_as_they_are_wanted() {
        let text = |bytes: &[u8], most| Json::new(bytes).text(most).unwrap().unwrap();
        assert_eq!(
            text(b"\"abc\"", 2),
            Text {
                text: "ab".to_owned(),
                cut: true
            }
        );
        assert_eq!(
            text(b"\"abc\"", 3),
            Text {
                text: "abc".to_owned(),
                cut: false
            }
        );
        assert_eq!(text(b"\"a\\u00e9\"", 2).text, "a\u{fffd}");
        assert_eq!(
            text(br#""\ud83d\ude00 \ud83d! \ude00 \ud83dA""#, 99).text,
            "😀 \u{fffd}! \u{fffd} \u{fffd}A"
        );
        assert_eq!(text(b"\"a\nb\"", 99).text, "a\nb");
        assert_eq!(Json::new(&b"17"[..]).text(9).unwrap(), None);
        assert_eq!(Json::new(&b"\" 17 \""[..]).number().unwrap(), Some(17.0));
        assert_eq!(Json::new(&b"[1]"[..]).number().unwrap(), None);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        let result = Json::new(deep.as_bytes()).pass();
        assert!(
            matches!(
                result,
                Err(Broken::Syntax {
                    what: "nested too deep",
                    ..
                })
            ),
            "{result:?}"
        );
    }
}
