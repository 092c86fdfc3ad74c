//! Who can open a mailbox: by example, and for every list of entries.

use std::collections::HashSet;

use automend_core::access::{Rule, Rules, State, Token, Verdict, Walk, relation, well_known};
use automend_core::checks::permissions::{Circle, Member, Principals, look};
use automend_core::dn::Dn;
use automend_core::entry::{Class, Entry};
use automend_core::finding::Code;
use automend_core::names::{Guid, Sid};
use proptest::collection::vec;
use proptest::prelude::*;

fn sid(relative: u32) -> Sid {
    Sid::parse(&format!("S-1-5-21-1-2-3-{relative}")).unwrap()
}

fn mailbox(name: &str, relative: u32) -> Entry {
    let mut entry = Entry::bare(Dn::parse(&format!("CN={name},DC=c")).unwrap());
    entry.class = Class::User;
    entry.sid = Some(sid(relative));
    entry.legacy_dn = Some(format!("/o=C/cn={name}"));
    entry.mailbox_guid = Some(Guid([1; 16]));
    entry.home_mdb = Some(Dn::parse("CN=DB1,DC=c").unwrap());
    entry
}

/// `+1101` allows, `-1101` denies, `i` in front is inherited, `?` behind has a condition; another identifier is
/// given as it is.
fn rules(text: &str) -> Rules {
    let rule = |word: &str| {
        let (inherited, word) = word
            .strip_prefix('i')
            .map_or((false, word), |word| (true, word));
        let (plain, word) = word
            .strip_suffix('?')
            .map_or((true, word), |word| (false, word));
        let (verb, who) = word.split_at(1);
        Rule {
            sid: who.parse().map_or_else(|_| Sid::parse(who).unwrap(), sid),
            allows: verb == "+",
            inherited,
            plain,
        }
    };
    text.split_whitespace().map(rule).collect()
}

/// The state between Info with these entries and Alice (1101), who is in the groups 1201 and 1202.
fn state(text: &str, linked: bool) -> Option<State> {
    let token = Token::new(&mailbox("Alice", 1101), [sid(1201), sid(1202)], true);
    relation(&mailbox("Info", 1100), Some(&rules(text)), &token, linked).map(|found| found.state)
}

#[test]
fn the_first_entry_that_is_about_the_user_decides() {
    for (text, without, with) in [
        ("", None, Some(State::Ghost)),
        (
            "+1102 +S-1-5-10 +S-1-5-18 +S-1-5-32-544",
            None,
            Some(State::Ghost),
        ),
        ("+1101", Some(State::Missing), Some(State::Mapped)),
        ("+1201", Some(State::Never), Some(State::Mapped)),
        ("i+1201 +1101", Some(State::Missing), Some(State::Mapped)),
        ("i+1101", Some(State::Inherited), Some(State::Mapped)),
        ("+S-1-1-0", Some(State::Inherited), Some(State::Mapped)),
        ("+S-1-5-11", Some(State::Inherited), Some(State::Mapped)),
        // Explicit deny, explicit allow, inherited deny, inherited allow.
        ("-1101 +1101", Some(State::Denied), Some(State::Ghost)),
        ("-1202 +1101", Some(State::Denied), Some(State::Ghost)),
        ("+1101 i-1201", Some(State::Missing), Some(State::Mapped)),
        ("i-1201 i+1101", Some(State::Denied), Some(State::Ghost)),
        // A list out of order is taken as it stands.
        ("+1101 -1201", Some(State::Missing), Some(State::Mapped)),
        // Administrators are denied every mailbox from above, which says nothing of this one.
        ("i-1201", None, Some(State::Ghost)),
        ("-1201", Some(State::Denied), Some(State::Ghost)),
        // A condition decides nothing, unless the rest says the same.
        ("+1101?", Some(State::Unclear), Some(State::Unclear)),
        ("+1101? +1201", Some(State::Never), Some(State::Mapped)),
        ("-1101? +1101", Some(State::Unclear), Some(State::Unclear)),
        ("-1101? -1201", Some(State::Denied), Some(State::Ghost)),
        ("-1101?", None, Some(State::Ghost)),
    ] {
        assert_eq!(state(text, false), without, "{text}");
        assert_eq!(state(text, true), with, "{text}, linked");
    }
}

