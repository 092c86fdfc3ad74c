//! The lines of a record: an attribute description and a value each (RFC 2849, `attrval-spec`).
//!
//! Folded lines are one line here, and comments none. Invariant: a line is borrowed from its block
//! and decoded only when its value is asked for.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memchr;

use super::Defect;
use super::utf16::UNPAIRED;

/// The logical lines of a part of a record.
///
/// A line that can't be read is a [`Defect`]; those behind it follow.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    pub(super) rest: &'a [u8],
    /// The number of the next line.
    pub(super) number: u64,
    pub(super) transcoded: bool,
    pub(super) dashes: Dashes,
}

/// What a line is that has nothing but `-`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dashes {
    /// Not LDIF.
    Defect,
    /// Left out.
    Skip,
    /// A line with the name `-`.
    Line,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Defect>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, text, folded) = self.logical()?;
            match text.first() {
                None | Some(b'#') => {}
                Some(b'-') if text == b"-" && self.dashes == Dashes::Skip => {}
                Some(_) => {
                    if self.transcoded && memchr(UNPAIRED, text).is_some() {
                        let what = "half a character: a surrogate without its partner";
                        return Some(Err(Defect { line: number, what }));
                    }
                    return Some(Line::new(number, text, folded, self.dashes));
                }
            }
        }
    }
}

impl<'a> Lines<'a> {
    /// The next line with what is folded behind it; its number, and whether anything is.
    #[inline]
    fn logical(&mut self) -> Option<(u64, &'a [u8], bool)> {
        let rest = self.rest;
        if rest.is_empty() {
            return None;
        }
        let number = self.number;
        let mut folded = false;
        let mut end = memchr(b'\n', rest).unwrap_or(rest.len());
        let mut next = end.saturating_add(1);
        self.number = number.saturating_add(1);
        while rest.get(next) == Some(&b' ') {
            folded = true;
            let tail = rest.get(next..).unwrap_or_default();
            end = next.saturating_add(memchr(b'\n', tail).unwrap_or(tail.len()));
            next = end.saturating_add(1);
            self.number = self.number.saturating_add(1);
        }
        let text = rest.get(..end).unwrap_or_default();
        self.rest = rest.get(next..).unwrap_or_default();
        Some((number, text.strip_suffix(b"\r").unwrap_or(text), folded))
    }
}

/// One attribute with one value.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    number: u64,
    /// Name and options.
    description: Cow<'a, [u8]>,
    value: Cow<'a, [u8]>,
    encoding: Encoding,
    folded: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    Plain,
    Base64,
    Url,
}

impl<'a> Line<'a> {
    #[inline]
    fn new(number: u64, text: &'a [u8], folded: bool, dashes: Dashes) -> Result<Self, Defect> {
        let Some(colon) = memchr(b':', text) else {
            if text == b"-" && dashes == Dashes::Line {
                return Ok(Self {
                    number,
                    description: Cow::Borrowed(text),
                    value: Cow::Borrowed(b""),
                    encoding: Encoding::Plain,
                    folded,
                });
            }
            return Err(Defect {
                line: number,
                what: "a line without a colon",
            });
        };
        let (description, rest) = text.split_at_checked(colon).unwrap_or_default();
        if folded && memchr(b'\n', description).is_some() {
            return Self::folded_in_the_name(number, text);
        }
        if matches!(description.first(), None | Some(b' ' | b';')) {
            return Err(Defect {
                line: number,
                what: "a line without an attribute name",
            });
        }
        let (encoding, value) = marker(rest);
        Ok(Self {
            number,
            description: Cow::Borrowed(description),
            value: Cow::Borrowed(value),
            encoding,
            folded,
        })
    }

