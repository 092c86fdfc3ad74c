//! What a server says of itself, before anything else is asked (RFC 4512 5.1).

use std::collections::HashSet;

use automend_core::dn::Dn;
use automend_ldap::{Client, Error};

/// What a server says of itself (RFC 4512 5.1, [MS-ADTS] 3.1.1.3.2).
#[derive(Clone, Debug, Default)]
pub struct RootDse {
    /// Every naming context.
    pub contexts: Vec<String>,
    /// The domain.
    pub default: Option<String>,
    /// Where Exchange keeps servers and databases.
    pub configuration: Option<String>,
    /// Where attributes are defined.
    pub schema: Option<String>,
    /// Where attributes are defined on other servers (RFC 4512 4.2).
    pub subschema: Option<String>,
    /// OIDs of its controls.
    pub controls: HashSet<String>,
    /// Whether it behaves as Active Directory does.
    pub active_directory: bool,
    /// Whether it says `(!(attribute=*))` of what it hides, as Samba does.
    pub affirms_hidden: bool,
}

/// `LDAP_CAP_ACTIVE_DIRECTORY_OID` ([MS-ADTS] 3.1.1.3.4.3.1).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

impl RootDse {
    /// Asks the server for its root DSE (RFC 4512 5.1).
    pub async fn read(client: &Client) -> Result<Self, Error> {
        const WANTED: &[&str] = &[
            "namingContexts",
            "defaultNamingContext",
            "configurationNamingContext",
            "schemaNamingContext",
            "subschemaSubentry",
            "supportedControl",
            "supportedCapabilities",
            "vendorName",
        ];
        let entry = client.base("", WANTED).await?.unwrap_or_default();
        let texts = |name: &str| -> Vec<String> {
            entry
                .values(name)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        let one = |name: &str| texts(name).into_iter().next();
        let mut contexts = texts("namingContexts");
        // A subtree search covers what lies inside, unless the server keeps it apart, as AD does.
        let active_directory = texts("supportedCapabilities")
            .iter()
            .any(|oid| oid == ACTIVE_DIRECTORY);
        if !active_directory {
            let names: Vec<Dn> = contexts
                .iter()
                .filter_map(|text| Dn::parse(text).ok())
                .collect();
            contexts.retain(|text| {
                Dn::parse(text).is_ok_and(|dn| {
                    !names
                        .iter()
                        .any(|other| *other != dn && dn.is_within(other))
                })
            });
        }
        Ok(Self {
            contexts,
            default: one("defaultNamingContext"),
            configuration: one("configurationNamingContext"),
            schema: one("schemaNamingContext"),
            subschema: one("subschemaSubentry"),
            controls: texts("supportedControl").into_iter().collect(),
            active_directory,
            affirms_hidden: one("vendorName").is_some_and(|name| name.starts_with("Samba")),
        })
    }
}
