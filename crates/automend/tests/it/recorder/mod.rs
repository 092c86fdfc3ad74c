//! The recording proxy as tests run it, with a server behind it and clients before it.
//!
//! Invariant: everything is on loopback, and whatever a test leaves running is ended with it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const PATH: &str = "/autodiscover/autodiscover.xml";

pub(crate) const FAULT: &str = "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\"><Response>\
    <Error Time=\"12:03:32.8803744\" Id=\"1\"><ErrorCode>603</ErrorCode><Message>The Active Directory user wasn't found.</Message><DebugData/>\
    </Error></Response></Autodiscover>";

pub(crate) fn request_body(who: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request>\
         <EMailAddress>{who}</EMailAddress></Request></Autodiscover>"
    )
}

/// `automend trace --listen`, until it is dropped.
pub(crate) struct Recorder {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Recorder {
    /// Starts it with more arguments; `ca` is the authority of the servers.
    pub(crate) fn start(ca: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("servers.pem"), ca).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_automend"))
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .args([
                "trace",
                "--listen",
                "127.0.0.1:0",
                "-o",
                "out.har",
                "--ca",
                "servers.pem",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let address = first
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(';').next());
        let address = address
            .unwrap_or_else(|| panic!("no address in {first:?}"))
            .parse()
            .unwrap();
        Self {
            child,
            out,
            folder,
            address,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.path(".local/share/automend/trace/automend-trace-ca.pem")
    }

    /// The next line that it says with this in it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.out.read_line(&mut line).unwrap(),
                0,
                "the recorder ended before it said {text:?}"
            );
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn har(&self) -> Value {
        let text = std::fs::read_to_string(self.path("out.har")).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(crate) fn entries(&self) -> Vec<Value> {
        self.har()["log"]["entries"].as_array().unwrap().clone()
    }

    /// Ends it as Ctrl-C does: its exit status and what it still says.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("sh")
                .args(["-c", "kill -INT \"$0\"", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.out, &mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    /// Ends it as nothing can be prepared for.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request as a server sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Which of the server's connections it came by.
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// A server with a certificate for `localhost`.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Its certificate, PEM.
    pub(crate) ca: String,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

/// What a server does with a request: the bytes of the answer, and whether the connection goes on.
pub(crate) type Does = Arc<dyn Fn(&Seen) -> (Vec<u8>, bool) + Send + Sync>;

impl Server {
    /// Serves on the runtime of the test.
    pub(crate) async fn start(tls: bool, does: Does) -> Self {
        // Each with a name of its own, so that none is taken for the authority of another.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("server {}", COUNT.fetch_add(1, Ordering::SeqCst));
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let cert = params.self_signed(&signing_key).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, log, does) = (acceptor.clone(), Arc::clone(&log), Arc::clone(&does));
                tokio::spawn(async move {
                    if tls {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer_all(stream, connection, &log, &does).await;
                        }
                    } else {
                        answer_all(stream, connection, &log, &does).await;
                    }
                });
            }
        });
        Self {
            port,
            ca: cert.pem(),
            seen,
            connections,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer_all(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    log: &Mutex<Vec<Seen>>,
    does: &Does,
) {
    while let Some((head, body)) = message(&mut stream).await {
        let seen = Seen {
            connection,
            head,
            body,
        };
        log.lock().unwrap().push(seen.clone());
        let (answer, goes_on) = does(&seen);
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if !goes_on {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Reads one message: its head and its body.
pub(crate) async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut body = Vec::new();
    if header(&head, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await.ok()?);
            }
            let size =
                usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = header(&head, "content-length") {
        body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.ok()?;
    }
    Some((head, body))
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// An answer with its length.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// A client that has asked the proxy for a tunnel and speaks TLS in it.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
}

/// The answer to CONNECT, and the connection.
pub(crate) async fn connect(proxy: SocketAddr, host: &str, port: u16) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream
        .write_all(
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n").as_bytes(),
        )
        .await
        .unwrap();
    let (head, _) = message(&mut stream).await.unwrap();
    (head, stream)
}

/// TLS through the proxy, trusting one authority.
pub(crate) async fn tunnel(
    proxy: SocketAddr,
    port: u16,
    trusted: &str,
) -> std::io::Result<Client<tokio_rustls::client::TlsStream<TcpStream>>> {
    let (head, stream) = connect(proxy, "localhost", port).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    Ok(Client {
        stream: connector.connect(name, stream).await?,
    })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Sends a request; the status and the rest of the answer, `None` when the connection ends.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<(u16, String, Vec<u8>)> {
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        self.stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .await
            .ok()?;
        // TLS keeps the end of a long message to itself while the socket takes no more.
        self.stream.flush().await.ok()?;
        let (head, body) = message(&mut self.stream).await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, head, body))
    }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
