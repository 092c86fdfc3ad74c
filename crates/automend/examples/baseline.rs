//! What a server costs that does nothing: axum over TLS, which reads the body of a request and answers
//! with so many constant bytes. `make bench` measures the service against it; it is not shipped.
//!
//! `baseline ADDRESS:PORT CERTIFICATE KEY BYTES`

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Hands out connections whose handshake is done.
struct Secure {
    ready: Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    at: SocketAddr,
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.at)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key, bytes] = arguments.as_slice() else {
        return Err("baseline ADDRESS:PORT CERTIFICATE KEY BYTES".into());
    };
    let chain = vec![CertificateDer::from_pem_file(certificate)?];
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(address).await?;
    let at = listener.local_addr()?;
    let (sender, ready) = channel(64);
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = sender.send((stream, peer)).await;
                }
            });
        }
    });
    let answer = Bytes::from(vec![b'x'; bytes.parse()?]);
    let read = move |body: Bytes| async move {
        // The body was wholly read to be here.
        drop(body);
        ([(CONTENT_TYPE, "text/xml; charset=utf-8")], answer)
    };
    let app = Router::new().route("/autodiscover/autodiscover.xml", post(read));
    println!("listening on {at}");
    axum::serve(Secure { ready, at }, app).await?;
    Ok(())
}
