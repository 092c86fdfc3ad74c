//! A man in the middle of a plain LDAP connection, who can stop the world at any request.
//!
//! Every request of the client is taken apart (RFC 4511 5.2) and shown to the test before it goes on,
//! so that what others do in between, a lost connection and a kill come at a known moment, not after a
//! time that was guessed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Tag of a SearchRequest.
pub(crate) const SEARCH: u8 = 0x63;
/// Tag of a ModifyRequest.
pub(crate) const MODIFY: u8 = 0x66;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It goes on to the server.
    Forward,
    /// The connection is lost before the server sees it.
    LoseRequest,
    /// The server does it, so many bytes of its answer come through, then the connection is lost.
    LoseAnswer(usize),
}

type Hook = dyn FnMut(u8) -> Fate + Send;

/// A listener that passes connections on to a server.
pub(crate) struct Proxy {
    /// Where to connect.
    pub(crate) url: String,
}

impl Proxy {
    /// Passes on to `upstream`, an `ldap://` URL; asks `hook` what becomes of a request with this tag.
    pub(crate) fn start(upstream: &str, hook: impl FnMut(u8) -> Fate + Send + 'static) -> Self {
        let upstream = upstream
            .strip_prefix("ldap://")
            .expect("an ldap:// URL")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let url = format!("ldap://{}", listener.local_addr().expect("it is bound"));
        let hook: Arc<Mutex<Box<Hook>>> = Arc::new(Mutex::new(Box::new(hook)));
        // Ends with the test program.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let server = TcpStream::connect(&upstream).expect("the server listens");
                let left = Arc::new(Mutex::new(None));
                let answers = (
                    server.try_clone().expect("a descriptor"),
                    client.try_clone().expect("a descriptor"),
                );
                let budget = Arc::clone(&left);
                std::thread::spawn(move || pass_answers(answers.0, answers.1, &budget));
                let hook = Arc::clone(&hook);
                std::thread::spawn(move || pass_requests(client, server, &left, &hook));
            }
        });
        Self { url }
    }
}

/// Bytes that may still pass; `None` while all may.
type Budget = Mutex<Option<usize>>;

fn pass_requests(
    mut client: TcpStream,
    mut server: TcpStream,
    budget: &Budget,
    hook: &Mutex<Box<Hook>>,
) {
    while let Some((tag, message)) = read_message(&mut client) {
        let fate = hook.lock().unwrap_or_else(PoisonError::into_inner)(tag);
        match fate {
            Fate::Forward => {}
            Fate::LoseRequest => break,
            Fate::LoseAnswer(bytes) => {
                *budget.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
            }
        }
        if server.write_all(&message).is_err() {
            break;
        }
    }
    // Either side may be gone already.
    _ = client.shutdown(Shutdown::Both);
    _ = server.shutdown(Shutdown::Both);
}

fn pass_answers(mut server: TcpStream, mut client: TcpStream, budget: &Budget) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = budget.map_or(length, |left| left.min(length));
        if client.write_all(&buffer[..pass]).is_err() || pass < length {
            break;
        }
        if let Some(left) = budget.as_mut() {
            *left -= pass;
        }
    }
    _ = client.shutdown(Shutdown::Both);
    _ = server.shutdown(Shutdown::Both);
}

/// One LDAPMessage and the tag of its operation.
fn read_message(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut message = vec![0; 2];
    stream.read_exact(&mut message).ok()?;
    assert_eq!(message[0], 0x30, "no LDAPMessage");
    let length = match message[1] {
        short @ ..0x80 => usize::from(short),
        long => {
            let mut octets = vec![0; usize::from(long & 0x7f)];
            stream.read_exact(&mut octets).ok()?;
            message.extend(&octets);
            octets
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet))
        }
    };
    let mut content = vec![0; length];
    stream.read_exact(&mut content).ok()?;
    // Behind the message id, an INTEGER of a few octets.
    let tag = content[2 + usize::from(content[1])];
    message.extend(content);
    Some((tag, message))
}
