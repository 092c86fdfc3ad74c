//! HAR 1.2, the recording that browsers and web debugging proxies write, read in a stream.
//!
//! Its members come in any order (browsers sort them, others don't), bodies are text or base64, already
//! unpacked or not, and a recording that was broken off ends anywhere. What was read before that counts.
//!
//! Invariant: memory is bounded by the bodies of one exchange, however large the file is.

use std::io::Read;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::body::decode;
use super::exchange::{Defect, HttpExchange, MOST_BODY, MOST_HEAD, MOST_URL, Message, Sink};
use super::json::{Broken, Json, Text};

/// Names, dates and the like.
const SHORT: usize = 1024;
/// Base64 has four characters for three bytes.
const MOST_TEXT: usize = MOST_BODY / 3 * 4 + 4;
/// Of the body of a request that may not be wanted; more than any request for settings has.
const MOST_REQUEST: usize = 512 << 10;

/// What reading came to.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Har {
    /// A HAR, whole or cut off.
    Read,
    /// JSON, but no HAR.
    Foreign,
}

/// Reads a HAR; everything in it goes to `sink`, and so do the defects.
pub(crate) fn read(input: impl Read, sink: &mut impl Sink) -> Result<Har, Broken> {
    let mut json = Json::new(input);
    let mut reader = Reader {
        sink,
        count: 0,
        entries: false,
    };
    let ended = reader.document(&mut json);
    let Reader { count, entries, .. } = reader;
    match ended {
        Ok(()) if !entries => return Ok(Har::Foreign),
        Ok(()) => {}
        // Before the exchanges begin there is nothing to tell.
        Err(broken) if !entries => return Err(broken),
        Err(broken) => sink.defect(Defect {
            exchange: Some(count),
            what: format!("{broken}; what stands before was read"),
        }),
    }
    Ok(Har::Read)
}

struct Reader<'s, S> {
    sink: &'s mut S,
    count: u64,
    entries: bool,
}

impl<S: Sink> Reader<'_, S> {
    fn document<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), Broken> {
        json.pass_mark()?;
        json.object(|json, key| {
            if key != "log" {
                return json.pass();
            }
            json.object(|json, key| {
                if key != "entries" {
                    return json.pass();
                }
                self.entries = true;
                json.list(|json| self.entry(json)).map(drop)
            })
            .map(drop)
        })?;
        json.finish()
    }

    fn entry<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), Broken> {
        self.count += 1;
        let mut entry = Entry::default();
        // Known only where the request stands before the response.
        let mut wanted = None;
        let whole = json.object(|json, key| {
            match key {
                "startedDateTime" => entry.started = json.text(SHORT)?.map(|text| text.text),
                "time" => entry.took = json.number()?,
                "request" => {
                    entry.request(json)?;
                    wanted = Some(self.sink.wants(&entry.url, entry.request.text.as_bytes()));
                }
                "response" => entry.response(json, wanted)?,
                _ => json.pass()?,
            }
            Ok(())
        })?;
        if !whole {
            self.sink.defect(Defect {
                exchange: Some(self.count),
                what: "the entry is not an object".to_owned(),
            });
        }
        if wanted == Some(true) {
            let (exchange, defects) = entry.exchange(self.count);
            self.sink.exchange(exchange);
            for what in defects {
                self.sink.defect(Defect {
                    exchange: Some(self.count),
                    what,
                });
            }
        } else {
            self.sink.passed(self.count);
        }
        Ok(())
    }
}

/// An exchange as the HAR has it.
#[derive(Default)]
struct Entry {
    started: Option<String>,
    took: Option<f64>,
    method: String,
    url: String,
    request: Half,
    status: Option<f64>,
    response: Half,
    /// `redirectURL`, for heads that were left out.
    redirect: String,
    failure: Option<String>,
}

/// One direction.
#[derive(Default)]
struct Half {
    headers: Message,
    mime: String,
    text: String,
    /// `base64`, or nothing.
    encoding: String,
    cut: bool,
    /// Whether there is a member `text`.
    has_text: bool,
    /// `size` of the content and `bodySize` of the message; negative where they are not known.
    size: Option<f64>,
    body_size: Option<f64>,
    /// Whether a comment says that bodies are left out.
    left_out: bool,
    /// Parameters of a form, where there is no text.
    parameters: Vec<(String, String)>,
}

