//! Reading a recording: which reader its kind needs, and what is undone before.
//!
//! Invariant: nothing that stands in a file makes reading panic, hang or grow without bound; what can be
//! read is read, and what is wrong with the rest is a [`Defect`].

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::exchange::{Defect, HttpExchange, MOST_BODY, Message, Sink};
use super::kind::{self, Kind};
use super::no_recording::NoRecording;
use super::utf16::{self, Utf8};
use super::{analyzer, capture, ews_trace, exchangelib, foreign, har, log, saz, tree};

/// Why nothing of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The first bytes say that it is something else.
    #[error(transparent)]
    NoRecording(#[from] NoRecording),
    /// A ZIP archive without a session of Fiddler in it.
    #[error(
        "the file is a ZIP archive, but none of Fiddler; unpack it, and trace the recording in it"
    )]
    NoSaz,
    /// An archive of Fiddler that was saved with a password.
    #[error(
        "the recording is encrypted; open it in Fiddler with its password and save it without one"
    )]
    Encrypted,
    /// The text began like a log of Outlook, and has no line of one.
    #[error("the file is text, but no olkdisc.log; take the file %TEMP%\\olkdisc.log of Outlook")]
    NoLog,
    /// gzip with gzip or a ZIP archive in it: one layer is undone, so that no file unpacks for ever.
    #[error("the file is packed twice")]
    PackedTwice,
    /// A network capture, and no tshark on the path to read it.
    #[error(
        "the file is a network capture, which tshark reads, and tshark is not installed (Debian: apt install tshark)"
    )]
    NoTshark,
    /// tshark refused the capture, or wrote what cannot be read; in its words.
    #[error("tshark cannot read the capture: {0}")]
    Capture(String),
    /// A key log of TLS was given for a recording that is not encrypted.
    #[error("the keys are for a network capture, and this is none")]
    KeysForNothing,
    /// JSON that ends or breaks before its first exchange; where, in words.
    #[error(
        "the file begins as JSON, and is broken before the first request: {0}; save the recording again"
    )]
    Broken(String),
    /// The file itself cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a recording of whatever kind; its exchanges and defects go to `sink` while it is read.
///
/// The kind is recognised by the content, never by the name. `keys` is a file of TLS secrets in the format of
/// NSS (`SSLKEYLOGFILE`), which only a network capture takes.
pub fn read(path: &Path, keys: Option<&Path>, sink: &mut impl Sink) -> Result<Kind, Unreadable> {
    read_from(
        File::open(path)?,
        |sink| capture(path, keys, sink),
        keys.is_some(),
        sink,
    )
}

/// Reads a recording from bytes; one that is a network capture is left to `capture`, which knows its file.
///
/// `has_keys` says whether the caller holds TLS secrets: for anything but a capture these are an error.
pub fn read_from<S: Sink>(
    mut input: impl Read + Seek,
    capture: impl Fn(&mut S) -> Result<(), Unreadable>,
    has_keys: bool,
    sink: &mut S,
) -> Result<Kind, Unreadable> {
    let head = head(&mut input)?;
    input.seek(SeekFrom::Start(0))?;
    let kind = kind::kind(&head)?;
    if has_keys && !matches!(kind, Kind::Capture | Kind::Gzip) {
        return Err(Unreadable::KeysForNothing);
    }
    match kind {
        Kind::Saz => match saz::read(BufReader::new(input), sink)? {
            saz::Saz::Read => {}
            saz::Saz::Foreign => return Err(Unreadable::NoSaz),
            saz::Saz::Encrypted => return Err(Unreadable::Encrypted),
        },
        Kind::Capture => capture(sink)?,
        Kind::Gzip => {
            let inner = self::head(&mut MultiGzDecoder::new(&mut input))?;
            input.seek(SeekFrom::Start(0))?;
            match kind::kind(&inner)? {
                // tshark unpacks by itself.
                Kind::Capture => capture(sink)?,
                Kind::Gzip | Kind::Saz => return Err(Unreadable::PackedTwice),
                kind => {
                    stream(
                        kind,
                        &inner,
                        MultiGzDecoder::new(BufReader::new(input)),
                        sink,
                    )?;
                    return Ok(kind);
                }
            }
        }
        kind => stream(kind, &head, input, sink)?,
    }
    Ok(kind)
}

/// Reads what needs no more than a stream.
fn stream(
    kind: Kind,
    head: &[u8],
    input: impl Read,
    sink: &mut impl Sink,
) -> Result<(), Unreadable> {
    match (kind, utf16::order(head)) {
        // The reader of an answer looks after encodings by itself.
        (Kind::Xml, _) => document(input, sink)?,
        (kind, Some(order)) => text(kind, head, Utf8::new(input, order), sink)?,
        (kind, None) => text(kind, head, input, sink)?,
    }
    Ok(())
}

fn text(kind: Kind, head: &[u8], input: impl Read, sink: &mut impl Sink) -> Result<(), Unreadable> {
    let buffered = |input| BufReader::with_capacity(64 << 10, input);
    match kind {
        Kind::Log => {
            let known = log::read(buffered(input), sink)?;
            return if known {
                Ok(())
            } else {
                Err(Unreadable::NoLog)
            };
        }
        Kind::EwsTrace => return Ok(ews_trace::read(buffered(input), sink)?),
        Kind::Exchangelib => return Ok(exchangelib::read(buffered(input), sink)?),
        Kind::Analyzer => return Ok(analyzer::read(input, sink)?),
        _ => {}
    }
    match har::read(input, sink) {
        Ok(har::Har::Read) => Ok(()),
        Ok(har::Har::Foreign) => Err(foreign::of_json(&kind::text(head)).into()),
        Err(broken) => Err(Unreadable::Broken(broken.to_string())),
    }
}

/// A document of Autodiscover itself: one exchange of which only the answer is known.
fn document(input: impl Read, sink: &mut impl Sink) -> io::Result<()> {
    let mut body = Vec::new();
    input.take(MOST_BODY as u64 + 1).read_to_end(&mut body)?;
    let cut = body.len() > MOST_BODY;
    body.truncate(MOST_BODY);
    let text = kind::text(&body);
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if (!start.starts_with('<') || tree::has_signs(start))
        && let Some(copied) = tree::document(start)
    {
        body = copied.document.into_bytes();
        body.truncate(MOST_BODY);
        if copied.folded {
            sink.defect(Defect {
                exchange: Some(1),
                what: "elements were folded when the answer was copied, and lack; unfold all, or save the answer as a file".to_owned(),
            });
        }
    }
    sink.exchange(HttpExchange {
        number: 1,
        status: 200,
        response: Message {
            body,
            cut,
            ..Message::default()
        },
        ..HttpExchange::default()
    });
    Ok(())
}

fn capture(path: &Path, keys: Option<&Path>, sink: &mut impl Sink) -> Result<(), Unreadable> {
    capture::read(path, keys, sink).map_err(|why| match why {
        capture::Unread::NoTshark => Unreadable::NoTshark,
        capture::Unread::Start(error) => Unreadable::Io(error),
        capture::Unread::Refused(said) => Unreadable::Capture(said),
        capture::Unread::Broken(broken) => Unreadable::Capture(broken.to_string()),
    })
}

/// The first bytes; what is broken behind them is found later.
fn head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let result = input.take(kind::HEAD as u64).read_to_end(&mut head);
    match result {
        Err(error) if head.is_empty() && error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(head),
    }
}
