//! The settings that a program may ask for ([MS-OXWSADISC] 3.1.4.2.4.2, and the enumeration of the EWS
//! Managed API, which has some more).
//!
//! Invariant: a name stands here once; one that does not stand here is no setting.

use super::ErrorCode;
use crate::xml::Writer;

macro_rules! settings {
    ($($name:ident)*) => {
        /// A setting of a user.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[allow(missing_docs, reason = "the names are the specification's, and say what they are")]
        pub enum Setting { $($name),* }

        impl Setting {
            /// Every setting.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The text on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The setting of a name, which is compared as it is.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

settings! {
    UserDisplayName UserDN UserDeploymentId AutoDiscoverSMTPAddress UserMSOnline
    InternalMailboxServer InternalRpcClientServer InternalMailboxServerDN
    InternalMailboxServerAuthenticationMethods InternalServerExclusiveConnect
    InternalRpcHttpServer InternalRpcHttpConnectivityRequiresSsl InternalRpcHttpAuthenticationMethod
    InternalEcpUrl InternalEcpVoicemailUrl InternalEcpEmailSubscriptionsUrl
    InternalEcpTextMessagingUrl InternalEcpDeliveryReportUrl InternalEcpRetentionPolicyTagsUrl
    InternalEcpPublishingUrl InternalEcpPhotoUrl InternalEcpConnectUrl InternalEcpTeamMailboxUrl
    InternalEcpTeamMailboxCreatingUrl InternalEcpTeamMailboxEditingUrl
    InternalEcpTeamMailboxHidingUrl InternalEcpExtensionInstallationUrl
    InternalEwsUrl InternalEmwsUrl InternalOABUrl InternalPhotosUrl InternalUMUrl
    InternalWebClientUrls InternalOutlookServiceUrl
    InternalPop3Connections InternalImap4Connections InternalSmtpConnections
    MailboxDN MailboxVersion PublicFolderServer PublicFolderInformation ActiveDirectoryServer
    ExternalMailboxServer ExternalMailboxServerRequiresSSL ExternalMailboxServerAuthenticationMethods
    ExternalServerExclusiveConnect
    EcpVoicemailUrlFragment EcpEmailSubscriptionsUrlFragment EcpTextMessagingUrlFragment
    EcpDeliveryReportUrlFragment EcpRetentionPolicyTagsUrlFragment EcpPublishingUrlFragment
    EcpPhotoUrlFragment EcpConnectUrlFragment EcpTeamMailboxUrlFragment
    EcpTeamMailboxCreatingUrlFragment EcpTeamMailboxEditingUrlFragment
    EcpExtensionInstallationUrlFragment
    ExternalEcpUrl ExternalEcpVoicemailUrl ExternalEcpEmailSubscriptionsUrl
    ExternalEcpTextMessagingUrl ExternalEcpDeliveryReportUrl ExternalEcpRetentionPolicyTagsUrl
    ExternalEcpPublishingUrl ExternalEcpPhotoUrl ExternalEcpConnectUrl ExternalEcpTeamMailboxUrl
    ExternalEcpTeamMailboxCreatingUrl ExternalEcpTeamMailboxEditingUrl
    ExternalEcpTeamMailboxHidingUrl ExternalEcpExtensionInstallationUrl
    ExternalEwsUrl ExternalEmwsUrl ExternalEwsVersion ExternalOABUrl ExternalPhotosUrl ExternalUMUrl
    ExternalWebClientUrls ExternalOutlookServiceUrl
    ExternalPop3Connections ExternalImap4Connections ExternalSmtpConnections
    InteropExternalEwsUrl InteropExternalEwsVersion EwsPartnerUrl EwsSupportedSchemas
    CrossOrganizationSharingEnabled AlternateMailboxes CasVersion CertPrincipalName
    DocumentSharingLocations ExchangeRpcUrl GroupingInformation MapiHttpEnabled MobileMailboxPolicy
    MobileMailboxPolicyInterop RedirectUrl ShowGalAsDefaultView SiteMailboxCreationURL SPMySiteHostURL
}

/// A setting without a value, or without a meaning.
pub(super) fn setting_error(xml: &mut Writer<'_>, element: &'static str, what: &str, name: &str) {
    let (code, is) = match Setting::named(name) {
        Some(_) => (ErrorCode::SettingIsNotAvailable, " is not available."),
        None => (ErrorCode::InvalidSetting, " is not valid."),
    };
    xml.open(element);
    xml.leaf("ErrorCode", code.as_str());
    xml.leaf_of("ErrorMessage", &[], &[what, " '", name, "'", is]);
    xml.leaf("SettingName", name);
    xml.close(element);
}
