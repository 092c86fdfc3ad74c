//! What both dialects call a mailbox: its server since Exchange 2013, its legacy names, its pages in the
//! control panel, and the two legal shapes of an alternative mailbox ([MS-OXDSCLI] 2.2.4.1.1.2).

use std::io::Write as _;

use automend_core::names::SmtpAddress;
use automend_core::settings::{AlternativeMailbox, Locator, Place, Settings};

use crate::services::Shape;
use crate::xml::Writer;

/// Names of a mailbox, as pieces that are written one after the other.
pub(crate) struct Mailbox<'a> {
    guid: [u8; 36],
    domain: &'a str,
    /// What stands before `/cn=Recipients` in the user's legacy name.
    organisation: Option<&'a str>,
}

impl<'a> Mailbox<'a> {
    pub(crate) fn of(settings: &'a Settings) -> Self {
        let mut guid = [b'0'; 36];
        let written = write!(guid.as_mut_slice(), "{}", settings.mailbox_guid);
        debug_assert!(written.is_ok(), "a GUID has 36 characters");
        Self {
            guid,
            domain: settings.address.domain(),
            organisation: organisation(&settings.legacy_dn),
        }
    }

    /// The mailbox's domain.
    pub(crate) fn domain(&self) -> &'a str {
        self.domain
    }

    /// The server name that Outlook gets: `GUID@DOMAIN`, so that a move changes nothing.
    pub(crate) fn server(&self) -> [&str; 3] {
        let guid = std::str::from_utf8(&self.guid).unwrap_or_default();
        [guid, "@", self.domain]
    }

    /// The legacy name of that server, in the organisation that the user's own name tells.
    pub(crate) fn server_dn(&self) -> Option<[&str; 5]> {
        let [guid, at, domain] = self.server();
        Some([
            self.organisation?,
            "/cn=Configuration/cn=Servers/cn=",
            guid,
            at,
            domain,
        ])
    }
}

/// What is added to the legacy name of a server for its database.
pub(crate) const DATABASE: &str = "/cn=Microsoft Private MDB";

fn organisation(legacy_dn: &str) -> Option<&str> {
    const RECIPIENTS: &str = "/cn=recipients";
    let at = legacy_dn
        .as_bytes()
        .windows(RECIPIENTS.len())
        .position(|window| window.eq_ignore_ascii_case(RECIPIENTS.as_bytes()))?;
    legacy_dn
        .get(..at)
        .filter(|organisation| !organisation.is_empty())
}

/// One of the two legal shapes of an alternative mailbox.
enum Located<'a> {
    /// `SmtpAddress` and `OwnerSmtpAddress`.
    Address(&'a str, Option<&'a SmtpAddress>),
    /// `LegacyDN` and `Server`.
    Place(&'a Place),
}

impl<'a> Located<'a> {
    /// The shape that is wanted where the mailbox has it, or else the other.
    fn of(mailbox: &'a AlternativeMailbox, shape: Shape) -> Self {
        match (&mailbox.locator, &mailbox.place, shape) {
            (Locator::Place(place), _, _) | (Locator::Address(_), Some(place), Shape::LegacyDn) => {
                Self::Place(place)
            }
            (Locator::Address(address), _, _) => {
                Self::Address(address, mailbox.owner_address.as_ref())
            }
        }
    }
}

/// Writes an alternative mailbox; POX and SOAP name its element differently, and its parts alike.
pub(crate) fn write_alternative(
    xml: &mut Writer<'_>,
    element: &'static str,
    mailbox: &AlternativeMailbox,
    shape: Shape,
) {
    xml.open(element);
    xml.leaf("Type", mailbox.kind.as_str());
    xml.leaf("DisplayName", &mailbox.display_name);
    match Located::of(mailbox, shape) {
        Located::Place(place) => {
            xml.leaf("LegacyDN", &place.legacy_dn);
            xml.leaf("Server", &place.server);
        }
        Located::Address(address, owner) => {
            xml.leaf("SmtpAddress", address);
            xml.leaf_if("OwnerSmtpAddress", owner.map(SmtpAddress::as_str));
        }
    }
    xml.close(element);
}

/// A page of the control panel, as Exchange 2013 and 2016 have it.
pub(crate) struct Page {
    /// POX's element.
    pub element: &'static str,
    /// What stands between `Ecp` and `UrlFragment` in SOAP.
    pub word: &'static str,
    /// What is added to the panel's URL, before the realm.
    pub fragment: &'static str,
}

/// What follows a page's fragment, before the domain.
pub(crate) const REALM: &str = "&realm=";

/// The pages. Words in angle brackets are Outlook's to fill in.
pub(crate) const PAGES: &[Page] = &[
    Page {
        element: "EcpUrl-um",
        word: "Voicemail",
        fragment: "?rfr=olk&p=customize/voicemail.aspx&exsvurl=1",
    },
    Page {
        element: "EcpUrl-aggr",
        word: "EmailSubscriptions",
        fragment: "?rfr=olk&p=personalsettings/EmailSubscriptions.slab&exsvurl=1",
    },
    Page {
        element: "EcpUrl-mt",
        word: "DeliveryReport",
        fragment: "PersonalSettings/DeliveryReport.aspx?rfr=olk&exsvurl=1&IsOWA=<IsOWA>&MsgID=<MsgID>&Mbx=<Mbx>",
    },
    Page {
        element: "EcpUrl-ret",
        word: "RetentionPolicyTags",
        fragment: "?rfr=olk&p=organize/retentionpolicytags.slab&exsvurl=1",
    },
    Page {
        element: "EcpUrl-sms",
        word: "TextMessaging",
        fragment: "?rfr=olk&p=sms/textmessaging.slab&exsvurl=1",
    },
    Page {
        element: "EcpUrl-publish",
        word: "Publishing",
        fragment: "customize/calendarpublishing.slab?rfr=olk&exsvurl=1&FldID=<FldID>",
    },
    Page {
        element: "EcpUrl-photo",
        word: "Photo",
        fragment: "PersonalSettings/EditAccount.aspx?rfr=olk&chgPhoto=1&exsvurl=1",
    },
    Page {
        element: "EcpUrl-tm",
        word: "TeamMailbox",
        fragment: "?rfr=olk&ftr=TeamMailbox&exsvurl=1",
    },
    Page {
        element: "EcpUrl-tmCreating",
        word: "TeamMailboxCreating",
        fragment: "?rfr=olk&ftr=TeamMailboxCreating&SPUrl=<SPUrl>&Title=<Title>&SPTMAppUrl=<SPTMAppUrl>&exsvurl=1",
    },
    Page {
        element: "EcpUrl-tmEditing",
        word: "TeamMailboxEditing",
        fragment: "?rfr=olk&ftr=TeamMailboxEditing&Id=<Id>&exsvurl=1",
    },
    Page {
        element: "EcpUrl-extinstall",
        word: "ExtensionInstallation",
        fragment: "Extension/InstalledExtensions.slab?rfr=olk&exsvurl=1",
    },
];
