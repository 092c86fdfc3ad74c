//! A web server that does nothing but let in, and a client that does nothing but log in.

use std::net::SocketAddr;
use std::sync::Arc;

use automend_probe::login::{Challenge, ClientLogin, challenges};
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

use super::super::authenticator::{Authenticator, Connection};
use super::Verdict;

/// Answers every request with the name of the user who was admitted.
pub(super) async fn serve(auth: Arc<Authenticator>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            let auth = Arc::clone(&auth);
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                let mut login = Connection::default();
                while let Some((_, head)) = message(&mut stream).await {
                    let authorization = one(&head, "authorization");
                    let value = authorization.as_ref().map(String::as_bytes);
                    let verdict = auth.authenticate(&mut login, value, from.ip()).await;
                    let (status, headers, body) = match verdict {
                        Verdict::Accepted { account, token } => {
                            (200, token.into_iter().collect(), account.name.clone())
                        }
                        Verdict::Challenge(values) => {
                            let why = login.refusal().unwrap_or_default();
                            (401, values, why)
                        }
                        Verdict::Throttled(wait) => (429, Vec::new(), format!("{wait:?}")),
                        Verdict::Unavailable(why) => (503, Vec::new(), why),
                    };
                    let headers: Vec<String> = headers
                        .into_iter()
                        .map(|value| format!("WWW-Authenticate: {value}\r\n"))
                        .collect();
                    let (headers, length) = (headers.concat(), body.len());
                    let answer = format!(
                        "HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                    let _ = stream.flush().await;
                }
            });
        }
    });
    address
}

/// Logs in, and gives status and body of the last answer.
pub(super) async fn ask(server: SocketAddr, mut login: ClientLogin) -> (u16, String) {
    let mut stream = BufStream::new(TcpStream::connect(server).await.unwrap());
    let mut challenge: Option<Challenge> = None;
    let (mut status, mut body) = (0, String::new());
    for _ in 0..5 {
        let Some(value) = login.next(challenge.as_ref()).await.unwrap() else {
            break;
        };
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 2\r\n\r\nhi",
            value.expose_secret()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let (said, head) = message(&mut stream).await.unwrap();
        body = said;
        status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        let values: Vec<String> = head
            .iter()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
            .map(|(_, value)| value.to_owned())
            .collect();
        let read = challenges(values.iter().map(String::as_str));
        if status != 401 {
            login.finish(&read).unwrap();
            break;
        }
        challenge = read
            .into_iter()
            .find(|challenge| challenge.scheme == Some(login.scheme()));
    }
    (status, body)
}

/// Body and head of the next message.
async fn message(stream: &mut BufStream<TcpStream>) -> Option<(String, Vec<String>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = one(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((String::from_utf8(body).unwrap(), head))
}

fn one(head: &[String], name: &str) -> Option<String> {
    head.iter()
        .filter_map(|line| line.split_once(':'))
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}
