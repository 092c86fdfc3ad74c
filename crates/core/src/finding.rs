//! Findings: what is wrong, on whom it falls, how one knows, and what fixes it.
//!
//! A code is for ever: scripts and tickets quote it. The first letters name the family (`AM`
//! AutoMapping, `US` the user's own objects, `DS` the directory's configuration); the page `docs/findings/CODE.md` tells the whole story.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dn::Dn;
use crate::names::Guid;
use crate::owner::Stale;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// The object at fault: the owner for AutoMapping, the user otherwise.
    pub subject: Subject,
    /// Affected users: delegates, in the order of the owner's values.
    pub delegates: Vec<Dn>,
    /// How one knows.
    pub evidence: Evidence,
}

/// The object a finding is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// Its name.
    pub dn: Dn,
    /// What stays when it is renamed.
    pub guid: Option<Guid>,
    /// What people call it.
    pub shown: String,
}

impl Subject {
    /// Names an object that was read.
    pub fn of(entry: &crate::entry::Entry) -> Self {
        Self {
            dn: entry.dn.clone(),
            guid: entry.guid,
            shown: entry.shown(),
        }
    }

    /// Names an object of which only the name is known.
    pub fn named(dn: &Dn) -> Self {
        Self {
            dn: dn.clone(),
            guid: None,
            shown: dn.shown(),
        }
    }
}

/// How one knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Evidence {
    /// Attributes that lack.
    pub missing: Vec<&'static str>,
    /// Attributes, or other facts, with their values.
    pub facts: Vec<(&'static str, String)>,
    /// Since when, if the directory tells: seconds since 1970.
    pub since: Option<i64>,
}

impl Evidence {
    /// Evidence of one fact.
    pub fn fact(name: &'static str, value: impl fmt::Display) -> Self {
        Self {
            facts: vec![(name, value.to_string())],
            ..Self::default()
        }
    }

    /// Adds a fact.
    pub fn and(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Breaks something sometimes, or soon.
    Warning,
    /// The Autodiscover answer of a user is broken.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $severity:ident, $kind:literal, $title:literal, $remedy:literal;)*) => {
        /// What a finding is.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is printed: `AM101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What sort of thing it is; several codes may share a kind, above all `stale-link`.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$name => $kind,)* }
            }

