//! Crate `negotiate` against MIT's GSS-API: what `gss-client` sends is accepted here, and what is sent
//! here `gss-server` accepts.
//!
//! The two frame a token by a byte of flags and its length in four (MIT krb5
//! `src/appl/gss-sample/gss-misc.c`).

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use automend_negotiate::Binding;
use automend_negotiate::kerberos::{Accepted, Protection, Refused, accept};
use automend_negotiate::spnego::{self, Mechanism, Message, State};

use super::*;

/// What a token is, and what comes behind it (`gss-misc.h`).
mod flag {
    pub(super) const NOOP: u8 = 1;
    pub(super) const CONTEXT: u8 = 1 << 1;
    pub(super) const DATA: u8 = 1 << 2;
    pub(super) const CONTEXT_NEXT: u8 = 1 << 4;
    pub(super) const WRAPPED: u8 = 1 << 5;
    pub(super) const ENCRYPTED: u8 = 1 << 6;
}

/// Only what hangs takes so long.
const HANGS: Duration = Duration::from_secs(60);

fn send(mut to: impl Write, flags: u8, token: &[u8]) {
    let length = u32::try_from(token.len()).expect("a short token");
    let framed = [&[flags][..], &length.to_be_bytes(), token].concat();
    if let Err(error) = to.write_all(&framed) {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "the other side hangs");
    }
}

/// The next token; `None` when the other side has ended, even if it did not read everything.
fn receive(mut from: impl Read) -> Option<(u8, Vec<u8>)> {
    let mut flags = [0];
    match from.read(&mut flags) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
        Err(error) => panic!("the other side hangs: {error}"),
    }
    let mut length = [0; 4];
    from.read_exact(&mut length).expect("a length");
    let mut token = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("64 bits")];
    from.read_exact(&mut token).expect("a token");
    Some((flags[0], token))
}

/// What `gss-client` sends to log in to a host, and what it says of the answer that `answer` makes of it:
/// whether it took it, and its words.
fn client(
    realm: &Realm,
    host: &str,
    options: &[&str],
    answer: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> (bool, String) {
    let options = [&["-nw", "-nx"], options].concat();
    client_sending(realm, host, &options, answer, |message| {
        assert_eq!(message, (flag::DATA, b"a message".to_vec()));
    })
}

/// The same with a message that may be protected, which `take` is given with its flags.
fn client_sending(
    realm: &Realm,
    host: &str,
    options: &[&str],
    answer: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    take: impl FnOnce((u8, Vec<u8>)),
) -> (bool, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (port, service) = (port.to_string(), format!("HTTP@{host}"));
    let own = ["-port", &port, "-nm"];
    let more = ["127.0.0.1", &service, "a message"];
    let args = [&own[..], options, &more].concat();
    let mut command = realm.command("gss-client", &args);
    std::thread::scope(|scope| {
        let ran = scope.spawn(move || run(&mut command, ""));
        let (stream, _) = listener.accept().expect("gss-client connects");
        stream.set_read_timeout(Some(HANGS)).expect("a socket");
        assert_eq!(
            receive(&stream),
            Some((flag::NOOP | flag::CONTEXT_NEXT, Vec::new()))
        );
        let (flags, token) = receive(&stream).expect("a login");
        assert_eq!(flags, flag::CONTEXT);
        if let Some(token) = answer(&token) {
            send(&stream, flag::CONTEXT, &token);
        }
        // Its message comes only if the answer was good enough.
        if let Some(message) = receive(&stream) {
            take(message);
            send(&stream, flag::NOOP, b"");
            assert_eq!(receive(&stream), Some((flag::NOOP, Vec::new())));
        }
        drop(stream);
        let output = ran.join().expect("it has run");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (said.contains("Response received"), said)
    })
}

/// Accepts a login that `gss-client` made without SPNEGO around it.
fn accepted(realm: &Realm, host: &str, options: &[&str]) -> Accepted {
    let keytab = realm.keytab();
    let mut accepted = None;
    let (taken, said) = client(realm, host, options, |token| {
        assert!(
            matches!(spnego::read(token), Ok(Message::Bare(mechanism, _)) if mechanism.is_kerberos())
        );
        let login =
            accept(token, &keytab, "HTTP", now()).unwrap_or_else(|why| panic!("{host}: {why}"));
        let reply = login.reply.clone();
        accepted = Some(login);
        reply
    });
    assert!(taken, "{host}: {said}");
    accepted.expect("gss-client sent it")
}

#[test]
fn what_gss_client_sends_is_accepted_and_it_takes_the_proof() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let hosts = ENCRYPTIONS.map(|(host, _)| format!("{host}.mit.test"));
    let more = ["mixed.mit.test".to_owned(), "mail.mit.test".to_owned()];
    for host in hosts.iter().chain(&more) {
        let login = accepted(&realm, host, &[]);
        assert_eq!(login.client.to_string(), "alice@MIT.TEST", "{host}");
        assert!(login.reply.is_some(), "{host}: it asks for a proof");
        assert!(login.binding.is_none(), "{host}");
        assert_eq!(login.ends, realm.ticket(host).ends, "{host}");
    }
    // Without a proof, with an order of messages, without watching for copies.
    let login = accepted(&realm, "mail.mit.test", &["-nomutual"]);
    assert!(login.reply.is_none());
    for options in [&["-seq"][..], &["-noreplay"], &["-seq", "-noreplay"]] {
        assert!(accepted(&realm, "mail.mit.test", options).reply.is_some());
    }
    // With a copy of the user's own tickets inside, which is of no use here.
    realm.kinit("alice", &["-f"]);
    let login = accepted(&realm, "mail.mit.test", &["-d"]);
    assert_eq!(login.client.to_string(), "alice@MIT.TEST");
}

