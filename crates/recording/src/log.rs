//! `olkdisc.log`, in which Outlook writes down how it looks for its settings, and the same text as it is
//! copied out of the tab *Log* of "Test E-mail AutoConfiguration".
//!
//! A line of the file is `THREAD 0xTICK DATE TIME TEXT`, with date and time in the machine's locale; answers stand between two marks as they
//! came. There is no specification; the texts are those that Outlook's logs show.
//! Each `httpStatus=` is an exchange.
//!
//! Invariant: one line and one answer are held at a time, and each is bounded.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::date;
use super::exchange::{Defect, HttpExchange, MOST_BODY, MOST_URL, Message, Sink};
use super::lines::Lines;

/// A longer line outside an answer is cut.
const MOST_LINE: usize = 16 << 10;
/// Threads that are followed at once.
const MOST_THREADS: usize = 256;
/// Schemes of a login that stand on a line of their own, in lower case.
const SCHEMES: [&str; 7] = [
    "negotiate",
    "ntlm",
    "basic",
    "bearer",
    "digest",
    "kerberos",
    "anonymous",
];
const BEGIN: &str = "---BEGIN XML---";
const END: &str = "---END XML---";

/// Texts, in lower case.
const STARTING: [(&str, &str); 3] = [
    ("autodiscover to ", "POST"),
    ("redirect check to ", "GET"),
    ("attempting url ", "POST"),
];

/// How texts begin, in lower case.
const TEXTS: [&str; 10] = [
    "autodiscover to ",
    "autodiscover get settings",
    "autodiscover url redirection",
    "autodiscover supported auth",
    "autodiscover xml received",
    "attempting url ",
    "redirect check to ",
    "getlasterror=",
    "smtp=",
    "local autodiscover for ",
];

/// Reads a log; everything in it goes to `sink`, and so do the defects. `false` if it is no such log.
pub(crate) fn read(input: impl BufRead, sink: &mut impl Sink) -> io::Result<bool> {
    let mut reader = Reader {
        sink,
        count: 0,
        known: false,
        threads: BTreeMap::new(),
    };
    let mut lines = Lines { input };
    let mut xml: Option<(u64, Vec<u8>, bool)> = None;
    while let Some(line) = lines.next(if xml.is_some() { MOST_BODY } else { MOST_LINE })? {
        let stamped = Line::parse(&line);
        if let Some((thread, body, cut)) = &mut xml {
            let ended = line.find(END);
            // A line with thread and time where the answer should go on: the mark was lost.
            if ended.is_none() && stamped.thread.is_none() {
                if body.len() + line.len() < MOST_BODY {
                    body.extend_from_slice(line.as_bytes());
                    body.push(b'\n');
                } else {
                    *cut = true;
                }
                continue;
            }
            let (thread, body, cut) = (*thread, std::mem::take(body), *cut);
            xml = None;
            reader.answer(thread, body, cut);
            if ended.is_some() {
                continue;
            }
        }
        if let Some(at) = line.find(BEGIN) {
            let thread = thread_before(&line, at).unwrap_or(reader.last_thread());
            let rest = line.get(at + BEGIN.len()..).unwrap_or_default();
            let (first, whole) = rest
                .split_once(END)
                .map_or((rest, false), |(xml, _)| (xml, true));
            let body = first.as_bytes().to_vec();
            if whole {
                reader.answer(thread, body, false);
            } else {
                xml = Some((thread, body, false));
            }
            continue;
        }
        reader.line(&stamped);
    }
    if let Some((thread, body, _)) = xml {
        reader.answer(thread, body, true);
        reader.sink.defect(Defect {
            exchange: Some(reader.count),
            what: "the log ends inside an answer".to_owned(),
        });
    }
    reader.finish();
    Ok(reader.known)
}

/// Whether text begins like such a log.
pub(crate) fn is_log(text: &str) -> bool {
    text.lines().take(200).any(|line| {
        let line = Line::parse(line);
        line.thread.is_some() && line.is_known() || line.thread.is_none() && line.is_telling()
    })
}

/// A line, taken apart.
struct Line<'l> {
    thread: Option<u64>,
    time: Option<String>,
    text: &'l str,
    lower: String,
}

impl<'l> Line<'l> {
    fn parse(line: &'l str) -> Self {
        let (thread, time, text) = match stamped(line).or_else(|| oddly_stamped(line)) {
            Some((thread, time, text)) => (Some(thread), time, text),
            None => (None, None, line),
        };
        let text = text.trim();
        Self {
            thread,
            time,
            text,
            lower: text.to_ascii_lowercase(),
        }
    }

    /// Whether the text is one that only such a log has.
    fn is_telling(&self) -> bool {
        self.lower.starts_with("autodiscover to http")
            || self.lower.starts_with("autodiscover get settings")
            || self.lower.starts_with("attempting url http")
    }

    fn is_known(&self) -> bool {
        self.is_telling()
            || ["autodiscover", "httpstatus=", "smtp=", "redirect check to "]
                .iter()
                .any(|word| self.lower.contains(word))
    }
}

