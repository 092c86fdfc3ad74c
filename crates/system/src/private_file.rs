//! Files that hold a secret: passwords, keys, tickets, and receipts, which name people.
//!
//! One check of owner and mode for all of them, as `StrictModes` of OpenSSH and PostgreSQL have it: the file
//! belongs to this user or to root, no one else may write it, and no one else may read it but the group of a
//! file of root. It is made of the open file, so nothing can be exchanged in between.
//!
//! Invariant: no message has anything of what stands in such a file; what was read is wiped.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use zeroize::Zeroizing;

use automend_core::display::plain;

/// What becomes of a file that others can read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readable {
    /// It is not used: a key that many have is no key.
    Refused,
    /// It is used, and the fault is reported: a password is typed into a file by hand.
    Told,
}

/// Longest secret that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Reads a file whole, if only its user and root can do that. `what` names it in messages: `the keytab`.
///
/// # Errors
///
/// It cannot be read, has more than 16 MiB, belongs to someone else or can be written by others, or can be
/// read by others where that is refused.
pub fn read(path: &Path, what: &str, readable: Readable) -> Result<Zeroizing<Vec<u8>>> {
    let reading = || format!("reading {what} {}", path.display());
    let mut file = File::open(path).with_context(reading)?;
    check(&file, path, what, readable)?;
    let length = file.metadata().map_or(0, |about| about.len()).min(LONGEST);
    // As large as it will be, so that no half of it is left behind where it was before it grew.
    let room = usize::try_from(length).unwrap_or(0).saturating_add(64);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = Read::by_ref(&mut file)
        .take(LONGEST + 1)
        .read_to_end(&mut bytes);
    if read.with_context(reading)? as u64 > LONGEST {
        bail!("{}: more than 16 MiB", reading());
    }
    Ok(bytes)
}

/// The first line of a file, where a password or a token stands: UTF-8, or UTF-16 as editors of Windows write
/// it, with or without a byte order mark. `-` is standard input, whose first line is read once.
///
/// # Errors
///
/// As [`read`], and where the first line is empty or no text.
pub fn first_line(path: &Path) -> Result<SecretString> {
    let bytes = if path == Path::new("-") {
        standard_input_line()?
    } else {
        read(path, "the password file", Readable::Told)?
    };
    let text = text(&bytes).with_context(|| {
        format!(
            "reading the password file {}: neither UTF-8 nor UTF-16",
            path.display()
        )
    })?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!(
            "the first line of the password file {} is empty",
            path.display()
        );
    }
    Ok(SecretString::from(line.to_owned()))
}

/// The first line of standard input, and no byte behind it; the next call gets the same.
fn standard_input_line() -> Result<Zeroizing<Vec<u8>>> {
    static LINE: Mutex<Option<Zeroizing<Vec<u8>>>> = Mutex::new(None);
    let mut known = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(line) = &*known {
        return Ok(line.clone());
    }
    let mut line = Zeroizing::new(Vec::new());
    io::stdin()
        .lock()
        .take(LONGEST)
        .read_until(b'\n', &mut line)
        .context("reading the password from standard input")?;
    *known = Some(line.clone());
    Ok(line)
}

/// Text without its byte order mark.
fn text(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        // A password has no NUL, so this is a first character of ASCII in UTF-16.
        [first, 0, ..] if *first != 0 => u16::from_le_bytes,
        [0, second, ..] if *second != 0 => u16::from_be_bytes,
        _ => {
            let text = std::str::from_utf8(bytes).ok()?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            return Some(Zeroizing::new(text.to_owned()));
        }
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.push(c.ok()?);
    }
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Some(text)
}

/// Checks a file that is open.
///
/// # Errors
///
/// It belongs to someone else, or others may do with it what they must not.
pub fn check(file: &File, path: &Path, what: &str, readable: Readable) -> Result<()> {
    let about = file
        .metadata()
        .with_context(|| format!("reading {what} {}", path.display()))?;
    match fault(&about) {
        None => Ok(()),
        Some(Fault::Readable) if readable == Readable::Told => {
            tell(format!(
                "{what} {} can be read by others; chmod 600 takes that from them",
                path.display()
            ));
            Ok(())
        }
        Some(fault) => bail!(
            "{what} {} {}, so it is not used",
            path.display(),
            match fault {
                Fault::Owner => "belongs to another user",
                Fault::Writable => "can be written by others (chmod 600 takes that from them)",
                Fault::Readable => "can be read by others (chmod 600 takes that from them)",
            }
        ),
    }
}

/// Warnings that are kept for [`gathered`]; `None` where they are said at once.
static WARNINGS: Mutex<Option<Warnings>> = Mutex::new(None);

#[derive(Default)]
struct Warnings {
    new: Vec<String>,
    /// All that were told: a service reads its files again and again.
    known: Vec<String>,
}

/// From now on, warnings are kept until they are asked for, and each comes once: a service tells them in its
/// log, in whose lines no other text may stand.
pub fn gather() {
    *WARNINGS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Warnings::default());
}

/// The warnings since the last time.
pub fn gathered() -> Vec<String> {
    let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    warnings
        .as_mut()
        .map(|warnings| std::mem::take(&mut warnings.new))
        .unwrap_or_default()
}