impl Entry {
    fn request<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), Broken> {
        let Self {
            method,
            url,
            request,
            ..
        } = self;
        json.object(|json, key| {
            match key {
                "method" => *method = short(json)?,
                "url" => *url = json.text(MOST_URL)?.unwrap_or_default().text,
                "headers" => request.headers(json)?,
                "postData" => request.post(json)?,
                "bodySize" => request.body_size = json.number()?,
                _ => json.pass()?,
            }
            Ok(())
        })
        .map(drop)
    }

    fn response<R: Read>(
        &mut self,
        json: &mut Json<R>,
        wanted: Option<bool>,
    ) -> Result<(), Broken> {
        let most = if wanted == Some(false) { 0 } else { MOST_TEXT };
        json.object(|json, key| {
            match key {
                "status" => self.status = json.number()?,
                "headers" => self.response.headers(json)?,
                "content" => self.response.content(json, most)?,
                "bodySize" => self.response.body_size = json.number()?,
                "redirectURL" => self.redirect = json.text(MOST_URL)?.unwrap_or_default().text,
                // Chromium's word for why there is no response, and Fiddler's.
                "_error" | "_fetchError" => {
                    self.failure = json
                        .text(SHORT)?
                        .map(|text| text.text)
                        .filter(|text| !text.is_empty());
                }
                _ => json.pass()?,
            }
            Ok(())
        })
        .map(drop)
    }

    fn exchange(self, number: u64) -> (HttpExchange, Vec<String>) {
        let mut defects = Vec::new();
        if self.url.is_empty() {
            defects.push("the request has no URL".to_owned());
        }
        let mut message = |half: Half, what: &str| {
            let (message, defect) = half.message();
            defects.extend(defect.map(|defect| format!("{what}: {defect}")));
            message
        };
        let asks = self.request.promises(false);
        let answers = self.response.promises(true);
        let mut request = message(self.request, "request");
        let mut response = message(self.response, "response");
        if !self.redirect.is_empty() && response.header("location").is_none() {
            response.push("Location".to_owned(), self.redirect);
        }
        request.missing = asks && request.body.is_empty();
        response.missing = answers && response.body.is_empty();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in bounds"
        )]
        let exchange = HttpExchange {
            number,
            started: self.started,
            took: self
                .took
                .filter(|took| (0.0..1e12).contains(took))
                .map(|took| took as u64),
            method: self.method,
            url: self.url,
            request,
            status: self
                .status
                .filter(|status| (0.0..1000.0).contains(status))
                .unwrap_or(0.0) as u16,
            response,
            failure: self.failure,
            named: None,
        };
        (exchange, defects)
    }
}

impl Half {
    /// Whether there was a body, as its sizes, its head and the comment say. Of a response that says
    /// nothing of its size, the member `text` has to be there for an empty body to be one.
    fn promises(&self, is_response: bool) -> bool {
        let sizes = [self.size, self.body_size];
        let positive = sizes.iter().flatten().any(|size| *size > 0.0);
        if self.left_out || positive || super::http::length(&self.headers) > 0 {
            return true;
        }
        let not_known = self.body_size.is_some_and(|size| size < 0.0);
        let known = self.body_size == Some(0.0)
            || self.size == Some(0.0) && !not_known
            || self.headers.header("content-length").is_some();
        is_response && !self.has_text && !known
    }

