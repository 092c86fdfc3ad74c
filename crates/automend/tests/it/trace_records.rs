//! `automend trace --listen`: what goes through the proxy, what is written down, and what must not be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::recorder::{
    self, Client, FAULT, PATH, Recorder, Server, answer, connect, read, request_body, tunnel,
};
use crate::tool::Bench;

const XML: (&str, &str) = ("Content-Type", "text/xml; charset=utf-8");

/// A server that wants NTLM, whose login belongs to one connection ([MS-NTHT]): the third message counts
/// only behind the first, and then the connection is logged in.
fn ntlm() -> recorder::Does {
    let state = std::sync::Mutex::new(std::collections::HashMap::<usize, u8>::new());
    Arc::new(move |seen| {
        let mut state = state.lock().unwrap();
        let step = state.entry(seen.connection).or_insert(0);
        let challenge = |value: &str| {
            (
                answer("401 Unauthorized", &[("WWW-Authenticate", value)], b""),
                true,
            )
        };
        match (seen.header("authorization"), *step) {
            (_, 2) => (
                answer(
                    "200 OK",
                    &[XML, ("Set-Cookie", "session=hunter2")],
                    FAULT.as_bytes(),
                ),
                true,
            ),
            (Some("NTLM TlRMTVNTUAABAAAA"), _) => {
                *step = 1;
                challenge("NTLM TlRMTVNTUAACAAAAhunter2")
            }
            (Some("NTLM TlRMTVNTUAADAAAA"), 1) => {
                *step = 2;
                (answer("200 OK", &[XML], FAULT.as_bytes()), true)
            }
            _ => challenge("NTLM"),
        }
    })
}

fn always(bytes: Vec<u8>) -> recorder::Does {
    Arc::new(move |_| (bytes.clone(), true))
}

/// A header of a HAR's entry.
fn header<'e>(entry: &'e Value, half: &str, name: &str) -> Option<&'e str> {
    let headers = entry[half]["headers"].as_array().unwrap();
    headers
        .iter()
        .find(|header| header["name"].as_str().unwrap().eq_ignore_ascii_case(name))
        .map(|header| header["value"].as_str().unwrap())
}

#[test]
fn others_are_kept_out_unless_they_are_let_in() {
    let bench = Bench::new();
    bench
        .automend(&["trace", "--listen", "0.0.0.0:0"])
        .exits(2)
        .warns("--allow-others");
    bench
        .automend(&["trace", "--listen", "[::]:0"])
        .exits(2)
        .warns("--allow-others");
    assert_eq!(bench.names(), Vec::<String>::new());
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
async fn a_login_that_belongs_to_a_connection_passes_through() {
    let server = Server::start(true, ntlm()).await;
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost"]);
    let trusted = read(&recorder.authority());
    let mut first = tunnel(recorder.address, server.port, &trusted)
        .await
        .unwrap();
    let mut second = tunnel(recorder.address, server.port, &trusted)
        .await
        .unwrap();
    let body = request_body("alice@contoso.com");
    let ntlm = |token| [("Authorization", token), XML];
    // Two clients at once, exchange by exchange.
    for client in [&mut first, &mut second] {
        assert_eq!(
            client.ask("POST", PATH, &[XML], &body).await.unwrap().0,
            401
        );
    }
    for client in [&mut first, &mut second] {
        let (status, head, _) = client
            .ask("POST", PATH, &ntlm("NTLM TlRMTVNTUAABAAAA"), "")
            .await
            .unwrap();
        assert_eq!(status, 401);
        assert!(head.contains("NTLM TlRMTVNTUAACAAAAhunter2"), "{head}");
    }
    // The third message on a connection of its own gets nothing.
    let mut third = tunnel(recorder.address, server.port, &trusted)
        .await
        .unwrap();
    assert_eq!(
        third
            .ask("POST", PATH, &ntlm("NTLM TlRMTVNTUAADAAAA"), &body)
            .await
            .unwrap()
            .0,
        401
    );
    for client in [&mut first, &mut second] {
        assert_eq!(
            client
                .ask("POST", PATH, &ntlm("NTLM TlRMTVNTUAADAAAA"), &body)
                .await
                .unwrap()
                .0,
            200
        );
        let (status, _, answer) = client.ask("POST", PATH, &[XML], &body).await.unwrap();
        assert_eq!((status, answer.as_slice()), (200, FAULT.as_bytes()));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 3);

    let (code, said) = recorder.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("error 603 The Active Directory user wasn't found."),
        "{said}"
    );
    assert!(
        said.contains("alice@contoso.com: failed (fault-603"),
        "{said}"
    );
    assert!(
        said.contains("9 requests, 9 of them Autodiscover"),
        "{said}"
    );
    let text = read(&recorder.path("out.har"));
    assert!(!text.contains("hunter2"), "{text}");
    let entries = recorder.entries();
    assert_eq!(entries.len(), 9);
    assert_eq!(
        header(&entries[2], "request", "authorization"),
        Some("NTLM (removed, message 1)")
    );
    assert_eq!(
        header(&entries[2], "response", "www-authenticate"),
        Some("NTLM (removed)")
    );
    assert_eq!(
        header(&entries[8], "response", "set-cookie"),
        Some("(removed)")
    );
    assert_eq!(entries[8]["response"]["content"]["text"], FAULT);
    assert_eq!(
        entries[8]["request"]["url"],
        format!("https://localhost:{}{PATH}", server.port)
    );

    // What was recorded is read with the same result.
    let path = recorder.path("out.har");
    let report = Bench::new()
        .automend(&["trace", path.to_str().unwrap(), "-f", "json"])
        .exits(1)
        .json();
    assert_eq!(report["users"][0]["cause"], "fault-603");
    assert_eq!(report["findings"].as_array().unwrap().len(), 4);
    assert_eq!(report["defects"], serde_json::json!([]));
}

