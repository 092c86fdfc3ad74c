//! `automend directory serve` with a ticket of MIT's centre: OpenLDAP's tools and automend sign in by Kerberos.

use super::*;
use crate::served::ldap::LdapService;

const HOST: &str = "localhost";

/// The service, with the keys of `ldap/localhost`, and Alice among its accounts.
fn serve(realm: &Realm) -> LdapService {
    let (_, keytab) = path(&realm.desk, "ldap.keytab");
    let principal = format!("ldap/{HOST}");
    // Another test may have made it.
    let _ = run(
        &mut realm.command(
            "/usr/sbin/kadmin.local",
            &["addprinc", "-randkey", &principal],
        ),
        "",
    );
    realm.kadmin(&["ktadd", "-norandkey", "-k", &keytab, &principal]);
    let ldif = DOMAIN.to_owned() + &mailbox("Alice", &[]) + &mailbox("Bob", &[]);
    let ldif = ldif
        .replace("DC=contoso,DC=com", "DC=mit,DC=test")
        .replace("dc: contoso", "dc: mit")
        .replace("contoso.com", "mit.test");
    let options = [
        "--host-name",
        HOST,
        "--keytab",
        &keytab,
        "--writer",
        "alice@mit.test",
    ];
    LdapService::ldif(&ldif, &options)
}

/// The URL under the name that the ticket is for.
fn named(url: &str) -> String {
    url.replace("127.0.0.1", HOST)
}

#[test]
fn openldap_s_tools_sign_in_sign_and_encrypt() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let server = serve(&realm);
    let url = named(&server.ldap);
    for (mechanism, properties, strength) in [
        ("GSSAPI", "minssf=56", "SASL data security layer installed."),
        (
            "GSSAPI",
            "minssf=1,maxssf=1",
            "SASL data security layer installed.",
        ),
        (
            "GSS-SPNEGO",
            "minssf=56",
            "SASL data security layer installed.",
        ),
    ] {
        let base = ["-H", &url, "-N", "-Y", mechanism, "-O", properties];
        let search = [
            "-b",
            "DC=mit,DC=test",
            "-s",
            "sub",
            "(mail=bob@mit.test)",
            "mail",
        ];
        let output = run(
            &mut realm.command("ldapsearch", &[&base[..], &search].concat()),
            "",
        );
        let said = succeeded(&output);
        assert!(said.contains("mail: bob@mit.test"), "{mechanism}: {said}");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains(strength), "{mechanism} {properties}: {log}");
    }
    // Without a layer the server wants one.
    let weak = [
        "-H", &url, "-N", "-Y", "GSSAPI", "-O", "maxssf=0", "-b", "", "-s", "base",
    ];
    let output = run(&mut realm.command("ldapsearch", &weak), "");
    assert!(!output.status.success(), "{output:?}");
    let change =
        "dn: CN=Bob,DC=mit,DC=test\nchangetype: modify\nreplace: displayName\ndisplayName: Bobby\n";
    let modify = ["-H", &url, "-N", "-Y", "GSSAPI"];
    succeeded(&run(&mut realm.command("ldapmodify", &modify), change));
    server.logged(&["ldap-write", "alice@mit.test", "\"result\":0"]);
}

#[test]
fn automend_signs_in_with_the_same_ticket_with_and_without_tls() {
    let realm = Realm::new();
    realm.kinit("alice", &[]);
    let server = serve(&realm);
    let certificate = server.certificate.to_str().expect("its path is UTF-8");
    for (url, how) in [
        (named(&server.ldap), "every message encrypted"),
        (named(&server.ldaps), "over TLS"),
    ] {
        let audit = [
            "audit",
            "-d",
            &url,
            "--auth",
            "kerberos",
            "--ca",
            certificate,
        ];
        let output = run(
            &mut realm.command(env!("CARGO_BIN_EXE_automend"), &audit),
            "",
        );
        let said = succeeded(&output);
        assert!(
            said.contains("Signed in as alice@MIT.TEST") && said.contains(how),
            "{url}: {said}"
        );
    }
}

#[test]
fn a_user_without_an_account_does_not_get_in() {
    let realm = Realm::new();
    realm.kinit("user-aes256-sha1", &[]);
    let server = serve(&realm);
    let url = named(&server.ldap);
    let search = ["-H", &url, "-N", "-Y", "GSSAPI", "-b", "DC=mit,DC=test"];
    let output = run(&mut realm.command("ldapsearch", &search), "");
    assert_eq!(output.status.code(), Some(49), "{output:?}");
    server.logged(&["ldap-login-refused", "no account of the directory"]);
}
