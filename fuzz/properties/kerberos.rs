//! No one is accepted who has no ticket that a key of the keytab opens, whatever else stands in the
//! message; keytabs, ticket files and answers of a centre are read or refused (RFC 4120).

use automend_negotiate::kerberos::{
    Ask, Keytab, Moment, Principal, Protection, Secret, Ticket, accept, read_tickets,
};

/// Panics when the property does not hold for these bytes.
pub fn holds(bytes: &[u8]) {
    let now = Moment::at(1_795_334_929);
    // A key that the bytes don't know.
    let keytab = Keytab::read(KEYTAB).expect("a keytab");
    assert_eq!(keytab.entries().len(), 1);
    assert!(accept(bytes, &keytab, "HTTP", now).is_err());
    if let Ok(keytab) = Keytab::read(bytes) {
        assert!(keytab.entries().len() <= bytes.len());
    }
    if let Ok(tickets) = read_tickets(bytes) {
        assert!(tickets.tickets.len() <= bytes.len());
        for ticket in tickets.tickets {
            answered(ticket, bytes, now);
        }
    }
    let jim = Principal::user("jim", "CONTOSO.TEST");
    let service = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
    let secret = Secret::Keys(keytab);
    if let Ok((mut ask, _)) = Ask::with_secret(jim, secret, service, true, now) {
        let _ = ask.feed(bytes, now);
        let _ = ask.feed(bytes, now);
    }
}

/// A login with the ticket is proved by nothing that a server without its key says.
fn answered(ticket: Ticket, bytes: &[u8], now: Moment) {
    if let Ok((_, proof)) = ticket.login(None, Protection::Seal, now) {
        assert!(!proof.is(bytes));
        assert!(proof.context(bytes).is_none());
    }
    let service = Principal::service("HTTP", "mail.contoso.test", "CONTOSO.TEST");
    if let Ok((mut ask, _)) = Ask::with_ticket(ticket, service, now) {
        let _ = ask.feed(bytes, now);
    }
}

/// One key for HTTP/mail.contoso.test@CONTOSO.TEST, aes128-cts-hmac-sha1-96.
const KEYTAB: &[u8] =
    b"\x05\x02\0\0\0\x4a\0\x02\0\x0cCONTOSO.TEST\0\x04HTTP\0\x11mail.contoso.test\
    \0\0\0\x01\0\0\0\0\x02\0\x11\0\x100123456789abcdef\0\0\0\x02";
