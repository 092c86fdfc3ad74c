//! What must hold of every directory, not only of those someone thought of.
//!
//! Directories are drawn at random: one user who is well, and owners of every kind who open their
//! mailboxes for the user and for one another.

use std::collections::HashSet;
use std::fmt::Write;

use automend_core::checks::links;
use automend_core::dn::{Dn, escape};
use automend_core::entry::{Class, Entry};
use automend_core::finding::{Code, Severity};
use automend_core::names::{Guid, SmtpAddress, attribute};
use automend_core::owner::{self, Owner};
use automend_core::plan::{Selection, changes};
use automend_core::policy::Policy;
use automend_core::recipient::RecipientType;
use automend_core::resolve::{LinkState, Request, Resolved, Who, resolve};
use automend_core::settings::Outcome;
use automend_core::view::fixture::Fixture;
use automend_core::view::{Answer, Known, Need};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

/// What an owner is; the second group is stale.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Mailbox,
    Hidden,
    AccountDisabled,
    ServerOnly,
    Remote,
    RemoteByFlags,
    UnknownType,
    GuidUndecided,
    LegacyUndecided,
    HomeUndecided,
    TypeUndecided,
    MailUserWithGuid,

    Disabled,
    MailUser,
    Contact,
    Group,
    NoLegacy,
    NoGuid,
    NoHome,
    Deleted,
    Gone,
}

const KINDS: &[Kind] = &[
    Kind::Mailbox,
    Kind::Hidden,
    Kind::AccountDisabled,
    Kind::ServerOnly,
    Kind::Remote,
    Kind::RemoteByFlags,
    Kind::UnknownType,
    Kind::GuidUndecided,
    Kind::LegacyUndecided,
    Kind::HomeUndecided,
    Kind::TypeUndecided,
    Kind::MailUserWithGuid,
    Kind::Disabled,
    Kind::MailUser,
    Kind::Contact,
    Kind::Group,
    Kind::NoLegacy,
    Kind::NoGuid,
    Kind::NoHome,
    Kind::Deleted,
    Kind::Gone,
];

impl Kind {
    fn is_stale(self) -> bool {
        let stale = KINDS.iter().position(|kind| *kind == Self::Disabled);
        KINDS.iter().position(|kind| *kind == self) >= stale
    }

    /// The owner, or `None` for one that is gone.
    fn entry(self, dn: Dn, i: usize) -> Option<Entry> {
        let mut owner = mailbox(dn, &format!("owner{i}"));
        let mut strip = |names: &[&str]| {
            for name in names {
                match *name {
                    attribute::LEGACY_EXCHANGE_DN => owner.legacy_dn = None,
                    attribute::MAILBOX_GUID => owner.mailbox_guid = None,
                    _ => owner.home_mdb = None,
                }
            }
        };
        let all = [
            attribute::LEGACY_EXCHANGE_DN,
            attribute::MAILBOX_GUID,
            attribute::HOME_MDB,
        ];
        match self {
            Self::Disabled
            | Self::Contact
            | Self::Group
            | Self::MailUser
            | Self::Remote
            | Self::RemoteByFlags
            | Self::TypeUndecided => strip(&all),
            Self::NoLegacy | Self::LegacyUndecided => strip(&[attribute::LEGACY_EXCHANGE_DN]),
            Self::NoGuid | Self::GuidUndecided => strip(&[attribute::MAILBOX_GUID]),
            Self::NoHome | Self::HomeUndecided | Self::ServerOnly | Self::MailUserWithGuid => {
                strip(&[attribute::HOME_MDB]);
            }
            _ => {}
        }
        match self {
            Self::Gone => return None,
            Self::Hidden => owner.hidden = true,
            Self::AccountDisabled => owner.account_disabled = true,
            Self::ServerOnly => owner.home_server = Some("/o=Contoso/cn=Servers/cn=EX01".into()),
            Self::Remote => owner.recipient_type = Some(RecipientType(2_147_483_648)),
            Self::RemoteByFlags => owner.remote_recipient_type = Some(4),
            Self::UnknownType => owner.recipient_type = Some(RecipientType(1 << 60)),
            Self::MailUser | Self::MailUserWithGuid => {
                owner.recipient_type = Some(RecipientType(128));
                owner.target_address = Some("SMTP:jim@partner.example".into());
            }
            Self::Contact => owner.class = Class::Contact,
            Self::Group => owner.class = Class::Group,
            Self::GuidUndecided => owner.undecided.push(attribute::MAILBOX_GUID),
            Self::LegacyUndecided => owner.undecided.push(attribute::LEGACY_EXCHANGE_DN),
            Self::HomeUndecided => owner.undecided.push(attribute::HOME_SERVER),
            Self::TypeUndecided => owner.undecided.push(attribute::RECIPIENT_TYPE),
            _ => {}
        }
        Some(owner)
    }
}

