//! An LDAP server that a test scripts: honest by itself, hostile where the test says so.
//!
//! It holds a few objects, evaluates filters, pages, answers ranges and takes changes, so that a test
//! only has to say where it departs from that. Its codec is its own: what it misspells is on purpose.
//!
//! Invariant: it waits for its peer only, never for time to pass.

#![allow(dead_code, reason = "each test file uses a part of this")]

pub(crate) mod ber;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ber::{Reader, ber, integer, octets};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What is asked of the server.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Counts from 0, in the order in which connections were taken.
    pub(crate) connection: usize,
    pub(crate) id: i64,
    pub(crate) op: Op,
    /// Page size and cookie of a paged search.
    pub(crate) page: Option<(usize, Vec<u8>)>,
    /// Whether the message came over TLS.
    pub(crate) protected: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Bind { name: String, password: String },
    Unbind,
    Search(Search),
    Modify { dn: String, changes: Vec<Change> },
    Extended { oid: String },
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) base: String,
    pub(crate) scope: i64,
    pub(crate) filter: Filter,
    pub(crate) attributes: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// 0 adds, 1 deletes.
    pub(crate) operation: i64,
    pub(crate) attribute: String,
    pub(crate) values: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Filter {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Equal(String, Vec<u8>),
    Present(String),
}

impl Request {
    /// Whether this is the search for owners, or a further page of it.
    pub(crate) fn is_for_owners(&self) -> bool {
        matches!(&self.op, Op::Search(search) if search.scope == 2
            && matches!(&search.filter, Filter::Present(name) if name == "msExchDelegateListLink"))
    }