    fn headers<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), Broken> {
        json.list(|json| {
            let (mut name, mut value) = (String::new(), String::new());
            json.object(|json, key| {
                match key {
                    "name" => name = json.text(SHORT)?.unwrap_or_default().text,
                    "value" => value = json.text(MOST_HEAD)?.unwrap_or_default().text,
                    _ => json.pass()?,
                }
                Ok(())
            })?;
            if !name.is_empty() {
                self.headers.push(name, value);
            }
            Ok(())
        })
        .map(drop)
    }

    fn post<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), Broken> {
        json.object(|json, key| {
            match key {
                "mimeType" => self.mime = short(json)?,
                "text" => self.keep(json.text(MOST_REQUEST)?),
                // Not in the specification for requests, but written by some.
                "encoding" | "_encoding" => {
                    self.encoding = short(json)?;
                }
                "params" => self.parameters(json)?,
                _ => json.pass()?,
            }
            Ok(())
        })
        .map(drop)
    }

    fn content<R: Read>(&mut self, json: &mut Json<R>, most: usize) -> Result<(), Broken> {
        json.object(|json, key| {
            match key {
                "mimeType" => self.mime = short(json)?,
                "text" => self.keep(json.text(most)?),
                "encoding" => self.encoding = short(json)?,
                "size" => self.size = json.number()?,
                "comment" => self.left_out |= says_left_out(&short(json)?),
                _ => json.pass()?,
            }
            Ok(())
        })
        .map(drop)
    }

    fn keep(&mut self, text: Option<Text>) {
        self.has_text |= text.is_some();
        let text = text.unwrap_or_default();
        self.cut = text.cut;
        self.text = text.text;
    }

    fn parameters<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), Broken> {
        let mut size = 0;
        json.list(|json| {
            let (mut name, mut value) = (String::new(), String::new());
            json.object(|json, key| {
                match key {
                    "name" => name = json.text(MOST_REQUEST)?.unwrap_or_default().text,
                    "value" => value = json.text(MOST_REQUEST)?.unwrap_or_default().text,
                    _ => json.pass()?,
                }
                Ok(())
            })?;
            size += name.len() + value.len();
            if size <= MOST_REQUEST {
                self.parameters.push((name, value));
            }
            Ok(())
        })
        .map(drop)
    }

    /// The message, and what is wrong with its body.
    fn message(self) -> (Message, Option<String>) {
        let mut message = self.headers;
        message.cut = self.cut;
        let mut text = self.text;
        if text.is_empty()
            && let [(name, value)] = self.parameters.as_slice()
        {
            // XML that was sent as a form, which is cut at its first equals sign.
            text = if value.is_empty() {
                name.clone()
            } else {
                format!("{name}={value}")
            };
        }
        let base64 = self.encoding.eq_ignore_ascii_case("base64");
        let unbased = base64.then(|| unbase(&text));
        let (bytes, mut defect) = match unbased {
            Some((bytes, true)) => (bytes, None),
            Some((bytes, false)) if self.cut => (bytes, None),
            Some((bytes, false)) => (
                bytes,
                Some("the body is not base64, as the recording claims".to_owned()),
            ),
            None => (text.into_bytes(), None),
        };
        let codings: Vec<&str> = message.all("content-encoding").collect();
        let decoded = decode(bytes, &codings.join(","));
        defect = defect.or(decoded.defect);
        if message.cut && defect.is_none() {
            defect = Some(format!(
                "the body is longer than {MOST_BODY} bytes; the rest is left out"
            ));
        }
        message.body = decoded.body;
        message.cut |= decoded.cut;
        (message, defect)
    }
}

/// `Response bodies are not included.`, as Firefox writes it, and its like.
fn says_left_out(comment: &str) -> bool {
    let comment = comment.to_ascii_lowercase();
    [
        "not included",
        "left out",
        "omitted",
        "removed",
        "not captured",
        "not available",
        "not stored",
    ]
    .iter()
    .any(|words| comment.contains(words))
}

fn short<R: Read>(json: &mut Json<R>) -> Result<String, Broken> {
    Ok(json.text(SHORT)?.unwrap_or_default().text)
}

/// Base64 up to the first character that is none, and whether that was the end.
fn unbase(text: &str) -> (Vec<u8>, bool) {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let good = digits
        .iter()
        .position(|byte| !is_digit(byte))
        .unwrap_or(digits.len());
    let whole = good == digits.len();
    digits.truncate(good);
    while digits.last() == Some(&b'=') {
        digits.pop();
    }
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    match LENIENT.decode(&digits) {
        Ok(bytes) => (bytes, whole),
        Err(_) => (text.as_bytes().to_vec(), false),
    }
}
