//! Whether an object is what a filter asks for (RFC 4511 4.5.1.7, [MS-ADTS] 3.1.1.3.1.3.1).
//!
//! Three truths: an attribute that this directory has never heard of is undefined, and what is
//! undefined doesn't match, negated or not.
//!
//! Invariant: no look outside the object but for the names that link values stand for, and along a
//! chain of them, which is bounded.

use std::collections::HashSet;

use automend_core::dn::Dn;
use automend_ldap::Filter;

use crate::error::Error;
use crate::name::Name;
use crate::object::Object;
use crate::reading::{Links, Reading};
use crate::schema::{self, Link, Syntax};

/// All bits of the value are set ([MS-ADTS] 3.1.1.3.4.4.1).
const BIT_AND: &str = "1.2.840.113556.1.4.803";
/// Some bit of the value is set ([MS-ADTS] 3.1.1.3.4.4.2).
const BIT_OR: &str = "1.2.840.113556.1.4.804";
/// Some chain of values leads to the value ([MS-ADTS] 3.1.1.3.4.4.3).
pub(super) const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// How many objects are looked at between an object and the end of its chain of unlinked names.
const MAX_STEPS: usize = 10_000;

/// Whether the filter is true for the object; links that it names must have been read.
pub(super) fn matches(reading: &Reading, filter: &Filter, object: &Object) -> Result<bool, Error> {
    Ok(truth(reading, filter, object)? == Some(true))
}

/// The attributes that a filter looks at.
pub(super) fn attributes<'a>(filter: &'a Filter, into: &mut Vec<&'a str>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            for part in parts {
                attributes(part, into);
            }
        }
        Filter::Not(part) => attributes(part, into),
        Filter::Present(attribute)
        | Filter::Equal { attribute, .. }
        | Filter::Substring { attribute, .. }
        | Filter::GreaterOrEqual { attribute, .. }
        | Filter::LessOrEqual { attribute, .. }
        | Filter::Approximate { attribute, .. } => into.push(attribute),
        // A chain is followed by ids, without the values.
        Filter::Extensible {
            attribute: Some(attribute),
            rule: Some(rule),
            ..
        } if rule == IN_CHAIN && schema::find(attribute).is_some_and(|a| a.link != Link::None) => {}
        Filter::Extensible { attribute, .. } => into.extend(attribute.as_deref()),
    }
}

fn truth(reading: &Reading, filter: &Filter, object: &Object) -> Result<Option<bool>, Error> {
    let known = |attribute: &str| reading.dictionary.number(attribute).is_some();
    let some = |attribute: &str, test: &dyn Fn(&[u8]) -> Option<bool>| {
        if !known(attribute) {
            return None;
        }
        let values = object.values(schema::find(attribute).map_or(attribute, |a| a.name));
        Some(values.iter().any(|value| test(value) == Some(true)))
    };
    Ok(match filter {
        Filter::And(parts) => joined(reading, parts, object, false)?,
        Filter::Or(parts) => joined(reading, parts, object, true)?,
        Filter::Not(part) => truth(reading, part, object)?.map(|truth| !truth),
        Filter::Present(attribute) => some(attribute, &|_| Some(true)),
        Filter::Equal { attribute, value } | Filter::Approximate { attribute, value } => {
            let syntax = schema::syntax(attribute);
            if attribute.eq_ignore_ascii_case("objectCategory") {
                return Ok(some(attribute, &|other| Some(category(other, value))));
            }
            let named = named(reading, attribute, value)?;
            let normal = schema::normal(syntax, named.as_deref().unwrap_or(value));
            some(attribute, &|other| {
                Some(schema::normal(syntax, other) == normal)
            })
        }
        Filter::GreaterOrEqual { attribute, value } => some(attribute, &|other| {
            compare(attribute, other, value).map(std::cmp::Ordering::is_ge)
        }),
        Filter::LessOrEqual { attribute, value } => some(attribute, &|other| {
            compare(attribute, other, value).map(std::cmp::Ordering::is_le)
        }),
        Filter::Substring {
            attribute,
            initial,
            any,
            last,
        } => {
            let syntax = match schema::syntax(attribute) {
                // Names are matched by pieces as text, where Active Directory matches nothing.
                Syntax::Dn => Syntax::Text,
                syntax => syntax,
            };
            some(attribute, &|value| {
                let piece = |piece: &[u8]| schema::normal(syntax, piece).into_owned();
                Some(has_pieces(
                    &schema::normal(syntax, value),
                    initial.as_deref().map(piece),
                    any.iter().map(|any| piece(any)),
                    last.as_deref().map(piece),
                ))
            })
        }
        Filter::Extensible {
            attribute: Some(attribute),
            rule,
            value,
            ..
        } => match rule.as_deref() {
            Some(BIT_AND) => bits(value).and_then(|bits| {
                some(attribute, &|other| {
                    Some(schema::integer(other)? & bits == bits)
                })
            }),
            Some(BIT_OR) => bits(value).and_then(|bits| {
                some(attribute, &|other| {
                    Some(schema::integer(other)? & bits != 0)
                })
            }),
            Some(IN_CHAIN) => in_chain(reading, attribute, value, object)?,
            None => truth(reading, &Filter::equal(attribute, value), object)?,
            Some(_) => None,
        },
        Filter::Extensible {
            attribute: None, ..
        } => None,
    })
}