    /// The cookie of a further page.
    pub(crate) fn cookie(&self) -> Option<&[u8]> {
        let (_, cookie) = self.page.as_ref()?;
        (!cookie.is_empty()).then_some(cookie)
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// What an honest server does.
    Answer,
    /// The same, and then it closes the connection.
    AnswerAndClose,
    /// So many entries of the answer, and then it closes the connection.
    Cut(usize),
    /// So many entries of the answer, and nothing any more.
    Stall(usize),
    /// A result code with a text, instead of the answer.
    Refuse(u8, &'static str),
    /// So many entries, and then a result code.
    RefuseAfter(usize, u8, &'static str),
    /// A referral to another server.
    Refer(&'static str),
    /// The answer, after references to other servers.
    AnswerWithReference(&'static str),
    /// An empty page, and the cookie of another.
    EmptyPage,
    /// These bytes.
    Send(Vec<u8>),
    /// These bytes, and then it closes the connection.
    SendAndClose(Vec<u8>),
    /// These bytes until the client leaves.
    Flood(Vec<u8>),
    /// Nothing.
    Ignore,
    /// It closes the connection.
    Close,
    /// Agrees to StartTLS, and adds these bytes in the clear.
    StartTlsAnd(Vec<u8>),
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Object {
    pub(crate) fn new(dn: &str, attributes: &[(&str, &str)]) -> Self {
        let mut object = Self {
            dn: dn.to_owned(),
            attributes: Vec::new(),
        };
        for (name, value) in attributes {
            object.values_mut(name).push(value.as_bytes().to_vec());
        }
        object
    }

    /// A mailbox.
    pub(crate) fn mailbox(name: &str) -> Self {
        let lower = name.to_lowercase();
        Self::new(
            &format!("CN={name},{BASE}"),
            &[
                ("objectClass", "user"),
                ("displayName", name),
                ("mail", &format!("{lower}@contoso.test")),
                ("legacyExchangeDN", &format!("/o=Contoso/cn={lower}")),
                ("msExchMailboxGuid", "0123456789abcdef"),
                ("homeMDB", &format!("CN=DB1,{BASE}")),
            ],
        )
    }

    /// An account whose mailbox was disabled.
    pub(crate) fn disabled(name: &str) -> Self {
        Self::new(
            &format!("CN={name},{BASE}"),
            &[("objectClass", "user"), ("displayName", name)],
        )
    }

    /// The same, with links to these delegates.
    pub(crate) fn opened_for<S: AsRef<str>>(
        mut self,
        delegates: impl IntoIterator<Item = S>,
    ) -> Self {
        for delegate in delegates {
            let dn = format!("CN={},{BASE}", delegate.as_ref());
            self.values_mut(LINK).push(dn.into_bytes());
        }
        self
    }

    /// The values of an attribute, to be changed.
    pub(crate) fn values_mut(&mut self, name: &str) -> &mut Vec<Vec<u8>> {
        let at = self
            .attributes
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))
            .unwrap_or_else(|| {
                self.attributes.push((name.to_owned(), Vec::new()));
                self.attributes.len() - 1
            });
        &mut self.attributes[at].1
    }

    fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(&[], |(_, values)| values)
    }

    fn matches(&self, filter: &Filter) -> bool {
        match filter {
            Filter::And(all) => all.iter().all(|one| self.matches(one)),
            Filter::Or(any) => any.iter().any(|one| self.matches(one)),
            Filter::Not(other) => !self.matches(other),
            Filter::Present(name) => {
                name.eq_ignore_ascii_case("objectClass") || !self.values(name).is_empty()
            }
            Filter::Equal(name, value) => self
                .values(name)
                .iter()
                .any(|own| own.eq_ignore_ascii_case(value)),
        }
    }
}

/// The one naming context.
pub(crate) const BASE: &str = "DC=contoso,DC=test";
pub(crate) const LINK: &str = "msExchDelegateListLink";

/// What the server holds, and its limits.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) objects: Vec<Object>,
    /// Values of one attribute in one answer; AD calls it MaxValRange.
    pub(crate) values_at_once: usize,
    /// Entries in one page, whatever is asked for; AD calls it MaxPageSize.
    pub(crate) page_at_most: usize,
    /// Everything that was asked, in order.
    pub(crate) asked: Vec<Request>,
}

impl Held {
    /// The links of an owner.
    #[track_caller]
    pub(crate) fn links(&mut self, owner: &str) -> &mut Vec<Vec<u8>> {
        let dn = format!("CN={owner},{BASE}");
        let object = self
            .objects
            .iter_mut()
            .find(|object| object.dn == dn)
            .unwrap();
        object.values_mut(LINK)
    }

    /// Passwords that arrived, with whether they came over TLS.
    pub(crate) fn passwords(&self) -> Vec<(String, bool)> {
        self.asked
            .iter()
            .filter_map(|request| match &request.op {
                Op::Bind { password, .. } => Some((password.clone(), request.protected)),
                _ => None,
            })
            .collect()
    }
}

type Script = dyn Fn(&Request, &mut Held) -> Act + Send + Sync;

/// A server under way.
pub(crate) struct Server {
    pub(crate) port: u16,
    held: Arc<Mutex<Held>>,
}

/// How the server does TLS.
#[derive(Clone)]
pub(crate) enum Tls {
    /// Not at all.
    None,
    /// From the first byte.
    AtOnce(Arc<ServerConfig>),
    /// When it is asked to.
    OnRequest(Arc<ServerConfig>),
}

impl Server {
    /// An honest server.
    pub(crate) fn honest(objects: Vec<Object>) -> Self {
        Self::scripted(objects, |_, _| Act::Answer)
    }

    /// A server that asks `script` what to do.
    pub(crate) fn scripted(
        objects: Vec<Object>,
        script: impl Fn(&Request, &mut Held) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::with_tls(objects, Tls::None, script)
    }

    pub(crate) fn with_tls(
        objects: Vec<Object>,
        tls: Tls,
        script: impl Fn(&Request, &mut Held) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = Arc::new(Mutex::new(Held {
            objects,
            values_at_once: usize::MAX,
            page_at_most: usize::MAX,
            asked: Vec::new(),
        }));
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&held));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                // Without this each answer would wait for the acknowledgement of the one before.
                stream.set_nodelay(true).unwrap();
                let (script, held, tls) = (Arc::clone(&script), Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || serve(number, stream, &tls, &*script, &held));
            }
        });
        Self { port, held }
    }

    /// What it holds.
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }
}

/// A connection, before or after TLS was laid upon it.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    fn protect(self, config: &Arc<ServerConfig>) -> Option<Self> {
        let Self::Plain(stream) = self else {
            return None;
        };
        let connection = ServerConnection::new(Arc::clone(config)).ok()?;
        Some(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).ok(),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()).ok(),
        }
    }

    fn take(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self {
            Self::Plain(stream) => stream.read_exact(bytes).ok(),
            Self::Tls(stream) => stream.read_exact(bytes).ok(),
        }
    }

    /// The next message, without its outermost header.
    fn message(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 2];
        self.take(&mut head)?;
        let mut length = usize::from(head[1]);
        if length >= 0x80 {
            let mut more = vec![0; length - 0x80];
            self.take(&mut more)?;
            length = more
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        }
        let mut body = vec![0; length];
        self.take(&mut body)?;
        Some(body)
    }
}

