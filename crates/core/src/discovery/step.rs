//! Steps of the search and what they can come to: the words between [`Discovery`](super::Discovery) and
//! the caller that does the work.
//!
//! Invariant: only the search makes an [`Ask`], so credentials can go to no URL that the search did not
//! allow, and never to one that is not `https`.

use std::fmt;

use super::url::{Host, Scheme, Url};
use crate::names::SmtpAddress;
use crate::verdict::Cause;

/// The ways in which Outlook finds a server (support article 3211279, [MS-OXDISCO] 3.1.5).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DiscoveryMethod {
    /// The administrator named the URL.
    Given,
    /// A local file.
    LocalXml,
    /// Exchange Online, asked for at once.
    Microsoft365,
    /// The JSON service names the URL.
    V2Json,
    /// A service connection point in the directory.
    Scp,
    /// `https://DOMAIN/`.
    RootDomain,
    /// `https://autodiscover.DOMAIN/`.
    AutodiscoverHost,
    /// A redirect at `http://autodiscover.DOMAIN/`.
    HttpRedirect,
    /// An SRV record.
    Srv,
}

impl DiscoveryMethod {
    /// Every way, in the order in which they are tried.
    pub const ALL: &'static [Self] = &[
        Self::Given,
        Self::Microsoft365,
        Self::V2Json,
        Self::Scp,
        Self::RootDomain,
        Self::AutodiscoverHost,
        Self::LocalXml,
        Self::HttpRedirect,
        Self::Srv,
    ];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given-url",
            Self::LocalXml => "local-xml",
            Self::Microsoft365 => "microsoft-365",
            Self::V2Json => "v2-json",
            Self::Scp => "scp",
            Self::RootDomain => "root-domain",
            Self::AutodiscoverHost => "autodiscover-host",
            Self::HttpRedirect => "http-redirect",
            Self::Srv => "srv",
        }
    }

    /// Of two failures that tell the same, the one of the way by which the domain more likely means to be
    /// found is reported. The root domain comes late: as a rule it is a web site.
    pub(super) fn preference(self) -> u8 {
        match self {
            Self::Given => 9,
            Self::Scp => 8,
            Self::AutodiscoverHost => 7,
            Self::Srv => 6,
            Self::HttpRedirect => 5,
            Self::RootDomain => 4,
            Self::Microsoft365 => 3,
            Self::V2Json => 2,
            Self::LocalXml => 1,
        }
    }
}

impl fmt::Display for DiscoveryMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What kind of client asks.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Dialect {
    /// Plain XML, as Outlook asks ([MS-OXDSCLI]).
    #[default]
    Pox,
    /// SOAP, as Exchange Web Services clients ask ([MS-OXWSADISC]).
    Soap,
    /// Plain XML with the schema of mobile clients ([MS-ASCMD] 2.2.1.3).
    MobileSync,
}

impl Dialect {
    /// The file that is asked for.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Pox | Self::MobileSync => "autodiscover.xml",
            Self::Soap => "autodiscover.svc",
        }
    }

    /// Path and query of an endpoint.
    pub fn target(self) -> String {
        format!("/autodiscover/{}", self.file())
    }
}

/// One thing to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// To which way it belongs.
    pub way: DiscoveryMethod,
    /// What to do.
    pub act: Act,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Search a directory for service connection points; answer [`Answer::Scp`].
    SearchDirectory {
        /// The directory that a pointer names instead of the one at hand.
        at: Option<Host>,
    },
    /// Read the local file; answer as for [`Act::Ask`].
    ReadLocalXml,
    /// Ask for the settings, and log in as far as [`Ask::login`] allows.
    Ask(Ask),
    /// Get this URL without credentials and without following redirects; answer
    /// [`Answer::RedirectUrl`].
    Probe(Url),
    /// Ask the JSON service without credentials; answer [`Answer::RedirectUrl`] with the URL it names.
    AskJson(Url),
    /// Look up SRV records of this name; answer [`Answer::Srv`].
    LookUp(String),
    /// Ask the user; answer [`Answer::Consent`].
    Consent(Question),
}

