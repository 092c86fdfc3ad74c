//! HTTP messages as bytes (RFC 9112), as recorders keep them.
//!
//! Read leniently: bare line feeds, lines that are no header and a body that is shorter than it claims
//! are accepted, because a recording shows what was sent and not what should have been. Own code, because
//! `httparse` refuses `HTTP/2` in the first line, as recorders write it, and loses the last header of a head
//! that was cut off and the second line of a folded header of a request.
//!
//! Invariant: no panic, and no more than [`MOST_HEAD`] of a head is looked at.

use super::body::{Decoded, decode, unchunk};
use super::exchange::{MOST_HEAD, MOST_URL, Message};

/// The first line of a request and its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub method: String,
    pub target: String,
    pub message: Message,
    pub defect: Option<String>,
}

/// The status of a response and its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Response {
    pub status: u16,
    pub message: Message,
    pub defect: Option<String>,
}

/// Reads a request; `None` if it is none.
pub(crate) fn request(bytes: &[u8]) -> Option<Request> {
    let (line, rest) = first_line(bytes)?;
    let mut words = line.split_ascii_whitespace();
    let method = words.next().filter(|method| is_token(method))?;
    let target = words.next()?;
    // HTTP/0.9 has no version, and is not in use.
    words
        .next()
        .filter(|version| version.starts_with("HTTP/"))?;
    let (message, defect) = message(rest);
    Some(Request {
        method: method.to_owned(),
        target: target.chars().take(MOST_URL).collect(),
        message,
        defect,
    })
}

/// Reads a response; `None` if it is none. Those that only announce another (1xx) are passed over.
pub(crate) fn response(bytes: &[u8]) -> Option<Response> {
    let mut bytes = bytes;
    for _ in 0..8 {
        let (line, rest) = first_line(bytes)?;
        let mut words = line.split_ascii_whitespace();
        words
            .next()
            .filter(|version| version.starts_with("HTTP/"))?;
        let status: u16 = words.next()?.parse().ok()?;
        if (100..200).contains(&status) && status != 101 {
            let (_, body) = head(rest);
            if body.starts_with(b"HTTP/") {
                bytes = body;
                continue;
            }
        }
        let (message, defect) = message(rest);
        return Some(Response {
            status,
            message,
            defect,
        });
    }
    None
}

/// What stands behind the first line.
fn message(rest: &[u8]) -> (Message, Option<String>) {
    let (mut message, body) = head(rest);
    let chunked = message
        .all("transfer-encoding")
        .any(|codings| codings.to_ascii_lowercase().contains("chunked"));
    let length = length(&message);
    let missing = body.is_empty() && (chunked || length > 0);
    let joined = if chunked {
        unchunk(body)
    } else {
        let whole = message
            .header("content-length")
            .and_then(|_| body.get(..length));
        Decoded {
            body: whole.unwrap_or(body).to_vec(),
            cut: !body.is_empty() && body.len() < length,
            ..Decoded::default()
        }
    };
    let codings: Vec<&str> = message.all("content-encoding").collect();
    let decoded = decode(joined.body, &codings.join(","));
    let defect = joined.defect.or(decoded.defect);
    message.body = decoded.body;
    message.cut = joined.cut || decoded.cut;
    message.missing = missing;
    (message, defect)
}

/// How long the body is, as the head says; 0 where it says nothing.
pub(crate) fn length(message: &Message) -> usize {
    message
        .header("content-length")
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0)
}

/// Headers, and what stands behind the empty line.
fn head(bytes: &[u8]) -> (Message, &[u8]) {
    let mut message = Message::default();
    let mut rest = bytes;
    while let Some((line, after)) = first_line(rest) {
        rest = after;
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            // A folded line continues the one before (RFC 9112 5.2).
            if let Some((_, value)) = message.headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            message.push(name.trim().to_owned(), value.trim().to_owned());
        }
        if bytes.len() - rest.len() > MOST_HEAD {
            break;
        }
    }
    (message, rest)
}

/// A line without its end; bytes that are no UTF-8 become U+FFFD.
fn first_line(bytes: &[u8]) -> Option<(String, &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = bytes.get(..end.min(MOST_HEAD)).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let after = bytes.get(end + 1..).unwrap_or_default();
    Some((String::from_utf8_lossy(line).into_owned(), after))
}

fn is_token(word: &str) -> bool {
    (1..=32).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_read() {
        let found = request(
            b"POST https://mail.contoso.com/Autodiscover/Autodiscover.xml HTTP/1.1\r\nHost: mail.contoso.com\r\n\
              Content-Length: 3\r\nX-Long: a\r\n  b\r\nnonsense\r\n\r\n<a>trailing",
        )
        .unwrap();
        assert_eq!(found.method, "POST");
        assert_eq!(
            found.target,
            "https://mail.contoso.com/Autodiscover/Autodiscover.xml"
        );
        assert_eq!(found.message.header("x-long"), Some("a b"));
        assert_eq!(found.message.body, b"<a>");
    }

    #[test]
    fn a_response_is_read_behind_those_that_announce_it() {
        let found = response(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\n<a\n2\n/>\n0\n\n",
        )
        .unwrap();
        assert_eq!(
            (found.status, found.message.body.as_slice()),
            (200, &b"<a/>"[..])
        );
        let short = response(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<a>").unwrap();
        assert_eq!(short.message.body, b"<a>");
        assert_eq!(response(b"HTTP/1.1 401\r\n\r\n").unwrap().status, 401);
        assert_eq!(
            response(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap().status,
            100
        );
    }

    #[test]
    fn what_recorders_write_and_the_protocol_forbids_is_read() {
        let found = request(b"GET /a HTTP/2\r\nA: b\r\nC: d").unwrap();
        assert_eq!(
            (found.message.header("a"), found.message.header("c")),
            (Some("b"), Some("d"))
        );
        let found = response(b"HTTP/2 200\r\nA: b\0c\r\nD : \xff\r\n\r\n").unwrap();
        assert_eq!(found.status, 200);
        assert_eq!(found.message.header("d"), Some("\u{fffd}"));
    }

    #[test]
    fn what_is_no_message_is_told_from_one() {
        for bytes in [
            &b""[..],
            b"\r\n",
            b"<html>",
            b"POST /",
            b"HTTP/1.1",
            b"HTTP/1.1 abc\r\n\r\n",
        ] {
            assert_eq!(request(bytes), None, "{bytes:?}");
            assert_eq!(response(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            request(&bytes);
            response(&bytes);
            bytes.splice(0..0, *b"HTTP/1.1 200 OK\r\n");
            prop_assert!(response(&bytes).is_some());
        }
    }
}
