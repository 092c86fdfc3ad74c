//! Servers that are empty, closed or stingy: each ends in a clear word, never in half an answer.

use super::SLAPD;
use crate::lab::Lab;
use crate::lab::slapd::{Kind, Slapd, owner};

const AUDIT: &[&str] = &["audit", "--format", "json"];

fn audit(lab: &Lab, slapd: &Slapd) -> crate::lab::program::Ran {
    lab.automend(&[AUDIT, &["-d", &slapd.url]].concat())
}

#[test]
fn an_empty_directory_is_told_to_be_empty_and_not_called_well() {
    let lab = Lab::named(SLAPD);
    let slapd = Slapd::start(
        &Kind {
            exchange: true,
            ..Kind::default()
        },
        "",
    );
    let json = audit(&lab, &slapd).ended(2);
    assert!(json.contains("\"owners\": 0"), "{json}");
    let table = lab.automend(&["audit", "-d", &slapd.url]).ended(2);
    assert!(table.contains("no user can be seen"), "{table}");
}

#[test]
fn a_directory_without_exchange_s_schema_is_told_from_a_healthy_one() {
    let lab = Lab::named(SLAPD);
    let slapd = Slapd::start(&Kind::default(), "");
    audit(&lab, &slapd).failed_with(&[&slapd.url, "no Exchange schema"]);
}

#[test]
fn a_size_limit_ends_an_audit_instead_of_shortening_it() {
    let lab = Lab::named(SLAPD);
    let owners: String = (0..20)
        .map(|n| owner(&format!("owner{n}"), &["somebody"]))
        .collect();
    let stingy = Kind {
        exchange: true,
        global: "sizelimit size.soft=5 size.hard=5 size.prtotal=5",
        database: "",
    };
    let slapd = Slapd::start(&stingy, &owners);
    let audit = audit(&lab, &slapd);
    audit.failed_with(&[&slapd.url, "size limit"]);
    assert_eq!(audit.out, "");
    // Its administrator stands above the limit, and sees all twenty.
    let password = slapd.password_file();
    let all = lab.automend(
        &[
            AUDIT,
            &[
                "-d",
                &slapd.url,
                "-u",
                Slapd::ROOT,
                "--password-file",
                &password,
            ],
        ]
        .concat(),
    );
    assert!(all.ended(1).contains("\"owners\": 20"));
}

#[test]
fn an_account_that_may_read_nothing_is_not_told_that_all_is_well() {
    let lab = Lab::named(SLAPD);
    let closed = Kind {
        exchange: true,
        database: "access to * by * none",
        ..Kind::default()
    };
    let slapd = Slapd::start(&closed, &owner("owner", &["somebody"]));
    let audit = audit(&lab, &slapd);
    audit.failed_with(&[&slapd.url, "may read nothing", "dc=small,dc=test"]);
    assert_eq!(audit.out, "");
}

#[test]
fn an_attribute_that_may_not_be_read_is_never_called_absent() {
    let lab = Lab::named(SLAPD);
    for hidden in [
        "msExchMailboxGuid",
        "legacyExchangeDN",
        "homeMDB,msExchHomeServerName",
        "msExchRecipientTypeDetails",
    ] {
        // The owner has a mailbox, as far as the administrator can see.
        let ldif = owner("owner", &["somebody"]).trim_end().to_owned()
            + "\nlegacyExchangeDN: /o=Small/cn=owner\nmsExchMailboxGuid:: b5YZ/4uG0BG0LQDAT8lk/w==\n\
               msExchHomeServerName: /o=Small/cn=Servers/cn=EX01\n";
        // Without its type, what looks like a missing home may be a mailbox in the cloud.
        let ldif = if hidden == "msExchRecipientTypeDetails" {
            owner("owner", &["somebody"]).trim_end().to_owned()
                + "\nmsExchRecipientTypeDetails: 2147483648\n"
        } else {
            ldif
        };
        let rule = format!("access to attrs={hidden} by * none\naccess to * by * read");
        let kind = Kind {
            exchange: true,
            database: Box::leak(rule.into_boxed_str()),
            ..Kind::default()
        };
        let slapd = Slapd::start(&kind, &ldif);
        let json = audit(&lab, &slapd).ended(1);
        assert!(
            json.contains("AM106") && !json.contains("stale-link"),
            "{hidden}: {json}"
        );
        assert!(
            json.contains(hidden.split(',').next().expect("a name")),
            "it is not said which: {json}"
        );
        assert!(
            lab.automend(&["fix", "--yes", "-d", &slapd.url])
                .ended(0)
                .contains("nothing to fix")
        );
    }
}

#[test]
fn a_wrong_password_a_wrong_authority_and_a_silent_port_are_named() {
    let lab = Lab::named(SLAPD);
    let ldaps = lab.var("LAB_LDAPS_URL");
    let desk = crate::lab::program::Desk::new();
    std::fs::write(desk.file("wrong"), "not-the-password\n").expect("the desk is ours");
    let (wrong, ca, tool) = (desk.arg("wrong"), lab.var("LAB_CA"), lab.var("LAB_TOOL"));
    lab.automend(&[
        "audit",
        "-d",
        ldaps,
        "--ca",
        ca,
        "-u",
        tool,
        "--password-file",
        &wrong,
    ])
    .failed_with(&[ldaps, tool, "login"]);
    lab.automend(&["audit", "-d", ldaps])
        .failed_with(&[ldaps, "--ca"]);
    // Anyone who listens there takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ldaps://{}", silent.local_addr().expect("it is bound"));
    lab.automend(&["audit", "-d", &url, "--timeout", "1"])
        .failed_with(&[&url, "1 s"]);
    drop(silent);
    lab.automend(&["audit", "-d", &url])
        .failed_with(&[&url, "cannot connect"]);
    lab.automend(&["audit", "-d", "ldapi://%2Fno%2Fsuch%2Fsocket"])
        .failed_with(&["%2Fno%2Fsuch%2Fsocket", "socket"]);
}
