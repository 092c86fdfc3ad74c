//! Bodies as they travel: transfer codings and content codings undone (RFC 9110 8.4, RFC 9112 7.1).
//!
//! Recorders differ in what they undo themselves and whether they say so, so each coding is undone only
//! where the bytes are in it; what is not in it stays as it is.
//!
//! Invariant: no body unpacks to more than [`MOST_BODY`], and none is lost because its coding is broken.

use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::exchange::MOST_BODY;

/// A body, and what is wrong with it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Decoded {
    /// What came out, at most [`MOST_BODY`] bytes.
    pub body: Vec<u8>,
    /// Whether there is more of it than is kept.
    pub cut: bool,
    /// What is wrong with a coding; the body is then what came out before.
    pub defect: Option<String>,
}

/// Undoes the content codings of a `Content-Encoding` header (RFC 9110 8.4.1), which lists them in the order
/// in which they were applied: gzip, deflate, br; zstd is reported as a defect.
///
/// At most four codings are undone, and at most [`MOST_BODY`] bytes come out of each.
pub fn decode(bytes: Vec<u8>, codings: &str) -> Decoded {
    let mut decoded = Decoded {
        cut: bytes.len() > MOST_BODY,
        body: bytes,
        defect: None,
    };
    decoded.body.truncate(MOST_BODY);
    // A list of a thousand codings is a bomb of another kind.
    for coding in codings.rsplit(',').take(4).map(str::trim) {
        if decoded.body.is_empty() || decoded.defect.is_some() {
            break;
        }
        decoded = undo(decoded, &coding.to_ascii_lowercase());
    }
    decoded
}

fn undo(packed: Decoded, coding: &str) -> Decoded {
    let body = packed.body.as_slice();
    let unpacked = match coding {
        "gzip" | "x-gzip" if body.starts_with(&[0x1f, 0x8b]) => unpack(MultiGzDecoder::new(body)),
        // RFC 9110 means zlib; some servers send what is in it.
        "deflate" if is_zlib(body) => unpack(ZlibDecoder::new(body)),
        "deflate" if !is_markup(body) => unpack(DeflateDecoder::new(body)),
        "br" if !is_markup(body) => unpack(Decompressor::new(body, 4096)),
        "zstd" if body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => {
            let defect = Some("the body is in the coding zstd, which is not read".to_owned());
            // What cannot be read here is as good as not recorded.
            return Decoded {
                defect,
                cut: true,
                ..packed
            };
        }
        _ => return packed,
    };
    match unpacked {
        Ok((body, cut)) => Decoded {
            body,
            cut: packed.cut || cut,
            defect: cut.then(|| {
                format!("the body unpacks to more than {MOST_BODY} bytes; the rest is left out")
            }),
        },
        // The bytes may never have been in this coding.
        Err(Broken { body, .. })
            if body.is_empty() && !is_packed(packed.body.as_slice(), coding) =>
        {
            packed
        }
        Err(Broken { body, why }) => Decoded {
            body,
            cut: true,
            defect: Some(format!(
                "the body cannot be unpacked to its end ({coding}): {why}"
            )),
        },
    }
}

struct Broken {
    /// What came out before.
    body: Vec<u8>,
    why: String,
}

fn unpack(stream: impl Read) -> Result<(Vec<u8>, bool), Broken> {
    let mut body = Vec::new();
    match stream.take(MOST_BODY as u64 + 1).read_to_end(&mut body) {
        Ok(_) => {
            let cut = body.len() > MOST_BODY;
            body.truncate(MOST_BODY);
            Ok((body, cut))
        }
        Err(error) => {
            body.truncate(MOST_BODY);
            Err(Broken {
                body,
                why: error.to_string(),
            })
        }
    }
}

/// Whether bytes that do not unpack are in the coding all the same, as their beginning says.
fn is_packed(body: &[u8], coding: &str) -> bool {
    coding.ends_with("gzip") || (coding == "deflate" && is_zlib(body))
}

/// RFC 1950 2.2: method 8, and a header that is a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [first, second, ..] => {
            first & 15 == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0
        }
        _ => false,
    }
}

/// Whether it is XML, HTML or JSON already.
fn is_markup(body: &[u8]) -> bool {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    matches!(body, [b'<', b'?' | b'!' | b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] | [b'{', b'"' | b' ' | b'\r' | b'\n', ..])
}

/// Undoes chunks. What is not in chunks stays as it is; chunks that break off give what there is.
pub(crate) fn unchunk(bytes: &[u8]) -> Decoded {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        let Some((size, after)) = chunk_size(rest) else {
            if body.is_empty() && rest.len() == bytes.len() {
                return Decoded {
                    body: bytes.to_vec(),
                    ..Decoded::default()
                };
            }
            break;
        };
        if size == 0 {
            return Decoded {
                cut: body.len() > MOST_BODY,
                body,
                defect: None,
            };
        }
        let chunk = after.get(..size).unwrap_or(after);
        body.extend_from_slice(chunk);
        rest = after.get(chunk.len()..).unwrap_or_default();
        if chunk.len() < size {
            break;
        }
        rest = rest
            .strip_prefix(b"\r\n")
            .or_else(|| rest.strip_prefix(b"\n"))
            .unwrap_or(rest);
    }
    Decoded {
        body,
        cut: true,
        defect: Some("the body breaks off before its last chunk".to_owned()),
    }
}

