//! Logins of NTLM that were made for another service, or on another connection.

use automend_negotiate::Binding;
use automend_negotiate::ntlm::Client;
use rustls::pki_types::CertificateDer;

use super::super::{Channel, ChannelBinding, Expected};
use super::*;

const OURS: &str = "HTTP/mail.contoso.test";

fn certificate(name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    made.cert.der().clone()
}

struct Scene {
    company: Company,
    shown: CertificateDer<'static>,
}

impl Scene {
    /// What becomes of a login for this service, bound to this certificate; and why.
    async fn log_in(
        &self,
        setting: ChannelBinding,
        service: &str,
        bound_to: Option<&CertificateDer<'_>>,
        change: impl Fn(&mut Vec<u8>),
    ) -> Result<String, String> {
        let expected = Expected::new(setting, ["autodiscover.contoso.test"], &[]);
        let channel = Channel::of(self.shown.clone(), &[]);
        let mut connection = Connection::default();
        connection.expect(&Arc::new(expected), &Arc::new(channel));
        let mut client = Client::new("jim", "CONTOSO", "Wint3r-Regen", service);
        client.binding = bound_to.and_then(|certificate| Binding::to_server(certificate));
        let hello = client.hello();
        let value = |message: &[u8]| format!("NTLM {}", STANDARD.encode(message));
        let first = value(hello.message());
        let challenge = only(
            self.company
                .authenticate(&mut connection, Some(&first))
                .await,
        );
        let token = STANDARD.decode(challenge.token.unwrap()).unwrap();
        let mut answer = client.answer(&hello, &token, 7).unwrap();
        change(&mut answer);
        let second = value(&answer);
        match self
            .company
            .authenticate(&mut connection, Some(&second))
            .await
        {
            Verdict::Accepted { account, .. } => Ok(account.name.clone()),
            Verdict::Challenge(values) => {
                assert_eq!(values, ["NTLM"]);
                assert!(!connection.is_logged_in());
                Err(connection.refusal().unwrap())
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_login_that_was_made_for_another_service_is_refused() {
    let scene = Scene {
        company: Company::new(&[Scheme::Ntlm]),
        shown: certificate("mail.contoso.test"),
    };
    let jim = Ok("jim@contoso.test".to_owned());
    let log_in = async |service: &str| {
        scene
            .log_in(ChannelBinding::IfSent, service, None, |_| ())
            .await
    };
    for service in [
        OURS,
        "http/MAIL.CONTOSO.TEST:443",
        "HTTP/autodiscover.contoso.test",
        // Who does not say for what it is, as curl does not.
        "",
    ] {
        assert_eq!(log_in(service).await, jim, "{service}");
    }
    for service in ["HTTP/evil.test", "HTTP/127.0.0.1", "cifs/mail.contoso.test"] {
        let why = log_in(service).await.unwrap_err();
        assert!(
            why.starts_with("contoso\\jim: ") && why.contains(service),
            "{why}"
        );
    }
    // It is not counted, as no password was looked at.
    for _ in 0..=Limits::EMBEDDED.account {
        log_in("HTTP/evil.test").await.unwrap_err();
    }
    assert_eq!(log_in(OURS).await, jim);
    // A name without its proof is worth nothing: to change it, or to call it untrusted, changes the proof.
    let told = "HTTP/evil.test";
    let why = scene
        .log_in(ChannelBinding::IfSent, told, None, |answer| {
            let from: Vec<u8> = "evil.test"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            let to: Vec<u8> = "mail.cont"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            let at = answer
                .windows(from.len())
                .position(|part| part == from)
                .unwrap();
            answer[at..at + to.len()].copy_from_slice(&to);
        })
        .await
        .unwrap_err();
    assert!(why.contains("not this service"), "{why}");
    let why = scene
        .log_in(ChannelBinding::IfSent, told, None, |answer| {
            let flags = [6, 0, 4, 0, 2, 0, 0, 0];
            let at = answer.windows(8).position(|part| part == flags).unwrap();
            answer[at + 4] |= 4;
        })
        .await
        .unwrap_err();
    assert!(why.contains("wrong login"), "{why}");
}

#[tokio::test]
async fn a_login_that_was_made_on_another_connection_is_refused() {
    let scene = Scene {
        company: Company::new(&[Scheme::Ntlm]),
        shown: certificate("mail.contoso.test"),
    };
    let other = certificate("mail.contoso.test");
    for (setting, bound_to, refused) in [
        (ChannelBinding::IfSent, None, None),
        (ChannelBinding::IfSent, Some(&scene.shown), None),
        (
            ChannelBinding::IfSent,
            Some(&other),
            Some("another TLS connection"),
        ),
        (
            ChannelBinding::Required,
            None,
            Some("bound to no TLS connection"),
        ),
        (ChannelBinding::Required, Some(&scene.shown), None),
        (
            ChannelBinding::Required,
            Some(&other),
            Some("another TLS connection"),
        ),
        (ChannelBinding::Off, Some(&other), None),
    ] {
        let done = scene.log_in(setting, OURS, bound_to, |_| ()).await;
        match refused {
            None => assert_eq!(done.as_deref(), Ok("jim@contoso.test"), "{setting:?}"),
            Some(expected) => {
                let why = done.unwrap_err();
                assert!(why.contains(expected), "{setting:?}: {why}");
            }
        }
    }
}
