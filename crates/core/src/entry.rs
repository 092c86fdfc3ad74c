//! One directory object, as far as Autodiscover looks at it.
//!
//! Sources hand over attribute names and bytes; from here on everything is typed. A value that its
//! syntax does not allow becomes a [`Defect`] and is left out, the rest of the object is read.
//!
//! Invariant: an attribute that could not be *read* is named in [`Entry::undecided`]; only one that is
//! surely *absent* is simply not there. No verdict is ever built on the first kind.

use crate::dn::Dn;
use crate::names::{Guid, Sid, SmtpAddress, attribute};
use crate::recipient::RecipientType;

/// A directory object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its name.
    pub dn: Dn,
    /// What stays when it is renamed or moved.
    pub guid: Option<Guid>,
    /// Its structural class, as far as it matters here.
    pub class: Class,
    /// `displayName`.
    pub display_name: Option<String>,
    /// `mail`.
    pub mail: Option<String>,
    /// `userPrincipalName`.
    pub principal: Option<String>,
    /// `sAMAccountName`.
    pub account: Option<String>,
    /// `proxyAddresses`, with their prefixes.
    pub proxy_addresses: Vec<String>,
    /// `mailNickname`, the alias.
    pub nickname: Option<String>,
    /// `legacyExchangeDN`; a value that is no legacy name counts as none, see [`legacy_name`].
    pub legacy_dn: Option<String>,
    /// `msExchMailboxGuid`; sixteen zero bytes count as none.
    pub mailbox_guid: Option<Guid>,
    /// `homeMDB`.
    pub home_mdb: Option<Dn>,
    /// `msExchHomeServerName`.
    pub home_server: Option<String>,
    /// `targetAddress`, with its prefix.
    pub target_address: Option<String>,
    /// `msExchRecipientTypeDetails`.
    pub recipient_type: Option<RecipientType>,
    /// `msExchRemoteRecipientType`.
    pub remote_recipient_type: Option<i64>,
    /// Whether `userAccountControl` says that the account is disabled.
    pub account_disabled: bool,
    /// `msExchHideFromAddressLists`.
    pub hidden: bool,
    /// `objectSid`.
    pub sid: Option<Sid>,
    /// Whether there is a `msExchMasterAccountSid`.
    pub has_master_account: bool,
    /// The account that the mailbox belongs to, if `msExchMasterAccountSid` can be read.
    pub master_account: Option<Sid>,
    /// `msExchVersion`.
    pub exchange_version: Option<i64>,
    /// The archive, if one is named.
    pub archive: Archive,
    /// `msExchDelegateListLink`: the delegates.
    pub forward_links: Vec<Dn>,
    /// `msExchDelegateListBL`: the owners.
    pub back_links: Vec<Dn>,
    /// `msExchTeamMailboxShowInClientList`.
    pub team_mailboxes: Vec<Dn>,
    /// `whenChanged`, as the directory writes it.
    pub changed: Option<String>,
    /// `replPropertyMetaData`, where it was asked for.
    pub replication_metadata: Option<Vec<u8>>,
    /// `msExchMailboxSecurityDescriptor`, where it was asked for, see [`crate::descriptor`].
    pub mailbox_descriptor: Option<Box<[u8]>>,
    /// Values of what [`crate::mailbox`] writes, where they were asked for.
    pub written: Vec<(&'static str, Vec<u8>)>,
    /// Attributes whose absence could not be told from a missing permission, or whose value is broken.
    pub undecided: Vec<&'static str>,
    /// Those among them of which a value is there, and is broken.
    pub unreadable: Vec<&'static str>,
}

/// What an object is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Class {
    /// `user` or `inetOrgPerson`.
    User,
    /// `group`.
    Group,
    /// `contact`.
    Contact,
    /// `foreignSecurityPrincipal`: an account of another forest, of which only the SID is known here.
    ForeignSecurityPrincipal,
    /// Anything else, or not asked for.
    #[default]
    Other,
}

/// The attributes that name an archive.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Archive {
    /// `msExchArchiveGUID`; sixteen zero bytes count as none.
    pub guid: Option<Guid>,
    /// The first `msExchArchiveName`.
    pub name: Option<String>,
    /// `msExchArchiveDatabaseLink`.
    pub database: Option<Dn>,
    /// `msExchArchiveStatus`.
    pub status: Option<i64>,
    /// `msExchArchiveAddress`.
    pub address: Option<String>,
}

