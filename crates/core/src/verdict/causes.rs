//! The causes, one table: everything that one request, or one step of Outlook's discovery, can come to.
//!
//! A code is for ever: scripts and tickets quote it. Invariant: texts only; who is to be judged, and with
//! what, is decided elsewhere.

use super::hints::{
    ABORTED, CERTIFICATE_DATE, CERTIFICATE_NAME, CLIENT_CERTIFICATE, ERROR_ANSWER, FOREIGN_ANSWER,
    NO_ANSWER, NO_CONNECTION, NO_NAME, NO_PROXY, NO_REDIRECT, NO_REVOCATION, NO_SETTINGS, NOTHING,
    REVOKED, SECURE_FAILURE, TIMEOUT, UNKNOWN_AUTHORITY,
};
use super::{Effect, Hint};
use Effect::{Aside, Consent, Failure, Warning};

causes! {
    // Not tried, or leading on.
    /// Not tried: switched off.
    Excluded = "excluded", Aside, None,
        "not tried: switched off",
        "The step was left out on request, as Outlook's registry values can leave it out.",
        "";
    /// Not tried: no directory.
    NoDirectory = "no-directory", Aside, None,
        "not tried: no directory was given",
        "Only a computer that is a member of the domain looks for service connection points; here --directory stands for the membership.",
        "Give --directory ldaps://DC to include this step.";
    /// Not tried: no local file.
    NoLocalXml = "no-local-xml", Aside, NOTHING,
        "not tried: no local file was given",
        "Outlook reads a local file only where the registry names one for the domain.",
        "";
    /// Not tried: this URL was asked before.
    AlreadyAsked = "already-asked", Aside, None,
        "not tried: the same URL was asked before",
        "Two ways lead to the same URL, and it is asked once.",
        "";
    /// The endpoint leads to another URL.
    RedirectUrl = "redirect-url", Aside, None,
        "leads to another URL",
        "The server says that another URL has the answer.",
        "";
    /// The directory, or DNS, names servers.
    ServersNamed = "servers-named", Aside, None,
        "names where to ask",
        "The servers that are named are asked next.",
        "";
    /// The endpoint leads to another address.
    RedirectAddress = "redirect-address", Aside, None,
        "leads to another address",
        "The server says that the mailbox is known elsewhere by another address, and the search starts over with it.",
        "";
    /// The server wants the password itself, and an answer of another domain led there.
    SecretWanted = "password-wanted", Aside, None,
        "wants the password itself",
        "Another domain led here, and its servers get no password in clear text unless the user allows it.",
        "";
    /// A pointer of the directory leads to another directory.
    ScpPointer = "scp-pointer", Aside, None,
        "leads to another directory",
        "A service connection point names the directory that knows this domain.",
        "";
    /// Consent was given.
    Consented = "consented", Aside, None,
        "allowed",
        "The user allowed the redirect, as in Outlook's question.",
        "";

    // The address itself.
    /// The domain can have no Autodiscover host.
    BadDomain = "bad-domain", Failure(90), None,
        "the domain of the address is no host name",
        "Outlook makes host names of the domain, and of this one it cannot.",
        "Check the spelling of the address.";
    /// A domain of one label.
    SingleLabel = "single-label-domain", Failure(90), None,
        "the domain of the address has one label only",
        "autodiscover.DOMAIN would be a name outside the organisation, and credentials must not go there.",
        "Give the URL of the server with --url.";
    /// The domain is a public suffix.
    PublicSuffix = "public-suffix", Failure(90), None,
        "the domain of the address is a public suffix, under which anybody may register a name",
        "autodiscover.DOMAIN would belong to a stranger, and credentials must not go there.",
        "Check the spelling of the address, or give the URL of the server with --url.";

    // Names.
    /// NXDOMAIN.
    NoSuchHost = "no-such-host", Failure(10), NO_NAME,
        "the name does not exist",
        "DNS says that there is no such name.",
        "Where this step is meant to work, add the name to DNS.";
    /// The name has no address.
    NoAddress = "no-address", Failure(12), NO_NAME,
        "the name has no address",
        "DNS knows the name, but neither an IPv4 nor an IPv6 address.",
        "Add an A or AAAA record.";
    /// A chain of aliases that does not end.
    CnameLoop = "cname-loop", Failure(35), NO_NAME,
        "the aliases of the name run in a circle, or on without end",
        "A CNAME leads back to a name that was seen before.",
        "Correct the CNAME records.";
    /// SERVFAIL and its like.
    DnsFailed = "dns-failed", Failure(32), NO_NAME,
        "the DNS server failed",
        "The server answered that it cannot tell, which is not the same as that the name does not exist.",
        "Ask the name servers of the domain one by one; a broken delegation or DNSSEC signature does this.";
    /// No DNS server answers.
    DnsTimeout = "dns-timeout", Failure(32), NO_NAME,
        "no DNS server answers",
        "No answer came before the time limit.",
        "Check the network and the DNS servers of this computer, or name one with --resolver.";

    // Connections.
    /// Refused.
    Refused = "connection-refused", Failure(20), NO_CONNECTION,
        "the connection was refused",
        "The host is there, but nothing listens on this port.",
        "Start the web server, or open the port.";
    /// No route.
    Unreachable = "unreachable", Failure(20), NO_CONNECTION,
        "the host cannot be reached",
        "The network has no way to this address.",
        "Check routing and firewalls between here and the host.";
    /// No connection, and the client does not say why.
    CannotConnect = "cannot-connect", Failure(21), NO_CONNECTION,
        "no connection to the server came about",
        "Nothing listens there, a firewall is in the way, or the host is down; the client does not say which.",
        "Check that the web server runs, and the firewalls between here and the host.";
    /// The proxy cannot be reached.
    ProxyUnreachable = "proxy-unreachable", Failure(24), NO_PROXY,
        "the proxy cannot be reached",
        "The client is set to go through a proxy, or found one by itself, and cannot reach it.",
        "Check the proxy settings of the client, and that the proxy runs.";
    /// The connection did not come about in time.
    ConnectTimeout = "connect-timeout", Failure(22), TIMEOUT,
        "the connection did not come about in time",
        "Something on the way, usually a firewall, drops the packets instead of refusing them.",
        "Check firewalls between here and the host.";
    /// Closed before the answer.
    Reset = "connection-lost", Failure(40), ABORTED,
        "the connection was closed before the answer began",
        "The server, or something before it, ended the connection.",
        "Look into the log of the web server or load balancer at this time.";
    /// The answer broke off.
    AnswerCut = "answer-cut", Failure(44), ABORTED,
        "the connection was closed in the middle of the answer",
        "A part of an answer is not used: it could be a shorter list of mailboxes than there is.",
        "Look into the log of the web server or load balancer at this time.";
    /// No answer in time.
    TimeLimit = "time-limit", Failure(42), TIMEOUT,
        "the answer did not come in time",
        "The server took the request and did not finish its answer before the time limit.",
        "Look whether the application pool of Autodiscover hangs; --timeout waits longer.";
    /// Not HTTP.
    NotHttp = "not-http", Failure(38), ABORTED,
        "the answer is not HTTP",
        "Something else than a web server listens here.",
        "Check what listens on this port.";

    // TLS.
    /// No TLS on this port.
    TlsNotSpoken = "tls-not-spoken", Failure(38), SECURE_FAILURE,
        "the server does not speak TLS on this port",
        "Its first bytes are no TLS record, so plain HTTP, or another protocol, is served here.",
        "Bind HTTPS to this port.";
    /// A port that is open and silent.
    TlsSilent = "tls-silent", Failure(38), TIMEOUT,
        "the port is open, but nothing answers the TLS handshake",
        "Something accepts the connection and does not speak TLS: plain HTTP, another service, or a server that hangs.",
        "Check what listens on this port, and the port in the SRV record if one led here; HTTPS is port 443 as a rule.";
    /// TLS 1.0 or 1.1 only.
    TlsTooOld = "tls-too-old", Failure(52), SECURE_FAILURE,
        "the server speaks no TLS that is still safe",
        "It offers TLS 1.1 or older only; current versions of Windows refuse that, too.",
        "Switch TLS 1.2 on at the server or load balancer.";
    /// The handshake failed otherwise.
    TlsFailed = "tls-failed", Failure(50), SECURE_FAILURE,
        "no secure connection came about",
        "Client and server did not agree on how to encrypt.",
        "Compare the cipher suites and versions of TLS that the server offers with current recommendations.";
    /// The certificate has expired.
    CertificateExpired = "certificate-expired", Failure(56), CERTIFICATE_DATE,
        "the certificate has expired",
        "Its last day has passed, and Outlook shows a security alert or gives up.",
        "Renew the certificate and bind it to the web site.";
    /// The certificate is not valid yet.
    CertificateNotYetValid = "certificate-not-yet-valid", Failure(56), CERTIFICATE_DATE,
        "the certificate is not valid yet",
        "Its first day is still to come, or a clock is wrong.",
        "Check the clocks of this computer and of the server.";
    /// The certificate is for another name.
    CertificateWrongName = "certificate-wrong-name", Failure(54), CERTIFICATE_NAME,
        "the certificate is for another name",
        "The name that was asked for is not among the names in the certificate.",
        "Get a certificate that has this name, or do not let this name lead to this server.";
    /// No trusted authority has signed.
    CertificateUntrusted = "certificate-untrusted", Failure(56), UNKNOWN_AUTHORITY,
        "the certificate is not issued by a trusted authority",
        "It is self-signed, or this computer does not know its authority, or an intermediate certificate is missing from the chain.",
        "Send the whole chain, get a certificate from a known authority, or name yours with --ca FILE.";
    /// The certificate was revoked.
    CertificateRevoked = "certificate-revoked", Failure(56), REVOKED,
        "the certificate was revoked",
        "Its authority has taken it back, and clients that check this refuse it.",
        "Replace the certificate.";
    /// Whether the certificate was revoked is unknown.
    RevocationUnknown = "certificate-revocation-unknown", Failure(53), NO_REVOCATION,
        "whether the certificate was revoked could not be checked",
        "The server with the list of revoked certificates, which the certificate names, did not answer the client.",
        "Let the client reach the revocation server (CRL and OCSP addresses of the certificate), through the proxy where there is one.";
    /// The certificate is unusable.
    CertificateBroken = "certificate-broken", Failure(56), UNKNOWN_AUTHORITY,
        "the certificate cannot be used",
        "It is malformed, its signature is wrong, or it was not made for servers.",
        "Replace the certificate.";
    /// The server wants a certificate of the client.
    ClientCertificate = "client-certificate-wanted", Failure(58), CLIENT_CERTIFICATE,
        "the server wants a certificate of the client",
        "Outlook has none to show for Autodiscover.",
        "Set client certificates to ignore on the Autodiscover directory of the web site.";

    // HTTP.
    /// 401, and there is no password to send.
    LoginWanted = "login-wanted", Failure(62), NO_SETTINGS,
        "the server wants a login, and no password was given",
        "Autodiscover answers only who has logged in.",
        "Give --password-file FILE or AUTOMEND_MAIL_PASSWORD, or run on a terminal, which asks.";
    /// The login was rejected.
    LoginRejected = "login-rejected", Failure(72), NO_SETTINGS,
        "the server rejected the login",
        "User name or password are wrong, the account is locked or disabled, or this server knows other accounts. With NTLM and Kerberos there is one more reason, which looks the same: Extended Protection, which current versions of Exchange require, takes only a login that is bound to the certificate that the server itself has, and something between, such as a proxy, ends TLS with another. No further login is risked, so that no account gets locked.",
        "Check user name and password. Where this host is not the mail server but, say, the web site of the domain, leave its step out with --exclude, or allow one more try with --max-auth 2. To see whether TLS ends at a proxy, compare the fingerprint to which the login was bound with that of the mail server itself, SERVER: openssl s_client -connect SERVER:443 -servername HOST </dev/null | openssl x509 -noout -subject -fingerprint -sha256. Where they differ, use the same certificate on both, or switch Extended Protection off for this directory.";
    /// No scheme that can be used.
    LoginNoScheme = "login-no-scheme", Failure(66), NO_SETTINGS,
        "the server offers no way to log in that can be used here",
        "None of the schemes it names fits the credentials at hand.",
        "Compare the schemes below with those that the virtual directory should offer.";
    /// Stronger first, then Basic only.
    LoginDowngrade = "login-downgrade", Failure(74), NO_SETTINGS,
        "after a stronger scheme the server wanted the password in clear",
        "That is what an impostor does to get the password, so it was not sent.",
        "Find out who answers at this host. Where it is the right server, correct the authentication that it offers but does not accept.";
    /// The login could not be made.
    LoginFailed = "login-failed", Failure(64), NO_SETTINGS,
        "the login could not be made",
        "What the scheme needs is missing or wrong, such as a ticket or a key distribution centre, or the server's part of the exchange could not be used.",
        "Read the detail, or choose another scheme with --auth.";
    /// No further login is risked.
    LoginWithheld = "login-withheld", Failure(60), None,
        "the server wants a login, and none is risked any more",
        "The password was rejected before, and another try could lock the account.",
        "Find out first why the password was rejected.";
    /// 403.
    Forbidden = "forbidden", Failure(46), NO_SETTINGS,
        "the server forbids it (403)",
        "The login was right or not needed, but this request may not be made here.",
        "Look at address restrictions, required client certificates and rules of the firewall or load balancer.";
    /// 404 or 410.
    NotFound = "not-found", Failure(14), NO_SETTINGS,
        "there is no Autodiscover at this URL (404)",
        "A web server answers, but it is not one that serves Autodiscover.",
        "Where this step is meant to work, let the path /autodiscover lead to the mail server.";
    /// 405.
    WrongMethod = "wrong-method", Failure(30), NO_SETTINGS,
        "the server takes no POST at this URL (405)",
        "A web server answers, but it treats the URL as a page.",
        "Where this step is meant to work, let the path /autodiscover lead to the mail server.";
    /// 503 or 429.
    Busy = "busy", Failure(48), NO_SETTINGS,
        "the server is busy or out of service",
        "It asks to come back later; an application pool that is stopped answers so, too.",
        "Wait, then look whether the application pool of Autodiscover runs.";
    /// Any other 5xx.
    ServerFailed = "server-failed", Failure(48), NO_SETTINGS,
        "the server failed",
        "An error of the web server, which is not yet Autodiscover's own.",
        "Look into the event log of the server at this time.";
    /// 407.
    ProxyLogin = "proxy-login", Failure(46), NO_SETTINGS,
        "a proxy wants a login (407)",
        "Something between here and the server wants to know who asks.",
        "Let the host pass without a login at the proxy.";
    /// Any other status.
    OddStatus = "unexpected-status", Failure(28), NO_SETTINGS,
        "the server answered with a status that Autodiscover does not use",
        "Only 200, redirects and 401 mean something to Outlook.",
        "Find out what answers at this host.";

    // Redirects that lead nowhere.
    /// To http.
    RedirectPlain = "redirect-to-http", Failure(59), NO_SETTINGS,
        "the redirect leads to plain HTTP",
        "Credentials must not go there, so it is not followed.",
        "Let the redirect lead to an https URL.";
    /// Not a path of Autodiscover.
    RedirectPath = "redirect-elsewhere", Failure(26), NO_SETTINGS,
        "the redirect does not lead to Autodiscover",
        "It leads to a front page, as when a web site sends everybody there, or its path could be read in two ways.",
        "Where this step is meant to work, keep the path /autodiscover out of the web site's redirect.";
    /// No URL.
    RedirectBroken = "redirect-broken", Failure(45), NO_SETTINGS,
        "the redirect names no URL that can be used",
        "Its target is missing or malformed.",
        "Correct the redirect at the server.";
    /// In a circle.
    RedirectLoop = "redirect-loop", Failure(68), NO_SETTINGS,
        "the redirects run in a circle",
        "The target was asked before in the same search.",
        "Correct the redirects, or targetAddress where addresses lead to each other.";
    /// More than ten.
    RedirectLimit = "redirect-limit", Failure(68), NO_SETTINGS,
        "there are more than ten redirects",
        "Outlook follows ten, redirects to URLs and to addresses together, and gives up.",
        "Let the first redirect lead directly to the last target.";
    /// To the same address.
    RedirectSame = "redirect-same-address", Failure(68), NO_SETTINGS,
        "the redirect leads to the very address that was asked about",
        "The server believes that the mailbox is elsewhere, and names this place.",
        "Look at targetAddress of the user.";
    /// To something that is no address.
    RedirectNoAddress = "redirect-no-address", Failure(68), NO_SETTINGS,
        "the redirect leads to something that is no usable address",
        "It is no SMTP address, or none whose domain can be asked.",
        "Look at targetAddress of the user.";
    /// Consent lacks.
    ConsentNeeded = "consent-needed", Consent, None,
        "another host has to be allowed first",
        "Outlook asks the user before it follows a redirect to a host that the mail domain does not vouch for; here no user could be asked.",
        "Find out whether the host is the right one, then allow it with --allow-redirect HOST.";
    /// Consent was refused.
    ConsentRefused = "consent-refused", Failure(57), None,
        "the other host was not allowed",
        "The user answered the question with no.",
        "";
    /// No redirect at the probe.
    NoRedirect = "no-redirect", Failure(9), NO_REDIRECT,
        "there is no redirect",
        "The host answers on port 80, but does not redirect to another URL.",
        "";

    // SRV.
    /// No record.
    NoSrv = "no-srv-record", Failure(8), NOTHING,
        "there is no SRV record",
        "DNS has no _autodiscover._tcp record for the domain.",
        "";
    /// No record that can be used.
    SrvUnusable = "srv-unusable", Failure(36), NOTHING,
        "the SRV records name no server that can be asked",
        "Port 0 or the target \".\" say that the service is not offered; a target must be a host name.",
        "Correct or remove the record _autodiscover._tcp.{domain}.";

    // Directory and file.
    /// No service connection point.
    NoScp = "no-scp", Failure(7), NOTHING,
        "the directory has no service connection point for Autodiscover",
        "Exchange writes one for every server; its setup did not run in this forest, or the account may not read the configuration.",
        "Set-ClientAccessService -AutoDiscoverServiceInternalUri writes it.";
    /// The search failed.
    ScpFailed = "scp-failed", Failure(33), NOTHING,
        "the directory could not be searched for service connection points",
        "The directory refused, was lost, or cannot be reached.",
        "Check --directory and its login.";
    /// The directory rejected our own login.
    DirectoryLogin = "directory-login-failed", Failure(33), NOTHING,
        "the login to your directory failed",
        "The directory rejected the user or the password that this command was given; it says nothing about the mail servers.",
        "Check --directory-user and --directory-password-file, or AUTOMEND_DIRECTORY_USER and AUTOMEND_DIRECTORY_PASSWORD, or automend.toml; the login of the mail server is another one.";
    /// The certificate of our own directory is not trusted.
    DirectoryTrust = "directory-untrusted", Failure(33), NOTHING,
        "the certificate of your directory is not trusted",
        "This computer cannot verify the certificate of the directory server; it says nothing about the mail servers.",
        "Name the authority of the directory with --ca FILE, and the directory by a name that is in its certificate.";
    /// A service connection point with an unusable URL.
    ScpBroken = "scp-broken", Failure(34), NOTHING,
        "a service connection point names no URL that can be asked",
        "Its serviceBindingInformation is no https URL of Autodiscover.",
        "Set-ClientAccessService -AutoDiscoverServiceInternalUri sets it.";
    /// The local file cannot be read as Autodiscover.
    LocalXmlBroken = "local-xml-broken", Failure(65), FOREIGN_ANSWER,
        "the local file is no Autodiscover answer",
        "Outlook would pass it by.",
        "Correct the file, or remove the registry value that names it.";

    // Answers that cannot be used.
    /// Nothing.
    AnswerEmpty = "answer-empty", Failure(47), NO_ANSWER,
        "the answer is empty",
        "The status says that all is well, but there is no body.",
        "Look into the event log of the server at this time.";
    /// HTML.
    AnswerHtml = "answer-html", Failure(29), FOREIGN_ANSWER,
        "the answer is a web page, not Autodiscover",
        "A web site, a login page of a firewall, or an error page with status 200 answers here.",
        "Where this step is meant to work, let the path /autodiscover lead to the mail server without a login page before it.";
    /// Not well-formed.
    AnswerMalformed = "answer-malformed", Failure(49), FOREIGN_ANSWER,
        "the answer is not well-formed",
        "It breaks off, or was damaged on the way; what can be read of it is not used.",
        "Look for what changes answers between the server and here.";
    /// A DTD.
    AnswerDtd = "answer-dtd", Failure(53), FOREIGN_ANSWER,
        "the answer has a document type, which no Autodiscover answer has",
        "Entities can read files and exhaust memory, so nothing of it is read.",
        "Find out who answers at this host.";
    /// Not text.
    AnswerEncoding = "answer-encoding", Failure(49), FOREIGN_ANSWER,
        "the answer is not text in the encoding that it claims",
        "Bytes in it are neither UTF-8 nor UTF-16, or its compression is broken.",
        "Look for what changes answers between the server and here.";
    /// Too large.
    AnswerTooLarge = "answer-too-large", Failure(51), NO_ANSWER,
        "the answer is larger than any Autodiscover answer",
        "Reading was stopped, also where the answer unpacks to more than it seems.",
        "Find out what answers at this host.";
    /// XML of another kind.
    AnswerForeign = "answer-foreign", Failure(31), FOREIGN_ANSWER,
        "the answer is not the kind of document that was asked for",
        "It is well-formed, but it is neither settings nor a redirect nor an error of Autodiscover, or it is meant for another kind of client.",
        "Find out what answers at this host.";
    /// Settings in a namespace that is not theirs.
    WrongNamespace = "wrong-namespace", Failure(55), FOREIGN_ANSWER,
        "the answer has settings, but in a namespace of another kind",
        "Clients look for settings by the exact namespaces of the specification, and find none in this answer.",
        "Correct the namespaces that the server writes; the detail names the element, and the namespace that it should have.";
    /// Nothing but an account.
    NoProtocols = "no-protocols", Failure(55), FOREIGN_ANSWER,
        "the answer has settings, but no protocol or server among them",
        "Such an answer is legal, and no client can connect with it.",
        "Look at the internal and external URLs of the virtual directories.";

    /// The recorder kept the head of the answer only.
    BodyNotRecorded = "body-not-recorded", Warning, None,
        "the recording does not hold the body of the answer",
        "The server answered, but the recorder kept the head only, so nothing can be said of what was answered.",
        "Record again with content: save the HAR with content, let a proxy keep and decrypt bodies, capture whole packets; automend trace --listen ADDRESS -o FILE keeps them, too.";
    /// The recorder left out what a redirect leads to.
    RedirectNotRecorded = "redirect-not-recorded", Warning, None,
        "the recording does not hold what the redirect leads to",
        "The answer sends the client on, and the recording ends there, or leaves out what came of it.",
        "Record again until the client is done, with every host that it asks.";

    // Faults.
    /// 500.
    UnknownAddress = "fault-500", Failure(84), ERROR_ANSWER,
        "Autodiscover answers error 500: it does not know the address",
        "No object of the directory has the address, or none that has a mailbox.",
        "Check the spelling. With a directory at hand, {show} shows what has the address.";
    /// 501.
    BadAddress = "fault-501", Failure(84), ERROR_ANSWER,
        "Autodiscover answers error 501: the address is bad, or may not be asked about",
        "Some servers let users ask about their own address only.",
        "Ask with the login of the mailbox itself.";
    /// 600.
    InvalidRequest = "fault-600", Failure(78), ERROR_ANSWER,
        "Autodiscover answers error 600: it could not read the request",
        "Something on the way changed the request, such as a redirect that turns POST into GET, or the server wants another form.",
        "Look for proxies and redirects between here and the server.";
    /// 601.
    NoProvider = "fault-601", Failure(78), ERROR_ANSWER,
        "Autodiscover answers error 601: it cannot answer in this schema",
        "The server does not serve the kind of client that was asked for.",
        "Ask with the protocol that the server serves.";
    /// 602.
    Fault602 = "fault-602", Failure(80), ERROR_ANSWER,
        "Autodiscover answers error 602",
        "This error is rare, and no source says what Exchange means by it.",
        "Look into the event log of the server at this time.";
    /// 603.
    DirectoryObjectGone = "fault-603", Failure(86), ERROR_ANSWER,
        "Autodiscover answers error 603: an object that the answer needs was not found in the directory",
        "As a rule not the user is missing, but the owner of a mailbox that is opened for the user: the mailbox was removed, its AutoMapping link stayed, and one such link breaks the whole answer. The server does not say whose it is.",
        "{audit} names the owner and the fix.";
    /// Any other code.
    OtherFault = "fault-other", Failure(80), ERROR_ANSWER,
        "Autodiscover answers an error that has no settled meaning",
        "The list of errors is open, and servers have their own.",
        "Read the message, and look into the event log of the server at this time.";
    /// SOAP `InvalidUser`.
    SoapInvalidUser = "soap-invalid-user", Failure(84), None,
        "Autodiscover answers InvalidUser",
        "Either no mailbox has the address, or an object that the answer needs was not found, which SOAP does not tell apart.",
        "Ask with --protocol pox, too: there the first is error 500 and the second error 603.";
    /// SOAP `InvalidRequest` or a SOAP fault.
    SoapFault = "soap-fault", Failure(78), None,
        "Autodiscover answers that it could not take the request",
        "The SOAP service refused the request as a whole.",
        "Read the message, and look into the event log of the server at this time.";
    /// SOAP `InternalServerError`.
    SoapServerError = "soap-server-error", Failure(82), None,
        "Autodiscover answers that it failed inside",
        "The server got the request and could not finish it, as when an object that the answer needs was not found.",
        "Ask with --protocol pox, too, which may tell more, and look into the event log of the server at this time.";
    /// MobileSync `Action/Error`.
    MobileSyncError = "mobilesync-error", Failure(82), None,
        "Autodiscover answers the mobile client with an error",
        "The server could not serve this user, for whom it may not be switched on.",
        "Read the message, and check that ActiveSync is switched on for the user.";
    /// V2 says no.
    JsonRefused = "v2-refused", Failure(37), None,
        "the JSON service answers with an error",
        "It does not serve this address or this protocol.",
        "";

    // Things that work and should be better.
    /// The certificate expires soon.
    CertificateExpiresSoon = "certificate-expires-soon", Warning, None,
        "the certificate expires within two weeks",
        "From then on Outlook shows a security alert or gives up.",
        "Renew the certificate and bind it to the web site.";
    /// One of the addresses of a host does not answer.
    AddressDead = "address-dead", Warning, None,
        "one of the host's addresses does not answer",
        "Clients that try it first wait for it, and some do not try another.",
        "Remove the address from DNS, or repair what should answer there.";
    /// The SRV record has another port than 443.
    SrvPort = "srv-port", Warning, None,
        "the SRV record names another port than 443",
        "Outlook is known to ignore the port of the record.",
        "Serve Autodiscover on port 443.";
    /// A namespace that is nearly right.
    NamespaceDiffers = "namespace-differs", Warning, None,
        "an element of the answer is not in the namespace that the specification gives it",
        "Clients that compare namespaces exactly do not find the element.",
        "Correct the namespace that the server writes.";
    /// Settings of another address.
    OtherAddress = "address-differs", Warning, None,
        "the answer is about another address",
        "The client opens the mailbox that the answer names. That is right where the address that was asked for is an alias of the same mailbox, and wrong where the mailbox is another person's.",
        "Check that both addresses belong to one mailbox; automend test --directory looks it up, and does not report an alias.";
    /// An external URL that cannot be resolved from outside.
    InternalName = "external-name-internal", Warning, None,
        "an external URL has a name that only the internal network knows",
        "A client outside cannot resolve it, and no public authority signs a certificate for it.",
        "Set the external URL of the virtual directory to a public name.";
    /// IMAP or SMTP only.
    NoExchange = "no-exchange", Warning, None,
        "the answer has only IMAP, POP or SMTP, and no Exchange protocol",
        "Outlook adds the mailbox as an IMAP or POP account, without calendar and address book; a web host that answers in the place of Exchange does this.",
        "Where the mailbox is on Exchange, switch Autodiscover of the web host off, or let the name lead to Exchange.";
    /// A mobile device's settings without a URL that it can use.
    NoMobileUrl = "no-mobilesync-url", Warning, None,
        "the answer names no server that a mobile client can use",
        "A mobile client needs a server of the type MobileSync with a URL.",
        "Set the internal and external URLs of the ActiveSync virtual directory.";
    /// A mixed or incomplete alternative mailbox.
    MixedShape = "alternative-malformed", Warning, None,
        "an alternative mailbox is described in a form that the specification forbids",
        "It has to have either an SMTP address, or a legacy name with a server, and a type.",
        "Report it to the maker of the server.";
    /// A server that the directory names gives an error, and another helps out.
    ScpEndpointFails = "scp-endpoint-fails", Warning, None,
        "a server that the directory names fails",
        "Outlook goes on to the next place, which costs time at every start.",
        "Repair that server, or correct the URL that the directory has for it.";
    /// Another protocol of the server that answered fails.
    ProtocolFails = "protocol-fails", Warning, None,
        "another protocol of the same server fails",
        "The client that was asked for first gets its settings, and those that speak the other protocol do not.",
        "Look into the event log of the server at this time.";
    /// The answer of an alternative mailbox fails.
    AlternativeFails = "alternative-fails", Warning, None,
        "an alternative mailbox has no Autodiscover answer of its own",
        "Outlook asks for each, and opens none without an answer.",
        "Test the address of that mailbox by itself.";
    /// A promised URL does not work.
    UrlFails = "url-fails", Warning, None,
        "a URL of the answer does not work",
        "Free/busy, automatic replies, the address book and the rest are asked for at these URLs.",
        "Correct the URL of the virtual directory, or repair what should answer there.";
    /// A promised URL is plain HTTP.
    UrlPlain = "url-plain", Warning, None,
        "a URL of the answer is plain HTTP",
        "An eavesdropper can read the requests to it.",
        "Set an https URL on the virtual directory.";
    /// A promised URL does not offer the promised authentication.
    UrlLogin = "url-login-differs", Warning, None,
        "a URL of the answer does not offer the login that the answer promises",
        "Clients that keep to the promise get no further there.",
        "Compare the authentication of the virtual directory with what Autodiscover announces.";

    // The run as a whole.
    /// No step gave anything.
    NothingFound = "nothing-found", Failure(1), NOTHING,
        "no step of the search leads to Autodiscover",
        "None of the names that Outlook makes of the domain leads to a server.",
        "Add autodiscover.{domain}, or an SRV record _autodiscover._tcp.{domain}, to DNS.";
}
