//! The records of a block (RFC 2849, `ldif-attrval-record` and `ldif-change-record`).
//!
//! What tools put around records is passed over: comments, the version, the trailer and the
//! references of `ldapsearch` and `ldbsearch`. A record whose name or change type can't be read is
//! dropped with a [`Defect`], and so is one in which another begins; one with another bad line stays,
//! and the line is a defect among its [`Record::lines`], or one whose value is.
//! Invariant: records come in the order of the file, each with the number of its `dn` line.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

use super::Defect;
use super::line::{Dashes, Line, Lines, description, newlines};
use crate::entry::{Attribute, Entry};

/// The records of a block, and the defects between them.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    line: u64,
    max_record: usize,
    transcoded: bool,
    skipped: Option<Defect>,
    blank: Blank,
    /// Whether every record is looked through for a second start of one.
    whole: bool,
}

/// How to find a blank line.
#[derive(Debug)]
enum Blank {
    /// No carriage return is in the block.
    Lf(Box<memmem::Finder<'static>>),
    Any,
}

impl<'a> Records<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        line: u64,
        max_record: usize,
        transcoded: bool,
        skipped: Option<Defect>,
    ) -> Self {
        let blank = match memchr(b'\r', bytes) {
            None => Blank::Lf(Box::new(memmem::Finder::new(b"\n\n"))),
            Some(_) => Blank::Any,
        };
        Self {
            rest: bytes,
            line,
            max_record,
            transcoded,
            skipped,
            blank,
            whole: true,
        }
    }

    /// Leaves it to [`Record::select`] to find a second start of a record.
    pub(super) fn without_looking_whole(self) -> Self {
        Self {
            whole: false,
            ..self
        }
    }

    /// The lines up to the next blank one, and the number of their first.
    fn group(&mut self) -> Option<(u64, &'a [u8])> {
        loop {
            self.rest = match self.rest {
                [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
                [] | [b'\r'] => return None,
                _ => break,
            };
            self.line = self.line.saturating_add(1);
        }
        let end = match &self.blank {
            Blank::Lf(finder) => finder.find(self.rest),
            Blank::Any => memchr_iter(b'\n', self.rest).find(|at| {
                let next = self.rest.get(at.saturating_add(1)..);
                matches!(next, Some([b'\n', ..] | [b'\r', b'\n', ..]))
            }),
        };
        let end = end.map_or(self.rest.len(), |at| at.saturating_add(1));
        let (text, rest) = self.rest.split_at_checked(end)?;
        let line = self.line;
        self.line = line.saturating_add(newlines(text));
        self.rest = rest;
        Some((line, text))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Defect>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(defect) = self.skipped.take() {
            return Some(Err(defect));
        }
        loop {
            let (line, text) = self.group()?;
            if text.len() > self.max_record {
                return Some(Err(Defect {
                    line,
                    what: "a record over the limit of size",
                }));
            }
            let lines = Lines {
                rest: text,
                number: line,
                transcoded: self.transcoded,
                dashes: Dashes::Defect,
            };
            match Record::read(lines) {
                Ok(Some(record)) if self.whole => {
                    return Some(match record.second_start() {
                        None => Ok(record),
                        Some(defect) => Err(defect),
                    });
                }
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => {}
                Err(defect) => return Some(Err(defect)),
            }
        }
    }
}

/// What a record says about its object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing is changed: this is how the object is.
    Content,
    /// The object is created.
    Add,
    /// The object is removed.
    Delete,
    /// Attributes are changed: [`Record::modifications`].
    Modify,
    /// The object is renamed or moved: [`Record::rename`].
    Rename,
}

impl Change {
    /// Whether the record holds an object, as it is or as it shall be created.
    pub fn is_object(self) -> bool {
        matches!(self, Self::Content | Self::Add)
    }
}

/// An object, or a change to one.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The number of the line with the name, counted from 1.
    pub line: u64,
    /// The distinguished name as it is written.
    pub dn: Cow<'a, str>,
    /// What the record says about it.
    pub change: Change,
    /// Whether the file ends within the record: no line end is behind its last line. The last value
    /// may be a part of one, and what the record has no may have been behind it.
    pub cut: bool,
    /// The `control:` lines, and comments between them.
    pub(super) controls: Lines<'a>,
    /// What is behind the change type, or the name.
    body: Lines<'a>,
}

/// The words that start a group of lines which is no record, but belongs to the output of a tool:
/// a reference, the end of a search, its paging.
const TRAILERS: [&str; 4] = ["ref", "search", "result", "pagedresults"];

