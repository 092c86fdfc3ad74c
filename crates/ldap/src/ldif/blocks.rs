//! Cuts a stream into blocks of whole records (RFC 2849: records are separated by blank lines).
//!
//! The thread that reads does little more than read: it looks for the last blank line of a block
//! from its end and counts lines, both much faster than memory is filled from a file.
//! Invariant: a record is never split, and no more than a block and the longest record that is
//! allowed are held.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr_iter};

use super::line::newlines;
use super::utf16::Utf16;
use super::{Defect, Records};

/// Bytes that one block has, about.
const TARGET: usize = 1 << 20;
/// Bytes that one record may have.
const MAX_RECORD: usize = 32 << 20;

/// The blocks of a stream; an iterator that ends after the first error.
#[derive(Debug)]
pub struct Blocks<R> {
    reader: R,
    target: usize,
    max_record: usize,
    encoding: Encoding,
    /// What was read behind the last blank line.
    carry: Vec<u8>,
    spare: Vec<u8>,
    line: u64,
    offset: u64,
    ended: bool,
}

#[derive(Debug)]
enum Encoding {
    /// Nothing has been read yet.
    Unknown,
    /// UTF-8, or any bytes.
    Bytes,
    Utf16(Utf16),
}

impl<R: Read> Blocks<R> {
    /// Blocks of about 1 MiB, records of at most 32 MiB.
    ///
    /// The reader needs no buffer of its own. A byte order mark decides about UTF-16; without one
    /// the stream is taken as UTF-8, and bytes that are none are left to the consumer.
    pub fn new(reader: R) -> Self {
        Self::with_sizes(reader, TARGET, MAX_RECORD)
    }

    /// Blocks of about `target` bytes, records of at most `max_record` bytes; a longer record is
    /// a [`Defect`] and is passed over without being stored.
    pub fn with_sizes(reader: R, target: usize, max_record: usize) -> Self {
        Self {
            reader,
            target: target.max(16),
            max_record,
            encoding: Encoding::Unknown,
            carry: Vec::new(),
            spare: Vec::new(),
            line: 1,
            offset: 0,
            ended: false,
        }
    }

    /// Gives the memory of a block back, to be used for the next one.
    pub fn recycle(&mut self, block: Block) {
        self.spare = block.bytes;
    }

    fn next_block(&mut self) -> io::Result<Option<Block>> {
        if self.ended && self.carry.is_empty() {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        bytes.reserve(self.target.saturating_add(self.carry.len()));
        bytes.append(&mut self.carry);
        let mut searched = 0usize;
        loop {
            if !self.fill(&mut bytes)? {
                return Ok(Some(self.block(bytes, None)));
            }
            if let Some(cut) = last_boundary(&bytes, searched) {
                self.carry
                    .extend_from_slice(bytes.get(cut..).unwrap_or_default());
                bytes.truncate(cut);
                return Ok(Some(self.block(bytes, None)));
            }
            // Blank lines before the record don't count, nor the start of the one behind it.
            let blank = blank_lines(&bytes);
            let record = bytes.len().saturating_sub(blank);
            if record > self.max_record.saturating_add(1) {
                self.pass(bytes.get(..blank).unwrap_or_default());
                bytes.drain(..blank);
                return self.skip(bytes).map(Some);
            }
            // A blank line is up to three bytes, two of which may be there already.
            searched = bytes.len().saturating_sub(2);
        }
    }

    /// Reads a block's worth; `false` at the end of the stream.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        if matches!(self.encoding, Encoding::Unknown) {
            let mut start = Vec::with_capacity(3);
            self.reader.by_ref().take(3).read_to_end(&mut start)?;
            self.encoding = match start.as_slice() {
                [0xef, 0xbb, 0xbf] => Encoding::Bytes,
                [0xff, 0xfe, rest @ ..] => Encoding::Utf16(Utf16::little_endian(rest)),
                [0xfe, 0xff, rest @ ..] => Encoding::Utf16(Utf16::big_endian(rest)),
                other => {
                    bytes.extend_from_slice(other);
                    Encoding::Bytes
                }
            };
        }
        let wanted = self.target;
        let mut portion = self
            .reader
            .by_ref()
            .take(u64::try_from(wanted).unwrap_or(u64::MAX));
        let read = match &mut self.encoding {
            Encoding::Utf16(utf16) => utf16.read(&mut portion, bytes)?,
            _ => portion.read_to_end(bytes)?,
        };
        self.ended = read < wanted;
        if let (true, Encoding::Utf16(utf16)) = (self.ended, &mut self.encoding) {
            utf16.finish(bytes);
        }
        Ok(!self.ended)
    }

    /// A block of these bytes, at the present place.
    fn block(&mut self, bytes: Vec<u8>, skipped: Option<Defect>) -> Block {
        let block = Block {
            first_line: self.line,
            offset: self.offset,
            max_record: self.max_record,
            transcoded: matches!(self.encoding, Encoding::Utf16(_)),
            skipped,
            bytes,
        };
        self.pass(&block.bytes);
        block
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.line = self.line.saturating_add(newlines(bytes));
        self.offset = self
            .offset
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// Passes over the rest of a record that is too long; `bytes` is its start.
    fn skip(&mut self, mut bytes: Vec<u8>) -> io::Result<Block> {
        let defect = Defect {
            line: self.line,
            what: "a record over the limit of size",
        };
        let mut block = self.block(Vec::new(), Some(defect));
        loop {
            // The end stays, in case that it is the start of a blank line.
            let keep = bytes.len().saturating_sub(2);
            let tail = bytes.split_off(keep);
            self.pass(&bytes);
            bytes = tail;
            let more = self.fill(&mut bytes)?;
            if let Some(cut) = first_boundary(&bytes) {
                self.carry
                    .extend_from_slice(bytes.get(cut..).unwrap_or_default());
                bytes.truncate(cut);
                self.pass(&bytes);
                break;
            }
            if !more {
                self.pass(&bytes);
                break;
            }
        }
        bytes.clear();
        block.bytes = bytes;
        Ok(block)
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.next_block();
        if block.is_err() {
            self.ended = true;
            self.carry.clear();
        }
        block.transpose()
    }
}