fn mailbox(dn: Dn, account: &str) -> Entry {
    let number = account
        .bytes()
        .fold(1, |sum: u8, byte| sum.wrapping_mul(31) ^ byte);
    Entry {
        class: Class::User,
        mail: Some(format!("{account}@contoso.com")),
        legacy_dn: Some(format!("/o=Contoso/cn={account}")),
        mailbox_guid: Some(Guid([number; 16])),
        home_mdb: Some(Dn::parse("CN=DB1,DC=contoso").unwrap()),
        ..Entry::bare(dn)
    }
}

/// A user, `CN=Alice`, who is well, and owners.
#[derive(Clone, Debug)]
struct Drawn {
    /// Each owner's kind and name, and whether it opens for Alice.
    owners: Vec<(Kind, Vec<char>, bool)>,
    /// Links between owners, from and to.
    among: Vec<(usize, usize)>,
    follow: u8,
}

impl Drawn {
    fn dn(&self, i: usize) -> Dn {
        let (kind, name, _) = &self.owners[i];
        let name: String = name.iter().collect();
        let name = escape(&format!("{name} {i}")).into_owned();
        let text = match kind {
            Kind::Deleted => format!(r"CN={name}\0ADEL:{i},CN=Deleted Objects,DC=contoso"),
            _ => format!("CN={name},DC=contoso"),
        };
        Dn::parse(&text).unwrap()
    }

    /// The directory, with each name of a link as `spell` writes it.
    fn directory(&self, mut spell: impl FnMut(&Dn) -> Dn) -> Fixture {
        let mut alice = mailbox(alice(), "alice");
        let mut entries = Vec::new();
        for (i, (kind, _, opens)) in self.owners.iter().enumerate() {
            let dn = self.dn(i);
            if *opens {
                alice.back_links.push(spell(&dn));
            }
            let Some(mut owner) = kind.entry(dn.clone(), i) else {
                continue;
            };
            for (from, to) in &self.among {
                if *from == i {
                    owner.forward_links.push(spell(&self.dn(*to)));
                }
                if *to == i {
                    owner.back_links.push(spell(&self.dn(*from)));
                }
            }
            if *opens {
                owner.forward_links.push(spell(&alice.dn));
            }
            entries.push(owner);
        }
        entries.push(alice);
        entries.push(Entry::bare(Dn::parse("CN=DB1,DC=contoso").unwrap()));
        entries.push(Entry::bare(Dn::parse("CN=EX01,DC=contoso").unwrap()));
        Fixture::of(entries)
    }

    fn plain(&self) -> Fixture {
        self.directory(Dn::clone)
    }

    fn request(&self, policy: Policy) -> Request {
        let who = Who::Address(SmtpAddress::parse("alice@contoso.com").unwrap());
        Request {
            who,
            policy,
            follow: self.follow,
        }
    }

    fn ask(&self, policy: Policy) -> Resolved {
        let request = self.request(policy);
        self.plain().drive(|view| resolve(view, &request))
    }

    fn has_stale_link(&self) -> bool {
        self.owners
            .iter()
            .any(|(kind, _, opens)| *opens && kind.is_stale())
    }
}

