//! Traces of the EWS Managed API, and of its ports to Java and JavaScript: `<Trace Tag="AutodiscoverRequest"
//! Tid="1" Time="2015-11-15 21:25:29Z">`, what was traced as it is, `</Trace>`.
//!
//! The whole is no XML: a trace stands behind whatever a logger writes before it, and XML in it is not
//! escaped, while other text is. Head and body of a message are traces of their own; which belong together, the thread (`Tid`)
//! and the order say. Traces of the configuration tell what is asked next, and why nothing came of it.
//!
//! Invariant: one trace is held at a time, and of each thread one exchange; all are bounded.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::analyzer::{address_in, unescaped, url_in};
use super::exchange::{Defect, HttpExchange, MOST_BODY, MOST_HEAD, MOST_URL, Sink};
use super::http;
use super::lines::Lines;

/// Threads that are followed at once.
const MOST_THREADS: usize = 256;
/// Of a sentence of the configuration.
const MOST_SENTENCE: usize = 1024;
const BEGIN: &str = "<Trace ";
const END: &str = "</Trace>";

/// Whether a text has such traces.
pub(super) fn is_trace(text: &str) -> bool {
    text.match_indices(BEGIN).take(100).any(|(at, _)| {
        let head = text.get(at..).and_then(|text| text.split('>').next());
        head.is_some_and(|head| attribute(head, "Tag").is_some())
    })
}

/// Reads traces; everything in them goes to `sink`, and so do the defects.
pub(super) fn read(input: impl BufRead, sink: &mut impl Sink) -> io::Result<()> {
    let mut reader = Reader {
        sink,
        count: 0,
        threads: BTreeMap::new(),
    };
    let mut lines = Lines { input };
    let mut open: Option<Trace> = None;
    while let Some(line) = lines.next(MOST_BODY)? {
        let mut rest = line.as_str();
        loop {
            if let Some(mut trace) = open.take() {
                // The end of a trace may be lost, its successor shows it.
                let next = rest.find(BEGIN);
                let until = rest.get(..next.unwrap_or(rest.len())).unwrap_or(rest);
                let end = until.find(END).map(|at| (at, at + END.len()));
                let Some((at, after)) = end.or(next.map(|at| (at, at))) else {
                    trace.push(rest);
                    open = Some(trace);
                    break;
                };
                trace.push(rest.get(..at).unwrap_or_default());
                reader.trace(&trace);
                rest = rest.get(after..).unwrap_or_default();
            }
            let Some(at) = rest.find(BEGIN) else {
                break;
            };
            let from = rest.get(at..).unwrap_or_default();
            let Some((head, after)) = from.split_once('>') else {
                break;
            };
            rest = after;
            if let Some(trace) = Trace::begin(head).filter(|_| !head.ends_with('/')) {
                open = Some(trace);
            }
        }
    }
    if let Some(mut trace) = open {
        trace.cut = true;
        reader.trace(&trace);
        reader.sink.defect(Defect {
            exchange: Some(reader.count),
            what: "the file ends inside a trace".to_owned(),
        });
    }
    reader.finish();
    Ok(())
}

/// A trace that is being read.
struct Trace {
    tag: String,
    thread: u64,
    time: Option<String>,
    content: String,
    cut: bool,
}

impl Trace {
    fn begin(head: &str) -> Option<Self> {
        Some(Self {
            tag: attribute(head, "Tag")?.to_ascii_lowercase(),
            thread: attribute(head, "Tid")
                .and_then(|thread| thread.parse().ok())
                .unwrap_or(0),
            time: attribute(head, "Time")
                .filter(|time| time.len() <= 40)
                .map(str::to_owned),
            content: String::new(),
            cut: false,
        })
    }

    fn push(&mut self, line: &str) {
        if self.content.len() + line.len() < MOST_BODY {
            self.content.push_str(line);
            self.content.push('\n');
        } else {
            self.cut = true;
        }
    }
}

/// The value of an attribute in the head of a trace.
fn attribute<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut rest = head;
    loop {
        let at = rest.find(name)?;
        let before = rest.get(..at)?;
        rest = rest.get(at + name.len()..)?;
        if !before.ends_with(char::is_whitespace) {
            continue;
        }
        let value = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        return value.get(1..)?.split(quote).next();
    }
}

