//! What is written is read as it was, whatever the values are; and half of it is read as nothing.

mod fixture;

use std::collections::HashSet;

use automend_autodiscover::pox::{self, Protocol, Reply};
use automend_autodiscover::reading::{Alternative, Unreadable};
use automend_autodiscover::services::{Abilities, AuthPackage, Services, Shape, Site, Version};
use automend_autodiscover::soap::{
    self, Body, Head, Operation, Setting, UserAnswer, Value, Wanted,
};
use automend_autodiscover::xml::{Limits, Text, Writer};
use automend_autodiscover::{mobilesync, v2};
use automend_core::names::{Guid, SmtpAddress};
use automend_core::resolve::Who;
use automend_core::settings::{
    AlternativeKind, AlternativeMailbox, Locator, Outcome, Place, Settings,
};
use fixture::{alice, contoso, stamp};
use proptest::option;
use proptest::prelude::*;

/// Text of every kind: markup, controls, blanks at the ends, what XML cannot hold.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        "[ \\t\\r\\na-c<>&'\"\\]]{0,12}",
        any::<String>(),
        Just("\u{fffe}\u{ffff}\u{0}\u{7f}\u{85}\u{2028}".to_owned()),
    ]
}

/// Text as it comes back: what XML cannot hold is replaced, and the blanks around are not told apart.
fn kept(text: &str) -> String {
    let fits = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    let held: String = text
        .chars()
        .map(|c| if fits(c) { c } else { '\u{fffd}' })
        .collect();
    held.trim_matches([' ', '\t', '\r', '\n']).to_owned()
}

fn kept_if(text: Option<&String>) -> Option<String> {
    text.map(|text| kept(text))
}

fn any_address() -> impl Strategy<Value = SmtpAddress> {
    ("[a-zA-Z0-9<>&'\"+*()ü.-]{1,12}", "[a-zA-Z0-9.ü-]{1,12}")
        .prop_map(|(local, domain)| SmtpAddress::parse(&format!("{local}@{domain}")).unwrap())
}

fn any_place() -> impl Strategy<Value = Place> {
    (any_text(), any_text()).prop_map(|(legacy_dn, server)| Place { legacy_dn, server })
}

fn any_alternative() -> impl Strategy<Value = AlternativeMailbox> {
    let kind = prop_oneof![
        Just(AlternativeKind::Delegate),
        Just(AlternativeKind::Archive),
        Just(AlternativeKind::TeamMailbox),
    ];
    let locator = prop_oneof![
        any_text().prop_map(Locator::Address),
        any_place().prop_map(Locator::Place),
    ];
    let owner = option::of(any_address());
    (kind, any_text(), locator, owner, option::of(any_place())).prop_map(
        |(kind, display_name, locator, owner_address, place)| AlternativeMailbox {
            kind,
            display_name,
            locator,
            owner_address,
            place,
        },
    )
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let legacy_dn = prop_oneof![
        any_text(),
        any_text().prop_map(|text| format!("/o={text}/cn=Recipients/cn=x"))
    ];
    let alternatives = prop::collection::vec(any_alternative(), 0..4);
    (
        any_text(),
        legacy_dn,
        any_address(),
        any::<[u8; 16]>(),
        alternatives,
    )
        .prop_map(
            |(display_name, legacy_dn, address, guid, alternatives)| Settings {
                display_name,
                legacy_dn,
                address,
                mailbox_guid: Guid(guid),
                alternatives,
            },
        )
}

fn any_site() -> impl Strategy<Value = Site> {
    let url = || option::of(any_text());
    let packages = prop_oneof![
        Just(AuthPackage::Basic),
        Just(AuthPackage::Ntlm),
        Just(AuthPackage::Negotiate),
        Just(AuthPackage::KerberosOrNtlm),
    ];
    (
        (url(), url(), url(), url(), url()),
        (url(), url(), url(), url()),
        packages,
        any::<bool>(),
    )
        .prop_map(
            |((host, ews, oab, ecp, owa), (mapi, eas, um, certificate), package, no_ssl)| Site {
                host,
                ews,
                oab,
                ecp,
                owa,
                mapi,
                eas,
                um,
                authentication: package,
                no_ssl,
                certificate_principal: certificate,
                ..Site::default()
            },
        )
}