/// A value that could not be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{dn}: {attribute}: {what}")]
pub struct Defect {
    /// The object.
    pub dn: String,
    /// The attribute.
    pub attribute: String,
    /// What is wrong with the value.
    pub what: String,
}

/// Everything [`Entry`] can hold: what a look-up of one object asks for.
pub const ATTRIBUTES: &[&str] = &[
    attribute::OBJECT_CLASS,
    attribute::OBJECT_GUID,
    attribute::DISPLAY_NAME,
    attribute::MAIL,
    attribute::MAIL_NICKNAME,
    attribute::USER_PRINCIPAL_NAME,
    attribute::SAM_ACCOUNT_NAME,
    attribute::PROXY_ADDRESSES,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::MAILBOX_GUID,
    attribute::HOME_MDB,
    attribute::HOME_SERVER,
    attribute::TARGET_ADDRESS,
    attribute::RECIPIENT_TYPE,
    attribute::REMOTE_RECIPIENT_TYPE,
    attribute::USER_ACCOUNT_CONTROL,
    attribute::HIDDEN,
    attribute::OBJECT_SID,
    attribute::MASTER_ACCOUNT_SID,
    attribute::EXCHANGE_VERSION,
    attribute::ARCHIVE_GUID,
    attribute::ARCHIVE_NAME,
    attribute::ARCHIVE_DATABASE,
    attribute::ARCHIVE_STATUS,
    attribute::ARCHIVE_ADDRESS,
    attribute::DELEGATE_LIST_LINK,
    attribute::DELEGATE_LIST_BL,
    attribute::TEAM_MAILBOXES,
    attribute::WHEN_CHANGED,
];

impl Entry {
    /// An object of which nothing but the name is known.
    pub fn bare(dn: Dn) -> Self {
        Self {
            dn,
            guid: None,
            class: Class::Other,
            display_name: None,
            mail: None,
            principal: None,
            account: None,
            proxy_addresses: Vec::new(),
            nickname: None,
            legacy_dn: None,
            mailbox_guid: None,
            home_mdb: None,
            home_server: None,
            target_address: None,
            recipient_type: None,
            remote_recipient_type: None,
            account_disabled: false,
            hidden: false,
            sid: None,
            has_master_account: false,
            master_account: None,
            exchange_version: None,
            archive: Archive::default(),
            forward_links: Vec::new(),
            back_links: Vec::new(),
            team_mailboxes: Vec::new(),
            changed: None,
            replication_metadata: None,
            mailbox_descriptor: None,
            written: Vec::new(),
            undecided: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    /// Takes one value of one attribute; names are compared without case, unknown ones are passed over.
    ///
    /// A value that its syntax does not allow is left out and told in `defects`.
    pub fn take(&mut self, name: &str, value: &[u8], defects: &mut Vec<Defect>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let Some((known, read)) = FIELDS.iter().find(|(known, _)| is(known)) else {
            return;
        };
        let mut value = Value {
            bytes: value,
            refused: None,
        };
        if EXACT.contains(known) && std::str::from_utf8(value.bytes).is_err() {
            value.refuse("not UTF-8".to_owned());
        } else {
            read(self, &mut value);
        }
        // There is a value, only not one to read: it must not be concluded that the attribute is absent.
        if let Some(what) = value.refused {
            defects.push(Defect {
                dn: self.dn.to_string(),
                attribute: name.to_owned(),
                what,
            });
            self.cannot_read(name);
        }
    }

    /// Notes an attribute that has a value that cannot be read; unknown names are passed over.
    pub fn cannot_read(&mut self, name: &str) {
        let known = ATTRIBUTES
            .iter()
            .find(|known| name.eq_ignore_ascii_case(known));
        if let Some(known) = known {
            self.leave_open(known);
            if !self.unreadable.contains(known) {
                self.unreadable.push(known);
            }
        }
    }

    /// The attributes without which an object is no mailbox, as far as they are missing.
    ///
    /// `homeMDB` and `msExchHomeServerName` stand for one another and are listed only together.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.legacy_dn.is_none() {
            missing.push(attribute::LEGACY_EXCHANGE_DN);
        }
        if self.mailbox_guid.is_none() {
            missing.push(attribute::MAILBOX_GUID);
        }
        if self.home_mdb.is_none() && self.home_server.is_none() {
            missing.extend([attribute::HOME_MDB, attribute::HOME_SERVER]);
        }
        missing
    }

