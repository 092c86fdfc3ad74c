//! What Autodiscover tells a mailbox's user.

use crate::names::{Guid, SmtpAddress};

/// The outcome of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The user's settings.
    Settings(Box<Settings>),
    /// Ask again with this address (`redirectAddr`).
    Redirect(SmtpAddress),
    /// An error to Outlook.
    Fault(crate::fault::Fault),
}

/// The part of the answer that the directory decides; hosts and URLs are configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// `User/DisplayName`.
    pub display_name: String,
    /// `User/LegacyDN`.
    pub legacy_dn: String,
    /// `User/AutoDiscoverSMTPAddress`.
    pub address: SmtpAddress,
    /// The mailbox; with the domain it makes the `Server` of the EXCH protocol.
    pub mailbox_guid: Guid,
    /// Alternative mailboxes in directory order.
    pub alternatives: Vec<AlternativeMailbox>,
}

/// One `<AlternativeMailbox>` ([MS-OXDSCLI] 2.2.4.1.1.2.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AlternativeMailbox {
    /// Why it is offered.
    pub kind: AlternativeKind,
    /// `DisplayName`.
    pub display_name: String,
    /// How Outlook finds it.
    pub locator: Locator,
    /// `OwnerSmtpAddress`, only beside an SMTP address.
    pub owner_address: Option<SmtpAddress>,
    /// The other way to find it, for old clients, where the locator is an address.
    pub place: Option<Place>,
}

/// The two legal shapes; the specification forbids to mix them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Locator {
    /// `SmtpAddress`: the client asks Autodiscover again, Exchange 2013 and later.
    Address(String),
    /// `LegacyDN` and `Server`, Exchange 2010.
    Place(Place),
}

/// Where a mailbox is, without asking Autodiscover again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// `LegacyDN`.
    pub legacy_dn: String,
    /// `Server`.
    pub server: String,
}

/// The `Type` of an alternative mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AlternativeKind {
    /// AutoMapping: the user has full access.
    Delegate,
    /// The user's own archive.
    Archive,
    /// A site mailbox.
    TeamMailbox,
}

impl AlternativeKind {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delegate => "Delegate",
            Self::Archive => "Archive",
            Self::TeamMailbox => "TeamMailbox",
        }
    }
}
