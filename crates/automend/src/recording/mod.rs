//! Recordings of HTTP, whoever made them, as turns.
//!
//! Knows the forms of recordings and nothing of Autodiscover: which turns are wanted, a [`Sink`] says.
//!
//! Invariant: nothing that stands in a file makes reading panic, hang or grow without bound; what can be
//! read is read, and what is wrong with the rest is a [`Defect`].

mod analyzer;
mod body;
mod capture;
mod date;
mod ews_trace;
mod exchangelib;
mod foreign;
mod har;
mod http;
mod json;
mod kind;
mod lines;
mod log;
mod saz;
mod tree;
mod turn;
mod utf16;
mod zip;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

pub(crate) use body::decode;
pub(crate) use kind::{Kind, NoRecording};
pub(crate) use turn::{Defect, Defects, MOST_BODY, Message, Sink, Turn};
pub(crate) use utf16::{Order, Utf8};

/// Why nothing of a file can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    NoRecording(#[from] NoRecording),
    #[error(
        "the file is a ZIP archive, but none of Fiddler; unpack it, and trace the recording in it"
    )]
    NoSaz,
    #[error(
        "the recording is encrypted; open it in Fiddler with its password and save it without one"
    )]
    Encrypted,
    #[error("the file is text, but no olkdisc.log; take the file %TEMP%\\olkdisc.log of Outlook")]
    NoLog,
    #[error("the file is packed twice")]
    PackedTwice,
    #[error(
        "the file is a network capture, which tshark reads, and tshark is not installed (Debian: apt install tshark)"
    )]
    NoTshark,
    #[error("tshark cannot read the capture: {0}")]
    Capture(String),
    #[error("the keys are for a network capture, and this is none")]
    KeysForNothing,
    #[error(
        "the file begins as JSON, and is broken before the first turn: {0}; save the recording again"
    )]
    Broken(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a recording of whatever kind; its turns and defects go to `sink`.
pub(crate) fn read(
    path: &Path,
    keys: Option<&Path>,
    sink: &mut impl Sink,
) -> Result<Kind, Unreadable> {
    read_from(
        File::open(path)?,
        |sink| capture(path, keys, sink),
        keys.is_some(),
        sink,
    )
}

/// Reads a recording from bytes; one that is a capture is left to `capture`, which knows its file.
pub(crate) fn read_from<S: Sink>(
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
    match (kind, utf16::Order::of(head)) {
        // The reader of an answer looks after encodings by itself.
        (Kind::Xml, _) => document(input, sink)?,
        (kind, Some(order)) => text(kind, head, utf16::Utf8::new(input, order), sink)?,
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

/// A document of Autodiscover itself: one turn of which only the answer is known.
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
                turn: Some(1),
                what: "elements were folded when the answer was copied, and lack; unfold all, or save the answer as a file".to_owned(),
            });
        }
    }
    sink.turn(Turn {
        number: 1,
        status: 200,
        response: Message {
            body,
            cut,
            ..Message::default()
        },
        ..Turn::default()
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
