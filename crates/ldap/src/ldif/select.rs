//! Picks the lines of a few attributes out of a record: what an audit of a large file needs.
//!
//! Invariant: the lines picked are those that [`Lines`] would give for these attributes. A line of
//! another attribute is not looked at, so a defect in it is not seen.

use memchr::memchr;

use super::line::{Line, Lines, starts_with_name};
use super::{Defect, Record};

/// A set of attribute names, prepared for comparing.
#[derive(Clone, Debug)]
pub struct Selector {
    /// By the first byte of a line: the names that it may have, with their places in the list.
    by_first: Vec<Vec<(usize, Vec<u8>)>>,
}

impl Selector {
    /// Names without options; an index in an answer is one into this list.
    pub fn new(names: &[&str]) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for (index, name) in names.iter().enumerate() {
            let Some(first) = name.bytes().next() else {
                continue;
            };
            for (byte, bucket) in (0u8..=255).zip(&mut by_first) {
                if byte.eq_ignore_ascii_case(&first) {
                    bucket.push((index, name.as_bytes().to_vec()));
                }
            }
        }
        Self { by_first }
    }

    #[inline]
    fn index(&self, text: &[u8]) -> Option<usize> {
        let bucket = self.by_first.get(usize::from(*text.first()?))?;
        bucket
            .iter()
            .find(|(_, name)| starts_with_name(text, name))
            .map(|(index, _)| *index)
    }
}

impl<'a> Record<'a> {
    /// The lines of the attributes in `selector`, each with the attribute's place in its list.
    pub fn select<'s>(&self, selector: &'s Selector) -> Selected<'a, 's> {
        Selected {
            lines: self.lines(),
            selector,
        }
    }
}

/// The lines that a [`Selector`] picks.
#[derive(Clone, Debug)]
pub struct Selected<'a, 's> {
    lines: Lines<'a>,
    selector: &'s Selector,
}

impl<'a> Iterator for Selected<'a, '_> {
    type Item = Result<(usize, Line<'a>), Defect>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, text, folded) = self.lines.logical()?;
            if let Some(index) = self.selector.index(text) {
                let whole = self.lines.check_characters(number, text);
                return Some(
                    whole.and_then(|()| pick(number, text, folded).map(|line| (index, line))),
                );
            }
            if folded && !matches!(text.first(), Some(b'#')) && folded_in_the_name(text) {
                // A name that is cut in two is put together before it is compared.
                match Line::folded_in_the_name(number, text) {
                    Ok(line) => {
                        if let Some(index) = self.selector.index(line.whole()) {
                            let whole = self.lines.check_characters(number, text);
                            return Some(whole.map(|()| (index, line)));
                        }
                    }
                    Err(defect) => return Some(Err(defect)),
                }
            }
        }
    }
}

/// A line whose start is known to be a name.
#[inline]
fn pick(number: u64, text: &[u8], folded: bool) -> Result<Line<'_>, Defect> {
    if folded && folded_in_the_name(text) {
        return Line::folded_in_the_name(number, text);
    }
    match memchr(b':', text) {
        Some(colon) => Ok(Line::at(number, text, colon, folded)),
        None => Err(Defect {
            line: number,
            what: "a line without a colon",
        }),
    }
}

fn folded_in_the_name(text: &[u8]) -> bool {
    let fold = memchr(b'\n', text).unwrap_or(text.len());
    memchr(b':', text.get(..fold).unwrap_or_default()).is_none()
}