            /// One line on what is wrong with the subject.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// One line on what fixes it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

codes! {
    /// AM-1.
    OwnerDisabled = "AM101", Error, "stale-link", "the mailbox was disabled, its links stayed",
        "remove the forward link from the owner (automend fix), or reconnect the mailbox";
    /// AM-2.
    OwnerWithoutLegacyDn = "AM102", Error, "stale-link", "the owner has no legacyExchangeDN",
        "remove the forward link from the owner (automend fix), or restore legacyExchangeDN";
    /// AM-3.
    OwnerNotAMailbox = "AM103", Error, "stale-link", "the owner is a recipient without a mailbox",
        "remove the forward link from the owner (automend fix)";
    /// AM-4.
    OwnerDatabaseGone = "AM104", Warning, "dangling-database", "the mailbox database or server of the owner no longer exists",
        "rehome the mailbox to a database that exists, or disable it and remove its forward link";
    /// AM-5.
    OwnerFailsItself = "AM105", Warning, "failing-owner", "the owner's own Autodiscover fails",
        "fix the owner first: automend audit --user OWNER names what breaks it";
    /// AM-6.
    OwnerUnreadable = "AM106", Warning, "unreadable-owner", "the owner could not be read, so its links are undecided",
        "grant read permission on the named attributes, or ask a domain controller that holds the owner";
    /// AM-7.
    LinkWithoutPermission = "AM107", Warning, "ghost-link", "the delegate has a link and no full access, so Outlook shows a mailbox that does not open",
        "remove the forward link (automend fix --ghosts), or grant full access (automend grant)";
    /// AM-8.
    PermissionWithoutLink = "AM108", Note, "missing-link", "the delegate has full access and no link, so Outlook does not open the mailbox by itself",
        "nothing, if that is wanted; else add the forward link (automend automap sync)";
    /// AM-9.
    GroupDelegate = "AM109", Note, "group-delegate", "the delegate is a group, so AutoMapping never reaches its members",
        "grant full access to the members themselves";
    /// AM-10.
    RemoteWithoutAddress = "AM110", Warning, "remote-without-address", "the remote mailbox has neither targetAddress nor mail",
        "set targetAddress to the address in the other half of the hybrid";
    /// AM-11.
    TooManyBackLinks = "AM111", Warning, "many-back-links", "so many mailboxes are opened for one user that Outlook gets slow",
        "grant full access again without AutoMapping for mailboxes that are seldom used";
    /// An owner without database and server.
    OwnerWithoutServer = "AM112", Error, "stale-link", "the owner has neither a mailbox database nor a server",
        "remove the forward link from the owner (automend fix), or rehome the mailbox";
    /// A back link to no object.
    OwnerGone = "AM113", Error, "stale-link", "the owner does not exist",
        "let replication finish; a back link without its owner is repaired by the directory itself";
    /// A back link to a deleted object.
    OwnerDeleted = "AM114", Error, "stale-link", "the owner is a deleted object in the recycle bin",
        "remove the forward link from the deleted object (automend fix), or restore it with its mailbox";
    /// A mailbox that opens itself.
    SelfLink = "AM115", Note, "self-link", "the mailbox is its own delegate",
        "remove the link; a mailbox opens for its own user without it";
    /// A mail user that kept the GUID of its mailbox.
    OwnerElsewhere = "AM116", Warning, "mailbox-elsewhere", "the owner is a mail user whose mailbox is elsewhere",
        "nothing, if the mailbox exists there; if it does not, automend fix --elsewhere removes the links";
    /// An owner that sends its delegates astray.
    OwnerAstray = "AM117", Warning, "redirect-astray", "the targetAddress of the owner leads to no mailbox",
        "set targetAddress to the address in the system that has the mailbox";
    /// A delegate that is no mailbox.
    DelegateCannotAsk = "AM118", Note, "delegate-without-mailbox", "the delegate can never ask Autodiscover, so AutoMapping does nothing",
        "grant full access to the account whose mailbox Outlook opens, or remove the link";
    /// U-1.
    UnknownAddress = "US201", Error, "unknown-address", "no object has this address",
        "check the spelling, or add the address to proxyAddresses";
    /// U-2.
    DuplicateAddress = "US202", Error, "duplicate-address", "several objects have the same address",
        "remove the address from all objects but one";
    /// U-3.
    MailUserWithoutTarget = "US203", Error, "no-mailbox", "the user has no mailbox and no targetAddress",
        "set targetAddress to where the mailbox is, or enable a mailbox";
    /// U-4.
    HalfMailbox = "US204", Error, "half-mailbox", "the user is only half a mailbox",
        "disable and reconnect the mailbox, or restore the missing attributes";
    /// U-5.
    LegacyDnTrouble = "US205", Error, "legacy-dn", "legacyExchangeDN is missing or is not unique",
        "give each mailbox a legacyExchangeDN of its own";
    /// U-6.
    ArchiveDangling = "US206", Warning, "dangling-archive", "an archive is named but is nowhere",
        "disable and enable the archive, or set its database or address";
    /// U-7.
    TypeInconsistent = "US207", Warning, "inconsistent-type", "the recipient type does not fit the other attributes",
        "set msExchRecipientTypeDetails to what the object is";
    /// U-8.
    TeamMailboxDead = "US208", Warning, "dead-team-mailbox", "a site mailbox that the user wants to see is no mailbox",
        "remove it from msExchTeamMailboxShowInClientList";
    /// A login name or `mail` that is the proxy address of another object.
    AddressOfAnother = "US209", Warning, "address-of-another", "the object names an address that another object holds",
        "change the login name or mail of the one, or take the address from the other";
    /// A redirect that ends nowhere.
    RedirectAstray = "US210", Error, "redirect-astray", "targetAddress leads to no mailbox",
        "set targetAddress to the address in the system that has the mailbox";
    /// Two mailboxes for one person.
    MailElsewhere = "US211", Warning, "mail-elsewhere", "the mailbox is here, but targetAddress sends its mail elsewhere",
        "clear targetAddress, or move the mailbox to where the mail goes";
    /// AM-4 of the user's own mailbox.
    HomeGone = "US212", Warning, "dangling-database", "the mailbox database or server of the user no longer exists",
        "rehome the mailbox to a database that exists, or disable it";
    /// A user with values that cannot be read.
    UserUnreadable = "US213", Warning, "unreadable-user", "values of the user could not be read, so what they decide is open",
        "correct the named values, or export the user again";
    /// A service connection point that was left over.
    ScpWithoutServer = "DS301", Warning, "dead-scp", "a service connection point names a server that does not exist",
        "remove the service connection point";
    /// A database that was left over.
    DatabaseWithoutServer = "DS302", Warning, "database-without-server", "a mailbox database has no server",
        "remove the database object, after its mailboxes were rehomed";
    /// Microsoft KB 2487271.
    AdministrativeGroupEmpty = "DS303", Warning, "empty-administrative-group", "an administrative group has a container for servers without any server",
        "remove the empty container CN=Servers from the administrative group";
}

impl Code {
    /// The code of a stale link.
    pub fn of_stale(why: Stale) -> Self {
        match why {
            Stale::Disabled => Self::OwnerDisabled,
            Stale::NoLegacyDn => Self::OwnerWithoutLegacyDn,
            Stale::NotAMailbox => Self::OwnerNotAMailbox,
            Stale::NoServer => Self::OwnerWithoutServer,
            Stale::Gone => Self::OwnerGone,
            Stale::Deleted => Self::OwnerDeleted,
        }
    }

    /// Reads a code in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// Whether its links are stale, so that removing them is the fix.
    pub fn is_stale_link(self) -> bool {
        self.kind() == STALE_LINK
    }
}

/// The kind of every finding that is a stale link.
pub const STALE_LINK: &str = "stale-link";

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format_args!("{text:?} is no code")))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_read_back() {
        for pair in Code::ALL.windows(2) {
            // The families stand in the order in which they came.
            let (before, after) = (pair[0].as_str(), pair[1].as_str());
            assert!(before[2..] < after[2..], "{before} {after}");
        }
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.as_str().to_lowercase()), Some(*code));
        }
        assert_eq!(Code::parse("AM999"), None);
    }
}
