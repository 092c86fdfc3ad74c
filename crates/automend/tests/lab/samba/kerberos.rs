//! Signed in by Kerberos, as administrators are: tickets of `kinit`, a keytab, a password, without TLS and with.

use super::SAMBA;
use crate::lab::program::Desk;
use crate::lab::{Lab, run, succeeded};
use crate::serving::samba_tool;

/// A user's tickets, got by MIT's `kinit`.
fn tickets(lab: &Lab, desk: &Desk, key: &str) -> String {
    let user = lab.var(key);
    let (name, _) = user.split_once('@').expect("user@domain");
    let file = desk.arg(&format!("tickets-{name}"));
    let password = lab.var(&format!("{key}_PASSWORD"));
    let mut kinit = lab.command("kinit");
    let principal = format!("{name}@{}", lab.var("LAB_REALM"));
    kinit.args(["-c", &file, &principal]);
    succeeded(&run(&mut kinit, &format!("{password}\n")));
    file
}

#[test]
fn a_ticket_is_enough_to_audit_fix_and_undo_without_tls() {
    let lab = Lab::named(SAMBA);
    let desk = Desk::new();
    let url = lab.var("LAB_URL");
    let audit = tickets(&lab, &desk, "LAB_AUDIT");
    let seen = lab.automend(&["audit", "-d", url, "--ticket-cache", &audit, "-f", "json"]);
    let seen = seen.ended(1);
    lab.check_truth(&seen);
    assert!(seen.contains("every message encrypted"), "{seen}");
    // A page at a time, so that many sealed messages follow one another.
    let paged = lab.automend(&[
        "audit",
        "-d",
        url,
        "--ticket-cache",
        &audit,
        "-f",
        "json",
        "--page-size",
        "7",
    ]);
    lab.check_truth(&paged.ended(1));

    let repair = lab.bind("LAB_LDAPS_URL", "LAB_REPAIR");
    let before = repair.keep();
    let cache = tickets(&lab, &desk, "LAB_REPAIR");
    let receipt = desk.arg("receipt.ldif");
    let login = ["-d", url, "--ticket-cache", &cache];
    let with = |command: &[&str]| lab.automend(&[command, &login[..]].concat());
    with(&["fix", "--yes", "--receipt", &receipt]).ended(1);
    assert!(repair.links().len() < before.links.len());
    with(&["undo", &receipt, "--yes"]).ended(0);
    assert_eq!(repair.links(), before.links);
}

#[test]
fn the_login_is_bound_to_tls_where_there_is_tls() {
    let lab = Lab::named(SAMBA);
    let desk = Desk::new();
    let audit = tickets(&lab, &desk, "LAB_AUDIT");
    for connection in [
        &["-d", lab.var("LAB_LDAPS_URL")][..],
        &["-d", lab.var("LAB_URL"), "--start-tls"],
    ] {
        let login = ["audit", "--ca", lab.var("LAB_CA"), "--ticket-cache", &audit];
        let ran = lab.automend(&[&login[..], connection, &["-f", "json"]].concat());
        let seen = ran.ended(1);
        lab.check_truth(&seen);
        assert!(seen.contains("by Kerberos (GSSAPI), over TLS"), "{seen}");
    }
}

#[test]
fn a_password_and_a_keytab_get_their_own_ticket() {
    let lab = Lab::named(SAMBA);
    let desk = Desk::new();
    let (url, user) = (lab.var("LAB_URL"), lab.var("LAB_AUDIT"));
    let file = lab.var("LAB_AUDIT_PASSWORD_FILE");
    let with_password = ["-u", user, "--password-file", file];
    let keytab = desk.arg("keytab");
    let (name, _) = user.split_once('@').expect("user@domain");
    samba_tool(
        &lab,
        &["domain", "exportkeytab", &keytab, "--principal", name],
    );
    let with_keytab = ["-u", user, "--keytab", &keytab];
    for login in [&with_password[..], &with_keytab] {
        let ran = lab.automend(&[&["audit", "-d", url, "-f", "json"], login].concat());
        lab.check_truth(&ran.ended(1));
    }
    // In clear text, as asked for by name, a password is not sent.
    let simple = ["audit", "-d", url, "--auth", "simple", "--allow-plaintext"];
    let host = lab.automend(&[&simple[..], &with_password].concat());
    host.failed_with(&["refusing to send a password in clear text"]);
}

#[test]
fn what_keeps_kerberos_from_working_is_told() {
    let lab = Lab::named(SAMBA);
    let desk = Desk::new();
    let (url, user) = (lab.var("LAB_URL"), lab.var("LAB_AUDIT"));
    let audit = tickets(&lab, &desk, "LAB_AUDIT");
    let wrong = desk.arg("wrong");
    std::fs::write(desk.file("wrong"), "not the password\n").expect("the desk");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(desk.file("wrong"), private).expect("the desk");
    let (address, none) = ("ldap://127.0.0.1", desk.arg("none"));
    for (arguments, words) in [
        (
            &["-d", url, "-u", user, "--password-file", &wrong][..],
            &["no ticket for ldap/dc1.contoso.test", "is wrong"][..],
        ),
        (
            &[
                "-d",
                address,
                "--auth",
                "kerberos",
                "--ticket-cache",
                &audit,
            ],
            &["connect by the full DNS name"],
        ),
        (
            &["-d", url, "--auth", "kerberos", "--ticket-cache", &none],
            &["run kinit"],
        ),
        (
            &[
                "-d",
                url,
                "--auth",
                "kerberos",
                "--ticket-cache",
                &audit,
                "--kdc",
                "127.0.0.1:9",
            ],
            &["asking 127.0.0.1:9 for a ticket"],
        ),
    ] {
        lab.automend(&[&["audit"], arguments].concat())
            .failed_with(words);
    }
}