#[test]
fn gss_client_takes_no_proof_that_is_not_its_own() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let keytab = realm.keytab();
    let other = accepted(&realm, "mail.mit.test", &[])
        .reply
        .expect("a proof");
    for changed in [false, true] {
        let (taken, said) = client(&realm, "mail.mit.test", &[], |token| {
            let mut reply = accept(token, &keytab, "HTTP", now())
                .expect("a good login")
                .reply?;
            if changed {
                *reply.last_mut()? ^= 1;
                Some(reply)
            } else {
                Some(other.clone())
            }
        });
        assert!(!taken, "{said}");
        assert!(
            said.contains("GSS-API error initializing context"),
            "{said}"
        );
    }
}

#[test]
fn a_negotiation_of_gss_client_ends_with_the_answer() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let keytab = realm.keytab();
    for (host, _) in ENCRYPTIONS {
        let host = format!("{host}.mit.test");
        for options in [&["-spnego"][..], &["-spnego", "-seq"]] {
            let (taken, said) = client(&realm, &host, options, |token| {
                let Ok(Message::Init {
                    mechanisms,
                    favourite: true,
                    token: Some(token),
                }) = spnego::read(token)
                else {
                    panic!("{host}: no first message of SPNEGO with a token");
                };
                let login = accept(token, &keytab, "HTTP", now()).expect("a good login");
                let reply = login.reply.as_deref();
                let first = mechanisms.first().copied();
                Some(spnego::respond(State::Completed, first, reply))
            });
            assert!(taken, "{host}: {said}");
        }
    }
    let (taken, said) = client(&realm, "mail.mit.test", &["-spnego"], |_| {
        Some(spnego::respond(State::Rejected, None, None))
    });
    assert!(!taken, "{said}");
}

