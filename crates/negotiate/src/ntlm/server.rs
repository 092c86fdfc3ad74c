//! The server's side: challenge, and check what comes back ([MS-NLMP] 3.2.5).
//!
//! Invariant: a [`Challenge`] answers for one login on one connection and is used up by it; a response to
//! any other challenge does not pass.

use aws_lc_rs::{constant_time, rand};
use zeroize::Zeroizing;

use super::message::{self, Builder, CODE, HAS_CODE, UNVERIFIED, list, pair, pairs};
use super::{flag, response_key, upper, utf16};
use crate::md5::hmac_md5;
use crate::{Binding, Failed, Malformed, rc4};

/// What the server calls itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// The domain's short name, in capitals.
    pub netbios_domain: String,
    /// The server's short name, in capitals.
    pub netbios_computer: String,
    /// The domain's DNS name.
    pub dns_domain: String,
    /// The server's DNS name.
    pub dns_computer: String,
}

/// A challenge that waits for its answer.
pub struct Challenge {
    hello: Vec<u8>,
    message: Vec<u8>,
    nonce: [u8; 8],
}

/// An answer to a challenge, read but not believed.
pub struct Authenticate {
    /// The user as the client names it; may be a principal name.
    pub user: String,
    /// The domain as the client names it; may be empty.
    pub domain: String,
    flags: u32,
    /// The proof.
    proof: [u8; 16],
    /// What it is a proof about, in addition to the challenge.
    about: Vec<u8>,
    /// What the client bound itself to, if it did: the channel's bindings. Good for as much as the proof.
    pub channel: Option<Binding>,
    /// For which service the client logs in, such as `HTTP/mail.contoso.test`; `None` where it does not say
    /// so, or has the name from an untrusted source. Good for as much as the proof.
    pub service: Option<String>,
    code: Option<[u8; 16]>,
    session_key: Option<[u8; 16]>,
    /// The message, the code in it blanked.
    blanked: Vec<u8>,
}

/// What a client may ask for and gets ([MS-NLMP] 3.2.5.1.1).
const GRANTED: u32 = flag::SIGN
    | flag::ALWAYS_SIGN
    | flag::EXTENDED_SECURITY
    | flag::VERSION
    | flag::BITS_128
    | flag::KEY_EXCHANGE
    | flag::BITS_56;

/// Version 6.1 of the protocol's revision 15, which is the only one.
const VERSION: [u8; 8] = [6, 1, 0, 0, 0, 0, 0, 15];

impl Challenge {
    /// Answers a client's hello. `now` is in 100 ns since 1601.
    pub fn to(hello: &[u8], names: &Names, now: u64) -> Result<Self, Failed> {
        let mut nonce = [0; 8];
        rand::fill(&mut nonce).map_err(|_| Failed)?;
        Self::with(hello, names, now, nonce).map_err(|_| Failed)
    }

    /// Whether a message is a client's hello.
    pub fn is_asked_for(message: &[u8]) -> bool {
        message::message(message, 1).is_ok_and(|message| message.u32(12).is_ok())
    }

    fn with(hello: &[u8], names: &Names, now: u64, nonce: [u8; 8]) -> Result<Self, Malformed> {
        let asked = message::message(hello, 1)?.u32(12)?;
        let charset = if asked & flag::UNICODE == 0 {
            flag::OEM
        } else {
            flag::UNICODE
        };
        let flags = charset
            | flag::NTLM
            | flag::REQUEST_TARGET
            | flag::TARGET_TYPE_DOMAIN
            | flag::TARGET_INFO
            | asked & GRANTED;
        let target = if charset == flag::UNICODE {
            utf16(&names.netbios_domain)
        } else {
            names.netbios_domain.as_bytes().to_vec()
        };
        let texts = [
            (pair::NETBIOS_DOMAIN, utf16(&names.netbios_domain)),
            (pair::NETBIOS_COMPUTER, utf16(&names.netbios_computer)),
            (pair::DNS_DOMAIN, utf16(&names.dns_domain)),
            (pair::DNS_COMPUTER, utf16(&names.dns_computer)),
            (pair::TIMESTAMP, now.to_le_bytes().to_vec()),
        ];
        let target_info = list(texts.iter().map(|(id, value)| (*id, value.as_slice())));
        let mut out = Builder::new(2, 56);
        out.field(&target)
            .bytes(&flags.to_le_bytes())
            .bytes(&nonce)
            .bytes(&[0; 8])
            .field(&target_info)
            .bytes(&VERSION);
        Ok(Self {
            hello: hello.to_vec(),
            message: out.finish(),
            nonce,
        })
    }