fn alice() -> Dn {
    Dn::parse(r"CN=Alice\, Smith,DC=contoso").unwrap()
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let letter = prop_oneof![
        4 => prop::char::range('a', 'z'),
        1 => prop::sample::select(vec![',', '+', '"', '\\', '<', '#', '=', ' ', 'é', 'Ж', '日']),
    ];
    let name = prop::collection::vec(letter, 1..6);
    let owner = (prop::sample::select(KINDS), name, prop::bool::weighted(0.7));
    let links = prop::collection::vec((any::<Index>(), any::<Index>()), 0..8);
    (prop::collection::vec(owner, 0..7), links, 0u8..5).prop_map(|(owners, links, follow)| {
        let among = match owners.len() {
            0 => Vec::new(),
            count => links
                .iter()
                .map(|(a, b)| (a.index(count), b.index(count)))
                .collect(),
        };
        Drawn {
            owners,
            among,
            follow,
        }
    })
}

/// The same name in another spelling: case of letters and types, hexadecimal escapes.
fn respelled(dn: &Dn, dice: &mut impl Iterator<Item = u8>) -> Dn {
    let mut out = String::new();
    let mut name = Some(dn.clone()).filter(|dn| *dn != Dn::root());
    while let Some(dn) = name {
        for (kind, value) in dn.rdn_parts() {
            let kind = if dice.next() > Some(127) {
                kind.to_lowercase()
            } else {
                kind
            };
            out.push_str(&kind);
            out.push('=');
            for letter in value.chars() {
                match dice.next().unwrap_or(0) {
                    0..=79 if letter.is_alphanumeric() => out.push(letter),
                    80..=159 if letter.is_ascii_alphabetic() => {
                        out.push(letter.to_ascii_uppercase());
                    }
                    _ => {
                        let mut bytes = [0; 4];
                        for byte in letter.encode_utf8(&mut bytes).bytes() {
                            write!(out, "\\{byte:02x}").unwrap();
                        }
                    }
                }
            }
        }
        name = dn.parent().filter(|above| *above != Dn::root());
        out.push_str(if name.is_some() { "," } else { "" });
    }
    let again = Dn::parse(&out).unwrap();
    assert_eq!(again, *dn, "{out}");
    again
}