    /// Notes that the source of this object ends within it, or has something of unknown
    /// it is: what the object has no may be there. Of `last`, the attribute in front of the end, perhaps
    /// only a part is there.
    ///
    /// A part of a value shows that there is one; only what a part would turn into something else, a type
    /// or a class, is taken back.
    pub fn cut_off(&mut self, last: Option<&str>) {
        let is_last = |known: &str| last.is_some_and(|last| last.eq_ignore_ascii_case(known));
        if is_last(attribute::RECIPIENT_TYPE) {
            self.recipient_type = None;
        }
        if is_last(attribute::REMOTE_RECIPIENT_TYPE) {
            self.remote_recipient_type = None;
        }
        let absent = [
            (attribute::LEGACY_EXCHANGE_DN, self.legacy_dn.is_none()),
            (attribute::MAILBOX_GUID, self.mailbox_guid.is_none()),
            (attribute::HOME_MDB, self.home_mdb.is_none()),
            (attribute::HOME_SERVER, self.home_server.is_none()),
            (attribute::RECIPIENT_TYPE, self.recipient_type.is_none()),
            (
                attribute::REMOTE_RECIPIENT_TYPE,
                self.remote_recipient_type.is_none(),
            ),
            (attribute::TARGET_ADDRESS, self.target_address.is_none()),
            (attribute::MASTER_ACCOUNT_SID, !self.has_master_account),
            (attribute::ARCHIVE_GUID, self.archive.guid.is_none()),
            (attribute::ARCHIVE_DATABASE, self.archive.database.is_none()),
            (attribute::ARCHIVE_ADDRESS, self.archive.address.is_none()),
            (attribute::ARCHIVE_STATUS, self.archive.status.is_none()),
        ];
        for (name, absent) in absent {
            if absent || is_last(name) {
                self.leave_open(name);
            }
        }
        if is_last(attribute::DELEGATE_LIST_LINK) {
            self.cannot_read(attribute::DELEGATE_LIST_LINK);
        }
        // Half a mailbox at the end of what was cut off may be a whole one.
        if self.mailbox_guid.is_some() || self.home_mdb.is_some() {
            for name in self.missing() {
                self.cannot_read(name);
            }
        }
    }

    fn leave_open(&mut self, name: &'static str) {
        if !self.undecided.contains(&name) {
            self.undecided.push(name);
        }
    }

    /// What to call this object in front of a person.
    pub fn shown(&self) -> String {
        self.display_name
            .clone()
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| self.dn.shown())
    }

    /// Whether people call the object so: its account, its display name, or its own name, without case.
    pub fn is_called(&self, name: &str) -> bool {
        let names = [
            self.account.clone(),
            self.display_name.clone(),
            Some(self.dn.name()),
        ];
        let name = name.trim().to_lowercase();
        names
            .iter()
            .flatten()
            .any(|known| known.trim().to_lowercase() == name)
    }

    /// The address Exchange shows: the proxy address with `SMTP:` in capitals, or else `mail`.
    pub fn primary_address(&self) -> Option<SmtpAddress> {
        let primary = self
            .proxy_addresses
            .iter()
            .find_map(|address| address.strip_prefix("SMTP:"));
        primary
            .or(self.mail.as_deref())
            .and_then(|text| SmtpAddress::parse(text).ok())
    }

    /// Every SMTP address that this object names as its own; who holds an address that several objects
    /// name, [`crate::claim`] tells.
    pub fn addresses(&self) -> impl Iterator<Item = SmtpAddress> + '_ {
        let proxies = self
            .proxy_addresses
            .iter()
            .filter_map(|address| smtp(address));
        let others = [&self.mail, &self.principal]
            .into_iter()
            .flatten()
            .map(String::as_str);
        proxies
            .chain(others)
            .filter_map(|text| SmtpAddress::parse(text).ok())
    }

    /// Every name inside Exchange: `legacyExchangeDN`, and what the object was called before, which
    /// stands among its proxy addresses as `X500:/o=…`.
    pub fn legacy_names(&self) -> impl Iterator<Item = &str> {
        let former = self.proxy_addresses.iter().filter_map(|address| {
            let (kind, name) = address.split_once(':')?;
            kind.eq_ignore_ascii_case("x500")
                .then(|| legacy_name(name))?
        });
        self.legacy_dn.as_deref().into_iter().chain(former)
    }

    /// `targetAddress` without its prefix.
    pub fn target(&self) -> Option<SmtpAddress> {
        let target = self.target_address.as_deref()?;
        SmtpAddress::parse(smtp(target).unwrap_or(target)).ok()
    }
}

