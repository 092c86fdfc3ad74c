//! The lines of a record: an attribute description and a value each (RFC 2849, `attrval-spec`).
//!
//! Folded lines are one line here, and comments none. Invariant: a line is borrowed from its block
//! and decoded only when its value is asked for.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr, memchr_iter};

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
                    let line = Line::new(number, text, folded, self.dashes);
                    return Some(line.map(|line| self.with_characters_checked(line, text)));
                }
            }
        }
    }
}

impl<'a> Lines<'a> {
    /// Marks the value of a line that holds half a character.
    #[inline]
    pub(super) fn with_characters_checked(&self, line: Line<'a>, text: &[u8]) -> Line<'a> {
        if self.transcoded && memchr(UNPAIRED, text).is_some() {
            let what = "half a character: a surrogate without its partner";
            return Line {
                broken: Some(what),
                ..line
            };
        }
        line
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
    /// Why there is no value to read, though the name is known.
    broken: Option<&'static str>,
}

impl<'a> Line<'a> {
    #[inline]
    pub(super) fn new(
        number: u64,
        text: &'a [u8],
        folded: bool,
        dashes: Dashes,
    ) -> Result<Self, Defect> {
        let Some(colon) = memchr(b':', text) else {
            if text == b"-" && dashes == Dashes::Line {
                return Ok(Self::at(number, text, text.len(), folded));
            }
            return Self::without_colon(number, text);
        };
        if folded && memchr(b'\n', text.get(..colon).unwrap_or_default()).is_some() {
            return Self::folded_in_the_name(number, text);
        }
        check_description(number, text.get(..colon).unwrap_or_default())?;
        Ok(Self::at(number, text, colon, folded))
    }

    /// A line that lost its colon, or what is behind it: the name is known, the value is not.
    #[cold]
    pub(super) fn without_colon(number: u64, text: &[u8]) -> Result<Self, Defect> {
        const WHAT: &str = "a line without a colon";
        let whole = unfold(text);
        let name = whole
            .iter()
            .take_while(|&&byte| is_description_byte(byte) && byte != b'=')
            .count();
        let named = check_description(number, whole.get(..name).unwrap_or_default());
        named.map_err(|_| Defect {
            line: number,
            what: WHAT,
        })?;
        Ok(Self {
            number,
            text: Cow::Owned(whole),
            colon: name,
            folded: false,
            broken: Some(WHAT),
        })
    }

    /// A line whose colon is known.
    #[inline]
    pub(super) fn at(number: u64, text: &'a [u8], colon: usize, folded: bool) -> Self {
        Self {
            number,
            text: Cow::Borrowed(text),
            colon,
            folded,
            broken: None,
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
            broken: None,
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
            || self.broken.is_some() && self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Why the line has no value that could be read, though its name could.
    pub(super) fn broken(&self) -> Option<Defect> {
        self.broken.map(|what| Defect {
            line: self.number,
            what,
        })
    }

    /// The value: unfolded and decoded, borrowed where it stands in the file as it is.
    ///
    /// A value that is to be fetched from a URL (`:<`) is a defect, as is base64 that is none, and a
    /// line that ends before its colon.
    pub fn value(&self) -> Result<Cow<'a, [u8]>, Defect> {
        if let Some(defect) = self.broken() {
            return Err(defect);
        }
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

/// Whether a name may be written: letters, digits, `-`, `.`, `;` and `_` (RFC 4512, 2.5, and what
/// servers also have), and `=` and `*` as in the range option of Active Directory.
pub(super) fn is_description(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|&byte| is_description_byte(byte))
}

#[inline]
fn is_description_byte(byte: u8) -> bool {
    const ALLOWED: [bool; 256] = {
        let mut allowed = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            #[expect(clippy::indexing_slicing, reason = "an octet, and there are 256")]
            {
                allowed[byte as usize] = byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'.' | b';' | b'_' | b'=' | b'*');
            }
            byte += 1;
        }
        allowed
    };
    ALLOWED.get(usize::from(byte)).copied().unwrap_or_default()
}

#[inline]
pub(super) fn check_description(number: u64, name: &[u8]) -> Result<(), Defect> {
    if is_description(name) {
        return Ok(());
    }
    Err(Defect {
        line: number,
        what: match name.first() {
            None | Some(b' ' | b';') => "a line without an attribute name",
            Some(_) => "an attribute name that cannot be one",
        },
    })
}

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

/// How many lines end in `bytes`.
pub(super) fn newlines(bytes: &[u8]) -> u64 {
    u64::try_from(memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX)
}

/// An attribute description as text: RFC 4512 allows ASCII letters, digits, `-`, `.` and `;`.
pub(super) fn description(line: &Line<'_>) -> Result<String, Defect> {
    match String::from_utf8_lossy(line.description()) {
        Cow::Borrowed(text) => Ok(text.to_owned()),
        Cow::Owned(_) => Err(Defect {
            line: line.number(),
            what: "a name that is not UTF-8",
        }),
    }
}