proptest! {
    #[test]
    fn healthy_never_faults_on_a_stale_link(drawn in drawn()) {
        let resolved = drawn.ask(Policy::Healthy);
        let answered = matches!(resolved.outcome, Outcome::Settings(_));
        prop_assert!(answered, "{:?}", resolved.outcome);
    }

    #[test]
    fn faithful_faults_exactly_when_some_link_is_stale(drawn in drawn()) {
        let resolved = drawn.ask(Policy::Faithful);
        let faults = matches!(resolved.outcome, Outcome::Fault(_));
        prop_assert_eq!(faults, drawn.has_stale_link(), "{:?}", resolved.outcome);
    }

    #[test]
    fn a_policy_changes_the_answer_and_not_what_is_wrong(drawn in drawn()) {
        let (faithful, healthy) = (drawn.ask(Policy::Faithful), drawn.ask(Policy::Healthy));
        prop_assert_eq!(faithful.links, healthy.links);
        prop_assert_eq!(faithful.findings, healthy.findings);
    }

    #[test]
    fn every_back_link_yields_exactly_one_link_result(drawn in drawn()) {
        let resolved = drawn.ask(Policy::Faithful);
        let owners: Vec<Dn> = resolved.links.iter().map(|link| link.owner.dn.clone()).collect();
        prop_assert_eq!(&owners, &resolved.user.unwrap().back_links);
        let opens = drawn.owners.iter().filter(|(_, _, opens)| *opens);
        for (link, (kind, _, _)) in resolved.links.iter().zip(opens) {
            let stale = matches!(link.state, LinkState::Stale(_));
            prop_assert_eq!(stale, kind.is_stale(), "{:?} is {:?}", kind, link.state);
        }
    }

    #[test]
    fn both_sides_of_a_link_say_the_same(drawn in drawn()) {
        let directory = drawn.plain();
        let known = Known::default();
        let from_owners: HashSet<(Code, Dn)> = directory
            .entries()
            .iter()
            .flat_map(|entry| links::of_owner(entry, &known))
            .filter(|finding| finding.code.is_stale_link() && finding.delegates.contains(&alice()))
            .map(|finding| (finding.code, finding.subject.dn))
            .collect();
        let from_user: HashSet<(Code, Dn)> = drawn
            .ask(Policy::Faithful)
            .findings
            .into_iter()
            // An owner that is gone has no side of its own.
            .filter(|finding| finding.code.is_stale_link() && finding.code != Code::OwnerGone)
            .map(|finding| (finding.code, finding.subject.dn))
            .collect();
        prop_assert_eq!(from_owners, from_user);
    }

    #[test]
    fn every_fault_is_explained_by_a_finding(drawn in drawn(), who in any::<Index>()) {
        let directory = drawn.plain();
        let entries = directory.entries();
        let who = Who::Dn(entries[who.index(entries.len())].dn.clone());
        let request = Request { who, policy: Policy::Faithful, follow: drawn.follow };
        let resolved = directory.drive(|view| resolve(view, &request));
        if let Outcome::Fault(fault) = &resolved.outcome {
            let group = resolved.user.as_ref().is_some_and(|user| user.class == Class::Group);
            let explained = resolved.findings.iter().any(|finding| {
                finding.code.severity() == Severity::Error || finding.code == Code::OwnerUnreadable
            });
            prop_assert!(explained || group, "{fault:?}: {:?}", resolved.findings);
        }
    }

    #[test]
    fn undoing_an_applied_change_restores_the_set_of_links(
        drawn in drawn(),
        chosen in subsequence((0..7usize).collect::<Vec<_>>(), 0..7),
        later in prop::bool::ANY,
    ) {
        let directory = drawn.plain();
        let known = Known::default();
        let findings: Vec<_> =
            directory.entries().iter().flat_map(|entry| links::of_owner(entry, &known)).collect();
        let mut selection = Selection::default();
        let named = chosen.into_iter().filter(|i| *i < drawn.owners.len());
        selection.delegates = named.map(|i| drawn.dn(i)).collect();
        for change in changes(&findings, &selection) {
            let owner = directory.entries().iter().find(|entry| entry.dn == change.owner.dn).unwrap();
            let before = &owner.forward_links;
            let mut applied = change.apply(before);
            prop_assert!(change.delegates.iter().all(|gone| !applied.contains(gone)));
            prop_assert!(applied.iter().all(|kept| before.contains(kept)));
            let mut expected: HashSet<&Dn> = before.iter().collect();
            // What someone granted in between stays.
            let granted = Dn::parse("CN=Granted later,DC=contoso").unwrap();
            if later {
                applied.push(granted.clone());
                expected.insert(&granted);
            }
            let undone = change.undo(&applied);
            prop_assert_eq!(undone.iter().collect::<HashSet<_>>(), expected);
            prop_assert_eq!(change.undo(&undone), undone.clone(), "undone twice");
        }
    }

    #[test]
    fn the_verdict_does_not_depend_on_the_spelling_of_names(
        drawn in drawn(),
        dice in prop::collection::vec(any::<u8>(), 64),
    ) {
        let mut dice = dice.into_iter().cycle();
        let other = drawn.directory(|dn| respelled(dn, &mut dice));
        for policy in [Policy::Faithful, Policy::Healthy] {
            let request = drawn.request(policy);
            let (one, two) = (drawn.ask(policy), other.drive(|view| resolve(view, &request)));
            prop_assert_eq!(&one.outcome, &two.outcome);
            let states = |resolved: &Resolved| -> Vec<_> {
                resolved.links.iter().map(|link| (link.owner.dn.clone(), link.state.clone())).collect()
            };
            prop_assert_eq!(states(&one), states(&two));
            let wrong = |resolved: &Resolved| -> Vec<_> {
                let findings = resolved.findings.iter();
                findings.map(|f| (f.code, f.subject.dn.clone(), f.delegates.clone())).collect()
            };
            prop_assert_eq!(wrong(&one), wrong(&two));
        }
    }

    #[test]
    fn the_resolver_asks_for_nothing_twice_and_ends(
        drawn in drawn(),
        refused in prop::collection::vec(prop::bool::weighted(0.2), 32),
    ) {
        let directory = drawn.plain();
        let request = drawn.request(Policy::Healthy);
        let mut known = Known::default();
        let mut asked: HashSet<Need> = HashSet::new();
        let mut refused = refused.into_iter().cycle();
        // The user, the owners, one round a step, and one for what was found last.
        for _ in 0..usize::from(request.follow) + 4 {
            let needs = match resolve(&known, &request) {
                Ok(resolved) => {
                    prop_assert!(resolved.user.is_some() || !asked.is_empty());
                    return Ok(());
                }
                Err(needs) => needs,
            };
            prop_assert!(!needs.is_empty());
            for need in needs {
                prop_assert!(asked.insert(need.clone()), "asked again: {need:?}");
                let answer = match refused.next() {
                    Some(true) => Answer::Unreadable("refused".to_owned()),
                    _ => directory.look_up(&need),
                };
                known.insert(need, answer);
            }
        }
        prop_assert!(false, "no end: {asked:?}");
    }

    /// Whatever the undecided attributes turn out to be, a link that was called stale is stale.
    #[test]
    fn an_undecided_attribute_never_makes_a_link_stale(entry in any_owner(), filled in any_owner()) {
        let verdict = Owner::of(&entry);
        let open = |name| entry.undecided.contains(&name);
        let mut turned_out = Entry { undecided: Vec::new(), ..entry.clone() };
        if open(attribute::LEGACY_EXCHANGE_DN) {
            turned_out.legacy_dn = filled.legacy_dn;
        }
        if open(attribute::MAILBOX_GUID) {
            turned_out.mailbox_guid = filled.mailbox_guid;
        }
        if open(attribute::HOME_MDB) {
            turned_out.home_mdb = filled.home_mdb;
        }
        if open(attribute::HOME_SERVER) {
            turned_out.home_server = filled.home_server;
        }
        if open(attribute::RECIPIENT_TYPE) {
            turned_out.recipient_type = filled.recipient_type;
        }
        if open(attribute::REMOTE_RECIPIENT_TYPE) {
            turned_out.remote_recipient_type = filled.remote_recipient_type;
        }
        if open(attribute::TARGET_ADDRESS) {
            turned_out.target_address = filled.target_address;
        }
        if matches!(verdict, Owner::Stale(_)) {
            let now = Owner::of(&turned_out);
            prop_assert!(matches!(now, Owner::Stale(_)), "{verdict:?} became {now:?}");
        }
        for finding in links::of_owner(&entry, &Known::default()) {
            for name in &finding.evidence.missing {
                prop_assert!(!open(name), "{name} is called missing");
            }
        }
    }
}

