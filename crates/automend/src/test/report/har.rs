//! Every turn as HAR 1.2, the form that browsers and debugging proxies read.
//!
//! Invariant: values of headers that log in or keep a session are not in it, and what a server gives back
//! of them is taken out, too.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Report;
use crate::http::{Response, Turn};
use crate::test::secrets::{REMOVED, Secrets};

/// Headers whose values are secrets; of those that log in, the scheme stays.
const SECRET: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "cookie",
    "set-cookie",
];

/// The report's turns as one document.
pub(in crate::test) fn document(report: &Report, secrets: &Secrets) -> Value {
    let entries: Vec<Value> = report
        .turns()
        .map(|(step, turn)| entry(step, turn, secrets))
        .collect();
    json!({
        "log": {
            "version": "1.2",
            "creator": { "name": "automend", "version": env!("CARGO_PKG_VERSION") },
            "pages": [],
            "entries": entries,
        }
    })
}

fn entry(step: &str, turn: &Turn, secrets: &Secrets) -> Value {
    let request = &turn.request;
    let mut headers = vec![header("host", &request.url.authority(), secrets)];
    headers.extend(
        request
            .headers
            .iter()
            .map(|(name, value)| header(name, value, secrets)),
    );
    if let Some(scheme) = turn.login {
        headers.push(json!({ "name": "authorization", "value": format!("{scheme} {REMOVED}") }));
    }
    let body = String::from_utf8_lossy(&request.body);
    let mut message = json!({
        "method": request.method,
        "url": secrets.without(&request.url.to_string()),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers,
        "queryString": query(request.url.target(), secrets),
        "headersSize": -1,
        "bodySize": request.body.len(),
    });
    if !request.body.is_empty()
        && let Some(object) = message.as_object_mut()
    {
        let post = json!({ "mimeType": "text/xml; charset=utf-8", "text": secrets.without(&body) });
        object.insert("postData".to_owned(), post);
    }
    let times = turn.times;
    // HAR counts the handshake of TLS as a part of connecting.
    let connect = times
        .connect
        .map(|connect| connect + times.tls.unwrap_or_default());
    let connection = turn.connection.as_deref();
    json!({
        "startedDateTime": turn.started.to_string(),
        "time": ms(Some(times.total())),
        "request": message,
        "response": response(turn, secrets),
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": ms(times.dns),
            "connect": ms(connect),
            "ssl": ms(times.tls),
            "send": 0,
            "wait": times.wait.map_or(0.0, |wait| ms(Some(wait))),
            "receive": times.receive.map_or(0.0, |receive| ms(Some(receive))),
        },
        "serverIPAddress": connection.map(|c| c.address.ip().to_string()).unwrap_or_default(),
        "connection": connection.map(|c| c.number.to_string()).unwrap_or_default(),
        "comment": match &turn.failure {
            None => step.to_owned(),
            Some(failure) => format!("{step}: {} {}", failure.cause, secrets.without(&failure.detail)),
        },
    })
}

/// A turn without an answer has the status 0, as browsers write it.
fn response(turn: &Turn, secrets: &Secrets) -> Value {
    let Some(response) = &turn.response else {
        return json!({
            "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
            "content": { "size": 0, "mimeType": "" }, "redirectURL": "", "headersSize": -1, "bodySize": -1,
        });
    };
    let headers = response.headers.iter();
    json!({
        "status": response.status,
        "statusText": "",
        "httpVersion": response.version,
        "cookies": [],
        "headers": headers.map(|(name, value)| header(name, value, secrets)).collect::<Vec<_>>(),
        "content": content(response, secrets),
        "redirectURL": secrets.without(response.header("location").unwrap_or_default()),
        "headersSize": -1,
        "bodySize": response.received,
    })
}

fn content(response: &Response, secrets: &Secrets) -> Value {
    let kind = response.header("content-type").unwrap_or_default();
    let mut content = match std::str::from_utf8(&response.body) {
        Ok(text) => json!({ "text": secrets.without(text) }),
        // Bytes that are no text hold no secret that could be found; UTF-16 is written as text.
        Err(_) => match utf16(&response.body) {
            Some(text) => json!({ "text": secrets.without(&text) }),
            None => json!({ "text": STANDARD.encode(&response.body), "encoding": "base64" }),
        },
    };
    if let Some(object) = content.as_object_mut() {
        object.insert("size".to_owned(), json!(response.body.len()));
        object.insert("mimeType".to_owned(), json!(kind));
    }
    content
}

/// UTF-16 with a byte order mark.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (mark, rest) = bytes.split_at_checked(2)?;
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = rest
        .chunks_exact(2)
        .filter_map(|pair| Some(unit(pair.try_into().ok()?)))
        .collect();
    String::from_utf16(&units).ok()
}

fn header(name: &str, value: &str, secrets: &Secrets) -> Value {
    if !SECRET.contains(&name) {
        return json!({ "name": name, "value": secrets.without(value) });
    }
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme);
    let shown = match scheme.filter(|_| name.ends_with("authenticate")) {
        Some(scheme) => format!("{scheme} {REMOVED}"),
        // A challenge without a value is only a name.
        None if name.ends_with("authenticate") => value.to_owned(),
        None => REMOVED.to_owned(),
    };
    json!({ "name": name, "value": shown })
}

fn query(target: &str, secrets: &Secrets) -> Vec<Value> {
    let Some((_, query)) = target.split_once('?') else {
        return Vec::new();
    };
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({ "name": name, "value": secrets.without(value) })
        })
        .collect()
}

/// Milliseconds; -1 where there was no such part.
fn ms(duration: Option<Duration>) -> f64 {
    duration.map_or(-1.0, |duration| {
        (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_logs_in_only_the_scheme_is_shown() {
        let secrets = Secrets::default();
        for (name, value, shown) in [
            ("www-authenticate", "NTLM TlRMTVNTUAAC", "NTLM (removed)"),
            ("www-authenticate", "Negotiate", "Negotiate"),
            ("set-cookie", "session=1; Path=/", "(removed)"),
            ("server", "IIS", "IIS"),
        ] {
            assert_eq!(header(name, value, &secrets)["value"], shown);
        }
    }

    #[test]
    fn utf_16_is_shown_as_text() {
        assert_eq!(utf16(b"\xff\xfe<\0a\0"), Some("<a".to_owned()));
        assert_eq!(utf16(b"\xfe\xff\0<\0a"), Some("<a".to_owned()));
        assert_eq!(utf16(b"<a"), None);
        assert_eq!(utf16(b""), None);
    }
}
