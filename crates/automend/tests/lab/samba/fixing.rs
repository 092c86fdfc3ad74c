//! Fixes on a domain controller, by an account that may write the link and nothing else.

use automend_core::dn::Dn;

use super::SAMBA;
use crate::lab::program::{Desk, Links, Ran, Receipt, truth_counts};
use crate::lab::{Added, Bind, Lab};

const LINK: &str = "msExchDelegateListLink";

/// Fixes the owner of a test, with a receipt.
fn fix_owner(world: &World, receipt: &str) -> Ran {
    world.repair().automend(&[
        "fix",
        "--yes",
        "--owner",
        &world.owner.dn,
        "--receipt",
        receipt,
    ])
}

#[test]
fn a_fix_removes_every_stale_link_and_an_undo_puts_each_back() {
    let lab = Lab::named(SAMBA);
    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    let before = repair.keep();
    let (stale, all) = truth_counts(&lab);
    assert_eq!(before.links.len(), all);
    let desk = Desk::new();
    let receipt = desk.arg("receipt.ldif");
    let said = repair
        .automend(&["fix", "--yes", "--receipt", &receipt])
        .ended(1);
    assert!(said.contains("agrees  ldaps://dc1.contoso.test"), "{said}");
    let after = repair.links();
    assert!(after.is_subset(&before.links));
    assert_eq!(after.len(), all - stale);
    let read = Receipt::read(&desk.file("receipt.ldif"));
    assert_eq!(read.removed(), stale);
    // Samba would ignore an assertion that is not critical, and refuses one that is.
    assert!(read.guard.contains("read again"), "{}", read.guard);
    repair.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(repair.links(), before.links);
    lab.check_truth(&repair.automend(&["audit", "--format", "json"]).ended(1));
}

#[test]
fn a_fix_of_one_owner_takes_that_owner_s_links_and_no_other() {
    let lab = Lab::named(SAMBA);
    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    let before = repair.keep();
    let desk = Desk::new();
    let stale = stale_owners(&lab);
    // Owners and delegates with names that need escaping are among them.
    for (i, owner) in stale
        .iter()
        .enumerate()
        .filter(|(i, owner)| *i < 3 || owner.contains('\\'))
    {
        let of_owner = links_of(&before.links, owner);
        // A delegate who is affected by another owner, too, is reported of as still failing.
        let others = stale
            .iter()
            .filter(|other| *other != owner)
            .flat_map(|other| links_of(&before.links, other));
        let others: Vec<Dn> = others.map(|(_, delegate)| delegate).collect();
        let still = of_owner
            .iter()
            .any(|(_, delegate)| others.contains(delegate));
        let receipt = desk.arg(&format!("{i}.ldif"));
        let ran = repair.automend(&["fix", "--yes", "--owner", owner, "--receipt", &receipt]);
        assert_eq!(ran.ended(i32::from(still)).contains("STILL FAILS"), still);
        let gone: Links = before.links.difference(&repair.links()).cloned().collect();
        assert!(!gone.is_empty() && gone == of_owner, "{owner}: {gone:?}");
        repair.automend(&["undo", &receipt, "--yes"]).ended(0);
        assert_eq!(repair.links(), before.links, "{owner}");
    }
}

