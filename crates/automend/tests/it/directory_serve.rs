//! The embedded directory over LDAP, by the real binary: who gets in, who may do what, and what automend itself
//! finds there.

use std::process::Command;

use crate::served::ldap::LdapService;
use crate::tool::{Bench, Run};

const PEOPLE: &str = "\n\
    dn: CN=Repairers,DC=contoso,DC=com\nobjectClass: group\nsAMAccountName: repairers\n\
    member: CN=Everyone there,DC=contoso,DC=com\n\n\
    dn: CN=Everyone there,DC=contoso,DC=com\nobjectClass: group\nsAMAccountName: there\n\
    member: CN=ann,DC=contoso,DC=com\nmember: CN=Repairers,DC=contoso,DC=com\n\n\
    dn: CN=ann,DC=contoso,DC=com\nobjectClass: user\nsAMAccountName: ann\nuserPrincipalName: ann@contoso.com\n\
    userAccountControl: 512\nuserPassword: Wint3r-Regen\n\n\
    dn: CN=bert,DC=contoso,DC=com\nobjectClass: user\nsAMAccountName: bert\nuserPrincipalName: bert@contoso.com\n\
    userAccountControl: 512\nuserPassword: Wint3r-Regen\n\n\
    dn: CN=gone,DC=contoso,DC=com\nobjectClass: user\nsAMAccountName: gone\n\
    userPrincipalName: gone@contoso.com\nuserAccountControl: 514\nuserPassword: Wint3r-Regen\n";

/// Contoso with its stale links, served.
fn served(options: &[&str]) -> (Bench, LdapService) {
    let bench = Bench::contoso();
    let ldif = bench.exported("directory") + PEOPLE;
    bench.file("password", "Wint3r-Regen\n");
    bench.file("wrong", "Sommer\n");
    (bench, LdapService::ldif(&ldif, options))
}

fn at(bench: &Bench, server: &LdapService, url: &str, arguments: &[&str]) -> Run {
    let ca = server.certificate.to_str().unwrap();
    bench.automend(&[arguments, &["-d", url, "--ca", ca]].concat())
}

#[test]
fn an_audit_over_ldap_finds_what_the_directory_itself_holds() {
    let (bench, mut server) = served(&[]);
    let expected = bench
        .automend(&["audit", "-d", "directory", "-f", "json"])
        .json();
    let login = ["-u", "bert@contoso.com", "--password-file", "password"];
    let audit = ["audit", "-f", "json"];
    let plain = [&audit[..], &login, &["--allow-plaintext"]].concat();
    let start_tls = [&audit[..], &login, &["--start-tls"]].concat();
    let by_dn = [
        "-u",
        "CN=bert,DC=contoso,DC=com",
        "--password-file",
        "password",
    ];
    for (url, arguments) in [
        (&server.ldap, &plain[..]),
        (&server.ldap, &start_tls),
        (&server.ldaps, &[&audit[..], &login].concat()),
        (&server.ldaps, &[&audit[..], &by_dn].concat()),
        (&server.ldapi, &audit),
    ] {
        let found = at(&bench, &server, url, arguments).exits(1).json();
        assert_eq!(found["findings"], expected["findings"], "{url}");
        assert_eq!(found["counts"], expected["counts"], "{url}");
    }
    assert!(server.stop().success());
    assert!(!server.folder.path().join("socket").exists());
}

#[test]
fn who_has_no_account_or_the_wrong_password_reads_nothing() {
    let (bench, server) = served(&[]);
    let audit = |user: &str, file: &str| {
        let login = ["audit", "-u", user, "--password-file", file];
        at(&bench, &server, &server.ldaps, &login)
    };
    for (user, file) in [
        ("bert@contoso.com", "wrong"),
        ("nobody@contoso.com", "password"),
        ("CN=nobody,DC=contoso,DC=com", "password"),
        ("gone@contoso.com", "password"),
    ] {
        audit(user, file).exits(2).warns("wrong user or password");
    }
    server.logged(&["ldap-login-refused", "bert@contoso.com"]);
    at(&bench, &server, &server.ldaps, &["audit"])
        .exits(2)
        .warns("the server wants a login");
}

#[test]
fn members_of_a_named_group_write_and_others_only_read() {
    let (bench, server) = served(&["--writer", "repairers"]);
    let fix = |user: &str| {
        let login = ["fix", "--yes", "-u", user, "--password-file", "password"];
        let receipt = ["--receipt", &format!("{user}.ldif")];
        at(
            &bench,
            &server,
            &server.ldaps,
            &[&login[..], &receipt].concat(),
        )
    };
    fix("bert@contoso.com")
        .exits(1)
        .says("insufficientAccessRights");
    server.logged(&["ldap-write", "bert@contoso.com", "\"result\":50"]);
    // A group in a group, and the two are in a circle.
    fix("ann@contoso.com").exits(0);
    server.logged(&["ldap-write", "ann@contoso.com", "modify", "\"result\":0"]);
    let audit = [
        "audit",
        "-u",
        "bert@contoso.com",
        "--password-file",
        "password",
    ];
    at(&bench, &server, &server.ldaps, &audit).says_not("AM101");
}

#[test]
fn readers_are_those_who_are_named_and_a_name_of_nobody_is_refused() {
    let (bench, server) = served(&["--reader", "CN=Repairers,DC=contoso,DC=com"]);
    let audit = |user: &str| {
        let login = ["audit", "-u", user, "--password-file", "password"];
        at(&bench, &server, &server.ldaps, &login)
    };
    audit("ann@contoso.com").exits(1);
    audit("bert@contoso.com")
        .exits(2)
        .warns("insufficientAccessRights");
    let unknown = [
        "directory",
        "serve",
        "-d",
        "directory",
        "--writer",
        "nobody@contoso.com",
    ];
    bench
        .automend(&unknown)
        .exits(2)
        .warns("--writer nobody@contoso.com")
        .warns("no such account or group");
}

#[test]
fn a_socket_in_use_and_a_file_in_its_place_are_refused() {
    let (bench, server) = served(&[]);
    let socket = server.folder.path().join("socket");
    let other = bench.path("other");
    std::fs::write(&other, "a file").unwrap();
    for (path, why) in [
        (&socket, "another server listens"),
        (&other, "is no socket"),
    ] {
        let path = path.to_str().unwrap();
        let run = bench.automend(&["directory", "serve", "-d", "directory", "--ldapi", path]);
        run.exits(2).warns(why);
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "a file");
    let again = Command::new(env!("CARGO_BIN_EXE_automend"))
        .args(["directory", "serve", "-d"])
        .arg(server.folder.path().join("directory"))
        .output()
        .unwrap();
    assert_eq!(
        again.status.code(),
        Some(2),
        "two processes on one directory"
    );
}
