//! What was typed, and is reported back where it was wrong; and a password that is typed into a pipe.

use super::*;

/// As Samba says it.
const NO_BASE: &str = "00000000: NameErr: DSID-0, No such Base DN: ../../source4/dsdb/samdb/ldb_modules/dirsync.c:1:acl_search";

#[test]
fn a_base_that_does_not_exist_is_told_with_those_that_do() {
    let server = Server::scripted(company(), |request, _| match &request.op {
        Op::Search(search) if search.base.contains("Persons") => Act::Refuse(32, NO_BASE),
        _ => Act::Answer,
    });
    let typo = "OU=Persons,DC=contoso,DC=test";
    let run = audit(&server, &["--base", typo]).exits(2);
    assert_eq!(
        run.err,
        format!(
            "automend: {}: no object has this DN: --base \"{typo}\"; the directory's naming contexts are {BASE}\n",
            server.url()
        ),
        "{run}"
    );
    assert_eq!(run.out, "");
}

#[test]
fn a_password_may_come_from_standard_input() {
    let server = Server::honest(company());
    let url = server.url();
    let arguments = [
        "audit",
        "-d",
        &url,
        "--allow-plaintext",
        "--user",
        "CN=Alice,DC=contoso,DC=test",
        "--password-file",
        "-",
    ];
    Bench::new()
        .automend_reading(&arguments, "Wint3r-Regen\nnot this\n")
        .exits(1);
    let sent = server.held().passwords();
    assert_eq!(sent, [("Wint3r-Regen".to_owned(), false)]);
}