#[test]
fn delegates_with_hard_names_lose_their_links_and_get_them_back() {
    let lab = Lab::named(SAMBA);
    let world = World::new(&lab);
    let names = [
        "Doe\\, Jane",
        "O'Brien \\\"Obi\\\"",
        "Plus\\+Minus",
        "\\#Hash",
        "Müller-Lüdenscheidt",
        "山田 太郎",
        "Back\\\\Slash",
        "\\ Lead",
    ];
    let admin = world.admin();
    let people: Vec<Added<'_>> = names
        .iter()
        .map(|name| admin.add_named(name, &world.units))
        .collect();
    for person in &people {
        admin.link(&world.owner.dn, &person.dn);
    }
    let desk = Desk::new();
    let links = admin.links_of(&world.owner.dn).len();
    assert_eq!(links, names.len() + 1);
    let receipt = desk.arg("receipt.ldif");
    fix_owner(&world, &receipt).ended(1);
    assert_eq!(admin.links_of(&world.owner.dn).len(), 0);
    world
        .repair()
        .automend(&["undo", &receipt, "--yes"])
        .ended(0);
    assert_eq!(admin.links_of(&world.owner.dn).len(), links);
    // One delegate alone.
    let one = &people[1].dn;
    let receipt = desk.arg("one.ldif");
    world
        .repair()
        .automend(&[
            "fix",
            "--yes",
            "--owner",
            &world.owner.dn,
            "--delegate",
            one,
            "--receipt",
            &receipt,
        ])
        .ended(1);
    let left = admin.links_of(&world.owner.dn);
    assert_eq!(left.len(), links - 1);
    assert!(!left.contains(&Dn::parse(one).expect("a name")));
}

#[test]
fn an_owner_that_was_renamed_after_the_plan_is_fixed_by_its_guid() {
    let lab = Lab::named(SAMBA);
    let world = World::new(&lab);
    let desk = Desk::new();
    let plan = world.plan(&desk);
    let name = format!(
        "{} renamed",
        world.owner.dn.split([',', '=']).nth(1).expect("a name")
    );
    let renamed = world.admin().rename(&world.owner.dn, &name);
    let ran = world.repair().automend(&[
        "fix",
        "--plan",
        &plan,
        "--yes",
        "--receipt",
        &desk.arg("receipt.ldif"),
    ]);
    let left = world.admin().links_of(&renamed);
    let undone = world
        .repair()
        .automend(&["undo", &desk.arg("receipt.ldif"), "--yes"]);
    let again = world.admin().links_of(&renamed);
    // Under its first name it is removed when the test ends.
    let old = world
        .owner
        .dn
        .split([',', '='])
        .nth(1)
        .expect("a name")
        .to_owned();
    world.admin().rename(&renamed, &old);
    ran.ended(1);
    undone.ended(0);
    assert_eq!((left.len(), again.len()), (0, 1));
}

#[test]
fn a_plan_that_no_longer_applies_is_refused_whole() {
    let lab = Lab::named(SAMBA);
    let (one, two) = (World::new(&lab), World::new(&lab));
    let desk = Desk::new();
    let apply = |plan: &str| {
        let ran = one.repair().automend(&[
            "fix",
            "--plan",
            plan,
            "--yes",
            "--receipt",
            &desk.arg("receipt.ldif"),
        ]);
        ran.failed_with(&["the directory has changed", "nothing was written"]);
        assert!(!desk.file("receipt.ldif").exists());
        ran.err
    };
    let both = || {
        let plan = desk.arg("plan.json");
        let only = [
            "fix",
            "--owner",
            &one.owner.dn,
            "--owner",
            &two.owner.dn,
            "--plan-only",
            "-o",
            &plan,
        ];
        one.repair().automend(&only).ended(1);
        plan
    };
    // One gets its mailbox back: the other one keeps its link, too.
    let plan = both();
    one.admin().reconnect_mailbox(&two.owner.dn);
    assert!(apply(&plan).contains("has a mailbox again"));
    assert_eq!(one.admin().links_of(&one.owner.dn).len(), 1);
    one.admin().disconnect_mailbox(&two.owner.dn);

    // A value is added.
    let plan = both();
    one.admin().link(&two.owner.dn, &one.delegate.dn);
    assert!(apply(&plan).contains("changed"));
    assert_eq!(one.admin().links_of(&one.owner.dn).len(), 1);
    // Nothing has changed since this one.
    let plan = both();
    one.repair()
        .automend(&[
            "fix",
            "--plan",
            &plan,
            "--yes",
            "--receipt",
            &desk.arg("receipt.ldif"),
        ])
        .ended(1);
    assert_eq!(
        one.admin().links_of(&one.owner.dn).len() + one.admin().links_of(&two.owner.dn).len(),
        0
    );
}