/// Where the last record starts: behind the last blank line that ends behind `from`.
fn last_boundary(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    memrchr_iter(b'\n', tail)
        .find(|&at| is_blank(tail, at))
        .map(|at| from.saturating_add(at).saturating_add(1))
}

/// Where the second record starts: behind the first blank line.
fn first_boundary(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes)
        .find(|&at| is_blank(bytes, at))
        .map(|at| at.saturating_add(1))
}

/// How many bytes of blank lines these begin with, as [`Records`] counts them.
fn blank_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [b'\n', more @ ..] | [b'\r', b'\n', more @ ..] = rest {
        rest = more;
    }
    bytes.len().saturating_sub(rest.len())
}

/// Whether the line that ends at `at` is blank, and not the first one.
fn is_blank(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(..at), Some([.., b'\n', b'\r'] | [.., b'\n']))
}

/// Whole records of a stream, and where they were.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    first_line: u64,
    offset: u64,
    max_record: usize,
    transcoded: bool,
    skipped: Option<Defect>,
}

impl Block {
    /// The records in the order of the file; a defect stands where a record can't be read.
    pub fn records(&self) -> Records<'_> {
        Records::new(
            &self.bytes,
            self.first_line,
            self.max_record,
            self.transcoded,
            self.skipped,
        )
    }

    /// The records for [`Record::select`], which finds a second start of a record by itself: the same
    /// as [`Block::records`], but for records whose selection gives a [`Defect`] that
    /// [spoils them](Defect::spoils_the_record).
    ///
    /// [`Record::select`]: super::Record::select
    pub fn records_to_select_from(&self) -> Records<'_> {
        self.records().without_looking_whole()
    }

    /// The number of the first line, counted from 1.
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// Bytes of the stream before this block; without the byte order mark, and of a UTF-16 stream
    /// as it would be in UTF-8.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The text of the block: UTF-8, as far as the stream was.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], target: usize, max_record: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for block in Blocks::with_sizes(text, target, max_record) {
            let block = block.unwrap();
            for record in block.records() {
                lines.push(match record {
                    Ok(record) => format!("{}: {}", record.line, record.dn),
                    Err(defect) => defect.to_string(),
                });
            }
        }
        lines
    }

    #[test]
    fn every_cut_gives_the_same_records() {
        let text =
            "\u{feff}version: 1\n\ndn: a\ncn: 1\n\n\n# x\ndn: b\r\ncn: 2\r\n\r\ndn: c\ncn: 3";
        for target in 16..text.len() {
            assert_eq!(
                check(text.as_bytes(), target, 1000),
                ["3: a", "8: b", "11: c"],
                "{target}"
            );
        }
    }

    #[test]
    fn a_record_over_the_limit_is_passed_over() {
        let long = "x: ".to_owned() + &"y".repeat(500);
        for newline in ["\n", "\r\n"] {
            let text = format!("dn: a\n\ndn: b\n{long}\n\ndn: c\n").replace('\n', newline);
            for target in 16..600 {
                assert_eq!(
                    check(text.as_bytes(), target, 100),
                    ["1: a", "line 3: a record over the limit of size", "6: c"],
                    "{target}"
                );
            }
            let text = format!("dn: b\n{long}\n").replace('\n', newline);
            for target in 16..600 {
                let expected = ["line 1: a record over the limit of size"];
                assert_eq!(check(text.as_bytes(), target, 100), expected, "{target}");
            }
        }
    }

    #[test]
    fn offsets_add_up() {
        let text = b"dn: a\n\ndn: b\n\ndn: c\n\ndn: d\n\ndn: e\n";
        let mut offset = 0;
        let mut blocks = Blocks::with_sizes(&text[..], 16, 100);
        while let Some(block) = blocks.next() {
            let block = block.unwrap();
            assert_eq!(block.offset(), offset);
            offset += block.bytes().len() as u64;
            blocks.recycle(block);
        }
        assert_eq!(offset, text.len() as u64);
    }
}
