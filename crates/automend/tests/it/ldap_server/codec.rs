//! Messages of LDAP (RFC 4511) as the server reads and writes them.

use super::ber::{Reader, ber, integer, octets};
use super::{Change, Filter, Op, Request, Search};

/// `pagedResultsControl` (RFC 2696).
pub(super) const PAGED: &str = "1.2.840.113556.1.4.319";

/// A whole message, with the cookie of the next page if there is one to tell.
pub(crate) fn message_of(id: i64, op: &[u8], cookie: Option<&[u8]>) -> Vec<u8> {
    let id = ber(0x02, &[&integer(id)]);
    let Some(cookie) = cookie else {
        return ber(0x30, &[&id, op]);
    };
    let value = ber(0x30, &[&ber(0x02, &[&integer(0)]), &octets(cookie)]);
    let control = ber(0x30, &[&octets(PAGED), &octets(value)]);
    ber(0x30, &[&id, op, &ber(0xa0, &[&control])])
}

/// The result of an operation (RFC 4511 4.1.9).
pub(crate) fn outcome(op: &Op, code: u8, text: &str, referral: Option<&str>) -> Vec<u8> {
    let tag = match op {
        Op::Bind { .. } => 0x61,
        Op::Search(_) => 0x65,
        Op::Modify { .. } => 0x67,
        Op::Extended { .. } | Op::Unbind | Op::Other => 0x78,
    };
    let referral = referral
        .map(|url| ber(0xa3, &[&octets(url)]))
        .unwrap_or_default();
    ber(
        tag,
        &[
            &ber(0x0a, &[&[code]]),
            &octets(""),
            &octets(text),
            &referral,
        ],
    )
}

/// A notice of disconnection (RFC 4511 4.4.1).
pub(crate) fn notice(text: &str) -> Vec<u8> {
    let name = ber(0x8a, &[b"1.3.6.1.4.1.1466.20036"]);
    let body = ber(
        0x78,
        &[&ber(0x0a, &[&[52]]), &octets(""), &octets(text), &name],
    );
    message_of(0, &body, None)
}

pub(super) fn read(message: &[u8]) -> Option<Request> {
    let mut message = Reader(message);
    let id = message.integer()?;
    let (tag, body) = message.next()?;
    let mut body_of = Reader(body);
    let op = match tag {
        0x60 => {
            body_of.integer()?;
            let name = body_of.text()?;
            Op::Bind {
                name,
                password: text(body_of.next()?.1).to_owned(),
            }
        }
        0x42 => Op::Unbind,
        0x63 => {
            let (base, scope) = (body_of.text()?, body_of.integer()?);
            for _ in 0..4 {
                body_of.next()?;
            }
            let (tag, filter) = body_of.next()?;
            let filter = filter_of(tag, filter)?;
            let mut list = Reader(body_of.next()?.1);
            let attributes = std::iter::from_fn(|| list.text()).collect();
            Op::Search(Search {
                base,
                scope,
                filter,
                attributes,
            })
        }
        0x66 => {
            let dn = body_of.text()?;
            let mut list = Reader(body_of.next()?.1);
            let change = || {
                let mut change = Reader(list.next()?.1);
                let operation = change.integer()?;
                let mut attribute = Reader(change.next()?.1);
                let name = attribute.text()?;
                let mut values = Reader(attribute.next()?.1);
                let values = std::iter::from_fn(|| Some(values.next()?.1.to_vec())).collect();
                Some(Change {
                    operation,
                    attribute: name,
                    values,
                })
            };
            Op::Modify {
                dn,
                changes: std::iter::from_fn(change).collect(),
            }
        }
        0x77 => Op::Extended {
            oid: body_of.text()?,
        },
        _ => Op::Other,
    };
    let mut page = None;
    if let Some((0xa0, controls)) = message.next() {
        let mut controls = Reader(controls);
        while let Some((_, control)) = controls.next() {
            let mut control = Reader(control);
            if control.text()? != PAGED {
                continue;
            }
            let value = std::iter::from_fn(|| control.next()).last()?.1;
            let mut value = Reader(Reader(value).next()?.1);
            let size = usize::try_from(value.integer()?).ok()?;
            page = Some((size, value.next()?.1.to_vec()));
        }
    }
    Some(Request {
        connection: 0,
        id,
        op,
        page,
        protected: false,
    })
}

fn filter_of(tag: u8, body: &[u8]) -> Option<Filter> {
    let mut inside = Reader(body);
    let several = || {
        let mut parts = Reader(body);
        let mut filters = Vec::new();
        while let Some((tag, part)) = parts.next() {
            filters.push(filter_of(tag, part)?);
        }
        Some(filters)
    };
    Some(match tag {
        0xa0 => Filter::And(several()?),
        0xa1 => Filter::Or(several()?),
        0xa2 => Filter::Not(Box::new(several()?.pop()?)),
        0xa3 => Filter::Equal(inside.text()?, inside.next()?.1.to_vec()),
        0x87 => Filter::Present(text(body).to_owned()),
        _ => return None,
    })
}

pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