/// What a thread is doing.
#[derive(Default)]
struct Thread {
    open: Option<Open>,
    /// What the configuration says of where and for whom is asked.
    url: Option<String>,
    host: Option<String>,
    named: Option<String>,
}

/// An exchange that is being put together.
#[derive(Default)]
struct Open {
    exchange: HttpExchange,
    /// Which traces of it there were.
    request: bool,
    head: bool,
    body: bool,
}

struct Reader<'s, S> {
    sink: &'s mut S,
    count: u64,
    threads: BTreeMap<u64, Thread>,
}

impl<S: Sink> Reader<'_, S> {
    fn trace(&mut self, trace: &Trace) {
        if self.threads.len() >= MOST_THREADS && !self.threads.contains_key(&trace.thread) {
            self.finish();
            self.threads.clear();
        }
        let tag = trace.tag.as_str();
        if tag.ends_with("requesthttpheaders") {
            self.asked(trace.thread);
            let exchange = self.exchange(trace, |_| false);
            let text = unescaped(trace.content.trim_start());
            let text = text.as_str();
            if let Some(request) = http::request(text.get(..MOST_HEAD).unwrap_or(text).as_bytes()) {
                exchange.exchange.method = request.method;
                exchange.exchange.url = request.target;
                exchange.exchange.request.headers = request.message.headers;
            }
        } else if tag.ends_with("responsehttpheaders") {
            let exchange = self.exchange(trace, |open| open.head);
            exchange.head = true;
            let text = unescaped(trace.content.trim_start());
            let text = text.as_str();
            if let Some(response) = http::response(text.get(..MOST_HEAD).unwrap_or(text).as_bytes())
            {
                exchange.exchange.status = response.status;
                exchange.exchange.response.headers = response.message.headers;
            }
        } else if tag.ends_with("request") {
            let exchange = self.exchange(trace, |open| open.request || open.head || open.body);
            exchange.request = true;
            exchange.exchange.request.body = body(&trace.content);
            exchange.exchange.request.cut = trace.cut;
        } else if tag.ends_with("response") {
            let exchange = self.exchange(trace, |open| open.body);
            exchange.body = true;
            exchange.exchange.response.body = body(&trace.content);
            exchange.exchange.response.cut = trace.cut;
        } else if tag.ends_with("configuration") {
            for sentence in unescaped(&trace.content).lines().map(str::trim) {
                self.sentence(trace, sentence);
            }
        }
    }

    /// The open exchange of a trace's thread; a new one where there is none, or `ended` says so of it.
    fn exchange(&mut self, trace: &Trace, ended: impl Fn(&Open) -> bool) -> &mut Open {
        let open = &self.threads.entry(trace.thread).or_default().open;
        if open.as_ref().is_some_and(ended) {
            self.asked(trace.thread);
        }
        let thread = self.threads.entry(trace.thread).or_default();
        thread.open.get_or_insert_with(|| {
            self.count += 1;
            Open {
                exchange: HttpExchange {
                    number: self.count,
                    started: trace.time.clone(),
                    method: "POST".to_owned(),
                    named: thread.named.clone(),
                    ..HttpExchange::default()
                },
                ..Open::default()
            }
        })
    }

    /// The open exchange of a thread is over.
    fn asked(&mut self, thread: u64) {
        let Some(thread) = self.threads.get_mut(&thread) else {
            return;
        };
        let Some(Open {
            mut exchange,
            request,
            body,
            ..
        }) = thread.open.take()
        else {
            return;
        };
        exchange.url = place(&exchange, thread);
        if exchange.status == 0 && body {
            exchange.status = 200;
        }
        exchange.request.missing = !request && exchange.method == "POST";
        exchange.response.missing = exchange.status == 200 && exchange.response.body.is_empty();
        if self.sink.wants(&exchange.url, &exchange.request.body) {
            self.sink.exchange(exchange);
        } else {
            self.sink.passed(exchange.number);
        }
    }

    /// A sentence of the configuration, such as `Trying to call Autodiscover for ADDRESS on URL.`
    fn sentence(&mut self, trace: &Trace, sentence: &str) {
        let lower = sentence.to_ascii_lowercase();
        let thread = self.threads.entry(trace.thread).or_default();
        let url = url_in(sentence);
        if let Some(address) = address_in(sentence) {
            thread.named = Some(address.to_owned());
        }
        if let Some((_, host)) = lower.split_once(" host ") {
            let host = host.split_whitespace().next().unwrap_or_default();
            let host = host.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if host.contains('.') && host.len() <= 255 {
                thread.host = Some(host.to_owned());
            }
        }
        let redirected = lower.contains("redirection url found");
        let failed = [
            "error",
            "failed",
            "exception",
            "could not",
            "unable to",
            "timed out",
        ]
        .iter()
        .any(|word| lower.contains(word));
        if redirected && let (Some(from), Some(to)) = (thread.url.clone(), url) {
            let to = to.to_owned();
            self.asked(trace.thread);
            let exchange = self.exchange(trace, |_| false);
            "GET".clone_into(&mut exchange.exchange.method);
            exchange.exchange.status = 302;
            exchange.exchange.url = from;
            exchange.exchange.response.push("Location".to_owned(), to);
            self.asked(trace.thread);
        } else if failed {
            let from = url.map(str::to_owned).or_else(|| thread.url.clone());
            let answered = thread
                .open
                .as_ref()
                .is_some_and(|open| open.head || open.body);
            if answered || from.is_none() && thread.open.is_none() {
                return;
            }
            let exchange = self.exchange(trace, |_| false);
            if exchange.exchange.url.is_empty() {
                exchange.exchange.url = from.unwrap_or_default();
            }
            exchange.exchange.failure = Some(sentence.chars().take(MOST_SENTENCE).collect());
            self.asked(trace.thread);
        } else if let Some(url) = url {
            thread.url = Some(url.to_owned());
        }
    }

    fn finish(&mut self) {
        let mut open: Vec<(u64, u64)> = Vec::new();
        for (id, thread) in &self.threads {
            open.extend(thread.open.as_ref().map(|open| (open.exchange.number, *id)));
        }
        open.sort_unstable();
        for (_, id) in open {
            self.asked(id);
        }
    }
}

