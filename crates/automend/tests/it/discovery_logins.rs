//! `automend test` and servers that speak NTLM and Negotiate, rightly and wrongly.
//!
//! The servers here only play the messages ([MS-NLMP] 2.2.1); whether a proof is right they do not know.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::tool::{Bench, Run};
use crate::web::pages::{PASSWORD, USER, challenge, settings, status, xml};
use crate::web::{Does, Heard, World};

const HOST: &str = "autodiscover.contoso.test";

/// A CHALLENGE_MESSAGE: Unicode, NTLM, extended security, target information, 128 and 56 bits.
fn ntlm_challenge() -> String {
    let name: Vec<u8> = "CONTOSO"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let length = u16::try_from(name.len()).unwrap();
    let mut info = Vec::new();
    // MsvAvNbDomainName, and the end.
    info.extend(2u16.to_le_bytes());
    info.extend(length.to_le_bytes());
    info.extend(&name);
    info.extend([0; 4]);
    let mut message = b"NTLMSSP\0".to_vec();
    message.extend(2u32.to_le_bytes());
    let field = |length: usize, at: usize| -> Vec<u8> {
        let length = u16::try_from(length).unwrap().to_le_bytes();
        let at = u32::try_from(at).unwrap().to_le_bytes();
        [&length[..], &length[..], &at[..]].concat()
    };
    message.extend(field(name.len(), 56));
    message.extend(0xa089_8205_u32.to_le_bytes());
    message.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    message.extend([0; 8]);
    message.extend(field(info.len(), 56 + name.len()));
    message.extend([10, 0, 0x63, 0x45, 0, 0, 0, 15]);
    message.extend(&name);
    message.extend(&info);
    STANDARD.encode(message)
}

/// The number of an NTLM message in an `Authorization` header.
fn ntlm_message(heard: &Heard) -> Option<u8> {
    let token = heard.header("authorization")?.strip_prefix("NTLM ")?;
    let bytes = STANDARD.decode(token).ok()?;
    bytes
        .starts_with(b"NTLMSSP\0")
        .then(|| bytes.get(8).copied())?
}

/// Plays NTLM; what follows the proof is `then`.
fn ntlm(heard: &Heard, then: impl FnOnce() -> Does) -> Does {
    match ntlm_message(heard) {
        Some(1) => challenge(&[&format!("NTLM {}", ntlm_challenge())]),
        Some(3) => then(),
        _ => challenge(&["Negotiate", "NTLM"]),
    }
}

#[track_caller]
fn ask(script: fn(&Heard) -> Does, more: &[&str], verdict: &str, cause: &str) -> (World, Run) {
    let mut world = World::new(&[]);
    world.https(HOST, script);
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    bench.file("password", format!("{PASSWORD}\n"));
    let flags = world.flags();
    // No one listens there, so there are no tickets.
    let mut arguments = vec![
        "test",
        USER,
        "--password-file",
        "password",
        "--format",
        "json",
        "--timeout",
        "5",
        "--kdc",
        "127.0.0.1:1",
    ];
    arguments.extend(flags.iter().map(String::as_str));
    arguments.extend(more);
    let run = bench.automend(&arguments);
    let report = run.json();
    let found = report["cause"].as_str().unwrap_or("-");
    assert_eq!(
        (report["verdict"].as_str().unwrap(), found),
        (verdict, cause),
        "{run}"
    );
    for login in world.server(HOST, 443).logins() {
        assert!(!login.starts_with("Basic"), "the password itself went out");
    }
    (world, run)
}

#[test]
fn ntlm_alone_is_enough_and_stays_on_one_connection() {
    let (world, run) = ask(
        |heard| match ntlm_message(heard) {
            None => challenge(&["NTLM"]),
            _ => ntlm(heard, || xml(settings())),
        },
        &[],
        "ok",
        "-",
    );
    let heard = world.server(HOST, 443).heard();
    let messages: Vec<Option<u8>> = heard.iter().map(ntlm_message).collect();
    assert_eq!(messages, [None, Some(1), Some(3)]);
    assert_eq!(heard[1].connection, heard[2].connection);
    let exchanges = run.json()["steps"].as_array().unwrap().last().unwrap()["requests"].clone();
    let logins: Vec<&Value> = exchanges
        .as_array()
        .unwrap()
        .iter()
        .map(|exchange| &exchange["login"])
        .collect();
    assert_eq!(
        logins,
        [&Value::Null, &Value::from("NTLM"), &Value::from("NTLM")]
    );
}

#[test]
fn where_kerberos_has_no_tickets_ntlm_stands_in_for_it() {
    ask(|heard| ntlm(heard, || xml(settings())), &[], "ok", "-");
}

