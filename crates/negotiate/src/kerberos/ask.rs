//! The client's side: a ticket from a key distribution centre.
//!
//! AS exchange (RFC 4120 3.1) with an encrypted timestamp (5.2.7.2), TGS exchange (3.3), referrals to
//! other realms (RFC 6806 7 and 8). [`Ask`] says what to send whom;
//! sending is the caller's.
//!
//! Invariant: a password goes into a key and nowhere else; one login asks for at most one try of it. An
//! answer is believed when its seal and its nonce are right.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::cipher::Usage;
use super::kdc_error::{KdcError, code};
use super::kdc_message::{
    ErrorMessage, Hint, KdcReply, KdcReplyPart, KdcRequest, read_hints, write_request,
    write_timestamp,
};
use super::message::{ApRequest, Authenticator, Sealed, is_message, kind};
use super::{Encryption, Key, Keytab, Moment, NT_PRINCIPAL, NT_SRV_INST, Principal};
use crate::Failed;

/// A ticket and the key that goes with it.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Whose it is.
    pub client: Principal,
    /// What it is for.
    pub service: Principal,
    /// The key that it tells the service.
    pub key: Key,
    /// When it ends.
    pub ends: Moment,
    /// The ticket itself, which only the service can open.
    pub message: Vec<u8>,
}

/// What a client proves itself with.
#[derive(Clone)]
pub enum Secret {
    /// A password.
    Password(Zeroizing<String>),
    /// Keys of the client.
    Keys(Keytab),
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this to a key distribution centre of this realm, and feed what it answers.
    Send {
        /// The realm.
        realm: String,
        /// The message.
        message: Vec<u8>,
    },
    /// Here is the ticket.
    Done(Box<Ticket>),
}

/// A ticket is being asked for.
pub struct Ask {
    client: Principal,
    service: Principal,
    secret: Option<Secret>,
    state: State,
    nonce: u32,
    /// Whether RC4 may be used.
    rc4: bool,
    referrals: u8,
}

enum State {
    /// The client was named, without proof.
    Named,
    /// The key that the proof was made with.
    Proved(Key),
    /// A ticket for a ticket-granting service was shown.
    Granting(Ticket),
}

/// Realms that a client lets itself be sent through.
const MOST_REFERRALS: u8 = 8;
/// How long a ticket is asked for, in seconds.
const LIFETIME: i64 = 36_000;

/// `PA-TGS-REQ` and `PA-ENC-TIMESTAMP` (RFC 4120 5.2.7).
const PA_TGS_REQUEST: i64 = 1;
const PA_TIMESTAMP: i64 = 2;

impl Ask {
    /// Asks for a ticket for `service`, with a password or keys. The first step is always to send.
    ///
    /// RC4 is used with `rc4` only: a proof made with it is cheap to guess the password from, as there is
    /// neither salt nor rounds, and the answer that asks for it is not authenticated (RFC 8429).
    ///
    /// # Errors
    ///
    /// [`KdcError::NoEncryption`] where only keys of RC4 are there and it is not allowed.
    pub fn with_secret(
        client: Principal,
        secret: Secret,
        service: Principal,
        rc4: bool,
        now: Moment,
    ) -> Result<(Self, Step), KdcError> {
        let mut ask = Self {
            client,
            service,
            secret: Some(secret),
            rc4,
            state: State::Named,
            nonce: nonce()?,
            referrals: 0,
        };
        if ask.encryptions().is_empty() {
            return Err(KdcError::NoEncryption);
        }
        let step = ask.name_client(&[], now)?;
        Ok((ask, step))
    }

    /// Asks for a ticket for `service` with a ticket for a ticket-granting service.
    pub fn with_ticket(
        granting: Ticket,
        service: Principal,
        now: Moment,
    ) -> Result<(Self, Step), KdcError> {
        let mut ask = Self {
            client: granting.client.clone(),
            service,
            secret: None,
            // The issuer of the ticket has chosen; no password can be guessed from what is sent.
            rc4: true,
            state: State::Named,
            nonce: nonce()?,
            referrals: 0,
        };
        let step = ask.show(granting, now)?;
        Ok((ask, step))
    }