/// Serves one connection until either end closes it.
fn serve(
    connection: usize,
    stream: TcpStream,
    tls: &Tls,
    script: &Script,
    held: &Mutex<Held>,
) -> Option<()> {
    let mut wire = Wire::Plain(stream);
    if let Tls::AtOnce(config) = tls {
        wire = wire.protect(config)?;
    }
    loop {
        let message = wire.message()?;
        let mut request = read(&message)?;
        request.connection = connection;
        request.protected = matches!(wire, Wire::Tls(_));
        let (act, mut answer) = {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.asked.push(request.clone());
            let act = script(&request, &mut held);
            // An answer is only given, and a change only made, when the script wants it.
            let honest = matches!(
                act,
                Act::Answer
                    | Act::AnswerAndClose
                    | Act::AnswerWithReference(_)
                    | Act::Cut(_)
                    | Act::Stall(_)
                    | Act::RefuseAfter(..)
            );
            let answer = if honest {
                answered(&request, &mut held)
            } else {
                Vec::new()
            };
            (act, answer)
        };
        let result = |code, text: &str| {
            message_of(request.id, &outcome(&request.op, code, text, None), None)
        };
        let starts_tls = matches!(&request.op, Op::Extended { .. });
        match act {
            Act::Answer | Act::AnswerAndClose if starts_tls => {
                if let Tls::OnRequest(config) = tls {
                    wire.put(&result(0, ""))?;
                    wire = wire.protect(config)?;
                } else {
                    wire.put(&result(2, "unsupported extended operation"))?;
                }
            }
            Act::Answer => wire.put(&answer.concat())?,
            Act::AnswerAndClose => {
                wire.put(&answer.concat())?;
                return None;
            }
            Act::Cut(entries) => {
                answer.truncate(entries);
                wire.put(&answer.concat())?;
                return None;
            }
            Act::Stall(entries) => {
                answer.truncate(entries);
                wire.put(&answer.concat())?;
            }
            Act::Refuse(code, text) => wire.put(&result(code, text))?,
            Act::RefuseAfter(entries, code, text) => {
                answer.truncate(entries);
                answer.push(result(code, text));
                wire.put(&answer.concat())?;
            }
            Act::Refer(url) => {
                wire.put(&message_of(
                    request.id,
                    &outcome(&request.op, 10, "", Some(url)),
                    None,
                ))?;
            }
            Act::AnswerWithReference(url) => {
                wire.put(&message_of(request.id, &ber(0x73, &[&octets(url)]), None))?;
                wire.put(&answer.concat())?;
            }
            Act::EmptyPage => {
                wire.put(&message_of(
                    request.id,
                    &outcome(&request.op, 0, "", None),
                    Some(b"more"),
                ))?;
            }
            Act::Send(bytes) => wire.put(&bytes)?,
            Act::SendAndClose(bytes) => {
                wire.put(&bytes)?;
                return None;
            }
            Act::Flood(bytes) => loop {
                wire.put(&bytes)?;
            },
            Act::Ignore => {}
            Act::Close => return None,
            Act::StartTlsAnd(bytes) => {
                let Tls::OnRequest(config) = tls else {
                    return None;
                };
                wire.put(&[result(0, ""), bytes].concat())?;
                wire = wire.protect(config)?;
            }
        }
    }
}

/// The messages with which an honest server answers; the last one is the result.
fn answered(request: &Request, held: &mut Held) -> Vec<Vec<u8>> {
    let result = |code, text: &str| {
        vec![message_of(
            request.id,
            &outcome(&request.op, code, text, None),
            None,
        )]
    };
    match &request.op {
        Op::Search(search) => searched(request, search, held),
        Op::Modify { dn, changes } => {
            let code = modified(dn, changes, held);
            result(code, "")
        }
        Op::Bind { .. } => result(0, ""),
        Op::Unbind | Op::Extended { .. } | Op::Other => Vec::new(),
    }
}

