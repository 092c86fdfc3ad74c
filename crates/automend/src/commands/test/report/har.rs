//! Every exchange as HAR 1.2, the form that browsers and debugging proxies read.
//!
//! Invariant: an exchange passes through [`secrets::remove`] before it is written, and of logins only the scheme
//! is in it.

use automend_probe::har::{self, Answer, Own};
use automend_probe::http;
use automend_recording::secrets::{self, Logins, REMOVED, Secrets};
use automend_recording::{HttpExchange, Message};
use serde_json::Value;

use super::Report;

/// The report's exchanges as one document.
pub(in crate::commands::test) fn document(report: &Report, secrets: &Secrets) -> Value {
    har::document(
        report
            .exchanges()
            .map(|(step, exchange)| entry(step, exchange, secrets)),
    )
}

fn entry(step: &str, exchange: &http::HttpExchange, secrets: &Secrets) -> (HttpExchange, Own) {
    let request = &exchange.request;
    let mut headers = vec![("host".to_owned(), request.url.authority())];
    let others = request.headers.iter();
    headers.extend(others.map(|(name, value)| ((*name).to_owned(), value.clone())));
    let response = exchange.response.as_ref();
    let mut written = HttpExchange {
        started: Some(exchange.started.to_string()),
        method: request.method.to_owned(),
        url: request.url.to_string(),
        request: Message {
            headers,
            body: request.body.clone(),
            cut: false,
            missing: false,
        },
        status: response.map_or(0, |response| response.status),
        response: response.map_or_else(Message::default, |response| Message {
            headers: response.headers.clone(),
            body: response.body.clone(),
            cut: false,
            missing: false,
        }),
        ..HttpExchange::default()
    };
    secrets::remove(&mut written, secrets, Logins::Scheme);
    if let Some(scheme) = exchange.login {
        let login = ("authorization".to_owned(), format!("{scheme} {REMOVED}"));
        written.request.headers.push(login);
    }
    let connection = exchange.connection.as_deref();
    let own = Own {
        times: exchange.times,
        connection: connection.map(|connection| (connection.address.ip(), connection.number)),
        sent: request.body.len(),
        answer: response.map(|response| Answer {
            version: response.version,
            received: response.received,
            size: response.body.len(),
        }),
        comment: match &exchange.failure {
            None => step.to_owned(),
            Some(failure) => {
                format!("{step}: {} {}", failure.cause, failure.detail)
            }
        },
    };
    (written, own)
}

#[cfg(test)]
mod tests {
    use automend_core::discovery::Url;

    use super::*;
    use automend_recording::secrets::samples::{SECRET, telling};
    use automend_system::clock;

    #[test]
    fn no_secret_is_written() {
        for exchange in telling() {
            let own = |(name, value): (String, String)| (&*name.leak(), value);
            let made = http::HttpExchange {
                request: http::Request {
                    method: "POST",
                    url: Url::parse(&exchange.url).unwrap(),
                    headers: exchange.request.headers.into_iter().map(own).collect(),
                    body: exchange.request.body,
                },
                login: Some("NTLM"),
                response: Some(http::Response {
                    status: 200,
                    version: "HTTP/1.1",
                    received: 1,
                    headers: exchange.response.headers,
                    body: exchange.response.body,
                }),
                failure: None,
                connection: None,
                started: clock::now(),
                times: http::Times::default(),
            };
            let text = har::document([entry("srv", &made, &Secrets::default())]).to_string();
            assert!(!text.contains(SECRET), "{text}");
            assert!(text.contains(r#""name":"authorization","value":"NTLM (removed)""#));
        }
    }
}
