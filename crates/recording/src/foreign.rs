//! Files that are no recordings, told by their first bytes: what they are, and what to record instead.
//!
//! The marks are those of the formats' own specifications, as collected by file(1).
//!
//! Invariant: nothing is concluded from a name, and a file that is not known is none of these.

use super::no_recording::NoRecording;

/// What to do where nothing of the file helps.
const RECORD: &str = "record the requests instead: save a HAR in the browser or an archive in Fiddler, take Outlook's olkdisc.log, or run automend trace --listen 127.0.0.1:8888 -o recording.har";
const PICTURE: &str = "a picture shows one window; copy the text of the tab XML or Log into a file, or save a HAR or an olkdisc.log";
const DOCUMENT: &str = "requests that were pasted into it are not read; save them as files of their own, or record a HAR, a SAZ or an olkdisc.log";
const MAIL: &str = "save what is attached to it, and trace that";
const ARCHIVE: &str = "unpack it, and trace the recording in it";
const EVENTS: &str = "events tell that something failed, not what was asked and answered; record a HAR, a SAZ, an olkdisc.log or a network capture";
const SERVER_LOG: &str = "it has no bodies, so not what was answered; record at the client (HAR, SAZ, olkdisc.log), or with automend trace --listen";

/// A mark: where it stands, its bytes, and what it says.
type Mark = (usize, &'static [u8], &'static str, &'static str);

/// Marks of files that are no text, the longer before the shorter.
const MARKS: &[Mark] = &[
    (0, b"%PDF", "a PDF document", DOCUMENT),
    (0, b"\x89PNG", "a picture (PNG)", PICTURE),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", PICTURE),
    (0, b"GIF8", "a picture (GIF)", PICTURE),
    (8, b"WEBP", "a picture (WebP)", PICTURE),
    (0, b"II*\0", "a picture (TIFF)", PICTURE),
    (0, b"MM\0*", "a picture (TIFF)", PICTURE),
    (4, b"ftyphei", "a picture (HEIC)", PICTURE),
    (4, b"ftypmif", "a picture (HEIC)", PICTURE),
    (4, b"ftypavif", "a picture (AVIF)", PICTURE),
    (4, b"ftyp", "a film (MP4)", PICTURE),
    (0, b"\x1a\x45\xdf\xa3", "a film (Matroska or WebM)", PICTURE),
    (0, b"ElfFile\0", "an event log of Windows (EVTX)", EVENTS),
    (4, b"LfLe", "an event log of Windows (EVT)", EVENTS),
    (
        0,
        b"!BDN",
        "a data file of Outlook (PST or OST)",
        "it holds mail, not requests; record an olkdisc.log: File, Options, Advanced, Enable troubleshooting logging",
    ),
    (0, b"7z\xbc\xaf\x27\x1c", "an archive (7z)", ARCHIVE),
    (0, b"Rar!", "an archive (RAR)", ARCHIVE),
    (
        0,
        b"\xfd7zXZ\0",
        "packed with xz",
        "unpack it with xz -d, and trace what comes out",
    ),
    (
        0,
        b"BZh",
        "packed with bzip2",
        "unpack it with bzip2 -d, and trace what comes out",
    ),
    (
        0,
        b"\x28\xb5\x2f\xfd",
        "packed with zstd",
        "unpack it with zstd -d, and trace what comes out",
    ),
    (
        0,
        b"\x04\x22\x4d\x18",
        "packed with lz4",
        "unpack it with lz4 -d, and trace what comes out",
    ),
    (0, b"MSCF", "a cabinet of Windows (CAB)", ARCHIVE),
    (257, b"ustar", "an archive (tar)", ARCHIVE),
    (0, b"SQLite format 3\0", "a database (SQLite)", RECORD),
    (0, b"MZ", "a program of Windows", RECORD),
    (0, b"\x7fELF", "a program of Linux", RECORD),
    (
        0,
        b"L\0\0\0\x01\x14\x02\0",
        "a shortcut of Windows",
        "trace the file to which it leads",
    ),
    (0, b"MDMP", "a memory dump of Windows", RECORD),
    (0, b"PAGE", "a memory dump of Windows", RECORD),
    (0, b"regf", "a hive of the registry", RECORD),
    (0, b"\x30\x82", "a certificate or a key (DER)", RECORD),
    (0, b"BM", "a picture (BMP)", PICTURE),
];

/// What a file is that is no text and no recording.
pub(super) fn of_bytes(head: &[u8]) -> Option<NoRecording> {
    if head.starts_with(b"PK\x03\x04") {
        return office(head);
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Some(compound(head));
    }
    MARKS
        .iter()
        .find(|(at, mark, ..)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark)))
        // A text may begin with two letters of these.
        .filter(|(_, mark, ..)| mark.len() > 2 || head.iter().take(64).any(|byte| *byte == 0))
        .map(|(_, _, what, instead)| NoRecording::Known { what, instead })
}