#[test]
fn a_delegate_that_is_gone_keeps_no_other_from_being_put_back() {
    let lab = Lab::named(SAMBA);
    let world = World::new(&lab);
    let desk = Desk::new();
    let gone = world.admin().add_user("lab-gone", &world.units);
    world.admin().link(&world.owner.dn, &gone.dn);
    let receipt = desk.arg("receipt.ldif");
    fix_owner(&world, &receipt).ended(1);
    drop(gone);
    let said = world
        .repair()
        .automend(&["undo", &receipt, "--yes"])
        .ended(1);
    assert!(
        said.contains("left ") && said.contains("lab-gone"),
        "{said}"
    );
    assert!(world.admin().has(&world.owner.dn, LINK, &world.delegate.dn));
}

#[test]
fn a_user_is_shown_from_both_sides() {
    let lab = Lab::named(SAMBA);
    let world = World::new(&lab);
    world.admin().reconnect_mailbox(&world.delegate.dn);
    let show = |dn: &str| world.audit().automend(&["show", dn]);
    let affected = show(&world.delegate.dn).ended(1);
    assert!(
        affected.contains("error 603")
            && affected.contains("STALE")
            && affected.contains(&world.owner.dn),
        "{affected}"
    );
    let culprit = show(&world.owner.dn).ended(1);
    assert!(
        culprit.contains("Who opens this mailbox: 1 delegate")
            && culprit.contains(&world.delegate.dn),
        "{culprit}"
    );
    world
        .repair()
        .automend(&[
            "fix",
            "--yes",
            "--owner",
            &world.owner.dn,
            "--receipt",
            &Desk::new().arg("r.ldif"),
        ])
        .ended(1);
    assert!(!show(&world.delegate.dn).out.contains("STALE"));
}

/// An owner without a mailbox, with a link to a delegate.
struct World<'lab> {
    lab: &'lab Lab,
    units: String,
    owner: Added<'lab>,
    delegate: Added<'lab>,
}

impl<'lab> World<'lab> {
    fn new(lab: &'lab Lab) -> Self {
        let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
        let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
        let (owner, delegate) = (
            admin.add_user("lab-owner", &units),
            admin.add_user("lab-delegate", &units),
        );
        admin.link(&owner.dn, &delegate.dn);
        Self {
            lab,
            units,
            owner,
            delegate,
        }
    }

    fn admin(&self) -> Bind<'lab> {
        self.lab.bind("LAB_LDAPS_URL", "LAB_ADMIN")
    }

    fn repair(&self) -> Bind<'lab> {
        self.lab.bind("LAB_LDAPS_URL", "LAB_REPAIR")
    }

    fn audit(&self) -> Bind<'lab> {
        self.lab.bind("LAB_LDAPS_URL", "LAB_AUDIT")
    }

    fn plan(&self, desk: &Desk) -> String {
        let plan = desk.arg("plan.json");
        self.repair()
            .automend(&["fix", "--owner", &self.owner.dn, "--plan-only", "-o", &plan])
            .ended(1);
        plan
    }
}

/// The names of the owners whose links the seed calls stale.
fn stale_owners(lab: &Lab) -> Vec<String> {
    let text = std::fs::read_to_string(lab.var("LAB_TRUTH")).expect("the truth is there");
    let truth: serde_json::Value = serde_json::from_str(&text).expect("the truth is JSON");
    let owners = truth["staleOwners"].as_array().expect("owners");
    owners
        .iter()
        .map(|owner| owner["dn"].as_str().expect("a name").to_owned())
        .collect()
}

fn links_of(links: &Links, owner: &str) -> Links {
    let owner = Dn::parse(owner).expect("the seed writes names");
    links
        .iter()
        .filter(|(of, _)| *of == owner)
        .cloned()
        .collect()
}
