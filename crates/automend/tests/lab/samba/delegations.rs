//! Delegations on a domain controller: given, taken, and undone byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::SAMBA;
use crate::lab::program::Desk;
use crate::lab::{Bind, Lab};

const LINK: &str = "msExchDelegateListLink";
const RIGHTS: &str = "msExchMailboxSecurityDescriptor";
/// The descriptor of a new mailbox, laid out with its list first and with bytes behind its entries, as no
/// writer lays it out: O:PSG:PSD:(A;CI;CCRC;;;PS).
const ODD: &[u8] = &[
    1, 0, 4, 0x80, 0x38, 0, 0, 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, // header
    2, 0, 0x24, 0, 1, 0, 0, 0, // list
    0, 2, 0x14, 0, 1, 0, 2, 0, 1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0, // entry
    0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0, // behind it
    1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0, // owner
    1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0, // group
];

/// The value of the descriptor, in base64.
fn descriptor(bind: &Bind<'_>, dn: &str) -> Option<String> {
    let found = bind.search(dn, "base", "(objectClass=*)", &[RIGHTS]);
    let mut lines = found.lines();
    lines.find_map(|line| Some(line.strip_prefix(&format!("{RIGHTS}:: "))?.to_owned()))
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, step by step")]
fn a_delegation_is_given_and_taken_on_a_controller_and_each_undo_brings_back_what_was() {
    let lab = Lab::named(SAMBA);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    let owner = admin.add_user("lab-granting", &units);
    let user = admin.add_user("lab-granted", &units);
    for (dn, name, guid) in [
        (&owner.dn, "granting", "b5YZ/4uG0BG0LQDAT8lkAQ=="),
        (&user.dn, "granted", "b5YZ/4uG0BG0LQDAT8lkAg=="),
    ] {
        let ldif = format!(
            "dn: {dn}\nchangetype: modify\n\
             replace: legacyExchangeDN\nlegacyExchangeDN: /o=ExchOrg/cn={name}\n-\n\
             replace: mail\nmail: {name}@contoso.test\n-\n\
             replace: mailNickname\nmailNickname: {name}\n-\n\
             replace: msExchMailboxGuid\nmsExchMailboxGuid:: {guid}\n-\n\
             replace: msExchHomeServerName\nmsExchHomeServerName: /o=ExchOrg/cn=Servers/cn=EX01\n-\n"
        );
        assert_eq!(admin.modify(&ldif), 0);
    }
    let desk = Desk::new();

    // The link alone, with the cmdlet for the rest; the account that may write nothing else is enough.
    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    let receipt = desk.arg("link.ldif");
    let grant = [
        "grant",
        owner.dn.as_str(),
        "--to",
        user.dn.as_str(),
        "--yes",
    ];
    let said = repair
        .automend(&[&grant[..], &["--receipt", &receipt]].concat())
        .ended(0);
    for expected in [
        "the AutoMapping link to",
        "agrees  ldaps://dc1.contoso.test",
        "Autodiscover offers the mailbox to 1 user",
        "Add-MailboxPermission -Identity 'granting@contoso.test' -User 'granted@contoso.test' -AccessRights 'FullAccess' -AutoMapping:$true",
    ] {
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }
    assert!(admin.has(&owner.dn, LINK, &user.dn));
    assert_eq!(descriptor(&admin, &owner.dn), None);
    repair.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert!(!admin.has(&owner.dn, LINK, &user.dn));

    // A descriptor that is not there, or not shown, is not made up.
    admin
        .automend(&[&grant[..], &["--descriptor"]].concat())
        .failed_with(&["a descriptor that was not read is never written"]);

    // Both in one request, in a descriptor that no writer lays out so.
    let odd = STANDARD.encode(ODD);
    assert_eq!(
        admin.modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: {RIGHTS}\n{RIGHTS}:: {odd}\n",
            owner.dn
        )),
        0
    );
    repair
        .automend(&[&grant[..], &["--descriptor"]].concat())
        .failed_with(&["may not write", RIGHTS, "nothing was written"]);
    let receipt = desk.arg("both.ldif");
    let said = admin
        .automend(&[&grant[..], &["--descriptor", "--receipt", &receipt]].concat())
        .ended(0);
    assert!(
        said.contains("The mailbox store has the last word"),
        "{said}"
    );
    assert!(admin.has(&owner.dn, LINK, &user.dn));
    let granted = descriptor(&admin, &owner.dn).expect("a descriptor");
    assert_ne!(granted, odd);
    let again = admin.automend(&[&grant[..], &["--descriptor"]].concat());
    assert!(again.ended(0).contains("nothing to write"));

    // Anyone who has an entry of the mailbox's own permissions is found by the identifier in it.
    let all = desk.arg("all.ldif");
    let off = [
        "automap",
        "off",
        owner.dn.as_str(),
        user.dn.as_str(),
        "--yes",
    ];
    repair
        .automend(&[&off[..], &["--receipt", &desk.arg("off.ldif")]].concat())
        .ended(0);
    assert!(!admin.has(&owner.dn, LINK, &user.dn));
    let on = ["automap", "on", owner.dn.as_str(), "--all", "--yes"];
    repair
        .automend(&[&on[..], &["--receipt", &all]].concat())
        .ended(0);
    assert!(admin.has(&owner.dn, LINK, &user.dn));

    // Taken, and given back by the undo; then undone to the first byte.
    let revoked = desk.arg("revoked.ldif");
    admin
        .automend(&[
            "revoke",
            &owner.dn,
            "--from",
            &user.dn,
            "--descriptor",
            "--yes",
            "--receipt",
            &revoked,
        ])
        .ended(0);
    assert_eq!(descriptor(&admin, &owner.dn).as_deref(), Some(odd.as_str()));
    assert!(!admin.has(&owner.dn, LINK, &user.dn));
    admin.automend(&["undo", &revoked, "--yes"]).ended(0);
    assert_eq!(descriptor(&admin, &owner.dn), Some(granted));

    // What someone else has changed since stays.
    let other = STANDARD.encode([ODD, &[0, 0, 0, 0]].concat());
    let replace = |value: &str| {
        admin.modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: {RIGHTS}\n{RIGHTS}:: {value}\n",
            owner.dn
        ))
    };
    let kept = descriptor(&admin, &owner.dn).expect("a descriptor");
    assert_eq!(replace(&other), 0);
    let left = admin.automend(&["undo", &receipt, "--yes"]).ended(1);
    assert!(left.contains("have changed since"), "{left}");
    assert!(admin.has(&owner.dn, LINK, &user.dn));
    assert_eq!(replace(&kept), 0);
    admin.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(descriptor(&admin, &owner.dn).as_deref(), Some(odd.as_str()));
    assert!(!admin.has(&owner.dn, LINK, &user.dn));

    // A receipt is LDIF, and any tool undoes with it.
    let receipt = desk.arg("for-others.ldif");
    admin
        .automend(&[&grant[..], &["--descriptor", "--receipt", &receipt]].concat())
        .ended(0);
    let ldif = std::fs::read_to_string(desk.file("for-others.ldif")).expect("a receipt");
    assert_eq!(admin.modify(&ldif), 0);
    assert_eq!(descriptor(&admin, &owner.dn).as_deref(), Some(odd.as_str()));
    assert!(!admin.has(&owner.dn, LINK, &user.dn));
}

