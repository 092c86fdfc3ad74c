//! Owners in a file that have nearly all of a mailbox: a glance at their attributes is not enough.

use crate::tool::{Bench, findings};

/// A whole mailbox with a link to Alice, but for its name, its name inside Exchange and its database.
fn owner(dn: &str, legacy: &str, database: &str) -> String {
    format!(
        "\ndn: {dn}\nobjectClass: user\nlegacyExchangeDN: {legacy}\n\
         msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==\nhomeMDB: {database}\n\
         msExchRecipientTypeDetails: 1\nmsExchDelegateListLink: CN=Alice,DC=c\n"
    )
}

const DATABASES: &str = "\ndn: CN=DB1,DC=c\nobjectClass: msExchPrivateMDB\n";
const HERE: &str = "CN=DB1,DC=c";
const GONE: &str = r"CN=DB9\0ADEL:2,CN=Deleted Objects,DC=c";

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let bench = Bench::new();
    bench.file(
        "a.ldif",
        format!("dn: CN=Alice,DC=c\nobjectClass: user\n{text}"),
    );
    let report = bench.automend(&["audit", "-d", "a.ldif", "--format", "json"]);
    assert_eq!(findings(&report.json()), expected, "{text}");
}

#[test]
fn a_deleted_owner_is_stale_though_the_recycle_bin_kept_all_of_its_mailbox() {
    let jim = r"CN=Jim\0ADEL:1,CN=Deleted Objects,DC=c";
    let text = owner(jim, "/o=c/cn=jim", HERE) + DATABASES;
    check(&text, &["AM114 Jim: Alice"]);
}

#[test]
fn a_slash_alone_is_no_name_inside_exchange() {
    let text = owner("CN=Jim,DC=c", "/", HERE) + DATABASES;
    check(&text, &["AM102 Jim: Alice"]);
}

#[test]
fn a_deleted_database_is_told_once_whether_the_file_has_databases_or_none() {
    let jim = owner("CN=Jim,DC=c", "/o=c/cn=jim", GONE);
    check(&jim, &["AM104 Jim: Alice"]);
    check(&(jim + DATABASES), &["AM104 Jim: Alice"]);
}

#[test]
fn a_mailbox_is_well() {
    let text = owner("CN=Jim,DC=c", "/o=c/cn=jim", HERE) + DATABASES;
    check(&text, &[]);
}
