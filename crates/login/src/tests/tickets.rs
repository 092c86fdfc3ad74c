//! Kerberos at the auth: tickets that are bound to another TLS connection or to none, and tickets that are
//! encrypted with RC4.

use automend_negotiate::Binding;
use automend_negotiate::kerberos::{Encryption, Key, Moment, Principal, Protection, Ticket};
use rustls::pki_types::CertificateDer;

use super::super::{Channel, ChannelBinding, Expected};
use super::*;

const REALM: &str = "CONTOSO.TEST";

fn service() -> Principal {
    Principal::service("HTTP", "mail.contoso.test", REALM)
}

fn key(encryption: Encryption, byte: u8) -> (Key, Vec<u8>) {
    let length = if encryption == Encryption::Rc4 {
        16
    } else {
        32
    };
    let bytes = vec![byte; length];
    (Key::new(encryption, &bytes).unwrap(), bytes)
}

/// A keytab with keys of the service, version 2 (MIT krb5, `keytab_file_format.rst`).
fn keytab(keys: &[(Encryption, Vec<u8>)]) -> Vec<u8> {
    let mut file = vec![5, 2];
    let short = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
    for (encryption, bytes) in keys {
        let service = service();
        let mut entry = short(service.name.len()).to_vec();
        for text in std::iter::once(&service.realm).chain(&service.name) {
            entry.extend(short(text.len()));
            entry.extend(text.as_bytes());
        }
        entry.extend([0, 0, 0, 1, 0, 0, 0, 0, 2]);
        entry.extend(short(usize::try_from(encryption.number()).unwrap()));
        entry.extend(short(bytes.len()));
        entry.extend(bytes);
        file.extend(u32::try_from(entry.len()).unwrap().to_be_bytes());
        file.extend(entry);
    }
    file
}

/// An authenticator that takes tickets for the service, with this keytab.
fn auth(
    company: &Company,
    keys: &[(Encryption, Vec<u8>)],
    rc4_tickets: bool,
) -> Arc<Authenticator> {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), keytab(keys)).unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let offer = Offer {
        realm: String::new(),
        schemes: vec![Scheme::Negotiate],
        keytab: Some(file.path().to_owned()),
        rc4_tickets,
    };
    let accounts = Accounts::embedded(company.directory.clone());
    Arc::new(Authenticator::new(accounts, offer, None).unwrap())
}

/// What becomes of jim's login with a ticket under this key; and what the log says of it.
async fn log_in(
    auth: &Arc<Authenticator>,
    connection: &mut Connection,
    key: &Key,
    binding: Option<Binding>,
) -> (bool, Option<String>) {
    let now = Moment::at(automend_system::clock::now().as_second());
    let (session, _) = self::key(Encryption::Aes256Sha1, 7);
    let jim = Principal::user("jim", REALM);
    let ticket = Ticket::mint(jim, service(), key, 2, session, now).unwrap();
    let (token, proof) = ticket.login(binding, Protection::default(), now).unwrap();
    let value = format!("Negotiate {}", STANDARD.encode(token));
    let verdict = auth
        .authenticate(connection, Some(value.as_bytes()), HOME)
        .await;
    let admitted = match verdict {
        Verdict::Accepted {
            account,
            token: told,
        } => {
            assert_eq!(account.name, "jim@contoso.test");
            let token = told.unwrap();
            let token = STANDARD.decode(token.strip_prefix("Negotiate ").unwrap());
            assert!(proof.is(&token.unwrap()));
            true
        }
        Verdict::Challenge(values) => {
            assert_eq!(values, ["Negotiate"]);
            false
        }
        other => panic!("{other:?}"),
    };
    (admitted, connection.refusal())
}

fn certificate(name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    made.cert.der().clone()
}

#[tokio::test]
async fn a_ticket_that_is_bound_to_another_connection_is_refused() {
    let company = Company::new(&[Scheme::Basic]);
    let (key, bytes) = key(Encryption::Aes256Sha1, 1);
    let auth = auth(&company, &[(Encryption::Aes256Sha1, bytes)], false);
    let shown = certificate("mail.contoso.test");
    let other = certificate("mail.contoso.test");
    let (another, none) = (
        "bound to another TLS connection",
        "bound to no TLS connection",
    );
    for (setting, bound_to, refused) in [
        (ChannelBinding::Off, Some(&other), None),
        (ChannelBinding::IfSent, None, None),
        (ChannelBinding::IfSent, Some(&shown), None),
        (ChannelBinding::IfSent, Some(&other), Some(another)),
        (ChannelBinding::Required, None, Some(none)),
        (ChannelBinding::Required, Some(&shown), None),
        (ChannelBinding::Required, Some(&other), Some(another)),
    ] {
        let expected = Expected::new(setting, ["mail.contoso.test"], &[]);
        let mut connection = Connection::default();
        let channel = Channel::of(shown.clone(), &[]);
        connection.expect(&Arc::new(expected), &Arc::new(channel));
        let binding = bound_to.and_then(|certificate| Binding::to_server(certificate));
        let (admitted, why) = log_in(&auth, &mut connection, &key, binding).await;
        assert_eq!(admitted, refused.is_none(), "{setting:?}: {why:?}");
        if let Some(refused) = refused {
            let why = why.unwrap();
            assert!(why.starts_with("jim@CONTOSO.TEST: "), "{why}");
            assert!(why.contains(refused), "{setting:?}: {why}");
        }
    }
}

#[tokio::test]
async fn a_ticket_of_rc4_is_refused_where_there_are_keys_of_aes() {
    let company = Company::new(&[Scheme::Basic]);
    let (rc4, rc4_bytes) = key(Encryption::Rc4, 2);
    let (aes, aes_bytes) = key(Encryption::Aes256Sha1, 3);
    let weak = (Encryption::Rc4, rc4_bytes);
    let strong = (Encryption::Aes256Sha1, aes_bytes);
    let both = [weak.clone(), strong];
    for (keys, allowed, key, admitted, told) in [
        (&both[..], false, &rc4, false, true),
        (&both, true, &rc4, true, true),
        (&both, false, &aes, true, false),
        // Where the service has no other key, there is nothing better to ask for.
        (std::slice::from_ref(&weak), false, &rc4, true, false),
    ] {
        let auth = auth(&company, keys, allowed);
        let mut connection = Connection::default();
        let (done, why) = log_in(&auth, &mut connection, key, None).await;
        assert_eq!(done, admitted, "{why:?}");
        let why = why.unwrap_or_default();
        assert_eq!(why.contains("encrypted with RC4"), told, "{why}");
        assert_eq!(why.contains("rc4-tickets"), told && !admitted, "{why}");
    }
}