    /// Takes an answer.
    pub fn feed(&mut self, answer: &[u8], now: Moment) -> Result<Step, KdcError> {
        if is_message(answer, kind::ERROR) {
            return self.refused(&ErrorMessage::read(answer)?, now);
        }
        match std::mem::replace(&mut self.state, State::Named) {
            // Accounts may be set to need no proof; then the answer is what has to be opened.
            State::Named => {
                let reply = KdcReply::read(answer, kind::AS_REPLY)?;
                let hints = match &reply.methods {
                    Some(methods) => read_hints(methods).unwrap_or_default(),
                    None => Vec::new(),
                };
                let encryption = Encryption::numbered(reply.sealed.number);
                let hint = hints
                    .into_iter()
                    .find(|hint| Some(hint.encryption) == encryption)
                    .or(encryption.map(|encryption| Hint {
                        encryption,
                        salt: None,
                        rounds: None,
                    }));
                let key = self.key(&hint.ok_or(KdcError::NoEncryption)?)?;
                let granted = self.granted(&reply, &key, now);
                // The centre has checked nothing, so this is where a wrong password shows.
                granted.map_err(|error| match error {
                    KdcError::NotBelieved => KdcError::WrongPassword {
                        client: self.client.to_string(),
                    },
                    error => error,
                })
            }
            State::Proved(key) => {
                let reply = KdcReply::read(answer, kind::AS_REPLY)?;
                self.granted(&reply, &key, now)
            }
            State::Granting(granting) => {
                let reply = KdcReply::read(answer, kind::TGS_REPLY)?;
                let opened = granting
                    .key
                    .decrypt(Usage::TGS_REPLY, &reply.sealed.bytes)
                    .ok_or(KdcError::NotBelieved)?;
                let ticket = self.ticket(&reply, &opened)?;
                if ticket.service.is_named_like(&self.service) {
                    return Ok(Step::Done(Box::new(ticket)));
                }
                match ticket.service.grants_tickets_of() {
                    Some(realm) if realm != granting.service.realm => {
                        self.hop()?;
                        self.show(ticket, now)
                    }
                    _ => Err(KdcError::NotBelieved),
                }
            }
        }
    }

    /// AS-REQ.
    fn name_client(&mut self, methods: &[(i64, Vec<u8>)], now: Moment) -> Result<Step, KdcError> {
        let realm = self.client.realm.clone();
        let granting = Principal {
            kind: NT_SRV_INST,
            name: vec!["krbtgt".to_owned(), realm.clone()],
            realm: realm.clone(),
        };
        self.nonce = nonce()?;
        let body = KdcRequest {
            client: Some(&self.client),
            service: &granting,
            until: Moment::at(now.seconds.saturating_add(LIFETIME)),
            nonce: self.nonce,
            encryptions: &self.encryptions(),
        };
        Ok(Step::Send {
            realm,
            message: write_request(kind::AS_REQUEST, methods, &body.body()),
        })
    }

    /// TGS-REQ.
    fn show(&mut self, granting: Ticket, now: Moment) -> Result<Step, KdcError> {
        let realm = granting
            .service
            .grants_tickets_of()
            .ok_or(KdcError::NotBelieved)?
            .to_owned();
        self.nonce = nonce()?;
        let service = Principal {
            realm: realm.clone(),
            ..self.service.clone()
        };
        let body = KdcRequest {
            client: None,
            service: &service,
            until: Moment::at(now.seconds.saturating_add(LIFETIME)),
            nonce: self.nonce,
            encryptions: &Encryption::ALL,
        }
        .body();
        let sum = granting.key.sum(Usage::TGS_CHECKSUM, &body).ok_or(Failed)?;
        let authenticator = Authenticator {
            client: granting.client.clone(),
            checksum: Some((granting.key.encryption.checksum(), sum)),
            when: now,
            subkey: None,
            sequence: None,
        };
        let sealed = granting
            .key
            .encrypt(Usage::TGS_AUTHENTICATOR, &authenticator.write())?;
        let sealed = Sealed::new(&granting.key, sealed);
        let shown = ApRequest::write(false, &granting.message, &sealed);
        let message = write_request(kind::TGS_REQUEST, &[(PA_TGS_REQUEST, shown)], &body);
        self.state = State::Granting(granting);
        Ok(Step::Send { realm, message })
    }

    fn granted(&mut self, reply: &KdcReply, key: &Key, now: Moment) -> Result<Step, KdcError> {
        let opened = key
            .decrypt(Usage::AS_REPLY, &reply.sealed.bytes)
            .ok_or(KdcError::NotBelieved)?;
        let granting = self.ticket(reply, &opened)?;
        self.show(granting, now)
    }

    /// The ticket in an answer whose seal was right.
    fn ticket(&self, reply: &KdcReply, opened: &[u8]) -> Result<Ticket, KdcError> {
        let part = KdcReplyPart::read(opened)?;
        if part.nonce != i64::from(self.nonce) || !part.service.is_named_like(&reply.ticket.service)
        {
            return Err(KdcError::NotBelieved);
        }
        Ok(Ticket {
            client: reply.client.clone(),
            service: part.service,
            key: part.key.ok_or(KdcError::NoEncryption)?,
            ends: part.ends,
            message: reply.ticket.bytes.clone(),
        })
    }