    /// The rare line that is folded before its colon: it is unfolded at once.
    #[cold]
    fn folded_in_the_name(number: u64, text: &[u8]) -> Result<Self, Defect> {
        let whole = unfold(text);
        let line = Line::new(number, &whole, false, Dashes::Defect)?;
        Ok(Self {
            number,
            description: Cow::Owned(line.description.into_owned()),
            value: Cow::Owned(line.value.into_owned()),
            encoding: line.encoding,
            folded: false,
        })
    }

    /// The number of the line where it starts, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The attribute's name as it is written, without options.
    pub fn name(&self) -> &[u8] {
        let end = memchr(b';', &self.description).unwrap_or(self.description.len());
        self.description.get(..end).unwrap_or_default()
    }

    /// The options behind the name: `binary` of `userCertificate;binary`.
    pub fn options(&self) -> impl Iterator<Item = &[u8]> {
        self.description.split(|&byte| byte == b';').skip(1)
    }

    /// Name and options as they are written.
    pub fn description(&self) -> &[u8] {
        &self.description
    }

    /// Whether this is a value of the attribute `name`, whatever its options; without case.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        let description = &*self.description;
        match description.get(name.len()) {
            None => description.eq_ignore_ascii_case(name.as_bytes()),
            Some(b';') => self.name().eq_ignore_ascii_case(name.as_bytes()),
            Some(_) => false,
        }
    }

    /// The value: unfolded and decoded, borrowed where it stands in the file as it is.
    ///
    /// A value that is to be fetched from a URL (`:<`) is a defect, as is base64 that is none.
    pub fn value(&self) -> Result<Cow<'a, [u8]>, Defect> {
        let raw = if self.folded && memchr(b'\n', &self.value).is_some() {
            Cow::Owned(unfold(&self.value))
        } else {
            self.value.clone()
        };
        match self.encoding {
            Encoding::Plain => Ok(without_leading_spaces(raw)),
            Encoding::Base64 => BASE64
                .decode(raw.trim_ascii())
                .map(Cow::Owned)
                .map_err(|_| Defect {
                    line: self.number,
                    what: "a value that is no base64",
                }),
            Encoding::Url => Err(Defect {
                line: self.number,
                what: "a value to be fetched from a URL",
            }),
        }
    }

    /// The value as text; one that is not UTF-8 is a defect.
    pub fn text(&self) -> Result<Cow<'a, str>, Defect> {
        let defect = Defect {
            line: self.number,
            what: "a value that is not UTF-8",
        };
        match self.value()? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| defect),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| defect),
        }
    }

    /// Decodes what stands behind the colon of a control.
    pub(super) fn with_value(number: u64, behind_colon: &str) -> Result<Vec<u8>, Defect> {
        let text = [b"x:", behind_colon.as_bytes()].concat();
        Ok(Line::new(number, &text, false, Dashes::Defect)?
            .value()?
            .into_owned())
    }

    pub(super) fn is_dash(&self) -> bool {
        *self.description == *b"-"
    }
}

/// Some writers leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the colons say about the value, and the value.
#[inline]
fn marker(rest: &[u8]) -> (Encoding, &[u8]) {
    match rest {
        [b':', b':', value @ ..] => (Encoding::Base64, value),
        [b':', b'<', value @ ..] => (Encoding::Url, value),
        [b':', b' ', value @ ..] | [_, value @ ..] => (Encoding::Plain, value),
        [] => (Encoding::Plain, rest),
    }
}

fn without_leading_spaces(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let spaces = value.iter().take_while(|&&byte| byte == b' ').count();
    match value {
        value if spaces == 0 => value,
        Cow::Borrowed(value) => Cow::Borrowed(value.get(spaces..).unwrap_or_default()),
        Cow::Owned(mut value) => {
            value.drain(..spaces);
            Cow::Owned(value)
        }
    }
}

/// Joins what folding separated: a line end and the space behind it.
fn unfold(text: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(text.len());
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = if index == 0 {
            line
        } else {
            line.get(1..).unwrap_or_default()
        };
        whole.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    whole
}
