//! What an import puts off to its second pass: a file beside the directory, gone when it is dropped.
//!
//! Invariant: memory holds one entry at a time. A file left behind by a kill is emptied by the next
//! import; the directory never looks at it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::codec::{Cursor, put_bytes, put_number};
use crate::error::Error;

/// Name of the file.
const FILE: &str = "import.spool";

/// A list of links that wait for an object that may still come.
pub(crate) struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
}

/// A link whose other end is so far only a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Waiting {
    /// Whether it is a forward link; else a back link that is only compared.
    pub forward: bool,
    pub pair: u16,
    /// The object it stands on.
    pub id: u64,
    /// Where it stands in the file.
    pub line: u64,
    /// The value.
    pub value: Vec<u8>,
}

impl Spool {
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(failed)?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(1 << 16, file),
        })
    }

    pub(crate) fn push(&mut self, waiting: &Waiting) -> Result<(), Error> {
        let mut entry = Vec::with_capacity(waiting.value.len() + 24);
        entry.push(u8::from(waiting.forward));
        put_number(&mut entry, u64::from(waiting.pair));
        put_number(&mut entry, waiting.id);
        put_number(&mut entry, waiting.line);
        put_bytes(&mut entry, &waiting.value);
        let length = u32::try_from(entry.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.file
            .write_all(&length)
            .and_then(|()| self.file.write_all(&entry))
            .map_err(failed)
    }

    /// Goes through the whole list from its start, in order.
    pub(crate) fn each(
        &mut self,
        mut visit: impl FnMut(Waiting) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.file.flush().map_err(failed)?;
        let file = self.file.get_mut();
        file.rewind().map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut entry = Vec::new();
        while !reader.fill_buf().map_err(failed)?.is_empty() {
            let mut length = [0; 4];
            reader.read_exact(&mut length).map_err(failed)?;
            entry.clear();
            let length = u64::from(u32::from_le_bytes(length));
            reader
                .by_ref()
                .take(length)
                .read_to_end(&mut entry)
                .map_err(failed)?;
            let waiting =
                read(&entry).ok_or_else(|| failed(io::Error::from(io::ErrorKind::InvalidData)))?;
            visit(waiting)?;
        }
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What stays is emptied by the next import.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn read(entry: &[u8]) -> Option<Waiting> {
    let mut at = Cursor(entry);
    Some(Waiting {
        forward: at.byte()? == 1,
        pair: u16::try_from(at.number()?).ok()?,
        id: at.number()?,
        line: at.number()?,
        value: at.bytes()?.to_vec(),
    })
}

fn failed(source: io::Error) -> Error {
    Error::Io {
        what: "cannot keep what the import puts off",
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_back_twice_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path()).unwrap();
        let all: Vec<Waiting> = (0..2000)
            .map(|id| Waiting {
                forward: id % 2 == 0,
                pair: 0x4002,
                id,
                line: id * 3,
                value: vec![7; usize::try_from(id).unwrap()],
            })
            .collect();
        for waiting in &all {
            spool.push(waiting).unwrap();
        }
        for _ in 0..2 {
            let mut back = Vec::new();
            spool
                .each(|waiting| {
                    back.push(waiting);
                    Ok(())
                })
                .unwrap();
            assert_eq!(back, all);
        }
        drop(spool);
        assert!(!folder.path().join(FILE).exists());
    }
}