#[test]
fn links_are_switched_and_listed_on_a_controller() {
    let lab = Lab::named(SAMBA);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    let owner = admin.add_user("lab-listed", &units);
    let user = admin.add_user("lab-lister", &units);
    admin.reconnect_mailbox(&owner.dn);
    let desk = Desk::new();
    // A user without a mailbox gets the link, and no answer that has it.
    repair
        .automend(&[
            "automap",
            "on",
            &owner.dn,
            &user.dn,
            "--yes",
            "--receipt",
            &desk.arg("on.ldif"),
        ])
        .ended(1);
    assert!(admin.has(&owner.dn, LINK, &user.dn));
    let listed = repair
        .automend(&["links", "--owner", &owner.dn, "--format", "jsonl"])
        .ended(0);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let all = repair.automend(&["links", "--format", "jsonl"]).ended(0);
    assert_eq!(all.lines().count(), admin.links().len());
    assert!(all.contains("lab-lister"), "{all}");
    repair
        .automend(&[
            "automap",
            "off",
            &owner.dn,
            "--all",
            "--yes",
            "--receipt",
            &desk.arg("off.ldif"),
        ])
        .ended(1);
    assert!(!admin.has(&owner.dn, LINK, &user.dn));
    repair
        .automend(&["undo", &desk.arg("off.ldif"), "--yes"])
        .ended(0);
    assert!(admin.has(&owner.dn, LINK, &user.dn));
}
