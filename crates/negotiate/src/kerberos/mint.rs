//! Tickets as a key distribution centre makes them, for tests of programs that take them: one who knows the
//! service's key can make any.

use super::cipher::Usage;
use super::message::{Sealed, TicketMessage, TicketPart};
use super::{Key, Moment, Principal, Ticket};
use crate::Failed;

impl Ticket {
    /// A ticket of `client` for `service`, encrypted with its key of this version; good from a minute ago for
    /// ten hours. `session` is the key that client and service share.
    pub fn mint(
        client: Principal,
        service: Principal,
        key: &Key,
        version: u32,
        session: Key,
        now: Moment,
    ) -> Result<Self, Failed> {
        let at = |seconds: i64| Moment::at(now.seconds.saturating_add(seconds));
        let (starts, ends) = (at(-60), at(36_000));
        let part = TicketPart::write([0, 0], b"", &session, &client, starts, ends);
        let mut sealed = Sealed::new(key, key.encrypt(Usage::TICKET, &part)?);
        sealed.version = Some(i64::from(version));
        Ok(Self {
            message: TicketMessage::write(&service, &sealed),
            key: session,
            client,
            service,
            ends,
        })
    }
}