proptest! {
    // Each is quick, and few of them are nearly a mailbox in just the wrong way.
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever an object has: where a glance takes it for a mailbox, reading it finds one, and nothing wrong.
    #[test]
    fn what_is_obviously_a_mailbox_is_one((dn, values) in any_values()) {
        let obvious = Owner::is_obviously_a_mailbox(
            &dn,
            values.iter().map(|(name, value)| (*name, Some(value))),
        );
        if obvious {
            let mut owner = Entry::bare(Dn::parse(&dn).unwrap());
            for (name, value) in &values {
                owner.take(name, value, &mut Vec::new());
            }
            prop_assert_eq!(Owner::of(&owner), Owner::Mailbox);
            owner.forward_links = vec![alice()];
            prop_assert_eq!(links::of_owner(&owner, &Known::default()), Vec::new());
        }
    }
}

/// A name, and values of the attributes that decide: nearly a mailbox, with a few others put among them.
fn any_values() -> impl Strategy<Value = (String, Vec<(&'static str, Vec<u8>)>)> {
    let names = [
        "CN=Jim,DC=contoso",
        r"CN=Stone\, Jim,DC=contoso",
        "CN=Jim\nDEL:1,CN=Deleted Objects,DC=contoso",
        r"CN=Jim\0ADEL:1,CN=Deleted Objects,DC=contoso",
        r"CN=Jim\0a\44\45L:1,CN=Deleted Objects,DC=contoso",
        "CN=\"Jim\\0ADEL:1\",CN=Deleted Objects,DC=contoso",
        "CN=#040A4A696D0A44454C3A31,CN=Deleted Objects,DC=contoso",
        r"CN=#04074A696D,DC=contoso",
    ];
    let pool = move |name: &'static str| -> Vec<Vec<u8>> {
        let texts: &[&str] = match name {
            attribute::LEGACY_EXCHANGE_DN => {
                &["/o=C/cn=jim", " /o=C", "/", "/ ", "ADCDisabledMail"]
            }
            attribute::HOME_MDB => &["CN=DB1,DC=contoso", "DB1", ",", "\u{a0}"],
            attribute::HOME_SERVER => &["/o=C/cn=EX01", "EX01"],
            attribute::TARGET_ADDRESS => &["SMTP:j@p.example", "X400:c=us;", "j"],
            attribute::OBJECT_CLASS => &["user", "group", "contact"],
            attribute::MAILBOX_GUID => &["6f9619ff-8b86-d011-b42d-00c04fc964ff", "short"],
            _ => &[
                "1",
                "2",
                "4",
                "8",
                "16",
                "64",
                "128",
                "2147483648",
                " 1",
                "01",
            ],
        };
        let mut pool: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        pool.extend([
            Vec::new(),
            b" ".to_vec(),
            vec![0xff],
            vec![0; 16],
            vec![7; 16],
        ]);
        if name == attribute::HOME_MDB {
            pool.extend(names.map(|name| name.as_bytes().to_vec()));
        }
        pool
    };
    let odd = prop::sample::select(owner::DECIDING)
        .prop_flat_map(move |name| (Just(name), prop::sample::select(pool(name))));
    let usual: Vec<(&'static str, Vec<u8>)> = vec![
        (attribute::LEGACY_EXCHANGE_DN, b"/o=C/cn=jim".to_vec()),
        (attribute::MAILBOX_GUID, vec![7; 16]),
        (attribute::HOME_MDB, b"CN=DB1,DC=contoso".to_vec()),
        (attribute::RECIPIENT_TYPE, b"1".to_vec()),
    ];
    (
        prop::sample::select(names.to_vec()),
        subsequence(usual, 2..=4),
        prop::collection::vec(odd, 0..3),
    )
        .prop_flat_map(|(dn, mut values, odd)| {
            values.extend(odd);
            (Just(dn.to_owned()), Just(values).prop_shuffle())
        })
}