/// The truth of parts of which one that is `decisive` decides: false for all, true for any.
fn joined(
    reading: &Reading,
    parts: &[Filter],
    object: &Object,
    decisive: bool,
) -> Result<Option<bool>, Error> {
    let mut joined = Some(!decisive);
    for part in parts {
        match truth(reading, part, object)? {
            Some(truth) if truth == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => joined = None,
        }
    }
    Ok(joined)
}

/// Whether the values of an attribute of names, those of the objects they name, and so on, lead to
/// the object `value`.
fn in_chain(
    reading: &Reading,
    attribute: &str,
    value: &[u8],
    object: &Object,
) -> Result<Option<bool>, Error> {
    let Some(known) = schema::find(attribute).filter(|known| known.syntax == Syntax::Dn) else {
        return Ok(None);
    };
    let Some(target) = reading.referenced(value)? else {
        return Ok(Some(false));
    };
    if known.link != Link::None {
        return Ok(Some(
            reading.chain(known.link, target)?.contains(&object.id),
        ));
    }
    let mut seen = HashSet::new();
    let mut waiting = object.values(known.name).to_vec();
    while let Some(name) = waiting.pop() {
        let Some(id) = reading.referenced(&name)? else {
            continue;
        };
        if id == target {
            return Ok(Some(true));
        }
        if seen.insert(id)
            && let Some(next) = reading.seen(id, &Links::Only(Vec::new()))?
        {
            waiting.extend_from_slice(next.values(known.name));
        }
        if seen.len() > MAX_STEPS {
            return Err(Error::Limit {
                what: "objects in a chain of names",
                max: MAX_STEPS as u64,
                found: seen.len() as u64,
            });
        }
    }
    Ok(Some(false))
}

/// The name that `<GUID=...>` stands for in the value of a link.
fn named(reading: &Reading, attribute: &str, value: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let linked = schema::find(attribute).is_some_and(|a| a.link != Link::None);
    if !linked || !value.starts_with(b"<") {
        return Ok(None);
    }
    match reading.referenced(value)? {
        Some(id) => Ok(Some(reading.dn_text_once(id)?.into_bytes())),
        None => Ok(None),
    }
}

/// objectCategory is asked for by the name of the class as well ([MS-ADTS] 3.1.1.3.1.3.1).
fn category(held: &[u8], asked: &[u8]) -> bool {
    let dn = |text: &[u8]| Dn::parse(std::str::from_utf8(text).ok()?).ok();
    let Some(held) = dn(held) else {
        return false;
    };
    match dn(asked) {
        Some(asked) => held == asked,
        None => held.name().as_bytes().eq_ignore_ascii_case(asked),
    }
}

fn bits(value: &[u8]) -> Option<i64> {
    schema::integer(value)
}

fn compare(attribute: &str, held: &[u8], asked: &[u8]) -> Option<std::cmp::Ordering> {
    match schema::syntax(attribute) {
        Syntax::Integer => Some(schema::integer(held)?.cmp(&schema::integer(asked)?)),
        syntax => Some(schema::normal(syntax, held).cmp(&schema::normal(syntax, asked))),
    }
}

