//! Results of Microsoft's Remote Connectivity Analyzer, saved as HTML or XML or copied as text.
//!
//! A result is no recording of HTTP, but sentences: what was tried, at which URL, and how it ended, with the
//! answer where there was one. Each URL that was tried becomes an exchange with its status, or with the sentence
//! that says why there was none. There is no specification; the English sentences are those of the service,
//! and URLs and statuses are read in any language.
//!
//! Invariant: of the markup only texts are looked at; one attempt is held at a time, and all is bounded.

use std::io::{self, Read};

use super::exchange::{Defect, HttpExchange, MOST_BODY, MOST_URL, Sink};

/// More of a result is not read.
const MOST_RESULT: u64 = 64 << 20;
/// How a log says that an attempt gave settings.
const SUCCEEDED: &str = "0x00000000";
/// Of a sentence.
const MOST_SENTENCE: usize = 1024;

/// Whether a document, or a text, is such a result.
pub(super) fn is_result(text: &str) -> bool {
    let lower = text.to_lowercase();
    let markup = lower
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .starts_with('<');
    let named = [
        "connectivity analyzer",
        "testconnectivity.microsoft.com",
        "connectivity test",
    ]
    .iter()
    .any(|name| lower.contains(name));
    // Its name in other languages.
    let translated = [
        "nnektivit",
        "conectividad",
        "connectivit\u{e9}",
        "connettivit\u{e0}",
        "conectividade",
    ]
    .iter()
    .any(|name| lower.contains(name));
    (named || markup && translated) && lower.contains("autodiscover")
}

/// Reads a result; everything in it goes to `sink`, and so do the defects.
pub(super) fn read(input: impl Read, sink: &mut impl Sink) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.take(MOST_RESULT + 1).read_to_end(&mut bytes)?;
    let cut = bytes.len() as u64 > MOST_RESULT;
    let text = String::from_utf8_lossy(&bytes);
    let mut reader = Reader {
        sink,
        count: 0,
        named: None,
        attempt: None,
        body: None,
    };
    texts(&text, |sentence| reader.sentence(sentence));
    reader.end();
    if cut {
        sink.defect(Defect {
            exchange: None,
            what: format!("the result is longer than {MOST_RESULT} bytes; the rest is left out"),
        });
    }
    Ok(())
}

/// An attempt at a URL.
#[derive(Default)]
struct Attempt {
    exchange: HttpExchange,
    /// Whether it has ended, so that the URL, if it comes again, is tried again.
    ended: bool,
    /// The sentence that says that the attempt as a whole failed, for want of a better one.
    whole: Option<String>,
}

struct Reader<'s, S> {
    sink: &'s mut S,
    count: u64,
    /// For whom is asked.
    named: Option<String>,
    attempt: Option<Attempt>,
    /// An answer that goes on in the next text.
    body: Option<String>,
}

