//! Network captures (pcap, pcapng), read by Wireshark's `tshark` where it is installed.
//!
//! TCP streams and TLS are put together by tshark, which knows how packets get lost and come twice; it
//! prints each HTTP message as JSON with its bytes in hexadecimal, so that heads are read here and no
//! version of it has to agree with another on how text is shown.
//! TLS is read with the secrets inside a pcapng or with those of a key log beside it (`SSLKEYLOGFILE`).
//!
//! Invariant: the capture is named to tshark as a file and never as anything else, and what tshark
//! prints is read like any bytes from outside.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::body::decode;
use super::exchange::{Defect, HttpExchange, MOST_BODY, MOST_HEAD, MOST_URL, Sink};
use super::http;
use super::json::{Broken, Json};

/// Requests that still wait for their response.
const MOST_OPEN: usize = 1024;
/// Streams that are remembered, and hosts that are reported.
const MOST_STREAMS: usize = 100_000;
const MOST_HOSTS: usize = 20;
/// Of what tshark says on standard error.
const MOST_WORDS: u64 = 16 << 10;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("tshark is not installed")]
    NoTshark,
    #[error("tshark could not be started: {0}")]
    Start(io::Error),
    #[error("tshark could not read it: {0}")]
    Refused(String),
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Reads a capture; everything in it goes to `sink`, and so do the defects.
pub(crate) fn read(
    capture: &Path,
    keys: Option<&Path>,
    sink: &mut impl Sink,
) -> Result<(), Unread> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(capture);
    if let Some(keys) = keys {
        let mut option = std::ffi::OsString::from("tls.keylog_file:");
        option.push(keys);
        command.arg("-o").arg(option);
    }
    // What encrypted connections were for can still be told.
    command.args(["-Y", "http || http2.type == 1 || tls.handshake.type == 1"]);
    command.args(["-T", "json", "-x", "-J", "frame tcp http http2 tls"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unread::NoTshark,
        _ => Unread::Start(error),
    })?;
    let mut child = Ended(child);
    let complaint = child
        .0
        .stderr
        .take()
        .map(|stream| std::thread::spawn(move || words(stream)));
    let Some(output) = child.0.stdout.take() else {
        return Err(Unread::Start(io::ErrorKind::BrokenPipe.into()));
    };
    let mut reader = Reader {
        sink,
        count: 0,
        open: BTreeMap::new(),
        streams: BTreeMap::new(),
        second: 0,
    };
    let read = reader.packets(output);
    reader.finish();
    let said = complaint
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    let status = child.0.wait().map_err(Unread::Start)?;
    match (status.success(), read) {
        (true, read) => Ok(read?),
        // Of a capture that was cut short tshark prints what there is.
        (false, Ok(())) if said.contains("cut short") || said.contains("truncated") => {
            reader.sink.defect(Defect {
                exchange: None,
                what: format!(
                    "the capture ends early; what stands before was read (tshark: {said})"
                ),
            });
            Ok(())
        }
        (false, _) => Err(Unread::Refused(said)),
    }
}

/// A process that ends when its reader is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What tshark says, on one line and without what it says of every run as root.
fn words(stream: impl Read) -> String {
    let mut stream = stream;
    let mut bytes = Vec::new();
    let _ = (&mut stream).take(MOST_WORDS).read_to_end(&mut bytes);
    // A full pipe would make tshark wait for ever.
    let _ = io::copy(&mut stream, &mut io::sink());
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim);
    let told: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("Running as user"))
        .collect();
    told.join(" ").trim_start_matches("tshark: ").to_owned()
}

struct Reader<'s, S> {
    sink: &'s mut S,
    count: u64,
    /// Requests by the number of their packet, so that the oldest comes first.
    open: BTreeMap<(u64, u64), HttpExchange>,
    /// Whether anything of a TCP stream could be read, and for which host it was.
    streams: BTreeMap<u64, (bool, String)>,
    /// Messages of HTTP/2.
    second: u64,
}

/// A packet as tshark prints it.
#[derive(Default)]
struct Packet {
    number: u64,
    stream: u64,
    time: Option<f64>,
    host: Option<String>,
    second: bool,
    head: Vec<u8>,
    messages: Vec<Http>,
}

