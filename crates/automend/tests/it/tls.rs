//! What may go over a connection and what may not: certificates, StartTLS, clear text, passwords.
//!
//! Each refusal is checked on both sides: the binary says why, and no password reached the server.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::ldap_server::ber::{ber, octets};
use crate::ldap_server::{Act, BASE, Object, Op, Server, Tls, message_of};
use crate::tool::{Bench, Run, findings};

const PASSWORD: &str = "Wint3r-Regen";

/// A certificate authority that a test makes for itself.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // Each has a name of its own, so that no one takes one for another.
        let name: String = key
            .public_key_raw()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .take(16)
            .collect();
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// The configuration of a server with a certificate for `name`, valid from one year to another.
    fn server(&self, name: &str, from: i32, to: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    /// A certificate with which nothing is wrong.
    fn good(&self) -> Arc<ServerConfig> {
        self.server("127.0.0.1", 2020, 4000)
    }
}

fn company() -> Vec<Object> {
    vec![
        Object::mailbox("Alice"),
        Object::disabled("Jim").opened_for(["Alice"]),
    ]
}

fn honest(tls: Tls) -> Server {
    Server::with_tls(company(), tls, |_, _| Act::Answer)
}

/// A folder with the authority's certificate and a password in it.
fn bench(authority: &Authority) -> Bench {
    let bench = Bench::new();
    bench
        .file("ca.pem", &authority.pem)
        .file("password", format!("{PASSWORD}\n"));
    bench
}

fn audit(bench: &Bench, url: &str, more: &[&str]) -> Run {
    let login = [
        "-u",
        "audit@contoso.test",
        "--password-file",
        "password",
        "--timeout",
        "5",
        "--format",
        "json",
    ];
    let run = bench.automend(&[&["audit", "-d", url], login.as_slice(), more].concat());
    assert!(
        !format!("{run}").contains(PASSWORD),
        "the password is in the output"
    );
    run
}

fn ldaps(server: &Server) -> String {
    format!("ldaps://127.0.0.1:{}", server.port)
}

#[test]
fn a_certificate_of_a_given_authority_is_good() {
    let authority = Authority::new();
    let server = honest(Tls::AtOnce(authority.good()));
    let run = audit(&bench(&authority), &ldaps(&server), &["--ca", "ca.pem"]).exits(1);
    assert_eq!(findings(&run.json()), ["AM101 Jim: Alice"]);
    assert_eq!(server.held().passwords(), [(PASSWORD.to_owned(), true)]);
}

#[test]
fn the_authority_may_stand_in_the_configuration() {
    let authority = Authority::new();
    let server = honest(Tls::AtOnce(authority.good()));
    let bench = bench(&authority);
    bench.file(
        "automend.toml",
        format!("directory = \"{}\"\nca = \"ca.pem\"\n", ldaps(&server)),
    );
    bench.automend(&["audit"]).exits(1).says("AM101");
}

/// Says why it does not trust the server, and gives it nothing.
#[track_caller]
fn distrusts(bench: &Bench, config: Arc<ServerConfig>, more: &[&str], why: &str) {
    for tls in [Tls::AtOnce(Arc::clone(&config)), Tls::OnRequest(config)] {
        let on_request = matches!(tls, Tls::OnRequest(_));
        let server = honest(tls);
        let url = if on_request {
            server.url()
        } else {
            ldaps(&server)
        };
        let start = if on_request {
            ["--start-tls"].as_slice()
        } else {
            &[]
        };
        audit(bench, &url, &[more, start].concat())
            .exits(2)
            .warns(why)
            .warns(&url);
        assert_eq!(server.held().passwords(), []);
        assert!(
            !server
                .held()
                .asked
                .iter()
                .any(|request| matches!(request.op, Op::Search(_)))
        );
    }
}

#[test]
fn an_unknown_authority_is_refused() {
    let authority = Authority::new();
    let why = "the server's certificate is not issued by a trusted authority; add the authority with --ca FILE";
    distrusts(
        &bench(&Authority::new()),
        authority.good(),
        &["--ca", "ca.pem"],
        why,
    );
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let expired = authority.server("127.0.0.1", 2001, 2002);
    distrusts(
        &bench(&authority),
        expired,
        &["--ca", "ca.pem"],
        "the server's certificate has expired",
    );
}

#[test]
fn a_certificate_of_the_future_is_refused() {
    let authority = Authority::new();
    let early = authority.server("127.0.0.1", 3998, 3999);
    distrusts(
        &bench(&authority),
        early,
        &["--ca", "ca.pem"],
        "not valid yet; check the clock",
    );
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let other = authority.server("dc1.contoso.test", 2020, 4000);
    distrusts(
        &bench(&authority),
        other,
        &["--ca", "ca.pem"],
        "the server's certificate is for another name",
    );
}

#[test]
fn an_authority_file_that_holds_no_certificate_is_told() {
    let authority = Authority::new();
    let server = honest(Tls::AtOnce(authority.good()));
    let bench = bench(&authority);
    bench.file("empty.pem", "").file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for name in ["empty.pem", "missing.pem", "broken.pem"] {
        audit(&bench, &ldaps(&server), &["--ca", name])
            .exits(2)
            .warns(name);
    }
    assert_eq!(server.held().passwords(), []);
}