fn searched(request: &Request, search: &Search, held: &Held) -> Vec<Vec<u8>> {
    let root = Object::new("", &[("namingContexts", BASE), ("supportedControl", PAGED)]);
    let found: Vec<&Object> = if search.base.is_empty() && search.scope == 0 {
        vec![&root]
    } else {
        let base = normal(&search.base);
        let within = |object: &&Object| match search.scope {
            0 => object.dn.eq_ignore_ascii_case(&base),
            _ => normal(&object.dn).ends_with(&base),
        };
        if search.scope == 0 && !held.objects.iter().any(|object| within(&object)) {
            return vec![message_of(
                request.id,
                &outcome(&request.op, 32, "", None),
                None,
            )];
        }
        held.objects
            .iter()
            .filter(within)
            .filter(|object| object.matches(&search.filter))
            .collect()
    };
    let (size, from): (usize, usize) = match &request.page {
        Some((size, cookie)) => (
            (*size).min(held.page_at_most),
            text(cookie).parse().unwrap_or(0),
        ),
        None => (usize::MAX, 0),
    };
    let to = found.len().min(from.saturating_add(size));
    let mut messages: Vec<Vec<u8>> = found[from..to]
        .iter()
        .map(|object| {
            message_of(
                request.id,
                &entry(object, &search.attributes, held.values_at_once),
                None,
            )
        })
        .collect();
    let cookie = if to < found.len() {
        to.to_string()
    } else {
        String::new()
    };
    let cookie = request.page.as_ref().map(|_| cookie.as_bytes());
    messages.push(message_of(
        request.id,
        &outcome(&request.op, 0, "", None),
        cookie,
    ));
    messages
}

/// One entry with the attributes asked for; long ones come in ranges ([MS-ADTS] 3.1.1.3.1.3.3).
fn entry(object: &Object, wanted: &[String], at_once: usize) -> Vec<u8> {
    let mut list = Vec::new();
    for (name, values) in &object.attributes {
        let asked = wanted.iter().find_map(|text| {
            let (base, option) = text.split_once(';').unwrap_or((text, ""));
            base.eq_ignore_ascii_case(name).then_some(option)
        });
        let Some(option) = asked.or_else(|| wanted.is_empty().then_some("")) else {
            continue;
        };
        let from: usize = option
            .strip_prefix("range=")
            .and_then(|range| range.split_once('-'))
            .map_or(0, |(from, _)| from.parse().unwrap_or(0));
        let to = values.len().min(from.saturating_add(at_once));
        let described = match (from, to) {
            (0, to) if to == values.len() => name.clone(),
            (from, to) if to == values.len() => format!("{name};range={from}-*"),
            (from, to) => format!("{name};range={from}-{}", to - 1),
        };
        if values.is_empty() {
            continue;
        }
        let values: Vec<u8> = values
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .flat_map(octets)
            .collect();
        list.extend(ber(0x30, &[&octets(described), &ber(0x31, &[&values])]));
    }
    ber(0x64, &[&octets(&object.dn), &ber(0x30, &[&list])])
}

/// Applies all of the changes, or none of them.
fn modified(dn: &str, changes: &[Change], held: &mut Held) -> u8 {
    let Some(object) = held.objects.iter_mut().find(|object| same(&object.dn, dn)) else {
        return 32;
    };
    let mut copy = object.clone();
    for Change {
        operation,
        attribute,
        values,
    } in changes
    {
        for value in values {
            let own = copy.values_mut(attribute);
            match (
                operation,
                own.iter().position(|own| same(text(own), text(value))),
            ) {
                (0, None) => own.push(value.clone()),
                (0, Some(_)) => return 20,
                (1, Some(at)) => drop(own.remove(at)),
                (1, None) => return 16,
                _ => return 53,
            }
        }
    }
    *object = copy;
    0
}

