//! Namespaces, paths, headers and ports of Autodiscover, each spelled once beside its specification.
//!
//! [MS-OXDSCLI] 2.2 (POX), [MS-ASCMD] 2.2.1.3 (MobileSync), [MS-OXWSADISC] 2.2 (SOAP).
//!
//! The scheme of every namespace is `http`. Microsoft's pages show `https` since a bulk edit of links;
//! no server and no client ever put that on the wire, see [`same_namespace`].

/// Namespaces of the plain XML dialects.
pub mod pox {
    /// Outlook's request.
    pub const OUTLOOK_REQUEST: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
    /// The answer to Outlook; also what its `AcceptableResponseSchema` must say.
    pub const OUTLOOK_RESPONSE: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
    /// A mobile device's request.
    pub const MOBILESYNC_REQUEST: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006";
    /// The answer to a mobile device; also what its `AcceptableResponseSchema` must say.
    pub const MOBILESYNC_RESPONSE: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
    /// The envelope of both answers, and of a fault.
    pub const RESPONSE: &str =
        "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
}

/// Namespaces of the SOAP dialect.
pub mod soap {
    /// Everything of Autodiscover; an action is this, `/Autodiscover/` and the operation.
    pub const AUTODISCOVER: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
    /// SOAP 1.1.
    pub const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
    /// WS-Addressing 1.0.
    pub const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
    /// `type` and `nil` of XML Schema.
    pub const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
    /// Faults that WCF raises before a service sees the request.
    pub const DISPATCHER_FAULT: &str =
        "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher";
}

/// What XML itself reserves.
pub mod xml {
    /// Bound to the prefix `xml`.
    pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
    /// Bound to the prefix `xmlns`.
    pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
}

/// Paths, in lower case; servers compare them without case.
pub mod path {
    /// POX and MobileSync.
    pub const POX: &str = "/autodiscover/autodiscover.xml";
    /// SOAP.
    pub const SOAP: &str = "/autodiscover/autodiscover.svc";
    /// V2, with the address in the query, and the start of V2 with the address in the path.
    pub const V2: &str = "/autodiscover/autodiscover.json";
    /// Autoconfig on its own host, `autoconfig.DOMAIN`.
    pub const AUTOCONFIG: &str = "/mail/config-v1.1.xml";
    /// Autoconfig on the domain itself.
    pub const AUTOCONFIG_WELL_KNOWN: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";
    /// Autoconfig as some clients ask on the autodiscover host.
    pub const AUTOCONFIG_BARE: &str = "/config-v1.1.xml";
    /// Exchange Web Services below a host.
    pub const EWS: &str = "/EWS/Exchange.asmx";
    /// ActiveSync below a host.
    pub const EAS: &str = "/Microsoft-Server-ActiveSync";
}

/// Names of HTTP headers, in lower case.
pub mod header {
    /// The newest form of the MAPI/HTTP answer that the client reads ([MS-OXDSCLI] 3.2.5.1).
    pub const MAPI_HTTP_CAPABILITY: &str = "x-mapihttpcapability";
    /// `Negotiate`, `ExHttpInfo`: what may stand in the answer.
    pub const CLIENT_CAN_HANDLE: &str = "x-clientcanhandle";
    /// The mailbox that the request is for; a hint to proxies.
    pub const ANCHOR_MAILBOX: &str = "x-anchormailbox";
    /// RFC 9110 10.1.5.
    pub const USER_AGENT: &str = "user-agent";
    /// There is a SOAP endpoint beside this one.
    pub const SOAP_ENABLED: &str = "x-soap-enabled";
    /// There is an endpoint for WS-Security.
    pub const WS_SECURITY_ENABLED: &str = "x-wssecurity-enabled";
    /// For whom that endpoint is.
    pub const WS_SECURITY_FOR: &str = "x-wssecurity-for";
    /// Bearer tokens are taken.
    pub const OAUTH_ENABLED: &str = "x-oauth-enabled";
}

/// Types of content.
pub mod content {
    /// POX, SOAP and autoconfig.
    pub const XML: &str = "text/xml; charset=utf-8";
    /// V2.
    pub const JSON: &str = "application/json; charset=utf-8";
}

/// Whether two namespaces are one but for `http` and `https`: for reading what servers answer, never
/// for what is taken as a request.
pub fn same_namespace(found: &str, canonical: &str) -> bool {
    fn bare(uri: &str) -> &str {
        uri.strip_prefix("https://")
            .or_else(|| uri.strip_prefix("http://"))
            .unwrap_or(uri)
    }
    found == canonical || bare(found) == bare(canonical)
}
