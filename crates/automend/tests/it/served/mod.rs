//! The service as tests use it: the real binary on ports of its own, and a client that sends what it is
//! told to, byte by byte.
//!
//! Invariant: the service ends with the test; nothing is waited for that does not happen or fail.

pub(crate) mod ldap;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use automend_autodiscover::pox::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

/// Only what hangs takes so long.
const HANGS: Duration = Duration::from_secs(60);
/// Everybody's password.
pub(crate) const PASSWORD: &str = "Pa$$w0rd";

/// A service under way.
pub(crate) struct Served {
    child: Child,
    pub(crate) folder: TempDir,
    /// What it said at start.
    pub(crate) said: String,
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) certificate: Option<PathBuf>,
    log: Mutex<Receiver<String>>,
    /// Lines of the log that were taken.
    seen: Mutex<Vec<Value>>,
}

impl Served {
    /// Serves a directory that is given as LDIF; every object with an address can log in.
    pub(crate) fn ldif(ldif: &str, options: &[&str]) -> Self {
        Self::with(ldif, "", options)
    }

    /// The same with a configuration.
    pub(crate) fn with(ldif: &str, configuration: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("directory.ldif"), with_passwords(ldif)).unwrap();
        let options = [&["--directory", "directory.ldif"], options].concat();
        Self::in_folder(folder, configuration, &options)
    }

    pub(crate) fn in_folder(folder: TempDir, configuration: &str, options: &[&str]) -> Self {
        if !configuration.is_empty() {
            std::fs::write(folder.path().join("automend.toml"), configuration).unwrap();
        }
        let mut child = command(folder.path())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .args(options)
            .spawn()
            .unwrap();
        let out = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let Ok(line) = out.recv_timeout(HANGS) else {
                let _ = child.kill();
                let errors: Vec<String> = log.iter().collect();
                panic!("the service did not start: {said}\n{}", errors.join("\n"));
            };
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("  curl ") {
                break;
            }
        }
        let at = |start: &str, end: &str| -> SocketAddr {
            let line = said
                .lines()
                .find(|line| line.starts_with(start) && line.contains(end))
                .unwrap_or_else(|| panic!("no {start} in {said}"));
            let rest = line.trim_start_matches(start);
            rest.split(['/', ' ']).next().unwrap().parse().unwrap()
        };
        let certificate = said
            .lines()
            .find_map(|line| line.split_once("made for this run: "))
            .map(|(_, path)| PathBuf::from(path));
        Self {
            https: at("  https://", ""),
            http: at("  http://", "sends everybody"),
            admin: at("  http://", "healthz"),
            certificate,
            said,
            child,
            folder,
            log: Mutex::new(log),
            seen: Mutex::default(),
        }
    }

    /// A connection over TLS.
    pub(crate) fn connect(&self) -> Wire {
        self.connect_from("127.0.0.1".parse().unwrap())
    }

    /// The same from another address of this machine.
    pub(crate) fn connect_from(&self, from: IpAddr) -> Wire {
        let stream = self.socket_of(from);
        Wire::secure(stream, &self.tls())
    }

    /// What a client of this service trusts.
    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        let path = self
            .certificate
            .as_ref()
            .expect("a certificate that was made");
        trusting(path)
    }

    /// A connection that has not said anything yet.
    pub(crate) fn socket(&self) -> TcpStream {
        self.socket_of("127.0.0.1".parse().unwrap())
    }

    /// The same from another address of this machine.
    pub(crate) fn socket_of(&self, from: IpAddr) -> TcpStream {
        connect(from, self.https)
    }

    /// Asks once over TLS, on a connection of its own.
    pub(crate) fn ask(&self, request: &Ask<'_>) -> Answer {
        self.connect().ask(request)
    }

    /// Asks once over plain HTTP.
    pub(crate) fn ask_plain(&self, request: &Ask<'_>) -> Answer {
        Wire::plain(connect("127.0.0.1".parse().unwrap(), self.http)).ask(request)
    }

    /// Asks the service about itself.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        Wire::plain(connect("127.0.0.1".parse().unwrap(), self.admin)).ask(&Ask::get(path))
    }

    /// The value of a metric, 0 where there is none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").text();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or(0.0)
    }

    /// Waits until no one takes a connection any more.
    pub(crate) fn listeners_are_gone(&self) {
        until("the listeners are closed", || {
            TcpStream::connect(self.admin).is_err()
        });
    }

    /// POX, as the user who is asked for.
    pub(crate) fn pox(&self, address: &str) -> Answer {
        self.pox_as(address, address)
    }

    /// POX about `address`, as `user`.
    pub(crate) fn pox_as(&self, user: &str, address: &str) -> Answer {
        self.ask(&Ask::post(POX, outlook(address)).basic(user, PASSWORD))
    }

    /// Waits for a line of the log that `wanted` selects.
    pub(crate) fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.seen.lock().unwrap().iter().find(|line| wanted(line)) {
            return found.clone();
        }
        let log = self.log.lock().unwrap();
        loop {
            match log.recv_timeout(HANGS) {
                Ok(line) => {
                    let line: Value = serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("{error} in the log: {line}"));
                    self.seen.lock().unwrap().push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("not in the log: {:#?}", self.seen.lock().unwrap())
                }
            }
        }
    }

    /// Waits for an event.
    pub(crate) fn event(&self, name: &str) -> Value {
        self.logged(|line| line["event"] == name)
    }

    /// Every line that was logged until the service ended.
    pub(crate) fn whole_log(&self) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        seen.extend(log.iter().map(|line| serde_json::from_str(&line).unwrap()));
        seen.clone()
    }

    /// Sends a signal by number.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Waits until the service has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        for _ in 0..HANGS.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            pause();
        }
        panic!("the service does not end");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(path) = &self.certificate {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The binary in a folder, with nothing of the tester's environment.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_automend"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("TMPDIR", std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Polls until something holds, or fails when it never does.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..HANGS.as_millis() / 10 {
        if holds() {
            return;
        }
        pause();
    }
    panic!("never: {what}");
}