fn normal(dn: &str) -> String {
    dn.to_lowercase().replace(", ", ",")
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (a.contains(", ") || b.contains(", ")) && normal(a) == normal(b)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// `pagedResultsControl` (RFC 2696).
const PAGED: &str = "1.2.840.113556.1.4.319";

/// A whole message, with the cookie of the next page if there is one to tell.
pub(crate) fn message_of(id: i64, op: &[u8], cookie: Option<&[u8]>) -> Vec<u8> {
    let id = ber(0x02, &[&integer(id)]);
    let Some(cookie) = cookie else {
        return ber(0x30, &[&id, op]);
    };
    let value = ber(0x30, &[&ber(0x02, &[&integer(0)]), &octets(cookie)]);
    let control = ber(0x30, &[&octets(PAGED), &octets(value)]);
    ber(0x30, &[&id, op, &ber(0xa0, &[&control])])
}

/// The result of an operation (RFC 4511 4.1.9).
pub(crate) fn outcome(op: &Op, code: u8, text: &str, referral: Option<&str>) -> Vec<u8> {
    let tag = match op {
        Op::Bind { .. } => 0x61,
        Op::Search(_) => 0x65,
        Op::Modify { .. } => 0x67,
        Op::Extended { .. } | Op::Unbind | Op::Other => 0x78,
    };
    let referral = referral
        .map(|url| ber(0xa3, &[&octets(url)]))
        .unwrap_or_default();
    ber(
        tag,
        &[
            &ber(0x0a, &[&[code]]),
            &octets(""),
            &octets(text),
            &referral,
        ],
    )
}

/// A notice of disconnection (RFC 4511 4.4.1).
pub(crate) fn notice(text: &str) -> Vec<u8> {
    let name = ber(0x8a, &[b"1.3.6.1.4.1.1466.20036"]);
    let body = ber(
        0x78,
        &[&ber(0x0a, &[&[52]]), &octets(""), &octets(text), &name],
    );
    message_of(0, &body, None)
}

fn read(message: &[u8]) -> Option<Request> {
    let mut message = Reader(message);
    let id = message.integer()?;
    let (tag, body) = message.next()?;
    let mut body_of = Reader(body);
    let op = match tag {
        0x60 => {
            body_of.integer()?;
            let name = body_of.text()?;
            Op::Bind {
                name,
                password: text(body_of.next()?.1).to_owned(),
            }
        }
        0x42 => Op::Unbind,
        0x63 => {
            let (base, scope) = (body_of.text()?, body_of.integer()?);
            for _ in 0..4 {
                body_of.next()?;
            }
            let (tag, filter) = body_of.next()?;
            let filter = filter_of(tag, filter)?;
            let mut list = Reader(body_of.next()?.1);
            let attributes = std::iter::from_fn(|| list.text()).collect();
            Op::Search(Search {
                base,
                scope,
                filter,
                attributes,
            })
        }
        0x66 => {
            let dn = body_of.text()?;
            let mut list = Reader(body_of.next()?.1);
            let change = || {
                let mut change = Reader(list.next()?.1);
                let operation = change.integer()?;
                let mut attribute = Reader(change.next()?.1);
                let name = attribute.text()?;
                let mut values = Reader(attribute.next()?.1);
                let values = std::iter::from_fn(|| Some(values.next()?.1.to_vec())).collect();
                Some(Change {
                    operation,
                    attribute: name,
                    values,
                })
            };
            Op::Modify {
                dn,
                changes: std::iter::from_fn(change).collect(),
            }
        }
        0x77 => Op::Extended {
            oid: body_of.text()?,
        },
        _ => Op::Other,
    };
    let mut page = None;
    if let Some((0xa0, controls)) = message.next() {
        let mut controls = Reader(controls);
        while let Some((_, control)) = controls.next() {
            let mut control = Reader(control);
            if control.text()? != PAGED {
                continue;
            }
            let value = std::iter::from_fn(|| control.next()).last()?.1;
            let mut value = Reader(Reader(value).next()?.1);
            let size = usize::try_from(value.integer()?).ok()?;
            page = Some((size, value.next()?.1.to_vec()));
        }
    }
    Some(Request {
        connection: 0,
        id,
        op,
        page,
        protected: false,
    })
}

fn filter_of(tag: u8, body: &[u8]) -> Option<Filter> {
    let mut inside = Reader(body);
    let several = || {
        let mut parts = Reader(body);
        let mut filters = Vec::new();
        while let Some((tag, part)) = parts.next() {
            filters.push(filter_of(tag, part)?);
        }
        Some(filters)
    };
    Some(match tag {
        0xa0 => Filter::And(several()?),
        0xa1 => Filter::Or(several()?),
        0xa2 => Filter::Not(Box::new(several()?.pop()?)),
        0xa3 => Filter::Equal(inside.text()?, inside.next()?.1.to_vec()),
        0x87 => Filter::Present(text(body).to_owned()),
        _ => return None,
    })
}
