//! The ways into a domain controller, and what is said when one is shut.

use super::SAMBA;
use crate::lab::Lab;
use crate::lab::program::Desk;

const AUDIT: &[&str] = &["audit", "--format", "json"];

#[test]
fn an_audit_agrees_with_the_truth_whatever_the_account_is_called() {
    let lab = Lab::named(SAMBA);
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    lab.check_truth(&audit.automend(AUDIT).ended(1));
    lab.check_truth(&audit.named("CONTOSO\\audit").automend(AUDIT).ended(1));
    let dn = format!("CN=audit,CN=Users,{}", lab.var("LAB_BASE"));
    lab.check_truth(&audit.named(&dn).automend(AUDIT).ended(1));
}

#[test]
fn an_audit_agrees_with_the_truth_on_every_way_in() {
    let lab = Lab::named(SAMBA);
    let gc_over_tls = format!("ldaps://{}:3269", host(&lab));
    for (url, how) in [
        (lab.var("LAB_URL"), "--start-tls"),
        (lab.var("LAB_LDAPS_URL"), "--page-size=7"),
        (lab.var("LAB_GC_URL"), "--start-tls"),
        (&gc_over_tls, "--page-size=1000"),
    ] {
        let audit = lab
            .bind("LAB_URL", "LAB_AUDIT")
            .at(url)
            .automend(&[AUDIT, &[how]].concat());
        lab.check_truth(&audit.ended(1));
    }
    let base = format!("OU=Lab,{}", lab.var("LAB_BASE"));
    let below = lab
        .bind("LAB_LDAPS_URL", "LAB_AUDIT")
        .automend(&[AUDIT, &["--base", &base]].concat());
    lab.check_truth(&below.ended(1));
    let elsewhere = format!("CN=Users,{}", lab.var("LAB_BASE"));
    let none = lab
        .bind("LAB_LDAPS_URL", "LAB_AUDIT")
        .automend(&[AUDIT, &["--base", &elsewhere]].concat());
    assert!(none.ended(0).contains("\"owners\": 0"));
}

#[test]
fn of_the_two_local_sockets_one_trusts_whoever_may_open_it() {
    let lab = Lab::named(SAMBA);
    let system = lab.automend(&[AUDIT, &["-d", lab.var("LAB_SYSTEM_LDAPI_URL")]].concat());
    lab.check_truth(&system.ended(1));
    // The other one has no encryption, and Samba takes a local socket for clear text.
    lab.bind("LAB_LDAPI_URL", "LAB_AUDIT")
        .automend(AUDIT)
        .failed_with(&[lab.var("LAB_LDAPI_URL"), "encrypted connection"]);
    lab.automend(&[AUDIT, &["-d", lab.var("LAB_LDAPI_URL")]].concat())
        .failed_with(&["run kinit, or give --user"]);
}

#[test]
fn clear_text_is_refused_here_and_there() {
    let lab = Lab::named(SAMBA);
    let plain = lab.bind("LAB_URL", "LAB_AUDIT");
    plain
        .automend(&[AUDIT, &["--auth", "simple"]].concat())
        .failed_with(&[lab.var("LAB_URL"), "refusing clear text"]);
    // The name may be anybody's: a password stays here even if clear text is allowed.
    plain
        .automend(&[AUDIT, &["--auth", "simple", "--allow-plaintext"]].concat())
        .failed_with(&["refusing to send a password in clear text"]);
    // On the loopback it may go, and then it is the server that refuses.
    let loopback = format!("ldap://{}", lab.var("LAB_ADDRESS"));
    plain
        .at(&loopback)
        .automend(&[AUDIT, &["--auth", "simple", "--allow-plaintext"]].concat())
        .failed_with(&["encrypted connection", "--start-tls"]);
    // No one logs in: the server tells nothing to strangers.
    let stranger = lab.automend(&[AUDIT, &["-d", &loopback, "--allow-plaintext"]].concat());
    stranger.failed_with(&[&loopback, "give --user"]);
    assert_eq!(stranger.out, "");
}

#[test]
fn a_login_that_fails_is_told_by_its_reason() {
    let lab = Lab::named(SAMBA);
    let url = lab.var("LAB_LDAPS_URL");
    let desk = Desk::new();
    std::fs::write(desk.file("wrong"), "not-the-password\n").expect("the desk is ours");
    std::fs::write(desk.file("empty"), "").expect("the desk is ours");
    let login = |user: &str, password: &str| {
        lab.automend(&[
            "audit",
            "-d",
            url,
            "--ca",
            lab.var("LAB_CA"),
            "-u",
            user,
            "--password-file",
            password,
        ])
    };
    login(lab.var("LAB_AUDIT"), &desk.arg("wrong")).failed_with(&[
        url,
        lab.var("LAB_AUDIT"),
        "wrong user or password",
    ]);
    login("nobody@contoso.test", &desk.arg("wrong")).failed_with(&[url, "nobody@contoso.test"]);
    login(lab.var("LAB_AUDIT"), &desk.arg("empty")).failed_with(&["password file", "empty"]);
    login(lab.var("LAB_AUDIT"), &desk.arg("missing")).failed_with(&["password file", "missing"]);
}

#[test]
fn a_certificate_that_is_not_the_server_s_is_refused() {
    let lab = Lab::named(SAMBA);
    let audit = lab.bind("LAB_LDAPS_URL", "LAB_AUDIT");
    // Trusted, but for another name: this controller's certificate does not have the domain's.
    let by_domain = "ldaps://contoso.test";
    audit
        .at(by_domain)
        .automend(AUDIT)
        .failed_with(&[by_domain, "another name"]);
    // The right name, but no one trusted has signed.
    let (user, password) = (lab.var("LAB_AUDIT"), lab.var("LAB_AUDIT_PASSWORD_FILE"));
    let login = |ca: &[&str]| {
        let source = [
            "-d",
            lab.var("LAB_LDAPS_URL"),
            "-u",
            user,
            "--password-file",
            password,
        ];
        lab.automend(&[AUDIT, &source, ca].concat())
    };
    login(&[]).failed_with(&["--ca"]);
    let desk = Desk::new();
    let other =
        rcgen::generate_simple_self_signed(["dc1.contoso.test".to_owned()]).expect("a key pair");
    std::fs::write(desk.file("other.pem"), other.cert.pem()).expect("the desk is ours");
    login(&["--ca", &desk.arg("other.pem")]).failed_with(&[lab.var("LAB_LDAPS_URL"), "TLS failed"]);
    std::fs::write(desk.file("none.pem"), "").expect("the desk is ours");
    login(&["--ca", &desk.arg("none.pem")]).failed_with(&["none.pem", "no certificate"]);
}

#[test]
fn a_global_catalog_is_read_and_never_written() {
    let lab = Lab::named(SAMBA);
    let repair = lab.bind("LAB_GC_URL", "LAB_REPAIR");
    let before = repair.at(lab.var("LAB_LDAPS_URL")).keep();
    let desk = Desk::new();
    repair
        .automend(&[
            "fix",
            "--start-tls",
            "--yes",
            "--receipt",
            &desk.arg("receipt.ldif"),
        ])
        .failed_with(&["global catalog", "389"]);
    assert!(!desk.file("receipt.ldif").exists(), "a receipt of nothing");
    assert_eq!(repair.at(lab.var("LAB_LDAPS_URL")).links(), before.links);
}

fn host(lab: &Lab) -> &str {
    lab.var("LAB_LDAPS_URL")
        .strip_prefix("ldaps://")
        .expect("an ldaps:// URL")
}
