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
                    let whole = self.check_characters(number, text);
                    return Some(whole.and_then(|()| Line::new(number, text, folded, self.dashes)));
                }
            }
        }
    }
}

impl<'a> Lines<'a> {
    #[inline]
    pub(super) fn check_characters(&self, number: u64, text: &[u8]) -> Result<(), Defect> {
        if self.transcoded && memchr(UNPAIRED, text).is_some() {
            let what = "half a character: a surrogate without its partner";
            return Err(Defect { line: number, what });
        }
        Ok(())
    }

    /// The next line with what is folded behind it; its number, and whether anything is.
    #[inline]
    pub(super) fn logical(&mut self) -> Option<(u64, &'a [u8], bool)> {
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
    /// The whole line, as it stands in the block, or unfolded where its name was folded.
    text: Cow<'a, [u8]>,
    /// Where the name and its options end.
    colon: usize,
    folded: bool,
}

impl<'a> Line<'a> {
    #[inline]
    fn new(number: u64, text: &'a [u8], folded: bool, dashes: Dashes) -> Result<Self, Defect> {
        let Some(colon) = memchr(b':', text) else {
            if text == b"-" && dashes == Dashes::Line {
                return Ok(Self::at(number, text, text.len(), folded));
            }
            return Err(Defect {
                line: number,
                what: "a line without a colon",
            });
        };
        if folded && memchr(b'\n', text.get(..colon).unwrap_or_default()).is_some() {
            return Self::folded_in_the_name(number, text);
        }
        if matches!(text.first(), None | Some(b' ' | b';' | b':')) {
            return Err(Defect {
                line: number,
                what: "a line without an attribute name",
            });
        }
        Ok(Self::at(number, text, colon, folded))
    }

    /// A line whose colon is known.
    #[inline]
    pub(super) fn at(number: u64, text: &'a [u8], colon: usize, folded: bool) -> Self {
        Self {
            number,
            text: Cow::Borrowed(text),
            colon,
            folded,
        }
    }

    /// The rare line that is folded before its colon: it is unfolded at once.
    #[cold]
    pub(super) fn folded_in_the_name(number: u64, text: &[u8]) -> Result<Self, Defect> {
        let whole = unfold(text);
        let colon = Line::new(number, &whole, false, Dashes::Defect)?.colon;
        Ok(Self {
            number,
            text: Cow::Owned(whole),
            colon,
            folded: false,
        })
    }

    /// The number of the line where it starts, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The attribute's name as it is written, without options.
    pub fn name(&self) -> &[u8] {
        let description = self.description();
        let end = memchr(b';', description).unwrap_or(description.len());
        description.get(..end).unwrap_or_default()
    }

    /// The options behind the name: `binary` of `userCertificate;binary`.
    pub fn options(&self) -> impl Iterator<Item = &[u8]> {
        self.description().split(|&byte| byte == b';').skip(1)
    }

    /// Name and options as they are written.
    pub fn description(&self) -> &[u8] {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// Whether this is a value of the attribute `name`, whatever its options; without case.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        starts_with_name(&self.text, name.as_bytes())
    }

    /// The value: unfolded and decoded, borrowed where it stands in the file as it is.
    ///
    /// A value that is to be fetched from a URL (`:<`) is a defect, as is base64 that is none.
    pub fn value(&self) -> Result<Cow<'a, [u8]>, Defect> {
        let raw = match &self.text {
            Cow::Borrowed(text) => {
                let raw = text.get(self.colon..).unwrap_or_default();
                if self.folded && memchr(b'\n', raw).is_some() {
                    Cow::Owned(unfold(raw))
                } else {
                    Cow::Borrowed(raw)
                }
            }
            Cow::Owned(text) => Cow::Owned(text.get(self.colon..).unwrap_or_default().to_vec()),
        };
        match raw.get(1) {
            Some(b':') => BASE64
                .decode(raw.get(2..).unwrap_or_default().trim_ascii())
                .map(Cow::Owned)
                .map_err(|_| Defect {
                    line: self.number,
                    what: "a value that is no base64",
                }),
            Some(b'<') => Err(Defect {
                line: self.number,
                what: "a value to be fetched from a URL",
            }),
            _ => Ok(behind_colon(raw)),
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
        *self.text == *b"-"
    }
}

/// Some writers leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a line is one of the attribute `name`, whatever its options; without case.
#[inline]
pub(super) fn starts_with_name(text: &[u8], name: &[u8]) -> bool {
    // The byte behind is looked at first: it rules out nearly every other name.
    matches!(text.get(name.len()), Some(b':' | b';'))
        && text
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// A plain value without its colon and the spaces before it.
fn behind_colon(raw: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let spaces = raw.iter().skip(1).take_while(|&&byte| byte == b' ').count();
    let start = spaces.saturating_add(1).min(raw.len());
    match raw {
        Cow::Borrowed(raw) => Cow::Borrowed(raw.get(start..).unwrap_or_default()),
        Cow::Owned(mut raw) => {
            raw.drain(..start);
            Cow::Owned(raw)
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
