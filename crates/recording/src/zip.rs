//! ZIP archives, as far as reading one takes (APPNOTE 6.3.10): stored and deflated files, ZIP64.
//!
//! A general reader keeps the whole table of contents in memory and refuses an archive that was cut off.
//! Here the table is streamed, and where it is missing, the files are read one after the other as far as
//! they are there. Nothing is ever written, so names are only compared and cannot lead anywhere.
//!
//! Invariant: what is unpacked of one archive is bounded, even where its files lie over one another.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::DeflateDecoder;

/// More is not unpacked of one archive.
const MOST_UNPACKED: u64 = 4 << 30;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Where a file is in the archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    header: u64,
    packed: u64,
    method: u16,
    flags: u16,
}

impl Place {
    /// 4.4.4: bit 0; strong encryption has its own method.
    pub(crate) fn is_encrypted(self) -> bool {
        self.flags & 1 != 0 || self.method == 99
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is packed with method {0}, which is not read")]
    Method(u16),
    #[error("the archive unpacks to more than {MOST_UNPACKED} bytes")]
    TooMuch,
    #[error("it is damaged: {0}")]
    Damaged(#[from] io::Error),
}

/// An archive.
pub(crate) struct Zip<R> {
    input: R,
    left: u64,
}

impl<R: Read + Seek> Zip<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            left: MOST_UNPACKED,
        }
    }

    /// Calls `file` with each name of the table of contents; `false` if there is no table.
    pub(crate) fn contents(&mut self, mut file: impl FnMut(&str, Place)) -> io::Result<bool> {
        let Some(start) = self.table()? else {
            return Ok(false);
        };
        self.input.seek(SeekFrom::Start(start))?;
        let mut input = BufReader::with_capacity(64 << 10, &mut self.input);
        loop {
            let mut head = [0; 46];
            match input.read_exact(&mut head) {
                Ok(()) if head.starts_with(&CENTRAL) => {}
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) => return Err(error),
            }
            let name = take(&mut input, short(&head, 28))?;
            let extra = take(&mut input, short(&head, 30))?;
            take(&mut input, short(&head, 32))?;
            let mut sizes = Sizes {
                unpacked: long(&head, 24),
                packed: long(&head, 20),
                header: long(&head, 42),
            };
            sizes.widen(&extra);
            let place = Place {
                header: sizes.header,
                packed: sizes.packed,
                method: short(&head, 10),
                flags: short(&head, 8),
            };
            file(&String::from_utf8_lossy(&name), place);
        }
    }

    /// Reads a file up to `most` bytes, and tells whether there is more.
    pub(crate) fn read(&mut self, place: Place, most: usize) -> Result<(Vec<u8>, bool), Unread> {
        if place.is_encrypted() {
            return Err(Unread::Encrypted);
        }
        self.input.seek(SeekFrom::Start(place.header))?;
        let mut head = [0; 30];
        self.input.read_exact(&mut head)?;
        if !head.starts_with(&LOCAL) {
            return Err(io::Error::other("there is no file where the table says").into());
        }
        let skipped = i64::from(short(&head, 26)) + i64::from(short(&head, 28));
        self.input.seek(SeekFrom::Current(skipped))?;
        let packed = BufReader::new((&mut self.input).take(place.packed));
        let mut bytes = Vec::new();
        let most = (most as u64).min(self.left);
        let result = match place.method {
            STORED => packed.take(most + 1).read_to_end(&mut bytes),
            DEFLATED => DeflateDecoder::new(packed)
                .take(most + 1)
                .read_to_end(&mut bytes),
            other => return Err(Unread::Method(other)),
        };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left == 0 {
            return Err(Unread::TooMuch);
        }
        let more = bytes.len() as u64 > most;
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        match result {
            Ok(_) => Ok((bytes, more)),
            // What came out before is worth more than nothing.
            Err(_) if !bytes.is_empty() => Ok((bytes, true)),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the files one after the other, for an archive whose table is missing: `file` is called with
    /// each name and up to `most` bytes, and whether there is more.
    pub(crate) fn salvage(
        &mut self,
        most: usize,
        mut file: impl FnMut(&str, Result<(Vec<u8>, bool), Unread>),
    ) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(0))?;
        let mut input = BufReader::with_capacity(64 << 10, &mut self.input);
        while seek_mark(&mut input, LOCAL)? {
            let mut head = [0; 26];
            if input.read_exact(&mut head).is_err() {
                break;
            }
            let place = Place {
                header: 0,
                packed: long(&head, 14),
                method: short(&head, 4),
                flags: short(&head, 2),
            };
            let name = take(&mut input, short(&head, 22))?;
            take(&mut input, short(&head, 24))?;
            let name = String::from_utf8_lossy(&name).into_owned();
            if place.is_encrypted() {
                file(&name, Err(Unread::Encrypted));
                continue;
            }
            let mut bytes = Vec::new();
            let result = match place.method {
                STORED if place.flags & 8 == 0 => (&mut input)
                    .take(place.packed)
                    .take(most as u64 + 1)
                    .read_to_end(&mut bytes),
                DEFLATED => DeflateDecoder::new(&mut input)
                    .take(most as u64 + 1)
                    .read_to_end(&mut bytes),
                other => {
                    file(&name, Err(Unread::Method(other)));
                    continue;
                }
            };
            self.left = self.left.saturating_sub(bytes.len() as u64);
            if self.left == 0 {
                file(&name, Err(Unread::TooMuch));
                break;
            }
            let more = bytes.len() > most || result.is_err();
            bytes.truncate(most);
            file(&name, Ok((bytes, more)));
        }
        Ok(())
    }

    /// Where the table of contents begins (4.3.16, 4.3.14).
    fn table(&mut self) -> io::Result<Option<u64>> {
        let length = self.input.seek(SeekFrom::End(0))?;
        // The end has 22 bytes and a comment of 65,535 at most.
        let tail_at = length.saturating_sub(22 + 0xffff);
        self.input.seek(SeekFrom::Start(tail_at))?;
        let mut tail = Vec::new();
        (&mut self.input).take(22 + 0xffff).read_to_end(&mut tail)?;
        let Some(at) = memchr::memmem::rfind(&tail, &END) else {
            return Ok(None);
        };
        let end = tail.get(at..).unwrap_or_default();
        if end.len() < 22 {
            return Ok(None);
        }
        let start = long(end, 16);
        if start != u64::from(u32::MAX) {
            return Ok(Some(start));
        }
        let locator = at
            .checked_sub(20)
            .and_then(|at| tail.get(at..))
            .unwrap_or_default();
        if !locator.starts_with(&LOCATOR_64) {
            return Ok(Some(start));
        }
        self.input.seek(SeekFrom::Start(wide(locator, 8)))?;
        let mut end = [0; 56];
        match self.input.read_exact(&mut end) {
            Ok(()) if end.starts_with(&END_64) => Ok(Some(wide(&end, 48))),
            _ => Ok(None),
        }
    }
}

