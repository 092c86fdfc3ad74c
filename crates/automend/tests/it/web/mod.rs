//! A small world for tests of discovery: web servers that misbehave as told, certificates good and bad,
//! and DNS, all on loopback.
//!
//! Servers write down every byte that a client said, so that a test can say what must never have been
//! sent to whom.
//!
//! Invariant: a server waits for its peer only, never for time to pass.

pub(crate) mod certificate;
pub(crate) mod dns;
pub(crate) mod pages;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use certificate::{Authority, Certificate};
use rustls::{ServerConnection, StreamOwned};

/// What a server does with a request that it has heard.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// A status, headers and a body.
    Answers(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, and then it closes the connection.
    Says(Vec<u8>),
    /// These bytes over and over until the client leaves.
    Floods(Vec<u8>, Vec<u8>),
    /// These bytes, and then nothing any more.
    SaysAndHangs(Vec<u8>),
    /// Nothing.
    Hangs,
    /// It closes the connection.
    Closes,
}

/// What a client said.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Counts from 0, in the order in which connections were taken.
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether it came over TLS.
    pub(crate) protected: bool,
}

impl Heard {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.rsplit_once(' ').map_or(line, |(line, _)| line)
    }

    pub(crate) fn target(&self) -> &str {
        self.line().split_once(' ').map_or("", |(_, target)| target)
    }
}

type Script = Arc<dyn Fn(&Heard) -> Does + Send + Sync>;

/// A web server.
pub(crate) struct Server {
    pub(crate) port: u16,
    book: Arc<Mutex<Book>>,
}

/// What a server wrote down.
#[derive(Default)]
struct Book {
    connections: usize,
    heard: Vec<Heard>,
}

impl Server {
    /// Serves as `script` says, behind this certificate; `None` is plain HTTP.
    pub(crate) fn start(
        certificate: Option<Certificate>,
        script: impl Fn(&Heard) -> Does + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), certificate, script)
    }

    /// The same at another address.
    pub(crate) fn start_at(
        address: IpAddr,
        certificate: Option<Certificate>,
        script: impl Fn(&Heard) -> Does + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = Arc::clone(&book);
        let script: Script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else {
                    return;
                };
                let connection = {
                    let mut book = lock(&kept);
                    book.connections += 1;
                    book.connections - 1
                };
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                let certificate = certificate.clone();
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || {
                    // A client that leaves is no failure of the server.
                    let _ = serve(stream, certificate, connection, &kept, &script);
                });
            }
        });
        Self { port, book }
    }

    /// What clients said so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        lock(&self.book).heard.clone()
    }

    /// How many connections were taken.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.book).connections
    }

    /// The logins, in order: values of `Authorization`.
    pub(crate) fn logins(&self) -> Vec<String> {
        let heard = self.heard();
        let logins = heard
            .iter()
            .filter_map(|heard| heard.header("authorization"));
        logins.map(str::to_owned).collect()
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    mut stream: TcpStream,
    certificate: Option<Certificate>,
    connection: usize,
    book: &Mutex<Book>,
    script: &Script,
) -> std::io::Result<()> {
    match certificate {
        None => talk(&mut stream, false, connection, book, script),
        Some(Certificate::Tls(config)) => {
            let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
            let mut stream = StreamOwned::new(tls, stream);
            let talked = talk(&mut stream, true, connection, book, script);
            stream.conn.send_close_notify();
            let _ = stream.flush();
            talked
        }
        Some(Certificate::Old(hello)) => {
            // The record of the ClientHello: five bytes, and as many as they say.
            let mut head = [0; 5];
            stream.read_exact(&mut head)?;
            let mut hello_of_client = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            stream.read_exact(&mut hello_of_client)?;
            stream.write_all(hello)?;
            drain(&mut stream)
        }
        Some(Certificate::Speaks(bytes)) => {
            stream.write_all(bytes)?;
            drain(&mut stream)
        }
        // What was said is left unread, so that the connection is reset.
        Some(Certificate::Reset) => {
            stream.peek(&mut [0])?;
            Ok(())
        }
        Some(Certificate::Silent) => drain(&mut stream),
    }
}