fn tell(warning: String) {
    let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    match warnings.as_mut() {
        Some(warnings) if warnings.known.contains(&warning) => {}
        Some(warnings) => {
            warnings.known.push(warning.clone());
            warnings.new.push(warning);
        }
        None => anstream::eprintln!("automend: warning: {}", plain(warning)),
    }
}

/// Checks a folder in which secrets are kept: anyone who may write there can put another file in their place.
///
/// # Errors
///
/// It belongs to someone else, or others may write in it.
pub fn check_folder(path: &Path) -> Result<()> {
    let about = path
        .metadata()
        .with_context(|| format!("reading the folder {}", path.display()))?;
    match fault(&about) {
        Some(Fault::Owner) => bail!(
            "the folder {} belongs to another user, so nothing is kept there",
            path.display()
        ),
        Some(Fault::Writable) => bail!(
            "others may write in the folder {}, so nothing is kept there (chmod 700)",
            path.display()
        ),
        Some(Fault::Readable) | None => Ok(()),
    }
}

/// Options that make a new file private from its first moment on, of this mode at most.
pub fn options(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options
}

/// A new file that no one else can read.
///
/// # Errors
///
/// There is one already, or it cannot be made.
pub fn create_new(path: &Path) -> io::Result<File> {
    options(0o600).write(true).create_new(true).open(path)
}

/// What is wrong with a file, the worst first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Owner,
    Writable,
    Readable,
}

#[cfg(unix)]
fn fault(about: &std::fs::Metadata) -> Option<Fault> {
    use std::os::unix::fs::MetadataExt;
    let kind = about.file_type();
    // A pipe of the shell or a terminal has no readers that could come later.
    if !kind.is_file() && !kind.is_dir() {
        return None;
    }
    judge(
        about.uid(),
        about.mode(),
        rustix::process::geteuid().as_raw(),
    )
}

#[cfg(not(unix))]
fn fault(_about: &std::fs::Metadata) -> Option<Fault> {
    None
}

#[cfg(unix)]
fn judge(owner: u32, mode: u32, user: u32) -> Option<Fault> {
    const ROOT: u32 = 0;
    if owner != user && owner != ROOT {
        return Some(Fault::Owner);
    }
    if mode & 0o022 != 0 {
        return Some(Fault::Writable);
    }
    // Services run as a user of their own, and are given the files of root by their group.
    let others = if owner == ROOT { 0o007 } else { 0o077 };
    (mode & others != 0).then_some(Fault::Readable)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn who_else_may_touch_a_secret_is_known() {
        for (owner, mode, user, expected) in [
            (1000, 0o600, 1000, None),
            (1000, 0o400, 1000, None),
            (0, 0o600, 1000, None),
            (0, 0o640, 1000, None),
            (0, 0o440, 0, None),
            (0, 0o644, 1000, Some(Fault::Readable)),
            (0, 0o604, 0, Some(Fault::Readable)),
            (0, 0o601, 0, Some(Fault::Readable)),
            (1000, 0o640, 1000, Some(Fault::Readable)),
            (1000, 0o660, 1000, Some(Fault::Writable)),
            (0, 0o620, 0, Some(Fault::Writable)),
            (0, 0o602, 1000, Some(Fault::Writable)),
            (1001, 0o600, 1000, Some(Fault::Owner)),
            (1001, 0o600, 0, Some(Fault::Owner)),
        ] {
            assert_eq!(
                judge(owner, mode, user),
                expected,
                "{owner} {mode:o} {user}"
            );
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_a_password_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, "x").unwrap();
        for (mode, refused, told) in [
            (0o600, true, true),
            (0o646, false, false),
            (0o604, false, true),
        ] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let key = read(&path, "the key", Readable::Refused);
            assert_eq!(key.is_ok(), refused, "{mode:o}");
            assert_eq!(first_line(&path).is_ok(), told, "{mode:o}");
        }
        let message = read(&path, "the key", Readable::Refused)
            .unwrap_err()
            .to_string();
        assert!(message.contains("the key") && message.contains("can be read by others"));
    }

    #[test]
    fn a_new_file_is_private_and_takes_no_others_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create_new(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(create_new(&path).is_err());
    }

    #[test]
    fn a_password_is_the_same_whatever_editor_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        for secret in ["Wint3r-Regen", "Grüße 🔑", " a "] {
            for end in ["", "\n", "\r\n", "\r\nmore\r\n"] {
                let text = format!("{secret}{end}");
                let marked = format!("\u{feff}{text}");
                let mut all = vec![
                    text.clone().into_bytes(),
                    marked.clone().into_bytes(),
                    utf16(&marked, u16::to_le_bytes),
                    utf16(&marked, u16::to_be_bytes),
                    utf16(&text, u16::to_be_bytes),
                    utf16(&text, u16::to_le_bytes),
                ];
                for bytes in all.drain(..) {
                    write(&path, &bytes).unwrap();
                    let read = first_line(&path).unwrap();
                    assert_eq!(read.expose_secret(), secret, "{bytes:x?}");
                }
            }
        }
        for bytes in [
            b"".as_slice(),
            b"\n",
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbf\r\nx",
            b"\xff\xfe",
            b"\xff\xfe\0",
            b"\xff\xfe\n\0x\0",
            b"\xff\xfe\0\xd8x\0",
            b"Gr\xfc\xdfe",
        ] {
            write(&path, bytes).unwrap();
            assert!(first_line(&path).is_err(), "{bytes:x?}");
        }
    }
}