/// One value of an attribute, and what is wrong with it.
struct Value<'a> {
    bytes: &'a [u8],
    refused: Option<String>,
}

impl Value<'_> {
    fn refuse(&mut self, what: String) {
        self.refused = Some(what);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes).into_owned()
    }

    /// A value of blanks says as little as none.
    fn some_text(&self) -> Option<String> {
        Some(self.text()).filter(|text| !text.trim().is_empty())
    }

    fn dn(&mut self) -> Option<Dn> {
        let read = match std::str::from_utf8(self.bytes) {
            Err(_) => Err("not UTF-8".to_owned()),
            Ok(text) => Dn::parse(text).map_err(|error| error.to_string()),
        };
        read.map_err(|what| self.refuse(what)).ok()
    }

    fn guid(&mut self) -> Option<Guid> {
        // ldbsearch and PowerShell write a GUID as text; no text of one is sixteen bytes long.
        let text = || Guid::parse(std::str::from_utf8(self.bytes).ok()?);
        let guid = Guid::from_bytes(self.bytes).or_else(text);
        if guid.is_none() {
            self.refuse(format!("{} bytes are no GUID", self.bytes.len()));
        }
        guid.filter(|guid| *guid != Guid::NIL)
    }

    fn integer(&mut self) -> Option<i64> {
        let number = std::str::from_utf8(self.bytes)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        if number.is_none() {
            self.refuse(format!("{:?} is no number", self.text()));
        }
        number
    }
}

/// A name or an address with a piece missing would be another one.
const EXACT: [&str; 8] = [
    attribute::OBJECT_CLASS,
    attribute::LEGACY_EXCHANGE_DN,
    attribute::HOME_SERVER,
    attribute::PROXY_ADDRESSES,
    attribute::MAIL,
    attribute::USER_PRINCIPAL_NAME,
    attribute::TARGET_ADDRESS,
    attribute::ARCHIVE_ADDRESS,
];