    fn refused(&mut self, error: &ErrorMessage, now: Moment) -> Result<Step, KdcError> {
        let client = self.client.to_string();
        let realm = match &self.state {
            State::Granting(granting) => granting.service.realm.clone(),
            _ => self.client.realm.clone(),
        };
        Err(match error.code {
            code::PROOF_NEEDED if matches!(self.state, State::Named) && self.secret.is_some() => {
                let known = self.encryptions();
                let hint = read_hints(&error.more)?
                    .into_iter()
                    .find(|hint| known.contains(&hint.encryption))
                    .ok_or(KdcError::NoEncryption)?;
                let key = self.key(&hint)?;
                let sealed = key.encrypt(Usage::PREAUTH, &write_timestamp(now))?;
                let proof = Sealed::new(&key, sealed).write();
                let step = self.name_client(&[(PA_TIMESTAMP, proof)], now)?;
                self.state = State::Proved(key);
                return Ok(step);
            }
            code::OTHER_REALM if matches!(self.state, State::Named) => match &error.client_realm {
                Some(other) if *other != self.client.realm => {
                    self.hop()?;
                    self.client.realm.clone_from(other);
                    return self.name_client(&[], now);
                }
                _ => KdcError::Loop,
            },
            code::UNKNOWN_CLIENT => match self.plain_client() {
                // Centres other than Active Directory's may know no such names (RFC 6806 5).
                Some(plain) if matches!(self.state, State::Named) => {
                    self.client = plain;
                    return self.name_client(&[], now);
                }
                _ => KdcError::UnknownClient { client, realm },
            },
            code::UNKNOWN_SERVICE => KdcError::UnknownService {
                service: self.service.name.join("/"),
                realm,
            },
            code::NO_ENCRYPTION => KdcError::NoEncryption,
            code::REVOKED | code::CLIENT_EXPIRED => KdcError::Revoked { client },
            code::PASSWORD_EXPIRED => KdcError::PasswordExpired { client },
            code::WRONG_PASSWORD => KdcError::WrongPassword { client },
            code::SKEW => KdcError::Skew {
                seconds: error.server_time.away_from(now),
            },
            code => KdcError::Refused { code },
        })
    }

    /// The principal that `user@domain` is where the domain is the realm itself.
    fn plain_client(&self) -> Option<Principal> {
        let (user, domain) = self.client.name.first()?.rsplit_once('@')?;
        let fits = self.client.is_enterprise() && domain.eq_ignore_ascii_case(&self.client.realm);
        fits.then(|| Principal {
            kind: NT_PRINCIPAL,
            name: vec![user.to_owned()],
            realm: self.client.realm.clone(),
        })
    }

    fn hop(&mut self) -> Result<(), KdcError> {
        self.referrals = self.referrals.saturating_add(1);
        if self.referrals > MOST_REFERRALS {
            return Err(KdcError::Loop);
        }
        Ok(())
    }

    /// The types that the client can have a key of.
    fn encryptions(&self) -> Vec<Encryption> {
        let mut known = self.all_encryptions();
        known.retain(|encryption| self.rc4 || *encryption != Encryption::Rc4);
        known
    }

    fn all_encryptions(&self) -> Vec<Encryption> {
        match &self.secret {
            Some(Secret::Keys(keytab)) => Encryption::ALL
                .into_iter()
                .filter(|encryption| {
                    self.own_keys(keytab)
                        .any(|entry| entry.key.encryption == *encryption)
                })
                .collect(),
            // The types of Active Directory go first: it makes its keys with them.
            _ => vec![
                Encryption::Aes256Sha1,
                Encryption::Aes128Sha1,
                Encryption::Aes256Sha2,
                Encryption::Aes128Sha2,
                Encryption::Rc4,
            ],
        }
    }

    fn own_keys<'a>(&self, keytab: &'a Keytab) -> impl Iterator<Item = &'a super::Entry> {
        // The realm may be another than the one that the user's name suggests.
        let plain = self
            .client
            .name
            .first()
            .and_then(|name| name.split_once('@'))
            .map_or_else(
                || Principal {
                    realm: String::new(),
                    ..self.client.clone()
                },
                |(user, _)| Principal::user(user, ""),
            );
        let whole = Principal {
            realm: String::new(),
            ..self.client.clone()
        };
        keytab.entries().iter().filter(move |entry| {
            entry.principal.is_named_like(&plain) || entry.principal.is_named_like(&whole)
        })
    }

    fn key(&self, hint: &Hint) -> Result<Key, KdcError> {
        if hint.encryption == Encryption::Rc4 && !self.rc4 {
            return Err(KdcError::NoEncryption);
        }
        match &self.secret {
            Some(Secret::Password(password)) => {
                let usual = || format!("{}{}", self.client.realm, self.client.name.concat());
                let salt = hint.salt.clone().unwrap_or_else(usual);
                let (encryption, usual) = (hint.encryption, hint.encryption.usual_rounds());
                if let Some(rounds) = hint.rounds.filter(|rounds| *rounds < usual) {
                    return Err(KdcError::FewRounds {
                        rounds,
                        encryption,
                        usual,
                    });
                }
                hint.encryption
                    .key(password, &salt, hint.rounds)
                    .ok_or(KdcError::NoEncryption)
            }
            Some(Secret::Keys(keytab)) => self
                .own_keys(keytab)
                .filter(|entry| entry.key.encryption == hint.encryption)
                .max_by_key(|entry| entry.version)
                .map(|entry| entry.key.clone())
                .ok_or(KdcError::NoEncryption),
            None => Err(KdcError::NotBelieved),
        }
    }
}