/// The whole URL of an exchange, of which the head has the path only.
fn place(exchange: &HttpExchange, thread: &Thread) -> String {
    let target = exchange.url.as_str();
    if target.contains("://") {
        return target.to_owned();
    }
    if let Some(to) = addressed_to(&exchange.request.body) {
        return to.to_owned();
    }
    let hint = thread.url.as_deref().unwrap_or_default();
    let of_hint = hint.split('/').nth(2).filter(|host| !host.is_empty());
    if target.is_empty() && !hint.is_empty() {
        return hint.to_owned();
    }
    let host = exchange
        .request
        .header("host")
        .or(of_hint)
        .or(thread.host.as_deref());
    let url = match host {
        Some(host) => format!("https://{}{target}", host.trim()),
        None => target.to_owned(),
    };
    url.chars().take(MOST_URL).collect()
}

/// A body as it was sent; what could not be traced as XML is escaped.
fn body(content: &str) -> Vec<u8> {
    let body = content.trim();
    if body.starts_with("&lt;") {
        unescaped(body).trim().as_bytes().to_vec()
    } else {
        body.as_bytes().to_vec()
    }
}

/// `wsa:To` of a SOAP message: the text before the end tag, whose prefix may be any.
fn addressed_to(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let (before, _) = text.split_once(":To>").and_then(|(first, rest)| {
        let ends = |text: &str| {
            text.rsplit('<')
                .next()
                .is_some_and(|tag| tag.starts_with('/'))
        };
        if ends(first) {
            Some((first, rest))
        } else {
            // That was the start tag.
            rest.split_once(":To>")
        }
    })?;
    let (text, _) = before.rsplit_once("</")?;
    let url = text.rsplit('>').next()?.trim();
    (url.starts_with("http") && url.len() <= MOST_URL).then_some(url)
}
