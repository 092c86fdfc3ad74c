//! The server's side: a ticket is accepted (RFC 4120 3.2.3, RFC 4121 4.1).
//!
//! Invariant: an accepted client has shown a ticket that a key of the keytab opens, and has sealed the
//! present time with the key in it. Whether the same message came before, the caller has to remember, by
//! [`Accepted::seal`].

use aws_lc_rs::{digest, rand};

use super::cipher::Usage;
use super::message::{ApReplyPart, ApRequest, Authenticator, Sealed, TicketPart, write_ap_reply};
use super::wrap::{Context, Protection, Side, WrapError, number};
use super::{Encryption, Entry, Key, Keytab, Moment, Principal};
use crate::spnego::{framed, unframed};
use crate::{Binding, Failed, Malformed};

/// Seconds that clocks may differ (RFC 4120 3.1.3).
pub const SKEW: u64 = 300;

/// Kinds of framed tokens (RFC 4121 4.1).
pub(super) const AP_REQUEST: [u8; 2] = [1, 0];
pub(super) const AP_REPLY: [u8; 2] = [2, 0];
/// The checksum that carries what GSS-API has to say (RFC 4121 4.1.1).
pub(super) const GSS_CHECKSUM: i64 = 0x8003;

/// A client that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Who it is.
    pub client: Principal,
    /// When the ticket ends.
    pub ends: Moment,
    /// The proof for the client that this server has the key, if it asked for one; framed.
    pub reply: Option<Vec<u8>>,
    /// What is different in every message: one that comes twice is a copy.
    pub seal: [u8; 32],
    /// Until when a copy would be accepted.
    pub seal_ends: Moment,
    /// What the client bound itself to, if it did.
    pub binding: Option<Binding>,
    /// Whether the ticket is encrypted with RC4 although the same principal has an AES key of the same
    /// version in the keytab: the KDC need not have done that, and an attacker with such a ticket can guess
    /// the service's password from it cheaply.
    pub is_weaker_than_its_keys: bool,
    /// What the client wants for the messages after the login.
    pub protection: Protection,
    /// The key for those messages.
    key: Key,
    /// The numbers of the first of them, of this side and of the other.
    numbers: (u64, u64),
}

impl Accepted {
    /// What protects the messages after the login.
    ///
    /// # Errors
    ///
    /// [`WrapError`] for a key that messages cannot be protected with.
    pub fn context(&self) -> Result<Context, WrapError> {
        let (sent, received) = self.numbers;
        Context::new(self.key.clone(), Side::Acceptor, false, sent, received)
    }
}

/// Why a client is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The message is not what its specification says.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The keytab has no key that could open the ticket.
    #[error(
        "the ticket for {service} is encrypted with {encryption}, version {version}, and the keytab has no such key"
    )]
    NoKey {
        /// What the ticket says it is for.
        service: String,
        /// Its encryption type.
        encryption: String,
        /// Which of the service's keys.
        version: String,
    },
    /// None of the keys that could opens it.
    #[error(
        "the ticket for {service} is encrypted with another key than those in the keytab; export the keytab again"
    )]
    WrongKey {
        /// What the ticket says it is for.
        service: String,
    },
    /// The message inside is not sealed with the ticket's key.
    #[error("the login of {client} is not sealed with the key of the ticket")]
    WrongSeal {
        /// Whose ticket it is.
        client: String,
    },
    /// Ticket and message name two clients.
    #[error("the ticket is of {ticket}, the login of {login}")]
    OtherClient {
        /// In the ticket.
        ticket: String,
        /// In the message.
        login: String,
    },
    /// The ticket was good once.
    #[error("the ticket of {client} has expired")]
    Expired {
        /// Whose ticket it is.
        client: String,
    },
    /// The ticket will be good some day.
    #[error("the ticket of {client} is not valid yet; check the clocks")]
    NotYetValid {
        /// Whose ticket it is.
        client: String,
    },
    /// The ticket was made for later, and no key distribution centre has made it valid since.
    #[error("the ticket of {client} was never made valid")]
    Invalid {
        /// Whose ticket it is.
        client: String,
    },
    /// The client came through realms that no centre has checked (RFC 4120 2.7).
    #[error("the ticket of {client} came through other realms, and no centre has checked the way")]
    UncheckedWay {
        /// Whose ticket it is.
        client: String,
    },
    /// The clocks differ too much.
    #[error(
        "the clock of {client} differs from this one by {seconds} s; at most {SKEW} s are allowed"
    )]
    Skew {
        /// Whose clock.
        client: String,
        /// By how much.
        seconds: u64,
    },
    /// No random numbers.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// Accepts a framed token at this moment, with the keys that a keytab has of a service: `HTTP`, `ldap`.
