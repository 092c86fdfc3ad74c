//! The report as JSON. The shape is promised: `docs/test.schema.json` describes it, and `version` rises
//! when it changes so that an old reader would go wrong.

use std::time::Duration;

use automend_core::command::Command;
use automend_core::discovery::{Tried, Url};
use automend_core::verdict::{Cause, Hint};
use automend_probe::answer::{Concern, alternative_json};
use automend_probe::http::HttpExchange;
use automend_recording::secrets::Secrets;
use serde_json::{Map, Value, json};

use super::{Report, hresult, protocol, shown_url};
use crate::commands::test::directory_check::Blame;
use crate::commands::test::follow::{Followed, How};
use crate::commands::test::run::{Run, Taken};
use crate::commands::test::urls::Checked;
use crate::report::FindingJson;

/// The report as one document.
pub(in crate::commands::test) fn document(report: &Report, secrets: &Secrets) -> Value {
    let cause = report.cause();
    let explained = cause.map(|cause| report.explain(cause));
    let warnings = report.warnings(secrets);
    let warnings: Vec<Value> = warnings.iter().map(Concern::to_json).collect();
    let told = report.run.told.clone();
    let mut document = json!({
        "version": 1,
        "address": report.address,
        "protocol": protocol(report.run.dialect),
        "verdict": report.verdict().as_str(),
        "cause": cause.map(Cause::code),
        "explanation": report.explanation(secrets),
        "advice": cause.and_then(|cause| report.advice(cause)),
        "command": explained.as_ref().and_then(|explained| explained.command.as_ref()).map(Command::arguments),
        "outlook": cause.and_then(|cause| report.hint(cause)).map(hint),
        "ms": ms(report.run.took),
        "warnings": warnings,
        "steps": steps(&report.run, secrets),
        "settings": told.map(|told| clean(told.without_secrets().to_json(), secrets)),
    });
    if let Some(object) = document.as_object_mut() {
        let mut add = |name: &str, values: Vec<Value>| {
            if !values.is_empty() {
                object.insert(name.to_owned(), Value::Array(values));
            }
        };
        add(
            "protocols",
            report
                .others
                .iter()
                .map(|other| {
                    json!({
                        "protocol": protocol(other.dialect),
                        "url": shown(&other.url, secrets, report.is_led()),
                        "cause": other.cause.map(Cause::code),
                        "detail": text(&other.detail),
                        "requests": exchanges(&other.exchanges, secrets, report.is_led()),
                    })
                })
                .collect(),
        );
        add(
            "alternatives",
            report
                .followed
                .iter()
                .map(|mailbox| followed(mailbox, secrets))
                .collect(),
        );
        add(
            "urls",
            report
                .checked
                .iter()
                .map(|found| checked(found, secrets))
                .collect(),
        );
        if let Some(blame) = &report.blame {
            let told = match blame {
                Ok(blame) => blamed(blame),
                Err(why) => json!({ "error": why }),
            };
            object.insert("directory".to_owned(), told);
        }
    }
    document
}

fn steps(run: &Run, secrets: &Secrets) -> Vec<Value> {
    run.steps.iter().map(|taken| step(taken, secrets)).collect()
}

fn step(step: &Taken, secrets: &Secrets) -> Value {
    let Tried {
        way,
        address,
        led_by,
        outlook,
        cause,
        ..
    } = &step.tried;
    json!({
        "step": way.as_str(),
        "url": step.shown_url(secrets),
        "address": address.as_str(),
        "cause": cause.map(Cause::code),
        "detail": text(&step.detail),
        "ms": ms(step.took),
        "ledBy": led_by,
        "outlook": outlook,
        "requests": exchanges(&step.exchanges, secrets, led_by.is_some()),
        "defects": step.defects,
    })
}

/// Requests; `led` where an answer named their URL.
fn exchanges(exchanges: &[HttpExchange], secrets: &Secrets, led: bool) -> Vec<Value> {
    exchanges
        .iter()
        .map(|made| exchange(made, secrets, led))
        .collect()
}

