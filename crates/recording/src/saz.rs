//! SAZ, the archive that Fiddler saves: a ZIP with `raw/N_c.txt` (request), `raw/N_s.txt` (response) and
//! `raw/N_m.xml` (when it was) for each exchange, as Fiddler's documentation describes it.
//!
//! Invariant: nothing is unpacked to disk, and of the files of other exchanges only requests are looked at.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use super::exchange::{Defect, HttpExchange, MOST_BODY, MOST_HEAD, Sink};
use super::http;
use super::zip::{Place, Unread, Zip};

/// More exchanges are not looked for.
const MOST_EXCHANGES: usize = 200_000;
/// Of the file of a request.
const MOST_REQUEST: usize = (512 << 10) + MOST_HEAD;
/// Of the file of a response, chunks and all.
const MOST_RESPONSE: usize = MOST_BODY + MOST_HEAD;
/// Of the file that says when it was.
const MOST_TIMES: usize = 64 << 10;

/// What reading came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Saz {
    /// An archive of Fiddler, whole or cut off.
    Read,
    /// A ZIP of something else.
    Foreign,
    /// An archive of Fiddler with a password.
    Encrypted,
}

/// The files of an exchange.
#[derive(Clone, Copy, Default)]
struct Files {
    request: Option<Place>,
    response: Option<Place>,
    times: Option<Place>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Request,
    Response,
    Times,
}

/// Reads an archive; everything in it goes to `sink`, and so do the defects.
pub(crate) fn read(input: impl Read + Seek, sink: &mut impl Sink) -> io::Result<Saz> {
    let mut zip = Zip::new(input);
    let mut exchanges: BTreeMap<u64, Files> = BTreeMap::new();
    let mut doubled = 0_u64;
    let mut left_out = 0_u64;
    let table = zip.contents(|name, place| {
        let Some((number, part)) = part(name) else {
            return;
        };
        if exchanges.len() >= MOST_EXCHANGES && !exchanges.contains_key(&number) {
            left_out += 1;
            return;
        }
        let files = exchanges.entry(number).or_default();
        let file = match part {
            Part::Request => &mut files.request,
            Part::Response => &mut files.response,
            Part::Times => &mut files.times,
        };
        doubled += u64::from(file.is_some());
        file.get_or_insert(place);
    })?;
    let mut defect = |what: String| {
        sink.defect(Defect {
            exchange: None,
            what,
        });
    };
    if doubled > 0 {
        defect(format!(
            "{doubled} files have a name that another file has; the first counts"
        ));
    }
    if left_out > 0 {
        defect(format!(
            "there are more than {MOST_EXCHANGES} requests; the files of others ({left_out}) are left out"
        ));
    }
    if !table || exchanges.is_empty() {
        return salvage(&mut zip, table, sink);
    }
    if exchanges
        .values()
        .all(|files| files.request.is_some_and(Place::is_encrypted))
    {
        return Ok(Saz::Encrypted);
    }
    for (number, files) in (1..).zip(exchanges.into_values()) {
        if let Err(what) = one(&mut zip, number, files, sink) {
            sink.passed(number);
            let stop = matches!(what, Unread::TooMuch);
            sink.defect(Defect {
                exchange: Some(number),
                what: format!("the file cannot be read: {what}"),
            });
            if stop {
                break;
            }
        }
    }
    Ok(Saz::Read)
}

fn one<R: Read + Seek>(
    zip: &mut Zip<R>,
    number: u64,
    files: Files,
    sink: &mut impl Sink,
) -> Result<(), Unread> {
    let Some(place) = files.request else {
        sink.passed(number);
        sink.defect(Defect {
            exchange: Some(number),
            what: "there is no request".to_owned(),
        });
        return Ok(());
    };
    let (request, _) = zip.read(place, MOST_REQUEST)?;
    let mut begun = Begun::new(number, &request);
    if !begun.is_wanted(sink) {
        sink.passed(number);
        return Ok(());
    }
    if let Some(place) = files.times
        && let Ok((times, _)) = zip.read(place, MOST_TIMES)
    {
        begun.exchange.started = started(&times);
    }
    match files.response.map(|place| zip.read(place, MOST_RESPONSE)) {
        Some(Ok((bytes, cut))) => begun.answer(&bytes, cut),
        Some(Err(Unread::TooMuch)) => return Err(Unread::TooMuch),
        Some(Err(why)) => begun
            .defects
            .push(format!("the response cannot be read: {why}")),
        None => {}
    }
    begun.end(sink);
    Ok(())
}

