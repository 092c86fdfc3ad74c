//! Against two Samba domain controllers that replicate: `make test` starts them.

mod fixing;
mod served;

use std::process::Command;

use crate::lab::{self, Bind, Lab, eventually, run, script, succeeded};

/// The variable that names the file of the controllers' variables.
const SAMBA2: &str = "AUTOMEND_LAB_SAMBA2";

const LINK: &str = "msExchDelegateListLink";
const BACK_LINK: &str = "msExchDelegateListBL";

#[test]
fn both_controllers_hold_what_the_seed_meant() {
    let lab = Lab::named(SAMBA2);
    settled(&lab);
    for url in ["LAB_DC1_LDAPS_URL", "LAB_DC2_LDAPS_URL"] {
        lab::check_seed(&lab, lab.bind(url, "LAB_AUDIT"));
    }
}

#[test]
fn a_link_reaches_the_other_controller_and_so_does_its_removal() {
    let lab = Lab::named(SAMBA2);
    let (dc1, dc2) = controllers(&lab);
    let owner = dc1.add_user("lab-owner", &format!("CN=Users,{}", lab.var("LAB_BASE")));
    eventually("dc2 knows the owner", || knows(dc2, &owner.dn));
    assert_eq!(dc1.change("add", &owner.dn, LINK, &owner.dn), 0);
    eventually("dc2 has the back link", || {
        dc2.has(&owner.dn, BACK_LINK, &owner.dn)
    });
    assert_eq!(dc2.change("delete", &owner.dn, LINK, &owner.dn), 0);
    eventually("dc1 has lost the back link", || {
        !dc1.has(&owner.dn, BACK_LINK, &owner.dn)
    });
}

#[test]
fn a_controller_that_was_cut_off_catches_up() {
    let lab = Lab::named(SAMBA2);
    let (dc1, dc2) = controllers(&lab);
    let dc2_at_home = dc2.inside(lab.var("LAB_DC2_NETNS"));
    let owner = dc1.add_user("lab-owner", &format!("CN=Users,{}", lab.var("LAB_BASE")));
    eventually("dc2 knows the owner", || knows(dc2, &owner.dn));

    let cut = Cut::now();
    let unreachable = dc2.tool("ldapsearch", &["-b", "", "-s", "base"], "");
    assert_ne!(unreachable.status.code(), Some(0), "dc2 still answers");
    assert_eq!(dc1.change("add", &owner.dn, LINK, &owner.dn), 0);
    assert!(
        !dc2_at_home.has(&owner.dn, BACK_LINK, &owner.dn),
        "the link crossed a cut cable"
    );
    drop(cut);

    eventually("dc2 has caught up", || {
        dc2.has(&owner.dn, BACK_LINK, &owner.dn)
    });
}

/// Waits until nothing is left on either controller of what other tests added: their removals reach the
/// second controller after the test has ended. The seed's users are one level deeper.
fn settled(lab: &Lab) {
    let units = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    for url in ["LAB_DC1_LDAPS_URL", "LAB_DC2_LDAPS_URL"] {
        let dc = lab.bind(url, "LAB_ADMIN");
        let added = || dc.search(&units, "one", "(cn=lab-*)", &["cn"]);
        eventually("what other tests added is gone", || {
            !added().lines().any(|line| line.starts_with("dn:"))
        });
    }
}

fn controllers(lab: &Lab) -> (Bind<'_>, Bind<'_>) {
    (
        lab.bind("LAB_DC1_LDAPS_URL", "LAB_ADMIN"),
        lab.bind("LAB_DC2_LDAPS_URL", "LAB_ADMIN"),
    )
}

fn knows(dc: Bind<'_>, dn: &str) -> bool {
    // Success, or noSuchObject.
    match dc
        .tool("ldapsearch", &["-b", dn, "-s", "base", "1.1"], "")
        .status
        .code()
    {
        Some(0) => true,
        Some(32) => false,
        code => panic!("looking for {dn}: {code:?}"),
    }
}

/// Lets each controller have what the other knows.
fn sync() {
    succeeded(&run(Command::new(script("samba2-up.sh")).arg("sync"), ""));
}

/// As long as this lives, dc2 cannot be reached from outside its own namespace.
struct Cut;

impl Cut {
    fn now() -> Self {
        succeeded(&run(Command::new(script("samba2-up.sh")).arg("cut"), ""));
        Self
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        let output = run(Command::new(script("samba2-up.sh")).arg("heal"), "");
        assert!(
            output.status.success() || std::thread::panicking(),
            "healing: {output:?}"
        );
    }
}
