//! What clients must not do, and what becomes of it: nothing that affects anybody else.
//!
//! Invariant: after everything that a test does, an honest client is answered.

use std::net::{IpAddr, Ipv4Addr, TcpStream};

use crate::served::{Ask, DOMAIN, PASSWORD, POX, Served, Wire, mailbox, outlook, until};

/// One user, and limits that a test can reach.
fn served(limits: &str) -> Served {
    let configuration = format!("[serve.limits]\n{limits}\n");
    Served::with(
        &format!("{DOMAIN}{}", mailbox("Amy", &[])),
        &configuration,
        &[],
    )
}

fn ask() -> Ask<'static> {
    Ask::post(POX, outlook("amy@contoso.com")).basic("amy@contoso.com", PASSWORD)
}

#[track_caller]
fn honest_client_is_answered(served: &Served) {
    assert_eq!(served.ask(&ask()).pox(), "settings: ");
}

#[test]
fn a_large_body_is_refused_and_the_refusal_arrives() {
    let served = served("");
    for size in [65_537, 2 << 20] {
        let mut big = ask();
        big.body.resize(size, b' ');
        let mut wire = served.connect();
        // The server may close while we still send.
        let _ = wire.try_send(&big.bytes());
        let answer = wire.answer().is(413);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(wire.is_closed());
    }
    // Announced and never sent: refused at once, without an invitation to go on.
    let mut announced = ask()
        .with("Content-Length", "52428800")
        .with("Expect", "100-continue");
    announced.body.clear();
    let mut wire = served.connect();
    wire.send(&announced.bytes());
    wire.answer().is(413);
    // The largest that is taken.
    let mut most = ask();
    most.body.resize(65_536, b' ');
    assert_eq!(served.ask(&most).pox(), "settings: ");
}