pub fn accept(
    token: &[u8],
    keytab: &Keytab,
    service: &str,
    now: Moment,
) -> Result<Accepted, Refused> {
    let (kind, message) = unframed(token)?;
    if kind != AP_REQUEST {
        return Err(Malformed("another token of Kerberos than a login").into());
    }
    let request = ApRequest::read(message)?;
    let (ticket, opener) = open(&request, keytab, service)?;
    let client = ticket.client.to_string();
    let Some(key) = ticket.key else {
        return Err(Malformed("the key in a ticket is of a type that is not spoken here").into());
    };
    let wrong_seal = || Refused::WrongSeal {
        client: client.clone(),
    };
    if request.authenticator.number != key.encryption.number() {
        return Err(wrong_seal());
    }
    let sealed = &request.authenticator.bytes;
    let login = key
        .decrypt(Usage::AUTHENTICATOR, sealed)
        .ok_or_else(wrong_seal)?;
    let login = Authenticator::read(&login)?;
    if login.client.name != ticket.client.name || login.client.realm != ticket.client.realm {
        return Err(Refused::OtherClient {
            ticket: client,
            login: login.client.to_string(),
        });
    }
    let seconds = login.when.away_from(now);
    if seconds > SKEW {
        return Err(Refused::Skew { client, seconds });
    }
    let skew = i64::try_from(SKEW).unwrap_or(0);
    if ticket.invalid {
        return Err(Refused::Invalid { client });
    }
    let is_ours = |entry: &Entry| entry.principal.realm == ticket.client.realm;
    if !ticket.came_straight && !ticket.way_is_checked && !keytab.entries().iter().any(is_ours) {
        return Err(Refused::UncheckedWay { client });
    }
    if ticket.starts.seconds > now.seconds.saturating_add(skew) {
        return Err(Refused::NotYetValid { client });
    }
    if ticket.ends.seconds.saturating_add(skew) < now.seconds {
        return Err(Refused::Expired { client });
    }
    let mut own_number = 0;
    let reply = if request.mutual {
        let mut random = [0; 4];
        rand::fill(&mut random).map_err(|_| Failed)?;
        // Below 2^31, as some peers take the number for a signed one.
        own_number = u32::from_be_bytes(random) >> 1;
        let part = ApReplyPart {
            when: login.when,
            subkey: None,
            sequence: Some(i64::from(own_number)),
        };
        let sealed = Sealed::new(&key, key.encrypt(Usage::AP_REPLY, &part.write())?);
        Some(framed(AP_REPLY, &write_ap_reply(&sealed)))
    } else {
        None
    };
    let mut seal = [0; 32];
    seal.copy_from_slice(digest::digest(&digest::SHA256, sealed).as_ref());
    Ok(Accepted {
        client: ticket.client,
        ends: ticket.ends,
        reply,
        seal,
        // To the end of the last second in which it is taken.
        seal_ends: Moment {
            seconds: login.when.seconds.saturating_add(skew),
            micros: 999_999,
        },
        is_weaker_than_its_keys: has_better(keytab, opener),
        protection: protection(&login),
        binding: binding(&login),
        numbers: (u64::from(own_number), number(login.sequence)),
        key: login.subkey.unwrap_or(key),
    })
}

/// Whether a principal with this key of RC4 has one of AES, too, of the same version.
fn has_better(keytab: &Keytab, opener: &Key) -> bool {
    let is_rc4 = |entry: &&Entry| entry.key.encryption == Encryption::Rc4;
    let is_opener = |entry: &&Entry| entry.key.is(opener);
    // RC4 has no salt, so an account with several names has the same key under each.
    let mut named = keytab.entries().iter().filter(is_rc4).filter(is_opener);
    named.any(|weak| {
        keytab.entries().iter().any(|entry| {
            !is_rc4(&entry)
                && entry.version == weak.version
                && entry.principal.is_named_like(&weak.principal)
                && entry.principal.realm == weak.principal.realm
        })
    })
}