fn exchange(exchange: &HttpExchange, secrets: &Secrets, led: bool) -> Value {
    let connection = exchange.connection.as_deref();
    let response = exchange.response.as_ref();
    json!({
        "method": exchange.request.method,
        "url": shown(&exchange.request.url, secrets, led),
        "login": exchange.login,
        "status": response.map(|response| response.status),
        "offered": response.map(|response| response.headers("www-authenticate").map(|value| {
            secrets.without(value.split(' ').next().unwrap_or_default()).into_owned()
        }).collect::<Vec<_>>()),
        "cause": exchange.failure.as_ref().map(|failure| failure.cause.code()),
        "detail": exchange.failure.as_ref().and_then(|failure| text(&failure.detail)),
        "ms": ms(exchange.times.total()),
        "times": {
            "dns": exchange.times.dns.map(ms),
            "connect": exchange.times.connect.map(ms),
            "tls": exchange.times.tls.map(ms),
            "wait": exchange.times.wait.map(ms),
            "receive": exchange.times.receive.map(ms),
        },
        "server": connection.map(|connection| connection.address.to_string()),
        "tls": connection.and_then(|connection| connection.tls.as_ref()).map(|(version, _)| version),
    })
}

/// A URL that an answer named where `led`, and otherwise one that was made here or given.
fn shown(url: &Url, secrets: &Secrets, led: bool) -> String {
    if led {
        shown_url(url, secrets)
    } else {
        automend_recording::secrets::url(&url.to_string())
    }
}

fn followed(followed: &Followed, secrets: &Secrets) -> Value {
    let mut document = clean(alternative_json(&followed.mailbox), secrets);
    let (found, asked, detail) = match &followed.how {
        How::Search(run) => (steps(run, secrets), Vec::new(), None),
        How::Asked {
            exchanges: asked,
            detail,
            ..
        } => (Vec::new(), exchanges(asked, secrets, true), text(detail)),
        How::Not => (Vec::new(), Vec::new(), None),
    };
    if let Some(object) = document.as_object_mut() {
        object.insert("verdict".to_owned(), json!(followed.verdict()));
        object.insert("cause".to_owned(), json!(followed.cause().map(Cause::code)));
        object.insert("detail".to_owned(), json!(detail));
        object.insert("steps".to_owned(), json!(found));
        object.insert("requests".to_owned(), json!(asked));
    }
    document
}

fn checked(checked: &Checked, secrets: &Secrets) -> Value {
    json!({
        "names": clean(json!(checked.promise.names), secrets),
        "url": shown_url(&checked.promise.url, secrets),
        "status": checked.status,
        "cause": checked.cause.map(Cause::code),
        "detail": text(&checked.detail),
        "ms": ms(checked.took),
    })
}

fn blamed(blame: &Blame) -> Value {
    let findings: Vec<FindingJson> = blame
        .findings
        .iter()
        .map(|finding| FindingJson::new(finding, &blame.people))
        .collect();
    json!({
        "directory": blame.directory,
        "expected": blame.expected(),
        "findings": findings,
        "command": blame.fix_command.as_ref().map(Command::arguments),
        "defects": blame.defects,
    })
}

fn hint(hint: Hint) -> Value {
    json!({ "code": hresult(hint.code), "certainty": hint.certainty.as_str() })
}

/// Milliseconds with one digit behind the point.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What a server told without any secret, in whatever text of it one may stand; names of members stay.
fn clean(value: Value, secrets: &Secrets) -> Value {
    match value {
        Value::String(text) => Value::String(secrets.without(&text).into_owned()),
        Value::Array(values) => Value::Array(
            values
                .into_iter()
                .map(|value| clean(value, secrets))
                .collect(),
        ),
        Value::Object(members) => {
            let members = members.into_iter();
            Value::Object(
                members
                    .map(|(name, value)| (name, clean(value, secrets)))
                    .collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}