#[test]
fn a_body_may_come_in_chunks_but_not_too_many() {
    let served = served("");
    let chunked = |chunks: &[&[u8]]| {
        let mut ask = ask().with("Transfer-Encoding", "chunked");
        ask.body.clear();
        let mut bytes = ask.bytes();
        for chunk in chunks {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(*chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    };
    let body = outlook("amy@contoso.com").into_bytes();
    let mut wire = served.connect();
    let single: Vec<&[u8]> = body.chunks(1).collect();
    for chunks in [vec![body.as_slice()], body.chunks(7).collect(), single] {
        wire.send(&chunked(&chunks));
        assert_eq!(wire.answer().pox(), "settings: ");
    }
    let long = vec![b' '; 1000];
    let _ = wire.try_send(&chunked(&vec![long.as_slice(); 100]));
    wire.answer().is(413);
    for broken in [
        "zz\r\n",
        "-1\r\n",
        "fffffffffffffffff\r\n",
        "5\r\nhello!!\r\n",
    ] {
        let mut ask = ask().with("Transfer-Encoding", "chunked");
        ask.body = broken.as_bytes().to_vec();
        let mut wire = served.connect();
        wire.send(&ask.bytes());
        assert!(matches!(wire.answer().status, 400 | 413), "{broken:?}");
    }
    honest_client_is_answered(&served);
}

#[test]
fn a_body_in_two_pieces_and_one_after_an_invitation_are_waited_for() {
    let served = served("");
    let mut wire = served.connect();
    let bytes = ask().bytes();
    let (first, second) = bytes.split_at(bytes.len() - 40);
    wire.send(first);
    wire.send(second);
    assert_eq!(wire.answer().pox(), "settings: ");
    let whole = ask().with("Expect", "100-continue");
    let bytes = whole.bytes();
    let (head, body) = bytes.split_at(bytes.len() - whole.body.len());
    wire.send(head);
    wire.answer().is(100);
    wire.send(body);
    assert_eq!(wire.answer().pox(), "settings: ");
    // Anyone who has not logged in is asked to, and the connection stays.
    let mut anonymous = Ask::post(POX, outlook("amy@contoso.com")).with("Expect", "100-continue");
    let body = std::mem::take(&mut anonymous.body);
    wire.send(
        &anonymous
            .with("Content-Length", &body.len().to_string())
            .bytes(),
    );
    wire.answer().is(100);
    wire.send(&body);
    wire.answer().is(401);
    assert_eq!(wire.ask(&ask()).pox(), "settings: ");
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let served = served("");
    let mut wire = served.connect();
    let anonymous = Ask::post(POX, outlook("amy@contoso.com"));
    wire.send(
        &[
            ask().bytes(),
            anonymous.bytes(),
            Ask::get("/x").bytes(),
            ask().bytes(),
        ]
        .concat(),
    );
    for status in [200, 401, 404, 200] {
        wire.answer().is(status);
    }
}

#[test]
fn slow_and_half_requests_end_and_hold_up_nobody() {
    let served = served("header-timeout = 1\nbody-timeout = 1\ntls-handshake-timeout = 1");
    // Nothing at all, half a handshake, half a head, half a body; eighty of each.
    let mut silent: Vec<TcpStream> = (0..80).map(|_| served.socket()).collect();
    let mut half: Vec<Wire> = (0..80)
        .map(|_| {
            let mut wire = Wire::plain(served.socket());
            wire.send(&[0x16, 3, 1, 2]);
            wire
        })
        .collect();
    let tls = served.tls();
    let mut heads: Vec<Wire> = (0..80)
        .map(|_| {
            let mut wire = Wire::secure(served.socket(), &tls);
            wire.send(b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nX-Slow: ");
            wire
        })
        .collect();
    let bytes = ask().bytes();
    let mut bodies: Vec<Wire> = (0..80)
        .map(|_| {
            let mut wire = Wire::secure(served.socket(), &tls);
            wire.send(&bytes[..bytes.len() - 10]);
            wire
        })
        .collect();
    honest_client_is_answered(&served);
    for wire in &mut bodies {
        wire.answer().is(408);
    }
    for wire in half.iter_mut().chain(&mut heads) {
        assert!(wire.is_closed());
    }
    for stream in silent.drain(..) {
        assert!(Wire::plain(stream).is_closed());
    }
    honest_client_is_answered(&served);
}

#[test]
fn floods_of_headers_are_refused() {
    let served = served("");
    let mut many = ask();
    for number in 0..200 {
        many = many.with(&format!("X-Flood-{number}"), "x");
    }
    served.ask(&many).is(431);
    let long = ask().with("X-Long", &"x".repeat(1 << 20));
    let mut wire = served.connect();
    let _ = wire.try_send(&long.bytes());
    wire.answer().is(431);
    let target = format!("{POX}?{}", "x".repeat(200_000));
    let mut wire = served.connect();
    let _ = wire.try_send(&Ask::get(&target).bytes());
    assert!(matches!(wire.answer().status, 414 | 431));
    // Twenty kilobytes are no flood: a ticket has more.
    let ticket = ask().with("X-Ticket", &"x".repeat(60_000));
    assert_eq!(served.ask(&ticket).pox(), "settings: ");
    honest_client_is_answered(&served);
}

#[test]
fn what_is_no_http_is_refused() {
    let served = served("");
    for bytes in [
        b"\r\n\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut wire = served.connect();
        wire.send(bytes);
        if let Ok(answer) = wire.try_answer_to("GET") {
            assert!((400..500).contains(&answer.status), "{bytes:?}: {answer}");
        }
    }
    // One request smuggled behind another is read as what it is, or not at all.
    let mut wire = served.connect();
    wire.send(b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(matches!(wire.answer().status, 400 | 401));
    honest_client_is_answered(&served);
}

#[test]
fn plain_http_on_the_port_of_https_is_told_so() {
    let served = served("");
    let answer = Wire::plain(served.socket()).ask(&Ask::get(POX)).is(400);
    assert!(answer.text().contains("HTTPS"), "{answer}");
    honest_client_is_answered(&served);
    until("the refusal is counted", || {
        served.metric("automend_refused_connections_total{reason=\"no-tls\"}") >= 1.0
    });
}

#[test]
fn only_tls_1_2_and_1_3_are_spoken() {
    use rustls::version::{TLS12, TLS13};
    let served = served("");
    for version in [&TLS12, &TLS13] {
        let roots = {
            use rustls::pki_types::CertificateDer;
            use rustls::pki_types::pem::PemObject;
            let mut roots = rustls::RootCertStore::empty();
            let path = served.certificate.as_ref().unwrap();
            roots
                .add(CertificateDer::from_pem_file(path).unwrap())
                .unwrap();
            roots
        };
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut wire = Wire::secure(served.socket(), &std::sync::Arc::new(config));
        assert_eq!(wire.ask(&ask()).pox(), "settings: ");
    }
    // A client of TLS 1.1, as it begins: version 3.2, one old suite.
    let mut wire = Wire::plain(served.socket());
    let mut hello = vec![1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    wire.send(&[&[0x16, 3, 1, 0, length][..], &hello].concat());
    assert!(no_server_hello(&mut wire));
    honest_client_is_answered(&served);
}

/// Whether the answer is an alert, or the end.
fn no_server_hello(wire: &mut Wire) -> bool {
    let Wire::Plain(stream) = wire else {
        return false;
    };
    let mut first = [0];
    matches!(std::io::Read::read(stream, &mut first), Ok(0) | Err(_)) || first[0] == 0x15
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let served = served("write-timeout = 1\nrequests-per-address = 0");
    let mut wire = served.connect();
    let bytes = ask().bytes();
    // Answers pile up until nothing more can be written, and then the connection ends.
    let mut sent = 0;
    while wire.try_send(&bytes).is_ok() {
        sent += 1;
        assert!(sent < 1_000_000, "nobody gave up");
    }
    honest_client_is_answered(&served);
}

#[test]
fn an_address_that_asks_too_often_is_told_to_wait_and_others_are_not() {
    let served = served("requests-per-address = 1\nburst = 5");
    let mut wire = served.connect();
    for _ in 0..5 {
        wire.ask(&ask()).is(200);
    }
    let mut refused = None;
    for _ in 0..5 {
        let answer = wire.ask(&ask());
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused
        .expect("five more in less than five seconds")
        .is(429);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("connection"), Some("close"));
    let other = served
        .connect_from("127.0.0.2".parse().unwrap())
        .ask(&ask());
    assert_eq!(other.pox(), "settings: ");
}

#[test]
fn an_address_holds_so_many_connections_and_others_still_come() {
    let served = served("connections-per-address = 4");
    let mut held: Vec<Wire> = (0..4).map(|_| served.connect()).collect();
    for wire in &mut held {
        wire.ask(&ask()).is(200);
    }
    assert!(Wire::plain(served.socket()).is_closed());
    let other = served
        .connect_from("127.0.0.2".parse().unwrap())
        .ask(&ask());
    assert_eq!(other.pox(), "settings: ");
    // One leaves, and there is room for one.
    drop(held.pop());
    until("there is room again", || {
        let mut wire = Wire::secure(served.socket(), &served.tls());
        wire.try_send(&ask().bytes()).is_ok() && wire.try_answer_to("POST").is_ok()
    });
}

#[test]
fn ten_thousand_connections_are_held_and_one_more_is_answered() {
    const WANTED: usize = 10_000;
    raise_descriptors();
    let served = served("header-timeout = 600\ntls-handshake-timeout = 600\nconnections = 12000");
    let mut held: Vec<Wire> = Vec::with_capacity(WANTED);
    let tls = served.tls();
    for number in 0..WANTED {
        // Of ten addresses, as one address may not hold so many. A tenth do the whole handshake.
        let last = u8::try_from(number % 10 + 1).unwrap();
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
        let stream = served.socket_of(from);
        if number % 10 == 0 {
            let mut wire = Wire::secure(stream, &tls);
            wire.send(b"GET /x HTTP/1.1\r\n");
            held.push(wire);
        } else {
            held.push(Wire::plain(stream));
        }
    }
    until("all are taken", || {
        served.metric("automend_connections") >= 10_000.0
    });
    honest_client_is_answered(&served);
    drop(held);
    until("all are gone", || {
        served.metric("automend_connections") <= 2.0
    });
    honest_client_is_answered(&served);
}

/// As many descriptors as the system gives.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        most >= 11_000,
        "this test needs 11,000 file descriptors, and may have {most}: raise the hard limit (ulimit -Hn)"
    );
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(most),
            maximum: limit.maximum,
        },
    )
    .unwrap();
}

#[test]
fn http_2_is_spoken_where_no_login_is_bound_to_the_connection() {
    let served = served("");
    let path = served.certificate.clone().unwrap();
    let curl = |more: &[&str]| -> String {
        let url = format!("https://{}{POX}", served.https);
        let done = std::process::Command::new("curl")
            .args([
                "--silent",
                "--cacert",
                path.to_str().unwrap(),
                "--user",
                &format!("amy@contoso.com:{PASSWORD}"),
            ])
            .args([
                "--write-out",
                "\n%{http_version} %{http_code}",
                "--data",
                &outlook("amy@contoso.com"),
            ])
            .args(more)
            .arg(url)
            .output()
            .expect("curl is installed");
        String::from_utf8(done.stdout).unwrap()
    };
    let two = curl(&["--http2"]);
    assert!(
        two.ends_with("\n2 200") && two.contains("<Action>settings</Action>"),
        "{two}"
    );
    let one = curl(&["--http1.1"]);
    assert!(
        one.ends_with("\n1.1 200") && one.contains("<Action>settings</Action>"),
        "{one}"
    );
}