/// Below 2^31, as some servers take it for a signed number.
pub(super) fn nonce() -> Result<u32, Failed> {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).map_err(|_| Failed)?;
    Ok(u32::from_be_bytes(bytes) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::{
        GENERAL_STRING, GENERALIZED_TIME, application, element, field, integer, sequence,
    };

    /// A refusal as a centre sends it.
    fn refusal(code: i64) -> Vec<u8> {
        let text = |text: &str| element(GENERAL_STRING, text.as_bytes());
        let inside = sequence(&[
            field(0, &integer(5)),
            field(1, &integer(i64::from(kind::ERROR))),
            field(4, &element(GENERALIZED_TIME, b"20261128105251Z")),
            field(5, &integer(0)),
            field(6, &integer(code)),
            field(9, &text("MIT.TEST")),
        ]);
        element(application(kind::ERROR), &inside)
    }

    fn asking(user: &str) -> Ask {
        let client = Principal::user(user, "MIT.TEST");
        let service = Principal::service("HTTP", "mail.mit.test", "MIT.TEST");
        let secret = Secret::Password("Wint3r-Regen".to_owned().into());
        Ask::with_secret(client, secret, service, false, Moment::at(0))
            .unwrap()
            .0
    }

    #[test]
    fn a_centre_that_knows_no_enterprise_names_is_asked_for_the_plain_one_once() {
        for user in ["jim@mit.test", "jim@MIT.TEST"] {
            let mut ask = asking(user);
            let step = ask.feed(&refusal(code::UNKNOWN_CLIENT), Moment::at(0));
            assert!(matches!(step, Ok(Step::Send { realm, .. }) if realm == "MIT.TEST"));
            assert_eq!(ask.client, Principal::user("jim", "MIT.TEST"));
            let error = ask.feed(&refusal(code::UNKNOWN_CLIENT), Moment::at(0));
            assert_eq!(
                error.unwrap_err().to_string(),
                "jim@MIT.TEST is not known in realm MIT.TEST"
            );
        }
        // The name of another domain is not one of this realm, nor is a part of a name.
        for user in ["jim@other.test", "jim@mit.test@other.test", "jim"] {
            let error = asking(user).feed(&refusal(code::UNKNOWN_CLIENT), Moment::at(0));
            assert!(
                matches!(error, Err(KdcError::UnknownClient { .. })),
                "{user}"
            );
        }
    }

    #[test]
    fn an_account_that_has_expired_is_no_wrong_password() {
        for code in [code::CLIENT_EXPIRED, code::REVOKED] {
            let error = asking("jim").feed(&refusal(code), Moment::at(0));
            assert!(matches!(error, Err(KdcError::Revoked { .. })), "{code}");
        }
    }

    #[test]
    fn a_key_that_is_cheap_to_guess_is_not_made() {
        let client = Principal::user("jim", "CONTOSO.TEST");
        let service = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
        let begun = |rc4| {
            let secret = Secret::Password("Wint3r-Regen".to_owned().into());
            Ask::with_secret(client.clone(), secret, service.clone(), rc4, Moment::at(0)).unwrap()
        };
        let (ask, _) = begun(false);
        let with = |ask: &Ask, encryption, rounds| {
            let salt = Some("CONTOSO.TESTjim".to_owned());
            ask.key(&Hint {
                encryption,
                salt,
                rounds,
            })
        };
        let key = |encryption, rounds| with(&ask, encryption, rounds);
        for encryption in [Encryption::Aes128Sha1, Encryption::Aes256Sha2] {
            let usual = encryption.usual_rounds();
            assert!(key(encryption, None).is_ok());
            assert!(key(encryption, Some(usual)).is_ok());
            let error = key(encryption, Some(usual - 1)).unwrap_err();
            assert!(matches!(error, KdcError::FewRounds { .. }), "{error}");
        }
        // An attacker who poses as the KDC gets nothing that was made without salt and rounds.
        let error = key(Encryption::Rc4, None).unwrap_err();
        assert!(matches!(error, KdcError::NoEncryption), "{error}");
        assert!(!ask.encryptions().contains(&Encryption::Rc4));
        let (willing, _) = begun(true);
        assert!(with(&willing, Encryption::Rc4, Some(1)).is_ok());
    }
}