/// `THREAD 0xTICK DATE TIME TEXT`; the tick may lack.
fn stamped(line: &str) -> Option<(u64, Option<String>, &str)> {
    let (thread, rest) = line.trim_start().split_once(' ')?;
    let thread = thread.parse().ok()?;
    let mut rest = rest.trim_start();
    if let Some(tick) = rest.strip_prefix("0x") {
        let (digits, after) = tick.split_once(' ')?;
        let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        rest = hex.then_some(after)?;
    }
    let (time, text) = date::time(rest)?;
    Some((thread, Some(time), text))
}

/// A line whose date is in a form that is not known: what this log is known to say tells where the text begins.
fn oddly_stamped(line: &str) -> Option<(u64, Option<String>, &str)> {
    let (thread, rest) = line.trim_start().split_once(' ')?;
    let thread = thread.parse().ok()?;
    let lower = rest.to_ascii_lowercase();
    let at = TEXTS.iter().filter_map(|text| lower.find(text)).min()?;
    let stamp = rest.get(..at)?;
    let short = stamp.len() <= 64 && stamp.bytes().any(|byte| byte.is_ascii_digit());
    let text = rest.get(at..).filter(|_| short)?;
    Some((thread, None, text))
}

/// What a thread is doing.
#[derive(Default)]
struct Thread {
    address: Option<String>,
    method: &'static str,
    url: String,
    /// An exchange whose answer may still come.
    exchange: Option<HttpExchange>,
    /// Whether the attempt at the URL had an exchange.
    tried: bool,
    /// Whether the next lines may name schemes of the login that the server wants.
    schemes: bool,
}

struct Reader<'s, S> {
    sink: &'s mut S,
    count: u64,
    known: bool,
    threads: BTreeMap<u64, Thread>,
}

impl<S: Sink> Reader<'_, S> {
    fn line(&mut self, line: &Line<'_>) {
        self.known |= line.is_known();
        let id = line.thread.unwrap_or(0);
        if self.threads.len() >= MOST_THREADS && !self.threads.contains_key(&id) {
            self.finish();
            self.threads.clear();
        }
        let thread = self.threads.entry(id).or_default();
        let lower = line.lower.as_str();
        let listed = std::mem::take(&mut thread.schemes);
        if let Some(address) = value(line, "smtp=") {
            thread.address = Some(address.to_owned());
        } else if let Some(name) = value(line, "legacydn=").or_else(|| value(line, "legdn=")) {
            thread.address = Some(name.to_owned());
        } else if let Some(status) = number(lower, "httpstatus=") {
            let error = number(lower, "getlasterror=").unwrap_or(0);
            if let Some(exchange) = thread.exchange.take() {
                give(self.sink, exchange);
            }
            self.count += 1;
            thread.tried = true;
            thread.exchange = Some(HttpExchange {
                number: self.count,
                started: line.time.clone(),
                method: thread.method.to_owned(),
                url: thread.url.clone(),
                status: u16::try_from(status).unwrap_or(0),
                failure: (error != 0).then(|| format!("GetLastError={error}")),
                named: thread.address.clone(),
                // Until the answer follows.
                response: Message {
                    missing: status == 200,
                    ..Message::default()
                },
                ..HttpExchange::default()
            });
        } else if let Some(schemes) = lower
            .find("supported auth schemes:")
            .and_then(|at| line.text.get(at + 23..))
        {
            thread.schemes = true;
            if let Some(exchange) = &mut thread.exchange {
                for scheme in schemes
                    .split(['/', ','])
                    .map(str::trim)
                    .filter(|scheme| !scheme.is_empty())
                {
                    exchange
                        .response
                        .push("WWW-Authenticate".to_owned(), scheme.to_owned());
                }
            }
        } else if listed && SCHEMES.contains(&lower) {
            // One on a line of its own.
            thread.schemes = true;
            if let Some(exchange) = &mut thread.exchange {
                let scheme = line.text.to_owned();
                exchange
                    .response
                    .push("WWW-Authenticate".to_owned(), scheme);
            }
        } else if let Some(target) = value(line, "autodiscover url redirection to ") {
            self.redirection(id, line, target);
        } else if let Some((method, url, outcome)) = attempt(line) {
            self.attempted(id, line, method, url, &outcome);
        }
    }

    /// An attempt at a URL starts or ends.
    fn attempted(
        &mut self,
        id: u64,
        line: &Line<'_>,
        method: &'static str,
        url: &str,
        outcome: &Attempt,
    ) {
        let thread = self.threads.entry(id).or_default();
        match *outcome {
            Attempt::Starting => {
                if let Some(exchange) = thread.exchange.take() {
                    give(self.sink, exchange);
                }
                thread.method = method;
                url.clone_into(&mut thread.url);
                thread.tried = false;
            }
            Attempt::Ended(code) => {
                if code != 0 && !thread.tried && !url.is_empty() {
                    // Nothing was sent, or nothing was written down of it.
                    self.count += 1;
                    thread.exchange = Some(HttpExchange {
                        number: self.count,
                        started: line.time.clone(),
                        method: method.to_owned(),
                        url: url.to_owned(),
                        named: thread.address.clone(),
                        ..HttpExchange::default()
                    });
                }
                if let Some(mut exchange) = thread.exchange.take() {
                    if code != 0 && exchange.failure.is_none() {
                        exchange.failure = Some(format!("0x{code:08X}"));
                    }
                    give(self.sink, exchange);
                }
                thread.tried = false;
            }
        }
    }

    /// The probe over plain HTTP was answered with a redirect, for which there may be no status.
    fn redirection(&mut self, id: u64, line: &Line<'_>, target: &str) {
        let thread = self.threads.entry(id).or_default();
        let target = target.split_whitespace().next().unwrap_or_default();
        if thread.exchange.is_none() && thread.method == "GET" && !thread.tried {
            self.count += 1;
            thread.tried = true;
            thread.exchange = Some(HttpExchange {
                number: self.count,
                started: line.time.clone(),
                method: thread.method.to_owned(),
                url: thread.url.clone(),
                named: thread.address.clone(),
                ..HttpExchange::default()
            });
        }
        // An answer in XML says by itself where it leads.
        if let Some(exchange) = &mut thread.exchange
            && exchange.response.body.is_empty()
            && exchange.response.header("location").is_none()
        {
            if !(300..400).contains(&exchange.status) {
                exchange.status = 302;
            }
            exchange.failure = None;
            exchange.response.missing = false;
            exchange
                .response
                .push("Location".to_owned(), target.to_owned());
        }
    }

    fn answer(&mut self, thread: u64, body: Vec<u8>, cut: bool) {
        self.known = true;
        let place = if self.threads.contains_key(&thread) {
            thread
        } else {
            self.last_thread()
        };
        let state = self.threads.entry(place).or_default();
        let exchange = state.exchange.get_or_insert_with(|| {
            self.count += 1;
            HttpExchange {
                number: self.count,
                method: state.method.to_owned(),
                url: state.url.clone(),
                status: 200,
                named: state.address.clone(),
                ..HttpExchange::default()
            }
        });
        exchange.response.missing = body.is_empty();
        exchange.response.body = body;
        exchange.response.cut = cut;
    }

    /// The thread that has an exchange, for marks that name none.
    fn last_thread(&self) -> u64 {
        let open = self
            .threads
            .iter()
            .find(|(_, thread)| thread.exchange.is_some());
        open.or(self.threads.iter().next()).map_or(0, |(id, _)| *id)
    }

    fn finish(&mut self) {
        let mut exchanges: Vec<HttpExchange> = self
            .threads
            .values_mut()
            .filter_map(|thread| thread.exchange.take())
            .collect();
        exchanges.sort_by_key(|exchange| exchange.number);
        for exchange in exchanges {
            give(self.sink, exchange);
        }
    }
}

