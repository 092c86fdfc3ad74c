//! Against a Samba domain controller with the recycle bin on, where a deleted owner keeps its links:
//! `make test` starts it.

use crate::lab::program::{Desk, Receipt};
use crate::lab::{Lab, eventually};

/// The variable that names the file of the controller's variables.
const RECYCLE_BIN: &str = "AUTOMEND_LAB_RECYCLE_BIN";

#[test]
fn the_links_of_a_deleted_owner_are_found_and_fixed() {
    let lab = Lab::named(RECYCLE_BIN);
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let users = format!("CN=Users,{}", lab.var("LAB_BASE"));
    let delegate = admin.add_user("lab-delegate", &users);
    let owner = admin.add_user("lab-deleted", &users);
    admin.reconnect_mailbox(&owner.dn);
    admin.reconnect_mailbox(&delegate.dn);
    admin.link(&owner.dn, &delegate.dn);
    admin.automend(&["audit"]).ended(0);
    let name = owner
        .dn
        .split([',', '='])
        .nth(1)
        .expect("a name")
        .to_owned();
    drop(owner);

    let back_links = || {
        admin.search(
            &delegate.dn,
            "base",
            "(objectClass=*)",
            &["msExchDelegateListBL"],
        )
    };
    eventually("the deleted owner is named", || {
        back_links().contains("\\0ADEL:")
    });
    let json = admin.automend(&["audit", "--format", "json"]).ended(1);
    let report: serde_json::Value = serde_json::from_str(&json).expect("a report");
    let findings = report["findings"].as_array().expect("findings");
    assert_eq!(findings.len(), 1, "{json}");
    assert_eq!(findings[0]["code"], "AM114");
    let deleted = findings[0]["owner"]["dn"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert!(
        deleted.contains(&name) && deleted.contains("\\0ADEL:"),
        "{deleted}"
    );

    // An account that may not look into the bin sees the back link all the same.
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    let shown = audit.automend(&["show", &delegate.dn]).ended(1);
    assert!(
        shown.contains("AM114") && shown.contains(&deleted),
        "{shown}"
    );

    let desk = Desk::new();
    let receipt = desk.arg("receipt.ldif");
    let said = admin
        .automend(&["fix", "--yes", "--owner", &deleted, "--receipt", &receipt])
        .ended(1);
    // The line feed in a deleted object's name breaks no line.
    assert!(said.contains(&format!("fixed {name} (1 link)")), "{said}");
    assert_eq!(Receipt::read(&desk.file("receipt.ldif")).removed(), 1);
    assert!(
        !back_links().contains("msExchDelegateListBL"),
        "{}",
        back_links()
    );
    admin.automend(&["audit"]).ended(0);

    // What was taken from a deleted object can be given back to it.
    admin.automend(&["undo", &receipt, "--yes"]).ended(0);
    assert!(back_links().contains("\\0ADEL:"), "{}", back_links());
    admin
        .automend(&["fix", "--yes", "--receipt", &desk.arg("again.ldif")])
        .ended(1);
}
