//! Writes LDIF that any tool reads (RFC 2849): lines of at most 76 columns, LF, base64 where a
//! value is not a safe string.
//!
//! Invariant: what is read back is what was written; a name that could not be is refused.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::line::is_description;
use crate::client::Modification;
use crate::control::Control;
use crate::entry::Entry;

/// Columns of a line, without its end.
const WIDTH: usize = 76;

/// Writes records, one after another, to any sink; it does no buffering of its own.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Starts a file: `version: 1`.
    pub fn new(sink: W) -> io::Result<Self> {
        let mut writer = Self {
            sink,
            line: Vec::new(),
        };
        writer.sink.write_all(b"version: 1\n")?;
        Ok(writer)
    }

    /// A comment, each line of `text` in a line of its own, not folded.
    pub fn comment(&mut self, text: &str) -> io::Result<()> {
        self.sink.write_all(b"\n")?;
        for line in text.split(['\n', '\r']) {
            writeln!(self.sink, "# {line}")?;
        }
        Ok(())
    }

    /// An object as it is.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.start(&entry.dn, &[], None)?;
        for attribute in &entry.attributes {
            let description = attribute.description();
            for value in &attribute.values {
                self.line(&description, value)?;
            }
        }
        Ok(())
    }

    /// A change to attributes; with no step at all, a record that changes nothing.
    pub fn modify(
        &mut self,
        dn: &str,
        steps: &[Modification],
        controls: &[Control],
    ) -> io::Result<()> {
        self.start(dn, controls, Some("modify"))?;
        for step in steps {
            let (word, attribute, values) = match step {
                Modification::Add { attribute, values } => ("add", attribute, values.as_slice()),
                Modification::Delete { attribute, values } => {
                    ("delete", attribute, values.as_slice())
                }
                Modification::Replace { attribute, values } => {
                    ("replace", attribute, values.as_slice())
                }
                Modification::Increment { attribute, by } => {
                    ("increment", attribute, std::slice::from_ref(by))
                }
            };
            check_name(attribute)?;
            self.line(word, attribute.as_bytes())?;
            for value in values {
                self.line(attribute, value)?;
            }
            self.sink.write_all(b"-\n")?;
        }
        Ok(())
    }

    /// The creation of an object.
    pub fn add(&mut self, dn: &str, attributes: &[(String, Vec<Vec<u8>>)]) -> io::Result<()> {
        self.start(dn, &[], Some("add"))?;
        for (attribute, values) in attributes {
            for value in values {
                self.line(attribute, value)?;
            }
        }
        Ok(())
    }

    /// The removal of an object.
    pub fn delete(&mut self, dn: &str) -> io::Result<()> {
        self.start(dn, &[], Some("delete"))
    }

    /// The renaming of an object.
    pub fn rename(&mut self, dn: &str, rename: &super::Rename) -> io::Result<()> {
        self.start(dn, &[], Some("modrdn"))?;
        self.line("newrdn", rename.new_rdn.as_bytes())?;
        self.line("deleteoldrdn", if rename.delete_old { b"1" } else { b"0" })?;
        match &rename.new_superior {
            Some(superior) => self.line("newsuperior", superior.as_bytes()),
            None => Ok(()),
        }
    }

    /// Gives the sink back.
    pub fn into_inner(self) -> W {
        self.sink
    }

    fn start(&mut self, dn: &str, controls: &[Control], change: Option<&str>) -> io::Result<()> {
        self.sink.write_all(b"\n")?;
        self.line("dn", dn.as_bytes())?;
        for control in controls {
            let mut text = control.oid.clone();
            text.push_str(if control.critical { " true" } else { " false" });
            if let Some(value) = &control.value {
                text.push_str(":: ");
                text.push_str(&STANDARD.encode(value));
            }
            self.line("control", text.as_bytes())?;
        }
        match change {
            Some(change) => self.line("changetype", change.as_bytes()),
            None => Ok(()),
        }
    }

    fn line(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        check_name(name)?;
        self.line.clear();
        self.line.extend_from_slice(name.as_bytes());
        if value.is_empty() {
            self.line.push(b':');
        } else if is_safe(value) {
            self.line.extend_from_slice(b": ");
            self.line.extend_from_slice(value);
        } else {
            self.line.extend_from_slice(b":: ");
            self.line
                .extend_from_slice(STANDARD.encode(value).as_bytes());
        }
        let (first, mut rest) = self
            .line
            .split_at_checked(WIDTH)
            .unwrap_or((&self.line, b""));
        self.sink.write_all(first)?;
        while !rest.is_empty() {
            let room = WIDTH.saturating_sub(1);
            let (next, behind) = rest.split_at_checked(room).unwrap_or((rest, b""));
            self.sink.write_all(b"\n ")?;
            self.sink.write_all(next)?;
            rest = behind;
        }
        self.sink.write_all(b"\n")
    }
}

/// Whether a value may stand as it is: a `SAFE-STRING` without control characters and without a
/// space at its end, which editors and mail remove.
fn is_safe(value: &[u8]) -> bool {
    !matches!(value.first(), Some(b' ' | b':' | b'<'))
        && value.last() != Some(&b' ')
        && value.iter().all(|byte| (b' '..=b'~').contains(byte))
}

fn check_name(name: &str) -> io::Result<()> {
    if is_description(name.as_bytes()) {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an attribute name that LDIF can't carry",
        ))
    }
}
