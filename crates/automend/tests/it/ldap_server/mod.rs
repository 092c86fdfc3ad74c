//! An LDAP server that a test scripts: honest by itself, hostile where the test says so.
//!
//! It holds a few objects, evaluates filters, pages, answers ranges and takes changes, so that a test
//! only has to say where it departs from that. Its codec is its own: what it misspells is on purpose.
//!
//! Invariant: it waits for its peer only, never for time to pass.

pub(crate) mod ber;
mod codec;
mod held;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ber::{ber, octets};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use codec::read;
pub(crate) use codec::{message_of, notice, outcome};
use held::answered;
pub(crate) use held::{BASE, Held, LINK, Object};

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
    Bind {
        name: String,
        password: String,
    },
    Unbind,
    Search(Search),
    Modify {
        dn: String,
        changes: Vec<Change>,
    },
    Extended {
        #[expect(dead_code, reason = "a test compares what Debug writes")]
        oid: String,
    },
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
    /// 0 adds, 1 deletes, 2 replaces.
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
            context: BASE.to_owned(),
            objects,
            values_at_once: usize::MAX,
            page_at_most: usize::MAX,
            asked: Vec::new(),
            places: std::collections::HashMap::new(),
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
#[allow(clippy::too_many_lines, reason = "one arm for each request")]
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