/// An archive of Office, told from those of Fiddler by its first names.
fn office(head: &[u8]) -> Option<NoRecording> {
    let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    let what = if has(b"application/vnd.oasis.opendocument") {
        "a document of LibreOffice"
    } else if !(has(b"[Content_Types].xml") || has(b"_rels/")) || has(b"raw/") {
        return None;
    } else if has(b"word/") {
        "an Office document (Word)"
    } else if has(b"xl/") {
        "an Office workbook (Excel)"
    } else if has(b"ppt/") {
        "an Office presentation (PowerPoint)"
    } else {
        "an Office document"
    };
    let instead = DOCUMENT;
    Some(NoRecording::Known { what, instead })
}

/// A compound document: names of its streams are in UTF-16.
fn compound(head: &[u8]) -> NoRecording {
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(head, &name).is_some()
    };
    let (what, instead) = if has("__substg1.0") || has("__properties_version") || has("__nameid") {
        ("a message of Outlook (MSG)", MAIL)
    } else if has("WordDocument") {
        ("an Office document (Word, old form)", DOCUMENT)
    } else if has("Workbook") {
        ("an Office workbook (Excel, old form)", DOCUMENT)
    } else {
        (
            "an Office or another compound document, or a message of Outlook (MSG)",
            DOCUMENT,
        )
    };
    NoRecording::Known { what, instead }
}

/// What a text is that is no recording; `start` is without blanks before it.
pub(super) fn of_text(start: &str) -> Option<NoRecording> {
    let known = |what, instead| Some(NoRecording::Known { what, instead });
    let begins = |words: &str| {
        start
            .get(..words.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(words))
    };
    if begins("{\\rtf") {
        return known("a document (RTF)", DOCUMENT);
    }
    if start.starts_with("-----BEGIN ") {
        return known("a certificate or a key (PEM)", RECORD);
    }
    if begins("Windows Registry Editor") || begins("REGEDIT4") {
        return known("an export of the registry", RECORD);
    }
    if begins("CLIENT_RANDOM ") || start.contains("CLIENT_HANDSHAKE_TRAFFIC_SECRET ") {
        return known(
            "a key log of TLS",
            "give it with --keys beside the network capture to which it belongs",
        );
    }
    let lines = || start.lines().take(50).map(str::trim_end);
    if start.starts_with('#') {
        let of = |words: &str| {
            lines().any(|line| line.starts_with("#Software:") && line.contains(words))
        };
        if of("Exchange") {
            return known("a log of Exchange", SERVER_LOG);
        }
        if of("HTTP API") {
            return known(
                "an error log of Windows' HTTP service (HTTPERR)",
                SERVER_LOG,
            );
        }
        if lines().any(|line| line.starts_with("#Fields:") && line.contains("cs-uri"))
            || of("Internet Information Services")
        {
            return known("a log of IIS", SERVER_LOG);
        }
    }
    if begins("DateTime,RequestId,") || begins("date-time,") {
        return known("a log of Exchange", SERVER_LOG);
    }
    if lines().any(|line| line.starts_with("dn: ") || line.starts_with("dn:: ")) {
        return known(
            "LDIF",
            "name it with --directory, beside the recording that it is to explain",
        );
    }
    if is_mail(start) {
        if lines().any(|line| {
            line.starts_with("Snapshot-Content-Location:") || line.contains("Saved by ")
        }) {
            return known(
                "a web archive (MHTML)",
                "save the page as HTML only, or save a HAR",
            );
        }
        return known("a mail (EML)", MAIL);
    }
    if lines().any(|line| line.starts_with("< HTTP/") || line.starts_with("> POST ")) {
        return known(
            "the output of curl -v",
            "save what was answered with -o answer.xml and trace that, or let curl go through automend trace --listen",
        );
    }
    if lines().any(|line| line.starts_with("Windows PowerShell transcript start")) {
        return known("a transcript of PowerShell", RECORD);
    }
    None
}

/// What JSON is that is no HAR, as far as its beginning tells.
pub(super) fn of_json(start: &str) -> NoRecording {
    let has = |name: &str| start.contains(name);
    let (what, instead) = if has("\"logEventTypes\"") {
        (
            "a network log of Chromium",
            "it has no bodies; open the developer tools instead, and save a HAR with content",
        )
    } else if has("\"_postman_id\"") || has("schema.getpostman.com") {
        (
            "a collection of Postman",
            "it has requests without what was answered; save a HAR",
        )
    } else if has("\"Protocol\"") && has("\"Url\"")
        || has("\"ErrorCode\"") && has("\"ErrorMessage\"")
    {
        (
            "an answer of Autodiscover's JSON service, which has no settings",
            "trace what the URL in it answers, or record the whole search with automend trace --listen",
        )
    } else {
        ("JSON, but no HAR", RECORD)
    };
    NoRecording::Known { what, instead }
}

