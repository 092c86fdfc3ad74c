//! `automend test` as a client: tickets out of MIT's files, and tickets that it gets itself from MIT's
//! centre, with passwords and keys.

use serde_json::Value;

use super::*;

/// Tests the service as `user` with what `login` names; the report, and what is shown of it when a check
/// fails.
fn test(realm: &Realm, served: &Served, host: &str, login: &[&str]) -> Value {
    let port = served.https.port();
    let url = format!("https://{host}:{port}/autodiscover/autodiscover.xml");
    let resolve = format!("{host}:{port}:127.0.0.1");
    let own = [
        "test",
        "alice@mit.test",
        "--url",
        &url,
        "--resolve",
        &resolve,
        "--ca",
        realm.lab.var("LAB_CA"),
        "--auth",
        "negotiate",
        "--format",
        "json",
    ];
    let ran = realm.lab.automend(&[&own[..], login].concat());
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.err))
}

#[track_caller]
fn is_let_in(report: &Value) {
    assert_eq!(report["verdict"], "ok", "{report:#}");
}

/// Checks the cause, and that the report says these words.
#[track_caller]
fn fails(report: &Value, cause: &str, words: &str) {
    assert_eq!(report["verdict"], "failed", "{report:#}");
    assert_eq!(report["cause"], cause, "{report:#}");
    assert!(
        report.to_string().contains(words),
        "no {words} in {report:#}"
    );
}

fn with_password<'a>(realm: &'a Realm, user: &'a str) -> Vec<&'a str> {
    vec![
        "--user",
        user,
        "--password-file",
        realm.lab.var("LAB_USER_PASSWORD_FILE"),
        "--kdc",
        realm.lab.var("LAB_KDC"),
    ]
}

#[test]
fn a_ticket_file_of_kinit_is_enough() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    let file = realm.desk.arg("tickets");
    let tickets = ["--ticket-cache", &file];
    for (host, _) in [&ENCRYPTIONS[..], &[("mixed", ""), ("mail", "")]].concat() {
        let host = format!("{host}.mit.test");
        // A ticket for tickets, for which the centre of krb5.conf is asked; then one for the service.
        realm.kinit("alice", &[]);
        is_let_in(&test(&realm, &served, &host, &tickets));
        realm.kvno(&host);
        let nobody = ["--kdc", "127.0.0.1:1"];
        is_let_in(&test(
            &realm,
            &served,
            &host,
            &[&tickets[..], &nobody].concat(),
        ));
    }
    // One that has ended, and one for a realm that trusts this one.
    realm.kinit("alice", &["-l", "1s"]);
    crate::lab::eventually("the ticket has ended", || {
        let granting = realm.tickets();
        granting.tickets.iter().all(|ticket| ticket.ends < now())
    });
    let report = test(&realm, &served, "mail.mit.test", &tickets);
    fails(&report, "login-failed", "run kinit");
    realm.kinit("alice@OTHER.TEST", &[]);
    let report = test(&realm, &served, "mail.mit.test", &tickets);
    fails(&report, "login-rejected", "with Negotiate");
    served.logged(|line| {
        line["reason"]
            .as_str()
            .is_some_and(|why| why.starts_with("alice@OTHER.TEST: no account"))
    });
    // A service that no one has registered.
    realm.kinit("alice", &[]);
    let report = test(&realm, &served, "nobody.mit.test", &tickets);
    fails(&report, "login-failed", "HTTP/nobody.mit.test");
}

#[test]
fn a_password_is_enough_whatever_key_the_centre_keeps_of_it() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    for user in [
        "alice@mit.test",
        "mit.test\\alice",
        "ALICE@mit.test",
        "bob@MIT.TEST",
    ] {
        let report = test(
            &realm,
            &served,
            "mail.mit.test",
            &with_password(&realm, user),
        );
        if user.starts_with("ALICE") {
            // MIT's names have a case.
            fails(&report, "login-failed", "not known");
        } else {
            is_let_in(&report);
        }
    }
    for user in users() {
        let name = format!("{user}@mit.test");
        let mut login = with_password(&realm, &name);
        if user == "user-rc4" {
            let report = test(&realm, &served, "mail.mit.test", &login);
            fails(&report, "login-failed", "encryption type");
            login.push("--rc4");
        }
        is_let_in(&test(&realm, &served, "mail.mit.test", &login));
    }
}

#[test]
fn a_password_may_have_any_letters() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    // What a key is made of are its bytes as they are, whatever stands in them.
    for password in [
        "Gr\u{fc}\u{df}e, \u{20ac} 5",
        "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
        "a\\b 'c' \"d\"",
    ] {
        realm.kadmin(&["cpw", "-pw", password, "letters"]);
        std::fs::write(realm.desk.file("password"), format!("{password}\n"))
            .expect("the desk is ours");
        let file = realm.desk.arg("password");
        private(&file);
        for user in ["letters@mit.test", "mit.test\\letters"] {
            let mut login = with_password(&realm, user);
            login[3] = &file;
            is_let_in(&test(&realm, &served, "mail.mit.test", &login));
        }
    }
}

#[test]
fn a_key_out_of_a_keytab_is_enough() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    let (keytab, kdc) = (realm.lab.var("LAB_USER_KEYTAB"), realm.lab.var("LAB_KDC"));
    for user in ["alice@mit.test", "mit.test\\alice"] {
        let login = ["--user", user, "--keytab", keytab, "--kdc", kdc];
        is_let_in(&test(&realm, &served, "mail.mit.test", &login));
    }
}

#[test]
fn what_the_centre_refuses_is_told_by_its_reason() {
    let realm = Realm::new();
    let served = realm.serve(realm.lab.var("LAB_KEYTAB"));
    let report = |user: &str| {
        test(
            &realm,
            &served,
            "mail.mit.test",
            &with_password(&realm, user),
        )
    };
    for user in ["nobody@mit.test", "mit.test\\nobody"] {
        fails(&report(user), "login-failed", "nobody@");
    }
    fails(&report("locked@mit.test"), "login-rejected", "locked");
    fails(
        &report("stale@mit.test"),
        "login-rejected",
        "password of stale",
    );
    fails(&report("gone@mit.test"), "login-rejected", "gone");
    std::fs::write(realm.desk.file("wrong"), "not-the-password\n").expect("the desk is ours");
    let wrong = realm.desk.arg("wrong");
    private(&wrong);
    // Of bob the centre wants no proof, so it is the answer that cannot be opened.
    for user in ["alice@mit.test", "mit.test\\alice", "bob@mit.test"] {
        let mut login = with_password(&realm, user);
        login[3] = &wrong;
        let report = test(&realm, &served, "mail.mit.test", &login);
        fails(&report, "login-rejected", "is wrong");
    }
}

/// Leaves a file to its owner alone.
fn private(file: &str) {
    succeeded(&run(Command::new("chmod").args(["600", file]), ""));
}
