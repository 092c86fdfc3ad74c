//! What an answer hands out in addition to what the directory says of the user: hosts, URLs, mail servers; and
//! what the client told of itself.
//!
//! None of this stands in a user's directory object. A server takes it from its configuration, by domain
//! or by database.
//!
//! Invariant: what is `None` here is nowhere in an answer; no URL is made up.

use automend_core::names::{Guid, SmtpAddress};
use serde::Deserialize;

use crate::schema::header;

/// What one user is to use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Services {
    /// As reached within the organisation: `EXCH`, `Internal…`.
    pub internal: Site,
    /// As reached from everywhere: `EXPR`, `External…`.
    pub external: Site,
    /// IMAP, for autoconfig, SOAP and, if [`Services::mail_in_pox`], POX.
    pub imap: Option<MailServer>,
    /// POP3, likewise.
    pub pop3: Option<MailServer>,
    /// Submission, likewise.
    pub smtp: Option<MailServer>,
    /// Whether POX answers name the mail servers. Off by default: clients of the EWS Managed API and KDE
    /// refuse an answer with several protocols that they do not know.
    pub mail_in_pox: bool,
    /// `PublicFolderInformation/SmtpAddress`: the mailbox that public folders are opened through.
    pub public_folder_mailbox: Option<SmtpAddress>,
    /// `PublicFolderServer`, a host name.
    pub public_folder_server: Option<String>,
    /// `AD`: a global catalogue.
    pub directory_server: Option<String>,
    /// `DeploymentId`: the organisation's GUID.
    pub deployment_id: Option<Guid>,
    /// `ServerVersion`, `CasVersion`, `ServerVersionInfo`.
    pub server_version: Version,
    /// The form of alternative mailboxes.
    pub shape: Shape,
    /// What autoconfig calls the provider; the domain where there is none.
    pub display_name: Option<String>,
}

/// How to reach the servers from one side.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Site {
    /// The RPC host: `Server` of `EXPR` and `EXHTTP`.
    pub host: Option<String>,
    /// `EwsUrl`, `ASUrl`, `OOFUrl`: `https://HOST/EWS/Exchange.asmx`.
    pub ews: Option<String>,
    /// `OABUrl`: `https://HOST/OAB/GUID/`.
    pub oab: Option<String>,
    /// `EcpUrl`: `https://HOST/ecp/`; the fragments for its pages are added.
    pub ecp: Option<String>,
    /// `OWAUrl`: `https://HOST/owa/`.
    pub owa: Option<String>,
    /// MAPI over HTTP: `https://HOST/mapi`; the end points and the mailbox are added.
    pub mapi: Option<String>,
    /// ActiveSync: `https://HOST/Microsoft-Server-ActiveSync`.
    pub eas: Option<String>,
    /// `UMUrl`: `https://HOST/EWS/UM2007Legacy.asmx`.
    pub um: Option<String>,
    /// `AuthPackage` of `EXPR`, `EXHTTP`.
    pub authentication: AuthPackage,
    /// `AuthenticationMethod` of `OWAUrl`.
    pub owa_authentication: OwaAuthentication,
    /// Whether RPC over HTTP goes over plain HTTP: `SSL` is `Off`.
    pub no_ssl: bool,
    /// `CertPrincipalName`: `msstd:HOST`, or `None` for no check. Left out, it is `msstd:` and the host.
    pub certificate_principal: Option<String>,
}

impl Site {
    /// Whether nothing is known of this side.
    pub fn is_empty(&self) -> bool {
        let urls = [
            &self.host, &self.ews, &self.oab, &self.ecp, &self.owa, &self.mapi, &self.eas, &self.um,
        ];
        urls.iter().all(|url| url.is_none())
    }
}

