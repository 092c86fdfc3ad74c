//! Against a real Samba domain controller: `make test` starts it.

mod access;
mod delegations;
mod fixing;
mod kerberos;
mod logins;
mod rights;
mod served;

use crate::lab::{self, Lab};

/// The variable that names the file of the controller's variables.
const SAMBA: &str = "AUTOMEND_LAB_SAMBA";

#[test]
fn the_controller_holds_what_the_seed_meant() {
    let lab = Lab::named(SAMBA);
    lab::check_seed(&lab, lab.bind("LAB_LDAPS_URL", "LAB_AUDIT"));
}

#[test]
fn a_mailbox_is_found_by_the_address_of_its_guid() {
    let lab = Lab::named(SAMBA);
    lab.bind("LAB_LDAPS_URL", "LAB_AUDIT")
        .finds_a_mailbox_by_its_guid();
}

#[test]
fn the_controller_derives_back_links_and_refuses_to_be_told_one() {
    let lab = Lab::named(SAMBA);
    let users = format!("CN=Users,{}", lab.var("LAB_BASE"));
    lab::check_linked_attributes(lab.bind("LAB_LDAPS_URL", "LAB_ADMIN"), &users, 53);
}

#[test]
fn the_repairer_may_write_the_link_and_nothing_else() {
    let lab = Lab::named(SAMBA);
    let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    let admin = lab.bind("LAB_LDAPS_URL", "LAB_ADMIN");
    let owner = admin.add_user("lab-owner", &units);
    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    assert_eq!(
        repair.change("add", &owner.dn, "msExchDelegateListLink", &owner.dn),
        0
    );
    assert_eq!(repair.change("replace", &owner.dn, "displayName", "x"), 50);
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    assert_eq!(
        audit.change("delete", &owner.dn, "msExchDelegateListLink", &owner.dn),
        50
    );
    assert!(audit.has(&owner.dn, "msExchDelegateListBL", &owner.dn));
}

#[test]
fn a_simple_bind_without_encryption_is_refused() {
    let lab = Lab::named(SAMBA);
    let plain = lab
        .bind("LAB_URL", "LAB_AUDIT")
        .tool("ldapsearch", &["-b", "", "-s", "base"], "");
    // Strong authentication required.
    assert_eq!(plain.status.code(), Some(8), "{plain:?}");
}
