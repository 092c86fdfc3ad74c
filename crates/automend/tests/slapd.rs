//! Against OpenLDAP's slapd: `make test` starts it.

mod lab;

use lab::Lab;

/// The variable that names the file of the server's variables.
const SLAPD: &str = "AUTOMEND_LAB_SLAPD";

#[test]
fn the_server_holds_what_the_seed_meant() {
    let lab = Lab::named(SLAPD);
    for url in ["LAB_URL", "LAB_LDAPS_URL", "LAB_LDAPI_URL"] {
        lab::check_seed(&lab, lab.bind(url, "LAB_TOOL"));
    }
}

#[test]
fn the_server_derives_back_links_and_refuses_to_be_told_one() {
    let lab = Lab::named(SLAPD);
    let parent = lab.var("LAB_BASE").to_owned();
    lab::check_linked_attributes(lab.bind("LAB_URL", "LAB_TOOL"), &parent, 50);
}
