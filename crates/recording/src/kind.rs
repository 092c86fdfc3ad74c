//! What kind of recording a file is, told by its first bytes and never by its name.
//!
//! Invariant: whatever the bytes are, a kind comes out or a word on what else the file is.

use super::no_recording::NoRecording;
use super::utf16;
use super::{analyzer, ews_trace, exchangelib, foreign, log, tree};

/// How much of a file its kind is recognised by.
pub(crate) const HEAD: usize = 256 << 10;

/// A kind of recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// HTTP Archive: JSON.
    Har,
    /// Fiddler's archive: ZIP.
    Saz,
    /// Outlook's log.
    Log,
    /// A document of Autodiscover itself, also as a browser shows it.
    Xml,
    /// Traces of the EWS Managed API and its ports.
    EwsTrace,
    /// A debug log of exchangelib.
    Exchangelib,
    /// A result of Microsoft's Remote Connectivity Analyzer.
    Analyzer,
    /// A capture of packets.
    Capture,
    /// Anything of these packed with gzip.
    Gzip,
}

impl Kind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Har => "har",
            Self::Saz => "saz",
            Self::Log => "olkdisc-log",
            Self::Xml => "xml",
            Self::EwsTrace => "ews-trace",
            Self::Exchangelib => "exchangelib-log",
            Self::Analyzer => "connectivity-analyzer",
            Self::Capture => "capture",
            Self::Gzip => "gzip",
        }
    }
}

/// Tells the kind of a file by its first [`HEAD`] bytes.
pub(crate) fn kind(head: &[u8]) -> Result<Kind, NoRecording> {
    match head {
        [] => return Err(NoRecording::Empty),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => {
            return foreign::of_bytes(head).map_or(Ok(Kind::Saz), Err);
        }
        [0x1f, 0x8b, ..] => return Ok(Kind::Gzip),
        // pcap in both orders, with microseconds and nanoseconds; pcapng; Network Monitor; snoop.
        [0xa1, 0xb2, 0xc3, 0xd4, ..]
        | [0xd4, 0xc3, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0x3c, 0x4d, ..]
        | [0x4d, 0x3c, 0xb2, 0xa1, ..]
        | [0x0a, 0x0d, 0x0d, 0x0a, ..]
        | [b'G', b'M', b'B', b'U', ..]
        | [b'R', b'T', b'S', b'S', ..]
        | [b's', b'n', b'o', b'o', b'p', 0, ..] => return Ok(Kind::Capture),
        _ => {}
    }
    if let Some(known) = foreign::of_bytes(head) {
        return Err(known);
    }
    let text = text(head);
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if start.is_empty() {
        return Err(NoRecording::Empty);
    }
    if start.starts_with('{') && !start.starts_with("{\\rtf") {
        return Ok(Kind::Har);
    }
    if start.starts_with('[')
        && start
            .trim_start_matches(['[', ' ', '\r', '\n'])
            .starts_with(['{', '"', ']'])
    {
        return Err(foreign::of_json(start));
    }
    if ews_trace::is_trace(&text) {
        return Ok(Kind::EwsTrace);
    }
    if start.starts_with('<') {
        return match foreign::of_xml(start) {
            Some(known) => Err(known),
            None if tree::is_copied(start) => Ok(Kind::Xml),
            None if analyzer::is_result(start) => Ok(Kind::Analyzer),
            None => Ok(Kind::Xml),
        };
    }
    if let Some(known) = foreign::of_text(start) {
        return Err(known);
    }
    if log::is_log(&text) {
        return Ok(Kind::Log);
    }
    if exchangelib::is_log(&text) {
        return Ok(Kind::Exchangelib);
    }
    if tree::is_copied(start) {
        return Ok(Kind::Xml);
    }
    if analyzer::is_result(start) {
        return Ok(Kind::Analyzer);
    }
    // A netstring: a number, a colon and a dictionary whose first key is `version` or its like.
    let netstring = start.split_once(':').is_some_and(|(length, rest)| {
        !length.is_empty()
            && length.bytes().all(|byte| byte.is_ascii_digit())
            && rest
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit())
    });
    if netstring {
        return Err(NoRecording::Mitmproxy);
    }
    // An event trace begins with the size of its buffers, and names its session in UTF-16.
    if head.len() > 0x60 && matches!(head, [0, 0, 1 | 2 | 4, 0, ..]) {
        return Err(NoRecording::EventTrace);
    }
    Err(NoRecording::Unknown)
}

/// Bytes as text, in UTF-8 or UTF-16.
pub(super) fn text(head: &[u8]) -> String {
    match utf16::order(head) {
        Some(order) => order.decode_with_bom_removal(head).0.into_owned(),
        None => String::from_utf8_lossy(head).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_content() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        for (head, expected) in [
            (b"\xef\xbb\xbf \r\n{\"log\":{}}".to_vec(), Ok(Kind::Har)),
            (b"PK\x03\x04....".to_vec(), Ok(Kind::Saz)),
            (b"PK\x05\x06....".to_vec(), Ok(Kind::Saz)),
            (b"\x1f\x8b\x08".to_vec(), Ok(Kind::Gzip)),
            (b"\x0a\x0d\x0d\x0a....".to_vec(), Ok(Kind::Capture)),
            (b"\xd4\xc3\xb2\xa1....".to_vec(), Ok(Kind::Capture)),
            (b"\xef\xbb\xbf<?xml version".to_vec(), Ok(Kind::Xml)),
            (utf16("\u{feff}<?xml version"), Ok(Kind::Xml)),
            (utf16("<?xml version"), Ok(Kind::Xml)),
            (
                b"4044 0x13713D85 04/04/12 08:25:56 AUTODISCOVER GET SETTINGS BEGIN\r\n".to_vec(),
                Ok(Kind::Log),
            ),
            (
                utf16("\u{feff}4044 0x13713D85 04/04/12 08:25:56 SMTP=a@b.c\r\n"),
                Ok(Kind::Log),
            ),
            (
                b"Autodiscover to https://contoso.com/autodiscover/autodiscover.xml starting\r\n"
                    .to_vec(),
                Ok(Kind::Log),
            ),
            (b"9876:4:type;4:http;".to_vec(), Err(NoRecording::Mitmproxy)),
            (
                b"4044 0x13713D85 04/04/12 08:25:56 something else\r\n".to_vec(),
                Err(NoRecording::Unknown),
            ),
            (
                b"Autodiscover is a service.\r\n".to_vec(),
                Err(NoRecording::Unknown),
            ),
            (b"".to_vec(), Err(NoRecording::Empty)),
            (b" \r\n".to_vec(), Err(NoRecording::Empty)),
            (vec![0; 4096], Err(NoRecording::Unknown)),
        ] {
            assert_eq!(kind(&head), expected, "{}", head.escape_ascii());
        }
    }
}
