//! Who can open what on a domain controller: by `tokenGroups` and by the in-chain rule, through a circle of groups.

use automend_core::dn::Dn;
use automend_core::names::Sid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::SAMBA;
use crate::lab::program::Desk;
use crate::lab::{Added, Bind, Lab};

const RIGHTS: &str = "msExchMailboxSecurityDescriptor";

/// A circle of groups: Outer has Bob and Inner, Inner has Carol and Outer; and a mailbox for all of them.
pub(super) struct Circle<'lab> {
    pub(super) owner: Added<'lab>,
    pub(super) alice: Added<'lab>,
    pub(super) bob: Added<'lab>,
    pub(super) carol: Added<'lab>,
    pub(super) dave: Added<'lab>,
    pub(super) outer: Added<'lab>,
    pub(super) inner: Added<'lab>,
}

/// The identifier of an object.
fn sid(bind: &Bind<'_>, dn: &str) -> Sid {
    let found = bind.search(dn, "base", "(objectClass=*)", &["objectSid"]);
    let mut lines = found.lines();
    let value = lines
        .find_map(|line| line.strip_prefix("objectSid:: "))
        .expect("an identifier");
    Sid::from_bytes(&STANDARD.decode(value).expect("base64")).expect("a SID")
}

/// A descriptor with these entries: whether each allows, and for whom.
fn descriptor(entries: &[(bool, Sid)]) -> String {
    let mut list = Vec::new();
    for (allows, sid) in entries {
        list.extend([u8::from(!allows), 0]);
        list.extend(
            u16::try_from(8 + sid.as_bytes().len())
                .expect("short")
                .to_le_bytes(),
        );
        list.extend(1u32.to_le_bytes());
        list.extend(sid.as_bytes());
    }
    let itself = Sid::parse("S-1-5-10").expect("a SID");
    let mut bytes = vec![1, 0, 4, 0x80];
    for at in [20u32, 32, 0, 44] {
        bytes.extend(at.to_le_bytes());
    }
    bytes.extend([itself.as_bytes(), itself.as_bytes(), &[2, 0]].concat());
    bytes.extend(u16::try_from(8 + list.len()).expect("short").to_le_bytes());
    bytes.extend(u16::try_from(entries.len()).expect("few").to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(list);
    STANDARD.encode(bytes)
}

impl<'lab> Circle<'lab> {
    pub(super) fn new(lab: &'lab Lab, name: &str) -> Self {
        let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
        let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
        let user = |who: &str| {
            let added = admin.add_user(&format!("{name}-{who}"), &units);
            let guid: Vec<u8> = sid(&admin, &added.dn)
                .as_bytes()
                .iter()
                .rev()
                .take(16)
                .copied()
                .collect();
            let ldif = format!(
                "dn: {dn}\nchangetype: modify\n\
                 replace: legacyExchangeDN\nlegacyExchangeDN: /o=ExchOrg/cn={name}-{who}\n-\n\
                 replace: mail\nmail: {name}-{who}@contoso.test\n-\n\
                 replace: mailNickname\nmailNickname: {name}-{who}\n-\n\
                 replace: msExchMailboxGuid\nmsExchMailboxGuid:: {guid}\n-\n\
                 replace: msExchHomeServerName\nmsExchHomeServerName: /o=ExchOrg/cn=Servers/cn=EX01\n-\n",
                dn = added.dn,
                guid = STANDARD.encode(guid),
            );
            assert_eq!(admin.modify(&ldif), 0);
            added
        };
        let group = |who: &str| admin.add_group(&format!("{name}-{who}"), &units);
        let circle = Self {
            owner: user("owner"),
            alice: user("alice"),
            bob: user("bob"),
            carol: user("carol"),
            dave: user("dave"),
            outer: group("outer"),
            inner: group("inner"),
        };
        for (group, member) in [
            (&circle.outer, &circle.bob),
            (&circle.outer, &circle.inner),
            (&circle.inner, &circle.carol),
            (&circle.inner, &circle.outer),
        ] {
            assert_eq!(admin.change("add", &group.dn, "member", &member.dn), 0);
        }
        let entries = [
            (true, sid(&admin, &circle.alice.dn)),
            (true, sid(&admin, &circle.outer.dn)),
        ];
        circle.give(&admin, &entries);
        admin.link(&circle.owner.dn, &circle.alice.dn);
        admin.link(&circle.owner.dn, &circle.dave.dn);
        circle
    }

    fn give(&self, admin: &Bind<'_>, entries: &[(bool, Sid)]) {
        let ldif = format!(
            "dn: {}\nchangetype: modify\nreplace: {RIGHTS}\n{RIGHTS}:: {}\n",
            self.owner.dn,
            descriptor(entries)
        );
        assert_eq!(admin.modify(&ldif), 0);
    }
}

/// The state of each row between the mailbox and a user, by the second part of their names.
fn states(listed: &str) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_str(listed).expect("JSON");
    let part = |value: &serde_json::Value| {
        let name = value["name"].as_str().expect("a name");
        name.split('-').nth(2).expect("lab-NAME-WHO").to_owned()
    };
    let rows = list["access"].as_array().expect("rows").iter();
    let rows = rows.filter(|row| {
        row["mailbox"]["name"]
            .as_str()
            .is_some_and(|name| name.contains("owner"))
    });
    let mut states: Vec<String> = rows
        .map(|row| {
            format!(
                "{} {}",
                part(&row["user"]),
                row["state"].as_str().expect("a state")
            )
        })
        .collect();
    states.sort();
    states
}