#[test]
fn a_login_of_gss_client_is_refused_at_another_time_and_with_other_keys() {
    let realm = Realm::new();
    realm.kinit("alice", &["-l", "5s"]);
    let mut sent = Vec::new();
    client(&realm, "mail.mit.test", &["-nomutual"], |token| {
        sent = token.to_vec();
        None
    });
    let keytab = realm.keytab();
    assert!(accept(&sent, &keytab, "HTTP", now()).is_ok());
    for seconds in [-400, 400] {
        let refused = accept(&sent, &keytab, "HTTP", later(seconds)).unwrap_err();
        assert!(matches!(refused, Refused::Skew { .. }), "{refused}");
    }
    // The ticket of five seconds, with a login that is made when it has long ended.
    let ticket = realm.ticket("mail.mit.test");
    let (late, _) = ticket
        .login(None, Protection::default(), later(400))
        .expect("random numbers");
    let refused = accept(&late, &keytab, "HTTP", later(400)).unwrap_err();
    assert!(matches!(refused, Refused::Expired { .. }), "{refused}");
    // No key of the service.
    let [(file, other)] = ["other"].map(|name| path(&realm.desk, name));
    realm.kadmin(&[
        "ktadd",
        "-norandkey",
        "-k",
        &other,
        "HTTP/elsewhere.mit.test",
    ]);
    let other =
        Keytab::read(&std::fs::read(file).expect("ktadd has written it")).expect("a keytab");
    let refused = accept(&sent, &other, "HTTP", now()).unwrap_err();
    assert!(matches!(refused, Refused::WrongKey { .. }), "{refused}");
    let own = std::fs::read(realm.lab.var("LAB_USER_KEYTAB")).expect("the laboratory has made it");
    let own = Keytab::read(&own).expect("a keytab");
    assert!(accept(&sent, &own, "HTTP", now()).is_err());
    // No byte may be another behind the name of the service and the number of its key, which no seal covers.
    let host = b"mail.mit.test";
    let named = sent.windows(host.len()).position(|part| part == host);
    let sealed = named.expect("the ticket's service") + host.len() + 26;
    for at in 0..sent.len() {
        let mut changed = sent.clone();
        changed[at] ^= 0x10;
        if let Ok(login) = accept(&changed, &keytab, "HTTP", now()) {
            assert_eq!(login.client.to_string(), "alice@MIT.TEST", "byte {at}");
            assert!(at < sealed, "byte {at} of {}", sent.len());
        }
    }
}

/// Logs in to `gss-server` with a token, sends a message, and gives the answer to the token and what the
/// server logged.
fn server(realm: &Realm, host: &str, token: &[u8]) -> (Option<Vec<u8>>, String) {
    let message = |_: &[u8]| (flag::DATA, b"a message".to_vec());
    server_sent(realm, host, token, message)
}

/// The same with a message that may be protected, which `message` makes of the answer, with its flags.
fn server_sent(
    realm: &Realm,
    host: &str,
    token: &[u8],
    message: impl FnOnce(&[u8]) -> (u8, Vec<u8>),
) -> (Option<Vec<u8>>, String) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    ours.set_read_timeout(Some(HANGS)).expect("a socket");
    let (file, log) = path(&realm.desk, "gss-server.log");
    _ = std::fs::remove_file(&file);
    let keytab = realm.lab.var("LAB_KEYTAB");
    let service = format!("HTTP@{host}");
    let args = [
        "-inetd", "-verbose", "-logfile", &log, "-keytab", keytab, &service,
    ];
    let mut child = realm
        .command("gss-server", &args)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("gss-server is installed");
    send(&ours, flag::NOOP | flag::CONTEXT_NEXT, b"");
    send(&ours, flag::CONTEXT, token);
    let answer = receive(&ours).map(|(flags, token)| {
        assert_eq!(flags, flag::CONTEXT);
        token
    });
    if let Some(answer) = &answer {
        let (flags, message) = message(answer);
        send(&ours, flags, &message);
        // It ends without a word when it has refused.
        if receive(&ours) == Some((flag::NOOP, Vec::new())) {
            send(&ours, flag::NOOP, b"");
        }
    }
    drop(ours);
    child.wait().expect("it was started here");
    (answer, std::fs::read_to_string(&file).unwrap_or_default())
}

#[track_caller]
fn let_in(log: &str) {
    for words in [
        "GSS_C_MUTUAL_FLAG",
        "Accepted connection using mechanism OID { 1 2 840 113554 1 2 2 }",
        "Received message: \"a message\"",
    ] {
        assert!(log.contains(words), "no {words} in: {log}");
    }
}

