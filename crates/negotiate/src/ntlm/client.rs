//! The client's side: say hello, and answer the challenge ([MS-NLMP] 3.1.5).
//!
//! Invariant: only version 2 is answered with, and the message integrity code is there whenever the
//! server's challenge has a time in it, which is what it is for.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::message::{self, Builder, CODE, HAS_CODE, MOST_TOLD, list, pair, pairs};
use super::{flag, response_key, upper, utf16};
use crate::md5::hmac_md5;
use crate::{Binding, Failed, Malformed};

/// Who logs in where.
#[derive(Clone)]
pub struct Client {
    /// A principal name, or the user of a domain.
    pub user: String,
    /// The domain; empty beside a principal name.
    pub domain: String,
    /// What a login is for, such as `HTTP/mail.contoso.test`.
    pub service: String,
    /// The channel the login is bound to.
    pub binding: Option<Binding>,
    nt_hash: Zeroizing<[u8; 16]>,
}

/// A hello that waits for its challenge.
pub struct Hello {
    message: Vec<u8>,
}

const FLAGS: u32 = flag::UNICODE
    | flag::OEM
    | flag::REQUEST_TARGET
    | flag::NTLM
    | flag::ALWAYS_SIGN
    | flag::EXTENDED_SECURITY
    | flag::VERSION
    | flag::BITS_128
    | flag::BITS_56;

const VERSION: [u8; 8] = [10, 0, 0x61, 0x4a, 0, 0, 0, 15];

impl Client {
    /// A user with a password. `user` is a principal name (with an empty domain) or a plain name.
    pub fn new(user: &str, domain: &str, password: &str, service: &str) -> Self {
        Self {
            user: user.to_owned(),
            domain: domain.to_owned(),
            service: service.to_owned(),
            binding: None,
            nt_hash: super::nt_hash(password),
        }
    }

    /// The first message.
    pub fn hello(&self) -> Hello {
        let mut out = Builder::new(1, 40);
        out.bytes(&FLAGS.to_le_bytes())
            .field(&[])
            .field(&[])
            .bytes(&VERSION);
        Hello {
            message: out.finish(),
        }
    }

    /// The answer to a challenge. `now` is in 100 ns since 1601, for a server that says no time itself.
    pub fn answer(&self, hello: &Hello, challenge: &[u8], now: u64) -> Result<Vec<u8>, Malformed> {
        let mut nonce = [0; 8];
        rand::fill(&mut nonce).map_err(|_| Malformed("the system gives no random numbers"))?;
        self.answer_with(hello, challenge, now, nonce)
    }

    fn answer_with(
        &self,
        hello: &Hello,
        challenge: &[u8],
        now: u64,
        nonce: [u8; 8],
    ) -> Result<Vec<u8>, Malformed> {
        let message = message::message(challenge, 2)?;
        let offered = message.u32(20)?;
        let server_nonce: [u8; 8] = message.array(24)?;
        if offered & flag::TARGET_INFO == 0 {
            // Such a server knows version 1 only.
            return Err(Malformed(
                "a challenge without names, as only NTLM version 1 has",
            ));
        }
        let told = pairs(message.field(40)?)?;
        if told.len() > MOST_TOLD {
            return Err(Malformed("too many names in an NTLM message"));
        }
        let time = told
            .iter()
            .find(|(id, _)| *id == pair::TIMESTAMP)
            .and_then(|(_, value)| value.first_chunk::<8>());
        let own = [pair::FLAGS, pair::TARGET_NAME, pair::CHANNEL_BINDINGS];
        let mut said: Vec<(u16, &[u8])> = told
            .iter()
            .filter(|(id, _)| !own.contains(id))
            .copied()
            .collect();
        let has_code = HAS_CODE.to_le_bytes();
        if time.is_some() {
            said.push((pair::FLAGS, &has_code));
        }
        let service = utf16(&self.service);
        said.push((pair::TARGET_NAME, &service));
        let binding = self.binding.map_or([0; 16], |binding| binding.0);
        said.push((pair::CHANNEL_BINDINGS, &binding));
        let mut about = vec![1, 1, 0, 0, 0, 0, 0, 0];
        about.extend_from_slice(time.unwrap_or(&now.to_le_bytes()));
        about.extend_from_slice(&nonce);
        about.extend_from_slice(&[0; 4]);
        about.extend_from_slice(&list(said));
        about.extend_from_slice(&[0; 4]);
        let key = response_key(&self.nt_hash, &upper(&self.user), &self.domain);
        let proof = hmac_md5(&key, &[&server_nonce, &about]);
        let response = [proof.as_slice(), &about].concat();
        // Where there is a time, the older response is left out (3.1.5.1.2).
        let older = if time.is_some() {
            [0; 24]
        } else {
            let mut older = [0; 24];
            let proof = hmac_md5(&key, &[&server_nonce, &nonce]);
            for (slot, byte) in older.iter_mut().zip(proof.iter().chain(&nonce)) {
                *slot = *byte;
            }
            older
        };
        // What was offered and wanted, without keys, as nothing is signed afterwards.
        let flags = offered & FLAGS | flag::TARGET_INFO | flag::UNICODE;
        let mut out = Builder::new(3, CODE.end);
        out.field(&older)
            .field(&response)
            .field(&utf16(&self.domain))
            .field(&utf16(&self.user))
            .field(&[])
            .field(&[])
            .bytes(&(flags & !flag::OEM).to_le_bytes())
            .bytes(&VERSION)
            .bytes(&[0; 16]);
        let mut answer = out.finish();
        if time.is_some() {
            let base = hmac_md5(&key, &[&*proof]);
            let code = hmac_md5(&base, &[&hello.message, challenge, &answer]);
            if let Some(place) = answer.get_mut(CODE) {
                place.copy_from_slice(&*code);
            }
        }
        Ok(answer)
    }
}