/// Reads the files in the order in which they stand, for an archive that was cut off.
fn salvage<R: Read + Seek>(zip: &mut Zip<R>, table: bool, sink: &mut impl Sink) -> io::Result<Saz> {
    let mut found = false;
    let mut encrypted = false;
    let mut count = 0;
    let mut open: Option<(u64, Begun)> = None;
    zip.salvage(MOST_RESPONSE, |name, file| {
        let Some((number, part)) = part(name) else {
            return;
        };
        found = true;
        if open.as_ref().is_none_or(|(open, _)| *open != number) {
            if let Some((_, begun)) = open.take() {
                begun.end_if_wanted(sink);
            }
            count += 1;
            open = Some((number, Begun::new(count, b"")));
        }
        let Some((_, begun)) = open.as_mut() else {
            return;
        };
        match (part, file) {
            (Part::Request, Ok((bytes, _))) => begun.ask(&bytes),
            (Part::Response, Ok((bytes, cut))) => begun.answer(&bytes, cut),
            (Part::Times, Ok((bytes, _))) => begun.exchange.started = started(&bytes),
            (_, Err(why)) => {
                encrypted |= matches!(why, Unread::Encrypted);
                begun
                    .defects
                    .push(format!("the file cannot be read: {why}"));
            }
        }
    })?;
    if encrypted {
        return Ok(Saz::Encrypted);
    }
    if let Some((_, begun)) = open {
        begun.end_if_wanted(sink);
    }
    if found && !table {
        sink.defect(Defect {
            exchange: None,
            what: "the archive ends early: it has no table of contents; what is there was read"
                .to_owned(),
        });
    }
    Ok(if found { Saz::Read } else { Saz::Foreign })
}

/// An exchange that is being put together.
struct Begun {
    exchange: HttpExchange,
    defects: Vec<String>,
}

impl Begun {
    fn new(number: u64, request: &[u8]) -> Self {
        let mut begun = Self {
            exchange: HttpExchange {
                number,
                ..HttpExchange::default()
            },
            defects: Vec::new(),
        };
        begun.ask(request);
        begun
    }

    fn ask(&mut self, bytes: &[u8]) {
        if let Some(request) = http::request(bytes) {
            self.exchange.url = url(&request);
            self.exchange.method = request.method;
            self.exchange.request = request.message;
            self.defects
                .extend(request.defect.map(|defect| format!("request: {defect}")));
        } else if !bytes.is_empty() {
            self.defects.push("the request is no HTTP".to_owned());
        }
    }

    fn answer(&mut self, bytes: &[u8], cut: bool) {
        if let Some(response) = http::response(bytes) {
            self.exchange.status = response.status;
            self.exchange.response = response.message;
            self.exchange.response.cut |= cut;
            self.defects
                .extend(response.defect.map(|defect| format!("response: {defect}")));
        } else if !bytes.is_empty() {
            self.defects.push("the response is no HTTP".to_owned());
        }
    }

    fn is_wanted(&self, sink: &impl Sink) -> bool {
        sink.wants(&self.exchange.url, &self.exchange.request.body)
    }

    fn end_if_wanted(self, sink: &mut impl Sink) {
        if self.is_wanted(sink) {
            self.end(sink);
        } else {
            sink.passed(self.exchange.number);
        }
    }

    fn end(self, sink: &mut impl Sink) {
        let exchange = Some(self.exchange.number);
        sink.exchange(self.exchange);
        for what in self.defects {
            sink.defect(Defect { exchange, what });
        }
    }
}

/// The number and the part that a name stands for: `raw/0012_s.txt`.
fn part(name: &str) -> Option<(u64, Part)> {
    let name = name.to_ascii_lowercase().replace('\\', "/");
    let (number, kind) = name.strip_prefix("raw/")?.split_once('_')?;
    if number.len() > 18 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = match kind {
        "c.txt" => Part::Request,
        "s.txt" => Part::Response,
        "m.xml" => Part::Times,
        _ => return None,
    };
    Some((number.parse().ok()?, part))
}

/// Fiddler writes whole URLs, as they came to a proxy; where one is not whole, `Host` completes it.
fn url(request: &http::Request) -> String {
    match (
        request.target.starts_with('/'),
        request.message.header("host"),
    ) {
        (true, Some(host)) => format!("https://{host}{}", request.target),
        _ => request.target.clone(),
    }
}

/// `ClientBeginRequest` of the timers.
fn started(xml: &[u8]) -> Option<String> {
    let xml = String::from_utf8_lossy(xml);
    let (_, rest) = xml.split_once("ClientBeginRequest=\"")?;
    let (time, _) = rest.split_once('"')?;
    // 0001-01-01 is Fiddler's way to say that it never was.
    (time.len() < 64 && !time.starts_with("0001")).then(|| time.to_owned())
}