/// Between two looks at something that another process does.
fn pause() {
    let (_never, nothing) = channel::<()>();
    let _ = nothing.recv_timeout(Duration::from_millis(10));
}

fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let made = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&made, &SocketAddr::new(from, 0)).unwrap();
    connect(&made, &to).unwrap();
    let stream = TcpStream::from(made);
    stream.set_read_timeout(Some(HANGS)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A client that trusts the certificate in a file.
pub(crate) fn trusting(path: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(path).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// One connection.
pub(crate) enum Wire {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }

    pub(crate) fn secure(stream: TcpStream, config: &Arc<ClientConfig>) -> Self {
        Self::secure_as("localhost", stream, config)
    }

    /// Asks for this name in the handshake.
    pub(crate) fn secure_as(name: &str, stream: TcpStream, config: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self::Secure(Box::new(StreamOwned::new(connection, stream)))
    }

    /// The certificate that the server showed, if it is one that the client trusts.
    pub(crate) fn certificate(&mut self) -> std::io::Result<Vec<u8>> {
        let Self::Secure(stream) = self else {
            panic!("no TLS")
        };
        stream.flush()?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream.conn.peer_certificates().unwrap()[0].to_vec())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
            Self::Secure(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Secure(stream) => stream.read(into),
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) fn ask(&mut self, request: &Ask<'_>) -> Answer {
        self.send(&request.bytes());
        self.answer_to(request.method)
    }

    /// Reads an answer that is not to a HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// Reads an answer.
    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer_to(method)
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Reads an answer, if there is one.
    pub(crate) fn try_answer_to(&mut self, method: &str) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.read(&mut byte)? == 0 {
                let text = String::from_utf8_lossy(&head).into_owned();
                return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text));
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if status == 100 {
            return Ok(answer);
        }
        let length = answer
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        if method != "HEAD" {
            answer.body = vec![0; length];
            let mut at = 0;
            while at < length {
                match self.read(&mut answer.body[at..])? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    read => at += read,
                }
            }
        }
        Ok(answer)
    }

    /// Whether the server has closed the connection, with nothing more to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = [0; 64];
        match self.read(&mut rest) {
            Ok(0) => true,
            Ok(read) => panic!("more came: {:?}", String::from_utf8_lossy(&rest[..read])),
            // Without a word of TLS, or by a reset.
            Err(error) => !matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        }
    }
}