/// Reads until the client leaves.
fn drain(stream: &mut impl Read) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn talk(
    stream: &mut (impl Read + Write),
    protected: bool,
    connection: usize,
    book: &Mutex<Book>,
    script: &Script,
) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some((head, body)) = next_request(stream, &mut read)? else {
            return Ok(());
        };
        let said = Heard {
            connection,
            head,
            body,
            protected,
        };
        lock(book).heard.push(said.clone());
        match script(&said) {
            Does::Answers(status, headers, body) => {
                let mut bytes = format!("HTTP/1.1 {status} X\r\n").into_bytes();
                for (name, value) in &headers {
                    write!(bytes, "{name}: {value}\r\n")?;
                }
                if !headers.iter().any(|(name, _)| *name == "Content-Length") {
                    write!(bytes, "Content-Length: {}\r\n", body.len())?;
                }
                bytes.extend(b"\r\n");
                bytes.extend(body);
                stream.write_all(&bytes)?;
                stream.flush()?;
            }
            Does::Says(bytes) => {
                stream.write_all(&bytes)?;
                return stream.flush();
            }
            Does::Floods(head, piece) => {
                stream.write_all(&head)?;
                loop {
                    stream.write_all(&piece)?;
                }
            }
            Does::SaysAndHangs(bytes) => {
                stream.write_all(&bytes)?;
                stream.flush()?;
                return drain(stream);
            }
            Does::Hangs => return drain(stream),
            Does::Closes => return Ok(()),
        }
    }
}

/// Head and body of the next request; `None` when the client has left.
fn next_request(
    stream: &mut impl Read,
    read: &mut Vec<u8>,
) -> std::io::Result<Option<(String, String)>> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or(0);
            if read.len() >= whole {
                let body = String::from_utf8_lossy(&read[end + 4..whole]).into_owned();
                read.drain(..whole);
                return Ok(Some((head, body)));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Servers by the host and port that a client believes to ask, and DNS.
pub(crate) struct World {
    pub(crate) authority: Authority,
    servers: Vec<(String, u16, Server)>,
    pub(crate) dns: dns::Server,
}

impl World {
    pub(crate) fn new(names: &[(&'static str, dns::Is)]) -> Self {
        Self {
            authority: Authority::new(),
            servers: Vec::new(),
            dns: dns::Server::start(names),
        }
    }

    /// Puts a server where clients look for `host` and `port`.
    pub(crate) fn put(&mut self, host: &str, port: u16, server: Server) -> &mut Self {
        self.servers.push((host.to_owned(), port, server));
        self
    }

    /// A server with a good certificate at the port of https.
    pub(crate) fn https(
        &mut self,
        host: &str,
        script: impl Fn(&Heard) -> Does + Send + Sync + 'static,
    ) -> &mut Self {
        let certificate = self.authority.good(host);
        self.put(host, 443, Server::start(Some(certificate), script))
    }

    /// A server at the port of http.
    pub(crate) fn http(
        &mut self,
        host: &str,
        script: impl Fn(&Heard) -> Does + Send + Sync + 'static,
    ) -> &mut Self {
        self.put(host, 80, Server::start(None, script))
    }

    /// The server of `host` and `port`.
    #[track_caller]
    pub(crate) fn server(&self, host: &str, port: u16) -> &Server {
        let mut servers = self.servers.iter();
        let found = servers.find(|(own, at, _)| own == host && *at == port);
        &found
            .unwrap_or_else(|| panic!("no server at {host}:{port}"))
            .2
    }

    /// Every server: host, port, what it heard.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&str, u16, &Server)> {
        let servers = self.servers.iter();
        servers.map(|(host, port, server)| (host.as_str(), *port, server))
    }

    /// The flags that lead a client into this world and nowhere else.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            "--resolver".to_owned(),
            format!("127.0.0.1:{}", self.dns.port),
            "--ca".to_owned(),
            "ca.pem".to_owned(),
        ];
        for (host, port, server) in &self.servers {
            flags.push("--resolve".to_owned());
            flags.push(format!("{host}:{port}:127.0.0.1:{}", server.port));
        }
        flags
    }
}