/// How Outlook logs in: the values of `AuthPackage` ([MS-OXDSCLI] 2.2.4.1.1.2.6.2).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum AuthPackage {
    /// Name and password.
    Basic,
    /// NTLM.
    #[default]
    Ntlm,
    /// Kerberos.
    Kerberos,
    /// Either of the two.
    KerberosOrNtlm,
    /// Negotiate; told only to a client that said it can, NTLM to others.
    Negotiate,
    /// A client certificate.
    Certificate,
}

impl AuthPackage {
    /// The text on the wire for a client with these abilities.
    pub fn as_str(self, abilities: Abilities) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Negotiate if abilities.negotiate => "Negotiate",
            Self::Ntlm | Self::Negotiate => "Ntlm",
            Self::Kerberos => "Kerb",
            Self::KerberosOrNtlm => "KerbNtlm",
            Self::Certificate => "Certificate",
        }
    }
}

/// How Outlook on the web asks for a login; several may hold.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum OwaAuthentication {
    /// A form, and Basic behind it.
    #[default]
    Forms,
    /// Basic alone.
    Basic,
    /// NTLM or Kerberos.
    Windows,
}

impl OwaAuthentication {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forms => "Basic, Fba",
            Self::Basic => "Basic",
            Self::Windows => "WindowsIntegrated, Ntlm",
        }
    }
}

/// A server for IMAP, POP3 or submission.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub encryption: Encryption,
    /// What users type as their name.
    pub login: Login,
}

/// How a mail connection is kept secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// TLS from the first byte.
    #[default]
    Tls,
    /// TLS after a command in clear.
    StartTls,
    /// Not at all.
    None,
}

/// What a user types as the name.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// The whole address.
    #[default]
    Address,
    /// What stands before the `@`.
    LocalPart,
}

impl Login {
    /// What the user with this address types.
    pub fn of(self, address: &SmtpAddress) -> &str {
        let whole = address.as_str();
        match self {
            Self::Address => whole,
            Self::LocalPart => whole.split('@').next().unwrap_or(whole),
        }
    }
}

/// The shape of an alternative mailbox ([MS-OXDSCLI] 2.2.4.1.1.2.5); the two are never mixed in one.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `SmtpAddress` and `OwnerSmtpAddress`, as Exchange 2013 and later.
    #[default]
    #[serde(rename = "by-address")]
    Address,
    /// `LegacyDN` and `Server`, as Exchange 2010; the other one for mailboxes that have no such pair.
    #[serde(rename = "by-legacy-dn")]
    LegacyDn,
}

/// The version of an Exchange server, as answers tell it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// 14 is 2010, 15 everything since.
    pub major: u8,
    /// With 15: 0 is 2013, 1 is 2016, 2 is 2019.
    pub minor: u8,
    /// The cumulative update.
    pub build: u16,
    /// The security update.
    pub revision: u16,
}

impl Default for Version {
    /// Exchange 2016, the oldest whose every dialect is spoken here.
    fn default() -> Self {
        Self {
            major: 15,
            minor: 1,
            build: 2507,
            revision: 6,
        }
    }
}

impl Version {
    /// The packed form of `ServerVersion`, to be shown as eight hexadecimal digits.
    ///
    /// From the top: four bits that say how it is packed (7), six of major, six of minor, a set bit,
    /// fifteen of build.
    pub fn packed(self) -> u32 {
        0x7000_8000
            | u32::from(self.major & 0x3f) << 22
            | u32::from(self.minor & 0x3f) << 16
            | u32::from(self.build & 0x7fff)
    }

    /// What SOAP calls the schema of this version.
    pub fn schema(self) -> &'static str {
        match (self.major, self.minor) {
            (..14, _) => "Exchange2007_SP1",
            (14, 0) => "Exchange2010",
            (14, 1) => "Exchange2010_SP1",
            (14, _) => "Exchange2010_SP2",
            (15, 0) => "Exchange2013_SP1",
            _ => "Exchange2016",
        }
    }
}