impl<S: Sink> Reader<'_, S> {
    fn sentence(&mut self, text: &str) {
        if let Some(body) = &mut self.body {
            if body.len() + text.len() < MOST_BODY {
                body.push_str(text);
                body.push('\n');
            }
            let ends = ["</Autodiscover>", "Envelope>"];
            if !ends.iter().any(|end| text.trim_end().ends_with(end)) {
                return;
            }
            self.end_body();
            return;
        }
        let begins = ["<?xml", "<Autodiscover", "<s:Envelope", "<soap:Envelope"];
        if let Some(at) = begins.iter().filter_map(|begin| text.find(begin)).min() {
            let body = text.get(at..).unwrap_or_default();
            self.body = Some(String::new());
            self.sentence(body);
            return;
        }
        let lower = text.to_lowercase().replace('\u{2019}', "'");
        if let Some(address) = address_in(text) {
            self.named = Some(address.to_owned());
        }
        let named = url_in(text);
        let url =
            named.filter(|url| self.sink.wants(url, b"") || lower.contains("autodiscover url"));
        let begins = ["attempting", "testing", "analyzer is "]
            .iter()
            .any(|word| lower.contains(word));
        if named.is_some() && url.is_none() && begins {
            // Another service is tried.
            self.end();
        }
        let leads = lower.contains("redirect url") || lower.contains("redirect location");
        match (url, probed(&lower)) {
            (Some(url), _) if leads => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.exchange.status = 302;
                    let location = ("Location".to_owned(), url.to_owned());
                    attempt.exchange.response.headers.push(location);
                    attempt.ended = true;
                }
            }
            (Some(url), _) => self.begin(url.to_owned(), &lower),
            (None, Some(host)) => {
                self.begin(
                    format!("http://{host}/autodiscover/autodiscover.xml"),
                    "get ",
                );
            }
            (None, None) => {}
        }
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| !attempt.ended) else {
            return;
        };
        let exchange = &mut attempt.exchange;
        if let Some(status) = status_in(&lower) {
            exchange.status = status;
            attempt.ended = true;
        } else if exchange.status == 0 && is_failure(&lower) {
            // The sentences of one attempt together: the later say more, or less.
            let failure = exchange.failure.get_or_insert_default();
            if failure.len() + text.len() < MOST_SENTENCE {
                if !failure.is_empty() {
                    failure.push(' ');
                }
                failure.push_str(text);
            }
        } else if lower.contains("autodiscover") && lower.contains("failed") {
            attempt.whole = Some(text.chars().take(MOST_SENTENCE).collect());
        } else if lower.contains("autodiscover")
            && lower.contains("successfully")
            && lower.contains("retrieved")
        {
            // The answer itself may follow.
            exchange.status = 200;
            exchange.failure = Some(SUCCEEDED.to_owned());
        }
    }

    fn begin(&mut self, url: String, lower: &str) {
        let same = |attempt: &Attempt| !attempt.ended && bare(&attempt.exchange.url) == bare(&url);
        if self.attempt.as_ref().is_some_and(same) {
            return;
        }
        self.end();
        let method = if lower.starts_with("get ") || url.starts_with("http://") {
            "GET"
        } else {
            "POST"
        };
        self.attempt = Some(Attempt {
            exchange: HttpExchange {
                method: method.to_owned(),
                url,
                ..HttpExchange::default()
            },
            ..Attempt::default()
        });
    }

    fn end_body(&mut self) {
        let Some(body) = self.body.take() else {
            return;
        };
        // What is asked is XML, too.
        if body.contains("AcceptableResponseSchema") || body.contains("RequestMessage") {
            return;
        }
        let attempt = self.attempt.get_or_insert_with(Attempt::default);
        attempt.exchange.response.body = body.trim().as_bytes().to_vec();
        attempt.exchange.failure = None;
        if attempt.exchange.status == 0 {
            attempt.exchange.status = 200;
        }
        attempt.ended = true;
    }

    fn end(&mut self) {
        self.end_body();
        let Some(Attempt {
            mut exchange,
            whole,
            ..
        }) = self.attempt.take()
        else {
            return;
        };
        self.count += 1;
        exchange.number = self.count;
        exchange.named.clone_from(&self.named);
        if exchange.method == "POST" {
            // The service asks with the password that it was given.
            let login = ("Authorization".to_owned(), "(removed)".to_owned());
            exchange.request.headers.push(login);
        }
        if exchange.status == 0 {
            exchange.failure = exchange.failure.or(whole);
        }
        if exchange.status != 0 && exchange.failure.as_deref() != Some(SUCCEEDED) {
            exchange.failure = None;
        }
        if exchange.url.is_empty() || self.sink.wants(&exchange.url, b"") {
            self.sink.exchange(exchange);
        } else {
            self.sink.passed(exchange.number);
        }
    }
}

/// The host of a sentence such as `checking the host HOST for an HTTP redirect to the Autodiscover service`.
fn probed(lower: &str) -> Option<&str> {
    let (before, _) = lower.split_once(" for an http redirect")?;
    let host = before.rsplit(' ').next()?;
    let host = host.trim_matches(['\'', '"', '.', ',']);
    (host.contains('.') && host.len() <= 255).then_some(host)
}

/// `HTTP 401`, `HTTP status 401`, `HTTP/1.1 401`, `status code: 401`.
fn status_in(lower: &str) -> Option<u16> {
    for (at, key) in lower
        .match_indices("http")
        .chain(lower.match_indices("status"))
    {
        let rest = lower.get(at + key.len()..)?;
        let rest = rest
            .strip_prefix("/1.1")
            .or_else(|| rest.strip_prefix("/1.0"))
            .unwrap_or(rest);
        let rest = rest.trim_start_matches([' ', ':', '-', '(', '=']);
        let rest = [
            "status code",
            "statuscode",
            "status",
            "code",
            "error",
            "response",
        ]
        .iter()
        .fold(rest, |rest, word| {
            let rest = rest.strip_prefix(word).unwrap_or(rest);
            rest.trim_start_matches([' ', ':', '-', '(', '='])
        });
        let digits = rest
            .get(..3)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let ends = rest
            .get(3..)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(status) = digits
            .filter(|_| ends)
            .and_then(|digits| digits.parse().ok())
            && (100..600).contains(&status)
        {
            return Some(status);
        }
    }
    None
}

