//! Lines of a text, one at a time.
//!
//! Invariant: of a line no more is held than is asked for, however long it is; bytes that are no UTF-8
//! become U+FFFD.

use std::io::{self, BufRead};

/// Lines of any length, of which so much is kept as is wanted.
pub(super) struct Lines<R> {
    pub(super) input: R,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end, cut behind `most` bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// What reading the input fails with; a packed text that breaks off just ends.
    pub(super) fn next(&mut self, most: usize) -> io::Result<Option<String>> {
        let mut kept = Vec::new();
        let mut any = false;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A packed log that breaks off.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => &[],
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', buffer);
            let line = buffer
                .get(..end.unwrap_or(buffer.len()))
                .unwrap_or_default();
            let room = most.saturating_sub(kept.len());
            kept.extend_from_slice(line.get(..room).unwrap_or(line));
            let used = line.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if kept.last() == Some(&b'\r') {
            kept.pop();
        }
        Ok(any.then(|| String::from_utf8_lossy(&kept).into_owned()))
    }
}