/// What XML is that is neither an answer of Autodiscover nor another recording.
pub(super) fn of_xml(start: &str) -> Option<NoRecording> {
    let known = |what, instead| Some(NoRecording::Known { what, instead });
    let head: String = start.chars().take(4096).collect();
    if head.contains("<E2ETraceEvent") {
        return known("a trace of WCF (svclog)", RECORD);
    }
    if head.contains("http://schemas.microsoft.com/win/2004/08/events/event") {
        return known("events of Windows as XML", EVENTS);
    }
    if head.contains("<Objs ") {
        return known("objects of PowerShell (Export-Clixml)", RECORD);
    }
    None
}

/// Whether a text begins with the head of a mail.
fn is_mail(text: &str) -> bool {
    let names = [
        "from:",
        "to:",
        "subject:",
        "received:",
        "mime-version:",
        "return-path:",
        "message-id:",
        "date:",
        "x-mailer:",
    ];
    let head = text
        .lines()
        .take(60)
        .take_while(|line| !line.trim().is_empty());
    let found = head.filter(|line| {
        let lower = line.get(..16).unwrap_or(line).to_ascii_lowercase();
        names.iter().any(|name| lower.starts_with(name))
    });
    found.take(2).count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_file_says_what_it_is_and_what_to_record() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let compound =
            |name: &str| [&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1][..], &utf16(name)].concat();
        let zip = |names: &str| [b"PK\x03\x04\x14\0", names.as_bytes()].concat();
        for (head, word) in [
            (b"%PDF-1.7".to_vec(), "PDF"),
            (b"\x89PNG\r\n\x1a\n".to_vec(), "PNG"),
            (b"\xff\xd8\xff\xe0".to_vec(), "JPEG"),
            (b"BM\x36\0\0\0".to_vec(), "BMP"),
            (zip("[Content_Types].xml word/document.xml"), "Word"),
            (zip("[Content_Types].xml xl/workbook.xml"), "Excel"),
            (b"ElfFile\0".to_vec(), "EVTX"),
            (b"!BDN".to_vec(), "PST"),
            (compound("__substg1.0_001A001E"), "MSG"),
            (compound("WordDocument"), "Word"),
            (b"7z\xbc\xaf\x27\x1c".to_vec(), "7z"),
            (b"SQLite format 3\0".to_vec(), "SQLite"),
        ] {
            let told = of_bytes(&head).map(|known| known.to_string());
            let told = told.unwrap_or_else(|| panic!("{}", head.escape_ascii()));
            assert!(told.contains(word) && told.contains("; "), "{told}");
        }
        for (text, word) in [
            ("{\\rtf1\\ansi", "RTF"),
            (
                "#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date time cs-uri-stem sc-status",
                "IIS",
            ),
            (
                "#Software: Microsoft Exchange Server\r\n#Log-type: Autodiscover",
                "Exchange",
            ),
            ("#Software: Microsoft HTTP API 2.0", "HTTPERR"),
            ("DateTime,RequestId,MajorVersion", "Exchange"),
            ("version: 1\n\ndn: DC=contoso,DC=com\n", "LDIF"),
            (
                "From: a@contoso.com\nTo: b@contoso.com\nSubject: 603\n\nsee",
                "EML",
            ),
            ("Received: from x\nMIME-Version: 1.0\n\n", "EML"),
            (
                "From: <Saved by Blink>\nSubject: x\nMIME-Version: 1.0\n\n",
                "MHTML",
            ),
            ("Windows Registry Editor Version 5.00\r\n", "registry"),
            ("CLIENT_RANDOM 00 11", "--keys"),
            (
                "* Trying\n> POST /autodiscover/autodiscover.xml HTTP/1.1\n",
                "curl",
            ),
        ] {
            let told = of_text(text)
                .unwrap_or_else(|| panic!("{text}"))
                .to_string();
            assert!(told.contains(word) && told.contains("; "), "{told}");
        }
        for (text, word) in [
            ("{\"constants\":{\"logEventTypes\":{}}}", "Chromium"),
            ("{\"info\":{\"_postman_id\":\"\"}}", "Postman"),
            (
                "{\"Protocol\":\"AutodiscoverV1\",\"Url\":\"https://x/\"}",
                "JSON service",
            ),
            ("[1]", "no HAR"),
        ] {
            let told = of_json(text).to_string();
            assert!(told.contains(word), "{told}");
        }
        assert_eq!(of_text("Alice called: error 603 again.\n"), None);
        assert_eq!(of_bytes(b"BMW called"), None);
        assert_eq!(of_bytes(&zip("raw/1_c.txt _rels/")), None);
    }
}