fn any_services() -> impl Strategy<Value = Services> {
    let shape = prop_oneof![Just(Shape::Address), Just(Shape::LegacyDn)];
    let version = any::<(u8, u8, u16, u16)>().prop_map(|(major, minor, build, revision)| Version {
        major,
        minor,
        build,
        revision,
    });
    (
        any_site(),
        any_site(),
        shape,
        version,
        option::of(any_address()),
        option::of(any_text()),
        any::<bool>(),
    )
        .prop_map(
            |(internal, external, shape, server_version, folders, server, mail)| {
                let known = contoso();
                let mail = |of: Option<_>| of.filter(|_| mail);
                Services {
                    internal,
                    external,
                    imap: mail(known.imap),
                    pop3: mail(known.pop3),
                    smtp: mail(known.smtp),
                    public_folder_mailbox: folders,
                    directory_server: server,
                    server_version,
                    shape,
                    ..Services::default()
                }
            },
        )
}

fn any_abilities() -> impl Strategy<Value = Abilities> {
    any::<[bool; 4]>().prop_map(|[mapi_http, negotiate, exhttp, ews_library]| Abilities {
        mapi_http,
        negotiate,
        exhttp,
        ews_library,
    })
}

/// What a client must read of an alternative mailbox.
fn told(mailbox: &AlternativeMailbox, shape: Shape) -> Alternative {
    let place = match (&mailbox.locator, shape) {
        (Locator::Place(place), _) => Some(place),
        (Locator::Address(_), Shape::LegacyDn) => mailbox.place.as_ref(),
        (Locator::Address(_), Shape::Address) => None,
    };
    let address = match &mailbox.locator {
        Locator::Address(address) if place.is_none() => Some(address),
        _ => None,
    };
    Alternative {
        kind: Some(mailbox.kind.as_str().to_owned()),
        display_name: Some(kept(&mailbox.display_name)),
        legacy_dn: place.map(|place| kept(&place.legacy_dn)),
        server: place.map(|place| kept(&place.server)),
        smtp_address: kept_if(address),
        owner_smtp_address: address
            .and(mailbox.owner_address.as_ref())
            .map(|owner| kept(owner.as_str())),
        other: Vec::new(),
    }
}

/// Exactly one of the two legal shapes, unless a value is empty.
fn is_legal(mailbox: &Alternative) -> bool {
    mailbox.smtp_address.is_some() != mailbox.server.is_some()
        && mailbox.server.is_some() == mailbox.legacy_dn.is_some()
}