#[test]
fn gss_server_accepts_a_login_and_proves_itself() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    for (host, _) in [&ENCRYPTIONS[..], &[("mixed", ""), ("mail", "")]].concat() {
        let host = format!("{host}.mit.test");
        realm.kvno(&host);
        let ticket = realm.ticket(&host);
        for binding in [None, Binding::to_server(&certificate(&realm))] {
            let (token, proof) = ticket
                .login(binding, Protection::default(), now())
                .expect("random numbers");
            let (answer, log) = server(&realm, &host, &token);
            let_in(&log);
            assert!(proof.is(&answer.expect("a proof")), "{host}");
            // The proof of one login is none of another.
            let (_, other) = ticket
                .login(binding, Protection::default(), now())
                .expect("random numbers");
            let (token, _) = ticket
                .login(binding, Protection::default(), now())
                .expect("random numbers");
            let (answer, _) = server(&realm, &host, &token);
            assert!(!other.is(&answer.expect("a proof")), "{host}");
        }
    }
}

#[test]
fn gss_server_accepts_a_negotiation() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let (windows, kerberos) = (Mechanism::KerberosOfWindows, Mechanism::Kerberos);
    for (host, _) in ENCRYPTIONS {
        let host = format!("{host}.mit.test");
        realm.kvno(&host);
        for listed in [&[kerberos][..], &[kerberos, windows], &[windows, kerberos]] {
            let (token, proof) = realm
                .ticket(&host)
                .login(None, Protection::default(), now())
                .expect("random numbers");
            let (answer, log) = server(&realm, &host, &spnego::init(listed, &token));
            let_in(&log);
            let answer = answer.expect("an answer");
            let (state, inside) = spnego::read_response(&answer).expect("an answer of SPNEGO");
            assert_eq!(state, State::Completed, "{host}: {listed:?}");
            assert!(proof.is(inside.expect("a proof")), "{host}: {listed:?}");
        }
    }
}

#[test]
fn gss_server_refuses_what_is_refused_here() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    realm.kvno("mail.mit.test");
    let ticket = realm.ticket("mail.mit.test");
    let good = ticket
        .login(None, Protection::default(), now())
        .expect("random numbers")
        .0;
    let mut changed = good.clone();
    *changed.last_mut().expect("a token") ^= 1;
    let late = ticket
        .login(None, Protection::default(), later(400))
        .expect("random numbers")
        .0;
    for token in [changed, late] {
        assert!(accept(&token, &realm.keytab(), "HTTP", now()).is_err());
        let (_, log) = server(&realm, "mail.mit.test", &token);
        assert!(!log.contains("Received message"), "{log}");
        assert!(log.contains("GSS-API error accepting context"), "{log}");
    }
    let (_, log) = server(&realm, "mail.mit.test", &good);
    let_in(&log);
}

/// The certificate of the laboratory's service, as a client sees it.
fn certificate(realm: &Realm) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let read = CertificateDer::from_pem_file(realm.lab.var("LAB_CERT"));
    read.expect("the laboratory has made it").to_vec()
}

#[test]
fn messages_that_gss_client_protects_are_read_and_those_protected_here_gss_server_reads() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let keytab = realm.keytab();
    let aes = ENCRYPTIONS.iter().filter(|(host, _)| *host != "rc4");
    for (host, _) in aes {
        let host = format!("{host}.mit.test");
        for (options, expected) in [
            (&[][..], flag::DATA | flag::WRAPPED | flag::ENCRYPTED),
            (&["-nx"], flag::DATA | flag::WRAPPED),
        ] {
            let is_encrypted = expected & flag::ENCRYPTED != 0;
            let context = RefCell::new(None);
            let (taken, said) = client_sending(
                &realm,
                &host,
                options,
                |token| {
                    let login = accept(token, &keytab, "HTTP", now()).expect("a good login");
                    context.replace(Some(login.context().expect("a key of AES")));
                    login.reply
                },
                |(flags, message)| {
                    assert_eq!(flags, expected, "{host}");
                    let mut context = context.take().expect("it has logged in");
                    let text = context.unwrap(&message, is_encrypted);
                    assert_eq!(*text.expect("a good message"), b"a message", "{host}");
                },
            );
            assert!(taken, "{host}: {said}");

            realm.kvno(&host);
            let login = realm
                .ticket(&host)
                .login(None, Protection::Seal, now())
                .expect("random numbers");
            let (_, log) = server_sent(&realm, &host, &login.0, |answer| {
                let context = login.1.context(answer).expect("a proof");
                let message = context
                    .expect("a key of AES")
                    .wrap(b"a message", is_encrypted);
                (expected, message.expect("random numbers"))
            });
            let_in(&log);
        }
    }
}