/// Any mixture of the attributes that decide; those that are absent may be undecided.
fn any_owner() -> impl Strategy<Value = Entry> {
    let kinds = vec![1, 4, 64, 128, 2_147_483_648, 34_359_738_368, 1 << 60];
    let kind = prop::option::of(prop::sample::select(kinds));
    let flags = prop::option::of(prop::sample::select(vec![0, 1, 2, 4, 8, 100]));
    (any::<[bool; 5]>(), kind, flags, any::<[bool; 7]>()).prop_map(|(has, kind, flags, open)| {
        let full = mailbox(Dn::parse("CN=Jim,DC=contoso").unwrap(), "jim");
        let mut owner = Entry {
            legacy_dn: full.legacy_dn.clone().filter(|_| has[0]),
            mailbox_guid: full.mailbox_guid.filter(|_| has[1]),
            home_mdb: full.home_mdb.clone().filter(|_| has[2]),
            home_server: has[3].then(|| "/o=Contoso/cn=EX01".to_owned()),
            target_address: has[4].then(|| "SMTP:jim@partner.example".to_owned()),
            recipient_type: kind.map(RecipientType),
            remote_recipient_type: flags,
            forward_links: vec![alice()],
            ..full
        };
        for (name, absent, open) in [
            (
                attribute::LEGACY_EXCHANGE_DN,
                owner.legacy_dn.is_none(),
                open[0],
            ),
            (
                attribute::MAILBOX_GUID,
                owner.mailbox_guid.is_none(),
                open[1],
            ),
            (attribute::HOME_MDB, owner.home_mdb.is_none(), open[2]),
            (attribute::HOME_SERVER, owner.home_server.is_none(), open[3]),
            (
                attribute::RECIPIENT_TYPE,
                owner.recipient_type.is_none(),
                open[4],
            ),
            (
                attribute::REMOTE_RECIPIENT_TYPE,
                owner.remote_recipient_type.is_none(),
                open[5],
            ),
            (
                attribute::TARGET_ADDRESS,
                owner.target_address.is_none(),
                open[6],
            ),
        ] {
            if absent && open {
                owner.undecided.push(name);
            }
        }
        owner
    })
}