/// A message in a packet.
#[derive(Default)]
struct Http {
    head: Vec<u8>,
    body: Vec<u8>,
    cut: bool,
    url: Option<String>,
    request_in: Option<u64>,
    took: Option<f64>,
}

impl<S: Sink> Reader<'_, S> {
    fn packets(&mut self, output: impl Read) -> Result<(), Broken> {
        let mut json = Json::new(output);
        let listed = json.list(|json| {
            let mut packet = Packet::default();
            json.object(|json, key| match key {
                "_source" => json
                    .object(|json, key| match key {
                        "layers" => json.object(|json, key| packet.layer(json, key)).map(drop),
                        _ => json.pass(),
                    })
                    .map(drop),
                _ => json.pass(),
            })?;
            self.packet(packet);
            Ok(())
        });
        match listed {
            // A capture without HTTP is an empty output for some versions.
            Err(Broken::Early { at: 0 }) => Ok(()),
            listed => listed.map(drop),
        }
    }

    fn packet(&mut self, packet: Packet) {
        if let Some(host) = packet.host
            && self.streams.len() < MOST_STREAMS
        {
            self.streams.entry(packet.stream).or_insert((false, host));
        }
        if packet.second || !packet.messages.is_empty() {
            self.second += u64::from(packet.second);
            if let Some((read, _)) = self.streams.get_mut(&packet.stream) {
                *read = true;
            }
        }
        for (place, message) in (0..).zip(packet.messages) {
            let started = packet.time.and_then(time);
            self.message((packet.number, place), started, message);
        }
    }

    fn message(&mut self, packet: (u64, u64), started: Option<String>, message: Http) {
        if let Some(mut request) = http::request(&message.head) {
            request.message.body = unpacked(message.body, &request.message);
            request.message.cut = message.cut;
            request.message.missing = is_missing(&request.message);
            self.count += 1;
            let exchange = HttpExchange {
                number: self.count,
                started,
                method: request.method,
                url: message.url.unwrap_or(request.target),
                request: request.message,
                ..HttpExchange::default()
            };
            self.open.insert(packet, exchange);
            if self.open.len() > MOST_OPEN
                && let Some((_, exchange)) = self.open.pop_first()
            {
                self.give(exchange);
            }
        } else if let Some(mut response) = http::response(&message.head) {
            response.message.body = unpacked(message.body, &response.message);
            response.message.cut = message.cut;
            response.message.missing = is_missing(&response.message);
            // 1xx announces the answer that counts.
            if (100..200).contains(&response.status) && response.status != 101 {
                return;
            }
            let asked = message.request_in.and_then(|number| {
                let key = self
                    .open
                    .range((number, 0)..=(number, u64::MAX))
                    .next()
                    .map(|(key, _)| *key);
                key.and_then(|key| self.open.remove(&key))
            });
            let mut exchange = asked.unwrap_or_else(|| {
                self.count += 1;
                HttpExchange {
                    number: self.count,
                    started,
                    url: message.url.unwrap_or_default(),
                    ..HttpExchange::default()
                }
            });
            exchange.status = response.status;
            exchange.response = response.message;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in bounds"
            )]
            {
                let took = message.took.map(|took| took * 1000.0);
                exchange.took = took
                    .filter(|took| (0.0..1e12).contains(took))
                    .map(|took| took as u64);
            }
            self.give(exchange);
        }
    }

    fn give(&mut self, exchange: HttpExchange) {
        if self.sink.wants(&exchange.url, &exchange.request.body) {
            self.sink.exchange(exchange);
        } else {
            self.sink.passed(exchange.number);
        }
    }

    fn finish(&mut self) {
        while let Some((_, exchange)) = self.open.pop_first() {
            self.give(exchange);
        }
        let mut hosts: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, host) in self.streams.values().filter(|(read, _)| !read) {
            match hosts.entry(host) {
                Entry::Occupied(mut entry) => *entry.get_mut() += 1,
                Entry::Vacant(entry) => {
                    entry.insert(1);
                }
            }
        }
        if !hosts.is_empty() {
            let told: Vec<String> = hosts
                .iter()
                .take(MOST_HOSTS)
                .map(|(host, count)| format!("{host} ({count})"))
                .collect();
            let more = hosts.len().saturating_sub(MOST_HOSTS);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            self.sink.defect(Defect {
                exchange: None,
                what: format!(
                    "TLS connections could not be read for want of their keys: {}{more}; give a key log with --keys",
                    told.join(", ")
                ),
            });
        }
        if self.second > 0 {
            self.sink.defect(Defect {
                exchange: None,
                what: format!(
                    "{} messages of HTTP/2 were passed over; record with HTTP/1.1",
                    self.second
                ),
            });
        }
    }
}