type Read = fn(&mut Entry, &mut Value<'_>);

/// How each attribute is read; the order follows how often each is seen in an audit.
const FIELDS: &[(&str, Read)] = &[
    (attribute::DELEGATE_LIST_LINK, |entry, value| {
        entry.forward_links.extend(value.dn());
    }),
    (attribute::DELEGATE_LIST_BL, |entry, value| {
        entry.back_links.extend(value.dn());
    }),
    (attribute::LEGACY_EXCHANGE_DN, |entry, value| {
        entry.legacy_dn = legacy_name(&value.text()).map(str::to_owned);
    }),
    (attribute::HOME_MDB, |entry, value| {
        entry.home_mdb = value.dn().filter(|dn| *dn != Dn::root());
    }),
    (attribute::HOME_SERVER, |entry, value| {
        entry.home_server = value.some_text();
    }),
    (attribute::MAILBOX_GUID, |entry, value| {
        entry.mailbox_guid = value.guid();
    }),
    (attribute::OBJECT_GUID, |entry, value| {
        entry.guid = value.guid();
    }),
    (attribute::RECIPIENT_TYPE, |entry, value| {
        entry.recipient_type = value.integer().map(RecipientType);
    }),
    (attribute::OBJECT_CLASS, |entry, value| {
        entry.class = match value.bytes.to_ascii_lowercase().as_slice() {
            b"user" | b"inetorgperson" => Class::User,
            b"group" => Class::Group,
            b"contact" => Class::Contact,
            b"foreignsecurityprincipal" => Class::ForeignSecurityPrincipal,
            _ => entry.class,
        };
    }),
    (attribute::PROXY_ADDRESSES, |entry, value| {
        entry.proxy_addresses.extend(value.some_text());
    }),
    (attribute::DISPLAY_NAME, |entry, value| {
        entry.display_name = value.some_text();
    }),
    (attribute::MAIL, |entry, value| {
        entry.mail = value.some_text();
    }),
    (attribute::MAIL_NICKNAME, |entry, value| {
        entry.nickname = value.some_text();
    }),
    (attribute::USER_PRINCIPAL_NAME, |entry, value| {
        entry.principal = value.some_text();
    }),
    (attribute::SAM_ACCOUNT_NAME, |entry, value| {
        entry.account = value.some_text();
    }),
    (attribute::TARGET_ADDRESS, |entry, value| {
        entry.target_address = value.some_text();
    }),
    (attribute::REMOTE_RECIPIENT_TYPE, |entry, value| {
        entry.remote_recipient_type = value.integer();
    }),
    (attribute::USER_ACCOUNT_CONTROL, |entry, value| {
        entry.account_disabled = value
            .integer()
            .is_some_and(|flags| flags & ACCOUNT_DISABLED != 0);
    }),
    (attribute::HIDDEN, |entry, value| {
        entry.hidden = value.bytes.eq_ignore_ascii_case(b"TRUE");
    }),
    (attribute::MASTER_ACCOUNT_SID, |entry, value| {
        entry.has_master_account = !value.bytes.is_empty();
        entry.master_account = Sid::of_value(value.bytes);
    }),
    (attribute::OBJECT_SID, |entry, value| {
        entry.sid = Sid::of_value(value.bytes);
    }),
    (attribute::EXCHANGE_VERSION, |entry, value| {
        entry.exchange_version = value.integer();
    }),
    (attribute::ARCHIVE_GUID, |entry, value| {
        entry.archive.guid = value.guid();
    }),
    (attribute::ARCHIVE_NAME, |entry, value| {
        entry.archive.name = entry.archive.name.take().or_else(|| value.some_text());
    }),
    (attribute::ARCHIVE_DATABASE, |entry, value| {
        entry.archive.database = value.dn();
    }),
    (attribute::ARCHIVE_STATUS, |entry, value| {
        entry.archive.status = value.integer();
    }),
    (attribute::ARCHIVE_ADDRESS, |entry, value| {
        entry.archive.address = value.some_text();
    }),
    (attribute::TEAM_MAILBOXES, |entry, value| {
        entry.team_mailboxes.extend(value.dn());
    }),
    (attribute::WHEN_CHANGED, |entry, value| {
        entry.changed = Some(value.text());
    }),
    (attribute::REPLICATION_METADATA, |entry, value| {
        entry.replication_metadata = Some(value.bytes.to_vec());
    }),
    (attribute::MAILBOX_SECURITY_DESCRIPTOR, |entry, value| {
        entry.mailbox_descriptor = Some(value.bytes.into());
    }),
];

/// `ADS_UF_ACCOUNTDISABLE` ([MS-ADTS] 2.2.16).
const ACCOUNT_DISABLED: i64 = 2;

/// A name inside Exchange, `/o=Organisation/ou=…/cn=…`, without blanks around it.
///
/// Whatever does not begin with a slash means that there is none: an empty value, or `ADCDisabledMail`,
/// which the Active Directory Connector wrote for mailboxes that it disabled.
pub fn legacy_name(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| text.len() > 1 && text.starts_with('/'))
}

/// The address behind `SMTP:` or `smtp:`.
pub(crate) fn smtp(proxy: &str) -> Option<&str> {
    let (kind, address) = proxy.split_once(':')?;
    kind.eq_ignore_ascii_case("smtp").then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_value_is_told_and_the_rest_is_read() {
        let mut entry = Entry::bare(Dn::parse("CN=Jim,DC=c").unwrap());
        let mut defects = Vec::new();
        for (name, value) in [
            ("MSEXCHMAILBOXGUID", b"short".as_slice()),
            ("objectGUID", b"6f9619ff-8b86-d011-b42d-00c04fc964ff"),
            ("proxyAddresses", b"smtp:old@contoso.com"),
            ("proxyaddresses", b"SMTP:Jim@Contoso.com"),
            ("msExchDelegateListLink", b"no name"),
            ("msExchDelegateListLink", b"CN=Alice,DC=c"),
            ("userAccountControl", b"514"),
            ("legacyExchangeDN", b" "),
        ] {
            entry.take(name, value, &mut defects);
        }
        assert_eq!(defects.len(), 2);
        assert_eq!(
            defects[0].to_string(),
            "CN=Jim,DC=c: MSEXCHMAILBOXGUID: 5 bytes are no GUID"
        );
        assert_eq!(entry.guid.unwrap().0[..4], [0xff, 0x19, 0x96, 0x6f]);
        assert_eq!(entry.forward_links.len(), 1);
        assert_eq!(entry.primary_address().unwrap().as_str(), "jim@contoso.com");
        assert!(entry.account_disabled);
        assert_eq!(entry.legacy_dn, None);
        assert_eq!(
            entry.undecided,
            ["msExchMailboxGuid", "msExchDelegateListLink"]
        );
    }
}