#[test]
fn a_server_without_tls_is_told_from_one_with_a_bad_certificate() {
    let server = honest(Tls::None);
    audit(&bench(&Authority::new()), &ldaps(&server), &[])
        .exits(2)
        .warns("TLS failed")
        .warns(&ldaps(&server));
    assert_eq!(server.held().passwords(), []);
}

#[test]
fn start_tls_protects_the_password_and_everything_after_it() {
    let authority = Authority::new();
    let server = honest(Tls::OnRequest(authority.good()));
    let run = audit(
        &bench(&authority),
        &server.url(),
        &["--ca", "ca.pem", "--start-tls"],
    )
    .exits(1);
    assert_eq!(findings(&run.json()), ["AM101 Jim: Alice"]);
    assert_eq!(server.held().passwords(), [(PASSWORD.to_owned(), true)]);
    let clear: Vec<String> = server
        .held()
        .asked
        .iter()
        .filter(|request| !request.protected)
        .map(|request| format!("{:?}", request.op))
        .collect();
    assert_eq!(clear, [r#"Extended { oid: "1.3.6.1.4.1.1466.20037" }"#]);
}

#[test]
fn a_server_that_refuses_start_tls_gets_no_password() {
    for act in [
        Act::Refuse(52, "no TLS today"),
        Act::Refuse(2, "unknown"),
        Act::Close,
    ] {
        let server = Server::with_tls(company(), Tls::None, move |request, _| match request.op {
            Op::Extended { .. } => act.clone(),
            _ => Act::Answer,
        });
        audit(&bench(&Authority::new()), &server.url(), &["--start-tls"])
            .exits(2)
            .warns("StartTLS")
            .warns(&server.url());
        assert_eq!(server.held().asked.len(), 1);
        // What was asked to be protected isn't sent in the clear, whatever else is allowed.
        audit(
            &bench(&Authority::new()),
            &server.url(),
            &["--start-tls", "--allow-plaintext"],
        )
        .exits(2)
        .warns("StartTLS");
        assert_eq!(server.held().passwords(), []);
    }
}

#[test]
fn text_in_the_clear_behind_the_start_tls_answer_is_refused() {
    let authority = Authority::new();
    let server =
        Server::with_tls(
            company(),
            Tls::OnRequest(authority.good()),
            |request, _| match request.op {
                Op::Extended { .. } => {
                    let forged = ber(0x61, &[&ber(0x0a, &[&[0]]), &octets(BASE), &octets("")]);
                    Act::StartTlsAnd(message_of(2, &forged, None))
                }
                _ => Act::Answer,
            },
        );
    audit(
        &bench(&authority),
        &server.url(),
        &["--ca", "ca.pem", "--start-tls"],
    )
    .exits(2)
    .warns("StartTLS")
    .warns("bytes in the clear behind the StartTLS answer");
    assert_eq!(server.held().passwords(), []);
}

#[test]
fn clear_text_has_to_be_allowed() {
    let server = honest(Tls::None);
    audit(&bench(&Authority::new()), &server.url(), &[])
        .exits(2)
        .warns("refusing clear text")
        .warns("--allow-plaintext");
    assert_eq!(server.held().asked.len(), 0);
    audit(
        &bench(&Authority::new()),
        &server.url(),
        &["--allow-plaintext"],
    )
    .exits(1);
    assert_eq!(server.held().passwords(), [(PASSWORD.to_owned(), false)]);
}

#[test]
fn a_password_never_goes_in_clear_text_to_another_machine() {
    let bench = bench(&Authority::new());
    // These addresses are of this machine or of no one; that isn't looked at, let alone connected to.
    for host in [
        "dc1.contoso.invalid",
        "127.0.0.1.contoso.invalid",
        "192.0.2.7",
        "[2001:db8::7]",
        "0.0.0.0",
    ] {
        let url = format!("ldap://{host}:3899");
        audit(&bench, &url, &["--auth", "simple", "--allow-plaintext"])
            .exits(2)
            .warns("refusing to send a password in clear text to another machine")
            .warns(&url);
    }
}

#[test]
fn every_controller_of_a_fix_is_held_to_the_same_rules() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = honest(Tls::AtOnce(authority.good()));
    let other = honest(Tls::AtOnce(stranger.good()));
    let bench = bench(&authority);
    let (url, second, plain) = (ldaps(&server), ldaps(&other), other.url());
    let run = bench
        .automend(&[
            "fix",
            "-d",
            &url,
            "--ca",
            "ca.pem",
            "-u",
            "a@b",
            "--password-file",
            "password",
            "--yes",
            "--receipt",
            "r.ldif",
            "--dc",
            &second,
            "--dc",
            &plain,
            "--replication-timeout",
            "1",
        ])
        .exits(1)
        .says("not issued by a trusted authority")
        .says("refusing clear text");
    assert!(!format!("{run}{}", bench.read("r.ldif")).contains(PASSWORD));
    assert_eq!(other.held().passwords(), []);
    assert_eq!(server.held().passwords(), [(PASSWORD.to_owned(), true)]);
}
