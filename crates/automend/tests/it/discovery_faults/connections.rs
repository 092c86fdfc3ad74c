//! Connections that break or hang, and servers that cannot prove their name.

use super::*;

/// Connections.
#[test]
fn a_connection_that_breaks_or_hangs_says_where() {
    const HALF: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<?xml version=\"1.0\"?><Auto";
    for case in [
        Case {
            what: "it hangs before the answer",
            servers: &[(HOST, At::Https(|_| Does::Hangs))],
            cause: Some("time-limit"),
            patience: "1",
            ..CASE
        },
        Case {
            what: "it hangs after the login",
            servers: &[(HOST, At::Mail(|_| Does::Hangs))],
            cause: Some("time-limit"),
            patience: "1",
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it hangs inside the answer",
            servers: &[(HOST, At::Mail(|_| Does::SaysAndHangs(HALF.to_vec())))],
            cause: Some("time-limit"),
            patience: "1",
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it hangs in the handshake",
            servers: &[(HOST, At::Behind(|_, _| Certificate::Silent))],
            cause: Some("time-limit"),
            patience: "1",
            ..CASE
        },
        Case {
            what: "it closes before the answer",
            servers: &[(HOST, At::Https(|_| Does::Closes))],
            cause: Some("connection-lost"),
            ..CASE
        },
        Case {
            what: "it closes inside the answer",
            servers: &[(HOST, At::Mail(|_| Does::Says(HALF.to_vec())))],
            cause: Some("answer-cut"),
            logins: &[HOST],
            ..CASE
        },
        Case {
            what: "it resets the connection",
            servers: &[(HOST, At::Behind(|_, _| Certificate::Reset))],
            cause: Some("connection-lost"),
            ..CASE
        },
        Case {
            what: "no HTTP",
            servers: &[(
                HOST,
                At::Https(|_| Does::Says(b"220 mail.contoso.test ESMTP\r\n".to_vec())),
            )],
            cause: Some("not-http"),
            ..CASE
        },
    ] {
        check(&case);
    }
}

/// Ports at which no one speaks TLS.
#[test]
fn a_port_without_tls_is_given_up_soon_and_told_as_what_it_is() {
    for case in [
        Case {
            what: "a port that says nothing",
            servers: &[(HOST, At::Behind(|_, _| Certificate::Silent))],
            cause: Some("tls-silent"),
            ..CASE
        },
        Case {
            what: "an SRV record with the port of plain HTTP",
            servers: &[("mail.contoso.test", At::Http(|_| status(404)))],
            dns: &[(
                "_autodiscover._tcp.contoso.test",
                Is::Served(&[(0, 0, 80, "mail.contoso.test")]),
            )],
            cause: Some("tls-not-spoken"),
            ..CASE
        },
    ] {
        let (report, run) = check(&case);
        let mut steps = report["steps"].as_array().unwrap().iter();
        let step = steps.find(|step| step["cause"] == report["cause"]).unwrap();
        assert!(step["ms"].as_f64().unwrap() < 5000.0, "{run}");
    }
}

/// The certificate of one's own directory.
#[test]
fn a_directory_that_is_not_trusted_is_told_as_that() {
    let mut world = World::new(&[]);
    world.https(HOST, |heard| behind_basic(heard, || xml(settings())));
    let stranger = crate::web::certificate::Authority::new().good("localhost");
    let directory = Server::start(Some(stranger), |_| Does::Closes);
    let url = format!("ldaps://localhost:{}", directory.port);
    let (report, run) = ask(&world, "10", &["--directory", &url]);
    let mut steps = report["steps"].as_array().unwrap().iter();
    let step = steps.find(|step| step["step"] == "scp").unwrap();
    assert_eq!(step["cause"], "directory-untrusted", "{run}");
}

/// Certificates and versions of TLS.
#[test]
fn no_password_goes_to_a_server_that_cannot_prove_its_name() {
    macro_rules! certificates {
        ($($what:literal: $certificate:expr => $cause:literal,)*) => {
            [$(Case {
                what: $what,
                servers: &[(HOST, At::Behind($certificate))],
                cause: Some($cause),
                ..CASE
            },)*]
        };
    }
    for case in certificates! {
        "expired": |world, host| world.authority.signed(host, 2019, 2020) => "certificate-expired",
        "not valid yet": |world, host| world.authority.signed(host, 3000, 4000) => "certificate-not-yet-valid",
        "for another name": |world, _| world.authority.good("www.contoso.test") => "certificate-wrong-name",
        "for the domain only": |world, _| world.authority.good(ROOT) => "certificate-wrong-name",
        "signs itself": |_, host| self_signed(host, false) => "certificate-untrusted",
        "signs itself as an authority": |_, host| self_signed(host, true) => "certificate-untrusted",
        "of an unknown authority": |_, host| crate::web::certificate::Authority::new().good(host) => "certificate-untrusted",
        "TLS 1.0 only, with an alert": |_, _| Certificate::Old(TLS_1_0_ALERT) => "tls-too-old",
        "TLS 1.0 only, with a hello": |_, _| Certificate::Old(TLS_1_0_HELLO) => "tls-too-old",
        "an alert that says no": |_, _| Certificate::Old(&[21, 3, 3, 0, 2, 2, 40]) => "tls-failed",
        "plain HTTP": |_, _| Certificate::Speaks(b"HTTP/1.1 400 Bad Request\r\n\r\n") => "tls-not-spoken",
        "SMTP": |_, _| Certificate::Speaks(b"220 mail ESMTP\r\n") => "tls-not-spoken",
    } {
        let (report, _) = check(&case);
        let insecure = Case {
            what: case.what,
            servers: case.servers,
            more: &["--insecure"],
            cause: case.cause,
            ..CASE
        };
        // One goes on for looking, and the password stays here.
        let (looked, run) = check(&insecure);
        let is_certificate = case
            .cause
            .is_some_and(|cause| cause.starts_with("certificate-"));
        let told = looked["explanation"].as_str().unwrap();
        assert_eq!(
            told.contains("behind it: a login is wanted, by Basic"),
            is_certificate,
            "{run}"
        );
        assert!(report["outlook"]["code"].as_str().is_some(), "{run}");
    }
}