/// A request for settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    url: Url,
    address: SmtpAddress,
    login: Login,
}

impl Ask {
    /// `None` for a URL that is not `https`.
    pub(super) fn new(url: Url, address: SmtpAddress, login: Login) -> Option<Self> {
        (url.scheme() == Scheme::Https).then_some(Self {
            url,
            address,
            login,
        })
    }

    /// Where to; always `https`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// About whom.
    pub fn address(&self) -> &SmtpAddress {
        &self.address
    }

    /// How to log in.
    pub fn login(&self) -> Login {
        self.login
    }
}

/// How far one may go to log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Login {
    /// With any scheme.
    Full,
    /// Only with a scheme that does not hand over what another could use again: neither Basic nor Bearer.
    /// Where the server wants one of these, answer [`Answer::WantsSecret`].
    Sealed,
    /// Not at all.
    Withheld,
}

/// A question to the user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The host that wants to be trusted.
    pub host: Host,
    /// What would be asked there; `None` for a directory server.
    pub url: Option<Url>,
    /// Why it is asked about.
    pub reason: Reason,
}

/// Why the user has to be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// A redirect leads to another host.
    Redirect,
    /// An SRV record names a host outside the mail domain.
    Srv,
    /// A server of another domain wants the password itself.
    Secret,
    /// An entry of the directory names another directory server.
    Pointer,
}

/// What came of a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Service connection points.
    Scp(Vec<Scp>),
    /// SRV records.
    Srv(Vec<SrvRecord>),
    /// A URL: `Location` of a 3xx, `RedirectUrl` in a body, `Url` of the JSON service.
    RedirectUrl(String),
    /// An address: `RedirectAddr`.
    RedirectAddress(String),
    /// Settings.
    Settings,
    /// The server wants the password itself, and [`Login::Sealed`] does not allow it.
    WantsSecret,
    /// Consent, `None` where no user could be asked.
    Consent(Option<bool>),
    /// Anything else.
    Failed(Cause),
}

/// A service connection point ([MS-OXDISCO] 3.1.5.1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scp {
    /// Values of `keywords`.
    pub keywords: Vec<String>,
    /// Values of `serviceBindingInformation`.
    pub bindings: Vec<String>,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SrvRecord {
    /// The smaller the earlier.
    pub priority: u16,
    /// The larger the more often.
    pub weight: u16,
    /// The port; 0 is none.
    pub port: u16,
    /// The host; `.` is none.
    pub target: String,
}

/// A step that was taken, or left out, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tried {
    /// To which way it belongs.
    pub way: DiscoveryMethod,
    /// What was done; `None` where the way was left out.
    pub act: Option<Act>,
    /// About whom.
    pub address: SmtpAddress,
    /// The step that led here, by its place.
    pub led_by: Option<usize>,
    /// Whether Outlook would have come here; the others are tried for information.
    pub outlook: bool,
    /// What it came to; `None` is settings.
    pub cause: Option<Cause>,
}

impl Tried {
    /// The URL of the step, if it has one.
    pub fn url(&self) -> Option<&Url> {
        match self.act.as_ref()? {
            Act::Ask(ask) => Some(ask.url()),
            Act::Probe(url) | Act::AskJson(url) => Some(url),
            Act::Consent(question) => question.url.as_ref(),
            Act::SearchDirectory { .. } | Act::ReadLocalXml | Act::LookUp(_) => None,
        }
    }
}

/// The cause that an answer to a question of consent stands for.
pub(super) fn cause_of_consent(said: Option<bool>) -> Cause {
    match said {
        Some(true) => Cause::Consented,
        Some(false) => Cause::ConsentRefused,
        None => Cause::ConsentNeeded,
    }
}