impl Packet {
    fn layer<R: Read>(&mut self, json: &mut Json<R>, layer: &str) -> Result<(), Broken> {
        match layer {
            "frame" => json
                .object(|json, key| {
                    match key {
                        "frame.number" => self.number = whole(json)?.unwrap_or(0),
                        "frame.time_epoch" => self.time = json.number()?,
                        _ => json.pass()?,
                    }
                    Ok(())
                })
                .map(drop),
            "tcp" => json
                .object(|json, key| {
                    match key {
                        "tcp.stream" => self.stream = whole(json)?.unwrap_or(0),
                        _ => json.pass()?,
                    }
                    Ok(())
                })
                .map(drop),
            // Comes before `http`, once for each message in the packet.
            "http_raw" => {
                let (head, _) = bytes(json, MOST_HEAD)?;
                self.head = head;
                Ok(())
            }
            "http" => {
                let mut message = Http {
                    head: std::mem::take(&mut self.head),
                    ..Http::default()
                };
                json.object(|json, key| message.field(json, key))?;
                self.messages.push(message);
                Ok(())
            }
            "http2" => {
                self.second = true;
                json.pass()
            }
            "tls" => server_name(json, 6, &mut self.host),
            _ => json.pass(),
        }
    }
}

impl Http {
    fn field<R: Read>(&mut self, json: &mut Json<R>, key: &str) -> Result<(), Broken> {
        match key {
            "http.file_data_raw" => (self.body, self.cut) = bytes(json, MOST_BODY)?,
            "http.request.full_uri" => self.url = json.text(MOST_URL)?.map(|url| url.text),
            "http.request_in" => self.request_in = whole(json)?,
            "http.time" => self.took = json.number()?,
            _ => json.pass()?,
        }
        Ok(())
    }
}

/// The server name of a ClientHello, wherever in the layer this version of tshark shows it.
fn server_name<R: Read>(
    json: &mut Json<R>,
    depth: u8,
    found: &mut Option<String>,
) -> Result<(), Broken> {
    json.object(|json, key| {
        if key == "tls.handshake.extensions_server_name" {
            *found = json.text(256)?.map(|host| host.text);
            Ok(())
        } else if depth == 0 {
            json.pass()
        } else {
            server_name(json, depth - 1, found)
        }
    })
    .map(drop)
}

/// A number that tshark prints as text.
fn whole<R: Read>(json: &mut Json<R>) -> Result<Option<u64>, Broken> {
    Ok(json.text(32)?.and_then(|text| text.text.parse().ok()))
}

/// The bytes of a raw field: `["48545450", 0, 4, 0, 1]`, and whether there are more than `most`.
fn bytes<R: Read>(json: &mut Json<R>, most: usize) -> Result<(Vec<u8>, bool), Broken> {
    let mut found = None;
    json.list(|json| {
        match found {
            None => found = json.text(most.saturating_mul(2))?,
            Some(_) => json.pass()?,
        }
        Ok(())
    })?;
    let text = found.unwrap_or_default();
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, _) = text.text.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map_while(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    Ok((bytes.collect(), text.cut))
}

/// Whether the head promises a body that the capture lacks: packets were cut, or lost.
fn is_missing(message: &super::exchange::Message) -> bool {
    message.body.is_empty() && http::length(message) > 0
}

/// tshark unpacks bodies itself, unless its settings say that it must not.
fn unpacked(body: Vec<u8>, message: &super::exchange::Message) -> Vec<u8> {
    let codings: Vec<&str> = message.all("content-encoding").collect();
    decode(body, &codings.join(",")).body
}

/// Seconds since 1970 as a date and time.
fn time(seconds: f64) -> Option<String> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "milliseconds are enough, and from_millisecond checks"
    )]
    let milliseconds = (seconds * 1000.0) as i64;
    jiff::Timestamp::from_millisecond(milliseconds)
        .ok()
        .map(|at| at.to_string())
}