/// What the EWS Managed API takes a protocol for.
fn kind_for_ews(protocol: &Protocol) -> &str {
    match protocol.kind.as_str() {
        "EXCH" | "mapiHttp" => "EXCH",
        kind @ ("EXPR" | "WEB") => kind,
        _ => "unknown",
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

proptest! {
    #[test]
    fn any_value_comes_back_from_xml(text in any_text(), attribute in any_text()) {
        for indented in [true, false] {
            let bytes = written(|out| {
                let mut xml = if indented { Writer::indented(out) } else { Writer::compact(out) };
                xml.open_with("a", &[("b", &attribute)]);
                xml.leaf("c", &text);
                xml.empty("d", &[]);
                xml.open("e");
                xml.close("e");
                xml.close("a");
            });
            let document = Text::read(&bytes, Limits::ANSWER).unwrap();
            let root = document.root().unwrap();
            let found = root.attribute("", "b").unwrap();
            prop_assert_eq!(kept(found), kept(&attribute));
            prop_assert_eq!(found.chars().count(), attribute.chars().count());
            let leaf = &root.child("c").unwrap().text;
            prop_assert_eq!(kept(leaf), kept(&text));
            prop_assert_eq!(leaf.chars().count(), text.chars().count());
            prop_assert_eq!(root.children.len(), 3);
        }
    }

    #[test]
    fn an_answer_to_outlook_is_read_as_it_was_meant(
        settings in any_settings(),
        services in any_services(),
        abilities in any_abilities(),
    ) {
        let outcome = Outcome::Settings(Box::new(settings.clone()));
        let bytes = written(|out| pox::answer(&outcome, &services, abilities, &stamp(), out));
        let fast = pox::Answers::of(services.clone());
        for _ in 0..2 {
            let again = written(|out| fast.write(&outcome, abilities, &stamp(), out));
            prop_assert_eq!(&again, &bytes);
        }
        let (answer, _) = pox::read(&bytes).unwrap();
        prop_assert_eq!(answer.dialect, pox::Dialect::Outlook);
        prop_assert_eq!(answer.user.display_name, Some(kept(&settings.display_name)));
        prop_assert_eq!(answer.user.legacy_dn, Some(kept(&settings.legacy_dn)));
        prop_assert_eq!(answer.user.address, Some(settings.address.to_string()));
        let Reply::Settings(account) = answer.reply else { panic!("settings were written") };
        let expected: Vec<Alternative> = settings
            .alternatives
            .iter()
            .map(|mailbox| told(mailbox, services.shape))
            .collect();
        prop_assert!(account.alternatives.iter().all(is_legal));
        prop_assert_eq!(account.alternatives, expected);
        prop_assert_eq!(
            account.public_folder_mailbox,
            services.public_folder_mailbox.as_ref().map(SmtpAddress::to_string)
        );

        let kinds: Vec<&str> = account.protocols.iter().map(kind_for_ews).collect();
        let distinct: HashSet<&&str> = kinds.iter().collect();
        prop_assert_eq!(distinct.len(), kinds.len(), "two of a kind in {:?}", kinds);

        let protocol = |kind: &str| account.protocols.iter().find(|found| found.kind == kind);
        let offered = services.internal.mapi.is_some() || services.external.mapi.is_some();
        let mapi = abilities.mapi_http && offered;
        prop_assert_eq!(protocol("mapiHttp").is_some(), mapi);
        prop_assert_eq!(protocol("EXCH").is_some(), !mapi);
        if mapi {
            prop_assert!(protocol("EXPR").is_none());
        }
        prop_assert!(abilities.exhttp || protocol("EXHTTP").is_none());
        for found in &account.protocols {
            let negotiate = found.value("AuthPackage") == Some("Negotiate");
            prop_assert!(abilities.negotiate || !negotiate);
        }
        let (internal, external) = (&services.internal, &services.external);
        let within = if internal.is_empty() { external } else { internal };
        let without = if external.is_empty() { internal } else { external };
        for (kind, site) in [("EXCH", within), ("EXPR", external), ("EXHTTP", without)] {
            let Some(found) = protocol(kind) else { continue };
            for (path, url) in [
                ("ASUrl", &site.ews),
                ("EwsUrl", &site.ews),
                ("OOFUrl", &site.ews),
                ("OABUrl", &site.oab),
                ("UMUrl", &site.um),
                ("EcpUrl", &site.ecp),
            ] {
                let url = kept_if(url.as_ref()).filter(|url| !url.is_empty());
                prop_assert_eq!(found.value(path), url.as_deref(), "{} of {}", path, kind);
            }
        }
    }

    #[test]
    fn a_program_reads_settings_as_they_were_meant(
        settings in any_settings(),
        services in any_services(),
        unknown in "[A-Z][a-z<&]{1,9}",
    ) {
        let mut wanted: Vec<Wanted> = Setting::ALL.iter().copied().map(Wanted::Known).collect();
        wanted.push(Wanted::Unknown(unknown.clone()));
        let target = settings.address.clone();
        let answers = [
            UserAnswer::invalid_user(&settings.display_name),
            UserAnswer::Settings(&settings, &services),
            UserAnswer::RedirectAddress(&target),
        ];
        let head = Head { version: services.server_version, relates_to: Some("a<b") };
        let bytes = written(|out| soap::user_settings(&answers, &wanted, head, out));
        let (answer, _) = soap::read(&bytes).unwrap();
        let version = services.server_version;
        let numbers: [u32; 4] = [version.major.into(), version.minor.into(), version.build.into(), version.revision.into()];
        prop_assert_eq!(answer.server.unwrap().numbers, numbers);
        prop_assert_eq!(answer.relates_to.as_deref(), Some("a<b"));
        let Body::Users(level, users) = answer.body else { panic!("users were written") };
        prop_assert!(level.is_ok());
        prop_assert_eq!(users.len(), 3);
        prop_assert_eq!(users[0].level.code.as_str(), "InvalidUser");
        prop_assert_eq!(users[2].redirect_target.as_deref(), Some(target.as_str()));
        let user = &users[1];
        prop_assert!(user.level.is_ok());
        let display_name = kept(&settings.display_name);
        prop_assert_eq!(user.text("UserDisplayName"), Some(display_name.as_str()));
        prop_assert_eq!(user.text("AutoDiscoverSMTPAddress"), Some(settings.address.as_str()));
        let ews = kept_if(services.external.ews.as_ref());
        prop_assert_eq!(user.text("ExternalEwsUrl"), ews.as_deref());
        let expected: Vec<Alternative> = settings
            .alternatives
            .iter()
            .map(|mailbox| told(mailbox, services.shape))
            .collect();
        prop_assert_eq!(user.alternatives().cloned().collect::<Vec<_>>(), expected);
        // Every setting that was wanted is reported of exactly once, one way or the other.
        let found: Vec<&str> = user.settings.iter().map(|setting| setting.name.as_str())
            .chain(user.errors.iter().map(|error| error.name.as_str()))
            .collect();
        let each: HashSet<&str> = found.iter().copied().collect();
        prop_assert_eq!(found.len(), wanted.len());
        prop_assert_eq!(each, wanted.iter().map(Wanted::name).collect::<HashSet<_>>());
        for error in &user.errors {
            let invalid = error.name == unknown;
            prop_assert_eq!(error.level.code.as_str(), if invalid { "InvalidSetting" } else { "SettingIsNotAvailable" });
        }
        for setting in &user.settings {
            prop_assert!(!matches!(setting.value, Value::Unknown { .. }), "{:?}", setting);
        }
    }

    #[test]
    fn a_telephone_reads_its_url(settings in any_settings(), services in any_services()) {
        let outcome = Outcome::Settings(Box::new(settings.clone()));
        let bytes = written(|out| mobilesync::answer(&outcome, &settings.address, &services, out));
        let (answer, defects) = pox::read(&bytes).unwrap();
        prop_assert_eq!(defects, []);
        prop_assert_eq!(answer.user.address, Some(settings.address.to_string()));
        let url = services.external.eas.as_ref().or(services.internal.eas.as_ref());
        match (answer.reply, kept_if(url)) {
            (Reply::MobileSync(servers), Some(url)) => {
                prop_assert_eq!(servers.len(), 1);
                prop_assert_eq!(servers[0].kind.as_str(), "MobileSync");
                prop_assert_eq!(&servers[0].url, &url);
            }
            (Reply::Fault(fault), None) => prop_assert_eq!(fault.status, Some(2)),
            (reply, _) => prop_assert!(false, "{:?}", reply),
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written(
        address in any_address(),
        legacy in "[!-~][ -~]{0,30}[!-~]",
        names in prop::collection::vec("[!-~ü]{1,12}", 1..5),
        id in option::of("[!-~]{1,20}"),
    ) {
        for request in [
            pox::Request::Outlook(Who::Address(address.clone())),
            pox::Request::Outlook(Who::LegacyDn(legacy)),
            pox::Request::MobileSync(address),
        ] {
            let bytes = written(|out| request.write(out));
            prop_assert_eq!(pox::Request::parse(&bytes), Ok(request));
        }
        let unique: Vec<String> = names
            .iter()
            .enumerate()
            .filter(|(at, name)| !names[..*at].contains(name))
            .map(|(_, name)| name.clone())
            .collect();
        for operation in [
            Operation::UserSettings {
                users: names.clone(),
                settings: unique.iter().map(|name| Wanted::Unknown(name.clone())).collect(),
            },
            Operation::UserSettings {
                users: names.clone(),
                settings: Setting::ALL.iter().copied().map(Wanted::Known).collect(),
            },
            Operation::DomainSettings { domains: unique.clone(), settings: unique.clone() },
            Operation::FederationInformation { domain: names[0].clone() },
        ] {
            let request = soap::Request { message_id: id.clone(), operation };
            let bytes = written(|out| request.write("https://a/<b>&", out));
            prop_assert_eq!(soap::Request::parse(&bytes), Ok(request));
        }
    }

    #[test]
    fn json_is_read_as_it_was_written(
        address in any_address(),
        url in any::<String>(),
        redirect_count in any::<u32>(),
        which in 0..3_usize,
    ) {
        let protocol = v2::Protocol::ALL[which];
        let bytes = written(|out| v2::answer(protocol, &url, out));
        let answer = v2::Answer::Url { protocol: protocol.as_str().to_owned(), url };
        prop_assert_eq!(v2::read(&bytes), Ok((answer, Vec::new())));
        let request = v2::Request { address: address.to_string(), protocol, redirect_count };
        let target = request.target();
        let (path, query) = target.split_once('?').unwrap();
        prop_assert_eq!(v2::Request::parse(path, Some(query)), Some(Ok(request)));
    }
}

/// An answer that was cut off must never look like one with fewer mailboxes.
#[test]
fn an_answer_that_was_cut_anywhere_is_no_answer() {
    let (alice, services) = (alice(), Services::default());
    let outcome = Outcome::Settings(Box::new(alice.clone()));
    let abilities = Abilities::default();
    let whole = written(|out| pox::answer(&outcome, &services, abilities, &stamp(), out));
    assert!(pox::read(&whole).is_ok());
    for end in 1..whole.len() {
        let why = pox::read(&whole[..end]).unwrap_err();
        assert!(
            matches!(why, Unreadable::Truncated { .. }),
            "cut at {end}: {why}"
        );
    }
    let wanted = [Setting::UserDN, Setting::AlternateMailboxes].map(Wanted::Known);
    let answers = [UserAnswer::Settings(&alice, &services)];
    let whole = written(|out| soap::user_settings(&answers, &wanted, Head::default(), out));
    assert!(soap::read(&whole).is_ok());
    for end in 1..whole.len() {
        let why = soap::read(&whole[..end]).unwrap_err();
        assert!(
            matches!(why, Unreadable::Truncated { .. }),
            "cut at {end}: {why}"
        );
    }
}
