//! What the controls of a request ask for (RFC 4511 4.1.11).
//!
//! Invariant: a critical control that is not done here refuses the request.

use automend_ldap::server::{self as codec, Bounds, Malformed, Outcome};
use automend_ldap::{Control, Filter, ResultCode, control};

use super::computed::Extended;
use super::root::{EXTENDED_DN, LAZY_COMMIT, SHOW_RECYCLED, TREE_DELETE};
use super::search::Options;
use super::sorting::Sort;

/// What the controls of a request ask for.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) paged: Option<(usize, Vec<u8>)>,
    pub(super) options: Options,
    pub(super) permissive: bool,
    pub(super) tree_delete: bool,
    pub(super) assertion: Option<Filter>,
}

/// Reads the controls of a request; a critical one that is not done refuses the request.
pub(super) fn asked(controls: &[Control], bounds: Bounds) -> Result<Asked, Outcome> {
    let mut asked = Asked::default();
    let bad = |Malformed(what): Malformed| Outcome::new(ResultCode::PROTOCOL_ERROR, what);
    for control in controls {
        let value = control.value.as_deref().unwrap_or_default();
        match control.oid.as_str() {
            control::PAGED_RESULTS => {
                asked.paged = Some(codec::read_paging(value).map_err(bad)?);
            }
            control::SHOW_DELETED | SHOW_RECYCLED => asked.options.show_deleted = true,
            control::DOMAIN_SCOPE => asked.options.domain_scope = true,
            control::SORT => {
                asked.options.sort = Some(Sort {
                    keys: codec::read_sort_keys(value).map_err(bad)?,
                    critical: control.critical,
                });
            }
            TREE_DELETE => asked.tree_delete = true,
            LAZY_COMMIT => {}
            EXTENDED_DN => {
                let form = match control.value {
                    None => 0,
                    Some(_) => codec::read_flags(value).map_err(bad)?,
                };
                asked.options.extended_dn = Some(match form {
                    0 => Extended::Hex,
                    1 => Extended::Text,
                    _ => return Err(bad(Malformed("an extended name of no known form"))),
                });
            }
            control::PERMISSIVE_MODIFY => asked.permissive = true,
            control::ATTRIBUTE_SCOPED_QUERY => {
                let attribute = codec::read_scoped_attribute(value).map_err(bad)?;
                asked.options.scoped_by = Some(attribute);
            }
            control::ASSERTION => {
                asked.assertion = Some(codec::read_assertion(value, bounds).map_err(bad)?);
            }
            oid if control.critical => {
                let text = format!("Attempt to use critical non-registered control '{oid}'");
                return Err(Outcome::new(
                    ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
                    text,
                ));
            }
            _ => {}
        }
    }
    Ok(asked)
}
