//! Tickets in a file, as `kinit` writes them (MIT krb5 `doc/formats/ccache_file_format.rst`, versions 3
//! and 4).
//!
//! Invariant: nothing is written here; what can't be read ends the file.

use super::fields::Reader;
use super::{Encryption, Key, Moment, Principal, Ticket};
use crate::Malformed;

/// The tickets of one user.
#[derive(Clone, Debug)]
pub struct Tickets {
    /// The user.
    pub client: Principal,
    /// What the user has tickets for.
    pub tickets: Vec<Ticket>,
}

/// Largest file.
const LONGEST: usize = 16 << 20;
/// Most tickets of a file.
const MOST: usize = 4096;

/// Reads a file of tickets.
pub fn read_tickets(bytes: &[u8]) -> Result<Tickets, Malformed> {
    if bytes.len() > LONGEST {
        return Err(Malformed("a ticket file of more than 16 MiB"));
    }
    let cut = || Malformed("a ticket file is cut off");
    let mut at = Reader(bytes);
    let version = at.u16().ok_or_else(cut)?;
    match version {
        0x0503 => {}
        0x0504 => {
            let length = usize::from(at.u16().ok_or_else(cut)?);
            at.take(length).ok_or_else(cut)?;
        }
        _ => return Err(Malformed("not a ticket file of version 3 or 4")),
    }
    let client = at.principal().ok_or_else(cut)?;
    let mut tickets = Vec::new();
    while !at.0.is_empty() {
        let ticket = at.ticket(version).ok_or_else(cut)?;
        // Settings of the library that wrote the file stand among the tickets.
        tickets.extend(ticket.filter(|ticket| ticket.service.realm != "X-CACHECONF:"));
        if tickets.len() > MOST {
            return Err(Malformed("too many tickets in a file"));
        }
    }
    Ok(Tickets { client, tickets })
}

impl Tickets {
    /// The ticket for a service that is still good then, if there is one.
    pub fn find(&self, service: &Principal, now: Moment) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| {
            ticket.service.is_named_like(service)
                && (service.realm.is_empty() || ticket.service.realm == service.realm)
                && ticket.ends > now
        })
    }
}

impl<'a> Reader<'a> {
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.counted()?.to_vec()).ok()
    }

    fn principal(&mut self) -> Option<Principal> {
        let kind = i64::from(self.u32()?);
        let count = self.u32()?.min(64);
        let realm = self.text()?;
        let name = (0..count).map(|_| self.text()).collect::<Option<_>>()?;
        Some(Principal { kind, name, realm })
    }

    /// A ticket, unless its key is of no use here.
    fn ticket(&mut self, version: u16) -> Option<impl Iterator<Item = Ticket> + use<>> {
        let client = self.principal()?;
        let service = self.principal()?;
        let number = self.u16()?;
        if version == 0x0503 {
            self.u16()?;
        }
        let key = self.counted()?;
        self.take(8)?;
        let ends = Moment::at(i64::from(self.u32()?));
        self.u32()?;
        // Whether it is for another user's key, and flags.
        let other_key = *self.take(1)?.first()? != 0;
        self.u32()?;
        for _ in 0..2 {
            // Addresses, then authorization data.
            for _ in 0..self.u32()? {
                self.u16()?;
                self.counted()?;
            }
        }
        let message = self.counted()?.to_vec();
        self.counted()?;
        let key = Encryption::numbered(i64::from(number))
            .and_then(|encryption| Key::new(encryption, key));
        let ticket = key.filter(|_| !other_key).map(|key| Ticket {
            client,
            service,
            key,
            ends,
            message,
        });
        Some(ticket.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(version: u16) -> Vec<u8> {
        let mut out = version.to_be_bytes().to_vec();
        if version == 0x0504 {
            out.extend_from_slice(&[0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let counted = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
            out.extend_from_slice(bytes);
        };
        let principal = |out: &mut Vec<u8>, name: &[&str], realm: &str| {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
            counted(out, realm.as_bytes());
            for part in name {
                counted(out, part.as_bytes());
            }
        };
        principal(&mut out, &["jim"], "CONTOSO.TEST");
        for (name, realm, number) in [
            (
                ["krb5_ccache_conf_data", "fast_avail"],
                "X-CACHECONF:",
                0u16,
            ),
            (["krbtgt", "CONTOSO.TEST"], "CONTOSO.TEST", 18),
        ] {
            principal(&mut out, &["jim"], "CONTOSO.TEST");
            principal(&mut out, &name, realm);
            out.extend_from_slice(&number.to_be_bytes());
            if version == 0x0503 {
                out.extend_from_slice(&number.to_be_bytes());
            }
            counted(&mut out, &vec![7; if number == 0 { 0 } else { 32 }]);
            for time in [1u32, 2, 1000, 4] {
                out.extend_from_slice(&time.to_be_bytes());
            }
            out.push(0);
            out.extend_from_slice(&[0; 12]);
            counted(&mut out, b"ticket");
            counted(&mut out, b"");
        }
        out
    }

    #[test]
    fn a_ticket_is_found_until_it_ends() {
        for version in [0x0503, 0x0504] {
            let tickets = read_tickets(&file(version)).unwrap();
            assert_eq!(tickets.client.to_string(), "jim@CONTOSO.TEST");
            assert_eq!(tickets.tickets.len(), 1);
            let granting = Principal::service("krbtgt", "CONTOSO.TEST", "CONTOSO.TEST");
            let found = tickets.find(&granting, Moment::at(999)).unwrap();
            assert_eq!(found.message, b"ticket");
            assert!(tickets.find(&granting, Moment::at(1000)).is_none());
        }
        assert!(read_tickets(b"\x05\x02").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = file(0x0504);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len()));
            let _ = read_tickets(&bytes);
        }
    }
}