#[cfg(unix)]
#[tokio::test]
async fn the_authority_and_the_recording_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(true, always(answer("200 OK", &[], b""))).await;
    let recorder = Recorder::start(&server.ca, &[]);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = recorder.authority().parent().unwrap().to_path_buf();
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("automend-trace-ca-key.pem")), 0o600);
    assert_eq!(mode(&recorder.path("out.har")), 0o600);
    let key = read(&folder.join("automend-trace-ca-key.pem"));
    assert!(key.contains("BEGIN PRIVATE KEY") && !read(&recorder.authority()).contains("PRIVATE"));
    // Anyone who has the proxy's address gets the certificate, too.
    let mut client = Client {
        stream: TcpStream::connect(recorder.address).await.unwrap(),
    };
    let (status, _, body) = client
        .ask("GET", "/automend-trace-ca.pem", &[], "")
        .await
        .unwrap();
    assert_eq!(
        (status, String::from_utf8(body).unwrap()),
        (200, read(&recorder.authority()))
    );
}

#[tokio::test]
async fn instructions_say_how_to_trust_and_how_to_be_rid_of_it() {
    let server = Server::start(true, always(answer("200 OK", &[], b""))).await;
    let mut recorder = Recorder::start(&server.ca, &[]);
    recorder.wait_for("certutil -user -addstore Root");
    recorder.wait_for("certutil -user -delstore Root");
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn what_is_not_autodiscover_passes_untouched() {
    let server = Server::start(true, always(answer("200 OK", &[], b"mail"))).await;
    let mut recorder = Recorder::start(&server.ca, &[]);
    // The client trusts the server and not the recorder, so the handshake is the server's own.
    let mut client = tunnel(recorder.address, server.port, &server.ca)
        .await
        .unwrap();
    let (status, _, body) = client.ask("GET", "/owa", &[], "").await.unwrap();
    assert_eq!((status, body.as_slice()), (200, &b"mail"[..]));
    // Neither is anything else than HTTP looked at.
    let echo = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = echo.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = echo.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let (_, mut stream) = connect(recorder.address, "localhost", port).await;
    let bytes: Vec<u8> = (0..=255).collect();
    stream.write_all(&bytes).await.unwrap();
    let mut back = vec![0; 256];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, bytes);
    drop(stream);
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(recorder.entries(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_server_that_cannot_be_trusted_gets_nothing() {
    let server = Server::start(true, always(answer("200 OK", &[XML], FAULT.as_bytes()))).await;
    let other = Server::start(true, always(Vec::new())).await;
    let mut recorder = Recorder::start(&other.ca, &["--intercept", "localhost"]);
    let mut client = tunnel(recorder.address, server.port, &read(&recorder.authority()))
        .await
        .unwrap();
    let body = request_body("alice@contoso.com");
    let (status, _, text) = client
        .ask(
            "POST",
            PATH,
            &[("Authorization", "Basic aHVudGVyMg=="), XML],
            &body,
        )
        .await
        .unwrap();
    assert_eq!(status, 502);
    assert!(
        String::from_utf8(text)
            .unwrap()
            .contains("the certificate is not issued by a trusted authority")
    );
    let (code, said) = recorder.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("certificate-untrusted"), "{said}");
    assert!(server.seen().is_empty(), "{:?}", server.seen());
    let entries = recorder.entries();
    assert!(
        entries[0]["response"]["_error"]
            .as_str()
            .unwrap()
            .starts_with("automend:certificate-untrusted")
    );
}

#[tokio::test]
async fn hosts_that_autodiscover_names_are_looked_into_and_their_mail_is_not_kept() {
    let ews = Server::start(
        true,
        always(answer("200 OK", &[XML], b"<mail>hunter2</mail>")),
    )
    .await;
    let settings = format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\"><Account>\
         <AccountType>email</AccountType><Action>settings</Action><Protocol><Type>EXPR</Type>\
         <EwsUrl>https://localhost:{}/EWS/Exchange.asmx</EwsUrl></Protocol></Account></Response></Autodiscover>",
        ews.port
    );
    let autodiscover =
        Server::start(false, always(answer("200 OK", &[XML], settings.as_bytes()))).await;
    let mut recorder = Recorder::start(&ews.ca, &[]);
    let mut client = Client {
        stream: TcpStream::connect(recorder.address).await.unwrap(),
    };
    let url = format!("http://localhost:{}{PATH}", autodiscover.port);
    let (status, _, _) = client
        .ask("POST", &url, &[XML], &request_body("bob@contoso.com"))
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert!(
        autodiscover.seen()[0]
            .head
            .starts_with(&format!("POST {PATH} HTTP/1.1\r\n"))
    );
    recorder.wait_for("looking into localhost, too");
    let mut client = tunnel(recorder.address, ews.port, &read(&recorder.authority()))
        .await
        .unwrap();
    assert_eq!(
        client
            .ask("POST", "/EWS/Exchange.asmx", &[XML], "<m>hunter2</m>")
            .await
            .unwrap()
            .0,
        200
    );
    let (code, said) = recorder.end();
    assert_eq!(code, Some(0), "{said}");
    let entries = recorder.entries();
    assert_eq!(
        entries[1]["request"]["url"],
        format!("https://localhost:{}/EWS/Exchange.asmx", ews.port)
    );
    assert!(!read(&recorder.path("out.har")).contains("hunter2"));
}

#[tokio::test]
async fn secrets_are_kept_when_that_is_asked_for() {
    let server = Server::start(true, ntlm()).await;
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost", "--keep-secrets"]);
    let mut client = tunnel(recorder.address, server.port, &read(&recorder.authority()))
        .await
        .unwrap();
    client
        .ask(
            "POST",
            PATH,
            &[("Authorization", "NTLM TlRMTVNTUAABAAAA")],
            "",
        )
        .await
        .unwrap();
    recorder.end();
    let entries = recorder.entries();
    assert_eq!(
        header(&entries[0], "request", "authorization"),
        Some("NTLM TlRMTVNTUAABAAAA")
    );
}

#[tokio::test]
async fn a_recorder_that_is_killed_leaves_a_whole_file() {
    let server = Server::start(true, always(answer("200 OK", &[XML], FAULT.as_bytes()))).await;
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost"]);
    let mut client = tunnel(recorder.address, server.port, &read(&recorder.authority()))
        .await
        .unwrap();
    let body = request_body("alice@contoso.com");
    for _ in 0..20 {
        client.ask("POST", PATH, &[XML], &body).await.unwrap();
    }
    // It is said before it is written, so the line of the last says that all before it are on file.
    recorder.wait_for("    20  POST");
    recorder.kill();
    assert!(recorder.entries().len() >= 19);
}

#[tokio::test]
async fn large_bodies_stream_and_are_kept_up_to_a_size() {
    const SIZE: usize = 20 << 20;
    let server = Server::start(true, always(answer("200 OK", &[XML], &vec![b'x'; SIZE]))).await;
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost"]);
    let mut client = tunnel(recorder.address, server.port, &read(&recorder.authority()))
        .await
        .unwrap();
    let (status, _, body) = client
        .ask("POST", PATH, &[XML], &"y".repeat(SIZE))
        .await
        .unwrap();
    assert_eq!((status, body.len()), (200, SIZE));
    assert_eq!(server.seen()[0].body.len(), SIZE);
    recorder.end();
    let entries = recorder.entries();
    assert_eq!(
        entries[0]["response"]["content"]["text"]
            .as_str()
            .unwrap()
            .len(),
        8 << 20
    );
    assert_eq!(
        entries[0]["response"]["content"]["comment"],
        "the body is not whole"
    );
}

#[tokio::test]
async fn when_the_servers_connection_ends_so_does_the_clients() {
    let server = Server::start(
        true,
        Arc::new(|_| (answer("200 OK", &[XML], FAULT.as_bytes()), false)),
    )
    .await;
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost"]);
    let mut client = tunnel(recorder.address, server.port, &read(&recorder.authority()))
        .await
        .unwrap();
    assert_eq!(
        client
            .ask("POST", PATH, &[XML], &request_body("alice@contoso.com"))
            .await
            .unwrap()
            .0,
        200
    );
    let mut rest = Vec::new();
    // The end may come without TLS's own goodbye.
    let _ = client.stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    recorder.end();
    assert_eq!(recorder.entries().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_and_recorded() {
    let server = Server::start(true, always(Vec::new())).await;
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let mut recorder = Recorder::start(&server.ca, &["--intercept", "localhost"]);
    let (head, _) = connect(recorder.address, "localhost", port).await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
    // It is no way to itself.
    let (head, _) = connect(recorder.address, "localhost", recorder.address.port()).await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
    let (code, said) = recorder.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("redirect-loop") || said.contains("connection-refused"),
        "{said}"
    );
    assert_eq!(recorder.entries().len(), 2);
}

#[tokio::test]
async fn a_recording_is_not_begun_over_another() {
    let server = Server::start(true, always(Vec::new())).await;
    let recorder = Recorder::start(&server.ca, &[]);
    let path = recorder.path("out.har");
    Bench::new()
        .automend(&[
            "trace",
            "--listen",
            "127.0.0.1:0",
            "-o",
            path.to_str().unwrap(),
        ])
        .exits(2)
        .warns("out.har");
    assert_eq!(recorder.entries(), Vec::<Value>::new());
}
