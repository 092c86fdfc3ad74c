//! Servers with values that are none: what decides and cannot be read is undecided, and in no plan.

use super::*;

const GUID: &str = "msExchMailboxGuid";

/// Bob is an owner with a link to Emma; `bad` makes one of his values one that is none.
fn with_bad(bad: impl FnOnce(&mut Object)) -> Server {
    let mut bob = Object::mailbox("Bob").opened_for(["Emma"]);
    bad(&mut bob);
    let mut emma = Object::mailbox("Emma").opens(["Bob"]);
    *emma.values_mut("proxyAddresses") = vec![b"SMTP:emma@contoso.test".to_vec()];
    let mut objects = vec![bob, emma, Object::mailbox("Zoe")];
    for (i, object) in objects.iter_mut().enumerate() {
        // Objects with a GUID are proved together.
        *object.values_mut("objectGUID") = vec![format!("{i:016}").into_bytes()];
    }
    Server::honest(objects)
}

#[test]
fn a_deciding_value_that_is_none_is_undecided_and_in_no_plan() {
    type Bad = (&'static str, &'static [(&'static str, &'static [u8])]);
    let cases: [Bad; 6] = [
        ("a short GUID", &[(GUID, b"short")]),
        ("no UTF-8", &[("legacyExchangeDN", b"/o=\xff")]),
        ("a home that is no name", &[("homeMDB", b"nowhere")]),
        (
            "a server that is no text",
            &[("homeMDB", b""), ("msExchHomeServerName", b"\xff\xfe")],
        ),
        // The server affirms that the GUID is absent; the type is open all the same.
        (
            "a type that is no number",
            &[(GUID, b""), ("msExchRecipientTypeDetails", b"x")],
        ),
        (
            "flags that are no number",
            &[
                (GUID, b""),
                ("msExchRecipientTypeDetails", b"99"),
                ("msExchRemoteRecipientType", b"x"),
            ],
        ),
    ];
    for (what, bad) in cases {
        let server = with_bad(|bob| {
            for (name, value) in bad {
                let values = bob.values_mut(name);
                values.clear();
                values.extend((!value.is_empty()).then(|| value.to_vec()));
            }
        });
        let url = server.url();
        let bench = Bench::new();
        let run = |arguments: &[&str]| {
            let access = ["-d", &url, "--allow-plaintext", "--timeout", "2"];
            bench.automend(&[arguments, &access].concat())
        };
        for options in [
            &[][..],
            &["--deep"],
            &["--delegate", "emma@contoso.test"],
            &["--owner", "bob@contoso.test"],
        ] {
            let report = run(&[&["audit", "--format", "json"], options].concat()).json();
            let links: Vec<String> = findings(&report)
                .into_iter()
                .filter(|f| f.starts_with("AM"))
                .collect();
            assert_eq!(links.len(), 1, "{what} {options:?}: {links:?}");
            assert!(
                links[0].starts_with("AM106 Bob:"),
                "{what} {options:?}: {links:?}"
            );
            let told = defects(&report);
            assert!(
                told.iter().any(|d| d.contains("CN=Bob,")),
                "{what} {options:?}: {told:?}"
            );
        }
        let shown = run(&["show", "emma@contoso.test"]).exits(1);
        assert!(
            shown.out.contains("AM106") && !shown.out.contains("AM101"),
            "{what}: {shown}"
        );
        assert!(shown.err.contains("CN=Bob,"), "{what}: {shown}");
        for options in [
            &[][..],
            &["--delegate", "emma@contoso.test"],
            &["--owner", "bob@contoso.test"],
        ] {
            let plan = run(&[&["fix", "--plan-only", "-o", "plan.json"], options].concat());
            let text = if bench.path("plan.json").exists() {
                bench.read("plan.json")
            } else {
                String::new()
            };
            assert!(!text.contains("CN=Bob,"), "{what} {options:?}: {plan}");
        }
    }
}

#[test]
fn a_link_that_is_no_name_is_told_with_its_owner() {
    for links in [
        &[b"nobody".as_slice(), b"CN=Emma,DC=contoso,DC=test"][..],
        &[b"\xff", b"CN=Emma,DC=contoso,DC=test"],
    ] {
        let server = with_bad(|bob| {
            *bob.values_mut(LINK) = links.iter().map(|link| link.to_vec()).collect();
        });
        let url = server.url();
        for command in [
            &["audit"][..],
            &["audit", "--delegate", "emma@contoso.test"],
            &["show", "emma@contoso.test"],
        ] {
            let access = ["-d", &url, "--allow-plaintext", "--timeout", "2"];
            let run = Bench::new().automend(&[command, &access].concat()).exits(2);
            let told = format!("{}{}", run.out, run.err);
            assert!(
                told.contains("CN=Bob,") && told.contains(LINK),
                "{command:?}: {run}"
            );
        }
    }
}