impl Hello {
    /// The message to send.
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("user", &self.user)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

impl From<Failed> for Malformed {
    fn from(_: Failed) -> Self {
        Self("the system gives no random numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Authenticate, Challenge, Names, nt_hash};
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        Names {
            netbios_domain: "CONTOSO".into(),
            netbios_computer: "MAIL".into(),
            dns_domain: "contoso.test".into(),
            dns_computer: "mail.contoso.test".into(),
        }
    }

    /// Whether the server believes a client with `typed` as its password.
    fn believed(client: &Client, change: impl Fn(&mut Vec<u8>), password: &str) -> Option<bool> {
        let hello = client.hello();
        let challenge = Challenge::to(hello.message(), &names(), 1_000_000).unwrap();
        let mut answer = client.answer(&hello, challenge.message(), 7).unwrap();
        change(&mut answer);
        let answer = Authenticate::read(&answer).ok()?;
        Some(challenge.proves(&answer, &nt_hash(password)))
    }

    #[test]
    fn the_right_password_is_believed_however_the_user_is_named() {
        for (user, domain) in [
            ("jim@contoso.test", ""),
            ("JIM@Contoso.Test", "CONTOSO"),
            ("jim", "contoso"),
            ("Jürgen.Groß", "CONTOSO"),
        ] {
            let client = Client::new(user, domain, "Grün-7", "HTTP/mail.contoso.test");
            assert_eq!(believed(&client, |_| (), "Grün-7"), Some(true), "{user}");
            assert_eq!(believed(&client, |_| (), "grün-7"), Some(false), "{user}");
        }
    }

    #[test]
    fn a_changed_message_is_not_believed() {
        let client = Client::new("jim", "contoso", "secret", "HTTP/mail.contoso.test");
        let hello = client.hello();
        let challenge = Challenge::to(hello.message(), &names(), 1).unwrap();
        let length = client.answer(&hello, challenge.message(), 7).unwrap().len();
        for at in 0..length {
            let changed = believed(&client, |answer| answer[at] ^= 1, "secret");
            // What points to nothing, and the room a field says it has in addition to its length, mean nothing,
            // but the code covers them.
            assert_ne!(changed, Some(true), "byte {at}");
        }
    }

    #[test]
    fn an_answer_to_another_challenge_is_not_believed() {
        let client = Client::new("jim", "contoso", "secret", "");
        let hello = client.hello();
        let one = Challenge::to(hello.message(), &names(), 1).unwrap();
        let other = Challenge::to(hello.message(), &names(), 1).unwrap();
        let answer = client.answer(&hello, one.message(), 7).unwrap();
        let answer = Authenticate::read(&answer).unwrap();
        assert!(!other.proves(&answer, &nt_hash("secret")));
        assert!(one.proves(&answer, &nt_hash("secret")));
    }

    #[test]
    fn version_1_and_nobody_are_refused() {
        let client = Client::new("jim", "contoso", "secret", "");
        let hello = client.hello();
        let challenge = Challenge::to(hello.message(), &names(), 1).unwrap();
        let answer = client.answer(&hello, challenge.message(), 7).unwrap();
        let with_response = |length: u16| {
            let mut answer = answer.clone();
            answer[20..22].copy_from_slice(&length.to_le_bytes());
            Authenticate::read(&answer).map(|_| ()).unwrap_err()
        };
        assert_eq!(with_response(0), Malformed("an anonymous NTLM login"));
        assert_eq!(with_response(24), Malformed("a response of NTLM version 1"));
        let mut nameless = answer.clone();
        nameless[36..38].copy_from_slice(&[0, 0]);
        assert!(Authenticate::read(&nameless).is_err());
    }

    #[test]
    fn a_server_that_knows_version_1_only_gets_no_answer() {
        let client = Client::new("jim", "contoso", "secret", "");
        let hello = client.hello();
        let mut challenge = Challenge::to(hello.message(), &names(), 1)
            .unwrap()
            .message()
            .to_vec();
        challenge[22] &= !0x80;
        assert!(client.answer(&hello, &challenge, 7).is_err());
    }

    #[test]
    fn what_a_login_is_for_and_bound_to_is_read_as_it_was_said() {
        let mut client = Client::new("jim", "contoso", "secret", "HTTP/m\u{fc}ller.test");
        let read = |client: &Client, change: &dyn Fn(&mut Vec<u8>)| {
            let hello = client.hello();
            let challenge = Challenge::to(hello.message(), &names(), 1).unwrap();
            let mut answer = client.answer(&hello, challenge.message(), 7).unwrap();
            change(&mut answer);
            Authenticate::read(&answer)
        };
        let plain = read(&client, &|_| ()).unwrap();
        assert_eq!(plain.service.as_deref(), Some("HTTP/m\u{fc}ller.test"));
        assert_eq!(plain.channel, None);
        client.binding = Some(Binding([7; 16]));
        let bound = read(&client, &|_| ()).unwrap();
        assert_eq!(bound.channel, Some(Binding([7; 16])));
        let at = |answer: &[u8], pattern: &[u8]| {
            answer
                .windows(pattern.len())
                .position(|part| part == pattern)
                .unwrap()
        };
        // Flags of the list: a name from an untrusted source.
        let unverified = read(&client, &|answer| {
            let flags = at(answer, &[6, 0, 4, 0, 2, 0, 0, 0]);
            answer[flags + 4] |= 4;
        });
        assert_eq!(unverified.unwrap().service, None);
        // A binding of another length is none that could be compared.
        let short = read(&client, &|answer| {
            let value = at(answer, &[10, 0, 16, 0]);
            answer[value + 2] = 12;
            // The rest becomes a pair of its own.
            answer[value + 16..value + 20].copy_from_slice(&[42, 0, 0, 0]);
        });
        assert!(short.is_err());
        client.service = String::new();
        assert_eq!(read(&client, &|_| ()).unwrap().service, None);
    }

    #[test]
    fn debug_tells_no_hash() {
        let client = Client::new("jim", "contoso", "Password", "");
        let shown = format!("{client:?}");
        assert!(!shown.contains("164") && shown.contains("jim"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 1u32..4) {
            let mut message = b"NTLMSSP\0".to_vec();
            message.extend_from_slice(&kind.to_le_bytes());
            message.extend_from_slice(&bytes);
            let _ = Authenticate::read(&message);
            let _ = Challenge::to(&message, &names(), 1);
            let client = Client::new("jim", "contoso", "secret", "");
            let _ = client.answer(&client.hello(), &message, 1);
        }

        #[test]
        fn any_name_and_password_log_in(user in "\\PC{1,40}", domain in "\\PC{0,20}", password in "\\PC{0,40}") {
            let client = Client::new(&user, &domain, &password, "");
            prop_assert_eq!(believed(&client, |_| (), &password), Some(true));
        }
    }
}