/// Whether a sentence says why something did not work.
fn is_failure(lower: &str) -> bool {
    let unspecific = [
        "testing of this potential",
        "by any method",
        "failed. additional",
    ];
    let words = [
        "couldn't be resolved",
        "could not be resolved",
        "blocked, not listening",
        "failed",
        "couldn't",
        "could not",
        "timed out",
        "error occurred",
        "exception",
    ];
    // A sentence on a step as a whole says less than those below it.
    let whole = lower.starts_with("testing ") && lower.contains(" failed")
        || unspecific.iter().any(|words| lower.contains(words));
    !whole && words.iter().any(|word| lower.contains(word))
}

fn bare(url: &str) -> String {
    url.replacen(":443/", "/", 1).to_ascii_lowercase()
}

/// The first URL in a sentence, without the punctuation behind it.
pub(super) fn url_in(sentence: &str) -> Option<&str> {
    let at = sentence
        .find("https://")
        .or_else(|| sentence.find("http://"))?;
    let rest = sentence.get(at..)?;
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>'))
        .unwrap_or(rest.len());
    rest.get(..end)
        .filter(|url| url.len() <= MOST_URL)
        .map(|url| url.trim_end_matches(['.', ',', ';', ':', ')']))
}

/// The first word of a sentence that looks like an address.
pub(super) fn address_in(sentence: &str) -> Option<&str> {
    sentence
        .split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | ','))
        .map(|word| word.trim_matches(['.', ':', ';', '(', ')']))
        .find(|word| {
            let parts = word.split_once('@');
            word.len() <= 320
                && !word.contains('/')
                && parts.is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'))
        })
}

/// Every text of a document, or every line of a text, in order: what stands between tags, and the values
/// of attributes that are sentences.
fn texts(document: &str, mut take: impl FnMut(&str)) {
    let mut rest = document;
    let mut hidden: Option<&str> = None;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        let (text, from) = rest.split_at(at);
        if hidden.is_none() {
            lines(text, &mut take);
        }
        if let Some(inside) = from.strip_prefix("<![CDATA[") {
            let (text, after) = inside.split_once("]]>").unwrap_or((inside, ""));
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .for_each(&mut take);
            rest = after;
            continue;
        }
        let end = from.strip_prefix("<!--").map_or_else(
            || from.find('>').map(|end| end + 1),
            |_| from.find("-->").map(|end| end + 3),
        );
        let Some(end) = end else {
            return;
        };
        let tag = from.get(..end).unwrap_or_default();
        let name: String = tag
            .trim_start_matches('<')
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
            .take(16)
            .collect();
        match (name.to_ascii_lowercase().as_str(), hidden) {
            ("script", None) => hidden = Some("/script"),
            ("style", None) => hidden = Some("/style"),
            (name, Some(until)) if name == until => hidden = None,
            (_, None) if !tag.starts_with("<?") && !tag.starts_with("<!") => {
                attributes(tag, &mut take);
            }
            _ => {}
        }
        rest = from.get(end..).unwrap_or_default();
    }
    if hidden.is_none() {
        lines(rest, &mut take);
    }
}

fn lines(text: &str, take: &mut impl FnMut(&str)) {
    if text.trim().is_empty() {
        return;
    }
    let text = unescaped(text);
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .for_each(take);
}

/// Values that are sentences, addresses, URLs or statuses, and no names of classes.
fn attributes(tag: &str, take: &mut impl FnMut(&str)) {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            rest = after;
            continue;
        };
        let inside = after.get(1..).unwrap_or_default();
        let (value, behind) = inside.split_once(quote).unwrap_or((inside, ""));
        let layout = ["class", "style", "href", "src", "onclick", "content", "id"];
        let sentence = value.contains([' ', '@']) || value.contains("://");
        let lower = name.to_ascii_lowercase();
        if lower.ends_with("status") || lower.ends_with("code") {
            // A status by itself.
            if value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_digit()) {
                take(&format!("HTTP status {value}"));
            }
        } else if sentence && !layout.contains(&name) && !name.starts_with("xmlns") {
            lines(value, take);
        }
        rest = behind;
    }
}

/// Entities of HTML and XML that are used in texts.
pub(super) fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // No name is longer, and a text of nothing but ampersands must not be read over and over.
        let end = after.bytes().take(10).position(|byte| byte == b';');
        let entity = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?)));
        let Some((name, behind)) = entity else {
            out.push('&');
            rest = after;
            continue;
        };
        let number = name.strip_prefix('#').and_then(|number| {
            let hex = number.strip_prefix(['x', 'X']);
            let code = match hex {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        });
        match (name, number) {
            ("lt", _) => out.push('<'),
            ("gt", _) => out.push('>'),
            ("amp", _) => out.push('&'),
            ("quot", _) => out.push('"'),
            ("apos" | "rsquo" | "lsquo", _) => out.push('\''),
            ("nbsp", _) => out.push(' '),
            (_, Some(c)) => out.push(c),
            _ => {
                out.push('&');
                rest = after;
                continue;
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