/// What is in the ticket, opened with whichever key fits, and that key.
fn open<'a>(
    request: &ApRequest,
    keytab: &'a Keytab,
    service: &str,
) -> Result<(TicketPart, &'a Key), Refused> {
    let sealed = &request.ticket.sealed;
    // What the ticket says it is for is not sealed, so it decides nothing. A keytab that has keys of the
    // service and others, such as a host's own, lends only the former.
    let is_own = |principal: &Principal| matches!(principal.name.as_slice(), [class, _] if class.eq_ignore_ascii_case(service));
    let any_own = keytab
        .entries()
        .iter()
        .any(|entry| is_own(&entry.principal));
    let service = request.ticket.service.to_string();
    let fitting: Vec<_> = keytab
        .entries()
        .iter()
        .filter(|entry| !any_own || is_own(&entry.principal))
        .filter(|entry| entry.key.encryption.number() == sealed.number)
        .collect();
    let named = |entry: &Entry| sealed.version == Some(i64::from(entry.version));
    let opened = fitting
        .iter()
        .filter(|entry| named(entry))
        .chain(fitting.iter().filter(|entry| !named(entry)))
        .find_map(|entry| {
            let opened = entry.key.decrypt(Usage::TICKET, &sealed.bytes)?;
            Some((opened, &entry.key))
        });
    match opened {
        Some((opened, key)) => Ok((TicketPart::read(&opened)?, key)),
        None if fitting.iter().any(|entry| named(entry)) => Err(Refused::WrongKey { service }),
        None => Err(Refused::NoKey {
            service,
            encryption: Encryption::numbered(sealed.number).map_or_else(
                || format!("type {}", sealed.number),
                |encryption| encryption.to_string(),
            ),
            version: sealed
                .version
                .map_or_else(|| "unknown".to_owned(), |version| version.to_string()),
        }),
    }
}

/// The channel that a login is bound to, unless it is bound to none (RFC 4121 4.1.1.2).
fn binding(login: &Authenticator) -> Option<Binding> {
    let (GSS_CHECKSUM, value) = login.checksum.as_ref()? else {
        return None;
    };
    let bytes = value.get(4..)?.first_chunk::<16>()?;
    Binding::sent(*bytes)
}

/// What a login wants for the messages after it (RFC 4121 4.1.1).
fn protection(login: &Authenticator) -> Protection {
    let flags = match &login.checksum {
        Some((GSS_CHECKSUM, value)) => value.get(20..).and_then(|rest| rest.first_chunk::<4>()),
        _ => None,
    };
    flags.map_or(Protection::None, |flags| {
        Protection::wanted(u32::from_le_bytes(*flags))
    })
}

#[cfg(test)]
mod tests {
    use super::super::keytab::tests::write as write_keytab;
    use super::super::message::TicketMessage;
    use super::*;
    use proptest::prelude::*;

    const NOW: Moment = Moment {
        seconds: 1_795_334_929,
        micros: 7,
    };

    /// What a client with a ticket of a realm sends, and what is changed about it.
    struct Login {
        session: Key,
        starts: i64,
        ends: i64,
        when: i64,
        named: &'static str,
        version: Option<i64>,
        mutual: bool,
        flags: [u8; 2],
        way: &'static [u8],
        realm: &'static str,
    }

    impl Login {
        fn new() -> Self {
            Self {
                session: Key::random(Encryption::Aes256Sha1).unwrap(),
                starts: -60,
                ends: 36_000,
                when: 0,
                named: "jim",
                version: Some(2),
                mutual: true,
                flags: [0, 0],
                way: b"",
                realm: "CONTOSO.TEST",
            }
        }

