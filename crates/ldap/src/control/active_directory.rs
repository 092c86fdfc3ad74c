//! The controls of Active Directory in use here ([MS-ADTS] 3.1.1.3.4.1).
//!
//! Invariant: their values are fixed by the constructor's arguments.

use super::Control;
use crate::wire::{Writer, tag};

/// `LDAP_SERVER_ASQ_OID` ([MS-ADTS] 3.1.1.3.4.1.18).
pub const ATTRIBUTE_SCOPED_QUERY: &str = "1.2.840.113556.1.4.1504";
/// `LDAP_SERVER_SHOW_DELETED_OID` ([MS-ADTS] 3.1.1.3.4.1.14).
pub const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// `LDAP_SERVER_DOMAIN_SCOPE_OID` ([MS-ADTS] 3.1.1.3.4.1.4).
pub const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
/// `LDAP_SERVER_PERMISSIVE_MODIFY_OID` ([MS-ADTS] 3.1.1.3.4.1.8).
pub const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
/// `LDAP_SERVER_SD_FLAGS_OID` ([MS-ADTS] 3.1.1.3.4.1.11).
pub const SECURITY_DESCRIPTOR_FLAGS: &str = "1.2.840.113556.1.4.801";
/// `LDAP_SERVER_SORT_OID` ([MS-ADTS] 3.1.1.3.4.1.13, RFC 2891 1.1).
pub const SORT: &str = "1.2.840.113556.1.4.473";
/// `LDAP_SERVER_RESP_SORT_OID`: how the search was sorted (RFC 2891 1.2).
pub const SORT_RESULT: &str = "1.2.840.113556.1.4.474";

impl Control {
    /// Makes a base search look at the objects that `attribute` of the base names, instead of the
    /// base itself. Critical: without it the answer would be the base.
    pub fn attribute_scoped_query(attribute: &str) -> Self {
        let mut writer = Writer::default();
        writer.constructed(tag::SEQUENCE, |writer| writer.octets(attribute.as_bytes()));
        Self::new(ATTRIBUTE_SCOPED_QUERY, true, Some(writer.into_bytes()))
    }

    /// Includes tombstones and deleted objects in a search. Critical.
    pub fn show_deleted() -> Self {
        Self::new(SHOW_DELETED, true, None)
    }

    /// Keeps the server from sending references to other naming contexts. Not critical: a server
    /// that does not know it only says more.
    pub fn domain_scope() -> Self {
        Self::new(DOMAIN_SCOPE, false, None)
    }

    /// Makes a security descriptor come without its audit rules, which an ordinary account may not
    /// read, and but for which it would get none of it: only the list of permissions. Not critical.
    pub fn permissions_only() -> Self {
        // DACL_SECURITY_INFORMATION, 4.
        Self::new(
            SECURITY_DESCRIPTOR_FLAGS,
            false,
            Some(b"\x30\x03\x02\x01\x04".to_vec()),
        )
    }

    /// Lets a modify succeed that adds what is there or deletes what is gone. Not critical.
    pub fn permissive_modify() -> Self {
        Self::new(PERMISSIVE_MODIFY, false, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_is_wrapped_in_a_sequence() {
        let control = Control::attribute_scoped_query("member");
        assert_eq!(
            control.value.as_deref(),
            Some(&b"\x30\x08\x04\x06member"[..])
        );
        assert!(control.critical);
    }
}