/// The size of a chunk, and what stands behind its line.
fn chunk_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(1024).position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let digits = line.split(';').next()?.trim();
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    Some((
        usize::from_str_radix(digits, 16).ok()?,
        bytes.get(end + 1..)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const XML: &[u8] = b"<?xml version=\"1.0\"?><Autodiscover/>";
    /// `XML` in brotli at quality 0: one raw meta-block.
    fn brotli() -> Vec<u8> {
        // RFC 7932 9.2: window of 16 bits, a meta-block that is not compressed, an empty last one.
        let length = u32::try_from(XML.len() - 1).unwrap();
        // WBITS 0 (1 bit), ISLAST 0 (1), MNIBBLES 0 for 4 nibbles (2), MLEN - 1 (16), ISUNCOMPRESSED 1 (1).
        let bits = length << 4 | 1 << 20;
        let mut packed = bits.to_le_bytes()[..3].to_vec();
        packed.extend_from_slice(XML);
        packed.push(3);
        packed
    }

    fn packed<W: Write>(
        encoder: impl FnOnce(Vec<u8>) -> W,
        finish: impl FnOnce(W) -> Vec<u8>,
        bytes: &[u8],
    ) -> Vec<u8> {
        let mut encoder = encoder(Vec::new());
        encoder.write_all(bytes).unwrap();
        finish(encoder)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        packed(
            |out| GzEncoder::new(out, Compression::best()),
            |encoder| encoder.finish().unwrap(),
            bytes,
        )
    }

    #[test]
    fn every_coding_is_undone_and_what_is_undone_already_stays() {
        let zlib = packed(
            |out| ZlibEncoder::new(out, Compression::fast()),
            |encoder| encoder.finish().unwrap(),
            XML,
        );
        let raw = packed(
            |out| DeflateEncoder::new(out, Compression::fast()),
            |encoder| encoder.finish().unwrap(),
            XML,
        );
        for (bytes, coding) in [
            (gzip(XML), "gzip"),
            (gzip(XML), "X-GZIP"),
            (zlib, "deflate"),
            (raw, "deflate"),
            (brotli(), "br"),
            (gzip(&brotli()), "br, gzip"),
            (XML.to_vec(), "gzip"),
            (XML.to_vec(), "deflate"),
            (XML.to_vec(), "br"),
            (XML.to_vec(), "identity"),
            (XML.to_vec(), ""),
        ] {
            let decoded = decode(bytes, coding);
            assert_eq!(
                (decoded.body.as_slice(), decoded.cut, decoded.defect),
                (XML, false, None),
                "{coding}"
            );
        }
    }

    #[test]
    fn a_bomb_is_cut_and_told() {
        let bomb = gzip(&vec![b' '; MOST_BODY * 4]);
        assert!(bomb.len() < 64 << 10);
        let decoded = decode(bomb, "gzip");
        assert_eq!((decoded.body.len(), decoded.cut), (MOST_BODY, true));
        assert!(decoded.defect.unwrap().contains("more than"));
        // A bomb in a bomb.
        let nested = gzip(&gzip(&vec![b' '; MOST_BODY * 4]));
        assert!(decode(nested, "gzip, gzip").cut);
    }

    #[test]
    fn a_stream_that_breaks_off_gives_what_there_is() {
        let whole = gzip(&XML.repeat(50));
        let decoded = decode(whole[..whole.len() / 2].to_vec(), "gzip");
        assert!(XML.repeat(50).starts_with(&decoded.body));
        assert!(decoded.cut && decoded.defect.is_some());
    }

    #[test]
    fn chunks_are_joined() {
        let of = |bytes: &[u8]| unchunk(bytes);
        assert_eq!(of(b"4\r\n<a/>\r\n0\r\n\r\n").body, b"<a/>");
        assert_eq!(
            of(b"2;x=y\r\n<a\r\n2\r\n/>\r\n0\r\nTrailer: x\r\n\r\n").body,
            b"<a/>"
        );
        assert_eq!(of(b"2\n<a\n2\n/>\n0\n\n").body, b"<a/>");
        let broken = of(b"8\r\n<a/>");
        assert_eq!((broken.body.as_slice(), broken.cut), (&b"<a/>"[..], true));
        assert!(broken.defect.is_some());
        // Not in chunks, though a header says so.
        assert_eq!(
            of(XML),
            Decoded {
                body: XML.to_vec(),
                ..Decoded::default()
            }
        );
        assert_eq!(of(b""), Decoded::default());
        assert!(of(b"4\r\n<a/>\r\nffffffffffffffffffff\r\n").cut);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_coding_end(bytes in prop::collection::vec(any::<u8>(), 0..300),
                                       coding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "br,deflate"])) {
            let decoded = decode(bytes.clone(), coding);
            prop_assert!(decoded.body.len() <= MOST_BODY);
            unchunk(&bytes);
        }
    }
}
