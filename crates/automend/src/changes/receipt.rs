//! The receipt: what was changed, written before it happens, and the way back.
//!
//! A receipt is LDIF whose records undo every change, so that any tool can (`ldapmodify -c -f RECEIPT`). Comments around each record carry what `automend undo` needs: `# begin` is on disk
//! before the write, `# end` after it. A record without its end may or may not have been written; undo
//! looks at the directory to tell. So a kill at any moment loses nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use automend_core::command::Command;
use automend_core::display::plain;
use automend_core::dn::Dn;
use automend_core::plan::{Edit, ObjectRef};
use automend_ldap::ldif::Writer;
use automend_system::private_file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::origin::{self, Origin};
use super::writer::modifications;

const HEADER: &str = "# automend receipt ";
const BEGIN: &str = "# begin ";
const END: &str = "# end ";
const UNDONE: &str = "# undone ";
/// Of receipts that only remove links, as `fix` writes them.
pub(crate) const REMOVALS: u32 = 1;
/// Of receipts that also add links and replace descriptors.
pub(crate) const EDITS: u32 = 2;
/// The first line of every LDIF (RFC 2849).
const VERSION_LINE: &[u8] = b"version: 1\n";

/// The first line of a receipt.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Header {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// How a change was kept from falling on a mailbox that came back.
    pub guard: String,
}

/// A change before it is made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Begin {
    /// Counts from 1.
    pub n: usize,
    /// The owner, by its name at that time.
    #[serde(flatten)]
    pub owner: ObjectRef,
    /// Why, for people only: a code of a later version keeps nothing from being undone.
    pub code: String,
    /// What was to be written.
    #[serde(flatten)]
    pub edit: Edit,
}

/// What became of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct End {
    /// Which [`Begin`].
    pub n: usize,
    /// What was done.
    pub outcome: Outcome,
    /// Why, unless it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What was done to one owner; another word is of a version that this program does not know.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The values are gone.
    Removed,
    /// The owner is as it was to be.
    Written,
    /// Nothing, because the change no longer applied.
    Skipped,
    /// Nothing, because the directory refused.
    Refused,
}

impl End {
    /// Whether the change was made.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Removed | Outcome::Written)
    }
}

/// A change undone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Undone {
    /// Which [`Begin`].
    pub n: usize,
    /// When.
    pub at: String,
    /// The values that are there again.
    pub restored: Vec<Dn>,
    /// The values that are gone again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Dn>,
    /// Whether the descriptor is again what it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub descriptor: bool,
    /// Whether what makes the owner a mailbox is again what it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attributes: bool,
}

/// A receipt that is being written.
pub(crate) struct Receipt {
    file: File,
    path: PathBuf,
}

impl Receipt {
    /// Begins a receipt; refuses to write over one.
    pub(crate) fn create(path: &Path, header: &Header) -> Result<Self> {
        let file = private_file::create_new(path).with_context(|| {
            format!(
                "creating the receipt {}; nothing was written to the directory",
                path.display()
            )
        })?;
        let mut receipt = Self {
            file,
            path: path.to_path_buf(),
        };
        let back = if header.origin.version == REMOVALS {
            "put back what was removed"
        } else {
            "undo what was written"
        };
        let header = automend_core::display::json(header)?;
        receipt.put(&format!(
            "version: 1\n{HEADER}{header}\n# These records {back}: {}\n# or: {}\n\n",
            plain(Command::automend("undo").operand(path.display())),
            plain(
                Command::new("ldapmodify")
                    .word("-c")
                    .word("-f")
                    .word(&path.to_string_lossy())
            )
        ))?;
        // The name itself must survive, too.
        if let Some(folder) = path.parent().map(|folder| {
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            }
        }) {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .with_context(|| format!("flushing {}", folder.display()))?;
        }
        Ok(receipt)
    }

    /// Opens a receipt to note what is undone.
    pub(crate) fn append(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        let mut receipt = Self {
            file,
            path: path.to_path_buf(),
        };
        // Whatever was cut off ends here.
        receipt.put("\n")?;
        Ok(receipt)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes a change before it is made.
    pub(crate) fn begin(&mut self, begin: &Begin) -> Result<()> {
        let mut text = format!("{BEGIN}{}\n", automend_core::display::json(begin)?).into_bytes();
        text.extend(begin.record()?);
        text.extend(b"\n");
        self.put_bytes(&text)
    }

    /// Notes what became of it.
    pub(crate) fn end(&mut self, end: &End) -> Result<()> {
        self.put(&format!("{END}{}\n\n", automend_core::display::json(end)?))
    }

    /// Notes values that were put back.
    pub(crate) fn undone(&mut self, undone: &Undone) -> Result<()> {
        self.put(&format!(
            "{UNDONE}{}\n\n",
            automend_core::display::json(undone)?
        ))
    }

    fn put(&mut self, text: &str) -> Result<()> {
        self.put_bytes(text.as_bytes())
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self
            .file
            .write_all(bytes)
            .and_then(|()| self.file.sync_data());
        written.with_context(|| format!("writing the receipt {}", self.path.display()))
    }
}

/// Reads the JSON of one comment; it is one line, so a place in it would only be taken for one in the file.
fn comment<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        anyhow!("{what}")
    })
}

/// A receipt that was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// Its first line.
    pub header: Header,
    /// Its changes, with what became of them, if that was noted.
    pub changes: Vec<(Begin, Option<End>)>,
}