        fn token(&self, key: &Key) -> Vec<u8> {
            let jim = Principal::user("jim", self.realm);
            let service = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
            let at = |seconds: i64| Moment::at(NOW.seconds + seconds);
            let (starts, ends) = (at(self.starts), at(self.ends));
            let part = TicketPart::write(self.flags, self.way, &self.session, &jim, starts, ends);
            let mut sealed = Sealed::new(key, key.encrypt(Usage::TICKET, &part).unwrap());
            sealed.version = self.version;
            let ticket = TicketMessage::write(&service, &sealed);
            let login = Authenticator {
                client: Principal::user(self.named, self.realm),
                checksum: None,
                subkey: None,
                when: at(self.when),
                sequence: Some(1),
            };
            let login = self
                .session
                .encrypt(Usage::AUTHENTICATOR, &login.write())
                .unwrap();
            let login = Sealed::new(&self.session, login);
            framed(AP_REQUEST, &ApRequest::write(self.mutual, &ticket, &login))
        }
    }

    fn keytab(key: &Key) -> Keytab {
        let service = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
        Keytab::read(&write_keytab(&[(&service, 2, key)])).unwrap()
    }

    #[test]
    fn a_good_ticket_is_accepted_with_every_encryption() {
        for encryption in Encryption::ALL {
            for session in Encryption::ALL {
                let key = Key::random(encryption).unwrap();
                let login = Login {
                    session: Key::random(session).unwrap(),
                    ..Login::new()
                };
                let accepted = accept(&login.token(&key), &keytab(&key), "HTTP", NOW).unwrap();
                assert_eq!(accepted.client.to_string(), "jim@CONTOSO.TEST");
                assert!(accepted.reply.is_some());
                // In the last moment in which a copy is taken, its seal is known.
                let mut last = accepted.seal_ends;
                assert!(accept(&login.token(&key), &keytab(&key), "HTTP", last).is_ok());
                assert_eq!(last.micros, 999_999);
                last.seconds += 1;
                assert!(accept(&login.token(&key), &keytab(&key), "HTTP", last).is_err());
            }
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let key = Key::random(Encryption::Aes256Sha1).unwrap();
        let check = |login: &Login, keytab: &Keytab, expected: &str| {
            let refused = accept(&login.token(&key), keytab, "HTTP", NOW).unwrap_err();
            assert!(refused.to_string().contains(expected), "{refused}");
        };
        let own = keytab(&key);
        let other = keytab(&Key::random(Encryption::Aes256Sha1).unwrap());
        check(&Login::new(), &other, "export the keytab again");
        let older = Login {
            version: Some(1),
            ..Login::new()
        };
        check(&older, &other, "version 1, and the keytab has no such key");
        let rc4 = keytab(&Key::random(Encryption::Rc4).unwrap());
        check(&Login::new(), &rc4, "aes256-cts-hmac-sha1-96, version 2");
        check(&Login::new(), &Keytab::default(), "no such key");
        let late = Login {
            ends: -301,
            ..Login::new()
        };
        check(&late, &own, "has expired");
        let early = Login {
            starts: 301,
            ..Login::new()
        };
        check(&early, &own, "not valid yet");
        let postdated = Login {
            flags: [1, 0],
            ..Login::new()
        };
        check(&postdated, &own, "never made valid");
        let forwardable = Login {
            flags: [0x40, 0],
            ..Login::new()
        };
        assert!(accept(&forwardable.token(&key), &own, "HTTP", NOW).is_ok());
        for when in [301, -301] {
            let skewed = Login {
                when,
                ..Login::new()
            };
            check(&skewed, &own, "differs from this one by 301 s");
        }
        let thief = Login {
            named: "amy",
            ..Login::new()
        };
        check(
            &thief,
            &own,
            "the ticket is of jim@CONTOSO.TEST, the login of amy",
        );
    }

    #[test]
    fn a_ticket_of_rc4_is_told_where_the_service_has_better_keys() {
        let mail = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
        let alias = Principal::service("HTTP", "autodiscover.contoso.test", "CONTOSO.TEST");
        let (rc4, aes) = (
            Key::random(Encryption::Rc4).unwrap(),
            Key::random(Encryption::Aes128Sha1).unwrap(),
        );
        let weak = |key: &Key, entries: &[(&Principal, u32, &Key)]| {
            let keytab = Keytab::read(&write_keytab(entries)).unwrap();
            let accepted = accept(&Login::new().token(key), &keytab, "HTTP", NOW).unwrap();
            accepted.is_weaker_than_its_keys
        };
        assert!(weak(&rc4, &[(&mail, 2, &rc4), (&mail, 2, &aes)]));
        assert!(weak(&rc4, &[(&mail, 2, &aes), (&mail, 2, &rc4)]));
        // The same account, by another of its names.
        assert!(weak(
            &rc4,
            &[(&mail, 2, &rc4), (&alias, 2, &rc4), (&alias, 2, &aes)]
        ));
        assert!(!weak(&rc4, &[(&mail, 2, &rc4)]));
        assert!(!weak(&rc4, &[(&mail, 2, &rc4), (&mail, 3, &aes)]));
        assert!(!weak(&rc4, &[(&mail, 2, &rc4), (&alias, 2, &aes)]));
        assert!(!weak(&aes, &[(&mail, 2, &rc4), (&mail, 2, &aes)]));
    }

    #[test]
    fn a_key_of_another_version_opens_what_it_can() {
        let key = Key::random(Encryption::Aes128Sha1).unwrap();
        for version in [None, Some(9)] {
            let login = Login {
                version,
                ..Login::new()
            };
            assert!(accept(&login.token(&key), &keytab(&key), "HTTP", NOW).is_ok());
        }
    }

    #[test]
    fn a_copy_has_the_same_seal_and_another_login_another() {
        let key = Key::random(Encryption::Aes256Sha1).unwrap();
        let (login, keytab) = (Login::new(), keytab(&key));
        let token = login.token(&key);
        let seal = |token: &[u8]| accept(token, &keytab, "HTTP", NOW).unwrap().seal;
        assert_eq!(seal(&token), seal(&token));
        assert_ne!(seal(&token), seal(&login.token(&key)));
    }

    #[test]
    fn the_keys_of_other_services_open_nothing() {
        let key = Key::random(Encryption::Aes256Sha1).unwrap();
        let web = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
        let host = Principal::service("host", "mail.contoso.test", "CONTOSO.TEST");
        let account = Principal::user("mail$", "CONTOSO.TEST");
        let other = Key::random(Encryption::Aes256Sha1).unwrap();
        let both = Keytab::read(&write_keytab(&[(&web, 2, &other), (&host, 2, &key)])).unwrap();
        assert!(accept(&Login::new().token(&key), &both, "HTTP", NOW).is_err());
        // A keytab with the account's own name is all there is, and means the web service.
        let alone = Keytab::read(&write_keytab(&[(&account, 2, &key)])).unwrap();
        assert!(accept(&Login::new().token(&key), &alone, "HTTP", NOW).is_ok());
    }

    #[test]
    fn a_way_through_other_realms_has_to_be_checked() {
        let key = Key::random(Encryption::Aes256Sha1).unwrap();
        for (realm, way, flags, expected) in [
            ("CONTOSO.TEST", b"".as_slice(), [0, 0], true),
            ("FABRIKAM.TEST", b"", [0, 0], true),
            ("FABRIKAM.TEST", b"EVIL.TEST", [0, 0x08], true),
            ("CONTOSO.TEST", b"EVIL.TEST", [0, 0], true),
            ("FABRIKAM.TEST", b"EVIL.TEST", [0, 0], false),
            ("FABRIKAM.TEST", b"EVIL.TEST", [0x08, 0], false),
            ("FABRIKAM.TEST", b"EVIL.TEST", [0, 0xf7], false),
        ] {
            let login = Login {
                flags,
                way,
                realm,
                ..Login::new()
            };
            let accepted = accept(&login.token(&key), &keytab(&key), "HTTP", NOW);
            let refused = matches!(accepted, Err(Refused::UncheckedWay { .. }));
            assert_eq!(accepted.is_ok(), expected, "{realm} {way:?} {flags:?}");
            assert_eq!(refused, !expected, "{realm} {way:?} {flags:?}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_message_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
            let key = Key::random(Encryption::Aes256Sha1).unwrap();
            let mut login = Login::new();
            login.mutual = false;
            let mut token = login.token(&key);
            let at = at.index(token.len());
            token[at] ^= flip;
            if let Ok(accepted) = accept(&token, &keytab(&key), "HTTP", NOW) {
                // What is not sealed may change, such as the name the ticket says it is for; it never
                // changes who is accepted.
                prop_assert_eq!(accepted.client.to_string(), "jim@CONTOSO.TEST");
            }
        }
    }
}