/// A request.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: &'a str, target: &'a str) -> Self {
        Self {
            method,
            target,
            headers: vec![("Host".to_owned(), "autodiscover.contoso.com".to_owned())],
            body: Vec::new(),
        }
    }

    pub(crate) fn get(target: &'a str) -> Self {
        let mut ask = Self::new("GET", target);
        ask.headers = vec![("Host".to_owned(), "localhost".to_owned())];
        ask
    }

    pub(crate) fn post(target: &'a str, body: impl AsRef<[u8]>) -> Self {
        Self {
            body: body.as_ref().to_vec(),
            ..Self::new("POST", target).with("Content-Type", "text/xml")
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let token = STANDARD.encode(format!("{user}:{password}"));
        self.with("Authorization", &format!("Basic {token}"))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        let told = self
            .headers
            .iter()
            .any(|(name, _)| matches!(name.as_str(), "Content-Length" | "Transfer-Encoding"));
        if !told && (!self.body.is_empty() || self.method == "POST") {
            bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Checks the status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Checks that the body says this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.text().contains(text), "no {text:?} in: {self}");
        self
    }

    /// Checks that the body does not say this.
    #[track_caller]
    pub(crate) fn says_not(self, text: &str) -> Self {
        assert!(!self.text().contains(text), "{text:?} in: {self}");
        self
    }

    /// What POX said, in a word: a code, `redirect to …`, or the names of the alternative mailboxes.
    #[track_caller]
    pub(crate) fn pox(&self) -> String {
        assert_eq!(self.status, 200, "{self}");
        let (answer, defects) = automend_autodiscover::pox::read(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {self}"));
        assert!(defects.is_empty(), "{defects:?}: {self}");
        match answer.reply {
            Reply::Fault(fault) => fault.code.map_or_else(String::new, |code| code.to_string()),
            Reply::RedirectAddress(address) => format!("redirect to {address}"),
            Reply::Settings(account) => {
                let mut names: Vec<String> = account
                    .alternatives
                    .into_iter()
                    .filter_map(|mailbox| mailbox.display_name)
                    .collect();
                names.sort();
                format!("settings: {}", names.join(", "))
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}

/// Outlook's path.
pub(crate) const POX: &str = "/autodiscover/autodiscover.xml";
/// The path of programs.
pub(crate) const SOAP: &str = "/autodiscover/autodiscover.svc";

/// A request as Outlook sends it.
pub(crate) fn outlook(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
         <Request><EMailAddress>{address}</EMailAddress>\
         <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
         </AcceptableResponseSchema></Request></Autodiscover>"
    )
}

/// Gives everybody who has an address the password.
pub(crate) fn with_passwords(ldif: &str) -> String {
    let mut out = String::new();
    for record in ldif.split("\n\n") {
        out.push_str(record.trim_end_matches('\n'));
        if record.lines().any(|line| line.starts_with("mail: ")) {
            out.push_str("\nuserPassword: ");
            out.push_str(PASSWORD);
        }
        out.push_str("\n\n");
    }
    out
}

/// A mailbox as LDIF, and what else it has.
pub(crate) fn mailbox(name: &str, more: &[&str]) -> String {
    let lower = name.to_lowercase();
    let number: u32 = name
        .bytes()
        .fold(7, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
    let guid = STANDARD.encode([&number.to_be_bytes()[..], &[7; 12]].concat());
    format!(
        "dn: CN={name},DC=contoso,DC=com\nobjectClass: user\ndisplayName: {name}\nmail: {lower}@contoso.com\n\
         proxyAddresses: SMTP:{lower}@contoso.com\nuserPrincipalName: {lower}@contoso.com\nsAMAccountName: {lower}\n\
         legacyExchangeDN: /o=Contoso/ou=Exchange/cn=Recipients/cn={lower}\nmsExchMailboxGuid:: {guid}\n\
         homeMDB: CN=DB1,DC=contoso,DC=com\n{}\n\n",
        more.join("\n")
    )
}

/// The domain that stands above the mailboxes.
pub(crate) const DOMAIN: &str =
    "version: 1\n\ndn: DC=contoso,DC=com\nobjectClass: domainDNS\ndc: contoso\n\n";