impl<'a> Record<'a> {
    /// Reads the start of a record; `None` when the lines are no record and need not be.
    fn read(mut lines: Lines<'a>) -> Result<Option<Self>, Defect> {
        let cut = !lines.rest.ends_with(b"\n");
        let name = loop {
            match lines.next() {
                None => return Ok(None),
                Some(line) => {
                    let line = line?;
                    if let Some(defect) = line.broken() {
                        return Err(defect);
                    }
                    if !line.is("version") {
                        break line;
                    }
                    if line.value()?.trim_ascii() != b"1" {
                        return Err(Defect {
                            line: line.number(),
                            what: "a version of LDIF other than 1",
                        });
                    }
                }
            }
        };
        if !name.is("dn") {
            if TRAILERS.iter().any(|word| name.is(word)) {
                return Ok(None);
            }
            return Err(Defect {
                line: name.number(),
                what: "a record that does not start with a name",
            });
        }
        let dn = name.text()?;
        let mut controls = lines.clone();
        let mut behind_controls = lines.rest;
        let mut body = lines.clone();
        let mut change = Change::Content;
        while let Some(Ok(line)) = lines.next() {
            if line.is("control") {
                body = lines.clone();
                behind_controls = lines.rest;
            } else {
                if line.is("changetype") {
                    change = change_type(&line)?;
                    body = lines.clone();
                }
                break;
            }
        }
        let length = controls.rest.len().saturating_sub(behind_controls.len());
        controls.rest = controls.rest.get(..length).unwrap_or_default();
        if change == Change::Modify {
            body.dashes = Dashes::Skip;
        }
        Ok(Some(Self {
            line: name.number(),
            dn,
            change,
            cut,
            controls,
            body,
        }))
    }

    /// A line that only the start of a record has, behind the start of this one: two records of which
    /// the blank line between them is lost, or one that is an object and a change at once.
    fn second_start(&self) -> Option<Defect> {
        let mut lines = self.lines();
        while let Some((number, text, folded)) = lines.logical() {
            // The rest of a line does not matter here, and a bad one is reported where it is read.
            let found = match text.first() {
                Some(b'd' | b'D' | b'c' | b'C') => Line::new(number, text, folded, Dashes::Line)
                    .ok()
                    .and_then(|line| reserved(&line)),
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether there is a `control:` line.
    pub(super) fn has_controls(&self) -> bool {
        !self.controls.rest.is_empty()
    }

    /// The lines behind the name and the change type.
    ///
    /// Of a modification these are the steps with their values, without the dashes between them.
    pub fn lines(&self) -> Lines<'a> {
        self.body.clone()
    }

    /// The values of the attribute `name`, whatever its options; a line that can't be read is left
    /// out.
    pub fn values(&self, name: &str) -> impl Iterator<Item = Result<Cow<'a, [u8]>, Defect>> {
        self.lines()
            .filter_map(Result::ok)
            .filter(move |line| line.is(name))
            .map(|line| line.value())
    }

    /// The record as an entry, with what could not be read of it.
    ///
    /// A line that is not in the entry may be a value of an attribute that is: see
    /// [`Record::unreadable`] before concluding that a value is absent.
    pub fn entry(&self) -> (Entry, Vec<Defect>) {
        let mut entry = Entry {
            dn: self.dn.clone().into_owned(),
            attributes: Vec::new(),
        };
        let mut defects = Vec::new();
        for line in self.lines() {
            let read = line.and_then(|line| Ok((description(&line)?, line.value()?)));
            match read {
                Ok((description, value)) => push(&mut entry.attributes, &description, value),
                Err(defect) => defects.push(defect),
            }
        }
        (entry, defects)
    }

    /// Whether a line is there of which not even the name can be read: it may be a value of any attribute
    /// that the record seems to lack.
    pub fn has_nameless_line(&self) -> bool {
        self.lines().any(|line| line.is_err())
    }

    /// The attributes, by their names without options, of which a value is there and cannot be read.
    ///
    /// Of a record where the file ends, the last attribute is one, too; see [`Record::cut`].
    pub fn unreadable(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let name = |line: &Line<'_>| String::from_utf8_lossy(line.name()).into_owned();
        let mut last = None;
        for line in self.lines().flatten() {
            if line.value().is_err() {
                names.push(name(&line));
            }
            last = Some(line);
        }
        if let Some(line) = last.filter(|_| self.cut) {
            names.push(name(&line));
        }
        names
    }
}

/// The defect of a line that only the start of a record has.
pub(super) fn reserved(line: &Line<'_>) -> Option<Defect> {
    let what = match () {
        () if line.is("dn") => SECOND_NAME,
        () if line.is("changetype") || line.is("control") => SECOND_START,
        () => return None,
    };
    Some(Defect {
        line: line.number(),
        what,
    })
}

const SECOND_NAME: &str = "a second name in one record";
const SECOND_START: &str = "a word of a change behind the start of the record";

impl Defect {
    /// Whether the record where it was found is to be given up, because it is unknown which lines
    /// belong to which object.
    pub fn spoils_the_record(&self) -> bool {
        [SECOND_NAME, SECOND_START].contains(&self.what)
    }
}

/// Adds a value to the attribute it belongs to, nearly always the last one.
fn push(attributes: &mut Vec<Attribute>, description: &str, value: Cow<'_, [u8]>) {
    let new = Attribute::new(description, Vec::new());
    match attributes.last_mut() {
        Some(last) if last.name.eq_ignore_ascii_case(&new.name) && last.options == new.options => {
            last.values.push(value.into_owned());
        }
        _ => attributes.push(Attribute {
            values: vec![value.into_owned()],
            ..new
        }),
    }
}

fn change_type(line: &Line<'_>) -> Result<Change, Defect> {
    let value = line.value()?;
    let is = |word: &str| value.trim_ascii_end().eq_ignore_ascii_case(word.as_bytes());
    Ok(match () {
        () if is("add") => Change::Add,
        () if is("delete") => Change::Delete,
        () if is("modify") => Change::Modify,
        () if is("modrdn") || is("moddn") => Change::Rename,
        () => {
            return Err(Defect {
                line: line.number(),
                what: "an unknown type of change",
            });
        }
    })
}