/// What ZIP64 widens (4.5.3).
struct Sizes {
    unpacked: u64,
    packed: u64,
    header: u64,
}

impl Sizes {
    fn widen(&mut self, extra: &[u8]) {
        let mut rest = extra;
        while rest.len() >= 4 {
            let (id, size) = (short(rest, 0), usize::from(short(rest, 2)));
            let field = rest.get(4..4 + size).unwrap_or_default();
            rest = rest.get(4 + size..).unwrap_or_default();
            if id != 1 {
                continue;
            }
            let mut at = 0;
            for value in [&mut self.unpacked, &mut self.packed, &mut self.header] {
                if *value == u64::from(u32::MAX) && field.len() >= at + 8 {
                    *value = wide(field, at);
                    at += 8;
                }
            }
        }
    }
}

/// Passes over bytes up to and with these four; `false` at the end.
fn seek_mark(input: &mut impl BufRead, mark: [u8; 4]) -> io::Result<bool> {
    let mut last = [0; 4];
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let mut used = 0;
        for byte in buffer {
            used += 1;
            last = [last[1], last[2], last[3], *byte];
            if last == mark {
                input.consume(used);
                return Ok(true);
            }
        }
        input.consume(used);
    }
}

fn take(input: &mut impl Read, length: u16) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn short(bytes: &[u8], at: usize) -> u16 {
    number::<2>(bytes, at).map_or(0, u16::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    number::<4>(bytes, at).map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
}

fn wide(bytes: &[u8], at: usize) -> u64 {
    number::<8>(bytes, at).map_or(0, u64::from_le_bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