#[test]
fn the_members_of_groups_in_a_circle_can_open_a_mailbox_on_a_controller() {
    let lab = Lab::named(SAMBA);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let circle = Circle::new(&lab, "lab-access");
    let access = |whose: &str| {
        let ran = admin.automend(&["access", whose, "--format", "json"]);
        // The mailboxes of the seed show no permissions.
        states(&ran.ended(2))
    };
    let everyone = [
        "alice mapped",
        "bob never",
        "carol never",
        "dave ghost",
        "outer never",
    ];
    assert_eq!(access(&circle.owner.dn), everyone);
    for (who, expected) in [
        (&circle.alice, "alice mapped"),
        (&circle.bob, "bob never"),
        (&circle.carol, "carol never"),
        (&circle.dave, "dave ghost"),
        (&circle.inner, "inner never"),
    ] {
        assert_eq!(access(&who.dn), [expected]);
    }

    // A deny entry of the outer group is about Carol, too.
    circle.give(
        &admin,
        &[
            (false, sid(&admin, &circle.outer.dn)),
            (true, sid(&admin, &circle.carol.dn)),
        ],
    );
    assert_eq!(access(&circle.carol.dn), ["carol denied"]);

    // Every user is in the primary group without a value that says so.
    let users = format!("CN=Domain Users,CN=Users,{}", lab.var("LAB_BASE"));
    circle.give(&admin, &[(true, sid(&admin, &users))]);
    assert_eq!(access(&circle.bob.dn), ["bob never"]);
    let all = admin
        .automend(&["access", &circle.owner.dn, "--format", "json"])
        .ended(2);
    for who in ["lab-access-alice", "lab-access-bob"] {
        assert!(all.contains(who), "no {who}");
    }
}

#[test]
fn links_follow_the_groups_of_a_controller_and_ghosts_are_removed() {
    let lab = Lab::named(SAMBA);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    let circle = Circle::new(&lab, "lab-follow");
    let owner = circle.owner.dn.as_str();
    let desk = Desk::new();
    let links = || {
        let mut links: Vec<String> = admin.links_of(owner).iter().map(Dn::name).collect();
        links.sort();
        links
            .iter()
            .map(|name| name.split('-').nth(2).expect("who").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(links(), ["alice", "dave"]);

    // The whole directory: mailboxes of the seed show no permissions, and these are reported.
    let report = admin
        .automend(&["audit", "--access", "--format", "json"])
        .ended(2);
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let mut told: Vec<String> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|one| ["AM107", "AM108"].iter().any(|code| one["code"] == *code))
        .filter(|one| one["owner"]["dn"] == owner)
        .map(|one| {
            let delegate = one["delegates"][0]["name"].as_str().expect("a name");
            let who = delegate.split('-').nth(2).expect("who");
            format!("{} {who}", one["code"].as_str().expect("a code"))
        })
        .collect();
    told.sort();
    assert_eq!(told, ["AM107 dave", "AM108 outer"]);

    let receipt = desk.arg("sync.ldif");
    let sync = ["automap", "sync", owner, "--yes"];
    let said = repair
        .automend(&[&sync[..], &["--receipt", &receipt]].concat())
        .ended(0);
    assert!(
        said.contains("Autodiscover offers the mailbox to 2 users"),
        "{said}"
    );
    assert_eq!(links(), ["alice", "bob", "carol", "dave"]);
    assert!(repair.automend(&sync).ended(0).contains("nothing to write"));
    repair.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(links(), ["alice", "dave"]);
    let deny = repair.automend(&[&sync[..], &["--deny", &circle.inner.dn, "--plan-only"]].concat());
    // Inner has Outer in it, and so both of them.
    assert!(deny.ended(0).contains("left out 2 links"));

    let receipt = desk.arg("ghosts.ldif");
    let fix = ["fix", "--ghosts", "--owner", owner, "--yes"];
    repair
        .automend(&[&fix[..], &["--receipt", &receipt]].concat())
        .ended(0);
    assert_eq!(links(), ["alice"]);
    repair.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(links(), ["alice", "dave"]);
}