#[test]
fn what_is_not_known_is_no_ghost() {
    let (info, alice) = (mailbox("Info", 1100), mailbox("Alice", 1101));
    let state = |owner: &Entry, rules: Option<&Rules>, token: &Token, linked| {
        relation(owner, rules, token, linked).map(|found| found.state)
    };
    let whole = Token::new(&alice, [], true);
    assert_eq!(state(&info, None, &whole, true), Some(State::Unclear));
    assert_eq!(state(&info, None, &whole, false), None);
    // Whether she is in the group is open.
    let open = Token::new(&alice, [], false);
    let group = rules("+1201");
    assert_eq!(
        state(&info, Some(&group), &open, true),
        Some(State::Unclear)
    );
    assert_eq!(state(&info, Some(&group), &open, false), None);
    assert_eq!(
        state(&info, Some(&rules("+1101 -1201")), &open, true),
        Some(State::Mapped)
    );
    // An owner without a mailbox is a matter of the audit; one in another system is decided there.
    let mut gone = info.clone();
    (gone.mailbox_guid, gone.home_mdb) = (None, None);
    assert_eq!(state(&gone, Some(&group), &whole, true), Some(State::Stale));
    assert_eq!(state(&gone, Some(&rules("+1101")), &whole, false), None);
    let mut remote = info;
    remote.remote_recipient_type = Some(4);
    remote.home_mdb = None;
    assert_eq!(
        state(&remote, Some(&group), &whole, true),
        Some(State::Unclear)
    );
}

#[test]
fn groups_accounts_of_other_forests_and_lost_identifiers_are_never_mapped() {
    let info = mailbox("Info", 1100);
    let all = rules("+1201 +1301 +1999");
    let mut group = Entry::bare(Dn::parse("CN=Sales,DC=c").unwrap());
    (group.class, group.sid) = (Class::Group, Some(sid(1201)));
    let mut foreign = Entry::bare(Dn::parse("CN=S-1-5-21-9-9-9-1,DC=c").unwrap());
    (foreign.class, foreign.sid) = (Class::ForeignSecurityPrincipal, Some(sid(1301)));
    for (token, expected) in [
        (Token::new(&group, [], true), State::Never),
        (Token::new(&foreign, [], true), State::Never),
        (Token::of_nobody(sid(1999)), State::Orphan),
    ] {
        let found = relation(&info, Some(&all), &token, false).unwrap();
        assert_eq!(found.state, expected);
        assert!(found.note.is_some());
    }
    // What is denied to everyone is denied to the members of a group.
    let everyone = rules("-S-1-1-0 +1201");
    let denied = relation(&info, Some(&everyone), &Token::new(&group, [], true), false);
    assert_eq!(denied.unwrap().state, State::Denied);
    assert_eq!(
        all.named(&info).into_iter().cloned().collect::<Vec<_>>(),
        [sid(1201), sid(1301), sid(1999)]
    );
    assert_eq!(
        rules("+1100 +S-1-5-10 -S-1-5-32-544").named(&info),
        Vec::<&Sid>::new()
    );
    assert_eq!(
        well_known(&Sid::parse("S-1-5-10").unwrap()),
        Some(r"NT AUTHORITY\SELF")
    );
}

#[test]
fn a_linked_mailbox_is_known_by_the_account_that_it_belongs_to() {
    let mut alice = mailbox("Alice", 1101);
    alice.master_account = Some(sid(7001));
    let token = Token::new(&alice, [], true);
    let found = relation(&mailbox("Info", 1100), Some(&rules("+7001")), &token, true).unwrap();
    assert_eq!((found.state, found.opens), (State::Mapped, Some(true)));
    assert_eq!(rules("+7001").named(&alice), Vec::<&Sid>::new());
}