    /// The message to send.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Whether the answer proves that the client knows the password with this NT hash.
    pub fn proves(self, answer: &Authenticate, nt_hash: &[u8; 16]) -> bool {
        // Clients disagree about letters whose capital is more than one.
        let simple = upper(&answer.user);
        let full = answer.user.to_uppercase();
        let mut right = self.proves_as(answer, nt_hash, &simple);
        if full != simple {
            right |= self.proves_as(answer, nt_hash, &full);
        }
        right
    }

    fn proves_as(&self, answer: &Authenticate, nt_hash: &[u8; 16], user: &str) -> bool {
        let key = response_key(nt_hash, user, &answer.domain);
        let expected = hmac_md5(&key, &[&self.nonce, &answer.about]);
        let mut right = equal(&expected, &answer.proof);
        if let Some(code) = &answer.code {
            let base = hmac_md5(&key, &[&*expected]);
            let key = match answer.session_key {
                Some(mut wrapped) if answer.flags & flag::KEY_EXCHANGE != 0 => {
                    rc4::apply(&*base, &mut wrapped);
                    Zeroizing::new(wrapped)
                }
                _ => base,
            };
            let parts = [
                self.hello.as_slice(),
                self.message.as_slice(),
                answer.blanked.as_slice(),
            ];
            right &= equal(&hmac_md5(&key, &parts), code);
        }
        right
    }
}

impl Authenticate {
    /// Reads a client's answer. Version 1, and a login without a name or a proof, are malformed here.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let message = message::message(bytes, 3)?;
        let flags = message.u32(60)?;
        let response = message.field(20)?;
        if response.is_empty() || flags & flag::ANONYMOUS != 0 {
            return Err(Malformed("an anonymous NTLM login"));
        }
        let (proof, about) = response
            .split_first_chunk::<16>()
            .filter(|(_, about)| about.len() > 28)
            .ok_or(Malformed("a response of NTLM version 1"))?;
        if !about.starts_with(&[1, 1]) {
            return Err(Malformed("a response of an unknown version of NTLM"));
        }
        let said = pairs(about.get(28..).unwrap_or_default())?;
        let one = |id: u16| {
            said.iter()
                .find(|(other, _)| *other == id)
                .map(|(_, value)| *value)
        };
        let avowed = one(pair::FLAGS)
            .and_then(|value| value.first_chunk().copied())
            .map_or(0, u32::from_le_bytes);
        let mut blanked = bytes.to_vec();
        let mut code = None;
        if avowed & HAS_CODE != 0 {
            code = Some(message.array(CODE.start)?);
            if let Some(place) = blanked.get_mut(CODE) {
                place.fill(0);
            }
        }
        let user = message::text(message.field(36)?, flags)?;
        if user.is_empty() {
            return Err(Malformed("an NTLM login without a name"));
        }
        let channel = match one(pair::CHANNEL_BINDINGS) {
            None | Some([]) => None,
            Some(value) => <[u8; 16]>::try_from(value)
                .map(Binding::sent)
                .map_err(|_| Malformed("channel bindings that are not sixteen bytes"))?,
        };
        // Always UTF-16 here, whatever the flags say ([MS-NLMP] 2.2.2.1).
        let service = match one(pair::TARGET_NAME) {
            Some(value) if avowed & UNVERIFIED == 0 => {
                Some(message::text(value, flag::UNICODE)?).filter(|service| !service.is_empty())
            }
            _ => None,
        };
        Ok(Self {
            user,
            domain: message::text(message.field(28)?, flags)?,
            flags,
            proof: *proof,
            about: about.to_vec(),
            channel,
            service,
            code,
            session_key: message.field(52)?.try_into().ok(),
            blanked,
        })
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate")
            .field("user", &self.user)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

fn equal(a: &[u8; 16], b: &[u8; 16]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}