fn has_pieces(
    value: &[u8],
    initial: Option<Vec<u8>>,
    any: impl Iterator<Item = Vec<u8>>,
    last: Option<Vec<u8>>,
) -> bool {
    let Some(mut rest) = value.strip_prefix(initial.unwrap_or_default().as_slice()) else {
        return false;
    };
    for piece in any {
        if piece.is_empty() {
            continue;
        }
        let Some(at) = rest.windows(piece.len()).position(|window| window == piece) else {
            return false;
        };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(&last.unwrap_or_default())
}

/// The id of a base, `<GUID=...>` too; `None` for the root DSE.
pub(super) fn base(reading: &Reading, text: &str) -> Result<Option<u64>, Error> {
    match Name::parse(text)? {
        Name::Dn(dn) if dn.as_str().is_empty() => Ok(None),
        name => reading.find(&name).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Directory;

    #[test]
    fn filters_are_true_false_or_undefined() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        let ldif = "dn: CN=Jim,DC=c\nobjectClass: user\nmail: jim@Contoso.test\nuserAccountControl: 546\n\
                    objectCategory: CN=Person,CN=Schema,CN=Configuration,DC=c\nlegacyExchangeDN: /o=Org/cn=Jim\n\
                    msExchMailboxGuid:: /wABAgMEBQYHCAkKCwwNDg==\nproxyAddresses: SMTP:jim@contoso.test\n\
                    proxyAddresses: smtp:j@contoso.test\nmanager: CN=Jim,DC=c\n";
        crate::import(
            &directory,
            ldif.as_bytes(),
            crate::Import::default(),
            |_| {},
        )
        .unwrap();
        let reading = directory.read().unwrap();
        let jim = reading
            .object(&Dn::parse("CN=Jim,DC=c").unwrap())
            .unwrap()
            .unwrap();
        let guid = crate::guid_text(&jim.guid);
        for (filter, expected) in [
            ("(mail=JIM@contoso.test)", true),
            ("(mail=jim)", false),
            ("(!(mail=jim))", true),
            ("(neverHeardOf=*)", false),
            ("(!(neverHeardOf=*))", false),
            ("(|(neverHeardOf=*)(cn=jim))", true),
            ("(!(displayName=*))", true),
            ("(&(cn=*)(proxyAddresses=smtp:J@*))", true),
            ("(proxyAddresses=*@*contoso*t)", true),
            ("(proxyAddresses=*contoso*contoso*)", false),
            ("(userAccountControl:1.2.840.113556.1.4.803:=514)", true),
            ("(userAccountControl:1.2.840.113556.1.4.803:=515)", false),
            ("(userAccountControl:1.2.840.113556.1.4.804:=3)", true),
            ("(userAccountControl>=546)", true),
            ("(userAccountControl>=1000)", false),
            ("(userAccountControl<=99)", false),
            ("(objectCategory=person)", true),
            (
                "(objectCategory=cn=person,cn=schema,cn=configuration,dc=C)",
                true,
            ),
            (
                r"(msExchMailboxGuid=\ff\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e)",
                true,
            ),
            ("(manager=cn=jim, dc=c)", true),
            (&format!("(manager=<GUID={guid}>)"), true),
            ("(directReports=CN=Jim,DC=c)", true),
            ("(manager:1.2.840.113556.1.4.1941:=CN=Jim,DC=c)", true),
            ("(directReports:1.2.840.113556.1.4.1941:=CN=Jim,DC=c)", true),
            ("(manager:1.2.840.113556.1.4.1941:=CN=Jack,DC=c)", false),
            ("(!(manager:1.2.840.113556.1.4.1941:=CN=Jack,DC=c))", true),
            ("(!(mail:1.2.840.113556.1.4.1941:=CN=Jim,DC=c))", false),
            ("(2.5.4.3=jim)", true),
            ("(&)", true),
            ("(|)", false),
        ] {
            let parsed: Filter = filter.parse().unwrap();
            assert_eq!(
                matches(&reading, &parsed, &jim).unwrap(),
                expected,
                "{filter}"
            );
        }
    }
}
