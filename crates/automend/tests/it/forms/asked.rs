//! What people type and look for: codes, times, widths, and the page that is looked through without a script.

use super::*;

#[test]
fn a_number_that_people_see_is_explained() {
    let bench = Bench::new();
    bench
        .automend(&["explain", "603"])
        .exits(0)
        .says("fault-603: ");
    for text in ["0x800C8203", "0X800c8203", "800C8203", "-2146663933"] {
        bench
            .automend(&["explain", text])
            .exits(0)
            .says("Outlook shows 0x800C8203");
    }
    bench
        .automend(&["explain", "0xZZ"])
        .exits(2)
        .warns("such as 603 or 0x800C8203");
}

#[test]
fn completions_know_the_codes() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.automend(&["completions", shell]).exits(0).out;
        for code in ["AM101", "fault-603"] {
            assert!(script.contains(code), "{shell} does not know {code}");
        }
        // The condition under which they are offered is a function of the script itself.
        if shell == "fish" {
            let known = "__fish_automend_using_subcommand";
            assert!(script.contains(&format!("function {known}\n")));
            assert!(script.contains(&format!("-n \"{known} explain\" -f -a \"AM101 ")));
        }
    }
}

#[test]
fn a_port_alone_is_answered_with_an_address_and_it() {
    let bench = Bench::new();
    for text in ["8888", ":8888"] {
        bench
            .automend(&["trace", "--listen", text, "-o", "x.har"])
            .exits(2)
            .warns("such as 127.0.0.1:8888");
    }
    assert!(!bench.path("x.har").exists());
}

#[test]
fn authorities_may_be_several() {
    let bench = Bench::contoso();
    let audit = ["audit", "-d", "directory", "--ca", "a.pem", "--ca", "b.pem"];
    bench.automend(&audit).exits(1);
}

#[test]
fn a_table_is_as_wide_as_whoever_runs_it_says() {
    let bench = Bench::contoso();
    let widest = |columns: &str| {
        let audit = ["audit", "-d", "directory"];
        let run = bench
            .automend_with(&[("COLUMNS", columns)], &audit)
            .exits(1);
        let width = |line: &str| line.chars().count();
        run.out.lines().map(width).max().unwrap()
    };
    assert!(widest("90") < widest("200"));
    for none in ["0", "", "wide"] {
        assert_eq!(widest(none), widest("120"), "{none:?}");
    }
}

#[test]
fn times_are_told_to_programs_as_rfc_3339() {
    let bench = Bench::new();
    let jim = "dn: CN=Jim Stone,OU=People,DC=contoso,DC=com\n";
    let changed = format!("{jim}whenChanged: 20261128043853.0Z\n");
    let ldif = crate::tool::CONTOSO.replace(jim, &changed);
    assert_ne!(ldif, crate::tool::CONTOSO);
    bench.file("c.ldif", ldif);
    for form in ["json", "jsonl", "csv"] {
        let audit = ["audit", "-d", "c.ldif", "--format", form];
        let out = bench.automend(&audit).exits(1).out;
        assert!(out.contains("2026-11-28T04:38:53Z"), "{form}: {out}");
        assert!(!out.contains("20261128"), "{form}: {out}");
    }
}

/// Values of an attribute in a page.
fn values<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let parts = page.split(&start).skip(1);
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn a_page_leads_from_codes_and_containers_to_findings_and_explanations() {
    let bench = Bench::contoso();
    let audit = ["audit", "-d", "directory", "--format"];
    let page = bench
        .automend(&[&audit[..], &["html"]].concat())
        .exits(1)
        .out;
    let report = bench
        .automend(&[&audit[..], &["json"]].concat())
        .exits(1)
        .json();
    let ids = values(&page, "id");
    let links = values(&page, "href");
    for link in &links {
        let id = link.strip_prefix('#').unwrap();
        assert_eq!(ids.iter().filter(|other| **other == id).count(), 1, "{id}");
    }
    for (number, finding) in report["findings"].as_array().unwrap().iter().enumerate() {
        let code = finding["code"].as_str().unwrap();
        for wanted in [
            format!("#{code}"),
            format!("#explain-{code}"),
            format!("#finding-{number}"),
        ] {
            assert!(links.contains(&wanted.as_str()), "{wanted}");
        }
    }
    // The same text as that of `explain`.
    let told = bench.automend(&["explain", "AM101"]).exits(0).out;
    let line = told
        .lines()
        .find(|line| line.starts_with("The owner's mailbox"));
    let line = line.unwrap().split(['\'', '`']).next_back().unwrap();
    assert!(page.contains(line), "{line}");
    assert!(
        page.contains("<summary>OU=People,DC=contoso,DC=com ("),
        "{page}"
    );
    // For people on the way: the page is as wide as the screen, and what is not scrolls by itself.
    for rule in [
        "<meta name=\"viewport\" content=\"width=device-width",
        "@media (max-width: 44rem)",
        ".picture { overflow-x: auto; }",
        "overflow-wrap: anywhere",
    ] {
        assert!(page.contains(rule), "{rule}");
    }
}

#[test]
fn every_owner_in_the_picture_has_a_line() {
    let bench = Bench::new();
    let mut ldif = "dn: DC=c,DC=test\nobjectClass: domainDNS\n\n".to_owned();
    for n in 0..90 {
        for delegate in [format!("A{n}"), format!("B{n}")] {
            writeln!(ldif, "dn: CN={delegate},DC=c,DC=test\nobjectClass: user\n").unwrap();
        }
        writeln!(
            ldif,
            "dn: CN=Owner{n},DC=c,DC=test\nobjectClass: user\nmsExchDelegateListLink: CN=A{n},DC=c,DC=test\n\
             msExchDelegateListLink: CN=B{n},DC=c,DC=test\n"
        )
        .unwrap();
    }
    // What is absent must have been exported.
    ldif += "dn: CN=Well,DC=c,DC=test\nobjectClass: user\nlegacyExchangeDN: /o=C/cn=well\n\
        msExchMailboxGuid:: AAECAwQFBgcICQoLDA0ODw==\nhomeMDB: CN=DB1,DC=c,DC=test\nmsExchHomeServerName: /o=C/cn=s\n\
        msExchRecipientTypeDetails: 1\n\n";
    bench.file("c.ldif", ldif);
    let audit = ["audit", "-d", "c.ldif", "--format", "html"];
    let page = bench.automend(&audit).out;
    let owners: BTreeSet<&str> = page
        .split("<circle cx=\"330\" cy=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let begun: BTreeSet<&str> = page
        .split("<path d=\"M330 ")
        .skip(1)
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    assert!(owners.len() > 10, "{page}");
    assert_eq!(owners, begun);
}

#[test]
fn the_comparison_with_the_truth_says_how_it_is_used() {
    let bench = Bench::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lab/check_truth.py");
    bench
        .file("truth.json", "{\"counts\": {}, \"staleLinks\": []}")
        .file("audit.json", "{\"counts\": {}, \"findings\": []}");
    let run = |arguments: &[&str]| {
        let done = Command::new("python3")
            .arg(script)
            .args(arguments)
            .current_dir(bench.folder())
            .output()
            .expect("python3 is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.contains("check_truth.py TRUTH.json [AUDIT.json]"),
        "{out}"
    );
    let (code, _, err) = run(&["audit.json", "truth.json"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("the truth comes first, the report second"),
        "{err}"
    );
    assert!(!err.contains("Traceback"), "{err}");
}
