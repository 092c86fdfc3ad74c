//! Picks the lines of a few attributes out of a record: what an audit of a large file needs.
//!
//! Invariant: the lines picked are those that [`Lines`] would give for these attributes. Of a line of
//! another attribute only its name and its colon are looked at, so that nothing cut off goes unseen.

use memchr::memchr;

use super::line::{Dashes, Line, Lines, check_description};
use super::record::reserved;
use super::{Defect, Record};

/// A set of attribute names, prepared for comparing.
#[derive(Clone, Debug)]
pub struct Selector {
    /// By length: the names, with their places in the list.
    by_length: Vec<Vec<(usize, Vec<u8>)>>,
}

impl Selector {
    /// Names without options; an index in an answer is one into this list.
    pub fn new(names: &[&str]) -> Self {
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let mut by_length = vec![Vec::new(); longest.saturating_add(1)];
        for (index, name) in names.iter().enumerate() {
            if let Some(bucket) = by_length.get_mut(name.len()) {
                bucket.push((index, name.as_bytes().to_vec()));
            }
        }
        Self { by_length }
    }

    /// The place of the attribute that a description names, whatever its options.
    #[inline]
    fn index(&self, description: &[u8]) -> Option<usize> {
        self.named(description).or_else(|| {
            let options = memchr(b';', description)?;
            self.named(description.get(..options)?)
        })
    }

    #[inline]
    fn named(&self, name: &[u8]) -> Option<usize> {
        let bucket = self.by_length.get(name.len())?;
        let found = bucket
            .iter()
            .find(|(_, known)| name.eq_ignore_ascii_case(known));
        found.map(|(index, _)| *index)
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
            if matches!(text.first(), None | Some(b'#')) {
                continue;
            }
            let colon = memchr(b':', text);
            let line = match colon {
                // A name that is cut in two is put together before it is compared.
                Some(_) if folded && folded_in_the_name(text) => {
                    Line::folded_in_the_name(number, text)
                }
                Some(colon) => Ok(Line::at(number, text, colon, folded)),
                None if text == b"-" && self.lines.dashes != Dashes::Defect => continue,
                None => Line::without_colon(number, text),
            };
            let line = match line {
                Ok(line) => line,
                Err(defect) => return Some(Err(defect)),
            };
            if let Some(index) = self.selector.index(line.description()) {
                // The names in the list can be written; options behind them need not be such.
                if memchr(b';', line.description()).is_some()
                    && let Err(defect) = check_description(number, line.description())
                {
                    return Some(Err(defect));
                }
                return Some(Ok((index, self.lines.with_characters_checked(line, text))));
            }
            let strange = line
                .broken()
                .or_else(|| check_description(number, line.description()).err())
                .or_else(|| reserved(&line));
            if let Some(defect) = strange {
                return Some(Err(defect));
            }
        }
    }
}

fn folded_in_the_name(text: &[u8]) -> bool {
    let fold = memchr(b'\n', text).unwrap_or(text.len());
    memchr(b':', text.get(..fold).unwrap_or_default()).is_none()
}