#[test]
fn a_walk_through_a_circle_ends_and_one_without_end_is_cut() {
    let dn = |i: u32| Dn::parse(&format!("CN=G{i},DC=c")).unwrap();
    let mut walk = Walk::from([dn(0)]);
    assert_eq!(walk.step([dn(1), dn(2), dn(1)]), [dn(1), dn(2)]);
    assert_eq!(walk.step([dn(0), dn(2)]), []);
    assert!(walk.level().is_empty() && walk.is_whole());
    let (mut walk, mut steps) = (Walk::from([dn(0)]), 0);
    while !walk.level().is_empty() {
        steps += 1;
        walk.step([dn(steps)]);
        assert!(steps < 1000);
    }
    assert!(!walk.is_whole());
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule = (
        0u32..6,
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    let rule = rule.prop_map(|(who, allows, inherited, plain)| Rule {
        sid: sid(who),
        allows,
        inherited,
        plain,
    });
    vec(rule, 0..10)
}

proptest! {
    /// Where everything is known, it is the first entry that is about the user.
    #[test]
    fn a_list_without_conditions_is_decided_by_its_first_hit(
        drawn in any_rules(),
        held in prop::collection::hash_set(0u32..6, 0..4),
    ) {
        let plain: Vec<Rule> = drawn.into_iter().map(|rule| Rule { plain: true, ..rule }).collect();
        let held: HashSet<Sid> = held.into_iter().map(sid).collect();
        let expected = match plain.iter().find(|rule| held.contains(&rule.sid)) {
            None => Verdict::Nothing,
            Some(rule) if rule.allows => Verdict::Allowed,
            Some(_) => Verdict::Denied,
        };
        let found = plain.into_iter().collect::<Rules>().decide(|sid| Some(held.contains(sid)));
        prop_assert_eq!(found, expected);
    }

    /// What is reported in spite of an open question stays told, whatever the answer.
    #[test]
    fn an_answer_never_overturns_what_was_sure(
        drawn in any_rules(),
        known in vec(prop::option::of(any::<bool>()), 6),
        answers in vec(any::<bool>(), 6),
        conditions in vec(any::<bool>(), 10),
    ) {
        let at = |sid: &Sid| usize::try_from(sid.relative().unwrap()).unwrap();
        let before: Rules = drawn.iter().cloned().collect();
        let told = before.decide(|sid| known[at(sid)]);
        // Each condition holds, or its entry is as if it were not there.
        let settled = drawn.iter().zip(&conditions).filter(|(rule, holds)| rule.plain || **holds);
        let after: Rules = settled.map(|(rule, _)| Rule { plain: true, ..rule.clone() }).collect();
        let in_truth = after.decide(|sid| Some(known[at(sid)].unwrap_or(answers[at(sid)])));
        prop_assert_ne!(in_truth, Verdict::Unclear);
        match told {
            Verdict::Allowed | Verdict::Denied => prop_assert_eq!(in_truth, told),
            Verdict::Nothing => prop_assert_ne!(in_truth, Verdict::Allowed),
            Verdict::Unclear => {}
        }
    }

    /// The order among entries of one kind, allow or deny, does not matter.
    #[test]
    fn entries_of_a_kind_may_change_places(
        drawn in any_rules(),
        held in prop::collection::hash_set(0u32..6, 0..4),
    ) {
        let kind = |rule: &Rule| (rule.inherited, rule.allows);
        let mut canonical = drawn;
        canonical.sort_by_key(kind);
        let mut turned = canonical.clone();
        turned.sort_by_key(|rule| (kind(rule), std::cmp::Reverse(rule.sid.relative())));
        let holds = |sid: &Sid| Some(held.contains(&sid.relative().unwrap()));
        prop_assert_eq!(
            canonical.into_iter().collect::<Rules>().decide(holds),
            turned.into_iter().collect::<Rules>().decide(holds)
        );
    }
}

/// Four users (1101 to 1104), two groups (1201, 1202) and what of them is in which.
const USERS: [u32; 4] = [1101, 1102, 1103, 1104];
const GROUPS: [u32; 2] = [1201, 1202];

fn group(relative: u32) -> Entry {
    let mut group = Entry::bare(Dn::parse(&format!("CN=G{relative},DC=c")).unwrap());
    (group.class, group.sid) = (Class::Group, Some(sid(relative)));
    group
}

fn user(relative: u32) -> Entry {
    mailbox(&format!("U{relative}"), relative)
}

proptest! {
    /// What is gathered while a directory passes by, with next to nothing kept, comes to what a look at each user
    /// by itself comes to.
    #[test]
    fn an_audit_says_of_a_mailbox_what_its_users_say_one_by_one(
        drawn in vec((0usize..7, any::<bool>(), any::<bool>(), prop::bool::weighted(0.9)), 0..6),
        linked in prop::collection::btree_set(0usize..4, 0..4),
        inside in prop::collection::hash_set((0usize..4, 0usize..2), 0..6),
    ) {
        let everyone = Sid::parse("S-1-1-0").unwrap();
        let who = |i: usize| match i {
            0..4 => sid(USERS[i]),
            4 | 5 => sid(GROUPS[i - 4]),
            _ => everyone.clone(),
        };
        let rules: Rules = drawn
            .into_iter()
            .map(|(i, allows, inherited, plain)| Rule { sid: who(i), allows, inherited, plain })
            .collect();
        let mut owner = mailbox("Info", 1100);
        owner.forward_links = linked.iter().map(|i| user(USERS[*i]).dn).collect();
        let groups_of = |i: usize| -> HashSet<Sid> {
            let groups = inside.iter().filter(|(user, _)| *user == i);
            groups.map(|(_, group)| sid(GROUPS[*group])).collect()
        };

        let (mut expected, mut mapped) = (HashSet::new(), HashSet::new());
        for (i, relative) in USERS.into_iter().enumerate() {
            let token = Token::new(&user(relative), groups_of(i), true);
            let found = relation(&owner, Some(&rules), &token, linked.contains(&i));
            if matches!(&found, Some(one) if matches!(one.state, State::Missing | State::Never)) {
                mapped.insert(user(relative).dn);
            }
            match found.map(|found| found.state) {
                Some(State::Ghost) => expected.insert((Code::LinkWithoutPermission, user(relative).dn)),
                Some(State::Missing) => expected.insert((Code::PermissionWithoutLink, user(relative).dn)),
                _ => false,
            };
        }
        for relative in GROUPS {
            let token = Token::new(&group(relative), [], true);
            let found = relation(&owner, Some(&rules), &token, false);
            if found.is_some_and(|found| found.state == State::Never) {
                expected.insert((Code::PermissionWithoutLink, group(relative).dn));
            }
        }

        let mut principals = Principals::default();
        for relative in USERS {
            principals.add(&user(relative));
        }
        let accounts = USERS.map(user).into_iter().chain(GROUPS.map(group));
        let circle = Circle {
            accounts: accounts.map(|entry| (entry.sid.clone().unwrap(), vec![entry])).collect(),
            members: (0..4)
                .map(|i| {
                    let mut member = Member::of(&user(USERS[i]));
                    member.groups = groups_of(i);
                    (member.dn.hash64(), member)
                })
                .collect(),
            whole: true,
        };
        let found = look(&owner, rules, &principals.sorted());
        prop_assert_eq!(found.unknown, 0);
        // And anyone who can be mapped is mapped by one who makes the links follow the permissions.
        let added = found.suspect.as_ref().map(|suspect| suspect.without_link(&circle));
        prop_assert_eq!(added.unwrap_or_default().into_iter().collect::<HashSet<Dn>>(), mapped);
        let findings = found.suspect.map(|suspect| suspect.findings(&circle)).unwrap_or_default();
        let told: HashSet<(Code, Dn)> = findings
            .iter()
            .flat_map(|finding| finding.delegates.iter().map(|dn| (finding.code, dn.clone())))
            .collect();
        prop_assert_eq!(told, expected);
    }
}
