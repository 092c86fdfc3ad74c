//! Proxies in front of the service: whose address counts, and what is believed from them alone.

use super::*;
use crate::served::Wire;

const PROXY: &str = "127.0.0.9";

/// Failures of three are tolerated, and one proxy is believed.
fn served() -> Served {
    let configuration =
        "[serve]\nproxies = [\"127.0.0.9\"]\n\n[serve.limits]\nfailures-per-address = 3\n";
    Served::with(&matrix(), configuration, &[])
}

fn asked<'a>(user: &'a str, password: &'a str, header: (&'a str, &'a str)) -> Ask<'a> {
    Ask::post(POX, outlook("amy@contoso.com"))
        .with(header.0, header.1)
        .basic(user, password)
}

/// What the service says to one request from an address.
fn from(served: &Served, address: &str, ask: &Ask<'_>) -> u16 {
    let mut wire = served.connect_from(address.parse().unwrap());
    wire.ask(ask).status
}

#[test]
fn failures_behind_a_proxy_count_for_who_made_them() {
    let served = served();
    let guess = |n: u8, header: (&str, &str)| {
        let user = format!("nobody-{n}@contoso.com");
        from(&served, PROXY, &asked(&user, "wrong", header))
    };
    let right = |address: &str, header: (&str, &str)| {
        from(
            &served,
            address,
            &asked("amy@contoso.com", PASSWORD, header),
        )
    };
    // What stands left of the proxy's own word changes with each request and helps no one.
    for n in 0..3 {
        let list = format!("192.0.2.{n}, 203.0.113.9");
        assert_eq!(guess(n, ("X-Forwarded-For", &list)), 401);
    }
    assert_eq!(guess(9, ("X-Forwarded-For", "203.0.113.9")), 429);
    assert_eq!(guess(9, ("Forwarded", "for=203.0.113.9;proto=https")), 429);
    served.logged(|line| {
        line["peer"] == "203.0.113.9" && line["reason"] == "too many failed logins from 203.0.113.9"
    });
    // Everybody else behind the same proxy gets in, and so does the proxy itself.
    assert_eq!(right(PROXY, ("X-Forwarded-For", "203.0.113.10")), 200);
    assert_eq!(right(PROXY, ("X-Other", "x")), 200);
    // Anyone who is no proxy cannot have others shut out, nor get away.
    for n in 20..23 {
        let user = format!("nobody-{n}@contoso.com");
        let ask = asked(&user, "wrong", ("X-Forwarded-For", "203.0.113.11"));
        assert_eq!(from(&served, "127.0.0.2", &ask), 401);
    }
    let ask = asked("x@contoso.com", "y", ("X-Forwarded-For", "203.0.113.12"));
    assert_eq!(from(&served, "127.0.0.2", &ask), 429);
    assert_eq!(
        from(
            &served,
            PROXY,
            &asked("zoe@contoso.com", "y", ("X-Forwarded-For", "203.0.113.11"))
        ),
        401
    );
}

/// The header of a proxy that passes TLS through.
fn announced(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend(client);
    header.extend([127, 0, 0, 1, 0x10, 0x20, 1, 0xbb]);
    header
}

#[test]
fn a_proxy_announces_its_client_before_the_handshake() {
    use std::io::Write as _;
    let served = served();
    let ask = |client: Option<[u8; 4]>, user: &str, password: &str| {
        let mut socket = served.socket_of(PROXY.parse().unwrap());
        if let Some(client) = client {
            socket.write_all(&announced(client)).unwrap();
        }
        Wire::secure(socket, &served.tls())
            .ask(&asked(user, password, ("X-Forwarded-For", "198.51.100.1")))
            .status
    };
    for n in 0..3 {
        let user = format!("nobody-{n}@contoso.com");
        assert_eq!(ask(Some([203, 0, 113, 7]), &user, "wrong"), 401);
    }
    assert_eq!(
        ask(Some([203, 0, 113, 7]), "nobody@contoso.com", "wrong"),
        429
    );
    served.logged(|line| line["peer"] == "203.0.113.7");
    assert_eq!(
        ask(Some([203, 0, 113, 8]), "amy@contoso.com", PASSWORD),
        200
    );
    assert_eq!(ask(None, "amy@contoso.com", PASSWORD), 200);
    // From no one else, and nothing that is broken.
    for (from, header) in [
        ("127.0.0.2", announced([203, 0, 113, 8])),
        (PROXY, {
            let mut header = announced([203, 0, 113, 8]);
            header[12] = 0x31;
            header
        }),
    ] {
        let mut socket = served.socket_of(from.parse().unwrap());
        socket.write_all(&header).unwrap();
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut socket, &mut rest);
        assert!(!rest.starts_with(b"\x16"), "a handshake after {header:x?}");
    }
}

#[test]
fn a_network_that_is_none_is_told_with_its_line() {
    for text in ["10.0.0.0/33", "proxy.contoso.com", ""] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("d.ldif"), matrix()).unwrap();
        let configuration = format!("[serve]\nproxies = [\"{text}\"]\n");
        std::fs::write(folder.path().join("automend.toml"), configuration).unwrap();
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_automend"))
            .args(["serve", "--directory", "d.ldif", "--check"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains("automend.toml:2: proxies: "), "{said}");
    }
}

#[test]
fn the_admin_listener_answers_while_clients_hold_every_connection() {
    let configuration = "[serve.limits]\nconnections = 3\n";
    let served = Served::with(&matrix(), configuration, &[]);
    let held: Vec<_> = (0..3).map(|_| served.connect()).collect();
    let mut one_more = served.socket();
    let _ = std::io::Read::read_to_end(&mut one_more, &mut Vec::new());
    served.admin("/healthz").is(200);
    drop(held);
}