fn give(sink: &mut impl Sink, exchange: HttpExchange) {
    if sink.wants(&exchange.url, &exchange.request.body) || exchange.url.is_empty() {
        sink.exchange(exchange);
    } else {
        sink.passed(exchange.number);
    }
}

enum Attempt {
    Starting,
    Ended(u32),
}

/// `Autodiscover to URL starting`, `… FAILED (0x800C8203)`, `Attempting URL URL found through SCP`.
fn attempt<'l>(line: &Line<'l>) -> Option<(&'static str, &'l str, Attempt)> {
    let (prefix, method) = STARTING
        .iter()
        .find(|(prefix, _)| line.lower.starts_with(prefix))?;
    let rest = line.text.get(prefix.len()..)?.trim_start();
    let (url, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let url = url.get(..MOST_URL).unwrap_or(url);
    let code = rest
        .split_once("(0x")
        .and_then(|(_, code)| u32::from_str_radix(code.split(')').next()?, 16).ok());
    let lower = rest.to_ascii_lowercase();
    let outcome = if lower.contains("failed") {
        Attempt::Ended(code.unwrap_or(1))
    } else if lower.contains("succeeded") {
        Attempt::Ended(0)
    } else {
        Attempt::Starting
    };
    Some((method, url, outcome))
}

/// What stands behind a key at the beginning of a line, up to a blank.
fn value<'l>(line: &Line<'l>, key: &str) -> Option<&'l str> {
    line.lower
        .starts_with(key)
        .then(|| line.text.get(key.len()..))?
        .map(str::trim)
        .filter(|value| !value.is_empty() && value.len() <= 1024)
}

fn number(text: &str, key: &str) -> Option<u32> {
    let (_, rest) = text.split_once(key)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The number of the thread before a mark: `4044 ---BEGIN XML---`.
fn thread_before(line: &str, at: usize) -> Option<u64> {
    line.get(..at)?.split_whitespace().next()?.parse().ok()
}