#[test]
fn negotiate_alone_without_tickets_is_no_reason_to_send_the_password() {
    ask(
        |_| challenge(&["Negotiate", "Basic realm=\"x\""]),
        &[],
        "failed",
        "login-failed",
    );
}

#[test]
fn a_rejected_proof_is_a_rejected_login() {
    let (world, run) = ask(
        |heard| ntlm(heard, || challenge(&["Negotiate", "NTLM"])),
        &[],
        "failed",
        "login-rejected",
    );
    let proofs = world
        .server(HOST, 443)
        .heard()
        .iter()
        .filter(|heard| ntlm_message(heard) == Some(3))
        .count();
    assert_eq!(proofs, 1);
    // Extended Protection rejects in the same way: what the login was bound to, and how to compare it.
    let report = run.json();
    let told = report["explanation"].as_str().unwrap();
    let bound =
        "bound by tls-server-end-point to the certificate CN=rcgen self signed cert, SHA-256 ";
    let (_, rest) = told.split_once(bound).unwrap_or_else(|| panic!("{run}"));
    let digits = rest.get(..95).unwrap().split(':');
    assert!(
        digits
            .clone()
            .all(|two| u8::from_str_radix(two, 16).is_ok())
    );
    assert_eq!(digits.count(), 32);
    let command = "openssl s_client -connect SERVER:443 -servername autodiscover.contoso.test </dev/null \
        | openssl x509 -noout -subject -fingerprint -sha256";
    assert!(told.contains("Extended Protection"), "{told}");
    assert!(
        report["advice"].as_str().unwrap().contains(command),
        "{run}"
    );
    let step = report["steps"].as_array().unwrap().last().unwrap();
    assert!(step["detail"].as_str().unwrap().contains(bound), "{run}");
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    bench.file("password", format!("{PASSWORD}\n"));
    let flags = world.flags();
    let mut arguments = vec![
        "test",
        USER,
        "--password-file",
        "password",
        "--kdc",
        "127.0.0.1:1",
    ];
    arguments.extend(flags.iter().map(String::as_str));
    bench
        .automend(&arguments)
        .exits(1)
        .says(bound)
        .says(command);
}

#[test]
fn basic_only_after_ntlm_gets_nothing() {
    ask(
        |heard| ntlm(heard, || challenge(&["Basic realm=\"mail\""])),
        &[],
        "failed",
        "login-downgrade",
    );
    // Also where it is offered instead of a challenge.
    ask(
        |heard| match ntlm_message(heard) {
            Some(_) => challenge(&["Basic realm=\"mail\""]),
            None => challenge(&["NTLM", "Basic realm=\"mail\""]),
        },
        &[],
        "failed",
        "login-downgrade",
    );
}

#[test]
fn a_challenge_that_cannot_be_read_is_no_crash() {
    for script in [
        (|heard: &Heard| match ntlm_message(heard) {
            Some(_) => challenge(&["NTLM !!!!"]),
            None => challenge(&["NTLM"]),
        }) as fn(&Heard) -> Does,
        |heard| match ntlm_message(heard) {
            Some(_) => challenge(&["NTLM TlRMTVNTUAACAAAA"]),
            None => challenge(&["NTLM"]),
        },
    ] {
        let (_, run) = ask_any(script);
        assert_eq!(run.code, Some(1), "{run}");
    }
}

#[track_caller]
fn ask_any(script: fn(&Heard) -> Does) -> (World, Run) {
    let mut world = World::new(&[]);
    world.https(HOST, script);
    let bench = Bench::new();
    bench.file("ca.pem", &world.authority.pem);
    bench.file("password", format!("{PASSWORD}\n"));
    let flags = world.flags();
    let mut arguments = vec![
        "test",
        USER,
        "--password-file",
        "password",
        "--format",
        "json",
        "--kdc",
        "127.0.0.1:1",
    ];
    arguments.extend(flags.iter().map(String::as_str));
    let run = bench.automend(&arguments);
    let cause = run.json()["cause"].as_str().unwrap().to_owned();
    assert!(
        ["login-failed", "login-rejected"].contains(&cause.as_str()),
        "{run}"
    );
    (world, run)
}

#[test]
fn a_connection_that_ends_in_the_middle_of_a_login_says_so() {
    ask(
        |heard| match ntlm_message(heard) {
            Some(1) => Does::Answers(
                401,
                vec![
                    ("WWW-Authenticate", format!("NTLM {}", ntlm_challenge())),
                    ("Connection", "close".to_owned()),
                ],
                Vec::new(),
            ),
            Some(_) => status(500),
            None => challenge(&["NTLM"]),
        },
        &[],
        "failed",
        "login-failed",
    );
}