/// What a client told of itself in its headers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the abilities are independent of one another"
)]
pub struct Abilities {
    /// `X-MapiHttpCapability` is a number above zero: MAPI over HTTP, and no RPC.
    pub mapi_http: bool,
    /// `X-ClientCanHandle` has `Negotiate`.
    pub negotiate: bool,
    /// `X-ClientCanHandle` has `ExHttpInfo`.
    pub exhttp: bool,
    /// The client is built on the EWS Managed API, which refuses two protocols that it does not know.
    pub ews_library: bool,
}

impl Abilities {
    /// How many mixtures of abilities there are.
    pub const MIXTURES: usize = 16;

    /// A number for these abilities, below [`Self::MIXTURES`].
    pub fn mixture(self) -> usize {
        let all = [
            self.mapi_http,
            self.negotiate,
            self.exhttp,
            self.ews_library,
        ];
        all.into_iter()
            .fold(0, |number, has| number << 1 | usize::from(has))
    }

    /// Reads the headers, which `header` looks up by their names in lower case.
    pub fn of<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Self {
        let list = header(header::CLIENT_CAN_HANDLE).unwrap_or_default();
        let can = |word: &str| {
            list.split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        };
        Self {
            mapi_http: header(header::MAPI_HTTP_CAPABILITY)
                .is_some_and(|value| value.trim().parse::<u32>().is_ok_and(|version| version > 0)),
            negotiate: can("Negotiate"),
            exhttp: can("ExHttpInfo"),
            ews_library: header(header::USER_AGENT)
                .is_some_and(|agent| agent.starts_with("ExchangeServicesClient/")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_packed_as_servers_are_seen_to_pack_it() {
        check("72008287", 8, 0, 647);
        check("738180DA", 14, 1, 218);
        check("73C08204", 15, 0, 516);
        check("7FFFFFFF", u8::MAX, u8::MAX, u16::MAX);
    }

    #[track_caller]
    fn check(packed: &str, major: u8, minor: u8, build: u16) {
        let version = Version {
            major,
            minor,
            build,
            revision: 15,
        };
        assert_eq!(format!("{:08X}", version.packed()), packed);
    }

    #[test]
    fn a_client_can_only_what_it_says() {
        let of = |name: &'static str, value: &'static str| {
            Abilities::of(|asked| (asked == name).then_some(value))
        };
        for (value, mapi_http) in [
            ("1", true),
            (" 2 ", true),
            ("4294967295", true),
            ("0", false),
            ("-1", false),
            ("1.0", false),
            ("yes", false),
            ("", false),
            ("99999999999999999999", false),
        ] {
            let abilities = of(header::MAPI_HTTP_CAPABILITY, value);
            let expected = Abilities {
                mapi_http,
                ..Abilities::default()
            };
            assert_eq!(abilities, expected, "{value:?}");
        }
        for (value, negotiate, exhttp) in [
            ("Negotiate, ExHttpInfo", true, true),
            ("NEGOTIATE", true, false),
            (",exhttpinfo ,", false, true),
            ("NegotiateExHttpInfo", false, false),
            ("", false, false),
        ] {
            let abilities = of(header::CLIENT_CAN_HANDLE, value);
            let expected = Abilities {
                negotiate,
                exhttp,
                ..Abilities::default()
            };
            assert_eq!(abilities, expected, "{value:?}");
        }
        let library = of(header::USER_AGENT, "ExchangeServicesClient/15.00.0847.030");
        assert!(library.ews_library);
        let outlook = of(
            header::USER_AGENT,
            "Microsoft Office/16.0 (Windows NT 10.0)",
        );
        assert_eq!(outlook, Abilities::default());
    }

    #[test]
    fn every_mixture_of_abilities_has_a_number_of_its_own() {
        let mut seen = [false; Abilities::MIXTURES];
        for bits in 0..16_u8 {
            let has = |bit: u8| bits & bit != 0;
            let abilities = Abilities {
                mapi_http: has(1),
                negotiate: has(2),
                exhttp: has(4),
                ews_library: has(8),
            };
            assert!(!std::mem::replace(&mut seen[abilities.mixture()], true));
        }
    }
}
