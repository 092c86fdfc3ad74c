//! The operations other than search: compare, and the writes (RFC 4511 4.6 to 4.10).

use automend_core::dn::Dn;
use automend_ldap::server::{Outcome, Request};
use automend_ldap::{Filter, ResultCode};

use super::controls::Asked;
use super::matching;
use super::served::LdapServer;
use crate::error::Error;
use crate::name::Name;
use crate::reading::Links;
use crate::writing::Writing;

/// A compare or a write, on a thread that may block.
pub(super) fn operate(server: &LdapServer, request: Request, asked: &Asked) -> Outcome {
    let done = match request {
        Request::Compare {
            name,
            attribute,
            value,
        } => return compare(server, &name, &attribute, &value),
        Request::Modify {
            name,
            modifications,
        } => write(server, &name, asked, |writing, name| {
            let modifications: Vec<_> = modifications.into_iter().map(Into::into).collect();
            if asked.permissive {
                writing.modify_permissive(name, &modifications)
            } else {
                writing.modify(name, &modifications)
            }
        }),
        Request::Delete { name } if asked.tree_delete => delete_tree(server, &name, asked),
        Request::Delete { name } => write(server, &name, asked, Writing::delete),
        Request::Rename {
            name,
            new_rdn,
            delete_old,
            new_parent,
        } => write(server, &name, asked, |writing, name| {
            let parent = new_parent.as_deref().map(Name::parse).transpose()?;
            writing.rename(name, &new_rdn, delete_old, parent.as_ref())
        }),
        Request::Add { dn, attributes } => write(server, &dn, asked, |writing, name| match name {
            Name::Dn(dn) => writing.add(dn, &attributes).map(drop),
            Name::Guid(_) => Err(crate::Refusal::BadName {
                text: name.to_string(),
            }
            .into()),
        }),
        _ => return Outcome::new(ResultCode::OTHER, "no operation"),
    };
    done.unwrap_or_else(Outcome::from)
}

fn write(
    server: &LdapServer,
    name: &str,
    asked: &Asked,
    act: impl FnOnce(&mut Writing, &Name) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    let name = Name::parse(name)?;
    let mut writing = server.directory.write((server.clock)())?;
    if let Some(assertion) = &asked.assertion {
        // No other writer can come between: the transaction is ours, and this reads what it began from.
        let reading = server.directory.read()?;
        let object = reading.seen(reading.find(&name)?, &Links::All)?;
        let holds = match &object {
            Some(object) => matching::matches(&reading, assertion, object)?,
            None => false,
        };
        if !holds {
            return Ok(Outcome::new(
                ResultCode::ASSERTION_FAILED,
                "the assertion is false",
            ));
        }
    }
    act(&mut writing, &name)?;
    writing.commit()?;
    Ok(Outcome::success())
}

/// Deletes an object with all below it. What is too large for one commit goes piece by piece: the
/// client asks again after each adminLimitExceeded ([MS-ADTS] 3.1.1.5.5.7.3).
fn delete_tree(server: &LdapServer, name: &str, asked: &Asked) -> Result<Outcome, Error> {
    let mut left = 0;
    let outcome = write(server, name, asked, |writing, name| {
        left = writing.delete_tree(name, server.limits.tree_objects)?;
        Ok(())
    })?;
    if left > 0 {
        let text = format!("00002024: the tree has {left} more objects: delete it again");
        return Ok(Outcome::new(ResultCode::ADMIN_LIMIT_EXCEEDED, text));
    }
    Ok(outcome)
}

fn compare(server: &LdapServer, name: &str, attribute: &str, value: &[u8]) -> Outcome {
    let found = || -> Result<Outcome, Error> {
        let reading = server.directory.read()?;
        let id = reading.find(&Name::parse(name)?)?;
        let Some(object) = reading.seen(id, &Links::All)? else {
            return Ok(Outcome::new(ResultCode::NO_SUCH_OBJECT, ""));
        };
        if !matching::matches(&reading, &Filter::present(attribute), &object)? {
            let text = format!("'{}' has no '{attribute}'", Dn::as_str(&object.dn));
            return Ok(Outcome::new(ResultCode::NO_SUCH_ATTRIBUTE, text));
        }
        let same = matching::matches(&reading, &Filter::equal(attribute, value), &object)?;
        let verdict = if same {
            ResultCode::COMPARE_TRUE
        } else {
            ResultCode::COMPARE_FALSE
        };
        Ok(Outcome::new(verdict, ""))
    };
    found().unwrap_or_else(Outcome::from)
}
