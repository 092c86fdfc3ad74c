//! The root DSE: what the server says about itself (RFC 4512 5.1, [MS-ADTS] 3.1.1.3.2).
//!
//! Invariant: it lists no control that is not done.

use automend_core::dn::Dn;
use automend_ldap::control;

use super::served::LdapServer;
use crate::error::Error;
use crate::object::Object;
use crate::reading::Reading;
use crate::time;

/// LDAP_SERVER_SHOW_RECYCLED_OID ([MS-ADTS] 3.1.1.3.4.1.26); without a recycle bin the same as 417.
pub(super) const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";
/// LDAP_SERVER_TREE_DELETE_OID ([MS-ADTS] 3.1.1.3.4.1.15).
pub(super) const TREE_DELETE: &str = "1.2.840.113556.1.4.805";
/// LDAP_SERVER_EXTENDED_DN_OID ([MS-ADTS] 3.1.1.3.4.1.5).
pub(super) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// LDAP_SERVER_LAZY_COMMIT_OID ([MS-ADTS] 3.1.1.3.4.1.7); a commit is lasting all the same.
pub(super) const LAZY_COMMIT: &str = "1.2.840.113556.1.4.619";
/// Who am I (RFC 4532).
pub(super) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// StartTLS (RFC 4511 4.14.1).
pub(super) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// Every control that is done here.
pub(super) const CONTROLS: [&str; 11] = [
    control::PAGED_RESULTS,
    control::SHOW_DELETED,
    SHOW_RECYCLED,
    control::ATTRIBUTE_SCOPED_QUERY,
    control::PERMISSIVE_MODIFY,
    control::DOMAIN_SCOPE,
    control::ASSERTION,
    control::SORT,
    TREE_DELETE,
    EXTENDED_DN,
    LAZY_COMMIT,
];

/// The root DSE as an object, so that a filter and a selection can look at it.
pub(super) fn root_dse(
    reading: &Reading,
    server: &LdapServer,
    mechanisms: &[&str],
) -> Result<Object, Error> {
    let contexts = reading.naming_contexts()?;
    let mut attributes: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    let mut put = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            let values = values.into_iter().map(String::into_bytes).collect();
            attributes.push((name.to_owned(), values));
        }
    };
    let strings = |all: &[&str]| {
        all.iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let starting = |rdn: &str| {
        let found = contexts.iter().find(|dn| {
            dn.as_str()
                .get(..rdn.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(rdn))
        });
        found.map(Dn::to_string).into_iter().collect::<Vec<_>>()
    };
    let domain = contexts
        .first()
        .map(Dn::to_string)
        .into_iter()
        .collect::<Vec<_>>();
    put("objectClass", strings(&["top"]));
    put("currentTime", vec![time::text((server.clock)())]);
    put("defaultNamingContext", domain.clone());
    put("rootDomainNamingContext", domain);
    put("configurationNamingContext", starting("CN=Configuration,"));
    put(
        "schemaNamingContext",
        starting("CN=Schema,CN=Configuration,"),
    );
    put(
        "namingContexts",
        contexts.iter().map(Dn::to_string).collect(),
    );
    put("supportedControl", strings(&CONTROLS));
    put(
        "supportedCapabilities",
        strings(&["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"]),
    );
    put("supportedLDAPVersion", strings(&["3"]));
    let mut extensions = vec![WHO_AM_I];
    extensions.extend(server.start_tls.as_ref().map(|_| START_TLS));
    put("supportedExtension", strings(&extensions));
    put("supportedSASLMechanisms", strings(mechanisms));
    put(
        "supportedLDAPPolicies",
        strings(&["MaxPageSize", "MaxValRange", "MaxQueryDuration"]),
    );
    put("dnsHostName", vec![server.dns_host_name.to_string()]);
    put("vendorName", strings(&["automend"]));
    put(
        "highestCommittedUSN",
        vec![reading.counts()?.usn.to_string()],
    );
    put("isSynchronized", strings(&["TRUE"]));
    put("isGlobalCatalogReady", strings(&["FALSE"]));
    let dn = Dn::parse("").map_err(|error| Error::Damaged {
        what: error.to_string(),
    })?;
    Ok(Object {
        id: 0,
        dn,
        guid: [0; 16],
        deleted: false,
        attributes,
    })
}

/// Where a naming context is to be asked for, as a reference names it.
pub(super) fn url(context: &Dn) -> String {
    let mut domain = Vec::new();
    let mut at = Some(context.clone());
    while let Some(dn) = at.filter(|dn| !dn.as_str().is_empty()) {
        domain.extend(
            dn.rdn_parts()
                .into_iter()
                .filter(|(kind, _)| kind.eq_ignore_ascii_case("DC"))
                .map(|(_, value)| value),
        );
        at = dn.parent();
    }
    let escaped: String = context
        .as_str()
        .bytes()
        .map(|byte| match byte {
            b'=' | b',' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("ldap://{}/{escaped}", domain.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_the_domain_and_the_context() {
        let dn = Dn::parse("CN=Con figuration,DC=contoso,DC=test").unwrap();
        assert_eq!(
            url(&dn),
            "ldap://contoso.test/CN=Con%20figuration,DC=contoso,DC=test"
        );
    }
}