/// Reads a receipt; a last line that was cut off never happened.
pub(crate) fn read(path: &Path) -> Result<Read> {
    let bytes =
        std::fs::read(path).with_context(|| format!("reading the receipt {}", path.display()))?;
    // A kill may cut a character in two; its line is not whole then anyway.
    let text = String::from_utf8_lossy(&bytes);
    let mut header: Option<Header> = None;
    // The lines of LDIF behind each beginning, and before the first one.
    let mut records = vec![String::new()];
    let mut changes: Vec<(Begin, Option<End>)> = Vec::new();
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let whole = line.ends_with('\n');
        let at = || format!("{} line {}", path.display(), i + 1);
        if let Some(json) = line.strip_prefix(HEADER) {
            header = Some(origin::document(
                json,
                "receipt",
                REMOVALS..=EDITS,
                path,
                at,
            )?);
        } else if let Some(json) = line.strip_prefix(BEGIN) {
            match comment(json) {
                Ok(begin) => {
                    changes.push((begin, None));
                    records.push(String::new());
                }
                Err(_) if !whole => {}
                Err(error) => return Err(error).with_context(at),
            }
        } else if let Some(json) = line.strip_prefix(END) {
            match comment::<End>(json) {
                Ok(end) => match changes.iter_mut().find(|(begin, _)| begin.n == end.n) {
                    Some((_, slot)) => *slot = Some(end),
                    None => bail!("{}: the end of a change that never began", at()),
                },
                Err(_) if !whole => {}
                Err(error) => return Err(error).with_context(at),
            }
        } else if !line.starts_with('#')
            && let Some(record) = records.last_mut()
        {
            let line = line.trim_end_matches(['\r', '\n']);
            if !line.is_empty() {
                record.push_str(line);
                record.push('\n');
            }
        }
    }
    for (at, record) in records.iter().enumerate() {
        let change = at.checked_sub(1).and_then(|at| changes.get(at));
        let expected = match change {
            Some((begin, _)) => String::from_utf8_lossy(&begin.record()?).into_owned(),
            None => "version: 1".to_owned(),
        };
        let (found, expected) = (record.trim(), expected.trim());
        // A kill may have cut the last one off; then nothing was written to the directory.
        let cut_off = at + 1 == records.len()
            && change.is_none_or(|(_, end)| end.is_none())
            && expected.starts_with(found);
        if found != expected && !cut_off {
            match change {
                Some((begin, _)) => bail!(
                    "{}: the LDIF of change {} ({}) is not what its begin line says; nothing was written",
                    path.display(),
                    begin.n,
                    begin.owner.dn
                ),
                None => bail!("{}: LDIF before the first change", path.display()),
            }
        }
    }
    let Some(header) = header else {
        bail!("{}: no receipt of automend", path.display());
    };
    Ok(Read { header, changes })
}

impl Begin {
    /// The LDIF record that undoes the change.
    fn record(&self) -> Result<Vec<u8>> {
        let undo = modifications(&self.edit.inverse());
        let mut record = Writer::new(Vec::new())?;
        record.modify(self.owner.dn.as_str(), &undo, &[])?;
        let record = record.into_inner();
        let record = record.strip_prefix(VERSION_LINE).unwrap_or(&record);
        Ok(record.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automend_core::plan::Replaced;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    fn begin(n: usize) -> Begin {
        Begin {
            n,
            owner: ObjectRef {
                dn: dn("CN=Jim,DC=c"),
                guid: None,
            },
            code: "AM101".to_owned(),
            edit: Edit {
                remove: vec![dn("CN=Zoë,DC=c"), dn("CN=Alice,DC=c")],
                add: vec![dn("CN=Bob,DC=c")],
                descriptor: Some(Replaced {
                    before: None,
                    after: Some(vec![1, 0, 4, 0x80]),
                }),
                attributes: Vec::new(),
            },
        }
    }

    #[test]
    fn a_receipt_cut_off_anywhere_tells_all_that_was_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.ldif");
        let header = Header {
            origin: Origin::new(EDITS, "now".to_owned(), "x".to_owned(), "id".to_owned()),
            guard: "re-read".to_owned(),
        };
        let mut receipt = Receipt::create(&path, &header).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "a receipt names people");
        }
        let head = std::fs::metadata(&path).unwrap().len();
        receipt.begin(&begin(1)).unwrap();
        let first = std::fs::metadata(&path).unwrap().len();
        receipt
            .end(&End {
                n: 1,
                outcome: Outcome::Removed,
                why: None,
            })
            .unwrap();
        receipt.begin(&begin(2)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert!(
            Receipt::create(&path, &header).is_err(),
            "wrote over a receipt"
        );
        for length in usize::try_from(head).unwrap()..=whole.len() {
            let cut = folder.path().join("cut.ldif");
            std::fs::write(&cut, &whole[..length]).unwrap();
            let read = read(&cut).unwrap();
            if length as u64 >= first {
                assert_eq!(read.changes[0].0, begin(1));
            }
        }
        assert_eq!(read(&path).unwrap().changes.len(), 2);
    }

    #[test]
    fn a_beginning_is_told_what_is_wrong_with_it_and_not_where_in_its_line() {
        let line = automend_core::display::json(&begin(3)).unwrap();
        assert!(
            line.starts_with(r#"{"n":3,"owner":"CN=Jim,DC=c","code":"AM101","delegates":["#),
            "{line}"
        );
        assert_eq!(comment::<Begin>(&line).unwrap(), begin(3));
        for (from, to, expected) in [
            ("CN=Jim", "Jim", "\"Jim,DC=c\": "),
            (
                r#""owner""#,
                r#""owner":"CN=Eve","owner""#,
                "duplicate field",
            ),
        ] {
            let error = comment::<Begin>(&line.replace(from, to)).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains(" line "), "{error}");
        }
    }
}
